/*
 * jread.c: strict JSON: genesis files and key files pass here.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jread.h"
#include "wire.h"

#undef jread_wrong

bool jread_wrong(const struct jvalue *v, struct err *err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	err_vset(err, ERR_INPUT, fmt, args);
	va_end(args);
	return err_prefix(err, "%s", v->path[0] != '\0' ? v->path : "the document");
}

json_t *jread_parse(const char *text, size_t len, struct err *err)
{
	json_error_t at;
	if (len == 0) { /* text may be NULL, which jansson takes for our mistake */
		err_set(err, ERR_INPUT, "the document is empty");
		return NULL;
	}
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (json == NULL)
		err_set(err, ERR_INPUT, "line %d, column %d: %s", at.line, at.column, at.text);
	return json;
}

struct jread_size jread_size(const char *text, size_t len)
{
	struct jread_size size = {0};
	unsigned depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool opens = !quoted && (c == '{' || c == '[');
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '}' || c == ']') && depth > 0)
			depth--;
		if (opens && ++depth > size.depth)
			size.depth = depth;
		size.values += opens || (!quoted && c == ',');
	}
	return size;
}

struct jvalue jread_root(const json_t *json)
{
	return (struct jvalue){.json = json};
}

static struct jvalue child(const json_t *json, const char *path, const char *joint, const char *name)
{
	struct jvalue v = {.json = json};
	/* A path is text for people: one that is too long is cut, and its reader sees that. */
	if (snprintf(v.path, sizeof v.path, "%s%s%s", path, joint, name) >= (int)sizeof v.path)
		memcpy(v.path + sizeof v.path - 4, "...", 4);
	return v;
}

struct jvalue jread_field(const struct jvalue *object, const char *key)
{
	return child(json_object_get(object->json, key), object->path, object->path[0] != '\0' ? "." : "",
	             key);
}

struct jvalue jread_element(const struct jvalue *array, size_t index)
{
	char name[32];
	snprintf(name, sizeof name, "[%zu]", index);
	return child(json_array_get(array->json, index), array->path, "", name);
}

/* Calls back with each word of a list. */
static bool next_word(const char **list, char *word, size_t cap)
{
	size_t len = strcspn(*list, " ");
	if (len == 0)
		return false;
	must(len < cap);
	memcpy(word, *list, len);
	word[len] = '\0';
	*list += len + ((*list)[len] == ' ');
	return true;
}

static bool has_word(const char *list, const char *key)
{
	char word[64];
	while (next_word(&list, word, sizeof word))
		if (strcmp(word, key) == 0)
			return true;
	return false;
}

const char *jread_unknown(const struct jvalue *object, const char *must_have, const char *may_have)
{
	const char *key;
	json_t *value;
	/* jansson's iteration takes no const object, and changes none. */
	json_object_foreach((json_t *)object->json, key, value)
	{
		if (!has_word(must_have, key) && !has_word(may_have, key))
			return key;
	}
	return NULL;
}

bool jread_object(const struct jvalue *v, const char *must_have, const char *may_have, struct err *err)
{
	if (v->json == NULL)
		return jread_wrong(v, err, "missing");
	if (!json_is_object(v->json))
		return jread_wrong(v, err, "must be an object");
	const char *unknown = jread_unknown(v, must_have, may_have);
	if (unknown != NULL) {
		struct jvalue field = jread_field(v, unknown);
		return jread_wrong(&field, err, "unknown field");
	}
	char word[64];
	while (next_word(&must_have, word, sizeof word)) {
		struct jvalue field = jread_field(v, word);
		if (field.json == NULL)
			return jread_wrong(&field, err, "missing");
	}
	return true;
}

bool jread_array(const struct jvalue *v, size_t max, size_t *cnt, struct err *err)
{
	if (!json_is_array(v->json))
		return jread_wrong(v, err, "must be an array");
	*cnt = json_array_size(v->json);
	if (*cnt > max)
		return jread_wrong(v, err, "has %zu elements; at most %zu are allowed", *cnt, max);
	return true;
}

bool jread_string(const struct jvalue *v, size_t max, const char **out, struct err *err)
{
	if (!json_is_string(v->json))
		return jread_wrong(v, err, "must be a string");
	size_t len = json_string_length(v->json);
	if (len > max)
		return jread_wrong(v, err, "has %zu bytes; at most %zu are allowed", len, max);
	*out = json_string_value(v->json);
	return true;
}

bool jread_hex(const struct jvalue *v, uint8_t *out, size_t len, struct err *err)
{
	if (!json_is_string(v->json) || !hex_decode(out, len, json_string_value(v->json)))
		return jread_wrong(v, err, "must be a string of %zu lower-case hex digits", 2 * len);
	return true;
}

bool jread_uint(const struct jvalue *v, uint64_t min, uint64_t max, uint64_t *out, struct err *err)
{
	if (!json_is_integer(v->json))
		return jread_wrong(v, err, "must be an integer from %" PRIu64 " to %" PRIu64, min, max);
	json_int_t n = json_integer_value(v->json);
	if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
		return jread_wrong(v, err, "is %" JSON_INTEGER_FORMAT "; must be %" PRIu64 " to %" PRIu64, n,
		                   min, max);
	*out = (uint64_t)n;
	return true;
}

bool jread_amount(const struct jvalue *v, uint64_t *out, struct err *err)
{
	uint64_t amount = 0;
	const char *text = json_string_value(v->json);
	bool ok = text != NULL && text[0] != '0' && text[0] != '\0';
	for (size_t i = 0; ok && text[i] != '\0'; i++)
		ok = text[i] >= '0' && text[i] <= '9' && !__builtin_mul_overflow(amount, 10, &amount) &&
		     !__builtin_add_overflow(amount, (uint64_t)(text[i] - '0'), &amount) &&
		     amount <= INT64_MAX;
	if (!ok)
		return jread_wrong(
		    v, err, "must be an amount: a decimal string from \"1\" to \"%" PRId64 "\"", INT64_MAX);
	*out = amount;
	return true;
}

json_t *jread_amount_json(uint64_t amount)
{
	return json_sprintf("%" PRIu64, amount);
}
