/*
 * traitor_forge.c: what the adversary makes with the traitors' keys and with what it has seen.
 */
#include "merkle.h"
#include "seal.h"
#include "traitor_impl.h"

/* ---- votes and certificates -------------------------------------------------------------------------- */

void sign_vote(struct traitor *t, unsigned id, enum qkind kind, const struct qvote *vote, struct qsig *sig)
{
	uint8_t body[CERT_STATEMENT_MAX];
	size_t len = cert_statement(kind, vote, body);

	must(!sim_honest(t->s, id));
	ident_sign(t->s->ids[id], &t->s->g.chain, body, len, sig);
	if (vote_well_formed(kind, vote))
		memory_note(t, kind, vote, id, sig);
}

void say_vote(struct traitor *t, unsigned id, enum qkind kind, const struct qvote *vote, uint64_t to)
{
	struct qmessage m = {.kind = kind};

	m.qmessage_u.vote = *vote;
	say(t, id, &m, to);
}

void cert_anyhow(struct traitor *t, const struct statement *st, struct qcert *cert)
{
	struct statement copy = *st; /* signing may push it out of the ring */
	unsigned cnt = 0;

	*cert = (struct qcert){.kind = copy.kind, .vote = copy.vote};
	cert->sigs.sigs_val = xcalloc(t->s->n, sizeof *cert->sigs.sigs_val);
	for (unsigned i = 0; i < t->s->n; i++) {
		struct qcert_sig *sig = &cert->sigs.sigs_val[cnt];

		if (copy.signers >> i & 1)
			sig->sig = copy.sigs[i];
		else if (!sim_honest(t->s, i))
			sign_vote(t, i, copy.kind, &copy.vote, &sig->sig);
		else
			continue;
		sig->replica = i;
		cnt++;
	}
	cert->sigs.sigs_len = cnt;
}

bool cert_of(struct traitor *t, struct statement *st, struct qcert *cert)
{
	if (__builtin_popcountll(st->signers | t->s->traitors) < (int)t->s->q)
		return false;
	cert_anyhow(t, st, cert);
	return true;
}

/* ---- proposals --------------------------------------------------------------------------------------- */

void draft_of(const struct message *proposal, struct draft *d)
{
	const struct qproposal *p = &proposal->m.qmessage_u.proposal;

	*d = (struct draft){.view = p->view.n, .header = p->header, .leaf_cnt = p->leaves.leaves_len};
	d->leaves = xcalloc(d->leaf_cnt + 1, sizeof *d->leaves);
	if (d->leaf_cnt)
		memcpy(d->leaves, p->leaves.leaves_val, d->leaf_cnt * sizeof *d->leaves);
}

void draft_add(struct draft *d, const struct qhash *leaf)
{
	d->leaves = xrealloc(d->leaves, (d->leaf_cnt + 1) * sizeof *d->leaves);
	d->leaves[d->leaf_cnt++] = *leaf;
}

void draft_drop(struct draft *d, unsigned i)
{
	memmove(&d->leaves[i], &d->leaves[i + 1], (--d->leaf_cnt - i) * sizeof *d->leaves);
}

void draft_root(struct draft *d)
{
	merkle_root(d->leaves, d->leaf_cnt, &d->header.merkle_root);
	d->header.tx_count = d->leaf_cnt;
}

void draft_clear(struct draft *d)
{
	free(d->leaves);
	*d = (struct draft){0};
}

static uint64_t time_above(struct traitor *t, const struct qhash *parent)
{
	const struct kblock *b = block_find(t, parent);
	uint64_t now = SIM_WALL_MS + t->s->now_ms, below = b ? b->header.time_ms : SIM_WALL_MS;

	return now > below ? now : below + 1;
}

/* Is the transaction in a block of the chain that ends in *parent and is not final? */
static bool in_flight(struct traitor *t, const struct qhash *parent, const struct qhash *leaf)
{
	const struct kblock *b = block_find(t, parent);

	for (unsigned depth = 0; b && !b->final && depth < Q_WINDOW_MAX; depth++) {
		for (unsigned i = 0; i < b->leaf_cnt; i++)
			if (qhash_eq(&b->leaves[i], leaf))
				return true;
		b = block_find(t, &b->header.parent);
	}
	return false;
}

