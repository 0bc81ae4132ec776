/*
 * spawn.c: the real program's report; apart, for what runs it (chain.h) and what makes ledgers (auditing.h)
 * both know a `struct chain`.
 */
#include "chain.h"

json_t *gallery_audit(const char *genesis, const char *const *paths, size_t cnt, int *code, char **errs);
char *gallery_trace(const char *genesis, const char *ledger, const char *txid, int *code);

json_t *gallery_audit(const char *genesis, const char *const *paths, size_t cnt, int *code, char **errs)
{
	char *argv[16] = {"quorate", "audit", "--json", "--genesis", (char *)genesis};
	char *out;

	for (size_t i = 0; i < cnt; i++)
		argv[5 + i] = (char *)paths[i];
	*code = quorate_argv(&out, errs, argv);
	json_t *report = json_loads(out, 0, NULL);
	free(out);
	return report;
}

char *gallery_trace(const char *genesis, const char *ledger, const char *txid, int *code)
{
	char *errs;

	*code = quorate(NULL, &errs, "trace", txid, "--genesis", genesis, "--ledger", ledger, NULL);
	return errs;
}
