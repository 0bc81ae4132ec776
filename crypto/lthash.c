/*
 * lthash.c: the homomorphic digest of the unspent set and whatever else is replicated.
 */
#include <endian.h>

#include "hash.h"
#include "lthash.h"
#include "primitives.h"

#define EXPANSION (2 * LTHASH_LANES)

/* The expansion as numbers, which are little endian: most processors then have nothing to do but to copy. */
static void expand(const void *element, size_t len, uint16_t lanes[LTHASH_LANES])
{
	primitives->expand(element, len, (uint8_t *)lanes, EXPANSION);
	for (size_t i = 0; i < LTHASH_LANES; i++)
		lanes[i] = le16toh(lanes[i]);
}

void lthash_add(struct lthash *h, const void *element, size_t len)
{
	uint16_t lanes[LTHASH_LANES];
	expand(element, len, lanes);
	for (size_t i = 0; i < LTHASH_LANES; i++)
		h->lane[i] = (uint16_t)(h->lane[i] + lanes[i]);
}

void lthash_remove(struct lthash *h, const void *element, size_t len)
{
	uint16_t lanes[LTHASH_LANES];
	expand(element, len, lanes);
	for (size_t i = 0; i < LTHASH_LANES; i++)
		h->lane[i] = (uint16_t)(h->lane[i] - lanes[i]);
}

void lthash_digest(const struct lthash *h, struct qhash *out)
{
	uint8_t bytes[EXPANSION];
	for (size_t i = 0; i < LTHASH_LANES; i++) {
		bytes[2 * i] = (uint8_t)h->lane[i];
		bytes[2 * i + 1] = (uint8_t)(h->lane[i] >> 8);
	}
	hash_bytes("quorate/lthash-digest/v1", bytes, sizeof bytes, out->b);
}
