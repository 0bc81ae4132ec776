/*
 * audit_rows.c: walks each table in the order of its key beside the replayed chain, and compares columns.
 *
 * A row that the walk expects and does not meet is missing, one that it meets and does not expect is extra:
 * together with the comparison of every column, the table is then exactly what the chain says.
 */
#include <inttypes.h>
#include <stdio.h>

#include "audit_impl.h"

/* Every table, the columns of its key, and all its columns, from a key on. */
static const struct {
	const char *name, *key1, *key2, *sql;
} tables[] = {
    [TABLE_BLOCKS] = {"blocks", "height", NULL,
                      "SELECT height, hash, parent, merkle_root, tx_count, first_tx, proposer, time_ms, "
                      "certified_by, target, nonce, header FROM blocks WHERE height >= ?1 ORDER BY height"},
    [TABLE_TRANSACTIONS] = {"transactions", "seq", NULL,
                            "SELECT seq, txid, height, position, expiry, memo, raw FROM transactions WHERE "
                            "seq >= ?1 ORDER BY seq"},
    [TABLE_OUTPUTS] = {"outputs", "tx", "position",
                       "SELECT tx, position, owner, amount, lock, replica, spent_by FROM outputs WHERE (tx, "
                       "position) >= (?1, ?2) ORDER BY tx, position"},
    [TABLE_INPUTS] = {"inputs", "tx", "position",
                      "SELECT tx, position, source_tx, source_position FROM inputs WHERE (tx, position) >= "
                      "(?1, ?2) ORDER BY tx, position"},
    [TABLE_CONVICTIONS] = {"convictions", "height", "replica",
                           "SELECT height, replica, tx, kind, view, offence_height FROM convictions WHERE "
                           "(height, replica) >= (?1, ?2) ORDER BY height, replica"},
    [TABLE_STAKES] = {"stakes", "height", "replica",
                      "SELECT height, replica, own, delegated, turns, first_height FROM stakes WHERE "
                      "(height, replica) >= (?1, ?2) ORDER BY height, replica"},
    [TABLE_CERTIFICATES] = {"certificates", "height", NULL,
                            "SELECT height, kind, view, block, certificate FROM certificates WHERE height >= "
                            "?1 ORDER BY height"},
    [TABLE_SIGNERS] = {"signers", "height", "replica",
                       "SELECT height, replica, signature FROM signers WHERE (height, replica) >= (?1, ?2) "
                       "ORDER BY height, replica"},
    [TABLE_JOURNAL] = {"journal", "seq", NULL,
                       "SELECT seq, kind, entry, link FROM journal WHERE seq >= ?1 ORDER BY seq"},
    [TABLE_EVIDENCE] = {"evidence", "seq", NULL,
                        "SELECT seq, kind, statement, view, height, first, second, signer, output_tx, "
                        "output_position FROM evidence WHERE seq >= ?1 ORDER BY seq"},
    [TABLE_CULPRITS] =
        {"culprits", "seq", "replica",
         "SELECT seq, replica FROM culprits WHERE (seq, replica) >= (?1, ?2) ORDER BY seq, replica"},
    [TABLE_REPLICAS] =
        {"replicas", "replica", NULL,
         "SELECT replica, name, key, account FROM replicas WHERE replica >= ?1 ORDER BY replica"},
};

/* ---- where ------------------------------------------------------------------ */

char *table_where(enum audit_table table, int64_t k1, int64_t k2, const char *column, char text[WHERE_MAX])
{
	char second[40] = "";
	if (tables[table].key2)
		snprintf(second, sizeof second, ",%s=%" PRId64, tables[table].key2, k2);
	snprintf(text, WHERE_MAX, "%s(%s=%" PRId64 "%s)%s%s", tables[table].name, tables[table].key1, k1,
	         second, column ? "." : "", column ? column : "");
	return text;
}

char *cursor_where(const struct cursor *c, int col, char text[WHERE_MAX])
{
	return table_where(c->table, c->k1, c->k2, col < 0 ? NULL : sqlite3_column_name(c->stmt, col), text);
}

