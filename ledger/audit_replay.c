/*
 * audit_replay.c: replays the chain from the genesis out of the canonical bytes and holds every row of
 * blocks, transactions, outputs and inputs against it.
 *
 * It applies each transaction to a plain unspent set by state_check(), one after the other, and not
 * by the overlays that the node uses: what checks stands apart from what is checked.  Of the unspent set only
 * the sums and the digest are in memory, and what the transaction at hand spends: audit_coins.c finds that.
 * Where a block cannot be replayed (a row is missing, its bytes are no block, a transaction is
 * invalid) the replay stops: nothing is known of the state above it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"

#define PROGRESS_BLOCKS 256 /* between two words about progress */

struct replay {
	struct book *b;
	struct state *state; /* without its outputs: see coins */
	struct cursor blocks, txs, outputs, inputs;
	struct coverage coverage;
	struct coins coins;
	struct turns turns;
	struct tally tally;
	struct seal_parent below; /* what the next header's time and target follow from */
	int64_t next_seq;
	size_t next_pin;
	bool stopped;
	struct tx **block_txs; /* of the block at hand */
	struct qhash *leaves;
	struct coin *ins; /* what the transaction at hand spends */
};

/* ---- one transaction ----------------------------------------------------------------- */

static const char *lock_name(enum qlock_kind kind)
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
		cursor_is_text(c, OUTPUT_LOCK, lock_name(out->lock.kind), h);
		cursor_is_int(c, OUTPUT_REPLICA, out->lock.qlock_u.replica, h);
	}
	struct spender spender = coins_spender(&r->coins, c->stmt, OUTPUT_SPENT_BY);
	cursor_next(c);
	return spender;
}

static void make_output(struct replay *r, const struct qtxid *id, int64_t tx, uint32_t position,
                        const struct qoutput *out, struct qheight h)
{
	struct unspent u = {.point = {*id, position}, .out = *out, .made_at = h, .row = tx};
	struct spender spender = check_output(r, tx, position, out, h);

	state_insert_forgotten(r->state, &u);
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
	state_remove(r->state, &coin->u.point);
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
static bool apply_tx(struct replay *r, const struct tx *tx, struct qheight h)
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
		make_output(r, &tx->id, seq, i, &body->outputs.outputs_val[i], h);
	if (body->offence.offence_len)
		convict(r, seq, &body->offence.offence_val[0], h);
	r->next_seq++;
	return true;
}

/* The row at seq, parsed; NULL if it is not there or no transaction. */
static struct tx *read_tx(struct replay *r, int64_t seq, uint32_t position, struct qheight h)
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

/* ---- one block ----------------------------------------------------------------------- */

static bool fault(struct replay *r, struct qheight h, enum audit_kind kind, const char *text)
{
	char where[WHERE_MAX];
	book_find(r->b, kind, h, cursor_where(&r->blocks, BLOCK_HEADER, where), "%s", text);
	return false;
}

/* One finding a block: whoever names a wrong target has also not met the right one. */
static void check_seal(struct replay *r, const struct qheader *q, struct qheight h)
{
	const struct genesis *g = r->b->g;
	char is[QHASH_HEX], want[QHASH_HEX], text[256];

	if (q->seal.kind != g->g.seal.kind) {
		fault(r, h, AUDIT_SEAL, "the header's seal is not of this chain's kind");
	} else if (!seal_holds(g, q, &r->b->hashes[h.n])) {
		fault(r, h, AUDIT_SEAL,
		      "the proof of work does not hold: the block's hash is above its target, or that is "
		      "not one of this chain's");
	} else if (!seal_follows(g, &r->below, q)) {
		struct qtarget due = seal_target(g, &r->below);
		snprintf(text, sizeof text, "the target is %s, but what the blocks below ask for is %s",
		         hex_encode(is, q->seal.qseal_u.pow.target.b, sizeof due.b),
		         hex_encode(want, due.b, sizeof due.b));
		fault(r, h, AUDIT_SEAL, text);
	}
}

