/*
 * The audit of files: what is no ledger of this chain, damage, a node that runs.
 *
 * Links: q_ledger
 */
#include "audited.h"

#include <pthread.h>
#include <stdatomic.h>
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
	assert_unusable(f, f->other.path, "the file is empty");
	write_text(f->other.path, "SQLite format 3");
	assert_unusable(f, f->other.path, "not a SQLite database");
	write_text(f->other.path,
	           "this is no database, however long it may be: 0123456789 0123456789 0123456789 "
	           "0123456789 0123456789 0123456789 0123456789 0123456789");
	assert_unusable(f, f->other.path, "not a SQLite database");
	place_remove(&f->other);
	edit(&f->other, "CREATE TABLE t (x)");
	assert_unusable(f, f->other.path, "not a quorate ledger");
	edit(&f->copy, "PRAGMA user_version = 5; UPDATE meta SET value = 5 WHERE key = 'schema'");
	assert_unusable(f, f->copy.path, "newer quorate");
	edit(&f->copy, "PRAGMA user_version = 3; UPDATE meta SET value = 3 WHERE key = 'schema'");
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

static void says_of_a_truncated_file_how_much_is_missing(void **state)
{
	struct fixture *f = *state;
	char want[64];
	struct stat st;

	assert_int_equal(stat(f->copy.path, &st), 0);
	for (off_t left = st.st_size - 1; left >= 100; left -= left > 8192 ? 3 * 4096 + 1 : 512) {
		fresh_copy(state);
		assert_int_equal(truncate(f->copy.path, left), 0);
		snprintf(want, sizeof want, "cut off: %lld bytes of %lld", (long long)left,
		         (long long)st.st_size);
		assert_unusable(f, f->copy.path, want);
	}
	fresh_copy(state);
	assert_int_equal(truncate(f->copy.path, 99), 0);
	assert_unusable(f, f->copy.path, "not a SQLite database");
}

/* With a WAL the rest of the file may be there: then SQLite itself must find what is missing. */
static void finds_a_truncated_file_with_a_wal_damaged(void **state)
{
	struct fixture *f = *state;
	char from[128], path[128];
	struct stat st;
	sqlite3 *db;

	copy_file(f->honest.path, f->other.path);
	assert_int_equal(sqlite3_open(f->other.path, &db), SQLITE_OK);
	sqlite_do(db, "UPDATE meta SET value = 7 WHERE key = 'schema'");
	snprintf(from, sizeof from, "%s-wal", f->other.path);
	snprintf(path, sizeof path, "%s-wal", f->copy.path);
	copy_file(from, path);
	sqlite3_close(db);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 0);
	assert_int_equal(stat(f->copy.path, &st), 0);
	assert_int_equal(truncate(f->copy.path, st.st_size - 4 * 4096), 0);
	struct audit_report r = audit_copy(f);
	assert_found(&r, 0, AUDIT_DAMAGED, "file");
	assert_int_equal(r.ledgers[0].standing, STANDING_DAMAGED);
	audit_report_free(&r);
}

static void tells_a_wal_without_its_file(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof path, "%s-wal", f->other.path);
	write_text(path, "anything");
	assert_unusable(f, f->other.path, "though its -wal is there");
}

/* A WAL that is another file's, or no WAL, is not SQLite's to read: then the file is as it was without. */
static void a_foreign_wal_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof path, "%s-wal", f->copy.path);
	write_text(path,
	           "this is no WAL, however long it may be; 0123456789 0123456789 0123456789 0123456789");
	struct audit_report r = audit_copy(f);
	assert_clean(&r);
	assert_int_equal(r.height.n, HEIGHT);
	audit_report_free(&r);
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

/* Lets an index be made of other rows than it says: whoever reads by it is told less, or more. */
static void make_index_of(const struct fixture *f, const char *index, const char *says, const char *is)
{
	char sql[256];
	const char *const from[] = {says, is}, *const into[] = {is, says};

	for (int i = 0; i < 2; i++) {
		snprintf(
		    sql, sizeof sql,
		    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '%s', '%s') "
		    "WHERE name = '%s'",
		    from[i], into[i], index);
		edit(&f->copy, sql);
		snprintf(sql, sizeof sql, "REINDEX %s", index);
		if (i == 0)
			edit(&f->copy, sql);
	}
}

