/*
 * pool.c: what is in the mempool: admission, conflicts, bounds, eviction.
 *
 * In the path of a transaction: before, its signatures were verified (node/verify) and
 * node/replica_txs hands it in.  After: pool_queue.c forwards it to the other replicas and chooses it for a
 * block; when a block is executed it leaves here.
 */
#include "pool_impl.h"
#include "schedule.h"

struct pool *pool_new(const struct genesis *g, const struct state *s, unsigned self, struct qheight executed)
{
	struct pool *p = xcalloc(1, sizeof *p);

	must(self < g->n);
	p->g = g;
	p->state = s;
	p->scratch = state_scratch(s);
	p->self = self;
	p->executed = executed;
	p->reign = 1;
	p->reign_height = executed.n;
	p->sources = xcalloc(g->n, sizeof *p->sources);
	return p;
}

/* ---- looking up ------------------------------------------------------------- */

struct entry *pool_entry(const struct pool *p, const struct qtxid *id)
{
	struct entry *e;

	HASH_FIND(by_id, p->by_id, id, sizeof *id, e);
	return e;
}

struct entry *pool_spender(const struct pool *p, const struct qoutpoint *point)
{
	struct spend *s;

	HASH_FIND(hh, p->spends, point, sizeof *point, s);
	return s ? s->by : NULL;
}

struct tx *pool_find(const struct pool *p, const struct qtxid *id)
{
	const struct entry *e = pool_entry(p, id);

	return e ? e->tx : NULL;
}

struct tx *pool_find_leaf(const struct pool *p, const struct qhash *leaf)
{
	struct entry *e;

	HASH_FIND(by_leaf, p->by_leaf, leaf, sizeof *leaf, e);
	return e ? e->tx : NULL;
}

size_t pool_count(const struct pool *p)
{
	return HASH_CNT(by_id, p->by_id);
}

size_t pool_bytes(const struct pool *p)
{
	return p->bytes;
}

void pool_mark_own(struct pool *p, const struct qtxid *id)
{
	struct entry *e = pool_entry(p, id);

	if (e)
		e->own = true;
}

bool pool_is_own(const struct pool *p, const struct qtxid *id)
{
	const struct entry *e = pool_entry(p, id);

	return e && e->own;
}

const struct qoutput *pool_output(const struct pool *p, const struct qoutpoint *point)
{
	const struct entry *e = pool_entry(p, &point->tx);

	if (!e || point->index >= e->tx->q.body.outputs.outputs_len)
		return NULL;
	return &e->tx->q.body.outputs.outputs_val[point->index];
}

bool pool_unspent(const struct pool *p, const struct qoutpoint *point, struct unspent *out)
{
	const struct unspent *u = state_find(p->state, point);
	const struct qoutput *made = u ? NULL : pool_output(p, point);

	if (u)
		*out = *u;
	else if (made)
		*out = (struct unspent){.point = *point, .out = *made, .made_at = {p->executed.n + 1}};
	return u || made;
}

/* ---- who pays ----------------------------------------------------------------- */

static bool owners_have_room(const struct pool *p, const struct tx *tx)
{
	for (unsigned i = 0; i < tx->q.witnesses.witnesses_len; i++) {
		const struct owner *o;

		HASH_FIND(hh, p->owners, &tx->owners[i], sizeof tx->owners[i], o);
		if (o && o->cnt >= p->g->g.params.pool_owner_max)
			return false;
	}
	return true;
}

static void owners_charge(struct pool *p, const struct tx *tx)
{
	for (unsigned i = 0; i < tx->q.witnesses.witnesses_len; i++) {
		struct owner *o;

		HASH_FIND(hh, p->owners, &tx->owners[i], sizeof tx->owners[i], o);
		if (!o) {
			o = xcalloc(1, sizeof *o);
			o->address = tx->owners[i];
			HASH_ADD(hh, p->owners, address, sizeof o->address, o);
		}
		o->cnt++;
	}
}

