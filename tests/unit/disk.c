/*
 * The simulator's disks: SQLite works on them, keeps what it committed whenever the power goes, and is told
 * of every fault.
 * Links: q_sim
 */
#include <sqlite3.h>

#include "cluster.h"
#include "disk.h"

/* ---- small ------------------------------------------------------------------------ */

/* A sequence of numbers that follows from its seed. */
static uint64_t chance(void *ctx, uint64_t below)
{
	uint64_t *state = ctx;
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

static int try_sql(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void sql(sqlite3 *db, const char *text)
{
	if (try_sql(db, text) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
}

static int64_t ask(sqlite3 *db, const char *text)
{
	sqlite3_stmt *stmt;
	int64_t value = -1;

	if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	if (sqlite3_finalize(stmt) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	return value;
}

static sqlite3 *db_at(const char *path, int flags)
{
	sqlite3 *db;

	if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_EXRESCODE, DISK_VFS) != SQLITE_OK)
		fail_msg("%s: %s", path, sqlite3_errmsg(db));
	return db;
}

/* As the product opens its files, but with checkpoints every few pages. */
static sqlite3 *writer_at(const char *path)
{
	sqlite3 *db = db_at(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

	sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8");
	return db;
}

static bool is_sound(sqlite3 *db)
{
	return ask(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1;
}

/* Without SQLite: one file through the VFS. */
static sqlite3_file *raw_open(const char *path, int flags)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(DISK_VFS);
	sqlite3_file *f = xcalloc(1, (size_t)vfs->szOsFile);

	assert_int_equal(vfs->xOpen(vfs, path, f, flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
	                 SQLITE_OK);
	return f;
}

static void raw_close(sqlite3_file *f)
{
	f->pMethods->xClose(f);
	free(f);
}

static int raw_fill(sqlite3_file *f, int byte, size_t len, size_t at)
{
	uint8_t *data = xrealloc(NULL, len);

	memset(data, byte, len);
	int rc = f->pMethods->xWrite(f, data, (int)len, (sqlite3_int64)at);
	free(data);
	return rc;
}

static void raw_delete(const char *path, int sync_dir)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(DISK_VFS);

	assert_int_equal(vfs->xDelete(vfs, path, sync_dir), SQLITE_OK);
}

static void cycle_power(struct disk *d, uint64_t seed)
{
	disk_power_off(d, chance, &seed);
	disk_power_on(d);
}

/* ---- connections ------------------------------------------------------------------- */

static void two_connections_share_a_wal(void **state)
{
	(void)state;
	struct disk *d = disk_new(3);
	sqlite3 *writer = writer_at("/3/a.db");
	sql(writer, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	sqlite3 *reader = db_at("/3/a.db", SQLITE_OPEN_READONLY);
	sqlite3 *other = db_at("/3/a.db", SQLITE_OPEN_READWRITE);

	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);
	sql(writer, "BEGIN IMMEDIATE; INSERT INTO t VALUES (2)");
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);
	assert_int_equal(try_sql(other, "BEGIN IMMEDIATE"), SQLITE_BUSY);
	sql(reader, "BEGIN");
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);
	sql(writer, "COMMIT");
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1); /* its view stands */
	sql(reader, "COMMIT");
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 2);
	sql(other, "BEGIN IMMEDIATE; INSERT INTO t VALUES (3); COMMIT");
	assert_int_equal(ask(writer, "SELECT count(*) FROM t"), 3);
	assert_int_equal(try_sql(reader, "INSERT INTO t VALUES (4)"), SQLITE_READONLY);
	/* A view that is held keeps the WAL from being overwritten, and so sees what it saw. */
	sql(reader, "BEGIN");
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 3);
	for (int i = 0; i < 40; i++)
		sql(writer, "INSERT INTO t VALUES (zeroblob(3000))");
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 3);
	sql(reader, "COMMIT");
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 43);
	assert_true(is_sound(reader));
	sqlite3_close(other);
	sqlite3_close(reader);
	sqlite3_close(writer);
	disk_free(d);
}

