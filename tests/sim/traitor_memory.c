/*
 * traitor_memory.c: what the adversary has seen. Rings: the oldest makes place.
 */
#include "traitor_impl.h"

/* ---- statements -------------------------------------------------------------------------------------- */

static bool same_vote(const struct qvote *a, const struct qvote *b)
{
	return a->height.n == b->height.n && a->view.n == b->view.n && qhash_eq(&a->block, &b->block) &&
	       qhash_eq(&a->state, &b->state);
}

struct statement *statement_find(struct traitor *t, enum qkind kind, const struct qvote *vote)
{
	for (size_t i = 0; i < STATEMENTS; i++)
		if (t->statements[i].kind == kind && same_vote(&t->statements[i].vote, vote))
			return &t->statements[i];
	return NULL;
}

struct statement *statement_next(struct traitor *t, enum qkind kind, size_t *from)
{
	while (*from < STATEMENTS) {
		struct statement *st = &t->statements[(*from)++];

		if (st->kind == kind)
			return st;
	}
	return NULL;
}

static struct statement *statement_add(struct traitor *t, enum qkind kind, const struct qvote *vote)
{
	struct statement *st = &t->statements[t->statement_cnt++ % STATEMENTS];

	memset(st, 0, sizeof *st);
	st->kind = kind;
	st->vote = *vote;
	return st;
}

/* ---- blocks ------------------------------------------------------------------------------------------ */

struct kblock *block_find(struct traitor *t, const struct qhash *hash)
{
	for (size_t i = 0; i < BLOCKS; i++)
		if (t->blocks[i].used && qhash_eq(&t->blocks[i].hash, hash))
			return &t->blocks[i];
	return NULL;
}

struct kblock *block_note(struct traitor *t, const struct qheader *header, const struct qhash *leaves,
                          unsigned leaf_cnt)
{
	struct qhash hash;
	struct kblock *b;

	block_hash(header, &hash);
	b = block_find(t, &hash);
	if (!b) {
		b = &t->blocks[t->block_cnt++ % BLOCKS];
		free(b->leaves);
		memset(b, 0, sizeof *b);
		b->used = true;
		b->hash = hash;
		b->header = *header;
	}
	if (!b->leaves && leaf_cnt > 0) {
		b->leaves = xmemdup(leaves, leaf_cnt * sizeof *leaves);
		b->leaf_cnt = leaf_cnt;
	}
	return b;
}

struct kblock *block_proposed(struct traitor *t, uint64_t view, uint64_t height)
{
	for (uint64_t i = t->block_cnt; i-- > 0 && t->block_cnt - i <= BLOCKS;) {
		struct kblock *b = &t->blocks[i % BLOCKS];

		if (b->proposed && b->view == view && b->header.height.n == height)
			return b;
	}
	return NULL;
}

struct kblock *block_other(struct traitor *t, uint64_t height, const struct qhash *than)
{
	for (uint64_t i = t->block_cnt; i-- > 0 && t->block_cnt - i <= BLOCKS;) {
		struct kblock *b = &t->blocks[i % BLOCKS];

		if (b->header.height.n == height && !qhash_eq(&b->hash, than))
			return b;
	}
	return NULL;
}

/* ---- transactions ------------------------------------------------------------------------------------ */

struct ktx *tx_by_leaf(struct traitor *t, const struct qhash *leaf)
{
	for (size_t i = 0; i < TXS; i++)
		if (t->txs[i].tx && qhash_eq(&t->txs[i].tx->leaf, leaf))
			return &t->txs[i];
	return NULL;
}

struct ktx *tx_note(struct traitor *t, struct tx *tx)
{
	struct ktx *k = tx_by_leaf(t, &tx->leaf);

	if (k)
		return k;
	k = &t->txs[t->tx_cnt++ % TXS];
	tx_unref(k->tx);
	*k = (struct ktx){.tx = tx_ref(tx)};
	return k;
}

/* ---- what is final ----------------------------------------------------------------------------------- */

const struct qhash *final_at(struct traitor *t, uint64_t height)
{
	if (height == 0)
		return &t->s->g.chain;
	return t->finals[height % FINALS].height == height ? &t->finals[height % FINALS].hash : NULL;
}

