/*
 * carry.c: what a NEW-VIEW carries over; see carry.h.
 */
#include "carry.h"

static const struct qcert *higher(const struct qcert *a, const struct qcert *b)
{
	return !a || b->vote.height.n > a->vote.height.n ? b : a;
}

/* The block at this height that is prepared in the highest view; NULL: there is none. */
static const struct qprepared *newest_at(const struct qview_change *const *changes, size_t cnt,
                                         uint64_t height)
{
	const struct qprepared *best = NULL;

	for (size_t i = 0; i < cnt; i++) {
		for (unsigned k = 0; k < changes[i]->prepared.prepared_len; k++) {
			const struct qprepared *p = &changes[i]->prepared.prepared_val[k];
			if (p->header.height.n == height &&
			    (!best || p->cert.vote.view.n > best->cert.vote.view.n))
				best = p;
		}
	}
	return best;
}

size_t carry_over(const struct genesis *g, const struct qview_change *const *changes, size_t cnt,
                  const struct qcert **s, const struct qprepared *o[Q_WINDOW_MAX])
{
	*s = NULL;
	for (size_t i = 0; i < cnt; i++) {
		if (changes[i]->tip.tip_len)
			*s = higher(*s, changes[i]->tip.tip_val);
		if (changes[i]->stable.stable_len)
			*s = higher(*s, changes[i]->stable.stable_val);
	}
	uint64_t height = *s ? (*s)->vote.height.n : 0;
	struct qhash parent = *s ? (*s)->vote.block : g->chain;
	size_t o_cnt = 0;
	for (; o_cnt < g->g.params.window; o_cnt++) {
		const struct qprepared *best = newest_at(changes, cnt, height + 1 + o_cnt);
		if (!best || !qhash_eq(&best->header.parent, &parent))
			break;
		o[o_cnt] = best;
		parent = best->cert.vote.block;
	}
	return o_cnt;
}
