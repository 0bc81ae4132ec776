/*
 * The genesis of chains with seals, and of chains whose proposers are chosen by stake: read strictly, written
 * and read back the same, every value part of the chain id, every rule with an error that names the field.
 * Links: q_genesis
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "account.h"
#include "crypto.h"
#include "genesis.h"
#include "ident.h"

#define SEAL                                                                                   \
	"\"seal\": {\"kind\": \"pow\", \"bits\": 14, \"bits_max\": 16, \"interval_ms\": 700, " \
	"\"hash_rate\": 900000}"
#define PROPOSER                                                                             \
	"\"proposer\": {\"kind\": \"stake\", \"epoch\": 96, \"turn\": 4, \"proposers\": 3, " \
	"\"unbonding\": 300, \"penalty\": 40, \"delegator_penalty\": 7}"

/* The document that the tests change in one place each. */
static char document[4096];
static char accounts[6][ADDRESS_TEXT];

static int start(void **state)
{
	char keys[4][65];
	(void)state;
	if (!crypto_init(NULL))
		return -1;
	for (uint8_t i = 0; i < 4; i++) {
		struct ident *id = ident_from_seed((uint8_t[32]){[0] = i});
		hex_encode(keys[i], ident_key(id).b, 32);
		ident_free(id);
	}
	for (uint8_t i = 0; i < 6; i++)
		address_format(&(struct qaddress){{[0] = (uint8_t)(0xa0 + i)}}, accounts[i]);
	int len = snprintf(
	    document, sizeof document,
	    "{\"quorate-genesis\": 1, \"name\": \"modes\", \"time_ms\": 1700000000000,\n"
	    " \"params\": {\"checkpoint_interval\": 32, \"window\": 8, \"timeout_ms\": 500,\n"
	    "  \"timeout_cap_ms\": 9000},\n" SEAL ",\n" PROPOSER ",\n"
	    " \"replicas\": [\n"
	    "  {\"name\": \"a\", \"key\": \"%s\", \"address\": \"tcp://a:1\", \"account\": \"%s\"},\n"
	    "  {\"name\": \"b\", \"key\": \"%s\", \"address\": \"tcp://b:1\", \"account\": \"%s\"},\n"
	    "  {\"name\": \"c\", \"key\": \"%s\", \"address\": \"tcp://c:1\", \"account\": \"%s\"},\n"
	    "  {\"name\": \"d\", \"key\": \"%s\", \"address\": \"tcp://d:1\", \"account\": \"%s\"}],\n"
	    " \"allocations\": [{\"address\": \"%s\", \"amount\": \"1000\", \"stake\": \"b\"},\n"
	    "  {\"address\": \"%s\", \"amount\": \"200\", \"stake\": \"d\"},\n"
	    "  {\"address\": \"%s\", \"amount\": \"34\"}]}\n",
	    keys[0], accounts[0], keys[1], accounts[1], keys[2], accounts[2], keys[3], accounts[3],
	    accounts[1], accounts[4], accounts[5]);
	return len > 0 && (size_t)len < sizeof document ? 0 : -1;
}

static struct genesis *parsed(const char *text)
{
	struct err err = {0};
	struct genesis *g = genesis_parse(text, strlen(text), &err);
	if (g == NULL)
		fail_msg("%s", err.text);
	return g;
}

/* `in` with the first `find` replaced; free() it. */
static char *changed_in(const char *in, const char *find, const char *replace)
{
	const char *at = strstr(in, find);
	if (at == NULL)
		fail_msg("the document has no %s", find);
	size_t before = (size_t)(at - in), size = strlen(in) + strlen(replace) + 1;
	char *text = xcalloc(size, 1);
	snprintf(text, size, "%.*s%s%s", (int)before, in, replace, at + strlen(find));
	return text;
}

static char *changed(const char *find, const char *replace)
{
	return changed_in(document, find, replace);
}

/* ---- what is read ------------------------------------------------------------------------ */

static const struct qpow_rules *pow_of(const struct genesis *g)
{
	assert_int_equal(g->g.seal.kind, QSEAL_POW);
	return &g->g.seal.qseal_rules_u.pow;
}

