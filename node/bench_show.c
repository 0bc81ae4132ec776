/*
 * bench_show.c: latencies in buckets, the signatures' share, and a few words.
 */
#include "bench_show.h"

#include <math.h>

/* Lower edge of bucket i, in microseconds. */
static double edge(enum bench_scale scale, unsigned i)
{
	static const double round_ones[] = {1, 1.5, 2, 3, 5, 7};
	unsigned decade = i / 6;
	return scale == BENCH_COARSE ? round_ones[i % 6] * pow(10, decade) : pow(10, i / 20.0);
}

size_t bench_buckets(const uint32_t *ascending_us, size_t cnt, enum bench_scale scale,
                     struct bench_bucket out[BENCH_BUCKETS_MAX])
{
	size_t at = 0, used = 0;
	for (unsigned i = 0; at < cnt && used < BENCH_BUCKETS_MAX; i++) {
		double to_us = edge(scale, i + 1);
		struct bench_bucket b = {edge(scale, i) / 1000, to_us / 1000, 0};
		for (; at < cnt && ascending_us[at] < to_us; at++)
			b.cnt++;
		if (b.cnt > 0 || used > 0)
			out[used++] = b;
	}
	return used;
}

double bench_cpu_ratio(const struct bench_result *r)
{
	double cost_us = r->cpu_us_per_tx + r->generator_us_per_tx;
	return r->cpu_us_per_tx > 0 ? r->n * r->bound.check_us / cost_us : -1;
}

const char *bench_load_name(enum bench_load load)
{
	switch (load) {
	case BENCH_SATURATE:
		return "saturate";
	case BENCH_RATE:
		return "rate";
	case BENCH_OVERLOAD:
		return "overload";
	case BENCH_SWEEP:
		return "sweep";
	}
	return "";
}

const char *bench_event_name(enum bench_event_kind kind)
{
	switch (kind) {
	case BENCH_VIEW:
		return "view";
	case BENCH_KILLED:
		return "killed";
	case BENCH_STARTED:
		return "started";
	case BENCH_VOTES:
		return "votes";
	}
	return "";
}
