/*
 * trouble.c: the world's faults: a home that is in use, a ledger that is locked, ports that are taken, a disk
 * that is full. The node says what is wrong and ends with exit code 3; nothing is lost and nobody else
 * is disturbed; once the cause is gone it starts, catches up and votes.
 */
#include "chain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* `quorate testnet start N` fails like this; the others are paid on meanwhile. */
static void assert_does_not_start(struct chain *c, const char *node, const char *says, const char *what)
{
	char *errs;
	int code = quorate(NULL, &errs, "testnet", "start", node, "--dir", c->dir, NULL);
	if (code != 3 || !strstr(errs, says) || !strstr(errs, what))
		fail_msg("exit %d, not \"%s ... %s\": %s", code, says, what, errs);
	free(errs);
	chain_pay(c, 0, 1);
}

/* All four at one height, each vouched for by the audit; a quorum that needs node 3 makes another block. */
static void assert_nothing_was_lost(struct chain *c)
{
	chain_wait(c);
	chain_assert_audit(c, chain_height(c, 0));
	chain_signal(c, "kill", 2);
	uint64_t height = chain_pay(c, 3, 7);
	chain_signal(c, "start", 2);
	chain_wait_height(c, 0xf, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
}

static void a_second_node_on_one_home_is_refused_and_the_first_goes_on(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	pid_t before[4], after[4];
	char *errs, says[64];
	(void)state;
	chain_pids(c, before);
	snprintf(says, sizeof says, "is in use by process %d", (int)before[1]);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(quorate(NULL, &errs, "node", "--home", chain_path(c, "node1"), NULL), 3);
		if (!strstr(errs, says))
			fail_msg("not \"%s\": %s", says, errs);
		free(errs);
		chain_wait_height(c, 0xf, chain_pay(c, 1, 1));
	}
	chain_pids(c, after);
	assert_memory_equal(before, after, sizeof before);
	chain_assert_audit(c, 3);
	chain_down(c);
}

