/*
 * What a replica gets from its peers: transactions that come early, late, twice or never, and the bodies of
 * blocks. Links: q_replica
 */
#include "cluster.h"
#include "replica_impl.h"

static void takes_in_a_child_that_overtook_its_parents(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct tx *a = pay_allocation(&c->rules, 0, 9, "a"), *b = pay_allocation(&c->rules, 1, 9, "b");
	struct qoutpoint ins[] = {output(a, 0), output(b, 0)};
	struct payment p = {.from = 9, .to = 9, .amount = 2 * PAY_AMOUNT};
	struct tx *child = pay(&c->rules, &p, ins, 2);
	struct qoutpoint in = output(child, 0);
	struct tx *grandchild = pay(&c->rules, &p, &in, 1);
	struct replica *r = c->members[0].replica;
	struct qtxid winner;

	(void)state;
	cluster_forward_from(c, 1, 0, &grandchild, 1);
	cluster_forward_from(c, 2, 0, &child, 1);
	cluster_forward_from(c, 3, 0, &b, 1);
	assert_int_equal(replica_fate(r, &child->id, &winner), TX_UNKNOWN_OUTPUT);
	cluster_forward_from(c, 3, 0, &a, 1);
	assert_int_equal(replica_fate(r, &child->id, &winner), TX_KNOWN);
	assert_int_equal(replica_fate(r, &grandchild->id, &winner), TX_KNOWN);
	cluster_settle(c, 500);
	assert_int_equal(cluster_status(c, 3).transactions, 4);
	tx_unref(a);
	tx_unref(b);
	tx_unref(child);
	tx_unref(grandchild);
	cluster_free(c);
}

/* Each of them, not the first alone: who sent one does not send it again for the other's sake. */
static void takes_in_all_children_that_overtook_one_parent(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct qoutpoint in = allocation(&c->rules, 0);
	struct tx *parent =
	    pay(&c->rules, &(struct payment){.from = account_of(0), .to = 9, .outputs = 3}, &in, 1);
	struct payment p = {.from = 9, .to = 9};
	struct tx *children[3];
	struct qtxid winner;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		in = output(parent, i);
		p.amount = parent->q.body.outputs.outputs_val[i].amount;
		children[i] = pay(&c->rules, &p, &in, 1);
		cluster_forward_from(c, 1 + i, 0, &children[i], 1);
	}
	cluster_forward_from(c, 1, 0, &parent, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(replica_fate(c->members[0].replica, &children[i]->id, &winner), TX_KNOWN);
		tx_unref(children[i]);
	}
	tx_unref(parent);
	cluster_free(c);
}

/* T30: a stranger may sign any number of them; the oldest of the same peer make room, and nobody else's. */
static void keeps_a_bounded_number_of_orphans_of_a_peer(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct replica *r = c->members[0].replica;
	struct tx *parent = pay_allocation(&c->rules, 0, 9, "");
	struct qoutpoint in = output(parent, 0);
	struct tx *child = pay(&c->rules, &(struct payment){.from = 9, .to = 9}, &in, 1);
	struct qtxid winner;

	(void)state;
	cluster_forward_from(c, 2, 0, &child, 1);
	for (unsigned i = 0; i < ORPHANS_MAX + 8; i++) {
		struct qoutpoint nowhere = {.tx.b = {1}, .index = i};
		struct tx *orphan = pay(&c->rules, &(struct payment){.from = 9, .to = 9}, &nowhere, 1);
		cluster_forward_from(c, 1, 0, &orphan, 1);
		tx_unref(orphan);
	}
	assert_int_equal(r->peers[1].orphan_cnt, ORPHANS_MAX);
	assert_int_equal(r->peers[2].orphan_cnt, 1);
	cluster_forward_from(c, 3, 0, &parent, 1);
	assert_int_equal(replica_fate(r, &child->id, &winner), TX_KNOWN);
	tx_unref(parent);
	tx_unref(child);
	cluster_free(c);
}

