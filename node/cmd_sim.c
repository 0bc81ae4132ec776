/*
 * cmd_sim.c: `quorate sim`: whole chains on virtual time, one a seed, with faults and traitors; see
 * tests/sim/sim.h.
 *
 * Here are the command line and the reports. Exit: 0 nothing was violated, 1 something was, 2 wrong usage.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choice.h"
#include "cmd.h"
#include "options.h"
#include "out.h"
#include "shrink.h"
#include "sweep.h"
#include "text.h"
#include "traitor.h"

#define TAIL_LINES 60 /* of the trace of a run that failed */
#define SHRINK_RUNS_MAX 100000
#define FAILURES_SHOWN 20

struct sim_args {
	struct cmd_common common;
	struct sim_options run;
	struct sim_range *without;
	bool seed_given, seeds_given, keep_going, until_failure, no_shrink, twice, list, behaviour_table;
	uint64_t first, last, jobs, shrink_s, for_s, hang_s;
	const char *trace_path;
};

/* ---- the command line ---------------------------------------------------------------------------- */

enum {
	KEY_SEED = 0x200,
	KEY_SEEDS,
	KEY_REPLICAS,
	KEY_TICKS,
	KEY_FAULTS,
	KEY_BEHAVIOURS,
	KEY_WITHOUT,
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
};

static const struct argp_option options[] = {
    {"seed", KEY_SEED, "N", 0, "Run this seed", 1},
    {"replicas", KEY_REPLICAS, "N", 0, "1, or 4 to 16 (default: the seed chooses)", 1},
    {"ticks", KEY_TICKS, "MS", 0, "Length of the storm in virtual milliseconds (default: the seed chooses)",
     1},
    {"faults", KEY_FAULTS, "LIST", 0,
     "all, none, names with commas, or -name for all but that one (default: the seed chooses)", 1},
    {"behaviours", KEY_BEHAVIOURS, "LIST", 0, "What traitors may do (default: the seed chooses)", 1},
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
	args->run.n = (unsigned)number_arg(state, "--replicas", arg, 1, SIM_REPLICAS_MAX);
	if (args->run.n == 2 || args->run.n == 3)
		argp_error(state, "--replicas \"%s\": 1, or 4 to %d", arg, SIM_REPLICAS_MAX);
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
	};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (flags[i].key == key)
			return *flags[i].flag = true;
	return false;
}

static void parse_end(struct argp_state *state, const struct sim_args *args)
{
	if (args->list || args->behaviour_table)
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

/* ---- lists ----------------------------------------------------------------------------------------- */

static json_t *json_entry(const char *name, const char *text)
{
	return json_pack("{s:s, s:s}", "name", name, "text", text);
}

static void list_json(void)
{
	json_t *faults = json_array(), *behaviours = json_array();

	for (unsigned i = 0; i < FAULT_CNT; i++)
		json_array_append_new(faults, json_entry(fault_name(i), fault_text(i)));
	for (unsigned i = 0; i < BEHAVIOUR_CNT; i++)
		json_array_append_new(behaviours, json_entry(behaviour_name(i), behaviour_text(i)));
	out_json_take(json_pack("{s:o, s:o}", "faults", faults, "behaviours", behaviours));
}

static void list_text(void)
{
	struct out_table *t = out_table_new(2, (const char *const[]){"FAULT", "WHAT IT IS"});

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

/* ---- results as JSON ---------------------------------------------------------------------------------- */

static json_t *json_number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *json_hex(uint64_t n)
{
	char text[17];

	snprintf(text, sizeof text, "%016" PRIx64, n);
	return json_string(text);
}

/* Takes the fresh string. */
static json_t *json_take_text(char *text)
{
	json_t *value = json_string(text);

	free(text);
	return value ? value : json_string("?");
}

static json_t *json_mask(uint64_t mask)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 64; i++)
		if (mask >> i & 1)
			json_array_append_new(list, json_integer((json_int_t)i));
	return list;
}

