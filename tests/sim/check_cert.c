/*
 * check_cert.c: certificates by a second, naive verifier; what they make final; agreement on it.
 *
 * Final is more than what anybody executed: every block for which a certificate was seen in any packet, is
 * kept in any honest ledger, or could be put together from what honest replicas signed and whatever the
 * faulty may sign yet. All of it must lie on one chain, and every NEW-VIEW that opens must carry it on.
 */
#include "check_impl.h"

#include <stdlib.h>

#include "hash.h"

/* ---- the naive verifier ------------------------------------------------------------------------------ */

void naive_block_hash(const struct qheader *header, struct qhash *hash)
{
	uint8_t buf[256];
	size_t len = wire_encode_into(WIRE(qheader), header, buf, sizeof buf);

	must(len > 0);
	hash_bytes("quorate/block/v1", buf, len, hash->b);
}

/* Two sets of q among n share at least 2q - n; one of those is honest if that is more than f. */
unsigned naive_quorum(unsigned n)
{
	unsigned f = 0, q = 0;

	while (3 * (f + 1) < n)
		f++;
	while (2 * q < n + f + 1)
		q++;
	return q;
}

static bool is_zero(const struct qhash *hash)
{
	for (size_t i = 0; i < sizeof hash->b; i++)
		if (hash->b[i] != 0)
			return false;
	return true;
}

bool naive_vote(const struct genesis *g, unsigned replica, enum qkind kind, const struct qvote *vote,
                const struct qsig *sig)
{
	struct qmessage m = {.kind = kind};
	struct bytes body;

	m.qmessage_u.vote = *vote;
	if (replica >= g->g.replicas.replicas_len || !wire_encode(WIRE(qmessage), &m, &body))
		return false;
	bool holds =
	    ident_verify(&g->g.replicas.replicas_val[replica].key, &g->chain, body.data, body.len, sig);
	bytes_free(&body);
	return holds;
}

/* The statement's form: which fields a kind uses. */
static bool statement_in_order(enum qkind kind, const struct qvote *vote)
{
	if (vote->height.n == 0)
		return false;
	if (kind == QCHECKPOINT)
		return vote->view.n == 0;
	return (kind == QPREPARE || kind == QCOMMIT) && is_zero(&vote->state);
}

bool naive_cert(const struct genesis *g, const struct qcert *cert, const char **why)
{
	unsigned n = g->g.replicas.replicas_len;
	bool signed_by[Q_REPLICAS_MAX] = {false};
	unsigned signers = 0;

	*why = "its statement is malformed";
	if (!statement_in_order(cert->kind, &cert->vote))
		return false;
	for (unsigned i = 0; i < cert->sigs.sigs_len; i++) {
		const struct qcert_sig *sig = &cert->sigs.sigs_val[i];
		*why = "a signer is no replica";
		if (sig->replica >= n)
			return false;
		*why = "a signer counts twice";
		if (signed_by[sig->replica])
			return false;
		*why = "its signers are not in order";
		for (unsigned k = sig->replica; k < n; k++)
			if (signed_by[k])
				return false;
		*why = "a signature does not hold";
		if (!naive_vote(g, sig->replica, cert->kind, &cert->vote, &sig->sig))
			return false;
		signed_by[sig->replica] = true;
		signers++;
	}
	*why = "it has no quorum of signers";
	return signers >= naive_quorum(n);
}

/* What a verdict rests on, in one piece: kind, statement, signers with signatures. */
static uint8_t *cert_key(const struct qcert *cert, size_t *len)
{
	uint32_t kind = (uint32_t)cert->kind;
	size_t sigs = cert->sigs.sigs_len * sizeof *cert->sigs.sigs_val;
	uint8_t *key = xrealloc(NULL, sizeof kind + sizeof cert->vote + sigs);

	_Static_assert(sizeof(struct qvote) == 80 && sizeof(struct qcert_sig) == 68, "no padding");
	memcpy(key, &kind, sizeof kind);
	memcpy(key + sizeof kind, &cert->vote, sizeof cert->vote);
	if (sigs > 0)
		memcpy(key + sizeof kind + sizeof cert->vote, cert->sigs.sigs_val, sigs);
	*len = sizeof kind + sizeof cert->vote + sigs;
	return key;
}

