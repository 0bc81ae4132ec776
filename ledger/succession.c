/*
 * succession.c: what a new chain takes over from an old one; the rules are succession.h's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "account.h"
#include "schedule.h"
#include "succession.h"

/* ---- collecting ------------------------------------------------------------ */

struct unspents {
	struct unspent *of;
	size_t cnt;
};

static void collect(void *ctx, const struct unspent *u)
{
	struct unspents *list = ctx;
	list->of[list->cnt++] = *u;
}

/* In the order of the chain. */
static int compare_places(int64_t row_a, uint32_t index_a, int64_t row_b, uint32_t index_b)
{
	if (row_a != row_b)
		return row_a < row_b ? -1 : 1;
	return index_a < index_b ? -1 : index_a > index_b;
}

static int by_place(const void *a, const void *b)
{
	const struct unspent *x = a, *y = b;
	return compare_places(x->row, x->point.index, y->row, y->point.index);
}

/* The replica of the new chain with the name of one of the old; false: there is none that stake could back.
 */
static bool find_heir(const struct genesis *was, unsigned replica, const struct qgenesis *heir, u_int *out)
{
	if (heir->proposer.kind != QPROPOSER_STAKE)
		return false;
	for (u_int i = 0; i < heir->replicas.replicas_len; i++) {
		*out = i;
		if (strcmp(heir->replicas.replicas_val[i].name, was->g.replicas.replicas_val[replica].name) ==
		    0)
			return true;
	}
	return false;
}

/* Rules 2 to 4. An amount of 0: nothing of it is carried over. */
static struct qoutput inherit(const struct state *s, const struct genesis *was, const struct qgenesis *heir,
                              const struct unspent *u)
{
	struct qoutput out = {.owner = u->out.owner, .amount = u->out.amount, .lock = {.kind = QLOCK_NONE}};
	if (u->out.lock.kind == QLOCK_NONE)
		return out;
	struct qheight convicted = stake_convicted(s, NULL, u, qheight_of(UINT64_MAX));
	out.amount = u->out.lock.kind == QLOCK_FROZEN ? 0 : out.amount - stake_penalty(was, u, convicted);
	if (stake_counts(was, u, convicted) &&
	    find_heir(was, u->out.lock.qlock_u.replica, heir, &out.lock.qlock_u.replica))
		out.lock.kind = QLOCK_STAKE;
	return out;
}

/* ---- one for each owner and lock --------------------------------------------- */

static int by_owner(const struct inherited *a, const struct inherited *b)
{
	int owners = memcmp(&a->out.owner, &b->out.owner, sizeof a->out.owner);
	if (owners != 0)
		return owners;
	/* Of two kinds of lock: none, and stake, which says for whom. */
	int64_t x = a->out.lock.kind == QLOCK_NONE ? -1 : (int64_t)a->out.lock.qlock_u.replica;
	int64_t y = b->out.lock.kind == QLOCK_NONE ? -1 : (int64_t)b->out.lock.qlock_u.replica;
	return x < y ? -1 : x > y;
}

/* The older of two that are to be summed comes first. */
static int by_owner_then_place(const void *a, const void *b)
{
	const struct inherited *x = a, *y = b;
	int owners = by_owner(x, y);
	return owners != 0 ? owners : compare_places(x->row, x->from.index, y->row, y->from.index);
}

static void sum_up(struct succession *s)
{
	size_t cnt = 0;
	qsort(s->list, s->cnt, sizeof *s->list, by_owner_then_place);
	for (size_t i = 0; i < s->cnt; i++) {
		if (cnt > 0 && by_owner(&s->list[cnt - 1], &s->list[i]) == 0)
			s->list[cnt - 1].out.amount += s->list[i].out.amount;
		else
			s->list[cnt++] = s->list[i];
	}
	s->cnt = cnt;
	s->summed = true;
}

/* ---- the whole ----------------------------------------------------------------- */

static void inherit_all(const struct state *state, const struct genesis *was, const struct qgenesis *heir,
                        struct succession *s)
{
	struct unspents all = {.of = xcalloc(state_count(state) + 1, sizeof *all.of)};
	state_each(state, collect, &all);
	qsort(all.of, all.cnt, sizeof *all.of, by_place);
	s->list = xcalloc(all.cnt + 1, sizeof *s->list);
	for (size_t i = 0; i < all.cnt; i++) {
		struct qoutput out = inherit(state, was, heir, &all.of[i]);
		s->carried += out.amount;
		if (out.amount > 0)
			s->list[s->cnt++] =
			    (struct inherited){out, all.of[i].point, all.of[i].made_at, all.of[i].row};
	}
	s->outputs = s->cnt;
	s->left = state_value(state) - s->carried;
	free(all.of);
}

bool succession_make(struct ledger *old, const struct genesis *was, const struct qgenesis *heir, size_t max,
                     struct succession *out, struct err *err)
{
	struct state *state = ledger_state(old);
	*out = (struct succession){
	    .parent = {.chain = was->chain, .height = ledger_height(old), .block = *ledger_tip(old)},
	    .time_ms = ledger_seal_parent(old).time_ms,
	};
	state_digest(state, &out->parent.state);
	inherit_all(state, was, heir, out);
	if (out->cnt > max)
		sum_up(out);
	if (out->cnt <= max)
		return true;
	err_set(err, ERR_INPUT, "%zu owners hold something; a genesis has room for %zu allocations", out->cnt,
	        max);
	succession_free(out);
	return false;
}

