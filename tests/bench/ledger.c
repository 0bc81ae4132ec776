/*
 * ledger.c: what appending costs as a ledger grows; how large it becomes; and how long a restart takes.
 *
 *     bench_ledger [-n TRANSACTIONS] [-b A_BLOCK] [-a ACCOUNTS] [--random] [--votes] [--state] [-l FOLDER]
 *
 * Plain payments (one input, two outputs), in blocks of 800 with certificates of three signatures, appended
 * and committed as node/replica_run.c does it, one run of one block at a time.  Each spends what its owner
 * received last; with --random an output that is drawn of all that are unspent, which is the hardest for
 * whoever has to find it.  The signatures of payments do not hold: the ledger never asks.  For each power of
 * ten, from the one before on: CPU time of the calling thread for one transaction, in microseconds and in
 * checks of an account's signature, measured in the same process; how long the longest block took; then the
 * file's bytes, next to those of the canonical transactions, after the ledger was closed; and the restart.
 *
 * --votes: the vote log of the same blocks beside it, with three commits each, and no ledger.  --state: no
 * store at all, only the overlays' effect on the state, which is part of what appending takes.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "crypto.h"
#include "founding.h"
#include "ident.h"
#include "ledger.h"
#include "merkle.h"
#include "votes.h"

#define REPLICAS 4

enum { KEY_RANDOM = 0x100, KEY_VOTES, KEY_STATE };

static struct {
	unsigned long transactions, block_txs, accounts;
	const char *folder;
	bool random, votes, state;
} args = {.transactions = 1000000, .block_txs = 800, .accounts = 4096};

struct coin {
	struct qoutpoint point;
	uint64_t amount;
	unsigned owner;
};

struct account_of {
	struct qaccount_key key;
	struct qaddress addr;
	struct coin *coins; /* a stack; with --random all of them are the first one's */
	size_t cnt, cap;
};

struct bench {
	struct genesis g;
	struct ident *ids[REPLICAS];
	struct account_of *accounts;
	uint64_t random;
	char ledger_path[256], votes_path[256];
	struct ledger *ledger;
	struct votes *votes;
	struct state *state; /* --state */
	struct qhash tip;    /* then */
	uint64_t height;
	/* Of the decade. */
	double cpu_s, block_s_max, block_cpu_s_max;
	size_t block_cnt;
	uint64_t canonical; /* of all */
};

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "bench_ledger: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
	exit(3);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the chain ------------------------------------------------------------------------- */

static void make_accounts(struct bench *b)
{
	b->accounts = xcalloc(args.accounts, sizeof *b->accounts);
	for (size_t i = 0; i < args.accounts; i++) {
		struct account *a = account_from_secret(
		    (uint8_t[32]){[30] = (uint8_t)((i + 1) >> 8), [31] = (uint8_t)(i + 1)});
		b->accounts[i].key = account_key(a);
		b->accounts[i].addr = account_address(&b->accounts[i].key);
		account_free(a);
	}
}

static void receive(struct bench *b, const struct coin *coin)
{
	struct account_of *a = &b->accounts[args.random ? 0 : coin->owner];

	if (a->cnt == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 64;
		a->coins = xrealloc(a->coins, a->cap * sizeof *a->coins);
	}
	a->coins[a->cnt++] = *coin;
}

static void make_genesis(struct bench *b)
{
	struct qgenesis *g = &b->g.g;
	struct err err = {0};

	found(g, b->ids, REPLICAS);
	g->allocations.allocations_len = (u_int)args.accounts;
	g->allocations.allocations_val = xcalloc(args.accounts, sizeof(struct qoutput));
	for (size_t i = 0; i < args.accounts; i++)
		g->allocations.allocations_val[i] =
		    (struct qoutput){.owner = b->accounts[i].addr, .amount = UINT64_C(1) << 50};
	if (!genesis_finish(&b->g, &err))
		die("the genesis", &err);
	for (unsigned i = 0; i < args.accounts; i++)
		receive(b, &(struct coin){{b->g.txid, i}, UINT64_C(1) << 50, i});
}

