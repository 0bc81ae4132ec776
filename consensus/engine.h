/*
 * engine.h: what every agreement engine is to its driver: a pure, deterministic
 * state machine.  One input in, a list of outputs out; no clock, socket, file, thread,
 * random source or global.  The node and the tests drive the same object.
 *
 * THE ORDERING LAW, which one driver (node/replica.c) obeys:
 *     persist  (OUT_PERSIST, OUT_PERSIST_BLOCK, OUT_JOURNAL; one fsync for a turn),
 *     send     (OUT_SEND),
 *     execute  (OUT_EXECUTE).
 */
#ifndef QUORATE_ENGINE_H
#define QUORATE_ENGINE_H

#include "block.h"
#include "message.h"
#include "record.h"
#include "schedule.h"
#include "seal.h"

/* ---- inputs -------------------------------------------------------------- */

enum engine_input_kind {
	IN_TICK,      /* time passes; also wakes everything that waits for a clock */
	IN_MESSAGE,   /* .message: borrowed; PRE-PREPARE .. STATUS and CHAIN only */
	IN_PROPOSE,   /* .propose: a batch for the height that engine_can_propose() named */
	IN_SEALED,    /* .sealed: the answer to OUT_SEAL */
	IN_BODY,      /* .body: the driver now holds this block's body (its root was checked) */
	IN_VALIDATED, /* .validated: the answer to OUT_VALIDATE */
	IN_EXECUTED,  /* .executed: the answer to OUT_EXECUTE; also the ledger is durable */
};

struct engine_input {
	enum engine_input_kind kind;
	uint64_t now_ms;  /* monotonic */
	uint64_t wall_ms; /* wall clock: proposals' times only */
	bool pending;     /* an admissible transaction waits in the pool (judged on the executed state) */
	bool unfair;      /* the fairness rule: the proposer passed over a transaction for too long */
	union {
		struct message *message;
		struct {
			const struct qhash *leaves; /* borrowed */
			size_t leaf_cnt;            /* 1 .. block_txs_max */
		} propose;
		struct {
			struct qheader header; /* that of OUT_SEAL, with a nonce that seals it */
		} sealed;
		struct {
			struct qhash block;
		} body;
		struct {
			struct qhash block;
			bool valid;
		} validated;
		struct {
			struct qheight height;       /* of the run's last block */
			const struct qhash *digests; /* borrowed: state digest after each block of the run */
			size_t cnt;                  /* blocks in the run */
			const struct qstaking *staking; /* borrowed: after the run */
		} executed;
	};
};

/* ---- outputs ------------------------------------------------------------- */

enum engine_output_kind {
	OUT_PERSIST,        /* .record: to the vote log */
	OUT_PERSIST_BLOCK,  /* .block: the body of this block, to the vote log */
	OUT_JOURNAL,        /* .journal: to the ledger's journal */
	OUT_SEND,           /* .send: to the replicas of the mask */
	OUT_SEAL,           /* .seal: mine this header, then IN_SEALED; ends the search before */
	OUT_SEAL_STOP,      /* the search is in vain: end it; its batch is free again */
	OUT_EXECUTE,        /* .execute: a certified run on the executed tip, all bodies here */
	OUT_WANT_BODY,      /* .want_body: obtain it, then IN_BODY (at once if it is here already) */
	OUT_VALIDATE,       /* .block: check it on its parent, then IN_VALIDATED */
	OUT_WANT_CHAIN,     /* .want_chain: ask this replica for certified headers */
	OUT_RESEND_PENDING, /* T1, T4: send what is pending to everybody */
	OUT_EVIDENCE,       /* .journal: as OUT_JOURNAL, and a person should know */
	OUT_VIEW,           /* .view: a new view was entered (the pool resets its fairness counts) */
	OUT_MUTE,           /* .reason: this replica must not vote any more (see protocol, F8) */
	OUT_HALT,           /* .reason: stop: more than f traitors, or this replica is corrupt */
};

