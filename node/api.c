/*
 * api.c: the HTTP interface: the table of routes, and blocks, receipts and the genesis.
 *
 * Runs on http's threads.  What is final is read from the ledger through a reader; what only the replica
 * knows is asked by node_call().
 */
#include <stdlib.h>
#include <string.h>

#include "api_impl.h"
#include "jread.h"
#include "log.h"
#include "receipt_file.h"
#include "text.h"

/* ---- answers ---------------------------------------------------------------------------- */

void api_json(struct http_reply *reply, int status, json_t *json)
{
	must(json != NULL);
	reply->status = status;
	reply->content_type = "application/json";
	reply->body = json_dumps(json, JSON_COMPACT);
	must(reply->body != NULL);
	reply->body_len = strlen(reply->body);
	json_decref(json);
}

void api_busy(struct http_reply *reply)
{
	http_error(reply, 503, "busy",
	           "the replica is stopping, or too busy to answer; try again or ask another node");
}

void api_broken(struct http_reply *reply, const struct err *err)
{
	if (err->kind == ERR_NO) {
		api_busy(reply);
		return;
	}
	log_error("ledger_read reason=%s", err->text);
	http_error(reply, 500, "ledger", "the ledger cannot be read: %s", err->text);
}

void api_bad(struct http_reply *reply, const struct err *err)
{
	http_error(reply, 400, "bad_request", "%s", err->text);
}

bool api_query(const struct http_request *r, struct http_reply *reply, const char *key, uint64_t max,
               uint64_t otherwise, uint64_t *out)
{
	const char *text = http_query(r, key);
	*out = otherwise;
	if (text == NULL || text_u64(text, max, out))
		return true;
	http_error(reply, 400, "bad_request", "%s: not a number from 0 to %llu", key,
	           (unsigned long long)max);
	return false;
}

json_t *api_hex(const uint8_t *data, size_t len)
{
	char *text = xcalloc(2 * len + 1, 1);
	json_t *json = json_string(hex_encode(text, data, len));
	free(text);
	return json;
}

json_t *api_address(const struct qaddress *a)
{
	char text[ADDRESS_TEXT];
	return json_string(address_format(a, text));
}

void api_lock(json_t *output, const struct qlock *lock)
{
	static const char *const names[] = {
	    [QLOCK_STAKE] = "stake", [QLOCK_RELEASE] = "release", [QLOCK_FROZEN] = "frozen"};
	if (lock->kind == QLOCK_NONE)
		return;
	json_object_set_new(output, "lock", json_string(names[lock->kind]));
	json_object_set_new(output, "replica", api_number(lock->qlock_u.replica));
}

const char *api_vote(enum qkind kind)
{
	return kind == QCHECKPOINT ? "checkpoint" : kind == QCOMMIT ? "commit" : "prepare";
}

/* ---- genesis ------------------------------------------------------------------------------- */

static void api_genesis(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)r;
	reply->status = 200;
	reply->cache = HTTP_CHECK;
	reply->content_type = "application/json";
	reply->body = genesis_format(node_genesis(ctx));
	reply->body_len = strlen(reply->body);
}

/* ---- blocks --------------------------------------------------------------------------------- */

/* The nonce as text: it may exceed what a JSON number is to most readers. */
static json_t *seal_json(const struct qpow *pow)
{
	char nonce[24];
	snprintf(nonce, sizeof nonce, "%llu", (unsigned long long)pow->nonce);
	return json_pack("{s:s, s:o, s:s}", "kind", "pow", "target", API_HEX(pow->target), "nonce", nonce);
}

static json_t *header_json(const struct qheader *h)
{
	struct qhash hash;
	block_hash(h, &hash);
	json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "height", api_number(h->height.n),
	                         "hash", API_HEX(hash), "parent", API_HEX(h->parent), "merkle_root",
	                         API_HEX(h->merkle_root), "tx_count", api_number(h->tx_count), "proposer",
	                         api_number(h->proposer), "time_ms", api_number(h->time_ms));
	if (h->seal.kind == QSEAL_POW)
		json_object_set_new(json, "seal", seal_json(&h->seal.qseal_u.pow));
	return json;
}

