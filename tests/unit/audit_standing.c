/*
 * What became of a ledger, in a word: sound, behind, damaged, tampered, betrayed or forked; the gravest that
 * is certain.
 *
 * Links: q_ledger
 */
#include "audited.h"

/* The last signature holds no more. */
#define SPOIL_CERTIFICATES                                                                               \
	"UPDATE certificates SET certificate = CAST(substr(certificate, 1, length(certificate) - 4) || " \
	"x'00000000' AS BLOB)"

static void assert_standing(const struct audit_report *r, size_t ledger, enum audit_standing want)
{
	enum audit_standing is = r->ledgers[ledger].standing;

	if (is != want) {
		print_findings(r);
		fail_msg("ledger %zu is %s, not %s", ledger, audit_standing_name(is),
		         audit_standing_name(want));
	}
}

static void assert_copy_is(const struct fixture *f, enum audit_standing want)
{
	struct audit_report r = audit_copy(f);

	assert_standing(&r, 0, want);
	assert_int_equal(r.ledgers[0].ok, want == STANDING_SOUND || want == STANDING_BEHIND);
	audit_report_free(&r);
}

/* ---- sound, behind ------------------------------------------------------------------ */

static void an_honest_ledger_is_sound(void **state)
{
	assert_copy_is(*state, STANDING_SOUND);
}

static void a_ledger_that_others_are_ahead_of_is_behind(void **state)
{
	struct fixture *f = *state;

	end_ledger(start_other(f, 7));
	struct audit_report r = audit(f, (const char *[]){f->other.path, f->copy.path}, 2);
	assert_true(r.ok);
	assert_standing(&r, 0, STANDING_BEHIND);
	assert_standing(&r, 1, STANDING_SOUND);
	audit_report_free(&r);
}

static void a_ledger_whose_journal_knows_more_is_behind(void **state)
{
	struct fixture *f = *state;
	struct ledger *l = start_other(f, 3);

	journal(l, (struct qjournal){.kind = QJ_STABLE,
	                             .qjournal_u.stable = checkpoint_at(&f->other.rules, &f->chain, 4)});
	end_ledger(l);
	struct audit_report r = audit(f, (const char *[]){f->other.path}, 1);
	assert_standing(&r, 0, STANDING_BEHIND);
	audit_report_free(&r);
}

/* ---- tampered ----------------------------------------------------------------------- */

static void whatever_its_operator_changes_is_tampered(void **state)
{
	static const char *const edits[] = {
	    "UPDATE outputs SET amount = amount + 1 WHERE tx = 5",
	    "UPDATE outputs SET spent_by = NULL WHERE tx = 5",
	    "DELETE FROM transactions WHERE seq = 5",
	    "UPDATE transactions SET raw = x'00' WHERE seq = 5",
	    "UPDATE transactions SET raw = zeroblob(77) WHERE seq = 5",
	    "INSERT INTO inputs VALUES (11, 1, 5, 0)",
	    "DELETE FROM certificates WHERE height = 7",
	    "DELETE FROM signers WHERE height = 7",
	    "UPDATE certificates SET certificate = zeroblob(9) WHERE height = 7",
	    "UPDATE blocks SET header = x'00' WHERE height = 5",
	    "UPDATE blocks SET header = (SELECT header FROM blocks WHERE height = 6) WHERE height = 5",
	    "UPDATE blocks SET time_ms = 7 WHERE height = 5",
	    "UPDATE journal SET entry = zeroblob(8) WHERE seq = 2",
	    "DELETE FROM journal WHERE seq = 2",
	    "DELETE FROM meta WHERE key = 'journal_link'",
	    "DROP INDEX blocks_hash",
	    "DROP TABLE signers",
	    "CREATE TABLE mine (x)",
	    "PRAGMA ignore_check_constraints = ON; UPDATE outputs SET amount = -1 WHERE tx = 5",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i]);
		assert_copy_is(f, STANDING_TAMPERED);
	}
}

/* Block 5 with another time, or an invalid transaction: what follows is as it was, and no quorum signed it.
 */
