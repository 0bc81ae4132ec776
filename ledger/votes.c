/*
 * votes.c: the vote log: durable before sent, and never two different votes under one key.
 *
 * Before: the engine's OUT_PERSIST and OUT_PERSIST_BLOCK of one turn, put here by node/replica.c.
 * After: votes_commit() returned, so the messages of that turn may leave.
 */
#include "votes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db.h"

enum statement {
	PUT_META,
	GET_META,
	INSERT_RECORD,
	REPLACE_RECORD,
	GET_RECORD,
	NEWER_RECORD,
	DROP_OLDER,
	PUT_BLOCK,
	PRUNE_RECORDS,
	PRUNE_BLOCKS,
	ALL_RECORDS,
	ALL_BLOCKS,
	INTEGRITY,
	STATEMENT_CNT
};

static const struct db_sql statements[STATEMENT_CNT] = {
    [PUT_META] = {"write meta", "INSERT INTO meta (key, value) VALUES (?, ?)"
                                " ON CONFLICT (key) DO UPDATE SET value = excluded.value"},
    [GET_META] = {"read meta", "SELECT value FROM meta WHERE key = ?"},
    [INSERT_RECORD] = {"record a vote", "INSERT INTO log (kind, view, height, bytes) VALUES (?, ?, ?, ?)"
                                        " ON CONFLICT (kind, view, height) DO NOTHING"},
    [REPLACE_RECORD] = {"record", "INSERT INTO log (kind, view, height, bytes) VALUES (?, ?, ?, ?)"
                                  " ON CONFLICT (kind, view, height) DO UPDATE SET bytes = excluded.bytes"},
    [GET_RECORD] = {"read a vote", "SELECT bytes FROM log WHERE kind = ? AND view = ? AND height = ?"},
    [NEWER_RECORD] = {"read a vote", "SELECT view FROM log WHERE kind = ? AND view > ?"},
    [DROP_OLDER] = {"drop older votes", "DELETE FROM log WHERE kind = ? AND view < ?"},
    [PUT_BLOCK] = {"record a block", "INSERT INTO blocks (hash, height, bytes) VALUES (?, ?, ?)"
                                     " ON CONFLICT (hash) DO NOTHING"},
    [PRUNE_RECORDS] = {"drop old votes", "DELETE FROM log WHERE kind IN (1, 2, 3, 4, 5) AND height <= ?"},
    [PRUNE_BLOCKS] = {"drop old blocks", "DELETE FROM blocks WHERE height <= ?"},
    [ALL_RECORDS] = {"read the votes",
                     "SELECT kind, view, height, bytes FROM log ORDER BY kind, view, height"},
    [ALL_BLOCKS] = {"read the blocks", "SELECT hash, height, bytes FROM blocks ORDER BY height"},
    [INTEGRITY] = {"check", "PRAGMA quick_check(1)"},
};
_Static_assert(REC_PRE_PREPARE == 1 && REC_PREPARED == 5, "PRUNE_RECORDS names the kinds that have a height");

struct votes {
	struct db db;
	bool amnesiac;
	/* What may go with the next commit. */
	struct qheight prune_blocks, prune_records, pruned_blocks, pruned_records;
};

/* ---- creation ----------------------------------------------------------- */

static bool put_amnesiac(struct votes *v, bool amnesiac, struct err *err)
{
	return db_run(&v->db, PUT_META, DB_ARGS(db_text("amnesiac"), db_int(amnesiac)), err);
}

static bool create(struct votes *v, const struct qreplica_key *key, bool amnesiac, struct err *err)
{
	v->amnesiac = amnesiac;
	return db_run(&v->db, PUT_META, DB_ARGS(db_text("key"), db_blob(key->b, sizeof key->b)), err) &&
	       put_amnesiac(v, amnesiac, err);
}

/* SQLite has no "must not exist"; an empty file is a fresh database to it. */
static bool reserve(const char *path, struct err *err)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(err, ERR_WORLD, "vote log %s: create: %s", path, strerror(errno));
	close(fd);
	return true;
}

bool votes_create(const char *path, const struct qreplica_key *key, const char *vfs, struct err *err)
{
	struct votes v = {0};
	bool fresh;

	if (!vfs && !reserve(path, err)) /* another VFS has files of its own: `fresh` alone must do */
		return false;
	if (!db_open(&v.db, &db_votes, DB_WRITE, path, vfs, statements, STATEMENT_CNT, &fresh, err))
		return false;
	bool ok = fresh ? create(&v, key, false, err) && db_commit(&v.db, err)
	                : err_set(err, ERR_WORLD, "vote log %s: create: another process wrote it", path);
	db_close(&v.db);
	return ok;
}

