/*
 * ledger.c: the ledger's writer: executed blocks and what makes them final, in one SQLite transaction, and
 * the unspent set in memory that follows them.
 *
 * Before: the engine says that a run of blocks is certified (OUT_EXECUTE) and node/replica.c brings it here
 * with its overlays.  After: ledger_commit() returned, so the replica may tell clients; readers (reader.c)
 * serve the rows.
 */
#include "ledger.h"

#include <stdlib.h>

#include "db.h"
#include "hash.h"
#include "map.h"

enum statement {
	PUT_META,
	GET_META,
	PUT_BLOCK,
	PUT_TRANSACTION,
	PUT_OUTPUT,
	PUT_INPUT,
	SPEND_OUTPUT,
	PUT_CERTIFICATE,
	PUT_SIGNER,
	PUT_JOURNAL,
	COUNT_ROWS,
	LAST_BLOCKS,
	LAST_JOURNAL,
	ALL_UNSPENT,
	CERTIFICATE_AT,
	NEWEST_STABLE,
	BLOCK_AT,
	UNSPENT_AT,
	STATEMENT_CNT
};

static const struct db_sql statements[STATEMENT_CNT] = {
    [PUT_META] = {"write meta", "INSERT INTO meta (key, value) VALUES (?, ?)"
                                " ON CONFLICT (key) DO UPDATE SET value = excluded.value"},
    [GET_META] = {"read meta", "SELECT value FROM meta WHERE key = ?"},
    [PUT_BLOCK] =
        {"append a block",
         "INSERT INTO blocks (height, hash, parent, merkle_root, tx_count, first_tx, proposer, time_ms,"
         " certified_by, header) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    [PUT_TRANSACTION] = {"append a transaction",
                         "INSERT INTO transactions (seq, txid, height, position, expiry, memo, raw)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?)"},
    [PUT_OUTPUT] = {"append an output",
                    "INSERT INTO outputs (tx, position, owner, amount) VALUES (?, ?, ?, ?)"},
    [PUT_INPUT] = {"append an input",
                   "INSERT INTO inputs (tx, position, source_tx, source_position) VALUES (?, ?, ?, ?)"},
    [SPEND_OUTPUT] = {"spend an output",
                      "UPDATE outputs SET spent_by = ? WHERE tx = ? AND position = ? AND spent_by IS NULL"},
    [PUT_CERTIFICATE] = {"append a certificate",
                         "INSERT INTO certificates (height, kind, view, block, certificate)"
                         " VALUES (?, ?, ?, ?, ?)"},
    [PUT_SIGNER] = {"append a signer", "INSERT INTO signers (height, replica, signature) VALUES (?, ?, ?)"},
    [PUT_JOURNAL] = {"append to the journal",
                     "INSERT INTO journal (seq, kind, entry, link) VALUES (?, ?, ?, ?)"},
    [COUNT_ROWS] = {"count the rows",
                    "SELECT (SELECT count(*) FROM blocks), (SELECT ifnull(max(height), 0) FROM blocks),"
                    " (SELECT count(*) FROM transactions), (SELECT ifnull(max(seq), -1) FROM transactions),"
                    " (SELECT count(*) FROM outputs), (SELECT count(*) FROM inputs)"},
    [LAST_BLOCKS] =
        {"read the last blocks",
         "SELECT height, hash, parent, header, first_tx, certified_by FROM blocks WHERE height > ?"
         " ORDER BY height"},
    [LAST_JOURNAL] =
        {"read the journal's end",
         "SELECT (SELECT count(*) FROM journal), seq, link FROM journal ORDER BY seq DESC LIMIT 1"},
    [ALL_UNSPENT] = {"read the unspent outputs",
                     "SELECT o.tx, t.txid, o.position, o.owner, o.amount, t.height"
                     " FROM outputs o JOIN transactions t ON t.seq = o.tx WHERE o.spent_by IS NULL"},
    [CERTIFICATE_AT] = {"read a certificate", "SELECT certificate FROM certificates WHERE height = ?"},
    [NEWEST_STABLE] = {"read the newest stable checkpoint",
                       "SELECT entry FROM journal WHERE kind = 'stable' ORDER BY seq DESC LIMIT 1"},
    [BLOCK_AT] = {"read a block", "SELECT hash, first_tx + tx_count FROM blocks WHERE height = ?"},
    [UNSPENT_AT] = {"read what was unspent", "SELECT o.tx, t.txid, o.position, o.owner, o.amount, t.height"
                                             " FROM outputs o JOIN transactions t ON t.seq = o.tx"
                                             " WHERE o.tx < ?1 AND (o.spent_by IS NULL OR o.spent_by >= ?1)"},
};

