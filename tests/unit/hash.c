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
#include "sha_lanes.h"

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

#define MANY 70
#define LONGEST 600

/* Jobs of all shapes: lengths from `from` on by `step`, with and without a tag, in one part and in several.
 */
static void compare_many(const uint8_t *data, size_t cnt, size_t from, size_t step)
{
	struct hash_job jobs[MANY] = {{0}};
	uint8_t many[MANY][32], one[32];

	for (size_t i = 0; i < cnt; i++) {
		size_t len = (from + i * step) % LONGEST, cut = len / 3;
		jobs[i] = (struct hash_job){i % 3 == 0 ? NULL : "quorate/tag",
		                            {{data + i, cut}, {data + i + cut, len - cut}},
		                            many[i]};
		if (i % 5 == 0)
			jobs[i].parts[2] = (struct span){data, 7};
	}
	hash_many(jobs, cnt);
	for (size_t i = 0; i < cnt; i++) {
		if (jobs[i].tag)
			hash_tagged(jobs[i].tag, jobs[i].parts, HASH_PARTS_MAX, one);
		else
			hash_plain(jobs[i].parts, HASH_PARTS_MAX, one);
		assert_memory_equal(many[i], one, 32);
	}
}

/* On each kind of registers that this machine has. */
static void many_hashes_are_those_made_one_by_one(void **state)
{
	(void)state;
	static const unsigned lanes[] = {0, 8, 16};
	uint8_t data[LONGEST + MANY];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * i + 7 * i);
	for (size_t k = 0; k < sizeof lanes / sizeof *lanes; k++) {
		if (!sha_lanes_use(lanes[k]))
			continue;
		for (size_t cnt = 1; cnt <= MANY; cnt++)
			compare_many(data, cnt, 37 * cnt, cnt % 4);
		for (size_t len = 0; len < LONGEST; len++)
			compare_many(data, 16, len, 0);
	}
	sha_lanes_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starts_twice_and_stays_content),
	    cmocka_unit_test(hashes_plainly_as_sha256),
	    cmocka_unit_test(begins_with_the_length_and_text_of_the_tag),
	    cmocka_unit_test(tells_one_purpose_from_another),
	    cmocka_unit_test(many_hashes_are_those_made_one_by_one),
	    cmocka_unit_test(a_short_hash_depends_on_all_bytes_and_on_a_secret),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
