/*
 * audit_compare.c: several ledgers side by side: one chain as far as each goes, or the first height at
 * which there are two.
 *
 * Two blocks of one height that are certified both mean that more than f replicas lied: that is a fork,
 * and audit_blame.c finds who.  A block without a certificate that holds is nobody's word but its
 * operator's: such a ledger is set aside, and the others are compared on without it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "audit_impl.h"

static bool reaches(const struct book *b, uint64_t h)
{
	return h >= b->out->since.n && b->out->height.n >= h;
}

bool book_holds(const struct book *b, const struct qvote *at)
{
	return reaches(b, at->height.n) && qhash_eq(&b->hashes[at->height.n], &at->block);
}

/* ---- what a ledger can prove about its block ---------------------------------------- */

static bool column(sqlite3_stmt *s, int col, struct wire_type type, void *out)
{
	if (sqlite3_column_type(s, col) != SQLITE_BLOB)
		return false;
	const void *data = sqlite3_column_blob(s, col);
	return data && wire_decode(type, data, (size_t)sqlite3_column_bytes(s, col), out);
}

static const char walk_sql[] = "SELECT b.header, c.certificate FROM blocks b LEFT JOIN certificates c "
                               "ON c.height = b.height WHERE b.height >= ?1 ORDER BY b.height";

bool book_walk_open(struct book *b, uint64_t h, struct book_walk *w)
{
	*w = (struct book_walk){.b = b, .height = h};
	if (h == 0 || h >= b->hash_cnt || h < b->out->since.n)
		return false;
	w->stmt = book_prepare(b, walk_sql);
	return w->stmt && sqlite3_bind_int64(w->stmt, 1, (int64_t)h) == SQLITE_OK;
}

/* The header is that of the hash that was replayed, or follows from the one before. */
bool book_walk_next(struct book_walk *w)
{
	struct qhash hash;

	if (!book_step(w->b, w->stmt) || !column(w->stmt, 0, WIRE(qheader), &w->header))
		return false;
	block_hash(&w->header, &hash);
	if (w->walked ? !qhash_eq(&w->header.parent, &w->hash) : !qhash_eq(&hash, &w->b->hashes[w->height]))
		return false;
	if (w->header.height.n != w->height + w->walked)
		return false;
	w->hash = hash;
	w->walked++;
	return true;
}

bool book_walk_cert(struct book_walk *w, struct qcert *cert)
{
	if (!column(w->stmt, 1, WIRE(qcert), cert))
		return false;
	if ((cert->kind == QCOMMIT || cert->kind == QCHECKPOINT) && cert_well_formed(w->b->g, cert) &&
	    cert->vote.height.n == w->header.height.n && qhash_eq(&cert->vote.block, &w->hash))
		return true;
	wire_free(WIRE(qcert), cert);
	return false;
}

void book_walk_close(struct book_walk *w)
{
	sqlite3_finalize(w->stmt);
}

bool book_proof(struct book *b, uint64_t h, struct qcert *cert)
{
	struct book_walk w;
	bool found = false;

	if (!book_walk_open(b, h, &w))
		return false;
	while (!found && w.walked < PROOF_HEIGHTS_MAX && book_walk_next(&w)) {
		if (!book_walk_cert(&w, cert))
			continue;
		found = cert_verify(b->g, cert, NULL);
		if (!found)
			wire_free(WIRE(qcert), cert);
	}
	book_walk_close(&w);
	return found;
}

/* ---- one height --------------------------------------------------------------------- */

/* The different blocks at one height, those that are certified first. */
struct meeting {
	struct audit_branch *branches; /* as many as ledgers may be */
	size_t cnt, certified;
};

static struct audit_branch *branch_of(const struct meeting *m, const struct qhash *block)
{
	for (size_t i = 0; i < m->cnt; i++)
		if (qhash_eq(&m->branches[i].block, block))
			return &m->branches[i];
	return NULL;
}

/* Do ledgers that are not set aside differ at h? */
static bool differ(const struct book *books, size_t cnt, const bool *aside, uint64_t h)
{
	const struct qhash *first = NULL;

	for (size_t i = 0; i < cnt; i++) {
		if (aside[i] || !reaches(&books[i], h))
			continue;
		if (first && !qhash_eq(&books[i].hashes[h], first))
			return true;
		first = &books[i].hashes[h];
	}
	return false;
}

static struct audit_branch new_branch(struct book *books, size_t ledger, uint64_t h)
{
	struct audit_branch b = {.ledger = ledger, .block = books[ledger].hashes[h]};
	struct book_walk w;

