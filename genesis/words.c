/*
 * words.c: seals and proposers by name.
 */
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- seals ----------------------------------------------------------------- */

/* Digits without sign or leading zero up to `end`, at most nine of them. */
static bool read_number(const char *from, const char *end, u_int *out)
{
	size_t len = (size_t)(end - from);
	if (len == 0 || len > 9 || strspn(from, "0123456789") < len || (from[0] == '0' && len > 1))
		return false;
	*out = (u_int)strtoul(from, NULL, 10);
	return true;
}

/* The fewest bits, from r->bits, that take the promised rate the interval on average. */
static u_int bits_of_interval(const struct qpow_rules *r)
{
	uint64_t tries = (uint64_t)r->hash_rate * r->interval_ms / 1000;
	u_int bits = r->bits;
	while (bits < 63 && UINT64_C(1) << bits < tries)
		bits++;
	return bits;
}

bool words_seal(const char *text, struct qseal_rules *out, struct err *err)
{
	static const char pow[] = "pow:";
	struct qpow_rules r = genesis_default_pow();

	*out = (struct qseal_rules){.kind = QSEAL_NONE};
	if (strcmp(text, "none") == 0)
		return true;
	const char *bits = strncmp(text, pow, sizeof pow - 1) == 0 ? text + sizeof pow - 1 : "";
	const char *end = bits + strcspn(bits, ":");
	if (!read_number(bits, end, &r.bits) ||
	    (*end != '\0' && !read_number(end + 1, end + strlen(end), &r.interval_ms)))
		return err_set(err, ERR_INPUT,
		               "\"%.40s\": must be none, pow:BITS or pow:BITS:INTERVAL_MS, e.g. pow:20",
		               text);
	r.bits_max = r.interval_ms > 0 ? bits_of_interval(&r) : r.bits;
	out->kind = QSEAL_POW;
	out->qseal_rules_u.pow = r;
	return true;
}

void words_of_seal(const struct genesis *g, char text[WORDS_MAX])
{
	const struct qpow_rules *r = &g->g.seal.qseal_rules_u.pow;
	if (g->g.seal.kind == QSEAL_NONE)
		snprintf(text, WORDS_MAX, "none");
	else if (r->interval_ms == 0)
		snprintf(text, WORDS_MAX, "pow:%u", r->bits);
	else
		snprintf(text, WORDS_MAX, "pow:%u:%u", r->bits, r->interval_ms);
}

void words_about_seal(const struct genesis *g, char text[WORDS_MAX])
{
	const struct qpow_rules *r = &g->g.seal.qseal_rules_u.pow;
	char bits[80];
	if (g->g.seal.kind == QSEAL_NONE) {
		snprintf(text, WORDS_MAX, "none");
		return;
	}
	if (r->interval_ms == 0)
		snprintf(bits, sizeof bits, "%u bits", r->bits);
	else
		snprintf(bits, sizeof bits, "%u to %u bits, for a block every %u ms", r->bits, r->bits_max,
		         r->interval_ms);
	snprintf(text, WORDS_MAX,
	         "proof of work of %s; mining takes at most %" PRIu64 " ms at %u hashes a second", bits,
	         genesis_mining_ms(r), r->hash_rate);
}

/* ---- proposers -------------------------------------------------------------- */

static const char *const names[] = {
    [WORDS_PRIMARY] = "primary", [WORDS_STAKE] = "stake", [WORDS_DELEGATED] = "delegated"};
#define NAME_CNT (sizeof names / sizeof names[0])

bool words_proposer(const char *text, enum words_proposer *out, struct err *err)
{
	for (unsigned i = 0; i < NAME_CNT; i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		*out = (enum words_proposer)i;
		return true;
	}
	return err_set(err, ERR_INPUT, "\"%.40s\": must be primary, stake or delegated", text);
}

struct qproposer_rules words_proposer_rules(enum words_proposer p, unsigned n)
{
	struct qproposer_rules rules = {.kind = QPROPOSER_PRIMARY};

	if (p == WORDS_PRIMARY)
		return rules;
	rules.kind = QPROPOSER_STAKE;
	rules.qproposer_rules_u.stake = genesis_default_stake(n);
	if (p == WORDS_DELEGATED && n > 1)
		rules.qproposer_rules_u.stake.proposers = n - 1;
	return rules;
}

enum words_proposer words_of_proposer(const struct genesis *g)
{
	if (g->g.proposer.kind == QPROPOSER_PRIMARY)
		return WORDS_PRIMARY;
	return g->g.proposer.qproposer_rules_u.stake.proposers < g->n ? WORDS_DELEGATED : WORDS_STAKE;
}

const char *words_proposer_name(enum words_proposer p)
{
	return names[p];
}

void words_about_proposers(const struct genesis *g, char text[WORDS_MAX])
{
	const struct qstake_rules *r = &g->g.proposer.qproposer_rules_u.stake;
	if (g->g.proposer.kind == QPROPOSER_PRIMARY)
		snprintf(text, WORDS_MAX, "the primary of the view");
	else if (r->proposers < g->n)
		snprintf(
		    text, WORDS_MAX,
		    "the %u replicas with most stake, in turns of %u heights; a new count each %u heights",
		    r->proposers, r->turn, r->epoch);
	else
		snprintf(text, WORDS_MAX,
		         "all replicas by their stake, in turns of %u heights; a new count each %u heights",
		         r->turn, r->epoch);
}
