/*
 * hash.h: domain-separated SHA-256.  No digest of one purpose can be mistaken
 * for one of another: every hash begins with the length and text of its tag.
 */
#ifndef QUORATE_HASH_H
#define QUORATE_HASH_H

#include "wire.h"

/* crypto_init() must have succeeded before anything else of crypto/ is used (see crypto.h). */

struct span {
	const void *data;
	size_t len;
};

/* SHA-256( u8(strlen(tag)) || tag || part[0] || ... ).  Tags are at most 255 bytes. */
void hash_tagged(const char *tag, const struct span *parts, size_t part_cnt, uint8_t out[32]);

/* The same over one part. */
void hash_bytes(const char *tag, const void *data, size_t len, uint8_t out[32]);

/* SHA-256( part[0] || ... ) without a tag: for RFC 6962 alone, which brings its own prefixes. */
void hash_plain(const struct span *parts, size_t part_cnt, uint8_t out[32]);

/* One of several hashes to be made: what hash_tagged() takes, or hash_plain() where tag is NULL. */
#define HASH_PARTS_MAX 3
struct hash_job {
	const char *tag;
	struct span parts[HASH_PARTS_MAX]; /* those that are not there are empty */
	uint8_t *out;                      /* 32 bytes, not among the parts */
};
/* The same as one after the other, and on many processors several times as fast; fastest where neighbours
 * have about the same length. */
void hash_many(const struct hash_job *jobs, size_t cnt);

/* SipHash under a key that crypto_init() chose for this process: for tables in memory, nothing else. */
uint32_t hash_short(const void *data, size_t len);
void hash_short_key(void); /* crypto_init()'s */

#endif
