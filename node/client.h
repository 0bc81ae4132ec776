/*
 * client.h: typed client of a node's HTTP interface, over one or more nodes of one chain.
 *
 * A call goes to the current node; where that one gives no answer (no connection, time-out, 5xx) the
 * next is tried, once round.  What a node says is believed only as far as the caller checks it: a receipt is
 * proof, everything else is that node's word.
 */
#ifndef QUORATE_CLIENT_H
#define QUORATE_CLIENT_H

#include <jansson.h>

#include "genesis.h"
#include "jread.h"
#include "tx.h"

struct client; /* one thread */

/* URLs like http://127.0.0.1:7480; at least one; a node named twice is one. Nothing is sent yet. */
struct client *client_new(const char *const *urls, size_t cnt, unsigned timeout_ms, struct err *err);
void client_free(struct client *c);
/* What is longer is no answer of a node; at first 64 MiB. */
void client_limit(struct client *c, size_t max);

const char *client_url(const struct client *c); /* of the current node: the one that answered last */
size_t client_nodes(const struct client *c);
size_t client_current(const struct client *c); /* below client_nodes() */
void client_next(struct client *c);            /* makes the next node the current one */

/*
 * GET, any status below 500 with a JSON body is an answer. NULL with *err: ERR_WORLD, no node answered;
 * ERR_NO: 404; ERR_INPUT: another 4xx, with the node's message.
 */
json_t *client_get(struct client *c, const char *path, struct err *err);

struct client_status {
	struct qhash chain;
	uint64_t height, view;
	unsigned replica, primary;
	unsigned proposer; /* of the next height; Q_REPLICAS_MAX: it cannot tell */
	uint64_t sealing;  /* height of the block that it mines; 0: none */
	char block_hash[QHASH_HEX];
};
bool client_status(struct client *c, struct client_status *out, struct err *err);
/* Only the current node is asked. */
bool client_status_here(struct client *c, struct client_status *out, struct err *err);
/* 200 from the current node's /healthz? */
bool client_healthy_here(struct client *c);

/* "stake", "release", "frozen"; NULL for what is not locked. */
const char *lock_name(qlock_kind kind);
/* The kind of that name; QLOCK_NONE: it is none. */
qlock_kind lock_kind_of(const char *name);

/* An output's lock in a JSON object: its fields "lock", one of those names, and "replica"; none where "lock"
 * is absent or null. */
bool client_lock(const struct jvalue *output, struct qlock *lock, struct err *err);

/* An unspent output. */
struct coin {
	struct qoutpoint point;
	struct qaddress owner;
	uint64_t amount;
	uint64_t height; /* of its block */
	struct qlock lock;
	uint64_t free_at; /* first height whose block may spend it as if it had no lock; UINT64_MAX: none */
	uint64_t penalty; /* what of it stays frozen when it is spent; at most the amount */
};
/* A page of an owner's unspent outputs. */
struct coin_page {
	const struct coin *coins;
	size_t cnt;
	uint64_t total; /* how many there are in all, by that node's word */
	bool first;     /* what came before it is to be forgotten: it begins anew */
};
/* Hands all of them, oldest first, to `take`, until it returns false. Begins anew where the last one of a
 * page is spent meanwhile; some times, then it gives up. */
bool client_coins(struct client *c, const struct qaddress *owner,
                  bool (*take)(void *ctx, const struct coin_page *page), void *ctx, struct err *err);

/* What stands behind each replica, on a chain whose proposers are chosen by stake. */
struct client_stakes {
	uint64_t height; /* after which it is so */
	unsigned n;
	struct {
		char name[Q_NAME_MAX + 1];
		uint64_t own, delegated;
		uint64_t convicted; /* height of the last conviction; 0: never */
		unsigned turns,
		    turns_next; /* of SCHEDULE_CYCLE: at the next height, and in the epoch after that one */
	} replica[Q_REPLICAS_MAX];
};
/* ERR_NO: this chain knows no stake. */
bool client_stakes(struct client *c, struct client_stakes *out, struct err *err);

/* What a node says of a transaction. */
enum client_fate_kind {
	FATE_UNKNOWN,  /* nothing known */
	FATE_PENDING,  /* accepted, or known */
	FATE_FINAL,    /* .height */
	FATE_REJECTED, /* .code, .message, .spent_by */
};
struct client_fate {
	enum client_fate_kind kind;
	bool temporary; /* FATE_REJECTED: another time or another node may accept it */
	uint64_t height;
	char code[32];
	char message[256];
	char spent_by[QHASH_HEX]; /* "" if not said */
	char txid[QHASH_HEX];     /* as the node names it; "" if it could not be decoded */
};

/* Submits to the current node, else the next ones; fates[i] is raw[i]'s. False with *err: no answer, or the
 * request as a whole was refused. */
bool client_submit(struct client *c, const struct bytes *raw, size_t cnt, struct client_fate *fates,
                   struct err *err);

/* Waits up to wait_ms (at most 10 s) for it to be final or rejected. */
bool client_wait(struct client *c, const struct qtxid *id, unsigned wait_ms, struct client_fate *out,
                 struct err *err);

/* A receipt from the current node; receipt_proves() is the caller's business. wire_free(WIRE(qreceipt), ...).
 */
bool client_receipt_here(struct client *c, const struct qtxid *id, struct qreceipt *out, struct err *err);

#endif
