/*
 * api_tx.c: GET /v1/transactions/{txid}: what became of a transaction, and waiting for it.
 */
#include <stdlib.h>

#include "api_impl.h"
#include "story.h"
#include "text.h"

/* ---- what the ledger knows ------------------------------------------------------------------ */

/* What the story says of the outputs, for the replica. */
static size_t list_outputs(const struct qtxid *id, const json_t *story, struct output_said **list)
{
	const json_t *outputs = json_object_get(story, "outputs");
	size_t cnt = json_array_size(outputs);
	*list = xcalloc(cnt + 1, sizeof **list);
	for (size_t i = 0; i < cnt; i++) {
		(*list)[i].point = (struct qoutpoint){*id, (u_int)i};
		(*list)[i].unspent = json_is_null(json_object_get(json_array_get(outputs, i), "spent_by"));
	}
	return cnt;
}

/* Of one view, and held against the replica's. */
static enum found read_once(struct node *n, struct reader *reader, const struct qtxid *id, json_t **out,
                            enum agreed *agreed, struct err *err)
{
	struct qheight height;
	struct output_said *list;
	if (!reader_view(reader, err))
		return FOUND_ERROR;
	enum found found = reader_height(reader, &height, err);
	if (found == FOUND)
		found = story_read(reader, node_genesis(n), id, out, err);
	reader_view_end(reader);
	if (found != FOUND)
		return found;
	size_t cnt = list_outputs(id, *out, &list);
	*agreed = api_agree(n, reader, height, list, cnt, err);
	if (*agreed != AGREED_NOT)
		return FOUND;
	json_decref(*out);
	return FOUND_ERROR;
}

static enum found read_story(struct node *n, const struct qtxid *id, json_t **out, enum agreed *agreed,
                             struct err *err)
{
	struct reader *reader = node_reader(n, err);
	if (reader == NULL)
		return FOUND_ERROR;
	enum found found = read_once(n, reader, id, out, agreed, err);
	for (int tries = 1; found == FOUND && *agreed == AGREED_MOVED && tries < AGREE_TRIES; tries++) {
		json_decref(*out);
		found = read_once(n, reader, id, out, agreed, err);
	}
	node_reader_back(n, reader, found == FOUND_ERROR);
	return found;
}

/* ---- what only the replica knows -------------------------------------------------------------- */

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

/* Answers if the ledger knows its end (or cannot be read). */
static bool answer_settled(struct node *n, const struct qtxid *id, struct http_reply *reply)
{
	struct err err = {0};
	enum agreed agreed = AGREED;
	json_t *json;
	switch (read_story(n, id, &json, &agreed, &err)) {
	case FOUND:
		if (agreed != AGREED_BUSY) {
			reply->cache = HTTP_CHECK; /* final, but who spends its outputs is not */
			api_json(reply, 200, json);
			return true;
		}
		json_decref(json);
		api_busy(reply);
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
	if (answer_settled(n, id, reply))
		return true;
	if (!ask_fate(n, id, &fate)) {
		api_busy(reply);
		return true;
	}
	if (fate.verdict == TX_UNKNOWN_OUTPUT && answer_settled(n, id, reply))
		return true;
	bool settled = fate.verdict != TX_UNKNOWN_OUTPUT && fate.verdict != TX_KNOWN;
	if (settled || last)
		say_fate(reply, id, &fate);
	return settled || last;
}

/* Registered before the first look: what happens after that look wakes the request. */
static void wait_for(struct node *n, const struct http_request *r, const struct qtxid *id, uint64_t wait_ms,
                     struct http_reply *reply)
{
	struct waiter *w = xcalloc(1, sizeof *w);
	*w = (struct waiter){.id = *id, .wake = http_wake, .ctx = r->wake};
	bool waits = node_wait_begin(n, w);
	if (!answer(n, id, !waits, reply)) {
		reply->park_ms = (unsigned)wait_ms;
		reply->parked = w;
		return;
	}
	if (waits)
		node_wait_end(n, w);
	free(w);
}

static void waited(struct node *n, struct waiter *w, struct http_reply *reply)
{
	node_wait_end(n, w);
	if (w->settled && w->verdict != TX_FINAL) /* said once: nobody writes it now */
		say_fate(reply, &w->id, &(struct fate){w->verdict, w->winner});
	else
		answer(n, &w->id, true, reply);
	free(w);
}

void api_transaction(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct err err = {0};
	struct qtxid id;
	uint64_t wait_ms;
	if (r->parked != NULL) {
		waited(n, r->parked, reply);
		return;
	}
	if (!text_txid(r->arg, &id, &err)) {
		api_bad(reply, &err);
		return;
	}
	if (!api_query(r, reply, "wait", API_WAIT_MAX_MS, 0, &wait_ms))
		return;
	const struct genesis *g = node_genesis(n);
	if (qtxid_eq(&id, &g->txid) && g->g.allocations.allocations_len > STORY_ALLOCATIONS_MAX) {
		http_error(reply, 404, "not_found",
		           "this is the id of the genesis' %u allocations; see /v1/genesis",
		           g->g.allocations.allocations_len);
		return;
	}
	if (wait_ms == 0)
		answer(n, &id, true, reply);
	else
		wait_for(n, r, &id, wait_ms, reply);
}
