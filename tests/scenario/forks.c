/*
 * forks.c: the traces that broke earlier drafts of the protocol, or would break this one with a rule less
 * (F1, F4, the lost height): each is a fork, or a stop, if its rule is missing.
 * Links: scenario_world
 */
#include "cert.h"
#include "world.h"

static void is_in(const struct world *w, unsigned i, uint64_t view)
{
	assert_int_equal(world_status(w, i).entered.n, view);
	assert_true(world_status(w, i).active);
}

static void voted(const struct world *w, unsigned i, enum vote_record_kind kind, uint64_t view,
                  uint64_t height)
{
	assert_non_null(disk_find(&w->r[i].disk, kind, view, height));
}

static void did_not_vote(const struct world *w, unsigned i, enum vote_record_kind kind, uint64_t view,
                         uint64_t height)
{
	assert_null(disk_find(&w->r[i].disk, kind, view, height));
}

/* VC1, the fork that it prevents: 3 leaves view 0 having prepared nothing, and must not help to commit there.
 */
static void a_late_vote_in_an_old_view_cannot_certify_what_the_new_view_forgot(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim nothing = {0};
	(void)state;
	world_rule(w, HOLD, ALL, ONLY(3) | ONLY(2), KIND(QPREPARE), 0);
	const struct wblock *a = world_propose(w, 0);
	world_settle(w);
	w->pending = ALL;
	world_say(w, "-- 2 and 3 leave view 0; then its votes arrive");
	world_time_out(w, ONLY(2) | ONLY(3));
	world_clear_rules(w);
	world_rule(w, DROP, ONLY(2) | ONLY(3), ONLY(0), EVERY_KIND, 0); /* 0 stays */
	world_rule(w, DROP, ONLY(0), ONLY(2) | ONLY(3), KIND(QVIEW_CHANGE), 0);
	world_settle(w);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT), 0);
	world_release(w);
	traitor_vote(w, 1, QPREPARE, 0, a, ALL);
	traitor_vote(w, 1, QCOMMIT, 0, a, ALL);
	world_settle(w);
	w->rule_cnt--; /* COMMITs arrive again */
	traitor_view_change(w, 1, 1, &nothing, ALL);
	traitor_new_view(w, 1, 1, ONLY(1) | ONLY(2) | ONLY(3), ONLY(2) | ONLY(3));
	world_settle(w);
	const struct wblock *b = traitor_block(w, 1, 1, &w->g.chain);
	traitor_propose(w, 1, 1, b, ONLY(2) | ONLY(3));
	world_settle(w);
	traitor_vote(w, 1, QCOMMIT, 1, b, ONLY(2) | ONLY(3));
	world_settle(w);
	assert_ptr_equal(world_executed(w, 2, 1), b);
	did_not_vote(w, 2, REC_COMMIT, 0, 1);
	did_not_vote(w, 3, REC_COMMIT, 0, 1);
	world_clear_rules(w);
	world_goes_on(w);
	world_end(w, __func__);
}

/*
 * The PREPAREs of height 1 are lost, heights 2 and 3 are prepared.  If "the parent is
 * prepared" were enough, b would be committed here, and a traitor would then build another chain.
 */
static void commits_in_order_keep_a_traitor_from_replacing_a_lost_height(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim nothing = {0};
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QPREPARE), 1);
	world_rule(w, DROP, ALL, ONLY(0) | ONLY(2), KIND(QCOMMIT), 0); /* 3 alone would collect them */
	const struct wblock *chain[3] = {world_propose(w, 0), world_propose(w, 0), world_propose(w, 0)};
	for (unsigned k = 1; k < 3; k++)
		traitor_vote(w, 1, QPREPARE, 0, chain[k], ALL);
	world_settle(w);
	traitor_vote(w, 1, QCOMMIT, 0, chain[2], ONLY(3));
	world_settle(w);
	world_clear_rules(w);
	world_rule(w, DROP, ONLY(3), ALL, KIND(QVIEW_CHANGE) | KIND(QSTATUS), 0);
	w->pending = ALL;
	world_time_out(w, ONLY(0) | ONLY(2) | ONLY(3));
	traitor_view_change(w, 1, 1, &nothing, ALL);
	world_settle(w);
	traitor_new_view(w, 1, 1, ONLY(0) | ONLY(1) | ONLY(2), ALL);
	world_settle(w);
	world_clear_rules(w);
	world_say(w, "-- the traitor proposes another chain");
	struct qhash parent = w->g.chain;
	const struct wblock *other[3];
	for (uint64_t h = 1; h <= 3; h++) {
		other[h - 1] = traitor_block(w, 1, h, &parent);
		traitor_propose(w, 1, 1, other[h - 1], ALL);
		world_settle(w);
		traitor_vote(w, 1, QCOMMIT, 1, other[h - 1], ALL);
		world_settle(w);
		parent = other[h - 1]->hash;
	}
	for (unsigned i = 0; i < 4; i++)
		if (i != 1)
			assert_ptr_equal(world_executed(w, i, 3), other[2]);
	world_goes_on(w);
	world_end(w, __func__);
}

