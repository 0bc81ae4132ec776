/*
 * wallet.c: which outputs a payment spends, and the transaction that it becomes.
 */
#include "wallet.h"

#include <stdio.h>
#include <stdlib.h>

#include "jread.h"

/* ---- choosing ------------------------------------------------------------------ */

enum { PAGE = 500, PAGES_MAX = 200 };

static int larger_first(const void *a, const void *b)
{
	const struct coin *x = a, *y = b;
	return x->amount < y->amount ? 1 : x->amount > y->amount ? -1 : 0;
}

/* Length of the shortest prefix worth at least `need`; 0 if there is none. */
static size_t prefix_worth(const struct coin *coins, size_t cnt, uint64_t need)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < cnt; i++) {
		if (__builtin_add_overflow(sum, coins[i].amount, &sum) || sum >= need)
			return i + 1;
	}
	return 0;
}

static bool too_little(const struct qaddress *owner, uint64_t holds, uint64_t need, struct err *err)
{
	char text[ADDRESS_TEXT];
	address_format(owner, text);
	if (holds < need)
		return err_set(err, ERR_NO, "%s holds %llu, less than the %llu that this needs", text,
		               (unsigned long long)holds, (unsigned long long)need);
	return err_set(
	    err, ERR_NO,
	    "%s holds %llu, but in pieces so small that %d of them are not worth %llu; merge some first by "
	    "paying smaller amounts to the same address",
	    text, (unsigned long long)holds, WALLET_INPUTS_MAX, (unsigned long long)need);
}

bool wallet_select(struct client *c, const struct qaddress *owner, uint64_t need, struct coin **coins,
                   size_t *cnt, struct err *err)
{
	struct coin *all = NULL;
	size_t have = 0, enough = 0;
	uint64_t total = 0, holds = 0;
	for (size_t page = 0; page < PAGES_MAX && enough == 0; page++) {
		struct coin *some;
		size_t got;
		if (!client_coins(c, owner, have, PAGE, &some, &got, &total, &holds, err)) {
			free(all);
			return false;
		}
		all = xrealloc(all, (have + got + 1) * sizeof *all);
		memcpy(all + have, some, got * sizeof *all);
		free(some);
		have += got;
		enough = prefix_worth(all, have, need);
		if (got == 0 || have >= total || holds < need)
			break;
	}
	if (enough == 0 || enough > WALLET_INPUTS_MAX) {
		if (have > 0)
			qsort(all, have, sizeof *all, larger_first);
		enough = prefix_worth(all, have, need);
	}
	if (enough == 0 || enough > WALLET_INPUTS_MAX) {
		free(all);
		return too_little(owner, holds, need, err);
	}
	*coins = all;
	*cnt = enough;
	return true;
}

/* ---- making --------------------------------------------------------------------- */

static bool worth(const struct coin *coins, size_t cnt, uint64_t *sum, struct err *err)
{
	*sum = 0;
	for (size_t i = 0; i < cnt; i++) {
		if (__builtin_add_overflow(*sum, coins[i].amount, sum) || *sum > TX_AMOUNT_MAX)
			return err_set(err, ERR_INPUT, "the inputs are worth more than 2^63-1 together");
	}
	return true;
}

