/*
 * replica_serve.c: answers to peers that lack something: transactions by leaf, bodies by block
 * hash, certified headers.
 *
 * Each peer has an allowance of bytes that fills up with time.  An answer costs what it weighs, a
 * look-up a little: so one peer cannot make this replica work without end, and one that lags gets as much
 * as it can use.  What is not answered is asked again, here or elsewhere.
 *
 * A disk that gave back something else than what was written, or whoever edited the file, makes this replica
 * a liar to its peers, under its own signature: what comes from the ledger is sent only if it is what its
 * hash (the reader compares) or its certificate says.
 */
#include <stdio.h>

#include "replica_impl.h"
#include "verify.h"

#define LOOKUP_MEMORY 64 /* bytes that a look-up costs */

bool serve_allowed(struct replica *r, unsigned peer)
{
	struct peer_state *p = &r->peers[peer];
	uint64_t elapsed = r->now_ms - p->served_ms;

	if (p->served_ms == 0 || elapsed > 1000)
		elapsed = 1000;
	p->served_ms = r->now_ms;
	p->allowance += elapsed * (SERVE_BYTES_S / 1000);
	if (p->allowance > SERVE_BYTES_S)
		p->allowance = SERVE_BYTES_S;
	return p->allowance > 0 && peer != r->c.self;
}

void serve_charge(struct replica *r, unsigned peer, uint64_t bytes)
{
	struct peer_state *p = &r->peers[peer];

	p->allowance -= bytes < p->allowance ? bytes : p->allowance;
}

void serve_answer(struct replica *r, unsigned peer, const struct qmessage *m)
{
	struct message *made = message_make(r->g, r->c.self, &r->c.signer, m);

	serve_charge(r, peer, made->env.body.body_len);
	replica_post(r, made, replica_bit(peer));
}

/* ---- what was executed lately ------------------------------------------------------- */

static void recent_drop_oldest(struct recent *q)
{
	struct block *b = q->blocks[q->first];

	q->first = (q->first + 1) % RECENT_BLOCKS_MAX;
	q->cnt--;
	q->txs -= b->tx_cnt;
	for (size_t i = 0; i < b->tx_cnt; i++)
		q->bytes -= b->txs[i]->raw_len;
	block_unref(b);
}

void serve_executed(struct replica *r, struct block *b)
{
	struct recent *q = &r->recent;

	if (q->indexed)
		index_free(&q->by_leaf);
	q->indexed = false;
	if (q->cnt == RECENT_BLOCKS_MAX)
		recent_drop_oldest(q);
	q->blocks[(q->first + q->cnt++) % RECENT_BLOCKS_MAX] = block_ref(b);
	q->txs += b->tx_cnt;
	for (size_t i = 0; i < b->tx_cnt; i++)
		q->bytes += b->txs[i]->raw_len;
	while (q->cnt > 1 && (q->txs > RECENT_TXS_MAX || q->bytes > RECENT_BYTES))
		recent_drop_oldest(q);
}

void serve_free(struct replica *r)
{
	while (r->recent.cnt > 0)
		recent_drop_oldest(&r->recent);
	index_free(&r->recent.by_leaf);
}

static uint32_t leaf_hash(const struct qhash *leaf)
{
	return hash_short(leaf, sizeof *leaf);
}

static bool is_leaf(const void *item, const void *key)
{
	return qhash_eq(&((const struct tx *)item)->leaf, key);
}

/* For the first that asks after a block was executed, and whoever follows. */
static void recent_index(struct recent *q)
{
	for (size_t i = 0; i < q->cnt; i++) {
		const struct block *b = q->blocks[(q->first + i) % RECENT_BLOCKS_MAX];
		for (size_t k = 0; k < b->tx_cnt; k++)
			index_add(&q->by_leaf, leaf_hash(&b->txs[k]->leaf), b->txs[k]);
	}
	q->indexed = true;
}

static struct tx *find_tx(struct replica *r, unsigned peer, const struct qhash *leaf)
{
	struct recent *q = &r->recent;
	struct tx *tx = txs_find_leaf(r, leaf);

	if (tx)
		return tx;
	if (!q->indexed) {
		recent_index(q);
		serve_charge(r, peer, LOOKUP_MEMORY * (uint64_t)q->by_leaf.cnt);
	}
	return index_find(&q->by_leaf, leaf_hash(leaf), is_leaf, leaf);
}

/* ---- transactions ------------------------------------------------------------------- */

