/*
 * traitors.c: one replica that lies: proposals that contradict one another or themselves, votes for two
 * blocks, two NEW-VIEWs, lies about what is certified.  Evidence convicts it, and the chain goes on.
 * Links: scenario_world
 */
#include "merkle.h"
#include "world.h"

static void all_convict(const struct world *w, unsigned culprit)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->r[i].e)
			assert_true(w->r[i].conflict_culprits & ONLY(culprit));
}

/* The replicas of the mask have counted it (/metrics). */
static void count_refusals(const struct world *w, enum engine_rule rule, uint64_t mask)
{
	for (unsigned i = 0; i < w->n; i++)
		if (mask >> i & 1)
			assert_true(world_status(w, i).refused[rule] > 0);
}

static void all_ask_at_least(const struct world *w, uint64_t view)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->r[i].e)
			assert_true(world_status(w, i).asked.n >= view);
}

/* PP5: who sees both shows them to everybody. */
static void an_equivocating_proposer_is_convicted_and_replaced(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	(void)state;
	const struct wblock *a = traitor_block(w, 0, 1, &w->g.chain);
	const struct wblock *b = traitor_block(w, 0, 1, &w->g.chain);
	traitor_propose(w, 0, 0, a, ONLY(1) | ONLY(2));
	traitor_propose(w, 0, 0, b, ONLY(3));
	world_settle(w);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(w->r[i].conflicts, 0);
	world_say(w, "-- 3 sees the other proposal, too");
	traitor_propose(w, 0, 0, a, ONLY(3));
	world_settle(w);
	all_convict(w, 0);
	count_refusals(w, RULE_PP5, BUT(0));
	all_ask_at_least(w, 1);
	world_run(w, 500);
	for (unsigned i = 1; i < 4; i++)
		assert_ptr_equal(world_executed(w, i, 1), a);
	world_goes_on(w);
	world_end(w, __func__);
}

/* Certified at 1 alone with the traitor's help: the others must come to the same block. */
static void a_block_certified_at_one_replica_alone_survives(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	(void)state;
	const struct wblock *a = traitor_block(w, 0, 1, &w->g.chain);
	const struct wblock *b = traitor_block(w, 0, 1, &w->g.chain);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	traitor_propose(w, 0, 0, a, ONLY(1) | ONLY(2));
	traitor_propose(w, 0, 0, b, ONLY(3));
	traitor_vote(w, 0, QCOMMIT, 0, a, ONLY(1));
	world_settle(w);
	assert_ptr_equal(world_executed(w, 1, 1), a);
	world_partition(w, ONLY(1));
	w->pending = ONLY(2) | ONLY(3);
	world_time_out(w, ONLY(2) | ONLY(3));
	struct claim nothing = {0};
	traitor_view_change(w, 0, 1, &nothing, ALL);
	traitor_view_change(w, 0, 2, &nothing, ALL);
	world_settle(w);
	world_time_out(w, ONLY(2) | ONLY(3));
	world_settle(w);
	w->pending = 0;
	world_run(w, 200); /* 3 fetches what it is bound to */
	assert_non_null(disk_find(&w->r[3].disk, REC_PREPARE, 2, 1));
	world_say(w, "-- 1 is back");
	world_clear_rules(w);
	world_run(w, 1500);
	assert_ptr_equal(world_executed(w, 2, 1), a);
	assert_ptr_equal(world_executed(w, 3, 1), a);
	world_goes_on(w);
	world_end(w, __func__);
}

/* PR2: a PREPARE of the proposer and one of its own are no quorum. */
static void three_proposals_for_three_replicas_come_to_nothing(void **state)
{
	struct world *w = world_new(4, ONLY(0));
	(void)state;
	for (unsigned i = 1; i < 4; i++)
		traitor_propose(w, 0, 0, traitor_block(w, 0, 1, &w->g.chain), ONLY(i));
	world_settle(w);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(world_height(w, i), 0);
	world_goes_on(w);
	world_end(w, __func__);
}

/* V2 */
static void two_votes_of_one_replica_convict_it_and_count_once(void **state)
{
	struct world *w = world_new(4, ONLY(3));
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	const struct wblock *a = world_propose(w, 0);
	const struct wblock *b = traitor_block(w, 3, 1, &w->g.chain);
	traitor_vote(w, 3, QPREPARE, 0, b, ALL);
	traitor_vote(w, 3, QPREPARE, 0, a, ALL);
	traitor_vote(w, 3, QPREPARE, 0, a, ALL);
	world_settle(w);
	all_convict(w, 3);
	count_refusals(w, RULE_V2, BUT(3));
	world_clear_rules(w);
	traitor_vote(w, 3, QCOMMIT, 0, a, ALL);
	traitor_vote(w, 3, QCOMMIT, 0, b, ALL);
	world_run(w, 500);
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(world_executed(w, i, 1), a);
	world_goes_on(w);
	world_end(w, __func__);
}

