/*
 * overlay.c: the rules that need to know what is unspent, and the effects of blocks in flight.
 *
 * In the path of a transaction: before, tx_parse() and tx_verify() held; state_check() admits it
 * to node/pool, overlay_add_block() validates the block that holds it, and after agreement
 * overlay_apply() makes its effect part of the executed state (ledger/state.c).
 *
 *     state  <-  overlay (height h+1)  <-  overlay (h+2)  <- ...  <- top
 *
 * A look-up walks from the top down to the state.  An overlay that was applied is empty and rests on the
 * state itself, so those above it need not be told.  Depth is at most the window, for proposals
 * reach no further.
 */
#include <stdlib.h>
#include <string.h>

#include "numbers.h"
#include "schedule.h"
#include "state_impl.h"

/* What a block makes of one outpoint: an output that it makes, or spends, or both. */
struct touched {
	struct unspent u; /* made here, then `row` is the number of the transaction in the block, until it is
	                     applied; else the outpoint is all there is, and no amount */
	uint32_t hash;    /* outpoint_hash() */
	uint32_t spender; /* number of the first output, among those touched, of the transaction that spends
	                     it; UNSPENT: none here */
};

#define UNSPENT NUMBERS_NONE

struct overlay {
	unsigned refs;
	bool applied; /* nothing is touched and the parent is gone: it now means the state */
	const struct state *state;
	struct qheight height;
	struct overlay *parent; /* a reference; NULL: the state */
	struct touched *touched;
	uint32_t touched_cnt, touched_cap;
	struct numbers by_point; /* of all that is touched */
	uint64_t convicted;      /* bit i: replica i, by an offence in this block */
	int64_t tx_cnt;
};

struct overlay *overlay_new(const struct state *s, struct overlay *parent, struct qheight height)
{
	struct overlay *o = xcalloc(1, sizeof *o);

	must(!parent || parent->state == s);
	o->refs = 1;
	o->state = s;
	o->height = height;
	o->parent = parent && !parent->applied ? overlay_ref(parent) : NULL;
	return o;
}

struct overlay *overlay_ref(struct overlay *o)
{
	o->refs++;
	return o;
}

static void clear(struct overlay *o)
{
	numbers_free(&o->by_point);
	free(o->touched);
	o->touched = NULL;
	o->touched_cnt = o->touched_cap = 0;
}

void overlay_unref(struct overlay *o)
{
	while (o && --o->refs == 0) {
		struct overlay *parent = o->parent;
		clear(o);
		free(o);
		o = parent;
	}
}

/* ---- checking ----------------------------------------------------------- */

static struct touched *find_touched(const struct overlay *o, const struct qoutpoint *p, uint32_t hash)
{
	uint32_t at = hash, i;

	while ((i = numbers_next(&o->by_point, hash, &at)) != NUMBERS_NONE)
		if (qoutpoint_eq(&o->touched[i].u.point, p))
			return &o->touched[i];
	return NULL;
}

/* The unspent output after `top`, or NULL with the transaction in flight that spent it, if one did. */
static const struct unspent *find(const struct state *s, const struct overlay *top, const struct qoutpoint *p,
                                  uint32_t hash, const struct qtxid **spender)
{
	*spender = NULL;
	for (; top; top = top->parent) {
		const struct touched *t = find_touched(top, p, hash);
		if (t && t->spender != UNSPENT)
			*spender = &top->touched[t->spender].u.point.tx;
		if (t)
			return t->spender == UNSPENT ? &t->u : NULL;
	}
	return state_find_hashed(s, p, hash);
}

static int compare_owners(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct qaddress));
}

/* The rules of stake, for a transaction in which something is locked; `found` is what its inputs spend. */
static enum tx_verdict check_locks(const struct state *s, const struct overlay *top, const struct tx *tx,
                                   struct qheight height, const struct unspent *const *found)
{
	const struct qtx_body *body = &tx->q.body;
	const struct genesis *g = state_genesis(s);
	struct stake_input *ins = xcalloc(body->inputs.inputs_len, sizeof *ins);

	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		ins[i].u = found[i];
		ins[i].due = stake_penalty(g, found[i], stake_convicted(s, top, found[i], height));
	}
	enum tx_verdict v = stake_check(g, ins, body, height);
	free(ins);
	return v;
}

static enum tx_verdict check_offence(const struct state *s, const struct overlay *top,
                                     const struct qoffence *o, struct qheight height)
{
	const struct genesis *g = state_genesis(s);

	if (!stake_rules(g) || o->replica >= g->n)
		return TX_BAD_OFFENCE;
	if (o->first.height.n > height.n)
		return TX_EARLY_OFFENCE;
	while (top && !(top->convicted >> o->replica & 1))
		top = top->parent;
	struct qheight last = top ? top->height : state_last_conviction(s, o->replica);
	return o->first.height.n > last.n ? TX_OK : TX_OLD_OFFENCE;
}

