/*
 * on_pre_prepare.c: proposals.
 *
 *   PP1  only the proposer of the height in this view may propose
 *   PP2  in the entered and active view; one of a later view waits in its slot
 *   PP3  within the window (tip, tip + W] and not above the high watermark
 *   PP5  one block at one (view, height), bound by the NEW-VIEW or proposed [F1]; a second one is evidence
 *   PP6  on the block accepted or bound below, or the certified tip
 *   PP7  the envelope shows a well-formed block: format, proposer, seal, count, root, distinct leaves
 *   PP8  time strictly after the parent's                      (advance.c)
 *   PP9  time at most the drift bound ahead of this clock, else it waits  (advance.c)
 *   PP10 transactions valid on the parent                      (advance.c, by the driver)
 *   PP11 the seal's target is what the ancestors ask for       (advance.c)
 *
 * Before: net/link and node/verify, which checked signatures. After: advance.c.
 */
#include "evidence.h"
#include "pbft.h"

/* So that all see it, not this replica alone, which then leaves the view: so it is told once. */
static void show_and_suspect(struct engine *e, struct message *first, struct message *second)
{
	if (!may_speak(e))
		return;
	if (first)
		emit_send(e, first, everyone_else(e));
	emit_send(e, second, everyone_else(e));
	suspect(e);
}

static void report_bad_proposal(struct engine *e, struct message *m)
{
	struct qjournal j = {.kind = QJ_EVIDENCE};
	j.qjournal_u.evidence.kind = QEV_BAD_PROPOSAL;
	j.qjournal_u.evidence.qevidence_u.proposal = m->env; /* borrowed: encoded at once */
	emit_journal(e, OUT_EVIDENCE, &j);
	show_and_suspect(e, NULL, m);
}

static void keep_early(struct engine *e, struct slot *s, struct message *m)
{
	uint64_t view = m->m.qmessage_u.proposal.view.n;
	if (s->early) {
		uint64_t have = s->early->m.qmessage_u.proposal.view.n;
		if (have >= e->asked.n && have <= view)
			return; /* the one that will be needed first stays */
		message_unref(s->early);
	}
	s->early = message_ref(m);
}

/* The proposer's PREPARE travels inside its PRE-PREPARE. */
static void note_proposers_prepare(struct engine *e, struct slot *s, struct message *m,
                                   const struct qhash *hash)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	struct vote *v = &s->prepares[m->sender];
	if (vote_note(v, p->view, hash, &p->prepare) != VOTE_CONFLICT)
		return;
	struct qvote first = {.view = v->view, .height = s->height, .block = v->block};
	struct qvote second = {.view = p->view, .height = s->height, .block = *hash};
	struct qenvelope a, b;
	vote_envelope(e, m->sender, QPREPARE, &first, &v->sig, &a);
	vote_envelope(e, m->sender, QPREPARE, &second, &p->prepare, &b);
	evidence_conflict(e, &a, &b);
	wire_free(WIRE(qenvelope), &a);
	wire_free(WIRE(qenvelope), &b);
}

/* PP5: the proposer signed another block at this (view, height) before. */
static void second_proposal(struct engine *e, struct slot *s, struct message *m)
{
	struct qhash hash;
	block_hash(&m->m.qmessage_u.proposal.header, &hash);
	if (!s->proposal || qhash_eq(&hash, &s->cur->hash))
		return;
	e->refused[RULE_PP5]++;
	evidence_conflict(e, &s->proposal->env, &m->env);
	show_and_suspect(e, s->proposal, m);
}

static void accept_proposal(struct engine *e, struct slot *s, struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	s->cur = pblock_add(e, &p->header, p->leaves.leaves_val, m->sender);
	s->proposal = message_ref(m);
	if (m->sender != e->self) /* its own counts once it is on disk: advance.c */
		note_proposers_prepare(e, s, m, &s->cur->hash);
	pblock_want(e, s->cur);
}

void on_pre_prepare(struct engine *e, struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	struct qheight h = p->header.height;

	if (m->sender != proposer_of(e, h, p->view)) { /* PP1 */
		e->refused[RULE_PP1]++;
		return;
	}
	if (h.n <= e->tip.n) {
		pbft_late_proposal(e, m);
		return;
	}
	/* PP3: who is far behind cannot judge a proposal; catch-up brings its block in time, and till then
	 * what is agreed on meanwhile must not pile up in memory. */
	if (e->tip.n - e->executed.n > 2 * (uint64_t)e->params->window) {
		e->refused[RULE_PP3]++;
		return;
	}
	struct slot *s = slot_at(e, h);
	if (!s || h.n > e->stable.n + 2 * (uint64_t)e->params->checkpoint_interval) { /* PP3 */
		e->refused[RULE_PP3]++;
		return;
	}
	if (p->view.n > e->entered.n) { /* PP2 */
		keep_early(e, s, m);
		return;
	}
	if (p->view.n < e->entered.n || !e->active) {
		e->refused[RULE_PP2]++;
		return;
	}
	if (!proposal_well_formed(e->g, m->sender, p)) { /* PP7 */
		e->refused[RULE_PP7]++;
		report_bad_proposal(e, m);
		return;
	}
	if (s->cur) { /* PP5 */
		second_proposal(e, s, m);
		return;
	}
	const struct qhash *parent = slot_parent(e, h);
	if (!parent) {
		keep_early(e, s, m);
		return;
	}
	if (!qhash_eq(parent, &p->header.parent)) { /* PP6 */
		e->refused[RULE_PP6]++;
		return;
	}
	accept_proposal(e, s, m);
}

void pbft_replay_early(struct engine *e)
{
	for (uint64_t h = e->tip.n + 1; h <= e->tip.n + e->params->window; h++) {
		struct slot *s = &e->slots[h % e->params->window];
		if (s->height.n != h || !s->early)
			continue;
		uint64_t view = s->early->m.qmessage_u.proposal.view.n;
		if (view > e->entered.n ||
		    (view == e->entered.n && !s->cur && !slot_parent(e, qheight_of(h))))
			continue;
		struct message *m = s->early;
		s->early = NULL;
		on_pre_prepare(e, m);
		message_unref(m);
	}
}