/* Each has 700 outputs, some 25 KiB: far fewer than ORPHANS_MAX fit. */
static void keeps_a_bounded_number_of_bytes_of_orphans_of_a_peer(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct replica *r = c->members[0].replica;
	struct qoutput outs[700];
	size_t len = 0;

	(void)state;
	for (unsigned k = 0; k < 700; k++)
		outs[k] = (struct qoutput){rules_address(8), k ? 1 : PAY_AMOUNT - 699, {.kind = QLOCK_NONE}};
	for (unsigned i = 0; i < 100; i++) {
		struct qoutpoint nowhere = {.tx.b = {1}, .index = i};
		struct tx *orphan = pay_outputs(&c->rules, account_of(9), &nowhere, 1, outs, 700, NULL);
		len = orphan->raw_len;
		cluster_forward_from(c, 1, 0, &orphan, 1);
		tx_unref(orphan);
	}
	assert_int_equal(r->peers[1].orphan_cnt, ORPHANS_BYTES / len);
	assert_true(r->peers[1].orphan_cnt < 100 && r->peers[1].orphan_bytes <= ORPHANS_BYTES);
	cluster_free(c);
}

/* Replica 3 gets no forwards; what it asks for is answered, but not by those of the mask. */
static bool starve(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	uint64_t silent = *(uint64_t *)c->drop_ctx;

	if (m->m.kind == QGET_TXS || m->m.kind == QGET_BODIES)
		return silent >> to & 1;
	return m->m.kind == QTXS && to == 3 && !(silent >> 8 & 1) && from != to;
}

static void watch_requests(struct cluster *c, unsigned from, const struct message *m)
{
	uint64_t *silent = c->drop_ctx;

	if (from == 3 && (m->m.kind == QGET_TXS || m->m.kind == QGET_BODIES))
		*silent |= 1 << 8; /* from now on transactions reach it: they are answers */
}

static void fetches_what_a_proposal_names_from(uint64_t silent, uint64_t limit_ms)
{
	struct cluster *c = cluster_new(4, 8, NULL);

	c->drop = starve;
	c->watch = watch_requests;
	c->drop_ctx = &silent;
	for (unsigned i = 0; i < 8; i++)
		cluster_pay(c, i % 3, pay_allocation(&c->rules, i, 9, ""));
	cluster_settle(c, limit_ms);
	assert_true(silent >> 8 & 1); /* it did ask */
	assert_int_equal(cluster_status(c, 3).transactions, 8);
	cluster_free(c);
}

static void fetches_what_a_proposal_names_from_its_proposer(void **state)
{
	(void)state;
	fetches_what_a_proposal_names_from(0, 50);
}

/* What is missing of a proposal waits for a worker here: it is not fetched over again, for a while. */
static void does_not_fetch_what_may_be_waiting_for_a_worker(void **state)
{
	enum { CNT = LEAVES_MAX + 16 }; /* fewer are asked for at once */
	struct cluster *c = cluster_new(4, CNT, NULL);
	uint64_t silent = 0, patience_ms = c->rules.g.timeout_ms / PATIENCE_PARTS;

	(void)state;
	c->drop = starve;
	c->watch = watch_requests;
	c->drop_ctx = &silent;
	replica_expect(c->members[3].replica, true);
	for (unsigned i = 0; i < CNT; i++)
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
	cluster_run(c, patience_ms);
	assert_false(silent >> 8 & 1);
	assert_int_equal(cluster_status(c, 3).transactions, 0);
	cluster_settle(c, 100);
	assert_true(silent >> 8 & 1); /* then it did ask */
	assert_int_equal(cluster_status(c, 3).transactions, CNT);
	cluster_free(c);
}

static void fetches_from_others_what_the_proposer_withholds(void **state)
{
	(void)state;
	fetches_what_a_proposal_names_from(1 << 0 | 1 << 1, 1000);
}

