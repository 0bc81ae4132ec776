/*
 * review.c: a traitor with two NEW-VIEWs, a ledger that is gone, a replica that is far behind.
 * Links: scenario_world
 */
#include "world.h"

static void and_the_chain_goes_on(struct world *w)
{
	uint64_t height = 0;
	world_say(w, "-- and the chain goes on");
	w->quiet = true;
	for (unsigned i = 0; i < w->n; i++)
		if (world_height(w, i) > height)
			height = world_height(w, i);
	w->auto_propose = true;
	world_submit(w, ALL);
	if (!world_run_to(w, height + 1, 60000))
		world_broken(w, "the chain stands still");
}

static void propose_settled(struct world *w, unsigned i, unsigned cnt)
{
	for (unsigned k = 0; k < cnt; k++) {
		world_propose(w, i);
		world_settle(w);
	}
}

/*
 * NV2, NV4: the traitor leads view 1 with two NEW-VIEWs: one without O for 2 and 3, who commit another block
 * with it, and one that binds a, prepared at 0 alone, for 0.  Either V is valid; only the traitor lies.
 */
static void two_new_views_of_one_view_stop_nobody_who_knows_what_was_certified(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim nothing = {0};
	(void)state;
	world_rule(w, DROP, ONLY(2) | ONLY(3), ONLY(2) | ONLY(3), KIND(QPREPARE), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	world_propose(w, 0);
	world_settle(w);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ONLY(0), KIND(QPREPARE) | KIND(QPRE_PREPARE), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	world_time_out(w, BUT(1));
	traitor_view_change(w, 1, 1, &nothing, 0);
	world_settle(w);
	traitor_new_view(w, 1, 1, BUT(0) & 15, ONLY(2) | ONLY(3));
	world_settle(w);
	const struct wblock *b = traitor_block(w, 1, 1, &w->g.chain);
	traitor_propose(w, 1, 1, b, ONLY(2) | ONLY(3));
	world_settle(w);
	traitor_vote(w, 1, QCOMMIT, 1, b, ALL);
	world_settle(w);
	assert_ptr_equal(world_executed(w, 2, 1), b);
	assert_int_equal(world_status(w, 0).tip.n, 1);
	world_say(w, "-- now 0 is shown the other one");
	traitor_new_view(w, 1, 1, BUT(3) & 15, ONLY(0));
	world_settle(w);
	assert_int_equal(world_status(w, 0).entered.n, 1);
	assert_int_equal(w->r[0].halts, 0);
	world_clear_rules(w);
	world_crash(w, 0);
	world_restart(w, 0);
	assert_int_equal(w->r[0].halts, 0);
	and_the_chain_goes_on(w);
	world_end(w, __func__);
}

/* OWN1: the ledger was moved away to be fetched anew, as its errors advise; the vote log was pruned before.
 */
static void a_replica_that_fetches_its_ledger_anew_remembers_what_it_forgot(void **state)
{
	struct world *w = world_new(4, 0);
	struct disk *d = &w->r[2].disk;
	(void)state;
	w->quiet = true;
	world_crash(w, 3); /* so that every certificate needs 2 */
	propose_settled(w, 0, 10);
	world_run(w, 1500);
	assert_int_equal(world_status(w, 2).stable.n, 8);
	w->quiet = false;
	world_crash(w, 2);
	for (uint64_t h = 1; h <= d->height; h++)
		if (d->executed[h].has_cert)
			wire_free(WIRE(qcert), &d->executed[h].cert);
	memset(d->executed, 0, sizeof d->executed);
	d->height = d->block_cnt = 0; /* the vote log keeps no blocks that were executed */
	wire_free(WIRE(qcert), &d->stable);
	d->has_stable = false;
	world_say(w, "-- without its ledger");
	world_rule(w, DROP, ONLY(2), ALL, KIND(QGET_CHAIN), 0);
	world_restart(w, 2);
	world_run(w, 1500); /* the stable certificate comes first: 2's own signature is in it */
	world_clear_rules(w);
	world_run(w, 1500);
	assert_int_equal(w->r[2].mutes, 0);
	assert_false(world_status(w, 2).muted);
	assert_int_equal(world_height(w, 2), 10);
	and_the_chain_goes_on(w);
	world_end(w, __func__);
}

/* PP3: catching up may take hours; what is agreed on meanwhile must not pile up in memory. */
static void who_is_far_behind_gathers_no_blocks_of_the_tip(void **state)
{
	struct world *w = world_new(4, 0);
	unsigned held = 0;
	(void)state;
	w->quiet = true;
	w->r[3].hold_execute = true;
	world_rule(w, DROP, ONLY(3), ALL, KIND(QGET_CHAIN), 0);
	world_rule(w, DROP, ALL, ONLY(3), KIND(QPRE_PREPARE), 1);
	for (unsigned k = 0; k < 60; k++) {
		propose_settled(w, 0, 1);
		if (k == 0)
			world_clear_rules(w), world_rule(w, DROP, ONLY(3), ALL, KIND(QGET_CHAIN), 0);
	}
	assert_int_equal(world_status(w, 3).tip.n, 60);
	assert_int_equal(world_status(w, 3).executed.n, 0);
	for (size_t k = 0; k < w->block_cnt; k++)
		held += w->blocks[k]->holds >> 3 & 1;
	assert_in_range(held, 0, 16);
	world_clear_rules(w);
	w->r[3].hold_execute = false;
	world_execute_held(w, 3);
	and_the_chain_goes_on(w);
	world_free(w);
}

/* T1: 3's patience with view 0 is all but over when it hears of view 1, which it did not ask for. */
static void patience_begins_anew_in_a_view_that_was_not_asked_for(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	(void)state;
	w->pending = ONLY(3);
	world_tick(w, 3);
	world_run(w, 950);
	world_rule(w, DROP, ALL, ONLY(3), KIND(QVIEW_CHANGE) | KIND(QSTATUS), 0);
	w->pending = ONLY(1) | ONLY(2) | ONLY(3);
	struct claim nothing = {0};
	traitor_view_change(w, 0, 1, &nothing, ALL);
	world_time_out(w, ONLY(1) | ONLY(2));
	world_settle(w);
	assert_int_equal(world_status(w, 3).entered.n, 1);
	world_run(w, 900);
	assert_int_equal(world_status(w, 3).asked.n, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_new_views_of_one_view_stop_nobody_who_knows_what_was_certified),
	    cmocka_unit_test(a_replica_that_fetches_its_ledger_anew_remembers_what_it_forgot),
	    cmocka_unit_test(who_is_far_behind_gathers_no_blocks_of_the_tip),
	    cmocka_unit_test(patience_begins_anew_in_a_view_that_was_not_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
