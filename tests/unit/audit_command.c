/*
 * `quorate audit` as people and scripts meet it: who forked a chain, in words and as JSON; the evidence as a
 * file; arguments that are wrong.
 *
 * Links: q_program
 */
#include "forked.h"

#include <jansson.h>
#include <sys/wait.h>

#include "audit_report.h"
#include "cmd.h"
#include "evidence_file.h"

struct outcome {
	int code;
	char *out, *errs;
};

static char *slurp(FILE *f)
{
	size_t len = (size_t)lseek(fileno(f), 0, SEEK_END);
	char *text = xcalloc(len + 1, 1);

	assert_int_equal(pread(fileno(f), text, len, 0), (ssize_t)len);
	fclose(f);
	return text;
}

/* What it prints, in a process of its own: wrong usage ends that. */
static struct outcome outcome_of(int (*act)(void *ctx), void *ctx)
{
	FILE *out = tmpfile(), *errs = tmpfile();
	int status;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fileno(out), STDOUT_FILENO);
		dup2(fileno(errs), STDERR_FILENO);
		int code = act(ctx);
		fflush(NULL);
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return (struct outcome){WEXITSTATUS(status), slurp(out), slurp(errs)};
}

/* argv ends with NULL. */
static int command(void *ctx)
{
	char **argv = ctx;
	int argc = 0;

	while (argv[argc])
		argc++;
	return cmd_audit(argc, argv);
}

static void drop(struct outcome *o)
{
	free(o->out);
	free(o->errs);
}

static void assert_in(const char *words, const char *text)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in: %s", words, text);
}

static void assert_not_in(const char *words, const char *text)
{
	if (strstr(text, words))
		fail_msg("'%s' is in: %s", words, text);
}

/* ---- ledgers with a genesis file ---------------------------------------------------- */

struct scene {
	struct story *s;
	const char *paths[LEDGERS_MAX];
	size_t cnt;
	char genesis[96], evidence[96];
};

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static struct scene open_scene(struct story *s)
{
	struct scene x = {.s = s};
	char *text = genesis_format(&s->r.g);

	x.cnt = close_all(s, x.paths);
	snprintf(x.genesis, sizeof x.genesis, "%.60s/genesis.json", s->dir);
	snprintf(x.evidence, sizeof x.evidence, "%.60s/fork.json", s->dir);
	write_text(x.genesis, text);
	free(text);
	return x;
}

static void close_scene(struct scene *x)
{
	unlink(x->genesis);
	unlink(x->evidence);
	end(x->s);
}

/* Of all its ledgers; more arguments, or NULL. */
static struct outcome audit_scene(const struct scene *x, const char *one, const char *two, const char *three)
{
	const char *argv[16] = {"quorate audit", "--genesis", x->genesis};
	size_t cnt = 3;

	for (size_t i = 0; i < x->cnt; i++)
		argv[cnt++] = x->paths[i];
	argv[cnt++] = one;
	argv[cnt++] = two;
	argv[cnt++] = three;
	return outcome_of(command, argv);
}

/* Replicas 1 and 2 committed block 4 of A in view 0, and hid that when they asked for view 1. */
static struct scene hidden_commit(void)
{
	struct story *s = tell(4, 2);

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 1, 0xe);
	journal(s->open[B], enters(s, 1, 0xe, 0xe, &(struct reports){0}));
	return open_scene(s);
}

static struct scene same_view(void)
{
	struct story *s = tell(4, 2);

	holds(s, A, A, 4, 2, 0x7);
	holds(s, B, B, 3, 2, 0xd);
	return open_scene(s);
}

/* ---- who forked --------------------------------------------------------------------- */

