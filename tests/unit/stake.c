/*
 * stake.c: outputs that are locked for replicas: how they may be locked, moved and freed, what a conviction
 * costs, what counts as stake, and the tables of it.  stake_random.c has the same at random.
 *
 * Links: q_ledger
 */
#include "schedule.h"
#include "staked.h"

static enum tx_verdict check_on(const struct state *s, const struct overlay *top, struct draft d,
                                uint64_t height)
{
	struct tx *tx = finish(&d);

	assert_non_null(tx);
	enum tx_verdict v = state_check(s, top, tx, qheight_of(height), NULL);
	tx_unref(tx);
	return v;
}

static enum tx_verdict check(const struct state *s, struct draft d, uint64_t height)
{
	return check_on(s, NULL, d, height);
}

static enum tx_verdict add(struct overlay *o, struct draft d)
{
	struct tx *tx = finish(&d);

	assert_non_null(tx);
	enum tx_verdict v = overlay_add(o, tx);
	tx_unref(tx);
	return v;
}

/* An empty block at this height becomes final. */
static void pass(struct state *s, uint64_t height)
{
	struct overlay *o = overlay_new(s, NULL, qheight_of(height));

	overlay_apply(o, s, 1);
	overlay_unref(o);
}

/* ---- what an output owes, and what it counts for ------------------------------------- */

static void a_penalty_is_the_percentage_rounded_up(void **state)
{
	(void)state;
	static const struct {
		uint64_t amount;
		unsigned percent;
		uint64_t penalty;
	} cases[] = {
	    {100, 50, 50},
	    {101, 50, 51},
	    {1, 1, 1},
	    {199, 1, 2},
	    {200, 1, 2},
	    {201, 1, 3},
	    {1, 100, 1},
	    {7, 0, 0},
	    {INT64_MAX, 100, INT64_MAX},
	    {INT64_MAX, 0, 0},
	    {INT64_MAX, 50, INT64_MAX / 2 + 1},
	    {INT64_MAX, 33, 3043712772162076017}, /* by another arithmetic: Python's */
	};
	struct genesis g = rules.g;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct unspent own = held(1, OWN, cases[i].amount, QLOCK_STAKE, OWN, 5);
		struct unspent delegated = held(1, A, cases[i].amount, QLOCK_STAKE, OWN, 5);
		stake(&g)->penalty = cases[i].percent;
		stake(&g)->delegator_penalty = 100 - cases[i].percent;
		assert_int_equal(stake_penalty(&g, &own, qheight_of(5)), cases[i].penalty);
		stake(&g)->penalty = 100 - cases[i].percent;
		stake(&g)->delegator_penalty = cases[i].percent;
		assert_int_equal(stake_penalty(&g, &delegated, qheight_of(5)), cases[i].penalty);
		assert_int_equal(stake_penalty(&g, &delegated, qheight_of(0)), 0);
	}
}

static void a_conviction_counts_for_what_was_locked_by_then(void **state)
{
	(void)state;
	for (uint64_t made = 0; made < 9; made++)
		for (uint64_t convicted = 0; convicted < 20; convicted++) {
			struct qheight c = {convicted};
			bool since = convicted > 0 && convicted >= made;
			struct unspent u = held(1, A, 100, QLOCK_STAKE, 2, made);
			assert_int_equal(stake_penalty(&rules.g, &u, c), since ? 10 : 0);
			assert_int_equal(stake_counts(&rules.g, &u, c), !since);
			u.out.owner = addresses[2];
			assert_int_equal(stake_penalty(&rules.g, &u, c), since ? 50 : 0);
			assert_int_equal(stake_counts(&rules.g, &u, c), !since);
			u.out.lock.kind = QLOCK_RELEASE;
			assert_int_equal(stake_penalty(&rules.g, &u, c),
			                 since && convicted < made + UNBONDING ? 50 : 0);
			assert_false(stake_counts(&rules.g, &u, c));
			u.out.lock.kind = QLOCK_FROZEN;
			assert_int_equal(stake_penalty(&rules.g, &u, c), 0);
			assert_false(stake_counts(&rules.g, &u, c));
			u.out.lock.kind = QLOCK_NONE;
			assert_int_equal(stake_penalty(&rules.g, &u, c), 0);
			assert_false(stake_counts(&rules.g, &u, c));
		}
}

static void delegations_go_on_counting_where_they_cost_nothing(void **state)
{
	(void)state;
	struct genesis g = rules.g;
	struct unspent delegated = held(1, A, 100, QLOCK_STAKE, 2, 3),
	               own = held(2, 2, 100, QLOCK_STAKE, 2, 3);

	stake(&g)->delegator_penalty = 0;
	stake(&g)->penalty = 0;
	assert_true(stake_counts(&g, &delegated, qheight_of(7)));
	assert_false(stake_counts(&g, &own, qheight_of(7))); /* its own stops, whatever it costs */
	assert_true(stake_counts(&g, &own, qheight_of(2)));
	struct state *s = state_new(&g);
	hold(s, delegated);
	hold(s, own);
	assert_stake(s, 2, 100, 100);
	state_convict(s, 2, qheight_of(7));
	assert_stake(s, 2, 0, 100);
	state_remove(s, &own.point);
	assert_stake(s, 2, 0, 100);
	state_remove(s, &delegated.point);
	assert_stake(s, 2, 0, 0);
	state_free(s);
}

/* ---- locking and unlocking ------------------------------------------------------------ */

enum { FREE, STAKED, STAKED_TOO, STAKED_ELSEWHERE, STAKED_FOR_0, STAKED_BY_B, RELEASED, FROZEN, OF_B };

/* One of each, of 100; of A's, for replica 1, where nothing else is said. Released at height 10. */
static struct state *one_of_each(const struct genesis *g)
{
	struct state *s = state_new(g);

