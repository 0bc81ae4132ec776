/*
 * ledger.c: the ledger's writer: executed blocks and what makes them final, in one SQLite transaction, and
 * the unspent set in memory that follows them.
 *
 * Before: the engine says that a run of blocks is certified (OUT_EXECUTE) and node/replica.c brings it here
 * with its overlays.  After: ledger_commit() returned, so the replica may tell clients; readers (reader.c)
 * serve the rows.  What a start reads is ledger_load.c's.
 */
#include <stdlib.h>

#include "hash.h"
#include "ledger_impl.h"
#include "map.h"

static const struct db_sql statements[STATEMENT_CNT] = {
    [PUT_META] = {"write meta", "INSERT INTO meta (key, value) VALUES (?, ?)"
                                " ON CONFLICT (key) DO UPDATE SET value = excluded.value"},
    [GET_META] = {"read meta", "SELECT value FROM meta WHERE key = ?"},
    [PUT_BLOCK] =
        {"append a block",
         "INSERT INTO blocks (height, hash, parent, merkle_root, tx_count, first_tx, proposer, time_ms,"
         " certified_by, target, nonce, header) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    [PUT_TRANSACTION] = {"append a transaction",
                         "INSERT INTO transactions (seq, txid, height, position, expiry, memo, raw)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?)"},
    [PUT_TRANSACTIONS] = {"append transactions",
                          "INSERT OR FAIL INTO transactions (seq, txid, height, position, expiry, memo, raw)"
                          " SELECT c0, c1, c2, c3, c4, c5, c6 FROM feed"},
    [PUT_OUTPUT] = {"append an output", "INSERT INTO outputs (tx, position, owner, amount, lock, replica)"
                                        " VALUES (?, ?, ?, ?, ?, ?)"},
    [PUT_OUTPUTS] = {"append outputs",
                     "INSERT OR FAIL INTO outputs (tx, position, owner, amount, lock, replica)"
                     " SELECT c0, c1, c2, c3, c4, c5 FROM feed"},
    [PUT_INPUTS] = {"append inputs", "INSERT OR FAIL INTO inputs (tx, position, source_tx, source_position)"
                                     " SELECT c0, c1, c2, c3 FROM feed"},
    [SPEND_OUTPUTS] =
        {"spend outputs",
         "UPDATE OR FAIL outputs SET spent_by = c6 FROM feed WHERE tx = c0 AND position = c1"
         " AND spent_by IS NULL AND owner = c2 AND amount = c3 AND lock IS c4 AND replica IS c5"},
    [OUTPUT_AT] = {"read an output", "SELECT owner, amount, lock, replica, spent_by FROM outputs"
                                     " WHERE tx = ? AND position = ?"},
    [PUT_CERTIFICATE] = {"append a certificate",
                         "INSERT INTO certificates (height, kind, view, block, certificate)"
                         " VALUES (?, ?, ?, ?, ?)"},
    [PUT_SIGNER] = {"append a signer", "INSERT INTO signers (height, replica, signature) VALUES (?, ?, ?)"},
    [PUT_JOURNAL] = {"append to the journal",
                     "INSERT INTO journal (seq, kind, entry, link) VALUES (?, ?, ?, ?)"},
    [PUT_EVIDENCE] = {"append evidence",
                      "INSERT INTO evidence (seq, kind, statement, view, height, first, second, signer,"
                      " output_tx, output_position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    [PUT_CULPRIT] = {"append a culprit", "INSERT INTO culprits (seq, replica) VALUES (?, ?)"},
    [PUT_REPLICA] = {"write a replica",
                     "INSERT INTO replicas (replica, name, key, account) VALUES (?, ?, ?, ?)"},
    [PUT_CONVICTION] = {"append a conviction",
                        "INSERT INTO convictions (height, replica, tx, kind, view, offence_height)"
                        " VALUES (?, ?, ?, ?, ?, ?)"},
    [PUT_STAKE] = {"append a stake table",
                   "INSERT INTO stakes (height, replica, own, delegated, turns, first_height)"
                   " VALUES (?, ?, ?, ?, ?, ?)"},
    [COUNT_ROWS] = {"count the rows",
                    "SELECT (SELECT count(*) FROM blocks), (SELECT ifnull(max(height), 0) FROM blocks),"
                    " (SELECT count(*) FROM transactions), (SELECT ifnull(max(seq), -1) FROM transactions),"
                    " (SELECT count(*) FROM outputs), (SELECT count(*) FROM inputs),"
                    " (SELECT count(*) FROM stakes)"},
    [LAST_BLOCKS] = {"read the last blocks",
                     "SELECT height, hash, parent, header, first_tx, certified_by, target, nonce FROM blocks"
                     " WHERE height > ? ORDER BY height"},
    [LAST_JOURNAL] =
        {"read the journal's end",
         "SELECT (SELECT count(*) FROM journal), seq, link FROM journal ORDER BY seq DESC LIMIT 1"},
    [EVIDENCE_MISSING] = {"read the journal's evidence",
                          "SELECT seq, entry FROM journal WHERE kind = 'evidence'"
                          " AND seq NOT IN (SELECT seq FROM evidence)"},
    [EVIDENCE_EXTRA] = {"read the evidence",
                        "SELECT 'evidence', seq FROM evidence"
                        " WHERE seq NOT IN (SELECT seq FROM journal WHERE kind = 'evidence')"
                        " UNION ALL SELECT 'culprits', seq FROM culprits"
                        " WHERE seq NOT IN (SELECT seq FROM evidence)"},
    [REPLICAS] = {"read the replicas", "SELECT replica, name, key, account FROM replicas ORDER BY replica"},
    [UNSPENT] = {"read the unspent outputs", UNSPENT_SQL},
    [CERTIFICATE_AT] = {"read a certificate", "SELECT certificate FROM certificates WHERE height = ?"},
    [NEWEST_STABLE] = {"read the newest stable checkpoint",
                       "SELECT entry FROM journal WHERE kind = 'stable' ORDER BY seq DESC LIMIT 1"},
    [BLOCK_AT] = {"read a block", "SELECT hash, first_tx + tx_count FROM blocks WHERE height = ?"},
    [CONVICTIONS] =
        {"read the convictions",
         "SELECT c.height, c.replica, ifnull(t.height, -1) FROM convictions c"
         " LEFT JOIN transactions t ON t.seq = c.tx WHERE c.height <= ? ORDER BY c.height, c.replica"},
    [STAKE_TABLE] = {"read a stake table", ROW_TABLE_SQL},
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

static bool put_output(struct ledger *l, uint64_t row, uint32_t i, const struct qoutput *out, struct err *err)
{
	return db_run(&l->db, PUT_OUTPUT,
	              DB_ARGS(db_int(row), db_int(i), db_blob(out->owner.b, sizeof out->owner.b),
	                      db_int(out->amount), row_lock(&out->lock), row_locked_for(&out->lock)),
	              err);
}

/* The newest settled table of this state. */
static bool put_table(struct ledger *l, const struct state *s, struct err *err)
{
	const struct qstaking *staking = state_staking(s);
	const struct qtable *t = &staking->settled.settled_val[staking->settled.settled_len - 1];
	struct qheight first = row_first_height(stake_rules(l->genesis), t->height);
	struct schedule turns;

	schedule_make(l->genesis, t, &turns);
	for (unsigned i = 0; i < t->stakes.stakes_len; i++) {
		const struct qstake *stake = &t->stakes.stakes_val[i];
		if (!db_run(&l->db, PUT_STAKE,
		            DB_ARGS(db_int(t->height.n), db_int(i), db_int(stake->own),
		                    db_int(stake->delegated), db_int(turns.weight[i]), db_int(first.n)),
		            err))
			return false;
	}
	return true;
}

/* The stakes of the genesis decide on the first proposers. */
static bool put_genesis_table(struct ledger *l, struct err *err)
{
	if (!stake_rules(l->genesis))
		return true;
	struct state *s = state_new(l->genesis);
	state_begin(s);
	bool ok = put_table(l, s, err);
	state_free(s);
	return ok;
}

static bool put_replicas(struct ledger *l, struct err *err)
{
	for (unsigned i = 0; i < l->genesis->n; i++) {
		struct db_value row[1 + ROW_REPLICA] = {db_int(i)};
		row_replica(&l->genesis->g.replicas.replicas_val[i], row + 1);
		if (!db_run(&l->db, PUT_REPLICA, row, 1 + ROW_REPLICA, err))
			return false;
	}
	return true;
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
	for (uint32_t i = 0; i < g->g.allocations.allocations_len; i++)
		if (!put_output(l, 0, i, &g->g.allocations.allocations_val[i], err))
			return false;
	return put_replicas(l, err) && put_genesis_table(l, err);
}

struct ledger *ledger_open(const char *path, const struct genesis *g, const char *vfs, struct err *err)
{
	struct ledger *l = xcalloc(1, sizeof *l);
	bool fresh;

	l->genesis = g;
	l->vfs = vfs;
	if (!db_open(&l->db, &db_ledger, DB_WRITE, path, vfs, statements, STATEMENT_CNT, &fresh, err)) {
		free(l);
		return NULL;
	}
	l->state = state_new(l->genesis);
	if ((!fresh || create(l, err)) && load_ledger(l, err) && db_commit(&l->db, err))
		return l;
	ledger_close(l);
	return NULL;
}

struct ledger *ledger_look(const char *path, const struct genesis *g, struct err *err)
{
	struct ledger *l = xcalloc(1, sizeof *l);

	l->genesis = g;
	if (!db_open(&l->db, &db_ledger, DB_READ, path, NULL, statements, STATEMENT_CNT, NULL, err)) {
		free(l);
		return NULL;
	}
	l->state = state_new(l->genesis);
	if (db_view(&l->db, err) && load_ledger(l, err))
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

/* The transactions of the block being appended, by id: an input may spend an output of the same block. */
struct made {
	const struct tx *tx;
	int64_t row;
	UT_hash_handle hh; /* by tx->id */
};

/* What an input spends: the output as the state or the block at hand has it, and the row of its transaction.
 */
struct source {
	int64_t row;
	const struct qoutput *out;
};

/* A block on its way into the rows: one transaction, and one part of it, after the other. */
struct pass {
	const struct block *block;
	int64_t first_row;
	const struct source *sources; /* of all inputs, in order */
	size_t tx, part, source;      /* what comes next */
};

static struct pass pass_over(const struct ledger *l, const struct block *b, const struct source *sources)
{
	return (struct pass){.block = b, .first_row = l->next_seq, .sources = sources};
}

static bool next_transaction(void *ctx, struct db_value row[FEED_COLUMNS])
{
	struct pass *p = ctx;

	if (p->tx == p->block->tx_cnt)
		return false;
	const struct tx *tx = p->block->txs[p->tx];
	const struct qtx_body *body = &tx->q.body;
	row[0] = db_int((uint64_t)p->first_row + p->tx);
	row[1] = db_blob(tx->id.b, sizeof tx->id.b);
	row[2] = db_int(p->block->header.height.n);
	row[3] = db_int(p->tx);
	row[4] = db_int(body->expiry.n);
	row[5] = db_blob(body->memo.memo_val, body->memo.memo_len);
	row[6] = db_blob(tx->raw, tx->raw_len);
	p->tx++;
	return true;
}

static bool next_output(void *ctx, struct db_value row[FEED_COLUMNS])
{
	struct pass *p = ctx;

	while (p->tx < p->block->tx_cnt && p->part == p->block->txs[p->tx]->q.body.outputs.outputs_len) {
		p->tx++;
		p->part = 0;
	}
	if (p->tx == p->block->tx_cnt)
		return false;
	const struct qoutput *out = &p->block->txs[p->tx]->q.body.outputs.outputs_val[p->part];
	row[0] = db_int((uint64_t)p->first_row + p->tx);
	row[1] = db_int(p->part);
	row[2] = db_blob(out->owner.b, sizeof out->owner.b);
	row[3] = db_int(out->amount);
	row[4] = row_lock(&out->lock);
	row[5] = row_locked_for(&out->lock);
	p->part++;
	return true;
}

/* The next input, its number in the transaction and what it spends. */
static const struct qoutpoint *next_point(struct pass *p, const struct source **from)
{
	while (p->tx < p->block->tx_cnt && p->part == p->block->txs[p->tx]->q.body.inputs.inputs_len) {
		p->tx++;
		p->part = 0;
	}
	if (p->tx == p->block->tx_cnt)
		return NULL;
	*from = &p->sources[p->source++];
	return &p->block->txs[p->tx]->q.body.inputs.inputs_val[p->part++];
}

static bool next_input(void *ctx, struct db_value row[FEED_COLUMNS])
{
	struct pass *p = ctx;
	const struct source *from;
	const struct qoutpoint *point = next_point(p, &from);

	if (!point)
		return false;
	row[0] = db_int((uint64_t)p->first_row + p->tx);
	row[1] = db_int(p->part - 1);
	row[2] = db_int((uint64_t)from->row);
	row[3] = db_int(point->index);
	return true;
}

/* Where it is, what it must be, and who spends it. */
static bool next_spent(void *ctx, struct db_value row[FEED_COLUMNS])
{
	struct pass *p = ctx;
	const struct source *from;
	const struct qoutpoint *point = next_point(p, &from);

	if (!point)
		return false;
	row[0] = db_int((uint64_t)from->row);
	row[1] = db_int(point->index);
	row[2] = db_blob(from->out->owner.b, sizeof from->out->owner.b);
	row[3] = db_int(from->out->amount);
	row[4] = row_lock(&from->out->lock);
	row[5] = row_locked_for(&from->out->lock);
	row[6] = db_int((uint64_t)p->first_row + p->tx);
	return true;
}

static void by_id(const struct block *b, int64_t first_row, struct made *rows, struct made **made)
{
	for (size_t i = 0; i < b->tx_cnt; i++) {
		rows[i] = (struct made){.tx = b->txs[i], .row = first_row + (int64_t)i};
		HASH_ADD_KEYPTR(hh, *made, &rows[i].tx->id, sizeof rows[i].tx->id, &rows[i]);
	}
}

/* What each input of the block spends, in order; free() it. */
static struct source *sources_of(const struct ledger *l, const struct block *b, size_t *cnt)
{
	struct made *rows = NULL, *made = NULL, *m;
	struct source *sources;

	*cnt = 0;
	for (size_t i = 0; i < b->tx_cnt; i++)
		*cnt += b->txs[i]->q.body.inputs.inputs_len;
	sources = xcalloc(*cnt ? *cnt : 1, sizeof *sources);
	struct pass p = pass_over(l, b, sources);
	const struct source *from;
	for (const struct qoutpoint *point; (point = next_point(&p, &from));) {
		const struct unspent *u = state_find(l->state, point);
		if (u) {
			sources[p.source - 1] = (struct source){u->row, &u->out};
			continue;
		}
		if (!rows) {
			rows = xcalloc(b->tx_cnt, sizeof *rows);
			by_id(b, l->next_seq, rows, &made);
		}
		HASH_FIND(hh, made, &point->tx, sizeof point->tx, m);
		must(m != NULL); /* the overlay was validated on this state */
		sources[p.source - 1] =
		    (struct source){m->row, &m->tx->q.body.outputs.outputs_val[point->index]};
	}
	HASH_CLEAR(hh, made);
	free(rows);
	return sources;
}

/* Is the row of an output what the state said before it was spent by `spender`? If not: which column, as the
 * audit says it. */
static bool output_stands(struct ledger *l, const struct db_value spent[FEED_COLUMNS], struct err *err)
{
	static const char *const columns[] = {"owner", "amount", "lock", "replica", "spent_by"};
	long long row = spent[0].n, position = spent[1].n;
	struct db *db = &l->db;
	char is[DB_SHOWN], must_be[DB_SHOWN];

	enum found got = db_query(db, OUTPUT_AT, spent, 2, err);
	if (got == FOUND_ERROR)
		return false;
	if (got == NOT_FOUND)
		return db_damaged(db, err, "outputs(tx=%lld,position=%lld): the row is missing", row,
		                  position);
	for (int i = 0; i < (int)(sizeof columns / sizeof *columns); i++)
		if (!db_is(db, OUTPUT_AT, i, &spent[2 + i])) {
			const struct db_value unspent = db_null();
			db_show(db, OUTPUT_AT, i, is);
			db_show_value(i == 4 ? &unspent : &spent[2 + i], must_be);
			db_done(db, OUTPUT_AT);
			return db_damaged(db, err, "outputs(tx=%lld,position=%lld).%s: is %s, must be %s",
			                  row, position, columns[i], is, must_be);
		}
	db_done(db, OUTPUT_AT);
	return true;
}

/* An output's row is checked where it is used: whoever changed it, nothing is built on it. */
static bool spend_outputs(struct ledger *l, const struct block *b, const struct source *sources, size_t cnt,
                          struct err *err)
{
	struct pass p = pass_over(l, b, sources);
	struct db_value spent[FEED_COLUMNS];

	if (!db_feed(&l->db, SPEND_OUTPUTS, next_spent, &p, err))
		return false;
	if ((size_t)sqlite3_changes64(l->db.handle) == cnt)
		return true;
	for (p = pass_over(l, b, sources); next_spent(&p, spent);)
		if (!output_stands(l, spent, err))
			return false;
	return db_damaged(&l->db, err, "outputs: not all that were spent were there");
}

static bool put_convictions(struct ledger *l, const struct block *b, struct err *err)
{
	for (size_t i = 0; i < b->tx_cnt; i++) {
		const struct qtx_body *body = &b->txs[i]->q.body;
		if (body->offence.offence_len == 0)
			continue;
		const struct qoffence *o = body->offence.offence_val;
		if (!db_run(&l->db, PUT_CONVICTION,
		            DB_ARGS(db_int(b->header.height.n), db_int(o->replica),
		                    db_int((uint64_t)l->next_seq + i), db_text(row_vote(o->kind)),
		                    db_int(o->first.view.n), db_int(o->first.height.n)),
		            err))
			return false;
	}
	return true;
}

static bool append_txs(struct ledger *l, const struct block *b, struct err *err)
{
	size_t cnt;
	struct source *sources = sources_of(l, b, &cnt);
	struct pass txs = pass_over(l, b, sources), outputs = txs, inputs = txs;

	bool ok = db_feed(&l->db, PUT_TRANSACTIONS, next_transaction, &txs, err) &&
	          db_feed(&l->db, PUT_OUTPUTS, next_output, &outputs, err) &&
	          db_feed(&l->db, PUT_INPUTS, next_input, &inputs, err) &&
	          spend_outputs(l, b, sources, cnt, err) && put_convictions(l, b, err);
	free(sources);
	return ok;
}

static bool append_block(struct ledger *l, const struct block *b, struct overlay *overlay,
                         struct qheight certified_by, struct err *err)
{
	const struct qheader *h = &b->header;
	const struct qpow *pow = &h->seal.qseal_u.pow;
	bool sealed = h->seal.kind == QSEAL_POW;
	struct bytes header;

	must(h->height.n == l->height.n + 1 && qhash_eq(&h->parent, &l->tip) && b->tx_cnt == h->tx_count);
	must(wire_encode(WIRE(qheader), h, &header));
	bool ok = db_run(&l->db, PUT_BLOCK,
	                 DB_ARGS(db_int(h->height.n), db_blob(b->hash.b, sizeof b->hash.b),
	                         db_blob(h->parent.b, sizeof h->parent.b),
	                         db_blob(h->merkle_root.b, sizeof h->merkle_root.b), db_int(h->tx_count),
	                         db_int((uint64_t)l->next_seq), db_int(h->proposer), db_int(h->time_ms),
	                         db_int(certified_by.n), sealed ? db_blob(pow->target.b, 32) : db_null(),
	                         sealed ? db_int(pow->nonce) : db_null(), db_blob(header.data, header.len)),
	                 err);
	bytes_free(&header);
	if (!ok || !append_txs(l, b, err))
		return false;
	overlay_apply(overlay, l->state, l->next_seq);
	const struct qstake_rules *r = stake_rules(l->genesis);
	if (r && schedule_epoch_ends(r, h->height) && !put_table(l, l->state, err))
		return false;
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
		if (digests && blocks[i]->header.height.n % l->genesis->g.params.checkpoint_interval == 0)
			state_digest(l->state, &digests[i]);
	}
	return append_certificate(l, cert, err);
}

/* What a piece of evidence is about, so that SQL can ask. */
static bool put_evidence(struct ledger *l, uint64_t seq, const struct qevidence *ev, struct err *err)
{
	struct db_value row[1 + ROW_EVIDENCE] = {db_int(seq)};
	struct evidence_facts facts;

	if (!evidence_facts(l->genesis, ev, &facts))
		return true;
	row_evidence(ev->kind, &facts, row + 1);
	if (!db_run(&l->db, PUT_EVIDENCE, row, 1 + ROW_EVIDENCE, err))
		return false;
	for (unsigned i = 0; i < l->genesis->n; i++)
		if (facts.culprits >> i & 1 &&
		    !db_run(&l->db, PUT_CULPRIT, DB_ARGS(db_int(seq), db_int(i)), err))
			return false;
	return true;
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
	if (ok && entry->kind == QJ_EVIDENCE)
		ok = put_evidence(l, (uint64_t)l->journal_count + 1, &entry->qjournal_u.evidence, err);
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

void ledger_watch(struct ledger *l, void (*committing)(void *ctx, bool begins), void *ctx)
{
	l->db.watch = (struct db_watch){committing, ctx};
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

/* *next_seq: of the first transaction above it. */
static bool block_at(struct ledger *l, struct qheight h, struct qhash *block, int64_t *next_seq,
                     struct err *err)
{
	must(h.n > 0 && h.n <= l->height.n);
	enum found got = db_query(&l->db, BLOCK_AT, DB_ARGS(db_int(h.n)), err);
	if (got == NOT_FOUND)
		return db_damaged(&l->db, err, "block %llu is missing", (unsigned long long)h.n);
	bool ok = got == FOUND && db_get_fixed(&l->db, BLOCK_AT, 0, block->b, sizeof block->b, err) &&
	          db_get_int(&l->db, BLOCK_AT, 1, next_seq, err);
	db_done(&l->db, BLOCK_AT);
	return ok;
}

bool ledger_block_at(struct ledger *l, struct qheight h, struct qhash *block, struct err *err)
{
	int64_t next_seq;

	return block_at(l, h, block, &next_seq, err);
}

bool ledger_digest_at(struct ledger *l, struct qheight h, struct qhash *block, struct qhash *digest,
                      struct err *err)
{
	struct state *past;
	int64_t next_seq = 0;

	if (h.n == l->height.n) {
		*block = l->tip;
		state_digest(l->state, digest);
		return true;
	}
	if (!block_at(l, h, block, &next_seq, err))
		return false;
	past = state_new(l->genesis);
	bool ok = load_past(l, h, next_seq, past, err);
	state_digest(past, digest);
	state_free(past);
	return ok;
}
