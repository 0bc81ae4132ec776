/*
 * backup.c: `quorate restore --force` is killed before each call that gives, changes or takes away a name, or
 * that call fails: wherever that was, the home can be started, the same command again completes what it
 * began, and both ledgers are whole: the one that was put back, and the one that was there, whose last
 * commits are in its WAL.  And a disk that becomes full takes nothing away.
 */
#include "nodes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOT_PERMITTED 77

struct story {
	struct chain *c;
	struct points *points;
	char home[256], as_killed[256], backup[256], points_path[256];
	uint64_t was, height; /* of the ledger that is there; of the backup */
	ino_t ledger;         /* the ledger that is there */
};

/* ---- homes ------------------------------------------------------------------------------- */

static bool is_there(const struct story *s, const char *name)
{
	char path[512];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", s->home, name);
	return lstat(path, &st) == 0;
}

static void assert_audited(struct story *s, const char *path, uint64_t height)
{
	int code;
	json_t *report =
	    quorate_json(&code, "audit", "--json", path, "--genesis", chain_path(s->c, "genesis.json"), NULL);
	if (code != 0 || (uint64_t)json_integer_value(json_object_get(report, "height")) != height)
		fail_msg("%s: exit %d, height %lld, not %llu", path, code,
		         json_integer_value(json_object_get(report, "height")), (unsigned long long)height);
	json_decref(report);
}

/* One ledger that was moved aside is the one that was there. */
static void assert_kept(struct story *s)
{
	DIR *dir = opendir(s->home);
	unsigned kept = 0;
	const struct dirent *e;
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		char path[1024];
		struct stat st;
		if (strncmp(e->d_name, "ledger.db.replaced-", 19) != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s/ledger.db", s->home, e->d_name);
		if (stat(path, &st) != 0 || st.st_ino != s->ledger)
			continue;
		assert_audited(s, path, s->was);
		kept++;
	}
	closedir(dir);
	assert_int_equal(kept, 1);
}

/* Four replicas; the last was killed, and has commits in its WAL that its backup does not have. */
static void begin(struct story *s)
{
	struct chain *c = s->c = chain_up(4, NULL, 0);
	snprintf(s->home, sizeof s->home, "%s", chain_path(c, "node3"));
	snprintf(s->as_killed, sizeof s->as_killed, "%s", chain_path(c, "as-killed"));
	snprintf(s->backup, sizeof s->backup, "%s", chain_path(c, "backup.db"));
	snprintf(s->points_path, sizeof s->points_path, "%s", chain_path(c, "points"));
	s->height = chain_pay(c, 0, 1);
	chain_wait_height(c, 0xf, s->height);
	assert_int_equal(quorate(NULL, NULL, "backup", "--home", s->home, "--to", s->backup, NULL), 0);
	s->was = chain_pay(c, 0, 1);
	chain_wait_height(c, 0xf, s->was);
	chain_signal(c, "kill", 3);
	assert_true(is_there(s, "ledger.db-wal"));
	nodes_shell("cp -a %s %s", s->home, s->as_killed);
	int fd = open(s->points_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof *s->points), 0);
	s->points = mmap(NULL, sizeof *s->points, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(s->points != MAP_FAILED);
	close(fd);
}

static void end(struct story *s)
{
	munmap(s->points, sizeof *s->points);
	chain_down(s->c);
}

/* ---- the command -------------------------------------------------------------------------- */

_Noreturn static void become_restore(const struct story *s)
{
	const char *asan = getenv("ASAN_OPTIONS");
	char options[1024];
	int null = open("/dev/null", O_WRONLY);
	dup2(null, 1);
	dup2(null, 2);
	snprintf(options, sizeof options, "%s:verify_asan_link_order=0", asan ? asan : "");
	setenv("ASAN_OPTIONS", options, 1);
	setenv("LD_PRELOAD", getenv("QUORATE_POINTS_LIBRARY"), 1);
	setenv(POINTS_FILE, s->points_path, 1);
	execl(getenv("QUORATE"), "quorate", "restore", s->backup, "--home", s->home, "--force", (char *)NULL);
	_exit(127);
}

