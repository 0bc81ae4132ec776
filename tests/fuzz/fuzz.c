/*
 * fuzz.c: the genuine values of a fuzz target.
 */
#include <stdlib.h>

#include "err.h"
#include "fuzz.h"

static struct bytes seeds[FUZZ_SEEDS_MAX];
static size_t cnt;

static struct bytes *add(size_t len)
{
	must(cnt < FUZZ_SEEDS_MAX);
	seeds[cnt] = (struct bytes){xcalloc(len + 1, 1), len};
	return &seeds[cnt++];
}

void fuzz_seed(const void *data, size_t len)
{
	struct bytes *b = add(len);

	if (len > 0)
		memcpy(b->data, data, len);
}

void fuzz_seed_as(uint8_t selector, const void *data, size_t len)
{
	struct bytes *b = add(len + 1);

	b->data[0] = selector;
	if (len > 0)
		memcpy(b->data + 1, data, len);
}

size_t fuzz_seed_cnt(void)
{
	return cnt;
}

const struct bytes *fuzz_seed_at(size_t i)
{
	return &seeds[i];
}

void fuzz_finish(void)
{
	if (fuzz_target.teardown)
		fuzz_target.teardown();
	while (cnt > 0)
		bytes_free(&seeds[--cnt]);
}