static const struct qstake_rules *stake_of(const struct genesis *g)
{
	assert_int_equal(g->g.proposer.kind, QPROPOSER_STAKE);
	return &g->g.proposer.qproposer_rules_u.stake;
}

static void reads_what_is_written_there(void **state)
{
	(void)state;
	struct genesis *g = parsed(document);
	const struct qpow_rules pow = {14, 16, 700, 900000};
	const struct qstake_rules stake = {96, 4, 3, 300, 40, 7};
	assert_memory_equal(pow_of(g), &pow, sizeof pow);
	assert_memory_equal(stake_of(g), &stake, sizeof stake);
	for (unsigned i = 0; i < 4; i++) {
		const struct qreplica *r = &g->g.replicas.replicas_val[i];
		assert_int_equal(r->account.account_len, 1);
		assert_int_equal(r->account.account_val->b[0], 0xa0 + i);
	}
	const struct qoutput *out = g->g.allocations.allocations_val;
	assert_int_equal(out[0].lock.kind, QLOCK_STAKE);
	assert_int_equal(out[0].lock.qlock_u.replica, 1);
	assert_int_equal(out[1].lock.qlock_u.replica, 3);
	assert_int_equal(out[2].lock.kind, QLOCK_NONE);
	assert_int_equal(g->supply, 1234);
	/* 20 * 2^16 tries at 900,000 a second: 1456.4 ms, in full ms */
	assert_int_equal(genesis_mining_ms(&pow), 1457);
	assert_int_equal(g->timeout_ms, 500 + 1457);
	assert_int_equal(g->timeout_cap_ms, 9000 + 1457);
	genesis_free(g);
}

static void a_genesis_that_says_nothing_of_them_has_neither_seals_nor_stakes(void **state)
{
	(void)state;
	char *text = changed(SEAL ",\n" PROPOSER ",\n", "");
	for (unsigned i = 0; i < 4; i++) {
		char account[ADDRESS_TEXT + 20];
		snprintf(account, sizeof account, ", \"account\": \"%.49s\"", accounts[i]);
		char *less = changed_in(text, account, "");
		free(text);
		text = less;
	}
	for (unsigned i = 0; i < 2; i++) {
		char *less = changed_in(text, i == 0 ? ", \"stake\": \"b\"" : ", \"stake\": \"d\"", "");
		free(text);
		text = less;
	}
	struct genesis *g = parsed(text);
	assert_int_equal(g->g.seal.kind, QSEAL_NONE);
	assert_int_equal(g->g.proposer.kind, QPROPOSER_PRIMARY);
	assert_int_equal(g->timeout_ms, 500);
	assert_int_equal(g->timeout_cap_ms, 9000);
	char *written = genesis_format(g);
	assert_null(strstr(written, "seal"));
	assert_null(strstr(written, "proposer"));
	assert_null(strstr(written, "stake"));
	free(written);
	genesis_free(g);
	free(text);
}

static void what_is_left_out_has_its_default(void **state)
{
	(void)state;
	const struct qpow_rules pow = genesis_default_pow();
	const struct qstake_rules stake = genesis_default_stake(4);
	char *sealed = changed(SEAL, "\"seal\": {\"kind\": \"pow\"}");
	char *both = changed_in(sealed, PROPOSER, "\"proposer\": {\"kind\": \"stake\"}");
	struct genesis *g = parsed(both);
	assert_memory_equal(pow_of(g), &pow, sizeof pow);
	assert_memory_equal(stake_of(g), &stake, sizeof stake);
	assert_int_equal(stake_of(g)->proposers, 4);
	genesis_free(g);
	free(sealed);
	free(both);

	/* A fixed target's hardest is its only one. */
	sealed = changed(SEAL, "\"seal\": {\"kind\": \"pow\", \"bits\": 9}");
	g = parsed(sealed);
	assert_int_equal(pow_of(g)->bits, 9);
	assert_int_equal(pow_of(g)->bits_max, 9);
	assert_int_equal(pow_of(g)->interval_ms, 0);
	assert_int_equal(pow_of(g)->hash_rate, pow.hash_rate);
	genesis_free(g);
	free(sealed);
}

