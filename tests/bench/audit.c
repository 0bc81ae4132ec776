/*
 * audit.c: how long an audit takes, next to what the signatures alone would; and how much memory.  First by
 * CPU time, then by the clock.
 *
 *     bench_audit [-n TRANSACTIONS] [-b A_BLOCK] [-r ROUNDS] [-l LEDGER] [-u]
 *
 * Makes a ledger of plain payments (one input, two outputs; 100,000 in blocks of 400, unless told otherwise),
 * each signed.  Every other one spends the output that its owner made last, the others one that is drawn at
 * random of all that are unspent; with -u all do, which is the hardest for whoever has to find what they
 * spend. That is done by a process of its own: the memory that is reported is the audit's.  -l keeps the
 * ledger in this file, and audits the one that is there.
 */
#include <argp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit.h"
#include "clock.h"
#include "crypto.h"
#include "founding.h"
#include "ident.h"
#include "ledger.h"
#include "merkle.h"

#define REPLICAS 4
#define LANES 8 /* each a thread and an account that pays itself */
#define ROUND_BLOCKS 32

static struct {
	unsigned long transactions, block_txs, rounds;
	const char *path;
	bool uniform;
} args = {.transactions = 100000, .block_txs = 400, .rounds = 1};

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "bench_audit: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
	exit(3);
}

/* ---- the chain ------------------------------------------------------------------------- */

struct coin {
	struct qoutpoint point;
	uint64_t amount;
};

/* What a thread signs: payments of one account, out of its own unspent outputs. */
struct lane {
	const struct genesis *g;
	struct account *account;
	struct qaddress owner;
	struct coin *coins;
	size_t coin_cnt;
	uint64_t random;
	struct tx **made; /* of this round */
	size_t want;
};

struct maker {
	struct genesis g;
	struct ident *ids[REPLICAS];
	struct lane lanes[LANES];
	struct ledger *ledger;
};

static void make_genesis(struct maker *m)
{
	struct qgenesis *g = &m->g.g;
	struct err err = {0};

	found(g, m->ids, REPLICAS);
	g->allocations.allocations_len = LANES;
	g->allocations.allocations_val = xcalloc(LANES, sizeof(struct qoutput));
	for (unsigned i = 0; i < LANES; i++) {
		struct qaccount_key key;
		m->lanes[i].account = account_from_secret((uint8_t[32]){[31] = (uint8_t)(i + 1)});
		key = account_key(m->lanes[i].account);
		m->lanes[i].owner = account_address(&key);
		g->allocations.allocations_val[i] = (struct qoutput){m->lanes[i].owner, UINT64_C(1) << 50};
	}
	if (!genesis_finish(&m->g, &err))
		die("the genesis", &err);
}

static size_t draw(struct lane *l)
{
	l->random = l->random * 6364136223846793005 + 1442695040888963407;
	return (size_t)(l->random >> 33) % l->coin_cnt;
}

/* Pays about half of a coin, or what it can be split into, to its owner, and the rest back. */
static struct tx *pay(struct lane *l)
{
	size_t at = args.uniform || l->random >> 63 ? draw(l) : l->coin_cnt - 1;
	while (l->coins[at].amount < 2)
		at = draw(l);
	struct coin coin = l->coins[at];
	struct qoutput outs[2] = {{l->owner, coin.amount / 2}, {l->owner, coin.amount - coin.amount / 2}};
	struct qtx_body body = {.inputs = {1, &coin.point}, .outputs = {2, outs}};
	struct err err = {0};
	struct tx *tx = tx_make(&l->g->chain, &body, &(const struct account *){l->account}, 1, &err);
	if (!tx)
		die("a payment", &err);
	l->coins[at] = (struct coin){{tx->id, 0}, outs[0].amount};
	l->coins[l->coin_cnt++] = (struct coin){{tx->id, 1}, outs[1].amount};
	return tx;
}

static void *sign_round(void *arg)
{
	struct lane *l = arg;
	for (size_t i = 0; i < l->want; i++)
		l->made[i] = pay(l);
	return NULL;
}

static void begin_lane(struct maker *m, unsigned i)
{
	struct lane *l = &m->lanes[i];
	l->g = &m->g;
	l->random = i;
	l->coins = xcalloc(args.transactions / LANES + 2, sizeof *l->coins);
	l->coins[0] = (struct coin){{m->g.txid, i}, UINT64_C(1) << 50};
	l->coin_cnt = 1;
	l->made = xcalloc(ROUND_BLOCKS * args.block_txs / LANES + 1, sizeof(struct tx *));
}

