/*
 * Evidence convicts the guilty and never the honest.
 *
 * Links: q_ledger
 */
#include "rules.h"

#include "block.h"
#include "evidence.h"
#include "merkle.h"
#include "seals.h"

static int setup(void **state)
{
	struct rules *r = *state = xcalloc(1, sizeof *r);
	rules_setup(r, 4, "evidence");
	return 0;
}

static int teardown(void **state)
{
	rules_teardown(*state);
	free(*state);
	return 0;
}

static struct qenvelope envelope(const struct rules *r, unsigned sender, const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = r->g.chain, .sender = sender};

	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	rules_sign(r, sender, m, &env.sig);
	return env;
}

/* ---- conflicts ------------------------------------------------------------------ */

static bool convicts(const struct rules *r, unsigned s1, const struct qmessage *m1, unsigned s2,
                     const struct qmessage *m2)
{
	struct qevidence ev = {.kind = QEV_CONFLICT};
	struct qconflict *c = &ev.qevidence_u.conflict;
	struct err err = {0};

	*c = (struct qconflict){envelope(r, s1, m1), envelope(r, s2, m2)};
	bool ok = evidence_verify(&r->g, &ev, &err);
	assert_int_equal(ok, err.kind == ERR_NONE);
	wire_free(WIRE(qevidence), &ev);
	return ok;
}

static struct qmessage vote(enum qkind kind, uint64_t view, uint64_t height, uint8_t block, uint8_t state)
{
	struct qmessage m = {
	    .kind = kind,
	    .qmessage_u.vote = {.view = {view}, .height = {height}, .block = rules_hash(block)}};
	if (state)
		m.qmessage_u.vote.state = rules_hash(state);
	return m;
}

static void convicts_votes_for_two_blocks_at_one_view_and_height(void **state)
{
	const struct rules *r = *state;
	const enum qkind kinds[] = {QPREPARE, QCOMMIT, QCHECKPOINT};

	for (int i = 0; i < 3; i++) {
		uint8_t s = kinds[i] == QCHECKPOINT ? 9 : 0;
		struct qmessage a = vote(kinds[i], 0, 7, 1, s), b = vote(kinds[i], 0, 7, 2, s);
		assert_true(convicts(r, 2, &a, 2, &b));
		assert_false(convicts(r, 2, &a, 2, &a));
		assert_false(convicts(r, 2, &a, 3, &b)); /* two replicas may disagree */
	}
}

static void convicts_two_states_after_one_block(void **state)
{
	struct qmessage a = vote(QCHECKPOINT, 0, 7, 1, 1), b = vote(QCHECKPOINT, 0, 7, 1, 2);

	assert_true(convicts(*state, 2, &a, 2, &b));
}

static void voting_for_another_block_in_a_later_view_is_legal(void **state)
{
	struct qmessage a = vote(QCOMMIT, 1, 7, 1, 0), b = vote(QCOMMIT, 2, 7, 2, 0);
	struct qmessage other_height = vote(QCOMMIT, 1, 8, 2, 0), other_kind = vote(QPREPARE, 1, 7, 2, 0);

	assert_false(convicts(*state, 2, &a, 2, &b));
	assert_false(convicts(*state, 2, &a, 2, &other_height));
	assert_false(convicts(*state, 2, &a, 2, &other_kind));
}

/* A vote with fields that its kind has no use for is no vote. */
static void a_malformed_vote_convicts_nobody(void **state)
{
	struct qmessage a = vote(QCOMMIT, 1, 7, 1, 0), b = vote(QCOMMIT, 1, 7, 1, 3);

	assert_false(convicts(*state, 2, &a, 2, &b));
}

static void convicts_two_view_changes_for_one_view(void **state)
{
	const struct rules *r = *state;
	struct qvote v = {.height = {4}, .block = rules_hash(1)};
	struct qcert tip = rules_cert(r, QCOMMIT, &v, 7);
	struct qmessage a = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {3}}};
	struct qmessage b = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {3}, .tip = {1, &tip}}};

	assert_true(convicts(r, 2, &a, 2, &b));
	b.qmessage_u.view_change.view.n = 4;
	assert_false(convicts(r, 2, &a, 2, &b));
	wire_free(WIRE(qcert), &tip);
}

