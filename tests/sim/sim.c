/*
 * sim.c: the world: made from a seed, its time, and the run through storm, calm and audit.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "check.h"
#include "clients.h"
#include "nemesis.h"
#include "network.h"
#include "options.h"
#include "standin.h"
#include "trace.h"
#include "traitor.h"

/* ---- chance ------------------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea & Flood, OOPSLA 2014): one addition a draw, so streams cost nothing. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

__extension__ typedef unsigned __int128 wide;

uint64_t sim_random(struct sim *s, unsigned stream, uint64_t below)
{
	must(below > 0);
	uint64_t draw = mix(s->random[stream] += UINT64_C(0x9e3779b97f4a7c15));

	return (uint64_t)((wide)draw * below >> 64);
}

static void seed_streams(struct sim *s)
{
	for (unsigned i = 0; i < sizeof s->random / sizeof *s->random; i++)
		s->random[i] = mix(mix(s->o.seed + 1) + i);
}

static bool excluded(const struct sim *s, uint64_t strike)
{
	for (size_t i = 0; i < s->o.without_cnt && s->o.without[i].first <= strike; i++)
		if (strike <= s->o.without[i].last)
			return true;
	return false;
}

bool sim_strikes(struct sim *s, enum sim_fault fault, unsigned per_million)
{
	uint64_t roll = sim_random(s, fault, 1000000);
	bool now = s->storm || (fault == FAULT_TRAITOR && s->phase == CALM);

	if (roll >= per_million || !now || !(s->faults >> fault & 1))
		return false;
	return !excluded(s, ++s->strikes);
}

unsigned sim_faulty(const struct sim *s)
{
	uint64_t faulty = s->traitors;

	for (unsigned i = 0; i < s->machine_cnt; i++)
		if (s->machines[i].spoiled)
			faulty |= UINT64_C(1) << s->machines[i].id;
	return (unsigned)__builtin_popcountll(faulty);
}

/* ---- events: a binary heap in order of time, then of making ----------------------------------------------
 */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

void sim_at(struct sim *s, uint64_t at_ms, struct sim_event e)
{
	size_t i = s->queue_cnt++;

	if (s->queue_cnt > s->queue_cap) {
		s->queue_cap = s->queue_cap ? 2 * s->queue_cap : 256;
		s->queue = xrealloc(s->queue, s->queue_cap * sizeof *s->queue);
	}
	e.at_ms = at_ms < s->now_ms ? s->now_ms : at_ms;
	e.number = ++s->event_numbers;
	for (; i > 0 && before(&e, &s->queue[(i - 1) / 2]); i = (i - 1) / 2)
		s->queue[i] = s->queue[(i - 1) / 2];
	s->queue[i] = e;
}

static struct sim_event pop(struct sim *s)
{
	struct sim_event first = s->queue[0], last = s->queue[--s->queue_cnt];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->queue_cnt) {
		if (child + 1 < s->queue_cnt && before(&s->queue[child + 1], &s->queue[child]))
			child++;
		if (!before(&s->queue[child], &last))
			break;
		s->queue[i] = s->queue[child];
		i = child;
	}
	s->queue[i] = last;
	return first;
}

static void happen(struct sim *s, struct sim_event *e)
{
	struct machine *m = &s->machines[e->machine];

	s->result->events++;
	switch (e->kind) {
	case EV_DELIVER:
		machine_deliver(m, e->packet);
		packet_unref(e->packet);
		break;
	case EV_POWER:
		if (!m->replica && m->down_until_ms <= s->now_ms)
			machine_start(m);
		break;
	case EV_CLIENT:
		clients_tick(s);
		break;
	case EV_NEMESIS:
		nemesis_tick(s);
		break;
	case EV_TRAITOR:
		traitor_tick(s);
		break;
	}
}

/* ---- time
 * -------------------------------------------------------------------------------------------------- */

static uint64_t next_moment(const struct sim *s)
{
	uint64_t next = s->queue_cnt ? s->queue[0].at_ms : UINT64_MAX;

	for (unsigned i = 0; i < s->machine_cnt; i++) {
		uint64_t due = machine_due(&s->machines[i]);
		next = due < next ? due : next;
	}
	return next;
}

static void moment(struct sim *s)
{
	s->result->virtual_ms = s->now_ms; /* for whoever looks at what a run that died left behind */
	s->result->strikes = s->strikes;
	for (unsigned i = 0; i < s->machine_cnt; i++)
		machine_clock(&s->machines[i]);
	while (s->queue_cnt && s->queue[0].at_ms <= s->now_ms && !s->broken) {
		struct sim_event e = pop(s);
		happen(s, &e);
	}
	for (unsigned i = 0; i < s->machine_cnt && !s->broken; i++)
		if (machine_due(&s->machines[i]) <= s->now_ms) {
			s->result->events++;
			machine_turn(&s->machines[i]);
		}
}

