/*
 * network.c: what becomes of a message between two machines.
 */
#include "network.h"

#include <stdlib.h>

#include "check.h"
#include "nemesis.h"
#include "standin.h"
#include "trace.h"
#include "traitor.h"

/* ---- packets ------------------------------------------------------------------------------------- */

struct packet *packet_new(struct sim *s, unsigned from, const struct qenvelope *env)
{
	struct packet *p = xcalloc(1, sizeof *p);

	p->refs = 1;
	p->number = ++s->packet_numbers;
	p->from = from;
	uint64_t checks = standin_replica_checks();
	bool opens = verify_envelope(&s->g, s->cache, env, &p->verified, &p->verdict);
	p->cost = (struct sim_traffic){.messages = 1,
	                               .bytes = wire_size(WIRE(qenvelope), env),
	                               .replica_checks = standin_replica_checks() - checks};
	check_envelope(s, env, p->verdict);
	if (opens) {
		p->message = p->verified.message;
		p->kind = p->message->m.kind;
		p->cost.txs = p->verified.tx_cnt;
	}
	return p;
}

void packet_unref(struct packet *p)
{
	if (--p->refs > 0)
		return;
	if (p->message)
		verified_free(&p->verified);
	free(p);
}

/* ---- links --------------------------------------------------------------------------------------- */

void network_start(struct sim *s)
{
	struct network *net = xcalloc(1, sizeof *net);

	s->network = net;
	/* From nearly nothing to heavy weather. */
	net->delay_min_ms = 1 + sim_random(s, STREAM_NETWORK, 3);
	net->delay_max_ms = net->delay_min_ms + sim_random(s, STREAM_NETWORK, NETWORK_CALM_DELAY_MS - 4);
	net->loss_ppm = (unsigned)(200000 >> sim_random(s, STREAM_NETWORK, 8));
	net->duplicate_ppm = (unsigned)(300000 >> sim_random(s, STREAM_NETWORK, 8));
	net->reorder_ppm = (unsigned)(400000 >> sim_random(s, STREAM_NETWORK, 8));
	net->replay_ppm = (unsigned)(100000 >> sim_random(s, STREAM_NETWORK, 6));
	net->corrupt_ppm = (unsigned)(100000 >> sim_random(s, STREAM_NETWORK, 6));
}

void network_free(struct sim *s)
{
	if (!s->network)
		return;
	for (size_t i = 0; i < RECORD_MAX; i++)
		if (s->network->record[i])
			packet_unref(s->network->record[i]);
	free(s->network);
	s->network = NULL;
}

void network_heal(struct sim *s)
{
	memset(s->network->links, 0, sizeof s->network->links);
}

uint64_t network_machines_of(const struct sim *s, uint64_t replicas)
{
	uint64_t machines = 0;

	for (unsigned i = 0; i < s->machine_cnt; i++)
		if (replicas >> s->machines[i].id & 1)
			machines |= UINT64_C(1) << i;
	return machines;
}

/* The packet was opened once for all its receivers; each of them would have had to. */
static void count_traffic(struct sim *s, const struct packet *p)
{
	struct sim_traffic *t = &s->result->traffic[p->kind];

	if (s->phase != STORM || !p->message)
		return;
	t->messages++;
	t->bytes += p->cost.bytes;
	t->replica_checks += p->cost.replica_checks;
	t->txs += p->cost.txs;
}

static void deliver_at(struct sim *s, struct packet *p, unsigned to, uint64_t at_ms)
{
	p->refs++;
	count_traffic(s, p);
	sim_at(s, at_ms, (struct sim_event){.kind = EV_DELIVER, .machine = to, .packet = p});
}

/* Nobody accepts what was changed on the way. The stand-in for signatures covers every bit, as the real one.
 */
