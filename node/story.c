/*
 * story.c: the whole story of a transaction, as JSON.
 */
#include "story.h"

#include <string.h>

#include "api_impl.h"
#include "block.h"
#include "jread.h"

/* ---- what a receipt proves ------------------------------------------------------------------ */

json_t *story_memo(const uint8_t *memo, size_t len)
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

static json_t *block_json(const struct qheader *h)
{
	struct qhash hash;
	block_hash(h, &hash);
	return json_pack("{s:o, s:o, s:o, s:o}", "hash", API_HEX(hash), "parent", API_HEX(h->parent),
	                 "time_ms", api_number(h->time_ms), "proposer", api_number(h->proposer));
}

static json_t *output_json(const struct qoutput *out)
{
	json_t *json = json_pack("{s:o, s:o}", "owner", api_address(&out->owner), "amount",
	                         jread_amount_json(out->amount));
	api_lock(json, &out->lock);
	return json;
}

static json_t *point_json(const struct qoutpoint *p)
{
	return json_pack("{s:o, s:o}", "txid", API_HEX(p->tx), "index", api_number(p->index));
}

static void put_parts(json_t *json, const struct tx *tx)
{
	const struct qtx_body *body = &tx->q.body;
	json_t *inputs = json_array(), *outputs = json_array(), *owners = json_array();
	uint64_t total = 0;
	for (u_int i = 0; i < body->inputs.inputs_len; i++)
		json_array_append_new(inputs, point_json(&body->inputs.inputs_val[i]));
	for (u_int i = 0; i < body->outputs.outputs_len; i++) {
		json_array_append_new(outputs, output_json(&body->outputs.outputs_val[i]));
		total += body->outputs.outputs_val[i].amount; /* bounded by tx_parse() */
	}
	for (u_int i = 0; i < tx->q.witnesses.witnesses_len; i++)
		json_array_append_new(owners, api_address(&tx->owners[i]));
	json_object_set_new(json, "inputs", inputs);
	json_object_set_new(json, "outputs", outputs);
	json_object_set_new(
	    json, "total",
	    json_pack("{s:o, s:o}", "inputs", jread_amount_json(total), "outputs", jread_amount_json(total)));
	json_object_set_new(json, "signed_by", owners);
	if (body->offence.offence_len > 0)
		json_object_set_new(json, "offence", offence_json(body->offence.offence_val));
}

json_t *story_of(const struct tx *tx, uint32_t position, const struct qheader *header,
                 const struct qcert *cert)
{
	const struct qtx_body *body = &tx->q.body;
	const uint8_t *memo = (const uint8_t *)body->memo.memo_val;
	json_t *json = json_object();
	json_object_set_new(json, "txid", API_HEX(tx->id));
	json_object_set_new(json, "status", json_string("final"));
	json_object_set_new(json, "height", api_number(header->height.n));
	json_object_set_new(json, "position", api_number(position));
	json_object_set_new(json, "block", block_json(header));
	json_object_set_new(json, "certificate", api_certificate(cert));
	json_object_set_new(json, "expiry", api_number(body->expiry.n));
	json_object_set_new(json, "memo", story_memo(memo, body->memo.memo_len));
	json_object_set_new(json, "memo_hex", api_hex(memo, body->memo.memo_len));
	put_parts(json, tx);
	json_object_set_new(json, "raw", api_hex(tx->raw, tx->raw_len));
	return json;
}

/* ---- what only the ledger says ---------------------------------------------------------------- */

/* The transaction, if the ledger has it and its bytes are those of this id. */
static enum found read_tx(struct reader *r, const struct qtxid *id, struct tx **tx, struct tx_place *place,
                          struct err *err)
{
	struct bytes raw;
	enum tx_verdict verdict;
	enum found found = reader_tx(r, id, place, &raw, err);
	*tx = NULL;
	if (found != FOUND)
		return found;
	*tx = tx_parse(reader_chain_id(r), raw.data, raw.len, &verdict);
	bytes_free(&raw);
	if (*tx != NULL && qtxid_eq(&(*tx)->id, id))
		return FOUND;
	tx_unref(*tx);
	reader_damaged(r, "the bytes of a transaction are not those of its id", err);
	return FOUND_ERROR;
}

/* The output that an input spends: from the transaction that made it, or the genesis. */
static bool read_source(struct reader *r, const struct genesis *g, const struct qoutpoint *p,
                        struct output_row *source, struct err *err)
{
	struct tx_place place;
	struct tx *tx;
	if (g != NULL && qtxid_eq(&p->tx, &g->txid) && p->index < g->g.allocations.allocations_len) {
		*source = (struct output_row){.out = g->g.allocations.allocations_val[p->index]};
		return true;
	}
	enum found found = read_tx(r, &p->tx, &tx, &place, err);
	if (found == FOUND && p->index < tx->q.body.outputs.outputs_len)
		*source = (struct output_row){.out = tx->q.body.outputs.outputs_val[p->index],
		                              .made_at = place.height};
	else if (found == FOUND)
		found = NOT_FOUND;
	else if (found == NOT_FOUND && g == NULL) /* one of the genesis', or none */
		found = reader_output(r, p, source, err);
	tx_unref(tx);
	if (found == NOT_FOUND)
		reader_damaged(r, "a transaction spends an output that is not there", err);
	return found == FOUND;
}

