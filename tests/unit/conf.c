/*
 * conf.c: node.conf, read strictly.
 * Links: q_conf
 */
#include "conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "link.h"

static char dir[] = "/tmp/quorate-conf-XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/node.conf", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static struct conf *load(const char *text, size_t len, struct err *err)
{
	FILE *f = fopen(path, "w");

	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	*err = (struct err){0};
	return conf_load(path, err);
}

static struct conf *load_good(const char *text)
{
	struct err err;
	struct conf *c = load(text, strlen(text), &err);

	if (c == NULL)
		fail_msg("%s", err.text);
	return c;
}

/* The file is refused, at that line (0: at none), and the error says `what`. */
static void assert_refused(const char *text, int line, const char *what)
{
	char where[32];
	struct err err;

	assert_null(load(text, strlen(text), &err));
	assert_int_equal(err.kind, ERR_INPUT);
	snprintf(where, sizeof(where), line > 0 ? "/node.conf:%d: " : "/node.conf: ", line);
	if (strstr(err.text, where) == NULL || strstr(err.text, what) == NULL)
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err.text, where, what);
}

static void reads_every_key(void **state)
{
	(void)state;
	struct conf *c = load_good("# a comment\n"
	                           "; another\n"
	                           "\n"
	                           "[node]\n"
	                           "http = [::1]:80   ; behind a value\n"
	                           "listen=tcp://*:7580\r\n"
	                           "workers : 3\n"
	                           "mining_threads = 2\n"
	                           "scrub_s = 31622400\n"
	                           "log = debug\n"
	                           "http_cert = /etc/a b.crt\nhttp_key = k\nhttp_per_address = 2048\n"
	                           "cors = https://a.example , http://[::1]:80,*\n"
	                           "[peers]\n"
	                           "0 = tcp://10.0.0.1:7580\n"
	                           "63 = ipc:///run/q"); /* no newline at the end */

	assert_string_equal(c->http, "[::1]:80");
	assert_string_equal(c->listen, "tcp://*:7580");
	assert_int_equal(c->workers, 3);
	assert_int_equal(c->mining_threads, 2);
	assert_int_equal(c->scrub_s, 366 * 86400);
	assert_int_equal(c->log, LOG_DEBUG);
	assert_string_equal(c->http_cert, "/etc/a b.crt");
	assert_string_equal(c->http_key, "k");
	assert_int_equal(c->http_per_address, 2048);
	assert_string_equal(c->cors[0], "https://a.example");
	assert_string_equal(c->cors[1], "http://[::1]:80");
	assert_string_equal(c->cors[2], "*");
	assert_null(c->cors[3]);
	assert_string_equal(c->peer[0], "tcp://10.0.0.1:7580");
	assert_string_equal(c->peer[63], "ipc:///run/q");
	assert_null(c->peer[1]);
	conf_free(c);
}

static void empty_file_means_the_defaults(void **state)
{
	(void)state;
	struct conf *c = load_good("");

	assert_string_equal(c->http, "127.0.0.1:7480");
	assert_string_equal(c->listen, "tcp://127.0.0.1:7580");
	assert_int_equal(c->workers, 0);
	assert_int_equal(c->mining_threads, 1);
	assert_int_equal(c->scrub_s, 86400);
	assert_int_equal(c->log, LOG_INFO);
	assert_null(c->http_cert);
	assert_null(c->http_key);
	assert_int_equal(c->http_per_address, 128);
	assert_null(c->cors[0]);
	for (unsigned i = 0; i < Q_REPLICAS_MAX; i++)
		assert_null(c->peer[i]);
	conf_free(c);
}

static void unknown_names_are_refused(void **state)
{
	(void)state;
	assert_refused("[node]\nhtp = 1:2\n", 2, "htp");
	assert_refused("[node]\nHTTP = 127.0.0.1:1\n", 2, "HTTP");
	assert_refused("\n[nodes]\n\nhttp = 127.0.0.1:1\n", 4, "nodes");
	assert_refused("http = 127.0.0.1:1\n", 1, "before the first section");
	assert_refused("[peers]\nx = tcp://h:1\n", 2, "\"x\"");
	assert_refused("[peers]\n64 = tcp://h:1\n", 2, "\"64\"");
	assert_refused("[peers]\n01 = tcp://h:1\n", 2, "\"01\"");
	assert_refused("[peers]\n-1 = tcp://h:1\n", 2, "\"-1\"");
}

static void duplicates_are_refused(void **state)
{
	(void)state;
	assert_refused("[node]\nworkers = 1\nlog = info\nworkers = 1\n", 4, "workers");
	assert_refused("[node]\nworkers = 1\n[peers]\n[node]\nworkers = 2\n", 5, "workers");
	assert_refused("[peers]\n2 = tcp://h:1\n2 = tcp://h:1\n", 3, "replica 2");
	assert_refused("[node]\nlisten = tcp://h:1\n  tcp://h:2\n", 3, "listen");
}

