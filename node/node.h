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

#include <pthread.h>
#include <stdatomic.h>

#include "http.h"
#include "link.h"
#include "meter.h"
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

#define OPEN_VERDICT_CNT (OPEN_BAD_CERTIFICATE + 1)
/* What the node counts and measures beside its replica, since the start. */
struct node_numbers {
	struct meter_reading agreed;            /* from a block's first sight to its execution */
	struct meter_reading settled;           /* from an own client's admission to its being final */
	struct meter_reading commit[STORE_CNT]; /* of the ledger, of the vote log */
	struct work_load lanes[LANE_CNT];       /* what waits for a signature check, */
	struct work_load inbox[2];              /* and then for the replica: of agreement; all else */
	uint64_t refused[OPEN_VERDICT_CNT];     /* messages, by verdict; OPEN_OK: frames that are none */
	uint64_t faulty[TXS_FAULT_CNT];         /* messages, by what is wrong with their transactions */
	uint64_t dropped[Q_REPLICAS_MAX];       /* messages beyond a sender's share, who it says it is */
	size_t pool_room;                       /* transactions */
	uint64_t disk_free, disk_bytes;         /* where the ledger is; 0: not to be told */
	struct {
		uint64_t started_ms; /* wall clock */
		double cpu_s;
		uint64_t resident_bytes, open_files, open_files_max; /* 0: not to be told */
	} process;
};
void node_numbers(struct node *n, struct node_numbers *out);

/* False: the operator does not want the ledger to be scrubbed. */
bool node_scrub(struct node *n, struct scrubber_status *out);

enum call_kind { CALL_SUBMIT, CALL_STATUS, CALL_DIGEST, CALL_FATE, CALL_DISPUTE, CALL_ADDRESS, CALL_STOP };

/* A question to the replica; reference-counted, for its asker may stop waiting. */
struct call {
	atomic_uint refs;
	enum call_kind kind;
	struct call *next;
	bool done; /* under the node's lock */
	pthread_cond_t answered;
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
		struct {
			struct replica_status status;
			struct qhash digest; /* of CALL_DIGEST, which is CALL_STATUS otherwise */
		};
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
		struct {
			struct qaddress owner;
			bool first;             /* else those behind: */
			struct qoutpoint after; /* which may be none of them: */
			bool lost;
			size_t limit, cnt;
			struct held *list; /* owned; room for `limit` */
			struct address_sums sums;
		} address;       /* replica_holding() */
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

/*
 * Room in the pool for transactions of own clients, less what is being verified for it.  Of `cnt` so many may
 * be verified and submitted: they count until node_room_back(), when they were admitted or refused.  The rest
 * would be verified for nothing.
 */
bool node_has_room(struct node *n);
size_t node_room(struct node *n, size_t cnt);
void node_room_back(struct node *n, size_t cnt);

/* Work for those who only ask is done by so few threads at a time that agreement goes on beside it. Waits for
 * its turn; false: too many do, or the node is stopping. */
bool node_turn(struct node *n);
void node_turn_end(struct node *n);

/* A read-only view of the ledger for one request, in its turn. NULL with *err (ERR_NO: it did not come).
 * `broken`: an error came up, do not use it again; if what came up is that the ledger cannot be right
 * (reader_damage()), the node stops. */
struct reader *node_reader(struct node *n, struct err *err);
void node_reader_back(struct node *n, struct reader *r, bool broken);

/* Someone waits for the fate of a transaction: that it is executed, or refused after all. */
struct waiter {
	struct qtxid id;
	void (*wake)(void *ctx); /* under the node's lock; also when the node is stopping */
	void *ctx;
	bool settled; /* by an outcome of the replica: */
	enum tx_verdict verdict;
	struct qheight height;
	struct qtxid winner;
	struct waiter *next; /* of the same transaction */
};
/* id, wake and ctx are given. False: too many are waiting already, or the node is stopping. */
bool node_wait_begin(struct node *n, struct waiter *w);
/* From here on nothing is written to it. */
void node_wait_end(struct node *n, struct waiter *w);

/* The transactions of an executed block: their ids in order. Reference-counted, immutable. */
struct block_ids {
	atomic_uint refs;
	struct qheight height;
	size_t cnt;
	struct qtxid ids[];
};
void block_ids_unref(struct block_ids *b);
/* Of the block at this height. IDS_OLD: it was executed, but the ledger has to be asked. IDS_NONE: not
 * executed. *out is NULL then. */
enum ids_found { IDS_HERE, IDS_OLD, IDS_NONE };
enum ids_found node_block_ids(struct node *n, struct qheight height, struct block_ids **out);

struct qheight node_height(struct node *n); /* executed */

/* Someone waits for the block at a height. */
struct block_waiter {
	struct qheight height;
	void (*wake)(
	    void *ctx); /* under the node's lock, perhaps more than once; also when the node is stopping */
	void *ctx;
	struct block_waiter *prev, *next;
};
/* False: the block is executed, too many are waiting, or the node is stopping. */
bool node_block_wait_begin(struct node *n, struct block_waiter *w);
void node_block_wait_end(struct node *n, struct block_waiter *w);

/* The routes, ending with method NULL; their ctx is the node. */
extern const struct http_route api_routes[];
/* http_config.news: what GET /v1/events tells. */
char *api_news(void *ctx, uint64_t *place, size_t *len);

#endif
