/*
 * bench_options.c: the command line of `quorate bench`.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "text.h"

enum {
	RATE_MAX = 1000000,
	SECONDS_MAX = 3600,
	TOGETHER_MAX = 4000, /* what a run still waits for afterwards included, its clock counts 2^32 us */
	ACCOUNTS_MAX = 100000,
	SUBMITTERS_MAX = 256,
	KILL_ROOM_S = 6, /* a primary that was killed is away for three seconds, and is to vote again */
};

enum {
	KEY_RATE = 0x200,
	KEY_SATURATE,
	KEY_OVERLOAD,
	KEY_SWEEP,
	KEY_DURATION,
	KEY_WARMUP,
	KEY_SUBMITTERS,
	KEY_BATCH,
	KEY_ACCOUNTS,
	KEY_REPLICAS,
	KEY_BASE_PORT,
	KEY_DIR,
	KEY_KEY,
	KEY_KILL,
	KEY_PLOT,
	KEY_ONE_FOLLOWER,
	KEY_NO_AUDIT,
};

struct parsing {
	struct bench_options o;
	bool load_given, replicas_given, port_given;
};

static unsigned number(struct argp_state *state, const char *option, const char *arg, unsigned min,
                       unsigned max)
{
	uint64_t n;
	if (!text_u64(arg, max, &n) || n < min)
		argp_error(state, "--%s \"%.40s\": not a number from %u to %u", option, arg, min, max);
	return (unsigned)n;
}

/* Seconds, with a fraction if one likes. */
static double seconds(struct argp_state *state, const char *option, const char *arg, double min)
{
	char *end;
	double s = strtod(arg, &end);
	if (strspn(arg, "0123456789.") != strlen(arg) || end == arg || *end != '\0' || !isfinite(s) ||
	    s < min || s > SECONDS_MAX)
		argp_error(state, "--%s \"%.40s\": not a time from %g to %d seconds", option, arg, min,
		           SECONDS_MAX);
	return s;
}

static void choose(struct argp_state *state, struct parsing *p, enum bench_load load)
{
	if (p->load_given)
		argp_error(state, "one of --rate, --saturate, --overload and --sweep");
	p->load_given = true;
	p->o.load = load;
}

