/*
 * traitor_stake.c: what a traitor does with seals, with turns by stake, and with its stake. Rules against it:
 * PP1, PP7, PP11, and those of ledger/state.h. Where there are no seals or no stakes, these have no occasion.
 */
#include "clients.h"
#include "pbft.h"
#include "replica_impl.h"
#include "seal.h"
#include "traitor_impl.h"

#define HV(h, v) "h=%" PRIu64 " v=%" PRIu64, (uint64_t)(h), (uint64_t)(v)

static bool mine(const struct outgoing *o)
{
	return o->m->m.kind == QPRE_PREPARE && o->m->sender == o->id;
}

static const struct qpow_rules *pow_rules(const struct traitor *t)
{
	const struct qgenesis *g = &t->s->g.g;

	return g->seal.kind == QSEAL_POW ? &g->seal.qseal_rules_u.pow : NULL;
}

/* ---- seals -----------------------------------------------------------------------------------------------
 */

static void step(struct qtarget *target, bool up)
{
	for (unsigned i = sizeof target->b; i-- > 0;) {
		target->b[i] = (uint8_t)(target->b[i] + (up ? 1 : 0xff));
		if (target->b[i] != (up ? 0 : 0xff))
			return;
	}
}

/* The seal of a draft that was sealed well, spoilt; mined for whatever target it names. */
static void spoil(struct traitor *t, struct draft *d)
{
	const struct qpow_rules *r = pow_rules(t);
	struct qpow *pow = &d->header.seal.qseal_u.pow;
	uint64_t way = draw(t, 7);

	if (!r || way == 0) { /* of the other kind */
		d->header.seal.kind = r ? QSEAL_NONE : QSEAL_POW;
		if (!r)
			memset(pow, 0xff, sizeof *pow);
		return;
	}
	if (way == 1) { /* not mined: most nonces are wrong */
		pow->nonce++;
		return;
	}
	if (way == 2 || way == 3)
		step(&pow->target, way == 2);
	else if (way == 4)
		pow->target = seal_target_of_bits(r->bits); /* the easiest that the chain has */
	else if (way == 5)
		pow->target = seal_target_of_bits(r->bits_max);
	else
		pow->target = seal_target_of_bits(r->bits - 1);
	header_mine(t, &d->header);
}

static uint64_t bad_seal(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct draft d;

	if (!mine(o) || !deed(t, B_BAD_SEAL))
		return to;
	draft_of(o->m, &d);
	d.bare = true;
	spoil(t, &d);
	acted(t, B_BAD_SEAL, o->id, HV(d.header.height.n, d.view));
	to &= chance(t, 50) ? to : t->victims;
	draft_say(t, o->id, &d, to, everybody(t));
	draft_clear(&d);
	return 0;
}

static uint64_t reuse_seal(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	uint64_t which = draw(t, BLOCKS);
	const struct kblock *other;
	struct draft d;

	if (!mine(o) || !deed(t, B_REUSE_SEAL))
		return to;
	other = &t->blocks[which];
	if (!other->used)
		return to;
	draft_of(o->m, &d);
	d.bare = true;
	if (draw(t, 2) && other->leaves) { /* the whole block once more, whoever's it was, in this view */
		d.header = other->header;
		d.leaf_cnt = 0;
		for (unsigned i = 0; i < other->leaf_cnt; i++)
			draft_add(&d, &other->leaves[i]);
	} else {
		d.header.seal = other->header.seal;
	}
	acted(t, B_REUSE_SEAL, o->id, HV(d.header.height.n, d.view));
	draft_say(t, o->id, &d, to, everybody(t));
	draft_clear(&d);
	return chance(t, 50) ? to : 0;
}

static uint64_t mine_many(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	unsigned turn = 0;
	struct draft d;

	if (!mine(o) || !deed(t, B_MINE_MANY))
		return to;
	draft_of(o->m, &d);
	acted(t, B_MINE_MANY, o->id, HV(d.header.height.n, d.view));
	for (unsigned i = 0; i < t->s->n; i++) {
		if (!(to >> i & 1))
			continue;
		d.header.time_ms += turn++ > 0;
		draft_say(t, o->id, &d, bit(i), everybody(t));
	}
	if (chance(t, 50)) /* and the last one to all */
		draft_say(t, o->id, &d, to, everybody(t));
	draft_clear(&d);
	return 0;
}

