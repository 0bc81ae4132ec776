/*
 * The ledger's writer: what is appended comes back, what is wrong with a file is said, and no error of the
 * disk loses or half-writes anything.
 *
 * Links: q_ledger
 */
#include "store.h"

#include <signal.h>
#include <sys/resource.h>

#include "faultvfs.h"
#include "hash.h"
#include "ledger_impl.h"

static struct qhash digest_of(struct ledger *l)
{
	struct qhash d;

	state_digest(ledger_state(l), &d);
	return d;
}

static void a_fresh_ledger_holds_the_genesis(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qcert cert;
	struct err err;

	assert_int_equal(ledger_height(l).n, 0);
	assert_true(qhash_eq(ledger_tip(l), &p->rules.g.chain));
	assert_int_equal(ledger_seal_parent(l).time_ms, p->rules.g.g.time_ms);
	assert_int_equal(ledger_tx_count(l), 0);
	assert_int_equal(state_count(ledger_state(l)), 2);
	assert_int_equal(state_value(ledger_state(l)), 1500);
	assert_false(ledger_tip_cert(l, &cert, &err));
	assert_int_equal(err.kind, ERR_NONE);
	assert_false(ledger_stable_cert(l, &cert, &err));
	assert_int_equal(err.kind, ERR_NONE);
	ledger_close(l);
}

static void reopening_gives_the_same_state(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qtxid t[4];
	struct qcert cert;
	struct err err;

	tell_story(&p->rules, l, t);
	struct qhash before = digest_of(l), tip = *ledger_tip(l);
	commit(l);
	ledger_close(l);

	l = open_ledger(p);
	struct qhash after = digest_of(l);
	assert_true(qhash_eq(&before, &after));
	assert_true(qhash_eq(&tip, ledger_tip(l)));
	assert_int_equal(ledger_height(l).n, 3);
	assert_int_equal(ledger_tx_count(l), 4);
	assert_int_equal(ledger_seal_parent(l).time_ms, 1700000000003);
	assert_int_equal(state_count(ledger_state(l)), 4);
	assert_true(ledger_tip_cert(l, &cert, &err));
	assert_true(cert_verify(&p->rules.g, &cert, NULL));
	assert_true(qhash_eq(&cert.vote.block, &tip));
	wire_free(WIRE(qcert), &cert);
	ledger_close(l);
}

static void rows_name_what_spent_what(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qtxid t[4];

	tell_story(&p->rules, l, t);
	commit(l);
	ledger_close(l);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM double_spent"), 0);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM spends"), 4);
	assert_int_equal(place_ask(p, "SELECT sum(amount) FROM balances"), 1500);
	/* The output that was made and spent in one block. */
	assert_int_equal(place_ask(p, "SELECT spent_by FROM outputs WHERE tx = 1 AND position = 0"), 2);
	assert_int_equal(
	    place_ask(p, "SELECT made_at * 10 + spent_at FROM coins WHERE amount = 400 AND made_at = 1"), 12);
	/* Heights 2 and 3 are both made final by the certificate of 3. */
	assert_int_equal(place_ask(p, "SELECT group_concat(certified_by, '') FROM blocks"), 133);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM signed_by WHERE height = 2"), 3);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM certificates"), 2);
}

/* A run over a checkpoint, which no certificate of its own ends. */
static void the_digest_of_a_checkpoint_within_a_run_is_told(void **state)
{
	enum { INTERVAL = 64, CNT = INTERVAL + 2 };
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct block *blocks[CNT];
	struct qhash digests[CNT] = {0}, checkpoint, hash, past;
	struct err err;

	assert_int_equal(p->rules.g.g.params.checkpoint_interval, INTERVAL);
	for (unsigned i = 0; i < CNT; i++) {
		struct qoutpoint in =
		    i ? output_of(blocks[i - 1]->txs[0], 0) : (struct qoutpoint){p->rules.g.txid, 0};
		struct qoutput out = to(1, 1000);
		struct tx *tx = spend(&p->rules, 1, in, &out, 1);
		blocks[i] = make_block(i + 1, i ? blocks[i - 1]->hash : p->rules.g.chain, &tx, 1);
	}
	for (unsigned i = 0; i < CNT; i++)
		block_ref(blocks[i]);
	checkpoint = blocks[INTERVAL - 1]->hash;
	assert_true(try_append(&p->rules, l, blocks, CNT, digests, &err));
	for (unsigned i = 0; i < CNT; i++) /* of others it would be work for nobody */
		assert_int_equal(!qhash_is_zero(&digests[i]), i + 1 == INTERVAL);
	ledger_close(l);

	l = open_ledger(p); /* nothing was committed */
	assert_int_equal(ledger_height(l).n, 0);
	append(&p->rules, l, blocks, INTERVAL);
	past = digest_of(l);
	assert_true(qhash_eq(&digests[INTERVAL - 1], &past));
	append(&p->rules, l, blocks + INTERVAL, CNT - INTERVAL);
	/* And can be told again, for a CHECKPOINT that a crash prevented. */
	assert_true(ledger_digest_at(l, qheight_of(INTERVAL), &hash, &past, &err));
	assert_true(qhash_eq(&past, &digests[INTERVAL - 1]));
	assert_true(qhash_eq(&hash, &checkpoint));
	ledger_close(l);
}

