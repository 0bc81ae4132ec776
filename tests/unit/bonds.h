/*
 * bonds.h: a chain on disk whose proposers are by stake, with all that can happen to stake, for the tests of
 * the store.
 *
 * Four replicas; replica i's account is 101 + i.  An epoch is 8 heights, unbonding takes 24; a conviction
 * costs half of a replica's own stake and a tenth of what is delegated.  The genesis: outputs 0 and 1 as ever
 * (1000 of account 1, 500 of account 2); 2 to 5 are 100 of own stake of each replica; 6 is account 3's 40 for
 * replica 1.
 *
 *   height  2  account 1 stakes 300 for replica 1, by two outputs of 200 and 100, and keeps 700
 *           5  replica 1 is convicted, by PREPAREs at height 4
 *           6  account 3 moves: 30 released, 6 staked anew, 4 frozen
 *           9  replica 1's account moves: 50 staked anew, 50 frozen
 *          10  account 4 is given 60 of stake for replica 2
 *          12  replicas 1 and 2 are convicted, by CHECKPOINTs at height 11, by COMMITs of view 3 at height 8;
 *              account 1 stakes 40 for replica 1
 *          17  account 1's 200 are released: 180, and 20 frozen
 *          30  account 3's release of height 6, liable since 12: 27 free, 3 frozen
 *
 * In every block account 2 pays its 500 to itself, which carries the offences.
 */
#ifndef QUORATE_TEST_BONDS_H
#define QUORATE_TEST_BONDS_H

#include "seal.h"
#include "store.h"

#define BONDS_EPOCH 8
#define BONDS_UNBONDING 24
#define BONDS_TIP 34

struct bonds {
	struct qtxid purse;             /* of account 2's last payment to itself; its index 0 */
	struct qtxid at[BONDS_TIP + 1]; /* of the story's other transaction at that height */
	struct qhash digests[BONDS_TIP + 1], hashes[BONDS_TIP + 1];
};

static inline struct qoutput bonded(uint8_t owner, uint64_t amount, enum qlock_kind kind, unsigned replica)
{
	struct qoutput out = {rules_address(owner), amount, {.kind = kind}};

	if (kind != QLOCK_NONE)
		out.lock.qlock_u.replica = replica;
	return out;
}

static inline void bonds_genesis(struct genesis *g)
{
	struct err err = {0};

	g->g.params.checkpoint_interval = 4;
	g->g.params.window = 2;
	rules_by_stake(&g->g);
	g->g.proposer.qproposer_rules_u.stake.delegator_penalty = 10;
	g->g.allocations.allocations_val =
	    xrealloc(g->g.allocations.allocations_val, 7 * sizeof(struct qoutput));
	g->g.allocations.allocations_len = 7;
	for (unsigned i = 0; i < 4; i++)
		g->g.allocations.allocations_val[2 + i] = bonded((uint8_t)(101 + i), 100, QLOCK_STAKE, i);
	g->g.allocations.allocations_val[6] = bonded(3, 40, QLOCK_STAKE, 1);
	if (!genesis_finish(g, &err))
		fail_msg("%s", err.text);
	assert_int_equal(g->g.proposer.qproposer_rules_u.stake.epoch, BONDS_EPOCH);
	assert_int_equal(g->g.proposer.qproposer_rules_u.stake.unbonding, BONDS_UNBONDING);
}

static inline int bonds_setup(void **state)
{
	int rc = place_setup(state);

	bonds_genesis(&((struct place *)*state)->rules.g);
	return rc;
}

/* ---- transactions ------------------------------------------------------------- */

static inline struct tx *bonds_tx(const struct rules *r, uint8_t owner, struct qoutpoint in,
                                  struct qoutput *outs, unsigned out_cnt, struct qoffence *offence)
{
	struct account *a = rules_account(owner);
	const struct account *signer = a;
	struct err err = {0};
	struct qtx_body body = {
	    .inputs = {1, &in}, .outputs = {out_cnt, outs}, .offence = {offence ? 1 : 0, offence}};
	struct tx *tx = tx_make(&r->g.chain, &body, &signer, 1, &err);

	if (!tx)
		fail_msg("%s", err.text);
	account_free(a);
	return tx;
}

static inline struct qoffence bonds_offence(const struct rules *r, unsigned replica, enum qkind kind,
                                            uint64_t view, uint64_t height)
{
	struct qoffence o = {.replica = replica, .kind = kind};
	struct qmessage m = {.kind = kind, .qmessage_u.vote = {.view = {view}, .height = {height}}};

	m.qmessage_u.vote.block = rules_hash(1);
	o.first = m.qmessage_u.vote;
	rules_sign(r, replica, &m, &o.first_sig);
	m.qmessage_u.vote.block = rules_hash(2);
	o.second = m.qmessage_u.vote;
	rules_sign(r, replica, &m, &o.second_sig);
	return o;
}

