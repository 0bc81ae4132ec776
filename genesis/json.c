/*
 * json.c: the genesis as a file that people write, read and compare.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "crypto.h"
#include "genesis.h"
#include "jread.h"

#define FILE_MAX (256 << 20)

/* The parameters by name: one list for reading and for writing. */
static const struct param {
	const char *name;
	size_t offset;
} params[] = {
#define PARAM(field)                                    \
	{                                               \
#field, offsetof(struct qparams, field) \
	}
    PARAM(checkpoint_interval), PARAM(window),         PARAM(block_txs_max), PARAM(block_bytes_max),
    PARAM(timeout_ms),          PARAM(timeout_cap_ms), PARAM(drift_ms),      PARAM(pool_source_max),
    PARAM(pool_owner_max),
#undef PARAM
};
#define PARAM_NAMES                                                                                    \
	"checkpoint_interval window block_txs_max block_bytes_max timeout_ms timeout_cap_ms drift_ms " \
	"pool_source_max pool_owner_max"
#define PARAM_CNT (sizeof params / sizeof params[0])
_Static_assert(sizeof(struct qparams) == PARAM_CNT * sizeof(u_int), "every parameter is in the list");

static u_int *param_at(struct qparams *p, size_t i)
{
	return (u_int *)(void *)((char *)p + params[i].offset);
}

/* ---- reading -------------------------------------------------------------- */

static bool read_params(const struct jvalue *v, struct qparams *p, struct err *err)
{
	*p = genesis_default_params();
	if (v->json == NULL)
		return true;
	if (!jread_object(v, "", PARAM_NAMES, err))
		return false;
	for (size_t i = 0; i < PARAM_CNT; i++) {
		struct jvalue field = jread_field(v, params[i].name);
		uint64_t n;
		if (field.json == NULL)
			continue;
		if (!jread_uint(&field, 0, UINT32_MAX, &n, err)) /* tighter bounds: genesis_finish() */
			return false;
		*param_at(p, i) = (u_int)n;
	}
	return true;
}

static bool read_text(const struct jvalue *object, const char *key, size_t max, char **out, struct err *err)
{
	struct jvalue v = jread_field(object, key);
	const char *text;
	if (!jread_string(&v, max, &text, err))
		return false;
	*out = xstrdup(text);
	return true;
}

static bool read_replica(const struct jvalue *v, struct qreplica *r, struct err *err)
{
	if (!jread_object(v, "name key address", "", err))
		return false;
	struct jvalue key = jread_field(v, "key");
	return read_text(v, "name", Q_NAME_MAX, &r->name, err) &&
	       jread_hex(&key, r->key.b, sizeof r->key.b, err) &&
	       read_text(v, "address", Q_ADDRESS_MAX, &r->address, err);
}

static bool read_replicas(const struct jvalue *v, struct qgenesis *g, struct err *err)
{
	size_t cnt;
	if (!jread_array(v, Q_REPLICAS_MAX, &cnt, err))
		return false;
	g->replicas.replicas_val = xcalloc(cnt, sizeof(struct qreplica));
	g->replicas.replicas_len = (u_int)cnt;
	for (size_t i = 0; i < cnt; i++) {
		struct jvalue element = jread_element(v, i);
		if (!read_replica(&element, &g->replicas.replicas_val[i], err))
			return false;
	}
	return true;
}

static bool read_allocation(const struct jvalue *v, struct qoutput *out, struct err *err)
{
	if (!jread_object(v, "address amount", "", err))
		return false;
	struct jvalue address = jread_field(v, "address");
	struct jvalue amount = jread_field(v, "amount");
	const char *text;
	if (!jread_string(&address, Q_ADDRESS_MAX, &text, err))
		return false;
	if (!address_parse(text, &out->owner, err))
		return err_prefix(err, "%s", address.path);
	return jread_amount(&amount, &out->amount, err);
}

static bool read_allocations(const struct jvalue *v, struct qgenesis *g, struct err *err)
{
	size_t cnt;
	if (!jread_array(v, Q_ALLOCS_MAX, &cnt, err))
		return false;
	g->allocations.allocations_val = xcalloc(cnt, sizeof(struct qoutput));
	g->allocations.allocations_len = (u_int)cnt;
	for (size_t i = 0; i < cnt; i++) {
		struct jvalue element = jread_element(v, i);
		if (!read_allocation(&element, &g->allocations.allocations_val[i], err))
			return false;
	}
	return true;
}

