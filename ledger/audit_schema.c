/*
 * audit_schema.c: is it a ledger of this chain; is the file whole; are its tables, indexes, views and
 * triggers those of schema.sql; does meta tell the truth; are the replicas the genesis'.
 */
#include <inttypes.h>
#include <stdio.h>

#include "audit_impl.h"
#include "rows.h"

static const struct qheight nowhere; /* height 0: a finding about the file as a whole */

/* ---- which ledger it is -------------------------------------------------------- */

/* One hash out of the file; false if it holds none there. */
static bool read_hash(struct book *b, const char *sql, struct qhash *out)
{
	sqlite3_stmt *stmt = book_prepare(b, sql);
	bool ok = book_step(b, stmt) && sqlite3_column_type(stmt, 0) == SQLITE_BLOB &&
	          sqlite3_column_bytes(stmt, 0) == sizeof out->b;
	if (ok)
		memcpy(out->b, sqlite3_column_blob(stmt, 0), sizeof out->b);
	sqlite3_finalize(stmt);
	return ok;
}

static bool has_table(struct book *b, const char *sql)
{
	return book_int(b, sql, 0) > 0;
}

/*
 * Of another chain, and not only said to be by an edited row of meta: the rows that only this chain's
 * genesis can have made are not there either.
 */
static bool other_chain(struct book *b, struct qhash *chain)
{
	struct qhash found;
	if (!read_hash(b, "SELECT value FROM meta WHERE key = 'chain'", chain) ||
	    qhash_eq(chain, &b->g->chain))
		return false;
	if (read_hash(b, "SELECT parent FROM blocks WHERE height = 1", &found) &&
	    qhash_eq(&found, &b->g->chain))
		return false;
	return !read_hash(b, "SELECT txid FROM transactions WHERE seq = 0", &found) ||
	       memcmp(found.b, b->g->txid.b, sizeof found.b) != 0;
}

bool book_identify(struct book *b, struct err *err)
{
	const char *path = b->out->path;
	int64_t id = book_int(b, "PRAGMA application_id", 0), version = book_int(b, "PRAGMA user_version", 0);
	bool looks = has_table(b, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN "
	                          "('meta', 'blocks', 'transactions') HAVING count(*) = 3");
	struct qhash chain;
	char theirs[QHASH_HEX], ours[QHASH_HEX];

	if (!looks && id != db_ledger.application_id)
		return err_set(err, ERR_INPUT, "ledger %s: a SQLite database, but not a quorate ledger",
		               path);
	if (!looks) /* a ledger that lost tables: check_schema says which */
		return true;
	/* An edited version alone is a finding; only a file that says so twice is of another program. */
	int64_t schema = book_int(b, "SELECT value FROM meta WHERE key = 'schema'", version);
	if (version == schema && version != db_ledger.version)
		return err_set(
		    err, ERR_INPUT,
		    "ledger %s: its schema is version %" PRId64 ", this program audits version %d; use a %s",
		    path, version, db_ledger.version,
		    version > db_ledger.version  ? "newer quorate"
		    : version < db_ledger.oldest ? "quorate of that version"
		                                 : "copy that this version's node has opened once");
	if (other_chain(b, &chain))
		return err_set(
		    err, ERR_INPUT,
		    "ledger %s: belongs to chain %s, but this genesis is chain %s; audit it with the "
		    "genesis of its own chain, apart from the others",
		    path, hex_encode(theirs, chain.b, sizeof chain.b),
		    hex_encode(ours, b->g->chain.b, sizeof b->g->chain.b));
	if (b->unusable)
		*err = b->err;
	return !b->unusable;
}

/* ---- integrity and schema -------------------------------------------------------- */

static sqlite3 *model_open(void)
{
	sqlite3 *model = NULL;
	must(sqlite3_open(":memory:", &model) == SQLITE_OK);
	for (int v = db_ledger.oldest - 1; v < db_ledger.version; v++)
		must(sqlite3_exec(model, db_ledger.migrations[v], NULL, NULL, NULL) == SQLITE_OK);
	return model;
}

