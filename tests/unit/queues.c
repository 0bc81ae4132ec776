/*
 * queues.c: the worker pool tells what waits in each of its lanes.
 *
 * Links: q_replica
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>

#include "fair.c" /* both of the program, not of a library */
#include "work.c"

static sem_t begun, may_end;

static void hold_up(struct work_item *item)
{
	(void)item;
	sem_post(&begun);
	sem_wait(&may_end);
}

static void do_nothing(struct work_item *item)
{
	(void)item;
}

static void assert_load(struct work *w, enum work_lane lane, size_t items, size_t bytes)
{
	struct work_load load[LANE_CNT];

	work_load(w, load);
	assert_int_equal(load[lane].items, items);
	assert_int_equal(load[lane].bytes, bytes);
}

static void what_waits_is_told_by_lane_and_of_all_sources(void **state)
{
	struct work_item first = {.run = hold_up, .fair.bytes = 1000};
	struct work_item forwards[3], client = {.run = do_nothing, .fair.bytes = 7};
	struct work *w;

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&may_end, 0, 0);
	w = work_start(1, 4);
	assert_true(work_offer(w, LANE_WANTED, 2, &first));
	sem_wait(&begun); /* it waits no more, and nothing else is taken */
	assert_load(w, LANE_WANTED, 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		forwards[i] = (struct work_item){.run = do_nothing, .fair.bytes = 10 + i};
		assert_true(work_offer(w, LANE_FORWARDS, i, &forwards[i]));
	}
	assert_true(work_put(w, &client));
	assert_load(w, LANE_FORWARDS, 3, 33);
	assert_load(w, LANE_CLIENTS, 1, 7);
	assert_load(w, LANE_WANTED, 0, 0);
	assert_load(w, LANE_VOTES, 0, 0);
	sem_post(&may_end);
	work_stop(w);
	assert_load(w, LANE_FORWARDS, 0, 0);
	assert_load(w, LANE_CLIENTS, 0, 0);
	work_free(w);
	sem_destroy(&begun);
	sem_destroy(&may_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_waits_is_told_by_lane_and_of_all_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
