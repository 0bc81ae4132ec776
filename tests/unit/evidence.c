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

/* ---- conflicts ---------------------------------------------------------------------- */

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

/* ---- a COMMIT against a later VIEW-CHANGE ------------------------------------------- */

/* Replica 2's: a COMMIT in view 3 at height 9, of which each case changes what the VIEW-CHANGE reports. */
struct hidden {
	const struct rules *r;
	struct qheader line[10], other[10]; /* blocks 7 to 9 on one parent, and as many on another */
	struct qmessage commit;
	uint64_t view, tip, stable; /* 0: the genesis */
	struct qprepared prepared[4];
	unsigned prepared_cnt;
};

static void draw_line(struct qheader line[10], uint8_t salt)
{
	struct qhash parent = rules_hash(salt);

	for (uint64_t h = 7; h <= 9; h++) {
		line[h] = rules_header(h, parent, rules_hash(salt), 1);
		block_hash(&line[h], &parent);
	}
}

static struct hidden hidden_case(const struct rules *r)
{
	struct hidden x = {.r = r, .view = 4, .tip = 6};

	draw_line(x.line, 1);
	draw_line(x.other, 2);
	x.commit = (struct qmessage){.kind = QCOMMIT, .qmessage_u.vote = {.view = {3}, .height = {9}}};
	block_hash(&x.line[9], &x.commit.qmessage_u.vote.block);
	return x;
}

static void report(struct hidden *x, uint64_t view, const struct qheader *h)
{
	struct qvote vote = {.view = {view}, .height = h->height};

	block_hash(h, &vote.block);
	x->prepared[x->prepared_cnt++] = (struct qprepared){*h, rules_cert(x->r, QPREPARE, &vote, 7)};
}

/* Of heights `from` to 9, as the COMMIT proves them. */
static void report_line(struct hidden *x, uint64_t from)
{
	for (uint64_t h = from; h <= 9; h++)
		report(x, 3, &x->line[h]);
}

/* Is replica 2 guilty?  Of the same two statements nobody else is, nor in another order. */
static bool is_hidden(struct hidden x)
{
	struct qvote tip = {.height = {x.tip}, .block = rules_hash(5)};
	struct qvote stable = {.height = {x.stable}, .block = rules_hash(5), .state = rules_hash(6)};
	struct qcert tip_cert = rules_cert(x.r, QCOMMIT, &tip, 7);
	struct qcert stable_cert = rules_cert(x.r, QCHECKPOINT, &stable, 7);
	struct qmessage m = {.kind = QVIEW_CHANGE};
	struct qview_change *vc = &m.qmessage_u.view_change;

	*vc = (struct qview_change){.view = {x.view},
	                            .tip = {x.tip > 0, &tip_cert},
	                            .stable = {x.stable > 0, &stable_cert},
	                            .prepared = {x.prepared_cnt, x.prepared}};
	bool guilty = convicts(x.r, 2, &x.commit, 2, &m);
	assert_int_equal(guilty, view_change_hides(&x.commit.qmessage_u.vote, vc));
	assert_false(convicts(x.r, 2, &x.commit, 1, &m));
	assert_false(convicts(x.r, 1, &x.commit, 2, &m));
	assert_false(convicts(x.r, 2, &m, 2, &x.commit));
	x.commit.kind = QPREPARE;
	assert_false(convicts(x.r, 2, &x.commit, 2, &m));
	for (unsigned i = 0; i < x.prepared_cnt; i++)
		wire_free(WIRE(qcert), &x.prepared[i].cert);
	wire_free(WIRE(qcert), &tip_cert);
	wire_free(WIRE(qcert), &stable_cert);
	return guilty;
}

