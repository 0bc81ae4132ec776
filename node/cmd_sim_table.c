/*
 * cmd_sim_table.c: what each single behaviour of a traitor costs the others: the same load on the same chains
 * with it and without, the first primary being the traitor.
 */
#include "cmd_sim.h"

#include <stdlib.h>
#include <unistd.h>

#include "traitor.h"

#define TABLE_STORM_MS 20000
#define TABLE_LOAD 40
#define TABLE_SEEDS 3
#define TABLE_LOOK 1000 /* seeds looked at for those whose traitor is the first primary */

struct cost {
	uint64_t txs, gap_ms, view_changes;
	unsigned violations;
	char violation[256];
};

struct table {
	struct sim_options run;
	uint64_t hang_ms;
	uint64_t seeds[TABLE_LOOK];
	unsigned seed_cnt;
};

/* Most behaviours are a primary's: seeds are taken whose traitors include the primary of view 0. */
static void choose_seeds(struct table *t, uint64_t first, uint64_t last, unsigned max)
{
	struct sim_options o = t->run;

	o.storm_ms = 1;
	o.faults = INT64_C(1) << FAULT_TRAITOR;
	for (o.seed = first; o.seed <= last && t->seed_cnt < max; o.seed++) {
		struct sim_result r;
		sim_run(&o, &r);
		free(r.states);
		if (r.traitors & 1)
			t->seeds[t->seed_cnt++] = o.seed;
	}
}

static struct table table_of(const struct sim_args *args)
{
	struct table t = {.run = args->run, .hang_ms = args->hang_s * 1000};

	t.run.n = t.run.n ? t.run.n : 4;
	t.run.storm_ms = t.run.storm_ms ? t.run.storm_ms : TABLE_STORM_MS;
	t.run.load = t.run.load ? t.run.load : TABLE_LOAD;
	t.run.real_crypto = 0;
	if (t.run.seal == SIM_SEAL_ANY) /* what is compared is of one kind */
		t.run.seal = SIM_SEAL_NONE;
	if (t.run.proposer == SIM_PROPOSER_ANY)
		t.run.proposer = SIM_PROPOSER_PRIMARY;
	t.run.unchecked_calm = true;
	if (args->seeds_given)
		choose_seeds(&t, args->first, args->last, TABLE_LOOK);
	else
		choose_seeds(&t, 1, TABLE_LOOK, TABLE_SEEDS);
	return t;
}

static struct cost cost_of(const struct table *t, int64_t faults, sim_set behaviours)
{
	struct sim_options o = t->run;
	struct cost cost = {0};

	o.faults = faults;
	o.behaviours = behaviours;
	for (unsigned i = 0; i < t->seed_cnt; i++) {
		struct sim_result r;
		o.seed = t->seeds[i];
		sweep_apart(&o, t->hang_ms, &r);
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
		sim_json_add(j, "behaviour", json_string(lines[i].name));
		sim_json_add(j, "transactions", sim_json_number(c->txs));
		sim_json_add(j, "percent", sim_json_number(percent(&lines[i], &lines[0])));
		sim_json_add(j, "commit_gap_ms", sim_json_number(c->gap_ms));
		sim_json_add(j, "view_changes", sim_json_number(c->view_changes));
		sim_json_add(j, "violations", sim_json_number(c->violations));
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
		out_table_cell(t, "%.2f s", sim_seconds(c->gap_ms));
		out_table_cell(t, "%" PRIu64, c->view_changes);
		out_table_cell(t, "%s", c->violations ? c->violation : "");
		out_table_style(t, OUT_BAD);
	}
	out_table_end(t);
}

int sim_behaviour_table(const struct sim_args *args)
{
	struct cost_line lines[BEHAVIOUR_CNT + 1];
	bool terminal = isatty(STDERR_FILENO);
	struct table table = table_of(args);
	unsigned cnt = 0, violations;

	lines[cnt++] = (struct cost_line){"none", cost_of(&table, 0, 0)};
	violations = lines[0].cost.violations;
	for (unsigned b = 0; b < BEHAVIOUR_CNT; b++) {
		sim_set bit = sim_set_of(b);
		if (args->run.behaviours && !(args->run.behaviours & bit))
			continue;
		if (terminal)
			fprintf(stderr, CLEAR_LINE "%s", behaviour_name(b));
		lines[cnt] =
		    (struct cost_line){behaviour_name(b), cost_of(&table, INT64_C(1) << FAULT_TRAITOR, bit)};
		violations += lines[cnt++].cost.violations;
	}
	if (terminal)
		fputs(CLEAR_LINE, stderr);
	(args->common.json ? costs_json : costs_text)(lines, cnt);
	return violations ? EXIT_NO : EXIT_DONE;
}
