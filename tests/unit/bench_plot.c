/*
 * Pictures of `quorate bench`: with gnuplot, without it, and with one that fails, hangs, or leaves others
 * behind.
 *
 * Links: q_bench
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_said.h"
#include "bench_show.h"
#include "text.h"

struct place {
	char dir[40], bin[48], out[48]; /* bin: on the PATH, before all else */
	char *path;                     /* as it was */
};

static int setup(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);
	strcpy(p->dir, "/tmp/bench-plot-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->bin, sizeof p->bin, "%s/bin", p->dir);
	snprintf(p->out, sizeof p->out, "%s/out", p->dir);
	assert_int_equal(mkdir(p->bin, 0700), 0);
	p->path = xstrdup(getenv("PATH"));
	*state = p;
	return 0;
}

static void drop(const char *dir, const char *name)
{
	char *path = text_format("%s/%s", dir, name);
	unlink(path);
	free(path);
}

static int teardown(void **state)
{
	struct place *p = *state;
	static const char *const files[] = {
	    "latency.dat", "timeline.dat", "events.dat", "sweep.dat", "plot.gp",
	    "latency.svg", "timeline.svg", "sweep.svg",  "args",      NULL};
	setenv("PATH", p->path, 1);
	for (unsigned i = 0; files[i] != NULL; i++)
		drop(p->out, files[i]);
	drop(p->bin, "gnuplot");
	rmdir(p->out);
	rmdir(p->bin);
	assert_int_equal(rmdir(p->dir), 0);
	free(p->path);
	free(p);
	return 0;
}

/* The only gnuplot there is is this shell script, which finds the usual programs. */
static void fake(const struct place *p, const char *script)
{
	char *path = text_format("%s/gnuplot", p->bin), *both = text_format("%s:/usr/bin:/bin", p->bin);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
	setenv("PATH", both, 1);
	free(path);
	free(both);
}

static char *content(const char *dir, const char *name)
{
	char *path = text_format("%s/%s", dir, name), *text = xcalloc(1, 1 << 20);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s is not there", path);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	free(path);
	return text;
}

static void assert_content(const char *dir, const char *name, const char *want)
{
	char *text = content(dir, name);
	if (strcmp(text, want) != 0)
		fail_msg("%s is\n%s\nand should be\n%s", name, text, want);
	free(text);
}

static void assert_contains(const char *dir, const char *name, const char *words)
{
	char *text = content(dir, name);
	if (strstr(text, words) == NULL)
		fail_msg("'%s' is not in %s:\n%s", words, name, text);
	free(text);
}

static bool is_there(const char *dir, const char *name)
{
	char *path = text_format("%s/%s", dir, name);
	bool there = access(path, F_OK) == 0;
	free(path);
	return there;
}

static void runs_gnuplot_in_the_directory(void **state)
{
	const struct place *p = *state;
	struct bench_result r = said_result();
	struct err err = {0};
	said_sweep(&r);
	fake(p, "pwd >args; echo \"$@\" >>args; cat >>args"); /* cat: nothing comes on its standard input */
	if (!bench_plot_check(p->out, &err) || !bench_plot(p->out, &r, &err))
		fail_msg("%s", err.text);
	char *want = text_format("%s\n-d plot.gp\n", p->out);
	assert_content(p->out, "args", want);
	free(want);
	said_free(&r);
}

static void writes_what_is_drawn(void **state)
{
	const struct place *p = *state;
	struct bench_result r = said_result();
	struct err err = {0};
	said_sweep(&r);
	fake(p, "exit 0");
	assert_true(bench_plot_check(p->out, &err) && bench_plot(p->out, &r, &err));
	assert_content(p->out, "timeline.dat",
	               "# payments that became final: seconds (middle of 100 ms), payments a second\n"
	               "0.050 3000\n0.150 3010\n0.250 3020\n0.350 3030\n0.450 3040\n");
	assert_content(p->out, "events.dat",
	               "# what happened: seconds, kind, view or replica\n"
	               "0.100 killed 2\n0.250 view 3\n0.300 started 2\n0.400 votes 2\n");
	assert_content(p->out, "sweep.dat",
	               "# offered tx/s (0: saturated), final tx/s, p50, p90, p99, p99.9 in ms\n"
	               "0 3150 40 60 90 120\n"); /* the other point has nothing to show */
	assert_contains(p->out, "latency.dat", "\n4466.84 5011.87 1 0.1\n");
	assert_contains(p->out, "plot.gp", "'replica 2 killed' at first 0.1,");
	assert_contains(p->out, "plot.gp", "'p50 22.0 ms' at first 22,");
	said_free(&r);
}

/* gnuplot calls an empty plot an error. */
static void asks_for_no_picture_of_nothing(void **state)
{
	const struct place *p = *state;
	const struct bench_result r = {.n = 4};
	struct err err = {0};
	fake(p, "exit 0");
	assert_true(bench_plot_check(p->out, &err) && bench_plot(p->out, &r, &err));
	char *script = content(p->out, "plot.gp");
	assert_null(strstr(script, "\nplot"));
	free(script);
}

