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

struct state;
struct state *state_new(const struct genesis *g); /* borrowed for its life */
void state_free(struct state *s);
size_t state_count(const struct state *s);
uint64_t state_value(const struct state *s); /* sum of all unspent amounts */
const struct unspent *state_find(const struct state *s, const struct qoutpoint *p);
void state_insert(struct state *s, const struct unspent *u);   /* must not be there */
void state_remove(struct state *s, const struct qoutpoint *p); /* must be there */
/* Tagged SHA-256 over the LtHash digest of the unspent set (outpoint, output and height of each), their count
 * and value, and the stakes: what CHECKPOINT signs. */
void state_digest(const struct state *s, struct qhash *out);

/* Calls f for every unspent output, in no particular order. */
void state_each(const struct state *s, void (*f)(void *ctx, const struct unspent *u), void *ctx);

/* ---- stake (chains whose proposers are chosen by it; else all of this is empty) ---- */

/*
 * Stake is value in outputs that are locked for a replica; nothing else remembers it.
 *
 *     free --> STAKE r --> RELEASE r --> free again, once `unbonding` heights have passed
 *                 `------------`--> FROZEN r: the penalty's share, if r was convicted meanwhile
 *
 * A transaction that spends STAKE spends nothing else, of one owner and one replica, and pays that owner:
 * STAKE of the same replica, RELEASE, FROZEN.  RELEASE and FROZEN arise in no other way, but for the FROZEN
 * share of a RELEASE that was convicted.  The FROZEN outputs are exactly the penalties due on the inputs.
 *
 * A conviction counts for every output of the replica's that was locked at or below its height: it stops
 * counting as stake at once, and whoever moves it leaves the penalty behind.  The owner being the replica's
 * account makes it the replica's own; delegated stake keeps counting where the genesis asks no penalty of it.
 */
const struct qstaking *state_staking(const struct state *s);

/* What stays frozen of this output when it is spent, the replica's last conviction being at `convicted` (0:
 * none): the genesis' share of the amount, rounded up. */
uint64_t stake_penalty(const struct genesis *g, const struct unspent *u, struct qheight convicted);

/* Does it count for the replica that it is locked for? */
bool stake_counts(const struct genesis *g, const struct unspent *u, struct qheight convicted);

/* For who fills a state from a store: convictions first, then the outputs, then the tables, ascending. */
void state_convict(struct state *s, unsigned replica, struct qheight at);
void state_settle(struct state *s, const struct qtable *t);

/* ---- blocks in flight ---------------------------------------------------- */

struct overlay;
/* The block at `height`, on top of parent (kept by reference) or, where parent is NULL, of the state. */
struct overlay *overlay_new(const struct state *s, struct overlay *parent, struct qheight height);
struct overlay *overlay_ref(struct overlay *o);
void overlay_unref(struct overlay *o);

/*
 * Checks a parsed transaction against what is unspent after `top` (NULL: the state) for a block
 * at `height`: inputs unspent, witnesses exactly their owners, inputs equal outputs, not expired, the rules
 * of stake, an offence not punished yet.
 * On TX_DOUBLE_SPEND by a transaction of an overlay, *spender (may be NULL) is its id; when the input is
 * in neither overlay nor state the verdict is TX_UNKNOWN_OUTPUT (the store tells spent from unknown).
 * Signatures are tx_verify()'s.
 */
enum tx_verdict state_check(const struct state *s, const struct overlay *top, const struct tx *tx,
                            struct qheight height, struct qtxid *spender);

/* Checks and, where it is TX_OK, adds the transaction's effect to `o`. */
enum tx_verdict overlay_add(struct overlay *o, const struct tx *tx);

/* All of a block's transactions in order; the index of the first that fails in *bad. */
enum tx_verdict overlay_add_block(struct overlay *o, const struct block *b, size_t *bad);

/*
 * The block that `o` stands for was executed: o->parent must be NULL. Applies it to the state
 * (rows of new outputs from `first_row` on, one per transaction) . Overlays on top of o
 * stay valid: their chain now ends in the state.
 */
void overlay_apply(struct overlay *o, struct state *s, int64_t first_row);

#endif
