/*
 * why_look.c: what is seen of each replica: its own word, else that of whoever heard it last.
 */
#include "why_impl.h"

#include <stdlib.h>

enum {
	SILENT_MS = 5000, /* unheard for so long: it is away */
	CLOCKS_FEW = 3,   /* so many tell which clock is wrong: ours or one of theirs */
};

bool why_same_chain(const struct judging *j, const struct why_node *n)
{
	return n->answers && qhash_eq(&n->chain, &j->v->g->chain) && n->replica < j->v->g->n;
}

static void look_at_peers(struct judging *j, const struct why_node *n)
{
	for (unsigned i = 0; i < j->v->g->n; i++) {
		struct replica_view *r = &j->replicas[i];
		const struct why_peer *p = &n->peer[i];
		if (i == n->replica)
			continue;
		if (r->peer == NULL || (p->heard && (!r->peer->heard || p->silent_ms < r->peer->silent_ms))) {
			r->peer = p;
			r->seen_by = n;
		}
	}
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* By the clock in the middle: most are right. Of few nodes, by ours. */
static void look_at_clocks(struct judging *j)
{
	int64_t clocks[Q_REPLICAS_MAX] = {0};
	size_t cnt = 0;
	for (unsigned i = 0; i < j->v->g->n; i++)
		if (j->replicas[i].node != NULL)
			clocks[cnt++] = j->replicas[i].node->clock_ms;
	qsort(clocks, cnt, sizeof *clocks, ascending);
	int64_t right = cnt >= CLOCKS_FEW ? clocks[cnt / 2] : 0;
	for (unsigned i = 0; i < j->v->g->n; i++)
		if (j->replicas[i].node != NULL)
			j->replicas[i].clock_ms = j->replicas[i].node->clock_ms - right;
}

/* Its clock is so far behind that each proposal is of the future to it (rule PP9). */
static bool lives_in_the_past(const struct judging *j, const struct replica_view *r)
{
	return r->clock_ms < -(int64_t)j->v->g->g.params.drift_ms;
}

/* By its own word; else by that of whoever heard it last, unless all nodes were asked and it did not answer.
 */
static bool can_vote(const struct judging *j, const struct replica_view *r)
{
	if (r->node != NULL)
		return r->node->muted[0] == '\0' && !lives_in_the_past(j, r);
	return !j->all_asked && r->peer != NULL && r->peer->heard && r->peer->connected &&
	       r->peer->silent_ms < SILENT_MS;
}

/* A node that is named twice is one; one that does not answer, or for another chain, may be any. */
static bool all_asked(const struct judging *j)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < j->v->g->n; i++)
		cnt += j->replicas[i].node != NULL;
	for (size_t i = 0; i < j->v->cnt; i++)
		cnt += !why_same_chain(j, &j->v->nodes[i]);
	return cnt >= j->v->g->n;
}

bool why_misses(const struct why_node *n, unsigned replica)
{
	return replica != n->replica && n->peer[replica].heard && n->peer[replica].silent_ms >= SILENT_MS;
}

/* All may answer us, and still not one another. */
static unsigned together(const struct judging *j)
{
	unsigned most = 0;
	for (unsigned i = 0; i < j->v->g->n; i++) {
		const struct why_node *n = j->replicas[i].votes ? j->replicas[i].node : NULL;
		unsigned cnt = 0;
		for (unsigned k = 0; n != NULL && k < j->v->g->n; k++)
			cnt += j->replicas[k].votes && !why_misses(n, k);
		most = cnt > most ? cnt : most;
	}
	return most;
}

void why_look(struct judging *j)
{
	for (size_t i = 0; i < j->v->cnt; i++) {
		const struct why_node *n = &j->v->nodes[i];
		if (!why_same_chain(j, n))
			continue;
		j->replicas[n->replica].node = n;
		if (j->best == NULL || n->height > j->best->height)
			j->best = n;
		look_at_peers(j, n);
	}
	j->all_asked = all_asked(j);
	look_at_clocks(j);
	for (unsigned i = 0; i < j->v->g->n; i++) {
		j->replicas[i].votes = can_vote(j, &j->replicas[i]);
		j->out->voters += j->replicas[i].votes;
	}
	j->together = together(j);
}
