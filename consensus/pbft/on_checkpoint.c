/*
 * on_checkpoint.c: checkpoints and watermarks.
 *
 *   CP1  every K heights, after executing, a replica signs (height, block, state digest)
 *   CP2  Q matching ones are a stable checkpoint: low watermark, and a certificate of its block [F4]
 *   CP3  two different ones of one replica at one height are evidence
 *   CP4  whose own digest differs from the stable one is corrupt: it stops
 */
#include "pbft.h"

static bool same_statement(const struct qvote *a, const struct qvote *b)
{
	return a->height.n == b->height.n && qhash_eq(&a->block, &b->block) && qhash_eq(&a->state, &b->state);
}

/* CP4 */
static void compare_digests(struct engine *e)
{
	for (unsigned i = 0; i < PBFT_DIGESTS; i++) {
		if (e->digest[i].height.n == 0 || e->digest[i].height.n != e->stable.n)
			continue;
		if (!qhash_eq(&e->digest[i].state, &e->stable_cert.vote.state) ||
		    !qhash_eq(&e->digest[i].block, &e->stable_cert.vote.block))
			halt(
			    e,
			    "the state digest of this replica differs from the one that a quorum signed: its "
			    "ledger is corrupt; run quorate audit and restore it from a verified copy");
	}
}

static void own_prune(struct engine *e)
{
	size_t kept = 0;
	for (size_t i = 0; i < e->own_cnt; i++)
		if (e->own[i].height.n > e->stable.n)
			e->own[kept++] = e->own[i];
	e->own_cnt = kept;
}

void pbft_stable(struct engine *e, const struct qcert *cert)
{
	if (cert->vote.height.n <= e->stable.n)
		return;
	e->stable = cert->vote.height;
	wire_free(WIRE(qcert), &e->stable_cert);
	cert_copy(&e->stable_cert, cert);
	/* Votes up to here may be forgotten now, and the vote log must know it by itself: the ledger is
	 * another file, which a crash may leave behind, or its operator move away. */
	emit_record(e, REC_STABLE, qview_of(0), qheight_of(0), WIRE(qcert), cert);
	struct qjournal j = {.kind = QJ_STABLE};
	j.qjournal_u.stable = *cert; /* borrowed: encoded at once */
	emit_journal(e, OUT_JOURNAL, &j);
	pbft_certify(e, cert); /* CP2 */
	compare_digests(e);    /* after that: another block is no corrupt state */
	if (e->executed.n + e->chain_cnt >= e->stable.n)
		own_prune(e); /* CO3: not before it is known on what chain the checkpoint is */
	if (e->amnesiac && e->amnesia_bar_set && e->stable.n >= e->amnesia_bar.n) {
		e->amnesiac = false;
		e->muted = NULL;
	}
}

static void tally(struct engine *e, const struct qvote *vote)
{
	struct qcert cert = {.kind = QCHECKPOINT, .vote = *vote};
	struct qcert_sig sigs[Q_REPLICAS_MAX];
	cert.sigs.sigs_val = sigs;
	for (unsigned i = 0; i < e->n; i++) {
		const struct peer *p = &e->peers[i];
		if (p->has_checkpoint && same_statement(&p->checkpoint, vote))
			sigs[cert.sigs.sigs_len++] =
			    (struct qcert_sig){.replica = i, .sig = p->checkpoint_sig};
	}
	if (cert.sigs.sigs_len >= e->q)
		pbft_stable(e, &cert);
}

void on_checkpoint(struct engine *e, struct message *m)
{
	const struct qvote *vote = &m->m.qmessage_u.vote;
	struct peer *p = &e->peers[m->sender];
	if (vote->height.n % e->params->checkpoint_interval != 0 || vote->height.n <= e->stable.n) {
		e->refused[RULE_CP1] += vote->height.n > e->stable.n;
		return;
	}
	if (p->has_checkpoint && p->checkpoint.height.n > vote->height.n)
		return;
	if (p->has_checkpoint && p->checkpoint.height.n == vote->height.n) {
		if (!same_statement(&p->checkpoint, vote)) { /* CP3 */
			struct qenvelope env;
			e->refused[RULE_CP3]++;
			vote_envelope(e, m->sender, QCHECKPOINT, &p->checkpoint, &p->checkpoint_sig, &env);
			evidence_conflict(e, &env, &m->env);
			wire_free(WIRE(qenvelope), &env);
		}
		return;
	}
	p->has_checkpoint = true;
	p->checkpoint = *vote;
	p->checkpoint_sig = m->env.sig;
	tally(e, vote);
}

void pbft_checkpoint(struct engine *e, struct qheight h, const struct qhash *block, const struct qhash *state)
{
	unsigned i = (unsigned)(h.n / e->params->checkpoint_interval % PBFT_DIGESTS);
	e->digest[i].height = h;
	e->digest[i].block = *block;
	e->digest[i].state = *state;
	compare_digests(e);
	if (!may_speak(e) || h.n <= e->stable.n)
		return;
	struct qvote vote = {.height = h, .block = *block, .state = *state}; /* CP1 */
	struct message *m = vote_message(e, QCHECKPOINT, &vote);
	emit_record(e, REC_CHECKPOINT, qview_of(0), h, WIRE(qenvelope), &m->env);
	own_note(e, QCHECKPOINT, vote.view, h, block);
	emit_send(e, m, everyone_else(e));
	struct peer *p = &e->peers[e->self];
	p->has_checkpoint = true;
	p->checkpoint = vote;
	p->checkpoint_sig = m->env.sig;
	message_unref(m);
	tally(e, &vote);
}
