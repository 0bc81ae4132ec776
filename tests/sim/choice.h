/*
 * choice.h: what a run is made of, as text: lists of faults and behaviours, ranges of strikes, and the
 * command that runs it again.
 */
#ifndef QUORATE_SIM_CHOICE_H
#define QUORATE_SIM_CHOICE_H

#include "err.h"
#include "sim.h"

/* "all", "none", or names with commas; "-name" takes one away, from all if it is the first. False with
 * *err. */
bool choice_faults(const char *text, uint64_t *faults, struct err *err);
bool choice_behaviours(const char *text, sim_set *behaviours, struct err *err);
bool choice_seal(const char *text, enum sim_seal *seal, struct err *err);
bool choice_proposer(const char *text, enum sim_proposer *proposer, struct err *err);
/* "3-17,20": ascending. The caller frees *ranges. */
bool choice_ranges(const char *text, struct sim_range **ranges, size_t *cnt, struct err *err);
/* "17..400", or one number. */
bool choice_seeds(const char *text, uint64_t *first, uint64_t *last, struct err *err);

/* Fresh strings. */
char *choice_faults_text(uint64_t faults);
char *choice_behaviours_text(sim_set behaviours);
char *choice_command(const struct sim_options *o); /* quorate sim --seed ... */

#endif