	if (book_walk_open(&books[ledger], h, &w) && book_walk_next(&w))
		b.header = w.header;
	book_walk_close(&w);
	return b;
}

/* Of the ledgers that hold one block, the first that can prove it speaks for all. */
static void meet(struct book *books, size_t cnt, const bool *aside, uint64_t h, struct meeting *m)
{
	for (size_t i = 0; i < cnt; i++) {
		if (aside[i] || !reaches(&books[i], h))
			continue;
		struct audit_branch *b = branch_of(m, &books[i].hashes[h]);
		if (!b) {
			b = &m->branches[m->cnt++];
			*b = new_branch(books, i, h);
		}
		if (b->certified || !book_proof(&books[i], h, &b->cert))
			continue;
		struct audit_branch proven = *b, *to = &m->branches[m->certified++];
		proven.ledger = i;
		proven.certified = true;
		*b = *to;
		*to = proven;
	}
}

static void free_branch(struct audit_branch *b)
{
	if (b->certified)
		wire_free(WIRE(qcert), &b->cert);
	*b = (struct audit_branch){0};
}

void audit_divergence_free(struct audit_divergence *d)
{
	free_branch(&d->a);
	free_branch(&d->b);
	if (d->evidence)
		wire_free(WIRE(qevidence), d->evidence);
	free(d->evidence);
	free(d->unknown);
	*d = (struct audit_divergence){0};
}

/* ---- the divergence ----------------------------------------------------------------- */

/* A fork takes the place of an edited block that was found below it. */
static void found(struct audit_report *report, struct meeting *m, uint64_t h)
{
	struct audit_divergence *d = &report->divergence;
	bool fork = m->certified >= 2;

	if (report->diverged && !fork)
		return;
	audit_divergence_free(d);
	report->diverged = true;
	*d = (struct audit_divergence){.height = qheight_of(h),
	                               .a = m->branches[0],
	                               .b = m->branches[1],
	                               .blame = fork ? BLAME_UNKNOWN : BLAME_EDITED};
	m->branches[0] = m->branches[1] = (struct audit_branch){0};
}

static void compare_height(struct book *books, size_t cnt, bool *aside, uint64_t h,
                           struct audit_report *report)
{
	struct meeting m = {0};

	if (!differ(books, cnt, aside, h))
		return;
	m.branches = xcalloc(cnt, sizeof *m.branches);
	meet(books, cnt, aside, h, &m);
	for (size_t i = 0; i < cnt; i++)
		if (!aside[i] && reaches(&books[i], h))
			aside[i] = !branch_of(&m, &books[i].hashes[h])->certified;
	found(report, &m, h);
	for (size_t i = 0; i < m.cnt; i++)
		free_branch(&m.branches[i]);
	free(m.branches);
}

static enum audit_side side_of(const struct book *b, const struct audit_divergence *d)
{
	if (!reaches(b, d->height.n))
		return SIDE_NONE;
	const struct qhash *block = &b->hashes[d->height.n];
	return qhash_eq(block, &d->a.block) ? SIDE_A : qhash_eq(block, &d->b.block) ? SIDE_B : SIDE_OTHER;
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
			    (h == 0 ||
			     (reaches(&books[j], h) && qhash_eq(&books[j].hashes[h], &b->hashes[h]))))
				ahead = j;
		if (ahead != i)
			book_find(b, AUDIT_BEHIND, b->out->height, "file",
			          "%s holds this chain up to height %" PRIu64, report->ledgers[ahead].path,
			          (uint64_t)books[ahead].out->height.n);
	}
}

void audit_compare(struct book *books, size_t cnt, struct audit_report *report)
{
	const struct audit_divergence *d = &report->divergence;
	bool *aside = xcalloc(cnt, sizeof *aside);
	uint64_t from = UINT64_MAX, to = 0;

	for (size_t i = 0; i < cnt; i++) {
		const struct audit_ledger *l = books[i].out;
		from = l->since.n < from ? l->since.n : from;
		to = l->height.n > to ? l->height.n : to;
	}
	for (uint64_t h = from > 0 ? from : 1; h <= to && !(report->diverged && d->blame != BLAME_EDITED);
	     h++)
		compare_height(books, cnt, aside, h, report);
	free(aside);
	if (report->diverged && d->blame != BLAME_EDITED)
		audit_blame(books, cnt, &report->divergence);
	for (size_t i = 0; i < cnt && report->diverged; i++)
		report->ledgers[i].side = side_of(&books[i], d);
	note_behind(books, cnt, report);
}
