/*
 * pay.c: what the README promises, on a real chain: a payment is final on all ledgers with one block hash;
 * replicas are killed, paused, robbed of their ledger or of their vote log, and payments go on; without a
 * quorum nothing becomes final.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECKPOINT_INTERVAL 4
#define RECOVERY_MAX 200 /* blocks; far above what is needed: peers tell their height once a second */

static void stop(struct chain *c, unsigned node)
{
	chain_signal(c, "kill", node);
}

/* ---- the plain case ---------------------------------------------------------- */

static void a_payment_is_final_on_all_ledgers_with_one_block_hash(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	char sql[256], hash[QHASH_HEX], seen[128], txid[128];
	int code, status;
	(void)state;
	json_t *sent = chain_send(c, 1, 250, "60", &code);
	assert_int_equal(code, 0);
	assert_string_equal(json_text(sent, "outcome"), "committed");
	assert_int_equal(json_integer_value(json_object_get(sent, "height")), 1);
	snprintf(txid, sizeof txid, "%s", json_text(sent, "txid"));
	assert_int_equal(strlen(txid), 64);
	json_decref(sent);

	chain_wait_height(c, 0xf, 1);
	hash[0] = '\0';
	snprintf(sql, sizeof sql,
	         "SELECT lower(hex(b.hash)) FROM blocks b JOIN transactions t USING (height) "
	         "WHERE t.txid = x'%s' AND b.height = 1",
	         txid);
	for (unsigned i = 0; i < 4; i++) {
		json_t *block = chain_get(c, i, &status, "/v1/blocks/1");
		assert_int_equal(status, 200);
		if (i == 0)
			snprintf(hash, sizeof hash, "%s", json_text(block, "hash"));
		assert_string_equal(json_text(block, "hash"), hash);
		assert_string_equal(
		    json_string_value(json_array_get(json_object_get(block, "transactions"), 0)), txid);
		json_decref(block);
		chain_sql(chain_path(c, "node%u/ledger.db", i), sql, seen, sizeof seen);
		assert_string_equal(seen, hash); /* the file says what the node says */
	}
	chain_assert_audit(c, 1);
	chain_down(c);
}

/* ---- paying the same again ---------------------------------------------------- */

/* A signed payment of 5 from alice to bob: the name of its file, and its id. */
static const char *make_same(struct chain *c, unsigned i, char txid[128])
{
	const char *draft = chain_path(c, "draft%u", i), *alice = chain_path(c, "accounts/alice.key");
	const char *file = chain_path(c, "signed%u", i);
	assert_int_equal(quorate(NULL, NULL, "tx", "make", "--from", alice, "--to",
	                         chain_path(c, "accounts/bob.key"), "--amount", "5", "--node", c->http[0],
	                         "--genesis", chain_path(c, "genesis.json"), "-o", draft, NULL),
	                 0);
	assert_int_equal(quorate(NULL, NULL, "tx", "sign", draft, "--key", alice, "-o", file, NULL), 0);
	json_t *document = json_load_file(file, 0, NULL);
	snprintf(txid, 128, "%s", json_text(document, "txid"));
	json_decref(document);
	return file;
}

/* Whoever pays the same twice, and was shown the same outputs both times, has not paid twice by one
 * transaction. */
static void two_payments_made_from_one_view_are_two_transactions(void **state)
{
	struct chain *c = chain_up(1, NULL, 0);
	char file[3][512], txid[3][128], *out;
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		snprintf(file[i], sizeof file[i], "%s", make_same(c, i, txid[i]));
	unsigned other = strcmp(txid[0], txid[1]) != 0 ? 1 : 2; /* three alike: once in 268 million */
	assert_string_not_equal(txid[0], txid[other]);
	assert_int_equal(quorate(NULL, NULL, "tx", "submit", file[0], "--wait", "--node", c->http[0], NULL),
	                 0);
	assert_int_equal(
	    quorate(&out, NULL, "tx", "submit", file[other], "--wait", "--node", c->http[0], NULL), 1);
	assert_non_null(strstr(out, "double_spend"));
	free(out);
	chain_down(c);
}

/* ---- queries ------------------------------------------------------------------ */

