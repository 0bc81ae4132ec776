/*
 * world.h: a small world for agreement: n real engines on virtual time in one thread, with real
 * signatures, a network that a story bends, disks that forget what was not synced, and checkers that are
 * always on and share no code with what they check.
 *
 *   world.c          the turns of replicas, in the order of the law; clients
 *   world_life.c     birth, crash and restart; time
 *   world_net.c      the network: packets, rules, chaos; bodies and chains fetched over it
 *   world_disk.c     what a crash keeps
 *   world_check.c    the checkers
 *   world_traitor.c  messages signed with a traitor's key
 *   world_trace.c    the story as text
 *
 * A block's transactions are stood for by their leaves: a body is present or it is not.
 * A story fails with a line that names what broke; world_end() also compares its trace.
 */
#ifndef QUORATE_TEST_WORLD_H
#define QUORATE_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"
#include "genesis.h"
#include "ident.h"

#define ALL UINT64_MAX
#define ONLY(i) (UINT64_C(1) << (i))
#define BUT(i) (~(UINT64_C(1) << (i)))
#define KIND(k) (1u << (k))
#define EVERY_KIND UINT32_MAX
#define HEIGHTS_MAX 512

/* ---- what is kept of a story's blocks ------------------------------------- */

struct wblock {
	struct qhash hash;
	struct qheader header;
	struct qhash *leaves; /* header.tx_count of them; NULL: only the header was ever seen */
	size_t leaf_cnt;
	uint64_t holds; /* replicas that have the body */
	char name[16];  /* a, b ... in order of appearance */
};

/* ---- disk ------------------------------------------------------------------ */

struct wrecord {
	struct vote_record key;
	struct bytes data;
};

struct disk {
	struct wrecord *records, *staged;
	size_t record_cnt, staged_cnt;
	struct qhash *blocks, *staged_blocks; /* bodies in the vote log */
	size_t block_cnt, staged_block_cnt;
	struct bytes *journal, *staged_journal;
	size_t journal_cnt, staged_journal_cnt;
	bool has_stable;
	struct qcert stable;
	/* the ledger: durable as soon as it is executed */
	struct wexecuted {
		struct qhash block, digest;
		bool has_cert;
		struct qcert cert;
	} executed[HEIGHTS_MAX]; /* [height] */
	uint64_t height;
};

/* ---- network ---------------------------------------------------------------- */

struct packet { /* what is sent once, to one or to many */
	unsigned refs;
	enum qkind kind;        /* of the message; QTXS, QGET_BODIES, QBODY, QGET_CHAIN: the world's own */
	uint64_t height;        /* 0: it has none */
	struct bytes bytes;     /* encoded envelope */
	struct message *opened; /* what message_open() made of it, where it may be shared */
	struct qhash hash;      /* of a block or leaf, for the world's own kinds */
	uint64_t above;         /* QGET_CHAIN */
};

struct item {
	struct packet *packet;
	unsigned from, to;
	uint64_t at_ms;
	struct item *prev, *next;
};

enum rule_action { DROP, HOLD };
struct rule {
	uint64_t from, to;
	unsigned kinds;
	uint64_t height; /* 0: any */
	enum rule_action action;
};
#define RULES_MAX 32

struct chaos { /* per cent, drawn for each delivery */
	unsigned drop, duplicate;
	uint64_t delay_max_ms;
};

/* ---- replicas --------------------------------------------------------------- */

/* Where in a turn a replica loses its power. */
enum crash_point {
	CRASH_NONE,
	CRASH_BEFORE_SYNC,
	CRASH_BEFORE_SEND,
	CRASH_BEFORE_EXECUTE,
	CRASH_AFTER_EXECUTE
};

struct want {
	struct qhash block;
	unsigned from;
	uint64_t next_ms;
};

struct replica {
	struct engine *e; /* NULL: crashed, or a traitor */
	struct disk disk;
	bool traitor;
	bool tainted; /* its log was tampered with by the story: its own conflicts are expected */
	bool amnesiac;
	bool paused;        /* neither ticks nor messages reach it: they wait */
	bool hold_execute;  /* runs are not executed until world_execute_held() */
	bool hold_validate; /* nor blocks validated */
	bool hold_seal;     /* nor seals found until world_seal_held() */
	bool mining;
	struct qheader mine; /* while mining */
	unsigned seals_stopped;
	bool corrupt; /* its state digests are wrong */
	bool unfair;  /* IN_*.unfair */
	int64_t wall_skew_ms;
	uint64_t skew_ms; /* its monotonic clock is that far ahead of the world's */
	unsigned life;    /* how often it was started */
	enum crash_point crash_at;
	struct want *wants;
	size_t want_cnt;
	struct engine_output *held; /* OUT_EXECUTEs that wait */
	size_t held_cnt;
	struct qhash *held_validate;
	size_t held_validate_cnt;
	/* what happened in all its lives */
	uint64_t said; /* statements shown: votes, proposals, view changes, new views */
	unsigned conflicts, bad_proposals, forks, new_views, mutes, halts, resends;
	uint64_t conflict_culprits; /* bit i: evidence of a conflict convicts replica i */
};

