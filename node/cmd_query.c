/*
 * cmd_query.c: `quorate balance|status|block show`: questions to a node.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "out.h"
#include "text.h"
#include "wallet.h"

struct query_args {
	struct cmd_common common;
	const char *what; /* the argument's name in messages; NULL: the command takes none */
	const char *arg;
	bool healthy;
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

struct balance {
	struct qaddress address;
	struct wallet_view view;
	struct coin *coins;
	size_t cnt;
	uint64_t amount, staked, releasing, frozen; /* free to spend; locked, and how */
};

static uint64_t *kind_of(struct balance *b, const struct coin *coin)
{
	switch (coin->lock.kind) {
	case QLOCK_STAKE:
		return &b->staked;
	case QLOCK_FROZEN:
		return &b->frozen;
	case QLOCK_NONE:
	case QLOCK_RELEASE:
		break;
	}
	return wallet_free(&b->view, coin) ? &b->amount : &b->releasing;
}

/* What a node says may be anything. */
static bool add_up(struct balance *b, struct err *err)
{
	for (size_t i = 0; i < b->cnt; i++) {
		const struct coin *c = &b->coins[i];
		uint64_t *sum = kind_of(b, c), lost = sum == &b->amount ? c->penalty : 0;
		if (__builtin_add_overflow(*sum, c->amount - lost, sum) ||
		    __builtin_add_overflow(b->frozen, lost, &b->frozen))
			return err_set(err, ERR_WORLD, "the outputs are worth more than there can be");
	}
	return true;
}

static const char *lock_text(const struct coin *c, char text[48])
{
	if (c->lock.kind == QLOCK_NONE)
		return "";
	snprintf(text, 48, "%s, replica %u", lock_name(c->lock.kind), c->lock.qlock_u.replica);
	return text;
}

static const char *free_at_text(const struct coin *c, char text[24])
{
	if (c->lock.kind != QLOCK_RELEASE)
		return "";
	snprintf(text, 24, "%llu", (unsigned long long)c->free_at);
	return text;
}

static bool any_locked(const struct balance *b)
{
	for (size_t i = 0; i < b->cnt; i++) {
		if (b->coins[i].lock.kind != QLOCK_NONE)
			return true;
	}
	return false;
}

static void print_balance(const struct balance *b)
{
	static const char *const head[] = {"txid", "index", "amount", "height", "lock", "free at"};
	char text[ADDRESS_TEXT], lock[48], free_at[24], id[QHASH_HEX];
	bool locked = any_locked(b);
	out_field(13, "address", "%s", address_format(&b->address, text));
	out_field(13, "amount", "%llu", (unsigned long long)b->amount);
	if (locked) {
		out_field(13, "staked", "%llu", (unsigned long long)b->staked);
		out_field(13, "releasing", "%llu", (unsigned long long)b->releasing);
		out_field(13, "frozen", "%llu", (unsigned long long)b->frozen);
	}
	out_field(13, "outputs", "%zu", b->cnt);
	if (b->cnt == 0)
		return;
	putchar('\n');
	struct out_table *t = out_table_new(locked ? 6 : 4, head);
	for (size_t i = 0; i < b->cnt; i++) {
		const struct coin *c = &b->coins[i];
		out_table_cell(t, "%s", hex_encode(id, c->point.tx.b, sizeof c->point.tx.b));
		out_table_cell(t, "%u", c->point.index);
		out_table_cell(t, "%llu", (unsigned long long)c->amount);
		out_table_cell(t, "%llu", (unsigned long long)c->height);
		if (!locked)
			continue;
		out_table_cell(t, "%s", lock_text(c, lock));
		out_table_cell(t, "%s", free_at_text(c, free_at));
	}
	out_table_end(t);
}

static json_t *coin_json(const struct coin *c)
{
	char id[QHASH_HEX];
	json_t *json =
	    json_pack("{s:s, s:I, s:o, s:I}", "txid", hex_encode(id, c->point.tx.b, sizeof c->point.tx.b),
	              "index", (json_int_t)c->point.index, "amount", jread_amount_json(c->amount), "height",
	              (json_int_t)c->height);
	if (c->lock.kind == QLOCK_NONE)
		return json;
	json_object_set_new(json, "lock", json_string(lock_name(c->lock.kind)));
	json_object_set_new(json, "replica", json_integer(c->lock.qlock_u.replica));
	if (c->lock.kind == QLOCK_RELEASE)
		json_object_set_new(json, "free_at", json_integer((json_int_t)c->free_at));
	json_object_set_new(json, "penalty", jread_amount_json(c->penalty));
	return json;
}

static json_t *balance_json(const struct balance *b)
{
	char text[ADDRESS_TEXT];
	json_t *outputs = json_array();
	for (size_t i = 0; i < b->cnt; i++)
		json_array_append_new(outputs, coin_json(&b->coins[i]));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "address", address_format(&b->address, text),
	                 "amount", jread_amount_json(b->amount), "staked", jread_amount_json(b->staked),
	                 "releasing", jread_amount_json(b->releasing), "frozen", jread_amount_json(b->frozen),
	                 "outputs", outputs);
}

