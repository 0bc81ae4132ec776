/*
 * Readers: answers from the ledger file beside its writer, and clean errors from one that was edited.
 *
 * Links: q_ledger
 */
#include "store.h"

#include "db.h"
#include "receipt.h"

struct telling {
	struct place *p;
	struct ledger *l;
	struct reader *r;
	struct qtxid t[4];
	struct err err;
};

static struct reader *open_reader(const struct place *p)
{
	struct err err = {0};
	struct reader *r = reader_open(p->path, NULL, &err);

	if (!r)
		fail_msg("%s", err.text);
	return r;
}

/* The story of store.h, committed, with a reader beside the writer. */
static int tell(void **state)
{
	struct telling *s = xcalloc(1, sizeof *s);
	void *place;

	place_setup(&place);
	s->p = place;
	s->l = open_ledger(s->p);
	tell_story(&s->p->rules, s->l, s->t);
	commit(s->l);
	s->r = open_reader(s->p);
	*state = s;
	return 0;
}

static int untell(void **state)
{
	struct telling *s = *state;
	void *place = s->p;

	reader_close(s->r);
	ledger_close(s->l);
	place_teardown(&place);
	free(s);
	return 0;
}

/* Closes the writer, edits the file as its operator could, and reads again. */
static void edit(struct telling *s, const char *sql)
{
	ledger_close(s->l);
	s->l = NULL;
	reader_close(s->r);
	place_edit(s->p, sql);
	s->r = open_reader(s->p);
}

static void blocks_are_found_by_height_and_by_hash(void **state)
{
	struct telling *s = *state;
	struct qheader header;
	struct qblock one, again;
	struct qheight height;
	struct qhash hash;

	assert_int_equal(reader_height(s->r, &height, &s->err), FOUND);
	assert_int_equal(height.n, 3);
	assert_int_equal(reader_header(s->r, qheight_of(3), &header, &s->err), FOUND);
	block_hash(&header, &hash);
	assert_true(qhash_eq(&hash, ledger_tip(s->l)));
	assert_int_equal(reader_header(s->r, qheight_of(0), &header, &s->err), NOT_FOUND);
	assert_int_equal(reader_header(s->r, qheight_of(4), &header, &s->err), NOT_FOUND);

	assert_int_equal(reader_block(s->r, qheight_of(1), &one, &s->err), FOUND);
	assert_int_equal(one.txs.txs_len, 2);
	block_hash(&one.header, &hash);
	assert_int_equal(reader_block_by_hash(s->r, &hash, &again, &s->err), FOUND);
	struct bytes a = rules_encode(WIRE(qblock), &one), b = rules_encode(WIRE(qblock), &again);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	bytes_free(&a);
	bytes_free(&b);
	wire_free(WIRE(qblock), &one);
	wire_free(WIRE(qblock), &again);
	assert_int_equal(reader_block(s->r, qheight_of(4), &one, &s->err), NOT_FOUND);
	hash.b[0] ^= 1;
	assert_int_equal(reader_block_by_hash(s->r, &hash, &one, &s->err), NOT_FOUND);
}

static void a_transaction_is_where_its_block_has_it(void **state)
{
	struct telling *s = *state;
	struct tx_place place;
	struct bytes raw;
	enum tx_verdict verdict;

	assert_int_equal(reader_tx(s->r, &s->t[1], &place, &raw, &s->err), FOUND);
	assert_int_equal(place.height.n, 1);
	assert_int_equal(place.position, 1);
	struct tx *tx = tx_parse(&s->p->rules.g.chain, raw.data, raw.len, &verdict);
	assert_non_null(tx);
	assert_true(qtxid_eq(&tx->id, &s->t[1]));
	tx_unref(tx);
	bytes_free(&raw);
	/* The genesis has outputs, but is no transaction that could be shown. */
	assert_int_equal(reader_tx(s->r, &s->p->rules.g.txid, &place, &raw, &s->err), NOT_FOUND);
}

