/*
 * on_status.c: nothing depends on the transport: each replica says what it has, and is sent just what it
 * lacks.
 *
 *   ST1  a lower view, or the same without its NEW-VIEW: the newest NEW-VIEW
 *   ST2  a VIEW-CHANGE, PRE-PREPARE, PREPARE, COMMIT or CHECKPOINT of this replica that the peer lacks: the
 * very same bytes ST3  an older stable checkpoint: the certificate of the newest ST4  a higher tip than ours:
 * ask for the chain ST5  a replica that lost its vote log says nothing until a stable checkpoint reaches the
 * highest tip that Q peers reported at its start, plus 2L [F8]
 */
#include "pbft.h"

void pbft_status_send(struct engine *e)
{
	struct qslot_status slots[Q_WINDOW_MAX];
	struct qmessage m = {.kind = QSTATUS};
	struct qstatus *st = &m.qmessage_u.status;
	*st = (struct qstatus){.asked = e->asked,
	                       .entered = e->entered,
	                       .tip = e->tip,
	                       .executed = e->executed,
	                       .stable = e->stable};
	if (e->n == 1)
		return;
	for (unsigned i = 0; i < e->n; i++) {
		const struct message *vc = e->peers[i].view_change;
		if (vc && vc->m.qmessage_u.view_change.view.n == e->asked.n)
			st->view_changes |= UINT64_C(1) << i;
	}
	st->slots.slots_len = e->params->window;
	st->slots.slots_val = slots;
	for (unsigned k = 0; k < e->params->window; k++) {
		const struct slot *s = slot_at(e, qheight_of(e->tip.n + 1 + k));
		slots[k] = (struct qslot_status){.have_block = s->cur != NULL};
		for (unsigned i = 0; i < e->n; i++) {
			uint64_t bit = UINT64_C(1) << i;
			if (s->prepares[i].set && s->prepares[i].view.n >= e->entered.n)
				slots[k].prepares |= bit;
			if (s->commits[i].set && s->commits[i].view.n >= e->entered.n)
				slots[k].commits |= bit;
		}
	}
	struct message *made = make_message(e, &m);
	emit_send(e, made, everyone_else(e));
	message_unref(made);
}

static void send_vote(struct engine *e, enum qkind kind, struct qheight h, const struct vote *v, uint64_t to)
{
	struct qvote vote = {.view = v->view, .height = h, .block = v->block};
	struct message *m = vote_message(e, kind, &vote);
	emit_send(e, m, to);
	message_unref(m);
}

static void help_with_slots(struct engine *e, const struct qstatus *st, uint64_t to)
{
	uint64_t me = UINT64_C(1) << e->self;
	for (u_int k = 0; k < st->slots.slots_len; k++) { /* ST2 */
		struct slot *s = slot_at(e, qheight_of(st->tip.n + 1 + k));
		const struct qslot_status *theirs = &st->slots.slots_val[k];
		if (!s || !s->cur)
			continue;
		if (s->proposal && s->prepare_sent && !theirs->have_block)
			emit_send(e, s->proposal, to);
		if (!may_speak(e))
			continue;
		if (s->prepare_sent && !(theirs->prepares & me))
			send_vote(e, QPREPARE, s->height, &s->prepares[e->self], to);
		if (s->commit_sent && !(theirs->commits & me))
			send_vote(e, QCOMMIT, s->height, &s->commits[e->self], to);
	}
}

static void help_with_checkpoints(struct engine *e, const struct qstatus *st, uint64_t to)
{
	const struct peer *me = &e->peers[e->self];
	if (st->stable.n < e->stable.n) { /* ST3 */
		struct qmessage m = {.kind = QCHAIN};
		m.qmessage_u.chain.cert = e->stable_cert;
		struct message *made = make_message(e, &m);
		emit_send(e, made, to);
		message_unref(made);
	} else if (may_speak(e) && me->has_checkpoint && me->checkpoint.height.n > st->stable.n) {
		struct message *m = vote_message(e, QCHECKPOINT, &me->checkpoint);
		emit_send(e, m, to);
		message_unref(m);
	}
}

static void amnesia(struct engine *e) /* ST5 */
{
	if (!e->amnesiac || e->amnesia_bar_set)
		return;
	unsigned seen = 0;
	uint64_t tip = 0;
	for (unsigned i = 0; i < e->n; i++) {
		if (i == e->self || e->peers[i].seen_ms == 0)
			continue;
		seen++;
		tip = e->peers[i].tip.n > tip ? e->peers[i].tip.n : tip;
	}
	if (seen < e->q)
		return;
	e->amnesia_bar_set = true;
	uint64_t above = 4 * (uint64_t)e->params->checkpoint_interval; /* 2L */
	e->amnesia_bar = qheight_of(tip < UINT64_MAX - above ? tip + above : UINT64_MAX);
}

void on_status(struct engine *e, struct message *m)
{
	const struct qstatus *st = &m->m.qmessage_u.status;
	struct peer *p = &e->peers[m->sender];
	uint64_t to = UINT64_C(1) << m->sender;

	p->seen_ms = e->now_ms ? e->now_ms : 1;
	p->tip = st->tip;
	p->executed = st->executed;
	p->stable = st->stable;
	p->entered = st->entered;
	if (st->asked.n > p->asked.n)
		p->asked = st->asked;
	amnesia(e);

	if (e->new_view && st->entered.n < e->entered.n && st->asked.n <= e->entered.n) /* ST1 */
		emit_send(e, e->new_view, to);
	struct message *vc = e->peers[e->self].view_change;
	if (!e->active && vc && may_speak(e) &&
	    (st->asked.n < e->asked.n || (st->asked.n == e->asked.n && !(st->view_changes >> e->self & 1))))
		emit_send(e, vc, to); /* ST2 */
	if (e->active && st->entered.n == e->entered.n)
		help_with_slots(e, st, to);
	help_with_checkpoints(e, st, to);
	pbft_join(e);
}
