/*
 * crash.c: kill -9 at numbered points (points.h) of the real program under load: while it starts and
 * recovers, while it runs, while it stops; one node, two, or all four at once; writes torn; a store's call
 * failing once; a full disk; pauses. After every end the node starts again and payments go on; every now and
 * then all stop and the files are judged (verdict.h).
 *
 *     crash_points [--cycles N] [--seed S] [--chain N] [--check N] [--pause MS]
 *
 * A cycle is one end. The seed gives the choices, not what the threads of four processes make of them: the
 * same seed is the same kind of run, not the same run.
 */
#include "verdict.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#define N 4
#define ACCOUNTS 12
#define TWINS 8             /* one payment in so many spends its coin twice */
#define PATIENCE_MS 120000  /* far above anything healthy */
#define SLOW_MS 15000       /* worth a look */
#define ROOM (256ull << 20) /* of the small disk */
#define SMALL_DISK 3        /* the node that lives on it */

static struct options {
	unsigned cycles, chain, check, pause_ms;
	uint64_t seed;
} options = {.cycles = 24, .chain = 512, .check = 128, .pause_ms = 1000, .seed = 1};

#define BIT(kind) (1u << (kind))
#define ALL_KINDS (BIT(POINT_KINDS) - 1)

static const struct {
	const char *name, *class;
} kinds[POINT_KINDS] = {
    [POINT_VOTES_WRITE] = {"vote log: write", "persist"},
    [POINT_VOTES_SYNC] = {"vote log: sync", "sync"},
    [POINT_LEDGER_WRITE] = {"ledger: write", "execute"},
    [POINT_LEDGER_SYNC] = {"ledger: sync", "sync"},
    [POINT_FOLD_WRITE] = {"database file: write", "persist"},
    [POINT_FOLD_SYNC] = {"database file: sync", "sync"},
    [POINT_TRUNCATE] = {"truncate", "persist"},
    [POINT_CREATE] = {"create", "persist"},
    [POINT_NAME] = {"names", "persist"},
    [POINT_SEND] = {"send to a replica", "send"},
    [POINT_ANSWER] = {"answer to a client", "send"},
};

struct harness {
	struct nodes *s;
	struct load *l;
	struct chance chance;
	bool small_disk, full;
	unsigned cycles;   /* ends at points so far */
	uint64_t down;     /* nodes that do not run: a set */
	uint64_t stopping; /* were sent SIGTERM */
	uint64_t paused;
	uint64_t mined;        /* may end at any time */
	uint64_t may_fail;     /* have met a store's error that the test made */
	uint32_t start_points; /* of the last start that came up */
	/* what happened */
	unsigned hits[POINT_KINDS][POINT_HOWS][POINT_PHASES];
	unsigned plain, failed, full_disks, broken, pauses, checks, chains, clean, worst_ms;
	uint64_t finals, receipts, heights;
};

static uint64_t now(void)
{
	return nodes_now_ms();
}

/* ---- events ------------------------------------------------------------------------------- */

static void count_end(struct harness *h, unsigned i)
{
	struct points *p = h->s->node[i].points;
	switch (nodes_end(h->s, i)) {
	case END_POINT:
		h->hits[p->hit_kind][p->hit_how][p->hit_phase]++;
		h->cycles++;
		break;
	case END_KILLED:
		h->plain++;
		break;
	case END_CLEAN:
		if (!(h->stopping >> i & 1))
			fail_msg("ended unasked: %s", nodes_tell(h->s, i));
		h->clean++;
		break;
	case END_STORE:
		if (!((h->may_fail | (h->full ? BIT(SMALL_DISK) : 0)) >> i & 1))
			fail_msg("failed by itself: %s", nodes_tell(h->s, i));
		h->failed++;
		break;
	case END_NONE:
	case END_OTHER:
		fail_msg("an end that is none of ours: %s", nodes_tell(h->s, i));
	}
}

/* Waits for one event, and takes note of it. */
static void step(struct harness *h, uint64_t until)
{
	uint64_t at = now();
	uint64_t ended = nodes_wait(h->s, load_wake_fd(h->l), until > at ? (int)(until - at) : 0);
	load_wake_clear(h->l);
	for (unsigned i = 0; i < N; i++) {
		if (!(ended >> i & 1))
			continue;
		h->down |= BIT(i);
		count_end(h, i);
		h->stopping &= ~(uint64_t)BIT(i);
	}
	load_judge(h->l);
}

