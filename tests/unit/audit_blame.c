/*
 * Who made two certified chains: the guilty and nobody else, by evidence that stands alone.
 *
 * Links: q_ledger
 */
#include "forked.h"

#include "evidence.h"

#define NOBODY 0

/* ---- verdicts ----------------------------------------------------------------------- */

static void audit_story_since(struct story *s, uint64_t since)
{
	struct audit_options options = {.threads = 2, .since = {since}};
	const char *paths[LEDGERS_MAX];
	struct err err = {0};
	size_t cnt = close_all(s, paths);

	if (!audit_run(paths, cnt, &s->r.g, &options, &s->report, &err))
		fail_msg("%s", err.text);
	assert_false(s->report.ok);
	assert_true(s->report.diverged);
}

static void audit_story(struct story *s)
{
	audit_story_since(s, 0);
}

/* Of a fork at height 3: where an audit began above it, the evidence shows by the headers' parents that it
 * did not begin there. */
static void assert_evidence(const struct story *s)
{
	const struct audit_divergence *d = &s->report.divergence;
	struct evidence_facts facts;
	struct err err = {0};

	assert_non_null(d->evidence);
	if (!evidence_verify(&s->r.g, d->evidence, &err))
		fail_msg("%s", err.text);
	assert_true(evidence_facts(&s->r.g, d->evidence, &facts));
	assert_int_equal(facts.culprits, d->culprits);
	assert_int_equal(facts.height.n, 3);
	assert_true(d->height.n > 3 ||
	            (qhash_eq(&facts.first, &d->a.block) && qhash_eq(&facts.second, &d->b.block)) ||
	            (qhash_eq(&facts.first, &d->b.block) && qhash_eq(&facts.second, &d->a.block)));
	const struct qfork *f = &d->evidence->qevidence_u.fork;
	assert_int_equal(f->first.headers.headers_val[0].height.n, d->height.n);
	assert_int_equal(f->second.headers.headers_val[0].height.n, d->height.n);
}

/* Audits and expects this, with a fork from height 3 on of the first two ledgers. */
static void assert_blame(struct story *s, enum audit_blame blame, uint64_t culprits, uint64_t dropped_in)
{
	const struct audit_divergence *d = &s->report.divergence;

	audit_story(s);
	if (d->blame != blame || d->culprits != culprits)
		print_error("blame %d, culprits %llx, dropped in %llu: %s\n", d->blame,
		            (unsigned long long)d->culprits, (unsigned long long)d->dropped_in.n,
		            d->unknown ? d->unknown : "");
	assert_int_equal(d->blame, blame);
	assert_int_equal(d->culprits, culprits);
	assert_int_equal(d->dropped_in.n, dropped_in);
	assert_int_equal(d->height.n, 3);
	assert_true(d->a.certified && d->b.certified);
	assert_int_equal(s->report.ledgers[0].side, SIDE_A);
	assert_int_equal(s->report.ledgers[1].side, SIDE_B);
	assert_int_equal(s->report.ledgers[0].standing, STANDING_FORKED);
	assert_int_equal(s->report.ledgers[1].standing, STANDING_FORKED);
	assert_int_equal(d->unknown != NULL, blame == BLAME_UNKNOWN);
	assert_evidence(s);
}

static void assert_unknown(struct story *s, uint64_t culprits, const char *words)
{
	assert_blame(s, BLAME_UNKNOWN, culprits, 0);
	if (!strstr(s->report.divergence.unknown, words))
		fail_msg("'%s' is not in: %s", words, s->report.divergence.unknown);
	end(s);
}

/* ---- one view ----------------------------------------------------------------------- */

static void who_committed_both_in_one_view_did_it(void **state)
{
	(void)state;
	for (unsigned n = 4; n <= 7; n += 3) {
		struct story *s = tell(n, 2);
		uint64_t first = n == 4 ? 0x7 : 0x1f, second = n == 4 ? 0xe : 0x7c;
		holds(s, A, A, 5, 2, first);
		holds(s, B, B, 3, 2, second); /* at another height: COMMITs of one view lie on one chain */
		assert_blame(s, BLAME_SAME_VIEW, first & second, 0);
		assert_int_equal(s->report.divergence.a.cert.vote.height.n, 5);
		assert_int_equal(s->report.divergence.b.cert.vote.height.n, 3);
		end(s);
	}
}

