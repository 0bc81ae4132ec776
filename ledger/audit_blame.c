/*
 * audit_blame.c: of two chains that are both certified, who made them.
 *
 * Let there be a certificate of COMMITs on each side, of views v and w.
 *
 *   v = w   Whoever signed both is guilty: an honest replica's COMMITs of one view lie on one chain (CO3).
 *   v < w   Of the NEW-VIEWs above v, up to w, some was the first that did not carry the block of v over. Two
 *           quorums meet in f + 1: so many of those who signed the certificate of v have a VIEW-CHANGE in it.
 *           Either all of them hide what their COMMIT proves (view_change_hides()), and are guilty.  Or one
 *           reports the block's whole chain above its tip, and it was dropped all the same, because
 *             - another block is prepared at one of these heights in v, too: who signed both is guilty;
 *             - something else is prepared there in a view between: then it was not the first to drop it;
 *             - it begins above, or beside, with a certificate of another chain: that is one to begin with,
 *               and is collected here like those in the tables.
 *
 * Certificates of CHECKPOINTs show no view; two of one height convict whoever signed both.  All of this needs
 * the NEW-VIEW, and each replica that entered the view has it in its journal; if none of their ledgers is
 * here, nobody can be named for certain, and nobody is.
 *
 * What is found goes into a piece of evidence, and evidence_facts() of that is what is said.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"
#include "evidence.h"

#define VOUCHERS_MAX 1024 /* more views or checkpoints within Q_CHAIN_MAX heights only liars make */
#define VIEWS_MAX 4096    /* whose NEW-VIEWs are remembered as seen */
#define GAPS_MAX 8        /* named, of views whose NEW-VIEW is missing */

/* A certificate that holds of a block on one side, at most Q_CHAIN_MAX - 1 above the divergence. */
struct voucher {
	enum audit_side side;
	size_t ledger; /* that holds the block */
	struct qcert cert;
};

struct inquiry {
	struct book *books;
	size_t cnt;
	const struct genesis *g;
	struct audit_divergence *d;
	struct voucher *vouchers; /* of a side: one a view of COMMITs, one a height of CHECKPOINTs */
	size_t voucher_cnt;
	uint64_t *views; /* whose NEW-VIEWs were seen, each maybe several times */
	size_t view_cnt;
	/* The best charge so far, whose NEW-VIEW is open and holds. */
	struct charge best;
	const struct voucher *charged;
	struct opened *shown_by;
};

static unsigned bits_of(uint64_t mask)
{
	unsigned cnt = 0;

	for (; mask; mask &= mask - 1)
		cnt++;
	return cnt;
}

static uint64_t view_of(const struct voucher *v)
{
	return v->cert.vote.view.n;
}

static bool is_commit(const struct voucher *v)
{
	return v->cert.kind == QCOMMIT;
}

/* ---- certificates ------------------------------------------------------------------- */

static enum audit_side side_of(const struct inquiry *q, size_t ledger)
{
	const struct book *b = &q->books[ledger];
	struct qvote at = {.height = q->d->height, .block = q->d->a.block};

	if (book_holds(b, &at))
		return SIDE_A;
	at.block = q->d->b.block;
	return book_holds(b, &at) ? SIDE_B : SIDE_NONE;
}

static bool is_known(const struct inquiry *q, enum audit_side side, const struct qcert *cert)
{
	for (size_t i = 0; i < q->voucher_cnt; i++) {
		const struct voucher *v = &q->vouchers[i];
		if (v->side == side && v->cert.kind == cert->kind && view_of(v) == cert->vote.view.n &&
		    (is_commit(v) || v->cert.vote.height.n == cert->vote.height.n))
			return true;
	}
	return false;
}

/* Well formed, and for a block that the ledger holds on this side. */
static void consider(struct inquiry *q, enum audit_side side, size_t ledger, const struct qcert *cert)
{
	struct voucher *v = &q->vouchers[q->voucher_cnt];

	if (q->voucher_cnt == VOUCHERS_MAX || is_known(q, side, cert) || !cert_verify(q->g, cert, NULL))
		return;
	*v = (struct voucher){.side = side, .ledger = ledger};
	cert_copy(&v->cert, cert);
	q->voucher_cnt++;
}

/* Of whatever block: is that on one of the sides? */
static void consider_any(void *ctx, const struct qcert *cert)
{
	struct inquiry *q = ctx;
	uint64_t from = q->d->height.n, at = cert->vote.height.n;

	if ((cert->kind != QCOMMIT && cert->kind != QCHECKPOINT) || !cert_well_formed(q->g, cert) ||
	    at < from || at - from >= Q_CHAIN_MAX)
		return;
	for (size_t i = 0; i < q->cnt; i++)
		if (side_of(q, i) != SIDE_NONE && book_holds(&q->books[i], &cert->vote)) {
			consider(q, side_of(q, i), i, cert);
			return;
		}
}

