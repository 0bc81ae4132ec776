/*
 * fuzz_address.c: addresses as text: one text for one address, and no single wrong character passes.
 *
 * Links: q_crypto
 */
#include <stdlib.h>

#include "account.h"
#include "crypto.h"
#include "err.h"
#include "fuzz.h"

static char genuine[8][ADDRESS_TEXT];

static void setup(void)
{
	must(crypto_init(NULL));
	for (uint8_t i = 0; i < 8; i++) {
		struct qaddress a = {{i, [19] = (uint8_t)(i * 31)}};
		address_format(&a, genuine[i]);
		fuzz_seed(genuine[i], ADDRESS_TEXT - 1);
	}
}

/* How many characters differ; ADDRESS_TEXT if the lengths do. */
static size_t distance(const char *a, const char *b)
{
	size_t cnt = 0;

	if (strlen(a) != strlen(b))
		return ADDRESS_TEXT;
	for (size_t i = 0; a[i] != '\0'; i++)
		cnt += a[i] != b[i];
	return cnt;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = xcalloc(len + 1, 1), again[ADDRESS_TEXT];
	struct qaddress a;
	struct err err = {0};

	if (len > 0)
		memcpy(text, data, len);
	bool ok = address_parse(text, &a, &err);
	must(ok || (err.kind == ERR_INPUT && err.text[0] != '\0'));
	for (size_t i = 0; i < 8; i++) {
		size_t wrong = distance(text, genuine[i]);
		must(wrong != 0 || ok);
		must(wrong != 1 || !ok);
	}
	if (ok)
		must(strcmp(address_format(&a, again), text) == 0);
	free(text);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "address", .runs = 20000, .setup = setup};
