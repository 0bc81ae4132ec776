/*
 * testnets.c: testnets of every kind (seals, and who proposes), the ceremony that makes such a genesis by
 * hand, and what a testnet of one kind says to those who ask for another.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "schedule.h"

static char dir[] = "/tmp/quorate-testnets-XXXXXX"; /* the working directory of all tests here */

/* However the tests end. */
static void stop_all(void)
{
	char command[256];
	snprintf(command, sizeof command,
	         "cd %s 2>/dev/null && for d in turns miners; do \"$QUORATE\" testnet down --dir $d "
	         ">/dev/null 2>&1; done",
	         dir);
	if (system(command) == -1)
		perror("testnets");
}

static int begin(void **state)
{
	atexit(stop_all);
	if (chain_setup(state) != 0 || mkdtemp(dir) == NULL || chdir(dir) != 0)
		return -1;
	unsetenv("QUORATE_NODE");
	return 0;
}

static int end(void **state)
{
	char command[64];
	(void)state;
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof command, "rm -rf -- %s", dir);
	assert_int_equal(system(command), 0);
	return 0;
}

/* Runs a line of words: its exit code; all that it says, stdout before stderr. */
static int run(const char *line, char **said)
{
	char copy[2048], *rest = copy, *argv[64] = {"quorate"}, *out, *errs;
	int argc = 1;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *word; (word = strsep(&rest, " ")) && argc < 63;)
		if (*word)
			argv[argc++] = word;
	argv[argc] = NULL;
	int code = quorate_argv(&out, &errs, argv);
	*said = xcalloc(1, strlen(out) + strlen(errs) + 1);
	strcat(strcpy(*said, out), errs);
	free(out);
	free(errs);
	return code;
}

static void assert_says(const char *line, int code, const char *says)
{
	char *said;
	int got = run(line, &said);
	if (got != code || !strstr(said, says))
		fail_msg("quorate %s: not exit %d, \"%s\" but exit %d: %.2000s", line, code, says, got, said);
	free(said);
}

static const json_t *at(const json_t *object, const char *list, size_t i)
{
	const json_t *element = json_array_get(json_object_get(object, list), i);
	assert_non_null(element);
	return element;
}

static json_int_t number(const json_t *object, const char *key)
{
	const json_t *n = json_object_get(object, key);
	if (!json_is_integer(n))
		fail_msg("%s is no number", key);
	return json_integer_value(n);
}

/* ---- made --------------------------------------------------------------------------------- */

static const struct kind {
	const char *seal, *proposer, *replicas;
} kinds[] = {
    {"none", "primary", "4"},    {"pow:10", "primary", "4"},     {"none", "stake", "4"},
    {"pow:9", "delegated", "4"}, {"pow:8:50", "delegated", "7"}, {"none", "stake", "1"},
    {"none", "delegated", "1"},
};

/* The accounts of operators: in the genesis, and their keys in the homes. */
static void assert_operators(const char *where, const json_t *made, const json_t *genesis, bool by_stake)
{
	for (size_t i = 0; i < json_array_size(json_object_get(genesis, "replicas")); i++) {
		char path[512], *shown;
		struct stat st;
		const json_t *account = json_object_get(at(made, "replicas", i), "account");
		const char *address = json_text(at(genesis, "replicas", i), "account");
		snprintf(path, sizeof path, "%s/node%zu/account.key", where, i);
		assert_int_equal(access(path, F_OK) == 0, by_stake);
		assert_int_equal(json_is_object(account), by_stake);
		if (!by_stake) {
			assert_string_equal(address, "");
			continue;
		}
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_string_equal(json_text(account, "address"), address);
		assert_string_equal(json_text(account, "key"), path);
		snprintf(path, sizeof path, "key show %s/node%zu/account.key", where, i);
		assert_int_equal(run(path, &shown), 0);
		assert_non_null(strstr(shown, address));
		free(shown);
	}
}

