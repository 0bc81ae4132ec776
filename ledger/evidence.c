/*
 * evidence.c: checks evidence of misbehaviour with the genesis alone: it must convict the guilty and
 * can never convict the honest.  The engine (consensus/pbft) and the node's pool collect it, the ledger's
 * journal keeps it, the audit checks it here.
 */
#include <stdio.h>

#include "block.h"
#include "cert.h"
#include "evidence.h"
#include "hash.h"
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

/* Of one kind and with different bytes, which the callers checked. */
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
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return false;
}

static uint64_t height_of(unsigned cnt, const struct qcert *cert)
{
	return cnt ? cert->vote.height.n : 0;
}

static const struct qprepared *prepared_at(const struct qview_change *vc, uint64_t height)
{
	for (unsigned i = 0; i < vc->prepared.prepared_len; i++)
		if (vc->prepared.prepared_val[i].cert.vote.height.n == height)
			return &vc->prepared.prepared_val[i];
	return NULL;
}

/* Ends at the first height with nothing: whatever number a liar has put there. */
bool view_change_hides(const struct qvote *commit, const struct qview_change *vc)
{
	uint64_t tip = height_of(vc->tip.tip_len, vc->tip.tip_val);
	uint64_t stable = height_of(vc->stable.stable_len, vc->stable.stable_val);
	uint64_t base = tip > stable ? tip : stable;
	const struct qprepared *below = NULL; /* of the COMMIT's own view */

	if (vc->view.n <= commit->view.n || base >= commit->height.n)
		return false;
	for (uint64_t h = base + 1; h <= commit->height.n; h++) {
		const struct qprepared *p = prepared_at(vc, h);
		if (!p || p->cert.vote.view.n < commit->view.n)
			return true;
		if (p->cert.vote.view.n > commit->view.n) {
			below = NULL;
			continue;
		}
		if (below && !qhash_eq(&p->header.parent, &below->cert.vote.block))
			return true;
		if (h == commit->height.n && !qhash_eq(&p->cert.vote.block, &commit->block))
			return true;
		below = p;
	}
	return false;
}

