/*
 * cmd_sim_growth.c: what a block costs, by the number of replicas: messages, bytes and signature checks of
 * agreement, counted on healthy chains and held against what the protocol's text says.
 *
 * With n replicas, each block is one PRE-PREPARE to n-1, a PREPARE of n-1 replicas and a COMMIT of n, to n-1
 * each: 2n(n-1) messages.  Each is one check at its receiver, and the PREPARE that a PRE-PREPARE carries
 * another: (n-1)(2n+1).  Every K blocks a CHECKPOINT of n replicas is added, to n-1 each.  All votes have one
 * size, and a PRE-PREPARE grows by a hash with each transaction: both sizes are taken from the run with the
 * fewest replicas, and have to be the same in all others.  What is counted is some percent more: answers to
 * STATUS repeat what was still on its way.
 */
#include "cmd_sim.h"

#include <stdlib.h>
#include <unistd.h>

#define GROWTH_STORM_MS 10000
#define GROWTH_LOAD 500
#define HASH_BYTES 32

static const unsigned sizes[] = {4, 7, 10, 13, 16, 31};
#define CNT (sizeof sizes / sizeof *sizes)

/* Of agreement, over a run or a block. */
struct cost {
	double messages, bytes, checks;
};

struct growth {
	struct sim_result result;
	struct cost cost, formula; /* a block */
	double forwards;           /* copies of a transaction that replicas receive */
};

static struct sim_traffic agreement(const struct sim_result *r)
{
	static const enum qkind kinds[] = {QPRE_PREPARE, QPREPARE, QCOMMIT, QCHECKPOINT};
	struct sim_traffic sum = {0};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		sum.messages += r->traffic[kinds[i]].messages;
		sum.bytes += r->traffic[kinds[i]].bytes;
		sum.replica_checks += r->traffic[kinds[i]].replica_checks;
	}
	return sum;
}

static void pass(const struct sim_args *args, struct growth *g, unsigned n)
{
	struct sim_options o = args->run;

	o.seed = args->first;
	o.n = n;
	o.healthy = true;
	o.seal = SIM_SEAL_NONE;
	o.proposer = SIM_PROPOSER_PRIMARY;
	o.storm_ms = o.storm_ms ? o.storm_ms : GROWTH_STORM_MS;
	o.load = o.load ? o.load : GROWTH_LOAD;
	o.real_crypto = 0; /* counted are calls */
	sweep_apart(&o, args->hang_s * 1000, &g->result);
	free(g->result.states);
	g->result.states = NULL;
}

static double mean(const struct sim_traffic *t)
{
	return t->messages ? (double)t->bytes / (double)t->messages : 0;
}

static double txs_per_block(const struct sim_result *r)
{
	return r->storm_blocks ? (double)r->throughput_txs / (double)r->storm_blocks : 0;
}

static void hold_against(struct growth *g, const struct sim_result *smallest)
{
	const struct sim_result *r = &g->result;
	struct sim_traffic sum = agreement(r);
	double n = r->n, blocks = r->storm_blocks ? (double)r->storm_blocks : 1;
	double checkpoints = n * (n - 1) / genesis_default_params().checkpoint_interval;
	double vote = mean(&smallest->traffic[QCOMMIT]);
	double bare = mean(&smallest->traffic[QPRE_PREPARE]) - HASH_BYTES * txs_per_block(smallest);

	g->cost = (struct cost){(double)sum.messages / blocks, (double)sum.bytes / blocks,
	                        (double)sum.replica_checks / blocks};
	g->formula.messages = 2 * n * (n - 1) + checkpoints;
	g->formula.checks = (n - 1) * (2 * n + 1) + checkpoints;
	g->formula.bytes =
	    (n - 1) * (bare + HASH_BYTES * txs_per_block(r)) + ((2 * n - 1) * (n - 1) + checkpoints) * vote;
	g->forwards = r->throughput_txs ? (double)r->traffic[QTXS].txs / (double)r->throughput_txs : 0;
}