	hold(s, held(FREE, A, 100, QLOCK_NONE, 0, 0));
	hold(s, held(STAKED, A, 100, QLOCK_STAKE, 1, 3));
	hold(s, held(STAKED_TOO, A, 100, QLOCK_STAKE, 1, 4));
	hold(s, held(STAKED_ELSEWHERE, A, 100, QLOCK_STAKE, 2, 3));
	hold(s, held(STAKED_FOR_0, A, 100, QLOCK_STAKE, 0, 3));
	hold(s, held(STAKED_BY_B, B, 100, QLOCK_STAKE, 1, 3));
	hold(s, held(RELEASED, A, 100, QLOCK_RELEASE, 1, 10));
	hold(s, held(FROZEN, A, 100, QLOCK_FROZEN, 1, 3));
	hold(s, held(OF_B, B, 100, QLOCK_NONE, 0, 0));
	return s;
}

struct locking {
	unsigned ins[3], in_cnt;
	struct {
		unsigned owner;
		uint64_t amount;
		enum qlock_kind kind;
		unsigned replica;
	} outs[3];
	unsigned out_cnt;
	enum tx_verdict verdict;
};

static struct draft draft_of(const struct locking *l)
{
	struct draft d = {.in_cnt = l->in_cnt, .out_cnt = l->out_cnt};

	for (unsigned i = 0; i < l->in_cnt; i++) {
		d.in[i] = point((uint8_t)l->ins[i], 0);
		d.owners |= 1U << (l->ins[i] == STAKED_BY_B || l->ins[i] == OF_B ? B : A);
	}
	for (unsigned i = 0; i < l->out_cnt; i++)
		d.out[i] = to_lock(l->outs[i].owner, l->outs[i].amount, l->outs[i].kind, l->outs[i].replica);
	return d;
}

static void check_lockings(const struct state *s, const struct locking *list, size_t cnt, uint64_t height)
{
	for (size_t i = 0; i < cnt; i++) {
		enum tx_verdict v = check(s, draft_of(&list[i]), height);
		if (v != list[i].verdict)
			fail_msg("case %zu: %s instead of %s", i, tx_verdict_info(v)->code,
			         tx_verdict_info(list[i].verdict)->code);
	}
}

#define LOCKINGS(s, list, height) check_lockings(s, list, sizeof(list) / sizeof *(list), height)

static void free_outputs_may_become_stake_and_nothing_else_that_is_locked(void **state)
{
	(void)state;
	static const struct locking list[] = {
	    {{FREE}, 1, {{B, 100, QLOCK_NONE, 0}}, 1, TX_OK},
	    {{FREE}, 1, {{A, 100, QLOCK_STAKE, 0}}, 1, TX_OK},
	    {{FREE}, 1, {{A, 100, QLOCK_STAKE, 3}}, 1, TX_OK},
	    {{FREE}, 1, {{A, 100, QLOCK_STAKE, 4}}, 1, TX_BAD_LOCK}, /* no replica */
	    {{FREE}, 1, {{A, 100, QLOCK_STAKE, UINT32_MAX}}, 1, TX_BAD_LOCK},
	    {{FREE}, 1, {{B, 100, QLOCK_STAKE, 1}}, 1, TX_OK}, /* a gift */
	    {{FREE}, 1, {{A, 60, QLOCK_STAKE, 1}, {B, 30, QLOCK_STAKE, 2}, {A, 10, QLOCK_NONE, 0}}, 3, TX_OK},
	    {{FREE, OF_B}, 2, {{A, 120, QLOCK_STAKE, 1}, {C, 80, QLOCK_NONE, 0}}, 2, TX_OK},
	    {{FREE}, 1, {{A, 100, QLOCK_RELEASE, 1}}, 1, TX_BAD_LOCK},
	    {{FREE}, 1, {{A, 100, QLOCK_FROZEN, 1}}, 1, TX_BAD_LOCK},
	    {{FREE}, 1, {{A, 99, QLOCK_STAKE, 1}, {A, 1, QLOCK_FROZEN, 1}}, 2, TX_BAD_LOCK},
	    {{FREE}, 1, {{A, 99, QLOCK_STAKE, 1}}, 1, TX_UNBALANCED},
	};
	struct state *s = one_of_each(&rules.g);

	LOCKINGS(s, list, 11);
	state_free(s);
}

static void without_stake_nothing_may_be_locked(void **state)
{
	(void)state;
	static const struct locking list[] = {
	    {{FREE}, 1, {{B, 100, QLOCK_NONE, 0}}, 1, TX_OK},
	    {{FREE}, 1, {{A, 100, QLOCK_STAKE, 0}}, 1, TX_BAD_LOCK},
	    {{FREE}, 1, {{A, 99, QLOCK_NONE, 0}, {A, 1, QLOCK_RELEASE, 0}}, 2, TX_BAD_LOCK},
	    {{FREE}, 1, {{A, 99, QLOCK_NONE, 0}, {A, 1, QLOCK_FROZEN, 0}}, 2, TX_BAD_LOCK},
	};
	struct state *s = state_new(&plain);

	hold(s, held(FREE, A, 100, QLOCK_NONE, 0, 0));
	LOCKINGS(s, list, 11);
	assert_int_equal(state_staking(s)->stakes.stakes_len + state_staking(s)->convicted.convicted_len +
	                     state_staking(s)->settled.settled_len,
	                 0);
	state_free(s);
}

