/*
 * Replica identities: what is signed, what is refused, which keys may stand in a genesis.
 * Links: q_crypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "crypto.h"
#include "ident.h"

static const uint8_t seed[32] = "a seed of thirty-two bytes, all.";
static const struct qhash chain = {"one chain"}, other_chain = {"another chain"};
static const uint8_t body[] = "a vote";

static int start(void **state)
{
	(void)state;
	return crypto_init(NULL) ? 0 : -1;
}

static void verifies_what_it_signed_and_nothing_else(void **state)
{
	(void)state;
	struct ident *id = ident_from_seed(seed), *other = ident_new();
	struct qreplica_key key = ident_key(id), other_key = ident_key(other);
	struct qsig sig;
	ident_sign(id, &chain, body, sizeof body, &sig);
	assert_true(ident_verify(&key, &chain, body, sizeof body, &sig));
	assert_false(ident_verify(&key, &other_chain, body, sizeof body, &sig));
	assert_false(ident_verify(&key, &chain, body, sizeof body - 1, &sig));
	assert_false(ident_verify(&key, &chain, body, 0, &sig));
	assert_false(ident_verify(&other_key, &chain, body, sizeof body, &sig));
	for (size_t bit = 0; bit < 512; bit++) {
		sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(ident_verify(&key, &chain, body, sizeof body, &sig));
		sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ident_free(id);
	ident_free(other);
}

static void signs_the_same_bytes_each_time(void **state)
{
	(void)state;
	struct ident *id = ident_from_seed(seed);
	struct qsig first, second;
	ident_sign(id, &chain, body, sizeof body, &first);
	ident_sign(id, &chain, body, sizeof body, &second);
	assert_memory_equal(&first, &second, sizeof first);
	ident_free(id);
}

static void signs_tag_chain_and_body(void **state)
{
	(void)state;
	struct ident *id = ident_from_seed(seed);
	struct qsig sig;
	uint8_t text[1 + 18 + 32 + sizeof body];
	memcpy(text, "\x12quorate/replica/v1", 19);
	memcpy(text + 19, chain.b, 32);
	memcpy(text + 51, body, sizeof body);
	ident_sign(id, &chain, body, sizeof body, &sig);
	assert_int_equal(crypto_sign_verify_detached(sig.b, text, sizeof text, ident_key(id).b), 0);
	ident_free(id);
}

static void a_seed_comes_back(void **state)
{
	(void)state;
	uint8_t back[32];
	struct ident *id = ident_from_seed(seed), *fresh = ident_new();
	ident_seed(id, back);
	assert_memory_equal(back, seed, 32);
	assert_memory_not_equal(ident_key(fresh).b, ident_key(id).b, 32);
	ident_free(id);
	ident_free(fresh);
}

static bool valid(const char *hex)
{
	struct qreplica_key key;
	assert_true(hex_decode(key.b, sizeof key.b, hex));
	return ident_key_valid(&key);
}

static void takes_only_keys_of_the_main_subgroup(void **state)
{
	(void)state;
	struct ident *id = ident_from_seed(seed);
	struct qreplica_key key = ident_key(id);
	assert_true(ident_key_valid(&key));
	ident_free(id);
	static const char *const bad[] = {
	    /* every point of small order: 1, 2, 4 (two), 8 (four) */
	    "0100000000000000000000000000000000000000000000000000000000000000",
	    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "0000000000000000000000000000000000000000000000000000000000000080",
	    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	    /* y not below p, and minus zero */
	    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	    "0100000000000000000000000000000000000000000000000000000000000080",
	    /* no point of the curve has this y */
	    "0200000000000000000000000000000000000000000000000000000000000000",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(valid(bad[i]));
}

static void refuses_a_good_key_plus_any_small_order_point(void **state)
{
	(void)state;
	static const char *const torsion[] = {
	    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	};
	struct ident *id = ident_from_seed(seed);
	for (size_t i = 0; i < sizeof torsion / sizeof torsion[0]; i++) {
		struct qreplica_key key = ident_key(id), mixed;
		uint8_t point[32];
		assert_true(hex_decode(point, 32, torsion[i]));
		assert_int_equal(crypto_core_ed25519_add(mixed.b, key.b, point), 0);
		assert_false(ident_key_valid(&mixed));
	}
	ident_free(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verifies_what_it_signed_and_nothing_else),
	    cmocka_unit_test(signs_the_same_bytes_each_time),
	    cmocka_unit_test(signs_tag_chain_and_body),
	    cmocka_unit_test(a_seed_comes_back),
	    cmocka_unit_test(takes_only_keys_of_the_main_subgroup),
	    cmocka_unit_test(refuses_a_good_key_plus_any_small_order_point),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
