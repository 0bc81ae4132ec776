/*
 * exchange.c: evidence between replicas: what one keeps all keep, within bounds, and nothing unasked.
 *
 * Links: q_replica
 */
#include <sqlite3.h>

#include "block.h"
#include "cluster.h"
#include "evidence.h"
#include "replica_impl.h"

/* Pieces in the journal of a member. */
static unsigned rows(struct cluster *c, unsigned i)
{
	struct qevidence ev;
	struct err err = {0};
	unsigned cnt = 0;

	for (int64_t seq = 0; reader_evidence(c->members[i].replica->reader, &seq, &ev, &err) == FOUND; cnt++)
		wire_free(WIRE(qevidence), &ev);
	assert_int_equal(err.kind, ERR_NONE);
	return cnt;
}

/* Output i of the genesis is paid through member 0; then member 1 hears of another payment of it. */
static void spend_twice(struct cluster *c, unsigned i)
{
	struct tx *rival = pay_allocation(&c->rules, i, 9, "rival");

	cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, "first"));
	cluster_run(c, 50);
	assert_int_equal(cluster_submit(c, 1, rival, NULL), TX_DOUBLE_SPEND);
	tx_unref(rival);
}

static void what_one_refused_all_keep(void **state)
{
	struct cluster *c = cluster_new(4, 3, NULL);

	(void)state;
	spend_twice(c, 0);
	cluster_turn(c, 1);
	assert_int_equal(rows(c, 1), 1);
	assert_int_equal(rows(c, 0), 0);
	cluster_run(c, EVIDENCE_ASK_MS + 1100); /* a turn comes every second */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rows(c, i), 1);
	/* Who starts again is told all of it once more, and keeps it once. */
	cluster_crash(c, 2);
	cluster_start(c, 2);
	spend_twice(c, 1);
	cluster_run(c, 2 * EVIDENCE_ASK_MS);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(rows(c, i), 2);
		assert_int_equal(cluster_status(c, i).evidence.double_spends, 2);
		assert_int_equal(cluster_status(c, 1).evidence.replica[i], 0);
	}
	cluster_free(c);
}

static bool evidence_is_lost(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)from;
	(void)to;
	return m->m.kind == QEVIDENCE;
}

static void what_was_lost_is_asked_for_again(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);

	(void)state;
	c->drop = evidence_is_lost;
	spend_twice(c, 0);
	cluster_run(c, 2 * EVIDENCE_ASK_MS);
	assert_int_equal(rows(c, 0), 0);
	c->drop = NULL;
	cluster_run(c, EVIDENCE_ASK_MS + 1100); /* a turn comes every second */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rows(c, i), 1);
	cluster_free(c);
}

/* Its operator moved the ledger away, and it was fetched anew: its journal begins again, others remember the
 * old one. */
static void a_journal_that_began_anew_is_read_anew(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);

	(void)state;
	spend_twice(c, 0);
	cluster_run(c, EVIDENCE_ASK_MS + 1100);
	for (unsigned i = 0; i < 4; i++)
		if (i != 1)
			c->members[i].replica->peers[1].evidence_upto = 1000;
	spend_twice(c, 1);
	cluster_run(c, 2 * EVIDENCE_ASK_MS);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(rows(c, i), 2);
		assert_int_not_equal(c->members[i].replica->peers[1].evidence_upto, 1000);
	}
	cluster_free(c);
}

static void much_comes_in_several_answers(void **state)
{
	struct cluster *c = cluster_new(4, Q_EVIDENCES_MAX + 6, NULL);

	(void)state;
	for (unsigned i = 0; i < Q_EVIDENCES_MAX + 6; i++)
		spend_twice(c, i);
	cluster_run(c, EVIDENCE_ASK_MS + 1100);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rows(c, i), Q_EVIDENCES_MAX + 6);
	cluster_free(c);
}

static void one_client_fills_no_journal(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);

	(void)state;
	spend_twice(c, 0);
	for (unsigned i = 0; i < 2 * EVIDENCE_SIGNER_MAX; i++) {
		char memo[16];
		snprintf(memo, sizeof memo, "rival %u", i);
		struct tx *rival = pay_allocation(&c->rules, 0, 9, memo);
		assert_int_equal(cluster_submit(c, 1 + i % 3, rival, NULL), TX_DOUBLE_SPEND);
		tx_unref(rival);
	}
	cluster_run(c, 2 * EVIDENCE_ASK_MS);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rows(c, i), EVIDENCE_SIGNER_MAX);
	cluster_free(c);
}

/* ---- what a traitor hands on ------------------------------------------------------------------- */

/* What replica 3 signed, as an envelope. */
static struct qenvelope said(const struct rules *r, const struct qmessage *m)
{
	struct qenvelope env = {.chain = r->g.chain, .sender = 3};
	struct bytes body = rules_encode(WIRE(qmessage), m);

	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	rules_sign(r, 3, m, &env.sig);
	return env;
}

