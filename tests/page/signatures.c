/*
 * signatures.c: the hashes and curves of the page against libsodium and libsecp256k1: what one takes and what
 * one refuses, the other does.
 */
#include <secp256k1.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "account.h"
#include "browser.h"
#include "crypto.h"
#include "ident.h"
#include "secp.h"

static struct browser *browser;

static int setup(void **state)
{
	(void)state;
	if (!crypto_init(NULL))
		return -1;
	if (!browser_there())
		return 0;
	browser = browser_open();
	browser_goto(browser, "file://" PAGE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (browser)
		browser_close(browser);
	return 0;
}

/* ---- lists of cases ---------------------------------------------------------------- */

/* Cases for the page, and what our libraries say to each. */
struct cases {
	json_t *inputs, *wanted;
};

static struct cases cases_new(void)
{
	if (!browser)
		skip();
	return (struct cases){json_array(), json_array()};
}

static json_t *hex(const void *data, size_t len)
{
	char *text = xcalloc(2 * len + 1, 1);
	json_t *json = json_string(hex_encode(text, data, len));

	free(text);
	return json;
}

static void add(struct cases *c, json_t *input, json_t *wanted)
{
	json_array_append_new(c->inputs, input);
	json_array_append_new(c->wanted, wanted);
}

/* The page's answer to each case, by a function of it; in portions that a message can hold. */
static void compare(struct cases *c, const char *function)
{
	const size_t portion = 200;

	for (size_t from = 0; from < json_array_size(c->inputs); from += portion) {
		json_t *part = json_array(), *answers;
		for (size_t i = from; i < from + portion && i < json_array_size(c->inputs); i++)
			json_array_append(part, json_array_get(c->inputs, i));
		char *list = json_dumps(part, JSON_COMPACT), *expression;
		assert_true(asprintf(&expression, "%s.map(%s)", list, function) > 0);
		answers = browser_value(browser, expression);
		for (size_t i = 0; i < json_array_size(part); i++) {
			if (json_equal(json_array_get(answers, i), json_array_get(c->wanted, from + i)))
				continue;
			char *input = json_dumps(json_array_get(part, i), JSON_COMPACT);
			char *want = json_dumps(json_array_get(c->wanted, from + i), JSON_ENCODE_ANY);
			char *is = json_dumps(json_array_get(answers, i), JSON_ENCODE_ANY);
			fail_msg("%s of %s is %s to the page and %s to us", function, input, is, want);
		}
		json_decref(answers);
		json_decref(part);
		free(expression);
		free(list);
	}
	json_decref(c->inputs);
	json_decref(c->wanted);
}

static size_t count(const struct cases *c, bool wanted)
{
	json_t *value;
	size_t i, n = 0;

	json_array_foreach(c->wanted, i, value)
	{
		n += json_is_true(value) == wanted;
	}
	return n;
}

/* ---- hashes ------------------------------------------------------------------------- */

static void hashes_every_length_as_libsodium(void **state)
{
	(void)state;
	struct cases c = cases_new();
	uint8_t data[1100], short_hash[32], long_hash[64];

	randombytes_buf(data, sizeof data);
	for (size_t len = 0; len < sizeof data; len += len < 300 ? 1 : 97) {
		crypto_hash_sha256(short_hash, data, len);
		crypto_hash_sha512(long_hash, data, len);
		add(&c, hex(data, len), json_pack("[o, o]", hex(short_hash, 32), hex(long_hash, 64)));
	}
	compare(&c, "(h) => [sha256, sha512].map((f) => hexOf(f(bytesOfHex(h))))");
}

/* ---- Ed25519 -------------------------------------------------------------------------- */

#define VERIFY_ED "([key, message, sig]) => ed25519Verify(...[key, message, sig].map(bytesOfHex))"

static bool add_ed(struct cases *c, const uint8_t key[32], const void *message, size_t len,
                   const uint8_t sig[64])
{
	bool holds = crypto_sign_verify_detached(sig, message, len, key) == 0;

	add(c, json_pack("[o, o, o]", hex(key, 32), hex(message, len), hex(sig, 64)), json_boolean(holds));
	return holds;
}

static void flip(uint8_t *data, size_t bit)
{
	data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void ed25519_takes_what_was_signed_and_no_bit_else(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 1, 47, 48, 63, 64, 111, 175, 500};
	struct cases c = cases_new();
	uint8_t key[32], secret[64], sig[64], message[500];

	randombytes_buf(message, sizeof message);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		crypto_sign_keypair(key, secret);
		crypto_sign_detached(sig, NULL, message, lengths[i], secret);
		assert_true(add_ed(&c, key, message, lengths[i], sig));
	}
	for (size_t bit = 0; bit < 512; bit++) {
		flip(sig, bit);
		add_ed(&c, key, message, 64, sig);
		flip(sig, bit);
	}
	for (size_t bit = 0; bit < 256; bit++) {
		flip(key, bit);
		add_ed(&c, key, message, 64, sig);
		flip(key, bit);
	}
	compare(&c, VERIFY_ED);
}

