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
 * not is the divergence.  If both blocks there are certified, more than f replicas lied, and their own
 * signatures say which: audit_blame.c has the argument.
 *
 * Files are opened read-only and read in one transaction each: a running node's ledger can be audited.
 * Memory does not grow with transactions and outputs, spent or not: some 90 MB a ledger.  What grows is
 * small: 32 bytes a block, 24 a certificate, 88 a certificate in the journal, 16 a conviction. Not provable
 * from a single ledger: that its last blocks were not removed (it then says less, but nothing false; another
 * ledger, or its own journal, shows it as behind), and that its journal, which nobody but the node itself
 * saw, has nothing left out.
 *
 * How it is made:  audit_book.c    one ledger under audit: opening, findings, errors
 *                  audit_file.c    the file before it is opened
 *                  audit_rows.c    walking tables in the order of their keys, comparing columns
 *                  audit_schema.c  integrity, schema, meta
 *                  audit_index.c   indexes against their tables
 *                  audit_journal.c the journal; what it pins down about the chain
 *                  audit_replay.c  the chain, block after block
 *                  audit_txs.c     transactions, outputs, inputs
 *                  audit_coins.c   what inputs spend, looked up in the file
 *                  audit_since.c   beginning at a checkpoint
 *                  audit_certs.c   certificates and signers
 *                  audit_stake.c   stake, convictions, tables, by plain addition
 *                  audit_turns.c   who had the turn to propose
 *                  audit_pool.c    signature checks on all cores
 *                  audit_compare.c several ledgers side by side
 *                  audit_blame.c   who made them differ
 *                  audit_views.c   NEW-VIEWs out of the journals, which may hold anything
 *                  audit_standing.c what became of each
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

/*
 * What became of a ledger, in a word.  S(enumerator, name in reports, what it means).  Another chain's ledger
 * is no ledger to audit: audit_run() refuses it.
 */
#define AUDIT_STANDINGS(S)                                                                                   \
	S(STANDING_SOUND, "sound", "everything in it follows from the genesis and the signatures")           \
	S(STANDING_BEHIND, "behind",                                                                         \
	  "everything in it holds, but there are later blocks that it does not have")                        \
	S(STANDING_DAMAGED, "damaged",                                                                       \
	  "the file is broken, as by a failing disk or a copy that was cut off: "                            \
	  "restore it from another replica")                                                                 \
	S(STANDING_TAMPERED, "tampered",                                                                     \
	  "somebody who can write the file changed it: what it says is not what "                            \
	  "the replicas signed")                                                                             \
	S(STANDING_BETRAYED, "betrayed", "a quorum signed what breaks the rules: more than f replicas lied") \
	S(STANDING_FORKED, "forked",                                                                         \
	  "a quorum signed this chain and another quorum a different one: more than "                        \
	  "f replicas lied")
enum audit_standing {
#define S(name, text, meaning) name,
	AUDIT_STANDINGS(S)
#undef S
};
const char *audit_standing_name(enum audit_standing s);
const char *audit_standing_meaning(enum audit_standing s);

/* What is said of one ledger. */
struct audit_ledger {
	char *path;
	bool ok;
	enum audit_standing standing;
	struct qheight since; /* replayed from here, a checkpoint that a quorum signed; 0: from the genesis */
	struct qheight height; /* replayed up to here */
	uint64_t transactions; /* replayed, without the genesis' */
	uint64_t double_spends;
	struct audit_finding *findings;   /* by height */
	size_t finding_cnt, finding_more; /* kept; counted beyond those */
	enum audit_side side;
};

/* One ledger's word at the height of a divergence. */
struct audit_branch {
	size_t ledger; /* index in the report: one that holds this block */
	struct qhash block;
	struct qheader header; /* of the block; height 0: its row cannot be read any more */
	bool certified;        /* below a certificate that holds, by links that hold */
	struct qcert cert;     /* meaningful if certified; owned */
};

/*
 * The lowest height at which two ledgers hold different blocks that are both certified; without such a one,
 * the lowest at which they hold different blocks.
 */
struct audit_divergence {
	struct qheight height;
	struct audit_branch a, b; /* with the certificates that convict, where there are such */
	enum audit_blame {
		BLAME_EDITED,      /* one side or both have no certificate that holds: nobody signed it */
		BLAME_SAME_VIEW,   /* the culprits signed COMMITs of both sides in one view, or CHECKPOINTs of
		                      both at one height */
		BLAME_VIEW_CHANGE, /* of two views: the culprits' VIEW-CHANGEs hide what their COMMITs prove,
		                      or they signed PREPAREs for two blocks, either of which a NEW-VIEW could
		                      take */
		BLAME_UNKNOWN,     /* more than f lied; what would show who is in none of the ledgers */
	} blame;
	uint64_t culprits; /* bit i: replica i lied, as the evidence shows; at least f + 1 where the blame is
	                      one of the two above, else maybe fewer */
	struct qview dropped_in; /* BLAME_VIEW_CHANGE: the view whose NEW-VIEW shows it: the first, in these
	                            ledgers, that drops the block */
	struct qevidence *evidence; /* a fork, which stands alone; NULL where no two certificates are near
	                               enough to the divergence. Owned */
	char *unknown;              /* BLAME_UNKNOWN: what is missing, one line without a full stop; owned */
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
	struct audit_speed {
		uint64_t accounts, replicas; /* signatures verified: of transactions, of certificates */
		double seconds;              /* from the first row to the verdict */
		double bound_seconds; /* what these signatures alone would take with all threads busy, as
		                         measured right after; 0: not measured, there were too few */
	} speed;
};

struct audit_options {
	unsigned threads;     /* for signatures; 0: one a core */
	struct qheight since; /* 0: from the genesis. Else from the newest checkpoint at or below this height,
	                       * whose certificate and state are verified; nothing below it is: edits of
	                       * history there that is no part of the state go unseen */
	bool measure;         /* fill speed.bound_seconds */
	unsigned
	    outputs_kept; /* unspent outputs of each ledger that are kept in memory, where those needed next
	                   * mostly are; the others are looked up in the file. 0: 262,144, some 32 MB */
	/* NULL, or told now and then how far a ledger is; one call at a time, from any thread. */
	void (*progress)(void *ctx, const char *path, struct qheight at, struct qheight of);
	void *ctx;
};

/*
 * Audits `cnt` (1 or more) ledgers of this genesis.  True: *report tells all, whatever the verdict;
 * audit_report_free().  False: the audit could not be made; *err names the file and why: not a ledger,
 * cut off, of another chain, of a later schema (ERR_INPUT), not readable, no memory for threads (ERR_WORLD).
 */
bool audit_run(const char *const *paths, size_t cnt, const struct genesis *g, const struct audit_options *o,
               struct audit_report *report, struct err *err);
void audit_report_free(struct audit_report *report);

#endif
