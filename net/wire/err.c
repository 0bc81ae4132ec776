/*
 * err.c: errors as text, assertions, and memory that is never NULL.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#undef err_set
#undef err_prefix

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	if (err == NULL)
		return false;
	/* Formatted aside: the arguments may point into err->text. */
	char text[sizeof err->text];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	err->kind = kind;
	memcpy(err->text, text, sizeof text);
	return false;
}

bool err_prefix(struct err *err, const char *fmt, ...)
{
	if (err == NULL)
		return false;
	char context[sizeof err->text];
	va_list args;
	va_start(args, fmt);
	vsnprintf(context, sizeof context, fmt, args);
	va_end(args);
	return err_set(err, err->kind, "%s: %s", context, err->text);
}

void must_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "quorate: bug: %s:%d: this must hold: %s\n", file, line, what);
	abort();
}

static void *got(void *p)
{
	if (p == NULL) {
		fputs("quorate: out of memory\n", stderr);
		abort();
	}
	return p;
}

/* Sizes of zero become one: NULL from the C library then means one thing only. */

void *xcalloc(size_t cnt, size_t size)
{
	return got(calloc(cnt > 0 ? cnt : 1, size > 0 ? size : 1));
}

void *xrealloc(void *p, size_t size)
{
	return got(realloc(p, size > 0 ? size : 1));
}

void *xmemdup(const void *p, size_t len)
{
	void *copy = got(malloc(len > 0 ? len : 1));
	if (len > 0)
		memcpy(copy, p, len);
	return copy;
}

char *xstrdup(const char *s)
{
	return got(strdup(s));
}
