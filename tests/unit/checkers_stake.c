/*
 * checkers_stake.c: the simulator's checkers of seals, turns and stake: they speak when a rule is broken, and
 * their second implementations say what the first ones say wherever nothing is.
 *
 * Links: q_sim
 */
#include "checkers.h"
#include "schedule.h"
#include "state.h"

static struct rules kinds[2]; /* a chain whose target moves, and one by stake */

/* Account 101 + i is replica i's; OUTPUTS outputs of PAY_AMOUNT belong to accounts 1 to 8, then: */
static const struct staked {
	uint8_t owner;
	unsigned replica;
	uint64_t amount;
} staked[] = {{101, 0, 4000}, {102, 1, 3000}, {103, 2, 2000}, {104, 3, 1001}, {7, 3, 500}, {8, 0, 70}};
#define STAKED (sizeof staked / sizeof *staked)

static void stake_some(struct qgenesis *g)
{
	struct qoutput *outs = xcalloc(OUTPUTS + STAKED, sizeof *outs);

	memcpy(outs, g->allocations.allocations_val, OUTPUTS * sizeof *outs);
	for (size_t i = 0; i < STAKED; i++) {
		outs[OUTPUTS + i] =
		    (struct qoutput){.owner = rules_address(staked[i].owner), .amount = staked[i].amount};
		outs[OUTPUTS + i].lock.kind = QLOCK_STAKE;
		outs[OUTPUTS + i].lock.qlock_u.replica = staked[i].replica;
	}
	free(g->allocations.allocations_val);
	g->allocations.allocations_val = outs;
	g->allocations.allocations_len = OUTPUTS + STAKED;
}

static int setup_kinds(void **state)
{
	struct qparams p = checkers_params();
	struct err err = {0};

	(void)state;
	seals_setup(&kinds[0], N, "sealed", 4, 12, 1000);
	payments_setup(&kinds[1], N, OUTPUTS, &p);
	rules_by_stake(&kinds[1].g.g);
	kinds[1].g.g.proposer.qproposer_rules_u.stake.delegator_penalty = 10;
	stake_some(&kinds[1].g.g);
	assert_true(genesis_finish(&kinds[1].g, &err));
	return 0;
}

static int teardown_kinds(void **state)
{
	(void)state;
	rules_teardown(&kinds[0]);
	rules_teardown(&kinds[1]);
	return 0;
}

static int setup_sealed(void **state)
{
	rules = kinds[0];
	return setup(state);
}

static int setup_staked(void **state)
{
	rules = kinds[1];
	setup(state);
	w.s.traitors = 1 << 3;
	return 0;
}

/* ---- seals -------------------------------------------------------------------------------------------- */

static uint64_t dice = 7;

static uint64_t die(uint64_t sides)
{
	dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (dice >> 33) % sides;
}

/* Sealed on these, at this time. */
static struct qheader sealed(uint64_t height, const struct qhash *parent, const struct seal_parent *below,
                             uint64_t time_ms)
{
	struct qheader h = rules_header(height, *parent, rules_hash(1), 1);

	h.time_ms = time_ms;
	seals_put(&rules, below, &h);
	return h;
}

static void bend(struct qtarget *t, bool up)
{
	for (unsigned i = sizeof t->b; i-- > 0;) {
		t->b[i] = (uint8_t)(t->b[i] + (up ? 1 : 0xff));
		if (t->b[i] != (up ? 0 : 0xff))
			return;
	}
}

static void targets_are_the_same_by_other_arithmetic(void **state)
{
	struct checks *c = w.s.checks;
	struct seal_parent below;
	struct qhash parent = rules.g.chain;
	uint64_t time_ms = rules.g.g.time_ms;

	(void)state;
	seal_genesis(&rules.g, &below);
	for (uint64_t height = 1; height < 400; height++) {
		/* Fast for a while, then slow: from bound to bound. */
		time_ms += 1 + die(height / 100 % 2 ? 8000 : 900);
		struct qheader h = sealed(height, &parent, &below, time_ms), bent = h;
		assert_null(seal_wrong(c, &h));
		known_header(c, &h);
		bend(&bent.seal.qseal_u.pow.target, height % 2);
		seals_mine(&bent, true);
		assert_non_null(seal_wrong(c, &bent));
		seals_mine(&bent, false);
		assert_non_null(seal_wrong(c, &bent));
		block_hash(&h, &parent);
		seal_extend(&below, &h);
	}
}

