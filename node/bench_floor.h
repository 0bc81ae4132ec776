/*
 * bench_floor.h: the parts of the latency floor, and how often each is in the path of one payment.
 *
 * The path, of n >= 4 replicas; "->" is a hop, after which each replica goes on by itself:
 *
 *     client    HTTP request, account check at the node that takes it
 *     forward   sign -> open, account check        unless that node is the proposer
 *     PROPOSE   2 sign, fsync -> 2 open            PRE-PREPARE and, in it, the proposer's PREPARE
 *     PREPARE   sign, fsync -> open
 *     COMMIT    sign, fsync -> open
 *     ledger    fsync, HTTP answer
 *
 * A replica needs more than one vote, but checks them side by side, so one counts.  Signing, syncing and
 * sending of one replica follow one another: persist, then send.
 */
#ifndef QUORATE_BENCH_FLOOR_H
#define QUORATE_BENCH_FLOOR_H

#include "bench.h"

#define BENCH_PART_CNT 6
struct bench_part {
	const char *name; /* as in JSON: "fsync" */
	const char *what; /* for people */
	double us, times;
};

/* Those of f->fsync_us and so on; *f needs no more than these, replicas and forwarded. */
void bench_floor_parts(const struct bench_floor *f, struct bench_part parts[BENCH_PART_CNT]);
double bench_floor_sum(const struct bench_floor *f);

#endif