/* What a header must be on its parent.  False: what follows would make no sense. */
static bool check_header(struct replay *r, const struct qheader *q, struct qheight h)
{
	const struct genesis *g = r->b->g;

	if (q->height.n != h.n)
		return fault(r, h, AUDIT_LINKAGE, "the header is of another height");
	if (q->format != 1)
		fault(r, h, AUDIT_LINKAGE, "the header's format is not this chain's");
	if (!qhash_eq(&q->parent, &r->b->hashes[h.n - 1]))
		fault(r, h, AUDIT_LINKAGE, "the parent is not the block below");
	if (q->time_ms <= r->below.time_ms)
		fault(r, h, AUDIT_LINKAGE, "the time is not after the parent's");
	if (q->proposer >= g->n)
		fault(r, h, AUDIT_LINKAGE, "the proposer is no replica");
	check_seal(r, q, h);
	turns_block(&r->turns, tally_schedule(&r->tally, h), q);
	if (q->tx_count == 0 || q->tx_count > g->g.params.block_txs_max)
		return fault(r, h, AUDIT_LINKAGE, "a block of this chain cannot have so many transactions");
	return true;
}

static void check_block_columns(struct replay *r, const struct qheader *q, struct qheight h)
{
	struct cursor *c = &r->blocks;
	cursor_is_blob(c, BLOCK_HASH, r->b->hashes[h.n].b, sizeof q->parent.b, h);
	cursor_is_blob(c, BLOCK_PARENT, q->parent.b, sizeof q->parent.b, h);
	cursor_is_blob(c, BLOCK_ROOT, q->merkle_root.b, sizeof q->merkle_root.b, h);
	cursor_is_int(c, BLOCK_TX_COUNT, q->tx_count, h);
	cursor_is_int(c, BLOCK_FIRST_TX, r->next_seq, h);
	cursor_is_int(c, BLOCK_PROPOSER, q->proposer, h);
	cursor_is_int(c, BLOCK_TIME, (int64_t)q->time_ms, h);
	if (q->seal.kind == QSEAL_NONE) {
		cursor_is_null(c, BLOCK_TARGET, h);
		cursor_is_null(c, BLOCK_NONCE, h);
	} else {
		const struct qpow *pow = &q->seal.qseal_u.pow;
		cursor_is_blob(c, BLOCK_TARGET, pow->target.b, sizeof pow->target.b, h);
		cursor_is_int(c, BLOCK_NONCE, (int64_t)pow->nonce, h);
	}
}

static void set_hash(struct book *b, const struct qheader *q, struct qheight h)
{
	if (h.n >= b->hash_cap) {
		b->hash_cap = 2 * h.n + 64;
		b->hashes = xrealloc(b->hashes, b->hash_cap * sizeof *b->hashes);
	}
	block_hash(q, &b->hashes[h.n]);
	b->hash_cnt = h.n + 1;
}

/* The block's transactions into r->block_txs; *cnt of them were read when it fails. */
static bool read_txs(struct replay *r, const struct qheader *q, struct qheight h, uint32_t *cnt)
{
	for (*cnt = 0; *cnt < q->tx_count; ++*cnt) {
		struct tx *tx = read_tx(r, r->next_seq + *cnt, *cnt, h);
		if (!tx)
			return false;
		r->block_txs[*cnt] = tx;
		r->leaves[*cnt] = tx->leaf;
	}
	return true;
}

static bool replay_txs(struct replay *r, const struct qheader *q, struct qheight h)
{
	struct book *b = r->b;
	uint32_t cnt;
	bool ok = read_txs(r, q, h, &cnt);

	if (ok && !block_leaves_match(q, r->leaves, cnt))
		ok = fault(
		    r, h, AUDIT_MERKLE,
		    "the rows of transactions do not have the header's Merkle root: one of them was changed "
		    "with its columns, or the header was");
	if (ok)
		audit_pool_block(b->pool, h, &b->hashes[h.n], r->block_txs, cnt, r->next_seq);
	for (uint32_t i = 0; i < cnt; i++) {
		ok = ok && !book_ends(b) && apply_tx(r, r->block_txs[i], h);
		tx_unref(r->block_txs[i]);
	}
	return ok;
}

