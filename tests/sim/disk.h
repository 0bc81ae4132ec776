/*
 * disk.h: disks in memory, as a SQLite VFS named DISK_VFS. A path "/SLOT/NAME" is the file NAME on the disk
 * that was made for SLOT. A disk knows what was synced and what was not, so that a power loss can keep any of
 * the writes since the last sync, whole or torn; it can fill up, fail, and rot. Deterministic; one thread.
 *
 *   disk.c       disks: directories, power, faults
 *   disk_file.c  a file's content, and the changes that may still be lost
 *   disk_vfs.c   what SQLite sees
 *
 * What lasts, as on ext4 and as SQLite's own VFS for Unix relies on it:
 *
 *   - A sync of a file makes its content and its length durable, and its name, if it was just made.
 *   - SQLite syncs the directory when it syncs a journal or a WAL for the first time, and where it asks for
 * it with a removal: all names are durable then.
 *   - Of what was changed since, anything may be there after a power loss, in any combination: each write by
 *     itself, or some of its sectors; each truncation; for each name any of the files that it stood for. A
 *     real file system keeps some order among these, so what it can leave behind is left behind here, too.
 *   - Bytes that no write touched stay what they were (SQLITE_IOCAP_POWERSAFE_OVERWRITE, as on Unix).
 *   - After a sync that failed, the same changes are still to be synced. (Linux may forget them and let the
 * next sync succeed. Such a disk is disk_lie()'s.)
 *
 * Numbers that SQLite draws for itself (the salt of a WAL) are the same in each life of the first disk:
 * they are seeded when a disk is made while there is no other, and left to the system when the last is freed.
 */
#ifndef QUORATE_SIM_DISK_H
#define QUORATE_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_VFS "quorate-sim"
#define DISK_SLOTS 124

struct disk;

/* Registers the VFS when first called. slot < DISK_SLOTS and not in use. */
struct disk *disk_new(unsigned slot);
void disk_free(struct disk *d); /* no file of it is open; NULL is fine */

/* Called before and after each write, truncation, sync and removal: the numbered points. NULL: no more. The
 * power may go in there. */
void disk_watch(struct disk *d, void (*point)(void *ctx), void *ctx);

typedef uint64_t disk_random(void *ctx, uint64_t below);
/*
 * The power goes: what survives is fixed now (all that was synced; of each write since, nothing, the whole or
 * some of its 512-byte sectors; a file made or removed since the last sync may be there or not). Files stay
 * open and go on working, to no effect, until the process was closed and disk_power_on() puts the surviving
 * content in place.
 */
void disk_power_off(struct disk *d, disk_random *random, void *ctx); /* it is on */
/* The process alone is killed: as disk_power_off(), but all that it wrote survives, synced or not. */
void disk_kill(struct disk *d);
void disk_power_on(struct disk *d); /* it is off; nothing open */

/*
 * From the after-th operation of the fault's own kind on (0: the next), until disk_heal(): writes that make a
 * file longer; writes, truncations and removals; syncs; reads.
 */
enum disk_fault { DISK_FULL, DISK_IO_WRITE, DISK_IO_SYNC, DISK_IO_READ, DISK_FAULTS };
void disk_fail(struct disk *d, enum disk_fault fault, uint64_t after);
void disk_heal(struct disk *d);
void disk_lie(struct disk *d, bool lies); /* a sync says it is done and does nothing */

/*
 * The functions below work on the files as they lie on the disk: on what survived, where the power is off.
 */

/* Flips 1 .. flips bits of one file's content at rest (synced or not). False: there is no content. */
bool disk_rot(struct disk *d, unsigned flips, disk_random *random, void *ctx);
void disk_wipe(struct disk *d); /* nothing open */
/* A file with its -wal, -shm and -journal; nothing open. */
void disk_remove(struct disk *d, const char *name);
/* d becomes a copy of what is on `from` (synced or not), all of it synced; nothing open on d. */
void disk_copy(struct disk *d, const struct disk *from);
/* A file's content as it would be read; valid until anything happens to the disk. NULL: there is no such
 * file. */
const uint8_t *disk_content(const struct disk *d, const char *name, size_t *len);

/* Is everything that was written to files whose name begins with `prefix` synced? In truth, whatever a lying
 * disk says. (A removal that is not durable does not count.) */
bool disk_synced(const struct disk *d, const char *prefix);
/*
 * A path under which what is left if nothing more reaches the disk can be opened: the content of `name`, and
 * of its -wal and -journal, at their last sync. Each open takes a copy of its own, so nothing that is done
 * there has an effect, and what comes later is not seen.
 */
void disk_synced_path(const struct disk *d, const char *name, char *path, size_t cap);
uint64_t disk_bytes(const struct disk *d);
uint64_t
disk_operations(const struct disk *d); /* writes, truncations, syncs, removals so far: for the trace */

#endif
