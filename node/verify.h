/*
 * verify.h: signature checks, once per replica: opening messages and verifying transactions, on worker
 * threads, with a bounded memory of what held already (keyed by leaf hash, so that another witness is
 * another entry).
 */
#ifndef QUORATE_VERIFY_H
#define QUORATE_VERIFY_H

#include "message.h"
#include "tx.h"

struct verify_cache; /* thread-safe */
struct verify_cache *verify_cache_new(size_t entries_max);
void verify_cache_free(struct verify_cache *c);

/* A message of a peer with its transactions (TXS, BODY): what replica_message() takes. */
struct verified {
	struct message *message; /* owned */
	struct tx **txs;         /* owned; NULL entries: malformed or wrongly signed */
	size_t tx_cnt;
};
/* Opens an envelope, parses and verifies what it contains. False with *verdict. */
bool verify_envelope(const struct genesis *g, struct verify_cache *c, const struct qenvelope *env,
                     struct verified *out, enum open_verdict *verdict);
void verified_free(struct verified *v);

/* tx_verify() through the cache. */
bool verify_tx(struct verify_cache *c, const struct tx *tx);

#endif
