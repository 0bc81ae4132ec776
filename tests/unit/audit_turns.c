/*
 * The audit of proposers where the primary proposes: nobody is accused whom a view change made the proposer,
 * and whoever had no turn in any view that is possible is named.  By stake: audit_stake.c.
 *
 * Links: q_ledger
 */
#include "auditing.h"

/* A run of blocks that ends at `to` with this certificate. */
struct run {
	unsigned to;
	enum qkind kind;
	uint64_t view;
	bool spoilt; /* a signature does not hold */
};

#define MAX_HEIGHT 8
#define NOBODY 99 /* ends a list of proposers */

static int make_fixture(void **state)
{
	struct rules rules;

	rules_setup(&rules, 4, "turns");
	*state = fixture = fixture_of(rules);
	return 0;
}

/* What checkpoints sign is known once the blocks were executed: by a ledger that is thrown away. */
static void learn_digests(const struct place *p, struct chain *c, unsigned height)
{
	struct ledger *l = open_ledger(p);

	append_run(l, c, 1, height, commit_at(&p->rules, c, height));
	ledger_close(l);
}

/* A ledger of blocks by these proposers, and its audit. */
static struct audit_report audit_turns(struct fixture *f, const unsigned *proposers, const struct run *runs)
{
	const struct rules *r = &f->other.rules;
	struct chain c = {0};
	unsigned from = 1, h = 1;

	place_remove(&f->other);
	for (; h <= MAX_HEIGHT && proposers[h - 1] != NOBODY; h++) {
		struct block *b = pass_on(r, &c, h);
		struct qheader q = b->header;
		q.proposer = proposers[h - 1];
		c.blocks[h] = with_header(b, &q);
	}
	learn_digests(&f->other, &c, h - 1);
	struct ledger *l = open_ledger(&f->other);
	for (const struct run *run = runs; run->to; run++) {
		struct qvote vote = {.height = {run->to}, .block = c.blocks[run->to]->hash};
		if (run->kind == QCOMMIT)
			vote.view.n = run->view;
		else
			vote.state = c.digests[run->to];
		struct qcert cert = rules_cert(r, run->kind, &vote, 0xe);
		if (run->spoilt)
			cert.sigs.sigs_val[1].sig.b[7] ^= 1;
		append_run(l, &c, from, run->to, cert);
		from = run->to + 1;
	}
	commit(l);
	ledger_close(l);
	free_chain(&c);
	return audit(f, (const char *[]){f->other.path}, 1);
}

static void assert_honest(struct fixture *f, const unsigned *proposers, const struct run *runs)
{
	struct audit_report r = audit_turns(f, proposers, runs);
	assert_clean(&r);
	audit_report_free(&r);
}

/* Found at this height and nowhere else; the message holds all of these words. */
static void assert_accused(struct fixture *f, const unsigned *proposers, const struct run *runs,
                           unsigned height, const char *words)
{
	struct audit_report r = audit_turns(f, proposers, runs);
	char where[64];

	snprintf(where, sizeof where, "blocks(height=%u).proposer", height);
	assert_found(&r, 0, AUDIT_PROPOSER, where);
	const struct audit_finding *x = find(&r, 0, AUDIT_PROPOSER, where);
	assert_int_equal(x->height.n, height);
	if (!strstr(x->message, words))
		fail_msg("'%s' is not in: %s", words, x->message);
	assert_int_equal(count_of(&r, 0, AUDIT_PROPOSER), 1);
	audit_report_free(&r);
}

#define BY(...) ((const unsigned[]){__VA_ARGS__, NOBODY})
#define COMMITS(...) ((const struct run[]){__VA_ARGS__, {0}})

/* ---- nobody who is honest ------------------------------------------------------------ */

static void passes_one_primary(void **state)
{
	assert_honest(*state, BY(0, 0, 0, 0), COMMITS({2, QCOMMIT, 0, false}, {4, QCOMMIT, 0, false}));
}

static void passes_the_primary_of_each_view_that_is_entered(void **state)
{
	assert_honest(*state, BY(0, 1, 1, 2, 3, 0, 2, 2),
	              COMMITS({1, QCOMMIT, 0, false}, {3, QCOMMIT, 1, false}, {5, QCOMMIT, 3, false},
	                      {6, QCOMMIT, 4, false}, {8, QCOMMIT, 6, false}));
	assert_honest(*state, BY(3, 2, 1),
	              COMMITS({1, QCOMMIT, 3, false}, {2, QCOMMIT, 6, false}, {3, QCOMMIT, 9, false}));
}

