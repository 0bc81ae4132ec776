/*
 * wallet.c: what a wallet makes of a node's answers: locked outputs are left alone, what was released is
 * spent with its penalty, and answers that no honest node gives are refused.
 *
 * Links: q_program
 */
#include "wallet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto.h"
#include "hash.h"
#include "http.h"
#include "schedule.h"

#define HEIGHT 100
#define COINS_MAX 2000

/* ---- a node ------------------------------------------------------------------------------- */

static struct {
	struct http_server *server;
	struct client *client;
	json_t *coins;      /* what everybody holds */
	const char *stakes; /* the answer of /v1/stakes */
	unsigned spent;     /* so often a page is asked for in vain */
	unsigned pages;     /* were asked for */
} node;

static struct account *owner_account;
static struct qaddress owner;
static const struct wallet_view view = {.height = HEIGHT};

static void reply_json(struct http_reply *reply, json_t *json)
{
	reply->status = 200;
	reply->content_type = "application/json";
	reply->body = json_dumps(json, 0);
	reply->body_len = strlen(reply->body);
	json_decref(json);
}

static void on_address(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	size_t limit = (size_t)atoi(http_query(r, "limit")), from = 0;
	const char *after = http_query(r, "after");
	json_t *page = json_array();
	(void)ctx;
	node.pages++;
	if (after) { /* the number of a coin is its id's first bytes */
		struct qtxid id;
		char hex[QHASH_HEX] = "";
		uint32_t number;
		memcpy(hex, after, QHASH_HEX - 1);
		assert_true(hex_decode(id.b, sizeof id.b, hex));
		assert_string_equal(after + QHASH_HEX - 1, ":0");
		memcpy(&number, id.b, sizeof number);
		from = number + 1;
	}
	if (after && node.spent > 0) { /* what the page before ended with is spent meanwhile */
		node.spent--;
		json_decref(page);
		http_error(reply, 409, "spent", "begin anew");
		return;
	}
	for (size_t i = from; i < json_array_size(node.coins) && i < from + limit; i++)
		json_array_append(page, json_array_get(node.coins, i));
	reply_json(reply, json_pack("{s:s, s:I, s:o}", "amount", "0", "count",
	                            (json_int_t)json_array_size(node.coins), "outputs", page));
}

static void on_stakes(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	(void)ctx, (void)r;
	reply_json(reply, json_loads(node.stakes, 0, NULL));
}

static int setup(void **state)
{
	static const struct http_route routes[] = {
	    {"GET", "/v1/addresses/*", on_address}, {"GET", "/v1/stakes", on_stakes}, {0}};
	struct http_config config = {.listen = "127.0.0.1:0", .body_max = 1, .routes = routes};
	struct err err = {0};
	uint8_t secret[32] = {7};
	char url[64];
	(void)state;
	if (!crypto_init(&err))
		return -1;
	owner_account = account_from_secret(secret);
	struct qaccount_key key = account_key(owner_account);
	owner = account_address(&key);
	node.server = http_start(&config, &err);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", http_port(node.server));
	node.client = client_new((const char *const[]){url}, 1, 5000, &err);
	return node.client ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	client_free(node.client);
	http_stop(node.server);
	json_decref(node.coins);
	account_free(owner_account);
	return 0;
}

static void holds_nothing(void)
{
	json_decref(node.coins);
	node.coins = json_array();
}

/* One more output; `more`: its fields beside those that each has, in JSON. */
static void holds(const char *amount, const char *more)
{
	char txid[QHASH_HEX], text[512];
	uint8_t id[32] = {0};
	size_t n = json_array_size(node.coins);
	memcpy(id, &n, sizeof n);
	snprintf(text, sizeof text, "{\"txid\": \"%s\", \"index\": 0, \"amount\": \"%s\", \"height\": 3%s%s}",
	         hex_encode(txid, id, sizeof id), amount, *more ? ", " : "", more);
	json_t *coin = json_loads(text, 0, NULL);
	assert_non_null(coin);
	json_array_append_new(node.coins, coin);
}

#define STAKE(r) "\"lock\": \"stake\", \"replica\": " #r
#define FROZEN(r) "\"lock\": \"frozen\", \"replica\": " #r
#define RELEASE(r, at) "\"lock\": \"release\", \"replica\": " #r ", \"free_at\": " #at
#define LOSES(n) ", \"penalty\": \"" #n "\""

