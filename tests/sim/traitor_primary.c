/*
 * traitor_primary.c: what a traitor does when it proposes. Rules against it: PP1 to PP10, and that any two
 * quorums have an honest replica in common.
 */
#include "clients.h"
#include "traitor_impl.h"

#define HV(h, v) "h=%" PRIu64 " v=%" PRIu64, (uint64_t)(h), (uint64_t)(v)

/* The own proposal that is about to leave; false for one that was made by another and is shown as evidence.
 */
static bool mine(const struct outgoing *o)
{
	return o->m->m.kind == QPRE_PREPARE && o->m->sender == o->id;
}

/* Says the draft in place of a proposal, to all who were to hear it. */
static void instead(struct traitor *t, const struct outgoing *o, struct draft *d, uint64_t to,
                    uint64_t serve_to)
{
	draft_say(t, o->id, d, to, serve_to);
	draft_clear(d);
}

/* ---- Y01: two proposals at one place ----------------------------------------------------------------- */

static struct split *split_find(struct traitor *t, uint64_t view, uint64_t height)
{
	for (size_t i = 0; i < SPLITS; i++)
		if (t->splits[i].b_message && t->splits[i].view == view && t->splits[i].height == height)
			return &t->splits[i];
	return NULL;
}

/* Another block for the same place: other time, other order, fewer or other transactions. */
static void vary(struct traitor *t, struct draft *d)
{
	uint64_t way = draw(t, 5);
	struct tx *lent;

	d->header.time_ms += 1 + draw(t, 3);
	if (way == 1 && d->leaf_cnt > 1) {
		struct qhash first = d->leaves[0];
		d->leaves[0] = d->leaves[d->leaf_cnt - 1];
		d->leaves[d->leaf_cnt - 1] = first;
	} else if (way == 2 && d->leaf_cnt > 1) {
		draft_drop(d, d->leaf_cnt - 1);
	} else if (way == 3 && (lent = clients_collude(t->s)) != NULL) {
		struct ktx *k = tx_note(t, lent);
		k->lent = true;
		k->serve = everybody(t);
		draft_add(d, &lent->leaf);
	} else if (way == 4) {
		struct draft other;
		if (draft_new(t, &other, d->header.proposer, d->view, d->header.height.n, &d->header.parent,
		              1 + (unsigned)draw(t, 8))) {
			draft_clear(d);
			*d = other;
		}
	}
	draft_root(d);
}

static struct split *split_make(struct traitor *t, const struct outgoing *o)
{
	const struct qproposal *p = &o->m->m.qmessage_u.proposal;
	struct split *sp;
	struct draft d;
	struct message *b;

	draft_of(o->m, &d);
	vary(t, &d);
	b = draft_message(t, o->id, &d, everybody(t));
	if (!b) {
		draft_clear(&d);
		return NULL;
	}
	sp = &t->splits[t->split_cnt++ % SPLITS];
	message_unref(sp->b_message);
	*sp = (struct split){.view = p->view.n, .height = p->header.height.n, .b_message = b};
	sp->to_b = chance(t, 50) ? t->side : part(t, honest(t));
	block_hash(&p->header, &sp->a);
	block_hash(&d.header, &sp->b);
	draft_clear(&d);
	return sp;
}

/* Its votes for A, too, become votes for B on B's side; every other traitor's as well. */
static uint64_t split_votes(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qvote vote = o->m->m.qmessage_u.vote;
	struct split *sp = split_find(t, vote.view.n, vote.height.n);

	if (!sp || !qhash_eq(&vote.block, &sp->a))
		return to;
	vote.block = sp->b;
	say_vote(t, o->id, o->m->m.kind, &vote, to & sp->to_b);
	return to & ~sp->to_b;
}

static uint64_t equivocate(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	const struct qproposal *p = &o->m->m.qmessage_u.proposal;
	struct split *sp;

	if (o->m->m.kind != QPRE_PREPARE)
		return split_votes(t, o, to);
	if (!mine(o))
		return to;
	sp = split_find(t, p->view.n, p->header.height.n);
	if (!sp && deed(t, B_EQUIVOCATE)) {
		sp = split_make(t, o);
		if (sp)
			acted(t, B_EQUIVOCATE, o->id, HV(sp->height, sp->view));
		if (sp && chance(t, 30)) { /* and each side hears of the other's, a little later */
			uint64_t a_side = to & ~sp->to_b, ms = 1 + draw(t, 80);
			say_later(t, o->id, sp->b_message, a_side, ms);
			say_later(t, o->id, o->m, to & sp->to_b, ms);
		}
	}
	if (!sp)
		return to;
	say_message(t, o->id, sp->b_message, to & sp->to_b);
	return to & ~sp->to_b;
}

