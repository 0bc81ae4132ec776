/*
 * The genesis: one chain id for one constitution, and an error that names the field for each way
 * to get it wrong.
 * Links: q_genesis
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "account.h"
#include "crypto.h"
#include "genesis.h"
#include "hash.h"
#include "ident.h"
#include "parts.h"

/* The document that the tests change in one place each. */
static char document[4096];
static char addresses[2][ADDRESS_TEXT];
static char keys[4][65], other_key[65];

static void make_names(void)
{
	for (uint8_t i = 0; i < 5; i++) {
		struct ident *id = ident_from_seed((uint8_t[32]){[0] = i});
		hex_encode(i < 4 ? keys[i] : other_key, ident_key(id).b, 32);
		ident_free(id);
	}
	for (uint8_t i = 0; i < 2; i++)
		address_format(&(struct qaddress){{[0] = i}}, addresses[i]);
}

static int start(void **state)
{
	(void)state;
	if (!crypto_init(NULL))
		return -1;
	make_names();
	snprintf(document, sizeof document,
	         "{\"quorate-genesis\": 1, \"name\": \"test chain\", \"time_ms\": 1700000000000,\n"
	         " \"params\": {\"checkpoint_interval\": 32, \"window\": 8, \"block_txs_max\": 100,\n"
	         "  \"block_bytes_max\": 200000, \"timeout_ms\": 500, \"timeout_cap_ms\": 9000,\n"
	         "  \"drift_ms\": 1000, \"pool_source_max\": 300, \"pool_owner_max\": 200},\n"
	         " \"replicas\": [\n"
	         "  {\"name\": \"a\", \"key\": \"%s\", \"address\": \"tcp://127.0.0.1:7401\"},\n"
	         "  {\"name\": \"b\", \"key\": \"%s\", \"address\": \"tcp://b.example.org:7401\"},\n"
	         "  {\"name\": \"c\", \"key\": \"%s\", \"address\": \"tcp://[::1]:7403\"},\n"
	         "  {\"name\": \"d-4.x_y\", \"key\": \"%s\", \"address\": \"tcp://d:1\"}],\n"
	         " \"allocations\": [{\"address\": \"%s\", \"amount\": \"1000\"},\n"
	         "  {\"address\": \"%s\", \"amount\": \"234\"}]}\n",
	         keys[0], keys[1], keys[2], keys[3], addresses[0], addresses[1]);
	return 0;
}

static struct genesis *parsed(const char *text)
{
	struct err err = {0};
	struct genesis *g = genesis_parse(text, strlen(text), &err);
	if (g == NULL)
		fail_msg("%s", err.text);
	return g;
}

/* The document with the first `find` replaced; free() it. */
static char *changed(const char *find, const char *replace)
{
	const char *at = strstr(document, find);
	if (at == NULL)
		fail_msg("the document has no %s", find);
	size_t before = (size_t)(at - document), size = strlen(document) + strlen(replace) + 1;
	char *text = xcalloc(size, 1);
	snprintf(text, size, "%.*s%s%s", (int)before, document, replace, at + strlen(find));
	return text;
}

static void reads_what_is_written_there(void **state)
{
	(void)state;
	struct genesis *g = parsed(document);
	assert_int_equal(g->g.format, 1);
	assert_string_equal(g->g.name, "test chain");
	assert_int_equal(g->g.time_ms, 1700000000000);
	assert_int_equal(g->g.params.checkpoint_interval, 32);
	assert_int_equal(g->g.params.window, 8);
	assert_int_equal(g->g.params.block_txs_max, 100);
	assert_int_equal(g->g.params.block_bytes_max, 200000);
	assert_int_equal(g->g.params.timeout_ms, 500);
	assert_int_equal(g->g.params.timeout_cap_ms, 9000);
	assert_int_equal(g->g.params.drift_ms, 1000);
	assert_int_equal(g->g.params.pool_source_max, 300);
	assert_int_equal(g->g.params.pool_owner_max, 200);
	assert_int_equal(g->n, 4);
	assert_int_equal(g->f, 1);
	assert_int_equal(g->quorum, 3);
	assert_int_equal(g->supply, 1234);
	assert_string_equal(g->g.replicas.replicas_val[1].name, "b");
	assert_string_equal(g->g.replicas.replicas_val[2].address, "tcp://[::1]:7403");
	assert_int_equal(g->g.allocations.allocations_len, 2);
	assert_int_equal(g->g.allocations.allocations_val[1].owner.b[0], 1);
	genesis_free(g);
}

