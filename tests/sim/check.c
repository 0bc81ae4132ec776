/*
 * check.c: the checkers' doors, and what runs after every event.
 */
#include "check_impl.h"

#include <stdlib.h>

#include "err.h"

/* ---- small ------------------------------------------------------------------------------------------- */

char *hash_short_text(char text[SHORT_HASH], const struct qhash *hash)
{
	return hex_encode(text, hash->b, (SHORT_HASH - 1) / 2);
}

uint64_t check_liars(const struct sim *s)
{
	uint64_t liars = s->traitors;

	for (unsigned i = 0; i < s->machine_cnt; i++)
		if (s->machines[i].spoiled)
			liars |= bit_of(s->machines[i].id);
	return liars;
}

void grow(void *list, size_t *cap, size_t cnt, size_t size)
{
	void **at = list;

	if (cnt < *cap)
		return;
	*cap = *cap ? 2 * *cap : 16;
	*at = xrealloc(*at, *cap * size);
}

/* ---- life ------------------------------------------------------------------------------------------------
 */

void check_start(struct sim *s)
{
	struct checks *c = xcalloc(1, sizeof *c);

	c->sim = s;
	s->checks = c;
	if (s->q != naive_quorum(s->n))
		sim_broken(s, "quorum: of %u replicas it is %u, not %u", s->n, naive_quorum(s->n), s->q);
	chain_start(c);
}

void check_free(struct sim *s)
{
	struct checks *c = s->checks;

	if (!c)
		return;
	cert_free(c);
	evidence_forget(c);
	votes_free(c);
	chain_free(c);
	free(c);
	s->checks = NULL;
}

/* ---- events
 * ------------------------------------------------------------------------------------------------ */

void check_sent(struct machine *m, struct message *message, uint64_t replicas)
{
	struct checks *c = m->sim->checks;

	(void)replicas;
	bounds_event(c);
	bounds_sent(m, &c->machines[m->slot]);
	votes_sent(m, message);
}

void check_packet(struct sim *s, const struct packet *p)
{
	bounds_event(s->checks);
	if (!p->message)
		return;
	votes_heard(s->checks, p->message);
	cert_look(s->checks, p->message);
}

void check_turn(struct machine *m)
{
	struct watched *w = &m->sim->checks->machines[m->slot];
	bool born = w->life != m->lives;

	w->life = m->lives;
	bounds_event(m->sim->checks);
	votes_turn(m, w, born);
	chain_turn(m, w);
	bounds_turn(m, w);
}

/* ---- envelopes that do not open
 * ------------------------------------------------------------------------------ */

/* Every certificate and signature inside a decoded message, by the naive verifier; it compares with
 * cert_verify(), too. */
static bool change_holds(struct checks *c, const struct qview_change *vc)
{
	for (unsigned i = 0; i < vc->tip.tip_len; i++)
		if (!cert_holds(c, &vc->tip.tip_val[i]))
			return false;
	for (unsigned i = 0; i < vc->stable.stable_len; i++)
		if (!cert_holds(c, &vc->stable.stable_val[i]))
			return false;
	for (unsigned i = 0; i < vc->prepared.prepared_len; i++)
		if (!cert_holds(c, &vc->prepared.prepared_val[i].cert))
			return false;
	return true;
}

static bool envelope_holds(const struct sim *s, const struct qenvelope *env)
{
	return qhash_eq(&env->chain, &s->g.chain) && env->sender < s->n &&
	       ident_verify(&s->g.g.replicas.replicas_val[env->sender].key, &s->g.chain, env->body.body_val,
	                    env->body.body_len, &env->sig);
}

static bool new_view_holds(struct checks *c, const struct qnew_view *nv)
{
	bool holds = true;

	for (unsigned i = 0; i < nv->changes.changes_len && holds; i++) {
		const struct qenvelope *env = &nv->changes.changes_val[i];
		struct qmessage m;
		if (!envelope_holds(c->sim, env) ||
		    !wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &m))
			return false;
		holds = m.kind == QVIEW_CHANGE && change_holds(c, &m.qmessage_u.view_change);
		wire_free(WIRE(qmessage), &m);
	}
	return holds;
}

