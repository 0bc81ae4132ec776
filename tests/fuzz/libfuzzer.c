/*
 * libfuzzer.c: libFuzzer as the engine of a fuzz target (see fuzz.h).
 *
 * No corpus is kept: genuine values enter by the mutator, which now and then begins with one of them in
 * place of what libFuzzer offers.
 */
#include <stdlib.h>

#include "err.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t cap, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t cap); /* libFuzzer's own */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_target.setup();
	must(atexit(fuzz_finish) == 0);
	for (size_t i = 0; i < fuzz_seed_cnt(); i++)
		LLVMFuzzerTestOneInput(fuzz_seed_at(i)->data, fuzz_seed_at(i)->len);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t cap, unsigned seed)
{
	if (len < 8 || seed % 32 == 0) {
		const struct bytes *b = fuzz_seed_at(seed / 32 % fuzz_seed_cnt());
		len = b->len < cap ? b->len : cap;
		memcpy(data, b->data, len);
		if (seed / 32 % 8 == 0)
			return len;
	}
	return LLVMFuzzerMutate(data, len, cap);
}
