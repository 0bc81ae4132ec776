/*
 * reader_impl.h: what reader.c and reader_proof.c share.
 */
#ifndef QUORATE_READER_IMPL_H
#define QUORATE_READER_IMPL_H

#include "ledger.h"
#include "rows.h"

enum reader_statement {
	CHAIN,
	HEIGHT,
	HEADER,
	HEIGHT_BY_HASH,
	HEADERS,
	BLOCK_TXS,
	TX,
	CERTIFIED_BY,
	CERTIFICATE,
	LAST_CERTIFICATE,
	OUTPUT,
	TXID,
	LAST_CONVICTION,
	STAKE_TABLE,
	EVIDENCE,
	OUTPUT_ROW,
	ATTEMPT,
	STATEMENT_CNT
};

struct reader {
	struct db db;
	struct qhash chain;
	const struct genesis *genesis; /* NULL: nothing is proven (reader_prove()) */
	struct {                       /* the block that was proven last: */
		struct qheight height; /* 0: none yet */
		struct qhash hash;
		struct qhash *leaves; /* of its transactions */
		uint32_t cnt;
	} proven;
	struct {               /* the transaction that was looked up last for what it made or spent: */
		struct tx *tx; /* NULL: none yet */
		int64_t seq;
		struct qheight height;
	} made;
};

/* ---- reader.c: inside a view, each leaving its statement done ------------------------------- */

/* The header of the block at h, which fits its hash, and the number of its first transaction. */
enum found reader_get_header(struct reader *r, struct qheight h, struct qheader *out, int64_t *first_tx,
                             struct err *err);
/* Calls f with the transactions of a block, which must be as many as the header says. */
enum found reader_each_tx(struct reader *r, const struct qheader *header, int64_t first_tx, struct err *err,
                          bool (*f)(void *ctx, uint32_t i, const uint8_t *raw, size_t len), void *ctx);
/* Their leaves, which make the header's root; there is room for Q_BLOCK_TXS_MAX. */
enum found reader_get_leaves(struct reader *r, const struct qheader *header, int64_t first_tx,
                             struct qhash *leaves, struct err *err);
enum found reader_get_cert_for(struct reader *r, struct qheight h, struct qcert *out, struct err *err);

/* ---- reader_proof.c: true where the reader has no genesis ------------------------------------- */

/* Its signatures hold. */
bool reader_proves_certificate(struct reader *r, const struct qcert *cert, struct err *err);
/* This transaction, which is in the ledger, spends the output. */
bool reader_proves_spender(struct reader *r, const struct qoutpoint *p, const struct qtxid *spender,
                           struct err *err);
/* The journal's entry of this number shows it; signatures are the journal's business. */
bool reader_proves_attempt(struct reader *r, int64_t seq, const struct attempt *a, struct err *err);
/* receipt_verify(), with what it does not compare. */
bool reader_proves_receipt(struct reader *r, const struct qtxid *id, const struct tx_place *place,
                           const struct qreceipt *receipt, struct err *err);

#endif
