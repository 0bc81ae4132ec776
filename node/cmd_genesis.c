/*
 * cmd_genesis.c: `quorate genesis new|check|show`: the ceremony.
 *
 * Each operator runs `quorate node init` and hands its line NAME,KEY,URL to the others; one of them runs
 * `genesis new` with all the lines and the allocations; each checks the result with `genesis show` and
 * compares the chain id.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "clock.h"
#include "cmd.h"
#include "genesis.h"
#include "out.h"
#include "text.h"

/* ---- new ------------------------------------------------------------------ */

struct new_args {
	struct cmd_common common;
	const char *out;
	bool named;
	struct genesis genesis;
	struct err err;
};

static const struct param {
	const char *name;
	size_t offset;
} params[] = {
#define PARAM(name)                                   \
	{                                             \
#name, offsetof(struct qparams, name) \
	}
    PARAM(checkpoint_interval), PARAM(window),         PARAM(block_txs_max), PARAM(block_bytes_max),
    PARAM(timeout_ms),          PARAM(timeout_cap_ms), PARAM(drift_ms),      PARAM(pool_source_max),
    PARAM(pool_owner_max),
#undef PARAM
};
enum { PARAM_CNT = sizeof params / sizeof *params };

static u_int *param_of(struct qparams *p, const struct param *param)
{
	return (u_int *)(void *)((char *)p + param->offset);
}

static bool set_param(struct qparams *p, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	for (size_t i = 0; equals != NULL && i < PARAM_CNT; i++) {
		size_t len = strlen(params[i].name);
		if ((size_t)(equals - text) != len || strncmp(text, params[i].name, len) != 0)
			continue;
		uint64_t value;
		if (!text_u64(equals + 1, UINT32_MAX, &value))
			return err_set(err, ERR_INPUT, "--param %s: \"%.20s\" is no number from 0 to %u",
			               params[i].name, equals + 1, UINT32_MAX);
		*param_of(p, &params[i]) = (u_int)value;
		return true;
	}
	return err_set(err, ERR_INPUT,
	               "--param %.60s: not NAME=VALUE with a NAME that `quorate genesis show` lists", text);
}

static bool add_replica(struct genesis *g, const char *text, struct err *err)
{
	if (g->g.replicas.replicas_len == Q_REPLICAS_MAX)
		return err_set(err, ERR_INPUT, "--replica: more than %d of them", Q_REPLICAS_MAX);
	char *copy = xstrdup(text), *rest = copy;
	const char *name = strsep(&rest, ","), *key = strsep(&rest, ","), *address = rest;
	struct qreplica *r = &g->g.replicas.replicas_val[g->g.replicas.replicas_len];
	bool ok = address != NULL;
	if (!ok)
		err_set(err, ERR_INPUT, "--replica %.100s: not NAME,KEY,URL as `quorate node init` prints it",
		        text);
	else if (!hex_decode(r->key.b, sizeof r->key.b, key))
		ok = err_set(err, ERR_INPUT,
		             "--replica %s: the key \"%.80s\" is not 64 hex digits (0-9, a-f)", name, key);
	if (ok) {
		r->name = xstrdup(name);
		r->address = xstrdup(address);
		g->g.replicas.replicas_len++;
	}
	free(copy);
	return ok;
}

static bool add_allocation(struct genesis *g, const char *text, struct err *err)
{
	struct qoutput out;
	const char *equals = strchr(text, '=');
	if (equals == NULL)
		return err_set(err, ERR_INPUT, "--allocate %.100s: not ADDRESS=AMOUNT", text);
	char *address = xmemdup(text, (size_t)(equals - text) + 1);
	address[equals - text] = '\0';
	bool ok = address_parse(address, &out.owner, err) || err_prefix(err, "--allocate");
	free(address);
	if (!ok || !text_amount(equals + 1, "--allocate", &out.amount, err))
		return false;
	u_int cnt = g->g.allocations.allocations_len;
	if (cnt == Q_ALLOCS_MAX)
		return err_set(err, ERR_INPUT, "--allocate: more than %d of them", Q_ALLOCS_MAX);
	if ((cnt & (cnt - 1)) == 0) /* full at each power of two */
		g->g.allocations.allocations_val =
		    xrealloc(g->g.allocations.allocations_val, (cnt == 0 ? 1 : 2 * (size_t)cnt) * sizeof out);
	g->g.allocations.allocations_val[cnt] = out;
	g->g.allocations.allocations_len++;
	return true;
}

