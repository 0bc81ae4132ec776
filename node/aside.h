/*
 * aside.h: a ledger gives its name to another one, and is kept: in a folder of its own.
 *
 *   ledger.db.replaced-20260101T000000Z/ledger.db, and its -wal, without which it would lose its last commits
 *
 * It may be interrupted anywhere.  Until every file has a second name, in ledger.db.replaced-unfinished/,
 * nothing is taken away: what is there is the ledger still.  Then the ledger loses its own name first: a WAL
 * without a ledger is nothing to SQLite, which removes it where a new ledger begins; a ledger without its
 * WAL would be an older one, maybe a broken one.  So whoever starts a node in between starts it with the
 * whole ledger or with none; and aside_move() completes what another one began.
 */
#ifndef QUORATE_ASIDE_H
#define QUORATE_ASIDE_H

#include "err.h"

/*
 * `path`: a ledger that nobody writes to, and which need not be there.  *folder (free() it): where it is now;
 * NULL where there was none.  The folder belongs to the owner of that in which it is made.
 * False with *err (ERR_WORLD): what was there is there still, or is completed by the next call.
 */
bool aside_move(const char *path, char **folder, struct err *err);

#endif
