/*
 * audit_stake.c: stake by plain addition: what the locked outputs add up to at each epoch's end, who was
 * convicted, what that costs, and so what stands in the tables convictions and stakes.
 *
 * The sums are of what counts, and kept as each output is made and spent, so that no set of unspent stake has
 * to be held.  What counts and what a penalty is are written down here once more, apart from stake.c and
 * state.c, which the nodes go by; ledger/state.h has the rules.
 * On a chain whose proposers are not by stake both tables are empty.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"

void tally_open(struct tally *t, struct book *b, struct qheight base)
{
	int64_t from = base.n > 0 ? (int64_t)base.n + 1 : INT64_MIN;

	*t = (struct tally){.b = b, .rules = stake_rules(b->g)};
	cursor_open_at(&t->convictions, b, TABLE_CONVICTIONS, from);
	cursor_open_at(&t->rows, b, TABLE_STAKES, from);
}

void tally_close(struct tally *t)
{
	for (unsigned i = 0; i < Q_REPLICAS_MAX; i++)
		free(t->convicted[i].at);
	cursor_close(&t->convictions);
	cursor_close(&t->rows);
}

/* ---- outputs ------------------------------------------------------------------------ */

static bool is_own(const struct genesis *g, const struct unspent *u)
{
	const struct qreplica *r = &g->g.replicas.replicas_val[u->out.lock.qlock_u.replica];
	return memcmp(r->account.account_val->b, u->out.owner.b, sizeof u->out.owner.b) == 0;
}

/* Who was convicted after it was locked loses his own stake, and what is delegated where that costs the
 * delegators something. */
static bool counts(const struct tally *t, const struct unspent *u)
{
	uint64_t convicted = t->last[u->out.lock.qlock_u.replica];
	return convicted == 0 || u->made_at.n > convicted ||
	       (!is_own(t->b->g, u) && t->rules->delegator_penalty == 0);
}

/* The sum that this output is in; NULL: none. */
static u_quad_t *sum_of(struct tally *t, const struct unspent *u)
{
	if (!t->rules || u->out.lock.kind != QLOCK_STAKE || !counts(t, u))
		return NULL;
	struct qstake *sum = &t->sums[u->out.lock.qlock_u.replica];
	return is_own(t->b->g, u) ? &sum->own : &sum->delegated;
}

void tally_made(struct tally *t, const struct unspent *u)
{
	u_quad_t *sum = sum_of(t, u);
	if (sum)
		*sum += u->out.amount;
}

void tally_spent(struct tally *t, const struct unspent *u)
{
	u_quad_t *sum = sum_of(t, u);
	if (sum)
		*sum -= u->out.amount;
}

/* ---- penalties ------------------------------------------------------------------------ */

/* While it was stake, or could still be lost, its replica was convicted, in a block below h.  If the first
 * time since it was made was not in time, none was. */
static bool was_convicted(const struct tally *t, const struct unspent *u, struct qheight h)
{
	const struct tally_convictions *c = &t->convicted[u->out.lock.qlock_u.replica];
	size_t low = 0, high = c->cnt; /* below at[low] all are below made_at, from at[high] on none */

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (c->at[mid] < u->made_at.n)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->cnt && c->at[low] < h.n &&
	       (u->out.lock.kind == QLOCK_STAKE || c->at[low] - u->made_at.n < t->rules->unbonding);
}

/* What must stay frozen of this input of a block at h. */
static uint64_t penalty_due(const struct tally *t, const struct unspent *u, struct qheight h)
{
	if ((u->out.lock.kind != QLOCK_STAKE && u->out.lock.kind != QLOCK_RELEASE) || !was_convicted(t, u, h))
		return 0;
	uint64_t percent = is_own(t->b->g, u) ? t->rules->penalty : t->rules->delegator_penalty;
	return u->out.amount / 100 * percent + (u->out.amount % 100 * percent + 99) / 100;
}

static bool same_pair(const struct qoutput *a, const struct qoutput *b)
{
	return a->lock.qlock_u.replica == b->lock.qlock_u.replica &&
	       memcmp(a->owner.b, b->owner.b, sizeof a->owner.b) == 0;
}

/* A transaction and the outputs that it spends. */
struct spending {
	const struct qtx_body *body;
	const struct unspent *ins[Q_INPUTS_MAX];
};

/* Does the transaction freeze what is due of what this owner has locked for this replica? */
static bool pair_holds(const struct tally *t, const struct spending *s, const struct qoutput *pair,
                       struct qheight h, char *text, size_t cap)
{
	uint64_t due = 0, frozen = 0;

	for (u_int i = 0; i < s->body->inputs.inputs_len; i++)
		if (s->ins[i]->out.lock.kind != QLOCK_NONE && same_pair(&s->ins[i]->out, pair))
			due += penalty_due(t, s->ins[i], h);
	for (u_int i = 0; i < s->body->outputs.outputs_len; i++) {
		const struct qoutput *out = &s->body->outputs.outputs_val[i];
		if (out->lock.kind == QLOCK_FROZEN && same_pair(out, pair))
			frozen += out->amount;
	}
	if (due == frozen)
		return true;
	snprintf(text, cap,
	         "freezes %" PRIu64 " of what an owner locked for replica %u, where the penalty is %" PRIu64,
	         frozen, pair->lock.qlock_u.replica, due);
	return false;
}

/* Is one of the first `cnt` inputs locked by the same owner for the same replica? */
static bool is_spent(const struct spending *s, u_int cnt, const struct qoutput *pair)
{
	for (u_int i = 0; i < cnt; i++)
		if (s->ins[i]->out.lock.kind != QLOCK_NONE && same_pair(&s->ins[i]->out, pair))
			return true;
	return false;
}