/* ---- choosing ----------------------------------------------------------------------------- */

static uint64_t sum(const struct coin *coins, size_t cnt)
{
	uint64_t s = 0;
	for (size_t i = 0; i < cnt; i++)
		s += coins[i].amount;
	return s;
}

static void assert_selects(uint64_t need, size_t cnt, uint64_t worth)
{
	struct coin *coins;
	size_t got;
	struct err err = {0};
	if (!wallet_select(node.client, &owner, &view, need, &coins, &got, &err))
		fail_msg("%s", err.text);
	assert_int_equal(got, cnt);
	assert_int_equal(sum(coins, got), worth);
	free(coins);
}

static void assert_refuses(uint64_t need, const char *says)
{
	struct coin *coins;
	size_t got;
	struct err err = {0};
	assert_false(wallet_select(node.client, &owner, &view, need, &coins, &got, &err));
	assert_int_equal(err.kind, ERR_NO);
	if (!strstr(err.text, says))
		fail_msg("not \"%s\" but: %s", says, err.text);
}

static void a_payment_takes_nothing_that_is_locked(void **state)
{
	(void)state;
	holds_nothing();
	holds("100", STAKE(0));
	holds("50", FROZEN(1));
	holds("70", RELEASE(1, 102)); /* the next block is 101 */
	holds("5", "");
	holds("6", "\"lock\": null, \"replica\": null");
	assert_selects(11, 2, 11);
	assert_refuses(12, "holds 11, less than the 12 that this needs: another 220 are locked");
	holds("30", RELEASE(1, 101));
	assert_selects(41, 3, 41);
	assert_refuses(42, "holds 41");
}

static void the_oldest_go_first_and_the_largest_where_they_do_not_suffice(void **state)
{
	(void)state;
	holds_nothing();
	holds("9", STAKE(0));
	for (unsigned i = 0; i < 1500; i++)
		holds("1", "");
	holds("400", "");
	holds("300", RELEASE(0, 7));
	assert_selects(1000, 1000, 1000);
	assert_selects(1001, 303, 1001);
	assert_refuses(1699, "1000 of them are not worth 1699");
}

static void a_penalty_lowers_what_an_output_is_worth(void **state)
{
	(void)state;
	holds_nothing();
	holds("100", RELEASE(2, 1) LOSES(40));
	assert_selects(60, 1, 100);
	assert_refuses(61, "holds 60, less than the 61 that this needs: of 100, 40 are lost to a penalty");
	holds("10", RELEASE(3, 1) LOSES(10)); /* worth nothing: not worth an input */
	holds("1", "");
	assert_selects(61, 2, 101);
}

static void what_is_spent_while_it_is_read_is_read_anew(void **state)
{
	struct coin *coins;
	size_t cnt;
	struct err err = {0};
	(void)state;
	holds_nothing();
	for (unsigned i = 0; i < 1000; i++)
		holds("1", "");
	holds("7", "");
	node.spent = 2;
	assert_selects(1000, 1000, 1000);
	node.spent = 4;
	node.pages = 0;
	assert_true(wallet_all(node.client, &owner, &coins, &cnt, &err));
	assert_int_equal(cnt, 1001);
	assert_int_equal(sum(coins, cnt), 1007);
	assert_int_equal(node.pages, 4 * 2 + 3);
	free(coins);
	node.spent = 1000;
	node.pages = 0;
	assert_false(wallet_all(node.client, &owner, &coins, &cnt, &err));
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, "faster than they can be read"));
	assert_int_equal(node.pages, 5 * 2);
	node.spent = 0;
}

