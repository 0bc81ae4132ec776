/*
 * bench_report.c: what `quorate bench` measured, for people.
 *
 * What matters most comes first: how many payments a second, and how near that is to what the signatures
 * alone would allow.  Then how long one took, where the time went, and what else happened.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_floor.h"
#include "bench_show.h"
#include "out.h"

enum {
	W = 11,      /* of the names of fields */
	BAR = 40,    /* characters of the widest bar */
	NUMBER = 32, /* bytes of a number as text */
};
#define DRIFT 0.05 /* further apart than this, the machine was not the same before and after */
#define OURS 0.95  /* less of it than this, and others used it */
#define LITTLE 0.005

/* ---- small ---------------------------------------------------------------------------------------- */

/* 12345 as "12,345". */
static const char *grouped(uint64_t n, char text[NUMBER])
{
	char digits[NUMBER];
	size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return text;
}

static const char *whole(double x, char text[NUMBER])
{
	return grouped(x > 0 ? (uint64_t)(x + 0.5) : 0, text);
}

/* Three digits that count, whatever the size. */
static const char *short_number(double x, char text[NUMBER])
{
	if (x >= 1000)
		return whole(x, text);
	snprintf(text, NUMBER, "%.*f", x >= 100 ? 0 : x >= 10 ? 1 : 2, x);
	return text;
}

/* Bytes as people read them. */
static const char *size_text(double bytes, char text[NUMBER])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	unsigned unit = 0;
	for (; bytes >= 1024 && unit < 3; unit++)
		bytes /= 1024;
	snprintf(text, NUMBER, "%.*f %s", unit == 0 || bytes >= 100 ? 0 : 1, bytes, units[unit]);
	return text;
}

