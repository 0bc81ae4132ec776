/*
 * tx.c: transactions: what is parsed, what is refused and why, what a signature covers.
 *
 * Links: q_ledger
 */
#include "rules.h"

static struct rules rules;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "tx");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	return 0;
}

/* A transaction of so many inputs, outputs and witnesses that breaks no rule (signatures aside). */
static struct qtx plain(unsigned in_cnt, unsigned out_cnt, unsigned witness_cnt)
{
	struct qtx q = {0};

	q.body.inputs.inputs_len = in_cnt;
	q.body.inputs.inputs_val = xcalloc(in_cnt + 1, sizeof(struct qoutpoint));
	for (unsigned i = 0; i < in_cnt; i++)
		q.body.inputs.inputs_val[i] = (struct qoutpoint){rules.g.txid, i};
	q.body.outputs.outputs_len = out_cnt;
	q.body.outputs.outputs_val = xcalloc(out_cnt + 1, sizeof(struct qoutput));
	for (unsigned i = 0; i < out_cnt; i++)
		q.body.outputs.outputs_val[i] = (struct qoutput){rules_address(1), i + 1};
	q.witnesses.witnesses_len = witness_cnt;
	q.witnesses.witnesses_val = xcalloc(witness_cnt + 1, sizeof(struct qwitness));
	for (unsigned i = 0; i < witness_cnt; i++) { /* any 33 bytes will do: find ascending addresses */
		struct qwitness *w = &q.witnesses.witnesses_val[i];
		w->key.b[0] = 2;
		w->key.b[1] = (uint8_t)i;
		w->key.b[2] = (uint8_t)(i >> 8);
	}
	return q;
}

static int by_address(const void *a, const void *b)
{
	struct qaddress x = account_address(&((const struct qwitness *)a)->key);
	struct qaddress y = account_address(&((const struct qwitness *)b)->key);

	return memcmp(&x, &y, sizeof x);
}

static void sort_witnesses(struct qtx *q)
{
	qsort(q->witnesses.witnesses_val, q->witnesses.witnesses_len, sizeof(struct qwitness), by_address);
}

static enum tx_verdict parse_bytes(const uint8_t *data, size_t len)
{
	enum tx_verdict v = TX_VERDICT_CNT;
	struct tx *tx = tx_parse(&rules.g.chain, data, len, &v);

	assert_true((tx != NULL) == (v == TX_OK));
	tx_unref(tx);
	return v;
}

/* Encodes, parses and frees. */
static enum tx_verdict parse(struct qtx *q)
{
	struct bytes b = rules_encode(WIRE(qtx), q);
	enum tx_verdict v = parse_bytes(b.data, b.len);

	bytes_free(&b);
	wire_free(WIRE(qtx), q);
	return v;
}

/* As a batch of requests has it. */
static void nothing_is_malformed(void **state)
{
	enum tx_verdict v = TX_OK;
	(void)state;

	assert_null(tx_parse(&rules.g.chain, NULL, 0, &v));
	assert_int_equal(v, TX_MALFORMED);
}

static void parses_what_it_made_and_its_signature_holds(void **state)
{
	(void)state;
	struct tx *tx = rules_pay(&rules, 0, "rent"), *again;
	enum tx_verdict v;
	struct qtxid id;
	struct qaddress owner = rules_address(1);

	assert_true(tx_verify(&rules.g, tx));
	again = tx_parse(&rules.g.chain, tx->raw, tx->raw_len, &v);
	assert_non_null(again);
	assert_true(qtxid_eq(&tx->id, &again->id));
	assert_true(qhash_eq(&tx->leaf, &again->leaf));
	assert_memory_equal(again->owners, &owner, sizeof owner);
	tx_id(&rules.g.chain, &tx->q.body, &id);
	assert_true(qtxid_eq(&tx->id, &id));
	tx_unref(again);
	tx_unref(tx);
}

static void the_id_covers_the_chain_and_the_body_but_no_witness(void **state)
{
	(void)state;
	struct tx *tx = rules_pay(&rules, 0, "a"), *other = rules_pay(&rules, 0, "b"), *forged;
	struct qhash chain = rules_hash(1);
	struct qtxid id;
	struct bytes raw;
	enum tx_verdict v;

	assert_false(qtxid_eq(&tx->id, &other->id));
	tx_id(&chain, &tx->q.body, &id);
	assert_false(qtxid_eq(&tx->id, &id));

	tx->q.witnesses.witnesses_val[0].sig.b[5] ^= 1;
	raw = rules_encode(WIRE(qtx), &tx->q);
	forged = tx_parse(&rules.g.chain, raw.data, raw.len, &v);
	assert_non_null(forged);
	assert_true(qtxid_eq(&tx->id, &forged->id));
	assert_false(qhash_eq(&tx->leaf, &forged->leaf));
	assert_false(tx_verify(&rules.g, forged));
	bytes_free(&raw);
	tx_unref(forged);
	tx_unref(other);
	tx_unref(tx);
}

