/*
 * genesis.h: a chain's constitution: replicas, parameters, allocations; reading,
 * validating and writing it; the chain id.
 *
 * The file is JSON, read strictly: unknown or duplicate keys, wrong types and bad
 * values are errors that name the field.  The chain id is a tagged SHA-256 over the
 * canonical encoding (struct qgenesis), so formatting of the JSON does not matter and
 * every parameter of consensus does.
 */
#ifndef QUORATE_GENESIS_H
#define QUORATE_GENESIS_H

#include "err.h"
#include "wire.h"

struct genesis {
	struct qgenesis g;     /* owned */
	struct qhash chain;    /* the chain id; also the block hash of height 0 */
	struct qtxid txid;     /* transaction id of the allocations' outputs */
	uint64_t supply;       /* sum of the allocations */
	unsigned n, f, quorum; /* f = (n-1)/3, quorum = ceil((n+f+1)/2) */
};

/* Defaults of every parameter. */
struct qparams genesis_default_params(void);

/* Checks all rules (n is 1 or 4..64, distinct valid keys and names, bounds, sums) and derives
 * chain, txid, supply, n, f, quorum from g->g. */
bool genesis_finish(struct genesis *g, struct err *err);

/* Reads and checks a file (at most 256 MiB).  NULL with *err naming file and field. */
struct genesis *genesis_load(const char *path, struct err *err);
struct genesis *genesis_parse(const char *text, size_t len, struct err *err);
void genesis_free(struct genesis *g);

/* As JSON text, readable and stable (parse(format(g)) == g); the caller frees it. */
char *genesis_format(const struct genesis *g);

/* Replica index of a key, or -1. */
int genesis_replica_of(const struct genesis *g, const struct qreplica_key *key);

#endif