/* ---- opening ------------------------------------------------------------ */

static bool check_key(struct votes *v, const struct qreplica_key *key, struct err *err)
{
	struct qreplica_key have;
	char theirs[QHASH_HEX], ours[QHASH_HEX];
	enum found got = db_query(&v->db, GET_META, DB_ARGS(db_text("key")), err);

	if (got == NOT_FOUND)
		return db_damaged(&v->db, err, "meta has no key");
	bool ok = got == FOUND && db_get_fixed(&v->db, GET_META, 0, have.b, sizeof have.b, err);
	db_done(&v->db, GET_META);
	if (!ok || memcmp(have.b, key->b, sizeof have.b) == 0)
		return ok;
	return err_set(err, ERR_INPUT, "vote log %s: belongs to the replica key %s, but this key is %s",
	               v->db.path, hex_encode(theirs, have.b, sizeof have.b),
	               hex_encode(ours, key->b, sizeof key->b));
}

static bool load_amnesiac(struct votes *v, struct err *err)
{
	int64_t value;
	enum found got = db_query(&v->db, GET_META, DB_ARGS(db_text("amnesiac")), err);

	if (got == NOT_FOUND)
		return db_damaged(&v->db, err, "meta has no amnesiac");
	bool ok = got == FOUND && db_get_int(&v->db, GET_META, 0, &value, err);
	db_done(&v->db, GET_META);
	v->amnesiac = ok && value != 0;
	return ok;
}

/* The file is small and everything rests on it: every page is read. */
static bool check_integrity(struct votes *v, struct err *err)
{
	bool ok = db_query(&v->db, INTEGRITY, DB_NONE, err) == FOUND;

	if (ok) {
		const char *text = (const char *)sqlite3_column_text(v->db.stmts[INTEGRITY], 0);
		ok = text && strcmp(text, "ok") == 0;
		if (!ok)
			db_damaged(&v->db, err, "%s", text ? text : "damaged");
	}
	db_done(&v->db, INTEGRITY);
	return ok;
}

struct votes *votes_open(const char *path, const struct qreplica_key *key, const char *vfs, struct err *err)
{
	struct votes *v = xcalloc(1, sizeof *v);
	bool fresh;

	if (!db_open(&v->db, &db_votes, DB_WRITE, path, vfs, statements, STATEMENT_CNT, &fresh, err)) {
		free(v);
		return NULL;
	}
	/* No log, or one whose creation was cut short: this key may have voted. */
	if ((!fresh || create(v, key, true, err)) && check_integrity(v, err) && check_key(v, key, err) &&
	    load_amnesiac(v, err) && db_commit(&v->db, err))
		return v;
	votes_close(v);
	return NULL;
}

void votes_close(struct votes *v)
{
	if (!v)
		return;
	db_close(&v->db);
	free(v);
}

bool votes_amnesiac(const struct votes *v)
{
	return v->amnesiac;
}

bool votes_recovered(struct votes *v, struct err *err)
{
	if (!v->amnesiac)
		return true;
	if (!db_begin(&v->db, err) || !put_amnesiac(v, false, err))
		return false;
	v->amnesiac = false;
	return true;
}

/* ---- recording ---------------------------------------------------------- */

static const char *record_name(enum vote_record_kind kind)
{
	switch (kind) {
	case REC_PRE_PREPARE:
		return "PRE-PREPARE";
	case REC_PREPARE:
		return "PREPARE";
	case REC_COMMIT:
		return "COMMIT";
	case REC_CHECKPOINT:
		return "CHECKPOINT";
	case REC_PREPARED:
		return "prepared certificate";
	case REC_TIP:
		return "tip certificate";
	case REC_VIEW_CHANGE:
		return "VIEW-CHANGE";
	case REC_NEW_VIEW:
		return "NEW-VIEW";
	case REC_MUTED:
		return "reason for silence";
	case REC_STABLE:
		return "stable certificate";
	}
	return "record";
}

static bool refuse(struct votes *v, const struct vote_record *rec, const char *why, struct err *err)
{
	v->db.failed = true;
	return err_set(err, ERR_WORLD, "vote log %s: refused: %s for view %llu, height %llu: %s", v->db.path,
	               record_name(rec->kind), (unsigned long long)rec->view.n,
	               (unsigned long long)rec->height.n, why);
}

