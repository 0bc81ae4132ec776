/*
 * load.h: clients that keep paying while nodes die, and remember every promise that they were given.
 *
 * Each account owns one coin and pays it to itself, again and again, so that there is always a payment of
 * each in flight; some payments have a twin that spends the same coin, handed to another node. A payment that
 * a node calls final is noted with its height once that node's receipt for it holds against the genesis.
 */
#ifndef QUORATE_TEST_LOAD_H
#define QUORATE_TEST_LOAD_H

#include "nodes.h"

#define LOAD_COIN 1000 /* what each account has */

struct load;

/* The allocations of a genesis for so many accounts; free() it. */
struct qoutput *load_allocations(unsigned accounts);

/* Starts a thread that pays through all nodes; twins: one payment in so many has one, 0: none. */
struct load *load_start(struct nodes *s, unsigned accounts, unsigned twins, uint64_t seed);
/* The thread stops after what it is doing; what it was told stays. */
void load_stop(struct load *l);
void load_go_on(struct load *l);
void load_free(struct load *l); /* stopped */

/* Readable whenever there is more in load_final() than at the last load_wake_clear(). */
int load_wake_fd(const struct load *l);
void load_wake_clear(struct load *l);
size_t load_final(struct load *l);
size_t load_receipts(struct load *l); /* how many of them with a receipt that holds */
/* Nothing is asked of these nodes for now: they are paused. */
void load_avoid(struct load *l, uint64_t mask);
/* Fails the test if a client was told something that cannot be. */
void load_judge(struct load *l);

/* Every promise is kept by this ledger: what was called final stands in it, once, at that height, and no twin
 * of it does. Fails the test otherwise. */
void load_check_ledger(struct load *l, const char *path);

#endif
