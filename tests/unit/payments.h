/*
 * payments.h: a chain whose genesis has many outputs, and payments on it, for the tests of
 * mempool and replica.  Output i of the genesis is account_of(i)'s and worth PAY_AMOUNT.
 */
#ifndef QUORATE_TEST_PAYMENTS_H
#define QUORATE_TEST_PAYMENTS_H

#include "merkle.h"
#include "rules.h"
#include "state.h"

#define PAY_AMOUNT 1000000

static inline uint8_t account_of(unsigned output)
{
	return (uint8_t)(1 + output % 8);
}

/* `params` may be NULL: the defaults. */
static inline void payments_setup(struct rules *r, unsigned n, unsigned outputs, const struct qparams *params)
{
	struct qgenesis *g = &r->g.g;
	struct err err = {0};

	rules_setup(r, n, "payments");
	free(g->allocations.allocations_val);
	g->allocations.allocations_len = outputs;
	g->allocations.allocations_val = xcalloc(outputs, sizeof(struct qoutput));
	for (unsigned i = 0; i < outputs; i++)
		g->allocations.allocations_val[i] =
		    (struct qoutput){rules_address(account_of(i)), PAY_AMOUNT};
	if (params)
		g->params = *params;
	if (!genesis_finish(&r->g, &err))
		fail_msg("%s", err.text);
}

static inline struct qoutpoint allocation(const struct rules *r, unsigned index)
{
	return (struct qoutpoint){r->g.txid, index};
}

static inline struct qoutpoint output(const struct tx *tx, unsigned index)
{
	return (struct qoutpoint){tx->id, index};
}

struct payment {
	uint8_t from, to; /* accounts; from owns all inputs */
	uint64_t amount;  /* all inputs together; 0: PAY_AMOUNT */
	unsigned outputs; /* 0: one */
	const char *memo;
	uint64_t expiry;
};

/* Spends `ins`, split evenly over the outputs. */
static inline struct tx *pay(const struct rules *r, const struct payment *p, const struct qoutpoint *ins,
                             unsigned in_cnt)
{
	unsigned out_cnt = p->outputs ? p->outputs : 1;
	uint64_t amount = p->amount ? p->amount : PAY_AMOUNT;
	struct qoutput *outs = xcalloc(out_cnt, sizeof *outs);
	struct account *owner = rules_account(p->from);
	const struct account *signer = owner;
	const char *memo = p->memo ? p->memo : "";
	struct err err = {0};

	for (unsigned i = 0; i < out_cnt; i++)
		outs[i] = (struct qoutput){rules_address(p->to), amount / out_cnt};
	outs[0].amount += amount % out_cnt;
	struct qtx_body body = {.inputs = {in_cnt, (struct qoutpoint *)ins},
	                        .outputs = {out_cnt, outs},
	                        .memo = {(unsigned)strlen(memo), (unsigned char *)memo},
	                        .expiry = {p->expiry}};
	struct tx *tx = tx_make(&r->g.chain, &body, &signer, 1, &err);
	if (!tx)
		fail_msg("%s", err.text);
	account_free(owner);
	free(outs);
	return tx;
}

/* From account `from`, who owns all of `ins`, to these outputs, with an offence or none (NULL). */
static inline struct tx *pay_outputs(const struct rules *r, uint8_t from, const struct qoutpoint *ins,
                                     unsigned in_cnt, const struct qoutput *outs, unsigned out_cnt,
                                     const struct qoffence *offence)
{
	struct account *owner = rules_account(from);
	const struct account *signer = owner;
	struct err err = {0};
	struct qtx_body body = {.inputs = {in_cnt, (struct qoutpoint *)ins},
	                        .outputs = {out_cnt, (struct qoutput *)outs},
	                        .offence = {offence ? 1 : 0, (struct qoffence *)offence}};
	struct tx *tx = tx_make(&r->g.chain, &body, &signer, 1, &err);

	if (!tx)
		fail_msg("%s", err.text);
	account_free(owner);
	return tx;
}

/* An output locked for a replica. */
static inline struct qoutput locked(uint8_t owner, uint64_t amount, enum qlock_kind kind, unsigned replica)
{
	struct qoutput out = {rules_address(owner), amount, {.kind = kind}};

	out.lock.qlock_u.replica = replica;
	return out;
}

/* The owner of genesis output `index` pays all of it to account `to`. */
static inline struct tx *pay_allocation(const struct rules *r, unsigned index, uint8_t to, const char *memo)
{
	struct qoutpoint in = allocation(r, index);

	return pay(r, &(struct payment){.from = account_of(index), .to = to, .memo = memo}, &in, 1);
}

static inline struct block *block_of(uint64_t height, struct qhash parent, struct tx *const *txs, size_t cnt)
{
	struct qhash *leaves = xcalloc(cnt, sizeof *leaves), root;

	for (size_t i = 0; i < cnt; i++)
		leaves[i] = txs[i]->leaf;
	merkle_root(leaves, cnt, &root);
	free(leaves);
	struct qheader h = rules_header(height, parent, root, (unsigned)cnt);
	return block_new(&h, txs, cnt);
}

#endif
