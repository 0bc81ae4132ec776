/*
 * lineage.h: where value comes from: the transactions that led to an output, back to the genesis.
 *
 * Every transaction is handed out by proof.h, so it holds against the genesis; and along the way it is
 * checked that each spends what its owners had, as much as there was, after it was made.  So a trace that is
 * complete believes nobody.  Breadth first, each transaction once.  There can be no cycle, for an id is a
 * hash over the ids of what is spent; whatever is answered, no more than `limit` transactions are taken.
 */
#ifndef QUORATE_LINEAGE_H
#define QUORATE_LINEAGE_H

#include "proof.h"

#define LINEAGE_LIMIT 1000        /* by default */
#define LINEAGE_LIMIT_MAX 1000000 /* at most */

/* A transaction on the way. */
struct lineage_hop {
	struct tx *tx; /* one reference */
	struct tx_place place;
	uint64_t depth; /* hops from what is traced: 0, 1, 2 ... */
};

struct lineage {
	const struct genesis *g;  /* borrowed */
	struct lineage_hop *hops; /* breadth first */
	size_t hop_cnt, hop_cap;
	struct lineage_index *index; /* lineage.c's */
	size_t pending;              /* transactions that were not taken, for one of the two: */
	bool deep;                   /* they are deeper than was asked for */
	bool many;                   /* there would be more than the limit */
};

struct lineage_options {
	uint64_t depth; /* hops back at most */
	size_t limit;   /* transactions at most */
	/* NULL, or told after each transaction how many there are. */
	void (*progress)(size_t taken);
};

/*
 * Traces the inputs of a transaction. False with *err: of proof_tx(), or ERR_NO where a transaction that a
 * quorum certified breaks a rule. lineage_free() it in any case.
 */
bool lineage_run(struct proof *p, const struct qtxid *id, const struct lineage_options *o,
                 struct lineage *out, struct err *err);
void lineage_free(struct lineage *t);

/* The hop of this transaction, or NULL: it was not taken, or is the genesis. */
const struct lineage_hop *lineage_find(const struct lineage *t, const struct qtxid *id);

/* What an outpoint names: in the genesis, or in a hop. NULL: in a transaction that was not taken. */
const struct qoutput *lineage_output(const struct lineage *t, const struct qoutpoint *p);

#endif
