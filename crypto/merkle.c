/*
 * merkle.c: RFC 6962 Merkle trees: roots, audit paths and their verification.
 */
#include <stdlib.h>

#include "err.h"
#include "hash.h"
#include "merkle.h"

#define AT_A_TIME 64 /* hashes */

void merkle_leaf(const void *data, size_t len, struct qhash *out)
{
	static const uint8_t prefix = 0x00;
	hash_plain((struct span[]){{&prefix, 1}, {data, len}}, 2, out->b);
}

void merkle_leaves(const struct span *data, size_t cnt, struct qhash *const *out)
{
	static const uint8_t prefix = 0x00;
	struct hash_job jobs[AT_A_TIME];

	for (size_t at = 0; at < cnt;) {
		size_t n = 0;
		for (; n < AT_A_TIME && at < cnt; n++, at++)
			jobs[n] = (struct hash_job){.parts = {{&prefix, 1}, data[at]}, .out = out[at]->b};
		hash_many(jobs, n);
	}
}

/* *out may be *left or *right. */
static void node(const struct qhash *left, const struct qhash *right, struct qhash *out)
{
	static const uint8_t prefix = 0x01;
	hash_plain((struct span[]){{&prefix, 1}, {left->b, 32}, {right->b, 32}}, 3, out->b);
}

/* From the nodes of one level to those above, in place: each two have a parent, and one that has no sibling
 * moves up as it is.  Returns their number. */
static size_t level_above(struct qhash *nodes, size_t cnt)
{
	static const uint8_t prefix = 0x01;
	struct hash_job jobs[AT_A_TIME];
	struct qhash parents[AT_A_TIME] = {0};

	for (size_t at = 0; at < cnt / 2;) {
		size_t n = 0;
		for (; n < AT_A_TIME && at + n < cnt / 2; n++)
			jobs[n] = (struct hash_job){
			    .parts = {{&prefix, 1}, {&nodes[2 * (at + n)], 2 * sizeof *nodes}},
			    .out = parents[n].b};
		hash_many(jobs, n);
		memcpy(&nodes[at], parents, n * sizeof *nodes);
		at += n;
	}
	if (cnt % 2)
		nodes[cnt / 2] = nodes[cnt - 1];
	return cnt / 2 + cnt % 2;
}

/* Level by level; that is the RFC's split at the largest power of two. */
void merkle_root(const struct qhash *leaves, size_t cnt, struct qhash *root)
{
	if (cnt == 0) {
		hash_plain(NULL, 0, root->b);
		return;
	}
	struct qhash *nodes = xmemdup(leaves, cnt * sizeof *nodes);
	while (cnt > 1)
		cnt = level_above(nodes, cnt);
	*root = nodes[0];
	free(nodes);
}

/* Largest power of two below cnt (>= 2): where the RFC splits a tree. */
static size_t split_of(size_t cnt)
{
	size_t split = 1;
	while (split < cnt - split)
		split *= 2;
	return split;
}

size_t merkle_path(const struct qhash *leaves, size_t cnt, size_t index, struct qhash path[MERKLE_PATH_MAX])
{
	must(index < cnt);
	must(cnt <= (size_t)1 << MERKLE_PATH_MAX);
	size_t len = 0;
	/* From the root down; each turn leaves the sibling of the half that holds the leaf. */
	while (cnt > 1) {
		size_t split = split_of(cnt);
		if (index < split) {
			merkle_root(leaves + split, cnt - split, &path[len++]);
			cnt = split;
		} else {
			merkle_root(leaves, split, &path[len++]);
			leaves += split;
			index -= split;
			cnt -= split;
		}
	}
	for (size_t i = 0; i < len / 2; i++) {
		struct qhash swap = path[i];
		path[i] = path[len - 1 - i];
		path[len - 1 - i] = swap;
	}
	return len;
}

/* RFC 9162 section 2.1.3.2: walks up with the leaf's index and the last leaf's side by side; a
 * node on the right edge without a sibling moves up unpaired. */
bool merkle_verify(const struct qhash *leaf, size_t index, size_t cnt, const struct qhash *path,
                   size_t path_cnt, const struct qhash *root)
{
	if (index >= cnt)
		return false;
	size_t last = cnt - 1;
	struct qhash hash = *leaf;
	for (size_t i = 0; i < path_cnt; i++) {
		if (last == 0)
			return false;
		if ((index & 1) || index == last) {
			node(&path[i], &hash, &hash);
			while (!(index & 1) && index != 0) {
				index >>= 1;
				last >>= 1;
			}
		} else {
			node(&hash, &path[i], &hash);
		}
		index >>= 1;
		last >>= 1;
	}
	return last == 0 && qhash_eq(&hash, root);
}
