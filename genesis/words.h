/*
 * words.h: how a chain seals its blocks and who proposes them, as words of a command line and in plain words.
 */
#ifndef QUORATE_WORDS_H
#define QUORATE_WORDS_H

#include "genesis.h"

/*
 * "none", "pow:BITS" or "pow:BITS:INTERVAL_MS".  With an interval the hardest target is the easiest that
 * takes the promised rate (genesis_default_pow) that long: time-outs stay below 40 intervals, and who is much
 * faster than the promise has blocks sooner.
 */
bool words_seal(const char *text, struct qseal_rules *out, struct err *err);

enum words_proposer {
	WORDS_PRIMARY,
	WORDS_STAKE,     /* all replicas that have stake */
	WORDS_DELEGATED, /* those with most: all but one; that is at least f + 1 */
};
/* "primary", "stake" or "delegated". */
bool words_proposer(const char *text, enum words_proposer *out, struct err *err);
/* The rules that it stands for on a chain of n replicas. */
struct qproposer_rules words_proposer_rules(enum words_proposer p, unsigned n);

/* Back: what those take. */
#define WORDS_MAX 160
void words_of_seal(const struct genesis *g, char text[WORDS_MAX]);
enum words_proposer words_of_proposer(const struct genesis *g);
const char *words_proposer_name(enum words_proposer p);

/* For people: what a block needs, and who proposes, one line each. */
void words_about_seal(const struct genesis *g, char text[WORDS_MAX]);
void words_about_proposers(const struct genesis *g, char text[WORDS_MAX]);

#endif
