/*
 * world.h: the honest ledgers that crimes are done to, made by code with known keys.
 *
 *   PLAIN    10 blocks of four replicas.  1 to 4 in view 0, then replica 1 leads in view 1.  Certificates at
 * 1, 3, 4 (of CHECKPOINTs), 7, 8, 10.  Its journal: a stable checkpoint, the NEW-VIEW, evidence of a replica
 * that signed twice, and of a double spend. SEALED   8 blocks with a proof of work, whose target follows the
 * time between them STAKED   40 blocks by stake (unit/stakestory.h): bonds, delegations, convictions,
 * penalties, view changes
 */
#ifndef QUORATE_GALLERY_WORLD_H
#define QUORATE_GALLERY_WORLD_H

#include "auditing.h"

enum world_kind { PLAIN, SEALED, STAKED, WORLD_CNT };

struct world {
	const char *name;
	struct place honest; /* the ledger, and all keys */
	struct chain chain;
	unsigned height;
	char genesis[128]; /* the file */
};

/* All of them in a directory of their own. */
void worlds_make(void);
void worlds_remove(void);
const struct world *world_of(enum world_kind kind);

/* Block h by this replica with these transactions, whose references it takes, on `parent`; its time and,
 * where the world asks for it, its seal are right for a block on `below`, h - 1 of the chain. */
struct block *world_block(const struct world *w, const struct chain *c, unsigned h, unsigned proposer,
                          struct tx **txs, size_t cnt);

/* PLAIN: the 250 that account 5 has after block h - 1 of the chain, to somebody. */
struct tx *world_pay(const struct world *w, const struct chain *c, unsigned h, uint8_t to_whom);

/* Who leads a view. */
static inline unsigned world_leader(const struct world *w, unsigned view)
{
	return view % w->honest.rules.g.n;
}

/* A NEW-VIEW for `view` by its leader with one VIEW-CHANGE of each replica of the mask: whoever is in
 * `informed` reports `tip`, the others `old`; all report `stable`.  NULL: none.  As an entry of a journal. */
struct qjournal world_new_view(const struct world *w, unsigned view, uint64_t mask, uint64_t informed,
                               const struct qcert *tip, const struct qcert *old, const struct qcert *stable);

#endif
