/*
 * submit.c: what POST /v1/transactions refuses before it costs anything.
 *
 * Links: q_replica q_link q_http
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_submit.c" /* of the program, not of a library */

static struct err said;
static size_t allocations; /* by jansson */

/* ---- the node, which none of these requests reaches ------------------------------------ */

const struct genesis *node_genesis(const struct node *n)
{
	(void)n;
	fail();
	return NULL;
}

bool node_verify(struct node *n, struct tx *const *txs, size_t cnt, bool *held)
{
	(void)n, (void)txs, (void)cnt, (void)held;
	fail();
	return false;
}

bool node_call(struct node *n, struct call *c)
{
	(void)n, (void)c;
	fail();
	return false;
}

struct call *call_new(enum call_kind kind)
{
	(void)kind;
	fail();
	return NULL;
}

void call_unref(struct call *c)
{
	(void)c;
}

bool node_has_room(struct node *n)
{
	(void)n;
	return true;
}

size_t node_room(struct node *n, size_t cnt)
{
	(void)n, (void)cnt;
	fail();
	return 0;
}

void node_room_back(struct node *n, size_t cnt)
{
	(void)n;
	assert_int_equal(cnt, 0);
}

bool api_query(const struct http_request *r, struct http_reply *reply, const char *key, uint64_t max,
               uint64_t otherwise, uint64_t *out)
{
	(void)r, (void)reply, (void)key, (void)max;
	*out = otherwise;
	return true;
}

void api_bad(struct http_reply *reply, const struct err *err)
{
	(void)reply;
	said = *err;
}

/* ---- requests ---------------------------------------------------------------------------- */

static void *counted(size_t size)
{
	allocations++;
	return malloc(size);
}

static void refuses(const char *begin, const char *repeated, size_t times, const char *end, const char *why)
{
	size_t len = strlen(begin) + times * strlen(repeated) + strlen(end);
	char *body = xcalloc(len + 1, 1), *at = stpcpy(body, begin);
	struct http_request r = {.content_type = "application/json", .body_len = len};
	struct http_reply reply = {0};

	for (size_t i = 0; i < times; i++)
		at = stpcpy(at, repeated);
	stpcpy(at, end);
	r.body = (const uint8_t *)body;
	said = (struct err){0};
	allocations = 0;
	api_submit(NULL, &r, &reply);
	assert_int_equal(said.kind, ERR_INPUT);
	assert_non_null(strstr(said.text, why));
	free(body);
}

static void deep_nesting_never_reaches_the_parser(void **state)
{
	(void)state;
	refuses("{\"transactions\":", "[", 100000, "", "nested");
	assert_int_equal(allocations, 0);
}

/* Eight MiB of "[]," would become some 400 MiB of values. */
static void more_values_than_transactions_never_reach_the_parser(void **state)
{
	(void)state;
	refuses("{\"transactions\":[", "[],", 1000000, "[]]}", "at most 8192");
	assert_int_equal(allocations, 0);
	refuses("{\"transactions\":[", "0,", Q_BLOCK_TXS_MAX + 1, "0]}", "at most 8192");
	assert_int_equal(allocations, 0);
}

static void as_many_as_are_allowed_do_reach_it(void **state)
{
	(void)state;
	refuses("{\"transactions\":[", "\"\",", Q_BLOCK_TXS_MAX - 1, "\"\"]}", "transactions[0]: ");
	assert_true(allocations > Q_BLOCK_TXS_MAX);
	refuses("{\"transactions\":[\"", ",[{", 100000, "\"]}", "transactions[0]: "); /* within a string */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(deep_nesting_never_reaches_the_parser),
	    cmocka_unit_test(more_values_than_transactions_never_reach_the_parser),
	    cmocka_unit_test(as_many_as_are_allowed_do_reach_it),
	};
	json_set_alloc_funcs(counted, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
