/*
 * client.c: typed client of a node's HTTP interface.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>

#include "clean.h"
#include "http.h"
#include "jread.h"
#include "receipt_file.h"
#include "schedule.h"
#include "text.h"

struct client {
	size_t cnt, current;
	unsigned timeout_ms;
	char refusal[32]; /* code of the last one */
	struct client_node {
		char *url;
		struct http_client *http;
	} * nodes;
};

static bool has_node(const struct client *c, const char *url)
{
	for (size_t i = 0; i < c->cnt; i++) {
		if (strcmp(c->nodes[i].url, url) == 0)
			return true;
	}
	return false;
}

struct client *client_new(const char *const *urls, size_t cnt, unsigned timeout_ms, struct err *err)
{
	must(cnt > 0);
	struct client *c = xcalloc(1, sizeof *c);
	c->nodes = xcalloc(cnt, sizeof *c->nodes);
	c->timeout_ms = timeout_ms;
	for (size_t i = 0; i < cnt; i++) {
		if (has_node(c, urls[i]))
			continue;
		struct client_node *node = &c->nodes[c->cnt++];
		node->http = http_client_new(urls[i], timeout_ms, err);
		node->url = xstrdup(urls[i]);
		if (node->http == NULL) {
			client_free(c);
			return NULL;
		}
	}
	return c;
}

void client_free(struct client *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->cnt; i++) {
		http_client_free(c->nodes[i].http);
		free(c->nodes[i].url);
	}
	free(c->nodes);
	free(c);
}

void client_limit(struct client *c, size_t max)
{
	for (size_t i = 0; i < c->cnt; i++)
		http_client_limit(c->nodes[i].http, max);
}

const char *client_url(const struct client *c)
{
	return c->nodes[c->current].url;
}
size_t client_nodes(const struct client *c)
{
	return c->cnt;
}
size_t client_current(const struct client *c)
{
	return c->current;
}
void client_next(struct client *c)
{
	c->current = (c->current + 1) % c->cnt;
}

/* ---- calls ------------------------------------------------------------------ */

struct request {
	const char *path;
	const char *content_type; /* NULL: GET */
	const void *body;
	size_t body_len;
};

/* One answer of the current node, or NULL with *err (ERR_WORLD), which names the node. */
static char *text_here(struct client *c, const struct request *r, int *status, size_t *len, struct err *err)
{
	char *text = NULL;
	bool ok = http_call(c->nodes[c->current].http, r->path, r->content_type, r->body, r->body_len, status,
	                    &text, len, err);
	return ok ? text : NULL;
}

/* Values in an answer: the most are in a genesis with all the allocations there may be, else in the story of
 * a transaction with all its outputs; a few times that. */
enum { GENESIS_VALUES_MAX = 24 << 20, VALUES_MAX = 1 << 18 };

/* Its JSON, or NULL with *err (ERR_WORLD). */
static json_t *json_take(struct client *c, const char *path, int status, char *text, size_t len,
                         struct err *err)
{
	size_t most = strcmp(path, "/v1/genesis") == 0 ? GENESIS_VALUES_MAX : VALUES_MAX;
	bool modest = jread_size(text, len).values <= most;
	json_t *json = modest ? jread_parse(text, len, NULL) : NULL;
	free(text);
	if (!modest)
		err_set(err, ERR_WORLD, "%s%s: the answer has more than %zu values, as none has",
		        client_url(c), path, most);
	else if (json == NULL)
		err_set(err, ERR_WORLD, "%s%s: the answer (status %d) is not JSON; is this a quorate node?",
		        client_url(c), path, status);
	return json;
}

static json_t *call_here(struct client *c, const struct request *r, int *status, struct err *err)
{
	size_t len;
	char *text = text_here(c, r, status, &len, err);
	return text == NULL ? NULL : json_take(c, r->path, *status, text, len, err);
}

static const char *field_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text == NULL ? "" : text;
}

/* Text of a node may end on a terminal. */
static void copy_clean(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from);
	clean_text(to);
}

static void set_refusal(struct client *c, const char *path, int status, const json_t *json, struct err *err)
{
	char message[300];
	const json_t *error = json_object_get(json, "error");
	copy_clean(message, sizeof message, field_text(error, "message"));
	copy_clean(c->refusal, sizeof c->refusal, field_text(error, "code"));
	enum err_kind kind = status == 404 ? ERR_NO : status < 500 ? ERR_INPUT : ERR_WORLD;
	if (message[0] != '\0')
		err_set(err, kind, "%s: %s", client_url(c), message);
	else
		err_set(err, kind, "%s%s: status %d", client_url(c), path, status);
}

