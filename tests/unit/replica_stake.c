/*
 * Replicas whose proposers are chosen by stake, and the patience with proposers who pass transactions over.
 * Links: q_replica
 */
#include "cluster.h"
#include "replica_impl.h"

/* ---- fairness ------------------------------------------------------------------------------------------ */

/* An engine that names the proposer it is told to, and hears whether it is unfair. */
static struct {
	unsigned proposer;
	bool unfair;
} told_engine;

static void stub_status(const struct engine *e, struct engine_status *out)
{
	(void)e;
	*out = (struct engine_status){.proposer = told_engine.proposer, .primary = 0};
}

static void stub_step(struct engine *e, const struct engine_input *in, struct engine_outputs *out)
{
	(void)e;
	(void)out;
	told_engine.unfair = in->unfair;
}

static bool hears_unfair(struct replica *r, unsigned proposer)
{
	told_engine.proposer = proposer;
	replica_feed(r, &(struct engine_input){.kind = IN_TICK});
	return told_engine.unfair;
}

/* Two forwards, and blocks without the transaction after each. */
static void pass_over_twice(struct cluster *c, struct replica *r)
{
	struct tx *txs[4];

	for (unsigned i = 0; i < 2; i++) {
		pool_reforward(r->pool, r->now_ms, &r->patience);
		pool_forward_batch(r->pool, r->now_ms, 4, 1 << 20, txs);
		struct tx *other = pay_allocation(&c->rules, 1, 9, "");
		struct block *b =
		    block_of(++c->members[2].asked, c->rules.g.chain, &other, 1); /* counted there */
		pool_executed(r->pool, &b, 1, NULL, NULL);
		block_unref(b);
		tx_unref(other);
	}
	assert_true(pool_unfair(r->pool, r->now_ms, &r->patience));
}

static void blames_the_proposer_of_the_moment_and_never_itself(void **state)
{
	static const struct engine_ops stub = {.status = stub_status, .step = stub_step};
	struct cluster *c = cluster_new(4, 2, NULL);
	struct replica *r = c->members[2].replica;
	const struct engine_ops *ops = r->ops;

	(void)state;
	cluster_pay(c, 2, pay_allocation(&c->rules, 0, 9, ""));
	r->ops = &stub;
	r->patience = (struct pool_patience){0};
	assert_false(hears_unfair(r, 1));
	pass_over_twice(c, r);
	assert_true(hears_unfair(r, 1));
	assert_false(hears_unfair(r, 3)); /* it did nothing yet */
	assert_false(hears_unfair(r, 1)); /* and with the next turn all is forgotten */
	pass_over_twice(c, r);
	assert_true(hears_unfair(r, 1));
	assert_false(hears_unfair(r, 2));
	pass_over_twice(c, r);
	assert_false(hears_unfair(r, 2)); /* itself */
	assert_false(hears_unfair(r, 4));
	pass_over_twice(c, r);
	assert_false(hears_unfair(r, 4)); /* nobody knows who proposes */
	r->ops = ops;
	cluster_free(c);
}

/* ---- stake ----------------------------------------------------------------------------------------------
 */

/* 32 outputs: free ones, then of each replica its own stake and what account 1 delegated to it. */
enum { OWN = 24, DELEGATED = 28, OUTPUTS = 32 };

static void by_stake(struct qgenesis *g)
{
	rules_by_stake(g);
	for (unsigned i = 0; i < 4; i++) {
		g->allocations.allocations_val[OWN + i] =
		    locked((uint8_t)(101 + i), PAY_AMOUNT, QLOCK_STAKE, i);
		g->allocations.allocations_val[DELEGATED + i] = locked(1, PAY_AMOUNT * i + 1, QLOCK_STAKE, i);
	}
}

static struct cluster *staked_cluster(void)
{
	struct qparams params = cluster_small_params();

	return cluster_new_chain(4, OUTPUTS, &params, by_stake, 0);
}

/* Account 9's coin goes round: as many blocks as one likes. */
struct coin {
	struct qoutpoint at;
};