static void the_id_is_what_it_always_was(void **state)
{
	(void)state;
	struct qhash chain = rules_hash(1);
	struct qoutpoint in = {.index = 4};
	struct qoutput out = {.amount = 9};
	unsigned char memo[2] = {'h', 'i'};
	struct qtx_body body = {.inputs = {1, &in}, .outputs = {1, &out}, .memo = {2, memo}, .expiry = {6}};
	struct qtxid id;

	memset(in.tx.b, 3, sizeof in.tx.b);
	memset(out.owner.b, 7, sizeof out.owner.b);
	tx_id(&chain, &body, &id);
	rules_golden(id.b, "b1321c9306ebcf2ea99d4824e7538bd3419a8558b43bda20c705c129c09f3102");
}

static void signs_for_every_owner_whatever_their_order(void **state)
{
	(void)state;
	struct account *a[3] = {rules_account(1), rules_account(2), rules_account(3)};
	const struct account *orders[2][3] = {{a[0], a[1], a[2]}, {a[2], a[1], a[0]}};
	struct qtx q = plain(3, 1, 0);
	struct tx *made[2];
	struct err err = {0};

	for (int i = 0; i < 2; i++) {
		made[i] = tx_make(&rules.g.chain, &q.body, orders[i], 3, &err);
		assert_non_null(made[i]);
		assert_true(tx_verify(&rules.g, made[i]));
	}
	assert_int_equal(made[0]->raw_len, made[1]->raw_len);
	assert_memory_equal(made[0]->raw, made[1]->raw, made[0]->raw_len);
	for (int i = 0; i < 3; i++)
		account_free(a[i]);
	tx_unref(made[0]);
	tx_unref(made[1]);
	wire_free(WIRE(qtx), &q);
}

static void one_wrong_signature_of_several_is_found(void **state)
{
	(void)state;
	struct account *a[2] = {rules_account(1), rules_account(2)};
	const struct account *signers[2] = {a[0], a[1]};
	struct qtx q = plain(2, 1, 0);
	struct tx *tx = tx_make(&rules.g.chain, &q.body, signers, 2, NULL);

	assert_true(tx_verify(&rules.g, tx));
	tx->q.witnesses.witnesses_val[1].sig = tx->q.witnesses.witnesses_val[0].sig;
	assert_false(tx_verify(&rules.g, tx));
	account_free(a[0]);
	account_free(a[1]);
	tx_unref(tx);
	wire_free(WIRE(qtx), &q);
}

static void making_says_which_rule_is_broken(void **state)
{
	(void)state;
	struct account *a = rules_account(1);
	const struct account *twice[2] = {a, a};
	struct qtx q = plain(2, 1, 0);
	struct err err = {0};

	assert_null(tx_make(&rules.g.chain, &q.body, twice, 2, &err));
	assert_int_equal(err.kind, ERR_INPUT);
	assert_non_null(strstr(err.text, tx_verdict_info(TX_WITNESS_ORDER)->text));
	assert_null(tx_make(&rules.g.chain, &q.body, twice, 0, &err));
	assert_non_null(strstr(err.text, tx_verdict_info(TX_WRONG_WITNESS)->text));
	q.body.memo.memo_len = Q_MEMO_MAX + 1;
	q.body.memo.memo_val = xcalloc(1, Q_MEMO_MAX + 1);
	assert_null(tx_make(&rules.g.chain, &q.body, twice, 1, &err));
	assert_non_null(strstr(err.text, tx_verdict_info(TX_TOO_LARGE)->text));
	account_free(a);
	wire_free(WIRE(qtx), &q);
}

static void needs_inputs_and_outputs(void **state)
{
	(void)state;
	struct qtx q = plain(0, 1, 0);

	assert_int_equal(parse(&q), TX_NO_INPUTS);
	q = plain(1, 0, 1);
	assert_int_equal(parse(&q), TX_NO_OUTPUTS);
}

