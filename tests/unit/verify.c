/*
 * verify.c: what workers hand to the replica, and what the cache may remember.
 *
 * Links: q_replica
 */
#include <pthread.h>

#include "payments.h"
#include "primitives.h"
#include "verify.h"

static struct rules rules;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "verify");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	return 0;
}

static struct tx *numbered(unsigned number)
{
	char memo[32];

	snprintf(memo, sizeof memo, "%u", number);
	return rules_pay(&rules, 0, memo);
}

/* Makes verify_tx() show whether it remembers: the leaf stays, the signature no longer holds. */
static void spoil(struct tx *tx)
{
	tx->q.witnesses.witnesses_val[0].sig.b[9] ^= 1;
}

static qtx_bytes bytes_of(const struct tx *tx, bool wrongly_signed)
{
	qtx_bytes b = {(unsigned)tx->raw_len, xmemdup(tx->raw, tx->raw_len)};

	if (wrongly_signed)
		b.qtx_bytes_val[b.qtx_bytes_len - 1] ^= 1; /* the last byte of the last signature */
	return b;
}

static struct qenvelope seal(const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = rules.g.chain, .sender = 1};

	env.body.body_len = (unsigned)body.len;
	env.body.body_val = body.data;
	ident_sign(rules.ids[1], &rules.g.chain, body.data, body.len, &env.sig);
	return env;
}

/* A TXS or BODY of these; list is taken. */
static struct qenvelope seal_txs(enum qkind kind, qtx_bytes *list, unsigned cnt)
{
	struct qmessage m = {.kind = kind};

	if (kind == QBODY) {
		m.qmessage_u.body.txs.txs_len = cnt;
		m.qmessage_u.body.txs.txs_val = list;
	} else {
		m.qmessage_u.txs.txs.txs_len = cnt;
		m.qmessage_u.txs.txs.txs_val = list;
	}
	struct qenvelope env = seal(&m);
	wire_free(WIRE(qmessage), &m);
	return env;
}

/* Opens it (and frees it): its transactions are these, or it is refused for this fault. */
static void assert_opens(struct qenvelope *env, struct tx *const *txs, size_t cnt, enum txs_fault fault)
{
	struct verify_cache *c = verify_cache_new(10);
	struct verified v;
	enum open_verdict verdict = OPEN_MALFORMED;

	assert_int_equal(verify_envelope(&rules.g, c, env, &v, &verdict), fault == TXS_SOUND);
	verified_free(&v);
	assert_int_equal(verify_envelope_take(&rules.g, c, env, &v, &verdict), fault == TXS_SOUND);
	assert_int_equal(env->sender, 1);
	assert_int_equal(verdict, OPEN_OK);
	assert_int_equal(v.fault, fault);
	assert_int_equal(v.tx_cnt, fault == TXS_SOUND ? cnt : 0);
	for (size_t i = 0; i < v.tx_cnt; i++)
		assert_true(qhash_eq(&v.txs[i]->leaf, &txs[i]->leaf));
	assert_true((v.message != NULL) == (fault == TXS_SOUND));
	verified_free(&v);
	wire_free(WIRE(qenvelope), env);
	verify_cache_free(c);
}

static const enum qkind both[] = {QTXS, QBODY};

static void txs_and_bodies_come_with_their_verified_transactions(void **state)
{
	(void)state;
	struct tx *txs[] = {numbered(1), numbered(2)};

	for (int k = 0; k < 2; k++) {
		qtx_bytes *list = xcalloc(2, sizeof *list);
		list[0] = bytes_of(txs[0], false);
		list[1] = bytes_of(txs[1], false);
		struct qenvelope env = seal_txs(both[k], list, 2);
		assert_opens(&env, txs, 2, TXS_SOUND);
	}
	tx_unref(txs[0]);
	tx_unref(txs[1]);
}

static void a_message_with_one_bad_transaction_is_refused(void **state)
{
	(void)state;
	struct tx *a = numbered(1), *b = numbered(2);

	for (int k = 0; k < 4; k++) {
		qtx_bytes *list = xcalloc(3, sizeof *list);
		list[0] = bytes_of(a, false);
		list[1] = bytes_of(a, true); /* after its twin was remembered */
		list[1].qtx_bytes_len -= k >= 2 ? 4 : 0;
		list[2] = bytes_of(b, false);
		struct qenvelope env = seal_txs(both[k % 2], list, 3);
		assert_opens(&env, NULL, 0, TXS_INVALID);
	}
	tx_unref(a);
	tx_unref(b);
}

