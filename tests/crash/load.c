/*
 * load.c: see load.h.
 */
#include "load.h"

#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "receipt_file.h"

#define ANSWER_MS 2000 /* a node that takes longer is left for another one; the payment stays in flight */
#define WAIT_MS 300
#define PAYERS_MAX 64

struct promise {
	struct qtxid id, twin; /* twin: itself if it has none */
	uint64_t height;
};

struct payer {
	struct account *account;
	struct qaddress address;
	struct tx *tx[2]; /* in flight; the second spends the same coin, or is NULL */
	unsigned serial;
};

struct load {
	struct nodes *nodes;
	const struct genesis *genesis;
	struct http_client *client[NODES_MAX]; /* the thread's own */
	unsigned payer_cnt, twins;
	struct payer *payer;
	struct chance chance;
	unsigned node, turns;
	bool answers; /* the node of this turn: its silence costs one time-out, not one a receipt */
	pthread_t thread;
	bool runs;
	int wake_fd;

	pthread_mutex_t mutex; /* of what follows */
	bool stop;
	uint64_t avoid;
	struct promise *promise;
	size_t cnt, cap, receipts;
	char finding[512]; /* the first one */
};

static void find(struct load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void find(struct load *l, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	pthread_mutex_lock(&l->mutex);
	if (l->finding[0] == '\0')
		vsnprintf(l->finding, sizeof l->finding, fmt, ap);
	pthread_mutex_unlock(&l->mutex);
	va_end(ap);
}

/* ---- paying ----------------------------------------------------------------------------------- */

static void prepare(struct load *l, struct payer *p, struct qoutpoint from)
{
	char memo[64];
	for (unsigned k = 0; k < 2; k++) {
		tx_unref(p->tx[k]);
		p->tx[k] = NULL;
	}
	bool twin = l->twins > 0 && chance(&l->chance, l->twins) == 0;
	p->serial++;
	for (unsigned k = 0; k < (twin ? 2u : 1u); k++) {
		snprintf(memo, sizeof memo, "%u.%u", p->serial, k);
		p->tx[k] = pay(l->genesis, p->account, from, LOAD_COIN, p->address, LOAD_COIN, memo);
	}
}

/* Does this node prove what it says? False: it did not answer. */
static bool receipt_holds(struct load *l, unsigned node, const struct qtxid *id, uint64_t height)
{
	char hex[QHASH_HEX], path[128], *text = NULL;
	size_t len;
	int status;
	struct err err = {0};
	struct qreceipt r;
	struct qtxid proven;
	struct qheight at;
	snprintf(path, sizeof path, "/v1/receipts/%s", hex_encode(hex, id->b, sizeof id->b));
	l->answers =
	    l->answers && http_call(l->client[node], path, NULL, NULL, 0, &status, &text, &len, &err);
	if (!l->answers)
		return false;
	bool ok = false;
	if (status != 200) {
		find(l, "node %u called %s final at height %llu and has no receipt for it: status %d", node,
		     hex, (unsigned long long)height, status);
	} else if (!receipt_parse(text, len, &r, &err)) {
		find(l, "the receipt of %s is malformed: %s", hex, err.text);
	} else {
		ok = receipt_verify(l->genesis, &r, &proven, &at, &err) && qtxid_eq(&proven, id) &&
		     at.n == height;
		if (!ok)
			find(l, "the receipt of %s at height %llu does not hold: %s", hex,
			     (unsigned long long)height, err.text);
		wire_free(WIRE(qreceipt), &r);
	}
	free(text);
	return ok;
}

static void note_final(struct load *l, struct payer *p, unsigned which, unsigned node, uint64_t height)
{
	struct qtxid id = p->tx[which]->id;
	struct promise made = {id, p->tx[!which] ? p->tx[!which]->id : id, height};
	bool proven = receipt_holds(l, node, &id, height);
	_Atomic uint64_t *said = &l->nodes->node[node].height;
	uint64_t before = atomic_load(said), one = 1;
	while (before < height && !atomic_compare_exchange_weak(said, &before, height))
		;
	pthread_mutex_lock(&l->mutex);
	if (l->cnt == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->promise = xrealloc(l->promise, l->cap * sizeof *l->promise);
	}
	l->promise[l->cnt++] = made;
	l->receipts += proven;
	pthread_mutex_unlock(&l->mutex);
	must(write(l->wake_fd, &one, sizeof one) == sizeof one);
	prepare(l, p, (struct qoutpoint){.tx = id, .index = 0});
}

/* A refusal has to have a reason that is true. */
static void judge_refusal(struct load *l, const struct payer *p, unsigned which, const json_t *said,
                          unsigned node)
{
	static const char *const passing[] = {"unknown_output", "busy", "pool_full", "owner_full"};
	const char *code = json_text(said, "code");
	const char *by = json_text(json_object_get(said, "detail"), "spent_by");
	char twin[QHASH_HEX] = "", hex[QHASH_HEX];
	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
		if (strcmp(code, passing[i]) == 0)
			return;
	}
	if (p->tx[!which])
		hex_encode(twin, p->tx[!which]->id.b, sizeof p->tx[!which]->id.b);
	if (strcmp(code, "double_spend") != 0 || by[0] == '\0' || strcmp(by, twin) != 0)
		find(l, "node %u refused a valid payment %s (twin: %s): %s, spent by %s", node,
		     hex_encode(hex, p->tx[which]->id.b, sizeof p->tx[which]->id.b), twin, code, by);
}

