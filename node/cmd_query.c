/*
 * cmd_query.c: `quorate balance|status|block show|tx show`: questions to a node.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cmd_tx.h"
#include "out.h"
#include "text.h"

struct query_args {
	struct cmd_common common;
	const char *what; /* the argument's name in messages; NULL: the command takes none */
	const char *arg;
};

static error_t parse_query(int key, char *arg, struct argp_state *state)
{
	struct query_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case ARGP_KEY_ARG:
		if (args->arg != NULL || args->what == NULL)
			argp_error(state, "what is \"%s\"?", arg);
		args->arg = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->arg == NULL && args->what != NULL)
			argp_error(state, "%s is missing", args->what);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};

/* Parses the command line, asks `path` and hands the answer to `print`, or prints it as JSON. */
static int answer(const struct query_args *args, const char *path, void (*print)(const json_t *answer))
{
	struct err err = {0};
	struct client *c = access_client(&args->common, &err);
	json_t *json = c == NULL ? NULL : client_get(c, path, &err);
	client_free(c);
	if (json == NULL)
		return cmd_fail(&err);
	if (args->common.json) {
		out_json_take(json);
		return EXIT_DONE;
	}
	print(json);
	json_decref(json);
	return EXIT_DONE;
}

/* A field of an answer as text, whatever its type. */
static const char *text_of(const json_t *object, const char *key, char buf[32])
{
	const json_t *value = json_object_get(object, key);
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(buf, 32, "%lld", (long long)json_integer_value(value));
	else
		snprintf(buf, 32, "%s", json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-");
	return buf;
}

static void print_field(const json_t *object, const char *key, const char *name)
{
	char buf[32];
	out_field(13, name, "%s", text_of(object, key, buf));
}

static void print_rows(const json_t *rows, size_t columns, const char *const *keys)
{
	struct out_table *t = out_table_new(columns, keys);
	size_t i;
	json_t *row;
	char buf[32];
	json_array_foreach((json_t *)rows, i, row)
	{
		for (size_t k = 0; k < columns; k++)
			out_table_cell(t, "%s", text_of(row, keys[k], buf));
	}
	out_table_end(t);
}

/* ---- balance ------------------------------------------------------------------------- */

static void print_balance(const struct qaddress *address, uint64_t amount, const struct coin *coins,
                          size_t cnt)
{
	char text[ADDRESS_TEXT];
	out_field(13, "address", "%s", address_format(address, text));
	out_field(13, "amount", "%llu", (unsigned long long)amount);
	out_field(13, "outputs", "%zu", cnt);
	if (cnt == 0)
		return;
	putchar('\n');
	struct out_table *t = out_table_new(4, (const char *const[]){"txid", "index", "amount", "height"});
	for (size_t i = 0; i < cnt; i++) {
		char id[QHASH_HEX];
		out_table_cell(t, "%s", hex_encode(id, coins[i].point.tx.b, sizeof coins[i].point.tx.b));
		out_table_cell(t, "%u", coins[i].point.index);
		out_table_cell(t, "%llu", (unsigned long long)coins[i].amount);
		out_table_cell(t, "%llu", (unsigned long long)coins[i].height);
	}
	out_table_end(t);
}

static json_t *balance_json(const struct qaddress *address, uint64_t amount, const struct coin *coins,
                            size_t cnt)
{
	char text[ADDRESS_TEXT], number[24];
	json_t *outputs = json_array();
	for (size_t i = 0; i < cnt; i++) {
		char id[QHASH_HEX];
		snprintf(number, sizeof number, "%llu", (unsigned long long)coins[i].amount);
		json_array_append_new(
		    outputs, json_pack("{s:s, s:I, s:s, s:I}", "txid",
		                       hex_encode(id, coins[i].point.tx.b, sizeof coins[i].point.tx.b),
		                       "index", (json_int_t)coins[i].point.index, "amount", number, "height",
		                       (json_int_t)coins[i].height));
	}
	snprintf(number, sizeof number, "%llu", (unsigned long long)amount);
	return json_pack("{s:s, s:s, s:o}", "address", address_format(address, text), "amount", number,
	                 "outputs", outputs);
}

/* All pages. A payment between two pages may shift them: the amount is that of the last page. */
static bool all_coins(struct client *c, const struct qaddress *address, struct coin **coins, size_t *cnt,
                      uint64_t *amount, struct err *err)
{
	enum { PAGE = 1000 };
	uint64_t total;
	size_t got;
	*coins = NULL;
	*cnt = 0;
	do {
		struct coin *page;
		if (!client_coins(c, address, *cnt, PAGE, &page, &got, &total, amount, err)) {
			free(*coins);
			return false;
		}
		*coins = xrealloc(*coins, (*cnt + got + 1) * sizeof **coins);
		memcpy(*coins + *cnt, page, got * sizeof *page);
		free(page);
		*cnt += got;
	} while (got > 0 && *cnt < total);
	return true;
}

int cmd_balance(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_query,
	    .args_doc = "ADDRESS",
	    .doc = "What an address holds and in which outputs. A key file may stand for its address.",
	    .children = children,
	};
	struct query_args args = {.what = "ADDRESS"};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct qaddress address;
	if (!access_address(args.arg, "ADDRESS", &address, &err))
		return cmd_fail(&err);
	struct client *c = access_client(&args.common, &err);
	struct coin *coins;
	size_t cnt;
	uint64_t amount;
	bool ok = c != NULL && all_coins(c, &address, &coins, &cnt, &amount, &err);
	client_free(c);
	if (!ok)
		return cmd_fail(&err);
	if (args.common.json)
		out_json_take(balance_json(&address, amount, coins, cnt));
	else
		print_balance(&address, amount, coins, cnt);
	free(coins);
	return EXIT_DONE;
}

