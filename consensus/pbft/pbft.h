/*
 * pbft.h: PBFT (Castro & Liskov, OSDI'99, TOCS'02) over hash-chained blocks, as a pure state machine.
 *
 *                      timer, f+1 join, misbehaviour
 *        ACTIVE(v) ------------------------------------> CHANGING(w > v)
 *           ^                  ask()                        |   |  new-view timer
 *           |                                               |   +----> CHANGING(w+1)
 *           +------------------- enter() -------------------+
 *                          valid NEW-VIEW(w)
 *
 *        a height, in one view:   (empty) -- PRE-PREPARE or NEW-VIEW's O --> block -- body here, valid -->
 *        PREPARE sent -- Q PREPAREs --> prepared -- everything below prepared --> COMMIT sent
 *        a height, for ever:      Q COMMITs, here or above --> certified --> executed
 *
 *   transition           function                    file
 *   who proposes         proposer_of                 proposer.c
 *   propose              pbft_propose                proposer.c
 *   accept a proposal    on_pre_prepare              on_pre_prepare.c
 *   votes                on_vote                     on_vote.c
 *   prepare, commit      pbft_advance                advance.c
 *   certify, execute     pbft_certify, pbft_executed certify.c
 *   checkpoints          on_checkpoint               on_checkpoint.c
 *   suspect              pbft_timer                  timer.c
 *   view change          pbft_ask, on_view_change    on_view_change.c
 *   new view             on_new_view                 on_new_view.c
 *   lost messages        on_status                   on_status.c
 *   catch-up             on_chain                    certify.c
 *   restart              pbft_restore                restore.c
 *
 * Invariants (pbft_check() is these as code):
 *   1  executed <= tip, and tip is certified.
 *   2  entered <= asked; active exactly when they are equal and, above view 0, its NEW-VIEW is held.
 *   3  every used slot's height is in (tip, tip + W].
 *   4  a slot's current block, where set, has the slot's height; a bound one came from the NEW-VIEW.
 *   5  chain[] holds the heights executed+1 .. executed+chain_cnt, each linked to the one below.
 *   6  a COMMIT is sent only for heights whose predecessors down to the tip are prepared in this view.
 *   7  nothing is signed while muted.
 *
 * Rule ids (PP1 ... ) are quoted where they are enforced; docs/PROTOCOL.md lists them.
 */
#ifndef QUORATE_PBFT_H
#define QUORATE_PBFT_H

#include "engine.h"
#include "quorum.h"

/* A block that somebody entitled to has told of: its header, and what is known of its body. */
struct pblock {
	struct qhash hash;
	struct qheader header;
	struct qhash *leaves; /* header.tx_count of them, or NULL */
	unsigned from;        /* who is likely to have the body */
	bool here;            /* the driver holds the body */
	bool wanted;          /* OUT_WANT_BODY was sent */
	bool asked;           /* OUT_VALIDATE was sent */
	bool valid;           /* validated on its parent */
	bool invalid;         /* refused: never voted for as a fresh proposal */
	bool stored;          /* in the vote log */
};

/* One height above the certified tip. */
struct slot {
	struct qheight height; /* 0: unused */
	/* in the entered view */
	struct pblock *cur;       /* accepted, or bound by the NEW-VIEW */
	struct message *proposal; /* the PRE-PREPARE that brought it; NULL: bound */
	bool prepare_sent, prepared, commit_sent;
	/* across views */
	struct vote *prepares, *commits; /* n each, by replica: the one of the highest view */
	struct pblock *prep;             /* P: prepared in the highest view; NULL: never */
	struct qcert prep_cert;
	bool prep_stored;
	struct message *early; /* a PRE-PREPARE of a view not entered yet */
};

/* A certified block that was not executed yet. */
struct certified {
	struct pblock *block;
	bool has_cert;
	struct qcert cert;
};

/* A statement that this replica signed, above its stable checkpoint. */
struct own_vote {
	enum qkind kind;
	struct qview view;
	struct qheight height;
	struct qhash block;
};

struct peer {
	struct message *view_change; /* the one for the highest view */
	struct qview asked;          /* highest view that it is known to ask for */
	struct qview entered;
	struct qheight tip, executed, stable;
	uint64_t seen_ms;
	bool has_checkpoint;
	struct qvote checkpoint; /* its CHECKPOINT of the greatest height */
	struct qsig checkpoint_sig;
};

#define PBFT_STATUS_MS 1000     /* between two STATUS when all is well */
#define PBFT_CHAIN_RETRY_MS 250 /* before another peer is asked for certified headers, */
#define PBFT_CHAIN_SOON_MS 20   /* or one that may not have executed what is asked for yet */

