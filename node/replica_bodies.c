/*
 * replica_bodies.c: the bodies of blocks that are not executed yet: put together from the
 * transactions that are here, fetched where they are not, and validated on their parents.
 *
 * The engine says which blocks it wants (by a header that somebody entitled to signed or certified); what
 * arrives must hash to that header, so it does not matter who sent it.  Anybody can attach rubbish
 * to an honest header: rubbish is ignored, and somebody else is asked.
 *
 * Every body is kept until its height is executed (F13).  Their number is bounded by the engine: a
 * window for each view since the last progress, and a bounded stretch of certified ones.
 */
#include "replica_impl.h"

static struct body *find(const struct replica *r, const struct qhash *hash)
{
	struct body *b;

	HASH_FIND(hh, r->bodies, hash, sizeof *hash, b);
	return b;
}

struct block *bodies_find(const struct replica *r, const struct qhash *hash)
{
	const struct body *b = find(r, hash);

	return b ? b->block : NULL;
}

static struct body *add(struct replica *r, const struct qhash *hash, const struct qheader *header)
{
	struct body *b = xcalloc(1, sizeof *b);

	b->hash = *hash;
	b->header = *header;
	HASH_ADD(hh, r->bodies, hash, sizeof b->hash, b);
	r->gaps++;
	return b;
}

static void drop_parts(struct body *b)
{
	for (size_t i = 0; b->txs && i < b->header.tx_count; i++)
		tx_unref(b->txs[i]);
	free(b->txs);
	free(b->leaves);
	free(b->missing);
	b->txs = NULL;
	b->leaves = NULL;
	b->missing = NULL;
}

/* It is whole; takes the reference to block. */
static void close_gap(struct replica *r, struct body *b, struct block *block)
{
	must(!b->block && r->gaps > 0);
	b->block = block;
	r->gaps--;
	drop_parts(b);
}

static void drop(struct replica *r, struct body *b)
{
	HASH_DEL(r->bodies, b);
	r->gaps -= b->block == NULL;
	drop_parts(b);
	block_unref(b->block);
	overlay_unref(b->overlay);
	free(b);
}

void bodies_free(struct replica *r)
{
	while (r->bodies)
		drop(r, r->bodies);
}

void bodies_put(struct replica *r, struct block *block)
{
	if (!find(r, &block->hash))
		close_gap(r, add(r, &block->hash, &block->header), block_ref(block));
	for (size_t i = 0; i < block->tx_cnt; i++)
		txs_seen(r, block->txs[i]);
}

/* ---- validating ------------------------------------------------------------------ */

/* On the overlay of its parent (NULL: the state): form, then every transaction. */
static bool apply(struct replica *r, struct body *b, struct overlay *parent)
{
	const struct qparams *params = &r->g->g.params;
	struct overlay *o = overlay_new(ledger_state(r->ledger), parent, b->header.height);
	size_t bytes = 0, bad = 0;
	enum tx_verdict v;

	for (size_t i = 0; i < b->block->tx_cnt; i++)
		bytes += b->block->txs[i]->raw_len;
	if (b->block->tx_cnt > 0 && b->block->tx_cnt <= params->block_txs_max &&
	    bytes <= params->block_bytes_max) {
		v = overlay_add_block(o, b->block, &bad);
		if (v == TX_OK) {
			b->overlay = o;
			return true;
		}
		rlog(r, "warn", "invalid_block height=%llu proposer=%u tx=%zu verdict=%s",
		     (unsigned long long)b->header.height.n, b->header.proposer, bad,
		     tx_verdict_info(v)->code);
	} else {
		rlog(r, "warn",
		     "invalid_block height=%llu proposer=%u txs=%zu bytes=%zu verdict=over_the_limits",
		     (unsigned long long)b->header.height.n, b->header.proposer, b->block->tx_cnt, bytes);
	}
	overlay_unref(o);
	b->invalid = true;
	return false;
}

/*
 * Down from the block to the first ancestor whose overlay is there, or to the state; then up again, building.
 * Blocks that were bound or certified were not validated here before, so there may be several to build.
 */
enum built bodies_overlay(struct replica *r, const struct qhash *hash, struct overlay **o)
{
	struct body *b = find(r, hash), *child = NULL;
	struct overlay *top = NULL;

	for (; b && !b->overlay; child = b, b = find(r, &b->header.parent)) {
		if (!b->block)
			return BUILT_LATER;
		if (b->invalid)
			return BUILT_NEVER;
		b->child = child;
		if (qhash_eq(&b->header.parent, ledger_tip(r->ledger)))
			break;
		if (b->header.height.n <= ledger_height(r->ledger).n + 1)
			return BUILT_NEVER; /* not on the chain that was executed */
	}
	if (!b)
		return BUILT_LATER;
	if (b->overlay) {
		top = b->overlay;
		b = child;
	}
	for (; b; b = b->child) {
		if (!apply(r, b, top))
			return BUILT_NEVER;
		top = b->overlay;
	}
	*o = top;
	return BUILT;
}

