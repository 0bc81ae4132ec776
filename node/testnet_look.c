/*
 * testnet_look.c: how a testnet is doing, and saying so.
 */
#include "testnet_look.h"

#include <stdio.h>
#include <string.h>

#include "keyfile.h"
#include "out.h"
#include "text.h"

enum { ASK_TIMEOUT_MS = 1000 };

struct look look_at(const struct testnet *t, const struct testnet_node *node, struct err *err)
{
	struct look look = {.pid = testnet_pid(node)};
	struct client *c =
	    look.pid > 0 ? client_new((const char *const[]){node->http}, 1, ASK_TIMEOUT_MS, err) : NULL;
	if (c == NULL)
		return look;
	look.answers = client_status_here(c, &look.status, err);
	if (look.answers && !qhash_eq(&look.status.chain, &t->genesis->chain))
		look.answers =
		    err_set(err, ERR_WORLD, "%s is a node of another chain: is the port in use?", node->http);
	look.healthy = look.answers && client_healthy_here(c);
	client_free(c);
	return look;
}

void look_at_all(const struct testnet *t, struct look *looks)
{
	for (unsigned i = 0; i < t->n; i++)
		looks[i] = look_at(t, &t->nodes[i], NULL);
}

/* The primary by the word of the healthy replica in the highest view; -1: nobody knows. */
static int primary_of(const struct testnet *t, const struct look *looks)
{
	const struct look *best = NULL;
	for (unsigned i = 0; i < t->n; i++) {
		if (looks[i].healthy && (best == NULL || looks[i].status.view > best->status.view))
			best = &looks[i];
	}
	return best == NULL ? -1 : (int)best->status.primary;
}

static json_t *account_json(const char *path, const char *name)
{
	char kind[KEYFILE_KIND], address[KEYFILE_TEXT];
	if (!keyfile_show(path, kind, sizeof kind, address, sizeof address, NULL))
		return NULL;
	return json_pack("{s:s, s:s, s:s}", "name", name, "address", address, "key", path);
}

static json_t *accounts_json(const struct testnet *t)
{
	json_t *accounts = json_array();
	for (size_t i = 0; i < TESTNET_ACCOUNT_CNT; i++) {
		char *path = text_format("%s/accounts/%s.key", t->dir, testnet_accounts[i]);
		json_t *account = account_json(path, testnet_accounts[i]);
		if (account != NULL)
			json_array_append_new(accounts, account);
		free(path);
	}
	return accounts;
}

static void say_json(const struct testnet *t, const struct look *looks)
{
	char chain[QHASH_HEX];
	json_t *replicas = json_array();
	for (unsigned i = 0; i < t->n; i++) {
		const struct testnet_node *node = &t->nodes[i];
		const struct look *look = &looks[i];
		json_t *r = json_pack("{s:i, s:s, s:s, s:s, s:s, s:b}", "index", (int)i, "home", node->home,
		                      "ledger", node->ledger, "http", node->http, "peer", node->peer,
		                      "healthy", (int)look->healthy);
		json_object_set_new(r, "pid", look->pid > 0 ? json_integer(look->pid) : json_null());
		json_object_set_new(
		    r, "height", look->answers ? json_integer((json_int_t)look->status.height) : json_null());
		json_object_set_new(
		    r, "view", look->answers ? json_integer((json_int_t)look->status.view) : json_null());
		json_array_append_new(replicas, r);
	}
	int primary = primary_of(t, looks);
	out_json_take(json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "dir", t->dir, "genesis", t->genesis_path,
	                        "chain", hex_encode(chain, t->genesis->chain.b, sizeof t->genesis->chain.b),
	                        "primary", primary < 0 ? json_null() : json_integer(primary), "replicas",
	                        replicas, "accounts", accounts_json(t)));
}

static void number_cell(struct out_table *table, bool known, uint64_t n)
{
	if (known)
		out_table_cell(table, "%llu", (unsigned long long)n);
	else
		out_table_cell(table, "-");
}

static void say_text(const struct testnet *t, const struct look *looks)
{
	int primary = primary_of(t, looks);
	struct out_table *table = out_table_new(
	    7, (const char *const[]){"replica", "height", "view", "healthy", "pid", "http", "home"});
	for (unsigned i = 0; i < t->n; i++) {
		const struct look *look = &looks[i];
		out_table_cell(table, "%u%s", i, primary == (int)i ? " primary" : "");
		number_cell(table, look->answers, look->status.height);
		number_cell(table, look->answers, look->status.view);
		out_table_cell(table, "%s", look->healthy ? "yes" : look->pid == 0 ? "stopped" : "no");
		out_table_style(table, look->healthy ? OUT_GOOD : OUT_BAD);
		number_cell(table, look->pid > 0, (uint64_t)look->pid);
		out_table_cell(table, "%s", t->nodes[i].http);
		out_table_cell(table, "%s", t->nodes[i].home);
	}
	out_table_end(table);
}

static void say_accounts(const struct testnet *t)
{
	json_t *accounts = accounts_json(t);
	putchar('\n');
	struct out_table *table = out_table_new(3, (const char *const[]){"account", "address", "key"});
	for (size_t i = 0; i < json_array_size(accounts); i++) {
		const json_t *account = json_array_get(accounts, i);
		out_table_cell(table, "%s", json_string_value(json_object_get(account, "name")));
		out_table_cell(table, "%s", json_string_value(json_object_get(account, "address")));
		out_table_cell(table, "%s", json_string_value(json_object_get(account, "key")));
	}
	out_table_end(table);
	json_decref(accounts);
	printf("\nTry: quorate send --key %s/accounts/alice.key --to %s/accounts/bob.key --amount 5", t->dir,
	       t->dir);
	if (strcmp(t->dir, TESTNET_DIR) != 0)
		printf(" --genesis %s --node %s", t->genesis_path, t->nodes[0].http);
	putchar('\n');
}

void look_say(const struct testnet *t, bool as_json, bool accounts)
{
	struct look looks[Q_REPLICAS_MAX];
	look_at_all(t, looks);
	if (as_json)
		say_json(t, looks);
	else
		say_text(t, looks);
	if (accounts && !as_json)
		say_accounts(t);
	fflush(stdout);
}

bool look_level(const struct testnet *t, struct err *err)
{
	struct look looks[Q_REPLICAS_MAX];
	const struct look *first = NULL;
	look_at_all(t, looks);
	for (unsigned i = 0; i < t->n; i++) {
		if (looks[i].pid <= 0)
			continue;
		if (!looks[i].healthy)
			return err_set(err, ERR_WORLD, "replica %u is not healthy", i);
		if (first != NULL && looks[i].status.height != first->status.height)
			return err_set(err, ERR_WORLD, "replica %u is at another height", i);
		first = &looks[i];
	}
	return first != NULL || err_set(err, ERR_NO, "no replica of %s runs", t->dir);
}
