/*
 * secretfile.h: a small file that nobody but its owner may read, for the inside of crypto/.
 */
#ifndef QUORATE_SECRETFILE_H
#define QUORATE_SECRETFILE_H

#include "err.h"

#define SECRETFILE_MAX 4096 /* bytes */

/*
 * The whole file in guarded memory, with a NUL after it; sodium_free() it.  NULL with *err when it
 * cannot be read, is no regular file, is larger than SECRETFILE_MAX, or when its group or the world
 * has any right to it.
 */
char *secretfile_read(const char *path, size_t *len, struct err *err);

/* Makes a new file of mode 0600, on disk with its name when this returns; never replaces one. */
bool secretfile_write(const char *path, const char *text, size_t len, struct err *err);

#endif
