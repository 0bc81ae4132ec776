/*
 * audit_book.c: one ledger under audit: opening its file without changing it, noting what is found,
 * telling apart what the file is guilty of from what the world is.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"

#define BUSY_WAIT_MS 5000        /* another process may just be recovering the WAL */
#define ROW_BYTES_MAX (64 << 20) /* above any row of the schema: bounds what a file can make us allocate */

const char *audit_kind_name(enum audit_kind kind)
{
	static const char *const names[] = {
#define K(name, text, fails) [name] = (text),
	    AUDIT_KINDS(K)
#undef K
	};
	return names[kind];
}

bool audit_kind_fails(enum audit_kind kind)
{
	static const bool fails[] = {
#define K(name, text, fails) [name] = (fails),
	    AUDIT_KINDS(K)
#undef K
	};
	return fails[kind];
}

const char *audit_standing_name(enum audit_standing s)
{
	static const char *const names[] = {
#define S(name, text, meaning) [name] = (text),
	    AUDIT_STANDINGS(S)
#undef S
	};
	return names[s];
}

const char *audit_standing_meaning(enum audit_standing s)
{
	static const char *const meanings[] = {
#define S(name, text, meaning) [name] = (meaning),
	    AUDIT_STANDINGS(S)
#undef S
	};
	return meanings[s];
}

/* ---- findings --------------------------------------------------------------- */

/* Some of it came out of the file: nothing that could disturb a terminal or is no text stays. */
static char *printable(const char *text)
{
	char *copy = xstrdup(text);
	for (char *p = copy; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return copy;
}

void book_find(struct book *b, enum audit_kind kind, struct qheight height, const char *where,
               const char *fmt, ...)
{
	struct audit_ledger *out = b->out;
	char message[512];
	va_list ap;

	b->kinds |= 1u << kind;
	if (audit_kind_fails(kind))
		out->ok = false;
	if (kind == AUDIT_DOUBLE_SPEND)
		out->double_spends++;
	if (out->finding_cnt == AUDIT_FINDINGS_MAX) {
		out->finding_more++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	out->findings[out->finding_cnt++] =
	    (struct audit_finding){kind, height, printable(where), printable(message)};
}

/* Insertion sort: at most AUDIT_FINDINGS_MAX, and equal heights keep their order. */
void book_conclude(struct book *b)
{
	struct audit_finding *f = b->out->findings;
	for (size_t i = 1; i < b->out->finding_cnt; i++) {
		struct audit_finding moving = f[i];
		size_t at = i;
		for (; at > 0 && f[at - 1].height.n > moving.height.n; at--)
			f[at] = f[at - 1];
		f[at] = moving;
	}
}

/* ---- hashes ------------------------------------------------------------------ */

/* Where the hash of block h is. */
static size_t hash_at(const struct book *b, uint64_t h)
{
	return b->pool ? h : h % 2;
}

const struct qhash *book_hash(const struct book *b, uint64_t h)
{
	must(h < b->hash_cnt);
	return &b->hashes[hash_at(b, h)];
}

struct qhash *book_set_hash(struct book *b, struct qheight h)
{
	size_t at = hash_at(b, h.n);

	if (!b->hashes) { /* nothing is known of what is below */
		b->hash_cap = at + 64;
		b->hashes = xcalloc(b->hash_cap, sizeof *b->hashes);
	} else if (at >= b->hash_cap) {
		b->hash_cap = 2 * at;
		b->hashes = xrealloc(b->hashes, b->hash_cap * sizeof *b->hashes);
	}
	b->hash_cnt = h.n + 1;
	return &b->hashes[at];
}

/* ---- SQLite ------------------------------------------------------------------ */

/* What cannot be read by the file's own fault is a finding; anything else makes the audit impossible. */
void book_failed(struct book *b)
{
	int code = sqlite3_extended_errcode(b->db);
	const char *message = sqlite3_errmsg(b->db);

	if (book_ends(b))
		return;
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_TOOBIG:
		b->illegible = true;
		book_find(b, AUDIT_DAMAGED, b->out->height, "file", "%s: the rest cannot be read", message);
		return;
	case SQLITE_NOTADB:
		b->unusable = true;
		err_set(&b->err, ERR_INPUT, "ledger %s: not a SQLite database", b->out->path);
		return;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		b->unusable = true;
		err_set(&b->err, ERR_INPUT,
		        "ledger %s: cannot be read where it is: SQLite needs its -shm file, and it is "
		        "neither there "
		        "nor can it be made; copy the ledger, with its -wal file if there is one, to a "
		        "directory that "
		        "you may write, and audit the copy",
		        b->out->path);
		return;
	default:
		b->unusable = true;
		err_set(&b->err, ERR_INPUT, "ledger %s: cannot be read: %s (code %d)", b->out->path, message,
		        code);
	}
}

sqlite3_stmt *book_prepare(struct book *b, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	if (!book_ends(b) && sqlite3_prepare_v2(b->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		book_failed(b);
	return stmt;
}

bool book_step(struct book *b, sqlite3_stmt *stmt)
{
	if (!stmt || book_ends(b))
		return false;
	int rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		book_failed(b);
	return rc == SQLITE_ROW;
}

int64_t book_int(struct book *b, const char *sql, int64_t otherwise)
{
	sqlite3_stmt *stmt = book_prepare(b, sql);
	int64_t value = otherwise;
	if (book_step(b, stmt) && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

/* ---- opening ------------------------------------------------------------------ */

/* The file is not trusted: its schema may call nothing, and nothing here may write.  It is not mapped into
 * memory either: whoever cut it off meanwhile would end this process. */
static const char guards[] = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = "
                             "0; PRAGMA cache_size = -24576;"
                             "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; BEGIN";

bool book_open_file(struct book *b, struct err *err)
{
	const char *path = b->out->path;

	if (!book_check_file(path, err))
		return false;
	if (sqlite3_open_v2(path, &b->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	                    NULL) != SQLITE_OK)
		return err_set(err, ERR_INPUT, "ledger %s: cannot be opened: %s", path,
		               b->db ? sqlite3_errmsg(b->db) : "out of memory");
	sqlite3_busy_timeout(b->db, BUSY_WAIT_MS);
	sqlite3_db_config(b->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(b->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_limit(b->db, SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX);
	if (sqlite3_exec(b->db, guards, NULL, NULL, NULL) != SQLITE_OK)
		book_failed(b);
	/* The first read fixes the view of the file that all others share. */
	book_int(b, "SELECT count(*) FROM sqlite_schema", 0);
	if (b->unusable)
		*err = b->err;
	return !b->unusable;
}

bool book_open(struct book *b, struct err *err)
{
	return book_open_file(b, err) && (b->illegible || book_identify(b, err));
}

void book_close(struct book *b)
{
	sqlite3_close(b->db);
	free(b->hashes);
	free(b->pins);
	b->db = NULL;
	b->hashes = NULL;
	b->pins = NULL;
}
