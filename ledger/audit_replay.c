/*
 * audit_replay.c: replays the chain from the genesis out of the canonical bytes and holds every row of
 * blocks, transactions, outputs and inputs against it.
 *
 * Where a block cannot be replayed (a row is missing, its bytes are no block, a transaction is
 * invalid) the replay stops: nothing is known of the state above it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"

#define PROGRESS_BLOCKS 256 /* between two words about progress */

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
	} else if (!seal_holds(g, q, book_hash(r->b, h.n))) {
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
	if (!qhash_eq(&q->parent, book_hash(r->b, h.n - 1)))
		fault(r, h, AUDIT_LINKAGE, "the parent is not the block below");
	if (q->time_ms <= r->below.time_ms)
		fault(r, h, AUDIT_LINKAGE, "the time is not after the parent's");
	if (q->proposer >= g->n)
		fault(r, h, AUDIT_LINKAGE, "the proposer is no replica");
	check_seal(r, q, h);
	if (r->b->pool) /* else the header is known */
		turns_block(&r->turns, tally_schedule(&r->tally, h), q);
	if (q->tx_count == 0 || q->tx_count > g->g.params.block_txs_max)
		return fault(r, h, AUDIT_LINKAGE, "a block of this chain cannot have so many transactions");
	return true;
}

