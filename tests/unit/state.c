/*
 * state.c: the unspent set, its digest, and the effects of blocks in flight.
 *
 * Links: q_ledger
 */
#include "drafts.h"
#include "primitives.h"

static const struct genesis genesis; /* by no stake */

/* One input, one output. */
static struct tx *pay(struct qoutpoint from, unsigned from_owner, unsigned to_owner, uint64_t amount)
{
	struct draft d = {{from}, {{addresses[to_owner], amount}}, 1, 1, 1U << from_owner, 0};
	struct tx *tx = finish(&d);

	assert_non_null(tx);
	return tx;
}

static const struct qheight one = {1};

/* ---- the set ---------------------------------------------------------------- */

static void finds_what_was_inserted_until_it_is_removed(void **state)
{
	(void)state;
	struct state *s = state_new(&genesis);
	struct unspent a = coin(1, 0, 0, 10), b = coin(1, 1, 1, 5);

	state_insert(s, &a);
	state_insert(s, &b);
	assert_int_equal(state_count(s), 2);
	assert_int_equal(state_value(s), 15);
	assert_int_equal(state_find(s, &b.point)->out.amount, 5);
	state_remove(s, &a.point);
	assert_null(state_find(s, &a.point));
	assert_non_null(state_find(s, &b.point));
	assert_int_equal(state_count(s), 1);
	assert_int_equal(state_value(s), 5);
	state_free(s);
	state_free(NULL);
}

static void what_is_not_in_memory_is_still_part_of_the_state(void **state)
{
	(void)state;
	struct state *s = state_new(&genesis), *t = state_new(&genesis);
	struct unspent a = coin(1, 0, 0, 10), b = coin(1, 1, 1, 5);
	struct qhash x, y;

	state_insert(t, &b);
	state_insert(t, &a);
	state_digest(t, &y);
	state_insert(s, &b);
	state_insert_unsummed(s, &a);
	state_sum(s, &a);
	state_digest(s, &x);
	assert_true(qhash_eq(&x, &y));
	assert_null(state_find(s, &a.point));
	assert_int_equal(state_count(s), 2);
	assert_int_equal(state_value(s), 15);
	state_recall(s, &a);
	state_digest(s, &x);
	assert_true(qhash_eq(&x, &y));
	assert_int_equal(state_count(s), 2);
	assert_int_equal(state_find(s, &a.point)->out.amount, 10);
	state_remove(s, &a.point);
	state_remove(t, &a.point);
	state_digest(s, &x);
	state_digest(t, &y);
	assert_true(qhash_eq(&x, &y));
	assert_int_equal(state_count(s), 1);
	state_free(s);
	state_free(t);
}

static void what_was_never_summed_is_removed_without(void **state)
{
	(void)state;
	struct state *s = state_new(&genesis), *t = state_new(&genesis);
	struct unspent a = coin(1, 0, 0, 10), b = coin(1, 1, 1, 5);
	struct qhash x, y;

	state_insert_unsummed(s, &a);
	state_insert_unsummed(s, &b);
	assert_null(state_find(s, &a.point));
	assert_int_equal(state_count(s), 2);
	assert_int_equal(state_value(s), 15);
	state_recall(s, &a);
	state_remove_unsummed(s, &a.point);
	state_sum(s, &b);
	state_insert(t, &b);
	state_digest(s, &x);
	state_digest(t, &y);
	assert_true(qhash_eq(&x, &y));
	state_recall(s, &b);
	state_remove(s, &b.point);
	state_remove(t, &b.point);
	state_digest(s, &x);
	state_digest(t, &y);
	assert_true(qhash_eq(&x, &y));
	state_free(s);
	state_free(t);
}

static void the_digest_is_of_the_set_not_of_its_history(void **state)
{
	(void)state;
	struct state *s = state_new(&genesis), *t = state_new(&genesis);
	struct qhash x, y, empty;

	state_digest(s, &empty);
	for (uint8_t i = 0; i < 20; i++) {
		struct unspent u = coin(i, i, i % OWNERS, i + 1),
		               v = coin((uint8_t)(19 - i), 19U - i, (19U - i) % OWNERS, 20U - i);
		v.row = 7; /* where a node keeps it is its own business */
		state_insert(s, &u);
		state_insert(t, &v);
	}
	state_digest(s, &x);
	state_digest(t, &y);
	assert_true(qhash_eq(&x, &y));
	for (uint8_t i = 0; i < 20; i++) {
		struct qoutpoint p = point(i, i);
		state_remove(s, &p);
		state_digest(s, &y);
		assert_false(qhash_eq(&x, &y));
	}
	assert_true(qhash_eq(&y, &empty));
	state_free(s);
	state_free(t);
}