static void stake_moves_only_to_its_owner_and_for_its_replica(void **state)
{
	(void)state;
	static const struct locking list[] = {
	    {{STAKED}, 1, {{A, 100, QLOCK_RELEASE, 1}}, 1, TX_OK},
	    {{STAKED}, 1, {{A, 100, QLOCK_STAKE, 1}}, 1, TX_OK},
	    {{STAKED}, 1, {{A, 30, QLOCK_STAKE, 1}, {A, 70, QLOCK_RELEASE, 1}}, 2, TX_OK},
	    {{STAKED, STAKED_TOO}, 2, {{A, 200, QLOCK_RELEASE, 1}}, 1, TX_OK},
	    {{STAKED}, 1, {{A, 100, QLOCK_NONE, 0}}, 1, TX_BAD_LOCK}, /* not at once */
	    {{STAKED}, 1, {{A, 99, QLOCK_RELEASE, 1}, {A, 1, QLOCK_NONE, 0}}, 2, TX_BAD_LOCK},
	    {{STAKED_FOR_0}, 1, {{A, 100, QLOCK_NONE, 0}}, 1, TX_BAD_LOCK},
	    {{STAKED_FOR_0}, 1, {{A, 100, QLOCK_RELEASE, 0}}, 1, TX_OK},
	    {{STAKED}, 1, {{A, 100, QLOCK_STAKE, 2}}, 1, TX_BAD_LOCK}, /* not to another replica */
	    {{STAKED}, 1, {{A, 100, QLOCK_RELEASE, 2}}, 1, TX_BAD_LOCK},
	    {{STAKED}, 1, {{A, 100, QLOCK_STAKE, 4}}, 1, TX_BAD_LOCK},
	    {{STAKED}, 1, {{B, 100, QLOCK_STAKE, 1}}, 1, TX_BAD_LOCK}, /* not to another owner */
	    {{STAKED}, 1, {{B, 100, QLOCK_RELEASE, 1}}, 1, TX_BAD_LOCK},
	    {{STAKED}, 1, {{A, 99, QLOCK_RELEASE, 1}, {B, 1, QLOCK_FROZEN, 1}}, 2, TX_BAD_LOCK},
	    {{STAKED, FREE}, 2, {{A, 200, QLOCK_STAKE, 1}}, 1, TX_BAD_LOCK}, /* not with anything else */
	    {{FREE, STAKED}, 2, {{A, 200, QLOCK_RELEASE, 1}}, 1, TX_BAD_LOCK},
	    {{STAKED, STAKED_ELSEWHERE}, 2, {{A, 200, QLOCK_RELEASE, 1}}, 1, TX_BAD_LOCK},
	    {{STAKED, STAKED_ELSEWHERE},
	     2,
	     {{A, 100, QLOCK_RELEASE, 1}, {A, 100, QLOCK_RELEASE, 2}},
	     2,
	     TX_BAD_LOCK},
	    {{STAKED, STAKED_BY_B}, 2, {{A, 200, QLOCK_RELEASE, 1}}, 1, TX_BAD_LOCK},
	    {{STAKED, STAKED_BY_B},
	     2,
	     {{A, 100, QLOCK_RELEASE, 1}, {B, 100, QLOCK_RELEASE, 1}},
	     2,
	     TX_BAD_LOCK},
	    {{STAKED, RELEASED}, 2, {{A, 200, QLOCK_RELEASE, 1}}, 1, TX_BAD_LOCK},
	    {{STAKED}, 1, {{A, 100, QLOCK_FROZEN, 1}}, 1, TX_PENALTY}, /* none is due */
	    {{STAKED}, 1, {{A, 99, QLOCK_STAKE, 1}, {A, 1, QLOCK_FROZEN, 1}}, 2, TX_PENALTY},
	};
	struct state *s = one_of_each(&rules.g);

	LOCKINGS(s, list, 10 + UNBONDING);
	state_free(s);
}

static void what_is_released_is_free_after_the_delay_and_what_is_frozen_never(void **state)
{
	(void)state;
	static const struct locking early[] = {
	    {{RELEASED}, 1, {{A, 100, QLOCK_NONE, 0}}, 1, TX_LOCKED},
	    {{RELEASED}, 1, {{A, 100, QLOCK_STAKE, 1}}, 1, TX_LOCKED},
	    {{RELEASED, FREE}, 2, {{A, 200, QLOCK_NONE, 0}}, 1, TX_LOCKED},
	    {{STAKED, RELEASED}, 2, {{A, 200, QLOCK_RELEASE, 1}}, 1, TX_LOCKED},
	};
	static const struct locking late[] = {
	    {{RELEASED}, 1, {{B, 100, QLOCK_NONE, 0}}, 1, TX_OK},
	    {{RELEASED}, 1, {{A, 60, QLOCK_STAKE, 2}, {B, 40, QLOCK_STAKE, 1}}, 2, TX_OK},
	    {{RELEASED, FREE, OF_B}, 3, {{A, 300, QLOCK_NONE, 0}}, 1, TX_OK},
	    {{RELEASED}, 1, {{A, 100, QLOCK_RELEASE, 1}}, 1, TX_BAD_LOCK},
	    {{RELEASED}, 1, {{A, 99, QLOCK_NONE, 0}, {A, 1, QLOCK_FROZEN, 1}}, 2, TX_PENALTY},
	    {{RELEASED}, 1, {{A, 99, QLOCK_NONE, 0}, {A, 1, QLOCK_FROZEN, 2}}, 2, TX_BAD_LOCK},
	    {{RELEASED}, 1, {{A, 99, QLOCK_NONE, 0}, {B, 1, QLOCK_FROZEN, 1}}, 2, TX_BAD_LOCK},
	    {{RELEASED}, 1, {{A, 99, QLOCK_NONE, 0}, {A, 1, QLOCK_FROZEN, 7}}, 2, TX_BAD_LOCK},
	};
	static const struct locking never[] = {
	    {{FROZEN}, 1, {{A, 100, QLOCK_NONE, 0}}, 1, TX_LOCKED},
	    {{FROZEN}, 1, {{A, 100, QLOCK_FROZEN, 1}}, 1, TX_LOCKED},
	    {{FREE, FROZEN}, 2, {{A, 200, QLOCK_NONE, 0}}, 1, TX_LOCKED},
	};
	struct state *s = one_of_each(&rules.g);

	LOCKINGS(s, early, 10);
	LOCKINGS(s, early, 10 + UNBONDING - 1);
	LOCKINGS(s, late, 10 + UNBONDING);
	LOCKINGS(s, never, 11);
	LOCKINGS(s, never, INT64_MAX);
	state_free(s);
}