static void a_certificate_may_be_a_descendants(void **state)
{
	static const uint64_t by[] = {0, 1, 3, 3};
	struct telling *s = *state;
	struct qcert cert;

	for (uint64_t h = 1; h <= 3; h++) {
		assert_int_equal(reader_cert_for(s->r, qheight_of(h), &cert, &s->err), FOUND);
		assert_int_equal(cert.vote.height.n, by[h]);
		assert_true(cert_verify(&s->p->rules.g, &cert, NULL));
		wire_free(WIRE(qcert), &cert);
	}
	assert_int_equal(reader_cert_for(s->r, qheight_of(0), &cert, &s->err), NOT_FOUND);
	assert_int_equal(reader_cert_for(s->r, qheight_of(4), &cert, &s->err), NOT_FOUND);
}

static void spent_unspent_and_unknown_are_told_apart(void **state)
{
	struct telling *s = *state;
	struct qoutpoint genesis = {s->p->rules.g.txid, 0}, spent = {s->t[0], 0}, unspent = {s->t[1], 0};
	struct qoutpoint beyond = {s->t[1], 1}, nowhere = {{{9}}, 0};
	struct qtxid by;
	bool known;

	assert_int_equal(reader_spender(s->r, &genesis, &by, &known, &s->err), FOUND);
	assert_true(known && qtxid_eq(&by, &s->t[0]));
	assert_int_equal(reader_spender(s->r, &spent, &by, &known, &s->err), FOUND);
	assert_true(known && qtxid_eq(&by, &s->t[1]));
	assert_int_equal(reader_spender(s->r, &unspent, &by, &known, &s->err), NOT_FOUND);
	assert_true(known);
	assert_int_equal(reader_spender(s->r, &beyond, &by, &known, &s->err), NOT_FOUND);
	assert_false(known);
	assert_int_equal(reader_spender(s->r, &nowhere, &by, &known, &s->err), NOT_FOUND);
	assert_false(known);
}

static void an_output_is_told_with_who_made_and_who_spent_it(void **state)
{
	struct telling *s = *state;
	struct qoutpoint genesis = {s->p->rules.g.txid, 0}, unspent = {s->t[1], 0}, beyond = {s->t[1], 1};
	struct output_row row;

	assert_true(qhash_eq(reader_chain_id(s->r), &s->p->rules.g.chain));
	assert_int_equal(reader_output(s->r, &genesis, &row, &s->err), FOUND);
	assert_int_equal(row.out.amount, 1000);
	assert_int_equal(row.made_at.n, 0);
	assert_true(row.spent && qtxid_eq(&row.spender, &s->t[0]));
	assert_int_equal(row.spent_at.n, 1);
	assert_int_equal(reader_output(s->r, &(struct qoutpoint){s->t[2], 0}, &row, &s->err), FOUND);
	assert_int_equal(row.made_at.n, 2);
	assert_int_equal(row.spent_at.n, 3);
	assert_int_equal(reader_output(s->r, &unspent, &row, &s->err), FOUND);
	struct qaddress four = rules_address(4);
	assert_memory_equal(row.out.owner.b, four.b, sizeof four.b);
	assert_int_equal(row.out.lock.kind, QLOCK_NONE);
	assert_false(row.spent);
	assert_int_equal(reader_output(s->r, &beyond, &row, &s->err), NOT_FOUND);

	edit(s, "UPDATE outputs SET spent_by = 99 WHERE tx = 2");
	assert_int_equal(reader_output(s->r, &unspent, &row, &s->err), FOUND_ERROR);
}

