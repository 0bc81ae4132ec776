/*
 * ledger_impl.h: what ledger.c and ledger_load.c share.
 */
#ifndef QUORATE_LEDGER_IMPL_H
#define QUORATE_LEDGER_IMPL_H

#include "ledger.h"
#include "rows.h"

enum ledger_statement {
	PUT_META,
	GET_META,
	PUT_BLOCK,
	PUT_TRANSACTION,
	PUT_TRANSACTIONS,
	PUT_OUTPUT,
	PUT_OUTPUTS,
	PUT_INPUTS,
	SPEND_OUTPUTS,
	OUTPUT_AT,
	PUT_CERTIFICATE,
	PUT_SIGNER,
	PUT_JOURNAL,
	PUT_EVIDENCE,
	PUT_CULPRIT,
	PUT_REPLICA,
	PUT_CONVICTION,
	PUT_STAKE,
	COUNT_ROWS,
	LAST_BLOCKS,
	LAST_JOURNAL,
	EVIDENCE_MISSING,
	EVIDENCE_EXTRA,
	REPLICAS,
	UNSPENT,
	CERTIFICATE_AT,
	NEWEST_STABLE,
	BLOCK_AT,
	CONVICTIONS,
	STAKE_TABLE,
	STATEMENT_CNT
};

struct ledger {
	struct db db;
	const struct genesis *genesis;
	const char *vfs; /* only while it is opened */
	struct state *state;
	struct qheight height;
	struct qhash tip;
	struct seal_parent seal; /* of the tip */
	int64_t next_seq;        /* transactions.seq of the next transaction */
	int64_t journal_count;
	struct qhash journal_link;
	bool journal_grew; /* meta does not say so yet */
};

/* Everything that a start needs from the file into *l; it must be this chain's, and sound as far as that
 * shows. */
bool load_ledger(struct ledger *l, struct err *err);

/* The outputs of the transactions from ?1 to below ?2 that none below ?3 spent. */
#define UNSPENT_SQL                                                                                    \
	"SELECT o.tx, t.txid, o.position, o.owner, o.amount, t.height, o.lock, o.replica"              \
	" FROM outputs o CROSS JOIN transactions t ON t.seq = o.tx"                                    \
	" WHERE o.tx >= ?1 AND o.tx < ?2 AND (o.spent_by IS NULL OR o.spent_by >= ?3) ORDER BY o.tx, " \
	"o.position"
#define UNSPENT_CANNOT_BE "output %lld of transaction %lld cannot be: position, amount or height"

/* What is unspent into l->state; what was unspent after height h, as load_past(). */
bool load_unspent(struct ledger *l, struct err *err);
bool load_unspent_at(struct ledger *l, struct qheight h, int64_t next_seq, struct state *into,
                     struct err *err);

/* The state after height h, whose last transaction is the one before `next_seq`, into an empty one. */
bool load_past(struct ledger *l, struct qheight h, int64_t next_seq, struct state *into, struct err *err);

#endif
