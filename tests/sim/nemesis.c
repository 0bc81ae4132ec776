/*
 * nemesis.c: which fault strikes when. Every so often one of the enabled kinds does; each undoes itself after
 * a while, all of them when the storm ends.
 */
#include "nemesis.h"

#include <inttypes.h>
#include <stdlib.h>

#include "check.h"
#include "disk.h"
#include "network.h"
#include "trace.h"

#define PAUSE_MAX_MS UINT64_C(600000)
#define DAY_MS INT64_C(86400000)

struct nemesis {
	uint64_t every_ms; /* mean time between two blows */
	uint64_t cut_until_ms;
	unsigned leader;                       /* machine that proposed last */
	bool cuts_new_views;                   /* partitions fall on NEW-VIEWs, too */
	struct disk *copies[SIM_MACHINES_MAX]; /* of disks, to be put back later */
};

static uint64_t chance(struct sim *s, uint64_t below)
{
	return sim_random(s, STREAM_MACHINE, below);
}

/* More often than by chance the one that leads: nothing moves like a view change. */
static struct machine *any_machine(struct sim *s)
{
	uint64_t any = chance(s, s->machine_cnt + 2);

	return &s->machines[any < s->machine_cnt ? any : s->nemesis->leader];
}

/* Mostly short, now and then long: every order of magnitude up to 2^bits is as likely. */
static uint64_t some_time(struct sim *s, unsigned bits)
{
	return 1 + chance(s, UINT64_C(2) << chance(s, bits));
}

static void next_blow(struct sim *s)
{
	uint64_t wait = 1 + chance(s, 2 * s->nemesis->every_ms);

	sim_at(s, s->now_ms + wait, (struct sim_event){.kind = EV_NEMESIS});
}

/* ---- partitions -------------------------------------------------------------------------------------- */

static void clear_cuts(struct sim *s)
{
	for (unsigned a = 0; a < SIM_MACHINES_MAX; a++)
		for (unsigned b = 0; b < SIM_MACHINES_MAX; b++)
			s->network->links[a][b].cut = false;
}

static void cut(struct sim *s, unsigned a, unsigned b)
{
	s->network->links[a][b].cut = true;
}

static void cut_both(struct sim *s, unsigned a, unsigned b)
{
	cut(s, a, b);
	cut(s, b, a);
}

static void cut_one_way(struct sim *s)
{
	unsigned a = any_machine(s)->slot, b = any_machine(s)->slot;

	cut(s, a, b);
}

static void cut_deaf(struct sim *s) /* hears nobody, is heard by all */
{
	unsigned one = any_machine(s)->slot;

	for (unsigned i = 0; i < s->machine_cnt; i++)
		cut(s, i, one);
}

static void cut_mute(struct sim *s)
{
	unsigned one = any_machine(s)->slot;

	for (unsigned i = 0; i < s->machine_cnt; i++)
		cut(s, one, i);
}

static void cut_alone(struct sim *s)
{
	unsigned one = any_machine(s)->slot;

	for (unsigned i = 0; i < s->machine_cnt; i++)
		cut_both(s, i, one);
}

static void cut_sides(struct sim *s)
{
	uint64_t side = chance(s, UINT64_C(1) << s->machine_cnt);

	for (unsigned a = 0; a < s->machine_cnt; a++)
		for (unsigned b = 0; b < s->machine_cnt; b++)
			if ((side >> a & 1) != (side >> b & 1))
				cut(s, a, b);
}

static void cut_to_ring(struct sim *s) /* everybody has two neighbours only */
{
	unsigned cnt = s->machine_cnt;

	for (unsigned a = 0; a < cnt; a++)
		for (unsigned b = 0; b < cnt; b++)
			if ((a + 1) % cnt != b && (b + 1) % cnt != a)
				cut(s, a, b);
}

static void cut_hub(struct sim *s) /* all talk to one, nobody else to anybody */
{
	unsigned hub = any_machine(s)->slot;

	for (unsigned a = 0; a < s->machine_cnt; a++)
		for (unsigned b = 0; b < s->machine_cnt; b++)
			if (a != hub && b != hub)
				cut(s, a, b);
}

static void cut_everything(struct sim *s)
{
	for (unsigned a = 0; a < s->machine_cnt; a++)
		for (unsigned b = 0; b < s->machine_cnt; b++)
			cut(s, a, b);
}

