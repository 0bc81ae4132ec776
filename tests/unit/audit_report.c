/*
 * What `quorate audit` prints of seals, turns and stake: the command itself, on ledgers that a genesis file
 * goes with.
 *
 * Links: q_program
 */
#include "stakestory.h"

#include <jansson.h>

#include "cmd.h"

static int make_fixture(void **state)
{
	struct rules rules;

	story_setup(&rules, 10);
	*state = fixture = fixture_of(rules);
	tell_stakes(&fixture->honest.rules, &fixture->chain, STORY_HEIGHT);
	write_story(&fixture->honest, &fixture->chain);
	return 0;
}

/* A genesis file beside the ledgers. */
static const char *genesis_path(const struct place *p, char path[96])
{
	char *text = genesis_format(&p->rules.g);
	FILE *out;

	snprintf(path, 96, "%.60s/genesis.json", p->dir);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
	free(text);
	return path;
}

/* What the command says of one ledger; the caller frees it. */
static char *said(const struct fixture *f, const char *ledger, bool json, int *code)
{
	char genesis[96], *text = NULL;
	size_t len = 0;
	FILE *file = tmpfile();
	char *argv[] = {"audit",
	                (char *)ledger,
	                "--genesis",
	                (char *)genesis_path(&f->honest, genesis),
	                json ? "--json" : NULL,
	                NULL};

	assert_non_null(file);
	fflush(stdout);
	int kept = dup(STDOUT_FILENO);
	assert_true(kept >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
	*code = cmd_audit(json ? 5 : 4, argv);
	fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	close(kept);
	len = (size_t)lseek(fileno(file), 0, SEEK_END);
	text = xcalloc(len + 1, 1);
	assert_int_equal(pread(fileno(file), text, len, 0), (ssize_t)len);
	fclose(file);
	unlink(genesis);
	return text;
}

static void assert_said(const struct fixture *f, const char *ledger, int code, const char *words)
{
	int is;
	char *text = said(f, ledger, false, &is);

	if (is != code || !strstr(text, words))
		fail_msg("exit %d, and '%s' is not in: %s", is, words, text);
	free(text);
}

/* Its only finding. */
static void assert_finding(const struct fixture *f, const char *ledger, const char *kind, int height,
                           const char *where, const char *words)
{
	int code;
	char *text = said(f, ledger, true, &code);
	json_t *report = json_loads(text, 0, NULL);
	const json_t *list =
	    json_object_get(json_array_get(json_object_get(report, "ledgers"), 0), "findings");
	const json_t *x = json_array_get(list, 0);

	assert_int_equal(code, 1);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(x, "kind")), kind);
	assert_int_equal(json_integer_value(json_object_get(x, "height")), height);
	assert_string_equal(json_string_value(json_object_get(x, "where")), where);
	assert_non_null(strstr(json_string_value(json_object_get(x, "message")), words));
	json_decref(report);
	free(text);
}

/* ---- stake and turns --------------------------------------------------------------------- */

static void says_that_stakes_add_up(void **state)
{
	struct fixture *f = *state;

	assert_said(
	    f, f->copy.path, 0,
	    "height 40, 53 transactions, every signature holds, stakes and penalties add up, no output was "
	    "spent twice");
}

static void shows_a_block_by_a_replica_that_had_no_turn(void **state)
{
	struct fixture *f = *state;
	struct chain c = {0};

	tell_stakes_wrongly(&f->chain, &c, 26, 1); /* convicted, without a turn in any view */
	write_story(&f->other, &c);
	free_chain(&c);
	assert_said(f, f->other.path, 1,
	            "  26      proposer  blocks(height=26).proposer  replica 1 proposed");
	assert_finding(f, f->other.path, "proposer", 26, "blocks(height=26).proposer",
	               "has no turn at this height in any view");
}

static void shows_an_edited_stake(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "UPDATE stakes SET delegated = 1000 WHERE height = 8 AND replica = 2");
	assert_said(f, f->copy.path, 1,
	            "  8       altered  stakes(height=8,replica=2).delegated  is 1000, must be 300");
	assert_finding(f, f->copy.path, "altered", 8, "stakes(height=8,replica=2).delegated", "must be 300");
}

/* ---- seals ----------------------------------------------------------------------------------- */

/* A chain of two blocks with a proof of work of 4 bits; a nonce of the second that is none, if asked. */
static void write_sealed(const struct place *p, bool honest)
{
	const struct rules *r = &p->rules;
	struct chain c = {0};
	struct seal_parent below;

	seal_genesis(&r->g, &below);
	for (unsigned h = 1; h <= 2; h++) {
		struct block *b = pass_on(r, &c, h);
		struct qheader q = b->header;
		seals_put(r, &below, &q);
		if (h == 2 && !honest)
			seals_mine(&q, false);
		seal_extend(&below, &q);
		c.blocks[h] = with_header(b, &q);
	}
	struct ledger *l = open_ledger(p);
	append_run(l, &c, 1, 2, commit_at(r, &c, 2));
	commit(l);
	ledger_close(l);
	free_chain(&c);
}

static void shows_a_seal_that_does_not_hold(void **state)
{
	struct fixture *f = *state, beside = *f;

	seals_setup(&beside.honest.rules, 4, "sealed", 4, 4, 0);
	beside.other.rules = beside.honest.rules;
	write_sealed(&beside.other, true);
	assert_said(&beside, beside.other.path, 0, "every signature holds, every seal holds, no output");
	place_remove(&beside.other);
	write_sealed(&beside.other, false);
	assert_said(&beside, beside.other.path, 1,
	            "  2       seal  blocks(height=2).header  the proof of work");
	assert_finding(&beside, beside.other.path, "seal", 2, "blocks(height=2).header", "does not hold");
	rules_teardown(&beside.honest.rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(says_that_stakes_add_up),
	    TEST(shows_a_block_by_a_replica_that_had_no_turn),
	    TEST(shows_an_edited_stake),
	    TEST(shows_a_seal_that_does_not_hold),
	};

	return cmocka_run_group_tests_name("audit_report", tests, make_fixture, drop_fixture);
}
