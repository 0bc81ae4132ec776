/*
 * state.c: the executed unspent set and what counts as stake in it, in memory, with their digest.
 *
 * ledger/ledger.c fills it from the store at start; afterwards only overlay_apply() changes it.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "map.h"
#include "schedule.h"
#include "state_impl.h"

#define STATE_TAG "quorate/state/v1"
#define ELEMENT_BYTES_MAX (36 + 36 + 8) /* encoded outpoint, output (locked) and height */

/* The encoded qstaking of Q_REPLICAS_MAX replicas: stakes, convicted, settled. */
#define TABLE_BYTES_MAX (4 + 16 * Q_REPLICAS_MAX)
#define STAKING_BYTES_MAX \
	(TABLE_BYTES_MAX + 4 + 8 * Q_REPLICAS_MAX + 4 + Q_TABLES_MAX * (8 + TABLE_BYTES_MAX))

/* The bytes of an outpoint are the key of the map. */
_Static_assert(sizeof(struct qoutpoint) == 36, "qoutpoint has padding");

struct entry {
	struct unspent u;
	UT_hash_handle hh; /* by u.point */
};

/* A replica's convictions, ascending. */
struct history {
	struct qheight *at;
	size_t cnt, cap;
};

struct state {
	const struct genesis *genesis;
	struct entry *entries; /* those in memory */
	size_t count;          /* of all that are unspent */
	uint64_t value;
	struct lthash sum;
	struct qstaking staking; /* its arrays are those below; all empty where stake decides nothing */
	const struct history
	    *history; /* of each replica: our own, or those of the state that we are beside */
	struct history own_history[Q_REPLICAS_MAX];
	struct qstake stakes[Q_REPLICAS_MAX];
	struct qheight convicted[Q_REPLICAS_MAX];
	struct qtable settled[Q_TABLES_MAX];
	struct qstake settled_stakes[Q_TABLES_MAX][Q_REPLICAS_MAX];
};

struct state *state_new(const struct genesis *g)
{
	struct state *s = xcalloc(1, sizeof *s);

	s->genesis = g;
	s->history = s->own_history;
	if (!stake_rules(g))
		return s;
	s->staking.stakes.stakes_len = s->staking.convicted.convicted_len = g->n;
	s->staking.stakes.stakes_val = s->stakes;
	s->staking.convicted.convicted_val = s->convicted;
	s->staking.settled.settled_val = s->settled;
	for (unsigned i = 0; i < Q_TABLES_MAX; i++) {
		s->settled[i].stakes.stakes_len = g->n;
		s->settled[i].stakes.stakes_val = s->settled_stakes[i];
	}
	return s;
}

struct state *state_scratch(const struct state *of)
{
	struct state *s = state_new(of->genesis);

	s->history = of->history;
	return s;
}

static void forget(struct state *s, struct entry *e)
{
	HASH_DEL(s->entries, e);
	free(e);
}

void state_free(struct state *s)
{
	struct entry *e, *next;

	if (!s)
		return;
	HASH_ITER (hh, s->entries, e, next)
		forget(s, e);
	for (unsigned i = 0; i < Q_REPLICAS_MAX; i++)
		free(s->own_history[i].at);
	free(s);
}

const struct genesis *state_genesis(const struct state *s)
{
	return s->genesis;
}

size_t state_count(const struct state *s)
{
	return s->count;
}

uint64_t state_value(const struct state *s)
{
	return s->value;
}

static struct entry *find(const struct state *s, const struct qoutpoint *p)
{
	struct entry *e;

	HASH_FIND(hh, s->entries, p, sizeof *p, e);
	return e;
}

const struct unspent *state_find(const struct state *s, const struct qoutpoint *p)
{
	const struct entry *e = find(s, p);

	return e ? &e->u : NULL;
}

static void store_be32(uint8_t to[4], uint32_t n)
{
	for (int i = 3; i >= 0; i--, n >>= 8)
		to[i] = (uint8_t)n;
}

static void store_be64(uint8_t to[8], uint64_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		to[i] = (uint8_t)n;
}

/* What the digest is over; returns its length. The row is local to one node and not part of it. */
static size_t encode_element(const struct unspent *u, uint8_t buf[ELEMENT_BYTES_MAX])
{
	size_t len = wire_encode_into(WIRE(qoutpoint), &u->point, buf, ELEMENT_BYTES_MAX);
	size_t out_len = wire_encode_into(WIRE(qoutput), &u->out, buf + len, ELEMENT_BYTES_MAX - len);

	must(len > 0 && out_len > 0 && len + out_len + 8 <= ELEMENT_BYTES_MAX);
	store_be64(buf + len + out_len, u->made_at.n);
	return len + out_len + 8;
}

/* Adds to the replica's stake, or takes away, what counts of this output. */
static void count_stake(struct state *s, const struct unspent *u, bool add)
{
	if (u->out.lock.kind != QLOCK_STAKE)
		return;
	unsigned replica = u->out.lock.qlock_u.replica;
	if (!stake_counts(s->genesis, u, state_last_conviction(s, replica)))
		return;
	struct qstake *stake = &s->stakes[replica];
	u_quad_t *sum = stake_is_own(s->genesis, u) ? &stake->own : &stake->delegated;
	*sum = add ? *sum + u->out.amount : *sum - u->out.amount;
}

void state_recall(struct state *s, const struct unspent *u)
{
	struct entry *e;
	unsigned hash;

	HASH_VALUE(&u->point, sizeof u->point, hash);
	HASH_FIND_BYHASHVALUE(hh, s->entries, &u->point, sizeof u->point, hash, e);
	must(!e);
	e = xcalloc(1, sizeof *e);
	e->u = *u;
	HASH_ADD_BYHASHVALUE(hh, s->entries, u.point, sizeof e->u.point, hash, e);
}

