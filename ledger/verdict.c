/*
 * verdict.c: the table of verdict.h as data.
 */
#include "verdict.h"
#include "err.h"

static const struct tx_verdict_info infos[TX_VERDICT_CNT] = {
#define V(name, code, status, text) [name] = {code, status, text},
    TX_VERDICTS(V)
#undef V
};

const struct tx_verdict_info *tx_verdict_info(enum tx_verdict v)
{
	must((unsigned)v < TX_VERDICT_CNT);
	return &infos[v];
}