/* As soon as honest replicas have prepared B, all traitors help it to its quorums. */
static void equivocate_sees(struct traitor *t, struct message *m)
{
	const struct qvote *vote = &m->m.qmessage_u.vote;
	struct split *sp = split_find(t, vote->view.n, vote->height.n);

	if (!sp || !qhash_eq(&vote->block, &sp->b) || !sim_honest(t->s, m->sender))
		return;
	for (unsigned id = 0; id < t->s->n; id++) {
		struct statement *st = statement_find(t, QCOMMIT, vote);

		if (sim_honest(t->s, id) || (st && (st->signers >> id & 1)))
			continue;
		say_vote(t, id, QPREPARE, vote, sp->to_b);
		say_vote(t, id, QCOMMIT, vote, sp->to_b);
	}
}

/* ---- who hears it, and when -------------------------------------------------------------------------- */

/* Y02 */
static uint64_t all_but_one(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	uint64_t out;

	if (!mine(o) || !deed(t, B_ALL_BUT_ONE))
		return to;
	out = chance(t, 70) ? bit(t->victim) : honest(t) & ~bit(t->victim);
	if (!(to & out))
		return to;
	acted(t, B_ALL_BUT_ONE, o->id,
	      HV(o->m->m.qmessage_u.proposal.header.height.n, o->m->m.qmessage_u.proposal.view.n));
	return to & ~out;
}

/* Y04 */
static uint64_t leave_gap(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	if (!mine(o) || !deed(t, B_LEAVE_GAP))
		return to;
	if (chance(t, 70))
		say_later(t, o->id, o->m, to, 1 + draw(t, 2 * t->s->g.timeout_ms));
	acted(t, B_LEAVE_GAP, o->id,
	      HV(o->m->m.qmessage_u.proposal.header.height.n, o->m->m.qmessage_u.proposal.view.n));
	return 0;
}

/* On top of what it holds back: a child that nobody can take yet. */
static void leave_gap_tick(struct traitor *t, unsigned id)
{
	struct kblock *below = block_proposed(t, t->view, t->tip + 1);
	struct draft d;

	if (proposer(t, t->view, t->tip + 1) != id || !below || !deed_tick(t, B_LEAVE_GAP))
		return;
	struct qhash parent = below->hash;
	parent.b[31] ^= (uint8_t)draw(t, 2); /* or on one that does not exist */
	if (!draft_new(t, &d, id, t->view, t->tip + 2 + draw(t, 3), &parent, 4))
		return;
	acted(t, B_LEAVE_GAP, id, HV(d.header.height.n, t->view));
	draft_say(t, id, &d, others(t, id), everybody(t));
	draft_clear(&d);
}

/* Y10: three quarters of the time-out and more */
static uint64_t slow_primary(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	if (!mine(o) || !deed(t, B_SLOW_PRIMARY))
		return to;
	say_later(t, o->id, o->m, to, t->s->g.timeout_ms * (60 + draw(t, 40)) / 100);
	acted(t, B_SLOW_PRIMARY, o->id,
	      HV(o->m->m.qmessage_u.proposal.header.height.n, o->m->m.qmessage_u.proposal.view.n));
	return 0;
}

/* ---- what is in it ----------------------------------------------------------------------------------- */

/* Y05 */
static uint64_t wrong_root(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct draft d;
	uint64_t way;

	if (!mine(o) || !deed(t, B_WRONG_ROOT))
		return to;
	draft_of(o->m, &d);
	way = draw(t, 7);
	if (way == 0)
		d.header.merkle_root.b[draw(t, 32)] ^= 1;
	else if (way == 1)
		d.header.tx_count++;
	else if (way == 2)
		draft_drop(&d, (unsigned)draw(t, d.leaf_cnt));
	else if (way == 3)
		d.leaves[draw(t, d.leaf_cnt)].b[0] ^= 1;
	else if (way == 4)
		d.header.format = (unsigned)draw(t, 3) * 2;
	else if (way == 5)
		d.header.proposer = (unsigned)draw(t, t->s->n + 1);
	else
		d.leaf_cnt = 0;
	acted(t, B_WRONG_ROOT, o->id, HV(d.header.height.n, d.view));
	to &= chance(t, 50) ? to : t->victims;
	instead(t, o, &d, to, everybody(t));
	return 0;
}

