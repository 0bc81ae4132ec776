/*
 * bench_run.c: one run: the main thread, and what is made of what was seen.
 */
#include "bench_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "access.h"
#include "bench_impl.h"
#include "bench_tell.h"
#include "out.h"

enum {
	TICK_MS = 20,
	TELL_US = 500000,
	RSS_US = 1000000,
	DOWN_US = 3000000,      /* a killed primary stays away for so long */
	PATIENCE_US = 30000000, /* after the end, while nothing becomes final */
	HURRY_US = 5000000,     /* the same after Ctrl-C */
	ALONE_US = 8000000,     /* and while no node answers at all */
	VOTE_US = 500000,       /* between looks whether the killed one votes again */
};

/* ---- time --------------------------------------------------------------------------------------- */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t run_now_us(const struct run *run)
{
	return (clock_ns(CLOCK_MONOTONIC) - run->t0_ns) / 1000 + 1;
}

void run_event(struct run *run, struct bench_event event)
{
	if (event.at_s <= 0)
		event.at_s = (double)run_now_us(run) / 1e6;
	pthread_mutex_lock(&run->lock);
	if (run->event_cnt < BENCH_EVENTS_MAX)
		run->event[run->event_cnt++] = event;
	pthread_mutex_unlock(&run->lock);
}

/* ---- a look at everything ----------------------------------------------------------------------- */

/* A replica that can be looked at. */
struct subject {
	unsigned replica;
	struct http_client *http;
	struct look_process before, after;
	struct look_roles roles; /* of processes that were ended meanwhile */
	uint64_t ledger_before, ledger_after, rss_max;
	struct look_node node_before, node_after;
	bool node_known;
};

struct subjects {
	unsigned cnt;
	struct subject list[Q_REPLICAS_MAX];
	struct look_machine machine_before, machine_after;
	uint64_t own_before_ns, own_after_ns, http_before, http_after;
};

static void add_subject(struct subjects *s, unsigned replica, const char *url)
{
	struct err err = {0};
	struct subject *one = &s->list[s->cnt++];
	*one = (struct subject){.replica = replica, .http = http_client_new(url, ACCESS_TIMEOUT_MS, &err)};
	must(one->http != NULL); /* its URL was used before */
}

static void find_subjects(const struct bench_chain *c, struct subjects *s)
{
	*s = (struct subjects){0};
	for (unsigned i = 0; c->t != NULL && i < c->t->n; i++) {
		if (chain_pid(c, i) > 0)
			add_subject(s, i, c->t->nodes[i].http);
	}
	for (unsigned i = 0; i < c->cnt && s->cnt < Q_REPLICAS_MAX; i++) {
		bool there = false;
		for (unsigned k = 0; k < s->cnt; k++)
			there = there || s->list[k].replica == c->node[i].replica;
		if (!there)
			add_subject(s, c->node[i].replica, c->node[i].url);
	}
}

static void free_subjects(struct subjects *s)
{
	for (unsigned i = 0; i < s->cnt; i++) {
		http_client_free(s->list[i].http);
		look_process_free(&s->list[i].before);
		look_process_free(&s->list[i].after);
	}
}

static uint64_t http_bytes(const struct run *run)
{
	uint64_t sum = atomic_load(&run->http_bytes);
	for (unsigned u = 0; u < run->load->submitters; u++)
		sum += atomic_load(&run->submitter[u].http_bytes);
	return sum;
}

/* Processes first: what is asked of nodes takes a while. */
static void look_before(const struct run *run, struct subjects *s)
{
	for (unsigned i = 0; i < s->cnt; i++)
		look_process(chain_pid(run->chain, s->list[i].replica), &s->list[i].before);
	look_machine(&s->machine_before);
	s->own_before_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	s->http_before = http_bytes(run);
	for (unsigned i = 0; i < s->cnt; i++) {
		s->list[i].ledger_before = chain_ledger_bytes(run->chain, s->list[i].replica);
		s->list[i].node_known = look_node(s->list[i].http, &s->list[i].node_before, NULL);
	}
}

static void look_after(const struct run *run, struct subjects *s)
{
	look_machine(&s->machine_after);
	s->own_after_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	s->http_after = http_bytes(run);
	for (unsigned i = 0; i < s->cnt; i++)
		look_process(chain_pid(run->chain, s->list[i].replica), &s->list[i].after);
	for (unsigned i = 0; i < s->cnt; i++) {
		s->list[i].ledger_after = chain_ledger_bytes(run->chain, s->list[i].replica);
		s->list[i].node_known =
		    look_node(s->list[i].http, &s->list[i].node_after, NULL) && s->list[i].node_known;
	}
}

