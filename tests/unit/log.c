/*
 * log.c: logfmt lines: escaping, levels, the limit of lines a second.
 * Links: q_conf
 */
#include "log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "err.h"

static int fd;
static uint64_t monotonic;

static uint64_t test_monotonic(void)
{
	return monotonic;
}

static uint64_t test_wall(void)
{
	return 1767323045678; /* 2026-01-02T03:04:05.678Z */
}

#define TS "ts=2026-01-02T03:04:05.678Z "

static int setup(void **state)
{
	(void)state;
	fd = memfd_create("log", 0);
	assert_true(fd >= 0);
	monotonic = 5000;
	log_redirect(fd, test_monotonic, test_wall);
	log_level_set(LOG_INFO);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_redirect(STDERR_FILENO, NULL, NULL);
	return close(fd);
}

/* What was logged since the last call. */
static const char *logged(void)
{
	static char text[1 << 16];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(len >= 0);
	text[len] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	return text;
}

static unsigned lines_in(const char *text, const char *with)
{
	unsigned cnt = 0;

	for (const char *c = text; (c = strstr(c, with)) != NULL; c++)
		cnt++;
	return cnt;
}

static void line_has_time_level_event_and_pairs(void **state)
{
	(void)state;
	log_info("executed height=%llu txs=%zu ok=%d part=%.4s", 17ull, (size_t)3, -1, "abcdef");
	assert_string_equal(logged(), TS "level=info event=executed height=17 txs=3 ok=-1 part=abcd\n");
	log_error("stopped");
	assert_string_equal(logged(), TS "level=error event=stopped\n");
	log_effect(NULL, "warn", "x hex=%08x pct=100%% c=%c big=%ld", 0xbeefu, 'y', -5l);
	assert_string_equal(logged(), TS "level=warn event=x hex=0000beef pct=100% c=y big=-5\n");
}

static void values_are_quoted_where_they_have_to_be(void **state)
{
	(void)state;
	log_info("e a=%s b=%s c=%s", "plain-1.2:3/4", "two words", "");
	assert_string_equal(logged(), TS "level=info event=e a=plain-1.2:3/4 b=\"two words\" c=\"\"\n");
	log_info("e reason=\"%s\" next=%s", "said \"no\" \\", "x");
	assert_string_equal(logged(), TS "level=info event=e reason=\"said \\\"no\\\" \\\\\" next=x\n");
	log_info("e url=http://%s/", "a b");
	assert_string_equal(logged(), TS "level=info event=e url=http://a\\x20b/\n");
}

static void outside_text_cannot_forge_a_line_or_a_pair(void **state)
{
	(void)state;
	log_info("e name=%s", "x\nts=1 level=error event=forged");
	assert_string_equal(logged(), TS "level=info event=e name=\"x\\nts=1 level=error event=forged\"\n");
	log_info("e name=%s k=%s", "a\" level=error", "a=b");
	assert_string_equal(logged(), TS "level=info event=e name=\"a\\\" level=error\" k=\"a=b\"\n");
	log_info("e name=%s", "\x01\x7f\xc3\xa4\r");
	assert_string_equal(logged(), TS "level=info event=e name=\"\\x01\\x7f\\xc3\\xa4\\x0d\"\n");
	log_info("e c=%c", '\n');
	assert_string_equal(logged(), TS "level=info event=e c=\"\\n\"\n");
}

static void long_line_is_cut_and_still_one_line(void **state)
{
	static char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	log_info("e a=%s b=%d", text, 1);
	const char *line = logged();
	assert_true(strlen(line) <= LOG_LINE_MAX);
	assert_string_equal(line + strlen(line) - 5, "x...\n");
	memset(text, ' ', sizeof(text) - 1);
	log_info("e a=%s b=%d", text, 1);
	line = logged();
	assert_true(strlen(line) <= LOG_LINE_MAX);
	assert_string_equal(line + strlen(line) - 6, " ...\"\n");
	log_info("e a=\"%s\"", text);
	line = logged();
	assert_string_equal(line + strlen(line) - 6, " ...\"\n");
}

static void level_filters(void **state)
{
	enum log_level level;

	(void)state;
	log_debug("e");
	assert_string_equal(logged(), "");
	log_level_set(LOG_DEBUG);
	log_debug("e");
	assert_string_equal(logged(), TS "level=debug event=e\n");
	log_level_set(LOG_ERROR);
	log_warn("e");
	assert_string_equal(logged(), "");
	assert_true(log_level_parse("warn", &level));
	assert_int_equal(level, LOG_WARN);
	assert_string_equal(log_level_name(level), "warn");
	assert_false(log_level_parse("WARN", &level));
	assert_false(log_level_parse("", &level));
}

static void one_event_writes_a_bounded_number_of_lines_a_second(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++)
		log_warn("refused sender=%d", i);
	log_info("other");
	const char *text = logged();
	assert_int_equal(lines_in(text, "event=refused "), LOG_LINES_A_SECOND);
	assert_int_equal(lines_in(text, "event=other"), 1); /* counted apart */

	monotonic += 999;
	log_warn("refused sender=1");
	assert_string_equal(logged(), "");
	monotonic += 1;
	log_info("other");
	assert_string_equal(logged(), TS "level=warn event=suppressed of=refused count=491\n" TS
	                                 "level=info event=other\n");
	log_warn("refused sender=1");
	assert_string_equal(logged(), TS "level=warn event=refused sender=1\n");
}

static void endless_names_are_bounded_too(void **state)
{
	static char names[1000][16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(names[i], sizeof(names[i]), "event%d", i);
		log_write(LOG_INFO, names[i], 0);
	}
	assert_int_equal(lines_in(logged(), "event=event"), 63 + LOG_LINES_A_SECOND);
}

static void *log_some(void *arg)
{
	for (int i = 0; i < LOG_LINES_A_SECOND; i++)
		log_info(arg, 0);
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	static char name[4][64] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	                           "ccccccccccccccccccccccccccccccc", "ddddddddddddddddddddddddddddddd"};
	pthread_t thread[4];
	const char *text;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, log_some, name[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	text = logged();
	for (int i = 0; i < 4; i++) {
		char line[512];
		snprintf(line, sizeof(line), TS "level=info event=%s\n", name[i]);
		assert_int_equal(lines_in(text, line), LOG_LINES_A_SECOND);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(line_has_time_level_event_and_pairs),
	    TEST(values_are_quoted_where_they_have_to_be),
	    TEST(outside_text_cannot_forge_a_line_or_a_pair),
	    TEST(long_line_is_cut_and_still_one_line),
	    TEST(level_filters),
	    TEST(one_event_writes_a_bounded_number_of_lines_a_second),
	    TEST(endless_names_are_bounded_too),
	    TEST(lines_of_threads_do_not_mix),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