json_t *api_certificate(const struct qcert *cert)
{
	json_t *signers = json_array();
	for (u_int i = 0; i < cert->sigs.sigs_len; i++)
		json_array_append_new(signers, api_number(cert->sigs.sigs_val[i].replica));
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind",
	                 cert->kind == QCHECKPOINT ? "checkpoint" : "commit", "height",
	                 api_number(cert->vote.height.n), "view", api_number(cert->vote.view.n), "block",
	                 API_HEX(cert->vote.block), "signers", signers);
}

static json_t *block_json(const struct genesis *g, const struct qblock *b, const struct qcert *cert)
{
	json_t *json = header_json(&b->header), *ids = json_array();
	for (u_int i = 0; i < b->txs.txs_len; i++) {
		const qtx_bytes *raw = &b->txs.txs_val[i];
		enum tx_verdict verdict;
		struct tx *tx =
		    tx_parse(&g->chain, (const uint8_t *)raw->qtx_bytes_val, raw->qtx_bytes_len, &verdict);
		json_array_append_new(ids, tx == NULL ? json_null() : API_HEX(tx->id));
		tx_unref(tx);
	}
	json_object_set_new(json, "transactions", ids);
	json_object_set_new(json, "certificate", api_certificate(cert));
	return json;
}

static enum found read_block(struct node *n, struct reader *reader, struct qheight h, json_t **out,
                             struct err *err)
{
	struct qblock block;
	struct qcert cert;
	enum found found = reader_block(reader, h, &block, err);
	if (found != FOUND)
		return found;
	found = reader_cert_for(reader, h, &cert, err);
	if (found == FOUND) {
		*out = block_json(node_genesis(n), &block, &cert);
		wire_free(WIRE(qcert), &cert);
	}
	wire_free(WIRE(qblock), &block);
	return found;
}

void api_no_block(struct node *n, struct qheight h, struct http_reply *reply)
{
	uint64_t newest = node_height(n).n;
	if (h.n == 0) {
		http_error(reply, 404, "not_found",
		           "height 0 is the genesis, which is no block; see /v1/genesis");
		return;
	}
	char *text = text_format("there is no block %llu here yet: the newest is %llu",
	                         (unsigned long long)h.n, (unsigned long long)newest);
	api_json(reply, 404,
	         json_pack("{s:{s:s, s:s, s:{s:o}}}", "error", "code", "not_found", "message", text, "detail",
	                   "height", api_number(newest)));
	free(text);
}

static void api_block(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct err err = {0};
	struct qheight h = {0};
	bool latest = strcmp(r->arg, "latest") == 0;
	if (!latest && !text_u64(r->arg, INT64_MAX, &h.n)) {
		http_error(reply, 400, "bad_request", "not a height, nor \"latest\"");
		return;
	}
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	json_t *json = NULL;
	enum found found = latest ? reader_height(reader, &h, &err) : FOUND;
	if (found == FOUND)
		found = h.n == 0 ? NOT_FOUND : read_block(n, reader, h, &json, &err);
	reply->cache = latest ? HTTP_FRESH : HTTP_CHECK; /* a path does not name its chain */
	if (found == FOUND)
		api_json(reply, 200, json);
	else if (found == FOUND_ERROR)
		api_broken(reply, &err);
	else
		api_no_block(n, h, reply);
	node_reader_back(n, reader, found == FOUND_ERROR);
}

static enum found read_headers(struct reader *reader, uint64_t from, uint64_t to, json_t *list,
                               struct err *err)
{
	struct qhash below;
	for (uint64_t h = from; h <= to; h++) {
		struct qheader header;
		enum found found = reader_header(reader, qheight_of(h), &header, err);
		if (found != FOUND)
			return found;
		if (h > from && !qhash_eq(&header.parent, &below)) {
			reader_damaged(reader, "blocks: one is not the child of the one below", err);
			wire_free(WIRE(qheader), &header);
			return FOUND_ERROR;
		}
		block_hash(&header, &below);
		json_array_append_new(list, header_json(&header));
		wire_free(WIRE(qheader), &header);
	}
	return FOUND;
}