/* A process is about to be ended: what it used counts. */
static void look_last(const struct run *run, struct subjects *s, unsigned replica)
{
	for (unsigned i = 0; i < s->cnt; i++) {
		struct look_process last;
		if (s->list[i].replica != replica || !look_process(chain_pid(run->chain, replica), &last))
			continue;
		look_roles_add(&s->list[i].roles, &s->list[i].before, &last);
		look_process_free(&last);
	}
}

/* ---- the clock runs ----------------------------------------------------------------------------- */

struct clock {
	struct run *run;
	struct subjects *subjects;
	struct bench_result *r;
	bool begun, ended, cut, used_up;
	uint64_t told_us, told_final, rss_us;
	uint64_t killed_us, started_us; /* 0: not yet */
	uint64_t vote_us;               /* looked for last */
};

static void tell_how(struct clock *c, uint64_t now_us)
{
	const struct run *run = c->run;
	uint64_t final = atomic_load(&run->final), begin = atomic_load(&run->begin_us);
	if (now_us < c->told_us + TELL_US)
		return;
	double tps = (double)(final - c->told_final) * 1e6 / (double)(now_us - c->told_us);
	tell("%s %5.1f s   %6.0f tx/s   %llu final",
	     now_us < begin ? "warming up"
	     : c->ended     ? "finishing"
	                    : "measuring",
	     now_us < begin ? (double)now_us / 1e6 : (double)(now_us - begin) / 1e6, tps,
	     (unsigned long long) final);
	c->told_us = now_us;
	c->told_final = final;
}

static void watch_memory(struct clock *c, uint64_t now_us)
{
	if (!c->begun || c->ended || now_us < c->rss_us + RSS_US)
		return;
	c->rss_us = now_us;
	for (unsigned i = 0; i < c->subjects->cnt; i++) {
		struct subject *s = &c->subjects->list[i];
		uint64_t rss = look_rss(chain_pid(c->run->chain, s->replica));
		s->rss_max = rss > s->rss_max ? rss : s->rss_max;
	}
}

/* Kills the primary, and starts it again some seconds later. */
static bool disturb(struct clock *c, uint64_t now_us, struct err *err)
{
	struct run *run = c->run;
	struct bench_result *r = c->r;
	double kill_at = run->plan.kill_at_s;
	if (kill_at < 0 || c->cut)
		return true;
	uint64_t at_us = atomic_load(&run->begin_us) + (uint64_t)(kill_at * 1e6);
	if (c->killed_us == 0 && now_us >= at_us) {
		if (!chain_primary(run->chain, &r->kill.replica, err))
			return false;
		look_last(run, c->subjects, r->kill.replica);
		c->killed_us = run_now_us(run);
		if (!chain_kill(run->chain, r->kill.replica, err))
			return false;
		run_event(run, (struct bench_event){.kind = BENCH_KILLED,
		                                    .at_s = (double)c->killed_us / 1e6,
		                                    .replica = r->kill.replica});
	}
	if (c->killed_us > 0 && c->started_us == 0 && now_us >= c->killed_us + DOWN_US) {
		c->started_us = run_now_us(run);
		if (!chain_restart(run->chain, r->kill.replica, err))
			return false;
		run_event(run, (struct bench_event){.kind = BENCH_STARTED, .replica = r->kill.replica});
	}
	return true;
}

/* The first block, since it was started, that others have its vote for. */
static bool first_vote(const struct clock *c, struct bench_block *out)
{
	const struct run *run = c->run;
	const struct bench_block *b = chain_first_vote(run->chain, c->r->kill.replica, run->block,
	                                               run->block_cnt, run->first_height, c->started_us);
	if (b != NULL)
		*out = *b;
	return b != NULL;
}

static bool any_used_up(struct run *run)
{
	bool any = false;
	pthread_mutex_lock(&run->lock);
	for (unsigned u = 0; u < run->load->submitters; u++)
		any = any || run->submitter[u].used_up;
	pthread_mutex_unlock(&run->lock);
	return any;
}

