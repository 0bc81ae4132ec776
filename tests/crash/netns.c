/*
 * netns.c: four real nodes in four networks (wires.h) under load, and what networks do to them: links that
 * are cut, both ways or one way, slow, lossy, flapping; a cut-off node that is killed. Where a quorum can
 * talk, payments become final; where none can, nothing does; after healing all go on together, and in the end
 * the ledgers tell one story.
 *
 * Ends with 77 (CTest: skipped) where the machine allows no networks of its own.
 */
#include "verdict.h"
#include "wires.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define N 4
#define ACCOUNTS 12
#define PATIENCE_MS 120000
#define SOME (2 * ACCOUNTS) /* payments that show that there is progress */
#define SPLIT_MS 3000       /* how long a split is watched */
#define SKIPPED 77

static struct world {
	struct wires wires;
	struct nodes *s;
	struct load *l;
	bool ending;
} world;

static uint64_t now(void)
{
	return nodes_now_ms();
}

static uint64_t step(struct world *w, uint64_t until)
{
	uint64_t at = now();
	uint64_t ended = nodes_wait(w->s, load_wake_fd(w->l), until > at ? (int)(until - at) : 0);
	load_wake_clear(w->l);
	for (unsigned i = 0; i < N; i++) {
		if (!(ended >> i & 1))
			continue;
		enum node_end end = nodes_end(w->s, i);
		if (end != END_KILLED && !(w->ending && end == END_CLEAN))
			fail_msg("ended by itself: %s", nodes_tell(w->s, i));
	}
	load_judge(w->l);
	return ended;
}

static void tell_standstill(struct world *w)
{
	for (unsigned i = 0; i < N; i++)
		print_message("%s\n", nodes_tell(w->s, i));
}

static void await_payments(struct world *w, size_t more)
{
	uint64_t until = now() + PATIENCE_MS;
	size_t goal = load_final(w->l) + more;
	while (load_final(w->l) < goal) {
		if (now() > until) {
			tell_standstill(w);
			fail_msg("payments stand still");
		}
		step(w, until);
	}
}

static unsigned primary(struct world *w, unsigned ask)
{
	int status;
	json_t *said = chain_get(w->s->chain, ask, &status, "/v1/status");
	if (!said)
		fail_msg("node %u gives no answer", ask);
	unsigned p = (unsigned)json_integer_value(json_object_get(said, "primary"));
	json_decref(said);
	return p;
}

/* All have what one had. */
static void await_level(struct world *w)
{
	uint64_t high = 0, height, until = now() + PATIENCE_MS;
	for (unsigned i = 0; i < N; i++) {
		height = atomic_load(&w->s->node[i].height);
		high = height > high ? height : high;
	}
	for (unsigned i = 0; i < N; i++) {
		while (!nodes_ask(w->s, i, &height) || height < high) {
			if (now() > until) {
				tell_standstill(w);
				fail_msg("node %u does not catch up", i);
			}
			step(w, now());
			sched_yield(); /* asking is the wait: each answer is an event of the node */
		}
	}
}

static void await_up(struct world *w, unsigned i)
{
	uint64_t until = now() + PATIENCE_MS;
	while (!w->s->node[i].up) {
		if (now() > until)
			fail_msg("does not come up: %s", nodes_tell(w->s, i));
		step(w, until);
	}
}

static int heal(void **state)
{
	(void)state;
	wires_heal(&world.wires);
	load_avoid(world.l, 0);
	return 0;
}

/* Healed, all take part again. */
static void heal_and_go_on(struct world *w)
{
	heal(NULL);
	await_payments(w, SOME);
	await_level(w);
}

/* ---- what networks do ---------------------------------------------------------------------- */

static void payments_go_on_whoever_is_cut_off(void **state)
{
	struct world *w = &world;
	(void)state;
	await_payments(w, SOME);
	for (unsigned i = 0; i < N; i++) {
		load_avoid(w->l, 1u << i);
		wires_link(&w->wires, i, false);
		await_payments(w, SOME);
		heal_and_go_on(w);
	}
}

