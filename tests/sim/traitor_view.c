/*
 * traitor_view.c: what a traitor says when it asks for a view. Rules against it: VC1 to VC3, NV3, T3,
 * message_open() (which drops a VIEW-CHANGE whole that holds anything that does not hold), and that any
 * quorum of VIEW-CHANGEs has an honest one from any quorum that voted.
 */
#include "traitor_impl.h"

/* Its own VIEW-CHANGE, not one that it hands on. */
static bool mine(const struct outgoing *o)
{
	return o->m->sender == o->id;
}

static uint64_t view_of(const struct outgoing *o)
{
	return o->m->m.qmessage_u.view_change.view.n;
}

/* Says the changed VIEW-CHANGE instead, and forgets it. */
static uint64_t instead(struct traitor *t, enum behaviour b, const struct outgoing *o, struct qmessage *m,
                        uint64_t to)
{
	acted(t, b, o->id, "v=%" PRIu64 " prepared=%u", m->qmessage_u.view_change.view.n,
	      m->qmessage_u.view_change.prepared.prepared_len);
	say(t, o->id, m, to);
	wire_free(WIRE(qmessage), m);
	return 0;
}

/* ---- P ----------------------------------------------------------------------------------------------- */

/* At least one entry to spoil: where nothing was prepared, a block with whatever signatures there are. */
static bool need_prepared(struct traitor *t, struct qview_change *vc)
{
	struct statement *st, *last = NULL;
	uint64_t tip = vc->tip.tip_len ? vc->tip.tip_val->vote.height.n : 0;
	size_t from = 0;

	if (vc->prepared.prepared_len > 0)
		return true;
	while ((st = statement_next(t, QPREPARE, &from)))
		if (st->vote.height.n > tip && st->vote.height.n <= tip + t->s->g.g.params.window &&
		    block_find(t, &st->vote.block))
			last = st;
	from = 0;
	while (!last && (st = statement_next(t, QPREPARE, &from)))
		if (block_find(t, &st->vote.block))
			last = st;
	if (!last)
		return false;
	free(vc->prepared.prepared_val);
	vc->prepared.prepared_val = xcalloc(1, sizeof *vc->prepared.prepared_val);
	vc->prepared.prepared_val[0].header = block_find(t, &last->vote.block)->header;
	cert_anyhow(t, last, &vc->prepared.prepared_val[0].cert);
	vc->prepared.prepared_len = 1;
	return true;
}

/* One signature of another statement among those of this. */
static void mix(struct traitor *t, struct qcert *c)
{
	struct statement *st;
	size_t from = (size_t)draw(t, STATEMENTS);
	unsigned i = (unsigned)draw(t, c->sigs.sigs_len);

	while ((st = statement_next(t, c->kind, &from)))
		if (st->signers >> c->sigs.sigs_val[i].replica & 1) {
			c->sigs.sigs_val[i].sig = st->sigs[c->sigs.sigs_val[i].replica];
			return;
		}
	c->sigs.sigs_val[i].sig.b[0] ^= 1;
}

/* A VIEW-CHANGE of its own to alter, with at least one entry: *m, to be freed; NULL: there is none. */
static struct qview_change *with_prepared(struct traitor *t, const struct outgoing *o, enum behaviour b,
                                          struct qmessage *m)
{
	if (!mine(o) || !deed(t, b))
		return NULL;
	copy_of(o->m, m);
	if (need_prepared(t, &m->qmessage_u.view_change))
		return &m->qmessage_u.view_change;
	wire_free(WIRE(qmessage), m);
	return NULL;
}

/* Y25: a certificate that lacks something */
static void spoil_cert(struct traitor *t, struct qcert *c)
{
	unsigned cnt = c->sigs.sigs_len;
	uint64_t way = draw(t, 6);

	if (cnt == 0)
		return;
	if (way == 0) {
		c->sigs.sigs_len = (unsigned)draw(t, t->s->q < cnt ? t->s->q : cnt);
	} else if (way == 1) { /* the same one again, to fill the quorum */
		for (unsigned i = 1; i < cnt; i++)
			c->sigs.sigs_val[i] = c->sigs.sigs_val[0];
	} else if (way == 2) { /* one signature under many names */
		for (unsigned i = 1; i < cnt; i++)
			c->sigs.sigs_val[i].sig = c->sigs.sigs_val[0].sig;
	} else if (way == 3) {
		mix(t, c);
	} else if (way == 4) {
		c->sigs.sigs_val[cnt - 1].replica = t->s->n + (unsigned)draw(t, 3);
	} else {
		scramble(t, &c->vote.block);
	}
}