static void names_the_package_where_gnuplot_is_missing(void **state)
{
	const struct place *p = *state;
	struct bench_result r = said_result();
	struct err err = {0};
	setenv("PATH", p->bin, 1);
	assert_false(bench_plot_check(p->out, &err));
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, "install the Debian package gnuplot-nox"));
	assert_false(bench_plot(p->out, &r, &err));
	assert_non_null(strstr(err.text, "gnuplot-nox"));
	assert_non_null(strstr(err.text, "no pictures, but their data is in /tmp/bench-plot-"));
	assert_true(is_there(p->out, "latency.dat") && is_there(p->out, "plot.gp"));
	said_free(&r);
}

static void tells_why_gnuplot_failed(void **state)
{
	const struct place *p = *state;
	struct bench_result r = said_result();
	struct err err = {0};
	fake(p, "[ \"$2\" = --version ] && exit 0\necho 'something else' >&2; echo 'line 7: no such "
	        "terminal' >&2; exit 3");
	assert_true(bench_plot_check(p->out, &err));
	assert_false(bench_plot(p->out, &r, &err));
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, "exit code 3: line 7: no such terminal"));
	assert_true(is_there(p->out, "timeline.dat"));
	fake(p, "kill -9 $$");
	assert_false(bench_plot(p->out, &r, &err));
	assert_non_null(strstr(err.text, "signal 9"));
	said_free(&r);
}

/* Of a process that says more than anybody wants to keep, the beginning is kept, and it does not block. */
static void bears_one_that_talks_without_end(void **state)
{
	const struct place *p = *state;
	struct err err = {0};
	fake(p, "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1");
	assert_false(bench_gnuplot(p->dir, "plot.gp", 60000, &err));
	assert_non_null(strstr(err.text, "exit code 1: xxx"));
}

/*
 * Ended, with all that it started: who is left would hold the other end of the pipe, and nothing would come
 * to an end here.
 */
static void ends_one_that_hangs(void **state)
{
	const struct place *p = *state;
	struct err err = {0};
	int held[2];
	char byte;
	assert_int_equal(pipe(held), 0); /* inherited */
	fake(p, "sleep 1000 & sleep 1000");
	assert_false(bench_gnuplot(p->dir, "plot.gp", 300, &err));
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, "had not ended after 300 ms and was stopped"));
	close(held[1]);
	assert_int_equal(read(held[0], &byte, 1), 0);
	close(held[0]);
}

/* It has ended; that something which it started goes on, and could speak, holds up nobody. */
static void does_not_wait_for_what_it_left_behind(void **state)
{
	const struct place *p = *state;
	struct err err = {0};
	int held[2];
	char byte;
	assert_int_equal(pipe(held), 0);
	fake(p, "sleep 1000 &\nexit 0");
	assert_true(bench_gnuplot(p->dir, "plot.gp", 600000, &err));
	close(held[1]);
	assert_int_equal(read(held[0], &byte, 1), 0);
	close(held[0]);
}

static void names_a_directory_that_cannot_be_written(void **state)
{
	const struct place *p = *state;
	struct bench_result r = said_result();
	struct err err = {0};
	fake(p, "exit 0");
	assert_false(bench_plot_check("/dev/null", &err));
	assert_non_null(strstr(err.text, "/dev/null: "));
	assert_false(bench_plot_check("/tmp/not/there/at/all", &err));
	assert_non_null(strstr(err.text, "/tmp/not/there/at/all: No such file or directory"));
	assert_false(bench_plot("/tmp/not/there/at/all", &r, &err));
	assert_non_null(strstr(err.text, "/tmp/not/there/at/all/latency.dat: No such file or directory"));
	assert_false(bench_gnuplot("/tmp/not/there/at/all", "plot.gp", 60000, &err));
	assert_non_null(strstr(err.text, "/tmp/not/there/at/all: No such file or directory"));
	said_free(&r);
}

/* The real one, where it is installed: the script is one that it understands, without a word of warning. */
static void draws_three_pictures(void **state)
{
	const struct place *p = *state;
	struct bench_result r = said_result();
	struct err err = {0};
	said_sweep(&r);
	if (!bench_plot_check(p->out, &err)) {
		print_message("skipped: %s\n", err.text);
		said_free(&r);
		skip();
	}
	if (!bench_plot(p->out, &r, &err))
		fail_msg("%s", err.text);
	assert_contains(p->out, "latency.svg", "share of payments (%)");
	assert_contains(p->out, "timeline.svg", "what signatures alone allow, 4500");
	assert_contains(p->out, "timeline.svg", "replica 2 votes again");
	assert_contains(p->out, "sweep.svg", "payments a second that became final");
	assert_contains(p->out, "sweep.svg", "</svg>");
	said_free(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(runs_gnuplot_in_the_directory),
	    TEST(writes_what_is_drawn),
	    TEST(asks_for_no_picture_of_nothing),
	    TEST(names_the_package_where_gnuplot_is_missing),
	    TEST(tells_why_gnuplot_failed),
	    TEST(bears_one_that_talks_without_end),
	    TEST(ends_one_that_hangs),
	    TEST(does_not_wait_for_what_it_left_behind),
	    TEST(names_a_directory_that_cannot_be_written),
	    TEST(draws_three_pictures),
	};
	return cmocka_run_group_tests_name("bench_plot", tests, NULL, NULL);
}
