/*
 * state_impl.h: what state.c, overlay.c and stake.c know of each other.
 */
#ifndef QUORATE_STATE_IMPL_H
#define QUORATE_STATE_IMPL_H

#include "hash.h"
#include "state.h"

const struct genesis *state_genesis(const struct state *s);

/* The first conviction of the replica at `from` or above, of executed blocks; 0: none. The last; 0: none. */
struct qheight state_first_conviction(const struct state *s, unsigned replica, struct qheight from);
struct qheight state_last_conviction(const struct state *s, unsigned replica);

/*
 * Where tables look for an outpoint.  Ids are made by whoever makes a transaction, who can look for ones that
 * meet: so an id is hashed with a secret of the process.  The outputs of one transaction cannot meet, for the
 * factor is odd, and that saves a hash for each but the first.
 */
static inline uint32_t outpoint_hash(uint32_t txid_hash, uint32_t index)
{
	return txid_hash + index * 0x9e3779b1U;
}

static inline uint32_t txid_hash(const struct qtxid *id)
{
	return hash_short(id->b, sizeof id->b);
}

/* state_find(), state_insert() and state_remove() for who has the hash. */
const struct unspent *state_find_hashed(const struct state *s, const struct qoutpoint *p, uint32_t hash);
void state_insert_hashed(struct state *s, const struct unspent *u, uint32_t hash);
void state_remove_hashed(struct state *s, const struct qoutpoint *p, uint32_t hash);

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