static json_t *json_lines(const char *text)
{
	json_t *list = json_array();

	while (text && *text != '\0') {
		size_t len = strcspn(text, "\n");
		json_array_append_new(list, json_stringn_nocheck(text, len));
		text += len + (text[len] == '\n');
	}
	return list;
}

static json_t *json_violation(const struct sim_result *r)
{
	return r->violations ? json_take_text(xstrdup(r->violation)) : json_null();
}

static void add(json_t *to, const char *name, json_t *value)
{
	json_object_set_new(to, name, value);
}

static json_t *json_result(const struct sim_options *o, const struct sim_result *r)
{
	json_t *j = json_object();

	add(j, "seed", json_number(r->seed));
	add(j, "violations", json_number(r->violations));
	add(j, "violation", json_violation(r));
	add(j, "trace_hash", json_hex(r->trace_hash));
	add(j, "replicas", json_number(r->n));
	add(j, "traitors", json_mask(r->traitors));
	add(j, "faults", json_take_text(choice_faults_text(r->faults)));
	add(j, "behaviours", json_take_text(choice_behaviours_text(r->traitors ? r->behaviours : 0)));
	add(j, "crypto", json_string(r->real_crypto ? "real" : "stand-in"));
	add(j, "storm_ms", json_number(r->storm_ms));
	add(j, "events", json_number(r->events));
	add(j, "virtual_ms", json_number(r->virtual_ms));
	add(j, "strikes", json_number(r->strikes));
	add(j, "blocks", json_number(r->blocks));
	add(j, "transactions", json_number(r->transactions));
	add(j, "throughput_txs", json_number(r->throughput_txs));
	add(j, "commit_gap_ms", json_number(r->commit_gap_ms));
	add(j, "view_changes", json_number(r->view_changes));
	add(j, "states", json_lines(r->states));
	add(j, "command", json_take_text(choice_command(o)));
	return j;
}

/* ---- results for people ----------------------------------------------------------------------------------
 */

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static double seconds(uint64_t ms)
{
	return (double)ms / 1000;
}

static void print_world(const struct sim_result *r)
{
	char *faults = choice_faults_text(r->faults), *behaviours = choice_behaviours_text(r->behaviours);

	printf("seed %" PRIu64 ": %u replicas, %s cryptography, %.1f s of storm\n", r->seed, r->n,
	       r->real_crypto ? "real" : "stand-in", seconds(r->storm_ms));
	out_field(10, "  faults", "%s", faults);
	for (unsigned i = 0; i < r->n; i++)
		if (r->traitors >> i & 1)
			out_field(10, "  traitor", "%u: %s", i, behaviours);
	free(faults);
	free(behaviours);
}

static void print_outcome(const struct sim_result *r)
{
	out_field(10, "  run", "%" PRIu64 " events in %.1f s of virtual time, %" PRIu64 " strike%s",
	          r->events, seconds(r->virtual_ms), r->strikes, plural(r->strikes));
	out_field(10, "  chain",
	          "%" PRIu64 " block%s, %" PRIu64 " transaction%s (%" PRIu64
	          " in the storm, longest wait %.1f s), "
	          "%" PRIu64 " view change%s",
	          r->blocks, plural(r->blocks), r->transactions, plural(r->transactions), r->throughput_txs,
	          seconds(r->commit_gap_ms), r->view_changes, plural(r->view_changes));
	out_field(10, "  trace", "%016" PRIx64, r->trace_hash);
}

static void print_verdict(const struct sim_result *r)
{
	const char *good = out_style(stdout, OUT_GOOD), *bad = out_style(stdout, OUT_BAD);
	const char *plain = out_style(stdout, OUT_PLAIN);

	if (r->violations)
		printf("%sVIOLATION%s %s\n", bad, plain, r->violation);
	else
		printf("%sok%s\n", good, plain);
}

static void print_states(const struct sim_result *r)
{
	if (r->states)
		fputs(r->states, stdout);
}

/* ---- the end of a trace
 * ------------------------------------------------------------------------------------ */

