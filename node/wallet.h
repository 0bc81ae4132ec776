/*
 * wallet.h: which outputs a payment spends, and the transaction that it becomes.
 *
 * A transaction under way is a document (JSON) that goes from its maker to the owners of its inputs, each of
 * whom adds a witness, and then to a node:
 *   {"quorate-transaction": 1, "chain": "<hex>", "txid": "<hex>",
 *    "inputs": [{"txid": "<hex>", "index": N, "owner": "<address>", "amount": "N"}, ...],
 *    "outputs": [{"owner": "<address>", "amount": "N"}, ...],     and "lock", "replica" where it is locked
 *    "memo": "<hex>", "expiry": N,
 *    "witnesses": [{"key": "<hex>", "signature": "<hex>"}, ...],
 *    "signed": "<hex>"}                  only once every owner has signed: what a node takes
 */
#ifndef QUORATE_WALLET_H
#define QUORATE_WALLET_H

#include "client.h"

#define WALLET_INPUTS_MAX 1000    /* of one payment: below the schema's bound */
#define WALLET_EXPIRY_BLOCKS 1000 /* a payment can be final for so many blocks, at the least */
#define WALLET_EXPIRY_SPREAD 16384

/*
 * Until when a payment made at this height may be final, if its maker does not mind: a height drawn from the
 * WALLET_EXPIRY_SPREAD that come after the least.  Nothing else in a payment is fresh: two of the same amount
 * to the same address, made from one view (of a node that lags, or at the same moment), would be one
 * transaction, and who meant to pay twice would be told twice that it is final.  So the second is another
 * one, and refused as a double spend.
 */
uint64_t wallet_expiry(uint64_t height);

/* The chain as a wallet needs to see it. */
struct wallet_view {
	struct qhash chain;
	uint64_t height; /* of its last block */
};

/* Every unspent output of `owner`, locked ones too. *coins is a fresh array. */
bool wallet_all(struct client *c, const struct qaddress *owner, struct coin **coins, size_t *cnt,
                struct err *err);
/* Can the next block spend it as if it had no lock? */
bool wallet_free(const struct wallet_view *v, const struct coin *coin);

/*
 * Unspent outputs of `owner` that are free to spend and worth at least `need` beside their penalties, the
 * oldest first; where a thousand of the oldest do not suffice, the largest. *coins is a fresh array.  ERR_NO
 * if they do not add up.
 */
bool wallet_select(struct client *c, const struct qaddress *owner, const struct wallet_view *v, uint64_t need,
                   struct coin **coins, size_t *cnt, struct err *err);
/* The same of what `owner` has staked for a replica; need UINT64_MAX: all of it, or a thousand outputs,
 * if anything of it is left. */
bool wallet_select_stake(struct client *c, const struct qaddress *owner, unsigned replica, uint64_t need,
                         struct coin **coins, size_t *cnt, struct err *err);

/* A replica by number or, where a genesis is at hand (else NULL), by name. */
bool wallet_replica(const struct genesis *g, const char *text, unsigned *out, struct err *err);

struct draft {
	struct qhash chain;
	struct qtx tx;      /* owned */
	struct coin *coins; /* owned: what each input spends */
};

/*
 * A transaction without witnesses that spends `coins` on `outputs`; their penalties are frozen, and what is
 * left goes to `change`, an output whose amount is ignored.  Takes nothing. ERR_INPUT if the inputs are worth
 * less or a rule of transactions is broken.
 */
bool draft_make(struct draft *d, const struct qhash *chain, const struct coin *coins, size_t coin_cnt,
                const struct qoutput *outputs, size_t output_cnt, const struct qoutput *change,
                const char *memo, uint64_t expiry, struct err *err);
/* Adds an offence to one that nobody has signed yet. */
void draft_accuse(struct draft *d, const struct qoffence *offence);
void draft_free(struct draft *d);
void draft_id(const struct draft *d, struct qtxid *id);

/* Adds the witness of an owner; ERR_INPUT if this account owns no input. Signing twice changes nothing. */
bool draft_sign(struct draft *d, const struct account *a, struct err *err);

/* The finished transaction, once every owner has signed; NULL with *err naming an owner who has not. */
struct tx *draft_finish(const struct draft *d, struct err *err);

json_t *draft_json(const struct draft *d);
/* Strict; signatures that are there were verified. */
bool draft_read(struct draft *d, const char *text, size_t len, struct err *err);

#endif
