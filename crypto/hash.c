/*
 * hash.c: tagged SHA-256, the only hash of what quorate signs or chains; SipHash for tables in memory.
 */
#include <sodium.h>

#include "err.h"
#include "hash.h"

void hash_plain(const struct span *parts, size_t part_cnt, uint8_t out[32])
{
	crypto_hash_sha256_state state;
	crypto_hash_sha256_init(&state);
	for (size_t i = 0; i < part_cnt; i++)
		crypto_hash_sha256_update(&state, parts[i].data, parts[i].len);
	crypto_hash_sha256_final(&state, out);
}

void hash_tagged(const char *tag, const struct span *parts, size_t part_cnt, uint8_t out[32])
{
	size_t tag_len = strlen(tag);
	must(tag_len <= UINT8_MAX);
	uint8_t len = (uint8_t)tag_len;
	crypto_hash_sha256_state state;
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, &len, 1);
	crypto_hash_sha256_update(&state, (const uint8_t *)tag, tag_len);
	for (size_t i = 0; i < part_cnt; i++)
		crypto_hash_sha256_update(&state, parts[i].data, parts[i].len);
	crypto_hash_sha256_final(&state, out);
}

void hash_bytes(const char *tag, const void *data, size_t len, uint8_t out[32])
{
	hash_tagged(tag, &(struct span){data, len}, 1, out);
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