static void double_spends_are_told_of_winner_and_loser(void **state)
{
	struct telling *s = *state;
	struct attempt a;
	int64_t seq = 0;

	edit(
	    s,
	    "INSERT INTO evidence SELECT 3, 'double_spend', NULL, NULL, NULL, txid, zeroblob(32), "
	    "zeroblob(20),"
	    " zeroblob(32), 7 FROM transactions WHERE seq = 2;"
	    "INSERT INTO evidence SELECT 4, 'bad_proposal', 'pre_prepare', 0, 1, txid, NULL, NULL, NULL, NULL"
	    " FROM transactions WHERE seq = 2");
	assert_int_equal(reader_attempt(s->r, &s->t[1], &seq, &a, &s->err), FOUND);
	assert_int_equal(seq, 3);
	assert_true(qtxid_eq(&a.winner, &s->t[1]));
	assert_int_equal(a.output.index, 7);
	assert_int_equal(reader_attempt(s->r, &s->t[1], &seq, &a, &s->err), NOT_FOUND);
	seq = 0;
	assert_int_equal(reader_attempt(s->r, &(struct qtxid){{0}}, &seq, &a, &s->err), FOUND);
	seq = 0;
	assert_int_equal(reader_attempt(s->r, &s->t[0], &seq, &a, &s->err), NOT_FOUND);
	/* Whichever was seen first: the final one won. */
	edit(s, "UPDATE evidence SET first = second, second = first WHERE seq = 3");
	assert_int_equal(reader_attempt(s->r, &s->t[1], &seq, &a, &s->err), FOUND);
	assert_true(qtxid_eq(&a.winner, &s->t[1]));
	assert_true(qtxid_eq(&a.loser, &(struct qtxid){{0}}));
	seq = 0;
	edit(s, "UPDATE evidence SET output_position = -1");
	assert_int_equal(reader_attempt(s->r, &s->t[1], &seq, &a, &s->err), FOUND_ERROR);
}

static void every_final_transaction_has_a_receipt_that_holds(void **state)
{
	struct telling *s = *state;
	struct qreceipt receipt;
	struct qheight height;
	struct qtxid id;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(reader_receipt(s->r, &s->t[i], &receipt, &s->err), FOUND);
		if (!receipt_verify(&s->p->rules.g, &receipt, &id, &height, &s->err))
			fail_msg("%s", s->err.text);
		assert_true(qtxid_eq(&id, &s->t[i]));
		assert_int_equal(height.n, i < 2 ? 1 : i);
		wire_free(WIRE(qreceipt), &receipt);
	}
	id = (struct qtxid){{1}};
	assert_int_equal(reader_receipt(s->r, &id, &receipt, &s->err), NOT_FOUND);
}

/* Appends `cnt` blocks of one transaction, each certified: account 2's 500 back to itself. */
static void go_round(struct telling *s, unsigned cnt)
{
	const struct rules *r = &s->p->rules;
	struct qoutpoint at = {r->g.txid, 1};
	struct qoutput back = to(2, 500);

	for (unsigned i = 0; i < cnt; i++) {
		struct tx *tx = spend(r, 2, at, &back, 1);
		at = output_of(tx, 0);
		struct block *b = make_block(ledger_height(s->l).n + 1, *ledger_tip(s->l), &tx, 1);
		append(r, s->l, &b, 1);
	}
	commit(s->l);
}

static void assert_chain(struct telling *s, uint64_t above, uint32_t cnt)
{
	struct qchain chain;
	struct qhash hash;

	if (reader_chain(s->r, qheight_of(above), &chain, &s->err) != FOUND)
		fail_msg("%s", s->err.text);
	assert_int_equal(chain.headers.headers_len, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_int_equal(chain.headers.headers_val[i].height.n, above + 1 + i);
		assert_true(i == 0 || qhash_eq(&chain.headers.headers_val[i].parent, &hash));
		block_hash(&chain.headers.headers_val[i], &hash);
	}
	assert_true(qhash_eq(&chain.cert.vote.block, &hash));
	assert_true(cert_verify(&s->p->rules.g, &chain.cert, NULL));
	wire_free(WIRE(qchain), &chain);
}