/*
 * NV3: 3 alone prepared a in view 0; 0 and 1 committed b in view 1; the traitor 2 leads view 2 and takes
 * both reports: it must be b that is carried on.
 */
static void of_two_prepared_blocks_the_one_of_the_higher_view_is_carried_on(void **state)
{
	struct world *w = world_new(4, ONLY(2));
	struct claim nothing = {0};
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	world_rule(w, DROP, ALL, BUT(3), KIND(QPREPARE), 0);
	const struct wblock *a = world_propose(w, 0);
	traitor_vote(w, 2, QPREPARE, 0, a, ALL);
	world_settle(w);
	world_say(w, "-- view 1 without 3");
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	world_partition(w, ONLY(3));
	world_time_out(w, ONLY(0) | ONLY(1));
	traitor_view_change(w, 2, 1, &nothing, ALL);
	world_settle(w);
	const struct wblock *b = world_propose(w, 1);
	world_settle(w);
	traitor_vote(w, 2, QPREPARE, 1, b, ALL);
	world_settle(w);
	voted(w, 0, REC_COMMIT, 1, 1);
	voted(w, 1, REC_COMMIT, 1, 1);
	world_say(w, "-- view 2, of what 1 and 3 report");
	w->pending = ALL;
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	world_time_out(w, ONLY(0) | ONLY(1));
	world_settle(w);
	traitor_view_change(w, 2, 2, &nothing, 0);
	traitor_new_view(w, 2, 2, ONLY(1) | ONLY(2) | ONLY(3), ALL);
	world_clear_rules(w);
	world_settle(w);
	traitor_vote(w, 2, QPREPARE, 2, a, ALL);
	traitor_vote(w, 2, QPREPARE, 2, b, ALL);
	world_settle(w);
	world_goes_on(w);
	assert_ptr_equal(world_executed(w, 3, 1), b);
	world_end(w, __func__);
}

/* F1: the laggard 3 knows nothing of a; S of the NEW-VIEW must bind it. */
static void a_laggard_is_bound_by_the_start_of_the_new_view(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	(void)state;
	world_rule(w, DROP, ALL, ONLY(3), KIND(QPRE_PREPARE) | KIND(QPREPARE), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0); /* but the traitor sees them */
	const struct wblock *a = world_propose(w, 0);
	traitor_vote(w, 1, QPREPARE, 0, a, ALL);
	world_settle(w);
	voted(w, 0, REC_COMMIT, 0, 1);
	voted(w, 2, REC_COMMIT, 0, 1);
	w->pending = ALL;
	world_time_out(w, ONLY(0) | ONLY(2) | ONLY(3));
	world_settle(w);
	struct claim tip_a = {.tip = a, .tip_view = 0};
	traitor_view_change(w, 1, 1, &tip_a, 0);
	traitor_new_view(w, 1, 1, ONLY(0) | ONLY(1) | ONLY(3), ONLY(2) | ONLY(3));
	world_settle(w);
	is_in(w, 3, 1);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	world_say(w, "-- the traitor proposes another block at height 1");
	const struct wblock *b = traitor_block(w, 1, 1, &w->g.chain);
	traitor_propose(w, 1, 1, b, ONLY(2) | ONLY(3));
	world_settle(w);
	assert_int_equal(world_status(w, 3).tip.n, 1);
	did_not_vote(w, 2, REC_PREPARE, 1, 1);
	did_not_vote(w, 3, REC_PREPARE, 1, 1);
	world_clear_rules(w);
	world_goes_on(w);
	assert_ptr_equal(world_executed(w, 3, 1), a);
	world_end(w, __func__);
}

