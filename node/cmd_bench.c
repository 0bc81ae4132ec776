/*
 * cmd_bench.c: `quorate bench`: load on a chain, and what it does with it.
 *
 * What the signatures allow is measured before and after the load, while the chain is at rest.  Exit: 0
 * measured, 1 a payment was lost or is there twice, or the audit failed, 2 wrong usage, 3 it could not be
 * done.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bench.h"
#include "bench_run.h"
#include "bench_tell.h"
#include "out.h"
#include "text.h"

enum {
	BOUND_MS = 1000,
	BLOCKS_IN_FLIGHT = 3, /* full ones, saturated */
	OVERLOAD = 10,
	SUBMITTERS = 2, /* of each node, and where as much as possible is to be handed in: */
	SUBMITTERS_OVERLOAD = 12,
	SUBMITTERS_MAX = 24, /* a node takes 32 connections from one address, and others here ask it, too */
};

struct bench {
	const struct bench_options *o;
	struct bench_chain chain;
	struct qhash nonce;       /* of this call: other accounts each time */
	unsigned round;           /* of a sweep */
	struct bench_bound bound; /* before */
	uint64_t accounted;       /* payments, of all rounds */
	bool answers;             /* do all nodes at the end? else why_not */
	struct err why_not;
	struct bench_result r;
};

/* Those whose connections a node closes would be counted as a node that does not answer. */
static bool submitters_fit(const struct bench *b, struct err *err)
{
	unsigned max = SUBMITTERS_MAX * b->chain.cnt;
	return b->o->submitters <= max ||
	       err_set(err, ERR_INPUT,
	               "--submitters: %d a node, %u in all, are as many as nodes take from here",
	               SUBMITTERS_MAX, max);
}

/* ---- the bound ---------------------------------------------------------------------------------- */

static void measure_bound(const struct bench *b, struct bench_bound *out)
{
	unsigned here = chain_here(&b->chain);
	tell("checking signatures on all cores");
	bench_bound(here > 0 ? here : 1, BOUND_MS, out);
	tell_end();
}

/* Before and after as one. */
static void join_bounds(struct bench_result *r, const struct bench_bound *before,
                        const struct bench_bound *after)
{
	r->bound = *before;
	r->bound_before = before->tps;
	r->bound_after = after->tps;
	if (after->tps > 0) {
		r->bound.seconds += after->seconds;
		r->bound.checks += after->checks;
		r->bound.checks_per_s = (before->checks_per_s + after->checks_per_s) / 2;
		r->bound.check_us = (before->check_us + after->check_us) / 2;
		r->bound.busy = (before->busy + after->busy) / 2;
		r->bound.tps = (before->tps + after->tps) / 2;
	}
	r->ratio = r->bound.tps > 0 ? r->throughput_tps / r->bound.tps : 0;
}

/* ---- one rate ----------------------------------------------------------------------------------- */

static struct run_plan plan_of(const struct bench *b, double rate, bool overload)
{
	const struct bench_options *o = b->o;
	return (struct run_plan){
	    .rate = rate,
	    .overload = overload,
	    .warmup_s = o->warmup_s,
	    .duration_s = o->duration_s,
	    .batch = o->batch,
	    .in_flight = BLOCKS_IN_FLIGHT * b->chain.genesis->g.params.block_txs_max,
	    .one_follower = o->one_follower,
	    .kill_at_s = o->kill_at_s,
	};
}

/* What the signatures would allow if nobody else used the machine while that was measured. */
static double best_tps(const struct bench_bound *bound)
{
	double alone = bound->check_us > 0 ? bound->cores * 1e6 / bound->check_us / bound->replicas : 0;
	return alone > bound->tps ? alone : bound->tps;
}

/* So many may be needed: of a rate all of them; else what the signatures allow, and some. */
static uint64_t payments_of(const struct bench *b, const struct run_plan *plan)
{
	double seconds = plan->warmup_s + plan->duration_s + (plan->kill_at_s < 0 ? 0 : RUN_TAIL_PAYMENTS_S);
	if (plan->rate > 0 && !plan->overload)
		return (uint64_t)ceil(seconds * plan->rate) + 1;
	const struct genesis *g = b->chain.genesis;
	uint64_t waiting =
	    plan->overload ? (uint64_t)g->n * g->g.params.pool_source_max : 2 * plan->in_flight;
	return (uint64_t)(seconds * best_tps(&b->bound) * 1.2) + waiting + b->o->accounts;
}

static bool run_rate(struct bench *b, double rate, bool overload, struct bench_result *r, struct err *err)
{
	struct run_plan plan = plan_of(b, rate, overload);
	uint64_t cnt = payments_of(b, &plan);
	unsigned accounts = b->o->accounts, submitters = b->o->submitters;
	uint8_t seed[32];
	if (submitters == 0)
		submitters = b->chain.cnt * (overload ? SUBMITTERS_OVERLOAD : SUBMITTERS);
	if (overload && accounts < submitters * b->o->batch)
		accounts = submitters * b->o->batch; /* each has one payment in a request */
	if (submitters > accounts)
		submitters = accounts;
	chain_seed(&b->chain, &b->nonce, b->round++, seed);
	struct load *l = load_new(b->chain.genesis, seed, accounts, cnt, submitters, err);
	if (l == NULL)
		return false;
	struct qoutpoint *coins = xcalloc(l->accounts, sizeof *coins);
	bool ok = chain_has_room(&b->chain, cnt, err) && chain_fund(&b->chain, l, coins, err) &&
	          load_sign(l, coins, err) && bench_run(&b->chain, l, &plan, r, err);
	b->accounted += ok ? r->accounted : 0;
	free(coins);
	load_free(l);
	return ok;
}

