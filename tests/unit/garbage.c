/*
 * garbage.c: whatever a node answers, or does not, a program on libquorate goes on: every function that asks
 * nodes fails in words, gives nothing that looks like an answer, and leaves a client that works.
 *
 * Links: q_ledger libquorate
 */
#include "../../node/lib/quorate.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto.h"
#include "rules.h"

#define PATIENCE_MS 60000 /* far above anything healthy */

/* ---- a node ------------------------------------------------------------------ */

static struct rules rules; /* the chain that it says it is of */
static char status_text[512];

static struct node {
	int listener;
	pthread_t thread;
	char url[64];
	atomic_bool honest_status;    /* /v1/status is answered as it should be */
	_Atomic(const char *) answer; /* to all else; NULL: nothing, for ever */
	atomic_bool endless;          /* the last byte again and again, until the client has enough */
	atomic_bool over;
} node;

static bool send_all(int fd, const char *data, size_t len)
{
	for (ssize_t put; len > 0; data += put, len -= (size_t)put)
		if ((put = send(fd, data, len, MSG_NOSIGNAL)) <= 0)
			return false;
	return true;
}

static void flood(int fd, char with)
{
	char block[1 << 16];
	memset(block, with, sizeof block);
	while (send_all(fd, block, sizeof block)) {
	}
}

static void serve(int fd)
{
	char request[4096] = "";
	size_t have = 0;
	for (ssize_t got = 1; got > 0 && have < sizeof request - 1 && !strstr(request, "\r\n\r\n");
	     have += (size_t)got)
		if ((got = recv(fd, request + have, sizeof request - 1 - have, 0)) < 0)
			return;
	const char *answer = node.answer;
	if (node.honest_status && strncmp(request, "GET /v1/status ", 15) == 0) {
		send_all(fd, status_text, strlen(status_text));
	} else if (!answer) {
		while (recv(fd, request, sizeof request, 0) > 0) { /* until the client gives up */
		}
	} else if (send_all(fd, answer, strlen(answer)) && node.endless) {
		flood(fd, answer[strlen(answer) - 1]);
	}
}

static void *run_node(void *ctx)
{
	for (int fd; !node.over && (fd = accept(node.listener, NULL, NULL)) >= 0; close(fd))
		serve(fd);
	return ctx;
}

