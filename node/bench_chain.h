/*
 * bench_chain.h: the chain that is under load: replicas of our own, or one that runs already.
 */
#ifndef QUORATE_BENCH_CHAIN_H
#define QUORATE_BENCH_CHAIN_H

#include "bench_load.h"
#include "bench_sum.h"
#include "client.h"
#include "testnet_start.h"

struct bench_node {
	char *url;
	unsigned replica;
};

struct bench_chain {
	bool own;                               /* its replicas are ours: chain_end() ends them */
	char *dir;                              /* of the testnet, or NULL */
	bool temporary;                         /* remove it */
	struct testnet *t;                      /* of which processes and files are known, or NULL */
	struct genesis *genesis;                /* owned if there is no testnet */
	struct started started[Q_REPLICAS_MAX]; /* own */
	unsigned cnt;                           /* nodes that take payments */
	struct bench_node node[CMD_NODES_MAX];
	struct account *payer;
	struct client *client; /* of all nodes */
	uint64_t began_txs;    /* final transactions before anything was done here */
};

/* Makes or finds it, starts our own replicas, waits until it is at rest. False: nothing is left running. */
bool chain_open(const struct bench_options *o, struct bench_chain *c, struct err *err);

/* Is every node that takes payments there, healthy and of this chain? */
bool chain_answers(struct bench_chain *c, struct err *err);

/* Process of a replica; 0: none, or not known. */
pid_t chain_pid(const struct bench_chain *c, unsigned replica);
/* Replicas whose processes are on this machine. */
unsigned chain_here(const struct bench_chain *c);
/* Bytes of a replica's ledger.db and its WAL; 0: not known. */
uint64_t chain_ledger_bytes(const struct bench_chain *c, unsigned replica);

/* A seed of accounts that whoever holds the payer's key can make again, another one for each `round`. */
void chain_seed(const struct bench_chain *c, const struct qhash *nonce, unsigned round, uint8_t seed[32]);
/* Gives every account of the load its coin; waits until every node has it. coins[accounts]. */
bool chain_fund(struct bench_chain *c, const struct load *l, struct qoutpoint *coins, struct err *err);
/* Is there room on the disk for so many payments? Only known of a testnet. */
bool chain_has_room(const struct bench_chain *c, uint64_t payments, struct err *err);

/* Who leads? Own: ends a replica as a crash would; starts it again. */
bool chain_primary(struct bench_chain *c, unsigned *replica, struct err *err);
bool chain_kill(struct bench_chain *c, unsigned replica, struct err *err);
bool chain_restart(struct bench_chain *c, unsigned replica, struct err *err);
/* The first of the blocks, whose heights begin with `first`, whose certificate in another replica's ledger
 * holds a vote of this one, among those seen at from_us or later; NULL: there is none. */
const struct bench_block *chain_first_vote(const struct bench_chain *c, unsigned replica,
                                           const struct bench_block *blocks, size_t cnt, uint64_t first,
                                           uint64_t from_us);

/* Own: waits until all have the same, ends the replicas; audits their ledgers as r->audit says. False: it
 * could not be done. */
bool chain_settle(struct bench_chain *c, struct err *err);
bool chain_stop(struct bench_chain *c, struct err *err);
bool bench_chain_audit(const struct bench_chain *c, struct bench_result *r, struct err *err);
/* Ends our own replicas, whatever happened, removes what is temporary, frees. */
void chain_close(struct bench_chain *c);

#endif
