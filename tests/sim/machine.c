/*
 * machine.c: a computer that runs one replica: its disk outlives it, its power may go at any numbered point.
 *
 * Numbered points are passed before and after every write and sync of the disk and every message handed to
 * the network, and between turns. When the power goes at one, what the disk keeps is fixed at that moment,
 * and whatever the replica still does until it returns happens to nobody: no message leaves, no write stays.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check.h"
#include "clients.h"
#include "disk.h"
#include "mining.h"
#include "trace.h"
#include "traitor.h"

#define WAITING_MAX 4096 /* messages kept for a machine that stands still: what a link's buffers hold */
#define RETRY_MS 500     /* before a replica that could not start tries again */
#define RECOVERY_CRASH_PPM 150000
#define POINTS_OFF INT64_C(-1)

/* ---- power --------------------------------------------------------------------------------------- */

static uint64_t disk_chance(void *ctx, uint64_t below)
{
	return sim_random(ctx, STREAM_MACHINE, below);
}

static void cut_power(struct machine *m)
{
	m->off = true;
	m->points = POINTS_OFF;
	if (m->kill)
		disk_kill(m->disk);
	else
		disk_power_off(m->disk, disk_chance, m->sim);
	trace_line(m->sim, "%s machine %u at point %" PRIu64, m->kill ? "kill" : "power", m->slot,
	           m->point_cnt);
}

static void point(void *ctx)
{
	struct machine *m = ctx;

	if (m->off || !m->running)
		return;
	m->point_cnt++;
	if (m->points > 0 && --m->points == 0)
		cut_power(m);
}

static void close_replica(struct machine *m)
{
	replica_close(m->replica);
	m->replica = NULL;
	m->running = false;
	m->mining.on = false;
}

static void come_back_at(struct machine *m, uint64_t at_ms)
{
	m->down_until_ms = at_ms;
	sim_at(m->sim, at_ms, (struct sim_event){.kind = EV_POWER, .machine = m->slot});
}

/* After every call into the replica: did the power go meanwhile? */
static bool bury(struct machine *m)
{
	if (!m->off)
		return false;
	close_replica(m);
	disk_power_on(m->disk);
	m->off = false;
	if (m->down_until_ms <= m->sim->now_ms)
		m->down_until_ms = m->sim->now_ms + 1;
	come_back_at(m, m->down_until_ms);
	return true;
}

void machine_power_off(struct machine *m, uint64_t points, uint64_t down_ms)
{
	if (!m->replica)
		return;
	m->down_until_ms = m->sim->now_ms + down_ms;
	m->kill = sim_random(m->sim, STREAM_MACHINE, 3) == 0;
	m->points = (int64_t)points;
	if (points > 0)
		return;
	cut_power(m);
	bury(m);
}

/* ---- effects of the replica ------------------------------------------------------------------------ */

static void effect_send(void *ctx, struct message *message, uint64_t to)
{
	struct machine *m = ctx;

	point(m);
	if (m->off)
		return;
	if (to >> m->id & 1)
		sim_broken(m->sim, "bounds: replica %u sends to itself", m->id);
	if (sim_honest(m->sim, m->id)) {
		check_sent(m, message, to);
		network_send_message(m->sim, m->slot, message, to);
	} else {
		traitor_send(m, message, to);
	}
	point(m);
}

static void effect_seal(void *ctx, const struct qheader *header)
{
	struct machine *m = ctx;

	if (m->off)
		return;
	if (header)
		mining_begin(m, header);
	else
		mining_stop(m);
}

static void effect_outcome(void *ctx, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                           const struct qtxid *winner)
{
	struct machine *m = ctx;

	if (m->off)
		return;
	if (sim_honest(m->sim, m->id))
		check_outcome(m, id, v, height, winner);
	clients_outcome(m, id, v, height, winner);
}

__attribute__((format(printf, 3, 4))) static void effect_log(void *ctx, const char *level, const char *fmt,
                                                             ...)
{
	struct machine *m = ctx;
	FILE *f = m->sim->o.trace;
	va_list args;

	if (!f || !m->sim->o.verbose)
		return;
	fprintf(f, "%8" PRIu64 " log  %u %s ", m->sim->now_ms, m->slot, level);
	va_start(args, fmt);
	vfprintf(f, fmt, args);
	va_end(args);
	fputc('\n', f);
}

static void sign(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	const struct machine *m = ctx;

	ident_sign(m->sim->ids[m->id], &m->sim->g.chain, body, len, sig);
}

/* ---- clocks ------------------------------------------------------------------------------------------ */

