/*
 * receipt_file.h: a receipt as a file: JSON that people can read and programs verify.
 *
 *     {
 *       "format": "quorate receipt 1",
 *       "chain": "<64 hex digits>",       the chain id, which a genesis gives
 *       "txid": "<64 hex digits>",        in words: of the transaction below
 *       "height": 7,                      in words: of the first header
 *       "block": "<64 hex digits>",       in words: hash of the first header
 *       "transaction": "<hex>",           canonical bytes, witnesses included
 *       "index": 0,                       its place in the block
 *       "path": ["<64 hex digits>", ...], Merkle path, leaf upwards
 *       "headers": ["<hex>", ...],        canonical bytes; its block first, the certified one last
 *       "certificate": "<hex>"            canonical bytes
 *     }
 *
 * One receipt has exactly one text: what JSON.stringify(receipt, null, 2) makes of it in JavaScript, and a
 * newline.  receipt_parse() takes nothing else, so whatever single bit of a file is changed, it is refused
 * there, or receipt_verify() refuses what it says.
 *
 * The program of somebody else that wants to know whether a payment is final has libquorate:
 * docs/examples/is_final.c.
 */
#ifndef QUORATE_RECEIPT_FILE_H
#define QUORATE_RECEIPT_FILE_H

#include "receipt.h"

/*
 * Bytes; refused before anything is parsed.  The longest receipt, twice for hex: 196,608 of a transaction,
 * 256 headers of 136, a certificate of 4,444, a path of 32 times 32; and a few a line.
 */
#define RECEIPT_FILE_MAX (512u << 10)

/* The text, with a newline at its end; free() it.  *len without the terminating zero; may be NULL.  NULL
 * where there is nothing to write: no header, a height beyond 2^63-1, or bytes that are no transaction. */
char *receipt_format(const struct qreceipt *r, size_t *len);

/*
 * False with *err naming the field: ERR_INPUT, this is no receipt, or not its one text; ERR_NO, it says
 * something in words that is not what its proof gives.  wire_free(WIRE(qreceipt), out).
 */
bool receipt_parse(const char *text, size_t len, struct qreceipt *out, struct err *err);

/* The same from a file; "-" is standard input. *err names the file. */
bool receipt_read(const char *path, struct qreceipt *out, struct err *err);

#endif
