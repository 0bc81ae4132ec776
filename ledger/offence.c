/*
 * offence.c: what convicts a replica so that its stake is penalised: two votes that no honest replica signs
 * both.
 *
 * Before: the engine keeps two such statements as evidence (ledger/evidence.c), and whoever wishes makes a
 * transaction of it.  After: ledger/overlay.c judges whether it still counts, ledger/state.c remembers it.
 */
#include "offence.h"

#include "block.h"
#include "cert.h"

bool offence_well_formed(const struct qoffence *o)
{
	return vote_well_formed(o->kind, &o->first) && vote_well_formed(o->kind, &o->second) &&
	       votes_conflict(&o->first, &o->second);
}

bool offence_verify(const struct genesis *g, const struct qoffence *o)
{
	return offence_well_formed(o) && vote_verify(g, o->replica, o->kind, &o->first, &o->first_sig) &&
	       vote_verify(g, o->replica, o->kind, &o->second, &o->second_sig);
}

/* The vote in a message, with its signature: the envelope's, or the proposer's own. Returns its kind; false:
 * it holds none. */
static bool vote_of(const struct qenvelope *env, const struct qmessage *m, enum qkind *kind,
                    struct qvote *vote, struct qsig *sig)
{
	switch (m->kind) {
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		*kind = m->kind;
		*vote = m->qmessage_u.vote;
		*sig = env->sig;
		return true;
	case QPRE_PREPARE:
		*kind = QPREPARE;
		*vote = (struct qvote){.view = m->qmessage_u.proposal.view,
		                       .height = m->qmessage_u.proposal.header.height};
		block_hash(&m->qmessage_u.proposal.header, &vote->block);
		*sig = m->qmessage_u.proposal.prepare;
		return true;
	case QVIEW_CHANGE:
	case QNEW_VIEW:
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return false;
}

static bool vote_in(const struct qenvelope *env, enum qkind *kind, struct qvote *vote, struct qsig *sig)
{
	struct qmessage m;

	if (!wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &m))
		return false;
	bool ok = vote_of(env, &m, kind, vote, sig);
	wire_free(WIRE(qmessage), &m);
	return ok;
}

bool offence_of(const struct genesis *g, const struct qevidence *ev, struct qoffence *out)
{
	const struct qconflict *c = &ev->qevidence_u.conflict;
	enum qkind second_kind;

	*out = (struct qoffence){0};
	if (ev->kind != QEV_CONFLICT)
		return false;
	out->replica = c->first.sender;
	/* The signatures tell whether both are of this replica and this kind. */
	return vote_in(&c->first, &out->kind, &out->first, &out->first_sig) &&
	       vote_in(&c->second, &second_kind, &out->second, &out->second_sig) && offence_verify(g, out);
}
