/*
 * verify.c: what the work around signatures costs, next to a signature check itself.
 *
 *     bench_verify [-n TRANSACTIONS] [-t THREADS] [-r ROUNDS] [-s] [STAGE...]
 *
 * For each stage: microseconds of CPU time a transaction (one input, two outputs, one witness), and its ratio
 * to what libsecp256k1 needs for one plain check: parse the key, parse the signature, verify. The stages take
 * turns with that check, on all processors at a time, so that a busy machine is as unkind to one as to the
 * other; each is the median of the rounds.  In all stages but "library" and those named "... real" secp256k1
 * is left out, so that the rest can be seen; Ed25519 is not, unless -s is given.  No stage named: all.
 *
 * Instructions, which no neighbour disturbs:
 *
 *     valgrind --tool=callgrind --toggle-collect=bench_stage bench_verify -s -t 1 -r 1 STAGE
 *
 * Links: q_replica
 */
#include <argp.h>
#include <pthread.h>
#include <secp256k1.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "block.h"
#include "crypto.h"
#include "founding.h"
#include "merkle.h"
#include "primitives.h"
#include "verify.h"

#define REPLICAS 4
#define OWNERS 128
#define THREADS_MAX 64
#define ROUNDS_MAX 101
#define STAGES_MAX 64

static struct {
	unsigned txs, threads, rounds;
	bool skip;
	char *const *names;
	int name_cnt;
} args = {.txs = 2000, .rounds = 7};

static struct genesis genesis;
static struct ident *ids[REPLICAS];
static struct account *owners[OWNERS];
static struct tx **txs;
static struct qhash *leaves;
static secp256k1_context *secp;

/* ---- what is measured ------------------------------------------------------------------- */

/* What a thread has for itself. */
struct own {
	struct verify_cache *cache;
	unsigned next; /* message of the size that is measured */
};

struct stage {
	const char *name;
	void (*run)(struct own *o, unsigned size); /* all transactions once */
	unsigned size;                             /* of messages, in transactions */
	bool real;                                 /* with libsecp256k1 */
	bool fresh;                                /* its cache is empty at first */
};

static void library(struct own *o, unsigned size)
{
	(void)o, (void)size;
	for (unsigned i = 0; i < args.txs; i++) {
		const struct qwitness *w = txs[i]->q.witnesses.witnesses_val;
		secp256k1_pubkey point;
		secp256k1_ecdsa_signature sig;
		must(secp256k1_ec_pubkey_parse(secp, &point, w->key.b, sizeof w->key.b) &&
		     secp256k1_ecdsa_signature_parse_compact(secp, &sig, w->sig.b) &&
		     secp256k1_ecdsa_verify(secp, &sig, txs[i]->id.b, &point));
	}
}

static void parse(struct own *o, unsigned size)
{
	(void)o, (void)size;
	enum tx_verdict v;

	for (unsigned i = 0; i < args.txs; i++) {
		struct tx *tx = tx_parse(&genesis.chain, txs[i]->raw, txs[i]->raw_len, &v);
		must(tx);
		tx_unref(tx);
	}
}

static void parse_many(struct own *o, unsigned size)
{
	(void)o, (void)size;
	struct tx *made[TX_PARSE_MAX];
	enum tx_verdict v[TX_PARSE_MAX];
	qtx_bytes raws[TX_PARSE_MAX];

	for (unsigned i = 0, n; i < args.txs; i += n) {
		for (n = 0; n < TX_PARSE_MAX && i + n < args.txs; n++)
			raws[n] = (qtx_bytes){(unsigned)txs[i + n]->raw_len, txs[i + n]->raw};
		tx_parse_many(&genesis.chain, raws, n, made, v);
		for (unsigned k = 0; k < n; k++) {
			must(made[k]);
			tx_unref(made[k]);
		}
	}
}

static void check(struct own *o, unsigned size)
{
	(void)o, (void)size;
	for (unsigned i = 0; i < args.txs; i++)
		must(tx_verify(&genesis, txs[i]));
}

static void check_cached(struct own *o, unsigned size)
{
	(void)size;
	for (unsigned i = 0; i < args.txs; i++)
		must(verify_tx(&genesis, o->cache, txs[i]));
}

