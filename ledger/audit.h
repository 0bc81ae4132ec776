/*
 * audit.h: proves ledgers offline, with the genesis alone.
 *
 * Nothing that a file says is believed: the chain is replayed from the genesis out of the canonical
 * bytes (headers, transactions, certificates), and then every row and every column of every table
 * must be what the replayed chain says.  So each of these is found and named, with table, key and column:
 *   - a broken link, a wrong Merkle root, a certificate that fails or is missing;
 *   - a proof of work that was not done, or for another target than the block's ancestors ask for;
 *   - a block by a replica that had the turn in no view that is possible (audit_turns.c says how far this
 *     can be told);
 *   - stake that is moved without its penalty, a conviction without an offence, a table of stakes that does
 *     not add up;
 *   - a transaction with a bad signature, that makes or loses value, or spends what is not unspent;
 *   - any row changed, removed or added by hand; a changed index, trigger or view; a damaged page.
 * With several ledgers, all must hold one chain as far as each goes; the first height at which they do
 * not is the divergence.
 *
 * Files are opened read-only and read in one transaction each: a running node's ledger can be audited.
 * Not provable from a single ledger: that its last blocks were not removed (it then says less, but nothing
 * false; another ledger, or its own journal, shows it as behind), and that its journal, which nobody but the
 * node itself saw, has nothing left out.
 *
 * How it is made:  audit_book.c    one ledger under audit: opening, findings, errors
 *                  audit_rows.c    walking tables in the order of their keys, comparing columns
 *                  audit_schema.c  integrity, schema, meta
 *                  audit_journal.c the journal; what it pins down about the chain
 *                  audit_replay.c  blocks, transactions, outputs, inputs
 *                  audit_certs.c   certificates and signers
 *                  audit_stake.c   stake, convictions, tables, by plain addition
 *                  audit_turns.c   who had the turn to propose
 *                  audit_pool.c    signature checks on all cores
 *                  audit_compare.c several ledgers side by side
 *                  audit.c         all of it in order
 */
#ifndef QUORATE_AUDIT_H
#define QUORATE_AUDIT_H

#include "genesis.h"

/* K(enumerator, name in reports, does it fail the ledger?) */
#define AUDIT_KINDS(K)                                                                                       \
	K(AUDIT_DAMAGED, "damaged", true)   /* SQLite finds the file damaged */                              \
	K(AUDIT_SCHEMA, "schema", true)     /* a table, index, trigger, view that is not the schema's */     \
	K(AUDIT_MISSING, "missing", true)   /* a row is missing */                                           \
	K(AUDIT_EXTRA, "extra", true)       /* a row does not belong to the chain */                         \
	K(AUDIT_ALTERED, "altered", true)   /* a column is not what the chain says */                        \
	K(AUDIT_LINKAGE, "linkage", true)   /* a header does not follow from its parent */                   \
	K(AUDIT_SEAL, "seal", true)         /* a proof of work does not hold, or is not the one asked for */ \
	K(AUDIT_PROPOSER, "proposer", true) /* a block by a replica that had no turn */                      \
	K(AUDIT_MERKLE, "merkle", true)     /* transactions are not those of the header */                   \
	K(AUDIT_CERTIFICATE, "certificate", true)   /* a certificate does not hold */                        \
	K(AUDIT_SIGNATURE, "signature", true)       /* a transaction's signature does not hold */            \
	K(AUDIT_TRANSACTION, "transaction", true)   /* a transaction breaks a rule */                        \
	K(AUDIT_DOUBLE_SPEND, "double_spend", true) /* a transaction spends what was spent before */         \
	K(AUDIT_DIGEST, "digest", true)             /* the state is not what the replicas signed */          \
	K(AUDIT_CONFLICT, "conflict", true)   /* a valid certificate for another block: > f traitors */      \
	K(AUDIT_JOURNAL, "journal", true)     /* a journal entry or its link does not hold */                \
	K(AUDIT_UNCHECKED, "unchecked", true) /* from here on nothing could be checked */                    \
	K(AUDIT_BEHIND, "behind", false)      /* the ledger is whole but there are later blocks */

enum audit_kind {
#define K(name, text, fails) name,
	AUDIT_KINDS(K)
#undef K
};
const char *audit_kind_name(enum audit_kind kind);
bool audit_kind_fails(enum audit_kind kind);

struct audit_finding {
	enum audit_kind kind;
	struct qheight height; /* 0: no particular one */
	char *where;           /* "outputs(tx=7,position=0).amount" */
	char *message;         /* one line, no final full stop */
};

#define AUDIT_FINDINGS_MAX 100 /* kept of one ledger; the rest is only counted */

/* Where a ledger stands at the height of a divergence. */
enum audit_side {
	SIDE_NONE, /* no divergence, or it does not reach that height */
	SIDE_A,
	SIDE_B,
	SIDE_OTHER, /* a third block */
};

/* What is said of one ledger. */
struct audit_ledger {
	char *path;
	bool ok;
	struct qheight height; /* replayed up to here */
	uint64_t transactions; /* replayed, without the genesis' */
	uint64_t double_spends;
	struct audit_finding *findings;   /* by height */
	size_t finding_cnt, finding_more; /* kept; counted beyond those */
	enum audit_side side;
};

/* One ledger's word at the height of a divergence. */
struct audit_branch {
	size_t ledger; /* index in the report: the first that holds this block */
	struct qhash block;
	bool certified;    /* below a certificate that holds, by links that hold */
	struct qcert cert; /* meaningful if certified; owned */
};

/* The lowest height at which two ledgers hold different blocks. */
struct audit_divergence {
	struct qheight height;
	struct audit_branch a, b;
	bool same_view;       /* both certified by one kind of vote in one view: */
	uint64_t signed_both; /* bit i: replica i signed both, which no honest one does */
};

struct audit_report {
	bool ok;
	struct qheight height; /* of the longest ledger, and its transactions */
	uint64_t transactions;
	uint64_t double_spends; /* most in any one ledger */
	struct audit_ledger *ledgers;
	size_t ledger_cnt;
	bool diverged;
	struct audit_divergence divergence;
};

struct audit_options {
	unsigned threads; /* for signatures; 0: one a core */
	/* NULL, or told now and then how far a ledger is; one call at a time, from any thread. */
	void (*progress)(void *ctx, const char *path, struct qheight at, struct qheight of);
	void *ctx;
};

/*
 * Audits `cnt` (1 or more) ledgers of this genesis.  True: *report tells all, whatever the verdict;
 * audit_report_free().  False: the audit could not be made; *err names the file and why: not a ledger,
 * of another chain, of a later schema (ERR_INPUT), not readable, no memory for threads (ERR_WORLD).
 */
bool audit_run(const char *const *paths, size_t cnt, const struct genesis *g, const struct audit_options *o,
               struct audit_report *report, struct err *err);
void audit_report_free(struct audit_report *report);

#endif
