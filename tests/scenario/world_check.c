/*
 * world_check.c: the checkers of a world.  They see what replicas hand to the network, to the disk and to
 * the ledger, and share no code with the engine.
 *
 *   no honest replica ever shows two statements under one (kind, view, height)     check_sent
 *   nothing is shown before it is durable                                          check_durable
 *   every COMMIT or CHECKPOINT certificate that could be assembled, from all votes that anybody ever
 *   showed and whatever the liars may sign yet, lies on one chain (rule 4)          note_final
 *   what is executed is on that chain, linked, and under a certificate that holds   check_executed
 *   evidence convicts liars only, and a fork takes more than f                     check_evidence
 *
 * See world.h.
 */
#include <uthash.h>

#include "evidence.h"
#include "world.h"

/* One statement that replica `signer` showed. */
struct statement {
	struct statement_key {
		uint64_t signer, kind, view, height;
	} key;
	struct qhash what; /* block, or id of the whole message */
	struct qsig sig;
	struct message *message; /* VIEW-CHANGE and NEW-VIEW */
	struct statement *other; /* a different one under the same key */
	UT_hash_handle hh;
};

/* Who voted for one thing. */
struct tally {
	struct tally_key {
		uint64_t kind, view, height;
		struct qhash block, state;
	} key;
	uint64_t voters;
	bool final;
	UT_hash_handle hh;
};

static unsigned bits(uint64_t mask)
{
	return (unsigned)__builtin_popcountll(mask);
}

/* ---- one chain --------------------------------------------------------------------- */

static void note_final(struct world *w, uint64_t height, struct qhash block)
{
	for (; height > 0; height--) {
		must(height < HEIGHTS_MAX);
		if (w->final[height].set) {
			if (!qhash_eq(&w->final[height].block, &block) && bits(world_liars(w)) <= w->f)
				world_broken(w, "FORK at height %llu: %s and %s can both be certified",
				             (unsigned long long)height, name_of(w, &w->final[height].block),
				             name_of(w, &block));
			return;
		}
		const struct wblock *b = world_block(w, &block);
		if (!b || b->header.height.n != height)
			world_broken(w, "a quorum certifies a block that nobody proposed at height %llu",
			             (unsigned long long)height);
		w->final[height].set = true;
		w->final[height].block = block;
		if (height > w->final_height)
			w->final_height = height;
		block = b->header.parent;
	}
	if (!qhash_eq(&block, &w->g.chain))
		world_broken(w, "a certified chain does not begin at the genesis");
}

static void note_vote(struct world *w, unsigned signer, enum qkind kind, const struct qvote *v)
{
	struct tally_key key;
	struct tally *t;
	memset(&key, 0, sizeof key);
	key.kind = kind;
	key.view = v->view.n;
	key.height = v->height.n;
	key.block = v->block;
	key.state = v->state;
	HASH_FIND(hh, w->tallies, &key, sizeof key, t);
	if (!t) {
		t = xcalloc(1, sizeof *t);
		t->key = key;
		HASH_ADD(hh, w->tallies, key, sizeof key, t);
	}
	t->voters |= ONLY(signer);
	if (kind != QPREPARE && !t->final && bits(t->voters | world_liars(w)) >= w->q) {
		t->final = true;
		note_final(w, v->height.n, v->block);
	}
}

/* ---- statements --------------------------------------------------------------------- */

/* False if the very same was noted before. */
static bool note(struct world *w, struct statement_key key, const struct qhash *what, const struct qsig *sig,
                 struct message *m)
{
	struct statement *s, *first;
	HASH_FIND(hh, w->statements, &key, sizeof key, first);
	for (s = first; s; s = s->other)
		if (qhash_eq(&s->what, what))
			return false;
	if (first && !(world_liars(w) & ONLY(key.signer)))
		world_broken(w, "honest replica %u shows two statements of kind %u, view %llu, height %llu",
		             (unsigned)key.signer, (unsigned)key.kind, (unsigned long long)key.view,
		             (unsigned long long)key.height);
	s = xcalloc(1, sizeof *s);
	s->key = key;
	s->what = *what;
	s->sig = *sig;
	s->message = m ? message_ref(m) : NULL;
	if (first) {
		s->other = first->other;
		first->other = s;
	} else {
		HASH_ADD(hh, w->statements, key, sizeof key, s);
	}
	return true;
}

static struct statement_key key_of(unsigned signer, enum qkind kind, uint64_t view, uint64_t height)
{
	struct statement_key key;
	memset(&key, 0, sizeof key);
	key.signer = signer;
	key.kind = kind;
	key.view = view;
	key.height = height;
	return key;
}