/* Where the last `lines` lines of the file begin. */
static long tail_offset(FILE *f, unsigned lines)
{
	long *starts = xcalloc(lines, sizeof *starts), at = 0, first;
	unsigned cnt = 0;
	int c, last = '\n';

	rewind(f);
	for (; (c = getc(f)) != EOF; last = c, at++)
		if (last == '\n')
			starts[cnt++ % lines] = at;
	first = cnt > lines ? starts[cnt % lines] : 0;
	free(starts);
	return first;
}

static void copy_from(FILE *f, long offset)
{
	char chunk[4096];
	size_t len;

	fseek(f, offset, SEEK_SET);
	while ((len = fread(chunk, 1, sizeof chunk, f)) > 0)
		fwrite(chunk, 1, len, stdout);
}

/* Runs it once more, apart, for its trace. */
static void print_trace_end(const struct sim_options *o, uint64_t hang_ms)
{
	struct sim_options traced = *o;
	struct sim_result r;

	traced.trace = tmpfile();
	traced.verbose = true;
	if (!traced.trace)
		return;
	sweep_apart(&traced, hang_ms, &r);
	free(r.states);
	printf("\nthe end of its trace (--trace FILE writes all of it):\n");
	copy_from(traced.trace, tail_offset(traced.trace, TAIL_LINES));
	fclose(traced.trace);
}

/* ---- shrinking
 * ------------------------------------------------------------------------------------------------ */

struct shrinking {
	const struct sim_args *args;
	bool terminal;
};

static void run_apart(void *ctx, const struct sim_options *o, struct sim_result *r)
{
	const struct shrinking *s = ctx;

	sweep_apart(o, s->args->hang_s * 1000, r);
}

#define CLEAR_LINE "\r\033[K"

static void show_shrinking(void *ctx, const struct sim_options *best, unsigned runs)
{
	const struct shrinking *s = ctx;

	if (!s->terminal)
		return;
	fprintf(stderr, CLEAR_LINE "shrinking: %u runs, storm of %.1f s, strikes in %zu ranges left out",
	        runs, seconds(best->storm_ms), best->without_cnt);
	fflush(stderr);
}

static void shrink_it(const struct sim_args *args, const struct sim_options *o, const struct sim_result *r,
                      struct shrunk *out)
{
	struct shrinking s = {args, isatty(STDERR_FILENO)};
	struct shrink_options how = {.run = run_apart,
	                             .ctx = &s,
	                             .runs_max = SHRINK_RUNS_MAX,
	                             .wall_ms = args->shrink_s * 1000,
	                             .progress = show_shrinking};

	shrink(&how, o, r, out);
	if (s.terminal)
		fputs(CLEAR_LINE, stderr);
}

static void print_shrunk(const struct sim_args *args, const struct shrunk *s)
{
	char *command = choice_command(&s->o);

	if (s->reproduced) {
		printf("\nshrunk in %u run%s to %" PRIu64 " strike%s in %.1f s of storm:\n", s->runs,
		       plural(s->runs), s->strikes, plural(s->strikes), seconds(s->result.storm_ms));
		print_verdict(&s->result);
		print_states(&s->result);
		print_trace_end(&s->o, args->hang_s * 1000);
	} else {
		printf("\nit did not fail again in a process of its own: that is a bug of the simulator\n");
	}
	printf("\nreplay: %s%s%s\n", out_style(stdout, OUT_BOLD), command, out_style(stdout, OUT_PLAIN));
	free(command);
}

/* A violation: as small as it gets. */
static void report_failure(const struct sim_args *args, const struct sim_options *o,
                           const struct sim_result *r)
{
	struct shrunk s;

	shrink_it(args, o, r, &s);
	if (!s.reproduced)
		s.o = *o;
	print_shrunk(args, &s);
	if (s.reproduced)
		shrunk_free(&s);
}

/* ---- one seed
 * ---------------------------------------------------------------------------------------------------- */

static bool open_trace(struct sim_args *args)
{
	if (!args->trace_path)
		return true;
	args->run.trace = strcmp(args->trace_path, "-") == 0 ? stdout : fopen(args->trace_path, "w");
	return args->run.trace != NULL;
}

