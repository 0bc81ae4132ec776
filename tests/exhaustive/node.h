/*
 * node.h: one honest replica of a small world: the real engine, and around it as little of a driver as the
 * ordering law needs: a disk that keeps what was synced, bodies that are always at hand, blocks that are
 * always valid.  An input and all that follows from it inside the replica is one step.
 *
 * The states that a replica can be in are numbered, and so are inputs.  A step is computed once and
 * remembered: the search over whole worlds then only looks numbers up.
 */
#ifndef QUORATE_NODE_H
#define QUORATE_NODE_H

#include "names.h"

#define VIEWS_MAX 4
#define PROPOSALS_MAX 12

/* What a replica has shown to anybody, ever. Also the place for what a search must know of its state. */
struct summary {
	uint64_t prepares, commits, points;              /* sets of statements */
	unsigned proposals[PROPOSALS_MAX], proposal_cnt; /* numbers of messages */
	unsigned change[VIEWS_MAX + 1]; /* VIEW-CHANGE for a view: number of the message + 1 */
	unsigned new_view[VIEWS_MAX + 1];
	/* state */
	unsigned asked, entered;
	bool active, may_propose;
	uint64_t known;    /* set of blocks: headers that are here */
	uint64_t open;     /* set of statements: accepted in the entered view, not prepared */
	unsigned tip;      /* number of the block */
	unsigned executed; /* the same */
	unsigned stable;   /* height */
	bool linked;       /* the headers between executed and tip are here */
};

enum input_kind { I_MESSAGE, I_CHANGES, I_VOTES, I_CHAIN, I_PROPOSE, I_TIME_OUT, I_CRASH };
struct input {
	enum input_kind kind;
	unsigned message;    /* I_MESSAGE: number */
	unsigned sender;     /* I_MESSAGE */
	unsigned changes[2]; /* I_CHANGES: numbers of VIEW-CHANGEs, from the other replicas in order */
	enum qkind vote;     /* I_VOTES, I_CHAIN */
	unsigned statement;  /* the same */
	unsigned signers;    /* I_VOTES: set of replicas */
	bool cut;            /* the power goes before anything is executed */
};

unsigned input_number(const struct input *in);
void input_text(unsigned number, char *text, size_t size);

/* State of replica `self` at the beginning. */
uint32_t node_begin(unsigned self);
uint32_t node_step(uint32_t state, unsigned input);
const struct summary *node_summary(uint32_t state);
/* Did this step execute something, so that a crash before it leads elsewhere? */
bool node_step_executes(uint32_t state, unsigned input);
uint32_t node_states(void);
uint64_t node_steps(void); /* of real engines */

#endif
