/*
 * state.c: the executed unspent set and what counts as stake in it, in memory, with their digest.
 *
 * ledger/ledger.c fills it from the store at start; afterwards only overlay_apply() changes it.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "schedule.h"
#include "state_impl.h"
#include "unspent_set.h"

#define STATE_TAG "quorate/state/v1"
#define ELEMENT_BYTES_MAX (36 + 36 + 8) /* encoded outpoint, output (locked) and height */

/* The encoded qstaking of Q_REPLICAS_MAX replicas: stakes, convicted, settled. */
#define TABLE_BYTES_MAX (4 + 16 * Q_REPLICAS_MAX)
#define STAKING_BYTES_MAX \
	(TABLE_BYTES_MAX + 4 + 8 * Q_REPLICAS_MAX + 4 + Q_TABLES_MAX * (8 + TABLE_BYTES_MAX))

/*
 * Outputs made last that the digest does not know yet.  Most of what is made is spent soon: then it need
 * never be hashed. One that comes while there are as many is the turn of the oldest.  So a digest has at most
 * these to hash, some 50 ms, and what lives longer costs its two hashes (one when it is spent), each in its
 * own turn.
 */
#define OWED_MAX 32768

/* A replica's convictions, ascending. */
struct history {
	struct qheight *at;
	size_t cnt, cap;
};

