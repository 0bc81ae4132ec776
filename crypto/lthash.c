/*
 * lthash.c: the homomorphic digest of the unspent set and whatever else is replicated.
 */
#include <sodium.h>

#include "hash.h"
#include "lthash.h"

#define EXPANSION (2 * LTHASH_LANES)

static void expand(const void *element, size_t len, uint8_t out[EXPANSION])
{
	static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES]; /* one stream per key */
	uint8_t key[32];
	hash_bytes("quorate/lthash/v1", element, len, key);
	crypto_stream_chacha20_ietf(out, EXPANSION, nonce, key);
}

static uint16_t lane_at(const uint8_t *bytes, size_t i)
{
	return (uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
}

void lthash_add(struct lthash *h, const void *element, size_t len)
{
	uint8_t bytes[EXPANSION];
	expand(element, len, bytes);
	for (size_t i = 0; i < LTHASH_LANES; i++)
		h->lane[i] = (uint16_t)(h->lane[i] + lane_at(bytes, i));
}

void lthash_remove(struct lthash *h, const void *element, size_t len)
{
	uint8_t bytes[EXPANSION];
	expand(element, len, bytes);
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