bool check_sent(struct world *w, unsigned from, struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	const struct qvote *v = &m->m.qmessage_u.vote;
	struct qhash id = message_id(m);
	w->r[from].said += m->sender == from && m->m.kind <= QNEW_VIEW;
	struct qvote prepare = {.view = p->view, .height = p->header.height};
	switch (m->m.kind) {
	case QPRE_PREPARE:
		block_hash(&p->header, &prepare.block);
		if (m->sender != from)
			return true;
		if (note(w, key_of(from, QPREPARE, p->view.n, p->header.height.n), &prepare.block,
		         &p->prepare, NULL))
			note_vote(w, from, QPREPARE, &prepare);
		return note(w, key_of(from, QPRE_PREPARE, p->view.n, p->header.height.n), &prepare.block,
		            &m->env.sig, NULL);
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		if (m->sender != from)
			world_broken(w, "replica %u relays a vote of %u", from, m->sender);
		if (!note(w, key_of(from, m->m.kind, v->view.n, v->height.n),
		          m->m.kind == QCHECKPOINT ? &id : &v->block, &m->env.sig, NULL))
			return false;
		note_vote(w, from, m->m.kind, v);
		return true;
	case QVIEW_CHANGE:
		return m->sender != from ||
		       note(w, key_of(from, QVIEW_CHANGE, m->m.qmessage_u.view_change.view.n, 0), &id,
		            &m->env.sig, m);
	case QNEW_VIEW:
		return m->sender == from &&
		       note(w, key_of(from, QNEW_VIEW, m->m.qmessage_u.new_view.view.n, 0), &id, &m->env.sig,
		            m);
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return true;
}

const struct qsig *check_vote_of(const struct world *w, unsigned i, enum qkind kind, uint64_t view,
                                 uint64_t height, const struct qhash *block)
{
	struct statement_key key = key_of(i, kind, view, height);
	struct statement *s;
	HASH_FIND(hh, w->statements, &key, sizeof key, s);
	for (; s; s = s->other)
		if (qhash_eq(&s->what, block))
			return &s->sig;
	return NULL;
}

struct message *check_view_change_of(const struct world *w, unsigned i, uint64_t view)
{
	struct statement_key key = key_of(i, QVIEW_CHANGE, view, 0);
	struct statement *s;
	HASH_FIND(hh, w->statements, &key, sizeof key, s);
	return s ? s->message : NULL;
}

/* ---- durable before shown --------------------------------------------------------------- */

static void must_be_recorded(struct world *w, unsigned i, enum vote_record_kind kind, uint64_t view,
                             uint64_t height, const struct message *m)
{
	const struct wrecord *r = disk_find(&w->r[i].disk, kind, view, height);
	struct bytes b;
	must(wire_encode(WIRE(qenvelope), &m->env, &b));
	bool same = r && r->data.len == b.len && memcmp(r->data.data, b.data, b.len) == 0;
	/* One of a later view has taken its place: then none of this view can ever be made again. */
	for (size_t k = 0; k < w->r[i].disk.record_cnt && (kind == REC_VIEW_CHANGE || kind == REC_NEW_VIEW);
	     k++)
		same |= w->r[i].disk.records[k].key.kind == kind && w->r[i].disk.records[k].key.view.n > view;
	bytes_free(&b);
	if (!same)
		world_broken(w,
		             "replica %u shows a message of kind %u, view %llu, height %llu that is not on "
		             "its disk",
		             i, (unsigned)m->m.kind, (unsigned long long)view, (unsigned long long)height);
}

/* COMMIT: the prepared certificates from the durable tip up to it are there. */
static void must_be_prepared(struct world *w, unsigned i, const struct qvote *v)
{
	const struct disk *d = &w->r[i].disk;
	const struct wrecord *r = disk_find(d, REC_TIP, 0, 0);
	uint64_t tip = d->height;
	struct qcert cert;
	if (r && wire_decode(WIRE(qcert), r->data.data, r->data.len, &cert)) {
		tip = cert.vote.height.n > tip ? cert.vote.height.n : tip;
		wire_free(WIRE(qcert), &cert);
	}
	for (uint64_t h = tip + 1; h <= v->height.n; h++)
		if (!disk_find(d, REC_PREPARED, 0, h))
			world_broken(w,
			             "replica %u shows COMMIT at height %llu without the prepared "
			             "certificate of height %llu on its disk",
			             i, (unsigned long long)v->height.n, (unsigned long long)h);
}

void check_durable(struct world *w, unsigned from, const struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	const struct qvote *v = &m->m.qmessage_u.vote;
	const struct disk *d = &w->r[from].disk;
	struct qhash hash;
	if (m->sender != from)
		return;
	switch (m->m.kind) {
	case QPRE_PREPARE:
		block_hash(&p->header, &hash);
		must_be_recorded(w, from, REC_PRE_PREPARE, p->view.n, p->header.height.n, m);
		if (!disk_find(d, REC_PREPARE, p->view.n, p->header.height.n) || !disk_has_block(d, &hash))
			world_broken(w, "replica %u proposes without its PREPARE or block on disk", from);
		break;
	case QPREPARE:
		must_be_recorded(w, from, REC_PREPARE, v->view.n, v->height.n, m);
		if (!disk_has_block(d, &v->block))
			world_broken(w, "replica %u shows PREPARE without the block on disk", from);
		break;
	case QCOMMIT:
		must_be_recorded(w, from, REC_COMMIT, v->view.n, v->height.n, m);
		must_be_prepared(w, from, v);
		break;
	case QCHECKPOINT:
		must_be_recorded(w, from, REC_CHECKPOINT, 0, v->height.n, m);
		break;
	case QVIEW_CHANGE:
		must_be_recorded(w, from, REC_VIEW_CHANGE, m->m.qmessage_u.view_change.view.n, 0, m);
		break;
	case QNEW_VIEW:
		must_be_recorded(w, from, REC_NEW_VIEW, m->m.qmessage_u.new_view.view.n, 0, m);
		break;
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
}

/* ---- executed ------------------------------------------------------------------------------ */

/* As anybody would with the genesis at hand. */
static bool cert_holds(const struct world *w, const struct qcert *c)
{
	struct qmessage m = {.kind = c->kind};
	struct bytes body;
	uint64_t good = 0;
	m.qmessage_u.vote = c->vote;
	if (c->kind != QCOMMIT && c->kind != QCHECKPOINT)
		return false;
	must(wire_encode(WIRE(qmessage), &m, &body));
	for (u_int k = 0; k < c->sigs.sigs_len; k++) {
		const struct qcert_sig *s = &c->sigs.sigs_val[k];
		if (s->replica < w->n && ident_verify(&w->g.g.replicas.replicas_val[s->replica].key,
		                                      &w->g.chain, body.data, body.len, &s->sig))
			good |= ONLY(s->replica);
	}
	bytes_free(&body);
	return 2 * bits(good) >= w->n + w->f + 1;
}

void check_executed(struct world *w, unsigned i, const struct engine_output *o)
{
	const struct disk *d = &w->r[i].disk;
	struct qhash parent = d->height ? d->executed[d->height].block : w->g.chain;
	size_t cnt = o->execute.cnt;
	if (cnt == 0 || !qhash_eq(&o->execute.cert.vote.block, &o->execute.hashes[cnt - 1]) ||
	    o->execute.cert.vote.height.n != d->height + cnt)
		world_broken(w, "replica %u is told to execute a run that does not end with its certificate",
		             i);
	if (!cert_holds(w, &o->execute.cert))
		world_broken(w, "replica %u is told to execute under a certificate that does not hold", i);
	for (size_t k = 0; k < cnt; k++) {
		const struct wblock *b = world_block(w, &o->execute.hashes[k]);
		uint64_t height = d->height + 1 + k;
		if (!b || b->header.height.n != height || !qhash_eq(&b->header.parent, &parent))
			world_broken(w, "replica %u is told to execute a block that does not link", i);
		if (!(b->holds & ONLY(i)))
			world_broken(w, "replica %u is told to execute %s, whose body it lacks", i, b->name);
		parent = b->hash;
	}
	note_final(w, d->height + cnt, parent);
}

/* ---- evidence ------------------------------------------------------------------------------- */

static struct message *open_one(struct world *w, const struct qenvelope *env)
{
	enum open_verdict verdict;
	struct message *m = message_open(&w->g, env, &verdict);
	if (!m)
		world_broken(w, "evidence does not open: %s", open_verdict_text(verdict));
	return m;
}

/* (kind, view, height) that must differ for two statements to be innocent; false: this kind never conflicts.
 */
static bool place_of(const struct message *m, struct statement_key *key, struct qhash *what)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	const struct qvote *v = &m->m.qmessage_u.vote;
	*what = message_id(m);
	switch (m->m.kind) {
	case QPRE_PREPARE:
		*key = key_of(m->sender, m->m.kind, p->view.n, p->header.height.n);
		block_hash(&p->header, what);
		return true;
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		*key = key_of(m->sender, m->m.kind, v->view.n, v->height.n);
		return true;
	case QVIEW_CHANGE:
		*key = key_of(m->sender, m->m.kind, m->m.qmessage_u.view_change.view.n, 0);
		return true;
	case QNEW_VIEW:
		*key = key_of(m->sender, m->m.kind, m->m.qmessage_u.new_view.view.n, 0);
		return true;
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return false;
}

static const char *kind_name(enum qkind kind)
{
	return kind == QPRE_PREPARE   ? "PRE-PREPARE"
	       : kind == QPREPARE     ? "PREPARE"
	       : kind == QCOMMIT      ? "COMMIT"
	       : kind == QCHECKPOINT  ? "CHECKPOINT"
	       : kind == QVIEW_CHANGE ? "VIEW-CHANGE"
	                              : "NEW-VIEW";
}

static unsigned check_conflict(struct world *w, unsigned i, const struct qconflict *c)
{
	struct message *a = open_one(w, &c->first), *b = open_one(w, &c->second);
	struct statement_key ka, kb;
	struct qhash wa, wb;
	unsigned culprit = a->sender;
	if (!place_of(a, &ka, &wa) || !place_of(b, &kb, &wb) || memcmp(&ka, &kb, sizeof ka) != 0 ||
	    qhash_eq(&wa, &wb))
		world_broken(w, "replica %u keeps evidence of a conflict that is none", i);
	world_say(w, "%u convicts %u of two %s", i, culprit, kind_name(a->m.kind));
	w->r[i].conflicts++;
	w->r[i].conflict_culprits |= ONLY(culprit);
	message_unref(a);
	message_unref(b);
	return culprit;
}

/* The block that the higher one builds on at the other's height, or its genesis, is another one; anybody can
 * see it from the entry alone; and it takes more than f liars. */
static void check_fork(struct world *w, unsigned i, const struct qevidence *ev)
{
	const struct qcert *low = &ev->qevidence_u.fork.first.cert, *high = &ev->qevidence_u.fork.second.cert;
	struct err err = {0};
	if (low->vote.height.n > high->vote.height.n) {
		const struct qcert *other = low;
		low = high;
		high = other;
	}
	struct qhash at = high->vote.block;
	uint64_t h = high->vote.height.n;
	for (; h > low->vote.height.n; h--)
		at = world_block(w, &at)->header.parent;
	bool parts = !qhash_eq(&at, &low->vote.block);
	for (; h > 0 && !parts; h--)
		at = world_block(w, &at)->header.parent;
	parts |= !qhash_eq(&at, &w->g.chain);
	if (!cert_holds(w, low) || !cert_holds(w, high) || !parts)
		world_broken(w, "replica %u keeps evidence of a fork that is none", i);
	if (!evidence_verify(&w->g, ev, &err))
		world_broken(w, "replica %u keeps evidence of a fork that shows none: %s", i, err.text);
	if (bits(world_liars(w)) <= w->f)
		world_broken(w, "replica %u sees a fork, though at most f replicas lie", i);
	world_say(w, "%u keeps two certificates: %s, %s", i, name_of(w, &low->vote.block),
	          name_of(w, &high->vote.block));
	w->r[i].forks++;
}

void check_evidence(struct world *w, unsigned i, const struct bytes *journal)
{
	struct qjournal j;
	unsigned culprit = 0;
	if (!wire_decode(WIRE(qjournal), journal->data, journal->len, &j) || j.kind != QJ_EVIDENCE)
		world_broken(w, "replica %u keeps evidence that is none", i);
	const struct qevidence *e = &j.qjournal_u.evidence;
	if (e->kind == QEV_CONFLICT) {
		culprit = check_conflict(w, i, &e->qevidence_u.conflict);
	} else if (e->kind == QEV_BAD_PROPOSAL) {
		struct message *m = open_one(w, &e->qevidence_u.proposal);
		culprit = m->sender;
		message_unref(m);
		w->r[i].bad_proposals++;
		world_say(w, "%u convicts %u of a bad proposal", i, culprit);
	} else if (e->kind == QEV_FORK) {
		check_fork(w, i, e);
		wire_free(WIRE(qjournal), &j);
		return;
	} else {
		world_broken(w, "replica %u keeps evidence of a kind that it cannot have", i);
	}
	wire_free(WIRE(qjournal), &j);
	if (!(world_liars(w) & ONLY(culprit)))
		world_broken(w, "replica %u convicts honest replica %u", i, culprit);
}

void check_free(struct world *w)
{
	struct statement *s, *s_next, *other;
	struct tally *t, *t_next;
	HASH_ITER (hh, w->statements, s, s_next) {
		HASH_DEL(w->statements, s);
		for (; s; s = other) {
			other = s->other;
			message_unref(s->message);
			free(s);
		}
	}
	HASH_ITER (hh, w->tallies, t, t_next) {
		HASH_DEL(w->tallies, t);
		free(t);
	}
}
