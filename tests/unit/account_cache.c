/*
 * The cache of account keys: the answers of account_verify(), with fewer keys parsed.
 * Links: q_crypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "account_cache.h"
#include "crypto.h"
#include "primitives.h"

static struct primitives counting;
static atomic_uint parse_cnt;

static bool count_parse(const struct qaccount_key *key, uint8_t point[PRIMITIVES_POINT])
{
	parse_cnt++;
	return primitives_real.account_parse(key, point);
}

static int start(void **state)
{
	(void)state;
	if (!crypto_init(NULL))
		return -1;
	counting = primitives_real;
	counting.account_parse = count_parse;
	primitives_use(&counting);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	primitives_use(&primitives_real);
	return 0;
}

struct signature {
	struct qaccount_key key;
	struct qtxid id;
	struct qsig sig;
};

static struct signature signature_of(uint8_t account, uint8_t number)
{
	struct account *a = account_from_secret((uint8_t[32]){1, [31] = account});
	struct signature s = {.key = account_key(a), .id = {{number}}};

	account_sign(a, &s.id, &s.sig);
	account_free(a);
	return s;
}

/* Does it hold, and how many keys were parsed for that? */
static void assert_checked(struct account_cache *c, const struct signature *s, bool holds, unsigned parsed)
{
	unsigned before = parse_cnt;

	assert_int_equal(account_verify_cached(c, &s->key, &s->id, &s->sig), holds);
	assert_int_equal(parse_cnt - before, parsed);
}

static void a_key_is_parsed_once(void **state)
{
	(void)state;
	struct account_cache *c = account_cache_new(100);

	for (uint8_t number = 0; number < 5; number++)
		for (uint8_t account = 0; account < 10; account++) {
			struct signature s = signature_of(account, number);
			assert_checked(c, &s, true, number == 0);
		}
	account_cache_free(c);
	account_cache_free(NULL);
}

static void without_a_cache_each_key_is_parsed(void **state)
{
	(void)state;
	struct signature s = signature_of(1, 1);

	assert_checked(NULL, &s, true, 1);
	assert_checked(NULL, &s, true, 1);
	s.sig.b[7] ^= 1;
	assert_checked(NULL, &s, false, 1);
}

static void what_a_known_key_did_not_sign_does_not_hold(void **state)
{
	(void)state;
	struct account_cache *c = account_cache_new(4); /* all in one set */
	struct signature s = signature_of(1, 1), other = signature_of(2, 1);

	assert_checked(c, &s, true, 1);
	assert_checked(c, &other, true, 1);
	for (size_t bit = 0; bit < 512; bit++) {
		s.sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_checked(c, &s, false, 0);
		s.sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof s.key.b;
	     bit++) { /* mostly no keys, and never the one that is known */
		s.key.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_checked(c, &s, false, 1);
		s.key.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	s.sig = other.sig;
	assert_checked(c, &s, false, 0);
	s.key = other.key;
	assert_checked(c, &s, true, 0);
	account_cache_free(c);
}

static void a_key_is_kept_once_a_signature_by_it_held(void **state)
{
	(void)state;
	struct account_cache *c = account_cache_new(100);
	struct signature s = signature_of(1, 1), wrong = s;

	wrong.sig.b[5] ^= 1;
	assert_checked(c, &wrong, false, 1);
	assert_checked(c, &wrong, false, 1);
	assert_checked(c, &s, true, 1);
	assert_checked(c, &wrong, false, 0);
	account_cache_free(c);
}

static void the_oldest_makes_place(void **state)
{
	(void)state;
	enum { KEPT = 4 }; /* one set */
	struct account_cache *c = account_cache_new(1);
	struct signature s[10];

	for (uint8_t i = 0; i < 10; i++) {
		s[i] = signature_of(i, 0);
		assert_checked(c, &s[i], true, 1);
		for (uint8_t k = (uint8_t)(i < KEPT ? 0 : i - KEPT + 1); k <= i; k++)
			assert_checked(c, &s[k], true, 0);
	}
	assert_checked(c, &s[0], true, 1);
	account_cache_free(c);
}

struct worker {
	pthread_t thread;
	struct account_cache *cache;
	const struct signature *signatures;
	unsigned cnt, wrong;
};

/* The right ones hold, and with another's signature they do not. */
static void *check_all(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < 3 * w->cnt; i++) {
		const struct signature *s = &w->signatures[i % w->cnt],
		                       *next = &w->signatures[(i + 1) % w->cnt];
		w->wrong += !account_verify_cached(w->cache, &s->key, &s->id, &s->sig);
		w->wrong += account_verify_cached(w->cache, &s->key, &s->id, &next->sig);
	}
	return NULL;
}

static void threads_may_share_it(void **state)
{
	(void)state;
	enum { CNT = 40, WORKERS = 4 };
	struct account_cache *c = account_cache_new(CNT / 2); /* always evicting */
	struct signature s[CNT];
	struct worker workers[WORKERS];

	for (uint8_t i = 0; i < CNT; i++)
		s[i] = signature_of(i, 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){.cache = c, .signatures = s, .cnt = CNT};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, check_all, &workers[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].wrong, 0);
	}
	account_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_is_parsed_once),
	    cmocka_unit_test(without_a_cache_each_key_is_parsed),
	    cmocka_unit_test(what_a_known_key_did_not_sign_does_not_hold),
	    cmocka_unit_test(a_key_is_kept_once_a_signature_by_it_held),
	    cmocka_unit_test(the_oldest_makes_place),
	    cmocka_unit_test(threads_may_share_it),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
