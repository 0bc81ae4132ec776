/*
 * bench_chain.c: the chain that is under load: replicas of our own, or one that runs already.
 */
#include "bench_chain.h"

#include <errno.h>
#include <ftw.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access.h"
#include "audit.h"
#include "bench_tell.h"
#include "hash.h"
#include "keyfile.h"
#include "ledger.h"
#include "out.h"
#include "testnet_look.h"
#include "text.h"
#include "wallet.h"

enum {
	STOP_TIMEOUT_MS = 15000,
	REST_TIMEOUT_MS = 5000,
	FUND_TIMEOUT_MS = 60000,
	WAIT_MS = 1000,
	DISK_BYTES = 1200, /* of one payment in one ledger, and some */
};

/* ---- our own ------------------------------------------------------------------------------------ */

static bool make_temporary(struct bench_chain *c, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	c->dir = text_format("%s/quorate-bench-XXXXXX", tmp != NULL && tmp[0] != '\0' ? tmp : "/var/tmp");
	c->temporary = mkdtemp(c->dir) != NULL;
	return c->temporary || err_set(err, ERR_WORLD, "%s: cannot be made: %s", c->dir, strerror(errno));
}

static bool make_own(struct bench_chain *c, const struct bench_options *o, struct err *err)
{
	struct testnet_plan plan = {.replicas = o->replicas, .base_port = o->base_port};
	return testnet_create(c->dir, &plan, err);
}

/* Starts all; of those that were started, what a failure leaves is ended by chain_close(). */
static bool start_own(struct bench_chain *c, struct err *err)
{
	c->own = true;
	tell("starting %u replicas", c->t->n);
	for (unsigned i = 0; i < c->t->n; i++) {
		if (!start_node(&c->t->nodes[i], true, &c->started[i], err))
			return false;
	}
	bool ok = start_wait_all(c->t, c->started, err);
	tell_end();
	return ok;
}

static bool open_testnet(struct bench_chain *c, struct err *err)
{
	c->t = testnet_open(c->dir, err);
	if (c->t == NULL || !testnet_pids_known(c->t, err))
		return false;
	c->genesis = c->t->genesis;
	return true;
}

static void add_node(struct bench_chain *c, const char *url)
{
	c->node[c->cnt++] = (struct bench_node){.url = xstrdup(url)};
}

/* A testnet: ours if nothing of it runs. */
static bool open_dir(struct bench_chain *c, const struct bench_options *o, struct err *err)
{
	if (!testnet_exists(c->dir) && !make_own(c, o, err))
		return false;
	if (!open_testnet(c, err))
		return false;
	if (chain_here(c) == 0 && !start_own(c, err))
		return false;
	if (!c->own && o->kill_at_s >= 0)
		return err_set(
		    err, ERR_INPUT,
		    "--kill-primary: only of a chain of our own, and %s runs already; stop it first", c->dir);
	for (unsigned i = 0; i < c->t->n; i++) {
		if (testnet_pid(&c->t->nodes[i]) > 0)
			add_node(c, c->t->nodes[i].http);
	}
	return true;
}

/* ---- a running one ------------------------------------------------------------------------------ */

/* A genesis that lies in a testnet's directory tells where its processes and keys are. */
static bool open_nodes(struct bench_chain *c, const struct bench_options *o, struct err *err)
{
	const char *path = access_genesis_path(&o->common);
	if (path == NULL)
		return err_set(err, ERR_INPUT, "whose chain is it? name its genesis: --genesis FILE");
	char *copy = xstrdup(path);
	c->dir = xstrdup(dirname(copy));
	free(copy);
	struct genesis *g = genesis_load(path, err);
	if (g == NULL)
		return false;
	if (testnet_exists(c->dir) && open_testnet(c, err) && qhash_eq(&c->t->genesis->chain, &g->chain)) {
		genesis_free(g);
	} else {
		testnet_free(c->t);
		c->t = NULL;
		c->genesis = g;
	}
	for (unsigned i = 0; i < o->common.node_cnt; i++)
		add_node(c, o->common.node[i]);
	return true;
}

