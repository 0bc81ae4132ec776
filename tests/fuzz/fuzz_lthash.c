/*
 * fuzz_lthash.c: the digest of a multiset: whatever order elements came and went in, it depends on what is
 * there alone, and differs where that does.  An input is a list of deeds of two bytes: which element, and
 * whether it comes or goes (also one that is not there); judged by counting.
 *
 * Links: q_crypto
 */
#include "crypto.h"
#include "err.h"
#include "fuzz.h"
#include "lthash.h"

#define ELEMENTS 32 /* of as many lengths, zero included */
#define DEEDS_MAX 64

static uint8_t elements[ELEMENTS][ELEMENTS];

static void setup(void)
{
	must(crypto_init(NULL));
	for (uint8_t i = 0; i < ELEMENTS; i++)
		memset(elements[i], i / 4, sizeof elements[i]); /* some differ by length alone */
	fuzz_seed((uint8_t[]){1, 0, 2, 0, 1, 1}, 6);
	fuzz_seed((uint8_t[]){0, 0, 31, 0, 30, 1, 31, 1, 0, 1, 30, 0}, 12);
}

static void apply(struct lthash *h, unsigned which, bool goes)
{
	if (goes)
		lthash_remove(h, elements[which], which);
	else
		lthash_add(h, elements[which], which);
}

/* The same by counts: ascending, what goes first. */
static void rebuild(const int counts[ELEMENTS], struct lthash *h)
{
	memset(h, 0, sizeof *h);
	for (unsigned goes = 2; goes-- > 0;)
		for (unsigned i = 0; i < ELEMENTS; i++)
			for (int k = goes ? -counts[i] : counts[i]; k > 0; k--)
				apply(h, i, goes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int counts[ELEMENTS] = {0};
	struct lthash h = {{0}}, again, none = {{0}};
	struct qhash digest, digest_again, digest_none;
	bool empty = true;

	for (size_t i = 0; i < DEEDS_MAX && 2 * i + 2 <= len; i++) {
		unsigned which = data[2 * i] % ELEMENTS;
		bool goes = data[2 * i + 1] & 1;
		counts[which] += goes ? -1 : 1;
		apply(&h, which, goes);
	}
	for (unsigned i = 0; i < ELEMENTS; i++)
		empty = empty && counts[i] == 0;
	rebuild(counts, &again);
	lthash_digest(&h, &digest);
	lthash_digest(&again, &digest_again);
	lthash_digest(&none, &digest_none);
	must(memcmp(&h, &again, sizeof h) == 0 && qhash_eq(&digest, &digest_again));
	must(qhash_eq(&digest, &digest_none) == empty);
	apply(&again, len % ELEMENTS, false);
	lthash_digest(&again, &digest_again);
	must(!qhash_eq(&digest, &digest_again));
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "lthash", .runs = 1000, .record = 2, .setup = setup};
