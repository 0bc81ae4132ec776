/*
 * The replica as a whole: what it tells its clients, the ordering law, and four of them together through lost
 * messages, crashes and restarts.
 * Links: q_replica
 */
#include <sqlite3.h>

#include "cluster.h"
#include "faultvfs.h"
#include "replica_impl.h"

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
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	cluster_forward_from(c, 1, 0, &child, 1);
	cluster_forward_from(c, 1, 0, &parent, 1);
	assert_non_null(pool_find(r->pool, &parent->id));
	assert_null(pool_find(r->pool, &child->id));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	assert_true(cluster_run_until(c, first_executed, c->now_ms + CLUSTER_PATIENCE_MS));
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
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	cluster_deliver_from(c, 3, 3, &m); /* a vote of its own that its log does not hold */
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
		cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	struct qparams params = cluster_small_params();
	struct cluster *c = cluster_new(4, 40, &params);

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	cluster_crash(c, 0);
	for (unsigned i = 1; i < 30; i++) {
		cluster_pay(c, 1 + i % 3, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, CLUSTER_PATIENCE_MS);
	}
	assert_true(cluster_status(c, 1).engine.entered.n >= 1);
	assert_int_equal(cluster_status(c, 1).height.n, 30); /* many windows and checkpoints ahead */
	cluster_start(c, 0);
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_int_equal(cluster_status(c, 0).transactions, 30);
	cluster_pay(c, 0, pay_allocation(&c->rules, 30, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	cluster_free(c);
}

static void one_replica_alone_goes_on_without_its_vote_log(void **state)
{
	struct cluster *c = cluster_new(1, 2, NULL);

	(void)state;
	cluster_pay(c, 0, pay_allocation(&c->rules, 0, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	cluster_crash(c, 0);
	assert_int_equal(unlink(c->members[0].votes), 0);
	cluster_start(c, 0);
	cluster_pay(c, 0, pay_allocation(&c->rules, 1, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	struct qparams params = cluster_small_params();
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
	struct qparams params = cluster_small_params();
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
			cluster_forward_from(c, 2, 1, &txs[i], 1);
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
	struct qparams params = cluster_small_params();
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
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	struct qparams params = cluster_small_params();
	struct cluster *c = cluster_new(4, height, &params);

	c->drop = no_checkpoints;
	for (unsigned i = 0; i < height; i++) {
		cluster_pay(c, 0, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	struct qparams params = cluster_small_params();
	struct cluster *c = cluster_new(4, 4, &params);

	(void)state;
	cluster_pay(c, 1, pay_allocation(&c->rules, 0, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	cluster_crash(c, 0);
	cluster_run(c, 5100); /* STATUS has just been exchanged */
	uint64_t begun_ms = c->now_ms;
	cluster_pay(c, 1, pay_allocation(&c->rules, 1, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_true(c->now_ms - begun_ms >= params.timeout_ms);
	assert_true(c->now_ms - begun_ms <= params.timeout_ms + 50);
	cluster_free(c);
}

static void forgets_nothing_final_when_all_stop_at_once(void **state)
{
	struct qparams params = cluster_small_params();
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
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	for (unsigned i = 0; i < 48; i++) {
		for (unsigned k = 0; k < 4; k++) {
			enum tx_verdict v = replica_submit(c->members[k].replica, txs[i], &height, &winner);
			assert_true(!cluster_told(c, i % 4, &txs[i]->id) || v == TX_FINAL);
			assert_true(v == TX_FINAL || v == TX_OK);
		}
		c->members[i % 4].woken = true;
	}
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
		cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	struct qparams params = cluster_small_params();
	struct cluster *c = cluster_new(4, 60, &params);
	unsigned votes = 0, i = 0;

	(void)state;
	cluster_pay(c, 3, pay_allocation(&c->rules, i++, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
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
		cluster_settle(c, CLUSTER_PATIENCE_MS);
		i++;
	}
	assert_false(cluster_status(c, 3).amnesiac);
	assert_null(cluster_status(c, 3).muted_because);
	assert_true(i > 2 * 2 * params.checkpoint_interval);
	cluster_pay(c, 3, pay_allocation(&c->rules, i, 9, ""));
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	assert_true(votes > 0);
	cluster_crash(c, 3);
	cluster_start(c, 3);
	assert_false(cluster_status(c, 3).amnesiac); /* durably */
	cluster_free(c);
}

static void forgets_votes_and_bodies_that_a_checkpoint_covers(void **state)
{
	struct qparams params = cluster_small_params();
	struct cluster *c = cluster_new(4, 20, &params);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		cluster_pay(c, i % 4, pay_allocation(&c->rules, i, 9, ""));
		cluster_settle(c, CLUSTER_PATIENCE_MS);
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
	cluster_settle(c, CLUSTER_PATIENCE_MS);
	cluster_run(c, 1000);
	for (unsigned i = 0; i < Q_WINDOW_MAX; i++)
		hashes[i] = cluster_status(c, 1).block_hash;
	m.qmessage_u.get_bodies.blocks.blocks_len = Q_WINDOW_MAX;
	m.qmessage_u.get_bodies.blocks.blocks_val = hashes;
	c->drop = lose_bodies;
	c->watch = watch_answers;
	c->drop_ctx = &s;
	for (unsigned i = 0; i < 5; i++)
		cluster_deliver_from(c, 3, 1, &m);
	cluster_turn(c, 1);
	assert_true(s.bytes > 15u << 20 && s.bytes < 17u << 20);
	first = s.answers;
	cluster_deliver_from(c, 3, 1, &m);
	cluster_turn(c, 1);
	assert_int_equal(s.answers, first);
	m.qmessage_u.get_bodies.blocks.blocks_len = 1;
	cluster_deliver_from(c, 2, 1, &m); /* others are served all the same */
	cluster_turn(c, 1);
	assert_int_equal(s.answers, first + 1);
	cluster_run(c, 100); /* time fills it up again */
	cluster_deliver_from(c, 3, 1, &m);
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
	    cmocka_unit_test(tells_a_client_that_its_transaction_expired),
	    cmocka_unit_test(is_silent_without_its_vote_log_until_a_checkpoint_covers_it),
	    cmocka_unit_test(forgets_votes_and_bodies_that_a_checkpoint_covers),
	    cmocka_unit_test(serves_each_peer_a_bounded_amount),
	};

	if (argc > 1) /* one story: unit_replica NAME; CLUSTER_VERBOSE=1 shows what the replicas log */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
