/*
 * world_net.c: the network of a world: what is sent becomes bytes, and is opened again where it arrives.
 * Bodies and certified headers are fetched over it, too.  See world.h.
 */
#include <utlist.h>

#include "world.h"

#define RETRY_MS 100 /* before another replica is asked for a body */

static struct packet *packet_new(enum qkind kind)
{
	struct packet *p = xcalloc(1, sizeof *p);
	p->refs = 1;
	p->kind = kind;
	return p;
}

static void packet_unref(struct packet *p)
{
	if (--p->refs > 0)
		return;
	bytes_free(&p->bytes);
	message_unref(p->opened);
	free(p);
}

static void item_free(struct item *it)
{
	packet_unref(it->packet);
	free(it);
}

/* Items lie in order of time; of one time, as they were sent. */
static void enqueue(struct world *w, struct item *it)
{
	struct item *after = w->queue ? w->queue->prev : NULL;
	while (after && after->at_ms > it->at_ms)
		after = after == w->queue ? NULL : after->prev;
	if (after)
		DL_APPEND_ELEM(w->queue, after, it);
	else
		DL_PREPEND(w->queue, it);
}

static const struct rule *rule_for(const struct world *w, const struct packet *p, unsigned from, unsigned to)
{
	for (unsigned k = 0; k < w->rule_cnt; k++) {
		const struct rule *r = &w->rules[k];
		if (r->from & ONLY(from) && r->to & ONLY(to) && r->kinds & KIND(p->kind) &&
		    (r->height == 0 || r->height == p->height))
			return r;
	}
	return NULL;
}

static void put(struct world *w, unsigned from, unsigned to, struct packet *p)
{
	const struct rule *r = rule_for(w, p, from, to);
	if (r && r->action == DROP)
		return;
	if (w->chaos.drop && world_random(w, 100) < w->chaos.drop)
		return;
	unsigned copies = w->chaos.duplicate && world_random(w, 100) < w->chaos.duplicate ? 2 : 1;
	for (unsigned k = 0; k < copies; k++) {
		struct item *it = xcalloc(1, sizeof *it);
		*it = (struct item){.packet = p, .from = from, .to = to, .at_ms = w->now_ms};
		if (w->chaos.delay_max_ms)
			it->at_ms += 1 + world_random(w, w->chaos.delay_max_ms);
		p->refs++;
		if (r)
			DL_APPEND(w->held, it);
		else
			enqueue(w, it);
	}
}

static void put_all(struct world *w, unsigned from, uint64_t to, struct packet *p)
{
	for (unsigned i = 0; i < w->n; i++)
		if (to & ONLY(i) && i != from)
			put(w, from, i, p);
	packet_unref(p);
}

