/*
 * scrubber.h: the thread that reads the node's own ledger again and again: is every row still what the chain
 * says?
 *
 * Once in each period, from the start on, it makes one pass (scrub.h) up to the tip that the replica has
 * executed.  It has the lowest priority of all threads and works a few milliseconds at a time, with pauses
 * that leave it a few percent of one core; only where that would not do, it pauses less, so that a pass is
 * over within its period whatever the ledger's size.
 *
 * What becomes of a ledger that is found wrong, by a pass or by whoever used a row (node_guard.c):
 *
 *     a pass, or node_damaged()        -> the replica stops: no vote, nothing served; exit code 3 and a
 * message that names the row the replica stops for another    -> one more pass looks whether it is the
 * ledger's fault: somebody who reason                              writes to it while it is in use is noticed
 * by the next commit, too either                           -> a mark is left beside the ledger (suspect.h)
 *
 * A node that starts and finds the mark reads the whole ledger before it says a word to anybody.  Is it whole
 * (the row was put right, or another file is there), the mark goes and the node runs; if not, it refuses with
 * the row.  Where there is no ledger, because its operator moved it away, there is nothing to doubt: the mark
 * goes, and the chain comes from the other replicas.
 */
#ifndef QUORATE_SCRUBBER_H
#define QUORATE_SCRUBBER_H

#include "scrub.h"

struct scrubber_config { /* copied; what it points to is borrowed */
	const char *path;
	const struct genesis *genesis;
	uint64_t period_ms;
	void *ctx;
	/* The executed height and the hash of its block: the file holds both. False: not to be had now. */
	bool (*tip)(void *ctx, struct qheight *height, struct qhash *hash);
	/* A row is wrong: *err. Called at most once, by the thread, which ends then. */
	void (*wrong)(void *ctx, const struct err *err);
};

struct scrubber;
struct scrubber *scrubber_start(const struct scrubber_config *c);
void scrubber_stop(struct scrubber *s); /* waits for the slice that is being worked at; NULL is allowed */

struct scrubber_status {
	struct qheight height; /* the pass that runs is done up to here; else: the last one was */
	bool running;
	uint64_t passes;        /* that were over, every row right */
	uint64_t last_ok_at_ms; /* end of the last of them, wall clock; 0: none yet */
};
void scrubber_status(struct scrubber *s, struct scrubber_status *out);

/*
 * One pass, at full speed, by the caller's thread. go_on() is asked from time to time: false ends it with
 * SCRUB_MORE. Else SCRUB_WHOLE, or SCRUB_WRONG or SCRUB_ERROR with *err.
 */
enum scrub_verdict scrubber_once(const char *path, const struct genesis *g, struct qheight to,
                                 const struct qhash *tip, bool (*go_on)(void *ctx), void *ctx,
                                 struct err *err);

/* How a pass gets on; for the pace. */
struct scrubber_pace {
	uint64_t period_us, elapsed_us; /* since its beginning */
	uint64_t work_us, slice_us;     /* worked in all, and in the last slice */
	uint64_t done, left;            /* heights */
};
uint64_t scrubber_pause_us(const struct scrubber_pace *p); /* before the next slice */

#endif
