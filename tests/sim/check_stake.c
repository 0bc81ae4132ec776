/*
 * check_stake.c: the rules of stake once more, from the outputs alone: what may be spent and made, which
 * penalties are due, what convicts, and what each replica's stake is after each block. Nothing is kept up to
 * date by adding and taking away: all of it is counted anew after each block.
 */
#include "check_impl.h"

static const struct qstake_rules *rules_of(const struct checks *c)
{
	const struct genesis *g = &c->sim->g;

	return g->g.proposer.kind == QPROPOSER_STAKE ? &g->g.proposer.qproposer_rules_u.stake : NULL;
}

static bool same_owner(const struct qaddress *a, const struct qaddress *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static bool is_own(const struct checks *c, const struct qoutput *out)
{
	const struct qreplica *r = &c->sim->g.g.replicas.replicas_val[out->lock.qlock_u.replica];

	return same_owner(&out->owner, r->account.account_val);
}

/* ---- convictions ------------------------------------------------------------------------------------------
 */

static uint64_t last_conviction(const struct checks *c, unsigned replica)
{
	uint64_t last = 0;

	for (size_t i = 0; i < c->conviction_cnt; i++)
		if (c->convictions[i].replica == replica)
			last = c->convictions[i].height;
	return last;
}

/* Is there a conviction of this replica at one of these heights? */
static bool convicted_in(const struct checks *c, unsigned replica, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < c->conviction_cnt; i++)
		if (c->convictions[i].replica == replica && c->convictions[i].height >= first &&
		    c->convictions[i].height <= last)
			return true;
	return false;
}

static bool same_vote(const struct qvote *a, const struct qvote *b)
{
	return a->view.n == b->view.n && a->height.n == b->height.n && qhash_eq(&a->block, &b->block) &&
	       qhash_eq(&a->state, &b->state);
}

/* NULL: it convicts. */
static const char *offence_wrong(const struct checks *c, const struct qoffence *o, uint64_t height)
{
	const struct genesis *g = &c->sim->g;

	if (o->replica >= c->sim->n || (o->kind != QPREPARE && o->kind != QCOMMIT && o->kind != QCHECKPOINT))
		return "its offence is of nobody, or of no kind that convicts";
	if (o->first.height.n != o->second.height.n || o->first.view.n != o->second.view.n ||
	    same_vote(&o->first, &o->second))
		return "its offence is no contradiction";
	if (!naive_vote(g, o->replica, o->kind, &o->first, &o->first_sig) ||
	    !naive_vote(g, o->replica, o->kind, &o->second, &o->second_sig))
		return "the replica did not sign the votes of its offence";
	if (o->first.height.n > height)
		return "its offence is of a height to come";
	if (o->first.height.n <= last_conviction(c, o->replica))
		return "its offence is atoned for";
	return NULL;
}

/* ---- one transaction
 * --------------------------------------------------------------------------------------- */

static const struct coin *input(const struct checks *c, const struct qtx_body *b, unsigned i)
{
	return coin_find(c, &b->inputs.inputs_val[i]);
}

/* Of what this output is worth, what has to stay frozen when it is spent at this height. */
static wide penalty_due(const struct checks *c, const struct coin *coin, uint64_t height)
{
	const struct qstake_rules *r = rules_of(c);
	const struct qoutput *out = &coin->out;
	uint64_t last = height - 1;

	if (!r || (out->lock.kind != QLOCK_STAKE && out->lock.kind != QLOCK_RELEASE))
		return 0;
	if (out->lock.kind == QLOCK_RELEASE && last > coin->made + r->unbonding - 1)
		last = coin->made + r->unbonding - 1;
	if (!convicted_in(c, out->lock.qlock_u.replica, coin->made, last))
		return 0;
	return ((wide)out->amount * (is_own(c, out) ? r->penalty : r->delegator_penalty) + 99) / 100;
}

