/*
 * The scrubber's thread and pace over a scrub that the test makes up, and the mark that a wrong ledger
 * leaves.
 *
 * Links: q_program
 */
#include "scrubber.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "suspect.h"

/* ---- a scrub that does as it is told -------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static struct {
	bool tip, opens;
	enum scrub_verdict verdict; /* at the end of a pass; SCRUB_MORE: there is none */
	uint64_t to;
	unsigned begun, ended, asked, wrong, slices;
} world;

struct scrub {
	struct qheight at, to;
};

static void count(unsigned *what)
{
	pthread_mutex_lock(&lock);
	++*what;
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&lock);
}

static void wait_for(const unsigned *what, unsigned cnt)
{
	pthread_mutex_lock(&lock);
	while (*what < cnt)
		pthread_cond_wait(&news, &lock);
	pthread_mutex_unlock(&lock);
}

struct scrub *scrub_begin(const char *path, const struct genesis *g, struct qheight to,
                          const struct qhash *tip, struct err *err)
{
	assert_string_equal(path, "ledger");
	assert_null(g);
	assert_int_equal(tip->b[0], 7);
	count(&world.begun);
	if (!world.opens) {
		err_set(err, ERR_WORLD, "no descriptors");
		return NULL;
	}
	struct scrub *s = xcalloc(1, sizeof *s);
	s->to = to;
	return s;
}

void scrub_end(struct scrub *s)
{
	free(s);
	count(&world.ended);
}

enum scrub_verdict scrub_step(struct scrub *s, unsigned blocks, struct err *err)
{
	assert_true(blocks > 0 && s->at.n < s->to.n);
	count(&world.slices);
	s->at.n = s->to.n - s->at.n > blocks && blocks < 4 ? s->at.n + blocks : s->to.n;
	if (s->at.n < s->to.n || world.verdict == SCRUB_MORE) {
		s->at.n -= s->at.n == s->to.n;
		return SCRUB_MORE;
	}
	err_set(err, ERR_WORLD, "a row");
	return world.verdict;
}

struct qheight scrub_height(const struct scrub *s)
{
	return s->at;
}

/* ---- its node --------------------------------------------------------------------------------- */

static bool tell_tip(void *ctx, struct qheight *height, struct qhash *hash)
{
	assert_ptr_equal(ctx, &world);
	*height = qheight_of(world.to);
	*hash = (struct qhash){{7}};
	count(&world.asked);
	return world.tip;
}

static void hear_wrong(void *ctx, const struct err *err)
{
	assert_ptr_equal(ctx, &world);
	assert_string_equal(err->text, "a row");
	count(&world.wrong);
}

static struct scrubber *start(uint64_t period_ms, uint64_t to, enum scrub_verdict verdict)
{
	const struct scrubber_config config = {
	    .path = "ledger", .period_ms = period_ms, .ctx = &world, .tip = tell_tip, .wrong = hear_wrong};

	memset(&world, 0, sizeof world);
	world.tip = world.opens = true;
	world.to = to;
	world.verdict = verdict;
	return scrubber_start(&config);
}

/* ---- passes ------------------------------------------------------------------------------------- */

static void one_pass_follows_the_other_from_the_start_on(void **state)
{
	struct scrubber *s = start(1, 20, SCRUB_WHOLE);
	struct scrubber_status status;

	(void)state;
	wait_for(&world.begun, 4);
	scrubber_status(s, &status);
	assert_int_equal(status.passes, 3);
	assert_true(status.last_ok_at_ms > 1500000000000);
	scrubber_stop(s);
	assert_int_equal(world.ended, world.begun);
	assert_int_equal(world.wrong, 0);
}

static void a_pass_begins_with_the_period(void **state)
{
	struct scrubber *s = start(3600 * 1000, 20, SCRUB_WHOLE);
	struct scrubber_status status;

	(void)state;
	wait_for(&world.ended, 1); /* at once */
	scrubber_stop(s);          /* and does not wait for the next */
	assert_int_equal(world.asked, 1);
	s = start(3600 * 1000, 1000000, SCRUB_MORE);
	wait_for(&world.slices, 2);
	scrubber_status(s, &status);
	assert_true(status.running && status.height.n > 0 && status.passes == 0);
	scrubber_stop(s); /* nor for the end of this one */
	assert_int_equal(world.ended, 1);
}

static void a_wrong_row_is_told_once_and_ends_it(void **state)
{
	struct scrubber *s = start(1, 3, SCRUB_WRONG);

	(void)state;
	wait_for(&world.wrong, 1);
	scrubber_stop(s);
	assert_int_equal(world.wrong, 1);
	assert_int_equal(world.begun, 1);
}

static void what_cannot_be_read_is_tried_again(void **state)
{
	struct scrubber *s = start(1, 3, SCRUB_ERROR);
	struct scrubber_status status;

	(void)state;
	wait_for(&world.ended, 2);
	scrubber_status(s, &status);
	assert_int_equal(status.passes, 0);
	scrubber_stop(s);
	assert_int_equal(world.wrong, 0);

	s = start(1, 0, SCRUB_WHOLE); /* no block yet */
	wait_for(&world.asked, 2);
	scrubber_stop(s);
	assert_int_equal(world.begun, 0);
}