/* The certificates that cover the height are of two views; further up there are some of one. */
static void certificates_further_up_convict_too(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds(s, A, A, 3, 0, 0x7);
	holds(s, A, A, 4, 3, 0x7);
	holds(s, B, B, 5, 1, 0x7);
	holds(s, B, B, 7, 3, 0xb);
	assert_blame(s, BLAME_SAME_VIEW, 0x3, 0);
	assert_int_equal(s->report.divergence.a.cert.vote.height.n, 4);
	assert_int_equal(s->report.divergence.b.cert.vote.height.n, 7);
	end(s);
}

static void checkpoints_of_one_height_convict(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds_checkpoint(s, A, A, 4, 0x7);
	holds_checkpoint(s, B, B, 4, 0xd);
	assert_blame(s, BLAME_SAME_VIEW, 0x5, 0);
	end(s);
}

/* The first certificate above the divergence is a CHECKPOINT's, which shows no view. */
static void a_commit_above_a_checkpoint_is_found(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds_checkpoint(s, A, A, 4, 0x7);
	holds(s, A, A, 6, 5, 0x7);
	holds_checkpoint(s, B, B, 5, 0x7);
	holds(s, B, B, 8, 5, 0xe);
	assert_blame(s, BLAME_SAME_VIEW, 0x6, 0);
	end(s);
}

static void checkpoints_alone_of_two_heights_convict_nobody(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds_checkpoint(s, A, A, 4, 0x7);
	holds_checkpoint(s, B, B, 5, 0x7);
	assert_unknown(s, NOBODY, "one side has no certificate of COMMITs");
}

/* ---- adjacent views ----------------------------------------------------------------- */

static void who_hid_its_commit_did_it(void **state)
{
	(void)state;
	for (unsigned swapped = 0; swapped < 2; swapped++) {
		struct story *s = tell(4, 2);
		unsigned a = swapped ? B : A, b = swapped ? A : B; /* whichever ledger comes first */
		holds(s, a, A, 4, 0, 0x7);
		holds(s, b, B, 3, 1, 0xe);
		journal(s->open[b], enters(s, 1, 0xe, 0xe, &(struct reports){0}));
		assert_blame(s, BLAME_VIEW_CHANGE, 0x6, 1);
		end(s);
	}
}

/* 3 and 4 committed in view 0, learnt of view 1 by a NEW-VIEW that drops the block, and committed there what
 * it allows: that is what honest replicas do. */
static void who_was_led_into_the_later_view_is_honest(void **state)
{
	(void)state;
	struct story *s = tell(7, 2);

	holds(s, A, A, 4, 0, 0x1f);
	holds(s, B, B, 4, 1, 0x3f);
	journal(s->open[B], enters(s, 1, 0x67, 0x67, &(struct reports){0}));
	assert_blame(s, BLAME_VIEW_CHANGE, 0x7, 1);
	end(s);
}

/* It takes all of f + 1 to hide the block, though one may be enough to bring it back. */
static void who_hid_only_an_ancestor_did_it(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct reports upper = {.from = 4, .to = 5, .line = A};

	holds(s, A, A, 5, 0, 0x7);
	holds(s, B, B, 3, 1, 0xe);
	journal(s->open[B], enters(s, 1, 0xe, 0x8, &upper));
	assert_blame(s, BLAME_VIEW_CHANGE, 0x6, 1);
	end(s);
}

/* Nobody hides anything: two blocks are prepared in view 0, and the NEW-VIEW takes the other one. */
static void who_prepared_two_blocks_did_it(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct reports a = {.from = 3, .to = 4, .line = A}, b = {.from = 3, .to = 3, .line = B};
	struct qenvelope changes[] = {view_change(s, 0, 1, &b), view_change(s, 1, 1, &a),
	                              view_change(s, 2, 1, &a)};

	holds(s, A, A, 4, 0, 0xe);
	holds(s, B, B, 3, 1, 0x7);
	journal(s->open[B], new_view(s, 1, changes, 3));
	assert_blame(s, BLAME_VIEW_CHANGE, 0x7, 1); /* whoever rules_cert() lets sign PREPAREs */
	assert_int_equal(s->report.divergence.evidence->qevidence_u.fork.hiding.hiding_len, 0);
	assert_int_equal(s->report.divergence.evidence->qevidence_u.fork.prepared.prepared_len, 2);
	end(s);
}

/* ---- views between ------------------------------------------------------------------ */