static void says_who_forked_in_one_view(void **state)
{
	(void)state;
	struct scene x = same_view();
	struct outcome o = audit_scene(&x, NULL, NULL, NULL);

	assert_int_equal(o.code, 1);
	assert_in("TRANSACTIONS  VERDICT\n", o.out);
	assert_in("forked\n", o.out);
	assert_in(
	    "\nforked: a quorum signed this chain and another quorum a different one: more than f replicas "
	    "lied\n",
	    o.out);
	assert_in("The ledgers hold different blocks from height 3 on:\n  A  ", o.out);
	assert_in("\n    proposed by replica 0 (replica-0), 2023-11-14 22:13:20 UTC, 1 transaction\n", o.out);
	assert_in("    final by COMMITs for height 4 in view 2, signed by replica 0 (replica-0), replica 1 "
	          "(replica-1), replica 2 (replica-2)\n",
	          o.out);
	assert_in("    final by COMMITs for height 3 in view 2, signed by replica 0 (replica-0), replica 2",
	          o.out);
	assert_in("Both were committed in view 2.", o.out);
	assert_in(
	    "\n  replica 0 (replica-0) signed both COMMITs\n  replica 2 (replica-2) signed both COMMITs\n",
	    o.out);
	assert_not_in("replica 1 (replica-1) signed both", o.out);
	assert_in("--evidence FILE writes the proof", o.out);
	assert_in("\n\nfailed: the ledgers diverge\n", o.out);
	drop(&o);
	close_scene(&x);
}

static void says_who_hid_a_commit(void **state)
{
	(void)state;
	struct scene x = hidden_commit();
	struct outcome o = audit_scene(&x, NULL, NULL, NULL);

	assert_int_equal(o.code, 1);
	assert_in("A was committed in view 0, and the NEW-VIEW of view 1 dropped it.", o.out);
	assert_in("\n  replica 1 (replica-1) signed the COMMIT for A in view 0; its VIEW-CHANGE for view 1 "
	          "hides what "
	          "that proves\n  replica 2 (replica-2) signed the COMMIT",
	          o.out);
	assert_not_in("replica 0 (replica-0) signed the COMMIT", o.out);
	assert_not_in("replica 3 (replica-3) signed the COMMIT", o.out);
	drop(&o);
	close_scene(&x);
}

static void says_who_prepared_two_blocks(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);
	struct reports a = {.from = 3, .to = 4, .line = A}, b = {.from = 3, .to = 3, .line = B};
	struct qenvelope changes[] = {view_change(s, 0, 1, &b), view_change(s, 1, 1, &a),
	                              view_change(s, 2, 1, &a)};

	holds(s, A, A, 4, 0, 0xe);
	holds(s, B, B, 3, 1, 0x7);
	journal(s->open[B], new_view(s, 1, changes, 3));
	struct scene x = open_scene(s);
	struct outcome o = audit_scene(&x, NULL, NULL, NULL);
	assert_in("an honest replica prepares one, so these lied:\n", o.out);
	assert_in("\n  replica 2 (replica-2) signed PREPAREs for two blocks in view 0 at height 3\n", o.out);
	drop(&o);
	close_scene(&x);
}

static void says_who_signed_two_checkpoints(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds_checkpoint(s, A, A, 4, 0x7);
	holds_checkpoint(s, B, B, 4, 0xe);
	struct scene x = open_scene(s);
	struct outcome o = audit_scene(&x, NULL, NULL, NULL);
	assert_in("    final by CHECKPOINTs for height 4, signed by", o.out);
	assert_in("Both were signed as the checkpoint of height 4.", o.out);
	assert_in("\n  replica 1 (replica-1) signed both CHECKPOINTs\n", o.out);
	drop(&o);
	close_scene(&x);
}

static void says_what_it_lacks_to_name_anybody(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 1, 0xe);
	struct scene x = open_scene(s);
	struct outcome o = audit_scene(&x, NULL, NULL, NULL);
	assert_int_equal(o.code, 1);
	assert_in("More than f = 1 replicas lied, but these ledgers do not show which:\n", o.out);
	assert_in("and of view 1 there is no NEW-VIEW in these ledgers", o.out);
	drop(&o);
	close_scene(&x);
}

static void blames_no_replica_for_a_block_without_certificate(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds(s, A, A, 4, 2, 0x7);
	holds(s, B, B, 3, 2, 0x1);
	struct scene x = open_scene(s);
	struct outcome o = audit_scene(&x, NULL, NULL, NULL);
	assert_int_equal(o.code, 1);
	assert_in("\ntampered: somebody who can write the file changed it", o.out);
	assert_in("    no certificate that holds covers it\n", o.out);
	assert_in("no replica is to blame for it", o.out);
	assert_not_in("--evidence", o.out);
	assert_in("failed: 1 of 2 ledgers cannot be proven, and they diverge\n", o.out);
	drop(&o);
	close_scene(&x);
}

