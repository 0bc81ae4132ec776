/*
 * evidence.h: evidence that stands by itself: anyone can check it with the genesis alone.
 */
#ifndef QUORATE_EVIDENCE_H
#define QUORATE_EVIDENCE_H

#include "genesis.h"

/*
 * An envelope of a replica of this chain whose signature holds and whose body is a canonical message; it
 * says nothing about signatures inside the message. *m is the caller's: wire_free(WIRE(qmessage), m).
 */
bool envelope_verify(const struct genesis *g, const struct qenvelope *env, struct qmessage *m,
                     struct err *err);

/*
 * Does it convict?  A conflict: one replica signed two statements that an honest one never signs both.  A bad
 * proposal: a signed PRE-PREPARE that is invalid whatever the ledger holds. A double spend: two signed
 * transactions that spend one output.  A fork: two certified chains that differ at a height, or one on
 * another genesis; it convicts more than f replicas, whoever they are. False with *err saying what is
 * lacking.
 */
bool evidence_verify(const struct genesis *g, const struct qevidence *ev, struct err *err);

#endif
