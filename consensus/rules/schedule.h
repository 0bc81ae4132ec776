/*
 * schedule.h: who proposes: the primary of the view, or replicas in turn by their stake.
 *
 * Heights are cut into epochs of `epoch` heights, and into turns of `turn` heights.  An epoch's proposers
 * follow from the stakes as they stood when the epoch before the last ended: by then a whole epoch, at least
 * two checkpoint intervals (L) and three windows, lies between, so every replica that may judge a proposal
 * has executed that height.  Nobody can buy a turn that is near.
 *
 *     heights      1 ... E   E+1 ... 2E   2E+1 ... 3E   3E+1 ...
 *     decided by      0           0             E          2E       stakes after this height (0: the genesis)
 *
 * Turn t in view v belongs to s[(t + v) mod CYCLE], where s is a fixed cycle in which replica i stands w[i]
 * times, spread evenly: a pure function of (table, t, v).  Views are not in blocks, so nothing that a view
 * change advances is part of the state.  Turns are counted from the chain's first, not from the epoch's: an
 * epoch shorter than a cycle would else show the beginning of the cycle only, again and again, and whoever
 * stands at its end would never propose.
 *
 * How fair that is.  Say that a replica holds the share p of the elected stake.
 *
 *   1. w[i] is less than one turn from p * CYCLE.
 *   2. Of the first L turns of the cycle it has L * w[i] / CYCLE to less than one turn; so of any L turns in
 *      a row, wherever they begin, to less than two.
 *   3. So of any L turns that one table decides it has p * L to less than L / CYCLE + 2, and where L is whole
 *      cycles to less than L / CYCLE: one turn a cycle.  A view change skips a turn: the one that failed
 *      counts as had.
 *   4. Over several tables these bounds add up, whatever happens to stakes between them.  On a chain whose
 *      epochs are whole cycles (as by default: epoch = CYCLE * turn) only the ends of the stretch of turns
 *      and the epochs with view changes are cut: any 1,000 turns are fair to one turn a cycle, and two for
 *      each cut.  Where epochs are shorter than a cycle, who moves much stake about at every epoch's end can
 *      keep one with little out of turn; so do not choose them.
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
	struct qheight settled;         /* height of the table that it was made of */
	uint8_t turns[SCHEDULE_CYCLE];  /* replica of each turn */
	uint8_t weight[Q_REPLICAS_MAX]; /* turns of each replica in the cycle: SCHEDULE_CYCLE together */
	bool alike;                     /* too few would have had a turn: stake decided nothing */
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

/*
 * The most turns in a row that replicas with `weight` of the cycle's turns, `cnt` of them, can have.  Of L
 * turns in a row they have less than L * b + 2 * cnt, where b = weight / CYCLE; so L < 2 * cnt / (1 - b) if
 * they have them all.  And no more than `weight`, for a run that is longer than that has an honest turn.
 */
unsigned schedule_run_bound(unsigned cnt, unsigned weight);

/*
 * A view makes progress at a height if both its NEW-VIEW's sender (v mod n) and its proposer there are
 * honest.  Of so many views in a row one is such a view, if f replicas with `weight` of the turns are faulty,
 * weight below CYCLE.  The smaller of two numbers:
 *
 *   Of M views in a row less than M * b + 2f have a faulty proposer (as above), and at most f * ceil(M / n),
 *   less than M * f / n + f, a faulty sender.  If M * (1 - b - f / n) >= 3f, one is left.  So with less than
 *   a third of the turns faulty as well: 9f views.  Where b + f / n >= 1 that says nothing, but:
 *
 *   Any CYCLE views in a row hold each position once, so CYCLE * (f + 1) hold an honest proposer's f + 1
 *   times, at v, v + CYCLE, v + 2 * CYCLE ...  Since CYCLE and n have no common factor, these have f + 1
 *   different senders (f < n), of which one is honest.
 */
unsigned schedule_view_bound(unsigned n, unsigned f, unsigned weight);

#endif