/* What each pair of an owner and a replica has to leave behind is what it leaves behind. */
static const char *penalties_wrong(const struct checks *c, const struct qtx_body *b, const struct qoutput *of,
                                   uint64_t height)
{
	wide due = 0, left = 0;

	for (unsigned i = 0; i < b->inputs.inputs_len; i++) {
		const struct coin *in = input(c, b, i);
		if (in->out.lock.kind != QLOCK_NONE && same_owner(&in->out.owner, &of->owner) &&
		    in->out.lock.qlock_u.replica == of->lock.qlock_u.replica)
			due += penalty_due(c, in, height);
	}
	for (unsigned i = 0; i < b->outputs.outputs_len; i++) {
		const struct qoutput *out = &b->outputs.outputs_val[i];
		if (out->lock.kind == QLOCK_FROZEN && same_owner(&out->owner, &of->owner) &&
		    out->lock.qlock_u.replica == of->lock.qlock_u.replica)
			left += out->amount;
	}
	return due == left ? NULL : "what it freezes is not what is due";
}

/* It moves stake: of one owner and one replica, and nothing else; to that owner, locked for that replica. */
static const char *stake_wrong(const struct checks *c, const struct qtx_body *b)
{
	const struct coin *first = input(c, b, 0);

	for (unsigned i = 0; i < b->inputs.inputs_len; i++) {
		const struct coin *in = input(c, b, i);
		if (in->out.lock.kind != QLOCK_STAKE || !same_owner(&in->out.owner, &first->out.owner) ||
		    in->out.lock.qlock_u.replica != first->out.lock.qlock_u.replica)
			return "it spends stake together with something else";
	}
	for (unsigned i = 0; i < b->outputs.outputs_len; i++) {
		const struct qoutput *out = &b->outputs.outputs_val[i];
		if (out->lock.kind == QLOCK_NONE || !same_owner(&out->owner, &first->out.owner) ||
		    out->lock.qlock_u.replica != first->out.lock.qlock_u.replica)
			return "it moves stake to where stake cannot go";
	}
	return NULL;
}

static const char *free_wrong(const struct checks *c, const struct qtx_body *b, uint64_t height)
{
	const struct qstake_rules *r = rules_of(c);

	for (unsigned i = 0; i < b->inputs.inputs_len; i++) {
		const struct coin *in = input(c, b, i);
		if (in->out.lock.kind == QLOCK_FROZEN)
			return "it spends what is frozen";
		if (in->out.lock.kind == QLOCK_RELEASE && height < in->made + r->unbonding)
			return "it spends what is not released yet";
	}
	for (unsigned i = 0; i < b->outputs.outputs_len; i++)
		if (b->outputs.outputs_val[i].lock.kind == QLOCK_RELEASE)
			return "it releases what was no stake";
	return NULL;
}

static bool any_lock(const struct qtx_body *b)
{
	for (unsigned i = 0; i < b->outputs.outputs_len; i++)
		if (b->outputs.outputs_val[i].lock.kind != QLOCK_NONE)
			return true;
	return false;
}

const char *stake_judge(const struct checks *c, const struct qtx_body *b, uint64_t height)
{
	const char *why = NULL;
	bool stake = false;

	if (!rules_of(c))
		return any_lock(b) || b->offence.offence_len ? "on this chain there is no stake" : NULL;
	for (unsigned i = 0; i < b->outputs.outputs_len; i++) {
		const struct qlock *lock = &b->outputs.outputs_val[i].lock;
		if (lock->kind != QLOCK_NONE && lock->qlock_u.replica >= c->sim->n)
			return "it locks something for nobody";
	}
	for (unsigned i = 0; i < b->inputs.inputs_len; i++)
		stake = stake || input(c, b, i)->out.lock.kind == QLOCK_STAKE;
	why = stake ? stake_wrong(c, b) : free_wrong(c, b, height);
	for (unsigned i = 0; i < b->inputs.inputs_len && !why; i++)
		if (input(c, b, i)->out.lock.kind != QLOCK_NONE)
			why = penalties_wrong(c, b, &input(c, b, i)->out, height);
	for (unsigned i = 0; i < b->outputs.outputs_len && !why; i++)
		if (b->outputs.outputs_val[i].lock.kind == QLOCK_FROZEN)
			why = penalties_wrong(c, b, &b->outputs.outputs_val[i], height);
	if (!why && b->offence.offence_len)
		why = offence_wrong(c, b->offence.offence_val, height);
	return why;
}