/* A certificate that holds was seen for the first time. */
static void cert_counts(struct checks *c, const struct qcert *cert)
{
	if (cert->kind == QPREPARE)
		return;
	settle(c, cert->vote.height.n, &cert->vote.block,
	       cert->kind == QCOMMIT ? cert->vote.view.n : UINT64_MAX, "a certificate was seen");
	if (cert->kind == QCHECKPOINT)
		chain_checkpoint(c, &cert->vote);
}

bool cert_holds(struct checks *c, const struct qcert *cert)
{
	const struct genesis *g = &c->sim->g;
	const char *why;
	struct judged *j;
	size_t len;
	uint8_t *key = cert_key(cert, &len);

	HASH_FIND(hh, c->judged, key, len, j);
	if (j) {
		free(key);
		return j->holds;
	}
	j = xcalloc(1, sizeof *j);
	j->key = key;
	j->len = len;
	j->holds = naive_cert(g, cert, &why);
	HASH_ADD_KEYPTR(hh, c->judged, j->key, j->len, j);
	if (cert_verify(g, cert, NULL) != j->holds)
		sim_broken(c->sim,
		           "verifiers: cert_verify() %s a certificate of kind %d, view %" PRIu64
		           ", height %" PRIu64 " that %s%s",
		           j->holds ? "refuses" : "accepts", (int)cert->kind, cert->vote.view.n,
		           cert->vote.height.n, j->holds ? "holds" : "does not hold: ", j->holds ? "" : why);
	if (j->holds)
		cert_counts(c, cert);
	return j->holds;
}