/* Fields by name and type: s(tring), i(nteger), b(oolean), a(rray), o(bject), h(ash in hex), n(ull). */
static void assert_fields(const json_t *object, const char *wanted)
{
	char copy[512], *rest = copy;
	snprintf(copy, sizeof copy, "%s", wanted);
	for (const char *word; (word = strsep(&rest, " "));) {
		const char *name = word + 2;
		const json_t *v = json_object_get(object, name);
		bool ok = (word[0] == 's' && json_is_string(v)) || (word[0] == 'i' && json_is_integer(v)) ||
		          (word[0] == 'b' && json_is_boolean(v)) || (word[0] == 'a' && json_is_array(v)) ||
		          (word[0] == 'o' && json_is_object(v)) || (word[0] == 'n' && json_is_null(v)) ||
		          (word[0] == 'h' && json_is_string(v) && strlen(json_string_value(v)) == 64);
		if (!ok) {
			char *text = json_dumps(object, JSON_INDENT(1));
			fail_msg("\"%s\" is missing or of another type than '%c' in %s", name, word[0], text);
		}
	}
}

/* The program's answer has these fields. */
static json_t *ask(const char *wanted, const char *a, const char *b, const char *c, const char *d,
                   const char *e, const char *f)
{
	int code;
	json_t *answer = quorate_json(&code, a, b, c, d, e, f, NULL);
	if (code != 0)
		fail_msg("quorate %s %s: exit %d", a, b, code);
	assert_fields(answer, wanted);
	return answer;
}

static void queries_have_the_fields_that_scripts_rely_on(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	const char *genesis = chain_path(c, "genesis.json"), *node = c->http[2];
	char txid[128], chain[QHASH_HEX];
	int code;
	(void)state;
	hex_encode(chain, c->genesis->chain.b, 32);
	json_t *a = chain_send(c, 0, 7, "60", &code);
	assert_fields(a, "s:outcome h:txid i:height n:code s:message");
	snprintf(txid, sizeof txid, "%s", json_text(a, "txid"));
	json_decref(a);
	chain_wait_height(c, 0xf, 1);

	a = ask("s:address s:amount a:outputs", "balance", chain_path(c, "accounts/bob.key"), "--json",
	        "--node", node, NULL);
	assert_string_equal(json_text(a, "amount"), "1000000007");
	assert_int_equal(json_array_size(json_object_get(a, "outputs")), 2);
	json_decref(a);
	a = ask("h:txid s:status i:height i:position a:inputs a:outputs", "tx", "show", txid, "--json",
	        "--node", node);
	assert_string_equal(json_text(a, "status"), "final");
	json_decref(a);
	a = ask("i:height h:hash h:parent h:merkle_root i:tx_count i:proposer i:time_ms a:transactions "
	        "o:certificate",
	        "block", "show", "latest", "--json", "--node", node);
	assert_string_equal(json_text(a, "parent"), chain);
	json_decref(a);
	a = ask("h:chain i:height i:view i:primary h:block_hash h:state_digest i:mempool n:muted", "status",
	        "--json", "--node", node, NULL, NULL);
	assert_string_equal(json_text(a, "chain"), chain);
	json_decref(a);
	a = ask("h:chain s:name i:n i:f i:quorum s:supply a:replicas o:parameters", "genesis", "show",
	        genesis, "--json", NULL, NULL);
	assert_string_equal(json_text(a, "chain"), chain);
	json_decref(a);
	a = ask("s:verdict h:chain", "genesis", "check", genesis, "--json", NULL, NULL);
	assert_string_equal(json_text(a, "verdict"), "ok");
	json_decref(a);
	json_decref(
	    ask("s:address s:kind", "key", "new", chain_path(c, "new.key"), "--plain", "--json", NULL));
	json_decref(ask("s:address s:kind", "key", "show", chain_path(c, "new.key"), "--json", NULL, NULL));
	a = ask("a:replicas i:primary", "testnet", "status", "--json", "--dir", c->dir, NULL);
	assert_int_equal(json_array_size(json_object_get(a, "replicas")), 4);
	for (size_t i = 0; i < 4; i++)
		assert_fields(json_array_get(json_object_get(a, "replicas"), i),
		              "i:index s:home s:ledger s:http s:peer i:pid i:height i:view b:healthy");
	json_decref(a);
	a = ask("s:verdict i:height i:transactions i:double_spends a:ledgers", "audit",
	        chain_path(c, "node3/ledger.db"), "--genesis", genesis, "--json", NULL);
	assert_fields(json_array_get(json_object_get(a, "ledgers"), 0),
	              "s:path s:verdict i:height a:findings");
	json_decref(a);

	assert_int_equal(quorate(NULL, NULL, "tx", "show", chain, "--json", "--node", node, NULL), 1);
	chain_down(c);
}

