/*
 * libfuzzer.c: libFuzzer as the engine of a fuzz target (see fuzz.h).
 *
 * Genuine values enter by the corpus directory, where one is given, and else by the mutator, which now and
 * then begins with one of them in place of what libFuzzer offers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "err.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t cap, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t cap); /* libFuzzer's own */

static bool have_corpus;

static void put_seed(const char *directory, size_t i)
{
	const struct bytes *b = fuzz_seed_at(i);
	char path[4096];

	snprintf(path, sizeof path, "%s/seed-%03zu", directory, i);
	FILE *f = fopen(path, "we");
	must(f != NULL && fwrite(b->data, 1, b->len, f) == b->len && fclose(f) == 0);
}

static void put_seeds(int argc, char **argv)
{
	struct stat st;

	for (int k = 1; k < argc && !have_corpus; k++) {
		if (argv[k][0] == '-' || stat(argv[k], &st) != 0 || !S_ISDIR(st.st_mode))
			continue;
		for (size_t i = 0; i < fuzz_seed_cnt(); i++)
			put_seed(argv[k], i);
		have_corpus = true;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_begin();
	must(atexit(fuzz_finish) == 0);
	put_seeds(*argc, *argv);
	for (size_t i = 0; i < fuzz_seed_cnt() && !have_corpus; i++)
		LLVMFuzzerTestOneInput(fuzz_seed_at(i)->data, fuzz_seed_at(i)->len);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t cap, unsigned seed)
{
	if (!have_corpus && (len < 8 || seed % 32 == 0)) {
		const struct bytes *b = fuzz_seed_at(seed / 32 % fuzz_seed_cnt());
		len = b->len < cap ? b->len : cap;
		memcpy(data, b->data, len);
		if (seed / 32 % 8 == 0)
			return len;
	}
	if (seed / 256 % 4 != 0 && fuzz_change_records(data, &len, cap, seed))
		return len;
	return LLVMFuzzerMutate(data, len, cap);
}
