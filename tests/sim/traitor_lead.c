/*
 * traitor_lead.c: what a traitor does when it leads a view change. A NEW-VIEW is V only, so what it may do is
 * to choose V, to choose who hears it and when. Rules against it: NV1 to NV5, ST1, T3, message_open() (V: a
 * quorum of distinct, valid VIEW-CHANGEs for exactly this view).
 */
#include "traitor_impl.h"

static uint64_t view_of(const struct outgoing *o)
{
	return o->m->m.qmessage_u.new_view.view.n;
}

/* Its own NEW-VIEW, not one that it hands on. */
static bool mine(const struct outgoing *o)
{
	return o->m->sender == o->id;
}

/* ---- which VIEW-CHANGEs there are -------------------------------------------------------------------- */

struct changes {
	struct message *list[SIM_REPLICAS_MAX]; /* references */
	size_t cnt;
};

static void changes_free(struct changes *c)
{
	for (size_t i = 0; i < c->cnt; i++)
		message_unref(c->list[i]);
	c->cnt = 0;
}

/* Does this one say more than that, for what must survive? */
static bool says_more(const struct message *a, const struct message *b)
{
	const struct qview_change *x = &a->m.qmessage_u.view_change, *y = &b->m.qmessage_u.view_change;
	uint64_t tip_x = x->tip.tip_len ? x->tip.tip_val->vote.height.n : 0;
	uint64_t tip_y = y->tip.tip_len ? y->tip.tip_val->vote.height.n : 0;

	if (tip_x + x->prepared.prepared_len != tip_y + y->prepared.prepared_len)
		return tip_x + x->prepared.prepared_len > tip_y + y->prepared.prepared_len;
	return tip_x > tip_y;
}

/* One of each replica, the traitors' as empty as they can be where `lying` (hidden claims are valid). */
static void changes_for(struct traitor *t, uint64_t view, bool lying, struct changes *c)
{
	const struct claim nothing = {.tip = 0, .stable = 0, .prepared = false};

	*c = (struct changes){0};
	for (unsigned i = 0; i < t->s->n; i++) {
		struct message *vc;

		if (!sim_honest(t->s, i) && lying) {
			vc = own_change(t, i, view, &nothing);
		} else {
			vc = change_of(t, i, view);
			vc = vc ? message_ref(vc) : NULL;
		}
		if (vc)
			c->list[c->cnt++] = vc;
	}
}

/* Keeps a quorum: those that say least (or most), in order of sender. */
static void keep_quorum(struct traitor *t, struct changes *c, bool least)
{
	while (c->cnt > t->s->q) {
		size_t worst = 0;

		for (size_t i = 1; i < c->cnt; i++)
			if (says_more(c->list[i], c->list[worst]) == least)
				worst = i;
		message_unref(c->list[worst]);
		c->cnt--;
		memmove(&c->list[worst], &c->list[worst + 1], (c->cnt - worst) * sizeof c->list[0]);
	}
}

/* ---- Y34, Y36 ---------------------------------------------------------------------------------------- */

static uint64_t choose_changes(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct changes c;

	if (!mine(o) || !deed(t, B_CHOOSE_CHANGES))
		return to;
	changes_for(t, view_of(o), chance(t, 70), &c);
	keep_quorum(t, &c, true);
	acted(t, B_CHOOSE_CHANGES, o->id, "v=%" PRIu64 " cnt=%zu", view_of(o), c.cnt);
	say_new_view(t, o->id, view_of(o), c.list, c.cnt, to);
	changes_free(&c);
	return 0;
}

static uint64_t two_new_views(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct changes c;

	if (!mine(o) || !deed(t, B_TWO_NEW_VIEWS))
		return to;
	bool least = chance(t, 70);
	changes_for(t, view_of(o), chance(t, 70), &c);
	keep_quorum(t, &c, least);
	acted(t, B_TWO_NEW_VIEWS, o->id, "v=%" PRIu64 " other to %" PRIx64, view_of(o), to & t->side);
	say_new_view(t, o->id, view_of(o), c.list, c.cnt, to & t->side);
	changes_free(&c);
	return to & ~t->side;
}

/* ---- Y35, forged ones -------------------------------------------------------------------------------- */

static uint64_t short_new_view(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct changes c;
	uint64_t way, view = view_of(o);

	if (!mine(o) || !deed(t, B_SHORT_NEW_VIEW))
		return to;
	way = draw(t, 5);
	changes_for(t, view, false, &c);
	if (way == 0 && c.cnt > 0) { /* too few */
		keep_quorum(t, &c, true);
		message_unref(c.list[--c.cnt]);
	} else if (way == 1 && c.cnt > 0) { /* one again and again */
		keep_quorum(t, &c, true);
		for (size_t i = 1; i < c.cnt; i++) {
			message_unref(c.list[i]);
			c.list[i] = message_ref(c.list[0]);
		}
	} else if (way == 2 && c.cnt > 1) { /* out of order */
		struct message *first = c.list[0];
		c.list[0] = c.list[c.cnt - 1];
		c.list[c.cnt - 1] = first;
	} else if (way == 3) { /* of another view */
		for (size_t i = 0; i < CHANGES && c.cnt > 0; i++)
			if (t->changes[i] && t->changes[i]->m.qmessage_u.view_change.view.n != view &&
			    t->changes[i]->sender == c.list[0]->sender) {
				message_unref(c.list[0]);
				c.list[0] = message_ref(t->changes[i]);
				break;
			}
	} else { /* none at all */
		changes_free(&c);
	}
	acted(t, B_SHORT_NEW_VIEW, o->id, "v=%" PRIu64 " way=%" PRIu64 " cnt=%zu", view, way, c.cnt);
	say_new_view(t, o->id, view, c.list, c.cnt, to);
	changes_free(&c);
	return chance(t, 50) ? to : 0;
}