static void bad_values_are_refused(void **state)
{
	(void)state;
	assert_refused("[node]\nhttp = 7480\n", 2, "http");
	assert_refused("[node]\nhttp =\n", 2, "http");
	assert_refused("[node]\nlisten = 127.0.0.1:1\n", 2, "listen");
	assert_refused("[node]\nworkers = 65\n", 2, "workers");
	assert_refused("[node]\nworkers = -1\n", 2, "workers");
	assert_refused("[node]\nworkers = two\n", 2, "\"two\"");
	assert_refused("[node]\nmining_threads = 1025\n", 2, "from 0 to 1024");
	assert_refused("[node]\nmining_threads = all\n", 2, "mining_threads");
	assert_refused("[node]\nmining_threads = 1\nmining_threads = 1\n", 3,
	               "mining_threads is given twice");
	assert_refused("[node]\nscrub_s = 31622401\n", 2, "from 0 to 31622400");
	assert_refused("[node]\nscrub_s = daily\n", 2, "scrub_s");
	assert_refused("[node]\nprotocol = 99\n", 2, "no version that this program speaks");
	assert_refused("[node]\nprotocol = new\n", 2, "protocol");
	assert_refused("[node]\nlog = loud\n", 2, "\"loud\"");
	assert_refused("[node]\nhttp_cert =\n", 2, "http_cert");
	assert_refused("[node]\nhttp_key =\n", 2, "http_key");
	assert_refused("[node]\nhttp_per_address = 0\n", 2, "nobody could connect");
	assert_refused("[node]\nhttp_per_address = 2049\n", 2, "from 0 to 2048");
	assert_refused("[node]\ncors =\n", 2, "cors");
	assert_refused("[node]\ncors = explorer.example\n", 2, "is no origin");
	assert_refused("[node]\ncors = https://a.example/\n", 2, "is no origin");
	assert_refused("[node]\ncors = https://a.example https://b.example\n", 2, "commas");
	assert_refused("[node]\ncors = https://a.example,\n", 2, "is no origin");
	assert_refused("[node]\ncors = *,*,*,*,*,*,*,*,*\n", 2, "at most 8");
	assert_refused("[peers]\n1 = tcp://*:1\n", 2, "replica 1");
}

static void lines_without_meaning_are_refused(void **state)
{
	char line[400] = "[node]\n# ";

	(void)state;
	assert_refused("[node]\nhttp\n", 2, "KEY = VALUE");
	assert_refused("[node\n", 1, "SECTION");
	assert_refused("[node]\nrubbish\nworkers = x\n", 2, "KEY = VALUE"); /* the first of two errors */
	assert_refused("[node]\nworkers = x\nrubbish\n", 2, "workers");
	memset(line + strlen(line), 'x', 300);
	assert_refused(line, 2, "at most");
}

static void what_is_no_text_is_refused(void **state)
{
	uint8_t noise[3000];
	struct err err;
	uint32_t x = 99;

	(void)state;
	assert_null(load("[node]\nworkers = 1\0\n", 20, &err));
	assert_non_null(strstr(err.text, "text file"));
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
		if (round % 2 == 0)
			memcpy(noise, "[node]\n", 7);
		assert_null(load((const char *)noise, sizeof(noise), &err));
		assert_int_equal(err.kind, ERR_INPUT);
	}
	char *big = xcalloc(1, 1 << 20);
	memset(big, '\n', 1 << 20);
	assert_null(load(big, 1 << 20, &err));
	free(big);
}

static void missing_file_is_named(void **state)
{
	struct err err = {0};

	(void)state;
	unlink(path);
	assert_null(conf_load(path, &err));
	assert_non_null(strstr(err.text, path));
}

static void what_is_written_can_be_read(void **state)
{
	char listen[] = "tcp://127.0.0.1:1", peer[] = "tcp://h:2";
	struct conf wanted = {.listen = listen,
	                      .workers = 2,
	                      .mining_threads = 0,
	                      .scrub_s = 7,
	                      .protocol = link_versions.highest,
	                      .log = LOG_ERROR,
	                      .peer = {[3] = peer}};
	struct err err = {0};

	(void)state;
	unlink(path);
	assert_true(conf_write(path, &wanted, &err));
	struct conf *c = conf_load(path, &err);
	if (c == NULL)
		fail_msg("%s", err.text);
	assert_string_equal(c->http, "127.0.0.1:7480"); /* the default, written out */
	assert_string_equal(c->listen, listen);
	assert_int_equal(c->workers, 2);
	assert_int_equal(c->mining_threads, 0);
	assert_int_equal(c->scrub_s, 7);
	assert_int_equal(c->protocol, link_versions.highest);
	assert_int_equal(c->log, LOG_ERROR);
	assert_string_equal(c->peer[3], peer);
	conf_free(c);
	assert_false(conf_write(path, &wanted, &err)); /* never over a file that is there */
	assert_non_null(strstr(err.text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_every_key),
	    cmocka_unit_test(empty_file_means_the_defaults),
	    cmocka_unit_test(unknown_names_are_refused),
	    cmocka_unit_test(duplicates_are_refused),
	    cmocka_unit_test(bad_values_are_refused),
	    cmocka_unit_test(lines_without_meaning_are_refused),
	    cmocka_unit_test(what_is_no_text_is_refused),
	    cmocka_unit_test(missing_file_is_named),
	    cmocka_unit_test(what_is_written_can_be_read),
	};
	return cmocka_run_group_tests_name("conf", tests, setup, teardown);
}
