/*
 * wire.h: the codec of quorate.x, the one encoding of all that is hashed,
 * signed, stored or sent.
 *
 * The types themselves are in the generated "schema.h" (struct qtx, struct
 * qheader, ...).  A decoded value owns heap memory: wire_free() returns it.
 */
#ifndef QUORATE_WIRE_H
#define QUORATE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "schema.h"

/* A type of the schema: its codec, its size in C, its name in messages. */
struct wire_type {
	xdrproc_t proc;
	size_t size;
	const char *name;
};

/* WIRE(qtx) names the type `struct qtx` of the schema as a wire_type; WIRE_INIT(qtx) does in the
 * initializer of a static variable. */
/* clang-format off */
#define WIRE_INIT(t) {(xdrproc_t)xdr_##t, sizeof(struct t), #t}
/* clang-format on */
#define WIRE(t) ((struct wire_type)WIRE_INIT(t))

/* A heap buffer; bytes_free() returns it.  {0} is an empty one. */
struct bytes {
	uint8_t *data;
	size_t len;
};
void bytes_free(struct bytes *b);

/*
 * Encodes *value into a fresh buffer of exactly its length.
 * Returns false, leaving *out empty, if the value exceeds a bound of the schema
 * (our bug, or a caller's unbounded input); out of memory aborts.
 */
bool wire_encode(struct wire_type type, const void *value, struct bytes *out);

/* Encodes into the caller's buffer of `cap` bytes; 0 if it does not fit. */
size_t wire_encode_into(struct wire_type type, const void *value, uint8_t *buf, size_t cap);

/* Length of the encoding in bytes. */
size_t wire_size(struct wire_type type, const void *value);

/*
 * Decodes exactly `len` bytes into *value (any previous content is overwritten,
 * not freed).  Returns false, with *value zeroed and nothing to free, unless the
 * bytes are the one canonical encoding of a value within the schema's bounds.
 * Allocates at most about ten times `len`.
 */
bool wire_decode(struct wire_type type, const uint8_t *data, size_t len, void *value);

/* Frees what a decoded value owns and zeroes it. */
void wire_free(struct wire_type type, void *value);

/*
 * Memory that is given back all at once.  {0} is an empty one; or it begins with memory of the caller's,
 * aligned as a pointer is.  What is taken is zero; out of memory aborts.
 */
struct wire_piece;
struct wire_arena {
	uint8_t *at; /* what is left of the newest piece */
	size_t left;
	struct wire_piece *pieces; /* of the heap */
};
void *wire_arena_take(struct wire_arena *a, size_t size);
void wire_arena_free(struct wire_arena *a); /* but for the caller's own memory */

/*
 * As wire_decode(), without a copy of any bytes: the lists of *value lie in the arena, and the bytes of
 * variable length where they are in `data`.  Both must outlive it; there is no wire_free() of it.  What it
 * took of the arena stays there even if it fails.
 */
bool wire_decode_in(struct wire_arena *a, struct wire_type type, const uint8_t *data, size_t len,
                    void *value);

/* ---- scalars ------------------------------------------------------------ */

static inline struct qview qview_of(uint64_t n)
{
	return (struct qview){n};
}
static inline struct qheight qheight_of(uint64_t n)
{
	return (struct qheight){n};
}
static inline bool qhash_eq(const struct qhash *a, const struct qhash *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}
static inline bool qtxid_eq(const struct qtxid *a, const struct qtxid *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}
static inline bool qaddress_eq(const struct qaddress *a, const struct qaddress *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}
static inline bool qhash_is_zero(const struct qhash *a)
{
	static const struct qhash zero;
	return qhash_eq(a, &zero);
}
static inline bool qoutpoint_eq(const struct qoutpoint *a, const struct qoutpoint *b)
{
	return a->index == b->index && qtxid_eq(&a->tx, &b->tx);
}

/* Lower-case hex of `len` bytes into `text` of 2*len+1 chars; returns text. */
char *hex_encode(char *text, const uint8_t *data, size_t len);
/* Strict: exactly 2*len lower-case hex digits, then NUL. */
bool hex_decode(uint8_t *data, size_t len, const char *text);

#define QHASH_HEX 65 /* chars of a hash in hex, NUL included */

#endif
