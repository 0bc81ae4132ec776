/*
 * pbft.c: the engine's life, its one step, and its invariants as code.
 */
#include "pbft.h"

#include <stdlib.h>

static void pbft_destroy(struct engine *e)
{
	if (!e)
		return;
	for (unsigned i = 0; e->slots && i < e->params->window; i++) {
		slot_reset(e, &e->slots[i]);
		free(e->slots[i].prepares);
		free(e->slots[i].commits);
	}
	for (size_t i = 0; i < e->chain_cnt; i++)
		wire_free(WIRE(qcert), &e->chain[i].cert);
	pblocks_forget(e, qheight_of(UINT64_MAX));
	for (unsigned i = 0; e->peers && i < e->n; i++)
		message_unref(e->peers[i].view_change);
	message_unref(e->new_view);
	wire_free(WIRE(qcert), &e->tip_cert);
	wire_free(WIRE(qcert), &e->stable_cert);
	wire_free(WIRE(qcert), &e->executed_cert);
	sealing_forget(e);
	free(e->slots);
	free(e->peers);
	free(e->blocks);
	free(e->own);
	free(e);
}

static struct engine *pbft_create(const struct engine_config *c, const struct engine_restore *r,
                                  struct engine_outputs *out, uint64_t now_ms, struct err *err)
{
	struct engine *e = xcalloc(1, sizeof *e);
	e->g = c->genesis;
	e->params = &c->genesis->g.params;
	e->n = c->genesis->n;
	e->f = c->genesis->f;
	e->q = c->genesis->quorum;
	e->self = c->self;
	e->signer = c->signer;
	e->out = out;
	e->now_ms = e->status_ms = e->chain_ms = now_ms;
	e->timeout_ms = e->g->timeout_ms;
	e->active = true;
	e->tip_hash = e->executed_hash = e->g->chain;
	seal_genesis(e->g, &e->executed_seal);
	e->peers = xcalloc(e->n, sizeof *e->peers);
	e->slots = xcalloc(e->params->window, sizeof *e->slots);
	for (unsigned i = 0; i < e->params->window; i++) {
		e->slots[i].prepares = xcalloc(e->n, sizeof *e->slots[i].prepares);
		e->slots[i].commits = xcalloc(e->n, sizeof *e->slots[i].commits);
	}
	if (c->amnesiac && e->n > 1) { /* of one replica, nobody could be told two things */
		e->amnesiac = true;
		e->muted = "the vote log was lost; waiting for a stable checkpoint above everything that it "
		           "may have held";
	}
	if (!pbft_restore(e, r, err)) {
		pbft_destroy(e);
		return NULL;
	}
	pbft_check(e);
	return e;
}

/* OWN1 for whole messages: something of mine comes back that I do not remember. */
static void own_message(struct engine *e, const struct message *m)
{
	struct qcert cert = {.kind = m->m.kind};
	struct qcert_sig me = {.replica = e->self};
	cert.sigs.sigs_len = 1;
	cert.sigs.sigs_val = &me;
	bool newer = false;
	switch (m->m.kind) {
	case QPRE_PREPARE:
		cert.vote.view = m->m.qmessage_u.proposal.view;
		cert.vote.height = m->m.qmessage_u.proposal.header.height;
		block_hash(&m->m.qmessage_u.proposal.header, &cert.vote.block);
		own_watch(e, &cert);
		return;
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		cert.vote = m->m.qmessage_u.vote;
		own_watch(e, &cert);
		return;
	case QVIEW_CHANGE:
		newer = m->m.qmessage_u.view_change.view.n > e->asked.n;
		break;
	case QNEW_VIEW:
		newer = m->m.qmessage_u.new_view.view.n > e->entered.n;
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
		return;
	}
	if (newer)
		mute(e, "a view change signed by this replica is about that its vote log does not hold: the "
		        "log is old, "
		        "or the key is in use twice");
}

static void ignored(struct engine *e, struct message *m)
{
	(void)e;
	(void)m;
}

static void dispatch(struct engine *e, struct message *m)
{
	static void (*const handlers[])(struct engine *, struct message *) = {
	    [QPRE_PREPARE] = on_pre_prepare,
	    [QPREPARE] = on_vote,
	    [QCOMMIT] = on_vote,
	    [QCHECKPOINT] = on_checkpoint,
	    [QVIEW_CHANGE] = on_view_change,
	    [QNEW_VIEW] = on_new_view,
	    [QSTATUS] = on_status,
	    [QTXS] = ignored,
	    [QGET_TXS] = ignored,
	    [QGET_CHAIN] = ignored,
	    [QCHAIN] = on_chain,
	    [QGET_BODIES] = ignored,
	    [QBODY] = ignored,
	    [QGET_EVIDENCE] = ignored,
	    [QEVIDENCE] = ignored,
	};
	if (m->sender == e->self)
		own_message(e, m);
	else
		handlers[m->m.kind](e, m);
}

