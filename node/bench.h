/*
 * bench.h: `quorate bench`: load on a chain, and what it does with it.
 *
 *   cmd_bench.c      the command: options, order of things, exit code
 *   bench_options.c  the command line
 *   bench_chain.c    the chain: replicas of our own, or a running one; killing the primary; the audit
 *   bench_load.c     payments, signed before the clock runs
 *   bench_pace.c     when a payment is due, and which ones are handed in next: pure
 *   bench_run.c      one run: the clock; bench_submit.c, bench_follow.c: its threads
 *   bench_look.c     what nodes and processes say of themselves, before and after
 *   bench_sum.c      numbers out of what a run saw: percentiles, bins, shares: pure
 *   bench_bound.c    what the signatures alone allow, measured on the spot
 *   bench_floor.c    what one payment at low load has to wait for, measured on the spot
 *   bench_report.c   the report for people, bench_json.c the same as JSON
 *   bench_plot.c     the same as pictures, by gnuplot
 *
 * A latency is the time from when a payment was due, not from when the generator came round to it, to when a
 * block with it was seen to be final.  So who is slow is not spared the payments that had to wait for it.
 * Everything is counted between two moments, `begin` and `end`; what became final before or after is not.
 */
#ifndef QUORATE_BENCH_H
#define QUORATE_BENCH_H

#include <jansson.h>

#include "cmd.h"
#include "genesis.h"

/* ---- what is asked ----------------------------------------------------------------------------- */

enum bench_load {
	BENCH_SATURATE, /* a bounded number of payments is always on its way */
	BENCH_RATE,     /* so many a second, whatever becomes of them */
	BENCH_OVERLOAD, /* the same at ten times the measured bound */
	BENCH_SWEEP,    /* saturated, then a series of rates up to what that reached */
};

struct bench_options {
	struct cmd_common common; /* --json, --node, --genesis */
	enum bench_load load;
	unsigned rate; /* BENCH_RATE: payments a second */
	double duration_s, warmup_s;
	unsigned submitters; /* 0: two a node */
	unsigned batch, accounts;
	unsigned replicas;  /* of a chain of our own */
	unsigned base_port; /* of it; 0: free ports */
	const char *dir;    /* of it, kept; NULL: a temporary one */
	const char *key;    /* running chain: who pays for the load; NULL: a chain of our own */
	double kill_at_s;   /* kill the primary so long after the beginning; < 0: never */
	const char *plot;   /* directory for pictures, or NULL */
	bool one_follower;  /* only the first node is asked what is final */
	bool no_audit;      /* a chain of our own is not audited at the end */
};

/* bench_options.c: reads the command line; wrong usage exits with 2. */
void bench_options(int argc, char **argv, struct bench_options *o);

/* ---- what was measured ----------------------------------------------------------------------------- */

/* bench_bound.c: account signatures checked by all cores at once, plainly: key parsed, signature verified. */
struct bench_bound {
	unsigned cores;      /* that this process may use */
	unsigned replicas;   /* that share them: those of the chain on this machine, at least 1 */
	double seconds;      /* how long */
	uint64_t checks;     /* by all cores in that time */
	double checks_per_s; /* of all cores */
	double check_us;     /* CPU time of one, on one core */
	double busy; /* CPU time had, as a share of cores x seconds: below 1 others used the machine */
	double tps;  /* checks_per_s / replicas: the bound */
};

/* bench_floor.c: what one payment at low load has to wait for, each part measured on its own; microseconds,
 * medians. */
struct bench_floor {
	double fsync_us, hop_us, sign_us, open_us, check_us, http_us;
	unsigned replicas;
	double forwarded; /* share of payments handed in elsewhere than at the primary: (n-1)/n */
	double floor_us;
};

#define BENCH_ROLES_MAX 16
struct bench_role {
	char name[16];    /* of its threads */
	double us_per_tx; /* CPU, user and system */
};

/* A replica whose process is on this machine. */
struct bench_process {
	unsigned replica;
	long pid;
	double cpu_us_per_tx; /* all its threads, those that ended meanwhile too */
	unsigned role_cnt;
	struct bench_role role[BENCH_ROLES_MAX]; /* most first; "ended" is what no thread that lives used */
	uint64_t rss_begin, rss_end, rss_max; /* bytes of memory; max: of what was seen about once a second */
	double write_bytes_per_tx;            /* handed to the disk, by /proc/PID/io */
	double ledger_bytes_per_tx;           /* by which its ledger.db grew; < 0: not known */
};

#define BENCH_REFUSALS_MAX 16
struct bench_refusal {
	char code[32];
	uint64_t cnt;
};

/* One rate of a sweep, or the only one. */
struct bench_point {
	double offered_tps; /* 0: saturated */
	double throughput_tps;
	double p50_ms, p90_ms, p99_ms, p999_ms, max_ms;
	uint64_t final, refused, unfinished; /* as in struct bench_result */
	double cpu_us_per_tx;                /* of all replicas here; < 0: not known */
};

#define BENCH_BIN_MS 100
#define BENCH_EVENTS_MAX 256
#define BENCH_POINTS_MAX 16