static json_t *submit(struct load *l, unsigned node, const unsigned *which)
{
	struct qtxs batch = {.txs = {l->payer_cnt, xcalloc(l->payer_cnt, sizeof(qtx_bytes))}};
	struct bytes encoded;
	struct err err = {0};
	char *text = NULL;
	size_t len;
	int status;
	for (unsigned i = 0; i < l->payer_cnt; i++) {
		struct tx *tx = l->payer[i].tx[which[i]];
		batch.txs.txs_val[i] =
		    (qtx_bytes){.qtx_bytes_len = (u_int)tx->raw_len, .qtx_bytes_val = tx->raw};
	}
	must(wire_encode(WIRE(qtxs), &batch, &encoded));
	free(batch.txs.txs_val);
	bool ok = http_call(l->client[node], "/v1/transactions", "application/octet-stream", encoded.data,
	                    encoded.len, &status, &text, &len, &err);
	bytes_free(&encoded);
	if (!ok)
		return NULL;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = json_incref(json_object_get(root, "results"));
	if (json_array_size(list) != l->payer_cnt && status < 500)
		find(l, "node %u answered a batch with status %d: %.200s", node, status, text);
	if (json_array_size(list) != l->payer_cnt) {
		json_decref(list);
		list = NULL;
	}
	json_decref(root);
	free(text);
	return list;
}

static bool is(const json_t *object, const char *status)
{
	return strcmp(json_text(object, "status"), status) == 0;
}

static uint64_t height_of(const json_t *object)
{
	return (uint64_t)json_integer_value(json_object_get(object, "height"));
}

/* Waits at the node for one that is pending there. */
static bool await_one(struct load *l, unsigned node, struct payer *p, unsigned which)
{
	char hex[QHASH_HEX], path[128], *text = NULL;
	size_t len;
	int status;
	struct err err = {0};
	snprintf(path, sizeof path, "/v1/transactions/%s?wait=%d",
	         hex_encode(hex, p->tx[which]->id.b, sizeof p->tx[which]->id.b), WAIT_MS);
	if (!http_call(l->client[node], path, NULL, NULL, 0, &status, &text, &len, &err))
		return false;
	json_t *said = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	bool final = status == 200 && is(said, "final");
	if (final)
		note_final(l, p, which, node, height_of(said));
	json_decref(said);
	return final;
}

static unsigned another(struct load *l)
{
	pthread_mutex_lock(&l->mutex);
	uint64_t avoid = l->avoid;
	pthread_mutex_unlock(&l->mutex);
	unsigned node;
	do {
		node = (unsigned)chance(&l->chance, l->nodes->n);
	} while (avoid >> node & 1);
	return node;
}

/* Hands everything in flight to one node, then waits there for one of them. */
static void turn(struct load *l)
{
	unsigned which[PAYERS_MAX], pending = l->payer_cnt, node = l->node;
	bool any = false;
	json_t *said;
	size_t i;
	l->turns++;
	l->answers = true;
	for (unsigned k = 0; k < l->payer_cnt; k++)
		which[k] = l->payer[k].tx[1] != NULL && (l->turns + k) % 2 == 1;
	json_t *results = submit(l, node, which);
	if (!results) {
		l->node = another(l);
		return;
	}
	json_array_foreach(results, i, said)
	{
		struct payer *p = &l->payer[i];
		if (is(said, "final")) {
			note_final(l, p, which[i], node, height_of(said));
			any = true;
		} else if (is(said, "rejected")) {
			judge_refusal(l, p, which[i], said, node);
		} else {
			pending = (unsigned)i;
		}
	}
	json_decref(results);
	if (!any && (pending == l->payer_cnt || !await_one(l, node, &l->payer[pending], which[pending])))
		l->node = another(l);
	else if (chance(&l->chance, 4) == 0)
		l->node = another(l);
}

static void *run(void *arg)
{
	struct load *l = arg;
	pthread_mutex_lock(&l->mutex);
	while (!l->stop) {
		pthread_mutex_unlock(&l->mutex);
		turn(l);
		pthread_mutex_lock(&l->mutex);
	}
	pthread_mutex_unlock(&l->mutex);
	return NULL;
}

/* ---- for the test ------------------------------------------------------------------------------- */

