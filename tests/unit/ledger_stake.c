/*
 * The store of a chain whose proposers are by stake, and of one whose blocks are sealed: what is appended
 * comes back, for the past as well, readers tell it, and what cannot be is refused.
 *
 * Links: q_ledger
 */
#include "bonds.h"
#include "schedule.h"
#include "seals.h"

static struct qhash digest_of(struct ledger *l)
{
	struct qhash d;

	state_digest(ledger_state(l), &d);
	return d;
}

static struct reader *open_reader(const struct place *p)
{
	struct err err = {0};
	struct reader *r = reader_open(p->path, NULL, &err);

	if (!r)
		fail_msg("%s", err.text);
	return r;
}

/* ---- coming back ------------------------------------------------------------------ */

static void assert_same_staking(struct ledger *a, struct ledger *b)
{
	struct bytes x = rules_encode(WIRE(qstaking), state_staking(ledger_state(a)));
	struct bytes y = rules_encode(WIRE(qstaking), state_staking(ledger_state(b)));

	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	bytes_free(&x);
	bytes_free(&y);
}

static void reopening_at_any_height_gives_the_same_state(void **state)
{
	struct place *p = *state;
	struct bonds b = {0};
	struct ledger *l = open_ledger(p);

	for (uint64_t h = 0; h <= BONDS_TIP; h++) {
		bonds_tell(&p->rules, l, &b, h);
		struct qhash before = digest_of(l);
		ledger_close(l);
		l = open_ledger(p);
		struct qhash after = digest_of(l);
		assert_true(qhash_eq(&before, &after));
		assert_int_equal(state_value(ledger_state(l)), p->rules.g.supply);
	}
	ledger_close(l);
}

static void what_was_never_closed_equals_what_was_reopened(void **state)
{
	struct place *p = *state;
	struct bonds b = {0};
	struct ledger *l = open_ledger(p);

	bonds_tell(&p->rules, l, &b, BONDS_TIP);
	struct place copy = *p;
	snprintf(copy.path, sizeof copy.path, "%s/copy.db", p->dir);
	sqlite3 *db = place_sqlite(p);
	char sql[160];
	snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy.path);
	sqlite_do(db, sql);
	sqlite3_close(db);
	struct ledger *again = open_ledger(&copy);
	assert_same_staking(l, again);
	ledger_close(again);
	ledger_close(l);
	place_remove(&copy);
}

static void the_digest_of_a_past_height_is_what_it_was(void **state)
{
	struct place *p = *state;
	struct bonds b = {0};
	struct err err = {0};

	for (int reopened = 0; reopened < 2; reopened++) {
		struct ledger *l = open_ledger(p);
		bonds_tell(&p->rules, l, &b, BONDS_TIP);
		for (uint64_t h = 1; h <= BONDS_TIP; h++) {
			struct qhash block, digest;
			if (!ledger_digest_at(l, qheight_of(h), &block, &digest, &err))
				fail_msg("%s", err.text);
			assert_true(qhash_eq(&block, &b.hashes[h]));
			assert_true(qhash_eq(&digest, &b.digests[h]));
		}
		ledger_close(l);
	}
}

/* ---- rows --------------------------------------------------------------------------- */