struct leaf {
	struct qhash hash;
	uint64_t at, executed; /* replicas */
};

struct statement;
struct tally;
struct todo;

/* How a chain's blocks are sealed and its proposers chosen. `stakes` says what the replicas have after the
 * block at a height; the world's own transactions move nothing. */
struct world_modes {
	struct qseal_rules seal;
	struct qproposer_rules proposer;
	void (*stakes)(uint64_t height, struct qstake stakes[Q_REPLICAS_MAX]);
};

struct world {
	struct genesis g;
	struct world_modes modes;
	struct ident *ids[Q_REPLICAS_MAX];
	struct sign_as {
		struct world *w;
		unsigned i;
	} signers[Q_REPLICAS_MAX];
	unsigned n, f, q;
	uint64_t now_ms;
	struct replica *r; /* n */
	struct item *queue, *held;
	struct rule rules[RULES_MAX];
	unsigned rule_cnt;
	struct chaos chaos;
	uint64_t random;   /* state of the seeded generator */
	bool share_opened; /* open a packet once for all receivers (message_open is pure): faster */
	uint64_t withhold; /* replicas that get no body by leaves alone: they must fetch */
	uint64_t mean;     /* replicas that answer no fetch */
	bool auto_propose; /* whoever may propose does, from the leaves that clients sent */
	uint64_t pending;  /* replicas that are told that something is pending, whatever the pool says */
	bool (*valid)(const struct world *w, unsigned replica, const struct wblock *b); /* NULL: all are */
	bool expect_halt;

	struct wblock **blocks;
	size_t block_cnt;
	struct leaf *leaves;
	size_t leaf_cnt;
	uint64_t leaf_serial;

	/* checkers */
	struct statement *statements; /* all that was ever signed and shown, by anybody */
	struct tally *tallies;
	struct {
		bool set;
		struct qhash block;
	} final[HEIGHTS_MAX]; /* what is certified or could be, by height */
	uint64_t final_height;
	uint64_t events; /* at one instant: a storm never ends */

	struct todo *todo; /* inputs that follow from outputs */
	size_t todo_cnt, todo_cap;
	bool draining;
	const char *hint; /* how to see a failure again */

	char *trace;
	size_t trace_len, trace_cap;
	bool quiet; /* no trace */
	unsigned name_cnt;
};

/* ---- the story -------------------------------------------------------------- */

/* The traitors are the story's to speak for. The first STATUS of everybody has been exchanged. */
struct world *world_new(unsigned n, uint64_t traitors);
struct world *world_new_with(unsigned n, uint64_t traitors, const struct qparams *params, uint64_t seed);
struct world *world_new_in(unsigned n, uint64_t traitors, const struct qparams *params, uint64_t seed,
                           const struct world_modes *modes);
struct qparams world_params(void); /* K 4, W 4, time-out 1000 ms */
/* Checks the trace against traces/NAME.txt (QUORATE_RECORD=1 writes it) and ends the world. */
void world_end(struct world *w, const char *name);
void world_free(struct world *w);

/* Delivers all that is under way; no time passes. */
void world_settle(struct world *w);
/* Time passes, clocks tick, messages arrive. */
void world_run(struct world *w, uint64_t ms);
/* Runs until every living honest replica has executed `height`; false after `ms`. */
bool world_run_to(struct world *w, uint64_t height, uint64_t ms);
/* A client comes: there must be progress in the end, for every honest replica alike. Ends the trace. */
void world_goes_on(struct world *w);
/* Replica i alone sees its clock tick. */
void world_tick(struct world *w, unsigned i);
/* One replica's monotonic time-outs pass though the world's time stands still: up to `ms` later. */
void world_time_out(struct world *w, uint64_t replicas);

/* A client hands over a fresh transaction to each replica of the mask. */
void world_submit(struct world *w, uint64_t replicas);
/* Replica i proposes a block of one fresh transaction; it must be able to. */
const struct wblock *world_propose(struct world *w, unsigned i);