/* V2: 2 alone has heard the traitor's PREPARE for another block; what it said to the others is in a
 * certificate. */
static void a_vote_in_a_certificate_convicts_who_signed_another(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	world_rule(w, DROP, ONLY(2), ALL, KIND(QPREPARE), 0);
	const struct wblock *b = traitor_block(w, 1, 1, &w->g.chain);
	traitor_vote(w, 1, QPREPARE, 0, b, ONLY(2));
	const struct wblock *a = world_propose(w, 0);
	traitor_vote(w, 1, QPREPARE, 0, a, ONLY(0) | ONLY(3));
	world_settle(w);
	assert_int_equal(w->r[2].conflicts, 0);
	w->pending = ALL;
	world_time_out(w, ONLY(0));
	world_settle(w);
	assert_true(w->r[2].conflict_culprits == ONLY(1));
	world_clear_rules(w);
	world_goes_on(w);
	assert_ptr_equal(world_executed(w, 2, 1), a);
	world_end(w, __func__);
}

/* NV2, with different but each valid V */
static void two_new_views_of_one_view_convict_their_maker(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim nothing = {0};
	(void)state;
	w->pending = ALL;
	world_time_out(w, BUT(1));
	traitor_view_change(w, 1, 1, &nothing, 0);
	world_settle(w);
	traitor_new_view(w, 1, 1, ONLY(0) | ONLY(1) | ONLY(2), ONLY(0) | ONLY(2));
	traitor_new_view(w, 1, 1, ONLY(0) | ONLY(2) | ONLY(3), ONLY(3));
	world_settle(w);
	world_say(w, "-- 3 sees the other one, too");
	traitor_new_view(w, 1, 1, ONLY(0) | ONLY(1) | ONLY(2), ONLY(3));
	world_settle(w);
	assert_true(w->r[3].conflict_culprits & ONLY(1));
	count_refusals(w, RULE_NV2, ONLY(3));
	world_goes_on(w);
	world_end(w, __func__);
}

/* VC2 */
static void two_view_changes_for_one_view_convict_their_maker(void **state)
{
	struct world *w = world_new(4, ONLY(3));
	struct claim nothing = {0}, tip;
	(void)state;
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	traitor_vote(w, 3, QPREPARE, 0, a, ALL);
	traitor_vote(w, 3, QCOMMIT, 0, a, ALL);
	world_settle(w);
	tip = (struct claim){.tip = a};
	traitor_view_change(w, 3, 5, &tip, ALL);
	traitor_view_change(w, 3, 5, &nothing, ALL);
	world_settle(w);
	all_convict(w, 3);
	count_refusals(w, RULE_VC2, BUT(3));
	world_goes_on(w);
	world_end(w, __func__);
}

/* CP3 */
static void two_checkpoints_of_one_height_convict_their_maker(void **state)
{
	struct world *w = world_new(4, ONLY(3));
	struct qmessage m = {.kind = QCHECKPOINT};
	(void)state;
	m.qmessage_u.vote.height = qheight_of(4);
	traitor_message(w, 3, &m, ALL);
	m.qmessage_u.vote.state.b[0] = 1;
	traitor_message(w, 3, &m, ALL);
	world_settle(w);
	all_convict(w, 3);
	count_refusals(w, RULE_CP3, BUT(3));
	world_goes_on(w);
	world_end(w, __func__);
}

/* V1, CP1: beyond the window (4), and not at a checkpoint's height (4, 8 ...). */
static void statements_out_of_place_are_counted(void **state)
{
	struct world *w = world_new(4, ONLY(3));
	struct qmessage vote = {.kind = QPREPARE}, checkpoint = {.kind = QCHECKPOINT};
	(void)state;
	w->quiet = true;
	vote.qmessage_u.vote.height = qheight_of(4);
	checkpoint.qmessage_u.vote.height = qheight_of(4);
	traitor_message(w, 3, &vote, ALL);
	traitor_message(w, 3, &checkpoint, ALL);
	world_settle(w);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(world_status(w, i).refused[RULE_V1], 0);
		assert_int_equal(world_status(w, i).refused[RULE_CP1], 0);
	}
	vote.qmessage_u.vote.height = checkpoint.qmessage_u.vote.height = qheight_of(5);
	traitor_message(w, 3, &vote, ALL);
	traitor_message(w, 3, &checkpoint, ALL);
	world_settle(w);
	count_refusals(w, RULE_V1, BUT(3));
	count_refusals(w, RULE_CP1, BUT(3));
	world_goes_on(w);
	world_free(w);
}

/* ---- proposals that show by themselves that they are wrong (PP7) ------------------ */

