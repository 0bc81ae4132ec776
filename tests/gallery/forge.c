/*
 * forge.c: what a forger can do to a ledger file.
 */
#include "forge.h"

#include "hash.h"

/* ---- SQL ---------------------------------------------------------------------------------------- */

struct arg {
	enum { NUMBER, BLOB, TEXT, NONE } type;
	int64_t n;
	const void *data;
	size_t len;
};
#define N(v)                                      \
	{                                         \
		.type = NUMBER, .n = (int64_t)(v) \
	}
#define B(field)                                                        \
	{                                                               \
		.type = BLOB, .data = (field).b, .len = sizeof(field).b \
	}
#define BYTES(p, l)                                   \
	{                                             \
		.type = BLOB, .data = (p), .len = (l) \
	}
#define T(v)                              \
	{                                 \
		.type = TEXT, .data = (v) \
	}

static void bind_arg(sqlite3_stmt *stmt, int i, const struct arg *a)
{
	switch (a->type) {
	case NUMBER:
		sqlite3_bind_int64(stmt, i, a->n);
		break;
	case BLOB:
		sqlite3_bind_blob(stmt, i, a->len ? a->data : "", (int)a->len, SQLITE_TRANSIENT);
		break;
	case TEXT:
		sqlite3_bind_text(stmt, i, a->data, -1, SQLITE_TRANSIENT);
		break;
	case NONE:
		sqlite3_bind_null(stmt, i);
		break;
	}
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql, const struct arg *args, size_t cnt)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	for (size_t i = 0; i < cnt; i++)
		bind_arg(stmt, (int)i + 1, &args[i]);
	return stmt;
}

static void run_with(sqlite3 *db, const char *sql, const struct arg *args, size_t cnt)
{
	sqlite3_stmt *stmt = prepare(db, sql, args, cnt);

	if (sqlite3_step(stmt) != SQLITE_DONE)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
}
#define run(db, sql, ...)                                    \
	run_with(db, sql, (const struct arg[]){__VA_ARGS__}, \
	         sizeof((const struct arg[]){__VA_ARGS__}) / sizeof(struct arg))

static int64_t ask_with(sqlite3 *db, const char *sql, const struct arg *args, size_t cnt)
{
	sqlite3_stmt *stmt = prepare(db, sql, args, cnt);
	int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;

	sqlite3_finalize(stmt);
	return value;
}
#define ask(db, sql, ...)                                    \
	ask_with(db, sql, (const struct arg[]){__VA_ARGS__}, \
	         sizeof((const struct arg[]){__VA_ARGS__}) / sizeof(struct arg))

static sqlite3 *begin(const struct place *p)
{
	sqlite3 *db = place_sqlite(p);

	sqlite_do(db, "PRAGMA synchronous = OFF; BEGIN");
	return db;
}

static void end(sqlite3 *db)
{
	sqlite_do(db, "COMMIT");
	sqlite3_close(db);
}

/* ---- blocks --------------------------------------------------------------------------------------- */

void forge_cut(const struct place *p, unsigned height)
{
	static const char *const sql[] = {
	    "CREATE TEMP TABLE gone AS SELECT seq FROM transactions WHERE height > ?",
	    "DELETE FROM certificates WHERE height > ?",
	    "DELETE FROM signers WHERE height > ?",
	    "DELETE FROM blocks WHERE height > ?",
	    "DELETE FROM convictions WHERE height > ?",
	    "DELETE FROM stakes WHERE height > ?"};
	sqlite3 *db = begin(p);

	for (size_t i = 0; i < sizeof sql / sizeof *sql; i++)
		run(db, sql[i], N(height));
	sqlite_do(db, "UPDATE outputs SET spent_by = NULL WHERE spent_by IN gone;"
	              "DELETE FROM outputs WHERE tx IN gone; DELETE FROM inputs WHERE tx IN gone;"
	              "DELETE FROM transactions WHERE seq IN gone");
	end(db);
}

static void put_inputs(sqlite3 *db, const struct tx *tx, int64_t seq)
{
	for (u_int i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		const struct qoutpoint *in = &tx->q.body.inputs.inputs_val[i];
		int64_t source = ask(db, "SELECT seq FROM transactions WHERE txid = ?", B(in->tx));
		run(db, "INSERT INTO inputs (tx, position, source_tx, source_position) VALUES (?, ?, ?, ?)",
		    N(seq), N(i), N(source), N(in->index));
		run(db, "UPDATE outputs SET spent_by = ? WHERE tx = ? AND position = ? AND spent_by IS NULL",
		    N(seq), N(source), N(in->index));
	}
}

