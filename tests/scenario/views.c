/*
 * views.c: view changes: silent proposers, blocks carried over, late replicas, the traces that broke
 * earlier drafts of the protocol (F2, F3, F11 to F13; more in forks.c).
 * Links: scenario_world
 */
#include "world.h"

static void asks(const struct world *w, unsigned i, uint64_t view)
{
	assert_int_equal(world_status(w, i).asked.n, view);
}

static void is_in(const struct world *w, unsigned i, uint64_t view)
{
	assert_int_equal(world_status(w, i).entered.n, view);
	assert_true(world_status(w, i).active);
}

static void voted(const struct world *w, unsigned i, enum vote_record_kind kind, uint64_t view,
                  uint64_t height)
{
	assert_non_null(disk_find(&w->r[i].disk, kind, view, height));
}

static void did_not_vote(const struct world *w, unsigned i, enum vote_record_kind kind, uint64_t view,
                         uint64_t height)
{
	assert_null(disk_find(&w->r[i].disk, kind, view, height));
}

/* VC4: by who gathered a quorum, and no less. */
static void a_silent_proposer_is_replaced(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	(void)state;
	w->auto_propose = true;
	world_submit(w, ONLY(2));
	assert_true(world_run_to(w, 1, 4000));
	for (unsigned i = 1; i < 4; i++)
		is_in(w, i, 1);
	world_end(w, __func__);
}

static void silent_proposers_in_a_row_are_replaced(void **state)
{
	struct world *w = world_new(7, ONLY(0) | ONLY(1));
	(void)state;
	w->auto_propose = true;
	world_submit(w, ONLY(5));
	assert_true(world_run_to(w, 1, 10000));
	for (unsigned i = 2; i < 7; i++)
		is_in(w, i, 2);
	world_end(w, __func__);
}

/* NV3, NV4: what was prepared keeps its bytes. */
static void a_view_change_carries_prepared_blocks(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	const struct wblock *a = world_propose(w, 0);
	const struct wblock *b = world_propose(w, 0);
	world_settle(w);
	world_say(w, "-- no COMMIT arrived; everybody's patience ends");
	world_clear_rules(w);
	world_time_out(w, ALL);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++) {
		is_in(w, i, 1);
		assert_ptr_equal(world_executed(w, i, 1), a);
		assert_ptr_equal(world_executed(w, i, 2), b);
	}
	world_goes_on(w);
	world_end(w, __func__);
}

/* VC3 with f+1 = 2: two are enough to take everybody along, one is not. */
static void f_plus_one_take_everybody_along_and_one_nobody(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->pending = ALL;
	world_time_out(w, ONLY(3));
	world_settle(w);
	for (unsigned i = 0; i < 3; i++)
		is_in(w, i, 0);
	world_say(w, "-- a second one");
	world_time_out(w, ONLY(2));
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		is_in(w, i, 1);
	world_end(w, __func__);
}

static void a_lone_voice_for_a_huge_view_moves_nobody(void **state)
{
	struct world *w = world_new(4, ONLY(3));
	struct claim nothing = {0};
	struct qmessage status = {.kind = QSTATUS};
	(void)state;
	status.qmessage_u.status.asked = status.qmessage_u.status.entered = qview_of(UINT64_MAX);
	traitor_view_change(w, 3, UINT64_MAX, &nothing, ALL);
	traitor_message(w, 3, &status, ALL);
	traitor_view_change(w, 3, UINT64_MAX - 4, &nothing, ALL);
	traitor_view_change(w, 3, 7, &nothing, ALL);
	world_settle(w);
	for (unsigned i = 0; i < 3; i++)
		is_in(w, i, 0);
	world_propose(w, 0);
	world_settle(w);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world_height(w, i), 1);
	world_goes_on(w);
	world_end(w, __func__);
}

/* VC1: whoever asked for a later view votes no more in the old one. */
static void nobody_votes_in_a_view_that_it_left(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->pending = ONLY(3);
	world_time_out(w, ONLY(3));
	world_settle(w);
	world_propose(w, 0);
	world_settle(w);
	did_not_vote(w, 3, REC_PREPARE, 0, 1);
	did_not_vote(w, 3, REC_COMMIT, 0, 1);
	w->pending = 0;
	world_run(w, 1500);
	assert_int_equal(world_height(w, 3), 1); /* catch-up never stops */
	asks(w, 3, 1);
	world_end(w, __func__);
}