/* Ascending from ?from=; without it, the newest ones. */
static void api_blocks(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct err err = {0};
	struct qheight tip;
	uint64_t from, limit;
	if (!api_query(r, reply, "limit", 100, 20, &limit) ||
	    !api_query(r, reply, "from", INT64_MAX, 0, &from))
		return;
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	json_t *list = json_array();
	enum found found = reader_height(reader, &tip, &err);
	if (found == FOUND && http_query(r, "from") == NULL)
		from = tip.n > limit ? tip.n - limit + 1 : 1;
	if (from == 0)
		from = 1;
	if (found == FOUND && from <= tip.n && limit > 0) {
		uint64_t left = tip.n - from + 1;
		found = read_headers(reader, from, from + (left < limit ? left : limit) - 1, list, &err);
	}
	uint64_t next = from + json_array_size(list);
	if (found == FOUND)
		api_json(reply, 200,
		         json_pack("{s:o, s:O, s:o}", "height", api_number(tip.n), "blocks", list, "next",
		                   next <= tip.n ? api_number(next) : json_null()));
	else
		api_broken(reply, &err);
	json_decref(list);
	node_reader_back(n, reader, found != FOUND);
}

/* ---- receipts ----------------------------------------------------------------------------------- */

/* The text of a receipt's file: who stores the answer has one. */
static void receipt_reply(struct http_reply *reply, const struct qtxid *id, const struct qreceipt *receipt)
{
	char hex[QHASH_HEX];
	struct err err = {0};
	reply->status = 200;
	reply->cache = HTTP_FOREVER; /* an id names its chain, too */
	reply->content_type = "application/json";
	reply->body = receipt_format(receipt, &reply->body_len);
	if (reply->body != NULL)
		return;
	err_set(&err, ERR_WORLD, "the row of transaction %s holds none",
	        hex_encode(hex, id->b, sizeof id->b));
	api_broken(reply, &err);
}

static void api_receipt(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct node *n = ctx;
	struct err err = {0};
	struct qtxid id;
	struct qreceipt receipt;
	if (!text_txid(r->arg, &id, &err)) {
		api_bad(reply, &err);
		return;
	}
	struct reader *reader = node_reader(n, &err);
	if (reader == NULL) {
		api_broken(reply, &err);
		return;
	}
	enum found found = reader_receipt(reader, &id, &receipt, &err);
	if (found == FOUND) {
		receipt_reply(reply, &id, &receipt);
		wire_free(WIRE(qreceipt), &receipt);
	} else if (found == NOT_FOUND) {
		http_error(reply, 404, "not_found", "no final transaction has this id here");
	} else {
		api_broken(reply, &err);
	}
	node_reader_back(n, reader, found == FOUND_ERROR);
}

/* ---- the table -------------------------------------------------------------------------------------- */

/* Also in openapi.json, as tests/unit/openapi.c sees to. */
const struct http_route api_routes[] = {
    {"GET", "/healthz", api_healthz, .keys = ""},
    {"GET", "/metrics", api_metrics, .keys = ""},
    {"GET", "/", api_explorer},
    {"GET", "/verify", api_page},
    {"GET", "/v1/openapi.json", api_openapi, .keys = ""},
    {"GET", "/v1/status", api_status, .keys = ""},
    {"GET", "/v1/events", api_events, .keys = ""},
    {"GET", "/v1/genesis", api_genesis, .keys = ""},
    {"GET", "/v1/blocks", api_blocks, .lane = HTTP_READ, .keys = "from limit"},
    {"GET", "/v1/blocks/*", api_block, .lane = HTTP_READ, .keys = ""},
    {"GET", "/v1/blocks/*/transactions", api_block_ids, .lane = HTTP_READ, .keys = "wait"},
    {"GET", "/v1/transactions/*", api_transaction, .lane = HTTP_READ, .keys = "wait"},
    {"POST", "/v1/transactions", api_submit, api_submit_full, HTTP_TAKE, "brief"},
    {"GET", "/v1/addresses/*", api_addresses, .lane = HTTP_READ, .keys = "after limit"},
    {"GET", "/v1/stakes", api_stakes, .lane = HTTP_READ, .keys = ""},
    {"GET", "/v1/receipts/*", api_receipt, .lane = HTTP_READ, .keys = ""},
    {"GET", "/v1/evidence", api_evidence_list, .lane = HTTP_READ, .keys = "from limit"},
    {"GET", "/v1/evidence/*", api_evidence, .lane = HTTP_READ, .keys = ""},
    {NULL, NULL, NULL},
};
