/*
 * cmd_testnet.c: `quorate testnet up|status|down|kill|start|pause|resume`.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "access.h"
#include "keyfile.h"
#include "out.h"
#include "testnet.h"
#include "text.h"

enum { ASK_TIMEOUT_MS = 1000, READY_TIMEOUT_MS = 60000, STOP_TIMEOUT_MS = 15000 };

struct testnet_args {
	struct cmd_common common;
	const char *dir;
	bool detach, replicas_given, indexes; /* indexes: the command is about some of the replicas */
	uint64_t replicas, base_port;
	unsigned index_cnt;
	unsigned index[Q_REPLICAS_MAX];
};

enum { KEY_DIR = 0x200, KEY_REPLICAS, KEY_BASE_PORT, KEY_SEAL, KEY_PROPOSER, KEY_DETACH };

static error_t parse_up(int key, char *arg, struct argp_state *state)
{
	struct testnet_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_DIR:
		args->dir = arg;
		return 0;
	case KEY_REPLICAS:
		args->replicas_given = true;
		if (!text_u64(arg, Q_REPLICAS_MAX, &args->replicas) ||
		    (args->replicas != 1 && args->replicas < 4))
			argp_error(state, "--replicas \"%s\": 1, or 4 to %d", arg, Q_REPLICAS_MAX);
		return 0;
	case KEY_BASE_PORT:
		if (!text_u64(arg, 65535, &args->base_port))
			argp_error(state, "--base-port \"%s\": not a port from 0 to 65535", arg);
		return 0;
	case KEY_SEAL:
		if (strcmp(arg, "none") != 0)
			argp_error(state, "--seal %s: not available in this version, only \"none\"", arg);
		return 0;
	case KEY_PROPOSER:
		if (strcmp(arg, "primary") != 0)
			argp_error(state, "--proposer %s: not available in this version, only \"primary\"",
			           arg);
		return 0;
	case KEY_DETACH:
		args->detach = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The other commands: --dir and, where the command is about some replicas, their indexes. */
static error_t parse_nodes(int key, char *arg, struct argp_state *state)
{
	struct testnet_args *args = state->input;
	uint64_t index;
	switch (key) {
	case ARGP_KEY_ARG:
		if (!args->indexes)
			argp_error(state, "what is \"%s\"?", arg);
		if (!text_u64(arg, Q_REPLICAS_MAX - 1, &index) || args->index_cnt == Q_REPLICAS_MAX)
			argp_error(state, "\"%s\" is no replica's index", arg);
		args->index[args->index_cnt++] = (unsigned)index;
		return 0;
	case ARGP_KEY_END:
		if (args->indexes && args->index_cnt == 0)
			argp_error(state, "which replica? `quorate testnet status` lists them");
		return 0;
	default:
		return parse_up(key, arg, state);
	}
}

#define OPTION_DIR                                                                         \
	{                                                                                  \
		"dir", KEY_DIR, "DIR", 0, "The testnet's directory (default ./testnet)", 1 \
	}
static const struct argp_option dir_options[] = {OPTION_DIR, {0}};
static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};

/* ---- looking ------------------------------------------------------------------------------- */

struct look {
	pid_t pid;
	bool answers, healthy;
	struct client_status status;
};

/* Asks one node, which may be stopped, paused or on its way up. */
static struct look look_at(const struct testnet *t, const struct testnet_node *node, struct err *err)
{
	struct look look = {.pid = testnet_pid(node)};
	struct client *c =
	    look.pid > 0 ? client_new((const char *const[]){node->http}, 1, ASK_TIMEOUT_MS, err) : NULL;
	if (c == NULL)
		return look;
	look.answers = client_status_here(c, &look.status, err);
	if (look.answers && !qhash_eq(&look.status.chain, &t->genesis->chain))
		look.answers =
		    err_set(err, ERR_WORLD, "%s is a node of another chain: is the port in use?", node->http);
	look.healthy = look.answers && client_healthy_here(c);
	client_free(c);
	return look;
}

static void look_at_all(const struct testnet *t, struct look *looks)
{
	for (unsigned i = 0; i < t->n; i++)
		looks[i] = look_at(t, &t->nodes[i], NULL);
}

