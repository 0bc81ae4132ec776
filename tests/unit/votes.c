/*
 * The vote log: what was signed is there after a restart, and nothing contradicts it.
 *
 * Links: q_ledger
 */
#include "store.h"

#include "db.h"
#include "faultvfs.h"
#include "votes.h"

static const struct qreplica_key key = {{1, 2, 3}};

static struct votes *open_votes(const struct place *p)
{
	struct err err = {0};
	struct votes *v = votes_open(p->path, &key, NULL, &err);

	if (!v)
		fail_msg("%s", err.text);
	return v;
}

/* A log made with its key. */
static struct votes *new_votes(const struct place *p)
{
	struct err err = {0};

	if (!votes_create(p->path, &key, NULL, &err))
		fail_msg("%s", err.text);
	return open_votes(p);
}

static bool try_put(struct votes *v, enum vote_record_kind kind, uint64_t view, uint64_t height,
                    const char *text, struct err *err)
{
	struct vote_record rec = {kind, {view}, {height}, (const uint8_t *)text, strlen(text)};

	return votes_put(v, &rec, err);
}

static void put(struct votes *v, enum vote_record_kind kind, uint64_t view, uint64_t height, const char *text)
{
	struct err err = {0};

	if (!try_put(v, kind, view, height, text, &err))
		fail_msg("%s", err.text);
}

static void commit_votes(struct votes *v)
{
	struct err err = {0};

	if (!votes_commit(v, &err))
		fail_msg("%s", err.text);
}

/* All that is in the log, as text. */
struct content {
	char text[1024];
	struct qhash blocks[4];
	size_t block_cnt;
};

static void add_record(void *ctx, const struct vote_record *r)
{
	struct content *c = ctx;
	size_t len = strlen(c->text);

	snprintf(c->text + len, sizeof c->text - len, "%d/%llu/%llu=%.*s ", r->kind,
	         (unsigned long long)r->view.n, (unsigned long long)r->height.n, (int)r->len,
	         (const char *)r->data);
}

static void add_block(void *ctx, struct block *b)
{
	struct content *c = ctx;
	size_t len = strlen(c->text);

	snprintf(c->text + len, sizeof c->text - len, "block%llu ", (unsigned long long)b->header.height.n);
	c->blocks[c->block_cnt++] = b->hash;
}

static bool try_load(const struct place *p, struct votes *v, struct content *c, struct err *err)
{
	*c = (struct content){0};
	return votes_load(v, &p->rules.g.chain, add_record, add_block, c, err);
}

static void assert_content(const struct place *p, struct votes *v, const char *text)
{
	struct err err = {0};
	struct content c;

	if (!try_load(p, v, &c, &err))
		fail_msg("%s", err.text);
	assert_string_equal(c.text, text);
}

static struct block *some_block(const struct place *p, uint64_t height)
{
	struct tx *txs[] = {rules_pay(&p->rules, 0, "a"), rules_pay(&p->rules, 1, "b")};

	return make_block(height, rules_hash(3), txs, 2);
}

/* ---- keys and files ----------------------------------------------------------- */

static void a_log_made_with_its_key_may_vote_at_once(void **state)
{
	struct place *p = *state;
	struct votes *v = new_votes(p);
	struct err err = {0};

	assert_false(votes_amnesiac(v));
	assert_content(p, v, "");
	votes_close(v);
	assert_false(votes_create(p->path, &key, NULL, &err));
	assert_non_null(strstr(err.text, "exists"));
}

static void a_missing_log_means_silence_until_recovered(void **state)
{
	struct place *p = *state;
	struct votes *v = open_votes(p);
	struct err err = {0};

	assert_true(votes_amnesiac(v));
	votes_close(v);
	v = open_votes(p); /* the mark is durable */
	assert_true(votes_amnesiac(v));
	assert_true(votes_recovered(v, &err));
	assert_false(votes_amnesiac(v));
	votes_close(v);
	v = open_votes(p); /* that was not committed */
	assert_true(votes_amnesiac(v));
	assert_true(votes_recovered(v, &err));
	commit_votes(v);
	votes_close(v);
	v = open_votes(p);
	assert_false(votes_amnesiac(v));
	votes_close(v);
}

static void an_empty_file_is_a_lost_log(void **state)
{
	struct place *p = *state;

	close(open(p->path, O_CREAT | O_WRONLY, 0600));
	struct votes *v = open_votes(p);
	assert_true(votes_amnesiac(v));
	votes_close(v);
}

static void assert_refused(const struct place *p, const struct qreplica_key *k, const char *text)
{
	struct err err = {0};

	assert_null(votes_open(p->path, k, NULL, &err));
	if (!strstr(err.text, text) || !strstr(err.text, p->path))
		fail_msg("'%s' is not in: %s", text, err.text);
}

