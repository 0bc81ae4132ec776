/*
 * numbers.c: the table of numbers against a list that is searched from one end to the other, with hashes that
 * meet.
 *
 * Links: q_ledger
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "numbers.h"

#define CNT 300

static uint32_t random_state = 1;

static uint32_t pick(uint32_t bound)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % bound;
}

struct model {
	bool in[CNT];
	uint32_t hash[CNT];
};

static unsigned times_found(const struct numbers *x, uint32_t hash, uint32_t number)
{
	uint32_t at = hash, i;
	unsigned cnt = 0;

	while ((i = numbers_next(x, hash, &at)) != NUMBERS_NONE)
		cnt += i == number;
	return cnt;
}

static void assert_same(const struct numbers *x, const struct model *m)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < CNT; i++) {
		assert_int_equal(times_found(x, m->hash[i], i), m->in[i]);
		cnt += m->in[i];
	}
	assert_int_equal(x->cnt, cnt);
}

/* `bits`: so many different hashes, all at the end of the table, so that searches go round. */
static void churn(unsigned bits, uint32_t live)
{
	struct numbers x = {0};
	struct model m = {0};
	uint32_t cnt = 0;

	for (unsigned step = 0; step < 4000; step++) {
		uint32_t i = pick(CNT);
		if (m.in[i]) {
			numbers_remove(&x, m.hash[i], i);
			cnt--;
		} else if (cnt < live) {
			m.hash[i] = UINT32_MAX - pick(UINT32_C(1) << bits);
			numbers_add(&x, m.hash[i], i);
			cnt++;
		} else {
			continue;
		}
		m.in[i] = !m.in[i];
		if (step % 16 == 0)
			assert_same(&x, &m);
	}
	assert_same(&x, &m);
	numbers_free(&x);
	assert_same(&x, &(struct model){0});
}

static void numbers_are_found_until_they_are_removed(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 12; bits++) {
		churn(bits, 6); /* as many as the smallest table takes */
		churn(bits, 40);
		churn(bits, CNT);
	}
}

static void hashes_that_differ_only_far_up_are_told_apart(void **state)
{
	(void)state;
	struct numbers x = {0};

	numbers_add(&x, 5, 1);
	numbers_add(&x, 5 + (UINT32_C(1) << 31), 2);
	assert_int_equal(times_found(&x, 5, 1), 1);
	assert_int_equal(times_found(&x, 5, 2), 0);
	assert_int_equal(times_found(&x, 5 + (UINT32_C(1) << 31), 2), 1);
	assert_int_equal(times_found(&x, 6, 1), 0);
	numbers_free(&x);
}

static void room_that_was_asked_for_is_not_asked_for_again(void **state)
{
	(void)state;
	struct numbers x = {0};

	numbers_reserve(&x, 1000);
	const struct numbers_slot *slots = x.slots;
	for (uint32_t i = 0; i < 1000; i++)
		numbers_add(&x, 7 * i, i);
	assert_ptr_equal(x.slots, slots);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(times_found(&x, 7 * i, i), 1);
	assert_true(x.mask < 2048); /* and is not more than was needed */
	numbers_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_found_until_they_are_removed),
	    cmocka_unit_test(hashes_that_differ_only_far_up_are_told_apart),
	    cmocka_unit_test(room_that_was_asked_for_is_not_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
