/*
 * The replica as a whole: what it tells its clients, the ordering law, and four of them together through lost
 * messages, crashes and restarts.
 * Links: q_replica
 */
#include <sqlite3.h>

#include "cluster.h"
#include "faultvfs.h"
#include "replica_impl.h"

enum { PATIENCE_MS = 20000 }; /* of virtual time */

static struct qparams small_params(void)
{
	struct qparams p = genesis_default_params();

	p.checkpoint_interval = 4;
	p.window = 4;
	return p;
}

/* Rows in a file of a replica, as an operator with sqlite3 would count them. */
static int64_t count(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t value;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

/* A message as replica `from` would sign it, opened as a receiver would; verified_free() it. */
static struct verified message_from(struct cluster *c, unsigned from, const struct qmessage *m)
{
	struct signer signer = {cluster_sign, &c->members[from]};
	struct message *made = message_make(&c->rules.g, from, &signer, m);
	enum open_verdict verdict;
	struct verified v;

	assert_true(verify_envelope(&c->rules.g, c->cache, &made->env, &v, &verdict));
	message_unref(made);
	return v;
}

static void deliver_from(struct cluster *c, unsigned from, unsigned to, const struct qmessage *m)
{
	struct verified v = message_from(c, from, m);

	replica_message(c->members[to].replica, v.message, v.txs, v.tx_cnt);
	c->members[to].woken = true;
	verified_free(&v);
}

static void forward_from(struct cluster *c, unsigned from, unsigned to, struct tx *const *txs, unsigned cnt)
{
	struct qmessage m = {.kind = QTXS};
	qtx_bytes raw[8];

	assert_true(cnt <= 8);
	for (unsigned i = 0; i < cnt; i++)
		raw[i] = (qtx_bytes){(unsigned)txs[i]->raw_len, txs[i]->raw};
	m.qmessage_u.txs.txs.txs_val = raw;
	m.qmessage_u.txs.txs.txs_len = cnt;
	deliver_from(c, from, to, &m);
}

/* ---- one replica, its clients ------------------------------------------------------------- */

static void one_replica_alone_makes_a_payment_final_in_one_turn(void **state)
{
	struct cluster *c = cluster_new(1, 1, NULL);
	struct tx *tx = pay_allocation(&c->rules, 0, 9, "");
	const struct told *told;

	(void)state;
	assert_int_equal(cluster_submit(c, 0, tx, NULL), TX_OK);
	assert_null(cluster_told(c, 0, &tx->id));
	cluster_turn(c, 0);
	told = cluster_told(c, 0, &tx->id);
	assert_non_null(told);
	assert_int_equal(told->verdict, TX_FINAL);
	assert_int_equal(told->height.n, 1);
	assert_int_equal(cluster_status(c, 0).height.n, 1);
	assert_int_equal(cluster_status(c, 0).transactions, 1);
	tx_unref(tx);
	cluster_free(c);
}

static void tells_what_a_transaction_is_before_and_after_it_is_final(void **state)
{
	struct cluster *c = cluster_new(1, 2, NULL);
	struct tx *tx = pay_allocation(&c->rules, 0, 9, "first");
	struct tx *rival = pay_allocation(&c->rules, 0, 9, "rival");
	struct tx *elsewhere = pay_allocation(&c->rules, 1, 9, "");
	struct qoutpoint in = output(elsewhere, 0);
	struct tx *orphan = pay(&c->rules, &(struct payment){.from = 9, .to = 9}, &in, 1);
	struct replica *r = c->members[0].replica;
	struct qheight height;
	struct qtxid winner;

	(void)state;
	assert_int_equal(replica_submit(r, tx, &height, &winner), TX_OK);
	assert_int_equal(replica_submit(r, tx, &height, &winner), TX_KNOWN);
	assert_int_equal(replica_fate(r, &tx->id, &winner), TX_KNOWN);
	assert_int_equal(replica_submit(r, rival, &height, &winner), TX_DOUBLE_SPEND);
	assert_true(qtxid_eq(&winner, &tx->id));
	cluster_turn(c, 0);
	assert_int_equal(replica_submit(r, tx, &height, &winner), TX_FINAL);
	assert_int_equal(height.n, 1);
	winner = (struct qtxid){0};
	assert_int_equal(replica_submit(r, rival, &height, &winner), TX_DOUBLE_SPEND);
	assert_true(qtxid_eq(&winner, &tx->id));
	assert_int_equal(replica_submit(r, orphan, &height, &winner), TX_UNKNOWN_OUTPUT);
	assert_int_equal(replica_fate(r, &orphan->id, &winner), TX_UNKNOWN_OUTPUT);
	tx_unref(tx);
	tx_unref(rival);
	tx_unref(elsewhere);
	tx_unref(orphan);
	cluster_free(c);
}

/* So many of a turn that nobody keeps a replica from voting. */
static void looks_into_the_ledger_for_a_bounded_number_of_strangers_a_turn(void **state)
{
	struct cluster *c = cluster_new(4, 8, NULL);
	struct tx *paid = pay_allocation(&c->rules, 0, 9, ""), *rival = pay_allocation(&c->rules, 0, 8, "");
	struct qheight height;
	struct qtxid winner;

	(void)state;
	cluster_pay(c, 0, tx_ref(paid));
	cluster_settle(c, PATIENCE_MS);
	struct replica *r = c->members[0].replica;
	for (unsigned i = 0; i < TURN_PROBES_MAX; i++) {
		struct qoutpoint nowhere = {.tx = paid->id, .index = 1000 + i};
		struct qoutput out = {rules_address(9), 1};
		struct tx *stranger = pay_outputs(&c->rules, 1, &nowhere, 1, &out, 1, NULL);
		assert_int_equal(replica_submit(r, stranger, &height, &winner), TX_UNKNOWN_OUTPUT);
		tx_unref(stranger);
	}
	assert_int_equal(replica_submit(r, rival, &height, &winner), TX_POOL_FULL);
	assert_true(replica_turn(r, NULL));
	assert_int_equal(replica_submit(r, rival, &height, &winner), TX_DOUBLE_SPEND);
	tx_unref(paid);
	tx_unref(rival);
	cluster_free(c);
}

/* A child of no output that its parent has is judged once more when the parent comes, not for ever. */
static void a_child_of_an_output_that_its_parent_lacks_is_judged_once_when_it_comes(void **state)
{
	struct cluster *c = cluster_new(4, 8, NULL);
	struct tx *parent = pay_allocation(&c->rules, 0, 9, "");
	struct qoutpoint nowhere = {.tx = parent->id, .index = 1000};
	struct qoutput out = {rules_address(9), 1};
	struct tx *child = pay_outputs(&c->rules, 1, &nowhere, 1, &out, 1, NULL);
	struct replica *r = c->members[0].replica;

	(void)state;
	forward_from(c, 1, 0, &child, 1);
	forward_from(c, 1, 0, &parent, 1);
	assert_non_null(pool_find(r->pool, &parent->id));
	assert_null(pool_find(r->pool, &child->id));
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 0).transactions, 1);
	tx_unref(parent);
	tx_unref(child);
	cluster_free(c);
}

static void keeps_each_double_spend_once_as_evidence(void **state)
{
	static const char *const sql = "SELECT count(*) FROM journal WHERE kind = 'evidence'";
	struct cluster *c = cluster_new(1, 2, NULL);
	struct tx *tx = pay_allocation(&c->rules, 0, 9, "first");
	struct tx *rivals[] = {pay_allocation(&c->rules, 0, 9, "second"),
	                       pay_allocation(&c->rules, 0, 9, "third")};

	(void)state;
	assert_int_equal(cluster_submit(c, 0, tx, NULL), TX_OK);
	assert_int_equal(cluster_submit(c, 0, rivals[0], NULL), TX_DOUBLE_SPEND); /* of a pending one */
	cluster_turn(c, 0);
	assert_int_equal(count(c->members[0].ledger, sql), 1);
	assert_int_equal(cluster_submit(c, 0, rivals[0], NULL), TX_DOUBLE_SPEND);
	cluster_turn(c, 0);
	assert_int_equal(count(c->members[0].ledger, sql), 1);
	assert_int_equal(cluster_submit(c, 0, rivals[1], NULL), TX_DOUBLE_SPEND); /* of a final one */
	cluster_turn(c, 0);
	assert_int_equal(count(c->members[0].ledger, sql), 2);
	tx_unref(tx);
	tx_unref(rivals[0]);
	tx_unref(rivals[1]);
	cluster_free(c);
}

static void fills_blocks_when_much_is_waiting(void **state)
{
	struct qparams params = genesis_default_params();
	struct cluster *c;

	(void)state;
	params.block_txs_max = 20;
	c = cluster_new(1, 65, &params);
	for (unsigned i = 0; i < 65; i++)
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
	cluster_turn(c, 0);
	assert_int_equal(cluster_status(c, 0).height.n, 4); /* 20, 20, 20, 5 */
	assert_int_equal(cluster_status(c, 0).transactions, 65);
	cluster_free(c);
}

static void count_proposals(struct cluster *c, unsigned from, const struct message *m)
{
	(void)from;
	*(unsigned *)c->drop_ctx += m->m.kind == QPRE_PREPARE;
}

static void asks_the_more_of_a_batch_the_more_is_in_flight(void **state)
{
	/* Transactions that must be waiting with so many blocks in flight, of 20 that a block holds. */
	static const unsigned wanted[] = {1, 7, 14, 20, 20};
	struct qparams params = genesis_default_params();
	struct cluster *c;
	unsigned proposals = 0, i = 0;

	(void)state;
	params.block_txs_max = 20;
	c = cluster_new(4, 80, &params);
	c->watch = count_proposals;
	c->drop_ctx = &proposals;
	for (unsigned flying = 0; flying < 5; flying++) { /* nobody else has a turn */
		for (unsigned k = 0; k < wanted[flying]; k++) {
			assert_int_equal(proposals, flying);
			cluster_pay(c, 0, pay_allocation(&c->rules, i++, 9, ""));
			cluster_turn(c, 0);
		}
		assert_int_equal(proposals, flying + 1);
	}
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 3).transactions, i);
	cluster_free(c);
}