static error_t parse_new(int key, char *arg, struct argp_state *state)
{
	struct new_args *args = state->input;
	struct genesis *g = &args->genesis;
	bool ok = true;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		break;
	case 'n':
		free(g->g.name);
		g->g.name = xstrdup(arg);
		args->named = true;
		break;
	case 't':
		ok = text_u64(arg, INT64_MAX, &g->g.time_ms) ||
		     err_set(&args->err, ERR_INPUT, "--time \"%.40s\": not milliseconds since 1970", arg);
		break;
	case 'r':
		ok = add_replica(g, arg, &args->err);
		break;
	case 'a':
		ok = add_allocation(g, arg, &args->err);
		break;
	case 'p':
		ok = set_param(&g->g.params, arg, &args->err);
		break;
	case 'o':
		args->out = arg;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		break;
	case ARGP_KEY_END:
		if (!args->named)
			argp_error(state, "--name is missing");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (!ok)
		argp_error(state, "%s", args->err.text);
	return 0;
}

static const struct argp_child json_children[] = {{.argp = &cmd_json_argp}, {0}};

static void print_made(const struct new_args *args)
{
	char chain[QHASH_HEX];
	hex_encode(chain, args->genesis.chain.b, sizeof args->genesis.chain.b);
	if (args->out == NULL)
		return; /* the genesis itself is on stdout */
	if (args->common.json) {
		out_json_take(json_pack("{s:s, s:s}", "file", args->out, "chain", chain));
		return;
	}
	puts(chain);
}

static int genesis_new(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"name", 'n', "NAME", 0, "The chain's name", 1},
	    {"replica", 'r', "NAME,KEY,URL", 0,
	     "A replica: the line that `quorate node init` printed on its machine (repeat; 1, or 4 to 64 of "
	     "them)",
	     1},
	    {"allocate", 'a', "ADDRESS=AMOUNT", 0, "Who holds what at the beginning (repeat)", 1},
	    {"param", 'p', "NAME=VALUE", 0, "A parameter that differs from its default (repeat)", 1},
	    {"time", 't', "MS", 0, "The genesis' time, ms since 1970 (default: now)", 1},
	    {"output", 'o', "FILE", 0,
	     "Write the genesis to this new file and print the chain id (default: the genesis on "
	     "standard output)",
	     1},
	    {0},
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_new,
	    .doc = "Makes a genesis from what the operators have collected. Everything in it is part of the "
	           "chain id: all "
	           "replicas need the same file.",
	    .children = json_children,
	};
	struct new_args args = {0};
	struct qgenesis *g = &args.genesis.g;
	g->format = 1;
	g->time_ms = clock_ms(CLOCK_REALTIME);
	g->params = genesis_default_params();
	g->replicas.replicas_val = xcalloc(Q_REPLICAS_MAX, sizeof *g->replicas.replicas_val);
	cmd_parse(&argp, argc, argv, &args);

	bool ok = genesis_finish(&args.genesis, &args.err);
	char *text = ok ? genesis_format(&args.genesis) : NULL;
	if (ok && args.out != NULL)
		ok = text_write_new(args.out, 0644, text, strlen(text), &args.err);
	else if (ok)
		fputs(text, stdout);
	if (ok)
		print_made(&args);
	free(text);
	wire_free(WIRE(qgenesis), g);
	return ok ? EXIT_DONE : cmd_fail(&args.err);
}

/* ---- check, show ------------------------------------------------------------ */

struct file_args {
	struct cmd_common common;
	const char *file;
};

