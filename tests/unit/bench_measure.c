/*
 * The bound and the floor: that they are measured at all, add up, and leave nothing behind.  How large they
 * are is the machine's business.
 *
 * Links: q_bench
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_floor.h"
#include "crypto.h"

static void assert_near(double a, double b)
{
	if (fabs(a - b) > 1e-6 * fabs(b))
		fail_msg("%g is not %g", a, b);
}

static void a_bound_adds_up(void **state)
{
	(void)state;
	struct bench_bound b;
	bench_bound(4, 10, &b);
	assert_int_equal(b.replicas, 4);
	assert_true(b.cores >= 1 && b.checks >= b.cores && b.seconds > 0);
	assert_near(b.checks_per_s, (double)b.checks / b.seconds);
	assert_near(b.tps * 4, b.checks_per_s);
	assert_near(b.busy * b.cores * b.seconds * 1e6, b.check_us * (double)b.checks);
}

/* Each core checks at least one, and a chain that is not here counts as one replica. */
static void a_bound_of_no_time_is_one_all_the_same(void **state)
{
	(void)state;
	struct bench_bound b;
	bench_bound(0, 0, &b);
	assert_int_equal(b.replicas, 1);
	assert_int_equal(b.checks, b.cores);
	assert_near(b.tps, b.checks_per_s);
}

static unsigned entries(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned cnt = 0;
	assert_non_null(d);
	while (readdir(d) != NULL)
		cnt++;
	closedir(d);
	return cnt;
}

static void a_floor_is_measured_and_leaves_nothing(void **state)
{
	(void)state;
	char dir[] = "/tmp/bench-floor-XXXXXX";
	struct bench_floor f;
	struct err err = {0};
	assert_non_null(mkdtemp(dir));
	if (!bench_floor(dir, 4, &f, &err))
		fail_msg("%s", err.text);
	assert_true(f.fsync_us > 0 && f.hop_us > 0 && f.sign_us > 0 && f.open_us > 0 && f.check_us > 0 &&
	            f.http_us > 0);
	assert_int_equal(f.replicas, 4);
	assert_near(f.forwarded, 0.75);
	assert_near(f.floor_us, bench_floor_sum(&f));
	assert_int_equal(entries(dir), 2); /* . and .. */
	assert_int_equal(rmdir(dir), 0);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
	(void)state;
	struct bench_floor f;
	struct err err = {0};
	assert_false(bench_floor("/tmp/bench-floor/not/there", 4, &f, &err));
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, "/tmp/bench-floor/not/there"));
	assert_non_null(strstr(err.text, "No such file"));
}

/* The formula, by hand. */
static void the_path_is_the_protocols(void **state)
{
	(void)state;
	struct bench_floor f = {.fsync_us = 1000,
	                        .hop_us = 10,
	                        .sign_us = 20,
	                        .open_us = 50,
	                        .check_us = 56,
	                        .http_us = 60,
	                        .replicas = 4,
	                        .forwarded = 0};
	double agreement = (2 * 20 + 1000 + 10 + 2 * 50) + 2 * (20 + 1000 + 10 + 50);
	assert_near(bench_floor_sum(&f), 60 + 56 + agreement + 1000);
	f.forwarded = 1;
	assert_near(bench_floor_sum(&f), 60 + 56 + (20 + 10 + 50 + 56) + agreement + 1000);
	f.replicas = 1; /* nobody to wait for: one sync of all votes, one of the ledger */
	assert_near(bench_floor_sum(&f), 60 + 56 + 3 * 20 + 2 * 1000);
}

static int start(void **state)
{
	(void)state;
	return crypto_init(NULL) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_bound_adds_up),
	    cmocka_unit_test(a_bound_of_no_time_is_one_all_the_same),
	    cmocka_unit_test(a_floor_is_measured_and_leaves_nothing),
	    cmocka_unit_test(a_directory_that_is_not_there_is_named),
	    cmocka_unit_test(the_path_is_the_protocols),
	};
	return cmocka_run_group_tests_name("bench_measure", tests, start, NULL);
}
