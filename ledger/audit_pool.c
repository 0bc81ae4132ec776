/*
 * audit_pool.c: signature checks, which cost more than all the rest, on all cores.
 *
 * The replay goes on while they run: what fails is told at the end.  A block's hash covers its
 * transactions with their witnesses, so with several ledgers each block is verified once.
 *
 * Of a transaction a job holds just what its signatures need, in place: so what the replay allocates it also
 * frees, and nothing is allocated for a signature.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit_impl.h"
#include "clock.h"

#define BATCH 64     /* signatures in a job: some 4 ms of work */
#define QUEUE_MAX 64 /* jobs: bounds the memory, keeps every core busy */
#define THREADS_MAX 256

/* To measure the bound: by the first that were handed in, for so long, if there were as many. */
#define SAMPLES 256
#define MEASURE_MS 250
#define MEASURE_MIN 2000

/* A witness of a transaction. */
struct check {
	int64_t seq; /* transactions.seq */
	struct qtxid id;
	struct qaccount_key key;
	struct qsig sig;
};

struct job {
	struct job *next;
	struct audit_failure id; /* what to report if it fails; of a check its seq */
	struct qcert cert;       /* of a certificate job; else without signatures */
	struct tx *tx;           /* one that carries an offence, or NULL */
	size_t check_cnt;
	struct check checks[BATCH];
};

struct audit_pool {
	const struct genesis *g;
	pthread_t threads[THREADS_MAX];
	unsigned thread_cnt;
	pthread_mutex_t lock;
	pthread_cond_t work, room; /* a job came or the end; a job was taken */
	struct job *first, *last;
	struct job *spare; /* done, to be filled again */
	size_t queued;
	bool ending, ended;
	struct audit_failure *failures;
	size_t failure_cnt, failure_cap; /* all are kept: each may be the only one of its ledger */
	struct qhash *claims; /* [height - 1]: the block there that was handed in first; zero: none */
	size_t claim_cap;
	uint64_t accounts, replicas; /* signatures handed in: of transactions, of certificates */
	struct check samples[SAMPLES];
	size_t sample_cnt;
	struct qcert sample_cert; /* the first; no signatures: there was none */
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

