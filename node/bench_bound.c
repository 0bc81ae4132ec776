/*
 * bench_bound.c: what the signatures alone allow, measured on the spot.
 *
 * Each replica has to check each payment's signature itself: whoever took another's word for it would trust
 * him.  So of n replicas that share this machine no honest design makes more payments final a second than all
 * its cores together can check signatures, divided by n.  That is the bound; it leaves nothing for hashing,
 * agreement, or a disk.
 *
 * What a check costs is measured by the function that replicas use, account_verify(): the key parsed from its
 * 33 bytes, the signature from its 64, the verification, each time anew, over distinct keys and ids.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "account.h"
#include "bench.h"
#include "hash.h"

#define SAMPLES 256 /* of each core: more than any cache of ours would be asked to hold by accident */

struct sample {
	struct qaccount_key key;
	struct qtxid id;
	struct qsig sig;
};

struct checker {
	pthread_t thread;
	pthread_barrier_t *ready;
	unsigned number, ms;
	struct sample samples[SAMPLES];
	/* what it did */
	uint64_t checks;
	double begin_s, end_s, cpu_s;
};

static double seconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void make_sample(struct sample *s, unsigned checker, unsigned number)
{
	const unsigned which[] = {checker, number};
	uint8_t secret[32];
	hash_bytes("quorate/bench-key/v1", which, sizeof which, secret);
	hash_bytes("quorate/bench-id/v1", which, sizeof which, s->id.b);
	struct account *a = account_from_secret(secret);
	must(a != NULL); /* one hash in 2^128 is no secret key, and these are always the same */
	s->key = account_key(a);
	account_sign(a, &s->id, &s->sig);
	account_free(a);
}

/* The clock is asked after each check: that is a fortieth of a microsecond beside some fifty. */
static void *check(void *arg)
{
	struct checker *c = arg;
	for (unsigned i = 0; i < SAMPLES; i++)
		make_sample(&c->samples[i], c->number, i);
	pthread_barrier_wait(c->ready);
	double cpu_s = seconds(CLOCK_THREAD_CPUTIME_ID), until_s;
	c->begin_s = c->end_s = seconds(CLOCK_MONOTONIC);
	until_s = c->begin_s + c->ms / 1000.0;
	while (c->end_s < until_s || c->checks == 0) {
		const struct sample *s = &c->samples[c->checks++ % SAMPLES];
		must(account_verify(&s->key, &s->id, &s->sig));
		c->end_s = seconds(CLOCK_MONOTONIC);
	}
	c->cpu_s = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_s;
	return NULL;
}

/* Those that this process may use, which may be fewer than there are. */
static unsigned usable_cores(void)
{
	cpu_set_t set;
	long online = sysconf(_SC_NPROCESSORS_ONLN); /* where there are more than a cpu_set_t can name */
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	return online > 0 ? (unsigned)online : 1;
}

static void sum_up(const struct checker *checkers, struct bench_bound *out)
{
	double begin_s = checkers[0].begin_s, end_s = checkers[0].end_s, cpu_s = 0;
	for (unsigned i = 0; i < out->cores; i++) {
		const struct checker *c = &checkers[i];
		begin_s = c->begin_s < begin_s ? c->begin_s : begin_s;
		end_s = c->end_s > end_s ? c->end_s : end_s;
		cpu_s += c->cpu_s;
		out->checks += c->checks;
	}
	out->seconds = end_s - begin_s;
	out->checks_per_s = (double)out->checks / out->seconds;
	out->check_us = cpu_s / (double)out->checks * 1e6;
	out->busy = cpu_s / out->seconds / out->cores;
	out->tps = out->checks_per_s / out->replicas;
}

void bench_bound(unsigned replicas, unsigned ms, struct bench_bound *out)
{
	pthread_barrier_t ready;
	*out = (struct bench_bound){.cores = usable_cores(), .replicas = replicas > 0 ? replicas : 1};
	struct checker *checkers = xcalloc(out->cores, sizeof *checkers);
	must(pthread_barrier_init(&ready, NULL, out->cores) == 0);
	for (unsigned i = 0; i < out->cores; i++) {
		checkers[i].ready = &ready;
		checkers[i].number = i;
		checkers[i].ms = ms;
		must(pthread_create(&checkers[i].thread, NULL, check, &checkers[i]) == 0);
	}
	for (unsigned i = 0; i < out->cores; i++)
		pthread_join(checkers[i].thread, NULL);
	pthread_barrier_destroy(&ready);
	sum_up(checkers, out);
	free(checkers);
}
