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
 * The engine's rule PP7: what the one signed PRE-PREPARE of replica `sender` shows by itself is in order:
 * format, proposer, seal, count, root, distinct leaves.  Cheap things come first.
 *
 * No evidence is what only a ledger shows, though the engine refuses it, too: a target that is not what the
 * block's ancestors ask for (its work was done, for an easier one), a proposer who has no turn (that needs
 * the stakes), time, parent and transactions.
 */
bool proposal_well_formed(const struct genesis *g, unsigned sender, const struct qproposal *p);

/*
 * Does it convict?  A conflict: one replica signed two statements that an honest one never signs both.  A bad
 * proposal: a signed PRE-PREPARE that is invalid whatever the ledger holds. A double spend: two signed
 * transactions that spend one output.  A fork: two certified chains that differ at a height, or one on
 * another genesis; it convicts more than f replicas, whoever they are. False with *err saying what is
 * lacking.
 */
bool evidence_verify(const struct genesis *g, const struct qevidence *ev, struct err *err);

#endif