static size_t draw(struct bench *b, size_t cnt)
{
	b->random = b->random * 6364136223846793005 + 1442695040888963407;
	return (size_t)(b->random >> 33) % cnt;
}

/* Takes a coin that can be split. */
static struct coin take(struct bench *b)
{
	for (;;) {
		struct account_of *a = &b->accounts[args.random ? 0 : draw(b, args.accounts)];
		if (a->cnt == 0)
			continue;
		size_t at = args.random ? draw(b, a->cnt) : a->cnt - 1;
		struct coin coin = a->coins[at];
		if (coin.amount < 2 && args.random)
			continue;
		a->coins[at] = a->coins[--a->cnt];
		if (coin.amount >= 2)
			return coin;
	}
}

/* Half of a coin to somebody, the rest back. */
static struct tx *pay(struct bench *b)
{
	struct coin coin = take(b);
	unsigned to = (unsigned)draw(b, args.accounts);
	struct qoutput outs[2] = {
	    {.owner = b->accounts[to].addr, .amount = coin.amount / 2},
	    {.owner = b->accounts[coin.owner].addr, .amount = coin.amount - coin.amount / 2}};
	struct qwitness witness = {.key = b->accounts[coin.owner].key};
	struct qtx q = {.body = {.inputs = {1, &coin.point}, .outputs = {2, outs}},
	                .witnesses = {1, &witness}};
	enum tx_verdict verdict;
	struct bytes bytes;

	for (size_t i = 0; i < sizeof witness.sig.b; i++)
		witness.sig.b[i] = (uint8_t)draw(b, 256);
	must(wire_encode(WIRE(qtx), &q, &bytes));
	struct tx *tx = tx_parse(&b->g.chain, bytes.data, bytes.len, &verdict);
	if (!tx)
		die(tx_verdict_info(verdict)->text, NULL);
	bytes_free(&bytes);
	b->canonical += tx->raw_len;
	receive(b, &(struct coin){{tx->id, 0}, outs[0].amount, to});
	receive(b, &(struct coin){{tx->id, 1}, outs[1].amount, coin.owner});
	return tx;
}

static void make_cert(const struct bench *b, enum qkind kind, const struct qvote *vote, struct qcert *cert)
{
	struct qmessage message = {.kind = kind, .qmessage_u.vote = *vote};
	struct bytes body;

	must(wire_encode(WIRE(qmessage), &message, &body));
	*cert = (struct qcert){.kind = kind, .vote = *vote, .sigs = {b->g.quorum, NULL}};
	cert->sigs.sigs_val = xcalloc(b->g.quorum, sizeof *cert->sigs.sigs_val);
	for (unsigned i = 0; i < b->g.quorum; i++) {
		cert->sigs.sigs_val[i].replica = i;
		ident_sign(b->ids[i], &b->g.chain, body.data, body.len, &cert->sigs.sigs_val[i].sig);
	}
	bytes_free(&body);
}

static struct block *make_block(struct bench *b, size_t cnt)
{
	struct tx **txs = xcalloc(cnt, sizeof *txs);
	struct qhash *leaves = xcalloc(cnt, sizeof *leaves);
	struct qheader q = {.format = 1,
	                    .height = {b->height + 1},
	                    .parent = b->tip,
	                    .tx_count = (u_int)cnt,
	                    .time_ms = 1700000000000 + b->height + 1};

	for (size_t i = 0; i < cnt; i++) {
		txs[i] = pay(b);
		leaves[i] = txs[i]->leaf;
	}
	merkle_root(leaves, cnt, &q.merkle_root);
	struct block *block = block_new(&q, txs, cnt);
	for (size_t i = 0; i < cnt; i++)
		tx_unref(txs[i]);
	free(txs);
	free(leaves);
	return block;
}

/* ---- what is measured ---------------------------------------------------------------------- */

static void put(struct bench *b, enum vote_record_kind kind, uint64_t height, const void *data, size_t len)
{
	struct vote_record r = {.kind = kind, .height = qheight_of(height), .data = data, .len = len};
	struct err err = {0};

	if (!votes_put(b->votes, &r, &err))
		die("the vote log", &err);
}