bool tally_penalties_hold(const struct tally *t, const struct state *state, const struct tx *tx,
                          struct qheight h, char *text, size_t cap)
{
	const struct qtx_body *body = &tx->q.body;
	struct spending s;
	u_int cnt = body->inputs.inputs_len;

	if (!t->rules)
		return true;
	s.body = body;
	for (u_int i = 0; i < cnt; i++) {
		s.ins[i] = state_find(state, &body->inputs.inputs_val[i]);
		if (!s.ins[i])
			return true; /* state_check() says what is wrong */
	}
	for (u_int i = 0; i < cnt; i++) { /* each pair once */
		const struct qoutput *in = &s.ins[i]->out;
		if (in->lock.kind != QLOCK_NONE && !is_spent(&s, i, in) &&
		    !pair_holds(t, &s, in, h, text, cap))
			return false;
	}
	for (u_int i = 0; i < body->outputs.outputs_len; i++) {
		const struct qoutput *out = &body->outputs.outputs_val[i];
		if (out->lock.kind == QLOCK_FROZEN && !is_spent(&s, cnt, out) &&
		    !pair_holds(t, &s, out, h, text, cap))
			return false;
	}
	return true;
}

/* ---- convictions ------------------------------------------------------------------------ */

void tally_convict(struct tally *t, unsigned replica, struct qheight h)
{
	struct tally_convictions *c = &t->convicted[replica];

	if (c->cnt == c->cap) {
		c->cap = 2 * c->cap + 16;
		c->at = xrealloc(c->at, c->cap * sizeof *c->at);
	}
	c->at[c->cnt++] = h.n;
	t->last[replica] = h.n;
	t->sums[replica].own = 0; /* all of it was made at or below this height: see counts() */
	if (t->rules->delegator_penalty > 0)
		t->sums[replica].delegated = 0;
}

void tally_offence(struct tally *t, int64_t seq, const struct qoffence *o, struct qheight h)
{
	if (!t->rules || o->replica >= t->b->g->n)
		return;
	tally_convict(t, o->replica, h);
	t->here |= UINT64_C(1) << o->replica;
	t->by[o->replica].seq = seq;
	t->by[o->replica].kind = o->kind;
	t->by[o->replica].vote = o->first;
}

static const char *vote_name(enum qkind kind)
{
	return kind == QPREPARE ? "prepare" : kind == QCOMMIT ? "commit" : "checkpoint";
}

/* The block's rows of convictions: at most one for each replica, for the second would not be above the first.
 */
static void check_convictions(struct tally *t, struct qheight h)
{
	struct cursor *c = &t->convictions;

	for (unsigned i = 0; i < t->b->g->n; i++) {
		if (!(t->here >> i & 1) || !cursor_seek(c, (int64_t)h.n, i, h))
			continue;
		cursor_is_int(c, CONVICTION_TX, t->by[i].seq, h);
		cursor_is_text(c, CONVICTION_KIND, vote_name(t->by[i].kind), h);
		cursor_is_int(c, CONVICTION_VIEW, (int64_t)t->by[i].vote.view.n, h);
		cursor_is_int(c, CONVICTION_OFFENCE_HEIGHT, (int64_t)t->by[i].vote.height.n, h);
		cursor_next(c);
	}
	cursor_skip(c, (int64_t)h.n + 1, 0, h);
	t->here = 0;
}

/* ---- tables ------------------------------------------------------------------------------ */

static void check_table(struct tally *t, const struct qtable *table, const struct schedule *schedule)
{
	struct cursor *c = &t->rows;
	struct qheight h = table->height;
	/* The epoch that follows is decided already, unless this is the genesis. */
	uint64_t first = h.n == 0 ? 1 : h.n + t->rules->epoch + 1;

	for (unsigned i = 0; i < t->b->g->n; i++) {
		if (!cursor_seek(c, (int64_t)h.n, i, h))
			continue;
		cursor_is_int(c, STAKE_OWN, (int64_t)table->stakes.stakes_val[i].own, h);
		cursor_is_int(c, STAKE_DELEGATED, (int64_t)table->stakes.stakes_val[i].delegated, h);
		cursor_is_int(c, STAKE_TURNS, schedule->weight[i], h);
		cursor_is_int(c, STAKE_FIRST_HEIGHT, (int64_t)first, h);
		cursor_next(c);
	}
	cursor_skip(c, (int64_t)h.n + 1, 0, h);
}

void tally_table(struct tally *t, struct state *state, const struct qtable *table)
{
	t->schedules[0] = t->schedules[1];
	schedule_make(t->b->g, table, &t->schedules[1]);
	state_settle(state, table);
}

void tally_settle(struct tally *t, struct state *state, struct qheight h)
{
	struct qtable table = {.height = h, .stakes = {t->b->g->n, t->sums}};

	if (!t->rules)
		return;
	check_convictions(t, h);
	if (h.n != 0 && !schedule_epoch_ends(t->rules, h))
		return;
	tally_table(t, state, &table);
	check_table(t, &table, &t->schedules[1]);
}

const struct schedule *tally_schedule(const struct tally *t, struct qheight h)
{
	if (!t->rules)
		return NULL;
	uint64_t settled = schedule_settled(t->rules, h).n;
	return &t->schedules[t->schedules[1].settled.n == settled];
}

void tally_end(struct tally *t, struct qheight tip)
{
	cursor_rest(&t->convictions, tip);
	cursor_rest(&t->rows, tip);
}
