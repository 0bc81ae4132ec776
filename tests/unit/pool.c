/*
 * The mempool: what it admits, in which order it gives it back, what makes an entry leave.
 * Links: q_replica
 */
#include "pool.h"
#include "payments.h"
#include "schedule.h"

#define TXS_MAX 4096

struct fixture {
	struct rules rules;
	struct state *state;
	struct pool *pool;
	uint64_t height;
	struct tx *made[TXS_MAX]; /* released at the end */
	size_t made_cnt;
	struct { /* by pool_executed(), in order */
		struct tx *tx;
		struct qtxid winner;
		bool own;
		enum tx_verdict verdict;
	} evicted[TXS_MAX];
	size_t evicted_cnt;
	struct tx *final[TXS_MAX]; /* own ones, in order */
	size_t final_cnt;
};

enum { SELF = 1 };

static void fill(struct fixture *f)
{
	const struct qgenesis *g = &f->rules.g.g;

	f->state = state_new(&f->rules.g);
	for (unsigned i = 0; i < g->allocations.allocations_len; i++)
		state_insert(f->state, &(struct unspent){.point = allocation(&f->rules, i),
		                                         .out = g->allocations.allocations_val[i]});
	f->pool = pool_new(&f->rules.g, f->state, SELF, qheight_of(0));
}

static struct fixture *begin_with(unsigned n, unsigned outputs, const struct qparams *params)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	payments_setup(&f->rules, n, outputs, params);
	fill(f);
	return f;
}

static struct fixture *begin(unsigned outputs)
{
	return begin_with(4, outputs, NULL);
}

static void end(struct fixture *f)
{
	pool_free(f->pool);
	state_free(f->state);
	for (size_t i = 0; i < f->made_cnt; i++)
		tx_unref(f->made[i]);
	rules_teardown(&f->rules);
	free(f);
}

static struct tx *keep(struct fixture *f, struct tx *tx)
{
	assert_true(f->made_cnt < TXS_MAX);
	return f->made[f->made_cnt++] = tx;
}

/* Genesis output `index` to account 9. */
static struct tx *simple(struct fixture *f, unsigned index, const char *memo)
{
	return keep(f, pay_allocation(&f->rules, index, 9, memo));
}

/* Account 9 passes on what it got. */
static struct tx *child_of(struct fixture *f, const struct tx *parent)
{
	struct qoutpoint in = output(parent, 0);

	return keep(f, pay(&f->rules, &(struct payment){.from = 9, .to = 9}, &in, 1));
}

static enum tx_verdict add(struct fixture *f, struct tx *tx, unsigned source)
{
	struct qtxid winner;

	return pool_add(f->pool, tx, source, &winner);
}

static void on_left(void *ctx, struct tx *tx, bool own, enum tx_verdict v, struct qheight height,
                    const struct qtxid *winner)
{
	struct fixture *f = ctx;
	size_t i = f->evicted_cnt;

	assert_true(height.n <= f->height);
	if (v == TX_FINAL) {
		assert_true(own);
		f->final[f->final_cnt++] = tx;
		return;
	}
	f->evicted_cnt++;
	f->evicted[i].tx = tx;
	f->evicted[i].own = own;
	f->evicted[i].verdict = v;
	assert_int_equal(v == TX_DOUBLE_SPEND, winner != NULL);
	if (winner)
		f->evicted[i].winner = *winner;
}

/* Only the state has its effect yet. */
static struct block *apply(struct fixture *f, struct tx *const *txs, size_t cnt)
{
	struct block *b = block_of(++f->height, f->rules.g.chain, txs, cnt);
	struct overlay *o = overlay_new(f->state, NULL, b->header.height);
	size_t bad;

	assert_int_equal(overlay_add_block(o, b, &bad), TX_OK);
	overlay_apply(o, f->state, 1);
	overlay_unref(o);
	return b;
}

static void execute(struct fixture *f, struct tx *const *txs, size_t cnt)
{
	struct block *b = apply(f, txs, cnt);

	pool_executed(f->pool, &b, 1, on_left, f);
	block_unref(b);
}

static size_t choose(struct fixture *f, uint64_t height, size_t txs_max, struct tx **txs)
{
	struct overlay *o = overlay_new(f->state, NULL, qheight_of(height));
	size_t cnt = pool_choose(f->pool, o, qheight_of(height), txs_max, 1 << 20, txs);

	overlay_unref(o);
	return cnt;
}

/* ---- admission ---------------------------------------------------------------------- */

static void finds_an_entry_by_id_and_by_leaf(void **state)
{
	struct fixture *f = begin(2);
	struct tx *a = simple(f, 0, ""), *b = simple(f, 1, "");

	(void)state;
	assert_int_equal(add(f, a, SELF), TX_OK);
	assert_ptr_equal(pool_find(f->pool, &a->id), a);
	assert_ptr_equal(pool_find_leaf(f->pool, &a->leaf), a);
	assert_null(pool_find(f->pool, &b->id));
	assert_int_equal(pool_count(f->pool), 1);
	assert_int_equal(pool_bytes(f->pool), a->raw_len);
	assert_int_equal(add(f, a, 2), TX_KNOWN);
	end(f);
}

static void refuses_a_second_spender_and_names_the_first(void **state)
{
	struct fixture *f = begin(2);
	struct tx *first = simple(f, 0, "first"), *second = simple(f, 0, "second");
	struct qtxid winner = {0};

	(void)state;
	assert_int_equal(add(f, first, 2), TX_OK);
	assert_int_equal(pool_add(f->pool, second, SELF, &winner), TX_DOUBLE_SPEND);
	assert_true(qtxid_eq(&winner, &first->id));
	assert_int_equal(pool_count(f->pool), 1);
	end(f);
}

static void refuses_an_orphan_and_lets_it_reserve_nothing(void **state)
{
	struct fixture *f = begin(9);
	struct tx *parent = simple(f, 0, ""), *orphan = child_of(f, parent), *rival = simple(f, 8, "rival");
	struct qoutpoint ins[] = {allocation(&f->rules, 8), {parent->id, 5}};
	struct tx *half =
	    keep(f, pay(&f->rules, &(struct payment){.from = 1, .to = 9, .amount = 2 * PAY_AMOUNT}, ins, 2));

	(void)state;
	assert_int_equal(add(f, orphan, 2), TX_UNKNOWN_OUTPUT);
	assert_int_equal(add(f, half, 2), TX_UNKNOWN_OUTPUT); /* one input exists, the other never will */
	assert_int_equal(pool_count(f->pool), 0);
	assert_int_equal(add(f, rival, SELF), TX_OK);
	assert_int_equal(add(f, parent, SELF), TX_OK);
	assert_int_equal(add(f, orphan, 2), TX_OK);
	end(f);
}

