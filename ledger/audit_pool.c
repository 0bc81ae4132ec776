/*
 * audit_pool.c: signature checks, which cost more than all the rest, on all cores.
 *
 * The replay goes on while they run: what fails is told at the end.  A block's hash covers its
 * transactions with their witnesses, so with several ledgers each block is verified once.
 */
#include <stdlib.h>
#include <unistd.h>

#include "audit_impl.h"

#define BATCH_TXS 64 /* transactions in a job: some 4 ms of work */
#define QUEUE_MAX 64 /* jobs: bounds the memory, keeps every core busy */
#define THREADS_MAX 256

struct job {
	struct job *next;
	struct audit_failure id; /* what to report if it fails; seq is that of txs[0] */
	struct qcert cert;       /* of a certificate job; then tx_cnt is 0 */
	size_t tx_cnt;
	struct tx *txs[BATCH_TXS];
};

struct audit_pool {
	const struct genesis *g;
	pthread_t threads[THREADS_MAX];
	unsigned thread_cnt;
	pthread_mutex_t lock;
	pthread_cond_t work, room; /* a job came or the end; a job was taken */
	struct job *first, *last;
	size_t queued;
	bool ending;
	struct audit_failure *failures;
	size_t failure_cnt, failure_cap; /* all are kept: each may be the only one of its ledger */
	struct qhash *claims; /* [height - 1]: the block there that was handed in first; zero: none */
	size_t claim_cap;
};

/* ---- workers ---------------------------------------------------------------------- */

static void note(struct audit_pool *p, const struct audit_failure *failure)
{
	pthread_mutex_lock(&p->lock);
	if (p->failure_cnt == p->failure_cap) {
		p->failure_cap = 2 * p->failure_cap + 64;
		p->failures = xrealloc(p->failures, p->failure_cap * sizeof *p->failures);
	}
	p->failures[p->failure_cnt++] = *failure;
	pthread_mutex_unlock(&p->lock);
}

static void run(struct audit_pool *p, struct job *job)
{
	struct audit_failure failure = job->id;

	if (job->tx_cnt == 0 && !cert_verify(p->g, &job->cert, &failure.replica))
		note(p, &failure);
	for (size_t i = 0; i < job->tx_cnt; i++) {
		failure.seq = job->id.seq + (int64_t)i;
		if (!tx_verify(p->g, job->txs[i]))
			note(p, &failure);
		tx_unref(job->txs[i]);
	}
	if (job->tx_cnt == 0)
		wire_free(WIRE(qcert), &job->cert);
	free(job);
}

/* NULL: there is no more and will be none. */
static struct job *take(struct audit_pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (!p->first && !p->ending)
		pthread_cond_wait(&p->work, &p->lock);
	struct job *job = p->first;
	if (job) {
		p->first = job->next;
		p->queued--;
		pthread_cond_signal(&p->room);
	}
	pthread_mutex_unlock(&p->lock);
	return job;
}

static void *worker(void *arg)
{
	struct audit_pool *p = arg;
	struct job *job;
	while ((job = take(p)))
		run(p, job);
	return NULL;
}

/* ---- handing in --------------------------------------------------------------------- */

static void put(struct audit_pool *p, struct job *job)
{
	pthread_mutex_lock(&p->lock);
	while (p->queued >= QUEUE_MAX)
		pthread_cond_wait(&p->room, &p->lock);
	if (p->first)
		p->last->next = job;
	else
		p->first = job;
	p->last = job;
	p->queued++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

/* False: this very block was handed in before. */
static bool claim(struct audit_pool *p, struct qheight height, const struct qhash *block)
{
	size_t at = height.n - 1;
	pthread_mutex_lock(&p->lock);
	if (at >= p->claim_cap) {
		size_t cap = 2 * at + 64;
		p->claims = xrealloc(p->claims, cap * sizeof *p->claims);
		memset(p->claims + p->claim_cap, 0, (cap - p->claim_cap) * sizeof *p->claims);
		p->claim_cap = cap;
	}
	bool is_new = !qhash_eq(&p->claims[at], block);
	if (qhash_is_zero(&p->claims[at]))
		p->claims[at] = *block;
	pthread_mutex_unlock(&p->lock);
	return is_new;
}

void audit_pool_block(struct audit_pool *p, struct qheight height, const struct qhash *block,
                      struct tx *const *txs, size_t cnt, int64_t first_seq)
{
	if (!claim(p, height, block))
		return;
	for (size_t done = 0; done < cnt;) {
		struct job *job = xcalloc(1, sizeof *job);
		job->id = (struct audit_failure){
		    .height = height, .block = *block, .seq = first_seq + (int64_t)done, .replica = -1};
		while (job->tx_cnt < BATCH_TXS && done < cnt)
			job->txs[job->tx_cnt++] = tx_ref(txs[done++]);
		put(p, job);
	}
}

void audit_pool_cert(struct audit_pool *p, struct book *book, const struct qcert *cert)
{
	struct job *job = xcalloc(1, sizeof *job);
	job->id = (struct audit_failure){
	    .book = book, .height = cert->vote.height, .block = cert->vote.block, .replica = -1};
	cert_copy(&job->cert, cert);
	put(p, job);
}

/* ---- starting and ending ------------------------------------------------------------- */

static void end_threads(struct audit_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (; p->thread_cnt > 0; p->thread_cnt--)
		pthread_join(p->threads[p->thread_cnt - 1], NULL);
}

struct audit_pool *audit_pool_start(const struct genesis *g, unsigned threads, struct err *err)
{
	struct audit_pool *p = xcalloc(1, sizeof *p);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (threads == 0)
		threads = cores > 0 ? (unsigned)cores : 1;
	p->g = g;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->room, NULL);
	while (p->thread_cnt < threads && p->thread_cnt < THREADS_MAX) {
		int rc = pthread_create(&p->threads[p->thread_cnt], NULL, worker, p);
		if (rc != 0) {
			err_set(err, ERR_WORLD, "cannot start a thread: %s", strerror(rc));
			end_threads(p);
			audit_pool_free(p);
			return NULL;
		}
		p->thread_cnt++;
	}
	return p;
}

static int compare_failures(const void *x, const void *y)
{
	const struct audit_failure *a = x, *b = y;
	if (a->height.n != b->height.n)
		return a->height.n < b->height.n ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

const struct audit_failure *audit_pool_finish(struct audit_pool *p, size_t *cnt)
{
	end_threads(p);
	if (p->failure_cnt)
		qsort(p->failures, p->failure_cnt, sizeof *p->failures, compare_failures);
	*cnt = p->failure_cnt;
	return p->failures;
}

void audit_pool_free(struct audit_pool *p)
{
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->room);
	free(p->failures);
	free(p->claims);
	free(p);
}