#define PBFT_DIGESTS 8 /* own checkpoint digests remembered, to compare with certificates that come late */

struct engine {
	const struct genesis *g;
	const struct qparams *params;
	unsigned n, f, q, self;
	struct signer signer;
	struct engine_outputs *out; /* of the step under way */

	uint64_t now_ms, wall_ms;
	bool pending, unfair; /* as the driver last said */

	/* views */
	struct qview asked, entered;
	bool active;
	struct message *new_view; /* of `entered`; NULL in view 0 */
	struct qheight entry_tip; /* certified tip when it was entered */
	struct qheight progress;  /* highest height known committed in it */
	uint64_t view_changes;
	struct qview astray; /* CO3: below this view it commits nothing more */

	/* the certified chain */
	struct qheight tip;
	struct qhash tip_hash;
	struct qcert tip_cert; /* no signatures: the genesis */
	struct qheight executed;
	struct qhash executed_hash;
	struct seal_parent executed_seal; /* what the seal above it follows from */
	struct qcert executed_cert;       /* as tip_cert */
	struct qheight executing;         /* end of the runs given out to execute */
	struct certified chain[2 * Q_CHAIN_MAX];
	size_t chain_cnt;

	/* checkpoints */
	struct qheight stable; /* low watermark */
	struct qcert stable_cert;
	struct {
		struct qheight height;
		struct qhash block, state;
	} digest[PBFT_DIGESTS];

	/* who proposes, as far as it was settled here: proposer.c */
	struct schedule schedules[Q_TABLES_MAX];
	size_t schedule_cnt;

	/* this replica's proposal that is being mined; leaves NULL: none */
	struct {
		struct qview view;
		struct qheader header;
		struct qhash *leaves;
	} sealing;

	struct slot *slots; /* params->window of them, height h at h % window */
	struct peer *peers; /* n, [self] included */
	struct pblock **blocks;
	size_t block_cnt, block_cap;

	/* what this replica has said */
	struct own_vote *own;
	size_t own_cnt, own_cap;
	const char *muted; /* why it must not speak; NULL: it may */
	bool amnesiac;
	bool amnesia_bar_set;
	struct qheight amnesia_bar;

	/* timers, monotonic ms; 0: off */
	uint64_t timer_ms;   /* suspicion, or the new-view timer */
	uint64_t timeout_ms; /* of the present view (change) */
	bool resent;         /* half-way: what is pending was sent to all */
	uint64_t resend_ms;  /* T4: it will be again; checked with every STATUS, at the latest */
	uint64_t status_ms;
	uint64_t chain_ms;   /* catch-up may be asked for again */
	unsigned chain_peer; /* whom it was asked of last */
	bool halted;
	uint64_t refused[ENGINE_RULES]; /* messages; nothing depends on it */
};

/* ---- slots.c: blocks and slots ------------------------------------------- */

struct pblock *pblock_find(const struct engine *e, const struct qhash *hash);
/* Finds or adds; leaves (may be NULL) are copied. */
struct pblock *pblock_add(struct engine *e, const struct qheader *header, const struct qhash *leaves,
                          unsigned from);
void pblocks_forget(struct engine *e, struct qheight upto);
void pblock_want(struct engine *e, struct pblock *b);
/* The slot of a height in (tip, tip+W], claimed if unused; NULL outside. */
struct slot *slot_at(struct engine *e, struct qheight h);
void slot_reset(struct engine *e, struct slot *s);
void slot_leave_view(struct slot *s); /* forgets what belongs to the view that is left */
/* Hash of the block at h-1 that a block at h must extend in this view; NULL if there is none yet. */
const struct qhash *slot_parent(struct engine *e, struct qheight h);

/* ---- emit.c: outputs ------------------------------------------------------ */

struct engine_output *emit(struct engine *e, enum engine_output_kind kind);
void emit_send(struct engine *e, struct message *m, uint64_t to); /* borrows m */
uint64_t everyone_else(const struct engine *e);
void emit_record(struct engine *e, enum vote_record_kind kind, struct qview v, struct qheight h,
                 struct wire_type type, const void *value);
void emit_journal(struct engine *e, enum engine_output_kind kind, const struct qjournal *entry);
void emit_block(struct engine *e, struct pblock *b);
void emit_want_chain(struct engine *e, unsigned from);
struct message *make_message(struct engine *e, const struct qmessage *m);
/* Signs a vote (deterministic: the same bytes each time); the caller owns the reference. */
struct message *vote_message(struct engine *e, enum qkind kind, const struct qvote *vote);
/* Two statements of one replica that contradict each other. How much of it is kept is the driver's business.
 */