static void try_validate(struct replica *r, struct body *b)
{
	struct engine_input in = {.kind = IN_VALIDATED};
	struct overlay *o;
	enum built built = bodies_overlay(r, &b->hash, &o);

	b->validate = built == BUILT_LATER;
	if (b->validate)
		return;
	in.validated.block = b->hash;
	in.validated.valid = built == BUILT;
	replica_feed(r, &in);
}

void bodies_validate(struct replica *r, const struct qhash *hash)
{
	struct body *b = find(r, hash);

	if (b) /* else it was executed meanwhile */
		try_validate(r, b);
}

static void retry_validations(struct replica *r)
{
	struct body *b, *next;

	HASH_ITER (hh, r->bodies, b, next)
		if (b->validate)
			try_validate(r, b);
}

/* ---- putting together ------------------------------------------------------------- */

static void say_here(struct replica *r, struct body *b)
{
	struct engine_input in = {.kind = IN_BODY};

	if (!b->wanted)
		return;
	b->wanted = false;
	in.body.block = b->hash;
	replica_feed(r, &in);
}

static void complete(struct replica *r, struct body *b, struct tx *const *txs)
{
	close_gap(r, b, block_new(&b->header, txs, b->header.tx_count));
	say_here(r, b);
	retry_validations(r);
}

/* Our own proposal: what was chosen for it, and its effect, are at hand. */
static bool take_batch(struct replica *r, struct body *b)
{
	struct batch *batch = &r->batch;

	if (batch->height.n == 0 || b->header.height.n != batch->height.n ||
	    b->header.tx_count != batch->cnt || !qhash_eq(&b->header.parent, &batch->parent) ||
	    !qhash_eq(&b->header.merkle_root, &batch->root))
		return false;
	if (!b->overlay)
		b->overlay = overlay_ref(batch->overlay);
	complete(r, b, batch->txs);
	batch_clear(batch);
	return true;
}

static void fill(struct replica *r, struct body *b)
{
	size_t left = 0;

	for (size_t k = 0; k < b->missing_cnt; k++) {
		uint32_t i = b->missing[k];
		struct tx *tx = txs_find_leaf(r, &b->leaves[i]);

		if (!tx) {
			b->missing[left++] = i;
			continue;
		}
		b->txs[i] = tx_ref(tx);
		b->bytes += tx->raw_len;
	}
	b->missing_cnt = left;
	if (b->bytes > r->g->g.params.block_bytes_max)
		drop_parts(b); /* nobody will ever vote for it: its proposer must not fill this memory */
	else if (left == 0)
		complete(r, b, b->txs);
}

void bodies_fill(struct replica *r)
{
	struct body *b, *next;

	if (r->fresh && r->gaps > 0)
		HASH_ITER (hh, r->bodies, b, next)
			if (b->txs)
				fill(r, b);
	r->fresh = false;
}

void bodies_want(struct replica *r, const struct engine_output *o)
{
	struct body *b = find(r, &o->want_body.hash);

	if (!b) {
		b = add(r, &o->want_body.hash, &o->want_body.header);
		b->peer = o->want_body.from;
		b->ask_ms = r->now_ms;
	}
	b->wanted = true;
	if (b->block) {
		say_here(r, b);
		return;
	}
	if (take_batch(r, b) || !o->want_body.leaves || b->leaves)
		return;
	b->leaves = xmemdup(o->want_body.leaves, b->header.tx_count * sizeof *b->leaves);
	b->txs = xcalloc(b->header.tx_count, sizeof(struct tx *));
	b->missing = xcalloc(b->header.tx_count, sizeof *b->missing);
	for (uint32_t i = 0; i < b->header.tx_count; i++)
		b->missing[b->missing_cnt++] = i;
	b->ask_ms = r->now_ms + ASK_GRACE_MS;
	b->patient_ms = r->now_ms + r->g->timeout_ms / PATIENCE_PARTS;
	fill(r, b);
}

void bodies_on_body(struct replica *r, const struct message *m, struct tx *const *txs, size_t tx_cnt)
{
	struct body *b = find(r, &m->m.qmessage_u.body.block);
	struct qhash *leaves;
	bool match;

	if (!b || b->block || tx_cnt != b->header.tx_count)
		return;
	leaves = xcalloc(tx_cnt, sizeof *leaves);
	for (size_t i = 0; i < tx_cnt; i++)
		leaves[i] = txs[i]->leaf;
	match = block_leaves_match(&b->header, leaves, tx_cnt);
	free(leaves);
	if (!match)
		return;
	for (size_t i = 0; i < tx_cnt; i++) /* others may lack them, here and elsewhere */
		if (!pool_find_leaf(r->pool, &txs[i]->leaf))
			txs_seen(r, txs[i]);
	complete(r, b, txs);
}

/* Is this overlay's chain still one that ends in the executed state? */
static bool on_tip(const struct replica *r, const struct body *b)
{
	while (b && !qhash_eq(&b->header.parent, ledger_tip(r->ledger)))
		b = find(r, &b->header.parent);
	return b != NULL;
}

