/*
 * fuzz_votes.c: a replica's vote log, damaged: it opens with an error that says something, or the replica
 * works.  An input is a list of edits, eight bytes each, of a genuine log (chronicle.h): keys and bytes of
 * its records, bytes signed anew, records dropped and doubled, messages of others put in, bytes of the file.
 * The first edit's first byte also chooses which of two logs, and which of two ledgers beside it.
 *
 * Nothing of what a replica signs is judged here: it may have forgotten anything.
 *
 * Links: q_replica
 */
#include "chronicle.h"
#include "fuzz.h"

#define EDITS_MAX 12

enum { KEY, BYTES, ANEW, DROP, DOUBLE, FOREIGN, META, FILE_BYTES, WHAT_CNT };
#define LATE_VOTES 0x80  /* in the first edit's what */
#define LATE_LEDGER 0x40 /* too */

struct edit {
	uint8_t what, row, kind, number;
	struct bend bend;
};

struct record {
	int64_t kind, view, height;
	struct bytes bytes;
};

/* ---- SQL ---------------------------------------------------------------------------------------- */

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	return sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK ? stmt : NULL;
}

/* The record of this row, modulo how many there are. */
static bool read_row(sqlite3 *db, unsigned row, struct record *out)
{
	sqlite3_stmt *stmt = prepare(db, "SELECT kind, view, height, bytes FROM log LIMIT 1 "
	                                 "OFFSET ? % max(1, (SELECT count(*) FROM log))");
	bool ok = stmt && sqlite3_bind_int64(stmt, 1, row) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW;

	if (ok) {
		size_t len = (size_t)sqlite3_column_bytes(stmt, 3);
		*out = (struct record){sqlite3_column_int64(stmt, 0),
		                       sqlite3_column_int64(stmt, 1),
		                       sqlite3_column_int64(stmt, 2),
		                       {xcalloc(len + 1, 1), len}};
		if (len > 0)
			memcpy(out->bytes.data, sqlite3_column_blob(stmt, 3), len);
	}
	sqlite3_finalize(stmt);
	return ok;
}

static void drop_row(sqlite3 *db, const struct record *r)
{
	sqlite3_stmt *stmt = prepare(db, "DELETE FROM log WHERE kind = ? AND view = ? AND height = ?");

	if (!stmt)
		return;
	sqlite3_bind_int64(stmt, 1, r->kind);
	sqlite3_bind_int64(stmt, 2, r->view);
	sqlite3_bind_int64(stmt, 3, r->height);
	sqlite3_step(stmt);
	sqlite3_finalize(stmt);
}

static void put_row(sqlite3 *db, const struct record *r)
{
	sqlite3_stmt *stmt =
	    prepare(db, "INSERT OR REPLACE INTO log (kind, view, height, bytes) VALUES (?, ?, ?, ?)");

	if (!stmt)
		return;
	sqlite3_bind_int64(stmt, 1, r->kind);
	sqlite3_bind_int64(stmt, 2, r->view);
	sqlite3_bind_int64(stmt, 3, r->height);
	sqlite3_bind_blob64(stmt, 4, r->bytes.data, r->bytes.len, SQLITE_STATIC);
	sqlite3_step(stmt);
	sqlite3_finalize(stmt);
}

/* ---- edits --------------------------------------------------------------------------------------- */

static void edit_key(struct record *r, const struct edit *e)
{
	static const int64_t numbers[] = {
	    0, 1, 2, 3, 4, 5, 6, 7, 12, 64, UINT32_MAX, INT64_MAX, INT64_MIN, INT64_MAX - 4, -1, 100};

	if (e->kind & 0x0f)
		r->kind = e->kind & 0x0f;
	if (e->kind & 0x10)
		r->view = numbers[e->number % 16];
	if (e->kind & 0x20)
		r->height = numbers[e->number / 16];
}

