/*
 * why_home.h: what can be told of a replica's home on this machine: for `quorate why`, where the node itself
 * does not answer.
 */
#ifndef QUORATE_WHY_HOME_H
#define QUORATE_WHY_HOME_H

#include <sys/types.h>

#include "genesis.h"

struct why_home {
	const char *dir;  /* borrowed */
	char url[300];    /* where its node answers clients; "": its node.conf cannot be read */
	const char *code; /* static text: what is wrong; NULL: nothing that a look from outside tells */
	char text[512], action[512];
	int replica; /* of g, by the key in it; -1: none, or it cannot be told */
};

/* Its address, by its node.conf. */
void why_home_open(struct why_home *h, const char *dir);

/* Why its node does not answer: asks the questions of a start in their order, until one is answered badly. */
void why_home_look(struct why_home *h, const struct genesis *g);

/* Where two genesis documents differ first, as "params.timeout_ms"; false: nowhere. */
bool why_genesis_differs(const struct genesis *a, const struct genesis *b, char *field, size_t cap);

#endif
