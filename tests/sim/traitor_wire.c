/*
 * traitor_wire.c: any message, changed a little and signed again; and what is no message of this chain at
 * all. Rules against it: all of them, message_open() first.
 */
#include "merkle.h"
#include "traitor_impl.h"
#include "traitor_mutate.h"

/* ---- small changes ----------------------------------------------------------------------------------- */

struct mending {
	struct traitor *t;
	unsigned id;
	bool root, seal, prepare; /* which of the redundant parts is made to fit again */
};

static uint64_t mend_draw(void *ctx, uint64_t below)
{
	const struct mending *m = ctx;

	return draw(m->t, below);
}

/* So that the change itself is judged, not the checksum over it. */
static void mend(void *ctx, struct qmessage *m)
{
	const struct mending *how = ctx;
	struct qproposal *p = &m->qmessage_u.proposal;
	struct qvote vote;

	if (m->kind != QPRE_PREPARE ||
	    (p->header.seal.kind != QSEAL_NONE && p->header.seal.kind != QSEAL_POW))
		return;
	if (how->root) {
		merkle_root(p->leaves.leaves_val, p->leaves.leaves_len, &p->header.merkle_root);
		p->header.tx_count = p->leaves.leaves_len;
	}
	if (how->seal)
		header_mine(how->t, &p->header);
	if (how->prepare) {
		vote = (struct qvote){.view = p->view, .height = p->header.height};
		block_hash(&p->header, &vote.block);
		sign_vote(how->t, how->id, QPREPARE, &vote, &p->prepare);
	}
}

static uint64_t mutate_send(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct mending how = {.t = t, .id = o->id};
	struct bytes body = {(uint8_t *)o->m->env.body.body_val, o->m->env.body.body_len}, donor = {0};
	struct mutant mutant;
	const struct message *other;

	if (!deed(t, B_MUTATE))
		return to;
	other = history_any(t, o->m->m.kind);
	if (other)
		donor = (struct bytes){(uint8_t *)other->env.body.body_val, other->env.body.body_len};
	how.root = chance(t, 50);
	how.seal = chance(t, 80);
	how.prepare = chance(t, 80);
	bool changed = false;
	for (unsigned tries = 0; tries < 4 && !changed; tries++)
		changed = mutate(&body, &donor, mend_draw, mend, &how, &mutant);
	if (!changed)
		return to;
	acted(t, B_MUTATE, o->id, "kind=%d %s%s", (int)o->m->m.kind, mutant.what,
	      mutant.encodable ? "" : " (cannot be said)");
	if (!mutant.encodable)
		return to;
	uint64_t some = chance(t, 50) ? to : to & t->victims;
	say_body(t, o->id, &mutant.body, some);
	bytes_free(&mutant.body);
	return chance(t, 50) ? to : to & ~some; /* with the true one, or in its place */
}

/* ---- envelopes --------------------------------------------------------------------------------------- */

/* Signed as it is, but no canonical encoding. */
static void not_canonical(struct traitor *t, const struct outgoing *o, uint64_t to, uint64_t way)
{
	unsigned len = o->m->env.body.body_len;
	uint8_t *body = xcalloc(1, (size_t)len + 8);
	struct bytes b = {body, len};

	memcpy(body, o->m->env.body.body_val, len);
	if (way == 0)
		b.len += 4; /* something behind it */
	else if (way == 1)
		b.len = draw(t, len);
	else if (way == 2)
		body[3] = (uint8_t)(QBODY + 1 + draw(t, 200)); /* a kind that there is not */
	else if (way == 3)
		body[draw(t, len)] ^= 0x80; /* lengths, kinds, anything */
	else
		b.len = 0;
	say_body(t, o->id, &b, to);
	free(body);
}

static uint64_t foreign(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qenvelope env = o->m->env;
	struct qhash chain = t->s->g.chain;

	if (!deed(t, B_FOREIGN_ENVELOPE))
		return to;
	uint64_t way = draw(t, 9);
	acted(t, B_FOREIGN_ENVELOPE, o->id, "kind=%d way=%" PRIu64, (int)o->m->m.kind, way);
	scramble(t, &chain);
	if (way < 5) {
		not_canonical(t, o, to, way);
		return to;
	}
	if (way == 5 || way == 6) /* signed for another chain; labelled so, or not */
		ident_sign(t->s->ids[o->id], &chain, (const uint8_t *)env.body.body_val, env.body.body_len,
		           &env.sig);
	if (way == 5 || way == 7)
		env.chain = chain;
	if (way == 8)
		env.sender = t->s->n + (unsigned)draw(t, 4);
	say_envelope(t, o->id, &env, to);
	return to;
}

/* ---- what others said -------------------------------------------------------------------------------- */

static void relay_old(struct traitor *t, unsigned id)
{
	const struct message *m;

	if (!deed_tick(t, B_RELAY_OLD))
		return;
	m = history_any(t, (enum qkind)(1 + draw(t, QBODY)));
	if (!m)
		return;
	acted(t, B_RELAY_OLD, id, "kind=%d of %u", (int)m->m.kind, m->sender);
	say_message(t, id, m, chance(t, 50) ? everybody(t) : bit(m->sender) | t->victims);
}

const struct tactic wire_tactics[] = {
    /* Y19, of every field */
    {.behaviour = B_MUTATE, .sends = ALL_KINDS, .on_send = mutate_send},
    /* new */
    {.behaviour = B_FOREIGN_ENVELOPE, .sends = ALL_KINDS, .on_send = foreign},
    {.behaviour = B_RELAY_OLD, .on_tick = relay_old},
    {.behaviour = BEHAVIOUR_CNT},
};