static void formats_and_reads_back_the_same(void **state)
{
	(void)state;
	char *one_only[] = {changed(SEAL ",\n", ""), xstrdup(document)};
	for (unsigned i = 0; i < 2; i++) {
		struct genesis *g = parsed(one_only[i]);
		char *text = genesis_format(g);
		struct genesis *again = parsed(text);
		char *text_again = genesis_format(again);
		assert_string_equal(text, text_again);
		assert_memory_equal(&g->chain, &again->chain, 32);
		struct bytes a, b;
		assert_true(wire_encode(WIRE(qgenesis), &g->g, &a));
		assert_true(wire_encode(WIRE(qgenesis), &again->g, &b));
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		bytes_free(&a);
		bytes_free(&b);
		genesis_free(g);
		genesis_free(again);
		free(text);
		free(text_again);
		free(one_only[i]);
	}
}

static void every_value_changes_the_chain_id(void **state)
{
	(void)state;
	static const char *const changes[][2] = {
	    {SEAL ",\n", ""},
	    {"\"bits\": 14", "\"bits\": 13"},
	    {"\"bits_max\": 16", "\"bits_max\": 17"},
	    {"\"interval_ms\": 700", "\"interval_ms\": 701"},
	    {"\"hash_rate\": 900000", "\"hash_rate\": 900001"},
	    {"\"epoch\": 96", "\"epoch\": 100"},
	    {"\"turn\": 4", "\"turn\": 6"},
	    {"\"proposers\": 3", "\"proposers\": 4"},
	    {"\"unbonding\": 300", "\"unbonding\": 301"},
	    {"\"penalty\": 40", "\"penalty\": 41"},
	    {"\"delegator_penalty\": 7", "\"delegator_penalty\": 8"},
	    {accounts[2], accounts[5]},
	    {"\"stake\": \"b\"", "\"stake\": \"c\""},
	    {", \"stake\": \"b\"", ""},
	};
	struct qhash seen[1 + sizeof changes / sizeof changes[0]];
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		char *text = i == 0 ? xstrdup(document) : changed(changes[i - 1][0], changes[i - 1][1]);
		struct genesis *g = parsed(text);
		seen[i] = g->chain;
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(&seen[k], &seen[i], 32);
		genesis_free(g);
		free(text);
	}
}

static void keeps_its_recorded_chain_id(void **state)
{
	(void)state;
	struct genesis *g = parsed(document);
	char text[QHASH_HEX];
	assert_string_equal(hex_encode(text, g->chain.b, 32),
	                    "bc25dbfd1160f4924994cf1231750a6c0b4245d6c6fdd9dce68d6f60c11a6ba4");
	genesis_free(g);
}

static void every_number_is_a_field(void **state)
{
	(void)state;
	struct genesis_field fields[GENESIS_FIELDS_MAX];
	struct genesis *g = parsed(document);
	size_t cnt = genesis_fields(&g->g, fields), all = cnt;
	assert_int_equal(cnt,
	                 (sizeof(struct qparams) + sizeof(struct qpow_rules) + sizeof(struct qstake_rules)) /
	                     sizeof(u_int));
	for (size_t i = 0; i < cnt; i++) { /* each is another number of the genesis, of its name */
		char find[64], change[64];
		if (strcmp(fields[i].object, "params") == 0)
			continue;
		snprintf(find, sizeof find, "\"%s\": %u", fields[i].name, *fields[i].value);
		snprintf(change, sizeof change, "\"%s\": x", fields[i].name);
		free(changed(find, change));
		for (size_t k = 0; k < i; k++)
			assert_ptr_not_equal(fields[k].value, fields[i].value);
	}
	g->g.seal.kind = QSEAL_NONE;
	cnt = genesis_fields(&g->g, fields);
	assert_int_equal(cnt, all - sizeof(struct qpow_rules) / sizeof(u_int));
	assert_string_equal(fields[cnt - 1].object, "proposer");
	g->g.proposer.kind = QPROPOSER_PRIMARY;
	cnt = genesis_fields(&g->g, fields);
	assert_int_equal(cnt, sizeof(struct qparams) / sizeof(u_int));
	genesis_free(g);
}

