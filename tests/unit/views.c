/*
 * The ledger's views: what people ask of stake, answered by plain SELECTs on a real ledger, that of
 * stakestory.h.
 *
 * Links: q_ledger
 */
#include "stakestory.h"

static int make_fixture(void **state)
{
	struct rules rules;

	story_setup(&rules, 10);
	*state = fixture = fixture_of(rules);
	tell_stakes(&fixture->honest.rules, &fixture->chain, STORY_HEIGHT);
	write_story(&fixture->honest, &fixture->chain);
	return 0;
}

/* The rows as text, columns by spaces, rows by "; ". */
static void assert_rows(const struct fixture *f, const char *sql, const char *want)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	char text[2048] = "";
	size_t len = 0;

	assert_int_equal(sqlite3_open_v2(f->honest.path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	while (sqlite3_step(stmt) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *value = (const char *)sqlite3_column_text(stmt, i);
			const char *before = len == 0 ? "" : i == 0 ? "; " : " ";
			len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", before,
			                        value ? value : "-");
			assert_true(len < sizeof text);
		}
	assert_string_equal(text, want);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* Addresses as the accounts' numbers; the query names them `owner`. */
static const char *with_names(char *sql, size_t cap, const char *columns, const char *from)
{
	static const uint8_t numbers[] = {1, 2, 3, 11, 12, 13, 14, 15};
	size_t len = (size_t)snprintf(sql, cap, "WITH names(who, owner) AS (VALUES ");

	for (size_t i = 0; i < sizeof numbers; i++) {
		struct qaddress a = rules_address(numbers[i]);
		char hex[41];
		len += (size_t)snprintf(sql + len, cap - len, "%s(%u, x'%s')", i ? ", " : "", numbers[i],
		                        hex_encode(hex, a.b, sizeof a.b));
	}
	len += (size_t)snprintf(sql + len, cap - len, ") SELECT %s FROM %s", columns, from);
	assert_true(len < cap);
	return sql;
}

static void stake_history_tells_what_each_replica_had_at_each_epoch(void **state)
{
	const struct fixture *f = *state;
	char sql[256], want[128];

	for (unsigned t = 0; t < STORY_TABLES; t++) {
		const struct qstake *s = story_tables[t];
		struct schedule schedule = story_schedule(&f->honest.rules, t);
		size_t len = 0;
		for (unsigned i = 0; i < 4; i++)
			len += (size_t)snprintf(want + len, sizeof want - len, "%s%u %llu %llu %u",
			                        i ? "; " : "", i, (unsigned long long)s[i].own,
			                        (unsigned long long)s[i].delegated, schedule.weight[i]);
		snprintf(sql, sizeof sql,
		         "SELECT replica, own, delegated, turns FROM stake_history WHERE height = %u "
		         "ORDER BY replica",
		         t * EPOCH);
		assert_rows(f, sql, want);
	}
	assert_rows(f,
	            "SELECT replica, round(share, 4) FROM stake_history WHERE height = 40 ORDER BY replica",
	            "0 0.0; 1 0.3333; 2 0.6667; 3 0.0");
	assert_rows(f, "SELECT count(*), count(DISTINCT height), max(height) FROM stake_history", "24 6 40");
	assert_rows(f, "SELECT height, round(sum(share), 6) FROM stake_history GROUP BY height",
	            "0 1.0; 8 1.0; 16 1.0; 24 1.0; 32 1.0; 40 1.0");
}

static void proposer_shares_hold_promises_against_blocks(void **state)
{
	const struct fixture *f = *state;
	const struct rules *r = &f->honest.rules;
	char sql[256], want[256];

	assert_rows(
	    f, "SELECT DISTINCT settled, first_height, last_height FROM proposer_shares ORDER BY settled",
	    "0 1 16; 8 17 24; 16 25 32; 24 33 40");
	for (unsigned t = 0; t < 4; t++) { /* those that decided */
		unsigned first = t == 0 ? 1 : (t + 1) * EPOCH + 1, last = (t + 2) * EPOCH, had[4] = {0};
		struct schedule schedule = story_schedule(r, t);
		size_t len = 0;
		for (unsigned h = first; h <= last; h++)
			had[f->chain.blocks[h]->header.proposer]++;
		for (unsigned i = 0; i < 4; i++)
			len +=
			    (size_t)snprintf(want + len, sizeof want - len, "%s%u %u %.4f %u %.4f",
			                     i ? "; " : "", i, schedule.weight[i], schedule.weight[i] / 127.0,
			                     had[i], had[i] / (double)(last - first + 1));
		snprintf(sql, sizeof sql,
		         "SELECT replica, turns, printf('%%.4f', promised), blocks, printf('%%.4f', had) "
		         "FROM proposer_shares WHERE settled = %u ORDER BY replica",
		         t * EPOCH);
		assert_rows(f, sql, want);
	}
	assert_rows(f, "SELECT sum(blocks) FROM proposer_shares", "40");
	/* at 24 replicas 0 and 2 alone had stake that counted, one to two */
	assert_rows(f, "SELECT replica, turns FROM proposer_shares WHERE settled = 24 ORDER BY replica",
	            "0 42; 1 0; 2 85; 3 0");
}

static void delegations_tell_who_backed_whom_and_when(void **state)
{
	const struct fixture *f = *state;
	char sql[1024];

	assert_rows(f,
	            with_names(sql, sizeof sql, "who, replica, amount, from_height, until_height",
	                       "delegations JOIN names USING (owner) ORDER BY from_height, replica, who"),
	            "11 0 400 0 10; 12 1 300 0 18; 15 1 65 0 12; 13 2 200 0 -; 2 3 100 0 38; 3 2 300 2 36; "
	            "14 3 100 5 -; 11 0 250 10 -; 15 1 25 12 19; 12 1 100 18 -; 3 1 100 26 40; 3 1 100 40 -");
	assert_rows(f,
	            with_names(sql, sizeof sql, "who, sum(amount)",
	                       "delegations JOIN names USING (owner) WHERE replica = 2 AND from_height <= 17 "
	                       "AND (until_height IS NULL OR until_height > 17) GROUP BY who"),
	            "3 300; 13 200");
}

static void penalties_tell_what_each_conviction_has_cost(void **state)
{
	const struct fixture *f = *state;
	char sql[1024], want[512], a[65], b[65], c[65];
	struct block *const *blocks = f->chain.blocks;

	assert_rows(
	    f,
	    with_names(sql, sizeof sql, "replica, convicted_at, kind, offence_height, who, frozen, frozen_at",
	               "penalties LEFT JOIN names USING (owner) ORDER BY convicted_at, replica, frozen_at"),
	    "1 12 prepare 6 12 150 18; 1 12 prepare 6 15 3 19; 1 12 prepare 6 15 4 39; "
	    "1 20 prepare 16 - - -; 3 20 prepare 15 2 10 38; 0 35 prepare 30 - - -");
	hex_encode(a, blocks[20]->txs[1]->id.b, 32);
	hex_encode(b, blocks[20]->txs[0]->id.b, 32);
	hex_encode(c, blocks[38]->txs[1]->id.b, 32);
	snprintf(want, sizeof want, "%s ; %s %s", a, b, c);
	assert_rows(f,
	            "SELECT lower(hex(reported_by)), lower(hex(frozen_by)) FROM penalties "
	            "WHERE convicted_at = 20 ORDER BY replica",
	            want);
	assert_rows(f, "SELECT sum(frozen) FROM penalties", "167");
}

static void balances_tell_what_is_free_and_what_is_locked(void **state)
{
	const struct fixture *f = *state;
	char sql[1024];

	assert_rows(f,
	            with_names(sql, sizeof sql, "who, amount, outputs, free, staked, released, frozen",
	                       "balances JOIN names USING (owner) ORDER BY who"),
	            "1 1000 1 1000 0 0 0; 2 100 2 0 0 90 10; 3 500 3 100 100 300 0; 11 400 2 150 250 0 0; "
	            "12 300 3 0 100 50 150; 13 200 1 0 200 0 0; 14 100 1 0 100 0 0; 15 65 4 36 0 22 7");
	assert_rows(f, "SELECT sum(amount), sum(free + staked + released + frozen) FROM balances",
	            "2665 2665");
	assert_rows(f, "SELECT made_at, spent_at, amount FROM coins WHERE lock = 'release' AND replica = 0",
	            "10 37 150");
}

/* On a chain without stake the same questions have empty answers. */
static void nothing_is_at_stake_where_the_primary_proposes(void **state)
{
	(void)state;
	void *place;
	struct qtxid ids[4];

	place_setup(&place);
	struct place *p = place;
	struct ledger *l = open_ledger(p);
	tell_story(&p->rules, l, ids);
	commit(l);
	ledger_close(l);
	static const char *const views[] = {"stake_history", "proposer_shares", "delegations", "penalties"};
	for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
		char sql[64];
		snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", views[i]);
		assert_int_equal(place_ask(p, sql), 0);
	}
	assert_int_equal(place_ask(p, "SELECT sum(amount) = sum(free) FROM balances"), 1);
	place_teardown(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stake_history_tells_what_each_replica_had_at_each_epoch),
	    cmocka_unit_test(proposer_shares_hold_promises_against_blocks),
	    cmocka_unit_test(delegations_tell_who_backed_whom_and_when),
	    cmocka_unit_test(penalties_tell_what_each_conviction_has_cost),
	    cmocka_unit_test(balances_tell_what_is_free_and_what_is_locked),
	    cmocka_unit_test(nothing_is_at_stake_where_the_primary_proposes),
	};

	return cmocka_run_group_tests_name("views", tests, make_fixture, drop_fixture);
}