static void count_requests_of_3(struct cluster *c, unsigned from, const struct message *m)
{
	unsigned *asked = c->drop_ctx;

	asked[0] += from == 3 && m->m.kind == QGET_TXS;
	asked[1] += from == 3 && m->m.kind == QGET_BODIES;
}

static bool forwards_do_not_reach_3(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	const unsigned *asked = c->drop_ctx;

	(void)from;
	return to == 3 && m->m.kind == QTXS && asked[0] == 0; /* afterwards they are answers */
}

/* How replica 3 asked for a block of which it has nothing: by leaf, or for the whole of it. */
static void asks_for_a_block_of(unsigned txs, unsigned by_leaf, unsigned whole)
{
	struct cluster *c = cluster_new(4, txs, NULL);
	unsigned asked[2] = {0};

	c->drop = forwards_do_not_reach_3;
	c->watch = count_requests_of_3;
	c->drop_ctx = asked;
	for (unsigned i = 0; i < txs; i++)
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_int_equal(cluster_status(c, 3).height.n, 1);
	assert_int_equal(cluster_status(c, 3).transactions, txs);
	assert_int_equal(asked[0], by_leaf);
	assert_int_equal(asked[1], whole);
	cluster_free(c);
}

static void asks_for_the_whole_block_where_much_of_it_is_missing(void **state)
{
	(void)state;
	asks_for_a_block_of(LEAVES_MAX, 1, 0);
	asks_for_a_block_of(LEAVES_MAX + 1, 0, 1);
}

static bool nothing_but_agreement_reaches_3(struct cluster *c, unsigned from, unsigned to,
                                            const struct message *m)
{
	(void)c;
	(void)from;
	return to == 3 && (m->m.kind == QTXS || m->m.kind == QBODY || m->m.kind == QCHAIN);
}

static void fetches_whole_what_others_have_only_in_their_ledgers(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);

	(void)state;
	c->drop = nothing_but_agreement_reaches_3;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, 50);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(cluster_status(c, i).height.n, 1);
		cluster_crash(c, i); /* and forgets what it had in memory */
		cluster_start(c, i);
	}
	c->drop = NULL;
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_int_equal(cluster_status(c, 3).height.n, 1);
	cluster_free(c);
}

/* Or it would stay behind: most of what comes then is in blocks that it has not executed. */
static void a_replica_that_is_behind_does_not_look_for_what_peers_transactions_spend(void **state)
{
	struct qparams params = cluster_small_params();
	struct cluster *c = cluster_new(4, 6, &params);
	struct replica *r = c->members[3].replica;
	struct qoutpoint nowhere = {.index = 0};
	struct qoutput out = {rules_address(9), 1};
	struct tx *strangers[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		nowhere.tx.b[0] = (uint8_t)(1 + i);
		strangers[i] = pay_outputs(&c->rules, 1, &nowhere, 1, &out, 1, NULL);
	}
	c->drop = nothing_but_agreement_reaches_3;
	for (unsigned i = 0; i < 3; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_run(c, 50);
	}
	assert_int_equal(cluster_status(c, 0).height.n, 3);
	assert_int_equal(cluster_status(c, 3).height.n, 0);
	assert_true(cluster_status(c, 3).engine.tip.n >= 2);
	assert_false(replica_lags(r));
	cluster_forward_from(c, 1, 3, &strangers[0], 1);
	assert_int_equal(r->probes, 0);
	assert_int_equal(cluster_submit(c, 3, strangers[0], NULL), TX_UNKNOWN_OUTPUT);
	assert_int_not_equal(r->probes, 0); /* its own clients get an answer that is looked up */
	for (unsigned i = 3; i < 6; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_run(c, 50);
	}
	assert_int_equal(cluster_status(c, 3).engine.tip.n, 6);
	assert_true(replica_lags(r)); /* by more than the window, which is 4 */
	c->drop = NULL;
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_false(replica_lags(r));
	assert_int_equal(cluster_status(c, 3).height.n, 6);
	cluster_forward_from(c, 1, 3, &strangers[1], 1);
	assert_int_not_equal(r->probes, 0);
	tx_unref(strangers[0]);
	tx_unref(strangers[1]);
	cluster_free(c);
}

