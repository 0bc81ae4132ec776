/* new_view_naive.c: see new_view_naive.h. */
#include "new_view_naive.h"

/* A block that a certificate in V shows to be final. */
static void consider_final(struct naive_choice *c, const struct qcert *cert)
{
	if (cert->vote.height.n < c->s_height)
		return;
	if (cert->vote.height.n == c->s_height) {
		c->ambiguous |= !qhash_eq(&cert->vote.block, &c->s_block);
		return;
	}
	c->s_height = cert->vote.height.n;
	c->s_block = cert->vote.block;
	c->ambiguous = false;
}

/* The highest view in which anything was prepared at this height; -1: in none. */
static int64_t highest_view(const struct qview_change *const *changes, size_t cnt, uint64_t height)
{
	int64_t best = -1;
	for (size_t i = 0; i < cnt; i++)
		for (u_int k = 0; k < changes[i]->prepared.prepared_len; k++) {
			const struct qprepared *p = &changes[i]->prepared.prepared_val[k];
			if (p->header.height.n == height && (int64_t)p->cert.vote.view.n > best)
				best = (int64_t)p->cert.vote.view.n;
		}
	return best;
}

/* What was prepared at this height in that view, of the first who tells. */
static const struct qprepared *prepared_in(const struct qview_change *const *changes, size_t cnt,
                                           uint64_t height, int64_t view, bool *ambiguous)
{
	const struct qprepared *found = NULL;
	for (size_t i = 0; i < cnt; i++)
		for (u_int k = 0; k < changes[i]->prepared.prepared_len; k++) {
			const struct qprepared *p = &changes[i]->prepared.prepared_val[k];
			if (p->header.height.n != height || (int64_t)p->cert.vote.view.n != view)
				continue;
			if (!found)
				found = p;
			*ambiguous |= !qhash_eq(&found->cert.vote.block, &p->cert.vote.block);
		}
	return found;
}

void naive_choose(const struct qhash *chain, const struct qview_change *const *changes, size_t cnt,
                  struct naive_choice *c)
{
	*c = (struct naive_choice){.s_block = *chain};
	for (size_t i = 0; i < cnt; i++) {
		if (changes[i]->tip.tip_len)
			consider_final(c, changes[i]->tip.tip_val);
		if (changes[i]->stable.stable_len)
			consider_final(c, changes[i]->stable.stable_val);
	}
	struct qhash below = c->s_block;
	for (uint64_t height = c->s_height + 1; c->o_cnt < Q_WINDOW_MAX; height++) {
		int64_t view = highest_view(changes, cnt, height);
		if (view < 0)
			return;
		const struct qprepared *p = prepared_in(changes, cnt, height, view, &c->ambiguous);
		if (!qhash_eq(&p->header.parent, &below))
			return;
		c->o[c->o_cnt++] = p;
		below = p->cert.vote.block;
	}
}
