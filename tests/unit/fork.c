/*
 * A replica that is shown two certificates at one height (CE2): both are in its ledger before it stops, for
 * anybody to check, and the ledger is as good as it was.
 * Links: q_replica
 */
#include <sqlite3.h>

#include "audit.h"
#include "cluster.h"

static bool shown(struct cluster *c, unsigned from, unsigned to, const struct qmessage *m, struct err *err)
{
	struct signer signer = {cluster_sign, &c->members[from]};
	struct message *made = message_make(&c->rules.g, from, &signer, m);

	replica_message(c->members[to].replica, made, NULL, 0);
	message_unref(made);
	return replica_turn(c->members[to].replica, err);
}

static bool audited(const struct cluster *c, unsigned i)
{
	const char *path = c->members[i].ledger;
	struct audit_options options = {.threads = 1};
	struct audit_report report;
	struct err err = {0};

	if (!audit_run(&path, 1, &c->rules.g, &options, &report, &err))
		fail_msg("%s", err.text);
	bool ok = report.ok;
	audit_report_free(&report);
	return ok;
}

static int forks_in(const char *path)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int cnt = 0;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT entry FROM journal WHERE kind = 'evidence'", -1, &stmt, NULL),
	    SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct qjournal j;
		assert_true(wire_decode(WIRE(qjournal), sqlite3_column_blob(stmt, 0),
		                        (size_t)sqlite3_column_bytes(stmt, 0), &j));
		cnt += j.qjournal_u.evidence.kind == QEV_FORK;
		wire_free(WIRE(qjournal), &j);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return cnt;
}

static void keeps_two_certificates_at_one_height_before_it_stops(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct qvote other = {.view = {0}, .height = {1}, .block = rules_hash(7)};
	struct qmessage m = {.kind = QCHAIN};
	struct err err = {0};

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_settle(c, 20000);
	assert_int_equal(cluster_status(c, 3).height.n, 1);
	m.qmessage_u.chain.cert = rules_cert(&c->rules, QCOMMIT, &other, 7);
	assert_false(shown(c, 0, 3, &m, &err));
	assert_non_null(strstr(err.text, "more than f replicas lie"));
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
	cluster_crash(c, 3);
	assert_int_equal(forks_in(c->members[3].ledger), 1);
	assert_true(audited(c, 3));
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_two_certificates_at_one_height_before_it_stops),
	};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