/* Blocks below the tip whose hashes and links are checked at start; the whole proof is the audit's. */
#define CHECKED_AT_START 64

struct ledger {
	struct db db;
	const struct genesis *genesis;
	struct state *state;
	struct qheight height;
	struct qhash tip;
	struct seal_parent seal; /* of the tip */
	int64_t next_seq;        /* transactions.seq of the next transaction */
	int64_t journal_count;
	struct qhash journal_link;
	bool journal_grew; /* meta does not say so yet */
};

/* ---- creation ----------------------------------------------------------- */

static bool put_meta(struct ledger *l, const char *key, struct db_value value, struct err *err)
{
	return db_run(&l->db, PUT_META, DB_ARGS(db_text(key), value), err);
}

static bool put_journal_meta(struct ledger *l, struct err *err)
{
	return put_meta(l, "journal_count", db_int((uint64_t)l->journal_count), err) &&
	       put_meta(l, "journal_link", db_blob(l->journal_link.b, sizeof l->journal_link.b), err);
}

/* Row 0 of transactions stands for the genesis, and its outputs are the allocations. */
static bool create(struct ledger *l, struct err *err)
{
	const struct genesis *g = l->genesis;

	if (!put_meta(l, "chain", db_blob(g->chain.b, sizeof g->chain.b), err) ||
	    !put_meta(l, "schema", db_int((uint64_t)db_ledger.version), err) || !put_journal_meta(l, err) ||
	    !db_run(&l->db, PUT_TRANSACTION,
	            DB_ARGS(db_int(0), db_blob(g->txid.b, sizeof g->txid.b), db_int(0), db_int(0), db_int(0),
	                    db_blob(NULL, 0), db_blob(NULL, 0)),
	            err))
		return false;
	for (uint32_t i = 0; i < g->g.allocations.allocations_len; i++) {
		const struct qoutput *out = &g->g.allocations.allocations_val[i];
		if (!db_run(&l->db, PUT_OUTPUT,
		            DB_ARGS(db_int(0), db_int(i), db_blob(out->owner.b, sizeof out->owner.b),
		                    db_int(out->amount)),
		            err))
			return false;
	}
	return true;
}

/* ---- loading ------------------------------------------------------------ */

static bool get_meta_hash(struct ledger *l, const char *key, struct qhash *hash, struct err *err)
{
	enum found got = db_query(&l->db, GET_META, DB_ARGS(db_text(key)), err);

	if (got == FOUND_ERROR)
		return false;
	if (got == NOT_FOUND)
		return db_damaged(&l->db, err, "meta has no %s", key);
	bool ok = db_get_fixed(&l->db, GET_META, 0, hash->b, sizeof hash->b, err);
	db_done(&l->db, GET_META);
	return ok;
}

static bool check_chain(struct ledger *l, struct err *err)
{
	struct qhash chain;
	char theirs[QHASH_HEX], ours[QHASH_HEX];

	if (!get_meta_hash(l, "chain", &chain, err))
		return false;
	if (qhash_eq(&chain, &l->genesis->chain))
		return true;
	return err_set(err, ERR_INPUT, "ledger %s: belongs to chain %s, but this genesis is chain %s",
	               l->db.path, hex_encode(theirs, chain.b, sizeof chain.b),
	               hex_encode(ours, l->genesis->chain.b, sizeof l->genesis->chain.b));
}

struct counts {
	int64_t blocks, height, transactions, last_seq, outputs, inputs;
};

