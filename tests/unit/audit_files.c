/*
 * The audit of files: what is no ledger of this chain, damage, a node that runs.
 *
 * Links: q_ledger
 */
#include "audited.h"

#include <sys/wait.h>

/* ---- what is no ledger of this chain ---------------------------------------- */

static void assert_unusable(const struct fixture *f, const char *path, const char *why)
{
	struct audit_options options = {.threads = 1};
	struct audit_report report;
	struct err err = {0};

	/* Beside a good one: the file at fault is named. */
	if (audit_run((const char *[]){f->honest.path, path}, 2, &f->honest.rules.g, &options, &report, &err))
		fail_msg("audited, though '%s' was to be expected", why);
	assert_int_equal(err.kind, ERR_INPUT);
	if (!strstr(err.text, why) || !strstr(err.text, path))
		fail_msg("'%s' and '%s' are not in: %s", why, path, err.text);
}

static void write_text(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void names_files_that_are_no_ledger(void **state)
{
	struct fixture *f = *state;

	assert_unusable(f, "/nonexistent/ledger.db", "No such file");
	assert_unusable(f, f->honest.dir, "not a file");
	write_text(f->other.path, "");
	assert_unusable(f, f->other.path, "not a quorate ledger");
	write_text(f->other.path,
	           "this is no database, however long it may be: 0123456789 0123456789 0123456789 "
	           "0123456789 0123456789 0123456789 0123456789 0123456789");
	assert_unusable(f, f->other.path, "not a SQLite database");
	place_remove(&f->other);
	edit(&f->other, "CREATE TABLE t (x)");
	assert_unusable(f, f->other.path, "not a quorate ledger");
	edit(&f->copy, "PRAGMA user_version = 4; UPDATE meta SET value = 4 WHERE key = 'schema'");
	assert_unusable(f, f->copy.path, "newer quorate");
	edit(&f->copy, "PRAGMA user_version = 2; UPDATE meta SET value = 2 WHERE key = 'schema'");
	assert_unusable(f, f->copy.path, "quorate of that version");
}

static void names_a_ledger_of_another_chain_and_both_chains(void **state)
{
	struct fixture *f = *state;
	struct place place = f->other;
	char theirs[QHASH_HEX];

	rules_setup(&place.rules, 4, "another");
	ledger_close(open_ledger(&place));
	assert_unusable(f, f->other.path, hex_encode(theirs, place.rules.g.chain.b, 32));
	rules_teardown(&place.rules);
}

/* ---- damage ----------------------------------------------------------------- */

static void finds_a_truncated_file_damaged(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->copy.path, &st), 0);
	for (off_t cut = 4096; cut < st.st_size; cut += 3 * 4096) {
		fresh_copy(state);
		assert_int_equal(truncate(f->copy.path, st.st_size - cut), 0);
		struct audit_report r = audit_copy(f);
		assert_found(&r, 0, AUDIT_DAMAGED, "file");
		audit_report_free(&r);
	}
}

/* Every page, somewhere in its middle: found, or nothing of the ledger was there. */
static void finds_scribbled_pages(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->copy.path, &st), 0);
	for (off_t at = 4096; at < st.st_size; at += 4096) {
		fresh_copy(state);
		place_scribble(&f->copy, at, 12); /* the page's header */
		struct audit_report r = audit_copy(f);
		if (r.ok)
			fail_msg("page at %lld", (long long)at);
		audit_report_free(&r);
	}
}

static void random_bytes_in_a_file_never_pass_unseen_or_crash(void **state)
{
	struct fixture *f = *state;
	uint32_t random = 12345;
	struct stat st;

	assert_int_equal(stat(f->copy.path, &st), 0);
	for (int i = 0; i < 60; i++) {
		struct audit_options options = {.threads = 1};
		struct audit_report r;
		struct err err = {0};
		fresh_copy(state);
		for (int k = 0; k < 20; k++) {
			random = random * 1664525 + 1013904223;
			place_scribble(&f->copy, random % st.st_size, 3);
		}
		if (audit_run((const char *[]){f->copy.path}, 1, &f->honest.rules.g, &options, &r, &err))
			audit_report_free(&r);
	}
}

/* ---- a running node ---------------------------------------------------------- */

static void a_live_ledger_is_audited_as_it_was_committed(void **state)
{
	struct fixture *f = *state;
	struct ledger *l = open_ledger(&f->copy);
	struct block *eleven = tail_block(&f->copy.rules, 11, f->chain.blocks[HEIGHT], 5);
	struct block *twelve = tail_block(&f->copy.rules, 12, eleven, 5);

	append(&f->copy.rules, l, &eleven, 1);
	commit(l);
	append(&f->copy.rules, l, &twelve, 1); /* under way */
	struct audit_report r = audit_copy(f);
	assert_clean(&r);
	assert_int_equal(r.height.n, 11);
	audit_report_free(&r);
	commit(l); /* the audit was in nobody's way */
	ledger_close(l);
	r = audit_copy(f);
	assert_clean(&r);
	assert_int_equal(r.height.n, 12);
	audit_report_free(&r);
}

static void does_not_write_to_the_ledger(void **state)
{
	struct fixture *f = *state;
	uint8_t before[4096], after[4096];

	struct audit_report r = audit_copy(f);
	audit_report_free(&r);
	FILE *a = fopen(f->honest.path, "rb"), *b = fopen(f->copy.path, "rb");
	assert_true(a && b);
	for (size_t len; (len = fread(before, 1, sizeof before, a)) > 0;) {
		assert_int_equal(fread(after, 1, sizeof after, b), len);
		assert_memory_equal(before, after, len);
	}
	assert_int_equal(fread(after, 1, 1, b), 0);
	fclose(a);
	fclose(b);
}

/* In a process of its own that is nobody: root may write anywhere. */
static void a_directory_that_cannot_be_written_is_told_with_what_to_do(void **state)
{
	struct fixture *f = *state;
	int status;

	place_remove(&f->other);
	assert_int_equal(chmod(f->honest.dir, 0555), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct audit_options options = {.threads = 1};
		struct audit_report r;
		struct err err = {0};
		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(2);
		bool ran =
		    audit_run((const char *[]){f->copy.path}, 1, &f->honest.rules.g, &options, &r, &err);
		_exit(!ran && err.kind == ERR_INPUT && strstr(err.text, "copy the ledger") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(chmod(f->honest.dir, 0700), 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(names_files_that_are_no_ledger),
	    TEST(names_a_ledger_of_another_chain_and_both_chains),
	    TEST(finds_a_truncated_file_damaged),
	    TEST(finds_scribbled_pages),
	    TEST(random_bytes_in_a_file_never_pass_unseen_or_crash),
	    TEST(a_live_ledger_is_audited_as_it_was_committed),
	    TEST(does_not_write_to_the_ledger),
	    TEST(a_directory_that_cannot_be_written_is_told_with_what_to_do),
	};

	return cmocka_run_group_tests_name("audit_files", tests, make_fixture, drop_fixture);
}
