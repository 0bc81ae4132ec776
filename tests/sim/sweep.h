/*
 * sweep.h: many seeds on many cores, and one seed in a process of its own. A process that dies or hangs is a
 * violation of the seed that it was at, so an assertion that fails is found and shrunk as anything else.
 */
#ifndef QUORATE_SIM_SWEEP_H
#define QUORATE_SIM_SWEEP_H

#include "sim.h"

#define SWEEP_HANG_MS 120000 /* wall time after which a seed hangs */
#define SWEEP_JOBS_MAX 64

struct sweep_totals {
	uint64_t seeds, violations;
	uint64_t events, virtual_ms, strikes, blocks, transactions, view_changes;
	uint64_t wall_ms;
	uint64_t hash; /* of all traces; the order in which seeds end does not matter */
};

struct sweep_options {
	struct sim_options run; /* for each seed; its trace is not written */
	uint64_t first, last;   /* seeds; both included */
	unsigned jobs;          /* processes, 1 .. SWEEP_JOBS_MAX */
	bool keep_going;        /* after a violation */
	bool twice;             /* each seed twice: the same trace or a violation */
	uint64_t hang_ms;       /* wall time for one seed */
	uint64_t wall_ms;       /* no new seeds after this time; 0: no bound */
	void (*done)(void *ctx,
	             const struct sim_result *r); /* a seed ended; NULL: nobody asks. r->states: NULL */
	void (*progress)(void *ctx, const struct sweep_totals *t); /* now and then; NULL: nobody asks */
	void *ctx;
};

/* True: all seeds were run and none violated anything. Without keep_going the first violation ends it. */
bool sweep_run(const struct sweep_options *o, struct sweep_totals *t);

/* sim_run(), twice if asked: a different trace is the violation "determinism". */
void sweep_seed(const struct sim_options *o, bool twice, struct sim_result *r);

/* sim_run() in a process of its own. What it writes to stderr is in the violation, if it dies. */
void sweep_apart(const struct sim_options *o, uint64_t hang_ms, struct sim_result *r);

uint64_t sweep_clock_ms(void); /* wall time, monotonic */

#endif