/* ---- walking ----------------------------------------------------------------- */

/* The row of this key, or the first above it. */
static void start(struct cursor *c, int64_t k1, int64_t k2)
{
	c->k1 = k1;
	c->k2 = k2;
	c->at_row = c->passed = false;
	if (!c->stmt)
		return;
	sqlite3_reset(c->stmt);
	sqlite3_bind_int64(c->stmt, 1, k1);
	if (tables[c->table].key2)
		sqlite3_bind_int64(c->stmt, 2, k2);
	cursor_next(c);
}

void cursor_open_at(struct cursor *c, struct book *b, enum audit_table table, int64_t k1)
{
	*c = (struct cursor){.book = b, .table = table, .stmt = book_prepare(b, tables[table].sql)};
	start(c, k1, INT64_MIN);
}

void cursor_open(struct cursor *c, struct book *b, enum audit_table table)
{
	cursor_open_at(c, b, table, INT64_MIN);
}

void cursor_close(struct cursor *c)
{
	sqlite3_finalize(c->stmt);
	c->stmt = NULL;
	c->at_row = false;
}

void cursor_next(struct cursor *c)
{
	c->passed = c->at_row;
	c->at_row = c->stmt && book_step(c->book, c->stmt);
	if (!c->at_row)
		return;
	c->k1 = sqlite3_column_int64(c->stmt, 0);
	c->k2 = tables[c->table].key2 ? sqlite3_column_int64(c->stmt, 1) : 0;
}

void cursor_pause(struct cursor *c)
{
	sqlite3_reset(c->stmt);
}

void cursor_resume(struct cursor *c)
{
	const int64_t k1 = c->k1, k2 = c->k2;
	const bool past = !c->at_row && c->passed; /* the last row there was, for others may follow by now */

	start(c, k1, k2);
	if (past && c->at_row && c->k1 == k1 && c->k2 == k2)
		cursor_next(c);
}

static void extra_row(struct cursor *c, struct qheight h)
{
	char where[WHERE_MAX];
	book_find(c->book, AUDIT_EXTRA, h, cursor_where(c, -1, where), "the chain has no such row");
	cursor_next(c);
}

void cursor_skip(struct cursor *c, int64_t k1, int64_t k2, struct qheight h)
{
	while (c->at_row && (c->k1 < k1 || (c->k1 == k1 && c->k2 < k2)))
		extra_row(c, h);
}

bool cursor_seek(struct cursor *c, int64_t k1, int64_t k2, struct qheight h)
{
	cursor_skip(c, k1, k2, h);
	if (c->at_row && c->k1 == k1 && c->k2 == k2)
		return true;
	char where[WHERE_MAX];
	if (!book_ends(c->book))
		book_find(c->book, AUDIT_MISSING, h, table_where(c->table, k1, k2, NULL, where),
		          "the row is missing");
	return false;
}

void cursor_rest(struct cursor *c, struct qheight h)
{
	while (c->at_row)
		extra_row(c, h);
}

/* ---- comparing ---------------------------------------------------------------- */

/* A value as people read it: an integer, a text, or a blob's first bytes in hex. */
static const char *show_blob(const void *data, size_t len, char *text, size_t cap)
{
	char hex[2 * 32 + 1];
	size_t shown = len < 32 ? len : 32;
	hex_encode(hex, data, shown);
	if (shown < len)
		snprintf(text, cap, "x'%s...' (%zu bytes)", hex, len);
	else
		snprintf(text, cap, "x'%s'", hex);
	return text;
}

static const char *show_value(sqlite3_stmt *stmt, int col, char *text, size_t cap)
{
	switch (sqlite3_column_type(stmt, col)) {
	case SQLITE_NULL:
		snprintf(text, cap, "NULL");
		break;
	case SQLITE_BLOB: {
		const void *data = sqlite3_column_blob(stmt, col);
		show_blob(data, (size_t)sqlite3_column_bytes(stmt, col), text, cap);
		break;
	}
	default:
		snprintf(text, cap, "%.64s", (const char *)sqlite3_column_text(stmt, col));
	}
	return text;
}

