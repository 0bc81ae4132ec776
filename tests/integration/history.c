/*
 * history.c: what `quorate tx show` and `quorate trace` tell of a transaction, from nodes and from a ledger
 * file, and what of it they prove: a node that lies, and a ledger that was edited, are found out.
 *
 * The value that is followed:
 *
 *   genesis 0: 100 to A -- one --+-- 70 to B --+-- two -- 110 to C --+
 *   genesis 2:  40 to B ---------|-------------+                     +-- four -- 200 to D
 *   genesis 1:  60 to A ---------|-------------+                     |
 *                                +-- 30 to A --+-- three - 90 to C --+
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { A = 1, B, C, D };
enum { ONE, TWO, THREE, FOUR, TX_CNT };

static struct story {
	struct chain *c;
	char id[TX_CNT][QHASH_HEX], genesis_id[QHASH_HEX];
	char genesis[300], ledger[300], copy[300];
	uint64_t height;
} s;

/* ---- the chain ----------------------------------------------------------------------------- */

static struct qtxid settle(const char *memo, unsigned owner, struct qoutpoint *inputs, u_int input_cnt,
                           struct qoutput *outputs, u_int output_cnt)
{
	struct qtx_body body = {.inputs = {input_cnt, inputs},
	                        .outputs = {output_cnt, outputs},
	                        .memo = {(u_int)strlen(memo), (unsigned char *)memo}};
	struct account *a = account_number(owner);
	const struct account *signer = a;
	struct err err = {0};
	struct tx *tx = tx_make(&s.c->genesis->chain, &body, &signer, 1, &err);
	if (!tx)
		fail_msg("%s", err.text);
	struct qtxid id = tx->id;
	assert_true(chain_submit(s.c, 0, &tx, 1, NULL));
	assert_true(chain_final(s.c, 0, &id, NULL, 0, NULL, 0));
	account_free(a);
	tx_unref(tx);
	return id;
}

static struct qoutput to(unsigned owner, uint64_t amount)
{
	return (struct qoutput){address_number(owner), amount};
}

static void tell(void)
{
	struct qtxid id[TX_CNT], g = s.c->genesis->txid;
	id[ONE] = settle("one", A, &(struct qoutpoint){g, 0}, 1, (struct qoutput[]){to(B, 70), to(A, 30)}, 2);
	id[TWO] = settle("two", B, (struct qoutpoint[]){{id[ONE], 0}, {g, 2}}, 2,
	                 (struct qoutput[]){to(C, 110)}, 1);
	id[THREE] = settle("three \"quoted\"", A, (struct qoutpoint[]){{id[ONE], 1}, {g, 1}}, 2,
	                   (struct qoutput[]){to(C, 90)}, 1);
	id[FOUR] = settle("\x01\xff", C, (struct qoutpoint[]){{id[TWO], 0}, {id[THREE], 0}}, 2,
	                  (struct qoutput[]){to(D, 200)}, 1);
	for (size_t i = 0; i < TX_CNT; i++)
		hex_encode(s.id[i], id[i].b, sizeof id[i].b);
	hex_encode(s.genesis_id, g.b, sizeof g.b);
}

