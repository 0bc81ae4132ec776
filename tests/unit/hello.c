/*
 * hello.c: what follows from what the other side of a connection says first.
 * Links: q_link
 */
#include "hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hellos.h"

static const struct qhash chain = {{0xab, 0xcd}}, other = {{0x12, 0x34}};
static struct link_part parts[3] = {{"name", {{1}}}, {"params", {{2}}}, {"replicas", {{3}}}};

static struct hello *ours(unsigned lowest, unsigned highest)
{
	struct link_config config = {
	    .self = 0,
	    .n = 4,
	    .hello = {.versions = {lowest, highest},
	              .chain = chain,
	              .program = "quorate 7",
	              .part_cnt = 3,
	              .parts = parts},
	};
	return hello_new(&config);
}

static struct link_said said;
static unsigned version;
static char why[LINK_WHY_MAX];

static enum link_trouble judge(const struct hello *h, const struct qhello *theirs, unsigned peer)
{
	memset(&said, 0xee, sizeof(said));
	return hello_judge(h, theirs, peer, &said, &version, why);
}

/* Rule LK1, against a dumb version of itself. */
static void highest_common_version_is_spoken(void **state)
{
	enum { MAX = 5 };

	(void)state;
	for (unsigned low = 1; low <= MAX; low++) {
		for (unsigned high = low; high <= MAX; high++) {
			struct hello *h = ours(low, high);
			for (unsigned i = 0; i < MAX * MAX; i++) {
				struct qhello theirs = hello_of(&chain, 2);
				theirs.lowest = 1 + i / MAX;
				theirs.highest = 1 + i % MAX;
				unsigned common = 0;
				for (unsigned v = 1; v <= MAX; v++)
					if (low <= v && v <= high && theirs.lowest <= v &&
					    v <= theirs.highest)
						common = v;
				assert_int_equal(judge(h, &theirs, 2),
				                 common > 0 ? LINK_FINE : LINK_OTHER_PROTOCOL);
				assert_int_equal(version, common);
			}
			hello_free(h);
		}
	}
}

static void no_common_version_names_both_ranges_and_who_is_to_be_upgraded(void **state)
{
	struct hello *h = ours(3, 4);
	struct qhello theirs = hello_of(&chain, 2);

	(void)state;
	theirs.lowest = 1;
	theirs.highest = 2;
	assert_int_equal(judge(h, &theirs, 2), LINK_OTHER_PROTOCOL);
	assert_non_null(
	    strstr(why, "it (a test) speaks protocol 1 to 2, we (quorate 7) 3 to 4; upgrade that node"));
	theirs.lowest = 5;
	theirs.highest = 9;
	assert_int_equal(judge(h, &theirs, 2), LINK_OTHER_PROTOCOL);
	assert_non_null(strstr(why, "speaks protocol 5 to 9, we (quorate 7) 3 to 4; upgrade this node"));
	assert_int_equal(said.versions.lowest, 5);
	assert_int_equal(said.versions.highest, 9);
	hello_free(h);
}

static void another_genesis_is_named_with_what_differs(void **state)
{
	struct hello *h = ours(1, 1);
	struct qhello theirs = hello_of(&other, 2);
	struct qhash its_parts[4] = {{{1}}, {{9}}, {{8}}, {{7}}}; /* one more than we know of */

	(void)state;
	theirs.lowest = theirs.highest = 17; /* the genesis goes first: it is what is wrong */
	theirs.parts.parts_len = 4;
	theirs.parts.parts_val = its_parts;
	assert_int_equal(judge(h, &theirs, 2), LINK_OTHER_CHAIN);
	assert_int_equal(version, 0);
	assert_non_null(strstr(why, "its chain is 1234000000000000..., ours abcd000000000000..."));
	assert_non_null(strstr(why, "what differs: params, replicas;"));
	assert_int_equal(said.differs, 1 << 1 | 1 << 2);
	assert_true(said.known && qhash_eq(&said.chain, &other));
	theirs.parts.parts_len = 0; /* it does not say */
	assert_int_equal(judge(h, &theirs, 2), LINK_OTHER_CHAIN);
	assert_null(strstr(why, "differs"));
	hello_free(h);
}

static void who_answers_must_be_who_was_dialed(void **state)
{
	struct hello *h = ours(1, 1);
	struct qhello theirs = hello_of(&chain, 3);

	(void)state;
	assert_int_equal(judge(h, &theirs, 2), LINK_OTHER_REPLICA);
	assert_non_null(strstr(why, "replica 3 answers there"));
	assert_int_equal(judge(h, &theirs, 3), LINK_FINE);
	assert_int_equal(said.replica, 3);
	assert_string_equal(why, "");
	theirs.replica = UINT32_MAX - 1;
	assert_int_equal(judge(h, &theirs, HELLO_ANYBODY), LINK_FINE); /* a caller may say what it likes */
	hello_free(h);
}

static void what_is_for_people_is_made_printable(void **state)
{
	struct hello *h = ours(1, 1);
	struct qhello theirs = hello_of(&chain, 2);

	(void)state;
	theirs.software = (char[]){"a\n\x1b[2Jb\x80"};
	assert_int_equal(judge(h, &theirs, 2), LINK_FINE);
	assert_string_equal(said.program, "a??[2Jb?");
	hello_free(h);
}

static void message_is_what_is_said(void **state)
{
	struct hello *h = ours(2, 3);
	struct bytes m = hello_message(h);
	struct qhello got;
	uint64_t length;

	(void)state;
	memcpy(&length, m.data, sizeof(length));
	assert_int_equal(be64toh(length), m.len - sizeof(length));
	assert_true(wire_decode(WIRE(qhello), m.data + sizeof(length), m.len - sizeof(length), &got));
	assert_int_equal(got.lowest, 2);
	assert_int_equal(got.highest, 3);
	assert_true(qhash_eq(&got.chain, &chain));
	assert_int_equal(got.replica, 0);
	assert_string_equal(got.software, "quorate 7");
	assert_int_equal(got.parts.parts_len, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(qhash_eq(&got.parts.parts_val[i], &parts[i].digest));
	assert_int_equal(got.introduction.introduction_len, 0);
	wire_free(WIRE(qhello), &got);
	bytes_free(&m);

	struct qintroduction intro = {.certificate = {.replica = 17}};
	hello_introduce(h, &intro);
	m = hello_message(h);
	assert_true(wire_decode(WIRE(qhello), m.data + sizeof(length), m.len - sizeof(length), &got));
	assert_int_equal(got.introduction.introduction_len, 1);
	assert_int_equal(got.introduction.introduction_val[0].certificate.replica, 17);
	wire_free(WIRE(qhello), &got);
	bytes_free(&m);
	hello_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(highest_common_version_is_spoken),
	    cmocka_unit_test(no_common_version_names_both_ranges_and_who_is_to_be_upgraded),
	    cmocka_unit_test(another_genesis_is_named_with_what_differs),
	    cmocka_unit_test(who_answers_must_be_who_was_dialed),
	    cmocka_unit_test(what_is_for_people_is_made_printable),
	    cmocka_unit_test(message_is_what_is_said),
	};
	return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