static bool pays_locked(const struct qtx_body *body, uint64_t *sum)
{
	bool locked = false;

	*sum = 0;
	for (unsigned i = 0; i < body->outputs.outputs_len; i++) {
		*sum += body->outputs.outputs_val[i].amount; /* tx_parse() bounded it */
		locked = locked || body->outputs.outputs_val[i].lock.kind != QLOCK_NONE;
	}
	return locked;
}

/* A transaction that is being checked: what its inputs spend, as far as they have been looked at. */
struct inspection {
	const struct tx *tx;
	struct qheight height;
	const struct unspent *found[Q_INPUTS_MAX];
	uint32_t hash[Q_INPUTS_MAX]; /* outpoint_hash(), where they were looked up here */
	bool used[Q_WITNESSES_MAX];  /* by witness */
	unsigned used_cnt;
	bool locked; /* something of it is */
	uint64_t in;
};

static enum tx_verdict begin(struct inspection *n, const struct tx *tx, struct qheight height)
{
	n->tx = tx;
	n->height = height;
	memset(n->used, 0, tx->q.witnesses.witnesses_len * sizeof *n->used);
	n->used_cnt = 0;
	n->locked = false;
	n->in = 0;
	return tx->q.body.expiry.n != 0 && height.n > tx->q.body.expiry.n ? TX_EXPIRED : TX_OK;
}

static enum tx_verdict inspect(struct inspection *n, unsigned input, const struct unspent *u)
{
	const struct qaddress *owners = n->tx->owners;
	const struct qaddress *owner =
	    bsearch(&u->out.owner, owners, n->tx->q.witnesses.witnesses_len, sizeof *owners, compare_owners);

	if (!owner)
		return TX_WRONG_WITNESS;
	n->found[input] = u;
	n->used_cnt += !n->used[owner - owners];
	n->used[owner - owners] = true;
	n->locked = n->locked || u->out.lock.kind != QLOCK_NONE;
	return __builtin_add_overflow(n->in, u->out.amount, &n->in) ? TX_UNBALANCED : TX_OK;
}

/* All inputs were looked at. */
static enum tx_verdict conclude(struct inspection *n, const struct state *s, const struct overlay *top)
{
	const struct qtx_body *body = &n->tx->q.body;
	uint64_t out;

	if (n->used_cnt != n->tx->q.witnesses.witnesses_len)
		return TX_WRONG_WITNESS;
	bool locked = pays_locked(body, &out) || n->locked;
	if (n->in != out)
		return TX_UNBALANCED;
	enum tx_verdict v = locked ? check_locks(s, top, n->tx, n->height, n->found) : TX_OK;
	if (v == TX_OK && body->offence.offence_len > 0)
		v = check_offence(s, top, body->offence.offence_val, n->height);
	return v;
}

static enum tx_verdict check(struct inspection *n, const struct state *s, const struct overlay *top,
                             const struct tx *tx, struct qheight height, struct qtxid *spender)
{
	enum tx_verdict v = begin(n, tx, height);

	must(!top || top->state == s);
	for (unsigned i = 0; v == TX_OK && i < tx->q.body.inputs.inputs_len; i++) {
		const struct qoutpoint *p = &tx->q.body.inputs.inputs_val[i];
		const struct qtxid *by;

		n->hash[i] = outpoint_hash(txid_hash(&p->tx), p->index);
		const struct unspent *u = find(s, top, p, n->hash[i], &by);
		if (!u && by && spender)
			*spender = *by;
		if (!u)
			return by ? TX_DOUBLE_SPEND : TX_UNKNOWN_OUTPUT;
		v = inspect(n, i, u);
	}
	return v == TX_OK ? conclude(n, s, top) : v;
}

enum tx_verdict state_check(const struct state *s, const struct overlay *top, const struct tx *tx,
                            struct qheight height, struct qtxid *spender)
{
	struct inspection n;

	return check(&n, s, top, tx, height, spender);
}

enum tx_verdict state_check_found(const struct state *s, const struct overlay *top, const struct tx *tx,
                                  struct qheight height, const struct unspent *const *found)
{
	struct inspection n;
	enum tx_verdict v = begin(&n, tx, height);

	must(!top || top->state == s);
	for (unsigned i = 0; v == TX_OK && i < tx->q.body.inputs.inputs_len; i++)
		v = inspect(&n, i, found[i]);
	return v == TX_OK ? conclude(&n, s, top) : v;
}

struct qheight stake_convicted(const struct state *s, const struct overlay *top, const struct unspent *u,
                               struct qheight below)
{
	unsigned replica = u->out.lock.qlock_u.replica;
	struct qheight first = {0};

