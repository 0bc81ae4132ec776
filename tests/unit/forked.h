/*
 * forked.h: ledgers of chains that go different ways, with the certificates and NEW-VIEWs that a test wants.
 */
#ifndef QUORATE_TEST_FORKED_H
#define QUORATE_TEST_FORKED_H

#include "auditing.h"

#define LEDGERS_MAX 4

/* Chains a, b and c of which each goes its own way above block 2, in ledgers of their own. */
struct story {
	struct rules r;
	char dir[64];
	struct place places[LEDGERS_MAX];
	struct ledger *open[LEDGERS_MAX];
	struct chain lines[3];
	struct audit_report report;
};
enum { A, B, C };

static inline void make_line(const struct rules *r, struct chain *c, const struct chain *shared, uint8_t salt)
{
	for (unsigned h = 1; h <= 8; h++) {
		if (shared && h <= 2) {
			c->blocks[h] = block_ref(shared->blocks[h]);
			continue;
		}
		struct block *b = pass_on(r, c, h);
		struct qheader q = b->header;
		q.time_ms += salt;
		c->blocks[h] = with_header(b, &q);
	}
}

static inline struct story *tell(unsigned n, unsigned ledgers)
{
	struct story *s = xcalloc(1, sizeof *s);

	rules_setup(&s->r, n, "blame");
	snprintf(s->dir, sizeof s->dir, "%s/quorate-blame-XXXXXX", place_root());
	assert_non_null(mkdtemp(s->dir));
	for (unsigned i = 0; i < ledgers; i++) {
		s->places[i].rules = s->r; /* borrowed */
		snprintf(s->places[i].path, sizeof s->places[i].path, "%.60s/%u.db", s->dir, i);
		s->open[i] = open_ledger(&s->places[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		make_line(&s->r, &s->lines[i], i ? &s->lines[0] : NULL, (uint8_t)(100 * i));
	return s;
}

static inline void end(struct story *s)
{
	audit_report_free(&s->report);
	for (unsigned i = 0; i < LEDGERS_MAX && s->places[i].path[0]; i++)
		place_remove(&s->places[i]);
	rmdir(s->dir);
	for (unsigned i = 0; i < 3; i++)
		free_chain(&s->lines[i]);
	rules_teardown(&s->r);
	free(s);
}

/* ---- what stands in ledgers --------------------------------------------------------- */

static inline struct qcert commits(const struct story *s, unsigned line, unsigned h, uint64_t view,
                                   uint64_t mask)
{
	struct qvote vote = {.view = {view}, .height = {h}, .block = s->lines[line].blocks[h]->hash};

	return rules_cert(&s->r, QCOMMIT, &vote, mask);
}

/* Blocks of the line up to h, from where the ledger ends; committed in that view by those of the mask. */
static inline void holds(struct story *s, unsigned ledger, unsigned line, unsigned h, uint64_t view,
                         uint64_t mask)
{
	unsigned from = (unsigned)ledger_height(s->open[ledger]).n + 1;

	append_run(s->open[ledger], &s->lines[line], from, h, commits(s, line, h, view, mask));
}

/* The same by a CHECKPOINT; its digest is known once the block was executed, by whomever. */
static inline void holds_checkpoint(struct story *s, unsigned ledger, unsigned line, unsigned h,
                                    uint64_t mask)
{
	struct place trial = {.rules = s->r};
	unsigned from = (unsigned)ledger_height(s->open[ledger]).n + 1;

	snprintf(trial.path, sizeof trial.path, "%.60s/trial.db", s->dir);
	struct ledger *l = open_ledger(&trial);
	append_run(l, &s->lines[line], 1, h, commits(s, line, h, 0, rules_quorum_mask(&s->r)));
	ledger_close(l);
	place_remove(&trial);
	struct qvote vote = {
	    .height = {h}, .block = s->lines[line].blocks[h]->hash, .state = s->lines[line].digests[h]};
	append_run(s->open[ledger], &s->lines[line], from, h, rules_cert(&s->r, QCHECKPOINT, &vote, mask));
}

/* ---- view changes ------------------------------------------------------------------- */

/* What one of V reports: a tip at 2, unless said otherwise, and blocks of a line prepared in a view. */
struct reports {
	unsigned from, to; /* heights; 0: nothing is prepared */
	unsigned line;
	uint64_t view;
	struct qcert *tip; /* NULL: block 2 of all lines, committed in view 0 */
};

static inline struct qenvelope view_change(const struct story *s, unsigned sender, uint64_t view,
                                           const struct reports *what)
{
	struct qcert tip = commits(s, A, 2, 0, rules_quorum_mask(&s->r));
	struct qprepared prepared[8];
	struct qmessage m = {.kind = QVIEW_CHANGE,
	                     .qmessage_u.view_change = {.view = {view},
	                                                .tip = {1, what->tip ? what->tip : &tip},
	                                                .prepared.prepared_val = prepared}};
	u_int *cnt = &m.qmessage_u.view_change.prepared.prepared_len;

	for (unsigned h = what->from; h > 0 && h <= what->to; h++) {
		const struct block *b = s->lines[what->line].blocks[h];
		struct qvote vote = {.view = {what->view}, .height = {h}, .block = b->hash};
		prepared[(*cnt)++] = (struct qprepared){
		    b->header, rules_cert(&s->r, QPREPARE, &vote, rules_quorum_mask(&s->r))};
	}
	struct qenvelope env = envelope(&s->r, sender, &m);
	while (*cnt > 0)
		wire_free(WIRE(qcert), &prepared[--*cnt].cert);
	wire_free(WIRE(qcert), &tip);
	return env;
}

/* The NEW-VIEW of these VIEW-CHANGEs; takes them. */
static inline struct qjournal new_view(const struct story *s, uint64_t view, struct qenvelope *changes,
                                       unsigned cnt)
{
	struct qmessage m = {.kind = QNEW_VIEW, .qmessage_u.new_view = {{view}, {cnt, changes}}};
	struct qjournal j = {.kind = QJ_NEW_VIEW,
	                     .qjournal_u.new_view = envelope(&s->r, (unsigned)(view % s->r.g.n), &m)};

	for (unsigned i = 0; i < cnt; i++)
		wire_free(WIRE(qenvelope), &changes[i]);
	return j;
}

/* V: these replicas; those of `silent` report nothing prepared, the others `what`. */
static inline struct qjournal enters(const struct story *s, uint64_t view, uint64_t senders, uint64_t silent,
                                     const struct reports *what)
{
	struct qenvelope changes[Q_REPLICAS_MAX];
	const struct reports nothing = {0};
	unsigned cnt = 0;

	for (unsigned i = 0; i < s->r.g.n; i++)
		if (senders >> i & 1)
			changes[cnt++] = view_change(s, i, view, silent >> i & 1 ? &nothing : what);
	return new_view(s, view, changes, cnt);
}

/* They are complete: their paths, and how many. */
static inline size_t close_all(struct story *s, const char *paths[LEDGERS_MAX])
{
	size_t cnt = 0;

	for (; cnt < LEDGERS_MAX && s->open[cnt]; cnt++) {
		commit(s->open[cnt]);
		ledger_close(s->open[cnt]);
		s->open[cnt] = NULL;
		paths[cnt] = s->places[cnt].path;
	}
	return cnt;
}

#endif
