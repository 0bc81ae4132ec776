/*
 * The audit: passes what is honest, and finds what no comparison of columns shows; several ledgers side by
 * side.
 *
 * Links: q_ledger
 */
#include "audited.h"

static void passes_an_honest_ledger(void **state)
{
	struct fixture *f = *state;
	struct audit_report r = audit_copy(f);

	assert_clean(&r);
	assert_int_equal(r.height.n, HEIGHT);
	assert_int_equal(r.transactions, 11);
	assert_int_equal(r.double_spends, 0);
	assert_true(r.ledgers[0].ok);
	audit_report_free(&r);
}

static void passes_a_ledger_that_holds_only_the_genesis(void **state)
{
	struct fixture *f = *state;

	ledger_close(open_ledger(&f->other));
	struct audit_report r = audit(f, (const char *[]){f->other.path}, 1);
	assert_clean(&r);
	assert_int_equal(r.height.n, 0);
	audit_report_free(&r);
}

/* ---- what no column comparison shows ----------------------------------------------------------- */

/* Block 4 with a transaction whose signature was spoilt before the root was made: certified, and still wrong.
 */
static void write_badly_signed(struct fixture *f)
{
	const struct rules *r = &f->other.rules;
	struct ledger *l = start_other(f, 3);
	struct block *good = tail_block(r, 4, f->chain.blocks[3], 5);
	struct bytes raw = {xmemdup(good->txs[0]->raw, good->txs[0]->raw_len), good->txs[0]->raw_len};
	enum tx_verdict v;

	rules_flip(&raw, 8 * raw.len - 200); /* in the signature's s */
	struct tx *bad = tx_parse(&r->g.chain, raw.data, raw.len, &v);
	assert_non_null(bad);
	assert_false(tx_verify(&r->g, bad));
	struct block *b = make_block(4, f->chain.blocks[3]->hash, &bad, 1);
	append(r, l, &b, 1);
	end_ledger(l);
	bytes_free(&raw);
	block_unref(good);
}

static void finds_a_transaction_with_a_bad_signature_in_every_ledger_that_has_it(void **state)
{
	struct fixture *f = *state;

	write_badly_signed(f);
	copy_file(f->other.path, f->copy.path);
	struct audit_report r = audit(f, (const char *[]){f->other.path, f->copy.path}, 2);
	assert_found(&r, 0, AUDIT_SIGNATURE, "transactions(seq=5).raw");
	assert_found(&r, 1, AUDIT_SIGNATURE, "transactions(seq=5).raw");
	assert_int_equal(r.ledgers[1].finding_cnt, 1);
	audit_report_free(&r);
}

static void finds_a_certified_double_spend_and_who_was_first(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	/* transactions(seq=3) spent this 400 at height 2. */
	struct qoutput out = to(6, 400);
	struct tx *again = spend(r, 1, output_of(f->chain.blocks[1]->txs[0], 1), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &again, 1);

	forge_block(&f->copy, b, 11, 12, 1, 1);
	struct audit_report report = audit_copy(f);
	assert_found(&report, 0, AUDIT_DOUBLE_SPEND, "transactions(seq=12)");
	assert_int_equal(report.double_spends, 1);
	assert_non_null(strstr(find(&report, 0, AUDIT_DOUBLE_SPEND, "transactions(seq=12)")->message,
	                       "transactions(seq=3) spent at height 2"));
	assert_found(&report, 0, AUDIT_UNCHECKED, "blocks(height=11)");
	assert_int_equal(report.height.n, HEIGHT);
	audit_report_free(&report);
	block_unref(b);
}

/* A block 1 that both of the genesis' owners sign, badly. */
static void names_a_transaction_once_however_many_of_its_signatures_fail(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->other.rules;
	struct qoutpoint ins[] = {{r->g.txid, 0}, {r->g.txid, 1}};
	struct qoutput out = to(6, 1500);
	struct account *owners[] = {rules_account(1), rules_account(2)};
	struct qtx_body body = {.inputs = {2, ins}, .outputs = {1, &out}};
	struct err err = {0};
	enum tx_verdict v;

	struct tx *good = tx_make(&r->g.chain, &body, (const struct account *const *)owners, 2, &err);
	assert_non_null(good);
	struct bytes raw = {xmemdup(good->raw, good->raw_len), good->raw_len};
	rules_flip(&raw, 8 * raw.len - 200);
	rules_flip(&raw, 8 * raw.len - 1000);
	struct tx *bad = tx_parse(&r->g.chain, raw.data, raw.len, &v);
	assert_non_null(bad);
	struct ledger *l = start_other(f, 0);
	struct block *b = make_block(1, r->g.chain, &bad, 1);
	append(r, l, &b, 1);
	end_ledger(l);
	struct audit_report report = audit(f, (const char *[]){f->other.path}, 1);
	assert_found(&report, 0, AUDIT_SIGNATURE, "transactions(seq=1).raw");
	assert_int_equal(report.ledgers[0].finding_cnt, 1);
	audit_report_free(&report);
	bytes_free(&raw);
	tx_unref(good);
	account_free(owners[0]);
	account_free(owners[1]);
}