static void finds_replicas_by_key(void **state)
{
	(void)state;
	struct genesis *g = parsed(document);
	struct qreplica_key key;
	for (int i = 0; i < 4; i++) {
		assert_true(hex_decode(key.b, 32, keys[i]));
		assert_int_equal(genesis_replica_of(g, &key), i);
	}
	key.b[0] ^= 1;
	assert_int_equal(genesis_replica_of(g, &key), -1);
	genesis_free(g);
}

static void formats_and_reads_back_the_same(void **state)
{
	(void)state;
	struct genesis *g = parsed(document);
	char *text = genesis_format(g);
	struct genesis *again = parsed(text);
	char *text_again = genesis_format(again);
	assert_string_equal(text, text_again);
	assert_memory_equal(&g->chain, &again->chain, 32);
	genesis_free(g);
	genesis_free(again);
	free(text);
	free(text_again);
}

static void the_chain_id_is_of_the_meaning_not_of_the_text(void **state)
{
	(void)state;
	struct genesis *g = parsed(document);
	char *text = changed("\"quorate-genesis\": 1, \"name\": \"test chain\",",
	                     "\"name\":\"\\u0074est chain\",\n\n\"quorate-genesis\":1,");
	struct genesis *same = parsed(text);
	assert_memory_equal(&g->chain, &same->chain, 32);
	free(text);
	genesis_free(same);

	struct qhash id;
	struct qtxid txid;
	struct bytes b;
	assert_true(wire_encode(WIRE(qgenesis), &g->g, &b));
	hash_bytes("quorate/genesis/v1", b.data, b.len, id.b);
	hash_bytes("quorate/genesis-tx/v1", id.b, 32, txid.b);
	assert_memory_equal(&g->chain, &id, 32);
	assert_memory_equal(&g->txid, &txid, 32);
	bytes_free(&b);
	genesis_free(g);
}

/* The part that differs, alone; -1: none or several. */
static int differing_part(const struct genesis *a, const struct genesis *b)
{
	struct qhash of_a[PARTS_CNT], of_b[PARTS_CNT];
	int part = -1;
	parts_digest(a, of_a);
	parts_digest(b, of_b);
	for (int i = 0; i < PARTS_CNT; i++) {
		if (qhash_eq(&of_a[i], &of_b[i]))
			continue;
		if (part >= 0)
			return -1;
		part = i;
	}
	return part;
}

static void every_value_changes_the_chain_id_and_the_part_it_is_in(void **state)
{
	(void)state;
	static const char *const changes[][3] = {
	    {"test chain", "best chain", "name"},
	    {"1700000000000", "1700000000001", "time_ms"},
	    {"\"checkpoint_interval\": 32", "\"checkpoint_interval\": 33", "params"},
	    {"\"window\": 8", "\"window\": 9", "params"},
	    {"\"block_txs_max\": 100", "\"block_txs_max\": 101", "params"},
	    {"\"block_bytes_max\": 200000", "\"block_bytes_max\": 200001", "params"},
	    {"\"timeout_ms\": 500", "\"timeout_ms\": 501", "params"},
	    {"\"timeout_cap_ms\": 9000", "\"timeout_cap_ms\": 9001", "params"},
	    {"\"drift_ms\": 1000", "\"drift_ms\": 1001", "params"},
	    {"\"pool_source_max\": 300", "\"pool_source_max\": 301", "params"},
	    {"\"pool_owner_max\": 200", "\"pool_owner_max\": 201", "params"},
	    {"\"name\": \"a\"", "\"name\": \"A\"", "replicas"},
	    {keys[0], other_key, "replicas"},
	    {"127.0.0.1:7401", "127.0.0.1:7402", "address"},
	    {"tcp://d:1", "tls+tcp://d:1", "address"},
	    {addresses[0], addresses[1], "allocations"},
	    {"\"1000\"", "\"1001\"", "allocations"},
	};
	struct genesis *g = parsed(document);
	assert_int_equal(differing_part(g, g), -1);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		char *text = changed(changes[i][0], changes[i][1]);
		struct genesis *other = parsed(text);
		assert_memory_not_equal(&g->chain, &other->chain, 32);
		int part = differing_part(g, other);
		assert_true(part >= 0);
		assert_string_equal(parts_name[part], changes[i][2]);
		genesis_free(other);
		free(text);
	}
	genesis_free(g);
}