static struct qenvelope commit_of(const struct rules *r, uint64_t height, uint8_t block)
{
	struct qmessage m = {.kind = QCOMMIT};

	m.qmessage_u.vote = (struct qvote){.view = {1}, .height = {height}, .block = rules_hash(block)};
	return said(r, &m);
}

static struct qevidence conflict(struct qenvelope first, struct qenvelope second)
{
	return (struct qevidence){.kind = QEV_CONFLICT, .qevidence_u.conflict = {first, second}};
}

/* As replica 3's EVIDENCE to member 0; the list is used up. */
static void hand_on_list(struct cluster *c, struct qevidence *list, unsigned cnt, uint64_t upto)
{
	struct qmessage m = {.kind = QEVIDENCE, .qmessage_u.evidence = {upto, {cnt, list}}};
	struct signer signer = {cluster_sign, &c->members[3]};
	enum open_verdict verdict;

	struct message *made = message_make(&c->rules.g, 3, &signer, &m);
	struct message *opened = message_open(&c->rules.g, &made->env, &verdict);
	assert_non_null(opened);
	replica_message(c->members[0].replica, opened, NULL, 0);
	cluster_turn(c, 0);
	message_unref(opened);
	message_unref(made);
	wire_free(WIRE(qmessage), &m);
}

static void hand_on_one(struct cluster *c, struct qevidence ev, uint64_t upto)
{
	hand_on_list(c, xmemdup(&ev, sizeof ev), 1, upto);
}

/* `cnt` pairs of COMMITs, from this height up. */
static void hand_on(struct cluster *c, uint64_t from, unsigned cnt, uint64_t upto)
{
	struct qevidence *list = xcalloc(cnt, sizeof *list);

	for (unsigned i = 0; i < cnt; i++)
		list[i] = conflict(commit_of(&c->rules, from + i, 1), commit_of(&c->rules, from + i, 2));
	hand_on_list(c, list, cnt, upto);
}

static void one_replica_fills_no_journal(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);

	(void)state;
	cluster_crash(c, 3);
	cluster_run(c, 1);
	hand_on(c, 10, EVIDENCE_REPLICA_MAX + 5, 1);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX);
	cluster_crash(c, 0);
	cluster_start(c, 0);
	cluster_run(c, 1);
	hand_on(c, 100, 1, 2); /* nor by waiting for a restart */
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX);
	cluster_run(c, EVIDENCE_ASK_MS + 1100); /* a turn comes every second */
	assert_int_equal(rows(c, 1), EVIDENCE_REPLICA_MAX);
	assert_int_equal(cluster_status(c, 1).evidence.replica[3], EVIDENCE_REPLICA_MAX);
	assert_int_equal(cluster_status(c, 1).evidence.replica[2], 0);
	assert_int_equal(cluster_status(c, 1).evidence.double_spends, 0);
	cluster_free(c);
}

static void nothing_is_taken_unasked_or_twice(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);

	(void)state;
	cluster_crash(c, 3);
	cluster_run(c, 1);
	hand_on(c, 10, 2, 2); /* there may be more: it is asked again at once */
	hand_on(c, 20, 2, 2); /* no */
	assert_int_equal(rows(c, 0), 4);
	hand_on(c, 30, 2, 4);
	assert_int_equal(rows(c, 0), 4);
	cluster_run(c, EVIDENCE_ASK_MS + 1100);
	hand_on(c, 10, 3, 5); /* one of them is new */
	assert_int_equal(rows(c, 0), 5);
	cluster_free(c);
}

/* Two payments, large ones, of an output that there is not. */
static struct qevidence made_up_double_spend(const struct rules *r, unsigned nth)
{
	struct qoutpoint *ins = xcalloc(Q_INPUTS_MAX, sizeof *ins);
	struct qoutput *outs = xcalloc(Q_OUTPUTS_MAX, sizeof *outs);
	struct qevidence ev = {.kind = QEV_DOUBLE_SPEND};
	qtx_bytes *raw[] = {&ev.qevidence_u.double_spend.winner, &ev.qevidence_u.double_spend.loser};

	for (unsigned i = 0; i < Q_INPUTS_MAX; i++)
		ins[i] = (struct qoutpoint){.tx.b = {1, (uint8_t)nth}, .index = i};
	for (unsigned i = 0; i < Q_OUTPUTS_MAX; i++)
		outs[i] = (struct qoutput){.amount = 1};
	for (unsigned i = 0; i < 2; i++) {
		outs[0].amount = 1 + i;
		struct tx *tx =
		    pay_outputs(r, (uint8_t)(200 + nth % 50), ins, Q_INPUTS_MAX, outs, Q_OUTPUTS_MAX, NULL);
		*raw[i] = (qtx_bytes){(unsigned)tx->raw_len, xmemdup(tx->raw, tx->raw_len)};
		tx_unref(tx);
	}
	free(ins);
	free(outs);
	return ev;
}

