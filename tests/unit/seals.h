/*
 * seals.h: chains that ask for a proof of work of few bits, and headers that carry one.
 */
#ifndef QUORATE_TEST_SEALS_H
#define QUORATE_TEST_SEALS_H

#include "rules.h"

#include "block.h"
#include "seal.h"

/* rules_setup(), with seals. interval_ms 0: the target is fixed, and bits_max is bits. */
static inline void seals_setup(struct rules *r, unsigned n, const char *name, unsigned bits,
                               unsigned bits_max, unsigned interval_ms)
{
	struct err err = {0};

	rules_setup(r, n, name);
	r->g.g.seal.kind = QSEAL_POW;
	r->g.g.seal.qseal_rules_u.pow = (struct qpow_rules){
	    .bits = bits, .bits_max = bits_max, .interval_ms = interval_ms, .hash_rate = 1000000};
	if (!genesis_finish(&r->g, &err))
		fail_msg("%s", err.text);
}

/* The first nonce that seals it, or with `holds` false the first that does not. */
static inline void seals_mine(struct qheader *h, bool holds)
{
	struct qpow *pow = &h->seal.qseal_u.pow;
	struct qhash hash;

	assert_int_equal(h->seal.kind, QSEAL_POW);
	for (pow->nonce = 0;; pow->nonce++) {
		block_hash(h, &hash);
		if (seal_at_most(hash.b, pow->target.b) == holds)
			return;
	}
}

/* The seal that the ancestors ask for; on a chain without seals none. */
static inline void seals_put(const struct rules *r, const struct seal_parent *below, struct qheader *h)
{
	seal_prepare(&r->g, below, &h->seal);
	if (h->seal.kind == QSEAL_POW)
		seals_mine(h, true);
}

#endif
