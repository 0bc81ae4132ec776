/*
 * schedule.c: turns by stake against their promises, for tables of every shape: what each replica has of the
 * cycle, of every stretch of it and of a thousand turns of a chain; elections; the longest run of faulty
 * proposers; epochs; the view of a block.
 *
 * Links: q_rules
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schedule.h"

#define CYCLE SCHEDULE_CYCLE
#define TABLES(n) ((n) <= 7 ? 40u : 6u) /* of each shape */

static const unsigned sizes[] = {1, 4, 7, 10, 16, 31, 64};
#define SIZE_CNT (sizeof sizes / sizeof sizes[0])

__extension__ typedef __int128 wide;

/* ---- chance ------------------------------------------------------------------------ */

static uint64_t dice; /* set anew by each test: a failure repeats itself */

static uint64_t roll(uint64_t below)
{
	uint64_t z = dice += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

/* ---- chains and tables ---------------------------------------------------------------- */

/* What the schedule reads of a genesis. */
static struct genesis chain(unsigned n, unsigned epoch, unsigned turn, unsigned proposers)
{
	struct genesis g = {.n = n, .f = (n - 1) / 3};
	g.g.proposer.kind = QPROPOSER_STAKE;
	g.g.proposer.qproposer_rules_u.stake = genesis_default_stake(n);
	struct qstake_rules *r = &g.g.proposer.qproposer_rules_u.stake;
	r->epoch = epoch;
	r->turn = turn;
	r->proposers = proposers;
	return g;
}

static struct genesis all_propose(unsigned n)
{
	return chain(n, CYCLE * 2, 2, n);
}

struct stakes {
	uint64_t n[Q_REPLICAS_MAX]; /* own and delegated */
};

static uint64_t sum(const struct stakes *s, unsigned n)
{
	uint64_t total = 0;
	for (unsigned i = 0; i < n; i++)
		total += s->n[i];
	return total;
}

/* The schedule of these stakes; how they are divided into own and delegated ones must not matter. */
static struct schedule made(const struct genesis *g, const struct stakes *s, uint64_t height)
{
	struct qstake entries[Q_REPLICAS_MAX];
	struct schedule out;
	for (unsigned i = 0; i < g->n; i++) {
		uint64_t own = roll(4) == 0 ? s->n[i] : s->n[i] / (1 + roll(3));
		entries[i] = (struct qstake){own, s->n[i] - own};
	}
	struct qtable t = {{height}, {g->n, entries}};
	schedule_make(g, &t, &out);
	assert_int_equal(out.settled.n, height);
	return out;
}

enum shape { SPREAD, STEEP, LUMPS, TIES, WHALE, FEW, HUGE_SPREAD, SHAPES };

/* Sums stay within INT64_MAX, as the supply does. */
static struct stakes table(unsigned n, enum shape shape)
{
	struct stakes s = {{0}};
	uint64_t most = (uint64_t)INT64_MAX / n;
	for (unsigned i = 0; i < n; i++) {
		switch (shape) {
		case SPREAD:
			s.n[i] = roll(1000);
			break;
		case STEEP:
			s.n[i] = UINT64_C(1) << roll(56);
			break;
		case LUMPS:
			s.n[i] = roll(3) == 0 ? 0 : 1 + roll(4) * 1000000007;
			break;
		case TIES:
			s.n[i] = 5 + roll(2);
			break;
		case WHALE:
			s.n[i] = 1 + roll(100);
			break;
		case FEW:
			s.n[i] = i < n / 2 ? 0 : roll(50);
			break;
		case HUGE_SPREAD:
			s.n[i] = most - roll(most);
			break;
		case SHAPES:
			break;
		}
	}
	if (shape == WHALE)
		s.n[roll(n)] = 1 + roll(1000000);
	return s;
}

static unsigned holders(const struct schedule *s, unsigned n)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < n; i++)
		cnt += s->weight[i] > 0;
	return cnt;
}

/* Calls f with random tables of every shape and size. */
static void for_tables(void (*f)(const struct genesis *g, const struct stakes *s))
{
	dice = 1;
	for (size_t k = 0; k < SIZE_CNT; k++) {
		struct genesis g = all_propose(sizes[k]);
		for (enum shape shape = SPREAD; shape < SHAPES; shape++) {
			for (unsigned i = 0; i < TABLES(sizes[k]); i++) {
				struct stakes s = table(sizes[k], shape);
				f(&g, &s);
			}
		}
	}
}

