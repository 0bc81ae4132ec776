/*
 * normal.c: agreement when nobody lies: the plain case, and messages that are late, lost or out of order,
 * clocks that differ, checkpoints, chains of one and of seven.
 * Links: scenario_world
 */
#include "world.h"

static void propose_and_settle(struct world *w, unsigned i, unsigned cnt)
{
	for (unsigned k = 0; k < cnt; k++) {
		world_propose(w, i);
		world_settle(w);
	}
}

static void all_executed(const struct world *w, uint64_t height)
{
	for (unsigned i = 0; i < w->n; i++)
		if (!w->r[i].traitor)
			assert_int_equal(world_height(w, i), height);
}

static void nobody_left_view_0(const struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->r[i].e)
			assert_int_equal(world_status(w, i).asked.n, 0);
}

static void one_block_is_proposed_prepared_committed_and_executed(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		assert_ptr_equal(world_executed(w, i, 1), a);
	world_end(w, __func__);
}

/* CO1: heights 2 and 3 are prepared first, and nobody commits them before height 1 is prepared, too. */
static void heights_in_flight_are_committed_in_order(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, HOLD, ALL, ALL, KIND(QPREPARE), 1);
	propose_and_settle(w, 0, 3);
	for (unsigned i = 0; i < 4; i++)
		for (uint64_t h = 1; h <= 3; h++)
			assert_null(disk_find(&w->r[i].disk, REC_COMMIT, 0, h));
	world_say(w, "-- the PREPAREs of height 1 arrive");
	world_clear_rules(w);
	world_release(w);
	world_settle(w);
	all_executed(w, 3);
	world_end(w, __func__);
}

static void messages_in_any_order_lead_to_the_same_chain(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct qparams p = world_params();
		struct world *w = world_new_with(4, 0, &p, seed);
		w->chaos.delay_max_ms = 40;
		for (unsigned k = 0; k < 6; k++) {
			world_propose(w, 0);
			world_run(w, 30);
		}
		world_run(w, 400);
		all_executed(w, 6);
		nobody_left_view_0(w);
		world_free(w);
	}
}

/* CE4: certificates were faster; neither a STATUS nor a CHAIN is needed. */
static void proposals_later_than_their_certificates_still_bring_the_blocks(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, HOLD, ALL, ONLY(3), KIND(QPRE_PREPARE), 0);
	world_rule(w, DROP, ALL, ONLY(3), KIND(QCHAIN) | KIND(QSTATUS), 0);
	propose_and_settle(w, 0, 3);
	assert_int_equal(world_status(w, 3).tip.n, 3);
	assert_int_equal(world_height(w, 3), 0);
	world_say(w, "-- the PRE-PREPAREs arrive");
	world_release(w);
	world_settle(w);
	all_executed(w, 3);
	assert_int_equal(world_status(w, 3).executed.n, 3);
	world_end(w, __func__);
}

/* ST4: who heard of nothing for more than a window learns it from the first vote, before any STATUS. */
static void a_vote_from_beyond_the_window_tells_who_is_ahead(void **state)
{
	struct world *w = world_new(4, 0);
	unsigned ahead = world_params().window + 1;
	(void)state;
	w->quiet = true;
	world_rule(w, DROP, ALL, ONLY(3), ~0u, 0);
	propose_and_settle(w, 0, ahead);
	assert_int_equal(world_height(w, 2), ahead);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	propose_and_settle(w, 0, 1);
	assert_in_range(world_height(w, 3), ahead, ahead + 1);
	world_clear_rules(w);
	world_goes_on(w);
	all_executed(w, world_height(w, 0));
	world_free(w);
}

/* V1, PR2: they are kept, and count once it is here. */
static void votes_may_come_before_their_block(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, HOLD, ALL, ONLY(3), KIND(QPRE_PREPARE), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	world_propose(w, 0);
	world_settle(w);
	assert_null(disk_find(&w->r[3].disk, REC_PREPARE, 0, 1));
	world_say(w, "-- the block arrives last");
	world_release(w);
	world_settle(w);
	assert_non_null(disk_find(&w->r[3].disk, REC_COMMIT, 0, 1));
	world_clear_rules(w);
	world_run(w, 600);
	all_executed(w, 1);
	nobody_left_view_0(w);
	world_end(w, __func__);
}

/* ST2: every COMMIT is lost, and later every PREPARE, and a PRE-PREPARE: STATUS heals it in the same view. */
static void lost_messages_are_healed_by_status(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	world_propose(w, 0);
	world_settle(w);
	world_clear_rules(w);
	world_run(w, 300);
	all_executed(w, 1);
	world_say(w, "-- height 2: no PREPARE arrives, and no proposal at 2 and 3");
	world_rule(w, DROP, ALL, ALL, KIND(QPREPARE), 0);
	world_rule(w, DROP, ALL, ONLY(2) | ONLY(3), KIND(QPRE_PREPARE), 0);
	world_propose(w, 0);
	world_settle(w);
	world_clear_rules(w);
	world_run(w, 800);
	all_executed(w, 2);
	nobody_left_view_0(w);
	world_end(w, __func__);
}