	if (job->cert.sigs.sigs_len > 0 && !cert_verify(p->g, &job->cert, &failure.replica))
		note(p, &failure);
	if (job->tx && !tx_verify(p->g, job->tx))
		note(p, &failure);
	for (size_t i = 0; i < job->check_cnt; i++) {
		const struct check *c = &job->checks[i];
		failure.seq = c->seq;
		if (!account_verify(&c->key, &c->id, &c->sig))
			note(p, &failure);
	}
	wire_free(WIRE(qcert), &job->cert);
	tx_unref(job->tx);
	pthread_mutex_lock(&p->lock);
	job->next = p->spare;
	p->spare = job;
	pthread_mutex_unlock(&p->lock);
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

static void count(struct audit_pool *p, const struct job *job)
{
	p->replicas += job->cert.sigs.sigs_len + (job->tx ? 2 : 0);
	p->accounts += job->check_cnt + (job->tx ? job->tx->q.witnesses.witnesses_len : 0);
	if (p->sample_cert.sigs.sigs_len == 0 && job->cert.sigs.sigs_len > 0)
		cert_copy(&p->sample_cert, &job->cert);
	for (size_t i = 0; i < job->check_cnt && p->sample_cnt < SAMPLES; i++)
		p->samples[p->sample_cnt++] = job->checks[i];
}

static void put(struct audit_pool *p, struct job *job)
{
	pthread_mutex_lock(&p->lock);
	count(p, job);
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

static struct job *new_job(struct audit_pool *p, struct qheight height, const struct qhash *block,
                           int64_t seq)
{
	pthread_mutex_lock(&p->lock);
	struct job *job = p->spare;
	if (job)
		p->spare = job->next;
	pthread_mutex_unlock(&p->lock);
	if (!job)
		job = xcalloc(1, sizeof *job);
	job->next = NULL;
	job->id = (struct audit_failure){.height = height, .block = *block, .seq = seq, .replica = -1};
	job->cert = (struct qcert){0};
	job->tx = NULL;
	job->check_cnt = 0;
	return job;
}

/* Of one block. */
struct filling {
	struct audit_pool *p;
	struct qheight height;
	const struct qhash *block;
	struct job *job; /* not full; NULL: none */
};

static void put_witness(struct filling *f, const struct tx *tx, int64_t seq, const struct qwitness *w)
{
	if (!f->job)
		f->job = new_job(f->p, f->height, f->block, seq);
	f->job->checks[f->job->check_cnt++] = (struct check){seq, tx->id, w->key, w->sig};
	if (f->job->check_cnt < BATCH)
		return;
	put(f->p, f->job);
	f->job = NULL;
}

static void put_tx(struct filling *f, struct tx *tx, int64_t seq)
{
	if (tx->q.body.offence.offence_len > 0) {
		struct job *job = new_job(f->p, f->height, f->block, seq);
		job->tx = tx_ref(tx);
		put(f->p, job);
		return;
	}
	for (u_int i = 0; i < tx->q.witnesses.witnesses_len; i++)
		put_witness(f, tx, seq, &tx->q.witnesses.witnesses_val[i]);
}

void audit_pool_block(struct audit_pool *p, struct qheight height, const struct qhash *block,
                      struct tx *const *txs, size_t cnt, int64_t first_seq)
{
	struct filling f = {.p = p, .height = height, .block = block};

	if (!claim(p, height, block))
		return;
	for (size_t i = 0; i < cnt; i++)
		put_tx(&f, txs[i], first_seq + (int64_t)i);
	if (f.job)
		put(p, f.job);
}

void audit_pool_cert(struct audit_pool *p, struct book *book, const struct qcert *cert)
{
	struct job *job = new_job(p, cert->vote.height, &cert->vote.block, 0);

	job->id.book = book;
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
	for (unsigned i = 0; i < p->thread_cnt && !p->ended; i++)
		pthread_join(p->threads[i], NULL);
	p->ended = true;
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
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return memcmp(&a->block, &b->block, sizeof a->block);
}

/* Several witnesses of one transaction are one failure. */
static void drop_doubles(struct audit_pool *p)
{
	size_t cnt = 0;

	for (size_t i = 0; i < p->failure_cnt; i++)
		if (cnt == 0 || p->failures[i].book ||
		    compare_failures(&p->failures[cnt - 1], &p->failures[i]) != 0)
			p->failures[cnt++] = p->failures[i];
	p->failure_cnt = cnt;
}

const struct audit_failure *audit_pool_finish(struct audit_pool *p, size_t *cnt)
{
	end_threads(p);
	if (p->failure_cnt)
		qsort(p->failures, p->failure_cnt, sizeof *p->failures, compare_failures);
	drop_doubles(p);
	*cnt = p->failure_cnt;
	return p->failures;
}

/* ---- the bound ------------------------------------------------------------------------- */

/* Verifying, and nothing else, until the time is over. */
struct drill {
	struct audit_pool *p;
	bool replicas; /* whose signatures */
	uint64_t until_ms;
	atomic_ullong done; /* signatures */
};

/* The i-th sample; how many signatures that were. */
static unsigned verify_sample(const struct drill *d, size_t i)
{
	const struct audit_pool *p = d->p;

	if (d->replicas)
		return cert_verify(p->g, &p->sample_cert, NULL) ? p->sample_cert.sigs.sigs_len : 0;
	const struct check *c = &p->samples[i % p->sample_cnt];
	return account_verify(&c->key, &c->id, &c->sig);
}

static void *verify_samples(void *arg)
{
	struct drill *d = arg;
	unsigned long long done = 0;

	for (size_t i = 0; clock_ms(CLOCK_MONOTONIC) < d->until_ms; i++)
		done += verify_sample(d, i);
	atomic_fetch_add(&d->done, done);
	return NULL;
}

/* Seconds that `cnt` signatures take all the threads together, by what they do in a moment; 0: none held. */
static double drill(struct audit_pool *p, bool replicas, uint64_t cnt)
{
	uint64_t from = clock_ms(CLOCK_MONOTONIC);
	struct drill d = {.p = p, .replicas = replicas, .until_ms = from + MEASURE_MS};
	pthread_t threads[THREADS_MAX];
	unsigned started = 0;

	while (started < p->thread_cnt && pthread_create(&threads[started], NULL, verify_samples, &d) == 0)
		started++;
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	double took = (double)(clock_ms(CLOCK_MONOTONIC) - from) / 1000;
	return d.done ? (double)cnt * took / (double)d.done : 0;
}

void audit_pool_measure(struct audit_pool *p, bool bound, struct audit_speed *out)
{
	must(p->ended);
	out->accounts = p->accounts;
	out->replicas = p->replicas;
	if (!bound || p->accounts + p->replicas < MEASURE_MIN)
		return;
	if (p->sample_cnt)
		out->bound_seconds = drill(p, false, p->accounts);
	if (p->sample_cert.sigs.sigs_len)
		out->bound_seconds += drill(p, true, p->replicas);
}

void audit_pool_free(struct audit_pool *p)
{
	for (struct job *job = p->spare, *next; job; job = next) {
		next = job->next;
		free(job);
	}
	wire_free(WIRE(qcert), &p->sample_cert);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->room);
	free(p->failures);
	free(p->claims);
	free(p);
}
