/*
 * metrics.c: what /metrics of real nodes says, as Prometheus' own tool reads it; the dashboard and the alerts
 * of docker/ ask for nothing that it does not say, and each alert is raised by what it is for.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "clock.h"

static char *metrics(struct chain *c, unsigned node)
{
	struct err err = {0};
	char *text;
	size_t len;
	int status;
	if (!http_call(c->client[node], "/metrics", NULL, NULL, 0, &status, &text, &len, &err))
		fail_msg("%s", err.text);
	assert_int_equal(status, 200);
	return text;
}

/* Runs a command of the shell; what it says is told if it fails. */
static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...)
{
	char command[1024], said[4096] = "";
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	assert_true(len > 0 && (size_t)len < sizeof command);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	size_t got = fread(said, 1, sizeof said - 1, f);
	said[got] = '\0';
	int status = pclose(f);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s:\n%s", command, said);
}

/* ---- samples ----------------------------------------------------------------------------------- */

/* Of a name with its labels, as it stands there; fails the test if it is missing. */
static double value(const char *text, const char *name)
{
	size_t len = strlen(name);
	for (const char *at = text; (at = strstr(at, name)) != NULL; at++)
		if ((at == text || at[-1] == '\n') && at[len] == ' ')
			return strtod(at + len, NULL);
	fail_msg("%s is missing in:\n%s", name, text);
	return 0;
}

static void promtool_reads(struct chain *c, unsigned node, const char *text)
{
	const char *path = chain_path(c, "metrics%u.txt", node);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
	run("promtool check metrics <%s 2>&1", path);
}

static void assert_tells_of_payments(const char *text, uint64_t height)
{
	assert_true(value(text, "quorate_height") >= (double)height);
	assert_true(value(text, "quorate_certified_height") >= (double)height);
	assert_true(value(text, "quorate_blocks_total") >= (double)height);
	assert_true(value(text, "quorate_transactions_total") >= (double)height);
	/* Each block was seen once, and took some time; each was committed to both files. */
	assert_true(value(text, "quorate_commit_latency_seconds_count") >= (double)height);
	assert_true(value(text, "quorate_commit_latency_seconds_sum") > 0);
	assert_true(value(text, "quorate_store_commit_seconds_count{store=\"ledger\"}") >= (double)height);
	assert_true(value(text, "quorate_store_commit_seconds_count{store=\"votes\"}") >= (double)height);
	assert_true(value(text, "quorate_store_commit_seconds_sum{store=\"votes\"}") > 0);
}

static void assert_tells_of_itself(const char *text, unsigned self, const struct chain *c)
{
	char line[256], chain[QHASH_HEX];
	assert_true(value(text, "quorate_mempool_room_transactions") > 0);
	assert_true(value(text, "quorate_disk_size_bytes") > value(text, "quorate_disk_free_bytes"));
	assert_true(value(text, "quorate_disk_free_bytes") > 0);
	assert_true(value(text, "quorate_http_connections") >= 1); /* the one that asks */
	assert_true(value(text, "process_open_fds") > 5);
	assert_true(value(text, "process_open_fds") < value(text, "process_max_fds"));
	assert_true(value(text, "process_resident_memory_bytes") > 1e6);
	assert_true(value(text, "process_start_time_seconds") > 1.7e9);
	assert_true(value(text, "process_cpu_seconds_total") > 0);
	assert_true(value(text, "quorate_muted") == 0);
	assert_true(value(text, "quorate_view_active") == 1);
	snprintf(line, sizeof line, "quorate_replica_info{chain=\"%s\",replica=\"%u\"}",
	         hex_encode(chain, c->genesis->chain.b, sizeof c->genesis->chain.b), self);
	assert_true(value(text, line) == 1);
	for (unsigned i = 0; i < c->n; i++) {
		if (i == self)
			continue;
		snprintf(line, sizeof line, "quorate_peer_connected{replica=\"%u\"}", i);
		assert_true(value(text, line) == 1);
		snprintf(line, sizeof line, "quorate_peer_sent_frames_total{replica=\"%u\"}", i);
		assert_true(value(text, line) > 0);
	}
}

static void prometheus_reads_what_a_live_chain_says(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	uint64_t height = 0;
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		height = chain_pay(c, i, 5);
	chain_wait_height(c, 15, height);
	for (unsigned i = 0; i < c->n; i++) {
		char *text = metrics(c, i);
		promtool_reads(c, i, text);
		/* Each of the first three nodes has had one client with one payment. */
		assert_true(value(text, "quorate_payment_latency_seconds_count") == (i < 3));
		assert_true((value(text, "quorate_payment_latency_seconds_sum") > 0) == (i < 3));
		assert_tells_of_payments(text, height);
		assert_tells_of_itself(text, i, c);
		free(text);
	}
	chain_down(c);
}

static void easy_seals(struct qgenesis *g)
{
	g->seal.kind = QSEAL_POW;
	g->seal.qseal_rules_u.pow = (struct qpow_rules){.bits = 8, .bits_max = 8, .hash_rate = 5120};
}

static void prometheus_reads_what_miners_say(void **state)
{
	struct chain *c = chain_up_edited(4, easy_seals);
	(void)state;
	chain_wait_height(c, 1, chain_pay(c, 0, 5));
	char *text = metrics(c, 0);
	promtool_reads(c, 0, text);
	assert_true(value(text, "quorate_mining_hashes_total") >= 0);
	free(text);
	chain_down(c);
}

