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

#include "map.h"
#include "schedule.h"
#include "state_impl.h"

struct spend {
	struct qoutpoint point;
	struct qtxid by;
	UT_hash_handle hh; /* by point */
};

struct made {
	struct unspent u;  /* row: number of the transaction in its block, until it is applied */
	UT_hash_handle hh; /* by u.point */
};

struct overlay {
	unsigned refs;
	bool applied; /* both maps are empty and the parent is gone: it now means the state */
	const struct state *state;
	struct qheight height;
	struct overlay *parent; /* a reference; NULL: the state */
	struct spend *spent;
	struct made *made;  /* also those spent again in the same block: `spent` is asked first */
	uint64_t convicted; /* bit i: replica i, by an offence in this block */
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

static void clear_maps(struct overlay *o)
{
	struct spend *s, *next_s;
	struct made *m, *next_m;

	HASH_ITER (hh, o->spent, s, next_s) {
		HASH_DEL(o->spent, s);
		free(s);
	}
	HASH_ITER (hh, o->made, m, next_m) {
		HASH_DEL(o->made, m);
		free(m);
	}
}

void overlay_unref(struct overlay *o)
{
	while (o && --o->refs == 0) {
		struct overlay *parent = o->parent;
		clear_maps(o);
		free(o);
		o = parent;
	}
}

/* ---- checking ----------------------------------------------------------- */

/* The unspent output after `top`, or NULL with the transaction in flight that spent it, if one did. */
static const struct unspent *find(const struct state *s, const struct overlay *top, const struct qoutpoint *p,
                                  const struct qtxid **spender)
{
	unsigned hash;

	*spender = NULL;
	HASH_VALUE(p, sizeof *p, hash);
	for (; top; top = top->parent) {
		struct spend *spend;
		struct made *made;

		HASH_FIND_BYHASHVALUE(hh, top->spent, p, sizeof *p, hash, spend);
		if (spend) {
			*spender = &spend->by;
			return NULL;
		}
		HASH_FIND_BYHASHVALUE(hh, top->made, p, sizeof *p, hash, made);
		if (made)
			return &made->u;
	}
	return state_find(s, p);
}

static int compare_owners(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct qaddress));
}

/* The rules of stake, for a transaction in which something is locked. */
static enum tx_verdict check_locks(const struct state *s, const struct overlay *top, const struct tx *tx,
                                   struct qheight height)
{
	const struct qtx_body *body = &tx->q.body;
	const struct genesis *g = state_genesis(s);
	struct stake_input *ins = xcalloc(body->inputs.inputs_len, sizeof *ins);
	const struct qtxid *by;

	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		ins[i].u = find(s, top, &body->inputs.inputs_val[i], &by);
		ins[i].due = stake_penalty(g, ins[i].u, stake_convicted(s, top, ins[i].u, height));
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

enum tx_verdict state_check(const struct state *s, const struct overlay *top, const struct tx *tx,
                            struct qheight height, struct qtxid *spender)
{
	const struct qtx_body *body = &tx->q.body;
	unsigned witness_cnt = tx->q.witnesses.witnesses_len, used_cnt = 0;
	bool used[Q_WITNESSES_MAX] = {false}, locked = false;
	uint64_t in = 0, out;

	must(!top || top->state == s);
	if (body->expiry.n != 0 && height.n > body->expiry.n)
		return TX_EXPIRED;
	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		const struct qtxid *by;
		const struct unspent *u = find(s, top, &body->inputs.inputs_val[i], &by);

		if (!u && by && spender)
			*spender = *by;
		if (!u)
			return by ? TX_DOUBLE_SPEND : TX_UNKNOWN_OUTPUT;
		const struct qaddress *owner =
		    bsearch(&u->out.owner, tx->owners, witness_cnt, sizeof *tx->owners, compare_owners);
		if (!owner)
			return TX_WRONG_WITNESS;
		used_cnt += !used[owner - tx->owners];
		used[owner - tx->owners] = true;
		locked = locked || u->out.lock.kind != QLOCK_NONE;
		if (__builtin_add_overflow(in, u->out.amount, &in))
			return TX_UNBALANCED;
	}
	if (used_cnt != witness_cnt)
		return TX_WRONG_WITNESS;
	locked = pays_locked(body, &out) || locked;
	if (in != out)
		return TX_UNBALANCED;
	enum tx_verdict v = locked ? check_locks(s, top, tx, height) : TX_OK;
	if (v == TX_OK && body->offence.offence_len > 0)
		v = check_offence(s, top, body->offence.offence_val, height);
	return v;
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

static void add_effect(struct overlay *o, const struct tx *tx)
{
	const struct qtx_body *body = &tx->q.body;

	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		struct spend *s = xcalloc(1, sizeof *s);
		s->point = body->inputs.inputs_val[i];
		s->by = tx->id;
		HASH_ADD(hh, o->spent, point, sizeof s->point, s);
	}
	for (unsigned i = 0; i < body->outputs.outputs_len; i++) {
		struct made *m = xcalloc(1, sizeof *m);
		m->u = (struct unspent){{tx->id, i}, body->outputs.outputs_val[i], o->height, o->tx_cnt};
		HASH_ADD(hh, o->made, u.point, sizeof m->u.point, m);
	}
	if (body->offence.offence_len > 0)
		o->convicted |= UINT64_C(1) << body->offence.offence_val->replica;
	o->tx_cnt++;
}

enum tx_verdict overlay_add(struct overlay *o, const struct tx *tx)
{
	must(!o->applied);
	enum tx_verdict v = state_check(o->state, o, tx, o->height, NULL);

	if (v == TX_OK)
		add_effect(o, tx);
	return v;
}

enum tx_verdict overlay_add_block(struct overlay *o, const struct block *b, size_t *bad)
{
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
	struct spend *spend, *next_spend;
	struct made *made, *next_made;

	must(!o->applied && o->state == s);
	must(!o->parent || o->parent->applied);
	HASH_ITER (hh, o->spent, spend, next_spend) {
		HASH_FIND(hh, o->made, &spend->point, sizeof spend->point, made);
		if (made) { /* made and spent within the block: the state never sees it */
			HASH_DEL(o->made, made);
			free(made);
		} else {
			state_remove(s, &spend->point);
		}
	}
	HASH_ITER (hh, o->made, made, next_made) {
		made->u.row += first_row;
		state_insert(s, &made->u);
	}
	for (unsigned i = 0; o->convicted != 0; i++, o->convicted >>= 1)
		if (o->convicted & 1)
			state_convict(s, i, o->height);
	const struct qstake_rules *r = stake_rules(state_genesis(s));
	if (r && schedule_epoch_ends(r, o->height))
		state_settle(s, &(struct qtable){.height = o->height,
		                                 .stakes = {state_staking(s)->stakes.stakes_len,
		                                            state_staking(s)->stakes.stakes_val}});
	clear_maps(o);
	overlay_unref(o->parent);
	o->parent = NULL;
	o->applied = true;
}
