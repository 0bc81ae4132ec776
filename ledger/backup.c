/*
 * backup.c: see backup.h.
 *
 * The copy is made by SQLite's backup interface, in one read transaction of the source.  Left alone that
 * interface takes a new view of the source for each step, and begins anew whenever another process has
 * committed in between: a node does so several times a second, and the copy would never be done.  One step
 * for all pages would be one view, but silent for as long as it takes; so the view is ours, and the steps go
 * on in it.  VACUUM INTO has one view, too, but makes every table and index anew, row by row: several times
 * the work, and while it lasts the node can fold its WAL no further than to where the view began.  Pages go
 * as fast as the disk does, and the view ends with the last of them: what is checked is checked afterwards,
 * on the copy.
 *
 * The source is opened read-only: this is no second writer, which its node would notice, and stop.
 */
#include "backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db.h"

#define PARTIAL ".quorate-partial"
#define STEP_PAGES 2048 /* 8 MiB: a few tens of milliseconds between two words about progress */
/* https://www.sqlite.org/fileformat.html */
#define HEADER_BYTES 100
#define AT_APPLICATION_ID 68 /* 4 bytes, big-endian */

struct backup {
	char *to, *partial; /* paths */
	char *name, *partial_name;
	int dir; /* the folder of both */
	int fd;  /* of the copy; open and locked until the end: to close it would end SQLite's locks, too */
	bool made, published;
};

static char *joined(const char *a, const char *b)
{
	size_t len = strlen(a) + strlen(b) + 1;
	char *text = xcalloc(len, 1);

	snprintf(text, len, "%s%s", a, b);
	return text;
}

/* ---- the name --------------------------------------------------------------- */

const char *backup_found(const char *path)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
	const char *found = NULL;

	for (size_t i = 0; i < sizeof endings / sizeof *endings && !found; i++) {
		char *beside = joined(path, endings[i]);
		struct stat st;
		if (lstat(beside, &st) == 0)
			found = endings[i];
		free(beside);
	}
	return found;
}

static bool is_ledger_file(const char *path)
{
	uint8_t h[HEADER_BYTES] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool full = fd >= 0 && pread(fd, h, sizeof h, 0) == (ssize_t)sizeof h;

	if (fd >= 0)
		close(fd);
	const uint8_t *id = h + AT_APPLICATION_ID;
	return full && memcmp(h, "SQLite format 3", 16) == 0 &&
	       ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]) ==
	           (uint32_t)db_ledger.application_id;
}

bool backup_may_take(const char *to, bool replace, struct err *err)
{
	const char *found = backup_found(to);

	if (!found)
		return true;
	/* SQLite would take what is in there for changes of the file that it lies beside. */
	char *wal = joined(to, "-wal");
	bool in_use = found[0] != '\0' || access(wal, F_OK) == 0;
	free(wal);
	if (in_use)
		return err_set(
		    err, ERR_INPUT,
		    "%s: %s%s is there, so a ledger is in use under that name; choose another name", to, to,
		    found[0] != '\0' ? found : "-wal");
	if (!replace)
		return err_set(err, ERR_INPUT,
		               "%s: is there already; choose another name, or say --force to replace it", to);
	return is_ledger_file(to) ||
	       err_set(err, ERR_INPUT,
	               "%s: is there, and no backup of a ledger: not replaced; choose another name", to);
}

/* ---- the file that is to become it -------------------------------------------- */

static bool split(struct backup *b, const char *to, struct err *err)
{
	char *copy = xstrdup(to), *base = xstrdup(to);
	const char *folder = dirname(copy);

	b->to = xstrdup(to);
	b->partial = joined(to, PARTIAL);
	b->name = xstrdup(basename(base));
	b->partial_name = joined(b->name, PARTIAL);
	b->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = b->dir >= 0 || err_set(err, errno == ENOENT || errno == ENOTDIR ? ERR_INPUT : ERR_WORLD,
	                                 "%s: its folder %s: %s", to, folder, strerror(errno));
	if (ok && (to[0] == '\0' || to[strlen(to) - 1] == '/'))
		ok = err_set(err, ERR_INPUT, "\"%s\" is no name for a file", to);
	free(copy);
	free(base);
	return ok;
}