static void stake_is_chosen_by_its_replica(void **state)
{
	struct coin *coins;
	size_t cnt;
	struct err err = {0};
	(void)state;
	holds_nothing();
	holds("1000", "");
	holds("7", STAKE(1));
	holds("8", STAKE(2) LOSES(3));
	holds("9", STAKE(1));
	holds("10", RELEASE(1, 5));
	assert_true(wallet_select_stake(node.client, &owner, 1, 8, &coins, &cnt, &err));
	assert_int_equal(sum(coins, cnt), 16);
	free(coins);
	assert_false(wallet_select_stake(node.client, &owner, 1, 17, &coins, &cnt, &err));
	assert_non_null(strstr(err.text, "holds 16 staked for replica 1, less than the 17"));
	assert_true(wallet_select_stake(node.client, &owner, 2, UINT64_MAX, &coins, &cnt, &err));
	assert_int_equal(cnt, 1);
	assert_int_equal(coins[0].penalty, 3);
	free(coins);
	assert_false(wallet_select_stake(node.client, &owner, 2, 6, &coins, &cnt, &err));
	assert_non_null(strstr(err.text, "of 8, 3 are lost to a penalty"));
	holds("5", STAKE(4) LOSES(5));
	assert_false(wallet_select_stake(node.client, &owner, 4, UINT64_MAX, &coins, &cnt, &err));
	assert_non_null(strstr(err.text, "of 5, 5 are lost to a penalty"));
	assert_false(wallet_select_stake(node.client, &owner, 3, UINT64_MAX, &coins, &cnt, &err));
	assert_non_null(strstr(err.text, "holds 0 staked for replica 3"));
}

/* ---- making ------------------------------------------------------------------------------- */

static const struct qhash chain = {{1, 2, 3}};

static struct coin coin(uint8_t id, uint64_t amount, qlock_kind kind, unsigned replica, uint64_t penalty)
{
	struct coin c = {.owner = owner, .amount = amount, .penalty = penalty};
	c.point.tx.b[0] = id;
	c.lock = (struct qlock){.kind = kind, .qlock_u.replica = replica};
	return c;
}

static void assert_output(const struct draft *d, unsigned i, uint64_t amount, qlock_kind kind,
                          unsigned replica)
{
	const struct qoutput *o = &d->tx.body.outputs.outputs_val[i];
	assert_true(i < d->tx.body.outputs.outputs_len);
	assert_int_equal(o->amount, amount);
	assert_int_equal(o->lock.kind, kind);
	if (kind != QLOCK_NONE)
		assert_int_equal(o->lock.qlock_u.replica, replica);
	assert_memory_equal(&o->owner, &owner, sizeof owner);
}

static void penalties_are_frozen_once_a_replica_and_the_rest_is_change(void **state)
{
	struct coin coins[] = {coin(1, 100, QLOCK_RELEASE, 2, 40), coin(2, 5, QLOCK_NONE, 0, 0),
	                       coin(3, 10, QLOCK_RELEASE, 0, 5), coin(4, 100, QLOCK_RELEASE, 2, 1)};
	struct qoutput out = {.owner = owner, .amount = 100}, change = {.owner = owner};
	struct draft d;
	struct err err = {0};
	(void)state;
	assert_true(draft_make(&d, &chain, coins, 4, &out, 1, &change, "", 0, &err));
	assert_int_equal(d.tx.body.outputs.outputs_len, 4);
	assert_output(&d, 0, 100, QLOCK_NONE, 0);
	assert_output(&d, 1, 41, QLOCK_FROZEN, 2);
	assert_output(&d, 2, 5, QLOCK_FROZEN, 0);
	assert_output(&d, 3, 69, QLOCK_NONE, 0);
	draft_free(&d);

	out.amount = 170; /* more than is left beside the penalties */
	assert_false(draft_make(&d, &chain, coins, 4, &out, 1, &change, "", 0, &err));
	assert_non_null(strstr(err.text, "less than the outputs"));
}

static void change_of_stake_stays_stake(void **state)
{
	struct coin coins[] = {coin(1, 100, QLOCK_STAKE, 2, 50)};
	struct qlock stake = {.kind = QLOCK_STAKE, .qlock_u.replica = 2};
	struct qoutput out = {.owner = owner, .amount = 30, .lock = {QLOCK_RELEASE, {.replica = 2}}},
	               change = {.owner = owner, .amount = 999, .lock = stake};
	struct draft d;
	struct err err = {0};
	(void)state;
	assert_true(draft_make(&d, &chain, coins, 1, &out, 1, &change, "", 0, &err));
	assert_int_equal(d.tx.body.outputs.outputs_len, 3);
	assert_output(&d, 0, 30, QLOCK_RELEASE, 2);
	assert_output(&d, 1, 50, QLOCK_FROZEN, 2);
	assert_output(&d, 2, 20, QLOCK_STAKE, 2);
	draft_free(&d);
}

