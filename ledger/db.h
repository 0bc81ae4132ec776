/*
 * db.h: SQLite as the ledger and the vote log use it.
 *
 * A file is of one kind (struct db_kind): an application id, numbered migrations (PRAGMA
 * user_version counts those done), advice for when it is damaged.  Opening
 * sets every pragma that durability and safety rest on and reads it back, and compares the schema
 * with the one that the migrations make (a foreign trigger is found here), so that every statement fits it.
 * Statements are addressed by index, and prepared when first used.
 *
 * One connection writes and checkpoints; the others are read-only.  (SQLite before 3.51.3 can
 * lose a WAL when two connections write and checkpoint at the same moment; one writer by construction never
 * does.)  A writer that finds the file changed by another process since its last transaction refuses
 * to go on.  After any error a writer is failed for good: no later call succeeds, so that
 * nothing is ever committed in part.
 */
#ifndef QUORATE_DB_H
#define QUORATE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "ledger.h" /* enum found */

struct db_kind {
	const char *what;   /* "ledger": begins every message */
	const char *advice; /* what to do when the file is damaged */
	int32_t application_id;
	int version;                   /* newest user_version */
	int oldest;                    /* of which a file can be read; one below it begins a fresh file */
	const char *const *migrations; /* SQL text that leads from user_version i to i + 1 */
	const char *statistics; /* the one row of sqlite_stat1 that plans rest on, as VALUES; NULL: none */
	struct db_model *model; /* db.c's: the schema that they make */
};
extern const struct db_kind db_ledger, db_votes;

/* A statement and the operation that it is part of, for messages. */
struct db_sql {
	const char *operation;
	const char *sql;
};

/* Where the rows of the table `feed` come from (db_feed()): false: there are no more. */
#define FEED_COLUMNS 8 /* c0 ... c7 */
struct db_value;       /* an array of FEED_COLUMNS */
struct feed {
	bool (*next)(void *ctx, struct db_value *row);
	void *ctx;
};

/* Told when a commit, which has something to commit, begins and when it has ended. NULL: nobody. */
struct db_watch {
	void (*committing)(void *ctx, bool begins);
	void *ctx;
};

struct db {
	sqlite3 *handle;
	const struct db_kind *kind;
	char *path;
	const struct db_sql *sql;
	sqlite3_stmt **stmts; /* NULL: not used yet */
	size_t stmt_cnt;
	int64_t version_seen; /* PRAGMA data_version: moves when another connection commits */
	bool writable, in_tx, failed;
	unsigned views; /* begun and not ended */
	int wal_pages;  /* after the last commit */
	struct feed feed;
	struct db_watch watch; /* the owner may set it at any time */
	struct err damage;     /* the first time that it held what cannot be; kind ERR_NONE: it never did */
};

enum db_mode { DB_READ, DB_WRITE };

/*
 * Opens `path`.  DB_READ: it must exist.  DB_WRITE: a missing or empty file becomes a fresh one (*fresh, may
 * be NULL), and a transaction is left open in which the caller checks what it found or writes its first rows:
 * nothing is there before db_commit().  On failure there is nothing to close.
 */
bool db_open(struct db *db, const struct db_kind *kind, enum db_mode mode, const char *path, const char *vfs,
             const struct db_sql *sql, size_t sql_cnt, bool *fresh, struct err *err);
void db_close(struct db *db); /* rolls back what was not committed */

/* Writer: begins (at once exclusive among writers) unless a transaction is open; ends it with one fsync. */
bool db_begin(struct db *db, struct err *err);
bool db_commit(struct db *db, struct err *err);

/* Reader: one consistent view for the statements until db_view_end(). A view within a view is the same one.
 */
bool db_view(struct db *db, struct err *err);
void db_view_end(struct db *db);

/* Arguments of a statement, in order: DB_ARGS(db_int(7), db_blob(hash.b, 32)); none: DB_NONE. */
struct db_value {
	enum { DB_INT, DB_BLOB, DB_TEXT, DB_NULL } type;
	int64_t n;
	const void *data;
	size_t len;
};
#define DB_ARGS(...)                            \
	(const struct db_value[]){__VA_ARGS__}, \
	    sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)
#define DB_NONE NULL, 0

static inline struct db_value db_int(uint64_t n)
{
	return (struct db_value){.type = DB_INT, .n = (int64_t)n};
}
static inline struct db_value db_blob(const void *data, size_t len)
{
	return (struct db_value){.type = DB_BLOB, .data = data, .len = len};
}
static inline struct db_value db_text(const char *text)
{
	return (struct db_value){.type = DB_TEXT, .data = text};
}

static inline struct db_value db_null(void)
{
	return (struct db_value){.type = DB_NULL};
}

/* Runs a statement that yields no rows. Blobs are borrowed for the call. */
bool db_run(struct db *db, size_t which, const struct db_value *args, size_t cnt, struct err *err);

/*
 * Runs a statement that takes its rows from the table `feed`, whose columns are c0 to c7: all that next()
 * gives, the blobs of one borrowed until the next is asked for.  That costs a third of a db_run() for each:
 * what has to be set up and torn down for a statement is so for all rows at once.  The statement must say OR
 * FAIL, for SQLite would keep every page as it was before a statement of many rows, to take back that
 * statement alone; here an error is the end of the whole transaction.
 */
bool db_feed(struct db *db, size_t which, bool (*next)(void *ctx, struct db_value row[FEED_COLUMNS]),
             void *ctx, struct err *err);

/* Starts a query: FOUND leaves it on its first row. The blobs are borrowed until db_done(). */
enum found db_query(struct db *db, size_t which, const struct db_value *args, size_t cnt, struct err *err);
enum found db_next(struct db *db, size_t which, struct err *err);
void db_done(struct db *db, size_t which);

/* Columns of the current row.  False with *err where the value is of another type or length: damage. */
bool db_get_int(struct db *db, size_t which, int col, int64_t *out, struct err *err);
bool db_get_fixed(struct db *db, size_t which, int col, void *out, size_t len, struct err *err);
/* *data is valid until the next step of the statement. */
bool db_get_blob(struct db *db, size_t which, int col, const uint8_t **data, size_t *len, struct err *err);

/* The same of *text. */
bool db_get_text(struct db *db, size_t which, int col, const char **text, struct err *err);
bool db_is_null(struct db *db, size_t which, int col);

/* Is the column exactly this value, type and all? */
bool db_is(struct db *db, size_t which, int col, const struct db_value *want);
/* A value as people read it: an integer, a text, a blob's first 32 bytes in hex. Returns text. */
#define DB_SHOWN 80
char *db_show(struct db *db, size_t which, int col, char text[DB_SHOWN]);
char *db_show_value(const struct db_value *value, char text[DB_SHOWN]);

/* "ledger FILE: text; advice": for content that cannot be right. Returns false; a writer is failed. */
bool db_damaged(struct db *db, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
