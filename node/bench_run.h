/*
 * bench_run.h: one run: submitters, followers, the clock.
 *
 *   main thread   looks at begin and end, tells how it goes, kills and starts the primary
 *   submitter     hands in its payments, in batches, at one node: what is due, or what there is room for
 *   follower      asks one node for the ids of each block, as soon as it is final
 *   watcher       where no block comes, asks what view the nodes are in
 *
 * A payment is counted as final when the node that took it shows it in a block.  An answer is believed for
 * what it is: what was accepted has to become final, and no payment may be in two blocks.
 */
#ifndef QUORATE_BENCH_RUN_H
#define QUORATE_BENCH_RUN_H

#include "bench_chain.h"

struct run_plan {
	double rate;   /* payments a second; 0: saturated */
	bool overload; /* no payment is due before it is offered, and none is offered after the end */
	double warmup_s, duration_s;
	unsigned batch;
	uint32_t in_flight; /* saturated: accepted and not final, of all submitters together */
	bool one_follower;
	double kill_at_s; /* < 0: never */
};
/* After the end, where one was killed, the load goes on until it votes again: so long, or as long as there
 * are payments, which should be enough for some seconds. */
#define RUN_TAIL_S 60
#define RUN_TAIL_PAYMENTS_S 15

/* Drives the chain by this load, whose coins the accounts have. Sets everything of *r that a run can know;
 * bench_result_free() it, also where this fails. False: nothing could be measured. */
bool bench_run(struct bench_chain *c, const struct load *l, const struct run_plan *plan,
               struct bench_result *r, struct err *err);

#endif
