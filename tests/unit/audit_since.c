/*
 * The audit from a checkpoint on: what it proves without looking at what is below, and what it does not see.
 *
 * Links: q_ledger
 */
#include "audited.h"

/* The fixture's journal has a stable checkpoint of height 4, and so has the table of certificates. */
#define BASE 4

static struct audit_report audit_since(const struct fixture *f, unsigned since)
{
	struct audit_options poor = {.threads = 2, .since = {since}, .outputs_kept = 1},
	                     options = {.threads = 2, .since = {since}};
	const char *path = f->copy.path;
	struct audit_report r = audit_with(f, &path, 1, &options), twice = audit_with(f, &path, 1, &poor);

	assert_true(same_findings(&r.ledgers[0], &twice.ledgers[0]));
	audit_report_free(&twice);
	return r;
}

static void begins_at_the_newest_checkpoint_below(void **state)
{
	struct fixture *f = *state;

	for (unsigned since = 0; since <= HEIGHT + 2; since++) {
		struct audit_report r = audit_since(f, since);
		assert_clean(&r);
		assert_int_equal(r.ledgers[0].since.n, since < BASE ? 0 : BASE);
		assert_int_equal(r.height.n, HEIGHT);
		assert_int_equal(r.transactions, since < BASE ? 11 : 6);
		audit_report_free(&r);
	}
}

/* Of both places that a checkpoint stands in, each is enough. */
static void takes_a_checkpoint_from_the_journal_or_from_the_certificates(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "DELETE FROM journal; UPDATE meta SET value = 0 WHERE key = 'journal_count';"
	               "UPDATE meta SET value = zeroblob(32) WHERE key = 'journal_link';"
	               "DELETE FROM evidence; DELETE FROM culprits");
	struct audit_report r = audit_since(f, HEIGHT);
	assert_clean(&r);
	assert_int_equal(r.ledgers[0].since.n, BASE);
	audit_report_free(&r);

	fresh_copy(state);
	edit(&f->copy, "DELETE FROM certificates WHERE height = 4; DELETE FROM signers WHERE height = 4");
	r = audit_since(f, HEIGHT);
	assert_clean(&r);
	assert_int_equal(r.ledgers[0].since.n, BASE);
	audit_report_free(&r);
}

/* ---- below ----------------------------------------------------------------------------------- */

/* History that is no part of the state goes unseen: that is what `since` means. */
static void does_not_see_edits_of_the_history_below(void **state)
{
	static const char *const edits[] = {
	    "UPDATE transactions SET memo = x'00' WHERE seq = 2",
	    "UPDATE transactions SET raw = x'00' WHERE seq <= 5",
	    "UPDATE outputs SET amount = 7 WHERE tx = 1 AND position = 0",
	    "UPDATE blocks SET proposer = 3 WHERE height = 4",
	    "UPDATE blocks SET header = x'00' WHERE height <= 2",
	    "UPDATE certificates SET certificate = x'00' WHERE height = 3",
	    "DELETE FROM blocks WHERE height < 3; DELETE FROM inputs WHERE tx <= 5",
	    "DELETE FROM outputs WHERE spent_by <= 5",
	    "DELETE FROM signers WHERE height <= 4",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i]);
		struct audit_report r = audit_since(f, HEIGHT);
		if (!r.ok || r.ledgers[0].finding_cnt > 0) {
			print_findings(&r);
			fail_msg("%s", edits[i]);
		}
		assert_int_equal(r.ledgers[0].since.n, BASE);
		audit_report_free(&r);
		r = audit_copy(f);
		assert_false(r.ok);
		audit_report_free(&r);
	}
}

/* What is unspent at the checkpoint is in its digest: each row, with its transaction's id and height. */
static void finds_that_the_state_below_is_not_what_was_signed(void **state)
{
	static const char *const edits[] = {
	    "UPDATE outputs SET amount = amount + 1 WHERE tx = 2",
	    "UPDATE outputs SET owner = zeroblob(20) WHERE tx = 2",
	    "UPDATE outputs SET owner = x'00' WHERE tx = 2",
	    "UPDATE outputs SET amount = 9223372036854775807 WHERE tx = 2",
	    "UPDATE outputs SET amount = amount + 1 WHERE tx = 0 AND position = 1",
	    "UPDATE outputs SET spent_by = 3 WHERE tx = 2",
	    "UPDATE outputs SET spent_by = NULL WHERE tx = 1 AND position = 0",
	    "UPDATE outputs SET lock = 'stake', replica = 0 WHERE tx = 2",
	    "UPDATE outputs SET position = 4294967296 WHERE tx = 2",
	    "UPDATE outputs SET position = 1 WHERE tx = 2",
	    "UPDATE outputs SET position = -1 WHERE tx = 2",
	    "UPDATE transactions SET txid = zeroblob(32) WHERE seq = 2",
	    "UPDATE transactions SET txid = zeroblob(33) WHERE seq = 2",
	    "UPDATE transactions SET height = 2 WHERE seq = 2",
	    "UPDATE transactions SET height = 5 WHERE seq = 2",
	    "UPDATE transactions SET height = -1 WHERE seq = 2",
	    "UPDATE blocks SET first_tx = 1 WHERE height = 4",
	    "UPDATE blocks SET first_tx = 6 WHERE height = 4",
	    "DELETE FROM outputs WHERE tx = 2",
	    "DELETE FROM transactions WHERE seq = 2",
	    "INSERT INTO outputs VALUES (3, 7, zeroblob(20), 5, NULL, NULL, NULL)",
	    "INSERT INTO convictions VALUES (3, 1, 3, 'commit', 1, 2)",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i]);
		struct audit_report r = audit_since(f, HEIGHT);
		if (r.ok || !find(&r, 0, AUDIT_DIGEST, "journal(seq=2).entry") ||
		    !find(&r, 0, AUDIT_UNCHECKED, "blocks(height=5)") || r.ledgers[0].finding_cnt != 2) {
			print_findings(&r);
			fail_msg("%s", edits[i]);
		}
		assert_int_equal(r.ledgers[0].standing, STANDING_TAMPERED);
		assert_int_equal(r.height.n, BASE);
		audit_report_free(&r);
	}
}