#define OF_A_SUCCESSOR                                                                                      \
	"\"quorate-genesis\": 2, \"parent\": {\"chain\": "                                                  \
	"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", \"height\": 17, \"block\": " \
	"\"1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", \"state\": "                 \
	"\"2123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"

static void a_successor_has_a_parent_and_nobody_else(void **state)
{
	(void)state;
	static const char *const wrong[][2] = {
	    {"\"quorate-genesis\": 2", "parent: missing; a genesis of format 2 has one"},
	    {"\"quorate-genesis\": 1, \"parent\": {}", "parent: has no meaning in format 1"},
	    {"\"quorate-genesis\": 2, \"parent\": {}", "parent.chain: missing"},
	    {"\"quorate-genesis\": 3", "quorate-genesis: is 3; must be 1 to 2"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct err err = {0};
		char *text = changed("\"quorate-genesis\": 1", wrong[i][0]);
		assert_null(genesis_parse(text, strlen(text), &err));
		assert_string_equal(err.text, wrong[i][1]);
		free(text);
	}
	struct genesis *first = parsed(document);
	assert_null(genesis_parent(first));
	genesis_free(first);
}

/* Each part of the parent is part of the chain id, which no chain without one can have. */
static void the_chain_id_of_a_successor_covers_its_parent(void **state)
{
	(void)state;
	static const char *const changes[][2] = {{"\"01234", "\"f1234"},
	                                         {"\"height\": 17", "\"height\": 18"},
	                                         {"\"11234", "\"f1234"},
	                                         {"\"21234", "\"f1234"}};
	char *text = changed("\"quorate-genesis\": 1", OF_A_SUCCESSOR), hex[QHASH_HEX];
	struct genesis *g = parsed(text), *first = parsed(document);
	assert_int_equal(genesis_parent(g)->height.n, 17);
	assert_int_equal(genesis_parent(g)->chain.b[0], 0x01);
	assert_int_equal(genesis_parent(g)->block.b[0], 0x11);
	assert_int_equal(genesis_parent(g)->state.b[0], 0x21);
	assert_memory_not_equal(&g->chain, &first->chain, 32);
	assert_int_equal(differing_part(g, first), PARTS_CNT - 1);
	assert_string_equal(hex_encode(hex, g->chain.b, 32),
	                    "10cf471bdd125a308c3e4094c6d8201bb8ed2ca98a2ba59999e9541e06180416");

	struct qsuccessor q = {g->g, g->parent};
	struct qhash id;
	struct bytes b;
	assert_true(wire_encode(WIRE(qsuccessor), &q, &b));
	hash_bytes("quorate/successor/v1", b.data, b.len, id.b);
	assert_memory_equal(&g->chain, &id, 32);
	bytes_free(&b);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		char *at = strstr(text, changes[i][0]);
		assert_non_null(at);
		memcpy(at, changes[i][1], strlen(changes[i][1]));
		struct genesis *other = parsed(text);
		assert_memory_not_equal(&g->chain, &other->chain, 32);
		genesis_free(other);
		memcpy(at, changes[i][0], strlen(changes[i][0]));
	}
	char *formatted = genesis_format(g);
	struct genesis *again = parsed(formatted);
	assert_memory_equal(&g->chain, &again->chain, 32);
	genesis_free(again);
	genesis_free(g);
	genesis_free(first);
	free(formatted);
	free(text);
}

static void keeps_its_recorded_chain_id(void **state)
{
	(void)state;
	struct genesis *g = parsed(document);
	char text[QHASH_HEX];
	assert_string_equal(hex_encode(text, g->chain.b, 32),
	                    "47053627d3b81bac5b43c13379f76d6a7bc8638d0e1fa6efeebf8f22702f7856");
	assert_string_equal(hex_encode(text, g->txid.b, 32),
	                    "663b5106a2487622b23c983af398f44ca8cf19dd930429a74cea2882e8bc5a08");
	genesis_free(g);
}

