/*
 * why.c: `quorate why` of real chains that are broken in various ways.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Asks the nodes of the chain; what it found, json_decref() it. */
static json_t *why(struct chain *c, int want)
{
	int code;
	json_t *said =
	    quorate_json(&code, "why", "--json", "--genesis", chain_path(c, "genesis.json"), "--node",
	                 c->http[0], "--node", c->http[1], "--node", c->http[2], "--node", c->http[3], NULL);
	assert_non_null(said);
	assert_int_equal(code, want);
	return said;
}

static bool found(const json_t *said, const char *code)
{
	const json_t *list = json_object_get(said, "findings"), *finding;
	size_t i;

	json_array_foreach((json_t *)list, i, finding)
	{
		if (strcmp(json_text(finding, "code"), code) == 0)
			return true;
	}
	return false;
}

static void a_chain_at_rest_is_fine(void **state)
{
	(void)state;
	struct chain *c = chain_up(4, NULL, 0);
	json_t *said = why(c, 0);

	assert_string_equal(json_text(said, "verdict"), "fine");
	assert_true(json_is_true(json_object_get(said, "idle")));
	assert_int_equal(json_array_size(json_object_get(said, "findings")), 0);
	json_decref(said);
	chain_down(c);
}

static void one_killed_is_borne_and_two_stop_it(void **state)
{
	(void)state;
	struct chain *c = chain_up(4, NULL, 0);

	chain_signal(c, "kill", 3);
	json_t *said = why(c, 0);
	assert_true(found(said, "replica_away"));
	json_decref(said);
	chain_signal(c, "pause", 2); /* its connections stay */
	said = why(c, 1);
	assert_string_equal(json_text(said, "verdict"), "stuck");
	assert_true(found(said, "no_quorum"));
	json_decref(said);
	chain_signal(c, "resume", 2);
	chain_down(c);
}

static void nobody_there_is_said(void **state)
{
	(void)state;
	struct chain *c = chain_up(4, NULL, 0);

	for (unsigned i = 0; i < 4; i++)
		chain_signal(c, "kill", i);
	json_t *said = why(c, 3);
	assert_string_equal(json_text(said, "verdict"), "unknown");
	json_decref(said);
	chain_down(c);
}

static void a_lost_vote_log_is_said(void **state)
{
	(void)state;
	struct chain *c = chain_up(4, NULL, 0);
	char path[512];

	assert_int_equal(chain_pay(c, 1, 5), 1);
	chain_signal(c, "kill", 2);
	snprintf(path, sizeof path, "%s", chain_path(c, "node2/votes.db"));
	assert_int_equal(remove(path), 0);
	chain_signal(c, "start", 2);
	json_t *said = why(c, 0);
	assert_true(found(said, "muted"));
	assert_true(found(said, "replica_away"));
	json_decref(said);
	chain_down(c);
}

static void edit(struct qgenesis *g)
{
	g->params.timeout_ms++;
}

static void another_chains_node_is_named_with_the_field(void **state)
{
	(void)state;
	struct chain *c = chain_up(1, NULL, 0), *other = chain_up_edited(1, edit);
	int code;
	json_t *said = quorate_json(&code, "why", "--json", "--genesis", chain_path(c, "genesis.json"),
	                            "--node", c->http[0], "--node", other->http[0], NULL);

	assert_int_equal(code, 0);
	const json_t *finding = json_array_get(json_object_get(said, "findings"), 0);
	assert_string_equal(json_text(finding, "code"), "other_chain");
	assert_non_null(strstr(json_text(finding, "message"), "their genesis files differ in "));
	json_decref(said);
	chain_down(other);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_chain_at_rest_is_fine),
	    cmocka_unit_test(one_killed_is_borne_and_two_stop_it),
	    cmocka_unit_test(nobody_there_is_said),
	    cmocka_unit_test(a_lost_vote_log_is_said),
	    cmocka_unit_test(another_chains_node_is_named_with_the_field),
	};
	return cmocka_run_group_tests(tests, chain_setup, NULL);
}
