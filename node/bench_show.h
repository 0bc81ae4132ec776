/*
 * bench_show.h: what the report, its JSON and the pictures of `quorate bench` have in common.
 */
#ifndef QUORATE_BENCH_SHOW_H
#define QUORATE_BENCH_SHOW_H

#include "bench.h"

/* ---- latencies in buckets --------------------------------------------------------------------------- */

enum bench_scale {
	BENCH_COARSE, /* six a decade, of round numbers: 1, 1.5, 2, 3, 5, 7, 10 */
	BENCH_FINE,   /* twenty a decade */
};
struct bench_bucket {
	double from_ms, to_ms; /* to: exclusive */
	uint64_t cnt;
};
#define BENCH_BUCKETS_MAX 200 /* ten decades of microseconds: any uint32_t */

/* From the first one that is not empty to the last; returns how many. What is below 1 us counts as 1 us. */
size_t bench_buckets(const uint32_t *ascending_us, size_t cnt, enum bench_scale scale,
                     struct bench_bucket out[BENCH_BUCKETS_MAX]);

/* ---- shares ------------------------------------------------------------------------------------------- */

/* The signatures' share of all CPU time that a payment costs, replicas and generator: what `ratio` would be
 * on a machine that never idles and has nothing else to do.  < 0: not all replicas are here. */
double bench_cpu_ratio(const struct bench_result *r);

/* ---- words ----------------------------------------------------------------------------------------------
 */

const char *bench_load_name(enum bench_load load); /* as in JSON */
const char *bench_event_name(enum bench_event_kind kind);

/* ---- pictures -------------------------------------------------------------------------------------------
 */

/* Runs `gnuplot ARG` in `dir`, for so long at most; what it says on stderr is part of the error. */
bool bench_gnuplot(const char *dir, const char *arg, unsigned limit_ms, struct err *err);

#endif
