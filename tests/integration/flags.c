/*
 * flags.c: every option of every command, as their --help lists them, with values that are none: exit code 2
 * and the option's name. An option that is in no table here fails the test, so that none is forgotten.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 40
#define ID "0000000000000000000000000000000000000000000000000000000000000000"

/* ---- the tables ------------------------------------------------------------------------------ */

static const char *const numbers[] = {"-1", "x", "1x", "99999999999999999999", "+1", "0x10", NULL};
static const char *const counts[] = {"0", "-1", "x", "1.5", "99999999999999999999", NULL};
static const char *const ports[] = {"-1", "x", "65536", "99999999999999999999", NULL};
static const char *const replicas[] = {"-1", "x", "64", "4", "99999999999999999999", NULL};
static const char *const sizes[] = {"-1", "x", "2", "3", "65", "99999999999999999999", NULL};
static const char *const addresses[] = {"x", "q00", "-1", NULL};
static const char *const words[] = {"x", "-1", NULL};
static const char *const seals[] = {"x", "pow:", "pow:-1", "pow:1:x", NULL};
static const char *const urls[] = {"x", "http://x", "tcp://h:99999", NULL};
static const char *const nodes[] = {"x", "ftp://x", "http://", "http://h:99999", NULL};
static const char *const inputs[] = {"x", "00:0", ID ":x:a.key:5", ID ":-1:a.key:5", NULL};
static const char *const parameters[] = {"x", "window", "window=", "window=x", "window=-1", "nope=1", NULL};
static const char *const names[] = {
    "a,b", "a b", "a/b", "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm", NULL};

#define SEND "send --key a.key --to a.key --amount 1 --genesis g.json"
#define BOND "stake bond --key a.key --replica 0 --amount 1 --genesis s.json"
#define MAKE "tx make --input " ID ":0:a.key:5 --to a.key --amount 1 --genesis g.json --expiry 0"
#define INIT "node init --home h --name x --address tcp://h:1 --plain"

/* A line that is complete, to which an option with a bad value is added. */
static const struct {
	const char *line, *option;
	const char *const *bad;
} ranges[] = {
    {SEND, "--amount", counts},
    {SEND, "--expiry", numbers},
    {SEND, "--timeout", counts},
    {SEND, "--to", addresses},
    {SEND, "--node", nodes},
    {BOND, "--amount", counts},
    {BOND, "--replica", replicas},
    {BOND, "--expiry", numbers},
    {BOND, "--timeout", counts},
    {"stake show --genesis s.json --node http://127.0.0.1:1", "--address", addresses},
    {MAKE, "--amount", counts},
    {MAKE, "--expiry", numbers},
    {MAKE, "--input", inputs},
    {MAKE, "--stake", replicas},
    {MAKE, "--change", addresses},
    {MAKE, "--from", addresses},
    {"tx submit --node http://127.0.0.1:1 a.key", "--timeout", counts},
    {"trace " ID " --node http://127.0.0.1:1 --genesis g.json", "--depth", numbers},
    {"trace " ID " --node http://127.0.0.1:1 --genesis g.json", "--limit", numbers},
    {"audit t/node0 --genesis g.json", "--since", numbers},
    {"testnet new --dir n", "--replicas", sizes},
    {"testnet new --dir n", "--base-port", ports},
    {"testnet new --dir n", "--seal", seals},
    {"testnet new --dir n", "--proposer", words},
    {"bench --dir b", "--accounts", counts},
    {"bench --dir b", "--batch", counts},
    {"bench --dir b", "--duration", numbers},
    {"bench --dir b", "--rate", numbers},
    {"bench --dir b", "--submitters", counts},
    {"bench --dir b", "--warmup", numbers},
    {"bench --dir b", "--kill-primary", numbers},
    {"bench --dir b", "--base-port", ports},
    {"bench --dir b", "--replicas", sizes},
    {"sim --ticks 10", "--behaviours", words},
    {"sim --ticks 10", "--crypto", words},
    {"sim --ticks 10", "--faults", words},
    {"sim --ticks 10", "--for", numbers},
    {"sim --ticks 10", "--hang", numbers},
    {"sim --ticks 10", "--jobs", numbers},
    {"sim --ticks 10", "--load", numbers},
    {"sim --ticks 10", "--mining", numbers},
    {"sim --ticks 10", "--proposer", words},
    {"sim --ticks 10", "--replicas", sizes},
    {"sim --ticks 10", "--seal", words},
    {"sim --ticks 10", "--seed", numbers},
    {"sim --ticks 10", "--seeds", words},
    {"sim --ticks 10", "--shrink", numbers},
    {"sim --ticks 10", "--ticks", numbers},
    {"sim --ticks 10", "--without", words},
    {"genesis new --name x", "--allocate", addresses},
    {"genesis new --name x", "--param", parameters},
    {"genesis new --name x", "--proposer", words},
    {"genesis new --name x", "--replica", words},
    {"genesis new --name x", "--seal", seals},
    {"genesis new --name x", "--stake", addresses},
    {"genesis new --name x", "--time", numbers},
    {INIT, "--address", urls},
    {INIT, "--http", words},
    {INIT, "--listen", urls},
    {INIT, "--name", names},
    {"why --genesis g.json", "--home", words},
};

