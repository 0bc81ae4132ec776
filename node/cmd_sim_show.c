/*
 * cmd_sim_show.c: results of simulated runs, as JSON and for people.
 */
#include "cmd_sim.h"

#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "options.h"

#define TAIL_LINES 60 /* of the trace of a run that failed */

/* ---- results as JSON ------------------------------------------------------------------------- */

json_t *sim_json_number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *sim_json_hex(uint64_t n)
{
	char text[17];

	snprintf(text, sizeof text, "%016" PRIx64, n);
	return json_string(text);
}

/* Takes the fresh string. */
json_t *sim_json_take_text(char *text)
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

json_t *sim_json_violation(const struct sim_result *r)
{
	return r->violations ? sim_json_take_text(xstrdup(r->violation)) : json_null();
}

void sim_json_add(json_t *to, const char *name, json_t *value)
{
	json_object_set_new(to, name, value);
}

json_t *sim_json_result(const struct sim_options *o, const struct sim_result *r)
{
	json_t *j = json_object();

	sim_json_add(j, "seed", sim_json_number(r->seed));
	sim_json_add(j, "violations", sim_json_number(r->violations));
	sim_json_add(j, "violation", sim_json_violation(r));
	sim_json_add(j, "trace_hash", sim_json_hex(r->trace_hash));
	sim_json_add(j, "replicas", sim_json_number(r->n));
	sim_json_add(j, "traitors", json_mask(r->traitors));
	sim_json_add(j, "seal", json_string(sim_seal_name(r->seal)));
	sim_json_add(j, "proposer", json_string(sim_proposer_name(r->proposer)));
	sim_json_add(j, "faults", sim_json_take_text(choice_faults_text(r->faults)));
	sim_json_add(j, "behaviours",
	             sim_json_take_text(choice_behaviours_text(r->traitors ? r->behaviours : 0)));
	sim_json_add(j, "crypto", json_string(r->real_crypto ? "real" : "stand-in"));
	sim_json_add(j, "storm_ms", sim_json_number(r->storm_ms));
	sim_json_add(j, "events", sim_json_number(r->events));
	sim_json_add(j, "virtual_ms", sim_json_number(r->virtual_ms));
	sim_json_add(j, "strikes", sim_json_number(r->strikes));
	sim_json_add(j, "blocks", sim_json_number(r->blocks));
	sim_json_add(j, "transactions", sim_json_number(r->transactions));
	sim_json_add(j, "throughput_txs", sim_json_number(r->throughput_txs));
	sim_json_add(j, "commit_gap_ms", sim_json_number(r->commit_gap_ms));
	sim_json_add(j, "view_changes", sim_json_number(r->view_changes));
	sim_json_add(j, "convictions", sim_json_number(r->convictions));
	sim_json_add(j, "states", json_lines(r->states));
	sim_json_add(j, "command", sim_json_take_text(choice_command(o)));
	return j;
}

/* ---- results for people ---------------------------------------------------------------------- */

void sim_print_world(const struct sim_result *r)
{
	char *faults = choice_faults_text(r->faults), *behaviours = choice_behaviours_text(r->behaviours);

	printf("seed %" PRIu64 ": %u replicas, %s cryptography, %.1f s of storm\n", r->seed, r->n,
	       r->real_crypto ? "real" : "stand-in", sim_seconds(r->storm_ms));
	out_field(10, "  chain", "proposers: %s, seal: %s", sim_proposer_name(r->proposer),
	          sim_seal_name(r->seal));
	out_field(10, "  faults", "%s", faults);
	for (unsigned i = 0; i < r->n; i++)
		if (r->traitors >> i & 1)
			out_field(10, "  traitor", "%u: %s", i, behaviours);
	free(faults);
	free(behaviours);
}

void sim_print_outcome(const struct sim_result *r)
{
	out_field(10, "  run", "%" PRIu64 " events in %.1f s of virtual time, %" PRIu64 " strike%s",
	          r->events, sim_seconds(r->virtual_ms), r->strikes, sim_plural(r->strikes));
	out_field(10, "  blocks",
	          "%" PRIu64 " block%s, %" PRIu64 " transaction%s (%" PRIu64
	          " in the storm, longest wait %.1f s), "
	          "%" PRIu64 " view change%s, %" PRIu64 " conviction%s",
	          r->blocks, sim_plural(r->blocks), r->transactions, sim_plural(r->transactions),
	          r->throughput_txs, sim_seconds(r->commit_gap_ms), r->view_changes,
	          sim_plural(r->view_changes), r->convictions, sim_plural(r->convictions));
	out_field(10, "  trace", "%016" PRIx64, r->trace_hash);
}

void sim_print_verdict(const struct sim_result *r)
{
	const char *good = out_style(stdout, OUT_GOOD), *bad = out_style(stdout, OUT_BAD);
	const char *plain = out_style(stdout, OUT_PLAIN);

	if (r->violations)
		printf("%sVIOLATION%s %s\n", bad, plain, r->violation);
	else
		printf("%sok%s\n", good, plain);
}

void sim_print_states(const struct sim_result *r)
{
	if (r->states)
		fputs(r->states, stdout);
}

/* ---- the end of a trace ---------------------------------------------------------------------- */

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

void sim_print_trace_end(const struct sim_options *o, uint64_t hang_ms)
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