static void the_tables_say_it_to_whoever_asks(void **state)
{
	static const struct {
		const char *sql;
		int64_t want;
	} questions[] = {
	    {"SELECT count(*) FROM convictions", 3},
	    {"SELECT c.tx FROM convictions c WHERE height = 5 AND replica = 1 AND kind = 'prepare' AND view "
	     "= 0"
	     " AND offence_height = 4",
	     6},
	    {"SELECT count(*) FROM convictions c JOIN transactions t ON t.seq = c.tx WHERE t.height = 12"
	     " AND c.height = 12",
	     2},
	    {"SELECT replica FROM convictions WHERE height = 12 AND kind = 'commit' AND view = 3"
	     " AND offence_height = 8",
	     2},
	    {"SELECT replica FROM convictions WHERE height = 12 AND kind = 'checkpoint' AND view = 0"
	     " AND offence_height = 11",
	     1},
	    {"SELECT count(*) FROM stakes", 5 * 4}, /* of heights 0, 8, 16, 24, 32 */
	    {"SELECT count(*) FROM stakes WHERE height = 0 AND first_height = 1 AND own = 100", 4},
	    {"SELECT delegated FROM stakes WHERE height = 0 AND replica = 1", 40},
	    {"SELECT own + delegated FROM stakes WHERE height = 8 AND replica = 1 AND first_height = 17", 6},
	    {"SELECT own * 1000 + delegated FROM stakes WHERE height = 16 AND replica = 1", 0},
	    {"SELECT own * 1000 + delegated FROM stakes WHERE height = 16 AND replica = 2", 0},
	    {"SELECT count(*) FROM (SELECT height FROM stakes GROUP BY height HAVING sum(turns) = 127)", 5},
	    {"SELECT count(*) FROM outputs WHERE lock IS NULL AND replica IS NOT NULL", 0},
	    {"SELECT sum(amount) FROM outputs WHERE lock = 'frozen' AND replica = 1", 4 + 50 + 20 + 3},
	    {"SELECT sum(amount) FROM outputs WHERE lock = 'release' AND spent_by IS NULL", 180},
	    {"SELECT sum(amount) FROM outputs WHERE spent_by IS NULL", 1940},
	    {"SELECT count(*) FROM blocks WHERE target IS NOT NULL OR nonce IS NOT NULL", 0},
	};
	struct place *p = *state;
	struct bonds b = {0};
	struct ledger *l = open_ledger(p);

	bonds_tell(&p->rules, l, &b, BONDS_TIP);
	ledger_close(l);
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
		int64_t got = place_ask(p, questions[i].sql);
		if (got != questions[i].want)
			fail_msg("%s: %lld instead of %lld", questions[i].sql, (long long)got,
			         (long long)questions[i].want);
	}
}

/* ---- readers --------------------------------------------------------------------------- */

/* At every height a reader finds in the rows what the state keeps in memory, then and later. */
static void a_reader_tells_the_stakes_that_the_state_has(void **state)
{
	struct place *p = *state;
	struct bonds b = {0};
	struct err err = {0};
	struct ledger *l = open_ledger(p);
	const struct qstaking *st = state_staking(ledger_state(l));
	struct ledger_stakes s;
	struct schedule made;

	commit(l);
	struct reader *r = open_reader(p);
	for (uint64_t h = 0; h <= BONDS_TIP; h++) {
		bonds_tell(&p->rules, l, &b, h);
		assert_int_equal(reader_stakes(r, &p->rules.g, qheight_of(h), &s, &err), FOUND);
		assert_int_equal(s.table_cnt, st->settled.settled_len);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(s.last[i].height.n, st->convicted.convicted_val[i].n);
		}
		for (unsigned t = 0; t < s.table_cnt; t++) {
			const struct qtable *table = &st->settled.settled_val[t];
			schedule_make(&p->rules.g, table, &made);
			assert_int_equal(s.tables[t].height.n, table->height.n);
			for (unsigned i = 0; i < 4; i++) {
				assert_int_equal(s.tables[t].of[i].own, table->stakes.stakes_val[i].own);
				assert_int_equal(s.tables[t].of[i].delegated,
				                 table->stakes.stakes_val[i].delegated);
				assert_int_equal(s.tables[t].of[i].turns, made.weight[i]);
			}
		}
		const struct qstake_rules *rules = stake_rules(&p->rules.g);
		assert_int_equal(s.tables[0].height.n, schedule_settled(rules, qheight_of(h + 1)).n);
		for (unsigned t = 0; t < s.table_cnt; t++)
			assert_int_equal(schedule_settled(rules, s.tables[t].first).n, s.tables[t].height.n);
	}
	assert_int_equal(s.last[1].kind, QCHECKPOINT);
	assert_int_equal(s.last[1].offence.n, 11);
	assert_int_equal(s.last[2].kind, QCOMMIT);
	assert_int_equal(s.last[2].view.n, 3);
	assert_int_equal(s.last[3].height.n, 0);
	struct tx_place place;
	assert_int_equal(reader_tx(r, &s.last[2].tx, &place, NULL, &err), FOUND);
	assert_int_equal(place.height.n, 12);
	assert_int_equal(place.position, 1);
	assert_int_equal(reader_stakes(r, &p->rules.g, qheight_of(11), &s, &err), FOUND);
	assert_int_equal(s.last[1].height.n, 5);
	assert_int_equal(s.last[2].height.n, 0);
	assert_int_equal(s.tables[1].height.n, 8);
	reader_close(r);
	ledger_close(l);
}

