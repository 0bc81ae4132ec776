/*
 * guard.c: ledgers that are edited with sqlite3 under their running node: its scrub, the next commit or the
 * first answer that needs the row finds it. The node stops, names the row, serves none of it, and does not
 * start with that file again; the other three go on; with another file, or none, it is back.
 */
#include "chain.h"

#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { EDITED = 3, BLOCKS = 3 };

/* ---- one node as a child of the test, so that its exit code can be seen ------------------------- */

struct run {
	struct chain *chain;
	pthread_t thread;
	int code;
	char *errs;
};

static void *run_node(void *arg)
{
	struct run *r = arg;
	char home[512];
	snprintf(home, sizeof home, "%s/node%d", r->chain->dir, EDITED);
	r->code = quorate(NULL, &r->errs, "node", "--home", home, NULL);
	return NULL;
}

static struct run run_begin(struct chain *c)
{
	return (struct run){.chain = c};
}

static void run_start(struct run *r, uint64_t height)
{
	assert_int_equal(pthread_create(&r->thread, NULL, run_node, r), 0);
	if (height > 0)
		chain_wait_height(r->chain, 1u << EDITED, height);
}

/* It ends by itself, with 3, and says this. */
static void run_refuses(struct run *r, const char *says)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CHAIN_PATIENCE_MS / 1000;
	if (pthread_timedjoin_np(r->thread, NULL, &until) != 0)
		fail_msg("the node goes on, though \"%s\" was to be found", says);
	if (r->code != 3 || !strstr(r->errs, says) || !strstr(r->errs, "ledger.db") ||
	    !strstr(r->errs, "move the file away"))
		fail_msg("exit %d, not \"%s\": %s", r->code, says, r->errs);
	free(r->errs);
}

/* ---- files ------------------------------------------------------------------------------------------ */