static void absent_parameters_have_their_defaults(void **state)
{
	(void)state;
	struct qparams defaults = genesis_default_params();
	const char *end = strstr(document, " \"replicas\"");
	char *cut = strstr(document, " \"params\""), text[4096];
	snprintf(text, sizeof text, "%.*s%s", (int)(cut - document), document, end);
	struct genesis *g = parsed(text);
	assert_memory_equal(&g->g.params, &defaults, sizeof defaults);
	genesis_free(g);
	char *one = changed("\"window\": 8, ", "");
	g = parsed(one);
	assert_int_equal(g->g.params.window, defaults.window);
	assert_int_equal(g->g.params.timeout_ms, 500);
	genesis_free(g);
	free(one);
}

static const struct wrong {
	const char *find, *replace, *said;
} wrongs[] = {
    /* not JSON, or not such JSON */
    {"}]}", "}]", "line "},
    {"}]}", "}]} {}", "line "},
    {"\"window\": 8", "\"window\": 8, \"window\": 8", "duplicate"},
    {"\"name\": \"a\"", "\"name\": \"a\", \"name\": \"b\"", "duplicate"},
    {"test chain", "test \\u0000", "line 1"},
    {"test chain", "test \xff", "line 1"},
    /* unknown and missing fields */
    {"\"time_ms\"", "\"time_s\"", "time_s: unknown field"},
    {"\"window\"", "\"windows\"", "params.windows: unknown field"},
    {"\"name\": \"c\"", "\"nick\": \"c\"", "replicas[2].nick: unknown field"},
    {"\"amount\": \"234\"", "\"amount\": \"234\", \"memo\": \"\"", "allocations[1].memo: unknown field"},
    {"\"time_ms\": 1700000000000,", "", "time_ms: missing"},
    {"\"name\": \"b\", ", "", "replicas[1].name: missing"},
    {", \"amount\": \"234\"", "", "allocations[1].amount: missing"},
    /* wrong types */
    {"\"quorate-genesis\": 1", "\"quorate-genesis\": \"1\"", "quorate-genesis: must be an integer"},
    {"\"test chain\"", "7", "name: must be a string"},
    {"1700000000000", "1700000000000.0", "time_ms: must be an integer"},
    {"\"window\": 8", "\"window\": \"8\"", "params.window: must be an integer"},
    {"\"window\": 8", "\"window\": 8.0", "params.window: must be an integer"},
    {"\"window\": 8", "\"window\": null", "params.window: must be an integer"},
    {"\"params\": {", "\"params\": [], \"p\": {", "p: unknown field"},
    {"\"1000\"", "1000", "allocations[0].amount: must be an amount"},
    {"\"tcp://d:1\"", "true", "replicas[3].address: must be a string"},
    /* values */
    {"\"quorate-genesis\": 1", "\"quorate-genesis\": 3", "quorate-genesis: is 3"},
    {"test chain", "", "name: must be"},
    {"test chain", " test", "name: must be"},
    {"test chain", "te\\nst", "name: must be"},
    {"test chain", "0123456789012345678901234567890123456789012345678901234567890123456789", "name: has 70"},
    {"1700000000000", "-1", "time_ms: is -1"},
    {"1700000000000", "253402300800000", "time_ms: is 253402300800000"},
    {"1700000000000", "18446744073709551616", "line 1"},
    {"\"checkpoint_interval\": 32", "\"checkpoint_interval\": 3", "params.checkpoint_interval: is 3"},
    {"\"checkpoint_interval\": 32", "\"checkpoint_interval\": 257", "params.checkpoint_interval: is 257"},
    {"\"window\": 8", "\"window\": 1", "params.window: is 1; must be 2 to 64"},
    {"\"window\": 8", "\"window\": 65", "params.window: is 65; must be 2 to 64"},
    {"32, \"window\": 8", "4, \"window\": 9", "params.window: is 9; must be 2 to 8"},
    {"\"block_txs_max\": 100", "\"block_txs_max\": 0", "params.block_txs_max: is 0"},
    {"\"block_txs_max\": 100", "\"block_txs_max\": 8193", "params.block_txs_max: is 8193"},
    {"\"block_bytes_max\": 200000", "\"block_bytes_max\": 196607", "params.block_bytes_max: is 196607"},
    {"\"block_bytes_max\": 200000", "\"block_bytes_max\": 4194305", "params.block_bytes_max: is 4194305"},
    {"\"timeout_ms\": 500", "\"timeout_ms\": 49", "params.timeout_ms: is 49"},
    {"\"timeout_ms\": 500", "\"timeout_ms\": 600001", "params.timeout_ms: is 600001"},
    {"\"timeout_cap_ms\": 9000", "\"timeout_cap_ms\": 499", "params.timeout_cap_ms: is 499; must be 500 to"},
    {"\"timeout_cap_ms\": 9000", "\"timeout_cap_ms\": 3600001", "params.timeout_cap_ms: is 3600001"},
    {"\"drift_ms\": 1000", "\"drift_ms\": 0", "params.drift_ms: is 0"},
    {"\"drift_ms\": 1000", "\"drift_ms\": 4294967295", "params.drift_ms: is 4294967295"},
    {"\"drift_ms\": 1000", "\"drift_ms\": 4294967297", "params.drift_ms: is 4294967297"},
    {"\"pool_source_max\": 300", "\"pool_source_max\": 0", "params.pool_source_max: is 0"},
    {"\"pool_owner_max\": 200", "\"pool_owner_max\": -5", "params.pool_owner_max: is -5"},
    /* replicas */
    {"\"name\": \"a\"", "\"name\": \"a b\"", "replicas[0].name: must be"},
    {"\"name\": \"a\"", "\"name\": \"\"", "replicas[0].name: must be"},
    {"\"name\": \"c\"", "\"name\": \"a\"", "replicas[2].name: is that of replicas[0]"},
    {keys[2], keys[1], "replicas[2].key: is that of replicas[1]"},
    {keys[3], "0100000000000000000000000000000000000000000000000000000000000000",
     "replicas[3].key: is not an Ed25519 public key"},
    {keys[3], "0000000000000000000000000000000000000000000000000000000000000000",
     "replicas[3].key: is not an Ed25519 public key"},
    {keys[3], "01", "replicas[3].key: must be a string of 64"},
    {"tcp://d:1", "d:1", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tls+ipc://d:1", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "ipc:///tmp/d", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://d", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://:1", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://d:", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://d:0", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://d:65536", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://d:99999999999", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://d:1/x", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://d:+1", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://[::1:7", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://[]:7", "replicas[3].address: must be tcp://"},
    {"tcp://d:1", "tcp://*:7", "replicas[3].address: must be tcp://"},
    /* allocations */
    {addresses[1], "q123", "allocations[1].address: an address has 49"},
    {"\"1000\"", "\"0\"", "allocations[0].amount: must be an amount"},
    {"\"1000\"", "\"01\"", "allocations[0].amount: must be an amount"},
    {"\"1000\"", "\"\"", "allocations[0].amount: must be an amount"},
    {"\"1000\"", "\"-1\"", "allocations[0].amount: must be an amount"},
    {"\"1000\"", "\"1e3\"", "allocations[0].amount: must be an amount"},
    {"\"1000\"", "\"9223372036854775808\"", "allocations[0].amount: must be an amount"},
    {"\"1000\"", "\"18446744073709551617\"", "allocations[0].amount: must be an amount"},
    {"\"1000\"", "\"99999999999999999999999\"", "allocations[0].amount: must be an amount"},
    {"\"1000\"", "\"36893488147419103240\"", "allocations[0].amount: must be an amount"}, /* 2^65 + 8 */
    {"\"1000\"", "\"9223372036854775807\"", "allocations[1].amount: the sum"},
};

static void names_the_field_of_every_mistake(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
		char *text = changed(wrongs[i].find, wrongs[i].replace);
		struct err err = {0};
		struct genesis *g = genesis_parse(text, strlen(text), &err);
		if (g != NULL || strstr(err.text, wrongs[i].said) == NULL)
			fail_msg("%s instead of %s: \"%s\" does not say \"%s\"", wrongs[i].replace,
			         wrongs[i].find, err.text, wrongs[i].said);
		assert_int_equal(err.kind, ERR_INPUT);
		free(text);
	}
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(document) - 1; len++) {
		char *text = xmemdup(document, len);
		assert_null(genesis_parse(text, len, NULL));
		free(text);
	}
}

