/*
 * new_view_naive.h: rule NV3 of docs/PROTOCOL.md once more, as naively as possible.  It was written from that
 * page alone, without a look at consensus/pbft/, and shares no code with it.
 */
#ifndef QUORATE_NEW_VIEW_NAIVE_H
#define QUORATE_NEW_VIEW_NAIVE_H

#include "message.h"

/* S: its height and block (the genesis: 0 and the chain id).  O: at heights s_height + 1 upwards. */
struct naive_choice {
	uint64_t s_height;
	struct qhash s_block;
	size_t o_cnt;
	const struct qprepared *o[Q_WINDOW_MAX];
	/* Two candidates that differ were equally good for S, or for a height that was looked at: only more
	 * than f traitors can do that, and then the rule does not say which one counts. */
	bool ambiguous;
};

/* `changes`: V, cnt VIEW-CHANGEs. */
void naive_choose(const struct qhash *chain, const struct qview_change *const *changes, size_t cnt,
                  struct naive_choice *choice);

#endif
