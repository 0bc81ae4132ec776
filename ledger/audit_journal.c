/*
 * audit_journal.c: the journal: every link, every entry with the signatures inside it, and the rows that say
 * what its evidence is about.
 *
 * Nobody but the node itself saw its journal grow, so that nothing was left out cannot be proven; that
 * each entry is genuine can.  And the certificates in it say which block is at a height, and what the state
 * is after it: these are the pins that the replay meets.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"
#include "evidence.h"
#include "hash.h"
#include "rows.h"

static void pin(struct book *b, const struct qcert *cert, int64_t seq)
{
	if (b->pin_cnt == b->pin_cap) {
		b->pin_cap = b->pin_cap ? 2 * b->pin_cap : 64;
		b->pins = xrealloc(b->pins, b->pin_cap * sizeof *b->pins);
	}
	b->pins[b->pin_cnt++] = (struct audit_pin){.height = cert->vote.height,
	                                           .block = cert->vote.block,
	                                           .state = cert->vote.state,
	                                           .has_state = cert->kind == QCHECKPOINT,
	                                           .seq = seq};
}

static int compare_pins(const void *x, const void *y)
{
	const struct audit_pin *a = x, *b = y;
	if (a->height.n != b->height.n)
		return a->height.n < b->height.n ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* ---- entries ------------------------------------------------------------------ */

static bool check_cert(const struct genesis *g, const struct qcert *cert, const char *what, struct err *err)
{
	int bad;
	if (cert_verify(g, cert, &bad))
		return true;
	if (bad >= 0)
		return err_set(err, ERR_NO, "%s: the signature of replica %d does not hold", what, bad);
	return err_set(err, ERR_NO, "%s: not a certificate by a quorum of replicas", what);
}

static bool is_final(const struct qcert *cert)
{
	return cert->kind == QCOMMIT || cert->kind == QCHECKPOINT;
}

static bool check_prepared(const struct genesis *g, const struct qprepared *p, struct err *err)
{
	struct qhash hash;
	block_hash(&p->header, &hash);
	if (p->cert.kind != QPREPARE || p->cert.vote.height.n != p->header.height.n ||
	    !qhash_eq(&p->cert.vote.block, &hash))
		return err_set(err, ERR_NO, "a prepared certificate is not for its header");
	return check_cert(g, &p->cert, "a prepared certificate", err);
}

static bool check_view_change(struct book *b, const struct qview_change *vc, int64_t seq, struct err *err)
{
	const struct genesis *g = b->g;
	const struct qcert *tip = vc->tip.tip_len ? &vc->tip.tip_val[0] : NULL;
	const struct qcert *stable = vc->stable.stable_len ? &vc->stable.stable_val[0] : NULL;

	if ((tip && !is_final(tip)) || (stable && stable->kind != QCHECKPOINT))
		return err_set(err, ERR_NO, "a certificate is of the wrong kind");
	if ((tip && !check_cert(g, tip, "the certificate of the tip", err)) ||
	    (stable && !check_cert(g, stable, "the certificate of the stable checkpoint", err)))
		return false;
	for (unsigned i = 0; i < vc->prepared.prepared_len; i++)
		if (!check_prepared(g, &vc->prepared.prepared_val[i], err))
			return false;
	if (tip)
		pin(b, tip, seq);
	if (stable)
		pin(b, stable, seq);
	return true;
}

/* One of V: a VIEW-CHANGE for this view. */
static bool check_change(struct book *b, const struct qenvelope *env, struct qview view, int64_t seq,
                         struct err *err)
{
	struct qmessage m;
	if (!envelope_verify(b->g, env, &m, err))
		return false;
	bool ok = m.kind == QVIEW_CHANGE && m.qmessage_u.view_change.view.n == view.n;
	ok = ok ? check_view_change(b, &m.qmessage_u.view_change, seq, err)
	        : err_set(err, ERR_NO, "not a VIEW-CHANGE for view %" PRIu64, (uint64_t)view.n);
	wire_free(WIRE(qmessage), &m);
	if (!ok)
		err_prefix(err, "in the VIEW-CHANGE of replica %u", env->sender);
	return ok;
}

static bool check_changes(struct book *b, unsigned sender, const struct qnew_view *nv, int64_t seq,
                          struct err *err)
{
	unsigned cnt = nv->changes.changes_len;
	const struct qenvelope *changes = nv->changes.changes_val;

	if (sender != nv->view.n % b->g->n)
		return err_set(err, ERR_NO, "replica %u does not lead view %" PRIu64, sender,
		               (uint64_t)nv->view.n);
	if (cnt < b->g->quorum)
		return err_set(err, ERR_NO, "%u VIEW-CHANGEs, a quorum is %u", cnt, b->g->quorum);
	for (unsigned i = 0; i < cnt; i++) {
		if (i > 0 && changes[i].sender <= changes[i - 1].sender)
			return err_set(err, ERR_NO, "the senders of its VIEW-CHANGEs do not ascend");
		if (!check_change(b, &changes[i], nv->view, seq, err))
			return false;
	}
	return true;
}

static bool check_new_view(struct book *b, const struct qenvelope *env, int64_t seq, struct err *err)
{
	struct qmessage m;
	if (!envelope_verify(b->g, env, &m, err))
		return false;
	bool ok = m.kind == QNEW_VIEW ? check_changes(b, env->sender, &m.qmessage_u.new_view, seq, err)
	                              : err_set(err, ERR_NO, "the envelope holds no NEW-VIEW");
	wire_free(WIRE(qmessage), &m);
	return ok;
}