static void payments_go_on_when_the_primary_is_cut_off(void **state)
{
	struct world *w = &world;
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		unsigned p = primary(w, k);
		load_avoid(w->l, 1u << p);
		wires_link(&w->wires, p, false);
		await_payments(w, SOME);
		heal_and_go_on(w);
	}
}

static void a_primary_that_nobody_hears_is_replaced(void **state)
{
	struct world *w = &world;
	unsigned p = primary(w, 0);
	(void)state;
	for (unsigned to = 0; to < N; to++) {
		if (to != p)
			wires_cut(&w->wires, p, to);
	}
	await_payments(w, SOME);
	heal_and_go_on(w);
}

static void a_primary_that_hears_nobody_is_replaced(void **state)
{
	struct world *w = &world;
	unsigned p = primary(w, 0);
	(void)state;
	for (unsigned from = 0; from < N; from++) {
		if (from != p)
			wires_cut(&w->wires, from, p);
	}
	await_payments(w, SOME);
	heal_and_go_on(w);
}

/* Two and two: node 0 and that one, and the others. */
static void cut_in_two(struct world *w, unsigned split)
{
	for (unsigned a = 0; a < N; a++) {
		for (unsigned b = 0; b < N; b++) {
			bool with_a = a == 0 || a == split, with_b = b == 0 || b == split;
			if (with_a != with_b)
				wires_cut(&w->wires, a, b);
		}
	}
}

/* Asks that node, or all, until there is such a finding: its text, of which each look is a newer one. */
static void ask_why(struct world *w, int node, const char *wanted, char text[512])
{
	struct chain *c = w->s->chain;
	for (uint64_t until = now() + PATIENCE_MS;;) {
		char *argv[] = {"quorate",
		                "why",
		                "--json",
		                "--genesis",
		                xstrdup(chain_path(c, "genesis.json")),
		                "--node",
		                c->http[node < 0 ? 0 : node],
		                node < 0 ? "--node" : NULL,
		                c->http[1],
		                "--node",
		                c->http[2],
		                "--node",
		                c->http[3],
		                NULL};
		char *out;
		int code = quorate_argv(&out, NULL, argv);
		json_t *said = json_loads(out, 0, NULL),
		       *f = json_array_get(json_object_get(said, "findings"), 0);
		bool found = code == 1 && strcmp(json_text(f, "code"), wanted) == 0;
		snprintf(text, 512, "%s", json_text(f, "message"));
		if (now() > until)
			fail_msg("exit %d: %s", code, out);
		json_decref(said);
		free(argv[4]);
		free(out);
		step(w, now());
		if (found)
			return;
	}
}

static void assert_says(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("\"%s\" is not in: %s", what, text);
}

/* Whoever is asked alone names the two that it misses; all of them say that the network is cut. */
static void each_side_says_whom_it_misses(void **state)
{
	struct world *w = &world;
	char text[512], name[64];
	(void)state;
	await_payments(w, SOME);
	cut_in_two(w, 1);
	for (unsigned i = 0; i < N; i++) {
		ask_why(w, (int)i, "no_quorum", text);
		assert_says(text, "2 of 4 replicas can vote, and a block takes 3: missing ");
		for (unsigned k = 0; k < N; k++) {
			snprintf(name, sizeof name, "%s (last heard ",
			         w->s->chain->genesis->g.replicas.replicas_val[k].name);
			assert_int_equal(strstr(text, name) != NULL, (i < 2) != (k < 2));
		}
	}
	ask_why(w, -1, "partition", text);
	assert_says(text, "4 of 4 replicas can vote, but none hears the 3 that a block takes");
	assert_says(text,
	            "replica0 does not hear replica2, replica3; replica1 does not hear replica2, replica3");
	assert_says(text,
	            "replica2 does not hear replica0, replica1; replica3 does not hear replica0, replica1");
	heal_and_go_on(w);
}

