/*
 * mine.c: the search for a nonce whose hash is small enough.
 *
 * OpenSSL 3 calls the functions on single blocks deprecated, and has nothing in their place: EVP_Digest()
 * hashes all blocks anew, behind a context that costs as much as a block does.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <string.h>

#include "err.h"
#include "mine.h"
#include "primitives.h"

#define WORDS 8 /* of a digest */

/*
 * One attempt is made ready while the one before is being hashed.  Else the processor would have to load
 * whole registers of what it has just stored in pieces, and wait: a third of the speed.
 */
struct attempt {
	SHA256_CTX c;
	uint8_t end[2 * SHA256_CBLOCK]; /* the bytes after the midstate, the nonce, the padding */
};

struct search {
	SHA256_CTX midstate; /* after all whole blocks before the nonce */
	struct attempt attempts[2];
	size_t nonce_at, blocks; /* in `end` */
	SHA_LONG max[WORDS];
};

static void put64(uint8_t b[8], uint64_t v)
{
	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (56 - 8 * i));
}

static void start(struct search *s, const char *tag, const void *data, size_t len, const uint8_t max[32])
{
	size_t tag_len = strlen(tag);

	must(tag_len <= UINT8_MAX);
	*s = (struct search){0};
	must(SHA256_Init(&s->midstate) && SHA256_Update(&s->midstate, &(uint8_t){(uint8_t)tag_len}, 1) &&
	     SHA256_Update(&s->midstate, tag, tag_len) && SHA256_Update(&s->midstate, data, len));
	s->nonce_at = s->midstate.num;
	size_t used = s->nonce_at + 8;
	s->blocks = used + 1 + 8 <= SHA256_CBLOCK ? 1 : 2;
	uint8_t *end = s->attempts[0].end;
	memcpy(end, s->midstate.data, s->nonce_at);
	end[used] = 0x80;
	put64(end + s->blocks * SHA256_CBLOCK - 8, 8 * (1 + (uint64_t)tag_len + len + 8));
	s->attempts[1] = s->attempts[0];
	for (size_t i = 0; i < WORDS; i++)
		s->max[i] = (SHA_LONG)max[4 * i] << 24 | (SHA_LONG)max[4 * i + 1] << 16 |
		            (SHA_LONG)max[4 * i + 2] << 8 | max[4 * i + 3];
}

static bool at_most(const SHA_LONG a[WORDS], const SHA_LONG b[WORDS])
{
	for (size_t i = 0; i < WORDS; i++)
		if (a[i] != b[i])
			return a[i] < b[i];
	return true;
}

static struct attempt *ready(struct search *s, uint64_t nonce)
{
	struct attempt *t = &s->attempts[nonce % 2];

	memcpy(t->c.h, s->midstate.h, sizeof t->c.h);
	put64(t->end + s->nonce_at, nonce);
	return t;
}

bool mine_real(const char *tag, const void *data, size_t len, uint64_t from, uint64_t cnt,
               const uint8_t max[32], uint64_t *nonce)
{
	struct search s;

	start(&s, tag, data, len, max);
	for (struct attempt *t = ready(&s, from), *next; cnt > 0; t = next, from++, cnt--) {
		next = ready(&s, from + 1);
		for (size_t i = 0; i < s.blocks; i++)
			SHA256_Transform(&t->c, t->end + i * SHA256_CBLOCK);
		/* Nearly always the first word alone says no. */
		if (t->c.h[0] <= s.max[0] && at_most(t->c.h, s.max)) {
			*nonce = from;
			return true;
		}
	}
	return false;
}

bool mine_search(const char *tag, const void *data, size_t len, uint64_t from, uint64_t cnt,
                 const uint8_t max[32], uint64_t *nonce)
{
	return primitives->mine(tag, data, len, from, cnt, max, nonce);
}
