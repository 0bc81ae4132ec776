/*
 * rules.c: rules that no other story would miss: time-outs that double, and come back; a view that is not
 * entered; what is said again after a restart; what STATUS heals.
 * Links: scenario_world
 */
#include "world.h"

static void run_until(struct world *w, uint64_t ms)
{
	assert_true(ms > w->now_ms);
	world_run(w, ms - w->now_ms);
}

static void all_ask(const struct world *w, uint64_t view)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->r[i].e)
			assert_int_equal(world_status(w, i).asked.n, view);
}

/* T3: the views that fail are given 2, 4 and 4 seconds, the cap; after a commit it is one second again. */
static void each_view_that_fails_doubles_the_time_out_up_to_its_cap_until_a_commit(void **state)
{
	static const uint64_t asked_ms[] = {0, 1000, 3000, 7000, 11000};
	struct qparams p = world_params();
	(void)state;
	p.timeout_cap_ms = 4000;
	struct world *w = world_new_with(4, 0, &p, 1);
	w->quiet = true;
	w->pending = ALL;
	for (unsigned i = 0; i < 4; i++)
		world_tick(w, i);
	world_rule(w, DROP, ALL, ALL, KIND(QNEW_VIEW), 0);
	for (uint64_t view = 1; view <= 4; view++) {
		run_until(w, asked_ms[view] - 100);
		all_ask(w, view - 1);
		run_until(w, asked_ms[view] + 200);
		all_ask(w, view);
	}
	world_clear_rules(w);
	world_run(w, 500);
	world_propose(w, 0);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(world_height(w, i), 1);
	uint64_t now = w->now_ms;
	run_until(w, now + 900);
	all_ask(w, 4);
	run_until(w, now + 1200);
	all_ask(w, 5);
	world_free(w);
}

/* T3: without a quorum that asks there is nothing to wait for; alone it must not run away from the others. */
static void who_asks_alone_asks_for_no_further_view(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->quiet = true;
	w->pending = ONLY(3);
	world_run(w, 30000);
	assert_int_equal(world_status(w, 3).asked.n, 1);
	assert_int_equal(world_status(w, 0).asked.n, 0);
	world_free(w);
}

/* T3: what was committed before is no progress, however often the silent proposer shows it. */
static void an_old_certificate_buys_a_silent_proposer_no_time(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	struct qmessage m = {.kind = QCHAIN};
	(void)state;
	w->quiet = true;
	const struct wblock *a = traitor_block(w, 0, 1, &w->g.chain);
	traitor_propose(w, 0, 0, a, ALL);
	world_settle(w);
	assert_int_equal(world_height(w, 1), 1);
	assert_true(traitor_cert(w, QCOMMIT, 0, a, &m.qmessage_u.chain.cert));
	w->pending = ALL;
	for (unsigned k = 0; k < 20; k++) {
		traitor_message(w, 0, &m, ALL);
		world_run(w, 100);
	}
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
	all_ask(w, 1);
	world_free(w);
}

/* T3: view 1, led by the silent traitor 1, is given 2 seconds; what was committed in view 0 leaves it at
 * that. */
static void a_certificate_of_an_older_view_does_not_end_the_doubling(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct qmessage m = {.kind = QCHAIN};
	struct claim nothing = {0};
	(void)state;
	w->quiet = true;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	world_rule(w, DROP, ALL, ALL, KIND(QPREPARE), 0);
	w->pending = ALL;
	world_time_out(w, BUT(1));
	traitor_view_change(w, 1, 1, &nothing, ALL);
	world_settle(w);
	traitor_new_view(w, 1, 1, BUT(3) & 15, ALL);
	world_settle(w);
	world_run(w, 500);
	all_ask(w, 1);
	assert_true(traitor_cert(w, QCOMMIT, 0, a, &m.qmessage_u.chain.cert));
	traitor_message(w, 1, &m, ALL);
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
	world_settle(w);
	assert_int_equal(world_height(w, 0), 1);
	world_run(w, 1700);
	all_ask(w, 1);
	world_run(w, 600);
	all_ask(w, 2);
	world_free(w);
}

/* NV1: the traitor 1 keeps its NEW-VIEW back until everybody asks for view 2. */
static void a_new_view_below_the_one_asked_for_is_not_entered(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	(void)state;
	w->pending = ALL;
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	world_time_out(w, BUT(1));
	world_settle(w);
	world_rule(w, DROP, ALL, ONLY(2), KIND(QVIEW_CHANGE), 0);
	world_time_out(w, BUT(1));
	world_settle(w);
	all_ask(w, 2);
	traitor_new_view(w, 1, 1, BUT(1) & 15, ALL);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		if (i != 1)
			assert_int_equal(world_status(w, i).entered.n, 0);
	all_ask(w, 2);
	world_clear_rules(w);
	world_goes_on(w);
	world_end(w, __func__);
}

