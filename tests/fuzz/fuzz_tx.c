/*
 * fuzz_tx.c: transactions: what tx_parse() takes is canonical and keeps the rules, judged here by plain
 * loops; a signature holds only under the ids that were really signed; the rules of the ledger are total, and
 * what they let pass takes nothing from anybody: the chain is one by stake, with outputs locked in every way.
 *
 * Links: q_ledger
 */
#include "fuzz.h"
#include "merkle.h"
#include "rules.h"
#include "schedule.h"
#include "state.h"

#define HEIGHT 200    /* of the block that is to hold them */
#define CONVICTED 100 /* replica 1, then */
#define LOCKED_CNT 7u

static struct rules rules;
static struct state *state;
static struct qtxid genuine[FUZZ_SEEDS_MAX];
static size_t genuine_cnt;

static void add(struct tx *tx)
{
	must(tx != NULL && tx_verify(&rules.g, tx));
	genuine[genuine_cnt++] = tx->id;
	fuzz_seed(tx->raw, tx->raw_len);
	tx_unref(tx);
}

/* Both allocations, and two outputs that nobody knows, to `out_cnt` others: two witnesses. */
static void add_wide(unsigned out_cnt)
{
	struct account *one = rules_account(1), *two = rules_account(2);
	const struct account *signers[] = {one, two};
	struct qoutpoint in[4] = {{rules.g.txid, 0}, {rules.g.txid, 1}, {{{7}}, 0}, {{{7}}, 1}};
	struct qoutput out[8];
	struct err err = {0};

	for (uint8_t i = 0; i < out_cnt; i++)
		out[i] = (struct qoutput){rules_address((uint8_t)(3 + i)), 1500 / out_cnt};
	struct qtx_body body = {
	    .inputs = {out_cnt == 1 ? 2 : 4, in}, .outputs = {out_cnt, out}, .expiry = {out_cnt}};
	add(tx_make(&rules.g.chain, &body, signers, 2, &err));
	account_free(one);
	account_free(two);
}

/* One key twice: too many of it, and in no strict order. */
static void add_doubled(void)
{
	const struct bytes *wide = fuzz_seed_at(fuzz_seed_cnt() - 1);
	struct qtx q;

	must(wire_decode(WIRE(qtx), wide->data, wide->len, &q));
	q.witnesses.witnesses_val[1] = q.witnesses.witnesses_val[0];
	struct bytes b = rules_encode(WIRE(qtx), &q);
	fuzz_seed(b.data, b.len);
	bytes_free(&b);
	wire_free(WIRE(qtx), &q);
}

/* ---- locks ------------------------------------------------------------------------------ */

static struct qoutput locked(uint8_t owner, uint64_t amount, enum qlock_kind kind, unsigned replica)
{
	struct qoutput out = {rules_address(owner), amount, {.kind = kind}};

	if (kind != QLOCK_NONE)
		out.lock.qlock_u.replica = replica;
	return out;
}

/* Locked outputs of a transaction that nobody ever made, all of account 1's but the last. */
static const struct {
	enum qlock_kind kind;
	unsigned replica;
	uint64_t made_at;
} locks[LOCKED_CNT] = {{QLOCK_STAKE, 0, 50},   {QLOCK_STAKE, 1, 50},    {QLOCK_STAKE, 1, 150},
                       {QLOCK_RELEASE, 1, 90}, {QLOCK_RELEASE, 0, 199}, {QLOCK_FROZEN, 1, 60},
                       {QLOCK_RELEASE, 1, 95}};

static struct qoutpoint lock_point(unsigned i)
{
	return (struct qoutpoint){{{9}}, i};
}

static struct unspent lock_at(unsigned i)
{
	return (struct unspent){.point = lock_point(i),
	                        .out =
	                            locked(i == LOCKED_CNT - 1 ? 2 : 1, 100, locks[i].kind, locks[i].replica),
	                        .made_at = {locks[i].made_at}};
}

/* What of this one must stay frozen: a tenth, and only of what replica 1 was convicted for in time. */
static uint64_t due(unsigned i)
{
	uint64_t unbonding = stake_rules(&rules.g)->unbonding;

	if (locks[i].replica != 1 || locks[i].made_at > CONVICTED || locks[i].kind == QLOCK_FROZEN)
		return 0;
	return locks[i].kind == QLOCK_STAKE || CONVICTED < locks[i].made_at + unbonding ? 10 : 0;
}

static void add_locking(const struct qoutpoint *in, unsigned in_cnt, const struct qoutput *out,
                        unsigned out_cnt, struct qoffence *offence, enum tx_verdict want)
{
	struct account *one = rules_account(1), *two = rules_account(2);
	const struct account *signers[] = {one, two};
	bool both = in_cnt > 1 && in[1].index == LOCKED_CNT - 1;
	struct err err = {0};
	struct qtx_body body = {.inputs = {in_cnt, (struct qoutpoint *)in},
	                        .outputs = {out_cnt, (struct qoutput *)out},
	                        .offence = {offence ? 1 : 0, offence}};

	struct tx *tx = tx_make(&rules.g.chain, &body, signers, both ? 2 : 1, &err);
	must(tx && state_check(state, NULL, tx, (struct qheight){HEIGHT}, NULL) == want);
	add(tx);
	account_free(one);
	account_free(two);
}

