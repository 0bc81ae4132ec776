/*
 * traitor_mutate.c: see traitor_mutate.h. A message is walked once to list its fields; one of them is
 * changed in place. The behaviour that sends the result is in traitor_wire.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "err.h"
#include "traitor_mutate.h"

enum field_type { F_U32, F_U64, F_BOOL, F_KIND, F_HASH, F_SIG, F_BYTES, F_LIST, F_TYPE_CNT };

struct field {
	const char *where, *name; /* static; the field's name is both */
	enum field_type type;
	void *at;              /* the scalar; of a list or bytes: the pointer to its elements */
	unsigned *len;         /* lists, bytes */
	struct wire_type elem; /* lists */
};

struct fields {
	struct field *list;
	size_t cnt, cap;
};

#define ELEMENTS_MAX 6 /* of a list's elements, the first ones and the last are walked */

/* ---- walking ----------------------------------------------------------------------------------------- */

static void add(struct fields *f, const char *where, const char *name, enum field_type type, void *at)
{
	if (f->cnt == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 64;
		f->list = xrealloc(f->list, f->cap * sizeof *f->list);
	}
	f->list[f->cnt++] = (struct field){.where = where, .name = name, .type = type, .at = at};
}

static void add_long(struct fields *f, const char *where, const char *name, enum field_type type, void *val,
                     unsigned *len, struct wire_type elem)
{
	add(f, where, name, type, val);
	f->list[f->cnt - 1].len = len;
	f->list[f->cnt - 1].elem = elem;
}