/* RE1: nobody got the proposal; the very same is shown after the restart, and no view is lost. */
static void a_proposal_that_nobody_got_is_shown_again_after_a_restart(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_run(w, 500);
	world_rule(w, DROP, ALL, ALL, KIND(QPRE_PREPARE), 0);
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	world_crash(w, 0);
	world_restart(w, 0);
	world_clear_rules(w);
	world_run(w, 600);
	for (unsigned i = 0; i < 4; i++)
		assert_ptr_equal(world_executed(w, i, 1), a);
	all_ask(w, 0);
	world_end(w, __func__);
}

/* RE3: O = {a}; 3 is without a's body and has not voted for it when it stops; then comes another proposal. */
static void a_bound_height_is_still_bound_after_a_restart(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim nothing = {0};
	(void)state;
	world_rule(w, DROP, ALL, ONLY(3), KIND(QPRE_PREPARE) | KIND(QPREPARE) | KIND(QBODY), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	const struct wblock *a = world_propose(w, 0);
	traitor_vote(w, 1, QPREPARE, 0, a, ALL);
	world_settle(w);
	w->pending = ALL;
	world_time_out(w, BUT(1));
	traitor_view_change(w, 1, 1, &nothing, 0);
	world_settle(w);
	traitor_new_view(w, 1, 1, BUT(0) & 15, ALL);
	world_settle(w);
	assert_int_equal(world_status(w, 3).entered.n, 1);
	world_crash(w, 3);
	world_restart(w, 3);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ONLY(3), KIND(QBODY), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	traitor_propose(w, 1, 1, traitor_block(w, 1, 1, &w->g.chain), ALL);
	world_settle(w);
	assert_null(disk_find(&w->r[3].disk, REC_PREPARE, 1, 1));
	world_say(w, "-- the body arrives");
	world_clear_rules(w);
	world_run(w, 300);
	assert_non_null(disk_find(&w->r[3].disk, REC_PREPARE, 1, 1));
	world_goes_on(w);
	assert_ptr_equal(world_executed(w, 3, 1), a);
	world_end(w, __func__);
}

/* ST3: 3 got no CHECKPOINT; those of height 4 are forgotten, their certificate is not. */
static void a_stable_checkpoint_that_was_missed_is_told_by_its_certificate(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ONLY(3), KIND(QCHECKPOINT), 0);
	for (unsigned k = 0; k < 5; k++) {
		world_propose(w, 0);
		world_settle(w);
	}
	assert_int_equal(world_status(w, 0).stable.n, 4);
	assert_int_equal(world_status(w, 3).stable.n, 0);
	world_run(w, 1200);
	assert_int_equal(world_status(w, 3).stable.n, 4);
	world_end(w, __func__);
}

/* ST5: the first who answers says too little; the highest tip that Q of them report counts: 2, so 18. */
static void one_liar_cannot_shorten_the_silence_of_a_replica_without_its_vote_log(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct qmessage low = {.kind = QSTATUS};
	(void)state;
	w->quiet = true;
	for (uint64_t h = 1; h <= 16; h++) {
		const struct wblock *b = world_propose(w, 0);
		traitor_vote(w, 1, QPREPARE, 0, b, ALL);
		traitor_vote(w, 1, QCOMMIT, 0, b, ALL);
		world_settle(w);
		if (h == 2) {
			world_crash(w, 3);
			disk_free(&w->r[3].disk);
			memset(&w->r[3].disk, 0, sizeof w->r[3].disk);
			w->r[3].amnesiac = true;
			w->r[3].said = 0;
			world_rule(w, HOLD, ONLY(0) | ONLY(2), ONLY(3), EVERY_KIND, 0);
			world_restart(w, 3);
			traitor_message(w, 1, &low, ONLY(3));
			world_settle(w);
			world_clear_rules(w);
			world_release(w);
			world_run(w, 2500);
			assert_int_equal(world_height(w, 3), 2);
		}
		if (h % 4 == 0) {
			struct qmessage point = {.kind = QCHECKPOINT};
			point.qmessage_u.vote = (struct qvote){.height = qheight_of(h), .block = b->hash};
			point.qmessage_u.vote.state = w->r[0].disk.executed[h].digest;
			traitor_message(w, 1, &point, ALL);
			world_settle(w);
		}
	}
	world_run(w, 2500);
	assert_int_equal(world_status(w, 3).stable.n, 16);
	assert_true(world_status(w, 3).muted);
	assert_int_equal(w->r[3].said, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_view_that_fails_doubles_the_time_out_up_to_its_cap_until_a_commit),
	    cmocka_unit_test(who_asks_alone_asks_for_no_further_view),
	    cmocka_unit_test(an_old_certificate_buys_a_silent_proposer_no_time),
	    cmocka_unit_test(a_certificate_of_an_older_view_does_not_end_the_doubling),
	    cmocka_unit_test(a_new_view_below_the_one_asked_for_is_not_entered),
	    cmocka_unit_test(a_proposal_that_nobody_got_is_shown_again_after_a_restart),
	    cmocka_unit_test(a_bound_height_is_still_bound_after_a_restart),
	    cmocka_unit_test(a_stable_checkpoint_that_was_missed_is_told_by_its_certificate),
	    cmocka_unit_test(one_liar_cannot_shorten_the_silence_of_a_replica_without_its_vote_log),
	};
	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
