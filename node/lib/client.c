/*
 * client.c: the nodes that libquorate's callers ask, and what those say.
 */
#include <time.h>

#include "lib.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "crypto.h"
#include "finality.h"
#include "text.h"

/* Of one answer: four times what the longest honest one has (what became of the largest transaction). Parsed,
 * the worst that it can be, empty objects, takes some eighty times as much. */
enum { ANSWER_MAX = 4 << 20 };
enum { URLS_MAX = 64, TIMEOUT_MS = 5000, NAP_MS = 50, BLOCK_WAIT_MS = 5000 };

struct quorate_client {
	const struct genesis *g; /* borrowed */
	struct client *nodes;
	unsigned timeout_ms;
};

/* ---- opening ----------------------------------------------------------------- */

static bool check_urls(const char *const *urls, size_t cnt, struct err *err)
{
	if (!lib_given(urls, "urls", err))
		return false;
	if (cnt == 0 || cnt > URLS_MAX)
		return err_set(err, ERR_INPUT, "%zu URLs: a client takes 1 to %d", cnt, URLS_MAX);
	for (size_t i = 0; i < cnt; i++) {
		if (!lib_given(urls[i], "it", err))
			return err_prefix(err, "urls[%zu]", i);
	}
	return true;
}

int quorate_client_new(const struct quorate_genesis *genesis, const char *const *urls, size_t url_cnt,
                       unsigned timeout_ms, struct quorate_client **out, struct quorate_error *error)
{
	struct err err = {0};
	if (!LIB_BEGIN(out, &err) || !lib_given(genesis, "genesis", &err) || !check_urls(urls, url_cnt, &err))
		return lib_fail(error, &err);
	if (timeout_ms == 0)
		timeout_ms = TIMEOUT_MS;
	struct client *nodes = client_new(urls, url_cnt, timeout_ms, &err);
	if (nodes == NULL)
		return lib_fail(error, &err);
	client_limit(nodes, ANSWER_MAX);
	*out = xcalloc(1, sizeof **out);
	**out = (struct quorate_client){.g = genesis->g, .nodes = nodes, .timeout_ms = timeout_ms};
	return QUORATE_OK;
}

void quorate_client_free(struct quorate_client *client)
{
	if (client == NULL)
		return;
	client_free(client->nodes);
	free(client);
}

/* ---- status ------------------------------------------------------------------ */

/* Of a node that says that it is of this chain. */
static bool get_status(struct quorate_client *client, struct client_status *s, struct err *err)
{
	char theirs[QHASH_HEX];
	return client_status(client->nodes, s, err) &&
	       (qhash_eq(&s->chain, &client->g->chain) ||
	        err_set(err, ERR_INPUT, "%s runs chain %s, which is not that of the genesis",
	                client_url(client->nodes), hex_encode(theirs, s->chain.b, sizeof s->chain.b)));
}

int quorate_client_status(struct quorate_client *client, struct quorate_status *out,
                          struct quorate_error *error)
{
	struct err err = {0};
	struct client_status s;
	if (!lib_given(client, "client", &err) || !lib_given(out, "out", &err))
		return lib_fail(error, &err);
	*out = (struct quorate_status){0};
	if (!get_status(client, &s, &err))
		return lib_fail(error, &err);
	*out = (struct quorate_status){
	    .height = s.height, .view = s.view, .replica = s.replica, .primary = s.primary};
	hex_encode(out->chain, s.chain.b, sizeof s.chain.b);
	memcpy(out->block, s.block_hash, sizeof s.block_hash);
	return QUORATE_OK;
}

static uint64_t now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

/* Asks once, and waits at the node. */
static bool has_block(struct quorate_client *client, uint64_t height, uint64_t wait_ms, struct err *err)
{
	char path[96];
	if (wait_ms > client->timeout_ms / 2)
		wait_ms = client->timeout_ms / 2;
	if (wait_ms > BLOCK_WAIT_MS)
		wait_ms = BLOCK_WAIT_MS;
	snprintf(path, sizeof path, "/v1/blocks/%llu/transactions?wait=%llu", (unsigned long long)height,
	         (unsigned long long)wait_ms);
	json_t *json = client_get(client->nodes, path, err);
	bool ok = json != NULL;
	if (ok && json_integer_value(json_object_get(json, "height")) != (json_int_t)height)
		ok = err_set(err, ERR_WORLD, "%s%s: the answer is not of that block",
		             client_url(client->nodes), path);
	json_decref(json);
	return ok;
}

