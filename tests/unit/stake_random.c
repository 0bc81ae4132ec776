/*
 * stake_random.c: blocks in flight with stake, releases and convictions at random, against a version that
 * knows nothing but a list of outputs, a list of convictions, and the rules of state.h one after the other.
 *
 * Links: q_ledger
 */
#include "schedule.h"
#include "staked.h"

#define COINS_MAX 900
#define DEPTH_MAX 5
#define CONVICTIONS_MAX 256

/* All coins and convictions up to one overlay. */
struct model {
	struct {
		struct unspent u;
		unsigned owner;
		int spent_in; /* 0: unspent */
		struct qtxid by;
	} coins[COINS_MAX];
	size_t cnt;
	struct {
		unsigned replica;
		uint64_t height;
	} convictions[CONVICTIONS_MAX];
	size_t conviction_cnt;
};

struct world {
	uint64_t random;
	struct genesis g;
	struct state *s;
	int applied, depth; /* heights of the last applied overlay, and overlays in flight above it */
	struct overlay *overlays[DEPTH_MAX + 1]; /* [1 .. depth] */
	struct model *models;                    /* [0 .. depth] */
	struct qstake tables[100][REPLICAS];     /* [e]: after height e * EPOCH */
	unsigned long verdicts[TX_VERDICT_CNT];  /* how often each came */
};

static unsigned pick(struct world *w, unsigned below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (unsigned)(w->random >> 33) % below;
}

static bool dumb_is_own(const struct qoutput *out)
{
	return owner_index(&out->owner) == out->lock.qlock_u.replica;
}

/* What stays frozen of it in a block at `height`. */
static uint64_t dumb_penalty(const struct world *w, const struct model *m, const struct unspent *u,
                             uint64_t height)
{
	const struct qstake_rules *r = &w->g.g.proposer.qproposer_rules_u.stake;
	bool due = false;

	for (size_t i = 0; i < m->conviction_cnt; i++) {
		uint64_t c = m->convictions[i].height;
		if (m->convictions[i].replica == u->out.lock.qlock_u.replica && c < height &&
		    c >= u->made_at.n)
			due = due || u->out.lock.kind == QLOCK_STAKE ||
			      (u->out.lock.kind == QLOCK_RELEASE && c < u->made_at.n + r->unbonding);
	}
	if (!due)
		return 0;
	uint64_t percent = dumb_is_own(&u->out) ? r->penalty : r->delegator_penalty;
	return (u->out.amount * percent + 99) / 100; /* amounts are small here */
}

static void dumb_stakes(const struct world *w, const struct model *m, struct qstake sums[REPLICAS])
{
	const struct qstake_rules *r = &w->g.g.proposer.qproposer_rules_u.stake;

	memset(sums, 0, REPLICAS * sizeof *sums);
	for (size_t i = 0; i < m->cnt; i++) {
		const struct unspent *u = &m->coins[i].u;
		unsigned replica = u->out.lock.qlock_u.replica;
		bool convicted = false;
		if (m->coins[i].spent_in || u->out.lock.kind != QLOCK_STAKE)
			continue;
		for (size_t k = 0; k < m->conviction_cnt; k++)
			convicted = convicted || (m->convictions[k].replica == replica &&
			                          m->convictions[k].height >= u->made_at.n);
		if (dumb_is_own(&u->out))
			sums[replica].own += convicted ? 0 : u->out.amount;
		else
			sums[replica].delegated += convicted && r->delegator_penalty > 0 ? 0 : u->out.amount;
	}
}

static long find_coin(const struct model *m, const struct qoutpoint *p)
{
	for (size_t c = 0; c < m->cnt; c++)
		if (qoutpoint_eq(&m->coins[c].u.point, p))
			return (long)c;
	return -1;
}

/* ---- the rules, one after the other */

static enum tx_verdict dumb_inputs(const struct world *w, const struct model *m, const struct tx *tx,
                                   const struct unspent *ins[DRAFT_MAX], struct qtxid *spender)
{
	unsigned owners = 0, witnesses = 0;

	for (unsigned i = 0; i < tx->q.witnesses.witnesses_len; i++)
		witnesses |= 1U << owner_index(&tx->owners[i]);
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		long c = find_coin(m, &tx->q.body.inputs.inputs_val[i]);
		if (c < 0 || (m->coins[c].spent_in && m->coins[c].spent_in <= w->applied))
			return TX_UNKNOWN_OUTPUT;
		if (m->coins[c].spent_in) {
			*spender = m->coins[c].by;
			return TX_DOUBLE_SPEND;
		}
		owners |= 1U << m->coins[c].owner;
		if (owners & ~witnesses)
			return TX_WRONG_WITNESS;
		ins[i] = &m->coins[c].u;
	}
	return owners == witnesses ? TX_OK : TX_WRONG_WITNESS;
}