static bool load_counts(struct ledger *l, struct counts *c, struct err *err)
{
	int64_t *const into[] = {&c->blocks,   &c->height,  &c->transactions,
	                         &c->last_seq, &c->outputs, &c->inputs};
	bool ok = db_query(&l->db, COUNT_ROWS, DB_NONE, err) == FOUND;

	for (int i = 0; ok && i < 6; i++)
		ok = db_get_int(&l->db, COUNT_ROWS, i, into[i], err);
	db_done(&l->db, COUNT_ROWS);
	if (!ok)
		return false;
	if (c->blocks != c->height)
		return db_damaged(&l->db, err, "%lld blocks, but the highest is at height %lld",
		                  (long long)c->blocks, (long long)c->height);
	if (c->transactions < 1 || c->last_seq != c->transactions - 1)
		return db_damaged(&l->db, err, "%lld transactions, but the last has number %lld",
		                  (long long)c->transactions, (long long)c->last_seq);
	l->height = qheight_of((uint64_t)c->height);
	l->next_seq = c->last_seq + 1;
	return true;
}

/* The current row of LAST_BLOCKS must follow the block below (*parent; NULL: not known) and becomes the tip.
 */
static bool load_block(struct ledger *l, const struct qhash *parent, struct err *err)
{
	struct db *db = &l->db;
	int64_t height, first_tx, certified_by;
	struct qhash hash, row_parent, computed;
	struct qheader header;
	const uint8_t *data;
	size_t len;

	if (!db_get_int(db, LAST_BLOCKS, 0, &height, err) ||
	    !db_get_fixed(db, LAST_BLOCKS, 1, hash.b, 32, err) ||
	    !db_get_fixed(db, LAST_BLOCKS, 2, row_parent.b, 32, err) ||
	    !db_get_blob(db, LAST_BLOCKS, 3, &data, &len, err) ||
	    !db_get_int(db, LAST_BLOCKS, 4, &first_tx, err) ||
	    !db_get_int(db, LAST_BLOCKS, 5, &certified_by, err))
		return false;
	if (!wire_decode(WIRE(qheader), data, len, &header))
		return db_damaged(db, err, "block %lld: its header cannot be read", (long long)height);
	block_hash(&header, &computed);
	bool ok = header.height.n == (uint64_t)height && qhash_eq(&computed, &hash) &&
	          qhash_eq(&header.parent, &row_parent) && (!parent || qhash_eq(&header.parent, parent));
	uint32_t tx_count = header.tx_count;
	if (ok)
		seal_extend(&l->seal, &header);
	wire_free(WIRE(qheader), &header);
	if (!ok)
		return db_damaged(db, err, "block %lld: hash or parent do not fit", (long long)height);
	if (certified_by < height || certified_by > (int64_t)l->height.n)
		return db_damaged(db, err, "block %lld: no certificate covers it", (long long)height);
	if ((uint64_t)height == l->height.n && first_tx != l->next_seq - tx_count)
		return db_damaged(db, err, "block %lld: its transactions are not the last ones",
		                  (long long)height);
	l->tip = hash;
	return true;
}

static bool load_tip(struct ledger *l, struct err *err)
{
	uint64_t above = l->height.n > CHECKED_AT_START ? l->height.n - CHECKED_AT_START : 0;
	bool parent_known = above == 0;
	struct qcert cert;

	l->tip = l->genesis->chain;
	seal_genesis(l->genesis, &l->seal);
	enum found got = db_query(&l->db, LAST_BLOCKS, DB_ARGS(db_int(above)), err);
	for (; got == FOUND; got = db_next(&l->db, LAST_BLOCKS, err)) {
		struct qhash parent = l->tip;
		if (!load_block(l, parent_known ? &parent : NULL, err)) {
			db_done(&l->db, LAST_BLOCKS);
			return false;
		}
		parent_known = true;
	}
	if (got == FOUND_ERROR || l->height.n == 0)
		return got != FOUND_ERROR;
	struct err why = {0};
	if (!ledger_tip_cert(l, &cert, &why)) {
		if (why.kind == ERR_NONE)
			return db_damaged(&l->db, err, "no certificate at the tip");
		return err_set(err, why.kind, "%s", why.text);
	}
	bool ok = cert_well_formed(l->genesis, &cert) && cert.kind != QPREPARE &&
	          cert.vote.height.n == l->height.n && qhash_eq(&cert.vote.block, &l->tip);
	wire_free(WIRE(qcert), &cert);
	return ok || db_damaged(&l->db, err, "the certificate at the tip is not for its block");
}