static void a_chain_ends_in_a_certificate_and_fits_a_message(void **state)
{
	struct telling *s = *state;
	struct qchain chain;

	assert_chain(s, 0, 3);
	assert_chain(s, 1, 2);
	assert_chain(s, 2, 1);
	assert_int_equal(reader_chain(s->r, qheight_of(3), &chain, &s->err), NOT_FOUND);
	assert_int_equal(reader_chain(s->r, qheight_of(UINT64_MAX), &chain, &s->err), NOT_FOUND);
	go_round(s, Q_CHAIN_MAX);
	assert_chain(s, 0, 64);
	assert_chain(s, 3, 64);
	assert_chain(s, 200, 59);
	edit(s, "DELETE FROM certificates WHERE height BETWEEN 4 AND 249"); /* a far descendant's, then */
	assert_chain(s, 3, 256);
	assert_chain(s, 100, 159);
}

static void sees_what_is_committed_and_nothing_else(void **state)
{
	struct telling *s = *state;
	struct qoutput pay = to(8, 500);
	struct tx *tx = spend(&s->p->rules, 2, (struct qoutpoint){s->p->rules.g.txid, 1}, &pay, 1);
	struct block *b = make_block(4, *ledger_tip(s->l), &tx, 1);
	struct qheight height;

	append(&s->p->rules, s->l, &b, 1);
	assert_int_equal(reader_height(s->r, &height, &s->err), FOUND);
	assert_int_equal(height.n, 3);
	commit(s->l);
	assert_int_equal(reader_height(s->r, &height, &s->err), FOUND);
	assert_int_equal(height.n, 4);
}

static void a_view_stays_as_it_is_until_it_ends(void **state)
{
	struct telling *s = *state;
	struct qheight height;

	assert_true(reader_view(s->r, &s->err));
	assert_int_equal(reader_height(s->r, &height, &s->err), FOUND);
	go_round(s, 1);
	assert_int_equal(reader_height(s->r, &height, &s->err), FOUND);
	assert_int_equal(height.n, 3);
	assert_true(reader_view(s->r, &s->err)); /* within: the same one */
	reader_view_end(s->r);
	assert_int_equal(reader_height(s->r, &height, &s->err), FOUND);
	assert_int_equal(height.n, 3);
	reader_view_end(s->r);
	assert_int_equal(reader_height(s->r, &height, &s->err), FOUND);
	assert_int_equal(height.n, 4);
}

static void opens_nothing_but_a_ledger(void **state)
{
	struct telling *s = *state;
	struct place other = *s->p;

	snprintf(other.path, sizeof other.path, "%s/other.db", other.dir);
	assert_null(reader_open(other.path, NULL, &s->err));
	assert_non_null(strstr(s->err.text, other.path));
	assert_int_equal(access(other.path, F_OK), -1); /* and makes no file */
	place_edit(&other, "PRAGMA application_id = 5; CREATE TABLE t (x)");
	assert_null(reader_open(other.path, NULL, &s->err));
	assert_non_null(strstr(s->err.text, "not a quorate ledger"));
	place_remove(&other);
}

/* ---- an edited file -------------------------------------------------------------- */

static void a_block_with_a_missing_transaction_is_an_error(void **state)
{
	struct telling *s = *state;
	struct qblock block;
	struct qreceipt receipt;

	edit(s, "DELETE FROM transactions WHERE seq = 2");
	assert_int_equal(reader_block(s->r, qheight_of(1), &block, &s->err), FOUND_ERROR);
	assert_non_null(strstr(s->err.text, "run quorate audit"));
	assert_int_equal(reader_receipt(s->r, &s->t[0], &receipt, &s->err), FOUND_ERROR);
	assert_int_equal(reader_receipt(s->r, &s->t[2], &receipt, &s->err), FOUND);
	wire_free(WIRE(qreceipt), &receipt);
}

