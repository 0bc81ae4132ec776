/*
 * sql.c: docs/SQL.md on a real chain: its lists of tables, views and columns are the ledger's; each of its
 * examples runs with the sqlite3 program, and answers as the page says. And nobody who reads a ledger stands
 * in its node's way.
 */
#include "chain.h"

#include <ctype.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAGE QUORATE_SOURCE_DIR "/docs/SQL.md"

/* ---- the chain of the page ----------------------------------------------------------------------- */

enum who { ALICE = 1, BOB, CAROL, WHO_CNT, OPERATOR = 100 /* and the replica's index: account_number() */ };

/* Replicas 0 to 2 have stake 4 : 2 : 1, and so all turns. */
static void by_stake(struct qgenesis *g)
{
	u_int *cnt = &g->allocations.allocations_len;
	struct qoutput *list = xrealloc(g->allocations.allocations_val, (*cnt + 3) * sizeof *list);

	g->params.checkpoint_interval = 4;
	g->params.window = 4;
	g->params.timeout_ms = 10000; /* nobody is suspected for being slow: each turn is its owner's */
	g->proposer.kind = QPROPOSER_STAKE;
	g->proposer.qproposer_rules_u.stake = (struct qstake_rules){
	    .epoch = 12, .turn = 1, .proposers = 4, .unbonding = 36, .penalty = 30, .delegator_penalty = 10};
	for (unsigned i = 0; i < 4; i++) {
		struct qaddress *account = xcalloc(1, sizeof *account);
		*account = address_number(OPERATOR + i);
		g->replicas.replicas_val[i].account.account_len = 1;
		g->replicas.replicas_val[i].account.account_val = account;
	}
	for (unsigned i = 0; i < 3; i++)
		list[(*cnt)++] = (struct qoutput){.owner = address_number(OPERATOR + i),
		                                  .amount = 4000 >> i,
		                                  .lock = {.kind = QLOCK_STAKE, .qlock_u.replica = i}};
	g->allocations.allocations_val = list;
}

struct tale {
	struct chain *chain;
	struct account *account[WHO_CNT];
	struct qaddress address[WHO_CNT];
	struct qoutpoint bobs; /* what Bob's payments to himself have come to */
	uint64_t bobs_amount, height;
};

/* Hands the payment to node 0 and waits there until it is final, in a block of its own. Its id. */
static struct qtxid passes(struct tale *t, enum who from, struct qoutpoint input, uint64_t has, enum who to,
                           uint64_t amount, const char *memo)
{
	struct tx *tx = pay(t->chain->genesis, t->account[from], input, has, t->address[to], amount, memo);
	struct qtxid id = tx->id;

	assert_true(chain_submit(t->chain, 0, &tx, 1, NULL));
	assert_true(chain_final(t->chain, 0, &id, NULL, 0, NULL, 0));
	assert_int_equal(chain_height(t->chain, 0), ++t->height);
	tx_unref(tx);
	return id;
}

/* Bob pays Carol 10 of what he has. */
static void bob_pays(struct tale *t)
{
	t->bobs = (struct qoutpoint){passes(t, BOB, t->bobs, t->bobs_amount, CAROL, 10, "bus"), 1};
	t->bobs_amount -= 10;
}

static void is_refused(struct tale *t, struct qoutpoint input, uint64_t has)
{
	struct tx *tx =
	    pay(t->chain->genesis, t->account[ALICE], input, has, t->address[CAROL], 900, "twice");
	json_t *results;

	assert_true(chain_submit(t->chain, 0, &tx, 1, &results));
	assert_string_equal(json_text(json_array_get(results, 0), "code"), "double_spend");
	json_decref(results);
	tx_unref(tx);
}

/* Somebody has the key of replica 3: two blocks at one height. */
static void convict_replica_3(struct tale *t)
{
	struct qenvelope votes[2] = {chain_forge(t->chain, 3, t->height + 1, 1),
	                             chain_forge(t->chain, 3, t->height + 1, 2)};

	chain_tell(t->chain, 0, votes, 2);
	wire_free(WIRE(qenvelope), &votes[0]);
	wire_free(WIRE(qenvelope), &votes[1]);
}