static void blocks_are_sealed(void **state)
{
	struct seal_parent below;
	struct qhash hash;
	struct qheader h;

	(void)state;
	seal_genesis(&rules.g, &below);
	h = sealed(1, &rules.g.chain, &below, rules.g.g.time_ms + 5);
	block_hash(&h, &hash);
	known_header(w.s.checks, &h);
	vote(0, QPREPARE, 0, 1, &hash);
	show_chain(QCOMMIT, 0, 1, &hash);
	assert_whole();
	h.time_ms++;
	seals_mine(&h, false);
	block_hash(&h, &hash);
	known_header(w.s.checks, &h);
	vote(1, QPREPARE, 0, 1, &hash);
	assert_broken("seal");
}

static void certified_blocks_are_sealed(void **state)
{
	struct qhash hash;

	(void)state;
	block_on(1, &rules.g.chain, 1, &hash); /* with no seal at all */
	show_chain(QCOMMIT, 0, 1, &hash);
	assert_broken("seal");
}

/* ---- turns ----------------------------------------------------------------------------------------------
 */

static void a_table_makes_the_same_turns(void **state)
{
	struct genesis g = rules.g;
	struct qstake_rules *r = &g.g.proposer.qproposer_rules_u.stake;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct qstake stakes[N];
		struct qtable theirs = {.stakes = {N, stakes}};
		struct table mine = {0};
		struct schedule s;

		r->proposers = 2 + (unsigned)die(N - 1);
		for (unsigned i = 0; i < N; i++)
			stakes[i] = (struct qstake){die(4) ? die(10) << die(50) : 0, die(3) ? 0 : die(1000)};
		memcpy(mine.stakes, stakes, sizeof stakes);
		schedule_make(&g, &theirs, &s);
		turns_make(&g, &mine);
		for (unsigned i = 0; i < SCHEDULE_CYCLE; i++)
			assert_int_equal(mine.turns[i], s.turns[i]);
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(mine.weight[i], s.weight[i]);
	}
}

/* Who has the turn there, and somebody who has not. */
static unsigned other_than(unsigned proposer)
{
	return (proposer + 1) % N;
}

static void nobody_prepares_out_of_turn(void **state)
{
	unsigned right = (unsigned)turns_proposer(w.s.checks, 1, 0);
	struct qheader h = rules_header(1, rules.g.chain, rules_hash(1), 1);
	struct qhash hash;

	(void)state;
	h.proposer = right;
	block_hash(&h, &hash);
	known_header(w.s.checks, &h);
	vote(0, QPREPARE, 0, 1, &hash);
	assert_whole();
	h.proposer = other_than(right);
	block_hash(&h, &hash);
	known_header(w.s.checks, &h);
	vote(1, QPREPARE, 0, 1, &hash);
	assert_broken("turn");
}

static void the_chain_keeps_to_the_turns(void **state)
{
	struct tx *tx = pay_allocation(&rules, 0, 9, "");
	struct qblock b = block_with(&tx, 1);

	(void)state;
	w.s.traitors = 0;
	b.header.proposer = other_than(b.header.proposer);
	execute(&b);
	assert_broken("turns");
	tx_unref(tx);
}

static void a_view_that_certifies_was_one_of_its_proposer(void **state)
{
	struct tx *tx = pay_allocation(&rules, 0, 9, "");
	struct qblock b = block_with(&tx, 1);
	struct qhash hash;

	(void)state;
	b.header.proposer = other_than(b.header.proposer);
	block_hash(&b.header, &hash);
	known_header(w.s.checks, &b.header);
	show_chain(QCOMMIT, 0, 1, &hash); /* in view 0 somebody else had the turn */
	execute(&b);
	assert_broken("turns");
	tx_unref(tx);
}

static void everybody_has_his_share(void **state)
{
	struct checks *c = w.s.checks;
	uint64_t heights = 260;

	(void)state;
	w.s.traitors = 0;
	c->chain = xrealloc(c->chain, (heights + 1) * sizeof *c->chain);
	c->chain_cap = heights + 1;
	c->height = heights;
	rules.g.g.proposer.qproposer_rules_u.stake.epoch = 1000; /* all by one table */
	w.s.g = rules.g;
	for (uint64_t h = 1; h <= heights; h++)
		c->chain[h] = (struct stretch){.proposer = (unsigned)turns_proposer(c, h, 0)};
	turns_shares(c);
	assert_whole();
	for (uint64_t h = 1; h <= heights; h++)
		if (c->chain[h].proposer == 2)
			c->chain[h].proposer = 3;
	turns_shares(c);
	assert_broken("shares");
	c->height = 0;
}

/* ---- stake ------------------------------------------------------------------------------------------------
 */

/* Inputs of these owners, outputs, perhaps an offence. */
struct plan {
	unsigned in_cnt, out_cnt;
	struct qoutpoint ins[2];
	uint8_t owners[2];
	struct qoutput outs[3];
	const struct qoffence *offence;
};

