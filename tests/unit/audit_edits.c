/*
 * The audit finds, in its place, whatever anybody with sqlite3 can change: every table and every column.
 *
 * Links: q_ledger
 */
#include "audited.h"
#include "edits.h"

static void finds_every_edit_where_it_was_made(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < EDIT_CNT; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i].sql);
		struct audit_report r = audit_copy(f);
		if (r.ok || !find(&r, 0, -1, edits[i].where)) {
			print_findings(&r);
			fail_msg("not found at %s: %s", edits[i].where, edits[i].sql);
		}
		audit_report_free(&r);
	}
}

/* Most edits are one finding, two at most: a report is to be read. */
static void says_little_about_one_edit(void **state)
{
	struct fixture *f = *state;
	static const char *const quiet[] = {
	    "UPDATE outputs SET amount = 7 WHERE tx = 2",
	    "UPDATE journal SET entry = (SELECT entry FROM journal WHERE seq = 2) WHERE seq = 1",
	    "UPDATE blocks SET hash = zeroblob(32) WHERE height = 5",
	    "DELETE FROM transactions WHERE seq = 5",
	    "DELETE FROM certificates WHERE height = 3",
	    "PRAGMA ignore_check_constraints = ON; INSERT INTO certificates SELECT 0, kind, view, block, "
	    "certificate"
	    " FROM certificates WHERE height = 3",
	};

	for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++) {
		fresh_copy(state);
		edit(&f->copy, quiet[i]);
		struct audit_report r = audit_copy(f);
		if (r.ledgers[0].finding_cnt < 1 || r.ledgers[0].finding_cnt > 4) {
			print_findings(&r);
			fail_msg("%s", quiet[i]);
		}
		audit_report_free(&r);
	}
}

static void keeps_a_hundred_findings_and_counts_the_rest(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)"
	               " INSERT INTO meta SELECT 'x' || i, i FROM n");
	struct audit_report r = audit_copy(f);
	assert_false(r.ok);
	assert_int_equal(r.ledgers[0].finding_cnt, AUDIT_FINDINGS_MAX);
	assert_int_equal(r.ledgers[0].finding_more, 50);
	audit_report_free(&r);
}

static void control_characters_of_a_file_do_not_reach_the_report(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "INSERT INTO meta VALUES ('a' || char(27, 10, 233), 1)");
	struct audit_report r = audit_copy(f);
	assert_found(&r, 0, AUDIT_EXTRA,
	             "meta(key='a?"
	             "??"
	             "?')");
	audit_report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(finds_every_edit_where_it_was_made),
	    TEST(says_little_about_one_edit),
	    TEST(keeps_a_hundred_findings_and_counts_the_rest),
	    TEST(control_characters_of_a_file_do_not_reach_the_report),
	};

	return cmocka_run_group_tests_name("audit_edits", tests, make_fixture, drop_fixture);
}
