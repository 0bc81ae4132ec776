/*
 * advance.c: what has become due: PREPAREs, COMMITs, executions.
 *
 *   PR1  PREPARE: the body is here; a fresh block was validated on its parent (PP8 to PP11), a bound one
 * needs no more than its body: its certificate proves that f+1 honest replicas validated it [F13]
 *
 *   PR2  prepared: the body, and PREPAREs of Q distinct replicas in this view
 *
 *   CO1  COMMIT only when every height from the tip up is prepared in this view and linked (rule 4 of the
 *        protocol; "the parent is prepared" forks)
 *
 *   CO2  with the COMMIT, the prepared certificates from the tip up are on disk [F5]
 *
 *   CO3  the COMMITs of one view lie on one chain: none follows while it is not known whether the certified
 *        chain goes through those at or below the tip, and who finds one beside it leaves the view
 *
 * Before: on_pre_prepare.c, on_vote.c. After: certify.c.
 */
#include "pbft.h"

/* Can the driver build the state below height h?  Executed up to the tip, and every body between here. */
static bool ancestors_here(struct engine *e, uint64_t h)
{
	if (e->executed.n != e->tip.n)
		return false;
	for (uint64_t k = e->tip.n + 1; k < h; k++) {
		const struct slot *s = slot_at(e, qheight_of(k));
		if (!s->cur || !s->cur->here || s->cur->invalid)
			return false;
	}
	return true;
}

static bool fresh_is_valid(struct engine *e, struct slot *s)
{
	struct pblock *b = s->cur;
	if (b->invalid || b->asked)
		return false;
	if (!b->valid) {
		if (!ancestors_here(e, s->height.n))
			return false;
		struct seal_parent below;
		must(seal_parent_of(e, s->height.n, &below)); /* by ancestors_here() */
		if (b->header.time_ms <= below.time_ms ||     /* PP8 */
		    !seal_follows(e->g, &below, &b->header) /* PP11 */) {
			b->invalid = true;
			e->refused[b->header.time_ms <= below.time_ms ? RULE_PP8 : RULE_PP11]++;
			suspect(e);
			return false;
		}
		b->asked = true; /* PP10 */
		emit(e, OUT_VALIDATE)->block.hash = b->hash;
		return false;
	}
	return b->header.time_ms <= e->wall_ms + e->params->drift_ms; /* PP9 */
}

static void send_prepare(struct engine *e, struct slot *s)
{
	struct qvote vote = {.view = e->entered, .height = s->height, .block = s->cur->hash};
	struct message *m = vote_message(e, QPREPARE, &vote);
	emit_block(e, s->cur);
	emit_record(e, REC_PREPARE, vote.view, vote.height, WIRE(qenvelope), &m->env);
	own_note(e, QPREPARE, vote.view, vote.height, &vote.block);
	if (s->proposal && s->proposal->sender == e->self) {
		emit_record(e, REC_PRE_PREPARE, vote.view, vote.height, WIRE(qenvelope), &s->proposal->env);
		own_note(e, QPRE_PREPARE, vote.view, vote.height, &vote.block);
		emit_send(e, s->proposal, everyone_else(e)); /* carries the PREPARE */
	} else {
		emit_send(e, m, everyone_else(e));
	}
	vote_note(&s->prepares[e->self], vote.view, &vote.block, &m->env.sig);
	s->prepare_sent = true;
	message_unref(m);
}

static bool prepare_due(struct engine *e)
{
	bool any = false;
	if (!e->active || !may_speak(e))
		return false;
	for (uint64_t h = e->tip.n + 1; h <= e->tip.n + e->params->window; h++) {
		struct slot *s = slot_at(e, qheight_of(h));
		if (!s->cur)
			break;
		if (s->prepare_sent)
			continue;
		pblock_want(e, s->cur);
		if (!s->cur->here || (s->proposal && !fresh_is_valid(e, s))) /* PR1 */
			continue;
		send_prepare(e, s);
		any = true;
	}
	return any;
}

static void note_prepared(struct engine *e)
{
	for (uint64_t h = e->tip.n + 1; h <= e->tip.n + e->params->window; h++) {
		struct slot *s = slot_at(e, qheight_of(h));
		struct qcert cert;
		if (!s->cur || s->prepared || !s->cur->here ||
		    !votes_to_cert(e, s->prepares, QPREPARE, e->entered, s->height, &s->cur->hash,
		                   &cert)) /* PR2 */
			continue;
		s->prepared = true;
		s->prep = s->cur;
		wire_free(WIRE(qcert), &s->prep_cert);
		s->prep_cert = cert;
		s->prep_stored = false;
	}
}

static void send_commit(struct engine *e, struct slot *s)
{
	for (uint64_t h = e->tip.n + 1; h <= s->height.n; h++) { /* CO2 */
		struct slot *below = slot_at(e, qheight_of(h));
		if (below->prep_stored)
			continue;
		struct qprepared p = {.header = below->prep->header, .cert = below->prep_cert};
		emit_record(e, REC_PREPARED, qview_of(0), below->height, WIRE(qprepared), &p);
		below->prep_stored = true;
	}
	emit_block(e, s->cur);
	struct qvote vote = {.view = e->entered, .height = s->height, .block = s->cur->hash};
	struct message *m = vote_message(e, QCOMMIT, &vote);
	emit_record(e, REC_COMMIT, vote.view, vote.height, WIRE(qenvelope), &m->env);
	own_note(e, QCOMMIT, vote.view, vote.height, &vote.block);
	emit_send(e, m, everyone_else(e));
	vote_note(&s->commits[e->self], vote.view, &vote.block, &m->env.sig);
	s->commit_sent = true;
	message_unref(m);
}

/* CO3: the certified chain between what is known of it and the tip may pass by a COMMIT of this view. */
static bool commits_unlinked(const struct engine *e)
{
	uint64_t known = e->executed.n + e->chain_cnt;
	for (size_t i = 0; known < e->tip.n && i < e->own_cnt; i++) {
		const struct own_vote *o = &e->own[i];
		if (o->kind == QCOMMIT && o->view.n == e->entered.n && o->height.n > known &&
		    o->height.n <= e->tip.n)
			return true;
	}
	return false;
}

/* True if the tip moved, or may move by calling again. */
static bool commit_due(struct engine *e)
{
	note_prepared(e);
	if (!e->active || !may_speak(e) || commits_unlinked(e))
		return false;
	if (e->entered.n < e->astray.n) { /* CO3 */
		suspect(e);
		return false;
	}
	const struct qhash *below = &e->tip_hash;
	for (uint64_t h = e->tip.n + 1; h <= e->tip.n + e->params->window; h++) {
		struct slot *s = slot_at(e, qheight_of(h));
		if (!s->prepared || !qhash_eq(&s->cur->header.parent, below)) /* CO1 */
			return false;
		below = &s->cur->hash;
		if (s->commit_sent)
			continue;
		send_commit(e, s);
		struct qcert cert;
		if (votes_to_cert(e, s->commits, QCOMMIT, e->entered, s->height, &s->cur->hash, &cert)) {
			pbft_certify(e, &cert);
			wire_free(WIRE(qcert), &cert);
			return true;
		}
	}
	return false;
}

void pbft_advance(struct engine *e)
{
	bool again = true;
	while (again && !e->halted) {
		pbft_replay_early(e);
		again = prepare_due(e);
		again |= commit_due(e);
	}
	if (!e->halted)
		pbft_execute(e);
}
