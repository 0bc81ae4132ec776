/*
 * nodes.h: the nodes of a test as its own children: started with points.c in them, waited for by event (a
 * byte when one is up, its process' descriptor when it ends), ended by id; and never left behind, since the
 * kernel ends them with the test.
 *
 * Everything else that is known of a chain (asking, auditing, reading votes) is tests/integration/chain.h's:
 * `chain` is one of its chains.
 */
#ifndef QUORATE_TEST_NODES_H
#define QUORATE_TEST_NODES_H

#include <sys/types.h>

#include "chain.h"
#include "points.h"

#define NODES_MAX 7

enum node_end {
	END_NONE,
	END_POINT,  /* at the armed point */
	END_KILLED, /* by SIGKILL, which the test sent */
	END_CLEAN,  /* exit code 0 */
	END_STORE,  /* exit code 3, a store's error */
	END_OTHER,  /* anything else: a finding */
};

struct node {
	pid_t pid;  /* 0: does not run */
	int pidfd;  /* readable when it has ended */
	int up_fd;  /* a byte: it is up; end of file: it has ended */
	int net_fd; /* its network namespace; -1: the test's own */
	bool up;
	bool killed; /* by nodes_kill() */
	int status;  /* of waitpid(), once it has ended */
	struct points *points;
	_Atomic uint64_t height; /* the highest that it said it has executed */
};

struct nodes {
	struct chain *chain;
	unsigned n;
	struct node node[NODES_MAX];
};

struct nodes_plan {
	unsigned n;
	const struct qoutput *allocations;
	size_t allocation_cnt;
	void (*edit)(struct qgenesis *g, void *ctx); /* may be NULL */
	void *ctx;
	const char *const *host; /* an IPv4 address each; NULL: 127.0.0.1 and a port each */
};

/* Group set-up of every test program here: names the program and the library where the environment does not
 * (QUORATE, QUORATE_POINTS_LIBRARY). */
int nodes_setup(void **state);

/*
 * Namespaces of our own (CLONE_NEWNS, CLONE_NEWNET ...), as root or by way of a user namespace in which we
 * are: what is mounted or configured in them ends with us, however we end. False where that is not permitted.
 * Before any thread is started.
 */
bool nodes_unshare(int flags);
/* A command of the shell that has to succeed. */
void nodes_shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Makes homes and genesis; nothing runs. Fails the test if it cannot. */
struct nodes *nodes_new(const struct nodes_plan *plan);
/* Ends what runs and removes the directory. */
void nodes_free(struct nodes *s);

/* Starts one that does not run; what its page of points says of the next end holds from the first call on. */
void nodes_start(struct nodes *s, unsigned i);
/* Ends what it does not: `left` 0 disarms. */
void nodes_arm(struct nodes *s, unsigned i, uint32_t kinds, enum point_how how, uint32_t left);
void nodes_signal(struct nodes *s, unsigned i, int number);
void nodes_kill(struct nodes *s, unsigned i); /* SIGKILL; the end is still to be waited for */

/*
 * Waits until a node of the mask is up or has ended, `wake_fd` (-1: none) is readable or the time is over,
 * and notes what has happened. Returns the set of nodes that have ended since; each is to be judged, once, by
 * nodes_end().
 */
uint64_t nodes_wait(struct nodes *s, int wake_fd, int timeout_ms);
enum node_end nodes_end(struct nodes *s, unsigned i);
/* How it ended, as text, with the last lines of its log: for findings. */
const char *nodes_tell(struct nodes *s, unsigned i);

/* GET /v1/status: false if it gives no answer. What a node said once it does not take back: its height never
 * falls, and it is not muted. Fails the test where it does. */
bool nodes_ask(struct nodes *s, unsigned i, uint64_t *height);

/* Chance: the same seed, the same choices. */
struct chance {
	uint64_t state;
};
uint64_t chance(struct chance *c, uint64_t below);

uint64_t nodes_now_ms(void);

#endif
