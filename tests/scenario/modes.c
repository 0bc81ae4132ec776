/*
 * modes.c: chains that choose proposers by stake, and chains whose blocks are sealed by proof of work.
 * Links: scenario_world
 */
#include "world.h"

/* K 4, W 2: the shortest epochs that the genesis allows. */
#define EPOCH 8
#define TURN 2

static struct qparams params(void)
{
	struct qparams p = world_params();
	p.window = 2;
	return p;
}

/* ---- by stake ---------------------------------------------------------------------- */

static void equal(uint64_t height, struct qstake stakes[Q_REPLICAS_MAX])
{
	(void)height;
	for (unsigned i = 0; i < 3; i++) /* replica 3 has none */
		stakes[i].own = 100;
}

/* All moves from 0 and 1 to 2 and 3 within the second epoch. */
static void moving(uint64_t height, struct qstake stakes[Q_REPLICAS_MAX])
{
	unsigned first = height < 2 * EPOCH ? 0 : 2;
	stakes[first].own = 70;
	stakes[first + 1].delegated = 30;
}

static struct world_modes by_stake(void (*stakes)(uint64_t, struct qstake *))
{
	struct world_modes m = {.proposer.kind = QPROPOSER_STAKE, .stakes = stakes};
	m.proposer.qproposer_rules_u.stake = genesis_default_stake(4);
	m.proposer.qproposer_rules_u.stake.epoch = EPOCH;
	m.proposer.qproposer_rules_u.stake.turn = TURN;
	m.proposer.qproposer_rules_u.stake.unbonding = 3 * EPOCH;
	return m;
}

static struct world *stake_world(uint64_t traitors, void (*stakes)(uint64_t, struct qstake *))
{
	struct world_modes m = by_stake(stakes);
	struct qparams p = params();
	return world_new_in(4, traitors, &p, 1, &m);
}

/* Worked out apart from the engine, from the table that should decide. */
static unsigned whose_turn(const struct world *w, uint64_t height, uint64_t view)
{
	struct schedule s;
	struct qtable t = {.stakes.stakes_len = 4,
	                   .stakes.stakes_val = xcalloc(Q_REPLICAS_MAX, sizeof(struct qstake))};
	uint64_t epoch = (height - 1) / EPOCH;
	t.height = qheight_of(epoch > 0 ? (epoch - 1) * EPOCH : 0);
	w->modes.stakes(t.height.n, t.stakes.stakes_val);
	schedule_make(&w->g, &t, &s);
	free(t.stakes.stakes_val);
	return s.turns[((height - 1) / TURN + view) % SCHEDULE_CYCLE];
}

static void propose_up_to(struct world *w, uint64_t height)
{
	while (world_height(w, 0) < height) {
		uint64_t next = world_height(w, 0) + 1;
		world_propose(w, whose_turn(w, next, world_status(w, 0).entered.n));
		world_settle(w);
		for (unsigned i = 0; i < 4; i++)
			if (w->r[i].e)
				assert_int_equal(world_height(w, i), next);
	}
}

/* PP1 */
static void turns_go_round_by_stake(void **state)
{
	struct world *w = stake_world(0, equal);
	(void)state;
	for (uint64_t h = 1; h <= 3 * EPOCH; h++) {
		unsigned due = whose_turn(w, h, 0);
		struct qheight height;
		struct qhash parent;
		assert_int_equal(world_status(w, 3).proposer, due);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(pbft_engine.can_propose(w->r[i].e, &height, &parent), i == due);
		propose_up_to(w, h);
		assert_int_equal(world_executed(w, 3, h)->header.proposer, due);
		assert_int_not_equal(due, 3);
	}
	world_free(w);
}

/* In flight, a turn's end is no end, nor is an epoch's: the next proposer builds on what the one before
 * proposed. */