static void refuses_files_that_are_not_this_keys_log(void **state)
{
	struct place *p = *state;
	struct qreplica_key other = {{9}};

	votes_close(new_votes(p));
	assert_refused(p, &other, "0102030000");
	assert_refused(p, &other, "0900000000");
	place_edit(p, "PRAGMA user_version = 7");
	assert_refused(p, &key, "newer quorate");
	place_edit(p, "PRAGMA user_version = 1; PRAGMA application_id = 7");
	assert_refused(p, &key, "not a quorate vote log");
	place_remove(p);
	ledger_close(open_ledger(p));
	assert_refused(p, &key, "not a quorate vote log");
}

static void refuses_a_log_in_use(void **state)
{
	struct place *p = *state;
	struct votes *v = new_votes(p);
	struct err err = {0};

	put(v, REC_PREPARE, 0, 1, "a");
	assert_refused(p, &key, "locked by another process");
	commit_votes(v);
	struct votes *w = open_votes(p);
	put(w, REC_PREPARE, 0, 2, "b");
	commit_votes(w);
	votes_close(w);
	assert_false(try_put(v, REC_PREPARE, 0, 2, "c", &err));
	assert_non_null(strstr(err.text, "changed by another process"));
	votes_close(v);
}

/* ---- records ------------------------------------------------------------------ */

static void what_was_committed_is_there_in_order(void **state)
{
	struct place *p = *state;
	struct votes *v = new_votes(p);

	put(v, REC_COMMIT, 1, 7, "c");
	put(v, REC_PREPARE, 1, 8, "b");
	put(v, REC_PREPARE, 0, 9, "a");
	put(v, REC_NEW_VIEW, 1, 0, "n");
	put(v, REC_CHECKPOINT, 0, 6, "k");
	put(v, REC_PRE_PREPARE, 1, 9, "");
	commit_votes(v);
	put(v, REC_PREPARE, 1, 9, "never sent");
	votes_close(v);
	v = open_votes(p);
	assert_content(p, v, "1/1/9= 2/0/9=a 2/1/8=b 3/1/7=c 4/0/6=k 8/1/0=n ");
	votes_close(v);
}

static void signs_no_two_different_things_under_one_key(void **state)
{
	static const enum vote_record_kind kinds[] = {REC_PRE_PREPARE, REC_PREPARE,     REC_COMMIT,
	                                              REC_CHECKPOINT,  REC_VIEW_CHANGE, REC_NEW_VIEW};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct place *p = *state;
		struct votes *v = new_votes(p);
		struct err err = {0};

		put(v, kinds[i], 4, 5, "first");
		put(v, kinds[i], 4, 5, "first"); /* the very same again */
		commit_votes(v);
		put(v, kinds[i], 4, 5, "first");
		assert_false(try_put(v, kinds[i], 4, 5, "other", &err));
		assert_non_null(strstr(err.text, "a different one was signed before"));
		assert_false(votes_commit(v, &err)); /* and the log takes nothing any more */
		assert_false(try_put(v, REC_PREPARE, 8, 8, "x", &err));
		votes_close(v);
		place_remove(p);
	}
}

static void certificates_are_replaced(void **state)
{
	struct place *p = *state;
	struct votes *v = new_votes(p);

	put(v, REC_PREPARED, 0, 5, "view 1");
	put(v, REC_PREPARED, 0, 5, "view 2");
	put(v, REC_TIP, 0, 0, "3");
	put(v, REC_TIP, 0, 0, "4");
	put(v, REC_MUTED, 0, 0, "why");
	put(v, REC_MUTED, 0, 0, "because");
	assert_content(p, v, "5/0/5=view 2 6/0/0=4 9/0/0=because ");
	votes_close(v);
}

static void only_the_newest_view_change_and_new_view_are_kept(void **state)
{
	struct place *p = *state;
	struct votes *v = new_votes(p);
	struct err err = {0};

	put(v, REC_VIEW_CHANGE, 2, 0, "a");
	put(v, REC_NEW_VIEW, 2, 0, "b");
	put(v, REC_VIEW_CHANGE, 5, 0, "c");
	assert_content(p, v, "7/5/0=c 8/2/0=b ");
	assert_false(try_put(v, REC_VIEW_CHANGE, 2, 0, "a", &err));
	assert_non_null(strstr(err.text, "later view"));
	votes_close(v);
}

static void prunes_what_is_executed_and_stable_with_the_next_commit(void **state)
{
	struct place *p = *state;
	struct votes *v = new_votes(p);
	struct block *five = some_block(p, 5), *six = some_block(p, 6);
	struct err err = {0};

	for (int kind = REC_PRE_PREPARE; kind <= REC_PREPARED; kind++)
		for (uint64_t h = 4; h <= 5; h++)
			put(v, (enum vote_record_kind)kind, kind < REC_CHECKPOINT ? 9 : 0, h, "x");
	put(v, REC_TIP, 0, 0, "t");
	put(v, REC_VIEW_CHANGE, 3, 0, "v");
	assert_true(votes_put_block(v, six, &err) && votes_put_block(v, five, &err));
	commit_votes(v);
	assert_true(votes_prune(v, qheight_of(5), qheight_of(4), &err));
	commit_votes(v); /* nothing was put, so there is nothing to sync */
	assert_content(
	    p, v,
	    "1/9/4=x 1/9/5=x 2/9/4=x 2/9/5=x 3/9/4=x 3/9/5=x 4/0/4=x 4/0/5=x 5/0/4=x 5/0/5=x 6/0/0=t "
	    "7/3/0=v block5 block6 ");
	put(v, REC_TIP, 0, 0, "u");
	commit_votes(v);
	votes_close(v);
	v = open_votes(p);
	assert_content(p, v, "1/9/5=x 2/9/5=x 3/9/5=x 4/0/5=x 5/0/5=x 6/0/0=u 7/3/0=v block6 ");
	votes_close(v);
	block_unref(five);
	block_unref(six);
}

