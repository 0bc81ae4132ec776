/*
 * inbox.c: from a frame to the replica's thread: what is opened, and what nobody has to look at.
 *
 * Links: q_replica q_link q_http
 */
#include "payments.h"
#include "verify.h"

#include "fair.c"
#include "node_inbox.c" /* all three of the program, not of a library */
#include "work.c"

uint64_t node_now_ms(void)
{
	return 1;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	(void)level, (void)fmt;
}

/* ---- the link, as far as it is told anything ---------------------------------------- */

static unsigned rejected;

void link_reject(struct link *l, uint32_t pipe)
{
	(void)l, (void)pipe;
	rejected++;
}
void link_slow(struct link *l, uint32_t pipe)
{
	(void)l, (void)pipe;
	fail();
}
void link_proven(struct link *l, uint32_t pipe, unsigned peer)
{
	(void)l, (void)pipe, (void)peer;
}

/* ---- a node that has executed ten blocks, and does no more than open what comes --------- */

static struct rules rules;
static struct node node;

static void begin(void)
{
	rejected = 0;
	node = (struct node){.genesis = &rules.g, .self = 0, .link = (struct link *)&node};
	atomic_store(&node.executed, 10);
	pthread_mutex_init(&node.lock, NULL);
	pthread_cond_init(&node.mail, NULL);
	fair_init(&node.votes, Q_REPLICAS_MAX, INBOX_ITEMS_MAX, INBOX_BYTES_MAX);
	fair_init(&node.bulk, Q_REPLICAS_MAX, INBOX_ITEMS_MAX, INBOX_BYTES_MAX);
	fair_init(&node.wanted, Q_REPLICAS_MAX, INBOX_ITEMS_MAX, INBOX_BYTES_MAX);
	node.cache = verify_cache_new(16);
	node.work = work_start(1, rules.g.n);
}

/* Everything that came has been dealt with. How many messages are on their way to the replica? */
static size_t end(void)
{
	work_stop(node.work);
	work_free(node.work);
	size_t cnt = node.votes.cnt + node.wanted.cnt + node.bulk.cnt;
	inbox_free(&node);
	verify_cache_free(node.cache);
	pthread_mutex_destroy(&node.lock);
	pthread_cond_destroy(&node.mail);
	return cnt;
}

/* One of `sender`, as it comes in, for this chain. */
static void come_as(const struct qhash *chain, unsigned sender, struct bytes body, bool rightly)
{
	struct bytes raw;
	struct qenvelope env = {.chain = *chain, .sender = sender};
	struct qframe frame = {.envelopes = {1, &env}};

	env.body.body_len = (u_int)body.len;
	env.body.body_val = body.data;
	if (rightly)
		ident_sign(rules.ids[sender], &rules.g.chain, body.data, body.len, &env.sig);
	assert_true(wire_encode(WIRE(qframe), &frame, &raw));
	inbox_frame(&node, 7, raw.data, raw.len);
	bytes_free(&raw);
}

static void come_for(const struct qhash *chain, unsigned sender, const struct qmessage *m, bool rightly)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);

	come_as(chain, sender, body, rightly);
	bytes_free(&body);
}

/* For ours, rightly signed or not. */
static void come(unsigned sender, const struct qmessage *m, bool rightly)
{
	come_for(&rules.g.chain, sender, m, rightly);
}

static struct qmessage vote(enum qkind kind, uint64_t height)
{
	struct qmessage m = {.kind = kind};

	m.qmessage_u.vote.height = qheight_of(height);
	m.qmessage_u.vote.block.b[0] = 1;
	if (kind == QCHECKPOINT)
		m.qmessage_u.vote.state.b[0] = 1;
	return m;
}

/* ---- the tests --------------------------------------------------------------------- */

static void late_votes_are_passed_over_unread(void **state)
{
	(void)state;
	begin();
	for (uint64_t h = 9; h <= 10; h++) {
		struct qmessage prepare = vote(QPREPARE, h), commit = vote(QCOMMIT, h);
		come(1, &prepare, true);
		come(2, &commit, true);
		come(3, &commit, false); /* who cares */
	}
	assert_int_equal(end(), 0);
	assert_int_equal(rejected, 0);
}

static void others_are_opened(void **state)
{
	struct qmessage next = vote(QCOMMIT, 11), prepare = vote(QPREPARE, 11), last = vote(QCOMMIT, 10),
	                far = vote(QCOMMIT, UINT64_C(1) << 40), checkpoint = vote(QCHECKPOINT, 10);

	(void)state;
	begin();
	come(1, &next, true);
	come(1, &prepare, true);
	come(1, &far, true);
	come(2, &checkpoint, true); /* of an executed block, as all are */
	come(0, &last, true);       /* of our own: it should not be about */
	assert_int_equal(end(), 5);
	assert_int_equal(rejected, 0);

	begin();
	come(1, &next, false);
	come(2, &checkpoint, false);
	come(0, &last, false);
	assert_int_equal(end(), 0);
	assert_int_equal(rejected, 3);
}