/* How far? Peers may be sent a proposal again, by anybody. */
static void watch_proposals(struct cluster *c, unsigned from, const struct message *m)
{
	unsigned *height = c->drop_ctx;

	(void)from;
	if (m->m.kind == QPRE_PREPARE && m->m.qmessage_u.proposal.header.height.n > *height)
		*height = (unsigned)m->m.qmessage_u.proposal.header.height.n;
}

static bool first_executed(struct cluster *c)
{
	return cluster_status(c, 0).height.n == 1;
}

/* A cluster in which replica 0 has just executed a block of its own, and expects more; then `waiting` come
 * in. */
static struct cluster *busy_cluster(unsigned *proposals, unsigned waiting)
{
	struct qparams params = genesis_default_params();
	struct cluster *c;

	params.block_txs_max = 20;
	c = cluster_new(4, 80, &params);
	c->watch = watch_proposals;
	c->drop_ctx = proposals;
	*proposals = 0;
	replica_expect(c->members[0].replica, true);
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_turn(c, 0);
	assert_int_equal(*proposals, 1); /* who was idle does not wait */
	assert_true(cluster_run_until(c, first_executed, c->now_ms + PATIENCE_MS));
	for (unsigned i = 1; i <= waiting; i++)
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
	return c;
}

static void waits_for_more_no_longer_than_the_last_block_took(void **state)
{
	unsigned proposals;
	struct cluster *c = busy_cluster(&proposals, 2);
	uint64_t took_ms = c->now_ms - 1000; /* since the cluster began */

	(void)state;
	assert_true(took_ms > 1);
	cluster_turn(c, 0);
	assert_int_equal(proposals, 1);
	assert_true(replica_deadline(c->members[0].replica) <= c->now_ms + took_ms);
	cluster_run(c, took_ms - 1); /* what happens before then */
	assert_int_equal(proposals, 1);
	cluster_run(c, 2);
	assert_int_equal(proposals, 2);
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 3).transactions, 3);
	cluster_free(c);
}

static void does_not_wait_for_what_it_does_not_expect_or_has_no_room_for(void **state)
{
	unsigned proposals;
	struct cluster *c = busy_cluster(&proposals, 2);

	(void)state;
	cluster_turn(c, 0);
	assert_int_equal(proposals, 1);
	replica_expect(c->members[0].replica, false);
	cluster_turn(c, 0);
	assert_int_equal(proposals, 2);
	cluster_free(c);

	c = busy_cluster(&proposals, 20);
	cluster_turn(c, 0);
	assert_int_equal(proposals, 2);
	cluster_free(c);
}

/* ---- the ordering law ------------------------------------------------------------------------ */

static struct {
	unsigned forwards, others;
} posted;

static void count_posted(struct cluster *c, unsigned from, const struct message *m)
{
	(void)c;
	(void)from;
	posted.forwards += m->m.kind == QTXS;
	posted.others += m->m.kind != QTXS;
}

/* But for the forward, which promises nothing and does not wait for the store. */
static void sends_nothing_when_its_store_fails_and_goes_on_after_a_restart(void **state)
{
	struct cluster *c = cluster_new(4, 8, NULL);
	unsigned failures = 0;

	(void)state;
	fault_setup();
	cluster_run(c, 10);
	c->watch = count_posted;
	for (long at = 1;; at++) {
		struct tx *tx = pay_allocation(&c->rules, 0, 9, "");
		struct err err = {0};
		struct qheight height;
		struct qtxid winner;

		cluster_crash(c, 0);
		c->vfs = FAULT_VFS;
		cluster_start(c, 0);
		c->vfs = NULL;
		cluster_turn(c, 0);
		memset(&posted, 0, sizeof posted);
		assert_int_equal(cluster_submit(c, 0, tx, NULL), TX_OK);
		fault_after(at, SQLITE_FULL);
		bool went = replica_turn(c->members[0].replica, &err);
		bool failed = fault.left == 0;
		fault_none();
		assert_int_equal(went, !failed);
		if (failed) {
			failures++;
			assert_int_equal(err.kind, ERR_WORLD);
			assert_int_equal(posted.others, 0);
			assert_false(replica_turn(c->members[0].replica, &err));
			assert_int_equal(replica_submit(c->members[0].replica, tx, &height, &winner),
			                 TX_POOL_FULL);
		} else {
			assert_true(posted.others > 0);
		}
		assert_int_equal(posted.forwards, 1);
		tx_unref(tx);
		if (!failed)
			break;
	}
	assert_true(failures >= 2); /* at least a write and a sync */
	c->watch = NULL;
	c->members[0].woken = true;
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 0).transactions, 1);
	cluster_free(c);
}

/* OWN1: who may have forgotten what it signed falls silent, which no crash may undo. Nothing that it sends in
 * the same turn takes that to the disk. */
static void who_falls_silent_stays_so_though_it_crashes_at_once(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct qmessage m = {.kind = QPREPARE, .qmessage_u.vote = {.height = {1}, .block.b = {7}}};

	(void)state;
	cluster_run(c, 10);
	uint64_t sent = c->sent;
	deliver_from(c, 3, 3, &m); /* a vote of its own that its log does not hold */
	cluster_turn(c, 3);
	assert_non_null(cluster_status(c, 3).muted_because);
	assert_int_equal(c->sent, sent);
	cluster_crash(c, 3);
	cluster_start(c, 3);
	assert_non_null(cluster_status(c, 3).muted_because);
	cluster_free(c);
}

/* PREPARE and COMMIT before they are sent, the block before anybody is told; a new tip costs none of its own.
 */
static void a_block_waits_for_the_disk_three_times(void **state)
{
	struct cluster *c = cluster_new(4, 8, NULL);

	(void)state;
	fault_setup();
	cluster_crash(c, 1);
	c->vfs = FAULT_VFS;
	cluster_start(c, 1);
	c->vfs = NULL;
	for (unsigned i = 0; i < 4; i++) {
		fault.syncs = 0;
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, PATIENCE_MS);
		assert_int_equal(cluster_status(c, 1).height.n, i + 1);
		assert_true(i == 0 ||
		            fault.syncs == 3); /* the first ones write the heads of both files, too */
	}
	cluster_crash(c, 1); /* the last tip was not synced: the ledger knows it */
	cluster_start(c, 1);
	assert_int_equal(cluster_status(c, 1).engine.tip.n, 4);
	cluster_free(c);
}

/* ---- four replicas ------------------------------------------------------------------------------ */

static void four_replicas_agree_on_what_is_handed_to_each(void **state)
{
	struct cluster *c = cluster_new(4, 40, NULL);
	struct tx *txs[40];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		txs[i] = pay_allocation(&c->rules, i, 9, "");
		assert_int_equal(cluster_submit(c, i % 4, txs[i], NULL), TX_OK);
	}
	cluster_settle(c, 500);
	for (unsigned i = 0; i < 40; i++) {
		const struct told *told = cluster_told(c, i % 4, &txs[i]->id);
		assert_true(told && told->verdict == TX_FINAL);
		tx_unref(txs[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(c->members[i].told_cnt, 10); /* of own clients only */
		assert_int_equal(cluster_status(c, i).transactions, 40);
		assert_int_equal(cluster_status(c, i).engine.entered.n, 0);
	}
	cluster_free(c);
}

static void goes_on_without_its_primary_which_catches_up_later(void **state)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, 40, &params);

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	cluster_crash(c, 0);
	for (unsigned i = 1; i < 30; i++) {
		cluster_pay(c, 1 + i % 3, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, PATIENCE_MS);
	}
	assert_true(cluster_status(c, 1).engine.entered.n >= 1);
	assert_int_equal(cluster_status(c, 1).height.n, 30); /* many windows and checkpoints ahead */
	cluster_start(c, 0);
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 0).transactions, 30);
	cluster_pay(c, 0, pay_allocation(&c->rules, 30, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	cluster_free(c);
}

static void one_replica_alone_goes_on_without_its_vote_log(void **state)
{
	struct cluster *c = cluster_new(1, 2, NULL);

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	cluster_crash(c, 0);
	assert_int_equal(unlink(c->members[0].votes), 0);
	cluster_start(c, 0);
	cluster_pay(c, 0, pay_allocation(&c->rules, 1, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 0).transactions, 2);
	assert_false(cluster_status(c, 0).amnesiac);
	cluster_free(c);
}

static bool nothing_arrives(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)from;
	(void)to;
	(void)m;
	return true;
}

static void who_slept_does_not_suspect_the_proposer_for_it(void **state)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, 4, &params);

	(void)state;
	c->drop = nothing_arrives;
	cluster_pay(c, 1, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, params.timeout_ms / 2 + 100); /* the half of its patience is over */
	c->now_ms += 600000;
	for (unsigned i = 0; i < 4; i++) {
		replica_clock(c->members[i].replica, c->now_ms, CLUSTER_WALL_MS + c->now_ms);
		assert_true(replica_turn(c->members[i].replica, NULL));
	}
	assert_int_equal(cluster_status(c, 1).engine.asked.n, 0);
	cluster_run(c, params.timeout_ms);
	assert_int_equal(cluster_status(c, 1).engine.asked.n, 1); /* awake, it does */
	cluster_free(c);
}

/* What replica 1 says of transactions, and whether it suspects before. */
struct resent {
	struct tx *const *txs;
	size_t cnt;
	bool suspected;
};

static void watch_resending(struct cluster *c, unsigned from, const struct message *m)
{
	struct resent *w = c->drop_ctx;
	const struct qtxs *q = &m->m.qmessage_u.txs;

	if (from == 1 && m->m.kind == QVIEW_CHANGE)
		w->suspected = true;
	if (from != 1 || m->m.kind != QTXS || w->suspected)
		return;
	for (unsigned i = 0; i < q->txs.txs_len; i++) {
		const struct tx *tx = w->txs[w->cnt++];
		assert_int_equal(q->txs.txs_val[i].qtx_bytes_len, tx->raw_len);
		assert_memory_equal(q->txs.txs_val[i].qtx_bytes_val, tx->raw, tx->raw_len);
	}
}

/* [F9] However much is pending: it is all there is to suspect for, and takes no longer to read than a block.
 */
