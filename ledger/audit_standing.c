/*
 * audit_standing.c: what became of a ledger: the gravest that is certain.
 *
 * Whoever can write the file can make any finding appear but one: that a quorum signed something.  So a
 * rule that a block breaks is the replicas' betrayal only where a certificate that holds covers this very
 * block, and its ancestors are what it says they are; else it is the operator's tampering.  Where the file
 * itself is broken, rows that are wrong may be so because of that: then no more is certain.
 */
#include <stdlib.h>
#include <string.h>

#include "audit_impl.h"
#include "merkle.h"

/* ---- what a quorum signed ----------------------------------------------------------- */

/* Every block from the first that was replayed up to h is on the one below it. */
static bool is_linked(struct book *b, uint64_t h)
{
	uint64_t from = b->out->since.n + 1;
	sqlite3_stmt *s = book_prepare(b, "SELECT header FROM blocks WHERE height >= ?1 ORDER BY height");
	bool ok = s && h < b->hash_cnt && sqlite3_bind_int64(s, 1, (int64_t)from) == SQLITE_OK;

	for (uint64_t at = from; ok && at <= h; at++) {
		struct qheader q;
		const void *data = book_step(b, s) ? sqlite3_column_blob(s, 0) : NULL;
		ok = data && wire_decode(WIRE(qheader), data, (size_t)sqlite3_column_bytes(s, 0), &q) &&
		     qhash_eq(&q.parent, &b->hashes[at - 1]);
	}
	sqlite3_finalize(s);
	return ok;
}

/* Is the block that stands at h final, whatever else is wrong with it? */
static bool is_covered(struct book *b, uint64_t h)
{
	struct qcert cert;

	if (!book_proof(b, h, &cert))
		return false;
	wire_free(WIRE(qcert), &cert);
	return true;
}

/*
 * Its parent is not the block below, though a certificate of its own makes that one final (or it is the
 * genesis): the two certificates are the quorums' own, whatever else is in the file.
 */
static bool is_torn(struct book *b, uint64_t h)
{
	return !is_linked(b, h) && (h == 1 || (is_linked(b, h - 1) && is_covered(b, h - 1)));
}

/* The certificate that stands at h: of this very block, and it holds. */
static bool has_checkpoint(struct book *b, uint64_t h)
{
	struct book_walk w;
	struct qcert cert;
	bool ok = false;

	if (book_walk_open(b, h, &w) && book_walk_next(&w) && book_walk_cert(&w, &cert)) {
		ok = cert.kind == QCHECKPOINT && cert_verify(b->g, &cert, NULL);
		wire_free(WIRE(qcert), &cert);
	}
	book_walk_close(&w);
	return ok;
}

/* Do the rows of transactions have the Merkle root of the block at h, whatever they are? */
static bool has_root(struct book *b, uint64_t h)
{
	struct book_walk w;
	uint32_t cnt = 0;
	bool ok = book_walk_open(b, h, &w) && book_walk_next(&w) &&
	          w.header.tx_count <= b->g->g.params.block_txs_max;
	struct qhash *leaves = xcalloc(ok ? w.header.tx_count + 1 : 1, sizeof *leaves);
	sqlite3_stmt *s = ok ? book_prepare(b, "SELECT raw FROM transactions WHERE seq >= "
	                                       "(SELECT first_tx FROM blocks WHERE height = ?1) ORDER BY seq")
	                     : NULL;

	ok = ok && s && sqlite3_bind_int64(s, 1, (int64_t)h) == SQLITE_OK;
	for (; ok && cnt < w.header.tx_count && book_step(b, s); cnt++) {
		const void *data = sqlite3_column_blob(s, 0);
		merkle_leaf(data, data ? (size_t)sqlite3_column_bytes(s, 0) : 0, &leaves[cnt]);
	}
	ok = ok && block_leaves_match(&w.header, leaves, cnt);
	sqlite3_finalize(s);
	book_walk_close(&w);
	free(leaves);
	return ok;
}

/* ---- findings ----------------------------------------------------------------------- */

/* That a row of transactions is no transaction at all is found before its block's root is looked at. */
static bool is_parsed(const struct audit_finding *f)
{
	size_t len = strlen(f->where);

	return len < 4 || strcmp(f->where + len - 4, ".raw") != 0;
}

