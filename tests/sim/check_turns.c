/*
 * check_turns.c: who may propose, once more: an election by sorting, turns laid out from a list of their
 * intervals, and the shares that this promises.
 */
#include "check_impl.h"

#define CYCLE 127

static const struct qstake_rules *rules_of(const struct checks *c)
{
	const struct genesis *g = &c->sim->g;

	return g->g.proposer.kind == QPROPOSER_STAKE ? &g->g.proposer.qproposer_rules_u.stake : NULL;
}

/* ---- the cycle --------------------------------------------------------------------------------------------
 */

/* Replicas from the one with most to the one with least, of equal ones the lower first. */
static void rank(unsigned n, const wide amount[SIM_REPLICAS_MAX], unsigned order[SIM_REPLICAS_MAX])
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = i;
		for (; at > 0 && amount[order[at - 1]] < amount[i]; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

static void share_out(unsigned n, struct table *t)
{
	wide rest[SIM_REPLICAS_MAX] = {0}, total = 0;
	unsigned order[SIM_REPLICAS_MAX] = {0}, given = 0;

	for (unsigned i = 0; i < n; i++)
		total += t->power[i];
	for (unsigned i = 0; i < n && total > 0; i++) {
		t->weight[i] = (unsigned)(CYCLE * (wide)t->power[i] / total);
		rest[i] = CYCLE * (wide)t->power[i] - t->weight[i] * total;
		given += t->weight[i];
	}
	rank(n, rest, order);
	for (unsigned i = 0; total > 0 && given < CYCLE; i++, given++)
		t->weight[order[i]]++;
}

/* Turn k of weight w lies in [k * 127 / w, (k + 1) * 127 / w), rounded outwards: the first to end comes
 * first. */
static void lay_out(unsigned n, struct table *t)
{
	struct interval {
		unsigned replica, from, to;
		bool taken;
	} list[CYCLE];
	unsigned cnt = 0;

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < t->weight[i]; k++)
			list[cnt++] =
			    (struct interval){.replica = i,
			                      .from = k * CYCLE / t->weight[i],
			                      .to = ((k + 1) * CYCLE + t->weight[i] - 1) / t->weight[i]};
	must(cnt == CYCLE);
	for (unsigned at = 0; at < CYCLE; at++) {
		unsigned best = CYCLE;
		for (unsigned i = 0; i < CYCLE; i++)
			if (!list[i].taken && list[i].from <= at &&
			    (best == CYCLE || list[i].to < list[best].to))
				best = i;
		must(best < CYCLE && list[best].to > at);
		list[best].taken = true;
		t->turns[at] = list[best].replica;
	}
}

void turns_make(const struct genesis *g, struct table *t)
{
	unsigned order[SIM_REPLICAS_MAX] = {0}, places = g->g.proposer.qproposer_rules_u.stake.proposers,
	         holders = 0;
	wide stake[SIM_REPLICAS_MAX] = {0};

	for (unsigned i = 0; i < g->n; i++)
		stake[i] = (wide)t->stakes[i].own + t->stakes[i].delegated;
	rank(g->n, stake, order);
	for (unsigned i = 0; i < places; i++)
		t->power[order[i]] = (uint64_t)stake[order[i]];
	share_out(g->n, t);
	for (unsigned i = 0; i < g->n; i++)
		holders += t->weight[i] > 0;
	if (holders <= g->f) { /* too few to be trusted with all turns */
		memset(t->weight, 0, sizeof t->weight);
		for (unsigned i = 0; i < g->n; i++)
			t->power[i] = 1;
		share_out(g->n, t);
	}
	lay_out(g->n, t);
}

/* ---- who
 * ----------------------------------------------------------------------------------------------------- */

/* The table that decides at this height: of the end of the epoch before the last. NULL: not known yet. */
static const struct table *table_at(const struct checks *c, uint64_t height)
{
	const struct qstake_rules *r = rules_of(c);
	uint64_t first = height - (height - 1) % r->epoch; /* of the height's own epoch */
	uint64_t settled = first > r->epoch ? first - 1 - r->epoch : 0;

	for (size_t i = 0; i < c->table_cnt; i++)
		if (c->tables[i].height == settled)
			return &c->tables[i];
	return NULL;
}

