/*
 * check_seal.c: seals and targets, once more: whole numbers of 256 bits, multiplied word by word and divided
 * bit by bit, against the formula as consensus/rules/seal.h states it.
 */
#include "check_impl.h"

/* ---- numbers ------------------------------------------------------------------------------------------ */

/* Little-endian words; one more than a target has, for what is multiplied and not yet divided. */
#define WORDS 10
struct number {
	uint32_t w[WORDS];
};

static struct number number_of(const uint8_t b[32])
{
	struct number n = {{0}};

	for (unsigned i = 0; i < 32; i++)
		n.w[i / 4] |= (uint32_t)b[31 - i] << 8 * (i % 4);
	return n;
}

static int compare(const struct number *a, const struct number *b)
{
	for (unsigned i = WORDS; i-- > 0;)
		if (a->w[i] != b->w[i])
			return a->w[i] < b->w[i] ? -1 : 1;
	return 0;
}

static struct number times(const struct number *a, uint64_t by)
{
	struct number out = {{0}};

	for (unsigned half = 0; half < 2; half++) {
		uint64_t part = half ? by >> 32 : by & UINT32_MAX, carry = 0;
		for (unsigned i = 0; i + half < WORDS; i++) {
			wide sum = (wide)part * a->w[i] + out.w[i + half] + carry;
			out.w[i + half] = (uint32_t)sum;
			carry = (uint64_t)(sum >> 32);
		}
	}
	return out;
}

/* Long division in base 2. */
static struct number divided(const struct number *a, uint64_t by)
{
	struct number out = {{0}};
	wide rest = 0;

	for (unsigned i = 32 * WORDS; i-- > 0;) {
		rest = rest << 1 | (a->w[i / 32] >> i % 32 & 1);
		if (rest < by)
			continue;
		rest -= by;
		out.w[i / 32] |= UINT32_C(1) << i % 32;
	}
	return out;
}

/* 2^bits - 1 */
static struct number ones(unsigned bits)
{
	struct number n = {{0}};

	for (unsigned i = 0; i < bits; i++)
		n.w[i / 32] |= UINT32_C(1) << i % 32;
	return n;
}

/* ---- targets ----------------------------------------------------------------------------------------------
 */

static struct number clamped(const struct qpow_rules *r, struct number t)
{
	struct number easiest = ones(256 - r->bits), hardest = ones(256 - r->bits_max);

	if (compare(&t, &hardest) < 0)
		return hardest;
	return compare(&t, &easiest) > 0 ? easiest : t;
}

/* What the block above `below` needs, which is above the block of `before_ms`. */
static struct number next_target(const struct qpow_rules *r, const struct qheader *below, uint64_t before_ms)
{
	struct number t = number_of(below->seal.qseal_u.pow.target.b);
	uint64_t took = below->time_ms - before_ms, interval = r->interval_ms;

	if (interval == 0 || below->height.n < 2)
		return t;
	if (took > 5 * interval)
		took = 5 * interval;
	t = times(&t, 31 * interval + took);
	return clamped(r, divided(&t, 32 * interval));
}

/* False: its ancestors are not known. */
static bool target_of(struct checks *c, const struct qheader *h, struct number *target)
{
	const struct qpow_rules *r = &c->sim->g.g.seal.qseal_rules_u.pow;
	const struct known *below, *before = NULL;

	if (h->height.n == 1) {
		*target = ones(256 - r->bits);
		return true;
	}
	below = known_find(c, &h->parent);
	if (!below || !below->shown || below->header.seal.kind != QSEAL_POW)
		return false;
	if (h->height.n > 2)
		before = known_find(c, &below->header.parent);
	if (h->height.n > 2 && (!before || !before->shown))
		return false;
	*target = next_target(r, &below->header, before ? before->header.time_ms : 0);
	return true;
}

/* ---- seals
 * -------------------------------------------------------------------------------------------------- */

const char *seal_wrong(struct checks *c, const struct qheader *h)
{
	struct number hash_number, shown, target;
	struct qhash hash;

	if (h->seal.kind != c->sim->g.g.seal.kind)
		return "its seal is of another kind than the chain's";
	if (h->seal.kind == QSEAL_NONE)
		return NULL;
	naive_block_hash(h, &hash);
	hash_number = number_of(hash.b);
	shown = number_of(h->seal.qseal_u.pow.target.b);
	if (compare(&hash_number, &shown) > 0)
		return "its hash is above its target";
	if (target_of(c, h, &target) && compare(&target, &shown) != 0)
		return "its target is not the one that follows from its ancestors";
	return NULL;
}