/* Stakes and turns as the testnet's kind gives them to n replicas. */
static void assert_stakes(const json_t *genesis, bool delegated)
{
	size_t n = json_array_size(json_object_get(genesis, "replicas"));
	json_int_t turns = 0;
	for (size_t i = 0; i < n; i++) {
		const json_t *r = at(genesis, "replicas", i);
		assert_string_equal(json_text(r, "own"), "100000000");
		const char *want = !delegated   ? "0"
		                   : n == 1     ? "150000000"
		                   : i == 0     ? "50000000"
		                   : i == n - 1 ? "100000000"
		                                : "0";
		assert_string_equal(json_text(r, "delegated"), want);
		assert_int_equal(number(r, "turns") == 0, delegated && n > 1 && i == n - 2);
		turns += number(r, "turns");
	}
	assert_int_equal(turns, SCHEDULE_CYCLE);
	const json_t *rules = json_object_get(genesis, "proposer");
	assert_int_equal(number(rules, "epoch") % (number(rules, "turn") * SCHEDULE_CYCLE), 0);
	assert_int_equal(number(rules, "proposers"), delegated && n > 1 ? n - 1 : n);
}

static void testnets_of_every_kind_are_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const struct kind *k = &kinds[i];
		char where[16], genesis_path[32];
		snprintf(where, sizeof where, "kind%zu", i);
		snprintf(genesis_path, sizeof genesis_path, "%s/genesis.json", where);
		bool by_stake = strcmp(k->proposer, "primary") != 0, sealed = strcmp(k->seal, "none") != 0;
		json_t *made = quorate_json(NULL, "testnet", "new", "--dir", where, "--replicas", k->replicas,
		                            "--base-port", "0", "--seal", k->seal, "--proposer", k->proposer,
		                            "--json", NULL);
		json_t *genesis = quorate_json(NULL, "genesis", "show", genesis_path, "--json", NULL);
		assert_string_equal(json_text(made, "seal"), k->seal);
		assert_string_equal(json_text(made, "chain"), json_text(genesis, "chain"));
		assert_string_equal(json_text(made, "proposers"), /* of one, delegated is stake */
		                    by_stake && strcmp(k->replicas, "1") == 0 ? "stake" : k->proposer);
		assert_int_equal(json_is_object(json_object_get(genesis, "seal")), sealed);
		assert_int_equal(json_is_object(json_object_get(genesis, "proposer")), by_stake);
		assert_operators(where, made, genesis, by_stake);
		if (by_stake)
			assert_stakes(genesis, strcmp(k->proposer, "delegated") == 0);
		assert_int_equal(json_array_size(json_object_get(made, "accounts")), 4);
		json_decref(made);
		json_decref(genesis);
	}
}

/* Nothing of what is there is changed, and nothing is started. */
static void a_testnet_of_another_kind_is_refused(void **state)
{
	static const struct {
		const char *line, *says;
	} refused[] = {
	    {"--seal pow:10", "--seal: other holds a testnet with pow:9, not pow:10; choose another --dir"},
	    {"--seal pow:9:100", "with pow:9, not pow:9:100"},
	    {"--seal none", "with pow:9, not none"},
	    {"--proposer primary", "--proposer: other holds a testnet with delegated, not primary"},
	    {"--proposer stake", "with delegated, not stake"},
	    {"--seal pow:9 --proposer delegated --replicas 7", "other holds a testnet of 4 replicas, not 7"},
	};
	char line[128];
	(void)state;
	assert_says("testnet new --dir other --base-port 0 --seal pow:9 --proposer delegated", 0, "seal");
	assert_says("testnet new --dir plain --base-port 0", 0, "stopped");
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		snprintf(line, sizeof line, "testnet up --dir other --detach %s", refused[i].line);
		assert_says(line, 2, refused[i].says);
	}
	assert_says("testnet up --dir plain --detach --seal pow:1", 2, "with none, not pow:1");
	assert_says("testnet up --dir plain --detach --proposer stake", 2, "with primary, not stake");
	assert_says("testnet down --dir other", 0, "0 of 4 replicas were running");
	assert_says("testnet down --dir plain", 0, "0 of 4 replicas were running");
}

static void kinds_that_cannot_be_are_refused_and_leave_nothing(void **state)
{
	static const struct {
		const char *line, *says;
	} refused[] = {
	    {"--seal pow", "--seal \"pow\": must be none, pow:BITS or pow:BITS:INTERVAL_MS"},
	    {"--seal pow:x", "must be none, pow:BITS"},
	    {"--seal pow:0", "seal.bits: is 0; must be 1 to 48"},
	    {"--seal pow:49", "seal.bits: is 49"},
	    {"--seal pow:30", "take up to 10737419 ms; must be at most 600000 ms"},
	    {"--seal pow:10:3600000", "must be at most 600000 ms"},
	    {"--proposer pos", "--proposer \"pos\": must be primary, stake or delegated"},
	};
	char line[128];
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		snprintf(line, sizeof line, "testnet up --detach --dir never %s", refused[i].line);
		assert_says(line, 2, refused[i].says);
		assert_int_not_equal(access("never", F_OK), 0);
	}
}

