/*
 * check_impl.h: what the checkers remember, shared by their files (see check.h for who does what).
 *
 * The rules of what a checker may use: the wire format, the primitives of crypto/, SQLite. What is under test
 * is looked at (struct replica, struct engine), never asked whether it is right.
 */
#ifndef QUORATE_SIM_CHECK_IMPL_H
#define QUORATE_SIM_CHECK_IMPL_H

#include <inttypes.h>

#include "check.h"
#include "lthash.h"
#include "map.h"
#include "pbft.h"
#include "replica_impl.h"

/* Amounts and their sums, wide enough for any number of them. */
__extension__ typedef unsigned __int128 wide;

/* ---- check_cert.c: certificates, and what they make final ---------------------------------------- */

/* A block that somebody told of. */
struct known {
	struct qhash hash;
	bool shown; /* its header was seen, and so: */
	struct qheader header;
	bool final; /* at this height; once it is shown, so are its ancestors: */
	uint64_t height;
	UT_hash_handle hh; /* by hash */
};

/* What is final at a height. */
struct settled {
	bool set;
	struct qhash block;
	uint64_t
	    view; /* lowest view whose COMMITs can be a certificate of this very block; UINT64_MAX: none */
};

/* Who signed one thing, honest replicas alone. */
struct tally {
	struct tally_key {
		uint64_t kind, view, height;
		struct qhash block, state;
	} key;
	uint64_t voters; /* replicas */
	bool enough;     /* with whatever the faulty may sign, a quorum: a certificate can be made */
	UT_hash_handle hh;
};

/* The block that can be prepared at one place. */
struct prepared_at {
	struct prepared_key {
		uint64_t view, height;
	} key;
	struct qhash block;
	UT_hash_handle hh;
};

/* A NEW-VIEW that opened, and what follows from its V. */
struct new_view {
	struct qhash id;
	uint64_t view, s;    /* S: this height, */
	struct qhash s_hash; /* this block; the chain id at 0 */
	size_t o_cnt;
	struct qhash o[Q_WINDOW_MAX]; /* at heights s + 1 ... */
};

/* A verdict on a certificate, kept. */
struct judged {
	uint8_t *key; /* its bytes */
	size_t len;
	bool holds;
	UT_hash_handle hh;
};

/* A message that was looked into already. */
struct looked {
	struct looked_key {
		uint64_t sender;
		struct qhash id;
	} key;
	UT_hash_handle hh;
};

/* ---- check_votes.c: what replicas said ------------------------------------------------------------ */

struct said {
	struct place {
		uint64_t replica, kind, view, height;
	} at;
	struct qhash what; /* block, or id of the whole message */
	UT_hash_handle hh; /* by at */
};

struct committed {
	uint64_t view, height;
	struct qhash block;
};

/* One replica over all its lives. */
struct voter {
	uint64_t asked;    /* highest view of a VIEW-CHANGE that it sent */
	uint64_t heard;    /* highest view that anything with its signature asks for */
	uint64_t entered;  /* highest view in which it voted */
	uint64_t height;   /* highest height at which it voted */
	uint64_t reported; /* height of the tip in its last VIEW-CHANGE */
	struct committed *commits;
	size_t commit_cnt, commit_cap;
};

/* ---- check_chain.c: the naive ledger --------------------------------------------------------------- */

struct coin {
	struct qoutpoint point;
	struct qoutput out;
	uint64_t made, spent; /* heights; spent 0: unspent */
	struct qtxid by;
	UT_hash_handle hh; /* by point */
};

struct paid {
	struct qtxid id;
	uint64_t height;
	UT_hash_handle hh; /* by id */
};

/* A client was told that this transaction can never be final. */
struct doomed {
	struct qtxid id;
	unsigned machine;
	UT_hash_handle hh; /* by id */
};

/* The agreed chain; [0] is the genesis. */
struct stretch {
	struct qhash hash, digest;
	uint64_t time_ms;
	unsigned proposer;
	size_t unspent, transactions;
};

/* A transaction of this height brought an offence of the replica. */
struct blame {
	unsigned replica;
	uint64_t height;
};

/* The stakes after this height, and the turns that follow. */
struct table {
	uint64_t height;
	struct qstake stakes[SIM_REPLICAS_MAX];
	uint64_t power[SIM_REPLICAS_MAX]; /* what counts of them: who is elected, or all alike */
	unsigned weight[SIM_REPLICAS_MAX], turns[127];
};

/* A checkpoint certificate for a height that the naive ledger has not reached. */
struct promised {
	uint64_t height;
	struct qhash state;
};

/* ---- one honest machine ------------------------------------------------------------------------------ */

