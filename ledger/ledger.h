/*
 * ledger.h: the ledger of one node: a SQLite file that anyone can read, and the
 * unspent set in memory.
 *
 * One connection writes and checkpoints the WAL (synchronous=FULL, pragmas read back); readers
 * are separate read-only connections (reader_*) that never checkpoint.  Appends collect in one
 * SQLite transaction until ledger_commit().  Any error of the store is final for the process: the
 * caller stops, nothing is retried.
 */
#ifndef QUORATE_LEDGER_H
#define QUORATE_LEDGER_H

#include "cert.h"
#include "seal.h"
#include "state.h"

struct ledger;

/*
 * Opens or creates the ledger of this chain at `path`; `vfs` is a SQLite VFS name or NULL. Loads
 * the unspent set. Errors: another chain's ledger (names both ids), a newer schema, locked by
 * another process, damaged, disk.
 */
struct ledger *ledger_open(const char *path, const struct genesis *g, const char *vfs, struct err *err);
/*
 * The same only to be read, as of one moment: height, tip, certificates and state.  It must exist; its node
 * may run and go on.
 */
struct ledger *ledger_look(const char *path, const struct genesis *g, struct err *err);
void ledger_close(struct ledger *l); /* rolls back what was not committed */

struct qheight ledger_height(const struct ledger *l);          /* 0: only the genesis */
const struct qhash *ledger_tip(const struct ledger *l);        /* hash of that block; the chain id at 0 */
struct seal_parent ledger_seal_parent(const struct ledger *l); /* what the seal above it follows from */
uint64_t ledger_tx_count(const struct ledger *l); /* final transactions, the genesis not counted */
/* A look-up by id costs a search in each part of the index: one for so many transactions (schema.sql). */
#define LEDGER_PART_TXS 32768
struct state *ledger_state(struct ledger *l);

/*
 * Appends a certified run of blocks (contiguous, on the tip) and the certificate of the last one.
 * `overlays[i]` is blocks[i]'s effect, validated by overlay_add_block(); they are applied in order.
 * digests[i] (digests may be NULL) receives state_digest() after blocks[i] where that height is one of the
 * genesis' checkpoints, and is left alone elsewhere: one may lie inside a run.
 */
bool ledger_append(struct ledger *l, struct block *const *blocks, struct overlay *const *overlays, size_t cnt,
                   const struct qcert *cert, struct qhash *digests, struct err *err);

/* Appends an entry to the journal (a hash-linked table: NEW-VIEWs, stable checkpoints, evidence). */
bool ledger_journal(struct ledger *l, const struct qjournal *entry, struct err *err);

/* One fsync: everything since the last commit is durable. Does nothing if nothing was appended. */
bool ledger_commit(struct ledger *l, struct err *err);
/* For who measures them: told when such a commit begins, and when it has ended. */
void ledger_watch(struct ledger *l, void (*committing)(void *ctx, bool begins), void *ctx);

/* The certificate that covers the tip (none at height 0); the newest stable one (none before the first
 * checkpoint). wire_free() them. False: there is none (err->kind is ERR_NONE then), or an error. */
bool ledger_tip_cert(struct ledger *l, struct qcert *cert, struct err *err);
bool ledger_stable_cert(struct ledger *l, struct qcert *cert, struct err *err);

/* Hash of the block at an executed height above 0. */
bool ledger_block_at(struct ledger *l, struct qheight h, struct qhash *block, struct err *err);

/* The same, and the state digest after it. Dear where it is not the
 * tip. */
bool ledger_digest_at(struct ledger *l, struct qheight h, struct qhash *block, struct qhash *digest,
                      struct err *err);

/* ---- reading (any thread, one reader each) ------------------------------ */

struct reader;
struct reader *reader_open(const char *path, const char *vfs, struct err *err);
void reader_close(struct reader *r);

const struct qhash *reader_chain_id(const struct reader *r); /* as the file says */

/*
 * From now on what it gives is proven, too, as far as that can be done with little reading: the signatures of
 * certificates hold, receipts verify, who is said to have spent an output does so, and outputs are what their
 * transactions say.  What does not hold is an error, and reader_damage().  `g` is borrowed for its life.
 * For those who answer clients; the replica does without.
 */
void reader_prove(struct reader *r, const struct genesis *g);

/* Many questions to one view of the file, which is cheaper than a view for each; without it each has its own.
 */
bool reader_view(struct reader *r, struct err *err);
void reader_view_end(struct reader *r);

/* Where a transaction is. */
struct tx_place {
	struct qheight height;
	uint32_t position;
};
enum found { FOUND, NOT_FOUND, FOUND_ERROR };