static bool load_journal(struct ledger *l, struct err *err)
{
	struct db *db = &l->db;
	int64_t said, rows = 0, seq = 0;
	struct qhash link = {{0}};

	if (!get_meta_hash(l, "journal_link", &l->journal_link, err))
		return false;
	bool ok = db_query(db, GET_META, DB_ARGS(db_text("journal_count")), err) == FOUND &&
	          db_get_int(db, GET_META, 0, &said, err);
	db_done(db, GET_META);
	if (!ok)
		return db_damaged(db, err, "meta has no journal_count");
	enum found got = db_query(db, LAST_JOURNAL, DB_NONE, err);
	ok = got != FOUND_ERROR;
	if (got == FOUND)
		ok = db_get_int(db, LAST_JOURNAL, 0, &rows, err) &&
		     db_get_int(db, LAST_JOURNAL, 1, &seq, err) &&
		     db_get_fixed(db, LAST_JOURNAL, 2, link.b, sizeof link.b, err);
	db_done(db, LAST_JOURNAL);
	if (!ok)
		return false;
	if (rows != said || seq != said || !qhash_eq(&link, &l->journal_link))
		return db_damaged(db, err, "the journal does not end as meta says");
	l->journal_count = said;
	return true;
}

/* The current row of ALL_UNSPENT or UNSPENT_AT into a state. */
static bool load_output(struct ledger *l, enum statement which, struct state *into, struct err *err)
{
	struct db *db = &l->db;
	struct unspent u = {0};
	int64_t position, amount, height;

	if (!db_get_int(db, which, 0, &u.row, err) ||
	    !db_get_fixed(db, which, 1, u.point.tx.b, sizeof u.point.tx.b, err) ||
	    !db_get_int(db, which, 2, &position, err) ||
	    !db_get_fixed(db, which, 3, u.out.owner.b, sizeof u.out.owner.b, err) ||
	    !db_get_int(db, which, 4, &amount, err) || !db_get_int(db, which, 5, &height, err))
		return false;
	u.made_at = qheight_of((uint64_t)height);
	u.point.index = (uint32_t)position;
	u.out.amount = (uint64_t)amount;
	/* Also keeps the sum from overflowing, whatever the file holds. */
	if (position < 0 || position >= Q_ALLOCS_MAX || amount < 1 ||
	    u.out.amount > l->genesis->supply - state_value(into) || state_find(into, &u.point))
		return db_damaged(db, err, "output %lld of transaction %lld cannot be: position or amount",
		                  (long long)position, (long long)u.row);
	state_insert(into, &u);
	return true;
}

static bool load_state(struct ledger *l, const struct counts *c, struct err *err)
{
	enum found got = db_query(&l->db, ALL_UNSPENT, DB_NONE, err);

	for (; got == FOUND; got = db_next(&l->db, ALL_UNSPENT, err))
		if (!load_output(l, ALL_UNSPENT, l->state, err)) {
			db_done(&l->db, ALL_UNSPENT);
			return false;
		}
	if (got == FOUND_ERROR)
		return false;
	if (state_value(l->state) != l->genesis->supply)
		return db_damaged(
		    &l->db, err, "unspent outputs add up to %llu, but the genesis supply is %llu",
		    (unsigned long long)state_value(l->state), (unsigned long long)l->genesis->supply);
	if (c->outputs - c->inputs != (int64_t)state_count(l->state))
		return db_damaged(&l->db, err, "%lld outputs and %lld inputs, but %zu unspent outputs",
		                  (long long)c->outputs, (long long)c->inputs, state_count(l->state));
	return true;
}

