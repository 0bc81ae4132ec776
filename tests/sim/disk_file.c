/*
 * disk_file.c: a file's content in memory. Each change notes what it overwrote until the next sync, which
 * only has to forget the notes; appending, which is most of what a WAL does, notes nothing but a length.
 * Going back through the notes gives the content at the last sync, and on the way what each write had
 * written, so that any selection of the changes can be made again on top of it.
 */
#include <stdlib.h>
#include <string.h>

#include "disk_impl.h"
#include "err.h"

#define GRAIN 4096
#define SECTOR 512

struct file *file_new(bool logged)
{
	struct file *f = xcalloc(1, sizeof *f);

	f->refs = 1;
	f->logged = logged;
	return f;
}

struct file *file_ref(struct file *f)
{
	f->refs++;
	return f;
}

void file_unref(struct file *f)
{
	if (!f || --f->refs > 0)
		return;
	must(f->mapped == 0 && !f->regions);
	free(f->data);
	free(f->changes);
	free(f->old);
	free(f);
}

/* ---- changes ---------------------------------------------------------------- */

static void make_room(struct file *f, size_t size)
{
	if (size <= f->cap)
		return;
	size_t cap = f->cap + f->cap / 2;
	if (cap < size)
		cap = size;
	f->cap = (cap + GRAIN - 1) / GRAIN * GRAIN;
	f->data = xrealloc(f->data, f->cap);
}

/* Bytes between the old end and the new one are zero. */
static void set_size(struct file *f, size_t size)
{
	make_room(f, size);
	if (size > f->size)
		memset(f->data + f->size, 0, size - f->size);
	f->size = size;
}

static void put(struct file *f, const void *data, size_t len, size_t at)
{
	if (len == 0)
		return;
	make_room(f, at + len);
	if (at > f->size)
		set_size(f, at);
	memcpy(f->data + at, data, len);
	if (at + len > f->size)
		f->size = at + len;
}

/* What the change is going to overwrite or cut off: [at, end). */
static void note(struct file *f, struct change c, size_t end)
{
	if (!f->logged)
		return;
	if (f->change_cnt == f->change_cap) {
		f->change_cap = f->change_cap ? 2 * f->change_cap : 64;
		f->changes = xrealloc(f->changes, f->change_cap * sizeof *f->changes);
	}
	c.old_size = f->size;
	c.old_at = f->old_len;
	if (end > f->size)
		end = f->size;
	c.old_len = end > c.at ? end - c.at : 0;
	if (c.old_len > f->old_cap - f->old_len) {
		f->old_cap = 2 * f->old_cap + c.old_len;
		f->old = xrealloc(f->old, f->old_cap);
	}
	if (c.old_len > 0)
		memcpy(f->old + f->old_len, f->data + c.at, c.old_len);
	f->old_len += c.old_len;
	f->changes[f->change_cnt++] = c;
}

void file_write(struct file *f, const void *data, size_t len, size_t at)
{
	note(f, (struct change){.at = at, .len = len}, at + len);
	put(f, data, len, at);
}

void file_truncate(struct file *f, size_t size)
{
	note(f, (struct change){.truncates = true, .at = size}, f->size);
	set_size(f, size);
}

void file_sync(struct file *f)
{
	f->change_cnt = 0;
	f->old_len = 0;
}

/* ---- copies ----------------------------------------------------------------- */

struct file *file_copy(const struct file *f, bool logged)
{
	struct file *copy = file_new(logged);

	put(copy, f->data, f->size, 0);
	return copy;
}

struct file *file_clone(const struct file *f)
{
	if (!f)
		return NULL;
	struct file *clone = file_copy(f, f->logged);
	clone->change_cnt = clone->change_cap = f->change_cnt;
	clone->changes = f->change_cnt ? xmemdup(f->changes, f->change_cnt * sizeof *f->changes) : NULL;
	clone->old_len = clone->old_cap = f->old_len;
	clone->old = f->old_len ? xmemdup(f->old, f->old_len) : NULL;
	return clone;
}

/* On a copy that stands where f stood right after the change. */
static void undo(const struct file *f, const struct change *c, struct file *copy)
{
	make_room(copy, c->old_size);
	copy->size = c->old_size;
	if (c->old_len > 0)
		memcpy(copy->data + c->at, f->old + c->old_at, c->old_len);
}

struct file *file_copy_synced(const struct file *f, bool logged)
{
	struct file *copy = file_copy(f, logged);

	for (size_t i = f->change_cnt; i-- > 0;)
		undo(f, &f->changes[i], copy);
	return copy;
}

/* Some of the sectors that the write touches. */
static void tear(struct file *copy, const struct change *c, const uint8_t *data, disk_random *random,
                 void *ctx)
{
	for (size_t at = c->at, end = c->at + c->len; at < end;) {
		size_t next = (at / SECTOR + 1) * SECTOR;
		size_t len = (next < end ? next : end) - at;
		if (random(ctx, 2) == 1)
			put(copy, data + (at - c->at), len, at);
		at += len;
	}
}

static void survive(struct file *copy, const struct change *c, const uint8_t *data, disk_random *random,
                    void *ctx)
{
	switch (random(ctx, 3)) {
	case 0:
		break;
	case 1:
		if (c->truncates)
			set_size(copy, c->at);
		else
			put(copy, data, c->len, c->at);
		break;
	default:
		if (!c->truncates)
			tear(copy, c, data, random, ctx);
		break;
	}
}

static struct file *survivor_of_each(const struct file *f, disk_random *random, void *ctx)
{
	struct file *copy = file_copy(f, true);
	uint8_t **written = xcalloc(f->change_cnt, sizeof *written);

	for (size_t i = f->change_cnt; i-- > 0;) {
		const struct change *c = &f->changes[i];
		if (c->len > 0)
			written[i] = xmemdup(copy->data + c->at, c->len);
		undo(f, c, copy);
	}
	for (size_t i = 0; i < f->change_cnt; i++) {
		survive(copy, &f->changes[i], written[i], random, ctx);
		free(written[i]);
	}
	free(written);
	return copy;
}

/* With many changes a choice for each alone would hardly ever lose all of them, or none. */
struct file *file_survivor(const struct file *f, disk_random *random, void *ctx)
{
	if (f->change_cnt == 0)
		return file_copy(f, true);
	switch (random(ctx, 4)) {
	case 0:
		return file_copy_synced(f, true);
	case 1:
		return file_copy(f, true);
	default:
		return survivor_of_each(f, random, ctx);
	}
}