static void resends_a_block_s_worth_of_the_oldest_before_it_suspects(void **state)
{
	struct qparams params = small_params();
	struct resent w = {.cnt = 0};
	struct tx *txs[8];

	(void)state;
	params.block_txs_max = 3;
	struct cluster *c = cluster_new(4, 8, &params);
	c->drop = nothing_arrives;
	for (unsigned i = 0; i < 8; i++) {
		txs[i] = pay_allocation(&c->rules, i, 9, "");
		if (i % 2)
			assert_int_equal(cluster_submit(c, 1, txs[i], NULL), TX_OK);
		else
			forward_from(c, 2, 1, &txs[i], 1);
	}
	cluster_turn(c, 1); /* what is its own it forwards at once */
	w.txs = txs;
	c->watch = watch_resending;
	c->drop_ctx = &w;
	cluster_run(c, params.timeout_ms / 2 + 100);
	assert_int_equal(w.cnt, 3);
	assert_false(w.suspected);
	cluster_run(c, params.timeout_ms);
	assert_true(w.suspected);
	assert_int_equal(w.cnt, 3);
	for (unsigned i = 0; i < 8; i++)
		tx_unref(txs[i]);
	cluster_free(c);
}

static void count_fetches_and_view_changes(struct cluster *c, unsigned from, const struct message *m)
{
	size_t *cnt = c->drop_ctx;

	(void)from;
	*cnt += m->m.kind == QGET_TXS || m->m.kind == QVIEW_CHANGE;
}

/* Every client hands in whatever is taken. What is accepted comes to all, fills blocks, and blames nobody. */
static void stays_full_of_useful_work_when_too_much_is_asked_of_it(void **state)
{
	struct qparams params = small_params();
	unsigned outputs = 1600, next = 0;
	size_t strange = 0;

	(void)state;
	params.block_txs_max = 8;
	params.pool_source_max = 24;
	struct cluster *c = cluster_new(4, outputs, &params);
	c->watch = count_fetches_and_view_changes;
	c->drop_ctx = &strange;
	while (next < outputs) {
		for (unsigned k = 0; k < 4; k++) {
			size_t room = replica_room(c->members[k].replica);
			for (; room > 0 && next < outputs; room--, next++)
				cluster_pay(c, k, pay_allocation(&c->rules, next, 9, ""));
			assert_true(next == outputs || replica_room(c->members[k].replica) == 0);
		}
		cluster_run(c, 1);
	}
	struct replica_status s = cluster_status(c, 0);
	assert_true(s.height.n > 2 * c->members[0].replica->patience.passed_max);
	assert_true(s.transactions + 2 * params.block_txs_max >= s.height.n * params.block_txs_max);
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 0).transactions, outputs);
	assert_int_equal(strange, 0);
	for (unsigned k = 0; k < 4; k++)
		assert_null(c->members[k].replica->seen); /* what was forwarded and refused */
	cluster_free(c);
}

static bool no_checkpoints(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)from;
	(void)to;
	return m->m.kind == QCHECKPOINT;
}

/* RE4: the power failed after the ledger was synced, before the CHECKPOINT was. */
static void signs_the_checkpoint_that_was_due(unsigned height)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, height, &params);

	c->drop = no_checkpoints;
	for (unsigned i = 0; i < height; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, PATIENCE_MS);
	}
	assert_int_equal(cluster_status(c, 1).height.n, height);
	for (unsigned i = 0; i < 4; i++) {
		cluster_crash(c, i);
		assert_int_equal(count(c->members[i].votes, "DELETE FROM log WHERE kind = 4 RETURNING 1"), 1);
	}
	c->drop = NULL;
	for (unsigned i = 0; i < 4; i++)
		cluster_start(c, i);
	cluster_run(c, 3000);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(cluster_status(c, i).engine.stable.n, params.checkpoint_interval);
	cluster_free(c);
}

static void signs_the_checkpoint_that_was_due_when_it_stopped(void **state)
{
	(void)state;
	signs_the_checkpoint_that_was_due(4);
	signs_the_checkpoint_that_was_due(6); /* it was inside a run */
}

/* An idle engine is woken once a second: what comes in between must start its timer, too. Virtual time. */
static void suspects_from_the_moment_a_transaction_comes(void **state)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, 4, &params);

	(void)state;
	cluster_pay(c, 1, pay_allocation(&c->rules, 0, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	cluster_crash(c, 0);
	cluster_run(c, 5100); /* STATUS has just been exchanged */
	uint64_t begun_ms = c->now_ms;
	cluster_pay(c, 1, pay_allocation(&c->rules, 1, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	assert_true(c->now_ms - begun_ms >= params.timeout_ms);
	assert_true(c->now_ms - begun_ms <= params.timeout_ms + 50);
	cluster_free(c);
}

static void forgets_nothing_final_when_all_stop_at_once(void **state)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, 48, &params);
	struct tx *txs[48];
	struct qheight height;
	struct qtxid winner;

	(void)state;
	for (unsigned i = 0; i < 48; i++)
		txs[i] = pay_allocation(&c->rules, i, 9, "");
	for (unsigned round = 0; round < 12; round++) {
		for (unsigned i = 0; i < 4; i++)
			cluster_submit(c, i, txs[4 * round + i], &winner);
		cluster_run(c, round); /* stops at another moment each time */
		for (unsigned i = 0; i < 4; i++)
			cluster_crash(c, i);
		for (unsigned i = 0; i < 4; i++)
			cluster_start(c, i);
	}
	cluster_settle(c, PATIENCE_MS);
	for (unsigned i = 0; i < 48; i++) {
		for (unsigned k = 0; k < 4; k++) {
			enum tx_verdict v = replica_submit(c->members[k].replica, txs[i], &height, &winner);
			assert_true(!cluster_told(c, i % 4, &txs[i]->id) || v == TX_FINAL);
			assert_true(v == TX_FINAL || v == TX_OK);
		}
		c->members[i % 4].woken = true;
	}
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 2).transactions, 48);
	for (unsigned i = 0; i < 48; i++)
		tx_unref(txs[i]);
	cluster_free(c);
}

static void decides_a_race_of_two_spends_alike_everywhere(void **state)
{
	struct cluster *c = cluster_new(4, 8, NULL);
	struct tx *pair[2];

	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		const struct told *told[2];

		for (unsigned i = 0; i < 2; i++) {
			pair[i] = pay_allocation(&c->rules, round, 9, i ? "right" : "left");
			assert_int_equal(cluster_submit(c, (round + i) % 4, pair[i], NULL), TX_OK);
		}
		cluster_settle(c, PATIENCE_MS);
		for (unsigned i = 0; i < 2; i++) {
			told[i] = cluster_told(c, (round + i) % 4, &pair[i]->id);
			assert_non_null(told[i]);
		}
		unsigned won = told[0]->verdict == TX_FINAL ? 0 : 1;
		assert_int_equal(told[won]->verdict, TX_FINAL);
		assert_int_equal(told[!won]->verdict, TX_DOUBLE_SPEND);
		assert_true(qtxid_eq(&told[!won]->winner, &pair[won]->id));
		tx_unref(pair[0]);
		tx_unref(pair[1]);
	}
	assert_int_equal(cluster_status(c, 0).transactions, 8);
	cluster_free(c);
}

static void takes_in_a_child_that_overtook_its_parents(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct tx *a = pay_allocation(&c->rules, 0, 9, "a"), *b = pay_allocation(&c->rules, 1, 9, "b");
	struct qoutpoint ins[] = {output(a, 0), output(b, 0)};
	struct payment p = {.from = 9, .to = 9, .amount = 2 * PAY_AMOUNT};
	struct tx *child = pay(&c->rules, &p, ins, 2);
	struct qoutpoint in = output(child, 0);
	struct tx *grandchild = pay(&c->rules, &p, &in, 1);
	struct replica *r = c->members[0].replica;
	struct qtxid winner;

	(void)state;
	forward_from(c, 1, 0, &grandchild, 1);
	forward_from(c, 2, 0, &child, 1);
	forward_from(c, 3, 0, &b, 1);
	assert_int_equal(replica_fate(r, &child->id, &winner), TX_UNKNOWN_OUTPUT);
	forward_from(c, 3, 0, &a, 1);
	assert_int_equal(replica_fate(r, &child->id, &winner), TX_KNOWN);
	assert_int_equal(replica_fate(r, &grandchild->id, &winner), TX_KNOWN);
	cluster_settle(c, 500);
	assert_int_equal(cluster_status(c, 3).transactions, 4);
	tx_unref(a);
	tx_unref(b);
	tx_unref(child);
	tx_unref(grandchild);
	cluster_free(c);
}

/* Each of them, not the first alone: who sent one does not send it again for the other's sake. */
static void takes_in_all_children_that_overtook_one_parent(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct qoutpoint in = allocation(&c->rules, 0);
	struct tx *parent =
	    pay(&c->rules, &(struct payment){.from = account_of(0), .to = 9, .outputs = 3}, &in, 1);
	struct payment p = {.from = 9, .to = 9};
	struct tx *children[3];
	struct qtxid winner;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		in = output(parent, i);
		p.amount = parent->q.body.outputs.outputs_val[i].amount;
		children[i] = pay(&c->rules, &p, &in, 1);
		forward_from(c, 1 + i, 0, &children[i], 1);
	}
	forward_from(c, 1, 0, &parent, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(replica_fate(c->members[0].replica, &children[i]->id, &winner), TX_KNOWN);
		tx_unref(children[i]);
	}
	tx_unref(parent);
	cluster_free(c);
}

