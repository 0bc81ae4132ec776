/*
 * receipt.c: proof of finality: what it accepts, and that nothing in it can be changed.
 *
 * Links: q_ledger
 */
#include "receipt.h"
#include "receipts.h"

static struct rules rules, stranger;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "receipt");
	rules_setup(&stranger, 4, "another chain");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	rules_teardown(&stranger);
	return 0;
}

static struct qreceipt make(enum qkind kind, unsigned tx_cnt, unsigned index, unsigned header_cnt)
{
	return receipts_make(&rules, kind, 10, tx_cnt, index, header_cnt);
}

/* Signs the last header again after a test has changed the headers. */
static void recertify(struct qreceipt *r)
{
	struct qvote vote = {.view = {2},
	                     .height = r->headers.headers_val[r->headers.headers_len - 1].height};

	block_hash(&r->headers.headers_val[r->headers.headers_len - 1], &vote.block);
	wire_free(WIRE(qcert), &r->cert);
	r->cert = rules_cert(&rules, QCOMMIT, &vote, rules_quorum_mask(&rules));
}

static bool holds(const struct qreceipt *r)
{
	struct qtxid id;
	struct qheight height;
	struct err err = {0};
	bool ok = receipt_verify(&rules.g, r, &id, &height, &err);

	assert_int_equal(err.kind, ok ? ERR_NONE : ERR_NO);
	assert_true(ok || strlen(err.text) > 0);
	return ok;
}

/* Refused, and the reason says so. */
static void refuses(struct qreceipt *r, const char *why)
{
	struct qtxid id;
	struct qheight height;
	struct err err = {0};

	assert_false(receipt_verify(&rules.g, r, &id, &height, &err));
	assert_non_null(strstr(err.text, why));
	wire_free(WIRE(qreceipt), r);
}

static void holds_for_every_place_and_both_kinds_of_certificate(void **state)
{
	(void)state;
	for (unsigned cnt = 1; cnt <= 5; cnt++)
		for (unsigned index = 0; index < cnt; index++) {
			enum qkind kind = index % 2 ? QCOMMIT : QCHECKPOINT;
			struct qreceipt r = make(kind, cnt, index, 1 + cnt % 3);
			struct tx *tx = rules_pay(&rules, cnt % 2, "receipt");
			struct qtxid id;
			struct qheight height;
			assert_true(receipt_verify(&rules.g, &r, &id, &height, NULL));
			assert_true(qtxid_eq(&id, &tx->id));
			assert_int_equal(height.n, 10);
			tx_unref(tx);
			wire_free(WIRE(qreceipt), &r);
		}
}

static void no_single_flipped_bit_is_accepted(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 3, 1, 2), other;
	struct bytes raw = rules_encode(WIRE(qreceipt), &r);

	assert_true(holds(&r));
	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		rules_flip(&raw, bit);
		if (wire_decode(WIRE(qreceipt), raw.data, raw.len, &other)) {
			assert_false(holds(&other));
			wire_free(WIRE(qreceipt), &other);
		}
		rules_flip(&raw, bit);
	}
	bytes_free(&raw);
	wire_free(WIRE(qreceipt), &r);
}

static void refuses_another_chain(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 1, 0, 1);
	struct qtxid id;
	struct qheight height;

	assert_false(receipt_verify(&stranger.g, &r, &id, &height, NULL));
	r.chain = stranger.g.chain; /* relabelled: its transaction and certificate are still of the other */
	assert_false(receipt_verify(&stranger.g, &r, &id, &height, NULL));
	refuses(&r, "another chain");
}

static void refuses_a_certificate_that_makes_nothing_final(void **state)
{
	(void)state;
	struct qreceipt r = make(QPREPARE, 1, 0, 1);

	refuses(&r, "makes nothing final");
}

static void refuses_less_than_a_quorum(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 1, 0, 1);

	r.cert.sigs.sigs_len = 2;
	refuses(&r, "needs 3 of this chain's 4 replicas");
}

static void names_the_replica_whose_signature_fails(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 1, 0, 1);

	r.cert.sigs.sigs_val[1].sig.b[0] ^= 1;
	refuses(&r, "signature of replica 1");
}