static void convicts_a_view_change_that_hides_a_commit(void **state)
{
	struct hidden x = hidden_case(*state);

	assert_true(is_hidden(x)); /* nothing */
	x.view = UINT64_C(1) << 62;
	assert_true(is_hidden(x));
	x = hidden_case(*state);
	x.tip = 0;
	assert_true(is_hidden(x));
	x = hidden_case(*state);
	x.tip = 5;
	x.stable = 8;
	assert_true(is_hidden(x)); /* up to 8 only */
	x = hidden_case(*state);
	report(&x, 3, &x.line[7]);
	report(&x, 3, &x.line[8]);
	assert_true(is_hidden(x)); /* all but the block itself */
	x = hidden_case(*state);
	report(&x, 3, &x.line[7]);
	report(&x, 3, &x.line[8]);
	report(&x, 2, &x.line[9]);
	assert_true(is_hidden(x)); /* as prepared in an earlier view, where another block may win over it */
	x = hidden_case(*state);
	report(&x, 3, &x.other[7]);
	report(&x, 3, &x.other[8]);
	report(&x, 3, &x.other[9]);
	assert_true(is_hidden(x)); /* another block of the very same view */
}

/* So that nothing above can be carried over. */
static void convicts_a_view_change_that_hides_an_ancestor(void **state)
{
	struct hidden x = hidden_case(*state);

	report_line(&x, 8);
	assert_true(is_hidden(x));
	x = hidden_case(*state);
	report(&x, 3, &x.line[7]);
	report(&x, 3, &x.line[9]);
	assert_true(is_hidden(x));
	x = hidden_case(*state);
	report(&x, 2, &x.line[7]);
	report_line(&x, 8);
	assert_true(is_hidden(x));
	x = hidden_case(*state);
	report(&x, 3, &x.other[7]);
	report_line(&x, 8);
	assert_true(is_hidden(x)); /* a COMMIT says that they are linked */
}

static void who_reports_what_a_commit_proves_is_honest(void **state)
{
	struct hidden x = hidden_case(*state);

	report_line(&x, 7);
	assert_false(is_hidden(x));
	x = hidden_case(*state);
	x.tip = 8; /* certified since: reported no more */
	report_line(&x, 9);
	assert_false(is_hidden(x));
	x = hidden_case(*state);
	x.tip = 2;
	x.stable = 8;
	report_line(&x, 9);
	assert_false(is_hidden(x));
	for (uint64_t h = 9; h <= 10; h++) {
		x = hidden_case(*state);
		x.tip = h;
		assert_false(is_hidden(x));
		x = hidden_case(*state);
		x.tip = 0;
		x.stable = h;
		assert_false(is_hidden(x));
	}
}

/* What was prepared in a view between takes precedence, be it another block; a tip may be, too, on another
 * chain, when more than f others lie. */
static void who_was_led_elsewhere_since_is_honest(void **state)
{
	struct hidden x = hidden_case(*state);

	x.view = 6;
	report(&x, 4, &x.other[7]);
	report(&x, 4, &x.other[8]);
	report(&x, 5, &x.other[9]);
	assert_false(is_hidden(x));
	x = hidden_case(*state);
	x.view = 6;
	report(&x, 3, &x.line[7]);
	report(&x, 5, &x.other[8]);
	report(&x, 3, &x.line[9]);
	assert_false(is_hidden(x));
	x = hidden_case(*state);
	x.tip = 7; /* of a chain to which line[8] does not belong: its block is rules_hash(5) */
	report_line(&x, 8);
	assert_false(is_hidden(x));
}

/* Who has asked for a view commits in no lower one: but the other way round is how it must be. */
static void a_commit_in_the_view_asked_for_or_a_later_one_convicts_nobody(void **state)
{
	struct hidden x = hidden_case(*state);

	x.view = 3;
	assert_false(is_hidden(x));
	x = hidden_case(*state);
	x.view = 1;
	assert_false(is_hidden(x));
	x = hidden_case(*state);
	x.commit.qmessage_u.vote.state = rules_hash(1); /* no COMMIT at all */
	struct qmessage m = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {4}}};
	assert_false(convicts(*state, 2, &x.commit, 2, &m));
	x.commit.qmessage_u.vote = (struct qvote){.view = {3}, .block = rules_hash(1)};
	assert_false(convicts(*state, 2, &x.commit, 2, &m));
}