static void a_rule_broken_without_a_quorum_is_tampered(void **state)
{
	struct fixture *f = *state;
	struct qoutput out = to(6, 251);
	struct tx *more = spend(&f->copy.rules, 5, output_of(f->chain.blocks[HEIGHT]->txs[0], 0), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &more, 1);

	forge_block(&f->copy, b, 11, 12, 11, 0);
	edit(&f->copy, SPOIL_CERTIFICATES " WHERE height = 11");
	assert_copy_is(f, STANDING_TAMPERED);
	block_unref(b);
}

/* ---- damaged ---------------------------------------------------------------------------------------------
 */

static void scribble(const struct fixture *f)
{
	int64_t page = place_ask(&f->copy, "PRAGMA page_size");
	int64_t root = place_ask(&f->copy, "SELECT rootpage FROM sqlite_schema WHERE name = 'blocks_hash'");

	place_scribble(&f->copy, (off_t)((root - 1) * page), (size_t)page);
}

static void a_broken_file_is_damaged(void **state)
{
	struct fixture *f = *state;

	scribble(f);
	assert_copy_is(f, STANDING_DAMAGED);
}

/* What is wrong beside may be wrong because of it. */
static void of_a_broken_file_no_more_is_certain(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "UPDATE outputs SET amount = amount + 1 WHERE tx = 5");
	scribble(f);
	assert_copy_is(f, STANDING_DAMAGED);
}

/* ---- betrayed ----------------------------------------------------------------------- */

/* Block 11 of one transaction, with a certificate that holds. */
static void forge_tx(struct fixture *f, struct tx *tx, int source_tx, int source_position)
{
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &tx, 1);

	forge_block(&f->copy, b, 11, 12, source_tx, source_position);
	block_unref(b);
}

static void a_certified_double_spend_is_betrayal(void **state)
{
	struct fixture *f = *state;
	struct qoutput out = to(6, 400);

	forge_tx(f, spend(&f->copy.rules, 1, output_of(f->chain.blocks[1]->txs[0], 1), &out, 1), 1, 1);
	assert_copy_is(f, STANDING_BETRAYED);
	edit(&f->copy, "UPDATE outputs SET amount = 7 WHERE tx = 5"); /* and its operator is no better */
	assert_copy_is(f, STANDING_BETRAYED);
	scribble(f);
	assert_copy_is(f, STANDING_BETRAYED);
}

static void a_certified_theft_is_betrayal(void **state)
{
	struct fixture *f = *state;
	struct qoutput out = to(6, 250);

	forge_tx(f, spend(&f->copy.rules, 6, output_of(f->chain.blocks[HEIGHT]->txs[0], 0), &out, 1), 11, 0);
	assert_copy_is(f, STANDING_BETRAYED);
}

/* Block 4 of the honest chain's transaction, which `spoil` may change with its header; certified. */
static void append_spoilt(struct fixture *f, void (*spoil)(struct qheader *h), bool bad_signature)
{
	const struct rules *r = &f->other.rules;
	struct ledger *l = start_other(f, 3);
	struct block *good = tail_block(r, 4, f->chain.blocks[3], 5);
	struct bytes raw = {xmemdup(good->txs[0]->raw, good->txs[0]->raw_len), good->txs[0]->raw_len};
	enum tx_verdict v;

	if (bad_signature)
		rules_flip(&raw, 8 * raw.len - 200); /* in the signature's s */
	struct tx *tx = tx_parse(&r->g.chain, raw.data, raw.len, &v);
	struct block *made = make_block(4, f->chain.blocks[3]->hash, &tx, 1);
	struct qheader header = made->header;
	if (spoil)
		spoil(&header);
	struct block *b = with_header(made, &header);
	append(r, l, &b, 1);
	end_ledger(l);
	bytes_free(&raw);
	block_unref(good);
}

static enum audit_standing standing_of_other(const struct fixture *f)
{
	struct audit_report r = audit(f, (const char *[]){f->other.path}, 1);
	enum audit_standing s = r.ledgers[0].standing;

	assert_false(r.ok);
	audit_report_free(&r);
	return s;
}

