/*
 * race.c: conflicting spends through different replicas at once: exactly one of each pair wins, the same
 * one everywhere, and the other is told so, with the winner's id.
 */
#include "chain.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAIRS 200
#define SENDERS 4

struct race {
	struct chain *c;
	struct tx *tx[SENDERS][PAIRS]; /* four spends of one output: one through each replica */
	pthread_barrier_t start;
};

struct runner {
	struct race *race;
	unsigned node;
	bool ok;
};

static void *run(void *arg)
{
	struct runner *r = arg;
	pthread_barrier_wait(&r->race->start);
	r->ok = true;
	for (size_t i = 0; r->ok && i < PAIRS; i += 20)
		r->ok = chain_submit(r->race->c, r->node, &r->race->tx[r->node][i], 20, NULL);
	return NULL;
}

/* The fate of a transaction at the node that it was handed to; what that node forgot it answers when asked
 * again. */
static bool wins(struct race *race, unsigned node, size_t i, char *spent_by)
{
	char code[32] = "";
	json_t *results, *r;
	struct tx *tx = race->tx[node][i];
	assert_true(chain_submit(race->c, node, &tx, 1, &results));
	r = json_array_get(results, 0);
	bool rejected = strcmp(json_string_value(json_object_get(r, "status")), "rejected") == 0;
	const char *by = json_string_value(json_object_get(json_object_get(r, "detail"), "spent_by"));
	if (rejected) {
		assert_string_equal(json_string_value(json_object_get(r, "code")), "double_spend");
		assert_non_null(by);
		snprintf(spent_by, QHASH_HEX, "%s", by);
	}
	json_decref(results);
	if (rejected)
		return false;
	bool final = chain_final(race->c, node, &tx->id, code, sizeof code, spent_by, QHASH_HEX);
	if (!final)
		assert_string_equal(code, "double_spend");
	return final;
}

static void exactly_one_of_conflicting_spends_wins_everywhere_and_the_others_are_told(void **state)
{
	struct race race;
	struct runner runner[SENDERS];
	pthread_t thread[SENDERS];
	struct qoutput *allocations = xcalloc(PAIRS, sizeof *allocations);
	struct account *accounts[PAIRS];
	json_t *report;
	(void)state;
	for (unsigned i = 0; i < PAIRS; i++) {
		accounts[i] = account_number(i);
		allocations[i] = (struct qoutput){.owner = address_number(i), .amount = 1000};
	}
	race.c = chain_up(4, allocations, PAIRS);
	for (unsigned k = 0; k < SENDERS; k++) {
		for (unsigned i = 0; i < PAIRS; i++) {
			char memo[32];
			snprintf(memo, sizeof memo, "through %u", k);
			race.tx[k][i] = pay(race.c->genesis, accounts[i],
			                    (struct qoutpoint){.tx = race.c->genesis->txid, .index = i}, 1000,
			                    address_number(PAIRS + k), 1000, memo);
		}
	}
	pthread_barrier_init(&race.start, NULL, SENDERS);
	for (unsigned k = 0; k < SENDERS; k++) {
		runner[k] = (struct runner){.race = &race, .node = k};
		assert_int_equal(pthread_create(&thread[k], NULL, run, &runner[k]), 0);
	}
	for (unsigned k = 0; k < SENDERS; k++) {
		pthread_join(thread[k], NULL);
		assert_true(runner[k].ok);
	}
	pthread_barrier_destroy(&race.start);

	/* Each output is spent once; then every loser is told by whom. */
	for (unsigned i = 0; i < PAIRS; i++) {
		unsigned winners = 0, winner = 0;
		char by[SENDERS][QHASH_HEX], hex[QHASH_HEX];
		for (unsigned k = 0; k < SENDERS; k++) {
			if (wins(&race, k, i, by[k])) {
				winners++;
				winner = k;
			}
		}
		assert_int_equal(winners, 1);
		hex_encode(hex, race.tx[winner][i]->id.b, 32);
		for (unsigned k = 0; k < SENDERS;
		     k++) { /* asked again now that it is final: the same winner everywhere */
			if (k == winner)
				continue;
			assert_true(chain_final(race.c, k, &race.tx[winner][i]->id, NULL, 0, NULL, 0));
			assert_false(wins(&race, k, i, by[k]));
			assert_string_equal(by[k], hex);
		}
	}
	assert_int_equal(chain_audit(race.c, &report), 0);
	assert_int_equal(json_integer_value(json_object_get(report, "transactions")), PAIRS);
	json_decref(report);
	chain_check_votes(race.c);
	chain_down(race.c);
	for (unsigned i = 0; i < PAIRS; i++) {
		account_free(accounts[i]);
		for (unsigned k = 0; k < SENDERS; k++)
			tx_unref(race.tx[k][i]);
	}
	free(allocations);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exactly_one_of_conflicting_spends_wins_everywhere_and_the_others_are_told),
	};
	return cmocka_run_group_tests_name("race", tests, chain_setup, NULL);
}
