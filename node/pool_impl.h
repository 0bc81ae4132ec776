/*
 * pool_impl.h: the inside of the mempool, shared by pool.c (what is in it) and pool_queue.c
 * (in which order it leaves: batches, forwards, the fairness counts).
 */
#ifndef QUORATE_POOL_IMPL_H
#define QUORATE_POOL_IMPL_H

#include <stdatomic.h>
#include <utlist.h>

#include "index.h"
#include "map.h"
#include "pool.h"

/* One input of an entry: who spends this output. */
struct spend {
	struct qoutpoint point;
	uint32_t hash; /* of point */
	struct entry *by;
};

/* How many of own clients' entries an account pays for. */
struct owner {
	struct qaddress address;
	size_t cnt;
	UT_hash_handle hh; /* by address */
};

/* The entries that expire with one height. */
struct expiry {
	uint64_t height;
	size_t cnt;
	struct entry *list;
	UT_hash_handle hh; /* by height */
};

struct entry {
	struct tx *tx; /* a reference */
	uint64_t seq;  /* order of arrival */
	uint32_t id_hash, leaf_hash;
	unsigned source;
	bool own;             /* an own client waits for it */
	bool chained;         /* it spends an output of an entry, or did when it came */
	uint64_t aside_until; /* the height whose execution ends its being aside; 0: it waits in its queue */

	/* own clients' only: forwarding and fairness */
	bool in_line; /* to be forwarded; else it is in p->forwarded */
	uint64_t forwarded_ms, forwarded_height;
	uint64_t passed_in; /* the reign whose proposer passed it over once; then it was forwarded again */

	/* the walk of pool_choose() from a child up to its parents */
	struct entry *child;
	unsigned next_input;

	uint64_t
	    bound; /* bit i: a conviction of replica i may make it inadmissible; any: it is in p->bound */
	struct expiry *expires;                  /* NULL: never */
	struct entry *all_prev, *all_next;       /* in order of arrival */
	struct entry *queue_prev, *queue_next;   /* source's queue, or an aside list */
	struct entry *expiry_prev, *expiry_next; /* expires->list */
	struct entry *line_prev, *line_next;     /* line or forwarded */
	struct entry *bound_prev, *bound_next;
	struct spend spends[]; /* one per input */
};

/*
 * Bounds. A source has pool_source_max entries (M), own clients; a peer twice that, for its forwards may come
 * before the blocks that made room for them were executed here, and a refused forward looks like censorship
 * to it. Bytes likewise, from POOL_BYTES shared out among n.
 */
#define POOL_BYTES (256u << 20)
#define POOL_BYTES_PEER_MIN (4u << 20)

/* Entries are aside for at most this many heights above the executed one: beyond any window. */
#define POOL_AHEAD_MAX 256
_Static_assert(POOL_AHEAD_MAX >= 2 * Q_WINDOW_MAX, "a window of proposals fits above an unexecuted one");

struct source {
	struct entry *queue; /* waiting, oldest first */
	size_t cnt, bytes;   /* of all its entries, aside or not */
};

struct pool {
	const struct genesis *g;
	const struct state *state;
	unsigned self;
	struct qheight executed;
	uint64_t seq;
	uint64_t chosen_seq[2]; /* seq when the block before the last one was chosen, and the last one */
	size_t bytes, waiting_cnt, waiting_bytes;
	atomic_size_t room; /* pool_room() */

	struct entry *all;     /* in order of arrival */
	struct index by_id;    /* entries */
	struct index by_leaf;  /* entries */
	struct index by_point; /* their struct spend */
	struct owner *owners;
	struct expiry *expiries;
	struct source *sources;                 /* n */
	unsigned turn;                          /* whose turn it is in the round-robin */
	struct entry *aside[POOL_AHEAD_MAX];    /* by aside_until % POOL_AHEAD_MAX */
	uint64_t reign, reign_ms, reign_height; /* of the proposer that is judged: its number, from 1, and
	                                           when it began */
	struct entry *line;                     /* own, to be forwarded */
	struct entry *forwarded;                /* own, oldest forward first */
	struct entry *bound;               /* what a conviction may make inadmissible, in order of arrival */
	struct entry *cursor;              /* the next of them to be judged, while they are */
	struct unspent made[Q_INPUTS_MAX]; /* judge()'s: what the one that is judged spends of entries */
};

struct entry *pool_entry(const struct pool *p, const struct qtxid *id);

/* pool_queue.c: entering and leaving the orders. */
void queue_enter(struct pool *p, struct entry *e);
void queue_leave(struct pool *p, struct entry *e);
void queue_return(struct pool *p, uint64_t height); /* what was aside until this height */
void line_enter(struct pool *p, struct entry *e);
void line_leave(struct pool *p, struct entry *e);

#endif
