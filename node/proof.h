/*
 * proof.h: where a command gets receipts from, and what it holds them against.
 *
 * From nodes (--node, ...) or, without any node, from a ledger file (--ledger).  Neither is believed: where a
 * genesis is at hand, what is handed out holds against it, alone.
 */
#ifndef QUORATE_PROOF_H
#define QUORATE_PROOF_H

#include "client.h"
#include "cmd.h"
#include "ledger.h"

struct proof_args {
	struct cmd_common common;
	const char *ledger; /* --ledger FILE, or NULL: nodes */
};

/* argp child with the options of cmd_chain_argp and --ledger; its input is a struct proof_args. */
extern const struct argp proof_argp;

struct proof {
	struct genesis *genesis; /* NULL: none is at hand, and nothing is verified */
	struct client *client;   /* NULL: a ledger is asked */
	struct reader *reader;   /* NULL: nodes are asked */
	char *ledger;            /* its path */
};

/* Zeroes *p; proof_close() it, also where this fails.  A home's directory stands for the ledger in it.  With
 * a genesis the reader proves what it gives (reader_prove()). err is not NULL. */
bool proof_open(struct proof *p, const struct proof_args *args, struct err *err);
void proof_close(struct proof *p);

/*
 * What an error of the reader is to a command: to a node it is the world's fault, but here somebody named the
 * file.  Its kind becomes ERR_NO where the ledger holds what cannot be, else ERR_INPUT. Returns false.
 */
bool proof_ledger_fails(const struct proof *p, struct err *err);

/*
 * The receipt of a final transaction: receipt_proves() for it, and it has a header. Nodes are asked in turn
 * until one gives such a receipt. wire_free(WIRE(qreceipt), out). False with *err: ERR_NO, it is not known
 * there, or what was given proves nothing, a damaged ledger included; ERR_WORLD: no answer; ERR_INPUT: the
 * ledger cannot be read.  err is not NULL.
 */
bool proof_receipt(struct proof *p, const struct qtxid *id, struct qreceipt *out, struct err *err);

/* The same, as a transaction and where it is; tx_unref() it. NULL with *err. */
struct tx *proof_tx(struct proof *p, const struct qtxid *id, struct tx_place *place, struct err *err);

#endif