/* Its node leaves forwards unread then, and an answer by leaf is one. */
static void counts_questions_by_leaf_of_3(struct cluster *c, unsigned from, const struct message *m)
{
	*(unsigned *)c->drop_ctx += from == 3 && m->m.kind == QGET_TXS;
}

static void a_replica_that_lags_asks_for_nothing_that_its_node_leaves_unread(void **state)
{
	struct qparams params = cluster_small_params();
	struct cluster *c = cluster_new(4, 8, &params);
	unsigned by_leaf = 0;

	(void)state;
	c->drop = nothing_but_agreement_reaches_3;
	c->drop_ctx = &by_leaf;
	for (unsigned i = 0; i < 6; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_run(c, 50);
	}
	assert_true(replica_lags(c->members[3].replica));
	c->watch = counts_questions_by_leaf_of_3;
	for (unsigned i = 6; i < 8; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_run(c, 50);
	}
	assert_true(replica_lags(c->members[3].replica));
	assert_int_equal(by_leaf, 0);
	c->watch = NULL;
	c->drop = NULL;
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	cluster_free(c);
}

/* A traitor gives one transaction of each block to the proposer alone, while clients keep everybody busy. */
static bool forwards_of_0_are_withheld(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)to;
	return from == 0 && m->m.kind == QTXS && m->m.qmessage_u.txs.txs.txs_len == 1 &&
	       !*(bool *)c->drop_ctx;
}

static void notes_questions(struct cluster *c, unsigned from, const struct message *m)
{
	(void)from;
	if (m->m.kind == QGET_TXS || m->m.kind == QGET_BODIES)
		*(bool *)c->drop_ctx = true; /* answers pass */
	if (m->m.kind == QPRE_PREPARE)
		*(bool *)c->drop_ctx = false;
}

static void one_withheld_transaction_delays_no_block_while_others_are_busy(void **state)
{
	enum { BLOCKS = 8 };
	struct cluster *c = cluster_new(4, BLOCKS, NULL);
	bool asked = false;

	(void)state;
	c->drop = forwards_of_0_are_withheld;
	c->watch = notes_questions;
	c->drop_ctx = &asked;
	uint64_t began = c->now_ms;
	for (unsigned i = 0; i < BLOCKS; i++) {
		for (unsigned k = 0; k < 4; k++)
			replica_expect(c->members[k].replica, true);
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		uint64_t at = c->now_ms;
		while (cluster_status(c, 0).height.n <= i && c->now_ms < at + 5000)
			cluster_run(c, 5);
		assert_int_equal(cluster_status(c, 0).height.n, i + 1);
	}
	assert_true(c->now_ms - began < BLOCKS * 5 * ASK_GRACE_MS);
	cluster_free(c);
}

static void judges_no_block_by_a_parent_that_lost(void **state)
{
	struct cluster *c = cluster_new(1, 3, NULL);
	struct replica *r = c->members[0].replica;
	struct tx *txs[] = {pay_allocation(&c->rules, 0, 9, ""), pay_allocation(&c->rules, 1, 9, "")};
	struct block *lost = block_of(1, c->rules.g.chain, &txs[0], 1);
	struct block *child = block_of(2, lost->hash, &txs[1], 1);
	struct overlay *o;

	(void)state;
	bodies_put(r, lost);
	bodies_put(r, child);
	assert_int_equal(bodies_overlay(r, &child->hash, &o), BUILT);
	cluster_pay(c, 0, pay_allocation(&c->rules, 2, 9, ""));
	cluster_turn(c, 0);
	assert_int_equal(cluster_status(c, 0).height.n, 1);
	assert_null(bodies_find(r, &lost->hash));
	assert_int_equal(bodies_overlay(r, &child->hash, &o), BUILT_NEVER);
	block_unref(lost);
	block_unref(child);
	tx_unref(txs[0]);
	tx_unref(txs[1]);
	cluster_free(c);
}

