/*
 * sha_lanes.c: FIPS 180-4, written once for a vector of numbers in the place of each number.
 */
#include "sha_lanes.h"

#include <string.h>

#include "err.h"

#define BLOCK 64

static unsigned lane_cnt; /* written once, before there are threads that hash */

unsigned sha_lanes_cnt(void)
{
	return lane_cnt;
}

#if defined __x86_64__

#include <cpuid.h>

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

#define TURNED(x, n) ((x) >> (n) | (x) << (32 - (n)))

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Word i of each lane's block, next to one another. Lanes that are done, or not there, repeat the first. */
static void load(uint32_t *words, unsigned lanes, const uint8_t *const *data, const size_t *block_cnt,
                 size_t cnt, size_t block)
{
	for (size_t l = 0; l < lanes; l++) {
		const uint8_t *p = l < cnt && block < block_cnt[l] ? data[l] + block * BLOCK : data[0];
		for (size_t i = 0; i < 16; i++)
			words[i * lanes + l] = be32(p + 4 * i);
	}
}

/* The digests of the lanes whose last block that was. */
static void store(const uint32_t *state, unsigned lanes, const size_t *block_cnt, size_t cnt, size_t block,
                  uint8_t *const *out)
{
	for (size_t l = 0; l < cnt; l++) {
		if (block_cnt[l] != block + 1)
			continue;
		for (size_t i = 0; i < 8; i++) {
			uint32_t v = state[i * lanes + l];
			out[l][4 * i] = (uint8_t)(v >> 24);
			out[l][4 * i + 1] = (uint8_t)(v >> 16);
			out[l][4 * i + 2] = (uint8_t)(v >> 8);
			out[l][4 * i + 3] = (uint8_t)v;
		}
	}
}

static size_t most(const size_t *block_cnt, size_t cnt)
{
	size_t max = 0;

	for (size_t i = 0; i < cnt; i++)
		max = block_cnt[i] > max ? block_cnt[i] : max;
	return max;
}

#define LANES 8
#define NAME(x) x##_8
#define TARGET __attribute__((target("avx2")))
#include "sha_lanes_of.h"
#undef LANES
#undef NAME
#undef TARGET

#define LANES 16
#define NAME(x) x##_16
#define TARGET __attribute__((target("avx512f")))
#include "sha_lanes_of.h"

bool sha_lanes_use(unsigned lanes)
{
	bool can = lanes == 0 || (lanes == 8 && __builtin_cpu_supports("avx2")) ||
	           (lanes == 16 && __builtin_cpu_supports("avx512f"));

	if (can)
		lane_cnt = lanes;
	return can;
}

/* With instructions for SHA-256 libcrypto is about as fast, one message at a time. */
void sha_lanes_init(void)
{
	unsigned a, b = 0, c, d;
	bool instructions = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);

	if (!instructions && !sha_lanes_use(16))
		sha_lanes_use(8);
}

void sha_lanes(const uint8_t *const *data, const size_t *block_cnt, size_t cnt, uint8_t *const *out)
{
	must(cnt > 0 && cnt <= lane_cnt);
	if (lane_cnt == 16)
		hash_16(data, block_cnt, cnt, out);
	else
		hash_8(data, block_cnt, cnt, out);
}

#else

bool sha_lanes_use(unsigned lanes)
{
	return lanes == 0;
}

void sha_lanes_init(void) {}

void sha_lanes(const uint8_t *const *data, const size_t *block_cnt, size_t cnt, uint8_t *const *out)
{
	(void)data, (void)block_cnt, (void)cnt, (void)out;
	must(false); /* there are no lanes */
}

#endif