static struct tx *tx_of(const struct plan *p)
{
	struct account *owners[2];
	const struct account *signers[2];
	unsigned cnt = 0;
	struct err err = {0};

	for (unsigned i = 0; i < p->in_cnt; i++)
		if (i == 0 || p->owners[i] != p->owners[0])
			signers[cnt] = owners[cnt] = rules_account(p->owners[i]), cnt++;
	struct qtx_body body = {.inputs = {p->in_cnt, (struct qoutpoint *)p->ins},
	                        .outputs = {p->out_cnt, (struct qoutput *)p->outs},
	                        .offence = {p->offence != NULL, (struct qoffence *)p->offence}};
	struct tx *tx = tx_make(&rules.g.chain, &body, signers, cnt, &err);
	if (!tx)
		fail_msg("%s", err.text);
	for (unsigned i = 0; i < cnt; i++)
		account_free(owners[i]);
	return tx;
}

static struct qoutpoint stake_point(unsigned i)
{
	return allocation(&rules, OUTPUTS + i);
}

static struct plan moves(unsigned i, struct qoutput out)
{
	return (struct plan){
	    .in_cnt = 1, .out_cnt = 1, .ins = {stake_point(i)}, .owners = {staked[i].owner}, .outs = {out}};
}

static struct plan pays(unsigned i, struct qoutput out)
{
	return (struct plan){.in_cnt = 1,
	                     .out_cnt = 1,
	                     .ins = {allocation(&rules, i)},
	                     .owners = {account_of(i)},
	                     .outs = {out}};
}

static void assert_refused(const struct plan *p)
{
	assert_false(execute_tx(tx_of(p)));
	assert_broken("ledger");
}

static struct qtxid assert_executed(const struct plan *p)
{
	struct tx *tx = tx_of(p);
	struct qtxid id = tx->id;

	execute_tx(tx);
	assert_whole();
	return id;
}

static void pass_heights(uint64_t to)
{
	static unsigned fresh = 0;

	while (w.s.checks->height < to) { /* a coin goes to and fro */
		static struct qtxid last;
		struct plan p = pays(0, locked(account_of(0), PAY_AMOUNT, QLOCK_NONE, 0));
		if (fresh++ > 0 && coin_find(w.s.checks, &(struct qoutpoint){last, 0}))
			p.ins[0] = (struct qoutpoint){last, 0};
		last = assert_executed(&p);
	}
}

static void locks_come_from_the_right_place(void **state)
{
	struct plan p;

	(void)state;
	p = pays(0, locked(1, PAY_AMOUNT, QLOCK_STAKE, N));
	assert_refused(&p); /* for nobody */
	p = pays(0, locked(1, PAY_AMOUNT, QLOCK_RELEASE, 1));
	assert_refused(&p);
	p = pays(0, locked(1, PAY_AMOUNT, QLOCK_FROZEN, 1));
	assert_refused(&p);
	p = moves(0, locked(101, 4000, QLOCK_NONE, 0));
	assert_refused(&p); /* as if it were free */
	p = moves(0, locked(101, 4000, QLOCK_STAKE, 1));
	assert_refused(&p); /* to another replica */
	p = moves(0, locked(9, 4000, QLOCK_RELEASE, 0));
	assert_refused(&p); /* to another owner */
	p = moves(0, locked(101, 4000, QLOCK_FROZEN, 0));
	assert_refused(&p); /* for no reason */
	p = moves(0, locked(101, 4000 + PAY_AMOUNT, QLOCK_STAKE, 0));
	p.in_cnt = 2;
	p.ins[1] = allocation(&rules, 0);
	p.owners[1] = account_of(0);
	assert_refused(&p); /* with what is free */
	p = pays(0, locked(9, PAY_AMOUNT, QLOCK_STAKE, 2));
	assert_executed(&p);
}

static void what_is_released_waits(void **state)
{
	const struct qstake_rules *r = &rules.g.g.proposer.qproposer_rules_u.stake;
	struct plan p = moves(1, locked(102, 3000, QLOCK_RELEASE, 1));

	(void)state;
	struct qoutpoint released = {assert_executed(&p), 0};
	uint64_t made = w.s.checks->height;
	p = moves(1, locked(9, 3000, QLOCK_NONE, 0));
	p.ins[0] = released;
	pass_heights(made + r->unbonding - 2);
	assert_refused(&p);
	pass_heights(made + r->unbonding - 1);
	assert_executed(&p);
}