static void arm(struct harness *h, unsigned i, uint32_t set, enum point_how how, uint32_t left)
{
	h->mined &= ~(uint64_t)BIT(i);
	nodes_arm(h->s, i, set, how, left);
}

static void disarm(struct harness *h, unsigned i)
{
	arm(h, i, 0, POINT_BEFORE, 0);
}

static void start(struct harness *h, unsigned i)
{
	must(h->down >> i & 1);
	nodes_start(h->s, i);
	h->down &= ~(uint64_t)BIT(i);
	h->may_fail &= ~(uint64_t)BIT(i);
}

/* What a node had to do to get up. */
static uint32_t points_passed(struct harness *h, unsigned i)
{
	uint32_t sum = 0;
	for (unsigned k = 0; k < POINT_KINDS; k++)
		sum += atomic_load(&h->s->node[i].points->passed[k]);
	return sum;
}

/* Until it is up or has ended (it may be armed). */
static bool await_up(struct harness *h, unsigned i)
{
	uint64_t until = now() + PATIENCE_MS;
	while (!h->s->node[i].up && !(h->down >> i & 1)) {
		if (now() > until)
			fail_msg("does not come up: %s", nodes_tell(h->s, i));
		step(h, until);
	}
	return !(h->down >> i & 1);
}

/* Until it has told how high it is, which is no lower than it was. */
static void bring_up(struct harness *h, unsigned i)
{
	uint64_t until = now() + PATIENCE_MS;
	do { /* an arm may be reached just before it is taken off */
		if (h->down >> i & 1)
			start(h, i);
		if (now() > until)
			fail_msg("gives no answer: %s", nodes_tell(h->s, i));
	} while (!await_up(h, i) || (!nodes_ask(h->s, i, NULL) && (step(h, now() + 1), true)));
	h->start_points = points_passed(h, i);
}

/* Brings up, unarmed, everyone who is down. */
static void mend(struct harness *h)
{
	for (unsigned i = 0; i < N; i++) {
		if (!(h->mined >> i & 1))
			disarm(h, i);
		if (h->down >> i & 1)
			start(h, i);
	}
	for (unsigned i = 0; i < N; i++)
		bring_up(h, i);
}

static void tell_standstill(struct harness *h)
{
	for (unsigned i = 0; i < N; i++) {
		int status;
		json_t *said =
		    (h->down | h->paused) >> i & 1 ? NULL : chain_get(h->s->chain, i, &status, "/v1/status");
		char *text = said ? json_dumps(said, 0) : NULL;
		print_message("node %u: %s\n%s\n", i, text ? text : "no answer", nodes_tell(h->s, i));
		free(text);
		json_decref(said);
	}
}

/* Until so many more payments are final. Nobody has to be up but a quorum. */
static void await_payments(struct harness *h, size_t more)
{
	uint64_t from = now(), until = from + PATIENCE_MS;
	size_t goal = load_final(h->l) + more;
	bool told = false;
	while (load_final(h->l) < goal) {
		if (!told && now() > from + SLOW_MS) {
			print_message("payments have stood still for %d ms:\n", SLOW_MS);
			tell_standstill(h);
			told = true;
		}
		if (now() > until) {
			tell_standstill(h);
			fail_msg("payments stand still in %s", h->s->chain->dir);
		}
		step(h, until);
		for (unsigned i = 0; i < N; i++) {
			if (!(h->down & h->mined & BIT(i)))
				continue;
			disarm(h, i); /* two that are down would be one too many */
			start(h, i);
		}
	}
	if (now() - from > h->worst_ms)
		h->worst_ms = (unsigned)(now() - from);
}

/* Until these have ended; after patience_ms the rest is ended by hand. */
static void await_ends(struct harness *h, uint64_t mask, unsigned patience_ms)
{
	uint64_t until = now() + patience_ms;
	while ((h->down & mask) != mask && now() < until)
		step(h, until);
	for (unsigned i = 0; i < N; i++) {
		if (mask & ~h->down & BIT(i))
			nodes_kill(h->s, i);
	}
	for (until = now() + PATIENCE_MS; (h->down & mask) != mask;) {
		if (now() > until)
			fail_msg("killed nodes do not end");
		step(h, until);
	}
}

/* ---- the ways to end ------------------------------------------------------------------------ */

static enum point_how some_how(struct harness *h)
{
	static const enum point_how hows[] = {POINT_BEFORE, POINT_AFTER, POINT_TORN};
	return hows[chance(&h->chance, 3)];
}

