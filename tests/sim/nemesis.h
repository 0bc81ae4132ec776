/*
 * nemesis.h: the fate of machines and links; see check.h for what the world calls.
 */
#ifndef QUORATE_SIM_NEMESIS_H
#define QUORATE_SIM_NEMESIS_H

#include "sim.h"

void nemesis_start(struct sim *s);
void nemesis_tick(struct sim *s); /* an EV_NEMESIS came */
/* Ends all faults: network whole, clocks right, disks sound, machines up. */
void nemesis_end(struct sim *s);
void nemesis_free(struct sim *s);
/* What is sent, so that a cut can fall on a NEW-VIEW. */
void nemesis_sees(struct sim *s, const struct packet *p);

#endif