/* ---- the cycle ------------------------------------------------------------------------- */

/* Has each replica its part of the cycle to less than one turn? */
static bool shares(const struct schedule *s, const struct stakes *stakes, unsigned n)
{
	wide total = sum(stakes, n);
	for (unsigned i = 0; i < n; i++) {
		wide off = (wide)s->weight[i] * total - (wide)stakes->n[i] * CYCLE;
		if (off >= total || off <= -total)
			return false;
	}
	return true;
}

/* How many have a turn whatever becomes of the remainders. */
static unsigned sure_of_a_turn(const struct stakes *s, unsigned n)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < n; i++)
		cnt += s->n[i] > 0 && (wide)s->n[i] * CYCLE >= sum(s, n);
	return cnt;
}

/* The stakes that count: those that are given, or, only where too few would have a turn, all alike. */
static struct stakes in_force(const struct genesis *g, const struct stakes *given, const struct schedule *s)
{
	struct stakes alike = {{0}};
	if (shares(s, given, g->n) && !s->alike)
		return *given;
	assert_true(s->alike);
	assert_true(sure_of_a_turn(given, g->n) <= g->f);
	for (unsigned i = 0; i < g->n; i++)
		alike.n[i] = 1;
	return alike;
}

static void check_weights(const struct genesis *g, const struct stakes *given)
{
	struct schedule s = made(g, given, 0);
	struct stakes stakes = in_force(g, given, &s);
	unsigned turns = 0;
	assert_true(shares(&s, &stakes, g->n));
	for (unsigned i = 0; i < g->n; i++)
		turns += s.weight[i];
	assert_int_equal(turns, CYCLE);
}

static void the_turns_of_a_cycle_are_shared_to_within_one(void **state)
{
	(void)state;
	for_tables(check_weights);
}

static void check_stretches(const struct genesis *g, const struct stakes *stakes)
{
	struct schedule s = made(g, stakes, 0);
	for (unsigned i = 0; i < g->n; i++) {
		int had[2 * CYCLE + 1] = {0}, w = s.weight[i];
		for (int k = 0; k < 2 * CYCLE; k++) {
			assert_true(s.turns[k % CYCLE] < g->n);
			had[k + 1] = had[k] + (s.turns[k % CYCLE] == i);
		}
		assert_int_equal(had[CYCLE], w);
		for (int len = 1; len <= CYCLE; len++) {
			int off = had[len] * CYCLE - len * w; /* the first so many turns */
			assert_in_range(off + CYCLE, 1, 2 * CYCLE - 1);
			for (int from = 1; from < CYCLE; from++) {
				off = (had[from + len] - had[from]) * CYCLE - len * w;
				assert_in_range(off + 2 * CYCLE, 1, 4 * CYCLE - 1);
			}
		}
	}
}

/* The first ones to less than one turn, any others to less than two. */
static void every_stretch_of_the_cycle_is_shared_as_the_cycle_is(void **state)
{
	(void)state;
	for_tables(check_stretches);
}

/* Turns are part of what blocks are judged by: they never change. */
static void a_table_has_its_recorded_turns(void **state)
{
	(void)state;
	static const char turns[] = "0102103012010210301201021030120102103012010210301201021030120101"
	                            "203012010120301201012030120101203012010120301201012030120101023";
	struct genesis g = all_propose(4);
	struct stakes stakes = {{40, 30, 20, 10}};
	struct schedule s = made(&g, &stakes, 0);
	assert_int_equal(sizeof turns - 1, CYCLE);
	for (unsigned k = 0; k < CYCLE; k++)
		assert_int_equal(s.turns[k], turns[k] - '0');
	assert_memory_equal(s.weight, ((uint8_t[]){51, 38, 25, 13}), 4);
}

/* ---- who has turns ------------------------------------------------------------------------ */

static void assert_all_alike(const struct genesis *g, const struct stakes *stakes)
{
	struct schedule s = made(g, stakes, 0);
	for (unsigned i = 0; i < g->n; i++) /* of equal ones the lower index */
		assert_int_equal(s.weight[i], CYCLE / g->n + (i < CYCLE % g->n));
	assert_true(s.alike || stakes->n[0] == stakes->n[g->n - 1]);
}