static void a_locked_ledger_keeps_its_node_from_starting_until_it_is_free(void **state)
{
	static const char *const files[] = {"ledger.db", "votes.db"};
	struct chain *c = chain_up(4, NULL, 0);
	(void)state;
	chain_wait_height(c, 0xf, chain_pay(c, 0, 1));
	chain_signal(c, "kill", 3);
	for (size_t i = 0; i < 2; i++) {
		sqlite3 *db;
		assert_int_equal(sqlite3_open(chain_path(c, "node3/%s", files[i]), &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
		assert_does_not_start(c, "3", files[i], "locked by another process");
		sqlite3_close(db);
	}
	chain_signal(c, "start", 3);
	assert_nothing_was_lost(c);
	chain_down(c);
}

/* Listens where the node wants to. */
static int take_port(const char *url)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	a.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void a_port_in_use_is_named(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	const char *peer = c->genesis->g.replicas.replicas_val[3].address;
	(void)state;
	chain_signal(c, "kill", 3);
	int fd = take_port(c->http[3]);
	assert_does_not_start(c, "3", strchr(c->http[3], '1'), "cannot listen for HTTP on");
	close(fd);
	fd = take_port(peer);
	assert_does_not_start(c, "3", peer, "cannot listen for peers on");
	close(fd);
	chain_signal(c, "start", 3);
	assert_nothing_was_lost(c);
	chain_down(c);
}

/* ---- a full disk ------------------------------------------------------------------------- */

static bool runs(struct chain *c, unsigned node)
{
	pid_t pids[4];
	chain_pids(c, pids);
	return pids[node] != 0;
}

static void assert_logged(struct chain *c, unsigned node, const char *text)
{
	char line[4096], last[4096] = "";
	bool found = false;
	FILE *f = fopen(chain_path(c, "node%u/node.log", node), "r");
	assert_non_null(f);
	while (!found && fgets(line, sizeof line, f)) {
		snprintf(last, sizeof last, "%s", line);
		found = strstr(line, text) != NULL;
	}
	fclose(f);
	if (!found)
		fail_msg("the log of node %u does not say \"%s\"; its last line: %s", node, text, last);
}

/* Pays until node 3 has stopped; the payments go on without it. */
static void pay_until_3_stops(struct chain *c)
{
	for (unsigned i = 0; runs(c, 3); i++) {
		if (i == 500)
			fail_msg("node 3 never ran out of room");
		chain_pay(c, i % 3, 1);
	}
	chain_pay(c, 0, 1);
}

/* Files that must not grow fail as those on a full disk do, without any privilege. */
static void a_node_whose_files_cannot_grow_stops_and_loses_nothing(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	struct rlimit small = {64 << 10, RLIM_INFINITY};
	pid_t pids[4];
	(void)state;
	chain_wait_height(c, 0xf, chain_pay(c, 0, 1));
	chain_pids(c, pids);
	assert_int_equal(prlimit(pids[3], RLIMIT_FSIZE, &small, NULL), 0);
	pay_until_3_stops(c);
	assert_logged(c, 3, "File too large");
	chain_signal(c, "start", 3); /* without the limit */
	assert_nothing_was_lost(c);
	chain_down(c);
}

static bool mount_room(const char *path, const char *room, unsigned long flags)
{
	char options[64];
	snprintf(options, sizeof options, "mode=0700,size=%s", room);
	return mount("tmpfs", path, "tmpfs", flags, options) == 0;
}

static void write_line(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

/* A mount namespace of our own, as root or by way of a user namespace. */
static bool may_mount(void)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();
	if (unshare(CLONE_NEWNS) != 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			return false;
		write_line("/proc/self/setgroups", "deny");
		snprintf(map, sizeof map, "%u %u 1", uid, uid);
		write_line("/proc/self/uid_map", map);
		snprintf(map, sizeof map, "%u %u 1", gid, gid);
		write_line("/proc/self/gid_map", map);
	}
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void a_node_on_a_full_disk_stops_and_loses_nothing(void **state)
{
	(void)state;
	if (!may_mount()) {
		print_message("skipped: a small file system cannot be mounted here: %s\n", strerror(errno));
		skip();
	}
	struct chain *c = chain_up(4, NULL, 0);
	char home[512], aside[512], command[2048];
	pid_t pids[4];
	snprintf(home, sizeof home, "%s", chain_path(c, "node3"));
	snprintf(aside, sizeof aside, "%s", chain_path(c, "aside"));
	chain_pids(c, pids);
	chain_signal(c, "kill", 3);
	assert_int_equal(rename(home, aside), 0);
	assert_int_equal(mkdir(home, 0700), 0);
	assert_true(mount_room(home, "600k", 0));
	/* Where a WAL has grown ahead there are zeros, for which the small file system has no room. */
	snprintf(command, sizeof command, "cp -a --sparse=always %s/. %s", aside, home);
	assert_int_equal(system(command), 0);
	chain_signal(c, "start", 3);
	pay_until_3_stops(c);
	assert_logged(c, 3, "make room, then start again");

	/* Started again without more room it ends again, sooner or later, and does no harm. */
	(void)quorate(NULL, NULL, "testnet", "start", "3", "--dir", c->dir, NULL);
	pay_until_3_stops(c);
	assert_true(mount_room(home, "64m", MS_REMOUNT));
	chain_signal(c, "start", 3);
	assert_nothing_was_lost(c);
	chain_signal(c, "kill", 3);
	assert_int_equal(umount2(home, MNT_DETACH), 0); /* the process may still be on its way out */
	assert_int_equal(rmdir(home), 0);
	assert_int_equal(rename(aside, home), 0);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_second_node_on_one_home_is_refused_and_the_first_goes_on),
	    cmocka_unit_test(a_locked_ledger_keeps_its_node_from_starting_until_it_is_free),
	    cmocka_unit_test(a_port_in_use_is_named),
	    cmocka_unit_test(a_node_whose_files_cannot_grow_stops_and_loses_nothing),
	    cmocka_unit_test(a_node_on_a_full_disk_stops_and_loses_nothing),
	};
	return cmocka_run_group_tests_name("trouble", tests, chain_setup, NULL);
}
