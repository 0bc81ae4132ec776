/*
 * api_tx.c: GET /v1/transactions/{txid}: what became of a transaction, and waiting for it.
 */
#include <stdlib.h>
#include <string.h>

#include "api_impl.h"
#include "jread.h"
#include "text.h"

enum { WAIT_MAX_MS = 10000 };

/* ---- a final one --------------------------------------------------------------------------- */

/* What an input spends: owner and amount, from the transaction that made the output. */
static enum found read_source(struct node *n, struct reader *reader, const struct qoutpoint *p,
                              struct qoutput *out, struct err *err)
{
	const struct genesis *g = node_genesis(n);
	if (qtxid_eq(&p->tx, &g->txid)) {
		if (p->index >= g->g.allocations.allocations_len)
			return NOT_FOUND;
		*out = g->g.allocations.allocations_val[p->index];
		return FOUND;
	}
	struct tx_place place;
	struct bytes raw;
	struct qtx tx;
	enum found found = reader_tx(reader, &p->tx, &place, &raw, err);
	if (found != FOUND)
		return found;
	found = NOT_FOUND;
	if (wire_decode(WIRE(qtx), raw.data, raw.len, &tx)) {
		if (p->index < tx.body.outputs.outputs_len) {
			*out = tx.body.outputs.outputs_val[p->index];
			found = FOUND;
		}
		wire_free(WIRE(qtx), &tx);
	}
	bytes_free(&raw);
	return found;
}

static bool inputs_json(struct node *n, struct reader *reader, const struct qtx_body *body, json_t *list,
                        struct err *err)
{
	for (u_int i = 0; i < body->inputs.inputs_len; i++) {
		const struct qoutpoint *p = &body->inputs.inputs_val[i];
		struct qoutput source;
		enum found found = read_source(n, reader, p, &source, err);
		if (found == FOUND_ERROR)
			return false;
		json_t *input =
		    json_pack("{s:o, s:o}", "txid", API_HEX(p->tx), "index", api_number(p->index));
		if (found == FOUND) {
			json_object_set_new(input, "owner", api_address(&source.owner));
			json_object_set_new(input, "amount", jread_amount_json(source.amount));
			api_lock(input, &source.lock);
		}
		json_array_append_new(list, input);
	}
	return true;
}

static bool outputs_json(struct reader *reader, const struct qtxid *id, const struct qoutput *outputs,
                         u_int cnt, json_t *list, struct err *err)
{
	for (u_int i = 0; i < cnt; i++) {
		struct qoutpoint p = {.tx = *id, .index = i};
		struct qtxid spender;
		bool known;
		enum found found = reader_spender(reader, &p, &spender, &known, err);
		if (found == FOUND_ERROR)
			return false;
		json_t *output = json_pack("{s:o, s:o, s:o}", "owner", api_address(&outputs[i].owner),
		                           "amount", jread_amount_json(outputs[i].amount), "spent_by",
		                           found == FOUND ? API_HEX(spender) : json_null());
		api_lock(output, &outputs[i].lock);
		json_array_append_new(list, output);
	}
	return true;
}

/* The memo as text where it is text without control characters. */
static json_t *memo_text(const uint8_t *memo, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (memo[i] < 0x20 || memo[i] == 0x7f)
			return json_null();
	}
	json_t *text = json_stringn((const char *)memo, len); /* NULL: not UTF-8 */
	return text == NULL ? json_null() : text;
}

/* Two votes of one kind that contradict each other; the bytes of the transaction are the proof. */
static json_t *offence_json(const struct qoffence *o)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "replica", api_number(o->replica), "kind",
	                 api_vote(o->kind), "height", api_number(o->first.height.n), "view",
	                 api_number(o->first.view.n), "first", API_HEX(o->first.block), "second",
	                 API_HEX(o->second.block));
}

