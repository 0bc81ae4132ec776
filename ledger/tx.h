/*
 * tx.h: transactions: parsing, the rules that need no ledger, signatures.
 *
 * Rules that need the ledger (inputs unspent, owners, balance, expiry) are in state.h.
 */
#ifndef QUORATE_TX_H
#define QUORATE_TX_H

#include <stdatomic.h>

#include "account.h"
#include "account_cache.h"
#include "err.h"
#include "genesis.h"
#include "verdict.h"
#include "wire.h"

/* An immutable, reference-counted, parsed transaction; made by tx_parse() only. */
struct tx {
	atomic_uint refs;
	struct qtxid id;         /* tagged SHA-256 over chain id and body: what the owners sign */
	struct qhash leaf;       /* RFC 6962 leaf hash of raw: identifies it with its witnesses */
	struct qtx q;            /* lists in the arena, bytes in raw */
	struct qaddress *owners; /* address of each witness, strictly ascending */
	size_t raw_len;          /* bytes of the canonical encoding */
	uint8_t *raw;
	struct wire_arena arena; /* begins with memory behind raw, of the same allocation */
};

#define TX_AMOUNT_MAX INT64_MAX /* any amount and any sum of a transaction: SQLite's INTEGER */

/*
 * Decodes `len` bytes and checks all rules that need neither ledger nor signatures:
 * canonical, bounded, 1+ inputs and outputs, amounts 1..TX_AMOUNT_MAX with their sum, no
 * duplicate input, witnesses 1..inputs in strictly ascending order of address, an offence that is one.
 * Returns a transaction with one reference, or NULL with *verdict set.
 */
struct tx *tx_parse(const struct qhash *chain, const uint8_t *raw, size_t len, enum tx_verdict *verdict);
/* The same of up to TX_PARSE_MAX at a time, which is cheaper; txs[i] is NULL where verdicts[i] is not TX_OK.
 */
#define TX_PARSE_MAX 64
void tx_parse_many(const struct qhash *chain, const qtx_bytes *raws, size_t cnt, struct tx **txs,
                   enum tx_verdict *verdicts);
struct tx *tx_ref(struct tx *tx);
void tx_unref(struct tx *tx); /* NULL is allowed */

/* Verifies every witness signature (about 55 us each), and those of an offence (offence.h). `g` may be NULL
 * for a transaction that carries none. */
bool tx_verify(const struct genesis *g, const struct tx *tx);
/* The same, with the help of the keys that were seen before (account_cache.h). */
bool tx_verify_cached(const struct genesis *g, struct account_cache *keys, const struct tx *tx);

/* Do they spend one output both?  Of two that do, at most one becomes final. */
bool tx_conflict(const struct tx *a, const struct tx *b);

/* The same owner, amount and lock? */
bool output_eq(const struct qoutput *a, const struct qoutput *b);

/* The id of a body on a chain. */
void tx_id(const struct qhash *chain, const struct qtx_body *body, struct qtxid *id);

/*
 * Builds and signs: *body is borrowed; `signers` are the distinct owners of its inputs, any
 * order.  NULL with *err if the result breaks a rule of tx_parse().
 */
struct tx *tx_make(const struct qhash *chain, const struct qtx_body *body,
                   const struct account *const *signers, size_t signer_cnt, struct err *err);

#endif
