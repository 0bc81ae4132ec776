/*
 * cmd_tx.c: `quorate tx make|sign|submit|show`: a payment in steps.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cmd_tx.h"
#include "out.h"
#include "pass.h"
#include "text.h"
#include "wallet.h"
#include "wholefile.h"

enum { FILE_MAX = 64 << 20 };
enum { KEY_FROM = 0x200, KEY_TO, KEY_STAKE, KEY_CHANGE, KEY_MEMO, KEY_EXPIRY, KEY_WAIT, KEY_TIMEOUT };

static const struct argp_child chain_children[] = {{.argp = &cmd_chain_argp}, {0}};

/* The document to a new file, or to stdout. */
static int put_draft(const struct draft *d, const char *out, struct err *err)
{
	json_t *json = draft_json(d);
	if (out == NULL) {
		out_json_take(json);
		return EXIT_DONE;
	}
	char *document = json_dumps(json, JSON_INDENT(2)), *text = text_format("%s\n", document);
	json_decref(json);
	free(document);
	bool ok = text_write_new(out, 0644, text, strlen(text), err);
	free(text);
	return ok ? EXIT_DONE : cmd_fail(err);
}

/* ---- make ---------------------------------------------------------------------------- */

struct make_args {
	struct cmd_common common;
	const char *from, *change, *memo, *out;
	bool expiry_given;
	uint64_t expiry;
	unsigned to_cnt, amount_cnt, input_cnt;
	struct qoutput outputs[Q_OUTPUTS_MAX];
	const char *stake[Q_OUTPUTS_MAX]; /* the replica that an output is staked for, or NULL */
	const char *inputs[Q_INPUTS_MAX];
};

static void parse_payment(int key, const char *arg, struct argp_state *state)
{
	struct make_args *args = state->input;
	struct err err = {0};
	unsigned *cnt = key == KEY_TO ? &args->to_cnt : &args->amount_cnt;
	if (*cnt == Q_OUTPUTS_MAX - 1)
		argp_error(state, "at most %d outputs", Q_OUTPUTS_MAX - 1);
	bool ok = key == KEY_TO ? access_address(arg, "--to", &args->outputs[*cnt].owner, &err)
	                        : text_amount(arg, "--amount", &args->outputs[*cnt].amount, &err);
	if (!ok)
		argp_error(state, "%s", err.text);
	++*cnt;
}

