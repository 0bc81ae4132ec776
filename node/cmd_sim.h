/*
 * cmd_sim.h: what the files of `quorate sim` share:
 *
 *   cmd_sim.c        the command line, lists
 *   cmd_sim_run.c    one seed, many seeds, and shrinking what failed
 *   cmd_sim_show.c   results, as JSON and for people
 *   cmd_sim_hours.c  an hour of healthy chains at several difficulties
 *   cmd_sim_table.c  what each behaviour of traitors costs
 *   cmd_sim_growth.c what a block costs, by the number of replicas
 */
#ifndef QUORATE_CMD_SIM_H
#define QUORATE_CMD_SIM_H

#include <inttypes.h>

#include "cmd.h"
#include "out.h"
#include "sim.h"
#include "sweep.h"

#define CLEAR_LINE "\r\033[K"

struct sim_args {
	struct cmd_common common;
	struct sim_options run;
	struct sim_range *without; /* owned */
	bool seed_given, seeds_given, keep_going, until_failure, no_shrink, twice, list, behaviour_table,
	    growth;
	uint64_t first, last, jobs, shrink_s, for_s, hang_s;
	const char *trace_path;
};

/* ---- cmd_sim_run.c, cmd_sim_table.c, cmd_sim_hours.c, cmd_sim_growth.c: the exit code --------------- */

int sim_one_seed(struct sim_args *args);
int sim_many_seeds(struct sim_args *args);
int sim_behaviour_table(const struct sim_args *args);
int sim_growth(const struct sim_args *args);
int sim_healthy_hours(const struct sim_args *args);

/* ---- cmd_sim_show.c -------------------------------------------------------------------------- */

json_t *sim_json_number(uint64_t n);
json_t *sim_json_hex(uint64_t n);
json_t *sim_json_take_text(char *text); /* frees the text */
json_t *sim_json_violation(const struct sim_result *r);
json_t *sim_json_result(const struct sim_options *o, const struct sim_result *r);
void sim_json_add(json_t *to, const char *name, json_t *value); /* takes the value */

void sim_print_world(const struct sim_result *r);
void sim_print_outcome(const struct sim_result *r);
void sim_print_verdict(const struct sim_result *r);
void sim_print_states(const struct sim_result *r);
/* Runs it once more, apart, for the end of its trace. */
void sim_print_trace_end(const struct sim_options *o, uint64_t hang_ms);

static inline const char *sim_plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}
static inline double sim_seconds(uint64_t ms)
{
	return (double)ms / 1000;
}

#endif
