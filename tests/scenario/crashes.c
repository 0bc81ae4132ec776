/*
 * crashes.c: what a disk must remember, and what follows where it does not: crashes at every point of a
 * turn, everybody at once, vote logs that are old or lost (F5, F8).
 * Links: scenario_world
 */
#include "world.h"

static void restart_all(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		if (!w->r[i].traitor)
			world_restart(w, i);
	world_settle(w);
}

static void crash_all(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		world_crash(w, i);
}

static void propose_settled(struct world *w, unsigned i, unsigned cnt)
{
	for (unsigned k = 0; k < cnt; k++) {
		world_propose(w, i);
		world_settle(w);
	}
}

/* RE1: prepared everywhere, no COMMIT arrived, all lose power: the same blocks are committed in the same
 * view. */
static void all_crash_with_blocks_in_flight(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	world_rule(w, DROP, ALL, ALL, KIND(QPREPARE), 0);
	const struct wblock *b = world_propose(w, 0);
	world_settle(w);
	crash_all(w);
	world_clear_rules(w);
	restart_all(w);
	world_run(w, 600);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(world_executed(w, i, 1), a);
		assert_ptr_equal(world_executed(w, i, 2), b);
		assert_int_equal(world_status(w, i).entered.n, 0);
	}
	world_goes_on(w);
	world_end(w, __func__);
}

/* RE2: everybody asked for view 1, nobody got there, all lose power: they are still asking. */
static void all_crash_inside_a_view_change(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	world_rule(w, DROP, ALL, ALL, EVERY_KIND, 0);
	world_time_out(w, ALL);
	crash_all(w);
	world_clear_rules(w);
	restart_all(w);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(world_status(w, i).asked.n, 1);
	world_run(w, 2000);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(world_executed(w, i, 1), a);
		assert_int_equal(world_status(w, i).entered.n, 1);
	}
	world_goes_on(w);
	world_end(w, __func__);
}

static unsigned new_views_in_journal(const struct disk *d)
{
	unsigned cnt = 0;
	for (size_t k = 0; k < d->journal_cnt; k++) {
		struct qjournal j;
		assert_true(wire_decode(WIRE(qjournal), d->journal[k].data, d->journal[k].len, &j));
		cnt += j.kind == QJ_NEW_VIEW;
		wire_free(WIRE(qjournal), &j);
	}
	return cnt;
}

/* NV5, RE3: the NEW-VIEW is on everybody's disk, O is bound and voted: after the restart it still is. */
static void all_crash_in_a_new_view(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	const struct wblock *a = world_propose(w, 0);
	const struct wblock *b = world_propose(w, 0);
	world_settle(w);
	world_time_out(w, ALL);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		assert_non_null(disk_find(&w->r[i].disk, REC_COMMIT, 1, 2));
	crash_all(w);
	world_clear_rules(w);
	restart_all(w);
	world_run(w, 600);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(world_executed(w, i, 1), a);
		assert_ptr_equal(world_executed(w, i, 2), b);
		assert_int_equal(world_status(w, i).entered.n, 1);
		assert_int_equal(new_views_in_journal(&w->r[i].disk), 1);
	}
	world_goes_on(w);
	world_end(w, __func__);
}

/* Certified at all, executed by none. */
static void all_crash_after_certifying_before_executing(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		w->r[i].hold_execute = true;
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(world_status(w, i).tip.n, 1);
	crash_all(w);
	for (unsigned i = 0; i < 4; i++)
		w->r[i].hold_execute = false;
	restart_all(w);
	for (unsigned i = 0; i < 4; i++)
		assert_ptr_equal(world_executed(w, i, 1), a);
	world_goes_on(w);
	world_end(w, __func__);
}

/* One replica loses its power at each point of each of its turns in the course of two blocks and a view
 * change. */
static void a_crash_at_any_point_of_a_turn_contradicts_nothing(void **state)
{
	(void)state;
	for (enum crash_point point = CRASH_BEFORE_SYNC; point <= CRASH_AFTER_EXECUTE; point++)
		for (unsigned victim = 0; victim < 4; victim++)
			for (unsigned turn = 0; turn < 10; turn++) {
				struct world *w = world_new(4, 0);
				w->auto_propose = true;
				world_submit(w, ALL);
				for (unsigned k = 0; k < turn; k++)
					net_deliver_one(w);
				w->r[victim].crash_at = point;
				world_submit(w, ALL);
				world_settle(w);
				world_run(w, 300);
				world_crash(w, victim);
				world_restart(w, victim);
				if (!world_run_to(w, 2, 20000))
					world_broken(w, "no progress: point %u, victim %u, turn %u", point,
					             victim, turn);
				world_free(w);
			}
}

