/*
 * fuzz_genesis.c: the genesis as text: an error that says something, or a constitution that survives being
 * written and read again.
 *
 * Links: q_ledger
 */
#include "fuzz.h"
#include "rules.h"

static void add(unsigned n)
{
	struct rules rules;

	rules_setup(&rules, n, "fuzz");
	char *text = genesis_format(&rules.g);
	fuzz_seed(text, strlen(text));
	free(text);
	rules_teardown(&rules);
}

static void setup(void)
{
	add(1);
	add(4);
	add(7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err err = {0};
	struct genesis *g = genesis_parse((const char *)data, len, &err);

	if (!g) {
		must(err.kind == ERR_INPUT && err.text[0] != '\0');
		return 0;
	}
	char *text = genesis_format(g);
	struct genesis *again = genesis_parse(text, strlen(text), &err);
	must(again != NULL);
	must(qhash_eq(&g->chain, &again->chain) && qtxid_eq(&g->txid, &again->txid));
	must(g->supply == again->supply && g->n == again->n && g->quorum == again->quorum);
	must(g->n == 1 || (g->n >= 4 && g->n <= Q_REPLICAS_MAX));
	must(2 * g->quorum > g->n + g->f && g->quorum <= g->n - g->f);
	char *twice = genesis_format(again);
	must(strcmp(text, twice) == 0);
	free(text);
	free(twice);
	genesis_free(g);
	genesis_free(again);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "genesis", .runs = 10000, .setup = setup};
