/*
 * db.c: opening SQLite files so that they can be relied on, and the few calls by which the ledger, its
 * readers and the vote log use them.
 */
#include "db.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "gather.h"
#include "wire.h"

/* Made from schema.sql and votes.sql when the program is built. */
extern const char sql_schema[], sql_votes[];

/* What the migrations of a kind make: the same in every process, so it is made once in each. */
struct object {
	char *name, *sql; /* "table meta", "CREATE TABLE ..." */
};
struct db_model {
	struct object *objects;
	size_t cnt; /* 0: not made yet */
};
static struct db_model ledger_model, votes_model;
static pthread_mutex_t model_lock = PTHREAD_MUTEX_INITIALIZER;

/* Older versions were never in a release: nothing leads on from there. */
static const char *const ledger_migrations[] = {NULL, NULL, NULL, sql_schema};
static const char *const votes_migrations[] = {sql_votes};

const struct db_kind db_ledger = {
    .what = "ledger",
    .advice = "run quorate audit to see what is wrong; to have the node fetch it anew from the other "
              "replicas, move the file away",
    .application_id = 0x716c6564, /* "qled" */
    .version = 4,
    .oldest = 4,
    .migrations = ledger_migrations,
    .statistics = "'transactions', 'transactions_txid', '1000000 32768 1'",
    .model = &ledger_model,
};

const struct db_kind db_votes = {
    .what = "vote log",
    .advice = "move the file away: the replica will then keep silent until it cannot contradict itself",
    .application_id = 0x71766f74, /* "qvot" */
    .version = 1,
    .oldest = 1,
    .migrations = votes_migrations,
    .model = &votes_model,
};

#define OPEN_WAIT_MS 250         /* another process may just be recovering the WAL or leaving */
#define ROW_BYTES_MAX (64 << 20) /* above any entry of the schema: bounds what a row can make us allocate */
/* 24 MiB of WAL: long enough that a page which several blocks touch is folded once, short enough that folding
 * it, all at once as SQLite does, holds nobody up for more than some tens of milliseconds. */
#define FOLD_PAGES 6000
#define WAL_BYTES_MAX "50331648"      /* twice that, which only a reader that stays long makes it exceed */
#define WRITER_CACHE_KIB (-64 * 1024) /* negative: KiB; holds the upper levels of the random-key indexes */

/* ---- errors ------------------------------------------------------------- */

/* Says what SQLite says, and what to do. After it a writer stays failed. */
static bool fail(struct db *db, struct err *err, const char *operation)
{
	int last = errno; /* SQLite does not note the cause where a COMMIT fails */
	int code = sqlite3_extended_errcode(db->handle);
	const char *message = sqlite3_errmsg(db->handle);
	int cause = sqlite3_system_errno(db->handle);

	db->failed = true;
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, ERR_WORLD, "%s %s: %s: locked by another process", db->kind->what,
		               db->path, operation);
	case SQLITE_NOTADB:
		return err_set(err, ERR_WORLD, "%s %s: %s: not a database; is it the right file?",
		               db->kind->what, db->path, operation);
	case SQLITE_CORRUPT:
	case SQLITE_TOOBIG: /* of what is written nothing comes near the limit */
		return db_damaged(db, err, "%s: %s", operation, message);
	case SQLITE_FULL:
		return err_set(err, ERR_WORLD, "%s %s: %s: %s; make room, then start again", db->kind->what,
		               db->path, operation, message);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return err_set(err, ERR_WORLD, "%s %s: %s: %s (%s, code %d)", db->kind->what, db->path,
		               operation, message, strerror(cause != 0 ? cause : last), code);
	default:
		return err_set(err, ERR_WORLD, "%s %s: %s: %s (code %d)", db->kind->what, db->path, operation,
		               message, code);
	}
}

