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
 * Does it convict?  With the genesis alone:
 *
 *   conflict      one replica signed two statements of which an honest one signs at most one: of one kind and
 *                 (view, height), height or target view, with different content; or a COMMIT, and a
 *                 VIEW-CHANGE for a later view that hides what the COMMIT proves (view_change_hides())
 *   bad proposal  a signed PRE-PREPARE that is invalid whatever the ledger holds (PP7)
 *   double spend  two signed transactions that spend one output, with a signer in common: him it convicts
 *   fork          two certified chains that differ at a height, or one on another genesis: more than f
 *                 lied. It convicts those who signed COMMITs of both in one view, or CHECKPOINTs of both
 *                 at one height; those whose VIEW-CHANGE in `hiding` hides what their COMMIT in
 *                 first.cert proves; and those who signed both certificates of `prepared`. Who that is
 *                 need not be known
 *
 * False with *err saying what is lacking.
 */
bool evidence_verify(const struct genesis *g, const struct qevidence *ev, struct err *err);

/*
 * An honest replica that signed this COMMIT has that block, and all below it down to its certified tip,
 * prepared in that view, linked (CO1), and keeps the certificates (CO2).  So whatever view it asks for later,
 * above the tip and the stable checkpoint that it then reports, it reports a certificate of that view or a
 * later one at each height up to that of the COMMIT, and those of that view are for that block and its
 * ancestors (VC1). Does the VIEW-CHANGE, for a later view, not?
 *
 * Why no less: a NEW-VIEW drops a block, though nobody among the signers of its certificate hides it, only
 * where another certificate is not on the same chain, or two certificates of PREPAREs contradict each other.
 */
bool view_change_hides(const struct qvote *commit, const struct qview_change *vc);

/* What a piece of evidence is about: for rows, lists and bounds. */
struct evidence_facts {
	uint64_t culprits;    /* bit i: replica i */
	enum qkind statement; /* of the (first) envelope; of a fork's first certificate; 0: a double spend */
	struct qview view;    /* of that statement; 0 where it has none */
	struct qheight
	    height; /* the same; of a fork: the lowest at which it shows two blocks; 0: another genesis */
	struct qhash first,
	    second;              /* what was stated: blocks (at `height`), digests of VIEW-CHANGE or NEW-VIEW;
	                            ids of winner and loser. A bad proposal has no second: zero */
	struct qaddress signer;  /* of both transactions of a double spend: the lowest address */
	struct qoutpoint output; /* that both spend: the first of the loser's */
};
/* Signatures are not checked: true of evidence that holds, else it says nothing. False: its parts are not
 * canonical, or it is obviously none. */
bool evidence_facts(const struct genesis *g, const struct qevidence *ev, struct evidence_facts *out);

const char *evidence_kind_name(qevidence_kind kind); /* "conflict", "bad_proposal", "double_spend", "fork" */
const char *statement_name(enum qkind kind);         /* "pre_prepare", "prepare", ... "new_view" */

#endif
