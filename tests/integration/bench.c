/*
 * bench.c: `quorate bench` on real chains: its numbers agree with one another and with the ledgers, nothing
 * is lost and nothing is twice whatever happens, and what is wrong is said. No test asks how fast anything
 * was.
 */
#include "chain.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/quorate-bench-test-XXXXXX"; /* the working directory of all tests here */

static int begin(void **state)
{
	if (chain_setup(state) != 0 || mkdtemp(dir) == NULL || chdir(dir) != 0)
		return -1;
	unsetenv("QUORATE_NODE");
	setenv("TMPDIR", dir, 1);
	return 0;
}

static int end(void **state)
{
	char command[128];
	(void)state;
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof command, "rm -rf -- %s", dir);
	return system(command);
}

static double number(const json_t *object, const char *key)
{
	const json_t *n = json_object_get(object, key);
	if (!json_is_number(n))
		fail_msg("%s is no number", key);
	return json_number_value(n);
}

static const json_t *object(const json_t *in, const char *key)
{
	const json_t *o = json_object_get(in, key);
	if (!json_is_object(o))
		fail_msg("%s is no object", key);
	return o;
}

static double sum(const json_t *list, const char *key)
{
	const json_t *element;
	double all = 0;
	size_t i;
	json_array_foreach((json_t *)list, i, element) all +=
	    key == NULL ? json_number_value(element) : number(element, key);
	return all;
}

#define NEAR(a, b) assert_true((a) >= (b)*0.99 - 0.01 && (a) <= (b)*1.01 + 0.01)

/* What holds of every run, however fast. */
static void assert_sound(const json_t *r, bool own)
{
	const json_t *latency = object(r, "latency_ms");
	double p50 = number(latency, "p50"), p90 = number(latency, "p90"), p99 = number(latency, "p99"),
	       p999 = number(latency, "p999");
	assert_true(p50 > 0 && p50 <= p90 && p90 <= p99 && p99 <= p999);

	double tps = number(r, "throughput_tps"), bound = number(r, "bound_tps"), ratio = number(r, "ratio");
	assert_true(tps > 0 && bound > 0);
	NEAR(ratio, tps / bound);
	assert_true(number(r, "cpu_us_per_tx") > 0);
	assert_true(number(r, "view_changes") >= 0);

	double final = number(r, "final");
	assert_true(final > 0 && final <= number(r, "sent"));
	assert_true(number(r, "due") >= number(r, "unfinished"));
	NEAR(number(r, "tx_per_block"), final / number(r, "blocks"));
	assert_true(sum(json_object_get(object(r, "timeline"), "final"), NULL) == final);
	assert_true(sum(json_object_get(r, "histogram"), "count") ==
	            number(r, "due") - number(r, "unfinished"));

	const json_t *audit = object(r, "audit");
	assert_true(number(audit, "missing") == 0 && number(audit, "twice") == 0);
	assert_true(number(audit, "accounted") >= final);
	assert_true(!own || json_is_true(json_object_get(audit, "ok")));

	/* CPU by thread adds up to that of its replica, and replicas to the whole. */
	const json_t *processes = json_object_get(r, "processes"), *p;
	size_t i;
	json_array_foreach((json_t *)processes, i, p)
	    NEAR(sum(json_object_get(p, "roles"), "cpu_us_per_tx"), number(p, "cpu_us_per_tx"));
	NEAR(sum(processes, "cpu_us_per_tx"), number(r, "cpu_us_per_tx"));
}

/* ---- chains of its own ---------------------------------------------------------------------------- */

static unsigned entries_here(void)
{
	char *out = NULL;
	unsigned cnt = 0;
	FILE *f = popen("ls", "r");
	assert_non_null(f);
	for (size_t cap = 0; getline(&out, &cap, f) > 0;)
		cnt++;
	free(out);
	pclose(f);
	return cnt;
}

static void a_saturated_chain_is_measured_and_whole(void **state)
{
	(void)state;
	int code;
	json_t *r = quorate_json(&code, "bench", "--duration", "2", "--warmup", "0.5", "--accounts", "500",
	                         "--batch", "50", "--json", NULL);
	assert_int_equal(code, 0);
	assert_sound(r, true);
	assert_true(number(r, "replicas") == 4 && number(r, "replicas_here") == 4 &&
	            number(r, "submitters") == 8);
	assert_int_equal(json_array_size(json_object_get(r, "processes")), 4);
	json_decref(r);
	assert_int_equal(entries_here(), 0); /* its directory was a temporary one */
}

