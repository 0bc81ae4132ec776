/*
 * on_view_change.c: asking for a view, and being asked.
 *
 *   VC1  a VIEW-CHANGE reports the certified tip, the stable checkpoint and P, each with its certificate; its
 * content for a view never changes; after it nothing is voted in lower views; it is on disk before it leaves
 *   VC2  per sender only the one for the highest view is kept; a second, different one for one view is
 * evidence VC3  join: the largest w that f+1 distinct others ask for (or more), if above all that this
 * replica asked for or entered; one sender's huge number moves nobody VC4  the new primary makes NEW-VIEW(w)
 * of Q VIEW-CHANGEs for exactly w VC5  whoever asks for a view that was passed is answered with the newest
 * NEW-VIEW [F11]
 *
 * What makes a VIEW-CHANGE invalid is message_open()'s: it drops such a one whole.
 */
#include "pbft.h"

static struct message *make_view_change(struct engine *e, struct qview w)
{
	struct qprepared prepared[Q_WINDOW_MAX];
	struct qmessage m = {.kind = QVIEW_CHANGE};
	struct qview_change *vc = &m.qmessage_u.view_change;
	vc->view = w;
	if (e->tip.n > 0) {
		vc->tip.tip_len = 1;
		vc->tip.tip_val = &e->tip_cert;
	}
	if (e->stable.n > 0) {
		vc->stable.stable_len = 1;
		vc->stable.stable_val = &e->stable_cert;
	}
	vc->prepared.prepared_val = prepared;
	for (uint64_t h = e->tip.n + 1; h <= e->tip.n + e->params->window; h++) {
		const struct slot *s = &e->slots[h % e->params->window];
		if (s->height.n == h && s->prep)
			prepared[vc->prepared.prepared_len++] =
			    (struct qprepared){.header = s->prep->header, .cert = s->prep_cert};
	}
	return make_message(e, &m);
}

void pbft_ask(struct engine *e, struct qview w)
{
	must(w.n > e->asked.n && w.n > e->entered.n);
	if (!may_speak(e))
		return;
	e->asked = w; /* VC1 */
	e->active = false;
	uint64_t doubled = 2 * e->timeout_ms;
	e->timeout_ms = doubled < e->g->timeout_cap_ms ? doubled : e->g->timeout_cap_ms;
	e->timer_ms = 0; /* starts when a quorum asks [F3] */
	e->resent = false;
	e->status_ms = e->now_ms;

	struct peer *me = &e->peers[e->self];
	message_unref(me->view_change);
	me->view_change = make_view_change(e, w);
	me->asked = w;
	emit_record(e, REC_VIEW_CHANGE, w, qheight_of(0), WIRE(qenvelope), &me->view_change->env);
	emit_send(e, me->view_change, everyone_else(e));
	pbft_try_new_view(e);
}

void pbft_join(struct engine *e) /* VC3 */
{
	uint64_t asked[Q_REPLICAS_MAX];
	unsigned cnt = 0;
	for (unsigned i = 0; i < e->n; i++)
		if (i != e->self)
			asked[cnt++] = e->peers[i].asked.n;
	uint64_t w = kth_greatest(asked, cnt, e->f + 1);
	if (w > e->asked.n && w > e->entered.n)
		pbft_ask(e, qview_of(w));
}

void pbft_try_new_view(struct engine *e) /* VC4 */
{
	if (e->active || !may_speak(e) || primary_of(e, e->asked) != e->self || e->asked.n <= e->entered.n)
		return;
	struct qenvelope changes[Q_REPLICAS_MAX];
	struct qmessage m = {.kind = QNEW_VIEW};
	struct qnew_view *nv = &m.qmessage_u.new_view;
	nv->view = e->asked;
	nv->changes.changes_val = changes;
	for (unsigned i = 0; i < e->n && nv->changes.changes_len < e->q; i++) {
		const struct message *vc = e->peers[i].view_change;
		if (vc && vc->m.qmessage_u.view_change.view.n == e->asked.n)
			changes[nv->changes.changes_len++] = vc->env;
	}
	if (nv->changes.changes_len < e->q)
		return;
	struct message *made = make_message(e, &m);
	pbft_enter(e, made, false);
	emit_send(e, made, everyone_else(e));
	message_unref(made);
}

void watch_certificates(struct engine *e, const struct qview_change *vc) /* V2, OWN1 */
{
	if (vc->tip.tip_len)
		cert_watch(e, vc->tip.tip_val);
	if (vc->stable.stable_len)
		cert_watch(e, vc->stable.stable_val);
	for (u_int i = 0; i < vc->prepared.prepared_len; i++)
		cert_watch(e, &vc->prepared.prepared_val[i].cert);
}

void on_view_change(struct engine *e, struct message *m)
{
	const struct qview_change *vc = &m->m.qmessage_u.view_change;
	struct peer *p = &e->peers[m->sender];
	watch_certificates(e, vc);
	if (p->view_change) { /* VC2 */
		uint64_t have = p->view_change->m.qmessage_u.view_change.view.n;
		if (have == vc->view.n && !message_same_body(p->view_change, m)) {
			e->refused[RULE_VC2]++;
			evidence_conflict(e, &p->view_change->env, &m->env);
		}
		if (have >= vc->view.n && vc->view.n > e->entered.n)
			return;
	}
	if (vc->view.n <= e->entered.n) { /* VC5 */
		if (e->new_view)
			emit_send(e, e->new_view, UINT64_C(1) << m->sender);
		return;
	}
	message_unref(p->view_change);
	p->view_change = message_ref(m);
	if (vc->view.n > p->asked.n)
		p->asked = vc->view;
	if (vc->stable.stable_len)
		pbft_stable(e, vc->stable.stable_val);
	if (vc->tip.tip_len)
		pbft_certify(e, vc->tip.tip_val);
	pbft_join(e);
	pbft_try_new_view(e);
}