static void collect_tables(struct inquiry *q)
{
	for (size_t i = 0; i < q->cnt; i++) {
		enum audit_side side = side_of(q, i);
		struct book_walk w;
		struct qcert cert;
		if (side == SIDE_NONE)
			continue;
		bool more = book_walk_open(&q->books[i], q->d->height.n, &w);
		while (more && w.walked < Q_CHAIN_MAX && book_walk_next(&w))
			if (book_walk_cert(&w, &cert)) {
				consider(q, side, i, &cert);
				wire_free(WIRE(qcert), &cert);
			}
		book_walk_close(&w);
	}
}

/* ---- journals ----------------------------------------------------------------------- */

static void each_entry(struct inquiry *q, void (*each)(struct inquiry *q, const struct qjournal *j))
{
	struct qjournal j;

	for (size_t i = 0; i < q->cnt; i++) {
		struct book *b = &q->books[i];
		sqlite3_stmt *s = book_prepare(b, "SELECT entry FROM journal ORDER BY seq");
		while (book_step(b, s)) {
			const void *data = sqlite3_column_blob(s, 0);
			if (!data ||
			    !wire_decode(WIRE(qjournal), data, (size_t)sqlite3_column_bytes(s, 0), &j))
				continue;
			each(q, &j);
			wire_free(WIRE(qjournal), &j);
		}
		sqlite3_finalize(s);
	}
}

static void collect_entry(struct inquiry *q, const struct qjournal *j)
{
	const struct qevidence *ev = &j->qjournal_u.evidence;
	struct opened *o;

	switch (j->kind) {
	case QJ_STABLE:
		consider_any(q, &j->qjournal_u.stable);
		break;
	case QJ_NEW_VIEW:
		o = new_view_open(q->g, &j->qjournal_u.new_view);
		if (!o)
			break;
		if (q->view_cnt < VIEWS_MAX)
			q->views[q->view_cnt++] = new_view_of(o).n;
		new_view_certs(o, consider_any, q);
		new_view_close(o);
		break;
	case QJ_EVIDENCE:
		if (ev->kind == QEV_FORK) {
			consider_any(q, &ev->qevidence_u.fork.first.cert);
			consider_any(q, &ev->qevidence_u.fork.second.cert);
		}
		break;
	}
}

/* ---- charges ------------------------------------------------------------------------ */

static bool is_enough(const struct inquiry *q, uint64_t culprits)
{
	return bits_of(culprits) > q->g->f;
}

/* Enough culprits; then a NEW-VIEW that dropped the block, rather than one that might have; then the first.
 */
static bool is_better(const struct inquiry *q, const struct charge *c)
{
	bool enough = is_enough(q, c->culprits);

	if (c->culprits == 0 || !q->charged)
		return c->culprits != 0;
	if (enough != is_enough(q, q->best.culprits))
		return enough;
	if (c->drops != q->best.drops)
		return c->drops;
	if (!enough && bits_of(c->culprits) != bits_of(q->best.culprits))
		return bits_of(c->culprits) > bits_of(q->best.culprits);
	return c->view.n < q->best.view.n;
}

/* The highest view on the other side, if it is later: no NEW-VIEW above it can have made the fork. */
static uint64_t last_view(const struct inquiry *q, const struct voucher *v)
{
	uint64_t last = 0;
	bool any = false;

	for (size_t i = 0; i < q->voucher_cnt; i++) {
		const struct voucher *x = &q->vouchers[i];
		if (x->side == v->side || !is_commit(x))
			continue;
		any = true;
		last = view_of(x) > last ? view_of(x) : last;
	}
	return any ? last : UINT64_MAX;
}

static void charge_entry(struct inquiry *q, const struct qjournal *j)
{
	struct opened *o = j->kind == QJ_NEW_VIEW ? new_view_open(q->g, &j->qjournal_u.new_view) : NULL;
	bool kept = false;

	for (size_t i = 0; o && i < q->voucher_cnt; i++) {
		const struct voucher *v = &q->vouchers[i];
		struct charge c;
		uint64_t view = new_view_of(o).n;
		if (!is_commit(v) || view <= view_of(v) || view > last_view(q, v))
			continue;
		new_view_charge(o, &v->cert, &q->books[v->ledger], &c);
		if (!is_better(q, &c) || !new_view_holds(o))
			continue;
		if (!kept)
			new_view_close(q->shown_by);
		q->best = c;
		q->charged = v;
		q->shown_by = o;
		kept = true;
	}
	if (!kept)
		new_view_close(o);
}

