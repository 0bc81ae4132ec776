/*
 * cmd_trace.c: `quorate trace OUTPUT`: follows value backwards to the genesis, by receipts.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lineage_show.h"
#include "out.h"
#include "text.h"

struct trace_args {
	struct proof_args proof;
	const char *output;
	bool dot;
	struct lineage_options options;
};

enum { KEY_DEPTH = 0x200, KEY_LIMIT, KEY_DOT };

static error_t parse_trace(int key, char *arg, struct argp_state *state)
{
	struct trace_args *args = state->input;
	uint64_t number;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_DEPTH:
		if (!text_u64(arg, UINT64_MAX, &args->options.depth))
			argp_error(state, "--depth \"%s\": not a number", arg);
		return 0;
	case KEY_LIMIT:
		if (!text_u64(arg, LINEAGE_LIMIT_MAX, &number) || number == 0)
			argp_error(state, "--limit \"%s\": not a number from 1 to %d", arg,
			           LINEAGE_LIMIT_MAX);
		args->options.limit = (size_t)number;
		return 0;
	case KEY_DOT:
		args->dot = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->output != NULL)
			argp_error(state, "what is \"%s\"?", arg);
		args->output = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->output == NULL)
			argp_error(state, "OUTPUT is missing: TXID:INDEX, or TXID for all of a transaction");
		if (args->dot && args->proof.common.json)
			argp_error(state, "either --json or --dot");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* TXID or TXID:INDEX. */
static bool parse_subject(const char *text, struct lineage_subject *s, struct err *err)
{
	const char *colon = strchr(text, ':');
	size_t len = colon == NULL ? strlen(text) : (size_t)(colon - text);
	uint64_t index = 0;
	char id[QHASH_HEX] = "?"; /* what is too long is no id */
	if (len < sizeof id)
		memcpy(id, text, len + 1), id[len] = '\0';
	if (!text_txid(id, &s->id, err) || (colon != NULL && !text_u64(colon + 1, UINT32_MAX, &index)))
		return err_set(err, ERR_INPUT,
		               "\"%.100s\" is no output: TXID:INDEX, or TXID for all of a transaction; an id "
		               "has 64 hex digits",
		               text);
	s->all = colon == NULL;
	s->index = (uint32_t)index;
	return true;
}

/* Counts the outputs of what was traced; is this one of them? */
static bool count_outputs(const struct lineage *t, struct lineage_subject *s, struct err *err)
{
	s->output_cnt =
	    t->hop_cnt > 0 ? t->hops[0].tx->q.body.outputs.outputs_len : t->g->g.allocations.allocations_len;
	return s->all || s->index < s->output_cnt ||
	       err_set(err, ERR_NO, "the transaction has %u output%s, and none of index %u", s->output_cnt,
	               s->output_cnt == 1 ? "" : "s", s->index);
}

static void show_progress(size_t taken)
{
	fprintf(stderr, "\r\033[K%zu transactions", taken);
	fflush(stderr);
}

/* How far it came, on stderr: the tree shows it, too. */
static void say_stopped(const struct lineage *t)
{
	if (t->pending > 0)
		out_note("stopped: %zu transaction%s %s not followed: more with %s%s%s", t->pending,
		         t->pending == 1 ? "" : "s", t->pending == 1 ? "was" : "were",
		         t->deep ? "--depth" : "", t->deep && t->many ? " and " : "",
		         t->many ? "--limit" : "");
}

static void print_sum(const struct lineage *t)
{
	if (t->pending == 0)
		printf("\n%zu transaction%s, each proven by its receipt, back to the genesis\n", t->hop_cnt,
		       t->hop_cnt == 1 ? "" : "s");
	else
		printf("\n%zu transaction%s, each proven by its receipt; not all the way\n", t->hop_cnt,
		       t->hop_cnt == 1 ? "" : "s");
}

static void show(const struct trace_args *args, const struct lineage *t, const struct lineage_subject *s)
{
	if (args->proof.common.json) {
		out_json_take(lineage_json(t, s));
	} else if (args->dot) {
		lineage_dot(stdout, t, s);
	} else {
		lineage_print(stdout, t, s);
		print_sum(t);
	}
	say_stopped(t);
}

static int trace(struct trace_args *args, struct proof *p, struct lineage_subject *s, struct err *err)
{
	struct lineage t = {0};
	bool terminal = isatty(STDERR_FILENO);
	if (p->genesis == NULL)
		return cmd_error(ERR_INPUT,
		                 "--genesis is missing: each step is proven against the chain's genesis");
	args->options.progress = terminal ? show_progress : NULL;
	bool ok = lineage_run(p, &s->id, &args->options, &t, err) && count_outputs(&t, s, err);
	if (terminal)
		fputs("\r\033[K", stderr);
	if (ok)
		show(args, &t, s);
	lineage_free(&t);
	return ok ? EXIT_DONE : cmd_fail(err);
}

int cmd_trace(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"depth", KEY_DEPTH, "N", 0, "Go back so many transactions at most", 1},
	    {"limit", KEY_LIMIT, "N", 0, "Take so many transactions at most (default: 1000)", 1},
	    {"dot", KEY_DOT, NULL, 0,
	     "Print a graph in Graphviz' language: quorate trace ... --dot | dot -Tsvg", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &proof_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_trace,
	    .args_doc = "OUTPUT",
	    .doc = "Where value comes from: the transactions that led to OUTPUT (TXID:INDEX, or TXID for all "
	           "of a "
	           "transaction), back to the allocations of the genesis. Each one is proven by its own "
	           "receipt, "
	           "and spends what its signers had: no node's word is taken.\v"
	           "Exit code 1 if the output is not final, or a proof fails.",
	    .children = children,
	};
	struct trace_args args = {.options = {.depth = UINT64_MAX, .limit = LINEAGE_LIMIT}};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct lineage_subject subject = {0};
	struct proof proof;
	if (!parse_subject(args.output, &subject, &err))
		return cmd_fail(&err);
	int code =
	    proof_open(&proof, &args.proof, &err) ? trace(&args, &proof, &subject, &err) : cmd_fail(&err);
	proof_close(&proof);
	return code;
}