static struct qenvelope *envelopes[STAGES_MAX]; /* by stage: all transactions, in messages of its size */
static struct bytes *frames[STAGES_MAX];

static unsigned message_cnt(unsigned size)
{
	return (args.txs + size - 1) / size;
}

static void ident_signs(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	ident_sign(ctx, &genesis.chain, body, len, sig);
}

static struct message *make_message(unsigned size, unsigned index, qtx_bytes *list)
{
	static const struct signer none;
	struct signer signer = none;
	struct qmessage m = {.kind = QTXS};
	unsigned cnt = 0;

	for (unsigned i = index * size; i < args.txs && cnt < size; i++, cnt++)
		list[cnt] = (qtx_bytes){(unsigned)txs[i]->raw_len, txs[i]->raw};
	m.qmessage_u.txs.txs.txs_len = cnt;
	m.qmessage_u.txs.txs.txs_val = list;
	signer.sign = ident_signs;
	signer.ctx = ids[0];
	return message_make(&genesis, 0, &signer, &m);
}

static void make(struct own *o, unsigned size)
{
	(void)o;
	qtx_bytes *list = xcalloc(size, sizeof *list);

	for (unsigned i = 0; i < message_cnt(size); i++)
		message_unref(make_message(size, i, list));
	free(list);
}

static unsigned slot_of(unsigned size)
{
	unsigned bits = 0;

	while (size >>= 1)
		bits++;
	return bits;
}

static void frame(struct own *o, unsigned size)
{
	(void)o;
	for (unsigned i = 0; i < message_cnt(size); i++) {
		const struct bytes *b = &frames[slot_of(size)][i];
		struct qframe f;
		must(wire_decode(WIRE(qframe), b->data, b->len, &f));
		wire_free(WIRE(qframe), &f);
	}
}

static void open_one(struct own *o, unsigned size)
{
	(void)o;
	for (unsigned i = 0; i < message_cnt(size); i++) {
		enum open_verdict v;
		struct message *m = message_open(&genesis, &envelopes[slot_of(size)][i], &v);
		must(m);
		message_unref(m);
	}
}

static void envelope(struct own *o, unsigned size)
{
	for (unsigned i = 0; i < message_cnt(size); i++) {
		enum open_verdict v;
		struct verified out;
		must(verify_envelope(&genesis, o->cache, &envelopes[slot_of(size)][i], &out, &v));
		verified_free(&out);
	}
}

static void new_block(struct own *o, unsigned size)
{
	(void)o, (void)size;
	struct qheader h = {.format = 1, .height = {1}, .tx_count = args.txs};

	block_unref(block_new(&h, txs, args.txs));
}

static void root(struct own *o, unsigned size)
{
	(void)o, (void)size;
	struct qhash hash;

	merkle_root(leaves, args.txs, &hash);
}

static void leaves_match(struct own *o, unsigned size)
{
	(void)o, (void)size;
	struct qheader h = {.format = 1, .height = {1}, .tx_count = args.txs};

	merkle_root(leaves, args.txs, &h.merkle_root);
	must(block_leaves_match(&h, leaves, args.txs));
}

static void encode(struct own *o, unsigned size)
{
	(void)o, (void)size;
	struct qblock q = {.txs = {args.txs, xcalloc(args.txs, sizeof(qtx_bytes))}};
	struct bytes b;

	for (unsigned i = 0; i < args.txs; i++)
		q.txs.txs_val[i] = (qtx_bytes){(unsigned)txs[i]->raw_len, txs[i]->raw};
	must(wire_encode(WIRE(qblock), &q, &b));
	bytes_free(&b);
	free(q.txs.txs_val);
}