struct watched {
	unsigned life;                                  /* m->lives when it was looked at last */
	uint64_t height;                                /* its ledger is checked up to here */
	uint64_t asked, entered, tip, stable, executed; /* when it was looked at last */
	uint64_t said_tip;     /* certified, when it last sent what might rest on it */
	uint64_t told;         /* a client was told of a transaction at this height */
	bool amnesiac;         /* in this life it began without a vote log */
	bool was_spoiled;      /* when it was looked at last */
	uint64_t view_changes; /* entered, in all lives */
	uint64_t idle_views,
	    unstable_views;       /* views asked for or entered since it executed, since its checkpoint */
	uint64_t idle_since_ms;   /* its clock when it last had nothing to propose */
	uint64_t unfair_since_ms; /* its clock when nobody was passed over last */
	/* messages handed to the network */
	uint64_t sent_in_turn, second, sent_in_second;
};

struct checks {
	struct sim *sim;
	/* check_cert.c */
	struct known *known;
	struct settled *settled; /* by height */
	size_t settled_cap;
	uint64_t settled_top;
	struct tally *tallies;
	struct prepared_at *prepared;
	struct new_view *new_views;
	size_t new_view_cnt, new_view_cap;
	struct judged *judged;
	struct looked *looked;
	/* check_votes.c */
	struct said *said;
	struct voter voters[SIM_REPLICAS_MAX];
	uint64_t statements; /* new ones of honest replicas, all together */
	/* check_chain.c */
	struct coin *coins;
	struct paid *paid;
	struct doomed *doomed;
	struct stretch *chain;
	size_t chain_cap;
	uint64_t height;
	struct promised *promised;
	size_t promised_cnt, promised_cap;
	struct lthash sum;
	wide supply;
	size_t unspent, transactions;
	/* check_stake.c, check_turns.c: on chains whose proposers are chosen by stake */
	struct coin **locked; /* unspent */
	size_t locked_cnt, locked_cap;
	struct blame *convictions; /* in order */
	size_t conviction_cnt, conviction_cap;
	struct qstake stakes[SIM_REPLICAS_MAX]; /* after c->height */
	struct qheight convicted[SIM_REPLICAS_MAX];
	struct table *tables; /* in order */
	size_t table_cnt, table_cap;
	uint64_t lowest_view; /* in which the last block can have been proposed */
	/* check_bounds.c */
	uint64_t instant_ms, instant_cnt;
	uint64_t most_in_turn, most_in_second, most_in_instant;
	/* heal.c */
	struct qtxid fresh[SIM_MACHINES_MAX]; /* payments that have to become final now */
	size_t fresh_cnt;
	unsigned culprit; /* has to be convicted now, of what it did at: */
	uint64_t offence_height;
	struct qoutpoint moving; /* has to be spent now */
	/* check_evidence.c */
	struct seen_piece *evidence; /* that any honest replica had when it was last looked */
	/* all */
	struct watched machines[SIM_MACHINES_MAX];
	bool disturbed; /* heal.c cut the power: view changes may follow */
};

/* ---- check_evidence.c ------------------------------------------------------------------------------- */

/* Do all pieces convict those who did it?  `otherwise` where a naive look cannot tell. */
bool evidence_holds(const struct sim *s, const struct qevidences *e, bool otherwise);
/* Once the faults have ended. */
void evidence_spreads(struct sim *s);
void evidence_forget(struct checks *c);

/* ---- check.c ---------------------------------------------------------------------------------------- */

#define SHORT_HASH 9 /* chars of a hash in messages, NUL included */
char *hash_short_text(char text[SHORT_HASH], const struct qhash *hash);

static inline uint64_t bit_of(unsigned i)
{
	return UINT64_C(1) << i;
}
static inline unsigned bits(uint64_t mask)
{
	return (unsigned)__builtin_popcountll(mask);
}
/* Replicas whose signatures may be on anything: traitors, and those whose disks broke a promise. */
uint64_t check_liars(const struct sim *s);
static inline bool fault_on(const struct sim *s, enum sim_fault fault)
{
	return s->faults >> fault & 1;
}
/* Makes room for one more item at the end of *list. */
void grow(void *list, size_t *cap, size_t cnt, size_t size);

/* ---- check_cert.c ------------------------------------------------------------------------------------ */

/* SHA-256 of the canonical header under the tag of blocks, made here. */
void naive_block_hash(const struct qheader *header, struct qhash *hash);
/* q, counted: the least number of signers of which any two sets share an honest one. */
unsigned naive_quorum(unsigned n);
bool naive_vote(const struct genesis *g, unsigned replica, enum qkind kind, const struct qvote *vote,
                const struct qsig *sig);