static void amounts_are_from_one_to_the_largest_and_so_is_their_sum(void **state)
{
	(void)state;
	static const struct {
		uint64_t first, second;
		enum tx_verdict verdict;
	} cases[] = {
	    {1, 1, TX_OK},
	    {0, 1, TX_BAD_AMOUNT},
	    {1, 0, TX_BAD_AMOUNT},
	    {(uint64_t)TX_AMOUNT_MAX - 1, 1, TX_OK},
	    {TX_AMOUNT_MAX, 1, TX_BAD_AMOUNT},
	    {(uint64_t)TX_AMOUNT_MAX + 1, 1, TX_BAD_AMOUNT},
	    {UINT64_MAX, 1, TX_BAD_AMOUNT},
	    {UINT64_MAX, 2, TX_BAD_AMOUNT},
	    {1, UINT64_MAX, TX_BAD_AMOUNT},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct qtx q = plain(1, 2, 1);
		q.body.outputs.outputs_val[0].amount = cases[i].first;
		q.body.outputs.outputs_val[1].amount = cases[i].second;
		assert_int_equal(parse(&q), cases[i].verdict);
	}
}

static void refuses_an_input_named_twice_wherever_it_stands(void **state)
{
	(void)state;
	static const unsigned places[][2] = {{0, 1}, {0, 9}, {4, 7}, {8, 9}};

	for (size_t i = 0; i < 4; i++) {
		struct qtx q = plain(10, 1, 1);
		q.body.inputs.inputs_val[places[i][1]] = q.body.inputs.inputs_val[places[i][0]];
		assert_int_equal(parse(&q), TX_DUPLICATE_INPUT);
	}
	struct qtx q = plain(2, 1, 1); /* one id, two indexes: two outputs */
	assert_int_equal(parse(&q), TX_OK);
}

static void witnesses_ascend_strictly_by_address(void **state)
{
	(void)state;
	struct qtx q = plain(3, 1, 3);
	sort_witnesses(&q);
	assert_int_equal(parse(&q), TX_OK);

	q = plain(3, 1, 3);
	sort_witnesses(&q);
	struct qwitness swap = q.witnesses.witnesses_val[1];
	q.witnesses.witnesses_val[1] = q.witnesses.witnesses_val[2];
	q.witnesses.witnesses_val[2] = swap;
	assert_int_equal(parse(&q), TX_WITNESS_ORDER);

	q = plain(3, 1, 3);
	sort_witnesses(&q);
	q.witnesses.witnesses_val[1] = q.witnesses.witnesses_val[0];
	assert_int_equal(parse(&q), TX_WITNESS_ORDER);
}

static void witnesses_are_one_to_as_many_as_inputs(void **state)
{
	(void)state;
	struct qtx q = plain(2, 1, 0);

	assert_int_equal(parse(&q), TX_WRONG_WITNESS);
	q = plain(2, 1, 3);
	sort_witnesses(&q);
	assert_int_equal(parse(&q), TX_WRONG_WITNESS);
	q = plain(2, 1, 2);
	sort_witnesses(&q);
	assert_int_equal(parse(&q), TX_OK);
}

static void accepts_the_largest_transaction(void **state)
{
	(void)state;
	struct qtx q = plain(Q_INPUTS_MAX, Q_OUTPUTS_MAX, Q_WITNESSES_MAX);

	for (unsigned i = 0; i < Q_OUTPUTS_MAX; i++)
		q.body.outputs.outputs_val[i].lock.kind = QLOCK_STAKE;
	q.body.offence.offence_len = 1;
	q.body.offence.offence_val = xcalloc(1, sizeof(struct qoffence));
	*q.body.offence.offence_val = rules_offence(&rules, 1, 7, 1);
	q.body.memo.memo_len = Q_MEMO_MAX;
	q.body.memo.memo_val = xcalloc(1, Q_MEMO_MAX);
	sort_witnesses(&q);
	assert_int_equal(parse(&q), TX_OK);
}

/* Bytes of a transaction whose lists have these lengths, all else zero (every other output locked); beyond
 * what the codec would make. */
struct lists {
	uint32_t in, out, memo, offence, witness;
};

static struct bytes lists(const struct lists *l)
{
	const uint32_t cnt[5] = {l->in, l->out, l->memo, l->offence, l->witness};
	const size_t item[5] = {36, 32, 1, 4 + 4 + 160 + 128, 100};
	struct bytes b = {xcalloc(1, 1 << 20), 0};

