/*
 * founding.c: the simulated chain's genesis: keys, parameters, rules of seals and proposers, allocations.
 *
 * Epochs and delays are as short as the rules allow, so that a run of a few seconds passes many of them;
 * targets have few bits, for the time that mining takes is virtual (machine.c).
 */
#include <stdlib.h>

#include "options.h"
#include "seal.h"

static uint64_t draw(struct sim *s, uint64_t below)
{
	return sim_random(s, STREAM_SETUP, below);
}

static bool by_stake(const struct sim *s)
{
	return s->result->proposer != SIM_PROPOSER_PRIMARY;
}

/* ---- rules ----------------------------------------------------------------------------------------------
 */

static struct qparams choose_params(struct sim *s)
{
	struct qparams p = genesis_default_params();

	p.checkpoint_interval = 4u << draw(s, 3);
	p.window = 2u << draw(s, 3);
	if (by_stake(s)) { /* an epoch has at least 2K and 3W heights */
		p.checkpoint_interval = p.checkpoint_interval < 16 ? 4 : 8;
		p.window = p.window < 8 ? 2 : 4;
	}
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

#define RATE_MIN 50 /* whole numbers of hashes a second shall tell rates apart */

/* The mean that the genesis counts on, and from it the rate that it promises. */
static struct qpow_rules choose_pow(struct sim *s)
{
	static const unsigned means_ms[] = {2, 5, 10, 20, 40};
	struct qpow_rules r = {.bits = 2 + (unsigned)draw(s, 7)};
	uint64_t mean_ms = means_ms[draw(s, sizeof means_ms / sizeof *means_ms)], more = draw(s, 4);
	uint64_t interval = 1 + draw(s, 8), slow = draw(s, 2);

	if (s->o.mining_ms)
		mean_ms = s->o.mining_ms;
	while ((UINT64_C(1000) << r.bits) / mean_ms < RATE_MIN)
		r.bits++;
	r.bits_max = r.bits;
	if (s->result->seal == SIM_SEAL_RETARGET) {
		r.bits_max = r.bits + (unsigned)more;
		r.interval_ms = (unsigned)(mean_ms * interval / (slow ? 1 : 8));
		r.interval_ms += r.interval_ms == 0;
	}
	r.hash_rate = (unsigned)(((UINT64_C(1000) << r.bits_max) + mean_ms - 1) / mean_ms);
	return r;
}

static struct qstake_rules choose_stake(struct sim *s, const struct qparams *p)
{
	static const unsigned penalties[] = {0, 1, 33, 50, 100}, theirs[] = {0, 0, 0, 10, 100};
	unsigned turn = 1u << draw(s, 3), least = 2 * p->checkpoint_interval;
	struct qstake_rules r = {.turn = turn, .proposers = s->n};
	unsigned few = (unsigned)draw(s, s->n - s->f);

	if (least < 3 * p->window)
		least = 3 * p->window;
	r.epoch = (least + turn - 1) / turn * turn + turn * (unsigned)draw(s, 3);
	r.unbonding = 3 * r.epoch + (unsigned)draw(s, r.epoch);
	r.penalty = penalties[draw(s, sizeof penalties / sizeof *penalties)];
	r.delegator_penalty = theirs[draw(s, sizeof theirs / sizeof *theirs)];
	if (s->result->proposer == SIM_PROPOSER_DELEGATED && s->n > 1)
		r.proposers = s->f + 1 + few - (s->f + 1 + few == s->n);
	return r;
}

static void choose_rules(struct sim *s, struct qgenesis *g)
{
	g->params = choose_params(s);
	if (s->o.healthy) {
		struct qparams usual = genesis_default_params();
		usual.timeout_ms = g->params.timeout_ms;
		usual.timeout_cap_ms = g->params.timeout_cap_ms;
		g->params = usual;
	}
	if (s->result->seal != SIM_SEAL_NONE) {
		g->seal.kind = QSEAL_POW;
		g->seal.qseal_rules_u.pow = choose_pow(s);
	}
	if (by_stake(s)) {
		g->proposer.kind = QPROPOSER_STAKE;
		g->proposer.qproposer_rules_u.stake =
		    s->o.healthy ? genesis_default_stake(s->n) : choose_stake(s, &g->params);
	}
}

/* ---- keys -------------------------------------------------------------------------------------------------
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

/* Traitors' stake is the adversary's. */
static void choose_stakers(struct sim *s)
{
	unsigned good = 0, bad = SIM_HONEST;

	for (unsigned i = 0; i < s->n; i++)
		s->staker[i] = sim_honest(s, i) ? good++ % SIM_HONEST : bad++;
	must(s->n > SIM_FAULTY_MAX ? !s->traitors && !by_stake(s)
	                           : good <= SIM_HONEST && bad <= SIM_ACCOUNTS);
}

static struct qaddress address_of(const struct sim *s, unsigned account)
{
	struct qaccount_key key = account_key(s->accounts[account]);