static void commit_votes(struct bench *b)
{
	struct err err = {0};

	if (!votes_commit(b->votes, &err))
		die("the vote log", &err);
}

/* As a backup does: the body with its PREPARE, then COMMIT with its certificate, then the tip. */
static void log_block(struct bench *b, struct block *block, const struct bytes *cert)
{
	uint64_t height = block->header.height.n;
	uint8_t vote[200] = {0};
	struct err err = {0};

	memcpy(vote, block->hash.b, sizeof block->hash.b);
	if (!votes_put_block(b->votes, block, &err))
		die("the vote log", &err);
	put(b, REC_PREPARE, height, vote, sizeof vote);
	commit_votes(b);
	put(b, REC_PREPARED, height, cert->data, cert->len);
	put(b, REC_COMMIT, height, vote, sizeof vote);
	commit_votes(b);
	put(b, REC_TIP, 0, cert->data, cert->len);
	commit_votes(b);
	uint64_t interval = b->g.g.params.checkpoint_interval;
	votes_prune(b->votes, block->header.height, qheight_of(height / interval * interval), &err);
}

static void append(struct bench *b, struct block *block, struct overlay *o, const struct qcert *cert)
{
	struct qhash digest;
	struct err err = {0};

	if (b->state)
		overlay_apply(o, b->state, 1);
	else if (!ledger_append(b->ledger, &block, &o, 1, cert, &digest, &err) ||
	         !ledger_commit(b->ledger, &err))
		die("the ledger", &err);
}

static void append_block(struct bench *b, size_t cnt)
{
	struct block *block = make_block(b, cnt);
	struct qcert cert;
	struct bytes encoded;
	struct overlay *o = NULL;
	size_t bad;

	make_cert(b, QCOMMIT, &(struct qvote){.height = block->header.height, .block = block->hash}, &cert);
	must(wire_encode(WIRE(qcert), &cert, &encoded));
	if (!b->votes) {
		o = overlay_new(b->state ? b->state : ledger_state(b->ledger), NULL, block->header.height);
		must(overlay_add_block(o, block, &bad) == TX_OK);
	}
	double cpu = seconds(CLOCK_THREAD_CPUTIME_ID), clock = seconds(CLOCK_MONOTONIC);
	if (b->votes)
		log_block(b, block, &encoded);
	else
		append(b, block, o, &cert);
	clock = seconds(CLOCK_MONOTONIC) - clock;
	cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	b->cpu_s += cpu;
	if (clock > b->block_s_max)
		b->block_s_max = clock;
	if (cpu > b->block_cpu_s_max)
		b->block_cpu_s_max = cpu;
	b->block_cnt++;
	b->tip = block->hash;
	b->height++;
	overlay_unref(o);
	wire_free(WIRE(qcert), &cert);
	bytes_free(&encoded);
	block_unref(block);
}

/* CPU time of one check of an account's signature. */
static double signature_s(void)
{
	enum { TIMES = 2000 };
	struct account *a = account_from_secret((uint8_t[32]){[31] = 7});
	struct qaccount_key key = account_key(a);
	struct qtxid id = {{1}};
	struct qsig sig;

	account_sign(a, &id, &sig);
	double from = seconds(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < TIMES; i++)
		must(account_verify(&key, &id, &sig));
	double took = (seconds(CLOCK_THREAD_CPUTIME_ID) - from) / TIMES;
	account_free(a);
	return took;
}

static void open_stores(struct bench *b)
{
	struct qreplica_key key = ident_key(b->ids[0]);
	struct err err = {0};

	if (args.state) {
		b->state = state_new(&b->g);
		state_begin(b->state);
	} else if (args.votes) {
		if (access(b->votes_path, F_OK) != 0 && !votes_create(b->votes_path, &key, NULL, &err))
			die("the vote log", &err);
		b->votes = votes_open(b->votes_path, &key, NULL, &err);
		if (!b->votes)
			die("the vote log", &err);
	} else {
		b->ledger = ledger_open(b->ledger_path, &b->g, NULL, &err);
		if (!b->ledger)
			die("the ledger", &err);
	}
}