/* The block and its ancestors, as far down as they are known. */
static void note_final(struct traitor *t, uint64_t height, const struct qhash *block)
{
	struct qhash hash = *block;

	while (height > 0) {
		struct kblock *b = block_find(t, &hash);

		t->finals[height % FINALS].height = height;
		t->finals[height % FINALS].hash = hash;
		if (!b || b->final || b->header.height.n != height)
			return;
		b->final = true;
		for (unsigned i = 0; i < b->leaf_cnt; i++) {
			struct ktx *k = tx_by_leaf(t, &b->leaves[i]);
			if (k)
				k->height = height;
		}
		hash = b->header.parent;
		height--;
	}
}

static void note_quorum(struct traitor *t, const struct statement *st)
{
	uint64_t height = st->vote.height.n;

	if (st->kind == QPREPARE || __builtin_popcountll(st->signers) < (int)t->s->q)
		return;
	if (st->kind == QCHECKPOINT && height > t->stable)
		t->stable = height;
	note_final(t, height, &st->vote.block);
	if (height > t->tip) {
		t->tip = height;
		t->tip_hash = st->vote.block;
	}
}

void memory_note(struct traitor *t, enum qkind kind, const struct qvote *vote, unsigned replica,
                 const struct qsig *sig)
{
	struct statement *st = statement_find(t, kind, vote);

	if (!st)
		st = statement_add(t, kind, vote);
	if (st->signers >> replica & 1)
		return;
	st->signers |= bit(replica);
	st->sigs[replica] = *sig;
	note_quorum(t, st);
}

static void note_cert(struct traitor *t, const struct qcert *c)
{
	for (unsigned i = 0; i < c->sigs.sigs_len; i++)
		memory_note(t, c->kind, &c->vote, c->sigs.sigs_val[i].replica, &c->sigs.sigs_val[i].sig);
}

/* ---- messages ---------------------------------------------------------------------------------------- */

static void raise_to(uint64_t *to, uint64_t value)
{
	if (value > *to)
		*to = value;
}

static void entered(struct traitor *t, unsigned sender, uint64_t view)
{
	if (!sim_honest(t->s, sender))
		return;
	raise_to(&t->at[sender].entered, view);
	raise_to(&t->at[sender].asked, view);
	raise_to(&t->view, view);
}

static void see_proposal(struct traitor *t, const struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	struct qvote vote = {.view = p->view, .height = p->header.height};
	struct kblock *b = block_note(t, &p->header, p->leaves.leaves_val, p->leaves.leaves_len);

	b->proposed = true;
	b->view = p->view.n;
	vote.block = b->hash;
	memory_note(t, QPREPARE, &vote, m->sender, &p->prepare);
	entered(t, m->sender, p->view.n);
}

static void see_vote(struct traitor *t, const struct message *m)
{
	memory_note(t, m->m.kind, &m->m.qmessage_u.vote, m->sender, &m->env.sig);
	if (m->m.kind != QCHECKPOINT)
		entered(t, m->sender, m->m.qmessage_u.vote.view.n);
}

static void keep(struct message **ring, uint64_t *cnt, uint64_t max, const struct message *m)
{
	struct message **at = &ring[(*cnt)++ % max];

	message_unref(*at);
	*at = message_ref((struct message *)m);
}

struct message *change_of(struct traitor *t, unsigned replica, uint64_t view)
{
	for (size_t i = 0; i < CHANGES; i++)
		if (t->changes[i] && t->changes[i]->sender == replica &&
		    t->changes[i]->m.qmessage_u.view_change.view.n == view)
			return t->changes[i];
	return NULL;
}

void change_note(struct traitor *t, const struct message *m)
{
	const struct qview_change *vc = &m->m.qmessage_u.view_change;

	if (sim_honest(t->s, m->sender))
		raise_to(&t->at[m->sender].asked, vc->view.n);
	for (size_t i = 0; i < CHANGES; i++)
		if (t->changes[i] && message_same_body(t->changes[i], m) &&
		    t->changes[i]->sender == m->sender)
			return;
	keep(t->changes, &t->change_cnt, CHANGES, m);
	if (vc->tip.tip_len)
		note_cert(t, vc->tip.tip_val);
	if (vc->stable.stable_len)
		note_cert(t, vc->stable.stable_val);
	for (unsigned i = 0; i < vc->prepared.prepared_len; i++) {
		block_note(t, &vc->prepared.prepared_val[i].header, NULL, 0);
		note_cert(t, &vc->prepared.prepared_val[i].cert);
	}
}