/* Far more than is left to be hashed by a digest: outputs of all ages go, and others take their places. */
static void the_digest_is_the_same_whenever_it_is_asked_for(void **state)
{
	(void)state;
	enum { ALL = 120000, LEFT = 20000 };
	struct state *often = state_new(&genesis), *once = state_new(&genesis), *fresh = state_new(&genesis);
	static struct unspent there[ALL];
	struct qhash x, y;
	uint32_t random = 1;
	size_t cnt = 0;

	for (uint32_t i = 0; i < ALL; i++) {
		there[cnt] = coin((uint8_t)i, i, i % OWNERS, 1 + i);
		state_insert(often, &there[cnt]);
		state_insert(once, &there[cnt++]);
		random = random * 1664525 + 1013904223;
		size_t at = (random >> 8) % (i % 7 ? cnt : cnt / 8 + 1); /* the first ones live longest */
		if (cnt < LEFT && i % 3 > 0)
			continue;
		state_remove(often, &there[at].point);
		state_remove(once, &there[at].point);
		there[at] = there[--cnt];
		if (i % 3000 == 0)
			state_digest(often, &x);
	}
	for (size_t i = 0; i < cnt; i++)
		state_insert(fresh, &there[i]);
	state_digest(fresh, &x);
	state_digest(once, &y);
	assert_true(qhash_eq(&x, &y));
	state_digest(often, &y);
	assert_true(qhash_eq(&x, &y));
	while (cnt > 0)
		state_remove(once, &there[--cnt].point);
	state_digest(once, &x);
	state_digest(once, &y);
	assert_true(qhash_eq(&x, &y));
	state_free(fresh);
	fresh = state_new(&genesis);
	state_digest(fresh, &y);
	assert_true(qhash_eq(&x, &y));
	state_free(often);
	state_free(once);
	state_free(fresh);
}

static unsigned hashed; /* elements, since it was set to 0 */
static const struct primitives *really;

static void expand_and_count(const void *element, size_t len, uint8_t *out, size_t out_len)
{
	hashed++;
	really->expand(element, len, out, out_len);
}

static void only_what_survives_is_hashed_for_the_digest(void **state)
{
	(void)state;
	enum { MANY = 50000, FEW = 30, DIGEST_MAX = 32768 };
	struct primitives counting = *primitives;
	struct state *s = state_new(&genesis);
	struct qhash digest;

	really = primitives;
	counting.expand = expand_and_count;
	primitives_use(&counting);
	hashed = 0;
	for (uint32_t i = 0; i < MANY; i++) { /* each lives while FEW others are made */
		struct unspent u = coin(1, i, 0, 1);
		state_insert(s, &u);
		if (i >= FEW)
			state_remove(s, &(struct qoutpoint){u.point.tx, i - FEW});
	}
	assert_int_equal(hashed, 0);
	state_digest(s, &digest);
	assert_int_equal(hashed, FEW);
	state_digest(s, &digest);
	assert_int_equal(hashed, FEW);
	hashed = 0;
	for (uint32_t i = 0; i < MANY; i++) {
		struct unspent u = coin(2, i, 0, 1);
		state_insert(s, &u);
	}
	assert_int_equal(hashed,
	                 MANY - DIGEST_MAX); /* in their own turns, so that a digest never takes long */
	state_digest(s, &digest);
	assert_int_equal(hashed, MANY);
	primitives_use(really);
	state_free(s);
}

static void the_digest_covers_id_index_owner_amount_and_height(void **state)
{
	(void)state;
	struct unspent variants[6] = {coin(1, 0, 0, 10), coin(2, 0, 0, 10), coin(1, 1, 0, 10),
	                              coin(1, 0, 1, 10), coin(1, 0, 0, 11), coin(1, 0, 0, 10)};
	struct qhash digests[6];

	variants[5].made_at.n = 1;
	for (int i = 0; i < 6; i++) {
		struct state *s = state_new(&genesis);
		state_insert(s, &variants[i]);
		state_digest(s, &digests[i]);
		state_free(s);
		for (int j = 0; j < i; j++)
			assert_false(qhash_eq(&digests[i], &digests[j]));
	}
}