/* ---- JSON -----------------------------------------------------------------------------------------------
 */

static json_t *json_of(const struct outcome *o)
{
	json_error_t error;
	json_t *json = json_loads(o->out, 0, &error);

	if (!json)
		fail_msg("%s: %s", error.text, o->out);
	return json;
}

static const char *text_at(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	assert_non_null(text);
	return text;
}

static int number_at(const json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return (int)json_integer_value(json_object_get(o, key));
}

static void json_has_all_that_the_words_say(void **state)
{
	(void)state;
	struct scene x = hidden_commit();
	struct outcome o = audit_scene(&x, "--json", "--evidence", x.evidence);
	json_t *r = json_of(&o);
	const json_t *d = json_object_get(r, "divergence"), *blocks = json_object_get(d, "blocks");
	const json_t *a = json_array_get(blocks, 0), *culprits = json_object_get(d, "culprits");
	const json_t *l = json_array_get(json_object_get(r, "ledgers"), 1);

	assert_int_equal(o.code, 1);
	assert_string_equal(text_at(r, "verdict"), "failed");
	assert_string_equal(text_at(l, "standing"), "forked");
	assert_string_equal(text_at(l, "verdict"), "ok"); /* nothing is wrong with it by itself */
	assert_in("more than f replicas lied", text_at(l, "meaning"));
	assert_int_equal(number_at(l, "since"), 0);
	assert_int_equal(number_at(d, "height"), 3);
	assert_string_equal(text_at(d, "blame"), "view_change");
	assert_int_equal(number_at(d, "dropped_in"), 1);
	assert_true(json_is_null(json_object_get(d, "missing")));
	assert_string_equal(text_at(d, "evidence"), x.evidence);
	assert_int_equal(json_array_size(culprits), 2);
	assert_int_equal(number_at(json_array_get(culprits, 0), "replica"), 1);
	assert_string_equal(text_at(json_array_get(culprits, 1), "name"), "replica-2");
	assert_int_equal(json_array_size(blocks), 2);
	assert_int_equal(number_at(a, "proposer"), 0);
	assert_int_equal(number_at(a, "transactions"), 1);
	assert_string_equal(text_at(a, "certificate"), "commit");
	assert_int_equal(number_at(a, "view"), 0);
	assert_int_equal(number_at(a, "certified_by"), 4);
	assert_int_equal(json_array_size(json_object_get(a, "signers")), 3);
	assert_true(number_at(json_object_get(r, "speed"), "signatures") > 0);
	assert_true(json_is_real(json_object_get(json_object_get(r, "speed"), "seconds")));
	json_decref(r);
	drop(&o);
	close_scene(&x);
}

static void json_says_what_is_missing(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds(s, A, A, 4, 0, 0x7);
	holds(s, B, B, 3, 1, 0xe);
	struct scene x = open_scene(s);
	struct outcome o = audit_scene(&x, "--json", NULL, NULL);
	json_t *r = json_of(&o);
	const json_t *d = json_object_get(r, "divergence");
	assert_string_equal(text_at(d, "blame"), "unknown");
	assert_in("of view 1 there is no NEW-VIEW", text_at(d, "missing"));
	assert_true(json_is_null(json_object_get(d, "dropped_in")));
	assert_true(json_is_null(json_object_get(d, "evidence")));
	json_decref(r);
	drop(&o);
	close_scene(&x);
}

/* ---- the evidence ------------------------------------------------------------------- */

static void writes_evidence_that_stands_alone(void **state)
{
	(void)state;
	struct scene x = hidden_commit();
	struct outcome o = audit_scene(&x, "--evidence", x.evidence, NULL);
	struct qevidence ev;
	struct err err = {0};
	struct evidence_facts facts;
	char how[256];

	assert_int_equal(o.code, 1);
	snprintf(how, sizeof how, "quorate evidence verify %s --genesis %s\n", x.evidence, x.genesis);
	assert_in(how, o.out);
	if (!evidence_read(&x.s->r.g, x.evidence, &ev, &err) || !evidence_verify(&x.s->r.g, &ev, &err))
		fail_msg("%s", err.text);
	assert_true(evidence_facts(&x.s->r.g, &ev, &facts));
	assert_int_equal(facts.culprits, 0x6);
	wire_free(WIRE(qevidence), &ev);
	drop(&o);
	close_scene(&x);
}