void world_crash(struct world *w, unsigned i);
void world_restart(struct world *w, unsigned i);
void world_execute_held(struct world *w, unsigned i);
void world_validate_held(struct world *w, unsigned i);
void world_seal_held(struct world *w, unsigned i); /* what it mines now is found; later ones wait again */
/* By brute force. */
void world_mine(const struct world *w, struct qheader *h);
struct engine_status world_status(const struct world *w, unsigned i);
const struct wblock *world_executed(const struct world *w, unsigned i, uint64_t height);
uint64_t world_height(const struct world *w, unsigned i);
void world_say(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- network ---------------------------------------------------------------- */

void world_rule(struct world *w, enum rule_action action, uint64_t from, uint64_t to, unsigned kinds,
                uint64_t height);
void world_clear_rules(struct world *w);
void world_release(struct world *w);                  /* what was held arrives now */
void world_partition(struct world *w, uint64_t side); /* adds DROP rules between side and the rest */
void world_send(struct world *w, unsigned from, struct message *m, uint64_t to);

/* ---- the traitor ------------------------------------------------------------- */

/* A block that nobody proposed yet. Its body is at hand for whoever gets its leaves. */
const struct wblock *traitor_block(struct world *w, unsigned proposer, uint64_t height,
                                   const struct qhash *parent);
void traitor_propose(struct world *w, unsigned i, uint64_t view, const struct wblock *b, uint64_t to);
void traitor_vote(struct world *w, unsigned i, enum qkind kind, uint64_t view, const struct wblock *b,
                  uint64_t to);
/* Of votes ever shown, and the traitors' own; false if there are not enough. wire_free() it. */
bool traitor_cert(struct world *w, enum qkind kind, uint64_t view, const struct wblock *b,
                  struct qcert *cert);
struct claim {
	const struct wblock *tip; /* with a COMMIT certificate of tip_view */
	uint64_t tip_view;
	const struct qcert *stable;
	struct {
		const struct wblock *block;
		uint64_t view;
	} prepared[4]; /* ends at the first NULL */
};
void traitor_view_change(struct world *w, unsigned i, uint64_t view, const struct claim *c, uint64_t to);
/* From the VIEW-CHANGEs that these replicas showed. */
void traitor_new_view(struct world *w, unsigned i, uint64_t view, uint64_t changes, uint64_t to);
void traitor_message(struct world *w, unsigned i, const struct qmessage *m, uint64_t to);

/* ---- between the files -------------------------------------------------------- */

_Noreturn void world_broken(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t world_random(struct world *w, uint64_t below);
uint64_t world_liars(const struct world *w); /* traitors, and those whose log the story tampered with */
struct wblock *world_block(const struct world *w, const struct qhash *hash);
struct wblock *world_note_block(struct world *w, const struct qheader *header, const struct qhash *leaves,
                                size_t leaf_cnt);
struct qhash world_fresh_leaf(struct world *w);
void world_input(struct world *w, unsigned i, struct engine_input *in);
/* The staking state after the block at this height; its arrays are the caller's: wire_free(). */
struct qstaking world_staking(const struct world *w, uint64_t height);
struct seal_parent world_seal_parent(const struct world *w, const struct qhash *block);
void world_have_body(struct world *w, unsigned i, const struct qhash *hash);
void world_leaf_at(struct world *w, unsigned i, const struct qhash *leaf);
struct message *world_sign(struct world *w, unsigned i, const struct qmessage *m);

void turn_finish(struct world *w, unsigned i, struct engine_outputs *out);
void turn_drain(struct world *w); /* the inputs that follow from outputs */
void turn_forget_held(struct replica *r);

void net_message(struct world *w, unsigned from, struct message *m, uint64_t to);
void net_leaf(struct world *w, unsigned from, const struct qhash *leaf, uint64_t to);
bool net_deliver_one(struct world *w);
uint64_t net_next_ms(const struct world *w); /* UINT64_MAX: nothing is under way */
void net_want(struct world *w, unsigned i, const struct qhash *block, unsigned from);
void net_retry_wants(struct world *w);
void net_ask_chain(struct world *w, unsigned i, unsigned from, uint64_t above);
void net_free(struct world *w);
void net_forget_wants(struct world *w, unsigned i);

void disk_stage(struct disk *d, const struct engine_output *o);
void disk_sync(struct disk *d, const char **contradiction);
void disk_crash(struct disk *d);
void disk_prune(struct disk *d);
void disk_free(struct disk *d);
const struct wrecord *disk_find(const struct disk *d, enum vote_record_kind kind, uint64_t view,
                                uint64_t height);
/* The story tampers: forgets every record of this kind, and with `view_from` only of views from there. */
void disk_lose(struct disk *d, enum vote_record_kind kind);
bool disk_has_block(const struct disk *d, const struct qhash *hash);

/* False if the very same was shown before. */
bool check_sent(struct world *w, unsigned from, struct message *m);
void check_executed(struct world *w, unsigned i, const struct engine_output *o);
void check_durable(struct world *w, unsigned from, const struct message *m);
void check_evidence(struct world *w, unsigned i, const struct bytes *journal);
void check_free(struct world *w);
/* Of all votes for (kind, view, block) ever shown: replica i's signature, or NULL. */
const struct qsig *check_vote_of(const struct world *w, unsigned i, enum qkind kind, uint64_t view,
                                 uint64_t height, const struct qhash *block);
/* The VIEW-CHANGE for this view that i showed last, or NULL. */
struct message *check_view_change_of(const struct world *w, unsigned i, uint64_t view);

void trace_send(struct world *w, unsigned from, const struct message *m, uint64_t to, bool again);
void trace_compare(struct world *w, const char *name);
const char *name_of(const struct world *w, const struct qhash *hash);

#endif