bool db_damaged(struct db *db, struct err *err, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	db->failed = true;
	struct err said;
	err_set(&said, ERR_WORLD, "%s %s: %s; %s", db->kind->what, db->path, text, db->kind->advice);
	if (db->damage.kind == ERR_NONE)
		db->damage = said;
	return err_set(err, said.kind, "%s", said.text);
}

static bool refuse_after_failure(struct db *db, struct err *err)
{
	return err_set(err, ERR_WORLD, "%s %s: refused after an earlier error", db->kind->what, db->path);
}

/* ---- opening ------------------------------------------------------------ */

static bool exec(struct db *db, const char *sql, const char *operation, struct err *err)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return fail(db, err, operation);
	return true;
}

/* The first column of the first row of `sql`, as text; "" where there is no row. */
static bool ask(struct db *db, const char *sql, char text[32], struct err *err)
{
	sqlite3_stmt *stmt;

	text[0] = '\0';
	if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
		return fail(db, err, sql);
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		snprintf(text, 32, "%s", (const char *)sqlite3_column_text(stmt, 0));
	if (sqlite3_finalize(stmt) != SQLITE_OK)
		return fail(db, err, sql);
	return true;
}

static bool ask_int(struct db *db, const char *sql, int64_t *value, struct err *err)
{
	char text[32];

	if (!ask(db, sql, text, err))
		return false;
	*value = strtoll(text, NULL, 10);
	return true;
}

/* Sets a pragma and reads it back: SQLite ignores silently what it cannot do. */
static bool pragma(struct db *db, const char *name, const char *set, const char *want, struct err *err)
{
	char sql[96], got[32];

	snprintf(sql, sizeof sql, "PRAGMA %s = %s", name, set);
	if (!exec(db, sql, sql, err))
		return false;
	snprintf(sql, sizeof sql, "PRAGMA %s", name);
	if (!ask(db, sql, got, err))
		return false;
	if (strcmp(got, want) == 0)
		return true;
	db->failed = true;
	return err_set(err, ERR_WORLD,
	               "%s %s: PRAGMA %s is '%s' though '%s' was asked for: this SQLite or this file "
	               "system cannot keep it safely",
	               db->kind->what, db->path, name, got, set);
}

static bool set_pragmas(struct db *db, enum db_mode mode, struct err *err)
{
	char text[32];

	if (sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
	    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) != SQLITE_OK)
		return fail(db, err, "open");
	sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX);
	if (!pragma(db, "trusted_schema", "OFF", "0", err) ||
	    !pragma(db, "cell_size_check", "ON", "1", err) || !pragma(db, "foreign_keys", "ON", "1", err) ||
	    !exec(db, "PRAGMA mmap_size = 0", "open", err) ||
	    !exec(db, "PRAGMA temp_store = MEMORY", "open", err))
		return false;
	/* A VFS without memory mapping answers nothing. */
	if (!ask(db, "PRAGMA mmap_size", text, err))
		return false;
	if (text[0] && strcmp(text, "0") != 0)
		return err_set(err, ERR_WORLD, "%s %s: memory mapping cannot be switched off", db->kind->what,
		               db->path);
	if (mode == DB_READ)
		return pragma(db, "query_only", "ON", "1", err);
	snprintf(text, sizeof text, "PRAGMA cache_size = %d", WRITER_CACHE_KIB);
	return pragma(db, "journal_mode", "WAL", "wal", err) && pragma(db, "synchronous", "FULL", "2", err) &&
	       pragma(db, "wal_autocheckpoint", "0", "0", err) &&
	       pragma(db, "journal_size_limit", WAL_BYTES_MAX, WAL_BYTES_MAX, err) &&
	       /* Debian's default zeroes what is deleted, and writes the zeros. */
	       pragma(db, "secure_delete", "OFF", "0", err) && exec(db, text, "open", err);
}

