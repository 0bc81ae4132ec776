/*
 * access.h: which nodes a command asks, and which genesis it holds.
 */
#ifndef QUORATE_ACCESS_H
#define QUORATE_ACCESS_H

#include "client.h"
#include "cmd.h"
#include "ledger.h"

#define ACCESS_TIMEOUT_MS 5000 /* for one answer of a node */

/*
 * A client of --node, else of QUORATE_NODE (separated by commas), else of the testnet in ./testnet, else
 * of http://127.0.0.1:7480.
 */
struct client *access_client(const struct cmd_common *common, struct err *err);

/* Is a genesis at hand: --genesis, else ./testnet/genesis.json?  Its path, or NULL. */
const char *access_genesis_path(const struct cmd_common *common);

/* The path of a ledger: a home's directory stands for the ledger in it. free() it. */
char *access_ledger_path(const char *arg);

/* reader_open() of a ledger that somebody named: that it cannot be opened is bad input (ERR_INPUT), though to
 * a node it is the world's fault. */
struct reader *access_reader(const char *path, struct err *err);

/* An address, or a key file whose address is meant; the error names `what`. */
bool access_address(const char *text, const char *what, struct qaddress *out, struct err *err);

/* Monotonic milliseconds. */
uint64_t access_now_ms(void);
void access_nap_ms(unsigned ms);

#endif
