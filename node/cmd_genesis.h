/*
 * cmd_genesis.h: what the files of `quorate genesis` share.
 */
#ifndef QUORATE_CMD_GENESIS_H
#define QUORATE_CMD_GENESIS_H

#include <jansson.h>

#include "cmd.h"
#include "genesis.h"
#include "succession.h"

int genesis_check(int argc, char **argv);
int genesis_show(int argc, char **argv);

/* The name that --param takes and `genesis show` lists: "window", "seal.bits". */
void genesis_field_name(const struct genesis_field *field, char name[64]);

/* What is allowed, and yet hardly what was meant: notes on stderr. */
void genesis_note_oddities(const struct genesis *g);

/* NULL: null, and nothing. */
json_t *genesis_parent_json(const struct qparent *p);
void genesis_print_parent(int width, const struct qparent *p);

/* ---- cmd_genesis_from.c: the old chain of a successor ------------------------- */

/* --from LEDGER (repeated) and --genesis OLD. {0} at first; genesis_from_free() at last. */
struct genesis_from {
	const char *genesis_path;
	char **ledgers;      /* owned, and so are the texts */
	size_t cnt;          /* 0: no --from was given */
	struct genesis *was; /* owned */
};
/* Whoever forgets --from must not believe that he has compared. */
#define GENESIS_FROM_ALONE "--genesis: only with --from; it is the old chain's, whose ledger --from names"
void genesis_from_add(struct genesis_from *from, const char *arg);
void genesis_from_free(struct genesis_from *from);

/* Reads the old genesis into from->was. */
bool genesis_from_load(struct genesis_from *from, struct err *err);

/* No replica of `heir` has a key of the old chain; else false, with *err of that kind. */
bool genesis_from_keys(const struct genesis_from *from, const struct qgenesis *heir, enum err_kind kind,
                       struct err *err);

/* The replicas of the old chain must not run any more, as far as that shows here. */
bool genesis_from_stopped(const struct genesis_from *from, struct err *err);

/*
 * Audits the ledgers, from the old genesis to the last signature, and what `heir` takes over from the end of
 * the longest.  False with ERR_NO: they do not hold, or hold two chains.
 */
bool genesis_from_make(const struct genesis_from *from, const struct qgenesis *heir, struct succession *out,
                       struct err *err);

#endif