/* Ctrl-C, or no payments left: the end is now. */
static void end_early(struct clock *c, uint64_t now_us)
{
	struct run *run = c->run;
	if (c->ended || (!tell_stopped() && (run->plan.rate > 0 || !any_used_up(run))))
		return;
	c->cut = true;
	c->used_up = !tell_stopped();
	if (now_us < atomic_load(&run->begin_us))
		atomic_store(&run->begin_us, now_us);
	if (now_us < atomic_load(&run->end_us))
		atomic_store(&run->end_us, now_us);
	atomic_store(&run->stop_us, now_us);
}

/* The load goes on after the end until the killed one votes again, or for RUN_TAIL_S. */
static void let_it_vote(struct clock *c, uint64_t now_us)
{
	struct run *run = c->run;
	uint64_t end = atomic_load(&run->end_us);
	if (run->plan.kill_at_s < 0 || !c->ended || now_us >= atomic_load(&run->stop_us))
		return;
	bool enough = tell_stopped() || any_used_up(run) || now_us >= end + RUN_TAIL_S * 1000000ull;
	if (!enough && now_us >= c->vote_us + VOTE_US && c->started_us > 0) {
		struct bench_block vote;
		pthread_mutex_lock(&run->lock);
		enough = first_vote(c, &vote);
		pthread_mutex_unlock(&run->lock);
		c->vote_us = now_us;
	}
	if (enough)
		atomic_store(&run->stop_us, now_us);
}

static bool all_is_final(struct run *run)
{
	bool idle = true;
	int left = 0;
	pthread_mutex_lock(&run->lock);
	for (unsigned u = 0; u < run->load->submitters; u++)
		idle = idle && run->submitter[u].idle;
	pthread_mutex_unlock(&run->lock);
	for (unsigned u = 0; u < run->load->submitters; u++)
		left += atomic_load(&run->submitter[u].in_flight);
	return idle && left <= 0;
}

/* True: the run is over. */
static bool is_over(struct clock *c, uint64_t now_us)
{
	struct run *run = c->run;
	uint64_t last = atomic_load(&run->last_block_us), stop = atomic_load(&run->stop_us);
	if (!c->ended || now_us < stop || (c->killed_us > 0 && c->started_us == 0))
		return false;
	uint64_t from = last > stop ? last : stop;
	return all_is_final(run) || now_us > follow_answered_us(run) + ALONE_US ||
	       now_us > from + (tell_stopped() ? HURRY_US : PATIENCE_US);
}

static bool run_clock(struct clock *c, struct err *err)
{
	struct run *run = c->run;
	for (;;) {
		uint64_t now_us = run_now_us(run);
		end_early(c, now_us);
		if (!c->begun && now_us >= atomic_load(&run->begin_us)) {
			look_before(run, c->subjects);
			c->begun = true;
		}
		if (!c->ended && now_us >= atomic_load(&run->end_us)) {
			look_after(run, c->subjects);
			c->ended = true;
		}
		if (!disturb(c, now_us, err))
			return false;
		let_it_vote(c, now_us);
		if (is_over(c, now_us))
			return true;
		watch_memory(c, now_us);
		tell_how(c, now_us);
		access_nap_ms(TICK_MS);
	}
}

/* ---- what was seen ------------------------------------------------------------------------------ */

/* Of payments due between begin and end. */
static void sum_fates(const struct run *run, struct bench_result *r)
{
	uint64_t begin = atomic_load(&run->begin_us), end = atomic_load(&run->end_us);
	uint32_t *samples = xcalloc((size_t)run->load->cnt + 1, sizeof *samples);
	size_t cnt = 0;
	for (uint32_t i = 0; i < run->load->cnt; i++) {
		const struct fate *fate = &run->fate[i];
		unsigned state = atomic_load(&fate->state), height = atomic_load(&fate->height);
		r->accounted += (state & WAS_ACCEPTED) != 0;
		r->missing += (state & WAS_ACCEPTED) != 0 && height == 0;
		if (fate->due_us < begin || fate->due_us >= end)
			continue;
		r->due++;
		if (fate->final_us > 0)
			samples[cnt++] = fate->final_us - fate->due_us;
	}
	if (run->plan.rate > 0) /* also what was never offered */
		r->due = pace_due_cnt(run->plan.rate, end - 2) -
		         (begin > 1 ? pace_due_cnt(run->plan.rate, begin - 2) : 0);
	r->unfinished = r->due > cnt ? r->due - cnt : 0;
	r->twice = atomic_load(&run->twice);
	sum_latencies_take(samples, cnt, r);
}

