/*
 * bench_plot.c: what `quorate bench` measured, as pictures: data files, a script for gnuplot, and what it
 * makes of them.  They stay, so that anybody can draw them anew: `gnuplot -d plot.gp` in the directory.
 *
 * Colours are of the set that Okabe and Ito chose for people who cannot tell red from green.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_show.h"
#include "out.h"
#include "text.h"

#define LIMIT_MS 30000
#define WORDS_SHOWN 12 /* of events: more cannot be read beside one another */
#define BLUE "#0072b2"
#define ORANGE "#d55e00"
#define GREEN "#007a5a"
#define GREY "#666666"

/* ---- data ------------------------------------------------------------------------------------------- */

static void write_latency(const struct bench_result *r, FILE *f)
{
	struct bench_bucket buckets[BENCH_BUCKETS_MAX];
	size_t cnt = bench_buckets(r->latency_us, r->latency_cnt, BENCH_FINE, buckets);
	fprintf(f, "# latency of payments: from ms, to ms, payments, share of all in percent\n");
	for (size_t i = 0; i < cnt; i++)
		fprintf(f, "%.6g %.6g %llu %.6g\n", buckets[i].from_ms, buckets[i].to_ms,
		        (unsigned long long)buckets[i].cnt,
		        100.0 * (double)buckets[i].cnt / (double)r->latency_cnt);
}

static void write_timeline(const struct bench_result *r, FILE *f)
{
	fprintf(f, "# payments that became final: seconds (middle of %d ms), payments a second\n",
	        BENCH_BIN_MS);
	for (size_t i = 0; i < r->bin_cnt; i++)
		fprintf(f, "%.3f %.6g\n", ((double)i + 0.5) * BENCH_BIN_MS / 1000,
		        r->bin[i] * 1000.0 / BENCH_BIN_MS);
}

static void write_events(const struct bench_result *r, FILE *f)
{
	fprintf(f, "# what happened: seconds, kind, view or replica\n");
	for (unsigned i = 0; i < r->event_cnt; i++) {
		const struct bench_event *e = &r->event[i];
		fprintf(f, "%.3f %s %llu\n", e->at_s, bench_event_name(e->kind),
		        e->kind == BENCH_VIEW ? (unsigned long long)e->view : e->replica);
	}
}

/* By throughput, so that a line through the points does not go back and forth. */
static int by_throughput(const void *a, const void *b)
{
	double x = ((const struct bench_point *)a)->throughput_tps;
	double y = ((const struct bench_point *)b)->throughput_tps;
	return (x > y) - (x < y);
}

static void write_sweep(const struct bench_result *r, FILE *f)
{
	struct bench_point points[BENCH_POINTS_MAX];
	memcpy(points, r->point, sizeof points);
	qsort(points, r->point_cnt, sizeof *points, by_throughput);
	fprintf(f, "# offered tx/s (0: saturated), final tx/s, p50, p90, p99, p99.9 in ms\n");
	for (unsigned i = 0; i < r->point_cnt; i++) {
		const struct bench_point *p = &points[i];
		if (p->final > 0)
			fprintf(f, "%.6g %.6g %.6g %.6g %.6g %.6g\n", p->offered_tps, p->throughput_tps,
			        p->p50_ms, p->p90_ms, p->p99_ms, p->p999_ms);
	}
}

/* ---- the script --------------------------------------------------------------------------------------- */

static void script_begin(FILE *f)
{
	fprintf(f,
	        "# Made by `quorate bench --plot`; draw it anew by `gnuplot -d plot.gp` in this directory.\n"
	        "set terminal svg size 960,540 font 'Helvetica,Arial,sans-serif,15' background '#ffffff'\n"
	        "set encoding utf8\n"
	        "set border 3 linecolor rgb '" GREY "'\n"
	        "set tics nomirror out textcolor rgb '#222222'\n"
	        "set grid xtics ytics linetype 1 linewidth 0.5 linecolor rgb '#dddddd'\n"
	        "set style fill solid 0.8 noborder\n"
	        "set style textbox opaque noborder margins 0.3, 0.3 fillcolor rgb '#ffffff'\n"
	        "set rmargin 4\n");
}

/* A line from bottom to top and, unless it is "", a word at its upper end, beside it on the right; `row`
 * keeps words apart. */