/* A transaction that clients did not give to anybody else; NULL: none. */
static struct ktx *lent(struct traitor *t, uint64_t serve_to)
{
	struct tx *tx = clients_collude(t->s);
	struct ktx *k = tx ? tx_note(t, tx) : NULL;

	if (k) {
		k->lent = true;
		k->serve = serve_to;
	}
	return k;
}

/* Y06 */
static uint64_t hide_body(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct ktx *k;
	struct draft d;

	if (!mine(o) || !deed(t, B_HIDE_BODY))
		return to;
	uint64_t serve_to = chance(t, 30) ? 0 : t->victims;
	k = lent(t, serve_to);
	if (!k)
		return to;
	draft_of(o->m, &d);
	draft_add(&d, &k->tx->leaf);
	draft_root(&d);
	acted(t, B_HIDE_BODY, o->id, HV(d.header.height.n, d.view));
	instead(t, o, &d, to, serve_to);
	return 0;
}

/* Adds a transaction somewhere, and gives it to whoever asks. */
static uint64_t with_tx(struct traitor *t, enum behaviour b, const struct outgoing *o, uint64_t to,
                        const struct qhash *leaf)
{
	struct draft d;

	draft_of(o->m, &d);
	draft_add(&d, leaf);
	unsigned at = (unsigned)draw(t, d.leaf_cnt);
	d.leaves[d.leaf_cnt - 1] = d.leaves[at];
	d.leaves[at] = *leaf;
	draft_root(&d);
	acted(t, b, o->id, HV(d.header.height.n, d.view));
	instead(t, o, &d, to, everybody(t));
	return 0;
}

/* Y07 */
static uint64_t invalid_transaction(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct tx *tx;
	struct ktx *k;

	if (!mine(o) || !deed(t, B_INVALID_TX))
		return to;
	tx = invalid_tx(t, draw(t, 3));
	if (!tx)
		return to;
	k = tx_note(t, tx);
	k->lent = true;
	k->serve = everybody(t);
	to = with_tx(t, B_INVALID_TX, o, to, &tx->leaf);
	tx_unref(tx);
	return to;
}

/* Y08 */
static uint64_t replay_transaction(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	const struct qproposal *p = &o->m->m.qmessage_u.proposal;
	const struct qhash *leaf = NULL;
	const struct kblock *below;

	if (!mine(o) || !deed(t, B_REPLAY_TX))
		return to;
	uint64_t way = draw(t, 3), start = draw(t, TXS);
	if (way == 0)
		leaf = &p->leaves.leaves_val[draw(t, p->leaves.leaves_len)]; /* twice */
	below = block_find(t, &p->header.parent);
	if (way == 1 && below && below->leaf_cnt)
		leaf = &below->leaves[draw(t, below->leaf_cnt)]; /* in flight, or just final */
	for (size_t i = 0; i < TXS && !leaf; i++) {
		const struct ktx *k = &t->txs[(start + i) % TXS];
		if (k->tx && k->height > 0)
			leaf = &k->tx->leaf;
	}
	if (!leaf)
		return to;
	struct qhash copy = *leaf;
	return with_tx(t, B_REPLAY_TX, o, to, &copy);
}

/* Y09: every fourth transaction, by its hash, never passes */
static uint64_t censor(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct draft d;
	unsigned had;

	if (!mine(o))
		return to;
	draft_of(o->m, &d);
	had = d.leaf_cnt;
	for (unsigned i = d.leaf_cnt; i-- > 0;)
		if (d.leaves[i].b[0] % 4 == t->victim % 4)
			draft_drop(&d, i);
	if (d.leaf_cnt == had || !deed(t, B_CENSOR)) {
		draft_clear(&d);
		return to;
	}
	acted(t, B_CENSOR, o->id, "h=%" PRIu64 " v=%" PRIu64 " left out %u of %u", d.header.height.n, d.view,
	      had - d.leaf_cnt, had);
	if (d.leaf_cnt == 0) {
		draft_clear(&d);
		return 0;
	}
	draft_root(&d);
	instead(t, o, &d, to, everybody(t));
	return 0;
}

