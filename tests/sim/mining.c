/*
 * mining.c: proof of work on virtual time. How long a search takes is drawn when it begins: exponentially
 * distributed, the mean being the tries that the target asks for by the machine's hash rate. Its nonce is a
 * real one, found when that time is over. A search that is stopped, or whose process dies, finds nothing.
 */
#include "mining.h"

#include <inttypes.h>

#include "block.h"
#include "trace.h"

/* ---- chance, in integers: the same on every machine ------------------------------------------------- */

#define FRACTION 16 /* bits after the point */

/* Logarithm to base 2 of n > 0: squaring shifts its next binary digit before the point. */
static uint64_t log2_of(uint64_t n)
{
	unsigned whole = 63 - (unsigned)__builtin_clzll(n);
	uint64_t x = n << (63 - whole), log = whole; /* x: 1.0 is 2^63 */

	for (unsigned i = 0; i < FRACTION; i++) {
		uint64_t high = (x >> 32) * (x >> 32); /* the square of x, less its last bits: 1.0 is 2^62 */
		bool two = high >> 63;
		x = two ? high : high << 1;
		log = log << 1 | two;
	}
	return log;
}

/* Of mean 1, with FRACTION bits after the point: -ln(u) for u in (0, 1]. */
static uint64_t exponential(struct sim *s)
{
	uint64_t u = sim_random(s, STREAM_MINING, UINT64_MAX) + 1;
	uint64_t log = (UINT64_C(64) << FRACTION) - log2_of(u);

	return log * 45426 >> 16; /* ln 2 = 45426 / 65536 */
}

/* Tries that a seal takes on average, times 2^FRACTION. Targets have fewer than 48 zero bits in front. */
static uint64_t tries(const struct qtarget *target)
{
	uint64_t top = 0;

	for (unsigned i = 0; i < 8; i++)
		top = top << 8 | target->b[i];
	return (uint64_t)(((sim_set)1 << (64 + FRACTION)) / ((sim_set)top + 1));
}

static uint64_t search_ms(struct machine *m, const struct qtarget *target)
{
	sim_set time = (sim_set)tries(target) * exponential(m->sim) * 1000;

	return (uint64_t)((time >> (2 * FRACTION)) / m->hash_rate);
}

/* ---- a machine ------------------------------------------------------------------------------------------
 */

void mining_init(struct machine *m)
{
	struct sim *s = m->sim;
	uint64_t luck = sim_random(s, STREAM_MINING, 4), faster = sim_random(s, STREAM_MINING, 700);

	if (s->g.g.seal.kind != QSEAL_POW)
		return;
	m->hash_rate = s->g.g.seal.qseal_rules_u.pow.hash_rate;
	if (!s->o.mining_ms && luck > 0)
		m->hash_rate += m->hash_rate * faster / 100;
}

void mining_begin(struct machine *m, const struct qheader *header)
{
	uint64_t ms = search_ms(m, &header->seal.qseal_u.pow.target);

	m->mining.on = true;
	m->mining.header = *header;
	m->mining.due_ms = m->sim->now_ms + ms;
	trace_line(m->sim, "mine machine %u h=%" PRIu64 " for %" PRIu64, m->slot, header->height.n, ms);
}

void mining_stop(struct machine *m)
{
	if (m->mining.on)
		trace_line(m->sim, "mine machine %u stops", m->slot);
	m->mining.on = false;
}

void mining_end(struct machine *m)
{
	struct qheader *h = &m->mining.header;

	m->mining.on = false;
	if (!block_mine(h, sim_random(m->sim, STREAM_MINING, UINT64_MAX), UINT64_MAX,
	                &h->seal.qseal_u.pow.nonce))
		must_failed("there is no nonce", __FILE__, __LINE__);
	trace_line(m->sim, "mine machine %u seals h=%" PRIu64, m->slot, h->height.n);
	replica_sealed(m->replica, h);
}