/* ---- penalties --------------------------------------------------------------------------- */

static void who_moves_stake_of_the_convicted_leaves_the_penalty_behind(void **state)
{
	(void)state;
	static const struct locking list[] = {
	    /* 10 percent of what is delegated: 10 */
	    {{STAKED}, 1, {{A, 100, QLOCK_RELEASE, 1}}, 1, TX_PENALTY},
	    {{STAKED}, 1, {{A, 91, QLOCK_RELEASE, 1}, {A, 9, QLOCK_FROZEN, 1}}, 2, TX_PENALTY},
	    {{STAKED}, 1, {{A, 90, QLOCK_RELEASE, 1}, {A, 10, QLOCK_FROZEN, 1}}, 2, TX_OK},
	    {{STAKED}, 1, {{A, 90, QLOCK_STAKE, 1}, {A, 10, QLOCK_FROZEN, 1}}, 2, TX_OK},
	    {{STAKED}, 1, {{A, 89, QLOCK_RELEASE, 1}, {A, 11, QLOCK_FROZEN, 1}}, 2, TX_PENALTY},
	    {{STAKED},
	     1,
	     {{A, 4, QLOCK_FROZEN, 1}, {A, 90, QLOCK_RELEASE, 1}, {A, 6, QLOCK_FROZEN, 1}},
	     3,
	     TX_OK},
	    {{STAKED}, 1, {{A, 90, QLOCK_RELEASE, 1}, {B, 10, QLOCK_FROZEN, 1}}, 2, TX_BAD_LOCK},
	    {{STAKED}, 1, {{A, 90, QLOCK_RELEASE, 1}, {A, 10, QLOCK_FROZEN, 2}}, 2, TX_BAD_LOCK},
	    {{STAKED}, 1, {{A, 90, QLOCK_RELEASE, 1}, {A, 9, QLOCK_FROZEN, 1}}, 2, TX_UNBALANCED},
	    {{STAKED, STAKED_TOO}, 2, {{A, 180, QLOCK_RELEASE, 1}, {A, 20, QLOCK_FROZEN, 1}}, 2, TX_OK},
	    {{STAKED_ELSEWHERE}, 1, {{A, 100, QLOCK_RELEASE, 2}}, 1, TX_OK}, /* another's stake is safe */
	};
	struct state *s = one_of_each(&rules.g);

	state_convict(s, 1, qheight_of(10));
	LOCKINGS(s, list, 11);
	state_free(s);
}

static void stake_locked_after_the_conviction_is_free_of_it(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g);

	state_convict(s, 1, qheight_of(10));
	hold(s, held(1, A, 100, QLOCK_STAKE, 1, 10));
	hold(s, held(2, A, 100, QLOCK_STAKE, 1, 11));
	assert_stake(s, 1, 0, 100);
	for (uint8_t i = 1; i <= 2; i++) {
		struct draft d = {{point(i, 0)}, {to_lock(A, 100, QLOCK_RELEASE, 1)}, 1, 1, 1U << A};
		assert_int_equal(check(s, d, 12), i == 1 ? TX_PENALTY : TX_OK);
	}
	state_free(s);
}

/* Released at 10 by A and by B for replica 1, by A for 2, 100 each; both replicas were convicted at 12. */
static struct state *three_released(void)
{
	struct state *s = state_new(&rules.g);

	hold(s, held(1, A, 100, QLOCK_RELEASE, 1, 10));
	hold(s, held(2, B, 100, QLOCK_RELEASE, 1, 10));
	hold(s, held(3, A, 100, QLOCK_RELEASE, 2, 10));
	hold(s, held(4, A, 100, QLOCK_NONE, 0, 10));
	hold(s, held(5, OWN, 100, QLOCK_RELEASE, OWN, 10));
	state_convict(s, 1, qheight_of(12));
	state_convict(s, 2, qheight_of(12));
	return s;
}

static void nobodys_value_is_frozen_for_anothers(void **state)
{
	(void)state;
	struct state *s = three_released();
	struct draft all = {.in = {point(1, 0), point(2, 0), point(3, 0), point(4, 0), point(5, 0)},
	                    .out = {to_lock(A, 10, QLOCK_FROZEN, 1), to_lock(B, 10, QLOCK_FROZEN, 1),
	                            to_lock(A, 10, QLOCK_FROZEN, 2), to_lock(OWN, 50, QLOCK_FROZEN, OWN),
	                            to_lock(C, 420, QLOCK_NONE, 0)},
	                    .in_cnt = 5,
	                    .out_cnt = 5,
	                    .owners = 1U << A | 1U << B | 1U << OWN};
	const uint64_t late = 10 + UNBONDING;

	assert_int_equal(check(s, all, late - 1), TX_LOCKED);
	assert_int_equal(check(s, all, late), TX_OK);
	for (unsigned i = 0; i < 4; i++) /* one pays for another: the sum is right, the shares are not */
		for (unsigned k = 0; k < 4; k++) {
			struct draft d = all;
			d.out[i].amount--;
			d.out[k].amount++;
			assert_int_equal(check(s, d, late), i == k ? TX_OK : TX_PENALTY);
		}
	struct draft lumped = all; /* all of it by one owner */
	lumped.out[0].amount = 80;
	lumped.out[1] = lumped.out[4];
	lumped.out_cnt = 2;
	assert_int_equal(check(s, lumped, late), TX_PENALTY);
	struct draft stranger = all;
	stranger.out[1].owner = addresses[C];
	assert_int_equal(check(s, stranger, late), TX_BAD_LOCK);
	struct draft crossed = all; /* A's two shares change places: they are alike */
	crossed.out[0].lock.qlock_u.replica = 2;
	crossed.out[2].lock.qlock_u.replica = 1;
	assert_int_equal(check(s, crossed, late), TX_OK);
	crossed.out[0].lock.qlock_u.replica = 1;
	assert_int_equal(check(s, crossed, late), TX_PENALTY);
	state_free(s);
}

