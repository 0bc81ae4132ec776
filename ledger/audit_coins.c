/*
 * audit_coins.c: what an input spends, and that nothing is spent twice, in bounded memory: the unspent set is
 * looked up in the file.
 *
 * A row that the replay has passed is known: it walks the tables in the order of the chain, the read
 * transaction shows them unchanged to the end, and `raw` of a transaction is pinned by a Merkle root.  So an
 * output is read from the `raw` of its maker, whose place the row of the input names, or the index on txid;
 * either is only a hint, for the maker's txid must be the one that the input names.
 *
 * Each row of outputs names at most one spender in spent_by, and each input must be of the transaction that
 * its output's row names.  Where rows lie, what is true is remembered (`lies`, `names`): so of two that spend
 * one output the second is found, whatever spent_by says.  A row that names a spender is counted when it is
 * made and when that spender has come; at the end, none may be left over.
 *
 * The outputs that were made last are kept, for most are spent soon; each at the place that its maker's seq
 * gives, where the next one that wants it comes after so many others.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_impl.h"
#include "map.h"

#define OUTPUTS_KEPT (1 << 18)
#define LIES_MAX (1 << 16) /* of lies and of names; whoever made so many made the ledger worthless */

#define NOT_SPENT "is %" PRId64 ", but nothing spends this output"

struct coin_lie {
	struct qoutpoint point;
	int64_t spender; /* transactions.seq */
	UT_hash_handle hh;
};

struct coin_name {
	int64_t seq;
	struct qtxid id;
	struct qheight height;
	UT_hash_handle hh, hh_id;
};

void coins_open(struct coins *c, struct book *b, struct state *state, int64_t base_seq)
{
	*c = (struct coins){.b = b, .state = state, .base_seq = base_seq, .owed_from = UINT64_MAX};
	c->places = b->options->outputs_kept ? b->options->outputs_kept : OUTPUTS_KEPT;
	c->recent = xcalloc(c->places, sizeof *c->recent);
	c->source = book_prepare(b, "SELECT txid, height, raw FROM transactions WHERE seq = ?1");
	c->seq = book_prepare(b, "SELECT seq FROM transactions WHERE txid = ?1");
	c->spent = book_prepare(b, "SELECT spent_by FROM outputs WHERE tx = ?1 AND position = ?2");
	if (base_seq > 0)
		c->based = book_prepare(b, since_output_sql);
	c->input =
	    book_prepare(b, "SELECT 1 FROM inputs WHERE tx = ?1 AND source_tx = ?2 AND source_position = ?3");
}

void coins_close(struct coins *c)
{
	struct coin_lie *l, *next_l;
	struct coin_name *n, *next_n;

	free(c->recent);
	HASH_ITER (hh, c->lies, l, next_l) {
		HASH_DEL(c->lies, l);
		free(l);
	}
	HASH_CLEAR(hh_id, c->by_txid);
	HASH_ITER (hh, c->names, n, next_n) {
		HASH_DEL(c->names, n);
		free(n);
	}
	sqlite3_finalize(c->source);
	sqlite3_finalize(c->seq);
	sqlite3_finalize(c->spent);
	sqlite3_finalize(c->input);
	sqlite3_finalize(c->based);
}

/* ---- what rows hide ------------------------------------------------------------------ */

static struct coin_name *name_at(const struct coins *c, int64_t seq)
{
	struct coin_name *n;

	HASH_FIND(hh, c->names, &seq, sizeof seq, n);
	return n;
}

void coins_name(struct coins *c, int64_t seq, const struct qtxid *id, struct qheight h)
{
	if (HASH_COUNT(c->names) == LIES_MAX) {
		c->full = true;
		return;
	}
	struct coin_name *n = xcalloc(1, sizeof *n);
	n->seq = seq;
	n->id = *id;
	n->height = h;
	HASH_ADD(hh, c->names, seq, sizeof n->seq, n);
	HASH_ADD(hh_id, c->by_txid, id, sizeof n->id, n);
}

static struct coin_lie *lie_about(const struct coins *c, const struct qoutpoint *p)
{
	struct coin_lie *l;

	HASH_FIND(hh, c->lies, p, sizeof *p, l);
	return l;
}

static void remember_spender(struct coins *c, const struct qoutpoint *p, int64_t seq)
{
	if (HASH_COUNT(c->lies) == LIES_MAX) {
		c->full = true;
		return;
	}
	struct coin_lie *l = xcalloc(1, sizeof *l);
	l->point = *p;
	l->spender = seq;
	HASH_ADD(hh, c->lies, point, sizeof l->point, l);
}

