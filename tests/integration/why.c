/*
 * why.c: `quorate why` of real chains that are broken in various ways: each gets the right words and the next
 * action, and what is whole gets none.
 */
#include "nodes.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- asking --------------------------------------------------------------------------------- */

static const char *home(struct chain *c, unsigned i)
{
	return chain_path(c, "node%u", i);
}

/* Asks the four nodes, and looks into their homes; what it found, json_decref() it. */
static json_t *why(struct chain *c, int want)
{
	int code;
	json_t *said =
	    quorate_json(&code, "why", "--json", "--genesis", chain_path(c, "genesis.json"), "--home",
	                 home(c, 0), "--home", home(c, 1), "--home", home(c, 2), "--home", home(c, 3), NULL);
	assert_non_null(said);
	if (code != want)
		fail_msg("exit %d, not %d: %s", code, want, json_dumps(said, 0));
	return said;
}

/* Asks replica 0 until it has tried to reach replica 3. */
static json_t *why_of_0(struct chain *c)
{
	for (;;) {
		int code;
		json_t *said = quorate_json(&code, "why", "--json", "--genesis",
		                            chain_path(c, "genesis.json"), "--node", c->http[0], NULL);
		assert_int_equal(code, 0);
		if (json_array_size(json_object_get(said, "findings")) > 1)
			return said;
		json_decref(said);
	}
}

/* There is such a finding, it says this, and what to do. */
static void expect(const json_t *said, const char *code, const char *text, const char *action)
{
	const json_t *list = json_object_get(said, "findings"), *f;
	size_t i;
	json_array_foreach((json_t *)list, i, f)
	{
		if (strcmp(json_text(f, "code"), code) == 0 &&
		    strstr(json_text(f, "message"), text) != NULL &&
		    strstr(json_text(f, "action"), action) != NULL)
			return;
	}
	fail_msg("no %s with \"%s\" and \"%s\" in: %s", code, text, action, json_dumps(said, JSON_INDENT(1)));
}

static size_t finding_cnt(const json_t *said)
{
	return json_array_size(json_object_get(said, "findings"));
}

/* Its only diagnosis but for those that are the consequence: replica 3 is missing, and the chain goes on. */
static void expect_of_3(struct chain *c, const char *code, const char *text, const char *action)
{
	json_t *said = why(c, 0);
	expect(said, code, text, action);
	expect(said, "replica_away", "3 of 4 replicas can vote, and a block takes 3: missing replica3",
	       "bring it back soon");
	assert_int_equal(finding_cnt(said), 2);
	json_decref(said);
	chain_pay(c, 0, 1);
}

/* ---- breaking ------------------------------------------------------------------------------- */

/* True: it runs; it may end at once. */
static bool start(struct chain *c, unsigned node)
{
	char number[8];
	snprintf(number, sizeof number, "%u", node);
	return quorate(NULL, NULL, "testnet", "start", number, "--dir", c->dir, NULL) == 0;
}

static bool connected(struct chain *c, unsigned node)
{
	int status;
	json_t *s = chain_get(c, node, &status, "/v1/status"), *peer;
	bool all = s != NULL;
	size_t i;
	json_array_foreach(json_object_get(s, "peers"), i, peer) all =
	    all && json_is_true(json_object_get(peer, "connected"));
	json_decref(s);
	return all;
}

/* All to all. Each look is an answer of a node. */
static void await_connections(struct chain *c)
{
	for (unsigned i = 0; i < 4; i++)
		while (!connected(c, i))
			;
}

/* One line of node 3's node.conf. */
static void configure(struct chain *c, const char *key, const char *value)
{
	nodes_shell("sed -i 's|^%s = .*|%s = %s|' %s/node.conf", key, key, value, home(c, 3));
}