static void tell(struct tale *t)
{
	uint64_t has;
	struct qoutpoint all = chain_allocation(t->chain, &t->address[ALICE], &has);

	t->bobs = chain_allocation(t->chain, &t->address[BOB], &t->bobs_amount);
	struct qtxid rent = passes(t, ALICE, all, has, BOB, 300, "rent");
	struct qtxid books = passes(t, BOB, (struct qoutpoint){rent, 0}, 300, CAROL, 120, "books");
	passes(t, CAROL, (struct qoutpoint){books, 0}, 120, ALICE, 20, "change");
	passes(t, ALICE, (struct qoutpoint){rent, 1}, 700, CAROL, 50, "tea");
	is_refused(t, all, has);
	while (t->height < 9)
		bob_pays(t);
	convict_replica_3(t);
	while (t->height < 14)
		bob_pays(t);
}

static int tell_tale(void **state)
{
	struct tale *t = xcalloc(1, sizeof *t);

	if (chain_setup(state) != 0)
		return -1;
	for (enum who w = ALICE; w < WHO_CNT; w++) {
		t->account[w] = account_number(w);
		t->address[w] = address_number(w);
	}
	const struct qoutput allocations[] = {{.owner = t->address[ALICE], .amount = 1000},
	                                      {.owner = t->address[BOB], .amount = 500}};
	t->chain = chain_up_with(4, allocations, 2, by_stake);
	chain_signal(t->chain, "kill", 3);
	tell(t);
	*state = t;
	return 0;
}

static int end_tale(void **state)
{
	struct tale *t = *state;

	chain_down(t->chain);
	for (enum who w = ALICE; w < WHO_CNT; w++)
		account_free(t->account[w]);
	free(t);
	return 0;
}

static const char *ledger_of(struct tale *t)
{
	return chain_path(t->chain, "node0/ledger.db");
}

static sqlite3 *open_reader(struct tale *t)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(ledger_of(t), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	return db;
}

/* ---- texts ----------------------------------------------------------------------------------------- */

struct text {
	char *data; /* ends with 0 */
	size_t len, cap;
};

static void append(struct text *t, const char *data, size_t len)
{
	if (t->len + len + 1 > t->cap) {
		t->cap = 2 * (t->len + len + 1);
		t->data = xrealloc(t->data, t->cap);
	}
	memcpy(t->data + t->len, data, len);
	t->len += len;
	t->data[t->len] = '\0';
}

static char *read_stream(FILE *f)
{
	struct text t = {0};
	char buf[4096];
	size_t len;

	append(&t, "", 0);
	while ((len = fread(buf, 1, sizeof buf, f)) > 0)
		append(&t, buf, len);
	return t.data;
}

static char *read_page(void)
{
	FILE *f = fopen(PAGE, "r");

	assert_non_null(f);
	char *text = read_stream(f);
	fclose(f);
	return text;
}

/* The next line, without its end, which is cut off; NULL at the end. */
static char *next_line(char **rest)
{
	if (!*rest || !**rest)
		return NULL;
	return strsep(rest, "\n");
}

/* ---- the lists of the page ---------------------------------------------------------------------------- */

/* "table blocks: height INTEGER, key; hash BLOB; ..." of each table and view of the page, in its order. */
static char *listed(char *page)
{
	struct text t = {0};
	bool views = false, inside = false;
	char name[64], type[64];

	append(&t, "", 0);
	for (char *line, *rest = page; (line = next_line(&rest));) {
		if (strncmp(line, "## ", 3) == 0) {
			views = strcmp(line, "## Views") == 0;
			inside = views || strcmp(line, "## Tables") == 0;
		} else if (inside && strncmp(line, "### ", 4) == 0) {
			append(&t, views ? "\nview " : "\ntable ", views ? 6 : 7);
			append(&t, line + 4, strlen(line + 4));
			append(&t, ":", 1);
		} else if (inside && sscanf(line, "| `%63[^`]` |%63[^|]|", name, type) >= 1) {
			append(&t, " ", 1);
			append(&t, name, strlen(name));
			if (!views) /* with the spaces around it */
				append(&t, type, strlen(type) - 1);
			append(&t, ";", 1);
		}
	}
	return t.data;
}

