/*
 * cmd_sim.c: `quorate sim`: whole chains on virtual time, one a seed, with faults and traitors; see
 * tests/sim/sim.h.
 *
 * Exit: 0 nothing was violated, 1 something was, 2 wrong usage.
 */
#include "cmd_sim.h"

#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "options.h"
#include "text.h"
#include "traitor.h"

/* ---- the command line ------------------------------------------------------------------------ */

enum {
	KEY_SEED = 0x200,
	KEY_SEEDS,
	KEY_REPLICAS,
	KEY_TICKS,
	KEY_FAULTS,
	KEY_BEHAVIOURS,
	KEY_WITHOUT,
	KEY_SEAL,
	KEY_PROPOSER,
	KEY_MINING,
	KEY_HEALTHY,
	KEY_CRYPTO,
	KEY_LOAD,
	KEY_NO_CALM,
	KEY_TRACE,
	KEY_VERBOSE,
	KEY_TWICE,
	KEY_JOBS,
	KEY_KEEP_GOING,
	KEY_UNTIL_FAILURE,
	KEY_FOR,
	KEY_HANG,
	KEY_NO_SHRINK,
	KEY_SHRINK,
	KEY_LIST,
	KEY_TABLE,
	KEY_GROWTH,
};

static const struct argp_option options[] = {
    {"seed", KEY_SEED, "N", 0, "Run this seed", 1},
    {"replicas", KEY_REPLICAS, "N", 0, "1, or 4 to 16 (default: the seed chooses)", 1},
    {"ticks", KEY_TICKS, "MS", 0, "Length of the storm in virtual milliseconds (default: the seed chooses)",
     1},
    {"faults", KEY_FAULTS, "LIST", 0,
     "all, none, names with commas, or -name for all but that one (default: the seed chooses)", 1},
    {"behaviours", KEY_BEHAVIOURS, "LIST", 0, "What traitors may do (default: the seed chooses)", 1},
    {"seal", KEY_SEAL, "KIND", 0, "none, pow or retarget (default: the seed chooses)", 1},
    {"proposer", KEY_PROPOSER, "KIND", 0, "primary, stake or delegated (default: the seed chooses)", 1},
    {"mining", KEY_MINING, "MS", 0,
     "What a seal takes on average at the hash rate that the genesis promises; all machines have just that "
     "rate "
     "(default: the seed chooses)",
     1},
    {"healthy", KEY_HEALTHY, NULL, 0,
     "Nothing is wrong, and no view may change; without a seed: an hour of every kind of chain at several "
     "difficulties",
     1},
    {"without", KEY_WITHOUT, "RANGES", 0, "Strikes of faults that do not happen, by number: 3-17,20", 1},
    {"crypto", KEY_CRYPTO, "KIND", 0, "real or stand-in (default: the seed chooses; one in ten is real)", 1},
    {"load", KEY_LOAD, "N", 0, "Honest clients hand in N transactions a second, evenly", 1},
    {"no-calm", KEY_NO_CALM, NULL, 0, "Stop after the storm: nothing is asked of the time after it", 1},
    {"trace", KEY_TRACE, "FILE", 0, "Write every event as a line (-: standard output)", 1},
    {"verbose", KEY_VERBOSE, NULL, 0, "The replicas' own log lines are in the trace, too", 1},
    {"twice", KEY_TWICE, NULL, 0, "Run each seed twice: the trace must be the same", 1},
    {"seeds", KEY_SEEDS, "A..B", 0, "Run these seeds", 2},
    {"jobs", KEY_JOBS, "J", 0, "In so many processes (default: one a processor)", 2},
    {"keep-going", KEY_KEEP_GOING, NULL, 0, "Do not stop at the first violation", 2},
    {"until-failure", KEY_UNTIL_FAILURE, NULL, 0, "From the first seed on without an end", 2},
    {"for", KEY_FOR, "SECONDS", 0, "Stop after that much time", 2},
    {"hang", KEY_HANG, "SECONDS", 0, "A seed that takes longer hangs, which is a violation (default 120)", 2},
    {"no-shrink", KEY_NO_SHRINK, NULL, 0, "Do not look for the smallest run that fails in the same way", 3},
    {"shrink", KEY_SHRINK, "SECONDS", 0, "Look for it that long (default 60)", 3},
    {"list", KEY_LIST, NULL, 0, "Show the faults and what traitors do", 4},
    {"behaviour-table", KEY_TABLE, NULL, 0,
     "What each single behaviour of a traitor costs the others: throughput and the longest wait", 4},
    {"growth", KEY_GROWTH, NULL, 0,
     "What a block costs with 4, 7, 10, 13, 16 and 31 replicas: messages, bytes and signature checks", 4},
    {0},
};