/* Anybody can make them in a replica's name, as many as he likes: his pipe does not stay open for that. */
static void late_votes_that_nobody_signed_are_found_out(void **state)
{
	struct qmessage last = vote(QCOMMIT, 10);
	uint8_t longer[VOTE_BYTES + 4] = {0, 0, 0, QCOMMIT};

	(void)state;
	begin();
	for (unsigned i = 0; i < LATE_LOOK; i++)
		come(3, &last, false);
	assert_int_equal(end(), 0);
	assert_int_equal(rejected, 1);

	begin(); /* begins as a vote does */
	come_as(&rules.g.chain, 3, (struct bytes){longer, sizeof longer}, false);
	assert_int_equal(end(), 0);
	assert_int_equal(rejected, 1);
}

/* Whoever is configured for another chain, or is none of us, is to be told, and its pipe closed. */
static void strangers_are_refused_however_late(void **state)
{
	struct qmessage last = vote(QCOMMIT, 10);
	struct qhash other = rules_hash(9);

	(void)state;
	begin();
	come_for(&other, 1, &last, false);
	come(rules.g.n, &last, false);
	assert_int_equal(end(), 0);
	assert_int_equal(rejected, 2);
	assert_int_equal(node.complaints[OPEN_OTHER_CHAIN].cnt, 1);
	assert_int_equal(node.complaints[OPEN_STRANGER].cnt, 1);
}

/* How many letters wait for the replica's thread? */
static size_t arrived(void)
{
	pthread_mutex_lock(&node.lock);
	size_t cnt = node.wanted.cnt + node.bulk.cnt;
	pthread_mutex_unlock(&node.lock);
	return cnt;
}

/* As it does for the workers: or a replica that falls behind waits for what it asked for behind what it has
 * no use for yet. */
static void a_body_overtakes_forwards_on_its_way_to_the_replica_too(void **state)
{
	struct tx *tx = pay_allocation(&rules, 0, 9, "");
	qtx_bytes raw = {(unsigned)tx->raw_len, tx->raw};
	struct qmessage txs = {.kind = QTXS}, body = {.kind = QBODY};
	enum { FORWARDS = 4 };

	(void)state;
	txs.qmessage_u.txs.txs.txs_val = body.qmessage_u.body.txs.txs_val = &raw;
	txs.qmessage_u.txs.txs.txs_len = body.qmessage_u.body.txs.txs_len = 1;
	begin();
	for (unsigned i = 0; i < FORWARDS; i++)
		come(1, &txs, true);
	while (arrived() < FORWARDS) /* the worker has checked them all; the replica is busy */
		sched_yield();
	come(1, &body, true);
	while (arrived() < FORWARDS + 1)
		sched_yield();
	struct letter *first = take_batch(&node);
	assert_int_equal(first->v.message->m.kind, QBODY);
	letters_free(first);
	end();
	tx_unref(tx);
}

/* What is left unread of a replica that lags is what peers forward, nothing else. */
static void who_lags_reads_all_but_forwards(void **state)
{
	struct tx *tx = pay_allocation(&rules, 0, 9, "");
	qtx_bytes raw = {(unsigned)tx->raw_len, tx->raw};
	struct qmessage txs = {.kind = QTXS}, body = {.kind = QBODY}, prepare = vote(QPREPARE, 11);

	(void)state;
	txs.qmessage_u.txs.txs.txs_val = body.qmessage_u.body.txs.txs_val = &raw;
	txs.qmessage_u.txs.txs.txs_len = body.qmessage_u.body.txs.txs_len = 1;
	for (int lags = 0; lags < 2; lags++) {
		begin();
		atomic_store(&node.lags, lags);
		come(1, &txs, true);
		come(1, &body, true);
		come(1, &prepare, true);
		assert_int_equal(end(), lags ? 2 : 3);
		assert_int_equal(rejected, 0);
	}
	tx_unref(tx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(late_votes_are_passed_over_unread),
	    cmocka_unit_test(others_are_opened),
	    cmocka_unit_test(late_votes_that_nobody_signed_are_found_out),
	    cmocka_unit_test(strangers_are_refused_however_late),
	    cmocka_unit_test(a_body_overtakes_forwards_on_its_way_to_the_replica_too),
	    cmocka_unit_test(who_lags_reads_all_but_forwards),
	};

	rules_setup(&rules, 4, "inbox");
	int failed = cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
	rules_teardown(&rules);
	return failed;
}
