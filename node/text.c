/*
 * text.c: strict reading of what people type, and small files.
 */
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "newfile.h"

bool text_u64(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;
	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return false;
		uint64_t digit = (uint64_t)(*p - '0');
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) || __builtin_add_overflow(n, digit, &n))
			return false;
	}
	if (n > max)
		return false;
	*out = n;
	return true;
}

bool text_amount(const char *text, const char *what, uint64_t *out, struct err *err)
{
	if (text_u64(text, INT64_MAX, out) && *out > 0)
		return true;
	return err_set(
	    err, ERR_INPUT,
	    "%s: \"%.40s\" is no amount: a whole number from 1 to 9223372036854775807, digits only", what,
	    text);
}

bool text_txid(const char *text, struct qtxid *out, struct err *err)
{
	if (hex_decode(out->b, sizeof out->b, text))
		return true;
	return err_set(err, ERR_INPUT, "\"%.80s\" is no transaction id: it takes 64 hex digits (0-9, a-f)",
	               text);
}

size_t text_distance(const char *a, const char *b)
{
	enum { LONGEST = 32 };
	size_t a_len = strlen(a), b_len = strlen(b);
	if (a_len >= LONGEST || b_len >= LONGEST)
		return LONGEST;

	/* Levenshtein's, one row at a time. */
	size_t row[LONGEST];
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_len];
}

bool text_write_new(const char *path, unsigned mode, const void *data, size_t len, struct err *err)
{
	if (newfile_write(path, mode, data, len))
		return true;
	if (errno == EEXIST)
		return err_set(err, ERR_INPUT, "%s: is there already; choose another name or remove it",
		               path);
	return err_set(err, ERR_WORLD, "%s: cannot be written: %s", path, strerror(errno));
}

char *text_format(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	must(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	return text;
}
