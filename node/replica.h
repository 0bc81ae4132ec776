/*
 * replica.h: one whole replica as a deterministic object: engine, ledger, vote log
 * and mempool assembled.  Inputs in, effects out; no thread, socket or clock, so that tests and
 * a simulator drive it exactly as the node does.  It does write its two SQLite files (through a VFS
 * that the owner names).
 *
 * Before: net/link hands frames to node/verify (workers), which opens messages and checks signatures.
 * After: effects.send goes back to net/link, effects.outcome to the HTTP clients that wait.
 */
#ifndef QUORATE_REPLICA_H
#define QUORATE_REPLICA_H

#include "engine.h"
#include "ledger.h"
#include "pool.h"
#include "votes.h"

struct replica;

enum replica_store { STORE_LEDGER, STORE_VOTES, STORE_CNT };

struct replica_effects { /* callbacks of the owner, called inside replica_* functions */
	void *ctx;
	/* Send to the replicas of the mask. What says anything that must not be forgotten comes only after
	 * the vote log was synced. */
	void (*send)(void *ctx, struct message *m, uint64_t to);
	/* The fate of a transaction that an own client submitted: TX_FINAL with height, TX_DOUBLE_SPEND with
	 * winner, TX_EXPIRED, TX_PENALTY, TX_OLD_OFFENCE (pool.h). Called only after the ledger was synced.
	 */
	void (*outcome)(void *ctx, const struct qtxid *id, enum tx_verdict v, struct qheight height,
	                const struct qtxid *winner);
	/* One line for the operator: event name, then logfmt pairs. level: "debug", "info", "warn", "error".
	 */
	void (*log)(void *ctx, const char *level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
	/* Mine this header, in the place of whatever is being mined: some nonce seals it, and with it in
	 * place the header goes to replica_sealed(). NULL: stop, for the search is in vain. Without this
	 * effect a replica that has to seal a block does so at once, within its turn. */
	void (*seal)(void *ctx, const struct qheader *header);
	/* A run of blocks was executed, and the ledger synced; borrowed. May be NULL. */
	void (*executed)(void *ctx, struct block *const *blocks, size_t cnt);
	/* No more is sent before the disk has been waited for, or the turn is over. May be NULL. */
	void (*sent)(void *ctx);
	/* For who measures times; may be NULL, both. A block at this height is to be agreed on, or fetched:
	 * the engine took its header. More than one may be, and each may be told of again. */
	void (*seen)(void *ctx, struct qheight height);
	/* A commit of this file begins, or has ended. */
	void (*committing)(void *ctx, enum replica_store store, bool begins);
};

struct replica_config {
	const struct genesis *genesis; /* borrowed for the replica's life */
	unsigned self;
	struct signer signer;
	const struct qreplica_key *key;
	const char *ledger_path, *votes_path;
	const char *vfs; /* NULL: the default */
	struct replica_effects effects;
};

/* Opens both files and restores the engine. NULL with *err. */
struct replica *replica_open(const struct replica_config *c, uint64_t now_ms, struct err *err);
void replica_close(struct replica *r);

/* The time for the inputs that follow: monotonic and wall clock. */
void replica_clock(struct replica *r, uint64_t now_ms, uint64_t wall_ms);

/*
 * A message of a peer. `txs`: for TXS and BODY, its transactions in order, parsed and with all
 * signatures verified; borrowed.
 */
void replica_message(struct replica *r, struct message *m, struct tx *const *txs, size_t tx_cnt);

/*
 * A verified transaction of an own client. TX_OK (accepted), TX_KNOWN, TX_FINAL with *height, or the
 * reason for refusal; for TX_DOUBLE_SPEND *winner is the transaction that spent the output (final or
 * pending).
 */
enum tx_verdict replica_submit(struct replica *r, struct tx *tx, struct qheight *height,
                               struct qtxid *winner);

/* How many more transactions of own clients the pool has room for, whatever their size; 0: none, so that one
 * may refuse before their signatures are checked. Any thread, from replica_open() to replica_close(). What is
 * submitted is judged all the same. */
size_t replica_room(const struct replica *r);

/* For the turns that follow: are more transactions being checked on their way here?  A proposer may then wait
 * for them, a little. */
void replica_expect(struct replica *r, bool more);
/* Is it more than a window behind what is certified? */
bool replica_lags(const struct replica *r);

/* The header that effects.seal asked for, sealed. What comes too late, after a stop or another header, is
 * passed over. */
void replica_sealed(struct replica *r, const struct qheader *header);

/*
 * Ends a turn: ticks the engine if its deadline has come, proposes if it may, forwards, then
 * persists, sends and executes until nothing is left to do. False: the replica must stop now (*err says why;
 * nothing unsynced was sent).
 */
bool replica_turn(struct replica *r, struct err *err);

/* It must go no further: *why (its kind is set) becomes what replica_turn() says from now on. The first word
 * stands. */
void replica_stop(struct replica *r, const struct err *why);

/* Monotonic time at which replica_turn() is wanted though no input came. */
uint64_t replica_deadline(const struct replica *r);

/* Where stake decides who proposes. */
struct replica_turns {
	uint64_t epoch, turn;                 /* of the next height, from 0; the turn within its epoch */
	uint8_t in_cycle[Q_REPLICAS_MAX];     /* turns of each replica in the cycle that decides there */
	struct qstake stakes[Q_REPLICAS_MAX]; /* after the last block */
};

/* What somebody says of an output. */
struct output_said {
	struct qoutpoint point;
	bool unspent;
};
/* The first of these that is not so after the last executed block, whose height is put into *height; `cnt`:
 * all are. */
size_t replica_disputes(const struct replica *r, const struct output_said *list, size_t cnt,
                        struct qheight *height);

/* An output that an address has unspent, and the first conviction that asks for a part of it (0: none). */
struct held {
	struct unspent u;
	struct qheight convicted;
};
#define REPLICA_HELD_MAX 1000
/* What an address has after the last executed block: in all, and a page of it, at most `limit` (up to
 * REPLICA_HELD_MAX), oldest first; the first ones, or those behind `after`. False, and no page: `after` is
 * not one of them. */
bool replica_holding(const struct replica *r, const struct qaddress *owner, const struct qoutpoint *after,
                     struct held *list, size_t limit, size_t *cnt, struct address_sums *sums);

struct replica_status {
	struct engine_status engine;
	struct qheight height; /* executed */
	struct qhash block_hash;
	uint64_t tip_time_ms;
	uint64_t supply; /* value unspent */
	size_t unspent, pool_txs, pool_bytes;
	uint64_t transactions;      /* final, since the genesis */
	struct qtarget target;      /* of the next block's seal; only where there are seals */
	struct replica_turns turns; /* only where stake decides */
	bool amnesiac;
	const char *muted_because;                /* NULL: it votes */
	struct {                                  /* pieces in its journal: */
		unsigned replica[Q_REPLICAS_MAX]; /* that convict each, */
		unsigned double_spends, forks;
	} evidence;
};
void replica_status(const struct replica *r, struct replica_status *out);
/* state_digest() of what it executed. It hashes what was made since the last one: so only for who asks for
 * it. */
void replica_digest(const struct replica *r, struct qhash *out);

/* Why a transaction was refused, in numbers. */
struct replica_needs {
	struct qheight free_at; /* TX_LOCKED: first height whose block may hold it; 0: none ever */
	uint64_t penalty;       /* TX_PENALTY: what it has to freeze in all */
};
void replica_explain(const struct replica *r, const struct tx *tx, struct replica_needs *out);

/* What became of a transaction, as far as this replica remembers without its ledger: TX_KNOWN (pending),
 * TX_DOUBLE_SPEND with *winner or another reason of the pool's (evicted lately), or TX_UNKNOWN_OUTPUT:
 * nothing known. */
enum tx_verdict replica_fate(const struct replica *r, const struct qtxid *id, struct qtxid *winner);

#endif