/* ---- evidence -------------------------------------------------------------------------------------------
 */

static bool read_chain(const struct inquiry *q, const struct voucher *v, struct qchain *c)
{
	uint64_t cnt = v->cert.vote.height.n - q->d->height.n + 1;
	struct book_walk w;

	*c = (struct qchain){.headers.headers_val = xcalloc(cnt, sizeof(struct qheader))};
	cert_copy(&c->cert, &v->cert);
	bool more = book_walk_open(&q->books[v->ledger], q->d->height.n, &w);
	while (more && c->headers.headers_len < cnt && book_walk_next(&w))
		c->headers.headers_val[c->headers.headers_len++] = w.header;
	book_walk_close(&w);
	return c->headers.headers_len == cnt;
}

static void add_charge(struct qfork *f, const struct charge *c)
{
	f->hiding.hiding_val = xcalloc(c->hiding_cnt + 1, sizeof *f->hiding.hiding_val);
	for (size_t i = 0; i < c->hiding_cnt; i++) {
		struct qenvelope env = *c->hiding[i];
		env.body.body_val = xmemdup(env.body.body_val, env.body.body_len);
		f->hiding.hiding_val[f->hiding.hiding_len++] = env;
	}
	f->prepared.prepared_val = xcalloc(2, sizeof *f->prepared.prepared_val);
	for (int i = 0; i < 2 && c->prepared[0]; i++)
		cert_copy(&f->prepared.prepared_val[f->prepared.prepared_len++], c->prepared[i]);
}

static void take_cert(struct audit_branch *b, const struct voucher *v)
{
	wire_free(WIRE(qcert), &b->cert);
	cert_copy(&b->cert, &v->cert);
	b->ledger = v->ledger;
}

/* The evidence of these two, and what it says. */
static void present(struct inquiry *q, const struct voucher *first, const struct voucher *second,
                    const struct charge *charge)
{
	struct audit_divergence *d = q->d;
	struct qevidence *ev = xcalloc(1, sizeof *ev);
	struct qfork *f = &ev->qevidence_u.fork;
	struct evidence_facts facts;

	ev->kind = QEV_FORK;
	bool ok = read_chain(q, first, &f->first);
	ok = read_chain(q, second, &f->second) && ok;
	if (charge)
		add_charge(f, charge);
	if (!ok || !evidence_verify(q->g, ev, NULL) || !evidence_facts(q->g, ev, &facts)) {
		wire_free(WIRE(qevidence), ev); /* the file cannot be read any more */
		free(ev);
		return;
	}
	d->evidence = ev;
	d->culprits = facts.culprits;
	take_cert(&d->a, first->side == SIDE_A ? first : second);
	take_cert(&d->b, first->side == SIDE_A ? second : first);
}

/* Two of COMMITs in one view, or else of CHECKPOINTs at one height. */
static bool same_view(struct inquiry *q)
{
	const enum qkind kinds[] = {QCOMMIT, QCHECKPOINT};

	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < q->voucher_cnt; i++)
			for (size_t j = 0; j < q->voucher_cnt; j++) {
				const struct voucher *x = &q->vouchers[i], *y = &q->vouchers[j];
				if (x->side != SIDE_A || y->side != SIDE_B || x->cert.kind != kinds[k] ||
				    y->cert.kind != kinds[k] || view_of(x) != view_of(y))
					continue;
				if (!is_commit(x) && x->cert.vote.height.n != y->cert.vote.height.n)
					continue;
				present(q, x, y, NULL);
				if (q->d->evidence)
					q->d->blame = BLAME_SAME_VIEW;
				return q->d->evidence != NULL;
			}
	return false;
}

/* On the other side: of the first view from this one on, or what there is. */
static const struct voucher *opponent(const struct inquiry *q, const struct voucher *v, uint64_t view)
{
	const struct voucher *best = NULL;

	for (size_t i = 0; i < q->voucher_cnt; i++) {
		const struct voucher *x = &q->vouchers[i];
		bool later = is_commit(x) && view_of(x) >= view;
		bool best_later = best && is_commit(best) && view_of(best) >= view;
		if (x->side == v->side)
			continue;
		if (!best || (later && !best_later) || (later && view_of(x) < view_of(best)))
			best = x;
	}
	return best;
}

/* ---- what is missing ---------------------------------------------------------------- */

static int compare_views(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
	return a < b ? -1 : a > b;
}