static void validates_a_block_as_soon_as_its_parent_is_here(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct replica *r = c->members[3].replica;
	struct tx *txs[] = {pay_allocation(&c->rules, 0, 9, ""), pay_allocation(&c->rules, 1, 9, "")};
	struct block *parent = block_of(1, c->rules.g.chain, &txs[0], 1);
	struct block *child = block_of(2, parent->hash, &txs[1], 1);
	struct engine_output want = {.kind = OUT_WANT_BODY};
	struct qmessage m = {.kind = QBODY};
	qtx_bytes raw = {(unsigned)txs[0]->raw_len, txs[0]->raw};
	struct body *b;

	(void)state;
	want.want_body.hash = parent->hash;
	want.want_body.header = parent->header;
	bodies_want(r, &want);
	bodies_put(r, child);
	bodies_validate(r, &child->hash);
	HASH_FIND(hh, r->bodies, &child->hash, sizeof child->hash, b);
	assert_true(b->validate && !b->overlay);
	m.qmessage_u.body.block = parent->hash;
	m.qmessage_u.body.txs.txs_len = 1;
	m.qmessage_u.body.txs.txs_val = &raw;
	cluster_deliver_from(c, 1, 3, &m);
	assert_true(!b->validate && b->overlay);
	block_unref(parent);
	block_unref(child);
	tx_unref(txs[0]);
	tx_unref(txs[1]);
	cluster_free(c);
}

/* All bodies that replica 3 is sent; a forger attaches other transactions to the same header. */
struct forgery {
	struct tx *rubbish;
	bool forge;
};

static bool keep_bodies_from_3(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	struct forgery *f = c->drop_ctx;

	(void)from;
	if (to == 3 && m->m.kind == QTXS)
		return f->forge;
	return from == 3 && f->forge && (m->m.kind == QGET_TXS || m->m.kind == QGET_BODIES);
}

static void ignores_rubbish_that_is_attached_to_an_honest_header(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct forgery f = {pay_allocation(&c->rules, 1, 9, "rubbish"), true};
	struct qmessage m = {.kind = QBODY};
	qtx_bytes raw = {(unsigned)f.rubbish->raw_len, f.rubbish->raw};

	(void)state;
	c->drop = keep_bodies_from_3;
	c->drop_ctx = &f;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, 30);
	assert_int_equal(cluster_status(c, 0).height.n, 1);
	assert_int_equal(cluster_status(c, 3).height.n, 0);
	m.qmessage_u.body.block = cluster_status(c, 0).block_hash;
	m.qmessage_u.body.txs.txs_len = 1;
	m.qmessage_u.body.txs.txs_val = &raw;
	cluster_deliver_from(c, 1, 3, &m);
	m.qmessage_u.body.txs.txs_len = 0;
	cluster_deliver_from(c, 1, 3, &m);
	cluster_run(c, 5);
	assert_int_equal(cluster_status(c, 3).height.n, 0);
	f.forge = false;
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_int_equal(cluster_status(c, 3).height.n, 1);
	tx_unref(f.rubbish);
	cluster_free(c);
}

/* The transactions that replica 0 says at once when replica 1 asks it for these. */
static void count_answered(struct cluster *c, unsigned from, const struct message *m)
{
	size_t *cnt = c->drop_ctx;

	if (from == 0 && m->m.kind == QTXS)
		*cnt += m->m.qmessage_u.txs.txs.txs_len;
}

static size_t answered(struct cluster *c, struct tx *const *txs, unsigned tx_cnt)
{
	struct qmessage m = {.kind = QGET_TXS};
	struct qhash leaves[8];
	size_t cnt = 0;

	assert_true(tx_cnt <= 8);
	for (unsigned i = 0; i < tx_cnt; i++)
		leaves[i] = txs[i]->leaf;
	m.qmessage_u.get_txs.leaves.leaves_val = leaves;
	m.qmessage_u.get_txs.leaves.leaves_len = tx_cnt;
	c->watch = count_answered;
	c->drop_ctx = &cnt;
	cluster_deliver_from(c, 1, 0, &m);
	cluster_turn(c, 0);
	c->watch = NULL;
	return cnt;
}