/* A book beside the one that it is about. */
struct integrity {
	struct book book;
	struct audit_ledger out;
	pthread_t thread;
	bool threaded;
};

/* Pages, B-trees, CHECK, NOT NULL and the types of STRICT tables; and the indexes. */
static void check_integrity(struct book *b)
{
	sqlite3_stmt *stmt = book_prepare(b, "PRAGMA quick_check(100)");
	while (book_step(b, stmt)) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);
		if (!text || strcmp(text, "ok") != 0)
			book_find(b, AUDIT_DAMAGED, nowhere, "file", "%s",
			          text ? text : "quick_check says nothing");
	}
	sqlite3_finalize(stmt);
	sqlite3 *model = model_open();
	book_check_indexes(b, model);
	sqlite3_close(model);
}

static void *check_file(void *arg)
{
	struct integrity *i = arg;
	struct book *b = &i->book;

	if (!book_open_file(b, &b->err))
		b->unusable = true;
	check_integrity(b);
	return NULL;
}

struct integrity *integrity_start(const struct book *b)
{
	struct integrity *i = xcalloc(1, sizeof *i);

	i->out = (struct audit_ledger){.path = b->out->path,
	                               .findings = xcalloc(AUDIT_FINDINGS_MAX, sizeof *i->out.findings)};
	i->book = (struct book){.out = &i->out, .g = b->g, .options = b->options};
	i->threaded = pthread_create(&i->thread, NULL, check_file, i) == 0;
	return i;
}

void integrity_end(struct integrity *i, struct book *b)
{
	if (i->threaded)
		pthread_join(i->thread, NULL);
	else
		check_file(i);
	for (size_t k = 0; k < i->out.finding_cnt; k++) {
		struct audit_finding *f = &i->out.findings[k];
		book_find(b, f->kind, f->height, f->where, "%s", f->message);
		free(f->where);
		free(f->message);
	}
	if (i->book.unusable && !b->unusable) {
		b->unusable = true;
		b->err = i->book.err;
	}
	book_close(&i->book);
	free(i->out.findings);
	free(i);
}

static const char list_sql[] =
    "SELECT type || ' ' || name, ifnull(sql, ''), type = 'table' FROM sqlite_schema "
    "ORDER BY 1";

static const char *text_of(sqlite3_stmt *stmt, int col)
{
	const char *text = (const char *)sqlite3_column_text(stmt, col);
	return text ? text : "";
}

static void wrong_object(struct book *b, sqlite3_stmt *stmt, const char *message)
{
	char where[WHERE_MAX];
	snprintf(where, sizeof where, "schema.%s", text_of(stmt, 0));
	book_find(b, AUDIT_SCHEMA, nowhere, where, "%s", message);
}

/* A table that is not the schema's cannot be walked as if it were: then the audit of this file ends. */
static void compare_objects(struct book *b, sqlite3_stmt *ours, sqlite3_stmt *theirs)
{
	bool unfit = false;
	bool want = sqlite3_step(ours) == SQLITE_ROW, have = book_step(b, theirs);

	while (want || have) {
		int order = !have ? 1 : !want ? -1 : strcmp(text_of(theirs, 0), text_of(ours, 0));
		if (order < 0)
			wrong_object(b, theirs, "no ledger has this");
		if (order > 0) {
			wrong_object(b, ours, "is missing");
			unfit |= sqlite3_column_int(ours, 2) != 0;
		}
		if (order == 0 && strcmp(text_of(theirs, 1), text_of(ours, 1)) != 0) {
			wrong_object(b, theirs, "is not defined as in a ledger");
			unfit |= sqlite3_column_int(ours, 2) != 0;
		}
		if (order >= 0)
			want = sqlite3_step(ours) == SQLITE_ROW;
		if (order <= 0)
			have = book_step(b, theirs);
	}
	if (unfit && !book_ends(b)) {
		b->illegible = true;
		book_find(b, AUDIT_SCHEMA, nowhere, "schema",
		          "the tables are not a ledger's: their rows were not checked");
	}
}

