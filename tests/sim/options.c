/*
 * options.c: what a seed chooses where the caller did not: size, faults, parameters, and the chain's genesis.
 */
#include "options.h"

#include <stdlib.h>

#include "standin.h"

/* ---- names -------------------------------------------------------------------------------------------- */

static const struct {
	const char *name, *text;
} faults[FAULT_CNT] = {
#define X(id, name, text) [id] = {(name), (text)},
    SIM_FAULTS(X)
#undef X
};

const char *fault_name(enum sim_fault f)
{
	return faults[f].name;
}

const char *fault_text(enum sim_fault f)
{
	return faults[f].text;
}

/* ---- choices ------------------------------------------------------------------------------------------- */

static uint64_t draw(struct sim *s, uint64_t below)
{
	return sim_random(s, STREAM_SETUP, below);
}

static unsigned choose_n(struct sim *s)
{
	static const unsigned sizes[] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 6, 7, 7, 7, 10};

	return sizes[draw(s, sizeof sizes / sizeof *sizes)];
}

/*
 * Half of the classes each, so that rare combinations are as likely as the full orchestra. One run in eight
 * is healthy: only clients cheat, and nobody may lose a view. Traitors and broken disks share one budget, so
 * whoever has both classes tosses for it.
 */
static uint64_t choose_faults(struct sim *s)
{
	uint64_t all = (UINT64_C(1) << FAULT_CNT) - 1, chosen = draw(s, all + 1);
	uint64_t disks = UINT64_C(1) << FAULT_WIPE | UINT64_C(1) << FAULT_ROT, traitor = UINT64_C(1)
	                                                                                 << FAULT_TRAITOR;

	if (draw(s, 8) == 0)
		return UINT64_C(1) << FAULT_CLIENT;
	if ((chosen & traitor) && (chosen & disks))
		chosen &= draw(s, 3) == 0 ? ~traitor : ~disks;
	return chosen;
}

/* Short storms find most; long ones let pauses and timeouts play out. */
static uint64_t choose_storm(struct sim *s)
{
	uint64_t kind = draw(s, 256), at = draw(s, 4000);

	if (kind == 0)
		return 700000 + 10 * at;
	return (kind < 12 ? 20000 : 2000) + at;
}

static struct qparams choose_params(struct sim *s)
{
	struct qparams p = genesis_default_params();

	p.checkpoint_interval = 4u << draw(s, 3);
	p.window = 2u << draw(s, 3);
	if (p.window > 2 * p.checkpoint_interval)
		p.window = 2 * p.checkpoint_interval;
	p.block_txs_max = 1u << draw(s, 6);
	p.timeout_ms = 300 + 100 * (unsigned)draw(s, 8);
	p.timeout_cap_ms = p.timeout_ms << (2 + draw(s, 3));
	p.drift_ms = 500 + (unsigned)draw(s, 5000);
	p.pool_source_max = 64u << draw(s, 5);
	p.pool_owner_max = 16u << draw(s, 5);
	return p;
}

static uint64_t choose_traitors(struct sim *s)
{
	uint64_t traitors = 0;

	if (!(s->faults >> FAULT_TRAITOR & 1) || s->f == 0)
		return 0;
	uint64_t cnt = 1 + draw(s, s->f);
	if (draw(s, 2) == 0) { /* it leads from the start; else it must wait for its turn */
		traitors = 1;
		cnt--;
	}
	for (; cnt > 0; cnt--)
		traitors |= UINT64_C(1) << draw(s, s->n);
	return traitors;
}

/* ---- the chain --------------------------------------------------------------------------------------------
 */

/* Keys are the same in every run; those of the stand-in are others than the real ones. */
static struct ident *ident_of(bool real, unsigned i)
{
	static struct ident *made[2][SIM_REPLICAS_MAX];

	if (!made[real][i])
		made[real][i] = ident_from_seed((const uint8_t[32]){[0] = (uint8_t)(i + 1)});
	return made[real][i];
}

static struct account *account_of(bool real, unsigned i)
{
	static struct account *made[2][SIM_ACCOUNTS];

	if (!made[real][i])
		made[real][i] = account_from_secret((const uint8_t[32]){[31] = (uint8_t)(i + 1)});
	return made[real][i];
}

static void make_genesis(struct sim *s)
{
	struct qgenesis *g = &s->g.g;
	unsigned allocations = SIM_ACCOUNTS * (1 + (unsigned)draw(s, 8));
	struct err err = {0};
	char text[64];

	g->format = 1;
	g->name = xstrdup("simulated");
	g->time_ms = SIM_WALL_MS;
	g->params = choose_params(s);
	g->replicas.replicas_len = s->n;
	g->replicas.replicas_val = xcalloc(s->n, sizeof *g->replicas.replicas_val);
	for (unsigned i = 0; i < s->n; i++) {
		s->ids[i] = ident_of(s->result->real_crypto, i);
		snprintf(text, sizeof text, "replica-%u", i);
		g->replicas.replicas_val[i].name = xstrdup(text);
		snprintf(text, sizeof text, "tcp://127.0.0.1:%u", 7000 + i);
		g->replicas.replicas_val[i].address = xstrdup(text);
		g->replicas.replicas_val[i].key = ident_key(s->ids[i]);
	}
	g->allocations.allocations_len = allocations;
	g->allocations.allocations_val = xcalloc(allocations, sizeof(struct qoutput));
	for (unsigned i = 0; i < allocations; i++) {
		struct account *owner = s->accounts[i % SIM_ACCOUNTS];
		struct qaccount_key key = account_key(owner);
		g->allocations.allocations_val[i] = (struct qoutput){account_address(&key), 1000 + 997 * i};
	}
	if (!genesis_finish(&s->g, &err))
		must_failed(err.text, __FILE__, __LINE__);
}

void options_settle(struct sim *s)
{
	struct sim_result *r = s->result;
	bool real = draw(s, 10) == 0;
	unsigned n = choose_n(s);
	uint64_t chosen = choose_faults(s), storm_ms = choose_storm(s);

	r->real_crypto = s->o.real_crypto < 0 ? real : s->o.real_crypto != 0;
	standin_use(!r->real_crypto);
	s->n = s->o.n ? s->o.n : n;
	s->f = (s->n - 1) / 3;
	s->faults = s->o.faults < 0 ? chosen : (uint64_t)s->o.faults;
	if (!s->o.storm_ms)
		s->o.storm_ms = storm_ms;
	r->storm_ms = s->o.storm_ms;
	for (unsigned i = 0; i < SIM_ACCOUNTS; i++)
		s->accounts[i] = account_of(r->real_crypto, i);
	make_genesis(s);
	s->q = s->g.quorum;
	s->traitors = choose_traitors(s);
	r->n = s->n;
	r->faults = s->faults;
	r->traitors = s->traitors;
}
