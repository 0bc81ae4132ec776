/*
 * cert.c: votes and certificates: who counts, how often, and for what.
 *
 * Links: q_ledger
 */
#include "rules.h"

static struct rules rules, seven, solo, stranger;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "cert");
	rules_setup(&seven, 7, "cert");
	rules_setup(&solo, 1, "cert");
	rules_setup(&stranger, 4, "another chain");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	rules_teardown(&seven);
	rules_teardown(&solo);
	rules_teardown(&stranger);
	return 0;
}

static struct qvote commit_vote(void)
{
	return (struct qvote){.view = {3}, .height = {7}, .block = rules_hash(8)};
}

static struct qvote checkpoint_vote(void)
{
	return (struct qvote){.height = {64}, .block = rules_hash(8), .state = rules_hash(9)};
}

/* The dumb version of the rule: so many distinct replicas of the chain. */
static void holds_exactly_from_a_quorum_on(const struct rules *r)
{
	struct qvote vote = commit_vote();

	for (uint64_t mask = 0; mask < 1ULL << r->g.n; mask++) {
		struct qcert c = rules_cert(r, QCOMMIT, &vote, mask);
		int bad = 99;
		bool want = (unsigned)__builtin_popcountll(mask) >= r->g.quorum;
		assert_int_equal(cert_verify(&r->g, &c, &bad), want);
		assert_int_equal(bad, -1);
		wire_free(WIRE(qcert), &c);
	}
}

static void every_set_of_signers_holds_exactly_from_a_quorum_on(void **state)
{
	(void)state;
	holds_exactly_from_a_quorum_on(&solo);
	holds_exactly_from_a_quorum_on(&rules);
	holds_exactly_from_a_quorum_on(&seven);
}

static void every_kind_of_certificate_holds_for_its_own_votes(void **state)
{
	(void)state;
	struct qvote votes[3] = {commit_vote(), commit_vote(), checkpoint_vote()};
	const enum qkind kinds[3] = {QPREPARE, QCOMMIT, QCHECKPOINT};

	for (int i = 0; i < 3; i++) {
		struct qcert c = rules_cert(&rules, kinds[i], &votes[i], 7);
		assert_true(cert_verify(&rules.g, &c, NULL));
		assert_false(cert_verify(&stranger.g, &c, NULL));
		for (int other = 1; other <= QEVIDENCE; other++) {
			c.kind = (enum qkind)other;
			assert_int_equal(cert_verify(&rules.g, &c, NULL), other == (int)kinds[i]);
		}
		wire_free(WIRE(qcert), &c);
	}
}

/* Every arrangement of 3 and of 4 signers out of 5 indexes, one of them out of range. */
static void signers_ascend_strictly_within_range(void **state)
{
	(void)state;
	struct qvote vote = commit_vote();

	for (unsigned cnt = 3; cnt <= 4; cnt++) {
		struct qcert c = rules_cert(&rules, QCOMMIT, &vote, 15), made = c;
		made.sigs.sigs_len = cnt;
		made.sigs.sigs_val = xcalloc(cnt, sizeof(struct qcert_sig));
		for (unsigned pick = 0; pick < 5 * 5 * 5 * 5; pick++) {
			const unsigned who[4] = {pick % 5, pick / 5 % 5, pick / 25 % 5, pick / 125};
			bool want = true;
			for (unsigned i = 0; i < cnt; i++) {
				made.sigs.sigs_val[i] = c.sigs.sigs_val[who[i] % 4];
				made.sigs.sigs_val[i].replica = who[i];
				want = want && who[i] < 4 && (i == 0 || who[i] > who[i - 1]);
			}
			assert_int_equal(cert_well_formed(&rules.g, &made), want);
			if (want)
				assert_true(cert_verify(&rules.g, &made, NULL));
		}
		free(made.sigs.sigs_val);
		wire_free(WIRE(qcert), &c);
	}
}

static void names_the_replica_whose_signature_fails(void **state)
{
	(void)state;
	struct qvote vote = commit_vote();

	for (unsigned i = 0; i < 4; i++) {
		struct qcert c = rules_cert(&rules, QCOMMIT, &vote, 15);
		int bad = -1;
		c.sigs.sigs_val[i].sig.b[63] ^= 1;
		assert_false(cert_verify(&rules.g, &c, &bad)); /* even where a quorum of others holds */
		assert_int_equal(bad, i);
		wire_free(WIRE(qcert), &c);
	}
}