static void copy_file(const char *from, const char *to)
{
	char buf[65536];
	size_t got;
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	assert_true(in && out);
	while ((got = fread(buf, 1, sizeof buf, in)) > 0)
		assert_int_equal(fwrite(buf, 1, got, out), got);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* As an operator does, who does not care that the node writes to it, too. */
static void edit(struct chain *c, const char *sql)
{
	sqlite3 *db;
	char *message = NULL;
	assert_int_equal(sqlite3_open(chain_path(c, "node%d/ledger.db", EDITED), &db), SQLITE_OK);
	sqlite3_busy_timeout(db, CHAIN_PATIENCE_MS);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Every so many seconds; 0: never. */
static void set_scrub(struct chain *c, unsigned seconds)
{
	char line[256], text[8192] = "";
	const char *path = chain_path(c, "node%d/node.conf", EDITED);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (strncmp(line, "scrub_s =", 9) == 0)
			snprintf(line, sizeof line, "scrub_s = %u\n", seconds);
		strcat(text, line);
	}
	fclose(f);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* A chain of some blocks; the node to be edited is down, and a copy of its ledger put aside. */
static struct chain *begin(unsigned scrub_s, uint64_t *height)
{
	struct chain *c = chain_up(4, NULL, 0);
	for (unsigned i = 0; i < BLOCKS; i++)
		*height = chain_pay(c, 0, 1 + i);
	chain_wait_height(c, 0xf, *height);
	chain_signal(c, "kill", EDITED);
	set_scrub(c, scrub_s);
	edit(c, "PRAGMA wal_checkpoint(TRUNCATE)");
	copy_file(chain_path(c, "node%d/ledger.db", EDITED), chain_path(c, "whole.db"));
	return c;
}

/* The operator puts the copy in its place. */
static void put_back(struct chain *c)
{
	copy_file(chain_path(c, "whole.db"), chain_path(c, "node%d/ledger.db", EDITED));
}

/* Nothing is lost: the others make blocks without it, and with it once more. */
static void assert_it_votes(struct chain *c)
{
	chain_wait(c);
	chain_signal(c, "kill", 2);
	uint64_t height = chain_pay(c, 0, 7);
	chain_wait_height(c, 0xb, height);
	chain_signal(c, "start", 2);
	chain_wait_height(c, 0xf, height);
	chain_assert_audit(c, height);
	chain_check_votes(c);
}

/* ---- found by the scrub ----------------------------------------------------------------------------------
 */

static const struct edited {
	const char *sql, *row;
} scrubbed[] = {
    {"UPDATE transactions SET memo = x'00' WHERE seq = 1", "transactions(seq=1).memo"},
    {"UPDATE outputs SET amount = amount + 1 WHERE tx = 2 AND position = 0",
     "outputs(tx=2,position=0).amount"},
    {"UPDATE outputs SET spent_by = NULL WHERE spent_by = 2", "outputs("},
    {"UPDATE signers SET signature = zeroblob(64) WHERE height = 2", "signers(height=2"},
    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 1", "blocks(height=1).hash"},
    {"DELETE FROM inputs WHERE tx = 1", "inputs(tx=1"},
    {"DROP INDEX blocks_hash", "blocks_hash"},
};

static void a_row_edited_under_a_running_node_stops_it(void **state)
{
	uint64_t height;
	struct chain *c = begin(1, &height);
	(void)state;
	for (unsigned i = 0; i < sizeof scrubbed / sizeof *scrubbed; i++) {
		struct run run = run_begin(c);
		run_start(&run, height);
		edit(c, scrubbed[i].sql);
		run_refuses(&run, scrubbed[i].row);
		assert_int_equal(access(chain_path(c, "node%d/ledger.db.suspect", EDITED), F_OK), 0);
		height = chain_pay(c, i % 3, 1); /* nobody else is the worse for it */

		run_start(&run, 0); /* nothing was forgotten */
		run_refuses(&run, scrubbed[i].row);
		put_back(c);
	}
	chain_signal(c, "start", EDITED); /* with the verified copy */
	chain_wait_height(c, 0xf, height);
	assert_int_equal(access(chain_path(c, "node%d/ledger.db.suspect", EDITED), F_OK), -1);
	assert_it_votes(c);
	chain_down(c);
}

static void a_ledger_that_was_moved_away_is_fetched_anew(void **state)
{
	uint64_t height;
	struct chain *c = begin(1, &height);
	struct run run = run_begin(c);
	(void)state;
	run_start(&run, height);
	edit(c, scrubbed[0].sql);
	run_refuses(&run, scrubbed[0].row);
	height = chain_pay(c, 0, 1);
	assert_int_equal(rename(chain_path(c, "node%d/ledger.db", EDITED), chain_path(c, "edited.db")), 0);
	chain_signal(c, "start", EDITED);
	chain_wait_height(c, 0xf, height);
	assert_int_equal(access(chain_path(c, "node%d/ledger.db.suspect", EDITED), F_OK), -1);
	assert_it_votes(c);
	chain_down(c);
}

/* ---- found by the next commit
 * -------------------------------------------------------------------------------- */

static void a_row_edited_while_blocks_are_made_is_named_too(void **state)
{
	uint64_t height;
	struct chain *c = begin(0, &height);
	struct run run = run_begin(c);
	(void)state;
	run_start(&run, height);
	chain_pay(c, 1, 1);
	edit(c, scrubbed[1].sql);
	chain_pay(c, 1, 1); /* which it cannot commit */
	run_refuses(&run, scrubbed[1].row);
	chain_pay(c, 2, 1);
	run_start(&run, 0);
	run_refuses(&run, scrubbed[1].row);
	put_back(c);
	chain_signal(c, "start", EDITED);
	assert_it_votes(c);
	chain_down(c);
}

/* ---- found by whoever asks
 * ------------------------------------------------------------------------------------ */

/* What is asked of the first transaction's row: %s is its id. */
static const struct asked {
	const char *path;
	struct edited edited;
} asked[] = {
    {"/v1/transactions/%s",
     {"UPDATE transactions SET raw = (SELECT raw FROM transactions WHERE seq = 2) WHERE seq = 1",
      "transactions(seq=1).raw"}},
    {"/v1/transactions/%s", {"UPDATE outputs SET spent_by = NULL WHERE tx = 1", "outputs"}},
    {"/v1/receipts/%s",
     {"UPDATE certificates SET certificate = CAST(substr(certificate, 1, length(certificate) - 1)"
      " || x'5a' AS BLOB) WHERE height = 1",
      "certificates(height=1)"}},
    {"/v1/blocks/1",
     {"UPDATE transactions SET raw = CAST(substr(raw, 1, length(raw) - 1) || x'5a' AS BLOB)"
      " WHERE seq = 1",
      "transactions of block 1"}},
};

/* The edit is never served: a refusal, or nothing, for the node stops. */
static void assert_not_served(struct chain *c, const struct asked *a, const char *id)
{
	char path[256];
	int status;
	snprintf(path, sizeof path, a->path, id);
	json_decref(chain_get(c, EDITED, &status, "%s", path));
	assert_int_equal(status, 200); /* before */
	edit(c, a->edited.sql);
	json_t *answer = chain_get(c, EDITED, &status, "%s", path);
	if (answer &&
	    (status != 500 || strcmp(json_text(json_object_get(answer, "error"), "code"), "ledger") != 0))
		fail_msg("%s: %d: %s", path, status, json_dumps(answer, 0));
	json_decref(answer);
}

static void a_row_that_was_edited_is_never_served(void **state)
{
	uint64_t height;
	struct chain *c = begin(0, &height);
	char id[65];
	(void)state;
	chain_sql(chain_path(c, "whole.db"), "SELECT lower(hex(txid)) FROM transactions WHERE seq = 1", id,
	          sizeof id);
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		struct run run = run_begin(c);
		run_start(&run, height);
		assert_not_served(c, &asked[i], id);
		run_refuses(&run, asked[i].edited.row);
		run_start(&run, 0); /* the scrub may name another column of the row first */
		run_refuses(&run, "");
		put_back(c);
	}
	chain_signal(c, "start", EDITED);
	assert_it_votes(c);
	chain_down(c);
}

/* ---- nothing to find
 * ---------------------------------------------------------------------------------------------- */

static uint64_t passes(struct chain *c)
{
	int status;
	json_t *s = chain_get(c, EDITED, &status, "/v1/status");
	uint64_t cnt = (uint64_t)json_integer_value(json_object_get(json_object_get(s, "scrub"), "passes"));
	assert_non_null(s);
	json_decref(s);
	return cnt;
}

static void a_whole_ledger_is_scrubbed_while_it_grows_and_is_read(void **state)
{
	uint64_t height;
	struct chain *c = begin(1, &height);
	sqlite3 *db;
	sqlite3_stmt *read;
	(void)state;
	chain_signal(c, "start", EDITED);
	chain_wait_height(c, 0xf, height);
	assert_int_equal(
	    sqlite3_open_v2(chain_path(c, "node%d/ledger.db", EDITED), &db, SQLITE_OPEN_READONLY, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM transactions", -1, &read, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(read), SQLITE_ROW); /* a view of this moment, to the end */
	for (unsigned i = 0; passes(c) < 3; i++)
		height = chain_pay(c, i % 4, 1);
	chain_wait_height(c, 0xf, height);
	sqlite3_finalize(read);
	sqlite3_close(db);
	assert_it_votes(c);
	chain_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_row_edited_under_a_running_node_stops_it),
	    cmocka_unit_test(a_ledger_that_was_moved_away_is_fetched_anew),
	    cmocka_unit_test(a_row_edited_while_blocks_are_made_is_named_too),
	    cmocka_unit_test(a_row_that_was_edited_is_never_served),
	    cmocka_unit_test(a_whole_ledger_is_scrubbed_while_it_grows_and_is_read),
	};
	return cmocka_run_group_tests_name("guard", tests, chain_setup, NULL);
}
