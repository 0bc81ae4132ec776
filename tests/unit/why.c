/*
 * The diagnosis of `quorate why`: each broken set-up has its own words and its next action, and what is whole
 * has none.
 * Links: q_program
 */
#include "why.h"
#include "rules.h"

enum { N = 4 };

static struct rules rules;
static struct why_node nodes[N + 1];
static struct why_answer answer;

/* Four nodes that answer, all at height 100 of one view, each heard by each. */
static int whole(void **state)
{
	(void)state;
	rules_setup(&rules, N, "why");
	for (unsigned i = 0; i < N; i++) {
		nodes[i] = (struct why_node){.url = "http://127.0.0.1:1",
		                             .answers = true,
		                             .chain = rules.g.chain,
		                             .replica = i,
		                             .height = 100,
		                             .certified = 100,
		                             .stable = 64,
		                             .active = true,
		                             .disk_free = UINT64_MAX};
		for (unsigned k = 0; k < N; k++)
			if (k != i)
				nodes[i].peer[k] = (struct why_peer){
				    .connected = true, .heard = true, .height = 100, .silent_ms = 100};
	}
	return 0;
}

static int gone(void **state)
{
	(void)state;
	rules_teardown(&rules);
	return 0;
}

static void judge(size_t cnt, bool moved)
{
	why_judge(&(struct why_view){.g = &rules.g, .nodes = nodes, .cnt = cnt, .moved = moved}, &answer);
}

/* Exactly this finding is there, and says this. */
static const struct why_finding *found(const char *code, const char *text)
{
	for (size_t i = 0; i < answer.cnt; i++) {
		if (strcmp(answer.findings[i].code, code) != 0)
			continue;
		if (strstr(answer.findings[i].text, text) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", text, answer.findings[i].text);
		assert_true(answer.findings[i].action[0] != '\0');
		return &answer.findings[i];
	}
	fail_msg("no finding %s", code);
	return NULL;
}

static void silence(unsigned i)
{
	nodes[i] = (struct why_node){.url = "http://127.0.0.1:1", .silence = "no answer from it"};
}

static void a_chain_at_rest_and_one_at_work_are_fine(void **state)
{
	(void)state;
	judge(N, false);
	assert_int_equal(answer.verdict, WHY_FINE);
	assert_true(answer.idle);
	assert_int_equal(answer.cnt, 0);
	assert_int_equal(answer.voters, 4);
	nodes[1].waiting = 7;
	judge(N, true);
	assert_int_equal(answer.verdict, WHY_FINE);
	assert_false(answer.idle);
	assert_int_equal(answer.cnt, 0);
}

static void what_waits_without_a_block_is_told_though_nothing_explains_it(void **state)
{
	(void)state;
	nodes[1].waiting = 7;
	judge(N, false);
	assert_int_equal(answer.verdict, WHY_STUCK);
	assert_true(found("unexplained", "a quorum is there")->stops);
}

static void one_away_is_borne(void **state)
{
	(void)state;
	silence(2);
	judge(N, false);
	assert_int_equal(answer.verdict, WHY_FINE);
	assert_int_equal(answer.voters, 3);
	assert_false(found("replica_away", "3 of 4 replicas can vote")->stops);
	assert_non_null(strstr(found("replica_away", "missing")->action, "not without one more"));
	found("no_answer", "no answer from it");
}

static void unhear(unsigned a, unsigned b)
{
	nodes[a].peer[b].silent_ms = nodes[b].peer[a].silent_ms =
	    5000; /* though connected, as far as TCP knows */
}

static void a_cut_between_them_is_seen_though_all_answer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		unhear(i, 3);
	judge(N, false); /* three hear one another */
	assert_int_equal(answer.verdict, WHY_FINE);
	unhear(0, 2);
	judge(N, false); /* replica 1 hears a quorum */
	assert_int_equal(answer.cnt, 0);
	unhear(1, 2);
	judge(N, false);
	assert_int_equal(answer.verdict, WHY_STUCK);
	assert_true(found("partition", "4 of 4 replicas can vote, but none hears the 3")->stops);
	found(
	    "partition",
	    "; replica-0 does not hear replica-2, replica-3; replica-1 does not hear replica-2, replica-3;");
	silence(3); /* then it is the number that is missing */
	judge(N, false);
	found("partition", "3 of 4 replicas can vote, but none hears");
	silence(2);
	judge(N, false);
	found("no_quorum", "2 of 4 replicas can vote");
}

