/*
 * rows.h: how locks, kinds of votes, stake tables, evidence and replicas stand in the ledger's rows; for its
 * writer, its readers and the audit.
 */
#ifndef QUORATE_ROWS_H
#define QUORATE_ROWS_H

#include "db.h"
#include "evidence.h"
#include "schedule.h"

/* The columns `lock` and `replica` of an output. */
struct db_value row_lock(const struct qlock *lock);
struct db_value row_locked_for(const struct qlock *lock);
/* Back, from columns col and col + 1 of the current row; the replica is one of `n`. */
bool row_get_lock(struct db *db, size_t which, int col, unsigned n, struct qlock *out, struct err *err);

/* The kind of the two votes of an offence. */
const char *row_vote(enum qkind kind);
bool row_get_vote(struct db *db, size_t which, int col, enum qkind *out, struct err *err);

/* The first height whose proposers the table of this height decides on. */
struct qheight row_first_height(const struct qstake_rules *r, struct qheight settled);

/*
 * The stake table of this height, of `n` replicas, by a statement that begins with ROW_TABLE_SQL.  All rows
 * must be there, with stakes that a chain of this supply can have.
 */
#define ROW_TABLE_SQL \
	"SELECT replica, own, delegated, turns, first_height FROM stakes WHERE height = ? ORDER BY replica"
bool row_get_table(struct db *db, size_t which, const struct genesis *g, struct qheight height,
                   struct stake_table *out, struct err *err);

/* The columns of `evidence` after seq, of evidence of this kind with these facts: blobs point into *f. */
#define ROW_EVIDENCE 9
void row_evidence(qevidence_kind kind, const struct evidence_facts *f, struct db_value out[ROW_EVIDENCE]);

/* The columns of `replicas` after the index: blobs and text point into *r. */
#define ROW_REPLICA 3
void row_replica(const struct qreplica *r, struct db_value out[ROW_REPLICA]);

#endif