/* T30: a stranger may sign any number of them; the oldest of the same peer make room, and nobody else's. */
static void keeps_a_bounded_number_of_orphans_of_a_peer(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);
	struct replica *r = c->members[0].replica;
	struct tx *parent = pay_allocation(&c->rules, 0, 9, "");
	struct qoutpoint in = output(parent, 0);
	struct tx *child = pay(&c->rules, &(struct payment){.from = 9, .to = 9}, &in, 1);
	struct qtxid winner;

	(void)state;
	forward_from(c, 2, 0, &child, 1);
	for (unsigned i = 0; i < ORPHANS_MAX + 8; i++) {
		struct qoutpoint nowhere = {.tx.b = {1}, .index = i};
		struct tx *orphan = pay(&c->rules, &(struct payment){.from = 9, .to = 9}, &nowhere, 1);
		forward_from(c, 1, 0, &orphan, 1);
		tx_unref(orphan);
	}
	assert_int_equal(r->peers[1].orphan_cnt, ORPHANS_MAX);
	assert_int_equal(r->peers[2].orphan_cnt, 1);
	forward_from(c, 3, 0, &parent, 1);
	assert_int_equal(replica_fate(r, &child->id, &winner), TX_KNOWN);
	tx_unref(parent);
	tx_unref(child);
	cluster_free(c);
}

/* Replica 3 gets no forwards; what it asks for is answered, but not by those of the mask. */
static bool starve(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	uint64_t silent = *(uint64_t *)c->drop_ctx;

	if (m->m.kind == QGET_TXS || m->m.kind == QGET_BODIES)
		return silent >> to & 1;
	return m->m.kind == QTXS && to == 3 && !(silent >> 8 & 1) && from != to;
}

static void watch_requests(struct cluster *c, unsigned from, const struct message *m)
{
	uint64_t *silent = c->drop_ctx;

	if (from == 3 && (m->m.kind == QGET_TXS || m->m.kind == QGET_BODIES))
		*silent |= 1 << 8; /* from now on transactions reach it: they are answers */
}

static void fetches_what_a_proposal_names_from(uint64_t silent, uint64_t limit_ms)
{
	struct cluster *c = cluster_new(4, 8, NULL);

	c->drop = starve;
	c->watch = watch_requests;
	c->drop_ctx = &silent;
	for (unsigned i = 0; i < 8; i++)
		cluster_pay(c, i % 3, pay_allocation(&c->rules, i, 9, ""));
	cluster_settle(c, limit_ms);
	assert_true(silent >> 8 & 1); /* it did ask */
	assert_int_equal(cluster_status(c, 3).transactions, 8);
	cluster_free(c);
}

static void fetches_what_a_proposal_names_from_its_proposer(void **state)
{
	(void)state;
	fetches_what_a_proposal_names_from(0, 50);
}

/* What is missing of a proposal waits for a worker here: it is not fetched over again, for a while. */
static void does_not_fetch_what_may_be_waiting_for_a_worker(void **state)
{
	enum { CNT = LEAVES_MAX + 16 }; /* fewer are asked for at once */
	struct cluster *c = cluster_new(4, CNT, NULL);
	uint64_t silent = 0, patience_ms = c->rules.g.timeout_ms / PATIENCE_PARTS;

	(void)state;
	c->drop = starve;
	c->watch = watch_requests;
	c->drop_ctx = &silent;
	replica_expect(c->members[3].replica, true);
	for (unsigned i = 0; i < CNT; i++)
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
	cluster_run(c, patience_ms);
	assert_false(silent >> 8 & 1);
	assert_int_equal(cluster_status(c, 3).transactions, 0);
	cluster_settle(c, 100);
	assert_true(silent >> 8 & 1); /* then it did ask */
	assert_int_equal(cluster_status(c, 3).transactions, CNT);
	cluster_free(c);
}

static void fetches_from_others_what_the_proposer_withholds(void **state)
{
	(void)state;
	fetches_what_a_proposal_names_from(1 << 0 | 1 << 1, 1000);
}

static void count_requests_of_3(struct cluster *c, unsigned from, const struct message *m)
{
	unsigned *asked = c->drop_ctx;

	asked[0] += from == 3 && m->m.kind == QGET_TXS;
	asked[1] += from == 3 && m->m.kind == QGET_BODIES;
}

static bool forwards_do_not_reach_3(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	const unsigned *asked = c->drop_ctx;

	(void)from;
	return to == 3 && m->m.kind == QTXS && asked[0] == 0; /* afterwards they are answers */
}

/* How replica 3 asked for a block of which it has nothing: by leaf, or for the whole of it. */
static void asks_for_a_block_of(unsigned txs, unsigned by_leaf, unsigned whole)
{
	struct cluster *c = cluster_new(4, txs, NULL);
	unsigned asked[2] = {0};

	c->drop = forwards_do_not_reach_3;
	c->watch = count_requests_of_3;
	c->drop_ctx = asked;
	for (unsigned i = 0; i < txs; i++)
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 3).height.n, 1);
	assert_int_equal(cluster_status(c, 3).transactions, txs);
	assert_int_equal(asked[0], by_leaf);
	assert_int_equal(asked[1], whole);
	cluster_free(c);
}

static void asks_for_the_whole_block_where_much_of_it_is_missing(void **state)
{
	(void)state;
	asks_for_a_block_of(LEAVES_MAX, 1, 0);
	asks_for_a_block_of(LEAVES_MAX + 1, 0, 1);
}

static bool nothing_but_agreement_reaches_3(struct cluster *c, unsigned from, unsigned to,
                                            const struct message *m)
{
	(void)c;
	(void)from;
	return to == 3 && (m->m.kind == QTXS || m->m.kind == QBODY || m->m.kind == QCHAIN);
}

static void fetches_whole_what_others_have_only_in_their_ledgers(void **state)
{
	struct cluster *c = cluster_new(4, 1, NULL);

	(void)state;
	c->drop = nothing_but_agreement_reaches_3;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, 50);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(cluster_status(c, i).height.n, 1);
		cluster_crash(c, i); /* and forgets what it had in memory */
		cluster_start(c, i);
	}
	c->drop = NULL;
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 3).height.n, 1);
	cluster_free(c);
}

/* Or it would stay behind: most of what comes then is in blocks that it has not executed. */
static void a_replica_that_is_behind_does_not_look_for_what_peers_transactions_spend(void **state)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, 6, &params);
	struct replica *r = c->members[3].replica;
	struct qoutpoint nowhere = {.index = 0};
	struct qoutput out = {rules_address(9), 1};
	struct tx *strangers[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		nowhere.tx.b[0] = (uint8_t)(1 + i);
		strangers[i] = pay_outputs(&c->rules, 1, &nowhere, 1, &out, 1, NULL);
	}
	c->drop = nothing_but_agreement_reaches_3;
	for (unsigned i = 0; i < 3; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_run(c, 50);
	}
	assert_int_equal(cluster_status(c, 0).height.n, 3);
	assert_int_equal(cluster_status(c, 3).height.n, 0);
	assert_true(cluster_status(c, 3).engine.tip.n >= 2);
	assert_false(replica_lags(r));
	forward_from(c, 1, 3, &strangers[0], 1);
	assert_int_equal(r->probes, 0);
	assert_int_equal(cluster_submit(c, 3, strangers[0], NULL), TX_UNKNOWN_OUTPUT);
	assert_int_not_equal(r->probes, 0); /* its own clients get an answer that is looked up */
	for (unsigned i = 3; i < 6; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_run(c, 50);
	}
	assert_int_equal(cluster_status(c, 3).engine.tip.n, 6);
	assert_true(replica_lags(r)); /* by more than the window, which is 4 */
	c->drop = NULL;
	cluster_settle(c, PATIENCE_MS);
	assert_false(replica_lags(r));
	assert_int_equal(cluster_status(c, 3).height.n, 6);
	forward_from(c, 1, 3, &strangers[1], 1);
	assert_int_not_equal(r->probes, 0);
	tx_unref(strangers[0]);
	tx_unref(strangers[1]);
	cluster_free(c);
}

/* Its node leaves forwards unread then, and an answer by leaf is one. */
static void counts_questions_by_leaf_of_3(struct cluster *c, unsigned from, const struct message *m)
{
	*(unsigned *)c->drop_ctx += from == 3 && m->m.kind == QGET_TXS;
}

static void a_replica_that_lags_asks_for_nothing_that_its_node_leaves_unread(void **state)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, 8, &params);
	unsigned by_leaf = 0;

	(void)state;
	c->drop = nothing_but_agreement_reaches_3;
	c->drop_ctx = &by_leaf;
	for (unsigned i = 0; i < 6; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_run(c, 50);
	}
	assert_true(replica_lags(c->members[3].replica));
	c->watch = counts_questions_by_leaf_of_3;
	for (unsigned i = 6; i < 8; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_run(c, 50);
	}
	assert_true(replica_lags(c->members[3].replica));
	assert_int_equal(by_leaf, 0);
	c->watch = NULL;
	c->drop = NULL;
	cluster_settle(c, PATIENCE_MS);
	cluster_free(c);
}

/* A traitor gives one transaction of each block to the proposer alone, while clients keep everybody busy. */
static bool forwards_of_0_are_withheld(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)to;
	return from == 0 && m->m.kind == QTXS && m->m.qmessage_u.txs.txs.txs_len == 1 &&
	       !*(bool *)c->drop_ctx;
}

static void notes_questions(struct cluster *c, unsigned from, const struct message *m)
{
	(void)from;
	if (m->m.kind == QGET_TXS || m->m.kind == QGET_BODIES)
		*(bool *)c->drop_ctx = true; /* answers pass */
	if (m->m.kind == QPRE_PREPARE)
		*(bool *)c->drop_ctx = false;
}

static void one_withheld_transaction_delays_no_block_while_others_are_busy(void **state)
{
	enum { BLOCKS = 8 };
	struct cluster *c = cluster_new(4, BLOCKS, NULL);
	bool asked = false;

	(void)state;
	c->drop = forwards_of_0_are_withheld;
	c->watch = notes_questions;
	c->drop_ctx = &asked;
	uint64_t began = c->now_ms;
	for (unsigned i = 0; i < BLOCKS; i++) {
		for (unsigned k = 0; k < 4; k++)
			replica_expect(c->members[k].replica, true);
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		uint64_t at = c->now_ms;
		while (cluster_status(c, 0).height.n <= i && c->now_ms < at + 5000)
			cluster_run(c, 5);
		assert_int_equal(cluster_status(c, 0).height.n, i + 1);
	}
	assert_true(c->now_ms - began < BLOCKS * 5 * ASK_GRACE_MS);
	cluster_free(c);
}

