/*
 * audit_turns.c: was it the proposer's turn?
 *
 * Views are not in blocks, so the audit walks up the chain with the lowest view in which each block can have
 * been proposed: it never falls, and no COMMIT certificate at or above the block is of a lower view.
 *
 * An honest chain is never flagged.  Let a COMMIT certificate of view c be for the chain's block H: then the
 * blocks 1 to H were proposed by replicas that had the turn, in views u(1) <= u(2) <= ... <= u(H) <= c.
 *
 *  1. Who signed it had a prepared certificate of view c (CO1).  Let w <= c be the lowest view in which Q
 *     replicas PREPAREd block H.  A NEW-VIEW binds only what was prepared in a lower view, so the honest ones
 *     of these Q did it on a PRE-PREPARE of view w: the block's proposer had the turn there (PP1, PP7), and
 *     whatever carried the block into later views kept its bytes.  u(H) = w.
 *
 *  2. Take an honest one of these Q whose PREPARE no PREPARE of another honest one precedes.  It had seen no
 *     certificate of a view above w: of the Q who signed such a one, an honest one is among the Q of view w,
 *     and had PREPAREd there before, for nobody votes below a view that he voted in.  When it accepted
 *     block H, it had its parent (PP6)
 *       - accepted on a PRE-PREPARE of view w: u(H-1) = w, and the same is asked of the parent's parent; or
 *       - bound by w's NEW-VIEW: the parent was prepared in a lower view, and 1. goes on from there; or
 *       - as certified tip: by a COMMIT certificate for the parent or a block above it (or by CHECKPOINTs,
 *         whose first honest signer had executed by one), of a view <= w, and 1. goes on from there.
 *     Each step leads to what happened earlier, so this ends at the genesis.
 *
 * The views found here are the lowest that do not fall, hence at most these u, hence within every bound.
 *
 * What it cannot see: a wrong proposer who has the turn in some view between the lowest and the bound (after
 * as many view changes as there are replicas everybody had one); blocks above the last COMMIT certificate,
 * which CHECKPOINTs alone cover and nothing bounds, but for a proposer who has no turn in any view.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"

#define SHOWN_MAX 6 /* views in a message */

/* ---- what bounds views from above ------------------------------------------------- */

/* The row at hand, decoded; false if it is no certificate of COMMITs: it bounds nothing. */
static bool read_commit(const struct genesis *g, sqlite3_stmt *row, struct qcert *cert)
{
	const void *data = sqlite3_column_blob(row, 0);
	if (sqlite3_column_type(row, 0) != SQLITE_BLOB || !data ||
	    !wire_decode(WIRE(qcert), data, (size_t)sqlite3_column_bytes(row, 0), cert))
		return false;
	if (cert->kind == QCOMMIT && cert_well_formed(g, cert))
		return true;
	wire_free(WIRE(qcert), cert);
	return false;
}

static void add_bound(struct turns *t, const struct qcert *cert)
{
	if (t->bound_cnt == t->bound_cap) {
		t->bound_cap = 2 * t->bound_cap + 64;
		t->bounds = xrealloc(t->bounds, t->bound_cap * sizeof *t->bounds);
	}
	t->bounds[t->bound_cnt++] =
	    (struct turn_bound){cert->vote.height, cert->vote.height, cert->vote.view};
}

void turns_open(struct turns *t, struct book *b)
{
	sqlite3_stmt *all = book_prepare(b, "SELECT certificate FROM certificates ORDER BY height");
	struct qcert cert;

	*t = (struct turns){.b = b};
	while (book_step(b, all)) {
		if (!read_commit(b->g, all, &cert))
			continue;
		/* Rows that are out of order are found elsewhere. */
		if (t->bound_cnt == 0 || cert.vote.height.n > t->bounds[t->bound_cnt - 1].height.n)
			add_bound(t, &cert);
		wire_free(WIRE(qcert), &cert);
	}
	sqlite3_finalize(all);
	for (size_t i = t->bound_cnt; i-- > 1;) /* a lower view above bounds what is below, too */
		if (t->bounds[i].view.n < t->bounds[i - 1].view.n) {
			t->bounds[i - 1].by = t->bounds[i].by;
			t->bounds[i - 1].view = t->bounds[i].view;
		}
}

