/*
 * message.c: authenticated messages: the only way from a peer's bytes to what an engine accepts.
 *
 * Before: net/link received a frame; a worker (node/verify) calls message_open().  After: the
 * engine gets the message by IN_MESSAGE; all that can be judged without its state was judged here.
 *
 * The order is: chain and sender, the envelope's signature over the opaque body, canonical
 * decoding, shape (cheap), signatures inside (dear); the first failure ends it.
 *
 * Cost, with n replicas, quorum <= n, window W: signature checks per envelope are at most
 *     1                            votes, STATUS, TXS, BODY, GET_*
 *     2                            PRE-PREPARE
 *     1 + n                        CHAIN
 *     1 + (W + 2) n                VIEW-CHANGE
 *     1 + n (1 + (W + 2) n)        NEW-VIEW
 *     1 + 2048 or, of several pieces, one for each 68 bytes of MESSAGE_EVIDENCE_BYTES    EVIDENCE
 * (CHAIN 5, VIEW-CHANGE 73, NEW-VIEW 293 for n = 4 and W = 16).
 * Each check reads its own 64 bytes of the frame, so whatever n and W are no frame costs more than
 * Q_FRAME_MAX / 64 = 131072 checks, and none is made unless a replica of this chain signed the
 * envelope around it.  A NEW-VIEW's changes are opened by the same function: its recursion
 * ends there, since they are refused before decoding unless they are VIEW-CHANGEs.
 */
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "evidence.h"
#include "hash.h"
#include "message.h"

#define MESSAGE_TAG "quorate/message/v1"

const char *open_verdict_text(enum open_verdict v)
{
	static const char *const texts[] = {
#define V(name, text) [name] = (text),
	    OPEN_VERDICTS(V)
#undef V
	};
	must((size_t)v < sizeof texts / sizeof *texts);
	return texts[v];
}

/* ---- shape: rules that cost no signature check ---------------------------- */

/* Makes a block final: what a certified tip or the end of a CHAIN needs. */
static bool is_final(const struct genesis *g, const struct qcert *c)
{
	return (c->kind == QCOMMIT || c->kind == QCHECKPOINT) && cert_well_formed(g, c);
}

static bool proposal_shape(const struct qproposal *p)
{
	return p->header.height.n > 0 && p->header.height.n <= CERT_NUMBER_MAX &&
	       p->view.n <= CERT_NUMBER_MAX;
}

/* Heights above the tip, ascending, within the window; each prepared in a view below the one asked for. */
static bool prepared_shape(const struct genesis *g, const struct qview_change *vc)
{
	uint64_t tip = vc->tip.tip_len ? vc->tip.tip_val[0].vote.height.n : 0, below = tip;

	for (unsigned i = 0; i < vc->prepared.prepared_len; i++) {
		const struct qprepared *p = &vc->prepared.prepared_val[i];
		uint64_t height = p->header.height.n;
		struct qhash hash;

		if (height <= below || height - tip > g->g.params.window)
			return false;
		below = height;
		if (p->cert.kind != QPREPARE || !cert_well_formed(g, &p->cert))
			return false;
		if (p->cert.vote.view.n >= vc->view.n || p->cert.vote.height.n != height)
			return false;
		block_hash(&p->header, &hash);
		if (!qhash_eq(&p->cert.vote.block, &hash))
			return false;
	}
	return true;
}

static bool view_change_shape(const struct genesis *g, const struct qview_change *vc)
{
	if (vc->view.n == 0 || vc->view.n > CERT_NUMBER_MAX)
		return false;
	if (vc->tip.tip_len && !is_final(g, &vc->tip.tip_val[0]))
		return false;
	if (vc->stable.stable_len &&
	    (vc->stable.stable_val[0].kind != QCHECKPOINT || !cert_well_formed(g, &vc->stable.stable_val[0])))
		return false;
	return prepared_shape(g, vc);
}

/* What of a NEW-VIEW shows without opening its changes. */
static bool new_view_shape(const struct genesis *g, unsigned sender, const struct qnew_view *nv)
{
	unsigned cnt = nv->changes.changes_len;

	if (nv->view.n == 0 || sender != nv->view.n % g->n || cnt < g->quorum || cnt > g->n)
		return false;
	for (unsigned i = 1; i < cnt; i++)
		if (nv->changes.changes_val[i].sender <= nv->changes.changes_val[i - 1].sender)
			return false;
	return nv->view.n <= CERT_NUMBER_MAX;
}

/* f + 1 may move this replica to the view that they ask for; the other numbers are but compared. */
static bool status_shape(const struct genesis *g, const struct qstatus *s)
{
	return s->slots.slots_len <= g->g.params.window && s->asked.n <= CERT_NUMBER_MAX;
}

