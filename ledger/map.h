/*
 * map.h: uthash as this project uses it: out of memory aborts, as everywhere (uthash
 * itself would exit), and nothing but memory functions is called.
 *
 * A key is compared and hashed by its bytes, so a key type must have no padding.
 * HASH_ITER goes in order of insertion: deterministic.
 */
#ifndef QUORATE_MAP_H
#define QUORATE_MAP_H

#include <stdlib.h>

#include "err.h"

#define uthash_malloc(size) xrealloc(NULL, size)
#define uthash_free(p, size) free(p)
#define uthash_fatal(msg) must_failed(msg, __FILE__, __LINE__)
#include <uthash.h>

#endif
