/*
 * finality.h: a transaction from a node's hands to proof: what the commands that pay and the client library
 * share.
 *
 * The transaction is made and signed once; from then on it may be handed to any node, any number of
 * times, for at most one copy can become final.
 *
 * A node may lie, and who believes a false "rejected" pays twice. So no node's word ends the waiting:
 *   committed          a receipt of the transaction holds against the genesis;
 *   rejected           double_spend: a receipt of another transaction holds against the genesis, and that one
 *                      spends one of the inputs;
 *   rejected, expired  for another reason, of which there is no proof: f+1 of the nodes that the user named
 *                      give it. One of them is honest, and what an honest one refuses for good never becomes
 *                      final.
 * Everything else is tried again, here and elsewhere, until the time is over: then the outcome is unknown.
 * Only where `no_wait` is set, a node's word is passed on, as that.
 */
#ifndef QUORATE_FINALITY_H
#define QUORATE_FINALITY_H

#include "client.h"

enum outcome { COMMITTED, REJECTED, EXPIRED, SUBMITTED, UNKNOWN };

#define FINALITY_CODE_MAX sizeof(((struct client_fate *)0)->code)

struct finality {
	const struct genesis *genesis; /* borrowed; NULL: with no_wait alone */
	struct client *client;         /* borrowed */
	const struct tx *tx;           /* borrowed */
	bool no_wait;
	uint64_t deadline_ms;               /* monotonic */
	char (*refused)[FINALITY_CODE_MAX]; /* by node: why it refused the transaction for good; "": it did
	                                       not */
	size_t refused_cnt;                 /* so many said what the last one said */
	struct client_fate fate;            /* the last that a node said; .height is proven where COMMITTED */
	struct qreceipt receipt;            /* what proves it, where COMMITTED */
	struct err trouble;                 /* the last that went wrong on the way */
};

/* Zeroes *f and begins; finality_end() it. The transaction is to be set before finality_wait(). */
void finality_begin(struct finality *f, const struct genesis *g, struct client *c, uint64_t timeout_ms);
void finality_end(struct finality *f);

/* Submits and waits. Not REJECTED, EXPIRED or SUBMITTED unless there is what is said above. */
enum outcome finality_wait(struct finality *f);

/* What came out, in words: "final; ...". */
#define FINALITY_TEXT 1024
const char *finality_text(const struct finality *f, enum outcome o, char text[FINALITY_TEXT]);

/*
 * The receipt of a final transaction, from whichever node gives one that receipt_proves() it.
 * wire_free(WIRE(qreceipt), out). False with *err: ERR_NO, none of them knows it, or what was given proves
 * nothing; ERR_WORLD: no answer.
 */
bool finality_receipt(struct client *c, const struct genesis *g, const struct qtxid *id, struct qreceipt *out,
                      struct err *err);

#endif