/* Envelopes signed by whom they name, certificates by all that they name: the value alone is wrong. */
static void sign_anew(struct record *r, const struct edit *e)
{
	struct qenvelope env;
	struct qcert cert;
	struct qprepared p;
	struct bytes again = {0};
	uint8_t how = e->number & 1 ? LINK_ANEW : 0;

	if (wire_decode(WIRE(qcert), r->bytes.data, r->bytes.len, &cert)) {
		sign_cert(&chronicle.rules, &cert);
		must(wire_encode(WIRE(qcert), &cert, &again));
		wire_free(WIRE(qcert), &cert);
	} else if (wire_decode(WIRE(qprepared), r->bytes.data, r->bytes.len, &p)) {
		if (how)
			block_hash(&p.header, &p.cert.vote.block);
		sign_cert(&chronicle.rules, &p.cert);
		must(wire_encode(WIRE(qprepared), &p, &again));
		wire_free(WIRE(qprepared), &p);
	} else if (wire_decode(WIRE(qenvelope), r->bytes.data, r->bytes.len, &env)) {
		anew_envelope(&chronicle.rules, &env, how);
		must(wire_encode(WIRE(qenvelope), &env, &again));
		wire_free(WIRE(qenvelope), &env);
	} else {
		return;
	}
	bytes_free(&r->bytes);
	r->bytes = again;
}

/* A message of the history in its place; a NEW-VIEW of others is one that a replica does hold. */
static void put_foreign(struct record *r, const struct edit *e)
{
	const struct message *m =
	    chronicle.kept[((size_t)e->bend.at_high << 8 | e->bend.at_low) % chronicle.kept_cnt];

	bytes_free(&r->bytes);
	r->bytes = rules_encode(WIRE(qenvelope), &m->env);
}

static void edit_row(sqlite3 *db, const struct edit *e)
{
	unsigned what = e->what & 7;
	struct record r;

	if (!read_row(db, e->row, &r))
		return;
	if (what != DOUBLE)
		drop_row(db, &r);
	edit_key(&r, e);
	if (what == BYTES || what == ANEW)
		bend_bytes(r.bytes.data, r.bytes.len, &e->bend);
	if (what == ANEW)
		sign_anew(&r, e);
	if (what == FOREIGN)
		put_foreign(&r, e);
	if (what != DROP)
		put_row(db, &r);
	bytes_free(&r.bytes);
}

static void edit_meta(sqlite3 *db, const struct edit *e)
{
	static const char *const changes[] = {
	    "UPDATE meta SET value = 1 WHERE key = 'amnesiac'",
	    "UPDATE meta SET value = 'x' WHERE key = 'amnesiac'",
	    "DELETE FROM meta WHERE key = 'key'",
	    "UPDATE meta SET value = zeroblob(32) WHERE key = 'key'",
	    "DELETE FROM blocks",
	    "UPDATE blocks SET height = height + 1",
	    "UPDATE blocks SET bytes = zeroblob(12)",
	    "DELETE FROM log WHERE kind = 5",
	};

	sqlite3_exec(db, changes[e->number % 8], NULL, NULL, NULL);
}

