/*
 * follow.c: waiting for the next block, and what is kept of those that were executed last.
 *
 * Links: q_replica q_link q_http
 */
#include "node_blocks.c" /* of the program, not of a library */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct node n;

uint64_t node_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static unsigned settled;
static struct qtxid wanted;

void ask_settle(struct node *at, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                const struct qtxid *winner)
{
	assert_ptr_equal(at, &n);
	assert_int_equal(v, TX_FINAL);
	assert_null(winner);
	if (qtxid_eq(id, &wanted)) {
		assert_int_equal(height.n, id->b[0]);
		settled++;
	}
}

static int begin(void **state)
{
	(void)state;
	n = (struct node){0};
	pthread_mutex_init(&n.lock, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	blocks_free(&n);
	pthread_mutex_destroy(&n.lock);
	return 0;
}

/* Blocks of two transactions whose ids begin with the height, executed as one run. */
static void execute(uint64_t from, uint64_t to)
{
	struct block blocks[2 * RECENT_MAX], *run[2 * RECENT_MAX];
	struct tx txs[2 * RECENT_MAX][2], *list[2 * RECENT_MAX][2];
	size_t cnt = (size_t)(to - from + 1);

	assert_true(cnt <= 2 * RECENT_MAX);
	for (size_t i = 0; i < cnt; i++) {
		for (unsigned k = 0; k < 2; k++) {
			txs[i][k] = (struct tx){.id = {{(uint8_t)(from + i), (uint8_t)k}}};
			list[i][k] = &txs[i][k];
		}
		blocks[i] = (struct block){.header.height = {from + i}, .tx_cnt = 2, .txs = list[i]};
		run[i] = &blocks[i];
	}
	blocks_executed(&n, run, cnt);
}

static enum ids_found look(uint64_t height)
{
	struct block_ids *ids;
	enum ids_found found = node_block_ids(&n, qheight_of(height), &ids);

	if (found == IDS_HERE) {
		assert_int_equal(ids->height.n, height);
		assert_int_equal(ids->cnt, 2);
		assert_int_equal(ids->ids[1].b[0], (uint8_t)height);
		assert_int_equal(ids->ids[1].b[1], 1);
		block_ids_unref(ids);
	}
	return found;
}

static void what_was_executed_last_is_here_and_the_rest_is_the_ledgers(void **state)
{
	(void)state;
	n.height.n = 7; /* at the start: all of it before this process */
	assert_int_equal(look(7), IDS_OLD);
	assert_int_equal(look(8), IDS_NONE);
	execute(8, 10);
	assert_int_equal(look(7), IDS_OLD);
	for (uint64_t h = 8; h <= 10; h++)
		assert_int_equal(look(h), IDS_HERE);
	assert_int_equal(look(11), IDS_NONE);
	assert_int_equal(look(INT64_MAX), IDS_NONE);
	execute(11, 10 + RECENT_MAX);
	assert_int_equal(look(10), IDS_OLD);
	assert_int_equal(look(11), IDS_HERE);
	execute(11 + RECENT_MAX, 10 + 3 * RECENT_MAX); /* a run longer than what is kept */
	assert_int_equal(look(10 + 2 * RECENT_MAX), IDS_OLD);
	assert_int_equal(look(11 + 2 * RECENT_MAX), IDS_HERE);
	assert_int_equal(look(10 + 3 * RECENT_MAX), IDS_HERE);
}

static void what_is_asked_for_stays_whole_while_others_follow(void **state)
{
	struct block_ids *ids;

	(void)state;
	execute(1, 1);
	assert_int_equal(node_block_ids(&n, qheight_of(1), &ids), IDS_HERE);
	execute(2, 1 + RECENT_MAX);
	assert_int_equal(look(1), IDS_OLD);
	assert_int_equal(ids->ids[0].b[0], 1);
	block_ids_unref(ids);
}

/* Counts how often it is told. */
struct follower {
	struct block_waiter w;
	unsigned told;
};

static void tell(void *ctx)
{
	((struct follower *)ctx)->told++;
}

static bool follow_begin(struct follower *f, uint64_t height)
{
	*f = (struct follower){.w = {.height = {height}, .wake = tell, .ctx = f}};
	return node_block_wait_begin(&n, &f->w);
}

static void a_block_wakes_those_that_wait_for_it(void **state)
{
	struct follower next[2], later;

	(void)state;
	assert_true(follow_begin(&next[0], 1));
	assert_true(follow_begin(&later, 3));
	assert_true(follow_begin(&next[1], 1));
	assert_int_equal(n.waiter_cnt, 3);
	execute(1, 2);
	assert_int_equal(next[0].told, 1);
	assert_int_equal(next[1].told, 1);
	assert_int_equal(later.told, 0);
	node_block_wait_end(&n, &next[0].w);
	node_block_wait_end(&n, &next[1].w);
	assert_int_equal(n.waiter_cnt, 1);
	execute(3, 3);
	assert_int_equal(next[0].told, 1); /* not any more */
	assert_int_equal(later.told, 1);
	node_block_wait_end(&n, &later.w);
	assert_null(n.block_waiters);
	assert_int_equal(n.waiter_cnt, 0);
}

static void nobody_waits_for_what_is_there(void **state)
{
	struct follower f;

	(void)state;
	execute(1, 3);
	assert_false(follow_begin(&f, 3));
	assert_true(follow_begin(&f, 4));
	node_block_wait_end(&n, &f.w);
}

static void who_waits_for_a_transaction_is_told_by_its_block(void **state)
{
	struct waiting somebody;

	(void)state;
	settled = 0;
	wanted = (struct qtxid){{3, 1}};
	execute(1, 3); /* nobody waits: not even looked for */
	assert_int_equal(settled, 0);
	n.waiting = &somebody;
	execute(4, 5);
	assert_int_equal(settled, 0);
	execute(3, 3);
	assert_int_equal(settled, 1);
}

static void only_so_many_wait(void **state)
{
	struct follower f;

	(void)state;
	n.waiter_cnt = WAITERS_MAX;
	assert_false(follow_begin(&f, 1));
	assert_int_equal(n.waiter_cnt, WAITERS_MAX);
}

static void nobody_waits_for_a_node_that_stops(void **state)
{
	struct follower f, late;

	(void)state;
	assert_true(follow_begin(&f, 1));
	pthread_mutex_lock(&n.lock);
	n.stopping = true;
	blocks_stop(&n);
	pthread_mutex_unlock(&n.lock);
	assert_int_equal(f.told, 1);
	node_block_wait_end(&n, &f.w);
	assert_false(follow_begin(&late, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_was_executed_last_is_here_and_the_rest_is_the_ledgers, begin,
	                                    end),
	    cmocka_unit_test_setup_teardown(what_is_asked_for_stays_whole_while_others_follow, begin, end),
	    cmocka_unit_test_setup_teardown(a_block_wakes_those_that_wait_for_it, begin, end),
	    cmocka_unit_test_setup_teardown(who_waits_for_a_transaction_is_told_by_its_block, begin, end),
	    cmocka_unit_test_setup_teardown(only_so_many_wait, begin, end),
	    cmocka_unit_test_setup_teardown(nobody_waits_for_a_node_that_stops, begin, end),
	    cmocka_unit_test_setup_teardown(nobody_waits_for_what_is_there, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
