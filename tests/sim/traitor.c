/*
 * traitor.c: the adversary: what it does in this run, who asks it, and what it sends later. See
 * traitor_impl.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "pbft.h"
#include "replica_impl.h"
#include "traitor_impl.h"

static const struct {
	const char *name, *text;
} behaviours[BEHAVIOUR_CNT] = {
#define X(id, name, text) [id] = {(name), (text)},
    BEHAVIOURS(X)
#undef X
};

const char *behaviour_name(enum behaviour b)
{
	return behaviours[b].name;
}

const char *behaviour_text(enum behaviour b)
{
	return behaviours[b].text;
}

/* ---- chance ------------------------------------------------------------------------------------------ */

/* splitmix64, begun anew for each deed */
uint64_t draw(struct traitor *t, uint64_t below)
{
	uint64_t z = t->rng += UINT64_C(0x9e3779b97f4a7c15);

	must(below > 0);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

uint64_t draw_fn(void *t, uint64_t below)
{
	return draw(t, below);
}

bool chance(struct traitor *t, unsigned percent)
{
	return draw(t, 100) < percent;
}

uint64_t part(struct traitor *t, uint64_t mask)
{
	uint64_t some = 0;

	for (unsigned i = 0; i < t->s->n; i++)
		if ((mask >> i & 1) && draw(t, 2))
			some |= bit(i);
	if (some == 0 || some == mask)
		some = mask ? bit(one_of(t, mask)) : 0;
	return some;
}

unsigned one_of(struct traitor *t, uint64_t mask)
{
	uint64_t left = draw(t, (uint64_t)__builtin_popcountll(mask));

	for (unsigned i = 0;; i++)
		if ((mask >> i & 1) && left-- == 0)
			return i;
}

void scramble(struct traitor *t, struct qhash *h)
{
	uint64_t at = draw(t, sizeof h->b);

	h->b[at] ^= (uint8_t)(1 + draw(t, 255));
}

void make_up(struct traitor *t, struct qhash *h)
{
	for (size_t i = 0; i < sizeof h->b; i++)
		h->b[i] = (uint8_t)draw(t, 256);
}

static bool strikes(struct traitor *t, unsigned per_million)
{
	t->rng = sim_random(t->s, STREAM_TRAITOR, UINT64_MAX);
	return sim_strikes(t->s, FAULT_TRAITOR, per_million);
}

bool deed(struct traitor *t, enum behaviour b)
{
	return sim_set_has(t->enabled, b) && strikes(t, t->intensity[b]);
}

bool deed_tick(struct traitor *t, enum behaviour b)
{
	return t->budget > 0 && sim_set_has(t->enabled, b) && strikes(t, 1 + t->intensity[b] / 8);
}

void acted(struct traitor *t, enum behaviour b, unsigned id, const char *fmt, ...)
{
	char text[128];
	va_list args;

	t->deeds[b]++;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	trace_line(t->s, "traitor %u %s %s", id, behaviours[b].name, text);
}

unsigned proposer(const struct traitor *t, uint64_t view, uint64_t height)
{
	must(t->s->n > 0);
	for (unsigned i = 0; i < t->s->n && t->s->g.g.proposer.kind == QPROPOSER_STAKE; i++) {
		const struct machine *m = &t->s->machines[i];
		unsigned there = t->s->n;
		if (machine_up(m) && height > 0)
			there = proposer_of(m->replica->engine, qheight_of(height), qview_of(view));
		if (there < t->s->n)
			return there;
	}
	return primary(t, view);
}

/* ---- sending ----------------------------------------------------------------------------------------- */

void say_envelope(struct traitor *t, unsigned id, const struct qenvelope *env, uint64_t to)
{
	struct packet *p;

	to &= others(t, id);
	if (t->budget == 0 || to == 0)
		return;
	t->budget--;
	t->depth++;
	p = packet_new(t->s, id, env);
	network_send(t->s, p, network_machines_of(t->s, to));
	packet_unref(p);
	t->depth--;
}

void say_body(struct traitor *t, unsigned id, const struct bytes *body, uint64_t to)
{
	struct qenvelope env = {.chain = t->s->g.chain, .sender = id};

	if (body->len > Q_BODY_MAX)
		return;
	env.body.body_val = (void *)body->data;
	env.body.body_len = (unsigned)body->len;
	ident_sign(t->s->ids[id], &t->s->g.chain, body->data, body->len, &env.sig);
	say_envelope(t, id, &env, to);
}

bool say(struct traitor *t, unsigned id, const struct qmessage *m, uint64_t to)
{
	struct bytes body;

	if (!wire_encode(WIRE(qmessage), m, &body))
		return false;
	say_body(t, id, &body, to);
	bytes_free(&body);
	return true;
}

void say_message(struct traitor *t, unsigned id, const struct message *m, uint64_t to)
{
	say_envelope(t, id, &m->env, to);
}

void say_later(struct traitor *t, unsigned id, const struct message *m, uint64_t to, uint64_t after_ms)
{
	to &= others(t, id);
	for (size_t i = 0; i < LATER && to; i++) {
		struct later *l = &t->later[i];

		if (l->packet)
			continue;
		*l = (struct later){.at_ms = t->s->now_ms + after_ms,
		                    .to = network_machines_of(t->s, to),
		                    .packet = packet_new(t->s, id, &m->env)};
		sim_at(t->s, l->at_ms, (struct sim_event){.kind = EV_TRAITOR});
		return;
	}
	say_message(t, id, m, to); /* no place: now */
}

static void send_due(struct traitor *t)
{
	for (size_t i = 0; i < LATER; i++) {
		struct packet *p = t->later[i].packet;

		if (!p || t->later[i].at_ms > t->s->now_ms)
			continue;
		t->later[i].packet = NULL;
		network_send(t->s, p, t->later[i].to);
		packet_unref(p);
	}
}

void say_as_replica(struct traitor *t, unsigned id, unsigned slot, struct message *m, uint64_t to)
{
	struct outgoing o = {.id = id, .slot = slot, .m = m};

	to &= twins_hear(t, slot);
	if (t->silent_until_ms[id] > t->s->now_ms)
		to = 0;
	t->depth++;
	for (unsigned b = 0; b < BEHAVIOUR_CNT && to; b++) {
		const struct tactic *tactic = t->of[b];

		if (sim_set_has(t->enabled, b) && tactic->on_send && (tactic->sends & K(m->m.kind)))
			to = tactic->on_send(t, &o, to);
	}
	t->depth--;
	if (to)
		network_send_message(t->s, slot, m, to);
}

void traitor_send(struct machine *m, struct message *message, uint64_t replicas)
{
	struct traitor *t = m->sim->traitor;

	memory_said(t, m->slot, message);
	say_as_replica(t, m->id, m->slot, message, replicas);
}

/* ---- hearing ----------------------------------------------------------------------------------------- */

/*
 * Rule OWN1 would silence a traitor's replica that is shown what the adversary signed behind its back. It is
 * kept from that: it gets nothing that holds a signature of its own that it does not remember.
 */
static bool tells_cert(struct traitor *t, const struct machine *m, const struct qcert *c)
{
	for (unsigned i = 0; i < c->sigs.sigs_len; i++) {
		const struct statement *st = NULL;

		if (c->sigs.sigs_val[i].replica == m->id)
			st = statement_find(t, c->kind, &c->vote);
		if (st && !(st->said >> m->slot & 1))
			return true;
	}
	return false;
}

static bool tells_change(struct traitor *t, const struct machine *m, const struct qview_change *vc)
{
	bool tells = (vc->tip.tip_len && tells_cert(t, m, vc->tip.tip_val)) ||
	             (vc->stable.stable_len && tells_cert(t, m, vc->stable.stable_val));

	for (unsigned i = 0; i < vc->prepared.prepared_len && !tells; i++)
		tells = tells_cert(t, m, &vc->prepared.prepared_val[i].cert);
	return tells;
}

static bool tells(struct traitor *t, const struct machine *m, const struct message *msg)
{
	if (msg->sender == m->id)
		return true;
	if (msg->m.kind == QCHAIN)
		return tells_cert(t, m, &msg->m.qmessage_u.chain.cert);
	if (msg->m.kind == QVIEW_CHANGE)
		return tells_change(t, m, &msg->m.qmessage_u.view_change);
	if (msg->m.kind != QNEW_VIEW)
		return false;
	for (unsigned i = 0; i < msg->m.qmessage_u.new_view.changes.changes_len; i++) {
		const struct message *vc = msg->changes[i];

		if (vc->sender == m->id && vc->m.qmessage_u.view_change.view.n > t->asked_by[m->slot])
			return true;
		if (tells_change(t, m, &vc->m.qmessage_u.view_change))
			return true;
	}
	return false;
}

bool traitor_receives(struct machine *m, struct packet *p)
{
	struct traitor *t = m->sim->traitor;
	bool gets = (twins_hear(t, m->slot) >> p->message->sender & 1) && !tells(t, m, p->message);

	t->depth++;
	if (gets)
		serve(t, m->id, p->message);
	for (unsigned b = 0; b < BEHAVIOUR_CNT && gets; b++)
		if (sim_set_has(t->enabled, b) && t->of[b]->on_receive)
			gets = t->of[b]->on_receive(t, m, p);
	t->depth--;
	return gets;
}

void traitor_sees(struct sim *s, struct packet *p)
{
	struct traitor *t = s->traitor;

	if (!p->message)
		return;
	memory_see(t, p);
	if (t->depth > 0 || t->pending_cnt == PENDING)
		return;
	t->pending[t->pending_cnt++] = p;
	p->refs++;
	if (!t->thinking)
		sim_at(s, s->now_ms, (struct sim_event){.kind = EV_TRAITOR});
	t->thinking = true;
}

/* At the very moment at which it was sent: no link is as quick. */
static void think(struct traitor *t)
{
	t->thinking = false;
	for (unsigned i = 0; i < t->pending_cnt; i++) {
		struct message *m = t->pending[i]->message;

		puppet_sees(t, m);
		for (unsigned b = 0; b < BEHAVIOUR_CNT; b++)
			if (sim_set_has(t->enabled, b) && t->of[b]->on_see && (t->of[b]->sees & K(m->m.kind)))
				t->of[b]->on_see(t, m);
		packet_unref(t->pending[i]);
	}
	t->pending_cnt = 0;
}

/* ---- time -------------------------------------------------------------------------------------------- */

/* Whom it works against stays the same for a while: half-measures against everybody achieve nothing. */
static void new_round(struct traitor *t)
{
	if (t->s->now_ms < t->round_ms)
		return;
	t->rng = sim_random(t->s, STREAM_TRAITOR, UINT64_MAX);
	t->round_ms = t->s->now_ms + 500 + draw(t, 4000);
	t->victims = part(t, honest(t));
	t->side = part(t, honest(t));
	t->victim = one_of(t, honest(t));
	twins_round(t);
}

/*
 * A machine that is kept from what it must not hear may lose its way, and rule OWN1 may have silenced it
 * after all. Then it is played by hand: muted, or twice in a row not in the view in which the others are.
 */
static void check_health(struct traitor *t)
{
	struct replica_status st;

	if (t->s->now_ms < t->health_ms)
		return;
	t->health_ms = t->s->now_ms + 300;
	for (unsigned i = 0; i < t->s->n; i++) {
		if (sim_honest(t->s, i) || !machine_up(&t->s->machines[i]))
			continue;
		replica_status(t->s->machines[i].replica, &st);
		bool stuck = st.engine.entered.n < t->view;
		bool puppet = st.muted_because || (stuck && t->stuck[i]);
		if (puppet != t->puppet[i])
			trace_line(t->s, "traitor %u %s by hand", i,
			           puppet ? "is played" : "is no more played");
		t->stuck[i] = stuck;
		t->puppet[i] = puppet;
	}
}

static void tick(struct traitor *t)
{
	new_round(t);
	check_health(t);
	t->budget += 12;
	if (t->budget > BUDGET_MAX)
		t->budget = BUDGET_MAX;
	for (unsigned id = 0; id < t->s->n; id++) {
		if (sim_honest(t->s, id))
			continue;
		if (t->puppet[id])
			puppet_tick(t, id);
		for (unsigned b = 0; b < BEHAVIOUR_CNT; b++)
			if (sim_set_has(t->enabled, b) && t->of[b]->on_tick)
				t->of[b]->on_tick(t, id);
	}
}

void traitor_tick(struct sim *s)
{
	struct traitor *t = s->traitor;

	t->depth++;
	send_due(t);
	think(t);
	if (s->now_ms >= t->next_tick_ms && s->phase != AUDIT) {
		t->next_tick_ms = s->now_ms + t->tick_ms;
		tick(t);
		sim_at(s, t->next_tick_ms, (struct sim_event){.kind = EV_TRAITOR});
	}
	t->depth--;
}

/* ---- start and end ----------------------------------------------------------------------------------- */

static void collect(struct traitor *t, const struct tactic *list)
{
	for (; list->behaviour < BEHAVIOUR_CNT; list++) {
		must(!t->of[list->behaviour]);
		t->of[list->behaviour] = list;
	}
}

#define B(name) ((sim_set)1 << (B_##name))

/* Behaviours that are worth more together. */
static const sim_set campaigns[] = {
    /* a block that one replica knows committed is to be lost in the next views */
    B(COMMIT_TO_ONE) | B(STARVE) | B(HIDE_PREPARED) | B(STALE_PREPARED) | B(CHOOSE_CHANGES),
    B(VOTE_TO_SOME) | B(STARVE) | B(HIDE_TIP) | B(TWO_VIEW_CHANGES) | B(PUSH_VIEW),
    /* two blocks at one place */
    B(EQUIVOCATE) | B(DOUBLE_PREPARE) | B(DOUBLE_COMMIT) | B(COMMIT_UNPREPARED) | B(STARVE),
    B(TWO_NEW_VIEWS) | B(OVER_BOUND) | B(EQUIVOCATE) | B(COMMIT_UNPREPARED) | B(STARVE),
    B(TWINS) | B(STARVE) | B(STALE_PREPARED) | B(PUSH_VIEW),
    /* no view shall come to rest */
    B(WITHHOLD_NEW_VIEW) | B(LATE_NEW_VIEW) | B(STARVE) | B(PUSH_VIEW) | B(STOP_AT_QUORUM),
    /* who is behind shall stay behind, or go astray */
    B(FORGED_CHAIN) | B(HIDE_HEAD) | B(FORK_SUFFIX) | B(LYING_STATUS) | B(WRONG_BODY) | B(SLOW_DRIP),
    B(HIDE_BODY) | B(COLLUDE) | B(WRONG_BODY) | B(ALL_BUT_ONE) | B(LEAVE_GAP) | B(GHOSTS),
    /* the same with more views than votes: forged certificates of every kind */
    B(FORGED_PREPARED) | B(INFLATED_VIEW) | B(FORGED_CHECKPOINT) | B(FORGED_CHANGE) | B(STARVE),
    B(WRONG_CHECKPOINT) | B(EARLY_CHECKPOINT) | B(HIDE_TIP) | B(STARVE),
    /* work that was not done, turns that are not one's own, penalties that are not paid */
    B(BAD_SEAL) | B(REUSE_SEAL) | B(MINE_MANY) | B(WARP_TIME) | B(STARVE),
    B(STALE_TURNS) | B(JUMP_QUEUE) | B(OUT_OF_TURN) | B(REUSE_SEAL) | B(STARVE),
    B(OFFEND_AND_LEAVE) | B(HIDE_CONVICTION) | B(EQUIVOCATE) | B(DOUBLE_COMMIT)};

/* A campaign, or a handful; each in earnest or in passing; now and then a little of everything. */
static void choose(struct traitor *t)
{
	static const unsigned often[] = {1000000, 1000000, 700000, 300000, 100000, 30000};
	/* What wants power: leading, and view changes. */
	const sim_set all = sim_set_below(BEHAVIOUR_CNT), leading = B(DOUBLE_PREPARE) - B(EQUIVOCATE),
	              changing = B(FORGED_CHAIN) - B(FORGED_PREPARED);
	uint64_t plan = draw(t, 16);
	bool medley = plan == 0 && !t->s->o.behaviours;

	if (t->s->o.behaviours) {
		t->enabled = t->s->o.behaviours & all;
	} else if (medley) {
		t->enabled = all & ~B(TWINS);
	} else if (plan < 6) {
		t->enabled = campaigns[draw(t, sizeof campaigns / sizeof *campaigns)];
	} else {
		for (uint64_t left = 1 + draw(t, 6); left > 0; left--)
			t->enabled |= sim_set_of((unsigned)draw(t, BEHAVIOUR_CNT));
		/* Who leads the first view makes use of it; who does not has to come by power first. */
		if ((t->s->traitors & 1) && draw(t, 3) != 0)
			t->enabled |=
			    sim_set_of(B_EQUIVOCATE + (unsigned)draw(t, B_DOUBLE_PREPARE - B_EQUIVOCATE));
		else if ((t->enabled & (leading | changing)) && draw(t, 4) != 0)
			t->enabled |= B(STARVE);
	}
	for (unsigned b = 0; b < BEHAVIOUR_CNT; b++)
		t->intensity[b] = often[draw(t, sizeof often / sizeof *often)] / (medley ? 12 : 1);
}

void traitor_start(struct sim *s)
{
	struct traitor *t = xcalloc(1, sizeof *t);

	s->traitor = t;
	t->s = s;
	t->tip_hash = s->g.chain;
	t->budget = BUDGET_MAX;
	collect(t, primary_tactics);
	collect(t, stake_tactics);
	collect(t, backup_tactics);
	collect(t, view_tactics);
	collect(t, lead_tactics);
	collect(t, sync_tactics);
	collect(t, evidence_tactics);
	collect(t, wire_tactics);
	collect(t, twins_tactics);
	for (unsigned b = 0; b < BEHAVIOUR_CNT; b++)
		must(t->of[b]);
	t->rng = sim_random(s, STREAM_TRAITOR, UINT64_MAX);
	choose(t);
	t->tick_ms = 20 + (unsigned)draw(t, 80);
	t->next_tick_ms = s->now_ms + 1 + draw(t, 100);
	s->result->behaviours = t->enabled;
	twins_start(t);
	for (unsigned b = 0; b < BEHAVIOUR_CNT; b++)
		if (sim_set_has(t->enabled, b))
			trace_line(s, "traitors %" PRIx64 " %s %u ppm", s->traitors, behaviours[b].name,
			           t->intensity[b]);
	sim_at(s, t->next_tick_ms, (struct sim_event){.kind = EV_TRAITOR});
}

void traitor_free(struct sim *s)
{
	struct traitor *t = s->traitor;

	if (!t)
		return;
	for (size_t i = 0; i < LATER; i++)
		if (t->later[i].packet)
			packet_unref(t->later[i].packet);
	for (unsigned i = 0; i < t->pending_cnt; i++)
		packet_unref(t->pending[i]);
	memory_free(t);
	free(t);
	s->traitor = NULL;
}
