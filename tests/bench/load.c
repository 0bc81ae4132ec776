/*
 * load.c: the load of tests/bench/modes: the same payments, signed beforehand, on any chain that has just
 * begun.
 *
 *     bench_load --genesis FILE --key FILE --node URL ... [--pid PID ...] [options]
 *
 * Two phases, one JSON object each on standard output:
 *   steady     so many clients, each paying itself at a fixed pace and waiting for each payment to be final.
 *              A latency begins when the payment was due, not when its client came round to it: who is slow
 *              does not get fewer payments to be slow with.
 *   saturated  batches without pause, two on their way at each node.
 * What is final is what the nodes' counters say; CPU time is that of the processes named, by the kernel.
 */
#include <argp.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "crypto.h"
#include "http.h"
#include "keyfile.h"
#include "tx.h"

#define NODES_MAX Q_REPLICAS_MAX
#define CLIENTS_MAX 256
#define LANES_A_NODE 2
#define PATIENCE_MS 60000

static struct {
	const char *genesis_path, *key_path, *node[NODES_MAX];
	unsigned node_cnt, pid_cnt, clients, rate, seconds, batch, batches;
	pid_t pid[NODES_MAX];
	struct genesis *genesis;
	struct account *account;
	struct qaddress owner;
	uint64_t begin_ms, end_ms; /* of the phase */
} load = {.clients = 32, .rate = 64, .seconds = 20, .batch = 100, .batches = 200};

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "bench_load: %s%s%s\n", what, err != NULL ? ": " : "", err != NULL ? err->text : "");
	exit(3);
}

static uint64_t now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static void sleep_until(uint64_t ms)
{
	uint64_t now = now_ms();
	struct timespec nap = clock_timespec(ms > now ? (unsigned)(ms - now) : 0);
	if (ms > now)
		nanosleep(&nap, NULL);
}

/* ---- a node ---------------------------------------------------------------------------- */

static struct http_client *dial(unsigned node)
{
	struct err err = {0};
	struct http_client *c = http_client_new(load.node[node], PATIENCE_MS, &err);
	if (c == NULL)
		die("no client", &err);
	return c;
}

static json_t *call(struct http_client *c, const char *path, const void *body, size_t len)
{
	struct err err = {0};
	char *text;
	size_t text_len;
	int status;
	if (!http_call(c, path, body != NULL ? "application/octet-stream" : NULL, body, len, &status, &text,
	               &text_len, &err))
		die(path, &err);
	json_t *json = json_loadb(text, text_len, 0, NULL);
	free(text);
	return json;
}

/* Hands them in until none is refused. An input that the node has not executed yet is, for a moment. */
static void submit(struct http_client *c, struct tx *const *txs, size_t cnt)
{
	struct qtxs batch = {.txs = {(u_int)cnt, xcalloc(cnt, sizeof(qtx_bytes))}};
	struct bytes raw;
	for (size_t i = 0; i < cnt; i++)
		batch.txs.txs_val[i] = (qtx_bytes){(u_int)txs[i]->raw_len, txs[i]->raw};
	must(wire_encode(WIRE(qtxs), &batch, &raw));
	free(batch.txs.txs_val);
	uint64_t until = now_ms() + PATIENCE_MS;
	for (bool again = true; again;) {
		json_t *json = call(c, "/v1/transactions", raw.data, raw.len), *r;
		const char *code = "";
		size_t i;
		again = false;
		json_array_foreach(json_object_get(json, "results"), i, r)
		{
			const char *status = json_string_value(json_object_get(r, "status"));
			if (status == NULL || strcmp(status, "rejected") != 0)
				continue;
			again = true;
			code = json_string_value(json_object_get(r, "code"));
		}
		if (again && now_ms() > until)
			die(code, NULL);
		json_decref(json);
	}
	bytes_free(&raw);
}

static void await_final(struct http_client *c, const struct tx *tx)
{
	char id[QHASH_HEX], path[128];
	uint64_t until = now_ms() + PATIENCE_MS;
	snprintf(path, sizeof path, "/v1/transactions/%s?wait=10000",
	         hex_encode(id, tx->id.b, sizeof tx->id.b));
	for (bool final = false; !final;) {
		json_t *json = call(c, path, NULL, 0);
		const char *status = json_string_value(json_object_get(json, "status"));
		final = status != NULL && strcmp(status, "final") == 0;
		json_decref(json);
		if (!final && now_ms() > until)
			die("a payment does not become final", NULL);
	}
}

