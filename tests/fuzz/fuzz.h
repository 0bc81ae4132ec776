/*
 * fuzz.h: what every fuzz target is made of.
 *
 * A target is one file, fuzz_NAME.c: fuzz_target names it and makes its genuine values, which
 * LLVMFuzzerTestOneInput() takes as they are or damaged.  Properties are must()s: one that does not hold
 * aborts, and so does a sanitizer.  Two engines run the same files:
 *
 *   libfuzzer.c  clang, preset clang-fuzz: guided by coverage, for as long as one likes; `night` runs them
 * all driver.c     any other build: a fixed number of pseudo-random inputs, always the same, as an ordinary
 * test
 *
 * Both take -runs=N, -seed=N, and files to replay.  An input that fails is left in ./crash-*; once its bug is
 * understood it goes to regressions/NAME/, which both engines try first, always.
 */
#ifndef QUORATE_FUZZ_H
#define QUORATE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct fuzz_target {
	const char *name;
	unsigned runs; /* of driver.c: a second or two under the sanitizers */
	bool canary;   /* must fail */
	/* An input is a list of records of so many bytes: whole ones are also moved, repeated and dropped.
	 * 0: it is not. */
	size_t record;
	void (*setup)(void);
	void (*teardown)(void); /* may be NULL */
};
extern const struct fuzz_target fuzz_target;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* ---- for setup: genuine values and near misses, from which damaged ones are made (copied) --- */

#define FUZZ_SEEDS_MAX 256
void fuzz_seed(const void *data, size_t len);
/* The same with a byte before it, which selects what the target does with it. */
void fuzz_seed_as(uint8_t selector, const void *data, size_t len);

/* ---- for engines --------------------------------------------------------------------- */

void fuzz_begin(void); /* setup, and the regressions as seeds */
size_t fuzz_seed_cnt(void);
const struct bytes *fuzz_seed_at(size_t i);
/* One change to a list of records: true, with *len changed, if the target's inputs are such. */
bool fuzz_change_records(uint8_t *data, size_t *len, size_t cap, uint64_t random);
void fuzz_finish(void); /* teardown and the seeds */

#endif
