/*
 * bench_json.c: what `quorate bench` measured, as JSON; docs/BENCHMARKS.md says what each field is.
 *
 * What is not known is null, never a number.
 */
#include <math.h>
#include <string.h>

#include "bench_floor.h"
#include "bench_show.h"

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* To a thousandth: more was not measured. */
static json_t *number(double x)
{
	return isfinite(x) ? json_real(round(x * 1000) / 1000) : json_null();
}

/* Below zero it is not known. */
static json_t *known(double x)
{
	return x >= 0 ? number(x) : json_null();
}

static void put(json_t *to, const char *name, json_t *value)
{
	must(json_object_set_new(to, name, value) == 0);
}

/* `cnt` payments: of none there is no latency. */
static json_t *latency_json(uint64_t cnt, const double ms[5])
{
	static const char *const names[] = {"p50", "p90", "p99", "p999", "max"};
	json_t *j = json_object();
	for (unsigned i = 0; i < 5; i++)
		put(j, names[i], cnt > 0 ? number(ms[i]) : json_null());
	return j;
}

static json_t *histogram_json(const struct bench_result *r)
{
	struct bench_bucket buckets[BENCH_BUCKETS_MAX];
	size_t cnt = bench_buckets(r->latency_us, r->latency_cnt, BENCH_COARSE, buckets);
	json_t *list = json_array();
	for (size_t i = 0; i < cnt; i++) {
		json_t *j = json_object();
		put(j, "from_ms", number(buckets[i].from_ms));
		put(j, "to_ms", number(buckets[i].to_ms));
		put(j, "count", count(buckets[i].cnt));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *bound_json(const struct bench_result *r)
{
	const struct bench_bound *b = &r->bound;
	json_t *j = json_object();
	put(j, "cores", count(b->cores));
	put(j, "replicas", count(b->replicas));
	put(j, "seconds", number(b->seconds));
	put(j, "checks", count(b->checks));
	put(j, "checks_per_s", number(b->checks_per_s));
	put(j, "check_us", number(b->check_us));
	put(j, "busy", number(b->busy));
	put(j, "before_tps", number(r->bound_before));
	put(j, "after_tps", r->bound_after > 0 ? number(r->bound_after) : json_null());
	return j;
}

static json_t *floor_json(const struct bench_result *r)
{
	struct bench_part parts[BENCH_PART_CNT];
	if (!r->has_floor)
		return json_null();
	json_t *j = json_object(), *list = json_array();
	put(j, "us", number(r->floor.floor_us));
	put(j, "forwarded", number(r->floor.forwarded));
	put(j, "parts", list);
	bench_floor_parts(&r->floor, parts);
	for (unsigned i = 0; i < BENCH_PART_CNT; i++) {
		json_t *part = json_object();
		put(part, "name", json_string(parts[i].name));
		put(part, "us", number(parts[i].us));
		put(part, "times", number(parts[i].times));
		json_array_append_new(list, part);
	}
	return j;
}

static json_t *roles_json(const struct bench_role *roles, unsigned cnt)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < cnt; i++) {
		json_t *j = json_object();
		put(j, "name", json_string(roles[i].name));
		put(j, "cpu_us_per_tx", number(roles[i].us_per_tx));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *processes_json(const struct bench_result *r)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < r->process_cnt; i++) {
		const struct bench_process *p = &r->process[i];
		json_t *j = json_object();
		put(j, "replica", count(p->replica));
		put(j, "pid", count((uint64_t)p->pid));
		put(j, "cpu_us_per_tx", known(p->cpu_us_per_tx));
		put(j, "roles", roles_json(p->role, p->role_cnt));
		put(j, "rss_begin", count(p->rss_begin));
		put(j, "rss_end", count(p->rss_end));
		put(j, "rss_max", count(p->rss_max));
		put(j, "disk_bytes_per_tx", known(p->write_bytes_per_tx));
		put(j, "ledger_bytes_per_tx", known(p->ledger_bytes_per_tx));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *refused_json(const struct bench_result *r)
{
	json_t *j = json_object(), *codes = json_object();
	for (unsigned i = 0; i < r->refusal_cnt; i++)
		put(codes, r->refusal[i].code, count(r->refusal[i].cnt));
	put(j, "count", count(r->refused));
	put(j, "codes", codes);
	return j;
}

static json_t *events_json(const struct bench_result *r)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < r->event_cnt; i++) {
		const struct bench_event *e = &r->event[i];
		json_t *j = json_object();
		put(j, "kind", json_string(bench_event_name(e->kind)));
		put(j, "at_s", number(e->at_s));
		if (e->kind == BENCH_VIEW)
			put(j, "view", count(e->view));
		else
			put(j, "replica", count(e->replica));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *timeline_json(const struct bench_result *r)
{
	json_t *j = json_object(), *list = json_array();
	for (size_t i = 0; i < r->bin_cnt; i++)
		json_array_append_new(list, count(r->bin[i]));
	put(j, "bin_ms", count(BENCH_BIN_MS));
	put(j, "final", list);
	put(j, "events", events_json(r));
	return j;
}

static json_t *sweep_json(const struct bench_result *r)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < r->point_cnt; i++) {
		const struct bench_point *p = &r->point[i];
		json_t *j = json_object();
		put(j, "offered_tps", p->offered_tps > 0 ? number(p->offered_tps) : json_null());
		put(j, "throughput_tps", number(p->throughput_tps));
		put(j, "latency_ms",
		    latency_json(p->final,
		                 (const double[]){p->p50_ms, p->p90_ms, p->p99_ms, p->p999_ms, p->max_ms}));
		put(j, "final", count(p->final));
		put(j, "refused", count(p->refused));
		put(j, "unfinished", count(p->unfinished));
		put(j, "cpu_us_per_tx", known(p->cpu_us_per_tx));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *kill_json(const struct bench_result *r)
{
	if (!r->kill.done)
		return json_null();
	json_t *j = json_object();
	put(j, "replica", count(r->kill.replica));
	put(j, "at_s", number(r->kill.at_s));
	put(j, "gap_ms", number(r->kill.gap_ms));
	put(j, "gap_before_ms", number(r->kill.gap_before_ms));
	put(j, "restart_s", number(r->kill.restart_s));
	put(j, "rejoin_ms", known(r->kill.rejoin_ms));
	return j;
}

/* What became of the payments is known of a running chain, too, whose ledgers are not audited. */
static json_t *audit_json(const struct bench_result *r)
{
	json_t *j = json_object();
	put(j, "ok", r->audited ? json_boolean(r->audit_ok) : json_null());
	put(j, "accounted", count(r->accounted));
	put(j, "missing", count(r->missing));
	put(j, "twice", count(r->twice));
	put(j, "said", r->audited ? json_string(r->audit) : json_null());
	return j;
}

static void put_chain(json_t *j, const struct bench_result *r)
{
	put(j, "chain", json_string(r->chain));
	put(j, "replicas", count(r->n));
	put(j, "faulty_max", count(r->f));
	put(j, "replicas_here", count(r->here));
	put(j, "own_chain", json_boolean(r->own));
	put(j, "nodes", count(r->nodes));
	put(j, "load", json_string(bench_load_name(r->load)));
	put(j, "offered_tps", r->offered_tps > 0 ? number(r->offered_tps) : json_null());
	put(j, "accounts", count(r->accounts));
	put(j, "submitters", count(r->submitters));
	put(j, "batch", count(r->batch));
}

static void put_counts(json_t *j, const struct bench_result *r)
{
	put(j, "interrupted", json_boolean(r->interrupted));
	put(j, "seconds", number(r->seconds));
	put(j, "due", count(r->due));
	put(j, "sent", count(r->sent));
	put(j, "final", count(r->final));
	put(j, "unfinished", count(r->unfinished));
	put(j, "refused", refused_json(r));
	put(j, "blocks", count(r->blocks));
	put(j, "tx_per_block", number(r->tx_per_block));
}

static void put_costs(json_t *j, const struct bench_result *r)
{
	put(j, "cpu_ratio", known(bench_cpu_ratio(r)));
	put(j, "roles", roles_json(r->role, r->role_cnt));
	put(j, "processes", processes_json(r));
	put(j, "generator_us_per_tx", known(r->generator_us_per_tx));
	put(j, "sign_us", known(r->sign_us));
	put(j, "busy", known(r->busy));
	put(j, "others", known(r->others));
	put(j, "wire_bytes_per_tx", known(r->wire_bytes_per_tx));
	put(j, "http_bytes_per_tx", known(r->http_bytes_per_tx));
	put(j, "disk_bytes_per_tx", known(r->disk_bytes_per_tx));
	put(j, "ledger_bytes_per_tx", known(r->ledger_bytes_per_tx));
}

json_t *bench_json(const struct bench_result *r)
{
	json_t *j = json_object();
	put(j, "throughput_tps", number(r->throughput_tps));
	put(j, "bound_tps", number(r->bound.tps));
	put(j, "ratio", number(r->ratio));
	put(j, "latency_ms",
	    latency_json(r->latency_cnt,
	                 (const double[]){r->p50_ms, r->p90_ms, r->p99_ms, r->p999_ms, r->max_ms}));
	put(j, "cpu_us_per_tx", known(r->cpu_us_per_tx));
	put(j, "view_changes", count(r->view_changes));
	put_chain(j, r);
	put_counts(j, r);
	put(j, "bound", bound_json(r));
	put(j, "floor", floor_json(r));
	put_costs(j, r);
	put(j, "histogram", histogram_json(r));
	put(j, "timeline", timeline_json(r));
	put(j, "sweep", sweep_json(r));
	put(j, "kill", kill_json(r));
	put(j, "audit", audit_json(r));
	return j;
}