/* ---- payments -------------------------------------------------------------------------------- */

static struct tx *make(struct qoutpoint from, const struct qoutput *outputs, u_int cnt)
{
	struct err err = {0};
	struct qtx_body body = {.inputs = {1, &from}, .outputs = {cnt, (struct qoutput *)outputs}};
	struct tx *tx =
	    tx_make(&load.genesis->chain, &body, &(const struct account *){load.account}, 1, &err);
	if (tx == NULL)
		die("a payment", &err);
	return tx;
}

/* `cnt` payments of one coin to its owner, each spending the one before. */
static struct tx **make_chain(struct qoutpoint from, size_t cnt)
{
	struct tx **list = xcalloc(cnt + 1, sizeof(struct tx *));
	struct qoutput out = {.owner = load.owner, .amount = 1};
	for (size_t i = 0; i < cnt; i++) {
		list[i] = make(from, &out, 1);
		from = (struct qoutpoint){.tx = list[i]->id, .index = 0};
	}
	return list;
}

static void free_chain(struct tx **list, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		tx_unref(list[i]);
	free(list);
}

/* Coins of 1 for everybody, out of what the genesis gave to the account. */
static struct tx *split(unsigned coins)
{
	const struct qgenesis *g = &load.genesis->g;
	struct qoutput *outputs = xcalloc(coins + 1, sizeof *outputs);
	for (u_int i = 0; i < g->allocations.allocations_len; i++) {
		const struct qoutput *o = &g->allocations.allocations_val[i];
		if (memcmp(&o->owner, &load.owner, sizeof o->owner) != 0 || o->lock.kind != QLOCK_NONE ||
		    o->amount <= coins)
			continue;
		for (unsigned k = 0; k < coins; k++)
			outputs[k] = (struct qoutput){.owner = load.owner, .amount = 1};
		outputs[coins] = (struct qoutput){.owner = load.owner, .amount = o->amount - coins};
		struct tx *tx =
		    make((struct qoutpoint){.tx = load.genesis->txid, .index = i}, outputs, coins + 1);
		free(outputs);
		return tx;
	}
	die("the genesis gives this account too little", NULL);
	return NULL;
}

/* ---- measuring ------------------------------------------------------------------------------- */

struct reading {
	uint64_t ms, height, txs, views;
	double cpu_s;
};

