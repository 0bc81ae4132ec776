/*
 * shrink.c: making a failing run small, on a made-up oracle: what remains is what the failure needs; nothing
 * else is taken for the same failure; bounds hold; and runs as text and back. Links: q_sim
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "choice.h"
#include "shrink.h"
#include "traitor.h"

/* A run fails if all strikes that are needed happen, its storm is long enough and the classes are enabled. */
struct oracle {
	uint64_t needed[4];
	size_t needed_cnt;
	uint64_t strikes;      /* that a run has */
	uint64_t needs_ms;     /* of storm */
	uint64_t faults;       /* all of these */
	sim_set behaviour;     /* one of these, if it needs the traitor */
	enum sim_seal seal;    /* this one, if it is not ANY */
	uint64_t other_strike; /* without it, something else is violated; 0: no */
	bool mood;             /* fails once only */
	unsigned runs;
};

static bool happens(const struct sim_options *o, uint64_t strike)
{
	for (size_t i = 0; i < o->without_cnt; i++) {
		assert_true(o->without[i].first <= o->without[i].last);
		if (i > 0) /* they are in order and do not touch */
			assert_true(o->without[i - 1].last + 1 < o->without[i].first);
		if (o->without[i].first <= strike && strike <= o->without[i].last)
			return false;
	}
	return true;
}

static bool fails(const struct oracle *k, const struct sim_options *o, uint64_t storm_ms, uint64_t faults)
{
	bool all = storm_ms >= k->needs_ms && (faults & k->faults) == k->faults;

	if (k->behaviour && o->behaviours && !(o->behaviours & k->behaviour))
		all = false;
	if (k->seal && o->seal && o->seal != k->seal)
		all = false;
	for (size_t i = 0; i < k->needed_cnt; i++)
		all = happens(o, k->needed[i]) && all;
	return all && !(k->mood && k->runs > 1);
}

static void run(void *ctx, const struct sim_options *o, struct sim_result *r)
{
	struct oracle *k = ctx;
	uint64_t faults = o->faults < 0 ? 0x7fff : (uint64_t)o->faults,
	         storm_ms = o->storm_ms ? o->storm_ms : 5000;

	k->runs++;
	*r = (struct sim_result){.seed = o->seed,
	                         .strikes = k->strikes,
	                         .virtual_ms = storm_ms,
	                         .storm_ms = storm_ms,
	                         .n = 4,
	                         .faults = faults,
	                         .behaviours = o->behaviours ? o->behaviours : 0xff,
	                         .seal = o->seal ? o->seal : SIM_SEAL_RETARGET,
	                         .proposer = o->proposer ? o->proposer : SIM_PROPOSER_STAKE};
	r->states = strdup("as it was\n");
	if (k->other_strike && !happens(o, k->other_strike)) {
		r->violations = 1;
		strcpy(r->violation, "liveness: something else");
	} else if (fails(k, o, storm_ms, faults)) {
		r->violations = 1;
		r->virtual_ms = k->needs_ms;
		snprintf(r->violation, sizeof r->violation, "agreement: run %u", k->runs);
	}
}

static void shrink_with(struct oracle *k, unsigned runs_max, struct shrunk *s)
{
	struct sim_options o = {.seed = 7, .faults = -1, .real_crypto = -1};
	struct sim_result r;

	run(k, &o, &r);
	free(r.states);
	shrink(&(struct shrink_options){.run = run, .ctx = k, .runs_max = runs_max}, &o, &r, s);
}

static void what_is_needed_remains(void **state)
{
	struct oracle k = {.needed = {3, 17, 400, 1000},
	                   .needed_cnt = 4,
	                   .strikes = 1000,
	                   .needs_ms = 700,
	                   .faults = 1 << FAULT_CRASH | 1 << FAULT_TRAITOR,
	                   .behaviour = 1 << 5,
	                   .seal = SIM_SEAL_RETARGET};
	struct shrunk s;

	(void)state;
	shrink_with(&k, 100000, &s);
	assert_true(s.reproduced);
	assert_int_equal(s.strikes, 4);
	for (uint64_t i = 1; i <= k.strikes; i++)
		assert_int_equal(happens(&s.o, i), i == 3 || i == 17 || i == 400 || i == 1000);
	assert_int_equal(s.o.faults, k.faults);
	assert_true(s.o.behaviours == k.behaviour);
	assert_int_equal(s.o.seal, SIM_SEAL_RETARGET);
	assert_int_equal(s.o.proposer, SIM_PROPOSER_PRIMARY);
	assert_in_range(s.o.storm_ms, 700, 780);
	assert_int_equal(s.o.n, 4);
	assert_true(s.o.unchecked_calm);
	assert_true(k.runs < 400); /* not a run a strike */
	assert_string_equal(s.result.states, "as it was\n");
	shrunk_free(&s);
}