static void judges_a_child_of_an_entry_by_the_rules_of_all(void **state)
{
	struct fixture *f = begin(1);
	struct tx *parent = simple(f, 0, "");
	struct qoutpoint in = output(parent, 0), beyond = output(parent, 1);
	struct tx *stolen = keep(f, pay(&f->rules, &(struct payment){.from = 3, .to = 3}, &in, 1));
	struct tx *inflated =
	    keep(f, pay(&f->rules, &(struct payment){.from = 9, .to = 9, .amount = 2 * PAY_AMOUNT}, &in, 1));
	struct tx *nothing = keep(f, pay(&f->rules, &(struct payment){.from = 9, .to = 9}, &beyond, 1));

	(void)state;
	assert_int_equal(add(f, parent, SELF), TX_OK);
	assert_int_equal(add(f, stolen, SELF), TX_WRONG_WITNESS);
	assert_int_equal(add(f, inflated, SELF), TX_UNBALANCED);
	assert_int_equal(add(f, nothing, SELF), TX_UNKNOWN_OUTPUT);
	assert_int_equal(add(f, child_of(f, parent), SELF), TX_OK);
	end(f);
}

static void refuses_what_has_expired_for_the_next_block(void **state)
{
	struct fixture *f = begin(3);
	struct qoutpoint in = allocation(&f->rules, 1);
	struct tx *old =
	    keep(f, pay(&f->rules, &(struct payment){.from = account_of(1), .to = 9, .expiry = 1}, &in, 1));
	struct tx *block[] = {simple(f, 0, "")};

	(void)state;
	assert_int_equal(add(f, old, SELF), TX_OK);
	execute(f, block, 1);
	assert_int_equal(add(f, old, SELF), TX_EXPIRED);
	end(f);
}

/* ---- bounds ---------------------------------------------------------------------------- */

static void bounds_the_entries_of_each_source(void **state)
{
	struct qparams params = genesis_default_params();
	struct fixture *f;

	(void)state;
	params.pool_source_max = 2;
	f = begin_with(4, 12, &params);
	assert_int_equal(pool_room(f->pool), 2);
	assert_int_equal(add(f, simple(f, 0, ""), SELF), TX_OK);
	assert_int_equal(pool_room(f->pool), 1);
	assert_int_equal(add(f, simple(f, 1, ""), SELF), TX_OK);
	assert_int_equal(pool_room(f->pool), 0);
	assert_int_equal(add(f, simple(f, 2, ""), SELF), TX_POOL_FULL);
	/* A peer has twice as many: what it forwards may overtake the blocks that make room. */
	for (unsigned i = 2; i < 6; i++)
		assert_int_equal(add(f, simple(f, i, ""), 3), TX_OK);
	assert_int_equal(add(f, simple(f, 6, ""), 3), TX_POOL_FULL);
	assert_int_equal(add(f, simple(f, 6, ""), 0), TX_OK);
	execute(f, (struct tx *[]){f->made[0]}, 1);
	assert_int_equal(pool_room(f->pool), 1);
	assert_int_equal(add(f, simple(f, 7, ""), SELF), TX_OK);
	end(f);
}

static void bounds_the_bytes_of_each_source(void **state)
{
	struct qparams params = genesis_default_params();
	struct fixture *f;
	unsigned i = 0;
	size_t len = 0;
	enum tx_verdict v;

	(void)state;
	params.window = 2;
	f = begin_with(64, 100, &params);
	do {
		struct qoutpoint in = allocation(&f->rules, i);
		struct payment p = {.from = account_of(i), .to = 9, .outputs = Q_OUTPUTS_MAX};
		struct tx *tx = keep(f, pay(&f->rules, &p, &in, 1));
		len = tx->raw_len;
		v = add(f, tx, SELF);
		i++;
	} while (v == TX_OK);
	assert_int_equal(v, TX_POOL_FULL);
	assert_int_equal(pool_room(f->pool), 0);
	assert_true(pool_bytes(f->pool) <= 2u << 20 && pool_bytes(f->pool) + len > 2u << 20);
	assert_int_equal(add(f, f->made[f->made_cnt - 1], 5), TX_OK);
	end(f);
}

static void bounds_what_one_account_pays_for_among_own_clients(void **state)
{
	struct qparams params = genesis_default_params();
	struct fixture *f;

	(void)state;
	params.pool_owner_max = 2;
	f = begin_with(4, 40, &params);
	assert_int_equal(add(f, simple(f, 0, ""), SELF), TX_OK);
	assert_int_equal(add(f, simple(f, 8, ""), SELF), TX_OK);
	assert_int_equal(add(f, simple(f, 16, ""), SELF), TX_OWNER_FULL); /* outputs 0, 8, 16: account 1 */
	assert_int_equal(add(f, simple(f, 1, ""), SELF), TX_OK);
	/* Their own replica judged those: refusing them here would look like censorship. */
	assert_int_equal(add(f, simple(f, 16, ""), 2), TX_OK);
	execute(f, (struct tx *[]){f->made[0]}, 1);
	assert_int_equal(add(f, simple(f, 24, ""), SELF), TX_OK);
	end(f);
}

/* ---- leaving ----------------------------------------------------------------------------- */

static void evicts_conflicts_with_a_block_and_their_descendants(void **state)
{
	struct fixture *f = begin(3);
	struct tx *loser = simple(f, 0, "loser"), *winner = simple(f, 0, "winner");
	struct tx *child = child_of(f, loser), *grandchild = child_of(f, child), *other = simple(f, 1, "");

	(void)state;
	assert_int_equal(add(f, loser, SELF), TX_OK);
	assert_int_equal(add(f, child, 2), TX_OK);
	assert_int_equal(add(f, grandchild, SELF), TX_OK);
	assert_int_equal(add(f, other, 3), TX_OK);
	execute(f, &winner, 1);
	assert_int_equal(f->evicted_cnt, 3);
	assert_ptr_equal(f->evicted[0].tx, loser);
	assert_ptr_equal(f->evicted[1].tx, child);
	assert_ptr_equal(f->evicted[2].tx, grandchild);
	assert_true(f->evicted[0].own && !f->evicted[1].own && f->evicted[2].own);
	for (size_t i = 0; i < 3; i++)
		assert_true(qtxid_eq(&f->evicted[i].winner, &winner->id));
	assert_int_equal(pool_count(f->pool), 1);
	assert_int_equal(pool_bytes(f->pool), other->raw_len);
	end(f);
}

static void lets_go_of_what_is_final_and_keeps_its_children(void **state)
{
	struct fixture *f = begin(1);
	struct tx *parent = simple(f, 0, ""), *child = child_of(f, parent), *txs[4];

	(void)state;
	assert_int_equal(add(f, parent, SELF), TX_OK);
	assert_int_equal(add(f, child, SELF), TX_OK);
	execute(f, &parent, 1);
	assert_int_equal(f->evicted_cnt, 0);
	assert_null(pool_find(f->pool, &parent->id));
	assert_int_equal(choose(f, 2, 4, txs), 1);
	assert_ptr_equal(txs[0], child);
	end(f);
}