/* A row that names another spender, or none, hides nothing: the first spend was seen. */
static void finds_a_double_spend_whatever_the_row_of_the_output_says(void **state)
{
	static const char *const rows[] = {
	    "UPDATE outputs SET spent_by = 12 WHERE tx = 1 AND position = 1",
	    "UPDATE outputs SET spent_by = NULL WHERE tx = 1 AND position = 1",
	    "UPDATE outputs SET spent_by = 7 WHERE tx = 1 AND position = 1",
	    "UPDATE outputs SET spent_by = 99 WHERE tx = 1 AND position = 1",
	    "DELETE FROM outputs WHERE tx = 1 AND position = 1",
	};
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput out = to(6, 400);
	struct tx *again = spend(r, 1, output_of(f->chain.blocks[1]->txs[0], 1), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &again, 1);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		fresh_copy(state);
		forge_block(&f->copy, b, 11, 12, 1, 1);
		edit(&f->copy, rows[i]);
		struct audit_report report = audit_copy(f);
		const struct audit_finding *x = find(&report, 0, AUDIT_DOUBLE_SPEND, "transactions(seq=12)");
		assert_found(&report, 0, -1,
		             i == 4 ? "outputs(tx=1,position=1)" : "outputs(tx=1,position=1).spent_by");
		assert_non_null(x);
		assert_non_null(strstr(x->message, "transactions(seq=3) spent at height 2"));
		audit_report_free(&report);
	}
	block_unref(b);
}

/* What an input spends is found though the rows that lead to it lie; only they are accused. */
static void accuses_only_the_rows_that_lie(void **state)
{
	static const struct {
		const char *sql, *where[3];
	} cases[] = {
	    {"UPDATE transactions SET txid = zeroblob(32) WHERE seq = 5; DELETE FROM inputs WHERE tx = 6",
	     {"transactions(seq=5).txid", "inputs(tx=6,position=0)"}},
	    {"UPDATE transactions SET txid = zeroblob(32), height = 9 WHERE seq = 5",
	     {"transactions(seq=5).txid", "transactions(seq=5).height"}},
	    {"UPDATE inputs SET source_tx = 4 WHERE tx = 6", {"inputs(tx=6,position=0).source_tx"}},
	    {"UPDATE inputs SET source_tx = 99 WHERE tx = 6", {"inputs(tx=6,position=0).source_tx"}},
	    {"CREATE TEMP TABLE id AS SELECT seq, txid FROM transactions WHERE seq IN (5, 6);"
	     "UPDATE transactions SET txid = zeroblob(32) WHERE seq = 5;"
	     "UPDATE transactions SET txid = (SELECT txid FROM id WHERE seq = 5) WHERE seq = 6;"
	     "UPDATE transactions SET txid = (SELECT txid FROM id WHERE seq = 6) WHERE seq = 5;"
	     "UPDATE inputs SET source_tx = 5 WHERE tx = 7",
	     {"transactions(seq=5).txid", "transactions(seq=6).txid", "inputs(tx=7,position=0).source_tx"}},
	    {"UPDATE outputs SET spent_by = 7 WHERE tx = 5", {"outputs(tx=5,position=0).spent_by"}},
	    {"UPDATE outputs SET spent_by = 5 WHERE tx = 5", {"outputs(tx=5,position=0).spent_by"}},
	    {"UPDATE outputs SET spent_by = -1 WHERE tx = 11", {"outputs(tx=11,position=0).spent_by"}},
	    {"UPDATE outputs SET spent_by = 11 WHERE tx = 11", {"outputs(tx=11,position=0).spent_by"}},
	    {"UPDATE outputs SET spent_by = 5 WHERE tx = 0 AND position = 1; DELETE FROM outputs WHERE tx = "
	     "5",
	     {"outputs(tx=0,position=1).spent_by", "outputs(tx=5,position=0)"}},
	    {"UPDATE outputs SET amount = 7, owner = zeroblob(20) WHERE tx = 5",
	     {"outputs(tx=5,position=0).amount", "outputs(tx=5,position=0).owner"}},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t cnt = 0;
		fresh_copy(state);
		edit(&f->copy, cases[i].sql);
		struct audit_report r = audit_copy(f);
		for (; cnt < 3 && cases[i].where[cnt]; cnt++)
			assert_found(&r, 0, -1, cases[i].where[cnt]);
		if (r.ledgers[0].finding_cnt != cnt || r.height.n != HEIGHT) {
			print_findings(&r);
			fail_msg("%s", cases[i].sql);
		}
		audit_report_free(&r);
	}
}

