/*
 * standin.h: cheap functions in the place of hashes and signatures, for simulations: the same digests and
 * signatures with any compiler on any machine, well mixed, and worth nothing against somebody who wants to
 * forge one. What a signature does not fit is refused as it is by the real ones, down to the last bit.
 */
#ifndef QUORATE_SIM_STANDIN_H
#define QUORATE_SIM_STANDIN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * From here on all of crypto/ works with the stand-ins, or again with the real functions. For the whole
 * process: no other thread may be using crypto/. Keys, hashes and signatures made before the switch hold no
 * longer, and a cache of what was verified must not be carried over it.
 */
void standin_use(bool on);

/* How many signatures of replicas the stand-ins have checked so far. */
uint64_t standin_replica_checks(void);

#endif
