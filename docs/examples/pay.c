/*
 * pay.c: pays, waits until it is final, and keeps the proof.
 *
 *     cc -o pay pay.c $(pkg-config --cflags --libs quorate)
 *     ./pay genesis.json alice.key ADDRESS 250 receipt.json http://HOST:PORT ...
 *
 * The signed transaction is written to standard output before it is sent: a program that ends here, for
 * whatever reason, can go on with it and never pays twice.
 *
 * Exit code: 0 paid, 1 refused, 2 wrong input, 3 not known (yet).
 */
#include <stdio.h>
#include <stdlib.h>

#include <quorate.h>

#define PATIENCE_MS 30000

struct pay {
	struct quorate_genesis *genesis;
	struct quorate_key *key;
	struct quorate_client *client;
	struct quorate_tx *tx;
	struct quorate_receipt *receipt;
};

/* Made and signed once, whatever becomes of it. */
static int make(struct pay *p, const char *to, const char *amount, struct quorate_error *error)
{
	char *end;
	struct quorate_payment payment = {to, strtoull(amount, &end, 10)};
	const char *from = quorate_key_address(p->key);
	char *hex;
	if (*end != '\0')
		payment.amount = 0; /* "5,000" is not 5: it is refused */
	int code = quorate_client_pay(p->client, from, &payment, 1, "with love", &p->tx, error);
	if (code == QUORATE_OK)
		code = quorate_tx_sign(p->tx, p->key, error);
	if (code == QUORATE_OK)
		code = quorate_tx_write(p->tx, QUORATE_HEX, &hex, NULL, error);
	if (code == QUORATE_OK) {
		printf("transaction %s\n%s\n", quorate_tx_id(p->tx), hex);
		fflush(stdout);
		free(hex);
	}
	return code;
}

static int keep(const struct quorate_receipt *receipt, const char *path)
{
	char *text = quorate_receipt_text(receipt, NULL);
	FILE *file = fopen(path, "wx"); /* never over another one */
	int lost = file == NULL || fputs(text, file) < 0;
	if (file != NULL)
		lost = fclose(file) != 0 || lost;
	free(text);
	if (lost)
		perror(path);
	return lost ? QUORATE_WORLD : QUORATE_OK;
}

static int settle(struct pay *p, const char *path, struct quorate_error *error)
{
	struct quorate_block block;
	int code = quorate_client_settle(p->client, p->tx, PATIENCE_MS, &p->receipt, error);
	if (code != QUORATE_OK)
		return code;
	quorate_receipt_block(p->receipt, &block);
	printf("final in block %llu, proven against the genesis\n", (unsigned long long)block.height);
	return keep(p->receipt, path);
}

static int pay(struct pay *p, int argc, char **argv, struct quorate_error *error)
{
	const char *passphrase = getenv("PASSPHRASE"); /* NULL: the key file is plain */
	int code = quorate_genesis_load(argv[1], &p->genesis, error);
	if (code == QUORATE_OK)
		code = quorate_key_load(argv[2], passphrase, &p->key, error);
	if (code == QUORATE_OK)
		code = quorate_client_new(p->genesis, (const char *const *)argv + 6, (size_t)argc - 6, 0,
		                          &p->client, error);
	if (code == QUORATE_OK)
		code = make(p, argv[3], argv[4], error);
	if (code == QUORATE_OK)
		code = settle(p, argv[5], error);
	return code;
}

int main(int argc, char **argv)
{
	struct quorate_error error = {0};
	struct pay p = {0};
	if (argc < 7) {
		fputs("usage: pay GENESIS KEY ADDRESS AMOUNT RECEIPT NODE...\n", stderr);
		return 2;
	}
	int code = pay(&p, argc, argv, &error);
	if (error.code != QUORATE_OK)
		fprintf(stderr, "%s%s%s\n", error.reason, error.reason[0] != '\0' ? ": " : "", error.text);
	quorate_receipt_free(p.receipt);
	quorate_tx_free(p.tx);
	quorate_client_free(p.client);
	quorate_key_free(p.key);
	quorate_genesis_free(p.genesis);
	return code;
}