/* The same of the ledger: tables in the order in which they were made, then the views. */
static char *existing(sqlite3 *db)
{
	static const char sql[] =
	    "SELECT char(10) || s.type || ' ' || s.name || ':' || group_concat(' ' || c.name || "
	    "  iif(s.type = 'view', '', ' ' || c.type || "
	    "      iif(c.pk > 0, ', key', iif(c.\"notnull\", '', ' or NULL'))) || ';', '') "
	    "FROM (SELECT rowid AS made, type, name FROM sqlite_schema "
	    "      WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*') s, "
	    "pragma_table_info(s.name) c "
	    "GROUP BY s.made ORDER BY s.made";
	struct text t = {0};
	sqlite3_stmt *stmt;

	append(&t, "", 0);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	while (sqlite3_step(stmt) == SQLITE_ROW)
		append(&t, (const char *)sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	sqlite3_finalize(stmt);
	return t.data;
}

static void the_page_lists_every_table_view_and_column(void **state)
{
	sqlite3 *db = open_reader(*state);
	char *page = read_page(), *says = listed(page), *has = existing(db);

	assert_non_null(strstr(has, "table blocks: height INTEGER, key; hash BLOB;"));
	char *say = says, *have = has, *a, *b;
	do { /* line by line: what differs is then readable */
		a = next_line(&say);
		b = next_line(&have);
		assert_string_equal(a ? a : "(the end)", b ? b : "(the end)");
	} while (a || b);
	free(page);
	free(says);
	free(has);
	sqlite3_close(db);
}

/* ---- its examples -------------------------------------------------------------------------------------- */

/* What `sqlite3 -readonly -box LEDGER` answers to this. */
static char *answer_of(struct tale *t, const char *sql)
{
	const char *question = chain_path(t->chain, "question.sql");
	char command[1200];
	FILE *f = fopen(question, "w");

	assert_non_null(f);
	fputs(sql, f);
	assert_int_equal(fclose(f), 0);
	snprintf(command, sizeof command, "sqlite3 -readonly -bail -box '%s' < '%s' 2>&1", ledger_of(t),
	         question);
	f = popen(command, "r");
	assert_non_null(f);
	char *text = read_stream(f);
	if (pclose(f) != 0)
		fail_msg("%s\n%s", sql, text);
	return text;
}

/* As "2026-11-22 00:03:01"? */
static bool is_time(const char *s)
{
	static const char shape[] = "9999-99-99 99:99:99";

	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '9' ? !isdigit((unsigned char)s[i]) : s[i] != shape[i])
			return false;
	return true;
}

/* What differs from chain to chain is blanked: hashes, which are shortened to 16 digits, and times; who
 * proposed what depends on view changes, which a slow machine makes: there it is all numbers. */
static void blank(char *text, bool numbers)
{
	for (char *s = text; *s;) {
		size_t run = strspn(s, "0123456789ABCDEF");
		if (run == 16 || is_time(s)) {
			size_t len = run == 16 ? run : 19;
			memset(s, '#', len);
			s += len;
		} else {
			for (size_t i = 0; i < run; i++)
				if (numbers && isdigit((unsigned char)s[i]))
					s[i] = '#';
			s += run ? run : 1;
		}
	}
}

/* The block that begins after this line: up to its end "```". */
static char *fenced(char **rest)
{
	struct text t = {0};

	append(&t, "", 0);
	for (char *line; (line = next_line(rest)) && strcmp(line, "```") != 0;) {
		append(&t, line, strlen(line));
		append(&t, "\n", 1);
	}
	return t.data;
}

/* The ledger's answer to this is the page's. */
static void assert_answer(struct tale *t, const char *sql, char *want)
{
	char *is = answer_of(t, sql), *blanked = xstrdup(is);
	bool turns = strstr(sql, "propose") != NULL;

	blank(want, turns);
	blank(blanked, turns);
	if (strcmp(blanked, want) != 0)
		fail_msg("the page's answer to\n%sis\n%sbut the ledger's is\n%s", sql, want, is);
	free(blanked);
	free(is);
}

static void every_example_answers_as_the_page_says(void **state)
{
	char *page = read_page(), *rest = page, *sql = NULL;
	unsigned questions = 0, answers = 0;

	for (char *line; (line = next_line(&rest));) {
		bool answered = strcmp(line, "```text") == 0;
		if (sql && (answered || *line)) { /* where none follows, there are no rows */
			char *want = answered ? fenced(&rest) : xstrdup("");
			assert_answer(*state, sql, want);
			answers += answered;
			free(want);
			free(sql);
			sql = NULL;
		}
		if (strcmp(line, "```sql") == 0) {
			sql = fenced(&rest);
			questions++;
		}
	}
	assert_null(sql);
	assert_true(questions >= 15 && answers + 1 == questions);
	free(page);
}

/* ---- what they answer ------------------------------------------------------------------------------------
 */

static void assert_says(struct tale *t, const char *want, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void assert_says(struct tale *t, const char *want, const char *fmt, ...)
{
	char sql[512], text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof sql, fmt, ap);
	va_end(ap);
	chain_sql(ledger_of(t), sql, text, sizeof text);
	if (strcmp(text, want) != 0)
		fail_msg("%s: '%s', not '%s'", sql, text, want);
}