static void make_cert(const struct maker *m, enum qkind kind, const struct qvote *vote, struct qcert *cert)
{
	struct qmessage message = {.kind = kind, .qmessage_u.vote = *vote};
	struct bytes body;

	must(wire_encode(WIRE(qmessage), &message, &body));
	*cert = (struct qcert){.kind = kind, .vote = *vote, .sigs = {m->g.quorum, NULL}};
	cert->sigs.sigs_val = xcalloc(m->g.quorum, sizeof *cert->sigs.sigs_val);
	for (unsigned i = 0; i < m->g.quorum; i++) {
		cert->sigs.sigs_val[i].replica = i;
		ident_sign(m->ids[i], &m->g.chain, body.data, body.len, &cert->sigs.sigs_val[i].sig);
	}
	bytes_free(&body);
}

/* A checkpoint becomes stable: so it stands in the journal. */
static void journal_checkpoint(struct maker *m, const struct block *b, const struct qhash *state)
{
	struct qvote vote = {.height = b->header.height, .block = b->hash, .state = *state};
	struct qjournal entry = {.kind = QJ_STABLE};
	struct err err = {0};

	make_cert(m, QCHECKPOINT, &vote, &entry.qjournal_u.stable);
	if (!ledger_journal(m->ledger, &entry, &err))
		die("the ledger", &err);
	wire_free(WIRE(qjournal), &entry);
}

static void append_block(struct maker *m, struct tx *const *txs, size_t cnt)
{
	uint64_t height = ledger_height(m->ledger).n + 1;
	struct qhash *leaves = xcalloc(cnt, sizeof *leaves), digest = {0};
	struct qheader q = {.format = 1,
	                    .height = {height},
	                    .parent = *ledger_tip(m->ledger),
	                    .tx_count = (u_int)cnt,
	                    .time_ms = 1700000000000 + height};
	struct overlay *o = overlay_new(ledger_state(m->ledger), NULL, q.height);
	struct qcert cert;
	struct err err = {0};
	size_t bad;

	for (size_t i = 0; i < cnt; i++)
		leaves[i] = txs[i]->leaf;
	merkle_root(leaves, cnt, &q.merkle_root);
	free(leaves);
	struct block *b = block_new(&q, txs, cnt);
	must(overlay_add_block(o, b, &bad) == TX_OK);
	make_cert(m, QCOMMIT, &(struct qvote){.height = q.height, .block = b->hash}, &cert);
	if (!ledger_append(m->ledger, &b, &o, 1, &cert, &digest, &err))
		die("the ledger", &err);
	if (height % m->g.g.params.checkpoint_interval == 0)
		journal_checkpoint(m, b, &digest);
	wire_free(WIRE(qcert), &cert);
	overlay_unref(o);
	block_unref(b);
}

/* The lanes' payments in turn, cut into blocks. */
static void append_round(struct maker *m, size_t cnt)
{
	struct tx **txs = xcalloc(cnt, sizeof(struct tx *));
	struct err err = {0};

	for (size_t i = 0; i < cnt; i++)
		txs[i] = m->lanes[i % LANES].made[i / LANES];
	for (size_t i = 0; i < cnt; i += args.block_txs)
		append_block(m, txs + i, cnt - i < args.block_txs ? cnt - i : args.block_txs);
	if (!ledger_commit(m->ledger, &err))
		die("the ledger", &err);
	for (size_t i = 0; i < cnt; i++)
		tx_unref(txs[i]);
	free(txs);
}

static void make_round(struct maker *m, size_t cnt)
{
	pthread_t threads[LANES];

	for (unsigned i = 0; i < LANES; i++) {
		m->lanes[i].want = cnt / LANES + (i < cnt % LANES);
		must(pthread_create(&threads[i], NULL, sign_round, &m->lanes[i]) == 0);
	}
	for (unsigned i = 0; i < LANES; i++)
		pthread_join(threads[i], NULL);
	append_round(m, cnt);
}

static void make_ledger(struct maker *m)
{
	struct err err = {0};

	m->ledger = ledger_open(args.path, &m->g, NULL, &err);
	if (!m->ledger)
		die("the ledger", &err);
	for (unsigned i = 0; i < LANES; i++)
		begin_lane(m, i);
	for (size_t done = 0, cnt; done < args.transactions; done += cnt) {
		cnt = args.transactions - done;
		if (cnt > ROUND_BLOCKS * args.block_txs)
			cnt = ROUND_BLOCKS * args.block_txs;
		make_round(m, cnt);
	}
	ledger_close(m->ledger);
}

