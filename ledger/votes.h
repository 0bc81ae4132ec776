/*
 * votes.h: the vote log: what this replica has signed and must not forget, in a SQLite file of its own.
 *
 * Durable before sent: the engine's records are put here, one votes_commit() (one fsync) per turn of
 * the loop, and only then are messages released.  A second, different record under one (kind, view, height)
 * of a vote is refused: that would be equivocation.  Created together with the replica's key: a log that was
 * made with its key and is empty has never voted.
 */
#ifndef QUORATE_VOTES_H
#define QUORATE_VOTES_H

#include "block.h"
#include "err.h"
#include "record.h"

struct votes;

/* Makes the log of a new key; fails if the file exists. vfs: NULL: the default. */
bool votes_create(const char *path, const struct qreplica_key *key, const char *vfs, struct err *err);

/*
 * Opens the log of this key. If the file is missing, a new one is made that is marked "amnesiac" (durably):
 * its replica must not vote until votes_recovered(). Errors: another key's, locked, damaged, disk.
 */
struct votes *votes_open(const char *path, const struct qreplica_key *key, const char *vfs, struct err *err);
void votes_close(struct votes *v);
bool votes_amnesiac(const struct votes *v);
bool votes_recovered(struct votes *v, struct err *err); /* clears the mark; with the next commit */

/* Kinds of record and their keys are record.h's. Bytes are borrowed. */
bool votes_put(struct votes *v, const struct vote_record *record, struct err *err);
bool votes_put_block(struct votes *v, const struct block *block, struct err *err); /* idempotent */
bool votes_commit(struct votes *v, struct err *err); /* does nothing if nothing was put */
/* For who measures them: told when such a commit begins, and when it has ended. */
void votes_watch(struct votes *v, void (*committing)(void *ctx, bool begins), void *ctx);

/* Drops blocks at or below `executed` and records at or below `records` (see record.h); lazily, in the
 * transaction that the next commit ends. */
bool votes_prune(struct votes *v, struct qheight executed, struct qheight records, struct err *err);

/* Everything that is there, for a restart: records in order of (kind, view, height), then blocks by
 * height. The callbacks borrow. */
bool votes_load(struct votes *v, const struct qhash *chain,
                void (*record)(void *ctx, const struct vote_record *record),
                void (*block)(void *ctx, struct block *block), void *ctx, struct err *err);

#endif
