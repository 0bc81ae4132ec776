/*
 * fuzz_genesis.c: the genesis as text: an error that says something, or a constitution that survives being
 * written and read again.
 *
 * Links: q_ledger
 */
#include "fuzz.h"
#include "rules.h"

/* `replicas` of the chain's n, and so much for the first account. */
static void add(unsigned n, unsigned replicas, uint64_t amount)
{
	struct rules rules;

	rules_setup(&rules, n, "fuzz");
	rules.g.g.replicas.replicas_len = replicas;
	rules.g.g.allocations.allocations_val[0].amount = amount;
	char *text = genesis_format(&rules.g);
	fuzz_seed(text, strlen(text));
	free(text);
	rules.g.g.replicas.replicas_len = n;
	rules_teardown(&rules);
}

static void setup(void)
{
	add(1, 1, 1000);
	add(4, 4, 1000);
	add(7, 7, INT64_MAX - 500);
	add(4, 4, INT64_MAX);
	add(4, 3, 1000);
	add(4, 0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err err = {0};
	struct genesis *g = genesis_parse((const char *)data, len, &err);

	if (!g) {
		must(err.kind == ERR_INPUT && err.text[0] != '\0');
		return 0;
	}
	uint64_t supply = 0;
	for (unsigned i = 0; i < g->g.allocations.allocations_len; i++) {
		must(g->g.allocations.allocations_val[i].amount <= INT64_MAX);
		supply += g->g.allocations.allocations_val[i].amount;
		must(supply <= INT64_MAX);
	}
	must(supply == g->supply);
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
