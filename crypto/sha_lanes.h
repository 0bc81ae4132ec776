/*
 * sha_lanes.h: SHA-256 of many short messages side by side, one in each lane of wide registers; for
 * primitives.c alone.
 *
 * Pays on processors with such registers but without instructions for SHA-256: there a message costs a
 * quarter (AVX2) to an eighth (AVX-512) of what it does alone.  Plain C: compilers know how to compute with
 * vectors.
 */
#ifndef QUORATE_SHA_LANES_H
#define QUORATE_SHA_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA_LANES_MAX 16

/* So many at a time; 0: it does not pay here. */
unsigned sha_lanes_cnt(void);
/* crypto_init()'s: as many as pay on this processor. */
void sha_lanes_init(void);
/* 0, 8 or 16, for tests; false: this processor cannot. Not while other threads hash. */
bool sha_lanes_use(unsigned lanes);

/*
 * Messages that are padded already: message i has block_cnt[i] >= 1 blocks of 64 bytes at data[i]; its digest
 * goes to out[i].  `cnt` is at most sha_lanes_cnt().
 */
void sha_lanes(const uint8_t *const *data, const size_t *block_cnt, size_t cnt, uint8_t *const *out);

#endif