static unsigned free_port(int *fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(*fd, 1), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

static bool runs(struct chain *c, unsigned node)
{
	pid_t pids[4];
	chain_pids(c, pids);
	return pids[node] != 0;
}

/* Each look is a process: an event of its own. */
static void await_end(struct chain *c, unsigned node)
{
	for (unsigned i = 0; runs(c, node); i++)
		if (i == 1000)
			fail_msg("node %u goes on", node);
}

static bool asks_for_a_view(struct chain *c, unsigned node)
{
	int status;
	json_t *s = chain_get(c, node, &status, "/v1/status");
	bool is = json_is_false(json_object_get(s, "active"));
	json_decref(s);
	return is;
}

/* ---- set-ups -------------------------------------------------------------------------------- */

static void a_chain_at_rest_is_fine(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	(void)state;
	json_t *said = why(c, 0);
	assert_string_equal(json_text(said, "verdict"), "fine");
	assert_true(json_is_true(json_object_get(said, "idle")));
	assert_int_equal(finding_cnt(said), 0);
	json_decref(said);
	chain_down(c);
}

static void one_killed_is_borne_and_two_away_stop_it(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	(void)state;
	chain_signal(c, "kill", 3);
	expect_of_3(c, "not_running", "replica3: no node runs in", "start it");
	chain_signal(c, "pause", 2); /* its connections stay */
	json_t *said = why(c, 1);
	assert_string_equal(json_text(said, "verdict"), "stuck");
	expect(said, "no_quorum",
	       "2 of 4 replicas can vote, and a block takes 3: missing replica2 (last heard ",
	       "bring back 1 of them; nothing is lost meanwhile");
	expect(said, "paused", "is paused (SIGSTOP)", "kill -CONT");
	json_decref(said);
	chain_signal(c, "resume", 2);
	chain_down(c);
}

/* The view timers run, but two cannot change the view. */
static void a_view_that_two_ask_for_in_vain_is_told(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	(void)state;
	chain_signal(c, "pause", 0);
	chain_signal(c, "kill", 3);
	assert_int_equal(quorate(NULL, NULL, "send", "--no-wait", "--node", c->http[1], "--genesis",
	                         chain_path(c, "genesis.json"), "--key", chain_path(c, "accounts/alice.key"),
	                         "--to", chain_path(c, "accounts/bob.key"), "--amount", "5", NULL),
	                 0);
	while (!asks_for_a_view(c, 1))
		;
	json_t *said = why(c, 1);
	assert_false(json_is_true(json_object_get(said, "idle")));
	expect(said, "no_quorum", "missing replica0 (last heard ", "bring back 1 of them");
	expect(said, "view_change", "asks for view 1, with replica1 as its primary", "wait");
	expect(said, "paused", "node0 is paused", "kill -CONT");
	json_decref(said);
	chain_signal(c, "resume", 0);
	chain_down(c);
}

static void nobody_there_is_said(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		chain_signal(c, "kill", i);
	json_t *said = why(c, 3);
	assert_string_equal(json_text(said, "verdict"), "unknown");
	for (unsigned i = 0; i < 4; i++) {
		char text[64];
		snprintf(text, sizeof text, "replica%u: no node runs in", i);
		expect(said, "not_running", text, "start it");
	}
	json_decref(said);
	int code; /* of whom no home is here */
	said = quorate_json(&code, "why", "--json", "--genesis", chain_path(c, "genesis.json"), "--node",
	                    c->http[0], NULL);
	assert_int_equal(code, 3);
	expect(said, "no_answer", c->http[0], "look whether that node runs");
	json_decref(said);
	chain_down(c);
}

static void a_lost_vote_log_is_said(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	(void)state;
	assert_int_equal(chain_pay(c, 1, 5), 1);
	chain_wait_height(c, 0xf, 1);
	chain_signal(c, "kill", 3);
	nodes_shell("rm %s/votes.db*", home(c, 3));
	chain_signal(c, "start", 3);
	await_connections(c);
	expect_of_3(c, "muted", "replica3 does not vote: its vote log was lost", "votes again by itself");
	chain_down(c);
}

static void another_genesis_is_named_with_the_field(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	(void)state;
	chain_signal(c, "kill", 3);
	nodes_shell("rm %s/ledger.db*", home(c, 3));
	nodes_shell("sed -i 's/\"timeout_ms\": *[0-9]*/\"timeout_ms\": 4321/' %s/genesis.json", home(c, 3));
	start(c, 3);
	json_t *said = why(c, 0);
	expect(said, "other_chain", "their genesis files differ in params.timeout_ms",
	       "the same genesis.json, byte for byte");
	expect(said, "replica_away", "missing replica3", "bring it back soon");
	json_decref(said);
	said = why_of_0(c); /* who asks no other node is told by that one */
	expect(said, "other_chain", "the address of replica3, is no peer to replica0: it has another genesis",
	       "the same genesis.json, byte for byte");
	expect(said, "other_chain", "what differs: params", "");
	json_decref(said);
	pid_t pids[4];
	chain_pids(c, pids);
	if (pids[3] > 0)
		chain_signal(c, "kill", 3);
	said = why(c, 0);
	expect(said, "bad_genesis", "is of another chain: it differs in params.timeout_ms",
	       "the genesis.json of the others");
	json_decref(said);
	chain_pay(c, 0, 1);
	chain_down(c);
}

static void small_window(struct qgenesis *g)
{
	g->params.checkpoint_interval = 4;
	g->params.window = 4;
}

/* Nobody reaches it, so it hears nothing and stays behind, though it answers clients. */
static void a_port_that_is_not_the_one_in_the_genesis(void **state)
{
	struct chain *c = chain_up_edited(4, small_window);
	char listen[64];
	int fd;
	(void)state;
	chain_signal(c, "kill", 3);
	snprintf(listen, sizeof listen, "tcp://127.0.0.1:%u", free_port(&fd));
	close(fd);
	configure(c, "listen", listen);
	start(c, 3);
	for (unsigned i = 0; i < 6; i++)
		chain_pay(c, 0, 1);
	json_t *said = why(c, 0);
	expect(said, "not_connected",
	       "replica3 runs, but replica0, replica1, replica2 cannot connect to it at ",
	       "[node] listen in the node.conf of replica3");
	expect(said, "not_connected", c->genesis->g.replicas.replicas_val[3].address, "");
	expect(said, "behind", "replica3 is at height 0, 6 blocks behind", "wait");
	json_decref(said);
	chain_down(c);
}

/* By so many seconds. */
static void start_with_clock_off(struct chain *c, const char *seconds)
{
	const char *asan = getenv("ASAN_OPTIONS");
	char *before = xstrdup(asan != NULL ? asan : ""), options[1024];
	snprintf(options, sizeof options, "%s:verify_asan_link_order=0", before);
	setenv("ASAN_OPTIONS", options, 1);
	setenv("QUORATE_CLOCK_OFF_S", seconds, 1);
	setenv("LD_PRELOAD", getenv("QUORATE_CLOCK_LIBRARY"), 1);
	assert_true(start(c, 3));
	unsetenv("LD_PRELOAD");
	setenv("ASAN_OPTIONS", before, 1);
	free(before);
	await_connections(c);
}

static void a_clock_that_is_hours_off_is_named(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	(void)state;
	chain_signal(c, "kill", 3);
	start_with_clock_off(c, "-10805");
	expect_of_3(c, "clock", "the clock of replica3 is 3 h behind", "NTP");
	chain_signal(c, "kill", 3);
	start_with_clock_off(c, "10805");
	json_t *said = why(c, 0);
	expect(said, "clock", "the clock of replica3 is 3 h ahead", "NTP");
	assert_int_equal(finding_cnt(said), 1);
	json_decref(said);
	chain_down(c);
}

static void a_full_disk_is_named(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char aside[512];
	(void)state;
	snprintf(aside, sizeof aside, "%s", chain_path(c, "aside"));
	chain_signal(c, "kill", 3);
	assert_int_equal(rename(home(c, 3), aside), 0);
	assert_int_equal(mkdir(home(c, 3), 0700), 0);
	bool may = mount("tmpfs", home(c, 3), "tmpfs", 0, "mode=0700,size=600k") == 0;
	if (may) {
		nodes_shell("cp -a --sparse=always %s/. %s", aside, home(c, 3));
		start(c, 3);
		for (unsigned i = 0; runs(c, 3); i++) {
			assert_true(i < 500);
			chain_pay(c, i % 3, 1);
		}
		expect_of_3(c, "disk", "replica3: the disk of ", "make room");
		assert_int_equal(umount2(home(c, 3), MNT_DETACH), 0);
	}
	assert_int_equal(rmdir(home(c, 3)), 0);
	assert_int_equal(rename(aside, home(c, 3)), 0);
	chain_down(c);
	if (!may)
		skip();
}

static void what_keeps_a_node_from_starting_is_told_by_its_home(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char text[128];
	int fd;
	(void)state;
	chain_signal(c, "kill", 3);
	nodes_shell("cp -a %s %s", home(c, 3), chain_path(c, "whole"));
	const struct {
		const char *command, *code, *text, *action;
	} broken[] = {
	    {"sed -i 's/^workers = .*/workers = many/' node.conf", "bad_conf",
	     "workers: \"many\" is no number from 0 to 64", "mend that line"},
	    {"rm node.conf", "bad_conf", "node.conf", "mend that line"},
	    {"cp ../accounts/alice.key replica.key", "wrong_key", "a key of kind \"account\"",
	     "the replica.key there whose public half is in the genesis"},
	    {"rm replica.key", "wrong_key", "replica.key", "quorate key show"},
	    {"head -c 8192 /dev/urandom > ledger.db; rm -f ledger.db-*", "ledger_wrong", "ledger.db",
	     "quorate restore BACKUP"},
	};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		nodes_shell("cd %s && %s", home(c, 3), broken[i].command);
		assert_false(start(c, 3));
		json_t *said = why(c, 0);
		expect(said, broken[i].code, broken[i].text, broken[i].action);
		expect(said, "replica_away", "missing replica3", "bring it back soon");
		json_decref(said);
		nodes_shell("rm -rf %s && cp -a %s %s", home(c, 3), chain_path(c, "whole"), home(c, 3));
	}
	snprintf(text, sizeof text, "tcp://127.0.0.1:%u", free_port(&fd));
	configure(c, "listen", text);
	assert_false(start(c, 3));
	expect_of_3(c, "port_taken", "cannot be listened on: another program has it", "ss -ltnp");
	close(fd);
	chain_down(c);
}