/* What happened, on the time axis. */
enum bench_event_kind { BENCH_VIEW, BENCH_KILLED, BENCH_STARTED, BENCH_VOTES };
struct bench_event {
	enum bench_event_kind kind;
	double at_s;      /* from begin on */
	uint64_t view;    /* BENCH_VIEW: entered, as the first node to say so said */
	unsigned replica; /* the others: which one was killed, was started, votes again */
};

struct bench_result {
	/* the chain and the machine */
	unsigned n, f; /* its replicas */
	unsigned here; /* so many of their processes are on this machine */
	bool own;      /* it was our own chain */
	char chain[QHASH_HEX];
	unsigned nodes;       /* that took payments */
	bool interrupted;     /* Ctrl-C: less was measured than was asked */
	enum bench_load load; /* of this run; BENCH_SWEEP: the rest of the fields is the saturated one */
	double offered_tps;   /* 0: saturated */
	unsigned accounts, submitters, batch;

	/* the load, between begin and end */
	double seconds;
	double throughput_tps; /* between the first and the last block that became final in that time */
	uint64_t due, final;   /* payments */
	uint64_t sent;         /* payments handed in, each counted once: in the whole run */
	uint64_t unfinished;   /* due in that time and not final when the run was over */
	uint64_t refused;      /* answers that refused a payment for the time being: in the whole run */
	unsigned refusal_cnt;
	struct bench_refusal refusal[BENCH_REFUSALS_MAX];
	uint64_t blocks;
	double tx_per_block;

	/* latency of those due in that time and final before the run was over */
	size_t latency_cnt;
	uint32_t *latency_us; /* ascending; owned */
	double p50_ms, p90_ms, p99_ms, p999_ms, max_ms;

	/* over time, from begin on */
	size_t bin_cnt;
	uint32_t *bin; /* payments that became final in each BENCH_BIN_MS; owned */
	unsigned event_cnt;
	struct bench_event event[BENCH_EVENTS_MAX];
	uint64_t view_changes; /* in that time, as the node said that saw most */

	/* what it cost */
	unsigned process_cnt;
	struct bench_process process[Q_REPLICAS_MAX];
	double cpu_us_per_tx; /* of all replicas together, if all are here; else < 0: not known */
	unsigned role_cnt;
	struct bench_role role[BENCH_ROLES_MAX]; /* mean of one replica, most first */
	double wire_bytes_per_tx;   /* sent from replica to replica, by all of them; < 0: not known */
	double http_bytes_per_tx;   /* of the generator's requests and their answers; < 0: not known */
	double disk_bytes_per_tx;   /* mean of one replica, handed to the disk; < 0: not known */
	double ledger_bytes_per_tx; /* mean of one replica; < 0: not known */
	double generator_us_per_tx; /* this program, while the clock ran */
	double busy, others;        /* of the machine's CPU time: in use; in use by neither replicas nor us */
	double sign_us;             /* CPU time of making and signing a payment, before the clock ran */

	/* what it is compared with */
	struct bench_bound bound;         /* before and after together: the mean of both */
	double bound_before, bound_after; /* their tps: do they agree? after: 0 where it was interrupted */
	double ratio;                     /* throughput_tps / bound.tps */
	bool has_floor;
	struct bench_floor floor;

	/* BENCH_SWEEP */
	unsigned point_cnt;
	struct bench_point point[BENCH_POINTS_MAX];

	/* --kill-primary */
	struct {
		bool done;
		unsigned replica;
		double at_s;          /* killed, from begin */
		double gap_ms;        /* longest time without a final block from then on */
		double gap_before_ms; /* the longest one before */
		double restart_s;     /* started again, from begin */
		double rejoin_ms;     /* from its start until a certificate holds its vote; < 0: not seen */
	} kill;

	/* a chain of our own, at the end */
	bool audited, audit_ok; /* audit_ok: nothing missing, nothing twice either */
	uint64_t accounted;     /* payments of the whole run that were accepted: each final exactly once */
	uint64_t missing;       /* accepted, and neither final nor answered otherwise */
	uint64_t twice;         /* seen final more than once */
	char audit[200];        /* what it said, in a line */
};
void bench_result_free(struct bench_result *r); /* what it owns */

/* bench_sum.c: the value below which this share of ascending samples lies (nearest rank); 0 of none. */
uint32_t bench_percentile(const uint32_t *ascending, size_t cnt, double share);

/* ---- bench_bound.c, bench_floor.c ------------------------------------------------------------------ */

/* Keeps all cores busy with checks for `ms`. */
void bench_bound(unsigned replicas, unsigned ms, struct bench_bound *out);
/* In a directory of its own below `dir`, which is where a chain of our own has its ledgers. */
bool bench_floor(const char *dir, unsigned replicas, struct bench_floor *out, struct err *err);

/* ---- bench_report.c -------------------------------------------------------------------------------- */

void bench_report(const struct bench_result *r); /* on stdout */
json_t *bench_json(const struct bench_result *r);

/* ---- bench_plot.c ---------------------------------------------------------------------------------- */

/* Before the run: is gnuplot there, and can the directory be written (it is made if it is not there)? */
bool bench_plot_check(const char *dir, struct err *err);
/* DIR/latency.svg, DIR/timeline.svg and, of a sweep, DIR/sweep.svg; their names on stderr. */
bool bench_plot(const char *dir, const struct bench_result *r, struct err *err);

#endif
