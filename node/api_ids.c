/*
 * api_ids.c: GET /v1/blocks/{height}/transactions: the ids of a block's transactions, as soon as it is
 * executed. For those who follow the chain block by block: one answer settles thousands of transactions.
 */
#include <stdlib.h>
#include <string.h>

#include "api_impl.h"
#include "text.h"

/* ---- answers ------------------------------------------------------------------------------ */

static void say_binary(const struct block_ids *b, struct http_reply *reply)
{
	reply->status = 200;
	reply->content_type = "application/octet-stream";
	reply->body_len = b->cnt * sizeof b->ids[0];
	reply->body = xmemdup(b->ids, reply->body_len);
}

/* Written by hand: a JSON value for each id would cost more than all the rest. */
static void say_json(const struct block_ids *b, struct http_reply *reply)
{
	enum { ID_TEXT = 2 * sizeof b->ids[0].b + 3 }; /* quotes and a comma */
	size_t cap = 64 + b->cnt * ID_TEXT;
	char *text = xcalloc(cap, 1);
	char *at = text + snprintf(text, cap, "{\"height\":%llu,\"transactions\":[",
	                           (unsigned long long)b->height.n);
	for (size_t i = 0; i < b->cnt; i++) {
		if (i > 0)
			*at++ = ',';
		*at++ = '"';
		hex_encode(at, b->ids[i].b, sizeof b->ids[i].b);
		at += 2 * sizeof b->ids[i].b;
		*at++ = '"';
	}
	*at++ = ']';
	*at++ = '}';
	reply->status = 200;
	reply->content_type = "application/json";
	reply->body = text;
	reply->body_len = (size_t)(at - text);
}

static void say(const struct http_request *r, const struct block_ids *b, struct http_reply *reply)
{
	const char *accept = http_header(r, "Accept");
	reply->cache = HTTP_CHECK;
	reply->header[0].name = "Vary";
	snprintf(reply->header[0].value, sizeof reply->header[0].value, "Accept");
	if (accept != NULL && http_type_is(accept, "application/octet-stream"))
		say_binary(b, reply);
	else
		say_json(b, reply);
}

/* ---- of the ledger: long executed ------------------------------------------------------------ */

/* NULL: a transaction of it is none. */
static struct block_ids *ids_of(const struct genesis *g, const struct qblock *b)
{
	struct block_ids *ids = xcalloc(1, sizeof *ids + b->txs.txs_len * sizeof ids->ids[0]);
	atomic_init(&ids->refs, 1);
	ids->height = b->header.height;
	ids->cnt = b->txs.txs_len;
	for (u_int i = 0; i < b->txs.txs_len; i++) {
		const qtx_bytes *raw = &b->txs.txs_val[i];
		enum tx_verdict verdict;
		struct tx *tx =
		    tx_parse(&g->chain, (const uint8_t *)raw->qtx_bytes_val, raw->qtx_bytes_len, &verdict);
		if (tx == NULL) {
			block_ids_unref(ids);
			return NULL;
		}
		ids->ids[i] = tx->id;
		tx_unref(tx);
	}
	return ids;
}

static enum found read_ids(struct node *n, struct reader *reader, struct qheight h, struct block_ids **out,
                           struct err *err)
{
	struct qblock block;
	enum found found = reader_block(reader, h, &block, err);
	if (found != FOUND)
		return found;
	*out = ids_of(node_genesis(n), &block);
	wire_free(WIRE(qblock), &block);
	if (*out == NULL) {
		reader_damaged(reader, "transactions: one of a block is none", err);
		return FOUND_ERROR;
	}
	return FOUND;
}

static void say_old(struct node *n, const struct http_request *r, struct qheight h, struct http_reply *reply)
{
	struct err err = {0};
	struct block_ids *ids;
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	enum found found = read_ids(n, reader, h, &ids, &err);
	node_reader_back(n, reader, found == FOUND_ERROR);
	if (found == FOUND) {
		say(r, ids, reply);
		block_ids_unref(ids);
	} else if (found == NOT_FOUND) {
		api_no_block(n, h, reply);
	} else {
		api_broken(reply, &err);
	}
}

/* ---- the request -------------------------------------------------------------------------------- */

/* False: there is none yet. */
static bool say_block(struct node *n, const struct http_request *r, struct qheight h,
                      struct http_reply *reply)
{
	struct block_ids *ids;
	switch (node_block_ids(n, h, &ids)) {
	case IDS_HERE:
		say(r, ids, reply);
		block_ids_unref(ids);
		return true;
	case IDS_OLD:
		say_old(n, r, h, reply);
		return true;
	case IDS_NONE:
		break;
	}
	return false;
}

/* True: the request is parked until the block is there. */
static bool wait_for(struct node *n, const struct http_request *r, struct qheight h, uint64_t wait_ms,
                     struct http_reply *reply)
{
	struct block_waiter *w = xcalloc(1, sizeof *w);
	*w = (struct block_waiter){.height = h, .wake = http_wake, .ctx = r->wake};
	if (node_block_wait_begin(n, w)) {
		reply->park_ms = (unsigned)wait_ms;
		reply->parked = w;
		return true;
	}
	free(w);
	return false;
}

void api_block_ids(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct qheight h;
	uint64_t wait_ms = 0;
	if (r->parked != NULL) {
		node_block_wait_end(n, r->parked);
		free(r->parked);
	}
	if (!text_u64(r->arg, INT64_MAX, &h.n)) {
		http_error(reply, 400, "bad_request", "not a height");
		return;
	}
	if (!api_query(r, reply, "wait", API_WAIT_MAX_MS, 0, &wait_ms))
		return;
	if (h.n == 0) {
		api_no_block(n, h, reply);
		return;
	}
	if (say_block(n, r, h, reply))
		return;
	bool waits = wait_ms > 0 && r->parked == NULL;
	if (!(waits && wait_for(n, r, h, wait_ms, reply)) && !say_block(n, r, h, reply)) /* now, or never */
		api_no_block(n, h, reply);
}
