/*
 * wallet.c: which outputs a payment spends, and the transaction that it becomes.
 */
#include "wallet.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "jread.h"
#include "text.h"

/* ---- names -------------------------------------------------------------------- */

bool wallet_replica(const struct genesis *g, const char *text, unsigned *out, struct err *err)
{
	uint64_t index;
	unsigned n = g == NULL ? Q_REPLICAS_MAX : g->n;
	if (text_u64(text, n - 1, &index)) {
		*out = (unsigned)index;
		return true;
	}
	for (unsigned i = 0; g != NULL && i < n; i++) {
		if (strcmp(g->g.replicas.replicas_val[i].name, text) == 0) {
			*out = i;
			return true;
		}
	}
	return err_set(err, ERR_INPUT, "there is no replica \"%.64s\": a number from 0 to %u%s", text, n - 1,
	               g == NULL ? "; names need a genesis (--genesis)" : ", or a name of the genesis");
}

/* ---- choosing ------------------------------------------------------------------ */

enum { SEEN_MAX = 100000 }; /* outputs that are looked at for a payment */

/* Which outputs are wanted: those with this lock, QLOCK_NONE meaning whatever is free to spend. */
struct choice {
	struct wallet_view view; /* unused where a lock is wanted */
	struct qlock lock;
	uint64_t need;
	struct coin *coins;
	size_t cnt, looked_at;
	size_t enough;                  /* so many of the first are worth what is needed; 0: not yet */
	uint64_t seen, wanted, penalty; /* value of all that was seen; of those wanted, and what they lose */
};

static uint64_t worth_of(const struct coin *c)
{
	return c->amount - c->penalty;
}

static int larger_first(const void *a, const void *b)
{
	uint64_t x = worth_of(a), y = worth_of(b);
	return x < y ? 1 : x > y ? -1 : 0;
}

/* Length of the shortest prefix worth at least `need`; 0 if there is none. */
static size_t prefix_worth(const struct coin *coins, size_t cnt, uint64_t need)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < cnt; i++) {
		if (__builtin_add_overflow(sum, worth_of(&coins[i]), &sum) || sum >= need)
			return i + 1;
	}
	return 0;
}

bool wallet_free(const struct wallet_view *v, const struct coin *coin)
{
	return coin->free_at <= v->height + 1;
}

static bool is_wanted(const struct choice *ch, const struct coin *coin)
{
	if (ch->lock.kind == QLOCK_NONE)
		return wallet_free(&ch->view, coin) && worth_of(coin) > 0;
	return coin->lock.kind == ch->lock.kind && coin->lock.qlock_u.replica == ch->lock.qlock_u.replica;
}

static void forget(struct choice *ch)
{
	free(ch->coins);
	*ch = (struct choice){.view = ch->view, .lock = ch->lock, .need = ch->need};
}

/* Those wanted are kept, until they are worth what is needed in few enough pieces: a larger one may come yet.
 */
static bool sift(void *ctx, const struct coin_page *page)
{
	struct choice *ch = ctx;
	if (page->first)
		forget(ch);
	ch->coins = xrealloc(ch->coins, (ch->cnt + page->cnt + 1) * sizeof *ch->coins);
	for (size_t i = 0; i < page->cnt; i++) {
		const struct coin *coin = &page->coins[i];
		ch->seen += coin->amount; /* only to be told; a node may say what it likes */
		if (!is_wanted(ch, coin))
			continue;
		ch->wanted += coin->amount;
		ch->penalty += coin->penalty;
		ch->coins[ch->cnt++] = *coin;
	}
	ch->looked_at += page->cnt;
	ch->enough = prefix_worth(ch->coins, ch->cnt, ch->need);
	return (ch->enough == 0 || ch->enough > WALLET_INPUTS_MAX) && ch->looked_at < SEEN_MAX;
}

static bool too_little(const struct choice *ch, const struct qaddress *owner, uint64_t need, struct err *err)
{
	char text[ADDRESS_TEXT], where[64] = "";
	unsigned long long has = ch->wanted - ch->penalty;
	address_format(owner, text);
	if (ch->lock.kind != QLOCK_NONE)
		snprintf(where, sizeof where, " staked for replica %u", ch->lock.qlock_u.replica);
	if (has >= need)
		return err_set(
		    err, ERR_NO,
		    "%s holds %llu%s, but in pieces so small that %d of them are not worth %llu; %s", text,
		    has, where, WALLET_INPUTS_MAX, (unsigned long long)need,
		    ch->lock.kind != QLOCK_NONE
		        ? "unbond a smaller amount first"
		        : "merge some first by paying smaller amounts to the same address");
	if (ch->penalty > 0)
		return err_set(err, ERR_NO,
		               "%s holds %llu%s, less than the %llu that this needs: of %llu, %llu are lost "
		               "to a penalty",
		               text, has, where, (unsigned long long)need, (unsigned long long)ch->wanted,
		               (unsigned long long)ch->penalty);
	if (ch->lock.kind == QLOCK_NONE && ch->seen > ch->wanted)
		return err_set(err, ERR_NO,
		               "%s holds %llu, less than the %llu that this needs: another %llu are locked "
		               "(`quorate balance`)",
		               text, has, (unsigned long long)need,
		               (unsigned long long)(ch->seen - ch->wanted));
	return err_set(err, ERR_NO, "%s holds %llu%s, less than the %llu that this needs", text, has, where,
	               (unsigned long long)need);
}