/*
 * CO2 (F5): 0 and 2 sent COMMIT for a, 2 loses its power.  The traitor 1 leads view 1 and hides what it
 * knows: what 2 reports is all that is left of a.
 */
static void a_replica_that_committed_reports_its_certificate_after_a_crash(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim nothing = {0};
	(void)state;
	world_rule(w, DROP, ALL, ONLY(3), KIND(QPRE_PREPARE) | KIND(QPREPARE), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	const struct wblock *a = world_propose(w, 0);
	traitor_vote(w, 1, QPREPARE, 0, a, ALL);
	world_settle(w);
	assert_non_null(disk_find(&w->r[2].disk, REC_COMMIT, 0, 1));
	world_crash(w, 2);
	world_restart(w, 2);
	world_rule(w, DROP, ONLY(0), ALL, EVERY_KIND, 0);
	w->pending = ALL;
	world_time_out(w, ONLY(2) | ONLY(3));
	traitor_view_change(w, 1, 1, &nothing, 0);
	traitor_new_view(w, 1, 1, ONLY(1) | ONLY(2) | ONLY(3), ONLY(2) | ONLY(3));
	world_settle(w);
	world_say(w, "-- the traitor proposes another block");
	const struct wblock *b = traitor_block(w, 1, 1, &w->g.chain);
	traitor_propose(w, 1, 1, b, ONLY(2) | ONLY(3));
	world_settle(w);
	traitor_vote(w, 1, QCOMMIT, 1, b, ONLY(2) | ONLY(3));
	world_settle(w);
	world_clear_rules(w);
	world_goes_on(w);
	assert_ptr_equal(world_executed(w, 2, 1), a);
	world_end(w, __func__);
}

/*
 * F5: 2 learnt by certificate alone that a is final, then sent COMMIT for b on it with b's prepared
 * certificate only, and loses its power before it executed a: it must remember the certificate, too.
 */
static void a_certified_tip_outlives_a_crash(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	(void)state;
	w->r[2].hold_execute = true;
	world_rule(w, DROP, ALL, ONLY(2), KIND(QPREPARE), 1);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	const struct wblock *a = world_propose(w, 0);
	traitor_vote(w, 1, QPREPARE, 0, a, ALL);
	world_settle(w);
	traitor_vote(w, 1, QCOMMIT, 0, a, ALL);
	world_settle(w);
	assert_int_equal(world_status(w, 2).tip.n, 1);
	assert_int_equal(world_height(w, 2), 0);
	assert_null(disk_find(&w->r[2].disk, REC_PREPARED, 0, 1));
	world_crash(w, 2);
	w->r[2].hold_execute = false;
	world_restart(w, 2);
	assert_int_equal(world_status(w, 2).tip.n, 1);
	world_settle(w);
	assert_ptr_equal(world_executed(w, 2, 1), a);
	world_clear_rules(w);
	world_goes_on(w);
	world_end(w, __func__);
}

/* F8: 2's vote log was rolled back to before its votes; a certificate that holds one of them comes by. */
static void a_replica_that_sees_a_vote_of_its_own_that_it_forgot_falls_silent(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ONLY(2), KIND(QCOMMIT), 0);
	propose_settled(w, 0, 1);
	world_clear_rules(w);
	world_crash(w, 2);
	w->r[2].tainted = true;
	disk_lose(&w->r[2].disk, REC_PREPARE);
	disk_lose(&w->r[2].disk, REC_COMMIT);
	disk_lose(&w->r[2].disk, REC_PREPARED);
	world_restart(w, 2);
	world_run(w, 1500);
	assert_int_equal(w->r[2].mutes, 1);
	assert_true(world_status(w, 2).muted);
	world_say(w, "-- it follows, but says nothing");
	uint64_t said = w->r[2].said;
	w->pending = ONLY(2);
	propose_settled(w, 0, 2);
	world_run(w, 5000);
	assert_int_equal(world_height(w, 2), 3);
	assert_int_equal(w->r[2].said, said);
	world_say(w, "-- nor after another restart");
	world_crash(w, 2);
	world_restart(w, 2);
	propose_settled(w, 0, 2);
	world_run(w, 3000);
	assert_true(world_status(w, 2).muted);
	assert_int_equal(world_height(w, 2), 5);
	assert_int_equal(w->r[2].said, said);
	world_end(w, __func__);
}

