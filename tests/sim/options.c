/*
 * options.c: what a seed chooses where the caller did not: size, faults, traitors, the kind of chain.
 */
#include "options.h"

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

static const struct {
	const char *name, *text;
} seals[SIM_SEAL_END] =
    {
#define X(id, name, text) [id] = {(name), (text)},
        SIM_SEALS(X)
#undef X
},
  proposers[SIM_PROPOSER_END] = {
#define X(id, name, text) [id] = {(name), (text)},
      SIM_PROPOSERS(X)
#undef X
};

const char *sim_seal_name(enum sim_seal s)
{
	return seals[s].name;
}

const char *sim_seal_text(enum sim_seal s)
{
	return seals[s].text;
}

const char *sim_proposer_name(enum sim_proposer p)
{
	return proposers[p].name;
}

const char *sim_proposer_text(enum sim_proposer p)
{
	return proposers[p].text;
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

/* Every kind of seal with every kind of proposer. */
static void choose_chain(struct sim *s)
{
	static const enum sim_seal seal[] = {SIM_SEAL_NONE, SIM_SEAL_NONE, SIM_SEAL_POW, SIM_SEAL_RETARGET};
	static const enum sim_proposer proposer[] = {SIM_PROPOSER_PRIMARY, SIM_PROPOSER_PRIMARY,
	                                             SIM_PROPOSER_PRIMARY, SIM_PROPOSER_STAKE,
	                                             SIM_PROPOSER_DELEGATED};
	struct sim_result *r = s->result;

	r->seal = seal[draw(s, sizeof seal / sizeof *seal)];
	r->proposer = proposer[draw(s, sizeof proposer / sizeof *proposer)];
	if (s->o.seal != SIM_SEAL_ANY)
		r->seal = s->o.seal;
	if (s->o.proposer != SIM_PROPOSER_ANY)
		r->proposer = s->o.proposer;
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
	s->faults = s->o.healthy ? 0 : s->o.faults < 0 ? chosen : (uint64_t)s->o.faults;
	if (!s->o.storm_ms)
		s->o.storm_ms = storm_ms;
	r->storm_ms = s->o.storm_ms;
	choose_chain(s);
	s->traitors = choose_traitors(s);
	founding(s);
	s->q = s->g.quorum;
	r->n = s->n;
	r->faults = s->faults;
	r->traitors = s->traitors;
}