static bool check_stable(struct book *b, const struct qcert *cert, int64_t seq, struct err *err)
{
	if (cert->kind != QCHECKPOINT)
		return err_set(err, ERR_NO, "not a checkpoint's certificate");
	if (!check_cert(b->g, cert, "the checkpoint's certificate", err))
		return false;
	pin(b, cert, seq);
	return true;
}

static bool check_entry(struct book *b, const struct qjournal *j, int64_t seq, struct err *err)
{
	switch (j->kind) {
	case QJ_NEW_VIEW:
		return check_new_view(b, &j->qjournal_u.new_view, seq, err);
	case QJ_STABLE:
		return check_stable(b, &j->qjournal_u.stable, seq, err);
	case QJ_EVIDENCE:
		return evidence_verify(b->g, &j->qjournal_u.evidence, err);
	}
	return err_set(err, ERR_NO, "an entry of an unknown kind");
}

/* ---- what evidence is about ------------------------------------------------------ */

/* The rows that the writer has made of this entry, whether it convicts or not. */
static void check_evidence_rows(struct book *b, struct journal_walk *w, const struct qevidence *ev)
{
	const struct qheight none = {0};
	const int64_t seq = w->journal.k1;
	struct db_value want[ROW_EVIDENCE];
	struct evidence_facts facts;

	if (!evidence_facts(b->g, ev, &facts))
		return;
	row_evidence(ev->kind, &facts, want);
	if (cursor_seek(&w->evidence, seq, 0, none)) {
		for (int col = 0; col < ROW_EVIDENCE; col++)
			cursor_is(&w->evidence, 1 + col, &want[col], none);
		cursor_next(&w->evidence);
	}
	for (unsigned i = 0; i < b->g->n; i++)
		if (facts.culprits >> i & 1 && cursor_seek(&w->culprits, seq, i, none))
			cursor_next(&w->culprits);
}

/* ---- the table ------------------------------------------------------------------ */

static const char *kind_name(enum qjournal_kind kind)
{
	switch (kind) {
	case QJ_NEW_VIEW:
		return "new_view";
	case QJ_STABLE:
		return "stable";
	case QJ_EVIDENCE:
		return "evidence";
	}
	return "";
}

/*
 * The link of this row follows from the one that stands in the row before, be it right or not: so one
 * edited entry is one finding, and not as many as there are rows after it.
 */
static void check_link(struct book *b, struct cursor *c, const uint8_t *entry, size_t len)
{
	const struct qheight none = {0};
	struct span parts[] = {{b->journal_link.b, sizeof b->journal_link.b}, {entry, len}};
	struct qhash link = {{0}};
	size_t stored_len;
	const uint8_t *stored = cursor_blob(c, JOURNAL_LINK, &stored_len);

	hash_tagged("quorate/journal/v1", parts, 2, link.b);
	cursor_is_blob(c, JOURNAL_LINK, link.b, sizeof link.b, none);
	b->journal_link = link;
	if (stored_len == sizeof link.b)
		memcpy(b->journal_link.b, stored, sizeof link.b);
}

static void check_row(struct book *b, struct journal_walk *w)
{
	struct cursor *c = &w->journal;
	const struct qheight none = {0};
	char where[WHERE_MAX];
	size_t len;
	const uint8_t *data = cursor_blob(c, JOURNAL_ENTRY, &len);
	struct qjournal j;
	struct err err = {0};

	check_link(b, c, data, len);
	if (!data || !wire_decode(WIRE(qjournal), data, len, &j)) {
		book_find(b, AUDIT_JOURNAL, none, cursor_where(c, JOURNAL_ENTRY, where),
		          "not a canonical entry");
		return;
	}
	cursor_is_text(c, JOURNAL_KIND, kind_name(j.kind), none);
	if (b->pool && !check_entry(b, &j, c->k1, &err)) /* a scrub takes the links' word for it */
		book_find(b, AUDIT_JOURNAL, none, cursor_where(c, JOURNAL_ENTRY, where), "%s", err.text);
	if (j.kind == QJ_EVIDENCE)
		check_evidence_rows(b, w, &j.qjournal_u.evidence);
	wire_free(WIRE(qjournal), &j);
}

void journal_open(struct journal_walk *w, struct book *b)
{
	cursor_open(&w->journal, b, TABLE_JOURNAL);
	cursor_open(&w->evidence, b, TABLE_EVIDENCE);
	cursor_open(&w->culprits, b, TABLE_CULPRITS);
	cursor_skip(&w->journal, 1, 0, qheight_of(0));
}

bool journal_next(struct journal_walk *w)
{
	struct cursor *c = &w->journal;
	struct book *b = c->book;

	if (!c->at_row)
		return false;
	if (c->k1 != b->journal_cnt + 1) /* a gap is one finding, however wide */
		cursor_seek(c, b->journal_cnt + 1, 0, qheight_of(0));
	b->journal_cnt = c->k1;
	check_row(b, w);
	cursor_next(c);
	return true;
}

void journal_pause(struct journal_walk *w)
{
	cursor_pause(&w->journal);
	cursor_pause(&w->evidence);
	cursor_pause(&w->culprits);
}

void journal_resume(struct journal_walk *w)
{
	cursor_resume(&w->journal);
	cursor_resume(&w->evidence);
	cursor_resume(&w->culprits);
}

void journal_close(struct journal_walk *w)
{
	cursor_close(&w->journal);
	cursor_close(&w->evidence);
	cursor_close(&w->culprits);
}

void book_check_journal(struct book *b)
{
	const struct qheight none = {0};
	struct journal_walk w;

	journal_open(&w, b);
	while (journal_next(&w))
		;
	cursor_rest(&w.evidence, none);
	cursor_rest(&w.culprits, none);
	journal_close(&w);
	if (b->pin_cnt)
		qsort(b->pins, b->pin_cnt, sizeof *b->pins, compare_pins);
}