/* What the start finds is in its log, what the scrub of a running node finds is in its home. */
static void an_edited_ledger_is_told_with_its_row(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char ledger[512];
	(void)state;
	snprintf(ledger, sizeof ledger, "%s", chain_path(c, "node3/ledger.db"));
	chain_wait_height(c, 0xf, chain_pay(c, 0, 1));
	chain_signal(c, "kill", 3);
	configure(c, "scrub_s", "1");
	chain_sql(ledger, "UPDATE transactions SET memo = x'00' WHERE seq = 1", NULL, 0);
	start(c, 3);
	await_end(c, 3);
	expect_of_3(c, "ledger_wrong", "transactions(seq=1).memo", "quorate restore BACKUP");
	nodes_shell("rm %s.suspect", ledger);
	chain_sql(ledger, "UPDATE outputs SET amount = amount + 1 WHERE tx = 1 AND position = 0", NULL, 0);
	assert_false(start(c, 3));
	expect_of_3(c, "not_running", "output 1 of transaction 1 cannot be",
	            "do what the end of its log says");
	chain_down(c);
}

/* A copy of a home, started beside it. */
static void two_nodes_with_one_key_are_found(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char http[64], copy[512];
	int fds[2], code;
	(void)state;
	snprintf(copy, sizeof copy, "%s", chain_path(c, "copy"));
	snprintf(http, sizeof http, "127.0.0.1:%u", free_port(&fds[0]));
	unsigned peers = free_port(&fds[1]);
	nodes_shell("cp -a %s %s && rm %s/ledger.db*", home(c, 3), copy, copy);
	nodes_shell(
	    "sed -i 's|^http = .*|http = %s|; s|^listen = .*|listen = tcp://127.0.0.1:%u|' %s/node.conf",
	    http, peers, copy);
	close(fds[0]);
	close(fds[1]);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(getenv("QUORATE"), "quorate", "node", "--home", copy, (char *)NULL);
		_exit(127);
	}
	bool found = false;
	while (!found) { /* until it has started */
		json_t *said =
		    quorate_json(&code, "why", "--json", "--genesis", chain_path(c, "genesis.json"), "--home",
		                 home(c, 3), "--home", copy, NULL);
		const json_t *f = json_array_get(json_object_get(said, "findings"), 0);
		found = f != NULL && strcmp(json_text(f, "code"), "twins") == 0;
		if (found)
			expect(said, "twins", "two processes with one key", "stop one of them now");
		else if (f == NULL || strcmp(json_text(f, "code"), "not_running") != 0)
			expect(said, "no_answer_yet", "runs in", "wait");
		json_decref(said);
	}
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_chain_at_rest_is_fine),
	    cmocka_unit_test(one_killed_is_borne_and_two_away_stop_it),
	    cmocka_unit_test(a_view_that_two_ask_for_in_vain_is_told),
	    cmocka_unit_test(nobody_there_is_said),
	    cmocka_unit_test(a_lost_vote_log_is_said),
	    cmocka_unit_test(another_genesis_is_named_with_the_field),
	    cmocka_unit_test(a_port_that_is_not_the_one_in_the_genesis),
	    cmocka_unit_test(a_clock_that_is_hours_off_is_named),
	    cmocka_unit_test(a_full_disk_is_named),
	    cmocka_unit_test(what_keeps_a_node_from_starting_is_told_by_its_home),
	    cmocka_unit_test(an_edited_ledger_is_told_with_its_row),
	    cmocka_unit_test(two_nodes_with_one_key_are_found),
	};
	/* Before any thread and any node: what is mounted here ends with us. */
	if (!nodes_unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		print_message("nothing can be mounted here: %s\n", strerror(errno));
	return cmocka_run_group_tests_name("why", tests, chain_setup, NULL);
}
