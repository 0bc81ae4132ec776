/*
 * LtHash: a digest of what is in the set, however it came there.
 * Links: q_crypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto.h"
#include "lthash.h"

static int start(void **state)
{
	(void)state;
	return crypto_init(NULL) ? 0 : -1;
}

static void assert_same(const struct lthash *a, const struct lthash *b, bool same)
{
	struct qhash da, db;
	lthash_digest(a, &da);
	lthash_digest(b, &db);
	assert_int_equal(qhash_eq(&da, &db), same);
	assert_int_equal(memcmp(a, b, sizeof *a) == 0, same);
}

static void order_does_not_matter(void **state)
{
	(void)state;
	struct lthash a = {0}, b = {0};
	for (int i = 0; i < 20; i++) {
		int j = (i * 7 + 3) % 20;
		lthash_add(&a, &i, sizeof i);
		lthash_add(&b, &j, sizeof j);
	}
	assert_same(&a, &b, true);
}

static void removing_undoes_adding(void **state)
{
	(void)state;
	struct lthash a = {0}, b = {0}, empty = {0};
	lthash_add(&a, "one", 3);
	lthash_add(&b, "two", 3);
	lthash_add(&b, "one", 3);
	assert_same(&a, &b, false);
	lthash_remove(&b, "two", 3);
	assert_same(&a, &b, true);
	lthash_remove(&b, "one", 3);
	assert_same(&b, &empty, true);
	lthash_remove(&b, "early", 5); /* before it is there: lanes wrap and come back */
	lthash_add(&b, "early", 5);
	assert_same(&b, &empty, true);
}

static void sums_made_apart_join(void **state)
{
	(void)state;
	struct lthash a = {0}, b = {0}, all = {0};
	lthash_add(&a, "one", 3);
	lthash_remove(&b, "two", 3);
	lthash_add(&b, "three", 5);
	lthash_remove(&all, "two", 3);
	lthash_add(&all, "three", 5);
	lthash_add(&all, "one", 3);
	assert_same(&a, &all, false);
	lthash_join(&a, &b);
	assert_same(&a, &all, true);
}

static void what_is_queued_counts_when_it_is_flushed(void **state)
{
	(void)state;
	struct lthash_queue queue = {0};
	struct lthash a = {0}, b = {0}, empty = {0};
	uint8_t longest[LTHASH_ELEMENT_MAX] = {1};

	for (int i = 0; i < 50; i++) {
		assert_same(&a, &b, i % LTHASH_QUEUE == 0); /* in between: when it is full */
		lthash_put(&a, &queue, &i, sizeof i, i % 3 == 0);
		if (i % 3 == 0)
			lthash_remove(&b, &i, sizeof i);
		else
			lthash_add(&b, &i, sizeof i);
	}
	lthash_put(&a, &queue, longest, sizeof longest, false);
	lthash_add(&b, longest, sizeof longest);
	lthash_flush(&a, &queue);
	assert_same(&a, &b, true);
	lthash_flush(&a, &queue);
	assert_same(&a, &b, true);
	assert_same(&a, &empty, false);
}

static void it_is_a_multiset(void **state)
{
	(void)state;
	struct lthash once = {0}, twice = {0}, empty = {0};
	lthash_add(&once, "x", 1);
	lthash_add(&twice, "x", 1);
	lthash_add(&twice, "x", 1);
	assert_same(&once, &twice, false);
	assert_same(&twice, &empty, false);
}

static void elements_do_not_run_into_one_another(void **state)
{
	(void)state;
	struct lthash a = {0}, b = {0};
	lthash_add(&a, "ab", 2);
	lthash_add(&a, "c", 1);
	lthash_add(&b, "a", 1);
	lthash_add(&b, "bc", 2);
	assert_same(&a, &b, false);
}

static void keeps_its_recorded_digests(void **state)
{
	(void)state;
	struct lthash h = {0};
	struct qhash digest;
	char text[QHASH_HEX];
	lthash_digest(&h, &digest);
	assert_string_equal(hex_encode(text, digest.b, 32),
	                    "71a338e6ca1995af8158a7193eeffbbc956f0f2c4572dd5a3ffa82ac2cbeb230");
	lthash_add(&h, "quorate", 7);
	lthash_add(&h, "", 0);
	lthash_digest(&h, &digest);
	assert_string_equal(hex_encode(text, digest.b, 32),
	                    "48b90ba3dfb8456ba3be87b8c3e237ed478471752dcacc116daf6f64a35edd2a");
}

/*
 * By a second implementation, in Python, of what lthash.h says: the key is the tagged SHA-256 of the element,
 * its ChaCha20 key stream (RFC 8439, zero nonce, counter from 0) are 1024 little-endian numbers, added modulo
 * 2^16.
 */
static void the_digests_are_those_of_another_implementation(void **state)
{
	static const char *const want[] = {
	    "71a338e6ca1995af8158a7193eeffbbc956f0f2c4572dd5a3ffa82ac2cbeb230",
	    "e1cf50f861b23c2dfbe0c2e36b85be1f56d22c1ba9360ab49b29c9bdca439579",
	    "41210a31af7e237da3d4ca30551d98be2a084d13e50bbe7b3d8bce0262b45773",
	    "f9a4bcaf8a1598054c420d4e32223a46211db77edbef982b8c8c57d1bbcf4cf9",
	    "858df935f1fe3c1d8b421e7824c3f774a65eca019dc12f80b252b7f3e944647c",
	    "d7f6e182f5cd56c77c0717856dfa8a6056726f42fe06d1a3707262d6bb8df7ef",
	};
	uint8_t long_one[80];
	struct lthash h = {0};
	struct qhash digest;
	char hex[QHASH_HEX];
	(void)state;
	for (uint8_t i = 0; i < sizeof long_one; i++)
		long_one[i] = i;
	const struct {
		const void *element;
		size_t len;
		bool anew; /* into the empty set */
	} steps[] = {{"", 0, true},    {"abc", 3, true},      {"abc", 3, false},
	             {"abc", 3, true}, {"quorate", 7, false}, {long_one, sizeof long_one, false}};
	static const unsigned expected[] = {1, 2, 3, 2, 4, 5};
	lthash_digest(&h, &digest);
	assert_string_equal(hex_encode(hex, digest.b, sizeof digest.b), want[0]);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (steps[i].anew)
			h = (struct lthash){0};
		lthash_add(&h, steps[i].element, steps[i].len);
		lthash_digest(&h, &digest);
		assert_string_equal(hex_encode(hex, digest.b, sizeof digest.b), want[expected[i]]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_digests_are_those_of_another_implementation),
	    cmocka_unit_test(order_does_not_matter),
	    cmocka_unit_test(removing_undoes_adding),
	    cmocka_unit_test(sums_made_apart_join),
	    cmocka_unit_test(what_is_queued_counts_when_it_is_flushed),
	    cmocka_unit_test(it_is_a_multiset),
	    cmocka_unit_test(elements_do_not_run_into_one_another),
	    cmocka_unit_test(keeps_its_recorded_digests),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