/* Two and two, though clients reach all four. */
static void without_a_quorum_nothing_is_final(void **state)
{
	struct world *w = &world;
	(void)state;
	for (unsigned split = 1; split < N; split++) { /* with whom node 0 is */
		cut_in_two(w, split);
		/* What had crossed before the cut may still become final, as long as somebody on this side is
		 * asked for what is missing of it; no more than that, and then nothing. */
		size_t before;
		unsigned windows = 0;
		do {
			before = load_final(w->l);
			uint64_t until = now() + SPLIT_MS;
			while (now() < until)
				step(w, until);
		} while (load_final(w->l) != before && ++windows < 5);
		assert_int_equal(load_final(w->l), before);
		heal_and_go_on(w);
	}
}

/* Each hears one less than all: a quorum each, and never the same one. */
static void a_ring_of_one_way_cuts_forks_nothing(void **state)
{
	struct world *w = &world;
	(void)state;
	for (unsigned i = 0; i < N; i++)
		wires_cut(&w->wires, i, (i + 1) % N);
	uint64_t from = now(), until = from + SPLIT_MS;
	size_t before = load_final(w->l);
	while (now() < until)
		step(w, until);
	print_message("%zu payments final in a ring of one-way cuts of %d ms\n", load_final(w->l) - before,
	              SPLIT_MS);
	heal_and_go_on(w);
}

static void a_node_that_dies_while_it_is_cut_off_comes_back(void **state)
{
	struct world *w = &world;
	(void)state;
	for (unsigned i = 0; i < N; i += 2) {
		load_avoid(w->l, 1u << i);
		wires_link(&w->wires, i, false);
		await_payments(w, SOME);
		nodes_kill(w->s, i);
		for (uint64_t until = now() + PATIENCE_MS; w->s->node[i].pid != 0;) {
			assert_true(now() < until);
			step(w, until);
		}
		nodes_start(w->s, i);
		await_up(w, i);
		await_payments(w, SOME);
		heal_and_go_on(w);
	}
}

static void links_that_flap_stop_nothing_for_good(void **state)
{
	struct world *w = &world;
	struct chance c = {20260101};
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		unsigned a = (unsigned)chance(&c, N), b = (a + 1 + (unsigned)chance(&c, N - 1)) % N;
		unsigned what = (unsigned)chance(&c, 4);
		if (what == 0)
			wires_link(&w->wires, a, w->wires.down[a]);
		else if (what == 1)
			wires_heal(&w->wires);
		else if (w->wires.cut[a][b])
			wires_mend(&w->wires, a, b);
		else
			wires_cut(&w->wires, a, b);
		uint64_t until = now() + chance(&c, 400); /* a payment, or as long as that */
		step(w, until);
	}
	heal_and_go_on(w);
}

/* ---- slow and lossy ---------------------------------------------------------------------------- */

static bool everywhere(struct world *w, const char *command)
{
	bool ok = true;
	for (unsigned i = 0; i < N; i++)
		ok = wires_run(&w->wires, i, "%s", command) && ok;
	return ok;
}

static int unslow(void **state)
{
	everywhere(&world, "tc qdisc del dev wire root; nft delete table ip lossy");
	return heal(state);
}

static void skip_for(const char *why)
{
	print_message("skipped: %s\n", why);
	skip();
}

static void payments_go_on_where_the_network_is_slow_and_reorders(void **state)
{
	(void)state;
	if (!everywhere(&world, "tc qdisc add dev wire root netem delay 60ms 40ms reorder 20% loss 3%"))
		skip_for("this kernel has no sch_netem: no delays");
	await_payments(&world, SOME);
	unslow(NULL);
	heal_and_go_on(&world);
}

/* A bucket that is small, and overflows. */
static void payments_go_on_where_the_network_is_narrow(void **state)
{
	(void)state;
	if (!everywhere(&world, "tc qdisc add dev wire root tbf rate 512kbit burst 4kb limit 30kb"))
		skip_for("this kernel has no sch_tbf: no narrow links");
	await_payments(&world, SOME);
	unslow(NULL);
	heal_and_go_on(&world);
}

static void payments_go_on_where_the_primary_s_link_is_narrow(void **state)
{
	unsigned p = primary(&world, 0);
	(void)state;
	if (!wires_run(&world.wires, p, "tc qdisc add dev wire root tbf rate 64kbit burst 4kb limit 30kb"))
		skip_for("this kernel has no sch_tbf: no narrow links");
	load_avoid(world.l, 1u << p);
	await_payments(&world, SOME);
	unslow(NULL);
	heal_and_go_on(&world);
}

