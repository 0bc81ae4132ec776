/*
 * reader_proof.c: proofs for what a reader gives (reader_prove()): signatures, and what one row says of
 * another.
 *
 * A row that its operator edited together with all that hashes to it is found here, for at the end of every
 * chain of hashes stands a certificate.  That a row is missing, only a whole pass can tell (scrub.h).
 */
#include "reader_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence.h"
#include "merkle.h"
#include "receipt.h"

void reader_prove(struct reader *r, const struct genesis *g)
{
	r->genesis = g;
}

/* ---- certificates --------------------------------------------------------- */

bool reader_proves_certificate(struct reader *r, const struct qcert *cert, struct err *err)
{
	unsigned long long height = cert->vote.height.n;
	int bad = -1;

	if (!r->genesis)
		return true;
	if (!cert_well_formed(r->genesis, cert) || cert->kind == QPREPARE)
		return db_damaged(&r->db, err, "certificates(height=%llu) makes no block final", height);
	return cert_verify(r->genesis, cert, &bad) ||
	       db_damaged(&r->db, err, "certificates(height=%llu): the signature of replica %d does not hold",
	                  height, bad);
}

bool reader_proves_receipt(struct reader *r, const struct qtxid *id, const struct tx_place *place,
                           const struct qreceipt *receipt, struct err *err)
{
	struct qtxid proven_id;
	struct qheight proven_height;
	struct err why = {0};

	if (!r->genesis)
		return true;
	if (!receipt_verify(r->genesis, receipt, &proven_id, &proven_height, &why))
		return db_damaged(&r->db, err, "blocks(height=%llu), certificates(height=%llu): %s",
		                  (unsigned long long)place->height.n,
		                  (unsigned long long)receipt->cert.vote.height.n, why.text);
	must(qtxid_eq(&proven_id, id) && proven_height.n == place->height.n); /* compared before */
	return true;
}

/* ---- blocks ----------------------------------------------------------------- */

/* Its leaves, and that it is final, into r->proven. */
static enum found prove_block(struct reader *r, struct qheight h, struct err *err)
{
	struct qheader header;
	struct qhash hash;
	struct qcert cert;
	int64_t first_tx;
	enum found got = reader_get_header(r, h, &header, &first_tx, err);

	if (got != FOUND)
		return got;
	block_hash(&header, &hash);
	if (r->proven.height.n == h.n && qhash_eq(&r->proven.hash, &hash))
		return FOUND;
	r->proven.height = qheight_of(0);
	if (!r->proven.leaves)
		r->proven.leaves = xcalloc(Q_BLOCK_TXS_MAX, sizeof *r->proven.leaves);
	got = reader_get_leaves(r, &header, first_tx, r->proven.leaves, err);
	if (got == FOUND)
		got = reader_get_cert_for(r, h, &cert, err);
	if (got == FOUND) {
		r->proven.height = h;
		r->proven.hash = hash;
		r->proven.cnt = header.tx_count;
		wire_free(WIRE(qcert), &cert);
	}
	return got;
}

enum found reader_prove_tx(struct reader *r, const struct qhash *leaf, const struct tx_place *place,
                           struct err *err)
{
	unsigned long long height = place->height.n;

	if (!r->genesis)
		return FOUND;
	if (!db_view(&r->db, err))
		return FOUND_ERROR;
	enum found got = prove_block(r, place->height, err);
	db_view_end(&r->db);
	if (got == NOT_FOUND)
		db_damaged(&r->db, err, "blocks(height=%llu) is missing", height);
	else if (got == FOUND &&
	         (place->position >= r->proven.cnt || !qhash_eq(leaf, &r->proven.leaves[place->position])))
		db_damaged(&r->db, err, "transactions(height=%llu,position=%u) is another in block %llu",
		           height, place->position, height);
	else
		return got;
	return FOUND_ERROR;
}

/* ---- who made and who spent an output ------------------------------------------ */

/* The current row of TX into r->made. */
static bool take_tx(struct reader *r, const struct qtxid *id, struct err *err)
{
	enum tx_verdict verdict;
	int64_t height, seq;
	const uint8_t *raw;
	size_t len;

	if (!db_get_int(&r->db, TX, 0, &height, err) || !db_get_blob(&r->db, TX, 2, &raw, &len, err) ||
	    !db_get_int(&r->db, TX, 3, &seq, err))
		return false;
	struct tx *tx = tx_parse(&r->chain, raw, len, &verdict);
	if (!tx || !qtxid_eq(&tx->id, id)) {
		tx_unref(tx);
		return db_damaged(&r->db, err,
		                  "transactions(seq=%lld).raw is not the transaction that txid names",
		                  (long long)seq);
	}
	tx_unref(r->made.tx);
	r->made.tx = tx;
	r->made.seq = seq;
	r->made.height = qheight_of((uint64_t)height);
	return true;
}

