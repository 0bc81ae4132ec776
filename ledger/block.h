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

/*
 * Tries the nonces from, from + 1, ... (cnt of them; after 2^64 - 1 comes 0) for a header that asks for proof
 * of work, and whose other fields are final. The first that brings block_hash() to at most the header's
 * target: into *nonce. False: none of them does.
 */
bool block_mine(const struct qheader *header, uint64_t from, uint64_t cnt, uint64_t *nonce);

/* Takes its own references to txs. Does not check the root. */
struct block *block_new(const struct qheader *header, struct tx *const *txs, size_t tx_cnt);
struct block *block_ref(struct block *b);
void block_unref(struct block *b);

/* Do leaves (cnt of them) have this header's count and Merkle root, without duplicates? */
bool block_leaves_match(const struct qheader *header, const struct qhash *leaves, size_t cnt);

/* As stored and sent. *q borrows the transactions' bytes: free q->txs.txs_val only. */
void block_to_wire(const struct block *b, struct qblock *q);

#endif
