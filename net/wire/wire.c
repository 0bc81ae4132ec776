/*
 * wire.c: encoding and decoding by the code that rpcgen made from quorate.x.
 *
 * Everything that a replica or client receives passes wire_decode() before anything
 * else looks at it; everything hashed, signed, stored or sent comes from wire_encode().
 */
#include <stdlib.h>

#include "err.h"
#include "wire.h"

/* XDR has one procedure for all directions, hence values that are not const; encoding and
 * sizing only read them. */
static void *unconst(const void *value)
{
	return (void *)value;
}

void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

size_t wire_size(struct wire_type type, const void *value)
{
	XDR xdr = {.op = XDR_SIZE};
	return type.proc(&xdr, unconst(value)) ? xdr.left : 0;
}

size_t wire_encode_into(struct wire_type type, const void *value, uint8_t *buf, size_t cap)
{
	XDR xdr = {.op = XDR_ENCODE, .at = buf, .left = cap};
	return type.proc(&xdr, unconst(value)) ? cap - xdr.left : 0;
}

bool wire_encode(struct wire_type type, const void *value, struct bytes *out)
{
	*out = (struct bytes){0};
	size_t len = wire_size(type, value);
	if (len == 0) /* no type of the schema encodes to nothing: a bound was exceeded */
		return false;
	out->data = xrealloc(NULL, len);
	out->len = wire_encode_into(type, value, out->data, len);
	must(out->len == len);
	return true;
}

/* All of it, to the last byte. */
static bool decode(struct wire_arena *a, struct wire_type type, const uint8_t *data, size_t len, void *value)
{
	XDR xdr = {.op = XDR_DECODE, .at = unconst(data), .left = len, .arena = a};
	memset(value, 0, type.size);
	return type.proc(&xdr, value) && xdr.left == 0;
}

bool wire_decode(struct wire_type type, const uint8_t *data, size_t len, void *value)
{
	bool ok = decode(NULL, type, data, len, value);
	if (!ok)
		wire_free(type, value);
	return ok;
}

bool wire_decode_in(struct wire_arena *a, struct wire_type type, const uint8_t *data, size_t len, void *value)
{
	bool ok = decode(a, type, data, len, value);
	if (!ok)
		memset(value, 0, type.size);
	return ok;
}

void wire_free(struct wire_type type, void *value)
{
	XDR xdr = {.op = XDR_FREE};
	type.proc(&xdr, value);
	memset(value, 0, type.size);
}

/* ---- arenas --------------------------------------------------------------- */

#define ALIGN sizeof(uint64_t) /* of any type of the schema */
#define PIECE_BYTES 1024

struct wire_piece {
	struct wire_piece *next;
	uint64_t bytes[]; /* aligned */
};

void *wire_arena_take(struct wire_arena *a, size_t size)
{
	must(size <= SIZE_MAX / 2);
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (size > a->left) {
		size_t room = size > PIECE_BYTES ? size : PIECE_BYTES;
		struct wire_piece *piece = xrealloc(NULL, sizeof *piece + room);
		piece->next = a->pieces;
		a->pieces = piece;
		a->at = (uint8_t *)piece->bytes;
		a->left = room;
	}
	void *p = a->at;
	a->at += size;
	a->left -= size;
	return memset(p, 0, size);
}

void wire_arena_free(struct wire_arena *a)
{
	while (a->pieces) {
		struct wire_piece *next = a->pieces->next;
		free(a->pieces);
		a->pieces = next;
	}
	*a = (struct wire_arena){0};
}
