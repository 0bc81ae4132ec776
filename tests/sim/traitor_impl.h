/*
 * traitor_impl.h: the inside of the adversary.
 *
 *   traitor.c          dispatch, the choice of behaviours, what is sent later
 *   traitor_memory.c   everything seen, bounded: votes, blocks, transactions, VIEW-CHANGEs, who is where
 *   traitor_forge.c    signing: votes, certificates, proposals, view changes
 *   traitor_puppet.c   plays a replica whose machine does not speak any more
 *   traitor_primary.c, traitor_stake.c, traitor_backup.c, traitor_view.c, traitor_lead.c, traitor_sync.c,
 * traitor_wire.c, traitor_twins.c the behaviours: each file ends with its table traitor_mutate.c   small
 * changes to any message
 *
 * A deed is one act of one behaviour: deed() asks whether it happens (a numbered strike) and starts its
 * chance from one draw, so that a deed that is left out changes nothing of what later ones would do.
 */
#ifndef QUORATE_SIM_TRAITOR_IMPL_H
#define QUORATE_SIM_TRAITOR_IMPL_H

#include <inttypes.h>
#include <stdlib.h>

#include "block.h"
#include "cert.h"
#include "traitor.h"

#define STATEMENTS 256
#define BLOCKS 96
#define TXS 96
#define CHANGES 64
#define NEW_VIEWS 12
#define HISTORY 12 /* messages of each kind, of whomever */
#define FINALS 512
#define LATER 96
#define SPLITS 16
#define PENDING 256
#define KINDS (QEVIDENCE + 1)
#define BUDGET_MAX 300 /* messages that the adversary adds by itself at once */

/* What somebody signed, and who did. */
struct statement {
	enum qkind kind; /* QPREPARE, QCOMMIT, QCHECKPOINT; 0: unused */
	struct qvote vote;
	uint64_t signers; /* replicas whose signature is here */
	uint64_t said;    /* machines of traitors that said it themselves */
	struct qsig sigs[SIM_REPLICAS_MAX];
};

/* A block that was proposed, certified or made up. */
struct kblock {
	struct qhash hash;
	struct qheader header;
	bool used, final, made;
	bool proposed; /* in a PRE-PREPARE of `view` */
	uint64_t view;
	uint64_t serve;       /* made: the replicas that get its body when they ask */
	struct qhash *leaves; /* NULL: not known */
	unsigned leaf_cnt;
};

struct ktx {
	struct tx *tx;
	bool lent;       /* by a client, to traitors only */
	uint64_t serve;  /* lent: who may have it */
	uint64_t height; /* final at; 0: not known to be */
};

/* Where an honest replica is, as far as its messages tell. */
struct whereabouts {
	uint64_t asked, entered, tip, executed, stable;
};

/* Two proposals at one place: `b` went to to_b, `a` to the others. */
struct split {
	uint64_t view, height, to_b;
	struct qhash a, b;
	struct message *b_message; /* NULL: unused */
};

struct later {
	uint64_t at_ms, to;    /* machines */
	struct packet *packet; /* NULL: unused */
};

struct tactic;

struct traitor {
	struct sim *s;
	sim_set enabled;
	unsigned intensity[BEHAVIOUR_CNT]; /* chance of a deed in a million */
	uint64_t deeds[BEHAVIOUR_CNT];
	const struct tactic *of[BEHAVIOUR_CNT];
	uint64_t rng;   /* of the deed under way */
	unsigned depth; /* inside the adversary: what is sent now is its own */
	unsigned budget;
	unsigned tick_ms;
	uint64_t next_tick_ms, round_ms, health_ms;

	/* the plan of this round */
	uint64_t victims; /* honest replicas, not all where there is a choice */
	uint64_t side;    /* honest replicas that hear version B */
	unsigned victim;  /* one honest replica */

	/* per replica */
	struct whereabouts at[SIM_REPLICAS_MAX];
	uint64_t silent_until_ms[SIM_REPLICAS_MAX];
	bool puppet[SIM_REPLICAS_MAX], stuck[SIM_REPLICAS_MAX];
	uint64_t puppet_asked[SIM_REPLICAS_MAX], puppet_led[SIM_REPLICAS_MAX]; /* views */
	uint64_t lie_tip[SIM_REPLICAS_MAX];

	/* twins: the replicas that each machine may hear, by slot */
	uint64_t world[SIM_MACHINES_MAX];
	uint64_t asked_by[SIM_MACHINES_MAX]; /* greatest view that the machine itself asked for */

