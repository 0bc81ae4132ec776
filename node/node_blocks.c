/*
 * node_blocks.c: for http's threads that follow the chain: the ids in the blocks that were executed last, and
 * waiting for the next one.
 *
 * An executed block never changes, so what is said here needs no comparing with the replica.  Each who waits
 * has a condition of his own: a block wakes those that wait for it, nobody else.
 */
#include <stdlib.h>
#include <utlist.h>

#include "node_impl.h"

/* ---- on the replica's thread ------------------------------------------------------------- */

static struct block_ids *ids_of(const struct block *b)
{
	struct block_ids *ids = xcalloc(1, sizeof *ids + b->tx_cnt * sizeof ids->ids[0]);
	atomic_init(&ids->refs, 1);
	ids->height = b->header.height;
	ids->cnt = b->tx_cnt;
	for (size_t i = 0; i < b->tx_cnt; i++)
		ids->ids[i] = b->txs[i]->id;
	return ids;
}

void block_ids_unref(struct block_ids *b)
{
	if (b != NULL && atomic_fetch_sub(&b->refs, 1) == 1)
		free(b);
}

/* With the lock held. Takes the reference. */
static void keep(struct node *n, struct block_ids *ids)
{
	struct block_ids **place = &n->recent[ids->height.n % RECENT_MAX];
	block_ids_unref(*place);
	*place = ids;
	n->height = ids->height;
}

/* With the lock held: for those who wait for one of these transactions. */
static void settle(struct node *n, struct block *const *blocks, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		const struct block *b = blocks[i];
		for (size_t k = 0; k < b->tx_cnt; k++)
			ask_settle(n, &b->txs[k]->id, TX_FINAL, b->header.height, NULL);
	}
}

void blocks_executed(void *ctx, struct block *const *blocks, size_t cnt)
{
	struct node *n = ctx;
	size_t first = cnt > RECENT_MAX ? cnt - RECENT_MAX : 0;
	struct block_ids *ids[RECENT_MAX];
	for (size_t i = first; i < cnt; i++)
		ids[i - first] = ids_of(blocks[i]);
	pthread_mutex_lock(&n->lock);
	for (size_t i = first; i < cnt; i++)
		keep(n, ids[i - first]);
	struct block_waiter *w;
	DL_FOREACH(n->block_waiters, w)
	{
		if (w->height.n <= n->height.n)
			pthread_cond_signal(&w->executed);
	}
	if (n->waiting != NULL)
		settle(n, blocks, cnt);
	pthread_mutex_unlock(&n->lock);
}

void blocks_stop(struct node *n)
{
	struct block_waiter *w;
	DL_FOREACH(n->block_waiters, w)
	pthread_cond_signal(&w->executed);
}

void blocks_free(struct node *n)
{
	for (unsigned i = 0; i < RECENT_MAX; i++)
		block_ids_unref(n->recent[i]);
}

/* ---- on http's threads --------------------------------------------------------------------- */

/* With the lock held. */
static void wait_for(struct node *n, struct qheight height, uint64_t deadline_ms)
{
	struct timespec until = clock_timespec(deadline_ms);
	struct block_waiter w = {.height = height};
	if (n->waiter_cnt >= WAITERS_MAX)
		return;
	cond_init(&w.executed);
	DL_APPEND(n->block_waiters, &w);
	n->waiter_cnt++;
	while (!n->stopping && n->height.n < height.n) {
		if (pthread_cond_timedwait(&w.executed, &n->lock, &until) != 0)
			break;
	}
	n->waiter_cnt--;
	DL_DELETE(n->block_waiters, &w);
	pthread_cond_destroy(&w.executed);
}

enum ids_found node_block_ids(struct node *n, struct qheight height, uint64_t deadline_ms,
                              struct block_ids **out)
{
	pthread_mutex_lock(&n->lock);
	if (n->height.n < height.n && deadline_ms > node_now_ms())
		wait_for(n, height, deadline_ms);
	struct block_ids *ids = n->recent[height.n % RECENT_MAX];
	enum ids_found found = n->height.n < height.n                     ? IDS_NONE
	                       : ids != NULL && ids->height.n == height.n ? IDS_HERE
	                                                                  : IDS_OLD;
	if (found == IDS_HERE) {
		atomic_fetch_add(&ids->refs, 1);
		*out = ids;
	}
	pthread_mutex_unlock(&n->lock);
	return found;
}
