/*
 * counterexamples.c: traces that broke earlier drafts of the protocol, those that no other story tells.
 * The table of all of them is in tests/exhaustive/README.md.
 * Links: scenario_world
 */
#include "world.h"

static void is_in(const struct world *w, unsigned i, uint64_t view)
{
	assert_int_equal(world_status(w, i).entered.n, view);
	assert_true(world_status(w, i).active);
}

/* What i said when it asked for this view; the caller's. */
static struct message *view_change_on_disk(const struct world *w, unsigned i, uint64_t view)
{
	struct qenvelope env;
	enum open_verdict verdict;
	const struct wrecord *r = disk_find(&w->r[i].disk, REC_VIEW_CHANGE, view, 0);
	assert_non_null(r);
	assert_true(wire_decode(WIRE(qenvelope), r->data.data, r->data.len, &env));
	struct message *m = message_open(&w->g, &env, &verdict);
	wire_free(WIRE(qenvelope), &env);
	assert_non_null(m);
	return m;
}

/*
 * T1 (F9): no transaction is pending anywhere, but a block is in flight, and its proposer dies.  What is
 * accepted or bound above the tip counts as pending, else it stays as it is until the next client comes.
 */
static void a_block_in_flight_is_finished_though_nothing_else_is_pending(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	world_crash(w, 0);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	world_say(w, "-- 0 is gone; no client waits");
	world_run(w, 900);
	for (unsigned i = 1; i < 4; i++)
		is_in(w, i, 0);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0); /* nobody is told again what was lost */
	world_run(w, 3000);
	for (unsigned i = 1; i < 4; i++) {
		assert_true(world_status(w, i).entered.n >= 1);
		assert_ptr_equal(world_executed(w, i, 1), a);
	}
	world_end(w, __func__);
}

/*
 * F12: 3 has missed view 1, but knows a block that was certified in it, when it asks for view 1 itself: the
 * tip's certificate is of the very view that is asked for, and its VIEW-CHANGE is as good as any.
 */
static void a_tip_certified_in_the_view_asked_for_is_normal_in_a_view_change(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ONLY(3), EVERY_KIND & ~KIND(QCOMMIT), 0);
	world_rule(w, DROP, ONLY(3), ALL, EVERY_KIND, 0);
	w->pending = ALL;
	world_time_out(w, BUT(3) & 15);
	world_settle(w);
	for (unsigned i = 0; i < 3; i++)
		is_in(w, i, 1);
	const struct wblock *a = world_propose(w, 1);
	world_settle(w);
	assert_int_equal(world_status(w, 3).tip.n, 1);
	assert_int_equal(world_status(w, 3).asked.n, 0);
	world_say(w, "-- 3 hears that the others ask for view 1, and joins them");
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ONLY(3), EVERY_KIND & ~KIND(QSTATUS), 0);
	world_rule(w, DROP, ONLY(3), ALL, EVERY_KIND, 0);
	world_run(w, 400);
	struct message *m = view_change_on_disk(w, 3, 1);
	assert_int_equal(m->m.qmessage_u.view_change.tip.tip_val->vote.view.n, 1);
	message_unref(m);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	world_say(w, "-- without 0, nobody can have a V without what 3 says");
	world_crash(w, 0);
	world_time_out(w, ONLY(1) | ONLY(2) | ONLY(3));
	world_settle(w);
	for (unsigned i = 1; i < 4; i++)
		is_in(w, i, 2);
	assert_ptr_equal(world_executed(w, 1, 1), a);
	world_goes_on(w);
	world_end(w, __func__);
}

/*
 * F8: 2 and 3 PREPARE a block in view 0 and, since no VIEW-CHANGE in V shows it, another one at that height
 * in view 1. That is as it should be: nobody is convicted, and both votes count, each in its view.
 */
static void another_vote_in_a_later_view_convicts_nobody(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QPREPARE), 0);
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	w->pending = ALL;
	world_time_out(w, ALL);
	world_settle(w);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	for (unsigned i = 0; i < 4; i++)
		is_in(w, i, 1);
	const struct wblock *b = world_propose(w, 1);
	world_settle(w);
	assert_ptr_not_equal(a, b);
	for (unsigned i = 0; i < 4; i++) {
		assert_non_null(disk_find(&w->r[i].disk, REC_PREPARE, 0, 1));
		assert_non_null(disk_find(&w->r[i].disk, REC_PREPARE, 1, 1));
		assert_ptr_equal(world_executed(w, i, 1), b);
		assert_int_equal(w->r[i].conflicts, 0);
	}
	world_end(w, __func__);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_block_in_flight_is_finished_though_nothing_else_is_pending),
	    cmocka_unit_test(a_tip_certified_in_the_view_asked_for_is_normal_in_a_view_change),
	    cmocka_unit_test(another_vote_in_a_later_view_convicts_nobody),
	};
	return cmocka_run_group_tests_name("counter-examples", tests, NULL, NULL);
}
