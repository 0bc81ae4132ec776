/*
 * bench_sum.h: numbers out of what a run saw. Pure.
 */
#ifndef QUORATE_BENCH_SUM_H
#define QUORATE_BENCH_SUM_H

#include "bench.h"

/* A block that became final, as the first node to show it did. */
struct bench_block {
	uint64_t at_us;    /* after the load began; 0: never seen */
	uint32_t payments; /* of ours in it */
};

/* From begin to end, in us after the load began, as the fields of bench_result: seconds, final, blocks,
 * tx_per_block, throughput_tps, bins.  The rate is that from the first block in this time to the last one: a
 * block more or less at an edge makes no difference. */
void sum_blocks(const struct bench_block *blocks, size_t cnt, uint64_t begin_us, uint64_t end_us,
                struct bench_result *r);

/* The longest time without a final block that overlaps from..to, in ms. */
double sum_gap_ms(const struct bench_block *blocks, size_t cnt, uint64_t from_us, uint64_t to_us);

/* Sorts and sets percentiles; *samples are taken. */
void sum_latencies_take(uint32_t *samples, size_t cnt, struct bench_result *r);

/* Counts an answer that refused. */
void sum_refusal(struct bench_result *r, const char *code, uint64_t cnt);

/* The result as a point of a sweep. */
struct bench_point sum_point(const struct bench_result *r);

#endif