static bool thrice(void *ctx)
{
	unsigned *cnt = ctx;

	return (*cnt)++ < 3;
}

static void one_pass_at_once_can_be_broken_off(void **state)
{
	struct qhash tip = {{7}};
	struct err err = {0};
	unsigned asked = 0;

	(void)state;
	memset(&world, 0, sizeof world);
	world.opens = true;
	assert_int_equal(scrubber_once("ledger", NULL, qheight_of(50), &tip, thrice, &asked, &err),
	                 SCRUB_MORE);
	assert_int_equal(world.slices, 3);
	world.verdict = SCRUB_WRONG;
	asked = 0;
	assert_int_equal(scrubber_once("ledger", NULL, qheight_of(3), &tip, thrice, &asked, &err),
	                 SCRUB_WRONG);
	world.opens = false;
	assert_int_equal(scrubber_once("ledger", NULL, qheight_of(3), &tip, thrice, &asked, &err),
	                 SCRUB_ERROR);
	assert_string_equal(err.text, "no descriptors");
	assert_int_equal(world.ended, 2);
}

/* ---- pace ------------------------------------------------------------------------------------------ */

/* Of a pass over so many heights, each of which takes work_us, in slices of one: how long it takes, and which
 * part of that it works. */
static double paced(uint64_t period_us, uint64_t heights, uint64_t work_us, double *share)
{
	struct scrubber_pace p = {.period_us = period_us, .slice_us = work_us, .left = heights};
	uint64_t now = 0;

	while (p.left > 0) {
		now += work_us;
		p.work_us += work_us;
		p.done++;
		p.left--;
		p.elapsed_us = now;
		now += scrubber_pause_us(&p);
	}
	*share = (double)p.work_us / (double)now;
	return (double)now / (double)period_us;
}

static void a_pass_takes_little_and_is_over_in_time(void **state)
{
	static const struct {
		uint64_t period_us, heights, work_us;
	} passes[] = {
	    {86400000000, 10, 5000},    {86400000000, 100000, 5000},   {86400000000, 10000000, 5000},
	    {3600000000, 300000, 5000}, {86400000000, 15000000, 5000}, {1000000, 1, 100},
	    {1000000, 100, 5000},
	};
	double share, took;

	(void)state;
	for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
		took = paced(passes[i].period_us, passes[i].heights, passes[i].work_us, &share);
		double least =
		    (double)passes[i].heights * (double)passes[i].work_us / (double)passes[i].period_us;
		assert_true(took <= 1);
		assert_true(share <= 0.031 || share <= least / 0.85);
	}
	paced(1000, 100, 5000, &share); /* no hope to be in time: all that it can get */
	assert_true(share == 1);
}

/* ---- the mark ----------------------------------------------------------------------------------------- */

static void the_first_mark_stays_until_it_is_cleared(void **state)
{
	char dir[] = "/tmp/quorate-suspect-XXXXXX", path[64], nowhere[64];
	struct err first = {ERR_WORLD, "outputs(tx=1)"}, second = {ERR_WORLD, "blocks(height=2)"}, err = {0};
	char *why;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/mark", dir);
	snprintf(nowhere, sizeof nowhere, "%s/no/mark", dir);
	assert_false(suspect_read(path, &why));
	assert_true(suspect_clear(path, &err));
	assert_true(suspect_mark(path, &first, &err));
	assert_true(suspect_mark(path, &second, &err));
	assert_true(suspect_read(path, &why));
	assert_non_null(strstr(why, "outputs(tx=1)"));
	assert_null(strchr(why, '\n'));
	free(why);
	assert_true(suspect_clear(path, &err));
	assert_false(suspect_read(path, &why));
	assert_false(suspect_mark(nowhere, &first, &err));
	assert_non_null(strstr(err.text, nowhere));
	rmdir(dir);
}

/* What is there but cannot be read is no less suspect. */
static void a_mark_that_cannot_be_read_is_one(void **state)
{
	char dir[] = "/tmp/quorate-suspect-XXXXXX";
	char *why;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_true(suspect_read(dir, &why));
	assert_non_null(strstr(why, dir));
	free(why);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_pass_follows_the_other_from_the_start_on),
	    cmocka_unit_test(a_pass_begins_with_the_period),
	    cmocka_unit_test(a_wrong_row_is_told_once_and_ends_it),
	    cmocka_unit_test(what_cannot_be_read_is_tried_again),
	    cmocka_unit_test(one_pass_at_once_can_be_broken_off),
	    cmocka_unit_test(a_pass_takes_little_and_is_over_in_time),
	    cmocka_unit_test(the_first_mark_stays_until_it_is_cleared),
	    cmocka_unit_test(a_mark_that_cannot_be_read_is_one),
	};

	return cmocka_run_group_tests_name("scrubber", tests, NULL, NULL);
}
