/*
 * replica_impl.h: the inside of a replica, shared by its files:
 *
 *   replica.c         the turn loop and its ordering law, proposing
 *   replica_open.c    assembly: files opened, engine restored; and closed
 *   replica_run.c     executing certified runs
 *   replica_bodies.c  the bodies of blocks in flight: fetching, validating
 *   replica_txs.c     transactions that come in: admission, orphans, double spends, forwarding
 *   replica_address.c  what an address holds
 *   replica_status.c  what it says of itself
 *   replica_serve.c   answers to peers' GET_TXS, GET_BODIES, GET_CHAIN
 *   replica_evidence.c  evidence: what is kept, and its exchange with peers
 */
#ifndef QUORATE_REPLICA_IMPL_H
#define QUORATE_REPLICA_IMPL_H

#include "index.h"
#include "map.h"
#include "replica.h"

/* ---- bounds ---------------------------------------------------------------- */

#define SEEN_MAX 16384             /* transactions remembered beside the pool, */
#define SEEN_BYTES (16u << 20)     /* and their bytes */
#define TURN_PROBES_MAX 2048       /* of the ledger's index of ids, for what transactions spend */
#define RECENT_BLOCKS_MAX 128      /* blocks remembered after they were executed, */
#define RECENT_TXS_MAX 16384       /* their transactions, */
#define RECENT_BYTES (16u << 20)   /* and the bytes of these; one block in any case */
#define ORPHANS_MAX 512            /* per peer, */
#define ORPHANS_BYTES (2u << 20)   /* and their bytes */
#define EARLY_MAX 32               /* transactions that come a few heights too early, per peer, */
#define EARLY_BYTES (256u << 10)   /* and their bytes */
#define SLEPT_MS 1500              /* longer between two turns than any deadline: it was asleep; */
#define SLEPT_COUNTS_MS 100        /* not for nothing, lest one that is always slow waits for ever */
#define FATES_MAX 65536            /* evicted transactions whose fate is remembered */
#define EVIDENCE_REPLICA_MAX 16    /* entries in its journal against one replica, */
#define EVIDENCE_SIGNER_MAX 16     /* against one client, */
#define EVIDENCE_FORK_MAX 16       /* of forks */
#define EVIDENCE_MAX 1000          /* double spends journaled in one run of the process that were found */
#define EVIDENCE_BYTES (16u << 20) /* here, and their bytes; as much again of what peers hand on, */
#define EVIDENCE_PARTS 4           /* of which one peer fills one of so many parts at most */
#define EVIDENCE_ASK_MS 5000       /* between two questions to a peer */
#define ASK_MAX 16                 /* bodies asked for at a time without a leaf list */
#define LEAVES_MAX 64              /* transactions of a block are asked for by leaf, no more */
#define ASK_GRACE_MS 10            /* a forward may still be on its way */
#define PATIENCE_PARTS 8           /* that part of a time-out, while transactions wait for a worker here */
#define ASK_RETRY_MS 200           /* doubles with each try up to */
#define ASK_RETRY_MAX_MS 3200
#define SERVE_LOOKUP_DISK 4096    /* bytes that a look-up in the ledger costs a peer */
#define SERVE_BYTES_S (16u << 20) /* answers to one peer: so much a second, and at most this at once */

/* ---- parts ------------------------------------------------------------------- */

struct parcel {
	struct message *message; /* a reference */
	uint64_t to;
};

/* The batch that was chosen last, until its block is known by hash: at once, or when its header is sealed. */
struct batch {
	struct qheight height; /* 0: none */
	struct qhash parent, root;
	struct tx **txs; /* references */
	size_t cnt;
	struct overlay *overlay;
};

/* A block above the executed one, as far as it is here. */
struct body {
	struct qhash hash;
	struct qheader header;
	struct qhash *leaves; /* NULL: not known */
	struct tx **txs;      /* by leaf, as they come; NULL once complete */
	uint32_t *missing;    /* which of them have not come, ascending */
	size_t missing_cnt;
	size_t bytes;        /* of txs */
	struct block *block; /* complete */
	struct overlay *overlay;
	bool invalid;  /* breaks a rule on its own parent */
	bool wanted;   /* the engine waits for IN_BODY */
	bool validate; /* the engine waits for IN_VALIDATED */
	unsigned peer; /* whom to ask next */
	unsigned tries;
	uint64_t asked_ms;   /* when it was asked for last */
	uint64_t ask_ms;     /* when to ask (again) */
	uint64_t patient_ms; /* until then not at all, while what is missing may be waiting for a worker */
	struct body *child;  /* the walk of bodies_overlay() */
	UT_hash_handle hh;   /* by hash */
};

