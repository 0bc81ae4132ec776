/*
 * text.h: strict reading of what people type: numbers, amounts, ids.
 */
#ifndef QUORATE_TEXT_H
#define QUORATE_TEXT_H

#include "err.h"
#include "wire.h"

/* Decimal digits without sign, blank or leading zero, at most `max`. */
bool text_u64(const char *text, uint64_t max, uint64_t *out);

/* An amount, 1 .. 2^63-1; the error names `what` ("--amount") and the text. */
bool text_amount(const char *text, const char *what, uint64_t *out, struct err *err);

/* 64 hex digits: a transaction id. */
bool text_txid(const char *text, struct qtxid *out, struct err *err);

/* Edits (insert, delete, replace, swap of neighbours counts two) that turn a into b; for "did you mean". */
size_t text_distance(const char *a, const char *b);

/* A new file (fails if it is there), synced with its directory. */
bool text_write_new(const char *path, unsigned mode, const void *data, size_t len, struct err *err);

/* printf into a fresh string. */
char *text_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
