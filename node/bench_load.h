/*
 * bench_load.h: payments, signed before the clock runs.
 *
 * Each account pays 1 to the next account and the rest back to itself, again and again: one input, two
 * outputs.  So its payments are a chain, and its first one spends the coin that it was given.  All have the
 * same length; those of a submitter lie in the order of bench_pace.h, as they go into a batch.
 */
#ifndef QUORATE_BENCH_LOAD_H
#define QUORATE_BENCH_LOAD_H

#include "bench.h"
#include "tx.h"

enum {
	LOAD_TX = 228,                           /* bytes of one payment, encoded */
	LOAD_RECORD = LOAD_TX + 4,               /* with its length, as in a batch */
	LOAD_BYTES = LOAD_RECORD + 32 + 16 + 16, /* of memory each, about: its id, index, what became of it */
};

struct load {
	struct qhash chain;
	uint32_t accounts, cnt, submitters;
	uint32_t *base;         /* of each submitter: its first payment; [submitters] is cnt */
	uint64_t coin;          /* what each account is to be given */
	struct qaddress *owner; /* of each account */
	uint8_t (*raw)[LOAD_RECORD];
	struct qtxid *id;
	uint8_t seed[32];
	uint32_t *index; /* payments by id, open addressing; UINT32_MAX: none */
	uint32_t mask;
	double sign_us; /* CPU time of making one */
};

/*
 * Accounts whose keys follow from `seed`. ERR_WORLD: there is not memory enough for so many payments.
 */
struct load *load_new(const struct genesis *g, const uint8_t seed[32], uint32_t accounts, uint64_t cnt,
                      unsigned submitters, struct err *err);
void load_free(struct load *l);

/* Accounts and payments of a submitter. */
uint32_t load_accounts_of(const struct load *l, unsigned submitter);
uint32_t load_cnt_of(const struct load *l, unsigned submitter);
unsigned load_submitter_of(const struct load *l, uint32_t payment);

/* Makes and signs all, on all cores; coins[i] is what account i was given. False: interrupted. */
bool load_sign(struct load *l, const struct qoutpoint *coins, struct err *err);

/* The payment of this id, or UINT32_MAX. Any thread. */
uint32_t load_find(const struct load *l, const uint8_t id[32]);

#endif