/* ---- what is refused ----------------------------------------------------------------------- */

static const struct wrong {
	const char *find, *replace, *said;
} wrongs[] = {
    /* the objects */
    {SEAL, "\"seal\": null", "seal: must be an object"},
    {SEAL, "\"seal\": \"pow\"", "seal: must be an object"},
    {SEAL, "\"seal\": {}", "seal.kind: missing"},
    {"\"kind\": \"pow\"", "\"kind\": \"none\"", "seal.kind: must be \"pow\"; leave out seal for a chain"},
    {"\"kind\": \"pow\"", "\"kind\": \"stake\"", "seal.kind: must be \"pow\""},
    {"\"kind\": \"pow\"", "\"kind\": 1", "seal.kind: must be a string"},
    {"\"bits\": 14", "\"bit\": 14", "seal.bit: unknown field"},
    {"\"bits\": 14", "\"bits\": 14, \"epoch\": 96", "seal.epoch: unknown field"},
    {"\"bits\": 14", "\"bits\": 14, \"bits\": 14", "duplicate"},
    {"\"bits\": 14", "\"bits\": \"14\"", "seal.bits: must be an integer"},
    {"\"bits\": 14", "\"bits\": -1", "seal.bits: is -1"},
    {"\"bits\": 14", "\"bits\": 4294967310", "seal.bits: is 4294967310"}, /* 2^32 + 14 */
    {PROPOSER, "\"proposer\": [\"stake\"]", "proposer: must be an object"},
    {PROPOSER, "\"proposer\": {\"epoch\": 96}", "proposer.kind: missing"},
    {"\"kind\": \"stake\"", "\"kind\": \"primary\"",
     "proposer.kind: must be \"stake\"; leave out proposer for a chain"},
    {"\"kind\": \"stake\"", "\"kind\": null", "proposer.kind: must be a string"},
    {"\"epoch\": 96", "\"epochs\": 96", "proposer.epochs: unknown field"},
    {"\"epoch\": 96", "\"epoch\": 96.0", "proposer.epoch: must be an integer"},
    {"\"penalty\": 40", "\"penalty\": \"40%\"", "proposer.penalty: must be an integer"},
    /* proof of work */
    {"\"bits\": 14", "\"bits\": 0", "seal.bits: is 0; must be 1 to 48"},
    {"\"bits\": 14", "\"bits\": 49", "seal.bits: is 49"},
    {"\"bits_max\": 16", "\"bits_max\": 13", "seal.bits_max: is 13; must be 14 to 48"},
    {"\"bits_max\": 16", "\"bits_max\": 49", "seal.bits_max: is 49; must be 14 to 48"},
    {"\"interval_ms\": 700", "\"interval_ms\": 0", "seal.bits_max: is 16; must be 14 to 14"},
    {"\"bits_max\": 16, ", "", "seal.bits_max: missing; with seal.interval_ms the target moves"},
    {"\"interval_ms\": 700", "\"interval_ms\": 3600001", "seal.interval_ms: is 3600001"},
    {"\"hash_rate\": 900000", "\"hash_rate\": 0", "seal.hash_rate: is 0; must be 1 to"},
    {"\"hash_rate\": 900000", "\"hash_rate\": 4294967296", "seal.hash_rate: is 4294967296"},
    /* 20 * 2^25 / 900000 s are above ten minutes, 20 * 2^24 / 900000 are not */
    {"\"bits_max\": 16", "\"bits_max\": 25",
     "seal.bits_max: 25 bits at seal.hash_rate 900000 take up to 745655 ms; must be at most 600000 ms"},
    {"\"bits_max\": 16", "\"bits_max\": 48", "must be at most 600000 ms"},
    {"\"hash_rate\": 900000", "\"hash_rate\": 2184", "take up to 600147 ms"},
    /* by stake */
    {"\"epoch\": 96", "\"epoch\": 60", "proposer.epoch: is 60; must be 64 to 1000000"}, /* 2K */
    {"\"epoch\": 96", "\"epoch\": 1000004", "proposer.epoch: is 1000004"},
    {"32, \"window\": 8", "40, \"window\": 33", "proposer.epoch: is 96; must be 99 to"}, /* 3W */
    {"\"turn\": 4", "\"turn\": 0", "proposer.turn: is 0; must be 1 to 96"},
    {"\"turn\": 4", "\"turn\": 97", "proposer.turn: is 97; must be 1 to 96"},
    {"\"turn\": 4", "\"turn\": 5", "proposer.turn: is 5; must divide proposer.epoch, 96"},
    {"\"proposers\": 3", "\"proposers\": 1", "proposer.proposers: is 1; must be 2 to 4"},
    {"\"proposers\": 3", "\"proposers\": 5", "proposer.proposers: is 5; must be 2 to 4"},
    {"\"unbonding\": 300", "\"unbonding\": 287", "proposer.unbonding: is 287; must be 288 to"},
    {"\"penalty\": 40", "\"penalty\": 101", "proposer.penalty: is 101; must be 0 to 100"},
    {"\"delegator_penalty\": 7", "\"delegator_penalty\": 101", "proposer.delegator_penalty: is 101"},
    /* accounts */
    {accounts[2], accounts[0], "replicas[2].account: is that of replicas[0], too"},
    {accounts[3], "q00", "replicas[3].account: an address has 49"},
    {PROPOSER ",\n", "", "replicas[0].account: has no meaning; proposers are not by stake"},
    {"\"account\": \"", "\"account\": null, \"x\": \"", "replicas[0].x: unknown field"},
    {"\"address\": \"tcp://b:1\", \"account\": \"",
     "\"account\": null, \"address\": \"tcp://b:1\", \"x\": \"", "replicas[1].x: unknown field"},
    /* stakes */
    {"\"stake\": \"b\"", "\"stake\": \"e\"", "allocations[0].stake: must be the name of a replica"},
    {"\"stake\": \"b\"", "\"stake\": \"\"", "allocations[0].stake: must be the name of a replica"},
    {"\"stake\": \"b\"", "\"stake\": 1", "allocations[0].stake: must be a string"},
    {"\"stake\": \"d\"", "\"stake\": null", "allocations[1].stake: must be a string"},
    {"\"stake\": \"d\"", "\"lock\": \"d\"", "allocations[1].lock: unknown field"},
};