/* PP5, PR1 (F1, the other reading): O = {a}, and the laggard has not a's body when another proposal comes. */
static void a_bound_height_accepts_no_other_block_while_its_body_is_missing(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim nothing = {0};
	(void)state;
	world_rule(w, DROP, ALL, ONLY(3), KIND(QPRE_PREPARE) | KIND(QPREPARE) | KIND(QBODY), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QCOMMIT) | KIND(QSTATUS), 0);
	const struct wblock *a = world_propose(w, 0);
	traitor_vote(w, 1, QPREPARE, 0, a, ALL);
	world_settle(w);
	w->pending = ALL;
	world_time_out(w, ONLY(0) | ONLY(2) | ONLY(3));
	traitor_view_change(w, 1, 1, &nothing, 0);
	world_settle(w);
	traitor_new_view(w, 1, 1, ONLY(1) | ONLY(2) | ONLY(3), ALL);
	world_settle(w);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ONLY(3), KIND(QBODY), 0);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	const struct wblock *b = traitor_block(w, 1, 1, &w->g.chain);
	traitor_propose(w, 1, 1, b, ALL);
	world_settle(w);
	did_not_vote(w, 3, REC_PREPARE, 1, 1);
	world_say(w, "-- the body arrives");
	world_clear_rules(w);
	world_run(w, 300);
	voted(w, 3, REC_PREPARE, 1, 1);
	for (unsigned i = 0; i < 4; i++)
		if (i != 1)
			assert_ptr_equal(world_executed(w, i, 1), a);
	world_goes_on(w);
	world_end(w, __func__);
}

/* The traitor shows certified headers, of blocks that lie on one another. */
static void show_headers(struct world *w, unsigned traitor, const struct wblock *const *blocks, unsigned cnt,
                         uint64_t view, uint64_t to)
{
	struct qmessage m = {.kind = QCHAIN};
	struct qheader headers[8];
	for (unsigned i = 0; i < cnt; i++)
		headers[i] = blocks[i]->header;
	m.qmessage_u.chain.headers.headers_len = cnt;
	m.qmessage_u.chain.headers.headers_val = headers;
	assert_true(traitor_cert(w, QCOMMIT, view, blocks[cnt - 1], &m.qmessage_u.chain.cert));
	traitor_message(w, traitor, &m, to);
	wire_free(WIRE(qcert), &m.qmessage_u.chain.cert);
}

static void show_chain(struct world *w, unsigned traitor, const struct wblock *b, uint64_t view, uint64_t to)
{
	show_headers(w, traitor, &b, 1, view, to);
}

/*
 * F4: honest X = 0, A = 2, C = 3, traitor 1.  A checkpoint becomes stable at height 4 that C knows only
 * by its certificate; C's VIEW-CHANGE and S must count it, or height 5, certified, is lost.
 */