/* View 1 carried the block, view 2 dropped it: what was hidden in view 2 counts. */
static void the_view_that_dropped_the_block_is_found(void **state)
{
	(void)state;
	struct story *s = tell(7, 2);
	struct reports carried = {.from = 3, .to = 4, .line = A};

	holds(s, A, A, 4, 0, 0x1f);
	holds(s, B, B, 4, 3, 0x7c);
	journal(s->open[A], enters(s, 1, 0x1f, 0x2, &carried)); /* 1 hid it; to no avail */
	journal(s->open[B], enters(s, 2, 0x4f, 0x4f, &(struct reports){0}));
	journal(s->open[B],
	        enters(s, 3, 0x7c, 0x7c, &(struct reports){0})); /* 2 to 4 cannot have known better */
	assert_blame(s, BLAME_VIEW_CHANGE, 0xf, 2);
	end(s);
}

/* What stands in the evidence is one NEW-VIEW's; here only that of view 3 names enough. */
static void a_later_new_view_that_names_enough_is_taken(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct reports prepared = {.from = 3, .to = 4, .line = A};

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 3, 0xe);
	journal(s->open[A], enters(s, 2, 0xb, 0x1, &prepared));
	journal(s->open[B], enters(s, 3, 0xe, 0xe, &(struct reports){0}));
	assert_blame(s, BLAME_VIEW_CHANGE, 0x6, 3);
	end(s);
}

/* One view, two NEW-VIEWs: its primary lied, too. */
static void each_ledger_has_its_own_new_view(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct reports carried = {.from = 3, .to = 4, .line = A};

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 1, 0xe);
	journal(s->open[A], enters(s, 1, 0x7, 0, &carried));
	journal(s->open[B], enters(s, 1, 0xe, 0xe, &(struct reports){0}));
	assert_blame(s, BLAME_VIEW_CHANGE, 0x6, 1);
	end(s);
}

/* A tip in V is on the other side, certified in a view that no table holds. */
static void certificates_inside_new_views_count(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct qcert tip = commits(s, B, 3, 2, 0xd);
	struct reports other = {.tip = &tip};

	holds(s, A, A, 4, 2, 0x7);
	holds(s, B, B, 5, 6, 0xe);
	journal(s->open[B], enters(s, 5, 0xe, 0, &other));
	assert_blame(s, BLAME_SAME_VIEW, 0x5, 0);
	assert_int_equal(s->report.divergence.b.cert.vote.height.n, 3);
	wire_free(WIRE(qcert), &tip);
	end(s);
}

/* And so do those of evidence that a replica kept before it stopped. */
static void certificates_inside_evidence_count(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_FORK};

	holds(s, A, A, 4, 2, 0x7);
	holds(s, B, B, 5, 6, 0xe);
	j.qjournal_u.evidence.qevidence_u.fork =
	    (struct qfork){.first.cert = commits(s, A, 3, 2, 0x7), .second.cert = commits(s, B, 3, 2, 0xb)};
	journal(s->open[A], j);
	assert_blame(s, BLAME_SAME_VIEW, 0x3, 0);
	end(s);
}

/* ---- what cannot be known ----------------------------------------------------------- */

static void without_the_new_view_nobody_is_named(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 1, 0xe);
	assert_unknown(s, NOBODY, "and of view 1 there is no NEW-VIEW in these ledgers");
}

/* The block came back in view 1, or never went: whoever reports nothing of it in view 5 may be honest if
 * something else was prepared since. */
static void views_whose_new_view_is_missing_are_named(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct reports carried = {.from = 3, .to = 4, .line = A, .view = 1},
	               other = {.from = 3, .to = 4, .line = B, .view = 4};

	holds(s, A, A, 4, 1, 0x7);
	holds(s, B, B, 3, 9, 0xe);
	journal(s->open[A], enters(s, 3, 0x7, 0, &carried));
	journal(s->open[B], enters(s, 6, 0xe, 0, &other));
	journal(s->open[B], enters(s, 7, 0xe, 0, &other));
	assert_unknown(s, NOBODY, "and of view 2, 4 to 5, 8 to 9 there is no NEW-VIEW");
}

/* The one that hid it is named, but it took one more. */
static void fewer_than_it_took_are_not_all(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct reports other = {.from = 3, .to = 4, .line = B, .view = 1};

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 2, 0xe);
	journal(s->open[B], enters(s, 2, 0xe, 0x4, &other));
	assert_unknown(s, 0x4, "and of view 1 there is no NEW-VIEW");
}

static void new_views_that_cannot_explain_it_are_not_enough(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct reports carried = {.from = 3, .to = 4, .line = A};

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 1, 0xe);
	journal(s->open[A], enters(s, 1, 0x7, 0, &carried));
	assert_unknown(s, NOBODY, "there is another one, in a ledger that is not here");
}

/* ---- journals are anybody's bytes --------------------------------------------------- */