/* The primary by the word of the healthy replica in the highest view; -1: nobody knows. */
static int primary_of(const struct testnet *t, const struct look *looks)
{
	const struct look *best = NULL;
	for (unsigned i = 0; i < t->n; i++) {
		if (looks[i].healthy && (best == NULL || looks[i].status.view > best->status.view))
			best = &looks[i];
	}
	return best == NULL ? -1 : (int)best->status.primary;
}

static json_t *account_json(const char *path, const char *name)
{
	char kind[KEYFILE_KIND], address[KEYFILE_TEXT];
	if (!keyfile_show(path, kind, sizeof kind, address, sizeof address, NULL))
		return NULL;
	return json_pack("{s:s, s:s, s:s}", "name", name, "address", address, "key", path);
}

static json_t *accounts_json(const struct testnet *t)
{
	static const char *const names[] = {"alice", "bob", "carol", "dave"};
	json_t *accounts = json_array();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = text_format("%s/accounts/%s.key", t->dir, names[i]);
		json_t *account = account_json(path, names[i]);
		if (account != NULL)
			json_array_append_new(accounts, account);
		free(path);
	}
	return accounts;
}

static void say_json(const struct testnet *t, const struct look *looks)
{
	char chain[QHASH_HEX];
	json_t *replicas = json_array();
	for (unsigned i = 0; i < t->n; i++) {
		const struct testnet_node *node = &t->nodes[i];
		const struct look *look = &looks[i];
		json_t *r = json_pack("{s:i, s:s, s:s, s:s, s:s, s:b}", "index", (int)i, "home", node->home,
		                      "ledger", node->ledger, "http", node->http, "peer", node->peer,
		                      "healthy", (int)look->healthy);
		json_object_set_new(r, "pid", look->pid > 0 ? json_integer(look->pid) : json_null());
		json_object_set_new(
		    r, "height", look->answers ? json_integer((json_int_t)look->status.height) : json_null());
		json_object_set_new(
		    r, "view", look->answers ? json_integer((json_int_t)look->status.view) : json_null());
		json_array_append_new(replicas, r);
	}
	int primary = primary_of(t, looks);
	out_json_take(json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "dir", t->dir, "genesis", t->genesis_path,
	                        "chain", hex_encode(chain, t->genesis->chain.b, sizeof t->genesis->chain.b),
	                        "primary", primary < 0 ? json_null() : json_integer(primary), "replicas",
	                        replicas, "accounts", accounts_json(t)));
}

static void number_cell(struct out_table *table, bool known, uint64_t n)
{
	if (known)
		out_table_cell(table, "%llu", (unsigned long long)n);
	else
		out_table_cell(table, "-");
}

static void say_text(const struct testnet *t, const struct look *looks)
{
	int primary = primary_of(t, looks);
	struct out_table *table = out_table_new(
	    7, (const char *const[]){"replica", "height", "view", "healthy", "pid", "http", "home"});
	for (unsigned i = 0; i < t->n; i++) {
		const struct look *look = &looks[i];
		out_table_cell(table, "%u%s", i, primary == (int)i ? " primary" : "");
		number_cell(table, look->answers, look->status.height);
		number_cell(table, look->answers, look->status.view);
		out_table_cell(table, "%s", look->healthy ? "yes" : look->pid == 0 ? "stopped" : "no");
		out_table_style(table, look->healthy ? OUT_GOOD : OUT_BAD);
		number_cell(table, look->pid > 0, (uint64_t)look->pid);
		out_table_cell(table, "%s", t->nodes[i].http);
		out_table_cell(table, "%s", t->nodes[i].home);
	}
	out_table_end(table);
}

static void say_accounts(const struct testnet *t)
{
	json_t *accounts = accounts_json(t), *account;
	size_t i;
	putchar('\n');
	struct out_table *table = out_table_new(3, (const char *const[]){"account", "address", "key"});
	json_array_foreach(accounts, i, account)
	{
		out_table_cell(table, "%s", json_string_value(json_object_get(account, "name")));
		out_table_cell(table, "%s", json_string_value(json_object_get(account, "address")));
		out_table_cell(table, "%s", json_string_value(json_object_get(account, "key")));
	}
	out_table_end(table);
	json_decref(accounts);
	printf("\nTry: quorate send --key %s/accounts/alice.key --to %s/accounts/bob.key --amount 5", t->dir,
	       t->dir);
	if (strcmp(t->dir, TESTNET_DIR) != 0)
		printf(" --genesis %s --node %s", t->genesis_path, t->nodes[0].http);
	putchar('\n');
}