static uint64_t height_of(const struct message *m)
{
	switch (m->m.kind) {
	case QPRE_PREPARE:
		return m->m.qmessage_u.proposal.header.height.n;
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		return m->m.qmessage_u.vote.height.n;
	case QVIEW_CHANGE:
	case QNEW_VIEW:
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return 0;
}

void net_message(struct world *w, unsigned from, struct message *m, uint64_t to)
{
	struct packet *p = packet_new(m->m.kind);
	p->height = height_of(m);
	must(wire_encode(WIRE(qenvelope), &m->env, &p->bytes));
	put_all(w, from, to, p);
}

void net_leaf(struct world *w, unsigned from, const struct qhash *leaf, uint64_t to)
{
	struct packet *p = packet_new(QTXS);
	p->hash = *leaf;
	put_all(w, from, to, p);
}

/* Hands a message to the network: what the checkers and the trace see. */
void world_send(struct world *w, unsigned from, struct message *m, uint64_t to)
{
	uint64_t all = w->n == 64 ? ALL : ONLY(w->n) - 1;
	if (m->m.kind == QPRE_PREPARE) {
		const struct qproposal *p = &m->m.qmessage_u.proposal;
		struct wblock *b =
		    world_note_block(w, &p->header, p->leaves.leaves_val, p->leaves.leaves_len);
		if (w->r[from].traitor)
			b->holds |= ONLY(from);
	}
	bool fresh = check_sent(w, from, m);
	trace_send(w, from, m, to & all & BUT(from), !fresh);
	net_message(w, from, m, to);
}

/* ---- fetching ----------------------------------------------------------------- */

static void ask_body(struct world *w, unsigned i, struct want *want)
{
	for (unsigned k = 0; k < w->n && (want->from == i || want->from >= w->n); k++)
		want->from = (want->from + 1) % w->n;
	struct packet *p = packet_new(QGET_BODIES);
	p->hash = want->block;
	p->height = world_block(w, &want->block)->header.height.n;
	put_all(w, i, ONLY(want->from), p);
	want->from = (want->from + 1) % w->n;
	want->next_ms = w->now_ms + RETRY_MS;
}

void net_want(struct world *w, unsigned i, const struct qhash *block, unsigned from)
{
	struct replica *r = &w->r[i];
	r->wants = xrealloc(r->wants, (r->want_cnt + 1) * sizeof *r->wants);
	r->wants[r->want_cnt] = (struct want){.block = *block, .from = from};
	ask_body(w, i, &r->wants[r->want_cnt++]);
}

void net_retry_wants(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		for (size_t k = 0; w->r[i].e && k < w->r[i].want_cnt; k++)
			if (w->r[i].wants[k].next_ms <= w->now_ms)
				ask_body(w, i, &w->r[i].wants[k]);
}

void net_forget_wants(struct world *w, unsigned i)
{
	free(w->r[i].wants);
	w->r[i].wants = NULL;
	w->r[i].want_cnt = 0;
}

static void body_asked(struct world *w, const struct item *it)
{
	struct wblock *b = world_block(w, &it->packet->hash);
	if (!(b->holds & ONLY(it->to)) || w->mean & ONLY(it->to))
		return;
	struct packet *p = packet_new(QBODY);
	p->hash = b->hash;
	p->height = b->header.height.n;
	put_all(w, it->to, ONLY(it->from), p);
}

static void body_came(struct world *w, const struct item *it)
{
	struct replica *r = &w->r[it->to];
	for (size_t k = 0; k < r->want_cnt; k++) {
		if (!qhash_eq(&r->wants[k].block, &it->packet->hash))
			continue;
		r->wants[k] = r->wants[--r->want_cnt];
		world_have_body(w, it->to, &it->packet->hash);
		world_tick(w, it->to);
		return;
	}
}

void net_ask_chain(struct world *w, unsigned i, unsigned from, uint64_t above)
{
	struct packet *p = packet_new(QGET_CHAIN);
	p->above = above;
	put_all(w, i, ONLY(from), p);
}

/* As a node answers: executed headers up to the highest certificate within reach. */
static void chain_asked(struct world *w, const struct item *it)
{
	const struct disk *d = &w->r[it->to].disk;
	uint64_t first = it->packet->above + 1, top = d->height;
	struct qmessage m = {.kind = QCHAIN};
	struct qchain *c = &m.qmessage_u.chain;
	if (w->mean & ONLY(it->to) || first > d->height)
		return;
	if (top - first >= Q_CHAIN_MAX)
		top = first + Q_CHAIN_MAX - 1;
	while (top >= first && !d->executed[top].has_cert)
		top--;
	if (top < first)
		return;
	c->headers.headers_len = (u_int)(top - first + 1);
	c->headers.headers_val = xcalloc(c->headers.headers_len, sizeof *c->headers.headers_val);
	for (uint64_t h = first; h <= top; h++)
		c->headers.headers_val[h - first] = world_executed(w, it->to, h)->header;
	c->cert = d->executed[top].cert;
	struct message *made = world_sign(w, it->to, &m);
	free(c->headers.headers_val);
	world_send(w, it->to, made, ONLY(it->from));
	message_unref(made);
}

/* ---- delivery ----------------------------------------------------------------- */

static struct message *open_packet(struct world *w, struct packet *p)
{
	struct qenvelope env;
	enum open_verdict verdict;
	if (p->opened)
		return message_ref(p->opened);
	must(wire_decode(WIRE(qenvelope), p->bytes.data, p->bytes.len, &env));
	struct message *m = message_open(&w->g, &env, &verdict);
	unsigned sender = env.sender;
	wire_free(WIRE(qenvelope), &env);
	if (!m && !w->r[sender].traitor)
		world_broken(w, "an honest message is refused: %s", open_verdict_text(verdict));
	if (m && w->share_opened)
		p->opened = message_ref(m);
	return m;
}

static void deliver(struct world *w, struct item *it)
{
	struct packet *p = it->packet;
	if (p->kind == QGET_BODIES && (w->r[it->to].e || w->r[it->to].traitor)) {
		body_asked(w, it);
		return;
	}
	if (!w->r[it->to].e) /* crashed, or a traitor, who sees everything anyway */
		return;
	if (p->kind == QGET_CHAIN) {
		chain_asked(w, it);
	} else if (p->kind == QBODY) {
		body_came(w, it);
	} else if (p->kind == QTXS) {
		world_leaf_at(w, it->to, &p->hash);
	} else {
		struct engine_input in = {.kind = IN_MESSAGE};
		in.message = open_packet(w, p);
		if (in.message)
			world_input(w, it->to, &in);
		message_unref(in.message);
	}
}

bool net_deliver_one(struct world *w)
{
	struct item *it = w->queue;
	if (!it)
		return false;
	DL_DELETE(w->queue, it);
	if (w->r[it->to].paused) {
		DL_APPEND(w->held, it);
		return true;
	}
	deliver(w, it);
	item_free(it);
	return true;
}

uint64_t net_next_ms(const struct world *w)
{
	return w->queue ? w->queue->at_ms : UINT64_MAX;
}

/* ---- what a story does to it ----------------------------------------------------- */

void world_rule(struct world *w, enum rule_action action, uint64_t from, uint64_t to, unsigned kinds,
                uint64_t height)
{
	must(w->rule_cnt < RULES_MAX);
	w->rules[w->rule_cnt++] = (struct rule){from, to, kinds, height, action};
}

void world_clear_rules(struct world *w)
{
	w->rule_cnt = 0;
}

void world_partition(struct world *w, uint64_t side)
{
	world_rule(w, DROP, side, ~side, EVERY_KIND, 0);
	world_rule(w, DROP, ~side, side, EVERY_KIND, 0);
}

void world_release(struct world *w)
{
	struct item *it, *next, *held = w->held;
	w->held = NULL;
	DL_FOREACH_SAFE(held, it, next)
	{
		DL_DELETE(held, it);
		it->at_ms = w->now_ms;
		enqueue(w, it);
	}
}

void net_free(struct world *w)
{
	world_release(w);
	struct item *it, *next;
	DL_FOREACH_SAFE(w->queue, it, next)
	{
		DL_DELETE(w->queue, it);
		item_free(it);
	}
}