/* Is this a file of our kind and of a version that we know? *version is -1 where it is fresh. */
static bool identify(struct db *db, int64_t *version, struct err *err)
{
	int64_t id, objects;

	if (!ask_int(db, "PRAGMA application_id", &id, err) ||
	    !ask_int(db, "PRAGMA user_version", version, err))
		return false;
	if (id == 0 && *version == 0) {
		if (!ask_int(db, "SELECT count(*) FROM sqlite_schema", &objects, err))
			return false;
		if (objects == 0) {
			*version = -1;
			return true;
		}
	}
	if (id != db->kind->application_id)
		return err_set(err, ERR_INPUT,
		               "%s %s: a database, but not a quorate %s (application id %#llx)",
		               db->kind->what, db->path, db->kind->what, (unsigned long long)id);
	if (*version > db->kind->version || *version < db->kind->oldest)
		return err_set(
		    err, ERR_INPUT,
		    "%s %s: written by another version of quorate (schema %lld, this program knows %d); "
		    "use %s",
		    db->kind->what, db->path, (long long)*version, db->kind->version,
		    *version > db->kind->version ? "a newer quorate" : "the quorate that wrote it");
	return true;
}

static bool migrate(struct db *db, int64_t version, struct err *err)
{
	char sql[96];

	for (int64_t v = version < 0 ? db->kind->oldest - 1 : version; v < db->kind->version; v++)
		if (!exec(db, db->kind->migrations[v], "migrate", err))
			return false;
	snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d",
	         db->kind->application_id, db->kind->version);
	return version == db->kind->version || exec(db, sql, "migrate", err);
}

/*
 * What ANALYZE once found decides on plans for ever: of a ledger that was young then, that all outputs are
 * read for each row that is fed (feed.c), or all transactions for an id.  So what it says is what the schema
 * needs, and nothing else; an operator's is undone.
 */
static bool set_statistics(struct db *db, struct err *err)
{
	char sql[256];
	int64_t rows, other;

	if (!db->kind->statistics)
		return true;
	snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_stat1 WHERE (tbl, idx, stat) IS NOT (%s)",
	         db->kind->statistics);
	if (!exec(db, "ANALYZE sqlite_schema", "write statistics",
	          err) || /* makes the table, if there is none */
	    !ask_int(db, "SELECT count(*) FROM sqlite_stat1", &rows, err) ||
	    !ask_int(db, sql, &other, err))
		return false;
	if (rows == 1 && other == 0)
		return true;
	snprintf(sql, sizeof sql,
	         "DROP TABLE IF EXISTS sqlite_stat4; DELETE FROM sqlite_stat1;"
	         " INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (%s); ANALYZE sqlite_schema",
	         db->kind->statistics);
	return exec(db, sql, "write statistics", err);
}

static const char list_schema[] = "SELECT type || ' ' || name, sql FROM sqlite_schema "
                                  "WHERE name NOT GLOB 'sqlite_*' ORDER BY 1";

static bool list_model(struct db *from, struct db_model *m, struct err *err)
{
	sqlite3_stmt *list;
	int rc;

	if (sqlite3_prepare_v2(from->handle, list_schema, -1, &list, NULL) != SQLITE_OK)
		return fail(from, err, "check the schema");
	while ((rc = sqlite3_step(list)) == SQLITE_ROW) {
		m->objects = xrealloc(m->objects, (m->cnt + 1) * sizeof *m->objects);
		m->objects[m->cnt++] = (struct object){xstrdup((const char *)sqlite3_column_text(list, 0)),
		                                       xstrdup((const char *)sqlite3_column_text(list, 1))};
	}
	must(rc == SQLITE_DONE); /* so it is never half a list */
	sqlite3_finalize(list);
	return true;
}

static bool make_model(const struct db *db, struct db_model *m, struct err *err)
{
	struct db from = {.kind = db->kind, .path = db->path};
	bool ok;

	if (sqlite3_open(":memory:", &from.handle) != SQLITE_OK)
		ok = fail(&from, err, "check the schema");
	else
		ok = migrate(&from, -1, err) && list_model(&from, m, err);
	sqlite3_close(from.handle);
	return ok;
}