/* Does it follow that a quorum signed what breaks the rules? */
static bool tells_of_betrayal(struct book *b, const struct audit_finding *f)
{
	uint64_t h = f->height.n;

	switch (f->kind) {
	case AUDIT_LINKAGE:
		return is_covered(b, h) && (is_linked(b, h) || is_torn(b, h));
	case AUDIT_SEAL:
	case AUDIT_PROPOSER:
	case AUDIT_SIGNATURE:
	case AUDIT_DOUBLE_SPEND:
		return is_covered(b, h) && is_linked(b, h);
	case AUDIT_TRANSACTION:
		return is_covered(b, h) && is_linked(b, h) && (is_parsed(f) || has_root(b, h));
	case AUDIT_DIGEST: /* by a certificate of the journal that holds, for this block; but where the audit
	                    * began it only says that rows were changed */
		return h > b->out->since.n && is_linked(b, h);
	case AUDIT_CERTIFICATE: /* all of it holds but the state */
		return has_checkpoint(b, h) && is_linked(b, h);
	case AUDIT_DAMAGED:
	case AUDIT_SCHEMA:
	case AUDIT_MISSING:
	case AUDIT_EXTRA:
	case AUDIT_ALTERED:
	case AUDIT_MERKLE:
	case AUDIT_CONFLICT:
	case AUDIT_JOURNAL:
	case AUDIT_UNCHECKED:
	case AUDIT_BEHIND:
		break;
	}
	return false;
}

static bool is_betrayed(struct book *b)
{
	for (size_t i = 0; i < b->out->finding_cnt; i++)
		if (tells_of_betrayal(b, &b->out->findings[i]))
			return true;
	return false;
}

/* Its own journal has a certificate that holds for another block than the certified one. */
static bool shows_fork(struct book *b)
{
	for (size_t i = 0; i < b->out->finding_cnt; i++) {
		const struct audit_finding *f = &b->out->findings[i];
		if (f->kind == AUDIT_CONFLICT && is_covered(b, f->height.n))
			return true;
	}
	return false;
}

/*
 * PRAGMA quick_check tells of broken pages, and of values that the schema forbids: these are
 * well stored, by somebody who told SQLite to let him.
 */
static bool is_value(const char *message)
{
	return strstr(message, " value in ") != NULL || strstr(message, "CHECK constraint failed") != NULL;
}

static bool is_broken(const struct book *b)
{
	size_t values = 0, damages = 0;

	for (size_t i = 0; i < b->out->finding_cnt; i++) {
		const struct audit_finding *f = &b->out->findings[i];
		damages += f->kind == AUDIT_DAMAGED;
		values += f->kind == AUDIT_DAMAGED && is_value(f->message);
	}
	return b->kinds >> AUDIT_DAMAGED & 1 && (values < damages || damages == 0);
}

/* ---- the divergence ----------------------------------------------------------------- */

static enum audit_standing at_divergence(struct book *b, const struct audit_divergence *d)
{
	switch (b->out->side) {
	case SIDE_NONE:
		return STANDING_SOUND;
	case SIDE_A:
	case SIDE_B:
		if (d->blame != BLAME_EDITED)
			return STANDING_FORKED;
		return (b->out->side == SIDE_A ? d->a : d->b).certified ? STANDING_SOUND : STANDING_TAMPERED;
	case SIDE_OTHER:
		if (!is_covered(b, d->height.n))
			return STANDING_TAMPERED;
		return d->blame != BLAME_EDITED ? STANDING_FORKED : STANDING_SOUND;
	}
	return STANDING_SOUND;
}

enum audit_standing book_standing(struct book *b, const struct audit_report *report)
{
	enum audit_standing here = report->diverged ? at_divergence(b, &report->divergence) : STANDING_SOUND;

	if (here == STANDING_FORKED || shows_fork(b))
		return STANDING_FORKED;
	if (is_betrayed(b))
		return STANDING_BETRAYED;
	if (is_broken(b))
		return STANDING_DAMAGED;
	if (!b->out->ok || here == STANDING_TAMPERED)
		return STANDING_TAMPERED;
	return b->kinds >> AUDIT_BEHIND & 1 ? STANDING_BEHIND : STANDING_SOUND;
}