/* Numbers that only a liar states: answered at once, whatever the answer. */
static void endless_heights_end(void **state)
{
	struct qcert tip = {.kind = QCOMMIT, .vote.height = {UINT64_MAX}};
	struct qview_change vc = {.view = {4}};
	struct qvote commit = {.view = {3}, .height = {UINT64_MAX}};

	(void)state;
	assert_true(view_change_hides(&commit, &vc));
	vc.tip.tip_len = 1;
	vc.tip.tip_val = &tip;
	assert_false(view_change_hides(&commit, &vc));
}

/* ---- proposals ---------------------------------------------------------------------- */

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

/* ---- seals -------------------------------------------------------------------------- */

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

/* Spends these outputs of the genesis, signed by these accounts. */
static struct tx *spend_both(const struct rules *r, unsigned inputs, unsigned signers, const char *memo)
{
	struct qoutpoint in[2];
	struct account *owners[] = {rules_account(1), rules_account(2), rules_account(9)};
	const struct account *signed_by[3];
	struct qoutput out = {rules_address(3), 7};
	struct err err = {0};
	unsigned char text[8];
	unsigned in_cnt = 0, cnt = 0;

	for (unsigned i = 0; i < 2; i++)
		if (inputs >> i & 1)
			in[in_cnt++] = (struct qoutpoint){r->g.txid, i};
	for (unsigned i = 0; i < 3; i++)
		if (signers >> i & 1)
			signed_by[cnt++] = owners[i];
	memcpy(text, memo, strlen(memo));
	struct qtx_body body = {
	    .inputs = {in_cnt, in}, .outputs = {1, &out}, .memo = {(unsigned)strlen(memo), text}};
	struct tx *tx = tx_make(&r->g.chain, &body, signed_by, cnt, &err);
	if (!tx)
		fail_msg("%s", err.text);
	for (unsigned i = 0; i < 3; i++)
		account_free(owners[i]);
	return tx;
}

/* It is no transaction that any ledger takes, but its signature holds; who owns what only a ledger knows. */
static void a_stranger_who_names_the_output_convicts_nobody(void **state)
{
	const struct rules *r = *state;
	struct tx *honest = rules_pay(r, 0, "a"), *stranger = spend_both(r, 1, 4, "b");
	struct tx *other = spend_both(r, 3, 6, "c"); /* of account 2, and the stranger */

	assert_false(is_double_spend(r, honest, stranger, false));
	assert_false(is_double_spend(r, stranger, honest, false));
	assert_false(is_double_spend(r, honest, other, false));
	assert_true(is_double_spend(r, stranger, other, false)); /* the stranger himself */
	tx_unref(honest);
	tx_unref(stranger);
	tx_unref(other);
}

static struct qevidence double_spend(const struct tx *winner, const struct tx *loser)
{
	return (struct qevidence){
	    .kind = QEV_DOUBLE_SPEND,
	    .qevidence_u.double_spend = {{(unsigned)winner->raw_len, xmemdup(winner->raw, winner->raw_len)},
	                                 {(unsigned)loser->raw_len, xmemdup(loser->raw, loser->raw_len)}}};
}

static void says_whose_double_spend_it_is_and_of_what(void **state)
{
	const struct rules *r = *state;
	struct tx *winner = spend_both(r, 2, 2, "w"), *loser = spend_both(r, 3, 3, "l");
	struct qevidence ev = double_spend(winner, loser);
	struct evidence_facts facts;
	struct qaddress owner = rules_address(2);

	assert_true(evidence_verify(&r->g, &ev, NULL));
	assert_true(evidence_facts(&r->g, &ev, &facts));
	assert_true(qaddress_eq(&facts.signer, &owner)); /* of account 1 only one spends */
	assert_int_equal(facts.output.index, 1);
	assert_memory_equal(facts.first.b, winner->id.b, 32);
	assert_memory_equal(facts.second.b, loser->id.b, 32);
	assert_int_equal(facts.culprits, 0);
	assert_int_equal(facts.statement, 0);
	ev.qevidence_u.double_spend.loser.qtx_bytes_len--;
	assert_false(evidence_facts(&r->g, &ev, &facts));
	wire_free(WIRE(qevidence), &ev);
	tx_unref(winner);
	tx_unref(loser);
}