static uint64_t mono_at(const struct machine *m, uint64_t virtual_ms)
{
	uint64_t passed = virtual_ms - m->mono_seen_ms;

	return m->mono_ms + passed * (uint64_t)(1000000 + m->drift_ppm) / 1000000;
}

void machine_drift(struct machine *m, int32_t ppm)
{
	m->mono_ms = mono_at(m, m->sim->now_ms);
	m->mono_seen_ms = m->sim->now_ms;
	m->drift_ppm = ppm;
}

static uint64_t wall(const struct machine *m)
{
	uint64_t true_ms = SIM_WALL_MS + m->sim->now_ms;

	return m->wall_frozen_ms ? (uint64_t)m->wall_frozen_ms : true_ms + (uint64_t)m->wall_skew_ms;
}

void machine_clock(struct machine *m)
{
	uint64_t mono_ms = mono_at(m, m->sim->now_ms);

	if (!machine_up(m) || m->paused_until_ms > m->sim->now_ms)
		return;
	replica_clock(m->replica, mono_ms, wall(m));
	if (m->waiting_cnt > 0 || replica_deadline(m->replica) <= mono_ms)
		m->woken = true;
}

/* Virtual time at which the replica wants a turn by itself. */
static uint64_t deadline(const struct machine *m)
{
	const struct sim *s = m->sim;
	uint64_t at = replica_deadline(m->replica), mono = mono_at(m, s->now_ms);

	if (at == UINT64_MAX)
		return UINT64_MAX;
	if (at <= mono)
		return s->now_ms + 1; /* it had its turn at this moment */
	return s->now_ms + (at - mono) * 1000000 / (uint64_t)(1000000 + m->drift_ppm) + 1;
}