/* Account 2 pays its 500 to itself, with an offence or none. */
static inline struct tx *bonds_pass(const struct rules *r, struct bonds *b, struct qoffence *offence)
{
	struct qoutput out = bonded(2, 500, QLOCK_NONE, 0);
	bool first = qhash_is_zero(&(struct qhash){{b->purse.b[0], b->purse.b[1], b->purse.b[2]}});
	struct qoutpoint in = {b->purse, 0};

	if (first)
		in = (struct qoutpoint){r->g.txid, 1};
	struct tx *tx = bonds_tx(r, 2, in, &out, 1, offence);
	b->purse = tx->id;
	return tx;
}

/* The story's other transaction at this height; NULL: there is none. */
static inline struct tx *bonds_event(const struct rules *r, const struct bonds *b, uint64_t h)
{
	const struct qtxid genesis = r->g.txid;
	struct qoutput outs[4];

	switch (h) {
	case 2:
		outs[0] = bonded(1, 200, QLOCK_STAKE, 1);
		outs[1] = bonded(1, 100, QLOCK_STAKE, 1);
		outs[2] = bonded(1, 700, QLOCK_NONE, 0);
		return bonds_tx(r, 1, (struct qoutpoint){genesis, 0}, outs, 3, NULL);
	case 6:
		outs[0] = bonded(3, 30, QLOCK_RELEASE, 1);
		outs[1] = bonded(3, 6, QLOCK_STAKE, 1);
		outs[2] = bonded(3, 4, QLOCK_FROZEN, 1);
		return bonds_tx(r, 3, (struct qoutpoint){genesis, 6}, outs, 3, NULL);
	case 9:
		outs[0] = bonded(102, 50, QLOCK_STAKE, 1);
		outs[1] = bonded(102, 50, QLOCK_FROZEN, 1);
		return bonds_tx(r, 102, (struct qoutpoint){genesis, 3}, outs, 2, NULL);
	case 10:
		outs[0] = bonded(4, 60, QLOCK_STAKE, 2);
		outs[1] = bonded(1, 640, QLOCK_NONE, 0);
		return bonds_tx(r, 1, (struct qoutpoint){b->at[2], 2}, outs, 2, NULL);
	case 12:
		outs[0] = bonded(1, 40, QLOCK_STAKE, 1);
		outs[1] = bonded(1, 600, QLOCK_NONE, 0);
		return bonds_tx(r, 1, (struct qoutpoint){b->at[10], 1}, outs, 2, NULL);
	case 17:
		outs[0] = bonded(1, 180, QLOCK_RELEASE, 1);
		outs[1] = bonded(1, 20, QLOCK_FROZEN, 1);
		return bonds_tx(r, 1, (struct qoutpoint){b->at[2], 0}, outs, 2, NULL);
	case 30:
		outs[0] = bonded(3, 27, QLOCK_NONE, 0);
		outs[1] = bonded(3, 3, QLOCK_FROZEN, 1);
		return bonds_tx(r, 3, (struct qoutpoint){b->at[6], 0}, outs, 2, NULL);
	default:
		return NULL;
	}
}

/* ---- blocks --------------------------------------------------------------------- */

static inline struct block *bonds_block(const struct rules *r, struct ledger *l, struct bonds *b)
{
	uint64_t h = ledger_height(l).n + 1;
	struct tx *txs[3];
	size_t cnt = 0;
	struct qoffence o;

	if (h == 5)
		o = bonds_offence(r, 1, QPREPARE, 0, 4);
	if (h == 12)
		o = bonds_offence(r, 1, QCHECKPOINT, 0, 11);
	txs[cnt++] = bonds_pass(r, b, h == 5 || h == 12 ? &o : NULL);
	if (h == 12) {
		o = bonds_offence(r, 2, QCOMMIT, 3, 8);
		txs[cnt++] = bonds_pass(r, b, &o);
	}
	txs[cnt] = bonds_event(r, b, h);
	if (txs[cnt])
		b->at[h] = txs[cnt++]->id;
	return make_block(h, *ledger_tip(l), txs, cnt);
}

/* Up to height `to`, each block a run of its own, committed. */
static inline void bonds_tell(const struct rules *r, struct ledger *l, struct bonds *b, uint64_t to)
{
	while (ledger_height(l).n < to) {
		struct block *block = bonds_block(r, l, b);
		append(r, l, &block, 1);
		state_digest(ledger_state(l), &b->digests[ledger_height(l).n]);
		b->hashes[ledger_height(l).n] = *ledger_tip(l);
	}
	commit(l);
}

#endif