	for (int i = 0; i < 5; i++) {
		for (int shift = 24; shift >= 0; shift -= 8)
			b.data[b.len++] = (uint8_t)(cnt[i] >> shift);
		for (uint32_t k = 0; i == 1 && k < cnt[i] / 2; k++) {
			b.data[b.len + 31] = QLOCK_STAKE;
			b.len += 36 - 32 + 2 * item[i];
		}
		b.len += ((i == 1 ? cnt[i] % 2 : cnt[i]) * item[i] + 3) / 4 * 4;
		if (i == 2)
			b.len += 8; /* expiry */
	}
	return b;
}

static void tells_too_large_from_malformed(void **state)
{
	(void)state;
	static const struct {
		struct lists lists;
		enum tx_verdict verdict;
	} cases[] = {
	    {{Q_INPUTS_MAX + 1, 1, 0, 0, 1}, TX_TOO_LARGE},
	    {{10000, 1, 0, 0, 1}, TX_TOO_LARGE}, /* more bytes than allowed */
	    {{1, Q_OUTPUTS_MAX + 1, 0, 0, 1}, TX_TOO_LARGE},
	    {{1, 1, Q_MEMO_MAX + 1, 0, 1}, TX_TOO_LARGE},
	    {{1, 8, Q_MEMO_MAX + 1, 0, 1}, TX_TOO_LARGE}, /* behind outputs of both lengths */
	    {{1, 9, 0, 2, 1}, TX_TOO_LARGE},
	    {{1, 1, 0, 1, Q_WITNESSES_MAX + 1}, TX_TOO_LARGE},
	    {{1, 1, 0, 0, Q_WITNESSES_MAX + 1}, TX_TOO_LARGE},
	    {{1, 7, 0, 1, 1}, TX_BAD_AMOUNT}, /* as many as may be: the rules come next */
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bytes b = lists(&cases[i].lists);
		assert_int_equal(parse_bytes(b.data, b.len), cases[i].verdict);
		bytes_free(&b);
	}
	struct bytes b = lists(&cases[0].lists); /* the list is announced but not there */
	assert_int_equal(parse_bytes(b.data, 400), TX_MALFORMED);
	bytes_free(&b);
	b = lists(&(struct lists){1, 1000, Q_MEMO_MAX + 1, 0, 1});
	for (size_t len = 0; len < b.len - Q_MEMO_MAX - 120; len++) { /* it ends before the memo */
		uint8_t *exact = xmemdup(b.data, len ? len : 1);      /* so that a sanitizer sees the end */
		assert_int_equal(parse_bytes(exact, len), TX_MALFORMED);
		free(exact);
	}
	bytes_free(&b);
	assert_int_equal(parse_bytes((const uint8_t *)"", 0), TX_MALFORMED);
}

static void refuses_every_truncation_and_any_trailing_byte(void **state)
{
	(void)state;
	struct tx *tx = rules_pay(&rules, 0, "abc");
	uint8_t *longer = xcalloc(1, tx->raw_len + 4);

	memcpy(longer, tx->raw, tx->raw_len);
	for (size_t len = 0; len < tx->raw_len; len++) {
		uint8_t *exact = xmemdup(tx->raw, len ? len : 1); /* so that a sanitizer sees the end */
		assert_int_equal(parse_bytes(exact, len), TX_MALFORMED);
		free(exact);
	}
	for (size_t more = 1; more <= 4; more++)
		assert_int_equal(parse_bytes(longer, tx->raw_len + more), TX_MALFORMED);
	free(longer);
	tx_unref(tx);
}

static void no_single_flipped_bit_leaves_a_valid_signed_transaction(void **state)
{
	(void)state;
	struct tx *tx = rules_pay(&rules, 0, "abc");
	struct bytes raw = {xmemdup(tx->raw, tx->raw_len), tx->raw_len};

	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		enum tx_verdict v;
		rules_flip(&raw, bit);
		struct tx *other = tx_parse(&rules.g.chain, raw.data, raw.len, &v);
		assert_false(other && tx_verify(&rules.g, other));
		tx_unref(other);
		rules_flip(&raw, bit);
	}
	bytes_free(&raw);
	tx_unref(tx);
}

static void every_verdict_has_a_code_and_a_sentence(void **state)
{
	(void)state;
	for (int v = 0; v < TX_VERDICT_CNT; v++) {
		const struct tx_verdict_info *info = tx_verdict_info((enum tx_verdict)v);
		assert_true(strlen(info->code) > 0 && strlen(info->text) > 0);
		assert_in_range(info->http_status, 200, 599);
		for (int w = 0; w < v; w++)
			assert_string_not_equal(info->code, tx_verdict_info((enum tx_verdict)w)->code);
	}
}

