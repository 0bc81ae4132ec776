/*
 * cmd_receipt.c: `quorate receipt TXID`: the proof that a transaction is final, as a file.
 */
#include <stdio.h>
#include <stdlib.h>

#include "access.h"
#include "out.h"
#include "proof.h"
#include "receipt_file.h"
#include "text.h"

struct receipt_args {
	struct proof_args proof;
	const char *txid, *out; /* out: NULL: standard output */
};

static error_t parse_receipt(int key, char *arg, struct argp_state *state)
{
	struct receipt_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'o':
		args->out = strcmp(arg, "-") == 0 ? NULL : arg;
		return 0;
	case ARGP_KEY_ARG:
		if (args->txid != NULL)
			argp_error(state, "what is \"%s\"?", arg);
		args->txid = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->txid == NULL)
			argp_error(state, "TXID is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void say_written(const struct receipt_args *args, bool verified, uint64_t height)
{
	printf("%sreceipt%s: transaction %s is final in block %llu%s\n",
	       out_style(stdout, verified ? OUT_GOOD : OUT_BOLD), out_style(stdout, OUT_PLAIN), args->txid,
	       (unsigned long long)height, verified ? "; it holds against the genesis" : " (not verified)");
	out_field(10, "written to", "%s", args->out);
}

static int hand_out(const struct receipt_args *args, const struct qreceipt *r, bool verified, struct err *err)
{
	size_t len;
	char *text = receipt_format(r, &len);
	bool ok = text != NULL || err_set(err, ERR_NO, "what was given is no transaction in a block");
	if (ok && args->out != NULL)
		ok = text_write_new(args->out, 0644, text, len, err);
	if (ok && (args->out == NULL || args->proof.common.json))
		fwrite(text, 1, len, stdout);
	else if (ok)
		say_written(args, verified, r->headers.headers_val[0].height.n);
	if (ok && !verified)
		out_note("not verified: no genesis is at hand (--genesis FILE); `quorate verify` needs one, "
		         "too");
	free(text);
	return ok ? EXIT_DONE : cmd_fail(err);
}

int cmd_receipt(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"output", 'o', "FILE", 0, "A new file for it; nothing is overwritten. Default: standard output",
	     1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &proof_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_receipt,
	    .args_doc = "TXID",
	    .doc =
	        "The proof that a transaction is final, as a small file: the transaction, its Merkle path, "
	        "its block's header, the headers up to the certified one, the certificate. From nodes or "
	        "out of a ledger file, and checked against the genesis before it is handed out. "
	        "`quorate verify` checks it anywhere.\v"
	        "Exit code: 0 done, 1 not known to be final there or what was given does not hold, "
	        "2 wrong usage or no ledger, 3 no answer.",
	    .children = children,
	};
	struct receipt_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct qtxid id;
	if (!text_txid(args.txid, &id, &err))
		return cmd_fail(&err);
	struct proof p;
	struct qreceipt receipt;
	int code = EXIT_WORLD;
	if (proof_open(&p, &args.proof, &err) && proof_receipt(&p, &id, &receipt, &err)) {
		code = hand_out(&args, &receipt, p.genesis != NULL, &err);
		wire_free(WIRE(qreceipt), &receipt);
	} else {
		code = cmd_fail(&err);
	}
	proof_close(&p);
	return code;
}