static void without_stake_there_is_nothing_to_tell(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct err err = {0};
	struct ledger_stakes s;

	commit(l);
	struct reader *r = open_reader(p);
	assert_int_equal(reader_stakes(r, &p->rules.g, qheight_of(0), &s, &err), NOT_FOUND);
	reader_close(r);
	ledger_close(l);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM stakes"), 0);
}

/* ---- what cannot be ------------------------------------------------------------------------ */

/* A ledger of 20 blocks of the story, edited, with constraints off as an operator can have them. */
static void tell_and_close(struct place *p)
{
	struct bonds b = {0};
	struct ledger *l = open_ledger(p);

	bonds_tell(&p->rules, l, &b, 20);
	ledger_close(l);
}

static void edit(const struct place *p, const char *sql)
{
	sqlite3 *db = place_sqlite(p);

	sqlite_do(db, "PRAGMA ignore_check_constraints = ON");
	sqlite_do(db, sql);
	sqlite3_close(db);
}

static void assert_refused(struct place *p, const char *sql, const char *said)
{
	struct err err = {0};

	edit(p, sql);
	struct ledger *l = ledger_open(p->path, &p->rules.g, NULL, &err);
	if (l)
		fail_msg("opened after: %s", sql);
	assert_int_equal(err.kind, ERR_WORLD);
	if (!strstr(err.text, said) || !strstr(err.text, "run quorate audit"))
		fail_msg("%s: '%s' is not in: %s", sql, said, err.text);
}

static void refuses_edited_stake(void **state)
{
	static const struct {
		const char *sql, *said;
	} edits[] = {
	    {"UPDATE outputs SET lock = 'thawed' WHERE lock = 'frozen'", "locked in a way that cannot be"},
	    {"UPDATE outputs SET replica = 4 WHERE lock = 'frozen'", "locked in a way that cannot be"},
	    {"UPDATE outputs SET replica = -1 WHERE lock = 'stake'", "locked in a way that cannot be"},
	    {"UPDATE outputs SET replica = NULL WHERE lock = 'stake'", "replica is no integer"},
	    {"UPDATE outputs SET lock = NULL WHERE lock = 'stake'", "lock is no text"},
	    {"UPDATE transactions SET height = 21 WHERE seq = (SELECT max(tx) FROM outputs)", "height"},
	    {"UPDATE transactions SET height = -1 WHERE seq = 0", "height"},
	    {"UPDATE convictions SET replica = 4 WHERE height = 5", "conviction of replica 4 at height 5"},
	    {"UPDATE convictions SET replica = -1 WHERE height = 5", "conviction of replica -1"},
	    {"UPDATE convictions SET height = 6 WHERE height = 5", "conviction of replica 1 at height 6"},
	    {"UPDATE convictions SET height = 21 WHERE height = 12", "at height 21 cannot be"},
	    {"UPDATE convictions SET height = 0 WHERE height = 5", "at height 0 cannot be"},
	    {"UPDATE convictions SET height = 0, tx = 0 WHERE height = 5", "at height 0 cannot be"},
	    {"UPDATE convictions SET height = -1 WHERE height = 5", "at height -1 cannot be"},
	    {"UPDATE convictions SET tx = 9 WHERE height = 5", "at height 5 cannot be"},
	    {"UPDATE convictions SET tx = 1000 WHERE height = 5", "at height 5 cannot be"},
	    {"DELETE FROM stakes WHERE height = 8 AND replica = 3", "11 rows; must be 12"},
	    {"INSERT INTO stakes VALUES (16, 4, 0, 0, 0, 25)", "13 rows; must be 12"},
	    {"DELETE FROM stakes WHERE height = 8 AND replica = 3; INSERT INTO stakes VALUES (16, 4, 0, 0, "
	     "0, 25)",
	     "table of height 8 has too few rows"},
	    {"DELETE FROM stakes WHERE height = 0 AND replica = 3; INSERT INTO stakes VALUES (16, 4, 0, 0, "
	     "0, 25)",
	     "table of height 16 has too many rows"},
	    {"UPDATE stakes SET replica = 5 WHERE height = 8 AND replica = 3", "height 8 cannot be: row 3"},
	    {"UPDATE stakes SET own = -1 WHERE height = 16 AND replica = 0", "height 16 cannot be: row 0"},
	    {"UPDATE stakes SET own = 1941 WHERE height = 16 AND replica = 0", "height 16 cannot be: row 0"},
	    {"UPDATE stakes SET delegated = 1841 WHERE height = 16 AND replica = 0",
	     "height 16 cannot be: row 0"},
	    {"UPDATE stakes SET own = 1500 WHERE height = 16 AND replica IN (0, 3)",
	     "height 16 cannot be: row 3"},
	    {"UPDATE stakes SET turns = -1 WHERE height = 16 AND replica = 0", "height 16 cannot be: row 0"},
	    {"UPDATE stakes SET turns = 128 WHERE height = 16 AND replica = 0", "height 16 cannot be: row 0"},
	    {"UPDATE stakes SET first_height = 24 WHERE height = 16 AND replica = 2", "16 cannot be: row 2"},
	    {"UPDATE stakes SET turns = turns + 1 WHERE height = 16 AND replica = 0",
	     "do not give replica 0"},
	    {"UPDATE stakes SET own = 0, delegated = 99 WHERE height = 8 AND replica = 0", "do not give"},
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		place_remove(p);
		tell_and_close(p);
		assert_refused(p, edits[i].sql, edits[i].said);
	}
}

