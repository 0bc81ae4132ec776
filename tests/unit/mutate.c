/*
 * mutate.c: small changes to messages: every field of every kind is reached, what comes out is another
 * message or said not to be one, and chance alone decides.
 *
 * Links: q_sim
 */
#include "err.h"
#include "rules.h"
#include "samples.h"
#include "traitor_mutate.h"

#define KINDS 15 /* the first samples: one of each kind */
#define ROUNDS 6000
#define NAMES_MAX 128

struct dice {
	uint64_t state;
};

static uint64_t roll(void *ctx, uint64_t below)
{
	struct dice *d = ctx;
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

static struct bytes sample_of(size_t i)
{
	return rules_encode(samples[i].type, samples[i].value);
}

/* ---- every field ------------------------------------------------------------------------------------- */

struct names {
	char name[NAMES_MAX][80];
	unsigned reached[NAMES_MAX];
	size_t cnt, len;
};

static void note_name(void *ctx, const char *name, size_t len)
{
	struct names *n = ctx;

	n->len += len;
	for (size_t i = 0; i < n->cnt; i++)
		if (strcmp(n->name[i], name) == 0)
			return;
	assert_true(n->cnt < NAMES_MAX);
	snprintf(n->name[n->cnt++], sizeof n->name[0], "%s", name);
}

/* "WHERE.FIELD CHANGE" */
static void note_reached(struct names *n, const char *what)
{
	size_t len = strcspn(what, " ");

	for (size_t i = 0; i < n->cnt; i++)
		if (strlen(n->name[i]) == len && memcmp(n->name[i], what, len) == 0) {
			n->reached[i]++;
			return;
		}
	fail_msg("no such field: %s", what);
}

static void every_field_of_every_kind_is_changed(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct bytes body = sample_of(k);
		struct names names = {.cnt = 0};
		struct dice dice = {k};
		struct qmessage m;

		assert_true(wire_decode(WIRE(qmessage), body.data, body.len, &m));
		assert_int_equal(m.kind, (int)k + 1);
		mutate_fields(&m, note_name, &names);
		wire_free(WIRE(qmessage), &m);
		for (unsigned i = 0; i < ROUNDS; i++) {
			struct mutant mutant;
			if (mutate(&body, &body, roll, NULL, &dice, &mutant))
				note_reached(&names, mutant.what);
			bytes_free(&mutant.body);
		}
		for (size_t i = 0; i < names.cnt; i++)
			if (names.reached[i] == 0)
				fail_msg("%s: %s is never changed", samples[k].name, names.name[i]);
		bytes_free(&body);
	}
}

/* If the schema grows a field that the walk does not know, its bytes are missing here. */
static void fields_are_all_that_a_message_holds(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct bytes body = sample_of(k);
		struct names names = {.cnt = 0};
		bool vote = k + 1 == QPREPARE || k + 1 == QCOMMIT || k + 1 == QCHECKPOINT;
		struct qmessage m;

		assert_true(wire_decode(WIRE(qmessage), body.data, body.len, &m));
		mutate_fields(&m, note_name, &names);
		wire_free(WIRE(qmessage), &m);
		/* Only a vote can change its kind; nor does a piece of evidence. */
		assert_int_equal(names.len + (vote ? 0 : k + 1 == QEVIDENCE ? 8 : 4), body.len);
		bytes_free(&body);
	}
}

/* ---- what comes out ---------------------------------------------------------------------------------- */

static void a_mutant_is_another_message_or_said_to_be_none(void **state)
{
	(void)state;
	unsigned encodable = 0, not_encodable = 0;

	for (size_t k = 0; k < KINDS; k++) {
		struct bytes body = sample_of(k), donor = sample_of((k + 1) % KINDS);
		struct dice dice = {200 + k};

		for (unsigned i = 0; i < ROUNDS; i++) {
			struct mutant mutant;
			struct qmessage m;

			if (!mutate(&body, i % 2 ? &body : &donor, roll, NULL, &dice, &mutant)) {
				assert_null(mutant.body.data);
				continue;
			}
			if (!mutant.encodable) {
				assert_null(mutant.body.data);
				not_encodable++;
				continue;
			}
			encodable++;
			assert_true(mutant.body.len != body.len ||
			            memcmp(mutant.body.data, body.data, body.len) != 0);
			assert_true(wire_decode(WIRE(qmessage), mutant.body.data, mutant.body.len, &m));
			wire_free(WIRE(qmessage), &m);
			bytes_free(&mutant.body);
		}
		bytes_free(&body);
		bytes_free(&donor);
	}
	assert_true(encodable > 10 * not_encodable);
	assert_true(not_encodable > 0); /* a seal of a kind that there is not; more certificates than one */
}

