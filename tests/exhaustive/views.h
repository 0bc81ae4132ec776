/*
 * views.h: what a new view can begin with: every V of Q VIEW-CHANGEs that can be made of those that honest
 * replicas have shown and of all that the traitor could say, by what certificates there are.  (A greater V
 * gives nothing new: one without the traitor is a V of Q for each three of it; in one with the traitor, it
 * can say itself what the one that is left out says.)
 */
#ifndef QUORATE_VIEWS_H
#define QUORATE_VIEWS_H

#include "names.h"

/* What the world's honest replicas have shown, as far as certificates can be made of it. */
struct shown {
	uint64_t prepared, committed,
	    stable;                /* sets of statements: f+1 honest replicas, so with the traitor a quorum */
	unsigned change[REPLICAS]; /* VIEW-CHANGE for the view in question: number of the message + 1 */
};

/* S, and the last block of O (of S, where O is empty). */
struct outcome {
	unsigned s, end;
	unsigned message; /* number of a NEW-VIEW with it; where the traitor is the primary */
};

/* The list is kept for ever. */
const struct outcome *outcomes_of(unsigned view, const struct shown *shown, unsigned *cnt);

/* Numbers of all VIEW-CHANGEs that the traitor can make, without those that say less for no gain. */
const unsigned *traitors_changes(unsigned view, const struct shown *shown, unsigned *cnt);

#endif