static void the_next_turn_is_proposed_while_the_last_is_in_flight(void **state)
{
	(void)state;
	for (uint64_t h = TURN; h <= 3 * EPOCH; h += 3 * EPOCH - TURN) {
		struct world *w = stake_world(0, moving);
		propose_up_to(w, h - 1);
		world_rule(w, HOLD, ALL, ALL, KIND(QCOMMIT), 0);
		world_propose(w, whose_turn(w, h, 0));
		world_settle(w);
		world_propose(w, whose_turn(w, h + 1, 0));
		world_settle(w);
		assert_int_equal(world_height(w, 0), h - 1);
		world_clear_rules(w);
		world_release(w);
		world_settle(w);
		assert_int_equal(world_height(w, 0), h + 1);
		world_free(w);
	}
}

/* PP1: a vote for it would be a vote for whoever talks first. */
static void who_has_no_turn_is_not_heard(void **state)
{
	struct world *w = stake_world(ONLY(3), equal);
	(void)state;
	traitor_propose(w, 3, 0, traitor_block(w, 3, 1, &w->g.chain), ALL);
	world_settle(w);
	for (unsigned i = 0; i < 3; i++) {
		assert_null(disk_find(&w->r[i].disk, REC_PREPARE, 0, 1));
		assert_int_equal(w->r[i].bad_proposals, 0);
		assert_int_equal(world_status(w, i).asked.n, 0);
	}
	world_goes_on(w);
	world_free(w);
}

/* The cycle goes on where it is, one further: 0 is silent, whatever it is due to do. */
static void a_silent_proposer_loses_its_turn_to_the_next(void **state)
{
	struct world *w = stake_world(ONLY(0), equal);
	(void)state;
	w->auto_propose = true;
	world_submit(w, ALL);
	for (uint64_t h = 1; h <= 2 * EPOCH; h++) {
		assert_true(world_run_to(w, h, 120000));
		assert_int_not_equal(world_executed(w, 1, h)->header.proposer, 0);
		world_submit(w, ALL);
	}
	world_free(w);
}

/* The stakes of heights up to 16 decide till the end of epoch 3 (heights 17 to 24): those of height 16 from
 * 25 on. */
static void stakes_that_move_decide_two_epochs_later(void **state)
{
	struct world *w = stake_world(0, moving);
	(void)state;
	propose_up_to(w, 5 * EPOCH);
	for (uint64_t h = 1; h <= 5 * EPOCH; h++)
		assert_true((world_executed(w, 0, h)->header.proposer < 2) == (h <= 3 * EPOCH));
	world_free(w);
}

/* Of the epochs that it missed it learns the stakes by executing; then turns are its own. */
static void who_slept_through_epochs_learns_the_turns_by_executing(void **state)
{
	struct world *w = stake_world(0, moving);
	(void)state;
	propose_up_to(w, EPOCH / 2);
	world_crash(w, 2);
	propose_up_to(w, 3 * EPOCH);
	world_restart(w, 2);
	assert_int_equal(world_status(w, 2).proposer, whose_turn(w, EPOCH / 2 + 1, 0));
	assert_true(world_run_to(w, 3 * EPOCH, 60000));
	assert_int_equal(world_status(w, 2).proposer, whose_turn(w, 3 * EPOCH + 1, 0));
	world_crash(w, 1);
	propose_up_to(w, 4 * EPOCH); /* now its proposals and votes are needed */
	world_free(w);
}

static void a_restart_in_any_epoch_finds_the_turns(void **state)
{
	struct world *w = stake_world(0, moving);
	(void)state;
	for (uint64_t h = 1; h <= 4 * EPOCH + 2; h++) {
		propose_up_to(w, h);
		world_crash(w, 2);
		world_restart(w, 2);
		world_settle(w);
		assert_int_equal(world_status(w, 2).proposer, whose_turn(w, h + 1, 0));
	}
	world_free(w);
}

/* ---- sealed ------------------------------------------------------------------------- */

#define BITS 6
#define INTERVAL 1000

