/*
 * wires.h: a network of its own for each node, joined by a bridge in the test's own network: links that can
 * be cut, also one way, slowed and made lossy. Nothing of it is outside namespaces without a name, so nothing
 * can be left behind: they end with the last process or descriptor that holds them.
 */
#ifndef QUORATE_TEST_WIRES_H
#define QUORATE_TEST_WIRES_H

#include "nodes.h"

struct wires {
	unsigned n;
	int net_fd[NODES_MAX]; /* the nodes' namespaces */
	char host[NODES_MAX][32];
	bool cut[NODES_MAX][NODES_MAX], down[NODES_MAX];
};

/* False with *why: the machine does not allow it. The test's process is then where the bridge is. */
bool wires_new(struct wires *w, unsigned n, const char **why);

void wires_cut(struct wires *w, unsigned from, unsigned to); /* from -> to only */
void wires_mend(struct wires *w, unsigned from, unsigned to);
void wires_link(struct wires *w, unsigned i, bool up); /* all that a node has */
void wires_heal(struct wires *w);                      /* all of the above */

/* Runs a command in a node's network, without a word; its exit code is 0? */
bool wires_run(struct wires *w, unsigned i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