/* A point not far ahead of a node that runs: of one kind, so that rare ones come up as often as frequent
 * ones. */
static void arm_running(struct harness *h, unsigned i)
{
	static const uint32_t sets[] = {
	    BIT(POINT_VOTES_WRITE),
	    BIT(POINT_VOTES_SYNC),
	    BIT(POINT_LEDGER_WRITE),
	    BIT(POINT_LEDGER_SYNC),
	    BIT(POINT_SEND),
	    BIT(POINT_ANSWER),
	    ALL_KINDS,
	};
	uint32_t set = sets[chance(&h->chance, sizeof sets / sizeof *sets)];
	uint32_t left = 1 + (uint32_t)chance(&h->chance, set == ALL_KINDS ? 200 : 24);
	arm(h, i, set, some_how(h), left);
}

static unsigned some_node(struct harness *h)
{
	return (unsigned)chance(&h->chance, N);
}

static void one_while_it_runs(struct harness *h)
{
	unsigned i = some_node(h);
	arm_running(h, i);
	await_ends(h, BIT(i), 4000);
	if (chance(&h->chance, 3) == 0)
		await_payments(h, 1 + chance(&h->chance, ACCOUNTS)); /* three go on */
}

/* Again and again on its way up: recovery of a recovery. */
static void one_while_it_starts(struct harness *h)
{
	unsigned i = some_node(h), times = 1 + (unsigned)chance(&h->chance, 4);
	arm_running(h, i);
	await_ends(h, BIT(i), 4000);
	for (unsigned k = 0; k < times; k++) {
		uint32_t left = 1 + (uint32_t)chance(&h->chance, 4 + h->start_points + h->start_points / 4);
		arm(h, i, ALL_KINDS, some_how(h), left);
		start(h, i);
		if (await_up(h, i))
			await_ends(h, BIT(i), 1000);
	}
}

static void one_while_it_stops(struct harness *h)
{
	unsigned i = some_node(h);
	static const uint32_t sets[] = {ALL_KINDS, BIT(POINT_FOLD_WRITE), BIT(POINT_FOLD_SYNC),
	                                BIT(POINT_NAME) | BIT(POINT_TRUNCATE)};
	uint32_t set = sets[chance(&h->chance, sizeof sets / sizeof *sets)];
	uint32_t left = 1 + (uint32_t)chance(&h->chance, set == sets[0] || set == sets[1] ? 120 : 2);
	enum point_how how = chance(&h->chance, 5) == 0 ? POINT_FAIL : some_how(h);
	arm(h, i, set, how, left);
	if (how == POINT_FAIL)
		h->may_fail |= BIT(i);
	h->stopping |= BIT(i);
	atomic_store(&h->s->node[i].points->phase, POINT_STOPPING);
	nodes_signal(h->s, i, SIGTERM);
	await_ends(h, BIT(i), PATIENCE_MS);
}

static void several(struct harness *h, uint64_t mask)
{
	for (unsigned i = 0; i < N; i++) {
		if (mask >> i & 1)
			arm_running(h, i);
	}
	await_ends(h, mask, 500);         /* without a quorum some points do not come: the rest is killed */
	if (chance(&h->chance, 2) == 0) { /* they come up one after the other, and some die on the way */
		for (unsigned i = 0; i < N; i++) {
			if (!(mask >> i & 1) || chance(&h->chance, 2) != 0)
				continue;
			arm(h, i, ALL_KINDS, some_how(h),
			    1 + (uint32_t)chance(&h->chance, 4 + h->start_points));
			start(h, i);
		}
		for (unsigned i = 0; i < N; i++) {
			if (mask & ~h->down & BIT(i) && await_up(h, i))
				await_ends(h, BIT(i), 500);
		}
	}
}

static void two(struct harness *h)
{
	unsigned i = some_node(h);
	several(h, BIT(i) | BIT((i + 1 + chance(&h->chance, N - 1)) % N));
}

static void all(struct harness *h)
{
	several(h, BIT(N) - 1);
}

/* A store's call fails once. The node ends by itself, having lost nothing. */
static void a_failing_store(struct harness *h)
{
	static const uint32_t sets[] = {BIT(POINT_VOTES_WRITE), BIT(POINT_VOTES_SYNC),
	                                BIT(POINT_LEDGER_WRITE), BIT(POINT_LEDGER_SYNC)};
	unsigned i = some_node(h);
	uint64_t until = now() + PATIENCE_MS;
	h->may_fail |= BIT(i);
	arm(h, i, sets[chance(&h->chance, 4)], POINT_FAIL, 1 + (uint32_t)chance(&h->chance, 24));
	while (!(h->down >> i & 1)) {
		if (now() > until)
			fail_msg("a store's error was %s: %s",
			         atomic_load(&h->s->node[i].points->hit) ? "ignored" : "not reached",
			         nodes_tell(h->s, i));
		step(h, until);
	}
}