static void sum_submitters(const struct run *run, struct bench_result *r)
{
	for (unsigned u = 0; u < run->load->submitters; u++) {
		const struct submitter *s = &run->submitter[u];
		r->sent += s->sent;
		for (unsigned i = 0; i < s->refusals.refusal_cnt; i++)
			sum_refusal(r, s->refusals.refusal[i].code, s->refusals.refusal[i].cnt);
	}
}

static void sum_events(const struct run *run, struct bench_result *r)
{
	double begin = (double)atomic_load(&run->begin_us) / 1e6;
	for (unsigned i = 0; i < run->event_cnt; i++) {
		if (run->event[i].at_s < begin)
			continue;
		r->event[r->event_cnt] = run->event[i];
		r->event[r->event_cnt++].at_s -= begin;
	}
}

/* Counted by a node since it was started: what one says that was started meanwhile is less. */
static uint64_t growth(uint64_t before, uint64_t after)
{
	return after >= before ? after - before : after;
}

static void sum_process(const struct subject *s, double txs, struct bench_process *p)
{
	struct look_roles roles = s->roles;
	look_roles_add(&roles, &s->before, &s->after);
	*p = (struct bench_process){
	    .replica = s->replica,
	    .pid = s->after.pid,
	    .cpu_us_per_tx = txs > 0 ? roles.ns / 1000 / txs : 0,
	    .rss_begin = s->before.rss,
	    .rss_end = s->after.rss,
	    .rss_max = s->rss_max,
	    .write_bytes_per_tx = txs > 0 ? (double)growth(s->before.written, s->after.written) / txs : 0,
	    .ledger_bytes_per_tx = txs > 0 && s->ledger_after >= s->ledger_before && s->ledger_before > 0
	                               ? (double)(s->ledger_after - s->ledger_before) / txs
	                               : -1,
	};
	p->role_cnt = look_roles_share(&roles, txs, p->role);
	if (p->rss_max < p->rss_begin)
		p->rss_max = p->rss_begin;
	if (p->rss_max < p->rss_end)
		p->rss_max = p->rss_end;
}

/* Means of one replica, by role and of what went to the disk. */
static void sum_means(struct bench_result *r)
{
	struct look_roles roles = {0};
	double cnt = r->process_cnt, ledger = 0;
	r->disk_bytes_per_tx = 0;
	for (unsigned i = 0; i < r->process_cnt; i++) {
		const struct bench_process *p = &r->process[i];
		for (unsigned k = 0; k < p->role_cnt; k++)
			look_roles_name(&roles, p->role[k].name, p->role[k].us_per_tx * 1000);
		r->disk_bytes_per_tx += p->write_bytes_per_tx / cnt;
		ledger =
		    p->ledger_bytes_per_tx < 0 || ledger < 0 ? -1 : ledger + p->ledger_bytes_per_tx / cnt;
	}
	r->ledger_bytes_per_tx = r->process_cnt > 0 ? ledger : -1;
	if (r->process_cnt == 0)
		r->disk_bytes_per_tx = -1;
	r->role_cnt = look_roles_share(&roles, cnt > 0 ? cnt : 1, r->role);
	r->cpu_us_per_tx = r->process_cnt == r->n ? roles.ns / 1000 : -1;
}

static void sum_machine(const struct subjects *s, double replicas_us, double txs, struct bench_result *r)
{
	const struct look_machine *a = &s->machine_before, *b = &s->machine_after;
	double ours_us = (double)(s->own_after_ns - s->own_before_ns) / 1000;
	double all_us = r->seconds * 1e6 * b->cores;
	r->generator_us_per_tx = txs > 0 ? ours_us / txs : 0;
	if (b->total <= a->total || all_us <= 0)
		return;
	r->busy = 1 - (double)(b->idle - a->idle) / (double)(b->total - a->total);
	r->others = r->busy - (replicas_us + ours_us) / all_us;
	if (r->others < 0)
		r->others = 0;
}

static void sum_costs(const struct subjects *s, struct bench_result *r)
{
	double txs = r->throughput_tps * r->seconds, wire = 0, cpu_us = 0;
	bool wire_known = s->cnt == r->n;
	for (unsigned i = 0; i < s->cnt; i++) {
		const struct subject *one = &s->list[i];
		if (one->after.pid > 0) {
			sum_process(one, txs, &r->process[r->process_cnt]);
			cpu_us += r->process[r->process_cnt++].cpu_us_per_tx * txs;
		}
		if (!one->node_known) {
			wire_known = false;
			continue;
		}
		uint64_t views = growth(one->node_before.view_changes, one->node_after.view_changes);
		r->view_changes = views > r->view_changes ? views : r->view_changes;
		wire_known = wire_known && one->node_after.link_bytes != UINT64_MAX;
		if (wire_known)
			wire += (double)growth(one->node_before.link_bytes, one->node_after.link_bytes);
	}
	sum_means(r);
	sum_machine(s, cpu_us, txs, r);
	r->wire_bytes_per_tx = wire_known && txs > 0 ? wire / txs : -1;
	r->http_bytes_per_tx = txs > 0 ? (double)(s->http_after - s->http_before) / txs : -1;
}

