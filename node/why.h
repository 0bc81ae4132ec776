/*
 * why.h: why a chain makes no blocks, judged from what its nodes say of themselves and of one another.
 */
#ifndef QUORATE_WHY_H
#define QUORATE_WHY_H

#include "why_home.h"

/* What one node says; all of it is that node's word. */
struct why_node {
	const char *url; /* borrowed */
	bool answers;
	char silence[256]; /* else: why not */
	struct qhash chain;
	char other[128]; /* the first field in which its genesis differs from the first node's; "": none known
	                  */
	unsigned replica;
	uint64_t height, certified, stable, view, waiting; /* transactions */
	bool active;                                       /* it is in that view; else it asks for it */
	char muted[256];                                   /* why it does not vote; "": it does */
	int64_t clock_ms;                                  /* its clock, less ours */
	uint64_t started_ms; /* its process, by its clock; 0: it does not tell */
	uint64_t timer_ms;   /* until it loses patience with its view; UINT64_MAX: nothing is overdue */
	uint64_t disk_free;  /* bytes, where its ledger is; UINT64_MAX: it does not tell */
	struct why_peer {
		bool connected, heard;
		uint64_t height;
		uint64_t silent_ms; /* since it was heard last */
		char trouble[24];   /* why there is no connection, in a word; "": not told */
		char because[256];  /* and for people */
	} peer[Q_REPLICAS_MAX];     /* the others; its own place is empty */
};

struct why_view {
	const struct genesis *g;
	const struct why_node *nodes;
	size_t cnt;
	const struct why_home *homes; /* of nodes on this machine; code NULL: it answers */
	size_t home_cnt;
	bool moved; /* a block was made while we looked */
};

enum why_verdict {
	WHY_FINE,  /* blocks are made, or nothing waits for one */
	WHY_STUCK, /* something waits, and no block is made, or none could be */
	WHY_BLIND, /* no node answers */
};

/* A cause, or what may become one. */
struct why_finding {
	const char *code; /* static text */
	bool stops;       /* it is reason enough for the chain to make no block */
	char text[512], action[512];
};

#define WHY_FINDINGS_MAX 64

struct why_answer {
	enum why_verdict verdict;
	unsigned voters, quorum; /* replicas that can vote, as far as is seen; how many it takes */
	bool idle;               /* nothing waits */
	struct why_finding findings[WHY_FINDINGS_MAX]; /* those that stop the chain first */
	size_t cnt;
};

/* Judges; asks nobody. nodes[0 .. cnt - 1] that answer are of g's replicas, but for those of another chain.
 */
void why_judge(const struct why_view *v, struct why_answer *out);

#endif