struct state {
	const struct genesis *genesis;
	struct unspent_set set; /* those in memory */
	uint32_t *owed;         /* a ring of OWED_MAX of their numbers, oldest first; some no longer there */
	uint32_t owed_from, owed_cnt;
	size_t count; /* of all that are unspent */
	uint64_t value;
	struct lthash sum;
	struct lthash_queue queue; /* for the sum */
	struct qstaking staking;   /* its arrays are those below; all empty where stake decides nothing */
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
	unspent_set_init(&s->set);
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

void state_free(struct state *s)
{
	if (!s)
		return;
	unspent_set_clear(&s->set);
	free(s->owed);
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

/* ---- the digest's part --------------------------------------------------- */

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

void state_sum_of(const struct unspent *u, struct lthash *sum)
{
	state_sum_all(u, 1, sum);
}

void state_sum_all(const struct unspent *list, size_t cnt, struct lthash *sum)
{
	uint8_t element[ELEMENT_BYTES_MAX];
	struct lthash_queue queue;

	queue.cnt = 0;
	for (size_t i = 0; i < cnt; i++)
		lthash_put(sum, &queue, element, encode_element(&list[i], element), false);
	lthash_flush(sum, &queue);
}

static void queue(struct state *s, const struct unspent *u, bool removed)
{
	uint8_t element[ELEMENT_BYTES_MAX];

	lthash_put(&s->sum, &s->queue, element, encode_element(u, element), removed);
}

void state_sum(struct state *s, const struct unspent *u)
{
	queue(s, u, false);
}

void state_add_sum(struct state *s, const struct lthash *sum)
{
	lthash_join(&s->sum, sum);
}

/* What was removed meanwhile owes nothing; its number may be another's, who has a place of his own. */
static void pay_oldest(struct state *s)
{
	uint32_t place = s->owed_from;
	struct unspent_entry *e = unspent_at(&s->set, s->owed[place]);

	s->owed_from = (place + 1) % OWED_MAX;
	s->owed_cnt--;
	if (e->owed != place + 1)
		return;
	state_sum(s, &e->u);
	e->owed = 0;
}

static void owe(struct state *s, uint32_t number)
{
	if (s->history != s->own_history) /* beside another: nobody asks for its digest */
		return;
	if (!s->owed)
		s->owed = xcalloc(OWED_MAX, sizeof *s->owed);
	if (s->owed_cnt == OWED_MAX)
		pay_oldest(s);
	uint32_t place = (s->owed_from + s->owed_cnt++) % OWED_MAX;
	s->owed[place] = number;
	unspent_at(&s->set, number)->owed = place + 1;
}

/* ---- the set -------------------------------------------------------------- */

static uint32_t hash_of(const struct qoutpoint *p)
{
	return outpoint_hash(txid_hash(&p->tx), p->index);
}

const struct unspent *state_find_hashed(const struct state *s, const struct qoutpoint *p, uint32_t hash)
{
	uint32_t i = unspent_find(&s->set, p, hash);

	return i != UNSPENT_NONE ? &unspent_at(&s->set, i)->u : NULL;
}

const struct unspent *state_find(const struct state *s, const struct qoutpoint *p)
{
	return state_find_hashed(s, p, hash_of(p));
}

void state_owned_sums(const struct state *s, const struct qaddress *owner, struct address_sums *out)
{
	unspent_owned_sums(&s->set, owner, out);
}

size_t state_owned(const struct state *s, const struct qaddress *owner, const struct qoutpoint *after,
                   size_t limit, const struct unspent **out)
{
	uint32_t i = after ? unspent_find(&s->set, after, hash_of(after)) : UNSPENT_NONE;

	if (after && i == UNSPENT_NONE)
		return 0;
	return unspent_owned(&s->set, owner, i, limit, out);
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

void state_insert_unsummed(struct state *s, const struct unspent *u)
{
	s->count++;
	s->value += u->out.amount;
	count_stake(s, u, true);
}

void state_insert_hashed(struct state *s, const struct unspent *u, uint32_t hash)
{
	owe(s, unspent_add(&s->set, u, hash));
	state_insert_unsummed(s, u);
}

void state_insert(struct state *s, const struct unspent *u)
{
	state_insert_hashed(s, u, hash_of(&u->point));
}

void state_recall(struct state *s, const struct unspent *u)
{
	unspent_add(&s->set, u, hash_of(&u->point));
}

bool state_load(struct state *s, const struct unspent *u)
{
	uint32_t hash = hash_of(&u->point);

	if (unspent_find(&s->set, &u->point, hash) != UNSPENT_NONE)
		return false;
	unspent_add(&s->set, u, hash);
	state_insert_unsummed(s, u);
	return true;
}

static void take(struct state *s, const struct qoutpoint *p, uint32_t hash, bool summed)
{
	uint32_t i = unspent_find(&s->set, p, hash);

	must(i != UNSPENT_NONE);
	struct unspent_entry *e = unspent_at(&s->set, i);
	if (summed && e->owed == 0)
		queue(s, &e->u, true);
	e->owed = 0;
	s->count--;
	s->value -= e->u.out.amount;
	count_stake(s, &e->u, false);
	unspent_remove(&s->set, i, hash);
}

void state_remove_hashed(struct state *s, const struct qoutpoint *p, uint32_t hash)
{
	take(s, p, hash, true);
}

void state_remove(struct state *s, const struct qoutpoint *p)
{
	take(s, p, hash_of(p), true);
}

void state_remove_unsummed(struct state *s, const struct qoutpoint *p)
{
	take(s, p, hash_of(p), false);
}

void state_each(const struct state *s, void (*f)(void *ctx, const struct unspent *u), void *ctx)
{
	for (uint32_t i = 0; i < unspent_end(&s->set); i++)
		if (unspent_at(&s->set, i)->owner != UNSPENT_NONE)
			f(ctx, &unspent_at(&s->set, i)->u);
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
	lthash_put(&s->sum, &s->queue, element, sizeof element, false);
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

void state_digest(struct state *s, struct qhash *out)
{
	struct qhash sum;
	uint8_t count[8], value[8], staking[STAKING_BYTES_MAX];

	must(s->history == s->own_history);
	while (s->owed_cnt > 0)
		pay_oldest(s);
	lthash_flush(&s->sum, &s->queue);
	lthash_digest(&s->sum, &sum);
	store_be64(count, state_count(s));
	store_be64(value, s->value);
	size_t len = wire_encode_into(WIRE(qstaking), &s->staking, staking, sizeof staking);
	must(len > 0);
	hash_tagged(STATE_TAG, (struct span[]){{sum.b, sizeof sum.b}, {count, 8}, {value, 8}, {staking, len}},
	            4, out->b);
}
