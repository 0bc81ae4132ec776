/*
 * The codec: one encoding a value, and nothing but that encoding is read.
 * Links: q_wire
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "err.h"
#include "samples.h"

static struct bytes encoded(const struct sample *s)
{
	struct bytes b;
	assert_true(wire_encode(s->type, s->value, &b));
	return b;
}

static void assert_encodes_to(struct wire_type type, const void *value, const uint8_t *data, size_t len)
{
	struct bytes again;
	assert_true(wire_encode(type, value, &again));
	assert_int_equal(again.len, len);
	assert_memory_equal(again.data, data, len);
	bytes_free(&again);
}

/* Into an arena that begins with too little memory of ours; nothing to free if it fails either. */
static void decodes_in_arena_too(struct wire_type type, const uint8_t *data, size_t len, bool want)
{
	uint64_t own[2];
	struct wire_arena arena = {.at = (uint8_t *)own, .left = sizeof own};
	void *value = xcalloc(1, type.size);
	assert_int_equal(wire_decode_in(&arena, type, data, len, value), want);
	if (want)
		assert_encodes_to(type, value, data, len);
	for (size_t i = 0; !want && i < type.size; i++)
		assert_int_equal(((uint8_t *)value)[i], 0);
	wire_arena_free(&arena);
	free(value);
}

/* Decodes from a heap copy of exactly len bytes, so that reading beyond them is seen. */
static bool decodes(struct wire_type type, const uint8_t *data, size_t len)
{
	uint8_t *copy = xmemdup(data, len);
	void *value = xcalloc(1, type.size);
	bool ok = wire_decode(type, copy, len, value);
	if (ok) {
		assert_encodes_to(type, value, data, len);
		wire_free(type, value);
	}
	decodes_in_arena_too(type, copy, len, ok);
	for (size_t i = 0; i < type.size; i++) /* failed or freed: nothing is left to free */
		assert_int_equal(((uint8_t *)value)[i], 0);
	free(value);
	free(copy);
	return ok;
}

static void round_trips_every_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLE_CNT; i++) {
		struct bytes b = encoded(&samples[i]);
		assert_int_equal(b.len, wire_size(samples[i].type, samples[i].value));
		assert_true(decodes(samples[i].type, b.data, b.len));
		bytes_free(&b);
	}
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLE_CNT; i++) {
		struct bytes b = encoded(&samples[i]);
		for (size_t len = 0; len < b.len; len++)
			assert_false(decodes(samples[i].type, b.data, len));
		bytes_free(&b);
	}
}

static void refuses_trailing_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLE_CNT; i++) {
		struct bytes b = encoded(&samples[i]);
		b.data = xrealloc(b.data, b.len + 8);
		memset(b.data + b.len, 0, 8);
		for (size_t more = 1; more <= 8; more++)
			assert_false(decodes(samples[i].type, b.data, b.len + more));
		bytes_free(&b);
	}
}

static void survives_every_changed_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLE_CNT; i++) {
		struct bytes b = encoded(&samples[i]);
		for (size_t at = 0; at < b.len; at++) {
			static const uint8_t flips[] = {0x01, 0x80, 0xff};
			for (size_t j = 0; j < sizeof flips; j++) {
				b.data[at] ^= flips[j];
				decodes(samples[i].type, b.data, b.len); /* itself asserts canonicity */
				b.data[at] ^= flips[j];
			}
		}
		bytes_free(&b);
	}
}

static void survives_random_bytes(void **state)
{
	(void)state;
	uint64_t seed = 0x9e3779b97f4a7c15; /* splitmix64: the same bytes every time */
	for (int round = 0; round < 20000; round++) {
		uint8_t data[64];
		for (size_t i = 0; i < sizeof data; i++) {
			uint64_t z = seed += 0x9e3779b97f4a7c15;
			z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
			/* Small numbers often, for kinds and lengths that lead further in. */
			data[i] = (z >> 40 & 3) ? (uint8_t)(i % 4 == 3 ? z >> 8 & 15 : 0) : (uint8_t)(z >> 8);
		}
		decodes(WIRE(qmessage), data, (size_t)(seed >> 58));
		decodes(WIRE(qframe), data, (size_t)(seed >> 58));
		decodes(WIRE(qtx), data, (size_t)(seed >> 58));
	}
}

