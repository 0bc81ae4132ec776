/*
 * restore.c: a restart, from the ledger's tip and the vote log.
 *
 *   RE1  the very same bytes are said again; nothing that was signed is forgotten
 *   RE2  a replica that stopped inside a view change is still inside it; time-outs are not kept
 *   RE3  the view entered is restored from its NEW-VIEW, with S and O bound as before
 *   RE4  a CHECKPOINT that was due when it stopped is signed now: if some lacked one height's and others
 *        the next one's, no height would be stable and the high watermark would stop the chain for ever
 */
#include "pbft.h"

#include <stdlib.h>

static bool damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_WORLD,
	               "the vote log is damaged (%s): this replica cannot know what it has signed; move "
	               "votes.db away and "
	               "start again to recover without voting",
	               what);
}

/* What is in the log is as good as what a peer sends: SQLite does not notice a bit that a disk lost. */
static struct message *open_record(struct engine *e, const struct vote_record *r)
{
	struct qenvelope env;
	enum open_verdict verdict;
	if (!wire_decode(WIRE(qenvelope), r->data, r->len, &env))
		return NULL;
	struct message *m = message_open(e->g, &env, &verdict);
	wire_free(WIRE(qenvelope), &env);
	if (!m || m->sender == e->self || r->kind == REC_NEW_VIEW)
		return m;
	message_unref(m);
	return NULL;
}

/* Nothing to free if it does not hold. */
static bool open_cert(const struct engine *e, const struct vote_record *r, struct qcert *cert)
{
	if (!wire_decode(WIRE(qcert), r->data, r->len, cert))
		return false;
	bool final = cert->kind == QCHECKPOINT || (cert->kind == QCOMMIT && r->kind == REC_TIP);
	if (final && cert_verify(e->g, cert, NULL))
		return true;
	wire_free(WIRE(qcert), cert);
	return false;
}

/* NV5: whatever a view brought is younger in the log than its NEW-VIEW, which is read by now. */
static bool open_prepared(const struct engine *e, const struct vote_record *r, struct qprepared *p)
{
	struct qhash hash;
	if (!wire_decode(WIRE(qprepared), r->data, r->len, p))
		return false;
	block_hash(&p->header, &hash);
	if (p->cert.kind == QPREPARE && p->cert.vote.height.n == p->header.height.n &&
	    p->cert.vote.view.n <= e->entered.n && qhash_eq(&p->cert.vote.block, &hash) &&
	    cert_verify(e->g, &p->cert, NULL))
		return true;
	wire_free(WIRE(qprepared), p);
	return false;
}

static void adopt_stable(struct engine *e, const struct qcert *cert)
{
	e->stable = cert->vote.height;
	wire_free(WIRE(qcert), &e->stable_cert);
	cert_copy(&e->stable_cert, cert);
	if (e->stable.n <= e->tip.n)
		return;
	e->tip = e->stable;
	e->tip_hash = cert->vote.block;
	wire_free(WIRE(qcert), &e->tip_cert);
	cert_copy(&e->tip_cert, cert);
}

/* The ledger may lack it: it was behind at a crash, or is fetched anew. */
static bool restore_stable(struct engine *e, const struct vote_record *r, struct err *err)
{
	struct qjournal j = {.kind = QJ_STABLE};
	struct qcert *cert = &j.qjournal_u.stable;
	if (!open_cert(e, r, cert))
		return damaged(err, "stable checkpoint");
	if (cert->vote.height.n > e->stable.n) {
		adopt_stable(e, cert);
		emit_journal(e, OUT_JOURNAL, &j);
	}
	wire_free(WIRE(qcert), cert);
	return true;
}

static bool restore_tip(struct engine *e, const struct vote_record *r, struct err *err)
{
	struct qcert cert;
	if (!open_cert(e, r, &cert))
		return damaged(err, "certified tip");
	if (cert.vote.height.n > e->tip.n) {
		e->tip = cert.vote.height;
		e->tip_hash = cert.vote.block;
		wire_free(WIRE(qcert), &e->tip_cert);
		e->tip_cert = cert;
		return true;
	}
	wire_free(WIRE(qcert), &cert);
	return true;
}

