/*
 * api_submit.c: POST /v1/transactions: from a request's bytes to verdicts.
 *
 * The first station of a transaction.  Here it is parsed (tx_parse(), pure rules); next its signatures are
 * checked on the workers (work.c), then the replica admits it to its pool (replica_submit()) and forwards it.
 */
#include <stdlib.h>
#include <string.h>

#include "api_impl.h"
#include "jread.h"

enum {
	CHUNK = 512,   /* transactions that go through the stations together */
	DEPTH_MAX = 8, /* nesting of a request's JSON */
};

struct submit {
	struct node *node;
	size_t cnt;
	struct tx **txs;               /* NULL: malformed */
	struct submit_result *results; /* verdicts; TX_OK for what was not yet refused */
};

static void submit_init(struct submit *s, size_t cnt)
{
	s->cnt = cnt;
	s->txs = xcalloc(cnt + 1, sizeof(struct tx *));
	s->results = xcalloc(cnt + 1, sizeof *s->results);
}

static void submit_free(struct submit *s)
{
	for (size_t i = 0; i < s->cnt; i++)
		tx_unref(s->txs[i]);
	free(s->txs);
	free(s->results);
}

static void submit_parse(struct submit *s, size_t i, const uint8_t *raw, size_t len)
{
	s->txs[i] = tx_parse(&node_genesis(s->node)->chain, raw, len, &s->results[i].verdict);
}

/* ---- reading the request --------------------------------------------------------------------- */

/* jansson recurses, and makes some fifty bytes of memory of two of text: bound both before it sees any. */
static bool modest(const char *text, size_t len, struct err *err)
{
	unsigned depth = 0, commas = 0;
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '[') && ++depth > DEPTH_MAX)
			return err_set(err, ERR_INPUT, "JSON nested more than %d deep", DEPTH_MAX);
		else if (!quoted && (text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;
		else if (!quoted && text[i] == ',' && ++commas > Q_BLOCK_TXS_MAX)
			return err_set(err, ERR_INPUT, "transactions: at most %d are allowed",
			               Q_BLOCK_TXS_MAX);
	}
	return true;
}

static bool read_hex(struct submit *s, const struct jvalue *list, struct err *err)
{
	for (size_t i = 0; i < s->cnt; i++) {
		struct jvalue v = jread_element(list, i);
		const char *text;
		if (!jread_string(&v, 2 * (size_t)Q_TX_BYTES_MAX, &text, err))
			return false;
		size_t len = strlen(text) / 2;
		uint8_t *raw = xcalloc(len + 1, 1);
		bool ok = len > 0 ? jread_hex(&v, raw, len, err)
		                  : jread_wrong(&v, err, "is not a transaction in hex");
		if (ok)
			submit_parse(s, i, raw, len);
		free(raw);
		if (!ok)
			return false;
	}
	return true;
}

static bool read_json(struct submit *s, const struct http_request *r, struct err *err)
{
	const char *text = (const char *)r->body;
	if (!modest(text, r->body_len, err))
		return false;
	json_t *json = jread_parse(text, r->body_len, err);
	if (json == NULL)
		return false;
	struct jvalue root = jread_root(json), list = jread_field(&root, "transactions");
	size_t cnt;
	bool ok =
	    jread_object(&root, "transactions", "", err) && jread_array(&list, Q_BLOCK_TXS_MAX, &cnt, err);
	if (ok) {
		submit_init(s, cnt);
		ok = read_hex(s, &list, err);
	}
	json_decref(json);
	return ok;
}

static bool read_binary(struct submit *s, const struct http_request *r, struct err *err)
{
	struct qtxs batch;
	if (!wire_decode(WIRE(qtxs), r->body, r->body_len, &batch))
		return err_set(err, ERR_INPUT,
		               "not a batch: a 4-byte count (big-endian, at most %d), then for each "
		               "transaction its 4-byte "
		               "length and its bytes, padded with zeros to a multiple of 4",
		               Q_BLOCK_TXS_MAX);
	submit_init(s, batch.txs.txs_len);
	for (size_t i = 0; i < s->cnt; i++)
		submit_parse(s, i, (const uint8_t *)batch.txs.txs_val[i].qtx_bytes_val,
		             batch.txs.txs_val[i].qtx_bytes_len);
	wire_free(WIRE(qtxs), &batch);
	return true;
}

static bool type_is(const char *header, const char *type)
{
	size_t len = strlen(type);
	return strncasecmp(header, type, len) == 0 &&
	       strchr("; \t", header[len]) != NULL; /* "" is a match too */
}

static bool read_request(struct submit *s, const struct http_request *r, struct err *err)
{
	bool ok;
	if (type_is(r->content_type, "application/octet-stream"))
		ok = read_binary(s, r, err);
	else if (type_is(r->content_type, "application/json") || r->content_type[0] == '\0')
		ok = read_json(s, r, err);
	else
		ok = err_set(err, ERR_INPUT, "Content-Type: application/json or application/octet-stream");
	if (ok && s->cnt == 0)
		ok = err_set(err, ERR_INPUT, "transactions: there is none");
	return ok;
}

/* ---- the stations ------------------------------------------------------------------------------ */

