/*
 * numbers.h: which numbers may belong to a key: an open-addressing table of (hash, number), eight bytes each.
 *
 * What a number stands for, and whether it is the one, its user knows, who keeps the things themselves in an
 * array. So this costs 11 to 22 bytes a thing, where a uthash handle costs 56, and no allocation of its
 * own. The hash is the user's too, keyed with a secret (hash_short()) where others choose what is hashed.
 */
#ifndef QUORATE_NUMBERS_H
#define QUORATE_NUMBERS_H

#include <stdint.h>
#include <stdlib.h>

#include "err.h"

#define NUMBERS_NONE UINT32_MAX

struct numbers_slot {
	uint32_t hash;
	uint32_t next; /* the number + 1; 0: free */
};

/* All zero: empty. */
struct numbers {
	struct numbers_slot
	    *slots; /* a power of two of them, at least a quarter free; each at or behind its hash */
	uint32_t mask, cnt;
};

static inline void numbers_free(struct numbers *x)
{
	free(x->slots);
	*x = (struct numbers){0};
}

/* The next number with this hash, or NUMBERS_NONE; *at is the hash at first, and numbers_next()'s afterwards.
 */
static inline uint32_t numbers_next(const struct numbers *x, uint32_t hash, uint32_t *at)
{
	if (!x->slots)
		return NUMBERS_NONE;
	for (;;) {
		const struct numbers_slot *slot = &x->slots[*at & x->mask];
		if (slot->next == 0)
			return NUMBERS_NONE;
		++*at;
		if (slot->hash == hash)
			return slot->next - 1;
	}
}

static inline void numbers_put(struct numbers *x, uint32_t hash, uint32_t number)
{
	uint32_t at = hash & x->mask;

	while (x->slots[at].next != 0)
		at = (at + 1) & x->mask;
	x->slots[at] = (struct numbers_slot){hash, number + 1};
}

/* Room for so many in all. */
static inline void numbers_reserve(struct numbers *x, uint32_t cnt)
{
	struct numbers grown = {.mask = x->slots ? x->mask : 7, .cnt = x->cnt};

	must(cnt <= UINT32_MAX / 4);
	while (cnt > grown.mask - grown.mask / 4)
		grown.mask = 2 * grown.mask + 1;
	if (x->slots && grown.mask == x->mask)
		return;
	grown.slots = xcalloc((size_t)grown.mask + 1, sizeof *grown.slots);
	for (uint32_t i = 0; x->slots && i <= x->mask; i++)
		if (x->slots[i].next != 0)
			numbers_put(&grown, x->slots[i].hash, x->slots[i].next - 1);
	free(x->slots);
	*x = grown;
}

static inline void numbers_add(struct numbers *x, uint32_t hash, uint32_t number)
{
	numbers_reserve(x, x->cnt + 1);
	numbers_put(x, hash, number);
	x->cnt++;
}

/* Must be there. Whatever was put behind it, because its place was taken, moves up. */
static inline void numbers_remove(struct numbers *x, uint32_t hash, uint32_t number)
{
	uint32_t hole = hash & x->mask;

	must(x->slots);
	while (x->slots[hole].next != number + 1) {
		must(x->slots[hole].next != 0);
		hole = (hole + 1) & x->mask;
	}
	for (uint32_t at = (hole + 1) & x->mask; x->slots[at].next != 0; at = (at + 1) & x->mask)
		if (((at - x->slots[at].hash) & x->mask) >= ((at - hole) & x->mask)) {
			x->slots[hole] = x->slots[at];
			hole = at;
		}
	x->slots[hole].next = 0;
	x->cnt--;
}

#endif
