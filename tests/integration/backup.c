/*
 * backup.c: a ledger is copied while its node and three others are paid through, and put back when a node was
 * killed and its ledger wrecked: it catches up and votes again, at once with its vote log, after the bar of
 * ST5 without.  No copy that was interrupted bears its name, and nothing in a home is lost to a restore.
 */
#include "chain.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A stable checkpoint comes soon, and so does ST5's bar. */
static void small_window(struct qgenesis *g)
{
	g->params.checkpoint_interval = 4;
	g->params.window = 4;
}

/* ---- payments meanwhile --------------------------------------------------------------- */

struct load {
	struct chain *c;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t paid;
	uint64_t payments, height;
	bool stop;
};

static void *keep_paying(void *arg)
{
	struct load *l = arg;
	struct purse purse = purse_open(l->c, "alice", 0);
	bool stop = false;
	while (!stop) {
		uint64_t height = purse_pay(&purse, l->c, 0);
		pthread_mutex_lock(&l->mutex);
		l->payments++;
		l->height = height;
		stop = l->stop;
		pthread_cond_broadcast(&l->paid);
		pthread_mutex_unlock(&l->mutex);
	}
	purse_close(&purse);
	return NULL;
}

static void load_start(struct load *l, struct chain *c)
{
	*l = (struct load){.c = c, .mutex = PTHREAD_MUTEX_INITIALIZER, .paid = PTHREAD_COND_INITIALIZER};
	assert_int_equal(pthread_create(&l->thread, NULL, keep_paying, l), 0);
}

/* Waits for so many more payments; the height of the last. */
static uint64_t load_await(struct load *l, unsigned more)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CHAIN_PATIENCE_MS / 1000;
	pthread_mutex_lock(&l->mutex);
	uint64_t goal = l->payments + more;
	while (l->payments < goal && pthread_cond_timedwait(&l->paid, &l->mutex, &until) == 0)
		;
	uint64_t payments = l->payments, height = l->height;
	pthread_mutex_unlock(&l->mutex);
	assert_true(payments >= goal);
	return height;
}

static uint64_t load_stop(struct load *l)
{
	pthread_mutex_lock(&l->mutex);
	l->stop = true;
	pthread_mutex_unlock(&l->mutex);
	pthread_join(l->thread, NULL);
	return l->height;
}

/* ---- files ------------------------------------------------------------------------------ */

static bool is_there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static void assert_refused(int want, int code, const char *says, char *errs)
{
	if (code != want || !strstr(errs, says))
		fail_msg("exit %d, not %d with \"%s\": %s", code, want, says, errs);
	free(errs);
}

/* Garbage from end to end, and nothing of it is a WAL. */
static void wreck(struct chain *c, unsigned node)
{
	char garbage[4096];
	struct stat st;
	const char *path = chain_path(c, "node%u/ledger.db", node);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	memset(garbage, 0xa5, sizeof garbage);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < st.st_size; at += (off_t)sizeof garbage)
		assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), sizeof garbage);
	close(fd);
	unlink(chain_path(c, "node%u/ledger.db-wal", node));
	unlink(chain_path(c, "node%u/ledger.db-shm", node));
	assert_int_not_equal(quorate(NULL, NULL, "testnet", "start", "3", "--dir", c->dir, NULL), 0);
}

static void assert_audited(struct chain *c, const char *path, uint64_t height)
{
	int code;
	json_t *report =
	    quorate_json(&code, "audit", "--json", path, "--genesis", chain_path(c, "genesis.json"), NULL);
	assert_int_equal(code, 0);
	assert_string_equal(json_text(report, "verdict"), "ok");
	assert_int_equal(json_integer_value(json_object_get(report, "height")), height);
	json_decref(report);
}