static bool open_payer(struct bench_chain *c, const char *key, struct err *err)
{
	char *path = NULL;
	if (key == NULL && c->t == NULL)
		return err_set(
		    err, ERR_INPUT,
		    "who pays for the load? name the key of an account that has enough: --key FILE");
	if (key == NULL)
		key = path = text_format("%s/accounts/%s.key", c->dir, testnet_accounts[0]);
	c->payer = keyfile_read_account(key, NULL, NULL, err);
	free(path);
	return c->payer != NULL;
}

/* ---- at rest ------------------------------------------------------------------------------------ */

bool chain_answers(struct bench_chain *c, struct err *err)
{
	bool ok = true;
	for (unsigned i = 0; ok && i < c->cnt; i++) {
		struct client_status status;
		struct client *one = client_new(&(const char *){c->node[i].url}, 1, ACCESS_TIMEOUT_MS, err);
		ok = one != NULL && client_status_here(one, &status, err);
		if (ok && !qhash_eq(&status.chain, &c->genesis->chain))
			ok = err_set(err, ERR_INPUT, "%s is a node of another chain than this genesis'",
			             c->node[i].url);
		if (ok && !client_healthy_here(one))
			ok = err_set(err, ERR_WORLD,
			             "%s says that it is not healthy; `quorate status` tells more",
			             c->node[i].url);
		if (ok)
			c->node[i].replica = status.replica;
		for (unsigned k = 0; ok && k < i; k++) {
			if (c->node[k].replica == status.replica)
				ok = err_set(err, ERR_INPUT, "%s and %s are one node; name each once",
				             c->node[k].url, c->node[i].url);
		}
		client_free(one);
	}
	return ok;
}

static bool number_at(const json_t *json, const char *key, uint64_t *out)
{
	const json_t *v = json_object_get(json, key);
	*out = json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : 0;
	return json_is_integer(v);
}

/* Waits until no transaction waits for a block: others' load would be taken for ours. */
static bool await_rest(struct bench_chain *c, struct err *err)
{
	uint64_t deadline_ms = access_now_ms() + REST_TIMEOUT_MS, waiting = 0;
	for (;;) {
		json_t *json = client_get(c->client, "/v1/status", err);
		if (json == NULL)
			return false;
		bool ok =
		    number_at(json, "mempool", &waiting) && number_at(json, "transactions", &c->began_txs);
		json_decref(json);
		if (!ok)
			return err_set(err, ERR_WORLD, "%s does not say what waits in its mempool",
			               client_url(c->client));
		if (waiting == 0)
			return true;
		if (access_now_ms() >= deadline_ms)
			return err_set(
			    err, ERR_WORLD,
			    "the chain is not at rest: %llu transactions wait for a block; the load "
			    "of others would be measured with ours",
			    (unsigned long long)waiting);
		access_nap_ms(50);
	}
}

bool chain_open(const struct bench_options *o, struct bench_chain *c, struct err *err)
{
	*c = (struct bench_chain){0};
	bool ok = true;
	if (o->common.node_cnt > 0) {
		ok = open_nodes(c, o, err);
	} else {
		if (o->dir != NULL)
			c->dir = xstrdup(o->dir);
		ok = (o->dir != NULL || make_temporary(c, err)) && open_dir(c, o, err);
	}
	const char *urls[CMD_NODES_MAX];
	for (unsigned i = 0; i < c->cnt; i++)
		urls[i] = c->node[i].url;
	ok = ok && open_payer(c, o->key, err) && chain_answers(c, err) &&
	     (c->client = client_new(urls, c->cnt, ACCESS_TIMEOUT_MS, err)) != NULL && await_rest(c, err);
	if (!ok)
		chain_close(c);
	return ok;
}

/* ---- processes and files ------------------------------------------------------------------------ */

pid_t chain_pid(const struct bench_chain *c, unsigned replica)
{
	if (c->t == NULL || replica >= c->t->n)
		return 0;
	pid_t pid = testnet_pid(&c->t->nodes[replica]);
	return pid > 0 ? pid : 0;
}

unsigned chain_here(const struct bench_chain *c)
{
	unsigned cnt = 0;
	for (unsigned i = 0; c->t != NULL && i < c->t->n; i++)
		cnt += chain_pid(c, i) > 0;
	return cnt;
}

