/*
 * state.h: the unspent set and the rules that need it.
 *
 * `struct state` is the executed state: what is unspent after the last executed block, in
 * memory, with its incremental digest.  `struct overlay` is the effect of one block in flight on top of
 * its parent (another overlay, or the state), so that a chain of proposals is validated before
 * any of it is final.
 */
#ifndef QUORATE_STATE_H
#define QUORATE_STATE_H

#include "block.h"
#include "genesis.h"
#include "lthash.h"

/* One unspent output. `row` is the sequence number of its transaction in the store. */
struct unspent {
	struct qoutpoint point;
	struct qoutput out;
	struct qheight made_at; /* of its block; 0: by the genesis */
	int64_t row;
};

struct overlay;
struct state;
struct state *state_new(const struct genesis *g); /* borrowed for its life */
void state_free(struct state *s);
size_t state_count(const struct state *s);   /* of all unspent outputs */
uint64_t state_value(const struct state *s); /* sum of all unspent amounts */
const struct unspent *state_find(const struct state *s, const struct qoutpoint *p);
void state_insert(struct state *s, const struct unspent *u);   /* must not be there */
void state_remove(struct state *s, const struct qoutpoint *p); /* must be there */

/* ---- owners (of what is in memory) ---- */

/* What an owner has unspent: how many outputs, and their amounts by lock (released ones, free or not yet). */
struct address_sums {
	uint64_t outputs;
	uint64_t free, stake, release, frozen;
};

/* All zero for who has nothing. */
void state_owned_sums(const struct state *s, const struct qaddress *owner, struct address_sums *out);

/*
 * At most `limit` of an owner's outputs, in the order in which they were inserted; the first ones, or those
 * behind `after`, which has to be one of them: else none.  Borrowed until the state changes; returns how
 * many.
 */
size_t state_owned(const struct state *s, const struct qaddress *owner, const struct qoutpoint *after,
                   size_t limit, const struct unspent **out);

/*
 * For who cannot hold all that is unspent in memory: an output that was inserted "unsummed" is part of the
 * state (count, value, stakes), but is neither found nor walked over before it was recalled, which must be
 * before it is removed.  That it is unspent, and not there already, is the caller's to know.
 *
 * Of the digest it is no part before state_sum(), once, for all that are unspent when the digest is asked
 * for; what is removed before it was summed need never be, and that is most of the cost of both.
 */
void state_insert_unsummed(struct state *s, const struct unspent *u);
void state_sum(struct state *s, const struct unspent *u);
void state_recall(struct state *s, const struct unspent *u);            /* must not be there */
void state_remove_unsummed(struct state *s, const struct qoutpoint *p); /* recalled, never summed */

/*
 * For who fills a state and hashes on several threads: state_load() is state_insert(), except that the output
 * is no part of the digest before what state_sum_of() adds to a sum, which has to be all zero at first, came
 * into the state by state_add_sum().  state_sum_of() is pure. False: the output is there already.
 */
bool state_load(struct state *s, const struct unspent *u);
void state_sum_of(const struct unspent *u, struct lthash *sum);
void state_sum_all(const struct unspent *list, size_t cnt, struct lthash *sum); /* cheaper than one by one */
void state_add_sum(struct state *s, const struct lthash *sum);

/*
 * Tagged SHA-256 over: the LtHash digest of the unspent set (encoded outpoint, encoded output with its lock,
 * height as 8 bytes) and of all convictions (replica as 4 bytes, height as 8); the count of unspent outputs
 * and their value, 8 bytes each; the encoded qstaking.  Numbers are big-endian.  What CHECKPOINT signs.
 */
void state_digest(struct state *s, struct qhash *out);

/* Fills an empty state with the genesis' outputs (row 0) and, where proposers are by stake, the table of
 * their stakes. */
void state_begin(struct state *s);

/* Calls f for every unspent output, in no particular order. */
void state_each(const struct state *s, void (*f)(void *ctx, const struct unspent *u), void *ctx);

/* ---- stake (chains whose proposers are chosen by it; else all of this is empty) ---- */