/* Each is like the one that convicts 1 and 2, but for one thing. */
static void a_new_view_that_does_not_hold_convicts_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct story *s = tell(4, 2);
		struct reports nothing = {0}, odd = {.from = 3, .to = 3, .line = B};
		struct qenvelope changes[] = {view_change(s, 1, i == 1 ? 2 : 1, &nothing),
		                              view_change(s, 2, 1, &nothing),
		                              view_change(s, i == 5 ? 2 : 3, 1, i == 6 ? &odd : &nothing)};
		if (i == 2) /* not by replica 2 */
			ident_sign(s->r.ids[3], &s->r.g.chain, changes[1].body.body_val,
			           changes[1].body.body_len, &changes[1].sig);
		if (i == 3)
			changes[1].chain.b[0] ^= 1;
		if (i == 6) { /* signed, and prepared by nobody */
			struct qmessage m;
			assert_true(wire_decode(WIRE(qmessage), changes[2].body.body_val,
			                        changes[2].body.body_len, &m));
			m.qmessage_u.view_change.prepared.prepared_val[0].cert.sigs.sigs_val[0].sig.b[0] ^= 1;
			wire_free(WIRE(qenvelope), &changes[2]);
			changes[2] = envelope(&s->r, 3, &m);
			wire_free(WIRE(qmessage), &m);
		}
		holds(s, A, A, 4, 0, 0x7);
		holds(s, B, B, 3, 1, 0xe);
		struct qjournal j = new_view(s, 1, changes, i == 4 ? 2 : 3);
		if (i == 7)
			j.qjournal_u.new_view.sig.b[9] ^= 1;
		if (i == 4)
			wire_free(WIRE(qenvelope), &changes[2]);
		journal(s->open[B], j);
		assert_blame(s, i ? BLAME_UNKNOWN : BLAME_VIEW_CHANGE, i ? NOBODY : 0x6, i ? 0 : 1);
		if (i > 0)
			assert_false(s->report.ledgers[1].ok); /* the journal's entry is a finding */
		end(s);
	}
}

static void another_replica_cannot_lead_the_view(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct qjournal j = enters(s, 1, 0xe, 0xe, &(struct reports){0});

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 1, 0xe);
	j.qjournal_u.new_view.sender = 2;
	ident_sign(s->r.ids[2], &s->r.g.chain, j.qjournal_u.new_view.body.body_val,
	           j.qjournal_u.new_view.body.body_len, &j.qjournal_u.new_view.sig);
	journal(s->open[B], j);
	assert_unknown(s, NOBODY, "of view 1 there is no NEW-VIEW");
}

/* ---- several ledgers ---------------------------------------------------------------- */

/* A block that nobody signed stands lower than the fork; it must not hide it. */
static void an_edited_ledger_does_not_hide_a_fork(void **state)
{
	(void)state;
	struct story *s = tell(4, 3);

	holds(s, 0, C, 2, 0, 0x7);
	holds(s, 0, C, 5, 0, 0x1); /* one signature */
	holds(s, 1, A, 4, 2, 0x7);
	holds(s, 2, B, 3, 2, 0xb);
	audit_story(s);
	assert_int_equal(s->report.divergence.blame, BLAME_SAME_VIEW);
	assert_int_equal(s->report.divergence.culprits, 0x3);
	assert_int_equal(s->report.divergence.a.ledger, 1);
	assert_int_equal(s->report.divergence.b.ledger, 2);
	assert_int_equal(s->report.ledgers[0].side, SIDE_OTHER);
	assert_int_equal(s->report.ledgers[0].standing, STANDING_TAMPERED);
	assert_int_equal(s->report.ledgers[1].standing, STANDING_FORKED);
	assert_int_equal(s->report.ledgers[2].standing, STANDING_FORKED);
	assert_evidence(s);
	end(s);
}

/* The first ledger's own certificate was spoilt; the block is the same as the one of another that proves it.
 */
static void a_ledger_speaks_for_all_that_hold_its_block(void **state)
{
	(void)state;
	struct story *s = tell(4, 3);

	holds(s, 0, A, 4, 2, 0x1);
	holds(s, 1, B, 3, 2, 0xb);
	holds(s, 2, A, 4, 2, 0x7);
	audit_story(s);
	assert_int_equal(s->report.divergence.blame, BLAME_SAME_VIEW);
	assert_int_equal(s->report.ledgers[0].side, SIDE_A + (s->report.divergence.a.ledger == 1));
	assert_int_equal(s->report.ledgers[0].standing, STANDING_FORKED);
	assert_evidence(s);
	end(s);
}

