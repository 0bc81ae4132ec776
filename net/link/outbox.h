/*
 * outbox.h: what waits for one peer: encoded envelopes, oldest first, bounded by bytes.
 * Not thread-safe: its owner's lock covers it.
 */
#ifndef QUORATE_OUTBOX_H
#define QUORATE_OUTBOX_H

#include <sys/queue.h>

#include "wire.h"

/* A frame is filled up to this; an envelope that is bigger travels alone. */
#define OUTBOX_FRAME_BYTES ((size_t)1 << 20)

struct parcel;

struct outbox {
	STAILQ_HEAD(parcels, parcel) queue;
	size_t bytes, bytes_max;
	uint64_t dropped; /* envelopes */
};

void outbox_init(struct outbox *o, size_t bytes_max);
void outbox_clear(struct outbox *o);
bool outbox_empty(const struct outbox *o);

/* Appends; drops the oldest until the rest fits, but never the new one. */
void outbox_put(struct outbox *o, const struct qenvelope *env);

/* Moves the oldest envelopes into one encoded qframe (not when empty). Returns how many. */
unsigned outbox_take(struct outbox *o, struct bytes *frame);

#endif