void succession_free(struct succession *s)
{
	free(s->list);
	*s = (struct succession){0};
}

void succession_write(const struct succession *s, struct genesis *heir)
{
	heir->g.format = GENESIS_SUCCESSOR;
	heir->parent = s->parent;
	free(heir->g.allocations.allocations_val);
	heir->g.allocations.allocations_val = xcalloc(s->cnt + 1, sizeof(struct qoutput));
	heir->g.allocations.allocations_len = (u_int)s->cnt;
	for (size_t i = 0; i < s->cnt; i++)
		heir->g.allocations.allocations_val[i] = s->list[i].out;
}

/* ---- checking -------------------------------------------------------------------- */

static bool same_hash(const char *field, const struct qhash *is, const struct qhash *want, const char *whose,
                      struct err *err)
{
	char a[QHASH_HEX], b[QHASH_HEX];
	return qhash_eq(is, want) ||
	       err_set(err, ERR_NO, "parent.%s: is %s; %s %s", field, hex_encode(a, is->b, sizeof is->b),
	               whose, hex_encode(b, want->b, sizeof want->b));
}

static bool check_parent(const struct qparent *want, const struct qparent *is, struct err *err)
{
	if (!same_hash("chain", &is->chain, &want->chain, "the ledger is of", err))
		return false;
	if (is->height.n > want->height.n)
		return err_set(err, ERR_WORLD,
		               "parent.height: is %" PRIu64 ", but the ledger ends at %" PRIu64
		               " and cannot tell; name one that goes on",
		               (uint64_t)is->height.n, (uint64_t)want->height.n);
	if (is->height.n < want->height.n)
		return err_set(err, ERR_NO,
		               "parent.height: is %" PRIu64 ", but blocks are final up to %" PRIu64
		               ": what the last %" PRIu64 " did would be lost",
		               (uint64_t)is->height.n, (uint64_t)want->height.n,
		               (uint64_t)(want->height.n - is->height.n));
	return same_hash("block", &is->block, &want->block, "the last block is", err) &&
	       same_hash("state", &is->state, &want->state, "the state after the last block is", err);
}

static const char *stake_of(const struct qgenesis *g, const struct qoutput *out)
{
	return out->lock.kind == QLOCK_STAKE ? g->replicas.replicas_val[out->lock.qlock_u.replica].name
	                                     : "none";
}

/* Ends with where in the old chain it comes from. */
static bool differs(struct err *err, size_t i, const struct succession *s, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool differs(struct err *err, size_t i, const struct succession *s, const char *fmt, ...)
{
	const struct inherited *from = &s->list[i];
	char txid[QHASH_HEX], what[200];
	va_list args;
	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	return err_set(err, ERR_NO, "allocations[%zu]%s (%soutput %" PRIu32 " of %s, height %" PRIu64 ")", i,
	               what, s->summed ? "all of that owner's; the first is " : "", from->from.index,
	               hex_encode(txid, from->from.tx.b, sizeof from->from.tx.b), (uint64_t)from->made_at.n);
}

static bool check_allocation(const struct succession *s, size_t i, const struct qgenesis *g, struct err *err)
{
	const struct qoutput *want = &s->list[i].out, *is = &g->allocations.allocations_val[i];
	char owner[ADDRESS_TEXT], other[ADDRESS_TEXT];
	address_format(&want->owner, owner);
	if (!qaddress_eq(&is->owner, &want->owner))
		return differs(err, i, s, ".address: is %s; must be %s, who holds %" PRIu64,
		               address_format(&is->owner, other), owner, (uint64_t)want->amount);
	if (is->amount != want->amount)
		return differs(err, i, s, ".amount: gives %s %" PRIu64 "; must be %" PRIu64, owner,
		               (uint64_t)is->amount, (uint64_t)want->amount);
	if (is->lock.kind != want->lock.kind ||
	    (is->lock.kind == QLOCK_STAKE && is->lock.qlock_u.replica != want->lock.qlock_u.replica))
		return differs(err, i, s, ".stake: of %s is %.64s; must be %.64s", owner, stake_of(g, is),
		               stake_of(g, want));
	return true;
}

bool succession_check(const struct succession *s, const struct genesis *g, struct err *err)
{
	char owner[ADDRESS_TEXT];
	if (genesis_parent(g) == NULL)
		return err_set(err, ERR_NO,
		               "parent: missing; it is the genesis of a chain that succeeds no other");
	if (!check_parent(&s->parent, genesis_parent(g), err))
		return false;
	size_t cnt = g->g.allocations.allocations_len;
	for (size_t i = 0; i < cnt && i < s->cnt; i++)
		if (!check_allocation(s, i, &g->g, err))
			return false;
	if (cnt < s->cnt)
		return differs(err, cnt, s, ": is missing; %s holds %" PRIu64,
		               address_format(&s->list[cnt].out.owner, owner),
		               (uint64_t)s->list[cnt].out.amount);
	return cnt == s->cnt ||
	       err_set(err, ERR_NO, "allocations[%zu]: gives %s %" PRIu64 ", which nobody holds", s->cnt,
	               address_format(&g->g.allocations.allocations_val[s->cnt].owner, owner),
	               (uint64_t)g->g.allocations.allocations_val[s->cnt].amount);
}