/* ST4, CE4 */
static void a_replica_that_missed_everything_catches_up_in_an_idle_network(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_partition(w, ONLY(3));
	propose_and_settle(w, 0, 6);
	assert_int_equal(world_height(w, 3), 0);
	world_clear_rules(w);
	world_say(w, "-- the partition heals; nobody submits anything");
	world_run(w, 2500);
	all_executed(w, 6);
	nobody_left_view_0(w);
	world_end(w, __func__);
}

/* PP9: held back, not refused, and nobody suspects. */
static void a_proposal_from_a_fast_clock_is_held_back_until_its_time(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->r[0].wall_skew_ms = w->g.g.params.drift_ms + 300;
	world_propose(w, 0);
	world_run(w, 250);
	assert_null(disk_find(&w->r[1].disk, REC_PREPARE, 0, 1));
	world_say(w, "-- its time has come");
	world_run(w, 100);
	all_executed(w, 1);
	nobody_left_view_0(w);
	world_end(w, __func__);
}

/* A block that is bound is judged by nothing that depends on now. */
static void a_chain_that_stood_still_for_a_day_goes_on(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, HOLD, ALL, ALL, KIND(QCOMMIT), 0);
	world_propose(w, 0);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		w->r[i].paused = true;
	w->now_ms += 24 * 3600 * 1000;
	world_say(w, "-- a day later");
	for (unsigned i = 0; i < 4; i++)
		w->r[i].paused = false;
	world_clear_rules(w);
	assert_true(world_run_to(w, 1, 20000));
	w->auto_propose = true;
	world_submit(w, ALL);
	assert_true(world_run_to(w, 2, 40000));
	world_end(w, __func__);
}

static void a_paused_replica_comes_back_and_catches_up(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->r[3].paused = true;
	propose_and_settle(w, 0, 5);
	world_run(w, 10000);
	w->r[3].paused = false;
	world_say(w, "-- 3 goes on, with what waited at its door");
	world_release(w);
	world_run(w, 2500);
	all_executed(w, 5);
	nobody_left_view_0(w);
	world_end(w, __func__);
}

/* CP1, CP2: the watermark moves, what is below it leaves the vote log. */
static void a_stable_checkpoint_moves_the_watermark_and_empties_the_log(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	propose_and_settle(w, 0, 10);
	for (unsigned i = 0; i < 4; i++) {
		const struct disk *d = &w->r[i].disk;
		assert_int_equal(world_status(w, i).stable.n, 8);
		for (uint64_t h = 1; h <= 8; h++) {
			assert_null(disk_find(d, REC_PREPARE, 0, h));
			assert_null(disk_find(d, REC_COMMIT, 0, h));
			assert_null(disk_find(d, REC_PREPARED, 0, h));
		}
		assert_non_null(disk_find(d, REC_COMMIT, 0, 10));
	}
	world_end(w, __func__);
}

