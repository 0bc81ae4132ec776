/*
 * bench_said.h: a result of `quorate bench` that is made up, every field of it set.
 */
#ifndef QUORATE_TEST_BENCH_SAID_H
#define QUORATE_TEST_BENCH_SAID_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_floor.h"

/* 1000 payments: 900 of 12 to 30 ms, 98 of about 60 ms, one of 2 ms, one of 5 s. */
static inline void said_latencies(struct bench_result *r)
{
	r->latency_cnt = 1000;
	r->latency_us = xcalloc(r->latency_cnt, sizeof *r->latency_us);
	for (unsigned i = 0; i < 1000; i++)
		r->latency_us[i] = i == 0 ? 2000 : i < 901 ? 12000 + 20 * i : i < 999 ? 60000 + i : 5000000;
	r->p50_ms = 22;
	r->p90_ms = 30;
	r->p99_ms = 60.99;
	r->p999_ms = 60.998;
	r->max_ms = 5000;
}

static inline void said_costs(struct bench_result *r)
{
	r->cpu_us_per_tx = 340;
	r->role_cnt = 5;
	r->role[0] = (struct bench_role){"verify", 62.5};
	r->role[1] = (struct bench_role){"replica", 20.25};
	r->role[2] = (struct bench_role){"http", 2.25};
	r->role[3] = (struct bench_role){"scrub", 0.15};
	r->role[4] = (struct bench_role){"nng:timer", 0.1};
	r->process_cnt = 2;
	for (unsigned i = 0; i < r->process_cnt; i++)
		r->process[i] = (struct bench_process){.replica = i,
		                                       .pid = 4711 + i,
		                                       .cpu_us_per_tx = 85.5,
		                                       .role_cnt = 1,
		                                       .role = {{"verify", 63}},
		                                       .rss_begin = 50u << 20,
		                                       .rss_end = 120u << 20,
		                                       .rss_max = 121u << 20,
		                                       .write_bytes_per_tx = 2048,
		                                       .ledger_bytes_per_tx = i == 0 ? 712 : -1};
	r->wire_bytes_per_tx = 2400;
	r->http_bytes_per_tx = 355;
	r->disk_bytes_per_tx = 2048;
	r->ledger_bytes_per_tx = -1;
	r->generator_us_per_tx = 3.5;
	r->busy = 0.985;
	r->others = 0.0125;
	r->sign_us = 75;
}

static inline void said_floor(struct bench_result *r)
{
	r->has_floor = true;
	r->floor = (struct bench_floor){.fsync_us = 1000,
	                                .hop_us = 8,
	                                .sign_us = 20,
	                                .open_us = 50,
	                                .check_us = 56,
	                                .http_us = 60.5,
	                                .replicas = 4,
	                                .forwarded = 0.75};
	r->floor.floor_us = bench_floor_sum(&r->floor);
}

static inline void said_events(struct bench_result *r)
{
	r->bin_cnt = 5;
	r->bin = xcalloc(r->bin_cnt, sizeof *r->bin);
	for (unsigned i = 0; i < r->bin_cnt; i++)
		r->bin[i] = 300 + i;
	r->event_cnt = 4;
	r->event[0] = (struct bench_event){BENCH_KILLED, 0.1, 0, 2};
	r->event[1] = (struct bench_event){BENCH_VIEW, 0.25, 3, 0};
	r->event[2] = (struct bench_event){BENCH_STARTED, 0.3, 0, 2};
	r->event[3] = (struct bench_event){BENCH_VOTES, 0.4, 0, 2};
	r->view_changes = 1;
	r->kill.done = true;
	r->kill.replica = 2;
	r->kill.at_s = 0.1;
	r->kill.gap_ms = 2240;
	r->kill.gap_before_ms = 45.5;
	r->kill.restart_s = 0.3;
	r->kill.rejoin_ms = 890;
	r->refused = 1200;
	r->refusal_cnt = 1;
	r->refusal[0] = (struct bench_refusal){"pool_full", 1200};
}

static inline void said_sweep(struct bench_result *r)
{
	r->load = BENCH_SWEEP;
	r->point_cnt = 2;
	r->point[0] = (struct bench_point){.throughput_tps = 3150,
	                                   .p50_ms = 40,
	                                   .p90_ms = 60,
	                                   .p99_ms = 90,
	                                   .p999_ms = 120,
	                                   .max_ms = 200,
	                                   .final = 63000,
	                                   .refused = 1200,
	                                   .unfinished = 3,
	                                   .cpu_us_per_tx = 340};
	r->point[1] = (struct bench_point){.offered_tps = 600, .throughput_tps = 0, .cpu_us_per_tx = -1};
}

/* Free it by said_free(). */
static inline struct bench_result said_result(void)
{
	struct bench_result r = {.n = 4,
	                         .f = 1,
	                         .here = 4,
	                         .own = true,
	                         .chain = "ab",
	                         .nodes = 4,
	                         .load = BENCH_SATURATE,
	                         .accounts = 512,
	                         .submitters = 8,
	                         .batch = 100,
	                         .seconds = 20,
	                         .throughput_tps = 3150,
	                         .due = 63010,
	                         .sent = 63005,
	                         .final = 63000,
	                         .unfinished = 10,
	                         .blocks = 210,
	                         .tx_per_block = 300,
	                         .bound = {.cores = 2,
	                                   .replicas = 4,
	                                   .seconds = 1,
	                                   .checks = 18000,
	                                   .checks_per_s = 18000,
	                                   .check_us = 55.5,
	                                   .busy = 0.99,
	                                   .tps = 4500},
	                         .bound_before = 4550,
	                         .bound_after = 4450,
	                         .ratio = 0.7,
	                         .audited = true,
	                         .audit_ok = true,
	                         .accounted = 73021,
	                         .audit = "quorate audit: ok, 4 ledgers"};

	said_latencies(&r);
	said_costs(&r);
	said_floor(&r);
	said_events(&r);
	return r;
}

static inline void said_free(struct bench_result *r)
{
	free(r->latency_us);
	free(r->bin);
}

#endif
