/*
 * outbox.h: what waits for one peer: encoded envelopes, oldest first, bounded by bytes.
 * Not thread-safe: its owner's lock covers it.
 */
#ifndef QUORATE_OUTBOX_H
#define QUORATE_OUTBOX_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "wire.h"

/* A frame is filled up to this; an envelope that is bigger travels alone. */
#define OUTBOX_FRAME_BYTES ((size_t)1 << 20)

/* An envelope, encoded once for all the peers that it goes to. Immutable, counted; any thread. */
struct posting {
	atomic_uint refs;
	size_t len;
	uint8_t data[];
};

struct posting *posting_new(const struct qenvelope *env); /* one reference, the caller's */
void posting_unref(struct posting *p);

struct parcel;

struct outbox {
	STAILQ_HEAD(parcels, parcel) queue;
	size_t bytes, bytes_max;
	uint64_t dropped; /* envelopes */
};

void outbox_init(struct outbox *o, size_t bytes_max);
void outbox_clear(struct outbox *o);
bool outbox_empty(const struct outbox *o);

/* Appends (with a reference of its own); drops the oldest until the rest fits, but never the new one. */
void outbox_put(struct outbox *o, struct posting *p);

/* Moves the oldest envelopes into one encoded qframe (not when empty). Returns how many. */
unsigned outbox_take(struct outbox *o, struct bytes *frame);

#endif
