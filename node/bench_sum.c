/*
 * bench_sum.c: numbers out of what a run saw.
 */
#include "bench_sum.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_result_free(struct bench_result *r)
{
	free(r->latency_us);
	free(r->bin);
	r->latency_us = NULL;
	r->bin = NULL;
}

/* ---- latency ----------------------------------------------------------------------------------- */

uint32_t bench_percentile(const uint32_t *ascending, size_t cnt, double share)
{
	if (cnt == 0)
		return 0;
	double rank = ceil(share * (double)cnt);
	if (rank < 1)
		return ascending[0];
	return rank >= (double)cnt ? ascending[cnt - 1] : ascending[(size_t)rank - 1];
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

void sum_latencies_take(uint32_t *samples, size_t cnt, struct bench_result *r)
{
	if (cnt > 0)
		qsort(samples, cnt, sizeof *samples, ascending);
	r->latency_us = samples;
	r->latency_cnt = cnt;
	r->p50_ms = bench_percentile(samples, cnt, 0.5) / 1000.0;
	r->p90_ms = bench_percentile(samples, cnt, 0.9) / 1000.0;
	r->p99_ms = bench_percentile(samples, cnt, 0.99) / 1000.0;
	r->p999_ms = bench_percentile(samples, cnt, 0.999) / 1000.0;
	r->max_ms = bench_percentile(samples, cnt, 1) / 1000.0;
}

/* ---- blocks ------------------------------------------------------------------------------------ */

/* Heights come in order at each node, but the first to show one may be another each time. */
static bool is_in(const struct bench_block *b, uint64_t from_us, uint64_t to_us)
{
	return b->at_us > 0 && b->at_us >= from_us && b->at_us < to_us;
}

void sum_blocks(const struct bench_block *blocks, size_t cnt, uint64_t begin_us, uint64_t end_us,
                struct bench_result *r)
{
	const struct bench_block *first = NULL, *last = NULL;
	r->seconds = (double)(end_us - begin_us) / 1e6;
	r->bin_cnt = (size_t)((end_us - begin_us + BENCH_BIN_MS * 1000 - 1) / (BENCH_BIN_MS * 1000));
	r->bin = xcalloc(r->bin_cnt + 1, sizeof *r->bin);
	r->final = r->blocks = 0;
	for (size_t i = 0; i < cnt; i++) {
		const struct bench_block *b = &blocks[i];
		if (!is_in(b, begin_us, end_us))
			continue;
		r->bin[(b->at_us - begin_us) / (BENCH_BIN_MS * 1000)] += b->payments;
		r->final += b->payments;
		r->blocks++;
		first = first == NULL || b->at_us < first->at_us ? b : first;
		last = last == NULL || b->at_us >= last->at_us ? b : last;
	}
	r->tx_per_block = r->blocks > 0 ? (double)r->final / (double)r->blocks : 0;
	/* Blocks in the time between the first and the last: all but the first. With less than half of the
	 * time between them they say little: then it is simply what came in that time. */
	bool spread = first != NULL && 2 * (last->at_us - first->at_us) >= end_us - begin_us;
	if (spread)
		r->throughput_tps =
		    (double)(r->final - first->payments) / ((double)(last->at_us - first->at_us) / 1e6);
	else
		r->throughput_tps = r->seconds > 0 ? (double)r->final / r->seconds : 0;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

double sum_gap_ms(const struct bench_block *blocks, size_t cnt, uint64_t from_us, uint64_t to_us)
{
	uint64_t *at = xcalloc(cnt + 1, sizeof *at), most = 0;
	size_t seen = 0;
	for (size_t i = 0; i < cnt; i++) {
		if (blocks[i].at_us > 0)
			at[seen++] = blocks[i].at_us;
	}
	at[seen++] = to_us; /* nothing may have come any more */
	qsort(at, seen, sizeof *at, by_time);
	for (size_t i = 0; i < seen; i++) {
		uint64_t since = i > 0 ? at[i - 1] : 0;
		if (at[i] > from_us && since < to_us && at[i] - since > most)
			most = at[i] - since;
	}
	free(at);
	return (double)most / 1000.0;
}

/* ---- the rest ---------------------------------------------------------------------------------- */

void sum_refusal(struct bench_result *r, const char *code, uint64_t cnt)
{
	unsigned i = 0;
	while (i < r->refusal_cnt && strcmp(r->refusal[i].code, code) != 0)
		i++;
	if (i == BENCH_REFUSALS_MAX) {
		i--; /* no node knows so many codes */
	} else if (i == r->refusal_cnt) {
		snprintf(r->refusal[i].code, sizeof r->refusal[i].code, "%s", code);
		r->refusal_cnt++;
	}
	r->refusal[i].cnt += cnt;
	r->refused += cnt;
}

struct bench_point sum_point(const struct bench_result *r)
{
	return (struct bench_point){
	    .offered_tps = r->offered_tps,
	    .throughput_tps = r->throughput_tps,
	    .p50_ms = r->p50_ms,
	    .p90_ms = r->p90_ms,
	    .p99_ms = r->p99_ms,
	    .p999_ms = r->p999_ms,
	    .max_ms = r->max_ms,
	    .final = r->final,
	    .refused = r->refused,
	    .unfinished = r->unfinished,
	    .cpu_us_per_tx = r->cpu_us_per_tx,
	};
}
