/*
 * inside.h: what stands inside envelopes, signed by all replicas of a test chain: certificates, proposals,
 * view changes.  Signing anew what a fuzzer has changed is what lets it behind the signatures.
 */
#ifndef QUORATE_FUZZ_INSIDE_H
#define QUORATE_FUZZ_INSIDE_H

#include "block.h"
#include "cert.h"
#include "merkle.h"
#include "rules.h"

#define SIGN_ANEW 0x80 /* in a selector: every signature inside holds */
#define LINK_ANEW 0x40 /* and every certificate is for the block beside it */

static inline bool is_vote(enum qkind kind)
{
	return kind == QPREPARE || kind == QCOMMIT || kind == QCHECKPOINT;
}

static inline void sign_cert(const struct rules *r, struct qcert *c)
{
	struct qmessage m = {.kind = c->kind, .qmessage_u.vote = c->vote};

	if (!is_vote(c->kind))
		return;
	for (unsigned i = 0; i < c->sigs.sigs_len; i++)
		if (c->sigs.sigs_val[i].replica < r->g.n)
			rules_sign(r, c->sigs.sigs_val[i].replica, &m, &c->sigs.sigs_val[i].sig);
}

static inline void sign_proposal(const struct rules *r, unsigned sender, struct qproposal *p)
{
	struct qmessage vote = {.kind = QPREPARE,
	                        .qmessage_u.vote = {.view = p->view, .height = p->header.height}};

	block_hash(&p->header, &vote.qmessage_u.vote.block);
	rules_sign(r, sender, &vote, &p->prepare);
}

static inline struct qenvelope seal(const struct rules *r, unsigned sender, const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = r->g.chain, .sender = sender};

	env.body.body_len = (unsigned)body.len;
	env.body.body_val = body.data;
	ident_sign(r->ids[sender], &r->g.chain, body.data, body.len, &env.sig);
	return env;
}

static inline void anew_inside(const struct rules *r, unsigned sender, struct qmessage *m, uint8_t how);

/* An envelope inside: its body anew, where it is one; then its signature. */
static inline void anew_envelope(const struct rules *r, struct qenvelope *env, uint8_t how)
{
	struct qmessage m;

	if (env->sender >= r->g.n)
		return;
	if (wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &m)) {
		if (m.kind != QNEW_VIEW)
			anew_inside(r, env->sender, &m, how);
		struct bytes body = rules_encode(WIRE(qmessage), &m);
		free(env->body.body_val);
		env->body.body_val = body.data;
		env->body.body_len = (unsigned)body.len;
		wire_free(WIRE(qmessage), &m);
	}
	ident_sign(r->ids[env->sender], &r->g.chain, env->body.body_val, env->body.body_len, &env->sig);
}

static inline void anew_view_change(const struct rules *r, struct qview_change *vc, uint8_t how)
{
	for (unsigned i = 0; i < vc->tip.tip_len; i++)
		sign_cert(r, &vc->tip.tip_val[i]);
	for (unsigned i = 0; i < vc->stable.stable_len; i++)
		sign_cert(r, &vc->stable.stable_val[i]);
	for (unsigned i = 0; i < vc->prepared.prepared_len; i++) {
		struct qprepared *p = &vc->prepared.prepared_val[i];
		if (how & LINK_ANEW)
			block_hash(&p->header, &p->cert.vote.block);
		sign_cert(r, &p->cert);
	}
}

static inline void anew_chain(const struct rules *r, struct qchain *c, uint8_t how)
{
	struct qhash hash;

	for (unsigned i = 0; i < c->headers.headers_len && how & LINK_ANEW; i++) {
		if (i > 0)
			c->headers.headers_val[i].parent = hash;
		block_hash(&c->headers.headers_val[i], &hash);
		c->cert.vote.block = hash;
	}
	sign_cert(r, &c->cert);
}