static uint64_t size_of(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

uint64_t chain_ledger_bytes(const struct bench_chain *c, unsigned replica)
{
	if (c->t == NULL || replica >= c->t->n)
		return 0;
	char *wal = text_format("%s-wal", c->t->nodes[replica].ledger);
	uint64_t sum = size_of(c->t->nodes[replica].ledger) + size_of(wal);
	free(wal);
	return sum;
}

bool chain_has_room(const struct bench_chain *c, uint64_t payments, struct err *err)
{
	struct statvfs fs;
	if (c->t == NULL || statvfs(c->dir, &fs) != 0)
		return true;
	uint64_t mib = payments * DISK_BYTES * c->t->n >> 20,
	         free_mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
	return mib < free_mib ||
	       err_set(
	           err, ERR_WORLD,
	           "%s: %llu payments may need %llu MiB in %u ledgers, and %llu MiB are free; choose another "
	           "--dir, or a shorter --duration",
	           c->dir, (unsigned long long)payments, (unsigned long long)mib, c->t->n,
	           (unsigned long long)free_mib);
}

/* ---- money -------------------------------------------------------------------------------------- */

void chain_seed(const struct bench_chain *c, const struct qhash *nonce, unsigned round, uint8_t seed[32])
{
	uint8_t secret[32], number = (uint8_t)round;
	account_secret(c->payer, secret);
	const struct span parts[] = {
	    {secret, sizeof secret}, {c->genesis->chain.b, 32}, {nonce->b, 32}, {&number, 1}};
	hash_tagged("quorate bench seed", parts, 4, seed);
	explicit_bzero(secret, sizeof secret);
}

enum { SPLIT = Q_OUTPUTS_MAX - 1 }; /* coins of one transaction, beside change */

static bool submit(struct bench_chain *c, struct tx *const *txs, size_t cnt, struct err *err)
{
	for (size_t at = 0; at < cnt; at++) {
		struct bytes raw = {txs[at]->raw, txs[at]->raw_len};
		struct client_fate fate;
		if (!client_submit(c->client, &raw, 1, &fate, err))
			return false;
		if (fate.kind == FATE_REJECTED)
			return err_set(err, ERR_NO, "the accounts of the load cannot be funded: %.200s",
			               fate.message);
	}
	return true;
}

/* Everywhere, before anybody spends of it. */
static bool await_everywhere(const struct bench_chain *c, struct tx *const *txs, size_t cnt, struct err *err)
{
	uint64_t deadline_ms = access_now_ms() + FUND_TIMEOUT_MS;
	for (unsigned i = 0; i < c->cnt; i++) {
		struct client *one = client_new(&(const char *){c->node[i].url}, 1, ACCESS_TIMEOUT_MS, err);
		bool ok = one != NULL;
		for (size_t k = 0; ok && k < cnt;) {
			struct client_fate fate;
			ok = client_wait(one, &txs[k]->id, WAIT_MS, &fate, err);
			if (!ok)
				break;
			if (fate.kind == FATE_FINAL)
				k++;
			else if (fate.kind == FATE_REJECTED)
				ok = err_set(err, ERR_NO, "the accounts of the load cannot be funded: %.200s",
				             fate.message);
			else if (tell_stopped())
				ok = err_set(err, ERR_WORLD, "interrupted before anything was measured");
			else if (access_now_ms() >= deadline_ms)
				ok = err_set(err, ERR_WORLD,
				             "no block is made: what funds the load's accounts is not final "
				             "after %d s",
				             FUND_TIMEOUT_MS / 1000);
			else if (fate.kind == FATE_UNKNOWN)
				access_nap_ms(20); /* it has not come here yet */
		}
		client_free(one);
		if (!ok)
			return false;
	}
	return true;
}

/* One output of the payer's for each transaction of the second step. */
static struct tx *first_step(struct bench_chain *c, const struct load *l, const struct qaddress *payer,
                             uint32_t pieces, struct err *err)
{
	struct wallet_view view;
	struct client_status status;
	struct coin *coins;
	struct draft draft;
	struct tx *tx = NULL;
	size_t coin_cnt;
	struct qoutput change = {.owner = *payer};
	struct qoutput *outputs = xcalloc(pieces, sizeof *outputs);
	for (uint32_t i = 0; i < pieces; i++) {
		uint32_t left = l->accounts - i * SPLIT;
		outputs[i] =
		    (struct qoutput){.owner = *payer, .amount = l->coin * (left < SPLIT ? left : SPLIT)};
	}
	if (!client_status(c->client, &status, err))
		goto out;
	view = (struct wallet_view){.chain = c->genesis->chain, .height = status.height};
	if (!wallet_select(c->client, payer, &view, l->coin * l->accounts, &coins, &coin_cnt, err))
		goto out;
	bool made =
	    draft_make(&draft, &c->genesis->chain, coins, coin_cnt, outputs, pieces, &change, "", 0, err);
	free(coins);
	if (!made)
		goto out;
	if (draft_sign(&draft, c->payer, err))
		tx = draft_finish(&draft, err);
	draft_free(&draft);
out:
	free(outputs);
	return tx;
}

static struct tx *second_step(const struct bench_chain *c, const struct load *l, const struct tx *first,
                              uint32_t piece, struct qoutpoint *coins, struct err *err)
{
	uint32_t from = piece * SPLIT, left = l->accounts - from, cnt = left < SPLIT ? left : SPLIT;
	struct qoutput *outputs = xcalloc(cnt, sizeof *outputs);
	for (uint32_t i = 0; i < cnt; i++)
		outputs[i] = (struct qoutput){.owner = l->owner[from + i], .amount = l->coin};
	struct qoutpoint in = {.tx = first->id, .index = piece};
	struct qtx_body body = {.inputs = {1, &in}, .outputs = {cnt, outputs}};
	struct tx *tx = tx_make(&c->genesis->chain, &body, &(const struct account *){c->payer}, 1, err);
	free(outputs);
	for (uint32_t i = 0; tx != NULL && i < cnt; i++)
		coins[from + i] = (struct qoutpoint){.tx = tx->id, .index = i};
	return tx;
}

bool chain_fund(struct bench_chain *c, const struct load *l, struct qoutpoint *coins, struct err *err)
{
	struct qaccount_key key = account_key(c->payer);
	struct qaddress payer = account_address(&key);
	uint32_t pieces = (l->accounts + SPLIT - 1) / SPLIT;
	struct tx **txs = xcalloc(pieces, sizeof(struct tx *));
	struct tx *first = first_step(c, l, &payer, pieces, err);
	bool ok = first != NULL && submit(c, &first, 1, err) && await_everywhere(c, &first, 1, err);
	for (uint32_t i = 0; ok && i < pieces; i++)
		ok = (txs[i] = second_step(c, l, first, i, coins, err)) != NULL;
	ok = ok && submit(c, txs, pieces, err) && await_everywhere(c, txs, pieces, err);
	for (uint32_t i = 0; i < pieces; i++)
		tx_unref(txs[i]);
	tx_unref(first);
	free(txs);
	return ok || err_prefix(err, "funding %u accounts", l->accounts);
}

/* ---- killing the primary ------------------------------------------------------------------------ */

bool chain_primary(struct bench_chain *c, unsigned *replica, struct err *err)
{
	struct client_status status;
	if (!client_status(c->client, &status, err))
		return false;
	*replica = status.primary < c->t->n ? status.primary : 0;
	return true;
}

bool chain_kill(struct bench_chain *c, unsigned replica, struct err *err)
{
	const struct testnet_node *node = &c->t->nodes[replica];
	if (!testnet_signal(node, SIGKILL, err))
		return false;
	waitpid(c->started[replica].pid, NULL, 0);
	c->started[replica].pid = 0;
	return testnet_await_end(node, 1, TESTNET_KILL_TIMEOUT_MS) == NULL || testnet_undead(node, err);
}

bool chain_restart(struct bench_chain *c, unsigned replica, struct err *err)
{
	return start_node(&c->t->nodes[replica], true, &c->started[replica], err);
}

static bool voted(struct reader *reader, uint64_t height, unsigned replica)
{
	struct qcert cert;
	bool found = false;
	if (reader_cert_for(reader, qheight_of(height), &cert, NULL) != FOUND)
		return false;
	for (u_int i = 0; i < cert.sigs.sigs_len; i++)
		found = found || cert.sigs.sigs_val[i].replica == replica;
	wire_free(WIRE(qcert), &cert);
	return found;
}

const struct bench_block *chain_first_vote(const struct bench_chain *c, unsigned replica,
                                           const struct bench_block *blocks, size_t cnt, uint64_t first,
                                           uint64_t from_us)
{
	const struct bench_block *best = NULL;
	for (unsigned i = 0; i < c->t->n; i++) {
		struct reader *reader = i == replica ? NULL : reader_open(c->t->nodes[i].ledger, NULL, NULL);
		for (size_t k = 0; reader != NULL && k < cnt; k++) {
			if (blocks[k].at_us < from_us || (best != NULL && &blocks[k] >= best) ||
			    !voted(reader, first + k, replica))
				continue;
			best = &blocks[k];
		}
		reader_close(reader);
	}
	return best;
}

/* ---- the end ------------------------------------------------------------------------------------ */

bool chain_settle(struct bench_chain *c, struct err *err)
{
	uint64_t deadline_ms = access_now_ms() + READY_TIMEOUT_MS;
	tell("waiting until all replicas are at one height");
	while (!look_level(c->t, err)) {
		if (err->kind != ERR_WORLD || access_now_ms() >= deadline_ms || tell_stopped())
			return false;
		access_nap_ms(50);
	}
	tell_end();
	return true;
}

bool chain_stop(struct bench_chain *c, struct err *err)
{
	bool ok = testnet_stop(c->t, STOP_TIMEOUT_MS, err);
	for (unsigned i = 0; i < c->t->n; i++) {
		if (c->started[i].pid > 0)
			waitpid(c->started[i].pid, NULL, 0);
		c->started[i].pid = 0;
	}
	return ok;
}

static void on_audit(void *ctx, const char *path, struct qheight at, struct qheight of)
{
	(void)ctx;
	tell("auditing %s: %llu of %llu blocks", path, (unsigned long long)at.n, (unsigned long long)of.n);
}

static const char *first_finding(const struct audit_report *report)
{
	for (size_t i = 0; i < report->ledger_cnt; i++) {
		if (report->ledgers[i].finding_cnt > 0)
			return report->ledgers[i].findings[0].message;
	}
	return report->diverged ? "the ledgers hold different chains" : "a ledger is not whole";
}

bool bench_chain_audit(const struct bench_chain *c, struct bench_result *r, struct err *err)
{
	const char *paths[Q_REPLICAS_MAX];
	struct audit_options options = {.progress = on_audit};
	struct audit_report report;
	for (unsigned i = 0; i < c->t->n; i++)
		paths[i] = c->t->nodes[i].ledger;
	bool ok = audit_run(paths, c->t->n, c->genesis, &options, &report, err);
	tell_end();
	if (!ok)
		return false;
	r->audited = true;
	r->audit_ok = report.ok && report.double_spends == 0;
	if (report.ok)
		snprintf(r->audit, sizeof r->audit,
		         "%llu transactions in %llu blocks, %u ledgers, nothing spent twice",
		         (unsigned long long)report.transactions, (unsigned long long)report.height.n,
		         c->t->n);
	else
		snprintf(r->audit, sizeof r->audit, "%s", first_finding(&report));
	audit_report_free(&report);
	return true;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *at)
{
	(void)s, (void)type, (void)at;
	return remove(path);
}

void chain_close(struct bench_chain *c)
{
	struct err err = {0};
	if (c->own && c->t != NULL) {
		for (unsigned i = 0; i < c->t->n; i++) {
			if (c->started[i].pid > 0)
				kill(c->started[i].pid,
				     SIGTERM); /* also one that does not hold its lock yet */
		}
		if (!chain_stop(c, &err))
			cmd_fail(&err);
	}
	if (c->temporary)
		nftw(c->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	if (c->t == NULL)
		genesis_free(c->genesis);
	testnet_free(c->t);
	client_free(c->client);
	account_free(c->payer);
	for (unsigned i = 0; i < c->cnt; i++)
		free(c->node[i].url);
	free(c->dir);
	*c = (struct bench_chain){0};
}
