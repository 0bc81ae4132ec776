/*
 * merkle.c: RFC 6962 Merkle trees: roots, audit paths and their verification.
 */
#include "merkle.h"
#include "err.h"
#include "hash.h"

void merkle_leaf(const void *data, size_t len, struct qhash *out)
{
	static const uint8_t prefix = 0x00;
	hash_plain((struct span[]){{&prefix, 1}, {data, len}}, 2, out->b);
}

/* *out may be *left or *right. */
static void node(const struct qhash *left, const struct qhash *right, struct qhash *out)
{
	static const uint8_t prefix = 0x01;
	hash_plain((struct span[]){{&prefix, 1}, {left->b, 32}, {right->b, 32}}, 3, out->b);
}

/*
 * One pass with a stack of perfect subtrees, the largest at the bottom: after i leaves their
 * sizes are the bits of i, so the leaf at i completes as many as i has trailing ones.  What is
 * left at the end, folded from the right, is the RFC's split at the largest power of two.
 */
void merkle_root(const struct qhash *leaves, size_t cnt, struct qhash *root)
{
	struct qhash stack[64];
	size_t depth = 0;
	if (cnt == 0) {
		hash_plain(NULL, 0, root->b);
		return;
	}
	for (size_t i = 0; i < cnt; i++) {
		stack[depth++] = leaves[i];
		for (size_t rest = i; rest & 1; rest >>= 1, depth--)
			node(&stack[depth - 2], &stack[depth - 1], &stack[depth - 2]);
	}
	for (; depth > 1; depth--)
		node(&stack[depth - 2], &stack[depth - 1], &stack[depth - 2]);
	*root = stack[0];
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