static uint64_t forged_prepared(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qview_change *vc;
	struct qmessage m;

	if (!(vc = with_prepared(t, o, B_FORGED_PREPARED, &m)))
		return to;
	spoil_cert(t, &vc->prepared.prepared_val[draw(t, vc->prepared.prepared_len)].cert);
	return instead(t, B_FORGED_PREPARED, o, &m, to);
}

/* Y26 */
static uint64_t inflated_view(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qview_change *vc;
	struct qmessage m;

	if (!(vc = with_prepared(t, o, B_INFLATED_VIEW, &m)))
		return to;
	struct qprepared *p = &vc->prepared.prepared_val[draw(t, vc->prepared.prepared_len)];
	p->cert.vote.view.n = vc->view.n - 1 - draw(t, vc->view.n < 3 ? vc->view.n : 3);
	for (unsigned i = 0; i < p->cert.sigs.sigs_len; i++) /* its own name to it, at least */
		if (p->cert.sigs.sigs_val[i].replica == o->id)
			sign_vote(t, o->id, QPREPARE, &p->cert.vote, &p->cert.sigs.sigs_val[i].sig);
	return instead(t, B_INFLATED_VIEW, o, &m, to);
}

/* Y27: all, or the lowest, or the highest, or one in between */
static void hide_some(struct traitor *t, struct qview_change *vc)
{
	unsigned cnt = vc->prepared.prepared_len;
	uint64_t way = draw(t, 3);

	if (cnt == 0)
		return;
	unsigned first = way == 0 ? 0 : (unsigned)draw(t, cnt), last = way == 1 ? first + 1 : cnt;
	for (unsigned i = first; i < last; i++)
		wire_free(WIRE(qprepared), &vc->prepared.prepared_val[i]);
	memmove(&vc->prepared.prepared_val[first], &vc->prepared.prepared_val[last],
	        (cnt - last) * sizeof *vc->prepared.prepared_val);
	vc->prepared.prepared_len -= last - first;
}

static uint64_t hide_prepared(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qmessage m;

	if (!mine(o) || o->m->m.qmessage_u.view_change.prepared.prepared_len == 0 ||
	    !deed(t, B_HIDE_PREPARED))
		return to;
	copy_of(o->m, &m);
	hide_some(t, &m.qmessage_u.view_change);
	return instead(t, B_HIDE_PREPARED, o, &m, to);
}

/* Y32: as much as a VIEW-CHANGE may hold, from as low a tip as possible */
static uint64_t huge(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qview_change *vc;
	struct qmessage m;

	if (!mine(o) || !deed(t, B_HUGE_VIEW_CHANGE))
		return to;
	uint64_t window = t->s->g.g.params.window;
	struct claim claim = {
	    .tip = t->tip > window ? t->tip - window : 0, .stable = UINT64_MAX, .prepared = true};
	view_change_build(t, view_of(o), &claim, &m);
	vc = &m.qmessage_u.view_change;
	unsigned have = vc->prepared.prepared_len;
	if (have > 0 && chance(t, 50)) { /* beyond what is allowed: the last one again and again */
		struct qprepared *list = xcalloc(Q_WINDOW_MAX, sizeof *list);
		memcpy(list, vc->prepared.prepared_val, have * sizeof *list);
		for (unsigned i = have; i < Q_WINDOW_MAX; i++) {
			list[i].header = list[have - 1].header;
			list[i].header.height.n += i - have + 1;
			list[i].cert = list[have - 1].cert;
			list[i].cert.sigs.sigs_val =
			    xmemdup(list[have - 1].cert.sigs.sigs_val,
			            list[have - 1].cert.sigs.sigs_len * sizeof(struct qcert_sig));
		}
		free(vc->prepared.prepared_val);
		vc->prepared.prepared_val = list;
		vc->prepared.prepared_len = Q_WINDOW_MAX;
	}
	return instead(t, B_HUGE_VIEW_CHANGE, o, &m, to);
}