static void say(const struct testnet *t, const struct testnet_args *args, bool accounts)
{
	struct look looks[Q_REPLICAS_MAX];
	look_at_all(t, looks);
	if (args->common.json)
		say_json(t, looks);
	else
		say_text(t, looks);
	if (accounts && !args->common.json)
		say_accounts(t);
	fflush(stdout);
}

/* ---- starting ------------------------------------------------------------------------------- */

/* A process that this command started, and where its log was then. */
struct started {
	pid_t pid; /* 0: not started here */
	long log_at;
};

static void show_log(const struct testnet_node *node, long from)
{
	enum { LINES = 10 };
	FILE *f = fopen(node->log, "re");
	if (f == NULL)
		return;
	char *lines[LINES] = {NULL}, *line = NULL;
	size_t cap = 0, cnt = 0;
	fseek(f, from, SEEK_SET);
	while (getline(&line, &cap, f) > 0) {
		free(lines[cnt % LINES]);
		lines[cnt++ % LINES] = xstrdup(line);
	}
	free(line);
	fclose(f);
	for (size_t i = cnt > LINES ? cnt - LINES : 0; i < cnt; i++) {
		lines[i % LINES][strcspn(lines[i % LINES], "\n")] = '\0';
		out_clean(lines[i % LINES]);
		out_note("  %s", lines[i % LINES]);
	}
	for (size_t i = 0; i < LINES; i++)
		free(lines[i]);
}

static bool start_node(const struct testnet_node *node, bool child, struct started *s, struct err *err)
{
	struct stat st;
	s->log_at = stat(node->log, &st) == 0 ? (long)st.st_size : 0;
	s->pid = testnet_spawn(node, child, err);
	return s->pid > 0;
}

/* Has a process that was started here ended already? */
static bool died(const struct testnet_node *node, const struct started *s, struct err *err)
{
	int status;
	if (s->pid <= 0 || waitpid(s->pid, &status, WNOHANG) != s->pid)
		return false;
	if (WIFSIGNALED(status))
		err_set(err, ERR_WORLD, "replica %u was ended by signal %d; the end of %s:", node->index,
		        WTERMSIG(status), node->log);
	else
		err_set(err, ERR_WORLD, "replica %u ended with exit code %d; the end of %s:", node->index,
		        WEXITSTATUS(status), node->log);
	return true;
}

static bool all_ready(const struct testnet *t, bool *ready, struct err *err)
{
	bool all = true;
	for (unsigned i = 0; i < t->n; i++) {
		if (!ready[i]) {
			ready[i] = look_at(t, &t->nodes[i], err).healthy;
			if (!ready[i] && err->kind == ERR_NONE)
				err_set(err, ERR_WORLD, "replica %u does not run or is not healthy yet", i);
		}
		all = all && ready[i];
	}
	return all;
}

/* Waits until every node is healthy: it hears a quorum on this chain. */
static bool wait_ready(const struct testnet *t, const struct started *started, struct err *err)
{
	bool ready[Q_REPLICAS_MAX] = {false};
	uint64_t deadline_ms = access_now_ms() + READY_TIMEOUT_MS;
	for (;;) {
		struct err why = {0};
		for (unsigned i = 0; i < t->n; i++) {
			if (!died(&t->nodes[i], &started[i], err))
				continue;
			cmd_fail(err);
			show_log(&t->nodes[i], started[i].log_at);
			return err_set(err, ERR_WORLD, "the testnet did not start");
		}
		if (all_ready(t, ready, &why))
			return true;
		if (access_now_ms() >= deadline_ms)
			return err_set(err, ERR_WORLD, "the testnet is not ready after %d s: %.300s",
			               READY_TIMEOUT_MS / 1000, why.text);
		access_nap_ms(20);
	}
}