static bool close_trace(struct sim_args *args)
{
	FILE *f = args->run.trace;

	args->run.trace = NULL;
	return !f || (f == stdout ? fflush(f) == 0 : fclose(f) == 0);
}

static int one_seed(struct sim_args *args)
{
	struct sim_result r;

	if (!open_trace(args))
		return cmd_error(ERR_WORLD, "%s: cannot be written", args->trace_path);
	sweep_seed(&args->run, args->twice, &r);
	if (!close_trace(args)) {
		free(r.states);
		return cmd_error(ERR_WORLD, "%s: could not be written", args->trace_path);
	}
	if (args->common.json) {
		out_json_take(json_result(&args->run, &r));
	} else {
		print_world(&r);
		print_outcome(&r);
		print_verdict(&r);
		print_states(&r);
		if (r.violations && !args->no_shrink && !args->trace_path && args->run.without_cnt == 0)
			report_failure(args, &args->run, &r);
	}
	free(r.states);
	return r.violations ? EXIT_NO : EXIT_DONE;
}

/* ---- many seeds
 * ----------------------------------------------------------------------------------------------------- */

struct sweeping {
	const struct sim_args *args;
	bool terminal;
	struct sim_result failures[FAILURES_SHOWN]; /* the first; by seed where all are known */
	unsigned failure_cnt;
};

static void note_done(void *ctx, const struct sim_result *r)
{
	struct sweeping *s = ctx;
	const char *bad = out_style(stdout, OUT_BAD), *plain = out_style(stdout, OUT_PLAIN);

	if (!r->violations)
		return;
	if (s->failure_cnt < FAILURES_SHOWN)
		s->failures[s->failure_cnt++] = *r;
	if (s->args->common.json)
		return;
	if (s->terminal)
		fputs(CLEAR_LINE, stderr);
	printf("%sVIOLATION%s seed %" PRIu64 ": %s\n", bad, plain, r->seed, r->violation);
	fflush(stdout);
}

static double rate(const struct sweep_totals *t)
{
	return t->wall_ms ? (double)t->seeds * 1000 / (double)t->wall_ms : 0;
}

static void show_progress(void *ctx, const struct sweep_totals *t)
{
	const struct sweeping *s = ctx;

	if (!s->terminal)
		return;
	fprintf(stderr,
	        CLEAR_LINE "%" PRIu64 " seeds, %.0f a second, %" PRIu64
	                   " events, %.1f hours simulated, %" PRIu64 " violation%s",
	        t->seeds, rate(t), t->events, (double)t->virtual_ms / 3600000, t->violations,
	        plural(t->violations));
	fflush(stderr);
}

static void sort_failures(struct sweeping *s)
{
	for (unsigned i = 1; i < s->failure_cnt; i++)
		for (unsigned k = i; k > 0 && s->failures[k].seed < s->failures[k - 1].seed; k--) {
			struct sim_result r = s->failures[k];
			s->failures[k] = s->failures[k - 1];
			s->failures[k - 1] = r;
		}
}

static json_t *json_failure(const struct sim_args *args, const struct sim_result *r, bool small)
{
	struct sim_options o = args->run;
	struct shrunk s = {0};
	json_t *j = json_object();

	o.seed = r->seed;
	add(j, "seed", json_number(r->seed));
	add(j, "violation", json_violation(r));
	add(j, "command", json_take_text(choice_command(&o)));
	if (small && !args->no_shrink) {
		shrink_it(args, &o, r, &s);
		add(j, "shrunk", s.reproduced ? json_take_text(choice_command(&s.o)) : json_null());
		shrunk_free(&s);
	}
	return j;
}