static void pbft_step(struct engine *e, const struct engine_input *in, struct engine_outputs *out)
{
	struct pblock *b;
	e->out = out;
	if (in->now_ms > e->now_ms)
		e->now_ms = in->now_ms;
	e->wall_ms = in->wall_ms;
	e->pending = in->pending;
	e->unfair = in->unfair;
	if (e->halted)
		return;
	switch (in->kind) {
	case IN_TICK:
		break;
	case IN_MESSAGE:
		dispatch(e, in->message);
		break;
	case IN_PROPOSE:
		pbft_propose(e, in->propose.leaves, in->propose.leaf_cnt);
		break;
	case IN_SEALED:
		pbft_sealed(e, &in->sealed.header);
		break;
	case IN_BODY:
		b = pblock_find(e, &in->body.block);
		if (b)
			b->here = true;
		break;
	case IN_VALIDATED:
		b = pblock_find(e, &in->validated.block);
		if (b && b->asked) {
			b->asked = false;
			b->valid = in->validated.valid;
			b->invalid = !in->validated.valid;
			e->refused[RULE_PP10] += b->invalid;
		}
		break;
	case IN_EXECUTED:
		pbft_executed(e, in->executed.height, in->executed.digests, in->executed.cnt,
		              in->executed.staking);
		break;
	}
	pbft_advance(e);
	pbft_timer(e);
	pbft_advance(e); /* the timer may have entered a view */
	sealing_check(e);
	pbft_check(e);
}

static uint64_t pbft_deadline(const struct engine *e)
{
	if (e->halted)
		return UINT64_MAX;
	uint64_t at = e->status_ms;
	if (e->timer_ms != 0 && e->timer_ms < at)
		at = e->timer_ms;
	/* PP9: a proposal that waits for this replica's clock */
	for (unsigned i = 0; e->active && i < e->params->window; i++) {
		const struct slot *s = &e->slots[i];
		if (s->cur && s->cur->valid && !s->prepare_sent &&
		    s->cur->header.time_ms > e->wall_ms + e->params->drift_ms) {
			uint64_t wait = s->cur->header.time_ms - e->wall_ms - e->params->drift_ms;
			if (wait < UINT64_MAX - e->now_ms && e->now_ms + wait < at)
				at = e->now_ms + wait;
		}
	}
	return at;
}

static void pbft_status(const struct engine *e, struct engine_status *out)
{
	*out = (struct engine_status){.asked = e->asked,
	                              .entered = e->entered,
	                              .active = e->active,
	                              .muted = e->muted != NULL,
	                              .primary = primary_of(e, e->asked),
	                              .proposer = proposer_of(e, qheight_of(e->tip.n + 1), e->asked),
	                              .sealing = e->sealing.leaves ? e->sealing.header.height : qheight_of(0),
	                              .tip = e->tip,
	                              .executed = e->executed,
	                              .stable = e->stable,
	                              .tip_hash = e->tip_hash,
	                              .view_changes = e->view_changes,
	                              .timer_ms = e->timer_ms};
	memcpy(out->refused, e->refused, sizeof out->refused);
	for (unsigned i = 0; i < e->n; i++) {
		out->peer[i].tip = e->peers[i].tip;
		out->peer[i].executed = e->peers[i].executed;
		out->peer[i].entered = e->peers[i].entered;
		out->peer[i].seen_ms = e->peers[i].seen_ms;
	}
}

/* The invariants of pbft.h, by number. Nothing that a peer sends can break them. */
void pbft_check(const struct engine *e)
{
	must(e->executed.n <= e->tip.n); /* 1 */
	must(e->tip.n == 0 || e->tip_cert.vote.height.n == e->tip.n);
	must(e->entered.n <= e->asked.n); /* 2 */
	must(e->active == (e->entered.n == e->asked.n));
	must(e->entered.n == 0 || e->new_view != NULL);
	for (unsigned i = 0; i < e->params->window; i++) {
		const struct slot *s = &e->slots[i];
		if (s->height.n == 0)
			continue;
		must(s->height.n > e->tip.n && s->height.n <= e->tip.n + e->params->window); /* 3 */
		must(!s->cur || s->cur->header.height.n == s->height.n);                     /* 4 */
		must(!s->proposal || s->cur);
		must(!s->commit_sent || s->prepared); /* 6 */
	}
	for (size_t i = 0; i < e->chain_cnt; i++) { /* 5 */
		const struct qhash *below = i ? &e->chain[i - 1].block->hash : &e->executed_hash;
		must(e->chain[i].block->header.height.n == e->executed.n + 1 + i);
		must(qhash_eq(&e->chain[i].block->header.parent, below));
	}
	must(e->executing.n >= e->executed.n && e->executing.n <= e->executed.n + e->chain_cnt);
}

const struct engine_ops pbft_engine = {
    .name = "pbft",
    .create = pbft_create,
    .destroy = pbft_destroy,
    .step = pbft_step,
    .deadline = pbft_deadline,
    .can_propose = pbft_can_propose,
    .status = pbft_status,
};
