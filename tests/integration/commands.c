/*
 * commands.c: the command line and what goes wrong with it: wrong usage, files that are not what they should
 * be, no node, no room for the output. Each ends with the right exit code and words that name what was
 * wrong; nothing hangs, nothing is overwritten.
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

static struct chain *c; /* one for all tests here; its directory is the working directory */

static void write_bytes(const char *path, mode_t mode, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void write_text(const char *path, const char *text)
{
	write_bytes(path, 0600, text, strlen(text));
}

/* Runs a line of words; '' is an empty one. Its exit code and all that it says, out before err. */
static int run(const char *line, char **said)
{
	char copy[1024], *rest = copy, *argv[64] = {"quorate"}, *out, *errs, empty[] = "";
	int argc = 1;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *word; (word = strsep(&rest, " ")) && argc < 63;)
		if (*word)
			argv[argc++] = strcmp(word, "''") == 0 ? empty : word;
	argv[argc] = NULL;
	int code = quorate_argv(&out, &errs, argv);
	*said = xcalloc(1, strlen(out) + strlen(errs) + 1);
	strcat(strcpy(*said, out), errs);
	free(out);
	free(errs);
	return code;
}

struct line {
	const char *words;
	int code;
	const char *says;
};

static void assert_line(const struct line *l)
{
	char *said;
	int code = run(l->words, &said);
	if (code != l->code || !strstr(said, l->says))
		fail_msg("quorate %s: not exit %d, \"%s\" but exit %d: %.2000s", l->words, l->code, l->says,
		         code, said);
	free(said);
}

#define ASSERT_LINES(lines)                                          \
	for (size_t i = 0; i < sizeof(lines) / sizeof *(lines); i++) \
	assert_line(&(lines)[i])

/* Files that are not what somebody takes them for. */
static void make_odd_files(void)
{
	enum { BRACKETS = 10 << 20 };
	char *brackets = xcalloc(1, BRACKETS);
	unsigned char random[4000];
	unsigned seed = 413567;
	memset(brackets, '[', BRACKETS);
	write_bytes("brackets", 0600, brackets, BRACKETS);
	free(brackets);
	for (size_t i = 0; i < sizeof random; i++)
		random[i] = (unsigned char)(rand_r(&seed) >> 8);
	write_bytes("random", 0600, random, sizeof random);
	write_text("empty", "");
	write_text("nonsense", "nonsense\n");
	assert_int_equal(mkdir("directory", 0700), 0);
	assert_int_equal(mkfifo("pipe", 0600), 0);
}

static int begin(void **state)
{
	if (chain_setup(state) != 0)
		return -1;
	unsetenv("QUORATE_NODE");
	unsetenv("QUORATE_PASSPHRASE_FILE");
	c = chain_up(4, NULL, 0);
	assert_int_equal(chdir(c->dir), 0);
	make_odd_files();
	assert_int_equal(quorate(NULL, NULL, "testnet", "new", "--dir", "other", "--base-port", "0", NULL),
	                 0);
	assert_int_equal(quorate(NULL, NULL, "key", "new", "some.key", "--plain", NULL), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	chain_down(c);
	return 0;
}

/* ---- usage ------------------------------------------------------------------------------ */

static void every_command_has_help(void **state)
{
	static const char *const commands[] = {"",
	                                       "testnet",
	                                       "testnet up",
	                                       "testnet new",
	                                       "testnet status",
	                                       "testnet down",
	                                       "testnet kill",
	                                       "testnet start",
	                                       "testnet wait",
	                                       "testnet pause",
	                                       "testnet resume",
	                                       "send",
	                                       "receipt",
	                                       "verify",
	                                       "trace",
	                                       "backup",
	                                       "restore",
	                                       "balance",
	                                       "stake",
	                                       "stake bond",
	                                       "stake delegate",
	                                       "stake unbond",
	                                       "stake withdraw",
	                                       "stake show",
	                                       "stake convict",
	                                       "evidence",
	                                       "evidence export",
	                                       "evidence verify",
	                                       "tx",
	                                       "tx make",
	                                       "tx sign",
	                                       "tx submit",
	                                       "tx show",
	                                       "block",
	                                       "block show",
	                                       "status",
	                                       "audit",
	                                       "key",
	                                       "key new",
	                                       "key show",
	                                       "genesis",
	                                       "genesis new",
	                                       "genesis check",
	                                       "genesis show",
	                                       "node",
	                                       "node init"};
	(void)state;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		char line[64];
		snprintf(line, sizeof line, "%s --help", commands[i]);
		assert_line(&(struct line){line, 0, "quorate"});
		snprintf(line, sizeof line, "help %s", commands[i]);
		if (!strchr(commands[i], ' '))
			assert_line(&(struct line){line, 0, "quorate"});
	}
	assert_line(&(struct line){"--version", 0, "quorate 0."});
}

