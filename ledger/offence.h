/*
 * offence.h: what convicts a replica so that its stake is penalised: two votes that no honest replica signs
 * both.
 *
 * Two PREPAREs or two COMMITs of one (view, height), or two CHECKPOINTs of one height, with different
 * content; the very rule of evidence (evidence.h), cut down to what a transaction can carry.  Two proposals
 * of one (view, height) are among them: each carries its proposer's PREPARE. One conviction atones for all
 * that a replica did at heights up to it: an offence counts only if its height is above the replica's last
 * conviction and not above the block that holds it.
 */
#ifndef QUORATE_OFFENCE_H
#define QUORATE_OFFENCE_H

#include "genesis.h"

/* Do the two statements contradict each other?  Says nothing about signatures. */
bool offence_well_formed(const struct qoffence *o);
/* Are they the replica's?  About 100 us. */
bool offence_verify(const struct genesis *g, const struct qoffence *o);

/* From evidence of conflict (QEV_CONFLICT) that was verified; false: it convicts, but by messages
 * that no transaction can carry (VIEW-CHANGE, NEW-VIEW). */
bool offence_of(const struct genesis *g, const struct qevidence *ev, struct qoffence *out);

#endif