/* The first answer that a node gives; a failing node's error is kept where all fail. */
static json_t *call_any(struct client *c, const struct request *r, int *status, struct err *err)
{
	for (size_t tried = 0; tried < c->cnt; tried++) {
		json_t *json = call_here(c, r, status, err);
		if (json != NULL && (*status < 500 || json_object_get(json, "results") != NULL))
			return json;
		if (json != NULL) {
			set_refusal(c, r->path, *status, json, err);
			json_decref(json);
		}
		client_next(c);
	}
	if (c->cnt > 1)
		err_prefix(err, "none of %zu nodes answered; the last one", c->cnt);
	return NULL;
}

static json_t *get(struct client *c, bool anywhere, const char *path, struct err *err)
{
	struct request r = {.path = path};
	int status = 0;
	json_t *json = anywhere ? call_any(c, &r, &status, err) : call_here(c, &r, &status, err);
	if (json != NULL && status != 200) {
		set_refusal(c, path, status, json, err);
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *client_get(struct client *c, const char *path, struct err *err)
{
	return get(c, true, path, err);
}

static bool bad_answer(struct client *c, const char *path, const char *what, struct err *err)
{
	return err_set(err, ERR_WORLD, "%s%s: the answer is not as expected: %s", client_url(c), path, what);
}

/* ---- status ------------------------------------------------------------------ */

static bool number_of(const json_t *object, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(object, key);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static bool status_from(struct client *c, json_t *json, struct client_status *out, struct err *err)
{
	uint64_t replica, primary, proposer;
	const char *hash = field_text(json, "block_hash");
	struct qhash check;
	/* No chain gets half-way to the last height; so what is added to it, as for an expiry, is a height,
	 * too. */
	bool ok = hex_decode(out->chain.b, sizeof out->chain.b, field_text(json, "chain")) &&
	          number_of(json, "height", &out->height) && out->height <= INT64_MAX / 2 &&
	          number_of(json, "view", &out->view) && number_of(json, "replica", &replica) &&
	          replica < Q_REPLICAS_MAX && number_of(json, "primary", &primary) &&
	          primary < Q_REPLICAS_MAX && hex_decode(check.b, sizeof check.b, hash);
	if (ok) {
		out->replica = (unsigned)replica;
		out->primary = (unsigned)primary;
		out->proposer = number_of(json, "proposer", &proposer) && proposer < Q_REPLICAS_MAX
		                    ? (unsigned)proposer
		                    : Q_REPLICAS_MAX;
		if (!number_of(json, "sealing", &out->sealing))
			out->sealing = 0;
		hex_encode(out->block_hash, check.b, sizeof check.b);
	}
	json_decref(json);
	return ok || bad_answer(c, "/v1/status", "chain, height, view, replica, primary and block_hash", err);
}

bool client_status(struct client *c, struct client_status *out, struct err *err)
{
	json_t *json = get(c, true, "/v1/status", err);
	return json != NULL && status_from(c, json, out, err);
}

bool client_status_here(struct client *c, struct client_status *out, struct err *err)
{
	json_t *json = get(c, false, "/v1/status", err);
	return json != NULL && status_from(c, json, out, err);
}

bool client_healthy_here(struct client *c)
{
	struct request r = {.path = "/healthz"};
	int status = 0;
	json_t *json = call_here(c, &r, &status, NULL);
	json_decref(json);
	return json != NULL && status == 200;
}

/* ---- coins ------------------------------------------------------------------- */

static const char *const lock_names[] = {
    [QLOCK_NONE] = NULL, [QLOCK_STAKE] = "stake", [QLOCK_RELEASE] = "release", [QLOCK_FROZEN] = "frozen"};

const char *lock_name(qlock_kind kind)
{
	return lock_names[kind];
}

qlock_kind lock_kind_of(const char *name)
{
	for (qlock_kind k = QLOCK_STAKE; k <= QLOCK_FROZEN; k++) {
		if (strcmp(lock_names[k], name) == 0)
			return k;
	}
	return QLOCK_NONE;
}

bool client_lock(const struct jvalue *v, struct qlock *lock, struct err *err)
{
	struct jvalue kind = jread_field(v, "lock"), replica = jread_field(v, "replica");
	const char *name;
	uint64_t index;
	*lock = (struct qlock){.kind = QLOCK_NONE};
	if (kind.json == NULL || json_is_null(kind.json))
		return true;
	if (!jread_string(&kind, 16, &name, err) || !jread_uint(&replica, 0, Q_REPLICAS_MAX - 1, &index, err))
		return false;
	lock->kind = lock_kind_of(name);
	lock->qlock_u.replica = (u_int)index;
	return lock->kind != QLOCK_NONE || jread_wrong(&kind, err, "is no kind of lock");
}

/* When it is free and what is lost of it, by that node's word: a wrong one only gets a transaction refused.
 */
static bool terms_from(const struct jvalue *v, struct coin *coin, struct err *err)
{
	struct jvalue free_at = jread_field(v, "free_at"), penalty = jread_field(v, "penalty");
	const char *lost;
	coin->free_at = coin->lock.kind == QLOCK_NONE ? 0 : UINT64_MAX;
	coin->penalty = 0;
	if (coin->lock.kind == QLOCK_RELEASE && !jread_uint(&free_at, 0, INT64_MAX, &coin->free_at, err))
		return false;
	if (coin->lock.kind == QLOCK_NONE || penalty.json == NULL)
		return true;
	return jread_string(&penalty, 24, &lost, err) &&
	       (text_u64(lost, coin->amount, &coin->penalty) ||
	        jread_wrong(&penalty, err, "is no amount up to that of the output"));
}

static bool coin_from(const struct jvalue *v, const struct qaddress *owner, struct coin *coin,
                      struct err *err)
{
	struct jvalue txid = jread_field(v, "txid"), index = jread_field(v, "index"),
	              amount = jread_field(v, "amount"), height = jread_field(v, "height");
	uint64_t position;
	coin->owner = *owner;
	if (!jread_hex(&txid, coin->point.tx.b, sizeof coin->point.tx.b, err) ||
	    !jread_uint(&index, 0, Q_OUTPUTS_MAX > Q_ALLOCS_MAX ? Q_OUTPUTS_MAX : Q_ALLOCS_MAX, &position,
	                err) ||
	    !jread_amount(&amount, &coin->amount, err) ||
	    !jread_uint(&height, 0, INT64_MAX, &coin->height, err) || !client_lock(v, &coin->lock, err) ||
	    !terms_from(v, coin, err))
		return false;
	coin->point.index = (u_int)position;
	return true;
}

static bool coins_from(json_t *json, const struct qaddress *owner, size_t limit, struct coin **coins,
                       size_t *cnt, struct err *err)
{
	struct jvalue root = jread_root(json), outputs = jread_field(&root, "outputs");
	size_t found;
	if (!jread_array(&outputs, limit, &found, err))
		return false;
	*coins = xcalloc(found + 1, sizeof **coins);
	for (size_t i = 0; i < found; i++) {
		struct jvalue output = jread_element(&outputs, i);
		if (!coin_from(&output, owner, &(*coins)[i], err)) {
			free(*coins);
			return false;
		}
	}
	*cnt = found;
	return true;
}

enum { COINS_PAGE = 500, COINS_BEGINNINGS_MAX = 5, COINS_PAGES_MAX = 4000 };

/* The path of the page behind `after`; NULL: of the first. */
static void coins_path(char path[256], const struct qaddress *owner, const struct coin *after)
{
	char address[ADDRESS_TEXT], id[QHASH_HEX];
	int len =
	    snprintf(path, 256, "/v1/addresses/%s?limit=%d", address_format(owner, address), COINS_PAGE);
	if (after != NULL)
		snprintf(path + len, 256 - (size_t)len, "&after=%s:%u",
		         hex_encode(id, after->point.tx.b, sizeof after->point.tx.b), after->point.index);
}

/* One page: *coins is a fresh array.  *spent: there is none behind `after`, which is spent. */
static bool coins_page(struct client *c, const struct qaddress *owner, const struct coin *after, bool *spent,
                       struct coin **coins, struct coin_page *page, struct err *err)
{
	char path[256];
	int status = 0;
	struct err why = {0};
	coins_path(path, owner, after);
	json_t *json = call_any(c, &(struct request){.path = path}, &status, err);
	*coins = NULL;
	*page = (struct coin_page){.first = after == NULL};
	*spent = json != NULL && after != NULL && status == 409;
	bool ok = json != NULL;
	if (ok && status != 200 && !*spent) {
		set_refusal(c, path, status, json, err);
		ok = false;
	} else if (ok && !*spent) {
		ok = number_of(json, "count", &page->total)
		         ? coins_from(json, owner, COINS_PAGE, coins, &page->cnt, &why) ||
		               bad_answer(c, path, why.text, err)
		         : bad_answer(c, path, "count", err);
	}
	page->coins = *coins;
	json_decref(json);
	return ok;
}

bool client_coins(struct client *c, const struct qaddress *owner,
                  bool (*take)(void *ctx, const struct coin_page *page), void *ctx, struct err *err)
{
	struct coin last = {0}, *coins;
	struct coin_page page;
	bool spent, more = false;
	unsigned beginnings = 0;
	for (unsigned i = 0; i < COINS_PAGES_MAX; i++) {
		beginnings += !more;
		if (!coins_page(c, owner, more ? &last : NULL, &spent, &coins, &page, err))
			return false;
		more = !spent && take(ctx, &page) && page.cnt == COINS_PAGE;
		if (more)
			last = coins[page.cnt - 1];
		free(coins);
		if (!more && !spent)
			return true;
		if (beginnings == COINS_BEGINNINGS_MAX && spent)
			break;
	}
	return err_set(err, ERR_WORLD,
	               "%s: these outputs are too many, or change faster than they can be read",
	               client_url(c));
}

/* ---- stakes ------------------------------------------------------------------ */

static bool turns_of(const json_t *json, const char *key, unsigned *out)
{
	uint64_t turns;
	if (!number_of(json, key, &turns) || turns > SCHEDULE_CYCLE)
		return false;
	*out = (unsigned)turns;
	return true;
}

static bool stakes_from(const json_t *json, struct client_stakes *out)
{
	const json_t *list = json_object_get(json, "replicas"), *r;
	size_t i;
	*out = (struct client_stakes){.n = (unsigned)json_array_size(list)};
	if (!number_of(json, "height", &out->height) || out->n < 1 || out->n > Q_REPLICAS_MAX)
		return false;
	json_array_foreach((json_t *)list, i, r)
	{
		copy_clean(out->replica[i].name, sizeof out->replica[i].name, field_text(r, "name"));
		if (!text_u64(field_text(r, "own"), INT64_MAX, &out->replica[i].own) ||
		    !text_u64(field_text(r, "delegated"), INT64_MAX, &out->replica[i].delegated) ||
		    !number_of(r, "convicted", &out->replica[i].convicted) ||
		    !turns_of(r, "turns", &out->replica[i].turns) ||
		    !turns_of(r, "turns_next", &out->replica[i].turns_next))
			return false;
	}
	return true;
}

bool client_stakes(struct client *c, struct client_stakes *out, struct err *err)
{
	static const char path[] = "/v1/stakes";
	json_t *json = client_get(c, path, err);
	if (json == NULL)
		return false;
	bool ok = stakes_from(json, out);
	json_decref(json);
	return ok ||
	       bad_answer(c, path,
	                  "height and, of each replica, own, delegated, convicted, turns, turns_next", err);
}

/* ---- transactions ------------------------------------------------------------- */

static void fate_from(const json_t *json, struct client_fate *fate)
{
	*fate = (struct client_fate){0};
	const char *status = field_text(json, "status");
	const json_t *detail = json_object_get(json, "detail");
	const char *spent_by = field_text(detail, "spent_by");
	copy_clean(fate->code, sizeof fate->code, field_text(json, "code"));
	copy_clean(fate->message, sizeof fate->message, field_text(json, "message"));
	copy_clean(fate->txid, sizeof fate->txid, field_text(json, "txid"));
	copy_clean(fate->spent_by, sizeof fate->spent_by,
	           spent_by[0] != '\0' ? spent_by : field_text(json, "spent_by"));
	number_of(json, "height", &fate->height);
	if (strcmp(status, "final") == 0)
		fate->kind = FATE_FINAL;
	else if (strcmp(status, "accepted") == 0 || strcmp(status, "known") == 0 ||
	         strcmp(status, "pending") == 0)
		fate->kind = FATE_PENDING;
	else if (strcmp(status, "rejected") == 0)
		fate->kind = FATE_REJECTED;

	/* Heights that come, and convictions, can make the last three valid. */
	static const char *const temporary[] = {"unknown_output", "pool_full", "owner_full",   "busy",
	                                        "locked",         "penalty",   "early_offence"};
	for (size_t i = 0; fate->kind == FATE_REJECTED && i < sizeof temporary / sizeof *temporary; i++)
		fate->temporary = fate->temporary || strcmp(fate->code, temporary[i]) == 0;
}

/* Nobody has looked at any of them. */
static void all_full(struct client_fate *fates, size_t cnt)
{
	const struct tx_verdict_info *info = tx_verdict_info(TX_POOL_FULL);
	for (size_t i = 0; i < cnt; i++) {
		fates[i] = (struct client_fate){.kind = FATE_REJECTED, .temporary = true};
		snprintf(fates[i].code, sizeof fates[i].code, "%s", info->code);
		snprintf(fates[i].message, sizeof fates[i].message, "%s", info->text);
	}
}

bool client_submit(struct client *c, const struct bytes *raw, size_t cnt, struct client_fate *fates,
                   struct err *err)
{
	must(cnt <= Q_BLOCK_TXS_MAX);
	struct qtxs batch = {.txs = {.txs_len = (u_int)cnt, .txs_val = xcalloc(cnt, sizeof(qtx_bytes))}};
	for (size_t i = 0; i < cnt; i++)
		batch.txs.txs_val[i] =
		    (qtx_bytes){.qtx_bytes_len = (u_int)raw[i].len, .qtx_bytes_val = raw[i].data};
	struct bytes body;
	bool encoded = wire_encode(WIRE(qtxs), &batch, &body);
	free(batch.txs.txs_val);
	if (!encoded)
		return err_set(err, ERR_INPUT, "a transaction is longer than %d bytes", Q_TX_BYTES_MAX);

	struct request r = {"/v1/transactions", "application/octet-stream", body.data, body.len};
	int status = 0;
	c->refusal[0] = '\0';
	json_t *json = call_any(c, &r, &status, err);
	bytes_free(&body);
	if (json == NULL && strcmp(c->refusal, tx_verdict_info(TX_POOL_FULL)->code) == 0) {
		all_full(fates, cnt);
		return true;
	}
	if (json == NULL)
		return false;
	const json_t *results = json_object_get(json, "results");
	bool ok = json_is_array(results) && json_array_size(results) == cnt;
	for (size_t i = 0; ok && i < cnt; i++)
		fate_from(json_array_get(results, i), &fates[i]);
	if (!ok && status >= 400)
		set_refusal(c, r.path, status, json, err);
	else if (!ok)
		bad_answer(c, r.path, "one result a transaction", err);
	json_decref(json);
	return ok;
}

bool client_wait(struct client *c, const struct qtxid *id, unsigned wait_ms, struct client_fate *out,
                 struct err *err)
{
	char hex[QHASH_HEX], path[128];
	if (wait_ms > c->timeout_ms / 2)
		wait_ms = c->timeout_ms / 2; /* a node that waits as it was asked to is not late */
	snprintf(path, sizeof path, "/v1/transactions/%s?wait=%u", hex_encode(hex, id->b, sizeof id->b),
	         wait_ms);
	struct err why = {0};
	json_t *json = client_get(c, path, &why);
	if (json == NULL && why.kind == ERR_NO) {
		*out = (struct client_fate){.kind = FATE_UNKNOWN};
		return true;
	}
	if (json == NULL) {
		if (err != NULL)
			*err = why;
		return false;
	}
	fate_from(json, out);
	json_decref(json);
	return true;
}

bool client_receipt_here(struct client *c, const struct qtxid *id, struct qreceipt *out, struct err *err)
{
	char hex[QHASH_HEX], path[128];
	snprintf(path, sizeof path, "/v1/receipts/%s", hex_encode(hex, id->b, sizeof id->b));
	struct request r = {.path = path};
	struct err why = {0};
	int status = 0;
	size_t len;
	char *text = text_here(c, &r, &status, &len, err);
	if (text == NULL)
		return false;
	if (status == 200) {
		bool ok = receipt_parse(text, len, out, &why);
		free(text);
		return ok || bad_answer(c, path, why.text, err);
	}
	json_t *json = json_take(c, path, status, text, len, err);
	if (json != NULL)
		set_refusal(c, path, status, json, err);
	json_decref(json);
	return false;
}