/* Against what this test knows of its own payments, and what the node itself says. */
static void the_views_tell_what_has_happened(void **state)
{
	struct tale *t = *state;
	char alice[41], bob[41], text[ADDRESS_TEXT];
	int status;

	hex_encode(alice, t->address[ALICE].b, 20);
	hex_encode(bob, t->address[BOB].b, 20);
	assert_says(t, "1000,700,720,670",
	            "SELECT group_concat(amount) FROM (SELECT * FROM holdings WHERE owner = x'%s' ORDER BY "
	            "from_height)",
	            alice);
	assert_says(t, "0 1 3 4",
	            "SELECT group_concat(from_height, ' ') FROM (SELECT * FROM holdings WHERE owner = x'%s' "
	            "ORDER BY from_height)",
	            alice);
	json_t *now =
	    chain_get(t->chain, 0, &status, "/v1/addresses/%s", address_format(&t->address[BOB], text));
	assert_says(t, json_text(now, "amount"), "SELECT amount FROM balances WHERE owner = x'%s'", bob);
	json_decref(now);
	assert_says(t, "1 8500 8500",
	            "SELECT count(DISTINCT amount) || ' ' || min(amount) || ' ' || max(amount) FROM supply");
	assert_says(t, "0", "SELECT count(*) FROM double_spent");
	assert_says(t, "0", "SELECT count(*) FROM incomplete_certificates");
	assert_says(
	    t, "replica0,replica1,replica2",
	    "SELECT group_concat(name) FROM (SELECT name FROM signed_by WHERE height = 7 ORDER BY replica)");
	assert_says(t, "replica3 0 1",
	            "SELECT name || ' ' || signed || ' ' || silent_since FROM signer_activity "
	            "WHERE silent_since IS NOT NULL");
	assert_says(t, "14 0",
	            "SELECT sum(blocks) || ' ' || sum(blocks) FILTER (WHERE replica = 3) FROM proposers");
	assert_says(t, "1 1000 1",
	            "SELECT count(*) || ' ' || amount || ' ' || height FROM double_spend_attempts "
	            "WHERE signer = x'%s' AND owner = signer AND output_position = 0",
	            alice);
	assert_says(t, "replica3 conflict prepare 10",
	            "SELECT name || ' ' || kind || ' ' || statement || ' ' || height "
	            "FROM offenders");
}

/* ---- readers in the way
 * ------------------------------------------------------------------------------------- */

static int64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static void run(sqlite3 *db, const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void a_reader_never_blocks_the_node(void **state)
{
	static const char height_sql[] = "SELECT max(height) FROM blocks";
	struct tale *t = *state;
	sqlite3 *reader = open_reader(t), *another = open_reader(t);
	sqlite3_stmt *walk;

	/* One in the middle of a table, and of a transaction of its own. */
	run(reader, "BEGIN");
	uint64_t before = (uint64_t)ask(reader, height_sql);
	assert_int_equal(before, t->height);
	assert_int_equal(sqlite3_prepare_v2(reader, "SELECT raw FROM transactions", -1, &walk, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(walk), SQLITE_ROW);

	for (int i = 0; i < 5; i++) {
		bob_pays(t); /* final on this very node */
		assert_int_equal(ask(another, height_sql), t->height);
		assert_int_equal(ask(reader, height_sql), before);
		assert_int_equal(sqlite3_step(walk), SQLITE_ROW);
	}
	/* Nor does a reader keep a node from starting. */
	chain_signal(t->chain, "kill", 0);
	chain_signal(t->chain, "start", 0);
	chain_wait(t->chain);
	bob_pays(t);
	assert_int_equal(ask(reader, height_sql), before);
	assert_int_equal(ask(reader, "SELECT count(*) FROM supply WHERE amount = 8500"), before + 1);

	sqlite3_finalize(walk);
	run(reader, "COMMIT");
	assert_int_equal(ask(reader, height_sql), t->height);
	bob_pays(t);
	sqlite3_close(reader);
	sqlite3_close(another);
	chain_assert_audit(t->chain, t->height);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_page_lists_every_table_view_and_column),
	    cmocka_unit_test(every_example_answers_as_the_page_says),
	    cmocka_unit_test(the_views_tell_what_has_happened),
	    cmocka_unit_test(a_reader_never_blocks_the_node),
	};

	return cmocka_run_group_tests_name("sql", tests, tell_tale, end_tale);
}