/* Nor does its machine hear what some replicas forward. */
static bool censor_receives(struct traitor *t, struct machine *m, struct packet *p)
{
	if (p->kind != QTXS || !(t->victims >> p->message->sender & 1) || !deed(t, B_CENSOR))
		return true;
	acted(t, B_CENSOR, m->id, "does not hear %u", p->message->sender);
	return false;
}

/* Y11 */
static uint64_t wrong_parent(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	const struct kblock *other;
	const struct qhash *below;
	struct draft d;
	uint64_t way;

	if (!mine(o) || !deed(t, B_WRONG_PARENT))
		return to;
	draft_of(o->m, &d);
	other = block_other(t, d.header.height.n - 1, &d.header.parent);
	below = d.header.height.n > 1 ? final_at(t, d.header.height.n - 2) : NULL;
	way = draw(t, 3);
	if (other && way < 2)
		d.header.parent = other->hash; /* of an old view, or made up */
	else if (below && way == 2)
		d.header.parent = *below;
	else
		memset(&d.header.parent, (int)draw(t, 2), sizeof d.header.parent);
	acted(t, B_WRONG_PARENT, o->id, HV(d.header.height.n, d.view));
	to &= chance(t, 50) ? to : t->victims;
	instead(t, o, &d, to, everybody(t));
	return 0;
}

/* Y12 */
static uint64_t extreme_time(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	const struct kblock *below;
	struct draft d;

	if (!mine(o) || !deed(t, B_EXTREME_TIME))
		return to;
	draft_of(o->m, &d);
	below = block_find(t, &d.header.parent);
	uint64_t parent_ms = below ? below->header.time_ms : SIM_WALL_MS;
	uint64_t limit_ms = SIM_WALL_MS + t->s->now_ms + t->s->g.g.params.drift_ms;
	const uint64_t times[] = {0,
	                          1,
	                          parent_ms - 1,
	                          parent_ms,
	                          parent_ms + 1,
	                          limit_ms - 1,
	                          limit_ms,
	                          limit_ms + 1,
	                          limit_ms + 50,
	                          limit_ms + 400,
	                          INT64_MAX,
	                          UINT64_MAX};
	d.header.time_ms = times[draw(t, sizeof times / sizeof *times)];
	acted(t, B_EXTREME_TIME, o->id, "h=%" PRIu64 " v=%" PRIu64 " time=%" PRIu64, d.header.height.n,
	      d.view, d.header.time_ms);
	instead(t, o, &d, to, everybody(t));
	return 0;
}

/* Y14 */
static uint64_t grind(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	struct qhash best, hash;
	struct draft d;

	if (!mine(o) || !deed(t, B_GRIND))
		return to;
	draft_of(o->m, &d);
	struct qheader first = d.header, lowest = first;
	block_hash(&first, &best);
	for (uint64_t i = 1; i < 24; i++) {
		d.header.time_ms = first.time_ms + i;
		draft_seal(t, &d);
		block_hash(&d.header, &hash);
		if (memcmp(hash.b, best.b, sizeof hash.b) >= 0)
			continue;
		best = hash;
		lowest = d.header;
	}
	d.header = lowest;
	d.bare = true;
	acted(t, B_GRIND, o->id, HV(d.header.height.n, d.view));
	instead(t, o, &d, to, everybody(t));
	return 0;
}

/* ---- where and when it may not ----------------------------------------------------------------------- */

/* Y03 */
static void skip_height(struct traitor *t, unsigned id)
{
	const struct qparams *params = &t->s->g.g.params;
	struct draft d;

	if (proposer(t, t->view, t->tip + 1) != id || !deed_tick(t, B_SKIP_HEIGHT))
		return;
	const uint64_t watermark = t->stable + 2 * (uint64_t)params->checkpoint_interval;
	const uint64_t heights[] = {t->tip + params->window,
	                            t->tip + params->window + 1,
	                            watermark,
	                            watermark + 1,
	                            t->tip,
	                            UINT64_C(1) << 63,
	                            UINT64_MAX,
	                            UINT32_MAX};
	uint64_t height = heights[draw(t, sizeof heights / sizeof *heights)];
	const struct kblock *below = block_proposed(t, t->view, height - 1);
	struct qhash parent = below ? below->hash : t->tip_hash;
	if (height == 0 || !draft_new(t, &d, id, t->view, height, &parent, 4))
		return;
	acted(t, B_SKIP_HEIGHT, id, HV(height, t->view));
	draft_say(t, id, &d, others(t, id), everybody(t));
	draft_clear(&d);
}

