/*
 * merkle.h: Merkle trees of RFC 6962 section 2.1 (SHA-256, leaf tag 0x00, node
 * tag 0x01, no duplicated leaf, so CVE-2012-2459 cannot happen).
 */
#ifndef QUORATE_MERKLE_H
#define QUORATE_MERKLE_H

#include "hash.h"
#include "wire.h"

#define MERKLE_PATH_MAX 32

/* SHA-256(0x00 || data). */
void merkle_leaf(const void *data, size_t len, struct qhash *out);

/* The same of many. */
void merkle_leaves(const struct span *data, size_t cnt, struct qhash *const *out);

/* Root over `cnt` leaf hashes; of none: SHA-256 of nothing. */
void merkle_root(const struct qhash *leaves, size_t cnt, struct qhash *root);

/* Audit path of leaf `index` (< cnt), leaf upwards; returns its length (<= MERKLE_PATH_MAX). */
size_t merkle_path(const struct qhash *leaves, size_t cnt, size_t index, struct qhash path[MERKLE_PATH_MAX]);

/* Does the path lead from this leaf at `index` of `cnt` to the root?  Total on any input. */
bool merkle_verify(const struct qhash *leaf, size_t index, size_t cnt, const struct qhash *path,
                   size_t path_cnt, const struct qhash *root);

#endif