static uint64_t warp_time(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	const struct kblock *below;
	struct draft d;

	if (!mine(o) || !deed(t, B_WARP_TIME))
		return to;
	draft_of(o->m, &d);
	below = block_find(t, &d.header.parent);
	uint64_t least = 1 + (below ? below->header.time_ms : SIM_WALL_MS);
	uint64_t most = SIM_WALL_MS + t->s->now_ms + t->s->g.g.params.drift_ms;
	d.header.time_ms = t->victim % 2 || most < least ? least : most; /* the same way for a while */
	acted(t, B_WARP_TIME, o->id, HV(d.header.height.n, d.view));
	draft_say(t, o->id, &d, to, everybody(t));
	draft_clear(&d);
	return 0;
}

/* ---- turns
 * --------------------------------------------------------------------------------------------------- */

static const struct qstake_rules *rules(const struct traitor *t)
{
	const struct qgenesis *g = &t->s->g.g;

	return g->proposer.kind == QPROPOSER_STAKE ? &g->proposer.qproposer_rules_u.stake : NULL;
}

/* The stakes as a machine that is up has them; NULL: none is. */
static const struct qstaking *staking(const struct traitor *t)
{
	for (unsigned i = 0; i < t->s->n; i++)
		if (machine_up(&t->s->machines[i]))
			return state_staking(ledger_state(t->s->machines[i].replica->ledger));
	return NULL;
}

/* A table that does not decide: one settled, whichever, or what is staked now. */
static bool wrong_table(struct traitor *t, struct qtable *table, bool now)
{
	const struct qstaking *st = staking(t);

	if (!st || st->settled.settled_len == 0)
		return false;
	*table = st->settled.settled_val[draw(t, st->settled.settled_len)];
	if (now)
		table->stakes = (__typeof__(table->stakes)){st->stakes.stakes_len, st->stakes.stakes_val};
	return true;
}

/* Has it the turn by this table, this view and this count of turns? */
static bool has_turn(const struct traitor *t, const struct qtable *table, unsigned id, uint64_t height,
                     uint64_t view, bool of_epoch)
{
	const struct qstake_rules *r = rules(t);
	uint64_t turn = (of_epoch ? (height - 1) % r->epoch : height - 1) / r->turn;
	struct schedule s;

	schedule_make(&t->s->g, table, &s);
	return s.turns[(turn + view) % SCHEDULE_CYCLE] == id;
}

static void propose_out_of_turn(struct traitor *t, unsigned id, enum behaviour b, uint64_t height)
{
	const struct kblock *below = block_proposed(t, t->view, height - 1);
	const struct qhash *parent = height == t->tip + 1 ? &t->tip_hash : below ? &below->hash : NULL;
	struct draft d;

	if (!parent || !draft_new(t, &d, id, t->view, height, parent, 4))
		return;
	acted(t, b, id, HV(height, t->view));
	draft_say(t, id, &d, others(t, id), everybody(t));
	draft_clear(&d);
}

static void stale_turns(struct traitor *t, unsigned id)
{
	uint64_t height = t->tip + 1, way;
	struct qtable table;

	if (!rules(t) || proposer(t, t->view, height) == id || !deed_tick(t, B_STALE_TURNS))
		return;
	height += draw(t, 2);
	way = draw(t, 4);
	if (!wrong_table(t, &table, way == 0))
		return;
	uint64_t view = way == 1 ? 0 : way == 2 && t->view > 0 ? t->view - 1 : t->view;
	if (has_turn(t, &table, id, height, view, way == 3))
		propose_out_of_turn(t, id, B_STALE_TURNS, height);
}

