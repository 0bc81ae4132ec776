/*
 * mine.h: the search for a nonce whose hash is small enough.
 *
 * hash_tagged() over data that end in the nonce, but from a midstate: everything up to the last 64-byte
 * block is hashed once a call, and a try costs that block's one compression (two where nonce and padding do
 * not fit into one).  By libcrypto, which has SHA-256 in the processor's own instructions where there are
 * any.
 */
#ifndef QUORATE_MINE_H
#define QUORATE_MINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The first nonce n of from, from + 1, ... (cnt of them; after 2^64 - 1 comes 0) such that
 *     SHA-256( u8(strlen(tag)) || tag || data || be64(n) )
 * is at most `max`, both as big-endian numbers.  False: none of them, and *nonce is untouched.
 * A tag has at most 255 bytes.
 */
bool mine_search(const char *tag, const void *data, size_t len, uint64_t from, uint64_t cnt,
                 const uint8_t max[32], uint64_t *nonce);

/* The same by libcrypto, whatever table of primitives is in use: that table's entry. */
bool mine_real(const char *tag, const void *data, size_t len, uint64_t from, uint64_t cnt,
               const uint8_t max[32], uint64_t *nonce);

#endif