struct ledger *ledger_open(const char *path, const struct genesis *g, const char *vfs, struct err *err)
{
	struct ledger *l = xcalloc(1, sizeof *l);
	struct counts counts;
	bool fresh;

	l->genesis = g;
	if (!db_open(&l->db, &db_ledger, DB_WRITE, path, vfs, statements, STATEMENT_CNT, &fresh, err)) {
		free(l);
		return NULL;
	}
	l->state = state_new(l->genesis);
	if ((!fresh || create(l, err)) && check_chain(l, err) && load_counts(l, &counts, err) &&
	    load_tip(l, err) && load_journal(l, err) && load_state(l, &counts, err) && db_commit(&l->db, err))
		return l;
	ledger_close(l);
	return NULL;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	db_close(&l->db);
	state_free(l->state);
	free(l);
}

struct qheight ledger_height(const struct ledger *l)
{
	return l->height;
}
const struct qhash *ledger_tip(const struct ledger *l)
{
	return &l->tip;
}
struct seal_parent ledger_seal_parent(const struct ledger *l)
{
	return l->seal;
}
uint64_t ledger_tx_count(const struct ledger *l)
{
	return (uint64_t)l->next_seq - 1;
}
struct state *ledger_state(struct ledger *l)
{
	return l->state;
}

/* ---- appending ---------------------------------------------------------- */

/* The transactions of the block being appended, by id: an input may spend an output made a row above. */
struct made {
	struct qtxid id;
	int64_t row;
	UT_hash_handle hh;
};

static int64_t source_row(const struct ledger *l, const struct made *made, const struct qoutpoint *p)
{
	const struct unspent *u = state_find(l->state, p);
	struct made *m = NULL;

	if (u)
		return u->row;
	HASH_FIND(hh, made, &p->tx, sizeof p->tx, m);
	must(m != NULL); /* the overlay was validated on this state */
	return m->row;
}

static bool append_tx(struct ledger *l, const struct tx *tx, const struct made *made, int64_t seq,
                      uint64_t height, size_t position, struct err *err)
{
	const struct qtx_body *body = &tx->q.body;
	struct db *db = &l->db;
	uint64_t row = (uint64_t)seq;

	if (!db_run(db, PUT_TRANSACTION,
	            DB_ARGS(db_int(row), db_blob(tx->id.b, sizeof tx->id.b), db_int(height), db_int(position),
	                    db_int(body->expiry.n), db_blob(body->memo.memo_val, body->memo.memo_len),
	                    db_blob(tx->raw, tx->raw_len)),
	            err))
		return false;
	for (uint32_t i = 0; i < body->inputs.inputs_len; i++) {
		const struct qoutpoint *p = &body->inputs.inputs_val[i];
		uint64_t source = (uint64_t)source_row(l, made, p);
		if (!db_run(db, SPEND_OUTPUT, DB_ARGS(db_int(row), db_int(source), db_int(p->index)), err))
			return false;
		if (sqlite3_changes(db->handle) != 1)
			return db_damaged(db, err, "output %u of transaction %llu is not there unspent",
			                  p->index, (unsigned long long)source);
		if (!db_run(db, PUT_INPUT, DB_ARGS(db_int(row), db_int(i), db_int(source), db_int(p->index)),
		            err))
			return false;
	}
	for (uint32_t i = 0; i < body->outputs.outputs_len; i++) {
		const struct qoutput *out = &body->outputs.outputs_val[i];
		if (!db_run(db, PUT_OUTPUT,
		            DB_ARGS(db_int(row), db_int(i), db_blob(out->owner.b, sizeof out->owner.b),
		                    db_int(out->amount)),
		            err))
			return false;
	}
	return true;
}

static bool append_txs(struct ledger *l, const struct block *b, struct err *err)
{
	struct made *rows = xcalloc(b->tx_cnt ? b->tx_cnt : 1, sizeof *rows), *made = NULL;
	bool ok = true;

	for (size_t i = 0; ok && i < b->tx_cnt; i++) {
		int64_t seq = l->next_seq + (int64_t)i;
		ok = append_tx(l, b->txs[i], made, seq, b->header.height.n, i, err);
		rows[i].id = b->txs[i]->id;
		rows[i].row = seq;
		HASH_ADD(hh, made, id, sizeof rows[i].id, &rows[i]);
	}
	HASH_CLEAR(hh, made);
	free(rows);
	return ok;
}