static void the_digest_is_what_it_always_was(void **state)
{
	(void)state;
	struct state *s = state_new(&genesis);
	struct unspent a = coin(1, 0, 0, 10), b = coin(2, 7, 0, 5);
	struct qhash digest;

	memset(a.out.owner.b, 5, sizeof a.out.owner.b);
	memset(b.out.owner.b, 6, sizeof b.out.owner.b);
	b.made_at.n = 300;
	state_insert(s, &a);
	state_insert(s, &b);
	state_digest(s, &digest);
	rules_golden(digest.b, "20e703c0c81617a9d1a854625b1c03c5bc66c65cc7684d7a46589a30a7af071e");
	state_free(s);
}

static void count_each(void *ctx, const struct unspent *u)
{
	*(uint64_t *)ctx += u->out.amount;
}

static void each_is_shown_once(void **state)
{
	(void)state;
	struct state *s = state_new(&genesis);
	uint64_t sum = 0;

	for (uint8_t i = 0; i < 50; i++) {
		struct unspent u = coin(i, 0, 0, i + 1);
		state_insert(s, &u);
	}
	state_each(s, count_each, &sum);
	assert_int_equal(sum, 50 * 51 / 2);
	state_free(s);
}

/* ---- owners ------------------------------------------------------------------- */

static void assert_sums(const struct state *s, unsigned owner, struct address_sums want)
{
	struct address_sums got;

	state_owned_sums(s, &addresses[owner], &got);
	assert_memory_equal(&got, &want, sizeof got);
}

