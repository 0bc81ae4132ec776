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
	int64_t row;
};

struct state;
struct state *state_new(void);
void state_free(struct state *s);
size_t state_count(const struct state *s);
uint64_t state_value(const struct state *s); /* sum of all unspent amounts */
const struct unspent *state_find(const struct state *s, const struct qoutpoint *p);
void state_insert(struct state *s, const struct unspent *u);   /* must not be there */
void state_remove(struct state *s, const struct qoutpoint *p); /* must be there */
/* Tagged SHA-256 over the LtHash digest of the unspent set (outpoint, owner, amount of each), their count
 * and value: what CHECKPOINT signs. */
void state_digest(const struct state *s, struct qhash *out);

/* Calls f for every unspent output, in no particular order. */
void state_each(const struct state *s, void (*f)(void *ctx, const struct unspent *u), void *ctx);

struct overlay;
/* On top of parent (kept by reference) or, where parent is NULL, of the state. */
struct overlay *overlay_new(const struct state *s, struct overlay *parent);
struct overlay *overlay_ref(struct overlay *o);
void overlay_unref(struct overlay *o);

/*
 * Checks a parsed transaction against what is unspent after `top` (NULL: the state) for a block
 * at `height`: inputs unspent, witnesses exactly their owners, inputs equal outputs, not expired.
 * On TX_DOUBLE_SPEND by a transaction of an overlay, *spender (may be NULL) is its id; when the input is
 * in neither overlay nor state the verdict is TX_UNKNOWN_OUTPUT (the store tells spent from unknown).
 * Signatures are tx_verify()'s.
 */
enum tx_verdict state_check(const struct state *s, const struct overlay *top, const struct tx *tx,
                            struct qheight height, struct qtxid *spender);

/* Checks and, where it is TX_OK, adds the transaction's effect to `o`. */
enum tx_verdict overlay_add(struct overlay *o, const struct tx *tx, struct qheight height);

/* All of a block's transactions in order; the index of the first that fails in *bad. */
enum tx_verdict overlay_add_block(struct overlay *o, const struct block *b, size_t *bad);

/*
 * The block that `o` stands for was executed: o->parent must be NULL. Applies it to the state
 * (rows of new outputs from `first_row` on, one per transaction) . Overlays on top of o
 * stay valid: their chain now ends in the state.
 */
void overlay_apply(struct overlay *o, struct state *s, int64_t first_row);

#endif
