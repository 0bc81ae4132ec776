/*
 * audit_txs.c: one transaction of the replay: its row, the rows of what it spends and makes, its effect.
 *
 * It is applied to a plain unspent set by state_check(), one after the other, and not by the overlays that
 * the node uses: what checks stands apart from what is checked.  Of the unspent set only the sums and the
 * digest are in memory, and what the transaction at hand spends: audit_coins.c finds that.
 */
#include <inttypes.h>
#include <stdio.h>

#include "audit_impl.h"

const char *audit_lock(enum qlock_kind kind)
{
	switch (kind) {
	case QLOCK_NONE:
		break;
	case QLOCK_STAKE:
		return "stake";
	case QLOCK_RELEASE:
		return "release";
	case QLOCK_FROZEN:
		return "frozen";
	}
	return "";
}

static struct spender check_output(struct replay *r, int64_t tx, uint32_t position, const struct qoutput *out,
                                   struct qheight h)
{
	struct cursor *c = &r->outputs;
	if (!cursor_seek(c, tx, position, h))
		return (struct spender){.is = SPENDER_NO_ROW};
	cursor_is_blob(c, OUTPUT_OWNER, out->owner.b, sizeof out->owner.b, h);
	cursor_is_int(c, OUTPUT_AMOUNT, (int64_t)out->amount, h);
	if (out->lock.kind == QLOCK_NONE) {
		cursor_is_null(c, OUTPUT_LOCK, h);
		cursor_is_null(c, OUTPUT_REPLICA, h);
	} else {
		cursor_is_text(c, OUTPUT_LOCK, audit_lock(out->lock.kind), h);
		cursor_is_int(c, OUTPUT_REPLICA, out->lock.qlock_u.replica, h);
	}
	struct spender spender = coins_spender(&r->coins, c->stmt, OUTPUT_SPENT_BY, tx, position);
	cursor_next(c);
	return spender;
}

void replay_make(struct replay *r, const struct qtxid *id, int64_t tx, uint32_t position,
                 const struct qoutput *out, struct qheight h)
{
	struct unspent u = {.point = {*id, position}, .out = *out, .made_at = h, .row = tx};
	struct spender spender = check_output(r, tx, position, out, h);

	tally_made(&r->tally, &u);
	coins_made(&r->coins, &u, spender);
}

/* What the input spends comes back into memory. False: it is not unspent; *by spent it, if anything did. */
static bool find_input(struct replay *r, uint32_t position, const struct qoutpoint *p, struct qheight h,
                       int64_t *by)
{
	struct cursor *c = &r->inputs;
	struct coin *coin = &r->ins[position];
	bool row = cursor_seek(c, r->next_seq, position, h);
	int64_t hint = row ? sqlite3_column_int64(c->stmt, INPUT_SOURCE_TX) : 0;
	enum coin_found found = coins_find(&r->coins, p, hint, r->next_seq, coin, by);

	if (row && found == COIN_UNSPENT) {
		cursor_is_int(c, INPUT_SOURCE_TX, coin->u.row, h);
		cursor_is_int(c, INPUT_SOURCE_POSITION, p->index, h);
	}
	if (row)
		cursor_next(c);
	if (found == COIN_UNSPENT)
		state_recall(r->state, &coin->u);
	return found == COIN_UNSPENT;
}

/* The first of the inputs that is not unspent, `cnt` if there is none. */
static uint32_t find_inputs(struct replay *r, const struct tx *tx, struct qheight h, int64_t *by)
{
	uint32_t i = 0;

	*by = 0;
	while (i < tx->q.body.inputs.inputs_len && find_input(r, i, &tx->q.body.inputs.inputs_val[i], h, by))
		i++;
	return i;
}

static void spend_input(struct replay *r, const struct coin *coin, struct qheight h)
{
	coins_spent(&r->coins, coin, r->next_seq, h);
	tally_spent(&r->tally, &coin->u);
}