static void finds_a_certified_transaction_that_makes_value(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput out = to(6, 251);
	struct tx *more = spend(r, 5, output_of(f->chain.blocks[HEIGHT]->txs[0], 0), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &more, 1);

	forge_block(&f->copy, b, 11, 12, 11, 0);
	struct audit_report report = audit_copy(f);
	assert_found(&report, 0, AUDIT_TRANSACTION, "transactions(seq=12)");
	audit_report_free(&report);
	block_unref(b);
}

static void finds_a_certified_theft(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput out = to(6, 250);
	struct tx *theft = spend(r, 6, output_of(f->chain.blocks[HEIGHT]->txs[0], 0), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &theft, 1);

	forge_block(&f->copy, b, 11, 12, 11, 0);
	struct audit_report report = audit_copy(f);
	assert_found(&report, 0, AUDIT_TRANSACTION, "transactions(seq=12)");
	audit_report_free(&report);
	block_unref(b);
}

/* One that is honest passes: what the three above fail by is not the forging. */
static void passes_a_forged_block_that_is_honest(void **state)
{
	struct fixture *f = *state;
	struct block *b = tail_block(&f->copy.rules, 11, f->chain.blocks[HEIGHT], 6);

	forge_block(&f->copy, b, 11, 12, 11, 0);
	edit(&f->copy, "UPDATE outputs SET spent_by = 12 WHERE tx = 11");
	struct audit_report report = audit_copy(f);
	assert_clean(&report);
	assert_int_equal(report.height.n, 11);
	audit_report_free(&report);
	block_unref(b);
}

/* Block 11 as row 11, with a header that no ledger would have taken. */
static void finds_certified_headers_that_do_not_fit_their_place(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct block *good = tail_block(r, 11, f->chain.blocks[HEIGHT], 6);
	struct qheader headers[] = {good->header, good->header, good->header};
	headers[0].height.n = 12;
	headers[1].parent = f->chain.blocks[9]->hash;
	headers[2].tx_count = r->g.g.params.block_txs_max + 1;

	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		struct block *b = block_new(&headers[i], good->txs, 1);
		fresh_copy(state);
		forge_block(&f->copy, b, 11, 12, 11, 0);
		struct audit_report report = audit_copy(f);
		assert_found(&report, 0, AUDIT_LINKAGE, "blocks(height=11).header");
		audit_report_free(&report);
		block_unref(b);
	}
	block_unref(good);
}

/* Appends block 4 with a header that `spoil` changed, below a valid certificate. */
static struct audit_report audit_spoilt_header(struct fixture *f, void (*spoil)(struct qheader *))
{
	const struct rules *r = &f->other.rules;
	struct ledger *l = start_other(f, 3);
	struct block *good = tail_block(r, 4, f->chain.blocks[3], 5);
	struct qheader header = good->header;

	spoil(&header);
	struct block *b = block_new(&header, good->txs, 1);
	append(r, l, &b, 1);
	end_ledger(l);
	block_unref(good);
	return audit(f, (const char *[]){f->other.path}, 1);
}

static void set_old_time(struct qheader *h)
{
	h->time_ms = 1700000000003;
}
static void set_proposer(struct qheader *h)
{
	h->proposer = 4;
}
static void set_format(struct qheader *h)
{
	h->format = 2;
}
static void set_root(struct qheader *h)
{
	h->merkle_root = rules_hash(1);
}