/* Y13 */
static void out_of_turn(struct traitor *t, unsigned id)
{
	struct draft d;
	uint64_t view = t->view, way;

	if (!deed_tick(t, B_OUT_OF_TURN))
		return;
	way = draw(t, 4);
	if (way == 0 || way == 1) { /* the next view in which it proposes: kept until then */
		do
			view++;
		while (proposer(t, view, t->tip + 1) != id && view < t->view + 2 * t->s->n);
	} else if (way == 2)
		view += draw(t, t->s->n);
	if (!draft_new(t, &d, id, view, t->tip + 1 + draw(t, 2), &t->tip_hash, 4))
		return;
	if (way == 3)
		d.header.proposer = proposer(t, view, d.header.height.n);
	acted(t, B_OUT_OF_TURN, id, HV(d.header.height.n, view));
	draft_say(t, id, &d, others(t, id), everybody(t));
	if (way == 1) { /* and a second one for the same place */
		d.header.time_ms += 7;
		draft_say(t, id, &d, t->side, everybody(t));
	}
	draft_clear(&d);
}

/* Y15 */
static void stop_at_quorum(struct traitor *t, struct message *m)
{
	const struct qvote *vote = &m->m.qmessage_u.vote;
	const struct statement *st = statement_find(t, QPREPARE, vote);
	unsigned leader = proposer(t, vote->view.n, vote->height.n);

	if (!st || sim_honest(t->s, leader) || vote->height.n <= t->tip || vote->view.n != t->view ||
	    __builtin_popcountll(st->signers) != (int)t->s->q - 1 ||
	    t->silent_until_ms[leader] > t->s->now_ms || !deed(t, B_STOP_AT_QUORUM))
		return;
	uint64_t ms = t->s->g.timeout_ms / 2 + draw(t, 3 * t->s->g.timeout_ms);
	for (unsigned id = 0; id < t->s->n; id++)
		if (!sim_honest(t->s, id))
			t->silent_until_ms[id] = t->s->now_ms + ms;
	acted(t, B_STOP_AT_QUORUM, leader, HV(vote->height.n, vote->view.n));
}

/* Where the NEW-VIEW binds O: something else, or the same height with what is not bound. */
static void over_bound(struct traitor *t, struct message *m)
{
	uint64_t view = m->m.qmessage_u.new_view.view.n, top = t->tip, least = top;
	struct draft d;

	if (!t->s->traitors || !deed(t, B_OVER_BOUND))
		return;
	for (unsigned i = 0; i < m->m.qmessage_u.new_view.changes.changes_len; i++) {
		const struct qview_change *vc = &m->changes[i]->m.qmessage_u.view_change;

		if (vc->tip.tip_len && vc->tip.tip_val->vote.height.n > least)
			least = vc->tip.tip_val->vote.height.n;
		for (unsigned k = 0; k < vc->prepared.prepared_len; k++)
			if (vc->prepared.prepared_val[k].header.height.n > top)
				top = vc->prepared.prepared_val[k].header.height.n;
	}
	const struct qhash *parent = final_at(t, least);
	unsigned id = proposer(t, view, least + 1);
	if (sim_honest(t->s, id) || !parent || !draft_new(t, &d, id, view, least + 1, parent, 4))
		return;
	acted(t, B_OVER_BOUND, id, "h=%" PRIu64 " v=%" PRIu64 " bound up to %" PRIu64, least + 1, view, top);
	struct message *made = draft_message(t, id, &d, everybody(t));
	draft_clear(&d);
	if (!made)
		return;
	say_message(t, id, made, everybody(t));                 /* may overtake the NEW-VIEW, */
	say_later(t, id, made, everybody(t), 30 + draw(t, 60)); /* or come after it */
	message_unref(made);
}