/* Files, folders and texts: any is a good one until it is looked for (commands.c). */
static const char *const taken_as_they_are[] = {
    "--cacert", "--dir",  "--evidence", "--from",   "--genesis", "--home", "--key", "--ledger", "--log",
    "--memo",   "--name", "--plot",     "--output", "--trace",   "--to",   "--tls", NULL};

/* ---- running --------------------------------------------------------------------------------- */

/* The line with `last` instead of the option of that name that it has, or after it. */
static char *say(const char *line, const char *last, int *code)
{
	char copy[2048], *rest = copy, *argv[WORDS_MAX + 2] = {"quorate"}, *out, *errs, *word;
	size_t name = last != NULL ? strcspn(last, "=") : 0;
	int argc = 1;
	snprintf(copy, sizeof copy, "%s", line);
	while ((word = strsep(&rest, " ")) != NULL && argc < WORDS_MAX) {
		if (last != NULL && last[name] == '=' && strlen(word) == name &&
		    strncmp(word, last, name) == 0)
			strsep(&rest, " "); /* its value */
		else
			argv[argc++] = word;
	}
	argv[argc] = (char *)(uintptr_t)last;
	*code = quorate_argv(&out, &errs, argv);
	char *said = xcalloc(1, strlen(out) + strlen(errs) + 1);
	strcat(strcpy(said, out), errs);
	free(out);
	free(errs);
	return said;
}

static void assert_refused(const char *line, const char *option, const char *value)
{
	char word[256];
	int code;
	snprintf(word, sizeof word, "%s=%s", option, value);
	char *said = say(line, word, &code);
	if (code != 2 || strstr(said, option) == NULL)
		fail_msg("quorate %s %s: exit %d: %s", line, word, code, said);
	free(said);
}

static void values_that_are_none_are_refused_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		for (const char *const *bad = ranges[i].bad; *bad != NULL; bad++)
			assert_refused(ranges[i].line, ranges[i].option, *bad);
}

/* ---- given twice --------------------------------------------------------------------------------- */

/* Those that a command takes several of; any other one refuses a second. */
static const char *const repeated[] = {"genesis check --from",
                                       "genesis new --allocate",
                                       "genesis new --from",
                                       "genesis new --param",
                                       "genesis new --replica",
                                       "genesis new --stake",
                                       "tx make --amount",
                                       "tx make --input",
                                       "tx make --stake",
                                       "tx make --to",
                                       "tx sign --key",
                                       "why --home",
                                       NULL};

static bool is_repeated(const char *command, const char *option)
{
	char text[160];
	snprintf(text, sizeof text, "%s %s", command, option);
	if (strcmp(option, "--node") == 0)
		return true;
	for (const char *const *at = repeated; *at != NULL; at++)
		if (strcmp(*at, text) == 0)
			return true;
	return false;
}

static void look_at_twice(const char *command, const char *option)
{
	char line[512], said_is[128];
	int code;
	snprintf(line, sizeof line, "%s %s 1 %s 1", command, option, option);
	snprintf(said_is, sizeof said_is, "%s: given twice", option);
	char *said = say(line, NULL, &code);
	bool refused = strstr(said, said_is) != NULL;
	if (refused == is_repeated(command, option) || code == 0 || (refused && code != 2))
		fail_msg("quorate %s: exit %d: %s", line, code, said);
	free(said);
}

/* ---- what --help lists ------------------------------------------------------------------------ */

static bool is_known(const char *option)
{
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		if (strcmp(ranges[i].option, option) == 0)
			return true;
	for (const char *const *at = taken_as_they_are; *at != NULL; at++)
		if (strcmp(*at, option) == 0)
			return true;
	return false;
}

/* "  -a, --amount=N   ..." of a command's help. How many there are. */
static unsigned look_at_options(const char *command, char *help)
{
	unsigned cnt = 0;
	for (char *line; (line = strsep(&help, "\n")) != NULL;) {
		char *option = line + strspn(line, " ");
		if (option[0] == '-' && option[1] != '-' && strstr(option, ", --") != NULL)
			option = strstr(option, "--");
		size_t len = strcspn(option, "=[ ");
		if (option == line || strncmp(option, "--", 2) != 0 || option[len] != '=')
			continue;
		option[len] = '\0';
		if (!is_known(option))
			fail_msg("%s %s is in no table of this test", command, option);
		if (strcmp(option, "--memo") != 0) /* whose empty value is one */
			assert_refused(command, option, "");
		look_at_twice(command, option);
		cnt++;
	}
	return cnt;
}