bool draft_make(struct draft *d, const struct qhash *chain, const struct coin *coins, size_t coin_cnt,
                const struct qoutput *outputs, size_t output_cnt, const struct qaddress *change,
                const char *memo, uint64_t expiry, struct err *err)
{
	uint64_t in, out = 0;
	if (coin_cnt == 0 || coin_cnt > Q_INPUTS_MAX)
		return err_set(err, ERR_INPUT, "%zu inputs: a transaction takes 1 to %d", coin_cnt,
		               Q_INPUTS_MAX);
	if (output_cnt >= Q_OUTPUTS_MAX)
		return err_set(err, ERR_INPUT, "more than %d outputs", Q_OUTPUTS_MAX - 1);
	if (strlen(memo) > Q_MEMO_MAX)
		return err_set(err, ERR_INPUT, "the memo is longer than %d bytes", Q_MEMO_MAX);
	if (!worth(coins, coin_cnt, &in, err))
		return false;
	for (size_t i = 0; i < output_cnt; i++) {
		if (__builtin_add_overflow(out, outputs[i].amount, &out) || out > in)
			return err_set(err, ERR_INPUT, "the inputs are worth %llu, less than the outputs",
			               (unsigned long long)in);
	}

	*d = (struct draft){.chain = *chain, .coins = xmemdup(coins, coin_cnt * sizeof *coins)};
	struct qtx_body *body = &d->tx.body;
	body->expiry = qheight_of(expiry);
	body->memo.memo_len = (u_int)strlen(memo);
	body->memo.memo_val = xmemdup(memo, strlen(memo) + 1);
	body->inputs.inputs_len = (u_int)coin_cnt;
	body->inputs.inputs_val = xcalloc(coin_cnt, sizeof *body->inputs.inputs_val);
	for (size_t i = 0; i < coin_cnt; i++)
		body->inputs.inputs_val[i] = coins[i].point;
	body->outputs.outputs_val = xcalloc(output_cnt + 1, sizeof *outputs);
	memcpy(body->outputs.outputs_val, outputs, output_cnt * sizeof *outputs);
	if (in > out)
		body->outputs.outputs_val[output_cnt++] = (struct qoutput){*change, in - out};
	body->outputs.outputs_len = (u_int)output_cnt;
	return true;
}

void draft_free(struct draft *d)
{
	wire_free(WIRE(qtx), &d->tx);
	free(d->coins);
	d->coins = NULL;
}

void draft_id(const struct draft *d, struct qtxid *id)
{
	tx_id(&d->chain, &d->tx.body, id);
}

/* ---- signing --------------------------------------------------------------------- */

static size_t input_cnt(const struct draft *d)
{
	return d->tx.body.inputs.inputs_len;
}

static int compare_addresses(const struct qaddress *a, const struct qaddress *b)
{
	return memcmp(a->b, b->b, sizeof a->b);
}

static bool owns_an_input(const struct draft *d, const struct qaddress *owner)
{
	for (size_t i = 0; i < input_cnt(d); i++) {
		if (compare_addresses(&d->coins[i].owner, owner) == 0)
			return true;
	}
	return false;
}

/* Where the witness of this address is, or belongs: witnesses ascend by address. */
static bool find_witness(const struct draft *d, const struct qaddress *owner, u_int *at)
{
	for (*at = 0; *at < d->tx.witnesses.witnesses_len; ++*at) {
		struct qaddress address = account_address(&d->tx.witnesses.witnesses_val[*at].key);
		int order = compare_addresses(&address, owner);
		if (order >= 0)
			return order == 0;
	}
	return false;
}

static bool add_witness(struct draft *d, const struct qwitness *w, struct err *err)
{
	struct qaddress owner = account_address(&w->key);
	u_int at, cnt = d->tx.witnesses.witnesses_len;
	if (!owns_an_input(d, &owner)) {
		char text[ADDRESS_TEXT];
		return err_set(err, ERR_INPUT, "%s owns none of the transaction's inputs",
		               address_format(&owner, text));
	}
	if (find_witness(d, &owner, &at))
		return true;
	struct qwitness *list = xrealloc(d->tx.witnesses.witnesses_val, (cnt + 1) * sizeof *list);
	memmove(list + at + 1, list + at, (cnt - at) * sizeof *list);
	list[at] = *w;
	d->tx.witnesses.witnesses_val = list;
	d->tx.witnesses.witnesses_len = cnt + 1;
	return true;
}

bool draft_sign(struct draft *d, const struct account *a, struct err *err)
{
	struct qtxid id;
	draft_id(d, &id);
	struct qwitness w = {.key = account_key(a)};
	account_sign(a, &id, &w.sig);
	return add_witness(d, &w, err);
}

struct tx *draft_finish(const struct draft *d, struct err *err)
{
	for (size_t i = 0; i < input_cnt(d); i++) {
		u_int at;
		char text[ADDRESS_TEXT];
		if (!find_witness(d, &d->coins[i].owner, &at)) {
			err_set(err, ERR_INPUT, "not signed by %s", address_format(&d->coins[i].owner, text));
			return NULL;
		}
	}
	struct bytes raw;
	if (!wire_encode(WIRE(qtx), &d->tx, &raw)) {
		err_set(err, ERR_INPUT, "the transaction exceeds a bound of the format");
		return NULL;
	}
	enum tx_verdict verdict = TX_OK;
	struct tx *tx = tx_parse(&d->chain, raw.data, raw.len, &verdict);
	bytes_free(&raw);
	if (tx == NULL)
		err_set(err, ERR_INPUT, "%s", tx_verdict_info(verdict)->text);
	return tx;
}

