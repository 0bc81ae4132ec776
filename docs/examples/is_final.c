/*
 * is_final.c: is a payment final?  A whole program that asks nobody.
 *
 *     is_final GENESIS RECEIPT
 *
 * It links q_ledger alone: no server, no network, no database is touched.  crypto_init() is called once a
 * process; then three calls answer.
 */
#include <stdio.h>

#include "crypto.h"
#include "receipt_file.h"

static int say(const struct err *err)
{
	fprintf(stderr, "%s\n", err->text);
	return err->kind == ERR_NO ? 1 : 2;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	struct qreceipt receipt;
	struct qtxid txid;
	struct qheight height;
	char text[QHASH_HEX];

	if (argc != 3) {
		fputs("usage: is_final GENESIS RECEIPT\n", stderr);
		return 2;
	}
	struct genesis *genesis = crypto_init(&err) ? genesis_load(argv[1], &err) : NULL;
	bool final = genesis != NULL && receipt_read(argv[2], &receipt, &err);
	if (final) {
		final = receipt_verify(genesis, &receipt, &txid, &height, &err);
		wire_free(WIRE(qreceipt), &receipt);
	}
	genesis_free(genesis);
	if (!final)
		return say(&err);
	printf("%s is final in block %llu\n", hex_encode(text, txid.b, sizeof txid.b),
	       (unsigned long long)height.n);
	return 0;
}
