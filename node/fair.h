/*
 * fair.h: a queue of many sources, each bounded by itself, that takes turns among them: one that floods
 * fills its own place and waits behind nobody but itself.  Not thread-safe: its owner's lock covers it.
 */
#ifndef QUORATE_FAIR_H
#define QUORATE_FAIR_H

#include "wire.h"

/* Embedded in what waits, as its first member. */
struct fair_item {
	struct fair_item *next;
	size_t bytes; /* what it holds in memory, about */
};

struct fair {
	size_t cnt;                  /* of all sources */
	size_t items_max, bytes_max; /* of each; one item is let in whatever its size */
	unsigned sources, turn;
	struct fair_queue {
		struct fair_item *first, **last;
		size_t items, bytes;
	} queue[Q_REPLICAS_MAX];
};

void fair_init(struct fair *f, unsigned sources, size_t items_max, size_t bytes_max);
/* False, and the item is still the caller's: this source has no room. */
bool fair_put(struct fair *f, unsigned source, struct fair_item *item);
/* The oldest of the source whose turn it is; NULL: there is none. */
struct fair_item *fair_take(struct fair *f);
size_t fair_bytes(const struct fair *f); /* of all sources */

#endif
