/*
 * audit_since.c: an audit that begins at a checkpoint: finding one that a quorum signed, and the state after
 * it out of the file's rows.
 *
 * Certificates are in two places: those of the journal were verified with it and stand in b->pins, those of
 * the table certificates are verified here.  The newest whose block stands in the file at its height is the
 * base; a certificate that does not hold, or is for another block, is passed over for an older one, and found
 * when the replay comes to it.
 *
 * The state is what outputs, convictions and stakes say; nothing of it is believed before its digest is the
 * one that was signed.  Rows that are no part of it are not looked at.
 */
#include <inttypes.h>
#include <stdio.h>

#include "audit_impl.h"

/* ---- the base ------------------------------------------------------------------------------- */

static bool read_header(struct book *b, uint64_t height, struct qheader *q, int64_t *first_tx)
{
	struct cursor c;
	bool ok = false;
	size_t len;

	cursor_open_at(&c, b, TABLE_BLOCKS, (int64_t)height);
	if (c.at_row && c.k1 == (int64_t)height) {
		const uint8_t *data = cursor_blob(&c, BLOCK_HEADER, &len);
		*first_tx = sqlite3_column_int64(c.stmt, BLOCK_FIRST_TX);
		ok = data && wire_decode(WIRE(qheader), data, len, q);
	}
	cursor_close(&c);
	return ok;
}

/* Does its block stand where it belongs? */
static bool stands(struct book *b, struct base *base)
{
	struct qhash hash;

	if (!read_header(b, base->height.n, &base->header, &base->last_seq))
		return false;
	block_hash(&base->header, &hash);
	if (!qhash_eq(&hash, &base->block)) {
		wire_free(WIRE(qheader), &base->header);
		return false;
	}
	base->last_seq += (int64_t)base->header.tx_count - 1;
	return true;
}

static bool by_pin(struct book *b, uint64_t most, struct base *base)
{
	for (size_t i = b->pin_cnt; i-- > 0;) {
		const struct audit_pin *p = &b->pins[i];
		*base = (struct base){.height = p->height, .block = p->block, .state = p->state};
		table_where(TABLE_JOURNAL, p->seq, 0, "entry", base->where);
		if (p->has_state && p->height.n <= most && stands(b, base))
			return true;
	}
	*base = (struct base){0};
	return false;
}

/* The row at hand of certificates. */
static bool by_row(struct book *b, sqlite3_stmt *row, struct base *base)
{
	int64_t height = sqlite3_column_int64(row, 0);
	const uint8_t *data = sqlite3_column_blob(row, 1);
	struct qcert cert;

	if (!data || !wire_decode(WIRE(qcert), data, (size_t)sqlite3_column_bytes(row, 1), &cert))
		return false;
	*base = (struct base){.height = cert.vote.height, .block = cert.vote.block, .state = cert.vote.state};
	table_where(TABLE_CERTIFICATES, height, 0, "certificate", base->where);
	bool ok = cert.kind == QCHECKPOINT && cert.vote.height.n == (uint64_t)height &&
	          cert_verify(b->g, &cert, NULL) && stands(b, base);
	wire_free(WIRE(qcert), &cert);
	return ok;
}

bool since_find(struct book *b, struct qheight since, struct base *base)
{
	struct base other;
	uint64_t most = since.n < INT64_MAX ? since.n : INT64_MAX;
	bool found = by_pin(b, most, base);
	sqlite3_stmt *row =
	    book_prepare(b, "SELECT height, certificate FROM certificates WHERE kind = 'checkpoint' "
	                    "AND height <= ?1 AND height > ?2 ORDER BY height DESC");

	if (row) {
		sqlite3_bind_int64(row, 1, (int64_t)most);
		sqlite3_bind_int64(row, 2, (int64_t)base->height.n);
	}
	while (book_step(b, row))
		if (by_row(b, row, &other)) {
			if (found)
				wire_free(WIRE(qheader), &base->header);
			*base = other;
			found = true;
			break;
		}
	sqlite3_finalize(row);
	return found && !book_ends(b);
}

