/*
 * The simulator's stand-ins for hashes and signatures: the same everywhere, well mixed, and as strict as the
 * real ones.
 * Links: q_sim
 */
#include <stdlib.h>

#include "hash.h"
#include "lthash.h"
#include "merkle.h"
#include "mine.h"
#include "rules.h"
#include "standin.h"

static int standins(void **state)
{
	(void)state;
	standin_use(true);
	return 0;
}

static int real(void **state)
{
	(void)state;
	standin_use(false);
	return 0;
}

static void digest(const void *data, size_t len, uint8_t out[32])
{
	hash_bytes("test", data, len, out);
}

static unsigned bits_apart(const uint8_t *a, const uint8_t *b, size_t len)
{
	unsigned cnt = 0;

	for (size_t i = 0; i < len; i++)
		cnt += (unsigned)__builtin_popcount(a[i] ^ b[i]);
	return cnt;
}

/* ---- hashes ------------------------------------------------------------------------- */

static void digests_are_recorded(void **state)
{
	(void)state;
	uint8_t out[32], data[100];
	struct lthash h = {0};
	struct qhash sum;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(37 * i);
	hash_plain(NULL, 0, out);
	rules_golden(out, "476c7d6b9a9ce376fa266f2151a93cad5488666c5d33e2591da730127f04da71");
	hash_tagged("quorate/test/v1", (struct span[]){{"abc", 3}}, 1, out);
	rules_golden(out, "fb0bda6cf3097b28ac5d144d9f5994f87e480451b5c619f8c47e9bac3e0201cf");
	hash_plain((struct span[]){{data, sizeof data}}, 1, out);
	rules_golden(out, "5592b1cd17f02e64a47389b7a92815fda6dda64dfc2c6eb1481732f794c017ed");
	lthash_add(&h, data, sizeof data);
	lthash_digest(&h, &sum);
	rules_golden(sum.b, "248cd4d3bf3cc75e8599f3c943d4265885c2ac07d16a182b15da112073825aa1");
}

/* However a text is cut into parts; but a tag is none of them. */
static void a_digest_is_of_the_bytes_alone(void **state)
{
	(void)state;
	uint8_t text[100], whole[32], parts[32];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)i;
	hash_plain((struct span[]){{text, sizeof text}}, 1, whole);
	for (size_t a = 0; a <= sizeof text; a++)
		for (size_t b = a; b <= sizeof text; b += 7) {
			hash_plain((struct span[]){{text, a}, {text + a, b - a}, {text + b, sizeof text - b}},
			           3, parts);
			assert_memory_equal(whole, parts, 32);
		}
	hash_tagged("ab", (struct span[]){{"c", 1}}, 1, whole);
	hash_tagged("a", (struct span[]){{"bc", 2}}, 1, parts);
	assert_memory_not_equal(whole, parts, 32);
	hash_plain((struct span[]){{"\2abc", 4}}, 1, parts);
	assert_memory_equal(whole, parts, 32);
}

static void each_bit_changes_half_of_the_digest(void **state)
{
	(void)state;
	static const size_t lengths[] = {1, 31, 32, 33, 64, 200, 2048};

	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
		uint8_t text[2048] = {0}, was[32], is[32];
		digest(text, lengths[k], was);
		for (size_t bit = 0; bit < 8 * lengths[k]; bit++) {
			text[bit / 8] ^= (uint8_t)(1U << bit % 8);
			digest(text, lengths[k], is);
			text[bit / 8] ^= (uint8_t)(1U << bit % 8);
			/* Six standard deviations of 256 coins. */
			assert_in_range(bits_apart(was, is, 32), 80, 176);
		}
	}
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

#define MANY 200000

/* Counters, lengths and single bits, as structured as what a run hashes; of each digest a quarter is
 * compared. */
