/*
 * faultvfs.h: a SQLite VFS over the default one that fails the n-th operation that changes a file, and all
 * that follow (a disk does not heal while a process runs).
 */
#ifndef QUORATE_TEST_FAULTVFS_H
#define QUORATE_TEST_FAULTVFS_H

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_VFS "fault"

static struct {
	long left; /* operations until the fault; negative: never */
	int code;  /* SQLITE_FULL, SQLITE_IOERR_FSYNC ... */
	long done; /* operations seen */
	long syncs;
} fault = {.left = -1};

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real; /* in the memory behind this struct */
};

static inline sqlite3_file *fault_real(sqlite3_file *f)
{
	return ((struct fault_file *)f)->real;
}

static inline int fault_next(void)
{
	fault.done++;
	if (fault.left > 0)
		fault.left--;
	return fault.left == 0 ? fault.code : SQLITE_OK;
}

#define FAULT_PASS(name, args, call)                  \
	static int fault_##name args                  \
	{                                             \
		return fault_real(f)->pMethods->call; \
	}
#define FAULT_HIT(name, args, call)                                          \
	static int fault_##name args                                         \
	{                                                                    \
		int rc = fault_next();                                       \
		return rc != SQLITE_OK ? rc : fault_real(f)->pMethods->call; \
	}
FAULT_PASS(close, (sqlite3_file * f), xClose(fault_real(f)))
FAULT_PASS(read, (sqlite3_file * f, void *p, int n, sqlite3_int64 at), xRead(fault_real(f), p, n, at))
FAULT_HIT(write, (sqlite3_file * f, const void *p, int n, sqlite3_int64 at), xWrite(fault_real(f), p, n, at))
FAULT_HIT(truncate, (sqlite3_file * f, sqlite3_int64 size), xTruncate(fault_real(f), size))
FAULT_HIT(do_sync, (sqlite3_file * f, int flags), xSync(fault_real(f), flags))
static int fault_sync(sqlite3_file *f, int flags)
{
	fault.syncs++;
	return fault_do_sync(f, flags);
}
FAULT_PASS(size, (sqlite3_file * f, sqlite3_int64 *size), xFileSize(fault_real(f), size))
FAULT_PASS(lock, (sqlite3_file * f, int level), xLock(fault_real(f), level))
FAULT_PASS(unlock, (sqlite3_file * f, int level), xUnlock(fault_real(f), level))
FAULT_PASS(reserved, (sqlite3_file * f, int *out), xCheckReservedLock(fault_real(f), out))
FAULT_PASS(control, (sqlite3_file * f, int op, void *arg), xFileControl(fault_real(f), op, arg))
FAULT_PASS(sector, (sqlite3_file * f), xSectorSize(fault_real(f)))
FAULT_PASS(device, (sqlite3_file * f), xDeviceCharacteristics(fault_real(f)))
FAULT_PASS(shm_map, (sqlite3_file * f, int page, int size, int extend, void volatile **out),
           xShmMap(fault_real(f), page, size, extend, out))
FAULT_PASS(shm_lock, (sqlite3_file * f, int at, int n, int flags), xShmLock(fault_real(f), at, n, flags))
FAULT_PASS(shm_unmap, (sqlite3_file * f, int del), xShmUnmap(fault_real(f), del))
static void fault_shm_barrier(sqlite3_file *f)
{
	fault_real(f)->pMethods->xShmBarrier(fault_real(f));
}

static const sqlite3_io_methods fault_methods = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_device,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	sqlite3_vfs *real = vfs->pAppData;
	struct fault_file *file = (struct fault_file *)f;

	file->real = (sqlite3_file *)(file + 1);
	file->real->pMethods = NULL; /* the real VFS sets it as soon as xClose is due */
	int rc = real->xOpen(real, name, file->real, flags, out);
	f->pMethods = file->real->pMethods ? &fault_methods : NULL;
	return rc;
}

static inline void fault_setup(void)
{
	static sqlite3_vfs vfs;

	if (vfs.zName)
		return;
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);
	vfs = *real;
	vfs.pNext = NULL;
	vfs.zName = FAULT_VFS;
	vfs.pAppData = real;
	vfs.szOsFile += (int)sizeof(struct fault_file);
	vfs.xOpen = fault_open;
	if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
		abort();
}

static inline void fault_after(long operations, int code)
{
	fault.left = operations;
	fault.code = code;
	fault.done = 0;
}

static inline void fault_none(void)
{
	fault_after(-1, SQLITE_OK);
}

#endif