static void owners_release(struct pool *p, const struct tx *tx)
{
	for (unsigned i = 0; i < tx->q.witnesses.witnesses_len; i++) {
		struct owner *o;

		HASH_FIND(hh, p->owners, &tx->owners[i], sizeof tx->owners[i], o);
		must(o && o->cnt > 0);
		if (--o->cnt == 0) {
			HASH_DEL(p->owners, o);
			free(o);
		}
	}
}

/* ---- admission ------------------------------------------------------------------ */

/*
 * state_check() on a state of its own that holds just what this transaction spends, wherever
 * that is: one rule, one code, and no cost that grows with the length of a chain of spends.
 */
static enum tx_verdict check_in_scratch(struct pool *p, const struct tx *tx, struct qheight height)
{
	const struct qtx_body *body = &tx->q.body;
	enum tx_verdict v;

	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		struct unspent u;

		must(pool_unspent(p, &body->inputs.inputs_val[i], &u));
		state_insert(p->scratch, &u);
	}
	v = state_check(p->scratch, NULL, tx, height, NULL);
	for (unsigned i = 0; i < body->inputs.inputs_len; i++)
		state_remove(p->scratch, &body->inputs.inputs_val[i]);
	return v;
}

/* Would it be valid in the next block, its parents before it? Says nothing of rivals in the pool. */
static enum tx_verdict judge(struct pool *p, const struct tx *tx)
{
	const struct qtx_body *body = &tx->q.body;
	struct qheight height = qheight_of(p->executed.n + 1);
	bool chained = false;

	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		const struct qoutpoint *point = &body->inputs.inputs_val[i];
		bool executed = state_find(p->state, point) != NULL;

		if (!executed && !pool_output(p, point))
			return TX_UNKNOWN_OUTPUT;
		chained = chained || !executed;
	}
	return chained ? check_in_scratch(p, tx, height) : state_check(p->state, NULL, tx, height, NULL);
}

static enum tx_verdict check(struct pool *p, const struct tx *tx, struct qtxid *winner)
{
	const struct qtx_body *body = &tx->q.body;

	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		const struct entry *rival = pool_spender(p, &body->inputs.inputs_val[i]);

		if (!rival)
			continue;
		if (winner)
			*winner = rival->tx->id;
		return TX_DOUBLE_SPEND;
	}
	return judge(p, tx);
}

static bool source_has_room(const struct pool *p, unsigned source, size_t len)
{
	const struct source *s = &p->sources[source];
	size_t share = POOL_BYTES / p->g->n, cnt_max = p->g->g.params.pool_source_max;

	if (share < POOL_BYTES_PEER_MIN)
		share = POOL_BYTES_PEER_MIN;
	if (source == p->self)
		share /= 2;
	else
		cnt_max *= 2;
	return s->cnt < cnt_max && s->bytes + len <= share;
}

static void expiry_enter(struct pool *p, struct entry *e)
{
	uint64_t height = e->tx->q.body.expiry.n;
	struct expiry *x;

	if (height == 0)
		return;
	HASH_FIND(hh, p->expiries, &height, sizeof height, x);
	if (!x) {
		x = xcalloc(1, sizeof *x);
		x->height = height;
		HASH_ADD(hh, p->expiries, height, sizeof x->height, x);
	}
	DL_APPEND2(x->list, e, expiry_prev, expiry_next);
	x->cnt++;
	e->expires = x;
}

static void expiry_leave(struct pool *p, struct entry *e)
{
	struct expiry *x = e->expires;

	if (!x)
		return;
	DL_DELETE2(x->list, e, expiry_prev, expiry_next);
	if (--x->cnt == 0) {
		HASH_DEL(p->expiries, x);
		free(x);
	}
	e->expires = NULL;
}

/* Whose convictions can make it inadmissible, though nobody spends its inputs: of replicas that these are
 * locked for, or that it reports. */