static bool double_spend(struct replay *r, const struct qoutpoint *p, int64_t by, struct qheight h)
{
	char where[WHERE_MAX], hex[QHASH_HEX];

	book_find(r->b, AUDIT_DOUBLE_SPEND, h, table_where(TABLE_TRANSACTIONS, r->next_seq, 0, NULL, where),
	          "spends output %u of %s, which transactions(seq=%" PRId64 ") spent at height %" PRIu64,
	          p->index, hex_encode(hex, p->tx.b, sizeof p->tx.b), by,
	          (uint64_t)coins_height(&r->coins, by).n);
	return false;
}

static bool invalid_tx(struct replay *r, struct qheight h, const char *text)
{
	char where[WHERE_MAX];

	book_find(r->b, AUDIT_TRANSACTION, h, table_where(TABLE_TRANSACTIONS, r->next_seq, 0, NULL, where),
	          "%s", text);
	return false;
}

/* state_check() found the offence above the replica's last conviction. */
static void convict(struct replay *r, int64_t seq, const struct qoffence *o, struct qheight h)
{
	tally_offence(&r->tally, seq, o, h);
	state_convict(r->state, o->replica, h);
}

/* Its inputs leave the unspent set, its outputs enter. False: it may not. */
bool replay_apply(struct replay *r, const struct tx *tx, struct qheight h)
{
	const struct qtx_body *body = &tx->q.body;
	int64_t seq = r->next_seq, by;
	uint32_t found = find_inputs(r, tx, h, &by);
	char text[160];

	if (book_ends(r->b) || r->coins.full)
		return false;
	if (!tally_penalties_hold(&r->tally, r->state, tx, h, text, sizeof text))
		return invalid_tx(r, h, text);
	enum tx_verdict v = state_check(r->state, NULL, tx, h, NULL);
	if (v == TX_UNKNOWN_OUTPUT && by != 0)
		return double_spend(r, &body->inputs.inputs_val[found], by, h);
	if (v != TX_OK)
		return invalid_tx(r, h, tx_verdict_info(v)->text);
	for (uint32_t i = 0; i < body->inputs.inputs_len; i++)
		spend_input(r, &r->ins[i], h);
	for (uint32_t i = 0; i < body->outputs.outputs_len; i++)
		replay_make(r, &tx->id, seq, i, &body->outputs.outputs_val[i], h);
	if (body->offence.offence_len)
		convict(r, seq, &body->offence.offence_val[0], h);
	r->next_seq++;
	return true;
}

/* The row at seq, parsed; NULL if it is not there or no transaction. */
struct tx *replay_read(struct replay *r, int64_t seq, uint32_t position, struct qheight h)
{
	struct cursor *c = &r->txs;
	char where[WHERE_MAX];
	enum tx_verdict v;
	size_t len;

	if (!cursor_seek(c, seq, 0, h))
		return NULL;
	const uint8_t *raw = cursor_blob(c, TX_RAW, &len);
	struct tx *tx = tx_parse(&r->b->g->chain, raw, len, &v);
	if (!tx) {
		book_find(r->b, AUDIT_TRANSACTION, h, cursor_where(c, TX_RAW, where), "%s",
		          tx_verdict_info(v)->text);
		return NULL;
	}
	const struct qtx_body *body = &tx->q.body;
	bool named = cursor_is_blob(c, TX_TXID, tx->id.b, sizeof tx->id.b, h);
	named = cursor_is_int(c, TX_HEIGHT, (int64_t)h.n, h) && named;
	if (!named)
		coins_name(&r->coins, seq, &tx->id, h);
	cursor_is_int(c, TX_POSITION, position, h);
	cursor_is_int(c, TX_EXPIRY, (int64_t)body->expiry.n, h);
	cursor_is_blob(c, TX_MEMO, body->memo.memo_val, body->memo.memo_len, h);
	cursor_next(c);
	return tx;
}
