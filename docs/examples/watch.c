/*
 * watch.c: follows what an address receives, and believes none of it without proof.
 *
 *     cc -o watch watch.c $(pkg-config --cflags --libs quorate)
 *     ./watch genesis.json ADDRESS COUNT http://HOST:PORT ...
 *
 * Tells every output of the address as it comes, until there were COUNT of them. Which outputs there are is a
 * node's word; each is told only with the receipt of its transaction, which holds against the genesis. (An
 * output that is spent before the next look is not seen: a program that must miss none reads every block.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <quorate.h>

#define OUTPUTS_MAX 1000
#define PATIENCE_MS 60000

struct watch {
	struct quorate_client *client;
	const char *address;
	struct quorate_output now[OUTPUTS_MAX], told[OUTPUTS_MAX];
	size_t told_cnt, wanted;
};

static int was_told(const struct watch *w, const struct quorate_output *o)
{
	for (size_t i = 0; i < w->told_cnt; i++)
		if (strcmp(w->told[i].txid, o->txid) == 0 && w->told[i].index == o->index)
			return 1;
	return 0;
}

/* What the receipt says of this output, not what the node did. */
static int tell(struct watch *w, const struct quorate_output *o, struct quorate_error *error)
{
	struct quorate_receipt *receipt;
	struct quorate_output proven;
	struct quorate_block block;
	char from[QUORATE_ADDRESS_SIZE];
	int code = quorate_client_receipt(w->client, o->txid, &receipt, error);
	if (code != QUORATE_OK)
		return code;
	const struct quorate_tx *tx = quorate_receipt_tx(receipt);
	quorate_receipt_block(receipt, &block);
	if (quorate_tx_output(tx, o->index, &proven) == QUORATE_OK && strcmp(proven.owner, w->address) == 0 &&
	    quorate_tx_signer(tx, 0, from) == QUORATE_OK) {
		printf("block %llu: %llu from %s\n", (unsigned long long)block.height,
		       (unsigned long long)proven.amount, from);
		fflush(stdout);
	} else {
		code = QUORATE_WORLD;
		snprintf(error->text, sizeof error->text, "a node made up output %u of %s",
		         (unsigned)o->index, o->txid);
	}
	quorate_receipt_free(receipt);
	if (code == QUORATE_OK)
		w->told[w->told_cnt++] = *o;
	return code;
}

static int look(struct watch *w, struct quorate_error *error)
{
	size_t cnt;
	int code = quorate_client_outputs(w->client, w->address, w->now, OUTPUTS_MAX, &cnt, error);
	for (size_t i = 0; code == QUORATE_OK && i < cnt && w->told_cnt < w->wanted; i++)
		if (w->now[i].height > 0 && !was_told(w, &w->now[i])) /* the genesis needs no receipt */
			code = tell(w, &w->now[i], error);
	return code;
}

static int watch(struct watch *w, struct quorate_error *error)
{
	struct quorate_status status;
	int code = QUORATE_OK;
	while (code == QUORATE_OK && w->told_cnt < w->wanted) {
		code = quorate_client_status(w->client, &status, error);
		if (code == QUORATE_OK)
			code = look(w, error);
		if (code == QUORATE_OK && w->told_cnt < w->wanted)
			code = quorate_client_wait(w->client, status.height + 1, PATIENCE_MS, error);
		if (code == QUORATE_NO) /* a quiet chain */
			code = QUORATE_OK;
	}
	return code;
}

int main(int argc, char **argv)
{
	static struct watch w;
	struct quorate_error error = {0};
	struct quorate_genesis *genesis = NULL;
	if (argc < 5 || (w.wanted = strtoul(argv[3], NULL, 10)) == 0 || w.wanted > OUTPUTS_MAX) {
		fputs("usage: watch GENESIS ADDRESS COUNT NODE...\n", stderr);
		return 2;
	}
	w.address = argv[2];
	int code = quorate_genesis_load(argv[1], &genesis, &error);
	if (code == QUORATE_OK)
		code = quorate_client_new(genesis, (const char *const *)argv + 4, (size_t)argc - 4, 0,
		                          &w.client, &error);
	if (code == QUORATE_OK)
		code = watch(&w, &error);
	if (code != QUORATE_OK)
		fprintf(stderr, "%s\n", error.text);
	quorate_client_free(w.client);
	quorate_genesis_free(genesis);
	return code;
}
