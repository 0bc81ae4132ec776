/*
 * Replicas of a chain whose blocks are sealed by work: in place, and by a miner on the side.
 * Links: q_replica
 */
#include "cluster.h"
#include "replica_impl.h"

/* ---- mining ----------------------------------------------------------------------------------------- */

/* A few hundred tries a block. */
static void ask_for_work(struct qgenesis *g)
{
	g->seal.kind = QSEAL_POW;
	g->seal.qseal_rules_u.pow =
	    (struct qpow_rules){.bits = 8, .bits_max = 8, .interval_ms = 0, .hash_rate = 1000000};
}

static void ask_for_more_and_more_work(struct qgenesis *g)
{
	ask_for_work(g);
	g->seal.qseal_rules_u.pow.bits_max = 10;
	g->seal.qseal_rules_u.pow.interval_ms = 1000;
}

static struct cluster *mining_cluster(unsigned n, uint64_t mine_ms)
{
	struct qparams params = cluster_small_params();

	return cluster_new_chain(n, 24, &params, ask_for_work, mine_ms);
}

static void assert_sealed(struct cluster *c, unsigned i)
{
	struct replica *r = c->members[i].replica;
	struct err err = {0};

	for (uint64_t h = 1; h <= cluster_status(c, i).height.n; h++) {
		struct qheader header;
		struct qhash hash;
		assert_int_equal(reader_header(r->reader, qheight_of(h), &header, &err), FOUND);
		block_hash(&header, &hash);
		assert_int_equal(header.seal.kind, QSEAL_POW);
		assert_int_equal(hash.b[0], 0);
		wire_free(WIRE(qheader), &header);
	}
}

static void seals_in_place_where_there_is_no_miner(void **state)
{
	struct cluster *c = mining_cluster(4, 0);

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		cluster_pay(c, i % 4, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, CLUSTER_PATIENCE_MS);
	}
	assert_int_equal(cluster_status(c, 2).height.n, 12);
	assert_int_equal(cluster_status(c, 2).engine.view_changes, 0);
	assert_sealed(c, 2);
	cluster_free(c);
}

static void waits_for_its_miner_and_keeps_what_it_chose(void **state)
{
	struct cluster *c = mining_cluster(4, 70);
	struct member *me = &c->members[0];

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, 60);
	assert_int_equal(cluster_status(c, 0).engine.sealing.n, 1);
	assert_int_equal(pool_waiting(me->replica->pool), 0);
	cluster_pay(c, 0, pay_allocation(&c->rules, 1, 9, "comes too late for this block"));
	cluster_run(c, 5);
	assert_int_equal(me->asked, 1);
	cluster_settle(c, 500);
	assert_int_equal(me->asked, 2);
	assert_int_equal(me->cancelled, 0);
	assert_int_equal(cluster_status(c, 3).height.n, 2);
	assert_int_equal(cluster_status(c, 0).engine.sealing.n, 0);
	assert_sealed(c, 3);
	for (unsigned i = 2; i < 20; i++)
		cluster_pay(c, i % 4, pay_allocation(&c->rules, i, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_int_equal(cluster_status(c, 1).transactions, 20);
	assert_int_equal(cluster_status(c, 1).engine.view_changes, 0);
	cluster_free(c);
}

static void gives_back_what_it_chose_when_the_view_changes(void **state)
{
	struct cluster *c = mining_cluster(4, 20);
	struct tx *tx = pay_allocation(&c->rules, 0, 9, "");

	(void)state;
	c->members[0].mine_ms = CLUSTER_NEVER;
	assert_int_equal(cluster_submit(c, 0, tx, NULL), TX_OK);
	cluster_settle(c, 3 * c->rules.g.timeout_ms);
	assert_int_equal(cluster_status(c, 0).engine.entered.n, 1);
	assert_int_equal(c->members[0].cancelled, 1);
	assert_false(c->members[0].mining);
	assert_int_equal(c->members[0].replica->batch.height.n, 0);
	assert_int_equal(cluster_told(c, 0, &tx->id)->verdict, TX_FINAL);
	assert_int_equal(cluster_told(c, 0, &tx->id)->height.n, 1);
	/* Its miner finds it after all. */
	struct qheader late = cluster_mine(&c->members[0].header);
	uint64_t sent = c->sent;
	replica_sealed(c->members[0].replica, &late);
	cluster_turn(c, 0);
	assert_int_equal(c->sent, sent);
	tx_unref(tx);
	cluster_free(c);
}

static void gives_back_a_whole_batch_when_it_is_told_to_stop(void **state)
{
	struct cluster *c = mining_cluster(4, 20);
	struct replica *r = c->members[0].replica;
	struct engine_output stop = {.kind = OUT_SEAL_STOP};

	(void)state;
	c->members[0].mine_ms = CLUSTER_NEVER;
	for (unsigned i = 0; i < 5; i++)
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
	cluster_turn(c, 0);
	assert_int_equal(pool_waiting(r->pool), 0);
	assert_int_equal(r->batch.cnt, 5);
	engine_outputs_clear(&r->out);
	r->out.list = xcalloc(1, sizeof stop); /* as if the engine had said it */
	r->out.list[0] = stop;
	r->out.cnt = r->out.cap = 1;
	r->handled = 0;
	struct qmessage nothing = {.kind = QGET_TXS};
	cluster_deliver_from(c, 1, 0, &nothing); /* what the engine says is dealt with after any message */
	assert_int_equal(pool_waiting(r->pool), 5);
	assert_null(r->batch.txs);
	assert_null(r->batch.overlay);
	assert_int_equal(c->members[0].cancelled, 1);
	cluster_free(c);
}

static void asks_again_for_a_seal_that_does_not_hold(void **state)
{
	struct cluster *c = mining_cluster(4, CLUSTER_NEVER);
	struct replica *r = c->members[0].replica;
	struct qheader wrong, other;
	struct qhash hash;

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, 5);
	assert_int_equal(c->members[0].asked, 1);
	wrong = c->members[0].header;
	do {
		wrong.seal.qseal_u.pow.nonce++;
		block_hash(&wrong, &hash);
	} while (hash.b[0] == 0);
	replica_sealed(r, &wrong);
	assert_int_equal(c->members[0].asked, 2);
	other = c->members[0].header;
	other.time_ms++;
	other = cluster_mine(&other); /* sealed, but nobody asked for it */
	replica_sealed(r, &other);
	assert_int_equal(c->members[0].asked, 2);
	assert_int_equal(cluster_status(c, 0).engine.sealing.n, 1);
	other = cluster_mine(&c->members[0].header);
	replica_sealed(r, &other);
	c->members[0].woken = true;
	cluster_settle(c, 100);
	assert_int_equal(cluster_status(c, 1).height.n, 1);
	cluster_free(c);
}

