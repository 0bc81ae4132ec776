/*
 * edits.c: ledgers that their operator edited with sqlite3: the audit says which table, row and column, and
 * blames nobody else; a ledger cut short is behind, and its node fetches what is missing.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CHECKPOINT_INTERVAL 4

static void checkpoint_often(struct qgenesis *g)
{
	g->params.checkpoint_interval = CHECKPOINT_INTERVAL;
	g->params.window = CHECKPOINT_INTERVAL;
}

static void copy_file(const char *from, const char *to)
{
	char buf[65536];
	size_t got;
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	assert_true(in && out);
	while ((got = fread(buf, 1, sizeof buf, in)) > 0)
		assert_int_equal(fwrite(buf, 1, got, out), got);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* What the audit of all ledgers says of the one of node 3. */
static json_t *audit_3(struct chain *c, int *code)
{
	json_t *report, *ledger;
	char *argv[] = {"quorate",
	                "audit",
	                (char *)chain_path(c, "node0"), /* a home stands for its ledger */
	                (char *)chain_path(c, "node1/ledger.db"),
	                (char *)chain_path(c, "node2/ledger.db"),
	                (char *)chain_path(c, "node3/ledger.db"),
	                "--genesis",
	                (char *)chain_path(c, "genesis.json"),
	                "--json",
	                NULL};
	char *out, *errs;
	*code = quorate_argv(&out, &errs, argv);
	report = json_loads(out, 0, NULL);
	if (!report)
		fail_msg("exit %d: %s", *code, errs);
	free(out);
	free(errs);
	for (size_t i = 0; i < 3; i++) { /* nobody else is blamed */
		ledger = json_array_get(json_object_get(report, "ledgers"), i);
		assert_string_equal(json_text(ledger, "verdict"), "ok");
	}
	ledger = json_incref(json_array_get(json_object_get(report, "ledgers"), 3));
	json_decref(report);
	return ledger;
}

static bool finds(const json_t *ledger, const char *kind, const char *where)
{
	size_t i;
	json_t *f;
	json_array_foreach(json_object_get(ledger, "findings"), i, f)
	{
		if (strcmp(json_text(f, "kind"), kind) == 0 && strstr(json_text(f, "where"), where))
			return true;
	}
	return false;
}

static const struct edit {
	const char *sql, *kind, *where;
} edits[] = {
    {"UPDATE outputs SET amount = amount + 1 WHERE tx = 2 AND position = 0", "altered",
     "outputs(tx=2,position=0)"},
    {"UPDATE outputs SET spent_by = NULL WHERE spent_by = 2", "altered", "outputs("},
    {"DELETE FROM outputs WHERE tx = 1 AND position = 0", "missing", "outputs(tx=1,position=0)"},
    {"INSERT INTO outputs VALUES (1, 7, x'0102030405060708090a0b0c0d0e0f1011121314', 5, NULL, NULL, NULL)",
     "extra", "outputs(tx=1,position=7)"},
    {"UPDATE inputs SET source_position = 3 WHERE tx = 2", "altered", "inputs(tx=2,position=0)"},
    {"DELETE FROM inputs WHERE tx = 2", "missing", "inputs(tx=2,position=0)"},
    {"UPDATE transactions SET memo = x'00' WHERE seq = 1", "altered", "transactions(seq=1).memo"},
    {"UPDATE transactions SET raw = x'00000000' WHERE seq = 2", "transaction", "transactions(seq=2).raw"},
    {"DELETE FROM transactions WHERE seq = 1", "missing", "transactions"},
    {"UPDATE blocks SET time_ms = time_ms + 1 WHERE height = 2", "altered", "blocks(height=2).time_ms"},
    {"UPDATE blocks SET hash = x'00' WHERE height = 1", "altered", "blocks(height=1).hash"},
    {"DELETE FROM blocks WHERE height = 2", "missing", "blocks(height=2)"},
    {"UPDATE certificates SET view = 9 WHERE height = 2", "altered", "certificates(height=2).view"},
    {"DELETE FROM certificates WHERE height = 2", "missing", "certificates(height=2)"},
    {"UPDATE signers SET signature = zeroblob(64) WHERE height = 2", "altered", "signers(height=2"},
    {"INSERT INTO signers VALUES (2, 60, zeroblob(64))", "extra", "signers(height=2,replica=60)"},
    {"DELETE FROM journal WHERE seq = 1", "missing", "journal(seq=1)"},
    {"UPDATE meta SET value = value + 1 WHERE key = 'journal_count'", "", "meta"},
    {"CREATE TRIGGER t AFTER INSERT ON blocks BEGIN DELETE FROM outputs; END", "schema", "t"},
    {"DROP VIEW balances", "schema", "balances"},
};