/* One of each thing that stake can do, and near misses. */
static void add_lockings(void)
{
	struct qoutpoint coin = {rules.g.txid, 0}, released[2] = {lock_point(3), lock_point(LOCKED_CNT - 1)};
	struct qoutpoint staked = lock_point(1), safe = lock_point(0);
	struct qoffence fresh = rules_offence(&rules, 2, 7, 1), old = rules_offence(&rules, 1, CONVICTED, 1);
	struct qoutput bond[] = {locked(1, 600, QLOCK_STAKE, 3), locked(3, 400, QLOCK_NONE, 0)};
	struct qoutput part[] = {locked(1, 60, QLOCK_STAKE, 0), locked(1, 40, QLOCK_RELEASE, 0)};
	struct qoutput paid[] = {locked(1, 90, QLOCK_RELEASE, 1), locked(1, 10, QLOCK_FROZEN, 1)};
	struct qoutput freed[] = {locked(1, 10, QLOCK_FROZEN, 1), locked(2, 10, QLOCK_FROZEN, 1),
	                          locked(4, 180, QLOCK_NONE, 0)};
	struct qoutput same[] = {locked(1, 1000, QLOCK_NONE, 0)};

	add_locking(&coin, 1, bond, 2, NULL, TX_OK);
	add_locking(&safe, 1, part, 2, NULL, TX_OK);
	add_locking(&staked, 1, paid, 2, NULL, TX_OK);
	add_locking(released, 2, freed, 3, NULL, TX_OK);
	add_locking(&coin, 1, same, 1, &fresh, TX_OK);
	bond[0].lock.kind = QLOCK_RELEASE;
	add_locking(&coin, 1, bond, 2, NULL, TX_BAD_LOCK);
	freed[1].owner = freed[0].owner;
	add_locking(released, 2, freed, 3, NULL, TX_PENALTY);
	add_locking(&coin, 1, same, 1, &old, TX_OLD_OFFENCE);
}

static void setup(void)
{
	struct err err = {0};

	rules_setup(&rules, 4, "fuzz");
	rules.g.g.params.checkpoint_interval = 4;
	rules.g.g.params.window = 2;
	rules_by_stake(&rules.g.g);
	rules.g.g.proposer.qproposer_rules_u.stake.delegator_penalty = 10;
	must(genesis_finish(&rules.g, &err));
	state = state_new(&rules.g);
	state_convict(state, 1, (struct qheight){CONVICTED});
	for (unsigned i = 0; i < 2; i++) {
		struct unspent u = {.point = {rules.g.txid, i},
		                    .out = rules.g.g.allocations.allocations_val[i]};
		state_insert(state, &u);
	}
	for (unsigned i = 0; i < LOCKED_CNT; i++) {
		struct unspent u = lock_at(i);
		state_insert(state, &u);
	}
	add_lockings();
	add(rules_pay(&rules, 0, ""));
	add(rules_pay(&rules, 1, "a memo of some length"));
	add_wide(1);
	add_wide(8);
	add_doubled();
}

static void teardown(void)
{
	state_free(state);
	rules_teardown(&rules);
}

/* The rules of tx.h, by loops that know nothing of those in tx.c. */
static void check_body(const struct qtx_body *b)
{
	uint64_t sum = 0;

	must(b->inputs.inputs_len >= 1 && b->outputs.outputs_len >= 1);
	for (unsigned i = 0; i < b->outputs.outputs_len; i++) {
		uint64_t amount = b->outputs.outputs_val[i].amount;
		must(amount >= 1 && amount <= INT64_MAX);
		sum += amount;
		must(sum <= INT64_MAX);
	}
	for (unsigned i = 0; i < b->inputs.inputs_len; i++)
		for (unsigned j = 0; j < i; j++)
			must(!qoutpoint_eq(&b->inputs.inputs_val[i], &b->inputs.inputs_val[j]));
	for (unsigned i = 0; i < b->offence.offence_len; i++) {
		const struct qvote *x = &b->offence.offence_val[i].first,
		                   *y = &b->offence.offence_val[i].second;
		must(x->height.n == y->height.n && x->view.n == y->view.n && x->height.n > 0);
		must(!qhash_eq(&x->block, &y->block) || !qhash_eq(&x->state, &y->state));
	}
}

static void check_witnesses(const struct tx *tx)
{
	unsigned cnt = tx->q.witnesses.witnesses_len;

	must(cnt >= 1 && cnt <= tx->q.body.inputs.inputs_len);
	for (unsigned i = 0; i < cnt; i++) {
		struct qaddress a = account_address(&tx->q.witnesses.witnesses_val[i].key);
		must(memcmp(&a, &tx->owners[i], sizeof a) == 0);
		must(i == 0 || memcmp(&tx->owners[i - 1], &a, sizeof a) < 0);
	}
}