	/* memory */
	uint64_t view;        /* greatest that an honest replica has entered */
	uint64_t tip, stable; /* greatest heights certified */
	struct qhash tip_hash;
	struct {
		uint64_t height;
		struct qhash hash;
	} finals[FINALS];
	struct statement statements[STATEMENTS];
	uint64_t statement_cnt;
	struct kblock blocks[BLOCKS];
	uint64_t block_cnt;
	struct ktx txs[TXS];
	uint64_t tx_cnt;
	struct message *changes[CHANGES], *new_views[NEW_VIEWS], *history[KINDS][HISTORY];
	uint64_t change_cnt, new_view_cnt, history_cnt[KINDS];
	struct later later[LATER];
	struct split splits[SPLITS];
	uint64_t split_cnt;
	struct packet *pending[PENDING]; /* seen, not thought about yet */
	unsigned pending_cnt;
	bool thinking; /* an event is scheduled for it */
};

/* What a traitor's machine, or a puppet, is about to say. */
struct outgoing {
	unsigned id, slot;
	struct message *m;
};

/* One behaviour. Hooks may be NULL. */
struct tactic {
	enum behaviour behaviour;
	unsigned sends, sees; /* bit by kind: what on_send() and on_see() want */
	/* Returns the replicas of `to` that still get the message as it is. */
	uint64_t (*on_send)(struct traitor *t, const struct outgoing *o, uint64_t to);
	/* Somebody, honest or not, has just sent this; nobody has received it. */
	void (*on_see)(struct traitor *t, struct message *m);
	void (*on_tick)(struct traitor *t, unsigned id);
	/* False: the machine does not get it. */
	bool (*on_receive)(struct traitor *t, struct machine *m, struct packet *p);
};
extern const struct tactic primary_tactics[], stake_tactics[], backup_tactics[], view_tactics[],
    lead_tactics[], sync_tactics[], evidence_tactics[], wire_tactics[],
    twins_tactics[]; /* ended by BEHAVIOUR_CNT */
#define K(kind) (1u << (kind))
#define ALL_KINDS (~0u)

/* ---- traitor.c --------------------------------------------------------------------------------------- */

/* Does this behaviour act now? Then chance starts anew for it. ask: when an occasion comes; tick: each tick.
 */