/* User and system time of a process, from /proc/PID/stat: fields 14 and 15, after the name in brackets. */
static double cpu_of(pid_t pid)
{
	char path[64], text[1024];
	unsigned long user = 0, sys = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		die("a node has ended", NULL);
	size_t len = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[len] = '\0';
	const char *rest = strrchr(text, ')');
	if (rest == NULL ||
	    sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		die(path, NULL);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t field(const json_t *json, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(json, key));
}

static struct reading look(struct http_client *c)
{
	json_t *s = call(c, "/v1/status", NULL, 0);
	struct reading r = {.ms = now_ms(),
	                    .height = field(s, "height"),
	                    .txs = field(s, "transactions"),
	                    .views = field(s, "view")};
	json_decref(s);
	for (unsigned i = 0; i < load.pid_cnt; i++)
		r.cpu_s += cpu_of(load.pid[i]);
	return r;
}

static json_t *difference(const struct reading *a, const struct reading *b)
{
	double s = (double)(b->ms - a->ms) / 1000, txs = (double)(b->txs - a->txs),
	       blocks = (double)(b->height - a->height), cpu = b->cpu_s - a->cpu_s;
	return json_pack("{s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "seconds", s, "final",
	                 (json_int_t)(b->txs - a->txs), "blocks", (json_int_t)(b->height - a->height), "tps",
	                 txs / s, "tx_per_block", blocks > 0 ? txs / blocks : 0, "cpu_s", cpu,
	                 "cpu_ms_per_block", blocks > 0 ? 1000 * cpu / blocks : 0, "cpu_ms_per_tx",
	                 txs > 0 ? 1000 * cpu / txs : 0, "height", (json_int_t)b->height, "view_changes",
	                 (json_int_t)(b->views - a->views));
}

/* ---- steady ------------------------------------------------------------------------------------ */

struct steady {
	unsigned index;
	struct tx **chain;
	size_t cnt, done;
	uint64_t *latency_ms;
	pthread_t thread;
};

static void *run_steady(void *arg)
{
	struct steady *s = arg;
	struct http_client *c = dial(s->index % load.node_cnt);
	for (; s->done < s->cnt; s->done++) {
		uint64_t due = load.begin_ms +
		               (s->done * load.clients + s->index) * 1000 / load.rate; /* evenly spread */
		if (due >= load.end_ms)
			break;
		sleep_until(due);
		submit(c, &s->chain[s->done], 1);
		await_final(c, s->chain[s->done]);
		s->latency_ms[s->done] = now_ms() - due;
	}
	http_client_free(c);
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static json_t *latencies(const struct steady *s)
{
	size_t cnt = 0, at = 0;
	for (unsigned i = 0; i < load.clients; i++)
		cnt += s[i].done;
	uint64_t *all = xcalloc(cnt + 1, sizeof *all);
	for (unsigned i = 0; i < load.clients; i++) {
		memcpy(all + at, s[i].latency_ms, s[i].done * sizeof *all);
		at += s[i].done;
	}
	qsort(all, cnt, sizeof *all, ascending);
	json_t *json = cnt == 0 ? json_null()
	                        : json_pack("{s:I, s:I, s:I, s:I}", "cnt", (json_int_t)cnt, "p50",
	                                    (json_int_t)all[cnt / 2], "p99", (json_int_t)all[cnt * 99 / 100],
	                                    "max", (json_int_t)all[cnt - 1]);
	free(all);
	return json;
}

static void phase(uint64_t after_ms)
{
	load.begin_ms = now_ms() + after_ms;
	load.end_ms = load.begin_ms + 1000 * (uint64_t)load.seconds;
}

static json_t *steady(struct http_client *c, struct steady *s)
{
	phase(50);
	struct reading before = look(c);
	for (unsigned i = 0; i < load.clients; i++)
		must(pthread_create(&s[i].thread, NULL, run_steady, &s[i]) == 0);
	for (unsigned i = 0; i < load.clients; i++)
		pthread_join(s[i].thread, NULL);
	struct reading after = look(c);
	json_t *json = difference(&before, &after);
	json_object_set_new(json, "offered_tps", json_integer(load.rate));
	json_object_set_new(json, "latency_ms", latencies(s));
	return json;
}

/* ---- saturated --------------------------------------------------------------------------------- */

struct lane {
	unsigned node;
	struct tx ***chains; /* load.batch of them, each load.batches long */
	pthread_t thread;
};

static void *run_lane(void *arg)
{
	struct lane *l = arg;
	struct http_client *c = dial(l->node);
	struct tx **batch = xcalloc(load.batch, sizeof(struct tx *));
	for (unsigned b = 0; b < load.batches && now_ms() < load.end_ms; b++) {
		for (unsigned i = 0; i < load.batch; i++)
			batch[i] = l->chains[i][b];
		submit(c, batch, load.batch);
		await_final(c, batch[load.batch - 1]);
	}
	free(batch);
	http_client_free(c);
	return NULL;
}

static json_t *saturated(struct http_client *c, struct lane *lanes)
{
	unsigned cnt = LANES_A_NODE * load.node_cnt;
	phase(0);
	struct reading before = look(c);
	for (unsigned i = 0; i < cnt; i++)
		must(pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]) == 0);
	for (unsigned i = 0; i < cnt; i++)
		pthread_join(lanes[i].thread, NULL);
	struct reading after = look(c);
	json_t *json = difference(&before, &after);
	if (after.ms + 500 < load.end_ms)
		fprintf(stderr, "bench_load: the payments were used up before the time; ask for more "
		                "--batches\n");
	return json;
}

/* ---- the command ------------------------------------------------------------------------------- */

enum { KEY_GENESIS = 0x100, KEY_KEY, KEY_NODE, KEY_PID, KEY_CLIENTS, KEY_RATE, KEY_SECONDS, KEY_BATCHES };

