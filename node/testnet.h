/*
 * testnet.h: a chain of several replicas on this machine, in one directory:
 *   D/genesis.json
 *   D/accounts/{alice,bob,carol,dave}.key    plain, funded by the genesis
 *   D/node0 ... D/nodeN-1                    homes of the replicas, with node.log
 *   D/node0/account.key ...                  plain; the account of its operator, where proposers are by stake
 *
 * An operator's key is in the replica's home and nowhere else, as it would be if each had a machine.  The
 * genesis gives every operator the same own stake, and as much to spend.  On a "delegated" testnet alice
 * backs the last replica and bob the first, so that the last but one is not elected.
 *
 * Who runs is not written down anywhere: a running node holds the lock of its home, and the lock
 * tells its process id, so nothing can be stale.
 */
#ifndef QUORATE_TESTNET_H
#define QUORATE_TESTNET_H

#include <sys/types.h>

#include "genesis.h"
#include "words.h"

#define TESTNET_DIR "testnet"

#define TESTNET_ACCOUNT_CNT 4
extern const char *const testnet_accounts[TESTNET_ACCOUNT_CNT]; /* names of those in D/accounts */

struct testnet_node {
	unsigned index;
	char *home;    /* D/node0 */
	char *ledger;  /* D/node0/ledger.db */
	char *log;     /* D/node0/node.log */
	char *http;    /* http://127.0.0.1:7480 */
	char *peer;    /* tcp://127.0.0.1:7580 */
	char *account; /* D/node0/account.key; there if proposers are by stake */
};

struct testnet {
	char *dir;
	char *genesis_path;
	struct genesis *genesis;
	unsigned n;
	struct testnet_node *nodes;
};

/* Is there one in this directory? */
bool testnet_exists(const char *dir);

/* What a testnet is to be; what is not given needs to fit no testnet that is there. */
struct testnet_plan {
	bool replicas_given, seal_given, proposer_given;
	bool tls; /* between the replicas */
	unsigned replicas;
	unsigned base_port; /* 0: free ports */
	struct qseal_rules seal;
	enum words_proposer proposer;
};

/* Makes keys, genesis and homes. `dir` must not exist, or be empty. */
bool testnet_create(const char *dir, const struct testnet_plan *plan, struct err *err);
/* Is it what was given? */
bool testnet_fits(const struct testnet *t, const struct testnet_plan *plan, struct err *err);

struct testnet *testnet_open(const char *dir, struct err *err);
void testnet_free(struct testnet *t);

/* Process id of the node that runs in this home; 0: none; -1: that cannot be told. */
pid_t testnet_pid(const struct testnet_node *node);
/* Can it be told of every node whether it runs? */
bool testnet_pids_known(const struct testnet *t, struct err *err);

/*
 * Starts a node's process: output to its log; `child`: it ends when this process does. Returns its id, or -1.
 */
pid_t testnet_spawn(const struct testnet_node *node, bool child, struct err *err);

/* Sends a signal to the node's process; false with *err (ERR_NO) if none runs. */
bool testnet_signal(const struct testnet_node *node, int number, struct err *err);

/* Waits until none of these runs: NULL, or the first that still does after timeout_ms. */
const struct testnet_node *testnet_await_end(const struct testnet_node *nodes, unsigned cnt,
                                             unsigned timeout_ms);

/* SIGTERM to all, waits until all have gone; those that have not after timeout_ms are killed. */
bool testnet_stop(const struct testnet *t, unsigned timeout_ms, struct err *err);

#define TESTNET_KILL_TIMEOUT_MS 10000 /* who is killed ends at once, unless the kernel keeps it */
bool testnet_undead(const struct testnet_node *node, struct err *err); /* false: it has not */

#endif
