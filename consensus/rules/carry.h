/*
 * carry.h: what a NEW-VIEW carries over from the views before: it follows from its VIEW-CHANGEs alone, for
 * the primary, for who enters the view, and for an auditor years later.
 */
#ifndef QUORATE_CARRY_H
#define QUORATE_CARRY_H

#include "genesis.h"

/*
 * NV3: of V, which are `cnt` VIEW-CHANGEs that were opened (message_open()) for one view:
 * *s is the certificate of the greatest height that any of them proves, of a tip or a stable checkpoint, or
 * NULL: the genesis.  o[] are the blocks above it, one height after the other, each prepared in the highest
 * view; they end where there is none, or where it does not extend the one below. Both point into V. Returns
 * how many o[] has.
 */
size_t carry_over(const struct genesis *g, const struct qview_change *const *changes, size_t cnt,
                  const struct qcert **s, const struct qprepared *o[Q_WINDOW_MAX]);

#endif