static void an_owners_outputs_are_listed_oldest_first(void **state)
{
	(void)state;
	struct state *s = state_new(&genesis);
	struct qoutpoint nowhere = point(99, 0), others = point(50, 0), gone = point(3, 3);
	const struct unspent *list[10];

	for (uint8_t i = 0; i < 8; i++) {
		struct unspent u = coin((uint8_t)(7 * i % 8), 7 * i % 8U, 0, i + 1);
		state_insert(s, &u);
	}
	struct unspent other = coin(50, 0, 1, 100);
	state_insert(s, &other);
	state_remove(s, &gone); /* from the middle, then the first and the last */
	struct qoutpoint first = point(0, 0), last = point(1, 1);
	state_remove(s, &first);
	state_remove(s, &last);
	static const uint8_t want[] = {7, 6, 5, 4, 2};
	assert_int_equal(state_owned(s, &addresses[0], NULL, 10, list), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(list[i]->point.index, want[i]);
	assert_int_equal(state_owned(s, &addresses[0], NULL, 2, list), 2);
	assert_int_equal(list[1]->point.index, 6);
	assert_int_equal(state_owned(s, &addresses[0], &(struct qoutpoint){point(6, 0).tx, 6}, 2, list), 2);
	assert_int_equal(list[0]->point.index, 5);
	assert_int_equal(list[1]->point.index, 4);
	assert_int_equal(state_owned(s, &addresses[0], &(struct qoutpoint){point(2, 0).tx, 2}, 2, list), 0);
	assert_int_equal(state_owned(s, &addresses[0], NULL, 0, list), 0);
	assert_int_equal(state_owned(s, &addresses[0], &nowhere, 10, list), 0);
	assert_int_equal(state_owned(s, &addresses[0], &gone, 10, list), 0);
	assert_int_equal(state_owned(s, &addresses[0], &others, 10, list), 0);
	assert_int_equal(state_owned(s, &addresses[2], NULL, 10, list), 0);
	assert_sums(s, 0, (struct address_sums){.outputs = 5, .free = 2 + 3 + 4 + 5 + 7});
	assert_sums(s, 1, (struct address_sums){.outputs = 1, .free = 100});
	assert_sums(s, 2, (struct address_sums){0});
	state_remove(s, &others);
	assert_sums(s, 1, (struct address_sums){0});
	assert_int_equal(state_owned(s, &addresses[1], NULL, 10, list), 0);
	state_insert(s, &other);
	assert_sums(s, 1, (struct address_sums){.outputs = 1, .free = 100});
	state_free(s);
}

static void what_is_loaded_is_summed_elsewhere(void **state)
{
	(void)state;
	struct state *s = state_new(&genesis), *t = state_new(&genesis);
	struct unspent a = coin(1, 0, 0, 10), b = coin(1, 1, 1, 5), c = coin(2, 0, 1, 7);
	struct lthash sum = {{0}}, more = {{0}};
	struct qhash x, y;

	state_insert(s, &a);
	state_insert(s, &b);
	state_insert(s, &c);
	state_digest(s, &x);
	assert_true(state_load(t, &a));
	assert_true(state_load(t, &b));
	assert_true(state_load(t, &c));
	assert_false(state_load(t, &b));
	assert_int_equal(state_count(t), 3);
	assert_int_equal(state_value(t), 22);
	assert_sums(t, 1, (struct address_sums){.outputs = 2, .free = 12});
	state_digest(t, &y);
	assert_false(qhash_eq(&x, &y));
	state_sum_of(&c, &more);
	state_sum_all((struct unspent[]){a, b}, 2, &sum);
	state_add_sum(t, &more);
	state_add_sum(t, &sum);
	state_digest(t, &y);
	assert_true(qhash_eq(&x, &y));
	state_remove(s, &b.point);
	state_remove(t, &b.point);
	state_digest(s, &x);
	state_digest(t, &y);
	assert_true(qhash_eq(&x, &y));
	state_free(s);
	state_free(t);
}

/* ---- the rules ---------------------------------------------------------------- */

/* A state with coin(1,0) of owner 0: 10, coin(1,1) of owner 1: 5. */
static struct state *two_coins(void)
{
	struct state *s = state_new(&genesis);
	struct unspent a = coin(1, 0, 0, 10), b = coin(1, 1, 1, 5);

	state_insert(s, &a);
	state_insert(s, &b);
	return s;
}

static enum tx_verdict check_draft(const struct state *s, struct draft d, uint64_t height)
{
	struct tx *tx = finish(&d);
	enum tx_verdict v = state_check(s, NULL, tx, qheight_of(height), NULL);

	tx_unref(tx);
	return v;
}

static void the_expiry_height_is_the_last_that_may_hold_it(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct draft d = {{point(1, 0)}, {{addresses[2], 10}}, 1, 1, 1, 7};

	assert_int_equal(check_draft(s, d, 6), TX_OK);
	assert_int_equal(check_draft(s, d, 7), TX_OK);
	assert_int_equal(check_draft(s, d, 8), TX_EXPIRED);
	d.expiry = 0;
	assert_int_equal(check_draft(s, d, UINT64_MAX), TX_OK);
	state_free(s);
}

static void inputs_and_outputs_must_balance_exactly(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct draft d = {{point(1, 0), point(1, 1)}, {{addresses[2], 14}, {addresses[3], 1}}, 2, 2, 3, 0};

	assert_int_equal(check_draft(s, d, 1), TX_OK);
	d.out[1].amount = 2;
	assert_int_equal(check_draft(s, d, 1), TX_UNBALANCED);
	d.out_cnt = 1;
	assert_int_equal(check_draft(s, d, 1), TX_UNBALANCED);
	state_free(s);
}

static void witnesses_are_exactly_the_owners(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct draft both = {{point(1, 0), point(1, 1)}, {{addresses[2], 15}}, 2, 1, 0, 0};
	struct unspent more = coin(9, 0, 0, 1);

	for (unsigned owners = 1; owners < 8; owners++) {
		both.owners = owners;
		if (__builtin_popcount(owners) > 2)
			continue; /* more witnesses than inputs: refused before */
		assert_int_equal(check_draft(s, both, 1), owners == 3 ? TX_OK : TX_WRONG_WITNESS);
	}
	/* one owner of both inputs: a second witness is one too many */
	state_insert(s, &more);
	struct draft d = {{point(1, 0), point(9, 0)}, {{addresses[2], 11}}, 2, 1, 1, 0};
	assert_int_equal(check_draft(s, d, 1), TX_OK);
	d.owners = 3;
	assert_int_equal(check_draft(s, d, 1), TX_WRONG_WITNESS);
	state_free(s);
}

static void an_output_that_is_nowhere_is_unknown(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct draft d = {{point(1, 2)}, {{addresses[2], 10}}, 1, 1, 1, 0};
	struct tx *tx = finish(&d);
	struct qtxid spender = {{77}}, same = spender;

	assert_int_equal(state_check(s, NULL, tx, one, &spender), TX_UNKNOWN_OUTPUT);
	assert_true(qtxid_eq(&spender, &same));
	tx_unref(tx);
	state_free(s);
}

static void an_output_spent_in_flight_names_its_spender_at_any_depth(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct overlay *low = overlay_new(s, NULL, one), *high = overlay_new(s, low, one);
	struct tx *first = pay(point(1, 0), 0, 2, 10), *second = pay(point(1, 0), 0, 3, 10);
	struct qtxid spender = {0};

	assert_int_equal(overlay_add(low, first), TX_OK);
	assert_int_equal(overlay_add(low, second), TX_DOUBLE_SPEND);
	assert_int_equal(state_check(s, high, second, one, &spender), TX_DOUBLE_SPEND);
	assert_true(qtxid_eq(&spender, &first->id));
	assert_int_equal(state_check(s, high, first, one, NULL), TX_DOUBLE_SPEND); /* twice the same */
	assert_int_equal(state_check(s, NULL, second, one, NULL), TX_OK); /* below them it is unspent */
	overlay_unref(low);
	overlay_unref(high);
	tx_unref(first);
	tx_unref(second);
	state_free(s);
}

static void a_refused_transaction_leaves_no_trace(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct overlay *o = overlay_new(s, NULL, one);
	struct draft d = {{point(1, 0), point(5, 5)}, {{addresses[2], 10}}, 2, 1, 1, 0};
	struct tx *bad = finish(&d), *good = pay(point(1, 0), 0, 2, 10);

	assert_int_equal(overlay_add(o, bad), TX_UNKNOWN_OUTPUT);
	assert_int_equal(overlay_add(o, good), TX_OK);
	overlay_unref(o);
	tx_unref(bad);
	tx_unref(good);
	state_free(s);
}

/* ---- blocks in flight ---------------------------------------------------------- */

static void a_chain_of_spends_within_one_block_leaves_only_its_end(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct overlay *o = overlay_new(s, NULL, one);
	struct tx *txs[4];
	struct qoutpoint from = point(1, 0);

	for (unsigned i = 0; i < 4; i++) {
		txs[i] = pay(from, i, i + 1, 10);
		from = output_of(txs[i], 0);
		assert_int_equal(overlay_add(o, txs[i]), TX_OK);
	}
	overlay_apply(o, s, 100);
	assert_int_equal(state_count(s), 2);
	assert_int_equal(state_value(s), 15);
	assert_non_null(state_find(s, &from));
	assert_int_equal(state_find(s, &from)->row, 103); /* the fourth transaction's */
	for (unsigned i = 0; i < 4; i++)
		tx_unref(txs[i]);
	overlay_unref(o);
	state_free(s);
}

static void a_block_fails_at_its_first_bad_transaction(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct overlay *o = overlay_new(s, NULL, one);
	struct tx *txs[3] = {pay(point(1, 0), 0, 2, 10), pay(point(1, 1), 1, 2, 4),
	                     pay(point(1, 1), 1, 2, 5)};
	struct qheader h = rules_header(1, drafts_chain, rules_hash(0), 3);
	struct block *b = block_new(&h, txs, 3);
	size_t bad = 99;

	assert_int_equal(overlay_add_block(o, b, &bad), TX_UNBALANCED);
	assert_int_equal(bad, 1);
	for (int i = 0; i < 3; i++)
		tx_unref(txs[i]);
	block_unref(b);
	overlay_unref(o);
	state_free(s);
}

static void children_stay_valid_when_their_parents_are_applied(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct overlay *a = overlay_new(s, NULL, one), *b = overlay_new(s, a, one),
	               *c = overlay_new(s, b, one);
	struct tx *t1 = pay(point(1, 0), 0, 1, 10), *t2 = pay(output_of(t1, 0), 1, 2, 10);
	struct tx *t3 = pay(output_of(t2, 0), 2, 3, 10), *again = pay(output_of(t1, 0), 1, 4, 10);

	assert_int_equal(overlay_add(a, t1), TX_OK);
	assert_int_equal(overlay_add(b, t2), TX_OK);
	overlay_apply(a, s, 1);
	overlay_unref(a);
	assert_int_equal(overlay_add(c, t3), TX_OK);
	assert_int_equal(state_check(s, c, again, one, NULL), TX_DOUBLE_SPEND);
	overlay_apply(b, s, 2);
	overlay_unref(b);
	assert_int_equal(state_check(s, c, again, one, NULL), TX_UNKNOWN_OUTPUT); /* the store knows more */
	overlay_apply(c, s, 3);
	struct overlay *d = overlay_new(s, c, one); /* on top of an applied one: on the state */
	overlay_unref(c);
	struct qoutpoint end = output_of(t3, 0);
	struct tx *t4 = pay(end, 3, 0, 10);
	assert_int_equal(overlay_add(d, t4), TX_OK);
	assert_int_equal(state_find(s, &end)->row, 3);
	overlay_unref(d);
	struct tx *all[] = {t1, t2, t3, t4, again};
	for (int i = 0; i < 5; i++)
		tx_unref(all[i]);
	state_free(s);
}

static void a_dropped_branch_frees_its_whole_chain(void **state)
{
	(void)state;
	struct state *s = two_coins();
	struct overlay *top = overlay_new(s, NULL, one);

	for (int i = 0; i < 10000; i++) { /* deep: no recursion may follow */
		struct overlay *next = overlay_new(s, top, one);
		overlay_unref(top);
		top = next;
	}
	overlay_unref(top);
	overlay_unref(NULL);
	state_free(s);
}

/* ---- against a dumb version ----------------------------------------------------- */

#define COINS_MAX 600
#define DEPTH_MAX 6

/* All coins ever made up to one overlay; spent_in is the number of the overlay that spent it. */
struct model {
	struct {
		struct qoutpoint point;
		struct qoutput out;
		unsigned owner;
		int made_in;
		int spent_in; /* 0: unspent */
		struct qtxid by;
	} coins[COINS_MAX];
	size_t cnt;
};

struct world {
	uint64_t random;
	struct state *s;
	int applied; /* number of the last overlay that was applied; models[0] is the state after it */
	int depth;   /* overlays in flight: numbers applied + 1 .. applied + depth */
	struct overlay *overlays[DEPTH_MAX + 1]; /* [1 .. depth] */
	struct model *models;                    /* [0 .. depth] */
};

static unsigned pick(struct world *w, unsigned below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (unsigned)(w->random >> 33) % below;
}

/* Up to three inputs, mostly unspent ones; mostly balanced; mostly the right witnesses. */
static struct tx *random_tx(struct world *w, const struct model *m)
{
	struct draft d = {.in_cnt = 0};
	unsigned want = 1 + pick(w, 3);
	uint64_t sum = 0;

	while (d.in_cnt < want) {
		size_t i = pick(w, (unsigned)m->cnt);
		for (int tries = 0; m->coins[i].spent_in && tries < 20; tries++)
			i = pick(w, (unsigned)m->cnt);
		d.in[d.in_cnt++] = m->coins[i].point;
		d.owners |= 1U << m->coins[i].owner;
		sum += m->coins[i].out.amount;
	}
	if (pick(w, 20) == 0)
		d.in[0].index += 1000;
	if (pick(w, 20) == 0)
		d.owners ^= 1U << pick(w, OWNERS);
	if (pick(w, 20) == 0)
		sum++;
	while (sum > 0 && d.out_cnt < 3) {
		uint64_t part = d.out_cnt == 2 || pick(w, 2) == 0 ? sum : 1 + pick(w, (unsigned)sum);
		d.out[d.out_cnt++] = (struct qoutput){addresses[pick(w, OWNERS)], part};
		sum -= part;
	}
	return finish(&d); /* NULL: it named an input twice, or has no witness */
}

static enum tx_verdict dumb_check(const struct world *w, const struct model *m, const struct tx *tx,
                                  struct qtxid *spender)
{
	uint64_t in = 0, out = 0;
	unsigned owners = 0, witnesses = 0;

	for (unsigned i = 0; i < tx->q.witnesses.witnesses_len; i++)
		witnesses |= 1U << owner_index(&tx->owners[i]);
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		size_t c = 0;
		while (c < m->cnt && !qoutpoint_eq(&m->coins[c].point, &tx->q.body.inputs.inputs_val[i]))
			c++;
		if (c == m->cnt || (m->coins[c].spent_in && m->coins[c].spent_in <= w->applied))
			return TX_UNKNOWN_OUTPUT;
		if (m->coins[c].spent_in) {
			*spender = m->coins[c].by;
			return TX_DOUBLE_SPEND;
		}
		owners |= 1U << m->coins[c].owner;
		if (owners & ~witnesses)
			return TX_WRONG_WITNESS;
		in += m->coins[c].out.amount;
	}
	for (unsigned i = 0; i < tx->q.body.outputs.outputs_len; i++)
		out += tx->q.body.outputs.outputs_val[i].amount;
	return owners != witnesses ? TX_WRONG_WITNESS : in == out ? TX_OK : TX_UNBALANCED;
}

