/*
 * names.h: what there is to talk about in a small world, numbered in order of appearance: blocks, statements
 * (view, block), and messages.  Equal things have equal numbers, so that a state is a handful of them.
 *
 * Two messages have one number if no honest replica can ever tell them apart by its behaviour.  They may
 * differ in who signed the certificates inside, since every rule asks only whether a certificate holds;
 * NEW-VIEWs are the same if S and O are.  (OWN1 alone looks at signers: it fires if one's own signature is
 * under what one never signed.  So what a replica gets is signed by everybody but itself: message_for().)
 */
#ifndef QUORATE_NAMES_H
#define QUORATE_NAMES_H

#include "message.h"
#include "schedule.h"
#include "seal.h"

#define REPLICAS 4
#define BLOCKS_MAX 64     /* [0]: the genesis */
#define STATEMENTS_MAX 64 /* (view, block); a set of them is a word */

struct rules { /* of this small world */
	unsigned traitor;
	unsigned heights;    /* blocks are at 1 .. heights */
	unsigned views;      /* entered: 0 .. views - 1 */
	unsigned asks;       /* asked for: 1 .. asks, at most `views` */
	unsigned checkpoint; /* K */
	unsigned contents;   /* blocks that one proposer may make on one parent */
	bool crashes;
	bool one_by_one; /* each vote is delivered by itself; else a quorum at a time */
	bool by_stake;   /* proposers take turns of one height each */
	bool sealed;     /* blocks need a proof of work; whoever proposes has it at once */
};
extern struct rules rules;
extern struct genesis world_genesis;

struct named_block {
	struct qhash hash, leaf;
	struct qheader header;
	unsigned parent; /* number */
	unsigned height, proposer, content;
	char name[8];
};
extern struct named_block named_blocks[BLOCKS_MAX];
extern unsigned named_block_cnt;

void names_begin(void); /* with `rules` set */

unsigned proposer_at(unsigned height, unsigned view);
const struct qstaking *world_staking(void); /* at any height: nobody moves stake */
/* What the seal of a block on this one depends on. */
struct seal_parent seal_parent_on(unsigned block);

unsigned block_number(const struct qhash *hash); /* must be known */
bool block_known(const struct qhash *hash);
unsigned block_note(const struct qheader *header); /* parent known */
unsigned block_make(unsigned parent, unsigned proposer, unsigned content);
void header_seal(struct qheader *h, unsigned parent);
struct qhash leaf_of(unsigned proposer, unsigned content, const struct qhash *parent);
bool on_one_chain(unsigned a, unsigned b);
unsigned ancestor(unsigned block, unsigned height);

/* (view, block). */
unsigned statement_number(uint64_t view, unsigned block);
unsigned statement_view(unsigned s);
unsigned statement_block(unsigned s);
unsigned statement_cnt(void);

/* The message that stands for all like it; made or opened once, never freed. */
unsigned message_number(const struct message *m);
struct message *message_numbered(unsigned number);
/* kind: QPREPARE, QCOMMIT or QCHECKPOINT; a CHECKPOINT's view is 0. */
struct message *vote_of(enum qkind kind, unsigned sender, unsigned statement);
struct message *proposal_of(unsigned sender, unsigned view, unsigned block);
/* Signatures of all but one replica. wire_free() it. */
void certificate_of(enum qkind kind, unsigned statement, unsigned without, struct qcert *cert);
/* The message of that number as it comes from this sender (a VIEW-CHANGE's content is anybody's) to this
 * receiver.
 */
struct message *message_for(unsigned number, unsigned sender, unsigned receiver);
/* By the traitor: the headers from height 1 up, and the certificate. */
struct message *chain_for(enum qkind kind, unsigned statement, unsigned receiver);
struct message *signed_by(unsigned sender, const struct qmessage *m);
const char *message_text(unsigned number);

void stand_in_sign(void *sender, const uint8_t *body, size_t len, struct qsig *sig); /* sender: unsigned * */
extern unsigned stand_in_senders[REPLICAS];

/* The search's: something is wrong. Says how it came about and ends the program. */
_Noreturn void violation(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- sets of bytes with a number each ---- */

struct numbering {
	struct numbered *first;
	unsigned cnt;
};
/* *fresh: it had none before. The first is 0. */
unsigned number_of(struct numbering *n, const void *key, size_t len, bool *fresh);

#endif
