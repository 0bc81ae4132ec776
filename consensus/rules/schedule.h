/*
 * schedule.h: who proposes: the primary of the view, or replicas in turn by their stake.
 *
 * Heights are cut into epochs of `epoch` heights, and epochs into turns of `turn` heights.  An epoch's
 * proposers follow from the stakes as they stood when the epoch before the last ended: by then a whole epoch,
 * at least two checkpoint intervals (L) and three windows, lies between, so every replica that may judge a
 * proposal has executed that height.  Nobody can buy a turn that is near.
 *
 *     heights    1 ... E | E+1 ... 2E | 2E+1 ... 3E | 3E+1 ...
 *     decided by    0         0             E            2E          stakes after this height (0: the
 * genesis)
 *
 * Turn t of an epoch in view v belongs to s[(t + v) mod CYCLE], where s is a fixed cycle in which replica i
 * stands w[i] times, spread evenly: a pure function of (table, t, v).  Views are not in blocks, so nothing
 * that a view change advances is part of the state.
 */
#ifndef QUORATE_SCHEDULE_H
#define QUORATE_SCHEDULE_H

#include "genesis.h"

/*
 * Turns in a cycle. A prime above Q_REPLICAS_MAX: NEW-VIEW comes from v mod n, the proposer from v mod CYCLE,
 * and since no n shares a factor with it, each pair of them comes about. Short, so that the longest run of
 * faulty proposers is.
 */
#define SCHEDULE_CYCLE 127

struct schedule {
	struct qheight settled;        /* height of the table that it was made of */
	uint8_t turns[SCHEDULE_CYCLE]; /* replica of each turn */
	uint8_t
	    weight[Q_REPLICAS_MAX]; /* turns of each replica in the cycle; they add up to SCHEDULE_CYCLE */
};

/* Are proposers chosen by stake on this chain? */
static inline const struct qstake_rules *stake_rules(const struct genesis *g)
{
	return g->g.proposer.kind == QPROPOSER_STAKE ? &g->g.proposer.qproposer_rules_u.stake : NULL;
}

/*
 * The cycle of a table (n stakes). The `proposers` replicas with most stake, own and delegated (of equal ones
 * the lower index), share CYCLE turns by largest remainders; then the turns are laid out so that in every
 * prefix each has its share to within one turn (Tijdeman, The chairman assignment problem, 1980).
 * If fewer than f + 1 replicas would have a turn, f traitors could hold every turn and stop the chain: then
 * stake decides nothing, and all replicas count alike.
 */
void schedule_make(const struct genesis *g, const struct qtable *t, struct schedule *out);

/* The height whose table decides who proposes at h (above 0): the end of the epoch before the last, or 0. */
struct qheight schedule_settled(const struct qstake_rules *r, struct qheight h);

/* Does an epoch end at h? Then the stakes after it are settled. */
bool schedule_epoch_ends(const struct qstake_rules *r, struct qheight h);

/* The proposer at h in view v.  s: made of the table of schedule_settled(h); ignored (may be NULL) where the
 * primary proposes. */
unsigned schedule_proposer(const struct genesis *g, const struct schedule *s, struct qheight h,
                           struct qview v);

/*
 * The lowest view, not below *v, in which `proposer` has the turn at h: into *v.  False: in none.  Heights of
 * a chain were proposed in views that never fall, so walking up a chain with one *v finds the lowest views
 * that are possible; a block whose view exceeds that of the COMMIT certificate above it had the wrong
 * proposer.
 */
bool schedule_view_of(const struct genesis *g, const struct schedule *s, struct qheight h, unsigned proposer,
                      struct qview *v);

/* The most turns in a row that replicas with `weight` of the cycle's turns, `cnt` of them, can have: for f
 * faulty ones with share b of the turns, less than 2f / (1 - b). */
unsigned schedule_run_bound(unsigned cnt, unsigned weight);

#endif