uint64_t machine_due(const struct machine *m)
{
	if (!machine_up(m))
		return UINT64_MAX;
	if (m->paused_until_ms > m->sim->now_ms)
		return m->paused_until_ms;
	if (m->woken || (m->mining.on && m->mining.due_ms <= m->sim->now_ms))
		return m->sim->now_ms;
	uint64_t due = deadline(m);
	return m->mining.on && m->mining.due_ms < due ? m->mining.due_ms : due;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

void machine_init(struct sim *s, unsigned slot, unsigned id)
{
	struct machine *m = &s->machines[slot];

	must(slot < SIM_MACHINES_MAX && id < s->n);
	*m = (struct machine){.sim = s, .slot = slot, .id = id, .points = POINTS_OFF};
	m->disk = disk_new(slot);
	disk_watch(m->disk, point, m);
	/* Clocks that count from the start of a computer show anything. */
	m->mono_ms = 1 + sim_random(s, STREAM_MACHINE, 1000000);
	m->mono_seen_ms = s->now_ms;
	m->eager = sim_random(s, STREAM_MACHINE, 4) == 0;
	mining_init(m);
	if (slot >= s->machine_cnt)
		s->machine_cnt = slot + 1;
}

void machine_free(struct machine *m)
{
	close_replica(m);
	for (size_t i = 0; i < m->waiting_cnt; i++)
		packet_unref(m->waiting[i]);
	free(m->waiting);
	if (m->disk)
		disk_free(m->disk);
}

static void file_path(const struct machine *m, const char *name, char path[32])
{
	snprintf(path, 32, "/%u/%s", m->slot, name);
}

/* What `quorate node init` does, once; whoever loses power during it does it again. */
static void install(struct machine *m)
{
	struct err err = {0};
	char votes[32];

	file_path(m, "votes.db", votes);
	if (!votes_create(votes, &m->sim->g.g.replicas.replicas_val[m->id].key, DISK_VFS, &err))
		must_failed(err.text, __FILE__, __LINE__);
}

static struct replica *open_replica(struct machine *m, struct err *err)
{
	struct sim *s = m->sim;
	char ledger[32], votes[32];

	file_path(m, "ledger.db", ledger);
	file_path(m, "votes.db", votes);
	return replica_open(
	    &(struct replica_config){.genesis = &s->g,
	                             .self = m->id,
	                             .signer = {sign, m},
	                             .key = &s->g.g.replicas.replicas_val[m->id].key,
	                             .ledger_path = ledger,
	                             .votes_path = votes,
	                             .vfs = DISK_VFS,
	                             .effects = {m, effect_send, effect_outcome, effect_log, effect_seal}},
	    mono_at(m, s->now_ms), err);
}

/* What the messages tell an operator to do with a damaged file. Only a spoiled disk has one. */
static void operate(struct machine *m, const struct err *err)
{
	if (!m->spoiled)
		return;
	const char *file = strncmp(err->text, "vote log", 8) == 0 ? "votes.db" : "ledger.db";
	trace_line(m->sim, "operator machine %u moves %s away", m->slot, file);
	disk_remove(m->disk, file);
}

static void stopped(struct machine *m, const struct err *err)
{
	snprintf(m->stopped, sizeof m->stopped, "%.255s", err->text);
	trace_line(m->sim, "stop machine %u", m->slot);
	if (m->sim->o.trace)
		fprintf(m->sim->o.trace, "         machine %u: %s\n", m->slot, err->text);
	if (sim_honest(m->sim, m->id))
		check_stopped(m, err->text);
}

bool machine_start(struct machine *m)
{
	struct err err = {0};

	must(!m->replica);
	if (m->lives++ == 0)
		install(m);
	m->points = POINTS_OFF;
	m->point_cnt = 0;
	if (sim_strikes(m->sim, FAULT_CRASH, RECOVERY_CRASH_PPM)) /* power goes again while it recovers */
		m->points = 1 + (int64_t)sim_random(m->sim, STREAM_MACHINE, 128);
	m->running = true;
	m->replica = open_replica(m, &err);
	if (bury(m))
		return false;
	trace_line(m->sim, "start machine %u life %u %s", m->slot, m->lives, m->replica ? "up" : "failed");
	if (!m->replica) {
		m->running = false;
		stopped(m, &err);
		operate(m, &err);
		come_back_at(m, m->sim->now_ms + RETRY_MS);
		return false;
	}
	m->stopped[0] = '\0';
	m->woken = true;
	machine_clock(m);
	if (sim_honest(m->sim, m->id))
		check_turn(m);
	return true;
}

void machine_stop(struct machine *m)
{
	m->points = POINTS_OFF;
	close_replica(m);
	m->down_until_ms = UINT64_MAX;
}

/* ---- work ------------------------------------------------------------------------------------------------
 */

static void wait_for_it(struct machine *m, struct packet *p)
{
	if (m->waiting_cnt == WAITING_MAX)
		return;
	if (m->waiting_cnt == m->waiting_cap) {
		m->waiting_cap = m->waiting_cap ? 2 * m->waiting_cap : 16;
		m->waiting = xrealloc(m->waiting, m->waiting_cap * sizeof(struct packet *));
	}
	m->waiting[m->waiting_cnt++] = p;
	p->refs++;
}

static void turn(struct machine *m)
{
	struct err err = {0};

	if (!machine_up(m))
		return;
	m->woken = false;
	replica_expect(m->replica, m->sim->now_ms >> 6 & 1); /* so proposers wait now and then */
	bool ok = replica_turn(m->replica, &err);
	point(m);
	if (bury(m))
		return;
	if (!ok) {
		close_replica(m);
		stopped(m, &err);
		if (!bury(m))
			come_back_at(m, m->sim->now_ms + RETRY_MS);
	} else if (sim_honest(m->sim, m->id)) {
		check_turn(m);
	}
}

static void hand_over(struct machine *m, struct packet *p)
{
	trace_packet(m->sim, "recv", m->slot, p);
	if (!sim_honest(m->sim, m->id) && !traitor_receives(m, p))
		return;
	if (p->message->m.kind == QTXS && replica_lags(m->replica))
		return; /* its node leaves that unread (node_inbox.c) */
	replica_message(m->replica, p->message, p->verified.txs, p->verified.tx_cnt);
	m->woken = true;
	if (!bury(m) && m->eager)
		turn(m);
}

void machine_deliver(struct machine *m, struct packet *p)
{
	if (!machine_up(m) || !p->message)
		return;
	if (m->paused_until_ms > m->sim->now_ms)
		wait_for_it(m, p);
	else
		hand_over(m, p);
}

bool machine_submit(struct machine *m, struct tx *tx, enum tx_verdict *v, struct qheight *height,
                    struct qtxid *winner)
{
	if (m->paused_until_ms > m->sim->now_ms)
		return false;
	machine_clock(m);
	*v = replica_submit(m->replica, tx, height, winner);
	m->woken = true;
	return !bury(m);
}

void machine_turn(struct machine *m)
{
	for (size_t i = 0; i < m->waiting_cnt; i++) {
		if (machine_up(m))
			hand_over(m, m->waiting[i]);
		packet_unref(m->waiting[i]);
	}
	m->waiting_cnt = 0;
	if (machine_up(m) && m->mining.on && m->mining.due_ms <= m->sim->now_ms) {
		mining_end(m);
		bury(m);
	}
	turn(m);
}
