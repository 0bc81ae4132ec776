/*
 * state_impl.h: what state.c, overlay.c and stake.c know of each other.
 */
#ifndef QUORATE_STATE_IMPL_H
#define QUORATE_STATE_IMPL_H

#include "state.h"

const struct genesis *state_genesis(const struct state *s);

/* The first conviction of the replica at `from` or above, of executed blocks; 0: none. The last; 0: none. */
struct qheight state_first_conviction(const struct state *s, unsigned replica, struct qheight from);
struct qheight state_last_conviction(const struct state *s, unsigned replica);

/* What an input spends, and the penalty due on it. */
struct stake_input {
	const struct unspent *u;
	uint64_t due;
};

/* The rules of stake (state.h) for a transaction in which something is locked; `ins` are its inputs'.
 * Balance, owners and offence are others' to check. */
enum tx_verdict stake_check(const struct genesis *g, const struct stake_input *ins,
                            const struct qtx_body *body, struct qheight height);

#endif
