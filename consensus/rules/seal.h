/*
 * seal.h: the proof of work that a chain may ask of its blocks.
 *
 * A block's hash, read as a big-endian number, is at most the target that its header names (Back's Hashcash,
 * as Bitcoin uses it).  The nonce is the header's last field and so part of the block's identity: one hash
 * checks identity and seal.  The target follows from the block's ancestors alone, in integers.
 * On a chain without seals a header must have none, and nothing else here has anything to do.
 */
#ifndef QUORATE_SEAL_H
#define QUORATE_SEAL_H

#include "genesis.h"

/* What the next header's seal depends on: the two headers below it. */
struct seal_parent {
	struct qtarget target; /* of the block below; at height 1, the first target */
	uint64_t time_ms;      /* of the block below */
	uint64_t before_ms;    /* of the block below that; 0: there is none, and nothing to measure */
};

/* Below height 1. */
void seal_genesis(const struct genesis *g, struct seal_parent *p);
/* One header up: `p` becomes what the block above *h needs. */
void seal_extend(struct seal_parent *p, const struct qheader *h);

/* A target of this many leading zero bits: 2^(256 - bits) - 1; bits 0 to 255. */
struct qtarget seal_target_of_bits(unsigned bits);
/* Is a at most b? Numbers of 32 bytes, big-endian. */
bool seal_at_most(const uint8_t a[32], const uint8_t b[32]);
/* Tries that one seal takes on average: 2^256 / (target + 1). */
double seal_work(const struct qtarget *target);

/*
 * The target of the block on `p`, where blocks need a proof of work.  Without an interval it is the first one
 * for ever.  Else it moves a 32nd of the way to what the last block's time asks for, of which at most five
 * intervals count, and stays between the genesis' bounds:
 *
 *     target * (31 * interval + min(took, 5 * interval)) / (32 * interval)
 *
 * So a step makes blocks easier by an eighth at most, harder by a 32nd.  Mining times are exponentially
 * distributed; with these numbers blocks come 1.024 intervals apart in the long run (a 16th and three
 * intervals: 1.10, because more of the long times is cut off and the target swings wider).
 */
struct qtarget seal_target(const struct genesis *g, const struct seal_parent *p);

/* An unmined seal for the block on `p`: its kind, its target, nonce 0. */
void seal_prepare(const struct genesis *g, const struct seal_parent *p, struct qseal *seal);

/*
 * What a header shows by itself: the chain's kind of seal, a target within the genesis' bounds (both are
 * the first one, where there is no interval), the hash at most the target. `hash` is block_hash()'s.
 */
bool seal_holds(const struct genesis *g, const struct qheader *h, const struct qhash *hash);

/* Is the target the one that the ancestors ask for?  Only what seal_holds() passed is worth asking. */
bool seal_follows(const struct genesis *g, const struct seal_parent *p, const struct qheader *h);

#endif