static uint64_t number_arg(struct argp_state *state, const char *option, const char *arg, uint64_t min,
                           uint64_t max)
{
	uint64_t n = 0;

	if (!text_u64(arg, max, &n) || n < min)
		argp_error(state, "%s \"%s\": not a number from %" PRIu64 " to %" PRIu64, option, arg, min,
		           max);
	return n;
}

static void parse_replicas(struct argp_state *state, struct sim_args *args, const char *arg)
{
	args->run.n = (unsigned)number_arg(state, "--replicas", arg, 1, SIM_FAULTY_MAX);
	if (args->run.n == 2 || args->run.n == 3)
		argp_error(state, "--replicas \"%s\": 1, or 4 to %d", arg, SIM_FAULTY_MAX);
}

static void parse_lists(int key, struct argp_state *state, struct sim_args *args, const char *arg)
{
	struct err err = {0};
	uint64_t faults = 0;
	bool ok = true;

	if (key == KEY_FAULTS) {
		ok = choice_faults(arg, &faults, &err);
		args->run.faults = (int64_t)faults;
	} else if (key == KEY_BEHAVIOURS) {
		ok = choice_behaviours(arg, &args->run.behaviours, &err);
	} else if (key == KEY_SEAL) {
		ok = choice_seal(arg, &args->run.seal, &err);
	} else if (key == KEY_PROPOSER) {
		ok = choice_proposer(arg, &args->run.proposer, &err);
	} else if (key == KEY_WITHOUT) {
		free(args->without);
		ok = choice_ranges(arg, &args->without, &args->run.without_cnt, &err);
		args->run.without = args->without;
	} else {
		ok = choice_seeds(arg, &args->first, &args->last, &err);
		args->seeds_given = true;
	}
	if (!ok)
		argp_error(state, "%s", err.text);
}

static void parse_crypto(struct argp_state *state, struct sim_args *args, const char *arg)
{
	if (strcmp(arg, "real") != 0 && strcmp(arg, "stand-in") != 0)
		argp_error(state, "--crypto \"%s\": real or stand-in", arg);
	args->run.real_crypto = arg[0] == 'r';
}

static bool parse_flag(int key, struct sim_args *args)
{
	const struct {
		int key;
		bool *flag;
	} flags[] = {
	    {KEY_NO_CALM, &args->run.unchecked_calm},
	    {KEY_VERBOSE, &args->run.verbose},
	    {KEY_TWICE, &args->twice},
	    {KEY_KEEP_GOING, &args->keep_going},
	    {KEY_UNTIL_FAILURE, &args->until_failure},
	    {KEY_NO_SHRINK, &args->no_shrink},
	    {KEY_LIST, &args->list},
	    {KEY_TABLE, &args->behaviour_table},
	    {KEY_GROWTH, &args->growth},
	    {KEY_HEALTHY, &args->run.healthy},
	};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (flags[i].key == key)
			return *flags[i].flag = true;
	return false;
}

/* --healthy alone. */
static bool hours_wanted(const struct sim_args *args)
{
	return args->run.healthy && !args->seed_given && !args->seeds_given && !args->until_failure;
}

static void parse_end(struct argp_state *state, const struct sim_args *args)
{
	if (args->list || args->behaviour_table || args->growth || hours_wanted(args))
		return;
	if (args->seed_given && args->seeds_given)
		argp_error(state, "--seed or --seeds, not both");
	if (!args->seed_given && !args->seeds_given && !args->until_failure)
		argp_error(state, "--seed N or --seeds A..B is needed");
	if (args->trace_path && !args->seed_given)
		argp_error(state, "--trace is of one run: --seed N");
	if (args->trace_path && strcmp(args->trace_path, "-") == 0 && args->common.json)
		argp_error(state, "--trace - and --json both want the standard output");
}

static error_t parse_sim(int key, char *arg, struct argp_state *state)
{
	struct sim_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_SEED:
		args->run.seed = number_arg(state, "--seed", arg, 0, UINT64_MAX);
		args->seed_given = true;
		return 0;
	case KEY_REPLICAS:
		parse_replicas(state, args, arg);
		return 0;
	case KEY_TICKS:
		args->run.storm_ms = number_arg(state, "--ticks", arg, 1, UINT32_MAX);
		return 0;
	case KEY_FAULTS:
	case KEY_BEHAVIOURS:
	case KEY_SEAL:
	case KEY_PROPOSER:
	case KEY_WITHOUT:
	case KEY_SEEDS:
		parse_lists(key, state, args, arg);
		return 0;
	case KEY_CRYPTO:
		parse_crypto(state, args, arg);
		return 0;
	case KEY_LOAD:
		args->run.load = (unsigned)number_arg(state, "--load", arg, 1, 1000);
		return 0;
	case KEY_MINING:
		args->run.mining_ms = (unsigned)number_arg(state, "--mining", arg, 1, SIM_MINING_MAX_MS);
		return 0;
	case KEY_TRACE:
		args->trace_path = arg;
		return 0;
	case KEY_JOBS:
		args->jobs = number_arg(state, "--jobs", arg, 1, SWEEP_JOBS_MAX);
		return 0;
	case KEY_FOR:
		args->for_s = number_arg(state, "--for", arg, 1, UINT32_MAX);
		return 0;
	case KEY_HANG:
		args->hang_s = number_arg(state, "--hang", arg, 1, 1000000);
		return 0;
	case KEY_SHRINK:
		args->shrink_s = number_arg(state, "--shrink", arg, 1, 1000000);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		return 0;
	case ARGP_KEY_END:
		parse_end(state, args);
		return 0;
	default:
		return parse_flag(key, args) ? 0 : ARGP_ERR_UNKNOWN;
	}
}

