/*
 * The audit of the journal: every signature inside every entry, and what the certificates there say of the
 * chain.
 *
 * Links: q_ledger
 */
#include "audited.h"

/* Appends this entry to a ledger of 5 blocks in other.db and audits that. */
static struct audit_report audit_entry(struct fixture *f, struct qjournal entry)
{
	struct ledger *l = start_other(f, 5);
	journal(l, entry);
	end_ledger(l);
	return audit(f, (const char *[]){f->other.path}, 1);
}

static void finds_a_checkpoint_of_another_state(void **state)
{
	struct fixture *f = *state;
	struct qvote vote = {.height = {4}, .block = f->chain.blocks[4]->hash, .state = rules_hash(1)};
	struct audit_report r = audit_entry(
	    f, (struct qjournal){.kind = QJ_STABLE,
	                         .qjournal_u.stable = rules_cert(&f->other.rules, QCHECKPOINT, &vote, 7)});

	assert_found(&r, 0, AUDIT_DIGEST, "journal(seq=1).entry");
	audit_report_free(&r);
}

static void finds_a_checkpoint_of_another_block(void **state)
{
	struct fixture *f = *state;
	struct qvote vote = {.height = {4}, .block = rules_hash(1), .state = f->chain.digests[4]};
	struct audit_report r = audit_entry(
	    f, (struct qjournal){.kind = QJ_STABLE,
	                         .qjournal_u.stable = rules_cert(&f->other.rules, QCHECKPOINT, &vote, 7)});

	assert_found(&r, 0, AUDIT_CONFLICT, "journal(seq=1).entry");
	audit_report_free(&r);
}

static void finds_journal_certificates_that_do_not_hold(void **state)
{
	struct fixture *f = *state;
	const struct rules *rules = &f->other.rules;
	struct qcert cert = checkpoint_at(rules, &f->chain, 4);
	cert.sigs.sigs_val[0].sig.b[0] ^= 1;
	struct audit_report r =
	    audit_entry(f, (struct qjournal){.kind = QJ_STABLE, .qjournal_u.stable = cert});
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	audit_report_free(&r);

	fresh_copy(state);
	r = audit_entry(
	    f, (struct qjournal){.kind = QJ_STABLE, .qjournal_u.stable = commit_at(rules, &f->chain, 4)});
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	audit_report_free(&r);
}

static void finds_new_views_that_do_not_hold(void **state)
{
	struct fixture *f = *state;
	const struct rules *rules = &f->other.rules;
	struct qmessage change = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {1}}};
	struct qenvelope changes[3];
	struct qmessage nv = {.kind = QNEW_VIEW,
	                      .qmessage_u.new_view = {.view = {1}, .changes = {3, changes}}};
	enum { GOOD, NO_QUORUM, OTHER_LEADER, SPOILT_CHANGE, OTHER_VIEW, TWICE, CASE_CNT };

	for (int i = 0; i < CASE_CNT; i++) {
		fresh_copy(state);
		change.qmessage_u.view_change.view.n = i == OTHER_VIEW ? 2 : 1;
		for (unsigned k = 0; k < 3; k++)
			changes[k] = envelope(rules, i == TWICE && k == 1 ? 0 : k, &change);
		if (i == SPOILT_CHANGE)
			changes[2].sig.b[0] ^= 1;
		nv.qmessage_u.new_view.changes.changes_len = i == NO_QUORUM ? 2 : 3;
		struct audit_report r =
		    audit_entry(f, (struct qjournal){.kind = QJ_NEW_VIEW,
		                                     .qjournal_u.new_view =
		                                         envelope(rules, i == OTHER_LEADER ? 2 : 1, &nv)});
		if (i == GOOD)
			assert_clean(&r);
		else
			assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
		audit_report_free(&r);
		for (unsigned k = 0; k < 3; k++)
			wire_free(WIRE(qenvelope), &changes[k]);
	}
}

/* NEW-VIEW entries whose envelopes hold, with this VIEW-CHANGE from replicas 0, 1 and 2 inside. */
static struct audit_report audit_view_change(struct fixture *f, const struct qview_change *vc)
{
	const struct rules *r = &f->other.rules;
	struct qmessage change = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = *vc};
	struct qenvelope changes[3];
	for (unsigned k = 0; k < 3; k++)
		changes[k] = envelope(r, k, &change);
	struct qmessage nv = {.kind = QNEW_VIEW,
	                      .qmessage_u.new_view = {.view = vc->view, .changes = {3, changes}}};
	struct audit_report report = audit_entry(
	    f, (struct qjournal){.kind = QJ_NEW_VIEW, .qjournal_u.new_view = envelope(r, 1, &nv)});
	for (unsigned k = 0; k < 3; k++)
		wire_free(WIRE(qenvelope), &changes[k]);
	return report;
}