/* A genesis of n replicas and one allocation, as the tests and the ceremony build them. */
static struct genesis *built(unsigned n)
{
	struct genesis *g = xcalloc(1, sizeof *g);
	g->g.format = 1;
	g->g.name = xstrdup("built");
	g->g.params = genesis_default_params();
	g->g.replicas.replicas_len = n;
	g->g.replicas.replicas_val = xcalloc(n, sizeof(struct qreplica));
	for (unsigned i = 0; i < n; i++) {
		struct ident *id = ident_from_seed((uint8_t[32]){(uint8_t)i});
		char name[16];
		snprintf(name, sizeof name, "r%u", i);
		g->g.replicas.replicas_val[i] =
		    (struct qreplica){xstrdup(name), ident_key(id), xstrdup("tcp://127.0.0.1:7400")};
		ident_free(id);
	}
	g->g.allocations.allocations_len = 1;
	g->g.allocations.allocations_val = xcalloc(1, sizeof(struct qoutput));
	g->g.allocations.allocations_val[0].amount = INT64_MAX;
	return g;
}

static void replicas_are_one_or_four_to_sixty_four(void **state)
{
	(void)state;
	static const unsigned cnts[] = {0, 1, 2, 3, 4, 5, 63, 64, 65};
	for (size_t i = 0; i < sizeof cnts / sizeof cnts[0]; i++) {
		unsigned n = cnts[i];
		struct genesis *g = built(n);
		struct err err = {0};
		bool ok = genesis_finish(g, &err);
		assert_int_equal(ok, n == 1 || (n >= 4 && n <= 64));
		if (!ok)
			assert_non_null(strstr(err.text, "replicas: are"));
		genesis_free(g);
	}
}