void cert_relied_on(struct checks *c, unsigned replica, const struct qcert *cert, const char *where)
{
	const char *why = "";

	if (cert_holds(c, cert))
		return;
	naive_cert(&c->sim->g, cert, &why);
	sim_broken(c->sim,
	           "certificate: replica %u has one of kind %d, view %" PRIu64 ", height %" PRIu64
	           " in its %s: %s",
	           replica, (int)cert->kind, cert->vote.view.n, cert->vote.height.n, where, why);
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

struct known *known_find(struct checks *c, const struct qhash *hash)
{
	struct known *k;

	HASH_FIND(hh, c->known, hash, sizeof *hash, k);
	return k;
}

static struct known *known_add(struct checks *c, const struct qhash *hash)
{
	struct known *k = known_find(c, hash);

	if (k)
		return k;
	k = xcalloc(1, sizeof *k);
	k->hash = *hash;
	HASH_ADD(hh, c->known, hash, sizeof k->hash, k);
	return k;
}

const struct settled *settled_at(const struct checks *c, uint64_t height)
{
	return height < c->settled_cap && c->settled[height].set ? &c->settled[height] : NULL;
}

#define HEIGHT_MAX 1000000 /* no run comes near */

static struct settled *settled_place(struct checks *c, uint64_t height)
{
	size_t old = c->settled_cap;

	if (height >= c->settled_cap) {
		while (height >= c->settled_cap)
			c->settled_cap = c->settled_cap ? 2 * c->settled_cap : 64;
		c->settled = xrealloc(c->settled, c->settled_cap * sizeof *c->settled);
		memset(c->settled + old, 0, (c->settled_cap - old) * sizeof *c->settled);
	}
	if (height > c->settled_top)
		c->settled_top = height;
	return &c->settled[height];
}

static void fork_found(struct checks *c, uint64_t height, const struct qhash *a, const struct qhash *b,
                       const char *how)
{
	char one[SHORT_HASH], two[SHORT_HASH];

	sim_broken(c->sim, "agreement: blocks %s and %s are both final at height %" PRIu64 ": %s",
	           hash_short_text(one, a), hash_short_text(two, b), height, how);
}

/* One height; true: its parent has to be settled now (*block is that then). */
static bool settle_one(struct checks *c, uint64_t height, struct qhash *block, const char *how)
{
	struct settled *s = settled_place(c, height);
	struct known *k;

	if (s->set && !qhash_eq(&s->block, block)) {
		fork_found(c, height, &s->block, block, how);
		return false;
	}
	if (!s->set)
		*s = (struct settled){.set = true, .block = *block, .view = UINT64_MAX};
	k = known_add(c, block);
	if (k->final)
		return false;
	k->final = true;
	k->height = height;
	if (!k->shown)
		return false; /* goes on when its header comes */
	if (k->header.height.n != height) {
		sim_broken(c->sim, "continuity: the block certified at height %" PRIu64 " says %" PRIu64,
		           height, k->header.height.n);
		return false;
	}
	const char *why = seal_wrong(c, &k->header);
	if (why) {
		sim_broken(c->sim, "seal: the block certified at height %" PRIu64 ": %s", height, why);
		return false;
	}
	*block = k->header.parent;
	return true;
}

/* A block certified in a lower view must be in every NEW-VIEW: at or below its S, or in its O. */
static void must_carry(struct checks *c, const struct new_view *nv, uint64_t height, const struct settled *s)
{
	char text[SHORT_HASH];
	uint64_t above = height - nv->s; /* meaningful if height > s */

	if (s->view >= nv->view || height < nv->s)
		return;
	const struct qhash *there = height == nv->s      ? &nv->s_hash
	                            : above <= nv->o_cnt ? &nv->o[above - 1]
	                                                 : NULL;
	if (!there || !qhash_eq(there, &s->block))
		sim_broken(c->sim,
		           "carried over: NEW-VIEW %" PRIu64 " (S at %" PRIu64
		           ", %zu in O) drops block %s at height %" PRIu64
		           ", which can be certified in view %" PRIu64,
		           nv->view, nv->s, nv->o_cnt, hash_short_text(text, &s->block), height, s->view);
}

void settle(struct checks *c, uint64_t height, const struct qhash *block, uint64_t view, const char *how)
{
	struct qhash at = *block;
	uint64_t h = height;

	if (height > HEIGHT_MAX) {
		sim_broken(c->sim, "agreement: a certificate for height %" PRIu64, height);
		return;
	}
	while (h > 0 && settle_one(c, h, &at, how))
		h--;
	if (h == 0 && height > 0 && !qhash_eq(&at, &c->sim->g.chain))
		sim_broken(c->sim, "continuity: a certified chain does not begin with the genesis");
	struct settled *s = &c->settled[height];
	if (height == 0 || !qhash_eq(&s->block, block) || view >= s->view)
		return;
	s->view = view;
	for (size_t i = 0; i < c->new_view_cnt; i++)
		must_carry(c, &c->new_views[i], height, s);
}

void known_header(struct checks *c, const struct qheader *header)
{
	struct qhash hash;
	struct known *k;

	naive_block_hash(header, &hash);
	k = known_add(c, &hash);
	if (k->shown)
		return;
	k->shown = true;
	k->header = *header;
	if (!k->final)
		return;
	k->final = false; /* settled without its header: now its ancestors, too */
	settle(c, k->height, &hash, UINT64_MAX, "an ancestor of a certified block");
}

/* ---- what could be certified -----------------------------------------------------------------------------
 */

static struct tally *tally_find(struct checks *c, enum qkind kind, const struct qvote *vote, bool add)
{
	struct tally_key key;
	struct tally *t;

	memset(&key, 0, sizeof key);
	key.kind = (uint64_t)kind;
	key.view = vote->view.n;
	key.height = vote->height.n;
	key.block = vote->block;
	key.state = vote->state;
	HASH_FIND(hh, c->tallies, &key, sizeof key, t);
	if (t || !add)
		return t;
	t = xcalloc(1, sizeof *t);
	t->key = key;
	HASH_ADD(hh, c->tallies, key, sizeof key, t);
	return t;
}

/* Two blocks cannot both be prepared at one (view, height). */
static void note_prepared(struct checks *c, const struct qvote *vote)
{
	struct prepared_key key = {vote->view.n, vote->height.n};
	char one[SHORT_HASH], two[SHORT_HASH];
	struct prepared_at *p;

	HASH_FIND(hh, c->prepared, &key, sizeof key, p);
	if (!p) {
		p = xcalloc(1, sizeof *p);
		p->key = key;
		p->block = vote->block;
		HASH_ADD(hh, c->prepared, key, sizeof key, p);
	} else if (!qhash_eq(&p->block, &vote->block)) {
		sim_broken(c->sim, "prepared: both %s and %s can be, at view %" PRIu64 ", height %" PRIu64,
		           hash_short_text(one, &p->block), hash_short_text(two, &vote->block), key.view,
		           key.height);
	}
}

void tally_note(struct checks *c, unsigned replica, enum qkind kind, const struct qvote *vote)
{
	struct tally *t = tally_find(c, kind, vote, true);

	t->voters |= bit_of(replica);
	if (t->enough || bits(t->voters | check_liars(c->sim)) < c->sim->q)
		return;
	t->enough = true;
	if (kind == QPREPARE)
		note_prepared(c, vote);
	else
		settle(c, vote->height.n, &vote->block, kind == QCOMMIT ? vote->view.n : UINT64_MAX,
		       "what was signed is enough for a certificate");
}

bool tally_enough(struct checks *c, enum qkind kind, uint64_t view, uint64_t height,
                  const struct qhash *block, unsigned also)
{
	struct qvote vote = {.view = {view}, .height = {height}, .block = *block};
	const struct tally *t = tally_find(c, kind, &vote, false);
	uint64_t voters = t ? t->voters : 0;

	return bits(voters | bit_of(also) | check_liars(c->sim)) >= c->sim->q;
}

/* ---- messages
 * ---------------------------------------------------------------------------------------------- */

/* Everything inside a message that opened has to hold, whoever sent it: the opener said so. */
static void must_hold(struct checks *c, const struct qcert *cert, const struct message *m)
{
	if (!cert_holds(c, cert))
		sim_broken(c->sim,
		           "opened: a message of kind %d by replica %u with a certificate that does not hold",
		           (int)m->m.kind, m->sender);
}

static void look_at_change(struct checks *c, const struct message *m)
{
	const struct qview_change *vc = &m->m.qmessage_u.view_change;
	struct qhash hash;

	for (unsigned i = 0; i < vc->prepared.prepared_len; i++) {
		const struct qprepared *p = &vc->prepared.prepared_val[i];
		known_header(c, &p->header);
		naive_block_hash(&p->header, &hash);
		must_hold(c, &p->cert, m);
		if (!qhash_eq(&hash, &p->cert.vote.block))
			sim_broken(c->sim,
			           "opened: replica %u reports a header with another one's certificate",
			           m->sender);
	}
	for (unsigned i = 0; i < vc->tip.tip_len; i++)
		must_hold(c, &vc->tip.tip_val[i], m);
	for (unsigned i = 0; i < vc->stable.stable_len; i++)
		must_hold(c, &vc->stable.stable_val[i], m);
}

static void raise_s(struct new_view *nv, const struct qcert *certs, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++) {
		if (certs[i].vote.height.n <= nv->s)
			continue;
		nv->s = certs[i].vote.height.n;
		nv->s_hash = certs[i].vote.block;
	}
}

