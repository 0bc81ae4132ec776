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
	uint64_t pass[LANE_CNT], now; /* how far each lane is, and the one that was served last */
	bool votes_idle;              /* that thread waits, and nobody has woken it */
	bool full;                    /* somebody waits for room */
	bool stopping;
	unsigned thread_cnt;
	pthread_t *threads;
};

/* What a lane has of the workers while there is something in all, and how many bytes each source may have
 * there. Own clients come last. It is counted in bytes: a signature more or less in them is not seen. */
static const struct {
	unsigned weight;
	size_t bytes_max;
} shares[LANE_CNT] = {
    [LANE_VOTES] = {8, LANE_BYTES_MAX},
    [LANE_WANTED] = {4, LANE_BYTES_MAX},
    [LANE_FORWARDS] = {3, FORWARDS_BYTES_MAX},
    [LANE_CLIENTS] = {1, LANE_BYTES_MAX},
};

#define WEIGHT_UNIT 24    /* a multiple of each weight */
#define ENVELOPE_COST 512 /* in bytes of transactions: to check the signature of what they came in */

/*
 * Stride scheduling (Waldspurger and Weihl, 1995): what a lane was given moves its pass on, the more the
 * less its weight; the lane that is behind is next.  A lane that was empty has saved nothing up.
 */
static struct work_item *take(struct work *w)
{
	enum work_lane best = LANE_CNT;
	for (enum work_lane i = 0; i < LANE_CNT; i++) {
		if (w->lanes[i].cnt > 0 && (best == LANE_CNT || w->pass[i] < w->pass[best]))
			best = i;
	}
	if (best == LANE_CNT)
		return NULL;
	struct fair_item *item = fair_take(&w->lanes[best]);
	w->now = w->pass[best];
	w->pass[best] += (item->bytes + ENVELOPE_COST) * (WEIGHT_UNIT / shares[best].weight);
	return (struct work_item *)item; /* its first member */
}

/* With the lock held. */
static bool put(struct work *w, enum work_lane lane, unsigned source, struct work_item *item)
{
	if (w->stopping)
		return false;
	if (w->lanes[lane].cnt == 0 && w->pass[lane] < w->now)
		w->pass[lane] = w->now;
	return fair_put(&w->lanes[lane], source, &item->fair);
}

static struct work_item *take_vote(struct work *w)
{
	return (struct work_item *)fair_take(&w->lanes[LANE_VOTES]);
}

static struct work_item *wait_any(struct work *w)
{
	struct work_item *item;
	while ((item = take(w)) == NULL && !w->stopping)
		pthread_cond_wait(&w->todo, &w->lock);
	return item;
}

static struct work_item *wait_vote(struct work *w)
{
	struct work_item *item;
	while ((item = take_vote(w)) == NULL && !w->stopping) {
		w->votes_idle = true;
		pthread_cond_wait(&w->votes, &w->lock);
		w->votes_idle = false;
	}
	return item;
}

static void work_through(struct work *w, struct work_item *(*wait)(struct work *w))
{
	struct work_item *item;
	pthread_mutex_lock(&w->lock);
	while ((item = wait(w)) != NULL) {
		if (w->full)
			pthread_cond_broadcast(&w->room);
		w->full = false;
		pthread_mutex_unlock(&w->lock);
		item->run(item);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
}

static void *worker(void *arg)
{
	work_through(arg, wait_any);
	return NULL;
}

static void *vote_worker(void *arg)
{
	work_through(arg, wait_vote);
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
	for (enum work_lane i = 0; i < LANE_CNT; i++)
		fair_init(&w->lanes[i], i == LANE_CLIENTS ? 1 : replicas, LANE_ITEMS_MAX,
		          shares[i].bytes_max);
	w->threads = xcalloc(threads + 1, sizeof *w->threads);
	for (unsigned i = 0; i < threads; i++)
		add_thread(w, worker, "verify");
	add_thread(w, vote_worker, "verify-votes");
	return w;
}

/* With the lock held: who is to be woken for an item that was put. One thread: the others would find nothing.
 */
static pthread_cond_t *who(struct work *w, enum work_lane lane)
{
	if (lane != LANE_VOTES || !w->votes_idle)
		return &w->todo;
	w->votes_idle = false;
	return &w->votes;
}

bool work_offer(struct work *w, enum work_lane lane, unsigned replica, struct work_item *item)
{
	pthread_cond_t *wake = NULL;
	pthread_mutex_lock(&w->lock);
	if (put(w, lane, replica, item))
		wake = who(w, lane);
	pthread_mutex_unlock(&w->lock);
	if (wake != NULL)
		pthread_cond_signal(wake);
	return wake != NULL;
}

bool work_put(struct work *w, struct work_item *item)
{
	bool ok = false;
	pthread_mutex_lock(&w->lock);
	while (!(ok = put(w, LANE_CLIENTS, 0, item)) && !w->stopping) {
		w->full = true;
		pthread_cond_wait(&w->room, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	if (ok)
		pthread_cond_signal(&w->todo);
	return ok;
}

bool work_waits(struct work *w)
{
	pthread_mutex_lock(&w->lock);
	bool waits = w->lanes[LANE_FORWARDS].cnt + w->lanes[LANE_CLIENTS].cnt > 0;
	pthread_mutex_unlock(&w->lock);
	return waits;
}

void work_load(struct work *w, struct work_load out[LANE_CNT])
{
	pthread_mutex_lock(&w->lock);
	for (enum work_lane i = 0; i < LANE_CNT; i++)
		out[i] = (struct work_load){w->lanes[i].cnt, fair_bytes(&w->lanes[i])};
	pthread_mutex_unlock(&w->lock);
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