/* ---- as a document ---------------------------------------------------------------- */

static json_t *hex_json(const uint8_t *data, size_t len)
{
	char *text = xcalloc(2 * len + 1, 1);
	json_t *json = json_string(hex_encode(text, data, len));
	free(text);
	return json;
}

static json_t *owner_json(const struct qaddress *owner)
{
	char text[ADDRESS_TEXT];
	return json_string(address_format(owner, text));
}

json_t *draft_json(const struct draft *d)
{
	const struct qtx_body *body = &d->tx.body;
	json_t *inputs = json_array(), *outputs = json_array(), *witnesses = json_array();
	for (size_t i = 0; i < input_cnt(d); i++)
		json_array_append_new(
		    inputs,
		    json_pack("{s:o, s:I, s:o, s:o}", "txid",
		              hex_json(d->coins[i].point.tx.b, sizeof d->coins[i].point.tx.b), "index",
		              (json_int_t)d->coins[i].point.index, "owner", owner_json(&d->coins[i].owner),
		              "amount", jread_amount_json(d->coins[i].amount)));
	for (u_int i = 0; i < body->outputs.outputs_len; i++)
		json_array_append_new(
		    outputs, json_pack("{s:o, s:o}", "owner", owner_json(&body->outputs.outputs_val[i].owner),
		                       "amount", jread_amount_json(body->outputs.outputs_val[i].amount)));
	for (u_int i = 0; i < d->tx.witnesses.witnesses_len; i++) {
		const struct qwitness *w = &d->tx.witnesses.witnesses_val[i];
		json_array_append_new(witnesses,
		                      json_pack("{s:o, s:o}", "key", hex_json(w->key.b, sizeof w->key.b),
		                                "signature", hex_json(w->sig.b, sizeof w->sig.b)));
	}
	struct qtxid id;
	draft_id(d, &id);
	json_t *json = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "quorate-transaction", 1,
	                         "chain", hex_json(d->chain.b, sizeof d->chain.b), "txid",
	                         hex_json(id.b, sizeof id.b), "inputs", inputs, "outputs", outputs, "memo",
	                         hex_json((const uint8_t *)body->memo.memo_val, body->memo.memo_len),
	                         "expiry", (json_int_t)body->expiry.n, "witnesses", witnesses);
	struct tx *tx = draft_finish(d, NULL);
	if (tx != NULL)
		json_object_set_new(json, "signed", hex_json(tx->raw, tx->raw_len));
	tx_unref(tx);
	return json;
}

static bool read_owner(const struct jvalue *v, struct qaddress *owner, struct err *err)
{
	const char *text;
	return jread_string(v, 2 * ADDRESS_TEXT, &text, err) &&
	       (address_parse(text, owner, err) || err_prefix(err, "%s", v->path));
}

static bool read_inputs(struct draft *d, const struct jvalue *v, struct err *err)
{
	size_t cnt;
	struct qtx_body *body = &d->tx.body;
	if (!jread_array(v, Q_INPUTS_MAX, &cnt, err))
		return false;
	d->coins = xcalloc(cnt + 1, sizeof *d->coins);
	body->inputs.inputs_val = xcalloc(cnt + 1, sizeof *body->inputs.inputs_val);
	body->inputs.inputs_len = (u_int)cnt;
	for (size_t i = 0; i < cnt; i++) {
		struct jvalue input = jread_element(v, i);
		if (!jread_object(&input, "txid index owner amount", "", err))
			return false;
		struct jvalue txid = jread_field(&input, "txid"), index = jread_field(&input, "index"),
		              owner = jread_field(&input, "owner"), amount = jread_field(&input, "amount");
		struct coin *coin = &d->coins[i];
		uint64_t position;
		if (!jread_hex(&txid, coin->point.tx.b, sizeof coin->point.tx.b, err) ||
		    !jread_uint(&index, 0, UINT32_MAX, &position, err) ||
		    !read_owner(&owner, &coin->owner, err) || !jread_amount(&amount, &coin->amount, err))
			return false;
		coin->point.index = (u_int)position;
		body->inputs.inputs_val[i] = coin->point;
	}
	return true;
}

