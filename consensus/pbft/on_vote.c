/*
 * on_vote.c: PREPARE and COMMIT.
 *
 *   V1  within the window; votes of any view are kept, one a replica and height: that of the highest view
 *   V2  a second vote for another block at one (view, height) is evidence, alone or in a certificate; the
 *       first one stays
 *
 * Votes may come before their block or view: they count once these are here. After: advance.c.
 */
#include "pbft.h"

bool votes_to_cert(const struct engine *e, const struct vote *votes, enum qkind kind, struct qview v,
                   struct qheight h, const struct qhash *block, struct qcert *cert)
{
	if (vote_tally(votes, e->n, v, block) < e->q)
		return false;
	*cert = (struct qcert){.kind = kind};
	cert->vote = (struct qvote){.view = v, .height = h, .block = *block};
	cert->sigs.sigs_val = xcalloc(e->n, sizeof *cert->sigs.sigs_val);
	for (unsigned i = 0; i < e->n; i++) {
		if (!votes[i].set || votes[i].view.n != v.n || !qhash_eq(&votes[i].block, block))
			continue;
		cert->sigs.sigs_val[cert->sigs.sigs_len++] =
		    (struct qcert_sig){.replica = i, .sig = votes[i].sig};
	}
	return true;
}

static void votes_conflict_found(struct engine *e, unsigned replica, enum qkind kind, const struct qvote *x,
                                 const struct qsig *x_sig, const struct qvote *y, const struct qsig *y_sig)
{
	struct qenvelope first, second;
	vote_envelope(e, replica, kind, x, x_sig, &first);
	vote_envelope(e, replica, kind, y, y_sig, &second);
	evidence_conflict(e, &first, &second);
	wire_free(WIRE(qenvelope), &first);
	wire_free(WIRE(qenvelope), &second);
}

/* Each vote in the certificate against the one of the same replica and view that is here. */
static void watch_signers(struct engine *e, const struct qcert *cert)
{
	const struct qvote *vote = &cert->vote;
	const struct slot *s = slot_at(e, vote->height);
	if (!s || cert->kind == QCHECKPOINT)
		return;
	for (u_int i = 0; i < cert->sigs.sigs_len; i++) {
		const struct qcert_sig *sig = &cert->sigs.sigs_val[i];
		const struct vote *v = &(cert->kind == QPREPARE ? s->prepares : s->commits)[sig->replica];
		if (!v->set || v->view.n != vote->view.n || qhash_eq(&v->block, &vote->block) ||
		    sig->replica == e->self)
			continue;
		struct qvote have = {.view = v->view, .height = s->height, .block = v->block};
		votes_conflict_found(e, sig->replica, cert->kind, &have, &v->sig, vote, &sig->sig);
	}
}

void cert_watch(struct engine *e, const struct qcert *cert)
{
	own_watch(e, cert);
	watch_signers(e, cert);
}

/* ST4: nobody votes more than a window above his tip. */
static void note_tip(struct engine *e, unsigned sender, struct qheight voted)
{
	struct peer *p = &e->peers[sender];
	uint64_t least = voted.n > e->params->window ? voted.n - e->params->window : 0;
	if (least > p->tip.n)
		p->tip = qheight_of(least);
	if (least > p->executed.n)
		p->executed = qheight_of(least);
}

void on_vote(struct engine *e, struct message *m)
{
	const struct qvote *vote = &m->m.qmessage_u.vote;
	note_tip(e, m->sender, vote->height);
	struct slot *s = slot_at(e, vote->height); /* V1 */
	if (!s) {
		e->refused[RULE_V1] += vote->height.n > e->tip.n; /* what is late was of use once */
		return;
	}
	struct vote *v = &(m->m.kind == QPREPARE ? s->prepares : s->commits)[m->sender];
	switch (vote_note(v, vote->view, &vote->block, &m->env.sig)) {
	case VOTE_CONFLICT: { /* V2 */
		e->refused[RULE_V2]++;
		struct qvote first = {.view = v->view, .height = s->height, .block = v->block};
		votes_conflict_found(e, m->sender, m->m.kind, &first, &v->sig, vote, &m->env.sig);
		return;
	}
	case VOTE_KNOWN:
	case VOTE_PAST:
		return;
	case VOTE_NEW:
		break;
	}
	struct qcert cert;
	if (m->m.kind == QCOMMIT &&
	    votes_to_cert(e, s->commits, QCOMMIT, vote->view, vote->height, &vote->block, &cert)) {
		pbft_certify(e, &cert);
		wire_free(WIRE(qcert), &cert);
	}
}