/* Else who released in time would be convicted again when the delay is over, and pay nothing for the first.
 */
static void another_conviction_takes_no_penalty_away(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g);
	struct draft d = {{point(1, 0)}, {to_lock(A, 100, QLOCK_NONE, 0)}, 1, 1, 1U << A};
	struct draft pays = {
	    {point(1, 0)}, {to_lock(A, 90, QLOCK_NONE, 0), to_lock(A, 10, QLOCK_FROZEN, 1)}, 1, 2, 1U << A};

	hold(s, held(1, A, 100, QLOCK_RELEASE, 1, 10));
	assert_int_equal(check(s, d, 100), TX_OK);
	for (uint64_t at = 8; at < 40; at += 3) { /* 8, 11, 14, 17 ...: the second one is in time */
		state_convict(s, 1, qheight_of(at));
		assert_int_equal(check(s, d, 100), at < 10 ? TX_OK : TX_PENALTY);
		assert_int_equal(check(s, pays, 100), at < 10 ? TX_PENALTY : TX_OK);
	}
	state_free(s);
}

static void a_conviction_after_the_delay_costs_what_was_released_nothing(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g);
	struct draft d = {{point(1, 0)}, {to_lock(A, 100, QLOCK_NONE, 0)}, 1, 1, 1U << A};

	hold(s, held(1, A, 100, QLOCK_RELEASE, 1, 10));
	state_convict(s, 1, qheight_of(9));
	state_convict(s, 1, qheight_of(10 + UNBONDING));
	state_convict(s, 1, qheight_of(200));
	assert_int_equal(check(s, d, 201), TX_OK);
	state_free(s);
}

/* ---- offences --------------------------------------------------------------------------- */

/* Pays coin 9 of C to itself and accuses. */
static struct draft accuse(struct qoffence *o)
{
	return (struct draft){{point(9, 0)}, {to_lock(C, 7, QLOCK_NONE, 0)}, 1, 1, 1U << C, 0, o};
}

static void an_offence_is_newer_than_the_conviction_and_not_of_the_future(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g);

	hold(s, held(9, C, 7, QLOCK_NONE, 0, 0));
	state_convict(s, 1, qheight_of(10));
	for (uint64_t height = 1; height < 30; height++) {
		struct qoffence of_1 = offence(1, height), of_2 = offence(2, height);
		assert_int_equal(check(s, accuse(&of_1), 20), height > 20   ? TX_EARLY_OFFENCE
		                                              : height > 10 ? TX_OK
		                                                            : TX_OLD_OFFENCE);
		assert_int_equal(check(s, accuse(&of_2), 20), height > 20 ? TX_EARLY_OFFENCE : TX_OK);
	}
	struct qoffence nobodys = offence(REPLICAS, 5), immense = offence(UINT32_MAX, 5);
	assert_int_equal(check(s, accuse(&nobodys), 20), TX_BAD_OFFENCE);
	assert_int_equal(check(s, accuse(&immense), 20), TX_BAD_OFFENCE);
	state_free(s);
}

static void without_stake_there_are_no_offences(void **state)
{
	(void)state;
	struct state *s = state_new(&plain);
	struct qoffence o = offence(1, 5);

	hold(s, held(9, C, 7, QLOCK_NONE, 0, 0));
	assert_int_equal(check(s, accuse(&o), 20), TX_BAD_OFFENCE);
	assert_int_equal(check(s, accuse(NULL), 20), TX_OK);
	state_free(s);
}

/* Coins 1, 2 ... of C, worth 7 each: one for each accusation of a test. */
static struct draft accuse_with(uint8_t which, struct qoffence *o)
{
	struct draft d = accuse(o);

	d.in[0] = point(which, 0);
	return d;
}

static struct state *purses(void)
{
	struct state *s = state_new(&rules.g);

	for (uint8_t i = 1; i <= 9; i++)
		hold(s, held(i, C, 7, QLOCK_NONE, 0, 0));
	return s;
}

static void one_conviction_atones_in_flight_as_on_disk(void **state)
{
	(void)state;
	struct state *s = purses();
	struct qoffence first = offence(1, 3), same = offence(1, 9), later = offence(1, 10),
	                other = offence(2, 4);
	struct overlay *a = overlay_new(s, NULL, qheight_of(9)), *b = overlay_new(s, a, qheight_of(10));
	struct overlay *c = overlay_new(s, b, qheight_of(11));

	assert_int_equal(add(a, accuse_with(1, &first)), TX_OK);
	assert_int_equal(add(a, accuse_with(2, &first)), TX_OLD_OFFENCE);
	assert_int_equal(add(a, accuse_with(2, &same)), TX_OLD_OFFENCE); /* of the block's own height, even */
	assert_int_equal(add(a, accuse_with(2, &other)), TX_OK);
	assert_int_equal(check_on(s, c, accuse_with(3, &same), 11), TX_OLD_OFFENCE);
	assert_int_equal(check_on(s, c, accuse_with(3, &later), 11), TX_OK);
	assert_int_equal(check(s, accuse_with(3, &same), 9), TX_OK); /* below them nobody was convicted */
	assert_int_equal(add(b, accuse_with(3, &later)), TX_OK);
	assert_int_equal(check_on(s, c, accuse_with(4, &later), 11), TX_OLD_OFFENCE);
	overlay_apply(a, s, 1);
	assert_int_equal(state_staking(s)->convicted.convicted_val[1].n, 9);
	assert_int_equal(state_staking(s)->convicted.convicted_val[2].n, 9);
	assert_int_equal(check_on(s, c, accuse_with(4, &later), 11), TX_OLD_OFFENCE);
	assert_int_equal(check(s, accuse_with(4, &same), 11), TX_OLD_OFFENCE);
	overlay_apply(b, s, 2);
	assert_int_equal(state_staking(s)->convicted.convicted_val[1].n, 10);
	assert_int_equal(check_on(s, c, accuse_with(4, &later), 11), TX_OLD_OFFENCE);
	overlay_unref(a);
	overlay_unref(b);
	overlay_unref(c);
	state_free(s);
}