/* Of a ledger that holds little it says that all outputs are soon read. */
static void appends_after_an_operator_had_it_analyzed(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qtxid t[4];

	ledger_close(l);
	place_edit(p, "ANALYZE");
	l = open_ledger(p);
	tell_story(&p->rules, l, t);
	commit(l);
	ledger_close(l);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM sqlite_stat1"), 1);
	assert_int_equal(place_ask(p, "SELECT stat FROM sqlite_stat1 WHERE idx = 'transactions_txid'"),
	                 1000000);
}

static void what_is_not_committed_is_gone(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qhash before = digest_of(l);
	struct qtxid t[4];

	tell_story(&p->rules, l, t);
	ledger_close(l);
	l = open_ledger(p);
	struct qhash after = digest_of(l);
	assert_int_equal(ledger_height(l).n, 0);
	assert_true(qhash_eq(&before, &after));
	ledger_close(l);
}

/* ---- journal ---------------------------------------------------------------- */

static struct qjournal stable_at(const struct rules *r, uint64_t height)
{
	struct qvote vote = {
	    .height = {height}, .block = rules_hash(7), .state = rules_hash((uint8_t)height)};

	return (struct qjournal){
	    .kind = QJ_STABLE, .qjournal_u.stable = rules_cert(r, QCHECKPOINT, &vote, rules_quorum_mask(r))};
}

static void journal(struct ledger *l, const struct qjournal *entry)
{
	struct err err = {0};

	if (!ledger_journal(l, entry, &err))
		fail_msg("%s", err.text);
}

static void journal_entries_are_linked_and_the_newest_stable_is_found(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qjournal a = stable_at(&p->rules, 4), b = stable_at(&p->rules, 8);
	struct qjournal c = {.kind = QJ_NEW_VIEW, .qjournal_u.new_view = {.sender = 1}};
	struct qhash link = {{0}};
	struct qcert cert;
	struct err err;

	journal(l, &a);
	commit(l);
	journal(l, &b);
	journal(l, &c);
	commit(l);
	ledger_close(l);

	const struct qjournal *entries[] = {&a, &b, &c};
	sqlite3 *db = place_sqlite(p);
	sqlite3_stmt *stmt;
	sqlite3_prepare_v2(db, "SELECT entry, link FROM journal ORDER BY seq", -1, &stmt, NULL);
	for (size_t i = 0; i < 3; i++) {
		struct bytes bytes = rules_encode(WIRE(qjournal), entries[i]);
		struct span parts[] = {{link.b, 32}, {bytes.data, bytes.len}};
		hash_tagged("quorate/journal/v1", parts, 2, link.b);
		assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
		assert_int_equal(sqlite3_column_bytes(stmt, 0), bytes.len);
		assert_memory_equal(sqlite3_column_blob(stmt, 0), bytes.data, bytes.len);
		assert_memory_equal(sqlite3_column_blob(stmt, 1), link.b, 32);
		bytes_free(&bytes);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM new_views"), 1);
	assert_int_equal(place_ask(p, "SELECT value FROM meta WHERE key = 'journal_count'"), 3);

	l = open_ledger(p);
	assert_true(ledger_stable_cert(l, &cert, &err));
	assert_int_equal(cert.vote.height.n, 8);
	wire_free(WIRE(qcert), &cert);
	ledger_close(l);
	wire_free(WIRE(qjournal), &a);
	wire_free(WIRE(qjournal), &b);
}

/* ---- evidence ------------------------------------------------------------------ */

static struct qenvelope signed_by(const struct rules *r, unsigned sender, const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = r->g.chain, .sender = sender};

	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	rules_sign(r, sender, m, &env.sig);
	return env;
}

static struct qjournal evidence_of(qevidence_kind kind)
{
	return (struct qjournal){.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = kind};
}

/* Replica `who` made these two statements. */
static struct qjournal conflict_of(const struct rules *r, unsigned who, const struct qmessage *a,
                                   const struct qmessage *b)
{
	struct qjournal j = evidence_of(QEV_CONFLICT);

	j.qjournal_u.evidence.qevidence_u.conflict =
	    (struct qconflict){signed_by(r, who, a), signed_by(r, who, b)};
	return j;
}

static struct qjournal double_spend_of(const struct tx *winner, const struct tx *loser)
{
	struct qjournal j = evidence_of(QEV_DOUBLE_SPEND);
	struct qdouble_spend *d = &j.qjournal_u.evidence.qevidence_u.double_spend;

	d->winner.qtx_bytes_val = xmemdup(winner->raw, winner->raw_len);
	d->winner.qtx_bytes_len = (unsigned)winner->raw_len;
	d->loser.qtx_bytes_val = xmemdup(loser->raw, loser->raw_len);
	d->loser.qtx_bytes_len = (unsigned)loser->raw_len;
	return j;
}

static void keep(struct ledger *l, struct qjournal entry)
{
	journal(l, &entry);
	wire_free(WIRE(qjournal), &entry);
}