/* NULL with *err: without memory a model cannot be made now. */
static const struct db_model *model_of(const struct db *db, struct err *err)
{
	struct db_model *m = db->kind->model;

	must(pthread_mutex_lock(&model_lock) == 0);
	bool ok = m->cnt > 0 || make_model(db, m, err);
	must(pthread_mutex_unlock(&model_lock) == 0);
	return ok ? m : NULL;
}

/* Both lists side by side: the first object that the one has and the other has not, or not so. */
static bool compare_schema(struct db *db, const struct db_model *ours, sqlite3_stmt *theirs, struct err *err)
{
	for (size_t i = 0;; i++) {
		int have = sqlite3_step(theirs);
		if (have != SQLITE_ROW && have != SQLITE_DONE)
			return fail(db, err, "read the schema");
		if (have == SQLITE_DONE && i == ours->cnt)
			return true;
		const char *has = have == SQLITE_ROW ? (const char *)sqlite3_column_text(theirs, 0) : NULL;
		const char *wants = i < ours->cnt ? ours->objects[i].name : NULL;
		int order = !has ? 1 : !wants ? -1 : strcmp(has, wants);
		if (order < 0)
			return db_damaged(db, err, "the schema holds a foreign %s", has);
		if (order > 0)
			return db_damaged(db, err, "the schema lacks %s", wants);
		const char *sql = (const char *)sqlite3_column_text(theirs, 1);
		if (!sql || strcmp(sql, ours->objects[i].sql) != 0)
			return db_damaged(db, err, "%s is not as quorate defines it", has);
	}
}

/* The file's schema must be what the migrations make, to the letter. */
static bool check_schema(struct db *db, struct err *err)
{
	const struct db_model *ours = model_of(db, err);
	sqlite3_stmt *theirs;

	if (!ours)
		return false;
	if (sqlite3_prepare_v2(db->handle, list_schema, -1, &theirs, NULL) != SQLITE_OK)
		return fail(db, err, "read the schema");
	bool ok = compare_schema(db, ours, theirs, err);
	sqlite3_finalize(theirs);
	return ok;
}

/*
 * A process that was killed before its sync, or whose sync failed, leaves commits that are written but not on
 * disk, and the next one finds them all the same.  What it relies on must be durable: a checkpoint syncs the
 * WAL, and writes it all once more, to the database itself.
 */
static bool settle(struct db *db, struct err *err)
{
	char busy[32];

	if (!ask(db, "PRAGMA wal_checkpoint(PASSIVE)", busy, err))
		return false;
	if (strcmp(busy, "0") == 0)
		return true;
	return err_set(err, ERR_WORLD, "%s %s: make durable what was found: locked by another process",
	               db->kind->what, db->path);
}