static void check_who_proposes(const struct genesis *g, const struct stakes *stakes)
{
	struct schedule s = made(g, stakes, 0);
	assert_true(holders(&s, g->n) >= g->f + 1);
	if (sure_of_a_turn(stakes, g->n) <= g->f)
		return; /* perhaps all alike */
	for (unsigned i = 0; i < g->n; i++) {
		for (unsigned k = 0; k < g->n; k++)
			assert_true(stakes->n[i] <= stakes->n[k] || s.weight[i] >= s.weight[k]);
		for (unsigned k = 0; k < CYCLE; k++)
			assert_true(s.turns[k] != i || stakes->n[i] > 0);
	}
}

static void who_has_no_stake_never_proposes_and_more_stake_is_no_fewer_turns(void **state)
{
	(void)state;
	for_tables(check_who_proposes);
}

/* Of f + 1 there is an honest one; fewer could stop the chain. */
static void where_fewer_than_f_plus_1_would_have_turns_all_count_alike(void **state)
{
	(void)state;
	for (size_t k = 0; k < SIZE_CNT; k++) {
		unsigned n = sizes[k];
		struct genesis g = all_propose(n);
		struct stakes s = {{0}};
		assert_all_alike(&g, &s); /* nobody has any stake */
		for (unsigned i = 0; i < g.f; i++) {
			s.n[n - 1 - i] = 100;
			assert_all_alike(&g, &s);
		}
		s.n[n - 1 - g.f] = 100; /* the f + 1st */
		struct schedule by_stake = made(&g, &s, 0);
		assert_false(by_stake.alike);
		assert_int_equal(holders(&by_stake, n), g.f + 1);
		for (unsigned i = 0; i < n - 1 - g.f; i++)
			assert_int_equal(by_stake.weight[i], 0);
		if (n == 1)
			continue;
		s.n[n - 1] = INT64_MAX - 100 * (n - 1); /* now the others have less than a turn each */
		assert_all_alike(&g, &s);
	}
}

static void extreme_stakes_are_shared_exactly(void **state)
{
	(void)state;
	for (size_t k = 0; k < SIZE_CNT; k++) {
		unsigned n = sizes[k];
		struct genesis g = all_propose(n);
		struct stakes s = {{0}};
		s.n[n / 2] = INT64_MAX; /* all in one hand */
		if (n > 1)
			assert_all_alike(&g, &s);
		else
			assert_int_equal(made(&g, &s, 0).weight[0], CYCLE);
		for (unsigned i = 0; i < n; i++)
			s.n[i] = 1; /* a unit each */
		assert_all_alike(&g, &s);
		for (unsigned i = 0; i < n; i++)
			s.n[i] = (uint64_t)INT64_MAX / n; /* all there is, divided equally */
		assert_all_alike(&g, &s);
		s.n[0] += (uint64_t)INT64_MAX % n;
		assert_int_equal(sum(&s, n), INT64_MAX);
		check_weights(&g, &s);
		check_stretches(&g, &s);
	}
	/* Two halves but for the rest; a third of one unit of 2^63. */
	struct genesis g = all_propose(4);
	struct stakes s = {{INT64_MAX / 2, INT64_MAX / 2, 0, 1}};
	struct schedule two = made(&g, &s, 0);
	assert_memory_equal(two.weight, ((uint8_t[]){64, 63, 0, 0}), 4);
}

/* Sorted by hand: the `places` largest, of equal ones the lower index. */
static void keep_elected(struct stakes *s, unsigned n, unsigned places)
{
	bool in[Q_REPLICAS_MAX] = {false};
	for (unsigned k = 0; k < places; k++) {
		unsigned best = n;
		for (unsigned i = 0; i < n; i++)
			if (!in[i] && (best == n || s->n[i] > s->n[best]))
				best = i;
		in[best] = true;
	}
	for (unsigned i = 0; i < n; i++)
		s->n[i] = in[i] ? s->n[i] : 0;
}