/* It fails while the node starts, which then ends or comes up all the same. */
static void a_store_that_fails_at_the_start(struct harness *h)
{
	unsigned i = some_node(h);
	nodes_kill(h->s, i);
	await_ends(h, BIT(i), PATIENCE_MS);
	arm(h, i, ALL_KINDS & ~(BIT(POINT_SEND) | BIT(POINT_ANSWER)), POINT_FAIL,
	    1 + (uint32_t)chance(&h->chance, 4 + h->start_points));
	start(h, i);
	h->may_fail |= BIT(i);
	await_up(h, i);
}

/* A connection breaks under a send. Nobody ends. */
static void a_connection_that_breaks(struct harness *h)
{
	unsigned i = some_node(h);
	arm(h, i, chance(&h->chance, 2) == 0 ? BIT(POINT_SEND) : BIT(POINT_ANSWER), POINT_FAIL,
	    1 + (uint32_t)chance(&h->chance, 20));
	await_payments(h, (size_t)2 * ACCOUNTS);
	h->broken += atomic_load(&h->s->node[i].points->hit);
}

/* ---- a full disk, a pause ---------------------------------------------------------------------- */

static bool set_room(struct harness *h, uint64_t room)
{
	char text[64];
	snprintf(text, sizeof text, "mode=0700,size=%llu", (unsigned long long)room);
	return mount("tmpfs", chain_path(h->s->chain, "node%u", SMALL_DISK), "tmpfs", MS_REMOUNT, text) == 0;
}

/* All room but some is taken. The node ends by itself; without room it may try, and ends again; with room it
 * goes on. */
static void a_full_disk(struct harness *h)
{
	if (!h->small_disk)
		return;
	struct statvfs st;
	uint64_t left = chance(&h->chance, 64);
	h->full = true;
	do { /* refused where meanwhile more is in use */
		assert_int_equal(statvfs(chain_path(h->s->chain, "node%u", SMALL_DISK), &st), 0);
	} while (!set_room(h, (st.f_blocks - st.f_bfree + ++left) * st.f_frsize));
	for (unsigned k = 0; k < 2; k++) {
		for (uint64_t until = now() + PATIENCE_MS; !(h->down >> SMALL_DISK & 1);) {
			if (now() > until)
				fail_msg("goes on with a full disk: %s", nodes_tell(h->s, SMALL_DISK));
			step(h, until);
		}
		if (k == 0 && chance(&h->chance, 2) == 0)
			start(h, SMALL_DISK);
	}
	assert_true(set_room(h, ROOM));
	h->full = false;
	h->full_disks++;
}

/* One stands still, with all its connections; payments go on without it, and with it when it goes on. */
static void a_pause(struct harness *h)
{
	unsigned i = some_node(h);
	uint64_t until = now() + chance(&h->chance, options.pause_ms);
	h->paused = BIT(i);
	load_avoid(h->l, h->paused);
	nodes_signal(h->s, i, SIGSTOP);
	do {
		await_payments(h, ACCOUNTS);
	} while (now() < until);
	nodes_signal(h->s, i, SIGCONT);
	h->paused = 0;
	load_avoid(h->l, 0);
	h->pauses++;
}

/* Folding the WAL in happens once in 64 MiB: a node may run with this mine for a long time, until something
 * else is armed. A fold that fails may be borne: the WAL holds everything still. */
static void a_mine(struct harness *h)
{
	unsigned i = some_node(h);
	enum point_how how = chance(&h->chance, 4) == 0 ? POINT_FAIL : some_how(h);
	arm(h, i, BIT(POINT_FOLD_WRITE) | BIT(POINT_FOLD_SYNC), how, 1 + (uint32_t)chance(&h->chance, 400));
	h->mined |= BIT(i);
	if (how == POINT_FAIL)
		h->may_fail |= BIT(i);
	await_payments(h, ACCOUNTS);
}