static void refuses_a_certificate_for_another_block(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 1, 0, 3);

	r.headers.headers_len = 2; /* it covers a block that is not shown */
	refuses(&r, "another block");

	r = make(QCOMMIT, 1, 0, 1);
	struct qvote vote = r.cert.vote;
	vote.height.n++;
	wire_free(WIRE(qcert), &r.cert);
	r.cert = rules_cert(&rules, QCOMMIT, &vote, rules_quorum_mask(&rules));
	refuses(&r, "another block");
}

static void refuses_headers_that_are_not_one_chain(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 1, 0, 3);
	r.headers.headers_val[1].parent.b[0] ^= 1;
	recertify(&r);
	refuses(&r, "parent");

	r = make(QCOMMIT, 1, 0, 3);
	r.headers.headers_val[2].height.n = 13;
	recertify(&r);
	refuses(&r, "out of line");

	r = make(QCOMMIT, 1, 0, 1);
	r.headers.headers_len = 0;
	refuses(&r, "no block header");

	r = make(QCOMMIT, 1, 0, 1);
	r.headers.headers_val[0].format = 2;
	recertify(&r);
	refuses(&r, "format 2");

	r = make(QCOMMIT, 1, 0, 1);
	r.headers.headers_val[0].height.n = 0;
	refuses(&r, "out of line");
}

static void refuses_a_transaction_that_is_not_in_the_block(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 4, 2, 1);
	r.index = 1;
	refuses(&r, "Merkle path");

	r = make(QCOMMIT, 4, 2, 1);
	r.path.path_len = 1;
	refuses(&r, "Merkle path");

	r = make(QCOMMIT, 1, 0, 1);
	r.index = UINT32_MAX;
	refuses(&r, "Merkle path");

	r = make(QCOMMIT, 1, 0, 1);
	r.tx.qtx_bytes_len--;
	refuses(&r, "not the canonical encoding");
}

static void refuses_a_wrongly_signed_transaction_even_under_a_true_certificate(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 1, 0, 1);

	r.tx.qtx_bytes_val[r.tx.qtx_bytes_len - 1] ^= 1;
	merkle_leaf(r.tx.qtx_bytes_val, r.tx.qtx_bytes_len, &r.headers.headers_val[0].merkle_root);
	recertify(&r);
	refuses(&r, "signature of the receipt's transaction");
}

/* ---- seals ------------------------------------------------------------------ */

/*
 * A chain whose target moves, and how a test changes one of a receipt's headers before it is mined, linked
 * and certified: then only the seal is wrong.
 */
static struct rules sealed, fixed;

static int setup_seals(void **state)
{
	(void)state;
	setup(NULL);
	seals_setup(&sealed, 4, "receipt", 4, 8, 1000);
	seals_setup(&fixed, 4, "receipt", 6, 6, 0);
	return 0;
}

static int teardown_seals(void **state)
{
	(void)state;
	teardown(NULL);
	rules_teardown(&sealed);
	rules_teardown(&fixed);
	return 0;
}

static const char *fault_of(const struct rules *r, struct qreceipt receipt)
{
	static struct err err;
	struct qtxid id;
	struct qheight height;

	err = (struct err){0};
	bool ok = receipt_verify(&r->g, &receipt, &id, &height, &err);
	wire_free(WIRE(qreceipt), &receipt);
	assert_int_equal(ok, err.kind == ERR_NONE);
	return ok ? "" : err.text;
}

static void set_easiest(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(4);
}
static void set_hardest(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(8);
}
static void set_too_easy(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(3);
}
static void set_too_hard(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(9);
}
static void spoil_nonce(struct qheader *h)
{
	seals_mine(h, false);
}
static void drop_seal(struct qheader *h)
{
	h->seal = (struct qseal){.kind = QSEAL_NONE};
}

#define NOT_SEALED "not sealed as this chain asks"
#define NOT_ASKED_FOR "another target than the headers below ask for"

static void holds_with_seals(void **state)
{
	(void)state;
	for (uint64_t first = 1; first <= 5; first += 2)
		for (unsigned cnt = 1; cnt <= 4; cnt++) {
			assert_string_equal(
			    fault_of(&sealed, receipts_sealed(&sealed, first, cnt, RECEIPTS_WHOLE)), "");
			assert_string_equal(
			    fault_of(&fixed, receipts_sealed(&fixed, first, cnt, RECEIPTS_WHOLE)), "");
		}
}

