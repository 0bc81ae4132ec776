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

/* clang-format off */
static const struct wire_type types[] = {
    WIRE_INIT(qtx), WIRE_INIT(qtx_body), WIRE_INIT(qwitness), WIRE_INIT(qoutpoint), WIRE_INIT(qoutput),
    WIRE_INIT(qheader), WIRE_INIT(qblock), WIRE_INIT(qmessage), WIRE_INIT(qvote), WIRE_INIT(qproposal),
    WIRE_INIT(qcert), WIRE_INIT(qprepared), WIRE_INIT(qview_change), WIRE_INIT(qnew_view),
    WIRE_INIT(qenvelope), WIRE_INIT(qframe), WIRE_INIT(qhello), WIRE_INIT(qstatus), WIRE_INIT(qtxs), WIRE_INIT(qget_txs),
    WIRE_INIT(qget_chain), WIRE_INIT(qchain), WIRE_INIT(qget_bodies), WIRE_INIT(qbody),
    WIRE_INIT(qevidence), WIRE_INIT(qjournal), WIRE_INIT(qreceipt), WIRE_INIT(qgenesis), WIRE_INIT(qsuccessor),
    WIRE_INIT(qreplica), WIRE_INIT(qparams), WIRE_INIT(qlock), WIRE_INIT(qoffence), WIRE_INIT(qseal),
    WIRE_INIT(qstaking), WIRE_INIT(qtable), WIRE_INIT(qseal_rules), WIRE_INIT(qproposer_rules),
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
	uint64_t borrowed[64];
	struct wire_arena arena = {0};
	struct bytes again;
	uint8_t little[16];

	if (len == 0)
		return 0;
	struct wire_type type = types[data[0] % TYPE_CNT];
	must(type.size <= sizeof value);
	data++;
	len--;
	bool ok = wire_decode(type, data, len, value);
	must(wire_decode_in(&arena, type, data, len, borrowed) == ok);
	if (!ok) {
		for (size_t i = 0; i < type.size; i++)
			must(((uint8_t *)value)[i] == 0 && ((uint8_t *)borrowed)[i] == 0);
		wire_arena_free(&arena);
		return 0;
	}
	must(wire_encode(type, borrowed, &again));
	must(again.len == len && memcmp(again.data, data, len) == 0);
	bytes_free(&again);
	wire_arena_free(&arena);
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