static bool inside_holds(struct checks *c, unsigned sender, const struct qmessage *m)
{
	const struct qproposal *p = &m->qmessage_u.proposal;
	struct qvote vote = {.view = p->view, .height = p->header.height};

	switch (m->kind) {
	case QPRE_PREPARE:
		naive_block_hash(&p->header, &vote.block);
		return naive_vote(&c->sim->g, sender, QPREPARE, &vote, &p->prepare);
	case QVIEW_CHANGE:
		return change_holds(c, &m->qmessage_u.view_change);
	case QNEW_VIEW:
		return new_view_holds(c, &m->qmessage_u.new_view);
	case QCHAIN:
		return cert_holds(c, &m->qmessage_u.chain.cert);
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return true;
}

void check_envelope(struct sim *s, const struct qenvelope *env, enum open_verdict verdict)
{
	bool sealed = envelope_holds(s, env);
	struct qmessage m;

	if (sealed !=
	    (verdict != OPEN_OTHER_CHAIN && verdict != OPEN_STRANGER && verdict != OPEN_BAD_SIGNATURE)) {
		sim_broken(s, "opened: an envelope's own signature %s, but it is refused or taken: %s",
		           sealed ? "holds" : "does not hold", open_verdict_text(verdict));
		return;
	}
	if (!sealed || !wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &m)) {
		if (verdict == OPEN_OK)
			sim_broken(s, "opened: an envelope that holds no message");
		return;
	}
	bool holds = m.kind == QEVIDENCE ? evidence_holds(s, &m.qmessage_u.evidence, verdict == OPEN_OK)
	                                 : inside_holds(s->checks, env->sender, &m);
	if ((verdict == OPEN_OK && !holds) || (verdict == OPEN_BAD_CERTIFICATE && holds))
		sim_broken(s, "opened: a message of kind %d by replica %u whose inside %s is %s", (int)m.kind,
		           env->sender, holds ? "holds" : "does not hold",
		           verdict == OPEN_OK ? "taken" : "refused");
	wire_free(WIRE(qmessage), &m);
}

/* ---- stopping
 * ------------------------------------------------------------------------------------------------ */

/* What an honest replica may not say whatever happens to its disk while it keeps its promises. */
static const char *const halts[] = {
    "more than f replicas lie",
    "is corrupt",
    "differs from the one that a quorum signed",
    "a different one was signed before",
    "one for a later view was recorded before",
    "changed by another process",
    "does not have its hash",
    "cannot be read",
    "is damaged",
};

void check_stopped(struct machine *m, const char *why)
{
	struct sim *s = m->sim;
	bool faulty_disk = s->storm && fault_on(s, FAULT_STORE);

	/* Rot may be found at any time, in any words. A restored or wiped disk is in order as far as it goes.
	 */
	if (m->rotten)
		return;
	for (size_t i = 0; i < sizeof halts / sizeof *halts; i++)
		if (strstr(why, halts[i]))
			sim_broken(s, "stopped: replica %u: %s", m->id, why);
	if (!faulty_disk)
		sim_broken(s, "stopped: replica %u though its disk works: %s", m->id, why);
}

/* ---- answers
 * ------------------------------------------------------------------------------------------------- */

uint64_t check_height(const struct sim *s)
{
	return s->checks->height;
}

uint64_t check_transactions(const struct sim *s)
{
	return s->checks->transactions;
}

uint64_t check_convictions(const struct sim *s)
{
	return s->checks->conviction_cnt;
}

bool check_final(const struct sim *s, const struct qtxid *id)
{
	return chain_paid(s->checks, id) != NULL;
}

uint64_t check_paid_at(const struct sim *s, const struct qtxid *id)
{
	const struct paid *p = chain_paid(s->checks, id);

	return p ? p->height : 0;
}

bool check_unspent(const struct sim *s, const struct qoutpoint *point)
{
	const struct coin *coin = coin_find(s->checks, point);

	return coin && coin->spent == 0;
}
