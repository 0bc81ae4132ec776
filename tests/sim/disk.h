/*
 * disk.h: disks in memory, as a SQLite VFS named DISK_VFS. A path "/SLOT/NAME" is the file NAME on the disk
 * that was made for SLOT. A disk knows what was synced and what was not, so that a power loss can keep any of
 * the writes since the last sync, whole or torn; it can fill up, fail, and rot. Deterministic; one thread.
 */
#ifndef QUORATE_SIM_DISK_H
#define QUORATE_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_VFS "quorate-sim"

struct disk;

/* Registers the VFS when first called. slot < 64 and not in use. */
struct disk *disk_new(unsigned slot);
void disk_free(struct disk *d); /* no file of it is open */

/* Called before and after each operation that changes a file or syncs it: the numbered points. */
void disk_watch(struct disk *d, void (*point)(void *ctx), void *ctx);

typedef uint64_t disk_random(void *ctx, uint64_t below);
/*
 * The power goes: what survives is fixed now (all that was synced; of each write since, nothing, the whole or
 * some of its 512-byte sectors; a file made or removed since the last sync may be there or not). Files stay open and go on working,
 * to no effect, until the process was closed and disk_power_on() puts the surviving content in place.
 */
void disk_power_off(struct disk *d, disk_random *random, void *ctx);
void disk_power_on(struct disk *d); /* nothing open */

/* From the after-th write, sync or extension on (0: the next), until disk_heal(). */
enum disk_fault { DISK_FULL, DISK_IO_WRITE, DISK_IO_SYNC, DISK_IO_READ };
void disk_fail(struct disk *d, enum disk_fault fault, uint64_t after);
void disk_heal(struct disk *d);
void disk_lie(struct disk *d, bool lies); /* a sync says it is done and does nothing */

/* Flips 1 .. flips bits of one file's content at rest (synced or not). False: there is no content. */
bool disk_rot(struct disk *d, unsigned flips, disk_random *random, void *ctx);
void disk_wipe(struct disk *d); /* nothing open */
void disk_remove(struct disk *d, const char *name); /* a file with its -wal, -shm and -journal; nothing open */
/* d becomes a copy of what is on `from` (synced or not); nothing open on d. */
void disk_copy(struct disk *d, const struct disk *from);

/* Is everything that was written to files whose name begins with `prefix` synced? */
bool disk_synced(const struct disk *d, const char *prefix);
/* A path under which the content that a power loss at this moment is sure to keep can be opened read-only. */
void disk_synced_path(const struct disk *d, const char *name, char *path, size_t cap);
uint64_t disk_bytes(const struct disk *d);
uint64_t disk_operations(const struct disk *d); /* writes and syncs so far: for the trace */

#endif