static void finds_certified_headers_that_break_a_rule(void **state)
{
	static const struct {
		void (*spoil)(struct qheader *);
		enum audit_kind kind;
	} cases[] = {{set_old_time, AUDIT_LINKAGE},
	             {set_proposer, AUDIT_LINKAGE},
	             {set_format, AUDIT_LINKAGE},
	             {set_root, AUDIT_MERKLE}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fresh_copy(state);
		struct audit_report r = audit_spoilt_header(f, cases[i].spoil);
		assert_found(&r, 0, (int)cases[i].kind, "blocks(height=4).header");
		audit_report_free(&r);
	}
}

/* Too few signers, a state that is not the replayed one, one bad signature: each with columns that agree. */
static void finds_certificates_that_prove_nothing(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->other.rules;
	struct qvote vote = {.view = {3}, .height = {4}, .block = f->chain.blocks[4]->hash};
	struct qvote checkpoint = {.height = {4}, .block = vote.block, .state = rules_hash(9)};
	struct qcert certs[] = {rules_cert(r, QCOMMIT, &vote, 3), rules_cert(r, QCHECKPOINT, &checkpoint, 7),
	                        rules_cert(r, QCOMMIT, &vote, 7)};
	certs[2].sigs.sigs_val[0].sig.b[5] ^= 1;

	for (size_t i = 0; i < sizeof certs / sizeof *certs; i++) {
		fresh_copy(state);
		struct ledger *l = start_other(f, 3);
		append_run(l, &(struct chain){.blocks = {[4] = f->chain.blocks[4]}}, 4, 4, certs[i]);
		end_ledger(l);
		/* Another ledger has the very same block, and a good certificate for it. */
		struct audit_report report = audit(f, (const char *[]){f->other.path, f->honest.path}, 2);
		assert_found(&report, 0, AUDIT_CERTIFICATE, "certificates(height=4).certificate");
		assert_true(report.ledgers[1].ok);
		audit_report_free(&report);
	}
}

/* Puts another certificate at height 4, with columns and signers that agree with it. */
static void replace_certificate(const struct place *p, const char *kind, const struct qcert *cert)
{
	struct bytes bytes = rules_encode(WIRE(qcert), cert);
	char *hex = xcalloc(2 * bytes.len + 1, 1), block[65], sig[129];
	char *sql = sqlite3_mprintf("UPDATE certificates SET kind = '%s', view = %llu, block = x'%s', "
	                            "certificate = x'%s' WHERE height = 4;"
	                            "DELETE FROM signers WHERE height = 4",
	                            kind, (sqlite3_uint64)cert->vote.view.n,
	                            hex_encode(block, cert->vote.block.b, 32),
	                            hex_encode(hex, bytes.data, bytes.len));

	edit(p, sql);
	sqlite3_free(sql);
	for (unsigned i = 0; i < cert->sigs.sigs_len; i++) {
		sql = sqlite3_mprintf("INSERT INTO signers VALUES (4, %u, x'%s')",
		                      cert->sigs.sigs_val[i].replica,
		                      hex_encode(sig, cert->sigs.sigs_val[i].sig.b, 64));
		edit(p, sql);
		sqlite3_free(sql);
	}
	free(hex);
	bytes_free(&bytes);
}

/* Every signature of these holds: they only are not what makes block 4 final. */
static void finds_certificates_of_something_else(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qvote here = {.height = {4}, .block = f->chain.blocks[4]->hash}, above = here, other = here;
	above.height.n = 5;
	other.block = f->chain.blocks[5]->hash;
	const struct {
		const char *kind;
		struct qcert cert;
		bool ok;
	} cases[] = {{"commit", rules_cert(r, QCOMMIT, &here, 7), true},
	             {"checkpoint", rules_cert(r, QPREPARE, &here, 7), false},
	             {"commit", rules_cert(r, QCOMMIT, &above, 7), false},
	             {"commit", rules_cert(r, QCOMMIT, &other, 7), false}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct qcert cert = cases[i].cert;
		fresh_copy(state);
		replace_certificate(&f->copy, cases[i].kind, &cert);
		struct audit_report report = audit_copy(f);
		if (cases[i].ok)
			assert_clean(&report);
		else
			assert_found(&report, 0, AUDIT_CERTIFICATE, "certificates(height=4).certificate");
		audit_report_free(&report);
		wire_free(WIRE(qcert), &cert);
	}
}

/* ---- behind ---------------------------------------------------------------- */

