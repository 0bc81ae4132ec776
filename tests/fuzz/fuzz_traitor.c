/*
 * fuzz_traitor.c: the agreement engine and a replica that signs anything.  Three honest replicas and one
 * traitor keep a chain; an input is a list of the traitor's deeds, eight bytes each: a message that would be
 * genuine, one place in it overwritten, then signed.  The first one also chooses the kind of chain: proposers
 * by stake or not, sealed blocks or not.  The world's checkers watch every step
 * (tests/scenario/world.h), when the traitor falls silent the chain must go on, and no vote of an honest
 * replica may have been against the rules (judge.h).
 *
 * Links: scenario_world
 */
#include "fuzz.h"
#include "judge.h"
#include "merkle.h"
#include "world.h"

#define T 3u /* the traitor; it leads views 3, 7 ... */
#define DEEDS_MAX 16
#define HEAL_MS 60000
#define BY_STAKE 0x40 /* in the first deed's what */
#define SEALED 0x80
#define UNSEALED 0x40 /* in how: its hash is above its target */
#define TRIES_MAX 1000
#define INVALID_TXS 3 /* a block of so many breaks the rules of transactions */

enum { PASS_TIME, SUBMIT, TIME_OUT, PROPOSE, VOTE, CHANGE, NEW_VIEW, STATUS, CHAIN, WHAT_CNT };

struct deed {
	uint8_t what, to, view, block, at_high, at_low, value, how;
};

/* ---- what it knows -------------------------------------------------------------------- */

static uint64_t view_of(const struct world *w, const struct deed *d)
{
	uint64_t view = 0;

	for (unsigned i = 0; i < T; i++)
		if (world_status(w, i).asked.n > view)
			view = world_status(w, i).asked.n;
	return view + d->view % 4;
}

static const struct wblock *block_of(const struct world *w, const struct deed *d)
{
	return w->block_cnt ? w->blocks[w->block_cnt - 1 - d->block % w->block_cnt] : NULL;
}

static bool cert_of(struct world *w, enum qkind kind, const struct wblock *b, struct qcert *cert)
{
	for (uint64_t view = 0; b && b->leaves && view < 8; view++) {
		if (traitor_cert(w, kind, view, b, cert))
			return true;
	}
	return false;
}

/* ---- what it would say ------------------------------------------------------------------ */

/* What is wrong with a block from its making on: the place where it stands. */
static void bend(const struct world *w, const struct deed *d, uint64_t *height, struct qhash *parent)
{
	switch (d->how >> 2 & 15) {
	case 1: /* on no block at all */
		parent->b[0] ^= 1;
		break;
	case 2: /* on another one */
		if (w->block_cnt > 0)
			*parent = w->blocks[d->value % w->block_cnt]->hash;
		break;
	case 3:
		*parent = w->g.chain;
		break;
	case 4:
		*height += 1;
		break;
	case 5:
		*height -= *height > 1;
		break;
	}
}

static bool sealed(const struct qheader *h)
{
	struct qhash hash;

	block_hash(h, &hash);
	return seal_at_most(hash.b, h->seal.qseal_u.pow.target.b);
}

/* What else can be wrong with it: its header, and its leaves. */
static const struct wblock *bend_header(struct world *w, const struct deed *d, const struct wblock *b)
{
	struct qheader h = b->header;
	struct qhash leaves[INVALID_TXS] = {b->leaves[0], b->leaves[0]};
	unsigned leaf_cnt = 1;

	h.time_ms = w->g.g.time_ms + 1000 + w->now_ms + w->leaf_serial; /* after any parent's */
	switch (d->how >> 2 & 15) {
	case 6:
		h.format = 2;
		break;
	case 7:
		h.time_ms = w->g.g.time_ms;
		break;
	case 8:
		h.time_ms += w->g.g.params.drift_ms + 100000;
		break;
	case 9:
		h.proposer = d->value % w->n;
		break;
	case 10: /* the same transaction twice */
		h.tx_count = leaf_cnt = 2;
		merkle_root(leaves, leaf_cnt, &h.merkle_root);
		break;
	case 11:
		h.tx_count = 2;
		break;
	case 12:
		leaves[1] = world_fresh_leaf(w);
		leaves[2] = world_fresh_leaf(w);
		h.tx_count = leaf_cnt = INVALID_TXS;
		merkle_root(leaves, leaf_cnt, &h.merkle_root);
		break;
	case 13: /* a target that is not due; without seals nothing */
		if (h.seal.kind == QSEAL_POW)
			h.seal.qseal_u.pow.target.b[31] ^= 1;
		break;
	}
	for (unsigned tries = 0;
	     h.seal.kind == QSEAL_POW && tries < TRIES_MAX && sealed(&h) == !!(d->how & UNSEALED); tries++)
		h.seal.qseal_u.pow.nonce++;
	struct wblock *bent = world_note_block(w, &h, leaves, leaf_cnt);
	bent->holds |= ONLY(T);
	return bent;
}