/* A crash is worth a line; a clean end was asked for. */
static void say_end(const struct testnet *t, struct started *started)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < t->n; i++) {
			if (started[i].pid != pid || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
				continue;
			started[i].pid = 0;
			out_note(
			    "replica %u ended (%s %d); `quorate testnet start %u --dir %s` starts it again",
			    i, WIFSIGNALED(status) ? "signal" : "exit code",
			    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), i, t->dir);
		}
	}
}

static bool any_runs(const struct testnet *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (testnet_pid(&t->nodes[i]) > 0)
			return true;
	}
	return false;
}

/* In the foreground: until Ctrl-C, or until `testnet down` in another terminal. */
static void stay(const struct testnet *t, struct started *started)
{
	sigset_t wanted;
	int number;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	out_note("\nCtrl-C stops it.");
	struct timespec look_again = {.tv_sec = 1};
	while (any_runs(t)) { /* those started elsewhere since are no children: looked for once a second */
		number = sigtimedwait(&wanted, NULL, &look_again);
		if (number == SIGCHLD)
			say_end(t, started);
		else if (number > 0)
			break;
	}
	out_note("stopping");
	testnet_stop(t, STOP_TIMEOUT_MS);
}

static int up(const struct testnet *t, const struct testnet_args *args, struct err *err)
{
	struct started started[Q_REPLICAS_MAX] = {0};
	unsigned cnt = 0;
	bool ok = true;
	for (unsigned i = 0; ok && i < t->n; i++) {
		if (testnet_pid(&t->nodes[i]) > 0)
			continue;
		ok = start_node(&t->nodes[i], !args->detach, &started[i], err);
		cnt++;
	}
	if (cnt == 0) {
		out_note("the testnet in %s runs already", t->dir);
		say(t, args, true);
		return EXIT_DONE;
	}
	if (!ok || !wait_ready(t, started, err)) {
		for (unsigned i = 0; i < t->n; i++) {
			if (started[i].pid > 0)
				kill(started[i].pid, SIGTERM);
		}
		return cmd_fail(err);
	}
	say(t, args, true);
	if (!args->detach)
		stay(t, started);
	return EXIT_DONE;
}

static const struct argp_option make_options[] = {
    OPTION_DIR,
    {"replicas", KEY_REPLICAS, "N", 0, "How many, where a testnet is made: 1, or 4 to 64 (default 4)", 1},
    {"base-port", KEY_BASE_PORT, "P", 0,
     "Where a testnet is made: HTTP on ports P, P+1, ..., peers on P+100, ...; 0: free ports "
     "(default 7480)",
     1},
    {"seal", KEY_SEAL, "KIND", 0, "\"none\": no proof of work", 1},
    {"proposer", KEY_PROPOSER, "RULE", 0, "\"primary\": the primary proposes", 1},
    {"detach", KEY_DETACH, NULL, 0, "Return once it runs; `quorate testnet down` stops it", 1},
    {0},
};

/* Opens the testnet of args->dir, made first if there is none. */
static struct testnet *open_or_make(const struct testnet_args *args, struct err *err)
{
	if (!testnet_exists(args->dir) &&
	    !testnet_create(args->dir, (unsigned)args->replicas, (unsigned)args->base_port, err))
		return NULL;
	struct testnet *t = testnet_open(args->dir, err);
	if (t == NULL || !args->replicas_given || args->replicas == t->n)
		return t;
	err_set(err, ERR_INPUT, "%s holds a testnet of %u replicas, not %u; choose another --dir", args->dir,
	        t->n, (unsigned)args->replicas);
	testnet_free(t);
	return NULL;
}

static int testnet_new(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = make_options,
	    .parser = parse_up,
	    .doc = "Makes what `quorate testnet up` would make, and starts nothing: keys, a genesis, a home "
	           "for each "
	           "replica. For those who want to change the genesis or a node.conf before the first start.",
	    .children = children,
	};
	struct testnet_args args = {.dir = TESTNET_DIR, .replicas = 4, .base_port = 7480};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	if (testnet_exists(args.dir))
		return cmd_error(ERR_INPUT, "there is a testnet in %s already", args.dir);
	struct testnet *t = open_or_make(&args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	say(t, &args, true);
	testnet_free(t);
	return EXIT_DONE;
}