static void begin_node(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	node.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(node.listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(node.listener, 16), 0);
	assert_int_equal(getsockname(node.listener, (struct sockaddr *)&at, &len), 0);
	snprintf(node.url, sizeof node.url, "http://127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&node.thread, NULL, run_node, NULL), 0);
}

/* ---- who asks it ------------------------------------------------------------- */

static struct quorate_genesis *genesis;
static struct quorate_key *key;
static struct quorate_tx *tx; /* signed */
static struct quorate_client *client;
static struct quorate_error e;

static int ask_status(void)
{
	struct quorate_status s;
	int code = quorate_client_status(client, &s, &e);
	assert_true(code == QUORATE_OK || s.chain[0] == '\0');
	return code;
}
static int ask_wait(void)
{
	return quorate_client_wait(client, 3, 0, &e);
}
static int ask_balance(void)
{
	struct quorate_balance b;
	int code = quorate_client_balance(client, quorate_key_address(key), &b, &e);
	assert_true(code == QUORATE_OK || (b.spendable == 0 && b.output_cnt == 0));
	return code;
}
static int ask_outputs(void)
{
	static struct quorate_output outputs[600];
	size_t cnt;
	int code = quorate_client_outputs(client, quorate_key_address(key), outputs, 600, &cnt, &e);
	assert_true(code == QUORATE_OK || cnt == 0);
	return code;
}
static int ask_pay(void)
{
	const struct quorate_payment pay = {quorate_key_address(key), 1};
	struct quorate_tx *made;
	int code = quorate_client_pay(client, pay.to, &pay, 1, NULL, &made, &e);
	assert_true((code == QUORATE_OK) == (made != NULL));
	quorate_tx_free(made);
	return code;
}
static int ask_submit(void)
{
	return quorate_client_submit(client, tx, &e);
}
static int ask_settle(void)
{
	struct quorate_receipt *receipt;
	int code = quorate_client_settle(client, tx, 1, &receipt, &e);
	assert_null(receipt); /* nothing here proves anything */
	return code;
}
static int ask_receipt(void)
{
	struct quorate_receipt *receipt;
	int code = quorate_client_receipt(client, quorate_tx_id(tx), &receipt, &e);
	assert_null(receipt);
	return code;
}

static const struct ask {
	const char *name;
	int (*ask)(void);
} asks[] = {{"status", ask_status},   {"wait", ask_wait},      {"balance", ask_balance},
            {"outputs", ask_outputs}, {"pay", ask_pay},        {"submit", ask_submit},
            {"settle", ask_settle},   {"receipt", ask_receipt}};
enum { ASKS = sizeof asks / sizeof *asks };

static void new_client(unsigned timeout_ms)
{
	const char *url = node.url;
	quorate_client_free(client);
	assert_int_equal(quorate_client_new(genesis, &url, 1, timeout_ms, &client, &e), QUORATE_OK);
}

static void fails(const struct ask *a, const char *answer, const char *says)
{
	e = (struct quorate_error){0};
	node.answer = answer;
	int code = a->ask();
	bool words = e.text[0] != '\0' && strlen(e.text) < sizeof e.text;
	if (code == QUORATE_OK || e.code != code || !words || !strstr(e.text, says) || strchr(e.text, '\033'))
		fail_msg("%s: %d, not \"%s\" but \"%s\" after %.60s", a->name, code, says, e.text,
		         answer ? answer : "silence");
}

static int begin(void **state)
{
	struct err err = {0};
	struct quorate_output coin = {.amount = 5};
	size_t len;
	(void)state;
	assert_true(crypto_init(&err));
	rules_setup(&rules, 4, "garbage");
	char *text = genesis_format(&rules.g), chain[QHASH_HEX], body[400];
	len = strlen(text);
	assert_int_equal(quorate_genesis_parse(text, len, &genesis, &e), QUORATE_OK);
	free(text);
	hex_encode(chain, rules.g.chain.b, sizeof rules.g.chain.b);
	snprintf(
	    body, sizeof body,
	    "{\"chain\":\"%s\",\"height\":9,\"view\":0,\"replica\":0,\"primary\":0,\"block_hash\":\"%s\"}",
	    chain, chain);
	snprintf(status_text, sizeof status_text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
	         strlen(body), body);

	assert_int_equal(quorate_key_new(&key, &e), QUORATE_OK);
	const struct quorate_payment pay = {quorate_key_address(key), 5};
	memset(coin.txid, 'a', sizeof coin.txid - 1);
	memcpy(coin.owner, pay.to, sizeof coin.owner);
	assert_int_equal(quorate_tx_make(genesis, &coin, 1, &pay, 1, pay.to, NULL, 0, &tx, &e), QUORATE_OK);
	assert_int_equal(quorate_tx_sign(tx, key, &e), QUORATE_OK);
	begin_node();
	return 0;
}

static int end(void **state)
{
	(void)state;
	node.over = true;
	shutdown(node.listener, SHUT_RDWR);
	assert_int_equal(pthread_join(node.thread, NULL), 0);
	close(node.listener);
	quorate_client_free(client);
	quorate_tx_free(tx);
	quorate_key_free(key);
	quorate_genesis_free(genesis);
	rules_teardown(&rules);
	return 0;
}

/* ---- what it answers --------------------------------------------------------- */

#define OK_JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"

/* To whatever is asked. */
static const char *const nonsense[] = {
    "",                                                 /* closed at once */
    "HTTP/1.1 200 OK\r\nContent-Len",                   /* closed in the header */
    "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"", /* closed midway */
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "\x16\x03\x01\xff\xfe\x1b[2J garbage \x1b[31m\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 404 Nothing\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 400 Bad\r\n\r\n{\"error\": {\"code\": \"\\u001b[2J\", \"message\": \"\\u001b[31mred\"}}",
    OK_JSON,
    OK_JSON "<html>\x1b[31m",
    OK_JSON "null",
    OK_JSON "[]",
    OK_JSON "{}",
    OK_JSON "\"\"",
    OK_JSON "{\"height\": -1, \"height\": 3}",
    OK_JSON "{\"chain\": 7, \"height\": {}, \"outputs\": [7], \"count\": -1, \"results\": 7, \"status\": []}",
    OK_JSON "{\"count\": 1, \"outputs\": {}, \"results\": [], \"status\": \"final\", \"height\": 4}",
    OK_JSON "{\"count\": 1e999, \"outputs\": [], \"results\": [[]], \"height\": 1e300}",
    OK_JSON "{\"\xff\xfe\": \"\xc3\x28\"}",
    OK_JSON "{\"format\": \"quorate receipt 1\"}",
};

static void no_nonsense_is_an_answer(void **state)
{
	(void)state;
	new_client(10000);
	for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
		for (size_t k = 0; k < ASKS; k++) {
			node.honest_status = false;
			fails(&asks[k], nonsense[i], "");
			node.honest_status = true;
			if (asks[k].ask != ask_status)
				fails(&asks[k], nonsense[i], "");
			else
				assert_int_equal(ask_status(), QUORATE_OK); /* the same client works */
		}
}

static void deep_json_ends(void **state)
{
	static char deep[200000];
	(void)state;
	new_client(10000);
	memset(deep, '[', sizeof deep - 1);
	memcpy(deep, OK_JSON, sizeof OK_JSON - 1);
	for (size_t k = 0; k < ASKS; k++) {
		node.honest_status = asks[k].ask != ask_status;
		fails(&asks[k], deep, "");
	}
}

static void silence_ends_with_the_time(void **state)
{
	(void)state;
	new_client(200);
	node.honest_status = true;
	for (size_t k = 1; k < ASKS; k++)
		fails(&asks[k], NULL, "");
	node.honest_status = false;
	fails(&asks[0], NULL, "no answer from");
	fails(&asks[0], OK_JSON "{", "");
	node.honest_status = true;
	new_client(10000);
	assert_int_equal(ask_status(), QUORATE_OK);
}

static void what_has_no_end_is_cut_off(void **state)
{
	static const char *const begins[] = {OK_JSON "[", OK_JSON "{\"a\": \"x", OK_JSON " "};
	(void)state;
	new_client(PATIENCE_MS);
	node.honest_status = false;
	node.endless = true;
	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
		fails(&asks[i == 0 ? 0 : ASKS - 1], begins[i], "longer than 4 MiB");
	fails(&asks[0], "HTTP/1.1 200 OK\r\nX: y", "no answer from");
	node.endless = false;
}

/* jansson makes 5 GiB of 64 MiB of these. */
static void what_would_fill_the_memory_is_not_taken_in(void **state)
{
	static const char begin[] = OK_JSON "{\"outputs\": [{}";
	enum { MANY = 300000, WITH = sizeof ",{}" - 1 };
	static char answer[sizeof begin + (size_t)MANY * WITH];
	char *at = answer;
	(void)state;
	new_client(PATIENCE_MS);
	at += snprintf(at, sizeof begin, "%s", begin);
	for (unsigned i = 0; i < MANY; i++, at += WITH)
		memcpy(at, ",{}", WITH);
	/* The node hangs up on who hands something in before it has read it all: he may not get the answer.
	 */
	for (size_t k = 0; asks[k].ask != ask_submit; k++) {
		node.honest_status = asks[k].ask != ask_status;
		fails(&asks[k], answer, "values");
	}
}

/* ---- lies that look like answers
 * --------------------------------------------------------------------------- */

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COIN(amount, more) \
	"{\"txid\": \"" ID "\", \"index\": 0, \"height\": 1, \"amount\": \"" amount "\"" more "}"
#define COINS(list) OK_JSON "{\"count\": 1, \"outputs\": [" list "]}"
#define MAX "9223372036854775807"

static void impossible_outputs_are_no_balance(void **state)
{
	static const struct {
		const char *answer, *says;
	} lies[] = {
	    {COINS(COIN(MAX, "") "," COIN(MAX, "") "," COIN(MAX, "")), "worth more than there can be"},
	    {COINS(COIN("0", "")), "outputs[0].amount"},
	    {COINS(COIN("-1", "")), "outputs[0].amount"},
	    {COINS(COIN("9223372036854775808", "")), "outputs[0].amount"},
	    {COINS(COIN("1", ", \"lock\": \"nailed\", \"replica\": 1")), "outputs[0].lock"},
	    {COINS(COIN("1", ", \"lock\": \"stake\", \"replica\": 64")), "outputs[0].replica"},
	    {COINS(COIN("1", ", \"lock\": \"release\", \"replica\": 1, \"free_at\": 1, \"penalty\": \"2\"")),
	     "outputs[0].penalty"},
	    {COINS("{\"txid\": \"" ID "\", \"index\": 4294967296, \"height\": 1, \"amount\": \"1\"}"),
	     "outputs[0].index"},
	    {COINS("7"), "outputs[0].txid"},
	};
	(void)state;
	new_client(10000);
	node.honest_status = true;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
		fails(&(struct ask){"balance", ask_balance}, lies[i].answer, lies[i].says);
	fails(&(struct ask){"pay", ask_pay}, COINS(""), "holds 0, less than the 1");
	/* What is spent is what is signed for: a coin that does not exist only gets the payment refused. */
	node.answer = COINS(COIN("7", ""));
	assert_int_equal(ask_pay(), QUORATE_OK);
	assert_int_equal(ask_balance(), QUORATE_OK);
	assert_int_equal(ask_outputs(), QUORATE_OK);
}

static void a_node_of_another_chain_is_not_asked_for_money(void **state)
{
	(void)state;
	new_client(10000);
	node.honest_status = false;
	static const char other[] =
	    OK_JSON "{\"chain\": \"" ID "\", \"height\": 1, \"view\": 0, \"replica\": 0, \"primary\": 0, "
	            "\"block_hash\": \"" ID "\"}";
	fails(&(struct ask){"status", ask_status}, other, "runs chain " ID);
	fails(&(struct ask){"pay", ask_pay}, other, "runs chain " ID);
	fails(&(struct ask){"balance", ask_balance}, other, "runs chain " ID);
}

/* One node's word, whatever it is. */
/* Nothing that is made by it would expire. */
static void no_chain_is_at_the_last_height(void **state)
{
	static char answer[sizeof status_text + 64];
	const char *rest = strstr(status_text, "\"view\"");
	(void)state;
	new_client(PATIENCE_MS);
	node.honest_status = false;
	snprintf(answer, sizeof answer, OK_JSON "{\"chain\":\"%s\",\"height\":" MAX ",%s",
	         quorate_genesis_chain(genesis), rest);
	for (size_t k = 0; k < ASKS; k++)
		if (asks[k].ask == ask_status || asks[k].ask == ask_pay || asks[k].ask == ask_balance)
			fails(&asks[k], answer, "height");
	node.honest_status = true;
}

static void one_liar_settles_nothing(void **state)
{
	static const char *const lies[] = {
	    OK_JSON "{\"results\": [{\"status\": \"final\", \"height\": 7}]}",
	    OK_JSON
	    "{\"results\": [{\"status\": \"rejected\", \"code\": \"expired\", \"message\": \"too late\"}]}",
	    OK_JSON
	    "{\"results\": [{\"status\": \"rejected\", \"code\": \"double_spend\", \"spent_by\": \"" ID
	    "\"}]}",
	    OK_JSON
	    "{\"results\": [{\"status\": \"rejected\", \"code\": \"\", \"message\": \"\\u001b[31m\"}]}",
	};
	struct quorate_receipt *receipt;
	(void)state;
	new_client(10000);
	node.honest_status = true;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		node.answer = lies[i];
		e = (struct quorate_error){0};
		assert_int_equal(quorate_client_settle(client, tx, 300, &receipt, &e), QUORATE_WORLD);
		assert_null(receipt);
		assert_true(e.text[0] != '\0' && !strchr(e.text, '\033'));
		assert_string_equal(e.reason, "");
	}
	node.answer = lies[1];
	assert_int_equal(ask_submit(), QUORATE_NO); /* which hands on its word, as that */
	assert_string_equal(e.reason, "expired");
}