static void sweep_json(const struct sweeping *s, const struct sweep_totals *t)
{
	json_t *j = json_object(), *failures = json_array();

	for (unsigned i = 0; i < s->failure_cnt; i++)
		json_array_append_new(failures, json_failure(s->args, &s->failures[i], i == 0));
	add(j, "seeds", json_number(t->seeds));
	add(j, "violations", json_number(t->violations));
	add(j, "failures", failures);
	add(j, "trace_hash", json_hex(t->hash));
	add(j, "events", json_number(t->events));
	add(j, "virtual_ms", json_number(t->virtual_ms));
	add(j, "strikes", json_number(t->strikes));
	add(j, "blocks", json_number(t->blocks));
	add(j, "transactions", json_number(t->transactions));
	add(j, "view_changes", json_number(t->view_changes));
	add(j, "wall_ms", json_number(t->wall_ms));
	out_json_take(j);
}

static void sweep_text(const struct sweeping *s, const struct sweep_totals *t)
{
	printf("%" PRIu64 " seed%s in %.1f s (%.1f a second): %" PRIu64
	       " events, %.1f hours of virtual time, %" PRIu64 " strikes, %" PRIu64 " blocks, %" PRIu64
	       " transactions, %" PRIu64 " view changes\n",
	       t->seeds, plural(t->seeds), seconds(t->wall_ms), rate(t), t->events,
	       (double)t->virtual_ms / 3600000, t->strikes, t->blocks, t->transactions, t->view_changes);
	out_field(8, "traces", "%016" PRIx64, t->hash);
	if (s->failure_cnt == 0) {
		printf("%sok%s\n", out_style(stdout, OUT_GOOD), out_style(stdout, OUT_PLAIN));
		return;
	}
	printf("%sfailed%s: %" PRIu64 " seed%s\n", out_style(stdout, OUT_BAD), out_style(stdout, OUT_PLAIN),
	       t->violations, plural(t->violations));
	if (!s->args->no_shrink) {
		struct sim_options o = s->args->run;
		o.seed = s->failures[0].seed;
		printf("\nseed %" PRIu64 ":\n", o.seed);
		fflush(stdout);
		report_failure(s->args, &o, &s->failures[0]);
	}
}

static int many_seeds(struct sim_args *args)
{
	struct sweeping s = {.args = args, .terminal = isatty(STDERR_FILENO)};
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct sweep_totals t;

	if (args->seed_given)
		args->first = args->last = args->run.seed;
	if (args->until_failure)
		args->last = UINT64_MAX;
	if (args->jobs == 0)
		args->jobs = processors < 1                ? 1
		             : processors > SWEEP_JOBS_MAX ? SWEEP_JOBS_MAX
		                                           : (uint64_t)processors;
	struct sweep_options o = {.run = args->run,
	                          .first = args->first,
	                          .last = args->last,
	                          .jobs = (unsigned)args->jobs,
	                          .keep_going = args->keep_going,
	                          .twice = args->twice,
	                          .hang_ms = args->hang_s * 1000,
	                          .wall_ms = args->for_s * 1000,
	                          .done = note_done,
	                          .progress = show_progress,
	                          .ctx = &s};
	bool ok = sweep_run(&o, &t);
	if (s.terminal)
		fputs(CLEAR_LINE, stderr);
	sort_failures(&s);
	if (args->common.json)
		sweep_json(&s, &t);
	else
		sweep_text(&s, &t);
	return ok ? EXIT_DONE : EXIT_NO;
}

/* ---- what each behaviour costs
 * ------------------------------------------------------------------------------------------ */

#define TABLE_STORM_MS 20000
#define TABLE_LOAD 40
#define TABLE_SEEDS 3

struct cost {
	uint64_t txs, gap_ms, view_changes;
	unsigned violations;
	char violation[256];
};

static struct cost cost_of(const struct sim_args *args, int64_t faults, uint64_t behaviours)
{
	struct sim_options o = args->run;
	struct cost cost = {0};
	uint64_t first = args->seeds_given ? args->first : 1;
	uint64_t last = args->seeds_given ? args->last : TABLE_SEEDS;

