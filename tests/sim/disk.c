/*
 * disk.c: disks: which names there are and what they stood for since they were last durable, power, faults.
 */
#include "disk.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_impl.h"
#include "err.h"

static struct disk *disks[DISK_SLOTS];
static unsigned disk_cnt;

/* ---- directories ------------------------------------------------------------ */

static struct entry *dir_find(const struct dir *dir, const char *name)
{
	for (size_t i = 0; i < dir->cnt; i++)
		if (strcmp(dir->list[i].name, name) == 0)
			return &dir->list[i];
	return NULL;
}

static struct file *entry_now(const struct entry *e)
{
	return e->states[e->state_cnt - 1];
}

static void entry_push(struct entry *e, struct file *f)
{
	if (e->state_cnt == e->state_cap) {
		e->state_cap = e->state_cap ? 2 * e->state_cap : 4;
		e->states = xrealloc(e->states, e->state_cap * sizeof(struct file *));
	}
	e->states[e->state_cnt++] = f;
}

/* States[first] is durable from here on. */
static void entry_settle(struct entry *e, size_t first)
{
	for (size_t i = 0; i < first; i++)
		file_unref(e->states[i]);
	e->state_cnt -= first;
	memmove(e->states, e->states + first, e->state_cnt * sizeof(struct file *));
}

static struct entry *dir_add(struct dir *dir, const char *name, struct file *durable)
{
	if (dir->cnt == dir->cap) {
		dir->cap = dir->cap ? 2 * dir->cap : 8;
		dir->list = xrealloc(dir->list, dir->cap * sizeof *dir->list);
	}
	struct entry *e = &dir->list[dir->cnt++];
	*e = (struct entry){0};
	must(strlen(name) < sizeof e->name);
	memcpy(e->name, name, strlen(name) + 1);
	entry_push(e, durable);
	return e;
}

static void dir_clear(struct dir *dir)
{
	for (size_t i = 0; i < dir->cnt; i++) {
		entry_settle(&dir->list[i], dir->list[i].state_cnt);
		free(dir->list[i].states);
	}
	free(dir->list);
	*dir = (struct dir){0};
}

/* The files as they lie on the disk. */
static struct dir *lying(struct disk *d)
{
	return d->off ? &d->after : &d->dir;
}

static const struct dir *lying_const(const struct disk *d)
{
	return d->off ? &d->after : &d->dir;
}

/* ---- for the VFS -------------------------------------------------------------- */

/* "/7/ledger.db", "/7!synced/ledger.db". */
struct place disk_place(const char *path)
{
	static const char synced[] = "!synced/";
	struct place p = {0};
	char *end;

	if (path[0] != '/' || path[1] < '0' || path[1] > '9')
		return p;
	unsigned long slot = strtoul(path + 1, &end, 10);
	p.synced = strncmp(end, synced, sizeof synced - 1) == 0;
	p.name = p.synced ? end + sizeof synced - 1 : end + 1;
	if (slot < DISK_SLOTS && (p.synced || end[0] == '/') &&
	    strlen(p.name) < sizeof(((struct entry *)0)->name))
		p.d = disks[slot];
	return p;
}

struct file *disk_find(const struct disk *d, const char *name)
{
	const struct entry *e = dir_find(&d->dir, name);

	return e ? entry_now(e) : NULL;
}

struct file *disk_find_synced(const struct disk *d, const char *name)
{
	const struct entry *e = dir_find(lying_const(d), name);

	return e ? e->states[0] : NULL;
}

void disk_name(struct disk *d, const char *name, struct file *f)
{
	struct entry *e = dir_find(&d->dir, name);

	entry_push(e ? e : dir_add(&d->dir, name, NULL), f);
}

void disk_sync_names(struct disk *d)
{
	for (size_t i = 0; i < d->dir.cnt; i++)
		entry_settle(&d->dir.list[i], d->dir.list[i].state_cnt - 1);
}

void disk_sync_name_of(struct disk *d, const struct file *f)
{
	for (size_t i = 0; i < d->dir.cnt; i++) {
		struct entry *e = &d->dir.list[i];
		for (size_t k = 1; k < e->state_cnt; k++)
			if (e->states[k] == f) {
				entry_settle(e, k);
				return;
			}
	}
}

bool disk_fails(struct disk *d, enum disk_fault fault)
{
	if (!d->faults[fault].on)
		return false;
	if (d->faults[fault].after > 0) {
		d->faults[fault].after--;
		return false;
	}
	errno = fault == DISK_FULL ? ENOSPC : EIO; /* as a kernel; messages show it */
	return true;
}

void disk_point(struct disk *d)
{
	if (d->point)
		d->point(d->point_ctx);
}

/* ---- disks ---------------------------------------------------------------------- */

static void seed_sqlite(int seed)
{
	must(sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, seed, NULL) == SQLITE_OK);
}

struct disk *disk_new(unsigned slot)
{
	must(slot < DISK_SLOTS && !disks[slot]);
	disk_vfs_register();
	if (disk_cnt++ == 0)
		seed_sqlite(1);
	disks[slot] = xcalloc(1, sizeof *disks[slot]);
	disks[slot]->slot = slot;
	return disks[slot];
}

