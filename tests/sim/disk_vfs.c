/*
 * disk_vfs.c: SQLite's view of the disks: opening, reading, writing, SQLite's two kinds of locks, and the
 * memory that connections share in WAL mode. Nothing here asks a clock or the system for chance.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk_impl.h"
#include "err.h"

#define SECTOR_SIZE 4096          /* as SQLite's VFS for Unix says */
#define DAY_MS INT64_C(86400000)  /* Julian days in milliseconds are how SQLite counts time */
#define NOW_MS (2460000 * DAY_MS) /* some day of 2023; no clock */

struct handle {
	sqlite3_file base;
	struct disk *d; /* NULL: a temporary file, or a copy of its own */
	struct file *file;
	int level; /* SQLITE_LOCK_* */
	bool readonly;
	bool syncs_names; /* the first sync of a journal or WAL is one of the directory, too */
	bool mapped;
	unsigned shm_shared, shm_owned; /* bit: lock */
};

static struct handle *handle_of(sqlite3_file *f)
{
	return (struct handle *)f;
}

/* ---- content ------------------------------------------------------------------ */

static int disk_xread(sqlite3_file *base, void *data, int len, sqlite3_int64 at)
{
	const struct handle *h = handle_of(base);
	const struct file *f = h->file;
	size_t want = (size_t)len, from = (size_t)at;

	if (h->d && disk_fails(h->d, DISK_IO_READ))
		return SQLITE_IOERR_READ;
	size_t have = from < f->size ? f->size - from : 0;
	if (have > want)
		have = want;
	if (have > 0)
		memcpy(data, f->data + from, have);
	if (have == want)
		return SQLITE_OK;
	memset((uint8_t *)data + have, 0, want - have);
	return SQLITE_IOERR_SHORT_READ;
}

static int write_to_disk(struct handle *h, const void *data, size_t len, size_t at)
{
	if (at + len > h->file->size && disk_fails(h->d, DISK_FULL))
		return SQLITE_FULL;
	if (disk_fails(h->d, DISK_IO_WRITE))
		return SQLITE_IOERR_WRITE;
	file_write(h->file, data, len, at);
	return SQLITE_OK;
}

static int disk_xwrite(sqlite3_file *base, const void *data, int len, sqlite3_int64 at)
{
	struct handle *h = handle_of(base);

	if (h->readonly)
		return SQLITE_IOERR_WRITE;
	if (!h->d) {
		file_write(h->file, data, (size_t)len, (size_t)at);
		return SQLITE_OK;
	}
	disk_point(h->d);
	h->d->operations++;
	int rc = write_to_disk(h, data, (size_t)len, (size_t)at);
	disk_point(h->d);
	return rc;
}

static int disk_xtruncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct handle *h = handle_of(base);
	int rc = SQLITE_OK;

	if (h->readonly)
		return SQLITE_IOERR_TRUNCATE;
	if (!h->d) {
		file_truncate(h->file, (size_t)size);
		return SQLITE_OK;
	}
	disk_point(h->d);
	h->d->operations++;
	if (disk_fails(h->d, DISK_IO_WRITE))
		rc = SQLITE_IOERR_TRUNCATE;
	else
		file_truncate(h->file, (size_t)size);
	disk_point(h->d);
	return rc;
}

static void sync_on_disk(struct handle *h)
{
	file_sync(h->file);
	disk_sync_name_of(h->d, h->file);
	if (h->syncs_names)
		disk_sync_names(h->d);
	h->syncs_names = false;
}

static int disk_xsync(sqlite3_file *base, int flags)
{
	struct handle *h = handle_of(base);
	int rc = SQLITE_OK;

	(void)flags;
	if (!h->d)
		return SQLITE_OK;
	disk_point(h->d);
	h->d->operations++;
	if (disk_fails(h->d, DISK_IO_SYNC))
		rc = SQLITE_IOERR_FSYNC;
	else if (!h->d->lies)
		sync_on_disk(h);
	disk_point(h->d);
	return rc;
}

static int disk_xsize(sqlite3_file *base, sqlite3_int64 *size)
{
	*size = (sqlite3_int64)handle_of(base)->file->size;
	return SQLITE_OK;
}

/* ---- locks ---------------------------------------------------------------------- */

/*
 * SHARED: many. RESERVED: one of them means to write, others still come and read. PENDING: nobody comes any
 * more. EXCLUSIVE: all others have left. The holder of RESERVED or more is the file's writer.
 */
static int disk_xlock(sqlite3_file *base, int level)
{
	struct handle *h = handle_of(base);
	struct file *f = h->file;

	if (h->level >= level)
		return SQLITE_OK;
	if (level == SQLITE_LOCK_SHARED) {
		if (f->writer && f->writer->level >= SQLITE_LOCK_PENDING)
			return SQLITE_BUSY;
		f->shared++;
		h->level = SQLITE_LOCK_SHARED;
		return SQLITE_OK;
	}
	must(h->level >= SQLITE_LOCK_SHARED);
	if (f->writer && f->writer != h)
		return SQLITE_BUSY;
	f->writer = h;
	if (level == SQLITE_LOCK_EXCLUSIVE && f->shared > 1) {
		h->level = SQLITE_LOCK_PENDING;
		return SQLITE_BUSY;
	}
	h->level = level;
	return SQLITE_OK;
}

