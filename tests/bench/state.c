/*
 * state.c: what the rules that need the unspent set, its upkeep and its digest cost a transaction, next to
 * one check of an account's signature; and how much memory an unspent output takes.
 *
 *     bench_state [-o OUTPUTS] [-a ACCOUNTS] [-b BLOCKS] [-t A_BLOCK] [-k INTERVAL] [-d DEPTH] [-l LIFE]
 *
 * A state of OUTPUTS unspent outputs of ACCOUNTS owners; then BLOCKS blocks of payments (one input, two
 * outputs), each validated on DEPTH blocks in flight and applied when it is the lowest of them, with a digest
 * every INTERVAL blocks.  A payment spends an output that is drawn of all; with -l, the oldest of the LIFE
 * newest.  No signature is made or checked but for the comparison.  Times are CPU time; instructions, which
 * no neighbour disturbs, by
 *
 *     valgrind --tool=callgrind --toggle-collect=bench_blocks bench_state
 */
#include <argp.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto.h"
#include "hash.h"
#include "state.h"

#define PAID_MAX 1000 /* by a payment; the rest is change */

static struct {
	unsigned long outputs, accounts, blocks, block_txs, interval, depth, life;
} args = {.outputs = 100000, .accounts = 10000, .blocks = 64, .block_txs = 1000, .interval = 64, .depth = 4};

static const struct genesis genesis;

static uint64_t draw(uint64_t bound)
{
	static uint64_t x = 1;

	x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64 */
	return x % bound;
}

