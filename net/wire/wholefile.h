/*
 * wholefile.h: reading a whole file that somebody gave.
 */
#ifndef QUORATE_WHOLEFILE_H
#define QUORATE_WHOLEFILE_H

#include "err.h"

/*
 * A whole file of at most `max` bytes, or standard input where the path is "-"; NUL-terminated, free() it.
 * *len may be NULL.  NULL with *err (ERR_INPUT), which names the file.
 */
char *wholefile_read(const char *path, size_t max, size_t *len, struct err *err);

#endif