/* CE1, CE3 (F2): certificates of heights 1 and 2 can never be made; that of height 3 is theirs, too. */
static void a_certificate_makes_all_ancestors_final(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	const struct wblock *chain[3];
	struct qhash parent = w->g.chain;
	(void)state;
	for (uint64_t h = 1; h <= 3; h++) {
		chain[h - 1] = traitor_block(w, 0, h, &parent);
		traitor_propose(w, 0, 0, chain[h - 1], ONLY(1) | ONLY(2));
		parent = chain[h - 1]->hash;
	}
	world_settle(w);
	for (unsigned i = 1; i < 3; i++)
		assert_int_equal(world_height(w, i), 0);
	world_say(w, "-- the traitor shows its COMMIT for height 3 alone");
	traitor_vote(w, 0, QCOMMIT, 0, chain[2], ALL);
	world_settle(w);
	for (unsigned i = 1; i < 3; i++)
		assert_ptr_equal(world_executed(w, i, 3), chain[2]);
	assert_false(w->r[1].disk.executed[1].has_cert);
	world_run(w, 1500);
	assert_ptr_equal(world_executed(w, 3, 3), chain[2]);
	world_goes_on(w);
	world_end(w, __func__);
}

/* CE1 (F2): and the certificate may come in a VIEW-CHANGE, from a replica that is never heard again. */
static void the_certificate_of_a_view_change_makes_all_ancestors_final(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	const struct wblock *chain[3];
	struct qhash parent = w->g.chain;
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	for (uint64_t h = 1; h <= 3; h++) {
		chain[h - 1] = traitor_block(w, 0, h, &parent);
		traitor_propose(w, 0, 0, chain[h - 1], ONLY(1) | ONLY(2));
		parent = chain[h - 1]->hash;
	}
	world_settle(w);
	world_clear_rules(w);
	world_time_out(w, ONLY(1) | ONLY(2));
	struct claim tip = {.tip = chain[2]};
	traitor_view_change(w, 0, 1, &tip, ALL);
	world_settle(w);
	world_run(w, 1500);
	for (unsigned i = 1; i < 4; i++)
		assert_ptr_equal(world_executed(w, i, 3), chain[2]);
	world_goes_on(w);
	world_end(w, __func__);
}

/*
 * T3 (F3): 2 alone knows a quorum for view 1, waits in vain, and asks for view 2.  1 and 3 know {1, 1, 2}:
 * their timers must run on that, or everybody waits for ever.
 */
static void the_new_view_timer_counts_later_views_too(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	(void)state;
	w->pending = ALL;
	world_rule(w, DROP, ONLY(3), ONLY(1), EVERY_KIND, 0); /* 3's VIEW-CHANGE reaches 2 only */
	world_rule(w, DROP, ONLY(1), ONLY(2), KIND(QNEW_VIEW), 0);
	world_time_out(w, ONLY(1));
	world_rule(w, DROP, ONLY(2), ONLY(1) | ONLY(3), EVERY_KIND, 0); /* and 2's nobody */
	world_settle(w);
	world_time_out(w, ONLY(3));
	world_time_out(w, ONLY(2));
	world_settle(w);
	asks(w, 1, 1);
	asks(w, 2, 1);
	asks(w, 3, 1);
	world_time_out(w, ONLY(2));
	asks(w, 2, 2);
	world_say(w, "-- from now on all arrives");
	world_clear_rules(w);
	world_settle(w);
	world_goes_on(w);
	world_end(w, __func__);
}

static void propose_settled(struct world *w, unsigned cnt)
{
	for (unsigned k = 0; k < cnt; k++) {
		world_propose(w, 0);
		world_settle(w);
	}
}

/* VC5 (F11): 3 asks for view 1 when the others are in view 2 already. */
static void who_asks_for_an_old_view_is_answered_with_the_newest(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->pending = ALL;
	world_partition(w, ONLY(3));
	for (unsigned k = 0; k < 2; k++) {
		world_time_out(w, ONLY(0) | ONLY(1) | ONLY(2));
		world_settle(w);
	}
	for (unsigned i = 0; i < 3; i++)
		is_in(w, i, 2);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	world_say(w, "-- 3 is back");
	world_time_out(w, ONLY(3));
	world_settle(w);
	is_in(w, 3, 2);
	world_end(w, __func__);
}

