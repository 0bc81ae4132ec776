/*
 * The hash index against a list that is searched from one end to the other: what is there is found, what is
 * not is not, whatever the hashes have in common.
 * Links: q_replica
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "index.h"

#define KEYS 400

struct item {
	unsigned key;
	uint32_t hash;
	bool in;
};

static bool is_key(const void *item, const void *key)
{
	return ((const struct item *)item)->key == *(const unsigned *)key;
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

static void compare(const struct index *x, struct item *items)
{
	size_t cnt = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		cnt += items[i].in;
		assert_ptr_equal(index_find(x, items[i].hash, is_key, &items[i].key),
		                 items[i].in ? &items[i] : NULL);
	}
	assert_int_equal(x->cnt, cnt);
}

/* `hashes`: so many different ones, the last ones first in line after the end of the slots. */
static void walk(unsigned hashes, uint64_t seed)
{
	struct item items[KEYS] = {0};
	struct index x = {0};

	for (unsigned i = 0; i < KEYS; i++)
		items[i] = (struct item){.key = i, .hash = (uint32_t)(0 - next_random(&seed) % hashes)};
	compare(&x, items);
	for (unsigned step = 0; step < 3000; step++) {
		struct item *item = &items[next_random(&seed) % KEYS];
		bool grow = next_random(&seed) % 1000 < (step / 500 % 2 ? 300 : 700);

		if (grow && !item->in)
			index_add(&x, item->hash, item);
		else if (!grow && item->in)
			index_remove(&x, item->hash, item);
		else
			continue;
		item->in = grow;
		if (step % 16 == 0)
			compare(&x, items);
	}
	compare(&x, items);
	index_free(&x);
}

static void finds_what_a_list_finds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		walk(1, seed);      /* all of one hash */
		walk(40, seed);     /* runs across the end */
		walk(100000, seed); /* as in life */
	}
}

static void keeps_apart_what_differs_only_in_its_key(void **state)
{
	struct item a = {.key = 1, .hash = 7}, b = {.key = 2, .hash = 7};
	struct index x = {0};

	(void)state;
	index_add(&x, 7, &a);
	index_add(&x, 7, &b);
	index_remove(&x, 7, &a);
	assert_null(index_find(&x, 7, is_key, &a.key));
	assert_ptr_equal(index_find(&x, 7, is_key, &b.key), &b);
	index_free(&x);
	assert_null(index_find(&x, 7, is_key, &b.key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_what_a_list_finds),
	    cmocka_unit_test(keeps_apart_what_differs_only_in_its_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
