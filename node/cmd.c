/*
 * cmd.c: finding and starting a command, and the options that many have.
 */
#include "cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "out.h"
#include "text.h"

int cmd_error(enum err_kind kind, const char *fmt, ...)
{
	struct err err;
	va_list ap;
	va_start(ap, fmt);
	err_vset(&err, kind, fmt, ap);
	va_end(ap);
	return cmd_fail(&err);
}

int cmd_fail(const struct err *err)
{
	struct err said = *err;
	clean_text(said.text); /* it may quote what others wrote */
	fprintf(stderr, "%squorate:%s %s\n", out_style(stderr, OUT_BAD), out_style(stderr, OUT_PLAIN),
	        said.text);
	return err->kind == ERR_NONE ? EXIT_WORLD : (int)err->kind;
}

static void print_table(const struct command *table, const char *text, const char *program)
{
	printf("%s\n", text);
	for (const struct command *c = table; c->name != NULL; c++)
		printf("  %s%-9s%s %s\n", out_style(stdout, OUT_BOLD), c->name, out_style(stdout, OUT_PLAIN),
		       c->help);
	printf("\n`%s COMMAND --help` tells the options of each.\n", program);
}

static int unknown_command(const struct command *table, const char *program, const char *name)
{
	const struct command *best = NULL;
	size_t best_distance = 3; /* further away is another word, not a typing error */
	for (const struct command *c = table; c->name != NULL; c++) {
		size_t distance = text_distance(name, c->name);
		if (distance < best_distance) {
			best = c;
			best_distance = distance;
		}
	}
	if (best != NULL)
		return cmd_error(ERR_INPUT, "there is no command \"%s %s\"; did you mean \"%s %s\"?", program,
		                 name, program, best->name);
	return cmd_error(ERR_INPUT, "there is no command \"%s %s\"; `%s --help` lists them", program, name,
	                 program);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-?") == 0 || strcmp(word, "-h") == 0;
}

int command_run(const struct command *table, const char *intro, int argc, char **argv)
{
	const char *program = argv[0];
	static char help_option[] = "--help";
	bool help = argc > 1 && strcmp(argv[1], "help") == 0;
	if (argc < 2 || is_help(argv[1]) || (help && argc == 2)) {
		print_table(table, intro, program);
		return EXIT_DONE;
	}
	if (argv[1][0] == '-')
		return cmd_error(ERR_INPUT,
		                 "%s: options come after the command; `%s --help` lists the commands",
		                 argv[1], program);

	/* `help a b` is `a b --help`: move the words up and put the option last. */
	if (help) {
		for (int i = 1; i + 1 < argc; i++)
			argv[i] = argv[i + 1];
		argv[argc - 1] = help_option;
	}
	for (const struct command *c = table; c->name != NULL; c++) {
		if (strcmp(argv[1], c->name) != 0)
			continue;
		char *name = text_format("%s %s", program, c->name);
		argv[1] = name;
		int code = c->run(argc - 1, argv + 1);
		free(name);
		return code;
	}
	return unknown_command(table, program, argv[1]);
}

void cmd_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	struct err err;
	argp_err_exit_status = EXIT_USAGE;
	if (!cmd_given_check(argp, argc, argv, &err))
		exit(cmd_fail(&err));
	if (argp_parse(argp, argc, argv, 0, NULL, input) != 0)
		exit(EXIT_USAGE);
}

/* ---- options that many commands have ------------------------------------ */

enum { KEY_JSON = 0x100, KEY_NODE, KEY_GENESIS, KEY_CACERT };

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct cmd_common *common = state->input;
	switch (key) {
	case KEY_JSON:
		common->json = true;
		return 0;
	case KEY_GENESIS:
		common->genesis = arg;
		return 0;
	case KEY_CACERT:
		must(setenv("QUORATE_CACERT", arg, 1) == 0); /* for all that connect: http_client_new() */
		return 0;
	case KEY_NODE:
		if (common->node_cnt == CMD_NODES_MAX)
			argp_error(state, "--node: at most %d of them", CMD_NODES_MAX);
		common->node[common->node_cnt++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

#define OPTION_JSON                                                                      \
	{                                                                                \
		"json", KEY_JSON, NULL, 0, "Print one JSON value on standard output", 10 \
	}
static const struct argp_option json_options[] = {OPTION_JSON, {0}};
static const struct argp_option chain_options[] = {
    {"node", KEY_NODE, "URL", CMD_REPEATED,
     "A node to ask (repeat it for several; the next is tried where one does not answer). Default: "
     "QUORATE_NODE "
     "(separated by commas), else the testnet in ./testnet, else http://127.0.0.1:7480",
     9},
    {"cacert", KEY_CACERT, "FILE", 0,
     "Certificates (PEM) that those of https:// nodes have to be signed by. Default: QUORATE_CACERT, else "
     "those that "
     "the system trusts",
     9},
    {"genesis", KEY_GENESIS, "FILE", 0, "The chain's genesis. Default: ./testnet/genesis.json if it is there",
     9},
    OPTION_JSON,
    {0},
};
const struct argp cmd_json_argp = {.options = json_options, .parser = parse_common};
const struct argp cmd_chain_argp = {.options = chain_options, .parser = parse_common};