/* ---- blocks ------------------------------------------------------------------- */

static void blocks_come_back_whole(void **state)
{
	struct place *p = *state;
	struct votes *v = new_votes(p);
	struct block *two = some_block(p, 2), *one = some_block(p, 1);
	struct err err = {0};
	struct content c;

	assert_true(votes_put_block(v, two, &err) && votes_put_block(v, one, &err) &&
	            votes_put_block(v, two, &err));
	commit_votes(v);
	votes_close(v);
	v = open_votes(p);
	assert_true(try_load(p, v, &c, &err));
	assert_int_equal(c.block_cnt, 2);
	assert_true(qhash_eq(&c.blocks[0], &one->hash) && qhash_eq(&c.blocks[1], &two->hash));
	votes_close(v);
	block_unref(one);
	block_unref(two);
}

static void damaged_content_is_told_and_says_what_to_do(void **state)
{
	static const char *const edits[] = {
	    "UPDATE blocks SET bytes = x'00'",
	    "UPDATE blocks SET hash = zeroblob(32)",
	    "UPDATE blocks SET height = 2",
	    "UPDATE blocks SET hash = x'01'",
	    /* the last byte of a signature */
	    "UPDATE blocks SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'77' AS BLOB)",
	    "UPDATE log SET kind = 11",
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		struct votes *v = new_votes(p);
		struct block *b = some_block(p, 1);
		struct err err = {0};
		struct content c;
		assert_true(votes_put_block(v, b, &err));
		block_unref(b);
		put(v, REC_PREPARE, 0, 1, "a");
		commit_votes(v);
		votes_close(v);
		place_edit(p, edits[i]);
		v = open_votes(p);
		if (try_load(p, v, &c, &err))
			fail_msg("loaded after: %s", edits[i]);
		if (!strstr(err.text, "move the file away"))
			fail_msg("%s: %s", edits[i], err.text);
		votes_close(v);
		place_remove(p);
	}
}

static void every_page_is_checked_at_start(void **state)
{
	struct place *p = *state;
	struct votes *v = new_votes(p);
	struct stat st;

	for (uint64_t h = 1; h <= 300; h++)
		put(v, REC_PREPARE, 0, h, "a vote of some length, so that the table has more than one page");
	commit_votes(v);
	votes_close(v);
	assert_int_equal(stat(p->path, &st), 0);
	place_scribble(p, st.st_size - 4096, 4096);
	assert_refused(p, &key, "move the file away");
}

/* ---- a failing disk -------------------------------------------------------------- */

static void a_vote_is_durable_or_an_error_whatever_the_disk_does(void **state)
{
	struct place *p = *state;
	struct err err = {0};
	bool ok = false;
	long at;

	for (at = 1; !ok; at++) {
		place_remove(p);
		fault_after(at, at % 2 ? SQLITE_FULL : SQLITE_IOERR_FSYNC);
		struct votes *v = votes_open(p->path, &key, FAULT_VFS, &err);
		ok = v && try_put(v, REC_PREPARE, 1, 1, "a", &err) && votes_commit(v, &err);
		if (!ok)
			assert_int_equal(err.kind, ERR_WORLD);
		votes_close(v);
		fault_none();
		v = open_votes(p);
		assert_true(votes_amnesiac(v));
		if (ok)
			assert_content(p, v, "2/1/1=a ");
		votes_close(v);
	}
	assert_true(at > 15); /* faults did hit */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_log_made_with_its_key_may_vote_at_once),
	    TEST(a_missing_log_means_silence_until_recovered),
	    TEST(an_empty_file_is_a_lost_log),
	    TEST(refuses_files_that_are_not_this_keys_log),
	    TEST(refuses_a_log_in_use),
	    TEST(what_was_committed_is_there_in_order),
	    TEST(signs_no_two_different_things_under_one_key),
	    TEST(certificates_are_replaced),
	    TEST(only_the_newest_view_change_and_new_view_are_kept),
	    TEST(prunes_what_is_executed_and_stable_with_the_next_commit),
	    TEST(blocks_come_back_whole),
	    TEST(damaged_content_is_told_and_says_what_to_do),
	    TEST(every_page_is_checked_at_start),
	    TEST(a_vote_is_durable_or_an_error_whatever_the_disk_does),
	};

	fault_setup();
	return cmocka_run_group_tests_name("votes", tests, NULL, NULL);
}
