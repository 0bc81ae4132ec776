/*
 * work.h: the worker pool that checks signatures: bounded lanes, a few threads.
 *
 * Agreement comes first: half of the picks prefer LANE_VOTES, the rest is shared by the other lanes, so that
 * a flood in one lane slows that lane.  A full lane blocks who fills it: back-pressure reaches the peer's
 * connection, or the client's request.
 */
#ifndef QUORATE_WORK_H
#define QUORATE_WORK_H

#include <stdbool.h>
#include <stddef.h>

enum work_lane {
	LANE_VOTES,   /* messages of agreement */
	LANE_BULK,    /* transactions and bodies from peers */
	LANE_CLIENTS, /* transactions of own clients */
	LANE_CNT
};

#define LANE_ITEMS_MAX 4096
#define LANE_BYTES_MAX (32u << 20) /* one item is let in whatever its size */

/* Embedded in what is to be done. run() runs once, on a worker; it owns the item. */
struct work_item {
	struct work_item *next;
	size_t bytes;
	void (*run)(struct work_item *item);
};

struct work;
struct work *work_start(unsigned threads);

/* Waits for room. False, and the item is still the caller's, once work_stop() was called. */
bool work_put(struct work *w, enum work_lane lane, struct work_item *item);

/* Refuses further items, runs those that are there, ends the threads. */
void work_stop(struct work *w);
void work_free(struct work *w); /* after work_stop(), when nobody calls work_put() any more */

#endif