int quorate_client_wait(struct quorate_client *client, uint64_t height, uint64_t timeout_ms,
                        struct quorate_error *error)
{
	struct err err = {0};
	const struct timespec nap = clock_timespec(NAP_MS); /* who answers at once is not asked at once */
	if (!lib_given(client, "client", &err) ||
	    (height > INT64_MAX && !err_set(&err, ERR_INPUT, "height: heights are up to 2^63-1")))
		return lib_fail(error, &err);
	uint64_t begun = now_ms(), passed = 0;
	while (height > 0 && !has_block(client, height, timeout_ms - passed, &err)) {
		passed = now_ms() - begun;
		if (err.kind == ERR_INPUT || passed >= timeout_ms)
			return lib_fail(error, &err);
		nanosleep(&nap, NULL);
	}
	return QUORATE_OK;
}

/* ---- outputs ----------------------------------------------------------------- */

struct sums {
	struct wallet_view view;
	struct quorate_balance b;
	bool impossible;
};

static bool add_up(void *ctx, const struct coin_page *page)
{
	struct sums *s = ctx;
	if (page->first)
		s->b = (struct quorate_balance){0};
	for (size_t i = 0; i < page->cnt; i++) {
		const struct coin *coin = &page->coins[i];
		uint64_t lost = wallet_free(&s->view, coin) ? coin->penalty : coin->amount;
		s->impossible =
		    s->impossible ||
		    __builtin_add_overflow(s->b.spendable, coin->amount - lost, &s->b.spendable) ||
		    __builtin_add_overflow(s->b.locked, lost, &s->b.locked);
		s->b.output_cnt++;
	}
	return !s->impossible;
}

int quorate_client_balance(struct quorate_client *client, const char *address, struct quorate_balance *out,
                           struct quorate_error *error)
{
	struct err err = {0};
	struct sums sums = {0};
	struct qaddress owner;
	struct client_status status;
	bool ok = lib_given(client, "client", &err) && lib_given(address, "address", &err) &&
	          lib_given(out, "out", &err);
	if (!ok)
		return lib_fail(error, &err);
	*out = (struct quorate_balance){0};
	if (!address_parse(address, &owner, &err) || !get_status(client, &status, &err))
		return lib_fail(error, &err);
	sums.view = (struct wallet_view){.chain = status.chain, .height = status.height};
	ok = client_coins(client->nodes, &owner, add_up, &sums, &err);
	if (ok && sums.impossible)
		ok = err_set(&err, ERR_WORLD, "%s: the outputs are worth more than there can be",
		             client_url(client->nodes));
	if (!ok)
		return lib_fail(error, &err);
	*out = sums.b;
	return QUORATE_OK;
}

struct copying {
	struct quorate_output *out;
	size_t max, cnt;
};

static bool copy(void *ctx, const struct coin_page *page)
{
	struct copying *c = ctx;
	if (page->first)
		c->cnt = 0;
	for (size_t i = 0; i < page->cnt && c->cnt < c->max; i++)
		lib_coin(&c->out[c->cnt++], &page->coins[i]);
	return c->cnt < c->max;
}

int quorate_client_outputs(struct quorate_client *client, const char *address, struct quorate_output *out,
                           size_t max, size_t *cnt, struct quorate_error *error)
{
	struct err err = {0};
	struct qaddress owner;
	struct copying c = {.out = out, .max = max};
	if (!lib_given(cnt, "cnt", &err))
		return lib_fail(error, &err);
	*cnt = 0;
	bool ok = lib_given(client, "client", &err) && lib_given(address, "address", &err) &&
	          lib_given(out, "out", &err) && address_parse(address, &owner, &err) &&
	          (max > 0 || err_set(&err, ERR_INPUT, "max is 0")) &&
	          client_coins(client->nodes, &owner, copy, &c, &err);
	if (!ok)
		return lib_fail(error, &err);
	*cnt = c.cnt;
	return QUORATE_OK;
}

/* ---- paying ------------------------------------------------------------------ */

static bool draft_of(struct quorate_client *client, const struct qaddress *from,
                     const struct qoutput *outputs, size_t cnt, uint64_t sum, const char *memo,
                     struct draft *draft, struct err *err)
{
	struct client_status status;
	struct coin *coins;
	size_t coin_cnt;
	if (!get_status(client, &status, err))
		return false;
	const struct wallet_view view = {.chain = status.chain, .height = status.height};
	if (!wallet_select(client->nodes, from, &view, sum, &coins, &coin_cnt, err))
		return false;
	bool ok = draft_make(draft, &view.chain, coins, coin_cnt, outputs, cnt,
	                     &(struct qoutput){.owner = *from}, memo, wallet_expiry(status.height), err);
	free(coins);
	return ok;
}