/* The header reported at this height from the highest view. */
static const struct qprepared *highest(const struct message *m, uint64_t height)
{
	const struct qprepared *best = NULL;

	for (unsigned i = 0; i < m->m.qmessage_u.new_view.changes.changes_len; i++) {
		const struct qview_change *vc = &m->changes[i]->m.qmessage_u.view_change;
		for (unsigned k = 0; k < vc->prepared.prepared_len; k++) {
			const struct qprepared *p = &vc->prepared.prepared_val[k];
			if (p->header.height.n == height &&
			    (!best || best->cert.vote.view.n < p->cert.vote.view.n))
				best = p;
		}
	}
	return best;
}

/* S and O of a NEW-VIEW, from its V. */
static void choose(const struct genesis *g, const struct message *m, struct new_view *nv)
{
	const struct qnew_view *q = &m->m.qmessage_u.new_view;
	struct qhash parent;

	*nv = (struct new_view){.id = message_id(m), .view = q->view.n, .s_hash = g->chain};
	for (unsigned i = 0; i < q->changes.changes_len; i++) {
		const struct qview_change *vc = &m->changes[i]->m.qmessage_u.view_change;
		raise_s(nv, vc->tip.tip_val, vc->tip.tip_len);
		raise_s(nv, vc->stable.stable_val, vc->stable.stable_len);
	}
	parent = nv->s_hash;
	while (nv->o_cnt < g->g.params.window) {
		const struct qprepared *p = highest(m, nv->s + nv->o_cnt + 1);
		if (!p || !qhash_eq(&p->header.parent, &parent))
			break;
		parent = nv->o[nv->o_cnt++] = p->cert.vote.block;
	}
}