static void payments_go_on_where_the_network_loses_packets(void **state)
{
	static const char lossy[] =
	    "nft add table ip lossy && nft 'add chain ip lossy in { type filter hook input priority 0; }' && "
	    "nft 'add rule ip lossy in iifname wire numgen random mod 100 < 8 drop'";
	(void)state;
	if (!everywhere(&world, lossy))
		skip_for("nft is missing or cannot draw numbers here: no lossy links");
	await_payments(&world, SOME);
	unslow(NULL);
	heal_and_go_on(&world);
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static void the_ledgers_tell_one_story(void **state)
{
	struct world *w = &world;
	(void)state;
	heal_and_go_on(w);
	load_stop(w->l);
	chain_wait_quiet(w->s->chain);
	w->ending = true;
	for (unsigned i = 0; i < N; i++)
		nodes_signal(w->s, i, SIGTERM);
	uint64_t left = (1u << N) - 1;
	for (uint64_t until = now() + PATIENCE_MS; left != 0;) {
		assert_true(now() < until);
		left &= ~step(w, until);
	}
	uint64_t height = verdict(w->s, w->l);
	print_message("%zu payments called final (%zu with a receipt that holds), height %llu\n",
	              load_final(w->l), load_receipts(w->l), (unsigned long long)height);
}

static void quick(struct qgenesis *g, void *ctx)
{
	(void)ctx;
	g->params.timeout_ms = 500;
	g->params.timeout_cap_ms = 4000;
}

static int set_up(void **state)
{
	const char *host[N];
	if (nodes_setup(state) != 0)
		return -1;
	struct qoutput *allocations = load_allocations(ACCOUNTS);
	struct nodes_plan plan = {
	    .n = N, .allocations = allocations, .allocation_cnt = ACCOUNTS, .edit = quick, .host = host};
	for (unsigned i = 0; i < N; i++)
		host[i] = world.wires.host[i];
	world.s = nodes_new(&plan);
	free(allocations);
	world.l = load_start(world.s, ACCOUNTS, 8, 1);
	for (unsigned i = 0; i < N; i++) {
		world.s->node[i].net_fd = world.wires.net_fd[i];
		nodes_start(world.s, i);
	}
	for (unsigned i = 0; i < N; i++)
		await_up(&world, i);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	load_stop(world.l);
	load_free(world.l);
	nodes_free(world.s);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(payments_go_on_whoever_is_cut_off, heal),
	    cmocka_unit_test_teardown(payments_go_on_when_the_primary_is_cut_off, heal),
	    cmocka_unit_test_teardown(a_primary_that_nobody_hears_is_replaced, heal),
	    cmocka_unit_test_teardown(a_primary_that_hears_nobody_is_replaced, heal),
	    cmocka_unit_test_teardown(without_a_quorum_nothing_is_final, heal),
	    cmocka_unit_test_teardown(each_side_says_whom_it_misses, heal),
	    cmocka_unit_test_teardown(a_ring_of_one_way_cuts_forks_nothing, heal),
	    cmocka_unit_test_teardown(a_node_that_dies_while_it_is_cut_off_comes_back, heal),
	    cmocka_unit_test_teardown(links_that_flap_stop_nothing_for_good, heal),
	    cmocka_unit_test_teardown(payments_go_on_where_the_network_is_slow_and_reorders, unslow),
	    cmocka_unit_test_teardown(payments_go_on_where_the_network_is_narrow, unslow),
	    cmocka_unit_test_teardown(payments_go_on_where_the_primary_s_link_is_narrow, unslow),
	    cmocka_unit_test_teardown(payments_go_on_where_the_network_loses_packets, unslow),
	    cmocka_unit_test(the_ledgers_tell_one_story),
	};
	const char *why;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!wires_new(&world.wires, N, &why)) {
		printf("skipped: %s here\n", why);
		return SKIPPED;
	}
	return cmocka_run_group_tests_name("netns", tests, set_up, tear_down);
}