static void digests_do_not_meet(void **state)
{
	(void)state;
	uint8_t(*seen)[8] = xcalloc(MANY, 8), text[MANY / 100], out[32];

	for (uint32_t i = 0; i < MANY; i++) {
		memset(text, 0, sizeof text);
		if (i < MANY / 2) { /* a counter, in the first block or in the second */
			uint8_t *at = text + (i % 2 ? 32 : 0);
			at[0] = (uint8_t)(i + 1);
			at[1] = (uint8_t)((i + 1) >> 8);
			at[2] = (uint8_t)((i + 1) >> 16);
			digest(text, 64, out);
		} else if (i < MANY / 2 + 8 * 1024) { /* one bit */
			text[(i - MANY / 2) / 8] = (uint8_t)(1U << i % 8);
			digest(text, 1024, out);
		} else if (i < MANY / 2 + 8 * 1024 + (uint32_t)sizeof text) { /* zeros */
			digest(text, i - MANY / 2 - 8 * 1024, out);
		} else { /* two counters */
			memcpy(text, &(uint16_t){(uint16_t)(i % 300)}, 2);
			memcpy(text + 32, &(uint16_t){(uint16_t)(i / 300)}, 2);
			digest(text, 65, out);
		}
		memcpy(seen[i], out + 24, 8);
	}
	qsort(seen, MANY, 8, by_bytes);
	for (size_t i = 1; i < MANY; i++)
		assert_memory_not_equal(seen[i - 1], seen[i], 8);
	free(seen);
}

/* The search goes through the stand-ins' own digests, and so finds the same on every machine. */
static void a_nonce_is_the_first_whose_digest_is_small(void **state)
{
	(void)state;
	uint8_t text[80] = {0}, out[32], max[32] = {0x0f};
	unsigned found = 0;

	for (size_t len = 8; len <= sizeof text; len++) {
		uint64_t from = UINT64_MAX - len, want = 0, got = 0;
		bool is = false;
		for (uint64_t i = 0; i < 2 * len && !is; i++) {
			want = from + i;
			for (size_t b = 0; b < 8; b++)
				text[len - 8 + b] = (uint8_t)(want >> (56 - 8 * b));
			digest(text, len, out);
			is = memcmp(out, max, sizeof out) <= 0;
		}
		assert_int_equal(mine_search("test", text, len - 8, from, 2 * len, max, &got), is);
		if (is)
			assert_int_equal(got, want);
		memset(text + len - 8, 0, 8);
		found += is;
	}
	assert_true(found > 60);
	memset(max, 0, sizeof max);
	max[1] = 0x80;
	uint64_t nonce;
	assert_true(mine_search("quorate/test/v1", "abc", 3, 0, UINT64_MAX, max, &nonce));
	assert_int_equal(nonce, 689);
}

static void lthash_adds_up(void **state)
{
	(void)state;
	struct lthash a = {0}, b = {0}, one = {0}, empty = {0};
	unsigned zeros = 0;

	for (int i = 0; i < 20; i++) {
		int j = (i * 7 + 3) % 20;
		lthash_add(&a, &i, sizeof i);
		lthash_add(&b, &j, sizeof j);
	}
	assert_memory_equal(&a, &b, sizeof a);
	for (int i = 0; i < 20; i++)
		lthash_remove(&a, &i, sizeof i);
	assert_memory_equal(&a, &empty, sizeof a);
	lthash_add(&one, "x", 1);
	for (size_t i = 0; i < LTHASH_LANES; i++)
		zeros += one.lane[i] == 0;
	assert_in_range(zeros, 0, 3); /* all lanes take part */
}

/* ---- signatures ------------------------------------------------------------------------ */