static bool append_block(struct ledger *l, const struct block *b, struct overlay *overlay,
                         struct qheight certified_by, struct err *err)
{
	const struct qheader *h = &b->header;
	struct bytes header;

	must(h->height.n == l->height.n + 1 && qhash_eq(&h->parent, &l->tip) && b->tx_cnt == h->tx_count);
	must(wire_encode(WIRE(qheader), h, &header));
	bool ok = db_run(&l->db, PUT_BLOCK,
	                 DB_ARGS(db_int(h->height.n), db_blob(b->hash.b, sizeof b->hash.b),
	                         db_blob(h->parent.b, sizeof h->parent.b),
	                         db_blob(h->merkle_root.b, sizeof h->merkle_root.b), db_int(h->tx_count),
	                         db_int((uint64_t)l->next_seq), db_int(h->proposer), db_int(h->time_ms),
	                         db_int(certified_by.n), db_blob(header.data, header.len)),
	                 err);
	bytes_free(&header);
	if (!ok || !append_txs(l, b, err))
		return false;
	overlay_apply(overlay, l->state, l->next_seq);
	l->next_seq += (int64_t)b->tx_cnt;
	l->height = h->height;
	l->tip = b->hash;
	seal_extend(&l->seal, h);
	return true;
}

static bool append_certificate(struct ledger *l, const struct qcert *cert, struct err *err)
{
	const struct qvote *vote = &cert->vote;
	struct bytes bytes;

	must(cert->kind == QCOMMIT || cert->kind == QCHECKPOINT);
	must(vote->height.n == l->height.n && qhash_eq(&vote->block, &l->tip));
	must(wire_encode(WIRE(qcert), cert, &bytes));
	bool ok =
	    db_run(&l->db, PUT_CERTIFICATE,
	           DB_ARGS(db_int(vote->height.n), db_text(cert->kind == QCOMMIT ? "commit" : "checkpoint"),
	                   db_int(vote->view.n), db_blob(vote->block.b, sizeof vote->block.b),
	                   db_blob(bytes.data, bytes.len)),
	           err);
	bytes_free(&bytes);
	for (uint32_t i = 0; ok && i < cert->sigs.sigs_len; i++) {
		const struct qcert_sig *s = &cert->sigs.sigs_val[i];
		ok = db_run(
		    &l->db, PUT_SIGNER,
		    DB_ARGS(db_int(vote->height.n), db_int(s->replica), db_blob(s->sig.b, sizeof s->sig.b)),
		    err);
	}
	return ok;
}

bool ledger_append(struct ledger *l, struct block *const *blocks, struct overlay *const *overlays, size_t cnt,
                   const struct qcert *cert, struct qhash *digests, struct err *err)
{
	must(cnt > 0);
	if (!db_begin(&l->db, err))
		return false;
	for (size_t i = 0; i < cnt; i++) {
		if (!append_block(l, blocks[i], overlays[i], cert->vote.height, err))
			return false;
		if (digests)
			state_digest(l->state, &digests[i]);
	}
	return append_certificate(l, cert, err);
}

bool ledger_journal(struct ledger *l, const struct qjournal *entry, struct err *err)
{
	static const char *const kinds[] = {
	    [QJ_NEW_VIEW] = "new_view", [QJ_STABLE] = "stable", [QJ_EVIDENCE] = "evidence"};
	struct bytes bytes;
	struct qhash link;

	if (!db_begin(&l->db, err))
		return false;
	must(wire_encode(WIRE(qjournal), entry, &bytes));
	struct span parts[] = {{l->journal_link.b, sizeof l->journal_link.b}, {bytes.data, bytes.len}};
	hash_tagged("quorate/journal/v1", parts, 2, link.b);
	bool ok = db_run(&l->db, PUT_JOURNAL,
	                 DB_ARGS(db_int((uint64_t)l->journal_count + 1), db_text(kinds[entry->kind]),
	                         db_blob(bytes.data, bytes.len), db_blob(link.b, sizeof link.b)),
	                 err);
	bytes_free(&bytes);
	if (!ok)
		return false;
	l->journal_count++;
	l->journal_link = link;
	l->journal_grew = true;
	return true;
}