static bool read_outputs(struct draft *d, const struct jvalue *v, struct err *err)
{
	size_t cnt;
	struct qtx_body *body = &d->tx.body;
	if (!jread_array(v, Q_OUTPUTS_MAX, &cnt, err))
		return false;
	body->outputs.outputs_val = xcalloc(cnt + 1, sizeof *body->outputs.outputs_val);
	body->outputs.outputs_len = (u_int)cnt;
	for (size_t i = 0; i < cnt; i++) {
		struct jvalue output = jread_element(v, i);
		if (!jread_object(&output, "owner amount", "", err))
			return false;
		struct jvalue owner = jread_field(&output, "owner"), amount = jread_field(&output, "amount");
		if (!read_owner(&owner, &body->outputs.outputs_val[i].owner, err) ||
		    !jread_amount(&amount, &body->outputs.outputs_val[i].amount, err))
			return false;
	}
	return true;
}

static bool read_memo(struct draft *d, const struct jvalue *v, struct err *err)
{
	const char *text;
	if (!jread_string(v, 2 * Q_MEMO_MAX, &text, err))
		return false;
	size_t len = strlen(text) / 2;
	d->tx.body.memo.memo_val = xcalloc(len + 1, 1);
	d->tx.body.memo.memo_len = (u_int)len;
	return jread_hex(v, (uint8_t *)d->tx.body.memo.memo_val, len, err);
}

static bool read_witnesses(struct draft *d, const struct jvalue *v, const struct qtxid *id, struct err *err)
{
	size_t cnt;
	if (!jread_array(v, Q_WITNESSES_MAX, &cnt, err))
		return false;
	for (size_t i = 0; i < cnt; i++) {
		struct jvalue witness = jread_element(v, i);
		if (!jread_object(&witness, "key signature", "", err))
			return false;
		struct jvalue key = jread_field(&witness, "key"), sig = jread_field(&witness, "signature");
		struct qwitness w;
		if (!jread_hex(&key, w.key.b, sizeof w.key.b, err) ||
		    !jread_hex(&sig, w.sig.b, sizeof w.sig.b, err))
			return false;
		if (!account_verify(&w.key, id, &w.sig))
			return jread_wrong(&witness, err, "the signature does not hold");
		if (!add_witness(d, &w, err))
			return err_prefix(err, "%s", witness.path);
	}
	return true;
}

static bool read_body(struct draft *d, const struct jvalue *root, struct err *err)
{
	struct jvalue format = jread_field(root, "quorate-transaction"), chain = jread_field(root, "chain"),
	              inputs = jread_field(root, "inputs"), outputs = jread_field(root, "outputs"),
	              memo = jread_field(root, "memo"), expiry = jread_field(root, "expiry");
	uint64_t one;
	return jread_uint(&format, 1, 1, &one, err) &&
	       jread_hex(&chain, d->chain.b, sizeof d->chain.b, err) && read_inputs(d, &inputs, err) &&
	       read_outputs(d, &outputs, err) && read_memo(d, &memo, err) &&
	       jread_uint(&expiry, 0, INT64_MAX, &d->tx.body.expiry.n, err);
}

bool draft_read(struct draft *d, const char *text, size_t len, struct err *err)
{
	*d = (struct draft){0};
	json_t *json = jread_parse(text, len, err);
	if (json == NULL)
		return false;
	struct jvalue root = jread_root(json), txid = jread_field(&root, "txid"),
	              witnesses = jread_field(&root, "witnesses");
	struct qtxid said = {0}, id;
	bool ok = jread_object(&root, "quorate-transaction chain txid inputs outputs memo expiry witnesses",
	                       "signed", err) &&
	          read_body(d, &root, err) && jread_hex(&txid, said.b, sizeof said.b, err);
	if (ok) {
		draft_id(d, &id);
		ok = qtxid_eq(&id, &said) ||
		     jread_wrong(&txid, err, "is not the id of this transaction: it was edited");
	}
	ok = ok && read_witnesses(d, &witnesses, &id, err);
	json_decref(json);
	if (!ok)
		draft_free(d);
	return ok;
}