	if (u->out.lock.kind == QLOCK_NONE)
		return first;
	for (; top; top = top->parent) /* the lowest is found last */
		if (top->convicted >> replica & 1 && top->height.n >= u->made_at.n)
			first = top->height;
	struct qheight executed = state_first_conviction(s, replica, u->made_at);
	if (executed.n > 0)
		first = executed;
	return first.n < below.n ? first : qheight_of(0);
}

/* ---- adding ------------------------------------------------------------- */

/* Room for so many more. */
static void reserve(struct overlay *o, size_t more)
{
	size_t cnt = o->touched_cnt + more;

	must(cnt < UINT32_MAX / 4); /* a block is bounded */
	if (cnt <= o->touched_cap)
		return;
	o->touched_cap = (uint32_t)(cnt > 2 * (size_t)o->touched_cap ? cnt : 2 * (size_t)o->touched_cap);
	o->touched = xrealloc(o->touched, o->touched_cap * sizeof *o->touched);
	numbers_reserve(&o->by_point, o->touched_cap);
}

static struct touched *touch(struct overlay *o, const struct qoutpoint *p, uint32_t hash)
{
	struct touched *t = &o->touched[o->touched_cnt];

	*t = (struct touched){.u.point = *p, .hash = hash, .spender = UNSPENT};
	numbers_add(&o->by_point, hash, o->touched_cnt++);
	return t;
}

static void add_effect(struct overlay *o, const struct tx *tx, const uint32_t *input_hashes)
{
	const struct qtx_body *body = &tx->q.body;
	uint32_t first = o->touched_cnt, id_hash = txid_hash(&tx->id);

	reserve(o, (size_t)body->inputs.inputs_len + body->outputs.outputs_len);
	for (unsigned i = 0; i < body->outputs.outputs_len; i++) {
		struct touched *t = touch(o, &(struct qoutpoint){tx->id, i}, outpoint_hash(id_hash, i));
		t->u.out = body->outputs.outputs_val[i];
		t->u.made_at = o->height;
		t->u.row = o->tx_cnt;
	}
	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		const struct qoutpoint *p = &body->inputs.inputs_val[i];
		struct touched *t = find_touched(o, p, input_hashes[i]);
		if (!t)
			t = touch(o, p, input_hashes[i]);
		t->spender = first;
	}
	if (body->offence.offence_len > 0)
		o->convicted |= UINT64_C(1) << body->offence.offence_val->replica;
	o->tx_cnt++;
}

enum tx_verdict overlay_add(struct overlay *o, const struct tx *tx)
{
	struct inspection n;

	must(!o->applied);
	enum tx_verdict v = check(&n, o->state, o, tx, o->height, NULL);
	if (v == TX_OK)
		add_effect(o, tx, n.hash);
	return v;
}

enum tx_verdict overlay_add_block(struct overlay *o, const struct block *b, size_t *bad)
{
	size_t touches = 0;

	for (size_t i = 0; i < b->tx_cnt; i++)
		touches +=
		    b->txs[i]->q.body.inputs.inputs_len + (size_t)b->txs[i]->q.body.outputs.outputs_len;
	reserve(o, touches);
	for (size_t i = 0; i < b->tx_cnt; i++) {
		enum tx_verdict v = overlay_add(o, b->txs[i]);
		if (v != TX_OK) {
			*bad = i;
			return v;
		}
	}
	return TX_OK;
}

/* ---- applying ----------------------------------------------------------- */

void overlay_apply(struct overlay *o, struct state *s, int64_t first_row)
{
	must(!o->applied && o->state == s);
	must(!o->parent || o->parent->applied);
	for (uint32_t i = 0; i < o->touched_cnt; i++) {
		struct touched *t = &o->touched[i];
		bool made = t->u.out.amount != 0;
		t->u.row += first_row;
		if (made && t->spender == UNSPENT)
			state_insert_hashed(s, &t->u, t->hash);
		else if (!made)
			state_remove_hashed(s, &t->u.point, t->hash);
		/* What is made and spent within the block the state never sees. */
	}
	for (unsigned i = 0; o->convicted != 0; i++, o->convicted >>= 1)
		if (o->convicted & 1)
			state_convict(s, i, o->height);
	const struct qstake_rules *r = stake_rules(state_genesis(s));
	if (r && schedule_epoch_ends(r, o->height))
		state_settle(s, &(struct qtable){.height = o->height,
		                                 .stakes = {state_staking(s)->stakes.stakes_len,
		                                            state_staking(s)->stakes.stakes_val}});
	clear(o);
	overlay_unref(o->parent);
	o->parent = NULL;
	o->applied = true;
}
