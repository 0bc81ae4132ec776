/* quorum.c: see quorum.h. Kept apart so that it can be tested exhaustively. */
#include "quorum.h"

enum vote_noted vote_note(struct vote *v, struct qview view, const struct qhash *block,
                          const struct qsig *sig)
{
	if (v->set && v->view.n > view.n)
		return VOTE_PAST;
	if (v->set && v->view.n == view.n)
		return qhash_eq(&v->block, block) ? VOTE_KNOWN : VOTE_CONFLICT;
	*v = (struct vote){.set = true, .view = view, .block = *block, .sig = *sig};
	return VOTE_NEW;
}

unsigned vote_tally(const struct vote *votes, unsigned n, struct qview view, const struct qhash *block)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < n; i++)
		cnt += votes[i].set && votes[i].view.n == view.n && qhash_eq(&votes[i].block, block);
	return cnt;
}

uint64_t kth_greatest(const uint64_t *values, unsigned cnt, unsigned k)
{
	uint64_t best = 0;
	for (unsigned i = 0; i < cnt; i++) {
		unsigned reach = 0;
		for (unsigned j = 0; j < cnt; j++)
			reach += values[j] >= values[i];
		if (reach >= k && values[i] > best)
			best = values[i];
	}
	return best;
}