static int set_up(void **state)
{
	if (chain_setup(state) != 0)
		return -1;
	const struct qoutput allocations[] = {to(A, 100), to(A, 60), to(B, 40)};
	s.c = chain_up(4, allocations, sizeof allocations / sizeof *allocations);
	tell();
	s.height = chain_wait_quiet(s.c);
	snprintf(s.genesis, sizeof s.genesis, "%s", chain_path(s.c, "genesis.json"));
	snprintf(s.ledger, sizeof s.ledger, "%s", chain_path(s.c, "node0/ledger.db"));
	snprintf(s.copy, sizeof s.copy, "%s", chain_path(s.c, "copy.db"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	chain_down(s.c);
	return 0;
}

/* A copy of the ledger, whatever its node has in the WAL, with this done to it. */
static void edit_copy(const char *sql)
{
	char vacuum[400];
	remove(s.copy);
	snprintf(vacuum, sizeof vacuum, "VACUUM INTO '%s'", s.copy);
	chain_sql(s.ledger, vacuum, NULL, 0);
	chain_sql(s.copy, sql, NULL, 0);
}

/* ---- tx show ------------------------------------------------------------------------------- */

static json_t *show(const char *id, const char *where, const char *source, const char *genesis, int *code)
{
	return quorate_json(code, "tx", "show", id, "--json", where, source, genesis ? "--genesis" : NULL,
	                    genesis, NULL);
}

static json_t *element(const json_t *object, const char *list, size_t i)
{
	json_t *found = json_array_get(json_object_get(object, list), i);
	if (!found)
		fail_msg("no %s[%zu] in %s", list, i, json_dumps(object, JSON_INDENT(1)));
	return found;
}

static long long number(const json_t *object, const char *key)
{
	if (!json_is_integer(json_object_get(object, key)))
		fail_msg("no number %s in %s", key, json_dumps(object, JSON_INDENT(1)));
	return json_integer_value(json_object_get(object, key));
}

static void a_story_has_where_it_came_from_and_what_became_of_it(void **state)
{
	char text[ADDRESS_TEXT];
	struct qaddress c = address_number(C);
	int code;
	(void)state;
	json_t *t = show(s.id[TWO], "--node", s.c->http[0], s.genesis, &code);
	assert_int_equal(code, 0);
	assert_string_equal(json_text(t, "status"), "final");
	assert_string_equal(json_text(t, "memo"), "two");
	assert_string_equal(json_text(json_object_get(t, "total"), "inputs"), "110");
	assert_int_equal(strlen(json_text(json_object_get(t, "block"), "hash")), 64);
	assert_int_equal(number(json_object_get(t, "block"), "proposer"), 0);
	assert_true(number(json_object_get(t, "certificate"), "height") >= number(t, "height"));
	assert_int_equal(json_array_size(json_object_get(json_object_get(t, "certificate"), "signers")), 3);
	assert_int_equal(json_array_size(json_object_get(t, "attempts")), 0);

	assert_string_equal(json_text(element(t, "inputs", 0), "txid"), s.id[ONE]);
	assert_string_equal(json_text(element(t, "inputs", 0), "amount"), "70");
	assert_int_equal(number(element(t, "inputs", 0), "height"), number(t, "height") - 1);
	assert_string_equal(json_text(element(t, "inputs", 1), "amount"), "40");
	assert_int_equal(number(element(t, "inputs", 1), "height"), 0);
	assert_string_equal(json_text(element(t, "outputs", 0), "owner"), address_format(&c, text));
	assert_string_equal(json_text(element(t, "outputs", 0), "spent_by"), s.id[FOUR]);
	assert_int_equal(number(element(t, "outputs", 0), "spent_at"), number(t, "height") + 2);
	assert_true(json_is_true(json_object_get(t, "proven")));
	assert_int_equal(number(t, "receipts"), 3); /* its own, of what made one input and spent the output */
	json_decref(t);

	t = show(s.id[FOUR], "--node", s.c->http[1], NULL, &code);
	assert_int_equal(code, 0);
	assert_true(json_is_false(json_object_get(t, "proven")));
	assert_true(json_is_null(json_object_get(element(t, "outputs", 0), "spent_by")));
	assert_true(json_is_null(json_object_get(t, "memo")));
	assert_string_equal(json_text(t, "memo_hex"), "01ff");
	json_decref(t);
}

static void a_ledger_file_tells_what_its_node_tells(void **state)
{
	static const char *const genesis[] = {NULL, s.genesis};
	int code;
	(void)state;
	for (size_t i = 0; i < TX_CNT + 1; i++) {
		for (size_t k = 0; k < 2; k++) {
			const char *id = i < TX_CNT ? s.id[i] : s.genesis_id;
			if (i == TX_CNT && !genesis[k])
				continue; /* without a genesis nothing is known of its transaction */
			json_t *node = show(id, "--node", s.c->http[0], genesis[k], &code);
			assert_int_equal(code, 0);
			json_t *file = show(id, "--ledger", chain_path(s.c, "node0"), genesis[k], &code);
			assert_int_equal(code, 0);
			if (!json_equal(node, file))
				fail_msg("%s\n%s", json_dumps(node, 0), json_dumps(file, 0));
			json_decref(node);
			json_decref(file);
		}
	}
}

static void people_read_it_too(void **state)
{
	static const char *const words[] = {
	    "final",   "3 receipts hold", "commit of height",    "110 in, 110 out",
	    "genesis", "at height",       "signed by replicas ", "memo          two\n"};
	char *out;
	(void)state;
	assert_int_equal(quorate(&out, NULL, "tx", "show", s.id[TWO], "--node", s.c->http[0], "--genesis",
	                         s.genesis, NULL),
	                 0);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strstr(out, words[i]))
			fail_msg("\"%s\" is not in: %s", words[i], out);
	}
	free(out);
}