static void a_spender_above_is_held_against_rows_below(void **state)
{
	static const struct {
		const char *sql, *where;
	} edits[] = {
	    {"UPDATE outputs SET spent_by = 8 WHERE tx = 5", "outputs(tx=5,position=0).spent_by"},
	    {"UPDATE outputs SET spent_by = NULL WHERE tx = 5", "outputs(tx=5,position=0).spent_by"},
	    {"UPDATE outputs SET spent_by = 99 WHERE tx = 2", "outputs(tx=2,position=0).spent_by"},
	    {"UPDATE outputs SET spent_by = 11 WHERE tx = 2", "outputs(tx=2,position=0).spent_by"},
	    {"UPDATE inputs SET source_tx = 4 WHERE tx = 6", "inputs(tx=6,position=0).source_tx"},
	    {"DELETE FROM inputs WHERE tx = 6", "inputs(tx=6,position=0)"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i].sql);
		struct audit_report r = audit_since(f, HEIGHT);
		if (r.ok || !find(&r, 0, -1, edits[i].where) || r.ledgers[0].finding_cnt != 1) {
			print_findings(&r);
			fail_msg("%s", edits[i].sql);
		}
		assert_int_equal(r.height.n, HEIGHT);
		audit_report_free(&r);
	}
}

/* ---- the checkpoint ---------------------------------------------------------------------------- */

/* Of the block that stands at 7, and of a state that somebody made up. */
static void put_forged_certificate(const struct fixture *f)
{
	struct qvote vote = {.height = {7}, .block = f->chain.blocks[7]->hash, .state = rules_hash(9)};
	struct qcert cert = rules_cert(&f->copy.rules, QCHECKPOINT, &vote, 7);

	cert.sigs.sigs_val[1].sig.b[7] ^= 1;
	struct bytes bytes = rules_encode(WIRE(qcert), &cert);
	char *hex = xcalloc(2 * bytes.len + 1, 1);
	char *sql =
	    sqlite3_mprintf("UPDATE certificates SET kind = 'checkpoint', view = 0, certificate = x'%s' "
	                    "WHERE height = 7",
	                    hex_encode(hex, bytes.data, bytes.len));
	edit(&f->copy, sql);
	sqlite3_free(sql);
	free(hex);
	bytes_free(&bytes);
	wire_free(WIRE(qcert), &cert);
}

/* Certificates of a state that somebody made up, with a signature that is none. */
static void finds_a_forged_checkpoint_and_begins_below_it(void **state)
{
	struct fixture *f = *state;

	put_forged_certificate(f);
	struct audit_report r = audit_since(f, HEIGHT);
	assert_found(&r, 0, AUDIT_CERTIFICATE, "certificates(height=7).certificate");
	assert_int_equal(r.ledgers[0].since.n, BASE);
	assert_int_equal(r.height.n, HEIGHT);
	audit_report_free(&r);
	fresh_copy(state);
	edit(&f->copy, "UPDATE certificates SET kind = 'checkpoint', certificate = (SELECT certificate FROM "
	               "certificates WHERE height = 4) WHERE height = 7");
	r = audit_since(f, HEIGHT);
	assert_found(&r, 0, AUDIT_CERTIFICATE, "certificates(height=7).certificate");
	assert_int_equal(r.ledgers[0].since.n, BASE);
	audit_report_free(&r);

	struct qvote vote = {.height = {8}, .block = f->chain.blocks[8]->hash, .state = rules_hash(9)};
	struct qjournal forged = {.kind = QJ_STABLE,
	                          .qjournal_u.stable = rules_cert(&f->copy.rules, QCHECKPOINT, &vote, 7)};
	fresh_copy(state);
	forged.qjournal_u.stable.sigs.sigs_val[1].sig.b[7] ^= 1;
	struct ledger *l = open_ledger(&f->copy);
	journal(l, forged);
	commit(l);
	ledger_close(l);
	r = audit_since(f, HEIGHT);
	assert_int_equal(count_of(&r, 0, AUDIT_JOURNAL), 1);
	assert_int_equal(r.ledgers[0].finding_cnt, 1);
	assert_int_equal(r.ledgers[0].since.n, BASE);
	audit_report_free(&r);
}

