/*
 * evidence.c: checks evidence of misbehaviour with the genesis alone: it must convict the guilty and
 * can never convict the honest.  The engine (consensus/pbft) and the node's pool collect it, the ledger's
 * journal keeps it, the audit checks it here.
 */
#include <stdio.h>

#include "block.h"
#include "cert.h"
#include "evidence.h"
#include "seal.h"

bool envelope_verify(const struct genesis *g, const struct qenvelope *env, struct qmessage *m,
                     struct err *err)
{
	if (!qhash_eq(&env->chain, &g->chain))
		return err_set(err, ERR_NO, "an envelope is of another chain");
	if (env->sender >= g->n)
		return err_set(err, ERR_NO, "an envelope's sender %u is no replica", env->sender);
	if (!ident_verify(&g->g.replicas.replicas_val[env->sender].key, &g->chain, env->body.body_val,
	                  env->body.body_len, &env->sig))
		return err_set(err, ERR_NO, "the signature of replica %u on an envelope does not hold",
		               env->sender);
	if (!wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, m))
		return err_set(err, ERR_NO, "an envelope of replica %u holds no canonical message",
		               env->sender);
	return true;
}

/* ---- two statements of one replica --------------------------------------------- */

static bool proposals_conflict(const struct qproposal *a, const struct qproposal *b)
{
	struct qhash ha, hb;
	block_hash(&a->header, &ha);
	block_hash(&b->header, &hb);
	return a->view.n == b->view.n && a->header.height.n == b->header.height.n && !qhash_eq(&ha, &hb);
}

/* Of one kind and with different content, which the caller checked. */
static bool messages_conflict(const struct qmessage *a, const struct qmessage *b)
{
	switch (a->kind) {
	case QPRE_PREPARE:
		return proposals_conflict(&a->qmessage_u.proposal, &b->qmessage_u.proposal);
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		return vote_well_formed(a->kind, &a->qmessage_u.vote) &&
		       vote_well_formed(b->kind, &b->qmessage_u.vote) &&
		       votes_conflict(&a->qmessage_u.vote, &b->qmessage_u.vote);
	case QVIEW_CHANGE:
		return a->qmessage_u.view_change.view.n == b->qmessage_u.view_change.view.n;
	case QNEW_VIEW:
		return a->qmessage_u.new_view.view.n == b->qmessage_u.new_view.view.n;
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
		break;
	}
	return false;
}

static bool conflict_verify(const struct genesis *g, const struct qconflict *c, struct err *err)
{
	const struct qenvelope *x = &c->first, *y = &c->second;
	struct qmessage a, b;

	if (!envelope_verify(g, x, &a, err))
		return false;
	bool ok = envelope_verify(g, y, &b, err);
	if (ok) {
		bool same = x->body.body_len == y->body.body_len &&
		            memcmp(x->body.body_val, y->body.body_val, x->body.body_len) == 0;
		if (x->sender != y->sender || a.kind != b.kind || same || !messages_conflict(&a, &b))
			ok = err_set(err, ERR_NO, "the two statements do not contradict each other");
		wire_free(WIRE(qmessage), &b);
	}
	wire_free(WIRE(qmessage), &a);
	return ok;
}

/* ---- one proposal that is invalid by itself ------------------------------------- */

bool proposal_well_formed(const struct genesis *g, unsigned sender, const struct qproposal *p)
{
	const struct qheader *h = &p->header;
	struct qhash hash;

	block_hash(h, &hash);
	return h->format == 1 && h->proposer == sender && seal_holds(g, h, &hash) &&
	       h->tx_count <= g->g.params.block_txs_max &&
	       block_leaves_match(h, p->leaves.leaves_val, p->leaves.leaves_len);
}

static bool bad_proposal_verify(const struct genesis *g, const struct qenvelope *env, struct err *err)
{
	struct qmessage m;
	if (!envelope_verify(g, env, &m, err))
		return false;
	bool ok = true;
	if (m.kind != QPRE_PREPARE)
		ok = err_set(err, ERR_NO, "the envelope holds no proposal");
	else if (proposal_well_formed(g, env->sender, &m.qmessage_u.proposal))
		ok = err_set(err, ERR_NO, "nothing that the proposal shows by itself is wrong");
	wire_free(WIRE(qmessage), &m);
	return ok;
}

/* ---- two spends of one output ---------------------------------------------------- */

static struct tx *signed_tx(const struct genesis *g, const qtx_bytes *raw, struct err *err)
{
	enum tx_verdict v;
	struct tx *tx = tx_parse(&g->chain, raw->qtx_bytes_val, raw->qtx_bytes_len, &v);
	if (tx && !tx_verify(g, tx)) {
		v = TX_BAD_SIGNATURE;
		tx_unref(tx);
		tx = NULL;
	}
	if (!tx)
		err_set(err, ERR_NO, "a transaction of the double spend is invalid: %s",
		        tx_verdict_info(v)->text);
	return tx;
}

static bool double_spend_verify(const struct genesis *g, const struct qdouble_spend *d, struct err *err)
{
	struct tx *winner = signed_tx(g, &d->winner, err);
	struct tx *loser = winner ? signed_tx(g, &d->loser, err) : NULL;
	bool ok = winner && loser;

	if (ok && (qtxid_eq(&winner->id, &loser->id) || !tx_conflict(winner, loser)))
		ok = err_set(err, ERR_NO, "the two transactions do not spend one output");
	tx_unref(winner);
	tx_unref(loser);
	return ok;
}

/* ---- two chains ------------------------------------------------------------------ */

static bool fork_verify(const struct genesis *g, const struct qfork *f, struct err *err)
{
	const struct qchain *chains[] = {&f->first, &f->second};

	for (int i = 0; i < 2; i++) {
		if (!cert_chain_well_formed(g, chains[i]))
			return err_set(err, ERR_NO, "a side of the fork is no certified chain");
		if (!cert_verify(g, &chains[i]->cert, NULL))
			return err_set(err, ERR_NO, "a certificate of the fork does not hold");
	}
	return cert_chains_fork(g, &f->first, &f->second) ||
	       err_set(err, ERR_NO, "the two certified chains do not contradict each other");
}

bool evidence_verify(const struct genesis *g, const struct qevidence *ev, struct err *err)
{
	switch (ev->kind) {
	case QEV_CONFLICT:
		return conflict_verify(g, &ev->qevidence_u.conflict, err);
	case QEV_BAD_PROPOSAL:
		return bad_proposal_verify(g, &ev->qevidence_u.proposal, err);
	case QEV_DOUBLE_SPEND:
		return double_spend_verify(g, &ev->qevidence_u.double_spend, err);
	case QEV_FORK:
		return fork_verify(g, &ev->qevidence_u.fork, err);
	}
	return err_set(err, ERR_NO, "evidence of an unknown kind");
}