static void a_rate_is_kept_and_its_chain_too(void **state)
{
	(void)state;
	int code;
	json_t *r = quorate_json(&code, "bench", "--rate", "40", "--duration", "2", "--warmup", "0.5",
	                         "--accounts", "7", "--submitters", "3", "--replicas", "1", "--dir", "kept",
	                         "--one-follower", "--json", NULL);
	assert_int_equal(code, 0);
	assert_sound(r, true);
	assert_true(number(r, "due") == 80 && number(r, "unfinished") == 0);
	assert_true(number(object(r, "audit"), "accounted") ==
	            100); /* 2.5 s of it: every one was handed in */
	json_decref(r);

	/* It can be audited by others, and goes on where it was: 100 more, and one that funds, and one each.
	 */
	char *out;
	assert_int_equal(
	    quorate(&out, NULL, "audit", "kept/node0", "--genesis", "kept/genesis.json", "--json", NULL), 0);
	json_t *report = json_loads(out, 0, NULL);
	assert_true(number(report, "transactions") == 102);
	json_decref(report);
	free(out);
	r = quorate_json(&code, "bench", "--rate", "40", "--duration", "2", "--warmup", "0.5", "--accounts",
	                 "7", "--dir", "kept", "--json", NULL);
	assert_int_equal(code, 0);
	assert_sound(r, true);
	json_decref(r);
}

static void a_killed_primary_costs_no_payment_and_votes_again(void **state)
{
	(void)state;
	int code;
	json_t *r = quorate_json(&code, "bench", "--rate", "60", "--duration", "8", "--warmup", "0.5",
	                         "--accounts", "8", "--kill-primary", "1", "--json", NULL);
	assert_int_equal(code, 0);
	assert_sound(r, true);
	const json_t *kill = object(r, "kill");
	assert_true(number(kill, "gap_ms") > 0);
	assert_true(number(kill, "rejoin_ms") > 0); /* another replica holds its vote */
	assert_true(number(r, "due") == 480 && number(r, "unfinished") == 0);
	/* A quarter of what was due in the first half second of its three away waited longer than this: 7 of
	 * 480. All but two, the first of each of its accounts, were handed in only when it was back. */
	assert_true(number(object(r, "latency_ms"), "p99") > 2500);
	assert_true(number(r, "view_changes") >= 1);
	json_decref(r);
}

/* Blocks of the chain on this port, once it answers. */
static double height_at(const char *url)
{
	struct http_client *c = http_client_new(url, 1000, NULL);
	char *text;
	size_t len;
	int status;
	double height = -1;
	assert_non_null(c);
	if (http_call(c, "/v1/status", NULL, NULL, 0, &status, &text, &len, NULL)) {
		json_t *json = json_loadb(text, len, 0, NULL);
		if (json_is_integer(json_object_get(json, "height")))
			height = number(json, "height");
		json_decref(json);
		free(text);
	}
	http_client_free(c);
	return height;
}

