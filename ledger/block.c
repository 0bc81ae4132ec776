/*
 * block.c: block identity and what a header shows by itself.
 *
 * In the path of a transaction: before, node/pool chose it for a block; after, consensus/pbft
 * agrees on the block's hash and ledger/ledger.c stores it.
 */
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "hash.h"
#include "merkle.h"
#include "mine.h"

#define BLOCK_TAG "quorate/block/v1"
#define HEADER_BYTES_MAX 256 /* an encoded header; grows with the largest seal */

void block_hash(const struct qheader *header, struct qhash *hash)
{
	uint8_t buf[HEADER_BYTES_MAX];
	size_t len = wire_encode_into(WIRE(qheader), header, buf, sizeof buf);

	must(len > 0);
	hash_bytes(BLOCK_TAG, buf, len, hash->b);
}

bool block_mine(const struct qheader *header, uint64_t from, uint64_t cnt, uint64_t *nonce)
{
	uint8_t buf[HEADER_BYTES_MAX];
	size_t len = wire_encode_into(WIRE(qheader), header, buf, sizeof buf);

	must(header->seal.kind == QSEAL_POW && len > sizeof *nonce);
	/* The nonce is what the encoding ends in. */
	return mine_search(BLOCK_TAG, buf, len - sizeof *nonce, from, cnt, header->seal.qseal_u.pow.target.b,
	                   nonce);
}

struct block *block_new(const struct qheader *header, struct tx *const *txs, size_t tx_cnt)
{
	struct block *b = xcalloc(1, sizeof *b);

	atomic_init(&b->refs, 1);
	b->header = *header;
	block_hash(header, &b->hash);
	b->tx_cnt = tx_cnt;
	b->txs = xcalloc(tx_cnt, sizeof(struct tx *));
	for (size_t i = 0; i < tx_cnt; i++)
		b->txs[i] = tx_ref(txs[i]);
	return b;
}

struct block *block_ref(struct block *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void block_unref(struct block *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < b->tx_cnt; i++)
		tx_unref(b->txs[i]);
	free(b->txs);
	free(b);
}

static int compare_leaves(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct qhash));
}

static bool has_duplicate_leaf(const struct qhash *leaves, size_t cnt)
{
	struct qhash *sorted = xmemdup(leaves, cnt * sizeof *sorted);
	bool found = false;

	qsort(sorted, cnt, sizeof *sorted, compare_leaves);
	for (size_t i = 1; i < cnt && !found; i++)
		found = qhash_eq(&sorted[i - 1], &sorted[i]);
	free(sorted);
	return found;
}

bool block_leaves_match(const struct qheader *header, const struct qhash *leaves, size_t cnt)
{
	struct qhash root;

	if (cnt == 0 || header->tx_count != cnt)
		return false;
	merkle_root(leaves, cnt, &root);
	return qhash_eq(&root, &header->merkle_root) && !has_duplicate_leaf(leaves, cnt);
}

void block_to_wire(const struct block *b, struct qblock *q)
{
	*q = (struct qblock){.header = b->header};
	q->txs.txs_len = (unsigned)b->tx_cnt;
	q->txs.txs_val = xcalloc(b->tx_cnt, sizeof *q->txs.txs_val);
	for (size_t i = 0; i < b->tx_cnt; i++) {
		q->txs.txs_val[i].qtx_bytes_len = (unsigned)b->txs[i]->raw_len;
		q->txs.txs_val[i].qtx_bytes_val = b->txs[i]->raw;
	}
}