void turns_close(struct turns *t)
{
	free(t->bounds);
	t->bounds = NULL;
}

/* What bounds the view of the block at h; NULL: nothing. */
static const struct turn_bound *bound_of(struct turns *t, struct qheight h)
{
	while (t->next < t->bound_cnt && t->bounds[t->next].height.n < h.n)
		t->next++;
	return t->next < t->bound_cnt ? &t->bounds[t->next] : NULL;
}

/* Nobody is accused by a certificate whose signatures do not hold. */
static bool bound_holds(struct book *b, const struct turn_bound *bound)
{
	sqlite3_stmt *row = book_prepare(b, "SELECT certificate FROM certificates WHERE height = ?1");
	struct qcert cert;
	bool ok = false;

	if (row && sqlite3_bind_int64(row, 1, (int64_t)bound->by.n) == SQLITE_OK && book_step(b, row) &&
	    read_commit(b->g, row, &cert)) {
		ok = cert.vote.view.n == bound->view.n && cert_verify(b->g, &cert, NULL);
		wire_free(WIRE(qcert), &cert);
	}
	sqlite3_finalize(row);
	return ok;
}

/* ---- one block ----------------------------------------------------------------------- */

/* "in view 3 it was replica 0's, in view 4 replica 1's": from the lowest view to the highest that is
 * possible. */
static void describe_turns(const struct turns *t, const struct schedule *s, struct qheight h, uint64_t last,
                           char *text, size_t cap)
{
	size_t len = 0;
	for (uint64_t v = t->lowest.n; v <= last && len < cap; v++) {
		unsigned whose = schedule_proposer(t->b->g, s, h, qview_of(v));
		if (v - t->lowest.n == SHOWN_MAX) {
			snprintf(text + len, cap - len, ", and so on to view %" PRIu64, last);
			return;
		}
		int n =
		    snprintf(text + len, cap - len, "%s view %" PRIu64 " %sreplica %u's",
		             v == t->lowest.n ? "in" : ", in", v, v == t->lowest.n ? "it was " : "", whose);
		len += n > 0 ? (size_t)n : cap;
	}
}

static void wrong_proposer(struct turns *t, const struct schedule *s, const struct qheader *q,
                           const struct turn_bound *bound)
{
	char where[WHERE_MAX], text[384] = "";

	table_where(TABLE_BLOCKS, (int64_t)q->height.n, 0, "proposer", where);
	if (!bound) {
		book_find(t->b, AUDIT_PROPOSER, q->height, where,
		          "replica %u proposed the block, but has no turn at this height in any view",
		          q->proposer);
		return;
	}
	describe_turns(t, s, q->height, bound->view.n, text, sizeof text);
	book_find(
	    t->b, AUDIT_PROPOSER, q->height, where,
	    "replica %u proposed the block, but it was not its turn: %s; the certificate at height %" PRIu64
	    " is of view %" PRIu64,
	    q->proposer, text, (uint64_t)bound->by.n, (uint64_t)bound->view.n);
}

void turns_block(struct turns *t, const struct schedule *s, const struct qheader *q)
{
	const struct turn_bound *bound = bound_of(t, q->height);
	struct qview v = t->lowest;

	if (t->blind || q->proposer >= t->b->g->n)
		return;
	bool has_turn = schedule_view_of(t->b->g, s, q->height, q->proposer, &v);
	if (has_turn && (!bound || v.n <= bound->view.n)) {
		t->lowest = v;
		return;
	}
	if (has_turn && !bound_holds(t->b, bound))
		t->blind = true;
	else
		wrong_proposer(t, s, q, has_turn ? bound : NULL);
}
