/*
 * schedule.c: turns by stake, from a settled table, in integers.
 */
#include "schedule.h"

#include <limits.h>

/* ---- weights --------------------------------------------------------------- */

__extension__ typedef unsigned __int128 wide; /* a stake times CYCLE */

static uint64_t stake_of(const struct qstake *s)
{
	return s->own + s->delegated; /* both are parts of the supply */
}

/* The stakes of those who are elected: the `proposers` largest, of equal ones the lower index. */
static void elect(const struct genesis *g, const struct qtable *t, uint64_t stake[Q_REPLICAS_MAX])
{
	unsigned places = stake_rules(g)->proposers;

	memset(stake, 0, Q_REPLICAS_MAX * sizeof *stake);
	for (unsigned i = 0; i < g->n; i++) {
		uint64_t mine = stake_of(&t->stakes.stakes_val[i]);
		unsigned before = 0;
		for (unsigned k = 0; k < g->n; k++) {
			uint64_t other = stake_of(&t->stakes.stakes_val[k]);
			before += other > mine || (other == mine && k < i);
		}
		if (before < places)
			stake[i] = mine;
	}
}

/* CYCLE turns by largest remainders, of equal ones the lower index. Returns how many replicas have a turn. */
static unsigned share_out(unsigned n, const uint64_t stake[Q_REPLICAS_MAX], uint8_t weight[Q_REPLICAS_MAX])
{
	uint64_t total = 0, rest[Q_REPLICAS_MAX];
	unsigned left = SCHEDULE_CYCLE, holders = 0;

	for (unsigned i = 0; i < n; i++)
		total += stake[i];
	memset(weight, 0, Q_REPLICAS_MAX);
	if (total == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		wide turns = (wide)stake[i] * SCHEDULE_CYCLE;
		weight[i] = (uint8_t)(turns / total);
		rest[i] = (uint64_t)(turns % total);
		left -= weight[i];
	}
	for (; left > 0; left--) {
		unsigned best = 0;
		for (unsigned i = 1; i < n; i++)
			if (rest[i] > rest[best])
				best = i;
		weight[best]++;
		rest[best] = 0; /* fewer are left over than there are remainders */
	}
	for (unsigned i = 0; i < n; i++)
		holders += weight[i] > 0;
	return holders;
}

/* ---- the cycle ------------------------------------------------------------- */

/*
 * The k-th turn of a weight (k from 0) falls into the positions [k * C / w rounded down, (k + 1) * C / w
 * rounded up): then every prefix has its share to within one. Earliest deadline first finds such an order,
 * for there is one (Baruah, Cohen, Plaxton, Varvel, Proportionate progress, 1996: lag below 1).
 */
static void lay_out(unsigned n, const uint8_t weight[Q_REPLICAS_MAX], uint8_t turns[SCHEDULE_CYCLE])
{
	unsigned had[Q_REPLICAS_MAX] = {0};

	for (unsigned at = 0; at < SCHEDULE_CYCLE; at++) {
		unsigned best = n, best_end = 0;
		for (unsigned i = 0; i < n; i++) {
			unsigned w = weight[i];
			if (had[i] == w || had[i] * SCHEDULE_CYCLE >= (at + 1) * w)
				continue;
			unsigned end = ((had[i] + 1) * SCHEDULE_CYCLE + w - 1) / w;
			if (best == n || end < best_end) {
				best = i;
				best_end = end;
			}
		}
		must(best < n && best_end > at);
		turns[at] = (uint8_t)best;
		had[best]++;
	}
}

void schedule_make(const struct genesis *g, const struct qtable *t, struct schedule *out)
{
	uint64_t stake[Q_REPLICAS_MAX];

	must(stake_rules(g) && t->stakes.stakes_len == g->n);
	*out = (struct schedule){.settled = t->height};
	elect(g, t, stake);
	out->alike = share_out(g->n, stake, out->weight) < g->f + 1;
	if (out->alike) {
		for (unsigned i = 0; i < g->n; i++)
			stake[i] = 1;
		share_out(g->n, stake, out->weight);
	}
	lay_out(g->n, out->weight, out->turns);
}

/* ---- heights --------------------------------------------------------------- */

struct qheight schedule_settled(const struct qstake_rules *r, struct qheight h)
{
	uint64_t epoch = (h.n - 1) / r->epoch;

	must(h.n > 0);
	return qheight_of(epoch > 0 ? (epoch - 1) * r->epoch : 0);
}

bool schedule_epoch_ends(const struct qstake_rules *r, struct qheight h)
{
	return h.n > 0 && h.n % r->epoch == 0;
}

/* Of the height's turn in the cycle. Both are reduced first: neither h nor v is bounded. */
static unsigned position(const struct qstake_rules *r, struct qheight h, struct qview v)
{
	return (unsigned)(((h.n - 1) / r->turn % SCHEDULE_CYCLE + v.n % SCHEDULE_CYCLE) % SCHEDULE_CYCLE);
}

unsigned schedule_proposer(const struct genesis *g, const struct schedule *s, struct qheight h,
                           struct qview v)
{
	const struct qstake_rules *r = stake_rules(g);

	if (!r)
		return (unsigned)(v.n % g->n);
	must(s && s->settled.n == schedule_settled(r, h).n);
	return s->turns[position(r, h, v)];
}

bool schedule_view_of(const struct genesis *g, const struct schedule *s, struct qheight h, unsigned proposer,
                      struct qview *v)
{
	for (uint64_t ahead = 0; ahead < SCHEDULE_CYCLE && ahead <= UINT64_MAX - v->n; ahead++) {
		struct qview at = qview_of(v->n + ahead);
		if (schedule_proposer(g, s, h, at) == proposer) {
			*v = at;
			return true;
		}
	}
	return false;
}

unsigned schedule_run_bound(unsigned cnt, unsigned weight)
{
	if (cnt == 0 || weight == 0)
		return 0;
	if (weight >= SCHEDULE_CYCLE)
		return UINT_MAX; /* nobody else has a turn */
	unsigned honest = SCHEDULE_CYCLE - weight;
	unsigned run = (2 * cnt * SCHEDULE_CYCLE + honest - 1) / honest - 1;
	return run < weight ? run : weight;
}

unsigned schedule_view_bound(unsigned n, unsigned f, unsigned weight)
{
	must(f < n && n < SCHEDULE_CYCLE && weight < SCHEDULE_CYCLE);
	unsigned all = SCHEDULE_CYCLE * (f + 1);
	/* Views of n * CYCLE that are good at least, if no two evils fall on one. */
	unsigned bad = weight * n + f * SCHEDULE_CYCLE, of = n * SCHEDULE_CYCLE;
	if (f == 0 || bad >= of)
		return f == 0 ? 1 : all;
	unsigned views = (3 * f * of + of - bad - 1) / (of - bad);
	return views < all ? views : all;
}