/* In a process of its own, which ends with all that it took. */
static void make_apart(struct maker *m)
{
	int status;
	pid_t child = fork();

	must(child >= 0);
	if (child == 0) {
		make_ledger(m);
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child);
	if (status != 0)
		exit(3);
}

/* ---- the audit ---------------------------------------------------------------------------- */

static struct audit_report audit(const struct genesis *g, bool measure)
{
	struct audit_options o = {.measure = measure};
	struct audit_report r;
	struct err err = {0};

	if (!audit_run(&args.path, 1, g, &o, &r, &err))
		die("the audit", &err);
	if (!r.ok)
		die(r.ledgers[0].findings[0].message, NULL);
	return r;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time of one signature of the lanes' payments. */
static double signature_cpu(struct maker *m)
{
	enum { TXS = 64, TIMES = 64 };
	struct tx *txs[TXS];

	begin_lane(m, 0);
	m->lanes[0].coins = xrealloc(m->lanes[0].coins, (TXS + 2) * sizeof *m->lanes[0].coins);
	for (unsigned i = 0; i < TXS; i++)
		txs[i] = pay(&m->lanes[0]);
	double from = cpu_seconds();
	for (unsigned i = 0; i < TXS * TIMES; i++)
		must(tx_verify(&m->g, txs[i % TXS]));
	double took = cpu_seconds() - from;
	for (unsigned i = 0; i < TXS; i++)
		tx_unref(txs[i]);
	return took / (TXS * TIMES);
}

/* By the clock, as the audit itself measures it: for a machine that has nothing else to do. */
static void by_clock(const struct genesis *g)
{
	struct audit_report r = audit(g, true);

	printf("{\"seconds\": %.3f, \"bound_seconds\": %.3f, \"ratio\": %.3f}\n", r.speed.seconds,
	       r.speed.bound_seconds, r.speed.seconds > 0 ? r.speed.bound_seconds / r.speed.seconds : 0);
	fflush(stdout);
	audit_report_free(&r);
}

/* The signatures' share of all CPU time, which others on the machine disturb less; and the memory. */
static void by_cpu(struct maker *m)
{
	double from = cpu_seconds();
	struct audit_report r = audit(&m->g, false);
	double took = cpu_seconds() - from;
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	printf("{\"transactions\": %llu, \"blocks\": %llu, \"cpu_seconds\": %.3f, \"signatures\": %.3f, "
	       "\"peak_rss_mib\": %.1f}\n",
	       (unsigned long long)r.transactions, (unsigned long long)r.height.n, took,
	       (double)r.speed.accounts * signature_cpu(m) / took, (double)used.ru_maxrss / 1024);
	fflush(stdout);
	audit_report_free(&r);
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
	case 'r':
		args.rounds = n;
		break;
	case 'l':
		args.path = text;
		return 0;
	case 'u':
		args.uniform = true;
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
	    {"transactions", 'n', "N", 0, "so many payments (default 100000)", 0},
	    {"block", 'b', "N", 0, "in blocks of so many (default 400, at most 2000)", 0},
	    {"rounds", 'r', "N", 0, "audits, one after the other (default 1)", 0},
	    {"uniform", 'u', NULL, 0, "each spends any unspent output", 0},
	    {"ledger", 'l', "FILE", 0, "the ledger; made if it is not there, and kept", 0},
	    {0}};
	const struct argp argp = {.options = options, .parser = option};
	struct maker m = {0};
	struct err err = {0};
	char dir[] = "/tmp/bench-audit-XXXXXX", path[64];
	bool temporary;

	if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0)
		return 2;
	if (!crypto_init(&err))
		die("crypto", &err);
	make_genesis(&m);
	temporary = args.path == NULL;
	if (temporary) {
		must(mkdtemp(dir) != NULL);
		snprintf(path, sizeof path, "%s/ledger.db", dir);
		args.path = path;
	}
	if (access(args.path, F_OK) != 0)
		make_apart(&m);
	by_cpu(&m);
	for (unsigned long i = 0; i < args.rounds; i++)
		by_clock(&m.g);
	if (temporary) {
		unlink(path);
		rmdir(dir);
	}
	return 0;
}