int quorate_client_pay(struct quorate_client *client, const char *from,
                       const struct quorate_payment *payments, size_t payment_cnt, const char *memo,
                       struct quorate_tx **out, struct quorate_error *error)
{
	struct err err = {0};
	struct qaddress payer;
	struct qoutput *outputs = NULL;
	struct draft draft;
	uint64_t sum;
	bool ok = LIB_BEGIN(out, &err) && lib_given(client, "client", &err) &&
	          lib_given(from, "from", &err) &&
	          (address_parse(from, &payer, &err) || err_prefix(&err, "from")) &&
	          (outputs = lib_payments(payments, payment_cnt, &sum, &err)) != NULL &&
	          draft_of(client, &payer, outputs, payment_cnt, sum, memo != NULL ? memo : "", &draft, &err);
	free(outputs);
	if (!ok)
		return lib_fail(error, &err);
	*out = lib_tx_of_draft_take(&draft);
	return QUORATE_OK;
}

/* May it be handed to this client's nodes? */
static bool can_be_sent(const struct quorate_client *client, const struct quorate_tx *tx, struct err *err)
{
	return lib_given(client, "client", err) && lib_given(tx, "tx", err) &&
	       (qhash_eq(&tx->chain, &client->g->chain) ||
	        err_set(err, ERR_INPUT, "the transaction is of another chain than the client")) &&
	       lib_tx_whole(tx, err);
}

int quorate_client_submit(struct quorate_client *client, const struct quorate_tx *tx,
                          struct quorate_error *error)
{
	struct err err = {0};
	struct client_fate fate;
	if (!can_be_sent(client, tx, &err))
		return lib_fail(error, &err);
	const struct bytes raw = {tx->tx->raw, tx->tx->raw_len};
	if (!client_submit(client->nodes, &raw, 1, &fate, &err))
		return lib_fail(error, &err);
	if (fate.kind == FATE_PENDING || fate.kind == FATE_FINAL)
		return QUORATE_OK;
	if (fate.kind == FATE_REJECTED)
		err_set(&err, ERR_NO, "%s: %s", client_url(client->nodes), fate.message);
	else
		err_set(&err, ERR_WORLD, "%s: does not say what became of it", client_url(client->nodes));
	int code = lib_fail(error, &err);
	if (fate.kind == FATE_REJECTED)
		lib_reason(error, fate.code, fate.spent_by);
	return code;
}

int quorate_client_settle(struct quorate_client *client, const struct quorate_tx *tx, uint64_t timeout_ms,
                          struct quorate_receipt **out, struct quorate_error *error)
{
	struct err err = {0};
	struct finality f;
	char text[FINALITY_TEXT];
	if (!LIB_BEGIN(out, &err) || !can_be_sent(client, tx, &err))
		return lib_fail(error, &err);
	finality_begin(&f, client->g, client->nodes, timeout_ms < INT64_MAX / 2 ? timeout_ms : INT64_MAX / 2);
	f.tx = tx->tx;
	enum outcome o = finality_wait(&f);
	int code = QUORATE_OK;
	if (o == COMMITTED) {
		*out = lib_receipt_take(&f.receipt);
	} else {
		err_set(&err, o == UNKNOWN ? ERR_WORLD : ERR_NO, "%s", finality_text(&f, o, text));
		code = lib_fail(error, &err);
		if (o != UNKNOWN)
			lib_reason(error, f.fate.code, f.fate.spent_by);
	}
	finality_end(&f);
	return code;
}

int quorate_client_receipt(struct quorate_client *client, const char *txid, struct quorate_receipt **out,
                           struct quorate_error *error)
{
	struct err err = {0};
	struct qtxid id;
	struct qreceipt r;
	if (!LIB_BEGIN(out, &err) || !lib_given(client, "client", &err) || !lib_given(txid, "txid", &err) ||
	    !text_txid(txid, &id, &err) || !finality_receipt(client->nodes, client->g, &id, &r, &err))
		return lib_fail(error, &err);
	*out = lib_receipt_take(&r);
	return QUORATE_OK;
}