/* Points of order 1, 2, 4 and 8, canonical and not; ys that no point has; ys beyond p. */
static const char *const odd[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0200000000000000000000000000000000000000000000000000000000000000",
    "0300000000000000000000000000000000000000000000000000000000000000",
    "5866666666666666666666666666666666666666666666666666666666666666",
    "58666666666666666666666666666666666666666666666666666666666666e6",
};
#define ODD (sizeof odd / sizeof *odd)

/* The order of the group, and numbers about it, little endian. */
static const char *const scalars[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
    "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
    "eed3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
    "0000000000000000000000000000000000000000000000000000000000000020",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};
#define SCALARS (sizeof scalars / sizeof *scalars)

/* With S = 0 or 1 and points of small order, the equation holds for many messages: only the rules refuse. */
static void ed25519_refuses_odd_points_and_numbers(void **state)
{
	(void)state;
	struct cases c = cases_new();
	uint8_t key[32], good_key[32], secret[64], sig[64], good[64];

	crypto_sign_keypair(good_key, secret);
	crypto_sign_detached(good, NULL, (const uint8_t *)"m", 1, secret);
	for (size_t a = 0; a < ODD; a++) {
		hex_decode(key, 32, odd[a]);
		add_ed(&c, key, "m", 1, good);
		memcpy(sig, good, 64);
		memcpy(sig, key, 32);
		add_ed(&c, good_key, "m", 1, sig);
		for (size_t r = 0; r < ODD; r++)
			for (size_t s = 0; s < 2; s++) {
				hex_decode(sig, 32, odd[r]);
				hex_decode(sig + 32, 32, scalars[s]);
				add_ed(&c, key, "m", 1, sig);
			}
	}
	for (size_t s = 0; s < SCALARS; s++) {
		memcpy(sig, good, 64);
		hex_decode(sig + 32, 32, scalars[s]);
		add_ed(&c, good_key, "m", 1, sig);
	}
	compare(&c, VERIFY_ED);
}

/* S + L is the same number to the curve. */
static void ed25519_refuses_a_second_form_of_s(void **state)
{
	(void)state;
	struct cases c = cases_new();
	uint8_t key[32], secret[64], sig[64], order[32];

	hex_decode(order, 32, scalars[3]);
	for (int i = 0; i < 8; i++) {
		crypto_sign_keypair(key, secret);
		crypto_sign_detached(sig, NULL, (const uint8_t *)"m", 1, secret);
		for (int times = 0; times < 3; times++) {
			bool holds = add_ed(&c, key, "m", 1, sig);
			assert_int_equal(holds, times == 0);
			sodium_add(sig + 32, order, 32);
		}
	}
	compare(&c, VERIFY_ED);
}

/* S = r + ha for this R: what a signer makes of his secret a, if R is rB. */
static void complete(uint8_t sig[64], const uint8_t a[32], const uint8_t r[32], const uint8_t key[32],
                     uint8_t message)
{
	crypto_hash_sha512_state hash;
	uint8_t h[64], ha[32];

	crypto_hash_sha512_init(&hash);
	crypto_hash_sha512_update(&hash, sig, 32);
	crypto_hash_sha512_update(&hash, key, 32);
	crypto_hash_sha512_update(&hash, &message, 1);
	crypto_hash_sha512_final(&hash, h);
	crypto_core_ed25519_scalar_reduce(h, h);
	crypto_core_ed25519_scalar_mul(ha, h, a);
	crypto_core_ed25519_scalar_add(sig + 32, r, ha);
}