static const struct stage stages[] = {
    {"library", library, 0, .real = true},
    {"tx_parse", parse, 0},
    {"tx_parse_many", parse_many, 0},
    {"tx_verify", check, 0},
    {"tx_verify real", check, 0, .real = true},
    {"verify_tx cold", check_cached, 0, .fresh = true},
    {"verify_tx warm", check_cached, 0},
    {"verify_tx cold real", check_cached, 0, .real = true, .fresh = true},
    {"message_make 1", make, 1},
    {"message_make 10", make, 10},
    {"message_make 100", make, 100},
    {"message_make 500", make, 500},
    {"frame 100", frame, 100},
    {"frame 500", frame, 500},
    {"message_open 1", open_one, 1},
    {"message_open 10", open_one, 10},
    {"message_open 100", open_one, 100},
    {"message_open 500", open_one, 500},
    {"verify_envelope 100", envelope, 100, .fresh = true},
    {"verify_envelope 500", envelope, 500, .fresh = true},
    {"verify_envelope known 500", envelope, 500},
    {"block_new", new_block, 0},
    {"merkle_root", root, 0},
    {"block_leaves_match", leaves_match, 0},
    {"wire_encode", encode, 0},
};
#define STAGE_CNT (sizeof stages / sizeof *stages)

/* ---- a chain, its transactions and messages ----------------------------------------------- */

static void make_genesis(void)
{
	struct qgenesis *g = &genesis.g;
	struct err err = {0};

	found(g, ids, REPLICAS);
	g->allocations.allocations_len = 1;
	g->allocations.allocations_val = xcalloc(1, sizeof(struct qoutput));
	g->allocations.allocations_val[0].amount = 1;
	must(genesis_finish(&genesis, &err));
}

static void make_txs(void)
{
	struct qaddress addresses[OWNERS];
	struct err err = {0};

	for (unsigned i = 0; i < OWNERS; i++) {
		owners[i] = account_from_secret((uint8_t[32]){1, [31] = (uint8_t)i});
		struct qaccount_key key = account_key(owners[i]);
		addresses[i] = account_address(&key);
	}
	txs = xcalloc(args.txs, sizeof *txs);
	leaves = xcalloc(args.txs, sizeof *leaves);
	for (unsigned i = 0; i < args.txs; i++) {
		struct qoutpoint in = {.index = i};
		struct qoutput outs[2] = {{addresses[(i * 7 + 1) % OWNERS], 1 + i},
		                          {addresses[i % OWNERS], 5}};
		struct qtx_body body = {.inputs = {1, &in}, .outputs = {2, outs}};
		const struct account *signer = owners[i % OWNERS];
		txs[i] = tx_make(&genesis.chain, &body, &signer, 1, &err);
		must(txs[i]);
		leaves[i] = txs[i]->leaf;
	}
}

static void make_messages(unsigned size)
{
	unsigned cnt = message_cnt(size), slot = slot_of(size);
	qtx_bytes *list = xcalloc(size, sizeof *list);

	if (envelopes[slot] != NULL || size == 0) {
		free(list);
		return;
	}
	envelopes[slot] = xcalloc(cnt, sizeof *envelopes[slot]);
	frames[slot] = xcalloc(cnt, sizeof *frames[slot]);
	for (unsigned i = 0; i < cnt; i++) {
		struct message *m = make_message(size, i, list);
		struct qenvelope *e = &envelopes[slot][i];
		*e = m->env;
		e->body.body_val = xmemdup(m->env.body.body_val, m->env.body.body_len);
		must(wire_encode(WIRE(qframe), &(struct qframe){{1, e}}, &frames[slot][i]));
		message_unref(m);
	}
	free(list);
}

/* ---- measuring -------------------------------------------------------------------------------- */

static struct primitives without_accounts, without_any;

static bool parse_yes(const struct qaccount_key *key, uint8_t point[PRIMITIVES_POINT])
{
	memset(point, 0, PRIMITIVES_POINT);
	memcpy(point, key->b, sizeof key->b);
	return true;
}

static bool check_yes(const uint8_t point[PRIMITIVES_POINT], const struct qtxid *id, const struct qsig *sig)
{
	(void)point, (void)id, (void)sig;
	return true;
}

static bool replica_yes(const struct qreplica_key *key, const struct qhash *chain, const uint8_t *body,
                        size_t len, const struct qsig *sig)
{
	(void)key, (void)chain, (void)body, (void)len, (void)sig;
	return true;
}

static void replica_signs_nothing(const uint8_t secret[PRIMITIVES_SECRET], const struct qhash *chain,
                                  const uint8_t *body, size_t len, struct qsig *sig)
{
	(void)secret, (void)chain, (void)body, (void)len;
	memset(sig, 0, sizeof *sig);
}

static pthread_barrier_t barrier;

struct task {
	const struct stage *stage;
	pthread_t thread;
	double us; /* of CPU time, a transaction */
};

