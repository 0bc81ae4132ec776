/*
 * options.h: names of faults and kinds of chains, and what a seed chooses.
 */
#ifndef QUORATE_SIM_OPTIONS_H
#define QUORATE_SIM_OPTIONS_H

#include "sim.h"

const char *fault_name(enum sim_fault f);
const char *fault_text(enum sim_fault f);
/* Not of ANY. */
const char *sim_seal_name(enum sim_seal s);
const char *sim_seal_text(enum sim_seal s);
const char *sim_proposer_name(enum sim_proposer p);
const char *sim_proposer_text(enum sim_proposer p);

/* Draws everything that the caller left open, and makes the chain: n, f, q, faults, traitors, keys, genesis.
 */
void options_settle(struct sim *s);

/* founding.c: keys and genesis. n, f, traitors and the kind of chain are chosen. */
void founding(struct sim *s);

#endif