static bool same_pair(const struct qoutput *a, const struct qoutput *b)
{
	return memcmp(&a->owner, &b->owner, sizeof a->owner) == 0 &&
	       a->lock.qlock_u.replica == b->lock.qlock_u.replica;
}

static enum tx_verdict dumb_frozen(const struct world *w, const struct model *m, const struct tx *tx,
                                   const struct unspent *const *ins, uint64_t height)
{
	const struct qtx_body *b = &tx->q.body;
	enum tx_verdict v = TX_OK;

	for (unsigned o = 0; o < b->outputs.outputs_len; o++) {
		const struct qoutput *out = &b->outputs.outputs_val[o];
		bool spends = false;
		if (out->lock.kind != QLOCK_FROZEN)
			continue;
		for (unsigned i = 0; i < b->inputs.inputs_len; i++)
			spends =
			    spends || (ins[i]->out.lock.kind != QLOCK_NONE && same_pair(&ins[i]->out, out));
		if (!spends)
			return TX_BAD_LOCK;
	}
	for (unsigned k = 0; k < b->inputs.inputs_len; k++) { /* the pair of each input */
		uint64_t due = 0, frozen = 0;
		if (ins[k]->out.lock.kind == QLOCK_NONE)
			continue;
		for (unsigned i = 0; i < b->inputs.inputs_len; i++)
			if (ins[i]->out.lock.kind != QLOCK_NONE && same_pair(&ins[i]->out, &ins[k]->out))
				due += dumb_penalty(w, m, ins[i], height);
		for (unsigned o = 0; o < b->outputs.outputs_len; o++)
			if (b->outputs.outputs_val[o].lock.kind == QLOCK_FROZEN &&
			    same_pair(&b->outputs.outputs_val[o], &ins[k]->out))
				frozen += b->outputs.outputs_val[o].amount;
		if (due != frozen)
			v = TX_PENALTY;
	}
	return v;
}

static enum tx_verdict dumb_locks(const struct world *w, const struct tx *tx,
                                  const struct unspent *const *ins, uint64_t height)
{
	const struct qtx_body *b = &tx->q.body;
	bool moves = false;

	for (unsigned i = 0; i < b->inputs.inputs_len; i++) {
		uint64_t free_at = ins[i]->made_at.n + w->g.g.proposer.qproposer_rules_u.stake.unbonding;
		if (ins[i]->out.lock.kind == QLOCK_FROZEN ||
		    (ins[i]->out.lock.kind == QLOCK_RELEASE && height < free_at))
			return TX_LOCKED;
		moves = moves || ins[i]->out.lock.kind == QLOCK_STAKE;
	}
	for (unsigned i = 0; moves && i < b->inputs.inputs_len; i++)
		if (ins[i]->out.lock.kind != QLOCK_STAKE || !same_pair(&ins[i]->out, &ins[0]->out))
			return TX_BAD_LOCK;
	for (unsigned o = 0; o < b->outputs.outputs_len; o++) {
		const struct qoutput *out = &b->outputs.outputs_val[o];
		if (moves && (out->lock.kind == QLOCK_NONE || !same_pair(out, &ins[0]->out)))
			return TX_BAD_LOCK;
		if (!moves && (out->lock.kind == QLOCK_RELEASE ||
		               (out->lock.kind != QLOCK_NONE && out->lock.qlock_u.replica >= REPLICAS)))
			return TX_BAD_LOCK;
	}
	return TX_OK;
}

static enum tx_verdict dumb_offence(const struct model *m, const struct tx *tx, uint64_t height)
{
	if (tx->q.body.offence.offence_len == 0)
		return TX_OK;
	const struct qoffence *o = tx->q.body.offence.offence_val;
	if (o->replica >= REPLICAS)
		return TX_BAD_OFFENCE;
	if (o->first.height.n > height)
		return TX_EARLY_OFFENCE;
	for (size_t i = 0; i < m->conviction_cnt; i++)
		if (m->convictions[i].replica == o->replica && m->convictions[i].height >= o->first.height.n)
			return TX_OLD_OFFENCE;
	return TX_OK;
}