static void missing_rows_are_errors_where_they_are_needed(void **state)
{
	struct telling *s = *state;
	struct qchain chain;
	struct qreceipt receipt;

	edit(s, "DELETE FROM blocks WHERE height = 2; DELETE FROM certificates WHERE height = 1");
	assert_int_equal(reader_chain(s->r, qheight_of(0), &chain, &s->err), FOUND_ERROR);
	assert_int_equal(reader_receipt(s->r, &s->t[0], &receipt, &s->err), FOUND_ERROR);
	assert_int_equal(reader_receipt(s->r, &s->t[2], &receipt, &s->err), FOUND_ERROR);
	assert_int_equal(reader_receipt(s->r, &s->t[3], &receipt, &s->err), FOUND);
	wire_free(WIRE(qreceipt), &receipt);
}

static void absurd_values_are_errors(void **state)
{
	struct telling *s = *state;
	struct qreceipt receipt;
	struct tx_place place;
	struct qblock block;
	struct qheader header;
	struct qcert cert;

	edit(s, "UPDATE blocks SET first_tx = 9223372036854775807 WHERE height = 1;"
	        "UPDATE blocks SET certified_by = 9223372036854775807 WHERE height = 2;"
	        "UPDATE blocks SET header = zeroblob(60000000) WHERE height = 3;"
	        "UPDATE transactions SET position = -1 WHERE seq = 2;"
	        "UPDATE transactions SET raw = zeroblob(1000000) WHERE seq = 3");
	assert_int_equal(reader_block(s->r, qheight_of(1), &block, &s->err), FOUND_ERROR);
	assert_int_equal(reader_block(s->r, qheight_of(2), &block, &s->err), FOUND_ERROR);
	assert_int_equal(reader_cert_for(s->r, qheight_of(2), &cert, &s->err), FOUND_ERROR);
	assert_int_equal(reader_header(s->r, qheight_of(3), &header, &s->err), FOUND_ERROR);
	assert_int_equal(reader_tx(s->r, &s->t[1], &place, NULL, &s->err), FOUND_ERROR);
	assert_int_equal(reader_tx(s->r, &s->t[2], &place, NULL, &s->err), FOUND_ERROR);
	assert_int_equal(reader_receipt(s->r, &s->t[3], &receipt, &s->err), FOUND_ERROR);
}

/* ---- what does not fit ------------------------------------------------------------- */

static enum found ask_header(struct telling *s, int at)
{
	struct qheader header;

	return reader_header(s->r, qheight_of((uint64_t)at), &header, &s->err);
}

static enum found ask_block(struct telling *s, int at)
{
	struct qblock block;
	enum found got = reader_block(s->r, qheight_of((uint64_t)at), &block, &s->err);

	if (got == FOUND)
		wire_free(WIRE(qblock), &block);
	return got;
}

static enum found ask_chain(struct telling *s, int above)
{
	struct qchain chain;
	enum found got = reader_chain(s->r, qheight_of((uint64_t)above), &chain, &s->err);

	if (got == FOUND)
		wire_free(WIRE(qchain), &chain);
	return got;
}

static enum found ask_cert(struct telling *s, int at)
{
	struct qcert cert;
	enum found got = reader_cert_for(s->r, qheight_of((uint64_t)at), &cert, &s->err);

	if (got == FOUND)
		wire_free(WIRE(qcert), &cert);
	return got;
}

static enum found ask_receipt(struct telling *s, int i)
{
	struct qreceipt receipt;
	enum found got = reader_receipt(s->r, &s->t[i], &receipt, &s->err);

	if (got == FOUND)
		wire_free(WIRE(qreceipt), &receipt);
	return got;
}

static enum found ask_tx(struct telling *s, int i)
{
	struct tx_place place;
	struct bytes raw;
	struct qhash leaf;
	enum found got = reader_tx(s->r, &s->t[i], &place, &raw, &s->err);

	if (got != FOUND)
		return got;
	merkle_leaf(raw.data, raw.len, &leaf);
	bytes_free(&raw);
	return reader_prove_tx(s->r, &leaf, &place, &s->err);
}

/* Output 0 of a transaction: its spender, by both ways that lead there. */
static enum found ask_output(struct telling *s, int i)
{
	struct qoutpoint p = {s->t[i], 0};
	struct output_row row;
	struct qtxid by;
	bool known;
	enum found got = reader_output(s->r, &p, &row, &s->err);