static void who_offends_pays(void **state)
{
	struct qoffence o = rules_offence(&rules, 3, 1, 40);
	struct plan p = pays(1, locked(9, PAY_AMOUNT, QLOCK_NONE, 0));

	(void)state;
	p.offence = &o;
	assert_executed(&p);
	p = pays(2, locked(9, PAY_AMOUNT, QLOCK_NONE, 0));
	p.offence = &o;
	assert_refused(&p); /* it has been atoned for */
	o = rules_offence(&rules, 3, 9, 40);
	assert_refused(&p); /* it is still to come */
	assert_int_equal(w.s.checks->stakes[3].own, 0);
	assert_int_equal(w.s.checks->stakes[3].delegated, 0);
	p = moves(3, locked(104, 1001, QLOCK_RELEASE, 3));
	assert_refused(&p); /* without the penalty */
	p.out_cnt = 2;
	p.outs[0].amount = 501;
	p.outs[1] = locked(104, 500, QLOCK_FROZEN, 3);
	assert_refused(&p); /* rounded down */
	p.outs[0].amount = 500;
	p.outs[1].amount = 501;
	assert_executed(&p);
	p = moves(4, locked(7, 450, QLOCK_RELEASE, 3));
	p.out_cnt = 2;
	p.outs[1] = locked(7, 50, QLOCK_FROZEN, 3);
	assert_executed(&p); /* a delegator's share */
}

static void the_innocent_keep_their_stake(void **state)
{
	struct qoffence o = rules_offence(&rules, 3, 1, 40);
	struct plan p = pays(1, locked(9, PAY_AMOUNT, QLOCK_NONE, 0));

	(void)state;
	w.s.traitors = 0;
	p.offence = &o;
	execute_tx(tx_of(&p));
	assert_broken("innocent");
}

static void a_forged_offence_is_found(void **state)
{
	struct qoffence o = rules_offence(&rules, 3, 1, 40);
	struct plan p = pays(1, locked(9, PAY_AMOUNT, QLOCK_NONE, 0));

	(void)state;
	o.replica = 2;
	p.offence = &o;
	assert_refused(&p);
}

/* ---- beside the real state
 * ------------------------------------------------------------------------------------ */

struct both {
	struct state *state;
	int64_t rows;
};

static void apply(struct both *b, const struct plan *p)
{
	struct tx *tx = tx_of(p);
	struct overlay *o = overlay_new(b->state, NULL, qheight_of(w.s.checks->height + 1));
	struct qhash theirs;

	assert_int_equal(overlay_add(o, tx), TX_OK);
	overlay_apply(o, b->state, b->rows++);
	overlay_unref(o);
	execute_tx(tx);
	assert_whole();
	state_digest(b->state, &theirs);
	assert_true(qhash_eq(&theirs, &w.s.checks->chain[w.s.checks->height].digest));
}

static void naive_and_real_state_are_one(void **state)
{
	struct both b = {state_new(&rules.g), 1};
	struct qoffence o = rules_offence(&rules, 3, 4, 40);
	struct qhash theirs;
	struct plan p;

	(void)state;
	state_begin(b.state);
	state_digest(b.state, &theirs);
	assert_true(qhash_eq(&theirs, &w.s.checks->chain[0].digest));
	for (unsigned i = 1; i < OUTPUTS; i++) { /* past the end of an epoch */
		p = pays(i, locked(account_of(i), PAY_AMOUNT, i % 2 ? QLOCK_STAKE : QLOCK_NONE, i % N));
		if (i == 8)
			p.offence = &o;
		apply(&b, &p);
	}
	p = moves(0, locked(101, 4000, QLOCK_RELEASE, 0));
	apply(&b, &p);
	p = moves(4, locked(7, 450, QLOCK_STAKE, 3));
	p.out_cnt = 2;
	p.outs[1] = locked(7, 50, QLOCK_FROZEN, 3);
	apply(&b, &p);
	assert_true(w.s.checks->table_cnt > 1);
	state_free(b.state);
}

#define SEALED(test) cmocka_unit_test_setup_teardown(test, setup_sealed, teardown)
#define STAKE(test) cmocka_unit_test_setup_teardown(test, setup_staked, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SEALED(targets_are_the_same_by_other_arithmetic),
	    SEALED(blocks_are_sealed),
	    SEALED(certified_blocks_are_sealed),
	    STAKE(a_table_makes_the_same_turns),
	    STAKE(nobody_prepares_out_of_turn),
	    STAKE(the_chain_keeps_to_the_turns),
	    STAKE(a_view_that_certifies_was_one_of_its_proposer),
	    STAKE(everybody_has_his_share),
	    STAKE(locks_come_from_the_right_place),
	    STAKE(what_is_released_waits),
	    STAKE(who_offends_pays),
	    STAKE(the_innocent_keep_their_stake),
	    STAKE(a_forged_offence_is_found),
	    STAKE(naive_and_real_state_are_one),
	};
	return cmocka_run_group_tests_name("checkers_stake", tests, setup_kinds, teardown_kinds);
}
