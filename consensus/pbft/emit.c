/*
 * emit.c: everything that leaves the engine: outputs, signed messages, evidence.
 */
#include "pbft.h"

struct engine_output *emit(struct engine *e, enum engine_output_kind kind)
{
	struct engine_outputs *out = e->out;
	if (out->cnt == out->cap) {
		out->cap = out->cap ? 2 * out->cap : 16;
		out->list = xrealloc(out->list, out->cap * sizeof *out->list);
	}
	struct engine_output *o = &out->list[out->cnt++];
	memset(o, 0, sizeof *o);
	o->kind = kind;
	return o;
}

uint64_t everyone_else(const struct engine *e)
{
	uint64_t all = e->n == 64 ? UINT64_MAX : (UINT64_C(1) << e->n) - 1;
	return all & ~(UINT64_C(1) << e->self);
}

void emit_send(struct engine *e, struct message *m, uint64_t to)
{
	to &= everyone_else(e);
	if (to == 0)
		return;
	struct engine_output *o = emit(e, OUT_SEND);
	o->send.message = message_ref(m);
	o->send.to = to;
}

void emit_record(struct engine *e, enum vote_record_kind kind, struct qview v, struct qheight h,
                 struct wire_type type, const void *value)
{
	struct engine_output *o = emit(e, OUT_PERSIST);
	o->record.key = (struct vote_record){.kind = kind, .view = v, .height = h};
	must(wire_encode(type, value, &o->record.data));
}

void emit_journal(struct engine *e, enum engine_output_kind kind, const struct qjournal *entry)
{
	struct engine_output *o = emit(e, kind);
	must(wire_encode(WIRE(qjournal), entry, &o->journal));
}

void emit_block(struct engine *e, struct pblock *b)
{
	if (b->stored)
		return;
	b->stored = true;
	struct engine_output *o = emit(e, OUT_PERSIST_BLOCK);
	o->block.hash = b->hash;
	o->block.header = b->header;
}

void emit_want_chain(struct engine *e, unsigned from)
{
	struct engine_output *o = emit(e, OUT_WANT_CHAIN);
	o->want_chain.above = qheight_of(e->executed.n + e->chain_cnt);
	o->want_chain.from = from;
}

struct message *make_message(struct engine *e, const struct qmessage *m)
{
	return message_make(e->g, e->self, &e->signer, m);
}

struct message *vote_message(struct engine *e, enum qkind kind, const struct qvote *vote)
{
	must(may_speak(e));
	struct qmessage m = {.kind = kind};
	m.qmessage_u.vote = *vote;
	return make_message(e, &m);
}

void vote_envelope(struct engine *e, unsigned replica, enum qkind kind, const struct qvote *vote,
                   const struct qsig *sig, struct qenvelope *env)
{
	uint8_t body[CERT_STATEMENT_MAX];
	size_t len = cert_statement(kind, vote, body);
	*env = (struct qenvelope){.chain = e->g->chain, .sender = replica, .sig = *sig};
	env->body.body_len = (u_int)len;
	env->body.body_val = xmemdup(body, len);
}

void evidence_conflict(struct engine *e, const struct qenvelope *first, const struct qenvelope *second)
{
	struct qjournal j = {.kind = QJ_EVIDENCE};
	struct qevidence *ev = &j.qjournal_u.evidence;
	ev->kind = QEV_CONFLICT;
	ev->qevidence_u.conflict.first = *first; /* borrowed: encoded at once */
	ev->qevidence_u.conflict.second = *second;
	emit_journal(e, OUT_EVIDENCE, &j);
}

void halt(struct engine *e, const char *reason)
{
	if (e->halted)
		return;
	e->halted = true;
	emit(e, OUT_HALT)->reason = reason;
}

void mute(struct engine *e, const char *reason)
{
	if (e->muted)
		return;
	e->muted = reason;
	struct engine_output *o = emit(e, OUT_PERSIST); /* only the operator may undo it */
	o->record.key = (struct vote_record){.kind = REC_MUTED};
	o->record.data = (struct bytes){.data = xmemdup(reason, strlen(reason)), .len = strlen(reason)};
	emit(e, OUT_MUTE)->reason = reason;
}

void own_note(struct engine *e, enum qkind kind, struct qview v, struct qheight h, const struct qhash *block)
{
	if (e->own_cnt == e->own_cap) {
		e->own_cap = e->own_cap ? 2 * e->own_cap : 256;
		e->own = xrealloc(e->own, e->own_cap * sizeof *e->own);
	}
	e->own[e->own_cnt++] = (struct own_vote){.kind = kind, .view = v, .height = h, .block = *block};
}

void own_beside(struct engine *e, const struct own_vote *o, const struct qhash *certified)
{
	if (o->kind == QCOMMIT && !qhash_eq(&o->block, certified) && o->view.n >= e->astray.n)
		e->astray = qview_of(o->view.n + 1);
}

static bool own_knows(const struct engine *e, enum qkind kind, const struct qvote *vote)
{
	for (size_t i = e->own_cnt; i-- > 0;) {
		const struct own_vote *o = &e->own[i];
		if (o->kind == kind && o->height.n == vote->height.n && o->view.n == vote->view.n)
			return qhash_eq(&o->block, &vote->block);
	}
	return false;
}

/* OWN1: a valid signature of mine that my store does not contain: the store is old, or my key is used twice.
 */
void own_watch(struct engine *e, const struct qcert *cert)
{
	if (e->muted || cert->vote.height.n <= e->stable.n)
		return;
	for (u_int i = 0; i < cert->sigs.sigs_len; i++) {
		if (cert->sigs.sigs_val[i].replica == e->self && !own_knows(e, cert->kind, &cert->vote)) {
			mute(e, "a valid vote of this replica is about that its vote log does not hold: the "
			        "log is "
			        "old, or the key is in use twice");
			return;
		}
	}
}
