/*
 * bench_load.c: payments, signed before the clock runs.
 */
#include "bench_load.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "bench_pace.h"
#include "bench_tell.h"
#include "hash.h"

/* ---- room --------------------------------------------------------------------------------------- */

/* Bytes of memory that can be had without swapping; UINT64_MAX: not known. */
static uint64_t memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	static const char name[] = "MemAvailable:";
	uint64_t kib = UINT64_MAX >> 10;
	char line[128];
	if (f == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, name, sizeof name - 1) == 0)
			kib = strtoull(line + sizeof name - 1, NULL, 10);
	fclose(f);
	return kib << 10;
}

static bool fits(uint64_t cnt, struct err *err)
{
	uint64_t mib = cnt * LOAD_BYTES >> 20, free_mib = memory_available() >> 20;
	if (cnt > UINT32_MAX / 4)
		return err_set(err, ERR_INPUT,
		               "%llu payments would be needed, which is more than can be counted; choose a "
		               "lower --rate or a shorter --duration",
		               (unsigned long long)cnt);
	return mib < free_mib / 2 ||
	       err_set(
	           err, ERR_WORLD,
	           "%llu payments need %llu MiB of memory, and %llu MiB are free; choose a lower --rate or "
	           "a shorter --duration",
	           (unsigned long long)cnt, (unsigned long long)mib, (unsigned long long)free_mib);
}

/* ---- on all cores ------------------------------------------------------------------------------- */

struct crew {
	struct load *load;
	const struct qoutpoint *coins; /* NULL: derive addresses */
	atomic_uint next;              /* account */
	atomic_uint done;              /* payments */
	atomic_ullong cpu_ns;
};

static struct account *key_of(const struct load *l, uint32_t account)
{
	uint8_t secret[32];
	uint8_t number[4] = {(uint8_t)(account >> 24), (uint8_t)(account >> 16), (uint8_t)(account >> 8),
	                     (uint8_t)account};
	const struct span parts[] = {{l->seed, sizeof l->seed}, {number, sizeof number}};
	hash_tagged("quorate bench account", parts, 2, secret);
	struct account *a = account_from_secret(secret);
	must(a != NULL); /* one in 2^128 is no key */
	return a;
}

static void put32(uint8_t *to, uint32_t n)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(n >> (24 - 8 * i));
}

static void make(struct load *l, uint32_t payment, uint32_t account, const struct account *key,
                 struct qoutpoint from, uint64_t amount)
{
	struct qoutput outputs[] = {{.owner = l->owner[(account + 1) % l->accounts], .amount = 1},
	                            {.owner = l->owner[account], .amount = amount - 1}};
	struct qwitness witness = {.key = account_key(key)};
	struct qtx q = {.body = {.inputs = {1, &from}, .outputs = {2, outputs}}, .witnesses = {1, &witness}};
	tx_id(&l->chain, &q.body, &l->id[payment]);
	account_sign(key, &l->id[payment], &witness.sig);
	put32(l->raw[payment], LOAD_TX);
	must(wire_encode_into(WIRE(qtx), &q, l->raw[payment] + 4, LOAD_TX) == LOAD_TX);
}

static void make_all_of(struct crew *crew, uint32_t account)
{
	struct load *l = crew->load;
	unsigned u = account % l->submitters;
	uint32_t step = load_accounts_of(l, u), cnt = load_cnt_of(l, u);
	struct account *key = key_of(l, account);
	struct qoutpoint from = crew->coins[account];
	uint64_t amount = l->coin;
	for (uint32_t k = account / l->submitters; k < cnt; k += step) {
		uint32_t payment = l->base[u] + k;
		make(l, payment, account, key, from, amount--);
		from = (struct qoutpoint){.tx = l->id[payment], .index = 1};
		atomic_fetch_add(&crew->done, 1);
	}
	account_free(key);
}

static void *work(void *arg)
{
	struct crew *crew = arg;
	struct load *l = crew->load;
	uint32_t account;
	pthread_setname_np(pthread_self(), "bench-sign");
	while (!tell_stopped() && (account = atomic_fetch_add(&crew->next, 1)) < l->accounts) {
		if (crew->coins != NULL) {
			make_all_of(crew, account);
			continue;
		}
		struct account *key = key_of(l, account);
		struct qaccount_key public = account_key(key);
		l->owner[account] = account_address(&public);
		account_free(key);
	}
	struct timespec used;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	atomic_fetch_add(&crew->cpu_ns,
	                 (unsigned long long)used.tv_sec * 1000000000u + (unsigned long)used.tv_nsec);
	return NULL;
}