/* What it gave is not what a hash or certificate says: *err names the file, and what to do. */
void reader_damaged(struct reader *r, const char *what, struct err *err);
/* The first thing that it met in the file and that cannot be: all that the file says is in doubt from then
 * on. NULL: nothing so far; an error was of another kind then (no descriptors left, locked, a disk that
 * fails). */
const struct err *reader_damage(const struct reader *r);
enum found reader_header(struct reader *r, struct qheight h, struct qheader *out,
                         struct err *err); /* wire_free */
enum found reader_block(struct reader *r, struct qheight h, struct qblock *out,
                        struct err *err); /* wire_free */
enum found reader_block_by_hash(struct reader *r, const struct qhash *hash, struct qblock *out,
                                struct err *err);
enum found reader_tx(struct reader *r, const struct qtxid *id, struct tx_place *place, struct bytes *raw,
                     struct err *err);
/* A transaction with this leaf (merkle_leaf() of its bytes) is where `place` says, by its block's Merkle root
 * and certificate: FOUND, or FOUND_ERROR. Only where the reader proves. Dear, but for another one of the
 * block that was asked for last. */
enum found reader_prove_tx(struct reader *r, const struct qhash *leaf, const struct tx_place *place,
                           struct err *err);
/* The certificate that covers height h (its own or a descendant's); for receipts and catch-up. */
enum found reader_cert_for(struct reader *r, struct qheight h, struct qcert *out, struct err *err);
/* Who spent this output: FOUND with the spender; NOT_FOUND: unspent or unknown, told apart by *known. */
enum found reader_spender(struct reader *r, const struct qoutpoint *p, struct qtxid *spender, bool *known,
                          struct err *err);
/* An output as its row tells it; not proven. */
struct output_row {
	struct qoutput out;
	struct qheight made_at; /* 0: the genesis */
	bool spent;
	struct qtxid spender; /* if it is spent: by whom, and at which height */
	struct qheight spent_at;
};
enum found reader_output(struct reader *r, const struct qoutpoint *p, struct output_row *out,
                         struct err *err);
enum found reader_height(struct reader *r, struct qheight *h, struct err *err);

/*
 * Headers above `above` up to the first certified height at or beyond above+1 that has its own certificate,
 * several runs joined while they stay short; at most Q_CHAIN_MAX headers: a CHAIN answer.
 */
enum found reader_chain(struct reader *r, struct qheight above, struct qchain *out, struct err *err);

/* A settled table: the stakes after `height`, and the turns in the cycle that they make. */
struct stake_table {
	struct qheight height;
	struct qheight first; /* it decides from here on, for an epoch (the genesis': two) */
	struct {
		uint64_t own, delegated;
		unsigned turns;
	} of[Q_REPLICAS_MAX];
};
struct conviction {
	struct qheight height; /* of its block; 0: none */
	struct qtxid tx;       /* that carried the offence: two votes of this kind */
	enum qkind kind;
	struct qview view;
	struct qheight offence;
};
/* What decided and was decided about each replica up to a height.  What is staked for it now the state has:
 * here only reading all of it would tell. */
struct ledger_stakes {
	struct conviction last[Q_REPLICAS_MAX];
	unsigned table_cnt;
	struct stake_table tables[Q_TABLES_MAX]; /* ascending: the first decides at the next height */
};
/* After the block at `h`, which the ledger has. NOT_FOUND: on this chain stake decides nothing. */
enum found reader_stakes(struct reader *r, const struct genesis *g, struct qheight h,
                         struct ledger_stakes *out, struct err *err);

/* A receipt of a final transaction; wire_free(WIRE(qreceipt), ...). */
enum found reader_receipt(struct reader *r, const struct qtxid *id, struct qreceipt *out, struct err *err);

/* The journal's next evidence after entry *seq (0: the first), which becomes its number; wire_free(WIRE(
 * qevidence), ...).  Not verified.  FOUND_ERROR with another *seq: that entry is damaged, the next one need
 * not be. */
enum found reader_evidence(struct reader *r, int64_t *seq, struct qevidence *out, struct err *err);
/* The journal's next double spend after entry *seq in which this transaction won or lost, by its row;
 * with a genesis it is what the journal's entry shows.  The proof is reader_evidence(seq - 1). */
struct attempt {
	struct qtxid winner,
	    loser;               /* winner: the one that is final; neither is: the one that was seen first */
	struct qaddress signer;  /* of both */
	struct qoutpoint output; /* that both spend */
};
enum found reader_attempt(struct reader *r, const struct qtxid *id, int64_t *seq, struct attempt *out,
                          struct err *err);

#endif