static struct world *pow_world(uint64_t traitors, unsigned interval_ms)
{
	struct world_modes m = {.seal.kind = QSEAL_POW};
	struct qparams p = params();
	p.timeout_cap_ms = p.timeout_ms;
	m.seal.qseal_rules_u.pow = (struct qpow_rules){.bits = BITS,
	                                               .bits_max = interval_ms ? BITS + 4 : BITS,
	                                               .interval_ms = interval_ms,
	                                               .hash_rate = 500};
	return world_new_in(4, traitors, &p, 1, &m);
}

static void sealed(const struct world *w, const struct wblock *b)
{
	struct seal_parent below = world_seal_parent(w, &b->header.parent);
	assert_true(seal_holds(&w->g, &b->header, &b->hash));
	assert_true(seal_follows(&w->g, &below, &b->header));
}

static void every_block_is_mined(void **state)
{
	(void)state;
	for (unsigned interval = 0; interval <= INTERVAL; interval += INTERVAL) {
		struct world *w = pow_world(0, interval);
		for (uint64_t h = 1; h <= 12; h++) {
			world_propose(w, 0);
			world_run(w, h < 6 ? 10 : 5000); /* fast, then slow */
			for (unsigned i = 0; i < 4; i++)
				sealed(w, world_executed(w, i, h));
		}
		double harder = seal_work(&world_executed(w, 0, 6)->header.seal.qseal_u.pow.target);
		double first = seal_work(&world_executed(w, 0, 1)->header.seal.qseal_u.pow.target);
		double later = seal_work(&world_executed(w, 0, 12)->header.seal.qseal_u.pow.target);
		assert_int_equal(harder > first, interval > 0);
		assert_int_equal(later<harder, interval> 0);
		world_free(w);
	}
}

static void nothing(struct qheader *h)
{
	h->seal = (struct qseal){0};
}
static void unmined(struct qheader *h)
{
	struct qhash hash;
	for (block_hash(h, &hash); seal_at_most(hash.b, h->seal.qseal_u.pow.target.b); block_hash(h, &hash))
		h->seal.qseal_u.pow.nonce++;
}
static void easy(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(BITS - 1);
}
static void hard(struct qheader *h)
{
	struct qhash hash;
	h->seal.qseal_u.pow.target = seal_target_of_bits(BITS + 5);
	for (block_hash(h, &hash); !seal_at_most(hash.b, h->seal.qseal_u.pow.target.b); block_hash(h, &hash))
		h->seal.qseal_u.pow.nonce++;
}

/* PP7 */
static void a_proposal_without_its_seal_convicts_its_proposer(void **state)
{
	static void (*const spoils[])(struct qheader *) = {nothing, unmined, easy, hard};
	(void)state;
	for (size_t k = 0; k < sizeof spoils / sizeof *spoils; k++) {
		struct world *w = pow_world(ONLY(0), INTERVAL);
		const struct wblock *good = traitor_block(w, 0, 1, &w->g.chain);
		struct qheader h = good->header;
		spoils[k](&h);
		struct wblock *bad = world_note_block(w, &h, good->leaves, good->leaf_cnt);
		traitor_propose(w, 0, 0, bad, ALL);
		world_settle(w);
		for (unsigned i = 1; i < 4; i++) {
			assert_int_equal(w->r[i].bad_proposals, 1);
			assert_null(disk_find(&w->r[i].disk, REC_PREPARE, 0, 1));
			assert_int_equal(world_status(w, i).entered.n, 1);
		}
		world_goes_on(w);
		world_free(w);
	}
}

