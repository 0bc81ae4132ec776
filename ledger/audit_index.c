/*
 * audit_index.c: does each index hold what its table does?
 *
 * PRAGMA integrity_check looks up every row in every index, which takes longer the larger the file is.  Here
 * both are walked from end to end, and their sums of keyed hashes must be the same: the key is this process'
 * secret, so nobody can make other rows of the same sum.  That an index is in order is seen on the way.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"
#include "hash.h"

#define VALUE_MAX 64  /* bytes of a column that are compared: all are hashes, addresses, numbers or words */
#define ORDERED_MAX 2 /* columns that order an index, but for what is equal in them */

/* ---- digest(...) -------------------------------------------------------------------------------- */

/* Of rows in the order they come in. */
struct digest {
	uint64_t sum, rows, unordered;
	bool begun;
	struct last {
		uint8_t value[VALUE_MAX];
		size_t len;
	} last[ORDERED_MAX]; /* the first columns of the row before */
};

/* Type, length and bytes of a value. */
struct value {
	uint32_t head[2];
	int64_t number;
	const void *data;
};

static struct value value_of(sqlite3_value *v)
{
	struct value x = {.head = {(uint32_t)sqlite3_value_type(v), sizeof x.number}};

	if (x.head[0] == SQLITE_INTEGER) {
		x.number = sqlite3_value_int64(v);
		return x;
	}
	x.data = sqlite3_value_blob(v);
	x.head[1] = (uint32_t)sqlite3_value_bytes(v);
	return x;
}

static const void *bytes_of(const struct value *x)
{
	return x->head[0] == SQLITE_INTEGER ? &x->number : x->data;
}

/* 64 bits that only this process can foretell. */
static uint64_t hash_row(int argc, sqlite3_value **argv)
{
	uint8_t small[256], *row = small;
	size_t len = 1;

	for (int i = 0; i < argc; i++)
		len += sizeof(uint32_t[2]) + value_of(argv[i]).head[1];
	if (len > sizeof small)
		row = xcalloc(len, 1);
	len = 1;
	for (int i = 0; i < argc; i++) {
		struct value x = value_of(argv[i]);
		memcpy(row + len, x.head, sizeof x.head);
		if (x.head[1] > 0)
			memcpy(row + len + sizeof x.head, bytes_of(&x), x.head[1]);
		len += sizeof x.head + x.head[1];
	}
	row[0] = 0; /* the first byte tells two hashes of it apart */
	uint64_t high = hash_short(row, len);
	row[0] = 1;
	uint64_t hash = high << 32 | hash_short(row, len);
	if (row != small)
		free(row);
	return hash;
}

/* As SQLite orders what the indexes begin with: numbers, and bytes. NULL is below all, and has no bytes. */
static int compare(const struct last *l, const uint8_t *value, size_t len, bool number)
{
	int64_t a, b;

	if (number && len == sizeof a && l->len == sizeof b) {
		memcpy(&a, l->value, sizeof a);
		memcpy(&b, value, sizeof b);
		return a < b ? -1 : a > b;
	}
	int order = memcmp(l->value, value, len < l->len ? len : l->len);
	return order ? order : l->len < len ? -1 : l->len > len;
}

static void check_order(struct digest *d, int argc, sqlite3_value **argv)
{
	bool equal = d->begun; /* so far, to the row before */

	for (int i = 0; i < argc && i < ORDERED_MAX; i++) {
		struct value x = value_of(argv[i]);
		size_t len = x.head[1] < VALUE_MAX ? x.head[1] : VALUE_MAX;
		struct last *l = &d->last[i];

		int order = equal && len > 0 ? compare(l, bytes_of(&x), len, x.head[0] == SQLITE_INTEGER) : 0;
		d->unordered += order > 0;
		equal = equal && order == 0;
		l->len = len;
		if (len > 0)
			memcpy(l->value, bytes_of(&x), len);
	}
	d->begun = true;
}

static void step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	struct digest *d = sqlite3_aggregate_context(ctx, sizeof *d);

	if (!d)
		return;
	check_order(d, argc, argv);
	d->sum += hash_row(argc, argv);
	d->rows++;
}