/* Of each edit: the story is refused for this reason; NULL: nothing of it can be seen here. */
static const struct edit {
	const char *sql, *without, *with; /* a genesis */
} edits[] = {
    {"UPDATE outputs SET amount = 111 WHERE amount = 110", "the row of an output", "the row of an output"},
    {"UPDATE transactions SET raw = (SELECT raw FROM transactions WHERE seq = 1) WHERE seq = 2",
     "is not the transaction that txid names", "is not the transaction that txid names"},
    {"UPDATE transactions SET raw = zeroblob(80000000) WHERE seq = 2", "too big", "too big"},
    {"UPDATE outputs SET spent_by = 3 WHERE amount = 110", NULL, "as spent_by says"},
    {"UPDATE outputs SET spent_by = 1 WHERE amount = 110", NULL, "as spent_by says"},
    {"UPDATE blocks SET header = (SELECT header FROM blocks WHERE height = 3) WHERE height = 2",
     "blocks(height=2).hash", "blocks(height=2).hash"},
    {"UPDATE certificates SET certificate = (SELECT certificate FROM certificates WHERE height = 3)"
     " WHERE height = 2",
     "certificates(height=2)", "certificates(height=2)"},
    {"UPDATE transactions SET height = 3 WHERE seq = 2", NULL, "is another in block 3"},
};

static void an_edited_ledger_is_found_out(void **state)
{
	char *errs;
	(void)state;
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		edit_copy(edits[i].sql);
		int code = quorate(NULL, &errs, "tx", "show", s.id[TWO], "--ledger", s.copy, "--genesis",
		                   s.genesis, NULL);
		if (code != 1 || !strstr(errs, edits[i].with))
			fail_msg("%s: exit %d: %s", edits[i].sql, code, errs);
		free(errs);
		code = quorate(NULL, &errs, "tx", "show", s.id[TWO], "--ledger", s.copy, NULL);
		if (edits[i].without ? code != 1 || !strstr(errs, edits[i].without) : code != 0)
			fail_msg("%s: exit %d: %s", edits[i].sql, code, errs);
		free(errs);
	}
}

