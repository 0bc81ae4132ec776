/*
 * The search for a nonce against a loop that hashes everything anew, by another library.
 * Links: q_ledger
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block.h"
#include "crypto.h"
#include "hash.h"
#include "mine.h"
#include "seal.h"

#define UNTOUCHED 0x5555555555555555

static int start(void **state)
{
	struct err err = {0};

	(void)state;
	assert_true(crypto_init(&err));
	return 0;
}

static void hash_of(const char *tag, const void *data, size_t len, uint64_t nonce, uint8_t out[32])
{
	uint8_t end[8];

	for (int i = 0; i < 8; i++)
		end[i] = (uint8_t)(nonce >> (56 - 8 * i));
	hash_tagged(tag, (struct span[]){{data, len}, {end, sizeof end}}, 2, out);
}

/* What mine_search() is to find, and whether. */
static bool naive(const char *tag, const void *data, size_t len, uint64_t from, uint64_t cnt,
                  const uint8_t max[32], uint64_t *nonce)
{
	uint8_t hash[32];

	for (uint64_t i = 0; i < cnt; i++) {
		hash_of(tag, data, len, from + i, hash);
		if (memcmp(hash, max, sizeof hash) <= 0) {
			*nonce = from + i;
			return true;
		}
	}
	return false;
}

/* True: something was found. */
static bool check(const char *tag, const void *data, size_t len, uint64_t from, uint64_t cnt,
                  const uint8_t max[32])
{
	uint64_t want = UNTOUCHED, got = UNTOUCHED;
	bool found = naive(tag, data, len, from, cnt, max, &want);

	assert_int_equal(mine_search(tag, data, len, from, cnt, max, &got), found);
	assert_int_equal(got, want);
	return found;
}

/* A well-known proof of work: the first decimal number after this text whose digest begins with 16 zero bits.
 */
static void the_first_seal_of_a_known_text_is_where_everybody_finds_it(void **state)
{
	(void)state;
	char text[64];
	uint8_t hash[32];
	uint32_t n = 0;

	do {
		int len = snprintf(text, sizeof text, "Hello World%u", n++);
		hash_plain(&(struct span){text, (size_t)len}, 1, hash);
	} while (hash[0] != 0 || hash[1] != 0);
	assert_string_equal(text, "Hello World107105");
	char hex[QHASH_HEX];
	assert_string_equal(hex_encode(hex, hash, sizeof hash),
	                    "0000bfe6af4232f78b0c8eba37a6ba6c17b9b8671473b0b82305880be077edd9");
}

static void finds_what_a_loop_finds_whatever_the_length(void **state)
{
	(void)state;
	char tag[256] = {0};
	uint8_t data[201], max[32] = {7};
	unsigned found = 0, sought = 0;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(37 * i + 1);
	memset(tag, 't', sizeof tag - 1);
	static const size_t tags[] = {255, 64, 16, 1, 0};
	for (size_t t = 0; t < sizeof tags / sizeof *tags; t++) {
		tag[tags[t]] = 0;
		for (size_t len = 0; len < sizeof data; len++, sought++)
			found += check(tag, data, len, 0x0102030405060708 * (len + 1), 32, max);
	}
	/* One in 32 tries does; of 32 tries in a row some do not. */
	assert_in_range(found, sought / 2, sought * 3 / 4);
}

static void long_data_are_no_exception(void **state)
{
	(void)state;
	uint8_t *data = xcalloc(1, 300000), max[32] = {0, 0xff};

	check("long", data, 299999, 7, 500, max);
	data[0] = 1;
	check("long", data, 299999, 7, 500, max);
	free(data);
}

static void the_greatest_of_all_targets_takes_the_first_nonce_and_zero_none(void **state)
{
	(void)state;
	uint8_t ones[32], zero[32] = {0};
	uint64_t nonce = UNTOUCHED;

	memset(ones, 0xff, sizeof ones);
	for (uint64_t from = 0; from < 1000; from++) {
		assert_true(mine_search("t", "data", 4, from, 1 + from % 3, ones, &nonce));
		assert_int_equal(nonce, from);
	}
	nonce = UNTOUCHED;
	assert_false(mine_search("t", "data", 4, 0, 100000, zero, &nonce));
	assert_false(mine_search("t", NULL, 0, 0, 0, ones, &nonce));
	assert_int_equal(nonce, UNTOUCHED);
	assert_true(mine_search("t", NULL, 0, 3, 1, ones, &nonce));
	assert_int_equal(nonce, 3);
}