/* The dropped branch convicted nobody. */
static void a_conviction_in_a_block_that_never_came_is_none(void **state)
{
	(void)state;
	struct state *s = purses();
	struct qoffence o = offence(1, 3);
	struct overlay *a = overlay_new(s, NULL, qheight_of(9));

	hold(s, held(20, A, 100, QLOCK_STAKE, 1, 2));
	assert_int_equal(add(a, accuse_with(1, &o)), TX_OK);
	overlay_unref(a);
	a = overlay_new(s, NULL, qheight_of(9));
	assert_int_equal(add(a, accuse_with(1, &o)), TX_OK);
	assert_stake(s, 1, 0, 100);
	overlay_apply(a, s, 1);
	assert_stake(s, 1, 0, 0);
	overlay_unref(a);
	state_free(s);
}

static void penalties_are_due_from_the_block_above_the_conviction(void **state)
{
	(void)state;
	struct state *s = purses();
	struct qoffence o = offence(1, 3);
	struct draft move = {{point(20, 0)}, {to_lock(A, 100, QLOCK_RELEASE, 1)}, 1, 1, 1U << A};
	struct overlay *a = overlay_new(s, NULL, qheight_of(9)), *b = overlay_new(s, a, qheight_of(10));
	struct overlay *c = overlay_new(s, b, qheight_of(11));

	hold(s, held(20, A, 100, QLOCK_STAKE, 1, 2));
	assert_int_equal(add(b, accuse_with(1, &o)), TX_OK);
	assert_int_equal(check_on(s, a, move, 9), TX_OK);
	assert_int_equal(check_on(s, b, move, 10), TX_OK); /* in the very block: not yet */
	assert_int_equal(check_on(s, c, move, 11), TX_PENALTY);
	overlay_apply(a, s, 1);
	assert_int_equal(check_on(s, c, move, 11), TX_PENALTY);
	overlay_apply(b, s, 2);
	assert_int_equal(check_on(s, c, move, 11), TX_PENALTY);
	assert_int_equal(check(s, move, 11), TX_PENALTY);
	overlay_unref(a);
	overlay_unref(b);
	overlay_unref(c);
	state_free(s);
}

/* Of the convictions in flight, only the one after the stake was made counts for it. */
static void stake_between_two_convictions_owes_for_the_second(void **state)
{
	(void)state;
	struct state *s = purses();
	struct qoffence first = offence(1, 8), second = offence(1, 11);
	struct draft lock = {{point(20, 0)}, {to_lock(A, 100, QLOCK_STAKE, 1)}, 1, 1, 1U << A};
	struct overlay *in_flight[5] = {NULL}; /* at the heights 9 to 12, from 1 on */

	hold(s, held(20, A, 100, QLOCK_NONE, 0, 2));
	for (unsigned i = 1; i < 5; i++)
		in_flight[i] = overlay_new(s, in_flight[i - 1], qheight_of(8 + i));
	struct tx *tx = finish(&lock);
	struct draft move = {{output_of(tx, 0)}, {to_lock(A, 100, QLOCK_RELEASE, 1)}, 1, 1, 1U << A};
	assert_int_equal(add(in_flight[1], accuse_with(1, &first)), TX_OK);
	assert_int_equal(overlay_add(in_flight[2], tx), TX_OK);
	assert_int_equal(check_on(s, in_flight[4], move, 12), TX_OK);
	assert_int_equal(add(in_flight[3], accuse_with(2, &second)), TX_OK);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(check_on(s, in_flight[4], move, 12), TX_PENALTY);
		if (i < 4)
			overlay_apply(in_flight[i], s, 1);
	}
	for (unsigned i = 1; i < 5; i++)
		overlay_unref(in_flight[i]);
	tx_unref(tx);
	state_free(s);
}

/* A block at 9 in which A moves its stake to STAKE, its other stake to RELEASE, C stakes, and 1 is convicted.
 */
static void apply_in_order(struct state *s, const unsigned order[4])
{
	struct qoffence o = offence(1, 9);
	struct draft d[4] = {
	    {{point(20, 0)}, {to_lock(A, 100, QLOCK_STAKE, 1)}, 1, 1, 1U << A},
	    {{point(21, 0)}, {to_lock(A, 100, QLOCK_RELEASE, 1)}, 1, 1, 1U << A},
	    {{point(2, 0)}, {to_lock(C, 7, QLOCK_STAKE, 1)}, 1, 1, 1U << C},
	    accuse_with(1, &o),
	};
	struct overlay *overlay = overlay_new(s, NULL, qheight_of(9));

	hold(s, held(20, A, 100, QLOCK_STAKE, 1, 2));
	hold(s, held(21, A, 100, QLOCK_STAKE, 1, 2));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(add(overlay, d[order[i]]), TX_OK);
	overlay_apply(overlay, s, 1);
	overlay_unref(overlay);
}

struct owed {
	const struct state *s;
	uint64_t sum, locked;
};

static void add_owed(void *ctx, const struct unspent *u)
{
	struct owed *o = ctx;
	struct qheight c = stake_convicted(o->s, NULL, u, qheight_of(100));

	o->sum += stake_penalty(&rules.g, u, c);
	o->locked += u->out.lock.kind == QLOCK_NONE ? 0 : u->out.amount;
}