static void double_spends_are_part_of_the_story(void **state)
{
	char sql[1024], *out, other[QHASH_HEX];
	int code;
	(void)state;
	memset(other, 'e', sizeof other - 1), other[sizeof other - 1] = '\0';
	snprintf(
	    sql, sizeof sql,
	    "INSERT INTO evidence SELECT 77, 'double_spend', NULL, NULL, NULL, x'%s', x'%s', owner, x'%s', 0"
	    " FROM outputs WHERE amount = 70",
	    s.id[TWO], other, s.id[ONE]);
	edit_copy(sql);
	json_t *t = show(s.id[TWO], "--ledger", s.copy, NULL, &code), *attempt = element(t, "attempts", 0);
	assert_int_equal(number(attempt, "entry"), 77);
	assert_string_equal(json_text(attempt, "loser"), other);
	json_decref(t);
	assert_int_equal(quorate(&out, NULL, "tx", "show", s.id[TWO], "--ledger", s.copy, NULL), 0);
	assert_non_null(strstr(out, "double spends"));
	assert_non_null(strstr(out, other));
	free(out);

	t = show(other, "--ledger", s.copy, NULL, &code); /* the loser's story */
	assert_int_equal(code, 0);
	assert_string_equal(json_text(t, "status"), "rejected");
	assert_string_equal(json_text(t, "code"), "double_spend");
	assert_string_equal(json_text(t, "spent_by"), s.id[TWO]);
	json_decref(t);

	/* With a genesis no row is believed that the journal does not show. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(quorate(NULL, &out, "tx", "show", i == 0 ? s.id[TWO] : other, "--ledger",
		                         s.copy, "--genesis", s.genesis, NULL),
		                 1);
		assert_non_null(strstr(out, "evidence(seq=77) is not what that entry of the journal shows"));
		free(out);
	}

	/* Evidence alone does not refuse for good: the winner it names must have spent the output. */
	chain_sql(s.copy, "UPDATE evidence SET output_position = 1 WHERE seq = 77", NULL, 0);
	assert_int_equal(quorate(NULL, NULL, "tx", "show", other, "--ledger", s.copy, NULL), 1);
}

/* The attempts in a node's story of a transaction, once there are some: with the next block they are on disk.
 */
static json_t *await_attempt(const char *id, struct purse *purse)
{
	for (unsigned i = 0; i < 100; i++) {
		int status;
		purse_pay(purse, s.c, 1);
		json_t *told = chain_get(s.c, 1, &status, "/v1/transactions/%s", id);
		json_t *attempt = json_incref(json_array_get(json_object_get(told, "attempts"), 0));
		json_decref(told);
		if (attempt)
			return attempt;
	}
	fail_msg("node 1 never tells of the double spend");
	return NULL;
}

static void says_nothing_of_no_memo(struct qtxid id)
{
	char hex[QHASH_HEX], *out;
	hex_encode(hex, id.b, sizeof id.b);
	assert_int_equal(quorate(&out, NULL, "tx", "show", hex, "--node", s.c->http[0], NULL), 0);
	assert_null(strstr(out, "memo"));
	free(out);
}

/* Whoever edits the row of real evidence is found out. */
static void accuses_nobody_else(const char *loser)
{
	static const char *const rows[] = {
	    "UPDATE evidence SET signer = zeroblob(20)", "UPDATE evidence SET output_position = 7",
	    "UPDATE evidence SET output_tx = zeroblob(32)", "UPDATE evidence SET first = zeroblob(32)"};
	char vacuum[400], *errs;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		remove(s.copy);
		snprintf(vacuum, sizeof vacuum, "VACUUM INTO '%s'", s.copy);
		chain_sql(chain_path(s.c, "node1/ledger.db"), vacuum, NULL, 0);
		chain_sql(s.copy, rows[i], NULL, 0);
		int code = quorate(NULL, &errs, "tx", "show", loser, "--ledger", s.copy, "--genesis",
		                   s.genesis, NULL);
		if (code != 1 || !strstr(errs, "is not what that entry of the journal shows"))
			fail_msg("%s: exit %d: %s", rows[i], code, errs);
		free(errs);
	}
}

#define MARKS                                                    \
	"pays \u202e001\u202c \u061c\u2067\u200f\u2028 \xc2\x9b" \
	"2J \u00e4"

/* What reverses what is read, or commands a terminal, is text all the same: in JSON as escapes. */
static void terminals_are_not_told_what_to_do(struct qtxid id)
{
	char hex[QHASH_HEX], *out;
	hex_encode(hex, id.b, sizeof id.b);
	assert_int_equal(quorate(&out, NULL, "tx", "show", hex, "--node", s.c->http[0], NULL), 0);
	assert_non_null(strstr(out, "\nmemo          pays ???001??? ????"));
	assert_non_null(strstr(out, "??2J \u00e4\n"));
	free(out);
	assert_int_equal(
	    quorate(&out, NULL, "trace", hex, "--json", "--node", s.c->http[0], "--genesis", s.genesis, NULL),
	    0);
	assert_non_null(
	    strstr(out, "pays \\u202e001\\u202c \\u061c\\u2067\\u200f\\u2028 \\u009b2J \u00e4\""));
	json_t *t = json_loads(out, 0, NULL);
	assert_string_equal(json_text(element(t, "transactions", 0), "memo"), MARKS);
	json_decref(t);
	free(out);
}

