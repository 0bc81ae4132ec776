/*
 * work.c: the worker pool that checks signatures.
 */
#include "work.h"

#include <pthread.h>
#include <stdlib.h>

#include "err.h"

struct work {
	pthread_mutex_t lock;
	pthread_cond_t todo, votes, room; /* votes: the thread that does nothing else waits for it */
	struct fair lanes[LANE_CNT];
	unsigned turn;
	bool stopping;
	unsigned thread_cnt;
	pthread_t *threads;
};

/* Which lane a pick prefers; the others follow in order. */
static const enum work_lane preferred[] = {LANE_VOTES, LANE_BULK, LANE_VOTES, LANE_CLIENTS};

static struct work_item *take(struct work *w)
{
	unsigned first = preferred[w->turn++ % (sizeof preferred / sizeof *preferred)];
	for (unsigned i = 0; i < LANE_CNT; i++) {
		struct fair_item *item = fair_take(&w->lanes[(first + i) % LANE_CNT]);
		if (item != NULL)
			return (struct work_item *)item; /* its first member */
	}
	return NULL;
}

static struct work_item *take_vote(struct work *w)
{
	return (struct work_item *)fair_take(&w->lanes[LANE_VOTES]);
}

static void work_through(struct work *w, struct work_item *(*next)(struct work *w), pthread_cond_t *more)
{
	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct work_item *item = next(w);
		if (item == NULL && w->stopping)
			break;
		if (item == NULL) {
			pthread_cond_wait(more, &w->lock);
			continue;
		}
		pthread_cond_broadcast(&w->room);
		pthread_mutex_unlock(&w->lock);
		item->run(item);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
}

static void *worker(void *arg)
{
	struct work *w = arg;
	work_through(w, take, &w->todo);
	return NULL;
}

static void *vote_worker(void *arg)
{
	struct work *w = arg;
	work_through(w, take_vote, &w->votes);
	return NULL;
}

static void add_thread(struct work *w, void *(*run)(void *), const char *name)
{
	pthread_t *thread = &w->threads[w->thread_cnt++];
	must(pthread_create(thread, NULL, run, w) == 0);
	pthread_setname_np(*thread, name);
}

struct work *work_start(unsigned threads, unsigned replicas)
{
	struct work *w = xcalloc(1, sizeof *w);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->todo, NULL);
	pthread_cond_init(&w->votes, NULL);
	pthread_cond_init(&w->room, NULL);
	fair_init(&w->lanes[LANE_VOTES], replicas, LANE_ITEMS_MAX, LANE_BYTES_MAX);
	fair_init(&w->lanes[LANE_BULK], replicas, LANE_ITEMS_MAX, LANE_BYTES_MAX);
	fair_init(&w->lanes[LANE_CLIENTS], 1, LANE_ITEMS_MAX, LANE_BYTES_MAX);
	w->threads = xcalloc(threads + 1, sizeof *w->threads);
	for (unsigned i = 0; i < threads; i++)
		add_thread(w, worker, "verify");
	add_thread(w, vote_worker, "verify-votes");
	return w;
}

bool work_offer(struct work *w, enum work_lane lane, unsigned replica, struct work_item *item)
{
	pthread_mutex_lock(&w->lock);
	bool ok = !w->stopping && fair_put(&w->lanes[lane], replica, &item->fair);
	if (ok)
		pthread_cond_signal(&w->todo);
	if (ok && lane == LANE_VOTES)
		pthread_cond_signal(&w->votes);
	pthread_mutex_unlock(&w->lock);
	return ok;
}

bool work_put(struct work *w, struct work_item *item)
{
	bool ok = false;
	pthread_mutex_lock(&w->lock);
	while (!w->stopping && !(ok = fair_put(&w->lanes[LANE_CLIENTS], 0, &item->fair)))
		pthread_cond_wait(&w->room, &w->lock);
	if (ok)
		pthread_cond_signal(&w->todo);
	pthread_mutex_unlock(&w->lock);
	return ok;
}

void work_stop(struct work *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->todo);
	pthread_cond_broadcast(&w->votes);
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->thread_cnt; i++)
		pthread_join(w->threads[i], NULL);
}

void work_free(struct work *w)
{
	if (w == NULL)
		return;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->todo);
	pthread_cond_destroy(&w->votes);
	pthread_cond_destroy(&w->room);
	free(w->threads);
	free(w);
}
