/*
 * mining.h: proof of work on virtual time.
 */
#ifndef QUORATE_SIM_MINING_H
#define QUORATE_SIM_MINING_H

#include "sim.h"

void mining_init(struct machine *m); /* its hash rate: at least the one that the genesis promises */
/* In the place of what is being mined. */
void mining_begin(struct machine *m, const struct qheader *header);
void mining_stop(struct machine *m);
/* The time is over: hands the sealed header to the replica, which is up. */
void mining_end(struct machine *m);

#endif
