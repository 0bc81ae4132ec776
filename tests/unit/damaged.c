/*
 * A disk that gave back something else than was written: the replica hands none of it on under its own
 * signature. It stops, and says what to do; one whose file is whole goes on serving.
 * Links: q_replica
 */
#include <sqlite3.h>

#include "cluster.h"

enum { PATIENCE_MS = 20000 }; /* of virtual time */

#define SPOILT(column, at)                                                                            \
	" SET " column " = CAST(substr(" column ", 1, " at " - 1) || x'5a' || substr(" column ", " at \
	" + 1) AS BLOB) WHERE height = 1"

static const char nothing[] = "SELECT 1";
static const char transaction[] = "UPDATE transactions" SPOILT("raw", "length(raw)");
static const char header[] = "UPDATE blocks" SPOILT("header", "90");
static const char other[] = "UPDATE certificates" SPOILT("certificate", "40");
static const char signature[] = "UPDATE certificates" SPOILT("certificate", "length(certificate)");

static void edit(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static unsigned answers;

static void count_answers(struct cluster *c, unsigned from, const struct message *m)
{
	enum open_verdict verdict;
	struct verified v;

	if (from != 1 || (m->m.kind != QBODY && m->m.kind != QCHAIN))
		return;
	answers++;
	if (!verify_envelope(&c->rules.g, c->cache, &m->env, &v, &verdict))
		fail_msg("replica 1 sent what cannot be opened");
	verified_free(&v);
}

static void ask(struct cluster *c, const struct qmessage *m)
{
	struct signer signer = {cluster_sign, &c->members[3]};
	struct message *made = message_make(&c->rules.g, 3, &signer, m);

	replica_message(c->members[1].replica, made, NULL, 0);
	message_unref(made);
}

/* Asks for one block and for the headers. True: the replica goes on. */
static bool goes_on(struct cluster *c, enum qkind kind, struct qhash *block, struct err *err)
{
	struct qmessage m = {.kind = kind};

	if (kind == QGET_BODIES) {
		m.qmessage_u.get_bodies.blocks.blocks_len = 1;
		m.qmessage_u.get_bodies.blocks.blocks_val = block;
	}
	ask(c, &m);
	return replica_turn(c->members[1].replica, err);
}

/* `says`: the row that is named; NULL: nothing is wrong. */
static void try_damage(const char *sql, enum qkind kind, const char *says)
{
	bool goes = !says;
	struct cluster *c = cluster_new(4, 1, NULL);
	struct err err = {0};

	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	struct qhash block = cluster_status(c, 1).block_hash;
	cluster_crash(c, 1); /* what it remembers is gone: all comes from the file */
	cluster_start(c, 1);
	edit(c->members[1].ledger, sql);
	answers = 0;
	c->watch = count_answers;
	assert_int_equal(goes_on(c, kind, &block, &err), goes);
	assert_int_equal(answers, goes);
	if (!goes) {
		assert_non_null(strstr(err.text, c->members[1].ledger));
		assert_non_null(strstr(err.text, "quorate audit"));
		if (!strstr(err.text, says))
			fail_msg("%s: not \"%s\": %s", sql, says, err.text);
	}
	cluster_free(c);
}

static void says_what_is_whole(void **state)
{
	(void)state;
	try_damage(nothing, QGET_BODIES, NULL);
	try_damage(nothing, QGET_CHAIN, NULL);
}

static void hands_no_damaged_body_on(void **state)
{
	(void)state;
	try_damage(transaction, QGET_BODIES, "transactions of block 1");
	try_damage(header, QGET_BODIES, "blocks(height=1).hash");
}

static void hands_no_damaged_header_on(void **state)
{
	(void)state;
	try_damage(header, QGET_CHAIN, "blocks(height=1).hash");
	try_damage(signature, QGET_CHAIN, "certificates(height=1): the signature of replica");
	try_damage(other, QGET_CHAIN, "certificates(height=1) is not for the headers up to there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_what_is_whole),
	    cmocka_unit_test(hands_no_damaged_body_on),
	    cmocka_unit_test(hands_no_damaged_header_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