static void an_offence_is_part_of_what_is_signed(void **state)
{
	struct coin coins[] = {coin(1, 100, QLOCK_NONE, 0, 0)};
	struct qoutput change = {.owner = owner};
	struct qoffence offence = {.replica = 3,
	                           .kind = QCOMMIT,
	                           .first = {.view = {1}, .height = {9}, .block = {{1}}},
	                           .second = {.view = {1}, .height = {9}, .block = {{2}}}};
	struct draft d;
	struct qtxid before, after;
	struct err err = {0};
	(void)state;
	assert_true(draft_make(&d, &chain, coins, 1, NULL, 0, &change, "", 0, &err));
	draft_id(&d, &before);
	draft_accuse(&d, &offence);
	draft_id(&d, &after);
	assert_false(qtxid_eq(&before, &after));
	assert_true(draft_sign(&d, owner_account, &err));
	struct tx *tx = draft_finish(&d, &err);
	if (!tx)
		fail_msg("%s", err.text);
	assert_int_equal(tx->q.body.offence.offence_len, 1);
	assert_int_equal(tx->q.body.offence.offence_val->replica, 3);
	assert_output(&d, 0, 100, QLOCK_NONE, 0);
	tx_unref(tx);
	draft_free(&d);
}

/* ---- documents ---------------------------------------------------------------------------- */

static bool read_edited(const char *text, const char *from, const char *to, struct err *err)
{
	struct draft d;
	const char *at = strstr(text, from);
	assert_non_null(at);
	char *edited = xcalloc(strlen(text) + strlen(to) + 1, 1);
	memcpy(edited, text, (size_t)(at - text));
	strcat(strcat(edited, to), at + strlen(from));
	*err = (struct err){0};
	bool ok = draft_read(&d, edited, strlen(edited), err);
	if (ok)
		draft_free(&d);
	free(edited);
	return ok;
}

static void a_document_keeps_its_locks(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} edits[] = {
	    {"\"lock\": \"stake\"", "\"lock\": \"chain\"", "outputs[0].lock: is no kind of lock"},
	    {"\"lock\": \"stake\"", "\"lock\": \"release\"", "txid: is not the id"},
	    {"\"lock\": \"stake\"", "\"lock\": 1", "outputs[0].lock"},
	    {"\"replica\": 5", "\"replica\": 64", "outputs[0].replica"},
	    {"\"replica\": 5", "\"replica\": 6", "txid: is not the id"},
	    {", \"replica\": 5", "", "outputs[0].replica"},
	    {"\"lock\": \"stake\", ", "", "txid: is not the id"},
	};
	struct coin coins[] = {coin(1, 100, QLOCK_NONE, 0, 0)};
	struct qoutput out = {.owner = owner, .amount = 30, .lock = {QLOCK_STAKE, {.replica = 5}}},
	               change = {.owner = owner};
	struct draft d, back;
	struct qtxid id, its;
	struct err err = {0};
	(void)state;
	assert_true(draft_make(&d, &chain, coins, 1, &out, 1, &change, "", 0, &err));
	json_t *json = draft_json(&d);
	char *text = json_dumps(json, 0);
	if (!draft_read(&back, text, strlen(text), &err))
		fail_msg("%s", err.text);
	draft_id(&d, &id);
	draft_id(&back, &its);
	assert_true(qtxid_eq(&id, &its));
	assert_output(&back, 0, 30, QLOCK_STAKE, 5);
	assert_output(&back, 1, 70, QLOCK_NONE, 0);
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		assert_false(read_edited(text, edits[i].from, edits[i].to, &err));
		if (!strstr(err.text, edits[i].says))
			fail_msg("%s: not \"%s\" but: %s", edits[i].to, edits[i].says, err.text);
	}
	free(text);
	json_decref(json);
	draft_free(&back);
	draft_free(&d);
}

/* ---- answers that no honest node gives ------------------------------------------------------ */

