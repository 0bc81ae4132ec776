/*
 * lthash.h: an incremental digest of a multiset: LtHash with 1024 lanes of 16 bits
 * (Bellare & Micciancio, EUROCRYPT'97; Lewi, Kim, Maykov & Weis, "Securing Update
 * Propagation with Homomorphic Hashing", 2019).  Adding and removing an element cost
 * one hash each, in any order, whatever the set's size.
 *
 * The paper expands each element with BLAKE2Xb.  Here an element is hashed by tagged
 * SHA-256 to a ChaCha20 key whose 2048-byte key stream is the expansion: the same
 * random-function assumption on a primitive of the same family, at a fifth of the cost.
 */
#ifndef QUORATE_LTHASH_H
#define QUORATE_LTHASH_H

#include "wire.h"

#define LTHASH_LANES 1024

struct lthash {
	uint16_t lane[LTHASH_LANES]; /* all zero: the empty set */
};

void lthash_add(struct lthash *h, const void *element, size_t len);
void lthash_remove(struct lthash *h, const void *element, size_t len);
/* Tagged SHA-256 of the lanes, little endian. */
void lthash_digest(const struct lthash *h, struct qhash *out);

#endif