static int disk_xunlock(sqlite3_file *base, int level)
{
	struct handle *h = handle_of(base);

	if (h->level <= level)
		return SQLITE_OK;
	if (h->file->writer == h)
		h->file->writer = NULL;
	if (level == SQLITE_LOCK_NONE)
		h->file->shared--;
	h->level = level;
	return SQLITE_OK;
}

static int disk_xreserved(sqlite3_file *base, int *out)
{
	*out = handle_of(base)->file->writer != NULL;
	return SQLITE_OK;
}

/* ---- memory of WAL mode ----------------------------------------------------------- */

static int disk_xshmmap(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
	struct handle *h = handle_of(base);
	struct file *f = h->file;

	if (!h->mapped)
		f->mapped++;
	h->mapped = true;
	*out = NULL;
	if (region >= f->region_cnt) {
		if (!extend)
			return SQLITE_OK;
		f->regions = xrealloc(f->regions, ((size_t)region + 1) * sizeof(void *));
		while (f->region_cnt <= region)
			f->regions[f->region_cnt++] = xcalloc(1, (size_t)size);
	}
	*out = f->regions[region];
	return SQLITE_OK;
}

static int shm_unlock(struct handle *h, int at, int n)
{
	struct file *f = h->file;

	for (int i = at; i < at + n; i++) {
		unsigned bit = 1U << i;
		if (h->shm_shared & bit)
			f->shm_shared[i]--;
		if (h->shm_owned & bit)
			f->shm_owner[i] = NULL;
		h->shm_shared &= ~bit;
		h->shm_owned &= ~bit;
	}
	return SQLITE_OK;
}

static int shm_share(struct handle *h, int at, int n)
{
	struct file *f = h->file;

	for (int i = at; i < at + n; i++)
		if (f->shm_owner[i] && f->shm_owner[i] != h)
			return SQLITE_BUSY;
	for (int i = at; i < at + n; i++) {
		if (!(h->shm_shared & 1U << i))
			f->shm_shared[i]++;
		h->shm_shared |= 1U << i;
	}
	return SQLITE_OK;
}

static int shm_own(struct handle *h, int at, int n)
{
	struct file *f = h->file;

	for (int i = at; i < at + n; i++) {
		unsigned mine = h->shm_shared >> i & 1;
		if ((f->shm_owner[i] && f->shm_owner[i] != h) || f->shm_shared[i] > mine)
			return SQLITE_BUSY;
	}
	for (int i = at; i < at + n; i++) {
		f->shm_owner[i] = h;
		h->shm_owned |= 1U << i;
	}
	return SQLITE_OK;
}

static int disk_xshmlock(sqlite3_file *base, int at, int n, int flags)
{
	struct handle *h = handle_of(base);

	must(at >= 0 && n > 0 && at + n <= DISK_SHM_LOCKS);
	if (flags & SQLITE_SHM_UNLOCK)
		return shm_unlock(h, at, n);
	return flags & SQLITE_SHM_SHARED ? shm_share(h, at, n) : shm_own(h, at, n);
}

static void disk_xshmbarrier(sqlite3_file *base)
{
	(void)base; /* one thread */
}

/* The memory goes with the last who uses it: whoever comes next begins with a WAL that has to be recovered.
 */
static int disk_xshmunmap(sqlite3_file *base, int delete)
{
	struct handle *h = handle_of(base);
	struct file *f = h->file;

	(void)delete;
	if (!h->mapped)
		return SQLITE_OK;
	h->mapped = false;
	shm_unlock(h, 0, DISK_SHM_LOCKS);
	if (--f->mapped > 0)
		return SQLITE_OK;
	for (int i = 0; i < f->region_cnt; i++)
		free(f->regions[i]);
	free(f->regions);
	f->regions = NULL;
	f->region_cnt = 0;
	return SQLITE_OK;
}

/* ---- the rest of a file ------------------------------------------------------------- */

static int disk_xclose(sqlite3_file *base)
{
	struct handle *h = handle_of(base);

	disk_xshmunmap(base, 0);
	disk_xunlock(base, SQLITE_LOCK_NONE);
	if (h->d)
		h->d->open--;
	file_unref(h->file);
	return SQLITE_OK;
}