static void a_stable_checkpoint_counts_as_a_certified_tip(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim low = {0};
	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		const struct wblock *b = world_propose(w, 0);
		traitor_vote(w, 1, QCOMMIT, 0, b, ALL);
		world_settle(w);
	}
	world_rule(w, DROP, ALL, ONLY(2), EVERY_KIND & ~KIND(QCHAIN) & ~KIND(QBODY), 0);
	world_rule(w, DROP, ALL, ONLY(3), KIND(QCOMMIT) | KIND(QSTATUS) | KIND(QCHECKPOINT) | KIND(QCHAIN),
	           0);
	const struct wblock *ab[2];
	for (unsigned k = 0; k < 2; k++) {
		ab[k] = world_propose(w, 0);
		traitor_vote(w, 1, QPREPARE, 0, ab[k], ALL);
		world_settle(w);
		traitor_vote(w, 1, QCOMMIT, 0, ab[k], ALL);
		world_settle(w);
	}
	assert_int_equal(world_height(w, 0), 5);
	assert_int_equal(world_height(w, 3), 3);
	voted(w, 3, REC_COMMIT, 0, 5);
	world_say(w, "-- 2, who lost everything, asks for view 1; then it learns height 4");
	world_rule(w, DROP, ONLY(2), ALL, EVERY_KIND & ~KIND(QVIEW_CHANGE) & ~KIND(QCHECKPOINT), 0);
	world_rule(w, DROP, ONLY(0), ALL, KIND(QSTATUS), 0);
	w->pending = ALL;
	world_time_out(w, ONLY(2));
	w->rule_cnt--; /* 0 may answer for bodies */
	show_chain(w, 1, ab[0], 0, ONLY(2));
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ONLY(2), KIND(QCHAIN) | KIND(QSTATUS), 0);
	world_rule(w, DROP, ALL, ONLY(3), KIND(QCOMMIT) | KIND(QSTATUS) | KIND(QCHAIN), 0);
	world_run(w, 300);
	assert_int_equal(world_height(w, 2), 4);
	world_say(w, "-- the CHECKPOINT of height 4 becomes stable at 3");
	struct qmessage point = {.kind = QCHECKPOINT};
	point.qmessage_u.vote = (struct qvote){.height = qheight_of(4), .block = ab[0]->hash};
	point.qmessage_u.vote.state = w->r[0].disk.executed[4].digest;
	traitor_message(w, 1, &point, ALL);
	const struct wrecord *own = disk_find(&w->r[0].disk, REC_CHECKPOINT, 0, 4);
	assert_non_null(own);
	struct qenvelope env;
	enum open_verdict verdict;
	assert_true(wire_decode(WIRE(qenvelope), own->data.data, own->data.len, &env));
	struct message *m = message_open(&w->g, &env, &verdict);
	wire_free(WIRE(qenvelope), &env);
	world_send(w, 0, m, ONLY(3));
	message_unref(m);
	world_settle(w);
	assert_int_equal(world_status(w, 3).stable.n, 4);
	world_rule(w, DROP, ONLY(0), ALL, KIND(QVIEW_CHANGE), 0);
	world_time_out(w, ONLY(3));
	low.tip = world_executed(w, 0, 3);
	traitor_view_change(w, 1, 1, &low, 0);
	world_settle(w);
	traitor_new_view(w, 1, 1, ONLY(1) | ONLY(2) | ONLY(3), ONLY(2) | ONLY(3));
	world_settle(w);
	world_clear_rules(w);
	world_rule(w, DROP, ONLY(0), ALL, EVERY_KIND, 0);
	show_chain(w, 1, ab[0], 0, ONLY(3));
	world_settle(w);
	world_say(w, "-- the traitor tries to replace height 5");
	const struct wblock *other = traitor_block(w, 1, 5, &ab[0]->hash);
	traitor_propose(w, 1, 1, other, ONLY(2) | ONLY(3));
	world_settle(w);
	traitor_vote(w, 1, QCOMMIT, 1, other, ONLY(2) | ONLY(3));
	world_settle(w);
	world_clear_rules(w);
	world_goes_on(w);
	assert_ptr_equal(world_executed(w, 3, 5), ab[1]);
	world_end(w, __func__);
}

/*
 * NV1: the traitor 1 alone prepared b; NEW-VIEW(1) binds it, but 3 gets it late: it knows by then that
 * another block was certified in view 2.  That is no proof of more than f traitors.
 */
static void a_late_new_view_of_a_view_that_failed_stops_nobody(void **state)
{
	struct world *w = world_new(4, ONLY(1));
	struct claim nothing = {0};
	(void)state;
	world_rule(w, DROP, ALL, ALL, KIND(QPREPARE), 0);
	const struct wblock *b = world_propose(w, 0);
	world_settle(w);
	world_clear_rules(w);
	world_rule(w, DROP, ALL, ONLY(3), EVERY_KIND, 0);
	world_rule(w, DROP, ALL, ALL, KIND(QSTATUS), 0);
	w->pending = ALL;
	world_time_out(w, ONLY(0) | ONLY(2));
	struct claim prepared = {.prepared = {{b, 0}}};
	traitor_view_change(w, 1, 1, &prepared, ALL);
	world_settle(w);
	traitor_new_view(w, 1, 1, ONLY(0) | ONLY(1) | ONLY(2), 0);
	world_say(w, "-- nobody gets it; view 2");
	world_time_out(w, ONLY(0) | ONLY(2));
	traitor_view_change(w, 1, 2, &nothing, ALL);
	world_settle(w);
	is_in(w, 2, 2);
	const struct wblock *c = world_propose(w, 2);
	world_settle(w);
	traitor_vote(w, 1, QPREPARE, 2, c, ALL);
	traitor_vote(w, 1, QCOMMIT, 2, c, ALL);
	world_settle(w);
	assert_ptr_equal(world_executed(w, 0, 1), c);
	world_clear_rules(w);
	world_say(w, "-- 3 learns of it without its view, and then gets NEW-VIEW(1)");
	world_rule(w, DROP, ALL, ONLY(3), KIND(QNEW_VIEW) | KIND(QSTATUS) | KIND(QVIEW_CHANGE), 0);
	show_chain(w, 1, c, 2, ONLY(3));
	world_run(w, 200);
	assert_ptr_equal(world_executed(w, 3, 1), c);
	is_in(w, 3, 0);
	world_clear_rules(w);
	traitor_new_view(w, 1, 1, ONLY(0) | ONLY(1) | ONLY(2), ONLY(3));
	world_settle(w);
	assert_true(world_status(w, 3).entered.n >= 1);
	world_goes_on(w);
	world_end(w, __func__);
}