static double cpu_us(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static size_t memory(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* ---- what is validated ------------------------------------------------------------------- */

struct coin {
	struct qoutpoint point;
	unsigned account;
	uint64_t amount;
};

static struct qaccount_key *keys;
static struct qaddress *addresses;
static struct coin *coins;
static size_t coin_first, coin_cnt; /* those below the first are spent */

static void make_accounts(void)
{
	keys = xcalloc(args.accounts, sizeof *keys);
	addresses = xcalloc(args.accounts, sizeof *addresses);
	for (unsigned long i = 0; i < args.accounts; i++) {
		keys[i].b[0] = 2;
		memcpy(keys[i].b + 1, &i, sizeof i);
		addresses[i] = account_address(&keys[i]);
	}
}

static void add_coin(const struct qtxid *tx, unsigned index, unsigned account, uint64_t amount)
{
	coins[coin_cnt++] = (struct coin){{*tx, index}, account, amount};
}

static struct coin take_coin(void)
{
	size_t at;

	do
		at = args.life ? coin_cnt - args.life : coin_first + draw(coin_cnt - coin_first);
	while (!args.life && coins[at].amount <= PAID_MAX);
	at += coins[at].amount <= PAID_MAX; /* the change beside it */
	must(at >= coin_first && at < coin_cnt && coins[at].amount > PAID_MAX);
	struct coin c = coins[at];
	coins[at] = coins[coin_first]; /* with -l the newest stay where they are */
	coin_first++;
	return c;
}

static struct tx *make_tx(void)
{
	struct coin c = take_coin();
	unsigned to = (unsigned)draw(args.accounts);
	struct qoutput outs[2] = {{addresses[to], 1 + draw(PAID_MAX), {0}}, {addresses[c.account], 0, {0}}};
	struct qwitness witness = {.key = keys[c.account]};
	struct qtx q = {.body = {.inputs = {1, &c.point}, .outputs = {2, outs}}, .witnesses = {1, &witness}};
	struct bytes raw;
	enum tx_verdict v;

	outs[1].amount = c.amount - outs[0].amount;
	must(wire_encode(WIRE(qtx), &q, &raw));
	struct tx *tx = tx_parse(&genesis.chain, raw.data, raw.len, &v);
	must(tx);
	bytes_free(&raw);
	add_coin(&tx->id, 0, to, outs[0].amount);
	add_coin(&tx->id, 1, c.account, outs[1].amount);
	return tx;
}

static struct block *make_block(void)
{
	struct tx **txs = xcalloc(args.block_txs, sizeof(struct tx *));

	for (unsigned long i = 0; i < args.block_txs; i++)
		txs[i] = make_tx();
	struct block *b = block_new(&(struct qheader){0}, txs, args.block_txs);
	for (unsigned long i = 0; i < args.block_txs; i++)
		tx_unref(txs[i]);
	free(txs);
	return b;
}

static struct state *fill(void)
{
	struct state *s = state_new(&genesis);
	size_t all = args.outputs + 2 * args.blocks * args.block_txs;
	double start;

	coins = xcalloc(all, sizeof *coins);
	for (unsigned long i = 0; i < args.outputs; i++) {
		struct qtxid id;
		hash_bytes("bench", &i, sizeof i, id.b);
		add_coin(&id, (unsigned)(i % 2), (unsigned)draw(args.accounts), UINT64_C(1) << 40);
	}
	size_t before = memory();
	start = cpu_us();
	for (size_t i = 0; i < coin_cnt; i++)
		must(state_load(s, &(struct unspent){coins[i].point,
		                                     {addresses[coins[i].account], coins[i].amount, {0}},
		                                     {0},
		                                     (int64_t)i}));
	printf("an output inserted %6.3f us, %5.1f bytes\n", (cpu_us() - start) / (double)args.outputs,
	       (double)(memory() - before) / (double)args.outputs);
	return s;
}

/* ---- measuring ------------------------------------------------------------------------------ */

static double add_us, apply_us, digest_us, digest_max_us;

static void digest(struct state *s)
{
	struct qhash digest;
	double start = cpu_us();

	state_digest(s, &digest);
	double us = cpu_us() - start;
	digest_us += us;
	digest_max_us = us > digest_max_us ? us : digest_max_us;
}

static void apply(struct overlay *o, struct state *s)
{
	double start = cpu_us();

	overlay_apply(o, s, 1);
	overlay_unref(o);
	apply_us += cpu_us() - start;
}

void bench_blocks(struct state *s, struct block *const *blocks, struct overlay **flight);
void bench_blocks(struct state *s, struct block *const *blocks, struct overlay **flight)
{
	size_t applied = 0, bad;

	for (size_t h = 0; h < args.blocks; h++) {
		double start = cpu_us();
		flight[h] = overlay_new(s, h > 0 ? flight[h - 1] : NULL, qheight_of(h + 1));
		must(overlay_add_block(flight[h], blocks[h], &bad) == TX_OK);
		add_us += cpu_us() - start;
		for (; applied + args.depth <= h || (h + 1 == args.blocks && applied <= h); applied++) {
			apply(flight[applied], s);
			if ((applied + 1) % args.interval == 0)
				digest(s);
		}
	}
}

static double signature_us(void)
{
	struct account *a = account_new();
	struct qaccount_key key = account_key(a);
	struct qtxid id = {{1}};
	struct qsig sig;
	enum { CHECKS = 2000 };

	account_sign(a, &id, &sig);
	double start = cpu_us();
	for (int i = 0; i < CHECKS; i++)
		must(account_verify(&key, &id, &sig));
	double us = (cpu_us() - start) / CHECKS;
	account_free(a);
	return us;
}

static double expansion_us(void)
{
	struct lthash h = {{0}};
	struct unspent u = {.out.amount = 1};
	enum { ELEMENTS = 20000 };

	double start = cpu_us();
	for (unsigned i = 0; i < ELEMENTS; i++) {
		u.point.index = i;
		state_sum_of(&u, &h);
	}
	return (cpu_us() - start) / ELEMENTS;
}

static void row(const char *what, double us, double check)
{
	printf("%-18s %6.3f us, %5.2f %% of a signature check\n", what, us, 100 * us / check);
}

static void report(double check)
{
	double txs = (double)(args.blocks * args.block_txs);

	printf("a signature check  %6.2f us\n", check);
	row("an element hashed", expansion_us(), check);
	printf("a transaction:\n");
	row("  checked, added", add_us / txs, check);
	row("  applied", apply_us / txs, check);
	row("  in digests", digest_us / txs, check);
	row("  in sum", (add_us + apply_us + digest_us) / txs, check);
	printf("the longest digest %6.1f ms\n", digest_max_us * 1e-3);
}

static error_t parse_arg(int key, char *text, struct argp_state *argp)
{
	static const char keys_of[] = "oabtkdl";
	unsigned long *const into[] = {&args.outputs,  &args.accounts, &args.blocks, &args.block_txs,
	                               &args.interval, &args.depth,    &args.life};
	const char *at = key > 0 && key < 128 ? strchr(keys_of, key) : NULL;
	char *end;

	if (!at)
		return ARGP_ERR_UNKNOWN;
	*into[at - keys_of] = strtoul(text, &end, 10);
	if (*end != '\0')
		argp_error(argp, "'%s' is not a number", text);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {{"outputs", 'o', "N", 0, "unspent at first", 0},
	                                             {"accounts", 'a', "N", 0, "that own them", 0},
	                                             {"blocks", 'b', "N", 0, "to validate and apply", 0},
	                                             {"txs", 't', "N", 0, "in a block", 0},
	                                             {"interval", 'k', "N", 0, "between digests", 0},
	                                             {"depth", 'd', "N", 0, "blocks in flight", 0},
	                                             {"life", 'l', "N", 0, "outputs made while one lives", 0},
	                                             {0}};
	const struct argp argp = {options, parse_arg, NULL, NULL, NULL, NULL, NULL};
	struct err err;

	if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0)
		return 2;
	must(crypto_init(&err));
	if (args.accounts < 1 || args.block_txs < 1 || args.depth < 1 || args.interval < 1 ||
	    args.outputs < args.block_txs || args.life > args.outputs) {
		fprintf(stderr, "bench_state: what is asked makes no sense\n");
		return 2;
	}
	make_accounts();
	struct state *s = fill();
	struct block **blocks = xcalloc(args.blocks + 1, sizeof(struct block *));
	struct overlay **flight = xcalloc(args.blocks + 1, sizeof(struct overlay *));
	for (size_t i = 0; i < args.blocks; i++)
		blocks[i] = make_block();
	bench_blocks(s, blocks, flight);
	report(signature_us());
	for (size_t i = 0; i < args.blocks; i++)
		block_unref(blocks[i]);
	free(blocks);
	free(flight);
	free(coins);
	free(addresses);
	free(keys);
	state_free(s);
	return 0;
}