/* A verified transaction that may be in a block though it is not in the pool. */
struct seen {
	struct tx *tx;
	UT_hash_handle hh; /* by leaf; in order of arrival */
};

/* The blocks that were executed last, for peers that are a block behind: these ask for transactions by leaf.
 * As long as nobody does, a block costs no more than its place. */
struct recent {
	struct block *blocks[RECENT_BLOCKS_MAX]; /* references; a ring */
	size_t first, cnt, txs, bytes;
	bool indexed;         /* these are all in: */
	struct index by_leaf; /* struct tx */
};

/* A forwarded transaction that came before the one whose output it spends. It reserves nothing. */
struct orphan {
	struct tx *tx;
	unsigned source;
	struct crib *crib;
	struct orphan *sibling_prev, *sibling_next; /* crib->list */
	struct orphan *prev, *next;                 /* its source's, oldest first */
};
struct crib {
	struct qtxid parent;
	struct orphan *list;
	UT_hash_handle hh; /* by parent */
};

/* A forwarded transaction that the next block may not hold, but perhaps one a few heights on: its sender may
 * have executed more than this replica. It reserves nothing. */
struct early {
	struct tx *tx;
	struct qheight until; /* then it is given up */
	struct early *prev, *next;
};

struct fate {
	struct qtxid id, winner;
	enum tx_verdict verdict;
	UT_hash_handle hh; /* by id; in order of eviction */
};

/* What a piece of evidence in the journal is about; a second one about the same is not kept. */
struct piece {
	struct piece_key {
		uint32_t kind, statement, replica;
		uint32_t offence; /* 1: two votes that cost stake; no cheaper lie hides them */
		uint64_t view, height;
		struct qhash first, second;
	} key;
	struct qhash digest; /* of the piece itself */
	UT_hash_handle hh;   /* by key */
};
struct offender {
	struct qaddress signer;
	unsigned cnt;
	UT_hash_handle hh; /* by signer */
};
struct dossier {
	struct piece *pieces;
	unsigned of_replica[Q_REPLICAS_MAX];
	struct qheight
	    offence[Q_REPLICAS_MAX]; /* greatest height of votes among those that cost stake; 0: none */
	unsigned forks;
	struct offender *offenders;
	struct taken {
		unsigned double_spends; /* in this run, and their bytes */
		size_t bytes;
	} found, handed; /* here; on by peers */
};

struct peer_state {
	struct orphan *orphans;
	size_t orphan_cnt, orphan_bytes;
	struct early *early; /* oldest first */
	size_t early_cnt, early_bytes;
	uint64_t served_ms;       /* when its allowance was last filled up */
	uint64_t allowance;       /* bytes that may be served to it */
	uint64_t evidence_upto;   /* of its journal */
	uint64_t evidence_ask_ms; /* when it is asked again */
	bool evidence_asked;      /* an answer is on its way, or lost */
	struct taken taken;       /* of what it handed on */
};

struct replica {
	struct replica_config c;
	const struct genesis *g;
	const struct engine_ops *ops;
	struct engine *engine;
	struct ledger *ledger;
	struct reader *reader;
	struct votes *votes;
	struct pool *pool;
	struct pool_patience patience;
	uint64_t now_ms, wall_ms; /* now_ms: of the owner's clock, less slept_ms */
	uint64_t slept_ms;        /* while it was not woken: time that does not count against anybody */

	struct err stopped;                     /* kind is not ERR_NONE: no further work */
	const char *halt;                       /* the engine said OUT_HALT */
	const char *muted;                      /* OUT_MUTE */
	uint64_t pruned_blocks, pruned_records; /* the vote log, up to these heights */
	uint64_t told_ms;                       /* catch-up was last told of */
	bool told_pending;                      /* what the engine last heard of the pool */
	bool expects;                           /* more transactions, soon */
	uint64_t propose_ms; /* what waits for them is proposed then; UINT64_MAX: nothing waits */
	uint64_t proposed_ms, executed_ms; /* the oldest block in flight of its own (0: none); the last run */
	uint64_t took_ms;                  /* from the one to the other, when it was measured last */
	bool sync_due; /* the vote log holds what must not be lost, whether anything is sent or not */

	struct engine_outputs out; /* of the turn */
	size_t handled;            /* outputs of it that were dealt with */
	struct parcel *parcels;    /* leave after the sync */
	size_t parcel_cnt, parcel_cap;

