/*
 * staked.h: a small chain whose proposers are by stake, for the tests of the state.
 */
#ifndef QUORATE_TEST_STAKED_H
#define QUORATE_TEST_STAKED_H

#include "drafts.h"

/* A chain of four replicas; owner i's account is replica i's for i below 4. Short times, unlike any
 * genesis's. */
#define REPLICAS 4
#define EPOCH 4
#define UNBONDING 6
enum { OWN = 1, A = 4, B = 5, C = 6 }; /* owners: of replica 1; of none */

static struct rules rules;
static struct genesis plain; /* by no stake */

static inline int setup(void **state)
{
	drafts_setup(state);
	rules_setup(&rules, REPLICAS, "stake");
	plain = rules.g;
	rules.g.g.proposer.kind = QPROPOSER_STAKE;
	rules.g.g.proposer.qproposer_rules_u.stake = (struct qstake_rules){.epoch = EPOCH,
	                                                                   .turn = 2,
	                                                                   .proposers = REPLICAS,
	                                                                   .unbonding = UNBONDING,
	                                                                   .penalty = 50,
	                                                                   .delegator_penalty = 10};
	for (unsigned i = 0; i < REPLICAS; i++) {
		struct qreplica *r = &rules.g.g.replicas.replicas_val[i];
		r->account.account_len = 1;
		r->account.account_val = xmemdup(&addresses[i], sizeof addresses[i]);
	}
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	return 0;
}

static inline struct qstake_rules *stake(struct genesis *g)
{
	return &g->g.proposer.qproposer_rules_u.stake;
}

/* ---- makers ------------------------------------------------------------------------ */

static inline struct unspent held(uint8_t tx, unsigned owner, uint64_t amount, enum qlock_kind kind,
                                  unsigned replica, uint64_t made_at)
{
	return (struct unspent){
	    .point = point(tx, 0), .out = to_lock(owner, amount, kind, replica), .made_at = {made_at}};
}

static inline void hold(struct state *s, struct unspent u)
{
	state_insert(s, &u);
}

/* Two votes of a replica at this height; nobody signed them, which is not the state's business. */
static inline struct qoffence offence(unsigned replica, uint64_t height)
{
	return (struct qoffence){.replica = replica,
	                         .kind = QCOMMIT,
	                         .first = {.height = {height}, .block = rules_hash(1)},
	                         .second = {.height = {height}, .block = rules_hash(2)}};
}

static inline const struct qstake *stake_of(const struct state *s, unsigned replica)
{
	return &state_staking(s)->stakes.stakes_val[replica];
}

static inline void assert_stake(const struct state *s, unsigned replica, uint64_t own, uint64_t delegated)
{
	assert_int_equal(stake_of(s, replica)->own, own);
	assert_int_equal(stake_of(s, replica)->delegated, delegated);
}

#endif
