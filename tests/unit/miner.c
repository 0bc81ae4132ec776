/*
 * The mining threads: what they find, whom they give it to, and when they let go.
 *
 * Links: q_ledger
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <semaphore.h>

#include "../../node/miner.c" /* of the program, not of a library */
#include "crypto.h"
#include "seal.h"

static int start(void **state)
{
	struct err err = {0};

	(void)state;
	assert_true(crypto_init(&err));
	return 0;
}

static struct qheader header_of(uint64_t height, unsigned bits)
{
	struct qheader h = {.format = 1, .height = {height}, .seal.kind = QSEAL_POW};

	h.seal.qseal_u.pow.target = seal_target_of_bits(bits);
	return h;
}

#define EASY 10 /* some hundred tries: found in the first chunk, or nearly */

static struct qheader endless(void)
{
	struct qheader h = header_of(1, 0);

	memset(&h.seal.qseal_u.pow.target, 0, sizeof h.seal.qseal_u.pow.target);
	return h;
}

static void wake(void *ctx)
{
	assert_int_equal(sem_post(ctx), 0);
}

static void await(sem_t *woken)
{
	assert_int_equal(sem_wait(woken), 0);
}

static uint64_t nonce_of(const struct qheader *h)
{
	return h->seal.qseal_u.pow.nonce;
}

static bool is_sealed(const struct qheader *h)
{
	struct qhash hash;

	block_hash(h, &hash);
	return seal_at_most(hash.b, h->seal.qseal_u.pow.target.b);
}

/* Is `got` `want` but for the nonce, and sealed? */
static void assert_seals(const struct qheader *got, struct qheader want)
{
	struct bytes a, b;

	want.seal.qseal_u.pow.nonce = nonce_of(got);
	assert_true(wire_encode(WIRE(qheader), got, &a));
	assert_true(wire_encode(WIRE(qheader), &want, &b));
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	assert_true(is_sealed(got));
	bytes_free(&a);
	bytes_free(&b);
}

/* ---- what is found ------------------------------------------------------------- */

static void a_sealed_header_is_given_out_once(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader got;

	sem_init(&woken, 0, 0);
	struct miner *m = miner_new(2, wake, &woken);
	assert_false(miner_take(m, &got));
	for (uint64_t height = 1; height <= 50; height++) {
		struct qheader h = header_of(height, EASY);
		miner_seal(m, &h);
		await(&woken);
		assert_true(miner_take(m, &got));
		assert_seals(&got, h);
		assert_false(miner_take(m, &got));
	}
	miner_free(m);
	assert_int_not_equal(sem_trywait(&woken), 0); /* one call each */
	sem_destroy(&woken);
}

/* Some dozen chunks, of one thread or of several. */
static void a_search_goes_on_until_it_finds(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader got;

	sem_init(&woken, 0, 0);
	for (unsigned threads = 1; threads <= 3; threads++) {
		struct miner *m = miner_new(threads, wake, &woken);
		for (uint64_t height = 1; height <= 4; height++) {
			struct qheader h = header_of(height, 16);
			miner_seal(m, &h);
			await(&woken);
			assert_true(miner_take(m, &got));
			assert_seals(&got, h);
		}
		miner_free(m);
	}
	sem_destroy(&woken);
}

static void what_was_found_before_a_stop_is_not_given_out_after_it(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader easy = header_of(1, EASY), got;

	sem_init(&woken, 0, 0);
	struct miner *m = miner_new(2, wake, &woken);
	miner_seal(m, &easy);
	await(&woken);
	miner_stop(m);
	assert_false(miner_take(m, &got));
	miner_stop(m);
	miner_seal(m, &easy); /* and a later search is none the worse for it */
	await(&woken);
	assert_true(miner_take(m, &got));
	assert_seals(&got, easy);
	miner_free(m);
	sem_destroy(&woken);
}

