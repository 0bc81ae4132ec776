/*
 * audit_compare.c: several ledgers side by side: one chain as far as each goes, or the first height at
 * which there are two.
 *
 * Two certified blocks at one height mean that more than f replicas lied.  Where both
 * certificates are of one kind and view, whoever signed both is guilty, and named here.  Of
 * different views the guilty are those whose VIEW-CHANGE hides what their COMMIT proves; the journals hold
 * what is needed to name them (protocol.md, Evidence).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "audit_impl.h"

static bool reaches(const struct book *b, uint64_t h)
{
	return b->out->height.n >= h;
}

/* ---- what a ledger can prove about its block ------------------------------------------ */

static bool read_blob(struct book *b, const char *sql, uint64_t key, struct wire_type type, void *out)
{
	sqlite3_stmt *s = book_prepare(b, sql);
	bool ok = false;
	if (s && sqlite3_bind_int64(s, 1, (int64_t)key) == SQLITE_OK && book_step(b, s) &&
	    sqlite3_column_type(s, 0) == SQLITE_BLOB) {
		const void *data = sqlite3_column_blob(s, 0);
		ok = data && wire_decode(type, data, (size_t)sqlite3_column_bytes(s, 0), out);
	}
	sqlite3_finalize(s);
	return ok;
}

/* Is every block above `from`, up to `to`, on the one below it? */
static bool is_linked(struct book *b, uint64_t from, uint64_t to)
{
	bool ok = true;
	for (uint64_t h = from + 1; h <= to && ok; h++) {
		struct qheader q;
		if (!read_blob(b, "SELECT header FROM blocks WHERE height = ?1", h, WIRE(qheader), &q))
			return false;
		ok = qhash_eq(&q.parent, &b->hashes[h - 1]);
		wire_free(WIRE(qheader), &q);
	}
	return ok;
}

/* The certificate that makes block h final in this ledger, with everything that leads up to it. */
static bool read_proof(struct book *b, uint64_t h, struct qcert *cert)
{
	if (!read_blob(b, "SELECT certificate FROM certificates WHERE height >= ?1 ORDER BY height LIMIT 1",
	               h, WIRE(qcert), cert))
		return false;
	uint64_t at = cert->vote.height.n;
	if (at >= h && reaches(b, at) && qhash_eq(&cert->vote.block, &b->hashes[at]) &&
	    cert->kind != QPREPARE && is_linked(b, h, at) && cert_verify(b->g, cert, NULL))
		return true;
	wire_free(WIRE(qcert), cert);
	return false;
}

static uint64_t signers(const struct qcert *cert)
{
	uint64_t mask = 0;
	for (unsigned i = 0; i < cert->sigs.sigs_len; i++)
		mask |= (uint64_t)1 << cert->sigs.sigs_val[i].replica;
	return mask;
}

static void fill_branch(struct book *books, size_t ledger, uint64_t h, struct audit_branch *out)
{
	out->ledger = ledger;
	out->block = books[ledger].hashes[h];
	out->certified = read_proof(&books[ledger], h, &out->cert);
}

/* ---- the first divergence ---------------------------------------------------------------- */

/* The first ledger that reaches h, and in *other the first that holds another block there; cnt: none. */
static size_t compare_height(const struct book *books, size_t cnt, uint64_t h, size_t *other)
{
	size_t first = cnt;
	*other = cnt;
	for (size_t i = 0; i < cnt; i++) {
		if (!reaches(&books[i], h))
			continue;
		if (first == cnt)
			first = i;
		else if (*other == cnt && !qhash_eq(&books[i].hashes[h], &books[first].hashes[h]))
			*other = i;
	}
	return first;
}

static enum audit_side side_of(const struct book *b, const struct audit_divergence *d)
{
	if (!reaches(b, d->height.n))
		return SIDE_NONE;
	const struct qhash *block = &b->hashes[d->height.n];
	return qhash_eq(block, &d->a.block) ? SIDE_A : qhash_eq(block, &d->b.block) ? SIDE_B : SIDE_OTHER;
}

static void fill_divergence(struct book *books, size_t cnt, uint64_t h, size_t first, size_t other,
                            struct audit_report *report)
{
	struct audit_divergence *d = &report->divergence;

	report->diverged = true;
	d->height = qheight_of(h);
	fill_branch(books, first, h, &d->a);
	fill_branch(books, other, h, &d->b);
	bool both = d->a.certified && d->b.certified;
	if (both && d->a.cert.kind == d->b.cert.kind && d->a.cert.vote.view.n == d->b.cert.vote.view.n) {
		d->blame = BLAME_SAME_VIEW;
		d->culprits = signers(&d->a.cert) & signers(&d->b.cert);
	} else if (both) {
		d->blame = BLAME_UNKNOWN;
	}
	for (size_t i = 0; i < cnt; i++)
		report->ledgers[i].side = side_of(&books[i], d);
}

/* A ledger that was replayed to its end, and ends where another goes on with the same chain. */
static void note_behind(struct book *books, size_t cnt, const struct audit_report *report)
{
	for (size_t i = 0; i < cnt; i++) {
		struct book *b = &books[i];
		uint64_t h = b->out->height.n;
		size_t ahead = i;
		if (b->stopped || b->illegible)
			continue;
		for (size_t j = 0; j < cnt; j++)
			if (books[j].out->height.n > books[ahead].out->height.n &&
			    (h == 0 || qhash_eq(&books[j].hashes[h], &b->hashes[h])))
				ahead = j;
		if (ahead != i)
			book_find(b, AUDIT_BEHIND, b->out->height, "file",
			          "%s holds this chain up to height %" PRIu64, report->ledgers[ahead].path,
			          (uint64_t)books[ahead].out->height.n);
	}
}

void audit_compare(struct book *books, size_t cnt, struct audit_report *report)
{
	for (uint64_t h = 1;; h++) {
		size_t other, first = compare_height(books, cnt, h, &other);
		if (first == cnt)
			break;
		if (other < cnt) {
			fill_divergence(books, cnt, h, first, other, report);
			break;
		}
	}
	note_behind(books, cnt, report);
}