/* As much as an honest replica puts into one: several small pieces, or one. */
static bool evidence_shape(const struct message *msg)
{
	return msg->m.qmessage_u.evidence.list.list_len <= 1 ||
	       msg->env.body.body_len <= MESSAGE_EVIDENCE_BYTES;
}

static bool has_shape(const struct genesis *g, const struct message *msg)
{
	const struct qmessage *m = &msg->m;

	switch (m->kind) {
	case QPRE_PREPARE:
		return proposal_shape(&m->qmessage_u.proposal);
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		return vote_well_formed(m->kind, &m->qmessage_u.vote);
	case QVIEW_CHANGE:
		return view_change_shape(g, &m->qmessage_u.view_change);
	case QNEW_VIEW:
		return new_view_shape(g, msg->sender, &m->qmessage_u.new_view);
	case QSTATUS:
		return status_shape(g, &m->qmessage_u.status);
	case QCHAIN:
		return cert_chain_well_formed(g, &m->qmessage_u.chain);
	case QEVIDENCE:
		return evidence_shape(msg);
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
		return true; /* the schema's bounds say it all */
	}
	return false;
}

/* ---- signatures inside ---------------------------------------------------- */

static bool proposal_holds(const struct genesis *g, unsigned sender, const struct qproposal *p)
{
	struct qvote vote = {.view = p->view, .height = p->header.height};

	block_hash(&p->header, &vote.block);
	return vote_verify(g, sender, QPREPARE, &vote, &p->prepare);
}

static bool view_change_holds(const struct genesis *g, const struct qview_change *vc)
{
	if (vc->tip.tip_len && !cert_verify(g, &vc->tip.tip_val[0], NULL))
		return false;
	if (vc->stable.stable_len && !cert_verify(g, &vc->stable.stable_val[0], NULL))
		return false;
	for (unsigned i = 0; i < vc->prepared.prepared_len; i++)
		if (!cert_verify(g, &vc->prepared.prepared_val[i].cert, NULL))
			return false;
	return true;
}

/* An honest replica hands on only what it has checked itself. */
static bool evidence_holds(const struct genesis *g, const struct qevidences *e)
{
	struct evidence_facts facts;

	for (unsigned i = 0; i < e->list.list_len; i++)
		if (!evidence_verify(g, &e->list.list_val[i], NULL) ||
		    !evidence_facts(g, &e->list.list_val[i], &facts))
			return false;
	return true;
}

/* Does the undecoded body begin with this kind?  XDR writes a union's case first, as 4 bytes. */
static bool body_is(const struct qenvelope *env, enum qkind kind)
{
	const uint8_t want[4] = {0, 0, 0, (uint8_t)kind};

	return env->body.body_len >= sizeof want && memcmp(env->body.body_val, want, sizeof want) == 0;
}

/* Opens the changes of a NEW-VIEW; each must be a VIEW-CHANGE for exactly its view. */
static enum open_verdict open_changes(const struct genesis *g, struct message *msg)
{
	const struct qnew_view *nv = &msg->m.qmessage_u.new_view;

	msg->changes = xcalloc(nv->changes.changes_len, sizeof(struct message *));
	for (unsigned i = 0; i < nv->changes.changes_len; i++) {
		const struct qenvelope *env = &nv->changes.changes_val[i];
		enum open_verdict v;
		if (!body_is(env, QVIEW_CHANGE))
			return OPEN_MALFORMED;
		struct message *change = message_open(g, env, &v);
		if (!change)
			return v == OPEN_BAD_SIGNATURE || v == OPEN_BAD_CERTIFICATE ? OPEN_BAD_CERTIFICATE
			                                                            : OPEN_MALFORMED;
		msg->changes[i] = change;
		if (change->m.qmessage_u.view_change.view.n != nv->view.n)
			return OPEN_MALFORMED;
	}
	return OPEN_OK;
}

static enum open_verdict check_inside(const struct genesis *g, struct message *msg)
{
	const struct qmessage *m = &msg->m;
	bool holds = true;

	switch (m->kind) {
	case QPRE_PREPARE:
		holds = proposal_holds(g, msg->sender, &m->qmessage_u.proposal);
		break;
	case QVIEW_CHANGE:
		holds = view_change_holds(g, &m->qmessage_u.view_change);
		break;
	case QNEW_VIEW:
		return open_changes(g, msg);
	case QCHAIN:
		holds = cert_verify(g, &m->qmessage_u.chain.cert, NULL);
		break;
	case QEVIDENCE:
		holds = evidence_holds(g, &m->qmessage_u.evidence);
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
		break;
	}
	return holds ? OPEN_OK : OPEN_BAD_CERTIFICATE;
}

