/*
 * lthash.c: the homomorphic digest of the unspent set and whatever else is replicated.
 */
#include "lthash.h"
#include "hash.h"
#include "primitives.h"

#define EXPANSION (2 * LTHASH_LANES)

static uint16_t lane_at(const uint8_t *bytes, size_t i)
{
	return (uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
}

void lthash_add(struct lthash *h, const void *element, size_t len)
{
	uint8_t bytes[EXPANSION];
	primitives->expand(element, len, bytes, sizeof bytes);
	for (size_t i = 0; i < LTHASH_LANES; i++)
		h->lane[i] = (uint16_t)(h->lane[i] + lane_at(bytes, i));
}

void lthash_remove(struct lthash *h, const void *element, size_t len)
{
	uint8_t bytes[EXPANSION];
	primitives->expand(element, len, bytes, sizeof bytes);
	for (size_t i = 0; i < LTHASH_LANES; i++)
		h->lane[i] = (uint16_t)(h->lane[i] - lane_at(bytes, i));
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