static void repeating_other_messages_is_no_crime(void **state)
{
	struct qmessage a = {.kind = QSTATUS}, b = {.kind = QSTATUS, .qmessage_u.status = {.tip = {7}}};

	assert_false(convicts(*state, 2, &a, 2, &b));
}

static void a_conflict_needs_both_signatures(void **state)
{
	const struct rules *r = *state;
	struct qmessage a = vote(QCOMMIT, 1, 7, 1, 0), b = vote(QCOMMIT, 1, 7, 2, 0);

	for (int i = 0; i < 4; i++) {
		struct qevidence ev = {.kind = QEV_CONFLICT};
		struct qconflict *c = &ev.qevidence_u.conflict;
		*c = (struct qconflict){envelope(r, 2, &a), envelope(r, 2, &b)};
		if (i == 0)
			c->first.sig.b[3] ^= 1;
		if (i == 1)
			c->second.sig.b[3] ^= 1;
		if (i == 2)
			c->second.chain.b[0] ^= 1;
		if (i == 3)
			c->first.sender = 4;
		assert_false(evidence_verify(&r->g, &ev, NULL));
		wire_free(WIRE(qevidence), &ev);
	}
}

/* ---- proposals -------------------------------------------------------------------- */

static struct qmessage proposal(struct qhash *leaves, unsigned leaf_cnt)
{
	struct qhash root;

	merkle_root(leaves, leaf_cnt, &root);
	struct qmessage m = {.kind = QPRE_PREPARE};
	m.qmessage_u.proposal = (struct qproposal){.view = {5},
	                                           .header = rules_header(7, rules_hash(1), root, leaf_cnt),
	                                           .leaves = {leaf_cnt, leaves}};
	m.qmessage_u.proposal.header.proposer = 1;
	return m;
}

static bool is_bad_proposal(const struct rules *r, const struct qmessage *m)
{
	struct qevidence ev = {.kind = QEV_BAD_PROPOSAL, .qevidence_u.proposal = envelope(r, 1, m)};
	bool ok = evidence_verify(&r->g, &ev, NULL);

	wire_free(WIRE(qevidence), &ev);
	return ok;
}

static void convicts_a_proposal_that_is_wrong_by_itself(void **state)
{
	const struct rules *r = *state;
	struct qhash leaves[] = {rules_hash(1), rules_hash(2)}, twice[] = {rules_hash(1), rules_hash(1)};
	struct qmessage good = proposal(leaves, 2), m;

	assert_false(is_bad_proposal(r, &good));
	m = good;
	m.qmessage_u.proposal.header.merkle_root = rules_hash(3);
	assert_true(is_bad_proposal(r, &m));
	m = good;
	m.qmessage_u.proposal.header.tx_count = 3;
	assert_true(is_bad_proposal(r, &m));
	m = good;
	m.qmessage_u.proposal.header.proposer = 2;
	assert_true(is_bad_proposal(r, &m));
	m = good;
	m.qmessage_u.proposal.header.format = 2;
	assert_true(is_bad_proposal(r, &m));
	m = proposal(twice, 2);
	assert_true(is_bad_proposal(r, &m));
	m = vote(QCOMMIT, 1, 7, 1, 0);
	assert_false(is_bad_proposal(r, &m));
}

/* Its time, its parent and what it spends cannot be judged without a ledger. */
static void what_needs_a_ledger_is_no_evidence(void **state)
{
	struct qhash leaf = rules_hash(1);
	struct qmessage m = proposal(&leaf, 1);

	m.qmessage_u.proposal.header.time_ms = UINT64_MAX;
	m.qmessage_u.proposal.header.parent = rules_hash(77);
	assert_false(is_bad_proposal(*state, &m));
}

/* ---- seals ----------------------------------------------------------------------- */

