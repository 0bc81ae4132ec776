/*
 * cmd_sim_hours.c: an hour of every kind of chain at several difficulties, all machines at the lowest hash
 * rate that the genesis promises. Nothing is wrong there, so no view may change: that is what the time-outs'
 * mining budget is for.
 */
#include "cmd_sim.h"

#include <stdlib.h>
#include <unistd.h>

#include "options.h"

#define HOUR_MS 3600000

struct hour {
	enum sim_seal seal;
	enum sim_proposer proposer;
	unsigned mining_ms;
	struct sim_result result;
};

static const enum sim_seal seals[] = {SIM_SEAL_POW, SIM_SEAL_RETARGET};
static const enum sim_proposer proposers[] = {SIM_PROPOSER_PRIMARY, SIM_PROPOSER_STAKE,
                                              SIM_PROPOSER_DELEGATED};
static const unsigned means_ms[] = {10, 100, 1000, 10000, SIM_MINING_MAX_MS};
#define CNT(list) (sizeof(list) / sizeof *(list))
#define HOURS (CNT(seals) * CNT(proposers) * CNT(means_ms))

static void pass(const struct sim_args *args, struct hour *h, uint64_t seed)
{
	struct sim_options o = args->run;

	o.seed = seed;
	o.seal = h->seal;
	o.proposer = h->proposer;
	o.mining_ms = h->mining_ms;
	o.storm_ms = o.storm_ms ? o.storm_ms : HOUR_MS;
	o.load = o.load ? o.load : 1;
	o.n = o.n ? o.n : 4;
	o.real_crypto = 0;
	sweep_apart(&o, args->hang_s * 1000, &h->result);
	free(h->result.states);
	h->result.states = NULL;
}

static void hours_json(const struct hour *hours)
{
	json_t *list = json_array();

	for (size_t i = 0; i < HOURS; i++) {
		const struct sim_result *r = &hours[i].result;
		json_t *j = json_object();
		sim_json_add(j, "seal", json_string(sim_seal_name(hours[i].seal)));
		sim_json_add(j, "proposer", json_string(sim_proposer_name(hours[i].proposer)));
		sim_json_add(j, "mining_ms", sim_json_number(hours[i].mining_ms));
		sim_json_add(j, "blocks", sim_json_number(r->blocks));
		sim_json_add(j, "transactions", sim_json_number(r->transactions));
		sim_json_add(j, "commit_gap_ms", sim_json_number(r->commit_gap_ms));
		sim_json_add(j, "view_changes", sim_json_number(r->view_changes));
		sim_json_add(j, "violation", sim_json_violation(r));
		json_array_append_new(list, j);
	}
	out_json_take(list);
}

static void hours_text(const struct hour *hours)
{
	struct out_table *t =
	    out_table_new(8, (const char *const[]){"SEAL", "PROPOSER", "MINING", "BLOCKS", "TRANSACTIONS",
	                                           "LONGEST WAIT", "VIEW CHANGES", ""});

	for (size_t i = 0; i < HOURS; i++) {
		const struct sim_result *r = &hours[i].result;
		out_table_cell(t, "%s", sim_seal_name(hours[i].seal));
		out_table_cell(t, "%s", sim_proposer_name(hours[i].proposer));
		out_table_cell(t, "%.2f s", sim_seconds(hours[i].mining_ms));
		out_table_cell(t, "%" PRIu64, r->blocks);
		out_table_cell(t, "%" PRIu64, r->transactions);
		out_table_cell(t, "%.2f s", sim_seconds(r->commit_gap_ms));
		out_table_cell(t, "%" PRIu64, r->view_changes);
		out_table_cell(t, "%s", r->violations ? r->violation : "");
		out_table_style(t, OUT_BAD);
	}
	out_table_end(t);
}

int sim_healthy_hours(const struct sim_args *args)
{
	struct hour hours[HOURS];
	bool terminal = isatty(STDERR_FILENO), whole = true;

	for (size_t i = 0; i < HOURS; i++) {
		hours[i] = (struct hour){.seal = seals[i % CNT(seals)],
		                         .proposer = proposers[i / CNT(seals) % CNT(proposers)],
		                         .mining_ms = means_ms[i / CNT(seals) / CNT(proposers)]};
		if (terminal)
			fprintf(stderr, CLEAR_LINE "%zu of %zu hours", i, HOURS);
		pass(args, &hours[i], args->first + i);
		whole = whole && !hours[i].result.violations && hours[i].result.view_changes == 0;
	}
	if (terminal)
		fputs(CLEAR_LINE, stderr);
	(args->common.json ? hours_json : hours_text)(hours);
	return whole ? EXIT_DONE : EXIT_NO;
}