static void one_more_block(struct cluster *c, struct coin *coin, unsigned via)
{
	struct payment p = {.from = coin->at.index == 23 ? account_of(23) : 9, .to = 9};
	struct tx *tx = pay(&c->rules, &p, &coin->at, 1);

	coin->at = output(tx, 0);
	cluster_pay(c, via, tx);
	cluster_settle(c, CLUSTER_PATIENCE_MS);
}

static struct coin coin_of(const struct cluster *c)
{
	return (struct coin){allocation(&c->rules, 23)};
}

/* Free output `index`, paid to account 8 with a report of what the replica did at this height. */
static struct tx *report(struct cluster *c, unsigned index, unsigned replica, uint64_t height)
{
	struct qoffence o = rules_offence(&c->rules, replica, height, (uint8_t)(2 * index));
	struct qoutput out = {rules_address(8), PAY_AMOUNT, {.kind = QLOCK_NONE}};
	struct qoutpoint in = allocation(&c->rules, index);

	return pay_outputs(&c->rules, account_of(index), &in, 1, &out, 1, &o);
}

static void proposers_take_turns_and_a_restart_does_not_confuse_them(void **state)
{
	struct cluster *c = staked_cluster();
	const struct qstake_rules *rules = stake_rules(&c->rules.g);
	struct coin coin = coin_of(c);
	unsigned blocks = 0, seen = 0;

	(void)state;
	for (unsigned h = 1; h <= 4 * rules->epoch; h++) {
		if (h % 7 == 0)
			for (unsigned i = 0; i < 4; i++) {
				cluster_crash(c, i);
				cluster_start(c, i);
			}
		unsigned proposer = cluster_status(c, h % 4).engine.proposer;
		assert_true(proposer < 4);
		one_more_block(c, &coin, h % 4);
		assert_int_equal(cluster_status(c, 0).height.n, h);
		struct qheader header;
		struct err err = {0};
		assert_int_equal(reader_header(c->members[0].replica->reader, qheight_of(h), &header, &err),
		                 FOUND);
		assert_int_equal(header.proposer, proposer);
		seen |= 1u << proposer;
		blocks++;
		wire_free(WIRE(qheader), &header);
	}
	assert_int_equal(blocks, 48);
	assert_int_equal(seen, 15);
	assert_int_equal(cluster_status(c, 2).engine.entered.n, 0);
	cluster_free(c);
}

static bool nothing_of_it_leaves(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)to;
	return m->m.kind == QTXS && from == *(unsigned *)c->drop_ctx;
}

/* Whom its client hears of nothing but at one replica, which does not propose. */
static void tells_a_client_that_a_conviction_came_first(void **state)
{
	struct cluster *c = staked_cluster();
	unsigned proposer = cluster_status(c, 0).engine.proposer, hermit = (proposer + 1) % 4;
	struct qoutpoint own = allocation(&c->rules, OWN + 2);
	struct qoutput out = locked(103, PAY_AMOUNT, QLOCK_RELEASE, 2);
	struct tx *move = pay_outputs(&c->rules, 103, &own, 1, &out, 1, NULL);
	struct tx *late = report(c, 1, 2, 1);
	struct qtxid winner;

	(void)state;
	c->drop = nothing_of_it_leaves;
	c->drop_ctx = &hermit;
	assert_int_equal(cluster_submit(c, hermit, move, NULL), TX_OK);
	assert_int_equal(cluster_submit(c, hermit, late, NULL), TX_OK);
	cluster_pay(c, proposer, report(c, 0, 2, 1));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_int_equal(cluster_told(c, hermit, &move->id)->verdict, TX_PENALTY);
	assert_int_equal(cluster_told(c, hermit, &late->id)->verdict, TX_OLD_OFFENCE);
	assert_int_equal(replica_fate(c->members[hermit].replica, &move->id, &winner), TX_PENALTY);
	assert_int_equal(replica_fate(c->members[hermit].replica, &late->id, &winner), TX_OLD_OFFENCE);
	assert_int_equal(cluster_status(c, hermit).engine.asked.n, 0);
	tx_unref(move);
	tx_unref(late);
	cluster_free(c);
}