static void dumb_add(struct model *m, const struct tx *tx, int number)
{
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++)
		for (size_t c = 0; c < m->cnt; c++)
			if (qoutpoint_eq(&m->coins[c].point, &tx->q.body.inputs.inputs_val[i])) {
				m->coins[c].spent_in = number;
				m->coins[c].by = tx->id;
			}
	for (unsigned i = 0; i < tx->q.body.outputs.outputs_len; i++) {
		const struct qoutput *out = &tx->q.body.outputs.outputs_val[i];
		m->coins[m->cnt].point = output_of(tx, i);
		m->coins[m->cnt].out = *out;
		m->coins[m->cnt].owner = owner_index(&out->owner);
		m->coins[m->cnt].made_in = number;
		m->coins[m->cnt].spent_in = 0;
		m->cnt++;
	}
}

/* The owner's unspent coins of the bottom model, in the order in which they were made. */
static void assert_same_owned(const struct world *w, unsigned owner)
{
	const struct model *m = &w->models[0];
	const struct unspent *list[COINS_MAX], *last = NULL, *next;
	size_t cnt = state_owned(w->s, &addresses[owner], NULL, COINS_MAX, list), i = 0;
	struct address_sums want = {0};

	for (size_t c = 0; c < m->cnt; c++) {
		if (m->coins[c].owner != owner || m->coins[c].spent_in)
			continue;
		assert_true(i < cnt && qoutpoint_eq(&list[i++]->point, &m->coins[c].point));
		assert_int_equal(state_owned(w->s, &addresses[owner], last ? &last->point : NULL, 1, &next),
		                 1);
		last = next;
		want.outputs++;
		want.free += m->coins[c].out.amount;
	}
	assert_int_equal(i, cnt);
	assert_sums(w->s, owner, want);
}

