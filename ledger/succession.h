/*
 * succession.h: a new chain that begins with what an old one ended with.
 *
 * A replica's key is lost, a member joins, a parameter changes: all of these are in the genesis, which never
 * changes, so a new chain takes over.  Its genesis names the old chain's end (struct qparent: chain, height,
 * block, digest of the state), and its allocations are what was unspent there.  Everything in it follows from
 * the old ledger and from what its founders chose (replicas, parameters), so whoever has that ledger makes it
 * again and compares.
 *
 * What is carried over:
 *
 * 1  Each unspent output is an allocation, in the order of the old chain.  Where they are more than a genesis
 *    has room for, there is one for each owner and lock instead, in the order of the addresses.
 *
 * 2  Stake goes on backing the replica of the same name, if the new chain has one and chooses proposers by
 *    stake; else it is free.  So is stake that counts no more since its replica was convicted: who was found
 *    out does not come back by a new chain.
 *
 * 3  What was released is free: the delay only keeps it liable for votes of the old chain, and no vote of
 *    that chain is one of the new.
 *
 * 4  What is frozen, and penalties that are due, are left behind: nobody could ever spend them.
 *
 * Transactions of the old chain are none of the new one: their ids, which owners sign, cover the chain id.
 */
#ifndef QUORATE_SUCCESSION_H
#define QUORATE_SUCCESSION_H

#include "ledger.h"

struct succession {
	struct qparent parent;
	uint64_t time_ms; /* of its last block; of the old genesis if there is none */
	struct inherited {
		struct qoutput out;     /* an allocation */
		struct qoutpoint from;  /* of the old chain; where it is summed, of the first of them */
		struct qheight made_at; /* that one; 0: the old genesis */
		int64_t row;            /* of its transaction in the store */
	} * list;
	size_t cnt;
	size_t outputs;         /* of the old chain that went into it */
	bool summed;            /* rule 1: one for each owner and lock */
	uint64_t carried, left; /* together the old chain's supply */
};

/*
 * What a new chain with the replicas and the rule for proposers of `heir` takes over from the end of a
 * ledger, into at most `max` allocations (Q_ALLOCS_MAX).  False with ERR_INPUT: they are more.
 */
bool succession_make(struct ledger *old, const struct genesis *was, const struct qgenesis *heir, size_t max,
                     struct succession *out, struct err *err);
void succession_free(struct succession *s);

/* The allocations into *heir (replaced), and its format. */
void succession_write(const struct succession *s, struct genesis *heir);

/*
 * Is this genesis the one that takes over as *s says?  False with ERR_NO and the first field that differs,
 * what it is and must be; with ERR_WORLD where it names a height above the ledger's, which can tell nothing
 * then.
 */
bool succession_check(const struct succession *s, const struct genesis *g, struct err *err);

#endif