static void ghosts(struct traitor *t, unsigned id)
{
	struct qhash parent = t->tip_hash;
	uint64_t cnt;

	if (proposer(t, t->view, t->tip + 1) != id || block_proposed(t, t->view, t->tip + 1) ||
	    !deed_tick(t, B_GHOSTS))
		return;
	cnt = 1 + draw(t, t->s->g.g.params.window + 2);
	acted(t, B_GHOSTS, id, "h=%" PRIu64 " v=%" PRIu64 " cnt=%" PRIu64, t->tip + 1, t->view, cnt);
	for (uint64_t i = 1; i <= cnt; i++) {
		struct draft d = {.view = t->view};

		for (uint64_t k = 1 + draw(t, 4); k > 0; k--) {
			struct qhash leaf;
			make_up(t, &leaf);
			draft_add(&d, &leaf);
		}
		d.header = (struct qheader){.format = 1,
		                            .height = qheight_of(t->tip + i),
		                            .parent = parent,
		                            .proposer = id,
		                            .time_ms = SIM_WALL_MS + t->s->now_ms + i};
		draft_root(&d);
		draft_say(t, id, &d, others(t, id), 0);
		block_hash(&d.header, &parent);
		draft_clear(&d);
	}
}

/* More leaves than a block may have; every second time bytes instead: transactions that weigh too much
 * together. */
static uint64_t oversized(struct traitor *t, const struct outgoing *o, uint64_t to)
{
	unsigned most = t->s->g.g.params.block_txs_max;
	struct draft d;

	if (!mine(o) || most > 512 || !deed(t, B_OVERSIZED))
		return to;
	draft_of(o->m, &d);
	most += (unsigned)draw(t, 3); /* just enough, one more, two more */
	while (d.leaf_cnt < most) {
		struct qhash leaf;
		make_up(t, &leaf);
		draft_add(&d, &leaf);
	}
	draft_root(&d);
	acted(t, B_OVERSIZED, o->id, "h=%" PRIu64 " v=%" PRIu64 " txs=%u", d.header.height.n, d.view,
	      d.leaf_cnt);
	instead(t, o, &d, to, everybody(t));
	return 0;
}

const struct tactic primary_tactics[] = {
    /* Y01 */
    {.behaviour = B_EQUIVOCATE,
     .sends = K(QPRE_PREPARE) | K(QPREPARE) | K(QCOMMIT),
     .on_send = equivocate,
     .sees = K(QPREPARE),
     .on_see = equivocate_sees},
    /* Y02 */
    {.behaviour = B_ALL_BUT_ONE, .sends = K(QPRE_PREPARE), .on_send = all_but_one},
    /* Y03 */
    {.behaviour = B_SKIP_HEIGHT, .on_tick = skip_height},
    /* Y04 */
    {.behaviour = B_LEAVE_GAP, .sends = K(QPRE_PREPARE), .on_send = leave_gap, .on_tick = leave_gap_tick},
    /* Y05 */
    {.behaviour = B_WRONG_ROOT, .sends = K(QPRE_PREPARE), .on_send = wrong_root},
    /* Y06 */
    {.behaviour = B_HIDE_BODY, .sends = K(QPRE_PREPARE), .on_send = hide_body},
    /* Y07 */
    {.behaviour = B_INVALID_TX, .sends = K(QPRE_PREPARE), .on_send = invalid_transaction},
    /* Y08 */
    {.behaviour = B_REPLAY_TX, .sends = K(QPRE_PREPARE), .on_send = replay_transaction},
    /* Y09 */
    {.behaviour = B_CENSOR, .sends = K(QPRE_PREPARE), .on_send = censor, .on_receive = censor_receives},
    /* Y10 */
    {.behaviour = B_SLOW_PRIMARY, .sends = K(QPRE_PREPARE), .on_send = slow_primary},
    /* Y11 */
    {.behaviour = B_WRONG_PARENT, .sends = K(QPRE_PREPARE), .on_send = wrong_parent},
    /* Y12 */
    {.behaviour = B_EXTREME_TIME, .sends = K(QPRE_PREPARE), .on_send = extreme_time},
    /* Y13 */
    {.behaviour = B_OUT_OF_TURN, .on_tick = out_of_turn},
    /* Y14 */
    {.behaviour = B_GRIND, .sends = K(QPRE_PREPARE), .on_send = grind},
    /* Y15 */
    {.behaviour = B_STOP_AT_QUORUM, .sees = K(QPREPARE), .on_see = stop_at_quorum},
    /* new */
    {.behaviour = B_OVER_BOUND, .sees = K(QNEW_VIEW), .on_see = over_bound},
    {.behaviour = B_GHOSTS, .on_tick = ghosts},
    {.behaviour = B_OVERSIZED, .sends = K(QPRE_PREPARE), .on_send = oversized},
    {.behaviour = BEHAVIOUR_CNT},
};
