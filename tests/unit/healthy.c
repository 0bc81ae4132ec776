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

/* 2n(n-1) messages a block, and the checkpoints'; answers to STATUS come on top, but not many. */
static void a_block_costs_what_the_protocol_says(void **state)
{
	static const enum qkind kinds[] = {QPRE_PREPARE, QPREPARE, QCOMMIT};
	struct sim_result r;
	uint64_t messages = 0, checks = 0;
	(void)state;

	sim_run(&(struct sim_options){.seed = 3,
	                              .n = 7,
	                              .storm_ms = 3000,
	                              .seal = SIM_SEAL_NONE,
	                              .proposer = SIM_PROPOSER_PRIMARY,
	                              .healthy = true,
	                              .load = 200},
	        &r);
	free(r.states);
	if (r.violations)
		fail_msg("%s", r.violation);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		messages += r.traffic[kinds[i]].messages;
		checks += r.traffic[kinds[i]].replica_checks;
	}
	uint64_t blocks = r.storm_blocks, a_block = UINT64_C(2) * 7 * 6, checks_a_block = UINT64_C(6) * 15;
	assert_true(blocks > 20);
	assert_true(messages >= blocks * a_block && messages <= blocks * a_block * 5 / 4);
	assert_true(checks >= blocks * checks_a_block && checks <= blocks * checks_a_block * 5 / 4);
	assert_true(r.traffic[QTXS].txs >= 6 * r.throughput_txs &&
	            r.traffic[QTXS].txs <= 8 * r.throughput_txs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_hour_of_seals),
	    cmocka_unit_test(an_hour_of_the_hardest_seals),
	    cmocka_unit_test(without_the_budget_views_change),
	    cmocka_unit_test(a_block_costs_what_the_protocol_says),
	};

	/* A world's memory comes and goes: it stays with the process, as in sweeps. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 16 << 20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