/* Who spends again what was spent leaves evidence, and it is in both stories. */
static void a_node_tells_of_a_double_spend_and_so_does_its_ledger(void **state)
{
	struct account *a = account_number(A);
	struct purse purse = {.account = account_number(D), .address = address_number(D), .amount = 200};
	struct tx *loser = pay(s.c->genesis, a, (struct qoutpoint){s.c->genesis->txid, 0}, 100,
	                       address_number(D), 100, "again");
	char id[QHASH_HEX];
	int code;
	(void)state;
	assert_true(hex_decode(purse.at.tx.b, sizeof purse.at.tx.b, s.id[FOUR]));
	hex_encode(id, loser->id.b, sizeof loser->id.b);
	assert_true(chain_submit(s.c, 1, &loser, 1, NULL));
	json_t *attempt = await_attempt(s.id[ONE], &purse);
	assert_string_equal(json_text(attempt, "loser"), id);
	assert_string_equal(json_text(attempt, "winner"), s.id[ONE]);
	assert_string_equal(json_text(json_object_get(attempt, "output"), "txid"), s.genesis_id);
	json_decref(attempt);
	json_t *t = show(id, "--ledger", chain_path(s.c, "node1"), s.genesis, &code);
	assert_int_equal(code, 0);
	assert_string_equal(json_text(t, "status"), "rejected");
	assert_string_equal(json_text(t, "spent_by"), s.id[ONE]);
	json_decref(t);
	accuses_nobody_else(id);
	struct qoutput all = to(D, purse.amount);
	struct qoutpoint at = {settle("", D, &purse.at, 1, &all, 1), 0};
	says_nothing_of_no_memo(at.tx);
	terminals_are_not_told_what_to_do(settle(MARKS, D, &at, 1, &all, 1));
	tx_unref(loser);
	account_free(a);
	purse_close(&purse);
}

/* ---- a node that lies ------------------------------------------------------------------------ */

static struct liar {
	struct http_server *server;
	char url[64];
	const char *list, *key, *value; /* what it says else: a key of the first in a list, or of the story */
	const char *whole;              /* what it says in place of the story; or NULL */
} liar;

static void tell_lies(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	int status;
	json_t *told = chain_get(s.c, 0, &status, "%s", r->path);
	(void)ctx;
	if (liar.whole) {
		json_decref(told);
		told = json_loads(liar.whole, 0, NULL);
	} else if (liar.key)
		json_object_set_new(liar.list ? element(told, liar.list, 0) : told, liar.key,
		                    json_loads(liar.value, JSON_DECODE_ANY, NULL));
	reply->status = status;
	reply->content_type = "application/json";
	reply->body = json_dumps(told, 0);
	reply->body_len = strlen(reply->body);
	json_decref(told);
}

/* A receipt has one text. */
static void hand_on(void *ctx, const struct http_request *r, struct http_reply *reply)
{
	struct err err = {0};
	(void)ctx;
	if (!http_call(s.c->client[0], r->path, NULL, NULL, 0, &reply->status, &reply->body, &reply->body_len,
	               &err))
		http_error(reply, 503, "proxy", "%s", err.text);
	else
		reply->content_type = "application/json";
}

/* An answer that is no story of this transaction is none, whatever else it says: not even that of one that
 * is not final, where nothing is proven. */