/* It holds, but is for another block: the replay from the one below says so. */
static void finds_a_checkpoint_of_another_block_and_begins_below_it(void **state)
{
	struct fixture *f = *state;
	struct qvote vote = {.height = {8}, .block = rules_hash(3), .state = rules_hash(9)};
	struct ledger *l = open_ledger(&f->copy);

	journal(l, (struct qjournal){.kind = QJ_STABLE,
	                             .qjournal_u.stable = rules_cert(&f->copy.rules, QCHECKPOINT, &vote, 7)});
	commit(l);
	ledger_close(l);
	struct audit_report r = audit_since(f, HEIGHT);
	assert_found(&r, 0, AUDIT_CONFLICT, "journal(seq=6).entry");
	assert_int_equal(r.ledgers[0].since.n, BASE);
	audit_report_free(&r);
}

static void a_header_that_is_not_the_checkpoints_is_found_from_below(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy,
	     "UPDATE blocks SET header = (SELECT header FROM blocks WHERE height = 3) WHERE height = 4");
	struct audit_report r = audit_since(f, HEIGHT);
	assert_found(&r, 0, AUDIT_LINKAGE, "blocks(height=4).header");
	assert_int_equal(r.ledgers[0].since.n, 0);
	audit_report_free(&r);
}

/* ---- above --------------------------------------------------------------------------------------- */

static void finds_a_double_spend_of_what_was_spent_below_or_above(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput out = to(6, 400), genesis = to(6, 1000);
	const struct {
		struct tx *tx;
		int source, position;
		const char *spender; /* by transactions(seq=...) */
	} cases[] = {
	    {spend(r, 1, output_of(f->chain.blocks[1]->txs[0], 1), &out, 1), 1, 1, "transactions(seq=3)"},
	    {spend(r, 1, (struct qoutpoint){r->g.txid, 0}, &genesis, 1), 0, 0, "transactions(seq=1)"},
	};

	for (size_t i = 0; i < 2; i++) {
		struct tx *again = cases[i].tx;
		struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &again, 1);
		fresh_copy(state);
		forge_block(&f->copy, b, 11, 12, cases[i].source, cases[i].position);
		struct audit_report report = audit_since(f, HEIGHT);
		const struct audit_finding *x = find(&report, 0, AUDIT_DOUBLE_SPEND, "transactions(seq=12)");
		assert_non_null(x);
		assert_non_null(strstr(x->message, cases[i].spender));
		audit_report_free(&report);
		block_unref(b);
	}
}

/* Edits above the checkpoint are found as ever. */
static void finds_edits_above(void **state)
{
	static const struct {
		const char *sql, *where;
	} edits[] = {
	    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 5", "blocks(height=5).hash"},
	    {"UPDATE blocks SET certified_by = 8 WHERE height = 5", "blocks(height=5).certified_by"},
	    {"DELETE FROM blocks WHERE height = 5", "blocks(height=5)"},
	    {"UPDATE transactions SET txid = zeroblob(32) WHERE seq = 6", "transactions(seq=6).txid"},
	    {"UPDATE outputs SET amount = 7 WHERE tx = 6", "outputs(tx=6,position=0).amount"},
	    {"DELETE FROM certificates WHERE height = 7", "certificates(height=7)"},
	    {"INSERT INTO outputs VALUES (6, 1, zeroblob(20), 5, NULL, NULL, NULL)",
	     "outputs(tx=6,position=1)"},
	    {"INSERT INTO stakes VALUES (5, 0, 1, 1, 1, 1)", "stakes(height=5,replica=0)"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i].sql);
		struct audit_report r = audit_since(f, HEIGHT);
		if (r.ok || !find(&r, 0, -1, edits[i].where))
			fail_msg("%s", edits[i].sql);
		audit_report_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(begins_at_the_newest_checkpoint_below),
	    TEST(takes_a_checkpoint_from_the_journal_or_from_the_certificates),
	    TEST(does_not_see_edits_of_the_history_below),
	    TEST(finds_that_the_state_below_is_not_what_was_signed),
	    TEST(a_spender_above_is_held_against_rows_below),
	    TEST(finds_a_forged_checkpoint_and_begins_below_it),
	    TEST(finds_a_checkpoint_of_another_block_and_begins_below_it),
	    TEST(a_header_that_is_not_the_checkpoints_is_found_from_below),
	    TEST(finds_a_double_spend_of_what_was_spent_below_or_above),
	    TEST(finds_edits_above),
	};

	return cmocka_run_group_tests_name("audit_since", tests, make_fixture, drop_fixture);
}