int turns_proposer(const struct checks *c, uint64_t height, uint64_t view)
{
	const struct qstake_rules *r = rules_of(c);
	const struct table *t;

	if (!r)
		return (int)(view % c->sim->n);
	t = height > 0 ? table_at(c, height) : NULL;
	return t ? (int)t->turns[((height - 1) / r->turn + (wide)view) % CYCLE] : -1;
}

/* ---- the chain
 * ------------------------------------------------------------------------------------------------- */

static uint64_t highest_view(const struct checks *c)
{
	uint64_t view = 0;

	for (unsigned i = 0; i < c->sim->n; i++)
		if (sim_honest(c->sim, i) && c->voters[i].entered > view)
			view = c->voters[i].entered;
	return view;
}

/* Up the chain views never fall: the lowest in which its proposer had the turn is no higher than any of its
 * certificates'. */
const char *turns_follow(struct checks *c, const struct qheader *h)
{
	const struct settled *s = settled_at(c, h->height.n);
	uint64_t view = c->lowest_view, tries = rules_of(c) ? CYCLE : c->sim->n;

	while (tries > 0 && turns_proposer(c, h->height.n, view) != (int)h->proposer) {
		view++;
		tries--;
	}
	if (tries == 0)
		return "its proposer has no turn there";
	c->lowest_view = view;
	if (s && s->view < view)
		return "its proposer had no turn up to the view that certified it";
	return view > highest_view(c) && !check_liars(c->sim)
	           ? "its proposer had no turn in any view that was"
	           : NULL;
}

/* ---- views ---- */

static uint64_t longest_run(const struct checks *c, const struct table *t)
{
	uint64_t liars = check_liars(c->sim), run = 0, most = 0;

	/* Twice a whole period: a run may go beyond its end. */
	for (uint64_t view = 0; view < 2 * CYCLE * (uint64_t)c->sim->n; view++) {
		bool bad = (liars >> view % c->sim->n & 1) || (liars >> t->turns[view % CYCLE] & 1);
		run = bad ? run + 1 : 0;
		most = run > most ? run : most;
	}
	return most;
}

uint64_t turns_views(const struct checks *c)
{
	uint64_t most = 0;

	for (size_t i = 0; i < c->table_cnt; i++) {
		uint64_t run = longest_run(c, &c->tables[i]);
		most = run > most ? run : most;
	}
	return most;
}

/* ---- shares
 * ------------------------------------------------------------------------------------------------------ */

static uint64_t epoch_turns(const struct checks *c, const struct table *t, uint64_t had[SIM_REPLICAS_MAX])
{
	const struct qstake_rules *r = rules_of(c);
	uint64_t turns = 0;

	memset(had, 0, SIM_REPLICAS_MAX * sizeof *had);
	for (uint64_t h = 1; h <= c->height; h += r->turn)
		if (table_at(c, h) == t) {
			had[c->chain[h].proposer]++;
			turns++;
		}
	return turns;
}

/* Of L turns that one table decides, a replica with the share p has p L, to less than L / 127 + 2. */
static void shares_of(const struct checks *c, const struct table *t)
{
	uint64_t had[SIM_REPLICAS_MAX], turns = epoch_turns(c, t, had);
	wide total = 0;

	for (unsigned i = 0; i < c->sim->n; i++)
		total += t->power[i];
	for (unsigned i = 0; i < c->sim->n; i++) {
		wide is = CYCLE * total * had[i], due = CYCLE * (wide)t->power[i] * turns;
		if ((is > due ? is - due : due - is) >= total * (turns + 2 * CYCLE))
			sim_broken(c->sim,
			           "shares: replica %u had %" PRIu64 " of %" PRIu64
			           " turns by the stakes of height %" PRIu64,
			           i, had[i], turns, t->height);
	}
}

void turns_shares(const struct checks *c)
{
	if (!rules_of(c) || c->lowest_view > 0 || highest_view(c) > 0)
		return;
	for (size_t i = 0; i < c->table_cnt; i++)
		shares_of(c, &c->tables[i]);
}