static void sum_kill(const struct run *run, const struct clock *c, struct bench_result *r)
{
	uint64_t begin = atomic_load(&run->begin_us), end = atomic_load(&run->end_us);
	if (c->killed_us == 0)
		return;
	r->kill.done = true;
	r->kill.at_s = (double)(c->killed_us - begin) / 1e6;
	r->kill.gap_ms = sum_gap_ms(run->block, run->block_cnt, c->killed_us, end);
	r->kill.gap_before_ms = sum_gap_ms(run->block, run->block_cnt, begin, c->killed_us);
	r->kill.restart_s = (double)(c->started_us - begin) / 1e6;
	r->kill.rejoin_ms = -1;
	struct bench_block vote;
	if (!first_vote(c, &vote))
		return;
	r->kill.rejoin_ms = (double)(vote.at_us - c->started_us) / 1000;
	if (r->event_cnt < BENCH_EVENTS_MAX)
		r->event[r->event_cnt++] =
		    (struct bench_event){.kind = BENCH_VOTES,
		                         .at_s = ((double)vote.at_us - (double)begin) / 1e6,
		                         .replica = r->kill.replica};
}

static void sum_all(const struct run *run, const struct clock *c, const struct subjects *s,
                    struct bench_result *r)
{
	const struct genesis *g = run->chain->genesis;
	r->n = g->n;
	r->f = g->f;
	r->own = run->chain->own;
	r->here = chain_here(run->chain);
	r->nodes = run->chain->cnt;
	hex_encode(r->chain, g->chain.b, sizeof g->chain.b);
	r->interrupted = tell_stopped();
	r->offered_tps = run->plan.rate;
	r->accounts = run->load->accounts;
	r->submitters = run->load->submitters;
	r->batch = run->plan.batch;
	r->sign_us = run->load->sign_us;
	sum_blocks(run->block, run->block_cnt, atomic_load(&run->begin_us), atomic_load(&run->end_us), r);
	sum_fates(run, r);
	sum_submitters(run, r);
	sum_events(run, r);
	sum_costs(s, r);
	sum_kill(run, c, r);
}

/* ---- the run ------------------------------------------------------------------------------------ */

bool bench_run(struct bench_chain *c, const struct load *l, const struct run_plan *plan,
               struct bench_result *r, struct err *err)
{
	struct run run = {.chain = c, .load = l, .plan = *plan};
	struct subjects subjects;
	struct clock clock = {.run = &run, .subjects = &subjects, .r = r};
	*r = (struct bench_result){0};
	pthread_mutex_init(&run.lock, NULL);
	run.fate = xcalloc((size_t)l->cnt + 1, sizeof *run.fate);
	run.t0_ns = clock_ns(CLOCK_MONOTONIC);
	atomic_store(&run.begin_us, 1 + (uint64_t)(plan->warmup_s * 1e6));
	atomic_store(&run.end_us, atomic_load(&run.begin_us) + (uint64_t)(plan->duration_s * 1e6));
	atomic_store(&run.stop_us,
	             atomic_load(&run.end_us) + (plan->kill_at_s < 0 ? 0 : RUN_TAIL_S * 1000000ull));
	find_subjects(c, &subjects);
	submit_prepare(&run);
	bool ok = follow_start(&run, err);
	if (ok) {
		submit_start(&run);
		ok = run_clock(&clock, err);
		atomic_store(&run.over, true);
		submit_join(&run);
		follow_join(&run);
	}
	tell_end();
	if (ok)
		sum_all(&run, &clock, &subjects, r);
	if (ok && clock.used_up)
		out_note(
		    "the payments that were signed were used up after %.1f s: the chain is faster than its "
		    "bound seemed; the machine may have been busy when that was measured",
		    r->seconds);
	submit_free(&run);
	free_subjects(&subjects);
	free(run.fate);
	free(run.block);
	pthread_mutex_destroy(&run.lock);
	return ok;
}