/* A quorum that needs node 3 makes another block. */
static void assert_3_votes(struct chain *c)
{
	chain_wait(c);
	chain_signal(c, "kill", 2);
	uint64_t height = chain_pay(c, 3, 7);
	chain_signal(c, "start", 2);
	chain_wait_height(c, 0xf, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
}

/* ---- stories ------------------------------------------------------------------------------ */

/* The backup's height. */
static uint64_t back_up(struct chain *c, const char *to, bool verify)
{
	int code;
	struct stat st;
	json_t *said = quorate_json(&code, "backup", "--json", "--home", chain_path(c, "node3"), "--to", to,
	                            "--force", verify ? "--verify" : NULL, NULL);
	uint64_t height = (uint64_t)json_integer_value(json_object_get(said, "height"));
	assert_int_equal(code, 0);
	assert_string_equal(json_text(said, "vote_log"), "left_out");
	assert_int_equal(json_is_true(json_object_get(said, "verified")), verify);
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(json_integer_value(json_object_get(said, "bytes")), st.st_size);
	assert_int_equal(st.st_mode & 07777, 0600);
	json_decref(said);
	assert_audited(c, to, height);
	return height;
}

/* Under payments, several times; the nodes that ran still run. Returns the last one's height. */
static uint64_t back_up_under_load(struct chain *c, const char *to)
{
	struct load load;
	pid_t before[4], after[4];
	uint64_t last = 0;
	chain_pids(c, before);
	load_start(&load, c);
	for (unsigned i = 0; i < 4; i++) {
		chain_wait_height(c, 8, load_await(&load, 3));
		uint64_t height = back_up(c, to, i % 2 == 1);
		assert_true(height > last);
		last = height;
	}
	uint64_t height = load_stop(&load);
	chain_wait_height(c, 0xf, height);
	assert_true(height >= last);
	chain_pids(c, after);
	assert_memory_equal(before, after, sizeof before);
	return last;
}

/* `was`: the height of the ledger that is there; 0: a wreck. */
static void restore(struct chain *c, const char *from, uint64_t height, const char *vote_log, uint64_t was)
{
	char *errs, aside[512];
	int code;
	struct stat st;
	const char *home = chain_path(c, "node3");
	code = quorate(NULL, &errs, "restore", from, "--home", home, NULL);
	assert_refused(2, code, "is there already; --force moves it aside", errs);
	if (geteuid() == 0) /* as an operator may who runs his node under a user of its own */
		assert_int_equal(chown(home, 54321, 54321), 0);
	json_t *said = quorate_json(&code, "restore", from, "--home", home, "--force", "--json", NULL);
	assert_int_equal(code, 0);
	assert_int_equal(json_integer_value(json_object_get(said, "height")), height);
	assert_string_equal(json_text(said, "vote_log"), vote_log);
	snprintf(aside, sizeof aside, "%s", json_text(said, "moved_aside"));
	json_decref(said);
	if (geteuid() == 0) {
		assert_int_equal(stat(chain_path(c, "node3/ledger.db"), &st), 0);
		assert_int_equal(st.st_uid, 54321);
		assert_int_equal(stat(chain_path(c, "node3/lock"), &st), 0);
		assert_int_equal(st.st_uid, 54321);
		assert_int_equal(chown(home, 0, 0), 0);
	}
	assert_true(is_there(aside)); /* whatever it was, whole */
	if (was > 0)
		assert_audited(c, aside, was);
	assert_false(is_there(chain_path(c, "node3/ledger.db-wal")));
	assert_audited(c, chain_path(c, "node3/ledger.db"), height);
}

static void a_wrecked_ledger_is_restored_and_its_node_votes_at_once(void **state)
{
	struct chain *c = chain_up_edited(4, small_window);
	char to[512];
	(void)state;
	snprintf(to, sizeof to, "%s", chain_path(c, "copy.db"));
	uint64_t height = back_up_under_load(c, to);
	chain_signal(c, "kill", 3);
	uint64_t later = chain_pay(c, 0, 1);
	wreck(c, 3);
	restore(c, to, height, "kept", 0);
	chain_signal(c, "start", 3);
	chain_wait_height(c, 0xf, later);
	assert_3_votes(c);
	chain_down(c);
}

static bool silent(struct chain *c, unsigned node)
{
	int status;
	json_t *s = chain_get(c, node, &status, "/v1/status");
	const json_t *muted = json_object_get(s, "muted");
	assert_non_null(muted);
	bool is = !json_is_null(muted);
	json_decref(s);
	return is;
}

static void without_its_vote_log_it_keeps_silent_until_it_cannot_contradict_itself(void **state)
{
	static const char *const endings[] = {"", "-wal", "-shm"};
	struct chain *c = chain_up_edited(4, small_window);
	char to[512];
	uint64_t at = 0;
	unsigned blocks = 0;
	(void)state;
	snprintf(to, sizeof to, "%s", chain_path(c, "copy.db"));
	for (unsigned i = 0; i < 5; i++)
		at = chain_pay(c, 0, 1);
	chain_wait_height(c, 0xf, at);
	uint64_t height = back_up(c, to, true);
	chain_wait_height(c, 0xf, chain_pay(c, 0, 1));
	chain_signal(c, "kill", 3);
	at = chain_pay(c, 0, 1);
	for (size_t i = 0; i < 3; i++)
		unlink(chain_path(c, "node3/votes.db%s", endings[i]));
	assert_true(is_there(chain_path(c, "node3/ledger.db-wal"))); /* which is of no other ledger */
	restore(c, to, height, "missing", at - 1);
	chain_signal(c, "start", 3);
	chain_wait_height(c, 0xf, at); /* it follows */
	assert_true(silent(c, 3));
	while (silent(c, 3)) {
		if (++blocks > 100)
			fail_msg("node 3 is still silent at height %d", (int)at);
		chain_wait_height(c, 0xf, at = chain_pay(c, 0, 1));
	}
	assert_true(blocks > 1); /* not before a checkpoint lay above all that it can have signed */
	assert_3_votes(c);
	chain_down(c);
}

/* Starts `quorate backup`, and ends it when it has begun to write: true. False: it was faster. */
static bool end_midway(struct chain *c, const char *to, int by)
{
	char events[4096];
	int watch = inotify_init1(IN_CLOEXEC), status;
	assert_true(watch >= 0);
	assert_true(inotify_add_watch(watch, c->dir, IN_CREATE) >= 0);
	const char *home = chain_path(c, "node3");
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execl(getenv("QUORATE"), "quorate", "backup", "--verify", "--home", home, "--to", to,
		      (char *)NULL);
		_exit(127);
	}
	assert_true(read(watch, events, sizeof events) > 0);
	kill(pid, by);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(watch);
	return WIFSIGNALED(status) && WTERMSIG(status) == by;
}

