/*
 * evidence.c: what a node has kept against somebody leaves it as a file, and convicts where there is neither
 * node nor network; what was changed, on the way or in the ledger, convicts nobody.
 */
#include "../unit/proofs.h"
#include "chain.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evidence_file.h"
#include "ledger.h"

static char *read_text(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t len = read(fd, text, sizeof text - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
	return text;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* It ends with this code and says this, on stdout or stderr. */
#define ASSERT_SAYS(want, words, ...)                                                               \
	do {                                                                                        \
		char *out_, *errs_;                                                                 \
		int code_ = quorate(&out_, &errs_, __VA_ARGS__, NULL);                              \
		if (code_ != (want) || !(strstr(out_, words) || strstr(errs_, words)))              \
			fail_msg("exit %d, not \"%s\": %.1500s%.1500s", code_, words, out_, errs_); \
		free(out_);                                                                         \
		free(errs_);                                                                        \
	} while (0)

static void put(struct ledger *l, const struct qevidence *ev)
{
	struct qjournal entry = {.kind = QJ_EVIDENCE, .qjournal_u.evidence = *ev};
	struct err err = {0};
	if (!ledger_journal(l, &entry, &err))
		fail_msg("%s", err.text);
}

/* ---- a real chain ------------------------------------------------------------------------ */

static void assert_submitted(struct chain *c, unsigned node, struct tx *tx, const char *code)
{
	json_t *results;
	assert_true(chain_submit(c, node, &tx, 1, &results));
	assert_string_equal(json_text(json_array_get(results, 0), "code"), code);
	json_decref(results);
}

/* Two signed transactions of alice's one output, to two nodes; ids as text. */
static void spend_twice(struct chain *c, char winner[QHASH_HEX], char loser[QHASH_HEX])
{
	uint64_t amount;
	struct account *alice = chain_account(c, "alice");
	struct qaccount_key key = account_key(alice);
	struct qaddress owner = account_address(&key);
	struct qoutpoint from = chain_allocation(c, &owner, &amount);
	struct tx *a = pay(c->genesis, alice, from, amount, address_number(1), 100, "for the car");
	struct tx *b = pay(c->genesis, alice, from, amount, address_number(2), 100, "for the house");
	assert_submitted(c, 0, a, "accepted");
	assert_true(chain_final(c, 1, &a->id, NULL, 0, NULL, 0));
	assert_submitted(c, 1, b, "double_spend");
	hex_encode(winner, a->id.b, sizeof a->id.b);
	hex_encode(loser, b->id.b, sizeof b->id.b);
	tx_unref(a);
	tx_unref(b);
	account_free(alice);
}

/* The evidence of this kind that a node tells of, once it does: with the next block it is on disk. */
static json_t *await_evidence(struct chain *c, unsigned node, const char *kind, struct purse *purse)
{
	for (unsigned i = 0; i < 100; i++) {
		purse_pay(purse, c, node);
		int code;
		json_t *all = quorate_json(&code, "evidence", "--json", "--node", c->http[node], "--genesis",
		                           chain_path(c, "genesis.json"), NULL);
		assert_int_equal(code, 0);
		size_t k;
		json_t *item;
		json_array_foreach(json_object_get(all, "evidence"), k, item)
		{
			if (strcmp(json_text(item, "kind"), kind) != 0)
				continue;
			json_incref(item);
			json_decref(all);
			return item;
		}
		json_decref(all);
	}
	fail_msg("node %u never tells of a %s", node, kind);
	return NULL;
}

/* Other words in the text of a file; which field, is named. */
static void assert_forgery(const char *file, const char *from, const char *to, const char *says)
{
	const char *text = read_text(file), *at = strstr(text, from);
	char *other = xcalloc(1, strlen(text) + strlen(to) + 1);
	assert_non_null(at);
	memcpy(other, text, (size_t)(at - text));
	strcat(strcat(other, to), at + strlen(from));
	write_text("forged.json", other);
	free(other);
	ASSERT_SAYS(2, says, "evidence", "verify", "forged.json", "--genesis", "genesis.json");
}

static void who_spends_twice_is_convicted_in_an_empty_room(void **state)
{
	struct chain *c = chain_up(4, NULL, 0);
	struct purse bob = purse_open(c, "bob", 0);
	char winner[QHASH_HEX], loser[QHASH_HEX], number[24], path[64], room[] = "/tmp/quorate-room-XXXXXX";
	int status;
	(void)state;
	spend_twice(c, winner, loser);
	json_t *item = await_evidence(c, 1, "double_spend", &bob);
	assert_string_equal(json_text(item, "first"), winner);
	assert_string_equal(json_text(item, "second"), loser);
	assert_true(json_is_true(json_object_get(item, "verified")));
	snprintf(number, sizeof number, "%lld", (long long)json_integer_value(json_object_get(item, "seq")));
	json_decref(item);

	/* From the node, and from its file; the file is what HTTP gives. */
	assert_non_null(mkdtemp(room));
	assert_int_equal(chdir(room), 0);
	ASSERT_SAYS(0, loser, "evidence", "--node", c->http[1], "--genesis", chain_path(c, "genesis.json"));
	ASSERT_SAYS(0, "verified against the genesis", "evidence", "--node", c->http[1]);
	ASSERT_SAYS(0, loser, "evidence", chain_path(c, "node1"));
	ASSERT_SAYS(0, "is in its.json", "evidence", "export", number, "-o", "its.json", "--node",
	            c->http[1]);
	ASSERT_SAYS(0, "is in own.json", "evidence", "export", number, "-o", "own.json",
	            chain_path(c, "node1"));
	ASSERT_SAYS(2, "is there already", "evidence", "export", number, "-o", "own.json",
	            chain_path(c, "node1"));
	ASSERT_SAYS(1, "no evidence of number", "evidence", "export", "999999", chain_path(c, "node1"));
	char *own = xstrdup(read_text("own.json"));
	assert_string_equal(read_text("its.json"), own);
	ASSERT_SAYS(0, own, "evidence", "export", number, "--node", c->http[1]);
	snprintf(path, sizeof path, "/v1/evidence/%s", number);
	json_t *json = chain_get(c, 1, &status, "%s", path);
	assert_int_equal(status, 200);
	char *dumped = json_dumps(json, JSON_INDENT(2));
	assert_memory_equal(dumped, own, strlen(dumped));
	free(dumped);
	json_decref(json);

	/* No node, no database. */
	write_text("genesis.json", read_text(chain_path(c, "genesis.json")));
	purse_close(&bob);
	chain_down(c);
	ASSERT_SAYS(0, "its.json: holds: ", "evidence", "verify", "its.json", "--genesis", "genesis.json");
	ASSERT_SAYS(0, winner, "evidence", "verify", "own.json", "--genesis", "genesis.json");
	assert_forgery("own.json", "\"amount\": \"100\"", "\"amount\": \"999\"",
	               "first_pays: is not what the proof shows");
	assert_forgery("own.json", "signed two", "signed no two", "what: is not");
	assert_forgery("own.json", "  \"proof\": \"0", "  \"proof\": \"1", "proof: is not the canonical");
	ASSERT_SAYS(2, "missing", "evidence", "verify", "own.json");
	free(own);
	assert_int_equal(chdir("/"), 0);
	char command[96];
	snprintf(command, sizeof command, "rm -r %s", room);
	assert_int_equal(system(command), 0);
}

/* ---- a node with much to tell -------------------------------------------------------------- */

static void put_conflict(struct chain *c, struct ledger *l, unsigned h)
{
	struct qevidence ev = {.kind = QEV_CONFLICT};
	ev.qevidence_u.conflict = (struct qconflict){chain_forge(c, 2, h, 1), chain_forge(c, 2, h, 2)};
	put(l, &ev);
	wire_free(WIRE(qevidence), &ev);
}

/* Replica 2 has signed twice at so many heights, and at one more after an entry of another kind. */
static void put_conflicts(struct chain *c, unsigned node, unsigned cnt)
{
	struct err err = {0};
	struct ledger *l = ledger_open(chain_path(c, "node%u/ledger.db", node), c->genesis, NULL, &err);
	if (!l)
		fail_msg("%s", err.text);
	for (unsigned h = 1; h <= cnt; h++)
		put_conflict(c, l, h);
	struct qjournal other = {.kind = QJ_NEW_VIEW, .qjournal_u.new_view = chain_forge(c, 2, 1, 1)};
	assert_true(ledger_journal(l, &other, &err));
	wire_free(WIRE(qjournal), &other);
	put_conflict(c, l, cnt + 1);
	if (!ledger_commit(l, &err))
		fail_msg("%s", err.text);
	ledger_close(l);
}

/* One page; its `next`, 0 if there is none. */
static int64_t page(struct chain *c, unsigned node, int64_t from, unsigned limit, size_t cnt)
{
	int status;
	json_t *all = chain_get(c, node, &status, "/v1/evidence?from=%lld&limit=%u", (long long)from, limit);
	const json_t *list = json_object_get(all, "evidence"), *next = json_object_get(all, "next");
	assert_int_equal(status, 200);
	assert_int_equal(json_array_size(list), cnt);
	for (size_t i = 0; i < cnt; i++)
		assert_int_equal(json_integer_value(json_object_get(json_array_get(list, i), "seq")),
		                 from + (int64_t)i);
	assert_true(json_is_null(next) || json_is_integer(next));
	int64_t n = json_integer_value(next);
	json_decref(all);
	return n;
}

static void a_node_tells_page_by_page(void **state)
{
	enum { MANY = 105 }; /* more than the command asks for at once */
	struct chain *c = chain_up(4, NULL, 0);
	int status, code;
	(void)state;
	chain_signal(c, "kill", 3);
	put_conflicts(c, 3, MANY);
	chain_signal(c, "start", 3);
	chain_wait(c);
	assert_int_equal(page(c, 3, 1, 100, 100), 101);
	assert_int_equal(page(c, 3, 101, 5, 5), MANY + 2);
	assert_int_equal(page(c, 3, MANY + 2, 5, 1), 0);
	assert_int_equal(page(c, 3, 50, 1, 1), 51);
	assert_int_equal(page(c, 3, 7, 0, 0), 7);
	assert_int_equal(page(c, 3, MANY + 3, 10, 0), 0);
	json_decref(chain_get(c, 3, &status, "/v1/evidence"));
	assert_int_equal(status, 200);
	json_decref(chain_get(c, 3, &status, "/v1/evidence?limit=101"));
	assert_int_equal(status, 400);
	json_decref(chain_get(c, 3, &status, "/v1/evidence?from=x"));
	assert_int_equal(status, 400);
	json_decref(chain_get(c, 3, &status, "/v1/evidence/0"));
	assert_int_equal(status, 400);
	json_decref(chain_get(c, 3, &status, "/v1/evidence/1e3"));
	assert_int_equal(status, 400);
	json_decref(chain_get(c, 3, &status, "/v1/evidence/%u", MANY + 1));
	assert_int_equal(status, 404);
	json_decref(chain_get(c, 3, &status, "/v1/evidence/%u", MANY + 3));
	assert_int_equal(status, 404);
	json_t *all = quorate_json(&code, "evidence", "--json", "--node", c->http[3], NULL);
	assert_int_equal(code, 0);
	assert_int_equal(json_array_size(json_object_get(all, "evidence")), MANY + 1);
	json_decref(all);
	ASSERT_SAYS(0, "replica 2 (", "evidence", "export", "77", "--node", c->http[3]);
	ASSERT_SAYS(1, "no evidence of number 106", "evidence", "export", "106", "--node", c->http[3]);
	chain_down(c);
}

/* ---- a journal that is made -------------------------------------------------------------- */

struct room {
	struct rules rules;
	char dir[32];
};

static int room_setup(void **state)
{
	struct room *r = *state = xcalloc(1, sizeof *r);
	rules_setup(&r->rules, 4, "evidence");
	strcpy(r->dir, "/tmp/quorate-room-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	assert_int_equal(chdir(r->dir), 0);
	assert_int_equal(mkdir("home", 0700), 0);
	char *genesis = genesis_format(&r->rules.g);
	write_text("home/genesis.json", genesis);
	free(genesis);
	return 0;
}

static int room_teardown(void **state)
{
	struct room *r = *state;
	char command[64];
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof command, "rm -r %s", r->dir);
	assert_int_equal(system(command), 0);
	rules_teardown(&r->rules);
	free(r);
	return 0;
}

/* A piece of every sort, and one with a signature that does not hold. */
static void make_ledger(const struct room *r, bool with_false_one)
{
	struct err err = {0};
	struct ledger *l = ledger_open("home/ledger.db", &r->rules.g, NULL, &err);
	if (!l)
		fail_msg("%s", err.text);
	for (enum proof_sort sort = 0; sort < PROOF_CNT; sort++) {
		struct qevidence ev = proof_make(&r->rules, sort);
		put(l, &ev);
		wire_free(WIRE(qevidence), &ev);
	}
	if (with_false_one) {
		struct qevidence ev = proof_make(&r->rules, PROOF_COMMITS);
		ev.qevidence_u.conflict.first.sig.b[0] ^= 1;
		put(l, &ev);
		wire_free(WIRE(qevidence), &ev);
	}
	if (!ledger_commit(l, &err))
		fail_msg("%s", err.text);
	ledger_close(l);
}

static json_t *listed(int *code)
{
	return quorate_json(code, "evidence", "home", "--json", NULL);
}

static void evidence_of_every_sort_is_listed_exported_and_verified(void **state)
{
	char file[48];
	int code;
	make_ledger(*state, false);
	json_t *all = listed(&code);
	const json_t *list = json_object_get(all, "evidence");
	assert_int_equal(code, 0);
	assert_int_equal(json_array_size(list), PROOF_CNT);
	ASSERT_SAYS(0, "14 pieces of evidence in the journal of home/ledger.db, verified", "evidence",
	            "home");
	ASSERT_SAYS(0, "2 (replica-2)", "evidence", "home");
	ASSERT_SAYS(0, "commit 010101010101, hidden later", "evidence", "home");
	ASSERT_SAYS(0, "checkpoint 010101010101, two states", "evidence", "home");
	ASSERT_SAYS(0, "prepare 010101010101 and 020202020202", "evidence", "home");
	ASSERT_SAYS(0, "evidence 1 is in out/evidence-1.json", "evidence", "export", "--all", "-o", "out",
	            "home");
	for (size_t i = 0; i < PROOF_CNT; i++) {
		const json_t *item = json_array_get(list, i);
		assert_true(json_is_true(json_object_get(item, "verified")));
		snprintf(file, sizeof file, "out/evidence-%lld.json",
		         (long long)json_integer_value(json_object_get(item, "seq")));
		ASSERT_SAYS(0, proof_words[i], "evidence", "verify", file, "-g", "home/genesis.json");
	}
	json_decref(all);
	ASSERT_SAYS(0, "\"ok\": true", "evidence", "verify", "--json", "out/evidence-1.json",
	            "out/evidence-14.json", "-g", "home/genesis.json");
}

/* What an operator does to his file costs him those entries, and nobody is accused of anything. */
static void what_does_not_hold_is_shown_as_such(void **state)
{
	int code;
	make_ledger(*state, true);
	chain_sql("home/ledger.db", "UPDATE journal SET entry = x'00' WHERE seq = 3", NULL, 0);
	json_t *all = listed(&code);
	const json_t *list = json_object_get(all, "evidence");
	assert_int_equal(code, 1);
	assert_int_equal(json_array_size(list), PROOF_CNT + 1);
	for (size_t i = 0; i <= PROOF_CNT; i++) {
		const json_t *item = json_array_get(list, i);
		bool bad = i == 2 || i == PROOF_CNT;
		assert_true(json_is_true(json_object_get(item, "verified")) != bad);
		assert_true((json_object_get(item, "culprits") || json_object_get(item, "signer")) != bad);
		assert_true((json_object_get(item, "reason") != NULL) == bad);
	}
	json_decref(all);
	ASSERT_SAYS(1, "journal entry 3 is no evidence", "evidence", "home");
	ASSERT_SAYS(1, "the signature of replica 2 on an envelope does not hold", "evidence", "home");
	ASSERT_SAYS(1, "2 of them convict nobody", "evidence", "home");
	ASSERT_SAYS(1, "evidence 3 convicts nobody, and is not written", "evidence", "export", "3", "home");
	ASSERT_SAYS(1, "evidence 15 convicts nobody", "evidence", "export", "--all", "-o", "out", "home");
	assert_int_equal(access("out/evidence-14.json", R_OK), 0);
	assert_int_equal(access("out/evidence-15.json", F_OK), -1);
	assert_int_equal(access("out/evidence-3.json", F_OK), -1);
}

/* ---- what is no evidence ------------------------------------------------------------------- */

static void make_odd_files(const struct room *r)
{
	enum { BRACKETS = 10 << 20 };
	char *brackets = xcalloc(1, BRACKETS + 1);
	struct rules stranger;
	size_t len;
	memset(brackets, '[', BRACKETS);
	write_text("brackets", brackets);
	free(brackets);
	write_text("empty", "");
	write_text("nonsense", "\x7f"
	                       "ELF\n");
	write_text("receipt", "{\n  \"format\": \"quorate receipt 1\",\n  \"chain\": \"00\"\n}\n");
	assert_int_equal(mkdir("directory", 0700), 0);

	rules_setup(&stranger, 4, "another chain");
	char *genesis = genesis_format(&stranger.g);
	write_text("other.json", genesis);
	free(genesis);
	rules_teardown(&stranger);

	/* It was written down; that it convicts somebody, nobody has said. */
	struct qevidence ev = proof_make(&r->rules, PROOF_PREPARES);
	ev.qevidence_u.conflict.second.sig.b[63] ^= 1;
	char *text = evidence_format(&r->rules.g, &ev, &len);
	write_text("false", text);
	free(text);
	wire_free(WIRE(qevidence), &ev);
}

#define VERIFY(file) "evidence", "verify", file, "-g", "home/genesis.json"

static void what_is_no_evidence_is_told_apart(void **state)
{
	make_ledger(*state, false);
	make_odd_files(*state);
	ASSERT_SAYS(0, "is in true", "evidence", "export", "2", "home", "-o", "true");
	ASSERT_SAYS(0, "true: holds", VERIFY("true"));
	ASSERT_SAYS(1, "false: convicts nobody: the signature of replica 2", VERIFY("false"));
	ASSERT_SAYS(1, "this genesis is of chain", "evidence", "verify", "true", "-g", "other.json");
	ASSERT_SAYS(2, "brackets: is no evidence file", VERIFY("brackets"));
	ASSERT_SAYS(2, "empty: is empty", VERIFY("empty"));
	ASSERT_SAYS(2, "nonsense: is no evidence file", VERIFY("nonsense"));
	ASSERT_SAYS(2, "receipt: is a receipt, no evidence; `quorate verify FILE`", VERIFY("receipt"));
	ASSERT_SAYS(2, "directory: cannot be read", VERIFY("directory"));
	ASSERT_SAYS(2, "missing: cannot be opened", VERIFY("missing"));
	ASSERT_SAYS(2, "`quorate evidence LEDGER` lists", VERIFY("home/ledger.db"));
	ASSERT_SAYS(2, "is a genesis", VERIFY("home/genesis.json"));
	ASSERT_SAYS(2, "standard input: is empty", VERIFY("-"));
	ASSERT_SAYS(2, "genesis true", "evidence", "verify", "true", "-g", "true");
	/* The worst of several is the exit code; all are looked at. */
	ASSERT_SAYS(2, "true: holds", "evidence", "verify", "empty", "true", "false", "-g",
	            "home/genesis.json");
	ASSERT_SAYS(1, "true: holds", "evidence", "verify", "false", "true", "-g", "home/genesis.json");

	ASSERT_SAYS(2, "nonsense", "evidence", "nonsense", "--genesis", "home/genesis.json");
	ASSERT_SAYS(2, "empty", "evidence", "empty", "--genesis", "home/genesis.json");
	ASSERT_SAYS(2, "directory/ledger.db", "evidence", "directory", "--genesis", "home/genesis.json");
	ASSERT_SAYS(2, "but the genesis is of chain", "evidence", "home", "--genesis", "other.json");
	ASSERT_SAYS(2, "--genesis is missing", "evidence", "home/ledger.db");
	ASSERT_SAYS(2, "one LEDGER", "evidence", "home", "home");
	ASSERT_SAYS(2, "no number", "evidence", "export", "0", "home");
	ASSERT_SAYS(2, "-o DIRECTORY", "evidence", "export", "--all", "home");
	ASSERT_SAYS(3, "127.0.0.1:1", "evidence", "--node", "http://127.0.0.1:1", "--genesis",
	            "home/genesis.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_spends_twice_is_convicted_in_an_empty_room),
	    cmocka_unit_test(a_node_tells_page_by_page),
	    cmocka_unit_test_setup_teardown(evidence_of_every_sort_is_listed_exported_and_verified,
	                                    room_setup, room_teardown),
	    cmocka_unit_test_setup_teardown(what_does_not_hold_is_shown_as_such, room_setup, room_teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_evidence_is_told_apart, room_setup, room_teardown),
	};
	return cmocka_run_group_tests_name("evidence", tests, chain_setup, NULL);
}
