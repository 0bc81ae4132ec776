/*
 * backup.h: a copy of a ledger, made while its node goes on writing, that takes its name whole or not at all.
 *
 *   backup_begin()     TO.quorate-partial, mode 0600, in the folder of TO: locked against a second copy to TO
 *   backup_copy()      one committed state of the ledger into it; then the copy is read through
 *   backup_path()      where it lies until then, for whoever wants to check more
 *   backup_publish()   its bytes on disk, its name TO, the name on disk
 *   backup_end()       what was not published goes
 *
 * A process that is killed leaves no TO, and a partial copy at most, which the next one to TO begins anew.
 * The copy is one file without companions: it needs no -wal, and can be read where nothing can be written.
 */
#ifndef QUORATE_BACKUP_H
#define QUORATE_BACKUP_H

#include "genesis.h"

struct backup;

struct backup_facts {
	struct qhash chain;
	struct qheight height; /* 0: only the genesis */
	struct qhash block;    /* of that height; the chain id at 0 */
	uint64_t bytes;        /* of the copy */
};

struct backup_progress {
	void (*told)(void *ctx, uint64_t done, uint64_t pages); /* NULL: nobody wants to know */
	void *ctx;
};

/* What belongs to the SQLite database at `path` and is there, itself included: it ends with this. NULL: none.
 */
const char *backup_found(const char *path);

/*
 * May a copy take this name?  False with ERR_INPUT where it is taken and `replace` is not allowed, or taken
 * by what is no backup: something else, or a ledger in use.
 */
bool backup_may_take(const char *to, bool replace, struct err *err);

/* NULL with *err: no such folder, no right to write there, another process is at it. `to` is copied. */
struct backup *backup_begin(const char *to, struct err *err);

/*
 * Copies the ledger at `from`, which may be in use, and reads the copy through: is every page what its
 * neighbours say (SQLite's quick_check), and do chain and tip come back?  Signatures are the audit's
 * business. `chain` NULL: a ledger of any chain.  False with *err: no ledger, of another chain (ERR_INPUT),
 * damaged, no room.
 */
bool backup_copy(struct backup *b, const char *from, const struct qhash *chain,
                 const struct backup_progress *progress, struct backup_facts *facts, struct err *err);

const char *backup_path(const struct backup *b);

/* False with *err: it cannot be made durable, or (without `replace`) somebody else took the name. */
bool backup_publish(struct backup *b, bool replace, struct err *err);

void backup_end(struct backup *b); /* NULL is allowed */

#endif
