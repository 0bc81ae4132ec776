/*
 * Merkle trees: the vectors of the Certificate Transparency project for RFC 6962, and the paths of
 * every leaf of every tree up to a size.
 * Links: q_crypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto.h"
#include "hash.h"
#include "merkle.h"

#define TREE_MAX 70

static int start(void **state)
{
	(void)state;
	return crypto_init(NULL) ? 0 : -1;
}

static void assert_hash(const struct qhash *hash, const char *want)
{
	char text[QHASH_HEX];
	assert_string_equal(hex_encode(text, hash->b, 32), want);
}

static void vector_leaves(struct qhash leaves[8])
{
	static const struct span data[8] = {
	    {"", 0},
	    {"\x00", 1},
	    {"\x10", 1},
	    {"\x20\x21", 2},
	    {"\x30\x31", 2},
	    {"\x40\x41\x42\x43", 4},
	    {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
	    {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16},
	};
	for (size_t i = 0; i < 8; i++)
		merkle_leaf(data[i].data, data[i].len, &leaves[i]);
}

static void agrees_with_the_vectors_of_rfc_6962(void **state)
{
	(void)state;
	static const char *const roots[9] = {
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	};
	struct qhash leaves[8], root;
	vector_leaves(leaves);
	for (size_t cnt = 0; cnt <= 8; cnt++) {
		merkle_root(leaves, cnt, &root);
		assert_hash(&root, roots[cnt]);
	}
}

static void gives_the_paths_of_rfc_6962(void **state)
{
	(void)state;
	struct qhash leaves[8], path[MERKLE_PATH_MAX];
	vector_leaves(leaves);
	assert_int_equal(merkle_path(leaves, 8, 5, path), 3);
	assert_hash(&path[0], "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
	assert_hash(&path[1], "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
	assert_hash(&path[2], "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
	assert_int_equal(merkle_path(leaves, 3, 2, path), 1);
	assert_hash(&path[0], "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
	assert_int_equal(merkle_path(leaves, 1, 0, path), 0);
}

static void fill(struct qhash leaves[TREE_MAX])
{
	for (size_t i = 0; i < TREE_MAX; i++)
		merkle_leaf(&i, sizeof i, &leaves[i]);
}

static void every_path_leads_to_the_root(void **state)
{
	(void)state;
	struct qhash leaves[TREE_MAX], root, path[MERKLE_PATH_MAX];
	fill(leaves);
	for (size_t cnt = 1; cnt <= TREE_MAX; cnt++) {
		merkle_root(leaves, cnt, &root);
		for (size_t i = 0; i < cnt; i++) {
			size_t len = merkle_path(leaves, cnt, i, path);
			assert_true(merkle_verify(&leaves[i], i, cnt, path, len, &root));
		}
	}
}

static void no_other_claim_leads_there(void **state)
{
	(void)state;
	struct qhash leaves[TREE_MAX], root, path[MERKLE_PATH_MAX + 1] = {0};
	fill(leaves);
	for (size_t cnt = 1; cnt <= 20; cnt++) {
		merkle_root(leaves, cnt, &root);
		for (size_t i = 0; i < cnt; i++) {
			size_t len = merkle_path(leaves, cnt, i, path);
			for (size_t j = 0; j <= cnt; j++)
				if (j != i)
					assert_false(merkle_verify(&leaves[i], j, cnt, path, len, &root));
			assert_false(merkle_verify(&leaves[cnt], i, cnt, path, len, &root));
			assert_false(merkle_verify(&leaves[i], i, cnt, path, len + 1, &root));
			if (len > 0)
				assert_false(merkle_verify(&leaves[i], i, cnt, path, len - 1, &root));
			for (size_t at = 0; at < len; at++) {
				path[at].b[at] ^= 1;
				assert_false(merkle_verify(&leaves[i], i, cnt, path, len, &root));
				path[at].b[at] ^= 1;
			}
		}
	}
	assert_false(merkle_verify(&leaves[0], 0, 0, path, 0, &root));
	merkle_root(leaves, 2, &root); /* the second of two is not the only one of one */
	assert_true(merkle_verify(&leaves[1], 1, 2, &leaves[0], 1, &root));
	assert_false(merkle_verify(&leaves[1], 0, 1, &leaves[0], 1, &root));
	assert_false(merkle_verify(&leaves[0], SIZE_MAX, SIZE_MAX, path, MERKLE_PATH_MAX, &root));
}

static void an_odd_leaf_is_not_doubled(void **state)
{
	(void)state;
	struct qhash leaves[4], three, four;
	struct qhash all[TREE_MAX];
	fill(all);
	memcpy(leaves, all, sizeof leaves);
	leaves[3] = leaves[2];
	merkle_root(leaves, 3, &three);
	merkle_root(leaves, 4, &four);
	assert_false(qhash_eq(&three, &four));
}

static void an_inner_node_is_no_leaf(void **state)
{
	(void)state;
	struct qhash leaves[TREE_MAX], inner, root, forged;
	fill(leaves);
	merkle_root(leaves, 2, &root);
	merkle_leaf(leaves, 64, &inner);
	merkle_root(&inner, 1, &forged);
	assert_false(qhash_eq(&root, &forged));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_the_vectors_of_rfc_6962),
	    cmocka_unit_test(gives_the_paths_of_rfc_6962),
	    cmocka_unit_test(every_path_leads_to_the_root),
	    cmocka_unit_test(no_other_claim_leads_there),
	    cmocka_unit_test(an_odd_leaf_is_not_doubled),
	    cmocka_unit_test(an_inner_node_is_no_leaf),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