/* So many bytes in so many strings that are no transactions. */
static struct qenvelope seal_rubbish(enum qkind kind, unsigned cnt, unsigned bytes)
{
	qtx_bytes *list = xcalloc(cnt, sizeof *list);
	for (unsigned i = 0; i < cnt; i++)
		list[i] = (qtx_bytes){bytes / cnt, xcalloc(1, bytes / cnt)};
	return seal_txs(kind, list, cnt);
}

static void what_is_larger_than_any_that_a_replica_sends_is_refused_unseen(void **state)
{
	(void)state;
	const unsigned block = rules.g.g.params.block_txs_max;
	const struct {
		enum qkind kind;
		unsigned cnt, bytes;
		enum txs_fault fault; /* TXS_INVALID: it was looked into */
	} cases[] = {
	    {QTXS, TXS_MESSAGE_MAX, 4 * TXS_MESSAGE_MAX, TXS_INVALID},
	    {QTXS, TXS_MESSAGE_MAX + 1, 4 * (TXS_MESSAGE_MAX + 1), TXS_TOO_MUCH},
	    {QTXS, 2, TXS_MESSAGE_BYTES, TXS_INVALID},
	    {QTXS, 2, TXS_MESSAGE_BYTES + 2, TXS_TOO_MUCH},
	    {QBODY, block, 4 * block, TXS_INVALID},
	    {QBODY, block + 1, 4 * (block + 1), TXS_TOO_MUCH},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct qenvelope env = seal_rubbish(cases[i].kind, cases[i].cnt, cases[i].bytes);
		assert_opens(&env, NULL, 0, cases[i].fault);
	}
}

static void other_messages_come_alone_and_bad_ones_not_at_all(void **state)
{
	(void)state;
	struct verify_cache *c = verify_cache_new(10);
	struct qmessage m = {.kind = QGET_CHAIN};
	struct qenvelope env = seal(&m);
	struct verified v;
	enum open_verdict verdict;

	assert_true(verify_envelope(&rules.g, c, &env, &v, &verdict));
	assert_int_equal(v.message->m.kind, QGET_CHAIN);
	assert_int_equal(v.tx_cnt, 0);
	verified_free(&v);
	env.sig.b[0] ^= 1;
	assert_false(verify_envelope(&rules.g, c, &env, &v, &verdict));
	assert_int_equal(verdict, OPEN_BAD_SIGNATURE);
	assert_null(v.message);
	verified_free(&v);
	wire_free(WIRE(qenvelope), &env);
	verify_cache_free(c);
	verify_cache_free(NULL);
}

static void what_held_is_not_checked_again(void **state)
{
	(void)state;
	struct verify_cache *c = verify_cache_new(10);
	struct tx *tx = numbered(1);

	assert_true(verify_tx(&rules.g, c, tx));
	spoil(tx);
	assert_false(tx_verify(&rules.g, tx));
	assert_true(verify_tx(&rules.g, c, tx));
	tx_unref(tx);
	verify_cache_free(c);
}

static void what_failed_is_checked_again(void **state)
{
	(void)state;
	struct verify_cache *c = verify_cache_new(10);
	struct tx *tx = numbered(1);

	spoil(tx);
	assert_false(verify_tx(&rules.g, c, tx));
	assert_false(verify_tx(&rules.g, c, tx));
	spoil(tx); /* and back */
	assert_true(verify_tx(&rules.g, c, tx));
	tx_unref(tx);
	verify_cache_free(c);
}

static void the_oldest_makes_place_when_it_is_full(void **state)
{
	(void)state;
	enum { CAP = 5, CNT = 13 };
	struct verify_cache *c = verify_cache_new(CAP);
	struct tx *txs[CNT];

	for (unsigned i = 0; i < CNT; i++) {
		txs[i] = numbered(i);
		assert_true(verify_tx(&rules.g, c, txs[i]));
		assert_true(verify_tx(&rules.g, c, txs[i])); /* again: takes no second place */
		spoil(txs[i]);
		for (unsigned j = 0; j <= i; j++)
			assert_int_equal(verify_tx(&rules.g, c, txs[j]), j + CAP > i);
	}
	for (unsigned i = 0; i < CNT; i++)
		tx_unref(txs[i]);
	verify_cache_free(c);
}

