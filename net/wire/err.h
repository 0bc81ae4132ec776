/*
 * err.h: how a function says what was wrong, where, and what to do.
 *
 * A function that can fail for reasons a person should read takes a
 * `struct err *`; it sets it and returns false (or NULL).  `kind` decides the
 * exit code of a command.  The text is one line without a final full stop.
 */
#ifndef QUORATE_ERR_H
#define QUORATE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum err_kind {
	ERR_NONE = 0,
	ERR_NO = 1,    /* the answer is no: rejected, not found, audit failed */
	ERR_INPUT = 2, /* wrong usage or bad input */
	ERR_WORLD = 3, /* could not: no quorum, no connection, disk */
};

struct err {
	enum err_kind kind;
	char text[512]; /* a longer one is shortened in its middle: it ends with the reason */
};

/* Sets *err (err may be NULL) and returns false, so that callers can `return err_set(...)`. */
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool err_vset(struct err *err, enum err_kind kind, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Puts "context: " before the text that is there; returns false. */
bool err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* clang's analyzer sees one file at a time and would follow paths on which these return true. */
#ifdef __clang_analyzer__
#define err_false(call)       \
	__extension__({       \
		(void)(call); \
		false;        \
	})
#define err_set(...) err_false(err_set(__VA_ARGS__))
#define err_prefix(...) err_false(err_prefix(__VA_ARGS__))
#endif

/* Always-on assertion for our own bugs (never reachable from a peer's bytes): logs and aborts. */
#define must(cond)                                              \
	do {                                                    \
		if (!(cond))                                    \
			must_failed(#cond, __FILE__, __LINE__); \
	} while (0)
_Noreturn void must_failed(const char *what, const char *file, int line);

/* malloc family that aborts when memory is out: never returns NULL. */
void *xcalloc(size_t cnt, size_t size);
void *xrealloc(void *p, size_t size);
void *xmemdup(const void *p, size_t len);
char *xstrdup(const char *s);

#endif