	assert_int_equal(got == FOUND_ERROR, reader_spender(s->r, &p, &by, &known, &s->err) == FOUND_ERROR);
	return got;
}

static const struct misfit {
	const char *sql, *says;
	struct {
		enum found (*ask)(struct telling *s, int what);
		int what;
		bool proving; /* only a reader with a genesis finds it */
	} asked[4];
	struct {
		enum found (*ask)(struct telling *s, int what);
		int what;
	} whole; /* what the edit does not touch */
} misfits[] = {
    {"UPDATE blocks SET header = CAST(substr(header, 1, 80) || x'5a' || substr(header, 82) AS BLOB)"
     " WHERE height = 2",
     "blocks(height=2).hash",
     {{ask_header, 2}, {ask_block, 2}, {ask_chain, 1}, {ask_receipt, 2}},
     {ask_receipt, 3}},
    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 3",
     "blocks(height=3).hash",
     {{ask_header, 3}, {ask_cert, 2}, {ask_chain, 0}, {ask_tx, 2, true}},
     {ask_receipt, 1}},
    {"UPDATE blocks SET height = 9 WHERE height = 3; UPDATE blocks SET certified_by = 9 WHERE height = 9",
     "blocks(height=9)",
     {{ask_header, 9}, {ask_block, 9}},
     {ask_receipt, 1}},
    {"UPDATE blocks SET hash = x'00' WHERE height = 1;"
     "UPDATE blocks SET hash = (SELECT block FROM certificates WHERE height = 1),"
     " header = (SELECT header FROM blocks WHERE height = 1) WHERE height = 2",
     "blocks(height=2)",
     {{ask_header, 2}},
     {ask_block, 3}},
    {"UPDATE transactions SET raw = CAST(substr(raw, 1, length(raw) - 1) || x'5a' AS BLOB) WHERE seq = 2",
     "of block 1", /* a witness, which the id does not cover */
     {{ask_block, 1}, {ask_receipt, 0}, {ask_receipt, 1}, {ask_tx, 1, true}},
     {ask_receipt, 2}},
    {"UPDATE transactions SET raw = b.raw FROM (SELECT raw FROM transactions WHERE seq = 1) b"
     " WHERE transactions.seq = 2",
     "transactions(seq=2).raw",
     {{ask_tx, 1}, {ask_receipt, 1}, {ask_output, 0, true}},
     {ask_tx, 3}},
    {"UPDATE transactions SET height = 2 WHERE seq = 2", "in block 2", {{ask_tx, 1, true}}, {ask_block, 1}},
    {"UPDATE transactions SET position = 0 WHERE seq = 2",
     "transactions(height=1,position=0)",
     {{ask_tx, 1, true}, {ask_receipt, 1}},
     {ask_receipt, 0}},
    {"UPDATE blocks SET first_tx = 1 WHERE height = 2",
     "transactions of block 2",
     {{ask_block, 2}, {ask_receipt, 2}, {ask_tx, 2, true}},
     {ask_receipt, 3}},
    {"UPDATE certificates SET certificate = b.certificate FROM (SELECT certificate FROM certificates WHERE "
     "height = 1)"
     " b WHERE certificates.height = 3",
     "certificates(height=3) is for another block",
     {{ask_cert, 2}, {ask_receipt, 2}, {ask_tx, 2, true}},
     {ask_receipt, 1}},
    {"UPDATE certificates SET certificate = CAST(substr(certificate, 1, length(certificate) - 1) || x'5a' AS "
     "BLOB)"
     " WHERE height = 3",
     "certificates(height=3)",
     {{ask_cert, 2, true}, {ask_receipt, 2, true}, {ask_tx, 2, true}},
     {ask_receipt, 1}},
    {"DELETE FROM certificates WHERE height = 3",
     "certificates(height=3) is missing",
     {{ask_cert, 2}, {ask_receipt, 2}},
     {ask_receipt, 1}},
    {"UPDATE outputs SET spent_by = 3 WHERE tx = 1 AND position = 0",
     "spent_by",
     {{ask_output, 0, true}},
     {ask_output, 2}},
};