static void judges_no_block_by_a_parent_that_lost(void **state)
{
	struct cluster *c = cluster_new(1, 3, NULL);
	struct replica *r = c->members[0].replica;
	struct tx *txs[] = {pay_allocation(&c->rules, 0, 9, ""), pay_allocation(&c->rules, 1, 9, "")};
	struct block *lost = block_of(1, c->rules.g.chain, &txs[0], 1);
	struct block *child = block_of(2, lost->hash, &txs[1], 1);
	struct overlay *o;

	(void)state;
	bodies_put(r, lost);
	bodies_put(r, child);
	assert_int_equal(bodies_overlay(r, &child->hash, &o), BUILT);
	cluster_pay(c, 0, pay_allocation(&c->rules, 2, 9, ""));
	cluster_turn(c, 0);
	assert_int_equal(cluster_status(c, 0).height.n, 1);
	assert_null(bodies_find(r, &lost->hash));
	assert_int_equal(bodies_overlay(r, &child->hash, &o), BUILT_NEVER);
	block_unref(lost);
	block_unref(child);
	tx_unref(txs[0]);
	tx_unref(txs[1]);
	cluster_free(c);
}

static void validates_a_block_as_soon_as_its_parent_is_here(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct replica *r = c->members[3].replica;
	struct tx *txs[] = {pay_allocation(&c->rules, 0, 9, ""), pay_allocation(&c->rules, 1, 9, "")};
	struct block *parent = block_of(1, c->rules.g.chain, &txs[0], 1);
	struct block *child = block_of(2, parent->hash, &txs[1], 1);
	struct engine_output want = {.kind = OUT_WANT_BODY};
	struct qmessage m = {.kind = QBODY};
	qtx_bytes raw = {(unsigned)txs[0]->raw_len, txs[0]->raw};
	struct body *b;

	(void)state;
	want.want_body.hash = parent->hash;
	want.want_body.header = parent->header;
	bodies_want(r, &want);
	bodies_put(r, child);
	bodies_validate(r, &child->hash);
	HASH_FIND(hh, r->bodies, &child->hash, sizeof child->hash, b);
	assert_true(b->validate && !b->overlay);
	m.qmessage_u.body.block = parent->hash;
	m.qmessage_u.body.txs.txs_len = 1;
	m.qmessage_u.body.txs.txs_val = &raw;
	deliver_from(c, 1, 3, &m);
	assert_true(!b->validate && b->overlay);
	block_unref(parent);
	block_unref(child);
	tx_unref(txs[0]);
	tx_unref(txs[1]);
	cluster_free(c);
}

/* All bodies that replica 3 is sent; a forger attaches other transactions to the same header. */
struct forgery {
	struct tx *rubbish;
	bool forge;
};

static bool keep_bodies_from_3(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	struct forgery *f = c->drop_ctx;

	(void)from;
	if (to == 3 && m->m.kind == QTXS)
		return f->forge;
	return from == 3 && f->forge && (m->m.kind == QGET_TXS || m->m.kind == QGET_BODIES);
}

static void ignores_rubbish_that_is_attached_to_an_honest_header(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct forgery f = {pay_allocation(&c->rules, 1, 9, "rubbish"), true};
	struct qmessage m = {.kind = QBODY};
	qtx_bytes raw = {(unsigned)f.rubbish->raw_len, f.rubbish->raw};

	(void)state;
	c->drop = keep_bodies_from_3;
	c->drop_ctx = &f;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, 30);
	assert_int_equal(cluster_status(c, 0).height.n, 1);
	assert_int_equal(cluster_status(c, 3).height.n, 0);
	m.qmessage_u.body.block = cluster_status(c, 0).block_hash;
	m.qmessage_u.body.txs.txs_len = 1;
	m.qmessage_u.body.txs.txs_val = &raw;
	deliver_from(c, 1, 3, &m);
	m.qmessage_u.body.txs.txs_len = 0;
	deliver_from(c, 1, 3, &m);
	cluster_run(c, 5);
	assert_int_equal(cluster_status(c, 3).height.n, 0);
	f.forge = false;
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 3).height.n, 1);
	tx_unref(f.rubbish);
	cluster_free(c);
}

/* The transactions that replica 0 says at once when replica 1 asks it for these. */
static void count_answered(struct cluster *c, unsigned from, const struct message *m)
{
	size_t *cnt = c->drop_ctx;

	if (from == 0 && m->m.kind == QTXS)
		*cnt += m->m.qmessage_u.txs.txs.txs_len;
}

static size_t answered(struct cluster *c, struct tx *const *txs, unsigned tx_cnt)
{
	struct qmessage m = {.kind = QGET_TXS};
	struct qhash leaves[8];
	size_t cnt = 0;

	assert_true(tx_cnt <= 8);
	for (unsigned i = 0; i < tx_cnt; i++)
		leaves[i] = txs[i]->leaf;
	m.qmessage_u.get_txs.leaves.leaves_val = leaves;
	m.qmessage_u.get_txs.leaves.leaves_len = tx_cnt;
	c->watch = count_answered;
	c->drop_ctx = &cnt;
	deliver_from(c, 1, 0, &m);
	cluster_turn(c, 0);
	c->watch = NULL;
	return cnt;
}

static void gives_by_leaf_what_was_executed_lately(void **state)
{
	struct cluster *c = cluster_new(4, 4, NULL);
	struct tx *txs[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		txs[i] = pay_allocation(&c->rules, i, 9, "");
	for (unsigned i = 0; i < 3; i++) {
		cluster_pay(c, 0, tx_ref(txs[i]));
		cluster_settle(c, PATIENCE_MS);
		assert_int_equal(cluster_status(c, 0).height.n, i + 1);
		assert_int_equal(answered(c, txs, 4), i + 1);
		assert_int_equal(answered(c, txs + i, 1), 1); /* again */
	}
	for (unsigned i = 0; i < 4; i++)
		tx_unref(txs[i]);
	cluster_free(c);
}

static void forgets_executed_blocks_oldest_first(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct replica *r = c->members[0].replica;
	struct tx *txs[] = {pay_allocation(&c->rules, 0, 9, ""), pay_allocation(&c->rules, 1, 9, "")};
	struct block *first = block_of(1, c->rules.g.chain, &txs[0], 1);
	struct block *other = block_of(2, c->rules.g.chain, &txs[1], 1);

	(void)state;
	serve_executed(r, first);
	for (unsigned i = 1; i < RECENT_BLOCKS_MAX; i++)
		serve_executed(r, other);
	assert_int_equal(answered(c, txs, 1), 1);
	serve_executed(r, other);
	assert_int_equal(answered(c, txs, 1), 0);
	assert_int_equal(r->recent.cnt, RECENT_BLOCKS_MAX);
	assert_int_equal(r->recent.txs, RECENT_BLOCKS_MAX);
	assert_int_equal(r->recent.bytes, RECENT_BLOCKS_MAX * txs[1]->raw_len);
	block_unref(first);
	block_unref(other);
	tx_unref(txs[0]);
	tx_unref(txs[1]);
	cluster_free(c);
}

static bool mute_forwards_of_2(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)to;
	return from == 2 && m->m.kind == QTXS;
}