static void assert_refused(const char *text, const char *said, const char *about)
{
	struct err err = {0};
	struct genesis *g = genesis_parse(text, strlen(text), &err);
	if (g != NULL || strstr(err.text, said) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", about, err.text, said);
	assert_int_equal(err.kind, ERR_INPUT);
}

static void names_the_field_of_every_mistake(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
		char *text = changed(wrongs[i].find, wrongs[i].replace);
		assert_refused(text, wrongs[i].said, wrongs[i].replace);
		free(text);
	}
	char missing[ADDRESS_TEXT + 20];
	snprintf(missing, sizeof missing, ", \"account\": \"%s\"", accounts[2]);
	char *text = changed(missing, "");
	assert_refused(text, "replicas[2].account: is missing; proposers are by stake", "no account");
	free(text);
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

/* What JSON cannot say, but whoever builds a genesis can. */
static void refuses_outputs_that_are_locked_otherwise(void **state)
{
	(void)state;
	struct genesis *g = parsed(document);
	struct qlock *lock = &g->g.allocations.allocations_val[2].lock;
	struct err err = {0};
	for (unsigned kind = QLOCK_RELEASE; kind <= QLOCK_FROZEN; kind++) {
		*lock = (struct qlock){.kind = (qlock_kind)kind, .qlock_u.replica = 1};
		assert_false(genesis_finish(g, &err));
		assert_string_equal(err.text, "allocations[2]: is released or frozen; must be free or stake");
	}
	*lock = (struct qlock){.kind = QLOCK_STAKE, .qlock_u.replica = 4};
	assert_false(genesis_finish(g, &err));
	assert_string_equal(err.text, "allocations[2].stake: replica 4; must be 0 to 3");
	lock->qlock_u.replica = 3;
	assert_true(genesis_finish(g, NULL));
	g->g.proposer.kind = QPROPOSER_PRIMARY;
	for (unsigned i = 0; i < 4; i++)
		g->g.replicas.replicas_val[i].account.account_len = 0;
	assert_false(genesis_finish(g, &err));
	assert_string_equal(err.text, "allocations[0].stake: has no meaning; proposers are not by stake");
	for (unsigned i = 0; i < 4; i++)
		g->g.replicas.replicas_val[i].account.account_len = 1;
	genesis_free(g);
}

/* ---- mining and time-outs -------------------------------------------------------------------- */

static void mining_takes_no_longer_than_patience_and_the_promised_rate(void **state)
{
	(void)state;
	static const struct {
		unsigned bits_max, hash_rate;
		uint64_t ms;
	} want[] = {
	    {1, 1, 40000},
	    {1, UINT32_MAX, 1}, /* rounded up */
	    {10, 20480, 1000},
	    {10, 20479, 1001},
	    {20, 2000000, 10486},
	    {48, 1, UINT64_C(5629499534213120000)},
	    {48, UINT32_MAX, 1310720001}, /* 20 * 2^16 s and a bit */
	    {49, 1, UINT64_MAX},
	    {UINT32_MAX, 1, UINT64_MAX},
	    {20, 0, UINT64_MAX},
	};
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
		struct qpow_rules r = {1, want[i].bits_max, 0, want[i].hash_rate};
		if (genesis_mining_ms(&r) != want[i].ms)
			fail_msg("%u bits at %u/s: %llu ms", r.bits_max, r.hash_rate,
			         (unsigned long long)genesis_mining_ms(&r));
	}
}