/* Everything that a certificate needs, one thing after the other; *why: what is lacking. */
bool naive_cert(const struct genesis *g, const struct qcert *cert, const char **why);
/* The same from memory; compared with what cert_verify() says. */
bool cert_holds(struct checks *c, const struct qcert *cert);
/* A certificate that an honest replica holds, keeps or sends: must hold; makes its block final. */
void cert_relied_on(struct checks *c, unsigned replica, const struct qcert *cert, const char *where);

struct known *known_find(struct checks *c, const struct qhash *hash);
void known_header(struct checks *c, const struct qheader *header);
/* This block is final. `view`: by COMMITs of this view; UINT64_MAX: otherwise. */
void settle(struct checks *c, uint64_t height, const struct qhash *block, uint64_t view, const char *how);
const struct settled *settled_at(const struct checks *c, uint64_t height);
/* An honest replica that forgot nothing signed this. */
void tally_note(struct checks *c, unsigned replica, enum qkind kind, const struct qvote *vote);
/* Could a certificate be made of what was signed? `also`: a replica that counts in any case. */
bool tally_enough(struct checks *c, enum qkind kind, uint64_t view, uint64_t height,
                  const struct qhash *block, unsigned also);
/* A message that opened, of whatever origin. */
void cert_look(struct checks *c, const struct message *m);
void cert_free(struct checks *c);

/* ---- check_votes.c ------------------------------------------------------------------------------------ */

void votes_heard(struct checks *c, const struct message *m); /* of anybody, when it is sent */
void votes_sent(struct machine *m, struct message *message);
void votes_turn(struct machine *m, struct watched *w, bool born);
void votes_free(struct checks *c);

/* ---- check_chain.c ------------------------------------------------------------------------------------ */

void chain_start(struct checks *c);
void chain_free(struct checks *c);
/* Reads what the machine's ledger has beyond what was checked. */
void chain_turn(struct machine *m, struct watched *w);
/* A block as a ledger has it; height c->height + 1. */
bool chain_execute(struct checks *c, const struct qblock *block);
/* A certificate that holds says that this is the state. */
void chain_checkpoint(struct checks *c, const struct qvote *vote);
void chain_digest(const struct checks *c, struct qhash *out);
struct coin *coin_find(const struct checks *c, const struct qoutpoint *point);
void naive_txid(const struct qhash *chain, const struct qtx_body *body, struct qtxid *id);
struct paid *chain_paid(const struct checks *c, const struct qtxid *id);
void naive_root(const struct qhash *leaves, size_t cnt, struct qhash *root);

/* ---- check_rows.c -----------------------------------------------------------------------------------------
 */

/* The whole ledger file of this machine against the naive ledger, row by row; nothing runs on it. */
void chain_audit(struct machine *m);

/* ---- check_stake.c ----------------------------------------------------------------------------------------
 */

/* The rules of stake and offences in a block at this height; its inputs are unspent. NULL: it keeps to them.
 */
const char *stake_judge(const struct checks *c, const struct qtx_body *b, uint64_t height);
void stake_execute(struct checks *c, const struct qtx_body *b, uint64_t height); /* what it convicts of */
void stake_after(struct checks *c, uint64_t height);                             /* a block; 0: the genesis */
/* As the digest covers it; borrows from c and `newest`. */
void stake_now(const struct checks *c, struct qtable newest[Q_TABLES_MAX], struct qstaking *out);

/* ---- check_turns.c ----------------------------------------------------------------------------------------
 */

void turns_make(const struct genesis *g, struct table *t); /* from its stakes */
/* Who proposes there; -1: the stakes that decide it are not known yet. */
int turns_proposer(const struct checks *c, uint64_t height, uint64_t view);
/* Can the next block of the chain be its proposer's? NULL: it can. */
const char *turns_follow(struct checks *c, const struct qheader *h);
/* By any table so far, the most views in a row of which the NEW-VIEW's sender or the proposer may be faulty.
 */
uint64_t turns_views(const struct checks *c);
/* In a run without view changes everybody had the share of turns that is promised. */
void turns_shares(const struct checks *c);

/* ---- check_seal.c ----------------------------------------------------------------------------------------
 */

/* NULL: it has the seal that the chain asks for. Its target is judged as far as its ancestors are known. */
const char *seal_wrong(struct checks *c, const struct qheader *header);

/* ---- check_bounds.c ------------------------------------------------------------------------------------ */

void bounds_sent(struct machine *m, struct watched *w);
void bounds_turn(struct machine *m, struct watched *w);
void bounds_event(struct checks *c);

#endif
