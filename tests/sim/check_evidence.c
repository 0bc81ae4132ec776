/*
 * check_evidence.c: what one honest replica holds against somebody, all do in the end, as far as their bounds
 * leave room for it.
 */
#include <stdlib.h>

#include "check_impl.h"
#include "network.h"

/* ---- what is handed on ------------------------------------------------------------------------------- */

static bool is_vote(const struct qmessage *m)
{
	return m->kind == QPREPARE || m->kind == QCOMMIT || m->kind == QCHECKPOINT;
}

/* Two votes at one place: 1, elsewhere: 0, else: -1 */
static int votes_clash(const struct qmessage *a, const struct qmessage *b)
{
	const struct qvote *x = &a->qmessage_u.vote, *y = &b->qmessage_u.vote;
	bool blank = a->kind == QCHECKPOINT ? x->view.n == 0 && y->view.n == 0
	                                    : qhash_is_zero(&x->state) && qhash_is_zero(&y->state);

	if (!is_vote(a) || a->kind != b->kind || !blank || x->height.n == 0)
		return -1;
	return x->view.n == y->view.n && x->height.n == y->height.n && memcmp(x, y, sizeof *x) != 0;
}

static bool says(const struct sim *s, const struct qenvelope *env, struct qmessage *m)
{
	return qhash_eq(&env->chain, &s->g.chain) && env->sender < s->n &&
	       ident_verify(&s->g.g.replicas.replicas_val[env->sender].key, &s->g.chain, env->body.body_val,
	                    env->body.body_len, &env->sig) &&
	       wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, m);
}

static int conflict_holds(const struct sim *s, const struct qconflict *c)
{
	struct qmessage a, b;
	int verdict = 0;

	if (c->first.sender != c->second.sender || !says(s, &c->first, &a))
		return 0;
	if (says(s, &c->second, &b)) {
		verdict = votes_clash(&a, &b);
		wire_free(WIRE(qmessage), &b);
	}
	wire_free(WIRE(qmessage), &a);
	return verdict;
}

static int piece_holds(const struct sim *s, const struct qevidence *ev)
{
	const struct qenvelope *env = ev->kind == QEV_CONFLICT       ? &ev->qevidence_u.conflict.first
	                              : ev->kind == QEV_BAD_PROPOSAL ? &ev->qevidence_u.proposal
	                                                             : NULL;

	if (env && (env->sender >= s->n || !(check_liars(s) >> env->sender & 1)))
		return 0; /* nothing convicts the honest */
	return ev->kind == QEV_CONFLICT ? conflict_holds(s, &ev->qevidence_u.conflict) : -1;
}

bool evidence_holds(const struct sim *s, const struct qevidences *e, bool otherwise)
{
	bool sure = true;

	for (unsigned i = 0; i < e->list.list_len; i++) {
		int holds = piece_holds(s, &e->list.list_val[i]);
		if (holds == 0)
			return false;
		sure = sure && holds > 0;
	}
	return sure ? true : otherwise;
}

/* ---- what is kept ------------------------------------------------------------------------------------ */

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

static bool is_used_up(const struct taken *t, unsigned parts)
{
	return t->double_spends >= EVIDENCE_MAX / parts || t->bytes >= EVIDENCE_BYTES / parts;
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
		if (is_used_up(&r->peers[i].taken, EVIDENCE_PARTS))
			return true;
	return is_used_up(&d->found, 1) || is_used_up(&d->handed, 1);
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