static void an_interrupted_run_says_what_it_saw(void **state)
{
	(void)state;
	char out[4096];
	int pipe_fd[2], status;
	assert_int_equal(pipe(pipe_fd), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipe_fd[1], STDOUT_FILENO);
		execl(getenv("QUORATE"), "quorate", "bench", "--rate", "50", "--duration", "600", "--warmup",
		      "0", "--accounts", "20", "--replicas", "1", "--base-port", "10590", "--dir", "cut",
		      "--json", (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	close(pipe_fd[1]);
	while (height_at("http://127.0.0.1:10590") < 20) {
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		usleep(20000);
	}
	assert_int_equal(kill(pid, SIGINT), 0);
	FILE *f = fdopen(pipe_fd[0], "r");
	json_t *r = json_loadf(f, 0, NULL);
	while (fread(out, 1, sizeof out, f) > 0)
		;
	fclose(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(json_is_true(json_object_get(r, "interrupted")));
	assert_true(number(r, "final") > 0 && number(r, "seconds") < 600);
	assert_true(json_is_true(json_object_get(object(r, "audit"), "ok")));
	json_decref(r);
	assert_true(height_at("http://127.0.0.1:10590") < 0); /* its replica has ended */
}

/* ---- a chain that runs already -------------------------------------------------------------------- */

static void a_running_chain_is_measured_and_left_running(void **state)
{
	(void)state;
	struct chain *c = chain_up(4, NULL, 0);
	const char *genesis = chain_path(c, "genesis.json");
	int code;
	json_t *r =
	    quorate_json(&code, "bench", "--node", c->http[1], "--node", c->http[2], "--genesis", genesis,
	                 "--duration", "2", "--warmup", "0.5", "--accounts", "1500", "--json", NULL);
	assert_int_equal(code, 0);
	assert_sound(r, false);
	assert_true(number(r, "nodes") == 2 && number(r, "replicas_here") == 4);
	double accounted = number(object(r, "audit"), "accounted");
	json_decref(r);

	/* All of it is in the ledgers, and what funded it: three transactions. */
	json_t *report;
	chain_wait_quiet(c);
	assert_int_equal(chain_audit(c, &report), 0);
	assert_true(number(report, "transactions") == accounted + 3);
	json_decref(report);
	chain_pay(c, 0, 5);

	/* By its directory, with a replica less: it is measured all the same. */
	chain_signal(c, "kill", 3);
	r = quorate_json(&code, "bench", "--dir", c->dir, "--rate", "50", "--duration", "2", "--warmup", "0",
	                 "--json", NULL);
	assert_int_equal(code, 0);
	assert_true(number(r, "nodes") == 3 && number(r, "due") == 100 && number(r, "unfinished") == 0);
	assert_true(json_is_null(json_object_get(r, "cpu_us_per_tx")) || number(r, "cpu_us_per_tx") > 0);
	json_decref(r);

	/* None of its replicas is ours to kill. */
	char *said;
	assert_int_equal(quorate(NULL, &said, "bench", "--dir", c->dir, "--kill-primary", "0", NULL), 2);
	assert_non_null(strstr(said, "runs already"));
	free(said);

	/* Who cannot pay, and whose chain it is not. */
	assert_int_equal(quorate(NULL, &said, "bench", "--node", c->http[0], "--genesis", genesis, "--key",
	                         key_number(c, 77), "--duration", "1", NULL),
	                 1);
	assert_non_null(strstr(said, "funding 4096 accounts"));
	free(said);
	assert_int_equal(quorate(NULL, &said, "bench", "--node", c->http[0], "--node", c->http[0],
	                         "--genesis", genesis, NULL),
	                 2);
	assert_non_null(strstr(said, "name each once"));
	free(said);
	assert_int_equal(quorate(NULL, &said, "bench", "--node", c->http[0], "--genesis", "kept/genesis.json",
	                         "--key", key_number(c, 77), NULL),
	                 2);
	assert_non_null(strstr(said, "another chain"));
	free(said);
	chain_down(c);
}

static void nodes_that_vanish_are_no_proof_of_loss(void **state)
{
	(void)state;
	struct chain *c = chain_up(1, NULL, 0);
	pid_t pids[Q_REPLICAS_MAX], pid = fork();
	int status;
	if (pid == 0) {
		if (freopen("vanished", "w", stderr) == NULL || freopen("vanished.json", "w", stdout) == NULL)
			_exit(127);
		execl(getenv("QUORATE"), "quorate", "bench", "--dir", c->dir, "--rate", "100", "--duration",
		      "3", "--warmup", "0", "--accounts", "20", "--json", (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	chain_wait_height(c, 1, 20); /* two fund the accounts */
	chain_pids(c, pids);
	assert_int_equal(kill(pids[0], SIGKILL), 0); /* with what it has accepted, or nothing */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	json_t *r = json_load_file("vanished.json", 0, NULL);
	assert_non_null(r);
	bool lost = number(object(r, "audit"), "missing") > 0;
	assert_true(number(r, "final") > 0 && number(r, "unfinished") > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == (lost ? 3 : 0));
	json_decref(r);
	chain_down(c);
}

/* ---- what is wrong --------------------------------------------------------------------------------- */

static void wrong_usage_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *words;
		int code;
		const char *says;
	} lines[] = {
	    {"--rate 0", 2, "--rate \"0\": not a number from 1"},
	    {"--rate -5", 2, "--rate"},
	    {"--rate 10 --saturate", 2, "one of --rate, --saturate"},
	    {"--overload --sweep", 2, "one of --rate, --saturate"},
	    {"--duration 0", 2, "--duration \"0\": not a time"},
	    {"--duration 1e3", 2, "not a time"},
	    {"--duration nan", 2, "not a time"},
	    {"--duration 4000", 2, "not a time"},
	    {"--warmup x", 2, "--warmup \"x\""},
	    {"--rate 1 --warmup 500 --duration 3600", 2, "4000 seconds together"},
	    {"--dir kept --submitters 25 --duration 1", 2, "24 a node, 24 in all"},
	    {"--submitters 0", 2, "--submitters"},
	    {"--submitters 20 --accounts 10", 2, "at most one an account"},
	    {"--batch 8193", 2, "from 1 to 8192"},
	    {"--accounts 100001", 2, "from 1 to 100000"},
	    {"--replicas 3", 2, "1, or 4 to 64"},
	    {"--replicas 65", 2, "--replicas"},
	    {"--base-port 65536", 2, "--base-port"},
	    {"--kill-primary 6", 2, "at least 6 seconds before the end"},
	    {"--kill-primary 1 --replicas 1", 2, "one replica"},
	    {"--kill-primary 1 --sweep", 2, "--kill-primary"},
	    {"--kill-primary 1 --node http://127.0.0.1:1", 2, "only of a chain of our own"},
	    {"--node http://127.0.0.1:1 --dir x", 2, "one of them"},
	    {"--node http://127.0.0.1:1 --replicas 4", 2, "not for a running one"},
	    {"--genesis x", 2, "name its nodes"},
	    {"more", 2, "what is \"more\"?"},
	    {"--node http://127.0.0.1:1", 2, "--genesis FILE"},
	    {"--node http://127.0.0.1:1 --genesis missing.json", 2, "missing.json"},
	    {"--node nonsense --genesis kept/genesis.json", 2, "no URL"},
	    {"--node http://127.0.0.1:1 --genesis kept/genesis.json", 3, "127.0.0.1:1"},
	    {"--dir occupied", 2, "holds no testnet"},
	    {"--dir missing/below", 3, "cannot be made"},
	    {"--dir kept --key missing.key --duration 1", 2, "missing.key"},
	    {"--rate 1000000 --duration 3600", 2, "choose a lower --rate"},
	};
	assert_int_equal(system("mkdir occupied && touch occupied/file"), 0);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		char copy[256], *rest = copy, *argv[32] = {"quorate", "bench"}, *said;
		int argc = 2;
		snprintf(copy, sizeof copy, "%s", lines[i].words);
		for (char *word; (word = strsep(&rest, " ")) != NULL;)
			argv[argc++] = word;
		int code = quorate_argv(NULL, &said, argv);
		if (code != lines[i].code || strstr(said, lines[i].says) == NULL)
			fail_msg("bench %s: not exit %d, \"%s\" but exit %d: %.1000s", lines[i].words,
			         lines[i].code, lines[i].says, code, said);
		free(said);
	}
}

static void without_gnuplot_there_are_no_pictures(void **state)
{
	(void)state;
	char *said, path[4096];
	snprintf(path, sizeof path, "%s", getenv("PATH"));
	setenv("PATH", dir, 1);
	assert_int_equal(quorate(NULL, &said, "bench", "--plot", "pictures", NULL), 3);
	setenv("PATH", path, 1);
	assert_non_null(strstr(said, "gnuplot"));
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_saturated_chain_is_measured_and_whole),
	    cmocka_unit_test(a_rate_is_kept_and_its_chain_too),
	    cmocka_unit_test(a_killed_primary_costs_no_payment_and_votes_again),
	    cmocka_unit_test(an_interrupted_run_says_what_it_saw),
	    cmocka_unit_test(a_running_chain_is_measured_and_left_running),
	    cmocka_unit_test(nodes_that_vanish_are_no_proof_of_loss),
	    cmocka_unit_test(wrong_usage_is_said),
	    cmocka_unit_test(without_gnuplot_there_are_no_pictures),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