void evidence_conflict(struct engine *e, const struct qenvelope *first, const struct qenvelope *second);
void vote_envelope(struct engine *e, unsigned replica, enum qkind kind, const struct qvote *vote,
                   const struct qsig *sig, struct qenvelope *env); /* wire_free(WIRE(qenvelope), env) */
void halt(struct engine *e, const char *reason);
void mute(struct engine *e, const char *reason);
void own_note(struct engine *e, enum qkind kind, struct qview v, struct qheight h, const struct qhash *block);
/* CO3: was this a COMMIT beside the certified block of its height? */
void own_beside(struct engine *e, const struct own_vote *o, const struct qhash *certified);
/* Own signatures in a certificate that this replica does not remember: rule OWN1. */
void own_watch(struct engine *e, const struct qcert *cert);
/* The same, and others' signatures that contradict votes that are here (V2): of every certificate that came
 * in. */
void cert_watch(struct engine *e, const struct qcert *cert);

/* ---- handlers ------------------------------------------------------------- */

void on_pre_prepare(struct engine *e, struct message *m);
void on_vote(struct engine *e, struct message *m);
void on_checkpoint(struct engine *e, struct message *m);
void on_view_change(struct engine *e, struct message *m);
void on_new_view(struct engine *e, struct message *m);
void on_status(struct engine *e, struct message *m);
void on_chain(struct engine *e, struct message *m);

void pbft_replay_early(struct engine *e);

/* ---- proposer.c ------------------------------------------------------------ */

/* Who proposes at h in view v; n if the stakes that decide were not executed here yet. */
unsigned proposer_of(const struct engine *e, struct qheight h, struct qview v);
/* The stakes after an executed block: its tables become schedules, its convictions are noted. */
void proposer_settled(struct engine *e, const struct qstaking *staking);
void pbft_propose(struct engine *e, const struct qhash *leaves, size_t cnt);
void pbft_sealed(struct engine *e, const struct qheader *header);
bool pbft_can_propose(const struct engine *e, struct qheight *height, struct qhash *parent);
void sealing_check(struct engine *e); /* ends a search that is in vain */
void sealing_forget(struct engine *e);
/* What the seal of the block at h follows from, if all headers from the executed one to h - 1 are known. */
bool seal_parent_of(struct engine *e, uint64_t h, struct seal_parent *p);

/* Sends whatever PREPAREs, COMMITs and executions have become due. */
void pbft_advance(struct engine *e);

/* A certificate (verified) makes a block final, with its ancestors. Borrows cert. */
void pbft_certify(struct engine *e, const struct qcert *cert);
void pbft_stable(struct engine *e, const struct qcert *cert);
void pbft_link_tip(struct engine *e); /* the headers below a restored tip may be here */
void pbft_execute(struct engine *e);
void pbft_executed(struct engine *e, struct qheight height, const struct qhash *digests, size_t cnt,
                   const struct qstaking *staking);
/* At or below the tip: its header may be missing there. */
void pbft_late_proposal(struct engine *e, const struct message *m);
void pbft_catch_up(struct engine *e, unsigned hint);
/* Signs and sends the CHECKPOINT of an executed height. */
void pbft_checkpoint(struct engine *e, struct qheight h, const struct qhash *block,
                     const struct qhash *state);
/* The matching votes of a slot as a certificate (the caller's to free); false if fewer than a quorum. */
bool votes_to_cert(const struct engine *e, const struct vote *votes, enum qkind kind, struct qview v,
                   struct qheight h, const struct qhash *block, struct qcert *cert);

void pbft_ask(struct engine *e, struct qview w);
void pbft_try_new_view(struct engine *e);
void pbft_join(struct engine *e);
void watch_certificates(struct engine *e, const struct qview_change *vc);
void pbft_enter(struct engine *e, struct message *m, bool restoring); /* m: its NEW-VIEW */

/*
 * S and O of a NEW-VIEW from its V (rule NV3), a pure function. `s`: the certificate of S, NULL for the
 * genesis; o[]: headers borrowed from V, at heights S+1 .. S+o_cnt. Returns o_cnt (<= window).
 */
size_t new_view_choose(const struct genesis *g, struct message *const *changes, size_t cnt,
                       const struct qcert **s, const struct qprepared *o[Q_WINDOW_MAX]);

void pbft_timer(struct engine *e);
void timer_progress(struct engine *e, struct qview view, struct qheight height);

void pbft_status_send(struct engine *e);
void suspect(struct engine *e);

bool pbft_restore(struct engine *e, const struct engine_restore *r, struct err *err);
void pbft_check(const struct engine *e);

static inline unsigned primary_of(const struct engine *e, struct qview v)
{
	return (unsigned)(v.n % e->n);
}
static inline bool may_speak(const struct engine *e)
{
	return !e->muted && !e->halted;
}

#endif