static void overwrites_nothing(void **state)
{
	(void)state;
	struct scene x = same_view();
	char text[8] = {0};

	write_text(x.evidence, "mine");
	struct outcome o = audit_scene(&x, "--evidence", x.evidence, NULL);
	assert_int_equal(o.code, 2);
	assert_in("is there already", o.errs);
	assert_string_equal(o.out, ""); /* it has not even begun */
	FILE *f = fopen(x.evidence, "r");
	assert_non_null(f);
	assert_int_equal(fread(text, 1, 7, f), 4);
	assert_string_equal(text, "mine");
	fclose(f);
	drop(&o);
	close_scene(&x);
}

static void says_that_there_is_no_fork_to_write(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds(s, A, A, 4, 2, 0x7);
	holds(s, B, A, 3, 2, 0xe);
	struct scene x = open_scene(s);
	struct outcome o = audit_scene(&x, "--evidence", x.evidence, NULL);
	assert_int_equal(o.code, 0); /* the verdict's */
	assert_in("no fork was found, so nothing is written to", o.errs);
	assert_int_not_equal(access(x.evidence, F_OK), 0);
	assert_in("\nbehind: everything in it holds, but there are later blocks that it does not have\n",
	          o.out);
	assert_in("\nok: 2 ledgers tell one story: height 4,", o.out);
	drop(&o);
	close_scene(&x);
}

static void says_where_evidence_cannot_be_written(void **state)
{
	(void)state;
	struct scene x = same_view();
	struct outcome o = audit_scene(&x, "--evidence", "/nowhere/fork.json", NULL);

	assert_int_equal(o.code, 3);
	assert_in("/nowhere/fork.json: cannot be written", o.errs);
	assert_in("failed: the ledgers diverge\n", o.out); /* the report is there all the same */
	assert_not_in("The proof is in", o.out);
	drop(&o);
	close_scene(&x);
}

/* ---- speed -------------------------------------------------------------------------- */

struct words {
	const struct audit_report *report;
	struct audit_said said;
};

static int print_words(void *ctx)
{
	const struct words *w = ctx;

	audit_print_text(w->report, &w->said);
	return 0;
}

static void says_how_fast_it_was_if_that_was_measured(void **state)
{
	(void)state;
	struct story *s = tell(4, 0);
	struct audit_ledger l = {.path = "a.db", .ok = true};
	struct audit_report r = {
	    .ok = true,
	    .ledgers = &l,
	    .ledger_cnt = 1,
	    .speed = {.accounts = 41000, .replicas = 233, .seconds = 1.1, .bound_seconds = 0.924}};
	struct words w = {&r, {.genesis = &s->r.g, .threads = 2}};

	struct outcome o = outcome_of(print_words, &w);
	assert_in("\n41,233 signatures in 1.1 s: 84 % of what 2 threads can verify\n\nok: ", o.out);
	drop(&o);
	r.speed.accounts = 999000;
	w.said.threads = 1;
	o = outcome_of(print_words, &w);
	assert_in("\n999,233 signatures in 1.1 s: 84 % of what 1 thread can verify\n", o.out);
	drop(&o);
	r.speed.bound_seconds = 0;
	o = outcome_of(print_words, &w);
	assert_not_in("signatures in", o.out);
	drop(&o);
	end(s);
}

/* ---- arguments ---------------------------------------------------------------------- */

static void refuses_what_is_no_height(void **state)
{
	static const char *const heights[] = {"abc", "-1", "0", "1x", "9223372036854775808"};

	(void)state;
	struct scene x = same_view();
	for (size_t i = 0; i < sizeof heights / sizeof *heights; i++) {
		struct outcome o = audit_scene(&x, "--since", heights[i], NULL);
		assert_int_equal(o.code, 2);
		assert_in("a height is a number above 0", o.errs);
		assert_string_equal(o.out, "");
		drop(&o);
	}
	close_scene(&x);
}

