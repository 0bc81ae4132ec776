/*
 * bench_impl.h: what the threads of a run share.
 *
 *   bench_run.c      the main thread, and what is made of what was seen
 *   bench_submit.c   submitters
 *   bench_follow.c   followers, the watcher
 */
#ifndef QUORATE_BENCH_IMPL_H
#define QUORATE_BENCH_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench_look.h"
#include "bench_pace.h"
#include "bench_run.h"

enum { WAS_ACCEPTED = 1, IS_FINAL = 2 };

/* What became of a payment. Times are in us after the run began, from 1 on; 0: not yet. */
struct fate {
	uint32_t due_us;    /* written by its submitter */
	uint32_t final_us;  /* by its node's follower */
	atomic_uint height; /* of its block, as any node said */
	atomic_uchar state;
};

struct run_node {
	struct run *run;
	unsigned index;
	atomic_uint gone; /* how often it did not answer: what it had accepted may be lost with its process */
	_Atomic uint64_t answered_us; /* its follower, last */
	pthread_t follower;
};

struct submitter {
	struct run *run;
	unsigned index, node;
	uint32_t base, cnt;
	struct http_client *http;
	struct offers *offers;
	pthread_t thread;

	/* under run->lock */
	pthread_cond_t news; /* a block was final */
	bool idle;           /* it has nothing to hand in any more */
	bool used_up;        /* it had room for more payments than were signed */

	atomic_int in_flight; /* accepted and not final */
	_Atomic uint64_t http_bytes;

	/* its own until it has ended */
	uint32_t *batch;
	uint8_t *body;
	unsigned seen_gone;
	uint64_t sent;
	struct bench_result refusals; /* .refusal only */
};

struct run {
	struct bench_chain *chain;
	const struct load *load;
	struct run_plan plan;
	uint64_t t0_ns;
	_Atomic uint64_t begin_us,
	    end_us;               /* what is measured; the end comes earlier where it is interrupted */
	_Atomic uint64_t stop_us; /* no load from here on: the end, or later */
	atomic_bool over;         /* threads end */
	struct fate *fate;        /* of each payment */

	struct submitter *submitter;
	struct run_node node[CMD_NODES_MAX];
	pthread_t watcher;

	pthread_mutex_t lock;
	uint64_t first_height;
	struct bench_block *block; /* from that height on */
	size_t block_cnt, block_cap;
	unsigned event_cnt;
	struct bench_event event[BENCH_EVENTS_MAX]; /* at_s: after the run began */
	uint64_t view;                              /* the highest that a node said it is in */

	_Atomic uint64_t last_block_us;
	atomic_ulong final; /* payments */
	atomic_ulong twice;
	_Atomic uint64_t http_bytes; /* of followers */
};

uint64_t run_now_us(const struct run *run);
/* at_s, from the run's beginning on; 0: now. */
void run_event(struct run *run, struct bench_event event);

/* bench_submit.c */
void submit_prepare(struct run *run);
void submit_start(struct run *run);
void submit_join(struct run *run);
void submit_free(struct run *run);
/* bench_follow.c */
bool follow_start(struct run *run, struct err *err);
/* When any of the nodes that are followed answered last. */
uint64_t follow_answered_us(const struct run *run);
void follow_join(struct run *run);

#endif
