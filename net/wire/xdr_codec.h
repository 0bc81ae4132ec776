/*
 * xdr_codec.h: XDR (RFC 4506) as far as quorate.x needs it, for the code made from it alone.
 *
 * Strict: what is decoded is what its value encodes to, to the last byte.  So padding must be zero, a bool 0
 * or 1, and a text has no NUL inside; XDR libraries take them all, and each would give one value many hashes.
 * Nothing is allocated for a list before as many bytes are there as its elements need at least.
 */
#ifndef QUORATE_XDR_CODEC_H
#define QUORATE_XDR_CODEC_H

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "wire.h"

#define XDR_UNIT 4 /* everything is a multiple of so many bytes, and no element of a list has none */

/* The next `len` bytes; NULL: there is no room. */
static inline uint8_t *xdr_take(XDR *x, size_t len)
{
	uint8_t *at = x->at;

	if (len > x->left)
		return NULL;
	x->at += len;
	x->left -= len;
	return at;
}

static inline bool_t xdr_u_int(XDR *x, unsigned *v)
{
	uint8_t *at;

	switch (x->op) {
	case XDR_ENCODE:
		if (!(at = xdr_take(x, 4)))
			return FALSE;
		at[0] = (uint8_t)(*v >> 24);
		at[1] = (uint8_t)(*v >> 16);
		at[2] = (uint8_t)(*v >> 8);
		at[3] = (uint8_t)*v;
		return TRUE;
	case XDR_DECODE:
		if (!(at = xdr_take(x, 4)))
			return FALSE;
		*v = (unsigned)at[0] << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 | at[3];
		return TRUE;
	case XDR_SIZE:
		x->left += 4;
		return TRUE;
	case XDR_FREE:
		return TRUE;
	}
	return FALSE;
}

static inline bool_t xdr_u_quad_t(XDR *x, uint64_t *v)
{
	unsigned high = (unsigned)(*v >> 32), low = (unsigned)*v;

	if (!xdr_u_int(x, &high) || !xdr_u_int(x, &low))
		return FALSE;
	if (x->op == XDR_DECODE)
		*v = (uint64_t)high << 32 | low;
	return TRUE;
}

/* An enum of C has the size of an int; its values are the unions' business. */
static inline bool_t xdr_enum(XDR *x, void *v)
{
	return xdr_u_int(x, v);
}

static inline bool_t xdr_bool(XDR *x, bool_t *v)
{
	unsigned n = *v != 0;

	if (!xdr_u_int(x, &n) || n > 1)
		return FALSE;
	if (x->op == XDR_DECODE)
		*v = (bool_t)n;
	return TRUE;
}

/* `len` bytes and their padding: where they are read or are to be written; NULL: no room, or bad padding. */
static inline uint8_t *xdr_padded(XDR *x, size_t len)
{
	size_t pad = (0 - len) % XDR_UNIT;
	uint8_t *at = xdr_take(x, len + pad);

	for (size_t i = 0; at && i < pad; i++) {
		if (x->op == XDR_ENCODE)
			at[len + i] = 0;
		else if (at[len + i] != 0)
			return NULL;
	}
	return at;
}

/* A number of bytes that the schema knows. */
static inline bool_t xdr_opaque(XDR *x, unsigned char *p, unsigned len)
{
	uint8_t *at;

	switch (x->op) {
	case XDR_ENCODE:
		if (!(at = xdr_padded(x, len)))
			return FALSE;
		memcpy(at, p, len);
		return TRUE;
	case XDR_DECODE:
		if (!(at = xdr_padded(x, len)))
			return FALSE;
		memcpy(p, at, len);
		return TRUE;
	case XDR_SIZE:
		x->left += len + (0 - len) % XDR_UNIT;
		return TRUE;
	case XDR_FREE:
		return TRUE;
	}
	return FALSE;
}

/* Bytes that a list or text consists of: of the arena, else of the heap, and zero. */
static inline void *xdr_room(XDR *x, size_t cnt, size_t size)
{
	return x->arena ? wire_arena_take(x->arena, cnt * size) : xcalloc(cnt, size);
}

static inline bool_t xdr_bytes(XDR *x, char **p, unsigned *len, unsigned max)
{
	uint8_t *at;

	if (x->op == XDR_FREE) {
		free(*p);
		*p = NULL;
		return TRUE;
	}
	if (!xdr_u_int(x, len) || *len > max)
		return FALSE;
	if (x->op != XDR_DECODE)
		return *len == 0 || xdr_opaque(x, (unsigned char *)*p, *len);
	*p = NULL;
	if (!(at = xdr_padded(x, *len)))
		return FALSE;
	if (*len > 0)
		*p = x->arena ? (char *)at : xmemdup(at, *len);
	return TRUE;
}

static inline bool_t xdr_string(XDR *x, char **p, unsigned max)
{
	unsigned len = 0;
	uint8_t *at;

	if (x->op == XDR_FREE) {
		free(*p);
		*p = NULL;
		return TRUE;
	}
	if (x->op != XDR_DECODE) {
		if (!*p || strlen(*p) > max)
			return FALSE;
		len = (unsigned)strlen(*p);
		return xdr_u_int(x, &len) && xdr_opaque(x, (unsigned char *)*p, len);
	}
	if (!xdr_u_int(x, &len) || len > max || !(at = xdr_padded(x, len)) || memchr(at, 0, len))
		return FALSE;
	*p = xdr_room(x, len + 1, 1);
	memcpy(*p, at, len);
	return TRUE;
}

static inline bool_t xdr_array(XDR *x, char **p, unsigned *cnt, unsigned max, unsigned size,
                               xdrproc_t element)
{
	if (x->op != XDR_FREE && (!xdr_u_int(x, cnt) || *cnt > max))
		return FALSE;
	if (x->op == XDR_DECODE) {
		*p = NULL;
		if (*cnt > x->left / XDR_UNIT)
			return FALSE;
		if (*cnt > 0)
			*p = xdr_room(x, *cnt, size);
	}
	if (!*p) /* a decoder that failed may leave a list that is not there */
		return *cnt == 0 || x->op == XDR_FREE;
	for (size_t i = 0; i < *cnt; i++)
		if (!element(x, *p + i * size) && x->op != XDR_FREE)
			return FALSE;
	if (x->op == XDR_FREE) {
		free(*p);
		*p = NULL;
	}
	return TRUE;
}

#endif
