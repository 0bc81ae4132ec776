/*
 * What a start finds in its files, it may rely on at once: it says it again without writing anything.
 * So it must be on disk, even if the process before was killed between a write and its sync.
 *
 * Links: q_sim
 */
#include "disk.h"
#include "ledger.h"
#include "rules.h"
#include "votes.h"

static struct rules rules;

static const struct qreplica_key *key(void)
{
	return &rules.g.g.replicas.replicas_val[0].key;
}

static struct votes *open_votes(void)
{
	struct err err = {0};
	struct votes *v = votes_open("/0/votes.db", key(), DISK_VFS, &err);

	if (!v)
		fail_msg("%s", err.text);
	return v;
}

static bool put(struct votes *v, uint64_t height, struct err *err)
{
	struct vote_record record = {
	    .kind = REC_COMMIT, .height = {height}, .data = (const uint8_t *)"commit", .len = 6};

	return votes_put(v, &record, err) && votes_commit(v, err);
}

static void count(void *ctx, const struct vote_record *record)
{
	(void)record;
	++*(unsigned *)ctx;
}

static void ignore(void *ctx, struct block *block)
{
	(void)ctx;
	(void)block;
}

static unsigned records(struct votes *v)
{
	struct err err = {0};
	unsigned cnt = 0;

	if (!votes_load(v, &rules.g.chain, count, ignore, &cnt, &err))
		fail_msg("%s", err.text);
	return cnt;
}

/* Kills the process at its k-th point. */
struct killer {
	struct disk *disk;
	unsigned left;
};

static void point(void *ctx)
{
	struct killer *k = ctx;

	if (k->left > 0 && --k->left == 0)
		disk_kill(k->disk);
}

static struct disk *fresh(void)
{
	struct disk *d = disk_new(0);
	struct err err = {0};

	assert_true(votes_create("/0/votes.db", key(), DISK_VFS, &err));
	struct votes *v = open_votes();
	assert_true(put(v, 1, &err));
	votes_close(v);
	return d;
}

static void killed_between_write_and_sync(void **state)
{
	unsigned found_unsynced = 0;

	(void)state;
	for (unsigned at = 1; at < 100; at++) {
		struct disk *d = fresh();
		struct killer killer = {d, at};
		struct err err = {0};
		struct votes *v = open_votes();

		disk_watch(d, point, &killer);
		put(v, 2, &err);
		bool over = killer.left > 0;
		disk_watch(d, NULL, NULL);
		if (over) {
			votes_close(v);
			disk_free(d);
			break;
		}
		votes_close(v);
		disk_power_on(d);
		bool synced = disk_synced(d, "votes.db");
		v = open_votes();
		bool found = records(v) == 2; /* else what lies there unsynced is passed over */
		found_unsynced += found && !synced;
		assert_true(!found || disk_synced(d, "votes.db"));
		votes_close(v);
		disk_free(d);
	}
	assert_true(found_unsynced > 0); /* else nothing was tested */
}

/* Fails the n-th sync of a commit. False: it has no such sync. */
static bool fail_sync(struct disk *d, unsigned nth)
{
	struct err err = {0};
	struct votes *v = open_votes();

	disk_fail(d, DISK_IO_SYNC, nth);
	bool failed = !put(v, 2, &err);
	if (failed)
		disk_kill(d); /* closing could write more */
	votes_close(v);
	if (failed)
		disk_power_on(d);
	return failed;
}

static void stopped_by_a_failed_sync(void **state)
{
	unsigned found_unsynced = 0;

	(void)state;
	for (unsigned nth = 0;; nth++) {
		struct disk *d = fresh();
		bool failed = fail_sync(d, nth);

		disk_heal(d);
		if (failed) {
			bool synced = disk_synced(d, "votes.db");
			struct votes *v = open_votes();
			bool found = records(v) == 2;
			found_unsynced += found && !synced;
			assert_true(!found || disk_synced(d, "votes.db"));
			votes_close(v);
		}
		disk_free(d);
		if (!failed)
			break;
	}
	assert_true(found_unsynced > 0);
}

