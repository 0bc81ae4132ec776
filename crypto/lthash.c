/*
 * lthash.c: the homomorphic digest of the unspent set and whatever else is replicated.
 */
#include <endian.h>
#include <string.h>

#include "err.h"
#include "hash.h"
#include "lthash.h"
#include "primitives.h"

#define EXPANSION (2 * LTHASH_LANES)

/* Adds or takes away what an element expands to: numbers of two bytes, little endian. */
static void apply(struct lthash *h, uint16_t lanes[LTHASH_LANES], bool removed)
{
	for (size_t i = 0; i < LTHASH_LANES; i++)
		lanes[i] = le16toh(lanes[i]); /* most processors have nothing to do */
	for (size_t i = 0; i < LTHASH_LANES; i++)
		h->lane[i] = (uint16_t)(removed ? h->lane[i] - lanes[i] : h->lane[i] + lanes[i]);
}

void lthash_flush(struct lthash *h, struct lthash_queue *queue)
{
	uint16_t lanes[LTHASH_LANES];

	for (unsigned i = 0; i < queue->cnt; i++) {
		const struct lthash_queued *e = &queue->elements[i];
		primitives->expand(e->bytes, e->len, (uint8_t *)lanes, EXPANSION);
		apply(h, lanes, e->removed);
	}
	queue->cnt = 0;
}

void lthash_put(struct lthash *h, struct lthash_queue *queue, const void *element, size_t len, bool removed)
{
	struct lthash_queued *e = &queue->elements[queue->cnt++];

	must(len <= sizeof e->bytes);
	memcpy(e->bytes, element, len);
	e->len = (uint8_t)len;
	e->removed = removed;
	if (queue->cnt == LTHASH_QUEUE)
		lthash_flush(h, queue);
}

static void put_one(struct lthash *h, const void *element, size_t len, bool removed)
{
	struct lthash_queue queue;

	queue.cnt = 0;
	lthash_put(h, &queue, element, len, removed);
	lthash_flush(h, &queue);
}

void lthash_add(struct lthash *h, const void *element, size_t len)
{
	put_one(h, element, len, false);
}

void lthash_remove(struct lthash *h, const void *element, size_t len)
{
	put_one(h, element, len, true);
}

void lthash_join(struct lthash *h, const struct lthash *other)
{
	for (size_t i = 0; i < LTHASH_LANES; i++)
		h->lane[i] = (uint16_t)(h->lane[i] + other->lane[i]);
}

void lthash_digest(const struct lthash *h, struct qhash *out)
{
	uint8_t bytes[EXPANSION];
	for (size_t i = 0; i < LTHASH_LANES; i++) {
		bytes[2 * i] = (uint8_t)h->lane[i];
		bytes[2 * i + 1] = (uint8_t)(h->lane[i] >> 8);
	}
	hash_bytes("quorate/lthash-digest/v1", bytes, sizeof bytes, out->b);
}
