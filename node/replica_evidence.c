/*
 * replica_evidence.c: evidence: what is kept of it, and its exchange with peers, so that what one saw all
 * keep.
 */
#include "replica_impl.h"

void evidence_serve(struct replica *r, const struct message *m)
{
	(void)r;
	(void)m;
}

void evidence_on(struct replica *r, const struct message *m)
{
	(void)r;
	(void)m;
}
