/*
 * receipts.c: proofs as files: got from nodes and out of ledgers, verified where there is neither; and what
 * is said of files that prove nothing.
 *
 * EXAMPLE names the program of docs/examples/is_final.c (CTest sets it).
 */
#include "chain.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "receipt_file.h"
#include "wholefile.h"

static struct chain *c; /* one for all tests here; its directory is the working directory */
static char first[QHASH_HEX], last[QHASH_HEX]; /* transactions: of block 1, and of the newest block */

#define UNKNOWN_ID "00000000000000000000000000000000000000000000000000000000000000ff"

static char *slurp(const char *path)
{
	struct err err = {0};
	char *text = wholefile_read(path, 64 << 20, NULL, &err);
	if (!text)
		fail_msg("%s", err.text);
	return text;
}

static void spill(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* Runs a line of words; its exit code, and out what it prints, before what it complains about. */
static int run(char **said, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int run(char **said, const char *fmt, ...)
{
	char line[2048], *rest = line, *argv[64] = {"quorate"}, *out, *errs;
	int argc = 1;
	va_list args;
	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	for (char *word; (word = strsep(&rest, " ")) && argc < 63;)
		argv[argc++] = word;
	argv[argc] = NULL;
	int code = quorate_argv(&out, &errs, argv);
	assert_true(asprintf(said, "%s%s", out, errs) >= 0);
	free(out);
	free(errs);
	return code;
}

#define ASSERT_RUN(code, says, ...)                                                                     \
	do {                                                                                            \
		char *said_;                                                                            \
		int code_ = run(&said_, __VA_ARGS__);                                                   \
		if (code_ != (code) || !strstr(said_, says))                                            \
			fail_msg("not exit %d, \"%s\" but exit %d: %.2000s", code, says, code_, said_); \
		free(said_);                                                                            \
	} while (0)

/* The text of a transaction's receipt with `from` replaced once. */
static void write_changed(const char *path, const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *other;
	assert_non_null(at);
	int len = asprintf(&other, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	assert_true(len > 0);
	spill(path, other, (size_t)len);
	free(other);
}

/* The last digit of a member's hex is another one. */
static void write_bent(const char *path, const char *text, const char *member)
{
	char *other = xstrdup(text), key[32];
	snprintf(key, sizeof key, "\"%s\": ", member);
	char *p = strchr(strchr(strstr(other, key) + strlen(key), '"') + 1, '"') - 1;
	*p = *p == '0' ? '1' : '0';
	spill(path, other, strlen(other));
	free(other);
}

static void pay_with(char txid[QHASH_HEX], const char *memo)
{
	int code;
	json_t *sent = quorate_json(&code, "send", "--json", "--node", c->http[0], "--genesis",
	                            "genesis.json", "--key", "accounts/alice.key", "--to", "accounts/bob.key",
	                            "--amount", "17", "--timeout", "60", "--memo", memo, NULL);
	assert_int_equal(code, 0);
	snprintf(txid, QHASH_HEX, "%s", json_text(sent, "txid"));
	json_decref(sent);
}

static int begin(void **state)
{
	if (chain_setup(state) != 0)
		return -1;
	unsetenv("QUORATE_NODE");
	c = chain_up(4, NULL, 0);
	assert_int_equal(chdir(c->dir), 0);
	pay_with(first, "rent \033[31m");
	for (unsigned i = 0; i < 3; i++)
		pay_with(last, "thanks");
	chain_wait_height(c, 0xf, 4);
	ASSERT_RUN(0, "written to", "receipt %s -o first.json --genesis genesis.json --node %s", first,
	           c->http[0]);
	ASSERT_RUN(0, "holds against the genesis", "receipt %s -o last.json --genesis genesis.json --node %s",
	           last, c->http[0]);
	assert_int_equal(quorate(NULL, NULL, "testnet", "new", "--dir", "other", "--base-port", "0", NULL),
	                 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	chain_down(c);
	return 0;
}

/* ---- getting ------------------------------------------------------------------- */

/* Whoever gives it: the command into a file, to its output, as JSON; a ledger, a home; curl. */
static void every_way_gives_the_same_file(void **state)
{
	char *file = slurp("first.json"), *said, path[128];
	struct err err = {0};
	int status;
	size_t len;
	(void)state;
	const char *const sources[] = {c->http[0], "--ledger=node0", "--ledger=node0/",
	                               "--ledger=node0/ledger.db"};
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		const char *option = i == 0 ? "--node=" : "";
		assert_int_equal(
		    run(&said, "receipt %s --genesis genesis.json %s%s", first, option, sources[i]), 0);
		assert_string_equal(said, file);
		free(said);
		assert_int_equal(run(&said, "receipt %s --json -o more%zu --genesis genesis.json %s%s", first,
		                     i, option, sources[i]),
		                 0);
		assert_string_equal(said, file);
		free(said);
		snprintf(path, sizeof path, "more%zu", i);
		said = slurp(path);
		assert_string_equal(said, file);
		free(said);
	}
	snprintf(path, sizeof path, "/v1/receipts/%s", first);
	assert_true(http_call(c->client[0], path, NULL, NULL, 0, &status, &said, &len, &err));
	assert_int_equal(status, 200);
	assert_string_equal(said, file);
	free(said);
	free(file);
}

static void without_a_genesis_it_says_that_nothing_was_verified(void **state)
{
	(void)state;
	ASSERT_RUN(0, "not verified: no genesis is at hand", "receipt %s --node %s", first, c->http[0]);
	ASSERT_RUN(0, "not verified", "receipt %s -o unverified --ledger node1", last);
	ASSERT_RUN(0, "verified: transaction", "verify unverified --genesis genesis.json");
}

static void what_cannot_be_got_is_not_written(void **state)
{
	struct stat st;
	char *before = slurp("first.json"), *after;
	(void)state;
	ASSERT_RUN(1, "no final transaction has this id here",
	           "receipt " UNKNOWN_ID " -o none --genesis genesis.json --node %s", c->http[0]);
	ASSERT_RUN(1, "node0/ledger.db: no final transaction has this id",
	           "receipt " UNKNOWN_ID " -o none --genesis genesis.json --ledger node0");
	ASSERT_RUN(1, "another chain", "receipt %s -o none --genesis other/genesis.json --node %s", first,
	           c->http[0]);
	ASSERT_RUN(2, "ledger node0/ledger.db belongs to chain ",
	           "receipt %s -o none --genesis other/genesis.json --ledger node0", first);
	ASSERT_RUN(3, "is the node running?",
	           "receipt %s -o none --genesis genesis.json --node http://127.0.0.1:1", first);
	ASSERT_RUN(2, "missing", "receipt %s -o none --genesis missing --node %s", first, c->http[0]);
	ASSERT_RUN(2, "is no transaction id", "receipt abc -o none --genesis genesis.json");
	ASSERT_RUN(2, "TXID is missing", "receipt -o none");
	ASSERT_RUN(2, "what is \"more\"?", "receipt %s more", first);
	ASSERT_RUN(3, "missing/x: cannot be written: No such file or directory",
	           "receipt %s -o missing/x --genesis genesis.json --ledger node0", first);
	ASSERT_RUN(2, "node0: is there already", "receipt %s -o node0 --genesis genesis.json --ledger node0",
	           first);
	ASSERT_RUN(2, "first.json: is there already",
	           "receipt %s -o first.json --genesis genesis.json --ledger node0", last);
	after = slurp("first.json");
	assert_string_equal(before, after);
	assert_int_equal(stat("none", &st), -1);
	free(before);
	free(after);
}

static void what_is_no_ledger_gives_no_receipt(void **state)
{
	static const struct {
		const char *path, *says;
	} ledgers[] = {
	    {"missing", "ledger missing: "},
	    {"accounts", "ledger accounts/ledger.db: "},
	    {"empty", "ledger empty: empty"},
	    {"genesis.json", "ledger genesis.json: "},
	    {"node0/votes.db", "ledger node0/votes.db: "},
	    {"half.db", "half.db: "},
	};
	(void)state;
	struct stat st;
	spill("empty", "", 0);
	chain_sql("node0/ledger.db", "VACUUM INTO 'half.db'", NULL, 0);
	assert_int_equal(stat("half.db", &st), 0);
	assert_int_equal(truncate("half.db", st.st_size / 2), 0);
	for (size_t i = 0; i < sizeof ledgers / sizeof *ledgers; i++)
		ASSERT_RUN(2, ledgers[i].says, "receipt %s --genesis genesis.json --ledger %s", first,
		           ledgers[i].path);
}

/* Who edits his ledger cannot make a receipt of it. */
static void an_edited_ledger_gives_no_receipt_that_holds(void **state)
{
	static const struct {
		const char *sql, *says;
	} edits[] = {
	    {"UPDATE certificates SET certificate = "
	     "CAST(substr(certificate, 1, length(certificate) - 1) || x'ff' AS BLOB) WHERE height = 1",
	     "certificates(height=1): the signature of replica"},
	    {"UPDATE blocks SET header = zeroblob(length(header)) WHERE height = 1", "height=1"},
	    {"UPDATE transactions SET raw = (SELECT raw FROM transactions WHERE height = 2) WHERE height = 1",
	     "transactions"},
	    {"UPDATE transactions SET txid = randomblob(32) WHERE height = 1",
	     "no final transaction has this id"},
	    {"DELETE FROM certificates WHERE height = 1", "certificate"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		unlink("edited.db");
		chain_sql("node0/ledger.db", "VACUUM INTO 'edited.db'", NULL, 0);
		chain_sql("edited.db", edits[i].sql, NULL, 0);
		ASSERT_RUN(1, edits[i].says, "receipt %s -o none --genesis genesis.json --ledger edited.db",
		           first);
		assert_int_equal(access("none", F_OK), -1);
	}
}

/* ---- verifying ----------------------------------------------------------------- */

static void what_is_proven_is_told_in_words(void **state)
{
	char *said, *bob;
	int code;
	(void)state;
	assert_int_equal(run(&said, "verify first.json --genesis genesis.json"), 0);
	assert_int_equal(quorate(&bob, NULL, "key", "show", "accounts/bob.key", NULL), 0);
	bob[strcspn(bob, "\n")] = '\0';
	char *address = strrchr(bob, ' ') ? strrchr(bob, ' ') + 1 : bob;
	char pays[128], verified[128];
	snprintf(pays, sizeof pays, "17 to %s\n", address);
	snprintf(verified, sizeof verified, "verified: transaction %s is final in block 1\n", first);
	const char *const words[] = {verified,
	                             pays,
	                             "first.json",
	                             "UTC, says its proposer, replica ",
	                             "by COMMITs of replicas ",
	                             "signed by ",
	                             "memo",
	                             "72656e74201b5b33316d (bytes in hex)"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strstr(said, words[i]))
			fail_msg("not said: \"%s\" in %s", words[i], said);
	assert_null(strchr(said, '\033'));
	free(said);
	free(bob);
	ASSERT_RUN(0, "memo        thanks\n", "verify last.json --genesis genesis.json");

	json_t *json = quorate_json(&code, "verify", "--json", "first.json", "-g", "genesis.json", NULL);
	assert_int_equal(code, 0);
	assert_string_equal(json_text(json, "verdict"), "verified");
	assert_string_equal(json_text(json, "file"), "first.json");
	assert_string_equal(json_text(json, "txid"), first);
	assert_int_equal(json_integer_value(json_object_get(json, "height")), 1);
	assert_string_equal(json_text(json_array_get(json_object_get(json, "outputs"), 0), "amount"), "17");
	json_decref(json);
}

static void several_files_and_standard_input_are_verified(void **state)
{
	char *text = slurp("last.json"), *out, *errs;
	int code;
	(void)state;
	assert_int_equal(quorate_fed(text, &out, &errs, "verify", "-", "--genesis", "genesis.json", NULL), 0);
	assert_non_null(strstr(out, last));
	free(out);
	free(errs);
	write_bent("bent.json", text, "certificate");
	free(text);
	ASSERT_RUN(0, last, "verify first.json last.json --genesis genesis.json");
	ASSERT_RUN(1, first, "verify bent.json first.json --genesis genesis.json");
	ASSERT_RUN(2, "missing: cannot be opened",
	           "verify bent.json missing first.json --genesis genesis.json");
	/* What is said on standard error leaves no gap. */
	assert_int_equal(quorate(&out, NULL, "verify", "missing", "first.json", "missing", "--genesis",
	                         "genesis.json", NULL),
	                 2);
	assert_true(out[0] == 'v' && !strstr(out, "\n\n"));
	free(out);
	json_t *json = quorate_json(&code, "verify", "--json", "first.json", "bent.json", "missing",
	                            "--genesis", "genesis.json", NULL);
	static const char *const verdicts[] = {"verified", "refused", "unreadable"};
	assert_int_equal(code, 2);
	assert_int_equal(json_array_size(json), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(json_text(json_array_get(json, i), "verdict"), verdicts[i]);
	assert_non_null(strstr(json_text(json_array_get(json, 1), "message"), "does not hold"));
	json_decref(json);
}

static void what_does_not_hold_is_said_with_the_reason(void **state)
{
	char *text = slurp("first.json");
	(void)state;
	write_bent("bent.json", text, "certificate");
	ASSERT_RUN(1, "does not hold: bent.json: the signature of replica",
	           "verify bent.json --genesis genesis.json");
	write_bent("bent.json", text, "transaction");
	ASSERT_RUN(1, "does not hold: bent.json: ", "verify bent.json --genesis genesis.json");
	write_bent("bent.json", text, "txid");
	ASSERT_RUN(1, "bent.json: txid: is not that of the transaction in this receipt, which is ",
	           "verify bent.json --genesis genesis.json");
	write_changed("bent.json", text, "\"height\": 1", "\"height\": 2");
	ASSERT_RUN(1, "height: is not that of the first header", "verify bent.json --genesis genesis.json");
	write_changed("bent.json", text, "\"index\": 0", "\"index\": 1");
	ASSERT_RUN(1, "Merkle path does not lead", "verify bent.json --genesis genesis.json");
	ASSERT_RUN(1, "does not hold: first.json: the receipt is of another chain than this genesis",
	           "verify first.json --genesis other/genesis.json");
	free(text);
}

static void what_is_no_receipt_is_refused_and_named(void **state)
{
	enum { BRACKETS = 10 << 20 };
	char *text = slurp("first.json"), *brackets = xcalloc(BRACKETS, 1);
	unsigned char random[4000];
	unsigned seed = 413567;
	(void)state;
	memset(brackets, '[', BRACKETS);
	spill("brackets", brackets, BRACKETS);
	spill("fewer", brackets, 400000);
	free(brackets);
	for (size_t i = 0; i < sizeof random; i++)
		random[i] = (unsigned char)(rand_r(&seed) >> 8);
	spill("random", random, sizeof random);
	spill("empty", "", 0);
	spill("half", text, strlen(text) / 2);
	spill("evidence", "{\"format\": \"quorate evidence 1\"}\n", 33);
	spill("key\033[31m", "{\"\\u001b[31m\": 1}", 17);
	write_changed("spaced", text, "\"index\": ", "\"index\":  ");
	free(text);
	static const struct {
		const char *words, *says;
	} lines[] = {
	    {"verify missing", "missing: cannot be opened: No such file or directory"},
	    {"verify node0", "node0: cannot be read: Is a directory"},
	    {"verify empty", "empty: this is no receipt: the document is empty"},
	    {"verify brackets", "brackets: larger than 524288 bytes"},
	    {"verify fewer", "fewer: this is no receipt: line 1, column 2049: maximum parsing depth"},
	    {"verify random", "random: this is no receipt: line 1"},
	    {"verify half", "half: this is no receipt: line "},
	    {"verify spaced", "spaced: index: line "},
	    {"verify node0/ledger.db", "node0/ledger.db: "},
	    {"verify accounts/alice.key", "accounts/alice.key: this is no receipt: "},
	    {"verify genesis.json", "genesis.json: this is a genesis, no receipt"},
	    {"verify evidence", "evidence: this is evidence, no receipt; see `quorate evidence verify FILE`"},
	    {"verify key\033[31m", "key?[31m: this is no receipt: ?[31m: unknown field"},
	    {"verify", "FILE is missing"},
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		ASSERT_RUN(2, lines[i].says, "%s --genesis genesis.json", lines[i].words);
	ASSERT_RUN(2, "--genesis is missing", "verify first.json");
	ASSERT_RUN(2, "missing: No such file", "verify first.json --genesis missing");
	ASSERT_RUN(2, "first.json: ", "verify first.json --genesis first.json");
	ASSERT_RUN(2, "genesis random: ", "verify first.json --genesis random");
}

static void no_single_flipped_bit_of_a_real_file_is_accepted(void **state)
{
	char *text = slurp("first.json");
	const size_t len = strlen(text);
	(void)state;
	for (size_t bit = 0; bit <= 8 * len; bit++) {
		struct qreceipt r;
		struct qtxid id;
		struct qheight height;
		text[bit / 8 % len] ^=
		    (char)(bit < 8 * len ? 1 << bit % 8 : 0); /* the last is the file itself */
		bool holds =
		    receipt_parse(text, len, &r, NULL) && receipt_verify(c->genesis, &r, &id, &height, NULL);
		if (holds != (bit == 8 * len))
			fail_msg("bit %zu of %zu: %d", bit, 8 * len, holds);
		wire_free(WIRE(qreceipt), &r);
		text[bit / 8 % len] ^= (char)(bit < 8 * len ? 1 << bit % 8 : 0);
	}
	free(text);
}

/* ---- the library --------------------------------------------------------------- */

static int run_example(const char *genesis, const char *receipt)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int to = open("said", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(to, 1);
		dup2(to, 2);
		execl(getenv("EXAMPLE"), "is_final", genesis, receipt, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_example_of_the_library_tells_what_is_final(void **state)
{
	char want[128], *text = slurp("first.json"), *said;
	(void)state;
	snprintf(want, sizeof want, "%s is final in block 1\n", first);
	assert_int_equal(run_example("genesis.json", "first.json"), 0);
	said = slurp("said");
	assert_string_equal(said, want);
	free(said);
	write_bent("bent.json", text, "certificate");
	free(text);
	assert_int_equal(run_example("genesis.json", "bent.json"), 1);
	assert_int_equal(run_example("other/genesis.json", "first.json"), 1);
	assert_int_equal(run_example("genesis.json", "missing"), 2);
	assert_int_equal(run_example("missing", "first.json"), 2);
}

/* ---- nobody -------------------------------------------------------------------- */

/* Comes last: the nodes end, and their ledgers with them. */
static void receipts_outlive_nodes_and_ledgers(void **state)
{
	(void)state;
	ASSERT_RUN(0, "", "testnet down --dir .");
	ASSERT_RUN(0, "holds against the genesis",
	           "receipt %s -o late.json --ledger node2 --genesis genesis.json", last);
	for (unsigned i = 0; i < 4; i++) {
		char path[32];
		snprintf(path, sizeof path, "node%u/ledger.db", i);
		assert_int_equal(unlink(path), 0);
	}
	ASSERT_RUN(0, last, "verify first.json late.json --genesis genesis.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_way_gives_the_same_file),
	    cmocka_unit_test(without_a_genesis_it_says_that_nothing_was_verified),
	    cmocka_unit_test(what_cannot_be_got_is_not_written),
	    cmocka_unit_test(what_is_no_ledger_gives_no_receipt),
	    cmocka_unit_test(an_edited_ledger_gives_no_receipt_that_holds),
	    cmocka_unit_test(what_is_proven_is_told_in_words),
	    cmocka_unit_test(several_files_and_standard_input_are_verified),
	    cmocka_unit_test(what_does_not_hold_is_said_with_the_reason),
	    cmocka_unit_test(what_is_no_receipt_is_refused_and_named),
	    cmocka_unit_test(no_single_flipped_bit_of_a_real_file_is_accepted),
	    cmocka_unit_test(the_example_of_the_library_tells_what_is_final),
	    cmocka_unit_test(receipts_outlive_nodes_and_ledgers),
	};
	return cmocka_run_group_tests_name("receipts", tests, begin, end);
}