static void two_away_stop_it(void **state)
{
	(void)state;
	silence(2);
	silence(3);
	nodes[0].peer[3].silent_ms = nodes[1].peer[3].silent_ms = 42000;
	nodes[0].peer[2].heard = nodes[1].peer[2].heard = false;
	judge(N, false);
	assert_int_equal(answer.verdict, WHY_STUCK);
	assert_int_equal(answer.quorum, 3);
	const struct why_finding *f = found("no_quorum", "2 of 4 replicas can vote, and a block takes 3");
	assert_ptr_equal(f, &answer.findings[0]); /* before what else is told */
	assert_true(f->stops);
	found("no_quorum", "(last heard 42 s ago)");
	found("no_quorum", "(never heard)");
	assert_non_null(strstr(f->action, "bring back 1 of them"));
}

static void others_are_judged_by_what_one_node_hears(void **state)
{
	(void)state;
	judge(1, false);
	assert_int_equal(answer.voters, 4);
	nodes[0].peer[1].connected = false;
	nodes[0].peer[2].silent_ms = 6000;
	judge(1, false);
	assert_int_equal(answer.voters, 2);
	assert_int_equal(answer.verdict, WHY_STUCK);
	found("no_quorum", "(last heard 6 s ago)");
}

/* Four addresses, but one node: nothing was asked of the others. */
static void one_node_named_four_times_is_one(void **state)
{
	(void)state;
	for (unsigned i = 1; i < N; i++)
		nodes[i] = nodes[0];
	judge(N, false);
	assert_int_equal(answer.voters, 4);
	assert_int_equal(answer.cnt, 0);
}

static void no_answer_at_all_is_no_diagnosis(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++)
		silence(i);
	judge(N, false);
	assert_int_equal(answer.verdict, WHY_BLIND);
	assert_int_equal(answer.cnt, N);
}

static void a_node_of_another_chain_is_named_with_the_field_that_differs(void **state)
{
	(void)state;
	nodes[3].chain.b[0] ^= 1;
	nodes[3].replica = 900; /* it may say what it likes */
	snprintf(nodes[3].other, sizeof nodes[3].other, "params.timeout_ms");
	judge(N, false);
	assert_int_equal(answer.voters, 3);
	found("other_chain", "their genesis files differ in params.timeout_ms");
}

static void who_does_not_vote_says_why(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		snprintf(nodes[i].muted, sizeof nodes[i].muted, "its vote log was lost");
	judge(N, false);
	assert_int_equal(answer.verdict, WHY_STUCK);
	found("muted", "does not vote: its vote log was lost");
	found("no_quorum", "(does not vote)");
}

static void a_replica_that_its_peer_cannot_reach(void **state)
{
	(void)state;
	nodes[1].peer[2].connected = false;
	judge(N, false);
	found("not_connected", rules.g.g.replicas.replicas_val[2].address);
	assert_int_equal(answer.cnt, 1);
}

static void a_view_that_is_asked_for(void **state)
{
	(void)state;
	nodes[0].active = false;
	nodes[0].view = 5;
	judge(N, false);
	found("view_change", "asks for view 5");
	found("view_change", rules.g.g.replicas.replicas_val[1].name);
}

static void one_that_is_behind(void **state)
{
	(void)state;
	nodes[2].height = 100 - rules.g.g.params.window;
	judge(N, false);
	assert_int_equal(answer.cnt, 0);
	nodes[2].height--;
	judge(N, false);
	found("behind", "blocks behind");
}

static void a_log_that_is_full_up_to_its_watermark(void **state)
{
	(void)state;
	uint64_t length = 2 * (uint64_t)rules.g.g.params.checkpoint_interval;

	for (unsigned i = 0; i < N; i++)
		nodes[i].certified = nodes[i].stable + length - 1;
	judge(N, false);
	assert_int_equal(answer.verdict, WHY_FINE);
	for (unsigned i = 0; i < N; i++)
		nodes[i].certified++;
	judge(N, false);
	assert_true(found("watermark", "the high watermark is reached")->stops);
}

static void a_clock_that_is_wrong(void **state)
{
	(void)state;
	nodes[1].clock_ms = (int64_t)rules.g.g.params.drift_ms;
	judge(N, false);
	assert_int_equal(answer.cnt, 0);
	nodes[1].clock_ms = -(int64_t)rules.g.g.params.drift_ms - 1;
	judge(N, false);
	found("clock", "behind");
}

