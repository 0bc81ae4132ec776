/*
 * verdict.c: see verdict.h.
 */
#include "verdict.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t ask_number(const char *path, const char *sql)
{
	char text[64];
	chain_sql(path, sql, text, sizeof text);
	return strtoull(text, NULL, 10);
}

/* Clients may have spent twice; replicas may not have contradicted themselves. */
static void check_evidence(const char *path)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT entry FROM journal WHERE kind = 'evidence'", -1, &stmt, NULL),
	    SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct qjournal entry;
		assert_true(wire_decode(WIRE(qjournal), sqlite3_column_blob(stmt, 0),
		                        (size_t)sqlite3_column_bytes(stmt, 0), &entry));
		assert_int_equal(entry.kind, QJ_EVIDENCE);
		if (entry.qjournal_u.evidence.kind != QEV_DOUBLE_SPEND)
			fail_msg("%s holds evidence of kind %d against a replica", path,
			         (int)entry.qjournal_u.evidence.kind);
		wire_free(WIRE(qjournal), &entry);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

static void check_ledger(struct nodes *s, struct load *l, const char *path, uint64_t height)
{
	uint64_t high = ask_number(path, "SELECT ifnull(max(height), 0) FROM blocks");
	uint64_t unspent = ask_number(path, "SELECT sum(amount) FROM outputs WHERE spent_by IS NULL");
	uint64_t twice = ask_number(path, "SELECT count(*) - count(DISTINCT txid) FROM transactions");
	uint64_t double_spent = ask_number(path, "SELECT count(*) FROM double_spent");
	if (high != height)
		fail_msg("%s has height %llu, not %llu", path, (unsigned long long)high,
		         (unsigned long long)height);
	if (unspent != s->chain->genesis->supply || twice != 0 || double_spent != 0)
		fail_msg("%s: %llu of %llu unspent, %llu transactions twice, %llu outputs spent twice", path,
		         (unsigned long long)unspent, (unsigned long long)s->chain->genesis->supply,
		         (unsigned long long)twice, (unsigned long long)double_spent);
	check_evidence(path);
	load_check_ledger(l, path);
}

uint64_t verdict(struct nodes *s, struct load *l)
{
	json_t *report;
	load_judge(l);
	if (chain_audit(s->chain, &report) != 0)
		fail_msg("the audit of the ledgers in %s fails", s->chain->dir);
	uint64_t height = (uint64_t)json_integer_value(json_object_get(report, "height"));
	assert_int_equal(json_integer_value(json_object_get(report, "double_spends")), 0);
	assert_int_equal(json_array_size(json_object_get(report, "ledgers")), s->n);
	json_decref(report);
	for (unsigned i = 0; i < s->n; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s", chain_path(s->chain, "node%u/ledger.db", i));
		check_ledger(s, l, path, height);
	}
	if (height > 0)
		chain_check_votes(s->chain);
	return height;
}