/* While the sync goes on failing there is no start. */
static void sync_still_fails(void **state)
{
	unsigned refused = 0;
	struct err err = {0};

	(void)state;
	for (unsigned nth = 0; nth < 2; nth++) {
		struct disk *d = fresh();
		assert_true(fail_sync(d, nth));
		disk_fail(d, DISK_IO_SYNC, 0);
		struct votes *v = votes_open("/0/votes.db", key(), DISK_VFS, &err);
		refused += !v;
		assert_true(!v || records(v) == 1);
		if (v)
			votes_close(v);
		disk_free(d);
	}
	assert_true(refused > 0);
}

static void ledger_too(void **state)
{
	unsigned found_unsynced = 0;

	(void)state;
	for (unsigned nth = 0; nth < 2; nth++) {
		struct disk *d = disk_new(0);
		struct err err = {0};
		struct ledger *l = ledger_open("/0/ledger.db", &rules.g, DISK_VFS, &err);
		struct qjournal entry = {.kind = QJ_STABLE};

		assert_non_null(l);
		entry.qjournal_u.stable = rules_cert(&rules, QCHECKPOINT, &(struct qvote){.height = {4}},
		                                     rules_quorum_mask(&rules));
		disk_fail(d, DISK_IO_SYNC, nth);
		bool kept = ledger_journal(l, &entry, &err) && ledger_commit(l, &err);
		disk_kill(d);
		ledger_close(l);
		disk_power_on(d);
		disk_heal(d);
		bool synced = disk_synced(d, "ledger.db");
		l = ledger_open("/0/ledger.db", &rules.g, DISK_VFS, &err);
		assert_non_null(l);
		struct qcert cert;
		bool found = ledger_stable_cert(l, &cert, &err);
		if (found)
			wire_free(WIRE(qcert), &cert);
		found_unsynced += !kept && found && !synced;
		assert_true(!found || disk_synced(d, "ledger.db"));
		ledger_close(l);
		disk_free(d);
		wire_free(WIRE(qcert), &entry.qjournal_u.stable);
	}
	assert_true(found_unsynced > 0);
}

/* ---- folding the WAL ---------------------------------------------------------------- */

/* Commits of 16 pages each; returns the first that changes more of the disk than the one before, or fails. */
static unsigned first_fold(struct disk *d, struct votes *v, unsigned fail_at, bool *failed)
{
	static uint8_t data[60000];
	uint64_t before = 0, usual = UINT64_MAX;
	struct err err = {0};

	for (unsigned k = 1;; k++) {
		struct vote_record record = {
		    .kind = REC_COMMIT, .height = {10 + k}, .data = data, .len = sizeof data};
		before = disk_operations(d);
		if (k == fail_at)
			disk_fail(d, DISK_IO_SYNC, 1); /* the commit's own sync works */
		*failed = !votes_put(v, &record, &err) || !votes_commit(v, &err);
		uint64_t did = disk_operations(d) - before;
		if (*failed || (k > 3 && did > 10 * usual))
			return k;
		usual = did;
		assert_true(k < 3000);
	}
}

/* SQLite's own checkpoints pass over a disk that fails; ours stop the replica. */
static void a_disk_that_fails_while_the_wal_is_folded_is_noticed(void **state)
{
	struct disk *d = fresh();
	struct votes *v = open_votes();
	bool failed;
	unsigned at = first_fold(d, v, 0, &failed);

	(void)state;
	assert_false(failed);
	votes_close(v);
	disk_free(d);
	d = fresh();
	v = open_votes();
	assert_int_equal(first_fold(d, v, at, &failed), at);
	assert_true(failed);
	votes_close(v);
	disk_free(d);
}

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "restart");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_between_write_and_sync),
	    cmocka_unit_test(stopped_by_a_failed_sync),
	    cmocka_unit_test(sync_still_fails),
	    cmocka_unit_test(ledger_too),
	    cmocka_unit_test(a_disk_that_fails_while_the_wal_is_folded_is_noticed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
