/*
 * chain.c: the genesis that libquorate's callers hold.
 */
#include "lib.h"

#include <stdlib.h>

#include "crypto.h"

static struct quorate_genesis *of_genesis_take(struct genesis *g)
{
	struct quorate_genesis *genesis = xcalloc(1, sizeof *genesis);
	genesis->g = g;
	hex_encode(genesis->chain, g->chain.b, sizeof g->chain.b);
	return genesis;
}

static int finish(struct genesis *g, struct quorate_genesis **out, const struct err *err,
                  struct quorate_error *error)
{
	if (g == NULL)
		return lib_fail(error, err);
	*out = of_genesis_take(g);
	return QUORATE_OK;
}

int quorate_genesis_load(const char *path, struct quorate_genesis **out, struct quorate_error *error)
{
	struct err err = {0};
	if (!LIB_BEGIN(out, &err) || !lib_given(path, "path", &err))
		return lib_fail(error, &err);
	return finish(genesis_load(path, &err), out, &err, error);
}

int quorate_genesis_parse(const char *text, size_t len, struct quorate_genesis **out,
                          struct quorate_error *error)
{
	struct err err = {0};
	if (!LIB_BEGIN(out, &err) || !lib_given(text, "text", &err))
		return lib_fail(error, &err);
	return finish(genesis_parse(text, len, &err), out, &err, error);
}

const char *quorate_genesis_chain(const struct quorate_genesis *genesis)
{
	return genesis != NULL ? genesis->chain : NULL;
}

void quorate_genesis_free(struct quorate_genesis *genesis)
{
	if (genesis == NULL)
		return;
	genesis_free(genesis->g);
	free(genesis);
}