/* F8: the vote is shown inside a NEW-VIEW, before 2 votes in that view. */
static void a_forgotten_vote_inside_a_new_view_silences_as_well(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	propose_settled(w, 0, 1);
	world_crash(w, 2);
	w->r[2].tainted = true;
	disk_lose(&w->r[2].disk, REC_PREPARE);
	disk_lose(&w->r[2].disk, REC_COMMIT);
	disk_lose(&w->r[2].disk, REC_PREPARED);
	world_rule(w, DROP, ALL, ONLY(2), KIND(QVIEW_CHANGE) | KIND(QPREPARE) | KIND(QPRE_PREPARE), 0);
	world_restart(w, 2);
	world_settle(w);
	world_time_out(w, ONLY(0) | ONLY(1) | ONLY(3));
	world_settle(w);
	assert_int_equal(w->r[2].mutes, 1);
	assert_null(disk_find(&w->r[2].disk, REC_PREPARE, 1, 1));
	world_end(w, __func__);
}

/* ST5: nothing is lost but the vote log: silent until a stable checkpoint reaches what peers had, plus 2L
 * = 16. */
static void a_replica_without_its_vote_log_is_silent_until_it_cannot_contradict_itself(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	propose_settled(w, 0, 2);
	world_crash(w, 3);
	disk_free(&w->r[3].disk);
	memset(&w->r[3].disk, 0, sizeof w->r[3].disk);
	w->r[3].amnesiac = true;
	world_restart(w, 3);
	world_run(w, 2500);
	assert_int_equal(world_height(w, 3), 2);
	uint64_t said = w->r[3].said;
	w->quiet = true;
	propose_settled(w, 0, 17); /* up to height 19: the bar is 2 + 16 */
	assert_int_equal(w->r[3].said, said);
	assert_true(world_status(w, 3).muted);
	propose_settled(w, 0, 1);
	assert_int_equal(world_status(w, 3).stable.n, 20);
	assert_false(world_status(w, 3).muted);
	propose_settled(w, 0, 1);
	assert_true(w->r[3].said > said);
	w->quiet = false;
	world_goes_on(w);
	world_end(w, __func__);
}

/* A peer that claims the end of numbers cannot shorten the silence. */
static void a_liar_cannot_end_the_silence_of_a_replica_without_its_vote_log(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct qmessage m = {.kind = QSTATUS};
	(void)state;
	world_crash(w, 3);
	w->r[3].amnesiac = true;
	m.qmessage_u.status.tip = qheight_of(UINT64_MAX - 14);
	world_restart(w, 3);
	traitor_message(w, 1, &m, ONLY(3));
	world_run(w, 1500);
	w->quiet = true;
	for (unsigned k = 0; k < 6; k++) {
		const struct wblock *b = world_propose(w, 0);
		traitor_vote(w, 1, QPREPARE, 0, b, ALL);
		traitor_vote(w, 1, QCOMMIT, 0, b, ALL);
		world_settle(w);
		if (b->header.height.n % 4 == 0) {
			struct qmessage point = {.kind = QCHECKPOINT};
			point.qmessage_u.vote = (struct qvote){.height = b->header.height, .block = b->hash};
			point.qmessage_u.vote.state = w->r[0].disk.executed[b->header.height.n].digest;
			traitor_message(w, 1, &point, ALL);
		}
	}
	world_run(w, 1500);
	assert_int_equal(world_status(w, 3).stable.n, 4);
	assert_int_equal(w->r[3].said, 0);
	world_free(w);
}

/*
 * Checkpoints follow execution.  0 and 1 lose their power between executing height 4 and signing for it,
 * 2 and 3 the same at height 8: nobody may wait for ever for what nobody signed.
 */