/* ---- rows of the state ------------------------------------------------------------------------ */

/* Columns of a row of outputs with its transaction's. */
enum {
	ROW_TX,
	ROW_TXID,
	ROW_POSITION,
	ROW_OWNER,
	ROW_AMOUNT,
	ROW_HEIGHT,
	ROW_LOCK,
	ROW_REPLICA,
	ROW_SPENT_BY
};
#define ROW_COLUMNS "o.tx, t.txid, o.position, o.owner, o.amount, t.height, o.lock, o.replica, o.spent_by"

static const char all_sql[] =
    "SELECT " ROW_COLUMNS " FROM outputs o CROSS JOIN transactions t ON t.seq = o.tx "
    "WHERE o.tx <= ?1 AND (o.spent_by IS NULL OR o.spent_by > ?1)";
const char since_output_sql[] =
    "SELECT " ROW_COLUMNS " FROM outputs o CROSS JOIN transactions t ON t.seq = o.tx "
    "WHERE o.tx = ?1 AND o.position = ?2";

static bool get_blob(sqlite3_stmt *row, int col, void *out, size_t len)
{
	if (sqlite3_column_type(row, col) != SQLITE_BLOB || (size_t)sqlite3_column_bytes(row, col) != len)
		return false;
	memcpy(out, sqlite3_column_blob(row, col), len);
	return true;
}

static bool get_lock(const struct genesis *g, sqlite3_stmt *row, struct qlock *lock)
{
	const char *word = (const char *)sqlite3_column_text(row, ROW_LOCK);
	int64_t replica = sqlite3_column_int64(row, ROW_REPLICA);

	*lock = (struct qlock){.kind = QLOCK_NONE};
	if (!word)
		return true;
	for (enum qlock_kind kind = QLOCK_STAKE; kind <= QLOCK_FROZEN; kind++)
		if (strcmp(audit_lock(kind), word) == 0)
			lock->kind = kind;
	lock->qlock_u.replica = (unsigned)replica;
	return lock->kind != QLOCK_NONE && stake_rules(g) && replica >= 0 && replica < g->n;
}

bool since_output(const struct genesis *g, sqlite3_stmt *row, struct unspent *u)
{
	int64_t position = sqlite3_column_int64(row, ROW_POSITION),
	        amount = sqlite3_column_int64(row, ROW_AMOUNT);

	*u = (struct unspent){.row = sqlite3_column_int64(row, ROW_TX),
	                      .made_at = qheight_of((uint64_t)sqlite3_column_int64(row, ROW_HEIGHT)),
	                      .point.index = (uint32_t)position};
	u->out.amount = (uint64_t)amount;
	return position >= 0 && position <= UINT32_MAX && amount > 0 &&
	       get_blob(row, ROW_TXID, u->point.tx.b, sizeof u->point.tx.b) &&
	       get_blob(row, ROW_OWNER, u->out.owner.b, sizeof u->out.owner.b) &&
	       get_lock(g, row, &u->out.lock);
}

/* False: a row cannot be part of any state. */
static bool load_outputs(struct replay *r, const struct base *base)
{
	struct book *b = r->b;
	sqlite3_stmt *row = book_prepare(b, all_sql);
	struct unspent u;
	bool ok = true;

	if (row)
		sqlite3_bind_int64(row, 1, base->last_seq);
	while (ok && book_step(b, row)) {
		ok = since_output(b->g, row, &u) && u.made_at.n <= base->height.n &&
		     u.out.amount <= b->g->supply - state_value(r->state);
		if (!ok)
			break;
		state_insert_unsummed(r->state, &u);
		state_sum(r->state, &u);
		tally_made(&r->tally, &u);
		coins_loaded(&r->coins, row, ROW_SPENT_BY, &u);
	}
	sqlite3_finalize(row);
	return ok;
}

