/*
 * random.c: random walks, each from one seed: messages lost, doubled and late, partitions, crashes at every
 * point of a turn, clocks that run ahead, and one traitor (two of seven) who does what keys permit.  The
 * checkers watch every step; when all is healed, the chain must go on within a bound of virtual time.
 *
 * QUORATE_SEED=N walks from that seed alone and tells its story; QUORATE_SEEDS=N walks from the first N.
 * Links: scenario_world
 */
#include "world.h"

#define SEEDS 150
#define HEAL_MS                                                                                    \
	60000 /* the longest run of faulty proposers, each at the capped time-out, many times over \
	       */

static unsigned die(struct world *w, unsigned sides)
{
	return (unsigned)world_random(w, sides);
}

static uint64_t some(struct world *w)
{
	return world_random(w, UINT64_C(1) << w->n);
}

/* ---- the traitor ------------------------------------------------------------------ */

enum deed { EQUIVOCATE, DOUBLE_VOTE, SELECTIVE_VOTE, HIDE, LEAD, SPAM, CLAIM, DEEDS };

static uint64_t highest_view(const struct world *w)
{
	uint64_t view = 0;
	for (unsigned i = 0; i < w->n; i++)
		if (w->r[i].e && world_status(w, i).asked.n > view)
			view = world_status(w, i).asked.n;
	return view;
}

static struct wblock *some_block(struct world *w)
{
	size_t recent = w->block_cnt < 8 ? w->block_cnt : 8;
	return recent ? w->blocks[w->block_cnt - 1 - world_random(w, recent)] : NULL;
}

/* Proposes a block, on any block or none, in a view that it leads. */
static void equivocate(struct world *w, unsigned t)
{
	struct wblock *below = some_block(w);
	uint64_t view = highest_view(w);
	while (view % w->n != t)
		view++;
	if (die(w, 3) == 0 && below)
		below = world_block(w, &below->header.parent);
	uint64_t height = below ? below->header.height.n + 1 : 1;
	const struct wblock *a = traitor_block(w, t, height, below ? &below->hash : &w->g.chain);
	const struct wblock *b = traitor_block(w, t, height, below ? &below->hash : &w->g.chain);
	uint64_t mask = some(w);
	traitor_propose(w, t, view, a, mask);
	traitor_propose(w, t, view, b, ~mask);
	traitor_vote(w, t, QCOMMIT, view, die(w, 2) ? a : b, some(w));
}

static void double_vote(struct world *w, unsigned t)
{
	uint64_t view = highest_view(w);
	for (unsigned k = 0; k < 2 && w->block_cnt; k++) {
		traitor_vote(w, t, QPREPARE, view - (view && die(w, 3) == 0), some_block(w), some(w));
		traitor_vote(w, t, QCOMMIT, view - (view && die(w, 3) == 0), some_block(w), some(w));
	}
}

/* Helps each time somebody only. */
static void selective_vote(struct world *w, unsigned t)
{
	if (w->block_cnt == 0)
		return;
	const struct wblock *b = w->blocks[w->block_cnt - 1];
	uint64_t view = highest_view(w);
	traitor_vote(w, t, QPREPARE, view, b, some(w));
	traitor_vote(w, t, QCOMMIT, view, b, some(w));
}

/* Asks for the view that is asked for, or the next, and hides all it knows. */
static void hide(struct world *w, unsigned t)
{
	struct claim nothing = {0};
	uint64_t view = highest_view(w) + die(w, 2);
	if (view)
		traitor_view_change(w, t, view, &nothing, some(w) | some(w));
}

/* Leads a view with whatever VIEW-CHANGEs suit it. */
static void lead(struct world *w, unsigned t)
{
	struct claim nothing = {0};
	uint64_t view = highest_view(w), changes = 0;
	unsigned cnt = 0;
	if (view % w->n != t || view == 0)
		return;
	if (!check_view_change_of(w, t, view))
		traitor_view_change(w, t, view, &nothing, 0);
	for (unsigned k = die(w, w->n), tried = 0; cnt < w->q && tried < w->n; k = (k + 1) % w->n, tried++)
		if (check_view_change_of(w, k, view)) {
			changes |= ONLY(k);
			cnt++;
		}
	if (cnt >= w->q)
		traitor_new_view(w, t, view, changes, some(w) | some(w));
}

static void spam(struct world *w, unsigned t)
{
	struct claim nothing = {0};
	struct qmessage status = {.kind = QSTATUS};
	uint64_t view = die(w, 2) ? UINT64_MAX - die(w, 9) : highest_view(w) + 1 + die(w, 20);
	status.qmessage_u.status.asked = status.qmessage_u.status.entered = qview_of(view);
	status.qmessage_u.status.tip = status.qmessage_u.status.executed = qheight_of(UINT64_MAX - die(w, 9));
	traitor_message(w, t, &status, some(w));
	traitor_view_change(w, t, view, &nothing, some(w));
}

