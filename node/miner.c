/*
 * miner.c: the node's mining threads.
 *
 * What is searched is under the lock; a thread takes a copy and compares the number of its search with the
 * current one after each chunk.  The number changes with every start and end of a search, so nothing that a
 * thread brings back late can be taken for an answer to a later question.
 */
#include "miner.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "block.h"

#define RATE_SECONDS 4.0 /* that a rate remembers, and forgets by and by */

struct worker {
	struct miner *miner;
	pthread_t thread;
	unsigned index;
	double seconds;      /* searched, up to RATE_SECONDS; the thread's own */
	_Atomic double rate; /* written by the thread alone, as is: */
	atomic_uint_fast64_t tried;
};

struct miner {
	pthread_mutex_t lock;
	pthread_cond_t todo;
	bool searching, found, ending;
	struct qheader header;        /* searching or found: whose seal */
	uint64_t base;                /* searching: where the first thread begins */
	atomic_uint_fast64_t current; /* number of the search; written under the lock, read without */

	void (*wake)(void *ctx);
	void *ctx;
	unsigned worker_cnt;
	struct worker *workers;
};

/* ---- searching ------------------------------------------------------------- */

static double seconds_now(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The mean of the first RATE_SECONDS, and from there one in which older tries count less and less. */
static void count(struct worker *w, uint64_t tries, double seconds)
{
	double rate = atomic_load_explicit(&w->rate, memory_order_relaxed);

	atomic_fetch_add_explicit(&w->tried, tries, memory_order_relaxed);
	if (seconds <= 0)
		return;
	w->seconds += seconds;
	if (w->seconds > RATE_SECONDS)
		w->seconds = seconds > RATE_SECONDS ? seconds : RATE_SECONDS;
	rate += ((double)tries - rate * seconds) / w->seconds;
	atomic_store_explicit(&w->rate, rate, memory_order_relaxed);
}

/* No thread comes to the end of its part in the life of a machine. */
static uint64_t part_of(uint64_t base, unsigned index, unsigned worker_cnt)
{
	return base + index * (UINT64_MAX / worker_cnt);
}

/* True: *nonce seals the header.  False: search `number` is over. */
static bool search(struct worker *w, const struct qheader *header, uint64_t number, uint64_t from,
                   uint64_t *nonce)
{
	double begun = seconds_now();

	while (atomic_load_explicit(&w->miner->current, memory_order_relaxed) == number) {
		bool found = block_mine(header, from, MINER_CHUNK, nonce);
		double now = seconds_now();
		count(w, found ? *nonce - from + 1 : MINER_CHUNK, now - begun);
		if (found)
			return true;
		from += MINER_CHUNK;
		begun = now;
	}
	return false;
}

/* Locked. */
static void end_search(struct miner *m)
{
	m->searching = m->found = false;
	atomic_fetch_add_explicit(&m->current, 1, memory_order_relaxed);
}

/* Locked, but for the search itself. */
static void work_on(struct worker *w)
{
	struct miner *m = w->miner;
	struct qheader header = m->header;
	uint64_t number = atomic_load_explicit(&m->current, memory_order_relaxed);
	uint64_t from = part_of(m->base, w->index, m->worker_cnt);

	pthread_mutex_unlock(&m->lock);
	bool found = search(w, &header, number, from, &header.seal.qseal_u.pow.nonce);
	pthread_mutex_lock(&m->lock);
	if (!found || atomic_load_explicit(&m->current, memory_order_relaxed) != number)
		return;
	end_search(m);
	m->header = header;
	m->found = true;
	pthread_mutex_unlock(&m->lock);
	m->wake(m->ctx);
	pthread_mutex_lock(&m->lock);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct miner *m = w->miner;

	pthread_mutex_lock(&m->lock);
	while (!m->ending)
		if (m->searching)
			work_on(w);
		else
			pthread_cond_wait(&m->todo, &m->lock);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* ---- for the node ---------------------------------------------------------- */

struct miner *miner_new(unsigned threads, void (*wake)(void *ctx), void *ctx)
{
	struct miner *m = xcalloc(1, sizeof *m);

	must(threads >= 1 && threads <= MINER_THREADS_MAX);
	must(pthread_mutex_init(&m->lock, NULL) == 0 && pthread_cond_init(&m->todo, NULL) == 0);
	m->wake = wake;
	m->ctx = ctx;
	m->worker_cnt = threads;
	m->workers = xcalloc(threads, sizeof *m->workers);
	for (unsigned i = 0; i < threads; i++) {
		struct worker *w = &m->workers[i];
		w->miner = m;
		w->index = i;
		must(pthread_create(&w->thread, NULL, run, w) == 0);
		pthread_setname_np(w->thread, "mine");
	}
	return m;
}

static void join(struct miner *m)
{
	pthread_mutex_lock(&m->lock);
	end_search(m);
	m->ending = true;
	pthread_cond_broadcast(&m->todo);
	pthread_mutex_unlock(&m->lock);
	for (unsigned i = 0; i < m->worker_cnt; i++)
		pthread_join(m->workers[i].thread, NULL);
}

void miner_free(struct miner *m)
{
	if (!m)
		return;
	join(m);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->todo);
	free(m->workers);
	free(m);
}

void miner_seal(struct miner *m, const struct qheader *header)
{
	uint64_t base;

	must(header->seal.kind == QSEAL_POW);
	randombytes_buf(&base, sizeof base);
	pthread_mutex_lock(&m->lock);
	end_search(m);
	m->header = *header;
	m->base = base;
	m->searching = true;
	pthread_cond_broadcast(&m->todo);
	pthread_mutex_unlock(&m->lock);
}

void miner_stop(struct miner *m)
{
	pthread_mutex_lock(&m->lock);
	end_search(m);
	pthread_mutex_unlock(&m->lock);
}

bool miner_take(struct miner *m, struct qheader *header)
{
	pthread_mutex_lock(&m->lock);
	bool found = m->found;
	if (found)
		*header = m->header;
	m->found = false;
	pthread_mutex_unlock(&m->lock);
	return found;
}

double miner_rate(const struct miner *m)
{
	double sum = 0;

	for (unsigned i = 0; i < m->worker_cnt; i++)
		sum += atomic_load_explicit(&m->workers[i].rate, memory_order_relaxed);
	return sum;
}

uint64_t miner_hashes(const struct miner *m)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->worker_cnt; i++)
		sum += atomic_load_explicit(&m->workers[i].tried, memory_order_relaxed);
	return sum;
}