static void propose(struct world *w, const struct deed *d, struct qmessage *m)
{
	const struct wblock *below = block_of(w, d);
	uint64_t height = below ? below->header.height.n + 1 : 1;
	struct qhash parent = below ? below->hash : w->g.chain;
	struct qproposal *p = &m->qmessage_u.proposal;

	bend(w, d, &height, &parent);
	const struct wblock *b = bend_header(w, d, traitor_block(w, T, height, &parent));
	m->kind = QPRE_PREPARE;
	p->view = qview_of(view_of(w, d));
	p->header = b->header;
	p->leaves.leaves_len = (u_int)b->leaf_cnt;
	p->leaves.leaves_val = xmemdup(b->leaves, b->leaf_cnt * sizeof *b->leaves);
}

static void vote(struct world *w, const struct deed *d, struct qmessage *m)
{
	static const enum qkind kinds[] = {QPREPARE, QCOMMIT, QCHECKPOINT};
	const struct wblock *b = block_of(w, d);
	struct qvote *v = &m->qmessage_u.vote;

	m->kind = kinds[d->view % 3];
	v->height = qheight_of(1);
	if (b)
		*v = (struct qvote){.height = b->header.height, .block = b->hash};
	if (m->kind == QCHECKPOINT)
		v->state.b[0] = d->value;
	else
		v->view = qview_of(view_of(w, d));
}

static void view_change(struct world *w, const struct deed *d, struct qmessage *m)
{
	struct qview_change *vc = &m->qmessage_u.view_change;
	const struct wblock *b = block_of(w, d);
	struct qcert cert;

	m->kind = QVIEW_CHANGE;
	vc->view = qview_of(view_of(w, d) + 1);
	if (cert_of(w, QCOMMIT, b, &cert)) {
		vc->tip.tip_val = xmemdup(&cert, sizeof cert);
		vc->tip.tip_len = 1;
	} else if (cert_of(w, QPREPARE, b, &cert)) {
		struct qprepared p = {b->header, cert};
		vc->prepared.prepared_val = xmemdup(&p, sizeof p);
		vc->prepared.prepared_len = 1;
	}
}

static void new_view(struct world *w, const struct deed *d, struct qmessage *m)
{
	struct qnew_view *nv = &m->qmessage_u.new_view;
	uint64_t view = view_of(w, d);
	struct bytes copy;

	m->kind = QNEW_VIEW;
	nv->view = qview_of(view);
	nv->changes.changes_val = xcalloc(w->n, sizeof(struct qenvelope));
	for (unsigned i = 0; i < w->n; i++) {
		const struct message *vc = check_view_change_of(w, i, view);
		if (!vc || !wire_encode(WIRE(qenvelope), &vc->env, &copy))
			continue;
		must(wire_decode(WIRE(qenvelope), copy.data, copy.len,
		                 &nv->changes.changes_val[nv->changes.changes_len++]));
		bytes_free(&copy);
	}
}

static void status(struct world *w, const struct deed *d, struct qmessage *m)
{
	struct qstatus *s = &m->qmessage_u.status;
	struct engine_status of = world_status(w, 0);

	m->kind = QSTATUS;
	*s = (struct qstatus){of.asked, of.entered, of.tip, of.executed, of.stable, d->value, {0}};
	s->slots.slots_len = d->block % 5; /* the window is 4 */
	s->slots.slots_val = xcalloc(5, sizeof(struct qslot_status));
}

static void chain(struct world *w, const struct deed *d, struct qmessage *m)
{
	struct qchain *c = &m->qmessage_u.chain;
	const struct wblock *b = block_of(w, d);

	m->kind = QCHAIN;
	if (!cert_of(w, QCOMMIT, b, &c->cert))
		return;
	c->headers.headers_val = xmemdup(&b->header, sizeof b->header);
	c->headers.headers_len = 1;
}