static void says_where_it_began(void **state)
{
	(void)state;
	struct story *s = tell(4, 2);

	holds_checkpoint(s, A, A, 4, 0x7);
	holds(s, A, A, 6, 1, 0x7);
	holds_checkpoint(s, B, B, 4, 0xe);
	struct scene x = open_scene(s);
	struct outcome o = audit_scene(&x, "--since", "5", NULL);
	assert_int_equal(o.code, 1);
	assert_in("different blocks from height 4 on, if not from below, where this audit did not look:",
	          o.out);
	drop(&o);
	x.cnt = 1;
	o = audit_scene(&x, "--since", "5", NULL);
	assert_int_equal(o.code, 0);
	assert_in("height 6, 2 transactions above the checkpoint at 4, every signature holds", o.out);
	drop(&o);
	o = audit_scene(&x, "--since", "5", "--json");
	json_t *r = json_of(&o);
	assert_int_equal(number_at(json_array_get(json_object_get(r, "ledgers"), 0), "since"), 4);
	json_decref(r);
	drop(&o);
	close_scene(&x);
}

static void refuses_one_ledger_twice(void **state)
{
	(void)state;
	struct scene x = same_view();
	char link[96], detour[128];

	snprintf(link, sizeof link, "%.60s/link.db", x.s->dir);
	snprintf(detour, sizeof detour, "%.60s/../%s/0.db", x.s->dir, strrchr(x.s->dir, '/') + 1);
	assert_int_equal(symlink(x.paths[0], link), 0);
	const char *const others[] = {x.paths[0], link, detour};
	for (size_t i = 0; i < 3; i++) {
		struct outcome o = audit_scene(&x, others[i], NULL, NULL);
		assert_int_equal(o.code, 2);
		assert_in("are one ledger; name each once", o.errs);
		drop(&o);
	}
	unlink(link);
	close_scene(&x);
}

static void names_both_chains_and_what_to_do(void **state)
{
	(void)state;
	struct scene x = same_view();
	struct place other = x.s->places[2];
	char theirs[QHASH_HEX], ours[QHASH_HEX];

	rules_setup(&other.rules, 4, "another");
	snprintf(other.path, sizeof other.path, "%.60s/other.db", x.s->dir);
	ledger_close(open_ledger(&other));
	struct outcome o = audit_scene(&x, other.path, NULL, NULL);
	assert_int_equal(o.code, 2);
	assert_in(hex_encode(theirs, other.rules.g.chain.b, 32), o.errs);
	assert_in(hex_encode(ours, x.s->r.g.chain.b, 32), o.errs);
	assert_in("audit it with the genesis of its own chain", o.errs);
	assert_string_equal(o.out, "");
	place_remove(&other);
	rules_teardown(&other.rules);
	drop(&o);
	close_scene(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_who_forked_in_one_view),
	    cmocka_unit_test(says_who_hid_a_commit),
	    cmocka_unit_test(says_who_prepared_two_blocks),
	    cmocka_unit_test(says_who_signed_two_checkpoints),
	    cmocka_unit_test(says_what_it_lacks_to_name_anybody),
	    cmocka_unit_test(blames_no_replica_for_a_block_without_certificate),
	    cmocka_unit_test(json_has_all_that_the_words_say),
	    cmocka_unit_test(json_says_what_is_missing),
	    cmocka_unit_test(writes_evidence_that_stands_alone),
	    cmocka_unit_test(overwrites_nothing),
	    cmocka_unit_test(says_that_there_is_no_fork_to_write),
	    cmocka_unit_test(says_where_evidence_cannot_be_written),
	    cmocka_unit_test(says_how_fast_it_was_if_that_was_measured),
	    cmocka_unit_test(refuses_what_is_no_height),
	    cmocka_unit_test(says_where_it_began),
	    cmocka_unit_test(refuses_one_ledger_twice),
	    cmocka_unit_test(names_both_chains_and_what_to_do),
	};

	return cmocka_run_group_tests_name("audit_command", tests, NULL, NULL);
}
