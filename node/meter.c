/*
 * meter.c: histograms of times.
 */
#include "meter.h"

const uint64_t meter_bounds_us[METER_BUCKETS] = {100,     250,     500,     1000,    2500,   5000,
                                                 10000,   25000,   50000,   100000,  250000, 500000,
                                                 1000000, 2500000, 5000000, 10000000};

void meter_observe(struct meter_histogram *h, uint64_t us)
{
	unsigned i = 0;
	while (i < METER_BUCKETS && us > meter_bounds_us[i])
		i++;
	atomic_fetch_add_explicit(&h->cnt[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

void meter_read(const struct meter_histogram *h, struct meter_reading *out)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i <= METER_BUCKETS; i++)
		out->upto[i] = sum += atomic_load_explicit(&h->cnt[i], memory_order_relaxed);
	out->sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
}
