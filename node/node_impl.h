/*
 * node_impl.h: the inside of a node, shared by node.c, node_ask.c, node_blocks.c, node_gate.c, node_guard.c,
 * node_inbox.c and node_meter.c.
 */
#ifndef QUORATE_NODE_IMPL_H
#define QUORATE_NODE_IMPL_H

#include "map.h"
#include <pthread.h>
#include <stdatomic.h>

#include "clock.h"
#include "conf.h"
#include "home.h"
#include "miner.h"
#include "node.h"

#define INBOX_ITEMS_MAX 1024 /* of each replica: messages of agreement, and as many others */
#define INBOX_BYTES_MAX (8u << 20)
#define TURN_ITEMS_MAX 512           /* of one batch: how much one fsync covers */
#define TURN_BULK_BYTES (256u << 10) /* of transactions and bodies: agreement does not wait for more */
#define LATE_LOOK 16
#define CALL_TIMEOUT_MS 5000
#define WAITERS_MAX 1024  /* requests that wait */
#define READERS_MAX 64    /* idle readers kept */
#define RECENT_MAX 32     /* blocks whose ids are kept in memory: at most 8 MiB */
#define PAYMENTS_MAX 4096 /* own clients' payments whose time is taken at once */
#define SIGHTS_MAX 1024   /* heights whose first sight is remembered: more than a window */
#define COMPLAIN_MS 10000 /* at most one log line per kind of bad message in this time */

/* A verified message on its way to the replica. */
struct letter {
	struct fair_item fair; /* first */
	struct letter *next;   /* in a batch */
	struct verified v;
};

struct waiting {
	struct qtxid id;
	struct waiter *list;
	UT_hash_handle hh;
};

/* Counted bad messages, and when the operator was last told. */
struct complaint {
	uint64_t cnt, untold, told_ms;
};

/* Histograms: any thread. What is seen, and the commit that has begun: the replica's. */
struct meters {
	uint64_t started_ms; /* wall clock */
	struct meter_histogram agreed, settled, commit[STORE_CNT];
	struct sight {
		struct qheight height;
		uint64_t at_us;
	} seen[SIGHTS_MAX]; /* by height % SIGHTS_MAX */
	struct admitted {
		uint64_t id;      /* the first bytes of it */
		uint64_t at_us;   /* when it was admitted; 0: the place is free */
	} payments[PAYMENTS_MAX]; /* own clients', by id % PAYMENTS_MAX: a sample of them, if they are many */
	uint64_t begun_us;
};

/* Its time is node_now_ms()'s. */
static inline void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

struct node {
	struct home home;
	struct conf *conf;
	struct genesis *genesis;
	struct ident *ident;
	struct qreplica_key key;
	unsigned self;

	struct replica *replica; /* the replica thread's, once it runs */
	struct link *link;
	struct work *work;
	struct http_server *http;
	struct verify_cache *cache;
	struct miner *miner;       /* NULL: the chain asks for no work */
	struct scrubber *scrubber; /* NULL: the operator wants none */
	pthread_t thread, main_thread;
	bool thread_runs;
	atomic_bool lags;              /* replica_lags(): forwards need no look */
	atomic_uint_fast64_t executed; /* height: late votes need no look, */
	atomic_uint late;              /* but for one of LATE_LOOK */

	struct meters meters;

	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t mail;  /* the replica thread waits for it */
	struct fair votes, wanted,
	    bulk; /* letters: of agreement; bodies, questions; transactions, evidence */
	struct call *calls, **calls_end;
	bool sealed; /* the miner has found something */
	bool stopping;
	struct err fatal;   /* kind is not ERR_NONE: why the replica stopped */
	struct err damage;  /* kind is not ERR_NONE: what is wrong with the ledger */
	struct turn *turns; /* of those who wait for one */
	unsigned turns_taken, turns_max;
	atomic_size_t room_taken; /* node_room(); not under the lock */
	struct waiting *waiting;  /* by id */
	unsigned waiter_cnt;
	struct qheight height;                /* executed */
	struct block_ids *recent[RECENT_MAX]; /* by height % RECENT_MAX: of the blocks executed last */
	struct block_waiter *block_waiters;
	struct reader *idle[READERS_MAX];
	unsigned idle_cnt;
	struct complaint complaints[OPEN_VERDICT_CNT]; /* by verdict; OPEN_OK: no frame */
	struct complaint faults[TXS_FAULT_CNT];        /* by fault */
	struct complaint floods[Q_REPLICAS_MAX];       /* by sender, as it says: dropped */
};

/* ---- node_inbox.c: from a frame to the replica's thread ---------------------- */

void inbox_frame(void *ctx, uint32_t pipe, const uint8_t *data, size_t len); /* link_config.on_frame */
/* Takes a batch of letters and all calls, waiting for some, or for the miner, until deadline_ms; false:
 * stopping. *more: transactions were left there. */
bool inbox_take(struct node *n, uint64_t deadline_ms, struct letter **letters, struct call **calls,
                bool *more);
void inbox_sealed(void *ctx); /* miner_new()'s wake: the replica's thread is to take what was found */
void letters_free(struct letter *list);
void inbox_free(struct node *n);

/* ---- node_ask.c: from http's threads to the replica's and back --------------- */

void ask_answer(struct node *n, struct call *calls); /* replica thread: runs them, wakes their askers */
void ask_refuse_all(struct node *n);                 /* the replica thread has ended */
void ask_stop(struct node *n);                       /* with the lock held: wakes who waits for anything */
/* With the lock held: tells those who wait for it. */
void ask_settle(struct node *n, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                const struct qtxid *winner);
/* effects.outcome */
void ask_outcome(void *ctx, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                 const struct qtxid *winner);
void ask_free(struct node *n);

/* ---- node_blocks.c: what was executed last ------------------------------------ */

void blocks_executed(void *ctx, struct block *const *blocks, size_t cnt); /* effects.executed */
void blocks_stop(struct node *n); /* with the lock held: wakes who waits */
void blocks_free(struct node *n);

/* ---- node_gate.c: how many may work at a time ---------------------------------- */

void gate_stop(struct node *n); /* with the lock held: wakes who waits for a turn */

/* ---- node_meter.c: what is measured -------------------------------------------- */

void meter_seen(void *ctx, struct qheight height);                       /* effects.seen */
void meter_committing(void *ctx, enum replica_store store, bool begins); /* effects.committing */
/* A transaction of an own client was admitted; it is final, or never will be. Replica thread. */
void meter_admitted(struct node *n, const struct qtxid *id);
void meter_settled(struct node *n, const struct qtxid *id, bool final);
void meter_executed(struct node *n, struct block *const *blocks, size_t cnt); /* replica thread */

/* ---- node_guard.c: the ledger is what the chain says, or the node stops ------- */

/* Before anything is said to anybody: a ledger that is suspect is read from its beginning to its end. False
 * with *err: it is wrong, or cannot be read. */
bool guard_before(struct node *n, struct err *err);
void guard_start(struct node *n);
void guard_stop(struct node *n);
/* The ledger is wrong: marks it, and stops the replica. Any thread; the first word stands. */
void node_damaged(struct node *n, const struct err *why);
/* False with *err: the ledger is known to be wrong. */
bool guard_ok(struct node *n, struct err *err);
/* The replica has stopped by itself, and no thread runs any more: is it the ledger's fault? */
void guard_after(struct node *n);

#endif