void bodies_executed(struct replica *r)
{
	uint64_t executed = ledger_height(r->ledger).n;
	struct body *b, *next;

	HASH_ITER (hh, r->bodies, b, next)
		if (b->header.height.n <= executed)
			drop(r, b);
	HASH_ITER (hh, r->bodies, b, next) {
		if (b->overlay && !on_tip(r, b)) {
			overlay_unref(b->overlay);
			b->overlay = NULL;
		}
	}
}

/* ---- asking ------------------------------------------------------------------------ */

static unsigned next_peer(const struct replica *r, unsigned peer)
{
	do
		peer = (peer + 1) % r->g->n;
	while (peer == r->c.self);
	return peer;
}

/* By leaf, where little is missing; but the whole body every other time: who executed it has it only whole.
 * Not by leaf while this replica lags: its node leaves the answer unread. Where more is missing, it is this
 * replica that lags behind forwards: a body overtakes these, single ones do not.
 */
static bool ask_by_leaf(const struct replica *r, const struct body *b)
{
	return b->txs && b->tries % 2 == 0 && b->missing_cnt <= LEAVES_MAX && !replica_lags(r);
}

static void ask_leaves(struct replica *r, const struct body *b)
{
	struct qmessage m = {.kind = QGET_TXS};
	struct qhash *leaves = xcalloc(b->missing_cnt, sizeof *leaves);

	for (size_t k = 0; k < b->missing_cnt; k++)
		leaves[k] = b->leaves[b->missing[k]];
	m.qmessage_u.get_txs.leaves.leaves_val = leaves;
	m.qmessage_u.get_txs.leaves.leaves_len = (unsigned)b->missing_cnt;
	replica_say(r, &m, replica_bit(b->peer));
	free(leaves);
}

/* One GET_BODIES for all that this peer is to be asked for now. */
static void ask_bodies(struct replica *r, unsigned peer, const struct qhash *blocks, size_t cnt)
{
	struct qmessage m = {.kind = QGET_BODIES};

	if (cnt == 0)
		return;
	m.qmessage_u.get_bodies.blocks.blocks_val = (struct qhash *)blocks;
	m.qmessage_u.get_bodies.blocks.blocks_len = (unsigned)cnt;
	replica_say(r, &m, replica_bit(peer));
}

static void asked(struct replica *r, struct body *b)
{
	uint64_t wait = (uint64_t)ASK_RETRY_MS << (b->tries < 8 ? b->tries : 8);

	b->tries++;
	b->peer = next_peer(r, b->peer);
	b->asked_ms = r->now_ms;
	b->ask_ms = r->now_ms + (wait < ASK_RETRY_MAX_MS ? wait : ASK_RETRY_MAX_MS);
}

/* What is missing of a proposal may be waiting for a worker here: it is not fetched a second time for that.
 * The little that goes by leaf is: else one transaction, given to nobody but the proposer, holds up each
 * block. */
static bool is_due(struct replica *r, struct body *b)
{
	if (!b->block && b->ask_ms <= r->now_ms && b->txs && b->tries == 0 && r->expects &&
	    b->missing_cnt > LEAVES_MAX && r->now_ms < b->patient_ms)
		b->ask_ms = r->now_ms + ASK_GRACE_MS;
	return !b->block && b->ask_ms <= r->now_ms;
}

/* Everything due that is to be asked of this peer. `room`: how many more bodies may be on their way. */
static void ask_peer(struct replica *r, unsigned peer, size_t *room)
{
	struct qhash blocks[ASK_MAX];
	struct body *b, *next;
	size_t cnt = 0;

	HASH_ITER (hh, r->bodies, b, next) {
		if (b->peer != peer || !is_due(r, b))
			continue;
		if (ask_by_leaf(r, b)) {
			ask_leaves(r, b);
		} else if (*room > 0) {
			blocks[cnt++] = b->hash;
			(*room)--;
		} else {
			continue;
		}
		asked(r, b);
	}
	ask_bodies(r, peer, blocks, cnt);
}

void bodies_ask(struct replica *r)
{
	struct body *b, *next;
	size_t room = ASK_MAX;
	bool due = false;

	r->ask_ms = UINT64_MAX;
	if (r->g->n == 1 || r->gaps == 0)
		return;
	HASH_ITER (hh, r->bodies, b, next) {
		if (b->block)
			continue;
		if (b->peer == r->c.self)
			b->peer = next_peer(r, b->peer);
		due = is_due(r, b) || due;
		/* What nobody has, since a liar proposed it, is waited for longer, but holds no place for
		 * that. */
		if (b->tries > 0 && r->now_ms < b->asked_ms + ASK_RETRY_MS && room > 0)
			room--;
	}
	for (unsigned i = 0; due && i < r->g->n; i++)
		ask_peer(r, i, &room);
	HASH_ITER (hh, r->bodies, b, next) {
		uint64_t at = b->ask_ms > r->now_ms ? b->ask_ms : r->now_ms + ASK_RETRY_MS; /* no room now */
		if (!b->block && at < r->ask_ms)
			r->ask_ms = at;
	}
}