void story_put_source(json_t *input, const struct qoutput *source, struct qheight made_at)
{
	json_object_del(input, "lock");
	json_object_del(input, "replica");
	json_object_set_new(input, "owner", api_address(&source->owner));
	json_object_set_new(input, "amount", jread_amount_json(source->amount));
	api_lock(input, &source->lock);
	json_object_set_new(input, "height", api_number(made_at.n));
}

static bool put_sources(struct reader *r, const struct genesis *g, const struct tx *tx, json_t *inputs,
                        struct err *err)
{
	for (u_int i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		struct output_row source;
		if (!read_source(r, g, &tx->q.body.inputs.inputs_val[i], &source, err))
			return false;
		story_put_source(json_array_get(inputs, i), &source.out, source.made_at);
	}
	return true;
}

static bool put_fates(struct reader *r, const struct qtxid *id, const struct qoutput *outs, json_t *outputs,
                      struct err *err)
{
	for (size_t i = 0; i < json_array_size(outputs); i++) {
		struct qoutpoint p = {.tx = *id, .index = (u_int)i};
		json_t *output = json_array_get(outputs, i);
		struct output_row row;
		enum found found = reader_output(r, &p, &row, err);
		if (found == NOT_FOUND || (found == FOUND && !output_eq(&row.out, &outs[i])))
			reader_damaged(r, "the row of an output is missing, or not what its transaction says",
			               err);
		if (found != FOUND || !output_eq(&row.out, &outs[i]))
			return false;
		json_object_set_new(output, "spent_by", row.spent ? API_HEX(row.spender) : json_null());
		json_object_set_new(output, "spent_at", row.spent ? api_number(row.spent_at.n) : json_null());
	}
	return true;
}

/* ---- double spends ------------------------------------------------------------------------------ */

static json_t *attempt_json(int64_t seq, const struct attempt *a)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o}", "entry", (json_int_t)seq, "winner", API_HEX(a->winner),
	                 "loser", API_HEX(a->loser), "signer", api_address(&a->signer), "output",
	                 point_json(&a->output));
}

/* Those of which it was a part. */
static json_t *attempts_json(struct reader *r, const struct qtxid *id, struct err *err)
{
	json_t *list = json_array();
	struct attempt a;
	int64_t seq = 0;
	enum found found = FOUND;
	while (json_array_size(list) < STORY_ATTEMPTS_MAX &&
	       (found = reader_attempt(r, id, &seq, &a, err)) == FOUND)
		json_array_append_new(list, attempt_json(seq, &a));
	if (found != FOUND_ERROR)
		return list;
	json_decref(list);
	return NULL;
}

