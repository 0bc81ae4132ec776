/*
 * scrub.h: one pass over the ledger of a running node, a slice at a time: is every row still what the chain
 * says?
 *
 * The audit's replay without the transactions' signatures: the header chain ends in a block that the node
 * knows by heart, and hashes pin everything below it, witnesses included.  Each slice is one short read
 * transaction, so the writer's WAL can be checkpointed between two; rows of final blocks change in one way
 * only (spent_by, once), so slices of different moments fit together.
 *
 * A pass looks at all rows of all tables, the journal's up to the entry that meta named when it began, and at
 * the schema.  What it leaves to the audit: rows of blocks above `to`, but for the next pass; indexes and
 * what else is in the file's pages without being a row; signatures in the journal, whose links pin its
 * entries.
 */
#ifndef QUORATE_SCRUB_H
#define QUORATE_SCRUB_H

#include "genesis.h"

struct scrub; /* one thread */

/* A pass up to the block `tip` at height `to` (> 0), which the file holds. NULL with *err. */
struct scrub *scrub_begin(const char *path, const struct genesis *g, struct qheight to,
                          const struct qhash *tip, struct err *err);
void scrub_end(struct scrub *s);

enum scrub_verdict {
	SCRUB_MORE,  /* go on */
	SCRUB_WHOLE, /* the pass is over: every row is right */
	SCRUB_WRONG, /* *err (ERR_WORLD) names the ledger, the row and column, what it is and what it must be
	              */
	SCRUB_ERROR, /* the file cannot be read: *err */
};
/* The next `blocks` heights. */
enum scrub_verdict scrub_step(struct scrub *s, unsigned blocks, struct err *err);
struct qheight scrub_height(const struct scrub *s); /* done up to here */

#endif