/* After each commit: pages in the WAL. */
static int wal_grew(void *ctx, sqlite3 *handle, const char *name, int pages)
{
	struct db *db = ctx;

	(void)handle;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

/*
 * Folds a long WAL into the database. SQLite would do it by itself, but it passes over what goes wrong; here
 * an error of the disk fails the writer like any other. A reader in the way is none: then it is done later,
 * and the file, which has grown meanwhile, is cut back to WAL_BYTES_MAX by the commit that begins it anew.
 */
static bool fold(struct db *db, struct err *err)
{
	if (db->wal_pages < FOLD_PAGES)
		return true;
	db->wal_pages = 0;
	int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || fail(db, err, "fold the WAL");
}

/* SQLite's own counting of memory takes a lock and two sums for each allocation, and nobody asks. It cannot
 * be switched off any more if somebody used SQLite before, and that is just as well. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static bool open_checked(struct db *db, enum db_mode mode, const char *vfs, bool *fresh, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int64_t version;

	must(pthread_once(&once, configure) == 0);
	flags |= mode == DB_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	if (mode == DB_WRITE && !vfs)
		vfs = gather_vfs();
	if (sqlite3_open_v2(db->path, &db->handle, flags, vfs) != SQLITE_OK)
		return fail(db, err, "open");
	sqlite3_busy_timeout(db->handle, OPEN_WAIT_MS);
	/* Before the pragmas, which would turn a foreign database into WAL mode. */
	if (!identify(db, &version, err))
		return false;
	if (mode == DB_READ && version != db->kind->version)
		return err_set(err, ERR_INPUT, "%s %s: %s", db->kind->what, db->path,
		               version < 0
		                   ? "empty"
		                   : "of an older version; start its node once to bring it up to date");
	if (!set_pragmas(db, mode, err))
		return false;
	if (mode == DB_WRITE) {
		sqlite3_wal_hook(db->handle, wal_grew, db);
		if (feed_register(db->handle, &db->feed) != SQLITE_OK)
			return fail(db, err, "open");
		if (!settle(db, err))
			return false;
		/* Again under the lock: another process may have made the file just now. */
		if (!db_begin(db, err) || !identify(db, &version, err) || !migrate(db, version, err) ||
		    !set_statistics(db, err))
			return false;
		sqlite3_busy_timeout(db->handle, 0);
	}
	if (fresh)
		*fresh = version < 0;
	return check_schema(db, err);
}

bool db_open(struct db *db, const struct db_kind *kind, enum db_mode mode, const char *path, const char *vfs,
             const struct db_sql *sql, size_t sql_cnt, bool *fresh, struct err *err)
{
	*db = (struct db){.kind = kind,
	                  .path = xstrdup(path),
	                  .sql = sql,
	                  .stmts = xcalloc(sql_cnt ? sql_cnt : 1, sizeof(sqlite3_stmt *)),
	                  .stmt_cnt = sql_cnt,
	                  .version_seen = -1,
	                  .writable = mode == DB_WRITE};
	if (open_checked(db, mode, vfs, fresh, err))
		return true;
	db_close(db);
	return false;
}

void db_close(struct db *db)
{
	for (size_t i = 0; i < db->stmt_cnt; i++)
		sqlite3_finalize(db->stmts[i]);
	free(db->stmts);
	/* Rolls back what is open. Nothing of ours can keep the handle busy any more. */
	must(sqlite3_close(db->handle) == SQLITE_OK);
	free(db->path);
	*db = (struct db){0};
}

/* ---- transactions ------------------------------------------------------- */

bool db_begin(struct db *db, struct err *err)
{
	int64_t version;

	must(db->writable);
	if (db->failed)
		return refuse_after_failure(db, err);
	if (db->in_tx)
		return true;
	if (!exec(db, "BEGIN IMMEDIATE", "begin", err) || !ask_int(db, "PRAGMA data_version", &version, err))
		return false;
	db->in_tx = true;
	if (db->version_seen >= 0 && version != db->version_seen) {
		db->failed = true;
		return err_set(err, ERR_WORLD, "%s %s: changed by another process while this one has it open",
		               db->kind->what, db->path);
	}
	db->version_seen = version;
	return true;
}

static void tell_watch(const struct db *db, bool begins)
{
	if (db->watch.committing != NULL)
		db->watch.committing(db->watch.ctx, begins);
}

bool db_commit(struct db *db, struct err *err)
{
	if (db->failed)
		return refuse_after_failure(db, err);
	if (!db->in_tx)
		return true;
	db->in_tx = false;
	tell_watch(db, true);
	bool ok = exec(db, "COMMIT", "commit", err) && fold(db, err);
	tell_watch(db, false);
	return ok;
}

bool db_view(struct db *db, struct err *err)
{
	must(!db->writable);
	if (db->views == 0 && !exec(db, "BEGIN", "read", err))
		return false;
	db->views++;
	return true;
}