static size_t largest; /* EVIDENCE that was sent */

static bool is_weighed(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)from;
	(void)to;
	if (m->m.kind == QEVIDENCE && m->env.body.body_len > largest)
		largest = m->env.body.body_len;
	return false;
}

/* Anybody can sign for accounts that he made up: what a peer hands on must leave room for what is found here.
 */
static void one_replica_hides_no_double_spend(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	unsigned handed = 0, kept = 0;

	(void)state;
	cluster_crash(c, 3);
	cluster_run(c, 1);
	for (; handed < 150; handed++) {
		hand_on_one(c, made_up_double_spend(&c->rules, handed), handed + 1);
		kept = rows(c, 0);
		if (kept <= handed)
			break;
	}
	assert_in_range(kept, 10, EVIDENCE_BYTES / EVIDENCE_PARTS / (100u << 10)); /* a piece has more */
	assert_int_equal(rows(c, 0), kept);
	cluster_pay(c, 1, pay_allocation(&c->rules, 0, 9, "first"));
	cluster_run(c, 50);
	struct tx *rival = pay_allocation(&c->rules, 0, 9, "rival");
	assert_int_equal(cluster_submit(c, 0, rival, NULL), TX_DOUBLE_SPEND);
	tx_unref(rival);
	cluster_turn(c, 0);
	assert_int_equal(rows(c, 0), kept + 1);
	/* And no answer is of more than a few of them. */
	c->drop = is_weighed;
	cluster_run(c, EVIDENCE_ASK_MS + 1100);
	assert_true(rows(c, 1) > 10);
	assert_in_range(largest, 1, 1 << 20);
	cluster_free(c);
}

/* ---- serving -------------------------------------------------------------------------------------- */

static void ask(struct cluster *c, unsigned from, unsigned to)
{
	struct signer signer = {cluster_sign, &c->members[from]};
	struct qmessage m = {.kind = QGET_EVIDENCE};
	struct message *made = message_make(&c->rules.g, from, &signer, &m);

	replica_message(c->members[to].replica, made, NULL, 0);
	message_unref(made);
}

/* It is what was kept, or nothing: a replica is no liar for its disk's sake. */
static void what_the_disk_made_up_is_not_served(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct replica *r = c->members[1].replica;
	struct err err = {0};
	sqlite3 *db;

	(void)state;
	spend_twice(c, 0);
	cluster_turn(c, 1);
	assert_int_equal(sqlite3_open_v2(c->members[1].ledger, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db,
	                 "UPDATE journal SET entry = CAST(substr(entry, 1, length(entry) - 1) || "
	                 "x'77' AS BLOB) WHERE kind = 'evidence'",
	                 NULL, NULL, NULL),
	    SQLITE_OK);
	uint64_t sent = c->sent;
	ask(c, 2, 1);
	assert_false(replica_turn(r, &err));
	assert_non_null(strstr(err.text, "evidence in the journal is not what was written"));
	assert_int_equal(c->sent, sent);
	sqlite3_close(db);
	cluster_free(c);
}

static void nobody_is_answered_beyond_his_allowance(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct peer_state *p = &c->members[1].replica->peers[2];

	(void)state;
	spend_twice(c, 0);
	cluster_turn(c, 1);
	uint64_t sent = c->sent;
	ask(c, 2, 1);
	cluster_turn(c, 1);
	assert_int_equal(c->sent, sent + 1);
	p->allowance = 0;
	p->served_ms = c->members[1].replica->now_ms;
	ask(c, 2, 1);
	cluster_turn(c, 1);
	assert_int_equal(c->sent, sent + 1);
	cluster_free(c);
}

/* ---- what costs stake ---------------------------------------------------------------------------- */

static void by_stake(struct qgenesis *g)
{
	rules_by_stake(g);
	for (unsigned i = 0; i < 4; i++)
		g->allocations.allocations_val[8 + i] =
		    locked((uint8_t)(101 + i), PAY_AMOUNT, QLOCK_STAKE, i);
}

static bool has_executed(struct cluster *c)
{
	return cluster_status(c, 0).height.n > 0;
}

/*
 * Who fills what is kept against him with votes that cost nothing, far above the tip, must not be free to
 * sign two that do. And a conviction covers what was done till then: from there on one more is kept.
 */