static void a_signature_is_for_one_statement_alone(void **state)
{
	(void)state;
	struct qvote vote = commit_vote(), v[4] = {vote, vote, vote, vote};
	struct qmessage m = {.kind = QCOMMIT, .qmessage_u.vote = vote};
	struct qsig sig;

	rules_sign(&rules, 2, &m, &sig);
	v[0].view.n++;
	v[1].height.n++;
	v[2].block.b[0] ^= 1;
	v[3].state.b[0] ^= 1;
	assert_true(vote_verify(&rules.g, 2, QCOMMIT, &vote, &sig));
	for (int i = 0; i < 4; i++)
		assert_false(vote_verify(&rules.g, 2, QCOMMIT, &v[i], &sig));
	assert_false(vote_verify(&rules.g, 2, QPREPARE, &vote, &sig));
	assert_false(vote_verify(&rules.g, 1, QCOMMIT, &vote, &sig));
	assert_false(vote_verify(&rules.g, 4, QCOMMIT, &vote, &sig));
	assert_false(vote_verify(&rules.g, UINT32_MAX, QCOMMIT, &vote, &sig));
	assert_false(vote_verify(&stranger.g, 2, QCOMMIT, &vote, &sig));
	for (int kind = -1; kind <= 20; kind++)
		assert_int_equal(vote_verify(&rules.g, 2, (enum qkind)kind, &vote, &sig), kind == QCOMMIT);
}

static void unused_fields_of_a_statement_are_zero(void **state)
{
	(void)state;
	struct qvote plain = commit_vote(), checkpoint = checkpoint_vote(), v;

	assert_true(vote_well_formed(QPREPARE, &plain));
	assert_true(vote_well_formed(QCOMMIT, &plain));
	assert_true(vote_well_formed(QCHECKPOINT, &checkpoint));
	v = plain;
	v.state.b[31] = 1;
	assert_false(vote_well_formed(QPREPARE, &v));
	assert_false(vote_well_formed(QCOMMIT, &v));
	v = checkpoint;
	v.view.n = 1;
	assert_false(vote_well_formed(QCHECKPOINT, &v));
	v = plain;
	v.height.n = 0;
	assert_false(vote_well_formed(QPREPARE, &v));
	assert_false(vote_well_formed(QCOMMIT, &v));
	v = checkpoint;
	v.height.n = 0;
	assert_false(vote_well_formed(QCHECKPOINT, &v));
	/* a quorum of true signatures does not help */
	v = plain;
	v.state = rules_hash(1);
	struct qcert c = rules_cert(&rules, QCOMMIT, &v, 15);
	assert_false(cert_verify(&rules.g, &c, NULL));
	wire_free(WIRE(qcert), &c);
}

static void what_a_vote_signs_is_the_message_that_carries_it(void **state)
{
	(void)state;
	struct qmessage m = {.kind = QCHECKPOINT, .qmessage_u.vote = checkpoint_vote()};
	struct bytes body = rules_encode(WIRE(qmessage), &m);
	uint8_t buf[CERT_STATEMENT_MAX];
	size_t len = cert_statement(QCHECKPOINT, &m.qmessage_u.vote, buf);

	assert_int_equal(len, body.len);
	assert_memory_equal(buf, body.data, len);
	bytes_free(&body);
}

static void a_copy_is_independent(void **state)
{
	(void)state;
	struct qvote vote = commit_vote();
	struct qcert c = rules_cert(&rules, QCOMMIT, &vote, 7), copy, none = {.kind = QCOMMIT}, none_copy;

	cert_copy(&copy, &c);
	wire_free(WIRE(qcert), &c);
	assert_true(cert_verify(&rules.g, &copy, NULL));
	wire_free(WIRE(qcert), &copy);
	cert_copy(&none_copy, &none);
	assert_null(none_copy.sigs.sigs_val);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_set_of_signers_holds_exactly_from_a_quorum_on),
	    cmocka_unit_test(every_kind_of_certificate_holds_for_its_own_votes),
	    cmocka_unit_test(signers_ascend_strictly_within_range),
	    cmocka_unit_test(names_the_replica_whose_signature_fails),
	    cmocka_unit_test(a_signature_is_for_one_statement_alone),
	    cmocka_unit_test(unused_fields_of_a_statement_are_zero),
	    cmocka_unit_test(what_a_vote_signs_is_the_message_that_carries_it),
	    cmocka_unit_test(a_copy_is_independent),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