bool ledger_commit(struct ledger *l, struct err *err)
{
	if (l->journal_grew && !put_journal_meta(l, err))
		return false;
	l->journal_grew = false;
	return db_commit(&l->db, err);
}

/* ---- certificates ------------------------------------------------------- */

bool ledger_tip_cert(struct ledger *l, struct qcert *cert, struct err *err)
{
	struct err ignored;
	const uint8_t *data;
	size_t len;

	if (!err)
		err = &ignored;
	*err = (struct err){0};
	if (l->height.n == 0 || db_query(&l->db, CERTIFICATE_AT, DB_ARGS(db_int(l->height.n)), err) != FOUND)
		return false;
	bool ok = db_get_blob(&l->db, CERTIFICATE_AT, 0, &data, &len, err);
	if (ok && !wire_decode(WIRE(qcert), data, len, cert))
		ok = db_damaged(&l->db, err, "the certificate at height %llu cannot be read",
		                (unsigned long long)l->height.n);
	db_done(&l->db, CERTIFICATE_AT);
	return ok;
}

bool ledger_stable_cert(struct ledger *l, struct qcert *cert, struct err *err)
{
	struct err ignored;
	struct qjournal entry;
	const uint8_t *data;
	size_t len;

	if (!err)
		err = &ignored;
	*err = (struct err){0};
	if (db_query(&l->db, NEWEST_STABLE, DB_NONE, err) != FOUND)
		return false;
	bool ok = db_get_blob(&l->db, NEWEST_STABLE, 0, &data, &len, err);
	bool read = ok && wire_decode(WIRE(qjournal), data, len, &entry);
	db_done(&l->db, NEWEST_STABLE);
	if (!ok)
		return false;
	if (!read)
		return db_damaged(&l->db, err, "the newest stable checkpoint cannot be read");
	if (entry.kind != QJ_STABLE) {
		wire_free(WIRE(qjournal), &entry);
		return db_damaged(&l->db, err, "the newest stable checkpoint is none");
	}
	*cert = entry.qjournal_u.stable; /* moved */
	return true;
}

/* ---- the past ----------------------------------------------------------- */

/* What was unspent before the transaction with this number. */
static bool load_past(struct ledger *l, int64_t next_seq, struct state *into, struct err *err)
{
	enum found got = db_query(&l->db, UNSPENT_AT, DB_ARGS(db_int((uint64_t)next_seq)), err);

	for (; got == FOUND; got = db_next(&l->db, UNSPENT_AT, err))
		if (!load_output(l, UNSPENT_AT, into, err)) {
			db_done(&l->db, UNSPENT_AT);
			return false;
		}
	return got != FOUND_ERROR;
}

bool ledger_digest_at(struct ledger *l, struct qheight h, struct qhash *block, struct qhash *digest,
                      struct err *err)
{
	struct state *past;
	int64_t next_seq;

	must(h.n > 0 && h.n <= l->height.n);
	if (h.n == l->height.n) {
		*block = l->tip;
		state_digest(l->state, digest);
		return true;
	}
	enum found got = db_query(&l->db, BLOCK_AT, DB_ARGS(db_int(h.n)), err);
	if (got == NOT_FOUND)
		return db_damaged(&l->db, err, "block %llu is missing", (unsigned long long)h.n);
	bool ok = got == FOUND && db_get_fixed(&l->db, BLOCK_AT, 0, block->b, sizeof block->b, err) &&
	          db_get_int(&l->db, BLOCK_AT, 1, &next_seq, err);
	db_done(&l->db, BLOCK_AT);
	if (!ok)
		return false;
	past = state_new(l->genesis);
	ok = load_past(l, next_seq, past, err);
	state_digest(past, digest);
	state_free(past);
	return ok;
}