static void every_edit_of_a_ledger_is_found_and_named(void **state)
{
	struct chain *c = chain_up_edited(4, checkpoint_often); /* stable checkpoints are journal entries */
	uint64_t height = 0;
	int code;
	(void)state;
	while (height < 2 * CHECKPOINT_INTERVAL)
		height = chain_pay(c, 0, 3);
	chain_wait_height(c, 0xf, height);
	assert_int_equal(quorate(NULL, NULL, "testnet", "down", "--dir", c->dir, NULL), 0);
	const char *ledger = chain_path(c, "node3/ledger.db"), *whole = chain_path(c, "whole.db");
	char ledger_path[512], whole_path[512];
	snprintf(ledger_path, sizeof ledger_path, "%s", ledger);
	snprintf(whole_path, sizeof whole_path, "%s", whole);
	copy_file(ledger_path, whole_path);
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		chain_sql(ledger_path, edits[i].sql, NULL, 0);
		json_t *said = audit_3(c, &code);
		bool found = edits[i].kind[0] ? finds(said, edits[i].kind, edits[i].where)
		                              : json_array_size(json_object_get(said, "findings")) > 0;
		if (code != 1 || !found)
			fail_msg("%s: exit %d, not found \"%s\" at \"%s\" in %s", edits[i].sql, code,
			         edits[i].kind, edits[i].where, json_dumps(said, JSON_INDENT(1)));
		json_decref(said);
		copy_file(whole_path, ledger_path);
	}
	json_decref(audit_3(c, &code));
	assert_int_equal(code, 0);
	chain_down(c);
}

static void a_ledger_cut_short_is_behind(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	uint64_t height = 0;
	char sql[128];
	int code;
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		height = chain_pay(c, 0, 3);
	chain_wait_height(c, 0xf, height);
	assert_int_equal(quorate(NULL, NULL, "testnet", "down", "--dir", c->dir, NULL), 0);
	/* One transaction a block: the last of both have this number. */
	static const char *const cut[] = {"UPDATE outputs SET spent_by = NULL WHERE spent_by = ",
	                                  "DELETE FROM inputs WHERE tx = ",
	                                  "DELETE FROM outputs WHERE tx = ",
	                                  "DELETE FROM transactions WHERE seq = ",
	                                  "DELETE FROM blocks WHERE height = ",
	                                  "DELETE FROM certificates WHERE height = ",
	                                  "DELETE FROM signers WHERE height = "};
	for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
		snprintf(sql, sizeof sql, "%s%llu", cut[i], (unsigned long long)height);
		chain_sql(chain_path(c, "node3/ledger.db"), sql, NULL, 0);
	}
	json_t *said = audit_3(c, &code);
	assert_int_equal(code, 0);
	assert_int_equal(json_integer_value(json_object_get(said, "height")), height - 1);
	assert_true(finds(said, "behind", ""));
	json_decref(said);

	/* Its node is none the worse for it. */
	assert_int_equal(quorate(NULL, NULL, "testnet", "up", "--detach", "--dir", c->dir, NULL), 0);
	chain_wait(c);
	assert_int_equal(chain_height(c, 3), height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_edit_of_a_ledger_is_found_and_named),
	    cmocka_unit_test(a_ledger_cut_short_is_behind),
	};
	return cmocka_run_group_tests_name("edits", tests, chain_setup, NULL);
}