/* PP11: within the genesis' bounds, so only the ancestors show it: refused and suspected, but no evidence. */
static void a_target_that_does_not_follow_is_refused(void **state)
{
	struct world *w = pow_world(ONLY(0), INTERVAL);
	(void)state;
	const struct wblock *good = traitor_block(w, 0, 1, &w->g.chain);
	struct qheader h = good->header;
	h.seal.qseal_u.pow.target = seal_target_of_bits(BITS + 1);
	world_mine(w, &h);
	traitor_propose(w, 0, 0, world_note_block(w, &h, good->leaves, good->leaf_cnt), ALL);
	world_settle(w);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(w->r[i].bad_proposals, 0);
		assert_null(disk_find(&w->r[i].disk, REC_PREPARE, 0, 1));
		assert_int_equal(world_status(w, i).entered.n, 1);
		assert_int_equal(world_status(w, i).refused[RULE_PP11], 1);
	}
	world_goes_on(w);
	world_free(w);
}

static void start_mining(struct world *w, unsigned i)
{
	struct engine_input in = {.kind = IN_PROPOSE};
	struct qhash leaf = world_fresh_leaf(w);
	in.propose.leaves = &leaf;
	in.propose.leaf_cnt = 1;
	w->r[i].hold_seal = true;
	world_input(w, i, &in);
	assert_true(w->r[i].mining);
	struct qheight height;
	struct qhash parent;
	assert_false(pbft_engine.can_propose(w->r[i].e, &height, &parent)); /* one search at a time */
}

/* SE1; a seal that was found too late is worth nothing. */
static void a_view_change_stops_the_search(void **state)
{
	struct world *w = pow_world(0, 0);
	(void)state;
	start_mining(w, 0);
	struct qheader h = w->r[0].mine;
	assert_int_equal(world_status(w, 0).sealing.n, 1);
	w->pending = ALL;
	world_time_out(w, ALL);
	world_settle(w);
	w->pending = 0;
	assert_int_equal(w->r[0].seals_stopped, 1);
	assert_false(w->r[0].mining);
	assert_int_equal(world_status(w, 0).sealing.n, 0);
	world_mine(w, &h);
	struct engine_input in = {.kind = IN_SEALED, .sealed.header = h};
	world_input(w, 0, &in);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		assert_null(disk_find(&w->r[i].disk, REC_PREPARE, 0, 1));
	world_goes_on(w);
	world_free(w);
}

/* What is in flight below it is committed and executed meanwhile: no reason to begin anew. */
static void the_search_goes_on_while_the_parent_is_committed(void **state)
{
	struct world *w = pow_world(0, 0);
	(void)state;
	world_rule(w, HOLD, ALL, ALL, KIND(QCOMMIT), 0);
	world_propose(w, 0);
	world_settle(w);
	start_mining(w, 0);
	assert_int_equal(w->r[0].mine.height.n, 2);
	world_clear_rules(w);
	world_release(w);
	world_settle(w);
	assert_int_equal(world_height(w, 0), 1);
	assert_int_equal(w->r[0].seals_stopped, 0);
	world_seal_held(w, 0);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		sealed(w, world_executed(w, i, 2));
	world_free(w);
}

/* SE1: the others went on in a view that it knows nothing of; their block has the place of the one that it
 * mines, or of that one's parent. */
static void a_certificate_of_another_block_stops_the_search(void **state)
{
	(void)state;
	for (unsigned in_flight = 0; in_flight <= 1; in_flight++) {
		struct world *w = pow_world(0, 0);
		struct qmessage m = {.kind = QCHAIN};
		world_rule(w, DROP, ONLY(0), ALL, EVERY_KIND, 0);
		if (in_flight)
			world_propose(w, 0);
		start_mining(w, 0);
		assert_int_equal(w->r[0].mine.height.n, 1 + in_flight);
		world_rule(w, DROP, ALL, ONLY(0), EVERY_KIND, 0);
		w->pending = ALL;
		world_time_out(w, BUT(0));
		world_settle(w);
		const struct wblock *other = world_propose(w, 1);
		world_settle(w);
		assert_ptr_equal(world_executed(w, 1, 1), other);
		assert_true(w->r[0].mining);
		must(traitor_cert(w, QCOMMIT, 1, other, &m.qmessage_u.chain.cert));
		struct qheader h = other->header;
		m.qmessage_u.chain.headers.headers_len = 1;
		m.qmessage_u.chain.headers.headers_val = &h;
		struct message *chain = world_sign(w, 2, &m);
		world_clear_rules(w);
		world_send(w, 2, chain, ONLY(0));
		message_unref(chain);
		w->pending = 0;
		world_settle(w);
		assert_int_equal(world_status(w, 0).tip.n, 1);
		assert_false(w->r[0].mining);
		wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
		world_free(w);
	}
}