/* ---- forks -------------------------------------------------------------------------- */

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

/*
 * Q traitors can certify a block on no chain at all, and an honest replica that does not have what is below
 * it, in a view whose NEW-VIEW begins there, commits it all the same. But nobody honest has executed it.
 */
static void of_another_genesis_only_who_executed_is_convicted(void **state)
{
	const struct rules *r = *state;
	struct qchain c = chain(r, 1, 2, rules_hash(1), 1);
	struct qevidence ev = {.kind = QEV_FORK, .qevidence_u.fork = {c, c}};
	struct evidence_facts facts;

	assert_int_equal(c.cert.kind, QCOMMIT);
	assert_true(evidence_verify(&r->g, &ev, NULL));
	assert_true(evidence_facts(&r->g, &ev, &facts));
	assert_int_equal(facts.culprits, 0);
	struct qvote vote = {
	    .height = c.cert.vote.height, .block = c.cert.vote.block, .state = rules_hash(9)};
	struct qcert commits = c.cert;
	c.cert = rules_cert(r, QCHECKPOINT, &vote, 7);
	ev.qevidence_u.fork = (struct qfork){.first = c, .second = c};
	assert_true(evidence_verify(&r->g, &ev, NULL));
	assert_true(evidence_facts(&r->g, &ev, &facts));
	assert_int_equal(facts.culprits, 7);
	wire_free(WIRE(qcert), &commits);
	wire_free(WIRE(qchain), &c);
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

/* ---- who forked --------------------------------------------------------------------- */

/* Blocks 7 to 9 with a COMMIT of view 3 by `mask`, against another 7 and 8. */
static struct qfork fork_in_views(const struct rules *r, uint64_t view, uint64_t other, uint64_t mask)
{
	struct qfork f = {.first = chain(r, 7, 3, rules_hash(1), 1),
	                  .second = chain(r, 7, 2, rules_hash(1), 2)};

	for (int i = 0; i < 2; i++) {
		struct qcert *c = i ? &f.second.cert : &f.first.cert;
		struct qvote vote = c->vote;
		vote.view.n = i ? other : view;
		wire_free(WIRE(qcert), c);
		*c = rules_cert(r, QCOMMIT, &vote, i ? 0xe : mask);
	}
	return f;
}

/* Whom it convicts; the evidence must hold. Takes it. */
static uint64_t culprits_of(const struct rules *r, struct qfork f)
{
	struct qevidence ev = {.kind = QEV_FORK, .qevidence_u.fork = f};
	struct evidence_facts facts;
	struct err err = {0};

	if (!evidence_verify(&r->g, &ev, &err))
		fail_msg("%s", err.text);
	assert_true(evidence_facts(&r->g, &ev, &facts));
	assert_int_equal(facts.height.n, 7);
	assert_int_equal(facts.statement, f.first.cert.kind);
	assert_int_equal(facts.view.n, f.first.cert.vote.view.n);
	wire_free(WIRE(qevidence), &ev);
	return facts.culprits;
}

static bool holds(const struct rules *r, struct qfork f)
{
	struct qevidence ev = {.kind = QEV_FORK, .qevidence_u.fork = f};
	struct err err = {0};
	bool ok = evidence_verify(&r->g, &ev, &err);

	assert_int_equal(ok, err.kind == ERR_NONE);
	wire_free(WIRE(qevidence), &ev);
	return ok;
}

static void whoever_signed_both_chains_in_one_view_forked_them(void **state)
{
	const struct rules *r = *state;

	assert_int_equal(culprits_of(r, fork_in_views(r, 3, 3, 7)), 6);
	assert_int_equal(culprits_of(r, fork_in_views(r, 3, 3, 0xd)), 0xc);
	assert_int_equal(culprits_of(r, fork_in_views(r, 3, 4, 7)), 0); /* that may be legal */
	assert_int_equal(culprits_of(r, fork_in_views(r, 4, 3, 7)), 0);
}

/* A CHECKPOINT instead of the COMMIT, of this height. */
static void check_point(const struct rules *r, struct qchain *c, uint64_t mask)
{
	struct qvote vote = c->cert.vote;

	vote.view.n = 0;
	vote.state = rules_hash(8);
	wire_free(WIRE(qcert), &c->cert);
	c->cert = rules_cert(r, QCHECKPOINT, &vote, mask);
}

static void checkpoints_convict_at_one_height_only(void **state)
{
	const struct rules *r = *state;
	struct qfork f = {.first = chain(r, 7, 2, rules_hash(1), 1),
	                  .second = chain(r, 7, 2, rules_hash(1), 2)};

	check_point(r, &f.first, 0xb);
	check_point(r, &f.second, 0xd);
	assert_int_equal(culprits_of(r, f), 9);
	f = fork_in_views(r, 3, 3, 7);
	check_point(r, &f.first, 7);
	check_point(r, &f.second, 7);
	assert_int_equal(culprits_of(r, f), 0);
	f = fork_in_views(r, 0, 0, 7); /* a COMMIT in view 0 is no CHECKPOINT */
	check_point(r, &f.second, 7);
	assert_int_equal(culprits_of(r, f), 0);
}

/* Adds the VIEW-CHANGE of a replica for this view, which reports nothing but a tip, and maybe block 7 to 9.
 */
static void add_hiding(const struct rules *r, struct qfork *f, unsigned sender, uint64_t view, bool hides)
{
	struct qvote tip = {.height = {6}, .block = rules_hash(1)};
	struct qcert cert = rules_cert(r, QCOMMIT, &tip, 7);
	struct qmessage m = {.kind = QVIEW_CHANGE,
	                     .qmessage_u.view_change = {.view = {view}, .tip = {1, &cert}}};
	struct qprepared prepared[3];

	for (unsigned i = 0; i < 3; i++) {
		const struct qheader *h = &f->first.headers.headers_val[i];
		struct qvote vote = {.view = {3}, .height = h->height};
		block_hash(h, &vote.block);
		prepared[i] = (struct qprepared){*h, rules_cert(r, QPREPARE, &vote, 7)};
	}
	m.qmessage_u.view_change.prepared.prepared_val = prepared;
	m.qmessage_u.view_change.prepared.prepared_len = hides ? 2 : 3;
	f->hiding.hiding_val =
	    xrealloc(f->hiding.hiding_val, (f->hiding.hiding_len + 1) * sizeof *f->hiding.hiding_val);
	f->hiding.hiding_val[f->hiding.hiding_len++] = envelope(r, sender, &m);
	for (unsigned i = 0; i < 3; i++)
		wire_free(WIRE(qcert), &prepared[i].cert);
	wire_free(WIRE(qcert), &cert);
}

static void whoever_hid_the_first_certificate_forked_it(void **state)
{
	const struct rules *r = *state;
	struct qfork f = fork_in_views(r, 3, 5, 7);

	add_hiding(r, &f, 0, 4, true);
	add_hiding(r, &f, 2, 5, true);
	assert_int_equal(culprits_of(r, f), 5);
	f = fork_in_views(r, 3, 3, 0xb); /* beside those who signed both */
	add_hiding(r, &f, 0, 4, true);
	assert_int_equal(culprits_of(r, f), 0xb);
}

static void a_view_change_beside_a_fork_must_convict(void **state)
{
	const struct rules *r = *state;

	for (int i = 0; i < 9; i++) {
		struct qfork f = fork_in_views(r, 3, 5, 7);
		add_hiding(r, &f, i == 1 ? 3 : 1, i == 2 ? 3 : 4, i != 3);
		if (i == 4)
			f.hiding.hiding_val[0].sig.b[7] ^= 1;
		if (i == 5) /* twice */
			add_hiding(r, &f, 1, 5, true);
		if (i == 6) /* not in order */
			add_hiding(r, &f, 0, 4, true);
		if (i == 7) /* of the second certificate, not of the first */
			f = (struct qfork){f.second, f.first, f.hiding};
		if (i == 8) /* a CHECKPOINT shows no view */
			check_point(r, &f.first, 7);
		assert_int_equal(holds(r, f), i == 0);
	}
}

static void add_prepared(const struct rules *r, struct qfork *f, enum qkind kind, uint64_t view,
                         uint64_t height, uint8_t block, uint64_t mask)
{
	struct qvote vote = {.view = {view}, .height = {height}, .block = rules_hash(block)};

	f->prepared.prepared_val = xrealloc(f->prepared.prepared_val, 2 * sizeof(struct qcert));
	f->prepared.prepared_val[f->prepared.prepared_len++] = rules_cert(r, kind, &vote, mask);
}

/* Two blocks prepared in one view: so a NEW-VIEW could take either, though nobody hid the other one. */
static void whoever_prepared_two_blocks_forked_them(void **state)
{
	const struct rules *r = *state;
	struct qfork f = fork_in_views(r, 3, 4, 7);

	add_prepared(r, &f, QPREPARE, 3, 7, 1, 7);
	add_prepared(r, &f, QPREPARE, 3, 7, 2, 0xe);
	assert_int_equal(culprits_of(r, f), 6);
}

static void certificates_of_prepares_beside_a_fork_must_convict(void **state)
{
	const struct rules *r = *state;

	for (int i = 0; i < 8; i++) {
		struct qfork f = fork_in_views(r, 3, 4, 7);
		add_prepared(r, &f, i == 1 ? QCOMMIT : QPREPARE, 3, 7, 1, 7);
		if (i != 2)
			add_prepared(r, &f, i == 3 ? QCOMMIT : QPREPARE, i == 4 ? 4 : 3, i == 5 ? 8 : 7,
			             i == 6 ? 1 : 2, 0xe);
		if (i == 7)
			f.prepared.prepared_val[1].sigs.sigs_val[2].sig.b[0] ^= 1;
		assert_int_equal(holds(r, f), i == 0);
	}
}

/* ---- what it is about --------------------------------------------------------------- */

static struct evidence_facts facts_of_conflict(const struct rules *r, const struct qmessage *a,
                                               const struct qmessage *b)
{
	struct qevidence ev = {.kind = QEV_CONFLICT,
	                       .qevidence_u.conflict = {envelope(r, 2, a), envelope(r, 2, b)}};
	struct evidence_facts facts;

	assert_true(evidence_verify(&r->g, &ev, NULL));
	assert_true(evidence_facts(&r->g, &ev, &facts));
	assert_int_equal(facts.culprits, 4);
	ev.qevidence_u.conflict.first.sender = 4;
	struct evidence_facts none;
	assert_false(evidence_facts(&r->g, &ev, &none));
	wire_free(WIRE(qevidence), &ev);
	return facts;
}

static void says_who_stated_what_and_where(void **state)
{
	const struct rules *r = *state;
	struct qmessage a = vote(QCOMMIT, 4, 7, 1, 0), b = vote(QCOMMIT, 4, 7, 2, 0);
	struct qmessage change = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {9}}};
	struct qvote tip = {.height = {3}, .block = rules_hash(1)};
	struct qcert cert = rules_cert(r, QCOMMIT, &tip, 7);
	struct qhash one = rules_hash(1), two = rules_hash(2);

	struct evidence_facts f = facts_of_conflict(r, &a, &b);
	assert_int_equal(f.statement, QCOMMIT);
	assert_int_equal(f.view.n, 4);
	assert_int_equal(f.height.n, 7);
	assert_true(qhash_eq(&f.first, &one) && qhash_eq(&f.second, &two));

	f = facts_of_conflict(r, &a, &change);
	assert_int_equal(f.statement, QCOMMIT);
	assert_int_equal(f.view.n, 4);
	assert_int_equal(f.height.n, 7);
	struct qhash digest = f.second;
	assert_false(qhash_is_zero(&digest));

	struct qmessage other = change;
	other.qmessage_u.view_change.tip.tip_len = 1;
	other.qmessage_u.view_change.tip.tip_val = &cert;
	f = facts_of_conflict(r, &other, &change);
	assert_int_equal(f.statement, QVIEW_CHANGE);
	assert_int_equal(f.view.n, 9);
	assert_int_equal(f.height.n, 0);
	assert_true(qhash_eq(&f.second, &digest)); /* of the very same statement */
	assert_false(qhash_eq(&f.first, &digest));
	wire_free(WIRE(qcert), &cert);
}

