/*
 * liar.c: what `quorate send` and `quorate receipt` believe. Between the program and a node stands a proxy
 * that hands on what it is asked and lies about the answers: a payment that it says was refused is not taken
 * for refused, nor is one that was refused taken for open once there is proof of it; and no receipt of its
 * making proves anything.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SHORT "2" /* seconds until `send` gives up; what is expected to be settled has the whole patience */
#define LONG "60"

/* ---- the proxy ------------------------------------------------------------------- */

static struct liar {
	const char *node; /* whom it asks */
	const char *code; /* why it says that a payment was refused; NULL: it tells the truth */
	char spent_by[QHASH_HEX];
	const struct bend *bend; /* what it does to receipts; NULL: nothing */
	char *other;             /* the receipt of another payment */
	char *coins;             /* answers what an address holds, whatever it holds now; NULL: asks */
	atomic_uint submitted;   /* payments handed on */
	struct http_server *server;
	char url[64];
} liar;

/* The node's own answer. */
static void hand_on(const struct http_request *r, const char *query, struct http_reply *reply)
{
	char path[512], *text;
	const char *value = query ? http_query(r, query) : NULL;
	size_t len;
	struct err err = {0};
	struct http_client *client = http_client_new(liar.node, CHAIN_PATIENCE_MS, &err);
	bool post = strcmp(r->method, "POST") == 0;
	snprintf(path, sizeof path, "%s%s%s%s%s", r->path, value ? "?" : "", value ? query : "",
	         value ? "=" : "", value ? value : "");
	if (http_call(client, path, post ? r->content_type : NULL, post ? r->body : NULL, r->body_len,
	              &reply->status, &text, &len, &err)) {
		reply->content_type = "application/json";
		reply->body = text;
		reply->body_len = len;
	} else {
		http_error(reply, 503, "proxy", "%s", err.text);
	}
	http_client_free(client);
}

static void say(struct http_reply *reply, json_t *json)
{
	free(reply->body);
	reply->status = 200;
	reply->content_type = "application/json";
	reply->body = json_dumps(json, 0);
	reply->body_len = strlen(reply->body);
	json_decref(json);
}

static json_t *refused(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:{s:s}}", "status", "rejected", "code", liar.code, "message",
	                 "so I say", "spent_by", liar.spent_by, "detail", "spent_by", liar.spent_by);
}

static void on_submit(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	hand_on(r, NULL, reply);
	atomic_fetch_add(&liar.submitted, 1);
	if (liar.code)
		say(reply, json_pack("{s:[o]}", "results", refused()));
}

static void on_transaction(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	if (liar.code)
		say(reply, refused());
	else
		hand_on(r, "wait", reply);
}

static void on_address(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	if (liar.coins)
		say(reply, json_loads(liar.coins, 0, NULL));
	else
		hand_on(r, "limit", reply);
}

/* A lie about a receipt, and what is said of it by who is lied to. */
struct bend {
	void (*bend)(struct http_reply *reply);
	int code; /* of `quorate receipt` */
	const char *says;
};

/* The last hex digit of a member is another one. */
static void bend_member(struct http_reply *reply, const char *key)
{
	char *p = strstr(reply->body, key) + strlen(key);
	p = strchr(p, '"') - 1;
	*p = *p == '0' ? '1' : '0';
}
static void bend_certificate(struct http_reply *reply)
{
	bend_member(reply, "\"certificate\": \"");
}
static void bend_transaction(struct http_reply *reply)
{
	bend_member(reply, "\"transaction\": \"");
}
static void bend_txid(struct http_reply *reply)
{
	bend_member(reply, "\"txid\": \"");
}
static void give_another(struct http_reply *reply)
{
	free(reply->body);
	reply->body = xstrdup(liar.other);
	reply->body_len = strlen(reply->body);
}
static void give_nothing(struct http_reply *reply)
{
	say(reply, json_pack("{s:s}", "receipt", "\033[2J"));
}

static const struct bend bends[] = {
    {bend_certificate, 1, "gave a receipt that does not hold: the signature of replica"},
    {give_another, 1, "gave a receipt that does not hold: the receipt is of another transaction"},
    {bend_transaction, 1, "gave a receipt that does not hold: the receipt's Merkle path"},
    {bend_txid, 3, "is not as expected: txid: is not that of the transaction in this receipt"},
    {give_nothing, 3, "is not as expected: this is no receipt: receipt: unknown field"},
};
enum { BENDS = sizeof bends / sizeof *bends, BENDS_SENT = 2 }; /* so many are tried on payments, too */

static void on_receipt(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	hand_on(r, NULL, reply);
	if (liar.bend && reply->status == 200)
		liar.bend->bend(reply);
}

