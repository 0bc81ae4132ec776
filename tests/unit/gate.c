/*
 * gate.c: how many of http's threads work at a time.
 *
 * Links: q_replica q_link q_http
 */
#include "replica.h"

static size_t pool_has;
#define replica_room(r) ((void)(r), pool_has)
#include "node_gate.c" /* of the program, not of a library */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct node n;
static bool patient; /* else every deadline has passed */

uint64_t node_now_ms(void)
{
	return patient ? clock_ms(CLOCK_MONOTONIC) : 0;
}

static int begin(void **state)
{
	(void)state;
	n = (struct node){.turns_max = 2};
	pthread_mutex_init(&n.lock, NULL);
	patient = false;
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_null(n.turns);
	pthread_mutex_destroy(&n.lock);
	return 0;
}

/* ---- room -------------------------------------------------------------------------------- */

static void what_is_being_verified_takes_room(void **state)
{
	(void)state;
	pool_has = 10;
	assert_int_equal(node_room(&n, 4), 4);
	assert_int_equal(node_room(&n, 4), 4);
	assert_int_equal(node_room(&n, 4), 2);
	assert_int_equal(node_room(&n, 4), 0);
	assert_false(node_has_room(&n));
	node_room_back(&n, 3);
	assert_true(node_has_room(&n));
	assert_int_equal(node_room(&n, 100), 3);
	pool_has = 4; /* some were admitted, and count there until the rest is given back */
	assert_int_equal(node_room(&n, 1), 0);
	node_room_back(&n, 10);
	assert_int_equal(node_room(&n, 5), 4);
	node_room_back(&n, 4);
	pool_has = 0;
	assert_false(node_has_room(&n));
	assert_int_equal(node_room(&n, 0), 0);
}

#define ROUNDS 20000

static void *come_and_go(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t got = node_room(&n, 1 + i % 7);
		assert_true(atomic_load(&n.room_taken) <= 10);
		node_room_back(&n, got);
	}
	return NULL;
}

static void many_never_take_more_than_there_is(void **state)
{
	pthread_t threads[4];

	(void)state;
	pool_has = 10;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(n.room_taken, 0);
}

/* ---- turns ------------------------------------------------------------------------------------ */

static struct {
	pthread_t thread;
	bool had;
} reader[3];
static unsigned order[3], order_cnt; /* under the node's lock */

static void *read_something(void *arg)
{
	unsigned i = *(unsigned *)arg;
	reader[i].had = node_turn(&n);
	if (reader[i].had) {
		pthread_mutex_lock(&n.lock);
		order[order_cnt++] = i;
		pthread_mutex_unlock(&n.lock);
		node_turn_end(&n);
	}
	return NULL;
}

static unsigned waiting(void)
{
	struct turn *t;
	unsigned cnt;
	pthread_mutex_lock(&n.lock);
	DL_COUNT(n.turns, t, cnt);
	pthread_mutex_unlock(&n.lock);
	return cnt;
}

/* All turns are taken, and three more wait. */
static void all_wait(unsigned index[3])
{
	patient = true;
	order_cnt = 0;
	assert_true(node_turn(&n));
	assert_true(node_turn(&n));
	for (unsigned i = 0; i < 3; i++) {
		index[i] = i;
		assert_int_equal(pthread_create(&reader[i].thread, NULL, read_something, &index[i]), 0);
		while (waiting() <= i)
			sched_yield();
	}
}

static void readers_take_turns_in_order_of_arrival(void **state)
{
	unsigned index[3];

	(void)state;
	all_wait(index);
	assert_int_equal(order_cnt, 0);
	node_turn_end(&n); /* one at a time from now on */
	for (unsigned i = 0; i < 3; i++)
		pthread_join(reader[i].thread, NULL);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(reader[i].had);
		assert_int_equal(order[i], i);
	}
	assert_int_equal(n.turns_taken, 1);
	node_turn_end(&n);
	assert_int_equal(n.turns_taken, 0);
}

static void nobody_waits_for_ever(void **state)
{
	(void)state;
	assert_true(node_turn(&n));
	assert_true(node_turn(&n));
	assert_false(node_turn(&n));
	assert_null(n.turns);
	node_turn_end(&n);
	assert_true(node_turn(&n));
	node_turn_end(&n);
	node_turn_end(&n);
}

static void a_node_that_stops_sends_them_away(void **state)
{
	unsigned index[3];

	(void)state;
	all_wait(index);
	pthread_mutex_lock(&n.lock);
	n.stopping = true;
	gate_stop(&n);
	pthread_mutex_unlock(&n.lock);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(reader[i].thread, NULL);
		assert_false(reader[i].had);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_is_being_verified_takes_room, begin, end),
	    cmocka_unit_test_setup_teardown(many_never_take_more_than_there_is, begin, end),
	    cmocka_unit_test_setup_teardown(readers_take_turns_in_order_of_arrival, begin, end),
	    cmocka_unit_test_setup_teardown(nobody_waits_for_ever, begin, end),
	    cmocka_unit_test_setup_teardown(a_node_that_stops_sends_them_away, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