/* A proposal on a chain whose targets have 4 to 8 bits, and move. */
static struct qmessage sealed_proposal(struct qhash *leaf, unsigned bits, bool holds)
{
	struct qmessage m = proposal(leaf, 1);
	struct qheader *h = &m.qmessage_u.proposal.header;

	h->seal.kind = QSEAL_POW;
	h->seal.qseal_u.pow.target = seal_target_of_bits(bits);
	seals_mine(h, holds);
	return m;
}

static void convicts_a_proposal_whose_seal_does_not_hold(void **state)
{
	(void)state;
	struct rules r;
	struct qhash leaf = rules_hash(1);
	struct qmessage unsealed = proposal(&leaf, 1), lazy = sealed_proposal(&leaf, 4, false);
	struct qmessage too_easy = sealed_proposal(&leaf, 3, true),
	                too_hard = sealed_proposal(&leaf, 9, true);

	seals_setup(&r, 4, "evidence", 4, 8, 1000);
	assert_true(is_bad_proposal(&r, &unsealed));
	assert_true(is_bad_proposal(&r, &lazy));
	assert_true(is_bad_proposal(&r, &too_easy));
	assert_true(is_bad_proposal(&r, &too_hard));
	rules_teardown(&r);
}

/* Which target is due only the block's ancestors show: so a wrong one is refused, but convicts nobody. */
static void a_target_that_only_ancestors_can_judge_is_no_evidence(void **state)
{
	(void)state;
	struct rules moving, fixed;
	struct qhash leaf = rules_hash(1);
	seals_setup(&moving, 4, "evidence", 4, 8, 1000);
	seals_setup(&fixed, 4, "evidence", 4, 4, 0);

	for (unsigned bits = 4; bits <= 8; bits++) {
		struct qmessage m = sealed_proposal(&leaf, bits, true);
		assert_false(is_bad_proposal(&moving, &m));
		assert_int_equal(is_bad_proposal(&fixed, &m), bits != 4); /* there is only one */
	}
	rules_teardown(&moving);
	rules_teardown(&fixed);
}

static void convicts_a_seal_on_a_chain_without_seals(void **state)
{
	struct qhash leaf = rules_hash(1);
	struct qmessage m = sealed_proposal(&leaf, 4, true);

	assert_true(is_bad_proposal(*state, &m));
}

/* The rule that the engine shares; of a replica that may not propose nothing follows here. */
static void a_proposal_is_judged_by_what_it_shows_alone(void **state)
{
	const struct rules *r = *state;
	struct qhash leaf = rules_hash(1);
	struct qmessage m = proposal(&leaf, 1);
	struct qproposal *p = &m.qmessage_u.proposal;

	assert_true(proposal_well_formed(&r->g, 1, p));
	assert_false(proposal_well_formed(&r->g, 2, p));
	p->view.n = 1000; /* whoever's turn that is */
	p->header.height.n = UINT64_MAX;
	assert_true(proposal_well_formed(&r->g, 1, p));
	p->leaves.leaves_len = 0;
	assert_false(proposal_well_formed(&r->g, 1, p));
}

static void convicts_two_proposals_at_one_view_and_height(void **state)
{
	struct qhash leaves[] = {rules_hash(1), rules_hash(2)};
	struct qmessage a = proposal(leaves, 1), b = proposal(leaves, 2);

	assert_true(convicts(*state, 1, &a, 1, &b));
	b.qmessage_u.proposal.view.n = 9;
	assert_false(convicts(*state, 1, &a, 1, &b));
}

/* ---- double spends ------------------------------------------------------------------ */

static bool is_double_spend(const struct rules *r, const struct tx *a, const struct tx *b, bool spoil)
{
	struct qevidence ev = {.kind = QEV_DOUBLE_SPEND};
	struct qdouble_spend *d = &ev.qevidence_u.double_spend;

	d->winner = (qtx_bytes){(unsigned)a->raw_len, xmemdup(a->raw, a->raw_len)};
	d->loser = (qtx_bytes){(unsigned)b->raw_len, xmemdup(b->raw, b->raw_len)};
	if (spoil)
		d->loser.qtx_bytes_val[b->raw_len - 9] ^= 1;
	bool ok = evidence_verify(&r->g, &ev, NULL);
	wire_free(WIRE(qevidence), &ev);
	return ok;
}