static void check_objects(struct book *b)
{
	sqlite3 *model = model_open();
	sqlite3_stmt *ours, *theirs = book_prepare(b, list_sql);

	must(sqlite3_prepare_v2(model, list_sql, -1, &ours, NULL) == SQLITE_OK);
	compare_objects(b, ours, theirs);
	sqlite3_finalize(ours);
	sqlite3_finalize(theirs);
	sqlite3_close(model);
}

static void check_pragma(struct book *b, const char *pragma, int64_t want)
{
	int64_t is = book_int(b, pragma, -1);
	if (is != want && !book_ends(b))
		book_find(b, AUDIT_SCHEMA, nowhere, pragma, "is %" PRId64 ", must be %" PRId64, is, want);
}

void book_check_schema(struct book *b)
{
	check_pragma(b, "PRAGMA application_id", db_ledger.application_id);
	check_pragma(b, "PRAGMA user_version", db_ledger.version);
	check_objects(b);
}

/* ---- meta -------------------------------------------------------------------------- */

/* What meta must hold, in the order of its keys. */
struct meta_row {
	const char *key;
	const struct qhash *hash; /* a BLOB; NULL: `number` */
	int64_t number;
};

const char *meta_where(const char *key, const char *column, char text[WHERE_MAX])
{
	snprintf(text, WHERE_MAX, "meta(key='%.40s')%s", key, column);
	return text;
}

void book_check_meta(struct book *b)
{
	const struct meta_row rows[] = {
	    {"chain", &b->g->chain, 0},
	    {"journal_count", NULL, b->journal_cnt},
	    {"journal_link", &b->journal_link, 0},
	    {"schema", NULL, db_ledger.version},
	};
	const size_t cnt = sizeof rows / sizeof *rows;
	sqlite3_stmt *stmt = book_prepare(b, "SELECT key, value FROM meta ORDER BY key");
	bool have = book_step(b, stmt);
	char where[WHERE_MAX];
	size_t i = 0;

	while ((have || i < cnt) && !book_ends(b)) {
		int order = !have ? 1 : i == cnt ? -1 : strcmp(text_of(stmt, 0), rows[i].key);
		if (order < 0)
			book_find(b, AUDIT_EXTRA, nowhere, meta_where(text_of(stmt, 0), "", where),
			          "no ledger has this key");
		else if (order > 0)
			book_find(b, AUDIT_MISSING, nowhere, meta_where(rows[i].key, "", where),
			          "the row is missing");
		else if (rows[i].hash)
			value_is_blob(b, stmt, 1, rows[i].hash->b, sizeof rows[i].hash->b,
			              meta_where(rows[i].key, ".value", where), nowhere);
		else
			value_is_int(b, stmt, 1, rows[i].number, meta_where(rows[i].key, ".value", where),
			             nowhere);
		i += order >= 0;
		if (order <= 0)
			have = book_step(b, stmt);
	}
	sqlite3_finalize(stmt);
}

/* ---- replicas ---------------------------------------------------------------------- */

void book_check_replicas(struct book *b)
{
	const struct qgenesis *g = &b->g->g;
	struct db_value want[ROW_REPLICA];
	struct cursor c;

	cursor_open(&c, b, TABLE_REPLICAS);
	for (unsigned i = 0; i < b->g->n; i++) {
		if (!cursor_seek(&c, i, 0, nowhere))
			continue;
		row_replica(&g->replicas.replicas_val[i], want);
		for (int col = 0; col < ROW_REPLICA; col++)
			cursor_is(&c, 1 + col, &want[col], nowhere);
		cursor_next(&c);
	}
	cursor_rest(&c, nowhere);
	cursor_close(&c);
}
