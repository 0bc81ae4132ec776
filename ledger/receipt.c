/*
 * receipt.c: proof that a transaction is final, checked against the genesis alone.
 *
 * The last room in the path of a transaction: a client holds what a node's ledger answered
 * (reader_receipt()) and trusts nothing but its genesis.  Cheap checks come first.
 */
#include "receipt.h"
#include "block.h"
#include "cert.h"
#include "merkle.h"
#include "seal.h"

/* One header where it stands; `below` is the hash of the one before. */
static bool check_place(const struct qreceipt *r, unsigned i, const struct qhash *below, struct err *err)
{
	const struct qheader *h = &r->headers.headers_val[i];

	if (h->format != 1)
		return err_set(err, ERR_NO, "header %u of the receipt has format %u, not 1", i, h->format);
	if (h->height.n == 0 || h->height.n - i != r->headers.headers_val[0].height.n)
		return err_set(err, ERR_NO, "header %u of the receipt is out of line: height %llu", i,
		               (unsigned long long)h->height.n);
	if (i > 0 && !qhash_eq(&h->parent, below))
		return err_set(err, ERR_NO, "header %u of the receipt does not name the one before as parent",
		               i);
	return true;
}

/*
 * Its own seal; and its target, where the receipt shows what that follows from: the two headers below.  The
 * first two lack them (unless the first stands on the genesis): of theirs is known that it is within the
 * genesis' bounds and that the work was done.  What they would add is that the work was not too easy, and
 * that no receipt needs: the quorum below which all this stands refused any other target (PP11).
 */
static bool check_seal(const struct genesis *g, const struct qreceipt *r, unsigned i,
                       const struct qhash *hash, const struct seal_parent *below, struct err *err)
{
	const struct qheader *h = &r->headers.headers_val[i];

	if (!seal_holds(g, h, hash))
		return err_set(err, ERR_NO, "header %u of the receipt is not sealed as this chain asks", i);
	bool target_known = i >= 2 || r->headers.headers_val[0].height.n == 1;
	if (target_known && !seal_follows(g, below, h))
		return err_set(err, ERR_NO,
		               "header %u of the receipt has another target than the headers below ask for",
		               i);
	return true;
}

/* The headers form one chain that ends in the certificate's block. */
static bool check_headers(const struct genesis *g, const struct qreceipt *r, struct err *err)
{
	const struct qheader *headers = r->headers.headers_val;
	unsigned cnt = r->headers.headers_len;
	struct seal_parent below;
	struct qhash hash = {{0}};

	if (cnt == 0)
		return err_set(err, ERR_NO, "the receipt holds no block header");
	seal_genesis(g, &below);
	for (unsigned i = 0; i < cnt; i++) {
		if (!check_place(r, i, &hash, err))
			return false;
		block_hash(&headers[i], &hash);
		if (!check_seal(g, r, i, &hash, &below, err))
			return false;
		seal_extend(&below, &headers[i]);
	}
	if (r->cert.kind != QCOMMIT && r->cert.kind != QCHECKPOINT)
		return err_set(err, ERR_NO,
		               "the receipt's certificate makes nothing final: it is not of COMMITs "
		               "or CHECKPOINTs");
	if (r->cert.vote.height.n != headers[cnt - 1].height.n || !qhash_eq(&r->cert.vote.block, &hash))
		return err_set(err, ERR_NO,
		               "the receipt's certificate is for another block than its last header");
	return true;
}

static bool check_cert(const struct genesis *g, const struct qcert *cert, struct err *err)
{
	int bad;

	if (!cert_well_formed(g, cert))
		return err_set(err, ERR_NO,
		               "the receipt's certificate is not well formed: it needs %u of this chain's %u "
		               "replicas, in order",
		               g->quorum, g->n);
	if (!cert_verify(g, cert, &bad))
		return err_set(err, ERR_NO,
		               "the signature of replica %d in the receipt's certificate does not hold", bad);
	return true;
}

bool receipt_verify(const struct genesis *g, const struct qreceipt *r, struct qtxid *id,
                    struct qheight *height, struct err *err)
{
	enum tx_verdict verdict;
	struct tx *tx;

	if (!qhash_eq(&r->chain, &g->chain))
		return err_set(err, ERR_NO, "the receipt is of another chain than this genesis");
	if (!check_headers(g, r, err))
		return false;
	const struct qheader *first = &r->headers.headers_val[0];
	tx = tx_parse(&g->chain, r->tx.qtx_bytes_val, r->tx.qtx_bytes_len, &verdict);
	if (!tx)
		return err_set(err, ERR_NO, "the receipt's transaction is refused: %s",
		               tx_verdict_info(verdict)->text);
	bool ok = merkle_verify(&tx->leaf, r->index, first->tx_count, r->path.path_val, r->path.path_len,
	                        &first->merkle_root);
	if (!ok)
		err_set(err, ERR_NO,
		        "the receipt's Merkle path does not lead from the transaction to block %llu",
		        (unsigned long long)first->height.n);
	else if (!tx_verify(g, tx))
		ok = err_set(err, ERR_NO, "a signature of the receipt's transaction does not hold");
	else
		ok = check_cert(g, &r->cert, err);
	if (ok) {
		*id = tx->id;
		*height = first->height;
	}
	tx_unref(tx);
	return ok;
}

static bool is_of(const struct qreceipt *r, const struct qtxid *id, struct err *err)
{
	enum tx_verdict verdict;
	if (r->headers.headers_len == 0)
		return err_set(err, ERR_NO, "the receipt holds no block header");
	struct tx *tx = tx_parse(&r->chain, r->tx.qtx_bytes_val, r->tx.qtx_bytes_len, &verdict);
	bool ok = tx != NULL && qtxid_eq(&tx->id, id);
	tx_unref(tx);
	return ok || err_set(err, ERR_NO, "the receipt is of another transaction");
}

bool receipt_proves(const struct genesis *g, const struct qtxid *id, const struct qreceipt *receipt,
                    struct err *err)
{
	struct qtxid its_id;
	struct qheight height;
	if (g != NULL && !receipt_verify(g, receipt, &its_id, &height, err))
		return false;
	return is_of(receipt, id, err);
}