static void tells_a_client_that_its_transaction_expired(void **state)
{
	struct cluster *c = cluster_new(4, 2, NULL);
	struct qoutpoint in = allocation(&c->rules, 0);
	struct payment p = {.from = account_of(0), .to = 9, .expiry = 1};
	struct tx *tx = pay(&c->rules, &p, &in, 1);
	const struct told *told;
	struct qtxid winner;

	(void)state;
	c->drop = mute_forwards_of_2;
	assert_int_equal(cluster_submit(c, 2, tx, NULL), TX_OK);
	cluster_pay(c, 0, pay_allocation(&c->rules, 1, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	told = cluster_told(c, 2, &tx->id);
	assert_true(told && told->verdict == TX_EXPIRED);
	assert_int_equal(replica_fate(c->members[2].replica, &tx->id, &winner), TX_EXPIRED);
	tx_unref(tx);
	cluster_free(c);
}

/* ---- recovery ------------------------------------------------------------------------------------- */

static bool is_vote(const struct message *m)
{
	return m->m.kind == QPRE_PREPARE || m->m.kind == QPREPARE || m->m.kind == QCOMMIT ||
	       m->m.kind == QCHECKPOINT || m->m.kind == QVIEW_CHANGE || m->m.kind == QNEW_VIEW;
}

static void no_votes_of_an_amnesiac(struct cluster *c, unsigned from, const struct message *m)
{
	unsigned *votes = c->drop_ctx;

	if (from != 3 || !is_vote(m))
		return;
	assert_false(cluster_status(c, 3).amnesiac);
	(*votes)++;
}

static void is_silent_without_its_vote_log_until_a_checkpoint_covers_it(void **state)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, 60, &params);
	unsigned votes = 0, i = 0;

	(void)state;
	cluster_pay(c, 3, pay_allocation(&c->rules, i++, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	cluster_crash(c, 3);
	cluster_unlink(c->members[3].votes);
	cluster_start(c, 3);
	assert_true(cluster_status(c, 3).amnesiac);
	assert_non_null(cluster_status(c, 3).muted_because);
	c->watch = no_votes_of_an_amnesiac;
	c->drop_ctx = &votes;
	cluster_run(c, 2000); /* it hears from the others where they are */
	while (cluster_status(c, 3).amnesiac && i < 60) {
		cluster_pay(c, i % 4, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, PATIENCE_MS);
		i++;
	}
	assert_false(cluster_status(c, 3).amnesiac);
	assert_null(cluster_status(c, 3).muted_because);
	assert_true(i > 2 * 2 * params.checkpoint_interval);
	cluster_pay(c, 3, pay_allocation(&c->rules, i, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	assert_true(votes > 0);
	cluster_crash(c, 3);
	cluster_start(c, 3);
	assert_false(cluster_status(c, 3).amnesiac); /* durably */
	cluster_free(c);
}

static void forgets_votes_and_bodies_that_a_checkpoint_covers(void **state)
{
	struct qparams params = small_params();
	struct cluster *c = cluster_new(4, 20, &params);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		cluster_pay(c, i % 4, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, PATIENCE_MS);
	}
	assert_int_equal(cluster_status(c, 0).height.n, 20);
	cluster_run(c, 100);
	assert_true(cluster_status(c, 0).engine.stable.n >= 16);
	assert_true(count(c->members[0].votes, "SELECT count(*) FROM blocks") <= 4);
	assert_null(c->members[0].replica->bodies);
	cluster_crash(c, 0);
	cluster_start(c, 0);
	assert_true(cluster_status(c, 0).engine.stable.n >= 16);
	assert_int_equal(
	    count(c->members[0].votes, "SELECT count(*) FROM log WHERE height > 0 AND height < 16"), 0);
	cluster_free(c);
}

/* ---- serving ---------------------------------------------------------------------------------------- */

struct served {
	unsigned answers;
	uint64_t bytes;
};

static void watch_answers(struct cluster *c, unsigned from, const struct message *m)
{
	struct served *s = c->drop_ctx;

	if (from != 1 || m->m.kind != QBODY)
		return;
	s->answers++;
	s->bytes += m->env.body.body_len;
}

static bool lose_bodies(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)from;
	(void)to;
	return m->m.kind == QBODY;
}

static void serves_each_peer_a_bounded_amount(void **state)
{
	struct cluster *c = cluster_new(4, 3, NULL);
	struct qmessage m = {.kind = QGET_BODIES};
	struct qhash hashes[Q_WINDOW_MAX];
	struct served s = {0};
	unsigned first;

	(void)state;
	for (unsigned i = 0; i < 3; i++) { /* about 29 KB each */
		struct qoutpoint in = allocation(&c->rules, i);
		struct payment p = {.from = account_of(i), .to = 9, .outputs = Q_OUTPUTS_MAX};
		cluster_pay(c, 0, pay(&c->rules, &p, &in, 1));
	}
	cluster_settle(c, PATIENCE_MS);
	cluster_run(c, 1000);
	for (unsigned i = 0; i < Q_WINDOW_MAX; i++)
		hashes[i] = cluster_status(c, 1).block_hash;
	m.qmessage_u.get_bodies.blocks.blocks_len = Q_WINDOW_MAX;
	m.qmessage_u.get_bodies.blocks.blocks_val = hashes;
	c->drop = lose_bodies;
	c->watch = watch_answers;
	c->drop_ctx = &s;
	for (unsigned i = 0; i < 5; i++)
		deliver_from(c, 3, 1, &m);
	cluster_turn(c, 1);
	assert_true(s.bytes > 15u << 20 && s.bytes < 17u << 20);
	first = s.answers;
	deliver_from(c, 3, 1, &m);
	cluster_turn(c, 1);
	assert_int_equal(s.answers, first);
	m.qmessage_u.get_bodies.blocks.blocks_len = 1;
	deliver_from(c, 2, 1, &m); /* others are served all the same */
	cluster_turn(c, 1);
	assert_int_equal(s.answers, first + 1);
	cluster_run(c, 100); /* time fills it up again */
	deliver_from(c, 3, 1, &m);
	cluster_turn(c, 1);
	assert_int_equal(s.answers, first + 2);
	cluster_free(c);
}

/* T4: nobody but a client of replica 1 knew of its payment while its links were down, and it left its view
 * alone. */
static bool nothing_leaves_1(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)c;
	(void)to;
	(void)m;
	return from == 1;
}

static bool replica_1_left_its_view(struct cluster *c)
{
	return !cluster_status(c, 1).engine.active;
}

static void who_left_its_view_alone_still_serves_its_clients(void **state)
{
	struct cluster *c = cluster_new(4, 4, NULL);
	struct tx *tx = pay_allocation(&c->rules, 0, 9, "patience");
	struct qtxid id = tx->id;

	(void)state;
	cluster_run(c, 100);
	c->drop = nothing_leaves_1;
	cluster_pay(c, 1, tx);
	assert_true(cluster_run_until(c, replica_1_left_its_view, c->now_ms + 60000));
	c->drop = NULL;
	cluster_settle(c, 3 * c->rules.g.g.params.timeout_ms);
	assert_non_null(cluster_told(c, 1, &id));
	assert_int_equal(cluster_told(c, 1, &id)->verdict, TX_FINAL);
	assert_int_equal(cluster_status(c, 0).engine.view_changes, 0);
	cluster_free(c);
}

/* ---- mining ----------------------------------------------------------------------------------------- */

/* A few hundred tries a block. */
static void ask_for_work(struct qgenesis *g)
{
	g->seal.kind = QSEAL_POW;
	g->seal.qseal_rules_u.pow =
	    (struct qpow_rules){.bits = 8, .bits_max = 8, .interval_ms = 0, .hash_rate = 1000000};
}

static void ask_for_more_and_more_work(struct qgenesis *g)
{
	ask_for_work(g);
	g->seal.qseal_rules_u.pow.bits_max = 10;
	g->seal.qseal_rules_u.pow.interval_ms = 1000;
}

static struct cluster *mining_cluster(unsigned n, uint64_t mine_ms)
{
	struct qparams params = small_params();

	return cluster_new_chain(n, 24, &params, ask_for_work, mine_ms);
}

static void assert_sealed(struct cluster *c, unsigned i)
{
	struct replica *r = c->members[i].replica;
	struct err err = {0};

	for (uint64_t h = 1; h <= cluster_status(c, i).height.n; h++) {
		struct qheader header;
		struct qhash hash;
		assert_int_equal(reader_header(r->reader, qheight_of(h), &header, &err), FOUND);
		block_hash(&header, &hash);
		assert_int_equal(header.seal.kind, QSEAL_POW);
		assert_int_equal(hash.b[0], 0);
		wire_free(WIRE(qheader), &header);
	}
}

static void seals_in_place_where_there_is_no_miner(void **state)
{
	struct cluster *c = mining_cluster(4, 0);

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		cluster_pay(c, i % 4, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, PATIENCE_MS);
	}
	assert_int_equal(cluster_status(c, 2).height.n, 12);
	assert_int_equal(cluster_status(c, 2).engine.view_changes, 0);
	assert_sealed(c, 2);
	cluster_free(c);
}

static void waits_for_its_miner_and_keeps_what_it_chose(void **state)
{
	struct cluster *c = mining_cluster(4, 70);
	struct member *me = &c->members[0];

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, 60);
	assert_int_equal(cluster_status(c, 0).engine.sealing.n, 1);
	assert_int_equal(pool_waiting(me->replica->pool), 0);
	cluster_pay(c, 0, pay_allocation(&c->rules, 1, 9, "comes too late for this block"));
	cluster_run(c, 5);
	assert_int_equal(me->asked, 1);
	cluster_settle(c, 500);
	assert_int_equal(me->asked, 2);
	assert_int_equal(me->cancelled, 0);
	assert_int_equal(cluster_status(c, 3).height.n, 2);
	assert_int_equal(cluster_status(c, 0).engine.sealing.n, 0);
	assert_sealed(c, 3);
	for (unsigned i = 2; i < 20; i++)
		cluster_pay(c, i % 4, pay_allocation(&c->rules, i, 9, ""));
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_status(c, 1).transactions, 20);
	assert_int_equal(cluster_status(c, 1).engine.view_changes, 0);
	cluster_free(c);
}

static void gives_back_what_it_chose_when_the_view_changes(void **state)
{
	struct cluster *c = mining_cluster(4, 20);
	struct tx *tx = pay_allocation(&c->rules, 0, 9, "");

	(void)state;
	c->members[0].mine_ms = CLUSTER_NEVER;
	assert_int_equal(cluster_submit(c, 0, tx, NULL), TX_OK);
	cluster_settle(c, 3 * c->rules.g.timeout_ms);
	assert_int_equal(cluster_status(c, 0).engine.entered.n, 1);
	assert_int_equal(c->members[0].cancelled, 1);
	assert_false(c->members[0].mining);
	assert_int_equal(c->members[0].replica->batch.height.n, 0);
	assert_int_equal(cluster_told(c, 0, &tx->id)->verdict, TX_FINAL);
	assert_int_equal(cluster_told(c, 0, &tx->id)->height.n, 1);
	/* Its miner finds it after all. */
	struct qheader late = cluster_mine(&c->members[0].header);
	uint64_t sent = c->sent;
	replica_sealed(c->members[0].replica, &late);
	cluster_turn(c, 0);
	assert_int_equal(c->sent, sent);
	tx_unref(tx);
	cluster_free(c);
}

static void gives_back_a_whole_batch_when_it_is_told_to_stop(void **state)
{
	struct cluster *c = mining_cluster(4, 20);
	struct replica *r = c->members[0].replica;
	struct engine_output stop = {.kind = OUT_SEAL_STOP};

	(void)state;
	c->members[0].mine_ms = CLUSTER_NEVER;
	for (unsigned i = 0; i < 5; i++)
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
	cluster_turn(c, 0);
	assert_int_equal(pool_waiting(r->pool), 0);
	assert_int_equal(r->batch.cnt, 5);
	engine_outputs_clear(&r->out);
	r->out.list = xcalloc(1, sizeof stop); /* as if the engine had said it */
	r->out.list[0] = stop;
	r->out.cnt = r->out.cap = 1;
	r->handled = 0;
	struct qmessage nothing = {.kind = QGET_TXS};
	deliver_from(c, 1, 0, &nothing); /* what the engine says is dealt with after any message */
	assert_int_equal(pool_waiting(r->pool), 5);
	assert_null(r->batch.txs);
	assert_null(r->batch.overlay);
	assert_int_equal(c->members[0].cancelled, 1);
	cluster_free(c);
}

static void asks_again_for_a_seal_that_does_not_hold(void **state)
{
	struct cluster *c = mining_cluster(4, CLUSTER_NEVER);
	struct replica *r = c->members[0].replica;
	struct qheader wrong, other;
	struct qhash hash;

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_run(c, 5);
	assert_int_equal(c->members[0].asked, 1);
	wrong = c->members[0].header;
	do {
		wrong.seal.qseal_u.pow.nonce++;
		block_hash(&wrong, &hash);
	} while (hash.b[0] == 0);
	replica_sealed(r, &wrong);
	assert_int_equal(c->members[0].asked, 2);
	other = c->members[0].header;
	other.time_ms++;
	other = cluster_mine(&other); /* sealed, but nobody asked for it */
	replica_sealed(r, &other);
	assert_int_equal(c->members[0].asked, 2);
	assert_int_equal(cluster_status(c, 0).engine.sealing.n, 1);
	other = cluster_mine(&c->members[0].header);
	replica_sealed(r, &other);
	c->members[0].woken = true;
	cluster_settle(c, 100);
	assert_int_equal(cluster_status(c, 1).height.n, 1);
	cluster_free(c);
}