static void only_the_elected_propose(void **state)
{
	(void)state;
	dice = 2;
	for (size_t k = 1; k < SIZE_CNT; k++) {
		unsigned n = sizes[k];
		for (unsigned i = 0; i < 8 * TABLES(n); i++) {
			struct genesis every = all_propose(n), g = every;
			unsigned places = g.f + 1 + (unsigned)roll(n - g.f);
			struct stakes s = table(n, (enum shape)roll(SHAPES));
			g.g.proposer.qproposer_rules_u.stake.proposers = places;
			struct schedule elected = made(&g, &s, 7);
			keep_elected(&s, n, places);
			struct schedule want = made(&every, &s, 7);
			assert_memory_equal(&elected, &want, sizeof want);
			if (holders(&elected, n) > places) /* the fallback */
				assert_all_alike(&g, &s);
		}
	}
	struct genesis g = chain(7, CYCLE, 1, 3);
	struct stakes ties = {{5, 9, 5, 5, 9, 5, 5}};
	struct schedule s = made(&g, &ties, 0);
	assert_true(s.weight[0] > 0 && s.weight[1] > 0 && s.weight[4] > 0);
	assert_int_equal(holders(&s, 7), 3);
}

/* ---- a thousand turns of a chain -------------------------------------------------------- */

#define THOUSAND 1000
#define STORY_MAX 8000
#define EPOCHS_MAX 256

/* Turns as they were had, those that failed included; and what share of each was whose by stake. */
struct story {
	unsigned n, len;
	unsigned epoch[STORY_MAX], who[STORY_MAX];
	double share[EPOCHS_MAX][Q_REPLICAS_MAX];
};

typedef void next_table(struct stakes *s, unsigned n, unsigned epoch);

static void had(struct story *story, const struct schedule *s, const struct genesis *g, uint64_t height,
                uint64_t view)
{
	assert_true(story->len < STORY_MAX);
	story->epoch[story->len] = (unsigned)((height - 1) / stake_rules(g)->epoch);
	story->who[story->len++] = schedule_proposer(g, s, qheight_of(height), qview_of(view));
}

/* Lives through some epochs; about one turn in `calm` fails (0: none does) and the view changes. */
static void live(struct story *story, const struct genesis *g, unsigned epochs, next_table *next,
                 unsigned calm)
{
	const struct qstake_rules *r = stake_rules(g);
	static struct stakes settled[EPOCHS_MAX]; /* [e]: at the beginning of epoch e */
	struct schedule s = {.settled.n = UINT64_MAX};
	uint64_t view = 0;
	assert_true(epochs <= EPOCHS_MAX);
	memset(settled, 0, sizeof settled);
	*story = (struct story){.n = g->n};
	for (unsigned e = 0; e < epochs; e++) {
		if (e > 0)
			settled[e] = settled[e - 1];
		next(&settled[e], g->n, e);
	}
	for (uint64_t h = 1; h <= (uint64_t)epochs * r->epoch; h += r->turn) {
		uint64_t at = schedule_settled(r, qheight_of(h)).n;
		const struct stakes *t = &settled[at / r->epoch];
		if (s.settled.n != at)
			s = made(g, t, at);
		struct stakes counts = in_force(g, t, &s);
		for (unsigned i = 0; i < g->n; i++)
			story->share[(h - 1) / r->epoch][i] =
			    (double)counts.n[i] / (double)sum(&counts, g->n);
		for (; calm > 0 && roll(calm) == 0; view++)
			had(story, &s, g, h, view);
		had(story, &s, g, h, view);
	}
}

/*
 * Is every stretch of 1,000 turns fair to everybody?  A table's part of it is: to one turn a cycle, and two
 * more if it is not whole cycles.
 */
static void assert_fair(const struct story *story)
{
	assert_true(story->len > 2 * THOUSAND);
	for (unsigned from = 0; from + THOUSAND <= story->len; from += 1 + from % 7) {
		double due[Q_REPLICAS_MAX] = {0}, slack = 1e-6;
		unsigned turns[Q_REPLICAS_MAX] = {0};
		for (unsigned at = from, len; at < from + THOUSAND; at += len) {
			for (len = 0;
			     at + len < from + THOUSAND && story->epoch[at + len] == story->epoch[at]; len++)
				turns[story->who[at + len]]++;
			slack += (double)len / CYCLE + (len % CYCLE == 0 ? 0 : 2);
			for (unsigned i = 0; i < story->n; i++)
				due[i] += len * story->share[story->epoch[at]][i];
		}
		for (unsigned i = 0; i < story->n; i++)
			if (turns[i] > due[i] + slack || turns[i] + slack < due[i])
				fail_msg("n %u: of turns %u to %u replica %u had %u; %.2f are its due",
				         story->n, from, from + THOUSAND - 1, i, turns[i], due[i]);
	}
}

