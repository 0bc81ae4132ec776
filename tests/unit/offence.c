/*
 * offence.c: what a transaction may carry to convict a replica: two votes that contradict each other, both
 * signed by it, and nothing else.
 *
 * Links: q_ledger
 */
#include "offence.h"
#include "block.h"
#include "evidence.h"
#include "rules.h"

static struct rules rules;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "offence");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	return 0;
}

/* Votes of replica 2 for blocks 1 and 2, at view 3 (a checkpoint's: 0) and height 7, signed. */
static void sign(struct qoffence *o)
{
	struct qmessage first = {.kind = o->kind, .qmessage_u.vote = o->first};
	struct qmessage second = {.kind = o->kind, .qmessage_u.vote = o->second};

	rules_sign(&rules, o->replica, &first, &o->first_sig);
	rules_sign(&rules, o->replica, &second, &o->second_sig);
}

static struct qoffence offence(enum qkind kind)
{
	bool checkpoint = kind == QCHECKPOINT;
	struct qvote vote = {
	    .view = {checkpoint ? 0 : 3}, .height = {7}, .state = rules_hash(checkpoint ? 9 : 0)};
	struct qoffence o = {.replica = 2, .kind = kind, .first = vote, .second = vote};

	o.first.block = rules_hash(1);
	o.second.block = rules_hash(2);
	sign(&o);
	return o;
}

static const enum qkind kinds[] = {QPREPARE, QCOMMIT, QCHECKPOINT};

/* ---- form ----------------------------------------------------------------------- */

static void two_votes_that_contradict_each_other_are_one(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct qoffence o = offence(kinds[i]);
		assert_true(offence_well_formed(&o));
		assert_true(offence_verify(&rules.g, &o));
	}
	struct qoffence o = offence(QCHECKPOINT); /* one block, two states after it */
	o.second.block = o.first.block;
	o.second.state = rules_hash(10);
	sign(&o);
	assert_true(offence_verify(&rules.g, &o));
}

/* Each edit of a good one, signed anew, leaves two votes that an honest replica may have signed, or none. */
struct edit {
	const char *what;
	void (*edit)(struct qoffence *o);
};

static void same_content(struct qoffence *o)
{
	o->second = o->first;
}
static void other_view(struct qoffence *o)
{
	o->second.view.n++;
}
static void other_height(struct qoffence *o)
{
	o->second.height.n++;
}
static void genesis_height(struct qoffence *o)
{
	o->first.height.n = o->second.height.n = 0;
}
static void immense_height(struct qoffence *o)
{
	o->first.height.n = o->second.height.n = CERT_NUMBER_MAX + 1;
}
static void immense_view(struct qoffence *o)
{
	o->first.view.n = o->second.view.n = CERT_NUMBER_MAX + 1;
}
static void stray_state(struct qoffence *o) /* of a checkpoint: a view */
{
	if (o->kind == QCHECKPOINT)
		o->first.view.n = o->second.view.n = 1;
	else
		o->second.state = rules_hash(9);
}

static void stray_state_in_the_first(struct qoffence *o)
{
	if (o->kind == QCHECKPOINT)
		o->first.view.n = o->second.view.n = 1;
	else
		o->first.state = rules_hash(9);
}

static void everything_else_is_none(void **state)
{
	(void)state;
	static const struct edit edits[] = {
	    {"the same twice", same_content},
	    {"of two views", other_view},
	    {"of two heights", other_height},
	    {"of the genesis", genesis_height},
	    {"of an immense height", immense_height},
	    {"of an immense view", immense_view},
	    {"with a field that has no use", stray_state},
	    {"with such a field in the first vote", stray_state_in_the_first},
	};

	for (int i = 0; i < 3; i++)
		for (size_t e = 0; e < sizeof edits / sizeof *edits; e++) {
			struct qoffence o = offence(kinds[i]);
			edits[e].edit(&o);
			sign(&o);
			if (offence_well_formed(&o) || offence_verify(&rules.g, &o))
				fail_msg("kind %d: an offence %s is one", kinds[i], edits[e].what);
		}
}

static void only_votes_can_be_one(void **state)
{
	(void)state;
	for (int kind = -1; kind <= 20; kind++) {
		struct qoffence o = offence(QCOMMIT);
		o.kind = (enum qkind)kind;
		/* With the state that a checkpoint has: neither form is any other kind's. */
		assert_int_equal(offence_well_formed(&o), kind == QPREPARE || kind == QCOMMIT);
		o = offence(QCHECKPOINT);
		o.kind = (enum qkind)kind;
		assert_int_equal(offence_well_formed(&o), kind == QCHECKPOINT);
	}
}

