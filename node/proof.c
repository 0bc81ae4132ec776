/*
 * proof.c: where a command gets receipts from, and what it holds them against.
 */
#include "proof.h"

#include <stdlib.h>

#include "access.h"
#include "finality.h"
#include "receipt.h"

/* ---- options ------------------------------------------------------------------- */

enum { KEY_LEDGER = 0x400 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct proof_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_LEDGER:
		args->ledger = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
    {"ledger", KEY_LEDGER, "FILE", 0,
     "Ask no node but this ledger, or that in this node's home; the node may be running", 9},
    {0},
};
static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};
const struct argp proof_argp = {.options = options, .parser = parse, .children = children};

/* ---- opening ------------------------------------------------------------------- */

static bool same_chain(const struct proof *p, const char *genesis_path, struct err *err)
{
	const struct qhash *its = reader_chain_id(p->reader), *ours = &p->genesis->chain;
	char its_text[QHASH_HEX], our_text[QHASH_HEX];
	return qhash_eq(its, ours) ||
	       err_set(err, ERR_INPUT, "ledger %s belongs to chain %s, but %s is the genesis of chain %s",
	               p->ledger, hex_encode(its_text, its->b, sizeof its->b), genesis_path,
	               hex_encode(our_text, ours->b, sizeof ours->b));
}

static bool open_source(struct proof *p, const struct proof_args *args, struct err *err)
{
	if (args->ledger == NULL) {
		p->client = access_client(&args->common, err);
		return p->client != NULL;
	}
	p->ledger = access_ledger_path(args->ledger);
	p->reader = access_reader(p->ledger, err);
	if (p->reader == NULL)
		return false;
	if (p->genesis == NULL)
		return true;
	reader_prove(p->reader, p->genesis);
	return same_chain(p, access_genesis_path(&args->common), err);
}

bool proof_open(struct proof *p, const struct proof_args *args, struct err *err)
{
	*p = (struct proof){0};
	const char *path = access_genesis_path(&args->common);
	if (path != NULL) {
		p->genesis = genesis_load(path, err);
		if (p->genesis == NULL)
			return false;
	}
	return open_source(p, args, err);
}

void proof_close(struct proof *p)
{
	reader_close(p->reader);
	client_free(p->client);
	genesis_free(p->genesis);
	free(p->ledger);
}

bool proof_ledger_fails(const struct proof *p, struct err *err)
{
	err->kind = reader_damage(p->reader) != NULL ? ERR_NO : ERR_INPUT;
	return false;
}

/* ---- receipts ------------------------------------------------------------------ */

static bool from_ledger(struct proof *p, const struct qtxid *id, struct qreceipt *out, struct err *err)
{
	switch (reader_receipt(p->reader, id, out, err)) {
	case FOUND:
		if (receipt_proves(p->genesis, id, out, err))
			return true;
		wire_free(WIRE(qreceipt), out);
		return err_prefix(err, "%s: its receipt does not hold", p->ledger);
	case NOT_FOUND:
		return err_set(err, ERR_NO, "%s: no final transaction has this id", p->ledger);
	case FOUND_ERROR:
		break;
	}
	return proof_ledger_fails(p, err);
}

bool proof_receipt(struct proof *p, const struct qtxid *id, struct qreceipt *out, struct err *err)
{
	return p->reader != NULL ? from_ledger(p, id, out, err)
	                         : finality_receipt(p->client, p->genesis, id, out, err);
}

struct tx *proof_tx(struct proof *p, const struct qtxid *id, struct tx_place *place, struct err *err)
{
	struct qreceipt r;
	enum tx_verdict verdict;
	if (!proof_receipt(p, id, &r, err))
		return NULL;
	struct tx *tx = tx_parse(&r.chain, r.tx.qtx_bytes_val, r.tx.qtx_bytes_len, &verdict);
	*place = (struct tx_place){.height = r.headers.headers_val[0].height, .position = r.index};
	wire_free(WIRE(qreceipt), &r);
	return tx;
}