#define LIST(where, name, list, member, type) \
	add_long(f, where, name, F_LIST, &(list).member##_val, &(list).member##_len, type)
#define TX_BYTES ((struct wire_type){(xdrproc_t)xdr_qtx_bytes, sizeof(qtx_bytes), "qtx_bytes"})

/* Is element i of cnt one that is walked? */
static bool walked(unsigned i, unsigned cnt)
{
	return i + 1 < ELEMENTS_MAX || i + 1 == cnt;
}

static void walk_header(struct fields *f, const char *where, struct qheader *h)
{
	add(f, where, "header.format", F_U32, &h->format);
	add(f, where, "header.height", F_U64, &h->height.n);
	add(f, where, "header.parent", F_HASH, &h->parent);
	add(f, where, "header.merkle_root", F_HASH, &h->merkle_root);
	add(f, where, "header.tx_count", F_U32, &h->tx_count);
	add(f, where, "header.proposer", F_U32, &h->proposer);
	add(f, where, "header.time_ms", F_U64, &h->time_ms);
	add(f, where, "header.seal", F_KIND, &h->seal.kind);
	if (h->seal.kind == QSEAL_POW) {
		add(f, where, "header.target", F_HASH, &h->seal.qseal_u.pow.target);
		add(f, where, "header.nonce", F_U64, &h->seal.qseal_u.pow.nonce);
	}
}

static void walk_vote(struct fields *f, const char *where, struct qvote *v)
{
	add(f, where, "vote.view", F_U64, &v->view.n);
	add(f, where, "vote.height", F_U64, &v->height.n);
	add(f, where, "vote.block", F_HASH, &v->block);
	add(f, where, "vote.state", F_HASH, &v->state);
}

static void walk_cert(struct fields *f, const char *where, struct qcert *c)
{
	add(f, where, "cert.kind", F_KIND, &c->kind);
	walk_vote(f, where, &c->vote);
	LIST(where, "cert.sigs", c->sigs, sigs, WIRE(qcert_sig));
	for (unsigned i = 0; i < c->sigs.sigs_len; i++) {
		if (!walked(i, c->sigs.sigs_len))
			continue;
		add(f, where, "cert.sig.replica", F_U32, &c->sigs.sigs_val[i].replica);
		add(f, where, "cert.sig", F_SIG, &c->sigs.sigs_val[i].sig);
	}
}

static void walk_hashes(struct fields *f, const char *where, struct qhash *h, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		if (walked(i, cnt))
			add(f, where, "element", F_HASH, &h[i]);
}

static void walk_txs(struct fields *f, const char *where, qtx_bytes *txs, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		if (walked(i, cnt))
			add_long(f, where, "element", F_BYTES, &txs[i].qtx_bytes_val, &txs[i].qtx_bytes_len,
			         (struct wire_type){0});
}

static void walk_proposal(struct fields *f, struct qproposal *p)
{
	add(f, "proposal", "view", F_U64, &p->view.n);
	walk_header(f, "proposal", &p->header);
	LIST("proposal", "leaves", p->leaves, leaves, WIRE(qhash));
	walk_hashes(f, "proposal.leaves", p->leaves.leaves_val, p->leaves.leaves_len);
	add(f, "proposal", "prepare", F_SIG, &p->prepare);
}

static void walk_view_change(struct fields *f, struct qview_change *vc)
{
	add(f, "view_change", "view", F_U64, &vc->view.n);
	LIST("view_change", "tip", vc->tip, tip, WIRE(qcert));
	if (vc->tip.tip_len)
		walk_cert(f, "tip", vc->tip.tip_val);
	LIST("view_change", "stable", vc->stable, stable, WIRE(qcert));
	if (vc->stable.stable_len)
		walk_cert(f, "stable", vc->stable.stable_val);
	LIST("view_change", "prepared", vc->prepared, prepared, WIRE(qprepared));
	for (unsigned i = 0; i < vc->prepared.prepared_len; i++) {
		if (!walked(i, vc->prepared.prepared_len))
			continue;
		walk_header(f, "prepared", &vc->prepared.prepared_val[i].header);
		walk_cert(f, "prepared", &vc->prepared.prepared_val[i].cert);
	}
}

static void walk_envelope(struct fields *f, const char *where, struct qenvelope *env)
{
	add(f, where, "chain", F_HASH, &env->chain);
	add(f, where, "sender", F_U32, &env->sender);
	add_long(f, where, "body", F_BYTES, &env->body.body_val, &env->body.body_len, (struct wire_type){0});
	add(f, where, "sig", F_SIG, &env->sig);
}

static void walk_new_view(struct fields *f, struct qnew_view *nv)
{
	add(f, "new_view", "view", F_U64, &nv->view.n);
	LIST("new_view", "changes", nv->changes, changes, WIRE(qenvelope));
	for (unsigned i = 0; i < nv->changes.changes_len; i++)
		if (walked(i, nv->changes.changes_len))
			walk_envelope(f, "change", &nv->changes.changes_val[i]);
}

static void walk_status(struct fields *f, struct qstatus *st)
{
	add(f, "status", "asked", F_U64, &st->asked.n);
	add(f, "status", "entered", F_U64, &st->entered.n);
	add(f, "status", "tip", F_U64, &st->tip.n);
	add(f, "status", "executed", F_U64, &st->executed.n);
	add(f, "status", "stable", F_U64, &st->stable.n);
	add(f, "status", "view_changes", F_U64, &st->view_changes);
	LIST("status", "slots", st->slots, slots, WIRE(qslot_status));
	for (unsigned i = 0; i < st->slots.slots_len; i++) {
		if (!walked(i, st->slots.slots_len))
			continue;
		add(f, "slot", "have_block", F_BOOL, &st->slots.slots_val[i].have_block);
		add(f, "slot", "prepares", F_U64, &st->slots.slots_val[i].prepares);
		add(f, "slot", "commits", F_U64, &st->slots.slots_val[i].commits);
	}
}

static void walk_chain(struct fields *f, struct qchain *c)
{
	LIST("chain", "headers", c->headers, headers, WIRE(qheader));
	for (unsigned i = 0; i < c->headers.headers_len; i++)
		if (walked(i, c->headers.headers_len))
			walk_header(f, "chain", &c->headers.headers_val[i]);
	walk_cert(f, "chain", &c->cert);
}

static void walk_fork(struct fields *f, struct qfork *fork)
{
	walk_chain(f, &fork->first);
	walk_chain(f, &fork->second);
	LIST("fork", "hiding", fork->hiding, hiding, WIRE(qenvelope));
	for (unsigned i = 0; i < fork->hiding.hiding_len; i++)
		if (walked(i, fork->hiding.hiding_len))
			walk_envelope(f, "hiding", &fork->hiding.hiding_val[i]);
}

static void walk_piece(struct fields *f, struct qevidence *ev)
{
	struct qdouble_spend *d = &ev->qevidence_u.double_spend;

	switch (ev->kind) {
	case QEV_CONFLICT:
		walk_envelope(f, "conflict", &ev->qevidence_u.conflict.first);
		walk_envelope(f, "conflict", &ev->qevidence_u.conflict.second);
		break;
	case QEV_BAD_PROPOSAL:
		walk_envelope(f, "bad_proposal", &ev->qevidence_u.proposal);
		break;
	case QEV_DOUBLE_SPEND:
		walk_txs(f, "double_spend", &d->winner, 1);
		walk_txs(f, "double_spend", &d->loser, 1);
		break;
	case QEV_FORK:
		walk_fork(f, &ev->qevidence_u.fork);
		break;
	}
}

static void walk_evidence(struct fields *f, struct qevidences *e)
{
	add(f, "evidence", "upto", F_U64, &e->upto);
	LIST("evidence", "list", e->list, list, WIRE(qevidence));
	for (unsigned i = 0; i < e->list.list_len; i++)
		if (walked(i, e->list.list_len))
			walk_piece(f, &e->list.list_val[i]);
}

static void walk(struct fields *f, struct qmessage *m)
{
	switch (m->kind) {
	case QPRE_PREPARE:
		walk_proposal(f, &m->qmessage_u.proposal);
		break;
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		add(f, "message", "kind", F_KIND, &m->kind); /* the three have one shape */
		walk_vote(f, "message", &m->qmessage_u.vote);
		break;
	case QVIEW_CHANGE:
		walk_view_change(f, &m->qmessage_u.view_change);
		break;
	case QNEW_VIEW:
		walk_new_view(f, &m->qmessage_u.new_view);
		break;
	case QSTATUS:
		walk_status(f, &m->qmessage_u.status);
		break;
	case QTXS:
		LIST("txs", "txs", m->qmessage_u.txs.txs, txs, TX_BYTES);
		walk_txs(f, "txs.txs", m->qmessage_u.txs.txs.txs_val, m->qmessage_u.txs.txs.txs_len);
		break;
	case QGET_TXS:
		LIST("get_txs", "leaves", m->qmessage_u.get_txs.leaves, leaves, WIRE(qhash));
		walk_hashes(f, "get_txs.leaves", m->qmessage_u.get_txs.leaves.leaves_val,
		            m->qmessage_u.get_txs.leaves.leaves_len);
		break;
	case QGET_CHAIN:
		add(f, "get_chain", "above", F_U64, &m->qmessage_u.get_chain.above.n);
		break;
	case QCHAIN:
		walk_chain(f, &m->qmessage_u.chain);
		break;
	case QGET_BODIES:
		LIST("get_bodies", "blocks", m->qmessage_u.get_bodies.blocks, blocks, WIRE(qhash));
		walk_hashes(f, "get_bodies.blocks", m->qmessage_u.get_bodies.blocks.blocks_val,
		            m->qmessage_u.get_bodies.blocks.blocks_len);
		break;
	case QBODY:
		add(f, "body", "block", F_HASH, &m->qmessage_u.body.block);
		LIST("body", "txs", m->qmessage_u.body.txs, txs, TX_BYTES);
		walk_txs(f, "body.txs", m->qmessage_u.body.txs.txs_val, m->qmessage_u.body.txs.txs_len);
		break;
	case QGET_EVIDENCE:
		add(f, "get_evidence", "after", F_U64, &m->qmessage_u.get_evidence.after);
		break;
	case QEVIDENCE:
		walk_evidence(f, &m->qmessage_u.evidence);
		break;
	}
}

/* ---- changing ---------------------------------------------------------------------------------------- */

struct change {
	const struct field *f;
	const struct field *donor; /* the same field in the donor; NULL: it has none */
	const struct fields *all;  /* of the message */
	mutate_random *random;
	void *ctx;
};

typedef bool change_fn(const struct change *c);

static size_t width(enum field_type type)
{
	static const size_t widths[F_TYPE_CNT] = {
	    [F_U32] = sizeof(uint32_t),    [F_U64] = sizeof(uint64_t),      [F_BOOL] = sizeof(bool_t),
	    [F_KIND] = sizeof(enum qkind), [F_HASH] = sizeof(struct qhash), [F_SIG] = sizeof(struct qsig)};
	return widths[type];
}

static bool add_to(const struct change *c, uint64_t what)
{
	if (c->f->type == F_U32)
		*(uint32_t *)c->f->at += (uint32_t)what;
	else
		*(uint64_t *)c->f->at += what;
	return true;
}

static bool plus_one(const struct change *c)
{
	return add_to(c, 1);
}

static bool minus_one(const struct change *c)
{
	return add_to(c, UINT64_MAX);
}

static bool zero(const struct change *c)
{
	memset(c->f->at, 0, width(c->f->type));
	return true;
}

static bool maximum(const struct change *c)
{
	memset(c->f->at, 0xff, width(c->f->type));
	return true;
}

static bool flip_bit(const struct change *c)
{
	uint64_t bit = c->random(c->ctx, 8 * width(c->f->type));

	((uint8_t *)c->f->at)[bit / 8] ^= (uint8_t)(1U << bit % 8);
	return true;
}

static bool flip_number_bit(const struct change *c)
{
	uint64_t bit = c->random(c->ctx, c->f->type == F_U32 ? 32 : 64);

	if (c->f->type == F_U32)
		*(uint32_t *)c->f->at ^= UINT32_C(1) << bit;
	else
		*(uint64_t *)c->f->at ^= UINT64_C(1) << bit;
	return true;
}

static bool negate(const struct change *c)
{
	bool_t *b = c->f->at;

	*b = *b ? FALSE : TRUE;
	return true;
}

static bool other_kind(const struct change *c)
{
	int kind = strcmp(c->f->name, "kind") == 0 ? QPREPARE + (int)c->random(c->ctx, 3)
	                                           : (int)c->random(c->ctx, QBODY + 2);

	memcpy(c->f->at, &kind, sizeof kind);
	return true;
}

/* An earlier value, or another replica's. */
static bool borrow(const struct change *c)
{
	if (!c->donor)
		return false;
	memcpy(c->f->at, c->donor->at, width(c->f->type));
	return true;
}

/* The value of another field of this message that has the same type. */
static bool neighbour(const struct change *c)
{
	size_t start = (size_t)c->random(c->ctx, c->all->cnt);

	for (size_t i = 0; i < c->all->cnt; i++) {
		const struct field *f = &c->all->list[(start + i) % c->all->cnt];

		if (f->type != c->f->type || f->at == c->f->at)
			continue;
		memcpy(c->f->at, f->at, width(f->type));
		return true;
	}
	return false;
}

/* ---- lists ------------------------------------------------------------------------------------------- */

static uint8_t *elements(const struct field *f)
{
	uint8_t *p;

	memcpy(&p, f->at, sizeof p);
	return p;
}

static void set_elements(const struct field *f, uint8_t *p)
{
	memcpy(f->at, &p, sizeof p);
}

static uint8_t *element(const struct field *f, size_t i)
{
	return elements(f) + i * f->elem.size;
}

static bool drop_from(const struct field *f, unsigned first, unsigned last)
{
	if (first >= last)
		return false;
	for (unsigned i = first; i < last; i++)
		wire_free(f->elem, element(f, i));
	memmove(element(f, first), element(f, last), (*f->len - last) * f->elem.size);
	*f->len -= last - first;
	return true;
}

static bool drop_one(const struct change *c)
{
	if (*c->f->len == 0)
		return false;
	unsigned i = (unsigned)c->random(c->ctx, *c->f->len);

	return drop_from(c->f, i, i + 1);
}

static bool truncate_list(const struct change *c)
{
	if (*c->f->len == 0)
		return false;
	return drop_from(c->f, (unsigned)c->random(c->ctx, *c->f->len), *c->f->len);
}

static bool empty_list(const struct change *c)
{
	return drop_from(c->f, 0, *c->f->len);
}

/* Puts a copy of *from at place i. False: it cannot be copied. */
static bool insert(const struct field *f, unsigned i, const void *from)
{
	struct bytes raw;
	uint8_t *copy = xcalloc(1, f->elem.size), *list;

	if (!wire_encode(f->elem, from, &raw) || !wire_decode(f->elem, raw.data, raw.len, copy)) {
		free(copy);
		return false;
	}
	bytes_free(&raw);
	list = xrealloc(elements(f), (*f->len + 1) * f->elem.size);
	set_elements(f, list);
	memmove(list + (i + 1) * f->elem.size, list + i * f->elem.size, (*f->len - i) * f->elem.size);
	memcpy(list + i * f->elem.size, copy, f->elem.size);
	++*f->len;
	free(copy);
	return true;
}

static bool duplicate(const struct change *c)
{
	if (*c->f->len == 0)
		return false;
	unsigned i = (unsigned)c->random(c->ctx, *c->f->len);

	return insert(c->f, i, element(c->f, i));
}

static bool swap(const struct change *c)
{
	if (*c->f->len < 2)
		return false;
	unsigned i = (unsigned)c->random(c->ctx, *c->f->len);
	unsigned k = (i + 1 + (unsigned)c->random(c->ctx, *c->f->len - 1)) % *c->f->len;
	uint8_t *copy = xmemdup(element(c->f, i), c->f->elem.size);

	memcpy(element(c->f, i), element(c->f, k), c->f->elem.size);
	memcpy(element(c->f, k), copy, c->f->elem.size);
	free(copy);
	return true;
}

/* An element of the donor's list, added or in place of one. */
static bool adopt(const struct change *c)
{
	if (!c->donor || *c->donor->len == 0)
		return false;
	unsigned from = (unsigned)c->random(c->ctx, *c->donor->len);
	unsigned at = (unsigned)c->random(c->ctx, *c->f->len + 1);

	if (!insert(c->f, at, element(c->donor, from)))
		return false;
	if (at + 1 < *c->f->len && c->random(c->ctx, 2) == 0)
		drop_from(c->f, at + 1, at + 2);
	return true;
}

/* ---- bytes ------------------------------------------------------------------------------------------- */

static bool flip_byte(const struct change *c)
{
	if (*c->f->len == 0)
		return false;
	uint64_t at = c->random(c->ctx, *c->f->len);

	elements(c->f)[at] ^= (uint8_t)(1 + c->random(c->ctx, 255));
	return true;
}

static bool shorten(const struct change *c)
{
	if (*c->f->len == 0)
		return false;
	*c->f->len = (unsigned)c->random(c->ctx, *c->f->len);
	return true;
}

static bool lengthen(const struct change *c)
{
	unsigned more = 1 + (unsigned)c->random(c->ctx, 8);
	uint8_t *p = xrealloc(elements(c->f), *c->f->len + more);

	memset(p + *c->f->len, 0, more);
	set_elements(c->f, p);
	*c->f->len += more;
	return true;
}

static bool borrow_bytes(const struct change *c)
{
	if (!c->donor || *c->donor->len == 0)
		return false;
	free(elements(c->f));
	set_elements(c->f, xmemdup(elements(c->donor), *c->donor->len));
	*c->f->len = *c->donor->len;
	return true;
}

#define CHANGES_MAX 8
static const struct {
	change_fn *fn;
	const char *name;
} changes[F_TYPE_CNT][CHANGES_MAX] = {
    [F_U32] = {{plus_one, "+1"},
               {minus_one, "-1"},
               {zero, "0"},
               {maximum, "max"},
               {flip_number_bit, "bit"},
               {borrow, "borrowed"},
               {neighbour, "neighbour's"}},
    [F_U64] = {{plus_one, "+1"},
               {minus_one, "-1"},
               {zero, "0"},
               {maximum, "max"},
               {flip_number_bit, "bit"},
               {borrow, "borrowed"},
               {neighbour, "neighbour's"}},
    [F_BOOL] = {{negate, "not"}},
    [F_KIND] = {{other_kind, "other"}},
    [F_HASH] = {{zero, "0"}, {flip_bit, "bit"}, {borrow, "borrowed"}, {neighbour, "neighbour's"}},
    [F_SIG] = {{zero, "0"}, {flip_bit, "bit"}, {borrow, "borrowed"}, {neighbour, "neighbour's"}},
    [F_BYTES] = {{flip_byte, "flip"}, {shorten, "short"}, {lengthen, "long"}, {borrow_bytes, "borrowed"}},
    [F_LIST] = {{drop_one, "drop"},
                {duplicate, "duplicate"},
                {swap, "swap"},
                {truncate_list, "truncate"},
                {empty_list, "empty"},
                {adopt, "adopt"}},
};

/* ---- one mutation ------------------------------------------------------------------------------------ */

static bool same_field(const struct field *a, const struct field *b)
{
	return a->type == b->type && strcmp(a->where, b->where) == 0 && strcmp(a->name, b->name) == 0;
}

/* The first of its name stands for all: each name has the same chance, however many elements a list has. */
static size_t names(const struct fields *f, size_t *first)
{
	size_t cnt = 0;

	for (size_t i = 0; i < f->cnt; i++) {
		size_t k = 0;
		while (k < cnt && !same_field(&f->list[first[k]], &f->list[i]))
			k++;
		if (k == cnt)
			first[cnt++] = i;
	}
	return cnt;
}

static const struct field *pick_like(const struct fields *f, const struct field *like, mutate_random *random,
                                     void *ctx)
{
	const struct field *found = NULL;
	uint64_t cnt = 0;

	for (size_t i = 0; i < f->cnt; i++)
		cnt += same_field(&f->list[i], like);
	uint64_t want = cnt ? random(ctx, cnt) : 0;
	for (size_t i = 0; i < f->cnt; i++)
		if (same_field(&f->list[i], like) && want-- == 0)
			found = &f->list[i];
	return found;
}

static bool change_one(const struct fields *mine, const struct fields *theirs, mutate_random *random,
                       void *ctx, struct mutant *out)
{
	size_t *first = xcalloc(mine->cnt, sizeof *first);
	size_t cnt = names(mine, first);
	const struct field *f = pick_like(mine, &mine->list[first[random(ctx, cnt)]], random, ctx);
	struct change c = {.f = f, .all = mine, .random = random, .ctx = ctx};
	uint64_t fns = 0;

	free(first);
	c.donor = theirs->cnt ? pick_like(theirs, f, random, ctx) : NULL;
	while (fns < CHANGES_MAX && changes[f->type][fns].fn)
		fns++;
	uint64_t which = random(ctx, fns);
	snprintf(out->what, sizeof out->what, "%s.%s %s", f->where, f->name, changes[f->type][which].name);
	return changes[f->type][which].fn(&c);
}

/* What does not encode cannot be freed either. Lists may have moved: they are walked again. */
static void sound_seals(struct fields *f, struct qmessage *m)
{
	static const enum qseal_kind none = QSEAL_NONE;

	f->cnt = 0;
	walk(f, m);
	for (size_t i = 0; i < f->cnt; i++)
		if (f->list[i].type == F_KIND && strcmp(f->list[i].name, "header.seal") == 0)
			memcpy(f->list[i].at, &none, sizeof none);
}

bool mutate(const struct bytes *body, const struct bytes *donor, mutate_random *random,
            void (*repair)(void *ctx, struct qmessage *m), void *ctx, struct mutant *out)
{
	struct fields mine = {0}, theirs = {0};
	struct qmessage m, d = {0};
	bool changed;

	*out = (struct mutant){0};
	if (!wire_decode(WIRE(qmessage), body->data, body->len, &m))
		return false;
	walk(&mine, &m);
	bool has_donor = donor && donor->len > 0 && wire_decode(WIRE(qmessage), donor->data, donor->len, &d);
	if (has_donor && d.kind == m.kind)
		walk(&theirs, &d);
	changed = change_one(&mine, &theirs, random, ctx, out);
	if (changed) {
		if (repair)
			repair(ctx, &m);
		out->encodable = wire_encode(WIRE(qmessage), &m, &out->body);
		if (out->encodable && out->body.len == body->len &&
		    memcmp(out->body.data, body->data, body->len) == 0) {
			bytes_free(&out->body);
			out->encodable = changed = false;
		}
	}
	sound_seals(&mine, &m);
	free(mine.list);
	free(theirs.list);
	wire_free(WIRE(qmessage), &m);
	if (has_donor)
		wire_free(WIRE(qmessage), &d);
	return changed;
}

/* In the encoding: a list's length only, its elements are fields. */
static size_t encoded(const struct field *f)
{
	if (f->type == F_LIST)
		return 4;
	return f->type == F_BYTES ? 4 + (*f->len + 3u) / 4 * 4 : width(f->type);
}

void mutate_fields(struct qmessage *m, void (*found)(void *ctx, const char *name, size_t len), void *ctx)
{
	struct fields f = {0};
	char name[80];

	walk(&f, m);
	for (size_t i = 0; i < f.cnt; i++) {
		snprintf(name, sizeof name, "%s.%s", f.list[i].where, f.list[i].name);
		found(ctx, name, encoded(&f.list[i]));
	}
	free(f.list);
}