static void check_block_columns(struct replay *r, const struct qheader *q, struct qheight h)
{
	struct cursor *c = &r->blocks;
	cursor_is_blob(c, BLOCK_HASH, book_hash(r->b, h.n)->b, sizeof q->parent.b, h);
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

/* The block's transactions into r->block_txs; *cnt of them were read when it fails. */
static bool read_txs(struct replay *r, const struct qheader *q, struct qheight h, uint32_t *cnt)
{
	for (*cnt = 0; *cnt < q->tx_count; ++*cnt) {
		struct tx *tx = replay_read(r, r->next_seq + *cnt, *cnt, h);
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
	if (ok && b->pool)
		audit_pool_block(b->pool, h, book_hash(b, h.n), r->block_txs, cnt, r->next_seq);
	for (uint32_t i = 0; i < cnt; i++) {
		ok = ok && !book_ends(b) && replay_apply(r, r->block_txs[i], h);
		tx_unref(r->block_txs[i]);
	}
	return ok;
}

void replay_digest(struct replay *r, struct qhash *out)
{
	coins_settle(&r->coins);
	state_digest(r->state, out);
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
		if (!qhash_eq(&p->block, book_hash(b, h.n))) {
			book_find(b, AUDIT_CONFLICT, h, where,
			          "holds a valid certificate for another block at this height");
			continue;
		}
		if (p->has_state && !have_digest)
			replay_digest(r, &digest);
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
	block_hash(&q, book_set_hash(b, h));
	check_block_columns(r, &q, h);
	bool ok = check_header(r, &q, h) && replay_txs(r, &q, h);
	if (ok) {
		tally_settle(&r->tally, r->state, h);
		coverage_block(&r->coverage, h, sqlite3_column_int64(c->stmt, BLOCK_CERTIFIED_BY), r);
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
		replay_make(r, &g->txid, 0, i, &g->g.allocations.allocations_val[i], h);
	tally_settle(&r->tally, r->state, h);
	seal_genesis(g, &r->below);
	r->next_seq = 1;
}

bool replay_next(struct replay *r)
{
	struct qheight next = qheight_of(r->b->out->height.n + 1);

	if (!r->blocks.at_row || r->stopped || book_ends(r->b))
		return false;
	r->stopped = !replay_block(r, next);
	return true;
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

void replay_end(struct replay *r)
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

void replay_break(struct replay *r)
{
	struct qheight tip = r->b->out->height;
	int64_t above = (int64_t)tip.n + 1;

	if (r->stopped || book_ends(r->b))
		return;
	coins_end(&r->coins, r->next_seq, false, tip);
	cursor_skip(&r->txs, r->next_seq, 0, tip);
	cursor_skip(&r->outputs, r->next_seq, 0, tip);
	cursor_skip(&r->inputs, r->next_seq, 0, tip);
	cursor_skip(&r->tally.convictions, above, 0, tip);
	cursor_skip(&r->tally.rows, above, 0, tip);
	cursor_skip(&r->coverage.certs, above, 0, tip);
	cursor_skip(&r->coverage.signers, above, 0, tip);
}

/* ---- its life ---------------------------------------------------------------------------- */

static void open_at(struct replay *r, struct qheight base, int64_t base_seq)
{
	struct book *b = r->b;
	bool whole = base.n == 0;

	cursor_open_at(&r->blocks, b, TABLE_BLOCKS, whole ? INT64_MIN : (int64_t)base.n + 1);
	cursor_open_at(&r->txs, b, TABLE_TRANSACTIONS, whole ? INT64_MIN : base_seq + 1);
	cursor_open_at(&r->outputs, b, TABLE_OUTPUTS, whole ? INT64_MIN : base_seq + 1);
	cursor_open_at(&r->inputs, b, TABLE_INPUTS, whole ? INT64_MIN : base_seq + 1);
	coverage_open(&r->coverage, b, base);
	coins_open(&r->coins, b, r->state, base_seq);
	tally_open(&r->tally, b, base);
	if (b->pool)
		turns_open(&r->turns, b);
}

void replay_open(struct replay *r, struct book *b)
{
	const uint32_t txs_max = b->g->g.params.block_txs_max;
	struct base base = {0};
	bool based = b->options->since.n > 0 && since_find(b, b->options->since, &base);

	*r = (struct replay){.b = b, .state = state_new(b->g)};
	r->block_txs = xcalloc(txs_max, sizeof(struct tx *));
	r->leaves = xcalloc(txs_max, sizeof *r->leaves);
	r->ins = xcalloc(Q_INPUTS_MAX, sizeof *r->ins);
	open_at(r, base.height, base.last_seq);
	if (!based) {
		*book_set_hash(b, base.height) = b->g->chain;
		replay_genesis(r);
		cursor_skip(&r->blocks, 1, 0, base.height);
		return;
	}
	r->stopped = !since_load(r, &base);
	while (r->next_pin < b->pin_cnt && b->pins[r->next_pin].height.n < base.height.n)
		r->next_pin++;
	if (!r->stopped)
		check_pins(r, base.height);
	wire_free(WIRE(qheader), &base.header);
}

/* All that hold a read transaction open. */
static void each_cursor(struct replay *r, void (*f)(struct cursor *))
{
	struct cursor *const all[] = {
	    &r->blocks,           &r->txs,        &r->outputs,          &r->inputs, &r->coverage.certs,
	    &r->coverage.signers, &r->tally.rows, &r->tally.convictions};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		f(all[i]);
}

void replay_pause(struct replay *r)
{
	each_cursor(r, cursor_pause);
}

void replay_resume(struct replay *r)
{
	each_cursor(r, cursor_resume);
}

void replay_close(struct replay *r)
{
	cursor_close(&r->blocks);
	cursor_close(&r->txs);
	cursor_close(&r->outputs);
	cursor_close(&r->inputs);
	coverage_close(&r->coverage);
	coins_close(&r->coins);
	turns_close(&r->turns);
	tally_close(&r->tally);
	state_free(r->state);
	free(r->block_txs);
	free(r->leaves);
	free(r->ins);
}

/* ---- the audit's ------------------------------------------------------------------------- */

static void report_progress(struct book *b, struct qheight at, struct qheight of)
{
	if (!b->options->progress || (at.n % PROGRESS_BLOCKS != 0 && at.n != of.n))
		return;
	pthread_mutex_lock(b->progress_lock);
	b->options->progress(b->options->ctx, b->out->path, at, of);
	pthread_mutex_unlock(b->progress_lock);
}

void book_replay(struct book *b)
{
	struct qheight of = {(uint64_t)book_int(b, "SELECT max(height) FROM blocks", 0)};
	struct replay r;

	replay_open(&r, b);
	while (replay_next(&r))
		report_progress(b, b->out->height, of);
	replay_end(&r);
	replay_close(&r);
}