/* Of another search, or changed: it is not signed. */
static void only_the_header_that_was_asked_for_is_proposed(void **state)
{
	struct world *w = pow_world(0, 0);
	(void)state;
	start_mining(w, 0);
	struct qheader h = w->r[0].mine;
	h.time_ms++;
	world_mine(w, &h);
	struct engine_input in = {.kind = IN_SEALED, .sealed.header = h};
	world_input(w, 0, &in);
	unmined(&h);
	h.time_ms--;
	in = (struct engine_input){.kind = IN_SEALED, .sealed.header = h};
	world_input(w, 0, &in);
	world_settle(w);
	assert_int_equal(world_height(w, 0), 0);
	assert_true(w->r[0].mining);
	world_seal_held(w, 0);
	world_settle(w);
	assert_int_equal(world_height(w, 0), 1);
	world_free(w);
}

/* The time-out allows for the search: 2^6 tries at 500 a second, 20 times over, are 2,560 ms on top of 1,000;
 * so does its cap, after a view change. */
static void who_mines_within_the_budget_is_not_suspected(void **state)
{
	struct world *w = pow_world(0, 0);
	(void)state;
	assert_int_equal(w->g.timeout_ms, 3560);
	assert_int_equal(w->g.timeout_cap_ms, 3560);
	w->pending = ALL;
	for (uint64_t h = 1; h <= 4; h++) {
		unsigned proposer = h < 3 ? 0 : 1;
		world_tick(w, proposer);
		start_mining(w, proposer);
		world_run(w, 3500);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(world_status(w, i).asked.n, proposer);
		world_seal_held(w, proposer);
		world_settle(w);
		assert_int_equal(world_height(w, 3), h);
		if (h != 2)
			continue;
		start_mining(w, 0);
		world_run(w, 3570);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(world_status(w, i).entered.n, 1);
	}
	world_free(w);
}

/* CE5: a stretch of headers whose targets move is followed from below. */
static void catch_up_checks_moving_targets(void **state)
{
	struct world *w = pow_world(0, INTERVAL);
	(void)state;
	world_crash(w, 2);
	for (uint64_t h = 1; h <= 10; h++) {
		world_propose(w, 0);
		world_run(w, 10);
	}
	world_restart(w, 2);
	assert_true(world_run_to(w, 10, 20000));
	world_free(w);
}

/* CE5: three traitors certify a block that nobody mined. */
static void a_certified_block_without_a_seal_stops_the_replica(void **state)
{
	struct world *w = pow_world(ONLY(0) | ONLY(1) | ONLY(2), 0);
	const struct wblock *good = traitor_block(w, 0, 1, &w->g.chain);
	struct qheader h = good->header;
	(void)state;
	unmined(&h);
	const struct wblock *bad = world_note_block(w, &h, good->leaves, good->leaf_cnt);
	struct qmessage m = {.kind = QCHAIN};
	for (unsigned i = 0; i < 3; i++)
		traitor_vote(w, i, QCOMMIT, 0, bad, 0);
	assert_true(traitor_cert(w, QCOMMIT, 0, bad, &m.qmessage_u.chain.cert));
	m.qmessage_u.chain.headers.headers_len = 1;
	m.qmessage_u.chain.headers.headers_val = &h;
	w->expect_halt = true;
	traitor_message(w, 0, &m, ONLY(3));
	world_settle(w);
	assert_int_equal(w->r[3].halts, 1);
	assert_int_equal(world_height(w, 3), 0);
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
	world_free(w);
}