/* The equation holds, as the signer has chosen r = 0, and R, the neutral point or one beside it, with it. */
static void ed25519_refuses_r_of_small_order(void **state)
{
	(void)state;
	static const uint8_t zero[32];
	struct cases c = cases_new();
	uint8_t a[32], point[32], key[32], sig[64];

	for (size_t t = 0; t < 10; t++) {
		crypto_core_ed25519_scalar_random(a);
		crypto_scalarmult_ed25519_base_noclamp(key, a);
		for (uint8_t message = 0; message < 8; message++) {
			hex_decode(sig, 32, odd[t]);
			complete(sig, a, zero, key, message);
			assert_false(add_ed(&c, key, &message, 1, sig));
		}
		hex_decode(point, 32, odd[(t + 4) % 10]);
		if (crypto_core_ed25519_add(key, key, point) != 0)
			continue;
		for (uint8_t message = 0; message < 16; message++) {
			hex_decode(sig, 32, odd[t]);
			complete(sig, a, zero, key, message);
			assert_false(add_ed(&c, key, &message, 1, sig));
		}
	}
	compare(&c, VERIFY_ED);
}

/*
 * A key off the main subgroup by a point of small order: R = rB, S = r + ha hold exactly where h, reduced,
 * kills that point.  Half, a quarter or an eighth of the messages; a verifier with the cofactor would take
 * all.
 */
static void ed25519_judges_keys_of_mixed_order_exactly(void **state)
{
	(void)state;
	struct cases c = cases_new();
	uint8_t a[32], r[32], point[32], key[32], sig[64];

	for (size_t t = 0; t < 10; t++) {
		crypto_core_ed25519_scalar_random(a);
		crypto_scalarmult_ed25519_base_noclamp(key, a);
		hex_decode(point, 32, odd[t]);
		/* Those that are not canonical are no points. */
		if (crypto_core_ed25519_add(key, key, point) != 0)
			continue;
		for (uint8_t message = 0; message < 24; message++) {
			crypto_core_ed25519_scalar_random(r);
			crypto_scalarmult_ed25519_base_noclamp(sig, r);
			complete(sig, a, r, key, message);
			add_ed(&c, key, &message, 1, sig);
			if (crypto_core_ed25519_add(sig, sig, point) == 0) /* R off it, too */
				add_ed(&c, key, &message, 1, sig);
		}
	}
	assert_true(count(&c, true) > 20 && count(&c, false) > 100);
	compare(&c, VERIFY_ED);
}

static void the_same_keys_may_stand_in_a_genesis(void **state)
{
	(void)state;
	struct cases c = cases_new();
	struct qreplica_key key, mixed;
	uint8_t secret[64], point[32];

	for (size_t i = 0; i < ODD; i++) {
		crypto_sign_keypair(key.b, secret);
		add(&c, hex(key.b, 32), json_boolean(ident_key_valid(&key)));
		hex_decode(point, 32, odd[i]);
		if (crypto_core_ed25519_add(mixed.b, key.b, point) == 0)
			add(&c, hex(mixed.b, 32), json_boolean(ident_key_valid(&mixed)));
		memcpy(key.b, point, 32);
		add(&c, hex(key.b, 32), json_boolean(ident_key_valid(&key)));
		randombytes_buf(key.b, 32); /* half of them are on the curve */
		add(&c, hex(key.b, 32), json_boolean(ident_key_valid(&key)));
	}
	for (unsigned y = 0xed; y <= 0xff; y++) /* p and above: points among them, in a second form */
		for (unsigned sign = 0; sign < 2; sign++) {
			memset(key.b, 0xff, 32);
			key.b[0] = (uint8_t)y;
			key.b[31] = sign ? 0xff : 0x7f;
			assert_false(ident_key_valid(&key));
			add(&c, hex(key.b, 32), json_false());
		}
	assert_true(count(&c, true) >= ODD && count(&c, false) >= ODD);
	compare(&c, "(key) => ed25519KeyValid(bytesOfHex(key))");
}

/* ---- secp256k1 ------------------------------------------------------------------------------ */

#define VERIFY_SECP "([key, hash, sig]) => ecdsaVerify(...[key, hash, sig].map(bytesOfHex))"

/* Group order, half of it, the field's prime: big endian. */
#define SECP_N "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
#define SECP_P "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"

struct signed_hash {
	struct qaccount_key key;
	struct qtxid hash;
	struct qsig sig;
};