static void check_identity(const struct tx *tx, const uint8_t *data, size_t len)
{
	struct bytes again = rules_encode(WIRE(qtx), &tx->q);
	struct qhash leaf;
	struct qtxid id;

	must(again.len == len && memcmp(again.data, data, len) == 0);
	must(tx->raw_len == len && memcmp(tx->raw, data, len) == 0);
	merkle_leaf(data, len, &leaf);
	must(qhash_eq(&leaf, &tx->leaf));
	tx_id(&rules.g.chain, &tx->q.body, &id);
	must(qtxid_eq(&id, &tx->id));
	bytes_free(&again);
}

/* The keys of the genuine ones are not in the input, so every signature that holds is theirs. */
static void check_signatures(const struct tx *tx)
{
	bool known = false;

	for (size_t i = 0; i < genuine_cnt; i++)
		known = known || qtxid_eq(&genuine[i], &tx->id);
	must(known || !tx_verify(&rules.g, tx));
}

static bool same_pair(const struct qoutput *a, const struct qoutput *b)
{
	return memcmp(a->owner.b, b->owner.b, sizeof a->owner.b) == 0 &&
	       a->lock.qlock_u.replica == b->lock.qlock_u.replica;
}

/* For whomever and whatever input i is locked: what is due of it is what is frozen. */
static void check_pair(const struct qtx_body *b, const struct qoutput *pair)
{
	uint64_t owed = 0, frozen = 0;

	for (unsigned i = 0; i < LOCKED_CNT; i++) {
		struct unspent u = lock_at(i);
		for (unsigned k = 0; k < b->inputs.inputs_len; k++)
			if (qoutpoint_eq(&b->inputs.inputs_val[k], &u.point) && same_pair(&u.out, pair))
				owed += due(i);
	}
	for (unsigned k = 0; k < b->outputs.outputs_len; k++) {
		const struct qoutput *out = &b->outputs.outputs_val[k];
		if (out->lock.kind == QLOCK_FROZEN && same_pair(out, pair))
			frozen += out->amount;
	}
	must(owed == frozen);
}

static void check_locks(const struct qtx_body *b)
{
	const struct unspent *stake = NULL;

	for (unsigned i = 0; i < b->inputs.inputs_len; i++) {
		const struct unspent *u = state_find(state, &b->inputs.inputs_val[i]);
		must(u->out.lock.kind != QLOCK_FROZEN);
		must(u->out.lock.kind != QLOCK_RELEASE ||
		     HEIGHT >= u->made_at.n + stake_rules(&rules.g)->unbonding);
		if (u->out.lock.kind == QLOCK_STAKE)
			stake = u;
		if (u->out.lock.kind != QLOCK_NONE)
			check_pair(b, &u->out);
	}
	for (unsigned i = 0; stake && i < b->inputs.inputs_len; i++) {
		const struct unspent *u = state_find(state, &b->inputs.inputs_val[i]);
		must(u->out.lock.kind == QLOCK_STAKE && same_pair(&u->out, &stake->out));
	}
	for (unsigned i = 0; i < b->outputs.outputs_len; i++) {
		const struct qoutput *out = &b->outputs.outputs_val[i];
		must(out->lock.kind == QLOCK_NONE || out->lock.qlock_u.replica < 4);
		must(out->lock.kind != QLOCK_RELEASE || stake);
		must(!stake || (out->lock.kind != QLOCK_NONE && same_pair(out, &stake->out)));
		if (out->lock.kind == QLOCK_FROZEN)
			check_pair(b, out);
	}
	if (b->offence.offence_len > 0) {
		const struct qoffence *o = b->offence.offence_val;
		must(o->replica < 4 && o->first.height.n <= HEIGHT);
		must(o->replica != 1 || o->first.height.n > CONVICTED);
	}
}

static void check_state(const struct tx *tx)
{
	uint64_t in = 0, out = 0;

	if (state_check(state, NULL, tx, (struct qheight){HEIGHT}, NULL) != TX_OK)
		return;
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		const struct unspent *u = state_find(state, &tx->q.body.inputs.inputs_val[i]);
		must(u != NULL);
		in += u->out.amount;
	}
	for (unsigned i = 0; i < tx->q.body.outputs.outputs_len; i++)
		out += tx->q.body.outputs.outputs_val[i].amount;
	must(in == out);
	check_locks(&tx->q.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum tx_verdict verdict = TX_OK;
	struct tx *tx = tx_parse(&rules.g.chain, data, len, &verdict);

	must(tx != NULL || (verdict != TX_OK && verdict < TX_VERDICT_CNT));
	if (!tx)
		return 0;
	check_body(&tx->q.body);
	check_witnesses(tx);
	check_identity(tx, data, len);
	check_signatures(tx);
	check_state(tx);
	tx_unref(tx);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "tx", .runs = 20000, .setup = setup, .teardown = teardown};