/*
 * CO3: 0 and 1, more than f, have 2 and 3 commit two blocks at one height; only b is certified.  2 learns of
 * it.  Were it to commit on b in the same view, both certificates that an auditor may find later, of a and of
 * what is on b, would bear its name: evidence against an honest replica.
 */
static void who_committed_beside_the_chain_commits_nothing_more_in_that_view(void **state)
{
	struct world *w = world_new(4, ONLY(0) | ONLY(1));
	(void)state;
	world_rule(w, DROP, ONLY(2) | ONLY(3), ONLY(2) | ONLY(3),
	           EVERY_KIND & ~KIND(QBODY) & ~KIND(QGET_BODIES), 0);
	const struct wblock *a = traitor_block(w, 0, 1, &w->g.chain),
	                    *b = traitor_block(w, 0, 1, &w->g.chain);
	traitor_propose(w, 0, 0, a, ONLY(2));
	traitor_vote(w, 1, QPREPARE, 0, a, ONLY(2));
	traitor_propose(w, 0, 0, b, ONLY(3));
	traitor_vote(w, 1, QPREPARE, 0, b, ONLY(3));
	world_settle(w);
	voted(w, 2, REC_COMMIT, 0, 1);
	voted(w, 3, REC_COMMIT, 0, 1);
	traitor_vote(w, 0, QCOMMIT, 0, b, ONLY(3));
	traitor_vote(w, 1, QCOMMIT, 0, b, ONLY(3));
	world_settle(w);
	world_say(w, "-- 2 learns that b is final, and is asked to build on it");
	show_chain(w, 1, b, 0, ONLY(2));
	world_run(w, 300);
	assert_ptr_equal(world_executed(w, 2, 1), b);
	const struct wblock *c = traitor_block(w, 0, 2, &b->hash);
	traitor_propose(w, 0, 0, c, ONLY(2));
	traitor_vote(w, 1, QPREPARE, 0, c, ONLY(2));
	world_settle(w);
	did_not_vote(w, 2, REC_COMMIT, 0, 2);
	assert_int_equal(world_status(w, 2).asked.n, 1);
	world_end(w, __func__);
}

/*
 * CO3, where a stable checkpoint of the other chain comes first: 2 forgets what it said up to there, but not
 * before it knows what the checkpoint stands on.
 */
static void a_checkpoint_hides_from_nobody_that_he_committed_beside_the_chain(void **state)
{
	struct world *w = world_new(4, ONLY(0) | ONLY(1));
	const struct wblock *b[4];
	(void)state;
	world_rule(w, DROP, ONLY(2) | ONLY(3), ONLY(2) | ONLY(3),
	           EVERY_KIND & ~KIND(QBODY) & ~KIND(QGET_BODIES) & ~KIND(QCHECKPOINT), 0);
	const struct wblock *a = traitor_block(w, 0, 1, &w->g.chain);
	traitor_propose(w, 0, 0, a, ONLY(2));
	traitor_vote(w, 1, QPREPARE, 0, a, ONLY(2));
	world_settle(w);
	voted(w, 2, REC_COMMIT, 0, 1);
	for (unsigned k = 0; k < 4; k++) {
		b[k] = traitor_block(w, 0, k + 1, k > 0 ? &b[k - 1]->hash : &w->g.chain);
		traitor_propose(w, 0, 0, b[k], ONLY(3));
		traitor_vote(w, 1, QPREPARE, 0, b[k], ONLY(3));
		world_settle(w);
		traitor_vote(w, 0, QCOMMIT, 0, b[k], ONLY(3));
		traitor_vote(w, 1, QCOMMIT, 0, b[k], ONLY(3));
		world_settle(w);
	}
	assert_int_equal(world_height(w, 3), 4);
	world_say(w, "-- 2 learns that height 4 is stable, and only then of what chain it is");
	struct qmessage point = {.kind = QCHECKPOINT};
	point.qmessage_u.vote = (struct qvote){.height = qheight_of(4), .block = b[3]->hash};
	point.qmessage_u.vote.state = w->r[3].disk.executed[4].digest;
	traitor_message(w, 0, &point, ONLY(2));
	traitor_message(w, 1, &point, ONLY(2));
	world_settle(w);
	assert_int_equal(world_status(w, 2).stable.n, 4);
	show_headers(w, 1, b, 4, 0, ONLY(2));
	world_run(w, 300);
	assert_int_equal(world_height(w, 2), 4);
	const struct wblock *c = traitor_block(w, 0, 5, &b[3]->hash);
	traitor_propose(w, 0, 0, c, ONLY(2));
	traitor_vote(w, 1, QPREPARE, 0, c, ONLY(2));
	world_settle(w);
	did_not_vote(w, 2, REC_COMMIT, 0, 5);
	assert_int_equal(world_status(w, 2).asked.n, 1);
	world_end(w, __func__);
}

