/*
 * fuzz_text.c: what people and programs type: hex, amounts and numbers, ids, addresses to listen on and to
 * dial, JSON.  Each reader beside a plain one written here.  The first byte selects.
 *
 * Links: q_conf
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "err.h"
#include "fuzz.h"
#include "http.h"
#include "jread.h"
#include "link.h"
#include "text.h"

/* ---- numbers ----------------------------------------------------------------------------------- */

/* Decimal without sign and leading zero, up to max. */
static bool naive_number(const char *text, uint64_t max, uint64_t *out)
{
	char largest[24];
	size_t len = strlen(text);
	int largest_len = snprintf(largest, sizeof largest, "%llu", (unsigned long long)max);

	if (len == 0 || strspn(text, "0123456789") != len || (len > 1 && text[0] == '0'))
		return false;
	*out = strtoull(text, NULL, 10);
	return len < (size_t)largest_len || (len == (size_t)largest_len && strcmp(text, largest) <= 0);
}

static void numbers(const char *text)
{
	static const uint64_t limits[] = {0, 9, 100, UINT32_MAX, INT64_MAX, UINT64_MAX};
	struct err err = {0};
	uint64_t got, want;

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		bool ok = text_u64(text, limits[i], &got);
		must(ok == naive_number(text, limits[i], &want) && (!ok || got == want));
	}
	bool ok = text_amount(text, "--amount", &got, &err);
	must(ok == (naive_number(text, INT64_MAX, &want) && want > 0) && (!ok || got == want));
	must(ok || (err.kind == ERR_INPUT && err.text[0] != '\0'));
}

/* ---- hex ----------------------------------------------------------------------------------------- */

static bool naive_hex(const char *text, size_t len, uint8_t *out)
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(text) != 2 * len || strspn(text, digits) != 2 * len)
		return false;
	for (size_t i = 0; i < 2 * len; i++)
		out[i / 2] = (uint8_t)(out[i / 2] << 4 | (strchr(digits, text[i]) - digits));
	return true;
}

static void hex(const char *text)
{
	size_t len = strlen(text) / 2;
	uint8_t *got = xcalloc(len + 1, 1), *want = xcalloc(len + 1, 1);
	char *again = xcalloc(2 * len + 1, 1);
	struct qtxid id;
	struct err err = {0};

	bool ok = hex_decode(got, len, text);
	must(ok == naive_hex(text, len, want));
	must(!ok || (memcmp(got, want, len) == 0 && strcmp(hex_encode(again, got, len), text) == 0));
	must(text_txid(text, &id, &err) == (ok && len == 32));
	free(got);
	free(want);
	free(again);
}

/* ---- addresses of nodes ------------------------------------------------------------------------------ */

static void places(const char *text)
{
	struct err err = {0};
	const char *colon = strrchr(text, ':');

	if (http_listen_check(text, &err))
		must(colon != NULL && colon[1] != '\0' &&
		     strspn(colon + 1, "0123456789") == strlen(colon + 1) && atoi(colon + 1) <= 65535);
	else
		must(err.kind == ERR_INPUT && err.text[0] != '\0');
	for (int listening = 0; listening < 2; listening++) {
		memset(&err, 0, sizeof err);
		if (link_url_check(text, listening, &err))
			must(strncasecmp(text, "tcp", 3) == 0 || strncasecmp(text, "ipc", 3) == 0);
		else
			must(err.kind == ERR_INPUT && err.text[0] != '\0');
	}
}

/* Levenshtein's by recursion on short words; text_distance() is for words below 32 letters. */
static size_t naive_distance(const char *a, const char *b)
{
	if (*a == '\0' || *b == '\0')
		return strlen(a) + strlen(b);
	size_t best = naive_distance(a + 1, b + 1) + (*a != *b), other = naive_distance(a + 1, b) + 1;

	best = other < best ? other : best;
	other = naive_distance(a, b + 1) + 1;
	return other < best ? other : best;
}

static void distances(const char *text)
{
	char a[5], b[5];
	size_t half = strlen(text) / 2;

	snprintf(a, sizeof a, "%.4s", text);
	snprintf(b, sizeof b, "%.4s", text + half);
	must(text_distance(a, b) == naive_distance(a, b));
	must(text_distance(text, text) == (strlen(text) < 32 ? 0 : 32));
}

/* ---- JSON ------------------------------------------------------------------------------------------------
 */

/* A wrong value is named by its path. */
static void said(bool ok, const struct err *err)
{
	must(ok || (err->kind == ERR_INPUT && err->text[0] != '\0'));
}

static void read_value(const struct jvalue *v, unsigned depth);