static int testnet_up(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = make_options,
	    .parser = parse_up,
	    .doc = "Starts a chain of several replicas on this machine and waits until they agree. The first "
	           "time it makes "
	           "keys, a genesis with a few funded accounts, and a home for each replica; later it goes "
	           "on from there. "
	           "Ctrl-C stops it.",
	    .children = children,
	};
	struct testnet_args args = {.dir = TESTNET_DIR, .replicas = 4, .base_port = 7480};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct testnet *t = open_or_make(&args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	int code = up(t, &args, &err);
	testnet_free(t);
	return code;
}

/* ---- the other commands ------------------------------------------------------------------------ */

/* Parses, opens, and checks the indexes. */
static struct testnet *open_for(const struct argp *argp, int argc, char **argv, struct testnet_args *args,
                                struct err *err)
{
	*args = (struct testnet_args){.dir = TESTNET_DIR, .indexes = argp->args_doc != NULL};
	cmd_parse(argp, argc, argv, args);
	struct testnet *t = testnet_open(args->dir, err);
	for (unsigned i = 0; t != NULL && i < args->index_cnt; i++) {
		if (args->index[i] < t->n)
			continue;
		err_set(err, ERR_INPUT, "there is no replica %u: they are 0 to %u", args->index[i], t->n - 1);
		testnet_free(t);
		return NULL;
	}
	return t;
}

static int testnet_status(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = dir_options,
	    .parser = parse_nodes,
	    .doc = "Shows height, view and health of each replica.",
	    .children = children,
	};
	struct testnet_args args;
	struct err err = {0};
	struct testnet *t = open_for(&argp, argc, argv, &args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	say(t, &args, false);
	testnet_free(t);
	return EXIT_DONE;
}

static int testnet_down(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = dir_options,
	    .parser = parse_nodes,
	    .doc = "Stops every replica and waits until all have ended. What they hold stays; `up` goes on "
	           "from there.",
	    .children = children,
	};
	struct testnet_args args;
	struct err err = {0};
	struct testnet *t = open_for(&argp, argc, argv, &args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	unsigned were = testnet_stop(t, STOP_TIMEOUT_MS);
	if (args.common.json)
		out_json_take(json_pack("{s:i}", "stopped", (int)were));
	else
		out_note("%u of %u replicas were running; all are stopped", were, t->n);
	testnet_free(t);
	return EXIT_DONE;
}

/* kill, pause, resume: one signal to each that is named. */
static int signal_nodes(const struct argp *argp, int argc, char **argv, int number, const char *done)
{
	struct testnet_args args;
	struct err err = {0};
	struct testnet *t = open_for(argp, argc, argv, &args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	int code = EXIT_DONE;
	for (unsigned i = 0; code == EXIT_DONE && i < args.index_cnt; i++) {
		const struct testnet_node *node = &t->nodes[args.index[i]];
		if (!testnet_signal(node, number, &err)) {
			code = cmd_fail(&err);
			break;
		}
		while (number == SIGKILL && testnet_pid(node) > 0)
			access_nap_ms(5);
		if (!args.common.json)
			out_note("replica %u %s", args.index[i], done);
	}
	if (args.common.json && code == EXIT_DONE)
		say(t, &args, false);
	testnet_free(t);
	return code;
}

static int testnet_kill(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = dir_options,
	    .parser = parse_nodes,
	    .args_doc = "N...",
	    .doc = "Ends replicas at once (SIGKILL), as a crash would.",
	    .children = children,
	};
	return signal_nodes(&argp, argc, argv, SIGKILL, "was killed");
}

static int testnet_pause(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = dir_options,
	    .parser = parse_nodes,
	    .args_doc = "N...",
	    .doc = "Pauses replicas (SIGSTOP): they keep their connections and say nothing.",
	    .children = children,
	};
	return signal_nodes(&argp, argc, argv, SIGSTOP, "is paused");
}

static int testnet_resume(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = dir_options,
	    .parser = parse_nodes,
	    .args_doc = "N...",
	    .doc = "Resumes paused replicas.",
	    .children = children,
	};
	return signal_nodes(&argp, argc, argv, SIGCONT, "goes on");
}