static void who_is_closed_while_it_mines_stops_its_miner(void **state)
{
	struct cluster *c = mining_cluster(4, CLUSTER_NEVER);
	struct err why = {0};

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
		cluster_turn(c, 0);
		assert_true(c->members[0].mining);
		if (round == 1) { /* its disk fails */
			err_set(&why, ERR_WORLD, "disk full");
			replica_stop(c->members[0].replica, &why);
			assert_false(c->members[0].mining);
			struct qheader late = cluster_mine(&c->members[0].header);
			replica_sealed(c->members[0].replica, &late);
			assert_false(replica_turn(c->members[0].replica, &why));
		}
		cluster_crash(c, 0);
		assert_false(c->members[0].mining);
		assert_int_equal(c->members[0].cancelled, round + 1);
		cluster_start(c, 0);
	}
	cluster_free(c);
}

/* A run of one block that a quorum is said to have certified. */
static bool run_of(struct cluster *c, const struct qheader *header, struct tx *tx, struct err *err)
{
	struct replica *r = c->members[0].replica;
	struct engine_output o = {.kind = OUT_EXECUTE};
	struct block *b = block_new(header, &tx, 1);
	struct qvote vote = {.height = header->height, .block = b->hash};

	bodies_put(r, b);
	o.execute.cnt = 1;
	o.execute.hashes = &b->hash;
	o.execute.headers = &b->header;
	o.execute.cert = rules_cert(&c->rules, QCOMMIT, &vote, rules_quorum_mask(&c->rules));
	run_execute(r, &o);
	wire_free(WIRE(qcert), &o.execute.cert);
	block_unref(b);
	return replica_turn(r, err);
}

static void stops_at_a_certified_block_without_its_work(void **state)
{
	(void)state;
	for (unsigned wrong = 0; wrong < 2; wrong++) {
		struct cluster *c = cluster_new_chain(4, 1, NULL, ask_for_more_and_more_work, 0);
		struct tx *tx = pay_allocation(&c->rules, 0, 9, "");
		struct qheader h = rules_header(1, c->rules.g.chain, tx->leaf, 1);
		struct seal_parent below;
		struct err err = {0};
		struct qhash hash;

		seal_genesis(&c->rules.g, &below);
		seal_prepare(&c->rules.g, &below, &h.seal);
		if (wrong == 0) {
			for (;; h.seal.qseal_u.pow.nonce++) {
				block_hash(&h, &hash);
				if (hash.b[0] != 0)
					break;
			}
		} else { /* work was done, for another target */
			h.seal.qseal_u.pow.target = seal_target_of_bits(9);
			h = cluster_mine(&h);
		}
		assert_false(run_of(c, &h, tx, &err));
		assert_non_null(strstr(err.text, "block 1 is certified, but lacks the proof of work"));
		assert_int_equal(cluster_status(c, 0).height.n, 0);
		tx_unref(tx);
		cluster_free(c);
	}
}

/* ---- fairness ------------------------------------------------------------------------------------------ */

/* An engine that names the proposer it is told to, and hears whether it is unfair. */
static struct {
	unsigned proposer;
	bool unfair;
} told_engine;

static void stub_status(const struct engine *e, struct engine_status *out)
{
	(void)e;
	*out = (struct engine_status){.proposer = told_engine.proposer, .primary = 0};
}

static void stub_step(struct engine *e, const struct engine_input *in, struct engine_outputs *out)
{
	(void)e;
	(void)out;
	told_engine.unfair = in->unfair;
}

static bool hears_unfair(struct replica *r, unsigned proposer)
{
	told_engine.proposer = proposer;
	replica_feed(r, &(struct engine_input){.kind = IN_TICK});
	return told_engine.unfair;
}

/* Two forwards, and blocks without the transaction after each. */
static void pass_over_twice(struct cluster *c, struct replica *r)
{
	struct tx *txs[4];

	for (unsigned i = 0; i < 2; i++) {
		pool_reforward(r->pool, r->now_ms, &r->patience);
		pool_forward_batch(r->pool, r->now_ms, 4, 1 << 20, txs);
		struct tx *other = pay_allocation(&c->rules, 1, 9, "");
		struct block *b =
		    block_of(++c->members[2].asked, c->rules.g.chain, &other, 1); /* counted there */
		pool_executed(r->pool, &b, 1, NULL, NULL);
		block_unref(b);
		tx_unref(other);
	}
	assert_true(pool_unfair(r->pool, r->now_ms, &r->patience));
}

static void blames_the_proposer_of_the_moment_and_never_itself(void **state)
{
	static const struct engine_ops stub = {.status = stub_status, .step = stub_step};
	struct cluster *c = cluster_new(4, 2, NULL);
	struct replica *r = c->members[2].replica;
	const struct engine_ops *ops = r->ops;

	(void)state;
	cluster_pay(c, 2, pay_allocation(&c->rules, 0, 9, ""));
	r->ops = &stub;
	r->patience = (struct pool_patience){0};
	assert_false(hears_unfair(r, 1));
	pass_over_twice(c, r);
	assert_true(hears_unfair(r, 1));
	assert_false(hears_unfair(r, 3)); /* it did nothing yet */
	assert_false(hears_unfair(r, 1)); /* and with the next turn all is forgotten */
	pass_over_twice(c, r);
	assert_true(hears_unfair(r, 1));
	assert_false(hears_unfair(r, 2));
	pass_over_twice(c, r);
	assert_false(hears_unfair(r, 2)); /* itself */
	assert_false(hears_unfair(r, 4));
	pass_over_twice(c, r);
	assert_false(hears_unfair(r, 4)); /* nobody knows who proposes */
	r->ops = ops;
	cluster_free(c);
}

/* T1 and fairness wait for who mines. */
static void has_the_patience_of_the_genesis(void **state)
{
	struct cluster *c = mining_cluster(4, 0);
	struct pool_patience *p = &c->members[0].replica->patience;

	(void)state;
	assert_int_equal(p->timeout_ms, c->rules.g.timeout_ms);
	assert_true(p->timeout_ms > c->rules.g.g.params.timeout_ms);
	cluster_free(c);
}

/* ---- stake ----------------------------------------------------------------------------------------------
 */

/* 32 outputs: free ones, then of each replica its own stake and what account 1 delegated to it. */
enum { OWN = 24, DELEGATED = 28, OUTPUTS = 32 };

static void by_stake(struct qgenesis *g)
{
	rules_by_stake(g);
	for (unsigned i = 0; i < 4; i++) {
		g->allocations.allocations_val[OWN + i] =
		    locked((uint8_t)(101 + i), PAY_AMOUNT, QLOCK_STAKE, i);
		g->allocations.allocations_val[DELEGATED + i] = locked(1, PAY_AMOUNT * i + 1, QLOCK_STAKE, i);
	}
}

static struct cluster *staked_cluster(void)
{
	struct qparams params = small_params();

	return cluster_new_chain(4, OUTPUTS, &params, by_stake, 0);
}

/* Account 9's coin goes round: as many blocks as one likes. */
struct coin {
	struct qoutpoint at;
};

static void one_more_block(struct cluster *c, struct coin *coin, unsigned via)
{
	struct payment p = {.from = coin->at.index == 23 ? account_of(23) : 9, .to = 9};
	struct tx *tx = pay(&c->rules, &p, &coin->at, 1);

	coin->at = output(tx, 0);
	cluster_pay(c, via, tx);
	cluster_settle(c, PATIENCE_MS);
}

static struct coin coin_of(const struct cluster *c)
{
	return (struct coin){allocation(&c->rules, 23)};
}

/* Free output `index`, paid to account 8 with a report of what the replica did at this height. */
static struct tx *report(struct cluster *c, unsigned index, unsigned replica, uint64_t height)
{
	struct qoffence o = rules_offence(&c->rules, replica, height, (uint8_t)(2 * index));
	struct qoutput out = {rules_address(8), PAY_AMOUNT, {.kind = QLOCK_NONE}};
	struct qoutpoint in = allocation(&c->rules, index);

	return pay_outputs(&c->rules, account_of(index), &in, 1, &out, 1, &o);
}

static void proposers_take_turns_and_a_restart_does_not_confuse_them(void **state)
{
	struct cluster *c = staked_cluster();
	const struct qstake_rules *rules = stake_rules(&c->rules.g);
	struct coin coin = coin_of(c);
	unsigned blocks = 0, seen = 0;

	(void)state;
	for (unsigned h = 1; h <= 4 * rules->epoch; h++) {
		if (h % 7 == 0)
			for (unsigned i = 0; i < 4; i++) {
				cluster_crash(c, i);
				cluster_start(c, i);
			}
		unsigned proposer = cluster_status(c, h % 4).engine.proposer;
		assert_true(proposer < 4);
		one_more_block(c, &coin, h % 4);
		assert_int_equal(cluster_status(c, 0).height.n, h);
		struct qheader header;
		struct err err = {0};
		assert_int_equal(reader_header(c->members[0].replica->reader, qheight_of(h), &header, &err),
		                 FOUND);
		assert_int_equal(header.proposer, proposer);
		seen |= 1u << proposer;
		blocks++;
		wire_free(WIRE(qheader), &header);
	}
	assert_int_equal(blocks, 48);
	assert_int_equal(seen, 15);
	assert_int_equal(cluster_status(c, 2).engine.entered.n, 0);
	cluster_free(c);
}

static bool nothing_of_it_leaves(struct cluster *c, unsigned from, unsigned to, const struct message *m)
{
	(void)to;
	return m->m.kind == QTXS && from == *(unsigned *)c->drop_ctx;
}