static void altered(struct book *b, sqlite3_stmt *stmt, int col, const char *want, const char *where,
                    struct qheight h)
{
	char is[128];
	book_find(b, AUDIT_ALTERED, h, where, "is %s, must be %s", show_value(stmt, col, is, sizeof is),
	          want);
}

static bool same_int(sqlite3_stmt *stmt, int col, int64_t want)
{
	return sqlite3_column_type(stmt, col) == SQLITE_INTEGER && sqlite3_column_int64(stmt, col) == want;
}

static bool same_blob(sqlite3_stmt *stmt, int col, const void *want, size_t len)
{
	if (sqlite3_column_type(stmt, col) != SQLITE_BLOB)
		return false;
	const void *data = sqlite3_column_blob(stmt, col);
	return (size_t)sqlite3_column_bytes(stmt, col) == len && (len == 0 || memcmp(data, want, len) == 0);
}

static bool same_text(sqlite3_stmt *stmt, int col, const char *want)
{
	if (sqlite3_column_type(stmt, col) != SQLITE_TEXT)
		return false;
	const char *text = (const char *)sqlite3_column_text(stmt, col);
	size_t len = (size_t)sqlite3_column_bytes(stmt, col);
	return len == strlen(want) && memcmp(text, want, len) == 0;
}

bool value_is_int(struct book *b, sqlite3_stmt *stmt, int col, int64_t want, const char *where,
                  struct qheight h)
{
	char text[32];
	if (same_int(stmt, col, want))
		return true;
	snprintf(text, sizeof text, "%" PRId64, want);
	altered(b, stmt, col, text, where, h);
	return false;
}

bool value_is_blob(struct book *b, sqlite3_stmt *stmt, int col, const void *want, size_t len,
                   const char *where, struct qheight h)
{
	char text[128];
	if (same_blob(stmt, col, want, len))
		return true;
	altered(b, stmt, col, show_blob(want, len, text, sizeof text), where, h);
	return false;
}

/* The cursors' comparisons run for every column of every row: the place is only written where it is needed.
 */
bool cursor_is_int(struct cursor *c, int col, int64_t want, struct qheight h)
{
	char where[WHERE_MAX];
	return same_int(c->stmt, col, want) ||
	       value_is_int(c->book, c->stmt, col, want, cursor_where(c, col, where), h);
}

bool cursor_is_blob(struct cursor *c, int col, const void *want, size_t len, struct qheight h)
{
	char where[WHERE_MAX];
	return same_blob(c->stmt, col, want, len) ||
	       value_is_blob(c->book, c->stmt, col, want, len, cursor_where(c, col, where), h);
}

void cursor_is_text(struct cursor *c, int col, const char *want, struct qheight h)
{
	char where[WHERE_MAX];
	if (!same_text(c->stmt, col, want))
		altered(c->book, c->stmt, col, want, cursor_where(c, col, where), h);
}

void cursor_is_null(struct cursor *c, int col, struct qheight h)
{
	char where[WHERE_MAX];
	if (sqlite3_column_type(c->stmt, col) != SQLITE_NULL)
		altered(c->book, c->stmt, col, "NULL", cursor_where(c, col, where), h);
}

void cursor_is(struct cursor *c, int col, const struct db_value *want, struct qheight h)
{
	switch (want->type) {
	case DB_INT:
		cursor_is_int(c, col, want->n, h);
		break;
	case DB_BLOB:
		cursor_is_blob(c, col, want->data, want->len, h);
		break;
	case DB_TEXT:
		cursor_is_text(c, col, want->data, h);
		break;
	case DB_NULL:
		cursor_is_null(c, col, h);
		break;
	}
}

const uint8_t *cursor_blob(const struct cursor *c, int col, size_t *len)
{
	*len = 0;
	if (sqlite3_column_type(c->stmt, col) != SQLITE_BLOB)
		return NULL;
	const uint8_t *data = sqlite3_column_blob(c->stmt, col);
	*len = (size_t)sqlite3_column_bytes(c->stmt, col);
	return data;
}
