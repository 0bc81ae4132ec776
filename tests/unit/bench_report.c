/*
 * What `quorate bench` says, to the letter: for people, and as JSON.
 *
 * Links: q_bench
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "bench_said.h"
#include "bench_show.h"
#include "out.h"

/* What is printed by it; the caller frees it. */
static char *said(const struct bench_result *r, bool json)
{
	FILE *file = tmpfile();
	assert_non_null(file);
	fflush(stdout);
	int kept = dup(STDOUT_FILENO);
	assert_true(kept >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
	if (json)
		out_json_take(bench_json(r));
	else
		bench_report(r);
	fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	close(kept);
	off_t len = lseek(fileno(file), 0, SEEK_END);
	char *text = xcalloc((size_t)len + 1, 1);
	assert_int_equal(pread(fileno(file), text, (size_t)len, 0), len);
	fclose(file);
	return text;
}

/* Line by line, so that a difference is seen. */
static void assert_text(const char *is, const char *want)
{
	for (unsigned line = 1; *is != '\0' || *want != '\0'; line++) {
		size_t is_len = strcspn(is, "\n"), want_len = strcspn(want, "\n");
		if (is_len != want_len || memcmp(is, want, is_len) != 0)
			fail_msg("line %u is\n%.*s\nand should be\n%.*s", line, (int)is_len, is,
			         (int)want_len, want);
		is += is_len + (is[is_len] != '\0');
		want += want_len + (want[want_len] != '\0');
	}
}

static void says_everything_to_people(void **state)
{
	(void)state;
	struct bench_result r = said_result();
	char *text = said(&r, false);
	assert_text(
	    text,
	    "chain       4 replicas, all on this machine; bears 1 traitor\n"
	    "load        as much as it takes, for 20.0 s\n"
	    "            63,000 final, in 210 blocks of 300 on average\n"
	    "\n"
	    "throughput  3,150 tx/s\n"
	    "bound       4,500 tx/s\n"
	    "ratio       70.0 %  [############################            ]\n"
	    "            Of all CPU time spent 64.6 % went into these signatures; others here do not disturb "
	    "that.\n"
	    "            The bound is what signatures alone allow. 2 cores check 18,000 of them a second\n"
	    "            (55.5 us each); each of 4 replicas here has to check one for each payment.\n"
	    "            Measured before the run (4,550) and after it (4,450): 2.2 % apart.\n"
	    "\n"
	    "Latency, from when a payment was due until it was seen final\n"
	    "  p50 22.0   p90 30.0   p99 61.0   p99.9 61.0   max 5,000 ms\n"
	    "        below 10 ms           1    0.1 %\n"
	    "        10 to 15 ms         149   14.9 %  ############\n"
	    "        15 to 20 ms         250   25.0 %  ####################\n"
	    "        20 to 30 ms         500   50.0 %  ########################################\n"
	    "        30 to 50 ms           1    0.1 %\n"
	    "        50 to 70 ms          98    9.8 %  ########\n"
	    "      from 70 on ms           1    0.1 %\n"
	    "\n"
	    "Floor of latency: what a payment waits for on this machine when nothing else goes on\n"
	    "      1 x HTTP request and answer            60.5 us =      60 us\n"
	    "   1.75 x account signature checked          56.0 us =      98 us\n"
	    "   4.75 x replica's signature made           20.0 us =      95 us\n"
	    "      4 x write made durable                1,000 us =    4000 us\n"
	    "   3.75 x one way between replicas           8.00 us =      30 us\n"
	    "   4.75 x replica's signature checked        50.0 us =     238 us\n"
	    "  together 4.52 ms\n"
	    "  Request, check; forward (sign, hop, open, check) of the 75 % not handed in at the\n"
	    "  primary; PRE-PREPARE (2 sign, fsync, hop, 2 open); PREPARE and COMMIT (sign, fsync, hop,\n"
	    "  open each); fsync of the ledger, answer. Medians; a hop is one way with the waking.\n"
	    "\n"
	    "CPU time of one replica for one payment\n"
	    "  verify             62.50 us   73.3 %  #############################\n"
	    "  replica            20.25 us   23.8 %  ##########\n"
	    "  http                2.25 us    2.6 %  #\n"
	    "  others              0.25 us    0.3 %\n"
	    "  together           85.25 us, of which 55.50 us are the one signature\n"
	    "\n"
	    "Cost of one payment\n"
	    "  CPU       340 us of all replicas, 3.50 us of this program\n"
	    "  machine   98.5 % of its CPU time in use, 1.2 % by others\n"
	    "  disk      2.0 KiB written by each replica\n"
	    "  network   2.3 KiB between replicas, of all of them\n"
	    "  HTTP      355 B of requests and answers\n"
	    "\n"
	    "  replica  CPU us/tx  disk/tx  ledger/tx  memory, begin  end      most\n"
	    "  0        85.5       2.0 KiB  712 B      50.0 MiB       120 MiB  121 MiB\n"
	    "  1        85.5       2.0 KiB  -          50.0 MiB       120 MiB  121 MiB\n"
	    "\n"
	    "What else happened\n"
	    "views       1 change\n"
	    "refused     1,200 for the time being\n"
	    "            pool_full: 1,200\n"
	    "unfinished  10 due and not final when the run was over\n"
	    "killed      the primary, replica 2, at 0.1 s\n"
	    "            no final block for 2,240 ms then; 45.5 ms was the longest before\n"
	    "            started again at 0.3 s; 890 ms later it voted again\n"
	    "accepted    73,021 payments, each is final exactly once\n"
	    "audit       ok\n"
	    "            quorate audit: ok, 4 ledgers\n");
	free(text);
	said_free(&r);
}

/* Of the fields in the order in which they are written; ' is ". */
static void assert_json(const json_t *is, const char *want)
{
	char *quoted = xstrdup(want), *text = json_dumps(is, JSON_COMPACT | JSON_REAL_PRECISION(15));
	for (char *p = quoted; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	if (strcmp(text, quoted) != 0)
		fail_msg("is\n%s\nand should be\n%s", text, quoted);
	free(quoted);
	free(text);
}

static void says_everything_as_json(void **state)
{
	(void)state;
	struct bench_result r = said_result();
	said_sweep(&r);
	json_t *j = bench_json(&r);
	const char *name;
	json_t *value;
	size_t i = 0;
	static const char *const fields[][2] = {
	    {"throughput_tps", "[3150.0]"},
	    {"bound_tps", "[4500.0]"},
	    {"ratio", "[0.7]"},
	    {"latency_ms", "[{'p50':22.0,'p90':30.0,'p99':60.99,'p999':60.998,'max':5000.0}]"},
	    {"cpu_us_per_tx", "[340.0]"},
	    {"view_changes", "[1]"},
	    {"chain", "['ab']"},
	    {"replicas", "[4]"},
	    {"faulty_max", "[1]"},
	    {"replicas_here", "[4]"},
	    {"own_chain", "[true]"},
	    {"nodes", "[4]"},
	    {"load", "['sweep']"},
	    {"offered_tps", "[null]"},
	    {"accounts", "[512]"},
	    {"submitters", "[8]"},
	    {"batch", "[100]"},
	    {"interrupted", "[false]"},
	    {"seconds", "[20.0]"},
	    {"due", "[63010]"},
	    {"sent", "[63005]"},
	    {"final", "[63000]"},
	    {"unfinished", "[10]"},
	    {"refused", "[{'count':1200,'codes':{'pool_full':1200}}]"},
	    {"blocks", "[210]"},
	    {"tx_per_block", "[300.0]"},
	    {"bound", "[{'cores':2,'replicas':4,'seconds':1.0,'checks':18000,'checks_per_s':18000.0,"
	              "'check_us':55.5,'busy':0.99,'before_tps':4550.0,'after_tps':4450.0}]"},
	    {"floor", "[{'us':4521.0,'forwarded':0.75,'parts':[{'name':'http','us':60.5,'times':1.0},"
	              "{'name':'check','us':56.0,'times':1.75},{'name':'sign','us':20.0,'times':4.75},"
	              "{'name':'fsync','us':1000.0,'times':4.0},{'name':'hop','us':8.0,'times':3.75},"
	              "{'name':'open','us':50.0,'times':4.75}]}]"},
	    {"cpu_ratio", "[0.646]"},
	    {"roles", "[[{'name':'verify','cpu_us_per_tx':62.5},{'name':'replica',"
	              "'cpu_us_per_tx':20.25},{'name':'http','cpu_us_per_tx':2.25},{'name':'scrub',"
	              "'cpu_us_per_tx':0.15},{'name':'nng:timer','cpu_us_per_tx':0.1}]]"},
	    {"processes", "[[{'replica':0,'pid':4711,'cpu_us_per_tx':85.5,'roles':[{'name':'verify',"
	                  "'cpu_us_per_tx':63.0}],'rss_begin':52428800,'rss_end':125829120,"
	                  "'rss_max':126877696,'disk_bytes_per_tx':2048.0,'ledger_bytes_per_tx':712.0},"
	                  "{'replica':1,'pid':4712,'cpu_us_per_tx':85.5,'roles':[{'name':'verify',"
	                  "'cpu_us_per_tx':63.0}],'rss_begin':52428800,'rss_end':125829120,"
	                  "'rss_max':126877696,'disk_bytes_per_tx':2048.0,'ledger_bytes_per_tx':null}]]"},
	    {"generator_us_per_tx", "[3.5]"},
	    {"sign_us", "[75.0]"},
	    {"busy", "[0.985]"},
	    {"others", "[0.013]"},
	    {"wire_bytes_per_tx", "[2400.0]"},
	    {"http_bytes_per_tx", "[355.0]"},
	    {"disk_bytes_per_tx", "[2048.0]"},
	    {"ledger_bytes_per_tx", "[null]"},
	    {"histogram", "[[{'from_ms':2.0,'to_ms':3.0,'count':1},{'from_ms':3.0,'to_ms':5.0,'count':0},"
	                  "{'from_ms':5.0,'to_ms':7.0,'count':0},{'from_ms':7.0,'to_ms':10.0,'count':0},"
	                  "{'from_ms':10.0,'to_ms':15.0,'count':149},{'from_ms':15.0,'to_ms':20.0,"
	                  "'count':250},{'from_ms':20.0,'to_ms':30.0,'count':500},{'from_ms':30.0,"
	                  "'to_ms':50.0,'count':1},{'from_ms':50.0,'to_ms':70.0,'count':98},{'from_ms':70.0,"
	                  "'to_ms':100.0,'count':0},{'from_ms':100.0,'to_ms':150.0,'count':0},"
	                  "{'from_ms':150.0,'to_ms':200.0,'count':0},{'from_ms':200.0,'to_ms':300.0,"
	                  "'count':0},{'from_ms':300.0,'to_ms':500.0,'count':0},{'from_ms':500.0,"
	                  "'to_ms':700.0,'count':0},{'from_ms':700.0,'to_ms':1000.0,'count':0},"
	                  "{'from_ms':1000.0,'to_ms':1500.0,'count':0},{'from_ms':1500.0,'to_ms':2000.0,"
	                  "'count':0},{'from_ms':2000.0,'to_ms':3000.0,'count':0},{'from_ms':3000.0,"
	                  "'to_ms':5000.0,'count':0},{'from_ms':5000.0,'to_ms':7000.0,'count':1}]]"},
	    {"timeline", "[{'bin_ms':100,'final':[300,301,302,303,304],'events':[{'kind':'killed',"
	                 "'at_s':0.1,'replica':2},{'kind':'view','at_s':0.25,'view':3},{'kind':'started',"
	                 "'at_s':0.3,'replica':2},{'kind':'votes','at_s':0.4,'replica':2}]}]"},
	    {"sweep", "[[{'offered_tps':null,'throughput_tps':3150.0,'latency_ms':{'p50':40.0,"
	              "'p90':60.0,'p99':90.0,'p999':120.0,'max':200.0},'final':63000,'refused':1200,"
	              "'unfinished':3,'cpu_us_per_tx':340.0},{'offered_tps':600.0,'throughput_tps':0.0,"
	              "'latency_ms':{'p50':null,'p90':null,'p99':null,'p999':null,'max':null},'final':0,"
	              "'refused':0,'unfinished':0,'cpu_us_per_tx':null}]]"},
	    {"kill", "[{'replica':2,'at_s':0.1,'gap_ms':2240.0,'gap_before_ms':45.5,'restart_s':0.3,"
	             "'rejoin_ms':890.0}]"},
	    {"audit", "[{'ok':true,'accounted':73021,'missing':0,'twice':0,'said':'quorate audit: ok,"
	              " 4 ledgers'}]"},
	};
	json_object_foreach(j, name, value)
	{
		assert_true(i < sizeof fields / sizeof *fields);
		assert_string_equal(name, fields[i][0]);
		json_t *alone = json_pack("[O]", value);
		assert_json(alone, fields[i++][1]);
		json_decref(alone);
	}
	assert_int_equal(i, sizeof fields / sizeof *fields);
	json_decref(j);
	said_free(&r);
}

static void numbers_are_printed_as_short_as_they_are(void **state)
{
	(void)state;
	struct bench_result r = said_result();
	char *text = said(&r, true);
	assert_non_null(strstr(text, "\"ratio\": 0.7,"));
	free(text);
	said_free(&r);
}

static void assert_says(const struct bench_result *r, const char *words)
{
	char *text = said(r, false);
	if (strstr(text, words) == NULL)
		fail_msg("'%s' is not in: %s", words, text);
	free(text);
}

static void assert_silent(const struct bench_result *r, const char *words)
{
	char *text = said(r, false);
	if (strstr(text, words) != NULL)
		fail_msg("'%s' is in: %s", words, text);
	free(text);
}

static void says_of_what_load_it_was(void **state)
{
	(void)state;
	struct bench_result r = said_result();
	r.load = BENCH_RATE;
	r.offered_tps = 1500;
	assert_says(&r, "load        1,500 payments a second, for 20.0 s\n");
	assert_says(&r, "  together 4.52 ms; the median payment took 4.9 times that\n");
	r.here = 2;
	assert_says(&r, "chain       4 replicas, 2 of them on this machine; bears 1 traitor\n");
	r.load = BENCH_OVERLOAD;
	r.offered_tps = 45000;
	assert_says(&r, "45,000 payments a second, ten times the bound");
	said_sweep(&r);
	assert_says(&r, "  saturated     3,150       70.0 %    40.0    60.0  90.0  120    1,200    340\n");
	assert_says(&r, "  600           0           0.0 %     0.00    0.00  0.00  0.00   0        -\n");
	said_free(&r);
}

static void warns_where_the_numbers_are_worth_less(void **state)
{
	(void)state;
	struct bench_result r = said_result();
	assert_silent(&r, "machine changed");
	assert_silent(&r, "others used");
	r.bound_after = 4000;
	assert_says(&r, "12.9 % apart");
	assert_says(&r, "the machine changed meanwhile");
	r.bound_after = 5200; /* the other way */
	assert_says(&r, "the machine changed meanwhile");
	assert_silent(&r, "others used");
	r.others = 0.07;
	assert_says(&r, "others used 7.0 % of this machine during the run");
	r.bound.busy = 0.9;
	assert_says(&r, "others used this machine while the bound was measured");
	r.bound_after = 0;
	r.interrupted = true;
	assert_says(&r, "measured before the run only");
	assert_says(&r, "interrupted: less was measured");
	said_free(&r);
}

static void says_when_payments_are_missing_or_final_twice(void **state)
{
	(void)state;
	struct bench_result r = said_result();
	assert_says(&r, "accepted    73,021 payments, each is final exactly once\naudit       ok\n");
	r.audit_ok = false;
	r.missing = 3;
	assert_says(&r, "3 of them are not final, 0 are final twice\naudit       FAILED\n");
	r.missing = 0;
	r.twice = 1;
	assert_says(&r, "0 of them are not final, 1 are final twice\n");
	r.audited = false; /* of a running chain that much is known all the same */
	assert_silent(&r, "audit");
	assert_says(&r, "1 are final twice\n");
	json_t *j = bench_json(&r), *audit = json_object_get(j, "audit");
	assert_true(json_is_null(json_object_get(audit, "ok")));
	assert_int_equal(json_integer_value(json_object_get(audit, "twice")), 1);
	json_decref(j);
	said_free(&r);
}

static void bears_a_run_in_which_nothing_happened(void **state)
{
	(void)state;
	struct bench_result r = {.n = 1, .load = BENCH_RATE, .cpu_us_per_tx = -1, .kill.rejoin_ms = -1};
	assert_says(&r, "no payment became final in that time");
	json_t *j = bench_json(&r);
	assert_true(json_is_null(json_object_get(json_object_get(j, "latency_ms"), "p50")));
	assert_true(json_is_null(json_object_get(j, "cpu_us_per_tx")));
	assert_true(json_is_null(json_object_get(j, "cpu_ratio")));
	assert_true(json_is_null(json_object_get(j, "floor")));
	assert_true(json_is_null(json_object_get(j, "kill")));
	assert_true(json_is_null(json_object_get(json_object_get(j, "audit"), "ok")));
	json_decref(j);
	r.ratio = NAN; /* of nothing */
	r.kill.done = true;
	j = bench_json(&r);
	assert_true(json_is_null(json_object_get(j, "ratio")));
	assert_true(json_is_null(json_object_get(json_object_get(j, "kill"), "rejoin_ms")));
	json_decref(j);
	assert_says(&r, "not seen to vote since");
}

/* ---- buckets ------------------------------------------------------------------------------------------ */

static void buckets_hold_every_sample_once(void **state)
{
	(void)state;
	static const uint32_t us[] = {0, 1, 1, 9, 10, 11, 999, 1000, 1499, 1500, 70000, 4294967295u};
	size_t cnt = sizeof us / sizeof *us;
	for (int scale = BENCH_COARSE; scale <= BENCH_FINE; scale++) {
		struct bench_bucket b[BENCH_BUCKETS_MAX];
		size_t used = bench_buckets(us, cnt, (enum bench_scale)scale, b);
		uint64_t sum = 0;
		assert_true(used > 1 && used <= BENCH_BUCKETS_MAX);
		for (size_t i = 0; i < used; i++) {
			uint64_t want = 0;
			for (size_t k = 0; k < cnt; k++)
				want += (us[k] >= 1000 * b[i].from_ms - 1e-9 || i == 0) &&
				        us[k] < 1000 * b[i].to_ms - 1e-9;
			assert_true(i == 0 || fabs(b[i].from_ms - b[i - 1].to_ms) < 1e-12 * b[i].from_ms);
			assert_int_equal(b[i].cnt, want);
			sum += b[i].cnt;
		}
		assert_int_equal(sum, cnt);
		assert_true(b[0].cnt > 0 && b[used - 1].cnt > 0);
		assert_int_equal(bench_buckets(us, 0, (enum bench_scale)scale, b), 0);
	}
}

static void a_bucket_begins_with_its_lower_edge(void **state)
{
	(void)state;
	struct bench_bucket b[BENCH_BUCKETS_MAX];
	assert_int_equal(bench_buckets((const uint32_t[]){1500}, 1, BENCH_COARSE, b), 1);
	assert_true(fabs(b[0].from_ms - 1.5) < 1e-9 && fabs(b[0].to_ms - 2) < 1e-9);
	assert_int_equal(bench_buckets((const uint32_t[]){1499, 2000}, 2, BENCH_COARSE, b), 3);
	assert_true(fabs(b[0].from_ms - 1) < 1e-9 && b[1].cnt == 0 && fabs(b[2].to_ms - 3) < 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_everything_to_people),
	    cmocka_unit_test(says_everything_as_json),
	    cmocka_unit_test(numbers_are_printed_as_short_as_they_are),
	    cmocka_unit_test(says_of_what_load_it_was),
	    cmocka_unit_test(warns_where_the_numbers_are_worth_less),
	    cmocka_unit_test(says_when_payments_are_missing_or_final_twice),
	    cmocka_unit_test(bears_a_run_in_which_nothing_happened),
	    cmocka_unit_test(buckets_hold_every_sample_once),
	    cmocka_unit_test(a_bucket_begins_with_its_lower_edge),
	};
	setenv("NO_COLOR", "1", 1);
	return cmocka_run_group_tests_name("bench_report", tests, NULL, NULL);
}