static void killed_at_any_moment_it_leaves_no_copy_under_that_name(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char to[512], partial[600];
	unsigned killed[2] = {0};
	(void)state;
	uint64_t height = chain_pay(c, 0, 1);
	chain_wait_height(c, 0xf, height);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(to, sizeof to, "%s", chain_path(c, "copy%u.db", i));
		snprintf(partial, sizeof partial, "%s.quorate-partial", to);
		int by = i % 2 == 0 ? SIGKILL : SIGTERM;
		if (!end_midway(c, to, by))
			continue;
		killed[i % 2]++;
		assert_false(is_there(to));
		assert_int_equal(is_there(partial), by == SIGKILL);
		assert_int_equal(back_up(c, to, false), height); /* what is left is in nobody's way */
		assert_false(is_there(partial));
	}
	assert_true(killed[0] > 0 && killed[1] > 0);
	chain_down(c);
}

static void what_cannot_be_done_is_said_and_changes_nothing(void **state)
{
	struct chain *c = chain_up(4, NULL, 0), *other = chain_up(4, NULL, 0);
	struct rlimit before, small;
	char *errs, home[512], to[512], text[64];
	(void)state;
	uint64_t height = chain_pay(c, 0, 1);
	chain_wait_height(c, 0xf, height);
	snprintf(home, sizeof home, "%s", chain_path(c, "node3"));
	snprintf(to, sizeof to, "%s", chain_path(c, "copy.db"));

	int code = quorate(NULL, &errs, "backup", "--home", chain_path(c, "none"), "--to", to, NULL);
	assert_refused(2, code, "none: No such file or directory", errs);
	code = quorate(NULL, &errs, "backup", "--home", home, "--to", chain_path(c, "none/copy.db"), NULL);
	assert_refused(2, code, "none: No such file or directory", errs);
	code = quorate(NULL, &errs, "backup", "--home", home, "--to", to, "--genesis",
	               chain_path(other, "genesis.json"), NULL);
	assert_refused(2, code, "of chain", errs);
	code = quorate(NULL, &errs, "backup", "--home", chain_path(c, "node3/ledger.db"), "--verify", "--to",
	               to, NULL);
	assert_refused(2, code, "--genesis is missing", errs);

	/* A disk without room. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){64 << 10, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	code = quorate(NULL, &errs, "backup", "--home", home, "--to", to, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_refused(3, code, "File too large; the copy takes ", errs);
	assert_false(is_there(to) || is_there(chain_path(c, "copy.db.quorate-partial")));

	back_up(c, to, false);
	code = quorate(NULL, &errs, "backup", "--home", home, "--to", to, NULL);
	assert_refused(2, code, "is there already", errs);

	/* A home in use, a home of another chain, a backup that somebody edited. */
	pid_t pids[4];
	chain_pids(c, pids);
	snprintf(text, sizeof text, "is in use by process %d", (int)pids[3]);
	code = quorate(NULL, &errs, "restore", to, "--home", home, "--force", NULL);
	assert_refused(3, code, text, errs);
	chain_signal(other, "kill", 3);
	code = quorate(NULL, &errs, "restore", to, "--home", chain_path(other, "node3"), "--force", NULL);
	assert_refused(2, code, "of chain", errs);
	chain_signal(other, "start", 3);
	chain_pay(other, 3, 1);
	chain_signal(c, "kill", 3);
	chain_sql(to, "UPDATE outputs SET amount = amount + 1 WHERE tx = 1 AND position = 0", NULL, 0);
	code = quorate(NULL, &errs, "restore", to, "--home", home, "--force", NULL);
	assert_refused(1, code, "tampered: height 1, outputs(tx=1,position=0)", errs);
	assert_false(is_there(chain_path(c, "node3/ledger.db.quorate-partial")));
	const char *second = chain_path(c, "second.db");
	code = quorate(NULL, &errs, "backup", "--home", to, "--to", second, "--verify", "--genesis",
	               chain_path(c, "genesis.json"), NULL);
	assert_refused(1, code, "tampered: height 1, outputs(tx=1,position=0)", errs);
	assert_false(is_there(second));
	assert_audited(c, home, height); /* the ledger that was there */

	/* A node that does not run is copied as well. */
	assert_int_equal(back_up(c, to, true), height);

	/* The home's own genesis decides, and one that is named must agree; without one there is none to go
	 * by. */
	char genesis[512], aside[512];
	snprintf(genesis, sizeof genesis, "%s", chain_path(c, "node3/genesis.json"));
	snprintf(aside, sizeof aside, "%s", chain_path(c, "aside.json"));
	code = quorate(NULL, &errs, "restore", to, "--home", home, "--force", "--genesis",
	               chain_path(other, "genesis.json"), NULL);
	assert_refused(2, code, "are of different chains", errs);
	assert_int_equal(rename(genesis, aside), 0);
	code = quorate(NULL, &errs, "restore", to, "--home", home, "--force", NULL);
	assert_refused(2, code, "name it with --genesis", errs);
	assert_int_equal(
	    quorate(NULL, NULL, "restore", to, "--home", home, "--force", "--genesis", aside, NULL), 0);
	assert_int_equal(rename(aside, genesis), 0);
	chain_signal(c, "start", 3);
	assert_3_votes(c);
	chain_down(other);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wrecked_ledger_is_restored_and_its_node_votes_at_once),
	    cmocka_unit_test(without_its_vote_log_it_keeps_silent_until_it_cannot_contradict_itself),
	    cmocka_unit_test(killed_at_any_moment_it_leaves_no_copy_under_that_name),
	    cmocka_unit_test(what_cannot_be_done_is_said_and_changes_nothing),
	};
	return cmocka_run_group_tests_name("backup", tests, chain_setup, NULL);
}
