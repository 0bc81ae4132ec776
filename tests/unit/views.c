/*
 * The ledger's views: what people ask, answered by plain SELECTs on real ledgers: that of stakestory.h, and
 * small ones.
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
static void assert_rows_at(const struct place *p, const char *sql, const char *want)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	char text[2048] = "";
	size_t len = 0;

	assert_int_equal(sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
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

static void assert_rows(const struct fixture *f, const char *sql, const char *want)
{
	assert_rows_at(&f->honest, sql, want);
}

/* Addresses as the accounts' numbers; the query names them `owner`. */
static const char *with_names(char *sql, size_t cap, const char *columns, const char *from)
{
	static const uint8_t numbers[] = {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15};
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

/* ---- what was held, and how much there is ------------------------------------------------ */

static struct place *open_story(struct qtxid ids[4])
{
	void *place;

	place_setup(&place);
	struct place *p = place;
	struct ledger *l = open_ledger(p);
	tell_story(&p->rules, l, ids);
	commit(l);
	ledger_close(l);
	return p;
}

static void close_place(struct place *p)
{
	void *place = p;

	place_teardown(&place);
}

/* store.h's story: 3 got and spent its 600 within block 1. */
static void holdings_tell_what_an_address_held_at_a_height(void **state)
{
	(void)state;
	struct qtxid ids[4];
	struct place *p = open_story(ids);
	char sql[1024];

	assert_rows_at(
	    p,
	    with_names(sql, sizeof sql, "who, from_height, until_height, amount, outputs",
	               "holdings JOIN names USING (owner) ORDER BY who, from_height"),
	    "1 0 1 1000 1; 1 1 2 400 1; 1 2 - 0 0; 2 0 - 500 1; 4 1 - 600 1; 5 2 3 400 1; 5 3 - 250 1; "
	    "6 3 - 150 1");
	assert_rows_at(p,
	               with_names(sql, sizeof sql, "who, amount",
	                          "holdings JOIN names USING (owner) WHERE from_height <= 2 AND "
	                          "ifnull(until_height > 2, 1) ORDER BY who"),
	               "1 0; 2 500; 4 600; 5 400");
	close_place(p);
}

/* At every height, for every address: as the coins of then add up. */
static void holdings_add_up_to_the_coins(void **state)
{
	const struct fixture *f = *state;

	assert_rows(
	    f,
	    "WITH said AS (SELECT b.height, h.owner, h.amount, h.outputs FROM blocks b JOIN holdings h "
	    "  ON h.from_height <= b.height AND ifnull(h.until_height > b.height, 1) WHERE h.outputs > 0), "
	    "counted AS (SELECT b.height, c.owner, sum(c.amount), count(*) FROM blocks b JOIN coins c "
	    "  ON c.made_at <= b.height AND ifnull(c.spent_at > b.height, 1) GROUP BY b.height, c.owner) "
	    "SELECT (SELECT count(*) FROM said), (SELECT count(*) FROM (SELECT * FROM said EXCEPT "
	    "SELECT * FROM counted)), (SELECT count(*) FROM (SELECT * FROM counted EXCEPT SELECT * FROM "
	    "said))",
	    "320 0 0");
}

static void the_supply_is_the_same_at_each_height(void **state)
{
	const struct fixture *f = *state;
	struct qtxid ids[4];
	struct place *p = open_story(ids);

	assert_rows(f, "SELECT count(*), min(height), max(height), min(amount), max(amount) FROM supply",
	            "41 0 40 2665 2665");
	assert_rows_at(p, "SELECT * FROM supply ORDER BY height", "0 2 1500; 1 3 1500; 2 3 1500; 3 4 1500");
	place_edit(
	    p,
	    "INSERT INTO blocks SELECT 4, zeroblob(32), hash, merkle_root, 0, 5, 0, time_ms, 4, NULL, NULL, "
	    "x'' FROM blocks WHERE height = 3");
	assert_rows_at(p, "SELECT * FROM supply WHERE height = 4", "4 4 1500"); /* an empty block */
	place_edit(p, "UPDATE outputs SET amount = amount + 1 WHERE tx = 2");
	assert_rows_at(p, "SELECT height FROM supply WHERE amount <> 1500", "1; 2; 3; 4");
	close_place(p);
}

/* An amount as great as can be, passed on many times within one block: no sum leaves SQLite's integers. */
static void great_amounts_do_not_overflow(void **state)
{
	(void)state;
	void *place;
	struct err err = {0};
	struct tx *txs[5];

	place_setup(&place);
	struct place *p = place;
	p->rules.g.g.allocations.allocations_val[0].amount = INT64_MAX - 500;
	assert_true(genesis_finish(&p->rules.g, &err));
	struct ledger *l = open_ledger(p);
	struct qoutpoint at = {p->rules.g.txid, 0};
	for (int i = 0; i < 5; i++) {
		struct qoutput pass = to(1, INT64_MAX - 500);
		txs[i] = spend(&p->rules, 1, at, &pass, 1);
		at = output_of(txs[i], 0);
	}
	struct block *b = make_block(1, p->rules.g.chain, txs, 5);
	append(&p->rules, l, &b, 1);
	commit(l);
	ledger_close(l);
	assert_rows_at(p, "SELECT amount FROM holdings WHERE amount > 500",
	               "9223372036854775307; 9223372036854775307");
	assert_rows_at(p, "SELECT amount FROM supply", "9223372036854775807; 9223372036854775807");
	place_teardown(&place);
}

/* ---- who signed, who proposed -------------------------------------------------------------- */

/* Blocks 1 to 3, each with a certificate of its own by the replicas of its mask. */
static struct place *open_signed(const unsigned masks[3])
{
	void *place;
	struct chain c = {0};

	place_setup(&place);
	struct place *p = place;
	struct ledger *l = open_ledger(p);
	for (unsigned h = 1; h <= 3; h++) {
		struct block *b = pass_on(&p->rules, &c, h);
		struct qheader q = b->header;
		q.proposer = h == 2 ? 3 : 1;
		c.blocks[h] = with_header(b, &q);
		struct qvote vote = {.height = {h}, .block = c.blocks[h]->hash};
		append_run(l, &c, h, h, rules_cert(&p->rules, QCOMMIT, &vote, masks[h - 1]));
	}
	commit(l);
	ledger_close(l);
	free_chain(&c);
	return p;
}

static void signers_are_named_and_so_is_who_never_signs(void **state)
{
	const struct fixture *f = *state;
	struct place *p = open_signed((const unsigned[]){7, 15, 6 + 8});

	assert_rows_at(p, "SELECT name, certified_by FROM signed_by WHERE height = 1",
	               "replica-0 1; replica-1 1; replica-2 1");
	assert_rows_at(p, "SELECT replica FROM signed_by WHERE height = 3", "1; 2; 3");
	assert_rows_at(p, "SELECT * FROM signer_activity",
	               "0 replica-0 2 3 1 2 3; 1 replica-1 3 3 1 3 -; 2 replica-2 3 3 1 3 -; "
	               "3 replica-3 2 3 2 3 -");
	close_place(p);
	p = open_signed((const unsigned[]){7, 7, 7});
	assert_rows_at(p, "SELECT * FROM signer_activity WHERE signed < certificates",
	               "3 replica-3 0 3 - - 1");
	close_place(p);
	/* runs: one certificate for many blocks */
	assert_rows(f, "SELECT name FROM signed_by WHERE height = 17", "replica-1; replica-2; replica-3");
	assert_rows(f, "SELECT replica, signed, certificates, silent_since FROM signer_activity",
	            "0 0 13 1; 1 13 13 -; 2 13 13 -; 3 13 13 -");
}

static void proposers_have_their_shares_on_every_kind_of_chain(void **state)
{
	const struct fixture *f = *state;
	struct place *p = open_signed((const unsigned[]){7, 7, 7});
	char want[256];
	size_t len = 0;

	assert_rows_at(
	    p, "SELECT replica, name, blocks, round(share, 4), last_height FROM proposers",
	    "0 replica-0 0 0.0 -; 1 replica-1 2 0.6667 3; 2 replica-2 0 0.0 -; 3 replica-3 1 0.3333 2");
	close_place(p);
	for (unsigned i = 0; i < 4; i++) {
		unsigned had = 0, last = 0;
		for (unsigned h = 1; h <= STORY_HEIGHT; h++)
			if (f->chain.blocks[h]->header.proposer == i)
				had++, last = h;
		len += (size_t)snprintf(want + len, sizeof want - len, "%s%u %u %.3f %u", i ? "; " : "", i,
		                        had, had / (double)STORY_HEIGHT, last);
	}
	assert_rows(f, "SELECT replica, blocks, printf('%.3f', share), last_height FROM proposers", want);
	/* nobody has, on a chain without blocks */
	void *place;
	place_setup(&place);
	p = place;
	ledger_close(open_ledger(p));
	assert_rows_at(p, "SELECT replica, blocks, share FROM proposers", "0 0 -; 1 0 -; 2 0 -; 3 0 -");
	place_teardown(&place);
}

static void the_quorum_is_the_genesis(void **state)
{
	static const unsigned sizes[] = {1, 4, 5, 6, 7, 10, 63, 64};
	(void)state;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char want[32];
		void *place;
		place_setup(&place);
		struct place *p = place;
		rules_teardown(&p->rules);
		rules_setup(&p->rules, sizes[i], "sized");
		ledger_close(open_ledger(p));
		snprintf(want, sizeof want, "%u %u %u", p->rules.g.n, p->rules.g.f, p->rules.g.quorum);
		assert_rows_at(p, "SELECT * FROM quorum", want);
		place_teardown(&place);
	}
}