static bool restore_new_view(struct engine *e, const struct vote_record *r, struct err *err) /* RE3 */
{
	struct message *m = open_record(e, r);
	bool ok = m && m->m.kind == QNEW_VIEW;
	if (ok)
		pbft_enter(e, m, true);
	message_unref(m);
	return ok || damaged(err, "NEW-VIEW");
}

static bool restore_view_change(struct engine *e, const struct vote_record *r, struct err *err) /* RE2 */
{
	struct message *m = open_record(e, r);
	if (!m || m->m.kind != QVIEW_CHANGE) {
		message_unref(m);
		return damaged(err, "VIEW-CHANGE");
	}
	struct peer *me = &e->peers[e->self];
	me->asked = m->m.qmessage_u.view_change.view;
	me->view_change = m;
	if (me->asked.n > e->entered.n) {
		e->asked = me->asked;
		e->active = false;
	}
	return true;
}

static bool restore_prepared(struct engine *e, const struct vote_record *r, struct err *err)
{
	struct qprepared p;
	if (!open_prepared(e, r, &p))
		return damaged(err, "prepared certificate");
	struct slot *s = slot_at(e, p.header.height);
	if (!s) {
		wire_free(WIRE(qprepared), &p);
		return true;
	}
	s->prep = pblock_add(e, &p.header, NULL, e->self);
	s->prep_cert = p.cert; /* moved */
	s->prep_stored = true;
	return true;
}

/* A PREPARE or COMMIT of mine: known for ever; in the entered view it also stands in its slot. RE1 */
static bool restore_vote(struct engine *e, const struct vote_record *r, struct err *err)
{
	struct message *m = open_record(e, r);
	if (!m || (m->m.kind != QPREPARE && m->m.kind != QCOMMIT)) {
		message_unref(m);
		return damaged(err, "vote");
	}
	struct qvote vote = m->m.qmessage_u.vote;
	own_note(e, m->m.kind, vote.view, vote.height, &vote.block);
	struct slot *s = slot_at(e, vote.height);
	bool ok = true;
	if (s) {
		bool prepare = m->m.kind == QPREPARE;
		vote_note(&(prepare ? s->prepares : s->commits)[e->self], vote.view, &vote.block,
		          &m->env.sig);
		if (vote.view.n == e->entered.n) {
			struct pblock *b = pblock_find(e, &vote.block);
			ok = b && b->here && (!s->cur || s->cur == b);
			if (ok) {
				s->cur = b;
				s->prepare_sent |= prepare;
				s->commit_sent |= !prepare;
				s->prepared = s->prep == b && s->prep_cert.vote.view.n == e->entered.n;
				ok = prepare || s->prepared;
			}
		}
	}
	message_unref(m);
	return ok || damaged(err, "a vote without its block or certificate");
}

static bool restore_proposal(struct engine *e, const struct vote_record *r, struct err *err)
{
	struct message *m = open_record(e, r);
	if (!m || m->m.kind != QPRE_PREPARE) {
		message_unref(m);
		return damaged(err, "PRE-PREPARE");
	}
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	struct qhash hash;
	block_hash(&p->header, &hash);
	own_note(e, QPRE_PREPARE, p->view, p->header.height, &hash);
	struct slot *s = slot_at(e, p->header.height);
	if (s && p->view.n == e->entered.n && s->cur && qhash_eq(&s->cur->hash, &hash))
		s->proposal = message_ref(m);
	message_unref(m);
	return true;
}