static bool read_genesis(const struct jvalue *root, struct qgenesis *g, struct err *err)
{
	if (!jread_object(root, "quorate-genesis name time_ms replicas allocations", "params", err))
		return false;
	struct jvalue format = jread_field(root, "quorate-genesis");
	struct jvalue time = jread_field(root, "time_ms");
	struct jvalue given = jread_field(root, "params");
	struct jvalue replicas = jread_field(root, "replicas");
	struct jvalue allocations = jread_field(root, "allocations");
	uint64_t version;
	if (!jread_uint(&format, 1, 1, &version, err))
		return false;
	g->format = (u_int)version;
	return read_text(root, "name", Q_NAME_MAX, &g->name, err) &&
	       jread_uint(&time, 0, INT64_MAX, &g->time_ms, err) && read_params(&given, &g->params, err) &&
	       read_replicas(&replicas, g, err) && read_allocations(&allocations, g, err);
}

struct genesis *genesis_parse(const char *text, size_t len, struct err *err)
{
	if (!crypto_init(err))
		return NULL;
	json_t *json = jread_parse(text, len, err);
	if (json == NULL)
		return NULL;
	struct genesis *g = xcalloc(1, sizeof *g);
	struct jvalue root = jread_root(json);
	bool ok = read_genesis(&root, &g->g, err) && genesis_finish(g, err);
	json_decref(json);
	if (ok)
		return g;
	genesis_free(g);
	return NULL;
}

/* The whole of an open file; false with errno. */
static bool read_file(int fd, struct bytes *out)
{
	size_t room = 1 << 16;
	out->data = xrealloc(NULL, room);
	for (out->len = 0; out->len <= FILE_MAX;) {
		if (out->len == room)
			out->data = xrealloc(out->data, room *= 2);
		ssize_t got = read(fd, out->data + out->len, room - out->len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		out->len += (size_t)got;
	}
	errno = EFBIG;
	return false;
}

struct genesis *genesis_load(const char *path, struct err *err)
{
	struct bytes text = {0};
	struct genesis *g = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read_file(fd, &text))
		g = genesis_parse((const char *)text.data, text.len, err);
	else
		err_set(err, errno == ENOENT || errno == EFBIG || errno == EISDIR ? ERR_INPUT : ERR_WORLD,
		        "%s", strerror(errno));
	if (g == NULL)
		err_prefix(err, "genesis %s", path);
	if (fd >= 0)
		close(fd);
	bytes_free(&text);
	return g;
}

/* ---- writing -------------------------------------------------------------- */

static json_t *format_replicas(const struct qgenesis *g)
{
	json_t *array = json_array();
	for (u_int i = 0; i < g->replicas.replicas_len; i++) {
		const struct qreplica *r = &g->replicas.replicas_val[i];
		char key[2 * sizeof r->key.b + 1];
		hex_encode(key, r->key.b, sizeof r->key.b);
		json_array_append_new(
		    array, json_pack("{s:s, s:s, s:s}", "name", r->name, "key", key, "address", r->address));
	}
	return array;
}

static json_t *format_allocations(const struct qgenesis *g)
{
	json_t *array = json_array();
	for (u_int i = 0; i < g->allocations.allocations_len; i++) {
		const struct qoutput *out = &g->allocations.allocations_val[i];
		char address[ADDRESS_TEXT];
		address_format(&out->owner, address);
		json_array_append_new(array, json_pack("{s:s, s:o}", "address", address, "amount",
		                                       jread_amount_json(out->amount)));
	}
	return array;
}

char *genesis_format(const struct genesis *g)
{
	struct qparams p = g->g.params;
	json_t *given = json_object();
	for (size_t i = 0; i < PARAM_CNT; i++)
		json_object_set_new(given, params[i].name, json_integer(*param_at(&p, i)));
	json_t *json =
	    json_pack("{s:i, s:s, s:I, s:o, s:o, s:o}", "quorate-genesis", (int)g->g.format, "name",
	              g->g.name, "time_ms", (json_int_t)g->g.time_ms, "params", given, "replicas",
	              format_replicas(&g->g), "allocations", format_allocations(&g->g));
	must(json != NULL);
	char *text = json_dumps(json, JSON_INDENT(2));
	must(text != NULL);
	json_decref(json);
	size_t len = strlen(text); /* a text file ends with a newline */
	text = xrealloc(text, len + 2);
	memcpy(text + len, "\n", 2);
	return text;
}
