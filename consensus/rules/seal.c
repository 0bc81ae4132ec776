/*
 * seal.c: targets of 256 bits, and what a seal must satisfy.  The search for a nonce is crypto/mine.h's.
 */
#include "seal.h"

#include <math.h>

static const struct qpow_rules *rules(const struct genesis *g)
{
	return g->g.seal.kind == QSEAL_POW ? &g->g.seal.qseal_rules_u.pow : NULL;
}

/* ---- numbers of 256 bits --------------------------------------------------- */

struct qtarget seal_target_of_bits(unsigned bits)
{
	struct qtarget t;

	must(bits < 256);
	for (unsigned i = 0; i < sizeof t.b; i++)
		t.b[i] = (uint8_t)(bits >= 8 * (i + 1) ? 0 : bits <= 8 * i ? 0xff : 0xff >> (bits - 8 * i));
	return t;
}

bool seal_at_most(const uint8_t a[32], const uint8_t b[32])
{
	return memcmp(a, b, 32) <= 0;
}

double seal_work(const struct qtarget *target)
{
	double value = 1;

	for (unsigned i = 0; i < sizeof target->b; i++)
		value += ldexp(target->b[i], 8 * (31 - (int)i));
	return ldexp(1, 256) / value;
}

/* t * mul / div, rounded down; all ones if that has more than 256 bits.  mul and div below 2^40, div above 0.
 */
static struct qtarget scale(const struct qtarget *t, uint64_t mul, uint64_t div)
{
	struct qtarget out = {{0}};
	uint8_t product[40];
	uint64_t carry = 0, rest = 0;

	must(mul < UINT64_C(1) << 40 && div > 0 && div < UINT64_C(1) << 40);
	for (unsigned i = sizeof product; i-- > 0;) {
		carry += i >= 8 ? t->b[i - 8] * mul : 0;
		product[i] = (uint8_t)carry;
		carry >>= 8;
	}
	for (unsigned i = 0; i < sizeof product; i++) {
		rest = rest << 8 | product[i];
		uint64_t digit = rest / div; /* below 256: rest < 256 * div */
		rest %= div;
		if (i >= 8)
			out.b[i - 8] = (uint8_t)digit;
		else if (digit != 0)
			return seal_target_of_bits(0);
	}
	return out;
}

/* ---- targets --------------------------------------------------------------- */

#define SHARE 32   /* a step goes one part in so many of the way */
#define TOOK_MAX 5 /* intervals that count of a block's time */

void seal_genesis(const struct genesis *g, struct seal_parent *p)
{
	const struct qpow_rules *r = rules(g);

	*p = (struct seal_parent){.time_ms = g->g.time_ms};
	if (r)
		p->target = seal_target_of_bits(r->bits);
}

void seal_extend(struct seal_parent *p, const struct qheader *h)
{
	if (h->seal.kind == QSEAL_POW)
		p->target = h->seal.qseal_u.pow.target;
	/* The time since the genesis is nobody's doing: it may have been made last year. */
	p->before_ms = h->height.n > 1 ? p->time_ms : 0;
	p->time_ms = h->time_ms;
}

struct qtarget seal_target(const struct genesis *g, const struct seal_parent *p)
{
	const struct qpow_rules *r = rules(g);

	must(r);
	struct qtarget easiest = seal_target_of_bits(r->bits), hardest = seal_target_of_bits(r->bits_max);
	if (r->interval_ms == 0 || p->before_ms == 0)
		return p->target;
	uint64_t interval = r->interval_ms;
	uint64_t took = p->time_ms > p->before_ms ? p->time_ms - p->before_ms : 0;
	if (took > TOOK_MAX * interval)
		took = TOOK_MAX * interval;
	struct qtarget t = scale(&p->target, (SHARE - 1) * interval + took, SHARE * interval);
	if (!seal_at_most(hardest.b, t.b))
		return hardest;
	return seal_at_most(t.b, easiest.b) ? t : easiest;
}

void seal_prepare(const struct genesis *g, const struct seal_parent *p, struct qseal *seal)
{
	*seal = (struct qseal){.kind = g->g.seal.kind};
	if (rules(g))
		seal->qseal_u.pow.target = seal_target(g, p);
}

/* ---- checking -------------------------------------------------------------- */

bool seal_holds(const struct genesis *g, const struct qheader *h, const struct qhash *hash)
{
	const struct qpow_rules *r = rules(g);

	if (h->seal.kind != g->g.seal.kind)
		return false;
	if (!r)
		return true;
	const struct qtarget *t = &h->seal.qseal_u.pow.target;
	struct qtarget easiest = seal_target_of_bits(r->bits), hardest = seal_target_of_bits(r->bits_max);
	return seal_at_most(hardest.b, t->b) && seal_at_most(t->b, easiest.b) && seal_at_most(hash->b, t->b);
}

bool seal_follows(const struct genesis *g, const struct seal_parent *p, const struct qheader *h)
{
	if (!rules(g))
		return true;
	if (h->seal.kind != QSEAL_POW)
		return false;
	struct qtarget want = seal_target(g, p);
	return memcmp(want.b, h->seal.qseal_u.pow.target.b, sizeof want.b) == 0;
}
