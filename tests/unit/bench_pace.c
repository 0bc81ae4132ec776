/*
 * bench_pace.c: payments are due evenly, each submitter has its share; whatever is refused, each account's
 * payments are accepted in order, none is lost and none is handed in twice at a time.
 *
 * Links: q_bench
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench_pace.h"

static void due_counts_what_is_due(void **state)
{
	(void)state;
	static const double rates[] = {1, 3, 7.5, 64, 333, 1000, 9999, 12345.678, 250000};
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		for (uint64_t us = 0; us < 3000000; us += 7919) {
			uint64_t cnt = pace_due_cnt(rates[r], us);
			assert_true(cnt >= 1); /* the first is due at once */
			assert_true(pace_due_us(rates[r], cnt - 1) <= us);
			assert_true(pace_due_us(rates[r], cnt) > us);
		}
	}
	assert_int_equal(pace_due_us(1000, 5), 5000);
	assert_int_equal(pace_due_cnt(1000, 4999), 5);
	assert_int_equal(pace_due_cnt(1000, 5000), 6);
}

static void shares_add_up(void **state)
{
	(void)state;
	for (unsigned submitters = 1; submitters < 9; submitters++) {
		for (uint64_t cnt = 0; cnt < 40; cnt++) {
			uint64_t sum = 0;
			for (unsigned u = 0; u < submitters; u++)
				sum += pace_share(cnt, u, submitters);
			assert_int_equal(sum, cnt);
		}
	}
	assert_int_equal(pace_share(5, 0, 4), 2);
	assert_int_equal(pace_share(5, 1, 4), 1);
}

static void nothing_is_taken_before_it_is_due(void **state)
{
	(void)state;
	uint32_t got[16];
	struct offers *o = offers_new(4, 100);
	assert_int_equal(offers_take(o, 0, 0, 16, got), 0);
	assert_int_equal(offers_take(o, 2, 0, 16, got), 2);
	assert_int_equal(got[0], 0);
	assert_int_equal(got[1], 1);
	assert_int_equal(offers_take(o, 2, 0, 16, got), 0);
	assert_false(offers_done(o, 2)); /* two are in a request */
	offers_answer(o, 0, OFFERS_ACCEPTED, 0);
	offers_answer(o, 1, OFFERS_ACCEPTED, 0);
	assert_true(offers_done(o, 2));
	assert_false(offers_done(o, 3));
	offers_free(o);
}

static void children_wait_for_what_was_refused(void **state)
{
	(void)state;
	uint32_t got[16];
	struct offers *o = offers_new(2, 8); /* accounts 0 and 1, four payments each */
	assert_int_equal(offers_take(o, 2, 0, 16, got), 2);
	offers_answer(o, 0, OFFERS_REFUSED, 1000);
	offers_answer(o, 1, OFFERS_ACCEPTED, 0);
	assert_int_equal(offers_again_us(o), 1000);

	assert_int_equal(offers_take(o, 6, 999, 16, got), 1); /* of account 1 only: 0 is not to be had yet */
	assert_int_equal(got[0], 3);
	offers_answer(o, 3, OFFERS_ACCEPTED, 0);
	assert_int_equal(offers_take(o, 6, 999, 16, got), 1);
	assert_int_equal(got[0], 5); /* it fell behind */
	offers_answer(o, 5, OFFERS_ACCEPTED, 0);
	assert_int_equal(offers_take(o, 6, 999, 16, got), 0);
	assert_false(offers_done(o, 6));

	assert_int_equal(offers_take(o, 6, 1000, 16, got), 1);
	assert_int_equal(got[0], 0);
	offers_answer(o, 0, OFFERS_ACCEPTED, 0);
	assert_int_equal(offers_again_us(o), 0);
	for (uint32_t next = 2; next <= 4; next += 2) {
		assert_int_equal(offers_take(o, 6, 1000, 16, got), 1);
		assert_int_equal(got[0], next);
		offers_answer(o, next, OFFERS_ACCEPTED, 0);
	}
	assert_true(offers_done(o, 6));
	assert_int_equal(offers_fresh(o), 6);
	offers_free(o);
}

static void an_account_that_is_dead_offers_nothing(void **state)
{
	(void)state;
	uint32_t got[16];
	struct offers *o = offers_new(2, 8);
	assert_int_equal(offers_take(o, 1, 0, 1, got), 1);
	offers_answer(o, 0, OFFERS_DEAD, 0);
	for (uint32_t next = 1; next < 8; next += 2) {
		assert_int_equal(offers_take(o, 8, 0, 16, got), 1);
		assert_int_equal(got[0], next);
		offers_answer(o, next, OFFERS_ACCEPTED, 0);
	}
	assert_int_equal(offers_take(o, 8, 0, 16, got), 0);
	assert_true(offers_done(o, 8));
	offers_free(o);
}

/* Many accounts, requests of random size, answers at random. */
static void whatever_is_refused_accounts_keep_their_order(void **state)
{
	(void)state;
	enum { ACCOUNTS = 37, CNT = 5000 };
	for (unsigned seed = 1; seed < 20; seed++) {
		srandom(seed);
		struct offers *o = offers_new(ACCOUNTS, CNT);
		uint32_t accepted[ACCOUNTS] = {0}, got[64], due = 0, sum = 0;
		uint64_t now = 0;
		for (unsigned turn = 0; sum < CNT; turn++) {
			assert_true(turn < 100000);
			now += (uint64_t)random() % 50;
			due += (uint32_t)random() % 40;
			size_t cnt = offers_take(o, due, now, 1 + (size_t)random() % 64, got);
			for (size_t i = 0; i < cnt; i++) {
				uint32_t account = got[i] % ACCOUNTS;
				assert_true(got[i] < due && got[i] < CNT);
				assert_int_equal(got[i] / ACCOUNTS, accepted[account]);
				bool refused = random() % 3 == 0;
				offers_answer(o, got[i], refused ? OFFERS_REFUSED : OFFERS_ACCEPTED,
				              now + 70);
				accepted[account] += !refused;
				sum += !refused;
			}
		}
		assert_true(offers_done(o, CNT));
		assert_int_equal(offers_take(o, due, now + 1000, 64, got), 0);
		offers_free(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(due_counts_what_is_due),
	    cmocka_unit_test(shares_add_up),
	    cmocka_unit_test(nothing_is_taken_before_it_is_due),
	    cmocka_unit_test(children_wait_for_what_was_refused),
	    cmocka_unit_test(an_account_that_is_dead_offers_nothing),
	    cmocka_unit_test(whatever_is_refused_accounts_keep_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
