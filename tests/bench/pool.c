/*
 * pool.c: what the mempool costs a transaction, from admission to execution, as a share of one check of its
 * signature.
 *
 *     bench_pool [TRANSACTIONS [PENDING]]     default: 40000, 8000 of them pending at any time
 *
 * Four sources hand in payments of one input and two outputs, in chains.  One pool proposes: it forwards what
 * is its own and chooses batches; a second one finds their leaves.  Both admit and execute everything. Blocks
 * of 1000.  What the overlay costs is measured beside it, and taken off the choosing.  Nothing is asserted.
 *
 * For instructions: valgrind --tool=callgrind --toggle-collect='measured_*' bench_pool 8000 2000
 */
#include <malloc.h>
#include <time.h>

#include "payments.h"
#include "pool.h"

enum { SOURCES = 4, CHAINS = 64, BLOCK = 1000, FORWARD = 1000, FORWARD_BYTES = 256 << 10 };

enum phase { CHECK, ADD_OWN, ADD_PEER, FORWARDING, CHOOSE, OVERLAY, FIND, EXECUTED, PHASE_CNT };
static const char *const names[] = {"signature check", "add (own)", "add (a peer's)", "forward",
                                    "choose",          "overlay",   "find leaf",      "executed"};

struct run {
	struct rules rules;
	struct state *state;   /* one for both: they execute the same */
	struct pool *pools[2]; /* of replicas 0, which proposes, and 1 */
	struct tx **txs;
	size_t cnt, added;
	uint64_t height;
	double seconds[PHASE_CNT];
	size_t times[PHASE_CNT];
};