static bool choose(struct choice *ch, struct client *c, const struct qaddress *owner, struct coin **coins,
                   size_t *cnt, struct err *err)
{
	if (!client_coins(c, owner, sift, ch, err)) {
		free(ch->coins);
		return false;
	}
	size_t enough = ch->enough;
	if (enough == 0 || enough > WALLET_INPUTS_MAX) {
		if (ch->cnt > 0)
			qsort(ch->coins, ch->cnt, sizeof *ch->coins, larger_first);
		enough = prefix_worth(ch->coins, ch->cnt, ch->need);
	}
	if (ch->need == UINT64_MAX)
		enough = ch->cnt < WALLET_INPUTS_MAX ? ch->cnt : WALLET_INPUTS_MAX;
	if (prefix_worth(ch->coins, enough, 1) == 0)
		enough = 0; /* lost altogether */
	if (enough == 0 || enough > WALLET_INPUTS_MAX) {
		too_little(ch, owner, ch->need == UINT64_MAX ? 1 : ch->need, err);
		free(ch->coins);
		return false;
	}
	*coins = ch->coins;
	*cnt = enough;
	return true;
}

bool wallet_select(struct client *c, const struct qaddress *owner, const struct wallet_view *v, uint64_t need,
                   struct coin **coins, size_t *cnt, struct err *err)
{
	struct choice ch = {.view = *v, .lock = {.kind = QLOCK_NONE}, .need = need};
	return choose(&ch, c, owner, coins, cnt, err);
}

bool wallet_select_stake(struct client *c, const struct qaddress *owner, unsigned replica, uint64_t need,
                         struct coin **coins, size_t *cnt, struct err *err)
{
	struct choice ch = {.lock = {.kind = QLOCK_STAKE, .qlock_u.replica = replica}, .need = need};
	return choose(&ch, c, owner, coins, cnt, err);
}

struct coin_list {
	struct coin *coins;
	size_t cnt;
};

static bool gather(void *ctx, const struct coin_page *page)
{
	struct coin_list *l = ctx;
	if (page->first)
		l->cnt = 0;
	l->coins = xrealloc(l->coins, (l->cnt + page->cnt + 1) * sizeof *l->coins);
	memcpy(l->coins + l->cnt, page->coins, page->cnt * sizeof *l->coins);
	l->cnt += page->cnt;
	return true;
}

