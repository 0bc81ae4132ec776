/*
 * testnet_start.h: starting the nodes of a testnet, and waiting until they are up.
 */
#ifndef QUORATE_TESTNET_START_H
#define QUORATE_TESTNET_START_H

#include "testnet.h"

enum { READY_TIMEOUT_MS = 60000 };

/* A process that this command started, and where its log was then. */
struct started {
	pid_t pid; /* 0: not started here */
	long log_at;
};

/* `child`: it ends when this process does. */
bool start_node(const struct testnet_node *node, bool child, struct started *s, struct err *err);

/* Waits until every node is healthy: it hears a quorum on this chain. Shows the log of one that ended
 * instead. */
bool start_wait_all(const struct testnet *t, const struct started *started, struct err *err);

/* Starts one that goes on without this process and waits until it answers: a lone one of four cannot be
 * healthy. */
bool start_and_wait(const struct testnet *t, const struct testnet_node *node, struct err *err);

#endif
