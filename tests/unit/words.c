/*
 * words.c: seals and proposers as words of the command line: what they stand for, what is none, and back.
 * Links: q_genesis
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "words.h"

static void seals_by_name(void **state)
{
	static const struct {
		const char *text;
		u_int bits, bits_max, interval_ms;
	} pows[] = {
	    {"pow:20", 20, 20, 0},
	    {"pow:1", 1, 1, 0},
	    {"pow:18:0", 18, 18, 0},
	    {"pow:10:1000", 10, 21, 1000}, /* 2^21 is the first power above 2,000,000 */
	    {"pow:10:1048", 10, 21, 1048},
	    {"pow:10:1049", 10, 22, 1049}, /* 2,098,000 */
	    {"pow:21:1000", 21, 21, 1000},
	    {"pow:24:500", 24, 24, 500},
	    {"pow:999999999:1", 999999999, 999999999, 1},
	    {"pow:1:999999999", 1, 41, 999999999},
	};
	struct qseal_rules s;
	(void)state;
	assert_true(words_seal("none", &s, NULL));
	assert_int_equal(s.kind, QSEAL_NONE);
	for (size_t i = 0; i < sizeof pows / sizeof *pows; i++) {
		const struct qpow_rules *r = &s.qseal_rules_u.pow;
		assert_true(words_seal(pows[i].text, &s, NULL));
		assert_int_equal(s.kind, QSEAL_POW);
		assert_int_equal(r->bits, pows[i].bits);
		assert_int_equal(r->bits_max, pows[i].bits_max);
		assert_int_equal(r->interval_ms, pows[i].interval_ms);
		assert_int_equal(r->hash_rate, genesis_default_pow().hash_rate);
		if (r->interval_ms > 0 && r->bits_max < 48 && r->bits < r->bits_max)
			assert_true(genesis_mining_ms(r) < (uint64_t)40 * r->interval_ms);
	}
}

static void what_is_no_seal_is_refused(void **state)
{
	static const char *const texts[] = {
	    "",           "None",           "pow",
	    "pow:",       "pow:x",          "pow:-1",
	    "pow:+1",     "pow:020",        "pow:20:",
	    "pow:20:x",   "pow:20:-1",      "pow:20:01",
	    "pow:20:1:1", "pow: 20",        "pow:20 ",
	    "pow::20",    "POW:20",         "pow:1e3",
	    "none:20",    "pow:1000000000", "pow:1:1000000000",
	    "pow:0x20",   "proof:20",       "pow:20,1",
	    "pow:20:1.5", "nonesense",
	};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct qseal_rules s;
		struct err err = {0};
		if (words_seal(texts[i], &s, &err))
			fail_msg("\"%s\" is taken for a seal", texts[i]);
		assert_int_equal(err.kind, ERR_INPUT);
		assert_non_null(strstr(err.text, "must be none, pow:BITS or pow:BITS:INTERVAL_MS"));
		assert_non_null(strstr(err.text, texts[i]));
	}
}

static void proposers_by_name(void **state)
{
	static const char *const texts[] = {"primary", "stake", "delegated"};
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		enum words_proposer p;
		assert_true(words_proposer(texts[i], &p, NULL));
		assert_int_equal(p, i);
		assert_string_equal(words_proposer_name(p), texts[i]);
	}
	static const char *const wrong[] = {"", "Stake", "stakes", "stak", "primary ", "pos"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct err err = {0};
		enum words_proposer p;
		assert_false(words_proposer(wrong[i], &p, &err));
		assert_non_null(strstr(err.text, "must be primary, stake or delegated"));
	}
}

static void proposers_are_the_rules_of_so_many_replicas(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= Q_REPLICAS_MAX; n = n == 1 ? 4 : n + 1) {
		struct qstake_rules want = genesis_default_stake(n);
		assert_int_equal(words_proposer_rules(WORDS_PRIMARY, n).kind, QPROPOSER_PRIMARY);
		struct qproposer_rules r = words_proposer_rules(WORDS_STAKE, n);
		assert_int_equal(r.kind, QPROPOSER_STAKE);
		assert_memory_equal(&r.qproposer_rules_u.stake, &want, sizeof want);
		r = words_proposer_rules(WORDS_DELEGATED, n);
		want.proposers = n == 1 ? 1 : n - 1;
		assert_true(want.proposers >= (n - 1) / 3 + 1);
		assert_memory_equal(&r.qproposer_rules_u.stake, &want, sizeof want);
	}
}

static void the_words_of_a_genesis_are_those_that_make_it(void **state)
{
	static const char *const seals[] = {"none", "pow:20", "pow:12:700"};
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned p = WORDS_PRIMARY; p <= WORDS_DELEGATED; p++) {
			char text[WORDS_MAX];
			struct genesis g = {.n = 4, .f = 1};
			assert_true(words_seal(seals[i], &g.g.seal, NULL));
			g.g.proposer = words_proposer_rules((enum words_proposer)p, 4);
			words_of_seal(&g, text);
			assert_string_equal(text, seals[i]);
			assert_int_equal(words_of_proposer(&g), p);
		}
	}
}

static void the_sentences_name_the_numbers(void **state)
{
	static const struct {
		const char *seal;
		enum words_proposer proposer;
		const char *says[3], *proposes[3];
	} want[] = {
	    {"none", WORDS_PRIMARY, {"none"}, {"primary"}},
	    {"pow:20",
	     WORDS_STAKE,
	     {"work of 20 bits;", "10486 ms", "2000000"},
	     {"all", "8 heights", "1016"}},
	    {"pow:12:700",
	     WORDS_DELEGATED,
	     {"12 to 21 bits", "every 700 ms", "20972 ms"},
	     {"the 3 replicas with most stake", "8 heights", "1016"}},
	};
	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		char seal[WORDS_MAX], proposers[WORDS_MAX];
		struct genesis g = {.n = 4, .f = 1};
		assert_true(words_seal(want[i].seal, &g.g.seal, NULL));
		g.g.proposer = words_proposer_rules(want[i].proposer, 4);
		words_about_seal(&g, seal);
		words_about_proposers(&g, proposers);
		for (unsigned k = 0; k < 3; k++) {
			if (want[i].says[k] != NULL && strstr(seal, want[i].says[k]) == NULL)
				fail_msg("\"%s\" does not say \"%s\"", seal, want[i].says[k]);
			if (want[i].proposes[k] != NULL && strstr(proposers, want[i].proposes[k]) == NULL)
				fail_msg("\"%s\" does not say \"%s\"", proposers, want[i].proposes[k]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seals_by_name),
	    cmocka_unit_test(what_is_no_seal_is_refused),
	    cmocka_unit_test(proposers_by_name),
	    cmocka_unit_test(proposers_are_the_rules_of_so_many_replicas),
	    cmocka_unit_test(the_words_of_a_genesis_are_those_that_make_it),
	    cmocka_unit_test(the_sentences_name_the_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
