/*
 * disk_impl.h: what disk.c, disk_file.c and disk_vfs.c share.
 */
#ifndef QUORATE_SIM_DISK_IMPL_H
#define QUORATE_SIM_DISK_IMPL_H

#include <sqlite3.h>

#include "disk.h"

/* ---- disk_file.c: content ------------------------------------------------- */

#define DISK_SHM_LOCKS 8 /* SQLITE_SHM_NLOCK */

/* One change since the last sync, and how to undo it. */
struct change {
	bool truncates;
	size_t at, len;         /* a truncation: to `at`; len is 0 */
	size_t old_size;        /* of the file */
	size_t old_at, old_len; /* what stood at `at`: in file.old */
};

struct handle;

struct file {
	unsigned refs;
	uint8_t *data;
	size_t size, cap;
	bool logged; /* not a temporary file or somebody's own copy */
	struct change *changes;
	size_t change_cnt, change_cap;
	uint8_t *old;
	size_t old_len, old_cap;
	/* Locks of SQLite's levels: how many hold SHARED or more, and who holds RESERVED or more. */
	unsigned shared;
	const struct handle *writer;
	/* The shared memory of those that have the file open in WAL mode. */
	void **regions;
	int region_cnt;
	unsigned mapped; /* handles */
	unsigned shm_shared[DISK_SHM_LOCKS];
	const struct handle *shm_owner[DISK_SHM_LOCKS];
};

struct file *file_new(bool logged); /* one reference */
struct file *file_ref(struct file *f);
void file_unref(struct file *f); /* NULL is fine */
void file_write(struct file *f, const void *data, size_t len, size_t at);
void file_truncate(struct file *f, size_t size);
void file_sync(struct file *f); /* changes so far can no longer be lost */
/* Copies, fully synced: of the content now, at the last sync, and of what a power loss leaves. */
struct file *file_copy(const struct file *f, bool logged);
struct file *file_clone(const struct file *f); /* with what was not synced as yet; NULL is fine */
struct file *file_copy_synced(const struct file *f, bool logged);
struct file *file_survivor(const struct file *f, disk_random *random, void *ctx);

/* ---- disk.c: names, points, faults ------------------------------------------ */

/* What a name stood for since it was last durable: states[0] is durable, the last is now. NULL: nothing. */
struct entry {
	char name[64];
	struct file **states;
	size_t state_cnt, state_cap;
};

struct dir {
	struct entry *list;
	size_t cnt, cap;
};

struct disk {
	unsigned slot;
	struct dir dir, after; /* after: what survived, while the power is off */
	bool off, lies;
	struct {
		bool on;
		uint64_t after;
	} faults[DISK_FAULTS];
	void (*point)(void *ctx);
	void *point_ctx;
	uint64_t operations;
	unsigned open; /* handles */
};

/* Which file a path names. d is NULL: none of ours. */
struct place {
	struct disk *d;
	bool synced; /* as of disk_synced_path() */
	const char *name;
};
struct place disk_place(const char *path);
struct file *disk_find(const struct disk *d, const char *name);        /* now; NULL: none */
struct file *disk_find_synced(const struct disk *d, const char *name); /* if nothing more reaches the disk */
void disk_name(struct disk *d, const char *name,
               struct file *f); /* takes over the reference; f may be NULL */
void disk_sync_names(struct disk *d);
void disk_sync_name_of(struct disk *d, const struct file *f);
bool disk_fails(struct disk *d, enum disk_fault fault); /* counts the operation */
void disk_point(struct disk *d);

/* ---- disk_vfs.c --------------------------------------------------------------- */

void disk_vfs_register(void); /* idempotent */

#endif
