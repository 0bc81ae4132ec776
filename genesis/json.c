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
#include "ranges.h"

#define FILE_MAX (256 << 20)

/* The parameters by name: one list an object, for reading and for writing. */
struct param {
	const char *name;
	size_t offset;     /* of a u_int */
	uint32_t min, max; /* of any genesis; another field of this one may leave less: genesis_finish() */
};
#define PARAM(type, field, min, max)                               \
	{                                                          \
#field, offsetof(struct type, field), (min), (max) \
	}
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct param params[] = {
    PARAM(qparams, checkpoint_interval, CHECKPOINT_MIN, Q_CHAIN_MAX),
    PARAM(qparams, window, WINDOW_MIN, Q_WINDOW_MAX),
    PARAM(qparams, block_txs_max, 1, Q_BLOCK_TXS_MAX),
    PARAM(qparams, block_bytes_max, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX),
    PARAM(qparams, timeout_ms, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS),
    PARAM(qparams, timeout_cap_ms, TIMEOUT_MIN_MS, TIMEOUT_CAP_MAX_MS),
    PARAM(qparams, drift_ms, 1, DRIFT_MAX_MS),
    PARAM(qparams, pool_source_max, 1, POOL_MAX),
    PARAM(qparams, pool_owner_max, 1, POOL_MAX),
};
#define PARAM_NAMES                                                                                    \
	"checkpoint_interval window block_txs_max block_bytes_max timeout_ms timeout_cap_ms drift_ms " \
	"pool_source_max pool_owner_max"
_Static_assert(sizeof(struct qparams) == COUNT(params) * sizeof(u_int), "every parameter is in the list");

static const struct param pow_rules[] = {
    PARAM(qpow_rules, bits, 1, POW_BITS_MAX),
    PARAM(qpow_rules, bits_max, 1, POW_BITS_MAX),
    PARAM(qpow_rules, interval_ms, 0, POW_INTERVAL_MAX_MS),
    PARAM(qpow_rules, hash_rate, 1, UINT32_MAX),
};
#define POW_NAMES "bits bits_max interval_ms hash_rate"
_Static_assert(sizeof(struct qpow_rules) == COUNT(pow_rules) * sizeof(u_int), "every rule is in the list");

static const struct param stake_fields[] = {
    PARAM(qstake_rules, epoch, EPOCH_MIN, EPOCH_MAX),
    PARAM(qstake_rules, turn, 1, EPOCH_MAX),
    PARAM(qstake_rules, proposers, 1, Q_REPLICAS_MAX),
    PARAM(qstake_rules, unbonding, UNBONDING_EPOCHS *EPOCH_MIN, UINT32_MAX),
    PARAM(qstake_rules, penalty, 0, 100),
    PARAM(qstake_rules, delegator_penalty, 0, 100),
};
#define STAKE_NAMES "epoch turn proposers unbonding penalty delegator_penalty"
_Static_assert(sizeof(struct qstake_rules) == COUNT(stake_fields) * sizeof(u_int),
               "every rule is in the list");
#undef PARAM

static u_int *param_at(void *object, const struct param *p)
{
	return (u_int *)(void *)((char *)object + p->offset);
}

static size_t add_fields(struct genesis_field *fields, const char *object, const struct param *list,
                         size_t cnt, void *rules)
{
	for (size_t i = 0; i < cnt; i++)
		fields[i] = (struct genesis_field){object, list[i].name, param_at(rules, &list[i])};
	return cnt;
}

size_t genesis_fields(struct qgenesis *g, struct genesis_field fields[GENESIS_FIELDS_MAX])
{
	_Static_assert(COUNT(params) + COUNT(pow_rules) + COUNT(stake_fields) <= GENESIS_FIELDS_MAX, "room");
	size_t cnt = add_fields(fields, "params", params, COUNT(params), &g->params);
	if (g->seal.kind == QSEAL_POW)
		cnt +=
		    add_fields(fields + cnt, "seal", pow_rules, COUNT(pow_rules), &g->seal.qseal_rules_u.pow);
	if (g->proposer.kind == QPROPOSER_STAKE)
		cnt += add_fields(fields + cnt, "proposer", stake_fields, COUNT(stake_fields),
		                  &g->proposer.qproposer_rules_u.stake);
	return cnt;
}

/* ---- reading -------------------------------------------------------------- */

/* The fields of the list that are given; the others keep their defaults. A number that is too small or too
 * large is genesis_finish()'s, which knows what the others leave; here is what is none, or fits nowhere. */
static bool read_list(const struct jvalue *v, const struct param *list, size_t cnt, void *object,
                      struct err *err)
{
	for (size_t i = 0; i < cnt; i++) {
		struct jvalue field = jread_field(v, list[i].name);
		uint64_t n;
		if (field.json == NULL)
			continue;
		if (!jread_uint(&field, 0, UINT32_MAX, &n, NULL))
			return jread_uint(&field, list[i].min, list[i].max, &n, err);
		*param_at(object, &list[i]) = (u_int)n;
	}
	return true;
}

