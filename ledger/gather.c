/*
 * gather.c: see gather.h.
 */
#include "gather.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

/* SQLite's VFS for Unix takes 17 bits of a length for all of it; and more would not stay in a cache. */
#define GATHERED_MAX (120 << 10)
/* A sync of a file that has grown writes more than its content, and takes half as long again. So a WAL grows
 * before it is needed, by this many bytes of zeros, which are no frames. */
#define GROWN (1 << 20)

/* Of a WAL. The system's own file follows in the same piece of memory. */
struct wal {
	sqlite3_file base;
	sqlite3_file *real;
	sqlite3_int64 size; /* of the file, or less */
	sqlite3_int64 at;   /* where what was gathered belongs */
	int len;
	uint8_t *gathered;
};

static sqlite3_vfs vfs, *real_vfs;

static struct wal *wal_of(sqlite3_file *f)
{
	return (struct wal *)f;
}

/* Never over what is there. A disk that is full is none of a WAL that fits it: what fails here the next write
 * finds. */
static void grow(struct wal *w, sqlite3_int64 end)
{
	static const uint8_t zeros[64 << 10];
	int rc = w->real->pMethods->xFileSize(w->real, &w->size);

	if (rc != SQLITE_OK || w->size > end)
		return;
	for (w->size = end; rc == SQLITE_OK && w->size < end + GROWN; w->size += (int)sizeof zeros)
		rc = w->real->pMethods->xWrite(w->real, zeros, (int)sizeof zeros, w->size);
}

static int write_out(struct wal *w, const void *data, int len, sqlite3_int64 at)
{
	int rc = w->real->pMethods->xWrite(w->real, data, len, at);

	if (rc == SQLITE_OK && at + len > w->size)
		grow(w, at + len);
	return rc;
}

/* What failed stays gathered: the next call fails again, unless the disk has recovered. */
static int flush(struct wal *w)
{
	if (w->len == 0)
		return SQLITE_OK;
	int rc = write_out(w, w->gathered, w->len, w->at);
	if (rc == SQLITE_OK)
		w->len = 0;
	return rc;
}

static int wal_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
	struct wal *w = wal_of(f);
	int rc = SQLITE_OK;

	if (w->len > 0 && (at != w->at + w->len || len > GATHERED_MAX - w->len))
		rc = flush(w);
	if (rc != SQLITE_OK || len > GATHERED_MAX)
		return rc != SQLITE_OK ? rc : write_out(w, data, len, at);
	if (w->len == 0)
		w->at = at;
	memcpy(w->gathered + w->len, data, (size_t)len);
	w->len += len;
	return SQLITE_OK;
}

/* Of what was not synced nothing was promised: it need not have been written. */
static int wal_close(sqlite3_file *f)
{
	struct wal *w = wal_of(f);

	flush(w);
	free(w->gathered);
	return w->real->pMethods->xClose(w->real);
}

static int wal_read(sqlite3_file *f, void *data, int len, sqlite3_int64 at)
{
	int rc = flush(wal_of(f));

	return rc != SQLITE_OK ? rc : wal_of(f)->real->pMethods->xRead(wal_of(f)->real, data, len, at);
}

static int wal_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct wal *w = wal_of(f);
	int rc = flush(w);

	if (rc == SQLITE_OK)
		rc = w->real->pMethods->xTruncate(w->real, size);
	if (rc == SQLITE_OK)
		w->size = size;
	return rc;
}

static int wal_sync(sqlite3_file *f, int flags)
{
	int rc = flush(wal_of(f));

	return rc != SQLITE_OK ? rc : wal_of(f)->real->pMethods->xSync(wal_of(f)->real, flags);
}

static int wal_size(sqlite3_file *f, sqlite3_int64 *size)
{
	int rc = flush(wal_of(f));

	return rc != SQLITE_OK ? rc : wal_of(f)->real->pMethods->xFileSize(wal_of(f)->real, size);
}

static int wal_control(sqlite3_file *f, int what, void *arg)
{
	int rc = flush(wal_of(f));

	return rc != SQLITE_OK ? rc : wal_of(f)->real->pMethods->xFileControl(wal_of(f)->real, what, arg);
}

static int wal_lock(sqlite3_file *f, int level)
{
	return wal_of(f)->real->pMethods->xLock(wal_of(f)->real, level);
}

static int wal_unlock(sqlite3_file *f, int level)
{
	return wal_of(f)->real->pMethods->xUnlock(wal_of(f)->real, level);
}

static int wal_reserved(sqlite3_file *f, int *out)
{
	return wal_of(f)->real->pMethods->xCheckReservedLock(wal_of(f)->real, out);
}

static int wal_sector_size(sqlite3_file *f)
{
	return wal_of(f)->real->pMethods->xSectorSize(wal_of(f)->real);
}

static int wal_characteristics(sqlite3_file *f)
{
	return wal_of(f)->real->pMethods->xDeviceCharacteristics(wal_of(f)->real);
}

static const sqlite3_io_methods wal_methods = {
    .iVersion = 1, /* shared and mapped memory are the database's, not the WAL's */
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_reserved,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector_size,
    .xDeviceCharacteristics = wal_characteristics,
};

static int gather_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *out_flags)
{
	struct wal *w = wal_of(f);

	(void)v;
	if (!(flags & SQLITE_OPEN_WAL))
		return real_vfs->xOpen(real_vfs, name, f, flags, out_flags);
	*w = (struct wal){.real = (sqlite3_file *)(w + 1)};
	int rc = real_vfs->xOpen(real_vfs, name, w->real, flags, out_flags);
	if (rc != SQLITE_OK)
		return rc;
	w->gathered = xrealloc(NULL, GATHERED_MAX);
	w->base.pMethods = &wal_methods;
	return SQLITE_OK;
}

static void make_vfs(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	if (!real_vfs)
		return;
	vfs = *real_vfs;
	vfs.szOsFile += (int)sizeof(struct wal);
	vfs.pNext = NULL;
	vfs.zName = "quorate-gather";
	vfs.xOpen = gather_open;
	if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
		real_vfs = NULL;
}

const char *gather_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, make_vfs) == 0);
	return real_vfs ? vfs.zName : NULL;
}
