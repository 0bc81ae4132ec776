/*
 * Copies of a ledger: of one state while another process writes on, and never half a copy under its name.
 *
 * Links: q_ledger
 */
#include "store.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "backup.h"

struct copy_place {
	struct place *p;
	char to[128], partial[160];
	struct qoutpoint last; /* of account 6 at first: 150 */
};

static int setup(void **state)
{
	struct copy_place *c = xcalloc(1, sizeof *c);
	struct qtxid t[4];

	assert_int_equal(place_setup((void **)&c->p), 0);
	snprintf(c->to, sizeof c->to, "%s/copy.db", c->p->dir);
	snprintf(c->partial, sizeof c->partial, "%s.quorate-partial", c->to);
	struct ledger *l = open_ledger(c->p);
	tell_story(&c->p->rules, l, t);
	c->last = (struct qoutpoint){.tx = t[3], .index = 0};
	commit(l);
	ledger_close(l);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct copy_place *c = *state;

	unlink(c->to);
	unlink(c->partial);
	assert_int_equal(place_teardown((void **)&c->p), 0);
	free(c);
	return 0;
}

/* Rows that make the ledger long: what is copied is pages, whatever they hold. */
static void lengthen(const struct copy_place *c)
{
	place_edit(c->p, "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1063)"
	                 " INSERT INTO journal SELECT i, 'stable', randomblob(600000), x'00' FROM n");
}

static struct backup *begin(const struct copy_place *c)
{
	struct err err = {0};
	struct backup *b = backup_begin(c->to, &err);

