/*
 * Bodies of blocks in flight: what a lying proposer names cannot fill the memory, nor keep other bodies from
 * being fetched.
 * Links: q_replica
 */
#include "cluster.h"
#include "merkle.h"
#include "replica_impl.h"

/* The engine wants a block of these leaves; NULL: they are not known. */
static void want(struct replica *r, uint64_t height, unsigned serial, const struct qhash *leaves,
                 unsigned cnt)
{
	struct engine_output o = {.kind = OUT_WANT_BODY};
	struct qhash root = {{(uint8_t)serial, (uint8_t)(serial >> 8)}};

	if (leaves)
		merkle_root(leaves, cnt, &root);
	o.want_body.header = (struct qheader){.format = 1,
	                                      .height = qheight_of(height),
	                                      .merkle_root = root,
	                                      .tx_count = cnt,
	                                      .time_ms = serial};
	block_hash(&o.want_body.header, &o.want_body.hash);
	o.want_body.leaves = (struct qhash *)leaves; /* copied */
	o.want_body.from = 1;
	bodies_want(r, &o);
}

static size_t bytes_held(const struct replica *r)
{
	size_t bytes = 0;

	for (struct body *b = r->bodies; b; b = b->hh.next)
		for (size_t i = 0; b->txs && i < b->header.tx_count; i++)
			bytes += b->txs[i] ? b->txs[i]->raw_len : 0;
	return bytes;
}

/* A thousand outputs each: about 30 kB, so that seven exceed the smallest limit there may be. */
static void gathers_no_more_of_a_block_than_a_block_may_hold(void **state)
{
	struct qparams params = genesis_default_params();
	struct qhash leaves[10];
	struct tx *txs[10];

	(void)state;
	params.block_bytes_max = Q_TX_BYTES_MAX;
	struct cluster *c = cluster_new(4, 1, &params);
	struct replica *r = c->members[3].replica;
	struct qoutpoint nowhere = {.index = 7};
	for (unsigned i = 0; i < 10; i++) {
		struct payment p = {.from = 1, .to = 9, .amount = 5000, .outputs = 1000};
		nowhere.tx.b[0] = (uint8_t)i;
		txs[i] = pay(&c->rules, &p, &nowhere, 1);
		leaves[i] = txs[i]->leaf;
	}
	want(r, 1, 1, leaves, 10);
	for (unsigned i = 0; i < 10; i++) {
		txs_seen(r, txs[i]);
		bodies_fill(r);
		assert_true(bytes_held(r) <= params.block_bytes_max);
		tx_unref(txs[i]);
	}
	assert_int_equal(bytes_held(r), 0);
	cluster_free(c);
}

struct asked {
	struct qhash block;
	bool seen;
};

static void watch_asking(struct cluster *c, unsigned from, const struct message *m)
{
	struct asked *a = c->drop_ctx;

	if (from != 3 || m->m.kind != QGET_BODIES)
		return;
	for (unsigned i = 0; i < m->m.qmessage_u.get_bodies.blocks.blocks_len; i++)
		a->seen |= qhash_eq(&m->m.qmessage_u.get_bodies.blocks.blocks_val[i], &a->block);
}

static void fetches_a_body_though_a_liar_named_many_that_nobody_has(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct replica *r = c->members[3].replica;
	struct asked a = {.seen = false};

	(void)state;
	c->watch = watch_asking;
	c->drop_ctx = &a;
	for (unsigned i = 0; i < 40; i++) {
		want(r, 2, i + 1, NULL, 1);
		c->members[3].woken = true;
		cluster_run(c, 137); /* their retries spread */
	}
	cluster_run(c, 10000);
	want(r, 1, 1000, NULL, 1);
	for (struct body *b = r->bodies; b; b = b->hh.next)
		a.block = b->hash; /* the last */
	c->members[3].woken = true;
	cluster_run(c, 1000);
	assert_true(a.seen);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gathers_no_more_of_a_block_than_a_block_may_hold),
	    cmocka_unit_test(fetches_a_body_though_a_liar_named_many_that_nobody_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
