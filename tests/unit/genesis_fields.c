/*
 * Every field of a genesis with values that are none: the error names the field, what may stand there, and
 * the line where it is no JSON.  The fields are those that genesis_format() writes, so that a new one without
 * a row here fails the test.
 * Links: q_genesis
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "account.h"
#include "crypto.h"
#include "genesis.h"
#include "ident.h"

#define LONG 5000
#define HEX64 "must be a string of 64 lower-case hex digits"
#define URL "must be tcp://HOST:PORT or tls+tcp://HOST:PORT, with a port from 1 to 65535"

/* ---- the table --------------------------------------------------------------------------------- */

/* A number: what may stand there beside the others of the document; `widest` in any genesis, where that is
 * more: said of what is no such number at all.  Else: what is said of a text, and one that is wrong. */
static const struct row {
	const char *path;
	int64_t min, max;
	const char *widest, *said, *bad;
} rows[] = {
    {"quorate-genesis", 1, 2, NULL, NULL, NULL},
    {"name", 0, 0, NULL, "must be 1 to 64 of A-Z a-z 0-9 . _ - and inner spaces", "a/b"},
    {"time_ms", 0, 253402300799999, NULL, NULL, NULL},
    {"parent.chain", 0, 0, NULL, HEX64, "00"},
    {"parent.height", 0, INT64_MAX, NULL, NULL, NULL},
    {"parent.block", 0, 0, NULL, HEX64, "x"},
    {"parent.state", 0, 0, NULL, HEX64, "-1"},
    {"params.checkpoint_interval", 4, 256, NULL, NULL, NULL},
    {"params.window", 2, 64, NULL, NULL, NULL},
    {"params.block_txs_max", 1, 8192, NULL, NULL, NULL},
    {"params.block_bytes_max", 196608, 4194304, NULL, NULL, NULL},
    {"params.timeout_ms", 50, 600000, NULL, NULL, NULL},
    {"params.timeout_cap_ms", 2000, 3600000, "50 to 3600000", NULL, NULL},
    {"params.drift_ms", 1, 3600000, NULL, NULL, NULL},
    {"params.pool_source_max", 1, 1000000, NULL, NULL, NULL},
    {"params.pool_owner_max", 1, 1000000, NULL, NULL, NULL},
    {"seal.kind", 0, 0, NULL, "must be \"pow\"; leave out seal for a chain without", "none"},
    {"seal.bits", 1, 48, NULL, NULL, NULL},
    {"seal.bits_max", 10, 48, "1 to 48", NULL, NULL},
    {"seal.interval_ms", 0, 3600000, NULL, NULL, NULL},
    {"seal.hash_rate", 1, UINT32_MAX, NULL, NULL, NULL},
    {"proposer.kind", 0, 0, NULL, "must be \"stake\"; leave out proposer for a chain without", "primary"},
    {"proposer.epoch", 128, 1000000, "8 to 1000000", NULL, NULL},
    {"proposer.turn", 1, 1016, "1 to 1000000", NULL, NULL},
    {"proposer.proposers", 2, 4, "1 to 64", NULL, NULL},
    {"proposer.unbonding", 3048, UINT32_MAX, "24 to 4294967295", NULL, NULL},
    {"proposer.penalty", 0, 100, NULL, NULL, NULL},
    {"proposer.delegator_penalty", 0, 100, NULL, NULL, NULL},
    {"replicas[0].name", 0, 0, NULL, "must be 1 to 64 of A-Z a-z 0-9 . _ -", "a b"},
    {"replicas[0].key", 0, 0, NULL, HEX64, "-1"},
    {"replicas[0].address", 0, 0, NULL, URL, "tcp://h:65536"},
    {"replicas[0].account", 0, 0, NULL, "an address ", "q00"},
    {"allocations[0].address", 0, 0, NULL, "an address ", "-1"},
    {"allocations[0].amount", 0, 0, NULL,
     "must be an amount: a decimal string from \"1\" to \"9223372036854775807\"", "1.5"},
    {"allocations[0].stake", 0, 0, NULL, "must be the name of a replica", "r9"},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* ---- the document --------------------------------------------------------------------------------- */

/* One that has every field. */
static json_t *document(void)
{
	struct genesis *g = xcalloc(1, sizeof *g);
	struct err err = {0};
	g->g.format = GENESIS_SUCCESSOR;
	g->g.name = xstrdup("fields");
	g->g.params = genesis_default_params();
	g->g.seal = (struct qseal_rules){
	    QSEAL_POW, {.pow = {.bits = 10, .bits_max = 11, .interval_ms = 5, .hash_rate = 1000000}}};
	g->g.proposer = (struct qproposer_rules){QPROPOSER_STAKE, {.stake = genesis_default_stake(4)}};
	g->g.replicas.replicas_len = 4;
	g->g.replicas.replicas_val = xcalloc(4, sizeof(struct qreplica));
	for (uint8_t i = 0; i < 4; i++) {
		struct ident *id = ident_from_seed((uint8_t[32]){i});
		struct qreplica *r = &g->g.replicas.replicas_val[i];
		const char name[] = {'r', (char)('0' + i), '\0'};
		*r = (struct qreplica){xstrdup(name), ident_key(id), xstrdup("tcp://h:1")};
		r->account.account_len = 1;
		r->account.account_val = xcalloc(1, sizeof *r->account.account_val);
		r->account.account_val->b[0] = i;
		ident_free(id);
	}
	g->g.allocations.allocations_len = 1;
	g->g.allocations.allocations_val = xcalloc(1, sizeof(struct qoutput));
	*g->g.allocations.allocations_val =
	    (struct qoutput){.amount = 1, .lock = {QLOCK_STAKE, {.replica = 1}}};
	if (!genesis_finish(g, &err))
		fail_msg("%s", err.text);
	char *text = genesis_format(g);
	json_t *json = json_loads(text, 0, NULL);
	assert_non_null(json);
	free(text);
	genesis_free(g);
	return json;
}

/* A value of it, and what holds it. */
struct place {
	json_t *root, *parent;
	const char *key;
	size_t index;
	char path[128];
	const struct row *row; /* NULL: an object or a list */
};

static void put(const struct place *p, json_t *value)
{
	if (p->key != NULL)
		assert_int_equal(json_object_set_new(p->parent, p->key, value), 0);
	else
		assert_int_equal(json_array_set_new(p->parent, p->index, value), 0);
}

/* ---- one wrong value -------------------------------------------------------------------------------- */

/* The document with `raw` where that value was: the error says both, or all is well. */
static void refuse_bytes(const struct place *p, const char *raw, size_t len, const char *where,
                         const char *what)
{
	static const char mark[] = "\"@@@\"";
	json_t *was = json_incref(p->key != NULL ? json_object_get(p->parent, p->key)
	                                         : json_array_get(p->parent, p->index));
	put(p, json_string("@@@"));
	char *text = json_dumps(p->root, JSON_INDENT(1));
	put(p, was);
	char *at = strstr(text, mark);
	assert_non_null(at);
	size_t before = (size_t)(at - text), after = strlen(text) - before - strlen(mark);
	char *wrong = xcalloc(1, before + len + after + 1);
	memcpy(wrong, text, before);
	memcpy(wrong + before, raw, len);
	memcpy(wrong + before + len, at + strlen(mark), after);

	struct err err = {0};
	struct genesis *g = genesis_parse(wrong, before + len + after, &err);
	if (g != NULL || err.kind != ERR_INPUT || strstr(err.text, where) == NULL ||
	    strstr(err.text, what) == NULL)
		fail_msg("%s: %.60s: \"%s\" does not say \"%s\" and \"%s\"", p->path, raw, err.text, where,
		         what);
	free(wrong);
	free(text);
}

static void refuse(const struct place *p, const char *raw, const char *what)
{
	char where[160];
	snprintf(where, sizeof where, "%s: ", p->path);
	refuse_bytes(p, raw, strlen(raw), where, what);
}

/* What is no JSON, whatever should stand there. */
static void refuse_what_is_none(const struct place *p)
{
	char twice[256], *digits = xcalloc(1, LONG + 1);
	memset(digits, '9', LONG);
	refuse_bytes(p, "\"a\0b\"", 5, "line ", "column ");
	refuse_bytes(p, "\"\\u0000\"", 8, "line ", "\\u0000 is not allowed");
	refuse_bytes(p, "\"\xff\"", 3, "line ", "unable to decode byte 0xff");
	refuse_bytes(p, "+1", 2, "line ", "column ");
	refuse_bytes(p, "0x10", 4, "line ", "column ");
	refuse_bytes(p, digits, LONG, "line ", "too big integer");
	if (p->key != NULL) {
		refuse_bytes(p, "", 0, "line ", "column ");
		int len = snprintf(twice, sizeof twice, "1, \"%s\": 1", p->key);
		refuse_bytes(p, twice, (size_t)len, "line ", "duplicate");
	}
	free(digits);
}

static void refuse_of_type(const struct place *p, const char *const *types, const char *what)
{
	for (; *types != NULL; types++)
		refuse(p, *types, what);
}

/* ---- of a number, of a text, of what has fields ------------------------------------------------------- */

static void refuse_number(const struct place *p)
{
	static const char *const types[] = {"null", "true", "\"1\"", "[]", "{}", "1.5", "1e3", "-0.0", NULL};
	const struct row *r = p->row;
	char exact[64], range[128], raw[32];
	snprintf(exact, sizeof exact, "%" PRId64 " to %" PRId64, r->min, r->max);
	snprintf(range, sizeof range, "must be an integer from %s", r->widest != NULL ? r->widest : exact);
	refuse_of_type(p, types, range);
	snprintf(range, sizeof range, "; must be %s", r->widest != NULL ? r->widest : exact);
	refuse(p, "-1", range);
	refuse(p, "-9223372036854775808", range);
	if (r->max < INT64_MAX)
		refuse(p, "9223372036854775807", range);
	snprintf(range, sizeof range, "; must be %s", exact);
	if (r->min > 0) {
		snprintf(raw, sizeof raw, "%" PRId64, r->min - 1);
		refuse(p, raw, range);
	}
	if (r->max < UINT32_MAX) {
		snprintf(raw, sizeof raw, "%" PRId64, r->max + 1);
		refuse(p, raw, range);
	}
}

static void refuse_text(const struct place *p)
{
	static const char *const types[] = {"null", "true", "1", "-1", "1.5", "1e3", "[]", "{}", NULL};
	char raw[64], *text = xcalloc(1, LONG + 3);
	bool amount = strstr(p->row->said, "amount") != NULL, hex = strcmp(p->row->said, HEX64) == 0;
	refuse_of_type(p, types, amount || hex ? p->row->said : "must be a string");
	refuse(p, "\"\"", p->row->said);
	snprintf(raw, sizeof raw, "\"%s\"", p->row->bad);
	refuse(p, raw, p->row->said);
	memset(text, 'm', LONG + 2);
	text[0] = text[LONG + 1] = '"';
	refuse(p, text, amount || hex ? p->row->said : "has 5000 bytes; at most ");
	free(text);
}

static void refuse_other_than(const struct place *p, bool array)
{
	static const char *const no_object[] = {"null", "true", "\"\"", "[]", "1", "1.5", NULL};
	static const char *const no_array[] = {"null", "true", "\"\"", "{}", "1", "1.5", NULL};
	refuse_of_type(p, array ? no_array : no_object, array ? "must be an array" : "must be an object");
	if (!array) {
		char where[160];
		static const char unknown[] = "{\"colour\": 1}";
		snprintf(where, sizeof where, "%s.colour: ", p->path);
		refuse_bytes(p, unknown, strlen(unknown), where, "unknown field");
	}
}

/* ---- all of them --------------------------------------------------------------------------------------- */

static bool met[ROWS];

static const struct row *row_of(const char *path)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].path, path) != 0)
			continue;
		met[i] = true;
		return &rows[i];
	}
	fail_msg("%s has no row in this test", path);
	return NULL;
}

