/*
 * bench_sum.c: percentiles by nearest rank; a rate between blocks, not between edges; bins; gaps; refusals.
 *
 * Links: q_bench
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench_sum.h"

#define CLOSE(a, b) assert_true((a) - (b) < 1e-6 && (b) - (a) < 1e-6)

static void percentiles_are_nearest_ranks(void **state)
{
	(void)state;
	uint32_t v[1000];
	for (uint32_t i = 0; i < 1000; i++)
		v[i] = i + 1;
	assert_int_equal(bench_percentile(v, 0, 0.5), 0);
	assert_int_equal(bench_percentile(v, 1, 0.999), 1);
	assert_int_equal(bench_percentile(v, 2, 0.5), 1);
	assert_int_equal(bench_percentile(v, 3, 0.5), 2);
	assert_int_equal(bench_percentile(v, 100, 0.99), 99);
	assert_int_equal(bench_percentile(v, 101, 0.99), 100);
	assert_int_equal(bench_percentile(v, 1000, 0.5), 500);
	assert_int_equal(bench_percentile(v, 1000, 0.999), 999);
	assert_int_equal(bench_percentile(v, 1000, 0), 1);
	assert_int_equal(bench_percentile(v, 1000, 1), 1000);
}

static void latencies_need_not_be_sorted(void **state)
{
	(void)state;
	struct bench_result r = {0};
	uint32_t *v = calloc(10, sizeof *v);
	for (uint32_t i = 0; i < 10; i++)
		v[i] = (i * 7 + 3) % 10 * 1000 + 1000; /* 1 to 10 ms in some order */
	sum_latencies_take(v, 10, &r);
	CLOSE(r.p50_ms, 5);
	CLOSE(r.p90_ms, 9);
	CLOSE(r.p99_ms, 10);
	CLOSE(r.max_ms, 10);
	for (size_t i = 1; i < r.latency_cnt; i++)
		assert_true(r.latency_us[i - 1] <= r.latency_us[i]);
	bench_result_free(&r);
}

/* 1,000 payments every half second, and whether the edges cut one block more or less off. */
static void the_rate_does_not_depend_on_the_edges(void **state)
{
	(void)state;
	struct bench_block blocks[40];
	for (size_t i = 0; i < 40; i++)
		blocks[i] = (struct bench_block){.at_us = 500000 * (i + 1), .payments = 1000};
	for (uint64_t shift = 0; shift < 500000; shift += 50000) {
		struct bench_result r = {0};
		sum_blocks(blocks, 40, 2000000 + shift, 7000000 + shift, &r);
		CLOSE(r.throughput_tps, 2000);
		CLOSE(r.seconds, 5);
		CLOSE(r.tx_per_block, 1000);
		assert_int_equal(r.blocks, 10);
		assert_int_equal(r.final, 10000);
		assert_int_equal(r.bin_cnt, 50);
		uint64_t sum = 0;
		for (size_t i = 0; i < r.bin_cnt; i++)
			sum += r.bin[i];
		assert_int_equal(sum, r.final);
		bench_result_free(&r);
	}
}

static void what_came_in_a_part_of_the_time_counts_for_all_of_it(void **state)
{
	(void)state;
	struct bench_block blocks[] = {{1000000, 100}, {1100000, 100}, {0, 0}, {1200000, 100}};
	struct bench_result r = {0};
	sum_blocks(blocks, 4, 1000000, 11000000, &r);
	CLOSE(r.throughput_tps, 30); /* and not 2,000 */
	bench_result_free(&r);
	sum_blocks(blocks, 0, 1000000, 11000000, &r);
	CLOSE(r.throughput_tps, 0);
	CLOSE(r.tx_per_block, 0);
	bench_result_free(&r);
}

static void gaps_are_found_where_they_overlap(void **state)
{
	(void)state;
	/* Height 3 was first seen before height 2 was. */
	struct bench_block blocks[] = {{1000000, 1}, {2100000, 1}, {2000000, 1}, {5000000, 1}, {5100000, 1}};
	CLOSE(sum_gap_ms(blocks, 5, 2500000, 6000000), 2900);
	CLOSE(sum_gap_ms(blocks, 5, 0, 2100000), 1000);
	CLOSE(sum_gap_ms(blocks, 5, 5050000, 9100000), 4000); /* nothing came any more */
	CLOSE(sum_gap_ms(blocks, 0, 0, 7000), 7);
}

static void refusals_are_counted_by_code(void **state)
{
	(void)state;
	struct bench_result r = {0};
	sum_refusal(&r, "pool_full", 3);
	sum_refusal(&r, "unknown_output", 1);
	sum_refusal(&r, "pool_full", 4);
	assert_int_equal(r.refusal_cnt, 2);
	assert_int_equal(r.refusal[0].cnt, 7);
	assert_string_equal(r.refusal[1].code, "unknown_output");
	assert_int_equal(r.refused, 8);
	for (unsigned i = 0; i < 100; i++) { /* a node may say what it likes */
		char code[64];
		snprintf(code, sizeof code, "code-%u-longer-than-any-code-that-there-is", i);
		sum_refusal(&r, code, 1);
	}
	assert_int_equal(r.refusal_cnt, BENCH_REFUSALS_MAX);
	assert_int_equal(r.refused, 108);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(percentiles_are_nearest_ranks),
	    cmocka_unit_test(latencies_need_not_be_sorted),
	    cmocka_unit_test(the_rate_does_not_depend_on_the_edges),
	    cmocka_unit_test(what_came_in_a_part_of_the_time_counts_for_all_of_it),
	    cmocka_unit_test(gaps_are_found_where_they_overlap),
	    cmocka_unit_test(refusals_are_counted_by_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
