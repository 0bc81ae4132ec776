/*
 * audit_views.c: what a NEW-VIEW out of a journal shows against those who signed a certificate.
 *
 * It is anybody's bytes.  Its envelope is verified when it is opened; what stands inside only when it would
 * tell something (new_view_holds()), for that may be thousands of signatures.
 */
#include <stdlib.h>

#include "audit_impl.h"
#include "carry.h"
#include "evidence.h"

struct opened {
	const struct genesis *g;
	struct qmessage m;
	struct qmessage changes[Q_REPLICAS_MAX]; /* as many as in m; VIEW-CHANGEs */
	unsigned change_cnt;
	bool checked, holds; /* the signatures inside */
};

/* ---- opening ------------------------------------------------------------------------ */

static bool is_final(const struct genesis *g, const struct qcert *c)
{
	return (c->kind == QCOMMIT || c->kind == QCHECKPOINT) && cert_well_formed(g, c);
}

static bool prepared_has_shape(const struct genesis *g, const struct qview_change *vc)
{
	uint64_t tip = vc->tip.tip_len ? vc->tip.tip_val[0].vote.height.n : 0, below = tip;

	for (unsigned i = 0; i < vc->prepared.prepared_len; i++) {
		const struct qprepared *p = &vc->prepared.prepared_val[i];
		const struct qvote *vote = &p->cert.vote;
		struct qhash hash;
		if (p->cert.kind != QPREPARE || !cert_well_formed(g, &p->cert) || vote->view.n >= vc->view.n)
			return false;
		if (p->header.height.n <= below || p->header.height.n - tip > g->g.params.window)
			return false;
		block_hash(&p->header, &hash);
		if (vote->height.n != p->header.height.n || !qhash_eq(&vote->block, &hash))
			return false;
		below = p->header.height.n;
	}
	return true;
}

/* As every replica asks before it enters the view. */
static bool change_has_shape(const struct genesis *g, const struct qmessage *m, struct qview view)
{
	const struct qview_change *vc = &m->qmessage_u.view_change;

	return m->kind == QVIEW_CHANGE && vc->view.n == view.n &&
	       (!vc->tip.tip_len || is_final(g, vc->tip.tip_val)) &&
	       (!vc->stable.stable_len ||
	        (vc->stable.stable_val->kind == QCHECKPOINT && is_final(g, vc->stable.stable_val))) &&
	       prepared_has_shape(g, vc);
}

static bool open_changes(struct opened *o)
{
	const struct qnew_view *nv = &o->m.qmessage_u.new_view;
	unsigned cnt = nv->changes.changes_len;

	if (cnt < o->g->quorum || cnt > o->g->n)
		return false;
	for (unsigned i = 0; i < cnt; i++) {
		const struct qenvelope *env = &nv->changes.changes_val[i];
		if (env->sender >= o->g->n || (i > 0 && env->sender <= nv->changes.changes_val[i - 1].sender))
			return false;
		if (!wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &o->changes[i]))
			return false;
		o->change_cnt++;
		if (!change_has_shape(o->g, &o->changes[i], nv->view))
			return false;
	}
	return true;
}

struct opened *new_view_open(const struct genesis *g, const struct qenvelope *env)
{
	struct opened *o = xcalloc(1, sizeof *o);
	const struct qnew_view *nv = &o->m.qmessage_u.new_view;

	o->g = g;
	if (!envelope_verify(g, env, &o->m, NULL)) {
		free(o);
		return NULL;
	}
	if (o->m.kind == QNEW_VIEW && nv->view.n > 0 && nv->view.n <= CERT_NUMBER_MAX &&
	    env->sender == nv->view.n % g->n && open_changes(o))
		return o;
	new_view_close(o);
	return NULL;
}

void new_view_close(struct opened *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < o->change_cnt; i++)
		wire_free(WIRE(qmessage), &o->changes[i]);
	wire_free(WIRE(qmessage), &o->m);
	free(o);
}

struct qview new_view_of(const struct opened *o)
{
	return o->m.qmessage_u.new_view.view;
}

static const struct qview_change *change(const struct opened *o, unsigned i)
{
	return &o->changes[i].qmessage_u.view_change;
}

/* ---- signatures inside -------------------------------------------------------------- */

