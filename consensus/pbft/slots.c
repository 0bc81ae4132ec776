/*
 * slots.c: the blocks that were heard of, and the window of heights under agreement.
 *
 * Bounds: W slots.  Blocks above the executed height: at most W for each view entered without progress
 * (time-outs double, so their number grows with the logarithm of time), and one CHAIN of certified headers.
 * A block accepted in any view is kept until its height is executed: a prepared certificate is worth nothing
 * without its body [F13].
 */
#include "pbft.h"

struct pblock *pblock_find(const struct engine *e, const struct qhash *hash)
{
	for (size_t i = 0; i < e->block_cnt; i++)
		if (qhash_eq(&e->blocks[i]->hash, hash))
			return e->blocks[i];
	return NULL;
}

struct pblock *pblock_add(struct engine *e, const struct qheader *header, const struct qhash *leaves,
                          unsigned from)
{
	struct qhash hash;
	block_hash(header, &hash);
	struct pblock *b = pblock_find(e, &hash);
	if (!b) {
		if (e->block_cnt == e->block_cap) {
			e->block_cap = e->block_cap ? 2 * e->block_cap : 32;
			e->blocks = xrealloc(e->blocks, e->block_cap * sizeof *e->blocks);
		}
		b = xcalloc(1, sizeof *b);
		b->hash = hash;
		b->header = *header;
		b->from = from;
		e->blocks[e->block_cnt++] = b;
	}
	if (leaves && !b->leaves)
		b->leaves = xmemdup(leaves, header->tx_count * sizeof *leaves);
	return b;
}

void pblocks_forget(struct engine *e, struct qheight upto)
{
	size_t kept = 0;
	for (size_t i = 0; i < e->block_cnt; i++) {
		struct pblock *b = e->blocks[i];
		if (b->header.height.n > upto.n) {
			e->blocks[kept++] = b;
			continue;
		}
		free(b->leaves);
		free(b);
	}
	e->block_cnt = kept;
}

void pblock_want(struct engine *e, struct pblock *b)
{
	if (b->here || b->wanted)
		return;
	b->wanted = true;
	struct engine_output *o = emit(e, OUT_WANT_BODY);
	o->want_body.hash = b->hash;
	o->want_body.header = b->header;
	o->want_body.from = b->from;
	if (b->leaves)
		o->want_body.leaves = xmemdup(b->leaves, b->header.tx_count * sizeof *b->leaves);
}

struct slot *slot_at(struct engine *e, struct qheight h)
{
	if (h.n <= e->tip.n || h.n > e->tip.n + e->params->window)
		return NULL;
	struct slot *s = &e->slots[h.n % e->params->window];
	must(s->height.n == 0 || s->height.n == h.n);
	s->height = h;
	return s;
}

void slot_leave_view(struct slot *s)
{
	s->cur = NULL;
	message_unref(s->proposal);
	s->proposal = NULL;
	s->prepare_sent = s->prepared = s->commit_sent = false;
}

void slot_reset(struct engine *e, struct slot *s)
{
	slot_leave_view(s);
	message_unref(s->early);
	s->early = NULL;
	s->prep = NULL;
	wire_free(WIRE(qcert), &s->prep_cert);
	s->prep_stored = false;
	memset(s->prepares, 0, e->n * sizeof *s->prepares);
	memset(s->commits, 0, e->n * sizeof *s->commits);
	s->height = qheight_of(0);
}

const struct qhash *slot_parent(struct engine *e, struct qheight h)
{
	if (h.n == e->tip.n + 1)
		return &e->tip_hash;
	struct slot *below = slot_at(e, qheight_of(h.n - 1));
	return below && below->cur ? &below->cur->hash : NULL;
}
