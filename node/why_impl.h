/*
 * why_impl.h: what the parts of why.c share.
 */
#ifndef QUORATE_WHY_IMPL_H
#define QUORATE_WHY_IMPL_H

#include "why.h"

/* What is known of a replica. */
struct replica_view {
	const struct why_node *node; /* its own word; NULL: not asked, or no answer */
	const struct why_node *seen_by;
	const struct why_peer *peer; /* of seen_by: who heard it last; NULL: nobody says */
	int64_t clock_ms;            /* less the others' */
	bool votes;
};

struct judging {
	const struct why_view *v;
	struct why_answer *out;
	struct replica_view replicas[Q_REPLICAS_MAX];
	const struct why_node *best; /* the highest that answers */
	unsigned together; /* of those that can vote, the most that one of them hears, with itself */
	bool all_asked;    /* so who has not answered is away, whatever others heard a moment ago */
};

/* Is it of a replica of this chain, and does it answer? */
bool why_same_chain(const struct judging *j, const struct why_node *n);

/* Has `n` heard nothing of that replica for long? Of whom it never heard, nothing is known. */
bool why_misses(const struct why_node *n, unsigned replica);

/* Puts together what all say of each: j->replicas, who can vote. why_look.c */
void why_look(struct judging *j);

#endif