static void look_at(struct place *p, json_t *value);

static void look_below(const struct place *p, json_t *value)
{
	const char *key;
	json_t *below;
	void *next;
	json_object_foreach_safe(value, next, key, below)
	{
		struct place q = {.root = p->root, .parent = value, .key = key};
		snprintf(q.path, sizeof q.path, "%.60s%s%.60s", p->path, p->path[0] != '\0' ? "." : "", key);
		look_at(&q, below);
	}
	if (json_array_size(value) > 0) { /* the first stands for all */
		struct place q = {.root = p->root, .parent = value};
		snprintf(q.path, sizeof q.path, "%.60s[0]", p->path);
		look_at(&q, json_array_get(value, 0));
	}
}

static void look_at(struct place *p, json_t *value)
{
	bool has_fields = json_is_object(value) || json_is_array(value);
	p->row = has_fields ? NULL : row_of(p->path);
	refuse_what_is_none(p);
	if (has_fields)
		refuse_other_than(p, json_is_array(value));
	else if (json_is_integer(value))
		refuse_number(p);
	else
		refuse_text(p);
	look_below(p, value);
}

static void every_field_is_named_with_what_may_stand_there(void **state)
{
	(void)state;
	json_t *json = document();
	look_below(&(struct place){.root = json}, json);
	for (size_t i = 0; i < ROWS; i++)
		if (!met[i])
			fail_msg("%s is no field of a genesis", rows[i].path);
	json_decref(json);
}