static void read_scalars(const struct jvalue *v)
{
	const char *text = NULL;
	uint8_t bytes[32], want[32] = {0};
	uint64_t n, wanted;
	struct err err = {0};

	bool is_text = jread_string(v, 64, &text, &err);
	said(is_text, &err);
	must(is_text == (json_is_string(v->json) && json_string_length(v->json) <= 64));
	bool is_hex = jread_hex(v, bytes, sizeof bytes, &err);
	must(is_hex == (is_text && naive_hex(text, sizeof bytes, want)));
	must(!is_hex || memcmp(bytes, want, sizeof bytes) == 0);
	bool is_amount = jread_amount(v, &n, &err);
	must(is_amount == (is_text && naive_number(text, INT64_MAX, &wanted) && wanted > 0));
	if (is_amount) {
		json_t *again = jread_amount_json(n);
		must(n == wanted && strcmp(json_string_value(again), text) == 0);
		json_decref(again);
	}
	bool is_number = jread_uint(v, 3, 1000, &n, &err);
	said(is_number, &err);
	must(is_number == (json_is_integer(v->json) && json_integer_value(v->json) >= 3 &&
	                   json_integer_value(v->json) <= 1000));
	must(!is_number || n == (uint64_t)json_integer_value(v->json));
}

static void read_object(const struct jvalue *v, unsigned depth)
{
	struct err err = {0};
	bool is = json_is_object(v->json), has = is && json_object_get(v->json, "name") != NULL;
	size_t known = (size_t)has + (is && json_object_get(v->json, "key") != NULL);
	bool ok = jread_object(v, "name", "key", &err);

	said(ok, &err);
	must(ok == (has && json_object_size(v->json) == known));
	must(!is || (jread_unknown(v, "name", "key") != NULL) == (json_object_size(v->json) > known));
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)v->json, key, value)
	{
		struct jvalue field = jread_field(v, key);
		must(field.json == value);
		read_value(&field, depth + 1);
	}
}

static void read_array(const struct jvalue *v, unsigned depth)
{
	struct err err = {0};
	size_t cnt = 0;
	bool ok = jread_array(v, 8, &cnt, &err);

	said(ok, &err);
	must(ok == (json_is_array(v->json) && json_array_size(v->json) <= 8));
	for (size_t i = 0; ok && i < cnt; i++) {
		struct jvalue element = jread_element(v, i);
		must(element.json == json_array_get(v->json, i));
		read_value(&element, depth + 1);
	}
}

static void read_value(const struct jvalue *v, unsigned depth)
{
	must(strlen(v->path) < JPATH_MAX);
	if (depth > 16)
		return;
	read_scalars(v);
	read_object(v, depth);
	read_array(v, depth);
}

static void json(const char *text, size_t len)
{
	struct err err = {0};
	json_t *root = jread_parse(text, len, &err);

	said(root != NULL, &err);
	if (!root)
		return;
	struct jvalue v = jread_root(root);
	read_value(&v, 0);
	json_decref(root);
}

/* ---- the test
 * ------------------------------------------------------------------------------------------------ */

static void setup(void)
{
	static const char *const texts[5][7] = {
	    {"0", "1", "9223372036854775807", "18446744073709551616", "007"},
	    {"00", "0123456789abcdef", "abcdefABCDEF",
	     "0000000000000000000000000000000000000000000000000000000000000000", "g"},
	    {"127.0.0.1:7480", "[::1]:0", "localhost:65536", "tcp://127.0.0.1:7580", "ipc:///tmp/x"},
	    {"statussttaus", "aaaabaab", "a", "", "genesisgenese"},
	    {"[1, 2, 3, 4, 5, 6, 7, 8, 9]", "[1, 2, 3, 4, 5, 6, 7, 8]",
	     "{\"name\": \"12\", \"key\": [1, 3, 1000, 1001, -1, 1.5, null]}",
	     "{\"name\": {\"name\": {}}, \"other\": 1}", "[\"9223372036854775807\", \"0\", \"\"]",
	     "{\"name\": "
	     "\"0000000000000000000000000000000000000000000000000000000000000000\"}",
	     "[[[[[[[[[[1]]]]]]]]]]"},
	};

	for (uint8_t i = 0; i < 5; i++)
		for (uint8_t k = 0; k < 7 && texts[i][k]; k++)
			fuzz_seed_as(i, texts[i][k], strlen(texts[i][k]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const readers[])(const char *) = {numbers, hex, places, distances};

	if (len == 0)
		return 0;
	char *text = xcalloc(len, 1); /* ends with a NUL, wherever else one is */
	memcpy(text, data + 1, len - 1);
	if (data[0] % 5 < 4)
		readers[data[0] % 5](text);
	else
		json(text, len - 1);
	free(text);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "text", .runs = 15000, .setup = setup};
