/*
 * parts.h: a digest of each part of a genesis, so that whoever has another one can be told what differs.
 */
#ifndef QUORATE_PARTS_H
#define QUORATE_PARTS_H

#include "genesis.h"

#define PARTS_CNT 9
/* Keys of the genesis file; the order is part of the protocol (struct qhello): new ones come last. */
extern const char *const parts_name[PARTS_CNT];

void parts_digest(const struct genesis *g, struct qhash digest[PARTS_CNT]);

#endif
