/*
 * lanes.c: who floods waits for himself alone: the fair queue, and the worker pool's lanes.
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

/* ---- fair.c ------------------------------------------------------------------ */

static void each_source_fills_its_own_share_only(void **state)
{
	(void)state;
	struct fair f;
	struct fair_item items[8] = {0};

	fair_init(&f, 3, 2, 100);
	assert_true(fair_put(&f, 0, &items[0]));
	assert_true(fair_put(&f, 0, &items[1]));
	assert_false(fair_put(&f, 0, &items[2]));
	assert_true(fair_put(&f, 1, &items[2]));
	assert_true(fair_put(&f, 2, &items[3]));
	assert_int_equal(f.cnt, 4);
	assert_ptr_equal(fair_take(&f), &items[0]);
	assert_true(fair_put(&f, 0, &items[4])); /* what was taken made room */
}

static void bytes_are_bounded_but_one_item_of_any_size_is_let_in(void **state)
{
	(void)state;
	struct fair f;
	struct fair_item huge = {.bytes = 1000}, small = {.bytes = 60}, other = {.bytes = 41};

	fair_init(&f, 2, 10, 100);
	assert_true(fair_put(&f, 0, &huge));
	assert_false(fair_put(&f, 0, &small));
	assert_true(fair_put(&f, 1, &small));
	assert_false(fair_put(&f, 1, &other));
	assert_ptr_equal(fair_take(&f), &huge);
	assert_true(fair_put(&f, 0, &other));
}

static void sources_take_turns_and_each_keeps_its_order(void **state)
{
	(void)state;
	struct fair f;
	struct fair_item a[3] = {0}, b = {0}, c[2] = {0};
	struct fair_item *const want[] = {&a[0], &b, &c[0], &a[1], &c[1], &a[2], NULL};

	fair_init(&f, 4, 10, 100);
	for (int i = 0; i < 3; i++)
		assert_true(fair_put(&f, 0, &a[i]));
	assert_true(fair_put(&f, 1, &b));
	for (int i = 0; i < 2; i++)
		assert_true(fair_put(&f, 3, &c[i]));
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		assert_ptr_equal(fair_take(&f), want[i]);
	assert_int_equal(f.cnt, 0);
}

/* ---- work.c ------------------------------------------------------------------ */

struct task {
	struct work_item work; /* first */
	sem_t begun, go_on;
};

static void run_task(struct work_item *item)
{
	struct task *t = (struct task *)item;
	sem_post(&t->begun);
	sem_wait(&t->go_on);
}

static void task_init(struct task *t, bool waits)
{
	*t = (struct task){.work.run = run_task};
	sem_init(&t->begun, 0, 0);
	sem_init(&t->go_on, 0, waits ? 0 : 1);
}

static void a_vote_does_not_wait_for_transactions_that_are_being_checked(void **state)
{
	(void)state;
	struct work *w = work_start(1, 4);
	struct task bulk, vote;

	task_init(&bulk, true);
	task_init(&vote, false);
	assert_true(work_offer(w, LANE_FORWARDS, 3, &bulk.work));
	sem_wait(&bulk.begun); /* the one worker is busy now */
	assert_true(work_offer(w, LANE_VOTES, 1, &vote.work));
	sem_wait(&vote.begun);
	sem_post(&bulk.go_on);
	work_stop(w);
	work_free(w);
}

static void a_full_share_refuses_and_does_not_wait(void **state)
{
	(void)state;
	struct work *w = work_start(1, 4);
	struct task first, big, more, others, client;

	task_init(&first, true);
	task_init(&big, false);
	task_init(&more, false);
	task_init(&others, false);
	task_init(&client, false);
	big.work.fair.bytes = FORWARDS_BYTES_MAX;
	more.work.fair.bytes = others.work.fair.bytes = client.work.fair.bytes = 1;
	assert_true(work_offer(w, LANE_FORWARDS, 3, &first.work));
	sem_wait(&first.begun);
	assert_true(work_offer(w, LANE_FORWARDS, 3, &big.work));
	assert_false(work_offer(w, LANE_FORWARDS, 3, &more.work));
	assert_true(work_offer(w, LANE_FORWARDS, 2, &others.work));
	assert_true(work_put(w, &client.work));
	sem_post(&first.go_on);
	work_stop(w); /* runs what is there */
	assert_int_equal(sem_trywait(&big.begun), 0);
	assert_int_equal(sem_trywait(&others.begun), 0);
	assert_int_equal(sem_trywait(&client.begun), 0);
	assert_int_not_equal(sem_trywait(&more.begun), 0);
	work_free(w);
}

