/*
 * callers.c: libquorate as a program of somebody else sees it: what it does for its callers on a real chain,
 * and what neither they nor its nodes can do to it.
 *
 * The shared object is linked beside the house's own code, which makes the chain and says what is right; the
 * two share no name.
 */
#include "../../node/lib/quorate.h"

#include "chain.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct chain *c; /* one for all tests here; its directory is the working directory */
static struct quorate_error e;
static struct quorate_genesis *genesis;
static struct quorate_key *alice, *bob;
static struct quorate_client *client; /* of all nodes */

/* The code, and a part of what is said. */
#define ASSERT_SAYS(want, says, call)                                                             \
	do {                                                                                      \
		e = (struct quorate_error){0};                                                    \
		int code_ = (call);                                                               \
		if (code_ != (want) ||                                                            \
		    ((want) != QUORATE_OK && (e.code != (want) || !strstr(e.text, says))))        \
			fail_msg(#call ": not %d, \"%s\" but %d: %s", want, says, code_, e.text); \
	} while (0)
#define ASSERT_OK(call) ASSERT_SAYS(QUORATE_OK, "", call)

static struct quorate_client *client_of(const char *url, unsigned timeout_ms)
{
	struct quorate_client *one;
	ASSERT_OK(quorate_client_new(genesis, &url, 1, timeout_ms, &one, &e));
	return one;
}

static int begin(void **state)
{
	if (chain_setup(state) != 0)
		return -1;
	c = chain_up(4, NULL, 0);
	assert_int_equal(chdir(c->dir), 0);
	const char *urls[] = {c->http[0], c->http[1], c->http[2], c->http[3]};
	ASSERT_OK(quorate_genesis_load("genesis.json", &genesis, &e));
	ASSERT_OK(quorate_key_load("accounts/alice.key", NULL, &alice, &e));
	ASSERT_OK(quorate_key_load("accounts/bob.key", NULL, &bob, &e));
	ASSERT_OK(quorate_client_new(genesis, urls, 4, 0, &client, &e));
	return 0;
}

static int end(void **state)
{
	(void)state;
	quorate_client_free(client);
	quorate_key_free(alice);
	quorate_key_free(bob);
	quorate_genesis_free(genesis);
	assert_int_equal(chdir("/"), 0);
	chain_down(c);
	return 0;
}

/* Signed by alice, to bob. */
static struct quorate_tx *payment(uint64_t amount)
{
	const struct quorate_payment pay = {quorate_key_address(bob), amount};
	struct quorate_tx *tx;
	ASSERT_OK(quorate_client_pay(client, quorate_key_address(alice), &pay, 1, "rent", &tx, &e));
	ASSERT_OK(quorate_tx_sign(tx, alice, &e));
	return tx;
}

static struct quorate_receipt *settled(const struct quorate_tx *tx)
{
	struct quorate_receipt *receipt;
	ASSERT_OK(quorate_client_settle(client, tx, CHAIN_PATIENCE_MS, &receipt, &e));
	return receipt;
}

/* ---- keys -------------------------------------------------------------------- */

static void keys_are_kept_and_opened_with_their_passphrase_alone(void **state)
{
	struct quorate_key *key, *again;
	char address[QUORATE_ADDRESS_SIZE], too_long[3000];
	struct stat st;
	(void)state;
	memset(too_long, 'x', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	ASSERT_OK(quorate_key_new(&key, &e));
	ASSERT_OK(quorate_address_check(quorate_key_address(key), &e));
	ASSERT_OK(quorate_key_save(key, "sealed.key", "open, please", &e));
	assert_int_equal(stat("sealed.key", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	ASSERT_OK(quorate_key_load("sealed.key", "open, please", &again, &e));
	assert_string_equal(quorate_key_address(again), quorate_key_address(key));
	quorate_key_free(again);
	ASSERT_SAYS(QUORATE_INPUT, "wrong passphrase", quorate_key_load("sealed.key", "open", &again, &e));
	assert_null(again);
	ASSERT_SAYS(QUORATE_INPUT, "wrong passphrase", quorate_key_load("sealed.key", too_long, &again, &e));
	ASSERT_SAYS(QUORATE_INPUT, "no passphrase", quorate_key_load("sealed.key", NULL, &again, &e));
	ASSERT_SAYS(QUORATE_INPUT, "exists already", quorate_key_save(key, "sealed.key", NULL, &e));
	ASSERT_SAYS(QUORATE_INPUT, "1 to 1023 bytes", quorate_key_save(key, "other.key", too_long, &e));
	ASSERT_SAYS(QUORATE_INPUT, "1 to 1023 bytes", quorate_key_save(key, "other.key", "", &e));
	too_long[1023] = '\0';
	ASSERT_OK(quorate_key_save(key, "longest.key", too_long, &e));
	ASSERT_OK(quorate_key_load("longest.key", too_long, &again, &e));
	quorate_key_free(again);
	too_long[1023] = 'x'; /* begins with the right one */
	ASSERT_SAYS(QUORATE_INPUT, "wrong passphrase", quorate_key_load("longest.key", too_long, &again, &e));
	ASSERT_OK(quorate_key_save(key, "plain.key", NULL, &e));
	assert_int_equal(chmod("plain.key", 0640), 0);
	ASSERT_SAYS(QUORATE_INPUT, "plain.key", quorate_key_load("plain.key", NULL, &again, &e));
	ASSERT_SAYS(QUORATE_INPUT, "node0/replica.key",
	            quorate_key_load("node0/replica.key", NULL, &again, &e));
	assert_int_not_equal(quorate_key_load("missing", NULL, &again, NULL), QUORATE_OK);

	snprintf(address, sizeof address, "%s", quorate_key_address(key));
	for (size_t i = 0; i < sizeof address - 1; i++) {
		char was = address[i];
		address[i] = was == '0' ? '1' : '0';
		ASSERT_SAYS(QUORATE_INPUT, "address", quorate_address_check(address, &e));
		address[i] = was;
	}
	quorate_key_free(key);
}

/* ---- paying ------------------------------------------------------------------ */

static void a_payment_is_final_with_a_proof_that_outlives_the_client(void **state)
{
	struct quorate_balance before, after;
	struct quorate_receipt *receipt, *again, *same;
	struct quorate_output o;
	struct quorate_block block, block_again;
	struct quorate_status status;
	char signer[QUORATE_ADDRESS_SIZE];
	size_t len, text_len;
	(void)state;
	ASSERT_OK(quorate_client_balance(client, quorate_key_address(bob), &before, &e));
	struct quorate_tx *tx = payment(5);
	receipt = settled(tx);
	const struct quorate_tx *proven = quorate_receipt_tx(receipt);
	assert_string_equal(quorate_tx_id(proven), quorate_tx_id(tx));
	ASSERT_OK(quorate_tx_output(proven, 0, &o));
	assert_string_equal(o.owner, quorate_key_address(bob));
	assert_string_equal(o.txid, quorate_tx_id(tx));
	assert_int_equal(o.amount, 5);
	assert_int_equal(o.lock, QUORATE_LOCK_NONE);
	ASSERT_OK(quorate_tx_output(proven, 1, &o)); /* change */
	assert_string_equal(o.owner, quorate_key_address(alice));
	assert_int_equal(quorate_tx_output(proven, 2, &o), QUORATE_NO);
	assert_int_equal(quorate_tx_output(proven, SIZE_MAX, &o), QUORATE_NO);
	ASSERT_OK(quorate_tx_signer(proven, 0, signer));
	assert_string_equal(signer, quorate_key_address(alice));
	assert_int_equal(quorate_tx_signer(proven, 1, signer), QUORATE_NO);
	ASSERT_OK(quorate_tx_input(proven, 0, &o));
	assert_string_equal(o.owner, ""); /* a receipt does not say whose it was */
	assert_int_equal(quorate_tx_input(proven, 1, &o), QUORATE_NO);
	assert_string_equal(quorate_tx_memo(proven, &len), "rent");
	assert_int_equal(len, 4);

	ASSERT_OK(quorate_client_receipt(client, quorate_tx_id(tx), &again, &e));
	char *text = quorate_receipt_text(receipt, &text_len);
	ASSERT_OK(quorate_receipt_verify(genesis, text, text_len, &same, &e));
	quorate_receipt_block(receipt, &block);
	quorate_receipt_block(same, &block_again);
	assert_memory_equal(&block, &block_again, sizeof block);
	ASSERT_OK(quorate_client_wait(client, block.height, 0, &e));
	ASSERT_OK(quorate_client_status(client, &status, &e));
	assert_true(status.height >= block.height);
	assert_string_equal(status.chain, quorate_genesis_chain(genesis));
	ASSERT_OK(quorate_client_balance(client, quorate_key_address(bob), &after, &e));
	assert_int_equal(after.spendable, before.spendable + 5);
	assert_int_equal(after.output_cnt, before.output_cnt + 1);
	assert_int_equal(after.locked, 0);
	free(text);
	quorate_receipt_free(same);
	quorate_receipt_free(again);
	quorate_receipt_free(receipt);
	quorate_tx_free(tx);
}

static void settling_again_gives_the_same_proof(void **state)
{
	(void)state;
	struct quorate_tx *tx = payment(1);
	ASSERT_OK(quorate_client_submit(client, tx, &e));
	struct quorate_receipt *first = settled(tx), *second = settled(tx);
	struct quorate_block a, b;
	quorate_receipt_block(first, &a);
	quorate_receipt_block(second, &b);
	assert_string_equal(a.id, b.id);
	ASSERT_OK(quorate_client_submit(client, tx, &e)); /* it is final already */
	quorate_receipt_free(first);
	quorate_receipt_free(second);
	quorate_tx_free(tx);
}

static void who_spends_twice_learns_who_was_first(void **state)
{
	struct quorate_receipt *none;
	(void)state;
	struct quorate_tx *first = payment(1), *second = payment(2);
	quorate_receipt_free(settled(first));
	ASSERT_SAYS(QUORATE_NO, "the receipt of that one holds against the genesis",
	            quorate_client_settle(client, second, CHAIN_PATIENCE_MS, &none, &e));
	assert_null(none);
	assert_string_equal(e.reason, "double_spend");
	assert_string_equal(e.spent_by, quorate_tx_id(first));
	ASSERT_SAYS(QUORATE_NO, "spent", quorate_client_submit(client, second, &e));
	assert_string_equal(e.reason, "double_spend");
	quorate_tx_free(first);
	quorate_tx_free(second);
}

/* The expiry of a payment that was made long ago. */
static struct quorate_tx *stale(void)
{
	const struct quorate_payment pay = {quorate_key_address(bob), 1};
	struct quorate_output coin;
	struct quorate_tx *tx;
	size_t cnt;
	ASSERT_OK(quorate_client_outputs(client, quorate_key_address(alice), &coin, 1, &cnt, &e));
	assert_int_equal(cnt, 1);
	ASSERT_OK(quorate_tx_make(genesis, &coin, 1, &pay, 1, quorate_key_address(alice), NULL, 1, &tx, &e));
	ASSERT_OK(quorate_tx_sign(tx, alice, &e));
	return tx;
}

static void a_refusal_without_proof_takes_more_nodes_than_may_lie(void **state)
{
	struct quorate_receipt *none;
	(void)state;
	struct quorate_tx *tx = stale();
	struct quorate_client *one = client_of(c->http[0], 0);
	ASSERT_SAYS(QUORATE_WORLD, "no proof", quorate_client_settle(one, tx, 1000, &none, &e));
	assert_string_equal(e.reason, "");
	ASSERT_SAYS(QUORATE_NO, "so say 2 nodes",
	            quorate_client_settle(client, tx, CHAIN_PATIENCE_MS, &none, &e));
	assert_string_equal(e.reason, "expired");
	quorate_client_free(one);
	quorate_tx_free(tx);
}

/* ---- making it step by step -------------------------------------------------- */

static struct quorate_tx *reread(const struct quorate_tx *tx, int form)
{
	char *text;
	size_t len;
	struct quorate_tx *again;
	ASSERT_OK(quorate_tx_write(tx, form, &text, &len, &e));
	ASSERT_OK(quorate_tx_read(genesis, text, len, &again, &e));
	assert_string_equal(quorate_tx_id(again), quorate_tx_id(tx));
	free(text);
	return again;
}

/* One coin of alice's and one of bob's, which need both signatures; each signs a document on his own. */
static void two_owners_sign_one_transaction_apart(void **state)
{
	const struct quorate_payment pay = {quorate_key_address(bob), 20};
	struct quorate_output coins[2], o;
	struct quorate_tx *tx, *at_bob, *whole;
	char *text;
	size_t cnt;
	(void)state;
	ASSERT_OK(quorate_client_outputs(client, quorate_key_address(alice), &coins[0], 1, &cnt, &e));
	ASSERT_OK(quorate_client_outputs(client, quorate_key_address(bob), &coins[1], 1, &cnt, &e));
	ASSERT_OK(
	    quorate_tx_make(genesis, coins, 2, &pay, 1, quorate_key_address(alice), "both", 0, &tx, &e));
	ASSERT_SAYS(QUORATE_INPUT, "not signed by q", quorate_tx_write(tx, QUORATE_HEX, &text, NULL, &e));
	assert_null(text);
	ASSERT_SAYS(QUORATE_INPUT, "not signed by q", quorate_client_submit(client, tx, &e));
	ASSERT_OK(quorate_tx_sign(tx, alice, &e));
	ASSERT_OK(quorate_tx_sign(tx, alice, &e)); /* twice is once */
	at_bob = reread(tx, QUORATE_DOCUMENT);
	ASSERT_OK(quorate_tx_input(at_bob, 1, &o)); /* he sees what is asked of him */
	assert_string_equal(o.owner, quorate_key_address(bob));
	assert_int_equal(o.amount, coins[1].amount);
	ASSERT_OK(quorate_tx_sign(at_bob, bob, &e));
	whole = reread(at_bob, QUORATE_BYTES);
	ASSERT_SAYS(QUORATE_INPUT, "all have signed", quorate_tx_sign(whole, bob, &e));
	ASSERT_SAYS(QUORATE_INPUT, "read without them",
	            quorate_tx_write(whole, QUORATE_DOCUMENT, &text, NULL, &e));
	quorate_tx_free(reread(whole, QUORATE_HEX));
	quorate_receipt_free(settled(whole));
	quorate_tx_free(tx);
	quorate_tx_free(at_bob);
	quorate_tx_free(whole);
}

static void a_stranger_cannot_sign(void **state)
{
	struct quorate_key *stranger;
	(void)state;
	struct quorate_tx *tx = payment(1);
	ASSERT_OK(quorate_key_new(&stranger, &e));
	ASSERT_SAYS(QUORATE_INPUT, "owns none of the transaction's inputs",
	            quorate_tx_sign(tx, stranger, &e));
	quorate_key_free(stranger);
	quorate_tx_free(tx);
}

static void what_was_changed_or_is_of_another_chain_is_not_read(void **state)
{
	struct quorate_genesis *other;
	struct quorate_client *elsewhere;
	struct quorate_tx *none;
	char *hex, *document;
	size_t len;
	const char *url = c->http[0];
	(void)state;
	struct quorate_tx *tx = payment(1);
	ASSERT_OK(quorate_tx_write(tx, QUORATE_HEX, &hex, &len, &e));
	ASSERT_OK(quorate_tx_write(tx, QUORATE_DOCUMENT, &document, NULL, &e));
	assert_int_equal(quorate(NULL, NULL, "testnet", "new", "--dir", "other", "--base-port", "0", NULL),
	                 0);
	ASSERT_OK(quorate_genesis_load("other/genesis.json", &other, &e));
	ASSERT_SAYS(QUORATE_INPUT, "chain: is another one",
	            quorate_tx_read(other, document, strlen(document), &none, &e));
	ASSERT_SAYS(QUORATE_INPUT, "a signature does not hold", quorate_tx_read(other, hex, len, &none, &e));
	ASSERT_OK(quorate_client_new(other, &url, 1, 0, &elsewhere, &e));
	ASSERT_SAYS(QUORATE_INPUT, "of another chain than the client",
	            quorate_client_submit(elsewhere, tx, &e));
	ASSERT_SAYS(QUORATE_INPUT, "which is not that of the genesis",
	            quorate_client_status(elsewhere, &(struct quorate_status){0}, &e));

	hex[len - 1] = hex[len - 1] == '0' ? '1' : '0'; /* of the signature */
	ASSERT_SAYS(QUORATE_INPUT, "a signature does not hold",
	            quorate_tx_read(genesis, hex, len, &none, &e));
	assert_null(none);
	ASSERT_SAYS(QUORATE_INPUT, "even number", quorate_tx_read(genesis, hex, len - 1, &none, &e));
	ASSERT_SAYS(QUORATE_INPUT, "canonical", quorate_tx_read(genesis, hex, len - 2, &none, &e));
	ASSERT_SAYS(QUORATE_INPUT, "canonical", quorate_tx_read(genesis, "", 0, &none, &e));
	*strchr(strstr(document, "\"amount\": \"1\"") + 10, '1') = '2';
	ASSERT_SAYS(QUORATE_INPUT, "it was edited",
	            quorate_tx_read(genesis, document, strlen(document), &none, &e));
	free(hex);
	free(document);
	quorate_client_free(elsewhere);
	quorate_genesis_free(other);
	quorate_tx_free(tx);
}

/* ---- arguments --------------------------------------------------------------- */

static struct quorate_output some_coin(void)
{
	struct quorate_output coin = {.amount = 7};
	memset(coin.txid, 'a', sizeof coin.txid - 1);
	memcpy(coin.owner, quorate_key_address(alice), sizeof coin.owner);
	return coin;
}

static int make(const struct quorate_output *coins, size_t coin_cnt, const struct quorate_payment *pays,
                size_t pay_cnt, const char *change, const char *memo, uint64_t expiry)
{
	struct quorate_tx *tx;
	int code = quorate_tx_make(genesis, coins, coin_cnt, pays, pay_cnt, change, memo, expiry, &tx, &e);
	assert_true((code == QUORATE_OK) == (tx != NULL));
	quorate_tx_free(tx);
	return code;
}

static void what_cannot_be_a_payment_is_not_made(void **state)
{
	static struct quorate_output coins[QUORATE_INPUTS_MAX + 1];
	static struct quorate_payment pays[QUORATE_PAYMENTS_MAX + 1];
	const char *a = quorate_key_address(alice);
	struct quorate_output coin = some_coin(), bad = coin;
	struct quorate_payment pay = {a, 7};
	char memo[QUORATE_MEMO_MAX + 2] = {0};
	(void)state;
	memset(memo, 'm', QUORATE_MEMO_MAX);
	for (size_t i = 0; i <= QUORATE_INPUTS_MAX; i++) {
		coins[i] = coin;
		coins[i].index = (uint32_t)i;
	}
	for (size_t i = 0; i <= QUORATE_PAYMENTS_MAX; i++)
		pays[i] = (struct quorate_payment){a, 1};
	ASSERT_OK(make(&coin, 1, &pay, 1, a, memo, 0));
	ASSERT_OK(make(coins, QUORATE_INPUTS_MAX, pays, QUORATE_PAYMENTS_MAX, a, "", INT64_MAX));
	memo[QUORATE_MEMO_MAX] = 'm';
	ASSERT_SAYS(QUORATE_INPUT, "memo", make(&coin, 1, &pay, 1, a, memo, 0));
	ASSERT_SAYS(QUORATE_INPUT, "expiry", make(&coin, 1, &pay, 1, a, "", (uint64_t)INT64_MAX + 1));
	ASSERT_SAYS(QUORATE_INPUT, "inputs", make(&coin, 0, &pay, 1, a, "", 0));
	ASSERT_SAYS(QUORATE_INPUT, "inputs", make(coins, SIZE_MAX, &pay, 1, a, "", 0));
	ASSERT_SAYS(QUORATE_INPUT, "inputs", make(coins, QUORATE_INPUTS_MAX + 1, &pay, 1, a, "", 0));
	ASSERT_SAYS(QUORATE_INPUT, "payments", make(&coin, 1, &pay, 0, a, "", 0));
	ASSERT_SAYS(QUORATE_INPUT, "payments", make(&coin, 1, pays, SIZE_MAX, a, "", 0));
	ASSERT_SAYS(QUORATE_INPUT, "payments", make(coins, 2, pays, QUORATE_PAYMENTS_MAX + 1, a, "", 0));
	ASSERT_SAYS(QUORATE_INPUT, "change: ", make(&coin, 1, &pay, 1, "bob", "", 0));

	static const uint64_t amounts[] = {0, 8, (uint64_t)INT64_MAX + 1, UINT64_MAX};
	for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
		pay.amount = amounts[i];
		ASSERT_SAYS(QUORATE_INPUT, "", make(&coin, 1, &pay, 1, a, "", 0));
	}
	pay = (struct quorate_payment){a, 1};
	pays[0].amount = pays[1].amount = INT64_MAX;
	ASSERT_SAYS(QUORATE_INPUT, "payments[1]: ", make(&coin, 1, pays, 2, a, "", 0));
	coins[0].amount = coins[1].amount = INT64_MAX;
	ASSERT_SAYS(QUORATE_INPUT, "2^63-1", make(coins, 2, &pay, 1, a, "", 0));

	memset(bad.txid, 'a', sizeof bad.txid); /* without its NUL */
	ASSERT_SAYS(QUORATE_INPUT, "inputs[0]: txid", make(&bad, 1, &pay, 1, a, "", 0));
	bad = coin;
	memset(bad.owner, 'q', sizeof bad.owner);
	ASSERT_SAYS(QUORATE_INPUT, "inputs[0]: owner: ", make(&bad, 1, &pay, 1, a, "", 0));
	bad = coin;
	bad.amount = 0;
	ASSERT_SAYS(QUORATE_INPUT, "inputs[0]: ", make(&bad, 1, &pay, 1, a, "", 0));
	bad = coin;
	bad.lock = 4;
	ASSERT_SAYS(QUORATE_INPUT, "inputs[0]: lock 4", make(&bad, 1, &pay, 1, a, "", 0));
	bad.lock = QUORATE_LOCK_RELEASE;
	bad.replica = UINT32_MAX;
	ASSERT_SAYS(QUORATE_INPUT, "inputs[0]: lock 2", make(&bad, 1, &pay, 1, a, "", 0));
	bad.replica = 1;
	bad.penalty = 8;
	ASSERT_SAYS(QUORATE_INPUT, "inputs[0]: ", make(&bad, 1, &pay, 1, a, "", 0));
}

/* An input that is named twice is found when all have signed. */
static void a_broken_rule_is_named_before_anything_is_sent(void **state)
{
	const struct quorate_payment pay = {quorate_key_address(bob), 14};
	struct quorate_output twice[] = {some_coin(), some_coin()};
	struct quorate_tx *tx;
	char *text;
	(void)state;
	ASSERT_OK(quorate_tx_make(genesis, twice, 2, &pay, 1, pay.to, NULL, 0, &tx, &e));
	ASSERT_OK(quorate_tx_sign(tx, alice, &e));
	ASSERT_SAYS(QUORATE_INPUT, "named twice", quorate_tx_write(tx, QUORATE_BYTES, &text, NULL, &e));
	ASSERT_SAYS(QUORATE_INPUT, "named twice", quorate_client_submit(client, tx, &e));
	ASSERT_OK(quorate_tx_write(tx, QUORATE_DOCUMENT, &text, NULL, &e));
	free(text);
	ASSERT_SAYS(QUORATE_INPUT, "no form 0", quorate_tx_write(tx, 0, &text, NULL, &e));
	ASSERT_SAYS(QUORATE_INPUT, "no form 4", quorate_tx_write(tx, 4, &text, NULL, &e));
	ASSERT_SAYS(QUORATE_INPUT, "no form -1", quorate_tx_write(tx, -1, &text, NULL, &e));
	quorate_tx_free(tx);
}

#define REFUSED(says, call) ASSERT_SAYS(QUORATE_INPUT, says, call)

static void null_is_no_file_key_genesis_or_receipt(void **state)
{
	struct quorate_key *key;
	struct quorate_genesis *g;
	struct quorate_receipt *receipt;
	struct quorate_block block;
	size_t cnt;
	(void)state;
	REFUSED("out is NULL", quorate_key_new(NULL, &e));
	REFUSED("path is NULL", quorate_key_load(NULL, NULL, &key, &e));
	REFUSED("out is NULL", quorate_key_load("x", NULL, NULL, &e));
	REFUSED("key is NULL", quorate_key_save(NULL, "x", NULL, &e));
	REFUSED("path is NULL", quorate_key_save(alice, NULL, NULL, &e));
	REFUSED("address is NULL", quorate_address_check(NULL, &e));
	REFUSED("path is NULL", quorate_genesis_load(NULL, &g, &e));
	REFUSED("out is NULL", quorate_genesis_load("genesis.json", NULL, &e));
	REFUSED("text is NULL", quorate_genesis_parse(NULL, 3, &g, &e));
	REFUSED("empty", quorate_genesis_parse("", 0, &g, &e));
	REFUSED("genesis is NULL", quorate_receipt_verify(NULL, "{}", 2, &receipt, &e));
	REFUSED("text is NULL", quorate_receipt_verify(genesis, NULL, 2, &receipt, &e));
	REFUSED("path is NULL", quorate_receipt_load(genesis, NULL, &receipt, &e));
	assert_int_equal(quorate_key_new(NULL, NULL), QUORATE_INPUT);
	assert_null(quorate_key_address(NULL));
	assert_null(quorate_genesis_chain(NULL));
	assert_null(quorate_receipt_text(NULL, &cnt));
	assert_null(quorate_receipt_tx(NULL));
	quorate_receipt_block(NULL, &block);
	quorate_receipt_block(NULL, NULL);
	assert_int_equal(block.height, 0);
	quorate_key_free(NULL);
	quorate_genesis_free(NULL);
	quorate_receipt_free(NULL);
}

static void null_is_no_transaction(void **state)
{
	const struct quorate_payment pay = {NULL, 1};
	const char *a = quorate_key_address(alice);
	struct quorate_output coin = some_coin();
	struct quorate_tx *tx, *signed_tx = payment(1);
	size_t cnt;
	char *text;
	(void)state;
	REFUSED("genesis is NULL", quorate_tx_make(NULL, &coin, 1, &pay, 1, a, NULL, 0, &tx, &e));
	REFUSED("inputs is NULL", quorate_tx_make(genesis, NULL, 1, &pay, 1, a, NULL, 0, &tx, &e));
	REFUSED("payments is NULL", quorate_tx_make(genesis, &coin, 1, NULL, 1, a, NULL, 0, &tx, &e));
	REFUSED("payments[0]: to is NULL", quorate_tx_make(genesis, &coin, 1, &pay, 1, a, NULL, 0, &tx, &e));
	REFUSED("change is NULL", quorate_tx_make(genesis, &coin, 1, &pay, 1, NULL, NULL, 0, &tx, &e));
	REFUSED("tx is NULL", quorate_tx_sign(NULL, alice, &e));
	REFUSED("key is NULL", quorate_tx_sign(signed_tx, NULL, &e));
	REFUSED("tx is NULL", quorate_tx_write(NULL, QUORATE_HEX, &text, NULL, &e));
	REFUSED("out is NULL", quorate_tx_write(signed_tx, QUORATE_HEX, NULL, NULL, &e));
	REFUSED("genesis is NULL", quorate_tx_read(NULL, "00", 2, &tx, &e));
	REFUSED("data is NULL", quorate_tx_read(genesis, NULL, 2, &tx, &e));
	assert_int_equal(quorate_tx_input(NULL, 0, &coin), QUORATE_INPUT);
	assert_int_equal(quorate_tx_output(signed_tx, 0, NULL), QUORATE_INPUT);
	assert_int_equal(quorate_tx_signer(signed_tx, 0, NULL), QUORATE_INPUT);
	assert_null(quorate_tx_id(NULL));
	assert_null(quorate_tx_memo(NULL, &cnt));
	quorate_tx_free(NULL);
	quorate_tx_free(signed_tx);
}

static void null_is_no_client(void **state)
{
	const char *url = c->http[0], *none_url = NULL, *a = quorate_key_address(alice);
	const struct quorate_payment pay = {NULL, 1};
	struct quorate_output coin;
	struct quorate_status status;
	struct quorate_balance balance;
	struct quorate_tx *tx, *signed_tx = payment(1);
	struct quorate_receipt *receipt;
	struct quorate_client *other;
	size_t cnt;
	(void)state;
	REFUSED("genesis is NULL", quorate_client_new(NULL, &url, 1, 0, &other, &e));
	REFUSED("urls is NULL", quorate_client_new(genesis, NULL, 1, 0, &other, &e));
	REFUSED("urls[0]: ", quorate_client_new(genesis, &none_url, 1, 0, &other, &e));
	REFUSED("0 URLs", quorate_client_new(genesis, &url, 0, 0, &other, &e));
	REFUSED("URLs", quorate_client_new(genesis, &url, SIZE_MAX, 0, &other, &e));
	REFUSED("client is NULL", quorate_client_status(NULL, &status, &e));
	REFUSED("out is NULL", quorate_client_status(client, NULL, &e));
	REFUSED("client is NULL", quorate_client_wait(NULL, 1, 0, &e));
	REFUSED("heights", quorate_client_wait(client, UINT64_MAX, 0, &e));
	REFUSED("client is NULL", quorate_client_balance(NULL, a, &balance, &e));
	REFUSED("address is NULL", quorate_client_balance(client, NULL, &balance, &e));
	REFUSED("out is NULL", quorate_client_balance(client, a, NULL, &e));
	REFUSED("address", quorate_client_balance(client, "", &balance, &e));
	REFUSED("out is NULL", quorate_client_outputs(client, a, NULL, 1, &cnt, &e));
	REFUSED("cnt is NULL", quorate_client_outputs(client, a, &coin, 1, NULL, &e));
	REFUSED("max is 0", quorate_client_outputs(client, a, &coin, 0, &cnt, &e));
	REFUSED("client is NULL", quorate_client_pay(NULL, a, &pay, 1, NULL, &tx, &e));
	REFUSED("from is NULL", quorate_client_pay(client, NULL, &pay, 1, NULL, &tx, &e));
	REFUSED("payments is NULL", quorate_client_pay(client, a, NULL, 1, NULL, &tx, &e));
	REFUSED("client is NULL", quorate_client_submit(NULL, signed_tx, &e));
	REFUSED("tx is NULL", quorate_client_submit(client, NULL, &e));
	REFUSED("tx is NULL", quorate_client_settle(client, NULL, 1, &receipt, &e));
	REFUSED("out is NULL", quorate_client_settle(client, signed_tx, 1, NULL, &e));
	REFUSED("txid is NULL", quorate_client_receipt(client, NULL, &receipt, &e));
	REFUSED("no transaction id", quorate_client_receipt(client, "../status", &receipt, &e));
	quorate_client_free(NULL);
	quorate_tx_free(signed_tx);
}

static void what_is_no_url_of_a_node_is_said(void **state)
{
	static const char *const urls[] = {"",
	                                   "127.0.0.1:7480",
	                                   "ftp://127.0.0.1",
	                                   "http://",
	                                   "http://a b/",
	                                   "file:///etc/passwd",
	                                   "http://127.0.0.1:99999",
	                                   "http://h/?x=1"};
	struct quorate_client *none;
	(void)state;
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		ASSERT_SAYS(QUORATE_INPUT, "no URL of a node",
		            quorate_client_new(genesis, &urls[i], 1, 0, &none, &e));
		assert_null(none);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_are_kept_and_opened_with_their_passphrase_alone),
	    cmocka_unit_test(a_payment_is_final_with_a_proof_that_outlives_the_client),
	    cmocka_unit_test(settling_again_gives_the_same_proof),
	    cmocka_unit_test(who_spends_twice_learns_who_was_first),
	    cmocka_unit_test(a_refusal_without_proof_takes_more_nodes_than_may_lie),
	    cmocka_unit_test(two_owners_sign_one_transaction_apart),
	    cmocka_unit_test(a_stranger_cannot_sign),
	    cmocka_unit_test(what_was_changed_or_is_of_another_chain_is_not_read),
	    cmocka_unit_test(what_cannot_be_a_payment_is_not_made),
	    cmocka_unit_test(a_broken_rule_is_named_before_anything_is_sent),
	    cmocka_unit_test(null_is_no_file_key_genesis_or_receipt),
	    cmocka_unit_test(null_is_no_transaction),
	    cmocka_unit_test(null_is_no_client),
	    cmocka_unit_test(what_is_no_url_of_a_node_is_said),
	};
	return cmocka_run_group_tests_name("callers", tests, begin, end);
}
