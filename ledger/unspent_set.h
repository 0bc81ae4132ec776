/*
 * unspent_set.h: unspent outputs in memory: by outpoint, and each owner's in a list with their sums.
 *
 * An output takes 112 bytes, 11 to 22 for its place in the index, and as many again, with 48, if it is the
 * first of its owner.  Nothing is moved as the set grows, and an output keeps its number and its address
 * until it is removed; the memory of what was removed is used anew.
 */
#ifndef QUORATE_UNSPENT_SET_H
#define QUORATE_UNSPENT_SET_H

#include "numbers.h"
#include "state.h"

#define UNSPENT_NONE NUMBERS_NONE

struct unspent_entry {
	struct unspent u;
	uint32_t owner;        /* number of an owner; UNSPENT_NONE: the entry is free */
	uint32_t older, newer; /* numbers of outputs of the same owner, or UNSPENT_NONE */
	uint32_t owed;         /* its user's (state.c); 0 at first */
};

/* Things of one size, by number. */
struct unspent_slab {
	char **chunks;
	uint32_t cnt;       /* numbers below it have been given out */
	uint32_t came_back; /* the last one that was given back, or UNSPENT_NONE */
};

struct unspent_set {
	struct unspent_slab entries, owners;
	struct numbers by_point, by_owner;
};

void unspent_set_init(struct unspent_set *set);
void unspent_set_clear(struct unspent_set *set);

/* The number of an output, or UNSPENT_NONE; `hash` is outpoint_hash() of what is looked for. */
uint32_t unspent_find(const struct unspent_set *set, const struct qoutpoint *p, uint32_t hash);
struct unspent_entry *unspent_at(const struct unspent_set *set, uint32_t number);

/* Its number; it must not be there. */
uint32_t unspent_add(struct unspent_set *set, const struct unspent *u, uint32_t hash);
void unspent_remove(struct unspent_set *set, uint32_t number, uint32_t hash);

/* Any number below unspent_end() may be asked whether it is there. */
uint32_t unspent_end(const struct unspent_set *set);

/* state_owned_sums() and state_owned(); `after` is a number or UNSPENT_NONE. */
void unspent_owned_sums(const struct unspent_set *set, const struct qaddress *owner,
                        struct address_sums *out);
size_t unspent_owned(const struct unspent_set *set, const struct qaddress *owner, uint32_t after,
                     size_t limit, const struct unspent **out);

#endif