/* Whom its client hears of nothing but at one replica, which does not propose. */
static void tells_a_client_that_a_conviction_came_first(void **state)
{
	struct cluster *c = staked_cluster();
	unsigned proposer = cluster_status(c, 0).engine.proposer, hermit = (proposer + 1) % 4;
	struct qoutpoint own = allocation(&c->rules, OWN + 2);
	struct qoutput out = locked(103, PAY_AMOUNT, QLOCK_RELEASE, 2);
	struct tx *move = pay_outputs(&c->rules, 103, &own, 1, &out, 1, NULL);
	struct tx *late = report(c, 1, 2, 1);
	struct qtxid winner;

	(void)state;
	c->drop = nothing_of_it_leaves;
	c->drop_ctx = &hermit;
	assert_int_equal(cluster_submit(c, hermit, move, NULL), TX_OK);
	assert_int_equal(cluster_submit(c, hermit, late, NULL), TX_OK);
	cluster_pay(c, proposer, report(c, 0, 2, 1));
	cluster_settle(c, PATIENCE_MS);
	assert_int_equal(cluster_told(c, hermit, &move->id)->verdict, TX_PENALTY);
	assert_int_equal(cluster_told(c, hermit, &late->id)->verdict, TX_OLD_OFFENCE);
	assert_int_equal(replica_fate(c->members[hermit].replica, &move->id, &winner), TX_PENALTY);
	assert_int_equal(replica_fate(c->members[hermit].replica, &late->id, &winner), TX_OLD_OFFENCE);
	assert_int_equal(cluster_status(c, hermit).engine.asked.n, 0);
	tx_unref(move);
	tx_unref(late);
	cluster_free(c);
}

/* Its sender has executed a block more. */
static void takes_in_what_came_a_height_too_early(void **state)
{
	struct cluster *c = staked_cluster();
	struct coin coin = coin_of(c);
	struct tx *early = report(c, 0, 2, 2), *too_early = report(c, 1, 3, 7);
	struct replica *r = c->members[0].replica;
	struct qheight height;
	struct qtxid winner;

	(void)state;
	forward_from(c, 1, 0, &early, 1);
	forward_from(c, 1, 0, &early, 1);
	forward_from(c, 1, 0, &too_early, 1);
	assert_int_equal(r->peers[1].early_cnt, 2);
	assert_int_equal(replica_fate(r, &early->id, &winner), TX_UNKNOWN_OUTPUT);
	one_more_block(c, &coin, 0); /* and another, for it */
	assert_int_equal(replica_submit(r, early, &height, &winner), TX_FINAL);
	assert_int_equal(height.n, 2);
	assert_int_equal(r->peers[1].early_cnt, 1);
	for (unsigned i = 0; i < 2; i++)
		one_more_block(c, &coin, 0);
	assert_int_equal(r->peers[1].early_cnt, 0); /* a window went by */
	one_more_block(c, &coin, 0);
	one_more_block(c, &coin, 0);
	assert_int_equal(replica_fate(r, &too_early->id, &winner), TX_UNKNOWN_OUTPUT);
	tx_unref(early);
	tx_unref(too_early);
	cluster_free(c);
}

static void keeps_a_bounded_number_of_what_comes_too_early(void **state)
{
	struct cluster *c = staked_cluster();
	struct replica *r = c->members[0].replica;
	struct coin coin = coin_of(c);
	struct tx *tx, *first = report(c, 0, 2, 2);
	struct qheight height;
	struct qtxid winner;

	(void)state;
	forward_from(c, 1, 0, &first, 1);
	forward_from(c, 2, 0, &first, 1);
	for (unsigned i = 0; i < EARLY_MAX; i++) {
		struct qoffence o = rules_offence(&c->rules, 2, 9, (uint8_t)i);
		struct qoutput out = {rules_address(8), PAY_AMOUNT, {.kind = QLOCK_NONE}};
		struct qoutpoint in = allocation(&c->rules, 0);
		tx = pay_outputs(&c->rules, account_of(0), &in, 1, &out, 1, &o);
		forward_from(c, 1, 0, &tx, 1);
		tx_unref(tx);
	}
	assert_int_equal(r->peers[1].early_cnt, EARLY_MAX);
	assert_int_equal(r->peers[2].early_cnt, 1);
	one_more_block(c, &coin, 0);
	assert_int_equal(replica_submit(r, first, &height, &winner), TX_FINAL); /* by the other's forward */
	assert_int_equal(r->peers[2].early_cnt, 0);
	for (unsigned i = 0; i < 20; i++) { /* large ones: bytes count, too */
		struct qoffence o = rules_offence(&c->rules, 2, 9, (uint8_t)i);
		struct qoutput outs[700];
		struct qoutpoint in = allocation(&c->rules, 1);
		for (unsigned k = 0; k < 700; k++)
			outs[k] = (struct qoutput){
			    rules_address(8), k ? 1 : PAY_AMOUNT - 699, {.kind = QLOCK_NONE}};
		tx = pay_outputs(&c->rules, account_of(1), &in, 1, outs, 700, &o);
		forward_from(c, 3, 0, &tx, 1);
		tx_unref(tx);
	}
	assert_true(r->peers[3].early_cnt > 5 && r->peers[3].early_bytes <= EARLY_BYTES);
	tx_unref(first);
	cluster_free(c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_replica_alone_makes_a_payment_final_in_one_turn),
	    cmocka_unit_test(tells_what_a_transaction_is_before_and_after_it_is_final),
	    cmocka_unit_test(a_child_of_an_output_that_its_parent_lacks_is_judged_once_when_it_comes),
	    cmocka_unit_test(looks_into_the_ledger_for_a_bounded_number_of_strangers_a_turn),
	    cmocka_unit_test(keeps_each_double_spend_once_as_evidence),
	    cmocka_unit_test(fills_blocks_when_much_is_waiting),
	    cmocka_unit_test(asks_the_more_of_a_batch_the_more_is_in_flight),
	    cmocka_unit_test(waits_for_more_no_longer_than_the_last_block_took),
	    cmocka_unit_test(does_not_wait_for_what_it_does_not_expect_or_has_no_room_for),
	    cmocka_unit_test(sends_nothing_when_its_store_fails_and_goes_on_after_a_restart),
	    cmocka_unit_test(who_falls_silent_stays_so_though_it_crashes_at_once),
	    cmocka_unit_test(a_block_waits_for_the_disk_three_times),
	    cmocka_unit_test(four_replicas_agree_on_what_is_handed_to_each),
	    cmocka_unit_test(goes_on_without_its_primary_which_catches_up_later),
	    cmocka_unit_test(one_replica_alone_goes_on_without_its_vote_log),
	    cmocka_unit_test(who_left_its_view_alone_still_serves_its_clients),
	    cmocka_unit_test(who_slept_does_not_suspect_the_proposer_for_it),
	    cmocka_unit_test(resends_a_block_s_worth_of_the_oldest_before_it_suspects),
	    cmocka_unit_test(stays_full_of_useful_work_when_too_much_is_asked_of_it),
	    cmocka_unit_test(signs_the_checkpoint_that_was_due_when_it_stopped),
	    cmocka_unit_test(suspects_from_the_moment_a_transaction_comes),
	    cmocka_unit_test(forgets_nothing_final_when_all_stop_at_once),
	    cmocka_unit_test(decides_a_race_of_two_spends_alike_everywhere),
	    cmocka_unit_test(takes_in_a_child_that_overtook_its_parents),
	    cmocka_unit_test(takes_in_all_children_that_overtook_one_parent),
	    cmocka_unit_test(keeps_a_bounded_number_of_orphans_of_a_peer),
	    cmocka_unit_test(fetches_what_a_proposal_names_from_its_proposer),
	    cmocka_unit_test(does_not_fetch_what_may_be_waiting_for_a_worker),
	    cmocka_unit_test(fetches_from_others_what_the_proposer_withholds),
	    cmocka_unit_test(asks_for_the_whole_block_where_much_of_it_is_missing),
	    cmocka_unit_test(fetches_whole_what_others_have_only_in_their_ledgers),
	    cmocka_unit_test(a_replica_that_is_behind_does_not_look_for_what_peers_transactions_spend),
	    cmocka_unit_test(a_replica_that_lags_asks_for_nothing_that_its_node_leaves_unread),
	    cmocka_unit_test(one_withheld_transaction_delays_no_block_while_others_are_busy),
	    cmocka_unit_test(judges_no_block_by_a_parent_that_lost),
	    cmocka_unit_test(validates_a_block_as_soon_as_its_parent_is_here),
	    cmocka_unit_test(ignores_rubbish_that_is_attached_to_an_honest_header),
	    cmocka_unit_test(gives_by_leaf_what_was_executed_lately),
	    cmocka_unit_test(forgets_executed_blocks_oldest_first),
	    cmocka_unit_test(tells_a_client_that_its_transaction_expired),
	    cmocka_unit_test(is_silent_without_its_vote_log_until_a_checkpoint_covers_it),
	    cmocka_unit_test(forgets_votes_and_bodies_that_a_checkpoint_covers),
	    cmocka_unit_test(serves_each_peer_a_bounded_amount),
	    cmocka_unit_test(seals_in_place_where_there_is_no_miner),
	    cmocka_unit_test(waits_for_its_miner_and_keeps_what_it_chose),
	    cmocka_unit_test(gives_back_what_it_chose_when_the_view_changes),
	    cmocka_unit_test(gives_back_a_whole_batch_when_it_is_told_to_stop),
	    cmocka_unit_test(asks_again_for_a_seal_that_does_not_hold),
	    cmocka_unit_test(who_is_closed_while_it_mines_stops_its_miner),
	    cmocka_unit_test(stops_at_a_certified_block_without_its_work),
	    cmocka_unit_test(blames_the_proposer_of_the_moment_and_never_itself),
	    cmocka_unit_test(has_the_patience_of_the_genesis),
	    cmocka_unit_test(proposers_take_turns_and_a_restart_does_not_confuse_them),
	    cmocka_unit_test(tells_a_client_that_a_conviction_came_first),
	    cmocka_unit_test(takes_in_what_came_a_height_too_early),
	    cmocka_unit_test(keeps_a_bounded_number_of_what_comes_too_early),
	};

	if (argc > 1) /* one story: unit_replica NAME; CLUSTER_VERBOSE=1 shows what the replicas log */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
