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

static bool within_character(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80; /* of UTF-8, after its first byte */
}

/* What is long is a path; the reason behind it matters more. */
static void copy_shortened(char *to, size_t cap, const char *from)
{
	static const char gap[] = " ... ";
	size_t len = strlen(from), gap_len = sizeof gap - 1;
	if (len < cap) {
		memcpy(to, from, len + 1);
		return;
	}
	size_t head = cap / 3;
	const char *tail = from + len - (cap - 1 - head - gap_len);
	while (head > 0 && within_character(from[head]))
		head--;
	while (within_character(*tail))
		tail++;
	memcpy(to, from, head);
	memcpy(to + head, gap, gap_len);
	memcpy(to + head + gap_len, tail, strlen(tail) + 1);
}

bool err_vset(struct err *err, enum err_kind kind, const char *fmt, va_list args)
{
	char *text; /* formatted aside: the arguments may point into err->text */
	if (err == NULL)
		return false;
	must(vasprintf(&text, fmt, args) >= 0);
	copy_shortened(err->text, sizeof err->text, text);
	err->kind = kind;
	free(text);
	return false;
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	err_vset(err, kind, fmt, args);
	va_end(args);
	return false;
}

bool err_prefix(struct err *err, const char *fmt, ...)
{
	struct err context;
	va_list args;
	if (err == NULL)
		return false;
	va_start(args, fmt);
	err_vset(&context, err->kind, fmt, args);
	va_end(args);
	return err_set(err, err->kind, "%s: %s", context.text, err->text);
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
