/*
 * The scrub: passes an honest ledger while it grows, in slices of any size, and finds every edited row.
 *
 * Links: q_ledger
 */
#include "scrub.h"
#include "audited.h"
#include "edits.h"

static struct scrub *begin(const struct fixture *f, const struct place *p, unsigned to_height)
{
	struct err err = {0};
	struct scrub *s =
	    scrub_begin(p->path, &p->rules.g, qheight_of(to_height), &f->chain.blocks[to_height]->hash, &err);

	if (!s)
		fail_msg("%s", err.text);
	return s;
}

/* All its steps, of so many blocks each. */
static enum scrub_verdict finish(struct scrub *s, unsigned blocks, struct err *err)
{
	enum scrub_verdict v;

	while ((v = scrub_step(s, blocks, err)) == SCRUB_MORE)
		;
	return v;
}

static enum scrub_verdict scrub(const struct fixture *f, const struct place *p, unsigned blocks,
                                struct err *err)
{
	struct scrub *s = begin(f, p, HEIGHT);
	enum scrub_verdict v = finish(s, blocks, err);

	scrub_end(s);
	return v;
}

static void assert_whole(enum scrub_verdict v, const struct err *err)
{
	if (v != SCRUB_WHOLE)
		fail_msg("verdict %d: %s", (int)v, err->text);
}

static void passes_an_honest_ledger_in_slices_of_any_size(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	for (unsigned blocks = 1; blocks <= HEIGHT + 2; blocks++) {
		struct scrub *s = begin(f, &f->copy, HEIGHT);
		unsigned steps = 0;
		enum scrub_verdict v = SCRUB_MORE;
		for (; v == SCRUB_MORE; steps++) {
			assert_int_equal(scrub_height(s).n,
			                 steps * blocks < HEIGHT ? steps * blocks : HEIGHT);
			v = scrub_step(s, blocks, &err);
		}
		assert_whole(v, &err);
		assert_int_equal(scrub_height(s).n, HEIGHT);
		assert_true(steps > HEIGHT / blocks);
		assert_int_equal(scrub_step(s, blocks, &err), SCRUB_WHOLE); /* and stays it */
		scrub_end(s);
	}
}

/* What is above is not judged, be it there or not; the block's own height may be anywhere in a run. */
static void ends_at_any_height(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	for (unsigned h = 1; h <= HEIGHT; h++) {
		struct scrub *s = begin(f, &f->copy, h);
		assert_whole(finish(s, 3, &err), &err);
		assert_int_equal(scrub_height(s).n, h);
		scrub_end(s);
	}
}

/* ---- edits --------------------------------------------------------------------------------------- */

/* Edits that a scrub leaves to the audit: of rows above the last block that is judged, and of what is no row.
 */
static bool is_beyond(const struct edit *e)
{
	static const char *const beyond[] = {
	    "file",
	    "blocks(height=11).header",
	    "transactions(seq=12)",
	    "outputs(tx=12,position=0)",
	    "inputs(tx=99,position=0)",
	    "certificates(height=11)",
	    "signers(height=99,replica=3)",
	};

	for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
		if (strcmp(e->where, beyond[i]) == 0)
			return true;
	return false;
}

static void finds_every_edit(void **state)
{
	struct fixture *f = *state;
	unsigned elsewhere = 0;

	for (size_t i = 0; i < EDIT_CNT; i++) {
		struct err err = {0};
		fresh_copy(state);
		edit(&f->copy, edits[i].sql);
		if (is_beyond(&edits[i]))
			continue;
		enum scrub_verdict v = scrub(f, &f->copy, 1 + (unsigned)i % 4, &err);
		if (v != SCRUB_WRONG || err.kind != ERR_WORLD || !strstr(err.text, f->copy.path))
			fail_msg("verdict %d, '%s', for: %s", (int)v, err.text, edits[i].sql);
		elsewhere += !strstr(err.text, edits[i].where);
	}
	/* It ends at the first thing that is wrong: of a row that moved, either place may be. */
	assert_true(elsewhere < EDIT_CNT / 5);
}

/* The node knows the last block by heart: whatever is written around another one. */
static void finds_another_chain_of_blocks(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct qhash other = rules_hash(7);
	struct scrub *s = scrub_begin(f->copy.path, &f->copy.rules.g, qheight_of(HEIGHT), &other, &err);

	assert_non_null(s);
	assert_int_equal(finish(s, 5, &err), SCRUB_WRONG);
	assert_non_null(strstr(err.text, "blocks(height=10).header"));
	scrub_end(s);
}

static void finds_certificates_whose_signatures_do_not_hold(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	edit(&f->copy,
	     "UPDATE certificates SET certificate = CAST(substr(certificate, 1, length(certificate) - 1) "
	     "|| x'77' AS BLOB) WHERE height = 7;"
	     "UPDATE signers SET signature = CAST(substr(signature, 1, 63) || x'77' AS BLOB) "
	     "WHERE height = 7 AND replica = 2");
	assert_int_equal(scrub(f, &f->copy, 4, &err), SCRUB_WRONG);
	assert_non_null(
	    strstr(err.text, "certificates(height=7).certificate: the signature of replica 2 does not"));
}