static void upright(FILE *f, double x, const char *colour, const char *dash, const char *word, unsigned row)
{
	fprintf(f,
	        "set arrow from first %.6g, graph 0 to first %.6g, graph 1 nohead front linewidth 1.5 "
	        "dashtype %s linecolor rgb '%s'\n",
	        x, x, dash, colour);
	if (word[0] != '\0')
		fprintf(
		    f,
		    "set label '%s' at first %.6g, graph %.3f offset 0.7,0 front boxed textcolor rgb '%s'\n",
		    word, x, 0.97 - 0.055 * row, colour);
}

static void upright_ms(FILE *f, double ms, const char *colour, const char *name, unsigned row)
{
	char word[64];
	snprintf(word, sizeof word, "%s %.*f ms", name, ms >= 100 ? 0 : ms >= 10 ? 1 : 2, ms);
	upright(f, ms, colour, "2", word, row);
}

static void picture_begin(FILE *f, const char *name)
{
	fprintf(f,
	        "\nset output '%s'\n"
	        "unset arrow\nunset label\nunset logscale\nunset key\n"
	        "set format '%%h'\nset autoscale\nset xtics auto\nset ytics auto\n",
	        name);
}

/* Round numbers all along the axis where gnuplot would only name the powers of ten. */
static void tics_of_latency(const struct bench_result *r, FILE *f)
{
	double least = r->latency_us[0] / 1000.0, most = r->latency_us[r->latency_cnt - 1] / 1000.0;
	const char *comma = "";
	if (least <= 0 || most / least > 2000)
		return;
	fprintf(f, "set xtics (");
	for (int k = (int)floor(log10(least)); pow(10, k) <= 10 * most; k++)
		for (int m = 1; m <= 5; m = m == 2 ? 5 : m + 1, comma = ", ")
			fprintf(f, "%s%g", comma, m * pow(10, k));
	fprintf(f, ")\n");
}

static void script_latency(const struct bench_result *r, FILE *f)
{
	picture_begin(f, "latency.svg");
	fprintf(f, "set title 'Latency of %zu payments'\n", r->latency_cnt);
	fprintf(f, "set xlabel 'from when a payment was due until it was final (ms)'\n"
	           "set ylabel 'share of payments (%%)'\n"
	           "set logscale x 10\n"
	           "set yrange [0:*]\nset offsets graph 0, 0, graph 0.25, 0\n");
	tics_of_latency(r, f);
	upright_ms(f, r->p50_ms, ORANGE, "p50", 0);
	upright_ms(f, r->p99_ms, ORANGE, "p99", 1);
	upright_ms(f, r->p999_ms, ORANGE, "p99.9", 2);
	if (r->has_floor && r->floor.floor_us > 0)
		upright_ms(f, r->floor.floor_us / 1000, GREEN, "floor", 3);
	fprintf(f, "plot 'latency.dat' using (sqrt($1*$2)):4:1:2:(0):4 with boxxyerror linecolor rgb '" BLUE
	           "'\nset offsets\n");
}

static void event_word(const struct bench_event *e, char word[64])
{
	switch (e->kind) {
	case BENCH_VIEW:
		snprintf(word, 64, "view %llu", (unsigned long long)e->view);
		break;
	case BENCH_KILLED:
		snprintf(word, 64, "replica %u killed", e->replica);
		break;
	case BENCH_STARTED:
		snprintf(word, 64, "replica %u started", e->replica);
		break;
	case BENCH_VOTES:
		snprintf(word, 64, "replica %u votes again", e->replica);
		break;
	}
}