static void wrong_usage_is_exit_2_and_says_what_was_expected(void **state)
{
	static const struct line lines[] = {
	    {"frobnicate", 2, "there is no command \"quorate frobnicate\""},
	    {"satus", 2, "did you mean \"quorate status\"?"},
	    {"testnet frobnicate", 2, "there is no command \"quorate testnet frobnicate\""},
	    {"--frobnicate", 2, "options come after the command"},
	    {"status --frobnicate", 2, "--frobnicate"},
	    {"status more", 2, "what is \"more\"?"},
	    {"send", 2, "--key, --to and --amount are needed"},
	    {"balance", 2, "ADDRESS is missing"},
	    {"stake bond", 2, "--key, --replica and --amount are needed"},
	    {"stake bond --key some.key --replica 0 --amount all", 2, "--amount: \"all\" is no amount"},
	    {"stake unbond --key some.key --replica 0 --amount 0", 2, "--amount: \"0\" is no amount"},
	    {"stake delegate --key some.key --replica 0 --amount 5 --genesis genesis.json", 2,
	     "this chain knows no stake"},
	    {"stake unbond --key some.key --replica 0 --amount all --genesis genesis.json", 2,
	     "this chain knows no stake"},
	    {"stake show --address some.key --genesis genesis.json", 2, "this chain knows no stake"},
	    {"stake convict", 2, "--key and LEDGER or FILE are needed"},
	    {"stake convict node0 --key some.key --no-wait", 2, "unrecognized option '--no-wait'"},
	    {"stake convict node0 --key some.key --genesis genesis.json", 2, "this chain knows no stake"},
	    {"stake bind", 2, "did you mean \"quorate stake bond\"?"},
	    {"tx make --stake 0 --to some.key --amount 1", 2, "--stake comes after the --to"},
	    {"tx make --input x --to some.key --amount 1 --stake no --genesis genesis.json --expiry 0", 2,
	     "--stake: there is no replica \"no\": a number from 0 to 3, or a name"},
	    {"audit", 2, "name at least one ledger"},
	    {"key new", 2, "which FILE?"},
	    {"genesis check", 2, "which FILE?"},
	    {"genesis check new.json --genesis old.json", 2, "--genesis: only with --from"},
	    {"genesis new --name x --genesis old.json", 2, "--genesis: only with --from"},
	    {"genesis new", 2, "--name is missing"},
	    {"genesis new --name x", 2, "replicas"},
	    {"genesis new --name x --replica a,b,c", 2, "64 hex digits"},
	    {"genesis new --name x --allocate q00=5", 2, "--allocate: an address has 49 characters"},
	    {"genesis new --name x --param speed=9", 2, "--param speed=9"},
	    {"genesis new --name x --seal pow", 2, "must be none, pow:BITS or pow:BITS:INTERVAL_MS"},
	    {"genesis new --name x --proposer me", 2, "must be primary, stake or delegated"},
	    {"genesis new --name x --stake q00=5", 2, "not ADDRESS=AMOUNT@REPLICA"},
	    {"node", 2, "--home is missing"},
	    {"node init --home h", 2, "--name"},
	    {"node init --home h --name x", 2, "--address: peers cannot dial"},
	    {"node init --home h --name x --address http://x", 2, "no address of a replica"},
	    {"testnet up --replicas 3 --dir t", 2, "--replicas \"3\": 1, or 4 to 64"},
	    {"testnet up --base-port 65536 --dir t", 2, "--base-port"},
	    {"testnet up --seal pow:x --dir t", 2, "must be none, pow:BITS or pow:BITS:INTERVAL_MS"},
	    {"testnet up --proposer me --dir t", 2, "must be primary, stake or delegated"},
	    {"testnet up --dir directory --base-port 65500", 2, "port"},
	    {"testnet start", 2, "which replica?"},
	    {"testnet start 4 --dir .", 2, "there is no replica 4: they are 0 to 3"},
	    {"testnet status --dir nowhere", 2, "nowhere holds no testnet"},
	    {"testnet up --dir some.key --base-port 0", 2, "is there already"},
	    {"testnet start 0 --dir .", 1, "replica 0 runs already"},
	    {"tx show 12", 2, "64 hex digits"},
	    {"block show 1e3", 2, "is no height"},
	    {"block show -- -1", 2, "is no height"},
	    {"block show 99999999999999999999", 2, "is no height"},
	};
	(void)state;
	ASSERT_LINES(lines);
	assert_int_not_equal(access("t", F_OK), 0); /* nothing was begun */
	assert_int_not_equal(access("h", F_OK), 0);
}