static void set_old_time(struct qheader *h)
{
	h->time_ms = 1700000000003;
}
static void set_proposer(struct qheader *h)
{
	h->proposer = 4;
}
static void set_other_proposer(struct qheader *h)
{
	h->proposer = 2; /* of view 2; the certificates below are of view 3, this one's too, which is fine */
}
static void set_format(struct qheader *h)
{
	h->format = 2;
}
static void set_root(struct qheader *h)
{
	h->merkle_root = rules_hash(1);
}

static void certified_blocks_that_break_a_rule_are_betrayal(void **state)
{
	void (*const spoils[])(struct qheader *) = {set_old_time, set_proposer, set_format, NULL};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof spoils / sizeof *spoils; i++) {
		fresh_copy(state);
		append_spoilt(f, spoils[i], spoils[i] == NULL);
		assert_int_equal(standing_of_other(f), STANDING_BETRAYED);
		edit(&f->other, SPOIL_CERTIFICATES " WHERE height = 4");
		assert_int_equal(standing_of_other(f), STANDING_TAMPERED); /* it was not certified */
	}
	fresh_copy(state);
	append_spoilt(f, set_other_proposer, false);
	struct audit_report r = audit(f, (const char *[]){f->other.path}, 1);
	assert_standing(&r, 0, STANDING_SOUND);
	audit_report_free(&r);
}

/* What the header asks for may have been there: the rows are the operator's. */
static void transactions_that_are_not_the_header_s_are_tampering(void **state)
{
	struct fixture *f = *state;

	append_spoilt(f, set_root, false);
	assert_int_equal(standing_of_other(f), STANDING_TAMPERED);
}

/* Bytes that are no transaction, in a block that says so. */
static void certified_bytes_that_are_no_transaction_are_betrayal(void **state)
{
	struct fixture *f = *state;
	struct block *good = tail_block(&f->copy.rules, 11, f->chain.blocks[HEIGHT], 6);
	struct qheader header = good->header;
	struct qhash leaf;

	merkle_leaf("x", 1, &leaf);
	merkle_root(&leaf, 1, &header.merkle_root);
	struct block *b = block_new(&header, good->txs, 1);
	forge_block(&f->copy, b, 11, 12, 11, 0);
	edit(&f->copy, "UPDATE transactions SET raw = x'78' WHERE seq = 12");
	assert_copy_is(f, STANDING_BETRAYED);
	edit(&f->copy, "UPDATE transactions SET raw = x'79' WHERE seq = 12");
	assert_copy_is(f, STANDING_TAMPERED);
	block_unref(b);
	block_unref(good);
}

static void a_checkpoint_of_another_state_is_betrayal(void **state)
{
	struct fixture *f = *state;
	struct chain wrong = f->chain;
	struct ledger *l = start_other(f, 3);

	wrong.digests[4] = rules_hash(1);
	append_run(l, &f->chain, 4, 4, checkpoint_at(&f->other.rules, &wrong, 4));
	end_ledger(l);
	assert_int_equal(standing_of_other(f), STANDING_BETRAYED);
	place_remove(&f->other);
	l = start_other(f, 4); /* or in the journal */
	wrong.digests[4] = rules_hash(1);
	journal(l, (struct qjournal){.kind = QJ_STABLE,
	                             .qjournal_u.stable = checkpoint_at(&f->other.rules, &wrong, 4)});
	end_ledger(l);
	assert_int_equal(standing_of_other(f), STANDING_BETRAYED);
}

/* Block 11 is on 9: if 10 is certified, too, then a quorum signed both; else nothing that stands below 11 is
 * known to be its ancestor, and its transaction cannot be judged. */
static void above_a_broken_link_nothing_is_certain(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput out = to(6, 251);
	struct tx *more = spend(r, 5, output_of(f->chain.blocks[HEIGHT]->txs[0], 0), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[9]->hash, &more, 1);

	forge_block(&f->copy, b, 11, 12, 11, 0);
	assert_copy_is(f, STANDING_BETRAYED);
	edit(&f->copy, SPOIL_CERTIFICATES " WHERE height = 10");
	assert_copy_is(f, STANDING_TAMPERED);
	block_unref(b);
}

/* ---- forked ------------------------------------------------------------------------- */