static double cpu_us(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

void bench_stage(const struct stage *s, struct own *o); /* a name for callgrind */
__attribute__((noinline)) void bench_stage(const struct stage *s, struct own *o)
{
	s->run(o, s->size);
}

static void *measure(void *arg)
{
	struct task *t = arg;
	struct own o = {verify_cache_new(args.txs + 1)};
	double begin;

	if (!t->stage->fresh && !t->stage->real)
		check_cached(&o, 0);
	pthread_barrier_wait(&barrier);
	begin = cpu_us();
	bench_stage(t->stage, &o);
	t->us = (cpu_us() - begin) / args.txs;
	verify_cache_free(o.cache);
	return NULL;
}

/* On all threads at a time; the mean of theirs. */
static double run(const struct stage *s)
{
	struct task tasks[THREADS_MAX];
	double sum = 0;

	primitives_use(s->real ? &primitives_real : args.skip ? &without_any : &without_accounts);
	must(pthread_barrier_init(&barrier, NULL, args.threads) == 0);
	for (unsigned i = 0; i < args.threads; i++) {
		tasks[i] = (struct task){.stage = s};
		must(pthread_create(&tasks[i].thread, NULL, measure, &tasks[i]) == 0);
	}
	for (unsigned i = 0; i < args.threads; i++) {
		pthread_join(tasks[i].thread, NULL);
		sum += tasks[i].us;
	}
	pthread_barrier_destroy(&barrier);
	primitives_use(&primitives_real);
	return sum / args.threads;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static double median(double *v, unsigned cnt)
{
	qsort(v, cnt, sizeof *v, compare);
	return v[cnt / 2];
}

static bool wanted(const struct stage *s)
{
	for (int i = 0; i < args.name_cnt; i++)
		if (strcmp(s->name, args.names[i]) == 0)
			return true;
	return args.name_cnt == 0;
}

static void report(const struct stage *s)
{
	double us[ROUNDS_MAX], ratio[ROUNDS_MAX];

	for (unsigned r = 0; r < args.rounds; r++) {
		double plain = args.skip ? 0 : run(&stages[0]);
		us[r] = run(s);
		ratio[r] = args.skip ? 0 : us[r] / plain;
	}
	printf("%-28s %8.3f us", s->name, median(us, args.rounds));
	if (!args.skip)
		printf("  %6.2f %% of a plain check", 100 * median(ratio, args.rounds));
	putchar('\n');
	fflush(stdout);
}

static error_t parse_arg(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'n':
		args.txs = (unsigned)strtoul(arg, NULL, 10);
		break;
	case 't':
		args.threads = (unsigned)strtoul(arg, NULL, 10);
		break;
	case 'r':
		args.rounds = (unsigned)strtoul(arg, NULL, 10);
		break;
	case 's':
		args.skip = true;
		break;
	case ARGP_KEY_ARGS:
		args.names = state->argv + state->next;
		args.name_cnt = state->argc - state->next;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {{"transactions", 'n', "N", 0, "so many (2000)"},
	                                             {"threads", 't', "N", 0, "all processors, unless told"},
	                                             {"rounds", 'r', "N", 0, "so many (7)"},
	                                             {"skip", 's', NULL, 0, "no Ed25519, no comparison"},
	                                             {0}};
	static const struct argp argp = {options, parse_arg, "[STAGE...]", NULL};
	struct err err = {0};

	args.threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	must(args.txs > 0 && args.threads > 0 && args.threads <= THREADS_MAX);
	must(args.rounds > 0 && args.rounds <= ROUNDS_MAX);
	must(crypto_init(&err));
	secp = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	without_accounts = primitives_real;
	without_accounts.account_parse = parse_yes;
	without_accounts.account_check = check_yes;
	without_any = without_accounts;
	without_any.replica_verify = replica_yes;
	without_any.replica_sign = replica_signs_nothing;
	make_genesis();
	make_txs();
	for (size_t i = 0; i < STAGE_CNT; i++)
		if (wanted(&stages[i]))
			make_messages(stages[i].size);
	for (size_t i = 0; i < STAGE_CNT; i++)
		if (wanted(&stages[i]))
			report(&stages[i]);
	return 0;
}