/* What does not go together. */
static void check(struct argp_state *state, const struct parsing *p)
{
	const struct bench_options *o = &p->o;
	bool running = o->common.node_cnt > 0;
	if (running && o->dir != NULL)
		argp_error(state,
		           "--node is a running chain, --dir is one of our own, or a testnet: one of them");
	if (running && (p->replicas_given || p->port_given))
		argp_error(state,
		           "--replicas and --base-port are for a chain of our own, not for a running one");
	if (!running && o->common.genesis != NULL)
		argp_error(state, "--genesis is of a running chain: name its nodes, too (--node)");
	if (running && o->kill_at_s >= 0)
		argp_error(state, "--kill-primary: only of a chain of our own");
	if (o->kill_at_s >= 0 && (o->load == BENCH_SWEEP || o->load == BENCH_OVERLOAD))
		argp_error(state, "--kill-primary: beside --rate or --saturate only");
	if (o->kill_at_s >= 0 && o->kill_at_s + KILL_ROOM_S > o->duration_s)
		argp_error(state, "--kill-primary: at least %d seconds before the end (--duration)",
		           KILL_ROOM_S);
	if (o->kill_at_s >= 0 && o->replicas == 1)
		argp_error(state, "--kill-primary: one replica cannot go on without itself");
	if (o->warmup_s + o->duration_s > TOGETHER_MAX)
		argp_error(state, "--warmup and --duration: at most %d seconds together", TOGETHER_MAX);
	if (o->submitters > o->accounts)
		argp_error(state, "--submitters: at most one an account (--accounts)");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	struct bench_options *o = &p->o;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case KEY_RATE:
		choose(state, p, BENCH_RATE);
		o->rate = number(state, "rate", arg, 1, RATE_MAX);
		return 0;
	case KEY_SATURATE:
		choose(state, p, BENCH_SATURATE);
		return 0;
	case KEY_OVERLOAD:
		choose(state, p, BENCH_OVERLOAD);
		return 0;
	case KEY_SWEEP:
		choose(state, p, BENCH_SWEEP);
		return 0;
	case KEY_DURATION:
		o->duration_s = seconds(state, "duration", arg, 0.1);
		return 0;
	case KEY_WARMUP:
		o->warmup_s = seconds(state, "warmup", arg, 0);
		return 0;
	case KEY_SUBMITTERS:
		o->submitters = number(state, "submitters", arg, 1, SUBMITTERS_MAX);
		return 0;
	case KEY_BATCH:
		o->batch = number(state, "batch", arg, 1, Q_BLOCK_TXS_MAX);
		return 0;
	case KEY_ACCOUNTS:
		o->accounts = number(state, "accounts", arg, 1, ACCOUNTS_MAX);
		return 0;
	case KEY_REPLICAS:
		o->replicas = number(state, "replicas", arg, 1, Q_REPLICAS_MAX);
		if (o->replicas == 2 || o->replicas == 3)
			argp_error(state, "--replicas \"%s\": 1, or 4 to %d", arg, Q_REPLICAS_MAX);
		p->replicas_given = true;
		return 0;
	case KEY_BASE_PORT:
		o->base_port = number(state, "base-port", arg, 0, 65535);
		p->port_given = true;
		return 0;
	case KEY_DIR:
		for (size_t len = strlen(arg); len > 1 && arg[len - 1] == '/'; len--)
			arg[len - 1] = '\0';
		o->dir = arg;
		return 0;
	case KEY_KEY:
		o->key = arg;
		return 0;
	case KEY_KILL:
		o->kill_at_s = seconds(state, "kill-primary", arg, 0);
		return 0;
	case KEY_PLOT:
		o->plot = arg;
		return 0;
	case KEY_ONE_FOLLOWER:
		o->one_follower = true;
		return 0;
	case KEY_NO_AUDIT:
		o->no_audit = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%.60s\"?", arg);
		return 0;
	case ARGP_KEY_END:
		check(state, p);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "The load:", 1},
    {"saturate", KEY_SATURATE, NULL, 0, "As much as the chain takes (the default)", 1},
    {"rate", KEY_RATE, "N", 0, "N payments a second, whatever becomes of them", 1},
    {"sweep", KEY_SWEEP, NULL, 0, "Saturated, then a series of rates up to what that reached", 1},
    {"overload", KEY_OVERLOAD, NULL, 0, "Ten times as many a second as the signatures allow", 1},
    {"duration", KEY_DURATION, "S", 0, "Seconds that are measured (default 10), of each rate", 1},
    {"warmup", KEY_WARMUP, "S", 0, "Seconds of load before (default 2)", 1},
    {"submitters", KEY_SUBMITTERS, "N", 0, "Clients that hand payments in (default: two a node)", 1},
    {"batch", KEY_BATCH, "N", 0, "Payments in a request, at the most (default 256)", 1},
    {"accounts", KEY_ACCOUNTS, "N", 0, "Accounts that pay one another (default 4096)", 1},
    {"one-follower", KEY_ONE_FOLLOWER, NULL, 0,
     "Ask only the first node what is final, not each for what it took", 1},
    {NULL, 0, NULL, 0, "The chain, one of our own unless --node is given:", 2},
    {"replicas", KEY_REPLICAS, "N", 0, "Of our own: 1, or 4 to 64 (default 4)", 2},
    {"base-port", KEY_BASE_PORT, "P", 0, "Of our own: HTTP on ports P, P+1, ...; 0: free ports (the default)",
     2},
    {"dir", KEY_DIR, "DIR", 0,
     "Where our own chain is kept; or a testnet, which is started if it does not run. Default: a temporary "
     "directory in TMPDIR or /var/tmp, which is removed",
     2},
    {"key", KEY_KEY, "FILE", 0,
     "A plain key of the account that pays for the load. Default: alice's of the testnet", 2},
    {"kill-primary", KEY_KILL, "S", 0,
     "Of our own: kill the primary so many seconds after the measuring began, and start it again three later",
     2},
    {"no-audit", KEY_NO_AUDIT, NULL, 0, "Of our own: do not audit the ledgers at the end", 2},
    {NULL, 0, NULL, 0, "What is said:", 3},
    {"plot", KEY_PLOT, "DIR", 0, "Write pictures (SVG) there; needs gnuplot", 3},
    {0},
};

void bench_options(int argc, char **argv, struct bench_options *o)
{
	static const struct argp_child children[] = {{.argp = &cmd_chain_argp, .group = 4}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse,
	    .doc =
	        "Loads a chain with payments that were signed beforehand, and says how many a second become "
	        "final, how long each takes, what it costs, and how near that is to what checking their "
	        "signatures alone would allow, measured on the spot.\vEach payment has one input and two "
	        "outputs. Latency counts from when a payment was due until the node that took it shows it in "
	        "a final block. A chain of our own is audited at the end: exit code 1 if a payment is lost "
	        "or "
	        "twice there.",
	    .children = children,
	};
	struct parsing p = {.o = {
	                        .load = BENCH_SATURATE,
	                        .duration_s = 10,
	                        .warmup_s = 2,
	                        .batch = 256,
	                        .accounts = 4096,
	                        .replicas = 4,
	                        .kill_at_s = -1,
	                    }};
	cmd_parse(&argp, argc, argv, &p);
	*o = p.o;
}