static unsigned parse_cnt;

static bool count_parse(const struct qaccount_key *key, uint8_t point[PRIMITIVES_POINT])
{
	parse_cnt++;
	return primitives_real.account_parse(key, point);
}

static void an_owners_key_is_parsed_once_for_many_transactions(void **state)
{
	(void)state;
	struct primitives counting = primitives_real;
	struct verify_cache *c = verify_cache_new(10);

	counting.account_parse = count_parse;
	primitives_use(&counting);
	for (unsigned i = 0; i < 5; i++) {
		struct tx *tx = numbered(i);
		assert_true(verify_tx(&rules.g, c, tx));
		tx_unref(tx);
	}
	primitives_use(&primitives_real);
	assert_int_equal(parse_cnt, 1);
	verify_cache_free(c);
}

/* A payment with a report: who signed the two votes counts as much as who pays. */
static struct tx *reporting(const struct qoffence *o)
{
	struct qoutpoint in = {rules.g.txid, 0};
	struct qoutput out = {rules_address(3), 1000, {.kind = QLOCK_NONE}};

	return pay_outputs(&rules, 1, &in, 1, &out, 1, o);
}

static void an_offence_is_checked_with_its_transaction(void **state)
{
	(void)state;
	struct verify_cache *c = verify_cache_new(10);
	struct qoffence true_one = rules_offence(&rules, 2, 5, 1), wrong[4];
	struct tx *tx = reporting(&true_one);

	assert_true(verify_tx(&rules.g, c, tx));
	tx_unref(tx);
	for (unsigned i = 0; i < 4; i++)
		wrong[i] = true_one;
	wrong[0].second_sig.b[3] ^= 1;
	wrong[1].first.height.n++, wrong[1].second.height.n++;
	wrong[2].replica = 1;
	wrong[3].replica = 77;
	for (unsigned i = 0; i < 4; i++) {
		tx = reporting(&wrong[i]);
		assert_false(verify_tx(&rules.g, c, tx));
		tx_unref(tx);
	}
	verify_cache_free(c);
}

struct work {
	struct verify_cache *cache;
	struct tx **txs;
	unsigned cnt, failed;
};

static void *verify_all(void *arg)
{
	struct work *w = arg;

	for (unsigned round = 0; round < 5; round++)
		for (unsigned i = 0; i < w->cnt; i++)
			w->failed += !verify_tx(&rules.g, w->cache, w->txs[i]);
	return NULL;
}

static void many_workers_may_share_it(void **state)
{
	(void)state;
	enum { WORKERS = 4, CNT = 20 };
	struct tx *txs[CNT];
	struct verify_cache *c = verify_cache_new(CNT / 2); /* always evicting */
	struct work work[WORKERS];
	pthread_t threads[WORKERS];

	for (unsigned i = 0; i < CNT; i++)
		txs[i] = numbered(i);
	for (unsigned t = 0; t < WORKERS; t++) {
		work[t] = (struct work){c, txs, CNT, 0};
		assert_int_equal(pthread_create(&threads[t], NULL, verify_all, &work[t]), 0);
	}
	for (unsigned t = 0; t < WORKERS; t++) {
		pthread_join(threads[t], NULL);
		assert_int_equal(work[t].failed, 0);
	}
	for (unsigned i = 0; i < CNT; i++)
		tx_unref(txs[i]);
	verify_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(txs_and_bodies_come_with_their_verified_transactions),
	    cmocka_unit_test(a_message_with_one_bad_transaction_is_refused),
	    cmocka_unit_test(what_is_larger_than_any_that_a_replica_sends_is_refused_unseen),
	    cmocka_unit_test(other_messages_come_alone_and_bad_ones_not_at_all),
	    cmocka_unit_test(what_held_is_not_checked_again),
	    cmocka_unit_test(what_failed_is_checked_again),
	    cmocka_unit_test(the_oldest_makes_place_when_it_is_full),
	    cmocka_unit_test(an_owners_key_is_parsed_once_for_many_transactions),
	    cmocka_unit_test(an_offence_is_checked_with_its_transaction),
	    cmocka_unit_test(many_workers_may_share_it),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