static inline void anew_inside(const struct rules *r, unsigned sender, struct qmessage *m, uint8_t how)
{
	switch (m->kind) {
	case QPRE_PREPARE:
		sign_proposal(r, sender, &m->qmessage_u.proposal);
		break;
	case QVIEW_CHANGE:
		anew_view_change(r, &m->qmessage_u.view_change, how);
		break;
	case QNEW_VIEW:
		for (unsigned i = 0; i < m->qmessage_u.new_view.changes.changes_len; i++)
			anew_envelope(r, &m->qmessage_u.new_view.changes.changes_val[i], how);
		break;
	case QCHAIN:
		anew_chain(r, &m->qmessage_u.chain, how);
		break;
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
}

/* ---- genuine ones ----------------------------------------------------------------- */

static inline struct qmessage make_vote(enum qkind kind)
{
	struct qmessage m = {.kind = kind};

	m.qmessage_u.vote = (struct qvote){.height = {5}, .block = rules_hash(1)};
	if (kind == QCHECKPOINT)
		m.qmessage_u.vote.state = rules_hash(2);
	else
		m.qmessage_u.vote.view.n = 1;
	return m;
}

/* By the primary of view 1, of two transactions. */
static inline struct qmessage make_proposal(const struct rules *r, uint8_t memo)
{
	struct qmessage m = {.kind = QPRE_PREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;
	struct qhash root;

	p->view.n = 1;
	p->leaves.leaves_len = 2;
	p->leaves.leaves_val = xcalloc(2, sizeof(struct qhash));
	p->leaves.leaves_val[0] = rules_hash(memo);
	p->leaves.leaves_val[1] = rules_hash(9);
	merkle_root(p->leaves.leaves_val, 2, &root);
	p->header = rules_header(5, rules_hash(1), root, 2);
	p->header.proposer = 1;
	sign_proposal(r, 1, p);
	return m;
}

/* View 3; tip at 4, stable checkpoint at 2, prepared 5 and 7. */
static inline struct qmessage make_view_change(const struct rules *r)
{
	struct qmessage m = {.kind = QVIEW_CHANGE};
	struct qview_change *vc = &m.qmessage_u.view_change;
	struct qvote tip = {.view = {1}, .height = {4}, .block = rules_hash(3)};
	struct qvote stable = {.height = {2}, .block = rules_hash(4), .state = rules_hash(5)};

	vc->view.n = 3;
	vc->tip.tip_len = vc->stable.stable_len = 1;
	vc->tip.tip_val = xcalloc(1, sizeof(struct qcert));
	vc->stable.stable_val = xcalloc(1, sizeof(struct qcert));
	vc->tip.tip_val[0] = rules_cert(r, QCOMMIT, &tip, 14);
	vc->stable.stable_val[0] = rules_cert(r, QCHECKPOINT, &stable, 7);
	vc->prepared.prepared_len = 2;
	vc->prepared.prepared_val = xcalloc(2, sizeof(struct qprepared));
	for (unsigned i = 0; i < 2; i++) {
		struct qprepared *p = &vc->prepared.prepared_val[i];
		struct qvote vote = {.view = {2 - i}, .height = {5 + 2 * i}};
		p->header = rules_header(5 + 2 * i, rules_hash(1), rules_hash(2), 1);
		block_hash(&p->header, &vote.block);
		p->cert = rules_cert(r, QPREPARE, &vote, 7);
	}
	return m;
}

static inline struct qmessage make_new_view(const struct rules *r)
{
	struct qmessage m = {.kind = QNEW_VIEW}, vc = make_view_change(r);
	struct qnew_view *nv = &m.qmessage_u.new_view;

	nv->view.n = 3;
	nv->changes.changes_len = 3;
	nv->changes.changes_val = xcalloc(3, sizeof(struct qenvelope));
	for (unsigned i = 0; i < 3; i++)
		nv->changes.changes_val[i] = seal(r, i, &vc);
	wire_free(WIRE(qmessage), &vc);
	return m;
}

static inline struct qmessage make_chain(const struct rules *r)
{
	struct qmessage m = {.kind = QCHAIN};
	struct qchain *c = &m.qmessage_u.chain;
	struct qvote vote = {.view = {1}, .block = rules_hash(1)};

	c->headers.headers_len = 3;
	c->headers.headers_val = xcalloc(3, sizeof(struct qheader));
	for (unsigned i = 0; i < 3; i++) {
		c->headers.headers_val[i] = rules_header(11 + i, vote.block, rules_hash(2), 1);
		vote.height = c->headers.headers_val[i].height;
		block_hash(&c->headers.headers_val[i], &vote.block);
	}
	c->cert = rules_cert(r, QCOMMIT, &vote, 7);
	return m;
}

#endif