static bool restore_checkpoint(struct engine *e, const struct vote_record *r, struct err *err)
{
	struct message *m = open_record(e, r);
	if (!m || m->m.kind != QCHECKPOINT) {
		message_unref(m);
		return damaged(err, "CHECKPOINT");
	}
	const struct qvote *vote = &m->m.qmessage_u.vote;
	struct peer *me = &e->peers[e->self];
	own_note(e, QCHECKPOINT, vote->view, vote->height, &vote->block);
	unsigned i = (unsigned)(vote->height.n / e->params->checkpoint_interval % PBFT_DIGESTS);
	e->digest[i].height = vote->height;
	e->digest[i].block = vote->block;
	e->digest[i].state = vote->state;
	if (!me->has_checkpoint || vote->height.n > me->checkpoint.height.n) {
		me->has_checkpoint = true;
		me->checkpoint = *vote;
		me->checkpoint_sig = m->env.sig;
	}
	message_unref(m);
	return true;
}

static bool restore_muted(struct engine *e, const struct vote_record *r, struct err *err)
{
	(void)r;
	(void)err;
	e->muted = "this replica muted itself earlier (a signature of its own was about that its vote log "
	           "does not hold); its "
	           "operator must decide: see Recovery in the protocol's documentation";
	return true;
}

/* RE4 */
static void restore_due_checkpoint(struct engine *e, const struct engine_restore *r)
{
	const struct peer *me = &e->peers[e->self];
	uint64_t height = r->checkpoint.height.n;
	bool signed_already = me->has_checkpoint && me->checkpoint.height.n >= height;
	if (height > 0 && (height <= e->stable.n /* CP4 */ || !signed_already))
		pbft_checkpoint(e, r->checkpoint.height, &r->checkpoint.block, &r->checkpoint.state);
}

/* CO3: the ledger may be another than the one beside which these were signed: its operator had to choose. */
static void watch_restored(struct engine *e, const struct engine_restore *r)
{
	for (size_t i = 0; i < e->own_cnt; i++)
		for (size_t k = 0; r->executed_at && k < r->record_cnt; k++)
			if (r->records[k].height.n == e->own[i].height.n &&
			    !qhash_is_zero(&r->executed_at[k]))
				own_beside(e, &e->own[i], &r->executed_at[k]);
}

bool pbft_restore(struct engine *e, const struct engine_restore *r, struct err *err)
{
	/* What is read first is what the rest needs. */
	static const struct {
		enum vote_record_kind kind;
		bool (*restore)(struct engine *, const struct vote_record *, struct err *);
	} passes[] = {
	    {REC_STABLE, restore_stable},         {REC_TIP, restore_tip},
	    {REC_NEW_VIEW, restore_new_view},     {REC_VIEW_CHANGE, restore_view_change},
	    {REC_PREPARED, restore_prepared},     {REC_PREPARE, restore_vote},
	    {REC_COMMIT, restore_vote},           {REC_PRE_PREPARE, restore_proposal},
	    {REC_CHECKPOINT, restore_checkpoint}, {REC_MUTED, restore_muted},
	};
	if (!r)
		return true;
	if (r->executed.n > 0) {
		e->executed = e->executing = e->tip = r->executed;
		e->executed_hash = e->tip_hash = r->executed_hash;
		e->executed_seal = r->executed_seal;
		must(r->executed_cert != NULL);
		cert_copy(&e->tip_cert, r->executed_cert);
		cert_copy(&e->executed_cert, r->executed_cert);
		e->tip = r->executed_cert->vote.height;
		e->tip_hash = r->executed_cert->vote.block;
	}
	proposer_settled(e, r->staking);
	if (r->stable)
		adopt_stable(e, r->stable);
	for (size_t i = 0; i < r->block_cnt; i++) {
		struct pblock *b = pblock_add(e, &r->blocks[i]->header, NULL, e->self);
		b->here = b->stored = b->valid = true; /* it was voted for, so it was valid */
	}
	for (size_t p = 0; p < sizeof passes / sizeof *passes; p++)
		for (size_t i = 0; i < r->record_cnt; i++)
			if (r->records[i].kind == passes[p].kind &&
			    !passes[p].restore(e, &r->records[i], err))
				return false;
	watch_restored(e, r);
	pbft_link_tip(e);
	e->entry_tip = e->progress = e->tip;
	restore_due_checkpoint(e, r);
	return true;
}