/* Refused for good: the other one is final, and spent the output. */
static enum found read_refused(struct reader *r, const struct qtxid *id, json_t **out, struct err *err)
{
	const struct tx_verdict_info *info = tx_verdict_info(TX_DOUBLE_SPEND);
	struct attempt a;
	struct output_row row;
	int64_t seq = 0;
	enum found found;
	while ((found = reader_attempt(r, id, &seq, &a, err)) == FOUND) {
		if (!qtxid_eq(&a.loser, id))
			continue;
		found = reader_output(r, &a.output, &row, err);
		if (found == FOUND_ERROR ||
		    (found == FOUND && row.spent && qtxid_eq(&row.spender, &a.winner)))
			break;
	}
	if (found != FOUND)
		return found;
	json_t *attempts = attempts_json(r, id, err);
	if (attempts == NULL)
		return FOUND_ERROR;
	*out =
	    json_pack("{s:o, s:s, s:s, s:s, s:o, s:o}", "txid", API_HEX(*id), "status", "rejected", "code",
	              info->code, "message", info->text, "spent_by", API_HEX(a.winner), "attempts", attempts);
	return FOUND;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static enum found read_final(struct reader *r, const struct genesis *g, const struct tx *tx,
                             const struct tx_place *place, json_t **out, struct err *err)
{
	struct qheader header;
	struct qcert cert;
	enum found found = reader_prove_tx(r, &tx->leaf, place, err);
	if (found == FOUND)
		found = reader_header(r, place->height, &header, err);
	if (found == FOUND)
		found = reader_cert_for(r, place->height, &cert, err);
	if (found == NOT_FOUND)
		reader_damaged(r, "a transaction's block or its certificate is missing", err);
	if (found != FOUND)
		return FOUND_ERROR;
	json_t *json = story_of(tx, place->position, &header, &cert), *attempts = NULL;
	const struct qoutput *outs = tx->q.body.outputs.outputs_val;
	if (put_sources(r, g, tx, json_object_get(json, "inputs"), err) &&
	    put_fates(r, &tx->id, outs, json_object_get(json, "outputs"), err))
		attempts = attempts_json(r, &tx->id, err);
	wire_free(WIRE(qheader), &header);
	wire_free(WIRE(qcert), &cert);
	if (attempts == NULL) {
		json_decref(json);
		return FOUND_ERROR;
	}
	json_object_set_new(json, "attempts", attempts);
	*out = json;
	return FOUND;
}

json_t *story_of_genesis(const struct genesis *g)
{
	json_t *outputs = json_array();
	for (u_int i = 0; i < g->g.allocations.allocations_len; i++)
		json_array_append_new(outputs, output_json(&g->g.allocations.allocations_val[i]));
	return json_pack("{s:o, s:s, s:i, s:i, s:[], s:o}", "txid", API_HEX(g->txid), "status", "final",
	                 "height", 0, "position", 0, "inputs", "outputs", outputs);
}

static enum found read_genesis(struct reader *r, const struct genesis *g, json_t **out, struct err *err)
{
	if (g->g.allocations.allocations_len > STORY_ALLOCATIONS_MAX)
		return NOT_FOUND;
	*out = story_of_genesis(g);
	if (put_fates(r, &g->txid, g->g.allocations.allocations_val, json_object_get(*out, "outputs"), err))
		return FOUND;
	json_decref(*out);
	return FOUND_ERROR;
}

enum found story_read(struct reader *r, const struct genesis *g, const struct qtxid *id, json_t **out,
                      struct err *err)
{
	struct tx_place place;
	struct tx *tx = NULL;
	if (!reader_view(r, err))
		return FOUND_ERROR;
	enum found found;
	if (g != NULL && qtxid_eq(id, &g->txid)) {
		found = read_genesis(r, g, out, err);
	} else {
		found = read_tx(r, id, &tx, &place, err);
		if (found == FOUND)
			found = read_final(r, g, tx, &place, out, err);
		else if (found == NOT_FOUND)
			found = read_refused(r, id, out, err);
		tx_unref(tx);
	}
	reader_view_end(r);
	return found;
}

/* ---- said and proven -------------------------------------------------------------------------------- */

/* Copies fields of the elements of one array to those of another. */
static bool take_fields(json_t *to, const json_t *from, const char *const *fields)
{
	if (json_array_size(to) != json_array_size(from))
		return false;
	for (size_t i = 0; i < json_array_size(to); i++) {
		for (const char *const *f = fields; *f != NULL; f++) {
			json_t *value = json_object_get(json_array_get(from, i), *f);
			if (value != NULL)
				json_object_set(json_array_get(to, i), *f, value);
		}
	}
	return true;
}

bool story_is_of(const json_t *said, const struct qtxid *id)
{
	static const char *const states[] = {"final", "pending", "rejected"};
	const char *txid = json_string_value(json_object_get(said, "txid"));
	const char *status = json_string_value(json_object_get(said, "status"));
	const json_t *attempts = json_object_get(said, "attempts");
	char hex[QHASH_HEX];
	bool known = false;
	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		known = known || (status != NULL && strcmp(status, states[i]) == 0);
	return known && txid != NULL && strcmp(txid, hex_encode(hex, id->b, sizeof id->b)) == 0 &&
	       (attempts == NULL || json_is_array(attempts)) &&
	       json_array_size(attempts) <= STORY_ATTEMPTS_MAX;
}

/* Who spent an output is an id or nobody, and nobody did so at no height. */
static bool clean_fates(json_t *outputs)
{
	size_t i;
	json_t *output;
	json_array_foreach(outputs, i, output)
	{
		const json_t *spender = json_object_get(output, "spent_by");
		if (json_is_string(spender))
			continue;
		if (spender != NULL && !json_is_null(spender))
			return false;
		json_object_set_new(output, "spent_by", json_null());
		json_object_set_new(output, "spent_at", json_null());
	}
	return true;
}

json_t *story_prove(const json_t *said, const json_t *proven, struct err *err)
{
	static const char *const of_input[] = {"owner", "amount", "lock", "replica", "height", NULL};
	static const char *const of_output[] = {"spent_by", "spent_at", NULL};
	json_t *json = json_deep_copy(proven), *attempts = json_object_get(said, "attempts");
	bool ok =
	    take_fields(json_object_get(json, "inputs"), json_object_get(said, "inputs"), of_input) &&
	    take_fields(json_object_get(json, "outputs"), json_object_get(said, "outputs"), of_output) &&
	    clean_fates(json_object_get(json, "outputs"));
	if (attempts != NULL)
		json_object_set(json, "attempts", attempts);
	if (ok)
		return json;
	json_decref(json);
	err_set(err, ERR_NO,
	        "what is said of the transaction's inputs and outputs is not what its receipt proves");
	return NULL;
}