static void on_other(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx;
	hand_on(r, NULL, reply);
}

static void liar_begin(struct chain *c)
{
	static const struct http_route routes[] = {
	    {"GET", "/v1/status", on_other},         {"GET", "/v1/receipts/*", on_receipt},
	    {"GET", "/v1/addresses/*", on_address},  {"GET", "/v1/transactions/*", on_transaction},
	    {"POST", "/v1/transactions", on_submit}, {0},
	};
	struct http_config config = {.listen = "127.0.0.1:0", .body_max = 1 << 20, .routes = routes};
	struct err err = {0};
	liar = (struct liar){.node = c->http[0]};
	memset(liar.spent_by, 'e', QHASH_HEX - 1); /* no transaction's */
	liar.server = http_start(&config, &err);
	if (!liar.server)
		fail_msg("%s", err.text);
	snprintf(liar.url, sizeof liar.url, "http://127.0.0.1:%u", http_port(liar.server));
}

static void liar_end(void)
{
	http_stop(liar.server);
	free(liar.coins);
	free(liar.other);
}

/* From now on it says that alice holds what she holds now. */
static void liar_remembers_coins(struct chain *c)
{
	int status;
	struct account *alice = chain_account(c, "alice");
	struct qaccount_key key = account_key(alice);
	struct qaddress address = account_address(&key);
	char text[ADDRESS_TEXT];
	json_t *coins = chain_get(c, 0, &status, "/v1/addresses/%s", address_format(&address, text));
	assert_int_equal(status, 200);
	liar.coins = json_dumps(coins, 0);
	json_decref(coins);
	account_free(alice);
}

/* ---- paying ---------------------------------------------------------------------- */

/* Alice pays bob through the liar and, unless NULL, one more node. */
static json_t *pay_by(struct chain *c, const char *node, const char *amount, const char *seconds,
                      const char *expiry, int *code)
{
	json_t *sent =
	    quorate_json(code, "send", "--json", "--node", liar.url, "--node", node ? node : liar.url,
	                 "--genesis", chain_path(c, "genesis.json"), "--key",
	                 chain_path(c, "accounts/alice.key"), "--to", chain_path(c, "accounts/bob.key"),
	                 "--amount", amount, "--timeout", seconds, expiry ? "--expiry" : NULL, expiry, NULL);
	return sent;
}

static void assert_outcome(json_t *sent, int code, int want, const char *outcome, const char *says)
{
	if (code != want || strcmp(json_text(sent, "outcome"), outcome) != 0 ||
	    !strstr(json_text(sent, "message"), says))
		fail_msg("exit %d, not %d: %s, not %s: %s", code, want, json_text(sent, "outcome"), outcome,
		         json_text(sent, "message"));
}

/* It gave up; the payment is final nevertheless. */
static void assert_paid_once(struct chain *c, json_t *sent)
{
	struct qtxid id;
	assert_true(hex_decode(id.b, sizeof id.b, json_text(sent, "txid")));
	assert_true(atomic_exchange(&liar.submitted, 0) > 0);
	for (unsigned i = 0; i < c->n; i++)
		assert_true(chain_final(c, i, &id, NULL, 0, NULL, 0));
}

static void one_node_is_not_believed_that_a_payment_was_refused(void **state)
{
	static const char *const codes[] = {"double_spend", "expired", "unbalanced", "no such code", ""};
	struct chain *c = chain_up(4, NULL, 0);
	int code;
	(void)state;
	liar_begin(c);
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		liar.code = codes[i];
		json_t *sent = pay_by(c, NULL, "1", SHORT, NULL, &code);
		assert_outcome(sent, code, 3, "unknown", "so I say");
		assert_paid_once(c, sent);
		json_decref(sent);
	}
	assert_int_equal(chain_height(c, 0), sizeof codes / sizeof *codes);
	liar_end();
	chain_down(c);
}

static void another_node_proves_the_payment_that_a_liar_calls_refused(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	int code;
	(void)state;
	liar_begin(c);
	liar.code = "expired";
	json_t *sent = pay_by(c, c->http[1], "1", LONG, NULL, &code);
	assert_outcome(sent, code, 0, "committed", "holds against the genesis");
	assert_paid_once(c, sent);
	/* A receipt that holds proves nothing where that transaction spends none of the inputs. */
	liar.code = "double_spend";
	snprintf(liar.spent_by, sizeof liar.spent_by, "%s", json_text(sent, "txid"));
	json_decref(sent);
	sent = pay_by(c, NULL, "1", SHORT, NULL, &code);
	assert_outcome(sent, code, 3, "unknown", "no proof");
	assert_paid_once(c, sent);
	json_decref(sent);
	liar_end();
	chain_down(c);
}

