/*
 * xdr.h: the stream that the code made from quorate.x works on; wire.h is what others use.
 *
 * rpcgen makes one procedure a type, for all directions.  What it builds on, numbers, bytes and lists, is in
 * xdr_codec.h: less than a library would bring, and strict.
 */
#ifndef QUORATE_XDR_H
#define QUORATE_XDR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef int32_t bool_t;
typedef int32_t enum_t;
#define TRUE 1
#define FALSE 0

enum xdr_op { XDR_ENCODE, XDR_DECODE, XDR_SIZE, XDR_FREE };

struct wire_arena;

typedef struct xdr {
	enum xdr_op op;
	uint8_t *at; /* ENCODE: written next; DECODE: read next, never written */
	size_t left; /* bytes from there on; SIZE: bytes counted so far */
	struct wire_arena
	    *arena; /* DECODE: what is made lies here, and bytes stay where they are; NULL: on the heap */
} XDR;

typedef bool_t (*xdrproc_t)(XDR *xdr, void *value);

#endif