/* Both of one sender. */
static bool statements_conflict(const struct qmessage *a, const struct qmessage *b)
{
	if (a->kind == QCOMMIT && b->kind == QVIEW_CHANGE)
		return vote_well_formed(QCOMMIT, &a->qmessage_u.vote) &&
		       view_change_hides(&a->qmessage_u.vote, &b->qmessage_u.view_change);
	return a->kind == b->kind && messages_conflict(a, b);
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
		if (x->sender != y->sender || same || !statements_conflict(&a, &b))
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

/* The lowest address that signed both. Without one, a stranger names the output of somebody else: the owner
 * has done nothing. */
static bool common_signer(const struct tx *a, const struct tx *b, struct qaddress *signer)
{
	unsigned i = 0, j = 0;

	while (i < a->q.witnesses.witnesses_len && j < b->q.witnesses.witnesses_len) {
		int order = memcmp(&a->owners[i], &b->owners[j], sizeof *signer);
		if (order == 0) {
			*signer = a->owners[i];
			return true;
		}
		i += order < 0;
		j += order > 0;
	}
	return false;
}

/* The first input of `loser` that `winner` has, too. */
static bool common_output(const struct tx *winner, const struct tx *loser, struct qoutpoint *output)
{
	for (unsigned i = 0; i < loser->q.body.inputs.inputs_len; i++) {
		*output = loser->q.body.inputs.inputs_val[i];
		for (unsigned j = 0; j < winner->q.body.inputs.inputs_len; j++)
			if (memcmp(output, &winner->q.body.inputs.inputs_val[j], sizeof *output) == 0)
				return true;
	}
	return false;
}

static bool double_spend_verify(const struct genesis *g, const struct qdouble_spend *d, struct err *err)
{
	struct tx *winner = signed_tx(g, &d->winner, err);
	struct tx *loser = winner ? signed_tx(g, &d->loser, err) : NULL;
	struct qaddress signer;
	bool ok = winner && loser;

	if (ok && (qtxid_eq(&winner->id, &loser->id) || !tx_conflict(winner, loser)))
		ok = err_set(err, ERR_NO, "the two transactions do not spend one output");
	else if (ok && !common_signer(winner, loser, &signer))
		ok = err_set(err, ERR_NO, "nobody signed both transactions");
	tx_unref(winner);
	tx_unref(loser);
	return ok;
}

/* ---- two chains ------------------------------------------------------------------ */

/* A signer of f->first's COMMITs and its VIEW-CHANGE: decodable, of a later view, hiding that COMMIT. */
static bool hides(const struct qfork *f, const struct qenvelope *env, const struct qmessage *m)
{
	const struct qcert *cert = &f->first.cert;

	return env->sender < Q_REPLICAS_MAX && cert_signers(cert) >> env->sender & 1 &&
	       cert->kind == QCOMMIT && m->kind == QVIEW_CHANGE &&
	       view_change_hides(&cert->vote, &m->qmessage_u.view_change);
}

static bool hiding_verify(const struct genesis *g, const struct qfork *f, struct err *err)
{
	struct qmessage m;

	for (unsigned i = 0; i < f->hiding.hiding_len; i++) {
		const struct qenvelope *env = &f->hiding.hiding_val[i];
		if (i > 0 && env->sender <= f->hiding.hiding_val[i - 1].sender)
			return err_set(err, ERR_NO, "the VIEW-CHANGEs beside the fork are not in order");
		if (!envelope_verify(g, env, &m, err))
			return false;
		bool ok = hides(f, env, &m);
		wire_free(WIRE(qmessage), &m);
		if (!ok)
			return err_set(err, ERR_NO,
			               "the VIEW-CHANGE of replica %u beside the fork hides nothing that it "
			               "signed",
			               env->sender);
	}
	return true;
}

/* Two of one view and height, for different blocks: an honest replica signs at most one PREPARE there. */
static bool prepared_conflict(const struct qfork *f)
{
	const struct qcert *c = f->prepared.prepared_val;

	return f->prepared.prepared_len == 2 && c[0].kind == QPREPARE && c[1].kind == QPREPARE &&
	       votes_conflict(&c[0].vote, &c[1].vote);
}

static bool prepared_verify(const struct genesis *g, const struct qfork *f, struct err *err)
{
	if (f->prepared.prepared_len == 0)
		return true;
	if (!prepared_conflict(f))
		return err_set(err, ERR_NO,
		               "the certificates of PREPAREs beside the fork do not contradict each other");
	if (!cert_verify(g, &f->prepared.prepared_val[0], NULL) ||
	    !cert_verify(g, &f->prepared.prepared_val[1], NULL))
		return err_set(err, ERR_NO, "a certificate of PREPAREs beside the fork does not hold");
	return true;
}

static bool fork_verify(const struct genesis *g, const struct qfork *f, struct err *err)
{
	const struct qchain *chains[] = {&f->first, &f->second};

	for (int i = 0; i < 2; i++) {
		if (!cert_chain_well_formed(g, chains[i]))
			return err_set(err, ERR_NO, "a side of the fork is no certified chain");
		if (!cert_verify(g, &chains[i]->cert, NULL))
			return err_set(err, ERR_NO, "a certificate of the fork does not hold");
	}
	if (!cert_chains_fork(g, &f->first, &f->second))
		return err_set(err, ERR_NO, "the two certified chains do not contradict each other");
	return hiding_verify(g, f, err) && prepared_verify(g, f, err);
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

/* ---- what it is about -------------------------------------------------------------- */

const char *evidence_kind_name(qevidence_kind kind)
{
	switch (kind) {
	case QEV_CONFLICT:
		return "conflict";
	case QEV_BAD_PROPOSAL:
		return "bad_proposal";
	case QEV_DOUBLE_SPEND:
		return "double_spend";
	case QEV_FORK:
		return "fork";
	}
	return "unknown";
}

const char *statement_name(enum qkind kind)
{
	switch (kind) {
	case QPRE_PREPARE:
		return "pre_prepare";
	case QPREPARE:
		return "prepare";
	case QCOMMIT:
		return "commit";
	case QCHECKPOINT:
		return "checkpoint";
	case QVIEW_CHANGE:
		return "view_change";
	case QNEW_VIEW:
		return "new_view";
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
	return "none";
}

/* What was stated, where and in which view. False: nothing that evidence is made of. */
static bool statement_facts(const struct qenvelope *env, enum qkind *kind, struct qview *view,
                            struct qheight *height, struct qhash *hash)
{
	struct qmessage m;

	*view = (struct qview){0};
	*height = (struct qheight){0};
	if (!wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &m))
		return false;
	*kind = m.kind;
	switch (m.kind) {
	case QPRE_PREPARE:
		*view = m.qmessage_u.proposal.view;
		*height = m.qmessage_u.proposal.header.height;
		block_hash(&m.qmessage_u.proposal.header, hash);
		break;
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		*view = m.qmessage_u.vote.view;
		*height = m.qmessage_u.vote.height;
		*hash = m.qmessage_u.vote.block;
		break;
	case QVIEW_CHANGE:
		*view = m.qmessage_u.view_change.view;
		break;
	case QNEW_VIEW:
		*view = m.qmessage_u.new_view.view;
		break;
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		*kind = 0;
		break;
	}
	if (m.kind == QVIEW_CHANGE || m.kind == QNEW_VIEW)
		hash_bytes("quorate/statement/v1", env->body.body_val, env->body.body_len, hash->b);
	wire_free(WIRE(qmessage), &m);
	return *kind != 0;
}

static bool conflict_facts(const struct genesis *g, const struct qconflict *c, struct evidence_facts *out)
{
	struct qheight height;
	struct qview view;
	enum qkind kind;

	if (c->first.sender >= g->n ||
	    !statement_facts(&c->first, &out->statement, &out->view, &out->height, &out->first) ||
	    !statement_facts(&c->second, &kind, &view, &height, &out->second))
		return false;
	out->culprits = UINT64_C(1) << c->first.sender;
	return true;
}

static bool bad_proposal_facts(const struct genesis *g, const struct qenvelope *env,
                               struct evidence_facts *out)
{
	if (env->sender >= g->n ||
	    !statement_facts(env, &out->statement, &out->view, &out->height, &out->first) ||
	    out->statement != QPRE_PREPARE)
		return false;
	out->culprits = UINT64_C(1) << env->sender;
	return true;
}

static bool double_spend_facts(const struct genesis *g, const struct qdouble_spend *d,
                               struct evidence_facts *out)
{
	enum tx_verdict v;
	struct tx *winner = tx_parse(&g->chain, d->winner.qtx_bytes_val, d->winner.qtx_bytes_len, &v);
	struct tx *loser = tx_parse(&g->chain, d->loser.qtx_bytes_val, d->loser.qtx_bytes_len, &v);
	bool ok = winner && loser && common_output(winner, loser, &out->output) &&
	          common_signer(winner, loser, &out->signer);

	if (ok) {
		memcpy(out->first.b, winner->id.b, sizeof out->first.b);
		memcpy(out->second.b, loser->id.b, sizeof out->second.b);
	}
	tx_unref(winner);
	tx_unref(loser);
	return ok;
}

/*
 * An honest replica's COMMITs of one view lie on one chain (CO3), and so do its CHECKPOINTs; of these
 * only those of one height count, for an operator may have replaced a ledger.  One block, on another genesis,
 * is no such pair: who does not know what is below a certified tip may commit on it, but nobody has executed
 * it.
 */
static uint64_t signed_both(const struct qcert *a, const struct qcert *b)
{
	bool commits = a->kind == QCOMMIT && a->vote.view.n == b->vote.view.n;
	bool checkpoints = a->kind == QCHECKPOINT && a->vote.height.n == b->vote.height.n;

	if (a->kind != b->kind || (qhash_eq(&a->vote.block, &b->vote.block) && !checkpoints))
		return 0;
	return commits || checkpoints ? cert_signers(a) & cert_signers(b) : 0;
}

/* The block at height h that the chain shows; false: it does not. */
static bool block_at(const struct qchain *c, uint64_t h, struct qhash *hash)
{
	unsigned cnt = c->headers.headers_len;
	uint64_t first = cnt ? c->headers.headers_val[0].height.n : c->cert.vote.height.n;

	if (h == c->cert.vote.height.n)
		*hash = c->cert.vote.block;
	else if (cnt && h + 1 == first)
		*hash = c->headers.headers_val[0].parent;
	else if (cnt && h >= first && h - first < cnt)
		block_hash(&c->headers.headers_val[h - first], hash);
	else
		return false;
	return true;
}

static bool fork_facts(const struct genesis *g, const struct qfork *f, struct evidence_facts *out)
{
	const struct qchain *a = &f->first, *b = &f->second;
	struct qmessage m;

	if (!cert_chain_well_formed(g, a) || !cert_chain_well_formed(g, b))
		return false;
	out->statement = a->cert.kind;
	out->view = a->cert.vote.view;
	out->culprits = signed_both(&a->cert, &b->cert);
	if (prepared_conflict(f))
		out->culprits |=
		    cert_signers(&f->prepared.prepared_val[0]) & cert_signers(&f->prepared.prepared_val[1]);
	uint64_t low = a->cert.vote.height.n - a->headers.headers_len;
	for (uint64_t h = low; h <= a->cert.vote.height.n; h++)
		if (block_at(a, h, &out->first) && block_at(b, h, &out->second) &&
		    !qhash_eq(&out->first, &out->second)) {
			out->height = qheight_of(h);
			break;
		}
	if (out->height.n == 0) { /* one of them is on another genesis */
		out->first = a->cert.vote.block;
		out->second = b->cert.vote.block;
	}
	for (unsigned i = 0; i < f->hiding.hiding_len; i++) {
		const struct qenvelope *env = &f->hiding.hiding_val[i];
		if (env->sender >= g->n ||
		    !wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &m))
			return false;
		if (hides(f, env, &m))
			out->culprits |= UINT64_C(1) << env->sender;
		wire_free(WIRE(qmessage), &m);
	}
	return true;
}

bool evidence_facts(const struct genesis *g, const struct qevidence *ev, struct evidence_facts *out)
{
	*out = (struct evidence_facts){0};
	switch (ev->kind) {
	case QEV_CONFLICT:
		return conflict_facts(g, &ev->qevidence_u.conflict, out);
	case QEV_BAD_PROPOSAL:
		return bad_proposal_facts(g, &ev->qevidence_u.proposal, out);
	case QEV_DOUBLE_SPEND:
		return double_spend_facts(g, &ev->qevidence_u.double_spend, out);
	case QEV_FORK:
		return fork_facts(g, &ev->qevidence_u.fork, out);
	}
	return false;
}