static void for_chains(unsigned epoch, unsigned turn, unsigned epochs, next_table *next, unsigned calm)
{
	static struct story story;
	dice = epoch;
	for (size_t k = 0; k < SIZE_CNT; k++) {
		struct genesis g = chain(sizes[k], epoch, turn, sizes[k]);
		live(&story, &g, epochs, next, calm);
		assert_fair(&story);
	}
}

/* ---- what may become of stakes from one epoch to the next */

static void another(struct stakes *s, unsigned n, unsigned epoch)
{
	(void)epoch;
	*s = table(n, (enum shape)roll(SHAPES));
}

/* f + 1 replicas hold nearly all, others at each epoch's end. */
static void all_moves(struct stakes *s, unsigned n, unsigned epoch)
{
	for (unsigned i = 0; i < n; i++)
		s->n[i] = (i + epoch) % n <= (n - 1) / 3 ? 1000000 + i : i % 3;
}

/* What was bonded just before an epoch's end is gone at the next. */
static void comes_and_goes(struct stakes *s, unsigned n, unsigned epoch)
{
	for (unsigned i = 0; i < n; i++)
		s->n[i] = 1000 + 10 * i;
	if (epoch % 2 == 1)
		s->n[epoch / 2 % n] += 1000 * n;
}

/* Replica 0 has one part in 100 always, the others whatever suits them. */
static void all_but_the_first(struct stakes *s, unsigned n, unsigned epoch)
{
	(void)epoch;
	uint64_t rest = n == 1 ? 0 : 99000;
	s->n[0] = 1000;
	for (unsigned i = 1; i < n; i++) {
		s->n[i] = i == n - 1 ? rest : roll(rest / 2 + 1);
		rest -= s->n[i];
	}
}

static void stays(struct stakes *s, unsigned n, unsigned epoch)
{
	if (epoch > 0)
		return;
	for (unsigned i = 0; i < n; i++)
		s->n[i] = 50 + 3 * (i % 5);
}

static void any_thousand_turns_are_shared_by_stake_whatever_moves(void **state)
{
	static next_table *const nexts[] = {another, all_moves, comes_and_goes, all_but_the_first, stays};
	(void)state;
	for (size_t i = 0; i < sizeof nexts / sizeof *nexts; i++) {
		for_chains(CYCLE * 2, 2, 20, nexts[i], 0);
		for_chains(CYCLE * 2, 2, 20, nexts[i], 50);
		for_chains(CYCLE * 3, 1, 8, nexts[i], 0);
		for_chains(2048, 16, 20, nexts[i], 0); /* one turn more than a cycle */
		for_chains(256, 16, 150, nexts[i], 0); /* an eighth of one */
	}
}

static void epochs_of_whole_cycles_are_what_the_defaults_make(void **state)
{
	(void)state;
	struct qstake_rules r = genesis_default_stake(4);
	assert_int_equal(r.epoch % (CYCLE * r.turn), 0);
}

/* Whatever the others do with theirs. */
static void with_epochs_of_whole_cycles_every_epoch_gives_a_stake_its_turns(void **state)
{
	static struct story story;
	(void)state;
	for (size_t k = 1; k < SIZE_CNT; k++) {
		struct genesis g = all_propose(sizes[k]);
		dice = 5;
		live(&story, &g, 20, all_but_the_first, 0);
		for (unsigned from = 0; from < story.len; from += CYCLE) {
			unsigned turns = 0;
			for (unsigned t = from; t < from + CYCLE; t++)
				turns += story.who[t] == 0;
			assert_in_range(turns, 1, 2); /* 1.27 are its due */
		}
	}
}