static enum tx_verdict dumb_check(const struct world *w, const struct model *m, const struct tx *tx,
                                  uint64_t height, struct qtxid *spender)
{
	const struct unspent *ins[DRAFT_MAX];
	uint64_t in = 0, out = 0;

	enum tx_verdict v = dumb_inputs(w, m, tx, ins, spender);
	if (v != TX_OK)
		return v;
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++)
		in += ins[i]->out.amount;
	for (unsigned i = 0; i < tx->q.body.outputs.outputs_len; i++)
		out += tx->q.body.outputs.outputs_val[i].amount;
	if (in != out)
		return TX_UNBALANCED;
	v = dumb_locks(w, tx, ins, height);
	if (v == TX_OK)
		v = dumb_frozen(w, m, tx, ins, height);
	return v == TX_OK ? dumb_offence(m, tx, height) : v;
}

static void dumb_add(struct model *m, const struct tx *tx, int number)
{
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		long c = find_coin(m, &tx->q.body.inputs.inputs_val[i]);
		m->coins[c].spent_in = number;
		m->coins[c].by = tx->id;
	}
	for (unsigned i = 0; i < tx->q.body.outputs.outputs_len; i++) {
		const struct qoutput *out = &tx->q.body.outputs.outputs_val[i];
		m->coins[m->cnt].u = (struct unspent){
		    .point = output_of(tx, i), .out = *out, .made_at = qheight_of((uint64_t)number)};
		m->coins[m->cnt].owner = owner_index(&out->owner);
		m->coins[m->cnt++].spent_in = 0;
	}
	if (tx->q.body.offence.offence_len > 0) {
		m->convictions[m->conviction_cnt].replica = tx->q.body.offence.offence_val->replica;
		m->convictions[m->conviction_cnt++].height = (uint64_t)number;
	}
}

/* ---- drafts that are mostly right */

/* A coin that may go into this draft (of A stake the same owner's and replica's), or -1. */
static long pick_coin(struct world *w, const struct model *m, const struct draft *d, bool moves,
                      uint64_t height)
{
	for (int tries = 0; tries < 60; tries++) {
		long c = (long)pick(w, (unsigned)m->cnt);
		const struct unspent *u = &m->coins[c].u;
		long first = d->in_cnt > 0 ? find_coin(m, &d->in[0]) : -1;
		bool free_now = u->out.lock.kind == QLOCK_NONE ||
		                (u->out.lock.kind == QLOCK_RELEASE &&
		                 height >= u->made_at.n + w->g.g.proposer.qproposer_rules_u.stake.unbonding);
		bool taken = false;
		for (unsigned i = 0; i < d->in_cnt; i++)
			taken = taken || qoutpoint_eq(&d->in[i], &u->point);
		if (taken || (m->coins[c].spent_in && pick(w, 40) > 0))
			continue;
		if (pick(w, 60) == 0)
			return c; /* any */
		if (moves ? u->out.lock.kind == QLOCK_STAKE &&
		                (first < 0 || same_pair(&u->out, &m->coins[first].u.out))
		          : free_now)
			return c;
	}
	return -1;
}

/* The penalties that are due, each pair's as one output; returns their sum. */
static uint64_t freeze(const struct world *w, const struct model *m, struct draft *d, uint64_t height)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < d->in_cnt; i++) {
		const struct unspent *u = &m->coins[find_coin(m, &d->in[i])].u;
		uint64_t due = u->out.lock.kind == QLOCK_NONE ? 0 : dumb_penalty(w, m, u, height);
		struct qoutput out = u->out;
		unsigned k = 0;
		out.lock.kind = QLOCK_FROZEN;
		out.amount = due;
		if (due == 0)
			continue;
		while (k < d->out_cnt && !same_pair(&d->out[k], &out))
			k++;
		if (k < d->out_cnt)
			d->out[k].amount += due;
		else
			d->out[d->out_cnt++] = out;
		sum += due;
	}
	return sum;
}

static struct qoutput random_output(struct world *w, const struct qoutput *moved, uint64_t amount)
{
	if (moved)
		return (struct qoutput){moved->owner,
		                        amount,
		                        {.kind = pick(w, 2) ? QLOCK_STAKE : QLOCK_RELEASE,
		                         .qlock_u.replica = moved->lock.qlock_u.replica}};
	unsigned owner = pick(w, OWNERS);
	return to_lock(owner, amount, pick(w, 2) ? QLOCK_STAKE : QLOCK_NONE,
	               pick(w, 2) && owner < REPLICAS ? owner : pick(w, REPLICAS));
}