static void blocks_without_a_whole_certificate_are_shown(void **state)
{
	static const struct {
		const char *sql, *want;
	} edits[] = {
	    {"DELETE FROM certificates WHERE height = 3",
	     "2 3 3 - 3 no certificate; 3 3 3 - 3 no certificate"},
	    {"UPDATE blocks SET certified_by = 9 WHERE height = 1", "1 9 0 - 3 no certificate"},
	    {"DELETE FROM signers WHERE height = 1 AND replica = 0", "1 1 2 3 3 fewer signers than a quorum"},
	    {"DELETE FROM signers WHERE height = 1 AND replica = 0; "
	     "UPDATE certificates SET certificate = substr(certificate, 1, 88 + 2 * 68) WHERE height = 1",
	     "1 1 2 2 3 fewer signers than a quorum"},
	    {"INSERT INTO signers VALUES (1, 3, zeroblob(64))",
	     "1 1 4 3 3 not as many signers as it contains"},
	    {"UPDATE certificates SET certificate = substr(certificate, 1, 88 + 68) WHERE height = 1",
	     "1 1 3 1 3 not as many signers as it contains"},
	    {"UPDATE certificates SET block = zeroblob(32) WHERE height = 1", "1 1 3 3 3 of another block"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		struct qtxid ids[4];
		struct place *p = open_story(ids);
		assert_rows_at(p, "SELECT * FROM incomplete_certificates", "");
		place_edit(p, edits[i].sql);
		assert_rows_at(p, "SELECT * FROM incomplete_certificates ORDER BY height", edits[i].want);
		close_place(p);
	}
}

/* ---- evidence -------------------------------------------------------------------------------- */

static struct qjournal conflict_by(const struct rules *r, unsigned who)
{
	struct qmessage a = {.kind = QCOMMIT, .qmessage_u.vote = {.view = {1}, .height = {7}}}, b = a;
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_CONFLICT};

	b.qmessage_u.vote.block = rules_hash(2);
	j.qjournal_u.evidence.qevidence_u.conflict =
	    (struct qconflict){envelope(r, who, &a), envelope(r, who, &b)};
	return j;
}