void db_view_end(struct db *db)
{
	must(db->views > 0);
	for (size_t i = 0; i < db->stmt_cnt; i++)
		sqlite3_reset(db->stmts[i]);
	if (--db->views > 0)
		return;
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- statements --------------------------------------------------------- */

/* Prepared when first asked for: of some, most connections never have a use. NULL: it cannot be. */
static sqlite3_stmt *prepared(struct db *db, size_t which)
{
	must(which < db->stmt_cnt);
	if (!db->stmts[which])
		sqlite3_prepare_v3(db->handle, db->sql[which].sql, -1, SQLITE_PREPARE_PERSISTENT,
		                   &db->stmts[which], NULL);
	return db->stmts[which];
}

static sqlite3_stmt *bind_args(struct db *db, size_t which, const struct db_value *args, size_t cnt)
{
	sqlite3_stmt *stmt = prepared(db, which);

	if (!stmt)
		return NULL;
	must((size_t)sqlite3_bind_parameter_count(stmt) == cnt);
	sqlite3_reset(stmt);
	for (size_t i = 0; i < cnt; i++) {
		int rc = SQLITE_ERROR;
		int at = (int)i + 1;
		switch (args[i].type) {
		case DB_INT:
			rc = sqlite3_bind_int64(stmt, at, args[i].n);
			break;
		case DB_BLOB: /* an empty blob must not become NULL */
			rc = sqlite3_bind_blob64(stmt, at, args[i].len ? args[i].data : "", args[i].len,
			                         SQLITE_STATIC);
			break;
		case DB_TEXT:
			rc = sqlite3_bind_text(stmt, at, args[i].data, -1, SQLITE_STATIC);
			break;
		case DB_NULL:
			rc = sqlite3_bind_null(stmt, at);
			break;
		}
		if (rc != SQLITE_OK)
			return NULL;
	}
	return stmt;
}

enum found db_next(struct db *db, size_t which, struct err *err)
{
	sqlite3_stmt *stmt = db->stmts[which];
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return FOUND;
	if (rc != SQLITE_DONE)
		fail(db, err, db->sql[which].operation);
	db_done(db, which);
	return rc == SQLITE_DONE ? NOT_FOUND : FOUND_ERROR;
}

enum found db_query(struct db *db, size_t which, const struct db_value *args, size_t cnt, struct err *err)
{
	if (db->writable && db->failed) {
		refuse_after_failure(db, err);
		return FOUND_ERROR;
	}
	if (!bind_args(db, which, args, cnt)) {
		fail(db, err, db->sql[which].operation);
		return FOUND_ERROR;
	}
	return db_next(db, which, err);
}

bool db_run(struct db *db, size_t which, const struct db_value *args, size_t cnt, struct err *err)
{
	must(db->in_tx || db->failed);
	enum found got = db_query(db, which, args, cnt, err);
	must(got != FOUND);
	return got == NOT_FOUND;
}

bool db_feed(struct db *db, size_t which, bool (*next)(void *ctx, struct db_value row[FEED_COLUMNS]),
             void *ctx, struct err *err)
{
	db->feed = (struct feed){next, ctx};
	bool ok = db_run(db, which, DB_NONE, err);
	db->feed = (struct feed){0};
	return ok;
}

void db_done(struct db *db, size_t which)
{
	sqlite3_reset(db->stmts[which]); /* its error, if any, was told by the step */
}

/* ---- columns ------------------------------------------------------------ */

bool db_get_int(struct db *db, size_t which, int col, int64_t *out, struct err *err)
{
	sqlite3_stmt *stmt = db->stmts[which];

	if (sqlite3_column_type(stmt, col) != SQLITE_INTEGER)
		return db_damaged(db, err, "%s: %s is no integer", db->sql[which].operation,
		                  sqlite3_column_name(stmt, col));
	*out = sqlite3_column_int64(stmt, col);
	return true;
}

bool db_get_blob(struct db *db, size_t which, int col, const uint8_t **data, size_t *len, struct err *err)
{
	sqlite3_stmt *stmt = db->stmts[which];

	if (sqlite3_column_type(stmt, col) != SQLITE_BLOB)
		return db_damaged(db, err, "%s: %s is no blob", db->sql[which].operation,
		                  sqlite3_column_name(stmt, col));
	*data = sqlite3_column_blob(stmt, col);
	*len = (size_t)sqlite3_column_bytes(stmt, col);
	if (*data)
		return true;
	if (*len > 0) { /* out of memory */
		fail(db, err, db->sql[which].operation);
		return false;
	}
	*data = (const uint8_t *)"";
	return true;
}

bool db_get_fixed(struct db *db, size_t which, int col, void *out, size_t len, struct err *err)
{
	const uint8_t *data = (const uint8_t *)"";
	size_t got = 0;

	if (!db_get_blob(db, which, col, &data, &got, err))
		return false;
	if (got != len)
		return db_damaged(db, err, "%s: %s has %zu bytes instead of %zu", db->sql[which].operation,
		                  sqlite3_column_name(db->stmts[which], col), got, len);
	memcpy(out, data, len);
	return true;
}

bool db_get_text(struct db *db, size_t which, int col, const char **text, struct err *err)
{
	sqlite3_stmt *stmt = db->stmts[which];

	if (sqlite3_column_type(stmt, col) != SQLITE_TEXT)
		return db_damaged(db, err, "%s: %s is no text", db->sql[which].operation,
		                  sqlite3_column_name(stmt, col));
	*text = (const char *)sqlite3_column_text(stmt, col);
	return *text || fail(db, err, db->sql[which].operation); /* out of memory */
}

bool db_is_null(struct db *db, size_t which, int col)
{
	return sqlite3_column_type(db->stmts[which], col) == SQLITE_NULL;
}

static struct db_value column(sqlite3_stmt *stmt, int col)
{
	switch (sqlite3_column_type(stmt, col)) {
	case SQLITE_INTEGER:
		return db_int((uint64_t)sqlite3_column_int64(stmt, col));
	case SQLITE_NULL:
		return db_null();
	case SQLITE_BLOB: {
		const void *data = sqlite3_column_blob(stmt, col);
		return db_blob(data, data ? (size_t)sqlite3_column_bytes(stmt, col) : 0);
	}
	default: { /* no table of ours can hold a REAL */
		struct db_value v = db_text((const char *)sqlite3_column_text(stmt, col));
		v.len = v.data ? (size_t)sqlite3_column_bytes(stmt, col) : 0;
		return v;
	}
	}
}

bool db_is(struct db *db, size_t which, int col, const struct db_value *want)
{
	struct db_value is = column(db->stmts[which], col);

	if (is.type != want->type)
		return false;
	switch (want->type) {
	case DB_INT:
		return is.n == want->n;
	case DB_BLOB:
		return is.len == want->len && (is.len == 0 || memcmp(is.data, want->data, is.len) == 0);
	case DB_TEXT:
		return is.data && is.len == strlen(want->data) && memcmp(is.data, want->data, is.len) == 0;
	case DB_NULL:
		break;
	}
	return true;
}

char *db_show(struct db *db, size_t which, int col, char text[DB_SHOWN])
{
	struct db_value is = column(db->stmts[which], col);

	return db_show_value(&is, text);
}

char *db_show_value(const struct db_value *value, char text[DB_SHOWN])
{
	char hex[2 * 32 + 1];

	switch (value->type) {
	case DB_INT:
		snprintf(text, DB_SHOWN, "%lld", (long long)value->n);
		break;
	case DB_BLOB:
		hex_encode(hex, value->data, value->len < 32 ? value->len : 32);
		snprintf(text, DB_SHOWN, "x'%s'%s", hex, value->len > 32 ? "..." : "");
		break;
	case DB_TEXT:
		snprintf(text, DB_SHOWN, "%.60s", value->data ? (const char *)value->data : "");
		break;
	case DB_NULL:
		snprintf(text, DB_SHOWN, "NULL");
		break;
	}
	return text;
}