/* Where the newest table is of the tip itself, what is staked must be what it says. */
static void refuses_a_table_of_the_tip_that_is_not_what_is_staked(void **state)
{
	static const char *const edits[] = {"own = own + 1", "delegated = delegated + 1",
	                                    "own = delegated, delegated = own"};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		struct bonds b = {0};
		char sql[128];
		place_remove(p);
		struct ledger *l = open_ledger(p);
		bonds_tell(&p->rules, l, &b, 16);
		ledger_close(l);
		snprintf(sql, sizeof sql, "UPDATE stakes SET %s WHERE height = 16 AND replica = 0", edits[i]);
		assert_refused(p, sql, "table of height 16 is not what was staked for replica 0");
	}
}

static void refuses_locks_and_tables_on_a_chain_without_stake(void **state)
{
	static const struct {
		const char *sql, *said;
	} edits[] = {
	    {"UPDATE outputs SET lock = 'stake', replica = 0 WHERE spent_by IS NULL", "locked in a way"},
	    {"INSERT INTO convictions VALUES (1, 0, 1, 'commit', 0, 1)", "conviction of replica 0"},
	    {"INSERT INTO stakes VALUES (0, 0, 0, 0, 0, 1)", "1 rows; must be 0"},
	};
	struct place *p = *state;
	struct qtxid t[4];

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		place_remove(p);
		struct ledger *l = open_ledger(p);
		tell_story(&p->rules, l, t);
		commit(l);
		ledger_close(l);
		assert_refused(p, edits[i].sql, edits[i].said);
	}
}

static void readers_survive_what_cannot_be(void **state)
{
	static const char *const edits[] = {
	    "UPDATE outputs SET replica = 64 WHERE lock = 'stake'; UPDATE stakes SET own = -1",
	    "UPDATE outputs SET replica = NULL WHERE lock = 'stake'; UPDATE stakes SET turns = 1000",
	    "UPDATE convictions SET kind = 'yawn'; UPDATE outputs SET lock = NULL WHERE lock = 'stake'",
	    "UPDATE outputs SET amount = -1 WHERE lock = 'stake'",
	    "UPDATE outputs SET lock = 'thawed' WHERE lock IS NOT NULL",
	    "UPDATE outputs SET amount = 9223372036854775807 WHERE lock = 'stake'",
	};
	struct place *p = *state;
	struct ledger_stakes s;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		struct err err = {0};
		place_remove(p);
		tell_and_close(p);
		edit(p, edits[i]);
		struct reader *r = open_reader(p);
		enum found got = reader_stakes(r, &p->rules.g, qheight_of(20), &s, &err);
		assert_int_equal(got, i < 3 ? FOUND_ERROR : FOUND); /* an edit may go unnoticed here */
		assert_int_equal(err.text[0] != '\0', i < 3);
		reader_close(r);
	}
}

/* ---- seals ------------------------------------------------------------------------------------ */

static struct block *sealed_block(const struct rules *r, struct ledger *l, struct qtxid *purse,
                                  uint64_t took_ms)
{
	uint64_t h = ledger_height(l).n + 1;
	struct seal_parent below = ledger_seal_parent(l);
	struct qoutput out = to(2, 500);
	struct tx *tx =
	    spend(r, 2, h == 1 ? (struct qoutpoint){r->g.txid, 1} : (struct qoutpoint){*purse, 0}, &out, 1);
	struct qheader header = rules_header(h, *ledger_tip(l), tx->leaf, 1);

	*purse = tx->id;
	header.time_ms = below.time_ms + took_ms;
	seals_put(r, &below, &header);
	assert_true(seal_holds(&r->g, &header, &(struct qhash){{0}}));
	struct block *b = block_new(&header, &tx, 1);
	tx_unref(tx);
	return b;
}