static bool read_params(const struct jvalue *v, struct qparams *p, struct err *err)
{
	*p = genesis_default_params();
	return v->json == NULL ||
	       (jread_object(v, "", PARAM_NAMES, err) && read_list(v, params, COUNT(params), p, err));
}

/* "kind" must be this word: an object that is left out means the other kind. */
static bool read_kind(const struct jvalue *v, const char *word, struct err *err)
{
	struct jvalue kind = jread_field(v, "kind");
	const char *text;
	if (!jread_string(&kind, Q_NAME_MAX, &text, err))
		return false;
	return strcmp(text, word) == 0 ||
	       err_set(err, ERR_INPUT, "%s: must be \"%s\"; leave out %s for a chain without", kind.path,
	               word, v->path);
}

static bool read_seal(const struct jvalue *v, struct qseal_rules *seal, struct err *err)
{
	struct qpow_rules *r = &seal->qseal_rules_u.pow;
	if (v->json == NULL)
		return true;
	if (!jread_object(v, "kind", POW_NAMES, err) || !read_kind(v, "pow", err))
		return false;
	seal->kind = QSEAL_POW;
	*r = genesis_default_pow();
	if (!read_list(v, pow_rules, COUNT(pow_rules), r, err))
		return false;
	if (jread_field(v, "bits_max").json != NULL)
		return true;
	if (r->interval_ms > 0)
		return err_set(err, ERR_INPUT,
		               "seal.bits_max: missing; with seal.interval_ms the target moves from bits to "
		               "bits_max");
	r->bits_max = r->bits;
	return true;
}

static bool read_proposer(const struct jvalue *v, unsigned n, struct qproposer_rules *proposer,
                          struct err *err)
{
	struct qstake_rules *r = &proposer->qproposer_rules_u.stake;
	if (v->json == NULL)
		return true;
	if (!jread_object(v, "kind", STAKE_NAMES, err) || !read_kind(v, "stake", err))
		return false;
	proposer->kind = QPROPOSER_STAKE;
	*r = genesis_default_stake(n);
	return read_list(v, stake_fields, COUNT(stake_fields), r, err);
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

static bool read_address(const struct jvalue *v, struct qaddress *out, struct err *err)
{
	const char *text;
	if (!jread_string(v, Q_ADDRESS_MAX, &text, err))
		return false;
	return address_parse(text, out, err) || err_prefix(err, "%s", v->path);
}

static bool read_replica(const struct jvalue *v, struct qreplica *r, struct err *err)
{
	if (!jread_object(v, "name key address", "account", err))
		return false;
	struct jvalue key = jread_field(v, "key");
	struct jvalue account = jread_field(v, "account");
	if (account.json != NULL) {
		r->account.account_val = xcalloc(1, sizeof *r->account.account_val);
		r->account.account_len = 1;
		if (!read_address(&account, r->account.account_val, err))
			return false;
	}
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

/* The replica that an allocation is staked for, by name. */
static bool read_stake(const struct jvalue *v, const struct qgenesis *g, struct qlock *lock, struct err *err)
{
	const char *name;
	if (v->json == NULL)
		return true;
	if (!jread_string(v, Q_NAME_MAX, &name, err))
		return false;
	for (u_int i = 0; i < g->replicas.replicas_len; i++) {
		if (strcmp(g->replicas.replicas_val[i].name, name) != 0)
			continue;
		*lock = (struct qlock){.kind = QLOCK_STAKE, .qlock_u.replica = i};
		return true;
	}
	return err_set(err, ERR_INPUT, "%s: must be the name of a replica", v->path);
}

static bool read_allocation(const struct jvalue *v, const struct qgenesis *g, struct qoutput *out,
                            struct err *err)
{
	if (!jread_object(v, "address amount", "stake", err))
		return false;
	struct jvalue address = jread_field(v, "address");
	struct jvalue amount = jread_field(v, "amount");
	struct jvalue stake = jread_field(v, "stake");
	return read_address(&address, &out->owner, err) && jread_amount(&amount, &out->amount, err) &&
	       read_stake(&stake, g, &out->lock, err);
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
		if (!read_allocation(&element, g, &g->allocations.allocations_val[i], err))
			return false;
	}
	return true;
}

static bool read_parent(const struct jvalue *v, struct qparent *parent, struct err *err)
{
	if (!jread_object(v, "chain height block state", "", err))
		return false;
	struct jvalue chain = jread_field(v, "chain"), height = jread_field(v, "height");
	struct jvalue block = jread_field(v, "block"), state = jread_field(v, "state");
	return jread_hex(&chain, parent->chain.b, sizeof parent->chain.b, err) &&
	       jread_uint(&height, 0, INT64_MAX, &parent->height.n, err) &&
	       jread_hex(&block, parent->block.b, sizeof parent->block.b, err) &&
	       jread_hex(&state, parent->state.b, sizeof parent->state.b, err);
}

/* The format says whether there is a parent. */
static bool read_format(const struct jvalue *root, struct genesis *g, struct err *err)
{
	struct jvalue format = jread_field(root, "quorate-genesis"), parent = jread_field(root, "parent");
	uint64_t version;
	if (!jread_uint(&format, GENESIS_FIRST, GENESIS_SUCCESSOR, &version, err))
		return false;
	g->g.format = (u_int)version;
	if (version == GENESIS_SUCCESSOR)
		return parent.json != NULL
		           ? read_parent(&parent, &g->parent, err)
		           : err_set(err, ERR_INPUT, "parent: missing; a genesis of format %d has one",
		                     GENESIS_SUCCESSOR);
	return parent.json == NULL ||
	       err_set(err, ERR_INPUT, "parent: has no meaning in format %d", GENESIS_FIRST);
}

static bool read_genesis(const struct jvalue *root, struct genesis *genesis, struct err *err)
{
	struct qgenesis *g = &genesis->g;
	if (!jread_object(root, "quorate-genesis name time_ms replicas allocations",
	                  "parent params seal proposer", err))
		return false;
	struct jvalue time = jread_field(root, "time_ms");
	struct jvalue given = jread_field(root, "params");
	struct jvalue seal = jread_field(root, "seal");
	struct jvalue proposer = jread_field(root, "proposer");
	struct jvalue replicas = jread_field(root, "replicas");
	struct jvalue allocations = jread_field(root, "allocations");
	return read_format(root, genesis, err) && read_text(root, "name", Q_NAME_MAX, &g->name, err) &&
	       jread_uint(&time, 0, TIME_MAX_MS, &g->time_ms, err) && read_params(&given, &g->params, err) &&
	       read_replicas(&replicas, g, err) && read_seal(&seal, &g->seal, err) &&
	       read_proposer(&proposer, g->replicas.replicas_len, &g->proposer, err) &&
	       read_allocations(&allocations, g, err);
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
	bool ok = read_genesis(&root, g, err) && genesis_finish(g, err);
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
		json_t *json =
		    json_pack("{s:s, s:s, s:s}", "name", r->name, "key", key, "address", r->address);
		if (r->account.account_len > 0) {
			char account[ADDRESS_TEXT];
			address_format(r->account.account_val, account);
			json_object_set_new(json, "account", json_string(account));
		}
		json_array_append_new(array, json);
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
		json_t *json =
		    json_pack("{s:s, s:o}", "address", address, "amount", jread_amount_json(out->amount));
		if (out->lock.kind == QLOCK_STAKE)
			json_object_set_new(
			    json, "stake",
			    json_string(g->replicas.replicas_val[out->lock.qlock_u.replica].name));
		json_array_append_new(array, json);
	}
	return array;
}