static void the_order_within_a_block_changes_nothing(void **state)
{
	(void)state;
	struct qhash first, digest;
	unsigned orders = 0;

	for (unsigned code = 0; code < 256; code++) {
		const unsigned order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
		if ((1U << order[0] | 1U << order[1] | 1U << order[2] | 1U << order[3]) != 15)
			continue;
		struct state *s = purses();
		struct owed o = {.s = s};
		apply_in_order(s, order);
		assert_stake(s, 1, 0, 0); /* whatever was locked in that block is liable, too */
		state_each(s, add_owed, &o);
		assert_int_equal(o.locked, 207);
		assert_int_equal(o.sum, 10 + 10 + 1);
		state_digest(s, &digest);
		if (orders++ == 0)
			first = digest;
		assert_true(qhash_eq(&digest, &first));
		state_free(s);
	}
	assert_int_equal(orders, 24);
}

/* ---- what is staked ------------------------------------------------------------------------- */

static void the_owner_decides_whose_stake_it_is(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g);

	hold(s, held(1, 1, 100, QLOCK_STAKE, 1, 0));
	hold(s, held(2, 2, 30, QLOCK_STAKE, 1, 0)); /* another replica's account delegates like anybody */
	hold(s, held(3, A, 5, QLOCK_STAKE, 1, 0));
	hold(s, held(4, A, 1000, QLOCK_NONE, 0, 0));
	hold(s, held(5, 1, 1000, QLOCK_RELEASE, 1, 0));
	hold(s, held(6, 1, 1000, QLOCK_FROZEN, 1, 0));
	hold(s, held(7, A, 8, QLOCK_STAKE, 3, 0));
	assert_stake(s, 0, 0, 0);
	assert_stake(s, 1, 100, 35);
	assert_stake(s, 2, 0, 0);
	assert_stake(s, 3, 0, 8);
	state_remove(s, &(struct qoutpoint){point(2, 0).tx, 0});
	assert_stake(s, 1, 100, 5);
	state_free(s);
}

static void an_epochs_end_settles_what_is_staked_after_it(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g);
	const struct qstaking *st = state_staking(s);

	state_begin(s); /* the genesis' outputs are free: a table of nothing */
	assert_int_equal(st->settled.settled_len, 1);
	assert_int_equal(st->settled.settled_val[0].height.n, 0);
	assert_int_equal(state_value(s), rules.g.supply);
	for (uint64_t h = 1; h <= 5 * EPOCH; h++) {
		struct overlay *o = overlay_new(s, NULL, qheight_of(h));
		hold(s, held((uint8_t)(100 + h), A, h, QLOCK_NONE, 0, h - 1));
		struct draft d = {
		    {point((uint8_t)(100 + h), 0)}, {to_lock(A, h, QLOCK_STAKE, 2)}, 1, 1, 1U << A};
		assert_int_equal(add(o, d), TX_OK);
		overlay_apply(o, s, 1);
		overlay_unref(o);
		uint64_t ends = h / EPOCH, newest = ends * EPOCH;
		assert_int_equal(st->settled.settled_len, ends == 0 ? 1 : 2);
		const struct qtable *t = &st->settled.settled_val[st->settled.settled_len - 1];
		assert_int_equal(t->height.n, newest);
		assert_int_equal(t->stakes.stakes_len, REPLICAS);
		assert_int_equal(t->stakes.stakes_val[2].delegated, newest * (newest + 1) / 2);
		if (ends > 0)
			assert_int_equal(t[-1].height.n, newest - EPOCH);
	}
	state_free(s);
}

/* Whatever height above the executed one somebody asks about, up to a whole epoch: its table is there. */
static void two_tables_are_what_all_heights_in_reach_need(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g);
	const struct qstaking *st = state_staking(s);

	state_begin(s);
	for (uint64_t executed = 0; executed < 6 * EPOCH; executed++) {
		if (executed > 0)
			pass(s, executed);
		for (uint64_t h = executed + 1; h <= executed + EPOCH; h++) {
			struct qheight want = schedule_settled(stake(&rules.g), qheight_of(h));
			bool found = false;
			for (unsigned i = 0; i < st->settled.settled_len; i++)
				found = found || st->settled.settled_val[i].height.n == want.n;
			assert_true(found);
		}
	}
	state_free(s);
}

static void the_genesis_outputs_are_the_first_stake(void **state)
{
	(void)state;
	struct genesis g = rules.g;
	struct qoutput allocations[3] = {to_lock(0, 60, QLOCK_STAKE, 0), to_lock(A, 30, QLOCK_STAKE, 0),
	                                 to_lock(A, 10, QLOCK_NONE, 0)};

	g.g.allocations.allocations_val = allocations;
	g.g.allocations.allocations_len = 3;
	struct state *s = state_new(&g);
	state_begin(s);
	assert_stake(s, 0, 60, 30);
	const struct qtable *t = &state_staking(s)->settled.settled_val[0];
	assert_int_equal(t->stakes.stakes_val[0].own, 60);
	assert_int_equal(t->stakes.stakes_val[0].delegated, 30);
	assert_int_equal(state_find(s, &(struct qoutpoint){g.txid, 1})->made_at.n, 0);
	assert_int_equal(state_count(s), 3);
	state_free(s);
	s = state_new(&plain);
	state_begin(s);
	assert_int_equal(state_count(s), 2);
	assert_int_equal(state_staking(s)->settled.settled_len, 0);
	state_free(s);
}

static void a_scratch_state_knows_the_convictions_of_the_other(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g), *scratch = state_scratch(s);
	struct draft d = {{point(1, 0)}, {to_lock(A, 100, QLOCK_RELEASE, 1)}, 1, 1, 1U << A};
	struct qoffence o = offence(1, 8);

	hold(scratch, held(1, A, 100, QLOCK_STAKE, 1, 4));
	hold(scratch, held(9, C, 7, QLOCK_NONE, 0, 4));
	assert_int_equal(check(scratch, d, 11), TX_OK);
	assert_int_equal(check(scratch, accuse(&o), 11), TX_OK);
	state_convict(s, 1, qheight_of(10)); /* after the scratch state was made */
	assert_int_equal(check(scratch, d, 11), TX_PENALTY);
	assert_int_equal(check(scratch, accuse(&o), 11), TX_OLD_OFFENCE);
	assert_int_equal(state_count(s), 0);
	state_free(scratch);
	state_free(s);
}

