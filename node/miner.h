/*
 * miner.h: the node's mining threads: they search for the nonce that seals a header.
 *
 * One header at a time.  A search ends when its nonce is found, when another takes its place, or when it is
 * stopped; each thread then has at most MINER_CHUNK tries to finish, a fraction of a millisecond.  What was
 * found is handed out once, and never after its search was stopped or replaced.
 *
 *              miner_seal()              found: wake(ctx)
 *     idle ------------------> searching ------------------> found
 *      ^                       |  ^   ^                      |  |
 *      +--- miner_stop() ------+  +---|---- miner_seal() ----+  |
 *      +--- miner_stop(), miner_take() -------------------------+
 *
 * Each search begins at a random nonce, each thread at its own part of the numbers from there: replicas that
 * mine like headers do not repeat each other's tries, and threads never meet.
 *
 * What is given out is not checked again here: the replica does (replica_sealed()).
 *
 * All functions may be called from any thread; wake() is called by a mining thread that holds no lock.
 */
#ifndef QUORATE_MINER_H
#define QUORATE_MINER_H

#include "wire.h"

#define MINER_CHUNK 4096 /* tries between two looks at whether the search goes on */
#define MINER_THREADS_MAX 1024

struct miner;

/* That many threads (1 to MINER_THREADS_MAX), asleep. wake(ctx): miner_take() may have something to give. */
struct miner *miner_new(unsigned threads, void (*wake)(void *ctx), void *ctx);
/* Ends the search and joins the threads; wake() is not called any more.  Not from within wake(). */
void miner_free(struct miner *m);

/* Searches for the seal of this header, which asks for proof of work, in the place of whatever was searched
 * or found before.  Its nonce does not matter. */
void miner_seal(struct miner *m, const struct qheader *header);
/* Ends the search, and forgets what was found and not taken. */
void miner_stop(struct miner *m);
/* The header of the last miner_seal(), sealed: true once, with a copy in *header.  False: not found yet, or
 * stopped, or taken already. */
bool miner_take(struct miner *m, struct qheader *header);

/* Tries a second, of all threads together, over the last seconds in which they searched. 0: never yet. */
double miner_rate(const struct miner *m);
/* Tries since miner_new(). */
uint64_t miner_hashes(const struct miner *m);

#endif