static bool load_convictions(struct replay *r, const struct base *base)
{
	struct book *b = r->b;
	const struct qstaking *staking = state_staking(r->state);
	sqlite3_stmt *row = book_prepare(b, "SELECT height, replica FROM convictions WHERE height <= ?1 "
	                                    "ORDER BY height, replica");
	bool ok = true;

	if (row)
		sqlite3_bind_int64(row, 1, (int64_t)base->height.n);
	while (ok && book_step(b, row)) {
		int64_t height = sqlite3_column_int64(row, 0), replica = sqlite3_column_int64(row, 1);
		ok = height > 0 && replica >= 0 && replica < staking->convicted.convicted_len &&
		     (uint64_t)height > staking->convicted.convicted_val[replica].n;
		if (!ok)
			break;
		state_convict(r->state, (unsigned)replica, qheight_of((uint64_t)height));
		tally_convict(&r->tally, (unsigned)replica, qheight_of((uint64_t)height));
	}
	sqlite3_finalize(row);
	return ok;
}

static bool load_table(struct replay *r, uint64_t height)
{
	struct book *b = r->b;
	struct qstake stakes[Q_REPLICAS_MAX];
	uint64_t rest = b->g->supply;
	bool ok = true;
	struct cursor c;

	cursor_open_at(&c, b, TABLE_STAKES, (int64_t)height);
	for (unsigned i = 0; i < b->g->n && ok; i++) {
		uint64_t own = c.at_row ? (uint64_t)sqlite3_column_int64(c.stmt, STAKE_OWN) : 0,
		         delegated = c.at_row ? (uint64_t)sqlite3_column_int64(c.stmt, STAKE_DELEGATED) : 0;
		ok = c.at_row && c.k1 == (int64_t)height && c.k2 == i && own <= rest &&
		     delegated <= rest - own;
		rest -= ok ? own + delegated : 0;
		stakes[i] = (struct qstake){own, delegated};
		cursor_next(&c);
	}
	cursor_close(&c);
	if (ok)
		tally_table(&r->tally, r->state,
		            &(struct qtable){.height = qheight_of(height), .stakes = {b->g->n, stakes}});
	return ok;
}

/* The two that decide from here on. */
static bool load_tables(struct replay *r, const struct base *base)
{
	const struct qstake_rules *rules = stake_rules(r->b->g);

	if (!rules)
		return true;
	uint64_t last = base->height.n / rules->epoch * rules->epoch;
	return (last == 0 || load_table(r, last - rules->epoch)) && load_table(r, last);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

/* What the next header's time and target follow from: this one and the one below, which its hash names. */
static void load_headers(struct replay *r, const struct base *base)
{
	struct qheader below;
	struct qhash hash;
	int64_t ignored;

	seal_genesis(r->b->g, &r->below);
	if (base->height.n > 1 && read_header(r->b, base->height.n - 1, &below, &ignored)) {
		block_hash(&below, &hash);
		if (qhash_eq(&hash, &base->header.parent))
			seal_extend(&r->below, &below);
		wire_free(WIRE(qheader), &below);
	}
	seal_extend(&r->below, &base->header);
}

bool since_load(struct replay *r, const struct base *base)
{
	struct book *b = r->b;
	struct qhash digest;

	r->next_seq = base->last_seq + 1;
	b->out->height = b->out->since = base->height;
	*book_set_hash(b, base->height) = base->block;
	load_headers(r, base);
	bool ok = load_convictions(r, base) && load_outputs(r, base) && load_tables(r, base);
	state_digest(r->state, &digest);
	if (book_ends(b))
		return false;
	if (ok && qhash_eq(&digest, &base->state))
		return true;
	book_find(b, AUDIT_DIGEST, base->height, base->where,
	          "the rows up to height %" PRIu64
	          " are not the state that the replicas signed: one of them was changed, and an audit from "
	          "the genesis will say which",
	          (uint64_t)base->height.n);
	return false;
}