/* ---- opening -------------------------------------------------------------- */

/* Takes the envelope's body and decodes it: NULL, and nothing is taken, unless it is canonical. Judges
 * nothing else. */
static struct message *message_new_take(struct qenvelope *env)
{
	struct message *msg = xcalloc(1, sizeof *msg);
	const uint8_t *body = env->body.body_val;

	atomic_init(&msg->refs, 1);
	msg->sender = env->sender;
	if (!wire_decode_in(&msg->arena, WIRE(qmessage), body, env->body.body_len, &msg->m)) {
		wire_arena_free(&msg->arena);
		free(msg);
		return NULL;
	}
	msg->env = *env;
	env->body.body_val = NULL;
	env->body.body_len = 0;
	return msg;
}

static struct qenvelope copy_of(const struct qenvelope *env)
{
	struct qenvelope copy = *env;

	copy.body.body_val = xmemdup(env->body.body_val, env->body.body_len);
	return copy;
}

static enum open_verdict check_envelope(const struct genesis *g, const struct qenvelope *env)
{
	if (!qhash_eq(&env->chain, &g->chain))
		return OPEN_OTHER_CHAIN;
	if (env->sender >= g->n)
		return OPEN_STRANGER;
	if (!ident_verify(&g->g.replicas.replicas_val[env->sender].key, &g->chain, env->body.body_val,
	                  env->body.body_len, &env->sig))
		return OPEN_BAD_SIGNATURE;
	return OPEN_OK;
}

struct message *message_open_take(const struct genesis *g, struct qenvelope *env, enum open_verdict *verdict)
{
	struct message *msg = NULL;

	*verdict = check_envelope(g, env);
	if (*verdict == OPEN_OK) {
		msg = message_new_take(env);
		*verdict = msg && has_shape(g, msg) ? check_inside(g, msg) : OPEN_MALFORMED;
	}
	if (*verdict == OPEN_OK)
		return msg;
	if (msg) { /* given back */
		env->body = msg->env.body;
		msg->env.body.body_val = NULL;
		message_unref(msg);
	}
	return NULL;
}

struct message *message_open(const struct genesis *g, const struct qenvelope *env, enum open_verdict *verdict)
{
	struct qenvelope copy = copy_of(env);
	struct message *msg = message_open_take(g, &copy, verdict);

	if (!msg)
		wire_free(WIRE(qenvelope), &copy);
	return msg;
}

struct message *message_ref(struct message *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void message_unref(struct message *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) > 1)
		return;
	if (m->changes)
		for (unsigned i = 0; i < m->m.qmessage_u.new_view.changes.changes_len; i++)
			message_unref(m->changes[i]);
	free(m->changes);
	wire_arena_free(&m->arena);
	free(m->env.body.body_val);
	free(m);
}

/* ---- making --------------------------------------------------------------- */

struct message *message_make(const struct genesis *g, unsigned sender, const struct signer *s,
                             const struct qmessage *m)
{
	struct bytes body;
	struct qenvelope env = {.chain = g->chain, .sender = sender};
	struct message *msg;

	must(sender < g->n);
	must(wire_encode(WIRE(qmessage), m, &body));
	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	s->sign(s->ctx, body.data, body.len, &env.sig);
	msg = message_new_take(&env);
	must(msg);
	if (m->kind == QNEW_VIEW) {
		/* The changes were opened when they came in, so their signatures are not checked again. */
		const struct qnew_view *nv = &msg->m.qmessage_u.new_view;
		msg->changes = xcalloc(nv->changes.changes_len, sizeof(struct message *));
		for (unsigned i = 0; i < nv->changes.changes_len; i++) {
			env = copy_of(&nv->changes.changes_val[i]);
			msg->changes[i] = message_new_take(&env);
			must(msg->changes[i] && msg->changes[i]->m.kind == QVIEW_CHANGE);
		}
	}
	return msg;
}

/* ---- identity ------------------------------------------------------------- */

bool message_same_body(const struct message *a, const struct message *b)
{
	const struct qenvelope *x = &a->env, *y = &b->env;

	return x->body.body_len == y->body.body_len &&
	       memcmp(x->body.body_val, y->body.body_val, x->body.body_len) == 0;
}

struct qhash message_id(const struct message *m)
{
	struct qhash id = {0};

	hash_bytes(MESSAGE_TAG, m->env.body.body_val, m->env.body.body_len, id.b);
	return id;
}
