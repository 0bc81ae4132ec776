/*
 * ranges.h: how small and how large the numbers of any genesis may be.  What the others of the same
 * genesis leave of that is genesis_finish()'s business.
 */
#ifndef QUORATE_GENESIS_RANGES_H
#define QUORATE_GENESIS_RANGES_H

#include "wire.h"

/* Largest sensible values; where the schema has a bound, that one is used. */
#define TIME_MAX_MS 253402300799999u /* the year 9999 */
#define CHECKPOINT_MIN 4
#define WINDOW_MIN 2
#define BLOCK_BYTES_MIN Q_TX_BYTES_MAX /* else a valid transaction could fit in no block */
#define BLOCK_BYTES_MAX (4u << 20)     /* a block must fit in one envelope with room to spare */
#define TIMEOUT_MIN_MS 50
#define TIMEOUT_MAX_MS 600000
#define TIMEOUT_CAP_MAX_MS 3600000
#define DRIFT_MAX_MS 3600000
#define POOL_MAX 1000000
#define POW_BITS_MAX 48
#define POW_INTERVAL_MAX_MS 3600000
#define EPOCH_MIN (2 * CHECKPOINT_MIN) /* and three windows: the smallest are less */
#define EPOCH_MAX 1000000
/* Released at once after a table has counted it, stake backs proposers for two epochs yet; a third one is
 * left to convict whoever misused it. */
#define UNBONDING_EPOCHS 3

#endif