static int disk_xcontrol(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int disk_xsector(sqlite3_file *base)
{
	(void)base;
	return SECTOR_SIZE;
}

static int disk_xdevice(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = disk_xclose,
    .xRead = disk_xread,
    .xWrite = disk_xwrite,
    .xTruncate = disk_xtruncate,
    .xSync = disk_xsync,
    .xFileSize = disk_xsize,
    .xLock = disk_xlock,
    .xUnlock = disk_xunlock,
    .xCheckReservedLock = disk_xreserved,
    .xFileControl = disk_xcontrol,
    .xSectorSize = disk_xsector,
    .xDeviceCharacteristics = disk_xdevice,
    .xShmMap = disk_xshmmap,
    .xShmLock = disk_xshmlock,
    .xShmBarrier = disk_xshmbarrier,
    .xShmUnmap = disk_xshmunmap,
};

/* ---- the VFS ----------------------------------------------------------------------- */

/* The file that the handle is to work on; NULL: it cannot be opened. */
static struct file *open_file(const struct place *p, struct handle *h, int flags)
{
	bool creates = flags & SQLITE_OPEN_CREATE;

	if (!p->name)
		return file_new(false);
	if (!p->d)
		return NULL;
	struct file *f = p->synced ? disk_find_synced(p->d, p->name) : disk_find(p->d, p->name);
	if ((!f && !creates) || (f && flags & SQLITE_OPEN_EXCLUSIVE))
		return NULL;
	if (p->synced)
		return f ? file_copy_synced(f, false) : file_new(false);
	if (!f) {
		f = file_new(true);
		disk_name(p->d, p->name, f);
	}
	h->d = p->d;
	h->d->open++;
	return file_ref(f);
}

static int disk_xopen(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *base, int flags, int *out)
{
	struct handle *h = handle_of(base);
	struct place p = {0};

	(void)vfs;
	*h = (struct handle){0};
	if (path)
		p = disk_place(path);
	if (path && !p.d)
		return SQLITE_CANTOPEN;
	h->file = open_file(&p, h, flags);
	if (!h->file)
		return SQLITE_CANTOPEN;
	h->readonly = flags & SQLITE_OPEN_READONLY;
	h->syncs_names = flags & SQLITE_OPEN_CREATE &&
	                 flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL);
	h->base.pMethods = &methods;
	if (out)
		*out = flags;
	return SQLITE_OK;
}

static int disk_xdelete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
	struct place p = disk_place(path);
	int rc = SQLITE_OK;

	(void)vfs;
	if (!p.d || (!p.synced && !disk_find(p.d, p.name)))
		return SQLITE_IOERR_DELETE_NOENT;
	if (p.synced)
		return SQLITE_OK;
	disk_point(p.d);
	p.d->operations++;
	if (disk_fails(p.d, DISK_IO_WRITE))
		rc = SQLITE_IOERR_DELETE;
	else
		disk_name(p.d, p.name, NULL);
	if (rc == SQLITE_OK && sync_dir && !p.d->lies)
		disk_sync_names(p.d);
	disk_point(p.d);
	return rc;
}

static int disk_xaccess(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
	struct place p = disk_place(path);
	const struct file *f = NULL;

	(void)vfs;
	if (p.d)
		f = p.synced ? disk_find_synced(p.d, p.name) : disk_find(p.d, p.name);
	/* As on Unix: an empty file is as good as none when SQLite asks whether there is one. */
	*out = f && (flags != SQLITE_ACCESS_EXISTS || f->size > 0);
	return SQLITE_OK;
}

static int disk_xfullpath(sqlite3_vfs *vfs, const char *path, int cap, char *out)
{
	size_t len = strlen(path);

	(void)vfs;
	if (len >= (size_t)cap)
		return SQLITE_CANTOPEN;
	memcpy(out, path, len + 1);
	return SQLITE_OK;
}

static int disk_xrandomness(sqlite3_vfs *vfs, int len, char *out)
{
	(void)vfs;
	memset(out, 1, (size_t)len);
	return len;
}

static int disk_xsleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int disk_xnow64(sqlite3_vfs *vfs, sqlite3_int64 *now)
{
	(void)vfs;
	*now = NOW_MS;
	return SQLITE_OK;
}

static int disk_xnow(sqlite3_vfs *vfs, double *now)
{
	(void)vfs;
	*now = (double)NOW_MS / (double)DAY_MS;
	return SQLITE_OK;
}

static int disk_xerror(sqlite3_vfs *vfs, int len, char *text)
{
	(void)vfs;
	(void)len;
	(void)text;
	return EIO; /* always the same, whatever the machine */
}

void disk_vfs_register(void)
{
	static sqlite3_vfs vfs = {
	    .iVersion = 2,
	    .szOsFile = sizeof(struct handle),
	    .mxPathname = 128,
	    .zName = DISK_VFS,
	    .xOpen = disk_xopen,
	    .xDelete = disk_xdelete,
	    .xAccess = disk_xaccess,
	    .xFullPathname = disk_xfullpath,
	    .xRandomness = disk_xrandomness,
	    .xSleep = disk_xsleep,
	    .xCurrentTime = disk_xnow,
	    .xGetLastError = disk_xerror,
	    .xCurrentTimeInt64 = disk_xnow64,
	};

	static bool registered;

	if (registered)
		return;
	registered = true;
	/* Counting its memory costs SQLite a sixth of its time. No harm if it runs already and refuses. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	must(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}