static void any_two_quorums_share_an_honest_replica(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 22; n = n == 1 ? 4 : n + 1) {
		struct genesis *g = built(n);
		assert_true(genesis_finish(g, NULL));
		assert_true(n >= 3 * g->f + 1 && n < 3 * (g->f + 1) + 1);
		assert_true(2 * g->quorum >= n + g->f + 1);      /* safe */
		assert_true(2 * (g->quorum - 1) < n + g->f + 1); /* and no larger than that needs */
		assert_true(g->quorum <= n - g->f);              /* live */
		genesis_free(g);
	}
}

/* The error of a window that is too wide says how wide it may be. */
static unsigned widest_window(struct genesis *g)
{
	static const char said[] = "params.window: is 65; must be 2 to ";
	struct err err = {0};
	g->g.params.window = Q_WINDOW_MAX + 1;
	assert_false(genesis_finish(g, &err));
	assert_memory_equal(err.text, said, sizeof said - 1);
	return (unsigned)strtoul(err.text + sizeof said - 1, NULL, 10);
}

/* Encoded, a NEW-VIEW of so many VIEW-CHANGEs with the most that each can hold. */
static size_t new_view_size(const struct genesis *g, unsigned window)
{
	struct qcert_sig sigs[64] = {0};
	struct qcert cert = {QCOMMIT, {{0}}, {g->n, sigs}};
	struct qprepared prepared[64];
	for (unsigned i = 0; i < window; i++)
		prepared[i] = (struct qprepared){{.format = 1, .seal.kind = g->g.seal.kind}, cert};
	struct qmessage change = {QVIEW_CHANGE,
	                          {.view_change = {{1}, {1, &cert}, {1, &cert}, {window, prepared}}}};
	struct bytes body;
	assert_true(wire_encode(WIRE(qmessage), &change, &body));
	struct qenvelope changes[64];
	for (unsigned i = 0; i < g->quorum; i++)
		changes[i] = (struct qenvelope){.body = {(u_int)body.len, body.data}};
	struct qmessage new_view = {QNEW_VIEW, {.new_view = {{1}, {g->quorum, changes}}}};
	size_t size = wire_size(WIRE(qmessage), &new_view);
	bytes_free(&body);
	return size;
}