static void see_new_view(struct traitor *t, const struct message *m)
{
	entered(t, m->sender, m->m.qmessage_u.new_view.view.n);
	for (size_t i = 0; i < NEW_VIEWS; i++)
		if (t->new_views[i] && message_same_body(t->new_views[i], m))
			return;
	keep(t->new_views, &t->new_view_cnt, NEW_VIEWS, m);
}

static void see_status(struct traitor *t, const struct message *m)
{
	const struct qstatus *st = &m->m.qmessage_u.status;
	struct whereabouts *at = &t->at[m->sender];

	entered(t, m->sender, st->entered.n);
	raise_to(&at->asked, st->asked.n);
	at->tip = st->tip.n;
	at->executed = st->executed.n;
	at->stable = st->stable.n;
}

static void see_chain(struct traitor *t, const struct message *m)
{
	const struct qchain *c = &m->m.qmessage_u.chain;

	for (unsigned i = 0; i < c->headers.headers_len; i++)
		block_note(t, &c->headers.headers_val[i], NULL, 0);
	note_cert(t, &c->cert);
}

static void see_txs(struct traitor *t, const struct packet *p)
{
	for (size_t i = 0; i < p->verified.tx_cnt; i++)
		tx_note(t, p->verified.txs[i]);
}

struct message *history_any(struct traitor *t, enum qkind kind)
{
	uint64_t have = t->history_cnt[kind] < HISTORY ? t->history_cnt[kind] : HISTORY;

	return have ? t->history[kind][draw(t, have)] : NULL;
}

/* Later ones crowd out earlier ones, but not all of them: replays want old things, too. */
static void note_history(struct traitor *t, const struct message *m)
{
	enum qkind kind = m->m.kind;
	uint64_t at = t->history_cnt[kind]++;

	if (at >= HISTORY) {
		if (at % 4 != 0)
			return;
		at = at / 4 % HISTORY;
	}
	message_unref(t->history[kind][at]);
	t->history[kind][at] = message_ref((struct message *)m);
}

void memory_see(struct traitor *t, const struct packet *p)
{
	static void (*const see[KINDS])(struct traitor *, const struct message *) = {
	    [QPRE_PREPARE] = see_proposal, [QPREPARE] = see_vote,        [QCOMMIT] = see_vote,
	    [QCHECKPOINT] = see_vote,      [QVIEW_CHANGE] = change_note, [QNEW_VIEW] = see_new_view,
	    [QSTATUS] = see_status,        [QCHAIN] = see_chain};
	const struct message *m = p->message;

	if (see[m->m.kind])
		see[m->m.kind](t, m);
	see_txs(t, p);
	note_history(t, m);
}

void memory_said(struct traitor *t, unsigned slot, const struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	enum qkind kind = m->m.kind;
	struct qvote vote;
	struct statement *st;

	if (kind == QPRE_PREPARE) {
		kind = QPREPARE;
		vote = (struct qvote){.view = p->view, .height = p->header.height};
		block_hash(&p->header, &vote.block);
	} else if (kind == QPREPARE || kind == QCOMMIT || kind == QCHECKPOINT) {
		vote = m->m.qmessage_u.vote;
	} else {
		if (kind == QVIEW_CHANGE)
			raise_to(&t->asked_by[slot], m->m.qmessage_u.view_change.view.n);
		return;
	}
	st = statement_find(t, kind, &vote);
	if (!st)
		st = statement_add(t, kind, &vote);
	st->said |= bit(slot);
}

static void drop(struct message **ring, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		message_unref(ring[i]);
}

void memory_free(struct traitor *t)
{
	for (size_t i = 0; i < BLOCKS; i++)
		free(t->blocks[i].leaves);
	for (size_t i = 0; i < TXS; i++)
		tx_unref(t->txs[i].tx);
	drop(t->changes, CHANGES);
	drop(t->new_views, NEW_VIEWS);
	for (size_t k = 0; k < KINDS; k++)
		drop(t->history[k], HISTORY);
	for (size_t i = 0; i < SPLITS; i++)
		message_unref(t->splits[i].b_message);
}
