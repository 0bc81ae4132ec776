/*
 * fuzz.c: the genuine values of a fuzz target, its regressions, and changes to inputs that are lists.
 */
#include "fuzz.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "err.h"

#define REGRESSION_MAX (1u << 20)

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

/* ---- regressions ------------------------------------------------------------------------ */

static void add_file(const char *path)
{
	uint8_t *data = xcalloc(REGRESSION_MAX, 1);
	FILE *f = fopen(path, "re");

	must(f != NULL);
	fuzz_seed(data, fread(data, 1, REGRESSION_MAX, f));
	fclose(f);
	free(data);
}

void fuzz_begin(void)
{
	char pattern[4096];
	glob_t found;

	fuzz_target.setup();
	snprintf(pattern, sizeof pattern, "%s/%s/*", FUZZ_REGRESSIONS, fuzz_target.name);
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			add_file(found.gl_pathv[i]);
	globfree(&found);
}

void fuzz_finish(void)
{
	if (fuzz_target.teardown)
		fuzz_target.teardown();
	while (cnt > 0)
		bytes_free(&seeds[--cnt]);
}

/* ---- lists of records --------------------------------------------------------------------- */

static size_t draw(uint64_t *random, size_t below) /* splitmix64 */
{
	uint64_t z = *random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return below > 0 ? (size_t)((z ^ (z >> 31)) % below) : 0;
}

/* Puts `some` records of a genuine value, or of the list itself, before the record `at`. */
static size_t insert(uint8_t *data, size_t len, size_t cap, size_t at, uint64_t *random)
{
	size_t size = fuzz_target.record;
	const struct bytes *b = &seeds[draw(random, cnt)];
	size_t from = draw(random, b->len / size), some = 1 + draw(random, 4);
	uint8_t copy[4 * 64];

	must(size <= 64);
	if (from * size + some * size > b->len)
		some = b->len / size - from;
	if (some == 0 || len + some * size > cap)
		return len;
	memcpy(copy, b->data + from * size, some * size);
	memmove(data + (at + some) * size, data + at * size, len - at * size);
	memcpy(data + at * size, copy, some * size);
	return len + some * size;
}

bool fuzz_change_records(uint8_t *data, size_t *len, size_t cap, uint64_t random)
{
	size_t size = fuzz_target.record, records = size > 0 ? *len / size : 0;
	uint64_t state = random;
	uint8_t one[64];

	if (size == 0)
		return false;
	*len = records * size;
	size_t at = draw(&state, records), other = draw(&state, records);
	switch (draw(&state, records > 0 ? 6 : 1)) {
	case 0:
	case 1:
		*len = insert(data, *len, cap, at, &state);
		break;
	case 2: /* drop one */
		memmove(data + at * size, data + (at + 1) * size, (records - at - 1) * size);
		*len -= size;
		break;
	case 3: /* swap two */
		memcpy(one, data + at * size, size);
		memcpy(data + at * size, data + other * size, size);
		memcpy(data + other * size, one, size);
		break;
	default: /* one byte of one */
		data[at * size + draw(&state, size)] =
		    (uint8_t)(draw(&state, 2) ? draw(&state, 256) : draw(&state, 8));
		break;
	}
	return true;
}