/* A NEW-VIEW binds a block of an earlier view: its bytes stay, the certificate is of the later view. */
static void passes_blocks_that_were_carried_into_later_views(void **state)
{
	assert_honest(*state, BY(0, 0, 2, 2),
	              COMMITS({1, QCOMMIT, 0, false}, {2, QCOMMIT, 2, false}, {4, QCOMMIT, 2, false}));
	assert_honest(*state, BY(0, 0, 0, 1),
	              COMMITS({1, QCOMMIT, 70, false}, {3, QCOMMIT, 71, false}, {4, QCOMMIT, 73, false}));
}

/* A replica that catches up may keep a certificate of a lower view above one of a higher view. */
static void passes_certificates_whose_views_fall(void **state)
{
	assert_honest(*state, BY(0, 0, 1, 1),
	              COMMITS({1, QCOMMIT, 9, false}, {2, QCOMMIT, 5, false}, {4, QCOMMIT, 1, false}));
}

static void passes_a_view_that_no_count_reaches(void **state)
{
	uint64_t high = UINT64_C(1) << 62;

	assert_honest(*state, BY(0, 3, 2), COMMITS({2, QCOMMIT, high, false}, {3, QCOMMIT, high, false}));
}

/* ---- whoever had no turn ---------------------------------------------------------------- */

static void finds_a_block_that_another_than_the_primary_proposed(void **state)
{
	assert_accused(
	    *state, BY(0, 1, 0, 0), COMMITS({2, QCOMMIT, 0, false}, {4, QCOMMIT, 0, false}), 2,
	    "replica 1 proposed the block, but it was not its turn: in view 0 it was replica 0's; the "
	    "certificate at height 2 is of view 0");
	assert_accused(*state, BY(0, 0, 3), COMMITS({3, QCOMMIT, 2, false}), 3,
	               "in view 0 it was replica 0's, in view 1 replica 1's, in view 2 replica 2's");
}

/* Replica 0 proposed again, though replica 1 had taken over: that would be view 4. */
static void finds_a_primary_whose_view_was_over(void **state)
{
	assert_accused(*state, BY(0, 1, 0, 1), COMMITS({2, QCOMMIT, 1, false}, {4, QCOMMIT, 3, false}), 3,
	               "in view 1 it was replica 1's, in view 2 replica 2's, in view 3 replica 3's");
	assert_honest(*state, BY(0, 1, 0, 0), COMMITS({2, QCOMMIT, 1, false}, {4, QCOMMIT, 4, false}));
}

static void a_certificate_above_bounds_all_that_is_below(void **state)
{
	/* not of the run that it ends, but of a later one */
	assert_accused(*state, BY(2, 0, 0), COMMITS({1, QCOMMIT, 5, false}, {3, QCOMMIT, 1, false}), 1,
	               "the certificate at height 3 is of view 1");
	/* above a checkpoint's, which is of no view */
	assert_accused(*state, BY(0, 1, 0, 0), COMMITS({2, QCHECKPOINT, 0, false}, {4, QCOMMIT, 0, false}), 2,
	               "certificate at height 4");
}

/* ---- what bounds nothing ----------------------------------------------------------------- */

/* The certificate is found; but by what does not hold nobody is accused. */
static void a_certificate_that_does_not_hold_accuses_nobody(void **state)
{
	struct audit_report r =
	    audit_turns(*state, BY(0, 1, 0), COMMITS({2, QCOMMIT, 0, true}, {3, QCOMMIT, 0, true}));

	assert_found(&r, 0, AUDIT_CERTIFICATE, "certificates(height=2).certificate");
	assert_int_equal(count_of(&r, 0, AUDIT_PROPOSER), 0);
	audit_report_free(&r);
}

static void checkpoints_bound_nothing(void **state)
{
	assert_honest(*state, BY(3, 1, 2), COMMITS({2, QCOMMIT, 5, false}, {3, QCHECKPOINT, 0, false}));
	assert_honest(*state, BY(2, 1), COMMITS({2, QCHECKPOINT, 0, false}));
}

#undef TEST
#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(passes_one_primary),
	    TEST(passes_the_primary_of_each_view_that_is_entered),
	    TEST(passes_blocks_that_were_carried_into_later_views),
	    TEST(passes_certificates_whose_views_fall),
	    TEST(passes_a_view_that_no_count_reaches),
	    TEST(finds_a_block_that_another_than_the_primary_proposed),
	    TEST(finds_a_primary_whose_view_was_over),
	    TEST(a_certificate_above_bounds_all_that_is_below),
	    TEST(a_certificate_that_does_not_hold_accuses_nobody),
	    TEST(checkpoints_bound_nothing),
	};

	return cmocka_run_group_tests_name("audit_turns", tests, make_fixture, drop_fixture);
}