static void finds_an_index_that_does_not_hold_what_its_table_does(void **state)
{
	static const struct {
		const char *index, *says, *is;
	} cases[] = {
	    {"transactions_txid", ", txid)", ", txid) WHERE seq <> 5"},
	    {"transactions_txid", ", txid)", ", txid DESC)"},
	    {"transactions_txid", "(seq >> 15", "(seq >> 1"},
	    {"transactions_txid", "(seq >> 15", "(-seq >> 15"},
	    {"blocks_hash", "(hash)", "(parent)"},
	    {"blocks_hash", "(hash)", "(hash) WHERE height < 4"},
	    {"journal_kind", "journal(kind", "journal(link"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char want[64];
		fresh_copy(state);
		make_index_of(f, cases[i].index, cases[i].says, cases[i].is);
		struct audit_report r = audit_copy(f);
		const struct audit_finding *x = find(&r, 0, AUDIT_DAMAGED, "file");
		snprintf(want, sizeof want, "index %s", cases[i].index);
		if (!x || !strstr(x->message, want) || r.ledgers[0].finding_cnt != 1) {
			print_findings(&r);
			fail_msg("%s: %s", cases[i].index, cases[i].is);
		}
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

#define LIVE_BLOCKS 200

struct node {
	struct fixture *f;
	atomic_bool done;
};

static void *write_blocks(void *arg)
{
	struct node *n = arg;
	const struct rules *r = &n->f->copy.rules;
	struct ledger *l = open_ledger(&n->f->copy);
	struct block *below = block_ref(n->f->chain.blocks[HEIGHT]);

	for (unsigned i = 1; i <= LIVE_BLOCKS; i++) {
		struct block *next = tail_block(r, HEIGHT + i, below, 5);
		block_unref(below);
		below = block_ref(next);
		append(r, l, &next, 1);
		if (i % 8 == 0)
			journal(l, conflict_entry(r));
		commit(l);
	}
	block_unref(below);
	ledger_close(l);
	atomic_store(&n->done, true);
	return NULL;
}

/* Whatever was committed when the audit began is what it judges; and nobody waits for it. */
static void every_audit_of_a_ledger_that_grows_is_sound(void **state)
{
	struct fixture *f = *state;
	struct node n = {.f = f};
	struct audit_options options = {.threads = 1, .since = {4}};
	const char *path = f->copy.path;
	uint64_t height = HEIGHT;
	bool done = false;
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_blocks, &n), 0);
	for (unsigned i = 0; !done; i++) {
		done = atomic_load(&n.done); /* then once more */
		options.since.n = i % 2 ? 4 : 0;
		struct audit_report r = audit_with(f, &path, 1, &options);
		assert_clean(&r);
		assert_true(r.height.n >= height);
		height = r.height.n;
		audit_report_free(&r);
	}
	pthread_join(writer, NULL);
	assert_int_equal(height, HEIGHT + LIVE_BLOCKS);
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
	    TEST(says_of_a_truncated_file_how_much_is_missing),
	    TEST(finds_a_truncated_file_with_a_wal_damaged),
	    TEST(tells_a_wal_without_its_file),
	    TEST(a_foreign_wal_changes_nothing),
	    TEST(finds_scribbled_pages),
	    TEST(finds_an_index_that_does_not_hold_what_its_table_does),
	    TEST(random_bytes_in_a_file_never_pass_unseen_or_crash),
	    TEST(a_live_ledger_is_audited_as_it_was_committed),
	    TEST(every_audit_of_a_ledger_that_grows_is_sound),
	    TEST(does_not_write_to_the_ledger),
	    TEST(a_directory_that_cannot_be_written_is_told_with_what_to_do),
	};

	return cmocka_run_group_tests_name("audit_files", tests, make_fixture, drop_fixture);
}
