/*
 * testnet_look.h: how a testnet is doing, and saying so.
 */
#ifndef QUORATE_TESTNET_LOOK_H
#define QUORATE_TESTNET_LOOK_H

#include "client.h"
#include "testnet.h"

/* What can be seen of a node, which may be stopped, paused or on its way up. */
struct look {
	pid_t pid;
	bool answers, healthy;
	struct client_status status;
};

/* *err (may be NULL) says why it does not answer. */
struct look look_at(const struct testnet *t, const struct testnet_node *node, struct err *err);
void look_at_all(const struct testnet *t, struct look *looks); /* t->n of them */

/* Looks at all and prints it; as text, `accounts` adds the funded accounts. */
void look_say(const struct testnet *t, bool as_json, bool accounts);

/* Are all replicas that run healthy and at one height? ERR_WORLD: not yet; ERR_NO: none runs. */
bool look_level(const struct testnet *t, struct err *err);

#endif
