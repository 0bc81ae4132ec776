/*
 * on_new_view.c: entering a view.
 *
 *   NV1  a view above 0 is entered only by its NEW-VIEW, which may be for any view not below the one asked
 * for [F11] NV2  the first NEW-VIEW of a view stands; a second, different one is evidence NV3  S and O follow
 * from V: S, the greatest height that a tip or stable certificate proves; O, from there up, at each height
 * the header prepared in the highest view, until there is none or it does not extend the one below NV4 before
 * anything else of the view: S is certified, each height of O is bound to its hash; no proposal at or below
 *        the end of O is accepted, nothing at or below S is voted [F1]
 *   NV5  the NEW-VIEW is on disk, whole, before any vote of its view; every one entered stays in the journal
 */
#include "carry.h"
#include "pbft.h"

size_t new_view_choose(const struct genesis *g, struct message *const *changes, size_t cnt,
                       const struct qcert **s, const struct qprepared *o[Q_WINDOW_MAX])
{
	const struct qview_change *opened[Q_REPLICAS_MAX];

	for (size_t i = 0; i < cnt; i++)
		opened[i] = &changes[i]->m.qmessage_u.view_change;
	return carry_over(g, opened, cnt, s, o);
}

static void bind_block(struct engine *e, const struct qprepared *o, unsigned from)
{
	struct slot *s = slot_at(e, o->header.height);
	if (!s) { /* At or below the certified tip.  A block certified in an earlier view must be in O.  One
		   * of a later view need not: this NEW-VIEW may come late, of a view that failed.  Nor need
		   * one of this very view: its primary alone may have lied, with two NEW-VIEWs.
		   */
		if (o->header.height.n == e->tip.n && e->tip_cert.kind == QCOMMIT &&
		    e->tip_cert.vote.view.n < e->entered.n && !qhash_eq(&o->cert.vote.block, &e->tip_hash))
			halt(e, "a NEW-VIEW binds another block than the certified one: more than f replicas "
			        "lie");
		return;
	}
	s->cur = pblock_add(e, &o->header, NULL, from);
	pblock_want(e, s->cur);
}

static unsigned holder_of(const struct qprepared *o, unsigned self)
{
	for (u_int i = 0; i < o->cert.sigs.sigs_len; i++)
		if (o->cert.sigs.sigs_val[i].replica != self)
			return o->cert.sigs.sigs_val[i].replica;
	return self;
}

void pbft_enter(struct engine *e, struct message *m, bool restoring)
{
	const struct qcert *s;
	const struct qprepared *o[Q_WINDOW_MAX];
	size_t o_cnt = new_view_choose(e->g, m->changes, m->m.qmessage_u.new_view.changes.changes_len, &s, o);

	e->entered = m->m.qmessage_u.new_view.view;
	if (e->asked.n < e->entered.n) {
		e->asked = e->entered;
		e->timer_ms = 0; /* it ran against the proposer of another view */
	}
	e->active = true;
	message_unref(e->new_view);
	e->new_view = message_ref(m);
	if (!restoring) { /* NV5 */
		emit_record(e, REC_NEW_VIEW, e->entered, qheight_of(0), WIRE(qenvelope), &m->env);
		struct qjournal j = {.kind = QJ_NEW_VIEW};
		j.qjournal_u.new_view = m->env; /* borrowed: encoded at once */
		emit_journal(e, OUT_JOURNAL, &j);
		emit(e, OUT_VIEW)->view = e->entered;
		e->view_changes++;
	}
	for (unsigned i = 0; i < e->params->window; i++)
		slot_leave_view(&e->slots[i]);
	if (s && s->kind == QCHECKPOINT) /* NV4 */
		pbft_stable(e, s);
	if (s)
		pbft_certify(e, s);
	for (size_t i = 0; i < o_cnt; i++)
		bind_block(e, o[i], holder_of(o[i], e->self));
	e->entry_tip = e->progress = e->tip;
	e->resent = false;
	e->status_ms = e->now_ms;
}

void on_new_view(struct engine *e, struct message *m)
{
	const struct qnew_view *nv = &m->m.qmessage_u.new_view;
	if (nv->view.n == e->entered.n && e->new_view && !message_same_body(e->new_view, m)) { /* NV2 */
		e->refused[RULE_NV2]++;
		evidence_conflict(e, &e->new_view->env, &m->env);
		return;
	}
	if (nv->view.n <= e->entered.n || nv->view.n < e->asked.n) /* NV1 */
		return;
	for (u_int i = 0; i < nv->changes.changes_len; i++) {
		watch_certificates(e, &m->changes[i]->m.qmessage_u.view_change);
		if (m->changes[i]->sender == e->self && nv->view.n > e->peers[e->self].asked.n)
			mute(e, "a VIEW-CHANGE of this replica is about that its vote log does not hold: the "
			        "log is old, or "
			        "the key is in use twice");
	}
	pbft_enter(e, m, false);
}
