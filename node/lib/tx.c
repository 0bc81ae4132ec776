/*
 * tx.c: transactions of libquorate's callers: made, signed, and what stands in them.
 */
#include "lib.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto.h"

/* ---- what it is made of ------------------------------------------------------ */

static const struct qtx *content(const struct quorate_tx *tx)
{
	return tx->tx != NULL ? &tx->tx->q : &tx->draft.tx;
}

/* Its id and memo as texts. */
static void name(struct quorate_tx *tx, const struct qtxid *id)
{
	const struct qtx_body *body = &content(tx)->body;
	hex_encode(tx->id, id->b, sizeof id->b);
	if (body->memo.memo_len > 0)
		memcpy(tx->memo, body->memo.memo_val, body->memo.memo_len);
}

void lib_tx_begin(struct quorate_tx *tx, const struct qhash *chain, struct tx *parsed)
{
	*tx = (struct quorate_tx){.chain = *chain, .tx = tx_ref(parsed)};
	name(tx, &parsed->id);
}

void lib_tx_end(struct quorate_tx *tx)
{
	tx_unref(tx->tx);
	if (tx->has_draft)
		draft_free(&tx->draft);
}

/* Once all have signed it is what a node takes. */
static void try_to_finish(struct quorate_tx *tx)
{
	if (tx->tx == NULL)
		tx->tx = draft_finish(&tx->draft, NULL);
}

struct quorate_tx *lib_tx_of_draft_take(struct draft *d)
{
	struct quorate_tx *tx = xcalloc(1, sizeof *tx);
	struct qtxid id;
	*tx = (struct quorate_tx){.chain = d->chain, .has_draft = true, .draft = *d};
	*d = (struct draft){0};
	draft_id(&tx->draft, &id);
	name(tx, &id);
	try_to_finish(tx);
	return tx;
}

bool lib_tx_whole(const struct quorate_tx *tx, struct err *err)
{
	if (tx->tx != NULL)
		return true;
	must(draft_finish(&tx->draft, err) == NULL); /* else it had been finished when it was signed */
	return false;
}

void quorate_tx_free(struct quorate_tx *tx)
{
	if (tx == NULL)
		return;
	lib_tx_end(tx);
	free(tx);
}

/* ---- making ------------------------------------------------------------------ */

/* Names the element of an array that is wrong. */
static bool wrong_at(struct err *err, const char *array, size_t i)
{
	return err_prefix(err, "%s[%zu]", array, i);
}

static bool payment_of(const struct quorate_payment *p, struct qoutput *out, uint64_t *sum, struct err *err)
{
	if (!lib_given(p->to, "to", err) || !address_parse(p->to, &out->owner, err))
		return false;
	out->amount = p->amount;
	return (p->amount > 0 && p->amount <= TX_AMOUNT_MAX - *sum && (*sum += p->amount) > 0) ||
	       err_set(err, ERR_INPUT, "amounts are from 1 to 2^63-1, and so is their sum");
}

struct qoutput *lib_payments(const struct quorate_payment *payments, size_t cnt, uint64_t *sum,
                             struct err *err)
{
	if (!lib_given(payments, "payments", err))
		return NULL;
	if (cnt == 0 || cnt > QUORATE_PAYMENTS_MAX) {
		err_set(err, ERR_INPUT, "%zu payments: a transaction takes 1 to %d", cnt,
		        QUORATE_PAYMENTS_MAX);
		return NULL;
	}
	struct qoutput *outputs = xcalloc(cnt, sizeof *outputs);
	*sum = 0;
	for (size_t i = 0; i < cnt; i++) {
		if (payment_of(&payments[i], &outputs[i], sum, err))
			continue;
		wrong_at(err, "payments", i);
		free(outputs);
		return NULL;
	}
	return outputs;
}

static bool coin_of(const struct quorate_output *o, struct coin *coin, struct err *err)
{
	*coin = (struct coin){
	    .point.index = o->index, .amount = o->amount, .height = o->height, .free_at = o->free_at};
	if (!hex_decode(coin->point.tx.b, sizeof coin->point.tx.b, o->txid))
		return err_set(err, ERR_INPUT, "txid is not 64 lower-case hex digits");
	if (!lib_address(o->owner, &coin->owner, err))
		return err_prefix(err, "owner");
	if (o->amount == 0 || o->amount > TX_AMOUNT_MAX || o->penalty > o->amount)
		return err_set(err, ERR_INPUT, "an amount is from 1 to 2^63-1, its penalty not above it");
	if (o->lock > QUORATE_LOCK_FROZEN || o->replica >= Q_REPLICAS_MAX)
		return err_set(err, ERR_INPUT, "lock %u for replica %u: there is none such", o->lock,
		               o->replica);
	coin->penalty = o->lock == QUORATE_LOCK_NONE ? 0 : o->penalty;
	coin->lock = (struct qlock){.kind = (qlock_kind)o->lock};
	if (o->lock != QUORATE_LOCK_NONE)
		coin->lock.qlock_u.replica = o->replica;
	return true;
}