static void truncate_ledger(const struct place *p, int height)
{
	char sql[1024];
	snprintf(
	    sql, sizeof sql,
	    "CREATE TEMP TABLE gone AS SELECT seq FROM transactions WHERE height > %d;"
	    "UPDATE outputs SET spent_by = NULL WHERE spent_by IN gone; DELETE FROM outputs WHERE tx IN gone;"
	    "DELETE FROM inputs WHERE tx IN gone; DELETE FROM transactions WHERE seq IN gone;"
	    "DELETE FROM certificates WHERE height > %d; DELETE FROM signers WHERE height > %d;"
	    "DELETE FROM blocks WHERE height > %d",
	    height, height, height, height);
	edit(p, sql);
}

static void a_ledger_that_lost_its_last_blocks_is_fine_alone_and_behind_next_to_others(void **state)
{
	struct fixture *f = *state;

	truncate_ledger(&f->copy, 8);
	struct audit_report r = audit_copy(f);
	assert_clean(&r);
	assert_int_equal(r.height.n, 8);
	audit_report_free(&r);

	r = audit(f, (const char *[]){f->copy.path, f->honest.path}, 2);
	assert_true(r.ok && r.ledgers[0].ok && !r.diverged);
	assert_int_equal(r.height.n, HEIGHT);
	assert_int_equal(r.transactions, 11);
	assert_int_equal(r.ledgers[0].height.n, 8);
	const struct audit_finding *note = find(&r, 0, AUDIT_BEHIND, "file");
	assert_non_null(note);
	assert_non_null(strstr(note->message, f->honest.path));
	assert_int_equal(r.ledgers[1].finding_cnt, 0);
	audit_report_free(&r);
}

static void a_checkpoint_above_the_tip_shows_that_blocks_are_missing(void **state)
{
	struct fixture *f = *state;

	truncate_ledger(&f->copy, 3);
	struct audit_report r = audit_copy(f);
	assert_true(r.ok);
	assert_int_equal(r.ledgers[0].finding_cnt, 1);
	assert_int_equal(r.ledgers[0].findings[0].kind, AUDIT_BEHIND);
	assert_non_null(strstr(r.ledgers[0].findings[0].where, "journal("));
	audit_report_free(&r);
}

static void a_ledger_cut_off_inside_a_run_is_not_proven(void **state)
{
	struct fixture *f = *state;

	truncate_ledger(&f->copy, 6);
	struct audit_report r = audit_copy(f);
	assert_found(&r, 0, AUDIT_MISSING, "certificates(height=7)");
	audit_report_free(&r);
}

/* ---- several ledgers ------------------------------------------------------- */

/* The honest chain up to 5, then another block 6, certified by these replicas in this view. */
static void write_fork(struct fixture *f, uint64_t mask, uint64_t view)
{
	const struct rules *r = &f->other.rules;
	struct ledger *l = start_other(f, 5);
	struct block *b = tail_block(r, 6, f->chain.blocks[5], 6);
	struct qvote vote = {.view = {view}, .height = {6}, .block = b->hash};
	struct qcert cert = rules_cert(r, QCOMMIT, &vote, mask);
	struct overlay *o = overlay_new(ledger_state(l), NULL, qheight_of(6));
	struct err err = {0};
	size_t bad;

	assert_int_equal(overlay_add_block(o, b, &bad), TX_OK);
	assert_true(ledger_append(l, &b, &o, 1, &cert, NULL, &err));
	overlay_unref(o);
	block_unref(b);
	wire_free(WIRE(qcert), &cert);
	end_ledger(l);
}

static void finds_the_first_divergence_and_who_signed_both(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0xd, 3); /* replicas 0, 2, 3; the honest chain's certificate is of 0, 1, 2 in view 3 */
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path, f->honest.path}, 3);
	assert_false(r.ok);
	assert_true(r.ledgers[0].ok && r.ledgers[1].ok && r.ledgers[2].ok);
	assert_true(r.diverged);
	assert_int_equal(r.divergence.height.n, 6);
	assert_int_equal(r.divergence.a.ledger, 0);
	assert_int_equal(r.divergence.b.ledger, 1);
	assert_true(qhash_eq(&r.divergence.a.block, &f->chain.blocks[6]->hash));
	assert_true(r.divergence.a.certified && r.divergence.b.certified);
	assert_int_equal(r.divergence.a.cert.vote.height.n, 7);
	assert_int_equal(r.divergence.b.cert.vote.height.n, 6);
	assert_int_equal(r.divergence.blame, BLAME_SAME_VIEW);
	assert_int_equal(r.divergence.culprits, 0x5);
	assert_int_equal(r.ledgers[0].side, SIDE_A);
	assert_int_equal(r.ledgers[1].side, SIDE_B);
	assert_int_equal(r.ledgers[2].side, SIDE_A);
	assert_null(find(&r, 1, AUDIT_BEHIND, "file"));
	audit_report_free(&r);
}