static const struct {
	void (*act)(struct harness *h);
	unsigned weight;
} acts[] = {
    {one_while_it_runs, 30},
    {one_while_it_starts, 16},
    {one_while_it_stops, 20},
    {two, 12},
    {all, 10},
    {a_failing_store, 6},
    {a_store_that_fails_at_the_start, 3},
    {a_connection_that_breaks, 5},
    {a_full_disk, 2},
    {a_pause, 2},
    {a_mine, 1},
};

static void act(struct harness *h)
{
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
		sum += acts[i].weight;
	unsigned draw = (unsigned)chance(&h->chance, sum);
	size_t i = 0;
	while (draw >= acts[i].weight)
		draw -= acts[i++].weight;
	acts[i].act(h);
	mend(h);
	await_payments(h, 1 + chance(&h->chance, 4));
}

/* ---- judging ---------------------------------------------------------------------------------- */

/* All at one height and nothing in flight. */
static void come_to_rest(struct harness *h)
{
	uint64_t until = now() + PATIENCE_MS;
	for (;;) {
		uint64_t low = UINT64_MAX, high = 0, pending = 0;
		for (unsigned i = 0; i < N; i++) {
			int status;
			json_t *said = chain_get(h->s->chain, i, &status, "/v1/status");
			if (!said)
				fail_msg("gives no answer: %s", nodes_tell(h->s, i));
			uint64_t height = (uint64_t)json_integer_value(json_object_get(said, "height"));
			pending += (uint64_t)json_integer_value(json_object_get(said, "mempool"));
			low = height < low ? height : low;
			high = height > high ? height : high;
			json_decref(said);
		}
		if (low == high && pending == 0)
			return;
		if (now() > until) {
			tell_standstill(h);
			fail_msg("the chain does not come to rest: heights %llu to %llu, %llu pending",
			         (unsigned long long)low, (unsigned long long)high,
			         (unsigned long long)pending);
		}
		sched_yield(); /* asking is the wait: each answer is an event of the node */
	}
}

/* Stops all, judges what they leave; they can go on from there. */
static void judge(struct harness *h)
{
	load_stop(h->l);
	come_to_rest(h);
	for (unsigned i = 0; i < N; i++) {
		disarm(h, i);
		h->stopping |= BIT(i);
		nodes_signal(h->s, i, SIGTERM);
	}
	for (uint64_t until = now() + PATIENCE_MS; h->down != BIT(N) - 1;) {
		if (now() > until)
			fail_msg("nodes do not stop");
		step(h, until);
	}
	h->heights += verdict(h->s, h->l);
	h->checks++;
	print_message("%6u ends; %zu payments final in this chain, the ledgers hold\n", h->cycles,
	              load_final(h->l));
}

/* ---- a chain ------------------------------------------------------------------------------------ */

/* Short time-outs, so that a dead primary costs little, and checkpoints that come often or seldom. */
static void quick(struct qgenesis *g, void *ctx)
{
	static const unsigned intervals[] = {4, 16, 64};
	struct chance *c = ctx;
	g->params.timeout_ms = 250;
	g->params.timeout_cap_ms = 4000;
	g->params.checkpoint_interval = intervals[chance(c, 3)];
	g->params.window = g->params.checkpoint_interval > 16 ? 16 : g->params.checkpoint_interval;
}