/*
 * CO3, where the operator chooses: after a fork he stops 2, gives it a copy of 3's ledger, and keeps its vote
 * log, as he must.
 */
static void who_is_given_another_ledger_commits_nothing_more_in_a_view_of_the_old_one(void **state)
{
	struct world *w = world_new(4, ONLY(0) | ONLY(1));
	(void)state;
	world_rule(w, DROP, ONLY(2) | ONLY(3), ONLY(2) | ONLY(3),
	           EVERY_KIND & ~KIND(QBODY) & ~KIND(QGET_BODIES), 0);
	const struct wblock *a = traitor_block(w, 0, 1, &w->g.chain),
	                    *b = traitor_block(w, 0, 1, &w->g.chain);
	traitor_propose(w, 0, 0, a, ONLY(2));
	traitor_vote(w, 1, QPREPARE, 0, a, ONLY(2));
	traitor_propose(w, 0, 0, b, ONLY(3));
	traitor_vote(w, 1, QPREPARE, 0, b, ONLY(3));
	world_settle(w);
	voted(w, 2, REC_COMMIT, 0, 1);
	traitor_vote(w, 0, QCOMMIT, 0, b, ONLY(3));
	traitor_vote(w, 1, QCOMMIT, 0, b, ONLY(3));
	world_settle(w);
	assert_int_equal(world_height(w, 3), 1);
	world_crash(w, 2);
	world_say(w, "-- 2 is given 3's ledger");
	struct disk *to = &w->r[2].disk;
	to->height = 1;
	to->executed[1] = w->r[3].disk.executed[1];
	cert_copy(&to->executed[1].cert, &w->r[3].disk.executed[1].cert);
	world_restart(w, 2);
	const struct wblock *c = traitor_block(w, 0, 2, &b->hash);
	traitor_propose(w, 0, 0, c, ONLY(2));
	traitor_vote(w, 1, QPREPARE, 0, c, ONLY(2));
	world_settle(w);
	did_not_vote(w, 2, REC_COMMIT, 0, 2);
	assert_int_equal(world_status(w, 2).asked.n, 1);
	world_end(w, __func__);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_late_vote_in_an_old_view_cannot_certify_what_the_new_view_forgot),
	    cmocka_unit_test(commits_in_order_keep_a_traitor_from_replacing_a_lost_height),
	    cmocka_unit_test(of_two_prepared_blocks_the_one_of_the_higher_view_is_carried_on),
	    cmocka_unit_test(a_laggard_is_bound_by_the_start_of_the_new_view),
	    cmocka_unit_test(a_bound_height_accepts_no_other_block_while_its_body_is_missing),
	    cmocka_unit_test(a_stable_checkpoint_counts_as_a_certified_tip),
	    cmocka_unit_test(a_late_new_view_of_a_view_that_failed_stops_nobody),
	    cmocka_unit_test(who_committed_beside_the_chain_commits_nothing_more_in_that_view),
	    cmocka_unit_test(a_checkpoint_hides_from_nobody_that_he_committed_beside_the_chain),
	    cmocka_unit_test(who_is_given_another_ledger_commits_nothing_more_in_a_view_of_the_old_one),
	};
	return cmocka_run_group_tests_name("forks", tests, NULL, NULL);
}