static void put_gap(FILE *f, unsigned nth, uint64_t from, uint64_t to)
{
	if (nth >= GAPS_MAX) {
		if (nth == GAPS_MAX)
			fputs(" and more", f);
		return;
	}
	fprintf(f, "%s%" PRIu64, nth > 0 ? ", " : "", from);
	if (to > from)
		fprintf(f, " to %" PRIu64, to);
}

/* The views above v, up to w, of which no NEW-VIEW was seen.  Returns how many gaps there are. */
static unsigned put_gaps(struct inquiry *q, FILE *f, uint64_t v, uint64_t w)
{
	uint64_t next = v + 1;
	unsigned cnt = 0;

	qsort(q->views, q->view_cnt, sizeof *q->views, compare_views);
	for (size_t i = 0; i < q->view_cnt && q->views[i] <= w; i++) {
		if (q->views[i] > next)
			put_gap(f, cnt++, next, q->views[i] - 1);
		if (q->views[i] >= next)
			next = q->views[i] + 1;
	}
	if (next <= w)
		put_gap(f, cnt++, next, w);
	return cnt;
}

static char *missing_views(struct inquiry *q, uint64_t v, uint64_t w)
{
	char *gaps = NULL, text[512];
	size_t len = 0;
	FILE *f = open_memstream(&gaps, &len);

	must(f != NULL);
	unsigned cnt = put_gaps(q, f, v, w);
	must(fclose(f) == 0);
	if (cnt > 0)
		snprintf(
		    text, sizeof text,
		    "one block was certified in view %" PRIu64 ", the other in view %" PRIu64
		    ", and of view %s there is no NEW-VIEW in these ledgers: audit them with the ledgers of "
		    "replicas that entered it",
		    v, w, gaps);
	else
		snprintf(
		    text, sizeof text,
		    "one block was certified in view %" PRIu64 ", the other in view %" PRIu64
		    ", and the NEW-VIEWs between that these ledgers hold do not show who dropped the first: "
		    "there is another one, in a ledger that is not here",
		    v, w);
	free(gaps);
	return xstrdup(text);
}

/* The lowest view of COMMITs on the side; NULL: there are none. */
static const struct voucher *lowest(const struct inquiry *q, enum audit_side side)
{
	const struct voucher *best = NULL;

	for (size_t i = 0; i < q->voucher_cnt; i++) {
		const struct voucher *x = &q->vouchers[i];
		if (x->side == side && is_commit(x) && (!best || view_of(x) < view_of(best)))
			best = x;
	}
	return best;
}

static void unknown(struct inquiry *q)
{
	const struct voucher *a = lowest(q, SIDE_A), *b = lowest(q, SIDE_B);
	const struct voucher *first = q->charged, *second;

	q->d->blame = BLAME_UNKNOWN;
	if (a && b)
		q->d->unknown = view_of(a) < view_of(b) ? missing_views(q, view_of(a), view_of(b))
		                                        : missing_views(q, view_of(b), view_of(a));
	else
		q->d->unknown = xstrdup("near the divergence one side has no certificate of COMMITs, and "
		                        "CHECKPOINTs do not show the view that a block was committed in");
	if (q->d->evidence || q->voucher_cnt == 0)
		return;
	if (!first)
		first = a && b ? (view_of(a) < view_of(b) ? a : b) : &q->vouchers[0];
	second = opponent(q, first, view_of(first) + 1);
	if (second)
		present(q, first, second, q->charged ? &q->best : NULL);
}

/* ---- the whole ---------------------------------------------------------------------- */

static void judge(struct inquiry *q)
{
	collect_tables(q);
	each_entry(q, collect_entry);
	if (same_view(q))
		return;
	each_entry(q, charge_entry);
	if (q->charged && is_enough(q, q->best.culprits)) {
		const struct voucher *other = opponent(q, q->charged, q->best.view.n);
		if (other)
			present(q, q->charged, other, &q->best);
		if (q->d->evidence) {
			q->d->blame = BLAME_VIEW_CHANGE;
			q->d->dropped_in = q->best.view;
			return;
		}
	}
	unknown(q);
}

void audit_blame(struct book *books, size_t cnt, struct audit_divergence *d)
{
	struct inquiry q = {.books = books, .cnt = cnt, .g = books[0].g, .d = d};

	q.vouchers = xcalloc(VOUCHERS_MAX, sizeof *q.vouchers);
	q.views = xcalloc(VIEWS_MAX, sizeof *q.views);
	judge(&q);
	new_view_close(q.shown_by);
	for (size_t i = 0; i < q.voucher_cnt; i++)
		wire_free(WIRE(qcert), &q.vouchers[i].cert);
	free(q.vouchers);
	free(q.views);
}