static bool add_secp(struct cases *c, const struct signed_hash *s)
{
	bool holds = account_verify(&s->key, &s->hash, &s->sig);

	add(c, json_pack("[o, o, o]", hex(s->key.b, 33), hex(s->hash.b, 32), hex(s->sig.b, 64)),
	    json_boolean(holds));
	return holds;
}

static struct signed_hash sign_any(uint8_t fill)
{
	struct account *a = account_new();
	struct signed_hash s = {.key = account_key(a)};

	memset(s.hash.b, fill, 32);
	account_sign(a, &s.hash, &s.sig);
	account_free(a);
	return s;
}

static void ecdsa_takes_what_was_signed_and_no_bit_else(void **state)
{
	(void)state;
	struct cases c = cases_new();
	struct signed_hash s;

	for (unsigned fill = 0; fill < 256; fill += 17) { /* the last is above the group's order */
		s = sign_any((uint8_t)fill);
		assert_true(add_secp(&c, &s));
	}
	for (size_t bit = 0; bit < 512; bit++) {
		flip(s.sig.b, bit);
		add_secp(&c, &s);
		flip(s.sig.b, bit);
	}
	for (size_t bit = 0; bit < 264; bit++) {
		flip(s.key.b, bit);
		add_secp(&c, &s);
		flip(s.key.b, bit);
	}
	compare(&c, VERIFY_SECP);
}