static void refuses_an_unknown_kind(void **state)
{
	(void)state;
	for (uint8_t kind = 0; kind < 20; kind++) {
		uint8_t data[16] = {[3] = kind};
		bool empty_list = kind == QTXS || kind == QGET_TXS || kind == QGET_BODIES;
		assert_int_equal(decodes(WIRE(qmessage), data, 8), empty_list);
	}
	assert_false(decodes(WIRE(qmessage), (uint8_t[]){0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 8));
}

static void refuses_seals_and_locks_of_unknown_kinds(void **state)
{
	(void)state;
	uint8_t seal[4 + 40] = {0}, output[20 + 8 + 4 + 4] = {0};
	assert_true(decodes(WIRE(qseal), seal, 4));
	assert_false(decodes(WIRE(qseal), seal, 4 + 40)); /* no seal has no target */
	seal[3] = QSEAL_POW;
	assert_true(decodes(WIRE(qseal), seal, sizeof seal));
	assert_false(decodes(WIRE(qseal), seal, 4));
	seal[3] = QSEAL_POW + 1;
	assert_false(decodes(WIRE(qseal), seal, sizeof seal) || decodes(WIRE(qseal), seal, 4));
	assert_true(decodes(WIRE(qoutput), output, 32));
	for (uint8_t kind = QLOCK_STAKE; kind <= QLOCK_FROZEN; kind++) {
		output[31] = kind;
		assert_true(decodes(WIRE(qoutput), output, sizeof output));
		assert_false(decodes(WIRE(qoutput), output, 32));
	}
	output[31] = QLOCK_FROZEN + 1;
	assert_false(decodes(WIRE(qoutput), output, sizeof output) || decodes(WIRE(qoutput), output, 32));
	memset(output + 28, 0xff, 4);
	assert_false(decodes(WIRE(qoutput), output, sizeof output) || decodes(WIRE(qoutput), output, 32));
}

static void refuses_padding_that_is_not_zero(void **state)
{
	(void)state;
	uint8_t data[] = {0, 0, 0, QTXS, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0, 0, 0};
	assert_true(decodes(WIRE(qmessage), data, sizeof data));
	for (size_t at = 13; at < 16; at++) {
		data[at] = 1;
		assert_false(decodes(WIRE(qmessage), data, sizeof data));
		data[at] = 0;
	}
}

static void refuses_a_bool_of_two(void **state)
{
	(void)state;
	uint8_t data[20] = {[3] = 1};
	assert_true(decodes(WIRE(qslot_status), data, sizeof data));
	data[3] = 2;
	assert_false(decodes(WIRE(qslot_status), data, sizeof data));
}

static void refuses_text_with_a_nul_inside(void **state)
{
	(void)state;
	uint8_t data[48] = {[3] = 4, 'n', 'a', 'm', 'e'};
	assert_true(decodes(WIRE(qreplica), data, sizeof data));
	data[5] = 0;
	assert_false(decodes(WIRE(qreplica), data, sizeof data));
}

static void refuses_lengths_above_their_bounds(void **state)
{
	(void)state;
	size_t room = 8 + 32 * (Q_WINDOW_MAX + 1);
	uint8_t *data = xcalloc(room, 1);
	data[3] = QGET_BODIES;
	data[7] = Q_WINDOW_MAX;
	assert_true(decodes(WIRE(qmessage), data, room - 32));
	data[7] = Q_WINDOW_MAX + 1;
	assert_false(decodes(WIRE(qmessage), data, room));
	memset(data + 4, 0xff, 4); /* a length of 2^32-1 */
	assert_false(decodes(WIRE(qmessage), data, room));
	free(data);
}

static void an_arena_gives_zeroed_memory_that_does_not_overlap(void **state)
{
	(void)state;
	uint64_t own[8];
	struct wire_arena a = {.at = (uint8_t *)own, .left = sizeof own};
	uint8_t *pieces[200];
	memset(own, 0xff, sizeof own);
	for (size_t i = 0; i < 200; i++) { /* of 0 to 3980 bytes */
		pieces[i] = wire_arena_take(&a, 20 * i);
		assert_int_equal((uintptr_t)pieces[i] % sizeof(uint64_t), 0);
		for (size_t k = 0; k < 20 * i; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], (int)i, 20 * i);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; k < 20 * i; k++)
			assert_int_equal(pieces[i][k], (uint8_t)i);
	assert_ptr_equal(pieces[1], own); /* the caller's first */
	wire_arena_free(&a);
	assert_null(a.pieces);
}

static void what_is_decoded_in_an_arena_borrows_its_bytes(void **state)
{
	(void)state;
	struct qmessage m = {.kind = QTXS, .qmessage_u.txs = {{3, sample_txs}}}, decoded;
	struct wire_arena a = {0};
	struct bytes b;
	assert_true(wire_encode(WIRE(qmessage), &m, &b));
	assert_true(wire_decode_in(&a, WIRE(qmessage), b.data, b.len, &decoded));
	for (unsigned i = 0; i < 3; i++) {
		const qtx_bytes *t = &decoded.qmessage_u.txs.txs.txs_val[i];
		assert_int_equal(t->qtx_bytes_len, sample_txs[i].qtx_bytes_len);
		assert_true(t->qtx_bytes_len == 0
		                ? t->qtx_bytes_val == NULL
		                : t->qtx_bytes_val > b.data && t->qtx_bytes_val < b.data + b.len);
	}
	wire_arena_free(&a);
	bytes_free(&b);
}