/* Block 6 and 7 with another time; certified by those of the mask. */
static void write_fork(struct fixture *f, uint64_t mask)
{
	struct chain c = f->chain;
	struct ledger *l = start_other(f, 5);
	struct block *b = tail_block(&f->other.rules, 6, f->chain.blocks[5], 5);
	struct qheader h = b->header;

	h.time_ms += 500;
	c.blocks[6] = with_header(b, &h);
	struct qvote vote = {.view = {3}, .height = {6}, .block = c.blocks[6]->hash};
	append_run(l, &c, 6, 6, rules_cert(&f->other.rules, QCOMMIT, &vote, mask));
	end_ledger(l);
	block_unref(c.blocks[6]);
}

static void both_sides_of_a_fork_are_forked(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0xe);
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path, f->honest.path}, 3);
	for (size_t i = 0; i < 3; i++)
		assert_standing(&r, i, STANDING_FORKED);
	audit_report_free(&r);
	edit(&f->copy, "UPDATE outputs SET amount = 7 WHERE tx = 5");
	r = audit(f, (const char *[]){f->copy.path, f->other.path}, 2);
	assert_standing(&r, 0, STANDING_FORKED);
	audit_report_free(&r);
}

static void a_side_that_nobody_signed_is_tampered_and_the_other_sound(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0x2);
	struct audit_report r = audit(f, (const char *[]){f->other.path, f->copy.path}, 2);
	assert_true(r.diverged);
	assert_standing(&r, 0, STANDING_TAMPERED);
	assert_standing(&r, 1, STANDING_SOUND);
	audit_report_free(&r);
}

/* Alone, with a checkpoint of another block in its journal. */
static void a_ledger_may_show_the_fork_itself(void **state)
{
	struct fixture *f = *state;
	struct qvote vote = {.height = {4}, .block = rules_hash(1), .state = rules_hash(2)};
	struct ledger *l = start_other(f, 6);

	journal(l,
	        (struct qjournal){.kind = QJ_STABLE,
	                          .qjournal_u.stable = rules_cert(&f->other.rules, QCHECKPOINT, &vote, 7)});
	end_ledger(l);
	assert_int_equal(standing_of_other(f), STANDING_FORKED);
	edit(&f->other, SPOIL_CERTIFICATES);
	assert_int_equal(standing_of_other(f), STANDING_TAMPERED);
}

/* ---- words -------------------------------------------------------------------------- */

static void every_standing_has_a_name_and_a_meaning(void **state)
{
	static const char *const names[] = {"sound", "behind", "damaged", "tampered", "betrayed", "forked"};

	(void)state;
	for (int s = STANDING_SOUND; s <= STANDING_FORKED; s++) {
		assert_string_equal(audit_standing_name((enum audit_standing)s), names[s]);
		assert_true(strlen(audit_standing_meaning((enum audit_standing)s)) > 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_honest_ledger_is_sound),
	    TEST(a_ledger_that_others_are_ahead_of_is_behind),
	    TEST(a_ledger_whose_journal_knows_more_is_behind),
	    TEST(whatever_its_operator_changes_is_tampered),
	    TEST(a_rule_broken_without_a_quorum_is_tampered),
	    TEST(a_broken_file_is_damaged),
	    TEST(of_a_broken_file_no_more_is_certain),
	    TEST(a_certified_double_spend_is_betrayal),
	    TEST(a_certified_theft_is_betrayal),
	    TEST(certified_blocks_that_break_a_rule_are_betrayal),
	    TEST(transactions_that_are_not_the_header_s_are_tampering),
	    TEST(certified_bytes_that_are_no_transaction_are_betrayal),
	    TEST(a_checkpoint_of_another_state_is_betrayal),
	    TEST(above_a_broken_link_nothing_is_certain),
	    TEST(both_sides_of_a_fork_are_forked),
	    TEST(a_side_that_nobody_signed_is_tampered_and_the_other_sound),
	    TEST(a_ledger_may_show_the_fork_itself),
	    TEST(every_standing_has_a_name_and_a_meaning),
	};

	return cmocka_run_group_tests_name("audit_standing", tests, make_fixture, drop_fixture);
}