/* ---- what it says ------------------------------------------------------------------------ */

/* Overwrites one place of the encoded message. */
static void spoil(struct bytes *b, const struct deed *d)
{
	static const uint64_t numbers[] = {0,         1,          UINT64_MAX, UINT64_MAX - 1,
	                                   INT64_MAX, 1ULL << 63, UINT32_MAX, 64};
	size_t at = ((size_t)d->at_high << 8 | d->at_low) % b->len;
	uint64_t n = numbers[d->value % 8];

	switch (d->how % 4) {
	case 1:
		b->data[at] ^= d->value;
		break;
	case 2:
	case 3:
		at &= ~(size_t)3;
		for (unsigned len = d->how % 4 == 2 ? 4 : 8; len > 0 && at < b->len; at++)
			b->data[at] = (uint8_t)(n >> (8 * --len));
		break;
	}
}

/* Signs of a proposal what the traitor alone can sign. */
static void sign_proposal(struct world *w, struct qproposal *p)
{
	struct qmessage v = {.kind = QPREPARE,
	                     .qmessage_u.vote = {.view = p->view, .height = p->header.height}};

	block_hash(&p->header, &v.qmessage_u.vote.block);
	struct message *prepare = world_sign(w, T, &v);
	p->prepare = prepare->env.sig;
	message_unref(prepare);
}

/* message_make() trusts its caller that a NEW-VIEW's changes are such. */
static bool can_be_made(const struct qmessage *m)
{
	struct qmessage change;

	for (unsigned i = 0; m->kind == QNEW_VIEW && i < m->qmessage_u.new_view.changes.changes_len; i++) {
		const struct qenvelope *env = &m->qmessage_u.new_view.changes.changes_val[i];
		if (!wire_decode(WIRE(qmessage), env->body.body_val, env->body.body_len, &change))
			return false;
		bool ok = change.kind == QVIEW_CHANGE;
		wire_free(WIRE(qmessage), &change);
		if (!ok)
			return false;
	}
	return m->kind >= QPRE_PREPARE && (m->kind <= QSTATUS || m->kind == QCHAIN);
}

static void say(struct world *w, const struct deed *d, struct qmessage *m)
{
	struct bytes b;

	must(wire_encode(WIRE(qmessage), m, &b));
	wire_free(WIRE(qmessage), m);
	spoil(&b, d);
	if (wire_decode(WIRE(qmessage), b.data, b.len, m)) {
		if (m->kind == QPRE_PREPARE)
			sign_proposal(w, &m->qmessage_u.proposal);
		if (can_be_made(m))
			traitor_message(w, T, m, d->to);
		wire_free(WIRE(qmessage), m);
	}
	bytes_free(&b);
}

static void act(struct world *w, const struct deed *d)
{
	static void (*const speech[WHAT_CNT])(struct world *, const struct deed *, struct qmessage *) = {
	    [PROPOSE] = propose,   [VOTE] = vote,     [CHANGE] = view_change,
	    [NEW_VIEW] = new_view, [STATUS] = status, [CHAIN] = chain,
	};
	unsigned what = d->what % WHAT_CNT;
	struct qmessage m = {0};

	if (what == PASS_TIME) {
		world_run(w, 8u * d->view);
	} else if (what == SUBMIT) {
		world_submit(w, d->to);
	} else if (what == TIME_OUT) {
		w->pending = ALL; /* else there is nothing to wait for */
		world_time_out(w, d->to & (ONLY(T) - 1));
		w->pending = 0;
	} else {
		speech[what](w, d, &m);
		say(w, d, &m);
	}
	world_settle(w);
}

/* ---- the test ------------------------------------------------------------------------------ */

/* Honest ones propose one at a time; the world's transactions are but leaves (PP10). */
static bool valid(const struct world *w, unsigned i, const struct wblock *b)
{
	(void)w, (void)i;
	return b->header.tx_count != INVALID_TXS;
}

/* The traitor has most. */
static void stakes(uint64_t height, struct qstake list[Q_REPLICAS_MAX])
{
	(void)height;
	for (unsigned i = 0; i < 4; i++)
		list[i].own = 10 * (i + 1);
}