static void evicts_what_expires_and_its_descendants(void **state)
{
	struct fixture *f = begin(3);
	struct qoutpoint in = allocation(&f->rules, 0);
	struct payment p = {.from = account_of(0), .to = 9, .expiry = 2};
	struct tx *mortal = keep(f, pay(&f->rules, &p, &in, 1)), *child = child_of(f, mortal);
	struct tx *others[] = {simple(f, 1, ""), simple(f, 2, "")};

	(void)state;
	assert_int_equal(add(f, mortal, SELF), TX_OK);
	assert_int_equal(add(f, child, SELF), TX_OK);
	execute(f, &others[0], 1);
	assert_int_equal(f->evicted_cnt, 0);
	execute(f, &others[1], 1);
	assert_int_equal(f->evicted_cnt, 2);
	assert_int_equal(f->evicted[0].verdict, TX_EXPIRED);
	assert_int_equal(f->evicted[1].verdict, TX_EXPIRED);
	assert_int_equal(pool_count(f->pool), 0);
	end(f);
}

static void does_not_call_pending_what_expires_with_the_next_block(void **state)
{
	struct fixture *f = begin(3);
	struct qoutpoint in = allocation(&f->rules, 0);
	struct payment p = {.from = account_of(0), .to = 9, .expiry = 1};

	(void)state;
	assert_false(pool_pending(f->pool));
	assert_int_equal(add(f, keep(f, pay(&f->rules, &p, &in, 1)), SELF), TX_OK);
	assert_false(pool_pending(f->pool));
	assert_int_equal(add(f, simple(f, 1, ""), SELF), TX_OK);
	assert_true(pool_pending(f->pool));
	end(f);
}

static void evicts_a_long_chain_of_spends(void **state)
{
	struct fixture *f = begin(1);
	struct tx *tx = simple(f, 0, "loser"), *winner = simple(f, 0, "winner");

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(add(f, tx, SELF), TX_OK);
		tx = child_of(f, tx);
	}
	execute(f, &winner, 1);
	assert_int_equal(f->evicted_cnt, 1000);
	assert_int_equal(pool_count(f->pool), 0);
	assert_int_equal(pool_bytes(f->pool), 0);
	end(f);
}

/* ---- choosing ------------------------------------------------------------------------------ */

static void serves_sources_in_turn_oldest_first(void **state)
{
	struct fixture *f = begin(6);
	struct tx *txs[8], *a[4], *b, *c;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		add(f, a[i] = simple(f, i, ""), 0);
	add(f, b = simple(f, 4, ""), 2);
	add(f, c = simple(f, 5, ""), 3);
	assert_int_equal(choose(f, 1, 4, txs), 4);
	assert_ptr_equal(txs[0], a[0]);
	assert_ptr_equal(txs[1], b);
	assert_ptr_equal(txs[2], c);
	assert_ptr_equal(txs[3], a[1]);
	assert_int_equal(pool_waiting(f->pool), 2);
	assert_int_equal(choose(f, 2, 4, txs), 2);
	assert_ptr_equal(txs[0], a[2]);
	end(f);
}

/* What has just come is still being checked elsewhere: it does not hold up a block of what was here before.
 */
static void chooses_what_others_have_had_time_to_check_before_what_is_fresh(void **state)
{
	struct fixture *f = begin(9);
	struct tx *txs[8], *fresh = simple(f, 8, "");

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(add(f, simple(f, i, ""), 1 + i % 2), TX_OK);
	assert_int_equal(choose(f, 1, 2, txs), 2); /* all are fresh: they go at once */
	assert_int_equal(choose(f, 2, 2, txs), 2);
	assert_int_equal(add(f, fresh, 3), TX_OK);
	assert_int_equal(choose(f, 3, 2, txs),
	                 2); /* there is enough without it, though its source's turn came */
	assert_true(txs[0] != fresh && txs[1] != fresh);
	assert_int_equal(choose(f, 4, 8, txs), 3); /* here there is not */
	assert_true(txs[0] == fresh || txs[1] == fresh || txs[2] == fresh);
	end(f);
}

static void chooses_by_turns_again_once_all_are_ripe(void **state)
{
	struct fixture *f = begin(9);
	struct tx *txs[8], *late = simple(f, 8, "");

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(add(f, simple(f, i, ""), 1), TX_OK);
	assert_int_equal(choose(f, 1, 1, txs), 1);
	assert_int_equal(choose(f, 2, 1, txs), 1);
	assert_int_equal(add(f, late, 2), TX_OK);
	assert_int_equal(choose(f, 3, 1, txs), 1);
	assert_true(txs[0] != late);
	assert_int_equal(choose(f, 4, 1, txs), 1);
	assert_int_equal(choose(f, 5, 2, txs), 2);
	assert_true(txs[0] == late || txs[1] == late); /* though six older ones wait */
	end(f);
}

static void chooses_parents_before_children_whatever_their_sources(void **state)
{
	struct fixture *f = begin(3);
	struct tx *filler = simple(f, 1, ""), *parent = simple(f, 0, ""), *child = child_of(f, parent);
	struct tx *grandchild = child_of(f, child), *txs[8];

	(void)state;
	add(f, filler, 3);
	add(f, parent, 3);
	add(f, child, 2);
	add(f, grandchild, 0); /* first in turn */
	assert_int_equal(choose(f, 1, 8, txs), 4);
	assert_ptr_equal(txs[0], parent);
	assert_ptr_equal(txs[1], child);
	assert_ptr_equal(txs[2], grandchild);
	assert_ptr_equal(txs[3], filler);
	end(f);
}

static void goes_on_with_a_family_that_did_not_fit(void **state)
{
	struct fixture *f = begin(1);
	struct tx *parent = simple(f, 0, ""), *child = child_of(f, parent), *grandchild = child_of(f, child);
	struct overlay *below = overlay_new(f->state, NULL, qheight_of(1)), *o;
	struct tx *txs[8];

	(void)state;
	add(f, parent, 3);
	add(f, child, 2);
	add(f, grandchild, 0);
	assert_int_equal(pool_choose(f->pool, below, qheight_of(1), 2, 1 << 20, txs), 2);
	o = overlay_new(f->state, below, qheight_of(2));
	assert_int_equal(pool_choose(f->pool, o, qheight_of(2), 2, 1 << 20, txs), 1);
	assert_ptr_equal(txs[0], grandchild);
	overlay_unref(o);
	overlay_unref(below);
	end(f);
}

static void keeps_a_batch_within_its_bytes(void **state)
{
	struct fixture *f = begin(3);
	struct overlay *o = overlay_new(f->state, NULL, qheight_of(1));
	struct tx *txs[8];
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		add(f, simple(f, i, ""), SELF);
	len = f->made[0]->raw_len;
	assert_int_equal(pool_choose(f->pool, o, qheight_of(1), 8, 2 * len + 1, txs), 2);
	assert_int_equal(pool_waiting_bytes(f->pool), len);
	overlay_unref(o);
	end(f);
}