static void spoil(struct world *w, struct draft *d)
{
	struct qoutput *out = &d->out[pick(w, d->out_cnt)];

	switch (pick(w, 6)) {
	case 0:
		out->lock.kind = (enum qlock_kind)pick(w, 4);
		break;
	case 1:
		out->lock.qlock_u.replica = pick(w, REPLICAS + 1);
		break;
	case 2:
		out->owner = addresses[pick(w, OWNERS)];
		break;
	case 3:
		out->amount += pick(w, 2) ? 1 : 0;
		break;
	case 4: /* from one output to another */
		if (out->amount > 1) {
			out->amount--;
			d->out[pick(w, d->out_cnt)].amount++;
		}
		break;
	default:
		d->owners ^= 1U << pick(w, OWNERS);
	}
}

static struct tx *random_tx(struct world *w, const struct model *m, uint64_t height)
{
	struct draft d = {.in_cnt = 0};
	bool moves = pick(w, 2) == 0;
	unsigned want = 1 + pick(w, 3);
	uint64_t sum = 0;
	struct qoffence o;

	while (d.in_cnt < want) {
		long c = pick_coin(w, m, &d, moves, height);
		if (c < 0)
			break;
		d.in[d.in_cnt++] = m->coins[c].u.point;
		d.owners |= 1U << m->coins[c].owner;
		sum += m->coins[c].u.out.amount;
	}
	if (d.in_cnt == 0)
		return NULL;
	if (pick(w, 12) > 0)
		sum -= freeze(w, m, &d, height);
	const struct qoutput *moved = moves ? &m->coins[find_coin(m, &d.in[0])].u.out : NULL;
	unsigned most = d.out_cnt + 3;
	while (sum > 0 && d.out_cnt < most) {
		uint64_t part = d.out_cnt == most - 1 || pick(w, 2) == 0 ? sum : 1 + pick(w, (unsigned)sum);
		d.out[d.out_cnt++] = random_output(w, moved, part);
		sum -= part;
	}
	if (pick(w, 4) == 0)
		spoil(w, &d);
	if (pick(w, 12) == 0) {
		o = offence(pick(w, REPLICAS + (pick(w, 8) == 0)), 1 + pick(w, (unsigned)height + 1));
		d.offence = &o;
	}
	return finish(&d); /* NULL: an amount of nothing, no witness */
}

/* ---- steps */

/* The state is the bottom model, to the digest, and the sums are what adding up gives. */
static void assert_same_state(struct world *w)
{
	const struct model *m = &w->models[0];
	struct state *fresh = state_new(&w->g);
	struct qstake sums[REPLICAS];
	struct qhash got, want;
	unsigned epoch = (unsigned)w->applied / EPOCH;

	dumb_stakes(w, m, sums);
	for (unsigned i = 0; i < REPLICAS; i++)
		assert_stake(w->s, i, sums[i].own, sums[i].delegated);
	if (w->applied % EPOCH == 0)
		memcpy(w->tables[epoch], sums, sizeof sums);
	for (size_t i = 0; i < m->conviction_cnt; i++)
		state_convict(fresh, m->convictions[i].replica, qheight_of(m->convictions[i].height));
	for (size_t c = m->cnt; c-- > 0;)
		if (!m->coins[c].spent_in)
			state_insert(fresh, &m->coins[c].u);
	for (unsigned e = epoch > 0 ? epoch - 1 : 0; e <= epoch; e++)
		state_settle(fresh,
		             &(struct qtable){qheight_of((uint64_t)e * EPOCH), {REPLICAS, w->tables[e]}});
	state_digest(fresh, &want);
	state_digest(w->s, &got);
	assert_int_equal(state_value(w->s), state_value(fresh));
	assert_true(qhash_eq(&got, &want));
	state_free(fresh);
}