/* ---- signatures ------------------------------------------------------------------ */

static void both_signatures_must_be_the_replicas(void **state)
{
	(void)state;
	struct qoffence good = offence(QCOMMIT), o = good;

	for (unsigned i = 0; i < sizeof o.first_sig.b; i += 7) {
		o = good;
		o.first_sig.b[i] ^= 1;
		assert_false(offence_verify(&rules.g, &o));
		o = good;
		o.second_sig.b[i] ^= 1;
		assert_false(offence_verify(&rules.g, &o));
	}
	o = good;
	o.replica = 1; /* another replica's */
	assert_false(offence_verify(&rules.g, &o));
	o.replica = 4; /* nobody's */
	assert_false(offence_verify(&rules.g, &o));
	o = good;
	o.kind = QPREPARE; /* a COMMIT's signature is no PREPARE's */
	assert_false(offence_verify(&rules.g, &o));
	o = good;
	o.second_sig = o.first_sig;
	assert_false(offence_verify(&rules.g, &o));
	struct rules other;
	rules_setup(&other, 4, "another"); /* the same replicas on another chain */
	assert_false(offence_verify(&other.g, &good));
	rules_teardown(&other);
}

/* ---- in a transaction -------------------------------------------------------------- */

static struct tx *carry(struct qoffence *o, struct err *err)
{
	struct qoutpoint in = {rules.g.txid, 0};
	struct qoutput out = {rules_address(3), 1000};
	struct account *owner = rules_account(1);
	const struct account *signer = owner;
	struct qtx_body body = {.inputs = {1, &in}, .outputs = {1, &out}, .offence = {1, o}};
	struct tx *tx = tx_make(&rules.g.chain, &body, &signer, 1, err);

	account_free(owner);
	return tx;
}

static void a_transaction_carries_it_and_its_owners_sign_it(void **state)
{
	(void)state;
	struct qoffence o = offence(QCHECKPOINT);
	struct err err = {0};
	struct tx *tx = carry(&o, &err), *read;
	enum tx_verdict v;

	assert_non_null(tx);
	assert_true(tx_verify(&rules.g, tx));
	read = tx_parse(&rules.g.chain, tx->raw, tx->raw_len, &v);
	assert_non_null(read);
	assert_memory_equal(read->q.body.offence.offence_val->second_sig.b, o.second_sig.b, 64);
	tx_unref(read);
	struct qtxid id = tx->id;
	tx_unref(tx);
	o.first_sig.b[9] ^= 1; /* another body, so another transaction; its owner signs what does not hold */
	tx = carry(&o, &err);
	assert_non_null(tx);
	assert_false(qtxid_eq(&id, &tx->id));
	assert_false(tx_verify(&rules.g, tx));
	tx_unref(tx);
}

static void a_transaction_with_what_is_none_is_refused_at_once(void **state)
{
	(void)state;
	struct qoffence o = offence(QCOMMIT);
	struct err err = {0};

	o.second = o.first;
	assert_null(carry(&o, &err));
	assert_non_null(strstr(err.text, tx_verdict_info(TX_BAD_OFFENCE)->text));
}

static void a_plain_transaction_needs_no_genesis_to_be_verified(void **state)
{
	(void)state;
	struct tx *tx = rules_pay(&rules, 0, "");

	assert_true(tx_verify(NULL, tx));
	tx_unref(tx);
}

/* ---- from evidence ------------------------------------------------------------------- */

static struct qenvelope envelope(unsigned sender, const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = rules.g.chain, .sender = sender};

	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	rules_sign(&rules, sender, m, &env.sig);
	return env;
}

/* Of replica 2, by default; the caller frees it. */
static struct qevidence conflict(const struct qmessage *first, unsigned second_sender,
                                 const struct qmessage *second)
{
	struct qevidence ev = {.kind = QEV_CONFLICT};

	ev.qevidence_u.conflict.first = envelope(2, first);
	ev.qevidence_u.conflict.second = envelope(second_sender, second);
	return ev;
}

static bool made_of(const struct qmessage *first, unsigned second_sender, const struct qmessage *second,
                    struct qoffence *o)
{
	struct qevidence ev = conflict(first, second_sender, second);
	bool ok = offence_of(&rules.g, &ev, o);

	wire_free(WIRE(qevidence), &ev);
	return ok;
}