static void convicts_two_spends_of_one_output(void **state)
{
	const struct rules *r = *state;
	struct tx *a = rules_pay(r, 0, "a"), *b = rules_pay(r, 0, "b"), *other = rules_pay(r, 1, "c");

	assert_true(is_double_spend(r, a, b, false));
	assert_false(is_double_spend(r, a, b, true)); /* the owner did not sign it */
	assert_false(is_double_spend(r, a, a, false));
	assert_false(is_double_spend(r, a, other, false));
	tx_unref(a);
	tx_unref(b);
	tx_unref(other);
}

/* ---- forks ---------------------------------------------------------------------------- */

/* So many blocks from this height on, and their certificate; `salt` tells one chain from another. */
static struct qchain chain(const struct rules *r, uint64_t from, unsigned cnt, struct qhash parent,
                           uint8_t salt)
{
	struct qchain c = {.headers.headers_val = xcalloc(cnt, sizeof(struct qheader))};
	struct qvote vote = {.view = {salt}};

	c.headers.headers_len = cnt;
	for (unsigned i = 0; i < cnt; i++) {
		c.headers.headers_val[i] = rules_header(from + i, parent, rules_hash(salt), 1);
		block_hash(&c.headers.headers_val[i], &parent);
	}
	vote.height.n = from + cnt - 1;
	vote.block = parent;
	c.cert = rules_cert(r, QCOMMIT, &vote, rules_quorum_mask(r));
	return c;
}

/* Drops so many of the lowest headers. */
static struct qchain shortened(struct qchain c, unsigned cnt)
{
	c.headers.headers_len -= cnt;
	memmove(c.headers.headers_val, c.headers.headers_val + cnt,
	        c.headers.headers_len * sizeof(struct qheader));
	return c;
}

static bool is_fork(const struct rules *r, struct qchain a, struct qchain b)
{
	struct qevidence ev = {.kind = QEV_FORK, .qevidence_u.fork = {a, b}};
	struct qevidence other = {.kind = QEV_FORK, .qevidence_u.fork = {b, a}};
	struct err err = {0};
	bool ok = evidence_verify(&r->g, &ev, &err);

	assert_int_equal(ok, err.kind == ERR_NONE);
	assert_int_equal(ok, evidence_verify(&r->g, &other, NULL));
	wire_free(WIRE(qevidence), &ev);
	return ok;
}

static void convicts_certificates_that_do_not_lie_on_one_chain(void **state)
{
	const struct rules *r = *state;
	struct qhash p = rules_hash(1), q = rules_hash(2);

	/* for two blocks at one height, in whatever views */
	assert_true(is_fork(r, shortened(chain(r, 7, 1, p, 1), 1), shortened(chain(r, 7, 1, p, 2), 1)));
	/* at two heights: headers lead to different blocks, or to different parents */
	assert_true(is_fork(r, chain(r, 7, 3, p, 1), chain(r, 7, 1, p, 2)));
	assert_true(is_fork(r, chain(r, 7, 3, p, 1), shortened(chain(r, 7, 2, p, 2), 2)));
	assert_true(is_fork(r, chain(r, 7, 3, p, 1), shortened(chain(r, 5, 2, p, 1), 2)));
	assert_true(is_fork(r, chain(r, 7, 3, p, 1), chain(r, 7, 9, q, 1)));
	/* on another genesis */
	assert_true(is_fork(r, chain(r, 1, 2, p, 1), chain(r, 1, 2, p, 1)));
}

