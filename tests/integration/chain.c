/*
 * chain.c: see chain.h.
 */
#include "chain.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto.h"
#include "hash.h"
#include "ident.h"

static char running[16][256]; /* directories of chains that are up: stopped when the process ends */

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the program --------------------------------------------------------- */

static char *read_all(int fd)
{
	size_t len = 0, cap = 4096;
	char *text = xcalloc(1, cap);
	for (;;) {
		ssize_t got = read(fd, text + len, cap - len - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
		if (cap - len < 2) {
			text = xrealloc(text, cap *= 2);
		}
		text[len] = '\0';
	}
	close(fd);
	text[len] = '\0';
	return text;
}

static int temporary(void)
{
	char path[] = "/tmp/quorate-test-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* `in`: what the program reads; -1: nothing. */
static int run_program(int in, char **out, char **errs, char *const argv[])
{
	const char *program = getenv("QUORATE");
	if (!program)
		fail_msg("QUORATE does not name the program to test");
	int o = temporary(), e = temporary(), status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(in >= 0 ? in : open("/dev/null", O_RDONLY), 0);
		dup2(o, 1);
		dup2(e, 2);
		execv(program, argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	lseek(o, 0, SEEK_SET);
	lseek(e, 0, SEEK_SET);
	char *text = read_all(o), *errors = read_all(e);
	if (WIFSIGNALED(status))
		fail_msg("%s %s died of signal %d: %s", argv[0], argv[1], WTERMSIG(status), errors);
	if (out)
		*out = text;
	else
		free(text);
	if (errs)
		*errs = errors;
	else
		free(errors);
	return WEXITSTATUS(status);
}

int quorate_argv(char **out, char **errs, char *const argv[])
{
	return run_program(-1, out, errs, argv);
}

static void collect(char *argv[64], va_list ap)
{
	static char name[] = "quorate";
	int argc = 1;
	argv[0] = name;
	while ((argv[argc] = va_arg(ap, char *)) && argc < 62)
		argc++;
	argv[argc] = NULL;
}

int quorate(char **out, char **errs, ...)
{
	char *argv[64];
	va_list ap;
	va_start(ap, errs);
	collect(argv, ap);
	va_end(ap);
	return quorate_argv(out, errs, argv);
}

int quorate_fed(const char *in, char **out, char **errs, ...)
{
	char *argv[64];
	va_list ap;
	int fd = temporary();
	assert_int_equal(write(fd, in, strlen(in)), strlen(in));
	lseek(fd, 0, SEEK_SET);
	va_start(ap, errs);
	collect(argv, ap);
	va_end(ap);
	int code = run_program(fd, out, errs, argv);
	close(fd);
	return code;
}

json_t *quorate_json(int *code, ...)
{
	char *argv[64], *out, *errs;
	json_error_t why;
	va_list ap;
	va_start(ap, code);
	collect(argv, ap);
	va_end(ap);
	int rc = quorate_argv(&out, &errs, argv);
	if (code)
		*code = rc;
	json_t *root = json_loads(out, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		fail_msg("quorate %s: exit %d, no JSON: %s%s", argv[1], rc, out, errs);
	free(out);
	free(errs);
	return root;
}

/* ---- up and down ---------------------------------------------------------- */

static void stop_all(void)
{
	for (size_t i = 0; i < sizeof running / sizeof *running; i++) {
		if (running[i][0] == '\0')
			continue;
		char *argv[] = {"quorate", "testnet", "down", "--dir", running[i], NULL};
		pid_t pid = fork();
		if (pid == 0) {
			execv(getenv("QUORATE"), argv);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void allocate(struct qgenesis *g, const struct qoutput *allocations, size_t cnt)
{
	free(g->allocations.allocations_val);
	g->allocations.allocations_val = xmemdup(allocations, cnt * sizeof *allocations);
	g->allocations.allocations_len = (u_int)cnt;
}

/* Changes the genesis of a testnet that has never run: same replicas, another chain. */
static void amend(struct chain *c, const struct qoutput *allocations, size_t cnt,
                  void (*edit)(struct qgenesis *g))
{
	char path[512];
	struct err err = {0};
	snprintf(path, sizeof path, "%s/genesis.json", c->dir);
	struct genesis *g = genesis_load(path, &err);
	if (!g)
		fail_msg("%s", err.text);
	if (allocations)
		allocate(&g->g, allocations, cnt);
	if (edit)
		edit(&g->g);
	if (!genesis_finish(g, &err))
		fail_msg("%s", err.text);
	char *text = genesis_format(g);
	write_file(path, text);
	for (unsigned i = 0; i < c->n; i++) {
		snprintf(path, sizeof path, "%s/node%u/genesis.json", c->dir, i);
		write_file(path, text);
	}
	free(text);
	genesis_free(g);
}

static void read_addresses(struct chain *c, const char *json)
{
	json_error_t why;
	struct err err = {0};
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &why), *r;
	size_t i;
	assert_non_null(root);
	assert_int_equal(json_array_size(json_object_get(root, "replicas")), c->n);
	json_array_foreach(json_object_get(root, "replicas"), i, r)
	{
		const char *http = json_string_value(json_object_get(r, "http"));
		assert_non_null(http);
		snprintf(c->http[i], sizeof c->http[i], "%s", http);
		c->client[i] = http_client_new(http, CHAIN_PATIENCE_MS, &err);
		assert_non_null(c->client[i]);
	}
	json_decref(root);
}

int chain_setup(void **state)
{
	struct err err = {0};
	(void)state;
	atexit(stop_all);
	return crypto_init(&err) ? 0 : -1;
}

struct chain *chain_place(unsigned n)
{
	struct chain *c = xcalloc(1, sizeof *c);

	c->n = n;
	snprintf(c->dir, sizeof c->dir, "/tmp/quorate-chain-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	for (size_t i = 0; i < sizeof running / sizeof *running; i++) {
		if (running[i][0] == '\0') {
			snprintf(running[i], sizeof running[i], "%s", c->dir);
			break;
		}
	}
	return c;
}

void chain_run(struct chain *c)
{
	struct err err = {0};
	char count[16], *out = NULL, *errs = NULL, path[512];

	snprintf(count, sizeof count, "%u", c->n);
	if (quorate(&out, &errs, "testnet", "up", "--dir", c->dir, "--replicas", count, "--base-port", "0",
	            "--detach", "--json", NULL) != 0)
		fail_msg("%s", errs);
	read_addresses(c, out);
	free(out);
	free(errs);
	snprintf(path, sizeof path, "%s/genesis.json", c->dir);
	c->genesis = genesis_load(path, &err);
	if (!c->genesis)
		fail_msg("%s", err.text);
}

struct chain *chain_up_with(unsigned n, const struct qoutput *allocations, size_t allocation_cnt,
                            void (*edit)(struct qgenesis *g))
{
	struct chain *c = chain_place(n);
	char count[16], *out = NULL, *errs = NULL;

	snprintf(count, sizeof count, "%u", n);
	if (allocations || edit) { /* make it, before anything runs */
		if (quorate(&out, &errs, "testnet", "new", "--dir", c->dir, "--replicas", count,
		            "--base-port", "0", NULL) != 0)
			fail_msg("%s", errs);
		free(out);
		free(errs);
		amend(c, allocations, allocation_cnt, edit);
	}
	chain_run(c);
	return c;
}

struct chain *chain_up(unsigned n, const struct qoutput *allocations, size_t allocation_cnt)
{
	return chain_up_with(n, allocations, allocation_cnt, NULL);
}

struct chain *chain_up_edited(unsigned n, void (*edit)(struct qgenesis *g))
{
	return chain_up_with(n, NULL, 0, edit);
}

void chain_down(struct chain *c)
{
	char *argv[] = {"rm", "-rf", "--", c->dir, NULL}, *errs = NULL;
	if (quorate(NULL, &errs, "testnet", "down", "--dir", c->dir, NULL) != 0)
		fail_msg("%s", errs);
	free(errs);
	for (size_t i = 0; i < sizeof running / sizeof *running; i++)
		if (strcmp(running[i], c->dir) == 0)
			running[i][0] = '\0';
	for (unsigned i = 0; i < c->n; i++)
		http_client_free(c->client[i]);
	pid_t pid = fork();
	if (pid == 0) {
		execvp("rm", argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	genesis_free(c->genesis);
	free(c);
}

void chain_signal(struct chain *c, const char *what, unsigned node)
{
	char number[16], *errs = NULL;
	snprintf(number, sizeof number, "%u", node);
	if (quorate(NULL, &errs, "testnet", what, number, "--dir", c->dir, NULL) != 0)
		fail_msg("testnet %s %u: %s", what, node, errs);
	free(errs);
}

void chain_wait(struct chain *c)
{
	char *errs = NULL;
	if (quorate(NULL, &errs, "testnet", "wait", "--dir", c->dir, NULL) != 0)
		fail_msg("testnet wait: %s", errs);
	free(errs);
}

void chain_pids(struct chain *c, pid_t pids[])
{
	json_t *root = quorate_json(NULL, "testnet", "status", "--json", "--dir", c->dir, NULL);
	for (unsigned i = 0; i < c->n; i++) {
		json_t *r = json_array_get(json_object_get(root, "replicas"), i);
		pids[i] = (pid_t)json_integer_value(json_object_get(r, "pid"));
	}
	json_decref(root);
}

const char *chain_path(struct chain *c, const char *fmt, ...)
{
	static char path[8][512];
	static unsigned next;
	char *p = path[next++ % 8];
	va_list ap;
	int at = snprintf(p, sizeof path[0], "%s/", c->dir);
	va_start(ap, fmt);
	vsnprintf(p + at, sizeof path[0] - (size_t)at, fmt, ap);
	va_end(ap);
	return p;
}

/* ---- asking ---------------------------------------------------------------- */

json_t *chain_get(struct chain *c, unsigned node, int *status, const char *fmt, ...)
{
	char path[512], *body = NULL;
	size_t len;
	struct err err = {0};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	*status = 0;
	if (!http_call(c->client[node], path, NULL, NULL, 0, status, &body, &len, &err))
		return NULL;
	json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	free(body);
	return root;
}

bool chain_submit(struct chain *c, unsigned node, struct tx *const *txs, size_t cnt, json_t **results)
{
	struct qtxs batch = {0};
	struct bytes encoded;
	struct err err = {0};
	char *body = NULL;
	size_t len;
	int status;
	batch.txs.txs_len = (u_int)cnt;
	batch.txs.txs_val = xcalloc(cnt, sizeof *batch.txs.txs_val);
	for (size_t i = 0; i < cnt; i++)
		batch.txs.txs_val[i] =
		    (qtx_bytes){.qtx_bytes_len = (u_int)txs[i]->raw_len, .qtx_bytes_val = txs[i]->raw};
	assert_true(wire_encode(WIRE(qtxs), &batch, &encoded));
	free(batch.txs.txs_val);
	bool ok = http_call(c->client[node], "/v1/transactions", "application/octet-stream", encoded.data,
	                    encoded.len, &status, &body, &len, &err);
	bytes_free(&encoded);
	if (!ok)
		return false;
	json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = json_object_get(root, "results");
	if (json_array_size(list) != cnt)
		fail_msg("status %d: %.*s", status, (int)(len > 500 ? 500 : len), body);
	if (results)
		*results = json_incref(list);
	json_decref(root);
	free(body);
	return true;
}

bool chain_final(struct chain *c, unsigned node, const struct qtxid *id, char *code, size_t code_cap,
                 char *spent_by, size_t spent_by_cap)
{
	char hex[QHASH_HEX];
	uint64_t until = now_ms() + CHAIN_PATIENCE_MS;
	hex_encode(hex, id->b, sizeof id->b);
	while (now_ms() < until) {
		int status;
		json_t *root = chain_get(c, node, &status, "/v1/transactions/%s?wait=5000", hex);
		const char *s = json_string_value(json_object_get(root, "status"));
		bool final = s && strcmp(s, "final") == 0, rejected = s && strcmp(s, "rejected") == 0;
		const char *why = json_string_value(json_object_get(root, "code"));
		const char *by = json_string_value(json_object_get(root, "spent_by"));
		if (code)
			snprintf(code, code_cap, "%s", why ? why : "");
		if (spent_by)
			snprintf(spent_by, spent_by_cap, "%s", by ? by : "");
		json_decref(root);
		if (final || rejected)
			return final;
	}
	fail_msg("transaction %s was neither final nor rejected at node %u in time", hex, node);
	return false;
}

uint64_t chain_height(struct chain *c, unsigned node)
{
	int status;
	json_t *root = chain_get(c, node, &status, "/v1/status");
	uint64_t h = (uint64_t)json_integer_value(json_object_get(root, "height"));
	json_decref(root);
	return h;
}

void chain_wait_height(struct chain *c, uint64_t mask, uint64_t height)
{
	uint64_t until = now_ms() + CHAIN_PATIENCE_MS;
	for (unsigned i = 0; i < c->n; i++) {
		while ((mask >> i & 1) && chain_height(c, i) < height) {
			if (now_ms() > until)
				fail_msg("node %u is at height %llu, not %llu", i,
				         (unsigned long long)chain_height(c, i), (unsigned long long)height);
			sched_yield(); /* asking is the wait: each answer is an event of the node */
		}
	}
}

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

json_t *chain_send(struct chain *c, unsigned node, unsigned amount, const char *seconds, int *code)
{
	char text[16];
	snprintf(text, sizeof text, "%u", amount);
	return quorate_json(code, "send", "--json", "--node", c->http[node], "--genesis",
	                    chain_path(c, "genesis.json"), "--key", chain_path(c, "accounts/alice.key"),
	                    "--to", chain_path(c, "accounts/bob.key"), "--amount", text, "--timeout", seconds,
	                    NULL);
}

uint64_t chain_pay(struct chain *c, unsigned node, unsigned amount)
{
	int code;
	json_t *sent = chain_send(c, node, amount, "60", &code);
	if (code != 0 || strcmp(json_text(sent, "outcome"), "committed") != 0)
		fail_msg("exit %d: %s: %s", code, json_text(sent, "outcome"), json_text(sent, "message"));
	uint64_t height = (uint64_t)json_integer_value(json_object_get(sent, "height"));
	json_decref(sent);
	return height;
}

/* What a client handed in before it stopped may still be on its way into a block. */
static bool quiet(struct chain *c, uint64_t *height)
{
	bool still = true;
	for (unsigned i = 0; i < c->n; i++) {
		int status;
		json_t *root = chain_get(c, i, &status, "/v1/status");
		uint64_t h = (uint64_t)json_integer_value(json_object_get(root, "height"));
		still = still && status == 200 && json_integer_value(json_object_get(root, "mempool")) == 0 &&
		        (i == 0 || h == *height);
		*height = h;
		json_decref(root);
	}
	return still;
}

uint64_t chain_wait_quiet(struct chain *c)
{
	uint64_t until = now_ms() + CHAIN_PATIENCE_MS, height = 0;
	while (!quiet(c, &height)) {
		if (now_ms() > until)
			fail_msg("the chain does not come to rest");
		sched_yield(); /* asking is the wait: each answer is an event of the node */
	}
	return height;
}

/* ---- checking ---------------------------------------------------------------- */

int chain_audit(struct chain *c, json_t **report)
{
	char *argv[Q_REPLICAS_MAX + 8] = {"quorate", "audit"}, *out, *errs, genesis[512];
	int argc = 2;
	for (unsigned i = 0; i < c->n; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/node%u/ledger.db", c->dir, i);
		argv[argc++] = xstrdup(path);
	}
	snprintf(genesis, sizeof genesis, "%s/genesis.json", c->dir);
	argv[argc++] = "--genesis";
	argv[argc++] = genesis;
	argv[argc++] = "--json";
	int code = quorate_argv(&out, &errs, argv);
	for (unsigned i = 0; i < c->n; i++)
		free(argv[2 + i]);
	*report = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	if (!*report)
		fail_msg("audit: exit %d, %s", code, errs);
	if (code != 0)
		fprintf(stderr, "%s%s\n", out, errs);
	free(out);
	free(errs);
	return code;
}

void chain_assert_audit(struct chain *c, uint64_t height)
{
	json_t *report;
	assert_int_equal(chain_audit(c, &report), 0);
	assert_int_equal(json_integer_value(json_object_get(report, "height")), height);
	assert_int_equal(json_integer_value(json_object_get(report, "double_spends")), 0);
	json_decref(report);
}

struct seen {
	unsigned replica;
	int kind;
	uint64_t view, height;
	struct qhash block;
};

struct seen_list {
	struct seen *list;
	size_t cnt, cap;
};

static void see(struct seen_list *s, unsigned replica, int kind, const struct qvote *v)
{
	if (s->cnt == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 4096;
		s->list = xrealloc(s->list, s->cap * sizeof *s->list);
	}
	s->list[s->cnt++] = (struct seen){replica, kind, v->view.n, v->height.n, v->block};
}

static int by_statement(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	if (x->replica != y->replica)
		return x->replica < y->replica ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->view != y->view)
		return x->view < y->view ? -1 : 1;
	if (x->height != y->height)
		return x->height < y->height ? -1 : 1;
	return 0;
}

static void see_cert(struct seen_list *s, const uint8_t *data, size_t len)
{
	struct qcert cert;
	assert_true(wire_decode(WIRE(qcert), data, len, &cert));
	for (u_int i = 0; i < cert.sigs.sigs_len; i++)
		see(s, cert.sigs.sigs_val[i].replica, (int)cert.kind, &cert.vote);
	wire_free(WIRE(qcert), &cert);
}

static void see_envelope(struct seen_list *s, const uint8_t *data, size_t len)
{
	struct qenvelope env;
	struct qmessage m;
	assert_true(wire_decode(WIRE(qenvelope), data, len, &env));
	assert_true(wire_decode(WIRE(qmessage), env.body.body_val, env.body.body_len, &m));
	if (m.kind == QPREPARE || m.kind == QCOMMIT)
		see(s, env.sender, (int)m.kind, &m.qmessage_u.vote);
	wire_free(WIRE(qmessage), &m);
	wire_free(WIRE(qenvelope), &env);
}

void chain_each_header(struct chain *c, unsigned node, void (*f)(void *ctx, const struct qheader *h),
                       void *ctx)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	struct qheader h;
	const char *path = chain_path(c, "node%u/ledger.db", node);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT header FROM blocks ORDER BY height", -1, &stmt, NULL),
	                 SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		assert_true(wire_decode(WIRE(qheader), sqlite3_column_blob(stmt, 0),
		                        (size_t)sqlite3_column_bytes(stmt, 0), &h));
		f(ctx, &h);
		wire_free(WIRE(qheader), &h);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

static void read_blobs(const char *path, const char *sql, struct seen_list *s,
                       void (*f)(struct seen_list *, const uint8_t *, size_t))
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		f(s, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

void chain_sql(const char *path, const char *sql, char *text, size_t cap)
{
	sqlite3 *db;
	sqlite3_stmt *stmt = NULL;
	if (text)
		text[0] = '\0';
	int how = strncmp(sql, "SELECT", 6) == 0 ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	assert_int_equal(sqlite3_open_v2(path, &db, how, NULL), SQLITE_OK);
	for (bool first = true; *sql; first = false) { /* statement by statement */
		if (sqlite3_prepare_v2(db, sql, -1, &stmt, &sql) != SQLITE_OK)
			fail_msg("%s: %s", path, sqlite3_errmsg(db));
		int rc = stmt ? sqlite3_step(stmt) : SQLITE_DONE;
		if (rc == SQLITE_ROW && first && text)
			snprintf(text, cap, "%s", (const char *)sqlite3_column_text(stmt, 0));
		if (rc != SQLITE_ROW && rc != SQLITE_DONE)
			fail_msg("%s: %s", path, sqlite3_errmsg(db));
		sqlite3_finalize(stmt);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void chain_check_votes(struct chain *c)
{
	struct seen_list s = {0};
	for (unsigned i = 0; i < c->n; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/node%u/votes.db", c->dir, i);
		read_blobs(path, "SELECT bytes FROM log WHERE kind IN (2, 3)", &s, see_envelope);
		snprintf(path, sizeof path, "%s/node%u/ledger.db", c->dir, i);
		read_blobs(path, "SELECT certificate FROM certificates", &s, see_cert);
	}
	assert_true(s.cnt > 0);
	qsort(s.list, s.cnt, sizeof *s.list, by_statement);
	for (size_t i = 1; i < s.cnt; i++)
		if (by_statement(&s.list[i - 1], &s.list[i]) == 0 &&
		    !qhash_eq(&s.list[i - 1].block, &s.list[i].block))
			fail_msg(
			    "replica %u signed two different statements of kind %d at view %llu, height %llu",
			    s.list[i].replica, s.list[i].kind, (unsigned long long)s.list[i].view,
			    (unsigned long long)s.list[i].height);
	free(s.list);
}

/* ---- accounts and payments ---------------------------------------------------- */

struct account *account_number(unsigned n)
{
	uint8_t secret[32];
	hash_bytes("quorate/test-account", &n, sizeof n, secret);
	struct account *a = account_from_secret(secret);
	assert_non_null(a);
	return a;
}

struct qaddress address_number(unsigned n)
{
	struct account *a = account_number(n);
	struct qaccount_key key = account_key(a);
	account_free(a);
	return account_address(&key);
}

const char *key_number(struct chain *c, unsigned n)
{
	struct err err = {0};
	const char *path = chain_path(c, "account%u.key", n);
	if (access(path, F_OK) == 0)
		return path;
	struct account *a = account_number(n);
	if (!keyfile_write_account(path, a, NULL, &err))
		fail_msg("%s", err.text);
	account_free(a);
	return path;
}

struct purse purse_open(struct chain *c, const char *name, unsigned n)
{
	struct purse p = {.account = name ? chain_account(c, name) : account_number(n)};
	struct qaccount_key key = account_key(p.account);
	p.address = account_address(&key);
	p.at = chain_allocation(c, &p.address, &p.amount);
	return p;
}

void purse_close(struct purse *p)
{
	account_free(p->account);
}

struct tx *purse_next(struct purse *p, const struct genesis *g)
{
	char memo[32];
	snprintf(memo, sizeof memo, "%u", ++p->paid);
	struct tx *tx = pay(g, p->account, p->at, p->amount, p->address, p->amount, memo);
	p->at = (struct qoutpoint){.tx = tx->id, .index = 0};
	return tx;
}

/* A node that has not executed the payment before yet does not know what this one spends. */
static void purse_submit(struct chain *c, unsigned node, struct tx *tx)
{
	uint64_t until = now_ms() + CHAIN_PATIENCE_MS;
	for (bool again = true; again;) {
		json_t *results = NULL;
		if (!chain_submit(c, node, &tx, 1, &results))
			fail_msg("node %u does not answer", node);
		const char *code = json_text(json_array_get(results, 0), "code");
		again = strcmp(code, "unknown_output") == 0;
		if (now_ms() > until)
			fail_msg("node %u: %s", node, code);
		json_decref(results);
	}
}

uint64_t purse_pay(struct purse *p, struct chain *c, unsigned node)
{
	char hex[QHASH_HEX];
	int status;
	struct tx *tx = purse_next(p, c->genesis);
	purse_submit(c, node, tx);
	assert_true(chain_final(c, node, &tx->id, NULL, 0, NULL, 0));
	json_t *root =
	    chain_get(c, node, &status, "/v1/transactions/%s", hex_encode(hex, tx->id.b, sizeof tx->id.b));
	uint64_t height = (uint64_t)json_integer_value(json_object_get(root, "height"));
	json_decref(root);
	tx_unref(tx);
	return height;
}

/* ---- liars ------------------------------------------------------------------ */

struct qenvelope chain_forge(struct chain *c, unsigned replica, uint64_t height, uint8_t which)
{
	struct err err = {0};
	struct qenvelope env = {.chain = c->genesis->chain, .sender = replica};
	struct qmessage m = {.kind = QPREPARE};
	struct bytes body;
	m.qmessage_u.vote.height.n = height;
	memset(m.qmessage_u.vote.block.b, which, sizeof m.qmessage_u.vote.block.b);
	assert_true(wire_encode(WIRE(qmessage), &m, &body));
	struct ident *id = keyfile_read_ident(chain_path(c, "node%u/replica.key", replica), NULL, NULL, &err);
	if (!id)
		fail_msg("%s", err.text);
	ident_sign(id, &env.chain, body.data, body.len, &env.sig);
	ident_free(id);
	env.body.body_len = (u_int)body.len;
	env.body.body_val = body.data;
	return env;
}

size_t chain_hello(struct chain *c, unsigned replica, uint8_t bytes[HELLO_BYTES_MAX])
{
	struct qhello hello = hello_of(&c->genesis->chain, replica);
	return hello_bytes(bytes, 0x50, &hello);
}

void chain_tell(struct chain *c, unsigned node, struct qenvelope *envelopes, unsigned cnt)
{
	uint8_t hello[HELLO_BYTES_MAX];
	size_t hello_len = chain_hello(c, (node + 1) % c->n, hello);
	struct qframe frame = {.envelopes = {cnt, envelopes}};
	struct sockaddr_in a = {.sin_family = AF_INET};
	struct bytes out;
	const char *url = c->genesis->g.replicas.replicas_val[node].address;
	assert_true(wire_encode(WIRE(qframe), &frame, &out));
	uint64_t len = htobe64(out.len);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(send(fd, hello, hello_len, MSG_NOSIGNAL), hello_len);
	assert_int_equal(send(fd, &len, sizeof len, MSG_NOSIGNAL), sizeof len);
	assert_int_equal(send(fd, out.data, out.len, MSG_NOSIGNAL), out.len);
	bytes_free(&out);
	char scrap[64];
	shutdown(fd, SHUT_WR);
	while (recv(fd, scrap, sizeof scrap, 0) > 0)
		;
	close(fd);
}

/* ---- accounts ---------------------------------------------------------------- */

struct account *chain_account(struct chain *c, const char *name)
{
	char path[512];
	struct err err = {0};
	snprintf(path, sizeof path, "%s/accounts/%s.key", c->dir, name);
	struct account *a = keyfile_read_account(path, NULL, NULL, &err);
	if (!a)
		fail_msg("%s", err.text);
	return a;
}

struct qoutpoint chain_allocation(struct chain *c, const struct qaddress *owner, uint64_t *amount)
{
	for (u_int i = 0; i < c->genesis->g.allocations.allocations_len; i++) {
		const struct qoutput *o = &c->genesis->g.allocations.allocations_val[i];
		if (memcmp(o->owner.b, owner->b, sizeof owner->b) == 0) {
			*amount = o->amount;
			return (struct qoutpoint){.tx = c->genesis->txid, .index = i};
		}
	}
	fail_msg("the genesis gives this account nothing");
	return (struct qoutpoint){0};
}

struct tx *pay(const struct genesis *g, const struct account *from, struct qoutpoint input,
               uint64_t input_amount, struct qaddress to, uint64_t amount, const char *memo)
{
	struct err err = {0};
	struct qaccount_key key = account_key(from);
	struct qoutput outputs[2] = {{.owner = to, .amount = amount},
	                             {.owner = account_address(&key), .amount = input_amount - amount}};
	char text[256];
	snprintf(text, sizeof text, "%s", memo);
	struct qtx_body body = {.inputs = {1, &input},
	                        .outputs = {input_amount > amount ? 2 : 1, outputs},
	                        .memo = {(u_int)strlen(text), (unsigned char *)text}};
	struct tx *tx = tx_make(&g->chain, &body, &from, 1, &err);
	if (!tx)
		fail_msg("%s", err.text);
	return tx;
}
