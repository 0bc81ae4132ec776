/*
 * fuzz_canary.c: a list whose reader reads one element too far.  A fuzzer that does not find this would not
 * find anything: the test passes when it fails.
 *
 * Links: q_wire
 */
#include "err.h"
#include "fuzz.h"

static void setup(void)
{
	fuzz_seed("\4\1\2\3\4", 5);
}

/* The k-th element of a list of data[0] bytes, k being the list's first. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2 || data[0] != len - 1 || data[1] > data[0]) /* the bug: it should be >= */
		return 0;
	volatile uint8_t element = data[1 + data[1]];
	(void)element;
#ifndef __SANITIZE_ADDRESS__
	must((size_t)1 + data[1] < len); /* nobody else would notice */
#endif
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "canary", .runs = 20000, .canary = true, .setup = setup};
