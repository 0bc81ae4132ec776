/*
 * cmd.h: what the commands share: the dispatch table, common options, exit codes.
 *
 * A command is `int cmd_NAME(int argc, char **argv)`; argv[0] is "quorate NAME" (so that argp's usage
 * lines read well) and the result is the exit code.  Results go to stdout, all else to stderr.
 * A new command is one line in main.c's table.
 */
#ifndef QUORATE_CMD_H
#define QUORATE_CMD_H

#include <argp.h>
#include <stdint.h>

#include "cmd_given.h"
#include "err.h"

enum {
	EXIT_DONE = 0,
	EXIT_NO = 1,    /* the answer is no: rejected, failed, not found */
	EXIT_USAGE = 2, /* wrong usage or bad input */
	EXIT_WORLD = 3, /* could not: no quorum, no connection, disk */
};

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* one line */
};

/*
 * Runs the command of the table (ending in name NULL) that argv[1] names. Without one, or with --help:
 * prints `intro` and the table. Knows `help COMMAND`, suggests a name for an unknown one.
 */
int command_run(const struct command *table, const char *intro, int argc, char **argv);

/* Prints "quorate: ..." on stderr; returns the exit code of its kind, so that commands can `return
 * cmd_fail(&err)`. */
int cmd_fail(const struct err *err);
/* The same from a format. */
int cmd_error(enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- options that many commands have ------------------------------------ */

#define CMD_NODES_MAX 64

struct cmd_common {
	bool json;
	const char *genesis;             /* --genesis FILE, or NULL */
	const char *node[CMD_NODES_MAX]; /* --node URL, in order */
	unsigned node_cnt;
};

/*
 * argp children: cmd_json_argp has --json; cmd_chain_argp has --json, --node and --genesis. Their input is
 * a struct cmd_common: the parent sets state->child_inputs[0] at ARGP_KEY_INIT (CMD_CHILD_INIT does it
 * where the parent's input begins with a struct cmd_common).
 */
extern const struct argp cmd_json_argp;
extern const struct argp cmd_chain_argp;
#define CMD_CHILD_INIT(state) ((state)->child_inputs[0] = (state)->input)

/* argp_parse() with our flags, after cmd_given_check(); wrong usage exits with 2. */
void cmd_parse(const struct argp *argp, int argc, char **argv, void *input);

/* ---- the commands -------------------------------------------------------- */

int cmd_audit(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_balance(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_block(int argc, char **argv);
int cmd_evidence(int argc, char **argv);
int cmd_genesis(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_node(int argc, char **argv);
int cmd_receipt(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_sim(int argc, char **argv);
int cmd_stake(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_testnet(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_tx(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_why(int argc, char **argv);

#endif