static json_t *format_parent(const struct qparent *parent)
{
	char chain[QHASH_HEX], block[QHASH_HEX], state[QHASH_HEX];
	json_t *json = json_pack("{s:s, s:I, s:s, s:s}", "chain",
	                         hex_encode(chain, parent->chain.b, sizeof parent->chain.b), "height",
	                         (json_int_t)parent->height.n, "block",
	                         hex_encode(block, parent->block.b, sizeof parent->block.b), "state",
	                         hex_encode(state, parent->state.b, sizeof parent->state.b));
	must(json != NULL);
	return json;
}

char *genesis_format(const struct genesis *g)
{
	struct qgenesis q = g->g; /* borrowed: genesis_fields() takes it without const */
	json_t *json = json_pack("{s:i, s:s, s:I}", "quorate-genesis", (int)q.format, "name", q.name,
	                         "time_ms", (json_int_t)q.time_ms);
	must(json != NULL);
	if (genesis_parent(g) != NULL)
		json_object_set_new(json, "parent", format_parent(&g->parent));
	json_object_set_new(json, "params", json_object());
	if (q.seal.kind == QSEAL_POW)
		json_object_set_new(json, "seal", json_pack("{s:s}", "kind", "pow"));
	if (q.proposer.kind == QPROPOSER_STAKE)
		json_object_set_new(json, "proposer", json_pack("{s:s}", "kind", "stake"));
	struct genesis_field fields[GENESIS_FIELDS_MAX];
	size_t cnt = genesis_fields(&q, fields);
	for (size_t i = 0; i < cnt; i++)
		json_object_set_new(json_object_get(json, fields[i].object), fields[i].name,
		                    json_integer(*fields[i].value));
	json_object_set_new(json, "replicas", format_replicas(&q));
	json_object_set_new(json, "allocations", format_allocations(&q));
	char *text = json_dumps(json, JSON_INDENT(2));
	must(text != NULL);
	json_decref(json);
	size_t len = strlen(text); /* a text file ends with a newline */
	text = xrealloc(text, len + 2);
	memcpy(text + len, "\n", 2);
	return text;
}
