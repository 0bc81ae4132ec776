/*
 * drafts.h: outputs and transactions for the tests of the state: with witnesses of the right owners, but
 * without signatures, which are not its business.
 */
#ifndef QUORATE_TEST_DRAFTS_H
#define QUORATE_TEST_DRAFTS_H

#include "rules.h"
#include "state.h"

#define OWNERS 8

static const struct qhash drafts_chain = {{42}};
static struct qaccount_key keys[OWNERS];
static struct qaddress addresses[OWNERS]; /* of the accounts 1 .. OWNERS */

static inline int drafts_setup(void **state)
{
	(void)state;
	struct err err;

	assert_true(crypto_init(&err));
	for (uint8_t i = 0; i < OWNERS; i++) {
		struct account *a = rules_account((uint8_t)(i + 1));
		keys[i] = account_key(a);
		addresses[i] = account_address(&keys[i]);
		account_free(a);
	}
	return 0;
}

static inline unsigned owner_index(const struct qaddress *a)
{
	for (unsigned i = 0; i < OWNERS; i++)
		if (memcmp(a, &addresses[i], sizeof *a) == 0)
			return i;
	return OWNERS;
}

static inline struct qoutpoint point(uint8_t tx, unsigned index)
{
	struct qoutpoint p = {.index = index};

	memset(p.tx.b, tx, sizeof p.tx.b);
	return p;
}

static inline struct unspent coin(uint8_t tx, unsigned index, unsigned owner, uint64_t amount)
{
	return (struct unspent){.point = point(tx, index), .out = {addresses[owner], amount}};
}

static inline struct qoutput to_lock(unsigned owner, uint64_t amount, enum qlock_kind kind, unsigned replica)
{
	struct qoutput out = {addresses[owner], amount, {.kind = kind}};

	if (kind != QLOCK_NONE)
		out.lock.qlock_u.replica = replica;
	return out;
}

#define DRAFT_MAX 12

struct draft {
	struct qoutpoint in[DRAFT_MAX];
	struct qoutput out[DRAFT_MAX];
	unsigned in_cnt, out_cnt;
	unsigned owners; /* bit i: a witness of owner i */
	uint64_t expiry;
	struct qoffence *offence; /* may be NULL */
};

static inline int by_address(const void *a, const void *b)
{
	struct qaddress x = account_address(&((const struct qwitness *)a)->key);
	struct qaddress y = account_address(&((const struct qwitness *)b)->key);

	return memcmp(&x, &y, sizeof x);
}

/* NULL: tx_parse() refuses it. */
static inline struct tx *finish(struct draft *d)
{
	struct qwitness witnesses[OWNERS] = {0};
	struct qtx q = {.body = {.inputs = {d->in_cnt, d->in},
	                         .outputs = {d->out_cnt, d->out},
	                         .expiry = {d->expiry},
	                         .offence = {d->offence ? 1 : 0, d->offence}},
	                .witnesses = {0, witnesses}};
	enum tx_verdict v;

	for (unsigned i = 0; i < OWNERS; i++)
		if (d->owners >> i & 1)
			witnesses[q.witnesses.witnesses_len++].key = keys[i];
	qsort(witnesses, q.witnesses.witnesses_len, sizeof *witnesses, by_address);
	struct bytes raw = rules_encode(WIRE(qtx), &q);
	struct tx *tx = tx_parse(&drafts_chain, raw.data, raw.len, &v);
	bytes_free(&raw);
	return tx;
}

static inline struct qoutpoint output_of(const struct tx *tx, unsigned index)
{
	return (struct qoutpoint){tx->id, index};
}

#endif