/* An epoch of 16 turns is not the first 16 of the cycle each time. */
static void where_epochs_are_short_everybody_has_turns_yet(void **state)
{
	static struct story story;
	(void)state;
	struct genesis g = chain(31, 256, 16, 31);
	live(&story, &g, 150, stays, 0);
	for (unsigned from = 0; from + CYCLE <= story.len; from++) {
		bool seen[31] = {false};
		for (unsigned t = from; t < from + CYCLE; t++)
			seen[story.who[t]] = true;
		for (unsigned i = 0; i < 31; i++)
			assert_true(seen[i]);
	}
	for (unsigned i = 0; i < 31; i++) { /* of a table that stays the epochs' ends cut nothing */
		int turns = 0;
		for (unsigned t = 0; t < THOUSAND; t++)
			turns += story.who[t] == i;
		double off = turns - THOUSAND * story.share[0][i];
		assert_true(off < THOUSAND / CYCLE + 2 && off > -THOUSAND / CYCLE - 2);
	}
}

/* ---- runs of the faulty -------------------------------------------------------------------- */

struct faulty {
	bool is[Q_REPLICAS_MAX];
	unsigned cnt, holders, weight;
};

static struct faulty faulty_of(const struct schedule *s, unsigned n, uint64_t mask)
{
	struct faulty f = {.cnt = 0};
	for (unsigned i = 0; i < n; i++) {
		f.is[i] = mask >> i & 1;
		f.cnt += f.is[i];
		f.holders += f.is[i] && s->weight[i] > 0;
		f.weight += f.is[i] ? s->weight[i] : 0;
	}
	return f;
}

/* Turns in a row, and views in a row: all pairs of (v mod n, v mod CYCLE) come about, and then again. */
static void check_runs_of(const struct schedule *s, unsigned n, uint64_t mask)
{
	struct faulty f = faulty_of(s, n, mask);
	unsigned turns = 0, views = 0;
	for (unsigned v = 0; v < 2 * n * CYCLE; v++) {
		bool bad = f.is[s->turns[v % CYCLE]];
		turns = bad ? turns + 1 : 0;
		assert_true(turns <= schedule_run_bound(f.holders, f.weight));
		views = bad || f.is[v % n] ? views + 1 : 0;
		assert_true(views < schedule_view_bound(n, f.cnt, f.weight));
	}
}

static uint64_t random_mask(unsigned n, unsigned cnt)
{
	uint64_t mask = 0;
	while (cnt > 0) {
		uint64_t bit = UINT64_C(1) << roll(n);
		cnt -= !(mask & bit);
		mask |= bit;
	}
	return mask;
}

static unsigned bits(uint64_t mask)
{
	unsigned cnt = 0;
	for (; mask; mask &= mask - 1)
		cnt++;
	return cnt;
}

static void check_runs(const struct genesis *g, const struct stakes *stakes)
{
	struct schedule s = made(g, stakes, 0);
	if (g->n > 7) {
		for (unsigned i = 0; i < 4; i++)
			check_runs_of(&s, g->n, random_mask(g->n, g->f));
		return;
	}
	for (uint64_t mask = 0; mask < UINT64_C(1) << g->n; mask++)
		if (bits(mask) <= g->f)
			check_runs_of(&s, g->n, mask);
}

static void faulty_proposers_never_have_more_turns_or_views_in_a_row_than_promised(void **state)
{
	(void)state;
	for_tables(check_runs);
}

static void the_bounds_are_what_they_are_said_to_be(void **state)
{
	(void)state;
	assert_int_equal(schedule_run_bound(0, 0), 0);
	assert_int_equal(schedule_run_bound(1, 1), 1);
	assert_int_equal(schedule_run_bound(1, CYCLE / 3), 2);  /* less than 2 / (1 - 1/3) = 3 */
	assert_int_equal(schedule_run_bound(5, CYCLE / 3), 14); /* less than 15 */
	assert_int_equal(schedule_run_bound(1, CYCLE - 1), CYCLE - 1);
	assert_int_equal(schedule_view_bound(1, 0, 0), 1);
	for (unsigned f = 1; f <= 21; f++)
		for (unsigned weight = 0; weight <= CYCLE / 3; weight++) {
			assert_in_range(schedule_view_bound(3 * f + 1, f, weight), f + 1, 9 * f);
			assert_true(schedule_run_bound(f, weight) < 3 * f);
		}
	assert_int_equal(schedule_view_bound(4, 1, CYCLE - 1), 2 * CYCLE);
	for (unsigned n = 1; n <= Q_REPLICAS_MAX; n++) /* no common factor: each pair comes about */
		assert_int_not_equal(CYCLE % (n == 1 ? 2 : n), 0);
}

