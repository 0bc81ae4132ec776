/*
 * pool.c: what is in the mempool: admission, conflicts, bounds, eviction.
 *
 * In the path of a transaction: before, its signatures were verified (node/verify) and
 * node/replica_txs hands it in.  After: pool_queue.c forwards it to the other replicas and chooses it for a
 * block; when a block is executed it leaves here.
 */
#include "pool_impl.h"
#include "schedule.h"

/* ---- bounds ------------------------------------------------------------------ */

/* How many more entries of this source would find room, each of len bytes at most; 0: none. */
static size_t source_room(const struct pool *p, unsigned source, size_t len)
{
	const struct source *s = &p->sources[source];
	size_t share = POOL_BYTES / p->g->n, cnt_max = p->g->g.params.pool_source_max;

	if (share < POOL_BYTES_PEER_MIN)
		share = POOL_BYTES_PEER_MIN;
	if (source == p->self)
		share /= 2;
	else
		cnt_max *= 2;
	return s->cnt < cnt_max && s->bytes + len <= share ? cnt_max - s->cnt : 0;
}

/* Nothing else is ordered by it. */
static void publish_room(struct pool *p)
{
	atomic_store_explicit(&p->room, source_room(p, p->self, Q_TX_BYTES_MAX), memory_order_relaxed);
}

size_t pool_room(const struct pool *p)
{
	return atomic_load_explicit(&p->room, memory_order_relaxed);
}

struct pool *pool_new(const struct genesis *g, const struct state *s, unsigned self, struct qheight executed)
{
	struct pool *p = xcalloc(1, sizeof *p);

	must(self < g->n);
	p->g = g;
	p->state = s;
	p->self = self;
	p->executed = executed;
	p->reign = 1;
	p->reign_height = executed.n;
	p->sources = xcalloc(g->n, sizeof *p->sources);
	publish_room(p);
	return p;
}

/* ---- looking up ------------------------------------------------------------- */

static uint32_t id_hash(const struct qtxid *id)
{
	return hash_short(id, sizeof *id);
}

static uint32_t leaf_hash(const struct qhash *leaf)
{
	return hash_short(leaf, sizeof *leaf);
}

static uint32_t point_hash(const struct qoutpoint *point)
{
	return hash_short(point, sizeof *point);
}

static bool is_id(const void *item, const void *key)
{
	const struct entry *e = item;

	return memcmp(&e->tx->id, key, sizeof e->tx->id) == 0;
}

static bool is_leaf(const void *item, const void *key)
{
	const struct entry *e = item;

	return memcmp(&e->tx->leaf, key, sizeof e->tx->leaf) == 0;
}

static bool is_point(const void *item, const void *key)
{
	const struct spend *s = item;

	return memcmp(&s->point, key, sizeof s->point) == 0;
}

struct entry *pool_entry(const struct pool *p, const struct qtxid *id)
{
	return index_find(&p->by_id, id_hash(id), is_id, id);
}

/* Who spends this output, of this point_hash(). */
static struct entry *spender(const struct pool *p, const struct qoutpoint *point, uint32_t hash)
{
	const struct spend *s = index_find(&p->by_point, hash, is_point, point);

	return s ? s->by : NULL;
}

struct tx *pool_find(const struct pool *p, const struct qtxid *id)
{
	const struct entry *e = pool_entry(p, id);

	return e ? e->tx : NULL;
}

struct tx *pool_find_leaf(const struct pool *p, const struct qhash *leaf)
{
	const struct entry *e = index_find(&p->by_leaf, leaf_hash(leaf), is_leaf, leaf);

	return e ? e->tx : NULL;
}