static json_t *final_json(struct node *n, struct reader *reader, const struct tx *tx,
                          const struct tx_place *place, struct err *err)
{
	const struct qtx_body *body = &tx->q.body;
	const uint8_t *memo = (const uint8_t *)body->memo.memo_val;
	json_t *inputs = json_array(), *outputs = json_array(), *owners = json_array();
	bool ok =
	    inputs_json(n, reader, body, inputs, err) &&
	    outputs_json(reader, &tx->id, body->outputs.outputs_val, body->outputs.outputs_len, outputs, err);
	for (u_int i = 0; i < tx->q.witnesses.witnesses_len; i++) {
		struct qaddress owner = account_address(&tx->q.witnesses.witnesses_val[i].key);
		json_array_append_new(owners, api_address(&owner));
	}
	json_t *json = json_object();
	json_object_set_new(json, "txid", API_HEX(tx->id));
	json_object_set_new(json, "status", json_string("final"));
	json_object_set_new(json, "height", api_number(place->height.n));
	json_object_set_new(json, "position", api_number(place->position));
	json_object_set_new(json, "expiry", api_number(body->expiry.n));
	json_object_set_new(json, "memo", memo_text(memo, body->memo.memo_len));
	json_object_set_new(json, "memo_hex", api_hex(memo, body->memo.memo_len));
	json_object_set_new(json, "inputs", inputs);
	json_object_set_new(json, "outputs", outputs);
	json_object_set_new(json, "signed_by", owners);
	if (body->offence.offence_len > 0)
		json_object_set_new(json, "offence", offence_json(body->offence.offence_val));
	json_object_set_new(json, "raw", api_hex(tx->raw, tx->raw_len));
	if (!ok) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static enum found read_final(struct node *n, const struct qtxid *id, json_t **out, struct err *err)
{
	struct reader *reader = node_reader(n, err);
	if (reader == NULL)
		return FOUND_ERROR;
	struct tx_place place;
	struct bytes raw = {0};
	enum tx_verdict verdict = TX_OK;
	enum found found = reader_tx(reader, id, &place, &raw, err);
	if (found == FOUND) {
		struct tx *tx = tx_parse(&node_genesis(n)->chain, raw.data, raw.len, &verdict);
		if (tx == NULL)
			err_set(err, ERR_WORLD,
			        "the transaction at height %llu, position %u is damaged; run quorate audit",
			        (unsigned long long)place.height.n, place.position);
		*out = tx == NULL ? NULL : final_json(n, reader, tx, &place, err);
		found = *out == NULL ? FOUND_ERROR : FOUND;
		tx_unref(tx);
		bytes_free(&raw);
	}
	node_reader_back(n, reader, found == FOUND_ERROR);
	return found;
}

/* The genesis' own "transaction" has an id and outputs, but no bytes and no inputs. */
static void say_genesis(struct node *n, struct http_reply *reply)
{
	enum { LISTED_MAX = 10000 };
	const struct genesis *g = node_genesis(n);
	struct err err = {0};
	u_int cnt = g->g.allocations.allocations_len;
	if (cnt > LISTED_MAX) {
		http_error(reply, 404, "not_found",
		           "this is the id of the genesis' %u allocations; see /v1/genesis", cnt);
		return;
	}
	json_t *outputs = json_array();
	struct reader *reader = node_reader(n, &err);
	bool ok = reader != NULL &&
	          outputs_json(reader, &g->txid, g->g.allocations.allocations_val, cnt, outputs, &err);
	if (ok)
		api_json(reply, 200,
		         json_pack("{s:o, s:s, s:i, s:i, s:[], s:O}", "txid", API_HEX(g->txid), "status",
		                   "final", "height", 0, "position", 0, "inputs", "outputs", outputs));
	else
		api_broken(reply, &err);
	json_decref(outputs);
	if (reader != NULL)
		node_reader_back(n, reader, !ok);
}

/* ---- one that is not final -------------------------------------------------------------------- */

struct fate {
	enum tx_verdict verdict; /* TX_KNOWN, TX_UNKNOWN_OUTPUT: nothing known, else why it was rejected */
	struct qtxid winner;
};

static bool ask_fate(struct node *n, const struct qtxid *id, struct fate *fate)
{
	struct call *c = call_new(CALL_FATE);
	c->fate.id = *id;
	bool ok = node_call(n, c);
	if (ok)
		*fate = (struct fate){c->fate.verdict, c->fate.winner};
	call_unref(c);
	return ok;
}

static void say_fate(struct http_reply *reply, const struct qtxid *id, const struct fate *fate)
{
	const struct tx_verdict_info *info = tx_verdict_info(fate->verdict);
	if (fate->verdict == TX_UNKNOWN_OUTPUT) {
		http_error(reply, 404, "not_found", "nothing is known here of this transaction");
		return;
	}
	if (fate->verdict == TX_KNOWN) {
		api_json(reply, 200, json_pack("{s:o, s:s}", "txid", API_HEX(*id), "status", "pending"));
		return;
	}
	api_json(reply, 200,
	         json_pack("{s:o, s:s, s:s, s:s, s:o}", "txid", API_HEX(*id), "status", "rejected", "code",
	                   info->code, "message", info->text, "spent_by",
	                   fate->verdict == TX_DOUBLE_SPEND ? API_HEX(fate->winner) : json_null()));
}

/* ---- the request -------------------------------------------------------------------------------- */

/* Answers if it is final (or cannot be read). */
static bool answer_final(struct node *n, const struct qtxid *id, struct http_reply *reply)
{
	struct err err = {0};
	json_t *json;
	switch (read_final(n, id, &json, &err)) {
	case FOUND:
		api_json(reply, 200, json);
		return true;
	case FOUND_ERROR:
		api_broken(reply, &err);
		return true;
	case NOT_FOUND:
		return false;
	}
	return false;
}

/*
 * Answers if it is settled; a `last` time whatever is known. The ledger is read before the replica is asked,
 * and once more where the replica knows nothing: in between it may have become final.
 */
static bool answer(struct node *n, const struct qtxid *id, bool last, struct http_reply *reply)
{
	struct fate fate;
	if (answer_final(n, id, reply))
		return true;
	if (!ask_fate(n, id, &fate)) {
		api_busy(reply);
		return true;
	}
	if (fate.verdict == TX_UNKNOWN_OUTPUT && answer_final(n, id, reply))
		return true;
	bool settled = fate.verdict != TX_UNKNOWN_OUTPUT && fate.verdict != TX_KNOWN;
	if (settled || last)
		say_fate(reply, id, &fate);
	return settled || last;
}

static void wait_for(struct node *n, const struct qtxid *id, uint64_t wait_ms, struct http_reply *reply)
{
	uint64_t deadline_ms = node_now_ms() + wait_ms;
	struct qheight height = {0};
	struct waiter w;
	if (!node_wait_begin(n, &w, id)) {
		answer(n, id, true, reply);
		return;
	}
	/* Registered before the first look: what happens after that look wakes this thread. */
	bool answered = answer(n, id, false, reply), refused = false;
	while (!answered && !refused) {
		switch (node_wait(n, &w, &height, deadline_ms)) {
		case WAIT_GREW:
			answered = answer_final(n, id, reply);
			break;
		case WAIT_SETTLED:
			refused = w.verdict != TX_FINAL; /* said once: nobody writes it now */
			answered = !refused && answer(n, id, true, reply);
			break;
		case WAIT_OVER:
			answered = answer(n, id, true, reply);
			break;
		}
	}
	node_wait_end(n, &w);
	if (refused)
		say_fate(reply, id, &(struct fate){w.verdict, w.winner});
}

void api_transaction(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct err err = {0};
	struct qtxid id;
	uint64_t wait_ms;
	if (!text_txid(r->arg, &id, &err)) {
		api_bad(reply, &err);
		return;
	}
	if (!api_query(r, reply, "wait", WAIT_MAX_MS, 0, &wait_ms))
		return;
	if (qtxid_eq(&id, &node_genesis(n)->txid))
		say_genesis(n, reply);
	else if (wait_ms == 0)
		answer(n, &id, true, reply);
	else
		wait_for(n, &id, wait_ms, reply);
}