static struct world *new_world(uint8_t kind)
{
	struct world_modes modes = {.stakes = stakes};
	struct qparams params = world_params();

	params.timeout_ms = 400;
	params.timeout_cap_ms = 1600;
	if (kind & BY_STAKE) {
		struct qstake_rules *r = &modes.proposer.qproposer_rules_u.stake;
		modes.proposer.kind = QPROPOSER_STAKE;
		*r = genesis_default_stake(4);
		r->turn = 1;
		r->epoch = 3 * params.window > 2 * params.checkpoint_interval
		               ? 3 * params.window
		               : 2 * params.checkpoint_interval;
		r->unbonding = 3 * r->epoch;
	}
	if (kind & SEALED) {
		modes.seal.kind = QSEAL_POW;
		modes.seal.qseal_rules_u.pow =
		    (struct qpow_rules){.bits = 2, .bits_max = 4, .interval_ms = 50, .hash_rate = 10000};
	}
	return world_new_in(4, ONLY(T), &params, 1, &modes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct deed d;
	uint64_t height = 0;
	struct world *w = new_world(len > 0 ? data[0] : 0);

	w->quiet = w->share_opened = w->auto_propose = true;
	w->valid = valid;
	for (size_t i = 0; i < DEEDS_MAX && (i + 1) * sizeof d <= len; i++) {
		memcpy(&d, data + i * sizeof d, sizeof d);
		d.what &= i > 0 ? 0xff : (uint8_t) ~(BY_STAKE | SEALED);
		act(w, &d);
	}
	for (unsigned i = 0; i < T; i++)
		height = world_height(w, i) > height ? world_height(w, i) : height;
	world_submit(w, ALL);
	if (!world_run_to(w, height + 1, HEAL_MS))
		world_broken(w, "no progress within %d ms after the traitor fell silent", HEAL_MS);
	judge_votes(w);
	world_free(w);
	return 0;
}

/* Where the traitor leads, a bent block. */
static void add_bent(uint8_t kind, uint8_t how)
{
	struct deed list[8] = {{.what = SUBMIT | kind, .to = 15}, {.what = PASS_TIME, .view = 10}};

	for (unsigned k = 2; k < 5; k++)
		list[k] = (struct deed){.what = TIME_OUT, .to = 7};
	list[5] = (struct deed){.what = NEW_VIEW, .to = 7};
	list[6] = (struct deed){.what = PROPOSE, .to = 7, .how = how};
	list[7] = (struct deed){.what = PASS_TIME, .view = 100};
	fuzz_seed(list, sizeof list);
}

/* One of each kind, on each kind of chain. */
static void add_all_bent(void)
{
	static const uint8_t kinds[] = {0, BY_STAKE, SEALED, BY_STAKE | SEALED};

	for (size_t k = 0; k < sizeof kinds; k++) {
		for (uint8_t how = 0; how < 14; how++)
			add_bent(kinds[k], (uint8_t)(how << 2));
		if (kinds[k] & SEALED)
			add_bent(kinds[k], UNSEALED);
	}
}

/* Some blocks, then each kind of speech three times, then time: in views 0 and 3, which is the traitor's. */
static void setup(void)
{
	add_all_bent();
	for (uint8_t what = PROPOSE; what < WHAT_CNT; what++)
		for (uint8_t view = 0; view < 2; view++) {
			struct deed list[11] = {
			    {.what = (uint8_t)(SUBMIT | (what + view) % 4 << 6), .to = 15},
			    {.what = PASS_TIME, .view = 10}};
			size_t cnt = 2;
			for (unsigned k = 0; view > 0 && k < 3; k++)
				list[cnt++] = (struct deed){.what = TIME_OUT, .to = 7};
			if (view > 0)
				list[cnt++] = (struct deed){.what = NEW_VIEW, .to = 7};
			for (uint8_t k = 0; k < 3; k++)
				list[cnt++] = (struct deed){.what = what, .to = 7, .view = k, .block = k};
			list[cnt++] = (struct deed){.what = SUBMIT, .to = 15};
			list[cnt++] = (struct deed){.what = PASS_TIME, .view = 100};
			fuzz_seed(list, cnt * sizeof *list);
		}
}

const struct fuzz_target fuzz_target = {
    .name = "traitor", .runs = 100, .record = sizeof(struct deed), .setup = setup};