static void odd_outputs_are_refused(void **state)
{
	static const char *const odd[] = {
	    "\"lock\": \"\"",
	    "\"lock\": \"none\", \"replica\": 1",
	    "\"lock\": \"stake\"",
	    "\"lock\": \"stake\", \"replica\": 64",
	    "\"lock\": \"stake\", \"replica\": -1",
	    "\"lock\": [], \"replica\": 1",
	    "\"lock\": \"a name that is longer than any\", \"replica\": 1",
	    "\"lock\": \"release\", \"replica\": 1",
	    "\"lock\": \"release\", \"replica\": 1, \"free_at\": -1",
	    "\"lock\": \"release\", \"replica\": 1, \"free_at\": \"9\"",
	    "\"lock\": \"release\", \"replica\": 1, \"free_at\": 9, \"penalty\": \"101\"",
	    "\"lock\": \"release\", \"replica\": 1, \"free_at\": 9, \"penalty\": 5",
	    "\"lock\": \"release\", \"replica\": 1, \"free_at\": 9, \"penalty\": \"-5\"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		struct coin *coins;
		size_t cnt;
		struct err err = {0};
		holds_nothing();
		holds("100", odd[i]);
		if (wallet_all(node.client, &owner, &coins, &cnt, &err))
			fail_msg("taken: %s", odd[i]);
		assert_int_equal(err.kind, ERR_WORLD);
		assert_non_null(strstr(err.text, "not as expected: outputs[0]"));
	}
}

static void stakes_are_read_and_odd_ones_refused(void **state)
{
#define REPLICA "\"name\": \"x\\u001b\", \"own\": \"5\", \"delegated\": \"0\", \"convicted\": 7"
	static const char *const odd[] = {
	    "{}",
	    "{\"height\": 1}",
	    "{\"height\": 1, \"replicas\": []}",
	    "{\"height\": 1, \"replicas\": [{}]}",
	    "{\"height\": -1, \"replicas\": [{" REPLICA ", \"turns\": 0, \"turns_next\": 0}]}",
	    "{\"height\": 1, \"replicas\": [{" REPLICA ", \"turns\": 128, \"turns_next\": 0}]}",
	    "{\"height\": 1, \"replicas\": [{" REPLICA ", \"turns\": 0}]}",
	    "{\"height\": 1, \"replicas\": [{\"own\": 5}]}",
	};
	struct client_stakes stakes;
	struct err err = {0};
	(void)state;
	node.stakes =
	    "{\"height\": 12, \"replicas\": [{" REPLICA ", \"turns\": 127, \"turns_next\": 0, \"more\": 1}]}";
	assert_true(client_stakes(node.client, &stakes, &err));
	assert_int_equal(stakes.n, 1);
	assert_int_equal(stakes.height, 12);
	assert_int_equal(stakes.replica[0].own, 5);
	assert_int_equal(stakes.replica[0].convicted, 7);
	assert_int_equal(stakes.replica[0].turns, SCHEDULE_CYCLE);
	assert_string_equal(stakes.replica[0].name, "x?"); /* it may end on a terminal */
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		node.stakes = odd[i];
		if (client_stakes(node.client, &stakes, &err))
			fail_msg("taken: %s", odd[i]);
		assert_int_equal(err.kind, ERR_WORLD);
	}
	/* More replicas than there can be. */
	json_t *json = json_pack("{s:i, s:[]}", "height", 1, "replicas");
	for (unsigned i = 0; i <= Q_REPLICAS_MAX; i++)
		json_array_append_new(json_object_get(json, "replicas"),
		                      json_loads("{" REPLICA ", \"turns\": 1, \"turns_next\": 1}", 0, NULL));
	char *text = json_dumps(json, 0);
	node.stakes = text;
	assert_false(client_stakes(node.client, &stakes, &err));
	free(text);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_payment_takes_nothing_that_is_locked),
	    cmocka_unit_test(the_oldest_go_first_and_the_largest_where_they_do_not_suffice),
	    cmocka_unit_test(a_penalty_lowers_what_an_output_is_worth),
	    cmocka_unit_test(what_is_spent_while_it_is_read_is_read_anew),
	    cmocka_unit_test(stake_is_chosen_by_its_replica),
	    cmocka_unit_test(penalties_are_frozen_once_a_replica_and_the_rest_is_change),
	    cmocka_unit_test(change_of_stake_stays_stake),
	    cmocka_unit_test(an_offence_is_part_of_what_is_signed),
	    cmocka_unit_test(a_document_keeps_its_locks),
	    cmocka_unit_test(odd_outputs_are_refused),
	    cmocka_unit_test(stakes_are_read_and_odd_ones_refused),
	};
	return cmocka_run_group_tests_name("wallet", tests, setup, teardown);
}