static void what_was_replaced_is_not_given_out(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader first = header_of(1, EASY), second = header_of(2, EASY), never = endless(), got;

	sem_init(&woken, 0, 0);
	struct miner *m = miner_new(2, wake, &woken);
	miner_seal(m, &first);
	await(&woken);
	miner_seal(m, &never);
	assert_false(miner_take(m, &got));
	miner_seal(m, &second);
	await(&woken);
	assert_true(miner_take(m, &got));
	assert_seals(&got, second);
	miner_free(m);
	sem_destroy(&woken);
}

/* The search is replaced, stopped and asked at every moment, also just as something is found. */
static void only_the_last_header_is_ever_given_out(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader last = {0}, got;
	bool searching = false;
	unsigned taken = 0, random_state = 1;

	sem_init(&woken, 0, 0);
	struct miner *m = miner_new(3, wake, &woken);
	for (uint64_t step = 1; step <= 3000; step++) {
		random_state = random_state * 1664525 + 1013904223;
		unsigned deed = random_state >> 29;
		if (deed < 4) {
			last = header_of(step, EASY);
			miner_seal(m, &last);
			searching = true;
		} else if (deed == 4) {
			miner_stop(m);
			searching = false;
		} else if (deed == 5 && searching) {
			await(&woken); /* of this search, or a late one of another */
		}
		if (miner_take(m, &got)) {
			assert_true(searching);
			assert_seals(&got, last);
			searching = false;
			taken++;
			/* Calls for what nobody takes any more may have piled up; the next await() is for the
			 * next. */
			while (sem_trywait(&woken) == 0)
				continue;
		}
	}
	assert_true(taken > 100);
	miner_free(m);
	sem_destroy(&woken);
}

/* ---- where is searched ------------------------------------------------------------- */

static void threads_share_no_numbers(void **state)
{
	(void)state;
	for (unsigned cnt = 1; cnt <= MINER_THREADS_MAX; cnt++)
		for (unsigned i = 0; i < cnt; i++) {
			uint64_t next = part_of(77, (i + 1) % cnt, cnt), mine = part_of(77, i, cnt);
			if (cnt > 1) /* as far apart as can be, the last one from the first, too */
				assert_true(next - mine >= UINT64_MAX / cnt);
		}
	assert_int_equal(part_of(77, 0, 1), 77);
}

static void searches_begin_anywhere(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader any = header_of(1, 0), first, second;

	sem_init(&woken, 0, 0);
	struct miner *m = miner_new(1, wake, &woken);
	miner_seal(m, &any);
	await(&woken);
	assert_true(miner_take(m, &first));
	miner_seal(m, &any);
	await(&woken);
	assert_true(miner_take(m, &second));
	assert_true(nonce_of(&first) != nonce_of(&second));
	assert_int_equal(miner_hashes(m), 2); /* the first number of each search seals */
	miner_free(m);
	sem_destroy(&woken);
}

static bool all_have_tried(const struct miner *m, uint64_t tries)
{
	for (unsigned i = 0; i < m->worker_cnt; i++)
		if (atomic_load(&m->workers[i].tried) < tries)
			return false;
	return true;
}

static void all_threads_search_until_a_stop_and_a_chunk_longer_at_most(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader never = endless(), got;
	char name[16];

	sem_init(&woken, 0, 0);
	struct miner *m = miner_new(3, wake, &woken);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pthread_getname_np(m->workers[i].thread, name, sizeof name), 0);
		assert_string_equal(name, "mine");
	}
	miner_seal(m, &never);
	while (!all_have_tried(m, 5 * MINER_CHUNK))
		sched_yield();
	miner_stop(m);
	uint64_t at_stop = miner_hashes(m);
	join(m);
	assert_true(miner_hashes(m) - at_stop <= (uint64_t)3 * MINER_CHUNK);
	assert_false(miner_take(m, &got));
	m->worker_cnt = 0; /* joined already */
	miner_free(m);
	assert_int_not_equal(sem_trywait(&woken), 0);
	sem_destroy(&woken);
}