/* ---- heights ---------------------------------------------------------------------------------- */

static void epochs_end_and_settle_where_they_should(void **state)
{
	(void)state;
	const struct qstake_rules r = {.epoch = 100, .turn = 10};
	static const struct {
		uint64_t height, settled;
		bool ends;
	} want[] = {
	    {1, 0, false},
	    {99, 0, false},
	    {100, 0, true},
	    {101, 0, false},
	    {200, 0, true},
	    {201, 100, false},
	    {300, 100, true},
	    {301, 200, false},
	    {1000, 800, true},
	    {1001, 900, false},
	    {UINT64_C(1) << 62, UINT64_C(4611686018427387800), false}, /* 2^62 = ...7904 */
	    {UINT64_MAX, UINT64_C(18446744073709551500), false},       /* ...1615 */
	};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct qheight h = qheight_of(want[i].height);
		assert_int_equal(schedule_settled(&r, h).n, want[i].settled);
		assert_int_equal(schedule_epoch_ends(&r, h), want[i].ends);
	}
	assert_false(schedule_epoch_ends(&r, qheight_of(0)));
	for (uint64_t h = 1, settled = 0, before = 0; h <= 1000; h++) { /* as one who counts along sees it */
		assert_int_equal(schedule_settled(&r, qheight_of(h)).n, before);
		assert_true(h - before > 100 || before == 0);
		if (schedule_epoch_ends(&r, qheight_of(h))) {
			before = settled;
			settled = h;
		}
	}
}

static void a_turn_is_so_many_heights_of_one_proposer(void **state)
{
	(void)state;
	struct genesis g = chain(4, 5 * CYCLE, 5, 4);
	struct stakes stakes = {{4, 3, 2, 1}};
	struct schedule s = made(&g, &stakes, 0);
	for (uint64_t h = 1; h <= 2 * 5 * CYCLE; h++) /* the first two epochs are decided by one table */
		for (uint64_t v = 0; v < 3; v++)
			assert_int_equal(schedule_proposer(&g, &s, qheight_of(h), qview_of(v)),
			                 s.turns[((h - 1) / 5 + v) % CYCLE]);
}

static void where_the_primary_proposes_heights_and_stakes_do_not_matter(void **state)
{
	(void)state;
	struct genesis g = {.n = 7, .f = 2};
	for (uint64_t v = UINT64_MAX - 20; v > 20; v++) /* till it wraps */
		assert_int_equal(schedule_proposer(&g, NULL, qheight_of(v), qview_of(v)), v % 7);
}

/* ---- the view of a block -------------------------------------------------------------------- */

static bool dumb_view_of(const struct genesis *g, const struct schedule *s, struct qheight h,
                         unsigned proposer, uint64_t *v)
{
	for (uint64_t at = *v, tries = 0; tries < 3 * CYCLE; tries++, at++) {
		if (schedule_proposer(g, s, h, qview_of(at)) == proposer) {
			*v = at;
			return true;
		}
		if (at == UINT64_MAX)
			return false;
	}
	return false;
}

static void check_view_of(const struct genesis *g, const struct schedule *s, uint64_t height, uint64_t from)
{
	struct qheight h = qheight_of(height);
	for (unsigned i = 0; i <= g->n + 1; i++) { /* two that do not exist */
		struct qview v = qview_of(from);
		uint64_t want = from;
		bool is = schedule_view_of(g, s, h, i, &v);
		assert_int_equal(is, dumb_view_of(g, s, h, i, &want));
		assert_int_equal(v.n, want); /* left as it was where there is none */
	}
}

