/*
 * openapi.c: the document that describes the HTTP interface, and the table of routes, say the same: paths,
 * methods and the keys of queries.  What the answers look like is compared by tests/integration/openapi.py.
 *
 * Links: q_program
 */
#include "api_impl.h"
#include "page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <cmocka.h>

static json_t *document(void)
{
	json_error_t error;
	json_t *json =
	    json_loadb((const char *)page_openapi, page_openapi_len, JSON_REJECT_DUPLICATES, &error);

	if (json == NULL)
		fail_msg("line %d: %s", error.line, error.text);
	return json;
}

/* With * for each {parameter}. */
static void as_route(const char *path, char out[128])
{
	size_t at = 0;

	for (const char *c = path; *c != '\0'; c++) {
		out[at++] = *c == '{' ? '*' : *c;
		if (*c == '{')
			c = strchr(c, '}');
		assert_non_null(c);
		assert_true(at < 127);
	}
	out[at] = '\0';
}

static const struct http_route *route_of(const char *path, const char *method)
{
	for (const struct http_route *r = api_routes; r->method != NULL; r++)
		if (strcmp(r->path, path) == 0 && strcasecmp(r->method, method) == 0)
			return r;
	return NULL;
}

/* The operation that stands for a route; NULL: there is none. */
static const json_t *operation_of(const json_t *doc, const struct http_route *r)
{
	const char *path, *method;
	json_t *item, *op;
	char route[128];

	json_object_foreach(json_object_get(doc, "paths"), path, item)
	{
		as_route(path, route);
		json_object_foreach(item, method, op)
		{
			if (strcmp(route, r->path) == 0 && strcasecmp(method, r->method) == 0)
				return op;
		}
	}
	return NULL;
}

static void what_is_described_is_served(void **state)
{
	(void)state;
	json_t *doc = document(), *item, *op;
	const char *path, *method;
	char route[128];

	assert_string_equal(json_string_value(json_object_get(doc, "openapi")), "3.1.0");
	json_object_foreach(json_object_get(doc, "paths"), path, item)
	{
		as_route(path, route);
		json_object_foreach(item, method, op)
		{
			if (strcmp(method, "parameters") != 0 && route_of(route, method) == NULL)
				fail_msg("%s %s is described, but not served", method, path);
		}
	}
	json_decref(doc);
}

static bool has_key(const char *keys, const char *key)
{
	char padded[256], wanted[64];

	snprintf(padded, sizeof padded, " %s ", keys);
	snprintf(wanted, sizeof wanted, " %s ", key);
	return strstr(padded, wanted) != NULL;
}

static unsigned words(const char *keys)
{
	unsigned cnt = *keys != '\0';

	for (; *keys != '\0'; keys++)
		cnt += *keys == ' ';
	return cnt;
}

static void what_is_served_is_described(void **state)
{
	(void)state;
	json_t *doc = document(), *parameter;
	size_t i;

	for (const struct http_route *r = api_routes; r->method != NULL; r++) {
		const json_t *op = operation_of(doc, r);
		unsigned cnt = 0;
		if (op == NULL)
			fail_msg("%s %s is served, but not described", r->method, r->path);
		json_array_foreach(json_object_get(op, "parameters"), i, parameter)
		{
			const char *name = json_string_value(json_object_get(parameter, "name"));
			assert_string_equal(json_string_value(json_object_get(parameter, "in")), "query");
			if (r->keys == NULL || !has_key(r->keys, name))
				fail_msg("%s %s takes no %s", r->method, r->path, name);
			cnt++;
		}
		if (r->keys != NULL && words(r->keys) != cnt)
			fail_msg("%s %s takes more in a query (%s) than is described", r->method, r->path,
			         r->keys);
	}
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_described_is_served),
	    cmocka_unit_test(what_is_served_is_described),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