static void passes_over_what_it_chose_until_that_height_was_executed(void **state)
{
	struct fixture *f = begin(4);
	struct tx *txs[8], *other = simple(f, 3, "");

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		add(f, simple(f, i, ""), SELF);
	assert_int_equal(choose(f, 2, 8, txs), 2);
	assert_int_equal(pool_waiting(f->pool), 0);
	assert_int_equal(choose(f, 2, 8, txs), 0);
	execute(f, &other, 1);
	assert_int_equal(pool_waiting(f->pool), 0);
	other = simple(f, 2, ""); /* another block came to be at height 2 */
	execute(f, &other, 1);
	assert_int_equal(choose(f, 3, 8, txs), 2);
	end(f);
}

static void gives_back_a_batch_in_its_order(void **state)
{
	struct fixture *f = begin(4);
	struct tx *txs[8], *t[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		add(f, t[i] = simple(f, i, ""), SELF);
	assert_int_equal(choose(f, 1, 2, txs), 2);
	pool_release(f->pool, qheight_of(1));
	assert_int_equal(choose(f, 1, 1, txs), 1);
	assert_ptr_equal(txs[0], t[0]);
	assert_int_equal(choose(f, 2, 2, txs), 2);
	assert_ptr_equal(txs[0], t[1]);
	pool_new_view(f->pool, 0);
	assert_int_equal(choose(f, 1, 8, txs), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_ptr_equal(txs[i], t[i]);
	end(f);
}

static void passes_over_what_another_block_in_flight_holds(void **state)
{
	struct fixture *f = begin(3);
	struct tx *carried = simple(f, 0, ""), *rival = simple(f, 1, "rival"), *ours = simple(f, 1, "ours");
	struct tx *late = child_of(f, carried), *txs[8];
	struct overlay *below = overlay_new(f->state, NULL, qheight_of(1)),
	               *o = overlay_new(f->state, below, qheight_of(2));

	(void)state;
	add(f, carried, SELF);
	add(f, ours, SELF);
	add(f, late, SELF);
	assert_int_equal(overlay_add(below, carried), TX_OK);
	assert_int_equal(overlay_add(below, rival), TX_OK);
	assert_int_equal(pool_choose(f->pool, o, qheight_of(2), 8, 1 << 20, txs), 1);
	assert_ptr_equal(txs[0], late);
	assert_int_equal(pool_waiting(f->pool), 0); /* nobody looks at them again before height 1 is there */
	overlay_unref(o);
	overlay_unref(below);
	execute(f, (struct tx *[]){carried, rival}, 2);
	assert_int_equal(f->evicted_cnt, 1);
	assert_ptr_equal(f->evicted[0].tx, ours);
	end(f);
}

static void offers_again_what_conflicted_with_a_block_that_never_came(void **state)
{
	struct fixture *f = begin(2);
	struct tx *ours = simple(f, 0, "ours"), *rival = simple(f, 0, "rival"), *other = simple(f, 1, "");
	struct overlay *below = overlay_new(f->state, NULL, qheight_of(1)),
	               *o = overlay_new(f->state, below, qheight_of(2));
	struct tx *txs[8];

	(void)state;
	add(f, ours, SELF);
	assert_int_equal(overlay_add(below, rival), TX_OK);
	assert_int_equal(pool_choose(f->pool, o, qheight_of(2), 8, 1 << 20, txs), 0);
	overlay_unref(o);
	overlay_unref(below);
	execute(f, &other, 1); /* another block came to be at height 1 */
	assert_int_equal(choose(f, 2, 8, txs), 1);
	assert_ptr_equal(txs[0], ours);
	end(f);
}

/* ---- forwarding and fairness ------------------------------------------------------------------ */

static void forwards_own_transactions_once_and_in_bounded_batches(void **state)
{
	struct fixture *f = begin(5);
	struct tx *txs[8];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		add(f, simple(f, i, ""), SELF);
	add(f, simple(f, 4, ""), 2);
	assert_int_equal(pool_forward_batch(f->pool, 5, 3, 1 << 20, txs), 3);
	assert_ptr_equal(txs[0], f->made[0]);
	assert_int_equal(pool_forward_batch(f->pool, 5, 8, 1, txs), 1); /* one at least */
	assert_int_equal(pool_forward_batch(f->pool, 5, 8, 1 << 20, txs), 0);
	end(f);
}

static void lists_all_that_is_pending_batch_by_batch(void **state)
{
	struct fixture *f = begin(5);
	struct tx *txs[8];
	struct qtxid after = {0};

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		add(f, simple(f, i, ""), i % 4);
	assert_int_equal(pool_pending_batch(f->pool, 5, &after, 3, 1 << 20, txs), 3);
	assert_ptr_equal(txs[2], f->made[2]);
	assert_int_equal(pool_pending_batch(f->pool, 5, &after, 3, 1 << 20, txs), 2);
	assert_ptr_equal(txs[1], f->made[4]);
	assert_int_equal(pool_pending_batch(f->pool, 5, &after, 3, 1 << 20, txs), 0);
	assert_int_equal(pool_forward_batch(f->pool, 5, 8, 1 << 20, txs), 0);
	end(f);
}

static void lists_nothing_that_expires_with_the_next_block(void **state)
{
	struct fixture *f = begin(3);
	struct qoutpoint in = allocation(&f->rules, 0);
	struct payment p = {.from = account_of(0), .to = 9, .expiry = 1};
	struct tx *txs[8];
	struct qtxid after = {0};

	(void)state;
	add(f, keep(f, pay(&f->rules, &p, &in, 1)), SELF);
	assert_false(pool_pending(f->pool));
	assert_int_equal(pool_pending_batch(f->pool, 5, &after, 8, 1 << 20, txs), 0);
	add(f, simple(f, 1, ""), 2);
	assert_true(pool_pending(f->pool));
	assert_int_equal(pool_pending_batch(f->pool, 5, &after, 8, 1 << 20, txs), 1);
	assert_ptr_equal(txs[0], f->made[1]);
	end(f);
}

static void execute_others(struct fixture *f, unsigned first, unsigned cnt)
{
	for (unsigned i = first; i < first + cnt; i++)
		execute(f, (struct tx *[]){simple(f, i, "")}, 1);
}

static void calls_unfair_only_what_was_passed_over_twice(void **state)
{
	static const struct pool_patience patience = {.timeout_ms = 100, .passed_max = 3};
	struct fixture *f = begin(40);
	struct tx *victim = simple(f, 39, ""), *txs[8];

	(void)state;
	add(f, victim, SELF);
	assert_int_equal(pool_forward_batch(f->pool, 1000, 8, 1 << 20, txs), 1);
	execute_others(f, 0, 4);
	pool_reforward(f->pool, 1099, &patience); /* too early, though four blocks went by */
	assert_int_equal(pool_forward_batch(f->pool, 1099, 8, 1 << 20, txs), 0);
	pool_reforward(f->pool, 1100, &patience);
	assert_false(pool_unfair(f->pool, 1100, &patience)); /* the forward may have been lost */
	assert_int_equal(pool_forward_batch(f->pool, 1100, 8, 1 << 20, txs), 1);
	execute_others(f, 4, 3);
	assert_false(pool_unfair(f->pool, 9999, &patience)); /* long ago, but three blocks only */
	execute_others(f, 7, 1);
	assert_false(pool_unfair(f->pool, 1199, &patience));
	pool_reforward(f->pool, 1200, &patience); /* no third time */
	assert_int_equal(pool_forward_batch(f->pool, 1200, 8, 1 << 20, txs), 0);
	assert_true(pool_unfair(f->pool, 1200, &patience));
	execute(f, &victim, 1);
	assert_false(pool_unfair(f->pool, 1200, &patience));
	end(f);
}

static void counts_afresh_in_a_new_view(void **state)
{
	static const struct pool_patience patience = {.timeout_ms = 100, .passed_max = 0};
	struct fixture *f = begin(40);
	struct tx *txs[8];

	(void)state;
	add(f, simple(f, 39, ""), SELF);
	pool_forward_batch(f->pool, 0, 8, 1 << 20, txs);
	execute_others(f, 0, 1);
	pool_reforward(f->pool, 100, &patience);
	pool_forward_batch(f->pool, 100, 8, 1 << 20, txs);
	execute_others(f, 1, 1);
	assert_true(pool_unfair(f->pool, 200, &patience));
	pool_new_view(f->pool, 200);
	assert_false(pool_unfair(f->pool, 300, &patience));
	execute_others(f, 2, 1);
	assert_false(pool_unfair(f->pool, 300, &patience)); /* once: forward again first */
	end(f);
}

/* A turn is over: what is in flight stays where it is. */
static void counts_afresh_for_a_new_proposer(void **state)
{
	static const struct pool_patience patience = {.timeout_ms = 100, .passed_max = 0};
	struct fixture *f = begin(40);
	struct tx *victim = simple(f, 39, ""), *txs[8];

	(void)state;
	add(f, victim, SELF);
	pool_forward_batch(f->pool, 0, 8, 1 << 20, txs);
	execute_others(f, 0, 1);
	pool_reforward(f->pool, 100, &patience);
	pool_forward_batch(f->pool, 100, 8, 1 << 20, txs);
	execute_others(f, 1, 1);
	assert_true(pool_unfair(f->pool, 200, &patience));
	assert_int_equal(choose(f, 4, 8, txs), 1);
	pool_new_proposer(f->pool, 200);
	assert_int_equal(pool_waiting(f->pool), 0);
	assert_false(pool_unfair(f->pool, 300, &patience));
	execute_others(f, 2, 1);
	assert_false(pool_unfair(f->pool, 300, &patience)); /* once: forward again first */
	pool_reforward(f->pool, 300, &patience);
	assert_int_equal(pool_forward_batch(f->pool, 300, 8, 1 << 20, txs), 1);
	execute_others(f, 3, 1);
	assert_true(pool_unfair(f->pool, 400, &patience));
	end(f);
}

/* What was forwarded long ago is forwarded again at once; the new proposer was not patiently waited for yet.
 */
static void blames_nobody_for_the_time_before_its_reign(void **state)
{
	static const struct pool_patience patience = {.timeout_ms = 100, .passed_max = 0};
	static const struct {
		unsigned blocks;
		uint64_t ms;
	} into_the_reign[] = {{0, 150},
	                      {1, 50}}; /* long enough, but no block; a block, but not long enough */

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct fixture *f = begin(40);
		struct tx *txs[8];
		uint64_t now = 1000;
		add(f, simple(f, 39, ""), SELF);
		pool_forward_batch(f->pool, 0, 8, 1 << 20, txs);
		execute_others(f, 0, 1);
		pool_new_proposer(f->pool, now);
		execute_others(f, 1, into_the_reign[i].blocks);
		now += into_the_reign[i].ms;
		pool_reforward(f->pool, now, &patience);
		assert_int_equal(pool_forward_batch(f->pool, now, 8, 1 << 20, txs), 1);
		execute_others(f, 5, 1);
		now += 100;
		assert_false(pool_unfair(f->pool, now, &patience)); /* it passed it over once */
		pool_reforward(f->pool, now, &patience);
		assert_int_equal(pool_forward_batch(f->pool, now, 8, 1 << 20, txs), 1);
		execute_others(f, 6, 1);
		assert_true(pool_unfair(f->pool, now + 100, &patience));
		end(f);
	}
}

/* No reign is long enough to be blamed for; a forward that was lost is repeated all the same. */
static void forwards_again_though_proposers_change(void **state)
{
	static const struct pool_patience patience = {.timeout_ms = 100, .passed_max = 3};
	struct fixture *f = begin(40);
	struct tx *victim = simple(f, 39, ""), *txs[8];
	size_t forwards = 0;

	(void)state;
	add(f, victim, SELF);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t now = 1000 + 50 * i;
		if (i % 2 == 0)
			pool_new_proposer(f->pool, now);
		pool_reforward(f->pool, now, &patience);
		assert_false(pool_unfair(f->pool, now, &patience));
		forwards += pool_forward_batch(f->pool, now, 8, 1 << 20, txs);
		execute_others(f, i, 1);
	}
	assert_int_equal(forwards, 5); /* every four blocks */
	end(f);
}

