/*
 * lineage_show.h: a trace for people, for programs and for Graphviz.
 */
#ifndef QUORATE_LINEAGE_SHOW_H
#define QUORATE_LINEAGE_SHOW_H

#include <stdio.h>

#include "lineage.h"

/* What was traced: one output, or all of a transaction. */
struct lineage_subject {
	struct qtxid id;
	bool all;
	uint32_t index;   /* unless all */
	u_int output_cnt; /* of the transaction, or of the genesis */
};

/*
 * An indented tree of what was spent, downwards: "<-" leads to the one output that a transaction spent, a
 * branch to each of several.  A transaction that has stood there is referred to.
 */
void lineage_print(FILE *to, const struct lineage *t, const struct lineage_subject *s);

/*
 * output: what was traced (index null: all); complete; stopped: null, "depth" or "limit"; pending: how many
 * transactions were not taken.
 * transactions: txid, height, position, depth, memo, memo_hex.
 * edges: from: txid, index; to: txid, input; genesis: whether it is an allocation; height that made it;
 * owner, amount, lock; the last four null where the source was not taken.
 */
json_t *lineage_json(const struct lineage *t, const struct lineage_subject *s);

/* A digraph: transactions are boxes, value flows along the arrows. */
void lineage_dot(FILE *to, const struct lineage *t, const struct lineage_subject *s);

#endif