/* Under one key there is one statement for ever: the same again is fine, another would be equivocation. */
static bool insert_once(struct votes *v, const struct vote_record *rec, struct err *err)
{
	struct db *db = &v->db;
	const uint8_t *data;
	size_t len;

	if (!db_run(db, INSERT_RECORD,
	            DB_ARGS(db_int(rec->kind), db_int(rec->view.n), db_int(rec->height.n),
	                    db_blob(rec->data, rec->len)),
	            err))
		return false;
	if (sqlite3_changes(db->handle) == 1)
		return true;
	if (db_query(db, GET_RECORD, DB_ARGS(db_int(rec->kind), db_int(rec->view.n), db_int(rec->height.n)),
	             err) != FOUND)
		return false;
	bool ok = db_get_blob(db, GET_RECORD, 0, &data, &len, err);
	bool same = ok && len == rec->len && memcmp(data, rec->data, len) == 0;
	db_done(db, GET_RECORD);
	return same || (ok && refuse(v, rec, "a different one was signed before", err)) /* false */;
}

/* Only the newest view's is kept, so an older one could not be compared with what was signed. */
static bool insert_newest(struct votes *v, const struct vote_record *rec, struct err *err)
{
	struct db *db = &v->db;
	enum found newer = db_query(db, NEWER_RECORD, DB_ARGS(db_int(rec->kind), db_int(rec->view.n)), err);

	db_done(db, NEWER_RECORD);
	if (newer == FOUND)
		return refuse(v, rec, "one for a later view was recorded before", err);
	return newer == NOT_FOUND && insert_once(v, rec, err) &&
	       db_run(db, DROP_OLDER, DB_ARGS(db_int(rec->kind), db_int(rec->view.n)), err);
}

bool votes_put(struct votes *v, const struct vote_record *record, struct err *err)
{
	if (!db_begin(&v->db, err))
		return false;
	switch (record->kind) {
	case REC_PREPARED:
	case REC_TIP:
	case REC_MUTED:
	case REC_STABLE:
		return db_run(&v->db, REPLACE_RECORD,
		              DB_ARGS(db_int(record->kind), db_int(record->view.n), db_int(record->height.n),
		                      db_blob(record->data, record->len)),
		              err);
	case REC_VIEW_CHANGE:
	case REC_NEW_VIEW:
		return insert_newest(v, record, err);
	case REC_PRE_PREPARE:
	case REC_PREPARE:
	case REC_COMMIT:
	case REC_CHECKPOINT:
		return insert_once(v, record, err);
	}
	must_failed("a kind of record.h", __FILE__, __LINE__);
}

bool votes_put_block(struct votes *v, const struct block *block, struct err *err)
{
	struct qblock q;
	struct bytes bytes;

	if (!db_begin(&v->db, err))
		return false;
	block_to_wire(block, &q);
	bool fits = wire_encode(WIRE(qblock), &q, &bytes);
	free(q.txs.txs_val);
	must(fits);
	bool ok = db_run(&v->db, PUT_BLOCK,
	                 DB_ARGS(db_blob(block->hash.b, sizeof block->hash.b), db_int(block->header.height.n),
	                         db_blob(bytes.data, bytes.len)),
	                 err);
	bytes_free(&bytes);
	return ok;
}

bool votes_prune(struct votes *v, struct qheight executed, struct qheight records, struct err *err)
{
	(void)err;
	if (executed.n > v->prune_blocks.n)
		v->prune_blocks = executed;
	if (records.n > v->prune_records.n)
		v->prune_records = records;
	return true;
}

/* Not worth an fsync of its own: goes with what is committed anyway. */
static bool prune(struct votes *v, struct err *err)
{
	if (v->prune_blocks.n > v->pruned_blocks.n) {
		if (!db_run(&v->db, PRUNE_BLOCKS, DB_ARGS(db_int(v->prune_blocks.n)), err))
			return false;
		v->pruned_blocks = v->prune_blocks;
	}
	if (v->prune_records.n > v->pruned_records.n) {
		if (!db_run(&v->db, PRUNE_RECORDS, DB_ARGS(db_int(v->prune_records.n)), err))
			return false;
		v->pruned_records = v->prune_records;
	}
	return true;
}

bool votes_commit(struct votes *v, struct err *err)
{
	if (v->db.in_tx && !prune(v, err))
		return false;
	return db_commit(&v->db, err);
}