/* ---- lists ----------------------------------------------------------------------------------- */

static json_t *json_entry(const char *name, const char *text)
{
	return json_pack("{s:s, s:s}", "name", name, "text", text);
}

static void list_json(void)
{
	json_t *faults = json_array(), *behaviours = json_array();
	json_t *seals = json_array(), *proposers = json_array();

	for (unsigned i = 0; i < FAULT_CNT; i++)
		json_array_append_new(faults, json_entry(fault_name(i), fault_text(i)));
	for (unsigned i = 0; i < BEHAVIOUR_CNT; i++)
		json_array_append_new(behaviours, json_entry(behaviour_name(i), behaviour_text(i)));
	for (unsigned i = 1; i < SIM_SEAL_END; i++)
		json_array_append_new(seals, json_entry(sim_seal_name(i), sim_seal_text(i)));
	for (unsigned i = 1; i < SIM_PROPOSER_END; i++)
		json_array_append_new(proposers, json_entry(sim_proposer_name(i), sim_proposer_text(i)));
	out_json_take(json_pack("{s:o, s:o, s:o, s:o}", "faults", faults, "behaviours", behaviours, "seals",
	                        seals, "proposers", proposers));
}

static void list_text(void)
{
	struct out_table *t = out_table_new(2, (const char *const[]){"SEAL", "WHAT IT IS"});

	for (unsigned i = 1; i < SIM_SEAL_END; i++) {
		out_table_cell(t, "%s", sim_seal_name(i));
		out_table_cell(t, "%s", sim_seal_text(i));
	}
	out_table_end(t);
	putchar('\n');
	t = out_table_new(2, (const char *const[]){"PROPOSER", "WHO IT IS"});
	for (unsigned i = 1; i < SIM_PROPOSER_END; i++) {
		out_table_cell(t, "%s", sim_proposer_name(i));
		out_table_cell(t, "%s", sim_proposer_text(i));
	}
	out_table_end(t);
	putchar('\n');
	t = out_table_new(2, (const char *const[]){"FAULT", "WHAT IT IS"});
	for (unsigned i = 0; i < FAULT_CNT; i++) {
		out_table_cell(t, "%s", fault_name(i));
		out_table_cell(t, "%s", fault_text(i));
	}
	out_table_end(t);
	putchar('\n');
	t = out_table_new(2, (const char *const[]){"BEHAVIOUR", "WHAT A TRAITOR DOES"});
	for (unsigned i = 0; i < BEHAVIOUR_CNT; i++) {
		out_table_cell(t, "%s", behaviour_name(i));
		out_table_cell(t, "%s", behaviour_text(i));
	}
	out_table_end(t);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int simulate(struct sim_args *args)
{
	if (args->list) {
		(args->common.json ? list_json : list_text)();
		return EXIT_DONE;
	}
	if (args->behaviour_table)
		return sim_behaviour_table(args);
	if (args->growth)
		return sim_growth(args);
	if (hours_wanted(args))
		return sim_healthy_hours(args);
	if (args->seed_given && !args->until_failure)
		return sim_one_seed(args);
	return sim_many_seeds(args);
}

int cmd_sim(int argc, char **argv)
{
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_sim,
	    .doc = "Simulates chains: whole replicas in one thread on virtual time, with disks that lose "
	           "what was not "
	           "synced, a network that loses, delays and repeats, wrong clocks, traitors and clients "
	           "that cheat; all "
	           "of it follows from a seed. Checkers that share no code with what they check look on at "
	           "every "
	           "event.\v"
	           "A run that violates something is made as small as it gets and shown with the command "
	           "that replays "
	           "it. Exit code: 0 nothing was violated, 1 something was, 2 wrong usage.",
	    .children = children,
	};
	struct sim_args args = {.run = {.faults = -1, .real_crypto = -1},
	                        .first = 1,
	                        .last = 1,
	                        .shrink_s = 60,
	                        .hang_s = SWEEP_HANG_MS / 1000};
	cmd_parse(&argp, argc, argv, &args);
	int code = simulate(&args);
	free(args.without);
	return code;
}
