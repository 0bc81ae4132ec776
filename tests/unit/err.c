/*
 * err.c: an error's text has an end, and says why to its end.
 *
 * Links: q_wire
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "err.h"

static char path[5000];

static void path_of(const char *piece, size_t len)
{
	for (size_t i = 0; i < len; i++)
		path[i] = piece[i % strlen(piece)];
	path[len] = '\0';
}

static void assert_begins_and_ends(const struct err *err, const char *begin, const char *end)
{
	size_t len = strlen(err->text);
	assert_true(len < sizeof err->text);
	assert_memory_equal(err->text, begin, strlen(begin));
	assert_true(len >= strlen(end));
	assert_string_equal(err->text + len - strlen(end), end);
}

static void a_text_that_fits_stays_as_it_is(void **state)
{
	struct err err = {0};
	(void)state;
	path_of("x", sizeof err.text - 1);
	assert_false(err_set(&err, ERR_WORLD, "%s", path));
	assert_int_equal(err.kind, ERR_WORLD);
	assert_string_equal(err.text, path);
	assert_false(err_set(&err, ERR_NO, "%s, too", "this"));
	assert_string_equal(err.text, "this, too");
	assert_false(err_prefix(&err, "not %d but %s", 1, "both"));
	assert_string_equal(err.text, "not 1 but both: this, too");
	assert_int_equal(err.kind, ERR_NO);
	assert_false(err_set(NULL, ERR_NO, "nobody asks"));
	assert_false(err_prefix(NULL, "nobody asks"));
}

static void a_long_path_is_shortened_and_the_reason_is_not(void **state)
{
	struct err err = {0};
	(void)state;
	for (size_t len = 400; len < sizeof path; len++) {
		path_of("/directory", len);
		err_set(&err, ERR_WORLD, "%s: cannot be opened: Permission denied", path);
		assert_begins_and_ends(&err, "/directory/directory/", "cannot be opened: Permission denied");
		assert_int_equal(strstr(err.text, " ... ") != NULL,
		                 len + strlen(": cannot be opened: Permission denied") >= sizeof err.text);
		err_prefix(&err, "the home %s", path);
		assert_begins_and_ends(&err, "the home /directory/", "cannot be opened: Permission denied");
	}
}

static void no_character_is_cut_in_two(void **state)
{
	struct err err = {0};
	(void)state;
	for (size_t len = 600; len < 612; len++) {
		path_of("\xe2\x82\xac", len - len % 3); /* three bytes a character */
		err_set(&err, ERR_WORLD, "%.*s%s: no", (int)(len % 4), "abc", path);
		for (const char *p = err.text + len % 4; *p != '\0' && strncmp(p, ": no", 4) != 0;) {
			if (strncmp(p, " ... ", 5) == 0) {
				p += 5;
				continue;
			}
			assert_memory_equal(p, "\xe2\x82\xac", 3);
			p += 3;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_text_that_fits_stays_as_it_is),
	    cmocka_unit_test(a_long_path_is_shortened_and_the_reason_is_not),
	    cmocka_unit_test(no_character_is_cut_in_two),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
