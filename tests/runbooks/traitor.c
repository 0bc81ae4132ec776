/*
 * traitor.c: traitor DIR REPLICA NODE: signs two contradicting PREPAREs with the key in DIR/nodeREPLICA, on
 * the chain of DIR/genesis.json, and tells them to the node of that index, which runs on this machine.
 */
#include "chain.h"
#include "crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

int main(int argc, char **argv)
{
	struct chain c = {.n = 4};
	struct err err = {0};
	if (argc != 4 || !crypto_init(&err))
		return 2;
	unsigned replica = (unsigned)atoi(argv[2]), node = (unsigned)atoi(argv[3]);
	snprintf(c.dir, sizeof c.dir, "%s", argv[1]);
	c.genesis = genesis_load(chain_path(&c, "genesis.json"), &err);
	if (c.genesis == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	struct qenvelope both[] = {chain_forge(&c, replica, 3, 1), chain_forge(&c, replica, 3, 2)};
	chain_tell(&c, node, both, 2);
	for (unsigned i = 0; i < 2; i++)
		wire_free(WIRE(qenvelope), &both[i]);
	genesis_free(c.genesis);
	return 0;
}
