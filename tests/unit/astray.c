/*
 * astray.c: a replica whose vote log and ledger are of two chains, as after a fork when its operator put the
 * other side's ledger there.
 *
 * Links: q_replica
 */
#include "cluster.h"

#define LATE 3

static bool no_votes_reach_the_late(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c, (void)from;
	return to == LATE && (m->m.kind == QPRE_PREPARE || m->m.kind == QPREPARE || m->m.kind == QCOMMIT);
}

static bool all_have_a_block(struct cluster *c)
{
	for (unsigned i = 0; i < 4; i++)
		if (cluster_status(c, i).height.n < 1)
			return false;
	return true;
}

static void remember_commit(struct cluster *c, const struct qhash *block)
{
	struct qmessage m = {.kind = QCOMMIT};
	struct signer signer = {cluster_sign, &c->members[LATE]};
	struct err err = {0};

	m.qmessage_u.vote = (struct qvote){.height = {1}, .block = *block};
	struct message *made = message_make(&c->rules.g, LATE, &signer, &m);
	struct bytes env = rules_encode(WIRE(qenvelope), &made->env);
	struct vote_record record = {.kind = REC_COMMIT, .height = {1}, .data = env.data, .len = env.len};
	struct votes *v =
	    votes_open(c->members[LATE].votes, &c->rules.g.g.replicas.replicas_val[LATE].key, NULL, &err);
	if (!v || !votes_put(v, &record, &err) || !votes_commit(v, &err))
		fail_msg("%s", err.text);
	votes_close(v);
	bytes_free(&env);
	message_unref(made);
}

/* The view that the late one asks for after a restart with a COMMIT at height 1 for this block, or for its
 * own. */
static uint64_t asked_after(const struct qhash *block)
{
	struct cluster *c = cluster_new(4, 1, NULL);

	c->drop = no_votes_reach_the_late;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	assert_true(cluster_run_until(c, all_have_a_block, 20000));
	struct qhash executed = cluster_status(c, LATE).block_hash;
	cluster_crash(c, LATE);
	remember_commit(c, block ? block : &executed);
	c->drop = NULL;
	cluster_start(c, LATE);
	cluster_run(c, 100);
	uint64_t asked = cluster_status(c, LATE).engine.asked.n;
	cluster_free(c);
	return asked;
}

/* CO3: it leaves the view, so that nobody can say that it committed on two chains there. */
static void who_committed_beside_his_ledger_leaves_the_view(void **state)
{
	struct qhash other = rules_hash(7);

	(void)state;
	assert_int_equal(asked_after(&other), 1);
	assert_int_equal(asked_after(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(who_committed_beside_his_ledger_leaves_the_view)};
	return cmocka_run_group_tests_name("vote log and ledger of two chains", tests, NULL, NULL);
}