/* A command, or a table of commands: "  name   what it does". */
static unsigned look_at_command(const char *command)
{
	unsigned cnt = 0;
	int code;
	char *help =
	    say(command[0] == '\0' ? "--help" : command, command[0] == '\0' ? NULL : "--help", &code);
	assert_int_equal(code, 0);
	if (strncmp(help, "Usage:", 6) == 0) {
		cnt = look_at_options(command, help);
	} else {
		char *rest = help, *line, below[128];
		while ((line = strsep(&rest, "\n")) != NULL) {
			int len = (int)strspn(line + (strncmp(line, "  ", 2) == 0 ? 2 : 0),
			                      "abcdefghijklmnopqrstuvwxyz");
			if (strncmp(line, "  ", 2) != 0 || len == 0 || line[2 + len] != ' ' ||
			    strncmp(line + 2, "quorate ", 8) == 0)
				continue;
			snprintf(below, sizeof below, "%s%s%.*s", command, *command != '\0' ? " " : "", len,
			         line + 2);
			cnt += look_at_command(below);
		}
	}
	free(help);
	return cnt;
}

static void no_option_is_forgotten_empty_or_taken_twice(void **state)
{
	(void)state;
	unsigned cnt = look_at_command("") + look_at_command("node init");
	print_message("%u options\n", cnt);
	assert_true(cnt > 100);
}

static void what_is_one_is_not_taken_twice_however_it_is_written(void **state)
{
	static const char *const lines[] = {SEND " --amount 1",
	                                    SEND " --amount=1",
	                                    SEND " --amo 1",
	                                    SEND " -a1",
	                                    SEND " -a 1 x",
	                                    "send x -a 1 --amount=2",
	                                    NULL};
	(void)state;
	for (const char *const *line = lines; *line != NULL; line++) {
		int code;
		char *said = say(*line, NULL, &code);
		if (code != 2 || strstr(said, "--amount: given twice; leave one of them out") == NULL)
			fail_msg("quorate %s: exit %d: %s", *line, code, said);
		free(said);
	}
}

/* ---- files of a home ------------------------------------------------------------------------------ */

static void a_node_does_not_start_with_what_is_out_of_range(void **state)
{
	static const struct {
		const char *command, *said;
	} bad[] = {
	    {"sed -i '0,/^workers = .*/s//workers = 65/' h/node.conf",
	     ": workers: \"65\" is no number from 0 to 64"},
	    {"echo 'workers = 1' >> h/node.conf", "is no replica: a key in [peers] is a number from 0 to 63"},
	    {"printf '[node]\\n\\nlog = info\\000\\n' > h/node.conf", "h/node.conf:3: a NUL byte"},
	    {"printf '[node]\\nscrub_s = 1e3\\n' > h/node.conf",
	     "h/node.conf:2: scrub_s: \"1e3\" is no number from 0 to 31622400"},
	    {"sed -i 's/\"window\": *[0-9]*/\"window\": 1/' h/genesis.json",
	     "h/genesis.json: params.window: is 1; must be 2 to 64"},
	    {"sed -i 's/\"window\": *[0-9]*/\"window\": -1/' h/genesis.json",
	     "h/genesis.json: params.window: is -1; must be 2 to 64"},
	    {"sed -i 's/\"drift_ms\": *[0-9]*/\"drift_ms\": \"5\"/' h/genesis.json",
	     "h/genesis.json: params.drift_ms: must be an integer from 1 to 3600000"},
	    {"sed -i 's/\"drift_ms\"/\"window\"/' h/genesis.json", "h/genesis.json: line "},
	    {"printf '\\000' >> h/genesis.json", "h/genesis.json: line "},
	    {": > h/genesis.json", "h/genesis.json: the document is empty"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int code;
		assert_int_equal(system("rm -rf h && cp -a t/node0 h"), 0);
		assert_int_equal(system(bad[i].command), 0);
		char *said = say("node --home h", NULL, &code);
		if (code != 2 || strstr(said, bad[i].said) == NULL)
			fail_msg("%s: exit %d: %s", bad[i].command, code, said);
		free(said);
	}
}

/* ---- the place ---------------------------------------------------------------------------------- */

static char dir[] = "/tmp/quorate-flags-XXXXXX";

static int setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL || chdir(dir) != 0)
		return -1;
	setenv("QUORATE_NODE", "http://127.0.0.1:1", 1);
	return quorate(NULL, NULL, "testnet", "new", "--dir", "t", "--base-port", "0", NULL) == 0 &&
	               quorate(NULL, NULL, "testnet", "new", "--dir", "s", "--base-port", "0", "--proposer",
	                       "stake", NULL) == 0 &&
	               system("cp t/genesis.json g.json; cp s/genesis.json s.json; cp t/accounts/alice.key "
	                      "a.key") == 0
	           ? 0
	           : -1;
}

static int teardown(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf -- %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_that_are_none_are_refused_by_name),
	    cmocka_unit_test(no_option_is_forgotten_empty_or_taken_twice),
	    cmocka_unit_test(what_is_one_is_not_taken_twice_however_it_is_written),
	    cmocka_unit_test(a_node_does_not_start_with_what_is_out_of_range),
	};
	return cmocka_run_group_tests_name("flags", tests, setup, teardown);
}