static bool change_holds(const struct opened *o, unsigned i)
{
	const struct qview_change *vc = change(o, i);
	struct qmessage m;

	if (!envelope_verify(o->g, &o->m.qmessage_u.new_view.changes.changes_val[i], &m, NULL))
		return false;
	wire_free(WIRE(qmessage), &m);
	if ((vc->tip.tip_len && !cert_verify(o->g, vc->tip.tip_val, NULL)) ||
	    (vc->stable.stable_len && !cert_verify(o->g, vc->stable.stable_val, NULL)))
		return false;
	for (unsigned k = 0; k < vc->prepared.prepared_len; k++)
		if (!cert_verify(o->g, &vc->prepared.prepared_val[k].cert, NULL))
			return false;
	return true;
}

bool new_view_holds(struct opened *o)
{
	if (!o->checked) {
		o->checked = o->holds = true;
		for (unsigned i = 0; i < o->change_cnt && o->holds; i++)
			o->holds = change_holds(o, i);
	}
	return o->holds;
}

void new_view_certs(const struct opened *o, void (*each)(void *ctx, const struct qcert *cert), void *ctx)
{
	for (unsigned i = 0; i < o->change_cnt; i++) {
		if (change(o, i)->tip.tip_len)
			each(ctx, change(o, i)->tip.tip_val);
		if (change(o, i)->stable.stable_len)
			each(ctx, change(o, i)->stable.stable_val);
	}
}

/* ---- what it shows ------------------------------------------------------------------ */

/* Does it carry the certificate's block over, which the ledger holds? */
static bool carries(const struct opened *o, const struct qcert *cert, const struct book *b)
{
	const struct qview_change *changes[Q_REPLICAS_MAX];
	const struct qprepared *blocks[Q_WINDOW_MAX];
	const struct qcert *start;

	for (unsigned i = 0; i < o->change_cnt; i++)
		changes[i] = change(o, i);
	size_t cnt = carry_over(o->g, changes, o->change_cnt, &start, blocks);
	if (start && start->vote.height.n >= cert->vote.height.n)
		return book_holds(b, &start->vote);
	for (size_t i = 0; i < cnt; i++)
		if (blocks[i]->cert.vote.height.n == cert->vote.height.n)
			return qhash_eq(&blocks[i]->cert.vote.block, &cert->vote.block);
	return false;
}

static bool signed_by(const struct qcert *cert, unsigned replica)
{
	return cert_signers(cert) >> replica & 1;
}

/* The first certificate of PREPAREs that V has of this view and height. */
static const struct qcert *first_prepared(const struct opened *o, const struct qvote *vote)
{
	for (unsigned i = 0; i < o->change_cnt; i++)
		for (unsigned k = 0; k < change(o, i)->prepared.prepared_len; k++) {
			const struct qcert *c = &change(o, i)->prepared.prepared_val[k].cert;
			if (c->vote.view.n == vote->view.n && c->vote.height.n == vote->height.n)
				return c;
		}
	return NULL;
}

/* Two blocks prepared in the certificate's view, at its height or below. */
static void find_prepared(const struct opened *o, const struct qcert *cert, struct charge *out)
{
	for (unsigned i = 0; i < o->change_cnt; i++)
		for (unsigned k = 0; k < change(o, i)->prepared.prepared_len; k++) {
			const struct qcert *c = &change(o, i)->prepared.prepared_val[k].cert;
			if (c->vote.view.n != cert->vote.view.n || c->vote.height.n > cert->vote.height.n)
				continue;
			const struct qcert *first = first_prepared(o, &c->vote);
			if (!votes_conflict(&first->vote, &c->vote))
				continue;
			out->prepared[0] = first;
			out->prepared[1] = c;
			out->culprits |= cert_signers(first) & cert_signers(c);
			return;
		}
}

void new_view_charge(const struct opened *o, const struct qcert *cert, const struct book *b,
                     struct charge *out)
{
	*out = (struct charge){.view = new_view_of(o)};
	for (unsigned i = 0; i < o->change_cnt; i++) {
		const struct qenvelope *env = &o->m.qmessage_u.new_view.changes.changes_val[i];
		if (!signed_by(cert, env->sender) || !view_change_hides(&cert->vote, change(o, i)))
			continue;
		out->hiding[out->hiding_cnt++] = env;
		out->culprits |= UINT64_C(1) << env->sender;
	}
	out->drops = !carries(o, cert, b);
	if (out->drops && out->hiding_cnt <= o->g->f)
		find_prepared(o, cert, out);
}
