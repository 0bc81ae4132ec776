/*
 * fuzz_wire.c: the codec: what wire_decode() takes is the one encoding of what it gives.
 * The first byte selects the type.
 *
 * Links: q_wire
 */
#include <stdlib.h>

#include "err.h"
#include "fuzz.h"
#include "samples.h"

#define TYPES(T)                                                                                         \
	T(qtx)                                                                                           \
	T(qtx_body)                                                                                      \
	T(qwitness)                                                                                      \
	T(qheader)                                                                                       \
	T(qmessage)                                                                                      \
	T(qproposal) T(qcert) T(qprepared) T(qview_change) T(qnew_view) T(qenvelope) T(qstatus) T(qtxs)  \
	    T(qget_txs) T(qget_chain) T(qchain) T(qget_bodies) T(qbody) T(qframe) T(qblock) T(qevidence) \
	        T(qjournal) T(qreceipt) T(qgenesis) T(qreplica) T(qparams) T(qvote) T(qoutpoint) T(qoutput)

/* clang-format off */
static const struct wire_type types[] = {
#define T(t) WIRE_INIT(t),
    TYPES(T)
#undef T
};
/* clang-format on */
#define TYPE_CNT (sizeof types / sizeof *types)

static uint8_t index_of(struct wire_type type)
{
	size_t i = 0;

	while (types[i].proc != type.proc)
		i++;
	return (uint8_t)i;
}

static void setup(void)
{
	for (size_t i = 0; i < SAMPLE_CNT; i++) {
		struct bytes b;
		must(wire_encode(samples[i].type, samples[i].value, &b));
		fuzz_seed_as(index_of(samples[i].type), b.data, b.len);
		bytes_free(&b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t value[64]; /* large enough for any, and aligned */
	struct bytes again;
	uint8_t little[16];

	if (len == 0)
		return 0;
	struct wire_type type = types[data[0] % TYPE_CNT];
	must(type.size <= sizeof value);
	data++;
	len--;
	if (!wire_decode(type, data, len, value)) {
		for (size_t i = 0; i < type.size; i++)
			must(((uint8_t *)value)[i] == 0);
		return 0;
	}
	must(len > 0 && len % 4 == 0);
	must(wire_size(type, value) == len);
	must(wire_encode(type, value, &again));
	must(again.len == len && memcmp(again.data, data, len) == 0);
	must(wire_encode_into(type, value, little, sizeof little) == (len <= sizeof little ? len : 0));
	bytes_free(&again);
	wire_free(type, value);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "wire", .runs = 20000, .setup = setup};