/* The state is the set of unspent coins of the bottom model, to the digest. */
static void assert_same_state(const struct world *w)
{
	const struct model *m = &w->models[0];
	struct state *fresh = state_new(&genesis);
	struct qhash got, want;

	for (size_t c = m->cnt; c-- > 0;) {
		const struct unspent u = {.point = m->coins[c].point,
		                          .out = m->coins[c].out,
		                          .made_at = {(unsigned)m->coins[c].made_in}};
		if (!m->coins[c].spent_in)
			state_insert(fresh, &u);
	}
	state_digest(fresh, &want);
	state_digest(w->s, &got);
	assert_int_equal(state_count(w->s), state_count(fresh));
	assert_int_equal(state_value(w->s), state_value(fresh));
	assert_true(qhash_eq(&got, &want));
	state_free(fresh);
	for (unsigned owner = 0; owner < OWNERS; owner++)
		assert_same_owned(w, owner);
}

/* Whoever looks up the inputs himself hears the same. */
static void check_found(const struct world *w, int at, const struct tx *tx, enum tx_verdict want)
{
	const struct model *m = &w->models[at];
	struct unspent coins[4];
	const struct unspent *found[4];
	unsigned cnt = tx->q.body.inputs.inputs_len;

	if (want == TX_UNKNOWN_OUTPUT || want == TX_DOUBLE_SPEND)
		return;
	assert_true(cnt <= 4);
	for (unsigned i = 0; i < cnt; i++)
		for (size_t c = 0; c < m->cnt; c++)
			if (qoutpoint_eq(&m->coins[c].point, &tx->q.body.inputs.inputs_val[i])) {
				coins[i] = (struct unspent){.point = m->coins[c].point,
				                            .out = m->coins[c].out,
				                            .made_at = {(unsigned)m->coins[c].made_in}};
				found[i] = &coins[i];
			}
	assert_int_equal(state_check_found(w->s, at ? w->overlays[at] : NULL, tx, one, found), want);
}