/* By what they weigh, not by how many they are; and whoever floods a lane does not starve the others. */
static void lanes_share_by_weight(void **state)
{
	(void)state;
	enum { PICKS = 160, EACH = 200, SMALL = 100, LARGE = 4000 };
	struct work *w = work_start(0, 4); /* only the thread for votes: the picks are ours */
	struct task *wanted = xcalloc(EACH, sizeof *wanted), *bulk = xcalloc(EACH, sizeof *bulk),
	            *client = xcalloc(EACH, sizeof *client);
	size_t bytes[3] = {0};

	for (unsigned i = 0; i < EACH; i++) {
		task_init(&wanted[i], false);
		task_init(&bulk[i], false);
		task_init(&client[i], false);
		wanted[i].work.fair.bytes = client[i].work.fair.bytes = LARGE - ENVELOPE_COST;
		bulk[i].work.fair.bytes = SMALL;
		assert_true(work_offer(w, LANE_WANTED, 2, &wanted[i].work));
		assert_true(work_offer(w, LANE_FORWARDS, 3, &bulk[i].work));
		assert_true(work_put(w, &client[i].work));
	}
	for (unsigned pick = 0; pick < PICKS; pick++) {
		struct task *t = (struct task *)take(w); /* its first member */
		bytes[t >= wanted && t < wanted + EACH ? 0
		      : t >= bulk && t < bulk + EACH   ? 1
		                                       : 2] += t->work.fair.bytes + ENVELOPE_COST;
	}
	/* 4 : 3 : 1, to within one item */
	assert_in_range(bytes[0], 4 * bytes[2] - 4 * LARGE, 4 * bytes[2] + 4 * LARGE);
	assert_in_range(bytes[1], 3 * bytes[2] - 4 * LARGE, 3 * bytes[2] + 4 * LARGE);
	assert_true(bytes[2] >= 3 * LARGE);
	while (take(w) != NULL)
		;
	work_stop(w);
	work_free(w);
	free(wanted);
	free(bulk);
	free(client);
}

/* Or it would have all picks for as long as it was empty before. */
static void a_lane_that_was_empty_has_saved_nothing_up(void **state)
{
	(void)state;
	struct work *w = work_start(0, 4);
	struct task bulk[40], client[2];
	unsigned clients = 0;

	for (unsigned i = 0; i < 40; i++) {
		task_init(&bulk[i], false);
		assert_true(work_offer(w, LANE_FORWARDS, 3, &bulk[i].work));
	}
	for (unsigned pick = 0; pick < 20; pick++)
		take(w);
	for (unsigned i = 0; i < 2; i++) {
		task_init(&client[i], false);
		assert_true(work_put(w, &client[i].work));
	}
	for (unsigned pick = 0; pick < 3; pick++) {
		const struct work_item *item = take(w);
		clients += item == &client[0].work || item == &client[1].work;
	}
	assert_int_equal(clients, 1);
	while (take(w) != NULL)
		;
	work_stop(w);
	work_free(w);
}

/* A body that was asked for does not wait behind what its sender has forwarded before. */
static void a_body_overtakes_forwards_of_the_same_replica(void **state)
{
	(void)state;
	struct work *w = work_start(0, 4);
	struct task bulk[8], body;

	task_init(&body, false);
	for (unsigned i = 0; i < 8; i++) {
		task_init(&bulk[i], false);
		assert_true(work_offer(w, LANE_FORWARDS, 3, &bulk[i].work));
	}
	assert_true(work_offer(w, LANE_WANTED, 3, &body.work));
	assert_true(take(w) == &body.work);
	while (take(w) != NULL)
		;
	work_stop(w);
	work_free(w);
}

static void after_the_stop_nothing_is_taken(void **state)
{
	(void)state;
	struct work *w = work_start(2, 4);
	struct task t;

	task_init(&t, false);
	work_stop(w);
	assert_false(work_offer(w, LANE_VOTES, 0, &t.work));
	assert_false(work_put(w, &t.work));
	work_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_source_fills_its_own_share_only),
	    cmocka_unit_test(bytes_are_bounded_but_one_item_of_any_size_is_let_in),
	    cmocka_unit_test(sources_take_turns_and_each_keeps_its_order),
	    cmocka_unit_test(a_vote_does_not_wait_for_transactions_that_are_being_checked),
	    cmocka_unit_test(a_full_share_refuses_and_does_not_wait),
	    cmocka_unit_test(lanes_share_by_weight),
	    cmocka_unit_test(a_lane_that_was_empty_has_saved_nothing_up),
	    cmocka_unit_test(a_body_overtakes_forwards_of_the_same_replica),
	    cmocka_unit_test(after_the_stop_nothing_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
