/*
 * node.h: one running replica: the thin shell of threads and sockets around struct replica.
 *
 *   link's thread   on_frame: splits a frame into envelopes        -> lanes of work.h
 *   workers         verify_envelope(), verify_tx()                 -> inbox
 *   replica thread  takes the inbox in batches, replica_turn()     -> link_send(), answers to calls
 *   miner's threads search for the seal that the replica asks for  -> replica_sealed()
 *   http's threads  api*.c; ask the replica by node_call(), read the ledger through readers of their own
 *   scrub thread    scrubber.c: reads the whole ledger once in each period
 *
 * The replica belongs to its thread alone; everybody else asks it by a struct call.
 */
#ifndef QUORATE_NODE_H
#define QUORATE_NODE_H

#include <stdatomic.h>

#include "http.h"
#include "link.h"
#include "replica.h"
#include "scrubber.h"
#include "verify.h"
#include "work.h"

struct node;

/* Runs the replica of this home until SIGTERM or SIGINT (true), or until it cannot go on (false with *err).
 */
bool node_run(const char *home, struct err *err);

/* ---- for api.c -------------------------------------------------------------- */

const struct genesis *node_genesis(const struct node *n);
unsigned node_self(const struct node *n);
struct link *node_link(struct node *n);
uint64_t node_now_ms(void); /* monotonic */

struct node_mining {
	double rate;     /* hashes a second, of late; 0: it has not mined yet */
	uint64_t hashes; /* since the start */
};
/* False: the chain asks for no work. */
bool node_mining(const struct node *n, struct node_mining *out);

/* False: the operator does not want the ledger to be scrubbed. */
bool node_scrub(struct node *n, struct scrubber_status *out);

enum call_kind { CALL_SUBMIT, CALL_STATUS, CALL_FATE, CALL_DISPUTE, CALL_STOP };

/* A question to the replica; reference-counted, for its asker may stop waiting. */
struct call {
	atomic_uint refs;
	enum call_kind kind;
	struct call *next;
	bool done; /* under the node's lock */
	union {
		struct { /* verified transactions; NULL entries are passed over */
			size_t cnt;
			struct tx **txs; /* references, owned */
			struct submit_result {
				enum tx_verdict verdict;
				struct qheight height;
				struct qtxid winner;
				struct replica_needs needs; /* of TX_LOCKED, TX_PENALTY */
			} * results;                        /* owned */
		} submit;
		struct replica_status status;
		struct {
			struct qtxid id;
			enum tx_verdict verdict;
			struct qtxid winner;
		} fate;
		struct {
			size_t cnt;
			struct output_said *list; /* owned */
			size_t disputed;          /* replica_disputes() */
			struct qheight height;
		} dispute;
		struct err stop; /* why */
	};
};
struct call *call_new(enum call_kind kind); /* one reference */
void call_unref(struct call *c);
/* Hands it to the replica and waits. False: no answer within a few seconds, or the node is stopping. */
bool node_call(struct node *n, struct call *c);
/* Hands it over and does not wait. */
void node_post(struct node *n, struct call *c);

/* Verifies the signatures of txs[0..cnt) on the workers: held[i]. NULL entries are passed over. False:
 * stopping. */
bool node_verify(struct node *n, struct tx *const *txs, size_t cnt, bool *held);

/* A read-only view of the ledger for one request. NULL with *err. `broken`: an error came up, do not use it
 * again; if what came up is that the ledger cannot be right (reader_damage()), the node stops. */
struct reader *node_reader(struct node *n, struct err *err);
void node_reader_back(struct node *n, struct reader *r, bool broken);

/* Someone waits for the fate of a transaction. */
struct waiter {
	struct qtxid id;
	bool settled; /* by an outcome of the replica: */
	enum tx_verdict verdict;
	struct qheight height;
	struct qtxid winner;
	struct waiter *next; /* of the same transaction */
};
/* False: too many are waiting already. */
bool node_wait_begin(struct node *n, struct waiter *w, const struct qtxid *id);
/* Until it is settled, the chain grew above *height (updated), or the deadline passed (or the node is
 * stopping). */
enum wait_end { WAIT_SETTLED, WAIT_GREW, WAIT_OVER };
enum wait_end node_wait(struct node *n, struct waiter *w, struct qheight *height, uint64_t deadline_ms);
void node_wait_end(struct node *n, struct waiter *w);

/* The routes, ending with method NULL; their ctx is the node. */
extern const struct http_route api_routes[];

#endif
