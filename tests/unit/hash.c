/*
 * Tagged hashes, and what the crypto libraries are asked at the start.
 * Links: q_crypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto.h"
#include "hash.h"

static void assert_hex(const uint8_t hash[32], const char *want)
{
	char text[65];
	assert_string_equal(hex_encode(text, hash, 32), want);
}

static int start(void **state)
{
	(void)state;
	struct err err = {0};
	return crypto_init(&err) ? 0 : -1;
}

static void starts_twice_and_stays_content(void **state)
{
	(void)state;
	assert_true(crypto_init(NULL));
}

static void hashes_plainly_as_sha256(void **state)
{
	(void)state;
	uint8_t hash[32];
	hash_plain(NULL, 0, hash); /* FIPS 180-4's examples */
	assert_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hash_plain((struct span[]){{"a", 1}, {"bc", 2}}, 2, hash);
	assert_hex(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void begins_with_the_length_and_text_of_the_tag(void **state)
{
	(void)state;
	uint8_t tagged[32], plain[32];
	hash_bytes("tag", "data", 4, tagged);
	hash_plain(&(struct span){"\x03tagdata", 8}, 1, plain);
	assert_memory_equal(tagged, plain, 32);
	hash_tagged("tag", (struct span[]){{"da", 2}, {"", 0}, {"ta", 2}}, 3, plain);
	assert_memory_equal(tagged, plain, 32);
}

static void tells_one_purpose_from_another(void **state)
{
	(void)state;
	uint8_t a[32], b[32];
	hash_bytes("quorate/a", "b/data", 6, a);
	hash_bytes("quorate/ab", "/data", 5, b);
	assert_memory_not_equal(a, b, 32);
	hash_bytes("quorate/a", "", 0, a);
	hash_bytes("", "quorate/a", 9, b);
	assert_memory_not_equal(a, b, 32);
}

/* Nobody outside the process can choose bytes that meet in one place of a table. */
static void a_short_hash_depends_on_all_bytes_and_on_a_secret(void **state)
{
	(void)state;
	uint8_t bytes[36] = {0};
	uint32_t was = hash_short(bytes, sizeof bytes);
	unsigned same = 0;
	assert_int_equal(was, hash_short(bytes, sizeof bytes));
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] ^= 1;
		same += hash_short(bytes, sizeof bytes) == was;
		bytes[i] ^= 1;
	}
	assert_true(same <= 1); /* one time in 2^26 by chance */
	same = 0;
	for (int i = 0; i < 8; i++) {
		hash_short_key();
		same += hash_short(bytes, sizeof bytes) == was;
	}
	assert_true(same <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starts_twice_and_stays_content),
	    cmocka_unit_test(hashes_plainly_as_sha256),
	    cmocka_unit_test(begins_with_the_length_and_text_of_the_tag),
	    cmocka_unit_test(tells_one_purpose_from_another),
	    cmocka_unit_test(a_short_hash_depends_on_all_bytes_and_on_a_secret),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
