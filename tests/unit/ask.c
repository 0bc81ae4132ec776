/*
 * ask.c: questions of http's threads to the replica, which may be slow to answer.
 *
 * Links: q_replica q_link q_http
 */
#include "store.h"

#include "node_ask.c" /* of the program, not of a library */

/* Every deadline has passed: who waits is told so at once. */
uint64_t node_now_ms(void)
{
	return 0;
}

bool work_put(struct work *w, struct work_item *item)
{
	(void)w, (void)item;
	fail();
	return false;
}

bool guard_ok(struct node *n, struct err *err)
{
	(void)n, (void)err;
	return true;
}

void blocks_stop(struct node *n)
{
	(void)n;
}

void gate_stop(struct node *n)
{
	(void)n;
}

void meter_admitted(struct node *n, const struct qtxid *id)
{
	(void)n, (void)id;
}

void meter_settled(struct node *n, const struct qtxid *id, bool final)
{
	(void)n, (void)id, (void) final;
}

static unsigned turns;

bool node_turn(struct node *n)
{
	(void)n;
	turns++;
	return true;
}

void node_turn_end(struct node *n)
{
	(void)n;
	assert_true(turns-- > 0);
}

static unsigned damaged; /* calls of this: */

void node_damaged(struct node *n, const struct err *why)
{
	(void)n;
	assert_non_null(strstr(why->text, "eaten"));
	damaged++;
}

static void node_begin(struct node *n)
{
	*n = (struct node){0};
	n->calls_end = &n->calls;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->mail, NULL);
}

static void node_end(struct node *n)
{
	pthread_mutex_destroy(&n->lock);
	pthread_cond_destroy(&n->mail);
}

/* A call that nobody answers in time. */
static struct call *ask_in_vain(struct node *n)
{
	struct call *c = call_new(CALL_STATUS);
	assert_false(node_call(n, c));
	return c;
}

static void a_call_that_timed_out_leaves_the_queue(void **state)
{
	struct node n;
	(void)state;
	node_begin(&n);
	struct call *waiting[2] = {call_new(CALL_STATUS), call_new(CALL_STATUS)};
	for (int i = 0; i < 2; i++) { /* of askers whose time is not over */
		*n.calls_end = waiting[i];
		n.calls_end = &waiting[i]->next;
		struct call *c = ask_in_vain(&n);
		assert_int_equal(c->refs, 1); /* the asker's */
		call_unref(c);
		assert_ptr_equal(n.calls, waiting[0]);
		assert_ptr_equal(n.calls_end, &waiting[i]->next);
		assert_null(waiting[i]->next);
	}
	assert_ptr_equal(waiting[0]->next, waiting[1]);
	call_unref(waiting[0]);
	call_unref(waiting[1]);
	n.calls = NULL;
	n.calls_end = &n.calls;
	call_unref(ask_in_vain(&n)); /* alone in the queue */
	assert_null(n.calls);
	assert_ptr_equal(n.calls_end, &n.calls);
	node_end(&n);
}

static void a_call_that_the_replica_has_taken_stays_whole_until_it_is_answered(void **state)
{
	struct node n;
	(void)state;
	node_begin(&n);
	struct call *c = call_new(CALL_STATUS), *taken = call_new(CALL_STATUS);
	assert_false(
	    withdraw(&n, taken)); /* as node_call() does when its time is over: it is not in the queue */
	assert_int_equal(taken->refs, 1);
	c->next = taken; /* the replica's own list */
	assert_false(withdraw(&n, c));
	assert_ptr_equal(c->next, taken);
	assert_int_equal(c->refs, 1);
	call_unref(c);
	call_unref(taken);
	node_end(&n);
}

/* Whatever the request made of it. */
static void a_reader_that_met_damage_stops_the_node(void **state)
{
	struct place *p = *state;
	struct node n;
	struct err err = {0};

	ledger_close(open_ledger(p));
	node_begin(&n);
	struct reader *whole = reader_open(p->path, NULL, &err), *bad = reader_open(p->path, NULL, &err);
	assert_true(whole && bad);
	reader_damaged(bad, "a row was eaten", &err);
	turns = 2; /* as node_reader() has taken them */
	node_reader_back(&n, whole, false);
	assert_int_equal(n.idle_cnt, 1);
	assert_int_equal(damaged, 0);
	node_reader_back(&n, bad, false);
	assert_int_equal(n.idle_cnt, 1);
	assert_int_equal(damaged, 1);
	assert_int_equal(turns, 0);
	ask_free(&n);
	node_end(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_that_timed_out_leaves_the_queue),
	    cmocka_unit_test(a_call_that_the_replica_has_taken_stays_whole_until_it_is_answered),
	    cmocka_unit_test_setup_teardown(a_reader_that_met_damage_stops_the_node, place_setup,
	                                    place_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