/* ---- failures of one ------------------------------------------------------------ */

static void payments_go_on_when_the_primary_is_killed_and_it_catches_up(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	uint64_t height = 0;
	(void)state;
	assert_int_equal(chain_pay(c, 0, 1), 1);
	stop(c, 0);
	for (unsigned i = 0; i < 5; i++)
		height = chain_pay(c, 1 + i % 3, 10 + i);
	chain_signal(c, "start", 0);
	chain_wait(c);
	assert_int_equal(chain_height(c, 0), height);
	height = chain_pay(c, 0, 100); /* and serves clients again */
	chain_wait_height(c, 0xf, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
	chain_down(c);
}

static void a_paused_replica_catches_up_when_it_goes_on(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	uint64_t height = 0;
	(void)state;
	chain_signal(c, "pause", 2);
	for (unsigned i = 0; i < 5; i++)
		height = chain_pay(c, 3, 1 + i);
	chain_signal(c, "resume", 2);
	chain_wait(c);
	assert_int_equal(chain_height(c, 2), height);

	/* A paused primary is as good as a dead one; back, it follows the view that the others made. */
	chain_signal(c, "pause", 0);
	height = chain_pay(c, 1, 50);
	chain_signal(c, "resume", 0);
	chain_wait_height(c, 0xf, height);
	height = chain_pay(c, 0, 51);
	chain_wait_height(c, 0xf, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
	chain_down(c);
}

static void without_a_quorum_nothing_is_final_and_with_it_everything_is(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	struct qtxid id;
	int code, status;
	(void)state;
	uint64_t height = chain_pay(c, 0, 1);
	chain_wait_height(c, 0xf, height);
	stop(c, 1);
	stop(c, 2);
	json_t *sent = chain_send(c, 0, 2, "1", &code);
	assert_int_equal(code, 3);
	assert_string_equal(json_text(sent, "outcome"), "unknown");
	assert_true(hex_decode(id.b, 32, json_text(sent, "txid")));
	for (unsigned i = 0; i < 4; i += 3) {
		json_t *tx = chain_get(c, i, &status, "/v1/transactions/%s", json_text(sent, "txid"));
		assert_string_equal(json_text(tx, "status"), "pending");
		assert_int_equal(chain_height(c, i), height);
		json_decref(tx);
	}
	json_decref(sent);

	chain_signal(c, "start", 2);
	for (unsigned i = 0; i < 4; i++)
		if (i != 1)
			assert_true(chain_final(c, i, &id, NULL, 0, NULL, 0));
	chain_signal(c, "start", 1);
	assert_true(chain_final(c, 1, &id, NULL, 0, NULL, 0));
	chain_assert_audit(c, height + 1);
	chain_check_votes(c);
	chain_down(c);
}

/* ---- files lost ------------------------------------------------------------------- */

static void lose(struct chain *c, unsigned node, const char *file)
{
	static const char *const tails[] = {"", "-wal", "-shm"};
	for (size_t i = 0; i < 3; i++)
		unlink(chain_path(c, "node%u/%s%s", node, file, tails[i]));
}

static void a_replica_without_its_ledger_fetches_it_and_votes_on(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	uint64_t height = 0;
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		height = chain_pay(c, i, 1 + i);
	chain_wait_height(c, 0xf, height);
	stop(c, 1);
	lose(c, 1, "ledger.db");
	chain_signal(c, "start", 1);
	chain_wait(c);
	assert_int_equal(chain_height(c, 1), height);
	stop(c, 3); /* now a quorum needs its votes */
	height = chain_pay(c, 1, 10);
	chain_signal(c, "start", 3);
	chain_wait_height(c, 0xf, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
	chain_down(c);
}

static void checkpoint_often(struct qgenesis *g)
{
	g->params.checkpoint_interval = CHECKPOINT_INTERVAL;
	g->params.window = CHECKPOINT_INTERVAL;
}

/* Certificates above this height that replica 2 signed, by the ledger of node 0. */
static unsigned signed_by_2(struct chain *c, uint64_t above)
{
	char sql[128], cnt[32];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM signers WHERE replica = 2 AND height > %llu",
	         (unsigned long long)above);
	chain_sql(chain_path(c, "node0/ledger.db"), sql, cnt, sizeof cnt);
	return (unsigned)atoi(cnt);
}

/* It says so itself, and why; it may recover between the two questions. */
static bool muted(struct chain *c, unsigned node)
{
	int status;
	json_t *health = chain_get(c, node, &status, "/healthz");
	bool is = status == 503;
	if (is)
		assert_string_equal(json_text(json_object_get(health, "error"), "code"), "muted");
	json_decref(health);
	json_t *s = chain_get(c, node, &status, "/v1/status");
	if (is && !json_is_null(json_object_get(s, "muted")))
		assert_non_null(strstr(json_text(s, "muted"), "vote log was lost"));
	json_decref(s);
	return is;
}

/* The same by the command's exit code, for health checks. */
static void assert_healthy(struct chain *c, unsigned node, bool healthy)
{
	char *said;
	assert_int_equal(quorate(NULL, &said, "status", "--healthy", "--node", c->http[node], NULL),
	                 healthy ? 0 : 3);
	assert_true(healthy || strstr(said, "does not vote: its vote log was lost") != NULL);
	free(said);
}

static void a_replica_without_its_vote_log_is_silent_until_it_cannot_contradict_itself(void **state)
{
	struct chain *c = chain_up_edited(4, checkpoint_often);
	int code;
	(void)state;
	uint64_t lost_at = chain_pay(c, 0, 1), height;
	chain_wait_height(c, 0xf, lost_at);
	stop(c, 2);
	lose(c, 2, "votes.db");
	chain_signal(c, "start", 2);
	chain_wait_height(c, 4, lost_at);
	assert_true(muted(c, 2));
	assert_healthy(c, 0, true);
	assert_healthy(c, 2, false);
	height = chain_pay(c, 2, 2); /* follows the chain and serves clients */
	chain_wait_height(c, 0xf, height);

	stop(c, 3); /* two speak and one is silent: no quorum */
	json_t *sent = chain_send(c, 2, 3, "1", &code);
	assert_int_equal(code, 3);
	json_decref(sent);
	chain_signal(c, "start", 3);
	chain_wait_height(c, 0xf, height + 1);
	assert_int_equal(signed_by_2(c, lost_at), 0);

	/* A restart does not loosen its tongue; a stable checkpoint far enough above does. */
	stop(c, 2);
	chain_signal(c, "start", 2);
	assert_true(muted(c, 2));
	unsigned blocks = 0;
	for (; muted(c, 2); blocks++) {
		assert_true(blocks < RECOVERY_MAX);
		chain_pay(c, 2, 4);
	}
	assert_true(blocks >= 2 * 2 * CHECKPOINT_INTERVAL); /* 2L at the least */
	chain_wait(c);
	uint64_t before = chain_height(c, 0);
	stop(c, 3);
	height = chain_pay(c, 0, 5); /* a quorum, thanks to it */
	assert_true(signed_by_2(c, before) > 0);
	chain_signal(c, "start", 3);
	chain_wait_height(c, 0xf, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_payment_is_final_on_all_ledgers_with_one_block_hash),
	    cmocka_unit_test(two_payments_made_from_one_view_are_two_transactions),
	    cmocka_unit_test(queries_have_the_fields_that_scripts_rely_on),
	    cmocka_unit_test(payments_go_on_when_the_primary_is_killed_and_it_catches_up),
	    cmocka_unit_test(a_paused_replica_catches_up_when_it_goes_on),
	    cmocka_unit_test(without_a_quorum_nothing_is_final_and_with_it_everything_is),
	    cmocka_unit_test(a_replica_without_its_ledger_fetches_it_and_votes_on),
	    cmocka_unit_test(a_replica_without_its_vote_log_is_silent_until_it_cannot_contradict_itself),
	};
	return cmocka_run_group_tests_name("pay", tests, chain_setup, NULL);
}