/* ---- transactions that were replayed ---------------------------------------------------- */

/* The transaction in column `raw`; wire_free() it. */
static bool decode(sqlite3_stmt *row, int col, struct qtx *tx)
{
	const uint8_t *data = sqlite3_column_blob(row, col);
	return data && wire_decode(WIRE(qtx), data, (size_t)sqlite3_column_bytes(row, col), tx);
}

/* The row of the transaction at seq, in c->source; reset it. */
static bool read_source(struct coins *c, int64_t seq)
{
	return c->source && sqlite3_bind_int64(c->source, 1, seq) == SQLITE_OK && book_step(c->b, c->source);
}

static bool is_named(sqlite3_stmt *row, const struct qtxid *id)
{
	const void *txid = sqlite3_column_blob(row, 0);
	return txid && sqlite3_column_bytes(row, 0) == sizeof id->b && memcmp(txid, id->b, sizeof id->b) == 0;
}

/* Does the transaction at seq spend it? */
static bool spends(struct coins *c, int64_t seq, const struct qoutpoint *p)
{
	struct qtx tx;
	bool found = false;

	if (read_source(c, seq) && decode(c->source, 2, &tx)) {
		for (u_int i = 0; i < tx.body.inputs.inputs_len && !found; i++)
			found = qoutpoint_eq(&tx.body.inputs.inputs_val[i], p);
		wire_free(WIRE(qtx), &tx);
	}
	sqlite3_reset(c->source);
	return found;
}

struct qheight coins_height(struct coins *c, int64_t seq)
{
	const struct coin_name *n = name_at(c, seq);
	struct qheight h = {0};

	if (n)
		return n->height;
	if (read_source(c, seq))
		h.n = (uint64_t)sqlite3_column_int64(c->source, 1);
	sqlite3_reset(c->source);
	return h;
}

/* ---- who made it --------------------------------------------------------------------------- */

/* Output p->index of the transaction in c->source. */
static bool read_output(struct coins *c, const struct qoutpoint *p, struct unspent *u)
{
	struct qtx tx;

	if (!decode(c->source, 2, &tx))
		return false;
	bool ok = p->index < tx.body.outputs.outputs_len;
	if (ok)
		u->out = tx.body.outputs.outputs_val[p->index];
	wire_free(WIRE(qtx), &tx);
	return ok;
}

/* Up to the base: by its row, which is part of the state there or is not. */
static bool based_at(struct coins *c, int64_t seq, const struct qoutpoint *p, struct unspent *u)
{
	sqlite3_stmt *s = c->based;
	bool ok = s && sqlite3_bind_int64(s, 1, seq) == SQLITE_OK &&
	          sqlite3_bind_int64(s, 2, p->index) == SQLITE_OK && book_step(c->b, s) &&
	          since_output(c->b->g, s, u) && qoutpoint_eq(&u->point, p);

	sqlite3_reset(s);
	return ok;
}

static bool is_based(const struct coins *c, int64_t seq)
{
	return c->base_seq > 0 && seq <= c->base_seq;
}

/* Made by the transaction at seq, if that is what the outpoint names. */
static bool made_at(struct coins *c, int64_t seq, const struct qoutpoint *p, struct unspent *u)
{
	const struct coin_name *n = c->names ? name_at(c, seq) : NULL;

	if (is_based(c, seq))
		return based_at(c, seq, p, u);
	bool ok = read_source(c, seq) && (n ? qtxid_eq(&n->id, &p->tx) : is_named(c->source, &p->tx)) &&
	          read_output(c, p, u);

	if (ok) {
		u->point = *p;
		u->made_at = n ? n->height : qheight_of((uint64_t)sqlite3_column_int64(c->source, 1));
		u->row = seq;
	}
	sqlite3_reset(c->source);
	return ok;
}

/* transactions.seq by the names that are known and the index; 0: there is none. */
static int64_t find_seq(struct coins *c, const struct qtxid *id)
{
	const struct coin_name *n;
	int64_t seq = 0;

	HASH_FIND(hh_id, c->by_txid, id, sizeof *id, n);
	if (n)
		return n->seq;
	if (c->seq && sqlite3_bind_blob(c->seq, 1, id->b, sizeof id->b, SQLITE_STATIC) == SQLITE_OK &&
	    book_step(c->b, c->seq))
		seq = sqlite3_column_int64(c->seq, 0);
	sqlite3_reset(c->seq);
	return seq;
}

/* By a transaction before the one at seq. */
static bool find_made(struct coins *c, const struct qoutpoint *p, int64_t hint, int64_t seq,
                      struct unspent *u)
{
	const struct genesis *g = c->b->g;

