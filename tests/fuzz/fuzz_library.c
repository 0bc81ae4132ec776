/*
 * fuzz_library.c: what a program hands libquorate to read: transactions in any form, and receipts. It is
 * refused in words, or it is what it says, whichever way it is written again; nothing aborts, or leaks.
 *
 * Links: q_ledger libquorate
 */
#include "../../node/lib/quorate.h"

#include "fuzz.h"

#include <unistd.h>

#include "keyfile.h"
#include "receipt_file.h"
#include "receipts.h"

enum { TRANSACTION, RECEIPT, KINDS };

static struct rules chain;
static struct quorate_genesis *genesis;
static struct quorate_key *key; /* account 1's */

/* ---- transactions ------------------------------------------------------------ */

static void check_output(const struct quorate_output *o, bool known)
{
	struct qtxid id;
	must(hex_decode(id.b, sizeof id.b, o->txid));
	must(!known || quorate_address_check(o->owner, NULL) == QUORATE_OK);
	must(o->lock <= QUORATE_LOCK_FROZEN);
}

static void look_at(const struct quorate_tx *tx)
{
	struct quorate_output o;
	char signer[QUORATE_ADDRESS_SIZE];
	size_t i, len;
	for (i = 0; quorate_tx_input(tx, i, &o) == QUORATE_OK; i++)
		check_output(&o, o.owner[0] != '\0');
	must(i <= QUORATE_INPUTS_MAX);
	for (i = 0; quorate_tx_output(tx, i, &o) == QUORATE_OK; i++)
		check_output(&o, true);
	must(i <= QUORATE_PAYMENTS_MAX + 1);
	for (i = 0; quorate_tx_signer(tx, i, signer) == QUORATE_OK; i++)
		must(quorate_address_check(signer, NULL) == QUORATE_OK);
	must(quorate_tx_memo(tx, &len)[len] == '\0' && len <= QUORATE_MEMO_MAX);
}

/* Written, read and written again it is the same. */
static void check_form(const struct quorate_tx *tx, int form)
{
	char *text, *same;
	size_t len, same_len;
	struct quorate_tx *again;
	if (quorate_tx_write(tx, form, &text, &len, NULL) != QUORATE_OK)
		return;
	must(quorate_tx_read(genesis, text, len, &again, NULL) == QUORATE_OK);
	must(strcmp(quorate_tx_id(again), quorate_tx_id(tx)) == 0);
	must(quorate_tx_write(again, form, &same, &same_len, NULL) == QUORATE_OK);
	must(len == same_len && memcmp(text, same, len) == 0);
	quorate_tx_free(again);
	free(same);
	free(text);
}

static void try_transaction(const uint8_t *data, size_t len)
{
	struct quorate_tx *tx;
	struct quorate_error e = {0};
	int code = quorate_tx_read(genesis, data, len, &tx, &e);
	if (code != QUORATE_OK) {
		must(code == QUORATE_INPUT && e.code == code && e.text[0] != '\0' && tx == NULL);
		return;
	}
	look_at(tx);
	for (int form = QUORATE_BYTES; form <= QUORATE_DOCUMENT; form++)
		check_form(tx, form);
	if (quorate_tx_sign(tx, key, &e) == QUORATE_OK)
		check_form(tx, QUORATE_DOCUMENT);
	quorate_tx_free(tx);
}

/* ---- receipts ---------------------------------------------------------------- */

static void try_receipt(const uint8_t *data, size_t len)
{
	struct quorate_receipt *receipt;
	struct quorate_error e = {0};
	struct quorate_block block;
	size_t same_len;
	int code = quorate_receipt_verify(genesis, (const char *)data, len, &receipt, &e);
	if (code != QUORATE_OK) {
		must((code == QUORATE_INPUT || code == QUORATE_NO) && e.code == code && e.text[0] != '\0' &&
		     receipt == NULL);
		return;
	}
	char *same = quorate_receipt_text(receipt, &same_len);
	must(same_len == len && memcmp(same, data, len) == 0);
	quorate_receipt_block(receipt, &block);
	must(block.height > 0);
	look_at(quorate_receipt_tx(receipt));
	free(same);
	quorate_receipt_free(receipt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const tries[KINDS])(const uint8_t *, size_t) = {try_transaction, try_receipt};
	if (len > 0)
		tries[data[0] % KINDS](data + 1, len - 1);
	return 0;
}

/* ---- genuine ones ------------------------------------------------------------ */

static void load_key(void)
{
	char path[] = "/tmp/fuzz-library-XXXXXX", file[64];
	struct account *a = rules_account(1);
	must(mkdtemp(path) != NULL);
	snprintf(file, sizeof file, "%s/key", path);
	must(keyfile_write_account(file, a, NULL, NULL));
	must(quorate_key_load(file, NULL, &key, NULL) == QUORATE_OK);
	must(unlink(file) == 0 && rmdir(path) == 0);
	account_free(a);
}

static void seed(const struct quorate_tx *tx, int form)
{
	char *text;
	size_t len;
	if (quorate_tx_write(tx, form, &text, &len, NULL) != QUORATE_OK)
		return;
	fuzz_seed_as(TRANSACTION, text, len);
	free(text);
}

/* One coin of account 1's and perhaps one of account 2's; unsigned, and signed by account 1. */
static void add_transactions(unsigned coin_cnt)
{
	struct quorate_output coins[2] = {{.amount = 1000}, {.index = 1, .amount = 500}};
	const struct quorate_payment pays[] = {{quorate_key_address(key), 7}, {quorate_key_address(key), 9}};
	struct quorate_tx *tx;
	for (unsigned i = 0; i < 2; i++) {
		struct qaddress owner = rules_address((uint8_t)(i + 1));
		hex_encode(coins[i].txid, chain.g.txid.b, sizeof chain.g.txid.b);
		address_format(&owner, coins[i].owner);
	}
	must(quorate_tx_make(genesis, coins, coin_cnt, pays, 2, pays[0].to, "memo", 9, &tx, NULL) ==
	     QUORATE_OK);
	seed(tx, QUORATE_DOCUMENT);
	must(quorate_tx_sign(tx, key, NULL) == QUORATE_OK);
	for (int form = QUORATE_BYTES; form <= QUORATE_DOCUMENT; form++)
		seed(tx, form);
	quorate_tx_free(tx);
}

static void setup(void)
{
	rules_setup(&chain, 4, "fuzz");
	char *text = genesis_format(&chain.g);
	must(quorate_genesis_parse(text, strlen(text), &genesis, NULL) == QUORATE_OK);
	free(text);
	load_key();
	add_transactions(1);
	add_transactions(2);
	struct qreceipt r = receipts_make(&chain, QCOMMIT, 10, 3, 1, 2);
	size_t len;
	text = receipt_format(&r, &len);
	fuzz_seed_as(RECEIPT, text, len);
	free(text);
	wire_free(WIRE(qreceipt), &r);
}

static void teardown(void)
{
	quorate_key_free(key);
	quorate_genesis_free(genesis);
	rules_teardown(&chain);
}

const struct fuzz_target fuzz_target = {
    .name = "library", .runs = 15000, .setup = setup, .teardown = teardown};