	return account_address(&key);
}

static void add_replica(struct sim *s, unsigned i)
{
	struct qreplica *r = &s->g.g.replicas.replicas_val[i];
	char text[64];

	s->ids[i] = ident_of(s->result->real_crypto, i);
	snprintf(text, sizeof text, "replica-%u", i);
	r->name = xstrdup(text);
	snprintf(text, sizeof text, "tcp://127.0.0.1:%u", 7000 + i);
	r->address = xstrdup(text);
	r->key = ident_key(s->ids[i]);
	if (by_stake(s)) {
		r->account.account_len = 1;
		r->account.account_val = xcalloc(1, sizeof(struct qaddress));
		*r->account.account_val = address_of(s, s->staker[i]);
	}
}

/* ---- allocations
 * -------------------------------------------------------------------------------------------- */

static void allocate(struct sim *s, unsigned account, uint64_t amount, int replica)
{
	struct qgenesis *g = &s->g.g;
	unsigned i = g->allocations.allocations_len++;

	g->allocations.allocations_val =
	    xrealloc(g->allocations.allocations_val, (i + 1) * sizeof(struct qoutput));
	struct qoutput *out = &g->allocations.allocations_val[i];
	*out = (struct qoutput){.owner = address_of(s, account), .amount = amount};
	if (replica < 0)
		return;
	out->lock.kind = QLOCK_STAKE;
	out->lock.qlock_u.replica = (unsigned)replica;
}

/* Uneven as fortunes are. Now and then hardly anybody has any: then all take turns alike. */
static void allocate_stakes(struct sim *s)
{
	bool hardly = draw(s, 8) == 0;
	unsigned huge = draw(s, 4) == 0 ? 40 : 0; /* sums near what an amount can say */
	unsigned delegations = s->result->proposer == SIM_PROPOSER_DELEGATED ? 2 * s->n : 0;

	for (unsigned i = 0; i < s->n; i++) {
		uint64_t amount = (1 + draw(s, 999)) << (draw(s, 5) + huge), parts = 1 + draw(s, 2),
		         skip = draw(s, 8);
		if (hardly ? i >= s->f : skip == 0)
			continue;
		for (uint64_t k = 0; k < parts; k++)
			allocate(s, s->staker[i], amount, (int)i);
	}
	for (unsigned i = 0; i < delegations && !hardly; i++) {
		unsigned from = (unsigned)draw(s, SIM_ACCOUNTS), to = (unsigned)draw(s, s->n);
		allocate(s, from, (1 + draw(s, 999)) << (draw(s, 5) + huge), (int)to);
	}
}

void founding(struct sim *s)
{
	struct qgenesis *g = &s->g.g;
	unsigned allocations = SIM_ACCOUNTS * (1 + (unsigned)draw(s, 8));
	struct err err = {0};

	for (unsigned i = 0; i < SIM_ACCOUNTS; i++)
		s->accounts[i] = account_of(s->result->real_crypto, i);
	choose_stakers(s);
	g->format = 1;
	g->name = xstrdup("simulated");
	g->time_ms = SIM_WALL_MS;
	choose_rules(s, g);
	g->replicas.replicas_len = s->n;
	g->replicas.replicas_val = xcalloc(s->n, sizeof *g->replicas.replicas_val);
	for (unsigned i = 0; i < s->n; i++)
		add_replica(s, i);
	for (unsigned i = 0; i < allocations; i++)
		allocate(s, i % SIM_ACCOUNTS, 1000 + 997 * i, -1);
	if (by_stake(s))
		allocate_stakes(s);
	if (!genesis_finish(&s->g, &err))
		must_failed(err.text, __FILE__, __LINE__);
	if (s->o.no_budget) {
		s->g.timeout_ms = g->params.timeout_ms;
		s->g.timeout_cap_ms = g->params.timeout_cap_ms;
	}
}
