/*
 * stake.c: what locked outputs are worth, what they owe, and how a transaction may lock and unlock.
 *
 * The rules are state.h's.  ledger/overlay.c looks up what a transaction spends and asks here only if
 * something in it is locked; ledger/state.c adds up what counts.
 */
#include <stdlib.h>
#include <string.h>

#include "schedule.h"
#include "state_impl.h"

bool stake_is_own(const struct genesis *g, const struct unspent *u)
{
	unsigned replica = u->out.lock.qlock_u.replica;

	must(stake_rules(g) && replica < g->n);
	const struct qaddress *account = g->g.replicas.replicas_val[replica].account.account_val;
	return memcmp(account, &u->out.owner, sizeof *account) == 0;
}

/* Percent of what this output holds that a conviction costs. */
static unsigned rate(const struct genesis *g, const struct unspent *u)
{
	const struct qstake_rules *r = stake_rules(g);

	return stake_is_own(g, u) ? r->penalty : r->delegator_penalty;
}

uint64_t stake_penalty(const struct genesis *g, const struct unspent *u, struct qheight convicted)
{
	bool staked = u->out.lock.kind == QLOCK_STAKE;

	if (!staked && u->out.lock.kind != QLOCK_RELEASE)
		return 0;
	if (convicted.n == 0 || convicted.n < u->made_at.n)
		return 0;
	if (!staked && convicted.n - u->made_at.n >= stake_rules(g)->unbonding)
		return 0;
	uint64_t amount = u->out.amount, percent = rate(g, u);
	return amount / 100 * percent + (amount % 100 * percent + 99) / 100;
}

bool stake_counts(const struct genesis *g, const struct unspent *u, struct qheight convicted)
{
	if (u->out.lock.kind != QLOCK_STAKE)
		return false;
	if (convicted.n == 0 || convicted.n < u->made_at.n)
		return true;
	return !stake_is_own(g, u) && stake_rules(g)->delegator_penalty == 0;
}

/* ---- rules of a transaction ---------------------------------------------- */

static bool same_stake(const struct qoutput *a, const struct qoutput *b)
{
	return a->lock.qlock_u.replica == b->lock.qlock_u.replica &&
	       memcmp(&a->owner, &b->owner, sizeof a->owner) == 0;
}

/* May all of it be spent at this height? */
static bool unlocked(const struct qstake_rules *r, const struct stake_input *ins, unsigned cnt,
                     struct qheight height)
{
	for (unsigned i = 0; i < cnt; i++) {
		const struct unspent *u = ins[i].u;
		if (u->out.lock.kind == QLOCK_FROZEN)
			return false;
		if (u->out.lock.kind == QLOCK_RELEASE && height.n < u->made_at.n + r->unbonding)
			return false;
	}
	return true;
}

/* Rule 1: from stake of one owner and replica to locks of the same. */
static bool moves_stake_well(const struct stake_input *ins, unsigned cnt, const struct qtx_body *body)
{
	const struct qoutput *stake = &ins[0].u->out;

	for (unsigned i = 0; i < cnt; i++)
		if (ins[i].u->out.lock.kind != QLOCK_STAKE || !same_stake(&ins[i].u->out, stake))
			return false;
	for (unsigned i = 0; i < body->outputs.outputs_len; i++) {
		const struct qoutput *out = &body->outputs.outputs_val[i];
		if (out->lock.kind == QLOCK_NONE || !same_stake(out, stake))
			return false;
	}
	return true;
}

/* Rule 2, but for what is frozen. */
static bool locks_well(const struct genesis *g, const struct qtx_body *body)
{
	for (unsigned i = 0; i < body->outputs.outputs_len; i++) {
		const struct qlock *lock = &body->outputs.outputs_val[i].lock;
		if (lock->kind == QLOCK_RELEASE)
			return false;
		if (lock->kind != QLOCK_NONE && lock->qlock_u.replica >= g->n)
			return false;
	}
	return true;
}

/* ---- penalties ------------------------------------------------------------ */

/* A locked input with its penalty, or a frozen output. */
struct share {
	const struct qoutput *out;
	uint64_t due, frozen;
};

static int compare_shares(const void *a, const void *b)
{
	const struct qoutput *x = ((const struct share *)a)->out, *y = ((const struct share *)b)->out;
	unsigned i = x->lock.qlock_u.replica, k = y->lock.qlock_u.replica;

	return i != k ? (i > k) - (i < k) : memcmp(&x->owner, &y->owner, sizeof x->owner);
}

static unsigned list_shares(const struct stake_input *ins, unsigned in_cnt, const struct qtx_body *body,
                            struct share *list)
{
	unsigned cnt = 0;

	for (unsigned i = 0; i < in_cnt; i++)
		if (ins[i].u->out.lock.kind != QLOCK_NONE)
			list[cnt++] = (struct share){&ins[i].u->out, ins[i].due, 0};
	for (unsigned i = 0; i < body->outputs.outputs_len; i++) {
		const struct qoutput *out = &body->outputs.outputs_val[i];
		if (out->lock.kind == QLOCK_FROZEN)
			list[cnt++] = (struct share){out, 0, out->amount};
	}
	return cnt;
}

/* Rule 3. Sums cannot overflow: they are parts of what goes in and of what comes out. */
static enum tx_verdict check_penalties(const struct stake_input *ins, unsigned in_cnt,
                                       const struct qtx_body *body)
{
	struct share *list = xcalloc(in_cnt + body->outputs.outputs_len, sizeof *list);
	unsigned cnt = list_shares(ins, in_cnt, body, list);
	enum tx_verdict verdict = TX_OK;

	qsort(list, cnt, sizeof *list, compare_shares);
	for (unsigned i = 0, next; i < cnt; i = next) {
		uint64_t due = 0, frozen = 0;
		bool spends = false;
		for (next = i; next < cnt && compare_shares(&list[i], &list[next]) == 0; next++) {
			due += list[next].due;
			frozen += list[next].frozen;
			spends = spends || list[next].frozen == 0; /* an output has an amount */
		}
		if (!spends)
			verdict = TX_BAD_LOCK; /* nothing of theirs is spent here */
		else if (due != frozen && verdict == TX_OK)
			verdict = TX_PENALTY;
	}
	free(list);
	return verdict;
}

enum tx_verdict stake_check(const struct genesis *g, const struct stake_input *ins,
                            const struct qtx_body *body, struct qheight height)
{
	unsigned cnt = body->inputs.inputs_len;
	bool moves = false;

	if (!stake_rules(g))
		return TX_BAD_LOCK; /* an output's: nothing unspent is locked there */
	if (!unlocked(stake_rules(g), ins, cnt, height))
		return TX_LOCKED;
	for (unsigned i = 0; i < cnt; i++)
		moves = moves || ins[i].u->out.lock.kind == QLOCK_STAKE;
	if (moves ? !moves_stake_well(ins, cnt, body) : !locks_well(g, body))
		return TX_BAD_LOCK;
	return check_penalties(ins, cnt, body);
}