static unsigned number(struct argp_state *state, const char *text, unsigned max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (*text == '\0' || *end != '\0' || n < 1 || n > max)
		argp_error(state, "\"%s\": not a number from 1 to %u", text, max);
	return (unsigned)n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case KEY_GENESIS:
		load.genesis_path = arg;
		return 0;
	case KEY_KEY:
		load.key_path = arg;
		return 0;
	case KEY_NODE:
		if (load.node_cnt == NODES_MAX)
			argp_error(state, "too many nodes");
		load.node[load.node_cnt++] = arg;
		return 0;
	case KEY_PID:
		if (load.pid_cnt == NODES_MAX)
			argp_error(state, "too many processes");
		load.pid[load.pid_cnt++] = (pid_t)number(state, arg, INT32_MAX);
		return 0;
	case KEY_CLIENTS:
		load.clients = number(state, arg, CLIENTS_MAX);
		return 0;
	case KEY_RATE:
		load.rate = number(state, arg, 100000);
		return 0;
	case KEY_SECONDS:
		load.seconds = number(state, arg, 3600);
		return 0;
	case KEY_BATCHES:
		load.batches = number(state, arg, 100000);
		return 0;
	case ARGP_KEY_END:
		if (load.genesis_path == NULL || load.key_path == NULL || load.node_cnt == 0)
			argp_error(state, "--genesis, --key and --node are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
    {"genesis", KEY_GENESIS, "FILE", 0, "The chain's genesis", 0},
    {"key", KEY_KEY, "FILE", 0, "A plain key of an account that the genesis funds and that never paid", 0},
    {"node", KEY_NODE, "URL", 0, "A node (repeat)", 0},
    {"pid", KEY_PID, "PID", 0, "A process whose CPU time counts (repeat)", 0},
    {"clients", KEY_CLIENTS, "N", 0, "Steady: clients (default 32)", 0},
    {"rate", KEY_RATE, "N", 0, "Steady: payments a second (default 64)", 0},
    {"seconds", KEY_SECONDS, "N", 0, "Of each phase (default 20)", 0},
    {"batches", KEY_BATCHES, "N", 0, "Saturated: batches of 100 a lane, at the most (default 200)", 0},
    {0},
};
static const struct argp argp = {
    .options = options, .parser = parse, .doc = "The load of tests/bench/modes."};

static void begin(void)
{
	struct err err = {0};
	if (!crypto_init(&err) || (load.genesis = genesis_load(load.genesis_path, &err)) == NULL ||
	    (load.account = keyfile_read_account(load.key_path, NULL, NULL, &err)) == NULL)
		die("start", &err);
	struct qaccount_key key = account_key(load.account);
	load.owner = account_address(&key);
}

int main(int argc, char **argv)
{
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	begin();
	unsigned lane_cnt = LANES_A_NODE * load.node_cnt, coin = 0;
	if (load.clients + lane_cnt * load.batch >=
	    Q_OUTPUTS_MAX) /* of one transaction that splits them off */
		load.batch = (Q_OUTPUTS_MAX - 1 - load.clients) / lane_cnt;
	struct tx *first = split(load.clients + lane_cnt * load.batch);
	size_t paces = (size_t)load.rate * load.seconds / load.clients + 2;
	struct steady *s = xcalloc(load.clients, sizeof *s);
	for (unsigned i = 0; i < load.clients; i++)
		s[i] = (struct steady){
		    .index = i,
		    .chain = make_chain((struct qoutpoint){.tx = first->id, .index = coin++}, paces),
		    .cnt = paces,
		    .latency_ms = xcalloc(paces, sizeof(uint64_t))};
	struct lane *lanes = xcalloc(lane_cnt, sizeof *lanes);
	for (unsigned i = 0; i < lane_cnt; i++) {
		lanes[i] = (struct lane){.node = i % load.node_cnt,
		                         .chains = xcalloc(load.batch, sizeof(struct tx **))};
		for (unsigned k = 0; k < load.batch; k++)
			lanes[i].chains[k] =
			    make_chain((struct qoutpoint){.tx = first->id, .index = coin++}, load.batches);
	}

	struct http_client *c = dial(0);
	submit(c, &first, 1);
	for (unsigned i = 0; i < load.node_cnt; i++) { /* everywhere, before anybody spends of it */
		struct http_client *other = dial(i);
		await_final(other, first);
		http_client_free(other);
	}
	json_t *json = json_object();
	json_object_set_new(json, "steady", steady(c, s));
	json_object_set_new(json, "saturated", saturated(c, lanes));
	json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(json);
	http_client_free(c);

	for (unsigned i = 0; i < load.clients; i++) {
		free_chain(s[i].chain, paces);
		free(s[i].latency_ms);
	}
	for (unsigned i = 0; i < lane_cnt; i++) {
		for (unsigned k = 0; k < load.batch; k++)
			free_chain(lanes[i].chains[k], load.batches);
		free(lanes[i].chains);
	}
	free(s);
	free(lanes);
	tx_unref(first);
	account_free(load.account);
	genesis_free(load.genesis);
	return 0;
}