static bool verify_chunk(struct submit *s, size_t at, size_t cnt)
{
	bool held[CHUNK];
	if (!node_verify(s->node, s->txs + at, cnt, held))
		return false;
	for (size_t i = 0; i < cnt; i++) {
		if (s->txs[at + i] != NULL && !held[i])
			s->results[at + i].verdict = TX_BAD_SIGNATURE;
	}
	return true;
}

static bool admit_chunk(struct submit *s, size_t at, size_t cnt)
{
	struct call *c = call_new(CALL_SUBMIT);
	c->submit.cnt = cnt;
	c->submit.txs = xcalloc(cnt, sizeof(struct tx *));
	c->submit.results = xmemdup(s->results + at, cnt * sizeof *s->results);
	for (size_t i = 0; i < cnt; i++) {
		if (s->txs[at + i] != NULL && s->results[at + i].verdict == TX_OK)
			c->submit.txs[i] = tx_ref(s->txs[at + i]);
	}
	bool ok = node_call(s->node, c);
	if (ok)
		memcpy(s->results + at, c->submit.results, cnt * sizeof *s->results);
	call_unref(c);
	return ok;
}

/* Returns how many were brought to their verdict: all, but where the node is stopping or too busy. */
static size_t run(struct submit *s)
{
	for (size_t at = 0; at < s->cnt;) {
		size_t cnt = s->cnt - at < CHUNK ? s->cnt - at : CHUNK;
		if (!verify_chunk(s, at, cnt) || !admit_chunk(s, at, cnt))
			return at;
		at += cnt;
	}
	return s->cnt;
}

/* ---- the answer --------------------------------------------------------------------------------- */

static const char *status_of(enum tx_verdict v)
{
	if (v == TX_OK || v == TX_KNOWN || v == TX_FINAL)
		return tx_verdict_info(v)->code;
	return "rejected";
}

static json_t *detail_json(const struct submit_result *result)
{
	json_t *detail = json_object();
	if (result->verdict == TX_DOUBLE_SPEND)
		json_object_set_new(detail, "spent_by", API_HEX(result->winner));
	if (result->verdict == TX_FINAL)
		json_object_set_new(detail, "height", api_number(result->height.n));
	if (result->verdict == TX_LOCKED)
		json_object_set_new(detail, "free_at",
		                    result->needs.free_at.n > 0 ? api_number(result->needs.free_at.n)
		                                                : json_null());
	if (result->verdict == TX_PENALTY)
		json_object_set_new(detail, "penalty", jread_amount_json(result->needs.penalty));
	return detail;
}

/* The table's sentence, and what that means here. */
static json_t *message_json(const struct submit_result *result)
{
	const struct tx_verdict_info *info = tx_verdict_info(result->verdict);
	if (result->verdict == TX_LOCKED && result->needs.free_at.n > 0)
		return json_sprintf("%s: it is free from height %llu on", info->text,
		                    (unsigned long long)result->needs.free_at.n);
	if (result->verdict == TX_PENALTY)
		return json_sprintf("%s: %llu", info->text, (unsigned long long)result->needs.penalty);
	return json_string(info->text);
}

static json_t *result_json(const struct tx *tx, const struct submit_result *result)
{
	const struct tx_verdict_info *info = tx_verdict_info(result->verdict);
	json_t *json =
	    json_pack("{s:o, s:s, s:s, s:o, s:o}", "txid", tx == NULL ? json_null() : API_HEX(tx->id),
	              "status", status_of(result->verdict), "code", info->code, "message",
	              message_json(result), "detail", detail_json(result));
	if (result->verdict == TX_FINAL)
		json_object_set_new(json, "height", api_number(result->height.n));
	return json;
}

/* What was not brought to a verdict: it may be pending, and may be handed in again. */
static json_t *busy_json(const struct tx *tx)
{
	return json_pack(
	    "{s:o, s:s, s:s, s:s, s:{}}", "txid", tx == NULL ? json_null() : API_HEX(tx->id), "status",
	    "rejected", "code", "busy", "message",
	    "the replica is stopping, or too busy to answer; hand it in again, here or elsewhere", "detail");
}

static void say(const struct submit *s, size_t judged, struct http_reply *reply)
{
	json_t *results = json_array();
	for (size_t i = 0; i < s->cnt; i++)
		json_array_append_new(results, i < judged || s->results[i].verdict != TX_OK
		                                   ? result_json(s->txs[i], &s->results[i])
		                                   : busy_json(s->txs[i]));
	json_t *json = json_pack("{s:o}", "results", results);

	/* One transaction: its own status, and the usual form of an error beside the result. */
	const struct tx_verdict_info *info = tx_verdict_info(s->results[0].verdict);
	bool refused = s->cnt == 1 && judged == 1 && info->http_status >= 400;
	if (refused)
		json_object_set_new(json, "error",
		                    json_pack("{s:s, s:o, s:o}", "code", info->code, "message",
		                              message_json(&s->results[0]), "detail",
		                              detail_json(&s->results[0])));
	int status = judged == 0 ? 503 : s->cnt == 1 ? info->http_status : 200;
	api_json(reply, status, json);
}

void api_submit(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct submit s = {.node = ctx};
	struct err err = {0};
	if (read_request(&s, r, &err))
		say(&s, run(&s), reply);
	else
		api_bad(reply, &err);
	submit_free(&s);
}
