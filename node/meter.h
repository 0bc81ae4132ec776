/*
 * meter.h: histograms of times, written by any thread and read by another: each observation is two atomic
 * additions, without a lock and without memory of its own.
 *
 * For what happens once a block, once a commit, or once for a payment of an own client.
 */
#ifndef QUORATE_METER_H
#define QUORATE_METER_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define METER_BUCKETS 16
/* Upper bounds, each inclusive and ascending: from a tenth of a millisecond (a sync of a good disk takes two
 * of them) to ten seconds (several time-outs). What is above falls into one bucket more. */
extern const uint64_t meter_bounds_us[METER_BUCKETS];

/* All zero: nothing was observed yet. */
struct meter_histogram {
	atomic_uint_fast64_t cnt[METER_BUCKETS + 1], sum_us;
};
void meter_observe(struct meter_histogram *h, uint64_t us);

/* What a histogram said at one moment; the sum may know of an observation more or less than the counts. */
struct meter_reading {
	uint64_t upto[METER_BUCKETS + 1]; /* observations within each bound; the last: all */
	uint64_t sum_us;
};
void meter_read(const struct meter_histogram *h, struct meter_reading *out);

/* Monotonic, in microseconds. */
static inline uint64_t meter_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