bool wallet_all(struct client *c, const struct qaddress *owner, struct coin **coins, size_t *cnt,
                struct err *err)
{
	struct coin_list l = {0};
	if (!client_coins(c, owner, gather, &l, err)) {
		free(l.coins);
		return false;
	}
	*coins = l.coins;
	*cnt = l.cnt;
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

/* The penalties of what is spent, one FROZEN output an owner and replica, at the end of the list. */
static bool freeze_penalties(struct qtx_body *body, const struct coin *coins, size_t coin_cnt)
{
	struct qoutput *list = body->outputs.outputs_val;
	u_int first = body->outputs.outputs_len, *cnt = &body->outputs.outputs_len;
	for (size_t i = 0; i < coin_cnt; i++) {
		const struct coin *c = &coins[i];
		u_int at = first;
		if (c->penalty == 0)
			continue;
		while (at < *cnt && (memcmp(list[at].owner.b, c->owner.b, sizeof c->owner.b) != 0 ||
		                     list[at].lock.qlock_u.replica != c->lock.qlock_u.replica))
			at++;
		if (at == *cnt && ++*cnt >= Q_OUTPUTS_MAX)
			return false; /* and there is room for change */
		list[at].owner = c->owner;
		list[at].lock =
		    (struct qlock){.kind = QLOCK_FROZEN, .qlock_u.replica = c->lock.qlock_u.replica};
		list[at].amount += c->penalty;
	}
	return true;
}

/* Everything but the balance, which is checked. */
static bool check_parts(size_t coin_cnt, size_t output_cnt, const char *memo, struct err *err)
{
	if (coin_cnt == 0 || coin_cnt > Q_INPUTS_MAX)
		return err_set(err, ERR_INPUT, "%zu inputs: a transaction takes 1 to %d", coin_cnt,
		               Q_INPUTS_MAX);
	if (output_cnt >= Q_OUTPUTS_MAX)
		return err_set(err, ERR_INPUT, "more than %d outputs", Q_OUTPUTS_MAX - 1);
	return strlen(memo) <= Q_MEMO_MAX ||
	       err_set(err, ERR_INPUT, "the memo is longer than %d bytes", Q_MEMO_MAX);
}

/* What the inputs are worth beyond the outputs: change. */
static bool add_change(struct qtx_body *body, uint64_t in, const struct qoutput *change, struct err *err)
{
	uint64_t out = 0;
	u_int *cnt = &body->outputs.outputs_len;
	for (u_int i = 0; i < *cnt; i++) {
		if (__builtin_add_overflow(out, body->outputs.outputs_val[i].amount, &out) || out > in)
			return err_set(err, ERR_INPUT, "the inputs are worth %llu, less than the outputs",
			               (unsigned long long)in);
	}
	if (in > out) {
		body->outputs.outputs_val[*cnt] = *change;
		body->outputs.outputs_val[(*cnt)++].amount = in - out;
	}
	return true;
}

uint64_t wallet_expiry(uint64_t height)
{
	return height + WALLET_EXPIRY_BLOCKS + randombytes_uniform(WALLET_EXPIRY_SPREAD);
}

bool draft_make(struct draft *d, const struct qhash *chain, const struct coin *coins, size_t coin_cnt,
                const struct qoutput *outputs, size_t output_cnt, const struct qoutput *change,
                const char *memo, uint64_t expiry, struct err *err)
{
	uint64_t in;
	if (!check_parts(coin_cnt, output_cnt, memo, err) || !worth(coins, coin_cnt, &in, err))
		return false;
	*d = (struct draft){.chain = *chain, .coins = xmemdup(coins, coin_cnt * sizeof *coins)};
	struct qtx_body *body = &d->tx.body;
	body->expiry = qheight_of(expiry);
	body->memo.memo_len = (u_int)strlen(memo);
	body->memo.memo_val = xmemdup(memo, strlen(memo) + 1);
	body->inputs.inputs_len = (u_int)coin_cnt;
	body->inputs.inputs_val = xcalloc(coin_cnt, sizeof *body->inputs.inputs_val);
	for (size_t i = 0; i < coin_cnt; i++)
		body->inputs.inputs_val[i] = coins[i].point;
	body->outputs.outputs_val = xcalloc(Q_OUTPUTS_MAX, sizeof *outputs);
	body->outputs.outputs_len = (u_int)output_cnt;
	if (output_cnt > 0)
		memcpy(body->outputs.outputs_val, outputs, output_cnt * sizeof *outputs);
	bool ok = freeze_penalties(body, coins, coin_cnt) ||
	          err_set(err, ERR_INPUT, "more than %d outputs", Q_OUTPUTS_MAX - 1);
	if (ok && add_change(body, in, change, err))
		return true;
	draft_free(d);
	return false;
}

void draft_accuse(struct draft *d, const struct qoffence *offence)
{
	must(d->tx.body.offence.offence_len == 0 && d->tx.witnesses.witnesses_len == 0);
	d->tx.body.offence.offence_len = 1;
	d->tx.body.offence.offence_val = xmemdup(offence, sizeof *offence);
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

static json_t *output_json(const struct qoutput *o)
{
	json_t *json =
	    json_pack("{s:o, s:o}", "owner", owner_json(&o->owner), "amount", jread_amount_json(o->amount));
	if (o->lock.kind != QLOCK_NONE) {
		json_object_set_new(json, "lock", json_string(lock_name(o->lock.kind)));
		json_object_set_new(json, "replica", json_integer(o->lock.qlock_u.replica));
	}
	return json;
}

json_t *draft_json(const struct draft *d)
{
	must(d->tx.body.offence.offence_len == 0); /* documents have no place for one */
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
		json_array_append_new(outputs, output_json(&body->outputs.outputs_val[i]));
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

static bool read_output(const struct jvalue *v, struct qoutput *out, struct err *err)
{
	struct jvalue owner = jread_field(v, "owner"), amount = jread_field(v, "amount");
	return jread_object(v, "owner amount", "lock replica", err) && read_owner(&owner, &out->owner, err) &&
	       jread_amount(&amount, &out->amount, err) && client_lock(v, &out->lock, err);
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
		if (!read_output(&output, &body->outputs.outputs_val[i], err))
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
