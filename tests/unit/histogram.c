/*
 * histogram.c: histograms of times, as meter.h has them.
 *
 * Links: q_replica
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "meter.c" /* of the program, not of a library */

static void bounds_ascend_and_belong_to_their_bucket(void **state)
{
	(void)state;
	for (unsigned i = 0; i < METER_BUCKETS; i++) {
		struct meter_histogram h = {0};
		struct meter_reading r;
		meter_observe(&h, meter_bounds_us[i]);
		meter_observe(&h, meter_bounds_us[i] + 1);
		meter_read(&h, &r);
		assert_true(i == 0 || meter_bounds_us[i] > meter_bounds_us[i - 1]);
		assert_int_equal(i == 0 ? 0 : r.upto[i - 1], 0);
		assert_int_equal(r.upto[i], 1);
		assert_int_equal(r.upto[i + 1], 2);
		assert_int_equal(r.upto[METER_BUCKETS], 2);
		assert_int_equal(r.sum_us, 2 * meter_bounds_us[i] + 1);
	}
}

static void what_is_above_all_bounds_is_counted_too(void **state)
{
	struct meter_histogram h = {0};
	struct meter_reading r;

	(void)state;
	meter_observe(&h, UINT64_C(1) << 40);
	meter_read(&h, &r);
	assert_int_equal(r.upto[METER_BUCKETS - 1], 0);
	assert_int_equal(r.upto[METER_BUCKETS], 1);
}

enum { THREADS = 4, TIMES = 20000 };

static void *observe(void *arg)
{
	for (unsigned i = 0; i < TIMES; i++)
		meter_observe(arg, i % 2 == 0 ? 1 : 300);
	return NULL;
}

static void no_threads_observation_is_lost(void **state)
{
	struct meter_histogram h = {0};
	struct meter_reading r;
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, observe, &h), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	meter_read(&h, &r);
	assert_int_equal(r.upto[0], THREADS * TIMES / 2);
	assert_int_equal(r.upto[METER_BUCKETS], THREADS * TIMES);
	assert_int_equal(r.sum_us, THREADS * TIMES / 2 * 301);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bounds_ascend_and_belong_to_their_bucket),
	    cmocka_unit_test(what_is_above_all_bounds_is_counted_too),
	    cmocka_unit_test(no_threads_observation_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