static void a_replicas_signature_holds_for_one_statement(void **state)
{
	(void)state;
	struct ident *id = ident_from_seed((uint8_t[32]){1}), *other = ident_from_seed((uint8_t[32]){2});
	struct qreplica_key key = ident_key(id), wrong = ident_key(other);
	struct qhash chain = rules_hash(9);
	uint8_t body[70] = {1, 2, 3}, seed[32];
	struct qsig sig, again;

	assert_true(ident_key_valid(&key));
	assert_false(ident_key_valid(&(struct qreplica_key){{0}}));
	ident_sign(id, &chain, body, sizeof body, &sig);
	ident_sign(id, &chain, body, sizeof body, &again);
	assert_memory_equal(sig.b, again.b, sizeof sig.b);
	assert_true(ident_verify(&key, &chain, body, sizeof body, &sig));
	assert_false(ident_verify(&wrong, &chain, body, sizeof body, &sig));
	assert_false(ident_verify(&key, &chain, body, sizeof body - 1, &sig));
	ident_sign(id, &chain, NULL, 0, &again);
	assert_true(ident_verify(&key, &chain, NULL, 0, &again));
	/* Every bit of all that it rests on. */
	struct {
		uint8_t *bytes;
		size_t len;
	} parts[] = {
	    {sig.b, sizeof sig.b}, {key.b, sizeof key.b}, {chain.b, sizeof chain.b}, {body, sizeof body}};
	for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
		for (size_t bit = 0; bit < 8 * parts[p].len; bit++) {
			parts[p].bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
			assert_false(ident_verify(&key, &chain, body, sizeof body, &sig));
			parts[p].bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
	assert_true(ident_verify(&key, &chain, body, sizeof body, &sig));
	ident_seed(other, seed);
	assert_memory_equal(seed, ((uint8_t[32]){2}), 32);
	ident_free(id);
	ident_free(other);
}

static void an_accounts_signature_holds_for_one_transaction(void **state)
{
	(void)state;
	struct account *a = account_from_secret((uint8_t[32]){[31] = 1});
	struct qaccount_key key = account_key(a);
	struct qtxid id = {{7}};
	struct qsig sig;

	assert_null(account_from_secret((uint8_t[32]){0}));
	assert_in_range(key.b[0], 2, 3);
	account_sign(a, &id, &sig);
	assert_true(account_verify(&key, &id, &sig));
	struct {
		uint8_t *bytes;
		size_t len;
	} parts[] = {{sig.b, sizeof sig.b}, {key.b, sizeof key.b}, {id.b, sizeof id.b}};
	for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
		for (size_t bit = 0; bit < 8 * parts[p].len; bit++) {
			parts[p].bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
			assert_false(account_verify(&key, &id, &sig));
			parts[p].bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
	account_free(a);
}

/* ---- the switch --------------------------------------------------------------------------- */

static void what_is_real_comes_back(void **state)
{
	(void)state;
	struct ident *mine = ident_from_seed((uint8_t[32]){1});
	struct account *account = account_from_secret((uint8_t[32]){[31] = 1});
	struct qreplica_key key = ident_key(mine);
	struct qsig sig, real_sig;
	struct qhash chain = {{0}};
	uint8_t out[32];

	ident_sign(mine, &chain, (const uint8_t *)"x", 1, &sig);
	standin_use(false);
	hash_plain((struct span[]){{"abc", 3}}, 1, out);
	rules_golden(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	struct ident *theirs = ident_from_seed((uint8_t[32]){1});
	struct qreplica_key real_key = ident_key(theirs);
	assert_memory_not_equal(key.b, real_key.b, 32);
	assert_false(ident_verify(&key, &chain, (const uint8_t *)"x", 1, &sig));
	ident_sign(theirs, &chain, (const uint8_t *)"x", 1, &real_sig);
	assert_true(ident_verify(&real_key, &chain, (const uint8_t *)"x", 1, &real_sig));
	standin_use(true);
	assert_false(ident_verify(&real_key, &chain, (const uint8_t *)"x", 1, &real_sig));
	assert_true(ident_verify(&key, &chain, (const uint8_t *)"x", 1, &sig));
	standin_use(false);
	ident_free(mine); /* as it was made, whatever is in use */
	account_free(account);
	ident_free(theirs);
	ident_free(NULL);
	account_free(NULL);
}

static void a_chain_is_made_and_pays(void **state)
{
	(void)state;
	struct rules r;
	enum tx_verdict verdict;

	rules_setup(&r, 4, "standin");
	struct tx *tx = rules_pay(&r, 0, "memo");
	assert_true(tx_verify(&r.g, tx));
	struct tx *read = tx_parse(&r.g.chain, tx->raw, tx->raw_len, &verdict);
	assert_non_null(read);
	assert_true(tx_verify(&r.g, read));
	tx_unref(tx);
	tx_unref(read);
	struct qvote vote = {.height = {1}, .block = rules_hash(1)};
	struct qcert cert = rules_cert(&r, QCOMMIT, &vote, rules_quorum_mask(&r));
	assert_true(cert_verify(&r.g, &cert, NULL));
	cert.sigs.sigs_val[1].sig.b[63] ^= 0x80;
	assert_false(cert_verify(&r.g, &cert, NULL));
	wire_free(WIRE(qcert), &cert);
	rules_teardown(&r);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, standins, real)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(digests_are_recorded),
	    WITH(a_digest_is_of_the_bytes_alone),
	    WITH(each_bit_changes_half_of_the_digest),
	    WITH(digests_do_not_meet),
	    WITH(a_nonce_is_the_first_whose_digest_is_small),
	    WITH(lthash_adds_up),
	    WITH(a_replicas_signature_holds_for_one_statement),
	    WITH(an_accounts_signature_holds_for_one_transaction),
	    WITH(what_is_real_comes_back),
	    WITH(a_chain_is_made_and_pays),
	};
	struct err err = {0};

	if (!crypto_init(&err))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