static void format(struct qproposal *p)
{
	p->header.format = 2;
}
static void proposer(struct qproposal *p)
{
	p->header.proposer = 3;
}
static void count(struct qproposal *p)
{
	p->header.tx_count = 2;
}
static void root(struct qproposal *p)
{
	p->header.merkle_root.b[0] ^= 1;
}
static void none(struct qproposal *p)
{
	p->leaves.leaves_len = p->header.tx_count = 0;
}
static void twice(struct qproposal *p)
{
	p->leaves.leaves_len = p->header.tx_count = 2;
	p->leaves.leaves_val[1] = p->leaves.leaves_val[0];
	merkle_root(p->leaves.leaves_val, 2, &p->header.merkle_root);
}
static void many(struct qproposal *p)
{
	p->leaves.leaves_len = p->header.tx_count = 5; /* the chain's limit is 4 */
	merkle_root(p->leaves.leaves_val, 5, &p->header.merkle_root);
}

static struct world *world_with_small_blocks(void)
{
	struct qparams p = world_params();
	p.block_txs_max = 4;
	return world_new_with(4, ONLY(0), &p, 1);
}

/* Signs a PRE-PREPARE for a block that `spoil` has spoilt. */
static void propose_spoilt(struct world *w, void (*spoil)(struct qproposal *p), uint64_t to)
{
	struct qhash leaves[8];
	struct qmessage m = {.kind = QPRE_PREPARE}, vote = {.kind = QPREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;
	for (unsigned k = 0; k < 8; k++)
		leaves[k] = world_fresh_leaf(w);
	p->header =
	    (struct qheader){.format = 1, .height = qheight_of(1), .parent = w->g.chain, .tx_count = 1};
	p->header.time_ms = w->g.g.time_ms + 1;
	merkle_root(leaves, 1, &p->header.merkle_root);
	p->leaves.leaves_len = 1;
	p->leaves.leaves_val = leaves;
	spoil(p);
	vote.qmessage_u.vote.height = p->header.height;
	block_hash(&p->header, &vote.qmessage_u.vote.block);
	struct message *prepare = world_sign(w, 0, &vote);
	p->prepare = prepare->env.sig;
	message_unref(prepare);
	traitor_message(w, 0, &m, to);
}

static void a_proposal_that_is_wrong_by_itself_convicts_its_proposer(void **state)
{
	static void (*const spoils[])(struct qproposal *) = {format, proposer, count, root,
	                                                     none,   twice,    many};
	(void)state;
	for (size_t k = 0; k < sizeof spoils / sizeof *spoils; k++) {
		struct world *w = world_with_small_blocks();
		propose_spoilt(w, spoils[k], ONLY(2)); /* 2 shows it to everybody */
		world_settle(w);
		for (unsigned i = 1; i < 4; i++) {
			assert_int_equal(w->r[i].bad_proposals, 1);
			assert_null(disk_find(&w->r[i].disk, REC_PREPARE, 0, 1));
		}
		all_ask_at_least(w, 1);
		count_refusals(w, RULE_PP7, BUT(0));
		world_goes_on(w);
		world_free(w);
	}
}

static void nothing_wrong(struct qproposal *p)
{
	(void)p;
}
static void as_old_as_its_parent(struct qproposal *p)
{
	p->header.time_ms--;
}

/* The counterpart: unspoilt, the same proposal is voted for; PP8: one as old as its parent is not. */
static void a_proposal_not_after_its_parent_is_refused(void **state)
{
	struct world *w = world_with_small_blocks();
	(void)state;
	propose_spoilt(w, nothing_wrong, ALL);
	world_settle(w);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(world_height(w, i), 1);
	world_free(w);
	w = world_with_small_blocks();
	propose_spoilt(w, as_old_as_its_parent, ALL);
	world_settle(w);
	for (unsigned i = 1; i < 4; i++)
		assert_null(disk_find(&w->r[i].disk, REC_PREPARE, 0, 1));
	count_refusals(w, RULE_PP8, BUT(0));
	all_ask_at_least(w, 1);
	world_goes_on(w);
	world_end(w, __func__);
}

static void on_nothing(struct qproposal *p)
{
	p->header.parent.b[0] ^= 1;
}
static void too_high(struct qproposal *p)
{
	p->header.height.n = 6;
}
static void highest(struct qproposal *p)
{
	p->header.height.n = UINT64_MAX;
}
static void of_view_4(struct qproposal *p)
{
	p->view.n = 4;
}
static void of_last_view(struct qproposal *p)
{
	p->view.n = UINT64_MAX - 3;
}

/* PP1, PP2, PP3, PP6: no reason to convict, and no vote. */
static void a_proposal_out_of_place_gets_no_vote_and_convicts_nobody(void **state)
{
	static const struct {
		void (*spoil)(struct qproposal *);
		enum engine_rule rule;
	} spoils[] = {{on_nothing, RULE_PP6},
	              {too_high, RULE_PP3},
	              {highest, ENGINE_RULES},   /* nor is that a message */
	              {of_view_4, ENGINE_RULES}, /* it waits */
	              {of_last_view, ENGINE_RULES}};
	(void)state;
	for (size_t k = 0; k < sizeof spoils / sizeof *spoils; k++) {
		struct world *w = world_with_small_blocks();
		w->quiet = true;
		propose_spoilt(w, spoils[k].spoil, ALL);
		world_settle(w);
		if (spoils[k].rule != ENGINE_RULES)
			count_refusals(w, spoils[k].rule, BUT(0));
		for (unsigned i = 1; i < 4; i++) {
			assert_int_equal(w->r[i].bad_proposals + w->r[i].conflicts, 0);
			assert_int_equal(world_status(w, i).asked.n, 0);
			assert_int_equal(w->r[i].said, 0);
		}
		world_goes_on(w);
		world_free(w);
	}
}

/* PP1 */
static void only_the_proposer_of_the_view_may_propose(void **state)
{
	struct world *w = world_new(4, ONLY(3));
	(void)state;
	traitor_propose(w, 3, 0, traitor_block(w, 3, 1, &w->g.chain), ALL);
	world_settle(w);
	count_refusals(w, RULE_PP1, BUT(3));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w->r[i].said, 0);
	world_goes_on(w);
	world_end(w, __func__);
}