static void put_outputs(sqlite3 *db, const struct tx *tx, int64_t seq)
{
	static const char *const locks[] = {
	    [QLOCK_STAKE] = "stake", [QLOCK_RELEASE] = "release", [QLOCK_FROZEN] = "frozen"};

	for (u_int i = 0; i < tx->q.body.outputs.outputs_len; i++) {
		const struct qoutput *out = &tx->q.body.outputs.outputs_val[i];
		bool locked = out->lock.kind != QLOCK_NONE;
		const struct arg lock = T(locks[out->lock.kind]), replica = N(out->lock.qlock_u.replica),
		                 none = {.type = NONE};
		run(db,
		    "INSERT INTO outputs (tx, position, owner, amount, lock, replica) VALUES (?, ?, ?, ?, ?, "
		    "?)",
		    N(seq), N(i), B(out->owner), N(out->amount), locked ? lock : none,
		    locked ? replica : none);
	}
}

static void put_tx(sqlite3 *db, const struct tx *tx, int64_t seq, uint64_t height, size_t position)
{
	const struct qtx_body *body = &tx->q.body;

	run(db,
	    "INSERT INTO transactions (seq, txid, height, position, expiry, memo, raw)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?)",
	    N(seq), B(tx->id), N(height), N(position), N(body->expiry.n),
	    BYTES(body->memo.memo_val, body->memo.memo_len), BYTES(tx->raw, tx->raw_len));
	put_inputs(db, tx, seq);
	put_outputs(db, tx, seq);
	for (u_int i = 0; i < body->offence.offence_len; i++) {
		static const char *const kinds[] = {
		    [QPREPARE] = "prepare", [QCOMMIT] = "commit", [QCHECKPOINT] = "checkpoint"};
		const struct qoffence *o = &body->offence.offence_val[i];
		run(db,
		    "INSERT INTO convictions (height, replica, tx, kind, view, offence_height)"
		    " VALUES (?, ?, ?, ?, ?, ?)",
		    N(height), N(o->replica), N(seq), T(kinds[o->kind]), N(o->first.view.n),
		    N(o->first.height.n));
	}
}

void forge_append(const struct place *p, const struct block *b, uint64_t certified_by)
{
	sqlite3 *db = begin(p);
	const struct qheader *h = &b->header;
	struct bytes header = rules_encode(WIRE(qheader), h);
	int64_t first = ask(db, "SELECT max(seq) + 1 FROM transactions", {.type = NONE});
	const struct qpow *pow = &h->seal.qseal_u.pow;
	bool sealed = h->seal.kind == QSEAL_POW;
	const struct arg target = B(pow->target), nonce = N(pow->nonce), none = {.type = NONE};

	run(db,
	    "INSERT INTO blocks (height, hash, parent, merkle_root, tx_count, first_tx, proposer, time_ms,"
	    " certified_by, target, nonce, header) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    N(h->height.n), B(b->hash), B(h->parent), B(h->merkle_root), N(h->tx_count), N(first),
	    N(h->proposer), N(h->time_ms), N(certified_by), sealed ? target : none, sealed ? nonce : none,
	    BYTES(header.data, header.len));
	for (size_t i = 0; i < b->tx_cnt; i++)
		put_tx(db, b->txs[i], first + (int64_t)i, h->height.n, i);
	bytes_free(&header);
	end(db);
}

void forge_cert(const struct place *p, const struct qcert *cert)
{
	sqlite3 *db = begin(p);
	struct bytes bytes = rules_encode(WIRE(qcert), cert);
	const struct qvote *v = &cert->vote;

	run(db, "DELETE FROM certificates WHERE height = ?", N(v->height.n));
	run(db, "DELETE FROM signers WHERE height = ?", N(v->height.n));
	run(db, "INSERT INTO certificates (height, kind, view, block, certificate) VALUES (?, ?, ?, ?, ?)",
	    N(v->height.n), T(cert->kind == QCOMMIT ? "commit" : "checkpoint"), N(v->view.n), B(v->block),
	    BYTES(bytes.data, bytes.len));
	for (u_int i = 0; i < cert->sigs.sigs_len; i++)
		run(db, "INSERT OR IGNORE INTO signers (height, replica, signature) VALUES (?, ?, ?)",
		    N(v->height.n), N(cert->sigs.sigs_val[i].replica), B(cert->sigs.sigs_val[i].sig));
	bytes_free(&bytes);
	end(db);
}