static void the_shortest_and_the_hardest_that_are_allowed_are(void **state)
{
	(void)state;
	static const char *const allowed[][2] = {
	    {"\"epoch\": 96, \"turn\": 4", "\"epoch\": 64, \"turn\": 64"},
	    {"\"epoch\": 96, \"turn\": 4", "\"epoch\": 100, \"turn\": 1"},
	    {"\"unbonding\": 300", "\"unbonding\": 288"},
	    {"\"unbonding\": 300", "\"unbonding\": 4294967295"},
	    {"\"proposers\": 3", "\"proposers\": 2"},
	    {"\"penalty\": 40, \"delegator_penalty\": 7", "\"penalty\": 0, \"delegator_penalty\": 100"},
	    {"\"bits_max\": 16", "\"bits_max\": 14"},
	    {"\"bits_max\": 16", "\"bits_max\": 24"},
	    {"\"hash_rate\": 900000", "\"hash_rate\": 2185"}, /* 599,872 ms */
	    {"\"bits\": 14", "\"bits\": 1"},
	    {", \"interval_ms\": 700", ", \"interval_ms\": 3600000"},
	};
	for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
		char *text = changed(allowed[i][0], allowed[i][1]);
		genesis_free(parsed(text));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_is_written_there),
	    cmocka_unit_test(a_genesis_that_says_nothing_of_them_has_neither_seals_nor_stakes),
	    cmocka_unit_test(what_is_left_out_has_its_default),
	    cmocka_unit_test(formats_and_reads_back_the_same),
	    cmocka_unit_test(every_value_changes_the_chain_id),
	    cmocka_unit_test(keeps_its_recorded_chain_id),
	    cmocka_unit_test(every_number_is_a_field),
	    cmocka_unit_test(names_the_field_of_every_mistake),
	    cmocka_unit_test(refuses_every_truncation),
	    cmocka_unit_test(refuses_outputs_that_are_locked_otherwise),
	    cmocka_unit_test(mining_takes_no_longer_than_patience_and_the_promised_rate),
	    cmocka_unit_test(the_shortest_and_the_hardest_that_are_allowed_are),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