	o.n = o.n ? o.n : 4;
	o.storm_ms = o.storm_ms ? o.storm_ms : TABLE_STORM_MS;
	o.load = o.load ? o.load : TABLE_LOAD;
	o.real_crypto = 0;
	o.unchecked_calm = true;
	o.faults = faults;
	o.behaviours = behaviours;
	for (o.seed = first; o.seed <= last; o.seed++) {
		struct sim_result r;
		sweep_apart(&o, args->hang_s * 1000, &r);
		free(r.states);
		cost.txs += r.throughput_txs;
		cost.gap_ms = r.commit_gap_ms > cost.gap_ms ? r.commit_gap_ms : cost.gap_ms;
		cost.view_changes += r.view_changes;
		if (r.violations && cost.violations++ == 0)
			snprintf(cost.violation, sizeof cost.violation, "%.255s", r.violation);
	}
	return cost;
}

struct cost_line {
	const char *name;
	struct cost cost;
};

static uint64_t percent(const struct cost_line *line, const struct cost_line *base)
{
	return base->cost.txs ? 100 * line->cost.txs / base->cost.txs : 0;
}

static void costs_json(const struct cost_line *lines, unsigned cnt)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < cnt; i++) {
		const struct cost *c = &lines[i].cost;
		json_t *j = json_object();
		add(j, "behaviour", json_string(lines[i].name));
		add(j, "transactions", json_number(c->txs));
		add(j, "percent", json_number(percent(&lines[i], &lines[0])));
		add(j, "commit_gap_ms", json_number(c->gap_ms));
		add(j, "view_changes", json_number(c->view_changes));
		add(j, "violations", json_number(c->violations));
		json_array_append_new(list, j);
	}
	out_json_take(list);
}

static void costs_text(const struct cost_line *lines, unsigned cnt)
{
	struct out_table *t =
	    out_table_new(6, (const char *const[]){"BEHAVIOUR", "TRANSACTIONS", "OF FAULT-FREE",
	                                           "LONGEST WAIT", "VIEW CHANGES", ""});

	for (unsigned i = 0; i < cnt; i++) {
		const struct cost *c = &lines[i].cost;
		out_table_cell(t, "%s", lines[i].name);
		out_table_cell(t, "%" PRIu64, c->txs);
		out_table_cell(t, "%" PRIu64 "%%", percent(&lines[i], &lines[0]));
		out_table_cell(t, "%.2f s", seconds(c->gap_ms));
		out_table_cell(t, "%" PRIu64, c->view_changes);
		out_table_cell(t, "%s", c->violations ? c->violation : "");
		out_table_style(t, OUT_BAD);
	}
	out_table_end(t);
}

static int behaviour_table(const struct sim_args *args)
{
	struct cost_line lines[BEHAVIOUR_CNT + 1];
	bool terminal = isatty(STDERR_FILENO);
	unsigned cnt = 0, violations;

	lines[cnt++] = (struct cost_line){"none", cost_of(args, 0, 0)};
	violations = lines[0].cost.violations;
	for (unsigned b = 0; b < BEHAVIOUR_CNT; b++) {
		uint64_t bit = UINT64_C(1) << b;
		if (args->run.behaviours && !(args->run.behaviours & bit))
			continue;
		if (terminal)
			fprintf(stderr, CLEAR_LINE "%s", behaviour_name(b));
		lines[cnt] =
		    (struct cost_line){behaviour_name(b), cost_of(args, INT64_C(1) << FAULT_TRAITOR, bit)};
		violations += lines[cnt++].cost.violations;
	}
	if (terminal)
		fputs(CLEAR_LINE, stderr);
	(args->common.json ? costs_json : costs_text)(lines, cnt);
	return violations ? EXIT_NO : EXIT_DONE;
}

/* ---- the command
 * ------------------------------------------------------------------------------------------------------------
 */

static int simulate(struct sim_args *args)
{
	if (args->list) {
		(args->common.json ? list_json : list_text)();
		return EXIT_DONE;
	}
	if (args->behaviour_table)
		return behaviour_table(args);
	if (args->seed_given && !args->until_failure)
		return one_seed(args);
	return many_seeds(args);
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