static void locks_exclude(void **state)
{
	(void)state;
	struct disk *d = disk_new(0);
	sqlite3 *a = db_at("/0/a.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	sqlite3 *b = db_at("/0/a.db", SQLITE_OPEN_READWRITE);

	/* With a rollback journal: readers keep the writer from committing, and he keeps new ones out. */
	sql(a, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	sql(b, "BEGIN");
	assert_int_equal(ask(b, "SELECT count(*) FROM t"), 1);
	sql(a, "BEGIN IMMEDIATE; INSERT INTO t VALUES (2)");
	assert_int_equal(try_sql(b, "INSERT INTO t VALUES (3)"), SQLITE_BUSY);
	assert_int_equal(try_sql(a, "COMMIT"), SQLITE_BUSY);
	sql(b, "COMMIT");
	assert_int_equal(try_sql(b, "SELECT count(*) FROM t"), SQLITE_BUSY);
	sql(a, "COMMIT");
	assert_int_equal(ask(b, "SELECT count(*) FROM t"), 2);
	sql(a, "BEGIN EXCLUSIVE");
	assert_int_equal(try_sql(b, "SELECT count(*) FROM t"), SQLITE_BUSY);
	sql(a, "ROLLBACK");
	assert_int_equal(ask(b, "SELECT count(*) FROM t"), 2);
	sqlite3_close(a);
	sqlite3_close(b);
	disk_free(d);
}

/* A connection's mark in the memory of a WAL: many share one, or one has it for itself. */
static void marks_exclude(void **state)
{
	(void)state;
	enum {
		TAKE = SQLITE_SHM_LOCK,
		DROP = SQLITE_SHM_UNLOCK,
		SHARE = SQLITE_SHM_SHARED,
		OWN = SQLITE_SHM_EXCLUSIVE
	};
	struct disk *d = disk_new(0);
	sqlite3_file *f[2];
	volatile void *at[2];
	static const struct {
		int who, lock, cnt, flags, rc;
	} steps[] = {
	    {0, 3, 1, TAKE | SHARE, SQLITE_OK},   {1, 3, 1, TAKE | SHARE, SQLITE_OK},
	    {0, 3, 1, TAKE | OWN, SQLITE_BUSY},   {1, 2, 3, TAKE | OWN, SQLITE_BUSY},
	    {0, 3, 1, DROP | SHARE, SQLITE_OK},   {0, 2, 3, TAKE | OWN, SQLITE_BUSY},
	    {1, 3, 1, DROP | SHARE, SQLITE_OK},   {0, 2, 3, TAKE | OWN, SQLITE_OK},
	    {1, 4, 1, TAKE | SHARE, SQLITE_BUSY}, {1, 5, 1, TAKE | OWN, SQLITE_OK},
	    {1, 4, 2, TAKE | OWN, SQLITE_BUSY},   {0, 2, 3, DROP | OWN, SQLITE_OK},
	    {1, 4, 1, TAKE | SHARE, SQLITE_OK},   {0, 5, 1, TAKE | SHARE, SQLITE_BUSY},
	};

	for (int i = 0; i < 2; i++) {
		f[i] = raw_open("/0/a.db", SQLITE_OPEN_MAIN_DB);
		assert_int_equal(f[i]->pMethods->xShmMap(f[i], 0, 32768, 0, &at[i]), SQLITE_OK);
		assert_null(at[i]);
	}
	for (int i = 0; i < 2; i++)
		f[i]->pMethods->xShmMap(f[i], 0, 32768, 1, &at[i]);
	assert_ptr_equal(at[0], at[1]);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		assert_int_equal(f[steps[i].who]->pMethods->xShmLock(f[steps[i].who], steps[i].lock,
		                                                     steps[i].cnt, steps[i].flags),
		                 steps[i].rc);
	raw_close(f[1]); /* lets go of all */
	assert_int_equal(f[0]->pMethods->xShmLock(f[0], 0, 8, TAKE | OWN), SQLITE_OK);
	raw_close(f[0]);
	disk_free(d);
}

/* ---- power ---------------------------------------------------------------------------- */

/* A process that commits rows 1, 2, 3 ..., until the power goes at a numbered point. */
struct story {
	struct disk *d;
	uint64_t random;
	long left;   /* points until the power goes; negative: it stays */
	long points; /* passed */
	int committed, committed_when_off;
	bool off;
};

static void story_point(void *ctx)
{
	struct story *s = ctx;

	s->points++;
	if (s->left < 0 || s->off || s->left-- > 0)
		return;
	s->committed_when_off = s->committed;
	s->off = true;
	disk_power_off(s->d, chance, &s->random);
}

#define STORY_ROWS 12
#define STORY_ROW_BYTES 3000

/* Ends with the files closed. Restarts itself once, so that a WAL is removed and made again. */
static void story_run(struct story *s)
{
	char text[96];

	disk_watch(s->d, story_point, s);
	sqlite3 *db = writer_at("/1/a.db");
	sql(db, "CREATE TABLE IF NOT EXISTS t (x INTEGER PRIMARY KEY, y)");
	for (int i = 1; i <= STORY_ROWS; i++) {
		snprintf(text, sizeof text,
		         "INSERT INTO t VALUES (%d, zeroblob(%d)); DELETE FROM t WHERE x = %d", i,
		         STORY_ROW_BYTES, -i);
		sql(db, "BEGIN IMMEDIATE");
		sql(db, text);
		sql(db, "COMMIT");
		s->committed = i;
		if (i == STORY_ROWS / 2) {
			sqlite3_close(db);
			db = writer_at("/1/a.db");
		}
	}
	sqlite3_close(db);
	disk_watch(s->d, NULL, NULL);
}

static long story_length(void)
{
	struct story s = {.d = disk_new(1), .left = -1};

	story_run(&s);
	disk_free(s.d);
	return s.points;
}

/* What is found afterwards: whole, with all rows that were committed before, and perhaps the one underway. */
static int story_survivors(const struct story *s)
{
	sqlite3 *db = writer_at("/1/a.db");
	int rows = 0;

	if (ask(db, "SELECT count(*) FROM sqlite_schema") > 0) {
		assert_true(is_sound(db));
		rows = (int)ask(db, "SELECT count(*) FROM t");
		assert_int_equal(ask(db, "SELECT ifnull(max(x), 0) FROM t"), rows);
		assert_int_equal(ask(db, "SELECT count(*) FROM t WHERE length(y) <> 3000"), 0);
	}
	sqlite3_close(db);
	assert_in_range(rows, s->committed_when_off, s->committed_when_off + 1);
	return rows;
}

static void commits_survive_a_power_loss_at_any_point(void **state)
{
	(void)state;
	long points = story_length();
	int more = 0, fewer = 0;

	assert_true(points > 100);
	for (long at = 0; at < points; at++)
		for (uint64_t seed = 1; seed <= 6; seed++) {
			struct story s = {.d = disk_new(1), .left = at, .random = seed * 1000 + (uint64_t)at};
			story_run(&s);
			disk_power_on(s.d);
			int rows = story_survivors(&s);
			more += rows > s.committed_when_off;
			fewer += rows == s.committed_when_off;
			disk_free(s.d);
		}
	assert_true(more > 50 && fewer > 50);
}

static void a_disk_that_lies_loses_commits(void **state)
{
	(void)state;
	int lost = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct disk *d = disk_new(1);
		sqlite3 *db = writer_at("/1/a.db");
		sql(db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
		assert_true(disk_synced(d, "a.db"));
		disk_lie(d, true);
		sql(db, "INSERT INTO t VALUES (2)");
		assert_false(disk_synced(d, "a.db"));
		assert_true(disk_synced(d, "b"));
		uint64_t random = seed;
		disk_power_off(d, chance, &random);
		sqlite3_close(db);
		disk_lie(d, false);
		disk_power_on(d);
		db = writer_at("/1/a.db");
		assert_true(is_sound(db));
		lost += ask(db, "SELECT count(*) FROM t") == 1;
		sqlite3_close(db);
		disk_free(d);
	}
	assert_in_range(lost, 1, 19);
}

/* After the loss work goes on to no effect; what was fixed is what comes back. */
static void what_comes_after_the_loss_never_was(void **state)
{
	(void)state;
	struct disk *d = disk_new(1);
	sqlite3 *db = writer_at("/1/a.db");
	uint64_t random = 1;

	sql(db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	disk_power_off(d, chance, &random);
	sql(db, "INSERT INTO t VALUES (2)");
	assert_int_equal(ask(db, "SELECT count(*) FROM t"), 2);
	sqlite3_close(db);
	disk_power_on(d);
	db = writer_at("/1/a.db");
	assert_int_equal(ask(db, "SELECT count(*) FROM t"), 1);
	sqlite3_close(db);
	disk_free(d);
}

/* ---- writes since the last sync ----------------------------------------------------------- */

#define PIECE 512
#define PIECES 8

static void writes_are_lost_kept_or_torn_by_sectors(void **state)
{
	(void)state;
	int seen[3] = {0}; /* lost, kept, torn */

	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct disk *d = disk_new(1);
		sqlite3_file *f = raw_open("/1/f", SQLITE_OPEN_MAIN_DB);
		size_t len, is_new = 0;
		/* It begins within a sector and ends within one. */
		raw_fill(f, 'a', PIECE * (PIECES + 1), 0);
		f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
		raw_fill(f, 'b', PIECE * PIECES, 100);
		raw_close(f);
		cycle_power(d, seed);
		const uint8_t *data = disk_content(d, "f", &len);
		assert_int_equal(len, PIECE * (PIECES + 1));
		for (size_t i = 0; i < len; i++) {
			bool within = i >= 100 && i < 100 + PIECE * PIECES;
			is_new += data[i] == 'b';
			assert_true(data[i] == 'a' || (within && data[i] == 'b'));
			if (within && i > 100 && i % PIECE != 0)
				assert_int_equal(data[i], data[i - 1]);
		}
		seen[is_new == 0 ? 0 : is_new == PIECE * PIECES ? 1 : 2]++;
		disk_free(d);
	}
	for (int i = 0; i < 3; i++)
		assert_true(seen[i] > 20);
}

/* Each by itself: the second of two may be there without the first; then what was skipped reads as zeros. */
static void writes_survive_independently(void **state)
{
	(void)state;
	bool seen[2][2] = {{false}};

	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct disk *d = disk_new(1);
		sqlite3_file *f = raw_open("/1/f", SQLITE_OPEN_MAIN_DB);
		size_t len;
		raw_fill(f, 'a', 100, 0);
		f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
		raw_fill(f, 'b', 100, 100);
		raw_fill(f, 'c', 100, 200);
		raw_close(f);
		cycle_power(d, seed);
		const uint8_t *data = disk_content(d, "f", &len);
		bool b = len >= 200 && data[100] == 'b', c = len == 300 && data[200] == 'c';
		assert_int_equal(len, c ? 300 : b ? 200 : 100);
		assert_int_equal(data[99], 'a');
		if (c && !b)
			assert_int_equal(data[100], 0);
		seen[b][c] = true;
		disk_free(d);
	}
	assert_true(seen[0][0] && seen[0][1] && seen[1][0] && seen[1][1]);
}

static void overwritten_writes_are_undone_in_order(void **state)
{
	(void)state;
	struct disk *d = disk_new(1);
	sqlite3_file *f = raw_open("/1/f", SQLITE_OPEN_MAIN_DB);
	char path[64], data[600];

	raw_fill(f, 'a', 600, 0);
	f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
	raw_fill(f, 'b', 300, 100);
	raw_fill(f, 'c', 900, 50); /* longer */
	f->pMethods->xTruncate(f, 200);
	raw_fill(f, 'd', 10, 1000); /* a gap */
	disk_synced_path(d, "f", path, sizeof path);
	sqlite3_file *view = raw_open(path, SQLITE_OPEN_MAIN_DB);
	sqlite3_int64 size;
	view->pMethods->xFileSize(view, &size);
	assert_int_equal(size, 600);
	assert_int_equal(view->pMethods->xRead(view, data, 600, 0), SQLITE_OK);
	for (int i = 0; i < 600; i++)
		assert_int_equal(data[i], 'a');
	assert_int_equal(view->pMethods->xRead(view, data, 10, 595), SQLITE_IOERR_SHORT_READ);
	assert_int_equal(data[5], 0);
	raw_close(view);
	assert_int_equal(f->pMethods->xRead(f, data, 10, 996), SQLITE_OK);
	assert_memory_equal(data, "\0\0\0\0dddddd", 10);
	raw_close(f);
	disk_free(d);
}

static void names_last_from_a_sync(void **state)
{
	(void)state;
	int made = 0, removed = 0;
	size_t len;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct disk *d = disk_new(1);
		raw_close(raw_open("/1/unsynced", SQLITE_OPEN_MAIN_DB));
		sqlite3_file *f = raw_open("/1/synced", SQLITE_OPEN_MAIN_DB);
		f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
		raw_close(f);
		cycle_power(d, seed);
		made += disk_content(d, "unsynced", &len) != NULL;
		assert_non_null(disk_content(d, "synced", &len));
		raw_delete("/1/synced", 0);
		assert_null(disk_content(d, "synced", &len));
		cycle_power(d, seed + 100);
		removed += disk_content(d, "synced", &len) == NULL;
		/* The first sync of a journal is one of the directory. */
		raw_close(raw_open("/1/other", SQLITE_OPEN_MAIN_DB));
		f = raw_open("/1/journal", SQLITE_OPEN_MAIN_JOURNAL);
		f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
		raw_close(f);
		cycle_power(d, seed + 200);
		assert_non_null(disk_content(d, "other", &len));
		raw_delete("/1/journal", 1);
		cycle_power(d, seed + 300);
		assert_null(disk_content(d, "journal", &len));
		disk_free(d);
	}
	assert_in_range(made, 5, 35);
	assert_in_range(removed, 5, 35);
}