/* ---- showing ----------------------------------------------------------------------------------- */

static json_t *cost_json(const struct cost *c)
{
	return json_pack("{s:f, s:f, s:f}", "messages", c->messages, "bytes", c->bytes, "replica_checks",
	                 c->checks);
}

static void growth_json(const struct growth *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < CNT; i++) {
		const struct sim_result *r = &list[i].result;
		json_t *j = json_object();
		sim_json_add(j, "replicas", sim_json_number(r->n));
		sim_json_add(j, "blocks", sim_json_number(r->storm_blocks));
		sim_json_add(j, "transactions", sim_json_number(r->throughput_txs));
		sim_json_add(j, "block", cost_json(&list[i].cost));
		sim_json_add(j, "formula", cost_json(&list[i].formula));
		sim_json_add(j, "forwards_per_tx", json_real(list[i].forwards));
		sim_json_add(j, "view_changes", sim_json_number(r->view_changes));
		sim_json_add(j, "violation", sim_json_violation(r));
		json_array_append_new(out, j);
	}
	out_json_take(out);
}

static void growth_text(const struct growth *list)
{
	struct out_table *t = out_table_new(
	    10, (const char *const[]){"REPLICAS", "BLOCKS", "TXS A BLOCK", "MESSAGES", "FORMULA", "BYTES",
	                              "FORMULA", "ED25519 CHECKS", "FORMULA", "FORWARDS A TX"});

	for (size_t i = 0; i < CNT; i++) {
		const struct growth *g = &list[i];
		out_table_cell(t, "%u", g->result.n);
		out_table_cell(t, "%" PRIu64, g->result.storm_blocks);
		out_table_cell(t, "%.1f", txs_per_block(&g->result));
		out_table_cell(t, "%.1f", g->cost.messages);
		out_table_cell(t, "%.1f", g->formula.messages);
		out_table_cell(t, "%.0f", g->cost.bytes);
		out_table_cell(t, "%.0f", g->formula.bytes);
		out_table_cell(t, "%.1f", g->cost.checks);
		out_table_cell(t, "%.1f", g->formula.checks);
		out_table_cell(t, "%.2f", g->forwards);
	}
	out_table_end(t);
	printf("\nFor n replicas, a block of t transactions and checkpoints every K blocks:\n"
	       "  messages        2n(n-1) + n(n-1)/K\n"
	       "  bytes           (n-1)(p + %dt) + ((2n-1)(n-1) + n(n-1)/K)v   with p = %.0f, v = %.0f\n"
	       "  Ed25519 checks  (n-1)(2n+1) + n(n-1)/K\n"
	       "  account checks  nt: one where the client asks, and one for each of the n-1 forwards\n",
	       HASH_BYTES,
	       mean(&list[0].result.traffic[QPRE_PREPARE]) - HASH_BYTES * txs_per_block(&list[0].result),
	       mean(&list[0].result.traffic[QCOMMIT]));
	for (size_t i = 0; i < CNT; i++)
		if (list[i].result.violations)
			printf("%u replicas: %s\n", list[i].result.n, list[i].result.violation);
}

int sim_growth(const struct sim_args *args)
{
	struct growth list[CNT] = {0};
	bool terminal = isatty(STDERR_FILENO), whole = true;

	for (size_t i = 0; i < CNT; i++) {
		if (terminal)
			fprintf(stderr, CLEAR_LINE "%u replicas", sizes[i]);
		pass(args, &list[i], sizes[i]);
		hold_against(&list[i], &list[0].result);
		whole = whole && !list[i].result.violations && list[i].result.view_changes == 0;
	}
	if (terminal)
		fputs(CLEAR_LINE, stderr);
	(args->common.json ? growth_json : growth_text)(list);
	return whole ? EXIT_DONE : EXIT_NO;
}