bool draft_new(struct traitor *t, struct draft *d, unsigned id, uint64_t view, uint64_t height,
               const struct qhash *parent, unsigned cnt)
{
	*d = (struct draft){.view = view};
	for (uint64_t i = t->tx_cnt; i-- > 0 && t->tx_cnt - i <= TXS && d->leaf_cnt < cnt;) {
		const struct ktx *k = &t->txs[i % TXS];

		if (k->height == 0 && !k->lent && !in_flight(t, parent, &k->tx->leaf))
			draft_add(d, &k->tx->leaf);
	}
	if (d->leaf_cnt == 0)
		return false;
	for (unsigned i = 0; i < d->leaf_cnt / 2; i++) { /* parents before children: oldest first */
		struct qhash leaf = d->leaves[i];
		d->leaves[i] = d->leaves[d->leaf_cnt - 1 - i];
		d->leaves[d->leaf_cnt - 1 - i] = leaf;
	}
	d->header = (struct qheader){.format = 1,
	                             .height = qheight_of(height),
	                             .parent = *parent,
	                             .proposer = id,
	                             .time_ms = time_above(t, parent)};
	draft_root(d);
	return true;
}

struct message *make(struct traitor *t, unsigned id, const struct qmessage *m)
{
	struct qenvelope env = {.chain = t->s->g.chain, .sender = id};
	enum open_verdict verdict;
	struct message *made;
	struct bytes body;

	if (!wire_encode(WIRE(qmessage), m, &body))
		return NULL;
	env.body.body_val = (void *)body.data;
	env.body.body_len = (unsigned)body.len;
	ident_sign(t->s->ids[id], &t->s->g.chain, body.data, body.len, &env.sig);
	made = message_open(&t->s->g, &env, &verdict);
	bytes_free(&body);
	return made;
}

/* ---- seals ------------------------------------------------------------------------------------------- */

#define TRIES_MAX (UINT64_C(1) << 14)

bool header_mine(struct traitor *t, struct qheader *h)
{
	return h->seal.kind == QSEAL_POW &&
	       block_mine(h, draw(t, UINT64_MAX), TRIES_MAX, &h->seal.qseal_u.pow.nonce);
}

void draft_seal(struct traitor *t, struct draft *d)
{
	const struct kblock *below = block_find(t, &d->header.parent), *before = NULL;
	struct seal_parent parent;

	if (t->s->g.g.seal.kind == QSEAL_NONE)
		return;
	seal_genesis(&t->s->g, &parent);
	if (below)
		before = block_find(t, &below->header.parent);
	if (before)
		seal_extend(&parent, &before->header);
	if (below)
		seal_extend(&parent, &below->header);
	if (below || d->header.height.n == 1 || d->header.seal.kind == QSEAL_NONE)
		seal_prepare(&t->s->g, &parent, &d->header.seal);
	header_mine(t, &d->header);
}

struct message *draft_message(struct traitor *t, unsigned id, struct draft *d, uint64_t serve_to)
{
	if (!d->bare)
		draft_seal(t, d);
	struct qmessage m = {.kind = QPRE_PREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;
	struct qvote vote = {.view = qview_of(d->view), .height = d->header.height};
	struct kblock *b = block_note(t, &d->header, d->leaves, d->leaf_cnt);

	b->made = true;
	b->serve = serve_to;
	vote.block = b->hash;
	sign_vote(t, id, QPREPARE, &vote, &p->prepare);
	p->view = vote.view;
	p->header = d->header;
	p->leaves.leaves_len = d->leaf_cnt;
	p->leaves.leaves_val = d->leaves;
	return make(t, id, &m);
}

void draft_say(struct traitor *t, unsigned id, struct draft *d, uint64_t to, uint64_t serve_to)
{
	struct message *m = draft_message(t, id, d, serve_to);

	if (m)
		say_message(t, id, m, to);
	message_unref(m);
}

/* ---- transactions ------------------------------------------------------------------------------------ */

/* By a key of the adversary's own: an output that does not exist, another's, or the same that is final. */
struct tx *invalid_tx(struct traitor *t, uint64_t which)
{
	struct account *thief = account_from_secret((const uint8_t[32]){[0] = 0x7e, [31] = 1});
	const struct account *signer = thief;
	struct qaccount_key key = account_key(thief);
	struct qoutput out = {account_address(&key), 1 + draw(t, 1000)};
	struct qoutpoint in = {t->s->g.txid, (uint32_t)draw(t, t->s->g.g.allocations.allocations_len)};
	struct qtx_body body = {.inputs = {1, &in}, .outputs = {1, &out}};
	struct err err = {0};