/* ---- status -------------------------------------------------------------------------- */

static void print_status(const json_t *s)
{
	static const char *const fields[] = {"name",         "chain",   "replica",      "height",
	                                     "view",         "active",  "primary",      "block_hash",
	                                     "state_digest", "mempool", "transactions", "supply"};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		print_field(s, fields[i], fields[i]);
	if (json_is_string(json_object_get(s, "muted")))
		print_field(s, "muted", "muted");
	putchar('\n');
	print_rows(json_object_get(s, "peers"), 5,
	           (const char *const[]){"index", "name", "connected", "height", "view"});
}

int cmd_status(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_query,
	    .doc = "What a node says of itself, of the chain's tip and of its peers.",
	    .children = children,
	};
	struct query_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	return answer(&args, "/v1/status", print_status);
}

/* ---- block show ---------------------------------------------------------------------- */

static void print_block(const json_t *b)
{
	static const char *const fields[] = {"height",   "hash",    "parent",  "merkle_root",
	                                     "proposer", "time_ms", "tx_count"};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		print_field(b, fields[i], fields[i]);
	const json_t *cert = json_object_get(b, "certificate");
	char kind[32], view[32], height[32];
	char *signers = json_dumps(json_object_get(cert, "signers"), JSON_COMPACT | JSON_ENCODE_ANY);
	out_field(13, "certificate", "%s of height %s in view %s, signed by %s", text_of(cert, "kind", kind),
	          text_of(cert, "height", height), text_of(cert, "view", view),
	          signers == NULL ? "-" : signers);
	free(signers);
	putchar('\n');
	struct out_table *t = out_table_new(1, (const char *const[]){"transactions"});
	size_t i;
	json_t *id;
	json_array_foreach(json_object_get(b, "transactions"), i, id)
	    out_table_cell(t, "%s", json_is_string(id) ? json_string_value(id) : "?");
	out_table_end(t);
}

static int block_show(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_query,
	    .args_doc = "HEIGHT",
	    .doc = "Shows a block: its header, who certified it, its transactions. HEIGHT may be \"latest\".",
	    .children = children,
	};
	struct query_args args = {.what = "HEIGHT"};
	cmd_parse(&argp, argc, argv, &args);
	uint64_t height;
	if (strcmp(args.arg, "latest") != 0 && !text_u64(args.arg, INT64_MAX, &height))
		return cmd_error(ERR_INPUT, "\"%.40s\" is no height; a number, or \"latest\"", args.arg);
	char path[64];
	snprintf(path, sizeof path, "/v1/blocks/%s", args.arg);
	return answer(&args, path, print_block);
}

int cmd_block(int argc, char **argv)
{
	static const struct command commands[] = {
	    {"show", block_show, "show the block at a height"},
	    {NULL, NULL, NULL},
	};
	return command_run(commands, "quorate block: what is in the chain.\n", argc, argv);
}

/* ---- tx show ------------------------------------------------------------------------- */

static void print_tx(const json_t *tx)
{
	static const char *const fields[] = {"txid",   "status",   "code",   "spent_by",
	                                     "height", "position", "expiry", "memo"};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const json_t *value = json_object_get(tx, fields[i]);
		if (value != NULL && !json_is_null(value))
			print_field(tx, fields[i], fields[i]);
	}
	if (json_object_get(tx, "inputs") != NULL) {
		printf("\ninputs\n");
		print_rows(json_object_get(tx, "inputs"), 4,
		           (const char *const[]){"txid", "index", "owner", "amount"});
	}
	if (json_object_get(tx, "outputs") != NULL) {
		printf("\noutputs\n");
		print_rows(json_object_get(tx, "outputs"), 3,
		           (const char *const[]){"owner", "amount", "spent_by"});
	}
}

int cmd_tx_show(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_query,
	    .args_doc = "TXID",
	    .doc = "What became of a transaction: final with its inputs and outputs and who spent them, "
	           "pending, or rejected "
	           "lately. Exit code 1 if the node knows nothing of it.",
	    .children = children,
	};
	struct query_args args = {.what = "TXID"};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct qtxid id;
	if (!text_txid(args.arg, &id, &err))
		return cmd_fail(&err);
	char path[128];
	snprintf(path, sizeof path, "/v1/transactions/%s", args.arg);
	return answer(&args, path, print_tx);
}