static void three_chains_are_three_sides(void **state)
{
	(void)state;
	struct story *s = tell(4, 3);

	holds(s, 0, A, 4, 2, 0x7);
	holds(s, 1, B, 3, 2, 0xb);
	holds(s, 2, C, 3, 2, 0xd);
	audit_story(s);
	assert_int_equal(s->report.ledgers[2].side, SIDE_OTHER);
	assert_int_equal(s->report.ledgers[2].standing, STANDING_FORKED);
	end(s);
}

static void an_edited_block_has_no_culprits(void **state)
{
	(void)state;
	struct story *s = tell(4, 3);

	holds(s, 0, A, 4, 2, 0x7);
	holds(s, 1, B, 2, 0, 0x7);
	holds(s, 1, B, 3, 2, 0x1);
	holds(s, 2, A, 2, 0, 0x7);
	audit_story(s);
	assert_int_equal(s->report.divergence.blame, BLAME_EDITED);
	assert_int_equal(s->report.divergence.culprits, NOBODY);
	assert_null(s->report.divergence.evidence);
	assert_null(s->report.divergence.unknown);
	assert_true(s->report.divergence.a.certified && !s->report.divergence.b.certified);
	assert_int_equal(s->report.ledgers[0].standing, STANDING_SOUND);
	assert_int_equal(s->report.ledgers[1].standing, STANDING_TAMPERED);
	assert_int_equal(s->report.ledgers[2].standing, STANDING_BEHIND);
	end(s);
}

/* Both begin at the checkpoint that they have in common; or one of them, at its own. */
static void a_fork_above_a_checkpoint_is_found_from_there(void **state)
{
	(void)state;
	for (uint64_t since = 2; since <= 4; since += 2) {
		struct story *s = tell(4, 2);
		holds_checkpoint(s, A, A, 2, 0x7);
		holds(s, A, A, 4, 0, 0x7);
		holds_checkpoint(s, B, B, 2, 0xe);
		holds_checkpoint(s, B, B, 4, 0xe);
		holds(s, B, B, 6, 1, 0xe);
		journal(s->open[B], enters(s, 1, 0xe, 0xe, &(struct reports){0}));
		audit_story_since(s, since);
		assert_int_equal(s->report.ledgers[0].since.n, 2);
		assert_int_equal(s->report.ledgers[1].since.n, since);
		assert_int_equal(s->report.divergence.height.n, since + (since == 2));
		assert_int_equal(s->report.divergence.culprits, 0x6);
		assert_int_equal(s->report.divergence.blame, BLAME_VIEW_CHANGE);
		assert_evidence(s);
		end(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_committed_both_in_one_view_did_it),
	    cmocka_unit_test(certificates_further_up_convict_too),
	    cmocka_unit_test(checkpoints_of_one_height_convict),
	    cmocka_unit_test(a_commit_above_a_checkpoint_is_found),
	    cmocka_unit_test(checkpoints_alone_of_two_heights_convict_nobody),
	    cmocka_unit_test(who_hid_its_commit_did_it),
	    cmocka_unit_test(who_was_led_into_the_later_view_is_honest),
	    cmocka_unit_test(who_hid_only_an_ancestor_did_it),
	    cmocka_unit_test(who_prepared_two_blocks_did_it),
	    cmocka_unit_test(the_view_that_dropped_the_block_is_found),
	    cmocka_unit_test(a_later_new_view_that_names_enough_is_taken),
	    cmocka_unit_test(each_ledger_has_its_own_new_view),
	    cmocka_unit_test(certificates_inside_new_views_count),
	    cmocka_unit_test(certificates_inside_evidence_count),
	    cmocka_unit_test(without_the_new_view_nobody_is_named),
	    cmocka_unit_test(views_whose_new_view_is_missing_are_named),
	    cmocka_unit_test(fewer_than_it_took_are_not_all),
	    cmocka_unit_test(new_views_that_cannot_explain_it_are_not_enough),
	    cmocka_unit_test(a_new_view_that_does_not_hold_convicts_nobody),
	    cmocka_unit_test(another_replica_cannot_lead_the_view),
	    cmocka_unit_test(an_edited_ledger_does_not_hide_a_fork),
	    cmocka_unit_test(a_ledger_speaks_for_all_that_hold_its_block),
	    cmocka_unit_test(three_chains_are_three_sides),
	    cmocka_unit_test(an_edited_block_has_no_culprits),
	    cmocka_unit_test(a_fork_above_a_checkpoint_is_found_from_there),
	};

	return cmocka_run_group_tests_name("audit_blame", tests, NULL, NULL);
}