/* Certificates in the journal that are about this height. */
static void check_pins(struct replay *r, struct qheight h)
{
	struct book *b = r->b;
	char where[WHERE_MAX];
	struct qhash digest;
	bool have_digest = false;

	for (; r->next_pin < b->pin_cnt && b->pins[r->next_pin].height.n <= h.n; r->next_pin++) {
		const struct audit_pin *p = &b->pins[r->next_pin];
		table_where(TABLE_JOURNAL, p->seq, 0, "entry", where);
		if (!qhash_eq(&p->block, &b->hashes[h.n])) {
			book_find(b, AUDIT_CONFLICT, h, where,
			          "holds a valid certificate for another block at this height");
			continue;
		}
		if (p->has_state && !have_digest)
			state_digest(r->state, &digest);
		have_digest |= p->has_state;
		if (p->has_state && !qhash_eq(&p->state, &digest))
			book_find(b, AUDIT_DIGEST, h, where,
			          "the replicas signed another state after this block than the replayed one");
	}
}

/* False: the replay cannot go on. */
static bool replay_block(struct replay *r, struct qheight h)
{
	struct book *b = r->b;
	struct cursor *c = &r->blocks;
	struct qheader q;
	char where[WHERE_MAX];
	size_t len;

	if (!cursor_seek(c, (int64_t)h.n, 0, h))
		return false;
	const uint8_t *data = cursor_blob(c, BLOCK_HEADER, &len);
	if (!data || !wire_decode(WIRE(qheader), data, len, &q)) {
		book_find(b, AUDIT_LINKAGE, h, cursor_where(c, BLOCK_HEADER, where),
		          "not a canonical header");
		return false;
	}
	set_hash(b, &q, h);
	check_block_columns(r, &q, h);
	bool ok = check_header(r, &q, h) && replay_txs(r, &q, h);
	if (ok) {
		tally_settle(&r->tally, r->state, h);
		coverage_block(&r->coverage, h, sqlite3_column_int64(c->stmt, BLOCK_CERTIFIED_BY), r->state);
		check_pins(r, h);
		seal_extend(&r->below, &q);
		b->out->height = h;
		b->out->transactions += q.tx_count;
		cursor_next(c);
	}
	wire_free(WIRE(qheader), &q);
	return ok;
}

/* ---- the whole chain ------------------------------------------------------------------- */

/* Row 0 of transactions stands for the genesis; its outputs are the allocations. */
static void replay_genesis(struct replay *r)
{
	const struct genesis *g = r->b->g;
	const struct qheight h = {0};
	struct cursor *c = &r->txs;

	if (cursor_seek(c, 0, 0, h)) {
		cursor_is_blob(c, TX_TXID, g->txid.b, sizeof g->txid.b, h);
		cursor_is_int(c, TX_HEIGHT, 0, h);
		cursor_is_int(c, TX_POSITION, 0, h);
		cursor_is_int(c, TX_EXPIRY, 0, h);
		cursor_is_blob(c, TX_MEMO, NULL, 0, h);
		cursor_is_blob(c, TX_RAW, NULL, 0, h);
		cursor_next(c);
	}
	for (uint32_t i = 0; i < g->g.allocations.allocations_len && !book_ends(r->b); i++)
		make_output(r, &g->txid, 0, i, &g->g.allocations.allocations_val[i], h);
	tally_settle(&r->tally, r->state, h);
	seal_genesis(g, &r->below);
	r->next_seq = 1;
}

static void report_progress(struct book *b, struct qheight at, struct qheight of)
{
	if (!b->options->progress || (at.n % PROGRESS_BLOCKS != 0 && at.n != of.n))
		return;
	pthread_mutex_lock(b->progress_lock);
	b->options->progress(b->options->ctx, b->out->path, at, of);
	pthread_mutex_unlock(b->progress_lock);
}

