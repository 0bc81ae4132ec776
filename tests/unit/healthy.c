/*
 * healthy.c: where nothing is wrong, no view changes, however long mining takes within what the genesis
 * allows: the time-outs include it. Without that budget views do change.
 *
 * Links: q_sim
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <malloc.h>

#include "sim.h"

#define HOUR_MS 3600000

static struct sim_result pass(enum sim_seal seal, enum sim_proposer proposer, unsigned mining_ms,
                              bool no_budget)
{
	struct sim_options o = {.seed = 1 + mining_ms,
	                        .n = 4,
	                        .storm_ms = HOUR_MS,
	                        .seal = seal,
	                        .proposer = proposer,
	                        .healthy = true,
	                        .no_budget = no_budget,
	                        .mining_ms = mining_ms,
	                        .load = 1};
	struct sim_result r;

	sim_run(&o, &r);
	free(r.states);
	return r;
}

static void assert_healthy(enum sim_seal seal, enum sim_proposer proposer, unsigned mining_ms)
{
	struct sim_result r = pass(seal, proposer, mining_ms, false);

	if (r.violations)
		fail_msg("%s", r.violation);
	assert_int_equal(r.view_changes, 0);
	assert_true(r.virtual_ms >= HOUR_MS);
	assert_true(r.blocks > HOUR_MS / (2 * (mining_ms + 1000)));
}

static void an_hour_of_seals(void **state)
{
	(void)state;
	assert_healthy(SIM_SEAL_POW, SIM_PROPOSER_STAKE, 1000);
}

static void an_hour_of_the_hardest_seals(void **state)
{
	(void)state;
	assert_healthy(SIM_SEAL_POW, SIM_PROPOSER_PRIMARY, SIM_MINING_MAX_MS);
	assert_healthy(SIM_SEAL_RETARGET, SIM_PROPOSER_STAKE, SIM_MINING_MAX_MS);
}

static void without_the_budget_views_change(void **state)
{
	(void)state;
	for (unsigned mining_ms = 1000; mining_ms <= SIM_MINING_MAX_MS; mining_ms *= 10) {
		struct sim_result r = pass(SIM_SEAL_POW, SIM_PROPOSER_PRIMARY, mining_ms, true);
		assert_int_equal(r.violations, 1);
		assert_non_null(strstr(r.violation, "view change"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_hour_of_seals),
	    cmocka_unit_test(an_hour_of_the_hardest_seals),
	    cmocka_unit_test(without_the_budget_views_change),
	};

	/* A world's memory comes and goes: it stays with the process, as in sweeps. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 16 << 20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
