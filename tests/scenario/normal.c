/*
 * normal.c: agreement when nobody lies and nothing breaks, and when messages are only late, lost or
 * out of order.
 * Links: scenario_world
 */
#include "world.h"

static void one_block_is_proposed_prepared_committed_and_executed(void **state)
{
	struct world *w = world_new(4, 0);
	(void)state;
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	for (unsigned i = 0; i < 4; i++)
		assert_ptr_equal(world_executed(w, i, 1), a);
	world_end(w, __func__);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_block_is_proposed_prepared_committed_and_executed),
	};
	return cmocka_run_group_tests_name("normal case", tests, NULL, NULL);
}