	if (qtxid_eq(&p->tx, &g->txid)) {
		if (is_based(c, 0))
			return based_at(c, 0, p, u);
		if (p->index >= g->g.allocations.allocations_len)
			return false;
		*u = (struct unspent){.point = *p, .out = g->g.allocations.allocations_val[p->index]};
		return true;
	}
	if (hint > 0 && hint < seq && made_at(c, hint, p, u))
		return true;
	int64_t maker = find_seq(c, &p->tx);
	return maker > 0 && maker < seq && maker != hint && made_at(c, maker, p, u);
}

/* ---- coins ------------------------------------------------------------------------------------ */

/* Is there an input of a later transaction, which nobody judges yet, that spends it? */
static bool spent_beyond(struct coins *c, int64_t seq, int64_t tx, uint32_t position)
{
	sqlite3_stmt *s = c->input;
	bool found = s && sqlite3_bind_int64(s, 1, seq) == SQLITE_OK &&
	             sqlite3_bind_int64(s, 2, tx) == SQLITE_OK &&
	             sqlite3_bind_int64(s, 3, position) == SQLITE_OK && book_step(c->b, s);

	sqlite3_reset(s);
	return found;
}

struct spender coins_spender(struct coins *c, sqlite3_stmt *outputs, int col, int64_t tx, uint32_t position)
{
	struct spender s = {.is = SPENDER_NULL};
	char where[WHERE_MAX];

	if (sqlite3_column_type(outputs, col) == SQLITE_NULL)
		return s;
	s.seq = sqlite3_column_int64(outputs, col);
	if (book_judges(c->b, s.seq))
		s.is = SPENDER_SEQ;
	else if (!spent_beyond(c, s.seq, tx, position) && !book_ends(c->b))
		book_find(c->b, AUDIT_ALTERED, c->b->out->height,
		          table_where(TABLE_OUTPUTS, tx, position, "spent_by", where), NOT_SPENT, s.seq);
	return s;
}

/* Where the output of this number is kept, if it is. */
static struct coin *place_at(const struct coins *c, uint64_t number)
{
	return &c->recent[number % c->places];
}

/* Of an output of the transaction at seq.  Those of payments with a change, which are most, lie side by side,
 * until they are the oldest. */
static uint64_t number_of(int64_t seq, uint32_t index)
{
	return 2 * (uint64_t)seq + index;
}

static bool is_at(const struct coin *place, const struct qoutpoint *p)
{
	return place->u.out.amount != 0 && qoutpoint_eq(&place->u.point, p);
}

static void settle(struct coins *c, struct coin *place)
{
	if (place->u.out.amount != 0 && place->owed)
		state_sum(c->state, &place->u);
	place->owed = false;
}

void coins_settle(struct coins *c)
{
	for (uint64_t i = 0; c->owed_from + i < c->owed_to && i < c->places; i++)
		settle(c, place_at(c, c->owed_from + i));
	c->owed_from = UINT64_MAX;
	c->owed_to = 0;
}

void coins_made(struct coins *c, const struct unspent *u, struct spender row)
{
	uint64_t number = number_of(u->row, u->point.index);
	struct coin *place = place_at(c, number);

	settle(c, place);
	*place = (struct coin){*u, row, true};
	if (number < c->owed_from)
		c->owed_from = number;
	if (number >= c->owed_to)
		c->owed_to = number + 1;
	state_insert_unsummed(c->state, u);
	c->unexplained += row.is == SPENDER_SEQ;
}

void coins_loaded(struct coins *c, sqlite3_stmt *row, int col, const struct unspent *u)
{
	c->unexplained += coins_spender(c, row, col, u->row, u->point.index).is == SPENDER_SEQ;
}

static struct spender read_spender(struct coins *c, const struct unspent *u)
{
	struct spender s = {.is = SPENDER_NO_ROW};

	if (c->spent && sqlite3_bind_int64(c->spent, 1, u->row) == SQLITE_OK &&
	    sqlite3_bind_int64(c->spent, 2, u->point.index) == SQLITE_OK && book_step(c->b, c->spent))
		s = coins_spender(c, c->spent, 0, u->row, u->point.index);
	sqlite3_reset(c->spent);
	return s;
}

/* Before the transaction at seq, by the one that its row names? */
static bool was_spent(struct coins *c, const struct coin *coin, int64_t seq)
{
	const struct spender *by = &coin->row;

	if (by->is != SPENDER_SEQ || by->seq >= seq)
		return false;
	if (is_based(c, by->seq)) /* then it is no part of the state that was signed, whoever spent it */
		return is_based(c, coin->u.row);
	return spends(c, by->seq, &coin->u.point);
}