static error_t parse_make(int key, char *arg, struct argp_state *state)
{
	struct make_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_FROM:
		args->from = arg;
		return 0;
	case KEY_TO:
	case 'a':
		parse_payment(key, arg, state);
		return 0;
	case KEY_STAKE:
		if (args->to_cnt == 0)
			argp_error(state, "--stake comes after the --to that it is about");
		args->stake[args->to_cnt - 1] = arg;
		return 0;
	case 'i':
		if (args->input_cnt == Q_INPUTS_MAX)
			argp_error(state, "at most %d inputs", Q_INPUTS_MAX);
		args->inputs[args->input_cnt++] = arg;
		return 0;
	case KEY_CHANGE:
		args->change = arg;
		return 0;
	case KEY_MEMO:
		if (strlen(arg) > Q_MEMO_MAX)
			argp_error(state, "--memo: is %zu bytes long; at most %d", strlen(arg), Q_MEMO_MAX);
		args->memo = arg;
		return 0;
	case KEY_EXPIRY:
		args->expiry_given = true;
		if (!text_u64(arg, INT64_MAX, &args->expiry))
			argp_error(state, "--expiry \"%s\": not a height", arg);
		return 0;
	case 'o':
		args->out = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		return 0;
	case ARGP_KEY_END:
		if ((args->from == NULL) == (args->input_cnt == 0))
			argp_error(state, "either --from or --input says what is spent");
		if (args->to_cnt != args->amount_cnt || args->to_cnt == 0)
			argp_error(state, "--to and --amount come in pairs, at least one");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What the node says of an output: its owner and amount. */
static bool ask_output(struct client *c, struct coin *coin, struct err *err)
{
	char id[QHASH_HEX], path[128];
	snprintf(path, sizeof path, "/v1/transactions/%s",
	         hex_encode(id, coin->point.tx.b, sizeof coin->point.tx.b));
	json_t *json = client_get(c, path, err);
	if (json == NULL)
		return err_prefix(err, "--input %s", id);
	const json_t *output = json_array_get(json_object_get(json, "outputs"), coin->point.index);
	const char *owner = json_string_value(json_object_get(output, "owner"));
	const char *amount = json_string_value(json_object_get(output, "amount"));
	struct jvalue root = jread_root(output);
	bool ok = owner != NULL && amount != NULL;
	if (!ok)
		err_set(err, ERR_NO, "--input %s:%u: no such final output", id, coin->point.index);
	else
		ok = address_parse(owner, &coin->owner, err) &&
		     text_amount(amount, "amount", &coin->amount, err) &&
		     client_lock(&root, &coin->lock, err);
	if (ok && (coin->lock.kind == QLOCK_STAKE || coin->lock.kind == QLOCK_FROZEN))
		ok = err_set(err, ERR_INPUT, "--input %s:%u: is locked (%s)%s", id, coin->point.index,
		             lock_name(coin->lock.kind),
		             coin->lock.kind == QLOCK_STAKE ? "; `quorate stake unbond` releases it" : "");
	json_decref(json);
	return ok;
}

/* TXID:INDEX, or TXID:INDEX:OWNER:AMOUNT, which needs no node. */
static bool parse_input(const char *text, struct client *c, struct coin *coin, struct err *err)
{
	char *copy = xstrdup(text), *rest = copy;
	const char *txid = strsep(&rest, ":"), *index = strsep(&rest, ":"), *owner = strsep(&rest, ":"),
	           *amount = rest;
	uint64_t position = 0;
	bool ok = text_txid(txid, &coin->point.tx, err) || err_prefix(err, "--input");
	if (ok &&
	    (index == NULL || !text_u64(index, UINT32_MAX, &position) || (owner != NULL && amount == NULL)))
		ok = err_set(err, ERR_INPUT, "--input %.160s: not TXID:INDEX or TXID:INDEX:OWNER:AMOUNT",
		             text);
	coin->point.index = (u_int)position;
	if (ok && owner != NULL)
		ok = access_address(owner, "--input", &coin->owner, err) &&
		     text_amount(amount, "--input", &coin->amount, err);
	else if (ok)
		ok = ask_output(c, coin, err);
	free(copy);
	return ok;
}

static bool gather(const struct make_args *args, struct client *c, const struct wallet_view *view,
                   struct coin **coins, size_t *cnt, struct err *err)
{
	if (args->from != NULL) {
		uint64_t need = 0;
		struct qaddress from;
		for (unsigned i = 0; i < args->to_cnt; i++) {
			if (__builtin_add_overflow(need, args->outputs[i].amount, &need) ||
			    need > TX_AMOUNT_MAX)
				return err_set(err, ERR_INPUT, "the amounts add up to more than 2^63-1");
		}
		return access_address(args->from, "--from", &from, err) &&
		       wallet_select(c, &from, view, need, coins, cnt, err);
	}
	*cnt = args->input_cnt;
	*coins = xcalloc(*cnt, sizeof **coins);
	for (size_t i = 0; i < *cnt; i++) {
		if (!parse_input(args->inputs[i], c, &(*coins)[i], err)) {
			free(*coins);
			return false;
		}
	}
	return true;
}

/* The chain's id and height: from the genesis and no one where nothing needs a node. */
static bool orient(const struct make_args *args, struct client *c, struct genesis **g, struct wallet_view *v,
                   struct err *err)
{
	const char *path = access_genesis_path(&args->common);
	bool offline = path != NULL && args->expiry_given && args->from == NULL;
	struct client_status at = {0};
	*g = path == NULL ? NULL : genesis_load(path, err);
	if (path != NULL && *g == NULL)
		return false;
	if (offline)
		at.chain = (*g)->chain;
	else if (!client_status(c, &at, err))
		return false;
	if (*g != NULL && !qhash_eq(&(*g)->chain, &at.chain))
		return err_set(err, ERR_INPUT, "%s runs another chain than that of %s", client_url(c), path);
	*v = (struct wallet_view){.chain = at.chain, .height = at.height};
	return true;
}

static bool lock_outputs(struct make_args *args, const struct genesis *g, struct err *err)
{
	for (unsigned i = 0; i < args->to_cnt; i++) {
		struct qlock *lock = &args->outputs[i].lock;
		if (args->stake[i] == NULL)
			continue;
		if (!wallet_replica(g, args->stake[i], &lock->qlock_u.replica, err))
			return err_prefix(err, "--stake");
		lock->kind = QLOCK_STAKE;
	}
	return true;
}

static bool make(struct make_args *args, struct client *c, const struct genesis *g,
                 const struct wallet_view *view, struct draft *draft, struct err *err)
{
	struct coin *coins;
	size_t cnt;
	if (!lock_outputs(args, g, err) || !gather(args, c, view, &coins, &cnt, err))
		return false;
	struct qoutput change = {.owner = coins[0].owner};
	uint64_t expiry = args->expiry_given ? args->expiry : wallet_expiry(view->height);
	bool ok = (args->change == NULL || access_address(args->change, "--change", &change.owner, err)) &&
	          draft_make(draft, &view->chain, coins, cnt, args->outputs, args->to_cnt, &change,
	                     args->memo, expiry, err);
	free(coins);
	return ok;
}

static int make_with(struct make_args *args, struct client *c, struct err *err)
{
	struct genesis *g;
	struct wallet_view view;
	struct draft draft;
	bool ok = orient(args, c, &g, &view, err) && make(args, c, g, &view, &draft, err);
	genesis_free(g);
	if (!ok)
		return cmd_fail(err);
	int code = put_draft(&draft, args->out, err);
	draft_free(&draft);
	return code;
}

static int tx_make_command(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"from", KEY_FROM, "ADDRESS", 0,
	     "Spend this address' outputs, the oldest first (or a key file: its address)", 1},
	    {"input", 'i', "TXID:INDEX[:OWNER:AMOUNT]", CMD_REPEATED,
	     "Spend this output (repeat). With owner and amount no node is asked for them", 1},
	    {"to", KEY_TO, "ADDRESS", CMD_REPEATED, "Who is paid; repeat with --amount for several", 1},
	    {"amount", 'a', "N", CMD_REPEATED, "How much, in the order of --to", 1},
	    {"stake", KEY_STAKE, "REPLICA", CMD_REPEATED,
	     "Stake what the --to before is paid for this replica (its number or name)", 1},
	    {"change", KEY_CHANGE, "ADDRESS", 0, "Where the rest goes (default: the first input's owner)", 1},
	    {"memo", KEY_MEMO, "TEXT", CMD_MAY_BE_EMPTY, "Up to 256 bytes that are kept with it", 1},
	    {"expiry", KEY_EXPIRY, "HEIGHT", 0,
	     "The last block that may hold it; 0: any (default: 1000 to 17383 blocks from now)", 1},
	    {"output", 'o', "FILE", 0, "Write to this new file (default: standard output)", 1},
	    {0},
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_make,
	    .doc = "Makes a transaction that nobody has signed yet: a JSON document for `quorate tx sign`. "
	           "With --genesis, "
	           "--expiry and complete --input no node is needed.",
	    .children = chain_children,
	};
	struct make_args *args = xcalloc(1, sizeof *args);
	args->memo = "";
	cmd_parse(&argp, argc, argv, args);
	struct err err = {0};
	struct client *c = access_client(&args->common, &err);
	int code = c == NULL ? cmd_fail(&err) : make_with(args, c, &err);
	client_free(c);
	free(args);
	return code;
}

