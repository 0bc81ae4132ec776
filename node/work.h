/*
 * work.h: the worker pool that checks signatures: bounded lanes, a few threads.
 *
 * Agreement comes first: one thread does nothing but LANE_VOTES, and of the others' time that lane has half
 * while there is something in all; the rest is shared by the other lanes, so that a flood in one slows that
 * one.  Own clients come last: what peers forward is on its way into blocks already, and a replica that does
 * not keep up with that must take on less, or it falls behind for good.  Within a lane the replicas take
 * turns, and each fills its own share only: what one traitor sends costs the others at most the time of the
 * item before theirs.
 */
#ifndef QUORATE_WORK_H
#define QUORATE_WORK_H

#include "fair.h"

enum work_lane {
	LANE_VOTES,    /* messages of agreement */
	LANE_WANTED,   /* bodies, and questions: some replica cannot go on without */
	LANE_FORWARDS, /* transactions from peers, and evidence */
	LANE_CLIENTS,  /* transactions of own clients */
	LANE_CNT
};

/* Of each source in each lane; a forward of transactions has 256 KiB.  Of forwards no more than what takes
 * part of a time-out to check: blocks wait for what is in them, and what is not here can be asked for. */
#define LANE_ITEMS_MAX 1024
#define LANE_BYTES_MAX (8u << 20)
#define FORWARDS_BYTES_MAX (4u << 20)

/* Embedded in what is to be done. run() runs once, on a worker; it owns the item. */
struct work_item {
	struct fair_item fair; /* first */
	void (*run)(struct work_item *item);
};

struct work;
/* That many threads, and one for LANE_VOTES alone. */
struct work *work_start(unsigned threads, unsigned replicas);

/* From a replica. False, and the item is still the caller's: its share of the lane is full, or work_stop()
 * was called. Never waits: a flood must not hold up what others send. */
bool work_offer(struct work *w, enum work_lane lane, unsigned replica, struct work_item *item);
/* From an own client: waits for room, which its request feels. False: work_stop() was called. */
bool work_put(struct work *w, struct work_item *item);

/* Do transactions wait for a worker? */
bool work_waits(struct work *w);

/* What waits in each lane, of all its sources. */
struct work_load {
	size_t items, bytes;
};
void work_load(struct work *w, struct work_load out[LANE_CNT]);

/* Refuses further items, runs those that are there, ends the threads. */
void work_stop(struct work *w);
void work_free(struct work *w); /* after work_stop(), when nobody calls work_put() any more */

#endif
