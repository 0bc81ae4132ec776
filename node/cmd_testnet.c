/*
 * cmd_testnet.c: `quorate testnet up|status|down|kill|start|pause|resume`.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "access.h"
#include "out.h"
#include "testnet_look.h"
#include "testnet_start.h"
#include "text.h"

enum { STOP_TIMEOUT_MS = 15000 };

struct testnet_args {
	struct cmd_common common;
	const char *dir;
	struct testnet_plan plan;
	bool detach, indexes; /* indexes: the command is about some of the replicas */
	unsigned index_cnt;
	unsigned index[Q_REPLICAS_MAX];
};

enum { KEY_DIR = 0x200, KEY_REPLICAS, KEY_BASE_PORT, KEY_SEAL, KEY_PROPOSER, KEY_TLS, KEY_DETACH };

static error_t parse_up(int key, char *arg, struct argp_state *state)
{
	struct testnet_args *args = state->input;
	struct testnet_plan *plan = &args->plan;
	struct err err = {0};
	uint64_t number;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_DIR:
		for (size_t len = strlen(arg); len > 1 && arg[len - 1] == '/'; len--)
			arg[len - 1] = '\0';
		args->dir = arg;
		return 0;
	case KEY_REPLICAS:
		if (!text_u64(arg, Q_REPLICAS_MAX, &number) || (number != 1 && number < 4))
			argp_error(state, "--replicas \"%s\": 1, or 4 to %d", arg, Q_REPLICAS_MAX);
		plan->replicas_given = true;
		plan->replicas = (unsigned)number;
		return 0;
	case KEY_BASE_PORT:
		if (!text_u64(arg, 65535, &number))
			argp_error(state, "--base-port \"%s\": not a port from 0 to 65535", arg);
		plan->base_port = (unsigned)number;
		return 0;
	case KEY_SEAL:
		if (!words_seal(arg, &plan->seal, &err))
			argp_error(state, "--seal %s", err.text);
		plan->seal_given = true;
		return 0;
	case KEY_PROPOSER:
		if (!words_proposer(arg, &plan->proposer, &err))
			argp_error(state, "--proposer %s", err.text);
		plan->proposer_given = true;
		return 0;
	case KEY_TLS:
		plan->tls = true;
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

/* ---- up, new -------------------------------------------------------------------------------- */

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

/* In the foreground: until Ctrl-C, or until `testnet down` in another terminal. */
static bool stay(const struct testnet *t, struct started *started, struct err *err)
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
	while (testnet_await_end(t->nodes, t->n, 0) !=
	       NULL) { /* those started elsewhere since are no children: looked for once a second */
		number = sigtimedwait(&wanted, NULL, &look_again);
		if (number == SIGCHLD)
			say_end(t, started);
		else if (number > 0)
			break;
	}
	out_note("stopping");
	return testnet_stop(t, STOP_TIMEOUT_MS, err);
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
		look_say(t, args->common.json, true);
		return EXIT_DONE;
	}
	if (!ok || !start_wait_all(t, started, err)) {
		for (unsigned i = 0; i < t->n; i++) {
			if (started[i].pid > 0)
				kill(started[i].pid, SIGTERM);
		}
		return cmd_fail(err);
	}
	look_say(t, args->common.json, true);
	return args->detach || stay(t, started, err) ? EXIT_DONE : cmd_fail(err);
}

static const struct argp_option make_options[] = {
    OPTION_DIR,
    {"replicas", KEY_REPLICAS, "N", 0, "How many, where a testnet is made: 1, or 4 to 64 (default 4)", 1},
    {"base-port", KEY_BASE_PORT, "P", 0,
     "Where a testnet is made: HTTP on ports P, P+1, ..., peers on P+100, ...; 0: free ports "
     "(default 7480)",
     1},
    {"seal", KEY_SEAL, "KIND", 0,
     "Where a testnet is made: none, or pow:BITS, a proof of work of so many bits for every block, or "
     "pow:BITS:INTERVAL_MS, which becomes harder until blocks are so far apart (default none)",
     1},
    {"proposer", KEY_PROPOSER, "RULE", 0,
     "Where a testnet is made: primary, the primary of the view proposes; stake, all replicas in turn by "
     "their stake; delegated, those with most stake, and two accounts have delegated (default primary)",
     1},
    {"tls", KEY_TLS, NULL, 0, "The replicas talk to one another by TLS", 1},
    {"detach", KEY_DETACH, NULL, 0, "Return once it runs; `quorate testnet down` stops it", 1},
    {0},
};

static const struct testnet_plan default_plan = {.replicas = 4, .base_port = 7480};

/* Opens the testnet of args->dir, made first if there is none. */
static struct testnet *open_or_make(const struct testnet_args *args, struct err *err)
{
	if (!testnet_exists(args->dir) && !testnet_create(args->dir, &args->plan, err))
		return NULL;
	struct testnet *t = testnet_open(args->dir, err);
	if (t == NULL || testnet_fits(t, &args->plan, err))
		return t;
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
	struct testnet_args args = {.dir = TESTNET_DIR, .plan = default_plan};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	if (testnet_exists(args.dir))
		return cmd_error(ERR_INPUT, "there is a testnet in %s already", args.dir);
	struct testnet *t = open_or_make(&args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	look_say(t, args.common.json, true);
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
	struct testnet_args args = {.dir = TESTNET_DIR, .plan = default_plan};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct testnet *t = open_or_make(&args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	int code = testnet_pids_known(t, &err) ? up(t, &args, &err) : cmd_fail(&err);
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
	if (t != NULL && !testnet_pids_known(t, err)) {
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
	    .doc = "Shows height, view and health of each replica, who proposes next and who mines.",
	    .children = children,
	};
	struct testnet_args args;
	struct err err = {0};
	struct testnet *t = open_for(&argp, argc, argv, &args, &err);
	if (t == NULL)
		return cmd_fail(&err);
	look_say(t, args.common.json, false);
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
	unsigned were = 0;
	for (unsigned i = 0; i < t->n; i++)
		were += testnet_pid(&t->nodes[i]) > 0;
	bool ok = testnet_stop(t, STOP_TIMEOUT_MS, &err);
	if (ok && args.common.json)
		out_json_take(json_pack("{s:i}", "stopped", (int)were));
	else if (ok)
		out_note("%u of %u replicas were running; all are stopped", were, t->n);
	testnet_free(t);
	return ok ? EXIT_DONE : cmd_fail(&err);
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
		bool ok = testnet_signal(node, number, &err);
		if (ok && number == SIGKILL && testnet_await_end(node, 1, TESTNET_KILL_TIMEOUT_MS) != NULL)
			ok = testnet_undead(node, &err);
		if (!ok)
			code = cmd_fail(&err);
		else if (!args.common.json)
			out_note("replica %u %s", args.index[i], done);
	}
	if (args.common.json && code == EXIT_DONE)
		look_say(t, args.common.json, false);
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
		look_say(t, args.common.json, false);
	testnet_free(t);
	return code;
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
	while (!(done = look_level(t, &err)) && err.kind == ERR_WORLD && access_now_ms() < deadline_ms)
		access_nap_ms(20);
	int code = done ? EXIT_DONE : cmd_fail(&err);
	if (args.common.json && done)
		look_say(t, args.common.json, false);
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