/* ---- by hand ------------------------------------------------------------------------------- */

/* `node init` and `key new` of four operators: their lines, with the accounts. */
static void operators(char lines[4][256], char address[4][64])
{
	for (unsigned i = 0; i < 4; i++) {
		char line[256], *said;
		snprintf(line, sizeof line, "key new op%u.key --plain", i);
		assert_int_equal(run(line, &said), 0);
		snprintf(address[i], sizeof address[i], "%.49s", said);
		free(said);
		snprintf(line, sizeof line,
		         "node init --home op%u --name op%u --plain --listen tcp://127.0.0.1:%u", i, i,
		         9000 + i);
		assert_int_equal(run(line, &said), 0);
		int len = snprintf(lines[i], sizeof lines[i], "--replica %.*s,%s", (int)strcspn(said, "\n"),
		                   said, address[i]);
		assert_in_range(len, 1, sizeof lines[i] - 1);
		free(said);
	}
}

static void a_genesis_with_stakes_is_made_by_hand(void **state)
{
	char lines[4][256], address[4][64], line[2048], all[2048 + 512];
	(void)state;
	operators(lines, address);
	/* Options in any order: what they mean depends on all of them. */
	snprintf(line, sizeof line,
	         "genesis new --name staked --time 1700000000000 --param proposer.turn=4 --stake %s=300@op2 "
	         "--stake %s=200@op0 --stake %s=50@op0 --param seal.hash_rate=500000 --param window=8 "
	         "--seal pow:12:100 %s %s %s %s --allocate %s=7 --proposer stake",
	         address[2], address[0], address[1], lines[0], lines[1], lines[2], lines[3], address[3]);
	snprintf(all, sizeof all, "%s -o staked.json", line);
	assert_says(all, 0, "");
	json_t *g = quorate_json(NULL, "genesis", "show", "staked.json", "--json", NULL);
	assert_string_equal(json_text(g, "supply"), "557");
	assert_string_equal(json_text(at(g, "replicas", 0), "own"), "200");
	assert_string_equal(json_text(at(g, "replicas", 0), "delegated"), "50");
	assert_string_equal(json_text(at(g, "replicas", 1), "own"), "0");
	assert_string_equal(json_text(at(g, "replicas", 2), "own"), "300");
	assert_string_equal(json_text(at(g, "replicas", 3), "account"), address[3]);
	assert_int_equal(number(at(g, "replicas", 0), "turns"), 58); /* 57.7 of 127 */
	assert_int_equal(number(at(g, "replicas", 2), "turns"), 69);
	assert_int_equal(number(json_object_get(g, "proposer"), "turn"), 4);
	assert_int_equal(number(json_object_get(g, "seal"), "hash_rate"), 500000);
	assert_int_equal(number(json_object_get(g, "seal"), "interval_ms"), 100);
	assert_int_equal(number(json_object_get(g, "parameters"), "window"), 8);
	json_decref(g);

	/* The same in words. */
	assert_says("genesis show staked.json", 0,
	            "proof of work of 12 to 18 bits, for a block every 100 ms");
	assert_says("genesis show staked.json", 0, "all replicas by their stake, in turns of 4 heights");
	assert_says("genesis show staked.json", 0, "is free 4064 heights after its release");
	assert_says("genesis show staked.json", 0, "seal.hash_rate");

	/* With other rules it is another chain, and what is odd is said. */
	snprintf(all, sizeof all, "%s --param proposer.epoch=128 -o odd.json", line);
	assert_says(all, 0, "");
	assert_says("genesis check odd.json", 0, "not a whole number of cycles of 127 turns (508 heights)");
	snprintf(all, sizeof all, "%s --stake %s=9000000@op3 -o alike.json", line, address[3]);
	assert_says(all, 0, "");
	assert_says("genesis check alike.json", 0, "fewer than 2 replicas would have a turn");
}