/* The search for a seal may end after its height was executed, and others be aside in that place. */
static void gives_back_nothing_of_a_height_that_was_executed(void **state)
{
	enum { FAR = 256 };
	struct fixture *f = begin(4);
	struct tx *txs[8];

	(void)state;
	execute_others(f, 0, 2);
	add(f, simple(f, 3, ""), SELF);
	assert_int_equal(choose(f, 1 + FAR, 8, txs), 1);
	pool_release(f->pool, qheight_of(1));
	assert_int_equal(pool_waiting(f->pool), 0);
	pool_release(f->pool, qheight_of(1 + FAR));
	assert_int_equal(pool_waiting(f->pool), 1);
	end(f);
}

static void never_calls_unfair_what_others_forwarded(void **state)
{
	static const struct pool_patience patience = {.timeout_ms = 1, .passed_max = 0};
	struct fixture *f = begin(40);
	struct qtxid after = {0};
	struct tx *txs[8];

	(void)state;
	add(f, simple(f, 39, ""), 2);
	for (uint64_t now = 0; now < 5000; now += 1000) {
		after = (struct qtxid){0};
		pool_pending_batch(f->pool, now, &after, 8, 1 << 20, txs);
		execute_others(f, (unsigned)f->height, 1);
		pool_reforward(f->pool, now + 500, &patience);
		assert_false(pool_unfair(f->pool, now + 500, &patience));
	}
	end(f);
}

/* ---- stake ------------------------------------------------------------------------------------- */

/* Genesis outputs of a chain by stake: FREE free ones, then of each replica its own stake and one delegated,
 * the latter by account 1. */
enum { FREE = 40, OWN = FREE, DELEGATED = FREE + 4, OUTPUTS = FREE + 8 };
enum { ALICE = 1 };

static uint8_t account_of_replica(unsigned replica)
{
	return (uint8_t)(101 + replica);
}

