/*
 * is_final.c: is a payment final?  A whole program that asks nobody: no node, no network, no ledger.
 *
 *     cc -o is_final is_final.c $(pkg-config --cflags --libs quorate)
 *     ./is_final genesis.json receipt.json
 *
 * Exit code: 0 it is, 1 the receipt proves nothing, 2 it is no receipt, or that is no genesis.
 */
#include <stdio.h>

#include <quorate.h>

int main(int argc, char **argv)
{
	struct quorate_error error;
	struct quorate_genesis *genesis = NULL;
	struct quorate_receipt *receipt = NULL;
	struct quorate_block block;

	if (argc != 3) {
		fputs("usage: is_final GENESIS RECEIPT\n", stderr);
		return 2;
	}
	int code = quorate_genesis_load(argv[1], &genesis, &error);
	if (code == QUORATE_OK)
		code = quorate_receipt_load(genesis, argv[2], &receipt, &error);
	if (code == QUORATE_OK) {
		quorate_receipt_block(receipt, &block);
		printf("%s is final in block %llu\n", quorate_tx_id(quorate_receipt_tx(receipt)),
		       (unsigned long long)block.height);
	} else {
		fprintf(stderr, "%s\n", error.text);
	}
	quorate_receipt_free(receipt);
	quorate_genesis_free(genesis);
	return code;
}
