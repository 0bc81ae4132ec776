/*
 * Strict JSON: the paths in errors, the edges of numbers.
 * Links: q_wire
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "jread.h"

static json_t *parse(const char *text)
{
	struct err err = {0};
	json_t *json = jread_parse(text, strlen(text), &err);
	if (json == NULL)
		fail_msg("%s", err.text);
	return json;
}

static void paths_lead_to_the_field(void **state)
{
	(void)state;
	json_t *json = parse("{\"a\": [{}, {\"b\": 7}]}");
	struct jvalue root = jread_root(json), a = jread_field(&root, "a");
	struct jvalue second = jread_element(&a, 1), b = jread_field(&second, "b");
	struct err err = {0};
	const char *text;
	assert_false(jread_string(&b, 9, &text, &err));
	assert_string_equal(err.text, "a[1].b: must be a string");
	assert_false(jread_object(&b, "x", "", &err));
	assert_string_equal(err.text, "a[1].b: must be an object");
	assert_false(jread_object(&second, "c", "b", &err));
	assert_string_equal(err.text, "a[1].c: missing");
	assert_false(jread_object(&second, "", "bb", &err));
	assert_string_equal(err.text, "a[1].b: unknown field");
	assert_true(jread_object(&second, "b", "c", &err));
	json_decref(json);
}

static void what_is_absent_is_wrong_for_every_reader(void **state)
{
	(void)state;
	json_t *json = parse("{}");
	struct jvalue root = jread_root(json), none = jread_field(&root, "none"),
	              deeper = jread_field(&none, "x");
	struct jvalue element = jread_element(&none, 3);
	uint8_t data[1];
	uint64_t n;
	size_t cnt;
	const char *text;
	assert_null(deeper.json);
	assert_null(element.json);
	assert_false(jread_object(&none, "", "", NULL));
	assert_false(jread_array(&none, 1, &cnt, NULL));
	assert_false(jread_string(&none, 1, &text, NULL));
	assert_false(jread_hex(&none, data, 1, NULL));
	assert_false(jread_uint(&none, 0, 1, &n, NULL));
	assert_false(jread_amount(&none, &n, NULL));
	json_decref(json);
}

static void a_long_path_is_cut_and_shows_it(void **state)
{
	(void)state;
	char text[300], key[200];
	memset(key, 'k', sizeof key - 1);
	key[sizeof key - 1] = '\0';
	snprintf(text, sizeof text, "{\"%s\": 1}", key);
	json_t *json = parse(text);
	struct jvalue root = jread_root(json);
	struct err err = {0};
	assert_false(jread_object(&root, "", "", &err));
	assert_non_null(strstr(err.text, "kkk...: unknown field"));
	json_decref(json);
}

static bool reads_uint(const char *number, uint64_t min, uint64_t max, uint64_t *n)
{
	json_t *json = json_loads(number, JSON_DECODE_ANY, NULL);
	struct jvalue v = jread_root(json);
	bool ok = jread_uint(&v, min, max, n, NULL);
	json_decref(json);
	return ok;
}

static void an_empty_document_is_called_so(void **state)
{
	struct err err = {0};
	(void)state;
	assert_null(jread_parse(NULL, 0, &err));
	assert_string_equal(err.text, "the document is empty");
	assert_int_equal(err.kind, ERR_INPUT);
}

static void integers_keep_to_their_bounds(void **state)
{
	(void)state;
	uint64_t n = 0;
	assert_true(reads_uint("5", 5, 7, &n));
	assert_int_equal(n, 5);
	assert_true(reads_uint("7", 5, 7, &n));
	assert_false(reads_uint("4", 5, 7, &n));
	assert_false(reads_uint("8", 5, 7, &n));
	assert_false(reads_uint("-1", 0, UINT64_MAX, &n));
	assert_true(reads_uint("9223372036854775807", 0, UINT64_MAX, &n));
	assert_false(reads_uint("1.0", 0, 7, &n));
	assert_false(reads_uint("true", 0, 7, &n));
	assert_false(reads_uint("\"1\"", 0, 7, &n));
	assert_int_equal(n, INT64_MAX);
}

static void amounts_are_canonical_decimals(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t amount; /* 0: refused */
	} cases[] = {
	    {"1", 1},
	    {"10", 10},
	    {"9223372036854775807", INT64_MAX},
	    {"9223372036854775808", 0},
	    {"18446744073709551615", 0},
	    {"18446744073709551617", 0},
	    {"36893488147419103240", 0}, /* 2^65 + 8 */
	    {"0", 0},
	    {"00", 0},
	    {"01", 0},
	    {"", 0},
	    {"+1", 0},
	    {"-1", 0},
	    {" 1", 0},
	    {"1 ", 0},
	    {"1.0", 0},
	    {"1e3", 0},
	    {"0x10", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_t *json = json_string(cases[i].text);
		struct jvalue v = jread_root(json);
		uint64_t amount = 0;
		assert_int_equal(jread_amount(&v, &amount, NULL), cases[i].amount != 0);
		assert_int_equal(amount, cases[i].amount);
		if (cases[i].amount != 0) {
			json_t *back = jread_amount_json(amount);
			assert_string_equal(json_string_value(back), cases[i].text);
			json_decref(back);
		}
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_lead_to_the_field),
	    cmocka_unit_test(what_is_absent_is_wrong_for_every_reader),
	    cmocka_unit_test(a_long_path_is_cut_and_shows_it),
	    cmocka_unit_test(an_empty_document_is_called_so),
	    cmocka_unit_test(integers_keep_to_their_bounds),
	    cmocka_unit_test(amounts_are_canonical_decimals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