static struct fixture *begin_by_stake(unsigned delegator_penalty)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct qparams params = genesis_default_params();
	struct qgenesis *g = &f->rules.g.g;
	struct err err = {0};

	params.checkpoint_interval = 4;
	params.window = 2;
	payments_setup(&f->rules, 4, OUTPUTS, &params);
	rules_by_stake(g);
	g->proposer.qproposer_rules_u.stake.delegator_penalty = delegator_penalty;
	for (unsigned i = 0; i < 4; i++) {
		g->allocations.allocations_val[OWN + i] =
		    locked(account_of_replica(i), PAY_AMOUNT, QLOCK_STAKE, i);
		g->allocations.allocations_val[DELEGATED + i] = locked(ALICE, PAY_AMOUNT, QLOCK_STAKE, i);
	}
	if (!genesis_finish(&f->rules.g, &err))
		fail_msg("%s", err.text);
	fill(f);
	return f;
}

static unsigned unbonding(const struct fixture *f)
{
	return stake_rules(&f->rules.g)->unbonding;
}

/* All of `in`, of this kind of lock for the replica from now on. */
static struct tx *relock(struct fixture *f, uint8_t owner, struct qoutpoint in, enum qlock_kind kind,
                         unsigned replica)
{
	struct qoutput out = locked(owner, PAY_AMOUNT, kind, replica);

	return keep(f, pay_outputs(&f->rules, owner, &in, 1, &out, 1, NULL));
}

/* Stake of a convict is released: this much stays frozen. */
static struct tx *release_less(struct fixture *f, uint8_t owner, struct qoutpoint in, unsigned replica,
                               uint64_t frozen)
{
	struct qoutput outs[] = {locked(owner, PAY_AMOUNT - frozen, QLOCK_RELEASE, replica),
	                         locked(owner, frozen, QLOCK_FROZEN, replica)};

	return keep(f, pay_outputs(&f->rules, owner, &in, 1, outs, 2, NULL));
}

/* Free output `index`, paid to account 9 with a report of what the replica did at this height. */
static struct tx *report(struct fixture *f, unsigned index, unsigned replica, uint64_t height)
{
	struct qoffence o = rules_offence(&f->rules, replica, height, (uint8_t)(2 * index));
	struct qoutput out = {rules_address(9), PAY_AMOUNT, {.kind = QLOCK_NONE}};
	struct qoutpoint in = allocation(&f->rules, index);

	return keep(f, pay_outputs(&f->rules, account_of(index), &in, 1, &out, 1, &o));
}

static void refuses_what_is_not_released_until_it_is(void **state)
{
	struct fixture *f = begin_by_stake(0);
	struct tx *release = relock(f, ALICE, allocation(&f->rules, DELEGATED), QLOCK_RELEASE, 0), *spend;
	struct qoutpoint in = output(release, 0);

	(void)state;
	spend = keep(f, pay(&f->rules, &(struct payment){.from = ALICE, .to = 9}, &in, 1));
	assert_int_equal(add(f, release, SELF), TX_OK);
	assert_int_equal(add(f, spend, SELF), TX_LOCKED); /* as a child, too */
	execute(f, &release, 1);
	for (unsigned i = 1; i < unbonding(f); i++) {
		assert_int_equal(add(f, spend, SELF), TX_LOCKED);
		execute(f, (struct tx *[]){simple(f, i - 1, "")}, 1);
	}
	assert_int_equal(f->height, unbonding(f));
	assert_int_equal(add(f, spend, SELF), TX_OK); /* in block 1 + unbonding */
	execute(f, &spend, 1);
	assert_int_equal(f->evicted_cnt, 0);
	end(f);
}

static void refuses_an_offence_at_a_height_to_come(void **state)
{
	struct fixture *f = begin_by_stake(0);
	struct tx *early = report(f, 0, 2, 2);

	(void)state;
	assert_int_equal(add(f, early, SELF), TX_EARLY_OFFENCE);
	execute(f, (struct tx *[]){simple(f, 1, "")}, 1);
	assert_int_equal(add(f, early, SELF), TX_OK);
	end(f);
}

static bool was_evicted(const struct fixture *f, const struct tx *tx, enum tx_verdict v)
{
	for (size_t i = 0; i < f->evicted_cnt; i++)
		if (f->evicted[i].tx == tx)
			return f->evicted[i].verdict == v;
	return false;
}

static void evicts_what_owes_a_penalty_after_a_conviction(void **state)
{
	struct fixture *f = begin_by_stake(0);
	struct tx *move = relock(f, account_of_replica(2), allocation(&f->rules, OWN + 2), QLOCK_STAKE, 2);
	struct tx *child = relock(f, account_of_replica(2), output(move, 0), QLOCK_RELEASE, 2);
	struct tx *of_3 = relock(f, account_of_replica(3), allocation(&f->rules, OWN + 3), QLOCK_RELEASE, 3);
	struct tx *delegated = relock(f, ALICE, allocation(&f->rules, DELEGATED + 2), QLOCK_RELEASE, 2);
	struct tx *paid = simple(f, 1, ""), *conviction = report(f, 0, 2, 1);

	(void)state;
	assert_int_equal(add(f, move, SELF), TX_OK);
	assert_int_equal(add(f, child, 3), TX_OK);
	assert_int_equal(add(f, of_3, SELF), TX_OK);
	assert_int_equal(add(f, delegated, SELF), TX_OK);
	assert_int_equal(add(f, paid, SELF), TX_OK);
	execute(f, &conviction, 1);
	assert_int_equal(f->evicted_cnt, 2);
	assert_true(was_evicted(f, move, TX_PENALTY));
	assert_true(was_evicted(f, child, TX_PENALTY));
	assert_int_equal(pool_count(f->pool), 3);
	assert_int_equal(add(f, move, SELF), TX_PENALTY);
	assert_int_equal(
	    add(f, release_less(f, account_of_replica(2), allocation(&f->rules, OWN + 2), 2, PAY_AMOUNT / 2),
	        SELF),
	    TX_OK);
	end(f);
}

static void asks_delegators_for_their_penalty_where_there_is_one(void **state)
{
	struct fixture *f = begin_by_stake(10);
	struct tx *delegated = relock(f, ALICE, allocation(&f->rules, DELEGATED + 2), QLOCK_RELEASE, 2);
	struct tx *conviction = report(f, 0, 2, 1);

	(void)state;
	assert_int_equal(add(f, delegated, SELF), TX_OK);
	execute(f, &conviction, 1);
	assert_int_equal(f->evicted_cnt, 1);
	assert_true(was_evicted(f, delegated, TX_PENALTY));
	end(f);
}

/* What is made in the very block that convicts is liable; while it was pending it was not. */
static void judges_a_child_anew_when_its_parent_is_made_with_the_conviction(void **state)
{
	struct fixture *f = begin_by_stake(0);
	struct tx *move = relock(f, account_of_replica(2), allocation(&f->rules, OWN + 2), QLOCK_STAKE, 2);
	struct tx *child = relock(f, account_of_replica(2), output(move, 0), QLOCK_STAKE, 2);
	struct tx *grandchild = relock(f, account_of_replica(2), output(child, 0), QLOCK_RELEASE, 2);
	struct tx *conviction = report(f, 0, 2, 1);

	(void)state;
	assert_int_equal(add(f, move, SELF), TX_OK);
	assert_int_equal(add(f, child, SELF), TX_OK);
	assert_int_equal(add(f, grandchild, SELF), TX_OK);
	execute(f, (struct tx *[]){conviction, move}, 2);
	assert_int_equal(f->evicted_cnt, 2);
	assert_true(was_evicted(f, child, TX_PENALTY));
	assert_true(was_evicted(f, grandchild, TX_PENALTY));
	end(f);
}

