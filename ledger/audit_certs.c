/*
 * audit_certs.c: what makes each block final: certificates and who signed them.
 *
 * The tables hold a certificate at some heights; a block is covered by the first one at or above
 * its own height, and blocks.certified_by must name just that.  In between are hash links, which
 * the replay checks.
 */
#include <inttypes.h>

#include "audit_impl.h"

void coverage_open(struct coverage *c, struct book *b, struct qheight base)
{
	int64_t from = base.n > 0 ? (int64_t)base.n + 1 : INT64_MIN;

	c->named = 0;
	cursor_open_at(&c->certs, b, TABLE_CERTIFICATES, from);
	cursor_open_at(&c->signers, b, TABLE_SIGNERS, from);
	cursor_skip(&c->certs, 1, 0, qheight_of(0));
}

void coverage_close(struct coverage *c)
{
	cursor_close(&c->certs);
	cursor_close(&c->signers);
}

/* ---- one certificate ------------------------------------------------------------- */

static void check_signers(struct coverage *c, const struct qcert *cert, struct qheight h)
{
	for (unsigned i = 0; i < cert->sigs.sigs_len; i++) {
		const struct qcert_sig *s = &cert->sigs.sigs_val[i];
		if (!cursor_seek(&c->signers, (int64_t)h.n, s->replica, h))
			continue;
		cursor_is_blob(&c->signers, SIGNER_SIGNATURE, s->sig.b, sizeof s->sig.b, h);
		cursor_next(&c->signers);
	}
	cursor_skip(&c->signers, (int64_t)h.n + 1, 0, h);
}

static void check_columns(struct coverage *c, const struct qcert *cert, struct qheight h)
{
	struct cursor *row = &c->certs;
	cursor_is_text(row, CERT_KIND, cert->kind == QCOMMIT ? "commit" : "checkpoint", h);
	cursor_is_int(row, CERT_VIEW, (int64_t)cert->vote.view.n, h);
	cursor_is_blob(row, CERT_BLOCK, cert->vote.block.b, sizeof cert->vote.block.b, h);
}

/* Of this block, which was just replayed.  NULL, or why it is none. */
static const char *statement_fault(const struct book *b, const struct qcert *cert, struct qheight h,
                                   struct replay *r)
{
	struct qhash digest;
	if (cert->kind != QCOMMIT && cert->kind != QCHECKPOINT)
		return "a certificate of this kind makes no block final";
	if (!cert_well_formed(b->g, cert))
		return "not a certificate by a quorum of distinct replicas";
	if (cert->vote.height.n != h.n)
		return "it is for another height";
	if (!qhash_eq(&cert->vote.block, book_hash(b, h.n)))
		return "it is for another block than the one that stands here";
	if (cert->kind == QCHECKPOINT) {
		replay_digest(r, &digest);
		if (!qhash_eq(&digest, &cert->vote.state))
			return "the replayed state is not the one that the replicas signed";
	}
	return NULL;
}

/* The row that the cursor is at, of a block that was just replayed. */
static void check_certificate(struct coverage *c, struct qheight h, struct replay *r)
{
	struct book *b = c->certs.book;
	char where[WHERE_MAX];
	size_t len;
	const uint8_t *data = cursor_blob(&c->certs, CERT_CERTIFICATE, &len);
	struct qcert cert;

	cursor_where(&c->certs, CERT_CERTIFICATE, where);
	if (!data || !wire_decode(WIRE(qcert), data, len, &cert)) {
		book_find(b, AUDIT_CERTIFICATE, h, where, "not a canonical certificate");
		while (c->signers.at_row && c->signers.k1 == (int64_t)h.n)
			cursor_next(&c->signers); /* they cannot be judged */
		return;
	}
	const char *fault = statement_fault(b, &cert, h, r);
	int bad = -1;
	if (fault)
		book_find(b, AUDIT_CERTIFICATE, h, where, "%s", fault);
	else if (b->pool)
		audit_pool_cert(b->pool, b, &cert);
	else if (!cert_verify(b->g, &cert, &bad))
		book_find(b, AUDIT_CERTIFICATE, h, where, "the signature of replica %d does not hold", bad);
	check_columns(c, &cert, h);
	check_signers(c, &cert, h);
	wire_free(WIRE(qcert), &cert);
}

/* ---- which certificate ------------------------------------------------------------- */

/* Blocks.certified_by is `named`, though the first certificate from here on is that of the cursor. */
static void wrong_name(struct coverage *c, struct qheight h, int64_t named)
{
	struct book *b = c->certs.book;
	char where[WHERE_MAX];

	table_where(TABLE_BLOCKS, (int64_t)h.n, 0, "certified_by", where);
	if (c->certs.at_row && c->certs.k1 < named)
		book_find(b, AUDIT_ALTERED, h, where,
		          "is %" PRId64 ", but the certificate at %" PRId64 " covers the block first", named,
		          c->certs.k1);
	else if (named < (int64_t)h.n)
		book_find(b, AUDIT_ALTERED, h, where,
		          "is %" PRId64 ", but only a certificate from here on upwards can cover the block",
		          named);
	else if (named != c->named) /* once for all the blocks that name it */
		book_find(b, AUDIT_MISSING, h, table_where(TABLE_CERTIFICATES, named, 0, NULL, where),
		          "the row is missing: it is to cover the block at %" PRIu64, (uint64_t)h.n);
}

void coverage_block(struct coverage *c, struct qheight h, int64_t certified_by, struct replay *r)
{
	struct cursor *row = &c->certs;
	struct book *b = row->book;
	char where[WHERE_MAX];

	if (book_ends(b))
		return;
	if (!row->at_row || row->k1 != certified_by)
		wrong_name(c, h, certified_by);
	if (row->at_row && row->k1 == (int64_t)h.n) {
		if (certified_by != row->k1 && c->named != row->k1)
			book_find(b, AUDIT_EXTRA, h, cursor_where(row, -1, where),
			          "no block names this certificate");
		check_certificate(c, h, r);
		cursor_next(row);
	}
	c->named = certified_by;
}

void coverage_end(struct coverage *c, struct qheight tip)
{
	struct book *b = c->certs.book;
	char where[WHERE_MAX];

	if (c->certs.at_row && c->named > (int64_t)tip.n)
		book_find(b, AUDIT_MISSING, qheight_of(tip.n + 1),
		          table_where(TABLE_BLOCKS, (int64_t)tip.n + 1, 0, NULL, where),
		          "the row is missing: the blocks below name the certificate at %" PRId64, c->named);
	cursor_rest(&c->certs, tip);
	cursor_rest(&c->signers, tip);
}
