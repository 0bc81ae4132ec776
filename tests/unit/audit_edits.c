/*
 * The audit finds, in its place, whatever anybody with sqlite3 can change: every table and every column.
 *
 * Links: q_ledger
 */
#include "audited.h"

static const struct edit {
	const char *sql, *where;
} edits[] = {
    {"UPDATE meta SET value = zeroblob(32) WHERE key = 'chain'", "meta(key='chain').value"},
    {"UPDATE meta SET value = 7 WHERE key = 'schema'", "meta(key='schema').value"},
    {"UPDATE meta SET value = '1' WHERE key = 'schema'", "meta(key='schema').value"},
    {"UPDATE meta SET value = 2 WHERE key = 'journal_count'", "meta(key='journal_count').value"},
    {"UPDATE meta SET value = zeroblob(32) WHERE key = 'journal_link'", "meta(key='journal_link').value"},
    {"UPDATE meta SET value = CAST(value AS TEXT) WHERE key = 'journal_link'",
     "meta(key='journal_link').value"},
    {"UPDATE meta SET key = 'chains' WHERE key = 'chain'", "meta(key='chains')"},
    {"DELETE FROM meta WHERE key = 'chain'", "meta(key='chain')"},
    {"DELETE FROM meta WHERE key = 'schema'", "meta(key='schema')"},
    {"DELETE FROM meta WHERE key = 'journal_count'", "meta(key='journal_count')"},
    {"DELETE FROM meta WHERE key = 'journal_link'", "meta(key='journal_link')"},
    {"INSERT INTO meta VALUES ('zebra', 1)", "meta(key='zebra')"},

    {"UPDATE blocks SET height = 11 WHERE height = 10", "blocks(height=10)"},
    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 5", "blocks(height=5).hash"},
    {"UPDATE blocks SET parent = zeroblob(32) WHERE height = 5", "blocks(height=5).parent"},
    {"UPDATE blocks SET merkle_root = zeroblob(32) WHERE height = 5", "blocks(height=5).merkle_root"},
    {"UPDATE blocks SET tx_count = 2 WHERE height = 5", "blocks(height=5).tx_count"},
    {"UPDATE blocks SET first_tx = 1 WHERE height = 5", "blocks(height=5).first_tx"},
    {"UPDATE blocks SET proposer = 1 WHERE height = 5", "blocks(height=5).proposer"},
    {"UPDATE blocks SET time_ms = time_ms + 1 WHERE height = 5", "blocks(height=5).time_ms"},
    {"UPDATE blocks SET certified_by = 8 WHERE height = 5", "blocks(height=5).certified_by"},
    {"UPDATE blocks SET certified_by = 8 WHERE height = 7", "blocks(height=7).certified_by"},
    {"UPDATE blocks SET certified_by = 10 WHERE height = 8", "blocks(height=8).certified_by"},
    {"UPDATE blocks SET certified_by = 4 WHERE height = 5", "blocks(height=5).certified_by"},
    {"UPDATE blocks SET certified_by = 6 WHERE height = 5", "certificates(height=6)"},
    {"UPDATE blocks SET certified_by = 11 WHERE height = 10", "blocks(height=10).certified_by"},
    {"UPDATE blocks SET target = zeroblob(32), nonce = 0 WHERE height = 5", "blocks(height=5).target"},
    {"UPDATE blocks SET target = zeroblob(32), nonce = 0 WHERE height = 5", "blocks(height=5).nonce"},
    {"UPDATE blocks SET header = x'00' WHERE height = 5", "blocks(height=5).header"},
    {"UPDATE blocks SET header = (SELECT header FROM blocks WHERE height = 6) WHERE height = 5",
     "blocks(height=5).header"},
    {"DELETE FROM blocks WHERE height = 1", "blocks(height=1)"},
    {"DELETE FROM blocks WHERE height = 5", "blocks(height=5)"},
    {"DELETE FROM blocks WHERE height = 10", "blocks(height=10)"},
    {"DELETE FROM blocks WHERE height = 10; DELETE FROM transactions WHERE height = 10", "blocks(height=10)"},
    {"DELETE FROM blocks", "blocks(height=1)"},
    {"INSERT INTO blocks SELECT 11, zeroblob(32), parent, merkle_root, tx_count, first_tx, proposer, "
     "time_ms, 11, target, nonce,"
     " header FROM blocks WHERE height = 10",
     "blocks(height=11).header"},
    {"PRAGMA ignore_check_constraints = ON; INSERT INTO blocks SELECT 0, zeroblob(32), parent, merkle_root,"
     " tx_count, first_tx, proposer, time_ms, 1, target, nonce, header FROM blocks WHERE height = 1",
     "blocks(height=0)"},

    {"UPDATE transactions SET seq = 99 WHERE seq = 11", "transactions(seq=11)"},
    {"UPDATE transactions SET txid = zeroblob(32) WHERE seq = 5", "transactions(seq=5).txid"},
    {"UPDATE transactions SET height = 9 WHERE seq = 5", "transactions(seq=5).height"},
    {"UPDATE transactions SET position = 9 WHERE seq = 5", "transactions(seq=5).position"},
    {"UPDATE transactions SET expiry = 0 WHERE seq = 5", "transactions(seq=5).expiry"},
    {"UPDATE transactions SET memo = x'' WHERE seq = 5", "transactions(seq=5).memo"},
    {"UPDATE transactions SET raw = x'00' WHERE seq = 5", "transactions(seq=5).raw"},
    {"UPDATE transactions SET raw = (SELECT raw FROM transactions WHERE seq = 6) WHERE seq = 5",
     "transactions(seq=5).txid"},
    {"UPDATE transactions SET txid = zeroblob(32) WHERE seq = 0", "transactions(seq=0).txid"},
    {"UPDATE transactions SET height = 1 WHERE seq = 0", "transactions(seq=0).height"},
    {"UPDATE transactions SET position = 1 WHERE seq = 0", "transactions(seq=0).position"},
    {"UPDATE transactions SET expiry = 1 WHERE seq = 0", "transactions(seq=0).expiry"},
    {"UPDATE transactions SET memo = x'00' WHERE seq = 0", "transactions(seq=0).memo"},
    {"UPDATE transactions SET raw = x'00' WHERE seq = 0", "transactions(seq=0).raw"},
    {"DELETE FROM transactions WHERE seq = 0", "transactions(seq=0)"},
    {"DELETE FROM transactions WHERE seq = 5", "transactions(seq=5)"},
    {"DELETE FROM transactions WHERE seq = 11", "transactions(seq=11)"},
    {"INSERT INTO transactions VALUES (12, x'01', 10, 1, 0, x'', x'')", "transactions(seq=12)"},
    {"INSERT INTO transactions VALUES (-1, x'01', 0, 0, 0, x'', x'')", "transactions(seq=-1)"},

    {"UPDATE outputs SET tx = 99 WHERE tx = 2", "outputs(tx=2,position=0)"},
    {"UPDATE outputs SET position = 3 WHERE tx = 1 AND position = 1", "outputs(tx=1,position=1)"},
    {"UPDATE outputs SET owner = zeroblob(20) WHERE tx = 2", "outputs(tx=2,position=0).owner"},
    {"UPDATE outputs SET amount = amount + 1 WHERE tx = 2", "outputs(tx=2,position=0).amount"},
    {"UPDATE outputs SET amount = amount + 1 WHERE tx = 0 AND position = 1",
     "outputs(tx=0,position=1).amount"},
    {"UPDATE outputs SET spent_by = NULL WHERE tx = 1 AND position = 0", "outputs(tx=1,position=0).spent_by"},
    {"UPDATE outputs SET spent_by = 3 WHERE tx = 1 AND position = 0", "outputs(tx=1,position=0).spent_by"},
    {"UPDATE outputs SET spent_by = 3 WHERE tx = 2", "outputs(tx=2,position=0).spent_by"},
    {"UPDATE outputs SET spent_by = 99 WHERE tx = 2", "outputs(tx=2,position=0).spent_by"},
    {"UPDATE outputs SET lock = 'frozen', replica = 0 WHERE tx = 2", "outputs(tx=2,position=0).lock"},
    {"UPDATE outputs SET lock = 'stake', replica = 0 WHERE tx = 2", "outputs(tx=2,position=0).replica"},
    {"DELETE FROM outputs WHERE tx = 2", "outputs(tx=2,position=0)"},
    {"DELETE FROM outputs WHERE tx = 11", "outputs(tx=11,position=0)"},
    {"INSERT INTO outputs VALUES (2, 1, zeroblob(20), 5, NULL, NULL, NULL)", "outputs(tx=2,position=1)"},
    {"INSERT INTO outputs VALUES (0, 2, zeroblob(20), 5, NULL, NULL, NULL)", "outputs(tx=0,position=2)"},
    {"INSERT INTO outputs VALUES (12, 0, zeroblob(20), 5, NULL, NULL, 2)", "outputs(tx=12,position=0)"},

    {"UPDATE inputs SET tx = 99 WHERE tx = 2", "inputs(tx=2,position=0)"},
    {"UPDATE inputs SET position = 1 WHERE tx = 2", "inputs(tx=2,position=0)"},
    {"UPDATE inputs SET source_tx = 0 WHERE tx = 2", "inputs(tx=2,position=0).source_tx"},
    {"UPDATE inputs SET source_position = 1 WHERE tx = 2", "inputs(tx=2,position=0).source_position"},
    {"DELETE FROM inputs WHERE tx = 2", "inputs(tx=2,position=0)"},
    {"INSERT INTO inputs VALUES (2, 1, 1, 1)", "inputs(tx=2,position=1)"},
    {"INSERT INTO inputs VALUES (99, 0, 1, 1)", "inputs(tx=99,position=0)"},
    {"INSERT INTO inputs VALUES (0, 0, 1, 1)", "inputs(tx=0,position=0)"},

    {"INSERT INTO convictions VALUES (5, 1, 6, 'commit', 1, 4)", "convictions(height=5,replica=1)"},
    {"INSERT INTO stakes VALUES (0, 0, 1000, 0, 127, 1)", "stakes(height=0,replica=0)"},

    {"UPDATE certificates SET height = 2 WHERE height = 3", "certificates(height=2)"},
    {"UPDATE certificates SET height = 12 WHERE height = 10", "certificates(height=10)"},
    {"UPDATE certificates SET kind = 'checkpoint' WHERE height = 3", "certificates(height=3).kind"},
    {"UPDATE certificates SET kind = 'commit' WHERE height = 4", "certificates(height=4).kind"},
    {"UPDATE certificates SET view = 4 WHERE height = 3", "certificates(height=3).view"},
    {"UPDATE certificates SET block = zeroblob(32) WHERE height = 3", "certificates(height=3).block"},
    {"UPDATE certificates SET certificate = x'00' WHERE height = 3", "certificates(height=3).certificate"},
    {"UPDATE certificates SET certificate = (SELECT certificate FROM certificates WHERE height = 7)"
     " WHERE height = 3",
     "certificates(height=3).certificate"},
    {"UPDATE certificates SET certificate = CAST(substr(certificate, 1, length(certificate) - 1) || x'77' AS "
     "BLOB)"
     " WHERE height = 7",
     "certificates(height=7).certificate"},
    {"DELETE FROM certificates WHERE height = 3", "certificates(height=3)"},
    {"DELETE FROM certificates WHERE height = 10", "certificates(height=10)"},
    {"INSERT INTO certificates SELECT 2, kind, view, block, certificate FROM certificates WHERE height = 3",
     "certificates(height=2)"},
    {"INSERT INTO certificates SELECT 11, kind, view, block, certificate FROM certificates WHERE height = 3",
     "certificates(height=11)"},

    {"PRAGMA ignore_check_constraints = ON; INSERT INTO certificates SELECT 0, kind, view, block, certificate"
     " FROM certificates WHERE height = 3",
     "certificates(height=0)"},

    {"INSERT INTO signers VALUES (0, 3, zeroblob(64))", "signers(height=0,replica=3)"},
    {"UPDATE signers SET height = 2 WHERE height = 3 AND replica = 1", "signers(height=2,replica=1)"},
    {"UPDATE signers SET replica = 3 WHERE height = 3 AND replica = 1", "signers(height=3,replica=3)"},
    {"UPDATE signers SET signature = zeroblob(64) WHERE height = 3 AND replica = 1",
     "signers(height=3,replica=1).signature"},
    {"DELETE FROM signers WHERE height = 3 AND replica = 1", "signers(height=3,replica=1)"},
    {"INSERT INTO signers VALUES (3, 3, zeroblob(64))", "signers(height=3,replica=3)"},
    {"INSERT INTO signers VALUES (99, 3, zeroblob(64))", "signers(height=99,replica=3)"},

    {"UPDATE journal SET seq = 9 WHERE seq = 3", "journal(seq=3)"},
    {"UPDATE journal SET kind = 'stable' WHERE seq = 2", "journal(seq=2).kind"},
    {"UPDATE journal SET entry = x'00' WHERE seq = 2", "journal(seq=2).entry"},
    {"UPDATE journal SET entry = (SELECT entry FROM journal WHERE seq = 1) WHERE seq = 2",
     "journal(seq=2).link"},
    {"UPDATE journal SET link = zeroblob(32) WHERE seq = 2", "journal(seq=2).link"},
    {"DELETE FROM journal WHERE seq = 2", "journal(seq=2)"},
    {"DELETE FROM journal WHERE seq = 5", "meta(key='journal_count').value"},
    {"DELETE FROM journal WHERE seq = 5", "evidence(seq=5)"},
    {"DELETE FROM journal WHERE seq = 3", "culprits(seq=3,replica=2)"},
    {"INSERT INTO journal SELECT 6, kind, entry, link FROM journal WHERE seq = 1", "journal(seq=6).link"},
    {"INSERT INTO journal SELECT 0, kind, entry, link FROM journal WHERE seq = 1", "journal(seq=0)"},

    {"UPDATE evidence SET seq = 9 WHERE seq = 4", "evidence(seq=4)"},
    {"UPDATE evidence SET seq = 9 WHERE seq = 4", "evidence(seq=9)"},
    {"UPDATE evidence SET kind = 'fork' WHERE seq = 3", "evidence(seq=3).kind"},
    {"UPDATE evidence SET statement = 'prepare' WHERE seq = 3", "evidence(seq=3).statement"},
    {"UPDATE evidence SET statement = NULL WHERE seq = 3", "evidence(seq=3).statement"},
    {"UPDATE evidence SET statement = 'commit' WHERE seq = 5", "evidence(seq=5).statement"},
    {"UPDATE evidence SET view = 1 WHERE seq = 3", "evidence(seq=3).view"},
    {"UPDATE evidence SET view = NULL WHERE seq = 3", "evidence(seq=3).view"},
    {"UPDATE evidence SET view = 0 WHERE seq = 5", "evidence(seq=5).view"},
    {"UPDATE evidence SET height = 8 WHERE seq = 3", "evidence(seq=3).height"},
    {"UPDATE evidence SET height = 98 WHERE seq = 4", "evidence(seq=4).height"},
    {"UPDATE evidence SET height = 1 WHERE seq = 5", "evidence(seq=5).height"},
    {"UPDATE evidence SET first = second WHERE seq = 3", "evidence(seq=3).first"},
    {"UPDATE evidence SET first = x'' WHERE seq = 5", "evidence(seq=5).first"},
    {"UPDATE evidence SET second = zeroblob(32) WHERE seq = 4", "evidence(seq=4).second"},
    {"UPDATE evidence SET second = NULL WHERE seq = 5", "evidence(seq=5).second"},
    {"UPDATE evidence SET signer = zeroblob(20) WHERE seq = 5", "evidence(seq=5).signer"},
    {"UPDATE evidence SET signer = NULL WHERE seq = 5", "evidence(seq=5).signer"},
    {"UPDATE evidence SET signer = zeroblob(20) WHERE seq = 3", "evidence(seq=3).signer"},
    {"UPDATE evidence SET output_tx = zeroblob(32) WHERE seq = 5", "evidence(seq=5).output_tx"},
    {"UPDATE evidence SET output_position = 1 WHERE seq = 5", "evidence(seq=5).output_position"},
    {"UPDATE evidence SET output_position = 0 WHERE seq = 4", "evidence(seq=4).output_position"},
    {"DELETE FROM evidence WHERE seq = 3", "evidence(seq=3)"},
    {"DELETE FROM evidence WHERE seq = 5", "evidence(seq=5)"},
    {"DELETE FROM evidence", "evidence(seq=4)"},
    {"INSERT INTO evidence SELECT 2, kind, statement, view, height, first, second, signer, output_tx, "
     "output_position FROM evidence WHERE seq = 3",
     "evidence(seq=2)"},
    {"INSERT INTO evidence SELECT -1, kind, statement, view, height, first, second, signer, output_tx, "
     "output_position FROM evidence WHERE seq = 5",
     "evidence(seq=-1)"},

    {"UPDATE culprits SET seq = 5 WHERE seq = 3", "culprits(seq=5,replica=2)"},
    {"UPDATE culprits SET seq = 5 WHERE seq = 3", "culprits(seq=3,replica=2)"},
    {"UPDATE culprits SET replica = 3 WHERE seq = 3", "culprits(seq=3,replica=3)"},
    {"UPDATE culprits SET replica = 3 WHERE seq = 3", "culprits(seq=3,replica=2)"},
    {"DELETE FROM culprits WHERE seq = 4 AND replica = 1", "culprits(seq=4,replica=1)"},
    {"INSERT INTO culprits VALUES (4, 0)", "culprits(seq=4,replica=0)"},
    {"INSERT INTO culprits VALUES (5, 0)", "culprits(seq=5,replica=0)"},

    {"UPDATE replicas SET replica = 4 WHERE replica = 3", "replicas(replica=3)"},
    {"UPDATE replicas SET replica = 4 WHERE replica = 3", "replicas(replica=4)"},
    {"UPDATE replicas SET name = 'honest' WHERE replica = 2", "replicas(replica=2).name"},
    {"UPDATE replicas SET key = zeroblob(32) WHERE replica = 2", "replicas(replica=2).key"},
    {"UPDATE replicas SET account = zeroblob(20) WHERE replica = 2", "replicas(replica=2).account"},
    {"DELETE FROM replicas WHERE replica = 0", "replicas(replica=0)"},
    {"DELETE FROM replicas", "replicas(replica=3)"},
    {"INSERT INTO replicas VALUES (4, 'fifth', zeroblob(32), NULL)", "replicas(replica=4)"},

    {"DROP INDEX transactions_txid", "schema.index transactions_txid"},
    {"DROP INDEX outputs_unspent; CREATE INDEX outputs_unspent ON outputs(owner)",
     "schema.index outputs_unspent"},
    /* Two indexes with each other's content: only SELECTs that use them are wrong. */
    {"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT sum(rootpage) FROM "
     "sqlite_schema"
     " WHERE name IN ('journal_kind', 'blocks_hash')) - rootpage WHERE name IN ('journal_kind', "
     "'blocks_hash')",
     "file"},
    {"CREATE INDEX mine ON outputs(amount)", "schema.index mine"},
    {"CREATE TRIGGER t AFTER INSERT ON blocks BEGIN DELETE FROM journal; END", "schema.trigger t"},
    {"CREATE TABLE notes (x)", "schema.table notes"},
    {"DROP VIEW balances; CREATE VIEW balances AS SELECT owner, 1 AS amount FROM outputs",
     "schema.view balances"},
    {"DROP VIEW balances", "schema.view balances"},
    {"ALTER TABLE blocks ADD COLUMN note TEXT", "schema.table blocks"},
    {"DROP TABLE signers", "schema.table signers"},
    {"DROP TABLE meta", "schema.table meta"},
    {"PRAGMA user_version = 9", "PRAGMA user_version"},
    {"PRAGMA application_id = 9", "PRAGMA application_id"},
    {"PRAGMA ignore_check_constraints = ON; UPDATE outputs SET amount = -1 WHERE tx = 2",
     "outputs(tx=2,position=0).amount"},
};

