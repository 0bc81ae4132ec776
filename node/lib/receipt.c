/*
 * receipt.c: proofs in the hands of libquorate's callers.
 */
#include "lib.h"

#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "crypto.h"
#include "receipt_file.h"

struct quorate_receipt *lib_receipt_take(struct qreceipt *r)
{
	struct quorate_receipt *receipt = xcalloc(1, sizeof *receipt);
	const struct qheader *header = &r->headers.headers_val[0];
	enum tx_verdict verdict;
	struct tx *tx = tx_parse(&r->chain, r->tx.qtx_bytes_val, r->tx.qtx_bytes_len, &verdict);
	struct qhash hash;
	must(tx != NULL); /* it was verified */
	receipt->r = *r;
	*r = (struct qreceipt){0};
	lib_tx_begin(&receipt->tx, &receipt->r.chain, tx);
	tx_unref(tx);
	block_hash(header, &hash);
	receipt->block = (struct quorate_block){.height = header->height.n, .time_ms = header->time_ms};
	hex_encode(receipt->block.id, hash.b, sizeof hash.b);
	return receipt;
}

static struct quorate_receipt *verified(const struct genesis *g, const char *text, size_t len,
                                        struct err *err)
{
	struct qreceipt r;
	struct qtxid id;
	struct qheight height;
	if (!receipt_parse(text, len, &r, err))
		return NULL;
	if (receipt_verify(g, &r, &id, &height, err))
		return lib_receipt_take(&r);
	wire_free(WIRE(qreceipt), &r);
	return NULL;
}

int quorate_receipt_verify(const struct quorate_genesis *genesis, const char *text, size_t len,
                           struct quorate_receipt **out, struct quorate_error *error)
{
	struct err err = {0};
	if (!LIB_BEGIN(out, &err) || !lib_given(genesis, "genesis", &err) || !lib_given(text, "text", &err))
		return lib_fail(error, &err);
	*out = verified(genesis->g, text, len, &err);
	return *out != NULL ? QUORATE_OK : lib_fail(error, &err);
}

int quorate_receipt_load(const struct quorate_genesis *genesis, const char *path,
                         struct quorate_receipt **out, struct quorate_error *error)
{
	struct err err = {0};
	size_t len;
	if (!LIB_BEGIN(out, &err) || !lib_given(genesis, "genesis", &err) || !lib_given(path, "path", &err))
		return lib_fail(error, &err);
	char *text = lib_file(path, RECEIPT_FILE_MAX, &len, &err);
	if (text == NULL)
		return lib_fail(error, &err);
	*out = verified(genesis->g, text, len, &err);
	free(text);
	if (*out != NULL)
		return QUORATE_OK;
	err_prefix(&err, "%s", path);
	return lib_fail(error, &err);
}

char *quorate_receipt_text(const struct quorate_receipt *receipt, size_t *len)
{
	if (len != NULL)
		*len = 0;
	return receipt != NULL ? receipt_format(&receipt->r, len) : NULL;
}

const struct quorate_tx *quorate_receipt_tx(const struct quorate_receipt *receipt)
{
	return receipt != NULL ? &receipt->tx : NULL;
}

void quorate_receipt_block(const struct quorate_receipt *receipt, struct quorate_block *out)
{
	if (out != NULL)
		*out = receipt != NULL ? receipt->block : (struct quorate_block){0};
}

void quorate_receipt_free(struct quorate_receipt *receipt)
{
	if (receipt == NULL)
		return;
	lib_tx_end(&receipt->tx);
	wire_free(WIRE(qreceipt), &receipt->r);
	free(receipt);
}
