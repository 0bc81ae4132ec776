/*
 * Accounts: one signature a consent, one text an address.
 * Links: q_crypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "account.h"
#include "crypto.h"

#define ORDER "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
#define ADDRESS_OF_ONE "q77f8d39a3ed4f29b9c0ec755042666ff0636b5fa473d51a0"

static const uint8_t one[32] = {[31] = 1};
static struct qtxid satoshi; /* SHA-256 of "Satoshi Nakamoto", of the much quoted RFC 6979 vectors */

static int start(void **state)
{
	(void)state;
	assert_true(
	    hex_decode(satoshi.b, 32, "a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e"));
	return crypto_init(NULL) ? 0 : -1;
}

static void assert_hex(const uint8_t *data, size_t len, const char *want)
{
	char text[256];
	assert_string_equal(hex_encode(text, data, len), want);
}

static void agrees_with_known_keys_and_signatures(void **state)
{
	(void)state;
	struct account *a = account_from_secret(one);
	struct qsig sig;
	assert_hex(account_key(a).b, 33,
	           "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
	account_sign(a, &satoshi, &sig);
	assert_hex(sig.b, 64,
	           "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
	           "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5");
	account_free(a);
}

static void verifies_what_it_signed_and_nothing_else(void **state)
{
	(void)state;
	struct account *a = account_new(), *b = account_new();
	struct qaccount_key key = account_key(a), other = account_key(b);
	struct qtxid id = satoshi;
	struct qsig sig;
	account_sign(a, &id, &sig);
	assert_true(account_verify(&key, &id, &sig));
	assert_false(account_verify(&other, &id, &sig));
	for (size_t bit = 0; bit < 512; bit++) {
		sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(account_verify(&key, &id, &sig));
		sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	id.b[0] ^= 1;
	assert_false(account_verify(&key, &id, &sig));
	account_free(a);
	account_free(b);
}

/* n - s, big endian. */
static void negate(uint8_t s[32])
{
	uint8_t order[32];
	assert_true(hex_decode(order, 32, ORDER));
	int borrow = 0;
	for (int i = 31; i >= 0; i--) {
		int digit = order[i] - s[i] - borrow;
		borrow = digit < 0;
		s[i] = (uint8_t)(digit + 256 * borrow);
	}
}

static void refuses_the_signatures_twin_with_high_s(void **state)
{
	(void)state;
	struct account *a = account_new();
	struct qaccount_key key = account_key(a);
	struct qsig sig;
	account_sign(a, &satoshi, &sig);
	negate(sig.b + 32);
	assert_false(account_verify(&key, &satoshi, &sig));
	negate(sig.b + 32);
	assert_true(account_verify(&key, &satoshi, &sig));
	account_free(a);
}

static void refuses_r_and_s_out_of_range(void **state)
{
	(void)state;
	struct account *a = account_new();
	struct qaccount_key key = account_key(a);
	struct qsig sig;
	for (size_t half = 0; half < 2; half++) {
		account_sign(a, &satoshi, &sig);
		memset(sig.b + 32 * half, 0, 32);
		assert_false(account_verify(&key, &satoshi, &sig));
		assert_true(hex_decode(sig.b + 32 * half, 32, ORDER));
		assert_false(account_verify(&key, &satoshi, &sig));
		memset(sig.b + 32 * half, 0xff, 32);
		assert_false(account_verify(&key, &satoshi, &sig));
	}
	account_free(a);
}

static void refuses_keys_of_any_other_form(void **state)
{
	(void)state;
	struct account *a = account_new();
	struct qaccount_key key = account_key(a);
	struct qsig sig;
	account_sign(a, &satoshi, &sig);
	uint8_t right = key.b[0];
	for (unsigned prefix = 0; prefix < 256; prefix++) {
		key.b[0] = (uint8_t)prefix;
		assert_int_equal(account_verify(&key, &satoshi, &sig), prefix == right);
	}
	memset(&key, 0, sizeof key);
	assert_false(account_verify(&key, &satoshi, &sig));
	memset(&key, 0xff, sizeof key);
	key.b[0] = 2; /* x not below the field's prime */
	assert_false(account_verify(&key, &satoshi, &sig));
	account_free(a);
}

static void refuses_secrets_out_of_range(void **state)
{
	(void)state;
	uint8_t secret[32] = {0};
	assert_null(account_from_secret(secret));
	assert_true(hex_decode(secret, 32, ORDER));
	assert_null(account_from_secret(secret));
	secret[31]--;
	struct account *a = account_from_secret(secret);
	uint8_t back[32];
	account_secret(a, back);
	assert_memory_equal(back, secret, 32);
	account_free(a);
}

static void an_address_keeps_its_recorded_text(void **state)
{
	(void)state;
	struct account *a = account_from_secret(one);
	struct qaccount_key key = account_key(a);
	struct qaddress addr = account_address(&key), back;
	char text[ADDRESS_TEXT];
	assert_string_equal(address_format(&addr, text), ADDRESS_OF_ONE);
	assert_true(address_parse(text, &back, NULL));
	assert_memory_equal(&addr, &back, sizeof addr);
	account_free(a);
}

static void every_single_wrong_character_is_caught(void **state)
{
	(void)state;
	struct qaddress addr;
	char text[ADDRESS_TEXT] = ADDRESS_OF_ONE;
	for (size_t at = 0; at < ADDRESS_TEXT - 1; at++) {
		char right = text[at];
		for (int c = 1; c < 256; c++) {
			text[at] = (char)c;
			assert_int_equal(address_parse(text, &addr, NULL), text[at] == right);
		}
		text[at] = right;
	}
}

static void swapped_and_lost_characters_are_caught(void **state)
{
	(void)state;
	struct qaddress addr;
	for (size_t at = 0; at < ADDRESS_TEXT - 2; at++) {
		char text[ADDRESS_TEXT] = ADDRESS_OF_ONE;
		char right = text[at];
		text[at] = text[at + 1];
		text[at + 1] = right;
		assert_int_equal(address_parse(text, &addr, NULL), strcmp(text, ADDRESS_OF_ONE) == 0);
	}
	for (size_t len = 0; len < ADDRESS_TEXT - 1; len++) {
		char text[ADDRESS_TEXT] = ADDRESS_OF_ONE;
		text[len] = '\0';
		assert_false(address_parse(text, &addr, NULL));
	}
	assert_false(address_parse(ADDRESS_OF_ONE "0", &addr, NULL));
	assert_false(address_parse(" " ADDRESS_OF_ONE, &addr, NULL));
}

static void says_what_is_wrong_with_an_address(void **state)
{
	(void)state;
	static const struct {
		const char *text, *said;
	} cases[] = {
	    {"", "begins with 'q'"},
	    {"Q0000000000000000000000000000000000000000000000000", "begins with 'q'"},
	    {"q00", "has 49 characters; this one has 3"},
	    {"q00000000000000000000000000000000000000000000000000", "has 49 characters; this one has 51"},
	    {"q0000000000000000000000g0000000000000000000000000", "character 24"},
	    {"q000000000000000000000000000000000000000000000000", "checksum"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct qaddress addr = {{7}}, before = addr;
		struct err err = {0};
		assert_false(address_parse(cases[i].text, &addr, &err));
		assert_non_null(strstr(err.text, cases[i].said));
		assert_int_equal(err.kind, ERR_INPUT);
		assert_memory_equal(&addr, &before, sizeof addr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_known_keys_and_signatures),
	    cmocka_unit_test(verifies_what_it_signed_and_nothing_else),
	    cmocka_unit_test(refuses_the_signatures_twin_with_high_s),
	    cmocka_unit_test(refuses_r_and_s_out_of_range),
	    cmocka_unit_test(refuses_keys_of_any_other_form),
	    cmocka_unit_test(refuses_secrets_out_of_range),
	    cmocka_unit_test(an_address_keeps_its_recorded_text),
	    cmocka_unit_test(every_single_wrong_character_is_caught),
	    cmocka_unit_test(swapped_and_lost_characters_are_caught),
	    cmocka_unit_test(says_what_is_wrong_with_an_address),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