/* ---- threads ----------------------------------------------------------------- */

static void *use_what_is_shared(void *ctx)
{
	struct quorate_error mine;
	for (unsigned i = 0; i < 200; i++) {
		struct quorate_tx *own;
		struct quorate_client *other;
		const char *url = node.url;
		char *text;
		size_t len;
		must(quorate_tx_write(tx, QUORATE_BYTES, &text, &len, &mine) == QUORATE_OK);
		must(quorate_tx_read(genesis, text, len, &own, &mine) == QUORATE_OK);
		must(strcmp(quorate_tx_id(own), quorate_tx_id(tx)) == 0);
		must(quorate_address_check(quorate_key_address(key), &mine) == QUORATE_OK);
		must(quorate_client_new(genesis, &url, 1, 0, &other, &mine) == QUORATE_OK);
		quorate_client_free(other);
		quorate_tx_free(own);
		free(text);
	}
	return ctx;
}

static void threads_share_what_never_changes(void **state)
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_what_is_shared, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_nonsense_is_an_answer),
	    cmocka_unit_test(deep_json_ends),
	    cmocka_unit_test(silence_ends_with_the_time),
	    cmocka_unit_test(what_has_no_end_is_cut_off),
	    cmocka_unit_test(what_would_fill_the_memory_is_not_taken_in),
	    cmocka_unit_test(impossible_outputs_are_no_balance),
	    cmocka_unit_test(a_node_of_another_chain_is_not_asked_for_money),
	    cmocka_unit_test(no_chain_is_at_the_last_height),
	    cmocka_unit_test(one_liar_settles_nothing),
	    cmocka_unit_test(threads_share_what_never_changes),
	};
	return cmocka_run_group_tests_name("garbage", tests, begin, end);
}