/* All outputs and what they come to. Where the chain is matters only for what was released. */
static bool ask_balance(struct client *c, struct balance *b, struct err *err)
{
	struct client_status at = {0};
	if (!wallet_all(c, &b->address, &b->coins, &b->cnt, err) ||
	    (any_locked(b) && !client_status(c, &at, err)))
		return false;
	b->view.height = at.height;
	return add_up(b, err);
}

int cmd_balance(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_query,
	    .args_doc = "ADDRESS",
	    .doc =
	        "What an address can spend, what it has locked, and in which outputs. A key file may stand "
	        "for its "
	        "address. When released stake is free, the chain's genesis tells.",
	    .children = children,
	};
	struct query_args args = {.what = "ADDRESS"};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct balance b = {0};
	if (!access_address(args.arg, "ADDRESS", &b.address, &err))
		return cmd_fail(&err);
	struct client *c = access_client(&args.common, &err);
	bool ok = c != NULL && ask_balance(c, &b, &err);
	if (ok && args.common.json)
		out_json_take(balance_json(&b));
	else if (ok)
		print_balance(&b);
	free(b.coins);
	client_free(c);
	return ok ? EXIT_DONE : cmd_fail(&err);
}

/* ---- status -------------------------------------------------------------------------- */

/* Who proposes the next block, and why. */
static void print_proposer(const json_t *s)
{
	char who[32], epoch[32], turn[32];
	const char *mode = json_string_value(json_object_get(s, "proposer_mode"));
	if (mode == NULL)
		return;
	if (strcmp(mode, "stake") == 0)
		out_field(13, "proposer", "%s (by stake: epoch %s, turn %s)", text_of(s, "proposer", who),
		          text_of(s, "epoch", epoch), text_of(s, "turn", turn));
	else
		out_field(13, "proposer", "%s (the primary)", text_of(s, "proposer", who));
}

/* Where blocks are mined. What a node says may be anything. */
static void print_mining(const json_t *s)
{
	const json_t *mining = json_object_get(s, "mining");
	char height[32], expected[32];
	if (!json_is_object(mining))
		return;
	text_of(mining, "height", height);
	out_field(13, "mining", "%s%s; %.0f hashes a second; a block of %.1f bits takes %s ms on average",
	          json_is_integer(json_object_get(mining, "height")) ? "height " : "idle",
	          json_is_integer(json_object_get(mining, "height")) ? height : "",
	          json_number_value(json_object_get(mining, "hash_rate")),
	          json_number_value(json_object_get(mining, "target_bits")),
	          text_of(mining, "expected_ms", expected));
}

/* The chain before this one, if it succeeds one. */
static void print_parent(const json_t *parent)
{
	char height[32];
	if (json_is_object(parent))
		out_field(13, "succeeds", "%s at height %s",
		          json_string_value(json_object_get(parent, "chain")),
		          text_of(parent, "height", height));
}

static void print_status(const json_t *s)
{
	static const char *const fields[] = {"name", "chain",  "replica", "height",
	                                     "view", "active", "primary"},
	                         *const rest[] = {"block_hash", "state_digest", "mempool", "transactions",
	                                          "supply"};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		print_field(s, fields[i], fields[i]);
	print_parent(json_object_get(s, "parent"));
	print_proposer(s);
	print_mining(s);
	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
		print_field(s, rest[i], rest[i]);
	if (json_is_string(json_object_get(s, "muted")))
		print_field(s, "muted", "muted");
	putchar('\n');
	print_rows(json_object_get(s, "peers"), 5,
	           (const char *const[]){"index", "name", "connected", "height", "view"});
}

static void print_health(const json_t *health)
{
	print_field(health, "status", "status");
	print_field(health, "height", "height");
	print_field(health, "view", "view");
}

enum { OPT_HEALTHY = 0x100 };

static error_t parse_status(int key, char *arg, struct argp_state *state)
{
	struct query_args *args = state->input;
	if (key != OPT_HEALTHY)
		return parse_query(key, arg, state);
	args->healthy = true;
	return 0;
}

int cmd_status(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"healthy", OPT_HEALTHY, NULL, 0,
	     "Only whether payments can be made there: exit code 0, else 3 and why not"},
	    {0},
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_status,
	    .doc = "What a node says of itself, of the chain's tip and of its peers.",
	    .children = children,
	};
	struct query_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	return args.healthy ? answer(&args, "/healthz", print_health)
	                    : answer(&args, "/v1/status", print_status);
}

/* ---- block show ---------------------------------------------------------------------- */

static void print_block(const json_t *b)
{
	static const char *const fields[] = {"height",   "hash",    "parent",  "merkle_root",
	                                     "proposer", "time_ms", "tx_count"};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		print_field(b, fields[i], fields[i]);
	const json_t *cert = json_object_get(b, "certificate"), *seal = json_object_get(b, "seal");
	char kind[32], view[32], height[32], nonce[32];
	if (json_is_object(seal))
		out_field(13, "seal", "proof of work, nonce %s", text_of(seal, "nonce", nonce));
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