/* ---- sign ---------------------------------------------------------------------------- */

struct sign_args {
	struct cmd_common common;
	const char *file, *out;
	unsigned key_cnt;
	const char *keys[Q_WITNESSES_MAX];
};

static error_t parse_sign(int key, char *arg, struct argp_state *state)
{
	struct sign_args *args = state->input;
	switch (key) {
	case 'k':
		if (args->key_cnt == Q_WITNESSES_MAX)
			argp_error(state, "at most %d keys", Q_WITNESSES_MAX);
		args->keys[args->key_cnt++] = arg;
		return 0;
	case 'o':
		args->out = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (args->file != NULL)
			argp_error(state, "one FILE, not also \"%s\"", arg);
		args->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->file == NULL || args->key_cnt == 0)
			argp_error(state, "FILE and at least one --key are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int tx_sign_command(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"key", 'k', "FILE", CMD_REPEATED, "The key file of an owner of its inputs (repeat)", 1},
	    {"output", 'o', "FILE", 0, "Write to this new file (default: standard output)", 1},
	    {0},
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_sign,
	    .args_doc = "FILE",
	    .doc = "Signs the document FILE (-: standard input) with one or more keys. Owners who sit apart "
	           "sign one after the "
	           "other. Once all have signed, it has the field \"signed\": what `quorate tx submit` hands "
	           "to a node. "
	           "Needs no node.",
	};
	struct sign_args *args = xcalloc(1, sizeof *args);
	cmd_parse(&argp, argc, argv, args);

	struct err err = {0};
	struct draft draft = {0};
	size_t len;
	char *text = wholefile_read(args->file, FILE_MAX, &len, &err);
	bool ok = text != NULL && (draft_read(&draft, text, len, &err) || err_prefix(&err, "%s", args->file));
	for (unsigned i = 0; ok && i < args->key_cnt; i++) {
		struct account *a = pass_read_account(args->keys[i], &err);
		ok = a != NULL && (draft_sign(&draft, a, &err) || err_prefix(&err, "%s", args->keys[i]));
		account_free(a);
	}
	int code = ok ? put_draft(&draft, args->out, &err) : cmd_fail(&err);
	draft_free(&draft);
	free(text);
	free(args);
	return code;
}

int cmd_tx(int argc, char **argv)
{
	static const struct command commands[] = {
	    {"make", tx_make_command, "make an unsigned transaction"},
	    {"sign", tx_sign_command, "sign it with one or more keys"},
	    {"submit", cmd_tx_submit, "hand signed transactions to a node, many at once"},
	    {"show", cmd_tx_show, "what became of a transaction"},
	    {NULL, NULL, NULL},
	};
	static const char text[] = "quorate tx: payments in steps.\n"
	                           "\n"
	                           "  quorate tx make --from alice.key --to ADDRESS --amount 5 -o pay.json\n"
	                           "  quorate tx sign pay.json --key alice.key -o signed.json\n"
	                           "  quorate tx submit signed.json --wait\n";
	return command_run(commands, text, argc, argv);
}
