/*
 * verdict.h: what has to be true of the files that nodes leave behind, whatever became of the nodes.
 */
#ifndef QUORATE_TEST_VERDICT_H
#define QUORATE_TEST_VERDICT_H

#include "load.h"

/*
 * Of nodes that do not run: `quorate audit` finds every ledger sound, and all tell one story; all are equally
 * high; no coin was made or lost; every promise to a client is kept by every ledger; no replica has signed
 * two statements for one (kind, view, height), and none holds evidence against another. Fails the test
 * otherwise. Returns the height.
 */
uint64_t verdict(struct nodes *s, struct load *l);

#endif
