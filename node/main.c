/*
 * main.c: the one program: finds the command and runs it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "crypto.h"
#include "out.h"

static const struct command commands[] = {
    {"testnet", cmd_testnet, "start, stop and look at a chain on this machine"},
    {"send", cmd_send, "pay: build, sign, submit, wait and check the receipt"},
    {"receipt", cmd_receipt, "the proof that a transaction is final, as a file"},
    {"verify", cmd_verify, "does a receipt hold? offline, against the genesis alone"},
    {"balance", cmd_balance, "what an address holds"},
    {"stake", cmd_stake, "put value behind replicas, where proposers are chosen by it"},
    {"tx", cmd_tx, "make, sign, submit and show transactions, step by step"},
    {"trace", cmd_trace, "follow value backwards to the genesis, each step proven"},
    {"block", cmd_block, "show a block"},
    {"status", cmd_status, "what a node says of itself and its peers"},
    {"why", cmd_why, "why no block is being made, and what to do about it"},
    {"audit", cmd_audit, "prove that ledgers are whole, or say where they are not"},
    {"backup", cmd_backup, "copy a ledger while its node runs"},
    {"restore", cmd_restore, "put such a copy into a home, proven first"},
    {"evidence", cmd_evidence, "who did what no honest one does: list, export and verify the proofs"},
    {"key", cmd_key, "make and show account keys"},
    {"genesis", cmd_genesis, "make, check and show a chain's constitution"},
    {"node", cmd_node, "run one replica, or prepare its home"},
    {"bench", cmd_bench, "load a chain, and see how fast it is beside what its signatures allow"},
    {"sim", cmd_sim, "simulate whole chains from a seed, with faults and traitors"},
    {NULL, NULL, NULL},
};

static const char intro[] =
    "quorate: a Byzantine-tolerant permissioned ledger.\n"
    "\n"
    "  quorate testnet up                              four replicas on this machine\n"
    "  quorate send --key testnet/accounts/alice.key --to ADDRESS --amount 100\n"
    "  quorate audit testnet/node*/ledger.db --genesis testnet/genesis.json\n";

const char *argp_program_version = "quorate " QUORATE_VERSION;

static bool stdout_lost(void)
{
	return fflush(stdout) != 0 || ferror(stdout);
}

/* For what ends the process by itself, as argp's --help does. */
static bool checked;
static void check_at_exit(void)
{
	if (!checked && stdout_lost())
		_exit(cmd_error(ERR_WORLD, "the output could not be written: %s", strerror(errno)));
}

int main(int argc, char **argv)
{
	struct err err = {0};
	crypto_wipe_json();
	if (!crypto_init(&err))
		return cmd_fail(&err);
	atexit(check_at_exit);
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		puts(argp_program_version);
		return EXIT_DONE;
	}
	char name[] = "quorate";
	argv[0] = name;
	int code = command_run(commands, intro, argc, argv);
	checked = true; /* a command that failed anyway has said why */
	if (stdout_lost() && code == EXIT_DONE)
		return cmd_error(ERR_WORLD, "the output could not be written: %s", strerror(errno));
	return code;
}