static void the_view_of_a_block_is_the_lowest_in_which_it_could_be_proposed(void **state)
{
	(void)state;
	dice = 3;
	for (size_t k = 0; k < SIZE_CNT; k++) {
		struct genesis g = all_propose(sizes[k]), by_primary = {.n = sizes[k]};
		struct stakes stakes = table(sizes[k], LUMPS);
		stakes.n[0] = 0;
		struct schedule s = made(&g, &stakes, 0);
		for (uint64_t height = 1; height <= 2 * stake_rules(&g)->epoch; height += 1 + height / 4)
			for (uint64_t v = 0; v < 2 * CYCLE; v += 1 + v / 8) {
				check_view_of(&g, &s, height, v);
				check_view_of(&g, &s, height, UINT64_MAX - v);
				check_view_of(&by_primary, NULL, height, v);
				check_view_of(&by_primary, NULL, height, UINT64_MAX - v);
			}
	}
}

/* As far ahead as a cycle, or as views there are. */
static void a_replica_of_one_turn_has_one_view_of_a_cycle(void **state)
{
	(void)state;
	struct genesis g = chain(4, 3 * CYCLE, 3, 4);
	struct stakes stakes = {{500, 600, 10, 0}};
	struct schedule s = made(&g, &stakes, 0);
	unsigned at = 0;
	assert_int_equal(s.weight[2], 1);
	while (s.turns[at] != 2)
		at++;
	for (unsigned turn = 0; turn < CYCLE; turn++) {
		struct qheight h = qheight_of(1 + 3 * turn);
		for (unsigned from = 0; from < CYCLE; from++) {
			struct qview v = qview_of(from);
			assert_true(schedule_view_of(&g, &s, h, 2, &v));
			assert_in_range(v.n, from, from + CYCLE - 1);
			assert_int_equal((turn + v.n) % CYCLE, at);
		}
		check_view_of(&g, &s, h.n, UINT64_MAX - roll(2 * CYCLE));
	}
}

static void the_largest_heights_and_views_have_a_proposer(void **state)
{
	(void)state;
	struct genesis g = chain(4, CYCLE, 1, 4);
	struct stakes stakes = {{4, 3, 2, 1}};
	struct qheight last = qheight_of(UINT64_MAX);
	struct schedule s = made(&g, &stakes, schedule_settled(stake_rules(&g), last).n);
	/* 2^64 is 2 mod 127, since 2^7 is 1: the turn is 0, the view 1. */
	assert_int_equal(schedule_proposer(&g, &s, last, qview_of(UINT64_MAX)), s.turns[1]);
	for (uint64_t h = 1; h <= CYCLE; h++) {
		s.settled = qheight_of(0);
		assert_int_equal(schedule_proposer(&g, &s, qheight_of(h), qview_of(UINT64_MAX)),
		                 s.turns[h % CYCLE]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_turns_of_a_cycle_are_shared_to_within_one),
	    cmocka_unit_test(every_stretch_of_the_cycle_is_shared_as_the_cycle_is),
	    cmocka_unit_test(a_table_has_its_recorded_turns),
	    cmocka_unit_test(who_has_no_stake_never_proposes_and_more_stake_is_no_fewer_turns),
	    cmocka_unit_test(where_fewer_than_f_plus_1_would_have_turns_all_count_alike),
	    cmocka_unit_test(extreme_stakes_are_shared_exactly),
	    cmocka_unit_test(only_the_elected_propose),
	    cmocka_unit_test(any_thousand_turns_are_shared_by_stake_whatever_moves),
	    cmocka_unit_test(epochs_of_whole_cycles_are_what_the_defaults_make),
	    cmocka_unit_test(with_epochs_of_whole_cycles_every_epoch_gives_a_stake_its_turns),
	    cmocka_unit_test(where_epochs_are_short_everybody_has_turns_yet),
	    cmocka_unit_test(faulty_proposers_never_have_more_turns_or_views_in_a_row_than_promised),
	    cmocka_unit_test(the_bounds_are_what_they_are_said_to_be),
	    cmocka_unit_test(epochs_end_and_settle_where_they_should),
	    cmocka_unit_test(a_turn_is_so_many_heights_of_one_proposer),
	    cmocka_unit_test(where_the_primary_proposes_heights_and_stakes_do_not_matter),
	    cmocka_unit_test(the_view_of_a_block_is_the_lowest_in_which_it_could_be_proposed),
	    cmocka_unit_test(a_replica_of_one_turn_has_one_view_of_a_cycle),
	    cmocka_unit_test(the_largest_heights_and_views_have_a_proposer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