static void replay_blocks(struct replay *r)
{
	struct book *b = r->b;
	struct qheight of = {(uint64_t)book_int(b, "SELECT max(height) FROM blocks", 0)};

	cursor_skip(&r->blocks, 1, 0, qheight_of(0));
	for (uint64_t h = 1; r->blocks.at_row && !r->stopped && !book_ends(b); h++) {
		r->stopped = !replay_block(r, qheight_of(h));
		report_progress(b, qheight_of(h), of);
	}
}

/* Rows that other tables hold of a block above the last one. */
static void check_next_block(struct replay *r, struct qheight tip)
{
	char where[WHERE_MAX];
	int64_t above = (int64_t)tip.n + 1;
	if (r->txs.at_row && sqlite3_column_int64(r->txs.stmt, TX_HEIGHT) == above)
		book_find(r->b, AUDIT_MISSING, qheight_of(tip.n + 1),
		          table_where(TABLE_BLOCKS, above, 0, NULL, where),
		          "the row is missing: transactions(seq=%" PRId64 ") is in that block", r->txs.k1);
}

/* Certificates of later blocks: others know more than this ledger. */
static void check_behind(struct replay *r, struct qheight tip)
{
	struct book *b = r->b;
	char where[WHERE_MAX];
	if (r->next_pin >= b->pin_cnt)
		return;
	const struct audit_pin *p = &b->pins[b->pin_cnt - 1];
	book_find(b, AUDIT_BEHIND, tip, table_where(TABLE_JOURNAL, p->seq, 0, "entry", where),
	          "holds a certificate at height %" PRIu64
	          ": there are blocks that this ledger does not hold",
	          (uint64_t)p->height.n);
}

static void finish(struct replay *r)
{
	struct book *b = r->b;
	struct qheight tip = b->out->height;
	char where[WHERE_MAX];

	if (!book_ends(b))
		coins_end(&r->coins, r->next_seq, r->stopped, tip);
	if (book_ends(b))
		return;
	if (r->stopped) {
		b->stopped = true;
		book_find(b, AUDIT_UNCHECKED, qheight_of(tip.n + 1),
		          table_where(TABLE_BLOCKS, (int64_t)tip.n + 1, 0, NULL, where),
		          "the chain cannot be replayed from here on: nothing above was checked");
		return;
	}
	check_next_block(r, tip);
	cursor_rest(&r->txs, tip);
	cursor_rest(&r->outputs, tip);
	cursor_rest(&r->inputs, tip);
	tally_end(&r->tally, tip);
	coverage_end(&r->coverage, tip);
	check_behind(r, tip);
}

void book_replay(struct book *b)
{
	struct replay r = {.b = b, .state = state_new(b->g), .next_seq = 0};

	b->hash_cap = 1;
	b->hashes = xcalloc(b->hash_cap, sizeof *b->hashes);
	b->hashes[0] = b->g->chain;
	b->hash_cnt = 1;
	r.block_txs = xcalloc(b->g->g.params.block_txs_max, sizeof(struct tx *));
	r.leaves = xcalloc(b->g->g.params.block_txs_max, sizeof *r.leaves);
	r.ins = xcalloc(Q_INPUTS_MAX, sizeof *r.ins);
	coins_open(&r.coins, b);
	cursor_open(&r.blocks, b, TABLE_BLOCKS);
	cursor_open(&r.txs, b, TABLE_TRANSACTIONS);
	cursor_open(&r.outputs, b, TABLE_OUTPUTS);
	cursor_open(&r.inputs, b, TABLE_INPUTS);
	coverage_open(&r.coverage, b);
	turns_open(&r.turns, b);
	tally_open(&r.tally, b);

	replay_genesis(&r);
	replay_blocks(&r);
	finish(&r);

	cursor_close(&r.blocks);
	cursor_close(&r.txs);
	cursor_close(&r.outputs);
	cursor_close(&r.inputs);
	coverage_close(&r.coverage);
	turns_close(&r.turns);
	tally_close(&r.tally);
	coins_close(&r.coins);
	state_free(r.state);
	free(r.block_txs);
	free(r.leaves);
	free(r.ins);
}