/* ---- files ------------------------------------------------------------------------------- */

static void files_that_are_no_genesis_are_refused(void **state)
{
	static const struct line lines[] = {
	    {"genesis check missing", 2, "missing: No such file or directory"},
	    {"genesis check directory", 2, "directory: Is a directory"},
	    {"genesis show empty", 2, "genesis empty: the document is empty"},
	    {"genesis check brackets", 2, "brackets: line 1"},
	    {"genesis check random", 2, "random: line 1"},
	    {"genesis check nonsense", 2, "nonsense: line 1"},
	    {"genesis check some.key", 2, "quorate-key: unknown field"},
	    {"genesis check node0/node.conf", 2, "node.conf: line 1"},
	    {"audit node0 --genesis random", 2, "random: line 1"},
	};
	(void)state;
	ASSERT_LINES(lines);
}

static void files_that_are_no_key_are_refused_and_keys_never_overwritten(void **state)
{
	static const struct line lines[] = {
	    {"key show missing", 2, "missing: No such file or directory"},
	    {"key show directory", 2, "directory: not a regular file"},
	    {"key show pipe", 2, "pipe: not a regular file"},
	    {"key show empty", 2, "key file empty: the document is empty"},
	    {"key show brackets", 2, "brackets: larger than 4096 bytes"},
	    {"key show random", 2, "random: line 1"},
	    {"key show genesis.json", 2, "genesis.json"},
	    {"key show lax.key", 2, "lax.key: mode 0644 lets others at the secret; chmod 600 it"},
	    {"send --key lax.key --to some.key --amount 1 --genesis genesis.json", 2, "chmod 600 it"},
	    {"send --key node0/replica.key --to some.key --amount 1 --genesis genesis.json", 2,
	     "a key of kind \"account\" is needed"},
	    {"key new some.key --plain", 2, "some.key: is there already; a key is never overwritten"},
	    {"key new directory --plain", 2, "directory: is there already"},
	    {"key new nowhere/some.key --plain", 3, "nowhere/some.key: No such file or directory"},
	    {"key new other.key", 2, "QUORATE_PASSPHRASE_FILE"},
	};
	char *before, *after;
	(void)state;
	assert_int_equal(run("key new lax.key --plain", &before), 0);
	free(before);
	assert_int_equal(chmod("lax.key", 0644), 0);
	assert_int_equal(run("key show some.key", &before), 0);
	ASSERT_LINES(lines);
	assert_int_equal(run("key show some.key", &after), 0);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void an_encrypted_key_needs_its_passphrase(void **state)
{
	static const struct line wrong[] = {
	    {"send --key locked.key --to some.key --amount 1 --genesis genesis.json", 2, "locked.key"},
	    {"key show locked.key", 0, "q"}, /* the address is no secret */
	};
	(void)state;
	write_text("passphrase", "correct horse\n");
	write_text("other-passphrase", "battery staple\n");
	setenv("QUORATE_PASSPHRASE_FILE", "passphrase", 1);
	assert_line(&(struct line){"key new locked.key", 0, "q"});
	setenv("QUORATE_PASSPHRASE_FILE", "other-passphrase", 1);
	ASSERT_LINES(wrong);
	setenv("QUORATE_PASSPHRASE_FILE", "missing", 1);
	assert_line(&(struct line){wrong[0].words, 2, "missing (from QUORATE_PASSPHRASE_FILE)"});
	unsetenv("QUORATE_PASSPHRASE_FILE");
}

static void a_home_that_does_not_fit_together_does_not_start(void **state)
{
	static const struct {
		const char *conf, *says;
	} confs[] = {
	    {"[node]\nspeed = 9\n", "node.conf:2: there is no key \"speed\""},
	    {"[node]\nhttp = 127.0.0.1:0\nhttp = 127.0.0.1:1\n", "node.conf:3: http is given twice"},
	    {"[node]\n\n\nhttp = here\n", "node.conf:4: http"},
	    {"[node]\nlisten = udp://127.0.0.1:0\n", "node.conf:2: listen"},
	    {"[node]\nworkers = -1\n", "node.conf:2: workers"},
	    {"[node]\nlog = loud\n", "node.conf:2: log"},
	    {"[node]\n[consensus]\ntimeout = 5\n", "node.conf:3: there is no section [consensus]"},
	    {"http = 127.0.0.1:0\n", "node.conf:1: \"http\" stands before the first section"},
	    {"[node]\nwhatever\n", "node.conf:2: neither"},
	    {"[peers]\n64 = tcp://a:1\n", "node.conf:2: \"64\" is no replica"},
	};
	static const struct line lines[] = {
	    {"node --home missing", 2, "missing/node.conf"},
	    {"node --home nonsense", 2, "nonsense/node.conf"},
	    {"node --home directory", 2, "directory/node.conf"},
	    {"node --home fresh", 2, "fresh/genesis.json: No such file or directory"},
	    {"node init --home fresh --name x --listen tcp://127.0.0.1:1 --plain", 2, "never overwritten"},
	};
	(void)state;
	assert_line(&(struct line){
	    "node init --home fresh --name fresh --listen tcp://127.0.0.1:1 --http 127.0.0.1:0 --plain", 0,
	    "fresh,"});
	ASSERT_LINES(lines);
	assert_int_equal(rename("other/genesis.json", "fresh/genesis.json"), 0);
	assert_line(&(struct line){"node --home fresh", 2, "is none of those that fresh/genesis.json lists"});
	for (size_t i = 0; i < sizeof confs / sizeof *confs; i++) {
		write_text("fresh/node.conf", confs[i].conf);
		assert_line(&(struct line){"node --home fresh", 2, confs[i].says});
	}
	assert_int_equal(rename("fresh/genesis.json", "other/genesis.json"), 0);

	/* Files of other homes. */
	assert_int_equal(rename("other/node1/replica.key", "other/key"), 0);
	assert_line(&(struct line){"node --home other/node1", 2, "replica.key: No such file or directory"});
	assert_int_equal(rename("other/node2/replica.key", "other/node1/replica.key"), 0);
	assert_line(&(struct line){"node --home other/node1", 2, "belongs to the replica key"});
	assert_int_equal(rename("other/key", "other/node1/replica.key"), 0);
	assert_int_equal(chmod("other/node1/replica.key", 0640), 0);
	assert_line(&(struct line){"node --home other/node1", 2, "chmod 600 it"});
	assert_int_equal(chmod("other/node1/replica.key", 0600), 0);
	unlink("other/node1/ledger.db"); /* the vote log is opened after it */
	assert_int_equal(link("random", "other/node1/ledger.db"), 0);
	assert_line(&(struct line){"node --home other/node1", 3, "not a database"});
	assert_int_equal(unlink("other/node1/ledger.db"), 0);
	assert_int_equal(mkdir("other/node1/ledger.db", 0700), 0);
	assert_line(&(struct line){"node --home other/node1", 3, "Is a directory"});
	assert_int_equal(rmdir("other/node1/ledger.db"), 0);
}

/* ---- the chain ----------------------------------------------------------------------------- */

static void a_node_that_cannot_be_reached_is_exit_3(void **state)
{
	static const struct line lines[] = {
	    {"status --node http://127.0.0.1:1", 3, "no answer from http://127.0.0.1:1"},
	    {"status --node http://127.0.0.1:1", 3, "is the node running?"},
	    {"balance some.key --node http://127.0.0.1:1", 3, "is the node running?"},
	    {"send --key some.key --to some.key --amount 1 --genesis genesis.json --node http://127.0.0.1:1 "
	     "--node http://127.0.0.1:2",
	     3, "none of 2 nodes answered"},
	    {"status --node ftp://127.0.0.1", 2, "no URL of a node"},
	    {"status --node 127.0.0.1:x", 2, "no URL of a node"},
	    {"testnet wait --dir other", 1, "no replica of other runs"},
	    {"testnet kill 0 --dir other", 1, "replica 0 does not run"},
	};
	(void)state;
	ASSERT_LINES(lines);
}

static void a_testnet_that_cannot_be_looked_into_is_exit_3(void **state)
{
	static const struct line locked[] = {
	    {"testnet status --dir other", 3, "other/node1/lock: cannot be read"},
	    {"testnet down --dir other", 3, "other/node1/lock: cannot be read"},
	    {"testnet up --dir other --detach", 3, "other/node1/lock: cannot be read"},
	    {"testnet kill 0 --dir other", 3, "other/node1/lock: cannot be read"},
	};
	static const struct line no_log[] = {
	    {"testnet start 2 --dir other", 3, "other/node2/node.log: cannot be opened: Is a directory"},
	    {"testnet status --dir other", 0, "stopped"},
	    {"testnet down --dir other", 0, "0 of 4 replicas were running"},
	};
	(void)state;
	unlink("other/node1/lock");
	assert_int_equal(symlink("lock", "other/node1/lock"), 0); /* nobody can open it, root included */
	ASSERT_LINES(locked);
	assert_int_equal(unlink("other/node1/lock"), 0);
	assert_int_equal(mkdir("other/node2/node.log", 0700), 0);
	ASSERT_LINES(no_log);
	assert_int_equal(rmdir("other/node2/node.log"), 0);
}

static void payments_that_cannot_be_are_refused_before_anything_is_sent(void **state)
{
	static const struct {
		const char *to, *amount, *more;
		int code;
		const char *says;
	} sends[] = {
	    {"accounts/bob.key", "0", "", 2, "--amount: \"0\" is no amount"},
	    {"accounts/bob.key", "-1", "", 2, "--amount: \"-1\" is no amount"},
	    {"accounts/bob.key", "1e3", "", 2, "--amount: \"1e3\" is no amount"},
	    {"accounts/bob.key", "0x10", "", 2, "is no amount"},
	    {"accounts/bob.key", "1.5", "", 2, "is no amount"},
	    {"accounts/bob.key", "''", "", 2, "--amount: its value is empty"},
	    {"accounts/bob.key", "9223372036854775808", "", 2, "is no amount"},
	    {"accounts/bob.key", "18446744073709551617", "", 2, "is no amount"},
	    {"accounts/bob.key", "1000000001", "", 1, "holds 1000000000, less than the 1000000001"},
	    {"nobody", "1", "", 2, "--to: an address begins with 'q'"},
	    {"q0123456789012345678901234567890123456789", "1", "", 2, "--to: an address has 49 characters"},
	    {"q012345678901234567890123456789012345678901234567", "1", "", 2, "checksum"},
	    {"accounts/bob.key", "1", "--expiry 1e3", 2, "--expiry"},
	    {"accounts/bob.key", "1", "--timeout 0", 2, "--timeout"},
	    {"accounts/bob.key", "1", "--genesis other/genesis.json", 2,
	     "other/genesis.json is the genesis of chain"},
	    {"accounts/bob.key", "1", "--genesis missing", 2, "missing: No such file"},
	};
	char line[1024], *said, memo[300] = "";
	(void)state;
	for (size_t i = 0; i < sizeof sends / sizeof *sends; i++) {
		snprintf(line, sizeof line,
		         "send --key accounts/alice.key --node %s --to %s --amount %s %s%s", c->http[0],
		         sends[i].to, sends[i].amount, sends[i].more,
		         strstr(sends[i].more, "--genesis") != NULL ? "" : " --genesis genesis.json");
		assert_line(&(struct line){line, sends[i].code, sends[i].says});
	}
	memset(memo, 'm', 257);
	snprintf(line, sizeof line,
	         "send --key accounts/alice.key --genesis genesis.json --node %s --to some.key --amount 1 "
	         "--memo %s",
	         c->http[0], memo);
	assert_line(&(struct line){line, 2, "--memo: is 257 bytes long; at most 256"});
	snprintf(line, sizeof line, "send --key accounts/alice.key --to some.key --amount 1 --node %s",
	         c->http[0]);
	assert_line(&(struct line){line, 2, "give --genesis FILE"});
	snprintf(line, sizeof line, "balance accounts/alice.key --json --node %s", c->http[0]);
	assert_int_equal(run(line, &said), 0);
	assert_non_null(strstr(said, "\"1000000000\""));
	free(said);
	assert_int_equal(chain_height(c, 0), 0);
}

static void what_is_no_ledger_of_this_chain_cannot_be_audited(void **state)
{
	static const struct line lines[] = {
	    {"audit missing --genesis genesis.json", 2, "missing: No such file or directory"},
	    {"audit directory --genesis genesis.json", 2, "directory/ledger.db: No such file"},
	    {"audit empty --genesis genesis.json", 2, "empty: the file is empty"},
	    {"audit random --genesis genesis.json", 2, "random: not a SQLite database"},
	    {"audit brackets --genesis genesis.json", 2, "brackets: not a SQLite database"},
	    {"audit node0/votes.db --genesis genesis.json", 2, "not a quorate ledger"},
	    {"audit node0 --genesis missing", 2, "missing: No such file or directory"},
	    {"audit node0", 2, "--genesis is missing"},
	    {"audit node0 missing --genesis genesis.json", 2, "missing: No such file"},
	    {"audit node0 --genesis other/genesis.json", 2, "belongs to chain"},
	    {"audit node0 node1 node2 node3 --genesis genesis.json", 0, "4 ledgers tell one story"},
	};
	(void)state;
	ASSERT_LINES(lines);

	/* Half of a file is damaged, or no ledger at all. */
	char *said;
	struct stat st;
	chain_sql("node0/ledger.db", "SELECT 1", NULL, 0);
	assert_int_equal(run("testnet kill 3 --dir .", &said), 0);
	free(said);
	chain_sql("node3/ledger.db", "PRAGMA wal_checkpoint(TRUNCATE)", NULL, 0);
	assert_int_equal(stat("node3/ledger.db", &st), 0);
	assert_int_equal(truncate("node3/ledger.db", st.st_size / 2), 0);
	int code = run("audit node3 --genesis genesis.json", &said);
	if ((code != 1 && code != 2) || !strstr(said, "node3/ledger.db"))
		fail_msg("exit %d: %s", code, said);
	free(said);
	assert_line(&(struct line){"node --home node3", 3, "move the file away"});
	assert_int_equal(unlink("node3/ledger.db"), 0);
	assert_line(&(struct line){"testnet start 3 --dir .", 0, "replica 3 is up"});
}

/* ---- output --------------------------------------------------------------------------------- */

/* stdout is /dev/full, or closed. */
static int run_without_stdout(const char *line, bool closed)
{
	char copy[1024], *rest = copy, *argv[64] = {"quorate"};
	int argc = 1, status;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *word; (word = strsep(&rest, " ")) && argc < 63;)
		argv[argc++] = word;
	argv[argc] = NULL;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int full = open("/dev/full", O_WRONLY), null = open("/dev/null", O_WRONLY);
		dup2(null, 2);
		if (closed)
			close(1);
		else
			dup2(full, 1);
		close(full);
		close(null);
		execv(getenv("QUORATE"), argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void output_that_cannot_be_written_is_exit_3(void **state)
{
	char status[128];
	snprintf(status, sizeof status, "status --json --node %s", c->http[0]);
	const char *const lines[] = {
	    status,
	    "--help",
	    "--version",
	    "send --help",
	    "key show some.key",
	    "genesis show genesis.json",
	    "genesis check genesis.json --json",
	    "testnet status --dir .",
	    "audit node0 --genesis genesis.json",
	};
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		for (unsigned closed = 0; closed < 2; closed++)
			if (run_without_stdout(lines[i], closed) != 3)
				fail_msg("quorate %s: not exit 3 though nothing could be written", lines[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_command_has_help),
	    cmocka_unit_test(wrong_usage_is_exit_2_and_says_what_was_expected),
	    cmocka_unit_test(files_that_are_no_genesis_are_refused),
	    cmocka_unit_test(files_that_are_no_key_are_refused_and_keys_never_overwritten),
	    cmocka_unit_test(an_encrypted_key_needs_its_passphrase),
	    cmocka_unit_test(a_home_that_does_not_fit_together_does_not_start),
	    cmocka_unit_test(a_node_that_cannot_be_reached_is_exit_3),
	    cmocka_unit_test(a_testnet_that_cannot_be_looked_into_is_exit_3),
	    cmocka_unit_test(payments_that_cannot_be_are_refused_before_anything_is_sent),
	    cmocka_unit_test(what_is_no_ledger_of_this_chain_cannot_be_audited),
	    cmocka_unit_test(output_that_cannot_be_written_is_exit_3),
	};
	return cmocka_run_group_tests_name("commands", tests, begin, end);
}