static void finds_a_file_that_is_cut_off_or_scribbled(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->copy.path, &st), 0);
	for (off_t at = 4096; at < st.st_size; at += 4096) {
		struct err err = {0};
		fresh_copy(state);
		place_scribble(&f->copy, at, 12);
		struct scrub *s = scrub_begin(f->copy.path, &f->copy.rules.g, qheight_of(HEIGHT),
		                              &f->chain.blocks[HEIGHT]->hash, &err);
		/* A page of an index that no walk reads is the audit's to find. */
		enum scrub_verdict v = s ? finish(s, 5, &err) : SCRUB_ERROR;
		assert_true(v == SCRUB_WHOLE || err.text[0] != '\0');
		scrub_end(s);
	}
}

/* ---- beside a writer ------------------------------------------------------------------------------ */

/* Nothing but what was there when the pass began is judged; and the writer is in nobody's way. */
static void a_growing_ledger_raises_no_alarm(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct ledger *l = open_ledger(&f->copy);
	struct scrub *s = begin(f, &f->copy, HEIGHT);
	struct block *below = block_ref(f->chain.blocks[HEIGHT]);
	enum scrub_verdict v = SCRUB_MORE;
	unsigned steps = 0;

	for (; v == SCRUB_MORE; steps++) {
		struct block *next = tail_block(&f->copy.rules, HEIGHT + 1 + steps, below, 5);
		block_unref(below);
		below = block_ref(next);
		append(&f->copy.rules, l, &next, 1);
		if (steps % 2 == 0) {
			journal(l, conflict_entry(&f->copy.rules));
			commit(l);
		} /* else a transaction is under way */
		v = scrub_step(s, 1, &err);
	}
	assert_whole(v, &err);
	assert_true(steps > HEIGHT);
	scrub_end(s);
	commit(l);
	s = scrub_begin(f->copy.path, &f->copy.rules.g, ledger_height(l), &below->hash, &err);
	assert_non_null(s);
	assert_whole(finish(s, 2, &err), &err);
	scrub_end(s);
	block_unref(below);
	ledger_close(l);
}

static void the_wal_can_be_folded_between_any_two_steps(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	sqlite3 *writer = place_sqlite(&f->copy);
	struct scrub *s = begin(f, &f->copy, HEIGHT);
	enum scrub_verdict v = SCRUB_MORE;

	while (v == SCRUB_MORE) {
		int in_wal, folded;
		sqlite_do(writer,
		          "INSERT INTO transactions SELECT max(seq) + 1, randomblob(32), 99, 0, 0, x'', x'' "
		          "FROM transactions"); /* above all that is judged */
		assert_int_equal(
		    sqlite3_wal_checkpoint_v2(writer, NULL, SQLITE_CHECKPOINT_TRUNCATE, &in_wal, &folded),
		    SQLITE_OK); /* else it says busy */
		v = scrub_step(s, 1, &err);
	}
	assert_whole(v, &err);
	scrub_end(s);
	sqlite3_close(writer);
}

/* An edit below the place where the pass is at is the next pass' to find; above, it finds it itself. */
static void edits_under_way_are_found_sooner_or_later(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct scrub *s = begin(f, &f->copy, HEIGHT);

	assert_int_equal(scrub_step(s, 6, &err), SCRUB_MORE);
	edit(&f->copy, "UPDATE transactions SET memo = x'00' WHERE seq = 3");
	assert_whole(finish(s, 2, &err), &err);
	scrub_end(s);
	assert_int_equal(scrub(f, &f->copy, 6, &err), SCRUB_WRONG);
	assert_non_null(strstr(err.text, "transactions(seq=3).memo"));

	fresh_copy(state);
	s = begin(f, &f->copy, HEIGHT);
	assert_int_equal(scrub_step(s, 6, &err), SCRUB_MORE);
	edit(&f->copy, "UPDATE transactions SET memo = x'00' WHERE seq = 9");
	assert_int_equal(finish(s, 2, &err), SCRUB_WRONG);
	assert_non_null(strstr(err.text, "transactions(seq=9).memo"));
	scrub_end(s);
}

/* ---- files ------------------------------------------------------------------------------------------ */

static void says_what_is_no_ledger_of_this_chain(void **state)
{
	struct fixture *f = *state;
	struct place other = f->other;
	struct err err = {0};
	const struct qhash tip = f->chain.blocks[HEIGHT]->hash;

	assert_null(scrub_begin(f->other.path, &f->copy.rules.g, qheight_of(HEIGHT), &tip, &err));
	assert_non_null(strstr(err.text, "No such file"));
	rules_setup(&other.rules, 4, "another");
	ledger_close(open_ledger(&other));
	assert_null(scrub_begin(f->other.path, &f->copy.rules.g, qheight_of(HEIGHT), &tip, &err));
	assert_non_null(strstr(err.text, "belongs to chain"));
	rules_teardown(&other.rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(passes_an_honest_ledger_in_slices_of_any_size),
	    TEST(ends_at_any_height),
	    TEST(finds_every_edit),
	    TEST(finds_another_chain_of_blocks),
	    TEST(finds_certificates_whose_signatures_do_not_hold),
	    TEST(finds_a_file_that_is_cut_off_or_scribbled),
	    TEST(a_growing_ledger_raises_no_alarm),
	    TEST(the_wal_can_be_folded_between_any_two_steps),
	    TEST(edits_under_way_are_found_sooner_or_later),
	    TEST(says_what_is_no_ledger_of_this_chain),
	};

	return cmocka_run_group_tests_name("scrub", tests, make_fixture, drop_fixture);
}