enum coin_found coins_find(struct coins *c, const struct qoutpoint *p, int64_t hint, int64_t seq,
                           struct coin *out, int64_t *by)
{
	/* Copied before it is looked at: so all its cache lines are fetched at once. */
	*out = *place_at(c, number_of(hint, p->index));
	if (is_at(out, p))
		return COIN_UNSPENT;
	if (!find_made(c, p, hint, seq, &out->u))
		return COIN_UNKNOWN;
	const struct coin *place = place_at(c, number_of(out->u.row, p->index)); /* the hint was none */
	out->owed = is_at(place, p) && place->owed;
	const struct coin_lie *lie = lie_about(c, p);
	out->row = read_spender(c, &out->u);
	if (!lie && !was_spent(c, out, seq))
		return COIN_UNSPENT;
	*by = lie ? lie->spender : out->row.seq;
	return COIN_SPENT;
}

void coins_spent(struct coins *c, const struct coin *coin, int64_t seq, struct qheight h)
{
	const struct unspent *u = &coin->u;
	struct coin *recent = place_at(c, number_of(u->row, u->point.index));
	char where[WHERE_MAX];

	if (is_at(recent, &u->point))
		recent->u.out.amount = 0;
	if (coin->owed)
		state_remove_unsummed(c->state, &u->point);
	else
		state_remove(c->state, &u->point);
	c->unexplained -= coin->row.is == SPENDER_SEQ;
	if (coin->row.is == SPENDER_SEQ && coin->row.seq == seq)
		return;
	remember_spender(c, &u->point, seq);
	table_where(TABLE_OUTPUTS, u->row, u->point.index, "spent_by", where);
	switch (coin->row.is) {
	case SPENDER_NO_ROW: /* found by the walk */
		break;
	case SPENDER_NULL:
		book_find(c->b, AUDIT_ALTERED, h, where, "is NULL, must be %" PRId64, seq);
		break;
	case SPENDER_SEQ:
		book_find(c->b, AUDIT_ALTERED, h, where, "is %" PRId64 ", must be %" PRId64, coin->row.seq,
		          seq);
		break;
	}
}

/* ---- spenders that never came -------------------------------------------------------------------- */

/* What the row at hand of outputs is called; false: the chain has no such output, which the walk found. */
static bool outpoint_of(struct coins *c, int64_t tx, int64_t position, struct qoutpoint *p)
{
	const struct genesis *g = c->b->g;
	const struct coin_name *n = name_at(c, tx);
	struct unspent u;

	*p = (struct qoutpoint){g->txid, (uint32_t)position};
	if (position < 0 || position > UINT32_MAX)
		return false;
	if (tx == 0)
		return position < g->g.allocations.allocations_len;
	bool ok = read_source(c, tx) && sqlite3_column_bytes(c->source, 0) == sizeof p->tx.b;
	if (ok && !n)
		memcpy(p->tx.b, sqlite3_column_blob(c->source, 0), sizeof p->tx.b);
	ok = ok && (is_based(c, tx) || read_output(c, p, &u));
	sqlite3_reset(c->source);
	if (n)
		p->tx = n->id;
	return ok;
}

void coins_end(struct coins *c, int64_t next_seq, bool stopped, struct qheight tip)
{
	struct book *b = c->b;
	struct qoutpoint p;
	char where[WHERE_MAX];

	if (c->unexplained == 0)
		return;
	sqlite3_stmt *row = book_prepare(b, "SELECT tx, position, spent_by FROM outputs "
	                                    "WHERE spent_by IS NOT NULL AND tx < ?1 ORDER BY tx, position");
	if (row)
		sqlite3_bind_int64(row, 1, next_seq);
	while (book_step(b, row)) {
		int64_t tx = sqlite3_column_int64(row, 0), position = sqlite3_column_int64(row, 1),
		        by = sqlite3_column_int64(row, 2);
		if (is_based(c, tx) && is_based(c, by))
			continue; /* before anything that is judged */
		if (!book_judges(b, by) || (stopped && by >= next_seq) || !outpoint_of(c, tx, position, &p))
			continue;
		if (lie_about(c, &p) || (by > tx && by < next_seq && spends(c, by, &p)))
			continue;
		book_find(b, AUDIT_ALTERED, tip, table_where(TABLE_OUTPUTS, tx, position, "spent_by", where),
		          NOT_SPENT, by);
	}
	sqlite3_finalize(row);
}
