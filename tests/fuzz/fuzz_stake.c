/*
 * fuzz_stake.c: fuzz_replica.c, its deeds and judgements, on a chain whose proposers are chosen by stake and
 * whose blocks are sealed: locks, offences, tables and targets in every message and in both files.
 *
 * Links: q_replica
 */
#define CHRONICLE_STAKED
#define FUZZ_NAME "stake"

#include "fuzz_replica.c"