static bool may_mount(void)
{
	return nodes_unshare(CLONE_NEWNS) && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool make_small_disk(struct chain *c)
{
	char home[512], aside[512], command[2048];
	snprintf(home, sizeof home, "%s", chain_path(c, "node%u", SMALL_DISK));
	snprintf(aside, sizeof aside, "%s", chain_path(c, "aside"));
	assert_int_equal(rename(home, aside), 0);
	assert_int_equal(mkdir(home, 0700), 0);
	bool ok = mount("tmpfs", home, "tmpfs", 0, "mode=0700") == 0;
	snprintf(command, sizeof command, "cp -a %s/. %s && rm -r %s", aside, home, aside);
	assert_int_equal(system(command), 0);
	return ok;
}

/* The first start makes the ledgers: ends there, too. */
static void first_start(struct harness *h)
{
	h->down = BIT(N) - 1;
	for (unsigned i = 0; i < N; i++) {
		arm(h, i, ALL_KINDS, some_how(h), 1 + (uint32_t)chance(&h->chance, 60));
		start(h, i);
	}
	for (unsigned i = 0; i < N; i++) {
		if (await_up(h, i))
			await_ends(h, BIT(i), 1000);
	}
}

static void run_chain(struct harness *h, bool mounts)
{
	struct qoutput *allocations = load_allocations(ACCOUNTS);
	struct nodes_plan plan = {
	    .n = N, .allocations = allocations, .allocation_cnt = ACCOUNTS, .edit = quick, .ctx = &h->chance};
	unsigned end = h->cycles + options.chain;
	h->s = nodes_new(&plan);
	free(allocations);
	h->small_disk = mounts && make_small_disk(h->s->chain) && set_room(h, ROOM);
	h->l = load_start(h->s, ACCOUNTS, TWINS, chance(&h->chance, 0));
	first_start(h);
	mend(h);
	while (h->cycles < options.cycles && h->cycles < end) {
		unsigned next = h->cycles + options.check;
		while (h->cycles < options.cycles && h->cycles < end && h->cycles < next)
			act(h);
		judge(h);
		if (h->cycles < options.cycles && h->cycles < end) {
			mend(h);
			load_go_on(h->l);
		}
	}
	h->finals += load_final(h->l);
	h->receipts += load_receipts(h->l);
	h->chains++;
	load_free(h->l);
	if (h->small_disk)
		umount2(chain_path(h->s->chain, "node%u", SMALL_DISK), MNT_DETACH);
	nodes_free(h->s);
}

static void report(const struct harness *h)
{
	static const char *const hows[] = {"before", "after", "torn"};
	static const char *const phases[] = {"starting", "running", "stopping"};
	print_message("%-24s %-8s", "point", "class");
	for (unsigned p = 0; p < POINT_PHASES; p++)
		for (unsigned how = 0; how < POINT_FAIL; how++)
			print_message(" %8s", how == 0 ? phases[p] : "");
	print_message("\n%-33s", "");
	for (unsigned p = 0; p < POINT_PHASES; p++)
		for (unsigned how = 0; how < POINT_FAIL; how++)
			print_message(" %8s", hows[how]);
	print_message("\n");
	for (unsigned k = 0; k < POINT_KINDS; k++) {
		print_message("%-24s %-8s", kinds[k].name, kinds[k].class);
		for (unsigned p = 0; p < POINT_PHASES; p++)
			for (unsigned how = 0; how < POINT_FAIL; how++)
				print_message(" %8u", h->hits[k][how][p]);
		print_message("\n");
	}
	print_message(
	    "seed %llu: %u ends at points, %u by a plain kill, %u by a store that failed (%u times the disk "
	    "was full), %u broken connections, %u clean stops, %u pauses\n",
	    (unsigned long long)options.seed, h->cycles, h->plain, h->failed, h->full_disks, h->broken,
	    h->clean, h->pauses);
	print_message(
	    "%u chains judged %u times; %llu payments called final (%llu with a receipt that holds), "
	    "longest wait for a payment %u ms\n",
	    h->chains, h->checks, (unsigned long long)h->finals, (unsigned long long)h->receipts,
	    h->worst_ms);
}

static void nothing_promised_is_lost_wherever_a_process_is_killed(void **state)
{
	struct harness *h = xcalloc(1, sizeof *h);
	bool mounts = may_mount();
	(void)state;
	if (!mounts)
		print_message("skipped: a small file system cannot be mounted here: no full disks\n");
	h->chance = (struct chance){options.seed};
	h->start_points = 20;
	while (h->cycles < options.cycles)
		run_chain(h, mounts);
	report(h);
	free(h);
}

static void usage(const char *name)
{
	fprintf(stderr,
	        "usage: %s [--cycles N] [--seed S] [--chain N: ends before a new chain] [--check N: ends "
	        "before the "
	        "ledgers are judged] [--pause MS: the longest]\n",
	        name);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
	    {"cycles", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
	    {"chain", required_argument, NULL, 'c'},  {"check", required_argument, NULL, 'k'},
	    {"pause", required_argument, NULL, 'p'},  {0}};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_promised_is_lost_wherever_a_process_is_killed),
	};
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		char *end;
		unsigned long long value = c == '?' ? 0 : strtoull(optarg, &end, 10);
		if (c == '?' || *end != '\0' || (value == 0 && c != 's'))
			usage(argv[0]);
		switch (c) {
		case 'n':
			options.cycles = (unsigned)value;
			break;
		case 's':
			options.seed = value;
			break;
		case 'c':
			options.chain = (unsigned)value;
			break;
		case 'k':
			options.check = (unsigned)value;
			break;
		default:
			options.pause_ms = (unsigned)value;
		}
	}
	if (optind != argc)
		usage(argv[0]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests_name("crash", tests, nodes_setup, NULL);
}