static void assert_text(const struct place *p, const char *sql, const char *want)
{
	sqlite3 *db = place_sqlite(p);
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), want);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* One of each kind, and what stands in their rows: first, second, signer and output by what they are of. */
static void evidence_has_rows_that_say_what_it_is_about(void **state)
{
	struct place *p = *state;
	const struct rules *r = &p->rules;
	struct ledger *l = open_ledger(p);
	struct qmessage commit_a = {.kind = QCOMMIT,
	                            .qmessage_u.vote = {.view = {2}, .height = {7}, .block = rules_hash(1)}};
	struct qmessage commit_b = commit_a;
	struct qmessage change_a = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {5}}};
	struct qcert tip = rules_cert(r, QCOMMIT, &commit_a.qmessage_u.vote, 7);
	struct qmessage change_b = change_a;
	struct qenvelope change = {.sender = 2};
	struct qmessage view_a = {.kind = QNEW_VIEW, .qmessage_u.new_view = {.view = {6}}};
	struct qmessage view_b = {.kind = QNEW_VIEW,
	                          .qmessage_u.new_view = {.view = {6}, .changes = {1, &change}}};
	struct qmessage proposal = {
	    .kind = QPRE_PREPARE,
	    .qmessage_u.proposal = {.view = {3}, .header = rules_header(9, rules_hash(4), rules_hash(5), 2)}};
	struct qvote a = {.view = {1}, .height = {99}, .block = rules_hash(1)}, b = a;
	struct qoutput to_3 = to(3, 1000), to_4 = to(4, 1000);
	struct tx *winner = spend(r, 1, (struct qoutpoint){r->g.txid, 0}, &to_3, 1);
	struct tx *loser = spend(r, 1, (struct qoutpoint){r->g.txid, 0}, &to_4, 1);
	struct qaddress owner = rules_address(1);
	char sql[512], hex[4][QHASH_HEX];
	struct qhash header;

	commit_b.qmessage_u.vote.block = rules_hash(2);
	change_b.qmessage_u.view_change.tip = (__typeof__(change_b.qmessage_u.view_change.tip)){1, &tip};
	b.block = rules_hash(2);
	keep(l, conflict_of(r, 3, &commit_a, &commit_b));
	keep(l, conflict_of(r, 1, &change_a, &change_b));
	keep(l, conflict_of(r, 2, &commit_a, &change_a)); /* which hides that it committed */
	struct qjournal bad = evidence_of(QEV_BAD_PROPOSAL);
	bad.qjournal_u.evidence.qevidence_u.proposal = signed_by(r, 2, &proposal);
	keep(l, bad);
	keep(l, double_spend_of(winner, loser));
	struct qjournal fork = evidence_of(QEV_FORK);
	fork.qjournal_u.evidence.qevidence_u.fork = (struct qfork){
	    .first.cert = rules_cert(r, QCOMMIT, &a, 7), .second.cert = rules_cert(r, QCOMMIT, &b, 14)};
	keep(l, fork);
	keep(l, stable_at(r, 4));
	struct qjournal nothing = evidence_of(QEV_BAD_PROPOSAL);
	nothing.qjournal_u.evidence.qevidence_u.proposal = signed_by(r, 2, &commit_a);
	keep(l, nothing); /* says nothing: an entry without rows */
	keep(l, conflict_of(r, 1, &view_a, &view_b));
	commit(l);
	ledger_close(l);

	assert_text(
	    p,
	    "SELECT group_concat(concat, '; ') FROM (SELECT seq || ' ' || kind || ' ' || "
	    "ifnull(statement, '-') || ' ' || ifnull(view, '-') || ' ' || ifnull(height, '-') AS concat "
	    "FROM evidence ORDER BY seq)",
	    "1 conflict commit 2 7; 2 conflict view_change 5 -; 3 conflict commit 2 7; "
	    "4 bad_proposal pre_prepare 3 9; 5 double_spend - - -; 6 fork commit 1 99; "
	    "9 conflict new_view 6 -");
	assert_text(p,
	            "SELECT group_concat(seq || ':' || replica) FROM (SELECT * FROM culprits ORDER BY seq, "
	            "replica)",
	            "1:3,2:1,3:2,4:2,6:1,6:2,9:1");
	snprintf(sql, sizeof sql,
	         "SELECT group_concat(seq) FROM evidence WHERE first = x'%s' AND second = x'%s'",
	         hex_encode(hex[0], rules_hash(1).b, 32), hex_encode(hex[1], rules_hash(2).b, 32));
	assert_text(p, sql, "1,6");
	block_hash(&proposal.qmessage_u.proposal.header, &header);
	snprintf(sql, sizeof sql, "SELECT seq FROM evidence WHERE first = x'%s' AND second IS NULL",
	         hex_encode(hex[0], header.b, 32));
	assert_text(p, sql, "4");
	snprintf(sql, sizeof sql,
	         "SELECT seq FROM evidence WHERE first = x'%s' AND second = x'%s' AND signer = x'%s' AND "
	         "output_tx = x'%s' AND output_position = 0",
	         hex_encode(hex[0], winner->id.b, 32), hex_encode(hex[1], loser->id.b, 32),
	         hex_encode(hex[2], owner.b, 20), hex_encode(hex[3], r->g.txid.b, 32));
	assert_text(p, sql, "5");
	assert_int_equal(place_ask(p, "SELECT count(signer) + count(output_tx) + count(output_position) FROM "
	                              "evidence"),
	                 3);
	ledger_close(open_ledger(p)); /* and a start finds all of it in order */
	wire_free(WIRE(qcert), &tip);
	tx_unref(winner);
	tx_unref(loser);
}

static void a_ledger_names_the_replicas_of_its_genesis(void **state)
{
	struct place *p = *state;
	char hex[QHASH_HEX], sql[160];

	ledger_close(open_ledger(p));
	assert_text(p, "SELECT group_concat(replica || ' ' || name) FROM replicas",
	            "0 replica-0,1 replica-1,2 replica-2,3 replica-3");
	snprintf(sql, sizeof sql, "SELECT replica FROM replicas WHERE key = x'%s' AND account IS NULL",
	         hex_encode(hex, p->rules.g.g.replicas.replicas_val[2].key.b, 32));
	assert_text(p, sql, "2");
}

