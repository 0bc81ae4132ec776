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

/* Elements, of a bounded length, that are to be added or removed: several are hashed at a time, which is
 * cheaper. All zero: none. */
#define LTHASH_QUEUE 16
#define LTHASH_ELEMENT_MAX 128 /* bytes */
struct lthash_queue {
	unsigned cnt;
	struct lthash_queued {
		uint8_t bytes[LTHASH_ELEMENT_MAX];
		uint8_t len;
		bool removed;
	} elements[LTHASH_QUEUE];
};
/* Flushes it when it is full. */
void lthash_put(struct lthash *h, struct lthash_queue *queue, const void *element, size_t len, bool removed);
void lthash_flush(struct lthash *h, struct lthash_queue *queue);

void lthash_add(struct lthash *h, const void *element, size_t len);
void lthash_remove(struct lthash *h, const void *element, size_t len);
void lthash_join(struct lthash *h, const struct lthash *other); /* adds all that was added to the other */
/* Tagged SHA-256 of the lanes, little endian. */
void lthash_digest(const struct lthash *h, struct qhash *out);

#endif