static void step_add(struct world *w)
{
	int at = pick(w, 4) == 0 ? (int)pick(w, (unsigned)w->depth + 1) : w->depth;
	struct model *m = &w->models[at];
	struct tx *tx = random_tx(w, &w->models[w->depth]);
	struct qtxid want_spender = {0}, spender = {0};

	if (!tx)
		return;
	enum tx_verdict want = dumb_check(w, m, tx, &want_spender);
	enum tx_verdict got = state_check(w->s, at ? w->overlays[at] : NULL, tx, one, &spender);
	assert_int_equal(got, want);
	assert_true(qtxid_eq(&spender, &want_spender));
	check_found(w, at, tx, want);
	if (at == w->depth && at > 0 && m->cnt < COINS_MAX - 3) {
		assert_int_equal(overlay_add(w->overlays[at], tx), want);
		if (want == TX_OK)
			dumb_add(m, tx, w->applied + at);
	}
	tx_unref(tx);
}

static void step_push(struct world *w)
{
	if (w->depth == DEPTH_MAX)
		return;
	w->overlays[w->depth + 1] = overlay_new(w->s, w->depth ? w->overlays[w->depth] : NULL,
	                                        qheight_of((unsigned)(w->applied + w->depth + 1)));
	w->models[w->depth + 1] = w->models[w->depth];
	w->depth++;
}