	struct batch batch;
	bool sealing;        /* the batch's header is being mined: */
	struct qheader seal; /* this one */
	unsigned judged;     /* the proposer that the pool's fairness counts are about */
	uint64_t probes;     /* in this turn */
	struct body *bodies;
	size_t gaps;     /* those of them that are not complete */
	bool fresh;      /* transactions came that these may lack */
	uint64_t ask_ms; /* next retry; UINT64_MAX: none */
	struct seen *seen;
	size_t seen_bytes;
	struct recent recent;
	bool in_message, viewing; /* one view of the reader for all that a message makes it look up */
	struct crib *cribs;
	struct fate *fates;
	struct dossier dossier;
	struct peer_state *peers; /* n */
};

/* ---- replica.c --------------------------------------------------------------- */

#define rlog(r, level, ...)                                                         \
	do {                                                                        \
		if ((r)->c.effects.log)                                             \
			(r)->c.effects.log((r)->c.effects.ctx, level, __VA_ARGS__); \
	} while (0)

bool replica_stopped(const struct replica *r);
/* One input for the engine; its outputs are dealt with later. */
void replica_feed(struct replica *r, struct engine_input *in);
/* Takes the reference to m; it leaves with the turn. */
void replica_post(struct replica *r, struct message *m, uint64_t to);
/* Makes, signs and posts a message of the driver's own. */
void replica_say(struct replica *r, const struct qmessage *m, uint64_t to);
uint64_t replica_others(const struct replica *r);
/* Ends the search for a seal, if one is on; the batch stays. */
void seal_end(struct replica *r);
static inline uint64_t replica_bit(unsigned i)
{
	return UINT64_C(1) << i;
}

/* ---- replica_run.c ------------------------------------------------------------- */

void run_execute(struct replica *r, const struct engine_output *o);

/* ---- replica_bodies.c ---------------------------------------------------------- */

/* Of the vote log, at the start. */
void bodies_put(struct replica *r, struct block *b);
struct block *bodies_find(const struct replica *r, const struct qhash *hash); /* borrowed; NULL: not here */
void bodies_want(struct replica *r, const struct engine_output *o);
void bodies_validate(struct replica *r, const struct qhash *hash);
void bodies_on_body(struct replica *r, const struct message *m, struct tx *const *txs, size_t tx_cnt);
/* Once a turn: if new transactions are in the pool or in `seen`, do they complete a body? */
void bodies_fill(struct replica *r);
/* The state after this block, on its own chain: BUILT with *o (borrowed). */
enum built { BUILT, BUILT_LATER /* a body is missing */, BUILT_NEVER /* it breaks a rule */ };
enum built bodies_overlay(struct replica *r, const struct qhash *hash, struct overlay **o);
void bodies_executed(struct replica *r);
void bodies_ask(struct replica *r);
void bodies_free(struct replica *r);
void batch_clear(struct batch *b);

/* ---- replica_txs.c -------------------------------------------------------------- */

void txs_on_txs(struct replica *r, unsigned sender, struct tx *const *txs, size_t tx_cnt);
/* Remembers a verified transaction for blocks that hold it and peers that ask for it. */
void txs_seen(struct replica *r, struct tx *tx);
struct tx *txs_find_leaf(const struct replica *r, const struct qhash *leaf);   /* in pool or seen; borrowed */
void txs_executed(struct replica *r, struct block *const *blocks, size_t cnt); /* a run, once it is durable */
void txs_forward(struct replica *r);
void txs_resend(struct replica *r);
void txs_free(struct replica *r);

/* ---- replica_serve.c ------------------------------------------------------------- */

void serve_get_txs(struct replica *r, const struct message *m);
void serve_executed(struct replica *r, struct block *b); /* for a while GET_TXS finds what is in it */
void serve_free(struct replica *r);
void serve_get_bodies(struct replica *r, const struct message *m);
void serve_get_chain(struct replica *r, const struct message *m);
/* May this peer have (more of) an answer now?  What it gets is charged: an answer by serve_answer(). */
bool serve_allowed(struct replica *r, unsigned peer);
void serve_charge(struct replica *r, unsigned peer, uint64_t bytes);
void serve_answer(struct replica *r, unsigned peer, const struct qmessage *m);

/* ---- replica_evidence.c ----------------------------------------------------------- */

/* What the journal holds. */
bool evidence_load(struct replica *r, struct err *err);
void evidence_free(struct replica *r);
/* The engine's: an encoded qjournal. */
void evidence_found(struct replica *r, const struct bytes *journal);
/* Is it worth the look for the winner? */
bool evidence_wants(struct replica *r, const struct qtxid *loser);
void evidence_double_spend(struct replica *r, const struct tx *winner, const struct tx *loser);
void evidence_ask(struct replica *r);                            /* peers whose time it is */
void evidence_serve(struct replica *r, const struct message *m); /* GET_EVIDENCE */
void evidence_on(struct replica *r, const struct message *m);    /* EVIDENCE: what is in it holds */

#endif
