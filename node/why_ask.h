/*
 * why_ask.h: asks one node, for `quorate why`.
 */
#ifndef QUORATE_WHY_ASK_H
#define QUORATE_WHY_ASK_H

#include "why.h"

/* What the node at this URL (borrowed) says of itself; it answers soon, or it does not answer. */
void why_ask(const char *url, struct why_node *n);

/* The genesis that it goes by: genesis_free(). NULL with *err. */
struct genesis *why_ask_genesis(const char *url, struct err *err);

#endif