/* Its sender has executed a block more. */
static void takes_in_what_came_a_height_too_early(void **state)
{
	struct cluster *c = staked_cluster();
	struct coin coin = coin_of(c);
	struct tx *early = report(c, 0, 2, 2), *too_early = report(c, 1, 3, 7);
	struct replica *r = c->members[0].replica;
	struct qheight height;
	struct qtxid winner;

	(void)state;
	cluster_forward_from(c, 1, 0, &early, 1);
	cluster_forward_from(c, 1, 0, &early, 1);
	cluster_forward_from(c, 1, 0, &too_early, 1);
	assert_int_equal(r->peers[1].early_cnt, 2);
	assert_int_equal(replica_fate(r, &early->id, &winner), TX_UNKNOWN_OUTPUT);
	one_more_block(c, &coin, 0); /* and another, for it */
	assert_int_equal(replica_submit(r, early, &height, &winner), TX_FINAL);
	assert_int_equal(height.n, 2);
	assert_int_equal(r->peers[1].early_cnt, 1);
	for (unsigned i = 0; i < 2; i++)
		one_more_block(c, &coin, 0);
	assert_int_equal(r->peers[1].early_cnt, 0); /* a window went by */
	one_more_block(c, &coin, 0);
	one_more_block(c, &coin, 0);
	assert_int_equal(replica_fate(r, &too_early->id, &winner), TX_UNKNOWN_OUTPUT);
	tx_unref(early);
	tx_unref(too_early);
	cluster_free(c);
}

static void keeps_a_bounded_number_of_what_comes_too_early(void **state)
{
	struct cluster *c = staked_cluster();
	struct replica *r = c->members[0].replica;
	struct coin coin = coin_of(c);
	struct tx *tx, *first = report(c, 0, 2, 2);
	struct qheight height;
	struct qtxid winner;

	(void)state;
	cluster_forward_from(c, 1, 0, &first, 1);
	cluster_forward_from(c, 2, 0, &first, 1);
	for (unsigned i = 0; i < EARLY_MAX; i++) {
		struct qoffence o = rules_offence(&c->rules, 2, 9, (uint8_t)i);
		struct qoutput out = {rules_address(8), PAY_AMOUNT, {.kind = QLOCK_NONE}};
		struct qoutpoint in = allocation(&c->rules, 0);
		tx = pay_outputs(&c->rules, account_of(0), &in, 1, &out, 1, &o);
		cluster_forward_from(c, 1, 0, &tx, 1);
		tx_unref(tx);
	}
	assert_int_equal(r->peers[1].early_cnt, EARLY_MAX);
	assert_int_equal(r->peers[2].early_cnt, 1);
	one_more_block(c, &coin, 0);
	assert_int_equal(replica_submit(r, first, &height, &winner), TX_FINAL); /* by the other's forward */
	assert_int_equal(r->peers[2].early_cnt, 0);
	for (unsigned i = 0; i < 20; i++) { /* large ones: bytes count, too */
		struct qoffence o = rules_offence(&c->rules, 2, 9, (uint8_t)i);
		struct qoutput outs[700];
		struct qoutpoint in = allocation(&c->rules, 1);
		for (unsigned k = 0; k < 700; k++)
			outs[k] = (struct qoutput){
			    rules_address(8), k ? 1 : PAY_AMOUNT - 699, {.kind = QLOCK_NONE}};
		tx = pay_outputs(&c->rules, account_of(1), &in, 1, outs, 700, &o);
		cluster_forward_from(c, 3, 0, &tx, 1);
		tx_unref(tx);
	}
	assert_true(r->peers[3].early_cnt > 5 && r->peers[3].early_bytes <= EARLY_BYTES);
	tx_unref(first);
	cluster_free(c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blames_the_proposer_of_the_moment_and_never_itself),
	    cmocka_unit_test(proposers_take_turns_and_a_restart_does_not_confuse_them),
	    cmocka_unit_test(tells_a_client_that_a_conviction_came_first),
	    cmocka_unit_test(takes_in_what_came_a_height_too_early),
	    cmocka_unit_test(keeps_a_bounded_number_of_what_comes_too_early),
	};

	if (argc > 1) /* one story: unit_replica_stake NAME; CLUSTER_VERBOSE=1 shows what the replicas log */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
