/*
 * chain.h: a real chain for a test: the quorate program, one process a replica, on loopback, in a
 * directory of its own.  Processes are ended by id, and all of them when the test ends, however it ends.
 *
 * QUORATE names the program (CTest sets it). Nothing here sleeps to wait: it waits for a process to end, or
 * asks the nodes' long poll, with a deadline that is only there so that a broken chain fails instead of
 * hanging.
 */
#ifndef QUORATE_TEST_CHAIN_H
#define QUORATE_TEST_CHAIN_H

#include <jansson.h>
#include <sys/types.h>

#include "account.h"
#include "genesis.h"
#include "hellos.h"
#include "http.h"
#include "keyfile.h"
#include "tx.h"

#define CHAIN_PATIENCE_MS 60000 /* far above anything healthy; sanitizers and busy machines included */

struct chain {
	char dir[256];
	unsigned n;
	struct genesis *genesis;
	char http[Q_REPLICAS_MAX][64];
	struct http_client *client[Q_REPLICAS_MAX];
};

/* Group set-up of every test program here. */
int chain_setup(void **state);

/*
 * `quorate testnet up --detach` in a fresh directory; `allocations` (may be NULL: the development accounts)
 * replace the outputs of its genesis. Fails the test if it does not come up.
 */
struct chain *chain_up(unsigned n, const struct qoutput *allocations, size_t allocation_cnt);
/* The same with a genesis that `edit` changed: same replicas, other rules. */
struct chain *chain_up_edited(unsigned n, void (*edit)(struct qgenesis *g));
/* Both. */
struct chain *chain_up_with(unsigned n, const struct qoutput *allocations, size_t allocation_cnt,
                            void (*edit)(struct qgenesis *g));
/* In two steps: a fresh directory, for a testnet of n that the caller puts there (genesis.json, node0 ...
 * with their genesis.json); `quorate testnet up --detach` on it. */
struct chain *chain_place(unsigned n);
void chain_run(struct chain *c);
/* Stops everything and removes the directory. */
void chain_down(struct chain *c);

/* Runs the program; returns its exit code. out (may be NULL) receives stdout, errs stderr: free() both. */
int quorate(char **out, char **errs, ...) __attribute__((sentinel));
/* The same with this text on its standard input. */
int quorate_fed(const char *in, char **out, char **errs, ...) __attribute__((sentinel));
int quorate_argv(char **out, char **errs, char *const argv[]);
/* Runs it and parses the JSON that it prints (json_decref()); *code (may be NULL) is its exit code. */
json_t *quorate_json(int *code, ...) __attribute__((sentinel));

/* `quorate send` from alice to bob through one node, waiting for at most so many seconds. */
json_t *chain_send(struct chain *c, unsigned node, unsigned amount, const char *seconds, int *code);
/* The same; it must become final. Returns the height. */
uint64_t chain_pay(struct chain *c, unsigned node, unsigned amount);
/* A text of an object, "" if it has none. */
const char *json_text(const json_t *object, const char *key);

/* Reference counting is jansson's: json_decref() what is returned. */
json_t *chain_get(struct chain *c, unsigned node, int *status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Submits a batch to one node. results (may be NULL): the answer's array, json_decref() it. False if the node
 * did not answer. */
bool chain_submit(struct chain *c, unsigned node, struct tx *const *txs, size_t cnt, json_t **results);

/* Waits until this transaction is final (true) or rejected (false; *spent_by may receive who won). */
bool chain_final(struct chain *c, unsigned node, const struct qtxid *id, char *code, size_t code_cap,
                 char *spent_by, size_t spent_by_cap);

/* Waits until all nodes of the mask have executed at least this height. */
void chain_wait_height(struct chain *c, uint64_t mask, uint64_t height);
uint64_t chain_height(struct chain *c, unsigned node);
/* Waits until nothing is pending anywhere and all nodes are at one height: that height. */
uint64_t chain_wait_quiet(struct chain *c);

/* `quorate testnet kill|start|pause|resume N`. */
void chain_signal(struct chain *c, const char *what, unsigned node);
/* `quorate testnet wait`: all that run are healthy and at one height. */
void chain_wait(struct chain *c);
/* The process of each node, 0: none. */
void chain_pids(struct chain *c, pid_t pids[]);

/* A path in the chain's directory, in one of a few buffers that are used again. */
const char *chain_path(struct chain *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Runs SQL on a SQLite file (only to read if it begins with SELECT); text (may be NULL) receives the first
 * column of the first row, "" if none. */
void chain_sql(const char *path, const char *sql, char *text, size_t cap);

/* `quorate audit --json` over the ledgers of all nodes: the exit code and the report (json_decref()). */
int chain_audit(struct chain *c, json_t **report);
/* It holds, and the longest ledger has this height. */
void chain_assert_audit(struct chain *c, uint64_t height);
/* Calls f with each header in the ledger file of a node, ascending. */
void chain_each_header(struct chain *c, unsigned node, void (*f)(void *ctx, const struct qheader *h),
                       void *ctx);
/* No replica has signed two statements for one (kind, view, height): reads all vote logs and certificates. */
void chain_check_votes(struct chain *c);

/* A PREPARE of `replica`, signed with the key in its home: block `which` at (view 0, height); wire_free(). */
struct qenvelope chain_forge(struct chain *c, unsigned replica, uint64_t height, uint8_t which);
/* What a replica that calls says first (hellos.h). */
size_t chain_hello(struct chain *c, unsigned replica, uint8_t bytes[HELLO_BYTES_MAX]);
/* Envelopes to the peers' port of a node, as a peer would send them. */
void chain_tell(struct chain *c, unsigned node, struct qenvelope *envelopes, unsigned cnt);

/* A deterministic account for a number. */
struct account *account_number(unsigned n);
struct qaddress address_number(unsigned n);
/* The same as a plain key file in the chain's directory: its path, made where it is not there. */
const char *key_number(struct chain *c, unsigned n);

/* An account that pays itself all that it has, one payment after the other. */
struct purse {
	struct account *account;
	struct qaddress address;
	struct qoutpoint at;
	uint64_t amount;
	unsigned paid;
};
/* Of what the genesis gave to a development account ("alice"), or to account_number(n) where name is NULL. */
struct purse purse_open(struct chain *c, const char *name, unsigned n);
void purse_close(struct purse *p);
/* The next payment, which spends the one before: tx_unref(). */
struct tx *purse_next(struct purse *p, const struct genesis *g);
/* Hands the next payment to a node and waits there until it is final. Returns its height. */
uint64_t purse_pay(struct purse *p, struct chain *c, unsigned node);

/* The development account's only output of a default testnet, e.g. "alice". */
struct account *chain_account(struct chain *c, const char *name);
struct qoutpoint chain_allocation(struct chain *c, const struct qaddress *owner, uint64_t *amount);

/* Pays `amount` from one output to `to`, change back to the owner. */
struct tx *pay(const struct genesis *g, const struct account *from, struct qoutpoint input,
               uint64_t input_amount, struct qaddress to, uint64_t amount, const char *memo);

#endif
