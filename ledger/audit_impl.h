/*
 * audit_impl.h: what the files of the audit share; see audit.h for the house plan.
 */
#ifndef QUORATE_AUDIT_IMPL_H
#define QUORATE_AUDIT_IMPL_H

#include <pthread.h>
#include <sqlite3.h>

#include "audit.h"
#include "cert.h"
#include "db.h"
#include "schedule.h"
#include "seal.h"
#include "state.h"

/* ---- audit_pool.c: signatures ------------------------------------------------ */

struct book;
struct audit_pool;

/* What a worker found not to hold. */
struct audit_failure {
	struct book *book; /* of a certificate; NULL: a transaction, in every ledger that has its block */
	struct qheight height;
	struct qhash block;
	int64_t seq; /* transactions.seq */
	int replica; /* signer that fails, or -1 */
};

struct audit_pool *audit_pool_start(const struct genesis *g, unsigned threads, struct err *err);
/*
 * Verifies the transactions of a block whose Merkle root held, unless another ledger has handed in
 * the very same block: its hash covers the witnesses.  Waits while much is queued.
 */
void audit_pool_block(struct audit_pool *p, struct qheight height, const struct qhash *block,
                      struct tx *const *txs, size_t cnt, int64_t first_seq);
/* Verifies the signatures of a well-formed certificate, which is copied. */
void audit_pool_cert(struct audit_pool *p, struct book *book, const struct qcert *cert);
/* Waits for all of it and ends the threads.  The failures, by height and seq, live until audit_pool_free().
 */
const struct audit_failure *audit_pool_finish(struct audit_pool *p, size_t *cnt);
/* After that: how many signatures there were, and with `bound` how long they alone would take. */
void audit_pool_measure(struct audit_pool *p, bool bound, struct audit_speed *out);
void audit_pool_free(struct audit_pool *p);

/* ---- audit_book.c: one ledger under audit ------------------------------------- */

/* A certificate in the journal says which block is at this height, and maybe the state after it. */
struct audit_pin {
	struct qheight height;
	struct qhash block, state;
	bool has_state;
	int64_t seq; /* journal.seq */
};

struct book {
	struct audit_ledger *out;
	const struct genesis *g;
	const struct audit_options *options;
	pthread_mutex_t *progress_lock;
	struct audit_pool *pool; /* NULL: a scrub.  Then the headers are known, and so what they pin;
	                          * certificates are verified at once */
	sqlite3 *db;
	bool unusable;  /* the world or the file makes an audit impossible: err says why */
	bool stopped;   /* the chain could not be replayed to its end */
	bool illegible; /* damaged, or not the schema's tables: found and noted, no more can be read */
	uint32_t kinds; /* bit k: something of this enum audit_kind was found, kept or only counted */
	struct err err;

	int64_t horizon; /* of a scrub: the last transaction whose effects are judged; 0: all are */
	/* [h]: hash of block h as replayed; [0]: the chain id.  A scrub has the last two only. */
	struct qhash *hashes;
	size_t hash_cnt, hash_cap;
	struct audit_pin *pins; /* by height, then seq */
	size_t pin_cnt, pin_cap;
	int64_t journal_cnt;       /* entries walked */
	struct qhash journal_link; /* after the last of them */
};

bool book_check_file(const char *path, struct err *err); /* audit_file.c: is it there, and all of it? */
bool book_open(struct book *b, struct err *err);
bool book_open_file(struct book *b, struct err *err); /* whatever is in it */
void book_close(struct book *b);
static inline bool book_ends(const struct book *b)
{
	return b->unusable || b->illegible;
}

static inline bool book_judges(const struct book *b, int64_t seq)
{
	return b->horizon == 0 || seq <= b->horizon;
}

/* The hash of block h, which was replayed; where the next one's is to be put. */
const struct qhash *book_hash(const struct book *b, uint64_t h);
struct qhash *book_set_hash(struct book *b, struct qheight h);