	if (which % 3 == 0) {
		for (unsigned i = 0; i < 4; i++)
			in.tx.b[i] = (uint8_t)draw(t, 256);
	} else if (which % 3 == 1) {
		out.amount = TX_AMOUNT_MAX;
	} else {
		body.expiry = qheight_of(1);
	}
	struct tx *tx = tx_make(&t->s->g.chain, &body, &signer, 1, &err);
	account_free(thief);
	return tx;
}

/* ---- view changes ------------------------------------------------------------------------------------ */

void copy_of(const struct message *m, struct qmessage *copy)
{
	must(wire_decode(WIRE(qmessage), (const uint8_t *)m->env.body.body_val, m->env.body.body_len, copy));
}

/* The statement of this kind at the greatest height up to `most` for which there is a certificate. */
static struct statement *greatest(struct traitor *t, enum qkind kind, uint64_t most)
{
	struct statement *best = NULL, *st;
	size_t from = 0;

	while ((st = statement_next(t, kind, &from)))
		if (st->vote.height.n <= most && (!best || st->vote.height.n > best->vote.height.n) &&
		    __builtin_popcountll(st->signers | t->s->traitors) >= (int)t->s->q)
			best = st;
	return best;
}

static struct statement *prepared_at(struct traitor *t, uint64_t height, uint64_t below_view, bool lowest)
{
	struct statement *best = NULL, *st;
	size_t from = 0;

	while ((st = statement_next(t, QPREPARE, &from))) {
		if (st->vote.height.n != height || st->vote.view.n >= below_view ||
		    __builtin_popcountll(st->signers | t->s->traitors) < (int)t->s->q ||
		    !block_find(t, &st->vote.block))
			continue;
		if (!best ||
		    (lowest ? st->vote.view.n < best->vote.view.n : st->vote.view.n > best->vote.view.n))
			best = st;
	}
	return best;
}

static void put_cert(struct traitor *t, struct statement *st, u_int *len, struct qcert **val)
{
	*val = xcalloc(1, sizeof **val);
	*len = cert_of(t, st, *val) ? 1 : 0;
}

static void put_prepared(struct traitor *t, uint64_t view, uint64_t tip, bool lowest, struct qview_change *vc)
{
	unsigned window = t->s->g.g.params.window;

	vc->prepared.prepared_val = xcalloc(window, sizeof *vc->prepared.prepared_val);
	for (uint64_t h = tip + 1; h <= tip + window; h++) {
		struct statement *st = prepared_at(t, h, view, lowest);
		struct qprepared *p = &vc->prepared.prepared_val[vc->prepared.prepared_len];

		if (!st)
			continue;
		p->header = block_find(t, &st->vote.block)->header;
		if (cert_of(t, st, &p->cert))
			vc->prepared.prepared_len++;
	}
}

void view_change_build(struct traitor *t, uint64_t view, const struct claim *c, struct qmessage *m)
{
	struct qview_change *vc = &m->qmessage_u.view_change;
	struct statement *tip = greatest(t, QCOMMIT, c->tip);
	uint64_t height = tip ? tip->vote.height.n : 0;

	*m = (struct qmessage){.kind = QVIEW_CHANGE};
	vc->view = qview_of(view);
	if (tip)
		put_cert(t, tip, &vc->tip.tip_len, &vc->tip.tip_val);
	struct statement *stable = greatest(t, QCHECKPOINT, c->stable < height ? c->stable : height);
	if (stable)
		put_cert(t, stable, &vc->stable.stable_len, &vc->stable.stable_val);
	if (c->prepared)
		put_prepared(t, view, vc->tip.tip_len ? height : 0, c->lowest, vc);
}

struct message *own_change(struct traitor *t, unsigned id, uint64_t view, const struct claim *c)
{
	struct message *made;
	struct qmessage m;

	view_change_build(t, view, c, &m);
	made = make(t, id, &m);
	wire_free(WIRE(qmessage), &m);
	return made;
}

void say_change(struct traitor *t, unsigned id, uint64_t view, uint64_t to)
{
	const struct claim everything = {.tip = UINT64_MAX, .stable = UINT64_MAX, .prepared = true};
	struct qmessage m;

	view_change_build(t, view, &everything, &m);
	say(t, id, &m, to);
	wire_free(WIRE(qmessage), &m);
}

void say_new_view(struct traitor *t, unsigned id, uint64_t view, struct message *const *changes, size_t cnt,
                  uint64_t to)
{
	struct qmessage m = {.kind = QNEW_VIEW};
	struct qenvelope envs[Q_REPLICAS_MAX];

	must(cnt <= Q_REPLICAS_MAX);
	m.qmessage_u.new_view.view = qview_of(view);
	m.qmessage_u.new_view.changes.changes_val = envs;
	for (size_t i = 0; i < cnt; i++)
		envs[i] = changes[i]->env; /* borrowed */
	m.qmessage_u.new_view.changes.changes_len = (unsigned)cnt;
	say(t, id, &m, to);
}