/* As much of `width` characters as `share` of 1 is. */
static const char *bar(double share, unsigned width, char text[BAR + 1])
{
	unsigned len = share <= 0 ? 0 : share >= 1 ? width : (unsigned)(share * width + 0.5);
	memset(text, '#', len);
	text[len] = '\0';
	return text;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void title(const char *text)
{
	printf("\n%s%s%s\n", out_style(stdout, OUT_BOLD), text, out_style(stdout, OUT_PLAIN));
}

/* What makes the numbers worth less. */
static void warn(const char *text)
{
	printf("%*s %s%s%s\n", W, "", out_style(stdout, OUT_BAD), text, out_style(stdout, OUT_PLAIN));
}

/* ---- throughput and its bound ----------------------------------------------------------------------- */

static void say_load(const struct bench_result *r)
{
	char tps[NUMBER], due[NUMBER], blocks[NUMBER], per_block[NUMBER];
	char here[NUMBER];
	if (r->here == r->n)
		snprintf(here, sizeof here, "all");
	else
		snprintf(here, sizeof here, "%u of them", r->here);
	out_field(W, "chain", "%u replica%s, %s on this machine; bears %u traitor%s", r->n, plural(r->n),
	          here, r->f, plural(r->f));
	switch (r->load) {
	case BENCH_SATURATE:
	case BENCH_SWEEP:
		out_field(W, "load", "as much as it takes, for %.1f s", r->seconds);
		break;
	case BENCH_RATE:
		out_field(W, "load", "%s payments a second, for %.1f s", whole(r->offered_tps, tps),
		          r->seconds);
		break;
	case BENCH_OVERLOAD:
		out_field(W, "load", "%s payments a second, ten times the bound, for %.1f s",
		          whole(r->offered_tps, tps), r->seconds);
		break;
	}
	out_field(W, "", "%s final, in %s block%s of %s on average", grouped(r->final, due),
	          grouped(r->blocks, blocks), plural(r->blocks), short_number(r->tx_per_block, per_block));
	if (r->interrupted)
		warn("interrupted: less was measured than was asked for");
}

/* What makes the ratio worth less than it looks. */
static void say_doubts(const struct bench_result *r)
{
	char before[NUMBER], after[NUMBER], text[80];
	double mean = (r->bound_before + r->bound_after) / 2;
	double apart = mean > 0 ? fabs(r->bound_before - r->bound_after) / mean : 0;
	if (r->bound_after <= 0) {
		warn("measured before the run only");
	} else {
		out_field(W, "", "Measured before the run (%s) and after it (%s): %.1f %% apart.",
		          whole(r->bound_before, before), whole(r->bound_after, after), 100 * apart);
		if (apart > DRIFT)
			warn("the machine changed meanwhile: the ratio is not to be relied on");
	}
	if (r->bound.busy < OURS)
		warn("others used this machine while the bound was measured");
	if (r->others > 1 - OURS) {
		snprintf(text, sizeof text, "others used %.1f %% of this machine during the run",
		         100 * r->others);
		warn(text);
	}
}

static void say_bound(const struct bench_result *r)
{
	const struct bench_bound *b = &r->bound;
	char tps[NUMBER], checks[NUMBER], us[NUMBER], text[BAR + 1];
	out_field(W, "throughput", "%s tx/s", whole(r->throughput_tps, tps));
	out_field(W, "bound", "%s tx/s", whole(b->tps, tps));
	out_field(W, "ratio", "%.1f %%  [%-*s]", 100 * r->ratio, BAR, bar(r->ratio, BAR, text));
	if (bench_cpu_ratio(r) >= 0)
		out_field(W, "",
		          "Of all CPU time spent %.1f %% went into these signatures; others here do not "
		          "disturb that.",
		          100 * bench_cpu_ratio(r));
	out_field(W, "", "The bound is what signatures alone allow. %u core%s check%s %s of them a second",
	          b->cores, plural(b->cores), b->cores == 1 ? "s" : "", whole(b->checks_per_s, checks));
	out_field(W, "", "(%s us each); each of %u replica%s here has to check one for each payment.",
	          short_number(b->check_us, us), b->replicas, plural(b->replicas));
	say_doubts(r);
}

/* ---- latency ---------------------------------------------------------------------------------------- */

static void say_percentiles(const struct bench_result *r)
{
	char p50[NUMBER], p90[NUMBER], p99[NUMBER], p999[NUMBER], max[NUMBER];
	printf("  p50 %s   p90 %s   p99 %s   p99.9 %s   max %s ms\n", short_number(r->p50_ms, p50),
	       short_number(r->p90_ms, p90), short_number(r->p99_ms, p99), short_number(r->p999_ms, p999),
	       short_number(r->max_ms, max));
}

static void say_bucket(const struct bench_bucket *b, uint64_t most, size_t all)
{
	char range[NUMBER], number[NUMBER], text[BAR + 1];
	const char *bars = bar((double)b->cnt / (double)most, BAR, text);
	if (b->from_ms <= 0)
		snprintf(range, sizeof range, "below %g", b->to_ms);
	else if (isinf(b->to_ms))
		snprintf(range, sizeof range, "from %g on", b->from_ms);
	else
		snprintf(range, sizeof range, "%g to %g", b->from_ms, b->to_ms);
	printf("  %14s ms %11s  %5.1f %%%s%s\n", range, grouped(b->cnt, number),
	       100.0 * (double)b->cnt / (double)all, *bars != '\0' ? "  " : "", bars);
}

/* The thousandth at either end is one line: a single slow payment does not make a page of empty ones. */
static size_t fold_ends(struct bench_bucket *buckets, size_t cnt, size_t all)
{
	while (cnt > 2 && 1000 * (buckets[0].cnt + buckets[1].cnt) <= all) {
		buckets[1].cnt += buckets[0].cnt;
		buckets[1].from_ms = 0;
		memmove(buckets, buckets + 1, --cnt * sizeof *buckets);
	}
	while (cnt > 2 && 1000 * (buckets[cnt - 1].cnt + buckets[cnt - 2].cnt) <= all) {
		buckets[cnt - 2].cnt += buckets[cnt - 1].cnt;
		buckets[cnt - 2].to_ms = INFINITY;
		cnt--;
	}
	return cnt;
}

static void say_histogram(const struct bench_result *r)
{
	struct bench_bucket buckets[BENCH_BUCKETS_MAX];
	size_t cnt = bench_buckets(r->latency_us, r->latency_cnt, BENCH_COARSE, buckets);
	uint64_t most = 1;
	cnt = fold_ends(buckets, cnt, r->latency_cnt);
	for (size_t i = 0; i < cnt; i++)
		most = buckets[i].cnt > most ? buckets[i].cnt : most;
	for (size_t i = 0; i < cnt; i++)
		say_bucket(&buckets[i], most, r->latency_cnt);
}

static void say_latency(const struct bench_result *r)
{
	title("Latency, from when a payment was due until it was seen final");
	if (r->latency_cnt == 0) {
		printf("  no payment became final in that time\n");
		return;
	}
	say_percentiles(r);
	say_histogram(r);
}

/* What 1 + 1.75 and such are, as people would write it. */
static const char *times_text(double times, char text[NUMBER])
{
	snprintf(text, NUMBER, "%.4g x", times);
	return text;
}

static void say_floor(const struct bench_result *r)
{
	struct bench_part parts[BENCH_PART_CNT];
	const struct bench_floor *f = &r->floor;
	char times[NUMBER], us[NUMBER], ms[NUMBER];
	if (!r->has_floor)
		return;
	title("Floor of latency: what a payment waits for on this machine when nothing else goes on");
	bench_floor_parts(f, parts);
	for (unsigned i = 0; i < BENCH_PART_CNT; i++) {
		const struct bench_part *p = &parts[i];
		if (p->times > 0)
			printf("  %7s %-29s %9s us = %7.0f us\n", times_text(p->times, times), p->what,
			       short_number(p->us, us), p->us * p->times);
	}
	printf("  together %s ms", short_number(f->floor_us / 1000, ms));
	if (r->load == BENCH_RATE && r->latency_cnt > 0 && f->floor_us > 0)
		printf("; the median payment took %.1f times that", r->p50_ms * 1000 / f->floor_us);
	putchar('\n');
	if (f->replicas < 2)
		return;
	printf("  Request, check; forward (sign, hop, open, check) of the %.4g %% not handed in at the\n"
	       "  primary; PRE-PREPARE (2 sign, fsync, hop, 2 open); PREPARE and COMMIT (sign, fsync, hop,\n"
	       "  open each); fsync of the ledger, answer. Medians; a hop is one way with the waking.\n",
	       100 * f->forwarded);
}

/* ---- where the time went ------------------------------------------------------------------------------ */

static void say_role(const char *name, double us, double sum)
{
	char text[BAR + 1];
	const char *bars = bar(us / sum, BAR, text);
	printf("  %-15.15s %8.2f us  %5.1f %%%s%s\n", name, us, 100 * us / sum, *bars != '\0' ? "  " : "",
	       bars);
}

/* Threads that hardly did anything are one line. */
static void say_roles(const struct bench_result *r)
{
	double sum = 0, rest = 0;
	for (unsigned i = 0; i < r->role_cnt; i++)
		sum += r->role[i].us_per_tx;
	if (sum <= 0)
		return;
	title("CPU time of one replica for one payment");
	for (unsigned i = 0; i < r->role_cnt; i++) {
		if (r->role[i].us_per_tx < LITTLE * sum)
			rest += r->role[i].us_per_tx;
		else
			say_role(r->role[i].name, r->role[i].us_per_tx, sum);
	}
	if (rest > 0)
		say_role("others", rest, sum);
	printf("  %-15s %8.2f us, of which %.2f us are the one signature\n", "together", sum,
	       r->bound.check_us);
}

static void say_cost(const struct bench_result *r)
{
	char a[NUMBER], b[NUMBER], c[NUMBER];
	title("Cost of one payment");
	if (r->cpu_us_per_tx >= 0)
		out_field(W, "  CPU", "%s us of all replicas, %s us of this program",
		          short_number(r->cpu_us_per_tx, a), short_number(r->generator_us_per_tx, b));
	else
		out_field(W, "  CPU", "%s us of this program; not all replicas are on this machine",
		          short_number(r->generator_us_per_tx, b));
	out_field(W, "  machine", "%.1f %% of its CPU time in use, %.1f %% by others", 100 * r->busy,
	          100 * r->others);
	if (r->disk_bytes_per_tx >= 0)
		out_field(W, "  disk", "%s written by each replica", size_text(r->disk_bytes_per_tx, a));
	if (r->ledger_bytes_per_tx >= 0)
		out_field(W, "  ledger", "%s more of it at each replica",
		          size_text(r->ledger_bytes_per_tx, a));
	if (r->wire_bytes_per_tx >= 0)
		out_field(W, "  network", "%s between replicas, of all of them",
		          size_text(r->wire_bytes_per_tx, a));
	if (r->http_bytes_per_tx >= 0)
		out_field(W, "  HTTP", "%s of requests and answers", size_text(r->http_bytes_per_tx, c));
}

static void number_cell(struct out_table *t, double x)
{
	char text[NUMBER];
	if (x >= 0)
		out_table_cell(t, "%s", short_number(x, text));
	else
		out_table_cell(t, "-");
}

static void size_cell(struct out_table *t, double bytes)
{
	char text[NUMBER];
	if (bytes >= 0)
		out_table_cell(t, "%s", size_text(bytes, text));
	else
		out_table_cell(t, "-");
}

static void say_processes(const struct bench_result *r)
{
	if (r->process_cnt == 0)
		return;
	putchar('\n');
	struct out_table *t =
	    out_table_new(7, (const char *const[]){"  replica", "CPU us/tx", "disk/tx", "ledger/tx",
	                                           "memory, begin", "end", "most"});
	for (unsigned i = 0; i < r->process_cnt; i++) {
		const struct bench_process *p = &r->process[i];
		out_table_cell(t, "  %u", p->replica);
		number_cell(t, p->cpu_us_per_tx);
		size_cell(t, p->write_bytes_per_tx);
		size_cell(t, p->ledger_bytes_per_tx);
		size_cell(t, (double)p->rss_begin);
		size_cell(t, (double)p->rss_end);
		size_cell(t, (double)p->rss_max);
	}
	out_table_end(t);
}

/* ---- what else happened ----------------------------------------------------------------------------- */

static void say_refused(const struct bench_result *r)
{
	char number[NUMBER];
	out_field(W, "refused", "%s for the time being", grouped(r->refused, number));
	for (unsigned i = 0; i < r->refusal_cnt; i++)
		out_field(W, "", "%s: %s", r->refusal[i].code, grouped(r->refusal[i].cnt, number));
	if (r->unfinished > 0)
		out_field(W, "unfinished", "%s due and not final when the run was over",
		          grouped(r->unfinished, number));
}

static void say_kill(const struct bench_result *r)
{
	char gap[NUMBER], before[NUMBER], back[NUMBER];
	if (!r->kill.done)
		return;
	out_field(W, "killed", "the primary, replica %u, at %.1f s", r->kill.replica, r->kill.at_s);
	out_field(W, "", "no final block for %s ms then; %s ms was the longest before",
	          short_number(r->kill.gap_ms, gap), short_number(r->kill.gap_before_ms, before));
	if (r->kill.rejoin_ms >= 0)
		out_field(W, "", "started again at %.1f s; %s ms later it voted again", r->kill.restart_s,
		          short_number(r->kill.rejoin_ms, back));
	else
		out_field(W, "", "started again at %.1f s; not seen to vote since", r->kill.restart_s);
}

static void say_accounted(const struct bench_result *r)
{
	char number[NUMBER], text[100];
	if (r->missing == 0 && r->twice == 0) {
		out_field(W, "accepted", "%s payments, each is final exactly once",
		          grouped(r->accounted, number));
		return;
	}
	out_field(W, "accepted", "%s payments", grouped(r->accounted, number));
	snprintf(text, sizeof text, "%llu of them are not final, %llu are final twice",
	         (unsigned long long)r->missing, (unsigned long long)r->twice);
	warn(text);
}

static void say_audit(const struct bench_result *r)
{
	enum out_style style = r->audit_ok ? OUT_GOOD : OUT_BAD;
	if (!r->audited)
		return;
	printf("%s%-*s%s %s%s%s\n", out_style(stdout, OUT_DIM), W, "audit", out_style(stdout, OUT_PLAIN),
	       out_style(stdout, style), r->audit_ok ? "ok" : "FAILED", out_style(stdout, OUT_PLAIN));
	if (r->audit[0] != '\0')
		out_field(W, "", "%s", r->audit);
}

static void say_events(const struct bench_result *r)
{
	title("What else happened");
	out_field(W, "views", "%llu change%s", (unsigned long long)r->view_changes, plural(r->view_changes));
	say_refused(r);
	say_kill(r);
	say_accounted(r);
	say_audit(r);
}

static void say_sweep(const struct bench_result *r)
{
	if (r->point_cnt == 0)
		return;
	title("Sweep: latency at a series of rates");
	struct out_table *t =
	    out_table_new(9, (const char *const[]){"  offered tx/s", "final tx/s", "of bound", "p50 ms",
	                                           "p90", "p99", "p99.9", "refused", "CPU us/tx"});
	for (unsigned i = 0; i < r->point_cnt; i++) {
		const struct bench_point *p = &r->point[i];
		char text[NUMBER];
		out_table_cell(t, "  %s", p->offered_tps > 0 ? whole(p->offered_tps, text) : "saturated");
		out_table_cell(t, "%s", whole(p->throughput_tps, text));
		out_table_cell(t, "%.1f %%", r->bound.tps > 0 ? 100 * p->throughput_tps / r->bound.tps : 0);
		number_cell(t, p->p50_ms);
		number_cell(t, p->p90_ms);
		number_cell(t, p->p99_ms);
		number_cell(t, p->p999_ms);
		out_table_cell(t, "%s", grouped(p->refused, text));
		number_cell(t, p->cpu_us_per_tx);
	}
	out_table_end(t);
}

void bench_report(const struct bench_result *r)
{
	say_load(r);
	putchar('\n');
	say_bound(r);
	say_latency(r);
	say_floor(r);
	say_sweep(r);
	say_roles(r);
	say_cost(r);
	say_processes(r);
	say_events(r);
	fflush(stdout);
}
