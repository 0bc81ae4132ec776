/*
 * judge.h: the votes of honest replicas, judged by the rules once a story is over.  The world's checkers
 * see what must never happen to a chain; a vote that a rule forbids may well do no harm to it in a small
 * world.  Nothing here is shared with the engine: what is known is who showed which vote.
 *
 *   PREPARE of a fresh block    its proposer has the turn in the view (PP1); its parent was proposed or bound
 * in the view, or is final, and is the one that this replica prepared below (PP6); form and seal (PP7, PP11),
 * time (PP8, PP9), transactions (PP10) COMMIT                      a quorum may have prepared it (PR2), and
 * every block below down to a final one, in this view (CO1)
 *
 * A block is not fresh if a quorum may have prepared it in a lower view: then a NEW-VIEW may have bound it.
 * "May": the traitors' votes are counted whether shown or not.
 */
#ifndef QUORATE_FUZZ_JUDGE_H
#define QUORATE_FUZZ_JUDGE_H

#include "world.h"

#define JUDGED_VIEWS_MAX 64

static inline bool judge_shown(const struct world *w, unsigned i, enum qkind kind, uint64_t view,
                               const struct wblock *b)
{
	return check_vote_of(w, i, kind, view, b->header.height.n, &b->hash) != NULL;
}

static inline bool judge_quorum(const struct world *w, uint64_t view, const struct wblock *b)
{
	unsigned cnt = 0;

	for (unsigned i = 0; i < w->n; i++)
		cnt += w->r[i].traitor || judge_shown(w, i, QPREPARE, view, b);
	return cnt >= w->q;
}

static inline bool judge_carried(const struct world *w, uint64_t view, const struct wblock *b)
{
	bool any = false;

	for (uint64_t v = 0; v < view && !any; v++)
		any = judge_quorum(w, v, b);
	return any;
}

static inline bool judge_final(const struct world *w, const struct wblock *b)
{
	uint64_t h = b->header.height.n;

	return h < HEIGHTS_MAX && w->final[h].set && qhash_eq(&w->final[h].block, &b->hash);
}

/* What replica i prepared at this height in the view; NULL: nothing. */
static inline const struct wblock *judge_prepared_at(const struct world *w, unsigned i, uint64_t view,
                                                     uint64_t height)
{
	for (size_t k = 0; k < w->block_cnt; k++)
		if (w->blocks[k]->header.height.n == height &&
		    judge_shown(w, i, QPREPARE, view, w->blocks[k]))
			return w->blocks[k];
	return NULL;
}

/* PP6. */
static inline bool judge_parent(const struct world *w, unsigned i, uint64_t view, const struct wblock *b)
{
	const struct wblock *parent = world_block(w, &b->header.parent), *mine;
	uint64_t height = b->header.height.n;

	if (height == 1)
		return qhash_eq(&b->header.parent, &w->g.chain);
	if (!parent || parent->header.height.n != height - 1)
		return false;
	if (judge_final(w, parent))
		return true;
	mine = judge_prepared_at(w, i, view, height - 1);
	return mine ? mine == parent
	            : judge_carried(w, view, parent) ||
	                  judge_shown(w, parent->header.proposer, QPRE_PREPARE, view, parent);
}

static inline bool judge_twice(const struct wblock *b)
{
	for (size_t i = 0; i < b->leaf_cnt; i++)
		for (size_t j = 0; j < i; j++)
			if (qhash_eq(&b->leaves[i], &b->leaves[j]))
				return true;
	return false;
}

/* Stakes never move here: the genesis' table decides all. */
static inline unsigned judge_proposer(const struct world *w, uint64_t height, uint64_t view)
{
	static struct qstake stakes[Q_REPLICAS_MAX];
	struct qtable t = {.height = schedule_settled(stake_rules(&w->g), qheight_of(height)),
	                   .stakes = {w->n, stakes}};
	struct schedule s;

	memset(stakes, 0, sizeof stakes);
	w->modes.stakes(0, stakes);
	schedule_make(&w->g, &t, &s);
	return schedule_proposer(&w->g, &s, qheight_of(height), qview_of(view));
}

static inline bool judge_seal(const struct world *w, const struct qheader *h)
{
	struct seal_parent below;
	struct qhash hash;

	block_hash(h, &hash);
	if (h->seal.kind == QSEAL_NONE || !seal_holds(&w->g, h, &hash))
		return h->seal.kind == w->g.g.seal.kind && h->seal.kind == QSEAL_NONE;
	below = world_seal_parent(w, &h->parent);
	return seal_follows(&w->g, &below, h);
}

static inline void judge_prepare(struct world *w, unsigned i, uint64_t view, const struct wblock *b)
{
	const struct qheader *h = &b->header;
	const struct wblock *parent = world_block(w, &h->parent);
	const char *rule = NULL;

	if (judge_carried(w, view, b))
		return;
	bool by_stake = w->g.g.proposer.kind == QPROPOSER_STAKE;
	if (h->proposer != (by_stake ? judge_proposer(w, h->height.n, view) : view % w->n))
		rule = "PP1";
	else if (!judge_parent(w, i, view, b))
		rule = "PP6";
	else if (h->format != 1 || !judge_seal(w, h) || h->tx_count != b->leaf_cnt || judge_twice(b))
		rule = "PP7";
	else if (h->time_ms <= (parent ? parent->header.time_ms : w->g.g.time_ms))
		rule = "PP8";
	else if (h->time_ms > w->g.g.time_ms + 1000 + w->now_ms + w->g.g.params.drift_ms)
		rule = "PP9";
	else if (w->valid && !w->valid(w, i, b))
		rule = "PP10";
	if (rule)
		world_broken(w, "replica %u prepares %s at height %llu of view %llu against %s", i, b->name,
		             (unsigned long long)h->height.n, (unsigned long long)view, rule);
}

static inline void judge_commit(struct world *w, unsigned i, uint64_t view, const struct wblock *b)
{
	for (const struct wblock *at = b; at && (at == b || !judge_final(w, at));
	     at = world_block(w, &at->header.parent))
		if (!judge_quorum(w, view, at))
			world_broken(w, "replica %u commits %s in view %llu, but %s is not prepared in it", i,
			             b->name, (unsigned long long)view, at->name);
}

static inline void judge_votes(struct world *w)
{
	uint64_t views = 0;

	for (unsigned i = 0; i < w->n; i++)
		if (!w->r[i].traitor && world_status(w, i).asked.n >= views)
			views = world_status(w, i).asked.n + 1;
	if (views > JUDGED_VIEWS_MAX)
		views = JUDGED_VIEWS_MAX;
	for (unsigned i = 0; i < w->n; i++)
		for (size_t k = 0; k < w->block_cnt && !w->r[i].traitor; k++)
			for (uint64_t v = 0; v < views; v++) {
				if (judge_shown(w, i, QPREPARE, v, w->blocks[k]))
					judge_prepare(w, i, v, w->blocks[k]);
				if (judge_shown(w, i, QCOMMIT, v, w->blocks[k]))
					judge_commit(w, i, v, w->blocks[k]);
			}
}

#endif
