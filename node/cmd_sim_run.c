/*
 * cmd_sim_run.c: one seed, many seeds, and shrinking what failed.
 */
#include "cmd_sim.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choice.h"
#include "shrink.h"

#define SHRINK_RUNS_MAX 100000
#define FAILURES_SHOWN 20

/* ---- shrinking ------------------------------------------------------------------------------- */

struct shrinking {
	const struct sim_args *args;
	bool terminal;
};

static void run_apart(void *ctx, const struct sim_options *o, struct sim_result *r)
{
	const struct shrinking *s = ctx;

	sweep_apart(o, s->args->hang_s * 1000, r);
}

static void show_shrinking(void *ctx, const struct sim_options *best, unsigned runs)
{
	const struct shrinking *s = ctx;

	if (!s->terminal)
		return;
	fprintf(stderr, CLEAR_LINE "shrinking: %u runs, storm of %.1f s, strikes in %zu ranges left out",
	        runs, sim_seconds(best->storm_ms), best->without_cnt);
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
		       sim_plural(s->runs), s->strikes, sim_plural(s->strikes),
		       sim_seconds(s->result.storm_ms));
		sim_print_verdict(&s->result);
		sim_print_states(&s->result);
		sim_print_trace_end(&s->o, args->hang_s * 1000);
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

/* ---- one seed -------------------------------------------------------------------------------- */

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

int sim_one_seed(struct sim_args *args)
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
		out_json_take(sim_json_result(&args->run, &r));
	} else {
		sim_print_world(&r);
		sim_print_outcome(&r);
		sim_print_verdict(&r);
		sim_print_states(&r);
		if (r.violations && !args->no_shrink && !args->trace_path && args->run.without_cnt == 0)
			report_failure(args, &args->run, &r);
	}
	free(r.states);
	return r.violations ? EXIT_NO : EXIT_DONE;
}

/* ---- many seeds ------------------------------------------------------------------------------ */

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
	        sim_plural(t->violations));
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
	sim_json_add(j, "seed", sim_json_number(r->seed));
	sim_json_add(j, "violation", sim_json_violation(r));
	sim_json_add(j, "command", sim_json_take_text(choice_command(&o)));
	if (small && !args->no_shrink) {
		shrink_it(args, &o, r, &s);
		sim_json_add(j, "shrunk",
		             s.reproduced ? sim_json_take_text(choice_command(&s.o)) : json_null());
		shrunk_free(&s);
	}
	return j;
}

static void sweep_json(const struct sweeping *s, const struct sweep_totals *t)
{
	json_t *j = json_object(), *failures = json_array();

	for (unsigned i = 0; i < s->failure_cnt; i++)
		json_array_append_new(failures, json_failure(s->args, &s->failures[i], i == 0));
	sim_json_add(j, "seeds", sim_json_number(t->seeds));
	sim_json_add(j, "violations", sim_json_number(t->violations));
	sim_json_add(j, "failures", failures);
	sim_json_add(j, "trace_hash", sim_json_hex(t->hash));
	sim_json_add(j, "events", sim_json_number(t->events));
	sim_json_add(j, "virtual_ms", sim_json_number(t->virtual_ms));
	sim_json_add(j, "strikes", sim_json_number(t->strikes));
	sim_json_add(j, "blocks", sim_json_number(t->blocks));
	sim_json_add(j, "transactions", sim_json_number(t->transactions));
	sim_json_add(j, "view_changes", sim_json_number(t->view_changes));
	sim_json_add(j, "wall_ms", sim_json_number(t->wall_ms));
	out_json_take(j);
}

static void sweep_text(const struct sweeping *s, const struct sweep_totals *t)
{
	printf("%" PRIu64 " seed%s in %.1f s (%.1f a second): %" PRIu64
	       " events, %.1f hours of virtual time, %" PRIu64 " strikes, %" PRIu64 " blocks, %" PRIu64
	       " transactions, %" PRIu64 " view changes\n",
	       t->seeds, sim_plural(t->seeds), sim_seconds(t->wall_ms), rate(t), t->events,
	       (double)t->virtual_ms / 3600000, t->strikes, t->blocks, t->transactions, t->view_changes);
	out_field(8, "traces", "%016" PRIx64, t->hash);
	if (s->failure_cnt == 0) {
		printf("%sok%s\n", out_style(stdout, OUT_GOOD), out_style(stdout, OUT_PLAIN));
		return;
	}
	printf("%sfailed%s: %" PRIu64 " seed%s\n", out_style(stdout, OUT_BAD), out_style(stdout, OUT_PLAIN),
	       t->violations, sim_plural(t->violations));
	if (!s->args->no_shrink) {
		struct sim_options o = s->args->run;
		o.seed = s->failures[0].seed;
		printf("\nseed %" PRIu64 ":\n", o.seed);
		fflush(stdout);
		report_failure(s->args, &o, &s->failures[0]);
	}
}

int sim_many_seeds(struct sim_args *args)
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