bool sim_advance(struct sim *s, uint64_t at_ms, bool (*done)(struct sim *s))
{
	while (!s->broken) {
		if (done && done(s))
			return true;
		uint64_t next = next_moment(s);
		if (next > at_ms) {
			s->now_ms = at_ms;
			return false;
		}
		s->now_ms = next;
		moment(s);
	}
	return false;
}

/* ---- a run
 * -------------------------------------------------------------------------------------------------- */

void sim_broken(struct sim *s, const char *fmt, ...)
{
	struct sim_result *r = s->result;
	va_list args;

	if (s->broken)
		return;
	s->broken = true;
	r->violations = 1;
	va_start(args, fmt);
	int len = vsnprintf(r->violation, sizeof r->violation, fmt, args);
	va_end(args);
	if (len >= 0 && (size_t)len < sizeof r->violation)
		snprintf(r->violation + len, sizeof r->violation - (size_t)len, " (at %" PRIu64 " ms)",
		         s->now_ms);
	trace_line(s, "BROKEN %s", r->violation);
}

static void begin(struct sim *s)
{
	seed_streams(s);
	trace_start(s);
	options_settle(s);
	s->cache = verify_cache_new(1 << 12);
	network_start(s);
	check_start(s);
	s->storm = true;
	for (unsigned i = 0; i < s->n; i++)
		machine_init(s, i, i);
	if (s->traitors)
		traitor_start(s);
	for (unsigned i = 0; i < s->machine_cnt; i++)
		machine_start(&s->machines[i]);
	clients_start(s);
	nemesis_start(s);
}

static void describe_machine(FILE *f, const struct machine *m)
{
	struct replica_status st;

	fprintf(f, "replica %u%s%s: ", m->id, m->slot != m->id ? " (twin)" : "",
	        sim_honest(m->sim, m->id) ? m->spoiled ? " (disk broke)" : "" : " (traitor)");
	if (!m->replica) {
		fprintf(f, "down%s%s\n", m->stopped[0] ? ": " : "", m->stopped);
		return;
	}
	replica_status(m->replica, &st);
	fprintf(f,
	        "height %" PRIu64 " tip %" PRIu64 " stable %" PRIu64 " view %" PRIu64
	        "%s pool %zu lives %u%s%s%s\n",
	        st.height.n, st.engine.tip.n, st.engine.stable.n, st.engine.asked.n,
	        st.engine.active ? " active" : " changing", st.pool_txs, m->lives,
	        m->paused_until_ms > m->sim->now_ms ? " paused" : "", st.muted_because ? " muted: " : "",
	        st.muted_because ? st.muted_because : "");
}

void sim_describe(struct sim *s)
{
	size_t len;
	FILE *f;

	free(s->result->states);
	f = open_memstream(&s->result->states, &len);

	must(f);
	for (unsigned i = 0; i < s->machine_cnt; i++)
		describe_machine(f, &s->machines[i]);
	must(fclose(f) == 0);
}

static void end(struct sim *s)
{
	struct sim_result *r = s->result;

	r->virtual_ms = s->now_ms;
	r->strikes = s->strikes;
	r->blocks = check_height(s);
	r->transactions = check_transactions(s);
	r->convictions = check_convictions(s);
	r->trace_hash = trace_hash(s);
	if (s->phase != AUDIT || s->broken)
		sim_describe(s);
	for (unsigned i = 0; i < s->machine_cnt; i++)
		machine_free(&s->machines[i]);
	while (s->queue_cnt) {
		struct sim_event e = pop(s);
		if (e.kind == EV_DELIVER)
			packet_unref(e.packet);
	}
	free(s->queue);
	clients_free(s);
	if (s->traitors)
		traitor_free(s);
	nemesis_free(s);
	check_free(s);
	network_free(s);
	trace_free(s);
	verify_cache_free(s->cache);
	wire_free(WIRE(qgenesis), &s->g.g);
	standin_use(false);
}

void sim_run(const struct sim_options *o, struct sim_result *result)
{
	struct sim *s = xcalloc(1, sizeof *s);

	*result = (struct sim_result){.seed = o->seed};
	s->o = *o;
	s->result = result;
	begin(s);
	sim_advance(s, s->o.storm_ms, NULL);
	result->throughput_txs = check_transactions(s);
	result->storm_blocks = check_height(s);
	if (!s->broken && !s->o.unchecked_calm) {
		s->phase = CALM;
		nemesis_end(s);
		clients_calm(s);
		heal_run(s);
	}
	end(s);
	free(s);
}