static void script_timeline(const struct bench_result *r, FILE *f)
{
	char word[64];
	picture_begin(f, "timeline.svg");
	fprintf(f,
	        "set title 'Payments that became final'\n"
	        "set xlabel 'time (s)'\n"
	        "set ylabel 'payments a second, in steps of %d ms'\n"
	        "set xrange [0:%.6g]\nset yrange [0:*]\nset offsets graph 0, 0, graph 0.3, 0\n"
	        "set key below\n",
	        BENCH_BIN_MS, (double)r->bin_cnt * BENCH_BIN_MS / 1000);
	for (unsigned i = 0; i < r->event_cnt; i++) {
		const struct bench_event *e = &r->event[i];
		event_word(e, word);
		upright(f, e->at_s, e->kind == BENCH_KILLED ? ORANGE : GREEN,
		        e->kind == BENCH_VIEW ? "2" : "1", i < WORDS_SHOWN ? word : "", i % 4);
	}
	fprintf(f,
	        "plot 'timeline.dat' using 1:2 with histeps linewidth 1.5 linecolor rgb '" BLUE
	        "' title 'final', \\\n"
	        "  %.6g with lines linewidth 1.5 dashtype 4 linecolor rgb '" BLUE "' title 'mean, %.0f', \\\n"
	        "  %.6g with lines linewidth 1.5 linecolor rgb '" GREY
	        "' title 'what signatures alone allow, %.0f'\nset offsets\n",
	        r->throughput_tps, r->throughput_tps, r->bound.tps, r->bound.tps);
}

static void script_sweep(const struct bench_result *r, FILE *f)
{
	picture_begin(f, "sweep.svg");
	fprintf(f,
	        "set title 'Latency against throughput'\n"
	        "set xlabel 'payments a second that became final'\n"
	        "set ylabel 'from when a payment was due until it was final (ms)'\n"
	        "set logscale y 10\n"
	        "set xrange [0:%.6g]\n"
	        "set key top left\n",
	        1.1 * r->bound.tps);
	upright(f, r->bound.tps, GREY, "1", "bound", 0);
	fprintf(f,
	        "plot 'sweep.dat' using 2:5 with linespoints linewidth 2 pointtype 5 pointsize 0.7 linecolor "
	        "rgb '" ORANGE "' title 'p99', \\\n"
	        "  '' using 2:3 with linespoints linewidth 2 pointtype 7 pointsize 0.7 linecolor rgb '" BLUE
	        "' title 'p50'\n");
}

/* What gnuplot would refuse to draw, because there is nothing in it, is left out. */
static void write_script(const struct bench_result *r, FILE *f)
{
	script_begin(f);
	if (r->latency_cnt > 0)
		script_latency(r, f);
	if (r->bin_cnt > 0)
		script_timeline(r, f);
	if (r->point_cnt > 0)
		script_sweep(r, f);
}

/* ---- together ------------------------------------------------------------------------------------------ */

static bool write_file(const char *dir, const char *name,
                       void (*write)(const struct bench_result *r, FILE *f), const struct bench_result *r,
                       struct err *err)
{
	char *path = text_format("%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	bool ok = f != NULL;
	if (ok) {
		write(r, f);
		ok = !ferror(f);
		ok = fclose(f) == 0 && ok;
	}
	if (!ok)
		err_set(err, ERR_WORLD, "%s: %s", path, strerror(errno));
	free(path);
	return ok;
}

static void say_written(const char *dir, const struct bench_result *r)
{
	if (r->latency_cnt > 0)
		out_note("%s/latency.svg", dir);
	if (r->bin_cnt > 0)
		out_note("%s/timeline.svg", dir);
	if (r->point_cnt > 0)
		out_note("%s/sweep.svg", dir);
}

bool bench_plot_check(const char *dir, struct err *err)
{
	if (mkdir(dir, 0777) != 0 && errno != EEXIST)
		return err_set(err, ERR_WORLD, "%s: %s", dir, strerror(errno));
	if (access(dir, W_OK | X_OK) != 0)
		return err_set(err, ERR_WORLD, "%s: %s", dir, strerror(errno));
	return bench_gnuplot(dir, "--version", LIMIT_MS, err);
}

bool bench_plot(const char *dir, const struct bench_result *r, struct err *err)
{
	if (!write_file(dir, "latency.dat", write_latency, r, err) ||
	    !write_file(dir, "timeline.dat", write_timeline, r, err) ||
	    !write_file(dir, "events.dat", write_events, r, err) ||
	    !write_file(dir, "sweep.dat", write_sweep, r, err) ||
	    !write_file(dir, "plot.gp", write_script, r, err))
		return false;
	if (!bench_gnuplot(dir, "plot.gp", LIMIT_MS, err))
		return err_prefix(err, "no pictures, but their data is in %s", dir);
	say_written(dir, r);
	return true;
}