static struct coin *coins_of(const struct quorate_output *inputs, size_t cnt, struct err *err)
{
	if (!lib_given(inputs, "inputs", err))
		return NULL;
	if (cnt == 0 || cnt > QUORATE_INPUTS_MAX) {
		err_set(err, ERR_INPUT, "%zu inputs: a transaction takes 1 to %d", cnt, QUORATE_INPUTS_MAX);
		return NULL;
	}
	struct coin *coins = xcalloc(cnt, sizeof *coins);
	for (size_t i = 0; i < cnt; i++) {
		if (coin_of(&inputs[i], &coins[i], err))
			continue;
		wrong_at(err, "inputs", i);
		free(coins);
		return NULL;
	}
	return coins;
}

int quorate_tx_make(const struct quorate_genesis *genesis, const struct quorate_output *inputs,
                    size_t input_cnt, const struct quorate_payment *payments, size_t payment_cnt,
                    const char *change, const char *memo, uint64_t expiry, struct quorate_tx **out,
                    struct quorate_error *error)
{
	struct err err = {0};
	struct qoutput rest = {0}, *outputs = NULL;
	struct coin *coins = NULL;
	struct draft draft;
	uint64_t sum;
	bool ok = LIB_BEGIN(out, &err) && lib_given(genesis, "genesis", &err) &&
	          lib_given(change, "change", &err) &&
	          (address_parse(change, &rest.owner, &err) || err_prefix(&err, "change")) &&
	          (expiry <= INT64_MAX || err_set(&err, ERR_INPUT, "expiry: heights are up to 2^63-1")) &&
	          (coins = coins_of(inputs, input_cnt, &err)) != NULL &&
	          (outputs = lib_payments(payments, payment_cnt, &sum, &err)) != NULL &&
	          draft_make(&draft, &genesis->g->chain, coins, input_cnt, outputs, payment_cnt, &rest,
	                     memo != NULL ? memo : "", expiry, &err);
	free(coins);
	free(outputs);
	if (!ok)
		return lib_fail(error, &err);
	*out = lib_tx_of_draft_take(&draft);
	return QUORATE_OK;
}

int quorate_tx_sign(struct quorate_tx *tx, const struct quorate_key *key, struct quorate_error *error)
{
	struct err err = {0};
	bool ok = lib_given(tx, "tx", &err) && lib_given(key, "key", &err) &&
	          (tx->has_draft || err_set(&err, ERR_INPUT, "all have signed this transaction")) &&
	          draft_sign(&tx->draft, key->account, &err);
	if (!ok)
		return lib_fail(error, &err);
	try_to_finish(tx);
	return QUORATE_OK;
}

/* ---- what stands in it ------------------------------------------------------- */

const char *quorate_tx_id(const struct quorate_tx *tx)
{
	return tx != NULL ? tx->id : NULL;
}

const char *quorate_tx_memo(const struct quorate_tx *tx, size_t *len)
{
	if (len != NULL)
		*len = tx != NULL ? content(tx)->body.memo.memo_len : 0;
	return tx != NULL ? tx->memo : NULL;
}

void lib_coin(struct quorate_output *out, const struct coin *coin)
{
	bool locked = coin->lock.kind != QLOCK_NONE;
	*out = (struct quorate_output){.index = coin->point.index,
	                               .amount = coin->amount,
	                               .height = coin->height,
	                               .lock = (uint32_t)coin->lock.kind,
	                               .replica = locked ? coin->lock.qlock_u.replica : 0,
	                               .free_at = coin->free_at,
	                               .penalty = coin->penalty};
	hex_encode(out->txid, coin->point.tx.b, sizeof coin->point.tx.b);
	address_format(&coin->owner, out->owner);
}

int quorate_tx_input(const struct quorate_tx *tx, size_t number, struct quorate_output *out)
{
	if (tx == NULL || out == NULL)
		return QUORATE_INPUT;
	const struct qtx_body *body = &content(tx)->body;
	*out = (struct quorate_output){0};
	if (number >= body->inputs.inputs_len)
		return QUORATE_NO;
	const struct qoutpoint *point = &body->inputs.inputs_val[number];
	if (tx->has_draft)
		lib_coin(out, &tx->draft.coins[number]);
	hex_encode(out->txid, point->tx.b, sizeof point->tx.b);
	out->index = point->index;
	return QUORATE_OK;
}

int quorate_tx_output(const struct quorate_tx *tx, size_t number, struct quorate_output *out)
{
	if (tx == NULL || out == NULL)
		return QUORATE_INPUT;
	const struct qtx_body *body = &content(tx)->body;
	*out = (struct quorate_output){0};
	if (number >= body->outputs.outputs_len)
		return QUORATE_NO;
	const struct qoutput *o = &body->outputs.outputs_val[number];
	const struct coin coin = {.owner = o->owner,
	                          .point.index = (u_int)number,
	                          .amount = o->amount,
	                          .lock = o->lock,
	                          .free_at = o->lock.kind == QLOCK_NONE ? 0 : UINT64_MAX};
	lib_coin(out, &coin);
	memcpy(out->txid, tx->id, sizeof tx->id);
	return QUORATE_OK;
}

int quorate_tx_signer(const struct quorate_tx *tx, size_t number, char address[QUORATE_ADDRESS_SIZE])
{
	if (tx == NULL || address == NULL)
		return QUORATE_INPUT;
	const struct qtx *q = content(tx);
	address[0] = '\0';
	if (number >= q->witnesses.witnesses_len)
		return QUORATE_NO;
	struct qaddress signer = account_address(&q->witnesses.witnesses_val[number].key);
	address_format(&signer, address);
	return QUORATE_OK;
}