static void a_double_spend_is_rejected_once_the_winner_is_final(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	int code;
	(void)state;
	liar_begin(c);
	liar_remembers_coins(c);
	chain_signal(c, "kill", 2);
	chain_signal(c, "kill", 3);
	json_t *first = pay_by(c, NULL, "1", SHORT, NULL, &code);
	assert_outcome(first, code, 3, "unknown", "");
	/* The winner is pending: the loser may yet win. */
	json_t *second = pay_by(c, NULL, "2", SHORT, NULL, &code);
	assert_outcome(second, code, 3, "unknown", "");
	json_decref(second);

	chain_signal(c, "start", 2);
	chain_signal(c, "start", 3);
	assert_paid_once(c, first);
	second = pay_by(c, NULL, "3", LONG, NULL, &code); /* one node is enough: it gives the receipt */
	assert_outcome(second, code, 1, "rejected", "holds against the genesis");
	assert_string_equal(json_text(second, "code"), "double_spend");
	assert_string_equal(json_text(second, "spent_by"), json_text(first, "txid"));
	json_decref(second);
	json_decref(first);
	liar_end();
	chain_down(c);
}

static void an_expired_payment_is_expired_when_more_nodes_say_so_than_may_lie(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	int code;
	(void)state;
	liar_begin(c);
	chain_wait_height(c, 0xf, chain_pay(c, 0, 1));
	json_t *sent = pay_by(c, NULL, "1", SHORT, "1", &code);
	assert_outcome(sent, code, 3, "unknown", "expired");
	json_decref(sent);
	sent = pay_by(c, c->http[1], "1", LONG, "1", &code);
	assert_outcome(sent, code, 1, "expired", "so say 2 nodes");
	assert_string_equal(json_text(sent, "code"), "expired");
	json_decref(sent);
	liar_end();
	chain_down(c);
}

/* ---- receipts -------------------------------------------------------------------- */

/* `quorate receipt` through the liar and, unless NULL, one more node; into a file that was not there. */
static void assert_receipt(struct chain *c, const char *txid, const char *node, int want, const char *says)
{
	char *out, *errs;
	const char *file = chain_path(c, "receipt.json");
	int code = quorate(&out, &errs, "receipt", txid, "-o", file, "--node", liar.url, "--node",
	                   node ? node : liar.url, "--genesis", chain_path(c, "genesis.json"), NULL);
	if (code != want || !strstr(want == 0 ? out : errs, says))
		fail_msg("exit %d, not %d: %s%s", code, want, out, errs);
	assert_int_equal(unlink(file), want == 0 ? 0 : -1);
	free(out);
	free(errs);
}

static void no_altered_receipt_is_believed(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char *errs;
	int code;
	(void)state;
	liar_begin(c);
	json_t *first = pay_by(c, NULL, "1", LONG, NULL, &code);
	assert_outcome(first, code, 0, "committed", "holds against the genesis");
	assert_int_equal(quorate(&liar.other, &errs, "receipt", json_text(first, "txid"), "--node", liar.url,
	                         "--genesis", chain_path(c, "genesis.json"), NULL),
	                 0);
	free(errs);
	json_t *second = pay_by(c, NULL, "2", LONG, NULL, &code);
	assert_outcome(second, code, 0, "committed", "holds against the genesis");
	for (size_t i = 0; i < BENDS; i++) {
		liar.bend = &bends[i];
		assert_receipt(c, json_text(second, "txid"), NULL, bends[i].code, bends[i].says);
		assert_receipt(c, json_text(second, "txid"), c->http[1], 0, "holds against the genesis");
	}
	for (size_t i = 0; i < BENDS_SENT; i++) {
		liar.bend = &bends[i];
		json_t *sent = pay_by(c, NULL, "3", SHORT, NULL, &code);
		assert_outcome(sent, code, 3, "unknown", bends[i].says);
		assert_paid_once(c, sent);
		json_decref(sent);
		sent = pay_by(c, c->http[1], "3", LONG, NULL, &code);
		assert_outcome(sent, code, 0, "committed", "holds against the genesis");
		assert_paid_once(c, sent);
		json_decref(sent);
	}
	json_decref(first);
	json_decref(second);
	liar_end();
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_node_is_not_believed_that_a_payment_was_refused),
	    cmocka_unit_test(another_node_proves_the_payment_that_a_liar_calls_refused),
	    cmocka_unit_test(a_double_spend_is_rejected_once_the_winner_is_final),
	    cmocka_unit_test(an_expired_payment_is_expired_when_more_nodes_say_so_than_may_lie),
	    cmocka_unit_test(no_altered_receipt_is_believed),
	};
	return cmocka_run_group_tests_name("liar", tests, chain_setup, NULL);
}