/* ST1: a replica that did not even notice is told by its STATUS. */
static void who_slept_through_a_view_change_is_told_by_status(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->pending = ONLY(0) | ONLY(1) | ONLY(2);
	world_partition(w, ONLY(3));
	world_time_out(w, ONLY(0) | ONLY(1) | ONLY(2));
	world_settle(w);
	world_clear_rules(w);
	world_rule(w, DROP, ONLY(3), ALL, KIND(QVIEW_CHANGE), 0); /* which would be answered, too */
	w->pending = 0;
	world_run(w, 1100);
	for (unsigned i = 0; i < 4; i++)
		is_in(w, i, 1);
	world_end(w, __func__);
}

/*
 * F12: 3's P is {a2@v1 at height 1, b@v0 at height 2 on a}: it neither links nor is it wrong, and a
 * VIEW-CHANGE with a gap is as good.
 */
static void gaps_and_blocks_that_do_not_link_are_normal_in_a_view_change(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QPREPARE), 1);
	world_rule(w, DROP, ALL, BUT(3), KIND(QPREPARE), 2);
	world_propose(w, 0);
	world_propose(w, 0);
	world_settle(w);
	world_clear_rules(w);
	world_rule(w, DROP, ONLY(3), ONLY(1), KIND(QVIEW_CHANGE), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS) | KIND(QCOMMIT), 0);
	w->pending = ALL;
	world_time_out(w, ALL);
	world_settle(w);
	world_say(w, "-- view 1, without what 3 knows: a gap, then b");
	is_in(w, 3, 1);
	const struct wblock *c = world_propose(w, 1);
	world_settle(w);
	world_time_out(w, ALL);
	world_clear_rules(w);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++) {
		is_in(w, i, 2);
		assert_ptr_equal(world_executed(w, i, 1), c);
		assert_null(world_executed(w, i, 2));
	}
	world_goes_on(w);
	world_end(w, __func__);
}

/* PR1 (F13): 3 has executed nothing of 1 and 2; with 0 dead, its votes for the blocks of O are needed, and
 * come. */
static void a_replica_that_lags_votes_for_bound_blocks_at_once(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ONLY(3), EVERY_KIND & ~KIND(QBODY), 0);
	propose_settled(w, 2);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	const struct wblock *c = world_propose(w, 0);
	world_settle(w);
	world_crash(w, 0);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ONLY(3), KIND(QCHAIN) | KIND(QSTATUS), 0);
	w->pending = ALL;
	world_time_out(w, BUT(0));
	world_run(w, 200); /* the first whom it asks for the body is dead */
	is_in(w, 3, 1);
	assert_int_equal(world_height(w, 3), 0);
	voted(w, 3, REC_PREPARE, 1, 3);
	voted(w, 3, REC_COMMIT, 1, 3);
	for (unsigned i = 1; i < 3; i++)
		assert_ptr_equal(world_executed(w, i, 3), c);
	world_clear_rules(w);
	world_say(w, "-- and catches up");
	world_run(w, 1500);
	assert_ptr_equal(world_executed(w, 3, 3), c);
	world_end(w, __func__);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_silent_proposer_is_replaced),
	    cmocka_unit_test(silent_proposers_in_a_row_are_replaced),
	    cmocka_unit_test(a_view_change_carries_prepared_blocks),
	    cmocka_unit_test(f_plus_one_take_everybody_along_and_one_nobody),
	    cmocka_unit_test(a_lone_voice_for_a_huge_view_moves_nobody),
	    cmocka_unit_test(nobody_votes_in_a_view_that_it_left),
	    cmocka_unit_test(a_certificate_makes_all_ancestors_final),
	    cmocka_unit_test(the_certificate_of_a_view_change_makes_all_ancestors_final),
	    cmocka_unit_test(the_new_view_timer_counts_later_views_too),
	    cmocka_unit_test(who_asks_for_an_old_view_is_answered_with_the_newest),
	    cmocka_unit_test(who_slept_through_a_view_change_is_told_by_status),
	    cmocka_unit_test(gaps_and_blocks_that_do_not_link_are_normal_in_a_view_change),
	    cmocka_unit_test(a_replica_that_lags_votes_for_bound_blocks_at_once),
	};
	return cmocka_run_group_tests_name("view changes", tests, NULL, NULL);
}