static const struct {
	const char *name;
	void (*cut)(struct sim *s);
} shapes[] = {
    {"one way", cut_one_way}, {"deaf", cut_deaf},    {"mute", cut_mute}, {"alone", cut_alone},
    {"sides", cut_sides},     {"ring", cut_to_ring}, {"hub", cut_hub},   {"everything", cut_everything},
};
#define SHAPES (sizeof shapes / sizeof *shapes)

static void partition(struct sim *s, uint64_t ms)
{
	size_t shape = chance(s, SHAPES);

	clear_cuts(s);
	shapes[shape].cut(s);
	s->nemesis->cut_until_ms = s->now_ms + ms;
	trace_line(s, "partition %s for %" PRIu64, shapes[shape].name, ms);
}

/* The moment at which a partition hurts most. */
void nemesis_sees(struct sim *s, const struct packet *p)
{
	if (p->kind == QPRE_PREPARE)
		s->nemesis->leader = p->from;
	if (p->kind == QNEW_VIEW && s->storm && s->nemesis->cuts_new_views &&
	    sim_strikes(s, FAULT_PARTITION, 300000))
		partition(s, 20 + some_time(s, 11));
}

/* ---- blows -----------------------------------------------------------------------------------------------
 */

static void blow_partition(struct sim *s)
{
	partition(s, some_time(s, 13));
}

static void blow_delay(struct sim *s)
{
	unsigned a = any_machine(s)->slot, b = any_machine(s)->slot;

	s->network->links[a][b].slow_ms = chance(s, 3) == 0 ? 0 : some_time(s, 11);
	trace_line(s, "delay %u to %u %" PRIu64, a, b, s->network->links[a][b].slow_ms);
}

static void blow_loss(struct sim *s)
{
	unsigned a = any_machine(s)->slot, b = any_machine(s)->slot;

	s->network->links[a][b].loss_ppm = (unsigned)chance(s, 4) * 100000;
	trace_line(s, "loss %u to %u %u", a, b, s->network->links[a][b].loss_ppm);
}

static void blow_crash(struct sim *s)
{
	bool all = chance(s, 8) == 0;
	unsigned one = any_machine(s)->slot;

	for (unsigned i = 0; i < s->machine_cnt; i++) {
		if (!all && i != one)
			continue;
		uint64_t points = chance(s, 4) == 0 ? 0 : some_time(s, 8), down = some_time(s, 11);
		trace_line(s, "crash machine %u after %" PRIu64 " points for %" PRIu64, i, points, down);
		machine_power_off(&s->machines[i], points, down);
	}
}

static void blow_pause(struct sim *s)
{
	struct machine *m = any_machine(s);
	uint64_t ms = some_time(s, 13);

	if (chance(s, 32) == 0)
		ms = PAUSE_MAX_MS - chance(s, 1000);
	m->paused_until_ms = s->now_ms + ms;
	trace_line(s, "pause machine %u for %" PRIu64, m->slot, ms);
}

static void blow_clock(struct sim *s)
{
	struct machine *m = any_machine(s);
	unsigned how = (unsigned)chance(s, 5);

	if (how == 0)
		m->wall_skew_ms = (int64_t)chance(s, 7200000) - 3600000;
	else if (how == 1)
		m->wall_skew_ms += chance(s, 2) ? DAY_MS : -DAY_MS;
	else if (how == 2)
		m->wall_frozen_ms = m->wall_frozen_ms ? 0 : (int64_t)(SIM_WALL_MS + s->now_ms);
	else if (how == 3)
		m->wall_skew_ms = 0;
	else
		machine_drift(m, (int32_t)chance(s, 200001) - 100000);
	trace_line(s, "clock machine %u how %u", m->slot, how);
}

static void blow_store(struct sim *s)
{
	static const enum disk_fault faults[] = {DISK_FULL, DISK_IO_WRITE, DISK_IO_SYNC, DISK_IO_READ};
	struct machine *m = any_machine(s);
	unsigned which = (unsigned)chance(s, sizeof faults / sizeof *faults);
	uint64_t after = chance(s, 40);

	if (chance(s, 2)) {
		disk_heal(m->disk);
		trace_line(s, "store machine %u heals", m->slot);
		return;
	}
	disk_fail(m->disk, faults[which], after);
	trace_line(s, "store machine %u fault %u after %" PRIu64, m->slot, which, after);
}

