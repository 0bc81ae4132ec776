/*
 * seal.c: a chain whose blocks carry a proof of work, with real miners: every block's hash is below its
 * target, payments are final, and who is killed in the middle of mining is replaced.
 */
#include "chain.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "block.h"
#include "seal.h"

static void pow_chain(struct qgenesis *g, unsigned bits, unsigned bits_max, unsigned interval_ms)
{
	g->params.timeout_ms = 1000;
	g->seal.kind = QSEAL_POW;
	g->seal.qseal_rules_u.pow = (struct qpow_rules){.bits = bits,
	                                                .bits_max = bits_max,
	                                                .interval_ms = interval_ms,
	                                                .hash_rate = UINT32_C(20) << bits_max};
}

static void easy(struct qgenesis *g)
{
	pow_chain(g, 12, 12, 0);
}

/* Half a second of mining: enough to be caught in it. */
static void hard(struct qgenesis *g)
{
	pow_chain(g, 20, 20, 0);
	g->seal.qseal_rules_u.pow.hash_rate = UINT32_C(5) << 20; /* whoever is slower may be deposed */
}

/* Blocks are to come once a second. */
static void moving(struct qgenesis *g)
{
	pow_chain(g, 8, 14, 1000);
}

/* ---- what every block must show ------------------------------------------------------------ */

struct walk {
	const struct genesis *genesis;
	struct seal_parent parent;
	uint64_t height;
	unsigned hardest; /* zero bits of the lowest target */
};

static unsigned zero_bits(const uint8_t b[32])
{
	unsigned bits = 0;
	while (bits < 256 && !(b[bits / 8] >> (7 - bits % 8) & 1))
		bits++;
	return bits;
}

/* By hand, and then by the rules of the chain. */
static void assert_sealed(void *ctx, const struct qheader *h)
{
	struct walk *w = ctx;
	struct qhash hash;
	block_hash(h, &hash);
	assert_int_equal(h->height.n, ++w->height);
	assert_int_equal(h->seal.kind, QSEAL_POW);
	const uint8_t *target = h->seal.qseal_u.pow.target.b;
	assert_true(memcmp(hash.b, target, 32) <= 0);
	assert_true(seal_holds(w->genesis, h, &hash));
	assert_true(seal_follows(w->genesis, &w->parent, h));
	seal_extend(&w->parent, h);
	if (zero_bits(target) > w->hardest)
		w->hardest = zero_bits(target);
}

static unsigned assert_all_sealed(struct chain *c, unsigned node, uint64_t height)
{
	struct walk w = {.genesis = c->genesis};
	seal_genesis(c->genesis, &w.parent);
	chain_each_header(c, node, assert_sealed, &w);
	assert_int_equal(w.height, height);
	return w.hardest;
}

/* ---- stories ------------------------------------------------------------------------------- */

static void every_block_of_a_sealed_chain_has_its_work(void **state)
{
	struct chain *c = chain_up_edited(4, easy);
	uint64_t height = 0;
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		height = chain_pay(c, i % 4, 1 + i);
	chain_wait_height(c, 0xf, height);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(assert_all_sealed(c, i, height), 12);
	chain_assert_audit(c, height);

	/* All at once, and from the disk again. */
	for (unsigned i = 0; i < 4; i++)
		chain_signal(c, "kill", i);
	for (unsigned i = 0; i < 4; i++)
		chain_signal(c, "start", i);
	chain_wait(c);
	assert_true(chain_pay(c, 2, 100) > height);
	height = chain_wait_quiet(c);
	assert_all_sealed(c, 3, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
	chain_down(c);
}

/* Payments come faster than the blocks that the target aims at: it becomes harder than the first. */
static void the_target_follows_the_interval(void **state)
{
	struct chain *c = chain_up_edited(4, moving);
	struct purse purse = purse_open(c, "alice", 0);
	uint64_t height = 0;
	(void)state;
	while (height < 100)
		height = purse_pay(&purse, c, 0);
	height = chain_wait_quiet(c);
	unsigned hardest = assert_all_sealed(c, 1, height);
	print_message("target of %u zero bits after %llu blocks, 8 at first\n", hardest,
	              (unsigned long long)height);
	assert_true(hardest >= 9 && hardest <= 14);
	chain_assert_audit(c, height);
	purse_close(&purse);
	chain_down(c);
}

/* The height that this node is mining; 0: none. */
static uint64_t sealing(struct chain *c, unsigned node)
{
	int status;
	json_t *s = chain_get(c, node, &status, "/v1/status");
	assert_non_null(json_object_get(s, "sealing"));
	uint64_t height = (uint64_t)json_integer_value(json_object_get(s, "sealing"));
	json_decref(s);
	return height;
}

/* Pays through `node` until its own proposer, node 0, is seen mining the block; kills that at once. */
static struct tx *kill_the_miner(struct chain *c, struct purse *purse, unsigned node)
{
	pid_t pids[4];
	chain_pids(c, pids);
	for (unsigned tries = 0; tries < 50; tries++) {
		struct tx *tx = purse_next(purse, c->genesis);
		char hex[QHASH_HEX];
		int status;
		assert_true(chain_submit(c, node, &tx, 1, NULL));
		for (bool final = false; !final;) {
			if (sealing(c, 0) > 0) {
				assert_int_equal(kill(pids[0], SIGKILL), 0);
				return tx;
			}
			json_t *t =
			    chain_get(c, node, &status, "/v1/transactions/%s", hex_encode(hex, tx->id.b, 32));
			final = strcmp(json_text(t, "status"), "final") == 0;
			json_decref(t);
		}
		tx_unref(tx);
	}
	fail_msg("node 0 was never seen mining");
	return NULL;
}

static void a_miner_killed_while_it_mines_is_replaced_and_catches_up(void **state)
{
	struct chain *c = chain_up_edited(4, hard);
	struct purse purse = purse_open(c, "alice", 0);
	int status;
	(void)state;
	struct tx *tx = kill_the_miner(c, &purse, 1);
	for (unsigned i = 1; i < 4; i++)
		assert_true(chain_final(c, i, &tx->id, NULL, 0, NULL, 0));
	tx_unref(tx);
	json_t *s = chain_get(c, 1, &status, "/v1/status");
	assert_true(json_integer_value(json_object_get(s, "view")) >= 1); /* somebody else mined it */
	json_decref(s);
	uint64_t height = purse_pay(&purse, c, 2);
	chain_signal(c, "start", 0);
	chain_wait_height(c, 0xf, height);
	height = purse_pay(&purse, c, 0);
	chain_wait_height(c, 0xf, height);
	height = chain_wait_quiet(c);
	assert_all_sealed(c, 0, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
	purse_close(&purse);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_block_of_a_sealed_chain_has_its_work),
	    cmocka_unit_test(the_target_follows_the_interval),
	    cmocka_unit_test(a_miner_killed_while_it_mines_is_replaced_and_catches_up),
	};
	return cmocka_run_group_tests_name("seal", tests, chain_setup, NULL);
}