/* Sends what was gathered and begins anew. */
static void flush_txs(struct replica *r, unsigned peer, struct qtxs *q, size_t *bytes)
{
	struct qmessage m = {.kind = QTXS};

	if (q->txs.txs_len > 0) {
		m.qmessage_u.txs = *q;
		serve_answer(r, peer, &m);
	}
	q->txs.txs_len = 0;
	*bytes = 0;
}

void serve_get_txs(struct replica *r, const struct message *m)
{
	const struct qget_txs *q = &m->m.qmessage_u.get_txs;
	struct qtxs found = {0};
	size_t bytes = 0;

	if (!serve_allowed(r, m->sender))
		return;
	serve_charge(r, m->sender, LOOKUP_MEMORY * (uint64_t)q->leaves.leaves_len);
	found.txs.txs_val = xcalloc(TXS_MESSAGE_MAX, sizeof *found.txs.txs_val);
	for (unsigned i = 0; i < q->leaves.leaves_len && serve_allowed(r, m->sender); i++) {
		struct tx *tx = find_tx(r, m->sender, &q->leaves.leaves_val[i]);

		if (!tx)
			continue;
		if (found.txs.txs_len == TXS_MESSAGE_MAX || bytes + tx->raw_len > TXS_MESSAGE_BYTES)
			flush_txs(r, m->sender, &found, &bytes);
		found.txs.txs_val[found.txs.txs_len++] = (qtx_bytes){(unsigned)tx->raw_len, tx->raw};
		bytes += tx->raw_len;
	}
	flush_txs(r, m->sender, &found, &bytes);
	free(found.txs.txs_val);
}

static void answer_body(struct replica *r, unsigned peer, const struct qhash *hash, const struct qblock *q)
{
	struct qmessage m = {.kind = QBODY};

	m.qmessage_u.body.block = *hash;
	m.qmessage_u.body.txs.txs_val = q->txs.txs_val;
	m.qmessage_u.body.txs.txs_len = q->txs.txs_len;
	serve_answer(r, peer, &m);
}

static void serve_body(struct replica *r, unsigned peer, const struct qhash *hash)
{
	struct block *b = bodies_find(r, hash);
	struct qblock q = {0};
	struct err err = {0};

	if (b) {
		block_to_wire(b, &q);
		answer_body(r, peer, hash, &q);
		free(q.txs.txs_val); /* the bytes are the block's */
		return;
	}
	serve_charge(r, peer, SERVE_LOOKUP_DISK);
	switch (reader_block_by_hash(r->reader, hash, &q, &err)) {
	case FOUND:
		answer_body(r, peer, hash, &q);
		wire_free(WIRE(qblock), &q);
		break;
	case NOT_FOUND:
		break;
	case FOUND_ERROR:
		replica_stop(r, &err);
		break;
	}
}

void serve_get_bodies(struct replica *r, const struct message *m)
{
	const struct qget_bodies *q = &m->m.qmessage_u.get_bodies;

	for (unsigned i = 0; i < q->blocks.blocks_len && serve_allowed(r, m->sender); i++)
		serve_body(r, m->sender, &q->blocks.blocks_val[i]);
}

/* Its headers are one chain, of the hashes that stand beside them: so far the reader has seen to it. */
static bool certified(struct replica *r, const struct qchain *c)
{
	unsigned long long height = c->cert.vote.height.n;
	struct err err = {0};
	char text[128];
	int bad = -1;

	if (!cert_chain_well_formed(r->g, c))
		snprintf(text, sizeof text, "certificates(height=%llu) is not for the headers up to there",
		         height);
	else if (!cert_verify(r->g, &c->cert, &bad))
		snprintf(text, sizeof text,
		         "certificates(height=%llu): the signature of replica %d does not hold", height, bad);
	else
		return true;
	reader_damaged(r->reader, text, &err);
	replica_stop(r, &err);
	return false;
}

void serve_get_chain(struct replica *r, const struct message *m)
{
	struct qmessage reply = {.kind = QCHAIN};
	struct err err = {0};

	if (!serve_allowed(r, m->sender))
		return;
	serve_charge(r, m->sender, SERVE_LOOKUP_DISK);
	switch (reader_chain(r->reader, m->m.qmessage_u.get_chain.above, &reply.qmessage_u.chain, &err)) {
	case FOUND:
		if (certified(r, &reply.qmessage_u.chain))
			serve_answer(r, m->sender, &reply);
		wire_free(WIRE(qchain), &reply.qmessage_u.chain);
		break;
	case NOT_FOUND:
		break;
	case FOUND_ERROR:
		replica_stop(r, &err);
		break;
	}
}