static void an_end_is_an_end_at_any_time(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader easy = header_of(1, EASY), never = endless();

	sem_init(&woken, 0, 0);
	miner_free(NULL);
	miner_free(miner_new(1, wake, &woken));
	struct miner *m = miner_new(4, wake, &woken);
	miner_seal(m, &never);
	miner_free(m);
	m = miner_new(4, wake, &woken);
	miner_seal(m, &never);
	while (miner_hashes(m) == 0)
		sched_yield();
	miner_free(m);
	assert_int_not_equal(sem_trywait(&woken), 0);
	m = miner_new(4, wake, &woken);
	miner_seal(m, &easy);
	await(&woken);
	miner_free(m); /* with a header that nobody took */
	sem_destroy(&woken);
}

/* ---- how fast ------------------------------------------------------------------------ */

static bool about(double is, double want)
{
	return is > 0.999 * want && is < 1.001 * want;
}

static void the_rate_is_that_of_the_last_seconds_of_searching(void **state)
{
	(void)state;
	struct miner m = {.worker_cnt = 2};
	struct worker workers[2] = {0};

	m.workers = workers;
	assert_true(miner_rate(&m) == 0);
	count(&workers[0], 1000, 0.001);
	assert_true(about(miner_rate(&m), 1e6)); /* at once, and */
	for (int i = 0; i < 999; i++)
		count(&workers[0], 3000, 0.001);
	assert_true(about(miner_rate(&m), 2.998e6)); /* the plain mean of the first seconds */
	for (int i = 0; i < 3000; i++)
		count(&workers[0], 1002, 0.001);
	assert_true(about(miner_rate(&m), (1000 + 999 * 3000 + 3000 * 1002.0) / 4));
	for (int i = 0; i < 80000; i++)
		count(&workers[0], 2000, 0.0005);
	assert_true(about(miner_rate(&m), 4e6)); /* what was before is forgotten */
	for (int i = 0; i < 2000; i++)
		count(&workers[0], 2000, 0.001); /* in two seconds two fifths of the way to another rate */
	assert_true(miner_rate(&m) > 3e6 && miner_rate(&m) < 3.4e6);
	count(&workers[0], 5, 0); /* a clock that did not move */
	assert_true(miner_rate(&m) > 3e6 && miner_rate(&m) < 3.4e6);
	count(&workers[1], 700000, 7); /* a machine that slept, and the sum of two threads */
	assert_true(about(atomic_load(&workers[1].rate), 1e5));
	assert_true(about(miner_rate(&m), atomic_load(&workers[0].rate) + 1e5));
	assert_int_equal(miner_hashes(&m),
	                 1000 + 999 * 3000 + 3000 * 1002 + 80000 * 2000 + 2000 * 2000 + 5 + 700000);
}

static void a_search_is_counted_and_timed(void **state)
{
	(void)state;
	sem_t woken;
	struct qheader never = endless();

	sem_init(&woken, 0, 0);
	struct miner *m = miner_new(2, wake, &woken);
	assert_true(miner_rate(m) == 0);
	assert_int_equal(miner_hashes(m), 0);
	double begun = seconds_now();
	miner_seal(m, &never);
	while (!all_have_tried(m, 20 * MINER_CHUNK))
		sched_yield();
	miner_stop(m);
	join(m);
	double took = seconds_now() - begun;
	/* Each thread's rate is of the time in which it searched, which is no more than has passed. */
	assert_true(miner_rate(m) >= 0.99 * (double)miner_hashes(m) / took);
	assert_true(miner_rate(m) < 1e10);
	m->worker_cnt = 0;
	miner_free(m);
	sem_destroy(&woken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sealed_header_is_given_out_once),
	    cmocka_unit_test(a_search_goes_on_until_it_finds),
	    cmocka_unit_test(what_was_found_before_a_stop_is_not_given_out_after_it),
	    cmocka_unit_test(what_was_replaced_is_not_given_out),
	    cmocka_unit_test(only_the_last_header_is_ever_given_out),
	    cmocka_unit_test(threads_share_no_numbers),
	    cmocka_unit_test(searches_begin_anywhere),
	    cmocka_unit_test(all_threads_search_until_a_stop_and_a_chunk_longer_at_most),
	    cmocka_unit_test(an_end_is_an_end_at_any_time),
	    cmocka_unit_test(the_rate_is_that_of_the_last_seconds_of_searching),
	    cmocka_unit_test(a_search_is_counted_and_timed),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