bool deed(struct traitor *t, enum behaviour b);
bool deed_tick(struct traitor *t, enum behaviour b);
/* Counts the deed and writes a line: "traitor ID NAME ..." */
void acted(struct traitor *t, enum behaviour b, unsigned id, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
uint64_t draw(struct traitor *t, uint64_t below); /* within a deed */
bool chance(struct traitor *t, unsigned percent);
uint64_t draw_fn(void *t, uint64_t below); /* draw() for others' callbacks */

static inline uint64_t bit(unsigned i)
{
	return UINT64_C(1) << i;
}
static inline uint64_t everybody(const struct traitor *t)
{
	return bit(t->s->n) - 1;
}
static inline uint64_t honest(const struct traitor *t)
{
	return everybody(t) & ~t->s->traitors;
}
static inline uint64_t others(const struct traitor *t, unsigned id)
{
	return everybody(t) & ~bit(id);
}
static inline unsigned primary(const struct traitor *t, uint64_t view)
{
	return (unsigned)(view % t->s->n);
}
/* Who proposes there: by the stakes, if they are known, else the primary. */
unsigned proposer(const struct traitor *t, uint64_t view, uint64_t height);
/* A random part of the mask, not empty if it is not; not all of it if it has more than one. */
uint64_t part(struct traitor *t, uint64_t mask);
unsigned one_of(struct traitor *t, uint64_t mask); /* mask is not empty */
void scramble(struct traitor *t, struct qhash *h); /* changes one byte */
void make_up(struct traitor *t, struct qhash *h);  /* a hash of nothing */

/* Everything a traitor says of itself goes through one of these; they spend the budget. */
void say_envelope(struct traitor *t, unsigned id, const struct qenvelope *env, uint64_t to);
void say_body(struct traitor *t, unsigned id, const struct bytes *body, uint64_t to); /* signed by id */
/* False: it does not encode. */
bool say(struct traitor *t, unsigned id, const struct qmessage *m, uint64_t to);
void say_message(struct traitor *t, unsigned id, const struct message *m, uint64_t to); /* as it is */
void say_later(struct traitor *t, unsigned id, const struct message *m, uint64_t to, uint64_t after_ms);
/* Through all behaviours, as if id's machine had said it. */
void say_as_replica(struct traitor *t, unsigned id, unsigned slot, struct message *m, uint64_t to);

/* ---- traitor_memory.c -------------------------------------------------------------------------------- */

void memory_see(struct traitor *t, const struct packet *p);
void memory_free(struct traitor *t);
/* A machine of a traitor says this: it remembers it itself. */
void memory_said(struct traitor *t, unsigned slot, const struct message *m);
void memory_note(struct traitor *t, enum qkind kind, const struct qvote *vote, unsigned replica,
                 const struct qsig *sig);
struct statement *statement_find(struct traitor *t, enum qkind kind, const struct qvote *vote);
/* The next statement of this kind from *from on (start with 0); NULL: no more. */
struct statement *statement_next(struct traitor *t, enum qkind kind, size_t *from);
struct kblock *block_find(struct traitor *t, const struct qhash *hash);
struct kblock *block_note(struct traitor *t, const struct qheader *header, const struct qhash *leaves,
                          unsigned leaf_cnt);
/* The block proposed last at (view, height), or at the height in any view but of another hash; NULL: none. */
struct kblock *block_proposed(struct traitor *t, uint64_t view, uint64_t height);
struct kblock *block_other(struct traitor *t, uint64_t height, const struct qhash *than);
/* The certified block at a height; the chain id at 0; NULL: forgotten. */
const struct qhash *final_at(struct traitor *t, uint64_t height);
struct ktx *tx_by_leaf(struct traitor *t, const struct qhash *leaf);
struct ktx *tx_note(struct traitor *t, struct tx *tx);
void change_note(struct traitor *t, const struct message *m);
struct message *change_of(struct traitor *t, unsigned replica, uint64_t view);
struct message *history_any(struct traitor *t, enum qkind kind); /* NULL: none yet */

/* ---- traitor_forge.c --------------------------------------------------------------------------------- */

void sign_vote(struct traitor *t, unsigned id, enum qkind kind, const struct qvote *vote, struct qsig *sig);
void say_vote(struct traitor *t, unsigned id, enum qkind kind, const struct qvote *vote, uint64_t to);
/* All signatures that are known, and the traitors'. False: fewer than a quorum (and nothing to free). */
bool cert_of(struct traitor *t, struct statement *st, struct qcert *cert);
/* The same with whoever there is, quorum or not. */
void cert_anyhow(struct traitor *t, const struct statement *st, struct qcert *cert);

/* Encoded, signed by id and opened; NULL if that cannot be. */
struct message *make(struct traitor *t, unsigned id, const struct qmessage *m);

/* A proposal in the making. leaves: heap. */
struct draft {
	uint64_t view;
	struct qheader header;
	struct qhash *leaves;
	unsigned leaf_cnt;
	bool bare; /* its seal is as it is meant to be, right or wrong */
};
void draft_of(const struct message *proposal, struct draft *d); /* a copy of it */
/* On this parent, with what transactions are known and not final, at most `cnt`. False: none. */
bool draft_new(struct traitor *t, struct draft *d, unsigned id, uint64_t view, uint64_t height,
               const struct qhash *parent, unsigned cnt);
void draft_add(struct draft *d, const struct qhash *leaf);
void draft_drop(struct draft *d, unsigned i);
void draft_root(struct draft *d); /* root and count as the leaves are */
void draft_clear(struct draft *d);
/* The seal that the chain asks for on its parent, as far as that is known. The adversary mines in no time. */
void draft_seal(struct traitor *t, struct draft *d);
/* A nonce for the header's own target. False: that is more work than it is worth. */
bool header_mine(struct traitor *t, struct qheader *h);
/* Both seal it, if it is not bare. serve: who gets its body. NULL: nobody would open it. */
struct message *draft_message(struct traitor *t, unsigned id, struct draft *d, uint64_t serve);
void draft_say(struct traitor *t, unsigned id, struct draft *d, uint64_t to, uint64_t serve);

/* What a VIEW-CHANGE may claim. */
struct claim {
	uint64_t tip, stable; /* at most */
	bool prepared;        /* with P */
	bool lowest;          /* P from the lowest views */
};
void view_change_build(struct traitor *t, uint64_t view, const struct claim *c, struct qmessage *m);
/* *m decoded from a message: a copy to change; wire_free(WIRE(qmessage), m). */
void copy_of(const struct message *m, struct qmessage *copy);
/* VIEW-CHANGE with everything that is known. */
void say_change(struct traitor *t, unsigned id, uint64_t view, uint64_t to);
/* NEW-VIEW of these VIEW-CHANGEs, as they are given; false if there is none. */
void say_new_view(struct traitor *t, unsigned id, uint64_t view, struct message *const *changes, size_t cnt,
                  uint64_t to);
struct message *own_change(struct traitor *t, unsigned id, uint64_t view, const struct claim *c); /* owned */
struct tx *invalid_tx(struct traitor *t, uint64_t which); /* owned; breaks a rule that needs the ledger */

/* ---- others ------------------------------------------------------------------------------------------ */

void puppet_tick(struct traitor *t, unsigned id);
void puppet_sees(struct traitor *t, struct message *m);
void serve(struct traitor *t, unsigned id,
           const struct message *m); /* GET_TXS, GET_BODIES: what is made up */
void twins_start(struct traitor *t);
void twins_round(struct traitor *t);
uint64_t twins_hear(const struct traitor *t, unsigned slot); /* replicas */

#endif