/* PP3, T2: above the high watermark nothing is proposed, and nobody is suspected for it. */
static void without_checkpoints_the_high_watermark_stops_the_chain_and_blames_nobody(void **state)
{
	struct world *w = world_new(4, 0);
	struct qheight height;
	struct qhash parent;
	(void)state;
	world_rule(w, HOLD, ALL, ALL, KIND(QCHECKPOINT), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	propose_and_settle(w, 0, 8);
	assert_false(pbft_engine.can_propose(w->r[0].e, &height, &parent));
	w->pending = ALL;
	world_run(w, 10000);
	nobody_left_view_0(w);
	world_clear_rules(w);
	world_release(w);
	world_settle(w);
	propose_and_settle(w, 0, 1);
	all_executed(w, 9);
	world_end(w, __func__);
}

/* CP4 */
static void a_replica_with_a_corrupt_state_halts_at_the_checkpoint(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->r[3].corrupt = true;
	w->expect_halt = true;
	w->r[3].tainted = true;
	propose_and_settle(w, 0, 6);
	assert_int_equal(w->r[3].halts, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(w->r[i].halts, 0);
		assert_int_equal(world_height(w, i), 6);
	}
	world_end(w, __func__);
}

static bool not_for_3(const struct world *w, unsigned replica, const struct wblock *b)
{
	(void)w;
	(void)b;
	return replica != 3;
}

/* PP10: it does not vote; the others are a quorum; what is certified it executes. */
static void a_block_that_a_replica_finds_invalid_gets_no_vote_of_it(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->valid = not_for_3;
	propose_and_settle(w, 0, 1);
	assert_null(disk_find(&w->r[3].disk, REC_PREPARE, 0, 1));
	assert_int_equal(world_status(w, 3).refused[RULE_PP10], 1);
	all_executed(w, 1);
	world_end(w, __func__);
}

/* F9: it knows of certified blocks that it did not execute, so it cannot judge what is pending. */
static void a_replica_that_is_behind_with_executing_suspects_nobody(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->r[3].hold_execute = true;
	propose_and_settle(w, 0, 1);
	w->pending = ONLY(3);
	world_run(w, 5000);
	nobody_left_view_0(w);
	world_execute_held(w, 3);
	w->pending = 0;
	world_run(w, 100);
	all_executed(w, 1);
	world_end(w, __func__);
}

/* T1: half-way through the time-out, what one replica alone was given goes to everybody. */
static void a_transaction_given_to_one_replica_reaches_the_proposer_before_it_is_suspected(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->auto_propose = true;
	world_submit(w, ONLY(2));
	assert_true(world_run_to(w, 1, 900));
	assert_int_equal(w->r[2].resends, 1);
	nobody_left_view_0(w);
	world_end(w, __func__);
}

/* Verdicts may come late, for several blocks at once. */
static void a_replica_votes_when_it_has_validated(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	w->r[1].hold_validate = true;
	propose_and_settle(w, 0, 2);
	assert_null(disk_find(&w->r[1].disk, REC_PREPARE, 0, 1));
	all_executed(w, 2);
	world_validate_held(w, 1);
	propose_and_settle(w, 0, 1);
	assert_non_null(disk_find(&w->r[1].disk, REC_PREPARE, 0, 3));
	world_end(w, __func__);
}

static void a_chain_of_one_replica_agrees_with_itself(void **state)
{
	struct world *w = world_new(1, 0);
	(void)state;
	propose_and_settle(w, 0, 5);
	assert_int_equal(world_height(w, 0), 5);
	assert_int_equal(world_status(w, 0).stable.n, 4);
	world_run(w, 5000);
	world_crash(w, 0);
	world_restart(w, 0);
	propose_and_settle(w, 0, 1);
	assert_int_equal(world_height(w, 0), 6);
	world_end(w, __func__);
}

/* Its own clock was set back: it waits, without asking to be woken at once for ever. */
static void a_chain_of_one_replica_waits_for_its_clock(void **state)
{
	struct world *w = world_new(1, 0);
	(void)state;
	w->r[0].wall_skew_ms = 20000;
	propose_and_settle(w, 0, 1);
	w->r[0].wall_skew_ms = 0;
	w->pending = ALL;
	propose_and_settle(w, 0, 1);
	world_run(w, 10000);
	assert_int_equal(world_height(w, 0), 1);
	world_run(w, 6000);
	assert_int_equal(world_height(w, 0), 2);
	world_end(w, __func__);
}

static void seven_replicas_agree_with_two_silent(void **state)
{
	struct world *w = world_new(7, ONLY(0) | ONLY(1));
	(void)state;
	w->auto_propose = true;
	world_submit(w, ALL);
	assert_true(world_run_to(w, 1, 20000));
	assert_int_equal(world_status(w, 2).entered.n, 2);
	for (unsigned k = 0; k < 5; k++) {
		world_submit(w, ONLY(3 + k % 4));
		assert_true(world_run_to(w, 2 + k, 5000));
	}
	assert_int_equal(world_status(w, 6).stable.n, 4);
	world_end(w, __func__);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_block_is_proposed_prepared_committed_and_executed),
	    cmocka_unit_test(heights_in_flight_are_committed_in_order),
	    cmocka_unit_test(messages_in_any_order_lead_to_the_same_chain),
	    cmocka_unit_test(proposals_later_than_their_certificates_still_bring_the_blocks),
	    cmocka_unit_test(a_vote_from_beyond_the_window_tells_who_is_ahead),
	    cmocka_unit_test(votes_may_come_before_their_block),
	    cmocka_unit_test(lost_messages_are_healed_by_status),
	    cmocka_unit_test(a_replica_that_missed_everything_catches_up_in_an_idle_network),
	    cmocka_unit_test(a_proposal_from_a_fast_clock_is_held_back_until_its_time),
	    cmocka_unit_test(a_chain_that_stood_still_for_a_day_goes_on),
	    cmocka_unit_test(a_paused_replica_comes_back_and_catches_up),
	    cmocka_unit_test(a_stable_checkpoint_moves_the_watermark_and_empties_the_log),
	    cmocka_unit_test(without_checkpoints_the_high_watermark_stops_the_chain_and_blames_nobody),
	    cmocka_unit_test(a_replica_with_a_corrupt_state_halts_at_the_checkpoint),
	    cmocka_unit_test(a_block_that_a_replica_finds_invalid_gets_no_vote_of_it),
	    cmocka_unit_test(a_replica_that_is_behind_with_executing_suspects_nobody),
	    cmocka_unit_test(a_transaction_given_to_one_replica_reaches_the_proposer_before_it_is_suspected),
	    cmocka_unit_test(a_replica_votes_when_it_has_validated),
	    cmocka_unit_test(a_chain_of_one_replica_agrees_with_itself),
	    cmocka_unit_test(a_chain_of_one_replica_waits_for_its_clock),
	    cmocka_unit_test(seven_replicas_agree_with_two_silent),
	};
	return cmocka_run_group_tests_name("normal case", tests, NULL, NULL);
}