static int sealed_setup(void **state)
{
	struct place *p;
	int rc = place_setup(state);

	p = *state;
	rules_teardown(&p->rules);
	seals_setup(&p->rules, 4, "sealed", 4, 10, 1000);
	return rc;
}

static void seals_come_back_and_the_next_target_with_them(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct seal_parent want, got = ledger_seal_parent(l);
	struct qtxid purse;

	seal_genesis(&p->rules.g, &want);
	assert_memory_equal(&got, &want, sizeof got);
	for (uint64_t h = 1; h <= 70; h++) { /* more than a start looks at */
		struct block *b = sealed_block(&p->rules, l, &purse, h % 3 == 0 ? 2500 : 300);
		struct qheader header = b->header;
		append(&p->rules, l, &b, 1);
		seal_extend(&want, &header);
		got = ledger_seal_parent(l);
		assert_memory_equal(&got, &want, sizeof got);
		commit(l);
		if (h < 5 || h > 62) {
			ledger_close(l);
			l = open_ledger(p);
			got = ledger_seal_parent(l);
			assert_memory_equal(&got, &want, sizeof got);
		}
		struct qtarget first = seal_target_of_bits(4);
		if (h <= 3) /* the third is the first that ancestors decide on */
			assert_int_equal(memcmp(&header.seal.qseal_u.pow.target, &first, 32) == 0, h < 3);
	}
	ledger_close(l);
	assert_int_equal(place_ask(p,
	                           "SELECT count(*) FROM blocks WHERE hash <= target AND length(target) = 32"
	                           " AND nonce >= 0"),
	                 70);
}

static void refuses_columns_of_a_seal_that_are_not_its_headers(void **state)
{
	static const char *const edits[] = {
	    "UPDATE blocks SET nonce = nonce + 1 WHERE height = 2",
	    "UPDATE blocks SET target = zeroblob(32) WHERE height = 2",
	    "UPDATE blocks SET target = x'00' WHERE height = 2",
	    "UPDATE blocks SET target = NULL, nonce = NULL WHERE height = 2",
	    "UPDATE blocks SET target = NULL WHERE height = 2",
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		struct qtxid purse;
		place_remove(p);
		struct ledger *l = open_ledger(p);
		for (int h = 1; h <= 3; h++) {
			struct block *b = sealed_block(&p->rules, l, &purse, 300);
			append(&p->rules, l, &b, 1);
		}
		commit(l);
		ledger_close(l);
		assert_refused(p, edits[i], "block 2: target or nonce are not its header's");
	}
}

static void refuses_a_seal_where_there_are_none(void **state)
{
	struct place *p = *state;
	struct qtxid t[4];
	struct ledger *l = open_ledger(p);

	tell_story(&p->rules, l, t);
	commit(l);
	ledger_close(l);
	assert_refused(p, "UPDATE blocks SET target = zeroblob(32), nonce = 0 WHERE height = 2",
	               "block 2: target or nonce are not its header's");
}

#define BONDED(test) cmocka_unit_test_setup_teardown(test, bonds_setup, place_teardown)
#define PLAIN(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
#define SEALED(test) cmocka_unit_test_setup_teardown(test, sealed_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BONDED(reopening_at_any_height_gives_the_same_state),
	    BONDED(what_was_never_closed_equals_what_was_reopened),
	    BONDED(the_digest_of_a_past_height_is_what_it_was),
	    BONDED(the_tables_say_it_to_whoever_asks),
	    BONDED(a_reader_tells_the_stakes_that_the_state_has),
	    PLAIN(without_stake_there_is_nothing_to_tell),
	    BONDED(refuses_edited_stake),
	    BONDED(refuses_a_table_of_the_tip_that_is_not_what_is_staked),
	    PLAIN(refuses_locks_and_tables_on_a_chain_without_stake),
	    BONDED(readers_survive_what_cannot_be),
	    SEALED(seals_come_back_and_the_next_target_with_them),
	    SEALED(refuses_columns_of_a_seal_that_are_not_its_headers),
	    PLAIN(refuses_a_seal_where_there_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