	if (!b)
		fail_msg("%s", err.text);
	return b;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void assert_says(bool ok, const struct err *err, enum err_kind kind, const char *text)
{
	if (ok || err->kind != kind || !strstr(err->text, text))
		fail_msg("%d, kind %d, not \"%s\": %s", ok, err->kind, text, err->text);
}

static void a_copy_is_one_whole_file_with_the_tip_of_its_ledger(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;
	struct stat st;
	struct qheader header;
	umask(0);
	struct backup *b = begin(c);

	assert_true(backup_copy(b, c->p->path, &c->p->rules.g.chain, NULL, &facts, &err));
	assert_false(is_there(c->to));
	assert_true(backup_publish(b, false, &err));
	backup_end(b);
	assert_false(is_there(c->partial));
	assert_int_equal(stat(c->to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(facts.bytes, st.st_size);
	assert_int_equal(facts.height.n, 3);
	assert_true(qhash_eq(&facts.chain, &c->p->rules.g.chain));

	/* Read where nothing can be written: it needs no companion, and gets none. */
	struct reader *r = reader_open(c->to, NULL, &err);
	assert_non_null(r);
	assert_int_equal(reader_header(r, facts.height, &header, &err), FOUND);
	wire_free(WIRE(qheader), &header);
	assert_string_equal(backup_found(c->to), "");
	char wal[160];
	snprintf(wal, sizeof wal, "%s-wal", c->to);
	assert_false(is_there(wal));
	reader_close(r);
}

/* One more block: what `from` was paid last goes on to `whom`. */
static void pass_on(struct copy_place *c, struct ledger *l, uint8_t from, uint8_t whom)
{
	struct qoutput pay = to(whom, 150);
	struct tx *tx = spend(&c->p->rules, from, c->last, &pay, 1);

	c->last = output_of(tx, 0);
	struct block *block = make_block(ledger_height(l).n + 1, *ledger_tip(l), &tx, 1);
	append(&c->p->rules, l, &block, 1);
	commit(l);
}

static void what_is_only_in_the_wal_is_copied_and_the_writer_goes_on(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;
	struct ledger *l = open_ledger(c->p); /* stays open: nothing is folded */

	pass_on(c, l, 6, 7);
	struct backup *b = begin(c);
	assert_true(backup_copy(b, c->p->path, NULL, NULL, &facts, &err));
	assert_int_equal(facts.height.n, 4);
	assert_true(qhash_eq(&facts.block, ledger_tip(l)));
	backup_end(b);
	pass_on(c, l, 7, 8); /* which fails where another process has written to the file */
	ledger_close(l);
}

/* ---- a writer meanwhile ------------------------------------------------------- */

struct writing {
	sqlite3 *db;
	uint64_t pages, done;
	unsigned steps;
};

static void write_on(void *ctx, uint64_t done, uint64_t pages)
{
	struct writing *w = ctx;

	if (w->steps++ > 0 && pages != w->pages)
		fail_msg("another state after step %u: %d pages, not %d", w->steps, (int)pages,
		         (int)w->pages);
	if (done <= w->done)
		fail_msg("begun anew at step %u: %d pages after %d", w->steps, (int)done, (int)w->done);
	w->pages = pages;
	w->done = done;
	sqlite_do(w->db,
	          "INSERT INTO journal (kind, entry, link) VALUES ('new_view', randomblob(50000), x'00')");
}

static void a_ledger_that_is_written_to_all_the_time_is_copied_in_one_go(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;

	lengthen(c);
	struct writing w = {.db = place_sqlite(c->p)};
	struct backup_progress progress = {write_on, &w};
	struct backup *b = begin(c);
	if (!backup_copy(b, c->p->path, NULL, &progress, &facts, &err) || !backup_publish(b, false, &err))
		fail_msg("%s", err.text);
	backup_end(b);
	assert_true(w.steps > 3);
	assert_int_equal(w.done, w.pages);
	sqlite3_close(w.db);

	/* Of the state at the beginning: nothing of what came since. */
	struct place copy = *c->p;
	snprintf(copy.path, sizeof copy.path, "%s/copy.db", copy.dir);
	assert_int_equal(place_ask(&copy, "SELECT count(*) FROM journal WHERE kind = 'new_view'"), 0);
	assert_int_equal(place_ask(&copy, "SELECT count(*) FROM journal WHERE seq >= 1000"), 64);
}

/* ---- never half a copy ---------------------------------------------------------- */

static void die(void *ctx, uint64_t done, uint64_t pages)
{
	(void)ctx;
	if (done < pages)
		raise(SIGKILL);
}

static void killed_midway_it_leaves_no_copy_and_the_next_one_is_whole(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;
	int status;

	lengthen(c);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct backup_progress progress = {.told = die};
		struct backup *b = backup_begin(c->to, NULL);
		if (b)
			backup_copy(b, c->p->path, NULL, &progress, &facts, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_false(is_there(c->to));
	assert_true(is_there(c->partial));

	struct backup *b = begin(c);
	if (!backup_copy(b, c->p->path, NULL, NULL, &facts, &err) || !backup_publish(b, false, &err))
		fail_msg("%s", err.text);
	backup_end(b);
	assert_true(is_there(c->to) && !is_there(c->partial));
}

static void without_room_it_says_so_and_leaves_nothing(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;
	struct rlimit before, small;
	char says[128];

	lengthen(c);
	int64_t bytes =
	    place_ask(c->p, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){1 << 20, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	struct backup *b = begin(c);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	bool ok = backup_copy(b, c->p->path, NULL, NULL, &facts, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	backup_end(b);
	snprintf(says, sizeof says, "copy.db: cannot be written: File too large; the copy takes %lld bytes",
	         (long long)bytes);
	assert_says(ok, &err, ERR_WORLD, says);
	assert_false(is_there(c->to) || is_there(c->partial));
}

static void two_at_once_to_one_name_are_one_too_many(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup *b = begin(c);

	assert_says(backup_begin(c->to, &err) != NULL, &err, ERR_WORLD, "another process is making it");
	assert_true(is_there(c->partial)); /* the first one's, still */
	backup_end(b);
	assert_false(is_there(c->partial));
}

static void a_name_that_was_taken_meanwhile_is_left_to_who_took_it(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;
	struct backup *b = begin(c);

	assert_true(backup_copy(b, c->p->path, NULL, NULL, &facts, &err));
	int fd = open(c->to, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(write(fd, "mine", 4), 4);
	close(fd);
	assert_says(backup_publish(b, false, &err), &err, ERR_INPUT, "File exists");
	backup_end(b);
	struct stat st;
	assert_int_equal(stat(c->to, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_false(is_there(c->partial));
}

/* ---- names and ledgers that are none ------------------------------------------------ */

static void touch(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* As where a rename cannot spare a name, and a process was ended between the two of its link and unlink. */
static void what_bears_both_names_is_no_partial_copy(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;
	struct stat before, after;

	struct backup *b = begin(c);
	assert_true(backup_copy(b, c->p->path, NULL, NULL, &facts, &err));
	assert_true(backup_publish(b, false, &err));
	backup_end(b);
	assert_int_equal(link(c->to, c->partial), 0);
	assert_int_equal(stat(c->to, &before), 0);
	backup_end(begin(c));
	assert_false(is_there(c->partial));
	assert_int_equal(stat(c->to, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void only_an_earlier_backup_is_replaced(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	char wal[160];

	assert_true(backup_may_take(c->to, false, &err));
	touch(c->to,
	      "a text that is longer than the header of a database, which has one hundred bytes; it is "
	      "somebody's, and stays");
	assert_says(backup_may_take(c->to, false, &err), &err, ERR_INPUT, "is there already");
	assert_says(backup_may_take(c->to, true, &err), &err, ERR_INPUT, "no backup of a ledger");
	assert_true(backup_may_take(c->p->path, true, &err)); /* was closed: one file, as a backup is */
	struct ledger *l = open_ledger(c->p);
	assert_says(backup_may_take(c->p->path, true, &err), &err, ERR_INPUT, "a ledger is in use");
	ledger_close(l);
	unlink(c->to);
	snprintf(wal, sizeof wal, "%s-wal", c->to);
	touch(wal, "changes of a file that is gone");
	assert_says(backup_may_take(c->to, true, &err), &err, ERR_INPUT, "copy.db-wal is there");
	unlink(wal);
	assert_int_equal(symlink(c->p->path, c->to), 0);
	assert_says(backup_may_take(c->to, true, &err), &err, ERR_INPUT, "no backup of a ledger");
}

static void what_cannot_be_copied_is_named(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;
	struct qhash other = {{1}};
	char path[160];

	snprintf(path, sizeof path, "%s/none/copy.db", c->p->dir);
	assert_says(backup_begin(path, &err) != NULL, &err, ERR_INPUT, "none: No such file or directory");
	struct backup *b = begin(c);
	assert_says(backup_copy(b, path, NULL, NULL, &facts, &err), &err, ERR_INPUT, "No such file");
	assert_says(backup_copy(b, c->p->path, &other, NULL, &facts, &err), &err, ERR_INPUT, "of chain");
	backup_end(b);
	assert_false(is_there(c->to) || is_there(c->partial));
}

static void a_damaged_ledger_makes_no_backup(void **state)
{
	struct copy_place *c = *state;
	struct err err = {0};
	struct backup_facts facts;
	int64_t root = place_ask(c->p, "SELECT rootpage FROM sqlite_schema WHERE name = 'outputs'");

	place_scribble(c->p, (root - 1) * 4096, 64);
	struct backup *b = begin(c);
	assert_says(backup_copy(b, c->p->path, NULL, NULL, &facts, &err), &err, ERR_WORLD, "quick_check");
	backup_end(b);
	assert_false(is_there(c->to) || is_there(c->partial));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_copy_is_one_whole_file_with_the_tip_of_its_ledger),
	    TEST(what_is_only_in_the_wal_is_copied_and_the_writer_goes_on),
	    TEST(a_ledger_that_is_written_to_all_the_time_is_copied_in_one_go),
	    TEST(killed_midway_it_leaves_no_copy_and_the_next_one_is_whole),
	    TEST(without_room_it_says_so_and_leaves_nothing),
	    TEST(two_at_once_to_one_name_are_one_too_many),
	    TEST(a_name_that_was_taken_meanwhile_is_left_to_who_took_it),
	    TEST(what_bears_both_names_is_no_partial_copy),
	    TEST(only_an_earlier_backup_is_replaced),
	    TEST(what_cannot_be_copied_is_named),
	    TEST(a_damaged_ledger_makes_no_backup),
	};
	return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
