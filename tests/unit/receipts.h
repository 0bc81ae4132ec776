/*
 * receipts.h: genuine receipts, and sealed ones that are wrong in one thing.
 */
#ifndef QUORATE_TEST_RECEIPTS_H
#define QUORATE_TEST_RECEIPTS_H

#include "rules.h"

#include "block.h"
#include "merkle.h"
#include "receipt.h"
#include "seals.h"

/* Account `payer`'s transaction: `index` of tx_cnt in a block, whose root it gives. */
static inline struct qreceipt receipts_begin(const struct rules *chain, unsigned payer, unsigned tx_cnt,
                                             unsigned index, struct qhash *root)
{
	struct qreceipt r = {.chain = chain->g.chain, .index = index};
	struct tx *tx = rules_pay(chain, payer, "receipt");
	struct qhash leaves[8], path[MERKLE_PATH_MAX];

	assert_true(tx_cnt <= 8);
	for (uint8_t i = 0; i < tx_cnt; i++)
		leaves[i] = i == index ? tx->leaf : rules_hash((uint8_t)(100 + i));
	r.tx.qtx_bytes_len = (unsigned)tx->raw_len;
	r.tx.qtx_bytes_val = xmemdup(tx->raw, tx->raw_len);
	tx_unref(tx);
	r.path.path_len = (unsigned)merkle_path(leaves, tx_cnt, index, path);
	r.path.path_val = xmemdup(path, sizeof path);
	merkle_root(leaves, tx_cnt, root);
	return r;
}

/* Transaction `index` of a block of tx_cnt at this height, certified header_cnt - 1 blocks above.  The other
 * account pays where tx_cnt is odd. */
static inline struct qreceipt receipts_make(const struct rules *chain, enum qkind kind, uint64_t height,
                                            unsigned tx_cnt, unsigned index, unsigned header_cnt)
{
	struct qhash root, parent = rules_hash(1);
	struct qreceipt r = receipts_begin(chain, tx_cnt % 2, tx_cnt, index, &root);

	r.headers.headers_len = header_cnt;
	r.headers.headers_val = xcalloc(header_cnt, sizeof *r.headers.headers_val);
	for (unsigned i = 0; i < header_cnt; i++) {
		r.headers.headers_val[i] = rules_header(height + i, parent, root, i == 0 ? tx_cnt : 1);
		block_hash(&r.headers.headers_val[i], &parent);
		root = rules_hash(7);
	}
	struct qvote vote = {.height = {height + header_cnt - 1}, .block = parent};
	if (kind == QCHECKPOINT)
		vote.state = rules_hash(3);
	else
		vote.view.n = 2;
	r.cert = rules_cert(chain, kind, &vote, rules_quorum_mask(chain));
	return r;
}

/* How a test changes one of a receipt's headers before it is mined, linked and certified: then only the seal
 * is wrong. */
struct receipts_spoil {
	unsigned header;                  /* of the receipt; ~0u: none */
	void (*change)(struct qheader *); /* its target, before it is mined; NULL: nothing */
	void (*unseal)(struct qheader *); /* after it was mined; NULL: nothing */
};
#define RECEIPTS_WHOLE ((struct receipts_spoil){.header = ~0u})

/* A chain of `first` + cnt - 1 headers as its proposers seal it; the receipt holds the last cnt. */
static inline struct qreceipt receipts_sealed(const struct rules *r, uint64_t first, unsigned cnt,
                                              struct receipts_spoil spoil)
{
	struct qreceipt receipt = receipts_make(r, QCOMMIT, first, 3, 1, cnt);
	struct qheader *headers = receipt.headers.headers_val;
	struct seal_parent below;
	struct qhash hash = r->g.chain;

	seal_genesis(&r->g, &below);
	for (uint64_t h = 1; h < first + cnt; h++) {
		struct qheader q = rules_header(h, hash, rules_hash(7), 1);
		if (h >= first) {
			q.merkle_root = headers[h - first].merkle_root;
			q.tx_count = headers[h - first].tx_count;
		}
		seals_put(r, &below, &q);
		if (h - first == spoil.header && spoil.change) {
			spoil.change(&q);
			seals_mine(&q, true);
		}
		if (h - first == spoil.header && spoil.unseal)
			spoil.unseal(&q);
		seal_extend(&below, &q);
		block_hash(&q, &hash);
		if (h >= first)
			headers[h - first] = q;
	}
	struct qvote vote = {.view = {2}, .height = {first + cnt - 1}, .block = hash};
	wire_free(WIRE(qcert), &receipt.cert);
	receipt.cert = rules_cert(r, QCOMMIT, &vote, rules_quorum_mask(r));
	return receipt;
}

#endif
