/*
 * pool.h: the mempool: verified transactions that wait for a block.
 *
 * It keeps only what is admissible on the executed state plus its own earlier entries; two
 * entries never spend the same output; nothing else reserves an output.  One queue per source
 * (each replica that forwarded, and own clients), each bounded; a bound per spending account.
 * Single-threaded: owned by the replica.
 */
#ifndef QUORATE_POOL_H
#define QUORATE_POOL_H

#include "genesis.h"
#include "state.h"

struct pool;

struct pool *pool_new(const struct genesis *g, const struct state *s);
void pool_free(struct pool *p);

/*
 * Admits a verified transaction from `source` (0..n-1: forwarded by that replica; own index: own clients), judged
 * for the height after `executed`. TX_OK: a reference is kept. TX_KNOWN: already there. TX_DOUBLE_SPEND with
 * *winner (may be NULL): the pool's entry that spends the output (an input missing from state and pool is
 * TX_UNKNOWN_OUTPUT; the ledger tells whether it was spent). TX_POOL_FULL / TX_OWNER_FULL: bounds.
 */
enum tx_verdict pool_add(struct pool *p, struct tx *tx, unsigned source, struct qheight executed,
                         uint64_t now_ms, struct qtxid *winner);

struct tx *pool_find(const struct pool *p, const struct qtxid *id);          /* borrowed, or NULL */
struct tx *pool_find_leaf(const struct pool *p, const struct qhash *leaf);   /* borrowed, or NULL */
size_t pool_count(const struct pool *p);
size_t pool_bytes(const struct pool *p);

/*
 * Chooses a batch for a block on `top` (NULL: the state) at `height`: sources round-robin,
 * oldest first, parents before children, whatever is valid on the overlay `o` (a fresh one on top's chain), which gets their effects.
 * At most txs_max and bytes_max. Fills txs (borrowed until the next change of the pool); returns the count.
 */
size_t pool_choose(struct pool *p, struct overlay *o, struct qheight height, size_t txs_max,
                   size_t bytes_max, struct tx **txs);

/*
 * A block was executed: its transactions leave, and so does what conflicts with them, has expired, or
 * descends from such. `evicted` (may be NULL) is called for each conflicting one with the winner's id (for expiry: NULL).
 */
void pool_executed(struct pool *p, const struct block *b,
                   void (*evicted)(void *ctx, struct tx *tx, const struct qtxid *winner), void *ctx);

/* Is anything pending, other than what expires within the next block? */
bool pool_pending(const struct pool *p);

/* Own clients' transactions not yet forwarded: up to cap of them, at most bytes_max in all, marked as forwarded now
 * (at executed height h). All pending ones, of whatever source, from the oldest: pool_pending_batch(). */
size_t pool_forward_batch(struct pool *p, struct qheight h, uint64_t now_ms, size_t cap, size_t bytes_max, struct tx **txs);
size_t pool_pending_batch(struct pool *p, struct qheight h, uint64_t now_ms, size_t cap, size_t bytes_max, struct tx **txs);

/* The fairness rule (protocol.md, "When to suspect"): has a transaction forwarded in this view stayed
 * pending for more than timeout_ms and passed_max blocks? */
bool pool_unfair(const struct pool *p, struct qheight executed, uint64_t now_ms, uint64_t timeout_ms, uint64_t passed_max);
/* A new view or proposer: the counts restart from now. */
void pool_new_view(struct pool *p, struct qheight executed, uint64_t now_ms);

#endif