/* Until it answers: a lone one of four cannot be healthy. */
static bool start_and_wait(const struct testnet *t, const struct testnet_node *node, struct err *err)
{
	struct started s = {0};
	if (testnet_pid(node) > 0)
		return err_set(err, ERR_NO, "replica %u runs already", node->index);
	if (!start_node(node, false, &s, err))
		return false;
	uint64_t deadline_ms = access_now_ms() + READY_TIMEOUT_MS;
	while (!look_at(t, node, err).answers) {
		if (died(node, &s, err)) {
			cmd_fail(err);
			show_log(node, s.log_at);
			return err_set(err, ERR_WORLD, "replica %u did not start", node->index);
		}
		if (access_now_ms() >= deadline_ms)
			return err_set(err, ERR_WORLD, "replica %u does not answer after %d s; see %s",
			               node->index, READY_TIMEOUT_MS / 1000, node->log);
		access_nap_ms(20);
	}
	return true;
}

static int testnet_start(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = dir_options,
	    .parser = parse_nodes,
	    .args_doc = "N...",
	    .doc = "Starts replicas that do not run, and waits until they answer.",
	    .children = children,
	};
	struct testnet_args args;
	struct err err = {0};
	struct testnet *t = open_for(&argp, argc, argv, &args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	int code = EXIT_DONE;
	for (unsigned i = 0; code == EXIT_DONE && i < args.index_cnt; i++) {
		if (!start_and_wait(t, &t->nodes[args.index[i]], &err))
			code = cmd_fail(&err);
		else if (!args.common.json)
			out_note("replica %u is up", args.index[i]);
	}
	if (args.common.json && code == EXIT_DONE)
		say(t, &args, false);
	testnet_free(t);
	return code;
}

/* Is every replica that runs healthy, and all of them at one height? */
static bool level(const struct testnet *t, struct err *err)
{
	struct look looks[Q_REPLICAS_MAX];
	const struct look *first = NULL;
	look_at_all(t, looks);
	for (unsigned i = 0; i < t->n; i++) {
		if (looks[i].pid <= 0)
			continue;
		if (!looks[i].healthy)
			return err_set(err, ERR_WORLD, "replica %u is not healthy", i);
		if (first != NULL && looks[i].status.height != first->status.height)
			return err_set(err, ERR_WORLD, "replica %u is at another height", i);
		first = &looks[i];
	}
	return first != NULL || err_set(err, ERR_NO, "no replica of %s runs", t->dir);
}

static int testnet_wait(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = dir_options,
	    .parser = parse_nodes,
	    .doc = "Waits until all replicas that run are healthy and at one height: nobody has anything to "
	           "catch up.",
	    .children = children,
	};
	struct testnet_args args;
	struct err err = {0};
	struct testnet *t = open_for(&argp, argc, argv, &args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	uint64_t deadline_ms = access_now_ms() + READY_TIMEOUT_MS;
	bool done = false;
	while (!(done = level(t, &err)) && err.kind == ERR_WORLD && access_now_ms() < deadline_ms)
		access_nap_ms(20);
	int code = done ? EXIT_DONE : cmd_fail(&err);
	if (args.common.json && done)
		say(t, &args, false);
	testnet_free(t);
	return code;
}

int cmd_testnet(int argc, char **argv)
{
	static const struct command commands[] = {
	    {"up", testnet_up, "make it if there is none, and start it"},
	    {"new", testnet_new, "make it, start nothing"},
	    {"status", testnet_status, "height, view and health of each replica"},
	    {"down", testnet_down, "stop every replica"},
	    {"kill", testnet_kill, "end replicas at once, as a crash would"},
	    {"start", testnet_start, "start replicas that do not run"},
	    {"wait", testnet_wait, "wait until all that run are healthy and at one height"},
	    {"pause", testnet_pause, "stop replicas in their tracks"},
	    {"resume", testnet_resume, "let paused replicas go on"},
	    {NULL, NULL, NULL},
	};
	return command_run(commands,
	                   "quorate testnet: a chain of several replicas on this machine, in ./testnet.\n",
	                   argc, argv);
}