static void refuse_what_is_no_story(void)
{
	static const struct {
		const char *key, *value;
	} lies[] = {{"status", "\"gone\""},
	            {"status", "7"},
	            {"txid", "\"00\""},
	            {"attempts", "{}"},
	            {NULL, "[1, 2]"}};
	char *out, *errs;
	liar.list = NULL;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		liar.key = lies[i].key;
		liar.value = lies[i].value;
		liar.whole = liar.key == NULL ? liar.value : NULL;
		int code = quorate(&out, &errs, "tx", "show", s.id[TWO], "--node", liar.url, NULL);
		if (code != 3 || out[0] != '\0' || !strstr(errs, "not as expected"))
			fail_msg("%s %s: exit %d: %s%s", liar.key, liar.value, code, out, errs);
		free(out);
		free(errs);
	}
	liar.whole = NULL;
}

static void what_is_proven_takes_the_place_of_what_a_node_says(void **state)
{
	static const struct http_route routes[] = {
	    {"GET", "/v1/transactions/*", tell_lies}, {"GET", "/v1/receipts/*", hand_on}, {0}};
	static const struct lie {
		const char *list, *key, *value;
		const char *found_out; /* NULL: what is printed is the truth all the same */
	} lies[] = {{NULL, "height", "77", NULL},
	            {NULL, "memo", "\"no\"", NULL},
	            {NULL, "signed_by", "[]", NULL},
	            {"outputs", "amount", "\"1000000\"", NULL},
	            {"outputs", "owner", "\"q00\"", NULL},
	            {"outputs", "spent_at", "77", NULL},
	            {"inputs", "amount", "\"1000000\"", NULL},
	            {"inputs", "owner", "\"q00\"", NULL},
	            {"inputs", "height", "77", NULL},
	            {"inputs", "lock", "\"stake\"", NULL},
	            {NULL, "inputs", "[]", "not what its receipt proves"},
	            {NULL, "outputs", "{}", "not what its receipt proves"},
	            {"outputs", "spent_by", "\"nobody\"", "64 hex digits"},
	            {"outputs", "spent_by", "77", "not what its receipt proves"},
	            {"outputs", "spent_by", NULL, "does not spend it"}};
	struct http_config config = {.listen = "127.0.0.1:0", .body_max = 1 << 20, .routes = routes};
	struct err err = {0};
	char one[QHASH_HEX + 2], *errs;
	int code;
	(void)state;
	liar.server = http_start(&config, &err);
	assert_non_null(liar.server);
	snprintf(liar.url, sizeof liar.url, "http://127.0.0.1:%u", http_port(liar.server));
	snprintf(one, sizeof one, "\"%s\"", s.id[ONE]);
	json_t *truth = show(s.id[TWO], "--node", liar.url, s.genesis, &code);
	assert_int_equal(code, 0);
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		liar.key = lies[i].key;
		liar.value = lies[i].value ? lies[i].value : one;
		liar.list = lies[i].list;
		if (!lies[i].found_out) {
			json_t *t = show(s.id[TWO], "--node", liar.url, s.genesis, &code);
			if (code != 0 || !json_equal(t, truth))
				fail_msg("%s: %s", lies[i].key, json_dumps(t, 0));
			json_decref(t);
			continue;
		}
		code = quorate(NULL, &errs, "tx", "show", s.id[TWO], "--node", liar.url, "--genesis",
		               s.genesis, NULL);
		if (code != 1 || !strstr(errs, lies[i].found_out))
			fail_msg("%s %s: exit %d: %s", lies[i].key, lies[i].value, code, errs);
		free(errs);
	}
	json_decref(truth);
	refuse_what_is_no_story();
	http_stop(liar.server);
}

/* ---- trace ----------------------------------------------------------------------------------- */

static unsigned count_in(const char *text, const char *word)
{
	unsigned cnt = 0;
	while ((text = strstr(text, word)) != NULL)
		cnt++, text++;
	return cnt;
}

static json_t *trace(const char *output, const char *option, const char *value)
{
	int code;
	json_t *t = quorate_json(&code, "trace", output, "--json", "--ledger", s.ledger, "--genesis",
	                         s.genesis, option, value, NULL);
	assert_int_equal(code, 0);
	return t;
}