static void ecdsa_refuses_odd_numbers(void **state)
{
	(void)state;
	static const char *const numbers[] = {
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "0000000000000000000000000000000000000000000000000000000000000001",
	    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", /* the greatest low s */
	    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1",
	    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
	    SECP_N,
	    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142",
	    SECP_P,
	    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	const size_t cnt = sizeof numbers / sizeof *numbers;
	struct cases c = cases_new();

	for (size_t i = 0; i < cnt; i++) {
		struct signed_hash s = sign_any(1), high = s, key = s;
		/* s is a scalar like another */
		assert_true(secp256k1_ec_seckey_negate(secp_context(), high.sig.b + 32));
		assert_false(add_secp(&c, &high));
		for (size_t half = 0; half < 64; half += 32) {
			struct signed_hash odd_sig = s;
			hex_decode(odd_sig.sig.b + half, 32, numbers[i]);
			add_secp(&c, &odd_sig);
			for (size_t k = 0; k < cnt; k++) {
				hex_decode(odd_sig.sig.b + 32 - half, 32, numbers[k]);
				add_secp(&c, &odd_sig);
			}
		}
		hex_decode(key.key.b + 1, 32, numbers[i]);
		add_secp(&c, &key);
		hex_decode(s.hash.b, 32, numbers[i]);
		add_secp(&c, &s);
	}
	for (unsigned first = 0; first < 256; first++) {
		struct signed_hash s = sign_any(2);
		s.key.b[0] = (uint8_t)first;
		add_secp(&c, &s);
	}
	compare(&c, VERIFY_SECP);
}

/* The sum that is compared with r is the point at infinity: hash = -rd. */
static void ecdsa_refuses_the_point_at_infinity(void **state)
{
	(void)state;
	struct cases c = cases_new();

	for (uint8_t i = 1; i <= 8; i++) {
		struct account *a = account_new();
		struct signed_hash s = {.key = account_key(a), .sig.b = {[31] = i, [63] = 1}};
		account_secret(a, s.hash.b);
		assert_true(secp256k1_ec_seckey_tweak_mul(secp_context(), s.hash.b, s.sig.b));
		assert_true(secp256k1_ec_seckey_negate(secp_context(), s.hash.b));
		assert_false(add_secp(&c, &s));
		account_free(a);
	}
	compare(&c, VERIFY_SECP);
}

/* A point whose x is r + n, below the field's prime: with u, v at will, Q = uR - vG verifies s = ur for hash
 * vr. */
static void ecdsa_takes_an_x_above_the_order(void **state)
{
	(void)state;
	struct cases c = cases_new();
	const secp256k1_context *ctx = secp_context();

	for (uint8_t k = 1; k < 60; k++) {
		struct signed_hash s = {.sig.b = {[31] = k}};
		secp256k1_pubkey sum, points[2], *terms[2] = {&points[0], &points[1]};
		uint8_t compressed[33] = {2}, u[32] = {[31] = 5}, v[32] = {[31] = (uint8_t)(k + 1)};
		size_t len = 33;
		hex_decode(compressed + 1, 32, SECP_N);
		sodium_increment(u, 1);
		compressed[32] = (uint8_t)(compressed[32] + k); /* the order ends in 0x41 */
		if (!secp256k1_ec_pubkey_parse(ctx, &points[0], compressed, 33))
			continue;
		assert_true(secp256k1_ec_pubkey_tweak_mul(ctx, &points[0], u));
		assert_true(secp256k1_ec_pubkey_create(ctx, &points[1], v));
		assert_true(secp256k1_ec_pubkey_negate(ctx, &points[1]));
		assert_true(
		    secp256k1_ec_pubkey_combine(ctx, &sum, (const secp256k1_pubkey *const *)terms, 2));
		secp256k1_ec_pubkey_serialize(ctx, s.key.b, &len, &sum, SECP256K1_EC_COMPRESSED);
		memcpy(s.sig.b + 32, s.sig.b, 32);
		assert_true(secp256k1_ec_seckey_tweak_mul(ctx, s.sig.b + 32, u));
		memcpy(s.hash.b, s.sig.b, 32);
		assert_true(secp256k1_ec_seckey_tweak_mul(ctx, s.hash.b, v));
		assert_true(add_secp(&c, &s));
	}
	assert_true(count(&c, true) > 10);
	compare(&c, VERIFY_SECP);
}

/* A point with a small x, written with x + p: for Q of which nobody knows the secret, R = uG + Q verifies s =
 * r for hash ur. */
static void ecdsa_refuses_an_x_above_the_prime(void **state)
{
	(void)state;
	struct cases c = cases_new();
	const secp256k1_context *ctx = secp_context();

	for (uint8_t k = 1; k < 60; k++) {
		struct signed_hash s = {.key.b = {2, [32] = k}};
		secp256k1_pubkey sum, points[2];
		const secp256k1_pubkey *terms[2] = {&points[0], &points[1]};
		uint8_t u[32] = {[31] = 1}, compressed[33];
		size_t len = sizeof compressed;
		if (!secp256k1_ec_pubkey_parse(ctx, &points[0], s.key.b, sizeof s.key.b))
			continue;
		do { /* until s is low */
			u[31]++;
			assert_true(secp256k1_ec_pubkey_create(ctx, &points[1], u));
			assert_true(secp256k1_ec_pubkey_combine(ctx, &sum, terms, 2));
			secp256k1_ec_pubkey_serialize(ctx, compressed, &len, &sum, SECP256K1_EC_COMPRESSED);
		} while (compressed[1] >= 0x7f);
		memcpy(s.sig.b, compressed + 1, 32);
		memcpy(s.sig.b + 32, compressed + 1, 32);
		memcpy(s.hash.b, compressed + 1, 32);
		assert_true(secp256k1_ec_seckey_tweak_mul(ctx, s.hash.b, u));
		assert_true(add_secp(&c, &s));
		hex_decode(s.key.b + 1, 32, SECP_P);
		s.key.b[32] = (uint8_t)(s.key.b[32] + k); /* p ends in 0x2f */
		assert_false(add_secp(&c, &s));
	}
	assert_true(count(&c, true) > 10);
	compare(&c, VERIFY_SECP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hashes_every_length_as_libsodium),
	    cmocka_unit_test(ed25519_takes_what_was_signed_and_no_bit_else),
	    cmocka_unit_test(ed25519_refuses_odd_points_and_numbers),
	    cmocka_unit_test(ed25519_refuses_a_second_form_of_s),
	    cmocka_unit_test(ed25519_refuses_r_of_small_order),
	    cmocka_unit_test(ed25519_judges_keys_of_mixed_order_exactly),
	    cmocka_unit_test(the_same_keys_may_stand_in_a_genesis),
	    cmocka_unit_test(ecdsa_takes_what_was_signed_and_no_bit_else),
	    cmocka_unit_test(ecdsa_refuses_odd_numbers),
	    cmocka_unit_test(ecdsa_refuses_the_point_at_infinity),
	    cmocka_unit_test(ecdsa_takes_an_x_above_the_order),
	    cmocka_unit_test(ecdsa_refuses_an_x_above_the_prime),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