static void who_is_closed_while_it_mines_stops_its_miner(void **state)
{
	struct cluster *c = mining_cluster(4, CLUSTER_NEVER);
	struct err why = {0};

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
		cluster_turn(c, 0);
		assert_true(c->members[0].mining);
		if (round == 1) { /* its disk fails */
			err_set(&why, ERR_WORLD, "disk full");
			replica_stop(c->members[0].replica, &why);
			assert_false(c->members[0].mining);
			struct qheader late = cluster_mine(&c->members[0].header);
			replica_sealed(c->members[0].replica, &late);
			assert_false(replica_turn(c->members[0].replica, &why));
		}
		cluster_crash(c, 0);
		assert_false(c->members[0].mining);
		assert_int_equal(c->members[0].cancelled, round + 1);
		cluster_start(c, 0);
	}
	cluster_free(c);
}

/* A run of one block that a quorum is said to have certified. */
static bool run_of(struct cluster *c, const struct qheader *header, struct tx *tx, struct err *err)
{
	struct replica *r = c->members[0].replica;
	struct engine_output o = {.kind = OUT_EXECUTE};
	struct block *b = block_new(header, &tx, 1);
	struct qvote vote = {.height = header->height, .block = b->hash};

	bodies_put(r, b);
	o.execute.cnt = 1;
	o.execute.hashes = &b->hash;
	o.execute.headers = &b->header;
	o.execute.cert = rules_cert(&c->rules, QCOMMIT, &vote, rules_quorum_mask(&c->rules));
	run_execute(r, &o);
	wire_free(WIRE(qcert), &o.execute.cert);
	block_unref(b);
	return replica_turn(r, err);
}

static void stops_at_a_certified_block_without_its_work(void **state)
{
	(void)state;
	for (unsigned wrong = 0; wrong < 2; wrong++) {
		struct cluster *c = cluster_new_chain(4, 1, NULL, ask_for_more_and_more_work, 0);
		struct tx *tx = pay_allocation(&c->rules, 0, 9, "");
		struct qheader h = rules_header(1, c->rules.g.chain, tx->leaf, 1);
		struct seal_parent below;
		struct err err = {0};
		struct qhash hash;

		seal_genesis(&c->rules.g, &below);
		seal_prepare(&c->rules.g, &below, &h.seal);
		if (wrong == 0) {
			for (;; h.seal.qseal_u.pow.nonce++) {
				block_hash(&h, &hash);
				if (hash.b[0] != 0)
					break;
			}
		} else { /* work was done, for another target */
			h.seal.qseal_u.pow.target = seal_target_of_bits(9);
			h = cluster_mine(&h);
		}
		assert_false(run_of(c, &h, tx, &err));
		assert_non_null(strstr(err.text, "block 1 is certified, but lacks the proof of work"));
		assert_int_equal(cluster_status(c, 0).height.n, 0);
		tx_unref(tx);
		cluster_free(c);
	}
}

/* T1 and fairness wait for who mines. */
static void has_the_patience_of_the_genesis(void **state)
{
	struct cluster *c = mining_cluster(4, 0);
	struct pool_patience *p = &c->members[0].replica->patience;

	(void)state;
	assert_int_equal(p->timeout_ms, c->rules.g.timeout_ms);
	assert_true(p->timeout_ms > c->rules.g.g.params.timeout_ms);
	cluster_free(c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seals_in_place_where_there_is_no_miner),
	    cmocka_unit_test(waits_for_its_miner_and_keeps_what_it_chose),
	    cmocka_unit_test(gives_back_what_it_chose_when_the_view_changes),
	    cmocka_unit_test(gives_back_a_whole_batch_when_it_is_told_to_stop),
	    cmocka_unit_test(asks_again_for_a_seal_that_does_not_hold),
	    cmocka_unit_test(who_is_closed_while_it_mines_stops_its_miner),
	    cmocka_unit_test(stops_at_a_certified_block_without_its_work),
	    cmocka_unit_test(has_the_patience_of_the_genesis),
	};

	if (argc > 1) /* one story: unit_replica_mining NAME; CLUSTER_VERBOSE=1 shows what the replicas log */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