/* Waits until this sample has this value: each look is a question to the node. */
static void wait_value(struct chain *c, unsigned node, const char *name, double wanted)
{
	uint64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + CHAIN_PATIENCE_MS;
	for (;;) {
		char *text = metrics(c, node);
		double is = value(text, name);
		free(text);
		if (is == wanted)
			return;
		if (clock_ms(CLOCK_MONOTONIC) > deadline_ms)
			fail_msg("%s is %g, must be %g", name, is, wanted);
	}
}

static void what_is_wrong_with_the_others_is_counted(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	struct qenvelope env = chain_forge(c, 2, 100, 1); /* not late: that would not be looked at */
	(void)state;
	uint64_t height = chain_pay(c, 0, 5);
	env.sig.b[0] ^= 1;
	chain_tell(c, 0, &env, 1);
	wait_value(c, 0, "quorate_refused_messages_total{reason=\"bad_signature\"}", 1);
	wait_value(c, 1, "quorate_refused_messages_total{reason=\"bad_signature\"}", 0);
	wire_free(WIRE(qenvelope), &env);

	/* V1, V2: far above, and two at one height. */
	struct qenvelope votes[] = {chain_forge(c, 2, 100, 1), chain_forge(c, 2, height + 2, 1),
	                            chain_forge(c, 2, height + 2, 2)};
	chain_tell(c, 0, votes, 3);
	wait_value(c, 0, "quorate_rejected_messages_total{rule=\"V1\"}", 1);
	wait_value(c, 0, "quorate_rejected_messages_total{rule=\"V2\"}", 1);
	wait_value(c, 0, "quorate_rejected_messages_total{rule=\"PP1\"}", 0);
	for (unsigned i = 0; i < 3; i++)
		wire_free(WIRE(qenvelope), &votes[i]);

	/* The heights of the others, as they say. */
	wait_value(c, 0, "quorate_peers_height", (double)height);
	wait_value(c, 0, "quorate_peer_height{replica=\"3\"}", (double)height);
	chain_signal(c, "kill", 3);
	wait_value(c, 0, "quorate_peer_connected{replica=\"3\"}", 0);
	wait_value(c, 0, "quorate_peer_connected{replica=\"2\"}", 1);
	chain_down(c);
}

/* ---- dashboard and alerts -------------------------------------------------------------------------- */

/* Is there a sample of this name? */
static bool said(const char *text, const char *name, size_t len)
{
	for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, name, len) == 0 && (at[len] == ' ' || at[len] == '{'))
			return true;
	}
	return false;
}

/* Each name that an expression has of ours. How many there are. */
static unsigned assert_said(const char *text, const char *expression)
{
	unsigned cnt = 0;
	for (const char *at = expression; *at != '\0';) {
		size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");
		if (strncmp(at, "quorate_", 8) == 0 || strncmp(at, "process_", 8) == 0) {
			if (!said(text, at, len))
				fail_msg("/metrics says no %.*s, which \"%s\" asks for", (int)len, at,
				         expression);
			cnt++;
		}
		at += len > 0 ? len : 1;
	}
	return cnt;
}

static void the_dashboard_asks_for_what_is_said(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char *text = metrics(c, 0);
	json_error_t why;
	json_t *dashboard =
	    json_load_file(QUORATE_SOURCE_DIR "/docker/dashboard.json", JSON_REJECT_DUPLICATES, &why);
	json_t *panel, *target;
	size_t i, k, targets = 0;
	(void)state;
	if (dashboard == NULL)
		fail_msg("docker/dashboard.json, line %d: %s", why.line, why.text);
	json_array_foreach(json_object_get(dashboard, "panels"), i, panel)
	{
		assert_true(*json_text(panel, "title") != '\0');
		json_array_foreach(json_object_get(panel, "targets"), k, target)
		{
			assert_true(assert_said(text, json_text(target, "expr")) > 0);
			targets++;
		}
	}
	assert_true(targets > 20);
	json_decref(dashboard);
	free(text);
	chain_down(c);
}

static void alerts_ask_for_what_is_said(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char *text = metrics(c, 0), line[512];
	unsigned rules = 0;
	FILE *f = fopen(QUORATE_SOURCE_DIR "/docker/alerts.yaml", "r");
	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof line, f) != NULL) {
		const char *expression = strstr(line, " expr: ");
		if (expression == NULL)
			continue;
		rules++;
		assert_true(assert_said(text, expression) > 0 || strstr(expression, " up{") != NULL);
	}
	assert_true(rules > 5);
	(void)fclose(f);
	free(text);
	chain_down(c);
}

static void each_alert_is_raised_by_what_it_is_for(void **state)
{
	(void)state;
	run("cd %s && promtool check config docker/prometheus.yaml 2>&1", QUORATE_SOURCE_DIR);
	run("cd %s && promtool check rules docker/alerts.yaml 2>&1", QUORATE_SOURCE_DIR);
	run("cd %s && promtool test rules tests/integration/alerts.yaml 2>&1", QUORATE_SOURCE_DIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prometheus_reads_what_a_live_chain_says),
	    cmocka_unit_test(prometheus_reads_what_miners_say),
	    cmocka_unit_test(what_is_wrong_with_the_others_is_counted),
	    cmocka_unit_test(the_dashboard_asks_for_what_is_said),
	    cmocka_unit_test(alerts_ask_for_what_is_said),
	    cmocka_unit_test(each_alert_is_raised_by_what_it_is_for),
	};
	return cmocka_run_group_tests(tests, chain_setup, NULL);
}