size_t pool_count(const struct pool *p)
{
	return p->by_id.cnt;
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

static bool made_here(const struct pool *p, const struct qoutpoint *point, struct unspent *out)
{
	const struct qoutput *made = pool_output(p, point);

	if (made)
		*out = (struct unspent){.point = *point, .out = *made, .made_at = {p->executed.n + 1}};
	return made != NULL;
}

bool pool_unspent(const struct pool *p, const struct qoutpoint *point, struct unspent *out)
{
	const struct unspent *u = state_find(p->state, point);

	if (u)
		*out = *u;
	return u || made_here(p, point, out);
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

/* Would it be valid in the next block, its parents before it? Says nothing of rivals in the pool. */
static enum tx_verdict judge(struct pool *p, const struct tx *tx, bool *chained)
{
	const struct qtx_body *body = &tx->q.body;
	const struct unspent *found[Q_INPUTS_MAX];

	*chained = false;
	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		const struct qoutpoint *point = &body->inputs.inputs_val[i];

		found[i] = state_find(p->state, point);
		if (found[i])
			continue;
		if (!made_here(p, point, &p->made[i]))
			return TX_UNKNOWN_OUTPUT;
		found[i] = &p->made[i];
		*chained = true;
	}
	return state_check_found(p->state, NULL, tx, qheight_of(p->executed.n + 1), found);
}

/* The first entry that spends what this one would; NULL: none. Notes the hashes of its inputs. */
static struct entry *find_rival(const struct pool *p, const struct tx *tx, uint32_t *hashes)
{
	const struct qtx_body *body = &tx->q.body;
	struct entry *rival = NULL;

	for (unsigned i = 0; i < body->inputs.inputs_len && !rival; i++) {
		hashes[i] = point_hash(&body->inputs.inputs_val[i]);
		rival = spender(p, &body->inputs.inputs_val[i], hashes[i]);
	}
	return rival;
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
	struct source *s = &p->sources[e->source];

	DL_APPEND2(p->all, e, all_prev, all_next);
	index_add(&p->by_id, e->id_hash, e);
	index_add(&p->by_leaf, e->leaf_hash, e);
	for (unsigned i = 0; i < e->tx->q.body.inputs.inputs_len; i++)
		index_add(&p->by_point, e->spends[i].hash, &e->spends[i]);
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

	DL_DELETE2(p->all, e, all_prev, all_next);
	index_remove(&p->by_id, e->id_hash, e);
	index_remove(&p->by_leaf, e->leaf_hash, e);
	for (unsigned i = 0; i < e->tx->q.body.inputs.inputs_len; i++)
		index_remove(&p->by_point, e->spends[i].hash, &e->spends[i]);
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
	free(e);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	while (p->all) {
		struct entry *e = p->all;
		detach(p, e);
		entry_free(e);
	}
	index_free(&p->by_id);
	index_free(&p->by_leaf);
	index_free(&p->by_point);
	free(p->sources);
	free(p);
}

static struct entry *entry_new(struct pool *p, struct tx *tx, unsigned source, const uint32_t *hashes)
{
	const struct qtx_body *body = &tx->q.body;
	size_t cnt = body->inputs.inputs_len;
	struct entry *e = xcalloc(1, sizeof *e + cnt * sizeof *e->spends);

	e->tx = tx_ref(tx);
	e->seq = ++p->seq;
	e->leaf_hash = leaf_hash(&tx->leaf);
	e->source = source;
	e->own = source == p->self;
	for (size_t i = 0; i < cnt; i++)
		e->spends[i] = (struct spend){body->inputs.inputs_val[i], hashes[i], e};
	return e;
}

enum tx_verdict pool_add(struct pool *p, struct tx *tx, unsigned source, struct qtxid *winner)
{
	uint32_t hash = id_hash(&tx->id), hashes[Q_INPUTS_MAX];
	const struct entry *rival;
	struct entry *e;
	enum tx_verdict v;
	bool chained;

	must(source < p->g->n);
	if (index_find(&p->by_id, hash, is_id, &tx->id))
		return TX_KNOWN;
	rival = find_rival(p, tx, hashes);
	if (rival && winner)
		*winner = rival->tx->id;
	v = rival ? TX_DOUBLE_SPEND : judge(p, tx, &chained);
	if (v != TX_OK)
		return v;
	if (source_room(p, source, tx->raw_len) == 0)
		return TX_POOL_FULL;
	if (source == p->self && !owners_have_room(p, tx))
		return TX_OWNER_FULL;
	e = entry_new(p, tx, source, hashes);
	e->id_hash = hash;
	e->chained = chained;
	attach(p, e);
	publish_room(p);
	return TX_OK;
}

/* ---- leaving ------------------------------------------------------------------- */

/* To whom it is told that entries leave, and why. */
struct farewell {
	pool_left *tell;
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
			struct qoutpoint point = {e->tx->id, i};
			struct entry *child = spender(p, &point, point_hash(&point));
			if (child) {
				detach(p, child);
				LL_PREPEND2(doomed, child, queue_next);
			}
		}
		if (why->tell)
			why->tell(why->ctx, e->tx, e->own, why->verdict, p->executed, why->winner);
		entry_free(e);
	}
}

static void tx_executed(struct pool *p, const struct tx *tx, struct farewell *why)
{
	struct entry *e = pool_entry(p, &tx->id);

	if (e) { /* its inputs have no other spender here */
		if (e->own && why->tell)
			why->tell(why->ctx, e->tx, true, TX_FINAL, p->executed, NULL);
		detach(p, e);
		entry_free(e);
		return;
	}
	why->verdict = TX_DOUBLE_SPEND;
	why->winner = &tx->id;
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		const struct qoutpoint *point = &tx->q.body.inputs.inputs_val[i];
		struct entry *rival = spender(p, point, point_hash(point));
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
	bool chained;

	why->winner = NULL;
	p->cursor = p->bound;
	while (p->cursor) {
		struct entry *e = p->cursor;

		p->cursor = e->bound_next;
		why->verdict = e->bound & convicts ? judge(p, e->tx, &chained) : TX_OK;
		if (why->verdict != TX_OK)
			evict(p, e, why); /* which moves the cursor past its descendants */
	}
}

void pool_executed(struct pool *p, struct block *const *blocks, size_t cnt, pool_left *left, void *ctx)
{
	struct farewell why = {.tell = left, .ctx = ctx};
	uint64_t convicted = 0;

	for (size_t i = 0; i < cnt; i++) {
		block_executed(p, blocks[i], &why);
		convicted |= convicts(blocks[i]);
	}
	if (convicted) /* once the pool is where the state is: that has the effect of the whole run */
		judge_bound(p, convicted, &why);
	publish_room(p);
}

bool pool_pending(const struct pool *p)
{
	uint64_t next = p->executed.n + 1;
	const struct expiry *x;

	HASH_FIND(hh, p->expiries, &next, sizeof next, x);
	return pool_count(p) > (x ? x->cnt : 0);
}