/* ---- both ---------------------------------------------------------------------------- */

static void stake_and_seals_go_together(void **state)
{
	struct world_modes m = by_stake(moving);
	struct qparams p = params();
	(void)state;
	m.seal.kind = QSEAL_POW;
	m.seal.qseal_rules_u.pow = (struct qpow_rules){
	    .bits = BITS, .bits_max = BITS + 4, .interval_ms = INTERVAL, .hash_rate = 500};
	struct world *w = world_new_in(4, 0, &p, 1, &m);
	propose_up_to(w, 4 * EPOCH);
	for (uint64_t h = 1; h <= 4 * EPOCH; h++) {
		sealed(w, world_executed(w, 3, h));
		assert_int_equal(world_executed(w, 3, h)->header.proposer, whose_turn(w, h, 0));
	}
	world_free(w);
}

/* SE1: it makes the NEW-VIEW itself, so it leaves one view and enters the next in one step; another's turn it
 * is there. */
static void who_leads_the_next_view_stops_the_search_too(void **state)
{
	struct world_modes m = by_stake(equal);
	struct qparams p = params();
	(void)state;
	m.seal.kind = QSEAL_POW;
	m.seal.qseal_rules_u.pow = (struct qpow_rules){.bits = BITS, .bits_max = BITS, .hash_rate = 500};
	struct world *w = world_new_in(4, 0, &p, 1, &m);
	while (world_status(w, 0).proposer != 1 || whose_turn(w, world_height(w, 0) + 1, 1) == 1)
		propose_up_to(w, world_height(w, 0) + 1);
	start_mining(w, 1);
	world_rule(w, DROP, ONLY(1), ALL, KIND(QVIEW_CHANGE), 0);
	world_rule(w, HOLD, ONLY(0) | ONLY(2), ONLY(1), KIND(QVIEW_CHANGE) | KIND(QSTATUS), 0);
	w->pending = ALL;
	world_time_out(w, ONLY(0) | ONLY(2));
	world_settle(w);
	assert_true(w->r[1].mining);
	world_release(w);
	world_settle(w);
	assert_int_equal(world_status(w, 1).entered.n, 1);
	assert_false(w->r[1].mining);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(turns_go_round_by_stake),
	    cmocka_unit_test(the_next_turn_is_proposed_while_the_last_is_in_flight),
	    cmocka_unit_test(who_has_no_turn_is_not_heard),
	    cmocka_unit_test(a_silent_proposer_loses_its_turn_to_the_next),
	    cmocka_unit_test(stakes_that_move_decide_two_epochs_later),
	    cmocka_unit_test(who_slept_through_epochs_learns_the_turns_by_executing),
	    cmocka_unit_test(a_restart_in_any_epoch_finds_the_turns),
	    cmocka_unit_test(every_block_is_mined),
	    cmocka_unit_test(a_proposal_without_its_seal_convicts_its_proposer),
	    cmocka_unit_test(a_target_that_does_not_follow_is_refused),
	    cmocka_unit_test(a_view_change_stops_the_search),
	    cmocka_unit_test(a_certificate_of_another_block_stops_the_search),
	    cmocka_unit_test(the_search_goes_on_while_the_parent_is_committed),
	    cmocka_unit_test(only_the_header_that_was_asked_for_is_proposed),
	    cmocka_unit_test(who_mines_within_the_budget_is_not_suspected),
	    cmocka_unit_test(catch_up_checks_moving_targets),
	    cmocka_unit_test(who_leads_the_next_view_stops_the_search_too),
	    cmocka_unit_test(a_certified_block_without_a_seal_stops_the_replica),
	    cmocka_unit_test(stake_and_seals_go_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