/* Y33: asks for the very view in which something was prepared, or for one below */
static uint64_t prepared_at_target(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qview_change *vc;
	struct qmessage m;

	if (!(vc = with_prepared(t, o, B_PREPARED_AT_TARGET, &m)))
		return to;
	struct qcert *c = &vc->prepared.prepared_val[draw(t, vc->prepared.prepared_len)].cert;
	if (chance(t, 50) && c->vote.view.n > 0) {
		vc->view.n = c->vote.view.n - draw(t, 2);
	} else {
		c->vote.view.n = vc->view.n + draw(t, 2);
		for (unsigned i = 0; i < c->sigs.sigs_len; i++)
			if (c->sigs.sigs_val[i].replica == o->id)
				sign_vote(t, o->id, QPREPARE, &c->vote, &c->sigs.sigs_val[i].sig);
	}
	return instead(t, B_PREPARED_AT_TARGET, o, &m, to);
}

/* An old view's certificates: all of them hold, and none of them is the one that counts. */
static uint64_t stale_prepared(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct claim claim = {.tip = UINT64_MAX, .stable = UINT64_MAX, .prepared = true, .lowest = true};
	struct qmessage m;

	if (!mine(o) || !deed(t, B_STALE_PREPARED))
		return to;
	if (chance(t, 50)) /* from below the tip: what an old view had there */
		claim.tip = t->tip - draw(t, t->tip < 4 ? t->tip + 1 : 4);
	view_change_build(t, view_of(o), &claim, &m);
	return instead(t, B_STALE_PREPARED, o, &m, to);
}

/* ---- tip and checkpoint ------------------------------------------------------------------------------ */

static struct claim old_claim(struct traitor *t)
{
	struct claim claim = {.prepared = chance(t, 70)};

	claim.tip = draw(t, t->tip + 1);
	if (chance(t, 60) && t->tip > 2)
		claim.tip = t->tip - 1 - draw(t, 2);
	claim.stable = chance(t, 50) ? claim.tip : 0;
	return claim;
}

/* Y28, too low: all of it is valid */
static uint64_t hide_tip(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct claim claim;
	struct qmessage m;

	if (!mine(o) || t->tip == 0 || !deed(t, B_HIDE_TIP))
		return to;
	claim = old_claim(t);
	view_change_build(t, view_of(o), &claim, &m);
	return instead(t, B_HIDE_TIP, o, &m, to);
}

/* Y28, too high */
/* A tip that is but prepared, certificate and all. */
static bool prepared_tip(struct traitor *t, struct qcert *cert)
{
	struct statement *st;
	size_t from = 0;

	while ((st = statement_next(t, QPREPARE, &from)))
		if (st->vote.height.n > t->tip && cert_of(t, st, cert))
			return true;
	return false;
}

static uint64_t forged_checkpoint(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qview_change *vc;
	struct statement st = {.kind = QCHECKPOINT}, *real;
	struct qmessage m;
	size_t from = 0;

	if (!mine(o) || !deed(t, B_FORGED_CHECKPOINT))
		return to;
	copy_of(o->m, &m);
	vc = &m.qmessage_u.view_change;
	real = statement_next(t, QCHECKPOINT, &from);
	if (real)
		st = *real; /* real signatures under another height */
	bool tip = chance(t, 40);
	uint64_t ahead = t->s->g.g.params.checkpoint_interval * (1 + draw(t, 3));
	st.vote.height.n = (tip ? t->tip : t->stable) + ahead;
	st.vote.block = t->tip_hash;
	struct qcert **val = tip ? &vc->tip.tip_val : &vc->stable.stable_val;
	u_int *len = tip ? &vc->tip.tip_len : &vc->stable.stable_len;
	if (*len > 0)
		wire_free(WIRE(qcert), *val);
	free(*val);
	*val = xcalloc(1, sizeof **val);
	*len = 1;
	st.signers = (bit(t->s->q) - 1) & ~t->s->traitors;
	if (tip && chance(t, 50) && prepared_tip(t, *val)) {
		for (unsigned i = 0; i < vc->prepared.prepared_len; i++)
			wire_free(WIRE(qprepared), &vc->prepared.prepared_val[i]);
		vc->prepared.prepared_len = 0;
		return instead(t, B_FORGED_CHECKPOINT, o, &m, to);
	}
	cert_anyhow(t, &st, *val);
	if (chance(t, 30))
		(*val)->sigs.sigs_len = (unsigned)draw(t, (*val)->sigs.sigs_len + 1);
	return instead(t, B_FORGED_CHECKPOINT, o, &m, to);
}

