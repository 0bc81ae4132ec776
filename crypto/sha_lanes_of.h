/*
 * sha_lanes_of.h: the part of sha_lanes.c that is compiled once for each number of LANES, named by NAME() and
 * for the processors of TARGET.  No guard: it is meant to be included again.
 */

typedef uint32_t NAME(vec) __attribute__((vector_size(4 * LANES)));

/* One block of every lane; w is used up. */
TARGET static inline void NAME(compress)(NAME(vec) state[8], NAME(vec) w[16])
{
	NAME(vec) a = state[0], b = state[1], c = state[2], d = state[3];
	NAME(vec) e = state[4], f = state[5], g = state[6], h = state[7];

#pragma GCC unroll 16
	for (unsigned i = 0; i < 64; i++) {
		NAME(vec) x = w[i % 16];
		if (i >= 16) {
			NAME(vec) p = w[(i + 1) % 16], q = w[(i + 14) % 16];
			x += (TURNED(p, 7) ^ TURNED(p, 18) ^ p >> 3) + w[(i + 9) % 16] +
			     (TURNED(q, 17) ^ TURNED(q, 19) ^ q >> 10);
			w[i % 16] = x;
		}
		NAME(vec)
		one = h + (TURNED(e, 6) ^ TURNED(e, 11) ^ TURNED(e, 25)) + (g ^ (e & (f ^ g))) +
		      round_constants[i] + x;
		NAME(vec) two = (TURNED(a, 2) ^ TURNED(a, 13) ^ TURNED(a, 22)) + ((a & b) | (c & (a | b)));
		h = g;
		g = f;
		f = e;
		e = d + one;
		d = c;
		c = b;
		b = a;
		a = one + two;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

TARGET static void NAME(hash)(const uint8_t *const *data, const size_t *block_cnt, size_t cnt,
                              uint8_t *const *out)
{
	NAME(vec) state[8], w[16];
	size_t blocks = most(block_cnt, cnt);

	for (size_t i = 0; i < 8; i++)
		state[i] = (NAME(vec)){0} + start[i];
	for (size_t block = 0; block < blocks; block++) {
		load((uint32_t *)w, LANES, data, block_cnt, cnt, block);
		NAME(compress)(state, w);
		store((const uint32_t *)state, LANES, block_cnt, cnt, block, out);
	}
}