/* A list says how many elements it has before any of them is there. */
static void a_list_is_not_believed_before_its_bytes_are_there(void **state)
{
	(void)state;
	uint8_t data[12] = {0, 0, 0, QTXS, 0, 0, Q_BLOCK_TXS_MAX >> 8, 0}; /* one empty element follows */
	struct wire_arena a = {0};
	struct qmessage m;
	assert_false(wire_decode_in(&a, WIRE(qmessage), data, sizeof data, &m));
	assert_null(a.pieces);
}

static void does_not_encode_beyond_a_bound(void **state)
{
	(void)state;
	uint8_t memo[Q_MEMO_MAX + 1] = {0};
	struct qtx tx = {.body = {.memo = {Q_MEMO_MAX, memo}}};
	struct bytes out;
	assert_true(wire_encode(WIRE(qtx), &tx, &out));
	bytes_free(&out);
	tx.body.memo.memo_len++;
	assert_false(wire_encode(WIRE(qtx), &tx, &out));
	assert_null(out.data);
	assert_int_equal(wire_size(WIRE(qtx), &tx), 0);
}

static void encodes_into_no_less_than_it_needs(void **state)
{
	(void)state;
	struct qvote vote = VOTE;
	uint8_t buf[80];
	assert_int_equal(wire_encode_into(WIRE(qvote), &vote, buf, 80), 80);
	for (size_t cap = 0; cap < 80; cap++) {
		uint8_t *small = xcalloc(cap, 1);
		assert_int_equal(wire_encode_into(WIRE(qvote), &vote, small, cap), 0);
		free(small);
	}
}

static void decodes_at_any_alignment(void **state)
{
	(void)state;
	struct bytes b = encoded(&samples[0]);
	uint8_t *room = xcalloc(b.len + 8, 1);
	for (size_t shift = 0; shift < 8; shift++) {
		struct qmessage m;
		memcpy(room + shift, b.data, b.len);
		assert_true(wire_decode(WIRE(qmessage), room + shift, b.len, &m));
		assert_int_equal(m.kind, QPRE_PREPARE);
		assert_int_equal(m.qmessage_u.proposal.view.n, 7);
		wire_free(WIRE(qmessage), &m);
	}
	free(room);
	bytes_free(&b);
}

static void hex_is_strict(void **state)
{
	(void)state;
	char text[9];
	uint8_t data[4];
	assert_string_equal(hex_encode(text, (uint8_t[]){0x00, 0x9a, 0xbf, 0xff}, 4), "009abfff");
	assert_true(hex_decode(data, 4, "009abfff"));
	assert_memory_equal(data, ((uint8_t[]){0x00, 0x9a, 0xbf, 0xff}), 4);
	static const char *const bad[] = {"",         "009abff",  "009abfff0", "009abfff00",  "009ABFFF",
	                                  "0x9abfff", " 09abfff", "009abffg",  "009abff\xff", "009abff/",
	                                  "009abff:", "009abff`"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(hex_decode(data, 4, bad[i]));
	assert_true(hex_decode(data, 0, ""));
}

static void errors_take_context_and_are_cut_not_overrun(void **state)
{
	(void)state;
	struct err err = {0};
	assert_false(err_set(&err, ERR_WORLD, "disk %d is full", 3));
	assert_false(err_prefix(&err, "ledger %s", "x.db"));
	assert_string_equal(err.text, "ledger x.db: disk 3 is full");
	assert_int_equal(err.kind, ERR_WORLD);
	assert_false(err_set(&err, ERR_INPUT, "again: %s", err.text));
	assert_string_equal(err.text, "again: ledger x.db: disk 3 is full");
	for (int i = 0; i < 100; i++)
		err_prefix(&err, "%s", "context that grows");
	assert_int_equal(strlen(err.text), sizeof err.text - 1);
	assert_false(err_set(NULL, ERR_INPUT, "nobody reads this"));
	assert_false(err_prefix(NULL, "nor this"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trips_every_message),
	    cmocka_unit_test(refuses_every_truncation),
	    cmocka_unit_test(refuses_trailing_bytes),
	    cmocka_unit_test(survives_every_changed_byte),
	    cmocka_unit_test(survives_random_bytes),
	    cmocka_unit_test(refuses_an_unknown_kind),
	    cmocka_unit_test(refuses_seals_and_locks_of_unknown_kinds),
	    cmocka_unit_test(refuses_padding_that_is_not_zero),
	    cmocka_unit_test(refuses_a_bool_of_two),
	    cmocka_unit_test(refuses_text_with_a_nul_inside),
	    cmocka_unit_test(refuses_lengths_above_their_bounds),
	    cmocka_unit_test(an_arena_gives_zeroed_memory_that_does_not_overlap),
	    cmocka_unit_test(what_is_decoded_in_an_arena_borrows_its_bytes),
	    cmocka_unit_test(a_list_is_not_believed_before_its_bytes_are_there),
	    cmocka_unit_test(does_not_encode_beyond_a_bound),
	    cmocka_unit_test(encodes_into_no_less_than_it_needs),
	    cmocka_unit_test(decodes_at_any_alignment),
	    cmocka_unit_test(hex_is_strict),
	    cmocka_unit_test(errors_take_context_and_are_cut_not_overrun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
