/*
 * hellos.h: what a test says on a connection of its own, as one who dials, or is dialed, before anything
 * else.
 */
#ifndef QUORATE_TEST_HELLOS_H
#define QUORATE_TEST_HELLOS_H

#include <endian.h>

#include "link.h"

#define HELLO_BYTES_MAX (8 + 8 + Q_HELLO_MAX)

/* SP header and HELLO of one who pushes (0x50) or pulls (0x51). Returns their length. */
static inline size_t hello_bytes(uint8_t bytes[HELLO_BYTES_MAX], int protocol, const struct qhello *hello)
{
	const uint8_t header[8] = {0, 'S', 'P', 0, 0, (uint8_t)protocol, 0, 0};
	size_t len = wire_encode_into(WIRE(qhello), hello, bytes + 16, Q_HELLO_MAX);
	uint64_t length = htobe64(len);

	must(len > 0);
	memcpy(bytes, header, sizeof header);
	memcpy(bytes + 8, &length, sizeof length);
	return 16 + len;
}

/* That of a replica of this program. */
static inline struct qhello hello_of(const struct qhash *chain, unsigned replica)
{
	return (struct qhello){.lowest = link_versions.lowest,
	                       .highest = link_versions.highest,
	                       .chain = *chain,
	                       .replica = replica,
	                       .software = (char *)(uintptr_t) "a test"};
}

#endif
