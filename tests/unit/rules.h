/*
 * rules.h: a small chain for the tests of the rules: fixed keys, a genesis of n replicas, and
 * makers of transactions, certificates and envelopes that do not go through what is tested.
 */
#ifndef QUORATE_TEST_RULES_H
#define QUORATE_TEST_RULES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "account.h"
#include "cert.h"
#include "crypto.h"
#include "genesis.h"
#include "ident.h"
#include "tx.h"

struct rules {
	struct genesis g;
	struct ident *ids[Q_REPLICAS_MAX];
};

static inline struct account *rules_account(uint8_t number)
{
	uint8_t secret[32] = {[31] = number};
	struct account *a = account_from_secret(secret);

	assert_non_null(a);
	return a;
}

static inline struct qaddress rules_address(uint8_t number)
{
	struct account *a = rules_account(number);
	struct qaccount_key key = account_key(a);

	account_free(a);
	return account_address(&key);
}

/* A chain of n replicas named after `name`; accounts 1 and 2 hold 1000 and 500 (outputs 0 and 1). */
static inline void rules_setup(struct rules *r, unsigned n, const char *name)
{
	struct qgenesis *g = &r->g.g;
	struct err err = {0};
	char text[64];

	memset(r, 0, sizeof *r);
	assert_true(crypto_init(&err));
	g->format = 1;
	g->name = xstrdup(name);
	g->time_ms = 1700000000000;
	g->params = genesis_default_params();
	g->replicas.replicas_len = n;
	g->replicas.replicas_val = xcalloc(n, sizeof *g->replicas.replicas_val);
	for (unsigned i = 0; i < n; i++) {
		uint8_t seed[32] = {[0] = (uint8_t)(i + 1)};
		r->ids[i] = ident_from_seed(seed);
		snprintf(text, sizeof text, "replica-%u", i);
		g->replicas.replicas_val[i].name = xstrdup(text);
		snprintf(text, sizeof text, "tcp://127.0.0.1:%u", 7000 + i);
		g->replicas.replicas_val[i].address = xstrdup(text);
		g->replicas.replicas_val[i].key = ident_key(r->ids[i]);
	}
	g->allocations.allocations_len = 2;
	g->allocations.allocations_val = xcalloc(2, sizeof(struct qoutput));
	g->allocations.allocations_val[0] = (struct qoutput){rules_address(1), 1000};
	g->allocations.allocations_val[1] = (struct qoutput){rules_address(2), 500};
	if (!genesis_finish(&r->g, &err))
		fail_msg("%s", err.text);
}

/*
 * Proposers by stake, of replicas that all may propose: replica i's account is account 101 + i.  What an
 * epoch has to be follows from the parameters.  rules_setup()'s genesis, to be finished again.
 */
static inline void rules_by_stake(struct qgenesis *g)
{
	unsigned epoch = 2 * g->params.checkpoint_interval;

	if (epoch < 3 * g->params.window)
		epoch = 3 * g->params.window;
	epoch += epoch % 2;
	g->proposer.kind = QPROPOSER_STAKE;
	g->proposer.qproposer_rules_u.stake = (struct qstake_rules){.epoch = epoch,
	                                                            .turn = 2,
	                                                            .proposers = g->replicas.replicas_len,
	                                                            .unbonding = 3 * epoch,
	                                                            .penalty = 50,
	                                                            .delegator_penalty = 0};
	for (unsigned i = 0; i < g->replicas.replicas_len; i++) {
		struct qreplica *r = &g->replicas.replicas_val[i];
		r->account.account_len = 1;
		r->account.account_val = xcalloc(1, sizeof *r->account.account_val);
		r->account.account_val[0] = rules_address((uint8_t)(101 + i));
	}
}

static inline void rules_teardown(struct rules *r)
{
	for (unsigned i = 0; i < r->g.n; i++)
		ident_free(r->ids[i]);
	wire_free(WIRE(qgenesis), &r->g.g);
}

/* ---- transactions --------------------------------------------------------- */

