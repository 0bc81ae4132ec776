/*
 * receipt.h: proof that a transaction is final, checked against the genesis alone.
 */
#ifndef QUORATE_RECEIPT_H
#define QUORATE_RECEIPT_H

#include "genesis.h"
#include "tx.h"

/*
 * Checks everything: chain id, the transaction's form and signatures, its Merkle path into the first header,
 * the headers' links and seals, the certificate over the last. On success *id and *height tell which
 * transaction is final and where.  On failure *err names what does not hold.
 */
bool receipt_verify(const struct genesis *g, const struct qreceipt *r, struct qtxid *id,
                    struct qheight *height, struct err *err);

/* Does it hold against the genesis (NULL: only whose it is, is looked at), and is it this transaction's? */
bool receipt_proves(const struct genesis *g, const struct qtxid *id, const struct qreceipt *receipt,
                    struct err *err);

#endif