/* ---- Y29 --------------------------------------------------------------------------------------------- */

static uint64_t two_view_changes(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qmessage m;

	if (!mine(o) || !deed(t, B_TWO_VIEW_CHANGES))
		return to;
	if (o->m->m.qmessage_u.view_change.prepared.prepared_len > 0 && chance(t, 50)) {
		copy_of(o->m, &m);
		hide_some(t, &m.qmessage_u.view_change);
	} else {
		struct claim claim = old_claim(t);
		view_change_build(t, view_of(o), &claim, &m);
	}
	acted(t, B_TWO_VIEW_CHANGES, o->id, "v=%" PRIu64 " other to %" PRIx64, view_of(o), to & t->side);
	say(t, o->id, &m, to & t->side);
	wire_free(WIRE(qmessage), &m);
	return to & ~t->side;
}

/* ---- Y30, Y31: asking -------------------------------------------------------------------------------- */

static void view_spam(struct traitor *t, unsigned id)
{
	if (!deed_tick(t, B_VIEW_SPAM))
		return;
	const uint64_t views[] = {t->view + 1,          t->view + 2, t->view + 3, t->view + t->s->n,
	                          t->view + UINT32_MAX, UINT64_MAX,  t->view,     UINT64_MAX - 1};
	uint64_t view = views[draw(t, sizeof views / sizeof *views)];
	if (view == 0)
		return;
	acted(t, B_VIEW_SPAM, id, "v=%" PRIu64, view);
	say_change(t, id, view, chance(t, 60) ? everybody(t) : t->victims);
}

/* All of them at once: with the one honest replica that is slow, f+1 ask. */
static void push_view(struct traitor *t, struct message *m)
{
	uint64_t view = m->m.qmessage_u.view_change.view.n;

	if (!sim_honest(t->s, m->sender) || view <= t->view || !deed(t, B_PUSH_VIEW))
		return;
	view += chance(t, 20);
	for (unsigned id = 0; id < t->s->n; id++) {
		if (sim_honest(t->s, id))
			continue;
		acted(t, B_PUSH_VIEW, id, "v=%" PRIu64, view);
		say_change(t, id, view, everybody(t));
	}
}

/* And by themselves, when something waits. */
static void push_view_tick(struct traitor *t, unsigned id)
{
	if (!block_proposed(t, t->view, t->tip + 1) || !deed_tick(t, B_PUSH_VIEW))
		return;
	acted(t, B_PUSH_VIEW, id, "v=%" PRIu64 " alone", t->view + 1);
	say_change(t, id, t->view + 1, chance(t, 60) ? everybody(t) : t->victims);
}

#define VC K(QVIEW_CHANGE)

const struct tactic view_tactics[] = {
    /* Y25 */
    {.behaviour = B_FORGED_PREPARED, .sends = VC, .on_send = forged_prepared},
    /* Y26 */
    {.behaviour = B_INFLATED_VIEW, .sends = VC, .on_send = inflated_view},
    /* Y27 */
    {.behaviour = B_HIDE_PREPARED, .sends = VC, .on_send = hide_prepared},
    /* Y28 */
    {.behaviour = B_HIDE_TIP, .sends = VC, .on_send = hide_tip},
    {.behaviour = B_FORGED_CHECKPOINT, .sends = VC, .on_send = forged_checkpoint},
    /* Y29 */
    {.behaviour = B_TWO_VIEW_CHANGES, .sends = VC, .on_send = two_view_changes},
    /* Y30 */
    {.behaviour = B_VIEW_SPAM, .on_tick = view_spam},
    /* Y31 */
    {.behaviour = B_PUSH_VIEW, .sees = VC, .on_see = push_view, .on_tick = push_view_tick},
    /* Y32 */
    {.behaviour = B_HUGE_VIEW_CHANGE, .sends = VC, .on_send = huge},
    /* Y33 */
    {.behaviour = B_PREPARED_AT_TARGET, .sends = VC, .on_send = prepared_at_target},
    /* new */
    {.behaviour = B_STALE_PREPARED, .sends = VC, .on_send = stale_prepared},
    {.behaviour = BEHAVIOUR_CNT},
};