void votes_watch(struct votes *v, void (*committing)(void *ctx, bool begins), void *ctx)
{
	v->db.watch = (struct db_watch){committing, ctx};
}

/* ---- loading ------------------------------------------------------------ */

static bool load_record(struct votes *v, void (*record)(void *ctx, const struct vote_record *record),
                        void *ctx, struct err *err)
{
	struct db *db = &v->db;
	int64_t kind, view, height;
	struct vote_record rec;

	if (!db_get_int(db, ALL_RECORDS, 0, &kind, err) || !db_get_int(db, ALL_RECORDS, 1, &view, err) ||
	    !db_get_int(db, ALL_RECORDS, 2, &height, err) ||
	    !db_get_blob(db, ALL_RECORDS, 3, &rec.data, &rec.len, err))
		return false;
	if (kind < REC_PRE_PREPARE || kind > REC_STABLE)
		return db_damaged(db, err, "a record of unknown kind %lld", (long long)kind);
	rec.kind = (enum vote_record_kind)kind;
	rec.view = qview_of((uint64_t)view);
	rec.height = qheight_of((uint64_t)height);
	record(ctx, &rec);
	return true;
}

/* The block whose encoding is q, proven by its Merkle root; NULL if it is none. */
static struct block *parse_block(const struct qhash *chain, const struct qblock *q)
{
	size_t cnt = q->txs.txs_len;
	struct tx **txs = xcalloc(cnt ? cnt : 1, sizeof *txs);
	struct qhash *leaves = xcalloc(cnt ? cnt : 1, sizeof *leaves);
	struct block *b = NULL;
	enum tx_verdict verdict;
	size_t parsed;

	for (parsed = 0; parsed < cnt; parsed++) {
		const qtx_bytes *raw = &q->txs.txs_val[parsed];
		txs[parsed] = tx_parse(chain, raw->qtx_bytes_val, raw->qtx_bytes_len, &verdict);
		if (!txs[parsed])
			break;
		leaves[parsed] = txs[parsed]->leaf;
	}
	if (parsed == cnt && block_leaves_match(&q->header, leaves, cnt))
		b = block_new(&q->header, txs, cnt);
	for (size_t i = 0; i < parsed; i++)
		tx_unref(txs[i]);
	free(txs);
	free(leaves);
	return b;
}

static bool load_block(struct votes *v, const struct qhash *chain,
                       void (*block)(void *ctx, struct block *block), void *ctx, struct err *err)
{
	struct db *db = &v->db;
	struct qhash hash;
	int64_t height;
	const uint8_t *data;
	size_t len;
	struct qblock q;

	if (!db_get_fixed(db, ALL_BLOCKS, 0, hash.b, sizeof hash.b, err) ||
	    !db_get_int(db, ALL_BLOCKS, 1, &height, err) || !db_get_blob(db, ALL_BLOCKS, 2, &data, &len, err))
		return false;
	if (!wire_decode(WIRE(qblock), data, len, &q))
		return db_damaged(db, err, "the block at height %lld cannot be read", (long long)height);
	struct block *b = parse_block(chain, &q);
	wire_free(WIRE(qblock), &q);
	if (!b || !qhash_eq(&b->hash, &hash) || b->header.height.n != (uint64_t)height) {
		block_unref(b);
		return db_damaged(db, err, "the block at height %lld does not have its hash",
		                  (long long)height);
	}
	block(ctx, b);
	block_unref(b);
	return true;
}

bool votes_load(struct votes *v, const struct qhash *chain,
                void (*record)(void *ctx, const struct vote_record *record),
                void (*block)(void *ctx, struct block *block), void *ctx, struct err *err)
{
	bool ok = true;
	enum found got = db_query(&v->db, ALL_RECORDS, DB_NONE, err);

	for (; ok && got == FOUND; got = ok ? db_next(&v->db, ALL_RECORDS, err) : FOUND)
		ok = load_record(v, record, ctx, err);
	db_done(&v->db, ALL_RECORDS);
	if (!ok || got == FOUND_ERROR)
		return false;
	got = db_query(&v->db, ALL_BLOCKS, DB_NONE, err);
	for (; ok && got == FOUND; got = ok ? db_next(&v->db, ALL_BLOCKS, err) : FOUND)
		ok = load_block(v, chain, block, ctx, err);
	db_done(&v->db, ALL_BLOCKS);
	return ok && got != FOUND_ERROR;
}