/* Commits of different views: who lied, this alone does not say. */
static struct qjournal nameless_fork(const struct rules *r)
{
	struct qvote a = {.height = {99}, .block = rules_hash(1)}, b = a;
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_FORK};

	b.view.n = 4;
	b.block = rules_hash(2);
	j.qjournal_u.evidence.qevidence_u.fork = (struct qfork){
	    .first.cert = rules_cert(r, QCOMMIT, &a, 7), .second.cert = rules_cert(r, QCOMMIT, &b, 14)};
	return j;
}

static struct qjournal double_spend(const struct tx *winner, const struct tx *loser)
{
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_DOUBLE_SPEND};
	struct qdouble_spend *d = &j.qjournal_u.evidence.qevidence_u.double_spend;

	d->winner.qtx_bytes_val = xmemdup(winner->raw, winner->raw_len);
	d->winner.qtx_bytes_len = (unsigned)winner->raw_len;
	d->loser.qtx_bytes_val = xmemdup(loser->raw, loser->raw_len);
	d->loser.qtx_bytes_len = (unsigned)loser->raw_len;
	return j;
}

static void evidence_names_culprits_and_what_they_tried(void **state)
{
	(void)state;
	void *place;
	char sql[1024], want[512], hex[3][QHASH_HEX];

	place_setup(&place);
	struct place *p = place;
	const struct rules *r = &p->rules;
	struct ledger *l = open_ledger(p);
	struct qoutput to_3 = to(3, 1000), to_4 = to(4, 1000), to_5 = to(5, 500), to_6 = to(6, 500);
	struct tx *won = spend(r, 1, (struct qoutpoint){r->g.txid, 0}, &to_3, 1);
	struct tx *lost = spend(r, 1, (struct qoutpoint){r->g.txid, 0}, &to_4, 1);
	struct tx *one = spend(r, 2, (struct qoutpoint){r->g.txid, 1}, &to_5, 1);
	struct tx *other = spend(r, 2, (struct qoutpoint){r->g.txid, 1}, &to_6, 1);
	struct block *b = make_block(1, r->g.chain, (struct tx *[]){tx_ref(won)}, 1);
	append(r, l, &b, 1);
	journal(l, conflict_by(r, 2));
	journal(l, double_spend(won, lost));
	journal(l, nameless_fork(r));
	journal(l, double_spend(one, other)); /* seen before either is final */
	journal(l, conflict_by(r, 3));
	journal(l, double_spend(lost, won)); /* this node saw the loser first */
	commit(l);
	ledger_close(l);

	assert_rows_at(p,
	               "SELECT seq, replica, name, kind, statement, view, height FROM offenders ORDER BY seq",
	               "1 2 replica-2 conflict commit 1 7; 3 - - fork commit 0 99; "
	               "5 3 replica-3 conflict commit 1 7");
	assert_rows_at(
	    p,
	    with_names(sql, sizeof sql, "seq, who, owner = signer, amount, output_position, height, time",
	               "double_spend_attempts JOIN names USING (owner) ORDER BY seq"),
	    "2 1 1 1000 0 1 2023-11-14 22:13:20; 4 2 1 500 1 - -; 6 1 1 1000 0 1 2023-11-14 22:13:20");
	hex_encode(hex[0], won->id.b, 32);
	hex_encode(hex[1], lost->id.b, 32);
	hex_encode(hex[2], r->g.txid.b, 32);
	snprintf(want, sizeof want, "%s %s %s; %s %s %s", hex[0], hex[1], hex[2], hex[0], hex[1], hex[2]);
	assert_rows_at(p,
	               "SELECT lower(hex(winner)), lower(hex(loser)), lower(hex(output_tx)) "
	               "FROM double_spend_attempts WHERE seq IN (2, 6) ORDER BY seq",
	               want);
	tx_unref(won);
	tx_unref(lost);
	tx_unref(one);
	tx_unref(other);
	place_teardown(&place);
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void every_view_answers(void **state)
{
	const struct fixture *f = *state;
	sqlite3 *db;
	sqlite3_stmt *list, *all;
	unsigned cnt = 0;

	assert_int_equal(sqlite3_open_v2(f->honest.path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db,
	                       "SELECT printf('SELECT * FROM %s', name), name FROM sqlite_schema "
	                       "WHERE type = 'view'",
	                       -1, &list, NULL),
	    SQLITE_OK);
	for (; sqlite3_step(list) == SQLITE_ROW; cnt++) {
		const char *sql = (const char *)sqlite3_column_text(list, 0);
		int rc;
		if (sqlite3_prepare_v2(db, sql, -1, &all, NULL) != SQLITE_OK)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		while ((rc = sqlite3_step(all)) == SQLITE_ROW)
			;
		assert_int_equal(rc, SQLITE_DONE);
		sqlite3_finalize(all);
	}
	assert_true(cnt >= 18);
	sqlite3_finalize(list);
	sqlite3_close(db);
}

/* What must not take longer the longer the chain is, and what at most one pass over a table may answer. */
static void questions_use_the_indexes(void **state)
{
	static const struct {
		const char *sql, *has, *lacks;
	} plans[] = {
	    {"SELECT name FROM signed_by WHERE height = 17", "SEARCH s USING PRIMARY KEY (height=?)", "SCAN"},
	    {"SELECT amount FROM balances WHERE owner = x'00'", "SCAN outputs", "TEMP B-TREE"},
	    {"SELECT * FROM transactions WHERE txid = x'00'", "USING INDEX transactions_txid", "SCAN"},
	    {"SELECT * FROM coins WHERE txid = x'00'", "SEARCH o USING PRIMARY KEY (tx=?)", "SCAN"},
	    {"SELECT * FROM spends WHERE spent_by = x'00'", "SEARCH i USING PRIMARY KEY (tx=?)", "SCAN"},
	    {"SELECT * FROM double_spend_attempts WHERE winner = x'00'", "USING INDEX evidence_first",
	     "SCAN"},
	    {"SELECT * FROM double_spend_attempts WHERE loser = x'00'", "USING INDEX evidence_second",
	     "SCAN"},
	    {"SELECT * FROM incomplete_certificates WHERE height = 17", "SEARCH b USING INTEGER PRIMARY KEY",
	     "SCAN b"},
	    {"SELECT * FROM incomplete_certificates", "SEARCH s USING PRIMARY KEY (height=?)", "SCAN s"},
	    /* the owner comes first: who is not asked for costs no look into transactions */
	    {"SELECT amount FROM holdings WHERE owner = x'00'", "SCAN o", "SCAN m\n"},
	    {"SELECT sum(amount) FROM coins WHERE owner = x'00'", "SCAN o", "SCAN m\n"},
	    {"SELECT * FROM supply", "SEARCH m USING INTEGER PRIMARY KEY", "SCAN m\n"},
	};
	const struct fixture *f = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->honest.path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
		char sql[256], plan[4096] = "";
		sqlite3_stmt *stmt;
		size_t len = 0;
		snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", plans[i].sql);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW && len < sizeof plan)
			len += (size_t)snprintf(plan + len, sizeof plan - len, "%s\n",
			                        (const char *)sqlite3_column_text(stmt, 3));
		sqlite3_finalize(stmt);
		if (!strstr(plan, plans[i].has) || strstr(plan, plans[i].lacks))
			fail_msg("%s:\n%s", plans[i].sql, plan);
	}
	sqlite3_close(db);
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
	    cmocka_unit_test(holdings_tell_what_an_address_held_at_a_height),
	    cmocka_unit_test(holdings_add_up_to_the_coins),
	    cmocka_unit_test(the_supply_is_the_same_at_each_height),
	    cmocka_unit_test(great_amounts_do_not_overflow),
	    cmocka_unit_test(signers_are_named_and_so_is_who_never_signs),
	    cmocka_unit_test(proposers_have_their_shares_on_every_kind_of_chain),
	    cmocka_unit_test(the_quorum_is_the_genesis),
	    cmocka_unit_test(blocks_without_a_whole_certificate_are_shown),
	    cmocka_unit_test(evidence_names_culprits_and_what_they_tried),
	    cmocka_unit_test(every_view_answers),
	    cmocka_unit_test(questions_use_the_indexes),
	};

	return cmocka_run_group_tests_name("views", tests, make_fixture, drop_fixture);
}
