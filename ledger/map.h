/*
 * map.h: uthash as this project uses it: out of memory aborts, as everywhere (uthash
 * itself would exit), and nothing but memory functions is called.
 *
 * Ids and hashes are made by whoever makes a transaction, who can look for ones that uthash's own function
 * would put into one bucket; so keys are hashed with a secret of the process. A key is compared and hashed by
 * its bytes, so a key type must have no padding. HASH_ITER goes in order of insertion: deterministic.
 */
#ifndef QUORATE_MAP_H
#define QUORATE_MAP_H

#include <stdlib.h>

#include "err.h"
#include "hash.h"

#define HASH_FUNCTION(key, len, out) (out) = hash_short(key, len)
#define uthash_malloc(size) xrealloc(NULL, size)
#define uthash_free(p, size) free(p)
#define uthash_fatal(msg) must_failed(msg, __FILE__, __LINE__)
#include <uthash.h>

#endif