/* May this machine's disk break its promises? Only f replicas can be faulty. */
static bool may_spoil(const struct sim *s, const struct machine *m)
{
	return sim_honest(s, m->id) && (m->spoiled || sim_faulty(s) < s->f);
}

static uint64_t disk_chance(void *ctx, uint64_t below)
{
	return chance(ctx, below);
}

static void blow_rot(struct sim *s)
{
	struct machine *m = any_machine(s);

	if (!may_spoil(s, m))
		return;
	m->spoiled = m->rotten = true;
	if (chance(s, 4) == 0) {
		disk_lie(m->disk, true);
		trace_line(s, "lie machine %u's disk syncs nothing from now on", m->slot);
		return;
	}
	disk_rot(m->disk, 1 + (unsigned)chance(s, 4), disk_chance, s);
	trace_line(s, "rot machine %u", m->slot);
}

/* The disk is lost; or its operator puts back a copy that he once made. */
static void blow_wipe(struct sim *s)
{
	struct machine *m = any_machine(s);
	struct disk **copy = &s->nemesis->copies[m->slot];

	if (!may_spoil(s, m))
		return;
	if (chance(s, 2) == 0 && m->replica) { /* a copy for later */
		if (*copy)
			disk_free(*copy);
		*copy = disk_new(SIM_MACHINES_MAX + m->slot);
		disk_copy(*copy, m->disk);
		trace_line(s, "copy of machine %u's disk", m->slot);
		return;
	}
	machine_power_off(m, 0, some_time(s, 11));
	if (m->replica)
		return;
	m->spoiled = true;
	if (*copy && chance(s, 2)) {
		m->restored = true;
		disk_copy(m->disk, *copy);
	} else {
		m->wiped = true;
		disk_wipe(m->disk);
	}
	trace_line(s, "wipe machine %u %s", m->slot, m->restored ? "old copy" : "empty");
}

static const struct {
	enum sim_fault fault;
	void (*strike)(struct sim *s);
} blows[] = {
    {FAULT_PARTITION, blow_partition}, {FAULT_DELAY, blow_delay}, {FAULT_LOSS, blow_loss},
    {FAULT_CRASH, blow_crash},         {FAULT_PAUSE, blow_pause}, {FAULT_CLOCK, blow_clock},
    {FAULT_STORE, blow_store},         {FAULT_ROT, blow_rot},     {FAULT_WIPE, blow_wipe},
};
#define BLOWS (sizeof blows / sizeof *blows)

void nemesis_start(struct sim *s)
{
	struct nemesis *n = xcalloc(1, sizeof *n);

	s->nemesis = n;
	n->every_ms = UINT64_C(100) << chance(s, 5);
	n->cuts_new_views = chance(s, 2);
	next_blow(s);
}

void nemesis_tick(struct sim *s)
{
	struct nemesis *n = s->nemesis;
	size_t which = chance(s, BLOWS);

	if (!s->storm)
		return;
	if (n->cut_until_ms && n->cut_until_ms <= s->now_ms) {
		n->cut_until_ms = 0;
		clear_cuts(s);
		trace_line(s, "partition ends");
	}
	if (sim_strikes(s, blows[which].fault, 1000000))
		blows[which].strike(s);
	next_blow(s);
}

void nemesis_end(struct sim *s)
{
	trace_line(s, "calm");
	s->storm = false;
	network_heal(s);
	for (unsigned i = 0; i < s->machine_cnt; i++) {
		struct machine *m = &s->machines[i];
		disk_heal(m->disk);
		disk_lie(m->disk, false);
		m->points = -1;
		m->paused_until_ms = 0;
		m->wall_skew_ms = m->wall_frozen_ms = 0;
		machine_drift(m, 0);
		if (m->replica)
			m->woken = true;
		else if (m->down_until_ms != UINT64_MAX)
			m->down_until_ms = s->now_ms;
		if (!m->replica)
			machine_start(m);
	}
}

void nemesis_free(struct sim *s)
{
	if (!s->nemesis)
		return;
	for (unsigned i = 0; i < SIM_MACHINES_MAX; i++)
		if (s->nemesis->copies[i])
			disk_free(s->nemesis->copies[i]);
	free(s->nemesis);
	s->nemesis = NULL;
}