static uint64_t forged_change(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qmessage m;
	struct qenvelope *env;

	if (!mine(o) || !deed(t, B_FORGED_CHANGE))
		return to;
	copy_of(o->m, &m);
	struct qnew_view *nv = &m.qmessage_u.new_view;
	env = &nv->changes.changes_val[draw(t, nv->changes.changes_len)];
	uint64_t way = draw(t, 3);
	if (way == 0) { /* altered, signature kept */
		((uint8_t *)env->body.body_val)[draw(t, env->body.body_len)] ^= 1;
	} else if (way == 1) { /* signed by the liar in another's name */
		struct bytes body = {(uint8_t *)env->body.body_val, env->body.body_len};
		ident_sign(t->s->ids[o->id], &t->s->g.chain, body.data, body.len, &env->sig);
	} else { /* something else altogether, validly signed */
		struct message *other = history_any(t, chance(t, 50) ? QSTATUS : QPREPARE);
		if (other && other->env.body.body_len > 0) {
			free(env->body.body_val);
			*env = other->env;
			env->body.body_val = xmemdup(other->env.body.body_val, other->env.body.body_len);
		}
	}
	acted(t, B_FORGED_CHANGE, o->id, "v=%" PRIu64 " way=%" PRIu64, view_of(o), way);
	say(t, o->id, &m, to);
	wire_free(WIRE(qmessage), &m);
	return chance(t, 50) ? to : 0;
}

/* ---- who hears it, and when -------------------------------------------------------------------------- */

/* Y37 */
static uint64_t withhold(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	if (!mine(o) || !(to & t->victims) || !deed(t, B_WITHHOLD_NEW_VIEW))
		return to;
	acted(t, B_WITHHOLD_NEW_VIEW, o->id, "v=%" PRIu64 " from %" PRIx64, view_of(o), to & t->victims);
	return to & ~t->victims;
}

/* The others wait for a time-out that doubles with each view: a little less than one of the smaller ones. */
static uint64_t late(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	if (!mine(o) || !deed(t, B_LATE_NEW_VIEW))
		return to;
	uint64_t timeout_ms = (uint64_t)t->s->g.timeout_ms << draw(t, 3);
	say_later(t, o->id, o->m, to, timeout_ms * (85 + draw(t, 20)) / 100);
	acted(t, B_LATE_NEW_VIEW, o->id, "v=%" PRIu64, view_of(o));
	return 0;
}

/* Y38 */
static void replay(struct traitor *t, unsigned id)
{
	uint64_t have = t->new_view_cnt < NEW_VIEWS ? t->new_view_cnt : NEW_VIEWS;

	if (have == 0 || !deed_tick(t, B_REPLAY_NEW_VIEW))
		return;
	const struct message *m = t->new_views[draw(t, have)];
	acted(t, B_REPLAY_NEW_VIEW, id, "v=%" PRIu64 " of %u", m->m.qmessage_u.new_view.view.n, m->sender);
	say_message(t, id, m, everybody(t));
}

/* As soon as there is a quorum for a view that another leads; or for the next one that it leads, which nobody
 * asked for. */
static void usurp(struct traitor *t, struct message *m)
{
	uint64_t view = m->m.qmessage_u.view_change.view.n;
	struct changes c;

	if (view <= t->view || !sim_honest(t->s, primary(t, view)) || !deed(t, B_USURP))
		return;
	unsigned id = one_of(t, t->s->traitors);
	changes_for(t, view, true, &c);
	keep_quorum(t, &c, true);
	while (chance(t, 40) && primary(t, view) != id)
		view++;
	acted(t, B_USURP, id, "v=%" PRIu64 " cnt=%zu", view, c.cnt);
	say_new_view(t, id, view, c.list, c.cnt, everybody(t));
	changes_free(&c);
}

#define NV K(QNEW_VIEW)

const struct tactic lead_tactics[] = {
    /* Y34 */
    {.behaviour = B_CHOOSE_CHANGES, .sends = NV, .on_send = choose_changes},
    /* Y35 */
    {.behaviour = B_SHORT_NEW_VIEW, .sends = NV, .on_send = short_new_view},
    /* Y36 */
    {.behaviour = B_TWO_NEW_VIEWS, .sends = NV, .on_send = two_new_views},
    /* Y37 */
    {.behaviour = B_WITHHOLD_NEW_VIEW, .sends = NV, .on_send = withhold},
    /* new */
    {.behaviour = B_LATE_NEW_VIEW, .sends = NV, .on_send = late},
    /* Y38 */
    {.behaviour = B_REPLAY_NEW_VIEW, .on_tick = replay},
    /* new */
    {.behaviour = B_USURP, .sees = K(QVIEW_CHANGE), .on_see = usurp},
    {.behaviour = B_FORGED_CHANGE, .sends = NV, .on_send = forged_change},
    {.behaviour = BEHAVIOUR_CNT},
};
