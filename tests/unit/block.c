/*
 * block.c: a block's identity, its leaves, its bytes.
 *
 * Links: q_ledger
 */
#include "block.h"
#include "merkle.h"
#include "rules.h"

static struct rules rules;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "block");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	return 0;
}

static void the_hash_covers_every_field_of_the_header(void **state)
{
	(void)state;
	const struct qheader base = rules_header(5, rules_hash(1), rules_hash(2), 3);
	struct qheader h[7] = {base, base, base, base, base, base, base};
	struct qhash want, got;

	h[0].format++;
	h[1].height.n++;
	h[2].parent.b[31] ^= 1;
	h[3].merkle_root.b[0] ^= 1;
	h[4].tx_count++;
	h[5].proposer++;
	h[6].time_ms++;
	block_hash(&base, &want);
	for (int i = 0; i < 7; i++) {
		block_hash(&h[i], &got);
		assert_false(qhash_eq(&want, &got));
	}
	block_hash(&(struct qheader){base.format, base.height, base.parent, base.merkle_root, base.tx_count,
	                             base.proposer, base.time_ms, base.seal},
	           &got);
	assert_true(qhash_eq(&want, &got));
}

static void the_hash_is_what_it_always_was(void **state)
{
	(void)state;
	const struct qheader h = rules_header(5, rules_hash(1), rules_hash(2), 3);
	struct qhash hash;

	block_hash(&h, &hash);
	rules_golden(hash.b, "89d2de766646b26b7d090884ab9217bc748bea500eb9f6e7a8343e5c71e0020d");
}

static void leaves_match_the_header_they_were_made_for(void **state)
{
	(void)state;
	struct qhash leaves[5], root;

	for (uint8_t i = 0; i < 5; i++)
		leaves[i] = rules_hash((uint8_t)(9 - i));
	for (unsigned cnt = 1; cnt <= 5; cnt++) {
		merkle_root(leaves, cnt, &root);
		struct qheader h = rules_header(1, rules.g.chain, root, cnt);
		assert_true(block_leaves_match(&h, leaves, cnt));
		h.tx_count = cnt + 1;
		assert_false(block_leaves_match(&h, leaves, cnt));
		h.tx_count = cnt;
		h.merkle_root.b[7] ^= 1;
		assert_false(block_leaves_match(&h, leaves, cnt));
	}
}

static void refuses_leaves_in_another_order(void **state)
{
	(void)state;
	struct qhash leaves[2] = {rules_hash(1), rules_hash(2)}, swapped[2] = {leaves[1], leaves[0]}, root;

	merkle_root(leaves, 2, &root);
	struct qheader h = rules_header(1, rules.g.chain, root, 2);
	assert_false(block_leaves_match(&h, swapped, 2));
}

static void refuses_a_block_without_transactions(void **state)
{
	(void)state;
	struct qhash root;

	merkle_root(NULL, 0, &root);
	struct qheader h = rules_header(1, rules.g.chain, root, 0);
	assert_false(block_leaves_match(&h, NULL, 0));
}

static void refuses_a_leaf_that_occurs_twice_wherever_it_stands(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 6; first++)
		for (unsigned second = first + 1; second < 6; second++) {
			struct qhash leaves[6], root;
			for (uint8_t i = 0; i < 6; i++)
				leaves[i] = rules_hash((uint8_t)(i * 37));
			leaves[second] = leaves[first];
			merkle_root(leaves, 6, &root);
			struct qheader h = rules_header(1, rules.g.chain, root, 6);
			assert_false(block_leaves_match(&h, leaves, 6));
		}
}

static void its_bytes_hold_the_transactions_as_they_came(void **state)
{
	(void)state;
	struct tx *txs[2] = {rules_pay(&rules, 0, "one"), rules_pay(&rules, 1, "two")};
	struct qheader h = rules_header(1, rules.g.chain, rules_hash(0), 2);
	struct block *b = block_new(&h, txs, 2), *same = block_ref(b);
	struct qblock q, back;
	struct qhash hash;

	tx_unref(txs[0]); /* the block has its own references */
	tx_unref(txs[1]);
	block_unref(b);
	block_hash(&h, &hash);
	assert_true(qhash_eq(&hash, &same->hash));
	block_to_wire(same, &q);
	struct bytes raw = rules_encode(WIRE(qblock), &q);
	free(q.txs.txs_val);
	assert_true(wire_decode(WIRE(qblock), raw.data, raw.len, &back));
	assert_int_equal(back.txs.txs_len, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(back.txs.txs_val[i].qtx_bytes_len, same->txs[i]->raw_len);
		assert_memory_equal(back.txs.txs_val[i].qtx_bytes_val, same->txs[i]->raw,
		                    same->txs[i]->raw_len);
	}
	wire_free(WIRE(qblock), &back);
	bytes_free(&raw);
	block_unref(same);
	block_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_hash_covers_every_field_of_the_header),
	    cmocka_unit_test(the_hash_is_what_it_always_was),
	    cmocka_unit_test(leaves_match_the_header_they_were_made_for),
	    cmocka_unit_test(refuses_leaves_in_another_order),
	    cmocka_unit_test(refuses_a_block_without_transactions),
	    cmocka_unit_test(refuses_a_leaf_that_occurs_twice_wherever_it_stands),
	    cmocka_unit_test(its_bytes_hold_the_transactions_as_they_came),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