/* Asks for the next view with any certificates that there are. */
static void claim(struct world *w, unsigned t)
{
	struct claim c = {0};
	struct qcert cert;
	uint64_t view = highest_view(w) + die(w, 2), below = 0;
	unsigned cnt = 0;
	for (size_t k = 0; k < w->block_cnt && view && cnt < 4; k++) {
		const struct wblock *b = w->blocks[k];
		uint64_t of = world_random(w, view);
		if (die(w, 2) || !b->leaves)
			continue;
		if (cnt == 0 && traitor_cert(w, QCOMMIT, of, b, &cert)) {
			wire_free(WIRE(qcert), &cert);
			c.tip = b;
			c.tip_view = of;
			below = b->header.height.n;
		} else if (b->header.height.n > below && traitor_cert(w, QPREPARE, of, b, &cert)) {
			wire_free(WIRE(qcert), &cert);
			c.prepared[cnt].block = b;
			c.prepared[cnt++].view = of;
			below = b->header.height.n;
		}
	}
	if (view)
		traitor_view_change(w, t, view, &c, some(w) | some(w));
}

static void misbehave(struct world *w, unsigned t, unsigned deeds)
{
	static void (*const how[DEEDS])(struct world *, unsigned) = {
	    [EQUIVOCATE] = equivocate,
	    [DOUBLE_VOTE] = double_vote,
	    [SELECTIVE_VOTE] = selective_vote,
	    [HIDE] = hide,
	    [LEAD] = lead,
	    [SPAM] = spam,
	    [CLAIM] = claim,
	};
	unsigned deed = die(w, DEEDS);
	if (deeds >> deed & 1)
		how[deed](w, t);
}

/* ---- the world ---------------------------------------------------------------------- */

static void mishap(struct world *w)
{
	unsigned i = die(w, w->n);
	if (w->r[i].traitor)
		return;
	switch (die(w, 8)) {
	case 0:
		if (w->r[i].e)
			w->r[i].crash_at = (enum crash_point)(1 + die(w, CRASH_AFTER_EXECUTE));
		break;
	case 1:
		world_crash(w, i);
		break;
	case 2:
	case 3:
		if (!w->r[i].e)
			world_restart(w, i);
		break;
	case 4:
		world_clear_rules(w);
		world_partition(w, some(w));
		break;
	case 5:
		world_clear_rules(w);
		world_rule(w, DROP, some(w), some(w), (unsigned)world_random(w, 1u << 14),
		           0); /* one way, some kinds */
		break;
	case 6:
		world_clear_rules(w);
		break;
	case 7:
		w->r[i].skew_ms += world_random(w, 1000);
		w->r[i].wall_skew_ms = (int64_t)world_random(w, 4000) - 2000;
		break;
	}
}

static void heal(struct world *w)
{
	world_clear_rules(w);
	world_say(w, "-- all is healed");
	w->chaos = (struct chaos){.delay_max_ms = 5};
	for (unsigned i = 0; i < w->n; i++) {
		w->r[i].crash_at = CRASH_NONE;
		w->r[i].wall_skew_ms = 0;
		if (!w->r[i].e && !w->r[i].traitor)
			world_restart(w, i);
	}
}

/* A third of the walks has no traitor, one in five has seven replicas. */
static struct world *world_of(uint64_t seed)
{
	struct qparams p = world_params();
	unsigned n = seed % 5 == 4 ? 7 : 4;
	uint64_t first = seed / 15 % n, traitors = 0;
	p.timeout_ms = 400;
	p.timeout_cap_ms = 3200;
	if (seed % 3 != 0)
		traitors = ONLY(first) | (n == 7 ? ONLY((first + 1 + seed / 105 % 6) % n) : 0);
	return world_new_with(n, traitors, &p, seed);
}

static void walk(uint64_t seed, bool aloud)
{
	char hint[128];
	struct world *w = world_of(seed);
	uint64_t height = 0;
	snprintf(hint, sizeof hint, "again: QUORATE_SEED=%llu ctest -R scenario/random --verbose",
	         (unsigned long long)seed);
	w->hint = hint;
	w->quiet = !aloud;
	w->share_opened = true;
	w->auto_propose = true;
	unsigned deeds = die(w, 1u << DEEDS) | 1u << die(w, DEEDS), steps = 20 + die(w, 20),
	         odds = 1 + die(w, 6);
	w->chaos =
	    (struct chaos){.drop = die(w, 20), .duplicate = die(w, 20), .delay_max_ms = 1 + die(w, 60)};
	for (unsigned k = 0; k < steps; k++) {
		if (die(w, 3) == 0)
			world_submit(w, some(w));
		if (die(w, 8) < odds)
			mishap(w);
		for (unsigned t = 0; t < w->n; t++)
			if (w->r[t].traitor)
				misbehave(w, t, deeds);
		world_run(w, die(w, 4) ? die(w, 40) : die(w, 1000));
	}
	heal(w);
	for (unsigned i = 0; i < w->n; i++)
		height = world_height(w, i) > height ? world_height(w, i) : height;
	world_submit(w, ALL);
	if (!world_run_to(w, height + 1, HEAL_MS))
		world_broken(w, "no progress within %d ms after all was healed", HEAL_MS);
	if (aloud)
		puts(w->trace);
	world_free(w);
}

static void walks_keep_every_promise(void **state)
{
	const char *one = getenv("QUORATE_SEED"), *many = getenv("QUORATE_SEEDS");
	(void)state;
	if (one) {
		walk(strtoull(one, NULL, 10), true);
		return;
	}
	for (uint64_t seed = 0, end = many ? strtoull(many, NULL, 10) : SEEDS; seed < end; seed++)
		walk(seed, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(walks_keep_every_promise),
	};
	return cmocka_run_group_tests_name("random walks", tests, NULL, NULL);
}
