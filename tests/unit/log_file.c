/*
 * The log's file is rotated while several threads write: every line is in one of the files, once and whole.
 * Links: q_conf
 */
#include "log_file.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

enum { THREADS = 4, LINES = 2000, ROTATIONS = 50 };

static char dir[64], path[96], old[128];
static int stderr_kept;
static atomic_uint_fast64_t monotonic;

/* A second for each line: none is suppressed. */
static uint64_t test_monotonic(void)
{
	return atomic_fetch_add(&monotonic, 1000);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/quorate-log-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/node.log", dir);
	stderr_kept = dup(STDERR_FILENO);
	log_redirect(STDERR_FILENO, test_monotonic, NULL);
	return stderr_kept < 0 ? -1 : 0;
}

static const char *rotated(unsigned i)
{
	snprintf(old, sizeof old, "%s/node.log.%u", dir, i);
	return old;
}

static int teardown(void **state)
{
	(void)state;
	dup2(stderr_kept, STDERR_FILENO);
	close(stderr_kept);
	log_redirect(STDERR_FILENO, NULL, NULL);
	for (unsigned i = 0; i < ROTATIONS; i++)
		unlink(rotated(i));
	unlink(path);
	return rmdir(dir);
}

static atomic_uint written;

static void *write_lines(void *arg)
{
	unsigned thread = *(unsigned *)arg;
	for (unsigned i = 0; i < LINES; i++) {
		log_info("line thread=%u number=%u", thread, i);
		atomic_fetch_add(&written, 1);
	}
	return NULL;
}

static unsigned seen[THREADS][LINES];

/* Counts the lines of a file; all of it is lines. */
static unsigned count_lines(const char *name)
{
	char line[512];
	unsigned thread, number, reopened = 0;
	FILE *f = fopen(name, "r");
	if (f == NULL)
		fail_msg("%s is not there", name);
	while (fgets(line, sizeof line, f) != NULL) {
		const char *event = strstr(line, " level=info event=");
		if (strncmp(line, "ts=", 3) != 0 || event == NULL || line[strlen(line) - 1] != '\n')
			fail_msg("not a whole line: %s", line);
		if (strstr(event, "event=log_reopened file=") != NULL)
			reopened++;
		else if (sscanf(event, " level=info event=line thread=%u number=%u\n", &thread, &number) ==
		             2 &&
		         thread < THREADS && number < LINES)
			seen[thread][number]++;
		else
			fail_msg("not a line of ours: %s", line);
	}
	fclose(f);
	return reopened;
}

static void no_line_is_lost_or_cut_by_a_rotation(void **state)
{
	(void)state;
	struct err err = {0};
	pthread_t threads[THREADS];
	unsigned numbers[THREADS], reopened = 0;
	assert_true(log_file_open(path, &err));
	assert_true(log_file_is_open());
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < ROTATIONS; i++) {
		while (atomic_load(&written) < (i + 1) * (THREADS * LINES / ROTATIONS / 2))
			; /* the rotations are spread over the lines, and all of them are amid lines */
		assert_int_equal(rename(path, rotated(i)), 0);
		log_file_reopen();
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < ROTATIONS; i++)
		reopened += count_lines(rotated(i));
	reopened += count_lines(path);
	assert_int_equal(reopened, ROTATIONS);
	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned k = 0; k < LINES; k++)
			assert_int_equal(seen[i][k], 1);
}

/* The old file goes on, and says first why the new one was not opened. */
static void assert_not_reopened(const char *why)
{
	char line[512];
	log_file_reopen();
	FILE *f = fopen(rotated(0), "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	fclose(f);
	assert_non_null(strstr(line, "level=error event=log_not_reopened reason=\"log "));
	assert_non_null(strstr(line, why));
}

static void where_the_new_file_cannot_be_opened_the_old_one_goes_on(void **state)
{
	(void)state;
	struct err err = {0};
	assert_true(log_file_open(path, &err));
	assert_int_equal(rename(path, rotated(0)), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_not_reopened("node.log: cannot be opened: Is a directory\"\n");
	assert_int_equal(rmdir(path), 0);
	assert_false(log_file_open("/nowhere/node.log", &err));
	assert_string_equal(err.text, "log /nowhere/node.log: cannot be opened: No such file or directory");
}

/* Else the thread that waits for signals would wait here, and SIGTERM would do nothing any more. */
static void a_pipe_that_nobody_reads_is_not_waited_for(void **state)
{
	(void)state;
	struct err err = {0};
	assert_true(log_file_open(path, &err));
	assert_int_equal(rename(path, rotated(0)), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_not_reopened("node.log: cannot be opened: ");
	assert_false(log_file_open(path, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(no_line_is_lost_or_cut_by_a_rotation, setup, teardown),
	    cmocka_unit_test_setup_teardown(where_the_new_file_cannot_be_opened_the_old_one_goes_on, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(a_pipe_that_nobody_reads_is_not_waited_for, setup, teardown),
	};
	return cmocka_run_group_tests_name("log_file", tests, NULL, NULL);
}