/* Two replicas that may not speak must not show a bad proposal to one another for ever. */
static void replicas_that_must_be_silent_do_not_echo_a_bad_proposal(void **state)
{
	struct qparams p = world_params();
	struct world *w = world_new_with(7, ONLY(0), &p, 1);
	(void)state;
	p.block_txs_max = 4;
	for (unsigned i = 5; i < 7; i++) {
		world_crash(w, i);
		w->r[i].amnesiac = true;
		world_restart(w, i);
	}
	w->quiet = true;
	propose_spoilt(w, root, ALL);
	world_settle(w);
	const struct wblock *a = traitor_block(w, 0, 1, &w->g.chain);
	const struct wblock *b = traitor_block(w, 0, 1, &w->g.chain);
	traitor_propose(w, 0, 0, a, ONLY(5) | ONLY(6));
	traitor_propose(w, 0, 0, b, ONLY(5) | ONLY(6));
	world_settle(w);
	assert_int_equal(w->r[5].said + w->r[6].said, 0);
	world_free(w);
}

/* However often it asks to be asked: an honest peer is asked in turn. */
static void a_liar_who_promises_the_chain_cannot_starve_who_catches_up(void **state)
{
	struct world *w = world_new(4, ONLY(2));
	struct qmessage m = {.kind = QSTATUS};
	(void)state;
	world_partition(w, ONLY(3));
	for (unsigned k = 0; k < 5; k++) {
		const struct wblock *b = world_propose(w, 0);
		traitor_vote(w, 2, QPREPARE, 0, b, ALL);
		traitor_vote(w, 2, QCOMMIT, 0, b, ALL);
		world_settle(w);
	}
	world_clear_rules(w);
	m.qmessage_u.status.tip = m.qmessage_u.status.executed = qheight_of(UINT64_MAX);
	for (unsigned k = 0; k < 1500; k++) {
		traitor_message(w, 2, &m, ONLY(3));
		world_run(w, 1);
	}
	assert_int_equal(world_height(w, 3), 5);
	world_end(w, __func__);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_equivocating_proposer_is_convicted_and_replaced),
	    cmocka_unit_test(a_block_certified_at_one_replica_alone_survives),
	    cmocka_unit_test(three_proposals_for_three_replicas_come_to_nothing),
	    cmocka_unit_test(two_votes_of_one_replica_convict_it_and_count_once),
	    cmocka_unit_test(a_vote_in_a_certificate_convicts_who_signed_another),
	    cmocka_unit_test(two_new_views_of_one_view_convict_their_maker),
	    cmocka_unit_test(two_view_changes_for_one_view_convict_their_maker),
	    cmocka_unit_test(two_checkpoints_of_one_height_convict_their_maker),
	    cmocka_unit_test(statements_out_of_place_are_counted),
	    cmocka_unit_test(a_proposal_that_is_wrong_by_itself_convicts_its_proposer),
	    cmocka_unit_test(a_proposal_not_after_its_parent_is_refused),
	    cmocka_unit_test(a_proposal_out_of_place_gets_no_vote_and_convicts_nobody),
	    cmocka_unit_test(only_the_proposer_of_the_view_may_propose),
	    cmocka_unit_test(replicas_that_must_be_silent_do_not_echo_a_bad_proposal),
	    cmocka_unit_test(a_liar_who_promises_the_chain_cannot_starve_who_catches_up),
	};
	return cmocka_run_group_tests_name("traitors", tests, NULL, NULL);
}