/* A WAL that is checkpointed and begun again, by the writer or another connection, is no foreign change. */
static void checkpoints_do_not_disturb_the_writer(void **state)
{
	static const struct db_sql sql[] = {{"write", "INSERT INTO log VALUES (2, ?, 0, zeroblob(20000))"}};
	struct place *p = *state;
	struct err err = {0};
	struct stat st;
	struct db db;

	assert_true(db_open(&db, &db_votes, DB_WRITE, p->path, NULL, sql, 1, NULL, &err));
	assert_int_equal(sqlite3_wal_autocheckpoint(db.handle, 20), SQLITE_OK);
	for (uint64_t i = 0; i < 60; i++) {
		if (!db_begin(&db, &err) || !db_run(&db, 0, DB_ARGS(db_int(i)), &err) ||
		    !db_commit(&db, &err))
			fail_msg("%s", err.text);
		if (i > 30)
			place_edit(p, "PRAGMA wal_checkpoint(PASSIVE)");
	}
	assert_int_equal(stat(p->path, &st), 0);
	assert_true(st.st_size > 40 * 20000); /* the pages did leave the WAL */
	db_close(&db);
}

static off_t wal_size(const struct place *p)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof path, "%s-wal", p->path);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* Whoever reads for long keeps the WAL from being folded, but nobody from writing; the room is given back. */
static void a_wal_that_a_long_reader_made_grow_shrinks_again(void **state)
{
	static const struct db_sql sql[] = {{"write", "INSERT INTO log VALUES (2, ?, 0, zeroblob(?))"}};
	enum { BIG = 50000000, LIMIT = 48 << 20 };
	struct place *p = *state;
	struct err err = {0};
	struct db db;

	assert_true(db_open(&db, &db_votes, DB_WRITE, p->path, NULL, sql, 1, NULL, &err));
	assert_true(db_commit(&db, &err));
	sqlite3 *reader = place_sqlite(p);
	sqlite_do(reader, "BEGIN; SELECT count(*) FROM log");
	for (uint64_t i = 0; i < 6; i++) {
		if (i == 3) {
			assert_true(wal_size(p) > LIMIT);
			sqlite3_close(reader);
		}
		if (!db_begin(&db, &err) ||
		    !db_run(&db, 0, DB_ARGS(db_int(i), db_int(i < 3 ? BIG : 1)), &err) ||
		    !db_commit(&db, &err))
			fail_msg("%s", err.text);
	}
	assert_true(wal_size(p) <= LIMIT);
	db_close(&db);
}

/* ---- files that are not this chain's ledger ----------------------------------- */

static void assert_refused(const struct place *p, const struct genesis *g, enum err_kind kind, const char *a,
                           const char *b)
{
	struct err err = {0};
	struct ledger *l = ledger_open(p->path, g, NULL, &err);

	if (l)
		fail_msg("opened, though '%s' was to be expected", a);
	assert_int_equal(err.kind, kind);
	if (!strstr(err.text, a) || !strstr(err.text, b) || !strstr(err.text, p->path))
		fail_msg("'%s' and '%s' are not in: %s", a, b, err.text);
}

static void refuses_another_chain_and_names_both(void **state)
{
	struct place *p = *state;
	struct rules other;
	char ours[QHASH_HEX], theirs[QHASH_HEX];

	ledger_close(open_ledger(p));
	rules_setup(&other, 4, "another");
	assert_refused(p, &other.g, ERR_INPUT, hex_encode(ours, other.g.chain.b, 32),
	               hex_encode(theirs, p->rules.g.chain.b, 32));
	rules_teardown(&other);
}

static void refuses_a_newer_schema_and_an_older_one(void **state)
{
	struct place *p = *state;

	ledger_close(open_ledger(p));
	place_edit(p, "PRAGMA user_version = 5");
	assert_refused(p, &p->rules.g, ERR_INPUT, "schema 5", "newer quorate");
	place_edit(p, "PRAGMA user_version = 3");
	assert_refused(p, &p->rules.g, ERR_INPUT, "schema 3", "the quorate that wrote it");
}

static void refuses_what_is_no_database_or_not_ours_and_leaves_it_alone(void **state)
{
	struct place *p = *state;
	FILE *f = fopen(p->path, "w");

	for (int i = 0; i < 1000; i++)
		fputs("no database", f);
	fclose(f);
	assert_refused(p, &p->rules.g, ERR_WORLD, "not a database", "");

	unlink(p->path);
	place_edit(p, "CREATE TABLE cats (name TEXT); PRAGMA application_id = 9");
	assert_refused(p, &p->rules.g, ERR_INPUT, "not a quorate ledger", "");
	sqlite3 *db = place_sqlite(p);
	sqlite_do(db, "INSERT INTO cats VALUES ('Tom')");
	sqlite3_close(db);
	assert_int_equal(place_ask(p, "SELECT journal_mode = 'delete' FROM pragma_journal_mode"), 1);
}

static void refuses_a_ledger_locked_by_another_process(void **state)
{
	struct place *p = *state;
	struct qtxid t[4];

	ledger_close(open_ledger(p));
	sqlite3 *other = place_sqlite(p);
	sqlite_do(other, "BEGIN IMMEDIATE");
	assert_refused(p, &p->rules.g, ERR_WORLD, "locked by another process", "");
	sqlite_do(other, "ROLLBACK");

	struct ledger *l = open_ledger(p);
	sqlite_do(other, "BEGIN IMMEDIATE");
	struct qjournal e = stable_at(&p->rules, 4);
	struct err err = {0};
	assert_false(ledger_journal(l, &e, &err));
	assert_non_null(strstr(err.text, "locked by another process"));
	sqlite3_close(other);
	assert_false(ledger_journal(l, &e, &err)); /* failed for good */
	ledger_close(l);
	wire_free(WIRE(qjournal), &e);
	l = open_ledger(p);
	tell_story(&p->rules, l, t);
	ledger_close(l);
}