void stake_execute(struct checks *c, const struct qtx_body *b, uint64_t height)
{
	const struct sim *s = c->sim;
	const struct qoffence *o = b->offence.offence_val;
	uint8_t element[12];

	for (unsigned i = 0; i < b->outputs.outputs_len; i++) {
		const struct qlock *lock = &b->outputs.outputs_val[i].lock;
		if (lock->kind == QLOCK_FROZEN && !(check_liars(s) >> lock->qlock_u.replica & 1))
			sim_broken(c->sim,
			           "innocent: stake of honest replica %u is frozen at height %" PRIu64,
			           lock->qlock_u.replica, height);
	}
	if (b->offence.offence_len == 0)
		return;
	if (!(check_liars(s) >> o->replica & 1))
		sim_broken(c->sim, "innocent: honest replica %u is convicted at height %" PRIu64, o->replica,
		           height);
	grow(&c->convictions, &c->conviction_cap, c->conviction_cnt, sizeof *c->convictions);
	c->convictions[c->conviction_cnt++] = (struct blame){o->replica, height};
	for (unsigned i = 0; i < 4; i++)
		element[i] = (uint8_t)(o->replica >> (24 - 8 * i));
	for (unsigned i = 0; i < 8; i++)
		element[4 + i] = (uint8_t)(height >> (56 - 8 * i));
	lthash_add(&c->sum, element, sizeof element);
}

/* ---- after a block
 * -------------------------------------------------------------------------------------------- */

static void count_stakes(struct checks *c)
{
	const struct qstake_rules *r = rules_of(c);

	memset(c->stakes, 0, sizeof c->stakes);
	for (size_t i = 0; i < c->locked_cnt; i++) {
		const struct coin *coin = c->locked[i];
		unsigned replica = coin->out.lock.qlock_u.replica;
		bool own,
		    blamed = last_conviction(c, replica) >= coin->made && last_conviction(c, replica) > 0;
		if (coin->out.lock.kind != QLOCK_STAKE)
			continue;
		own = is_own(c, &coin->out);
		if (blamed && (own || r->delegator_penalty > 0))
			continue;
		*(own ? &c->stakes[replica].own : &c->stakes[replica].delegated) += coin->out.amount;
	}
	for (unsigned i = 0; i < c->sim->n; i++)
		c->convicted[i] = qheight_of(last_conviction(c, i));
}

static void trace_turns(struct sim *s, const struct table *t)
{
	char text[6 * SIM_REPLICAS_MAX + 1];
	int len = 0;

	for (unsigned i = 0; i < s->n; i++)
		len += snprintf(text + len, sizeof text - (size_t)len, " %u", t->weight[i]);
	trace_line(s, "turns by the stakes of h=%" PRIu64 ":%s", t->height, text);
}

static void settle_stakes(struct checks *c, uint64_t height)
{
	struct table *t;

	grow(&c->tables, &c->table_cap, c->table_cnt, sizeof *c->tables);
	t = &c->tables[c->table_cnt++];
	*t = (struct table){.height = height};
	memcpy(t->stakes, c->stakes, sizeof t->stakes);
	turns_make(&c->sim->g, t);
	trace_turns(c->sim, t);
}

void stake_after(struct checks *c, uint64_t height)
{
	const struct qstake_rules *r = rules_of(c);

	if (!r)
		return;
	count_stakes(c);
	if (height % r->epoch == 0)
		settle_stakes(c, height);
}

void stake_now(const struct checks *c, struct qtable newest[Q_TABLES_MAX], struct qstaking *out)
{
	size_t first = c->table_cnt > Q_TABLES_MAX ? c->table_cnt - Q_TABLES_MAX : 0;

	*out = (struct qstaking){0};
	if (!rules_of(c))
		return;
	out->stakes.stakes_len = out->convicted.convicted_len = c->sim->n;
	out->stakes.stakes_val = (struct qstake *)c->stakes;
	out->convicted.convicted_val = (struct qheight *)c->convicted;
	out->settled.settled_val = newest;
	for (size_t i = first; i < c->table_cnt; i++)
		newest[out->settled.settled_len++] =
		    (struct qtable){.height = {c->tables[i].height},
		                    .stakes = {c->sim->n, (struct qstake *)c->tables[i].stakes}};
}

uint64_t check_penalty(const struct sim *s, const struct qoutpoint *point)
{
	const struct coin *coin = coin_find(s->checks, point);

	return coin ? (uint64_t)penalty_due(s->checks, coin, s->checks->height + 1) : 0;
}

uint64_t check_last_conviction(const struct sim *s, unsigned replica)
{
	return last_conviction(s->checks, replica);
}
