/*
 * quorum.h: counting: sizes of quorums and tallies of votes by distinct replicas.
 */
#ifndef QUORATE_QUORUM_H
#define QUORATE_QUORUM_H

#include "wire.h"

/* A replica's vote at a height: at most one counts, the one of the highest view. */
struct vote {
	bool set;
	struct qview view;
	struct qhash block;
	struct qsig sig;
};

enum vote_noted {
	VOTE_NEW,      /* counts from now on */
	VOTE_KNOWN,    /* the very same statement was here */
	VOTE_PAST,     /* a vote of a later view by this replica is here */
	VOTE_CONFLICT, /* the same view, another block: equivocation; the first one stays */
};

/* Notes replica i's vote in votes[i]. */
enum vote_noted vote_note(struct vote *v, struct qview view, const struct qhash *block,
                          const struct qsig *sig);

/* How many of the n replicas voted for this block in this view. */
unsigned vote_tally(const struct vote *votes, unsigned n, struct qview view, const struct qhash *block);

/* The greatest value that at least k of the cnt values reach or exceed; 0 where k > cnt. */
uint64_t kth_greatest(const uint64_t *values, unsigned cnt, unsigned k);

#endif