static void look_at_new_view(struct checks *c, const struct message *m)
{
	const struct qnew_view *q = &m->m.qmessage_u.new_view;
	unsigned last = 0, cnt = q->changes.changes_len;
	bool sound = cnt >= c->sim->q && q->view.n % c->sim->n == m->sender;
	struct new_view nv;

	for (unsigned i = 0; i < cnt; i++) {
		const struct message *vc = m->changes[i];
		sound = sound && vc->m.kind == QVIEW_CHANGE &&
		        vc->m.qmessage_u.view_change.view.n == q->view.n && (i == 0 || vc->sender > last);
		last = vc->sender;
		look_at_change(c, vc);
	}
	if (!sound) {
		sim_broken(c->sim, "opened: NEW-VIEW %" PRIu64 " by replica %u without a quorum for it",
		           q->view.n, m->sender);
		return;
	}
	choose(&c->sim->g, m, &nv);
	grow(&c->new_views, &c->new_view_cap, c->new_view_cnt, sizeof nv);
	c->new_views[c->new_view_cnt++] = nv;
	for (uint64_t h = nv.s > 0 ? nv.s : 1; h <= c->settled_top; h++)
		if (settled_at(c, h))
			must_carry(c, &nv, h, settled_at(c, h));
}

static void look_at_proposal(struct checks *c, const struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	struct qvote vote = {.view = p->view, .height = p->header.height};

	naive_block_hash(&p->header, &vote.block);
	known_header(c, &p->header);
	if (!naive_vote(&c->sim->g, m->sender, QPREPARE, &vote, &p->prepare))
		sim_broken(c->sim, "opened: a proposal by replica %u whose PREPARE does not hold", m->sender);
}

static void look_at_chain(struct checks *c, const struct message *m)
{
	const struct qchain *q = &m->m.qmessage_u.chain;
	unsigned cnt = q->headers.headers_len;
	struct qhash hash;

	must_hold(c, &q->cert, m);
	for (unsigned i = 0; i < cnt; i++) {
		const struct qheader *h = &q->headers.headers_val[i];
		if (i > 0 && (h->height.n != h[-1].height.n + 1 || !qhash_eq(&h->parent, &hash)))
			sim_broken(c->sim, "opened: a CHAIN by replica %u whose headers are not linked",
			           m->sender);
		naive_block_hash(h, &hash);
		known_header(c, h);
	}
	if (cnt > 0 && !qhash_eq(&hash, &q->cert.vote.block))
		sim_broken(c->sim, "opened: a CHAIN by replica %u that its certificate does not cover",
		           m->sender);
}

void cert_look(struct checks *c, const struct message *m)
{
	static void (*const looks[])(struct checks *, const struct message *) = {
	    [QPRE_PREPARE] = look_at_proposal,
	    [QVIEW_CHANGE] = look_at_change,
	    [QNEW_VIEW] = look_at_new_view,
	    [QCHAIN] = look_at_chain,
	    [QEVIDENCE] = NULL,
	};
	struct looked *l;

	if (!looks[m->m.kind])
		return;
	struct looked_key key = {m->sender, message_id(m)};
	HASH_FIND(hh, c->looked, &key, sizeof key, l);
	if (l)
		return;
	l = xcalloc(1, sizeof *l);
	l->key = key;
	HASH_ADD(hh, c->looked, key, sizeof key, l);
	looks[m->m.kind](c, m);
}

void cert_free(struct checks *c)
{
	struct known *k, *k_next;
	struct tally *t, *t_next;
	struct prepared_at *p, *p_next;
	struct judged *j, *j_next;
	struct looked *l, *l_next;

	HASH_ITER (hh, c->known, k, k_next) {
		HASH_DEL(c->known, k);
		free(k);
	}
	HASH_ITER (hh, c->tallies, t, t_next) {
		HASH_DEL(c->tallies, t);
		free(t);
	}
	HASH_ITER (hh, c->prepared, p, p_next) {
		HASH_DEL(c->prepared, p);
		free(p);
	}
	HASH_ITER (hh, c->judged, j, j_next) {
		HASH_DEL(c->judged, j);
		free(j->key);
		free(j);
	}
	HASH_ITER (hh, c->looked, l, l_next) {
		HASH_DEL(c->looked, l);
		free(l);
	}
	free(c->settled);
	free(c->new_views);
}