static void refuses_every_header_that_is_not_sealed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct receipts_spoil spoils[] = {{i, NULL, spoil_nonce},
		                                        {i, NULL, drop_seal},
		                                        {i, set_too_easy, NULL},
		                                        {i, set_too_hard, NULL}};
		for (unsigned k = 0; k < 4; k++) {
			char want[128];
			snprintf(want, sizeof want, "header %u of the receipt is " NOT_SEALED, i);
			assert_string_equal(fault_of(&sealed, receipts_sealed(&sealed, 5, 4, spoils[k])),
			                    want);
			assert_string_equal(fault_of(&fixed, receipts_sealed(&fixed, 5, 4, spoils[k])), want);
		}
	}
}

/* Work was done, for a target of the genesis' bounds, and it is still not the one that is due. */
static void refuses_a_target_that_the_headers_below_do_not_ask_for(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct receipts_spoil easy = {i, set_easiest, NULL}, hard = {i, set_hardest, NULL};
		bool known = i >= 2; /* of the first two the receipt does not show what theirs follow from */
		const char *want = known ? NOT_ASKED_FOR : "";
		assert_non_null(strstr(fault_of(&sealed, receipts_sealed(&sealed, 5, 4, easy)), want));
		assert_non_null(strstr(fault_of(&sealed, receipts_sealed(&sealed, 5, 4, hard)), want));
		assert_true(known || !*fault_of(&sealed, receipts_sealed(&sealed, 5, 4, easy)));
		/* Above the genesis all is known; the easiest target is what the first two are due. */
		assert_non_null(
		    strstr(fault_of(&sealed, receipts_sealed(&sealed, 1, 4, hard)), NOT_ASKED_FOR));
	}
}

static void refuses_a_seal_on_a_chain_without_seals(void **state)
{
	(void)state;
	struct qreceipt r = make(QCOMMIT, 1, 0, 1);
	r.headers.headers_val[0].seal.kind = QSEAL_POW;
	r.headers.headers_val[0].seal.qseal_u.pow.target = seal_target_of_bits(0);
	recertify(&r);
	refuses(&r, NOT_SEALED);
}

static void no_single_flipped_bit_of_a_sealed_receipt_is_accepted(void **state)
{
	(void)state;
	struct qreceipt r = receipts_sealed(&sealed, 5, 3, RECEIPTS_WHOLE), other;
	struct bytes raw = rules_encode(WIRE(qreceipt), &r);

	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		rules_flip(&raw, bit);
		if (wire_decode(WIRE(qreceipt), raw.data, raw.len, &other))
			assert_string_not_equal(fault_of(&sealed, other), "");
		rules_flip(&raw, bit);
	}
	assert_true(wire_decode(WIRE(qreceipt), raw.data, raw.len, &other));
	assert_string_equal(fault_of(&sealed, other), "");
	bytes_free(&raw);
	wire_free(WIRE(qreceipt), &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(holds_for_every_place_and_both_kinds_of_certificate),
	    cmocka_unit_test(no_single_flipped_bit_is_accepted),
	    cmocka_unit_test(refuses_another_chain),
	    cmocka_unit_test(refuses_a_certificate_that_makes_nothing_final),
	    cmocka_unit_test(refuses_less_than_a_quorum),
	    cmocka_unit_test(names_the_replica_whose_signature_fails),
	    cmocka_unit_test(refuses_a_certificate_for_another_block),
	    cmocka_unit_test(refuses_headers_that_are_not_one_chain),
	    cmocka_unit_test(refuses_a_transaction_that_is_not_in_the_block),
	    cmocka_unit_test(refuses_a_wrongly_signed_transaction_even_under_a_true_certificate),
	    cmocka_unit_test(holds_with_seals),
	    cmocka_unit_test(refuses_every_header_that_is_not_sealed),
	    cmocka_unit_test(refuses_a_target_that_the_headers_below_do_not_ask_for),
	    cmocka_unit_test(refuses_a_seal_on_a_chain_without_seals),
	    cmocka_unit_test(no_single_flipped_bit_of_a_sealed_receipt_is_accepted),
	};
	return cmocka_run_group_tests(tests, setup_seals, teardown_seals);
}