/* Two report one replica: one of them is enough, and which is the proposer's to say. */
static void lets_go_of_a_report_when_another_convicted(void **state)
{
	struct fixture *f = begin_by_stake(0);
	struct tx *first = report(f, 0, 2, 1), *second = report(f, 1, 2, 1), *third = report(f, 2, 3, 1);
	struct tx *child = child_of(f, second), *txs[8];

	(void)state;
	assert_int_equal(add(f, first, SELF), TX_OK);
	assert_int_equal(add(f, second, 2), TX_OK);
	assert_int_equal(add(f, third, SELF), TX_OK);
	assert_int_equal(add(f, child, SELF), TX_OK);
	assert_int_equal(choose(f, 1, 8, txs), 2);
	assert_ptr_equal(txs[0], first);
	assert_ptr_equal(txs[1], third);
	execute(f, &first, 1);
	assert_int_equal(f->evicted_cnt, 2);
	assert_true(was_evicted(f, second, TX_OLD_OFFENCE));
	assert_true(was_evicted(f, child, TX_OLD_OFFENCE));
	assert_int_equal(pool_count(f->pool), 1);
	assert_int_equal(add(f, second, SELF), TX_OLD_OFFENCE);
	end(f);
}

static void tells_of_what_is_final_and_waited_for(void **state)
{
	struct fixture *f = begin(3);
	struct tx *own = simple(f, 0, ""), *theirs = simple(f, 1, ""), *shared = simple(f, 2, "");

	(void)state;
	assert_int_equal(add(f, own, SELF), TX_OK);
	assert_int_equal(add(f, theirs, 2), TX_OK);
	assert_int_equal(add(f, shared, 2), TX_OK);
	pool_mark_own(f->pool, &shared->id);
	execute(f, (struct tx *[]){own, theirs, shared}, 3);
	assert_int_equal(f->final_cnt, 2);
	assert_ptr_equal(f->final[0], own);
	assert_ptr_equal(f->final[1], shared);
	assert_int_equal(f->evicted_cnt, 0);
	end(f);
}

/* The state is two blocks on when the pool hears of the first. */
static void judges_by_the_end_of_a_run(void **state)
{
	struct fixture *f = begin_by_stake(0);
	struct tx *move = relock(f, account_of_replica(2), allocation(&f->rules, OWN + 2), QLOCK_STAKE, 2);
	struct tx *rival =
	    release_less(f, account_of_replica(2), allocation(&f->rules, OWN + 2), 2, PAY_AMOUNT / 2);
	struct tx *of_3 = relock(f, account_of_replica(3), allocation(&f->rules, OWN + 3), QLOCK_RELEASE, 3);
	struct tx *convictions[] = {report(f, 0, 2, 1), report(f, 1, 3, 1)};
	struct block *run[2];

	(void)state;
	assert_int_equal(add(f, move, SELF), TX_OK);
	assert_int_equal(add(f, of_3, SELF), TX_OK);
	run[0] = apply(f, convictions, 2);
	run[1] = apply(f, &rival, 1);
	pool_executed(f->pool, run, 2, on_left, f);
	assert_int_equal(f->evicted_cnt, 2);
	assert_true(was_evicted(f, move, TX_DOUBLE_SPEND));
	assert_true(was_evicted(f, of_3, TX_PENALTY));
	block_unref(run[0]);
	block_unref(run[1]);
	end(f);
}

/* ---- whatever is executed: what is pending can be proposed ------------------------------------------ */

struct world {
	struct fixture *f;
	uint64_t random;
	struct { /* outputs that were ever made, spent or not */
		struct qoutpoint point;
		uint8_t owner;
		struct qoutput out;
	} made[TXS_MAX];
	size_t made_cnt;
};

static unsigned any(struct world *w, unsigned below)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((w->random >> 33) % below);
}

static void note_made(struct world *w, struct qoutpoint point, uint8_t owner, const struct qoutput *out)
{
	assert_true(w->made_cnt < TXS_MAX);
	w->made[w->made_cnt].point = point;
	w->made[w->made_cnt].owner = owner;
	w->made[w->made_cnt++].out = *out;
}

/* Mostly one that is there, mostly new. */
static size_t any_output(struct world *w)
{
	struct unspent u;
	size_t at = 0;

	for (unsigned tries = 0; tries < 12; tries++) {
		unsigned recent = w->made_cnt < 60 || any(w, 4) == 0 ? (unsigned)w->made_cnt : 60;
		at = w->made_cnt - 1 - any(w, recent);
		if (pool_unspent(w->f->pool, &w->made[at].point, &u) && u.out.lock.kind != QLOCK_FROZEN)
			break;
	}
	return at;
}

/* Spends some output, perhaps a spent one, in some way, perhaps a wrong one. */
static struct tx *any_tx(struct world *w)
{
	struct fixture *f = w->f;
	size_t at = any_output(w);
	const struct qoutput *in = &w->made[at].out;
	uint8_t owner = w->made[at].owner;
	unsigned replica = in->lock.kind == QLOCK_NONE ? any(w, 4) : in->lock.qlock_u.replica;
	enum qlock_kind kind = in->lock.kind == QLOCK_STAKE ? any(w, 2) ? QLOCK_STAKE : QLOCK_RELEASE
	                       : any(w, 3)                  ? QLOCK_STAKE
	                                                    : QLOCK_NONE;
	uint64_t frozen = any(w, 4) == 0 && in->lock.kind != QLOCK_NONE ? in->amount / 2 + in->amount % 2 : 0;
	struct qoutput outs[2] = {locked(owner, in->amount - frozen, kind, replica),
	                          locked(owner, frozen, QLOCK_FROZEN, replica)};
	struct qoffence o;
	bool offence = any(w, 8) == 0;

	if (in->amount == 1)
		return NULL;
	if (offence)
		o = rules_offence(&f->rules, any(w, 4), any(w, (unsigned)f->height + 2) + 1,
		                  (uint8_t)any(w, 99));
	struct tx *tx = keep(f, pay_outputs(&f->rules, owner, &w->made[at].point, 1, outs, frozen ? 2 : 1,
	                                    offence ? &o : NULL));
	for (unsigned i = 0; i < (frozen ? 2 : 1); i++)
		note_made(w, output(tx, i), owner, &outs[i]);
	return tx;
}

/*
 * The entry on top of those of its ancestors that are pending. False: it reports the replica that one of them
 * reports, and leaves with that one's block.
 */
