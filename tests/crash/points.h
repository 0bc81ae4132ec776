/*
 * points.h: numbered points in the life of a node, and one page of memory by which a test names the point at
 * which it ends.
 *
 * A point is a call by which the process leaves a trace outside itself: what would be there or missing if it
 * ended just before, just after, or in the middle of it. points.c is a library that LD_PRELOAD puts into the
 * unmodified program; it counts the points of each kind and raises SIGKILL at the one that is armed. The page
 * is shared: a test may arm a node when it starts it, or at any time while it runs.
 *
 * The process dies, the machine does not: what was written but not synced is there for the next start, as
 * after any kill -9. What a loss of power takes away is the business of the simulator's disk.
 */
#ifndef QUORATE_TEST_POINTS_H
#define QUORATE_TEST_POINTS_H

#include <stdatomic.h>
#include <stdint.h>

/* Environment of a node: the page's file; a descriptor into which one byte is written when HTTP listens. */
#define POINTS_FILE "QUORATE_POINTS"
#define POINTS_UP "QUORATE_POINTS_UP"

enum point_kind {
	POINT_VOTES_WRITE, /* the vote log's WAL: persist */
	POINT_VOTES_SYNC,
	POINT_LEDGER_WRITE, /* the ledger's WAL: execute; the journal's part of persist */
	POINT_LEDGER_SYNC,
	POINT_FOLD_WRITE, /* a database file itself: made, or its WAL folded in by a checkpoint */
	POINT_FOLD_SYNC,
	POINT_TRUNCATE,
	POINT_CREATE, /* open() that may make a file */
	POINT_NAME,   /* given, changed, taken away: unlink, rename, link, mkdir */
	POINT_SEND,   /* to another replica */
	POINT_ANSWER, /* to a client */
	POINT_KINDS
};

enum point_how {
	POINT_BEFORE,
	POINT_AFTER,
	POINT_TORN, /* after half of a write or of a send, where there is a half; else as BEFORE */
	POINT_FAIL, /* does not die: the call fails once, with ENOSPC, EIO or ECONNRESET */
	POINT_HOWS
};

enum point_phase { POINT_STARTING, POINT_RUNNING, POINT_STOPPING, POINT_PHASES };

struct points {
	/* by the test, before the start */
	uint32_t http_port;
	/* by the test; `left` last: each point of a kind in `kinds` takes one off, the one that makes it 0 is
	 * it */
	uint32_t kinds; /* a set of bits */
	uint32_t how;
	_Atomic uint32_t left; /* 0: not armed */
	_Atomic uint32_t phase;
	/* by the library */
	_Atomic uint32_t passed[POINT_KINDS];
	_Atomic uint32_t hit; /* 1: the armed point was reached, and these tell which */
	uint32_t hit_kind, hit_how, hit_phase, hit_number;
};

#endif