void book_find(struct book *b, enum audit_kind kind, struct qheight height, const char *where,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Sorts the findings by height and gives the verdict. */
void book_conclude(struct book *b);

/* The last call of SQLite failed: is the file damaged, or can it not be audited? */
void book_failed(struct book *b);
/* NULL if it cannot be prepared (then book_ends()). */
sqlite3_stmt *book_prepare(struct book *b, const char *sql);
/* Steps: true at a row, false at the end or when book_ends(). */
bool book_step(struct book *b, sqlite3_stmt *stmt);
/* The first column of the first row as integer; `otherwise` if there is none. */
int64_t book_int(struct book *b, const char *sql, int64_t otherwise);

/* ---- audit_rows.c: walking tables ---------------------------------------------- */

enum audit_table {
	TABLE_BLOCKS,
	TABLE_TRANSACTIONS,
	TABLE_OUTPUTS,
	TABLE_INPUTS,
	TABLE_CONVICTIONS,
	TABLE_STAKES,
	TABLE_CERTIFICATES,
	TABLE_SIGNERS,
	TABLE_JOURNAL,
	TABLE_EVIDENCE,
	TABLE_CULPRITS,
	TABLE_REPLICAS,
};

/* A table read in the order of its key, one or two integers, which are columns 0 and 1. */
struct cursor {
	struct book *book;
	enum audit_table table;
	sqlite3_stmt *stmt;
	bool at_row, passed; /* passed: nothing follows the row of this key, which was walked over */
	int64_t k1, k2;      /* k2 is 0 in tables with one key column */
};

void cursor_open(struct cursor *c, struct book *b, enum audit_table table);
/* From the first row on whose first key column is not below k1. */
void cursor_open_at(struct cursor *c, struct book *b, enum audit_table table, int64_t k1);
void cursor_close(struct cursor *c);
void cursor_next(struct cursor *c);
/* Between the two it holds no read transaction open; then it is at the same row, or at the next if that went.
 */
void cursor_pause(struct cursor *c);
void cursor_resume(struct cursor *c);
/* Passes over the rows below this key: they are extra. */
void cursor_skip(struct cursor *c, int64_t k1, int64_t k2, struct qheight h);
/* The row of this key must be next; if it is not, that is found as missing. */
bool cursor_seek(struct cursor *c, int64_t k1, int64_t k2, struct qheight h);
/* Every row that is left is extra. */
void cursor_rest(struct cursor *c, struct qheight h);

#define WHERE_MAX 96
/* "table(key=1).column" of the row at hand, or of any; col -1, column NULL: of the row as a whole. */
char *cursor_where(const struct cursor *c, int col, char text[WHERE_MAX]);
char *table_where(enum audit_table table, int64_t k1, int64_t k2, const char *column, char text[WHERE_MAX]);

/* The column must be this integer, this blob; else it is found as altered (false).  `where` of the value may
 * be any. */
bool value_is_int(struct book *b, sqlite3_stmt *stmt, int col, int64_t want, const char *where,
                  struct qheight h);
bool value_is_blob(struct book *b, sqlite3_stmt *stmt, int col, const void *want, size_t len,
                   const char *where, struct qheight h);
bool cursor_is_int(struct cursor *c, int col, int64_t want, struct qheight h);
bool cursor_is_blob(struct cursor *c, int col, const void *want, size_t len, struct qheight h);
void cursor_is_text(struct cursor *c, int col, const char *want, struct qheight h);
void cursor_is_null(struct cursor *c, int col, struct qheight h);
void cursor_is(struct cursor *c, int col, const struct db_value *want, struct qheight h);
/* A blob column, borrowed until the cursor moves; NULL with *len 0 if it is empty or no blob. */
const uint8_t *cursor_blob(const struct cursor *c, int col, size_t *len);

/* Columns beside the key, in the order of the cursors' statements. */
enum {
	BLOCK_HASH = 1,
	BLOCK_PARENT,
	BLOCK_ROOT,
	BLOCK_TX_COUNT,
	BLOCK_FIRST_TX,
	BLOCK_PROPOSER,
	BLOCK_TIME,
	BLOCK_CERTIFIED_BY,
	BLOCK_TARGET,
	BLOCK_NONCE,
	BLOCK_HEADER
};
enum { TX_TXID = 1, TX_HEIGHT, TX_POSITION, TX_EXPIRY, TX_MEMO, TX_RAW };
enum { OUTPUT_OWNER = 2, OUTPUT_AMOUNT, OUTPUT_LOCK, OUTPUT_REPLICA, OUTPUT_SPENT_BY };
enum { INPUT_SOURCE_TX = 2, INPUT_SOURCE_POSITION };
enum { CONVICTION_TX = 2, CONVICTION_KIND, CONVICTION_VIEW, CONVICTION_OFFENCE_HEIGHT };
enum { STAKE_OWN = 2, STAKE_DELEGATED, STAKE_TURNS, STAKE_FIRST_HEIGHT };
enum { CERT_KIND = 1, CERT_VIEW, CERT_BLOCK, CERT_CERTIFICATE };
enum { SIGNER_SIGNATURE = 2 };
enum { JOURNAL_KIND = 1, JOURNAL_ENTRY, JOURNAL_LINK };

/* ---- the stages, in order -------------------------------------------------------- */

/* audit_schema.c. Errors of book_identify() make the file unusable. */
bool book_identify(struct book *b, struct err *err);
void book_check_schema(struct book *b);
/*
 * Is the file whole?  That takes as long as much of the rest, so it goes on beside it, on a connection of its
 * own: of a ledger that a node writes to it may see a later state, which must be as whole.
 */
struct integrity *integrity_start(const struct book *b);
/* audit_index.c: the file's indexes, which are those of the model. */
void book_check_indexes(struct book *b, sqlite3 *model);
void integrity_end(struct integrity *i, struct book *b); /* what it found */
void book_check_meta(struct book *b);                    /* after the journal */
/* "meta(key='...')" and the column; the key is what it is: it comes out of the file. */
const char *meta_where(const char *key, const char *column, char text[WHERE_MAX]);
void book_check_replicas(struct book *b);

/* audit_journal.c: walks the journal and fills b->pins. */
void book_check_journal(struct book *b);
/* The same in steps; pins are not sorted. */
struct journal_walk {
	struct cursor journal, evidence, culprits;
};
void journal_open(struct journal_walk *w, struct book *b);
bool journal_next(struct journal_walk *w); /* the next entry; false: there is none */
void journal_pause(struct journal_walk *w);
void journal_resume(struct journal_walk *w);
void journal_close(struct journal_walk *w);

/* audit_coins.c: what an input spends, without an unspent set in memory. */
struct spender { /* what outputs.spent_by says */
	enum { SPENDER_NO_ROW, SPENDER_NULL, SPENDER_SEQ } is;
	int64_t seq; /* meaningful if SPENDER_SEQ */
};
struct coin { /* an unspent output */
	struct unspent u;
	struct spender row;
	bool owed; /* the digest of the state lacks it yet */
};
struct coins {
	struct book *b;
	struct state *state;
	struct coin *recent; /* those made last, each in the place of its number; amount 0: none */
	size_t places;
	uint64_t owed_from, owed_to; /* numbers of those made since the digest was complete */
	int64_t base_seq;
	struct coin_lie *lies; /* by outpoint: whom outputs.spent_by should name, and does not */
	struct coin_name *names,
	    *by_txid;        /* of rows of transactions with another txid or height: the right ones */
	int64_t unexplained; /* rows with a spent_by whose spender has not come yet */
	bool full;           /* more is wrong with the rows than is kept: nothing can be known */
	/* A transaction by seq, its seq by txid, an output's spent_by, an input by what it spends,
	 * an output up to the base. */
	sqlite3_stmt *source, *seq, *spent, *input, *based;
};
/* base_seq: outputs of transactions up to this one are known by their rows, which the digest of a checkpoint
 * covers; 0: none are. */
void coins_open(struct coins *c, struct book *b, struct state *state, int64_t base_seq);
void coins_close(struct coins *c);
/* The row of transactions at seq says otherwise. */
void coins_name(struct coins *c, int64_t seq, const struct qtxid *id, struct qheight h);
/* That of the row at hand. */
struct spender coins_spender(struct coins *c, sqlite3_stmt *outputs, int col, int64_t tx, uint32_t position);
/* Into the state, too. */
void coins_made(struct coins *c, const struct unspent *u, struct spender row);
/* One of them is unspent at the base; column `col` of the row is its spent_by. */
void coins_loaded(struct coins *c, sqlite3_stmt *row, int col, const struct unspent *u);
/*
 * What `p` names, before the transaction at `seq`.  `hint`: transactions.seq of its maker, if that is true;
 * any number may be tried.  COIN_SPENT: by the transaction at *by.
 */
enum coin_found { COIN_UNSPENT, COIN_SPENT, COIN_UNKNOWN };
enum coin_found coins_find(struct coins *c, const struct qoutpoint *p, int64_t hint, int64_t seq,
                           struct coin *out, int64_t *by);
/* Completes the digest of the state. */
void coins_settle(struct coins *c);
/* The transaction at seq, of the block at h, spends it: so its row must say.  Out of the state, too, where it
 * was recalled. */
void coins_spent(struct coins *c, const struct coin *coin, int64_t seq, struct qheight h);
/* Of the block of a replayed transaction. */
struct qheight coins_height(struct coins *c, int64_t seq);
/* After the last transaction, the one before next_seq: no row may name a spender that is none.  Where the
 * replay stopped nothing is known of spenders from next_seq on. */
void coins_end(struct coins *c, int64_t next_seq, bool stopped, struct qheight tip);

struct replay;

/* audit_certs.c, as the replay passes height after height. */
struct coverage {
	struct cursor certs, signers;
	int64_t named; /* the last block's certified_by */
};
void coverage_open(struct coverage *c, struct book *b, struct qheight base); /* of blocks above it */
/* Block `height` names the certificate at `certified_by`. */
void coverage_block(struct coverage *c, struct qheight height, int64_t certified_by, struct replay *r);
/* After the last block: nothing may be left, and that block must be covered. */
void coverage_end(struct coverage *c, struct qheight tip);
void coverage_close(struct coverage *c);

/* audit_stake.c, as the replay passes output after output; all of it idle where stake decides nothing. */
struct tally {
	struct book *b;
	const struct qstake_rules *rules;   /* NULL: proposers are not by stake */
	struct qstake sums[Q_REPLICAS_MAX]; /* of unspent stake that counts */
	struct tally_convictions {
		uint64_t *at; /* heights, ascending */
		size_t cnt, cap;
	} convicted[Q_REPLICAS_MAX];   /* all of each replica */
	uint64_t last[Q_REPLICAS_MAX]; /* height of each replica's last one; 0: none */
	uint64_t here;                 /* bit i: replica i is convicted in this block: */
	struct {
		int64_t seq; /* transactions.seq */
		enum qkind kind;
		struct qvote vote;
	} by[Q_REPLICAS_MAX];
	struct schedule schedules[2]; /* of the last two tables */
	struct cursor convictions, rows;
};
void tally_open(struct tally *t, struct book *b, struct qheight base); /* rows above it, or all if it is 0 */
void tally_made(struct tally *t, const struct unspent *u);
void tally_spent(struct tally *t, const struct unspent *u);
/* Does the transaction freeze what it must, in a block at h?  False: the text says where not. */
bool tally_penalties_hold(const struct tally *t, const struct state *state, const struct tx *tx,
                          struct qheight h, char *text, size_t cap);
/* The transaction at seq convicts. */
void tally_offence(struct tally *t, int64_t seq, const struct qoffence *o, struct qheight h);
/* Of what is not replayed: convictions, ascending, before outputs; then tables, ascending. */
void tally_convict(struct tally *t, unsigned replica, struct qheight h);
void tally_table(struct tally *t, struct state *state, const struct qtable *table);
/* After the last transaction of the block at h, and after the genesis: settles an epoch in the state, too. */
void tally_settle(struct tally *t, struct state *state, struct qheight h);
/* Who has which turn at h, the next height; NULL where the primary proposes. */
const struct schedule *tally_schedule(const struct tally *t, struct qheight h);
/* After the last block: nothing may be left. */
void tally_end(struct tally *t, struct qheight tip);
void tally_close(struct tally *t);

/* audit_turns.c, as the replay passes block after block. */
struct turn_bound {
	struct qheight height; /* of a certificate of COMMITs */
	struct qheight by;     /* of the one, here or above, whose view is lowest */
	struct qview view;     /* its view: no block up to `height` was proposed in a higher one */
};
struct turns {
	struct book *b;
	struct turn_bound *bounds; /* by height */
	size_t bound_cnt, bound_cap, next;
	struct qview lowest; /* in which the next block can have been proposed */
	bool blind;          /* a certificate does not hold: nothing more is said about turns */
};
void turns_open(struct turns *t, struct book *b);
/* The header of the next block; s: the schedule of its height, NULL where the primary proposes. */
void turns_block(struct turns *t, const struct schedule *s, const struct qheader *q);
void turns_close(struct turns *t);

/* audit_replay.c: the chain, block after block. */
struct replay {
	struct book *b;
	struct state *state; /* without its outputs: see coins */
	struct cursor blocks, txs, outputs, inputs;
	struct coverage coverage;
	struct coins coins;
	struct turns turns;
	struct tally tally;
	struct seal_parent below; /* what the next header's time and target follow from */
	int64_t next_seq;
	size_t next_pin;
	bool stopped;
	struct tx **block_txs; /* of the block at hand */
	struct qhash *leaves;
	struct coin *ins; /* what the transaction at hand spends */
};
void replay_open(struct replay *r, struct book *b); /* with the genesis */
/* The next block; false: there is none, or nothing further can be replayed. */
bool replay_next(struct replay *r);
void replay_end(struct replay *r);   /* no row may be left in any table */
void replay_break(struct replay *r); /* none of what was replayed; those above are not judged */
/* Between the two no read transaction is open, and the file may grow. */
void replay_pause(struct replay *r);
void replay_resume(struct replay *r);
void replay_close(struct replay *r);
void replay_digest(struct replay *r, struct qhash *out); /* of the state after the last block */
void book_replay(struct book *b);                        /* all of it */

/* audit_since.c: where a replay can begin that does not begin at the genesis. */
struct base {
	struct qheight height;
	struct qhash block, state; /* as a quorum signed them; */
	char where[WHERE_MAX];     /* the certificate is here */
	struct qheader header;
	int64_t last_seq; /* of the block's last transaction, by the column first_tx: true if the digest is */
};
/* The newest checkpoint at or below this height whose certificate holds, with its block; after the journal.
 * base->header is to be freed. */
bool since_find(struct book *b, struct qheight since, struct base *base);
/* The state after it into a fresh replay. False: it is not what was signed, which is found. */
bool since_load(struct replay *r, const struct base *base);
/* An output made up to the base with its transaction: by ?1, seq, and ?2, position.  The row at hand; false:
 * it cannot be. */
extern const char since_output_sql[];
bool since_output(const struct genesis *g, sqlite3_stmt *row, struct unspent *u);

/* audit_txs.c: one transaction. */
const char *audit_lock(enum qlock_kind kind); /* in outputs.lock; "": none */
/* The row at seq, parsed; NULL if it is not there or no transaction. */
struct tx *replay_read(struct replay *r, int64_t seq, uint32_t position, struct qheight h);
/* Its inputs leave the unspent set, its outputs enter.  False: it may not. */
bool replay_apply(struct replay *r, const struct tx *tx, struct qheight h);
void replay_make(struct replay *r, const struct qtxid *id, int64_t tx, uint32_t position,
                 const struct qoutput *out, struct qheight h);

/* audit_compare.c: fills report->divergence, the ledgers' sides, and notes who is behind. */
void audit_compare(struct book *books, size_t cnt, struct audit_report *report);
void audit_divergence_free(struct audit_divergence *d);

/* Up a ledger's chain by its headers, from a block whose hash was replayed: as far as they follow one from
 * the other.  False: there is nothing to walk, or no more.  book_walk_close() in any case. */
struct book_walk {
	struct book *b;
	sqlite3_stmt *stmt;
	uint64_t height, walked; /* of the first; so many until now */
	struct qheader header;   /* of the last */
	struct qhash hash;
};
bool book_walk_open(struct book *b, uint64_t h, struct book_walk *w);
bool book_walk_next(struct book_walk *w);
/* The certificate at the block at hand, if one stands there that is for it; its signatures may not hold. */
bool book_walk_cert(struct book_walk *w, struct qcert *cert);
void book_walk_close(struct book_walk *w);
/* The first certificate that makes block h final and holds. */
#define PROOF_HEIGHTS_MAX (2 * Q_CHAIN_MAX) /* above any run that a node executes at once */
bool book_proof(struct book *b, uint64_t h, struct qcert *cert);

/* Is that block, at that height, of the chain that was replayed? */
bool book_holds(const struct book *b, const struct qvote *at);

/* audit_views.c: NEW-VIEWs. */
struct opened;
/* NULL: its signature does not hold, or it has not the shape of one that can be entered. */
struct opened *new_view_open(const struct genesis *g, const struct qenvelope *env);
void new_view_close(struct opened *o); /* NULL is allowed */
struct qview new_view_of(const struct opened *o);
bool new_view_holds(struct opened *o); /* all signatures inside */
/* The certificates of tips and stable checkpoints, verified or not. */
void new_view_certs(const struct opened *o, void (*each)(void *ctx, const struct qcert *cert), void *ctx);
/* What it shows against those who signed a certificate of COMMITs of an earlier view, if it holds. Borrows.
 */
struct charge {
	struct qview view;
	bool drops; /* the certificate's block */
	uint64_t culprits;
	const struct qenvelope *hiding[Q_REPLICAS_MAX]; /* their VIEW-CHANGEs */
	size_t hiding_cnt;
	const struct qcert *prepared[2]; /* that contradict each other, or NULL */
};
/* `b` holds the certificate's block. */
void new_view_charge(const struct opened *o, const struct qcert *cert, const struct book *b,
                     struct charge *out);

/* audit_blame.c: of a divergence whose sides are both certified: blame, culprits, evidence. */
void audit_blame(struct book *books, size_t cnt, struct audit_divergence *d);

/* audit_standing.c: after everything else. */
enum audit_standing book_standing(struct book *b, const struct audit_report *report);

#endif