static inline struct bytes rules_encode(struct wire_type type, const void *value)
{
	struct bytes b;

	assert_true(wire_encode(type, value, &b));
	return b;
}

/* One input of the genesis (0: account 1's, 1: account 2's) to one output for account 3, signed. */
static inline struct tx *rules_pay(const struct rules *r, unsigned index, const char *memo)
{
	struct qoutpoint in = {r->g.txid, index};
	struct qoutput out = {rules_address(3), r->g.g.allocations.allocations_val[index].amount};
	struct account *owner = rules_account((uint8_t)(index + 1));
	const struct account *signer = owner;
	unsigned char text[64];
	struct err err = {0};

	memcpy(text, memo, strlen(memo));
	struct qtx_body body = {
	    .inputs = {1, &in}, .outputs = {1, &out}, .memo = {(unsigned)strlen(memo), text}};
	struct tx *tx = tx_make(&r->g.chain, &body, &signer, 1, &err);
	if (!tx)
		fail_msg("%s", err.text);
	account_free(owner);
	return tx;
}

/* ---- votes ---------------------------------------------------------------- */

static inline struct qhash rules_hash(uint8_t fill)
{
	struct qhash h;

	memset(h.b, fill, sizeof h.b);
	return h;
}

/* Signs as the replica's own envelope would. */
static inline void rules_sign(const struct rules *r, unsigned replica, const struct qmessage *m,
                              struct qsig *sig)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);

	ident_sign(r->ids[replica], &r->g.chain, body.data, body.len, sig);
	bytes_free(&body);
}

/* Two PREPAREs of a replica in view 0 at this height, for blocks that `salt` tells apart from others'. */
static inline struct qoffence rules_offence(const struct rules *r, unsigned replica, uint64_t height,
                                            uint8_t salt)
{
	struct qoffence o = {.replica = replica,
	                     .kind = QPREPARE,
	                     .first = {.height = {height}, .block = rules_hash(salt)},
	                     .second = {.height = {height}, .block = rules_hash((uint8_t)(salt + 1))}};
	struct qmessage first = {.kind = QPREPARE, .qmessage_u.vote = o.first};
	struct qmessage second = {.kind = QPREPARE, .qmessage_u.vote = o.second};

	rules_sign(r, replica, &first, &o.first_sig);
	rules_sign(r, replica, &second, &o.second_sig);
	return o;
}

/* A certificate with the signatures of the replicas of `mask`. */
static inline struct qcert rules_cert(const struct rules *r, enum qkind kind, const struct qvote *vote,
                                      uint64_t mask)
{
	struct qcert c = {.kind = kind, .vote = *vote};
	struct qmessage m = {.kind = kind, .qmessage_u.vote = *vote};

	c.sigs.sigs_val = xcalloc(Q_REPLICAS_MAX, sizeof *c.sigs.sigs_val);
	for (unsigned i = 0; i < r->g.n; i++)
		if (mask >> i & 1) {
			struct qcert_sig *s = &c.sigs.sigs_val[c.sigs.sigs_len++];
			s->replica = i;
			rules_sign(r, i, &m, &s->sig);
		}
	return c;
}

static inline uint64_t rules_quorum_mask(const struct rules *r)
{
	return (1ULL << r->g.quorum) - 1;
}

/* A block's header on `parent`, with this Merkle root. */
static inline struct qheader rules_header(uint64_t height, struct qhash parent, struct qhash root,
                                          unsigned tx_cnt)
{
	return (struct qheader){.format = 1,
	                        .height = {height},
	                        .parent = parent,
	                        .merkle_root = root,
	                        .tx_count = tx_cnt,
	                        .time_ms = 1700000000000 + height,
	                        .seal = {.kind = QSEAL_NONE}};
}

/* Golden bytes: computed by another implementation, from the documentation. */
static inline void rules_golden(const uint8_t hash[32], const char *want)
{
	char text[QHASH_HEX];

	assert_string_equal(hex_encode(text, hash, 32), want);
}

static inline void rules_flip(struct bytes *b, size_t bit)
{
	b->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
}

#endif