/* Its number is one of its block's. */
static bool check_height(struct reader *r, struct err *err)
{
	long long seq = r->made.seq;
	struct qheader header;
	int64_t first_tx;
	enum found got = reader_get_header(r, r->made.height, &header, &first_tx, err);

	if (got == FOUND_ERROR)
		return false;
	return (got == FOUND && first_tx <= seq && seq - first_tx < header.tx_count) ||
	       db_damaged(&r->db, err, "transactions(seq=%lld).height is %llu, whose block does not hold it",
	                  seq, (unsigned long long)r->made.height.n);
}

/* The transaction with this id, which is r->made.tx then; NULL with *err. */
static const struct tx *look_up(struct reader *r, const struct qtxid *id, struct err *err)
{
	char hex[QHASH_HEX];

	if (r->made.tx && qtxid_eq(&r->made.tx->id, id))
		return r->made.tx;
	enum found got = db_query(&r->db, TX, DB_ARGS(db_blob(id->b, sizeof id->b)), err);
	bool ok = got == FOUND && take_tx(r, id, err);
	if (got == NOT_FOUND)
		db_damaged(&r->db, err, "an output names transaction %s, which is not there",
		           hex_encode(hex, id->b, sizeof id->b));
	db_done(&r->db, TX);
	if (ok && check_height(r, err))
		return r->made.tx;
	tx_unref(r->made.tx);
	r->made.tx = NULL;
	return NULL;
}

bool reader_proves_spender(struct reader *r, const struct qoutpoint *p, const struct qtxid *spender,
                           struct err *err)
{
	char hex[QHASH_HEX];

	if (!r->genesis)
		return true;
	const struct tx *tx = look_up(r, spender, err);
	if (!tx)
		return false;
	const struct qtx_body *body = &tx->q.body;
	for (unsigned i = 0; i < body->inputs.inputs_len; i++) {
		const struct qoutpoint *in = &body->inputs.inputs_val[i];
		if (qtxid_eq(&in->tx, &p->tx) && in->index == p->index)
			return true;
	}
	return db_damaged(
	    &r->db, err,
	    "outputs: output %u of transaction %s was not spent by transaction %lld, as spent_by says",
	    p->index, hex_encode(hex, p->tx.b, sizeof p->tx.b), (long long)r->made.seq);
}

/* ---- double spends --------------------------------------------------------------- */

/* The two in either order: which of them won, the ledger says. */
static bool shows(const struct genesis *g, const struct qevidence *ev, const struct attempt *a)
{
	struct evidence_facts f;

	if (ev->kind != QEV_DOUBLE_SPEND || !evidence_facts(g, ev, &f))
		return false;
	bool first_won = memcmp(f.first.b, a->winner.b, sizeof f.first.b) == 0;
	const struct qhash *winner = first_won ? &f.first : &f.second,
	                   *loser = first_won ? &f.second : &f.first;
	return memcmp(winner->b, a->winner.b, sizeof winner->b) == 0 &&
	       memcmp(loser->b, a->loser.b, sizeof loser->b) == 0 &&
	       memcmp(f.signer.b, a->signer.b, sizeof f.signer.b) == 0 &&
	       qtxid_eq(&f.output.tx, &a->output.tx) && f.output.index == a->output.index;
}

bool reader_proves_attempt(struct reader *r, int64_t seq, const struct attempt *a, struct err *err)
{
	struct qevidence ev;
	int64_t entry = seq - 1;

	if (!r->genesis)
		return true;
	enum found got = seq > 0 ? reader_evidence(r, &entry, &ev, err) : NOT_FOUND;
	bool ok = got == FOUND && entry == seq && shows(r->genesis, &ev, a);
	if (got == FOUND)
		wire_free(WIRE(qevidence), &ev);
	if (got == FOUND_ERROR)
		return false;
	return ok || db_damaged(&r->db, err, "evidence(seq=%lld) is not what that entry of the journal shows",
	                        (long long)seq);
}