static void deliver_corrupted(struct sim *s, struct packet *p, uint64_t at_ms, unsigned to)
{
	struct qenvelope env = p->message->env;
	uint64_t bit = sim_random(s, STREAM_NETWORK, 8 * ((uint64_t)env.body.body_len + sizeof env.sig.b));
	uint8_t *body = xmemdup(env.body.body_val, env.body.body_len);
	struct packet *broken;

	env.body.body_val = (void *)body;
	if (bit / 8 < env.body.body_len)
		body[bit / 8] ^= (uint8_t)(1u << bit % 8);
	else
		env.sig.b[bit / 8 - env.body.body_len] ^= (uint8_t)(1u << bit % 8);
	broken = packet_new(s, p->from, &env);
	free(body);
	if (broken->message)
		sim_broken(s,
		           "authentication: message #%" PRIu64 " of machine %u was changed in bit %" PRIu64
		           " and opens",
		           p->number, p->from, bit);
	deliver_at(s, broken, to, at_ms);
	packet_unref(broken);
}

static uint64_t travel_ms(struct sim *s, unsigned from, unsigned to)
{
	struct network *net = s->network;
	struct link_state *link = &net->links[from][to];
	uint64_t at_ms = s->now_ms + net->delay_min_ms +
	                 sim_random(s, STREAM_NETWORK, net->delay_max_ms - net->delay_min_ms + 1) +
	                 link->slow_ms;

	if (sim_strikes(s, FAULT_REORDER, net->reorder_ppm))
		return at_ms + sim_random(s, STREAM_NETWORK, 100);
	if (at_ms < link->last_ms)
		at_ms = link->last_ms;
	link->last_ms = at_ms;
	return at_ms;
}

static void send_to(struct sim *s, struct packet *p, unsigned to)
{
	struct network *net = s->network;
	struct link_state *link = &net->links[p->from][to];

	if (link->cut || sim_strikes(s, FAULT_LOSS, net->loss_ppm + link->loss_ppm))
		return;
	uint64_t at_ms = travel_ms(s, p->from, to);
	if (p->message && sim_strikes(s, FAULT_CORRUPT, net->corrupt_ppm))
		deliver_corrupted(s, p, at_ms, to);
	else
		deliver_at(s, p, to, at_ms);
	if (sim_strikes(s, FAULT_DUPLICATE, net->duplicate_ppm))
		deliver_at(s, p, to, at_ms + sim_random(s, STREAM_NETWORK, 50));
}

/* Whoever recorded the traffic plays some of it again, to anybody. */
static void replay(struct sim *s)
{
	struct network *net = s->network;

	if (net->recorded == 0 || !sim_strikes(s, FAULT_REPLAY, net->replay_ppm))
		return;
	uint64_t have = net->recorded < RECORD_MAX ? net->recorded : RECORD_MAX;
	struct packet *p = net->record[sim_random(s, STREAM_NETWORK, have)];
	unsigned to = (unsigned)sim_random(s, STREAM_NETWORK, s->machine_cnt);
	if (s->machines[to].id != s->machines[p->from].id)
		deliver_at(s, p, to, s->now_ms + 1 + sim_random(s, STREAM_NETWORK, 100));
}

/* Reservoir sampling: whatever was sent in the run is here with the same probability. */
static void record(struct sim *s, struct packet *p)
{
	struct network *net = s->network;
	uint64_t at = net->recorded++;

	if (!(s->faults >> FAULT_REPLAY & 1))
		return;
	if (at >= RECORD_MAX)
		at = sim_random(s, STREAM_NETWORK, net->recorded);
	if (at >= RECORD_MAX)
		return;
	if (net->record[at])
		packet_unref(net->record[at]);
	net->record[at] = p;
	p->refs++;
}

void network_send(struct sim *s, struct packet *p, uint64_t machines)
{
	trace_packet(s, "send", p->from, p);
	check_packet(s, p);
	if (s->traitors)
		traitor_sees(s, p);
	nemesis_sees(s, p);
	for (unsigned to = 0; to < s->machine_cnt; to++)
		if (machines >> to & 1 && to != p->from)
			send_to(s, p, to);
	if (p->message)
		record(s, p);
	replay(s);
}

void network_send_message(struct sim *s, unsigned from, struct message *m, uint64_t replicas)
{
	struct packet *p = packet_new(s, from, &m->env);
	uint64_t machines = network_machines_of(s, replicas);

	if (!p->message && sim_honest(s, s->machines[from].id))
		sim_broken(s, "validity: honest replica %u sent a message that cannot be opened: %s%s",
		           s->machines[from].id, open_verdict_text(p->verdict),
		           txs_fault_text(p->verified.fault));
	network_send(s, p, machines);
	packet_unref(p);
}