static void finds_every_edit_where_it_was_made(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i].sql);
		struct audit_report r = audit_copy(f);
		if (r.ok || !find(&r, 0, -1, edits[i].where)) {
			print_findings(&r);
			fail_msg("not found at %s: %s", edits[i].where, edits[i].sql);
		}
		audit_report_free(&r);
	}
}

/* Most edits are one finding, two at most: a report is to be read. */
static void says_little_about_one_edit(void **state)
{
	struct fixture *f = *state;
	static const char *const quiet[] = {
	    "UPDATE outputs SET amount = 7 WHERE tx = 2",
	    "UPDATE journal SET entry = (SELECT entry FROM journal WHERE seq = 2) WHERE seq = 1",
	    "UPDATE blocks SET hash = zeroblob(32) WHERE height = 5",
	    "DELETE FROM transactions WHERE seq = 5",
	    "DELETE FROM certificates WHERE height = 3",
	    "PRAGMA ignore_check_constraints = ON; INSERT INTO certificates SELECT 0, kind, view, block, "
	    "certificate"
	    " FROM certificates WHERE height = 3",
	};

	for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++) {
		fresh_copy(state);
		edit(&f->copy, quiet[i]);
		struct audit_report r = audit_copy(f);
		if (r.ledgers[0].finding_cnt < 1 || r.ledgers[0].finding_cnt > 4) {
			print_findings(&r);
			fail_msg("%s", quiet[i]);
		}
		audit_report_free(&r);
	}
}

static void keeps_a_hundred_findings_and_counts_the_rest(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)"
	               " INSERT INTO meta SELECT 'x' || i, i FROM n");
	struct audit_report r = audit_copy(f);
	assert_false(r.ok);
	assert_int_equal(r.ledgers[0].finding_cnt, AUDIT_FINDINGS_MAX);
	assert_int_equal(r.ledgers[0].finding_more, 50);
	audit_report_free(&r);
}

static void control_characters_of_a_file_do_not_reach_the_report(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "INSERT INTO meta VALUES ('a' || char(27, 10, 233), 1)");
	struct audit_report r = audit_copy(f);
	assert_found(&r, 0, AUDIT_EXTRA,
	             "meta(key='a?"
	             "??"
	             "?')");
	audit_report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(finds_every_edit_where_it_was_made),
	    TEST(says_little_about_one_edit),
	    TEST(keeps_a_hundred_findings_and_counts_the_rest),
	    TEST(control_characters_of_a_file_do_not_reach_the_report),
	};

	return cmocka_run_group_tests_name("audit_edits", tests, make_fixture, drop_fixture);
}
