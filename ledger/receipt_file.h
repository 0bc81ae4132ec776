/*
 * receipt_file.h: a receipt as a file: JSON that people can read and programs verify.
 *
 * One receipt has exactly one text.  receipt_parse() takes nothing else, so whatever single bit of a file is
 * changed, it is refused there, or receipt_verify() refuses what it says.
 *
 * A program that wants to know whether a payment is final needs three calls:
 *     genesis_load(), receipt_read(), receipt_verify()
 */
#ifndef QUORATE_RECEIPT_FILE_H
#define QUORATE_RECEIPT_FILE_H

#include "receipt.h"

#define RECEIPT_FILE_MAX (4u << 20) /* bytes; refused before anything is parsed */

/* The text, with a newline at its end; free() it. *len without the terminating zero. */
char *receipt_format(const struct qreceipt *r, size_t *len);

/* False with *err (ERR_INPUT) naming the field. wire_free(WIRE(qreceipt), out). */
bool receipt_parse(const char *text, size_t len, struct qreceipt *out, struct err *err);

/* The same from a file; "-" is standard input. */
bool receipt_read(const char *path, struct qreceipt *out, struct err *err);

#endif