static void says_which_proposal_was_bad(void **state)
{
	const struct rules *r = *state;
	struct qhash leaf = rules_hash(1), hash;
	struct qmessage m = proposal(&leaf, 1);
	struct evidence_facts facts;

	m.qmessage_u.proposal.header.format = 2;
	block_hash(&m.qmessage_u.proposal.header, &hash);
	struct qevidence ev = {.kind = QEV_BAD_PROPOSAL, .qevidence_u.proposal = envelope(r, 1, &m)};
	assert_true(evidence_facts(&r->g, &ev, &facts));
	assert_int_equal(facts.culprits, 2);
	assert_int_equal(facts.statement, QPRE_PREPARE);
	assert_int_equal(facts.view.n, 5);
	assert_int_equal(facts.height.n, 7);
	assert_true(qhash_eq(&facts.first, &hash) && qhash_is_zero(&facts.second));
	wire_free(WIRE(qevidence), &ev);

	m = vote(QCOMMIT, 1, 7, 1, 0);
	ev = (struct qevidence){.kind = QEV_BAD_PROPOSAL, .qevidence_u.proposal = envelope(r, 1, &m)};
	assert_false(evidence_facts(&r->g, &ev, &facts));
	ev.qevidence_u.proposal.body.body_len--; /* not canonical */
	assert_false(evidence_facts(&r->g, &ev, &facts));
	wire_free(WIRE(qevidence), &ev);
}

