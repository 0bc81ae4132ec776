/*
 * genesis.h: a chain's constitution: replicas, parameters, allocations; reading,
 * validating and writing it; the chain id.
 *
 * The file is JSON, read strictly: unknown or duplicate keys, wrong types and bad
 * values are errors that name the field.  The chain id is a tagged SHA-256 over the
 * canonical encoding (struct qgenesis; of a successor struct qsuccessor, under another tag), so formatting
 * of the JSON does not matter and every parameter of consensus does.
 */
#ifndef QUORATE_GENESIS_H
#define QUORATE_GENESIS_H

#include "err.h"
#include "wire.h"

struct genesis {
	struct qgenesis g;                   /* owned */
	struct qparent parent;               /* meaningful where genesis_parent() is not NULL */
	struct qhash chain;                  /* the chain id; also the block hash of height 0 */
	struct qtxid txid;                   /* transaction id of the allocations' outputs */
	uint64_t supply;                     /* sum of the allocations */
	unsigned n, f, quorum;               /* f = (n-1)/3, quorum = ceil((n+f+1)/2) */
	uint64_t timeout_ms, timeout_cap_ms; /* those of params, and what mining may take on top */
};

#define GENESIS_FIRST 1     /* format of a chain that begins with nothing before it */
#define GENESIS_SUCCESSOR 2 /* of one that carries on what another one ended with: ledger/succession.h */
/* Where the chain before this one ended; NULL: there is none. */
static inline const struct qparent *genesis_parent(const struct genesis *g)
{
	return g->g.format == GENESIS_SUCCESSOR ? &g->parent : NULL;
}

/* What a genesis file means that leaves a parameter out. Fixed for ever: they are part of chain ids. */
struct qparams genesis_default_params(void);
/* What a new chain is founded with, unless its founders say otherwise. It is written into its genesis file.
 */
struct qparams genesis_new_params(void);

/* Those of a seal: 2^20 tries at a fixed target. Those of n replicas that propose by stake: all of them. */
struct qpow_rules genesis_default_pow(void);
struct qstake_rules genesis_default_stake(unsigned n);

/* A number that the rules of a chain consist of. */
struct genesis_field {
	const char *object; /* of the JSON: "params", "seal" or "proposer" */
	const char *name;
	u_int *value; /* in the genesis that was asked */
};
#define GENESIS_FIELDS_MAX 24
/* All of this genesis: those of a seal and of stake only if it has them.  Returns their count. */
size_t genesis_fields(struct qgenesis *g, struct genesis_field fields[GENESIS_FIELDS_MAX]);

/*
 * The longest that mining may take an honest proposer, in ms: GENESIS_PATIENCE times the mean at the hardest
 * target and the promised hash rate, rounded up; UINT64_MAX if that is beyond all measure.  The time is
 * exponentially distributed, so a proposer is later than that once in e^20 (485 million) blocks.
 */
#define GENESIS_PATIENCE 20
uint64_t genesis_mining_ms(const struct qpow_rules *r);

/* Checks all rules (n is 1 or 4..64, distinct valid keys and names, bounds, sums) and derives
 * everything else from g->g. */
bool genesis_finish(struct genesis *g, struct err *err);

/* Reads and checks a file (at most 256 MiB).  NULL with *err naming file and field. */
struct genesis *genesis_load(const char *path, struct err *err);
struct genesis *genesis_parse(const char *text, size_t len, struct err *err);
void genesis_free(struct genesis *g);

/* As JSON text, readable and stable (parse(format(g)) == g); the caller frees it. */
char *genesis_format(const struct genesis *g);

/* May a replica be called so? 1 to Q_NAME_MAX of A-Z a-z 0-9 . _ - */
bool genesis_names_replica(const char *name);

/* Replica index of a key, or -1. */
int genesis_replica_of(const struct genesis *g, const struct qreplica_key *key);

#endif