/* How many edges lead from here to there, whose `amount` adds up to *amount. */
static size_t edges_from(const json_t *t, const char *txid, uint64_t *amount)
{
	size_t i, cnt = 0;
	json_t *edge;
	*amount = 0;
	json_array_foreach(json_object_get(t, "edges"), i, edge)
	{
		if (strcmp(json_text(json_object_get(edge, "from"), "txid"), txid) != 0)
			continue;
		*amount += strtoull(json_text(edge, "amount"), NULL, 10);
		cnt++;
	}
	return cnt;
}

static void value_is_followed_back_to_the_genesis(void **state)
{
	char output[QHASH_HEX + 8];
	uint64_t amount;
	(void)state;
	snprintf(output, sizeof output, "%s:0", s.id[FOUR]);
	json_t *t = trace(output, NULL, NULL);
	assert_true(json_is_true(json_object_get(t, "complete")));
	assert_true(json_is_null(json_object_get(t, "stopped")));
	assert_int_equal(json_array_size(json_object_get(t, "transactions")), 4);
	assert_int_equal(json_array_size(json_object_get(t, "edges")), 7);
	assert_int_equal(edges_from(t, s.genesis_id, &amount), 3);
	assert_int_equal(amount, 200);
	assert_int_equal(edges_from(t, s.id[ONE], &amount), 2);
	assert_int_equal(amount, 100);
	/* Breadth first: the shared ancestor comes last, two hops away. */
	assert_string_equal(json_text(element(t, "transactions", 3), "txid"), s.id[ONE]);
	assert_int_equal(number(element(t, "transactions", 3), "depth"), 2);
	json_decref(t);

	t = trace(s.id[ONE], NULL, NULL); /* both outputs */
	assert_int_equal(json_array_size(json_object_get(t, "edges")), 1);
	assert_true(json_is_null(json_object_get(json_object_get(t, "output"), "index")));
	json_decref(t);
}

static void a_trace_stops_where_it_is_told_to_and_says_so(void **state)
{
	static const struct {
		const char *option, *value, *stopped;
		size_t taken, pending;
	} cases[] = {{"--depth", "0", "depth", 1, 2}, {"--depth", "1", "depth", 3, 1},
	             {"--depth", "2", NULL, 4, 0},    {"--limit", "1", "limit", 1, 2},
	             {"--limit", "3", "limit", 3, 1}, {"--limit", "4", NULL, 4, 0}};
	char *out, *errs;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *t = trace(s.id[FOUR], cases[i].option, cases[i].value);
		assert_int_equal(json_array_size(json_object_get(t, "transactions")), cases[i].taken);
		assert_int_equal(number(t, "pending"), cases[i].pending);
		assert_string_equal(json_text(t, "stopped"), cases[i].stopped ? cases[i].stopped : "");
		json_decref(t);
	}
	assert_int_equal(quorate(&out, &errs, "trace", s.id[FOUR], "--node", s.c->http[2], "--genesis",
	                         s.genesis, "--depth", "0", NULL),
	                 0);
	assert_int_equal(count_in(out, "not followed"), 2);
	assert_non_null(strstr(errs, "--depth"));
	free(out);
	free(errs);
}

static void a_tree_names_shared_ancestors_once(void **state)
{
	char *out, *dot;
	(void)state;
	assert_int_equal(
	    quorate(&out, NULL, "trace", s.id[FOUR], "--node", s.c->http[3], "--genesis", s.genesis, NULL),
	    0);
	assert_int_equal(count_in(out, "see above"), 1);
	assert_int_equal(count_in(out, "genesis, allocation"), 3);
	assert_int_equal(count_in(out, "\"three \\\"quoted\\\"\""), 1);
	assert_int_equal(count_in(out, "0x01ff"), 1);
	assert_non_null(strstr(out, "\n|- 110 to "));
	assert_non_null(strstr(out, "\n|  |- 70 to "));
	assert_non_null(strstr(out, "\n|  |  <- 100 to "));
	assert_non_null(strstr(out, "\n|  `- 40 to "));
	assert_non_null(strstr(out, "\n`- 90 to "));
	assert_non_null(strstr(out, "4 transactions, each proven by its receipt, back to the genesis"));
	free(out);
	assert_int_equal(quorate(&dot, NULL, "trace", s.id[FOUR], "--node", s.c->http[3], "--genesis",
	                         s.genesis, "--dot", NULL),
	                 0);
	assert_int_equal(count_in(dot, " -> "), 8); /* 7 edges, and to the output that is traced */
	assert_int_equal(count_in(dot, "{"), 1);
	assert_non_null(strstr(dot, "three \\\\\\\"quoted"));
	free(dot);
}

