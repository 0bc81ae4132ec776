/*
 * founding.h: the genesis of the chains that the programs here make: names, parameters, replicas.
 */
#ifndef QUORATE_BENCH_FOUNDING_H
#define QUORATE_BENCH_FOUNDING_H

#include <stdio.h>

#include "genesis.h"
#include "ident.h"

/* All but the allocations and genesis_finish(). ids[0..cnt) are made; ident_free() them. */
static inline void found(struct qgenesis *g, struct ident **ids, unsigned cnt)
{
	char text[64];

	g->format = 1;
	g->name = xstrdup("bench");
	g->time_ms = 1700000000000;
	g->params = genesis_default_params();
	g->replicas.replicas_len = cnt;
	g->replicas.replicas_val = xcalloc(cnt, sizeof *g->replicas.replicas_val);
	for (unsigned i = 0; i < cnt; i++) {
		struct qreplica *r = &g->replicas.replicas_val[i];
		ids[i] = ident_from_seed((uint8_t[32]){(uint8_t)(i + 1)});
		snprintf(text, sizeof text, "replica-%u", i);
		r->name = xstrdup(text);
		snprintf(text, sizeof text, "tcp://127.0.0.1:%u", 7000 + i);
		r->address = xstrdup(text);
		r->key = ident_key(ids[i]);
	}
}

#endif
