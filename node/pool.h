/*
 * pool.h: the mempool: verified transactions that wait for a block.
 *
 * It keeps only what is admissible on the executed state plus its own earlier entries; two
 * entries never spend the same output; nothing else reserves an output.  One queue per source
 * (each replica that forwarded, and own clients), each bounded; a bound per spending account on
 * what own clients hand in.  Single-threaded: owned by the replica.
 *
 *              pool_add                      pool_choose
 *     (new) ------------> waiting in its ------------> aside: in a proposal of ours, or not
 *                         source's queue <------------ valid on top of what is in flight
 *                                  pool_executed, pool_release, pool_new_view
 *     either --pool_executed--> gone: final, conflicting, expired, against what a conviction asks for, or
 *                               descended from such
 *
 * What is not admissible yet (stake that is not released, an offence at a height to come) is refused: it
 * would be pending without anybody being able to propose it.
 *
 * Invariants:
 *   1  every input of an entry is unspent in the executed state or an output of an entry.
 *   2  an output is spent by at most one entry.
 *   3  an entry is in its source's queue, or aside until one height above the executed one.
 */
#ifndef QUORATE_POOL_H
#define QUORATE_POOL_H

#include "genesis.h"
#include "state.h"

struct pool;

/* Own clients are the source `self`. Both g and s are borrowed for the pool's life. */
struct pool *pool_new(const struct genesis *g, const struct state *s, unsigned self, struct qheight executed);
void pool_free(struct pool *p);

/*
 * Admits a verified transaction from `source` (0..n-1), judged for the height after the executed one. TX_OK:
 * a reference is kept. TX_KNOWN: already there. TX_DOUBLE_SPEND with *winner (may be NULL): the pool's entry
 * that spends the output (an input missing from state and pool is TX_UNKNOWN_OUTPUT; the ledger tells whether
 * it was spent). TX_POOL_FULL / TX_OWNER_FULL: bounds.
 */
enum tx_verdict pool_add(struct pool *p, struct tx *tx, unsigned source, struct qtxid *winner);

struct tx *pool_find(const struct pool *p, const struct qtxid *id);        /* borrowed, or NULL */
struct tx *pool_find_leaf(const struct pool *p, const struct qhash *leaf); /* borrowed, or NULL */
size_t pool_count(const struct pool *p);
size_t pool_bytes(const struct pool *p);

/* How many more transactions of own clients would find room, whatever their size; 0: none. Any thread may
 * ask, while others change the pool. */
size_t pool_room(const struct pool *p);

/* An own client waits for this entry, whoever brought it. */
void pool_mark_own(struct pool *p, const struct qtxid *id);
bool pool_is_own(const struct pool *p, const struct qtxid *id);

/* The output that this outpoint names, if an entry creates it; else NULL. */
const struct qoutput *pool_output(const struct pool *p, const struct qoutpoint *point);
/* The same, or an unspent one of the state. What an entry creates counts as made at the height after the
 * executed one. False: neither. */
bool pool_unspent(const struct pool *p, const struct qoutpoint *point, struct unspent *out);

/* ---- proposing ------------------------------------------------------------ */

/* Entries in the queues, and their bytes: what pool_choose() has to choose from. */
size_t pool_waiting(const struct pool *p);
size_t pool_waiting_bytes(const struct pool *p);

/*
 * Chooses a batch for a block at `height`: sources round-robin, oldest first, parents before children,
 * whatever is valid on the overlay `o` (a fresh one on the parent's chain), which gets their effects. At most
 * txs_max and bytes_max. Fills txs (borrowed until the next change of the pool); returns the count. What was
 * chosen is passed over until a block at `height` was executed.
 */
size_t pool_choose(struct pool *p, struct overlay *o, struct qheight height, size_t txs_max, size_t bytes_max,
                   struct tx **txs);
/* The batch chosen for `height` was not proposed after all: its entries wait again (if another block came to
 * be at `height`, they do already). */
void pool_release(struct pool *p, struct qheight height);

/*
 * A run of blocks was executed (the state has the effect of all): their transactions leave, and so does what
 * conflicts with them, has expired, is no longer admissible after a conviction, or descends from such.
 * `left` (may be NULL) is called for each that an own client waits for and is final, TX_FINAL, and for each
 * that leaves without being final, with the reason, its own or its ancestor's: TX_DOUBLE_SPEND with the final
 * transaction in its way (else winner is NULL), TX_EXPIRED, TX_PENALTY, TX_OLD_OFFENCE. `height` is that of
 * the block that brought it about.
 */
typedef void pool_left(void *ctx, struct tx *tx, bool own, enum tx_verdict v, struct qheight height,
                       const struct qtxid *winner);
void pool_executed(struct pool *p, struct block *const *blocks, size_t cnt, pool_left *left, void *ctx);

/* ---- forwarding, fairness --------------------------------------------------- */

/* Is anything pending, other than what expires with the next block? */
bool pool_pending(const struct pool *p);

/* Own clients' transactions that are to be forwarded: up to cap of them, at most bytes_max in all (but one at
 * least), marked as forwarded now. */
size_t pool_forward_batch(struct pool *p, uint64_t now_ms, size_t cap, size_t bytes_max, struct tx **txs);

/* What pool_pending() speaks of, of whatever source, oldest first, in batches: *after is the last one of the
 * batch before (zero: none yet). Own ones count as forwarded now. */
size_t pool_pending_batch(struct pool *p, uint64_t now_ms, struct qtxid *after, size_t cap, size_t bytes_max,
                          struct tx **txs);

/*
 * The fairness rule (protocol.md, "When to suspect"): an own client's transaction is passed over when it is
 * still pending timeout_ms and passed_max blocks after it was forwarded, and under the present proposer. The
 * first time that happens under a proposer it is forwarded once more (the forward may have been lost: F9):
 * pool_reforward() puts it back in line. The second time is unfair. It is forwarded again, too, and without
 * blame for anybody, when so much time and so many blocks have passed under several proposers.
 */
struct pool_patience {
	uint64_t timeout_ms, passed_max;
};
void pool_reforward(struct pool *p, uint64_t now_ms, const struct pool_patience *patience);
bool pool_unfair(const struct pool *p, uint64_t now_ms, const struct pool_patience *patience);
/* Another replica proposes: the counts restart from now. */
void pool_new_proposer(struct pool *p, uint64_t now_ms);
/* A new view: the same, and everything that was aside waits again. */
void pool_new_view(struct pool *p, uint64_t now_ms);

#endif