static error_t parse_file(int key, char *arg, struct argp_state *state)
{
	struct file_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case ARGP_KEY_ARG:
		if (args->file != NULL)
			argp_error(state, "one FILE, not also \"%s\"", arg);
		args->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->file == NULL)
			argp_error(state, "which FILE?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static json_t *genesis_json(const struct genesis *g)
{
	char text[QHASH_HEX];
	json_t *replicas = json_array(), *parameters = json_object();
	for (unsigned i = 0; i < g->n; i++) {
		const struct qreplica *r = &g->g.replicas.replicas_val[i];
		json_array_append_new(
		    replicas, json_pack("{s:i, s:s, s:s, s:s}", "index", (int)i, "name", r->name, "key",
		                        hex_encode(text, r->key.b, sizeof r->key.b), "address", r->address));
	}
	struct qparams p = g->g.params;
	for (size_t i = 0; i < PARAM_CNT; i++)
		json_object_set_new(parameters, params[i].name, json_integer(*param_of(&p, &params[i])));
	char supply[24];
	snprintf(supply, sizeof supply, "%llu", (unsigned long long)g->supply);
	return json_pack("{s:s, s:s, s:I, s:i, s:i, s:i, s:s, s:I, s:o, s:o}", "chain",
	                 hex_encode(text, g->chain.b, sizeof g->chain.b), "name", g->g.name, "time_ms",
	                 (json_int_t)g->g.time_ms, "n", (int)g->n, "f", (int)g->f, "quorum", (int)g->quorum,
	                 "supply", supply, "allocations", (json_int_t)g->g.allocations.allocations_len,
	                 "replicas", replicas, "parameters", parameters);
}

static void print_genesis(const struct genesis *g)
{
	char text[QHASH_HEX];
	enum { W = 12 };
	out_field(W, "name", "%s", g->g.name);
	out_field(W, "chain", "%s", hex_encode(text, g->chain.b, sizeof g->chain.b));
	out_field(W, "replicas", "%u; %u may be faulty; %u make a quorum", g->n, g->f, g->quorum);
	out_field(W, "supply", "%llu in %u allocations", (unsigned long long)g->supply,
	          g->g.allocations.allocations_len);
	putchar('\n');
	struct out_table *t = out_table_new(4, (const char *const[]){"replica", "name", "key", "address"});
	for (unsigned i = 0; i < g->n; i++) {
		const struct qreplica *r = &g->g.replicas.replicas_val[i];
		out_table_cell(t, "%u", i);
		out_table_cell(t, "%s", r->name);
		out_table_cell(t, "%s", hex_encode(text, r->key.b, sizeof r->key.b));
		out_table_cell(t, "%s", r->address);
	}
	out_table_end(t);
	putchar('\n');
	struct qparams p = g->g.params;
	for (size_t i = 0; i < PARAM_CNT; i++)
		out_field(20, params[i].name, "%u", *param_of(&p, &params[i]));
}

static int genesis_check(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_file,
	    .args_doc = "FILE",
	    .doc = "Reads a genesis strictly and checks every rule. Prints the chain id; exit code 2 and the "
	           "field at fault "
	           "where it is not sound.",
	    .children = json_children,
	};
	struct file_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct genesis *g = genesis_load(args.file, &err);
	if (g == NULL)
		return cmd_fail(&err);
	char chain[QHASH_HEX];
	hex_encode(chain, g->chain.b, sizeof g->chain.b);
	if (args.common.json)
		out_json_take(
		    json_pack("{s:s, s:s, s:s}", "verdict", "ok", "file", args.file, "chain", chain));
	else
		puts(chain);
	genesis_free(g);
	return EXIT_DONE;
}

static int genesis_show(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_file,
	    .args_doc = "FILE",
	    .doc = "Shows a genesis: chain id, replicas, parameters, supply.",
	    .children = json_children,
	};
	struct file_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct genesis *g = genesis_load(args.file, &err);
	if (g == NULL)
		return cmd_fail(&err);
	if (args.common.json)
		out_json_take(genesis_json(g));
	else
		print_genesis(g);
	genesis_free(g);
	return EXIT_DONE;
}

int cmd_genesis(int argc, char **argv)
{
	static const struct command commands[] = {
	    {"new", genesis_new, "make one from replicas, allocations and parameters"},
	    {"check", genesis_check, "check every rule; print the chain id"},
	    {"show", genesis_show, "show what it says"},
	    {NULL, NULL, NULL},
	};
	static const char text[] = "quorate genesis: a chain's constitution.\n"
	                           "\n"
	                           "  1. each operator:  quorate node init --home HOME --listen "
	                           "tcp://HOST:PORT      prints NAME,KEY,URL\n"
	                           "  2. one of them:    quorate genesis new --name NAME --replica "
	                           "NAME,KEY,URL ... --allocate ADDRESS=AMOUNT ...\n"
	                           "                         -o genesis.json\n"
	                           "  3. each operator:  quorate genesis show genesis.json     compare the "
	                           "chain id, then copy it into HOME\n";
	return command_run(commands, text, argc, argv);
}