static void a_failure_that_needs_nothing_keeps_nothing(void **state)
{
	struct oracle k = {.strikes = 500};
	struct shrunk s;

	(void)state;
	shrink_with(&k, 100000, &s);
	assert_int_equal(s.strikes, 0);
	assert_int_equal(s.o.faults, 0);
	shrunk_free(&s);
}

static void another_failure_does_not_count(void **state)
{
	struct oracle k = {.needed = {30}, .needed_cnt = 1, .strikes = 60, .other_strike = 44};
	struct shrunk s;

	(void)state;
	shrink_with(&k, 100000, &s);
	assert_true(happens(&s.o, 30));
	assert_true(happens(&s.o, 44));
	assert_int_equal(s.strikes, 2);
	assert_memory_equal(s.result.violation, "agreement:", 10);
	shrunk_free(&s);
}

static void a_failure_that_does_not_come_back_is_told(void **state)
{
	struct oracle k = {.strikes = 10, .mood = true};
	struct shrunk s;

	(void)state;
	shrink_with(&k, 100000, &s);
	assert_false(s.reproduced);
	assert_int_equal(s.runs, 1);
	shrunk_free(&s);
}

static void the_bound_on_runs_holds(void **state)
{
	struct oracle k = {.needed = {3, 5, 7, 9}, .needed_cnt = 4, .strikes = 100000};
	struct shrunk s;

	(void)state;
	shrink_with(&k, 25, &s);
	assert_true(s.reproduced);
	assert_int_equal(s.runs, 25);
	assert_true(happens(&s.o, 3) && happens(&s.o, 5) && happens(&s.o, 7) && happens(&s.o, 9));
	assert_true(s.strikes < k.strikes);
	shrunk_free(&s);
}

static bool same(const char *a, const char *b)
{
	struct sim_result x = {.violations = 1}, y = {.violations = 1};

	strcpy(x.violation, a);
	strcpy(y.violation, b);
	return shrink_same(&x, &y);
}

static void a_failure_is_known_by_its_checker(void **state)
{
	struct sim_result none = {.violations = 0}, one = {.violations = 1, .violation = "votes: x"};

	(void)state;
	assert_true(same("votes: replica 1", "votes: replica 2 (at 7 ms)"));
	assert_false(same("votes: replica 1", "votes2: replica 1"));
	assert_false(same("votes: replica 1", "chain: replica 1"));
	assert_false(shrink_same(&one, &none));
	/* a process that died: by the place */
	assert_true(same("process died: SIGABRT: quorate: bug: a.c:10: x",
	                 "process died: SIGABRT: quorate: bug: a.c:10: x"));
	assert_false(same("process died: SIGABRT: quorate: bug: a.c:10: x",
	                  "process died: SIGABRT: quorate: bug: a.c:11: x"));
	assert_true(same("process died: SIGABRT: ==12==ERROR: AddressSanitizer: heap on address 0x60a1",
	                 "process died: SIGABRT: ==345==ERROR: AddressSanitizer: heap on address 0x7fffb2"));
	assert_false(same("process died: SIGSEGV: ", "process died: SIGABRT: "));
}

/* ---- text -------------------------------------------------------------------------------------------- */

static uint64_t faults_of(const char *text)
{
	struct err err = {0};
	uint64_t faults;

	if (!choice_faults(text, &faults, &err))
		return UINT64_MAX;
	return faults;
}

static void lists_of_names_are_read(void **state)
{
	uint64_t all = (1 << FAULT_CNT) - 1;

	(void)state;
	assert_int_equal(faults_of("all"), all);
	assert_int_equal(faults_of("none"), 0);
	assert_int_equal(faults_of("crash,loss"), 1 << FAULT_CRASH | 1 << FAULT_LOSS);
	assert_int_equal(faults_of("-crash"), all & ~(UINT64_C(1) << FAULT_CRASH));
	assert_int_equal(faults_of("all,-crash,-loss"),
	                 all & ~(UINT64_C(1) << FAULT_CRASH) & ~(UINT64_C(1) << FAULT_LOSS));
	assert_int_equal(faults_of("crash,-crash"), 0);
	assert_int_equal(faults_of("crush"), UINT64_MAX);
	assert_int_equal(faults_of(""), UINT64_MAX);
	assert_int_equal(faults_of("crash,"), UINT64_MAX);
	assert_int_equal(faults_of("cras"), UINT64_MAX);
	for (uint64_t mask = 0; mask <= all; mask += 7) {
		char *text = choice_faults_text(mask);
		assert_int_equal(faults_of(text), mask);
		free(text);
	}
}

