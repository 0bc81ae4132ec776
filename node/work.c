/*
 * work.c: the worker pool that checks signatures.
 */
#include "work.h"

#include <pthread.h>
#include <stdlib.h>

#include "err.h"

struct lane {
	struct work_item *first, **last;
	size_t items, bytes;
};

struct work {
	pthread_mutex_t lock;
	pthread_cond_t todo, room;
	struct lane lanes[LANE_CNT];
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
		struct lane *lane = &w->lanes[(first + i) % LANE_CNT];
		struct work_item *item = lane->first;
		if (item == NULL)
			continue;
		lane->first = item->next;
		if (lane->first == NULL)
			lane->last = &lane->first;
		lane->items--;
		lane->bytes -= item->bytes;
		return item;
	}
	return NULL;
}

static void *worker(void *arg)
{
	struct work *w = arg;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct work_item *item = take(w);
		if (item == NULL && w->stopping)
			break;
		if (item == NULL) {
			pthread_cond_wait(&w->todo, &w->lock);
			continue;
		}
		pthread_cond_broadcast(&w->room);
		pthread_mutex_unlock(&w->lock);
		item->run(item);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct work *work_start(unsigned threads)
{
	struct work *w = xcalloc(1, sizeof *w);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->todo, NULL);
	pthread_cond_init(&w->room, NULL);
	for (unsigned i = 0; i < LANE_CNT; i++)
		w->lanes[i].last = &w->lanes[i].first;
	w->threads = xcalloc(threads, sizeof *w->threads);
	for (; w->thread_cnt < threads; w->thread_cnt++) {
		pthread_t *thread = &w->threads[w->thread_cnt];
		must(pthread_create(thread, NULL, worker, w) == 0);
		pthread_setname_np(*thread, "verify");
	}
	return w;
}

bool work_put(struct work *w, enum work_lane which, struct work_item *item)
{
	struct lane *lane = &w->lanes[which];
	pthread_mutex_lock(&w->lock);
	while (!w->stopping && lane->items > 0 &&
	       (lane->items >= LANE_ITEMS_MAX || lane->bytes + item->bytes > LANE_BYTES_MAX))
		pthread_cond_wait(&w->room, &w->lock);
	bool ok = !w->stopping;
	if (ok) {
		item->next = NULL;
		*lane->last = item;
		lane->last = &item->next;
		lane->items++;
		lane->bytes += item->bytes;
		pthread_cond_signal(&w->todo);
	}
	pthread_mutex_unlock(&w->lock);
	return ok;
}

void work_stop(struct work *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->todo);
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
	pthread_cond_destroy(&w->room);
	free(w->threads);
	free(w);
}