/* Shares of what the chain took when it was saturated. */
static const double sweep[] = {0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 1.0};

static bool run_sweep(struct bench *b, struct err *err)
{
	struct bench_result *r = &b->r;
	for (size_t i = 0; i < sizeof sweep / sizeof *sweep && !tell_stopped(); i++) {
		double rate = floor(sweep[i] * r->throughput_tps);
		struct bench_result one;
		if (rate < 1)
			continue;
		out_note("%.0f payments a second", rate);
		bool ok = run_rate(b, rate, false, &one, err);
		if (ok) {
			r->point[r->point_cnt++] = sum_point(&one);
			r->missing += one.missing;
			r->twice += one.twice;
		}
		bench_result_free(&one);
		if (!ok)
			return false;
	}
	r->point[r->point_cnt++] = sum_point(r);
	r->interrupted = tell_stopped();
	return true;
}

static bool run_all(struct bench *b, struct err *err)
{
	enum bench_load load = b->o->load;
	double rate = load == BENCH_RATE       ? b->o->rate
	              : load == BENCH_OVERLOAD ? OVERLOAD * best_tps(&b->bound)
	                                       : 0;
	if (!run_rate(b, rate, load == BENCH_OVERLOAD, &b->r, err))
		return false;
	b->r.load = load;
	return load != BENCH_SWEEP || run_sweep(b, err);
}

/* ---- the end ------------------------------------------------------------------------------------ */

/* Where a sync costs nothing, nothing that is measured there tells how a disk does. */
static void warn_of_memory(const struct bench *b)
{
	enum { TMPFS = 0x01021994 };
	struct statfs fs;
	if (b->chain.t != NULL && statfs(b->chain.dir, &fs) == 0 && fs.f_type == TMPFS)
		out_note("%s is in memory, where making data durable costs nothing: name a directory on a "
		         "disk (--dir)",
		         b->chain.dir);
}

/* Nothing lost, nothing twice: where that cannot be told any more, it is not said. */
static int judge(struct bench *b, struct err *err)
{
	struct bench_result *r = &b->r;
	if (r->missing > 0 && r->twice == 0 && !b->answers)
		return cmd_error(ERR_WORLD,
		                 "what became of %llu payments that were accepted cannot be told: %.300s",
		                 (unsigned long long)r->missing, b->why_not.text);
	if (r->missing > 0 || r->twice > 0)
		return cmd_error(ERR_NO,
		                 "%llu payments that were accepted are not final, and %llu are final twice",
		                 (unsigned long long)r->missing, (unsigned long long)r->twice);
	if (r->audited && !r->audit_ok)
		return cmd_error(ERR_NO, "the audit failed: %s", r->audit);
	if (err->kind != ERR_NONE)
		return cmd_fail(err);
	if (r->final == 0)
		return cmd_error(ERR_WORLD, "no payment became final in the time that was measured");
	return EXIT_DONE;
}

static void say(struct bench *b, struct err *err)
{
	if (b->o->common.json)
		out_json_take(bench_json(&b->r));
	else
		bench_report(&b->r);
	if (b->o->plot != NULL && err->kind == ERR_NONE)
		bench_plot(b->o->plot, &b->r, err);
}

/* Ends our own chain and audits it; what goes wrong is in *err, and there is a report all the same. */
static void settle(struct bench *b, struct bench_bound *after, struct err *err)
{
	struct bench_result *r = &b->r;
	b->answers = r->missing == 0 || chain_answers(&b->chain, &b->why_not);
	bool ok =
	    !b->chain.own || ((tell_stopped() || chain_settle(&b->chain, err)) && chain_stop(&b->chain, err));
	if (ok && !tell_stopped())
		bench_bound(b->bound.replicas, BOUND_MS, after);
	if (ok && b->chain.own && !b->o->no_audit)
		ok = bench_chain_audit(&b->chain, r, err);
	r->accounted = b->accounted;
	r->audit_ok = r->audit_ok && r->missing == 0 && r->twice == 0;
	if (b->chain.temporary && (!ok || (r->audited && !r->audit_ok))) {
		b->chain.temporary = false;
		out_note("the chain is kept in %s", b->chain.dir);
	}
}

static int measure(struct bench *b)
{
	struct err err = {0};
	struct bench_bound after = {0};
	warn_of_memory(b);
	measure_bound(b, &b->bound);
	bool ok = run_all(b, &err);
	if (ok) {
		if (b->chain.t != NULL && !tell_stopped())
			b->r.has_floor = bench_floor(b->chain.dir, b->r.n, &b->r.floor, NULL);
		settle(b, &after, &err);
		join_bounds(&b->r, &b->bound, &after);
		say(b, &err);
	}
	int code = ok ? judge(b, &err) : cmd_fail(&err);
	bench_result_free(&b->r);
	return code;
}

int cmd_bench(int argc, char **argv)
{
	struct bench_options o;
	struct err err = {0};
	bench_options(argc, argv, &o);
	if (o.plot != NULL && !bench_plot_check(o.plot, &err))
		return cmd_fail(&err);
	tell_catch_signals();
	struct bench b = {.o = &o};
	must(getentropy(b.nonce.b, sizeof b.nonce.b) == 0);
	if (!chain_open(&o, &b.chain, &err))
		return cmd_fail(&err);
	int code = submitters_fit(&b, &err) ? measure(&b) : cmd_fail(&err);
	chain_close(&b.chain);
	return code;
}