static void a_genesis_that_breaks_a_rule_of_stake_is_not_made(void **state)
{
	char lines[4][256], address[4][64], base[2048], line[2048 + 256], no_account[256];
	(void)state;
	char *said;
	for (unsigned i = 0; i < 4; i++) { /* those that were made before */
		snprintf(line, sizeof line, "key show op%u.key", i);
		assert_int_equal(run(line, &said), 0);
		snprintf(address[i], sizeof address[i], "%.49s", strstr(said, "q"));
		free(said);
		snprintf(line, sizeof line, "key show op%u/replica.key", i);
		assert_int_equal(run(line, &said), 0);
		said[strcspn(said, "\n")] = '\0';
		const char *key = strrchr(said, ' ') ? strrchr(said, ' ') + 1 : said;
		snprintf(lines[i], sizeof lines[i], "--replica op%u,%.64s,tcp://h:%u,%.49s", i, key, i + 1,
		         address[i]);
		free(said);
	}
	snprintf(base, sizeof base, "genesis new --name x --allocate %s=5 %s %s %s %s", address[0], lines[0],
	         lines[1], lines[2], lines[3]);
	snprintf(no_account, sizeof no_account, "%.*s", (int)(strrchr(lines[3], ',') - lines[3]), lines[3]);
	const struct {
		const char *more, *says;
	} wrong[] = {
	    {"", "replicas[0].account: has no meaning; proposers are not by stake"},
	    {"--proposer stake --stake 5", "--stake 5: not ADDRESS=AMOUNT@REPLICA"},
	    {"--proposer stake --stake q1=5@op1", "--stake: an address has 49 characters"},
	    {"--proposer stake --stake q1=5", "not ADDRESS=AMOUNT@REPLICA"},
	    {"--proposer stake --stake q1=5@op9", "--stake: \"op9\" is the name of no --replica"},
	    {"--proposer stakes", "--proposer: \"stakes\": must be primary, stake or delegated"},
	    {"--proposer stake --seal pos", "--seal: \"pos\": must be none"},
	    {"--proposer stake --param seal.bits=4", "--param seal.bits=4: not NAME=VALUE with a NAME"},
	    {"--proposer stake --param turn=4", "--param turn=4: not NAME=VALUE"},
	    {"--proposer stake --param proposer.turn=x", "--param proposer.turn: \"x\" is no number"},
	    {"--proposer stake --param proposer.turn=7",
	     "proposer.turn: is 7; must divide proposer.epoch, 1016"},
	    {"--proposer stake --param proposer.epoch=64", "proposer.epoch: is 64; must be 128 to"},
	    {"--proposer stake --param proposer.unbonding=3047",
	     "proposer.unbonding: is 3047; must be 3048 to"},
	    {"--proposer delegated --param proposer.proposers=1", "proposer.proposers: is 1; must be 2 to 4"},
	    {"--proposer stake --seal pow:21 --param seal.hash_rate=1000",
	     "seal.bits_max: 21 bits at seal.hash_rate 1000 take up to 41943040 ms"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		snprintf(line, sizeof line, "%s %s", base, wrong[i].more);
		assert_says(line, 2, wrong[i].says);
	}
	snprintf(line, sizeof line, "genesis new --name x --proposer stake --allocate %s=5 %s %s %s %s",
	         address[0], lines[0], lines[1], lines[2], no_account);
	assert_says(line, 2, "replicas[3].account: is missing; proposers are by stake");
	snprintf(line, sizeof line, "genesis new --name x --proposer stake --replica a,%064d,tcp://a:1,q12",
	         0);
	assert_says(line, 2, "--replica a: an address has 49");
	snprintf(line, sizeof line, "%s --proposer stake --stake %s=0@op1", base, address[1]);
	assert_says(line, 2, "--stake: \"0\" is no amount");
}

/* ---- up -------------------------------------------------------------------------------------- */

static json_t *status_of(const char *where)
{
	int code;
	json_t *status = quorate_json(&code, "testnet", "status", "--dir", where, "--json", NULL);
	assert_int_equal(code, 0);
	return status;
}

/* Pays 1 from alice to bob; the height, 0: it was not waited for. */
static uint64_t send_one(const char *where, const char *http, bool wait)
{
	char alice[64], bob[64], genesis[64];
	snprintf(alice, sizeof alice, "%s/accounts/alice.key", where);
	snprintf(bob, sizeof bob, "%s/accounts/bob.key", where);
	snprintf(genesis, sizeof genesis, "%s/genesis.json", where);
	int code;
	json_t *sent = quorate_json(&code, "send", "--key", alice, "--to", bob, "--amount", "1", "--genesis",
	                            genesis, "--node", http, "--json", wait ? NULL : "--no-wait", NULL);
	if (code != 0)
		fail_msg("send: %s %s", json_text(sent, "code"), json_text(sent, "message"));
	uint64_t height = wait ? (uint64_t)number(sent, "height") : 0;
	json_decref(sent);
	return height;
}

static void status_names_who_proposes_next(void **state)
{
	(void)state;
	json_t *up = quorate_json(NULL, "testnet", "up", "--dir", "turns", "--proposer", "delegated",
	                          "--base-port", "0", "--detach", "--json", NULL);
	char http[64], line[256], says[64];
	snprintf(http, sizeof http, "%s", json_text(at(up, "replicas", 0), "http"));
	json_decref(up);
	assert_says("testnet status --dir turns", 0,
	            "the 3 replicas with most stake, in turns of 2 heights; a new count each 254 heights");
	assert_says("testnet status --dir turns", 0, "0, heights 1 to 254; stakes after height 0 decide");
	unsigned others = 0;
	for (uint64_t height = 1; height <= 6; height++) {
		json_t *status = status_of("turns");
		unsigned next = (unsigned)number(status, "proposer");
		json_decref(status);
		snprintf(says, sizeof says, "replica %u proposes height %llu", next,
		         (unsigned long long)height);
		assert_says("testnet status --dir turns", 0, says);
		assert_int_equal(send_one("turns", http, true), height);
		snprintf(line, sizeof line, "block show %llu --node %s --json", (unsigned long long)height,
		         http);
		snprintf(says, sizeof says, "\"proposer\": %u", next);
		assert_says(line, 0, says);
		assert_int_not_equal(next, 2); /* it is not elected */
		others += next != 0;
		assert_says("testnet wait --dir turns", 0, ""); /* so that all know of it */
	}
	assert_true(others > 0);
	assert_says("testnet down --dir turns", 0, "4 of 4 replicas were running");
}

static bool somebody_mines(const char *where, uint64_t *height)
{
	json_t *status = status_of(where);
	bool mines = false;
	for (size_t i = 0; i < 4; i++) {
		const json_t *mining = json_object_get(at(status, "replicas", i), "mining");
		mines = mines || json_is_integer(mining);
		if (json_is_integer(mining)) {
			*height = (uint64_t)json_integer_value(mining);
			assert_int_equal(i, number(status, "proposer"));
		}
	}
	json_decref(status);
	return mines;
}

static void status_names_who_mines(void **state)
{
	(void)state;
	json_t *up = quorate_json(NULL, "testnet", "up", "--dir", "miners", "--seal", "pow:22", "--base-port",
	                          "0", "--detach", "--json", NULL);
	char http[64];
	struct timespec now;
	snprintf(http, sizeof http, "%s", json_text(at(up, "replicas", 0), "http"));
	json_decref(up);
	clock_gettime(CLOCK_MONOTONIC, &now);
	const time_t deadline = now.tv_sec + CHAIN_PATIENCE_MS / 1000;
	uint64_t height = 0;
	assert_false(somebody_mines("miners", &height)); /* nothing is pending */
	bool seen = false;
	while (!seen && now.tv_sec < deadline) { /* it is over after a second or so: another chance then */
		send_one("miners", http, false);
		seen = somebody_mines("miners", &height);
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	assert_true(seen);
	assert_true(height > 0);
	assert_says("testnet status --dir miners", 0,
	            "proof of work of 22 bits; mining takes at most 41944 ms");
	assert_says("testnet down --dir miners", 0, "4 of 4 replicas were running");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(testnets_of_every_kind_are_made),
	    cmocka_unit_test(a_testnet_of_another_kind_is_refused),
	    cmocka_unit_test(kinds_that_cannot_be_are_refused_and_leave_nothing),
	    cmocka_unit_test(a_genesis_with_stakes_is_made_by_hand),
	    cmocka_unit_test(a_genesis_that_breaks_a_rule_of_stake_is_not_made),
	    cmocka_unit_test(status_names_who_proposes_next),
	    cmocka_unit_test(status_names_who_mines),
	};
	return cmocka_run_group_tests_name("testnets", tests, begin, end);
}