static double cpu(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void count(struct run *r, enum phase phase, double since, size_t times)
{
	r->seconds[phase] += cpu() - since;
	r->times[phase] += times;
}

static double us(const struct run *r, enum phase phase)
{
	return r->times[phase] ? 1e6 * r->seconds[phase] / (double)r->times[phase] : 0;
}

/* ---- what is measured: functions of their own, so that callgrind can tell them apart ---------------------
 */

#define MEASURED __attribute__((noinline))

MEASURED static void measured_check(struct tx *const *txs, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		must(tx_verify(NULL, txs[i]));
}

MEASURED static void measured_add(struct pool *p, struct tx *const *txs, size_t cnt, size_t from, size_t step)
{
	struct qtxid winner;

	for (size_t i = from; i < cnt; i += step)
		must(pool_add(p, txs[i], (unsigned)(i % SOURCES), &winner) == TX_OK);
}

MEASURED static void measured_forward(struct pool *p)
{
	struct tx *txs[FORWARD];

	while (pool_forward_batch(p, 1, FORWARD, FORWARD_BYTES, txs) > 0)
		;
}

MEASURED static size_t measured_choose(struct pool *p, struct overlay *o, struct qheight h, struct tx **txs)
{
	return pool_choose(p, o, h, BLOCK, 1 << 20, txs);
}

MEASURED static void measured_overlay(struct overlay *o, const struct block *b)
{
	size_t bad;

	must(overlay_add_block(o, b, &bad) == TX_OK);
}

MEASURED static void measured_find(struct pool *p, const struct block *b)
{
	for (size_t i = 0; i < b->tx_cnt; i++)
		must(pool_find_leaf(p, &b->txs[i]->leaf));
}

MEASURED static void measured_executed(struct pool *p, struct block *b)
{
	pool_executed(p, &b, 1, NULL, NULL);
}

/* ---- the run ---------------------------------------------------------------------------------------------
 */

/* CHAINS accounts' outputs, each spent on and on; the change of every payment stays. */
static void make(struct run *r)
{
	r->txs = xcalloc(r->cnt, sizeof(struct tx *));
	for (size_t i = 0; i < r->cnt; i++) {
		unsigned chain = (unsigned)(i % CHAINS);
		struct qoutpoint in =
		    i < CHAINS ? allocation(&r->rules, chain) : output(r->txs[i - CHAINS], 0);
		uint8_t owner = account_of(chain);
		uint64_t amount = PAY_AMOUNT - i / CHAINS;
		struct qoutput outs[] = {{rules_address(owner), amount - 1}, {rules_address(9), 1}};
		r->txs[i] = pay_outputs(&r->rules, owner, &in, 1, outs, 2, NULL);
	}
}

/* As they come: batches of forwards, in the order in which they were made. */
static void add(struct run *r, size_t upto)
{
	size_t end = upto < r->cnt ? upto : r->cnt, at = r->added, begin = at;

	for (unsigned k = 0; k < 2; k++) {
		/* chains of CHAINS, so no transaction of these is the parent of another */
		for (at = begin; at < end; at += CHAINS) {
			size_t cnt = end - at < CHAINS ? end - at : CHAINS;
			for (unsigned s = 0; s < SOURCES; s++) {
				size_t first = (SOURCES + s - at % SOURCES) % SOURCES;
				double since = cpu();
				struct tx *const *txs = r->txs + at - at % SOURCES;
				measured_add(r->pools[k], txs, at % SOURCES + cnt, first + at % SOURCES,
				             SOURCES);
				if (cnt > first)
					count(r, s == k ? ADD_OWN : ADD_PEER, since,
					      (cnt - first + SOURCES - 1) / SOURCES);
			}
		}
		double since = cpu();
		measured_forward(r->pools[k]);
		count(r, FORWARDING, since, end - begin); /* of all: a quarter is its own */
	}
	r->added = end;
}

static size_t block(struct run *r)
{
	struct tx *txs[BLOCK];
	struct qheight h = qheight_of(++r->height);
	struct overlay *o = overlay_new(r->state, NULL, h);
	double since = cpu();
	size_t cnt = measured_choose(r->pools[0], o, h, txs);

	count(r, CHOOSE, since, cnt);
	overlay_unref(o);
	struct block *b = block_of(h.n, r->rules.g.chain, txs, cnt);
	o = overlay_new(r->state, NULL, h);
	since = cpu();
	measured_overlay(o, b);
	count(r, OVERLAY, since, cnt);
	since = cpu();
	measured_find(r->pools[1], b);
	count(r, FIND, since, cnt);
	overlay_apply(o, r->state, 1);
	overlay_unref(o);
	for (unsigned k = 0; k < 2; k++) {
		since = cpu();
		measured_executed(r->pools[k], b);
		count(r, EXECUTED, since, cnt);
	}
	block_unref(b);
	return cnt;
}

static void report(const struct run *r, size_t pending, double entry)
{
	double sum = 0;

	printf("%zu payments, %zu pending, blocks of %d; CPU, microseconds a transaction\n", r->cnt, pending,
	       BLOCK);
	for (unsigned i = 0; i < PHASE_CNT; i++)
		printf("  %-16s %8.3f\n", names[i], us(r, i));
	sum += us(r, ADD_OWN) / SOURCES + us(r, ADD_PEER) * (SOURCES - 1) / SOURCES;
	sum += us(r, FORWARDING) + us(r, FIND) + us(r, EXECUTED);
	sum += (us(r, CHOOSE) - us(r, OVERLAY)) / SOURCES; /* one replica of four proposes */
	printf("  at one replica   %8.3f  %.2f %% of a signature check\n", sum, 100 * sum / us(r, CHECK));
	printf("  an entry takes   %8.0f bytes beside the transaction\n", entry);
}

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

int main(int argc, char **argv)
{
	size_t cnt = argc > 1 ? strtoul(argv[1], NULL, 10) : 40000;
	size_t pending = argc > 2 ? strtoul(argv[2], NULL, 10) : 8000;
	struct run r = {.cnt = cnt};

	payments_setup(&r.rules, SOURCES, CHAINS, NULL);
	r.state = state_new(&r.rules.g);
	state_begin(r.state);
	for (unsigned k = 0; k < 2; k++)
		r.pools[k] = pool_new(&r.rules.g, r.state, k, qheight_of(0));
	make(&r);
	double since = cpu();
	size_t some = cnt < BLOCK ? cnt : BLOCK;
	measured_check(r.txs, some);
	count(&r, CHECK, since, some);
	size_t before = in_use();
	add(&r, pending);
	double entry = (double)(in_use() - before) / (double)(2 * r.added);
	for (size_t done = 0; done < cnt;) {
		done += block(&r);
		add(&r, done + pending);
	}
	report(&r, pending, entry);
	for (unsigned k = 0; k < 2; k++)
		pool_free(r.pools[k]);
	state_free(r.state);
	for (size_t i = 0; i < cnt; i++)
		tx_unref(r.txs[i]);
	free(r.txs);
	rules_teardown(&r.rules);
	return 0;
}