static void behaviours_are_more_than_a_word(void **state)
{
	struct err err = {0};
	sim_set all, one;

	(void)state;
	assert_true(choice_behaviours("all", &all, &err));
	assert_true(all == sim_set_below(BEHAVIOUR_CNT));
	for (unsigned b = 0; b < BEHAVIOUR_CNT; b++) {
		assert_true(choice_behaviours(behaviour_name(b), &one, &err));
		assert_true(one == sim_set_of(b));
		char *text = choice_behaviours_text(all & ~one);
		assert_true(choice_behaviours(text, &one, &err));
		assert_true(one == (all & ~sim_set_of(b)));
		free(text);
	}
	assert_true(sim_set_below(SIM_SET_MAX) == ~(sim_set)0);
	assert_true(sim_set_has(sim_set_of(SIM_SET_MAX - 1), SIM_SET_MAX - 1));
}

static void kinds_of_chains_are_read(void **state)
{
	enum sim_proposer proposer;
	enum sim_seal seal;
	struct err err = {0};

	(void)state;
	assert_true(choice_seal("pow", &seal, &err) && seal == SIM_SEAL_POW);
	assert_true(choice_seal("none", &seal, &err) && seal == SIM_SEAL_NONE);
	assert_false(choice_seal("", &seal, &err) || choice_seal("any", &seal, &err));
	assert_true(choice_proposer("delegated", &proposer, &err) && proposer == SIM_PROPOSER_DELEGATED);
	assert_false(choice_proposer("pow", &proposer, &err));
}

static void ranges_are_read(void **state)
{
	static const char *const wrong[] = {"",    "-",     "a",  "3-",  "5-3", "1,1",
	                                    "3,2", "1-5,5", "1,", "1 2", "1;2", "-1"};
	struct sim_range *ranges;
	struct err err = {0};
	uint64_t first, last;
	size_t cnt;

	(void)state;
	assert_true(choice_ranges("3-17,20", &ranges, &cnt, &err));
	assert_int_equal(cnt, 2);
	assert_int_equal(ranges[0].first, 3);
	assert_int_equal(ranges[0].last, 17);
	assert_int_equal(ranges[1].first, 20);
	assert_int_equal(ranges[1].last, 20);
	free(ranges);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(choice_ranges(wrong[i], &ranges, &cnt, &err));
	assert_true(choice_seeds("4..90", &first, &last, &err));
	assert_int_equal(first, 4);
	assert_int_equal(last, 90);
	assert_true(choice_seeds("4", &first, &last, &err));
	assert_int_equal(last, 4);
	assert_false(choice_seeds("9..4", &first, &last, &err));
	assert_false(choice_seeds("4.9", &first, &last, &err));
	assert_false(choice_seeds("4..", &first, &last, &err));
}

static void a_run_is_told_as_a_command(void **state)
{
	struct sim_range without[] = {{3, 17}, {20, 20}};
	struct sim_options o = {.seed = 42, .faults = -1, .real_crypto = -1};
	char *text = choice_command(&o);

	(void)state;
	assert_string_equal(text, "quorate sim --seed 42");
	free(text);
	o = (struct sim_options){.seed = 42,
	                         .n = 4,
	                         .seal = SIM_SEAL_POW,
	                         .proposer = SIM_PROPOSER_STAKE,
	                         .healthy = true,
	                         .mining_ms = 30,
	                         .storm_ms = 900,
	                         .faults = 1 << FAULT_CRASH | 1 << FAULT_LOSS,
	                         .behaviours = 1,
	                         .real_crypto = 0,
	                         .unchecked_calm = true,
	                         .without = without,
	                         .without_cnt = 2};
	text = choice_command(&o);
	assert_string_equal(text, "quorate sim --seed 42 --replicas 4 --seal pow --proposer stake --healthy "
	                          "--mining 30 --ticks 900 "
	                          "--faults loss,crash --crypto stand-in --no-calm --without 3-17,20");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_needed_remains),
	    cmocka_unit_test(a_failure_that_needs_nothing_keeps_nothing),
	    cmocka_unit_test(another_failure_does_not_count),
	    cmocka_unit_test(a_failure_that_does_not_come_back_is_told),
	    cmocka_unit_test(the_bound_on_runs_holds),
	    cmocka_unit_test(a_failure_is_known_by_its_checker),
	    cmocka_unit_test(lists_of_names_are_read),
	    cmocka_unit_test(behaviours_are_more_than_a_word),
	    cmocka_unit_test(kinds_of_chains_are_read),
	    cmocka_unit_test(ranges_are_read),
	    cmocka_unit_test(a_run_is_told_as_a_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