static void a_ledger_that_ends_below_a_divergence_takes_no_side(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0xd, 3);
	truncate_ledger(&f->copy, 4);
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path, f->honest.path}, 3);
	assert_true(r.diverged);
	assert_int_equal(r.ledgers[0].side, SIDE_NONE);
	assert_int_equal(r.ledgers[1].side, SIDE_A);
	assert_int_equal(r.ledgers[2].side, SIDE_B);
	assert_non_null(find(&r, 0, AUDIT_BEHIND, "file"));
	audit_report_free(&r);
}

/* It may hold more than could be replayed. */
static void a_ledger_that_cannot_be_replayed_is_not_called_behind(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "DELETE FROM transactions WHERE seq = 5");
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->honest.path}, 2);
	assert_found(&r, 0, AUDIT_UNCHECKED, "blocks(height=4)");
	assert_null(find(&r, 0, AUDIT_BEHIND, "file"));
	assert_false(r.diverged);
	audit_report_free(&r);
}

/* An honest replica may well have signed both in different views. */
static void blames_nobody_for_certificates_of_different_views(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0xd, 4);
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path}, 2);
	assert_true(r.diverged);
	assert_int_not_equal(r.divergence.blame, BLAME_SAME_VIEW);
	assert_int_equal(r.divergence.culprits, 0);
	audit_report_free(&r);
}

static void a_forged_fork_is_told_from_a_certified_one(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0x1, 3); /* one signature */
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path}, 2);
	assert_found(&r, 1, AUDIT_CERTIFICATE, "certificates(height=6).certificate");
	assert_true(r.diverged);
	assert_true(r.divergence.a.certified);
	assert_false(r.divergence.b.certified);
	assert_int_equal(r.divergence.culprits, 0);
	audit_report_free(&r);
}

static void one_bad_ledger_does_not_spoil_the_others(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "UPDATE outputs SET amount = 7 WHERE tx = 2");
	struct audit_report r = audit(f, (const char *[]){f->honest.path, f->copy.path}, 2);
	assert_found(&r, 1, AUDIT_ALTERED, "outputs(tx=2,position=0).amount");
	assert_true(r.ledgers[0].ok);
	assert_false(r.diverged);
	audit_report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(passes_an_honest_ledger),
	    TEST(passes_a_ledger_that_holds_only_the_genesis),
	    TEST(finds_a_transaction_with_a_bad_signature_in_every_ledger_that_has_it),
	    TEST(finds_a_certified_double_spend_and_who_was_first),
	    TEST(names_a_transaction_once_however_many_of_its_signatures_fail),
	    TEST(finds_a_double_spend_whatever_the_row_of_the_output_says),
	    TEST(accuses_only_the_rows_that_lie),
	    TEST(finds_a_certified_transaction_that_makes_value),
	    TEST(finds_a_certified_theft),
	    TEST(passes_a_forged_block_that_is_honest),
	    TEST(finds_certified_headers_that_do_not_fit_their_place),
	    TEST(finds_certified_headers_that_break_a_rule),
	    TEST(finds_certificates_that_prove_nothing),
	    TEST(finds_certificates_of_something_else),
	    TEST(a_ledger_that_lost_its_last_blocks_is_fine_alone_and_behind_next_to_others),
	    TEST(a_checkpoint_above_the_tip_shows_that_blocks_are_missing),
	    TEST(a_ledger_cut_off_inside_a_run_is_not_proven),
	    TEST(finds_the_first_divergence_and_who_signed_both),
	    TEST(a_ledger_that_ends_below_a_divergence_takes_no_side),
	    TEST(a_ledger_that_cannot_be_replayed_is_not_called_behind),
	    TEST(blames_nobody_for_certificates_of_different_views),
	    TEST(a_forged_fork_is_told_from_a_certified_one),
	    TEST(one_bad_ledger_does_not_spoil_the_others),
	};

	return cmocka_run_group_tests_name("audit", tests, make_fixture, drop_fixture);
}