/* The target is met by what equals it, and by nothing greater, whichever byte it is that differs. */
static void every_byte_of_the_target_counts(void **state)
{
	(void)state;
	for (uint64_t nonce = 0; nonce < 200; nonce++) {
		uint8_t hash[32], max[32];
		hash_of("t", "data", 4, nonce, hash);
		assert_true(check("t", "data", 4, nonce, 1, hash));
		for (size_t i = 0; i < sizeof hash; i++) {
			memcpy(max, hash, sizeof max);
			if (hash[i] > 0) { /* just too small, as far as this byte can tell */
				max[i]--;
				memset(max + i + 1, 0xff, sizeof max - i - 1);
				assert_false(check("t", "data", 4, nonce, 1, max));
			}
			memcpy(max, hash, sizeof max);
			if (hash[i] < 0xff) {
				max[i]++;
				memset(max + i + 1, 0, sizeof max - i - 1);
				assert_true(check("t", "data", 4, nonce, 1, max));
			}
		}
	}
}

static void a_range_ends_where_it_was_said_to(void **state)
{
	(void)state;
	uint8_t max[32] = {0, 0x40};
	uint64_t first = 0, nonce = UNTOUCHED;

	assert_true(naive("t", "data", 4, 100, 100000, max, &first));
	assert_true(first > 100);
	assert_false(mine_search("t", "data", 4, 100, first - 100, max, &nonce));
	assert_int_equal(nonce, UNTOUCHED);
	assert_true(mine_search("t", "data", 4, 100, first - 100 + 1, max, &nonce));
	assert_int_equal(nonce, first);
}

static void after_the_last_number_comes_zero(void **state)
{
	(void)state;
	unsigned before = 0, after = 0;
	uint8_t max[32] = {0x1f};

	for (uint8_t data = 0; data < 200; data++) {
		uint64_t nonce;
		if (!check("t", &data, 1, UINT64_MAX - 7, 16, max))
			continue;
		assert_true(mine_search("t", &data, 1, UINT64_MAX - 7, 16, max, &nonce));
		before += nonce >= UINT64_MAX - 7;
		after += nonce < 8;
	}
	assert_true(before > 20 && after > 20);
}

/* ---- blocks ------------------------------------------------------------------ */

static struct genesis asking_for(unsigned bits)
{
	struct genesis g = {.g.seal.kind = QSEAL_POW};

	g.g.seal.qseal_rules_u.pow = (struct qpow_rules){.bits = bits, .bits_max = bits, .hash_rate = 1};
	return g;
}

static struct qheader header_on(const struct genesis *g, uint64_t height)
{
	struct qheader h = {.format = 1, .height = {height}, .tx_count = 3, .time_ms = 1700000000000};
	struct seal_parent p;

	memset(h.parent.b, 0xa5, sizeof h.parent.b);
	memset(h.merkle_root.b, 0x5a, sizeof h.merkle_root.b);
	seal_genesis(g, &p);
	seal_prepare(g, &p, &h.seal);
	return h;
}

static void a_mined_header_holds_and_none_before_it_does(void **state)
{
	(void)state;
	struct genesis g = asking_for(10);

	for (uint64_t height = 1; height <= 20; height++) {
		struct qheader h = header_on(&g, height);
		uint64_t *nonce = &h.seal.qseal_u.pow.nonce, found, from = UINT64_MAX - 100 * height;
		struct qhash hash;
		assert_true(block_mine(&h, from, 1 << 16, &found));
		for (*nonce = from; *nonce != found; ++*nonce) {
			block_hash(&h, &hash);
			assert_false(seal_holds(&g, &h, &hash));
		}
		block_hash(&h, &hash);
		assert_true(seal_holds(&g, &h, &hash));
		*nonce = 12345; /* what was there before does not matter */
		assert_true(block_mine(&h, found, 1, nonce));
		assert_int_equal(*nonce, found);
	}
}

static void a_target_that_is_out_of_reach_is_not_reached(void **state)
{
	(void)state;
	struct genesis g = asking_for(48);
	struct qheader h = header_on(&g, 1);
	uint64_t nonce = UNTOUCHED;

	assert_false(block_mine(&h, 0, 10000, &nonce));
	assert_int_equal(nonce, UNTOUCHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_seal_of_a_known_text_is_where_everybody_finds_it),
	    cmocka_unit_test(finds_what_a_loop_finds_whatever_the_length),
	    cmocka_unit_test(long_data_are_no_exception),
	    cmocka_unit_test(the_greatest_of_all_targets_takes_the_first_nonce_and_zero_none),
	    cmocka_unit_test(every_byte_of_the_target_counts),
	    cmocka_unit_test(a_range_ends_where_it_was_said_to),
	    cmocka_unit_test(after_the_last_number_comes_zero),
	    cmocka_unit_test(a_mined_header_holds_and_none_before_it_does),
	    cmocka_unit_test(a_target_that_is_out_of_reach_is_not_reached),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