static uint64_t bound_of(const struct pool *p, const struct tx *tx)
{
	const struct qtx_body *body = &tx->q.body;
	uint64_t bound = 0;

	if (!stake_rules(p->g))
		return 0;
	if (body->offence.offence_len > 0)
		bound |= UINT64_C(1) << body->offence.offence_val->replica;
	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		struct unspent u;
		must(pool_unspent(p, &body->inputs.inputs_val[i], &u));
		if (u.out.lock.kind != QLOCK_NONE)
			bound |= UINT64_C(1) << u.out.lock.qlock_u.replica;
	}
	return bound;
}

static void bound_enter(struct pool *p, struct entry *e)
{
	e->bound = bound_of(p, e->tx);
	if (e->bound)
		DL_APPEND2(p->bound, e, bound_prev, bound_next);
}

static void bound_leave(struct pool *p, struct entry *e)
{
	if (p->cursor == e)
		p->cursor = e->bound_next;
	if (e->bound)
		DL_DELETE2(p->bound, e, bound_prev, bound_next);
}

static void attach(struct pool *p, struct entry *e)
{
	const struct qtx_body *body = &e->tx->q.body;
	struct source *s = &p->sources[e->source];

	HASH_ADD_KEYPTR(by_id, p->by_id, &e->tx->id, sizeof e->tx->id, e);
	HASH_ADD_KEYPTR(by_leaf, p->by_leaf, &e->tx->leaf, sizeof e->tx->leaf, e);
	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		struct spend *spend = &e->spends[i];
		spend->point = body->inputs.inputs_val[i];
		spend->by = e;
		HASH_ADD(hh, p->spends, point, sizeof spend->point, spend);
	}
	s->cnt++;
	s->bytes += e->tx->raw_len;
	p->bytes += e->tx->raw_len;
	expiry_enter(p, e);
	bound_enter(p, e);
	queue_enter(p, e);
	if (e->source == p->self) {
		owners_charge(p, e->tx);
		line_enter(p, e);
	}
}

/* Leaves every list and map; the entry itself is the caller's. */
static void detach(struct pool *p, struct entry *e)
{
	struct source *s = &p->sources[e->source];

	HASH_DELETE(by_id, p->by_id, e);
	HASH_DELETE(by_leaf, p->by_leaf, e);
	for (unsigned i = 0; i < e->tx->q.body.inputs.inputs_len; i++)
		HASH_DEL(p->spends, &e->spends[i]); /* NOLINT(clang-analyzer-core.NullDereference): uthash */
	s->cnt--;
	s->bytes -= e->tx->raw_len;
	p->bytes -= e->tx->raw_len;
	expiry_leave(p, e);
	bound_leave(p, e);
	queue_leave(p, e);
	if (e->source == p->self) {
		owners_release(p, e->tx);
		line_leave(p, e);
	}
}

static void entry_free(struct entry *e)
{
	tx_unref(e->tx);
	free(e->spends);
	free(e);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	while (p->by_id) {
		struct entry *e = p->by_id;
		detach(p, e);
		entry_free(e);
	}
	state_free(p->scratch);
	free(p->sources);
	free(p);
}

enum tx_verdict pool_add(struct pool *p, struct tx *tx, unsigned source, struct qtxid *winner)
{
	struct entry *e;
	enum tx_verdict v;

	must(source < p->g->n);
	if (pool_entry(p, &tx->id))
		return TX_KNOWN;
	v = check(p, tx, winner);
	if (v != TX_OK)
		return v;
	if (!source_has_room(p, source, tx->raw_len))
		return TX_POOL_FULL;
	if (source == p->self && !owners_have_room(p, tx))
		return TX_OWNER_FULL;
	e = xcalloc(1, sizeof *e);
	e->tx = tx_ref(tx);
	e->seq = ++p->seq;
	e->source = source;
	e->own = source == p->self;
	e->spends = xcalloc(tx->q.body.inputs.inputs_len, sizeof *e->spends);
	attach(p, e);
	return TX_OK;
}

/* ---- leaving ------------------------------------------------------------------- */