void state_insert_unsummed(struct state *s, const struct unspent *u)
{
	s->count++;
	s->value += u->out.amount;
	count_stake(s, u, true);
}

void state_sum(struct state *s, const struct unspent *u)
{
	uint8_t element[ELEMENT_BYTES_MAX];

	lthash_add(&s->sum, element, encode_element(u, element));
}

void state_insert(struct state *s, const struct unspent *u)
{
	state_recall(s, u);
	state_insert_unsummed(s, u);
	state_sum(s, u);
}

static void remove_entry(struct state *s, struct entry *e)
{
	must(e);
	s->count--;
	s->value -= e->u.out.amount;
	count_stake(s, &e->u, false);
	forget(s, e);
}

void state_remove_unsummed(struct state *s, const struct qoutpoint *p)
{
	remove_entry(s, find(s, p));
}

void state_remove(struct state *s, const struct qoutpoint *p)
{
	uint8_t element[ELEMENT_BYTES_MAX];
	struct entry *e = find(s, p);

	must(e);
	lthash_remove(&s->sum, element, encode_element(&e->u, element));
	remove_entry(s, e);
}

void state_begin(struct state *s)
{
	const struct qgenesis *g = &s->genesis->g;

	must(state_count(s) == 0);
	for (uint32_t i = 0; i < g->allocations.allocations_len; i++)
		state_insert(s, &(struct unspent){.point = {s->genesis->txid, i},
		                                  .out = g->allocations.allocations_val[i]});
	if (stake_rules(s->genesis))
		state_settle(s, &(struct qtable){.height = {0}, .stakes = {s->genesis->n, s->stakes}});
}

/* ---- convictions and tables --------------------------------------------- */

const struct qstaking *state_staking(const struct state *s)
{
	return &s->staking;
}

struct qheight state_last_conviction(const struct state *s, unsigned replica)
{
	const struct history *h = &s->history[replica];

	return h->cnt > 0 ? h->at[h->cnt - 1] : qheight_of(0);
}

struct qheight state_first_conviction(const struct state *s, unsigned replica, struct qheight from)
{
	const struct history *h = &s->history[replica];
	size_t low = 0, high = h->cnt; /* at[low - 1] is below `from`, at[high] is not */

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (h->at[mid].n < from.n)
			low = mid + 1;
		else
			high = mid;
	}
	return low < h->cnt ? h->at[low] : qheight_of(0);
}

void state_convict(struct state *s, unsigned replica, struct qheight at)
{
	const struct qstake_rules *r = stake_rules(s->genesis);
	uint8_t element[4 + 8];

	must(r && replica < s->genesis->n && s->history == s->own_history);
	must(at.n > state_last_conviction(s, replica).n);
	struct history *h = &s->own_history[replica];
	if (h->cnt == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 4;
		h->at = xrealloc(h->at, h->cap * sizeof *h->at);
	}
	h->at[h->cnt++] = at;
	s->convicted[replica] = at;
	/* All of it was made at or below this height. */
	s->stakes[replica].own = 0;
	if (r->delegator_penalty > 0)
		s->stakes[replica].delegated = 0;
	store_be32(element, replica);
	store_be64(element + 4, at.n);
	lthash_add(&s->sum, element, sizeof element);
}

/*
 * Two tables are enough.  Let x be executed and e = x / E its epoch in progress: the newest tables are those
 * of heights e * E and (e - 1) * E (the genesis' alone while e is 0).  By schedule_settled() the heights
 * above x in epoch e take the second, those of epoch e + 1 the first, and these end a whole epoch, at least
 * three windows, above x.
 */
void state_settle(struct state *s, const struct qtable *t)
{
	unsigned cnt = s->staking.settled.settled_len;

	must(stake_rules(s->genesis) && t->stakes.stakes_len == s->genesis->n);
	must(cnt == 0 || s->settled[cnt - 1].height.n < t->height.n);
	if (cnt == Q_TABLES_MAX) { /* the oldest goes */
		cnt--;
		for (unsigned i = 0; i < cnt; i++) {
			s->settled[i].height = s->settled[i + 1].height;
			memcpy(s->settled_stakes[i], s->settled_stakes[i + 1], sizeof s->settled_stakes[i]);
		}
	}
	s->settled[cnt].height = t->height;
	memcpy(s->settled_stakes[cnt], t->stakes.stakes_val, s->genesis->n * sizeof(struct qstake));
	s->staking.settled.settled_len = cnt + 1;
}

/* ---- the digest --------------------------------------------------------- */

void state_digest(const struct state *s, struct qhash *out)
{
	struct qhash sum;
	uint8_t count[8], value[8], staking[STAKING_BYTES_MAX];

	lthash_digest(&s->sum, &sum);
	store_be64(count, state_count(s));
	store_be64(value, s->value);
	size_t len = wire_encode_into(WIRE(qstaking), &s->staking, staking, sizeof staking);
	must(len > 0);
	hash_tagged(STATE_TAG, (struct span[]){{sum.b, sizeof sum.b}, {count, 8}, {value, 8}, {staking, len}},
	            4, out->b);
}

void state_each(const struct state *s, void (*f)(void *ctx, const struct unspent *u), void *ctx)
{
	struct entry *e, *next;

	HASH_ITER (hh, s->entries, e, next) {
		f(ctx, &e->u);
	}
}