static void certificates_that_may_lie_on_one_chain_convict_nobody(void **state)
{
	const struct rules *r = *state;
	struct qhash p = rules_hash(1);

	assert_false(is_fork(r, chain(r, 7, 3, p, 1), chain(r, 7, 3, p, 1)));
	assert_false(is_fork(r, chain(r, 7, 3, p, 1), chain(r, 7, 1, p, 1)));
	assert_false(is_fork(r, chain(r, 1, 3, r->g.chain, 1), shortened(chain(r, 1, 3, r->g.chain, 1), 3)));
	/* the headers between are missing */
	assert_false(is_fork(r, shortened(chain(r, 7, 3, p, 1), 2), shortened(chain(r, 7, 1, p, 2), 1)));
	assert_false(is_fork(r, chain(r, 9, 1, p, 1), chain(r, 6, 2, p, 2)));
}

/* A chain of 7 to 9 in each of these ways spoilt, beside another one that is fine. */
static void a_fork_needs_two_chains_that_hold(void **state)
{
	const struct rules *r = *state;
	struct qhash p = rules_hash(1);

	for (int i = 0; i < 8; i++) {
		struct qchain c = chain(r, 7, 3, p, 1);
		struct qheader *headers = c.headers.headers_val;
		struct qvote vote = c.cert.vote;
		if (i == 0)
			c.cert.sigs.sigs_val[2].sig.b[5] ^= 1;
		if (i == 1)
			c.cert.sigs.sigs_len--;
		if (i == 2)
			headers[0].time_ms++; /* not the next one's parent any more */
		if (i == 3)
			headers[2].time_ms++; /* not the certificate's block */
		if (i == 4)
			headers[1] = headers[2];
		if (i >= 5)
			wire_free(WIRE(qcert), &c.cert);
		if (i == 5) /* what is prepared in one view may be replaced in the next one */
			c.cert = rules_cert(r, QPREPARE, &vote, 7);
		vote.height.n++;
		if (i == 6) /* of another height than its block */
			c.cert = rules_cert(r, QCOMMIT, &vote, 7);
		vote.height.n = 0;
		if (i == 7)
			c.cert = rules_cert(r, QCOMMIT, &vote, 7);
		assert_false(is_fork(r, c, chain(r, 7, 3, p, 2)));
	}
}

static void an_unknown_kind_convicts_nobody(void **state)
{
	const struct rules *r = *state;
	struct qevidence ev = {.kind = (enum qevidence_kind)9};

	assert_false(evidence_verify(&r->g, &ev, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(convicts_votes_for_two_blocks_at_one_view_and_height),
	    cmocka_unit_test(convicts_two_states_after_one_block),
	    cmocka_unit_test(voting_for_another_block_in_a_later_view_is_legal),
	    cmocka_unit_test(a_malformed_vote_convicts_nobody),
	    cmocka_unit_test(convicts_two_view_changes_for_one_view),
	    cmocka_unit_test(repeating_other_messages_is_no_crime),
	    cmocka_unit_test(a_conflict_needs_both_signatures),
	    cmocka_unit_test(convicts_a_proposal_that_is_wrong_by_itself),
	    cmocka_unit_test(what_needs_a_ledger_is_no_evidence),
	    cmocka_unit_test(convicts_two_proposals_at_one_view_and_height),
	    cmocka_unit_test(convicts_a_proposal_whose_seal_does_not_hold),
	    cmocka_unit_test(a_target_that_only_ancestors_can_judge_is_no_evidence),
	    cmocka_unit_test(convicts_a_seal_on_a_chain_without_seals),
	    cmocka_unit_test(a_proposal_is_judged_by_what_it_shows_alone),
	    cmocka_unit_test(convicts_two_spends_of_one_output),
	    cmocka_unit_test(convicts_certificates_that_do_not_lie_on_one_chain),
	    cmocka_unit_test(certificates_that_may_lie_on_one_chain_convict_nobody),
	    cmocka_unit_test(a_fork_needs_two_chains_that_hold),
	    cmocka_unit_test(an_unknown_kind_convicts_nobody),
	};

	return cmocka_run_group_tests_name("evidence", tests, setup, teardown);
}