/* Most are right: it is ours that is off, or one of theirs. */
static void a_clock_is_wrong_by_those_of_most(void **state)
{
	int64_t hours = 3 * 3600 * 1000;
	(void)state;
	for (unsigned i = 0; i < N; i++)
		nodes[i].clock_ms = hours;
	judge(N, false);
	assert_int_equal(answer.cnt, 0);
	nodes[2].clock_ms = 0;
	judge(N, false);
	found("clock", "the clock of replica-2 is 3 h behind");
	found("replica_away", "missing replica-2 (its clock is wrong)"); /* PP9: it takes no proposal */
	assert_int_equal(answer.voters, 3);
	nodes[2].clock_ms = 2 * hours;
	judge(N, false);
	found("clock", "the clock of replica-2 is 3 h ahead");
	assert_int_equal(answer.voters, 4);
	assert_int_equal(answer.cnt, 1);
}

static void two_processes_with_one_key(void **state)
{
	(void)state;
	nodes[N] = nodes[3];
	nodes[3].started_ms = nodes[N].started_ms = 1000;
	judge(N + 1, false);
	assert_int_equal(answer.cnt, 0); /* one that is named twice */
	nodes[N].started_ms = 2000;
	judge(N + 1, false);
	found("twins", "replica-3 answers at ");
	assert_int_equal(answer.cnt, 1);
}

static void a_connection_that_fails_says_why(void **state)
{
	(void)state;
	silence(3);
	nodes[0].peer[3].connected = false;
	snprintf(nodes[0].peer[3].trouble, sizeof nodes[0].peer[3].trouble, "unreachable");
	judge(N, false);
	assert_int_equal(answer.cnt, 2); /* it is away: no more than that */
	snprintf(nodes[0].peer[3].trouble, sizeof nodes[0].peer[3].trouble, "other_chain");
	snprintf(nodes[0].peer[3].because, sizeof nodes[0].peer[3].because, "it differs in params");
	nodes[1].peer[3].connected = false;
	judge(N, false);
	found("other_chain",
	      "the address of replica-3, is no peer to replica-0, replica-1: it differs in params");
	assert_int_equal(answer.cnt, 3);
}

static void what_its_home_tells_is_told_once(void **state)
{
	struct why_home home = {.url = "http://127.0.0.1:1", .code = "disk", .replica = 3};
	(void)state;
	snprintf(home.text, sizeof home.text, "the disk is full");
	snprintf(home.action, sizeof home.action, "make room");
	silence(3);
	why_judge(&(struct why_view){.g = &rules.g, .nodes = nodes, .cnt = N, .homes = &home, .home_cnt = 1},
	          &answer);
	found("disk", "replica-3: the disk is full");
	assert_int_equal(answer.cnt, 2); /* that it is away, and why; not that it does not answer */
	home.code = NULL;
	why_judge(&(struct why_view){.g = &rules.g, .nodes = nodes, .cnt = N, .homes = &home, .home_cnt = 1},
	          &answer);
	found("no_answer", "no answer from it");
}

static void a_disk_that_is_nearly_full(void **state)
{
	(void)state;
	nodes[3].disk_free = 255u << 20;
	judge(N, false);
	found("disk", "255 MiB left");
}

int main(void)
{
#define WHOLE(test) cmocka_unit_test_setup_teardown(test, whole, gone)
	const struct CMUnitTest tests[] = {
	    WHOLE(a_chain_at_rest_and_one_at_work_are_fine),
	    WHOLE(what_waits_without_a_block_is_told_though_nothing_explains_it),
	    WHOLE(one_away_is_borne),
	    WHOLE(a_cut_between_them_is_seen_though_all_answer),
	    WHOLE(two_away_stop_it),
	    WHOLE(others_are_judged_by_what_one_node_hears),
	    WHOLE(one_node_named_four_times_is_one),
	    WHOLE(no_answer_at_all_is_no_diagnosis),
	    WHOLE(a_node_of_another_chain_is_named_with_the_field_that_differs),
	    WHOLE(who_does_not_vote_says_why),
	    WHOLE(a_replica_that_its_peer_cannot_reach),
	    WHOLE(a_view_that_is_asked_for),
	    WHOLE(one_that_is_behind),
	    WHOLE(a_log_that_is_full_up_to_its_watermark),
	    WHOLE(a_clock_that_is_wrong),
	    WHOLE(a_clock_is_wrong_by_those_of_most),
	    WHOLE(two_processes_with_one_key),
	    WHOLE(a_connection_that_fails_says_why),
	    WHOLE(what_its_home_tells_is_told_once),
	    WHOLE(a_disk_that_is_nearly_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