/* ---- the journal ------------------------------------------------------------------------------------ */

void forge_links(const struct place *p)
{
	sqlite3 *db = begin(p);
	struct qhash link = {{0}};
	int64_t cnt = 0;

	sqlite_do(
	    db, "CREATE TEMP TABLE entries AS SELECT seq, entry FROM journal ORDER BY seq;"
	        "CREATE TEMP TABLE numbers AS SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM journal;"
	        "UPDATE culprits SET seq = (SELECT n FROM numbers WHERE numbers.seq = culprits.seq);"
	        "UPDATE evidence SET seq = (SELECT n FROM numbers WHERE numbers.seq = evidence.seq);"
	        "UPDATE journal SET seq = (SELECT n FROM numbers WHERE numbers.seq = journal.seq)");
	sqlite3_stmt *stmt = prepare(db, "SELECT entry FROM entries", NULL, 0);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct span parts[] = {{link.b, sizeof link.b},
		                       {sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)}};
		hash_tagged("quorate/journal/v1", parts, 2, link.b);
		run(db, "UPDATE journal SET link = ? WHERE seq = ?", B(link), N(++cnt));
	}
	sqlite3_finalize(stmt);
	run(db, "UPDATE meta SET value = ? WHERE key = 'journal_count'", N(cnt));
	run(db, "UPDATE meta SET value = ? WHERE key = 'journal_link'", B(link));
	end(db);
}

void forge_entry(const struct place *p, struct qjournal entry)
{
	static const char *const kinds[] = {
	    [QJ_NEW_VIEW] = "new_view", [QJ_STABLE] = "stable", [QJ_EVIDENCE] = "evidence"};
	sqlite3 *db = begin(p);
	struct bytes bytes = rules_encode(WIRE(qjournal), &entry);

	run(db, "INSERT INTO journal (kind, entry, link) VALUES (?, ?, x'')", T(kinds[entry.kind]),
	    BYTES(bytes.data, bytes.len));
	end(db);
	forge_links(p);
	bytes_free(&bytes);
	wire_free(WIRE(qjournal), &entry);
}

/* ---- bits ---------------------------------------------------------------------------------------------- */

void forge_flip(const struct place *p, const char *table, const char *column, const char *where, int byte)
{
	char sql[256];
	sqlite3 *db = begin(p);

	snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE %s", column, table, where);
	sqlite3_stmt *stmt = prepare(db, sql, NULL, 0);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int len = sqlite3_column_bytes(stmt, 0);
	uint8_t *bytes = xmemdup(sqlite3_column_blob(stmt, 0), (size_t)len);
	sqlite3_finalize(stmt);
	assert_true(byte < len && -byte <= len);
	bytes[byte < 0 ? len + byte : byte] ^= 1;
	snprintf(sql, sizeof sql, "UPDATE %s SET %s = ? WHERE %s", table, column, where);
	run(db, sql, BYTES(bytes, (size_t)len));
	free(bytes);
	end(db);
}

struct tx *forge_tx(const struct world *w, const struct tx *tx, const struct qoutput *first_output)
{
	struct qtx q = tx->q; /* shares its arrays, but for what is changed */
	struct qoutput *outs = xmemdup(q.body.outputs.outputs_val, q.body.outputs.outputs_len * sizeof *outs);
	enum tx_verdict verdict;

	q.body.outputs.outputs_val = outs;
	outs[0] = *first_output;
	struct bytes raw = rules_encode(WIRE(qtx), &q);
	struct tx *changed = tx_parse(&w->honest.rules.g.chain, raw.data, raw.len, &verdict);
	assert_non_null(changed);
	bytes_free(&raw);
	free(outs);
	return changed;
}

/* ---- the file --------------------------------------------------------------------------------------------
 */

void forge_file(const char *path, long at, const void *data, size_t len)
{
	FILE *f = fopen(path, "r+b");

	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

long forge_file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (long)st.st_size;
}
