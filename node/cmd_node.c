/*
 * cmd_node.c: `quorate node --home DIR`, `quorate node init`.
 */
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "home.h"
#include "log_file.h"
#include "node.h"
#include "out.h"
#include "pass.h"

enum { KEY_HOME = 0x200, KEY_HTTP, KEY_LISTEN, KEY_ADDRESS, KEY_NAME, KEY_PLAIN, KEY_LOG };

struct node_args {
	struct cmd_common common;
	const char *home, *http, *listen, *address, *name, *log;
	bool plain;
};

static error_t parse_node(int key, char *arg, struct argp_state *state)
{
	struct node_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		if (state->child_inputs != NULL)
			CMD_CHILD_INIT(state);
		return 0;
	case KEY_HOME:
		args->home = arg;
		return 0;
	case KEY_HTTP:
		args->http = arg;
		return 0;
	case KEY_LISTEN:
		args->listen = arg;
		return 0;
	case KEY_ADDRESS:
		args->address = arg;
		return 0;
	case KEY_NAME:
		args->name = arg;
		return 0;
	case KEY_LOG:
		args->log = arg;
		return 0;
	case KEY_PLAIN:
		args->plain = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		return 0;
	case ARGP_KEY_END:
		if (args->home == NULL)
			argp_error(state, "--home is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

#define OPTION_HOME                                                 \
	{                                                           \
		"home", KEY_HOME, "DIR", 0, "The replica's home", 1 \
	}

/* ---- init -------------------------------------------------------------------------------- */

static void print_line(const struct node_args *args, const struct qreplica_key *key)
{
	char hex[QHASH_HEX];
	const char *address = args->address != NULL ? args->address : args->listen;
	hex_encode(hex, key->b, sizeof key->b);
	if (args->common.json)
		out_json_take(json_pack("{s:s, s:s, s:s, s:s}", "home", args->home, "name", args->name,
		                        "public_key", hex, "address", address));
	else
		printf("%s,%s,%s\n", args->name, hex, address);
}

static int node_init(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    OPTION_HOME,
	    {"name", KEY_NAME, "NAME", 0, "The replica's name in the genesis", 1},
	    {"listen", KEY_LISTEN, "URL", 0,
	     "Where it listens for its peers, tcp:// or tls+tcp:// (default tcp://0.0.0.0:7580)", 1},
	    {"address", KEY_ADDRESS, "URL", 0,
	     "Where its peers find it, e.g. tls+tcp://host.example:7580 (default: as --listen)", 1},
	    {"http", KEY_HTTP, "HOST:PORT", 0, "Where it listens for clients (default 127.0.0.1:7480)", 1},
	    {"plain", KEY_PLAIN, NULL, 0, "Write the replica's key unencrypted", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_node,
	    .doc = "Prepares a replica's home: makes its key and the vote log that belongs to it, writes "
	           "node.conf, and prints "
	           "the line NAME,KEY,URL for `quorate genesis new --replica`. When the genesis is made, "
	           "copy it to "
	           "DIR/genesis.json and start the replica with `quorate node --home DIR`.",
	    .children = children,
	};
	struct node_args args = {.http = "127.0.0.1:7480", .listen = "tcp://0.0.0.0:7580"};
	cmd_parse(&argp, argc, argv, &args);
	if (args.name == NULL || !genesis_names_replica(args.name))
		return cmd_error(ERR_INPUT, "--name: must be 1 to %d of A-Z a-z 0-9 . _ -", Q_NAME_MAX);
	if (args.address == NULL &&
	    (strstr(args.listen, "//0.0.0.0") != NULL || strstr(args.listen, "//[::]") != NULL ||
	     strstr(args.listen, "//*") != NULL))
		return cmd_error(ERR_INPUT,
		                 "--address: peers cannot dial %s; say where they find this replica",
		                 args.listen);

	struct err err = {0};
	if (!(http_listen_check(args.http, &err) || err_prefix(&err, "--http")) ||
	    !(link_url_check(args.listen, true, &err) || err_prefix(&err, "--listen")) ||
	    (args.address != NULL &&
	     !(link_url_check(args.address, false, &err) || err_prefix(&err, "--address"))))
		return cmd_fail(&err);
	char pass[PASS_MAX] = "";
	struct qreplica_key key;
	if (!args.plain && !pass_new(args.home, pass, &err))
		return cmd_fail(&err);
	bool ok = home_init(args.home, args.http, args.listen, args.plain ? NULL : pass, &key, &err);
	sodium_memzero(pass, sizeof pass);
	if (!ok)
		return cmd_fail(&err);
	print_line(&args, &key);
	return EXIT_DONE;
}

/* ---- run --------------------------------------------------------------------------------- */

int cmd_node(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    OPTION_HOME,
	    {"log", KEY_LOG, "FILE", 0,
	     "Write the log to this file, which SIGHUP opens anew after it was rotated (default: standard "
	     "error)",
	     1},
	    {0},
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_node,
	    .doc = "Runs one replica until SIGTERM or Ctrl-C. Its log goes to standard error, one line an "
	           "event.\v"
	           "`quorate node init` prepares a home. An encrypted replica.key asks for its passphrase on "
	           "the terminal, or "
	           "reads it from the file that QUORATE_PASSPHRASE_FILE names.",
	};
	if (argc > 1 && strcmp(argv[1], "init") == 0) {
		char name[] = "quorate node init";
		argv[1] = name;
		return node_init(argc - 1, argv + 1);
	}
	struct node_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	if (args.log != NULL) {
		signal(SIGHUP, SIG_IGN); /* until node_run() waits for it */
		if (!log_file_open(args.log, &err))
			return cmd_fail(&err);
	}
	return node_run(args.home, &err) ? EXIT_DONE : cmd_fail(&err);
}