/* Where a rename cannot spare a name that is taken, somebody may have been ended between the new name and the
 * end of the old one: the file has both, and is a ledger by now. */
static bool is_published(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 1;
}

/* Until it was locked another process may have published what was there, or removed it. */
static bool still_named(const struct backup *b)
{
	struct stat ours, named;

	return fstat(b->fd, &ours) == 0 && S_ISREG(ours.st_mode) &&
	       fstatat(b->dir, b->partial_name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int open_partial(const struct backup *b)
{
	return openat(b->dir, b->partial_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static bool make_partial(struct backup *b, struct err *err)
{
	b->fd = open_partial(b);
	if (b->fd >= 0 && is_published(b->fd)) {
		close(b->fd);
		unlinkat(b->dir, b->partial_name, 0);
		b->fd = open_partial(b);
	}
	if (b->fd < 0)
		return err_set(err, ERR_WORLD, "%s: cannot be made: %s", b->partial, strerror(errno));
	if (flock(b->fd, LOCK_EX | LOCK_NB) != 0 || !still_named(b))
		return err_set(err, ERR_WORLD,
		               "%s: another process is making it; wait for that, or choose another name",
		               b->to);
	b->made = true;
	if (ftruncate(b->fd, 0) != 0 || fchmod(b->fd, 0600) != 0)
		return err_set(err, ERR_WORLD, "%s: cannot be made: %s", b->partial, strerror(errno));
	return true;
}

/* What SQLite made beside the copy while it was being turned into one file. */
static void remove_companions(const struct backup *b)
{
	static const char *const endings[] = {"-wal", "-shm", "-journal"};

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		char *name = joined(b->partial_name, endings[i]);
		unlinkat(b->dir, name, 0);
		free(name);
	}
}

struct backup *backup_begin(const char *to, struct err *err)
{
	struct backup *b = xcalloc(1, sizeof *b);

	b->dir = b->fd = -1;
	if (split(b, to, err) && make_partial(b, err)) {
		remove_companions(b);
		return b;
	}
	backup_end(b);
	return NULL;
}

const char *backup_path(const struct backup *b)
{
	return b->partial;
}

void backup_end(struct backup *b)
{
	if (!b)
		return;
	if (b->made && !b->published) {
		remove_companions(b);
		unlinkat(b->dir, b->partial_name, 0);
	}
	if (b->fd >= 0)
		close(b->fd);
	if (b->dir >= 0)
		close(b->dir);
	free(b->to);
	free(b->partial);
	free(b->name);
	free(b->partial_name);
	free(b);
}

/* Takes the name if it is free. Not every file system can do that by a rename. */
static bool take_free_name(const struct backup *b)
{
	if (renameat2(b->dir, b->partial_name, b->dir, b->name, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	return linkat(b->dir, b->partial_name, b->dir, b->name, 0) == 0 &&
	       unlinkat(b->dir, b->partial_name, 0) == 0;
}

bool backup_publish(struct backup *b, bool replace, struct err *err)
{
	if (fsync(b->fd) != 0)
		return err_set(err, ERR_WORLD, "%s: cannot be written to disk: %s", b->partial,
		               strerror(errno));
	if (!(replace ? renameat(b->dir, b->partial_name, b->dir, b->name) == 0 : take_free_name(b)))
		return err_set(err, errno == EEXIST ? ERR_INPUT : ERR_WORLD,
		               "%s: cannot be given its name: %s", b->to, strerror(errno));
	b->published = true;
	return fsync(b->dir) == 0 ||
	       err_set(err, ERR_WORLD, "%s: is there, but a power failure may take its name back: %s", b->to,
	               strerror(errno));
}

/* ---- copying ---------------------------------------------------------------- */

enum { GET_CHAIN, GET_TIP, GET_BYTES, STATEMENTS };
static const struct db_sql statements[STATEMENTS] = {
    [GET_CHAIN] = {"read meta", "SELECT value FROM meta WHERE key = 'chain'"},
    [GET_TIP] = {"read the tip", "SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1"},
    [GET_BYTES] = {"read its size", "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"},
};

/* What the ledger says of itself. */
static bool read_facts(struct db *db, struct backup_facts *facts, struct err *err)
{
	int64_t height = 0, bytes;
	enum found found = db_query(db, GET_CHAIN, DB_NONE, err);

	if (found == FOUND_ERROR)
		return false;
	if (found == NOT_FOUND)
		return db_damaged(db, err, "it does not say of which chain it is");
	if (!db_get_fixed(db, GET_CHAIN, 0, facts->chain.b, sizeof facts->chain.b, err))
		return false;
	db_done(db, GET_CHAIN);
	facts->block = facts->chain;
	found = db_query(db, GET_TIP, DB_NONE, err);
	if (found == FOUND && (!db_get_int(db, GET_TIP, 0, &height, err) ||
	                       !db_get_fixed(db, GET_TIP, 1, facts->block.b, sizeof facts->block.b, err)))
		return false;
	if (found == FOUND)
		db_done(db, GET_TIP);
	if (found == FOUND_ERROR || db_query(db, GET_BYTES, DB_NONE, err) != FOUND ||
	    !db_get_int(db, GET_BYTES, 0, &bytes, err))
		return false;
	db_done(db, GET_BYTES);
	facts->height.n = (uint64_t)height;
	facts->bytes = (uint64_t)bytes;
	return true;
}

static bool of_chain(const char *from, const struct qhash *is, const struct qhash *want, struct err *err)
{
	char hex[2][QHASH_HEX];

	if (!want || qhash_eq(is, want))
		return true;
	return err_set(err, ERR_INPUT, "ledger %s: of chain %s; the genesis is that of %s", from,
	               hex_encode(hex[0], is->b, sizeof is->b), hex_encode(hex[1], want->b, sizeof want->b));
}

/* Whose fault it is: SQLite tells of both files by one code. */
static bool copy_failed(const struct backup *b, const char *from, sqlite3 *to, int code, uint64_t bytes,
                        struct err *err)
{
	int cause = sqlite3_system_errno(to);

	switch (code) {
	case SQLITE_FULL:
		return err_set(err, ERR_WORLD,
		               "%s: no room left: the copy takes %" PRIu64
		               " bytes; make room, or choose another folder",
		               b->to, bytes);
	case SQLITE_IOERR_WRITE:
	case SQLITE_IOERR_TRUNCATE:
	case SQLITE_IOERR_FSYNC:
		return err_set(err, ERR_WORLD, "%s: cannot be written: %s; the copy takes %" PRIu64 " bytes",
		               b->to, strerror(cause), bytes);
	default:
		return err_set(
		    err, ERR_WORLD,
		    "ledger %s: cannot be copied: %s (code %d); quorate audit tells whether it is damaged",
		    from, sqlite3_errstr(code), code);
	}
}

static bool copy_pages(struct backup *b, struct db *from, sqlite3 *to, const struct backup_progress *progress,
                       uint64_t bytes, struct err *err)
{
	sqlite3_backup *copy = sqlite3_backup_init(to, "main", from->handle, "main");
	int rc = SQLITE_OK;

	if (!copy)
		return copy_failed(b, from->path, to, sqlite3_extended_errcode(to), bytes, err);
	while (rc == SQLITE_OK) {
		rc = sqlite3_backup_step(copy, STEP_PAGES);
		int pages = sqlite3_backup_pagecount(copy), left = sqlite3_backup_remaining(copy);
		if (progress->told)
			progress->told(progress->ctx, (uint64_t)(pages - left), (uint64_t)pages);
	}
	sqlite3_backup_finish(copy);
	return rc == SQLITE_DONE || copy_failed(b, from->path, to, rc, bytes, err);
}

/* The first word of the answer must be this. */
static bool expect(const struct backup *b, sqlite3 *db, const char *sql, const char *want, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	bool ok = false;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW) {
		err_set(err, ERR_WORLD, "%s: %s: %s", b->to, sql, sqlite3_errmsg(db));
	} else {
		const char *got = (const char *)sqlite3_column_text(stmt, 0);
		ok = got && strcmp(got, want) == 0;
		if (!ok)
			err_set(err, ERR_WORLD,
			        "%s: %s: %s; quorate audit tells what is wrong with the ledger", b->to, sql,
			        got ? got : "no answer");
	}
	sqlite3_finalize(stmt);
	return ok;
}

/* From one state of the source; afterwards nothing of ours holds on to it. */
static bool copy_state(struct backup *b, sqlite3 *to, const char *path, const struct qhash *chain,
                       const struct backup_progress *progress, struct backup_facts *facts, struct err *err)
{
	struct db from;

	if (!db_open(&from, &db_ledger, DB_READ, path, NULL, statements, STATEMENTS, NULL, err))
		return false;
	bool ok = db_view(&from, err);
	if (ok) {
		/* The first read fixes the view; the pages are of the same one. */
		ok = read_facts(&from, facts, err) && of_chain(path, &facts->chain, chain, err) &&
		     copy_pages(b, &from, to, progress, facts->bytes, err);
		db_view_end(&from);
	}
	db_close(&from);
	return ok;
}

static bool open_copy(const struct backup *b, sqlite3 **to, struct err *err)
{
	/* backup_publish() syncs all of it, once; what is not published is thrown away. */
	if (sqlite3_open_v2(b->partial, to,
	                    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	                    NULL) == SQLITE_OK &&
	    sqlite3_exec(*to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA mmap_size = 0",
	                 NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return err_set(err, ERR_WORLD, "%s: cannot be opened: %s", b->partial, sqlite3_errmsg(*to));
}

/* Does the copy, opened anew, say what the ledger said? */
static bool reread(const struct backup *b, const struct backup_facts *facts, struct err *err)
{
	struct backup_facts again = {0};
	struct db db;

	if (!db_open(&db, &db_ledger, DB_READ, b->partial, NULL, statements, STATEMENTS, NULL, err))
		return false;
	bool ok = read_facts(&db, &again, err);
	db_close(&db);
	if (ok && (!qhash_eq(&again.chain, &facts->chain) || again.height.n != facts->height.n ||
	           !qhash_eq(&again.block, &facts->block) || again.bytes != facts->bytes))
		ok =
		    err_set(err, ERR_WORLD, "%s: the copy is not what was copied; is the disk sound?", b->to);
	return ok;
}

bool backup_copy(struct backup *b, const char *from, const struct qhash *chain,
                 const struct backup_progress *progress, struct backup_facts *facts, struct err *err)
{
	static const struct backup_progress silent = {0};
	sqlite3 *to = NULL;

	*facts = (struct backup_facts){0};
	if (access(from, R_OK) != 0) /* SQLite would say no more than that it cannot be opened */
		return err_set(err, ERR_INPUT, "ledger %s: %s", from, strerror(errno));
	/* The copy says that it has a WAL, as the ledger has, until it is told to do without. */
	bool ok = open_copy(b, &to, err) &&
	          copy_state(b, to, from, chain, progress ? progress : &silent, facts, err) &&
	          expect(b, to, "PRAGMA journal_mode = DELETE", "delete", err) &&
	          expect(b, to, "PRAGMA quick_check(1)", "ok", err);
	sqlite3_close(to);
	return ok && reread(b, facts, err);
}