static void nobody_lies_so_often_that_two_votes_of_his_go_unnoticed(void **state)
{
	struct cluster *c = cluster_new_chain(4, 12, NULL, by_stake, 0);
	struct qoffence o = rules_offence(&c->rules, 3, 1, 1);
	struct qoutput out = {rules_address(8), PAY_AMOUNT, {.kind = QLOCK_NONE}};
	struct qoutpoint in = allocation(&c->rules, 0);

	(void)state;
	cluster_run(c, 1);
	hand_on(c, 1000, EVIDENCE_REPLICA_MAX + 1, 1);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX);
	hand_on(c, 1, 1, 2);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX + 1);
	hand_on(c, 2, 1, 3); /* one is enough */
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX + 1);
	cluster_pay(c, 0, pay_outputs(&c->rules, account_of(0), &in, 1, &out, 1, &o));
	assert_true(cluster_run_until(c, has_executed, 20000));
	hand_on(c, 1, 1, 4);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX + 1);
	hand_on(c, 3, 1, 5); /* above the conviction */
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX + 2);
	cluster_crash(c, 0);
	cluster_start(c, 0);
	cluster_run(c, 1);
	hand_on(c, 4, 1, 6);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX + 2);
	cluster_free(c);
}

/* A COMMIT at this height, and a VIEW-CHANGE that hides it. */
static struct qevidence hidden_commit(const struct rules *r, uint64_t height)
{
	struct qmessage m = {.kind = QVIEW_CHANGE, .qmessage_u.view_change.view = {2}};

	return conflict(commit_of(r, height, 1), said(r, &m));
}

static struct qenvelope proposal_of(const struct rules *r, uint64_t height, uint8_t root, bool with_prepare)
{
	struct qmessage m = {.kind = QPRE_PREPARE}, prepare = {.kind = QPREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;

	p->header = (struct qheader){
	    .format = 1, .height = {height}, .merkle_root = rules_hash(root), .tx_count = 1, .proposer = 3};
	prepare.qmessage_u.vote.height = p->header.height;
	block_hash(&p->header, &prepare.qmessage_u.vote.block);
	if (with_prepare)
		rules_sign(r, 3, &prepare, &p->prepare);
	return said(r, &m);
}

static struct qevidence two_proposals(const struct rules *r, uint64_t height, bool with_prepare)
{
	return conflict(proposal_of(r, height, 1, with_prepare), proposal_of(r, height, 2, with_prepare));
}

/* What cannot cost stake takes the place of nothing that does, be it of the same view and height. */
static void no_lie_that_costs_nothing_hides_one_that_does(void **state)
{
	struct cluster *c = cluster_new_chain(4, 12, NULL, by_stake, 0);

	(void)state;
	cluster_run(c, 1);
	hand_on(c, 1000, EVIDENCE_REPLICA_MAX - 2, 1);
	hand_on_one(c, hidden_commit(&c->rules, 1), 2);
	hand_on_one(c, two_proposals(&c->rules, 2, false), 3);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX);
	hand_on_one(c, hidden_commit(&c->rules, 2), 4);
	hand_on_one(c, two_proposals(&c->rules, 3, false), 5);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX);
	cluster_crash(c, 0);
	cluster_start(c, 0);
	cluster_run(c, 1);
	hand_on(c, 1, 1, 6);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX + 1);
	cluster_free(c);
}

/* Each carries its proposer's PREPARE. */
static void two_proposals_cost_stake(void **state)
{
	struct cluster *c = cluster_new_chain(4, 12, NULL, by_stake, 0);

	(void)state;
	cluster_run(c, 1);
	hand_on_one(c, two_proposals(&c->rules, 1, false), 1);
	hand_on(c, 1000, EVIDENCE_REPLICA_MAX - 1, 2);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX);
	hand_on_one(c, two_proposals(&c->rules, 1, true), 3);
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX + 1);
	hand_on(c, 2, 1, 4); /* one is enough */
	assert_int_equal(rows(c, 0), EVIDENCE_REPLICA_MAX + 1);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_one_refused_all_keep),
	    cmocka_unit_test(what_was_lost_is_asked_for_again),
	    cmocka_unit_test(a_journal_that_began_anew_is_read_anew),
	    cmocka_unit_test(much_comes_in_several_answers),
	    cmocka_unit_test(one_client_fills_no_journal),
	    cmocka_unit_test(what_the_disk_made_up_is_not_served),
	    cmocka_unit_test(nobody_is_answered_beyond_his_allowance),
	    cmocka_unit_test(one_replica_fills_no_journal),
	    cmocka_unit_test(nothing_is_taken_unasked_or_twice),
	    cmocka_unit_test(one_replica_hides_no_double_spend),
	    cmocka_unit_test(nobody_lies_so_often_that_two_votes_of_his_go_unnoticed),
	    cmocka_unit_test(no_lie_that_costs_nothing_hides_one_that_does),
	    cmocka_unit_test(two_proposals_cost_stake),
	};
	return cmocka_run_group_tests_name("evidence between replicas", tests, NULL, NULL);
}