/* Headers go down to different depths; of the genesis there is no header. */
static void says_where_a_fork_begins(void **state)
{
	const struct rules *r = *state;
	struct qhash p = rules_hash(1), q = rules_hash(2);
	struct {
		struct qchain first, second;
		uint64_t height;
	} cases[] = {
	    {chain(r, 7, 3, p, 1), chain(r, 7, 1, p, 2), 7},
	    {chain(r, 7, 1, p, 2), chain(r, 7, 3, p, 1), 7},
	    {chain(r, 7, 3, p, 1), chain(r, 7, 9, q, 1), 6}, /* the parents differ */
	    {shortened(chain(r, 7, 1, p, 1), 1), shortened(chain(r, 7, 1, p, 2), 1), 7},
	    {chain(r, 7, 3, p, 1), shortened(chain(r, 5, 2, p, 1), 2), 6},
	    {shortened(chain(r, 5, 2, p, 1), 2), chain(r, 7, 3, p, 1), 6},
	    {chain(r, 1, 2, p, 1), chain(r, 1, 2, p, 1), 0},
	    {chain(r, 1, 2, p, 1), chain(r, 1, 2, r->g.chain, 2), 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct qevidence ev = {.kind = QEV_FORK,
		                       .qevidence_u.fork = {cases[i].first, cases[i].second}};
		struct evidence_facts facts;
		assert_true(evidence_verify(&r->g, &ev, NULL));
		assert_true(evidence_facts(&r->g, &ev, &facts));
		assert_int_equal(facts.height.n, cases[i].height);
		assert_false(qhash_is_zero(&facts.first) || qhash_is_zero(&facts.second));
		if (cases[i].height > 0)
			assert_false(qhash_eq(&facts.first, &facts.second));
		ev.qevidence_u.fork.first.cert.vote.height.n++;
		assert_int_equal(evidence_facts(&r->g, &ev, &facts), cases[i].first.headers.headers_len == 0);
		wire_free(WIRE(qevidence), &ev);
	}
}

static void every_kind_has_a_name(void **state)
{
	static const char *const kinds[] = {"conflict", "bad_proposal", "double_spend", "fork"};
	static const char *const statements[] = {"pre_prepare", "prepare",     "commit",
	                                         "checkpoint",  "view_change", "new_view"};

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_string_equal(evidence_kind_name((qevidence_kind)(QEV_CONFLICT + i)), kinds[i]);
	assert_string_equal(evidence_kind_name((qevidence_kind)9), "unknown");
	for (int i = 0; i < 6; i++)
		assert_string_equal(statement_name((enum qkind)(QPRE_PREPARE + i)), statements[i]);
	assert_string_equal(statement_name(QSTATUS), "none");
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
	    cmocka_unit_test(convicts_a_view_change_that_hides_a_commit),
	    cmocka_unit_test(convicts_a_view_change_that_hides_an_ancestor),
	    cmocka_unit_test(who_reports_what_a_commit_proves_is_honest),
	    cmocka_unit_test(who_was_led_elsewhere_since_is_honest),
	    cmocka_unit_test(a_commit_in_the_view_asked_for_or_a_later_one_convicts_nobody),
	    cmocka_unit_test(endless_heights_end),
	    cmocka_unit_test(convicts_a_proposal_that_is_wrong_by_itself),
	    cmocka_unit_test(what_needs_a_ledger_is_no_evidence),
	    cmocka_unit_test(convicts_two_proposals_at_one_view_and_height),
	    cmocka_unit_test(convicts_a_proposal_whose_seal_does_not_hold),
	    cmocka_unit_test(a_target_that_only_ancestors_can_judge_is_no_evidence),
	    cmocka_unit_test(convicts_a_seal_on_a_chain_without_seals),
	    cmocka_unit_test(a_proposal_is_judged_by_what_it_shows_alone),
	    cmocka_unit_test(convicts_two_spends_of_one_output),
	    cmocka_unit_test(convicts_certificates_that_do_not_lie_on_one_chain),
	    cmocka_unit_test(of_another_genesis_only_who_executed_is_convicted),
	    cmocka_unit_test(certificates_that_may_lie_on_one_chain_convict_nobody),
	    cmocka_unit_test(a_fork_needs_two_chains_that_hold),
	    cmocka_unit_test(a_stranger_who_names_the_output_convicts_nobody),
	    cmocka_unit_test(says_whose_double_spend_it_is_and_of_what),
	    cmocka_unit_test(whoever_signed_both_chains_in_one_view_forked_them),
	    cmocka_unit_test(checkpoints_convict_at_one_height_only),
	    cmocka_unit_test(whoever_hid_the_first_certificate_forked_it),
	    cmocka_unit_test(a_view_change_beside_a_fork_must_convict),
	    cmocka_unit_test(whoever_prepared_two_blocks_forked_them),
	    cmocka_unit_test(certificates_of_prepares_beside_a_fork_must_convict),
	    cmocka_unit_test(says_who_stated_what_and_where),
	    cmocka_unit_test(says_which_proposal_was_bad),
	    cmocka_unit_test(says_where_a_fork_begins),
	    cmocka_unit_test(every_kind_has_a_name),
	    cmocka_unit_test(an_unknown_kind_convicts_nobody),
	};

	return cmocka_run_group_tests_name("evidence", tests, setup, teardown);
}
