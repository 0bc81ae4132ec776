/*
 * block.h: block identity and what a header shows by itself.
 */
#ifndef QUORATE_BLOCK_H
#define QUORATE_BLOCK_H

#include "tx.h"

/* A block in memory: header and transactions in order; reference-counted, immutable. */
struct block {
	atomic_uint refs;
	struct qhash hash;
	struct qheader header;
	size_t tx_cnt;
	struct tx **txs; /* one reference each */
};

/* Tagged SHA-256 over the canonical header. */
void block_hash(const struct qheader *header, struct qhash *hash);

/* Takes its own references to txs. Does not check the root. */
struct block *block_new(const struct qheader *header, struct tx *const *txs, size_t tx_cnt);
struct block *block_ref(struct block *b);
void block_unref(struct block *b);

/* Do leaves (cnt of them) have this header's count and Merkle root, without duplicates? */
bool block_leaves_match(const struct qheader *header, const struct qhash *leaves, size_t cnt);

/* As stored and sent. *q borrows the transactions' bytes: free q->txs.txs_val only. */
void block_to_wire(const struct block *b, struct qblock *q);

#endif
