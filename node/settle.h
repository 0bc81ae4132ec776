/*
 * settle.h: a transaction from its maker to proof: what `send` and `stake` share.
 *
 *     settle_open()       the genesis that receipts are checked against
 *     settle_begin()      a client, the chain's height; from here on the time runs
 *     settle_sign_take()  a draft becomes the transaction
 *     settle_wait()       submits it and waits for its outcome (finality.h)
 *     settle_json(), settle_print(), settle_end()
 *
 * What can be judged without a ledger (form, signatures) is judged here, before anything is submitted.
 */
#ifndef QUORATE_SETTLE_H
#define QUORATE_SETTLE_H

#include "cmd.h"
#include "finality.h"
#include "wallet.h"

/* Options of every command that makes a transaction and waits for it. */
struct settle_args {
	struct cmd_common common;
	bool no_wait, expiry_given;
	uint64_t expiry, timeout_s;
};
#define SETTLE_TIMEOUT_S 30 /* unless --timeout says otherwise */

/* argp child with the options of cmd_chain_argp and --no-wait, --timeout, --expiry; its input is a struct
 * settle_args (CMD_CHILD_INIT, where the parent's input begins with one). */
extern const struct argp settle_argp;
/* The same without --no-wait. */
extern const struct argp settle_wait_argp;

struct settle {
	const struct settle_args *args; /* borrowed */
	struct genesis *genesis;        /* NULL with --no-wait and none at hand */
	struct client *client;
	struct wallet_view view; /* of the chain, as a node told it */
	uint64_t expiry;         /* of the transaction to make */
	struct tx *tx;
	uint64_t begun_ms;
	struct finality f;
};

/* Zeroes *s; settle_free() it, also where this fails. False with *err: no genesis is at hand and one is
 * needed, or it is none. */
bool settle_open(struct settle *s, const struct settle_args *args, struct err *err);
void settle_free(struct settle *s);

/* Asks where the chain is, which must be the genesis' one, and sets the time limit. */
bool settle_begin(struct settle *s, struct err *err);
/* The same for another transaction after the first. */
bool settle_again(struct settle *s, struct err *err);

/* Signs and finishes; frees the draft. */
bool settle_sign_take(struct settle *s, struct draft *d, const struct account *signer, struct err *err);

enum outcome settle_wait(struct settle *s);

/* The outcome as JSON: outcome, txid, message, node, elapsed_ms, height, code, spent_by. */
json_t *settle_json(const struct settle *s, enum outcome o);
/* The same for people; each field of `more` (an object, may be NULL) is a line. */
void settle_print(const struct settle *s, enum outcome o, const json_t *more);
/* The command's exit code; where the outcome is not known, what to do about it is said on stderr. */
int settle_end(const struct settle *s, enum outcome o);

#endif
