/*
 * sweep.c: many seeds in many processes, with a made-up simulator in place of the real one: each seed is
 * run once; a process that dies or hangs is a violation of its seed, and of no other.
 * Links: q_sim
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sweep.h"

enum { FAILS = 17, DIES = 23, HANGS = 31, LEAVES = 37, FICKLE = 41 };

/* In place of sim.c's. */
void sim_run(const struct sim_options *o, struct sim_result *r)
{
	static uint64_t runs;

	*r = (struct sim_result){.seed = o->seed, .events = 10, .trace_hash = o->seed * 77, .n = 4};
	r->states = strdup("all is well\n");
	runs++;
	switch (o->seed) {
	case FAILS:
		r->violations = 1;
		strcpy(r->violation, "agreement: there is none");
		break;
	case DIES:
		must(o->seed != DIES);
		break;
	case HANGS:
		for (;;)
			pause();
	case LEAVES:
		fputs("something went wrong\n", stderr);
		_exit(9);
	case FICKLE:
		r->trace_hash += runs;
		break;
	default:
		break;
	}
}

struct seen {
	unsigned times[200];
	char violation[200][512];
};

static void note(void *ctx, const struct sim_result *r)
{
	struct seen *seen = ctx;

	assert_in_range(r->seed, 1, 199);
	seen->times[r->seed]++;
	strcpy(seen->violation[r->seed], r->violation);
}

static bool run(uint64_t first, uint64_t last, unsigned jobs, bool keep_going, struct seen *seen,
                struct sweep_totals *t)
{
	struct sweep_options o = {.first = first,
	                          .last = last,
	                          .jobs = jobs,
	                          .keep_going = keep_going,
	                          .hang_ms = 300,
	                          .done = note,
	                          .ctx = seen};

	memset(seen, 0, sizeof *seen);
	return sweep_run(&o, t);
}

static void each_seed_is_run_once(void **state)
{
	static struct seen seen;
	struct sweep_totals one, many;

	(void)state;
	assert_true(run(42, 150, 1, false, &seen, &one));
	for (unsigned jobs = 2; jobs <= 7; jobs++) {
		assert_true(run(42, 150, jobs, false, &seen, &many));
		for (unsigned i = 0; i < 200; i++)
			assert_int_equal(seen.times[i], i >= 42 && i <= 150);
		assert_int_equal(many.seeds, 109);
		assert_int_equal(many.events, 1090);
		assert_int_equal(many.hash, one.hash);
	}
	assert_true(run(42, 43, 7, false, &seen, &many)); /* more processes than seeds */
	assert_int_equal(many.seeds, 2);
	assert_int_not_equal(many.hash, one.hash);
}

static void what_goes_wrong_is_told_of_its_seed(void **state)
{
	static struct seen seen;
	struct sweep_totals t;

	(void)state;
	for (unsigned jobs = 1; jobs <= 3; jobs++) {
		assert_false(run(1, 60, jobs, true, &seen, &t));
		assert_int_equal(t.seeds, 60);
		assert_int_equal(t.violations, 4);
		for (unsigned i = 1; i <= 60; i++) {
			bool bad = i == FAILS || i == DIES || i == HANGS || i == LEAVES;
			assert_int_equal(seen.times[i], 1);
			assert_int_equal(seen.violation[i][0] != '\0', bad);
		}
		assert_string_equal(seen.violation[FAILS], "agreement: there is none");
		assert_memory_equal(seen.violation[DIES], "process died: SIGABRT: quorate: bug:", 36);
		assert_non_null(strstr(seen.violation[DIES], "o->seed != DIES"));
		assert_memory_equal(seen.violation[HANGS], "process hangs: ", 15);
		assert_string_equal(seen.violation[LEAVES], "process died: exit 9: something went wrong");
	}
}

static void the_first_violation_ends_it(void **state)
{
	static struct seen seen;
	struct sweep_totals t;

	(void)state;
	assert_false(run(1, 60, 1, false, &seen, &t));
	assert_int_equal(t.seeds, FAILS);
	assert_int_equal(t.violations, 1);
	assert_false(run(FAILS + 1, 60, 1, false, &seen, &t));
	assert_int_equal(t.seeds, DIES - FAILS);
}

static void two_traces_of_a_seed_are_a_violation(void **state)
{
	struct sim_options o = {.seed = FICKLE};
	struct sim_result r;

	(void)state;
	sweep_seed(&o, false, &r);
	assert_int_equal(r.violations, 0);
	free(r.states);
	sweep_seed(&o, true, &r);
	assert_int_equal(r.violations, 1);
	assert_memory_equal(r.violation, "determinism: ", 13);
	free(r.states);
	o.seed = 2;
	sweep_seed(&o, true, &r);
	assert_int_equal(r.violations, 0);
	free(r.states);
}

static void a_seed_apart_tells_as_much_as_it_can(void **state)
{
	struct sim_options o = {.seed = 50};
	struct sim_result r;

	(void)state;
	sweep_apart(&o, 300, &r);
	assert_int_equal(r.violations, 0);
	assert_int_equal(r.events, 10);
	assert_string_equal(r.states, "all is well\n");
	free(r.states);
	o.seed = DIES; /* what it chose is known though it died */
	sweep_apart(&o, 300, &r);
	assert_int_equal(r.violations, 1);
	assert_int_equal(r.n, 4);
	assert_int_equal(r.seed, DIES);
	assert_null(r.states);
	assert_memory_equal(r.violation, "process died: SIGABRT: quorate: bug:", 36);
	o.seed = HANGS;
	sweep_apart(&o, 300, &r);
	assert_memory_equal(r.violation, "process hangs: ", 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_seed_is_run_once),
	    cmocka_unit_test(what_goes_wrong_is_told_of_its_seed),
	    cmocka_unit_test(the_first_violation_ends_it),
	    cmocka_unit_test(two_traces_of_a_seed_are_a_violation),
	    cmocka_unit_test(a_seed_apart_tells_as_much_as_it_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