static void finds_view_changes_whose_certificates_do_not_hold(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->other.rules;
	struct qvote vote = {.height = {5}, .block = f->chain.blocks[5]->hash};
	struct qcert commit_5 = rules_cert(r, QCOMMIT, &vote, 7),
	             prepare_5 = rules_cert(r, QPREPARE, &vote, 7);
	struct qcert spoilt = rules_cert(r, QPREPARE, &vote, 7);
	spoilt.sigs.sigs_val[1].sig.b[0] ^= 1;
	struct qprepared good = {f->chain.blocks[5]->header, prepare_5};
	struct qprepared bad[] = {{f->chain.blocks[4]->header, prepare_5},
	                          {f->chain.blocks[5]->header, commit_5},
	                          {f->chain.blocks[5]->header, spoilt}};
	const struct qview_change cases[] = {
	    {.view = {1}, .tip = {1, &commit_5}, .prepared = {1, &good}},
	    {.view = {1}, .tip = {1, &prepare_5}},
	    {.view = {1}, .stable = {1, &commit_5}},
	    {.view = {1}, .prepared = {1, &bad[0]}},
	    {.view = {1}, .prepared = {1, &bad[1]}},
	    {.view = {1}, .prepared = {1, &bad[2]}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fresh_copy(state);
		struct audit_report report = audit_view_change(f, &cases[i]);
		if (i == 0)
			assert_clean(&report);
		else
			assert_found(&report, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
		audit_report_free(&report);
	}
	wire_free(WIRE(qcert), &commit_5);
	wire_free(WIRE(qcert), &prepare_5);
	wire_free(WIRE(qcert), &spoilt);
}

/* A certificate deep inside a NEW-VIEW, of a lower height than an entry before it, is held against the chain
 * too. */
static void finds_a_conflict_inside_a_view_change(void **state)
{
	struct fixture *f = *state;
	const struct rules *rules = &f->other.rules;

	for (int is_tip = 0; is_tip < 2; is_tip++) {
		fresh_copy(state);
		struct qvote vote = {.height = {2}, .block = rules_hash(1)};
		struct qcert cert = rules_cert(rules, is_tip ? QCOMMIT : QCHECKPOINT, &vote, 7);
		struct qmessage change = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {1}}};
		struct qview_change *vc = &change.qmessage_u.view_change;
		if (is_tip)
			vc->tip.tip_len = 1, vc->tip.tip_val = &cert;
		else
			vc->stable.stable_len = 1, vc->stable.stable_val = &cert;
		struct qenvelope changes[3];
		for (unsigned k = 0; k < 3; k++)
			changes[k] = envelope(rules, k, &change);
		struct qmessage nv = {.kind = QNEW_VIEW,
		                      .qmessage_u.new_view = {.view = {1}, .changes = {3, changes}}};
		struct ledger *l = start_other(f, 5);
		journal(l, (struct qjournal){.kind = QJ_STABLE,
		                             .qjournal_u.stable = checkpoint_at(rules, &f->chain, 4)});
		journal(l, (struct qjournal){.kind = QJ_NEW_VIEW,
		                             .qjournal_u.new_view = envelope(rules, 1, &nv)});
		end_ledger(l);
		struct audit_report r = audit(f, (const char *[]){f->other.path}, 1);
		assert_found(&r, 0, AUDIT_CONFLICT, "journal(seq=2).entry");
		audit_report_free(&r);
		for (unsigned k = 0; k < 3; k++)
			wire_free(WIRE(qenvelope), &changes[k]);
		wire_free(WIRE(qcert), &cert);
	}
}

static void finds_evidence_that_convicts_nobody(void **state)
{
	struct fixture *f = *state;
	struct qjournal j = conflict_entry(&f->other.rules);
	struct qconflict *c = &j.qjournal_u.evidence.qevidence_u.conflict;

	wire_free(WIRE(qenvelope), &c->second);
	c->second = c->first;
	c->second.body.body_val = xmemdup(c->first.body.body_val, c->first.body.body_len);
	struct audit_report r = audit_entry(f, j);
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	assert_int_equal(r.ledgers[0].finding_cnt, 1); /* its rows are what it says */
	audit_report_free(&r);
}

/* What is no evidence at all has no rows; whoever adds some is found. */
static void finds_rows_about_an_entry_that_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct qmessage vote = {.kind = QCOMMIT, .qmessage_u.vote = {.height = {7}, .block = rules_hash(1)}};
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_BAD_PROPOSAL};

	j.qjournal_u.evidence.qevidence_u.proposal = envelope(&f->other.rules, 2, &vote);
	struct audit_report r = audit_entry(f, j);
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	assert_int_equal(r.ledgers[0].finding_cnt, 1);
	audit_report_free(&r);
	edit(&f->other, "INSERT INTO evidence (seq, kind, first) VALUES (1, 'bad_proposal', zeroblob(32))");
	r = audit(f, (const char *[]){f->other.path}, 1);
	assert_found(&r, 0, AUDIT_EXTRA, "evidence(seq=1)");
	audit_report_free(&r);
}

static void finds_a_fork_that_is_none(void **state)
{
	struct fixture *f = *state;
	struct qjournal j = fork_entry(&f->other.rules);

	j.qjournal_u.evidence.qevidence_u.fork.first.cert.vote.height.n++;
	struct audit_report r = audit_entry(f, j);
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	audit_report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(finds_a_checkpoint_of_another_state),
	    TEST(finds_a_checkpoint_of_another_block),
	    TEST(finds_journal_certificates_that_do_not_hold),
	    TEST(finds_new_views_that_do_not_hold),
	    TEST(finds_view_changes_whose_certificates_do_not_hold),
	    TEST(finds_a_conflict_inside_a_view_change),
	    TEST(finds_evidence_that_convicts_nobody),
	    TEST(finds_rows_about_an_entry_that_says_nothing),
	    TEST(finds_a_fork_that_is_none),
	};

	return cmocka_run_group_tests_name("audit_journal", tests, make_fixture, drop_fixture);
}