static void notices_when_another_process_writes(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qjournal e = stable_at(&p->rules, 4);
	struct err err = {0};

	place_edit(p, "UPDATE outputs SET owner = zeroblob(20) WHERE position = 0");
	assert_false(ledger_journal(l, &e, &err));
	assert_non_null(strstr(err.text, "changed by another process"));
	assert_false(ledger_commit(l, &err));
	ledger_close(l);
	wire_free(WIRE(qjournal), &e);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM journal"), 0);
}

/* What goes to the WAL is gathered (gather.h): a write that fails is told late, but by the commit. */
static void a_commit_whose_wal_cannot_be_written_fails(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct rlimit before, none;
	struct err err = {0};
	struct qtxid t[4];

	tell_story(&p->rules, l, t);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	bool ok = ledger_commit(l, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_false(ok);
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, "commit"));
	assert_false(ledger_commit(l, &err)); /* though the disk would have it now */
	ledger_close(l);
	l = open_ledger(p);
	assert_int_equal(ledger_height(l).n, 0);
	ledger_close(l);
}

/* As a node's reader and sqlite3 do, by the system's own VFS. */
static void what_is_committed_is_there_for_others_at_once(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qtxid t[4];

	tell_story(&p->rules, l, t);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM transactions"), 1);
	commit(l);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM transactions"), 5);
	assert_int_equal(
	    place_ask(p, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	ledger_close(l);
}

/* So a commit need not sync a new size; and what is there stays, also for one that comes to it later. */
static void a_wal_grows_before_it_is_needed(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qjournal e = stable_at(&p->rules, 4);
	struct qtxid t[4];

	tell_story(&p->rules, l, t);
	commit(l);
	off_t size = wal_size(p);
	for (int i = 0; i < 20; i++) {
		journal(l, &e);
		commit(l);
		assert_int_equal(wal_size(p), size);
	}
	/* A crash leaves both files as they are. */
	struct place left = *p;
	char command[600];
	snprintf(left.path, sizeof left.path, "%.60s/left", p->dir);
	snprintf(command, sizeof command, "cp %s %s && cp %s-wal %s-wal", p->path, left.path, p->path,
	         left.path);
	assert_int_equal(system(command), 0);
	ledger_close(l);
	l = open_ledger(&left);
	assert_int_equal(ledger_height(l).n, 3);
	journal(l, &e);
	commit(l);
	ledger_close(l);
	assert_int_equal(place_ask(&left, "SELECT count(*) FROM journal"), 21);
	wire_free(WIRE(qjournal), &e);
}

/* ---- a long ledger --------------------------------------------------------- */

struct coin {
	struct qoutpoint point;
	uint64_t amount;
};

/* CNT transactions of account 1, which split what it has as long as there is something to split. */
static void long_story(struct place *p)
{
	enum { BLOCK = 1000, BLOCKS = 5, CNT = BLOCK * BLOCKS };
	struct coin *coins = xcalloc(2 * CNT + 1, sizeof *coins), *spent = coins, *end = coins;
	struct ledger *l = open_ledger(p);

	*end++ = (struct coin){{p->rules.g.txid, 0}, 1000};
	for (unsigned h = 1; h <= BLOCKS; h++) {
		struct tx *txs[BLOCK];
		for (unsigned i = 0; i < BLOCK; i++, spent++) {
			uint64_t some = spent->amount - spent->amount / 2;
			struct qoutput outs[] = {to(1, some), to(1, spent->amount / 2)};
			unsigned cnt = spent->amount > 1 ? 2 : 1;
			txs[i] = spend(&p->rules, 1, spent->point, outs, cnt);
			for (unsigned k = 0; k < cnt; k++)
				*end++ = (struct coin){output_of(txs[i], k), outs[k].amount};
		}
		struct block *b = make_block(h, *ledger_tip(l), txs, BLOCK);
		append(&p->rules, l, &b, 1);
	}
	commit(l);
	assert_int_equal(state_count(ledger_state(l)), 1001);
	ledger_close(l);
	free(coins);
}

static void a_long_ledger_comes_back_as_it_was(void **state)
{
	struct place *p = *state;
	struct err err;

	long_story(p);
	struct ledger *by_threads = open_ledger(p);
	struct qhash digest = digest_of(by_threads);
	ledger_close(by_threads);

	struct ledger *alone =
	    ledger_open(p->path, &p->rules.g, "unix", &err); /* asks for a VFS: so none but one */
	struct qhash want = digest_of(alone);
	assert_int_equal(state_count(ledger_state(alone)), 1001);
	ledger_close(alone);
	assert_true(qhash_eq(&digest, &want));
}

static void says_what_a_thread_found_in_a_long_ledger(void **state)
{
	struct place *p = *state;

	long_story(p);
	place_edit(p, "PRAGMA ignore_check_constraints = ON; UPDATE outputs SET amount = -7"
	              " WHERE tx = (SELECT max(tx) FROM outputs WHERE spent_by IS NULL)");
	assert_refused(p, &p->rules.g, ERR_WORLD, "cannot be: position, amount or height",
	               "run quorate audit");
	place_edit(p, "PRAGMA ignore_check_constraints = ON; UPDATE outputs SET amount = 777"
	              " WHERE tx = (SELECT max(tx) FROM outputs WHERE spent_by IS NULL)");
	assert_refused(p, &p->rules.g, ERR_WORLD, "cannot be: position, amount or height",
	               "run quorate audit");
	place_edit(
	    p, "UPDATE outputs SET amount = 1, owner = x'77' WHERE tx = (SELECT max(tx) FROM outputs WHERE "
	       "spent_by IS NULL)");
	assert_refused(p, &p->rules.g, ERR_WORLD, "has 1 bytes instead of 20", "run quorate audit");
}

/* ---- damage ------------------------------------------------------------------- */

static void refuses_an_edited_ledger_and_advises_an_audit(void **state)
{
	static const struct {
		const char *sql, *said;
	} edits[] = {
	    {"UPDATE outputs SET amount = amount + 1 WHERE tx = 2", "cannot be"},
	    {"UPDATE outputs SET amount = amount - 1 WHERE tx = 2", "add up to 1499"},
	    {"UPDATE outputs SET spent_by = NULL WHERE tx = 0 AND position = 0", "cannot be"},
	    {"UPDATE outputs SET spent_by = 1 WHERE tx = 2", "add up to 900"},
	    {"DELETE FROM outputs WHERE tx = 2", "add up to 900"},
	    {"DELETE FROM outputs WHERE tx = 0 AND position = 0", "outputs and 4 inputs"},
	    {"DELETE FROM inputs WHERE tx = 2", "and 3 inputs"},
	    {"UPDATE outputs SET amount = 9223372036854775807 WHERE spent_by IS NULL", "cannot be"},
	    {"UPDATE outputs SET owner = x'00' WHERE tx = 2", "owner has 1 bytes instead of 20"},
	    {"DELETE FROM blocks WHERE height = 2", "2 blocks, but the highest is at height 3"},
	    {"DELETE FROM blocks WHERE height = 3", "block 2: no certificate covers it"},
	    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 3", "block 3: hash or parent"},
	    {"UPDATE blocks SET parent = zeroblob(32) WHERE height = 2", "block 2: hash or parent"},
	    {"UPDATE blocks SET header = x'' WHERE height = 1", "block 1: its header cannot be read"},
	    {"UPDATE blocks SET first_tx = -9223372036854775807 WHERE height = 3", "not the last ones"},
	    {"UPDATE blocks SET certified_by = 2 WHERE height = 3", "no certificate covers it"},
	    {"DELETE FROM transactions WHERE seq = 2", "4 transactions, but the last has number 4"},
	    {"UPDATE transactions SET seq = 9223372036854775807 WHERE seq = 4", "9223372036854775807"},
	    {"UPDATE transactions SET txid = x'00' WHERE seq = 2", "txid has 1 bytes"},
	    {"DELETE FROM transactions", "0 transactions"},
	    {"DELETE FROM certificates WHERE height = 3", "no certificate at the tip"},
	    {"UPDATE certificates SET certificate = x'0011' WHERE height = 3", "cannot be read"},
	    {"UPDATE certificates SET certificate = (SELECT certificate FROM certificates WHERE height = 1)",
	     "not for its block"},
	    {"DELETE FROM journal", "the journal does not end as meta says"},
	    {"UPDATE journal SET link = zeroblob(32)", "the journal does not end as meta says"},
	    {"INSERT INTO journal VALUES (3, 'stable', x'', zeroblob(32))", "the journal does not end"},
	    {"DELETE FROM meta WHERE key = 'journal_count'", "meta has no journal_count"},
	    {"DELETE FROM meta WHERE key = 'chain'", "meta has no chain"},
	    {"UPDATE meta SET value = 'text' WHERE key = 'journal_link'", "value is no blob"},
	    {"DELETE FROM evidence WHERE seq = 2", "evidence(seq=2): the row is missing"},
	    {"INSERT INTO evidence (seq, kind, first) VALUES (1, 'conflict', zeroblob(32))",
	     "evidence(seq=1): the journal has no such evidence"},
	    {"INSERT INTO culprits VALUES (7, 0)", "culprits(seq=7): the journal has no such evidence"},
	    {"UPDATE replicas SET name = 'honest' WHERE replica = 2", "not those of the genesis"},
	    {"UPDATE replicas SET key = zeroblob(32) WHERE replica = 3", "not those of the genesis"},
	    {"UPDATE replicas SET account = zeroblob(20) WHERE replica = 0", "not those of the genesis"},
	    {"DELETE FROM replicas WHERE replica = 3", "not those of the genesis"},
	    {"INSERT INTO replicas VALUES (4, 'fifth', zeroblob(32), NULL)", "not those of the genesis"},
	    {"CREATE TRIGGER t AFTER INSERT ON outputs BEGIN UPDATE outputs SET spent_by = 0; END",
	     "foreign trigger t"},
	    {"DROP VIEW double_spent", "lacks view double_spent"},
	    {"DROP INDEX transactions_txid; CREATE INDEX transactions_txid ON transactions(txid)",
	     "index transactions_txid is not as quorate defines it"},
	};
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qjournal e = stable_at(&p->rules, 4);
	struct place good = *p;
	char into[128];
	struct qtxid t[4];

	struct qmessage vote = {.kind = QCOMMIT, .qmessage_u.vote = {.height = {7}}}, other = vote;

	tell_story(&p->rules, l, t);
	journal(l, &e);
	other.qmessage_u.vote.block = rules_hash(1);
	keep(l, conflict_of(&p->rules, 2, &vote, &other));
	commit(l);
	ledger_close(l);
	wire_free(WIRE(qjournal), &e);
	snprintf(good.path, sizeof good.path, "%s/good", p->dir);
	assert_int_equal(rename(p->path, good.path), 0);
	snprintf(into, sizeof into, "VACUUM INTO '%s'", p->path);
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		place_remove(p);
		place_edit(&good, into);
		place_edit(p, edits[i].sql);
		assert_refused(p, &p->rules.g, ERR_WORLD, edits[i].said, "run quorate audit");
	}
	place_remove(p);
	place_edit(&good, into);
	ledger_close(open_ledger(p));
	place_remove(&good);
}

/* A row that changed since the start, by no other process: a bit that a disk lost, in the end. */
static void a_row_is_checked_when_it_is_spent(void **state)
{
	static const struct {
		const char *sql, *said;
	} edits[] = {
	    {"UPDATE outputs SET amount = 1001 WHERE tx = 0 AND position = 0",
	     "outputs(tx=0,position=0).amount: is 1001, must be 1000; run quorate audit"},
	    {"UPDATE outputs SET owner = zeroblob(20) WHERE tx = 0 AND position = 0",
	     "outputs(tx=0,position=0).owner: is x'0000000000000000000000000000000000000000', must be x'"},
	    {"UPDATE outputs SET lock = 'stake', replica = 1 WHERE tx = 0 AND position = 0",
	     "outputs(tx=0,position=0).lock: is stake, must be NULL"},
	    {"UPDATE outputs SET spent_by = 7 WHERE tx = 0 AND position = 0",
	     "outputs(tx=0,position=0).spent_by: is 7, must be NULL"},
	    {"DELETE FROM outputs WHERE tx = 0 AND position = 0",
	     "outputs(tx=0,position=0): the row is missing"},
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		struct ledger *l = open_ledger(p);
		struct qoutput pass = to(3, 1000);
		struct tx *tx = spend(&p->rules, 1, (struct qoutpoint){p->rules.g.txid, 0}, &pass, 1);
		struct block *b = make_block(1, p->rules.g.chain, &tx, 1);
		struct err err = {0};
		assert_true(db_begin(&l->db, &err));
		sqlite_do(l->db.handle, edits[i].sql);
		assert_false(try_append(&p->rules, l, &b, 1, NULL, &err));
		assert_int_equal(err.kind, ERR_WORLD);
		if (!strstr(err.text, edits[i].said))
			fail_msg("'%s' is not in: %s", edits[i].said, err.text);
		assert_false(ledger_commit(l, &err)); /* failed for good */
		ledger_close(l);
	}
}

/* A header with its right hash, but on another parent than the block below. */
static void refuses_a_block_that_does_not_extend_the_one_below(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qhash hash, parent = rules_hash(9);
	struct qheader h = rules_header(2, parent, rules_hash(1), 1);
	char sql[1024], hex[3][512];
	struct qtxid t[4];

	tell_story(&p->rules, l, t);
	commit(l);
	ledger_close(l);
	struct bytes bytes = rules_encode(WIRE(qheader), &h);
	block_hash(&h, &hash);
	snprintf(sql, sizeof sql,
	         "UPDATE blocks SET hash = x'%s', parent = x'%s', header = x'%s' WHERE height = 2",
	         hex_encode(hex[0], hash.b, 32), hex_encode(hex[1], parent.b, 32),
	         hex_encode(hex[2], bytes.data, bytes.len));
	bytes_free(&bytes);
	place_edit(p, sql);
	assert_refused(p, &p->rules.g, ERR_WORLD, "block 2: hash or parent do not fit", "run quorate audit");
}

static void a_page_of_garbage_is_a_clean_error(void **state)
{
	struct place *p = *state;
	struct ledger *l = open_ledger(p);
	struct qtxid t[4];
	struct stat st;

	tell_story(&p->rules, l, t);
	commit(l);
	ledger_close(l);
	assert_int_equal(stat(p->path, &st), 0);
	for (off_t page = st.st_size / 4096 - 1; page >= 0; page--) {
		struct err err = {0};
		place_scribble(p, page * 4096, 4096);
		l = ledger_open(p->path, &p->rules.g, NULL, &err);
		if (l) /* a page of what is not read at start */
			ledger_close(l);
		else
			assert_int_equal(err.kind, ERR_WORLD);
	}
	assert_refused(p, &p->rules.g, ERR_WORLD, "not a database", "");
}

/* ---- a failing disk -------------------------------------------------------------- */

/* Opens, appends the story, journals, commits. Tells which of it succeeded. */
static bool live(const struct place *p, bool *committed, struct err *err)
{
	struct ledger *l = ledger_open(p->path, &p->rules.g, FAULT_VFS, err);
	struct qoutput pass = to(3, 1000);
	bool ok = l != NULL;

	*committed = false;
	if (ok && ledger_height(l).n == 0) {
		struct tx *tx = spend(&p->rules, 1, (struct qoutpoint){p->rules.g.txid, 0}, &pass, 1);
		struct block *b = make_block(1, p->rules.g.chain, &tx, 1);
		struct qjournal e = stable_at(&p->rules, 4);
		ok = try_append(&p->rules, l, &b, 1, NULL, err) && ledger_journal(l, &e, err) &&
		     ledger_commit(l, err);
		*committed = ok;
		wire_free(WIRE(qjournal), &e);
	}
	ledger_close(l);
	return ok;
}

static void survives_a_disk_that_fails_at_any_write(int code, struct place *p)
{
	struct err err = {0};
	bool committed, ok = false;
	long at;

	for (at = 1; !ok; at++) {
		place_remove(p);
		fault_after(at, code);
		ok = live(p, &committed, &err);
		if (!ok)
			assert_int_equal(err.kind, ERR_WORLD);
		fault_none();
		/* Nothing is half there, and nothing that was committed is lost. */
		struct ledger *l = open_ledger(p);
		assert_true(ledger_height(l).n == 1 || !committed);
		assert_int_equal(state_value(ledger_state(l)), 1500);
		ledger_close(l);
		assert_int_equal(
		    place_ask(p, "SELECT (SELECT count(*) FROM blocks) = (SELECT count(*) FROM journal)"), 1);
	}
	assert_true(at > 20); /* faults did hit */
}

static void survives_a_full_disk_at_any_write(void **state)
{
	survives_a_disk_that_fails_at_any_write(SQLITE_FULL, *state);
}

static void survives_a_broken_disk_at_any_write(void **state)
{
	survives_a_disk_that_fails_at_any_write(SQLITE_IOERR_WRITE, *state);
}

/* The file system takes no file longer than `most`, as a quota does. */
static void limit_files(rlim_t most)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = most;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* By the VFS that gathers: wherever the WAL may not grow any more, nothing is half there. */
static void survives_a_wal_that_ends_anywhere(void **state)
{
	struct place *p = *state;
	struct err err = {0};
	rlim_t most = 0;
	bool ok = false;

	signal(SIGXFSZ, SIG_IGN);
	ledger_close(open_ledger(p));
	for (unsigned n = 1; !ok; n++, most += 3000) {
		struct ledger *l = open_ledger(p);
		struct qjournal e = stable_at(&p->rules, 4);
		struct qoutput pass = to(1, 1000);
		struct tx *tx = spend(&p->rules, 1, (struct qoutpoint){p->rules.g.txid, 0}, &pass, 1);
		struct block *b = make_block(1, p->rules.g.chain, &tx, 1);

		limit_files(most);
		ok = try_append(&p->rules, l, &b, 1, NULL, &err) && ledger_journal(l, &e, &err) &&
		     ledger_commit(l, &err);
		if (n % 2)
			limit_files(RLIM_INFINITY); /* before it is closed, or after that */
		ledger_close(l);
		limit_files(RLIM_INFINITY);
		wire_free(WIRE(qjournal), &e);
		l = open_ledger(p);
		assert_int_equal(ledger_height(l).n, ok);
		assert_int_equal(state_value(ledger_state(l)), 1500);
		ledger_close(l);
		assert_int_equal(
		    place_ask(p, "SELECT (SELECT count(*) FROM blocks) = (SELECT count(*) FROM journal)"), 1);
	}
	assert_true(most > 20000);
}

static void a_failed_commit_is_final(void **state)
{
	struct place *p = *state;
	struct err err = {0};
	struct ledger *l = ledger_open(p->path, &p->rules.g, FAULT_VFS, &err);
	struct qjournal e = stable_at(&p->rules, 4);

	assert_true(ledger_journal(l, &e, &err));
	fault_after(1, SQLITE_FULL);
	assert_false(ledger_commit(l, &err));
	assert_non_null(strstr(err.text, "full"));
	assert_non_null(strstr(err.text, p->path));
	fault_none();
	assert_false(ledger_commit(l, &err));
	assert_non_null(strstr(err.text, "earlier error"));
	assert_false(ledger_journal(l, &e, &err));
	ledger_close(l);
	wire_free(WIRE(qjournal), &e);
	assert_int_equal(place_ask(p, "SELECT count(*) FROM journal"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_fresh_ledger_holds_the_genesis),
	    TEST(reopening_gives_the_same_state),
	    TEST(rows_name_what_spent_what),
	    TEST(the_digest_of_a_checkpoint_within_a_run_is_told),
	    TEST(a_commit_whose_wal_cannot_be_written_fails),
	    TEST(what_is_committed_is_there_for_others_at_once),
	    TEST(a_wal_grows_before_it_is_needed),
	    TEST(a_long_ledger_comes_back_as_it_was),
	    TEST(says_what_a_thread_found_in_a_long_ledger),
	    TEST(appends_after_an_operator_had_it_analyzed),
	    TEST(what_is_not_committed_is_gone),
	    TEST(journal_entries_are_linked_and_the_newest_stable_is_found),
	    TEST(evidence_has_rows_that_say_what_it_is_about),
	    TEST(a_ledger_names_the_replicas_of_its_genesis),
	    TEST(checkpoints_do_not_disturb_the_writer),
	    TEST(a_wal_that_a_long_reader_made_grow_shrinks_again),
	    TEST(refuses_another_chain_and_names_both),
	    TEST(refuses_a_newer_schema_and_an_older_one),
	    TEST(refuses_what_is_no_database_or_not_ours_and_leaves_it_alone),
	    TEST(refuses_a_ledger_locked_by_another_process),
	    TEST(notices_when_another_process_writes),
	    TEST(refuses_an_edited_ledger_and_advises_an_audit),
	    TEST(a_row_is_checked_when_it_is_spent),
	    TEST(refuses_a_block_that_does_not_extend_the_one_below),
	    TEST(a_page_of_garbage_is_a_clean_error),
	    TEST(survives_a_full_disk_at_any_write),
	    TEST(survives_a_broken_disk_at_any_write),
	    TEST(survives_a_wal_that_ends_anywhere),
	    TEST(a_failed_commit_is_final),
	};

	fault_setup();
	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
