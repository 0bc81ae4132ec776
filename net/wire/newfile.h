/*
 * newfile.h: making a file, whole and for good, or not at all.
 */
#ifndef QUORATE_NEWFILE_H
#define QUORATE_NEWFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Makes a file that was not there and writes it to disk, together with its name.  False with errno: EEXIST
 * where the name is taken; whatever it was, nothing is left behind.
 */
bool newfile_write(const char *path, mode_t mode, const void *data, size_t len);

#endif
