/*
 * cmd_key.c: `quorate key new|show`: account keys.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "out.h"
#include "pass.h"

struct key_args {
	struct cmd_common common;
	bool plain;
	const char *file;
};

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
	struct key_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'p':
		args->plain = true;
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

static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};

static void print_key(const struct key_args *args, const char *kind, const char *text)
{
	const char *name = strcmp(kind, "account") == 0 ? "address" : "public_key";
	if (args->common.json) {
		out_json_take(json_pack("{s:s, s:s, s:s}", "file", args->file, "kind", kind, name, text));
		return;
	}
	puts(text);
}

static int key_new(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"plain", 'p', NULL, 0, "Write the key unencrypted", 1},
	    {0},
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_key,
	    .args_doc = "FILE",
	    .doc = "Makes an account key (secp256k1) in FILE, readable by its owner alone, and prints its "
	           "address. The key "
	           "is encrypted with a passphrase, asked for on the terminal or read from the file that "
	           "QUORATE_PASSPHRASE_FILE names, unless --plain is given. A file that is there is never "
	           "overwritten.",
	    .children = children,
	};
	struct key_args args = {0};
	cmd_parse(&argp, argc, argv, &args);

	struct err err = {0};
	char pass[PASS_MAX] = "";
	if (access(args.file, F_OK) == 0) /* before asking anything; the writer makes sure */
		return cmd_error(ERR_INPUT, "%s: is there already; a key is never overwritten", args.file);
	if (!args.plain && !pass_new(args.file, pass, &err))
		return cmd_fail(&err);
	struct account *account = account_new();
	bool ok = keyfile_write_account(args.file, account, args.plain ? NULL : pass, &err);
	sodium_memzero(pass, sizeof pass);
	if (ok) {
		struct qaccount_key key = account_key(account);
		struct qaddress address = account_address(&key);
		char text[ADDRESS_TEXT];
		print_key(&args, "account", address_format(&address, text));
	}
	account_free(account);
	return ok ? EXIT_DONE : cmd_fail(&err);
}

static int key_show(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_key,
	    .args_doc = "FILE",
	    .doc = "Prints the address of an account's key file (of a replica's: its public key). Needs no "
	           "passphrase.",
	    .children = children,
	};
	struct key_args args = {0};
	cmd_parse(&argp, argc, argv, &args);

	struct err err = {0};
	char kind[KEYFILE_KIND], text[KEYFILE_TEXT];
	if (!keyfile_show(args.file, kind, sizeof kind, text, sizeof text, &err))
		return cmd_fail(&err);
	print_key(&args, kind, text);
	return EXIT_DONE;
}

int cmd_key(int argc, char **argv)
{
	static const struct command commands[] = {
	    {"new", key_new, "make a key and print its address"},
	    {"show", key_show, "print the address of a key file"},
	    {NULL, NULL, NULL},
	};
	return command_run(commands, "quorate key: account keys.\n", argc, argv);
}