static void a_checkpoint_that_was_due_at_a_crash_is_signed_after_it(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	propose_settled(w, 0, 3);
	w->r[0].crash_at = w->r[1].crash_at = CRASH_AFTER_EXECUTE;
	propose_settled(w, 0, 1);
	world_restart(w, 0);
	world_restart(w, 1);
	world_run(w, 1500);
	w->auto_propose = true;
	for (unsigned k = 0; k < 3; k++) {
		world_submit(w, ALL);
		world_run_to(w, 5 + k, 5000);
	}
	w->r[2].crash_at = w->r[3].crash_at = CRASH_AFTER_EXECUTE;
	world_submit(w, ALL);
	world_run(w, 1000);
	world_crash(w, 2);
	world_crash(w, 3);
	world_restart(w, 2);
	world_restart(w, 3);
	world_run(w, 1500);
	world_goes_on(w);
	world_end(w, __func__);
}

/* 3 was away while the others went on; then nobody submits anything. */
static void a_restarted_replica_catches_up_without_any_traffic(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	propose_settled(w, 0, 1);
	world_crash(w, 3);
	propose_settled(w, 0, 9);
	world_restart(w, 3);
	world_run(w, 2500);
	assert_int_equal(world_height(w, 3), 10);
	world_goes_on(w);
	world_end(w, __func__);
}

/* The proposer restarts: what it proposed stands, and it goes on above it. */
static void a_proposer_that_restarts_does_not_propose_twice(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QPREPARE), 0);
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	world_crash(w, 0);
	world_restart(w, 0);
	const struct wblock *b = world_propose(w, 0);
	assert_int_equal(b->header.height.n, 2);
	world_clear_rules(w);
	world_run(w, 600);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(world_executed(w, i, 1), a);
		assert_ptr_equal(world_executed(w, i, 2), b);
	}
	world_goes_on(w);
	world_end(w, __func__);
}

/*
 * 1 alone had b prepared and bound it in view 1; without it, view 2 certified another block.  1's disk holds
 * both the NEW-VIEW of view 1 and the newer chain: that stops nobody at a restart.
 */
static void a_restart_in_a_view_that_failed_stops_nobody(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	world_rule(w, DROP, ALL, BUT(1), KIND(QPREPARE), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	world_propose(w, 0);
	world_settle(w);
	world_rule(w, DROP, ONLY(1), ALL, KIND(QNEW_VIEW), 0);
	world_time_out(w, ALL);
	world_settle(w);
	assert_int_equal(world_status(w, 1).entered.n, 1);
	world_say(w, "-- view 2, without 1");
	world_partition(w, ONLY(1));
	world_time_out(w, BUT(1));
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	world_settle(w);
	world_clear_rules(w);
	world_partition(w, ONLY(1));
	const struct wblock *c = world_propose(w, 2);
	world_settle(w);
	assert_ptr_equal(world_executed(w, 0, 1), c);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ONLY(1), KIND(QNEW_VIEW), 0);
	world_run(w, 1500);
	assert_ptr_equal(world_executed(w, 1, 1), c);
	world_crash(w, 1);
	world_restart(w, 1);
	world_clear_rules(w);
	world_goes_on(w);
	world_end(w, __func__);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_crash_with_blocks_in_flight),
	    cmocka_unit_test(all_crash_inside_a_view_change),
	    cmocka_unit_test(all_crash_in_a_new_view),
	    cmocka_unit_test(all_crash_after_certifying_before_executing),
	    cmocka_unit_test(a_crash_at_any_point_of_a_turn_contradicts_nothing),
	    cmocka_unit_test(a_replica_that_committed_reports_its_certificate_after_a_crash),
	    cmocka_unit_test(a_certified_tip_outlives_a_crash),
	    cmocka_unit_test(a_replica_that_sees_a_vote_of_its_own_that_it_forgot_falls_silent),
	    cmocka_unit_test(a_forgotten_vote_inside_a_new_view_silences_as_well),
	    cmocka_unit_test(a_replica_without_its_vote_log_is_silent_until_it_cannot_contradict_itself),
	    cmocka_unit_test(a_liar_cannot_end_the_silence_of_a_replica_without_its_vote_log),
	    cmocka_unit_test(a_checkpoint_that_was_due_at_a_crash_is_signed_after_it),
	    cmocka_unit_test(a_restarted_replica_catches_up_without_any_traffic),
	    cmocka_unit_test(a_proposer_that_restarts_does_not_propose_twice),
	    cmocka_unit_test(a_restart_in_a_view_that_failed_stops_nobody),
	};
	return cmocka_run_group_tests_name("crashes", tests, NULL, NULL);
}