struct qoutput *load_allocations(unsigned accounts)
{
	struct qoutput *list = xcalloc(accounts, sizeof *list);
	for (unsigned i = 0; i < accounts; i++)
		list[i] = (struct qoutput){.owner = address_number(i), .amount = LOAD_COIN};
	return list;
}

struct load *load_start(struct nodes *s, unsigned accounts, unsigned twins, uint64_t seed)
{
	struct load *l = xcalloc(1, sizeof *l);
	struct err err = {0};
	must(accounts <= PAYERS_MAX);
	l->nodes = s;
	l->genesis = s->chain->genesis;
	l->twins = twins;
	l->payer_cnt = accounts;
	l->payer = xcalloc(accounts, sizeof *l->payer);
	l->chance = (struct chance){seed};
	pthread_mutex_init(&l->mutex, NULL);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(l->wake_fd >= 0);
	for (unsigned i = 0; i < s->n; i++) {
		l->client[i] = http_client_new(s->chain->http[i], ANSWER_MS, &err);
		assert_non_null(l->client[i]);
	}
	for (unsigned i = 0; i < accounts; i++) {
		l->payer[i].account = account_number(i);
		l->payer[i].address = address_number(i);
		prepare(l, &l->payer[i], (struct qoutpoint){.tx = l->genesis->txid, .index = i});
	}
	load_go_on(l);
	return l;
}

void load_go_on(struct load *l)
{
	must(!l->runs);
	l->stop = false;
	assert_int_equal(pthread_create(&l->thread, NULL, run, l), 0);
	l->runs = true;
}

void load_stop(struct load *l)
{
	if (!l->runs)
		return;
	pthread_mutex_lock(&l->mutex);
	l->stop = true;
	pthread_mutex_unlock(&l->mutex);
	pthread_join(l->thread, NULL);
	l->runs = false;
}

void load_free(struct load *l)
{
	must(!l->runs);
	for (unsigned i = 0; i < l->nodes->n; i++)
		http_client_free(l->client[i]);
	for (unsigned i = 0; i < l->payer_cnt; i++) {
		account_free(l->payer[i].account);
		tx_unref(l->payer[i].tx[0]);
		tx_unref(l->payer[i].tx[1]);
	}
	close(l->wake_fd);
	pthread_mutex_destroy(&l->mutex);
	free(l->payer);
	free(l->promise);
	free(l);
}

int load_wake_fd(const struct load *l)
{
	return l->wake_fd;
}

void load_wake_clear(struct load *l)
{
	uint64_t cnt;
	ssize_t got = read(l->wake_fd, &cnt, sizeof cnt);
	(void)got; /* nothing there is fine, too */
}

size_t load_final(struct load *l)
{
	pthread_mutex_lock(&l->mutex);
	size_t cnt = l->cnt;
	pthread_mutex_unlock(&l->mutex);
	return cnt;
}

size_t load_receipts(struct load *l)
{
	pthread_mutex_lock(&l->mutex);
	size_t cnt = l->receipts;
	pthread_mutex_unlock(&l->mutex);
	return cnt;
}

void load_avoid(struct load *l, uint64_t mask)
{
	pthread_mutex_lock(&l->mutex);
	l->avoid = mask;
	pthread_mutex_unlock(&l->mutex);
}

void load_judge(struct load *l)
{
	char finding[sizeof l->finding];
	pthread_mutex_lock(&l->mutex);
	memcpy(finding, l->finding, sizeof finding);
	pthread_mutex_unlock(&l->mutex);
	if (finding[0] != '\0')
		fail_msg("%s", finding);
}

/* How often it stands there, and the height of one. */
static unsigned look_up(sqlite3_stmt *stmt, const struct qtxid *id, uint64_t *height)
{
	sqlite3_bind_blob(stmt, 1, id->b, sizeof id->b, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	unsigned cnt = (unsigned)sqlite3_column_int(stmt, 0);
	*height = (uint64_t)sqlite3_column_int64(stmt, 1);
	sqlite3_reset(stmt);
	return cnt;
}

void load_check_ledger(struct load *l, const char *path)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	char hex[QHASH_HEX];
	must(!l->runs);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
	                                    "SELECT count(*), max(height) FROM transactions WHERE txid = ?",
	                                    -1, &stmt, NULL),
	                 SQLITE_OK);
	for (size_t i = 0; i < l->cnt; i++) {
		const struct promise *p = &l->promise[i];
		uint64_t height;
		unsigned cnt = look_up(stmt, &p->id, &height);
		if (cnt != 1 || height != p->height)
			fail_msg("%s was called final at height %llu; %s has it %u times, at height %llu",
			         hex_encode(hex, p->id.b, sizeof p->id.b), (unsigned long long)p->height,
			         path, cnt, (unsigned long long)height);
		if (!qtxid_eq(&p->id, &p->twin) && look_up(stmt, &p->twin, &height) != 0)
			fail_msg("%s was called final; %s has its twin as well, at height %llu",
			         hex_encode(hex, p->id.b, sizeof p->id.b), path, (unsigned long long)height);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}
