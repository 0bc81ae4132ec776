/*
 * world_traitor.c: what a traitor can do: sign anything with its own key, and use every vote that was
 * ever shown to anybody.  See world.h.
 */
#include "merkle.h"
#include "world.h"

void traitor_message(struct world *w, unsigned i, const struct qmessage *m, uint64_t to)
{
	struct message *made = world_sign(w, i, m);
	must(w->r[i].traitor);
	world_send(w, i, made, to);
	message_unref(made);
}

const struct wblock *traitor_block(struct world *w, unsigned proposer, uint64_t height,
                                   const struct qhash *parent)
{
	struct qhash leaf = world_fresh_leaf(w);
	struct wblock *below = world_block(w, parent);
	struct qheader h = {.format = 1, .height = qheight_of(height), .parent = *parent, .tx_count = 1};
	h.proposer = proposer;
	h.time_ms = (below ? below->header.time_ms : w->g.g.time_ms) + 1 + w->leaf_serial;
	merkle_root(&leaf, 1, &h.merkle_root);
	if (w->g.g.seal.kind == QSEAL_POW) {
		struct seal_parent p = world_seal_parent(w, parent);
		seal_prepare(&w->g, &p, &h.seal);
		world_mine(w, &h);
	}
	struct wblock *b = world_note_block(w, &h, &leaf, 1);
	b->holds |= world_liars(w);
	return b;
}

void traitor_propose(struct world *w, unsigned i, uint64_t view, const struct wblock *b, uint64_t to)
{
	struct qmessage m = {.kind = QPRE_PREPARE}, vote = {.kind = QPREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;
	vote.qmessage_u.vote =
	    (struct qvote){.view = qview_of(view), .height = b->header.height, .block = b->hash};
	struct message *prepare = world_sign(w, i, &vote);
	p->view = qview_of(view);
	p->header = b->header;
	p->leaves.leaves_len = (u_int)b->leaf_cnt;
	p->leaves.leaves_val = b->leaves;
	p->prepare = prepare->env.sig;
	message_unref(prepare);
	traitor_message(w, i, &m, to);
}

void traitor_vote(struct world *w, unsigned i, enum qkind kind, uint64_t view, const struct wblock *b,
                  uint64_t to)
{
	struct qmessage m = {.kind = kind};
	m.qmessage_u.vote =
	    (struct qvote){.view = qview_of(view), .height = b->header.height, .block = b->hash};
	traitor_message(w, i, &m, to);
}

bool traitor_cert(struct world *w, enum qkind kind, uint64_t view, const struct wblock *b, struct qcert *cert)
{
	struct qmessage m = {.kind = kind};
	m.qmessage_u.vote =
	    (struct qvote){.view = qview_of(view), .height = b->header.height, .block = b->hash};
	*cert = (struct qcert){.kind = kind, .vote = m.qmessage_u.vote};
	cert->sigs.sigs_val = xcalloc(w->n, sizeof *cert->sigs.sigs_val);
	for (unsigned i = 0; i < w->n; i++) {
		struct qcert_sig *s = &cert->sigs.sigs_val[cert->sigs.sigs_len];
		const struct qsig *shown = check_vote_of(w, i, kind, view, b->header.height.n, &b->hash);
		s->replica = i;
		if (shown) {
			s->sig = *shown;
		} else if (w->r[i].traitor) {
			struct message *own = world_sign(w, i, &m);
			s->sig = own->env.sig;
			message_unref(own);
		} else {
			continue;
		}
		cert->sigs.sigs_len++;
	}
	if (cert->sigs.sigs_len >= w->q)
		return true;
	wire_free(WIRE(qcert), cert);
	return false;
}

static void must_cert(struct world *w, enum qkind kind, uint64_t view, const struct wblock *b,
                      struct qcert *cert)
{
	if (!traitor_cert(w, kind, view, b, cert))
		world_broken(w, "the story's traitor has no certificate for %s in view %llu", b->name,
		             (unsigned long long)view);
}

void traitor_view_change(struct world *w, unsigned i, uint64_t view, const struct claim *c, uint64_t to)
{
	struct qmessage m = {.kind = QVIEW_CHANGE};
	struct qview_change *vc = &m.qmessage_u.view_change;
	struct qcert tip;
	struct qprepared prepared[4];
	vc->view = qview_of(view);
	vc->prepared.prepared_val = prepared;
	if (c->tip) {
		must_cert(w, QCOMMIT, c->tip_view, c->tip, &tip);
		vc->tip.tip_len = 1;
		vc->tip.tip_val = &tip;
	}
	if (c->stable) {
		struct qcert stable = *c->stable;
		vc->stable.stable_len = 1;
		vc->stable.stable_val = &stable;
	}
	for (unsigned k = 0; k < 4 && c->prepared[k].block; k++) {
		struct qprepared *p = &prepared[vc->prepared.prepared_len++];
		p->header = c->prepared[k].block->header;
		must_cert(w, QPREPARE, c->prepared[k].view, c->prepared[k].block, &p->cert);
	}
	traitor_message(w, i, &m, to);
	if (c->tip)
		wire_free(WIRE(qcert), &tip);
	for (unsigned k = 0; k < vc->prepared.prepared_len; k++)
		wire_free(WIRE(qcert), &prepared[k].cert);
}

void traitor_new_view(struct world *w, unsigned i, uint64_t view, uint64_t changes, uint64_t to)
{
	struct qmessage m = {.kind = QNEW_VIEW};
	struct qnew_view *nv = &m.qmessage_u.new_view;
	struct qenvelope envs[Q_REPLICAS_MAX];
	nv->view = qview_of(view);
	nv->changes.changes_val = envs;
	for (unsigned k = 0; k < w->n; k++) {
		if (!(changes & ONLY(k)))
			continue;
		const struct message *vc = check_view_change_of(w, k, view);
		if (!vc)
			world_broken(w, "the story's traitor has no VIEW-CHANGE of %u for view %llu", k,
			             (unsigned long long)view);
		envs[nv->changes.changes_len++] = vc->env; /* borrowed */
	}
	traitor_message(w, i, &m, to);
}