static void evidence_of_votes_makes_one_with_the_envelopes_signatures(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct qoffence want = offence(kinds[i]), o;
		struct qmessage a = {.kind = kinds[i], .qmessage_u.vote = want.first};
		struct qmessage b = {.kind = kinds[i], .qmessage_u.vote = want.second};
		assert_true(made_of(&a, 2, &b, &o));
		struct bytes x = rules_encode(WIRE(qoffence), &want), y = rules_encode(WIRE(qoffence), &o);
		assert_int_equal(x.len, y.len);
		assert_memory_equal(x.data, y.data, x.len);
		bytes_free(&x);
		bytes_free(&y);
		assert_true(offence_verify(&rules.g, &o));
		assert_false(made_of(&a, 2, &a, &o)); /* no evidence of anything */
		assert_false(made_of(&a, 1, &b, &o));
	}
}

/* A proposal of replica `sender` at view 3, height 7, with the PREPARE of replica `signer` in it. */
static struct qmessage proposal(unsigned signer, uint64_t time_ms, struct qhash *leaf)
{
	struct qmessage m = {.kind = QPRE_PREPARE}, vote = {.kind = QPREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;

	p->view.n = 3;
	p->header = rules_header(7, rules_hash(4), rules_hash(5), 1);
	p->header.proposer = 2;
	p->header.time_ms = time_ms;
	p->leaves.leaves_len = 1;
	p->leaves.leaves_val = leaf;
	vote.qmessage_u.vote = (struct qvote){.view = p->view, .height = p->header.height};
	block_hash(&p->header, &vote.qmessage_u.vote.block);
	rules_sign(&rules, signer, &vote, &p->prepare);
	return m;
}

static void evidence_of_two_proposals_makes_one_of_their_prepares(void **state)
{
	(void)state;
	struct qhash leaf = rules_hash(6), first;
	struct qmessage a = proposal(2, 100, &leaf), b = proposal(2, 200, &leaf),
	                forged = proposal(1, 200, &leaf);
	struct qmessage vote = {.kind = QPREPARE};
	struct qoffence o;

	assert_true(made_of(&a, 2, &b, &o));
	assert_int_equal(o.kind, QPREPARE);
	assert_int_equal(o.replica, 2);
	assert_int_equal(o.first.view.n, 3);
	block_hash(&a.qmessage_u.proposal.header, &first);
	assert_true(qhash_eq(&o.first.block, &first));
	assert_true(offence_verify(&rules.g, &o));
	/* A proposer may have put another's PREPARE in: that convicts it (evidence), but by no two votes. */
	assert_false(made_of(&a, 2, &forged, &o));
	assert_false(made_of(&a, 2, &a, &o));
	/* A proposal and a PREPARE for another block are of two kinds, and yet two PREPAREs. */
	vote.qmessage_u.vote = o.first;
	vote.qmessage_u.vote.block = rules_hash(8);
	assert_true(made_of(&a, 2, &vote, &o));
}

static void no_other_evidence_makes_one(void **state)
{
	(void)state;
	struct qmessage a = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {3}}};
	struct qmessage b = {.kind = QNEW_VIEW, .qmessage_u.new_view = {.view = {3}}};
	struct qmessage s = {.kind = QSTATUS};
	struct qoffence good = offence(QCOMMIT), o;
	struct qmessage vote = {.kind = QCOMMIT, .qmessage_u.vote = good.first};

	assert_false(made_of(&a, 2, &a, &o));
	assert_false(made_of(&b, 2, &b, &o));
	assert_false(made_of(&s, 2, &vote, &o));
	assert_false(made_of(&vote, 2, &s, &o));
	struct qmessage second = {.kind = QCOMMIT, .qmessage_u.vote = good.second};
	struct qevidence ev = conflict(&vote, 2, &second);
	for (int kind = 0; kind <= QEV_FORK + 1; kind++) {
		ev.kind = (enum qevidence_kind)kind;
		assert_int_equal(offence_of(&rules.g, &ev, &o), kind == QEV_CONFLICT);
	}
	ev.kind = QEV_CONFLICT;
	ev.qevidence_u.conflict.second.body.body_val[3] = 99; /* no message any more */
	assert_false(offence_of(&rules.g, &ev, &o));
	wire_free(WIRE(qevidence), &ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_votes_that_contradict_each_other_are_one),
	    cmocka_unit_test(everything_else_is_none),
	    cmocka_unit_test(only_votes_can_be_one),
	    cmocka_unit_test(both_signatures_must_be_the_replicas),
	    cmocka_unit_test(a_transaction_carries_it_and_its_owners_sign_it),
	    cmocka_unit_test(a_transaction_with_what_is_none_is_refused_at_once),
	    cmocka_unit_test(a_plain_transaction_needs_no_genesis_to_be_verified),
	    cmocka_unit_test(evidence_of_votes_makes_one_with_the_envelopes_signatures),
	    cmocka_unit_test(evidence_of_two_proposals_makes_one_of_their_prepares),
	    cmocka_unit_test(no_other_evidence_makes_one),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