/* To whom it is told that entries leave, and why. */
struct farewell {
	pool_evicted *tell;
	void *ctx;
	enum tx_verdict verdict;
	const struct qtxid *winner;
};

/* The entry goes, and so does every entry that spends an output of one that goes. */
static void evict(struct pool *p, struct entry *e, const struct farewell *why)
{
	struct entry *doomed = NULL;

	detach(p, e);
	LL_PREPEND2(doomed, e, queue_next);
	while (doomed) {
		e = doomed;
		LL_DELETE2(doomed, e, queue_next);
		for (unsigned i = 0; i < e->tx->q.body.outputs.outputs_len; i++) {
			struct entry *child = pool_spender(p, &(struct qoutpoint){e->tx->id, i});
			if (child) {
				detach(p, child);
				LL_PREPEND2(doomed, child, queue_next);
			}
		}
		if (why->tell)
			why->tell(why->ctx, e->tx, e->own, why->verdict, why->winner);
		entry_free(e);
	}
}

static void tx_executed(struct pool *p, const struct tx *tx, struct farewell *why)
{
	struct entry *e = pool_entry(p, &tx->id);

	if (e) { /* its inputs have no other spender here */
		detach(p, e);
		entry_free(e);
		return;
	}
	why->verdict = TX_DOUBLE_SPEND;
	why->winner = &tx->id;
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		struct entry *rival = pool_spender(p, &tx->q.body.inputs.inputs_val[i]);
		if (rival)
			evict(p, rival, why);
	}
}

static void block_executed(struct pool *p, const struct block *b, struct farewell *why)
{
	uint64_t height = b->header.height.n;
	struct expiry *x;

	must(height == p->executed.n + 1);
	p->executed = b->header.height;
	for (size_t i = 0; i < b->tx_cnt; i++)
		tx_executed(p, b->txs[i], why);
	why->verdict = TX_EXPIRED;
	why->winner = NULL;
	for (;;) {
		HASH_FIND(hh, p->expiries, &height, sizeof height, x);
		if (!x)
			break;
		evict(p, x->list, why); /* frees x with its last entry */
	}
	queue_return(p, height);
}

static uint64_t convicts(const struct block *b)
{
	uint64_t convicts = 0;

	for (size_t i = 0; i < b->tx_cnt; i++)
		if (b->txs[i]->q.body.offence.offence_len > 0)
			convicts |= UINT64_C(1) << b->txs[i]->q.body.offence.offence_val->replica;
	return convicts;
}

/*
 * After a conviction.  An entry that spends the convict's stake owes a penalty now, and one that reports an
 * offence of it reports a punished one.  No proposer can take such an entry any more: were it still pending,
 * all would suspect one proposer after the other.  Parents came before their children, so whoever is judged
 * has all that it spends.
 */
static void judge_bound(struct pool *p, uint64_t convicts, struct farewell *why)
{
	why->winner = NULL;
	p->cursor = p->bound;
	while (p->cursor) {
		struct entry *e = p->cursor;

		p->cursor = e->bound_next;
		why->verdict = e->bound & convicts ? judge(p, e->tx) : TX_OK;
		if (why->verdict != TX_OK)
			evict(p, e, why); /* which moves the cursor past its descendants */
	}
}

void pool_executed(struct pool *p, struct block *const *blocks, size_t cnt, pool_evicted *evicted, void *ctx)
{
	struct farewell why = {.tell = evicted, .ctx = ctx};
	uint64_t convicted = 0;

	for (size_t i = 0; i < cnt; i++) {
		block_executed(p, blocks[i], &why);
		convicted |= convicts(blocks[i]);
	}
	if (convicted) /* once the pool is where the state is: that has the effect of the whole run */
		judge_bound(p, convicted, &why);
}

bool pool_pending(const struct pool *p)
{
	uint64_t next = p->executed.n + 1;
	const struct expiry *x;

	HASH_FIND(hh, p->expiries, &next, sizeof next, x);
	return pool_count(p) > (x ? x->cnt : 0);
}
