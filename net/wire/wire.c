/*
 * wire.c: encoding and decoding by the code that rpcgen made from quorate.x.
 *
 * Everything that a replica or client receives passes wire_decode() before anything
 * else looks at it; everything hashed, signed, stored or sent comes from wire_encode().
 */
#include <stdlib.h>

#include "err.h"
#include "wire.h"

/* XDR has one procedure for three directions, hence values that are not const; encoding and
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
	return xdr_sizeof(type.proc, unconst(value));
}

size_t wire_encode_into(struct wire_type type, const void *value, uint8_t *buf, size_t cap)
{
	XDR xdr;
	xdrmem_create(&xdr, (char *)buf, cap < UINT32_MAX ? (u_int)cap : UINT32_MAX, XDR_ENCODE);
	size_t len = type.proc(&xdr, unconst(value)) ? xdr_getpos(&xdr) : 0;
	xdr_destroy(&xdr);
	return len;
}

bool wire_encode(struct wire_type type, const void *value, struct bytes *out)
{
	*out = (struct bytes){0};
	size_t len = wire_size(type, value);
	if (len == 0) /* no type of the schema encodes to nothing: a bound was exceeded */
		return false;
	out->data = xcalloc(len, 1);
	out->len = wire_encode_into(type, value, out->data, len);
	must(out->len == len);
	return true;
}

/* Is `data` what the value encodes to, to the last byte?  Padding that is not zero, a bool of 2, a
 * text with a NUL inside, trailing bytes: XDR decoders take them all, and each would give one value
 * many hashes. */
static bool is_canonical(struct wire_type type, const void *value, const uint8_t *data, size_t len)
{
	uint8_t *again = xcalloc(len, 1);
	bool same = wire_encode_into(type, value, again, len) == len && memcmp(again, data, len) == 0;
	free(again);
	return same;
}

bool wire_decode(struct wire_type type, const uint8_t *data, size_t len, void *value)
{
	memset(value, 0, type.size);
	if (len > UINT32_MAX)
		return false;
	XDR xdr;
	xdrmem_create(&xdr, unconst(data), (u_int)len, XDR_DECODE);
	bool ok = type.proc(&xdr, value);
	xdr_destroy(&xdr);
	ok = ok && is_canonical(type, value, data, len);
	if (!ok)
		wire_free(type, value);
	return ok;
}

void wire_free(struct wire_type type, void *value)
{
	xdr_free(type.proc, value);
	memset(value, 0, type.size);
}
