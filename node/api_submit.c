/*
 * api_submit.c: POST /v1/transactions: from a request's bytes to verdicts.
 *
 * The first station of a transaction.  Here it is parsed (tx_parse(), pure rules); next its signatures are
 * checked on the workers (work.c), then the replica admits it to its pool (replica_submit()) and forwards it.
 *
 * Where the pool has no room, nothing is done for what it would refuse: a request is answered before its body
 * is in, and of a batch only so many transactions are verified as there is room for.
 */
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "api_impl.h"
#include "jread.h"

enum {
	CHUNK = 512,   /* transactions that go through the stations together */
	DEPTH_MAX = 8, /* nesting of a request's JSON */
	RETRY_AFTER_S = 1,
};

struct submit {
	struct node *node;
	bool brief;                    /* ?brief=1 */
	size_t cnt, room;              /* transactions; those of them that take room in the pool */
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
	node_room_back(s->node, s->room);
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

static bool modest(const char *text, size_t len, struct err *err)
{
	struct jread_size size = jread_size(text, len);
	if (size.depth > DEPTH_MAX)
		return err_set(err, ERR_INPUT, "JSON nested more than %d deep", DEPTH_MAX);
	return size.values <=
	           Q_BLOCK_TXS_MAX + 1 || /* two brackets, and a comma less than there are elements */
	       err_set(err, ERR_INPUT, "transactions: at most %d are allowed", Q_BLOCK_TXS_MAX);
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
	struct wire_arena arena = {0};
	struct qtxs batch;
	bool ok = wire_decode_in(&arena, WIRE(qtxs), r->body, r->body_len, &batch);
	if (ok) {
		submit_init(s, batch.txs.txs_len);
		for (size_t i = 0; i < s->cnt; i++)
			submit_parse(s, i, (const uint8_t *)batch.txs.txs_val[i].qtx_bytes_val,
			             batch.txs.txs_val[i].qtx_bytes_len);
	}
	wire_arena_free(&arena);
	return ok || err_set(err, ERR_INPUT,
	                     "not a batch: a 4-byte count (big-endian, at most %d), then for each "
	                     "transaction its 4-byte "
	                     "length and its bytes, padded with zeros to a multiple of 4",
	                     Q_BLOCK_TXS_MAX);
}

static bool read_request(struct submit *s, const struct http_request *r, struct err *err)
{
	bool ok;
	if (http_type_is(r->content_type, "application/octet-stream"))
		ok = read_binary(s, r, err);
	else if (http_type_is(r->content_type, "application/json") || r->content_type[0] == '\0')
		ok = read_json(s, r, err);
	else
		ok = err_set(err, ERR_INPUT, "Content-Type: application/json or application/octet-stream");
	if (ok && s->cnt == 0)
		ok = err_set(err, ERR_INPUT, "transactions: there is none");
	return ok;
}

/* ---- the stations ------------------------------------------------------------------------------ */

/* Those that the pool has no room for are refused here. */
static void take_room(struct submit *s)
{
	size_t wanted = 0;
	for (size_t i = 0; i < s->cnt; i++)
		wanted += s->txs[i] != NULL;
	s->room = node_room(s->node, wanted);
	size_t left = s->room;
	for (size_t i = 0; i < s->cnt; i++) {
		if (s->txs[i] != NULL && left == 0)
			s->results[i].verdict = TX_POOL_FULL;
		else if (s->txs[i] != NULL)
			left--;
	}
}

/* The call's own references to those of a chunk that are not refused yet; returns how many. */
static size_t pick(const struct submit *s, size_t at, size_t cnt, struct tx **txs)
{
	size_t picked = 0;
	for (size_t i = 0; i < cnt; i++) {
		if (s->txs[at + i] == NULL || s->results[at + i].verdict != TX_OK)
			continue;
		txs[i] = tx_ref(s->txs[at + i]);
		picked++;
	}
	return picked;
}

static bool verify_chunk(struct submit *s, size_t at, struct call *c)
{
	bool held[CHUNK];
	if (!node_verify(s->node, c->submit.txs, c->submit.cnt, held))
		return false;
	for (size_t i = 0; i < c->submit.cnt; i++) {
		if (c->submit.txs[i] == NULL || held[i])
			continue;
		s->results[at + i].verdict = TX_BAD_SIGNATURE;
		tx_unref(c->submit.txs[i]);
		c->submit.txs[i] = NULL;
	}
	return true;
}

static bool admit_chunk(struct submit *s, size_t at, struct call *c)
{
	if (!node_call(s->node, c))
		return false;
	for (size_t i = 0; i < c->submit.cnt; i++) {
		if (c->submit.txs[i] != NULL)
			s->results[at + i] = c->submit.results[i];
	}
	return true;
}

static bool run_chunk(struct submit *s, size_t at, size_t cnt)
{
	struct call *c = call_new(CALL_SUBMIT);
	c->submit.cnt = cnt;
	c->submit.txs = xcalloc(cnt, sizeof(struct tx *));
	c->submit.results = xcalloc(cnt, sizeof *c->submit.results);
	size_t picked = pick(s, at, cnt, c->submit.txs);
	bool ok = picked == 0 || (verify_chunk(s, at, c) && admit_chunk(s, at, c));
	call_unref(c);
	if (ok) { /* admitted or refused */
		node_room_back(s->node, picked);
		s->room -= picked;
	}
	return ok;
}

/* Returns how many were brought to their verdict: all, but where the node is stopping or too busy. */
static size_t run(struct submit *s)
{
	take_room(s);
	for (size_t at = 0; at < s->cnt;) {
		size_t cnt = s->cnt - at < CHUNK ? s->cnt - at : CHUNK;
		if (!run_chunk(s, at, cnt))
			return at;
		at += cnt;
	}
	return s->cnt;
}

/* ---- the answer --------------------------------------------------------------------------------- */

/* Written by hand: a JSON value for each field would cost more than all else here. All texts are our own. */

static const char *status_of(enum tx_verdict v)
{
	if (v == TX_OK || v == TX_KNOWN || v == TX_FINAL)
		return tx_verdict_info(v)->code;
	return "rejected";
}

static void put_hex(FILE *f, const uint8_t *data, size_t len)
{
	char text[QHASH_HEX];
	must(2 * len < sizeof text);
	fputs(hex_encode(text, data, len), f);
}

static void put_detail(FILE *f, const struct submit_result *r)
{
	fputs("\"detail\":{", f);
	if (r->verdict == TX_DOUBLE_SPEND) {
		fputs("\"spent_by\":\"", f);
		put_hex(f, r->winner.b, sizeof r->winner.b);
		fputs("\"", f);
	} else if (r->verdict == TX_FINAL) {
		fprintf(f, "\"height\":%llu", (unsigned long long)r->height.n);
	} else if (r->verdict == TX_LOCKED && r->needs.free_at.n > 0) {
		fprintf(f, "\"free_at\":%llu", (unsigned long long)r->needs.free_at.n);
	} else if (r->verdict == TX_LOCKED) {
		fputs("\"free_at\":null", f);
	} else if (r->verdict == TX_PENALTY) {
		fprintf(f, "\"penalty\":\"%llu\"", (unsigned long long)r->needs.penalty);
	}
	fputs("}", f);
}

/* Code, sentence (the table's, and what that means here), detail. */
static void put_reason(FILE *f, const struct submit_result *r)
{
	const struct tx_verdict_info *info = tx_verdict_info(r->verdict);
	fprintf(f, "\"code\":\"%s\",\"message\":\"%s", info->code, info->text);
	if (r->verdict == TX_LOCKED && r->needs.free_at.n > 0)
		fprintf(f, ": it is free from height %llu on", (unsigned long long)r->needs.free_at.n);
	if (r->verdict == TX_PENALTY)
		fprintf(f, ": %llu", (unsigned long long)r->needs.penalty);
	fputs("\",", f);
	put_detail(f, r);
}

static void put_result(FILE *f, const struct submit *s, size_t i, size_t judged)
{
	const struct submit_result *r = &s->results[i];
	fputs("{\"txid\":", f);
	if (s->txs[i] != NULL) {
		fputs("\"", f);
		put_hex(f, s->txs[i]->id.b, sizeof s->txs[i]->id.b);
		fputs("\",", f);
	} else {
		fputs("null,", f);
	}
	if (i < judged || r->verdict != TX_OK) {
		fprintf(f, "\"status\":\"%s\",", status_of(r->verdict));
		put_reason(f, r);
	} else { /* not brought to a verdict: it may be pending, and may be handed in again */
		fputs("\"status\":\"rejected\",\"code\":\"busy\",\"message\":\"the replica is stopping, or "
		      "too busy to "
		      "answer; hand it in again, here or elsewhere\",\"detail\":{}",
		      f);
	}
	if (r->verdict == TX_FINAL)
		fprintf(f, ",\"height\":%llu", (unsigned long long)r->height.n);
	if (s->brief)
		fprintf(f, ",\"index\":%zu", i);
	fputs("}", f);
}

/* In a brief answer only what is neither accepted nor known is listed, by its place in the batch. */
static bool listed(const struct submit *s, size_t i, size_t judged)
{
	enum tx_verdict v = s->results[i].verdict;
	return !s->brief || (v == TX_OK ? i >= judged : v != TX_KNOWN);
}

static void put_answer(FILE *f, const struct submit *s, size_t judged, bool refused)
{
	size_t cnt = 0;
	fputs("{\"results\":[", f);
	for (size_t i = 0; i < s->cnt; i++) {
		if (!listed(s, i, judged))
			continue;
		if (cnt++ > 0)
			fputs(",", f);
		put_result(f, s, i, judged);
	}
	fputs("]", f);
	if (s->brief)
		fprintf(f, ",\"accepted\":%zu", s->cnt - cnt);
	if (refused) {
		fputs(",\"error\":{", f);
		put_reason(f, &s->results[0]);
		fputs("}", f);
	}
	fputs("}", f);
}

static void ask_for_patience(struct http_reply *reply)
{
	reply->header[0].name = "Retry-After";
	snprintf(reply->header[0].value, sizeof reply->header[0].value, "%d", RETRY_AFTER_S);
}

static void say(const struct submit *s, size_t judged, struct http_reply *reply)
{
	/* One transaction: its own status, and the usual form of an error beside the result. */
	const struct tx_verdict_info *info = tx_verdict_info(s->results[0].verdict);
	bool refused = s->cnt == 1 && judged == 1 && info->http_status >= 400;
	FILE *f = open_memstream(&reply->body, &reply->body_len);
	must(f != NULL);
	__fsetlocking(f, FSETLOCKING_BYCALLER);
	put_answer(f, s, judged, refused);
	must(fclose(f) == 0);
	reply->status = judged == 0 ? 503 : s->cnt == 1 ? info->http_status : 200;
	reply->content_type = "application/json";
	if (reply->status == 503 || reply->status == 429)
		ask_for_patience(reply);
}

/* ---- the request ---------------------------------------------------------------------------------- */

bool api_submit_full(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	const struct tx_verdict_info *info = tx_verdict_info(TX_POOL_FULL);
	(void)r;
	if (node_has_room(ctx))
		return false;
	http_error(reply, info->http_status, info->code, "%s", info->text);
	ask_for_patience(reply);
	return true;
}

void api_submit(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct submit s = {.node = ctx};
	struct err err = {0};
	uint64_t brief;
	if (!api_query(r, reply, "brief", 1, 0, &brief) || api_submit_full(ctx, r, reply))
		return;
	s.brief = brief == 1;
	if (read_request(&s, r, &err))
		say(&s, run(&s), reply);
	else
		api_bad(reply, &err);
	submit_free(&s);
}
