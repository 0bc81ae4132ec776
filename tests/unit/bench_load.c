/*
 * bench_load.c, bench_look.c: every payment of a load holds and spends the one before of its account; ids are
 * found again; CPU time of threads adds up, of those that ended and of processes that were killed too.
 *
 * Links: q_program
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench_load.h"
#include "bench_look.h"
#include "crypto.h"

static int begin(void **state)
{
	struct err err = {0};
	(void)state;
	return crypto_init(&err) ? 0 : -1;
}

/* ---- payments ----------------------------------------------------------------------------------- */

enum { ACCOUNTS = 11, CNT = 200, SUBMITTERS = 3 };

static struct load *make(const struct genesis *g, uint8_t first, struct qoutpoint coins[ACCOUNTS])
{
	struct err err = {0};
	uint8_t seed[32] = {first};
	struct load *l = load_new(g, seed, ACCOUNTS, CNT, SUBMITTERS, &err);
	assert_non_null(l);
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		coins[i] = (struct qoutpoint){.tx.b = {0xc0, first}, .index = i};
	assert_true(load_sign(l, coins, &err));
	return l;
}

static void every_payment_spends_the_one_before(void **state)
{
	(void)state;
	static const struct genesis g = {.chain.b = {42}};
	struct qoutpoint at[ACCOUNTS];
	uint64_t left[ACCOUNTS];
	struct load *l = make(&g, 1, at);
	uint32_t seen = 0;
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		left[i] = l->coin;
	for (unsigned u = 0; u < SUBMITTERS; u++) {
		for (uint32_t k = 0; k < load_cnt_of(l, u); k++, seen++) {
			uint32_t payment = l->base[u] + k,
			         account = k % load_accounts_of(l, u) * SUBMITTERS + u;
			enum tx_verdict verdict;
			assert_int_equal(load_submitter_of(l, payment), u);
			assert_memory_equal(l->raw[payment], "\0\0\0\xe4", 4);
			struct tx *tx = tx_parse(&g.chain, l->raw[payment] + 4, LOAD_TX, &verdict);
			assert_non_null(tx);
			assert_true(tx_verify(&g, tx));
			assert_true(qtxid_eq(&tx->id, &l->id[payment]));
			assert_int_equal(load_find(l, tx->id.b), payment);
			assert_true(qoutpoint_eq(&tx->q.body.inputs.inputs_val[0], &at[account]));
			assert_true(qaddress_eq(&tx->owners[0], &l->owner[account]));
			const struct qoutput *out = tx->q.body.outputs.outputs_val;
			assert_int_equal(tx->q.body.outputs.outputs_len, 2);
			assert_true(qaddress_eq(&out[0].owner, &l->owner[(account + 1) % ACCOUNTS]));
			assert_true(qaddress_eq(&out[1].owner, &l->owner[account]));
			assert_int_equal(out[0].amount + out[1].amount, left[account]);
			left[account] = out[1].amount;
			at[account] = (struct qoutpoint){.tx = tx->id, .index = 1};
			tx_unref(tx);
		}
	}
	assert_int_equal(seen, CNT);
	uint8_t other[32] = {7};
	assert_int_equal(load_find(l, other), UINT32_MAX);
	load_free(l);
}

static void another_seed_is_other_accounts(void **state)
{
	(void)state;
	static const struct genesis g = {.chain.b = {42}};
	struct qoutpoint coins[ACCOUNTS];
	struct load *a = make(&g, 1, coins), *b = make(&g, 2, coins), *c = make(&g, 1, coins);
	assert_false(qaddress_eq(&a->owner[0], &b->owner[0]));
	assert_memory_equal(a->owner, c->owner, ACCOUNTS * sizeof *a->owner);
	load_free(a);
	load_free(b);
	load_free(c);
}

static void more_than_memory_can_hold_is_refused(void **state)
{
	(void)state;
	static const struct genesis g = {.chain.b = {42}};
	struct err err = {0};
	uint8_t seed[32] = {0};
	assert_null(load_new(&g, seed, 10, UINT64_MAX / LOAD_BYTES, 1, &err));
	assert_int_equal(err.kind, ERR_INPUT);
	assert_non_null(strstr(err.text, "--duration"));
}

/* ---- processes ---------------------------------------------------------------------------------- */

static double role(const struct look_roles *r, const char *name)
{
	for (unsigned i = 0; i < r->cnt; i++) {
		if (strcmp(r->role[i].name, name) == 0)
			return r->role[i].ns;
	}
	return -1;
}

static void threads_add_up_to_their_process(void **state)
{
	(void)state;
	struct look_thread before[] = {{1, "replica", 100}, {2, "http", 50}, {3, "http", 60}};
	struct look_thread after[] = {{1, "replica", 1100}, {3, "http", 260}, {4, "http", 500}};
	struct look_process a = {.pid = 9, .ns = 300, .cnt = 3, .thread = before};
	struct look_process b = {.pid = 9, .ns = 1000000300, .cnt = 3, .thread = after};
	struct look_roles r = {0};
	look_roles_add(&r, &a, &b);
	assert_true(role(&r, "replica") == 1000);
	assert_true(role(&r, "http") == 700);
	assert_true(role(&r, "ended") == 1000000000 - 1700);
	assert_true(r.ns == 1000000000);

	struct bench_role out[BENCH_ROLES_MAX];
	assert_int_equal(look_roles_share(&r, 1000, out), 3);
	assert_string_equal(out[0].name, "ended");
	assert_string_equal(out[2].name, "http");
	assert_true(out[1].us_per_tx == 0.001);
}

static void a_process_that_was_started_anew_counts_whole(void **state)
{
	(void)state;
	struct look_thread before[] = {{1, "replica", 900}};
	struct look_thread after[] = {{1, "replica", 500}};
	struct look_process a = {.pid = 8, .ns = 900, .cnt = 1, .thread = before};
	struct look_process b = {.pid = 9, .ns = 500, .cnt = 1, .thread = after};
	struct look_roles r = {0};
	look_roles_add(&r, &a, &b);
	assert_true(r.ns == 500 && r.cnt == 1);
}

static void names_without_end_are_bounded(void **state)
{
	(void)state;
	struct look_roles r = {0};
	for (unsigned i = 0; i < 1000; i++) {
		char name[16] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i / 676)};
		look_roles_name(&r, name, 1);
	}
	assert_int_equal(r.cnt, BENCH_ROLES_MAX);
	assert_true(r.ns == 1000);
}

static void this_process_can_be_looked_at(void **state)
{
	(void)state;
	struct look_process p;
	assert_true(look_process(getpid(), &p));
	assert_true(p.cnt >= 1 && p.rss > 0 && p.ns < UINT64_MAX / 2);
	look_process_free(&p);
	assert_false(look_process(0, &p));
	struct look_machine m;
	assert_true(look_machine(&m));
	assert_true(m.total >= m.idle && m.cores > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_payment_spends_the_one_before),
	    cmocka_unit_test(another_seed_is_other_accounts),
	    cmocka_unit_test(more_than_memory_can_hold_is_refused),
	    cmocka_unit_test(threads_add_up_to_their_process),
	    cmocka_unit_test(a_process_that_was_started_anew_counts_whole),
	    cmocka_unit_test(names_without_end_are_bounded),
	    cmocka_unit_test(this_process_can_be_looked_at),
	};
	return cmocka_run_group_tests(tests, begin, NULL);
}
