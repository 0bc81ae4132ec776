/*
 * cmd_backup.h: what `quorate backup` and `quorate restore` share: both make a copy, prove it and give it its
 * name.
 */
#ifndef QUORATE_CMD_BACKUP_H
#define QUORATE_CMD_BACKUP_H

#include <jansson.h>

#include "backup.h"
#include "cmd.h"

#define BACKUP_WIDTH 12 /* of the column of names */

struct backup_args {
	struct cmd_common common;
	const char *home, *file; /* the home (or ledger); the copy */
	bool force, verify;
};

/* Of the options that both have: --home, --genesis, --force, --json. */
enum { BACKUP_KEY_HOME = 0x200, BACKUP_KEY_FORCE, BACKUP_KEYS };
error_t backup_option(int key, char *arg, struct argp_state *state);

/* SIG_BLOCK: from here on the signals that end us wait. SIG_UNBLOCK: no longer. */
void backup_hold_signals(int how);

/* backup_begin(), and no signal leaves what it made. */
struct backup *backup_start(const char *to, struct err *err);

/* backup_copy() of a ledger of this chain (NULL: of any), with progress on a terminal. */
bool backup_make(struct backup *b, const char *from, const struct genesis *g, struct backup_facts *facts,
                 struct err *err);

/* The audit, on the copy; `of`: what it is a copy of.  False with ERR_NO: what it found first. */
bool backup_prove(const struct backup *b, const char *of, const struct genesis *g, uint64_t *transactions,
                  struct err *err);

/* What both say of the copy: in `to`, or as text where that is NULL. */
void backup_say(const struct backup_facts *f, json_t *to);

/* A path may be no UTF-8, and JSON knows nothing else. */
json_t *backup_json_path(const char *path);

#endif
