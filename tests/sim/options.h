/*
 * options.h: names of faults, and what a seed chooses.
 */
#ifndef QUORATE_SIM_OPTIONS_H
#define QUORATE_SIM_OPTIONS_H

#include "sim.h"

const char *fault_name(enum sim_fault f);
const char *fault_text(enum sim_fault f);

/* Draws everything that the caller left open, and makes the chain: n, f, q, faults, traitors, keys, genesis.
 */
void options_settle(struct sim *s);

#endif