void disk_free(struct disk *d)
{
	if (!d)
		return;
	must(d->open == 0);
	dir_clear(&d->dir);
	dir_clear(&d->after);
	disks[d->slot] = NULL;
	free(d);
	if (--disk_cnt == 0)
		seed_sqlite(0);
}

void disk_watch(struct disk *d, void (*point)(void *ctx), void *ctx)
{
	d->point = point;
	d->point_ctx = ctx;
}

void disk_power_off(struct disk *d, disk_random *random, void *ctx)
{
	must(!d->off);
	for (size_t i = 0; i < d->dir.cnt; i++) {
		const struct entry *e = &d->dir.list[i];
		size_t which = e->state_cnt > 1 ? (size_t)random(ctx, e->state_cnt) : 0;
		if (e->states[which])
			dir_add(&d->after, e->name, file_survivor(e->states[which], random, ctx));
	}
	d->off = true;
}

void disk_kill(struct disk *d)
{
	must(!d->off);
	for (size_t i = 0; i < d->dir.cnt; i++) {
		const struct entry *e = &d->dir.list[i];
		struct entry *copy = dir_add(&d->after, e->name, file_clone(e->states[0]));
		for (size_t k = 1; k < e->state_cnt; k++)
			entry_push(copy, e->states[k] == e->states[k - 1] ? file_ref(copy->states[k - 1])
			                                                  : file_clone(e->states[k]));
	}
	d->off = true;
}

void disk_power_on(struct disk *d)
{
	must(d->off && d->open == 0);
	dir_clear(&d->dir);
	d->dir = d->after;
	d->after = (struct dir){0};
	d->off = false;
}

void disk_fail(struct disk *d, enum disk_fault fault, uint64_t after)
{
	d->faults[fault].on = true;
	d->faults[fault].after = after;
}

void disk_heal(struct disk *d)
{
	memset(d->faults, 0, sizeof d->faults);
}

void disk_lie(struct disk *d, bool lies)
{
	d->lies = lies;
}

bool disk_rot(struct disk *d, unsigned flips, disk_random *random, void *ctx)
{
	const struct dir *dir = lying(d);
	size_t cnt = 0, which;

	for (size_t i = 0; i < dir->cnt; i++) {
		const struct file *f = entry_now(&dir->list[i]);
		cnt += f && f->size > 0;
	}
	if (cnt == 0 || flips == 0)
		return false;
	which = (size_t)random(ctx, cnt);
	for (size_t i = 0; i < dir->cnt; i++) {
		struct file *f = entry_now(&dir->list[i]);
		if (!f || f->size == 0 || which-- > 0)
			continue;
		for (uint64_t n = 1 + random(ctx, flips); n > 0; n--) {
			uint64_t bit = random(ctx, 8 * (uint64_t)f->size);
			f->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		break;
	}
	return true;
}

static void must_be_idle(const struct disk *d)
{
	must(d->off || d->open == 0);
}

void disk_wipe(struct disk *d)
{
	must_be_idle(d);
	dir_clear(lying(d));
}

void disk_remove(struct disk *d, const char *name)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	struct dir *dir = lying(d);
	char full[sizeof dir->list->name];

	must_be_idle(d);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		snprintf(full, sizeof full, "%s%s", name, ends[i]);
		struct entry *e = dir_find(dir, full);
		if (!e)
			continue;
		entry_push(e, NULL);
		entry_settle(e, e->state_cnt - 1);
	}
}

void disk_copy(struct disk *d, const struct disk *from)
{
	const struct dir *source = lying_const(from);
	struct dir copy = {0};

	must_be_idle(d);
	for (size_t i = 0; i < source->cnt; i++) {
		const struct file *f = entry_now(&source->list[i]);
		if (f)
			dir_add(&copy, source->list[i].name, file_copy(f, true));
	}
	dir_clear(lying(d));
	*lying(d) = copy;
}

const uint8_t *disk_content(const struct disk *d, const char *name, size_t *len)
{
	const struct entry *e = dir_find(lying_const(d), name);
	const struct file *f = e ? entry_now(e) : NULL;

	if (!f)
		return NULL;
	*len = f->size;
	return f->data ? f->data : (const uint8_t *)"";
}

bool disk_synced(const struct disk *d, const char *prefix)
{
	const struct dir *dir = lying_const(d);

	for (size_t i = 0; i < dir->cnt; i++) {
		const struct entry *e = &dir->list[i];
		const struct file *f = entry_now(e);
		if (!f || strncmp(e->name, prefix, strlen(prefix)) != 0)
			continue;
		if (f->change_cnt > 0 || (f->size > 0 && e->states[0] != f))
			return false;
	}
	return true;
}

void disk_synced_path(const struct disk *d, const char *name, char *path, size_t cap)
{
	must(snprintf(path, cap, "/%u!synced/%s", d->slot, name) < (int)cap);
}

uint64_t disk_bytes(const struct disk *d)
{
	const struct dir *dir = lying_const(d);
	uint64_t bytes = 0;

	for (size_t i = 0; i < dir->cnt; i++) {
		const struct file *f = entry_now(&dir->list[i]);
		bytes += f ? f->size : 0;
	}
	return bytes;
}

uint64_t disk_operations(const struct disk *d)
{
	return d->operations;
}
