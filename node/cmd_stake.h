/*
 * cmd_stake.h: what the parts of `quorate stake` share.
 */
#ifndef QUORATE_CMD_STAKE_H
#define QUORATE_CMD_STAKE_H

#include "settle.h"

int cmd_stake_convict(int argc, char **argv); /* cmd_convict.c */

/* settle_open() for what makes no sense without a genesis, which must choose proposers by stake. */
bool stake_open(struct settle *s, const struct settle_args *args, struct err *err);
bool stake_chain(const struct genesis *g, struct err *err);

struct qaddress stake_address(const struct account *a);

/* The outcome and, where it is one to tell more about, the fields of `more` (taken; may be NULL). */
void stake_say(const struct settle *s, enum outcome o, json_t *more);

#endif