/*
 * Stake is value in outputs that are locked for a replica; nothing else remembers it.
 *
 *     free --> STAKE r --> RELEASE r --> free again, once `unbonding` heights have passed
 *                 `------------`--> FROZEN r: the penalty's share, if r was convicted meanwhile
 *
 * 1  A transaction that spends STAKE spends nothing else, of one owner and one replica, and pays only to that
 *    owner, locked for that replica: STAKE, RELEASE, FROZEN.
 *
 * 2  Any other spends what is free: RELEASE is free from height made_at + unbonding on, FROZEN never.
 *    It pays free outputs, STAKE for any replica and any owner, and FROZEN by rule 3.
 *
 * 3  For each pair of owner and replica the FROZEN outputs add up to exactly the penalties due on the inputs
 *    of that pair: nobody's value is frozen for another's.
 *
 * A conviction at height c counts for the replica's stake that was made at or below c, and for its RELEASE
 * made at m where m <= c < m + unbonding: whoever spends it in a block above c leaves the penalty behind.
 * Not in the block at c itself: so the order within a block changes nothing, and what was made in it is
 * liable, before or after the conviction.  A penalty that is due stays due, however often the replica is
 * convicted again: therefore all convictions are kept, though for stake the last one tells.
 *
 * The owner being the replica's account makes stake the replica's own.  It stops counting at once; delegated
 * stake goes on counting where the genesis asks no penalty of it.
 */
const struct qstaking *state_staking(const struct state *s);

/* The first conviction, at u->made_at or above and below `below`, of the replica that *u is locked for; 0:
 * none, or not locked.  After `top` (NULL: the state). */
struct qheight stake_convicted(const struct state *s, const struct overlay *top, const struct unspent *u,
                               struct qheight below);

/* What stays frozen of this output when it is spent: the genesis' share of the amount, rounded up.
 * `convicted` is stake_convicted()'s; for STAKE the replica's last conviction says the same. */
uint64_t stake_penalty(const struct genesis *g, const struct unspent *u, struct qheight convicted);

/* Does it count for the replica that it is locked for, whose last conviction was at `convicted` (0: none)? */
bool stake_counts(const struct genesis *g, const struct unspent *u, struct qheight convicted);

/* Is it locked by the account of the replica that it is locked for? Else it is delegated. */
bool stake_is_own(const struct genesis *g, const struct unspent *u);

/* For who fills a state from a store: convictions, ascending, then the outputs, then the tables, ascending.
 * A conviction is above the replica's last one, and no output there was made above it. */
void state_convict(struct state *s, unsigned replica, struct qheight at);
void state_settle(struct state *s, const struct qtable *t);

/* An empty state with the convictions of `of` (borrowed for its life), as they are at any time: to judge a
 * transaction by outputs that are not executed yet. */
struct state *state_scratch(const struct state *of);

/* ---- blocks in flight ---------------------------------------------------- */

/* The block at `height`, on top of parent (kept by reference) or, where parent is NULL, of the state. */
struct overlay *overlay_new(const struct state *s, struct overlay *parent, struct qheight height);
struct overlay *overlay_ref(struct overlay *o);
void overlay_unref(struct overlay *o);

/*
 * Checks a parsed transaction against what is unspent after `top` (NULL: the state) for a block
 * at `height`: not expired, inputs unspent, witnesses exactly their owners, inputs equal outputs, the rules
 * of stake (TX_LOCKED, TX_BAD_LOCK, TX_PENALTY), an offence not punished yet: the verdict is of the first
 * that does not hold, in this order.
 *
 * On TX_DOUBLE_SPEND by a transaction of an overlay, *spender (may be
 * NULL) is its id; when the input is in neither overlay nor state the verdict is TX_UNKNOWN_OUTPUT (the store
 * tells spent from unknown). Signatures are tx_verify()'s.
 */
enum tx_verdict state_check(const struct state *s, const struct overlay *top, const struct tx *tx,
                            struct qheight height, struct qtxid *spender);

/* The same for who has looked up the inputs: found[i] is what input i spends, and unspent. */
enum tx_verdict state_check_found(const struct state *s, const struct overlay *top, const struct tx *tx,
                                  struct qheight height, const struct unspent *const *found);

/* Checks and, where it is TX_OK, adds the transaction's effect to `o`. */
enum tx_verdict overlay_add(struct overlay *o, const struct tx *tx);

/* All of a block's transactions in order; the index of the first that fails in *bad. */
enum tx_verdict overlay_add_block(struct overlay *o, const struct block *b, size_t *bad);

/*
 * The block that `o` stands for was executed: o->parent must be NULL. Applies it to the state
 * (rows of new outputs from `first_row` on, one per transaction), convictions and all, and settles
 * the stakes where an epoch ends.  Overlays on top of o stay valid: their chain now ends in the state.
 */
void overlay_apply(struct overlay *o, struct state *s, int64_t first_row);

#endif