static void step_add(struct world *w)
{
	int at = pick(w, 4) == 0 ? (int)pick(w, (unsigned)w->depth + 1) : w->depth;
	struct model *m = &w->models[at];
	uint64_t height = (unsigned)(w->applied + (at ? at : 1));
	struct tx *tx = random_tx(w, &w->models[w->depth], height);
	struct qtxid want_spender = {0}, spender = {0};

	if (!tx)
		return;
	enum tx_verdict want = dumb_check(w, m, tx, height, &want_spender);
	enum tx_verdict got =
	    state_check(w->s, at ? w->overlays[at] : NULL, tx, qheight_of(height), &spender);
	if (got != want)
		fail_msg("at height %d: %s instead of %s", (int)height, tx_verdict_info(got)->code,
		         tx_verdict_info(want)->code);
	assert_true(qtxid_eq(&spender, &want_spender));
	w->verdicts[got]++;
	if (at == w->depth && at > 0 && m->cnt < COINS_MAX - DRAFT_MAX &&
	    m->conviction_cnt < CONVICTIONS_MAX) {
		assert_int_equal(overlay_add(w->overlays[at], tx), want);
		if (want == TX_OK)
			dumb_add(m, tx, w->applied + at);
	}
	tx_unref(tx);
}

static void step_push(struct world *w)
{
	if (w->depth == DEPTH_MAX || w->applied + w->depth > 90 * EPOCH)
		return;
	w->overlays[w->depth + 1] = overlay_new(w->s, w->depth ? w->overlays[w->depth] : NULL,
	                                        qheight_of((uint64_t)(w->applied + w->depth + 1)));
	w->models[w->depth + 1] = w->models[w->depth];
	w->depth++;
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

static void begin(struct world *w, uint64_t seed, uint64_t *supply)
{
	static const unsigned percents[4][2] = {{50, 10}, {100, 0}, {1, 100}, {0, 33}};
	struct model *m;

	*w = (struct world){.random = seed * 0x9e3779b97f4a7c15, .g = rules.g};
	stake(&w->g)->penalty = percents[seed % 4][0];
	stake(&w->g)->delegator_penalty = percents[seed % 4][1];
	w->s = state_new(&w->g);
	w->models = xcalloc(DEPTH_MAX + 1, sizeof *w->models);
	m = &w->models[0];
	for (uint8_t i = 0; i < 30; i++) {
		struct qoutput out =
		    to_lock(i % OWNERS, 150U + i, i % 3 == 0 ? QLOCK_STAKE : QLOCK_NONE, i % REPLICAS);
		m->coins[i].u = (struct unspent){.point = point(i, 0), .out = out};
		m->coins[i].owner = i % OWNERS;
		*supply += out.amount;
		state_insert(w->s, &m->coins[i].u);
	}
	m->cnt = 30;
	dumb_stakes(w, m, w->tables[0]);
	state_settle(w->s, &(struct qtable){{0}, {REPLICAS, w->tables[0]}});
	assert_same_state(w);
}

static void random_stakes_in_flight_equal_the_dumb_version(void **state)
{
	(void)state;
	unsigned long verdicts[TX_VERDICT_CNT] = {0};

	for (uint64_t seed = 1; seed <= 24; seed++) {
		struct world w;
		uint64_t supply = 0;
		begin(&w, seed, &supply);
		for (int step = 0; step < 700; step++) {
			unsigned what = pick(&w, 20);
			if (what < 13)
				step_add(&w);
			else if (what < 16)
				step_push(&w);
			else if (what < 17 && w.depth > 0)
				overlay_unref(w.overlays[w.depth--]); /* a branch that came to nothing */
			else
				step_apply(&w);
			assert_int_equal(state_value(w.s), supply); /* nothing is ever destroyed */
		}
		while (w.depth > 0)
			step_apply(&w);
		for (int v = 0; v < TX_VERDICT_CNT; v++)
			verdicts[v] += w.verdicts[v];
		free(w.models);
		state_free(w.s);
	}
	/* It went everywhere. */
	static const enum tx_verdict met[] = {TX_OK,           TX_WRONG_WITNESS, TX_UNBALANCED,
	                                      TX_BAD_LOCK,     TX_PENALTY,       TX_BAD_OFFENCE,
	                                      TX_OLD_OFFENCE,  TX_EARLY_OFFENCE, TX_LOCKED,
	                                      TX_DOUBLE_SPEND, TX_UNKNOWN_OUTPUT};
	for (size_t i = 0; i < sizeof met / sizeof *met; i++)
		if (verdicts[met[i]] < 10)
			fail_msg("only %lu times %s", verdicts[met[i]], tx_verdict_info(met[i])->code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_stakes_in_flight_equal_the_dumb_version),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