static void put_files(const struct edit *edits, size_t cnt)
{
	const struct image *votes =
	    cnt > 0 && edits[0].what & LATE_VOTES ? &chronicle.late.votes : &chronicle.early.votes;
	const struct image *ledger =
	    cnt > 0 && edits[0].what & LATE_LEDGER ? &chronicle.late.ledger : &chronicle.early.ledger;
	uint8_t *bytes = xmemdup(votes->data, votes->len);
	sqlite3 *db;

	for (size_t i = 0; i < cnt; i++)
		if ((edits[i].what & 7) == FILE_BYTES) {
			size_t from = ((size_t)edits[i].row << 8) % votes->len;
			bend_bytes(bytes + from, votes->len - from, &edits[i].bend);
		}
	cluster_unlink(chronicle.ledger);
	cluster_unlink(chronicle.votes);
	image_write(chronicle.ledger, ledger->data, ledger->len);
	image_write(chronicle.votes, bytes, votes->len);
	free(bytes);
	if (sqlite3_open(chronicle.votes, &db) == SQLITE_OK)
		sqlite3_exec(db, "PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL);
	for (size_t i = 0; i < cnt; i++) {
		if ((edits[i].what & 7) == META)
			edit_meta(db, &edits[i]);
		else if ((edits[i].what & 7) != FILE_BYTES)
			edit_row(db, &edits[i]);
	}
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
}

/* ---- use ------------------------------------------------------------------------------------------ */

static void on_send(void *ctx, struct message *m, uint64_t to)
{
	struct verified v;
	enum open_verdict verdict;

	(void)ctx;
	must(to != 0 && (to & (UINT64_C(1) << SELF)) == 0);
	must(verify_envelope(&chronicle.rules.g, chronicle.cache, &m->env, &v, &verdict));
	verified_free(&v);
}

static void on_outcome(void *ctx, const struct qtxid *id, enum tx_verdict v, struct qheight height,
                       const struct qtxid *winner)
{
	(void)ctx, (void)id, (void)v, (void)height, (void)winner;
}

static void sign(void *ctx, const uint8_t *body, size_t len, struct qsig *sig)
{
	(void)ctx;
	ident_sign(chronicle.rules.ids[SELF], &chronicle.rules.g.chain, body, len, sig);
}

/* The last of the history, and some seconds. False: it has stopped. */
static bool live(struct replica *r, struct err *err)
{
	struct verified v;
	enum open_verdict verdict;

	for (size_t i = chronicle.late.from - 24; i < chronicle.kept_cnt; i++) {
		if (chronicle.kept[i]->sender == SELF ||
		    !verify_envelope(&chronicle.rules.g, chronicle.cache, &chronicle.kept[i]->env, &v,
		                     &verdict))
			continue;
		replica_message(r, v.message, v.txs, v.tx_cnt);
		verified_free(&v);
		if (!replica_turn(r, err))
			return false;
	}
	for (uint64_t ms = 1000; ms <= 4000; ms += 500) {
		replica_clock(r, ms, CLUSTER_WALL_MS + ms);
		if (!replica_turn(r, err))
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct edit edits[EDITS_MAX];
	size_t cnt = len / sizeof *edits < EDITS_MAX ? len / sizeof *edits : EDITS_MAX;
	struct err err = {0};
	struct replica_config config = {
	    .genesis = &chronicle.rules.g,
	    .self = SELF,
	    .signer = {sign, NULL},
	    .key = &chronicle.rules.g.g.replicas.replicas_val[SELF].key,
	    .ledger_path = chronicle.ledger,
	    .votes_path = chronicle.votes,
	    .effects = {NULL, on_send, on_outcome, NULL},
	};

	if (cnt > 0)
		memcpy(edits, data, cnt * sizeof *edits);
	put_files(edits, cnt);
	struct replica *r = replica_open(&config, 500, &err);
	must(r || err.text[0] != '\0');
	must(r || cnt > 0);
	if (!r)
		return 0;
	replica_clock(r, 500, CLUSTER_WALL_MS + 500);
	must(live(r, &err) || err.text[0] != '\0');
	replica_close(r);
	return 0;
}

/* ---- genuine lists ---------------------------------------------------------------------------------- */

/* One edit of the later log, beside the ledger that it belongs to. */
static void add(uint8_t what, uint8_t row, uint8_t kind, uint8_t number, struct bend bend)
{
	struct edit e = {(uint8_t)(what | LATE_VOTES | LATE_LEDGER), row, kind, number, bend};

	fuzz_seed(&e, sizeof e);
	e.what = (uint8_t)(what | LATE_VOTES);
	fuzz_seed(&e, sizeof e);
}

static void setup(void)
{
	enum { ROWS = 16 };

	chronicle_setup();
	fuzz_seed("", 0);
	for (uint8_t number = 0; number < 8; number++)
		add(META, 0, 0, number, (struct bend){0});
	for (uint8_t row = 0; row < ROWS; row++) {
		add(DROP, row, 0, 0, (struct bend){0});
		add(KEY, row, (uint8_t)(0x10 + row % 3 * 0x10), (uint8_t)(row * 17), (struct bend){0});
		add(ANEW, row, 0, 1, (struct bend){0, (uint8_t)(4 + 8 * (row % 3)), 2, BEND_NUMBER});
		add(FOREIGN, row, 0, 0, (struct bend){0, (uint8_t)(row * 9), 0, 0});
	}
	add(FILE_BYTES, 40, 0, 0, (struct bend){0, 100, 0x40, BEND_FLIP});
}

const struct fuzz_target fuzz_target = {.name = "votes",
                                        .runs = 80,
                                        .record = sizeof(struct edit),
                                        .setup = setup,
                                        .teardown = chronicle_teardown};