static void the_same_chance_gives_the_same_mutants(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct bytes body = sample_of(k);
		struct dice a = {k}, b = {k};

		for (unsigned i = 0; i < 300; i++) {
			struct mutant x, y;
			bool changed = mutate(&body, &body, roll, NULL, &a, &x);

			assert_int_equal(changed, mutate(&body, &body, roll, NULL, &b, &y));
			assert_int_equal(x.body.len, y.body.len);
			if (x.body.len)
				assert_memory_equal(x.body.data, y.body.data, x.body.len);
			assert_string_equal(x.what, y.what);
			bytes_free(&x.body);
			bytes_free(&y.body);
		}
		bytes_free(&body);
	}
}

static void values_are_borrowed_from_a_message_of_the_same_kind(void **state)
{
	(void)state;
	struct qmessage early = {.kind = QGET_CHAIN}, late = {.kind = QGET_CHAIN};
	struct dice dice = {7};
	bool borrowed = false;

	early.qmessage_u.get_chain.above.n = 4711;
	late.qmessage_u.get_chain.above.n = 5;
	struct bytes donor = rules_encode(WIRE(qmessage), &early), body = rules_encode(WIRE(qmessage), &late);
	for (unsigned i = 0; i < 200; i++) {
		struct mutant mutant;
		struct qmessage m;

		if (!mutate(&body, &donor, roll, NULL, &dice, &mutant))
			continue;
		assert_true(wire_decode(WIRE(qmessage), mutant.body.data, mutant.body.len, &m));
		borrowed |= m.qmessage_u.get_chain.above.n == 4711;
		bytes_free(&mutant.body);
	}
	assert_true(borrowed);
	bytes_free(&donor);
	bytes_free(&body);
}

static void double_root(void *ctx, struct qmessage *m)
{
	(void)ctx;
	memset(&m->qmessage_u.proposal.header.merkle_root, 0x77, sizeof(struct qhash));
}

static void a_repair_sees_the_change_before_it_is_encoded(void **state)
{
	(void)state;
	struct bytes body = sample_of(0);
	struct dice dice = {3};

	for (unsigned i = 0; i < 200; i++) {
		struct mutant mutant;
		struct qmessage m;

		if (!mutate(&body, NULL, roll, double_root, &dice, &mutant) || !mutant.encodable)
			continue;
		assert_true(wire_decode(WIRE(qmessage), mutant.body.data, mutant.body.len, &m));
		assert_int_equal(m.qmessage_u.proposal.header.merkle_root.b[5], 0x77);
		wire_free(WIRE(qmessage), &m);
		bytes_free(&mutant.body);
	}
	bytes_free(&body);
}

static void what_is_no_message_is_left_alone(void **state)
{
	(void)state;
	uint8_t junk[] = {0, 0, 0, 99, 1, 2, 3, 4};
	struct bytes body = {junk, sizeof junk}, none = {junk, 0};
	struct dice dice = {1};
	struct mutant mutant;

	assert_false(mutate(&body, NULL, roll, NULL, &dice, &mutant));
	assert_false(mutate(&none, NULL, roll, NULL, &dice, &mutant));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_field_of_every_kind_is_changed),
	    cmocka_unit_test(fields_are_all_that_a_message_holds),
	    cmocka_unit_test(a_mutant_is_another_message_or_said_to_be_none),
	    cmocka_unit_test(the_same_chance_gives_the_same_mutants),
	    cmocka_unit_test(values_are_borrowed_from_a_message_of_the_same_kind),
	    cmocka_unit_test(a_repair_sees_the_change_before_it_is_encoded),
	    cmocka_unit_test(what_is_no_message_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