static void a_new_view_of_the_widest_window_fits_in_an_envelope(void **state)
{
	(void)state;
	static const unsigned cnts[] = {1, 4, 31, 43, 44, 45, 64};
	for (size_t j = 0; j < 2 * sizeof cnts / sizeof cnts[0]; j++) {
		unsigned n = cnts[j / 2];
		struct genesis *g = built(n);
		if (j % 2 == 1) /* sealed headers are longer */
			g->g.seal = (struct qseal_rules){QSEAL_POW, {.pow = genesis_default_pow()}};
		unsigned window = widest_window(g);
		assert_in_range(window, n <= 31 ? 64 : 24, 64);
		g->g.params.window = window;
		assert_true(genesis_finish(g, NULL));
		assert_in_range(new_view_size(g, window), 1, Q_BODY_MAX);
		if (window + 2 <= Q_WINDOW_MAX) /* and a wider one would not, or hardly */
			assert_true(new_view_size(g, window + 2) > Q_BODY_MAX);
		genesis_free(g);
	}
}

static void refuses_allocations_of_none_and_sums_that_overflow(void **state)
{
	(void)state;
	struct err err = {0};
	struct genesis *g = built(4);
	assert_true(genesis_finish(g, NULL));
	assert_int_equal(g->supply, INT64_MAX);
	g->g.allocations.allocations_val[0].amount = (uint64_t)INT64_MAX + 1;
	assert_false(genesis_finish(g, &err));
	assert_non_null(strstr(err.text, "allocations[0].amount: is 9223372036854775808"));
	g->g.allocations.allocations_val[0].amount = UINT64_MAX;
	assert_false(genesis_finish(g, &err));
	g->g.allocations.allocations_len = 0;
	assert_false(genesis_finish(g, &err));
	assert_non_null(strstr(err.text, "allocations: are 0"));
	genesis_free(g);
}

static void an_error_of_a_file_names_it(void **state)
{
	(void)state;
	struct err err = {0};
	assert_null(genesis_load("/nonexistent/genesis.json", &err));
	assert_string_equal(err.text, "genesis /nonexistent/genesis.json: No such file or directory");
	assert_int_equal(err.kind, ERR_INPUT);
	assert_null(genesis_load("/", &err));
	assert_string_equal(err.text, "genesis /: Is a directory");

	char path[] = "/tmp/quorate-genesis-XXXXXX", want[64];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, document, strlen(document)), strlen(document));
	struct genesis *g = genesis_load(path, NULL), *same = parsed(document);
	assert_non_null(g);
	assert_memory_equal(&g->chain, &same->chain, 32);
	genesis_free(g);
	genesis_free(same);
	assert_int_equal(ftruncate(fd, 2), 0);
	assert_null(genesis_load(path, &err));
	snprintf(want, sizeof want, "genesis %s: line 1", path);
	assert_memory_equal(err.text, want, strlen(want));
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_is_written_there),
	    cmocka_unit_test(finds_replicas_by_key),
	    cmocka_unit_test(formats_and_reads_back_the_same),
	    cmocka_unit_test(the_chain_id_is_of_the_meaning_not_of_the_text),
	    cmocka_unit_test(every_value_changes_the_chain_id_and_the_part_it_is_in),
	    cmocka_unit_test(a_successor_has_a_parent_and_nobody_else),
	    cmocka_unit_test(the_chain_id_of_a_successor_covers_its_parent),
	    cmocka_unit_test(keeps_its_recorded_chain_id),
	    cmocka_unit_test(absent_parameters_have_their_defaults),
	    cmocka_unit_test(names_the_field_of_every_mistake),
	    cmocka_unit_test(refuses_every_truncation),
	    cmocka_unit_test(replicas_are_one_or_four_to_sixty_four),
	    cmocka_unit_test(any_two_quorums_share_an_honest_replica),
	    cmocka_unit_test(a_new_view_of_the_widest_window_fits_in_an_envelope),
	    cmocka_unit_test(refuses_allocations_of_none_and_sums_that_overflow),
	    cmocka_unit_test(an_error_of_a_file_names_it),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