/* The same process, the same random numbers: the same bytes, also where SQLite draws numbers itself. */
static void the_same_chance_leaves_the_same_bytes(void **state)
{
	(void)state;
	static const char *const names[] = {"a.db", "a.db-wal"};

	for (long at = 20; at < 150; at += 13) {
		uint8_t *first[2] = {NULL};
		size_t first_len[2];
		for (int run = 0; run < 2; run++) {
			struct story s = {.d = disk_new(1), .left = at, .random = (uint64_t)at};
			story_run(&s);
			for (int i = 0; i < 2; i++) {
				size_t len = 0;
				const uint8_t *data = disk_content(s.d, names[i], &len);
				if (run == 0) {
					first[i] = data ? xmemdup(data, len) : NULL;
					first_len[i] = len;
					continue;
				}
				assert_int_equal(len, first_len[i]);
				assert_int_equal(data != NULL, first[i] != NULL);
				if (len > 0)
					assert_memory_equal(data, first[i], len);
				free(first[i]);
			}
			disk_free(s.d);
		}
	}
}

/* ---- the synced view ------------------------------------------------------------------------ */

static void the_synced_path_shows_what_is_sure(void **state)
{
	(void)state;
	struct disk *d = disk_new(1);
	sqlite3 *db = writer_at("/1/a.db");
	char path[64];

	sql(db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	disk_synced_path(d, "a.db", path, sizeof path);
	disk_lie(d, true);
	sql(db, "INSERT INTO t VALUES (2)"); /* in the WAL, not synced */
	sqlite3 *view = db_at(path, SQLITE_OPEN_READONLY);
	assert_int_equal(ask(view, "SELECT count(*) FROM t"), 1);
	disk_lie(d, false);
	sql(db, "INSERT INTO t VALUES (3)");
	assert_int_equal(ask(view, "SELECT count(*) FROM t"), 1); /* a copy */
	sqlite3_close(view);
	view = db_at(path, SQLITE_OPEN_READONLY);
	assert_int_equal(ask(view, "SELECT count(*) FROM t"), 3);
	assert_true(is_sound(view));
	sqlite3_close(view);
	assert_int_equal(ask(db, "SELECT count(*) FROM t"), 3);
	/* Nothing of what is done there comes back; no such file is none. */
	uint64_t bytes = disk_bytes(d), operations = disk_operations(d);
	view = db_at(path, SQLITE_OPEN_READWRITE);
	sql(view, "INSERT INTO t VALUES (4)");
	sqlite3_close(view);
	assert_int_equal(disk_bytes(d), bytes);
	assert_int_equal(disk_operations(d), operations);
	disk_synced_path(d, "b.db", path, sizeof path);
	assert_int_equal(sqlite3_open_v2(path, &view, SQLITE_OPEN_READONLY, DISK_VFS), SQLITE_CANTOPEN);
	sqlite3_close(view);
	sqlite3_close(db);
	disk_free(d);
}

/* ---- faults ------------------------------------------------------------------------------------ */

static int insert_on(struct disk *d, enum disk_fault fault, uint64_t after, const char *text)
{
	sqlite3 *db = writer_at("/1/a.db");
	int rc;

	disk_fail(d, fault, after);
	rc = try_sql(db, text);
	sqlite3_close(db);
	disk_heal(d);
	return rc;
}

static void faults_are_told(void **state)
{
	(void)state;
	static const char insert[] = "INSERT INTO t VALUES (zeroblob(9000))";
	struct disk *d = disk_new(1);
	sqlite3 *db = writer_at("/1/a.db");

	sql(db, "CREATE TABLE t (x)");
	sqlite3_close(db);
	assert_int_equal(insert_on(d, DISK_FULL, 0, insert), SQLITE_FULL);
	assert_int_equal(insert_on(d, DISK_FULL, 2, insert), SQLITE_FULL);
	assert_int_equal(insert_on(d, DISK_IO_WRITE, 0, insert), SQLITE_IOERR_WRITE);
	assert_int_equal(insert_on(d, DISK_IO_WRITE, 3, insert), SQLITE_IOERR_WRITE);
	assert_int_equal(insert_on(d, DISK_IO_SYNC, 0, insert), SQLITE_IOERR_FSYNC);
	assert_int_equal(insert_on(d, DISK_IO_READ, 0, "SELECT * FROM t"), SQLITE_IOERR_READ);
	assert_int_equal(insert_on(d, DISK_IO_WRITE, 100, insert), SQLITE_OK);
	db = writer_at("/1/a.db");
	assert_true(is_sound(db));
	sql(db, insert);
	sqlite3_close(db);
	disk_free(d);
}

static void rot_flips_as_many_bits_as_it_may(void **state)
{
	(void)state;
	struct disk *d = disk_new(1), *sound = disk_new(2);
	uint64_t random = 7;
	sqlite3_file *f;

	assert_false(disk_rot(d, 8, chance, &random));
	f = raw_open("/1/f", SQLITE_OPEN_MAIN_DB);
	raw_fill(f, 'x', 5000, 0);
	raw_close(f);
	for (int run = 0; run < 50; run++) {
		size_t len, bits = 0;
		disk_copy(sound, d);
		assert_true(disk_rot(d, 8, chance, &random));
		const uint8_t *now = disk_content(d, "f", &len), *was = disk_content(sound, "f", &len);
		for (size_t i = 0; i < 8 * len; i++)
			bits += ((now[i / 8] ^ was[i / 8]) >> i % 8) & 1;
		assert_in_range(bits, 1, 8);
	}
	disk_free(d);
	disk_free(sound);
}

static void disks_are_copied_wiped_and_files_removed(void **state)
{
	(void)state;
	struct disk *a = disk_new(1), *b = disk_new(2);
	sqlite3 *db = writer_at("/1/a.db");
	size_t len;

	sql(db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	disk_copy(b, a); /* while it is in use */
	assert_non_null(disk_content(b, "a.db-wal", &len));
	disk_remove(b, "a.db");
	assert_int_equal(disk_bytes(b), 0);
	disk_copy(b, a);
	sqlite3_close(db);
	db = writer_at("/2/a.db");
	assert_int_equal(ask(db, "SELECT count(*) FROM t"), 1);
	sql(db, "INSERT INTO t VALUES (2)");
	disk_copy(a, b);
	sqlite3_close(db);
	cycle_power(a, 1); /* a copy is synced */
	db = writer_at("/1/a.db");
	assert_int_equal(ask(db, "SELECT count(*) FROM t"), 2);
	sqlite3_close(db);
	disk_wipe(a);
	assert_int_equal(disk_bytes(a), 0);
	assert_null(disk_content(a, "a.db", &len));
	disk_free(a);
	disk_free(b);
}

/* ---- the whole replica ---------------------------------------------------------------------------- */

#define PAYMENTS 24

static void lose_power(struct cluster *c, unsigned i, struct disk *d, uint64_t seed)
{
	disk_power_off(d, chance, &seed);
	cluster_crash(c, i);
	disk_power_on(d);
}

static struct cluster *cluster_on_disks(struct disk *disks[4])
{
	struct cluster *c = cluster_new(4, PAYMENTS, NULL);
	struct err err = {0};

	c->vfs = DISK_VFS;
	for (unsigned i = 0; i < 4; i++) {
		struct member *m = &c->members[i];
		cluster_crash(c, i);
		cluster_unlink(m->ledger);
		cluster_unlink(m->votes);
		disks[i] = disk_new(i);
		snprintf(m->ledger, sizeof m->ledger, "/%u/ledger.db", i);
		snprintf(m->votes, sizeof m->votes, "/%u/votes.db", i);
		if (!votes_create(m->votes, &c->rules.g.g.replicas.replicas_val[i].key, DISK_VFS, &err))
			fail_msg("%s", err.text);
		cluster_start(c, i);
	}
	return c;
}

static void replicas_run_on_disks_and_survive_them(void **state)
{
	(void)state;
	struct disk *disks[4];
	struct cluster *c = cluster_on_disks(disks);
	struct tx *txs[PAYMENTS];
	struct qtxid winner;

	for (unsigned i = 0; i < PAYMENTS; i++) {
		txs[i] = pay_allocation(&c->rules, i, 3, "disk");
		cluster_submit(c, i % 4, txs[i], NULL);
		cluster_run(c, i % 4);
		if (i % 6 == 5) { /* one after the other, in the middle of things */
			lose_power(c, i / 6, disks[i / 6], i);
			cluster_start(c, i / 6);
		}
	}
	for (unsigned i = 0; i < PAYMENTS; i++) { /* what only the pool of one that fell knew of is gone */
		cluster_submit(c, 0, txs[i], NULL);
		tx_unref(txs[i]);
	}
	cluster_settle(c, 60000);
	assert_int_equal(cluster_status(c, 0).transactions, PAYMENTS);
	for (unsigned i = 0; i < 4; i++) /* all at once */
		lose_power(c, i, disks[i], 100 + i);
	for (unsigned i = 0; i < 4; i++)
		cluster_start(c, i);
	struct tx *tx = pay_allocation(&c->rules, 23, 4, "again");
	assert_int_equal(cluster_submit(c, 0, tx, &winner), TX_DOUBLE_SPEND);
	tx_unref(tx);
	assert_int_equal(cluster_status(c, 2).transactions, PAYMENTS);
	assert_true(cluster_agrees(c));
	cluster_free(c);
	for (unsigned i = 0; i < 4; i++)
		disk_free(disks[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_connections_share_a_wal),
	    cmocka_unit_test(locks_exclude),
	    cmocka_unit_test(marks_exclude),
	    cmocka_unit_test(commits_survive_a_power_loss_at_any_point),
	    cmocka_unit_test(a_disk_that_lies_loses_commits),
	    cmocka_unit_test(what_comes_after_the_loss_never_was),
	    cmocka_unit_test(writes_are_lost_kept_or_torn_by_sectors),
	    cmocka_unit_test(writes_survive_independently),
	    cmocka_unit_test(overwritten_writes_are_undone_in_order),
	    cmocka_unit_test(names_last_from_a_sync),
	    cmocka_unit_test(the_same_chance_leaves_the_same_bytes),
	    cmocka_unit_test(the_synced_path_shows_what_is_sure),
	    cmocka_unit_test(faults_are_told),
	    cmocka_unit_test(rot_flips_as_many_bits_as_it_may),
	    cmocka_unit_test(disks_are_copied_wiped_and_files_removed),
	    cmocka_unit_test(replicas_run_on_disks_and_survive_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