static void gives_by_leaf_what_was_executed_lately(void **state)
{
	struct cluster *c = cluster_new(4, 4, NULL);
	struct tx *txs[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		txs[i] = pay_allocation(&c->rules, i, 9, "");
	for (unsigned i = 0; i < 3; i++) {
		cluster_pay(c, 0, tx_ref(txs[i]));
		cluster_settle(c, CLUSTER_PATIENCE_MS);
		assert_int_equal(cluster_status(c, 0).height.n, i + 1);
		assert_int_equal(answered(c, txs, 4), i + 1);
		assert_int_equal(answered(c, txs + i, 1), 1); /* again */
	}
	for (unsigned i = 0; i < 4; i++)
		tx_unref(txs[i]);
	cluster_free(c);
}

static void forgets_executed_blocks_oldest_first(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct replica *r = c->members[0].replica;
	struct tx *txs[] = {pay_allocation(&c->rules, 0, 9, ""), pay_allocation(&c->rules, 1, 9, "")};
	struct block *first = block_of(1, c->rules.g.chain, &txs[0], 1);
	struct block *other = block_of(2, c->rules.g.chain, &txs[1], 1);

	(void)state;
	serve_executed(r, first);
	for (unsigned i = 1; i < RECENT_BLOCKS_MAX; i++)
		serve_executed(r, other);
	assert_int_equal(answered(c, txs, 1), 1);
	serve_executed(r, other);
	assert_int_equal(answered(c, txs, 1), 0);
	assert_int_equal(r->recent.cnt, RECENT_BLOCKS_MAX);
	assert_int_equal(r->recent.txs, RECENT_BLOCKS_MAX);
	assert_int_equal(r->recent.bytes, RECENT_BLOCKS_MAX * txs[1]->raw_len);
	block_unref(first);
	block_unref(other);
	tx_unref(txs[0]);
	tx_unref(txs[1]);
	cluster_free(c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_in_a_child_that_overtook_its_parents),
	    cmocka_unit_test(takes_in_all_children_that_overtook_one_parent),
	    cmocka_unit_test(keeps_a_bounded_number_of_orphans_of_a_peer),
	    cmocka_unit_test(keeps_a_bounded_number_of_bytes_of_orphans_of_a_peer),
	    cmocka_unit_test(fetches_what_a_proposal_names_from_its_proposer),
	    cmocka_unit_test(does_not_fetch_what_may_be_waiting_for_a_worker),
	    cmocka_unit_test(fetches_from_others_what_the_proposer_withholds),
	    cmocka_unit_test(asks_for_the_whole_block_where_much_of_it_is_missing),
	    cmocka_unit_test(fetches_whole_what_others_have_only_in_their_ledgers),
	    cmocka_unit_test(a_replica_that_is_behind_does_not_look_for_what_peers_transactions_spend),
	    cmocka_unit_test(a_replica_that_lags_asks_for_nothing_that_its_node_leaves_unread),
	    cmocka_unit_test(one_withheld_transaction_delays_no_block_while_others_are_busy),
	    cmocka_unit_test(judges_no_block_by_a_parent_that_lost),
	    cmocka_unit_test(validates_a_block_as_soon_as_its_parent_is_here),
	    cmocka_unit_test(ignores_rubbish_that_is_attached_to_an_honest_header),
	    cmocka_unit_test(gives_by_leaf_what_was_executed_lately),
	    cmocka_unit_test(forgets_executed_blocks_oldest_first),
	};

	if (argc > 1) /* one story: unit_replica_bodies NAME; CLUSTER_VERBOSE=1 shows what the replicas log */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
