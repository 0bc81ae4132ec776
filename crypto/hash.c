/*
 * hash.c: tagged SHA-256, the only hash of what quorate signs or chains; SipHash for tables in memory.
 */
#include <sodium.h>

#include "hash.h"
#include "primitives.h"

void hash_plain(const struct span *parts, size_t part_cnt, uint8_t out[32])
{
	primitives->hash(NULL, parts, part_cnt, out);
}

void hash_tagged(const char *tag, const struct span *parts, size_t part_cnt, uint8_t out[32])
{
	primitives->hash(tag, parts, part_cnt, out);
}

void hash_bytes(const char *tag, const void *data, size_t len, uint8_t out[32])
{
	hash_tagged(tag, &(struct span){data, len}, 1, out);
}

void hash_many(const struct hash_job *jobs, size_t cnt)
{
	primitives->hash_many(jobs, cnt);
}

static uint8_t short_key[crypto_shorthash_KEYBYTES]; /* written once, before there are threads that hash */

void hash_short_key(void)
{
	crypto_shorthash_keygen(short_key);
}

uint32_t hash_short(const void *data, size_t len)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint32_t value;
	crypto_shorthash(out, data, len, short_key);
	memcpy(&value, out, sizeof value);
	return value;
}