static void jump_queue(struct traitor *t, unsigned id)
{
	struct qtable table;

	if (!rules(t) || !deed_tick(t, B_JUMP_QUEUE))
		return;
	if (chance(t, 30)) {
		acted(t, B_JUMP_QUEUE, id, "bonds");
		clients_bond(t->s, id);
	}
	if (proposer(t, t->view, t->tip + 1) != id && wrong_table(t, &table, true) &&
	    has_turn(t, &table, id, t->tip + 1, t->view, false))
		propose_out_of_turn(t, id, B_JUMP_QUEUE, t->tip + 1);
}

static uint64_t idle_turn(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	const struct qproposal *p = &o->m->m.qmessage_u.proposal;

	if (!mine(o) || !deed(t, B_IDLE_TURN))
		return to;
	acted(t, B_IDLE_TURN, o->id, HV(p->header.height.n, p->view.n));
	return 0;
}

/* ---- stake
 * ------------------------------------------------------------------------------------------------------ */

/* Votes for the block and for none, so that everybody has what convicts it; and away. */
static uint64_t offend_and_leave(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qvote vote = o->m->m.qmessage_u.vote;

	if (!rules(t) || o->m->sender != o->id || !deed(t, B_OFFEND_AND_LEAVE))
		return to;
	make_up(t, &vote.block);
	acted(t, B_OFFEND_AND_LEAVE, o->id, HV(vote.height.n, vote.view.n));
	uint64_t when = draw(t, 4); /* before, after, or another time */
	bool all = chance(t, 30);
	if (when == 0)
		clients_leave(t->s, o->id, all);
	say_vote(t, o->id, o->m->m.kind, &vote, to);
	if (when == 1)
		clients_leave(t->s, o->id, all);
	return to;
}

static bool convicts(const struct tx *tx)
{
	return tx->q.body.offence.offence_len > 0;
}

static uint64_t hide_conviction(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct draft d;
	unsigned had;

	if (!mine(o))
		return to;
	draft_of(o->m, &d);
	had = d.leaf_cnt;
	for (unsigned i = d.leaf_cnt; i-- > 0;) {
		const struct ktx *k = tx_by_leaf(t, &d.leaves[i]);
		if (k && convicts(k->tx))
			draft_drop(&d, i);
	}
	if (d.leaf_cnt == had || !deed(t, B_HIDE_CONVICTION)) {
		draft_clear(&d);
		return to;
	}
	acted(t, B_HIDE_CONVICTION, o->id, HV(d.header.height.n, d.view));
	draft_root(&d);
	if (d.leaf_cnt > 0)
		draft_say(t, o->id, &d, to, everybody(t));
	draft_clear(&d);
	return 0;
}

static bool hide_receives(struct traitor *t, struct machine *m, struct packet *p)
{
	bool any = false;

	for (size_t i = 0; i < p->verified.tx_cnt && p->kind == QTXS; i++)
		any = any || convicts(p->verified.txs[i]);
	if (!any || !deed(t, B_HIDE_CONVICTION))
		return true;
	acted(t, B_HIDE_CONVICTION, m->id, "does not hear %u", p->message->sender);
	return false;
}

const struct tactic stake_tactics[] = {
    {.behaviour = B_BAD_SEAL, .sends = K(QPRE_PREPARE), .on_send = bad_seal},
    {.behaviour = B_REUSE_SEAL, .sends = K(QPRE_PREPARE), .on_send = reuse_seal},
    {.behaviour = B_MINE_MANY, .sends = K(QPRE_PREPARE), .on_send = mine_many},
    {.behaviour = B_WARP_TIME, .sends = K(QPRE_PREPARE), .on_send = warp_time},
    {.behaviour = B_STALE_TURNS, .on_tick = stale_turns},
    {.behaviour = B_JUMP_QUEUE, .on_tick = jump_queue},
    {.behaviour = B_IDLE_TURN, .sends = K(QPRE_PREPARE), .on_send = idle_turn},
    {.behaviour = B_OFFEND_AND_LEAVE, .sends = K(QPREPARE) | K(QCOMMIT), .on_send = offend_and_leave},
    {.behaviour = B_HIDE_CONVICTION,
     .sends = K(QPRE_PREPARE),
     .on_send = hide_conviction,
     .on_receive = hide_receives},
    {.behaviour = BEHAVIOUR_CNT},
};
