/*
 * node_blocks.c: for http's threads that follow the chain: the ids in the blocks that were executed last, and
 * waiting for the next one.
 *
 * An executed block never changes, so what is said here needs no comparing with the replica.  A block wakes
 * those that wait for it, nobody else.
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
			w->wake(w->ctx);
	}
	if (n->waiting != NULL)
		settle(n, blocks, cnt);
	pthread_mutex_unlock(&n->lock);
}

void blocks_stop(struct node *n)
{
	struct block_waiter *w;
	DL_FOREACH(n->block_waiters, w)
	w->wake(w->ctx);
}

void blocks_free(struct node *n)
{
	for (unsigned i = 0; i < RECENT_MAX; i++)
		block_ids_unref(n->recent[i]);
}

/* ---- on http's threads --------------------------------------------------------------------- */

struct qheight node_height(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	struct qheight height = n->height;
	pthread_mutex_unlock(&n->lock);
	return height;
}

bool node_block_wait_begin(struct node *n, struct block_waiter *w)
{
	pthread_mutex_lock(&n->lock);
	bool ok = !n->stopping && n->height.n < w->height.n && n->waiter_cnt < WAITERS_MAX;
	if (ok) {
		DL_APPEND(n->block_waiters, w);
		n->waiter_cnt++;
	}
	pthread_mutex_unlock(&n->lock);
	return ok;
}

void node_block_wait_end(struct node *n, struct block_waiter *w)
{
	pthread_mutex_lock(&n->lock);
	DL_DELETE(n->block_waiters, w);
	n->waiter_cnt--;
	pthread_mutex_unlock(&n->lock);
}

enum ids_found node_block_ids(struct node *n, struct qheight height, struct block_ids **out)
{
	pthread_mutex_lock(&n->lock);
	struct block_ids *ids = n->recent[height.n % RECENT_MAX];
	enum ids_found found = n->height.n < height.n                     ? IDS_NONE
	                       : ids != NULL && ids->height.n == height.n ? IDS_HERE
	                                                                  : IDS_OLD;
	if (found == IDS_HERE)
		atomic_fetch_add(&ids->refs, 1);
	*out = found == IDS_HERE ? ids : NULL;
	pthread_mutex_unlock(&n->lock);
	return found;
}
