/*
 * feed.c: rows of a program as a table, so that one execution of a statement takes them all.
 *
 * An eponymous virtual table: `SELECT c0, c1 FROM feed` yields what db_feed()'s callback gives, each row
 * once.
 */
#include <stdlib.h>

#include "feed.h"

struct feed_table {
	sqlite3_vtab base;
	struct feed *feed;
};

struct feed_cursor {
	sqlite3_vtab_cursor base;
	struct feed *feed;
	struct db_value row[FEED_COLUMNS];
	sqlite3_int64 rows;
	bool more;
};

static int feed_connect(sqlite3 *handle, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                        char **message)
{
	struct feed_table *t;

	(void)argc;
	(void)argv;
	(void)message;
	_Static_assert(FEED_COLUMNS == 8, "as declared here");
	int rc = sqlite3_declare_vtab(handle, "CREATE TABLE feed (c0, c1, c2, c3, c4, c5, c6, c7)");
	if (rc != SQLITE_OK)
		return rc;
	t = xcalloc(1, sizeof *t);
	t->feed = aux;
	*out = &t->base;
	return SQLITE_OK;
}

static int feed_disconnect(sqlite3_vtab *t)
{
	free(t);
	return SQLITE_OK;
}

/* There is one way to read it. */
static int feed_best_index(sqlite3_vtab *t, sqlite3_index_info *info)
{
	(void)t;
	info->estimatedCost = 1000;
	info->estimatedRows = 1000;
	return SQLITE_OK;
}

static int feed_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
	struct feed_cursor *c = xcalloc(1, sizeof *c);

	c->feed = ((struct feed_table *)t)->feed;
	*out = &c->base;
	return SQLITE_OK;
}

static int feed_close(sqlite3_vtab_cursor *c)
{
	free(c);
	return SQLITE_OK;
}

static int feed_next(sqlite3_vtab_cursor *base)
{
	struct feed_cursor *c = (struct feed_cursor *)base;

	c->rows++;
	c->more = c->feed->next && c->feed->next(c->feed->ctx, c->row);
	return SQLITE_OK;
}

/* Rows that were given are gone: a plan that asks for them again, for each row of another table, must not be
 * taken for one that found fewer. */
static int feed_filter(sqlite3_vtab_cursor *c, int plan, const char *name, int argc, sqlite3_value **argv)
{
	(void)plan;
	(void)name;
	(void)argc;
	(void)argv;
	if (((struct feed_cursor *)c)->rows == 0)
		return feed_next(c);
	sqlite3_free(c->pVtab->zErrMsg);
	c->pVtab->zErrMsg = sqlite3_mprintf("feed can be read only once");
	return SQLITE_ERROR;
}

static int feed_eof(sqlite3_vtab_cursor *c)
{
	return !((struct feed_cursor *)c)->more;
}

/* The bytes stay where they are until the next row: SQLite copies what it keeps. */
static int feed_column(sqlite3_vtab_cursor *c, sqlite3_context *to, int col)
{
	const struct db_value *v = &((struct feed_cursor *)c)->row[col];

	switch (v->type) {
	case DB_INT:
		sqlite3_result_int64(to, v->n);
		break;
	case DB_BLOB: /* an empty blob must not become NULL */
		sqlite3_result_blob64(to, v->len ? v->data : "", v->len, SQLITE_STATIC);
		break;
	case DB_TEXT:
		sqlite3_result_text(to, v->data, -1, SQLITE_STATIC);
		break;
	case DB_NULL:
		sqlite3_result_null(to);
		break;
	}
	return SQLITE_OK;
}

static int feed_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *out)
{
	*out = ((struct feed_cursor *)c)->rows;
	return SQLITE_OK;
}

static const sqlite3_module feed_module = {
    .xConnect = feed_connect, /* without xCreate: it is there by its name, and nobody can make another */
    .xBestIndex = feed_best_index,
    .xDisconnect = feed_disconnect,
    .xOpen = feed_open,
    .xClose = feed_close,
    .xFilter = feed_filter,
    .xNext = feed_next,
    .xEof = feed_eof,
    .xColumn = feed_column,
    .xRowid = feed_rowid,
};

int feed_register(sqlite3 *handle, struct feed *feed)
{
	return sqlite3_create_module(handle, "feed", &feed_module, feed);
}
