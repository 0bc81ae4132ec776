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
	assert_refused("[node]\nhttp_per_address = 0\n", 2, "from 1 to 2048");
	assert_refused("[node]\nhttp_per_address = 2049\n", 2, "from 1 to 2048");
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

/* ---- every key ------------------------------------------------------------------------------ */

static const char *const counts_to_64[] = {"-1", "65", "+1", "01", NULL};
static const char *const counts_to_1024[] = {"-1", "1025", NULL};
static const char *const seconds[] = {"-1", "31622401", NULL};
static const char *const connections[] = {"-1", "0", "2049", NULL};
static const char *const versions[] = {"-1", "99", "18446744073709551617", NULL};
static const char *const places[] = {"127.0.0.1", ":80", "h:", "h:65536", "h:-1", "h:8O", "::1:80", NULL};
static const char *const urls[] = {"tcp://h",   "tcp://h:65536", "tcp://h:-1", "tcp://h:1/x",
                                   "udp://h:1", "h:1",           "ipc://",     NULL};
static const char *const levels[] = {"INFO", "verbose", "-1", NULL};
static const char *const origins[] = {"a.example",         "https://",   "ftp://a.example",
                                      "https://A.example", "https://a,", NULL};
static const char *const none[] = {NULL};

/* What is said of a bad value, and some that are bad; `any`: of other kinds, too, but for empty and long. */
static const struct {
	const char *key, *good, *said;
	const char *const *bad;
	bool any;
} rows[] = {
    {"http", "h:65535", "write HOST:PORT, e.g. 127.0.0.1:7480, with a port from 0 to 65535", places, true},
    {"listen", "tcp://h:0", "or ipc:///PATH, with a port from 0 to 65535", urls, true},
    {"workers", "64", "is no number from 0 to 64", counts_to_64, true},
    {"mining_threads", "1024", "is no number from 0 to 1024", counts_to_1024, true},
    {"scrub_s", "31622400", "is no number from 0 to 31622400", seconds, true},
    {"log", "error", "is none of debug, info, warn, error", levels, true},
    {"protocol", "0", "is no version that this program speaks, which are ", versions, true},
    {"http_cert", "a b", "the path of a file, of at most 160 characters", none, false},
    {"http_key", "-", "the path of a file, of at most 160 characters", none, false},
    {"http_per_address", "2048", "is no number from 1 to 2048", connections, true},
    {"cors", "*", "write https://HOST or https://HOST:PORT", origins, true},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Refused in that line, with the key's name and what may stand there. */
static void refuse(const char *key, const char *value, const char *said)
{
	char text[400], name[64];

	snprintf(text, sizeof(text), "[node]\n# before it\n%s = %s\n# after it\n", key, value);
	snprintf(name, sizeof(name), ":3: %s: ", key);
	assert_refused(text, 3, name);
	assert_refused(text, 3, said);
}

static void refuse_key(const char *key, const char *said, const char *const *bad, bool any)
{
	static const char *const anything[] = {"x",  "1x", "1.5", "1e3", "0x10", "99999999999999999999",
	                                       "{}", NULL};
	char longest[161 + 1], text[400];
	struct err err;

	memset(longest, '9', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	refuse(key, "", said);
	refuse(key, longest, any ? key : said);
	for (; *bad != NULL; bad++)
		refuse(key, *bad, said);
	for (const char *const *at = anything; any && *at != NULL; at++)
		refuse(key, *at, said);
	snprintf(text, sizeof(text), "[node]\n%s%160s%s\n", key, "= ", longest);
	assert_refused(text, 2, "a line has at most 180 characters");
	int len = snprintf(text, sizeof(text), "[node]\n\n%s = 1%c2\n", key, '\0');
	assert_null(load(text, (size_t)len, &err));
	assert_non_null(strstr(err.text, "/node.conf:3: a NUL byte"));
}

static void every_key_is_named_with_what_may_stand_there(void **state)
{
	char text[200];
	unsigned cnt = 0;

	(void)state;
	for (; conf_key(cnt) != NULL; cnt++) {
		size_t i = 0;
		while (i < ROWS && strcmp(rows[i].key, conf_key(cnt)) != 0)
			i++;
		if (i == ROWS)
			fail_msg("%s has no row in this test", conf_key(cnt));
		refuse_key(rows[i].key, rows[i].said, rows[i].bad, rows[i].any);
		snprintf(text, sizeof(text), "[node]\n%s = %s\n", rows[i].key, rows[i].good);
		conf_free(load_good(text));
		snprintf(text, sizeof(text), "[node]\n%s = %s\n%s = %s\n", rows[i].key, rows[i].good,
		         rows[i].key, rows[i].good);
		assert_refused(text, 3, "is given twice");
		assert_refused(text, 3, rows[i].key);
		assert_refused("[node]\nnone = 1\n", 2, rows[i].key); /* which are there is said */
	}
	assert_int_equal(cnt, ROWS);
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
	    cmocka_unit_test(every_key_is_named_with_what_may_stand_there),
	};
	return cmocka_run_group_tests_name("conf", tests, setup, teardown);
}
