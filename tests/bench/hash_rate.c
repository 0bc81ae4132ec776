/*
 * hash_rate.c: how fast this machine mines, and how fast libcrypto hashes on it at all.
 *
 *     bench_hash_rate [THREADS]     default: one a processor
 *
 * Each row is the best of several rounds, and the rounds take turns, so that a busy machine is as unkind to
 * one as to the other.  "a CPU second" does not count what other programs took away.  Nothing is asserted.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "block.h"
#include "crypto.h"
#include "miner.h"

#define ROUNDS 5
#define SOME 100000  /* hashes between two looks at the clock */
#define ROUND_S 0.25 /* seconds */

struct row {
	const char *name;
	unsigned threads;
	uint64_t (*run)(void); /* hashes done */
	double best_s, best_cpu_s;
};

static struct qheader header; /* its target is zero: nothing is ever found */
static unsigned threads_max;
static volatile unsigned sink;

static double seconds(clockid_t clock)
{
	struct timespec t;

	must(clock_gettime(clock, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- what is measured -------------------------------------------------------- */

/* The compression function in a plain loop: a midstate, a block with a counter in it, the first word looked
 * at. */
static uint64_t transform(void)
{
	SHA256_CTX start, c = {0};
	unsigned char block[SHA256_CBLOCK] = {0};
	unsigned zeros = 0;

	must(SHA256_Init(&start));
	for (uint64_t n = 0; n < SOME; n++) {
		memcpy(block + 17, &n, sizeof n); /* where a header has its nonce */
		memcpy(c.h, start.h, sizeof c.h);
		SHA256_Transform(&c, block);
		zeros += c.h[0] == 0;
	}
	sink = zeros;
	return SOME;
}

/* As many blocks as one call can take: nothing between them but the chaining. */
static uint64_t bulk(void)
{
	static unsigned char data[SOME / 10 * SHA256_CBLOCK];
	SHA256_CTX c;

	must(SHA256_Init(&c));
	for (int i = 0; i < 10; i++)
		SHA256_Update(&c, data, sizeof data);
	sink = c.h[0];
	return SOME;
}

/* A whole header each time, as a program would that knows no better. */
static uint64_t one_shot(void)
{
	unsigned char text[17 + 136] = {0}, out[32];
	unsigned len;

	for (uint64_t n = 0; n < SOME; n++) {
		memcpy(text + sizeof text - 8, &n, sizeof n);
		must(EVP_Digest(text, sizeof text, out, &len, EVP_sha256(), NULL));
		sink = out[0];
	}
	return SOME;
}

static uint64_t search(void)
{
	uint64_t nonce;

	must(!block_mine(&header, sink, SOME, &nonce));
	return SOME;
}

/* ---- the clock ------------------------------------------------------------------ */

static void note(struct row *r, double hashes, double wall_s, double cpu_s)
{
	r->best_s = hashes / wall_s > r->best_s ? hashes / wall_s : r->best_s;
	r->best_cpu_s = hashes / cpu_s > r->best_cpu_s ? hashes / cpu_s : r->best_cpu_s;
}

static void measure(struct row *r)
{
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), now;
	uint64_t hashes = 0;

	do {
		hashes += r->run();
		now = seconds(CLOCK_MONOTONIC);
	} while (now < wall + ROUND_S);
	note(r, (double)hashes, now - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

static void nobody(void *ctx)
{
	(void)ctx;
}

static void measure_miner(struct row *r, double *said)
{
	struct miner *m = miner_new(r->threads, nobody, NULL);

	miner_seal(m, &header);
	while (miner_hashes(m) == 0) /* until the threads are awake */
		usleep(1000);
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t before = miner_hashes(m);
	usleep((unsigned)(2 * ROUND_S * 1e6));
	double hashes = (double)(miner_hashes(m) - before);
	note(r, hashes, seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	*said = miner_rate(m) > *said ? miner_rate(m) : *said;
	miner_free(m);
}

static void print(const struct row *r, double best, double best_cpu)
{
	printf("%-36s %8.2f %11.2f %9.2f %9.2f\n", r->name, r->best_s / 1e6, r->best_cpu_s / 1e6,
	       r->best_s / (best * r->threads), r->best_cpu_s / best_cpu);
}

int main(int argc, char **argv)
{
	struct err err = {0};
	struct row rows[] = {{"SHA256_Transform(), one block", 1, transform},
	                     {"SHA256_Update(), a long message", 1, bulk},
	                     {"EVP_Digest(), a header", 1, one_shot},
	                     {"block_mine()", 1, search}};
	const size_t row_cnt = sizeof rows / sizeof *rows;

	threads_max = argc > 1 ? (unsigned)atoi(argv[1]) : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (threads_max < 1 || threads_max > MINER_THREADS_MAX || !crypto_init(&err)) {
		fprintf(stderr, "usage: bench_hash_rate [THREADS]: 1 to %d %s\n", MINER_THREADS_MAX,
		        err.text);
		return 2;
	}
	struct row *miners = xcalloc(threads_max, sizeof *miners);
	double *said = xcalloc(threads_max, sizeof *said);
	header.seal.kind = QSEAL_POW;
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < row_cnt; i++)
			measure(&rows[i]);
		for (unsigned i = 0; i < threads_max; i++) {
			miners[i].threads = i + 1;
			measure_miner(&miners[i], &said[i]);
		}
	}
	double best = 0, best_cpu = 0;
	for (size_t i = 0; i < row_cnt; i++) {
		best = rows[i].best_s > best ? rows[i].best_s : best;
		best_cpu = rows[i].best_cpu_s > best_cpu ? rows[i].best_cpu_s : best_cpu;
	}
	printf("%-36s %8s %11s %9s %9s\n", "millions of hashes", "a second", "a CPU second", "of best",
	       "of best");
	for (size_t i = 0; i < row_cnt; i++)
		print(&rows[i], best, best_cpu);
	for (unsigned i = 0; i < threads_max; i++) {
		char name[64];
		snprintf(name, sizeof name, "miner, threads: %u (says %.2f)", i + 1, said[i] / 1e6);
		miners[i].name = name;
		print(&miners[i], best, best_cpu);
	}
	printf("best: of one thread, times threads. A stop is obeyed after %d hashes at most: %.0f us\n",
	       MINER_CHUNK, MINER_CHUNK / best * 1e6);
	free(miners);
	free(said);
	return 0;
}