static void final(sqlite3_context *ctx)
{
	struct digest *d = sqlite3_aggregate_context(ctx, sizeof *d);
	char text[80];

	snprintf(text, sizeof text, "%016" PRIx64 " %" PRIu64 "%s", d ? d->sum : 0, d ? d->rows : 0,
	         d && d->unordered ? " unordered" : "");
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* ---- indexes ---------------------------------------------------------------------------------------- */

struct index {
	const char *name, *table;
	const char *of;    /* the condition of its rows, or "1" */
	char columns[256]; /* with the table's key, which stands in every index */
};

/* The answer, or "" where the index is not there; free() it.  A condition with a plus before it is none that
 * SQLite would use an index for. */
static char *ask(struct book *b, const struct index *x, bool by_index)
{
	char *sql = by_index ? sqlite3_mprintf("SELECT digest(%s) FROM %s INDEXED BY %s WHERE %s", x->columns,
	                                       x->table, x->name, x->of)
	                     : sqlite3_mprintf("SELECT digest(%s) FROM %s NOT INDEXED WHERE +(%s)",
	                                       x->columns, x->table, x->of);
	sqlite3_stmt *s = NULL;
	char *answer = NULL;

	must(sql);
	if (sqlite3_prepare_v2(b->db, sql, -1, &s, NULL) == SQLITE_OK && book_step(b, s))
		answer = xstrdup((const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	sqlite3_free(sql);
	return answer ? answer : xstrdup("");
}

/* A table is walked in the order of its own key. */
static bool same_rows(const char *index, const char *table)
{
	size_t len = strlen(index);

	return strncmp(index, table, len) == 0 && (table[len] == '\0' || table[len] == ' ');
}

static void check_index(struct book *b, const struct index *x)
{
	char *index = ask(b, x, true), *table = ask(b, x, false);

	if (!book_ends(b) && *index && strstr(index, " unordered"))
		book_find(b, AUDIT_DAMAGED, qheight_of(0), "file", "index %s is not in order", x->name);
	else if (!book_ends(b) && *index && !same_rows(index, table))
		book_find(b, AUDIT_DAMAGED, qheight_of(0), "file",
		          "index %s does not hold what the table %s does", x->name, x->table);
	free(index);
	free(table);
}

/* An expression has no name: only an index' first column is one, and its text is up to the first comma. */
static void list_columns(sqlite3 *model, struct index *x)
{
	sqlite3_stmt *s;
	char *sql = sqlite3_mprintf(
	    "SELECT CASE WHEN x.cid = -1 THEN 'rowid' WHEN x.cid >= 0 THEN x.name ELSE"
	    " substr(m.sql, instr(m.sql, '(') + 1, instr(m.sql, ',') - instr(m.sql, '(') - 1) END"
	    " FROM pragma_index_xinfo(%Q) x JOIN sqlite_schema m ON m.name = %Q ORDER BY x.seqno",
	    x->name, x->name);

	must(sql && sqlite3_prepare_v2(model, sql, -1, &s, NULL) == SQLITE_OK);
	for (size_t len = 0; sqlite3_step(s) == SQLITE_ROW; len = strlen(x->columns))
		snprintf(x->columns + len, sizeof x->columns - len, "%s%s", len > 0 ? ", " : "",
		         (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	sqlite3_free(sql);
}

void book_check_indexes(struct book *b, sqlite3 *model)
{
	sqlite3_stmt *s;

	sqlite3_create_function(b->db, "digest", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, NULL, step,
	                        final);
	must(sqlite3_prepare_v2(model,
	                        "SELECT name, tbl_name, CASE instr(sql, ' WHERE ') WHEN 0 THEN '1' ELSE "
	                        "substr(sql, instr(sql, ' WHERE ') + 7) END FROM sqlite_schema "
	                        "WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
	                        -1, &s, NULL) == SQLITE_OK);
	while (!book_ends(b) && sqlite3_step(s) == SQLITE_ROW) {
		struct index x = {.name = (const char *)sqlite3_column_text(s, 0),
		                  .table = (const char *)sqlite3_column_text(s, 1),
		                  .of = (const char *)sqlite3_column_text(s, 2)};
		list_columns(model, &x);
		check_index(b, &x);
	}
	sqlite3_finalize(s);
}