/* As waitpid() tells it; the `left`-th name is not given, changed or taken away. */
static int restore_until(struct story *s, enum point_how how, uint32_t left)
{
	int status;
	nodes_shell("rm -rf %s && cp -a %s %s", s->home, s->as_killed, s->home);
	struct stat st;
	char path[512];
	snprintf(path, sizeof path, "%s/ledger.db", s->home);
	assert_int_equal(stat(path, &st), 0);
	s->ledger = st.st_ino;
	*s->points = (struct points){.kinds = 1u << POINT_NAME, .how = how, .left = left};
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		become_restore(s);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool begun(const struct story *s)
{
	char command[512];
	snprintf(command, sizeof command, "test -n \"$(find %s -name 'ledger.db.replaced*')\"", s->home);
	return system(command) == 0;
}

/* A node starts in what was left, follows the others, and is killed again. */
static void start_between(struct story *s)
{
	chain_signal(s->c, "start", 3);
	chain_wait_height(s->c, 8, s->was);
	chain_signal(s->c, "kill", 3);
}

static void complete(struct story *s)
{
	char *errs;
	int code = quorate(NULL, &errs, "restore", s->backup, "--home", s->home, "--force", NULL);
	if (code != 0)
		fail_msg("the second time: exit %d: %s", code, errs);
	free(errs);
}

static void assert_complete(struct story *s)
{
	assert_audited(s, s->home, s->height);
	assert_kept(s);
	assert_false(is_there(s, "ledger.db-wal"));
	assert_false(is_there(s, "ledger.db.quorate-partial"));
	assert_false(is_there(s, "ledger.db.replaced-unfinished"));
}

/* Ends at each name in turn, until there is none left to end at. */
static void at_each_name(enum point_how how, bool start)
{
	struct story s;
	uint32_t left = 0;
	begin(&s);
	for (;;) {
		int status = restore_until(&s, how, ++left);
		bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		print_message("name %u: %s\n", left,
		              done        ? "done"
		              : begun(&s) ? "midway"
		                          : "before it began");
		if (!atomic_load(&s.points->hit)) {
			assert_true(done);
			break;
		}
		assert_true(how == POINT_FAIL ? WIFEXITED(status)
		                              : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_true(done || how != POINT_FAIL || WEXITSTATUS(status) == 3);
		if (start && !begun(&s))
			continue;
		if (start)
			start_between(&s);
		if (!done)
			complete(&s);
		assert_complete(&s);
	}
	assert_complete(&s);
	assert_true(left > 8); /* the backup's own, and those of the ledger that is moved aside */
	end(&s);
}

static void killed_anywhere_the_same_again_completes_it(void **state)
{
	(void)state;
	at_each_name(POINT_BEFORE, false);
}

static void killed_anywhere_the_node_may_be_started_in_between(void **state)
{
	(void)state;
	at_each_name(POINT_BEFORE, true);
}

static void failing_anywhere_the_same_again_completes_it(void **state)
{
	(void)state;
	at_each_name(POINT_FAIL, false);
}

/* ---- a full disk ---------------------------------------------------------------------------- */

/* Both commands want to write to a disk of 64 KiB, which is `mounted`; the home is one with a ledger. */
static void fill(struct story *s, const char *mounted)
{
	char to[600], *errs;
	nodes_shell("cp -a %s/genesis.json %s/ledger.db %s", s->as_killed, s->as_killed, mounted);
	snprintf(to, sizeof to, "%s/copy.db", mounted);
	int code = quorate(NULL, &errs, "backup", "--home", s->as_killed, "--to", to, NULL);
	if (code != 3 || strstr(errs, "no room left: the copy takes ") == NULL)
		fail_msg("backup: exit %d: %s", code, errs);
	free(errs);
	code = quorate(NULL, &errs, "restore", s->backup, "--home", mounted, "--force", NULL);
	if (code != 3 || strstr(errs, "no room left: the copy takes ") == NULL)
		fail_msg("restore: exit %d: %s", code, errs);
	free(errs);
	nodes_shell("! ls -a %s | grep -e partial -e replaced -e copy.db", mounted);
	assert_audited(s, mounted, s->was);
	assert_audited(s, s->as_killed, s->was);
}

/* In a namespace of its own, which has threads of nobody. */
static void a_full_disk_is_said_and_nothing_is_lost(void **state)
{
	struct story s;
	char mounted[512], size[64];
	struct stat st;
	int status;
	(void)state;
	begin(&s);
	nodes_shell("sqlite3 %s/ledger.db 'PRAGMA wal_checkpoint(TRUNCATE)' > /dev/null", s.as_killed);
	snprintf(mounted, sizeof mounted, "%s", chain_path(s.c, "small"));
	assert_int_equal(mkdir(mounted, 0700), 0);
	assert_int_equal(stat(s.backup, &st), 0);
	snprintf(size, sizeof size, "mode=0700,size=%lld", (long long)st.st_size * 2);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!nodes_unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("tmpfs", mounted, "tmpfs", 0, size) != 0)
			_exit(NOT_PERMITTED);
		fill(&s, mounted);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	end(&s);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_anywhere_the_same_again_completes_it),
	    cmocka_unit_test(killed_anywhere_the_node_may_be_started_in_between),
	    cmocka_unit_test(failing_anywhere_the_same_again_completes_it),
	    cmocka_unit_test(a_full_disk_is_said_and_nothing_is_lost),
	};
	return cmocka_run_group_tests_name("backup", tests, nodes_setup, NULL);
}