static void what_does_not_fit_is_damage(void **state)
{
	struct telling *s = *state;

	for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
		const struct misfit *m = &misfits[i];
		void *fresh;
		tell(&fresh);
		s = fresh;
		edit(s, m->sql);
		for (size_t k = 0; k < 4 && m->asked[k].ask; k++) {
			if (m->asked[k].proving) {
				assert_int_not_equal(m->asked[k].ask(s, m->asked[k].what), FOUND_ERROR);
				assert_null(reader_damage(s->r));
				reader_prove(s->r, &s->p->rules.g);
			}
			enum found got = m->asked[k].ask(s, m->asked[k].what);
			if (got != FOUND_ERROR || !strstr(s->err.text, m->says) || !reader_damage(s->r) ||
			    !strstr(s->err.text, s->p->path))
				fail_msg("%s: question %zu: %d, not \"%s\": %s", m->sql, k, (int)got, m->says,
				         s->err.text);
			reader_close(s->r); /* as whoever met damage does */
			s->r = open_reader(s->p);
		}
		reader_prove(s->r, &s->p->rules.g);
		if (m->whole.ask(s, m->whole.what) != FOUND)
			fail_msg("%s: hits what it does not touch: %s", m->sql, s->err.text);
		untell(&fresh);
	}
}

static void a_whole_ledger_proves_all_that_it_says(void **state)
{
	struct telling *s = *state;

	reader_prove(s->r, &s->p->rules.g);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ask_tx(s, i), FOUND);
		assert_int_equal(ask_receipt(s, i), FOUND);
		assert_int_equal(ask_output(s, i), FOUND);
	}
	for (int h = 1; h <= 3; h++) {
		assert_int_equal(ask_cert(s, h), FOUND);
		assert_int_equal(ask_block(s, h), FOUND);
	}
	assert_null(reader_damage(s->r));
}

static void pages_of_garbage_are_clean_errors(void **state)
{
	struct telling *s = *state;
	struct qheader header;
	struct qreceipt receipt;
	struct stat st;
	bool hit = false;

	edit(s, "PRAGMA journal_mode = DELETE");
	assert_int_equal(stat(s->p->path, &st), 0);
	for (off_t page = 1; page < st.st_size / 4096; page++) {
		place_scribble(s->p, page * 4096, 4096);
		struct reader *r = reader_open(s->p->path, NULL, &s->err);
		hit |= !r || reader_header(r, qheight_of(2), &header, &s->err) == FOUND_ERROR;
		if (r && reader_receipt(r, &s->t[3], &receipt, &s->err) == FOUND)
			wire_free(WIRE(qreceipt), &receipt);
		reader_close(r);
	}
	assert_true(hit);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tell, untell)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(blocks_are_found_by_height_and_by_hash),
	    TEST(a_transaction_is_where_its_block_has_it),
	    TEST(a_certificate_may_be_a_descendants),
	    TEST(spent_unspent_and_unknown_are_told_apart),
	    TEST(an_output_is_told_with_who_made_and_who_spent_it),
	    TEST(double_spends_are_told_of_winner_and_loser),
	    TEST(every_final_transaction_has_a_receipt_that_holds),
	    TEST(a_chain_ends_in_a_certificate_and_fits_a_message),
	    TEST(sees_what_is_committed_and_nothing_else),
	    TEST(a_view_stays_as_it_is_until_it_ends),
	    TEST(opens_nothing_but_a_ledger),
	    TEST(a_block_with_a_missing_transaction_is_an_error),
	    TEST(missing_rows_are_errors_where_they_are_needed),
	    TEST(absurd_values_are_errors),
	    TEST(a_whole_ledger_proves_all_that_it_says),
	    TEST(what_does_not_fit_is_damage),
	    TEST(pages_of_garbage_are_clean_errors),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
