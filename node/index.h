/*
 * index.h: a hash index: finds what its owner keeps, by a key that stands in it.
 *
 * Slots of a hash and a pointer, probed one after the other: a look-up reads one line of memory before it
 * reads an item with the right hash.  So the caller hashes a key once, for however many indexes, and passes
 * the hash (hash_short()'s: of the process' secret, for keys are made by others) with an equality. It grows
 * by doubling, when it is half full; it does not shrink. Nothing goes in its order.
 */
#ifndef QUORATE_INDEX_H
#define QUORATE_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "err.h"

/* All zero: empty. */
struct index {
	struct index_slot {
		void *item; /* NULL: free */
		uint32_t hash;
	} * slots;
	size_t cap, cnt; /* cap: a power of two, or 0 */
};

#define INDEX_CAP_MIN 64

typedef bool index_eq(const void *item, const void *key);

/* The item of this key; NULL: there is none. */
static inline void *index_find(const struct index *x, uint32_t hash, index_eq *eq, const void *key)
{
	const struct index_slot *s;

	if (x->cnt == 0)
		return NULL;
	for (size_t i = hash & (x->cap - 1); (s = &x->slots[i])->item; i = (i + 1) & (x->cap - 1))
		if (s->hash == hash && eq(s->item, key))
			return s->item;
	return NULL;
}

static inline void index_put(struct index *x, uint32_t hash, void *item)
{
	size_t i = hash & (x->cap - 1);

	while (x->slots[i].item)
		i = (i + 1) & (x->cap - 1);
	x->slots[i] = (struct index_slot){item, hash};
}

static inline void index_grow(struct index *x)
{
	struct index old = *x;

	x->cap = old.cap ? 2 * old.cap : INDEX_CAP_MIN;
	x->slots = xcalloc(x->cap, sizeof *x->slots);
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].item)
			index_put(x, old.slots[i].hash, old.slots[i].item);
	free(old.slots);
}

/* No item of this key may be there. */
static inline void index_add(struct index *x, uint32_t hash, void *item)
{
	if (2 * x->cnt >= x->cap)
		index_grow(x);
	index_put(x, hash, item);
	x->cnt++;
}

/* This very item, which must be there. Those behind it move up, so that no search ends too early. */
static inline void index_remove(struct index *x, uint32_t hash, const void *item)
{
	size_t mask = x->cap - 1, hole = hash & mask;

	must(x->cnt > 0);
	while (x->slots[hole].item != item) {
		must(x->slots[hole].item);
		hole = (hole + 1) & mask;
	}
	for (size_t i = (hole + 1) & mask; x->slots[i].item; i = (i + 1) & mask) {
		if (((i - x->slots[i].hash) & mask) < ((i - hole) & mask))
			continue; /* its search begins behind the hole */
		x->slots[hole] = x->slots[i];
		hole = i;
	}
	x->slots[hole].item = NULL;
	x->cnt--;
}

static inline void index_free(struct index *x)
{
	free(x->slots);
	*x = (struct index){0};
}

#endif