static void step_drop(struct world *w)
{
	if (w->depth > 0)
		overlay_unref(w->overlays[w->depth--]);
}

static void step_apply(struct world *w)
{
	if (w->depth == 0)
		return;
	overlay_apply(w->overlays[1], w->s, 1);
	overlay_unref(w->overlays[1]);
	for (int i = 1; i < w->depth; i++)
		w->overlays[i] = w->overlays[i + 1];
	for (int i = 0; i < w->depth; i++)
		w->models[i] = w->models[i + 1];
	w->depth--;
	w->applied++;
	assert_same_state(w);
}

static void random_blocks_in_flight_equal_the_dumb_version(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct world w = {.random = seed * 0x9e3779b97f4a7c15, .s = state_new(&genesis)};
		w.models = xcalloc(DEPTH_MAX + 1, sizeof *w.models);
		for (uint8_t i = 0; i < 20; i++) {
			struct unspent u = coin(i, 0, i % OWNERS, 50U + i);
			state_insert(w.s, &u);
			w.models[0].coins[i].point = u.point;
			w.models[0].coins[i].out = u.out;
			w.models[0].coins[i].owner = i % OWNERS;
		}
		w.models[0].cnt = 20;
		for (int step = 0; step < 400; step++) {
			unsigned what = pick(&w, 20);
			if (what < 14)
				step_add(&w);
			else if (what < 17)
				step_push(&w);
			else if (what < 18)
				step_drop(&w);
			else
				step_apply(&w);
		}
		while (w.depth > 0)
			step_apply(&w);
		free(w.models);
		state_free(w.s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_what_was_inserted_until_it_is_removed),
	    cmocka_unit_test(what_is_not_in_memory_is_still_part_of_the_state),
	    cmocka_unit_test(what_was_never_summed_is_removed_without),
	    cmocka_unit_test(the_digest_is_of_the_set_not_of_its_history),
	    cmocka_unit_test(the_digest_is_the_same_whenever_it_is_asked_for),
	    cmocka_unit_test(only_what_survives_is_hashed_for_the_digest),
	    cmocka_unit_test(the_digest_covers_id_index_owner_amount_and_height),
	    cmocka_unit_test(the_digest_is_what_it_always_was),
	    cmocka_unit_test(each_is_shown_once),
	    cmocka_unit_test(an_owners_outputs_are_listed_oldest_first),
	    cmocka_unit_test(what_is_loaded_is_summed_elsewhere),
	    cmocka_unit_test(the_expiry_height_is_the_last_that_may_hold_it),
	    cmocka_unit_test(inputs_and_outputs_must_balance_exactly),
	    cmocka_unit_test(witnesses_are_exactly_the_owners),
	    cmocka_unit_test(an_output_that_is_nowhere_is_unknown),
	    cmocka_unit_test(an_output_spent_in_flight_names_its_spender_at_any_depth),
	    cmocka_unit_test(a_refused_transaction_leaves_no_trace),
	    cmocka_unit_test(a_chain_of_spends_within_one_block_leaves_only_its_end),
	    cmocka_unit_test(a_block_fails_at_its_first_bad_transaction),
	    cmocka_unit_test(children_stay_valid_when_their_parents_are_applied),
	    cmocka_unit_test(a_dropped_branch_frees_its_whole_chain),
	    cmocka_unit_test(random_blocks_in_flight_equal_the_dumb_version),
	};
	return cmocka_run_group_tests(tests, drafts_setup, NULL);
}