static double size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static void report(struct bench *b, size_t done, size_t cnt)
{
	double signature = signature_s(), us = b->cpu_s * 1e6 / (double)cnt;

	printf("{\"transactions\": %zu, \"us_per_tx\": %.2f, \"signature_us\": %.1f, \"signatures_per_tx\": "
	       "%.3f, "
	       "\"longest_block_ms\": %.1f, \"most_cpu_of_block_ms\": %.1f",
	       done, us, signature * 1e6, us / (signature * 1e6), b->block_s_max * 1e3,
	       b->block_cpu_s_max * 1e3);
	if (args.votes)
		printf(", \"file_mib\": %.1f", size_of(b->votes_path) / (1 << 20));
	if (b->ledger) {
		char wal[300];
		snprintf(wal, sizeof wal, "%s-wal", b->ledger_path);
		double wal_bytes = size_of(wal);
		ledger_close(b->ledger);
		double from = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
		double bytes = size_of(b->ledger_path);
		open_stores(b);
		printf(", \"wal_mib\": %.1f, \"bytes_per_tx\": %.0f, \"canonical_per_tx\": %.0f, "
		       "\"bytes_to_canonical\": %.2f, \"restart_s\": %.2f, \"restart_cpu_s\": %.2f",
		       wal_bytes / (1 << 20), bytes / (double)done, (double)b->canonical / (double)done,
		       bytes / (double)b->canonical, seconds(CLOCK_MONOTONIC) - from,
		       seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	}
	printf("}\n");
	fflush(stdout);
	b->cpu_s = b->block_s_max = b->block_cpu_s_max = 0;
	b->block_cnt = 0;
}

static error_t option(int key, char *text, struct argp_state *state)
{
	unsigned long n = text ? strtoul(text, NULL, 10) : 0;

	switch (key) {
	case 'n':
		args.transactions = n;
		break;
	case 'b':
		args.block_txs = n;
		break;
	case 'a':
		args.accounts = n;
		break;
	case 'l':
		args.folder = text;
		return 0;
	case KEY_RANDOM:
		args.random = true;
		return 0;
	case KEY_VOTES:
		args.votes = true;
		return 0;
	case KEY_STATE:
		args.state = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (n == 0)
		argp_error(state, "-%c wants a number", key);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"transactions", 'n', "N", 0, "so many payments (default 1000000)", 0},
	    {"block", 'b', "N", 0, "in blocks of so many (default 800)", 0},
	    {"accounts", 'a', "N", 0, "of so many accounts (default 4096, the most)", 0},
	    {"random", KEY_RANDOM, NULL, 0, "each spends any unspent output", 0},
	    {"votes", KEY_VOTES, NULL, 0, "the vote log instead of the ledger", 0},
	    {"state", KEY_STATE, NULL, 0, "only the state in memory", 0},
	    {"folder", 'l', "FOLDER", 0, "an empty one, for the files, which are kept", 0},
	    {0}};
	const struct argp argp = {.options = options, .parser = option};
	struct bench b = {0};
	struct err err = {0};
	char dir[] = "/tmp/bench-ledger-XXXXXX";

	if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0)
		return 2;
	if (!crypto_init(&err))
		die("crypto", &err);
	if (!args.folder)
		must(mkdtemp(dir) != NULL);
	snprintf(b.ledger_path, sizeof b.ledger_path, "%s/ledger.db", args.folder ? args.folder : dir);
	snprintf(b.votes_path, sizeof b.votes_path, "%s/votes.db", args.folder ? args.folder : dir);
	make_accounts(&b);
	make_genesis(&b);
	b.tip = b.g.chain;
	open_stores(&b);
	for (size_t done = 0, decade = 10000, from = 0; done < args.transactions;) {
		size_t end = decade < args.transactions ? decade : args.transactions;
		size_t cnt = end - done < args.block_txs ? end - done : args.block_txs;
		append_block(&b, cnt);
		done += cnt;
		if (done < end)
			continue;
		report(&b, done, done - from);
		from = done;
		decade *= 10;
	}
	ledger_close(b.ledger);
	votes_close(b.votes);
	if (!args.folder) {
		unlink(b.ledger_path);
		unlink(b.votes_path);
		rmdir(dir);
	}
	return 0;
}
