/*
 * check_evidence.c: what one honest replica holds against somebody, all do in the end, as far as their bounds
 * leave room for it.
 */
#include <stdlib.h>

#include "check_impl.h"
#include "network.h"

struct seen_piece {
	struct piece_key key;
	UT_hash_handle hh;
};

static bool keeps(const struct machine *m)
{
	return sim_honest(m->sim, m->id) && !m->spoiled;
}

static void collect(struct checks *c, const struct dossier *d)
{
	struct piece *p, *next;

	HASH_ITER (hh, d->pieces, p, next) {
		struct seen_piece *have;
		HASH_FIND(hh, c->evidence, &p->key, sizeof p->key, have);
		if (have)
			continue;
		have = xcalloc(1, sizeof *have);
		have->key = p->key;
		HASH_ADD(hh, c->evidence, key, sizeof have->key, have);
	}
}

/* Whose double spend it is the key does not say: any client's who has reached his bound may it be. */
static bool is_full(const struct replica *r, const struct piece_key *key)
{
	const struct dossier *d = &r->dossier;
	struct offender *o, *next;

	if (key->kind == QEV_FORK)
		return d->forks >= EVIDENCE_FORK_MAX;
	if (key->kind != QEV_DOUBLE_SPEND)
		return d->of_replica[key->replica] >= EVIDENCE_REPLICA_MAX;
	HASH_ITER (hh, d->offenders, o, next)
		if (o->cnt >= EVIDENCE_SIGNER_MAX)
			return true;
	for (unsigned i = 0; i < r->g->n; i++)
		if (r->peers[i].double_spends >= EVIDENCE_PEER_MAX)
			return true;
	return d->double_spends >= EVIDENCE_MAX || d->bytes >= EVIDENCE_BYTES;
}

static bool knows(const struct machine *m, const struct piece_key *key)
{
	struct piece *p;

	HASH_FIND(hh, m->replica->dossier.pieces, key, sizeof *key, p);
	return p || is_full(m->replica, key);
}

static bool all_know_all(struct sim *s)
{
	struct seen_piece *x, *next;

	for (unsigned i = 0; i < s->machine_cnt; i++) {
		const struct machine *m = &s->machines[i];
		if (!keeps(m))
			continue;
		if (!machine_up(m))
			return false;
		HASH_ITER (hh, s->checks->evidence, x, next)
			if (!knows(m, &x->key))
				return false;
	}
	return true;
}

void evidence_forget(struct checks *c)
{
	struct seen_piece *x, *next;

	HASH_ITER (hh, c->evidence, x, next) {
		HASH_DEL(c->evidence, x);
		free(x);
	}
}

void evidence_spreads(struct sim *s)
{
	struct checks *c = s->checks;
	unsigned answers;
	uint64_t ms;

	evidence_forget(c);
	for (unsigned i = 0; i < s->machine_cnt; i++)
		if (keeps(&s->machines[i]) && machine_up(&s->machines[i]))
			collect(c, &s->machines[i].replica->dossier);
	/* A question may be on its way in vain; the journal comes in so many answers. */
	answers = 1 + HASH_COUNT(c->evidence) / Q_EVIDENCES_MAX;
	ms = 3 * EVIDENCE_ASK_MS + answers * (uint64_t)(4 * NETWORK_CALM_DELAY_MS + PBFT_STATUS_MS);
	if (!sim_advance(s, s->now_ms + ms, all_know_all))
		sim_broken(s, "evidence: what one honest replica has is not with all %" PRIu64 " ms later",
		           ms);
}
