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

/* What a replica puts into one TXS at most, a forward or an answer to GET_TXS. */
#define TXS_MESSAGE_MAX 1000           /* transactions, */
#define TXS_MESSAGE_BYTES (256u << 10) /* and their bytes: no single one has more */
_Static_assert(Q_TX_BYTES_MAX <= TXS_MESSAGE_BYTES, "each transaction fits into a forward");

/*
 * What is wrong with the transactions of a message that could be opened. No honest replica sends such a
 * message: it hands on what it has verified itself, and neither TXS nor BODY is relayed for others.
 */
#define TXS_FAULTS(V)                                                          \
	V(TXS_SOUND, "ok")                                                     \
	V(TXS_TOO_MUCH, "more transactions than a replica sends in a message") \
	V(TXS_INVALID, "a transaction inside is malformed or wrongly signed")
enum txs_fault {
#define V(name, text) name,
	TXS_FAULTS(V)
#undef V
	    TXS_FAULT_CNT
};
const char *txs_fault_text(enum txs_fault f);

/* A message of a peer with its transactions (TXS, BODY): what replica_message() takes. */
struct verified {
	struct message *message; /* owned */
	struct tx **txs;         /* owned; each parsed, with all signatures verified */
	size_t tx_cnt;
	enum txs_fault fault; /* verify_envelope() refused it, though its *verdict is OPEN_OK */
};
/* Opens an envelope, parses and verifies what it contains. False with *verdict and out->fault; nothing to
 * free then. */
bool verify_envelope(const struct genesis *g, struct verify_cache *c, const struct qenvelope *env,
                     struct verified *out, enum open_verdict *verdict);
/* The same without a copy: the body of an envelope that opens is taken, and *env has an empty one then. */
bool verify_envelope_take(const struct genesis *g, struct verify_cache *c, struct qenvelope *env,
                          struct verified *out, enum open_verdict *verdict);
void verified_free(struct verified *v);

/* tx_verify() through the cache. */
bool verify_tx(const struct genesis *g, struct verify_cache *c, const struct tx *tx);

#endif
