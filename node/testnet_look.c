/*
 * testnet_look.c: how a testnet is doing, and saying so.
 */
#include "testnet_look.h"

#include <stdio.h>
#include <string.h>

#include "keyfile.h"
#include "out.h"
#include "schedule.h"
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

/* The healthy replica in the highest view, by whose word it goes; NULL: there is none. */
static const struct client_status *best_of(const struct testnet *t, const struct look *looks)
{
	const struct look *best = NULL;
	for (unsigned i = 0; i < t->n; i++) {
		if (looks[i].healthy && (best == NULL || looks[i].status.view > best->status.view))
			best = &looks[i];
	}
	return best == NULL ? NULL : &best->status;
}

static json_t *index_json(bool known, unsigned index)
{
	return known ? json_integer(index) : json_null();
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

/* The account of a replica's operator; null where proposers are not by stake. */
static json_t *operator_json(const struct testnet *t, unsigned i)
{
	char name[40];
	snprintf(name, sizeof name, "operator of replica %u", i);
	json_t *account = stake_rules(t->genesis) != NULL ? account_json(t->nodes[i].account, name) : NULL;
	return account == NULL ? json_null() : account;
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
		json_object_set_new(r, "mining",
		                    look->answers && look->status.sealing > 0
		                        ? json_integer((json_int_t)look->status.sealing)
		                        : json_null());
		json_object_set_new(r, "account", operator_json(t, i));
		json_array_append_new(replicas, r);
	}
	const struct client_status *best = best_of(t, looks);
	char seal[WORDS_MAX];
	words_of_seal(t->genesis, seal);
	out_json_take(json_pack(
	    "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "dir", t->dir, "genesis", t->genesis_path,
	    "chain", hex_encode(chain, t->genesis->chain.b, sizeof t->genesis->chain.b), "seal", seal,
	    "proposers", words_proposer_name(words_of_proposer(t->genesis)), "primary",
	    index_json(best != NULL, best == NULL ? 0 : best->primary), "proposer",
	    index_json(best != NULL && best->proposer < t->n, best == NULL ? 0 : best->proposer), "replicas",
	    replicas, "accounts", accounts_json(t)));
}

static void number_cell(struct out_table *table, bool known, uint64_t n)
{
	if (known)
		out_table_cell(table, "%llu", (unsigned long long)n);
	else
		out_table_cell(table, "-");
}

/* What is not as on every testnet: seals, and proposers by stake. */
static void say_modes(const struct testnet *t, const struct client_status *best)
{
	const struct qstake_rules *r = stake_rules(t->genesis);
	char text[WORDS_MAX];
	enum { W = 10 };
	if (t->genesis->g.seal.kind != QSEAL_NONE) {
		words_about_seal(t->genesis, text);
		out_field(W, "seal", "%s", text);
	}
	if (r == NULL)
		return;
	words_about_proposers(t->genesis, text);
	out_field(W, "proposers", "%s", text);
	if (best == NULL)
		return;
	unsigned long long next = best->height + 1, epoch = (next - 1) / r->epoch;
	out_field(W, "epoch", "%llu, heights %llu to %llu; stakes after height %llu decide", epoch,
	          epoch * r->epoch + 1, (epoch + 1) * r->epoch,
	          (unsigned long long)schedule_settled(r, qheight_of(next)).n);
	if (best->proposer < t->n)
		out_field(W, "next", "replica %u proposes height %llu", best->proposer, next);
}

/* What a replica is beside being one. */
static const char *duty_of(const struct testnet *t, const struct look *look, const struct client_status *best,
                           unsigned i, char text[40])
{
	snprintf(text, 40, "%s%s%s", best != NULL && best->primary == i ? " primary" : "",
	         stake_rules(t->genesis) != NULL && best != NULL && best->proposer == i ? " proposer" : "",
	         look->answers && look->status.sealing > 0 ? " mining" : "");
	return text;
}

static void say_text(const struct testnet *t, const struct look *looks)
{
	const struct client_status *best = best_of(t, looks);
	char duty[40];
	struct out_table *table = out_table_new(
	    7, (const char *const[]){"replica", "height", "view", "healthy", "pid", "http", "home"});
	for (unsigned i = 0; i < t->n; i++) {
		const struct look *look = &looks[i];
		out_table_cell(table, "%u%s", i, duty_of(t, look, best, i, duty));
		number_cell(table, look->answers, look->status.height);
		number_cell(table, look->answers, look->status.view);
		out_table_cell(table, "%s", look->healthy ? "yes" : look->pid == 0 ? "stopped" : "no");
		out_table_style(table, look->healthy ? OUT_GOOD : OUT_BAD);
		number_cell(table, look->pid > 0, (uint64_t)look->pid);
		out_table_cell(table, "%s", t->nodes[i].http);
		out_table_cell(table, "%s", t->nodes[i].home);
	}
	out_table_end(table);
	say_modes(t, best);
}

static void say_accounts(const struct testnet *t)
{
	json_t *accounts = accounts_json(t);
	for (unsigned i = 0; stake_rules(t->genesis) != NULL && i < t->n; i++)
		json_array_append_new(accounts, operator_json(t, i));
	putchar('\n');
	struct out_table *table = out_table_new(3, (const char *const[]){"account", "address", "key"});
	for (size_t i = 0; i < json_array_size(accounts); i++) {
		const json_t *account = json_array_get(accounts, i);
		if (!json_is_object(account)) /* its key cannot be read */
			continue;
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
