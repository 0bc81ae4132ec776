/*
 * shrink.h: makes a failing run small: fewer kinds of faults, a shorter storm, fewer strikes, as long as it
 * fails in the same way. Delta debugging (Zeller & Hildebrandt, "Simplifying and Isolating Failure-Inducing
 * Input", TSE 2002) over the numbers of strikes; a candidate is run and kept only if the same checker speaks.
 */
#ifndef QUORATE_SIM_SHRINK_H
#define QUORATE_SIM_SHRINK_H

#include "sim.h"

/* Runs one candidate. r->states is shrink's to free. */
typedef void shrink_run(void *ctx, const struct sim_options *o, struct sim_result *r);

struct shrink_options {
	shrink_run *run;
	void *ctx;
	unsigned runs_max;
	uint64_t wall_ms;                                                           /* bound; 0: none */
	void (*progress)(void *ctx, const struct sim_options *best, unsigned runs); /* NULL: nobody asks */
};

struct shrunk {
	bool reproduced;          /* the run given failed again; else there is nothing to shrink */
	struct sim_options o;     /* the smallest; o.without is owned */
	struct sim_result result; /* its result; owns states */
	unsigned runs;
	uint64_t strikes; /* of the smallest run that did happen */
};

/* `failing` with its result, as sim_run() or sweep_apart() gave it. */
void shrink(const struct shrink_options *how, const struct sim_options *failing, const struct sim_result *r,
            struct shrunk *out);
void shrunk_free(struct shrunk *s);

/* Did both fail in the same way? The same checker; for a process that died, at the same place. */
bool shrink_same(const struct sim_result *a, const struct sim_result *b);

#endif