/* A transaction with several witnesses, one that is cut, one whose witnesses are swapped, one too large, and
 * plain ones: each as if it were alone, wherever it stands. */
static void many_are_parsed_as_each_alone(void **state)
{
	(void)state;
	enum { KINDS = 6 };
	struct bytes kinds[KINDS];
	struct qtx wide = plain(100, 3, 70), swapped = plain(3, 2, 3);
	struct tx *paid = rules_pay(&rules, 0, "rent"), *other = rules_pay(&rules, 1, "");

	sort_witnesses(&wide);
	kinds[0] = (struct bytes){xmemdup(paid->raw, paid->raw_len), paid->raw_len};
	kinds[1] = (struct bytes){xmemdup(other->raw, other->raw_len), other->raw_len};
	kinds[2] = rules_encode(WIRE(qtx), &wide);
	kinds[3] = (struct bytes){xmemdup(paid->raw, paid->raw_len), paid->raw_len - 4};
	sort_witnesses(&swapped);
	struct qwitness *w = swapped.witnesses.witnesses_val, first = w[0];
	w[0] = w[1];
	w[1] = first;
	kinds[4] = rules_encode(WIRE(qtx), &swapped);
	kinds[5] = (struct bytes){xcalloc(1, Q_TX_BYTES_MAX + 1), Q_TX_BYTES_MAX + 1};
	for (size_t cnt = 0; cnt <= TX_PARSE_MAX; cnt++) {
		qtx_bytes raws[TX_PARSE_MAX];
		struct tx *txs[TX_PARSE_MAX];
		enum tx_verdict verdicts[TX_PARSE_MAX], alone;
		for (size_t i = 0; i < cnt; i++) {
			const struct bytes *b = &kinds[(i * i + i / 5 + cnt) % KINDS];
			raws[i] = (qtx_bytes){(unsigned)b->len, b->data};
		}
		tx_parse_many(&rules.g.chain, raws, cnt, txs, verdicts);
		for (size_t i = 0; i < cnt; i++) {
			struct tx *one =
			    tx_parse(&rules.g.chain, raws[i].qtx_bytes_val, raws[i].qtx_bytes_len, &alone);
			assert_int_equal(verdicts[i], alone);
			assert_int_equal(txs[i] != NULL, one != NULL);
			if (one) {
				assert_memory_equal(&txs[i]->id, &one->id, sizeof one->id);
				assert_memory_equal(&txs[i]->leaf, &one->leaf, sizeof one->leaf);
				for (unsigned k = 0; k < one->q.witnesses.witnesses_len; k++) {
					struct qaddress a =
					    account_address(&one->q.witnesses.witnesses_val[k].key);
					assert_memory_equal(&txs[i]->owners[k], &a, sizeof a);
				}
			}
			tx_unref(one);
			tx_unref(txs[i]);
		}
	}
	for (size_t i = 0; i < KINDS; i++)
		bytes_free(&kinds[i]);
	wire_free(WIRE(qtx), &wide);
	wire_free(WIRE(qtx), &swapped);
	tx_unref(paid);
	tx_unref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_malformed),
	    cmocka_unit_test(many_are_parsed_as_each_alone),
	    cmocka_unit_test(parses_what_it_made_and_its_signature_holds),
	    cmocka_unit_test(the_id_covers_the_chain_and_the_body_but_no_witness),
	    cmocka_unit_test(the_id_is_what_it_always_was),
	    cmocka_unit_test(signs_for_every_owner_whatever_their_order),
	    cmocka_unit_test(one_wrong_signature_of_several_is_found),
	    cmocka_unit_test(making_says_which_rule_is_broken),
	    cmocka_unit_test(needs_inputs_and_outputs),
	    cmocka_unit_test(amounts_are_from_one_to_the_largest_and_so_is_their_sum),
	    cmocka_unit_test(refuses_an_input_named_twice_wherever_it_stands),
	    cmocka_unit_test(witnesses_ascend_strictly_by_address),
	    cmocka_unit_test(witnesses_are_one_to_as_many_as_inputs),
	    cmocka_unit_test(accepts_the_largest_transaction),
	    cmocka_unit_test(tells_too_large_from_malformed),
	    cmocka_unit_test(refuses_every_truncation_and_any_trailing_byte),
	    cmocka_unit_test(no_single_flipped_bit_leaves_a_valid_signed_transaction),
	    cmocka_unit_test(every_verdict_has_a_code_and_a_sentence),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