/* And what is at the ends of a range is refused by no range: maybe by what another field leaves. */
static void the_ends_of_a_range_are_within_it(void **state)
{
	(void)state;
	json_t *json = document();
	for (size_t i = 0; i < 2 * ROWS; i++) {
		const struct row *r = &rows[i / 2];
		char object[32] = "", said[128];
		const char *dot = strchr(r->path, '.');
		if (r->said != NULL)
			continue;
		snprintf(object, sizeof object, "%.*s", dot != NULL ? (int)(dot - r->path) : 0, r->path);
		json_t *in = dot != NULL ? json_object_get(json, object) : json;
		const char *key = dot != NULL ? dot + 1 : r->path;
		json_t *was = json_incref(json_object_get(in, key));
		json_object_set_new(in, key, json_integer(i % 2 == 0 ? r->min : r->max));
		char *text = json_dumps(json, 0);
		json_object_set_new(in, key, was);
		struct err err = {0};
		genesis_free(genesis_parse(text, strlen(text), &err));
		snprintf(said, sizeof said, "%s: is ", r->path);
		if (strncmp(err.text, said, strlen(said)) == 0 && strstr(err.text, "; must be") != NULL &&
		    strstr(err.text, "must divide") == NULL)
			fail_msg("%s", err.text);
		free(text);
	}
	json_decref(json);
}

static int start(void **state)
{
	(void)state;
	return crypto_init(NULL) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_field_is_named_with_what_may_stand_there),
	    cmocka_unit_test(the_ends_of_a_range_are_within_it),
	};
	return cmocka_run_group_tests_name("genesis_fields", tests, start, NULL);
}