struct engine_output {
	enum engine_output_kind kind;
	union {
		struct {
			struct vote_record key; /* data and len unused */
			struct bytes data;      /* owned by the output list */
		} record;
		struct {
			struct qhash hash;
			struct qheader header;
		} block;
		struct bytes journal; /* an encoded qjournal; owned by the output list */
		struct {
			struct message *message; /* a reference of the list */
			uint64_t to;             /* bit i: replica i; never the sender itself */
		} send;
		struct qheader seal;
		struct {
			size_t cnt;              /* blocks, in order of height */
			struct qhash *hashes;    /* owned by the list */
			struct qheader *headers; /* owned by the list */
			struct qcert cert;       /* of the last; owned by the list */
		} execute;
		struct {
			struct qhash hash;
			struct qheader header;
			struct qhash *leaves; /* header.tx_count of them, the list's; NULL: not known */
			unsigned from;        /* the replica that is likely to have it */
		} want_body;
		struct {
			struct qheight above;
			unsigned from;
		} want_chain;
		struct qview view;
		const char *reason; /* static text */
	};
};

/* Grown by engine_step(); emptied by the driver with engine_outputs_clear(). */
struct engine_outputs {
	struct engine_output *list;
	size_t cnt, cap;
};
void engine_outputs_clear(struct engine_outputs *out);

/* ---- restart ------------------------------------------------------------- */

struct engine_restore {
	struct qheight executed; /* 0: only the genesis */
	struct qhash executed_hash;
	struct seal_parent executed_seal;
	const struct qstaking *staking;    /* after that block */
	const struct qcert *executed_cert; /* NULL at height 0 */
	const struct qcert *stable;        /* NULL: none yet */
	struct {
		struct qheight height;
		struct qhash block, state;
	} checkpoint; /* the newest checkpoint height executed, with its state digest; height 0: none known */
	const struct vote_record *records; /* the whole vote log */
	const struct qhash *executed_at; /* for each COMMIT of it the block executed at that height; zero, for
	                                    others, too: there is none. NULL: for none of them */
	size_t record_cnt;
	struct block *const *blocks; /* the vote log's blocks above `executed`; bodies are here */
	size_t block_cnt;
};

/* ---- the engine ---------------------------------------------------------- */

struct engine_config {
	const struct genesis *genesis; /* borrowed for the engine's life */
	unsigned self;                 /* this replica's index */
	struct signer signer;
	bool amnesiac; /* the vote log was lost: say nothing until a stable checkpoint allows (F8) */
};

/* Rules of docs/PROTOCOL.md by which messages of replicas are refused: what no honest one sends, and PP2,
 * PP3, PP6 and V1, which come about when one is behind or a view ends. */
enum engine_rule {
	RULE_PP1,
	RULE_PP2,
	RULE_PP3,
	RULE_PP5,
	RULE_PP6,
	RULE_PP7,
	RULE_PP8,
	RULE_PP10,
	RULE_PP11,
	RULE_V1,
	RULE_V2,
	RULE_CP1,
	RULE_CP3,
	RULE_VC2,
	RULE_NV2,
	ENGINE_RULES
};
extern const char *const engine_rule_name[ENGINE_RULES];

struct engine_status {
	struct qview asked, entered;
	bool active; /* in `entered`; false: waiting for the NEW-VIEW of `asked` */
	bool muted;
	unsigned primary;       /* of `asked`: who makes its NEW-VIEW */
	unsigned proposer;      /* at the height above the tip, in `asked`; n: the stakes that decide are not
	                           executed here yet */
	struct qheight sealing; /* being mined here; 0: none */
	struct qheight tip, executed, stable;
	struct qhash tip_hash;
	uint64_t view_changes; /* entered since the start */
	uint64_t timer_ms; /* when it loses patience with the view that it is in, or asks for; 0: nothing is
	                      overdue */
	uint64_t refused[ENGINE_RULES]; /* messages, since the start */
	struct {
		struct qheight tip, executed;
		struct qview entered;
		uint64_t seen_ms; /* when its last STATUS came; 0: never */
	} peer[Q_REPLICAS_MAX];
};

struct engine;
struct engine_ops {
	const char *name;
	struct engine *(*create)(const struct engine_config *config, const struct engine_restore *restore,
	                         struct engine_outputs *out, uint64_t now_ms, struct err *err);
	void (*destroy)(struct engine *e);
	void (*step)(struct engine *e, const struct engine_input *in, struct engine_outputs *out);
	/* Monotonic time at which the next IN_TICK is wanted. */
	uint64_t (*deadline)(const struct engine *e);
	/* May this replica propose now? Then *height and *parent are the block's, and its parent's body is
	 * here: who builds on it sees whether it is valid. */
	bool (*can_propose)(const struct engine *e, struct qheight *height, struct qhash *parent);
	void (*status)(const struct engine *e, struct engine_status *out);
};

extern const struct engine_ops pbft_engine; /* consensus/pbft/ */

#endif