/* ---- the digest --------------------------------------------------------------------------------- */

static void the_digest_with_stake_is_what_it_always_was(void **state)
{
	(void)state;
	struct state *s = state_new(&rules.g);
	struct genesis g = rules.g;
	struct qstake first[REPLICAS] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
	struct qstake second[REPLICAS] = {{9, 0}, {0, 9}, {1, 1}, {2, 2}};
	struct unspent u[5] = {
	    held(1, 0, 10, QLOCK_NONE, 0, 0),    held(2, 0, 40, QLOCK_STAKE, 1, 260),
	    held(3, 0, 8, QLOCK_STAKE, 2, 9),    held(4, 0, 3, QLOCK_RELEASE, 2, 100),
	    held(4, 0, 2, QLOCK_FROZEN, 2, 100),
	};
	struct qhash digest;

	state_free(s);
	stake(&g)->delegator_penalty = 0;
	s = state_new(&g);
	state_convict(s, 2, qheight_of(200));
	state_convict(s, 2, qheight_of(250));
	for (unsigned i = 0; i < 5; i++) {
		u[i].point.index = (unsigned[]){0, 7, 1, 2, 3}[i];
		memset(u[i].out.owner.b, i == 0 || i >= 3 ? 5 : 6, sizeof u[i].out.owner.b);
		state_insert(s, &u[i]);
	}
	state_settle(s, &(struct qtable){{192}, {REPLICAS, first}});
	state_settle(s, &(struct qtable){{384}, {REPLICAS, second}});
	state_digest(s, &digest);
	rules_golden(digest.b, "af96da45ef7863cc6546a76c516b22ea8428a4be649d73fb4622bf49975a1480");
	state_free(s);
}

/* Each makes another state of the same outputs, or of nearly the same. */
static void edit_state(struct state *s, unsigned which)
{
	static struct qstake table[REPLICAS] = {{1, 2}}, other[REPLICAS] = {{2, 1}};
	struct unspent u = held(1, A, 100, QLOCK_STAKE, 1, 5);

	if (which == 1)
		u.out.lock.kind = QLOCK_RELEASE;
	if (which == 2)
		u.out.lock.qlock_u.replica = 2;
	if (which == 3)
		u.made_at.n = 6;
	if (which == 4 || which == 5)
		state_convict(s, 3, qheight_of(which));
	if (which == 5 || which == 6)
		state_convict(s, 3, qheight_of(7)); /* 5: the second; the last one is the same */
	if (which == 7)
		state_convict(s, 2, qheight_of(7));
	state_insert(s, &u);
	if (which == 8)
		state_settle(s, &(struct qtable){{0}, {REPLICAS, table}});
	if (which == 9)
		state_settle(s, &(struct qtable){{0}, {REPLICAS, other}});
	if (which == 10)
		state_settle(s, &(struct qtable){{4}, {REPLICAS, table}});
}

static void the_digest_covers_locks_convictions_and_tables(void **state)
{
	(void)state;
	struct qhash digests[11];

	for (int i = 0; i < 11; i++) {
		struct state *s = state_new(&rules.g);
		edit_state(s, (unsigned)i);
		state_digest(s, &digests[i]);
		state_free(s);
		for (int k = 0; k < i; k++)
			if (qhash_eq(&digests[i], &digests[k]))
				fail_msg("states %d and %d have one digest", i, k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_penalty_is_the_percentage_rounded_up),
	    cmocka_unit_test(a_conviction_counts_for_what_was_locked_by_then),
	    cmocka_unit_test(delegations_go_on_counting_where_they_cost_nothing),
	    cmocka_unit_test(free_outputs_may_become_stake_and_nothing_else_that_is_locked),
	    cmocka_unit_test(without_stake_nothing_may_be_locked),
	    cmocka_unit_test(stake_moves_only_to_its_owner_and_for_its_replica),
	    cmocka_unit_test(what_is_released_is_free_after_the_delay_and_what_is_frozen_never),
	    cmocka_unit_test(who_moves_stake_of_the_convicted_leaves_the_penalty_behind),
	    cmocka_unit_test(stake_locked_after_the_conviction_is_free_of_it),
	    cmocka_unit_test(nobodys_value_is_frozen_for_anothers),
	    cmocka_unit_test(another_conviction_takes_no_penalty_away),
	    cmocka_unit_test(a_conviction_after_the_delay_costs_what_was_released_nothing),
	    cmocka_unit_test(an_offence_is_newer_than_the_conviction_and_not_of_the_future),
	    cmocka_unit_test(without_stake_there_are_no_offences),
	    cmocka_unit_test(one_conviction_atones_in_flight_as_on_disk),
	    cmocka_unit_test(a_conviction_in_a_block_that_never_came_is_none),
	    cmocka_unit_test(penalties_are_due_from_the_block_above_the_conviction),
	    cmocka_unit_test(stake_between_two_convictions_owes_for_the_second),
	    cmocka_unit_test(the_order_within_a_block_changes_nothing),
	    cmocka_unit_test(the_owner_decides_whose_stake_it_is),
	    cmocka_unit_test(an_epochs_end_settles_what_is_staked_after_it),
	    cmocka_unit_test(two_tables_are_what_all_heights_in_reach_need),
	    cmocka_unit_test(the_genesis_outputs_are_the_first_stake),
	    cmocka_unit_test(a_scratch_state_knows_the_convictions_of_the_other),
	    cmocka_unit_test(the_digest_with_stake_is_what_it_always_was),
	    cmocka_unit_test(the_digest_covers_locks_convictions_and_tables),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
