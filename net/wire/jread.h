/*
 * jread.h: reading JSON strictly.  Whatever is not exactly as expected is an error that
 * names the field by its path, like `replicas[2].key`.
 *
 * An object is read in two steps: jread_object() checks its keys, then one call a field
 * reads the values.  Amounts and other 64-bit numbers that money depends on are decimal
 * strings, since many JSON readers keep integers as doubles.
 */
#ifndef QUORATE_JREAD_H
#define QUORATE_JREAD_H

#include <jansson.h>
#include <stdint.h>

#include "err.h"

#define JPATH_MAX 128

/* A value and where it stands: "" is the document itself. */
struct jvalue {
	const json_t *json; /* borrowed; NULL: an optional field that is absent */
	char path[JPATH_MAX];
};

/* Parses a whole document, duplicate keys refused; json_decref() what it returns. */
json_t *jread_parse(const char *text, size_t len, struct err *err);

/* What a text that is not trusted would become: jansson recurses, and makes up to eighty bytes of memory of
 * one of text (of "{},{},..."), so bound both before it sees any. */
struct jread_size {
	size_t values;  /* commas and opening brackets: there are at most so many, and one */
	unsigned depth; /* of brackets in brackets */
};
struct jread_size jread_size(const char *text, size_t len);

struct jvalue jread_root(const json_t *json);

/* Is it an object, with every key of `must_have` and none but those and `may_have`?
 * Both are lists of words separated by one space. */
bool jread_object(const struct jvalue *v, const char *must_have, const char *may_have, struct err *err);
/* The name of a field that neither list has, or NULL; for those who must not quote it. */
const char *jread_unknown(const struct jvalue *object, const char *must_have, const char *may_have);
struct jvalue jread_field(const struct jvalue *object, const char *key);

/* An array of at most `max` elements. */
bool jread_array(const struct jvalue *v, size_t max, size_t *cnt, struct err *err);
struct jvalue jread_element(const struct jvalue *array, size_t index);

/* A string of at most `max` bytes; borrowed from the document. */
bool jread_string(const struct jvalue *v, size_t max, const char **out, struct err *err);
/* Exactly `len` bytes as lower-case hex. */
bool jread_hex(const struct jvalue *v, uint8_t *out, size_t len, struct err *err);
/* An integer from min to max. */
bool jread_uint(const struct jvalue *v, uint64_t min, uint64_t max, uint64_t *out, struct err *err);
/* A decimal string, 1 to 2^63-1, without sign or leading zero. */
bool jread_amount(const struct jvalue *v, uint64_t *out, struct err *err);

/* Sets *err to "<path>: <text>"; returns false. */
bool jread_wrong(const struct jvalue *v, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__
#define jread_wrong(...) err_false(jread_wrong(__VA_ARGS__))
#endif

/* The same number back as text, for whoever writes JSON: a fresh json string. */
json_t *jread_amount_json(uint64_t amount);

#endif
