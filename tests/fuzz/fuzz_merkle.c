/*
 * fuzz_merkle.c: Merkle roots, paths and their verification beside RFC 6962 read literally: recursive, from
 * the root down, with libsodium's SHA-256.  An input is: number of leaves, index, how long the path is to be,
 * edits of the path and the rest, two bytes each.
 *
 * Links: q_crypto
 */
#include <sodium.h>

#include "crypto.h"
#include "err.h"
#include "fuzz.h"
#include "merkle.h"

#define LEAVES_MAX 70

/* ---- section 2.1, word for word ---------------------------------------------------------------- */

static void sha_two(const struct qhash *left, const struct qhash *right, struct qhash *out)
{
	uint8_t data[65] = {1};

	memcpy(data + 1, left->b, 32);
	memcpy(data + 33, right->b, 32);
	must(crypto_hash_sha256(out->b, data, sizeof data) == 0);
}

/* The largest power of two smaller than n. */
static uint64_t half(uint64_t n)
{
	uint64_t k = 1;

	while (k <= (n - 1) / 2)
		k *= 2;
	return k;
}

static void tree_hash(const struct qhash *leaves, size_t n, struct qhash *out)
{
	struct qhash left, right;

	if (n == 0) {
		must(crypto_hash_sha256(out->b, NULL, 0) == 0);
	} else if (n == 1) {
		*out = leaves[0];
	} else {
		tree_hash(leaves, half(n), &left);
		tree_hash(leaves + half(n), n - half(n), &right);
		sha_two(&left, &right, out);
	}
}

/* PATH(m, D[n]); returns its length. */
static size_t audit_path(uint64_t m, const struct qhash *leaves, size_t n, struct qhash *out)
{
	size_t len;

	if (n <= 1)
		return 0;
	if (m < half(n)) {
		len = audit_path(m, leaves, half(n), out);
		tree_hash(leaves + half(n), n - half(n), &out[len]);
	} else {
		len = audit_path(m - half(n), leaves + half(n), n - half(n), out);
		tree_hash(leaves, half(n), &out[len]);
	}
	return len + 1;
}

/* The root that a path leads to, used up to its last node; false: it is too short. */
static bool leads_to(const struct qhash *leaf, uint64_t m, uint64_t n, const struct qhash *path, size_t *len,
                     struct qhash *out)
{
	struct qhash below;

	if (n == 1) {
		*out = *leaf;
		return true;
	}
	if (*len == 0)
		return false;
	const struct qhash *sibling = &path[--*len];
	bool left = m < half(n);
	if (!leads_to(leaf, left ? m : m - half(n), left ? half(n) : n - half(n), path, len, &below))
		return false;
	if (left)
		sha_two(&below, sibling, out);
	else
		sha_two(sibling, &below, out);
	return true;
}

static bool naive_verify(const struct qhash *leaf, uint64_t m, uint64_t n, const struct qhash *path,
                         size_t len, const struct qhash *root)
{
	struct qhash at;

	return m < n && leads_to(leaf, m, n, path, &len, &at) && len == 0 && qhash_eq(&at, root);
}

/* ---- the test -------------------------------------------------------------------------------------- */

static struct qhash leaves[LEAVES_MAX];

static void setup(void)
{
	must(crypto_init(NULL));
	for (uint8_t i = 0; i < LEAVES_MAX; i++)
		merkle_leaf(&i, 1, &leaves[i]);
	for (uint8_t cnt = 1; cnt < 10; cnt++)
		for (uint8_t index = 0; index < cnt; index += 3)
			fuzz_seed((uint8_t[]){cnt, index, 0, 0, 0, 0}, 6);
	fuzz_seed((uint8_t[]){69, 64, 0, 0, 0, 0}, 6);
	fuzz_seed((uint8_t[]){65, 64, 1, 0, 3, 1, 7, 1}, 8);
}

/* A size with the same leaves that a 64-bit attacker would name. */
static uint64_t other_number(uint64_t n, uint8_t how)
{
	switch (how % 8) {
	case 1:
		return n + 1;
	case 2:
		return n - 1;
	case 3:
		return n * 2;
	case 4:
		return n | UINT64_C(1) << 63;
	case 5:
		return n | UINT64_C(1) << 32;
	case 6:
		return 0;
	case 7:
		return UINT64_MAX;
	default:
		return n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct qhash path[MERKLE_PATH_MAX + 40], naive_path[MERKLE_PATH_MAX], root, naive_root;

	if (len < 6)
		return 0;
	size_t cnt = data[0] % LEAVES_MAX, index = cnt > 0 ? data[1] % cnt : 0, path_len = 0;
	memset(path, 0, sizeof path);
	merkle_root(leaves, cnt, &root);
	tree_hash(leaves, cnt, &naive_root);
	must(qhash_eq(&root, &naive_root));
	if (cnt == 0)
		return 0;
	path_len = merkle_path(leaves, cnt, index, path);
	must(path_len == audit_path(index, leaves, cnt, naive_path));
	must(memcmp(path, naive_path, path_len * sizeof *path) == 0);
	must(merkle_verify(&leaves[index], index, cnt, path, path_len, &root));

	path_len += data[2] % 40;
	path_len -= data[3] % (path_len + 1);
	for (size_t i = 6; i + 2 <= len; i += 2)
		((uint8_t *)path)[data[i]] ^= data[i + 1];
	uint64_t m = other_number(index, data[4]), n = other_number(cnt, data[5]);
	struct qhash leaf = leaves[len % 7 ? index : (index + 1) % cnt];
	must(merkle_verify(&leaf, m, n, path, path_len, &root) ==
	     naive_verify(&leaf, m, n, path, path_len, &root));
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "merkle", .runs = 8000, .setup = setup};