static void a_trace_believes_no_ledger(void **state)
{
	static const char *const tricks[] = {
	    "UPDATE transactions SET raw = (SELECT raw FROM transactions WHERE seq = 3) WHERE seq = 1",
	    ("UPDATE certificates SET certificate = (SELECT certificate FROM certificates WHERE height = 3)"
	     " WHERE height = 1"),
	    "UPDATE blocks SET header = (SELECT header FROM blocks WHERE height = 3) WHERE height = 1",
	    "DELETE FROM transactions WHERE seq = 1",
	};
	char *out;
	(void)state;
	for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
		edit_copy(tricks[i]);
		int code = quorate(&out, NULL, "trace", s.id[FOUR], "--ledger", s.copy, "--genesis",
		                   s.genesis, NULL);
		if ((code != 1 && code != 3) || out[0] != '\0')
			fail_msg("%s: exit %d: %s", tricks[i], code, out);
		free(out);
	}
}

static void wrong_questions_have_plain_answers(void **state)
{
	char output[QHASH_HEX + 8], other[QHASH_HEX];
	(void)state;
	memset(other, 'e', sizeof other - 1), other[sizeof other - 1] = '\0';
	snprintf(output, sizeof output, "%s:1", s.id[FOUR]);
	const struct {
		const char *output, *option, *value;
		int code;
		const char *says;
	} cases[] = {{output, "--genesis", s.genesis, 1, "none of index 1"},
	             {other, "--genesis", s.genesis, 1, "no final transaction"},
	             {"xyz:0", "--genesis", s.genesis, 2, "64 hex digits"},
	             {s.id[FOUR], NULL, NULL, 2, "--genesis is missing"},
	             {s.id[FOUR], "--limit", "0", 2, "--limit"},
	             {s.id[FOUR], "--depth", "-1", 2, "--depth"}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *errs;
		int code = quorate(NULL, &errs, "trace", cases[i].output, "--ledger", s.ledger,
		                   cases[i].option, cases[i].value, NULL);
		if (code != cases[i].code || !strstr(errs, cases[i].says))
			fail_msg("trace %s: exit %d: %s", cases[i].output, code, errs);
		free(errs);
	}
	assert_int_equal(quorate(NULL, NULL, "tx", "show", other, "--ledger", s.ledger, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_story_has_where_it_came_from_and_what_became_of_it),
	    cmocka_unit_test(a_ledger_file_tells_what_its_node_tells),
	    cmocka_unit_test(people_read_it_too),
	    cmocka_unit_test(an_edited_ledger_is_found_out),
	    cmocka_unit_test(double_spends_are_part_of_the_story),
	    cmocka_unit_test(what_is_proven_takes_the_place_of_what_a_node_says),
	    cmocka_unit_test(value_is_followed_back_to_the_genesis),
	    cmocka_unit_test(a_trace_stops_where_it_is_told_to_and_says_so),
	    cmocka_unit_test(a_tree_names_shared_ancestors_once),
	    cmocka_unit_test(a_trace_believes_no_ledger),
	    cmocka_unit_test(wrong_questions_have_plain_answers),
	    cmocka_unit_test(a_node_tells_of_a_double_spend_and_so_does_its_ledger),
	};
	return cmocka_run_group_tests_name("history", tests, set_up, tear_down);
}
