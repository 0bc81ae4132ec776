/*
 * suspect.h: the mark beside a ledger that was found wrong, so that no restart forgets it.
 *
 * A small text file: one line, when and what.  Who finds it at a start reads all of the ledger before
 * anything else (scrubber.h).
 */
#ifndef QUORATE_SUSPECT_H
#define QUORATE_SUSPECT_H

#include "err.h"

/* Leaves it, unless one is there already. False with *err: it cannot be written. */
bool suspect_mark(const char *path, const struct err *why, struct err *err);
/* Is there one, or what may be one? Then *why (free()) is what it says. */
bool suspect_read(const char *path, char **why);
/* False with *err: it cannot be removed. */
bool suspect_clear(const char *path, struct err *err);

#endif