static void on_all_cores(struct crew *crew)
{
	cpu_set_t mine;
	pthread_t thread[64];
	int cores = sched_getaffinity(0, sizeof mine, &mine) == 0 ? CPU_COUNT(&mine) : 1;
	unsigned cnt = cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
	for (unsigned i = 0; i < cnt; i++)
		must(pthread_create(&thread[i], NULL, work, crew) == 0);
	while (crew->coins != NULL && isatty(2) && !tell_stopped() &&
	       atomic_load(&crew->next) < crew->load->accounts) {
		tell("signing %u payments (%u MB): %u%%", crew->load->cnt,
		     (unsigned)((uint64_t)crew->load->cnt * LOAD_BYTES / 1000000),
		     (unsigned)(100ull * atomic_load(&crew->done) / (crew->load->cnt + 1)));
		access_nap_ms(100);
	}
	for (unsigned i = 0; i < cnt; i++)
		pthread_join(thread[i], NULL);
	tell_end();
}

/* ---- the load ------------------------------------------------------------------------------------ */

uint32_t load_accounts_of(const struct load *l, unsigned submitter)
{
	return (uint32_t)pace_share(l->accounts, submitter, l->submitters);
}

uint32_t load_cnt_of(const struct load *l, unsigned submitter)
{
	return l->base[submitter + 1] - l->base[submitter];
}

unsigned load_submitter_of(const struct load *l, uint32_t payment)
{
	unsigned low = 0, high = l->submitters;
	while (high - low > 1) {
		unsigned middle = low + (high - low) / 2;
		if (l->base[middle] <= payment)
			low = middle;
		else
			high = middle;
	}
	return low;
}

struct load *load_new(const struct genesis *g, const uint8_t seed[32], uint32_t accounts, uint64_t cnt,
                      unsigned submitters, struct err *err)
{
	must(submitters > 0 && submitters <= accounts);
	if (!fits(cnt, err))
		return NULL;
	struct load *l = xcalloc(1, sizeof *l);
	l->chain = g->chain;
	l->accounts = accounts;
	l->cnt = (uint32_t)cnt;
	l->submitters = submitters;
	memcpy(l->seed, seed, sizeof l->seed);
	l->base = xcalloc(submitters + 1, sizeof *l->base);
	for (unsigned u = 0; u < submitters; u++) {
		uint64_t share = pace_share(cnt, u, submitters), of = pace_share(accounts, u, submitters);
		l->base[u + 1] = l->base[u] + (uint32_t)share;
		if (l->coin < (share + of - 1) / of + 1)
			l->coin = (share + of - 1) / of + 1; /* its last payment leaves 1 */
	}
	l->owner = xcalloc(accounts, sizeof *l->owner);
	l->raw = xcalloc(cnt + 1, sizeof *l->raw);
	l->id = xcalloc(cnt + 1, sizeof *l->id);
	l->mask = 1;
	while (l->mask < 2 * cnt)
		l->mask *= 2;
	l->index = xcalloc(l->mask, sizeof *l->index);
	memset(l->index, 0xff, l->mask-- * sizeof *l->index);
	on_all_cores(&(struct crew){.load = l});
	return l;
}

void load_free(struct load *l)
{
	if (l == NULL)
		return;
	free(l->base);
	free(l->owner);
	free(l->raw);
	free(l->id);
	free(l->index);
	free(l);
}

/* Ids are hashes: any part of one spreads as well as a hash of it. */
static uint32_t place_of(const struct load *l, const uint8_t id[32])
{
	uint32_t n;
	memcpy(&n, id, sizeof n);
	return n & l->mask;
}

static void index_all(struct load *l)
{
	for (uint32_t i = 0; i < l->cnt; i++) {
		uint32_t at = place_of(l, l->id[i].b);
		while (l->index[at] != UINT32_MAX)
			at = (at + 1) & l->mask;
		l->index[at] = i;
	}
}

uint32_t load_find(const struct load *l, const uint8_t id[32])
{
	uint32_t at = place_of(l, id);
	while (l->index[at] != UINT32_MAX && memcmp(l->id[l->index[at]].b, id, 32) != 0)
		at = (at + 1) & l->mask;
	return l->index[at];
}

bool load_sign(struct load *l, const struct qoutpoint *coins, struct err *err)
{
	struct crew crew = {.load = l, .coins = coins};
	on_all_cores(&crew);
	if (tell_stopped())
		return err_set(err, ERR_WORLD, "interrupted before anything was measured");
	l->sign_us = l->cnt > 0 ? (double)atomic_load(&crew.cpu_ns) / 1000.0 / l->cnt : 0;
	index_all(l);
	return true;
}