static bool add_family(struct world *w, struct overlay *o, struct tx *tx, uint64_t *convicted)
{
	const struct qtx_body *body = &tx->q.body;

	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		struct tx *parent = pool_find(w->f->pool, &body->inputs.inputs_val[i].tx);
		if (parent && !add_family(w, o, parent, convicted))
			return false;
	}
	uint64_t convicts = body->offence.offence_len ? UINT64_C(1) << body->offence.offence_val->replica : 0;
	if (convicts & *convicted)
		return false;
	*convicted |= convicts;
	assert_int_equal(overlay_add(o, tx), TX_OK);
	return true;
}

static void assert_all_can_be_proposed(struct world *w)
{
	struct tx *txs[TXS_MAX];
	struct qtxid after = {0};
	size_t cnt = pool_pending_batch(w->f->pool, 0, &after, TXS_MAX, SIZE_MAX, txs);

	assert_int_equal(cnt, pool_count(w->f->pool));
	for (size_t i = 0; i < cnt; i++) {
		struct overlay *o = overlay_new(w->f->state, NULL, qheight_of(w->f->height + 1));
		uint64_t convicted = 0;
		add_family(w, o, txs[i], &convicted);
		overlay_unref(o);
	}
}

/* A block of what the pool offers or of what it never saw; NULL: it would be empty. */
static struct block *any_block(struct world *w)
{
	struct fixture *f = w->f;
	struct overlay *o = overlay_new(f->state, NULL, qheight_of(f->height + 1));
	struct tx *txs[16];
	size_t cnt = 0;

	if (any(w, 3) == 0) {
		for (unsigned i = any(w, 3); i > 0; i--) {
			struct tx *tx = any_tx(w);
			if (tx && overlay_add(o, tx) == TX_OK)
				txs[cnt++] = tx;
		}
	} else {
		cnt = pool_choose(f->pool, o, qheight_of(f->height + 1), 1 + any(w, 4), 1 << 20, txs);
	}
	overlay_unref(o);
	return cnt > 0 ? apply(f, txs, cnt) : NULL;
}

static void keeps_only_what_can_be_proposed_whatever_is_executed(void **state)
{
	size_t convicted = 0, penalties = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 12; seed++) {
		struct world *w = xcalloc(1, sizeof *w);
		w->f = begin_by_stake(seed % 2 ? 50 : 0);
		w->random = seed * 0x9e3779b97f4a7c15;
		const struct qgenesis *g = &w->f->rules.g.g;
		for (unsigned i = 0; i < OUTPUTS; i++)
			note_made(w, allocation(&w->f->rules, i),
			          i < FREE       ? account_of(i)
			          : i - OWN < 4u ? account_of_replica(i - OWN)
			                         : (uint8_t)ALICE,
			          &g->allocations.allocations_val[i]);
		for (unsigned round = 0; round < 40; round++) {
			struct block *run[3];
			unsigned blocks = 1 + any(w, 3);
			for (unsigned i = any(w, 24); i > 0; i--) {
				struct tx *tx = any_tx(w);
				if (tx)
					add(w->f, tx, any(w, 4));
			}
			for (unsigned i = 0; i < blocks; i++)
				if (!(run[i] = any_block(w)))
					blocks = i;
			pool_executed(w->f->pool, run, blocks, on_left, w->f);
			for (unsigned i = 0; i < blocks; i++)
				block_unref(run[i]);
			assert_all_can_be_proposed(w);
		}
		for (size_t i = 0; i < w->f->evicted_cnt; i++) {
			convicted += w->f->evicted[i].verdict == TX_OLD_OFFENCE;
			penalties += w->f->evicted[i].verdict == TX_PENALTY;
		}
		end(w->f);
		free(w);
	}
	assert_true(convicted > 10 && penalties > 10); /* else it shows nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_an_entry_by_id_and_by_leaf),
	    cmocka_unit_test(refuses_a_second_spender_and_names_the_first),
	    cmocka_unit_test(refuses_an_orphan_and_lets_it_reserve_nothing),
	    cmocka_unit_test(judges_a_child_of_an_entry_by_the_rules_of_all),
	    cmocka_unit_test(refuses_what_has_expired_for_the_next_block),
	    cmocka_unit_test(bounds_the_entries_of_each_source),
	    cmocka_unit_test(bounds_the_bytes_of_each_source),
	    cmocka_unit_test(bounds_what_one_account_pays_for_among_own_clients),
	    cmocka_unit_test(evicts_conflicts_with_a_block_and_their_descendants),
	    cmocka_unit_test(lets_go_of_what_is_final_and_keeps_its_children),
	    cmocka_unit_test(evicts_what_expires_and_its_descendants),
	    cmocka_unit_test(does_not_call_pending_what_expires_with_the_next_block),
	    cmocka_unit_test(evicts_a_long_chain_of_spends),
	    cmocka_unit_test(serves_sources_in_turn_oldest_first),
	    cmocka_unit_test(chooses_what_others_have_had_time_to_check_before_what_is_fresh),
	    cmocka_unit_test(chooses_by_turns_again_once_all_are_ripe),
	    cmocka_unit_test(chooses_parents_before_children_whatever_their_sources),
	    cmocka_unit_test(goes_on_with_a_family_that_did_not_fit),
	    cmocka_unit_test(keeps_a_batch_within_its_bytes),
	    cmocka_unit_test(passes_over_what_it_chose_until_that_height_was_executed),
	    cmocka_unit_test(gives_back_a_batch_in_its_order),
	    cmocka_unit_test(passes_over_what_another_block_in_flight_holds),
	    cmocka_unit_test(offers_again_what_conflicted_with_a_block_that_never_came),
	    cmocka_unit_test(forwards_own_transactions_once_and_in_bounded_batches),
	    cmocka_unit_test(lists_all_that_is_pending_batch_by_batch),
	    cmocka_unit_test(lists_nothing_that_expires_with_the_next_block),
	    cmocka_unit_test(calls_unfair_only_what_was_passed_over_twice),
	    cmocka_unit_test(counts_afresh_in_a_new_view),
	    cmocka_unit_test(counts_afresh_for_a_new_proposer),
	    cmocka_unit_test(blames_nobody_for_the_time_before_its_reign),
	    cmocka_unit_test(forwards_again_though_proposers_change),
	    cmocka_unit_test(gives_back_nothing_of_a_height_that_was_executed),
	    cmocka_unit_test(never_calls_unfair_what_others_forwarded),
	    cmocka_unit_test(refuses_what_is_not_released_until_it_is),
	    cmocka_unit_test(refuses_an_offence_at_a_height_to_come),
	    cmocka_unit_test(evicts_what_owes_a_penalty_after_a_conviction),
	    cmocka_unit_test(asks_delegators_for_their_penalty_where_there_is_one),
	    cmocka_unit_test(judges_a_child_anew_when_its_parent_is_made_with_the_conviction),
	    cmocka_unit_test(lets_go_of_a_report_when_another_convicted),
	    cmocka_unit_test(tells_of_what_is_final_and_waited_for),
	    cmocka_unit_test(judges_by_the_end_of_a_run),
	    cmocka_unit_test(keeps_only_what_can_be_proposed_whatever_is_executed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
