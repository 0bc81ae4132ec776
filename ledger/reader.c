/*
 * reader.c: answers from the ledger file for clients and peers, on read-only connections beside the writer's.
 *
 * Every answer is of one moment (a read transaction).  What is read may have been edited by the file's
 * operator: lengths and forms are checked so that nothing here can be broken by it, and whatever hashes pin
 * is compared with them: a header with its block's hash and its neighbours, a block's transactions with its
 * Merkle root, a certificate with the block that it covers, a transaction's bytes with its id.  What that
 * leaves open reader_proof.c closes, for readers that have a genesis.
 */
#include "reader_impl.h"

#include <stdlib.h>

#include "merkle.h"

static const struct db_sql statements[STATEMENT_CNT] = {
    [CHAIN] = {"read the chain id", "SELECT value FROM meta WHERE key = 'chain'"},
    [HEIGHT] = {"read the height", "SELECT ifnull(max(height), 0) FROM blocks"},
    [HEADER] = {"read a header", "SELECT header, first_tx, hash FROM blocks WHERE height = ?"},
    [HEIGHT_BY_HASH] = {"find a block", "SELECT height FROM blocks WHERE hash = ?"},
    [HEADERS] = {"read headers",
                 "SELECT header, hash FROM blocks WHERE height BETWEEN ? AND ? ORDER BY height"},
    [BLOCK_TXS] = {"read a block's transactions",
                   "SELECT raw FROM transactions WHERE seq BETWEEN ? AND ? ORDER BY seq"},
    [TX] = {"read a transaction",
            "SELECT height, position, raw, seq FROM transactions WHERE txid = ? AND +seq > 0"},
    [CERTIFIED_BY] = {"find a certificate", "SELECT certified_by FROM blocks WHERE height = ?"},
    [CERTIFICATE] = {"read a certificate", "SELECT certificate FROM certificates WHERE height = ?"},
    [LAST_CERTIFICATE] = {"find a certificate", "SELECT height FROM certificates WHERE height BETWEEN ? AND ?"
                                                " ORDER BY height DESC LIMIT 1"},
    [OUTPUT] = {"read an output", "SELECT o.spent_by FROM transactions t JOIN outputs o ON o.tx = t.seq"
                                  " WHERE t.txid = ? AND o.position = ?"},
    [TXID] = {"read a transaction's id", "SELECT txid, height FROM transactions WHERE seq = ?"},
    [LAST_CONVICTION] = {"read a conviction",
                         "SELECT c.height, t.txid, c.kind, c.view, c.offence_height FROM convictions c"
                         " JOIN transactions t ON t.seq = c.tx WHERE c.replica = ? AND c.height <= ?"
                         " ORDER BY c.height DESC LIMIT 1"},
    [STAKE_TABLE] = {"read a stake table", ROW_TABLE_SQL},
    [EVIDENCE] = {"read evidence", "SELECT seq, entry FROM journal WHERE kind = 'evidence' AND seq > ?"
                                   " ORDER BY seq LIMIT 1"},
    [OUTPUT_ROW] = {"read an output",
                    "SELECT o.owner, o.amount, o.lock, o.replica, m.height, o.spent_by, s.txid, s.height"
                    " FROM transactions m JOIN outputs o ON o.tx = m.seq"
                    " LEFT JOIN transactions s ON s.seq = o.spent_by WHERE m.txid = ? AND o.position = ?"},
    [ATTEMPT] = {"read evidence",
                 "SELECT e.seq, iif(t.seq IS NULL, first, second), iif(t.seq IS NULL, second, first), signer,"
                 " output_tx, output_position FROM evidence e LEFT JOIN transactions t ON t.txid = e.second"
                 " WHERE kind = 'double_spend' AND (first = ?1 OR second = ?1) AND e.seq > ?2"
                 " ORDER BY e.seq LIMIT 1"},
};

struct reader *reader_open(const char *path, const char *vfs, struct err *err)
{
	struct reader *r = xcalloc(1, sizeof *r);

	if (!db_open(&r->db, &db_ledger, DB_READ, path, vfs, statements, STATEMENT_CNT, NULL, err)) {
		free(r);
		return NULL;
	}
	enum found got = db_query(&r->db, CHAIN, DB_NONE, err);
	bool ok = got == FOUND && db_get_fixed(&r->db, CHAIN, 0, r->chain.b, sizeof r->chain.b, err);
	if (got == NOT_FOUND)
		db_damaged(&r->db, err, "meta has no chain");
	db_done(&r->db, CHAIN);
	if (ok)
		return r;
	reader_close(r);
	return NULL;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	db_close(&r->db);
	free(r->proven.leaves);
	tx_unref(r->made.tx);
	free(r);
}

const struct qhash *reader_chain_id(const struct reader *r)
{
	return &r->chain;
}

bool reader_view(struct reader *r, struct err *err)
{
	return db_view(&r->db, err);
}

void reader_view_end(struct reader *r)
{
	db_view_end(&r->db);
}

/* ---- pieces: inside a view, each leaving its statement done --------------- */

static enum found get_height(struct reader *r, struct qheight *h, struct err *err)
{
	int64_t height = 0;
	enum found got = db_query(&r->db, HEIGHT, DB_NONE, err);

	if (got == FOUND && !db_get_int(&r->db, HEIGHT, 0, &height, err))
		got = FOUND_ERROR;
	db_done(&r->db, HEIGHT);
	*h = qheight_of((uint64_t)height);
	return got;
}

/* The header and the hash of the block at `height`, in these columns of the current row, fit each other. */
static bool take_header(struct reader *r, enum reader_statement which, uint64_t height, int hash_col,
                        struct qheader *out, struct err *err)
{
	struct qhash said, is;
	const uint8_t *data;
	size_t len;

	if (!db_get_blob(&r->db, which, 0, &data, &len, err) ||
	    !db_get_fixed(&r->db, which, hash_col, said.b, sizeof said.b, err))
		return false;
	if (!wire_decode(WIRE(qheader), data, len, out))
		return db_damaged(&r->db, err, "blocks(height=%llu).header cannot be read",
		                  (unsigned long long)height);
	block_hash(out, &is);
	if (out->height.n == height && qhash_eq(&is, &said))
		return true;
	char said_hex[QHASH_HEX], is_hex[QHASH_HEX];
	db_damaged(&r->db, err,
	           "blocks(height=%llu).hash is %.16s..., but the header beside it is of block %.16s..., "
	           "height %llu",
	           (unsigned long long)height, hex_encode(said_hex, said.b, sizeof said.b),
	           hex_encode(is_hex, is.b, sizeof is.b), (unsigned long long)out->height.n);
	wire_free(WIRE(qheader), out);
	return false;
}

enum found reader_get_header(struct reader *r, struct qheight h, struct qheader *out, int64_t *first_tx,
                             struct err *err)
{
	enum found got = db_query(&r->db, HEADER, DB_ARGS(db_int(h.n)), err);

	if (got == FOUND &&
	    (!db_get_int(&r->db, HEADER, 1, first_tx, err) || !take_header(r, HEADER, h.n, 2, out, err)))
		got = FOUND_ERROR;
	db_done(&r->db, HEADER);
	return got;
}

enum found reader_each_tx(struct reader *r, const struct qheader *header, int64_t first_tx, struct err *err,
                          bool (*f)(void *ctx, uint32_t i, const uint8_t *raw, size_t len), void *ctx)
{
	const uint8_t *raw;
	size_t len;
	uint32_t i = 0;
	enum found got;

	if (header->tx_count == 0 || header->tx_count > Q_BLOCK_TXS_MAX || first_tx < 1 ||
	    first_tx > INT64_MAX - header->tx_count) {
		db_damaged(&r->db, err, "blocks(height=%llu): wrong number of transactions",
		           (unsigned long long)header->height.n);
		return FOUND_ERROR;
	}
	got = db_query(&r->db, BLOCK_TXS,
	               DB_ARGS(db_int((uint64_t)first_tx), db_int((uint64_t)first_tx + header->tx_count - 1)),
	               err);
	for (; got == FOUND; got = db_next(&r->db, BLOCK_TXS, err)) {
		if (!db_get_blob(&r->db, BLOCK_TXS, 0, &raw, &len, err)) {
			got = FOUND_ERROR;
			break;
		}
		if (!f(ctx, i++, raw, len))
			break;
	}
	db_done(&r->db, BLOCK_TXS);
	if (got == FOUND_ERROR)
		return got;
	if (i == header->tx_count && got == NOT_FOUND)
		return FOUND;
	db_damaged(&r->db, err, "transactions of block %llu: one is missing or too long",
	           (unsigned long long)header->height.n);
	return FOUND_ERROR;
}

static enum found get_certificate(struct reader *r, uint64_t height, struct qcert *out, struct err *err)
{
	const uint8_t *data;
	size_t len;
	enum found got = db_query(&r->db, CERTIFICATE, DB_ARGS(db_int(height)), err);

	if (got != FOUND)
		return got;
	if (!db_get_blob(&r->db, CERTIFICATE, 0, &data, &len, err)) {
		got = FOUND_ERROR;
	} else if (!wire_decode(WIRE(qcert), data, len, out)) {
		db_damaged(&r->db, err, "certificates(height=%llu).certificate cannot be read",
		           (unsigned long long)height);
		got = FOUND_ERROR;
	}
	db_done(&r->db, CERTIFICATE);
	return got;
}

/* One integer column by one argument. */
static enum found get_int(struct reader *r, enum reader_statement which, struct db_value arg, int64_t *out,
                          struct err *err)
{
	enum found got = db_query(&r->db, which, DB_ARGS(arg), err);

	if (got == FOUND && !db_get_int(&r->db, which, 0, out, err))
		got = FOUND_ERROR;
	db_done(&r->db, which);
	return got;
}

/* Which height's certificate makes height h final? */
static enum found get_certified_by(struct reader *r, struct qheight h, uint64_t *out, struct err *err)
{
	int64_t by;
	enum found got = get_int(r, CERTIFIED_BY, db_int(h.n), &by, err);

	if (got != FOUND)
		return got;
	if (by < (int64_t)h.n || by - (int64_t)h.n >= Q_CHAIN_MAX) {
		db_damaged(&r->db, err, "blocks(height=%llu).certified_by is %lld", (unsigned long long)h.n,
		           (long long)by);
		return FOUND_ERROR;
	}
	*out = (uint64_t)by;
	return FOUND;
}

/* Headers from..to (at most Q_CHAIN_MAX) into a fresh array. All must be there. */
static enum found get_headers(struct reader *r, uint64_t from, uint64_t to, struct qheader **out,
                              uint32_t *cnt, struct err *err)
{
	uint32_t want = (uint32_t)(to - from + 1), have = 0;
	struct qheader *headers = xcalloc(want, sizeof *headers);
	struct qhash below;

	enum found got = db_query(&r->db, HEADERS, DB_ARGS(db_int(from), db_int(to)), err);
	for (; got == FOUND; got = db_next(&r->db, HEADERS, err)) {
		if (have == want)
			break;
		if (!take_header(r, HEADERS, from + have, 1, &headers[have], err)) {
			got = FOUND_ERROR;
			break;
		}
		if (have++ > 0 && !qhash_eq(&headers[have - 1].parent, &below)) {
			db_damaged(&r->db, err, "blocks(height=%llu) is not the child of the one below",
			           (unsigned long long)(from + have - 1));
			got = FOUND_ERROR;
			break;
		}
		block_hash(&headers[have - 1], &below);
	}
	db_done(&r->db, HEADERS);
	if (got == NOT_FOUND && have == want) {
		*out = headers;
		*cnt = want;
		return FOUND;
	}
	for (uint32_t i = 0; i < have; i++)
		wire_free(WIRE(qheader), &headers[i]);
	free(headers);
	if (got != FOUND_ERROR)
		db_damaged(&r->db, err, "blocks: one between heights %llu and %llu is missing",
		           (unsigned long long)from, (unsigned long long)to);
	return FOUND_ERROR;
}

/* ---- blocks ------------------------------------------------------------- */

enum found reader_height(struct reader *r, struct qheight *h, struct err *err)
{
	return get_height(r, h, err);
}

void reader_damaged(struct reader *r, const char *what, struct err *err)
{
	db_damaged(&r->db, err, "%s", what);
}

const struct err *reader_damage(const struct reader *r)
{
	return r->db.damage.kind == ERR_NONE ? NULL : &r->db.damage;
}

enum found reader_header(struct reader *r, struct qheight h, struct qheader *out, struct err *err)
{
	int64_t first_tx;

	return reader_get_header(r, h, out, &first_tx, err);
}

static bool keep_tx(void *ctx, uint32_t i, const uint8_t *raw, size_t len)
{
	struct qblock *b = ctx;

	if (len > Q_TX_BYTES_MAX || i >= b->header.tx_count)
		return false;
	b->txs.txs_val[i].qtx_bytes_len = (u_int)len;
	b->txs.txs_val[i].qtx_bytes_val = xmemdup(raw, len);
	b->txs.txs_len = i + 1;
	return true;
}

/* Are these its header's transactions? */
static bool check_leaves(struct reader *r, const struct qheader *header, const struct qhash *leaves,
                         size_t cnt, struct err *err)
{
	return block_leaves_match(header, leaves, cnt) ||
	       db_damaged(&r->db, err,
	                  "transactions of block %llu: they are not those that its Merkle root stands for",
	                  (unsigned long long)header->height.n);
}

static bool check_txs(struct reader *r, const struct qblock *b, struct err *err)
{
	size_t cnt = b->txs.txs_len;
	struct qhash *leaves = xcalloc(cnt, sizeof *leaves);

	for (size_t i = 0; i < cnt; i++)
		merkle_leaf(b->txs.txs_val[i].qtx_bytes_val, b->txs.txs_val[i].qtx_bytes_len, &leaves[i]);
	bool ok = check_leaves(r, &b->header, leaves, cnt, err);
	free(leaves);
	return ok;
}

static bool keep_leaf(void *ctx, uint32_t i, const uint8_t *raw, size_t len)
{
	struct qhash *leaves = ctx;

	if (i >= Q_BLOCK_TXS_MAX)
		return false;
	merkle_leaf(raw, len, &leaves[i]);
	return true;
}

enum found reader_get_leaves(struct reader *r, const struct qheader *header, int64_t first_tx,
                             struct qhash *leaves, struct err *err)
{
	enum found got = reader_each_tx(r, header, first_tx, err, keep_leaf, leaves);

	return got == FOUND && !check_leaves(r, header, leaves, header->tx_count, err) ? FOUND_ERROR : got;
}

static enum found get_block(struct reader *r, struct qheight h, struct qblock *out, struct err *err)
{
	int64_t first_tx;

	*out = (struct qblock){0};
	enum found got = reader_get_header(r, h, &out->header, &first_tx, err);
	if (got != FOUND)
		return got;
	size_t room = out->header.tx_count < Q_BLOCK_TXS_MAX ? out->header.tx_count : Q_BLOCK_TXS_MAX;
	out->txs.txs_val = xcalloc(room ? room : 1, sizeof *out->txs.txs_val);
	got = reader_each_tx(r, &out->header, first_tx, err, keep_tx, out);
	if (got == FOUND && !check_txs(r, out, err))
		got = FOUND_ERROR;
	if (got != FOUND)
		wire_free(WIRE(qblock), out);
	return got;
}

enum found reader_block(struct reader *r, struct qheight h, struct qblock *out, struct err *err)
{
	if (!db_view(&r->db, err))
		return FOUND_ERROR;
	enum found got = get_block(r, h, out, err);
	db_view_end(&r->db);
	return got;
}

enum found reader_block_by_hash(struct reader *r, const struct qhash *hash, struct qblock *out,
                                struct err *err)
{
	int64_t height;

	if (!db_view(&r->db, err))
		return FOUND_ERROR;
	enum found got = get_int(r, HEIGHT_BY_HASH, db_blob(hash->b, sizeof hash->b), &height, err);
	if (got == FOUND)
		got = get_block(r, qheight_of((uint64_t)height), out, err);
	db_view_end(&r->db);
	return got;
}

/* ---- certificates ------------------------------------------------------- */

/* Headers from h up to the certified one, and the certificate: for that one's block. */
static enum found get_proof(struct reader *r, struct qheight h, struct qchain *out, struct err *err)
{
	uint64_t by;
	struct qhash hash;

	*out = (struct qchain){0};
	enum found got = get_certified_by(r, h, &by, err);
	if (got != FOUND)
		return got;
	got = get_headers(r, h.n, by, &out->headers.headers_val, &out->headers.headers_len, err);
	if (got == FOUND)
		got = get_certificate(r, by, &out->cert, err);
	if (got == NOT_FOUND) {
		db_damaged(&r->db, err, "certificates(height=%llu) is missing", (unsigned long long)by);
		got = FOUND_ERROR;
	}
	if (got == FOUND) {
		block_hash(&out->headers.headers_val[out->headers.headers_len - 1], &hash);
		if (out->cert.vote.height.n != by || !qhash_eq(&out->cert.vote.block, &hash)) {
			db_damaged(&r->db, err, "certificates(height=%llu) is for another block",
			           (unsigned long long)by);
			got = FOUND_ERROR;
		}
	}
	if (got != FOUND)
		wire_free(WIRE(qchain), out);
	return got;
}

enum found reader_get_cert_for(struct reader *r, struct qheight h, struct qcert *out, struct err *err)
{
	struct qchain proof;
	enum found got = get_proof(r, h, &proof, err);

	if (got != FOUND)
		return got;
	if (!reader_proves_certificate(r, &proof.cert, err)) {
		wire_free(WIRE(qchain), &proof);
		return FOUND_ERROR;
	}
	*out = proof.cert; /* moved */
	proof.cert = (struct qcert){0};
	wire_free(WIRE(qchain), &proof);
	return FOUND;
}

enum found reader_cert_for(struct reader *r, struct qheight h, struct qcert *out, struct err *err)
{
	if (!db_view(&r->db, err))
		return FOUND_ERROR;
	enum found got = reader_get_cert_for(r, h, out, err);
	db_view_end(&r->db);
	return got;
}

/* The highest certified height of the `most` above `above`. */
static enum found get_last_certified(struct reader *r, uint64_t above, uint64_t most, int64_t *last,
                                     struct err *err)
{
	enum found got =
	    db_query(&r->db, LAST_CERTIFICATE, DB_ARGS(db_int(above + 1), db_int(above + most)), err);
	if (got == FOUND && !db_get_int(&r->db, LAST_CERTIFICATE, 0, last, err))
		got = FOUND_ERROR;
	db_done(&r->db, LAST_CERTIFICATE);
	return got;
}

/* Whoever catches up executes all of a CHAIN at once, with every body in memory: so few are joined, and only
 * a certificate that is farther off than that makes it longer. */
#define JOINED_MAX 64

static enum found get_chain(struct reader *r, uint64_t above, struct qchain *out, struct err *err)
{
	int64_t last;

	*out = (struct qchain){0};
	if (above > INT64_MAX - Q_CHAIN_MAX)
		return NOT_FOUND;
	enum found got = get_last_certified(r, above, JOINED_MAX, &last, err);
	if (got == NOT_FOUND)
		got = get_last_certified(r, above, Q_CHAIN_MAX, &last, err);
	if (got != FOUND)
		return got;
	got = get_headers(r, above + 1, (uint64_t)last, &out->headers.headers_val, &out->headers.headers_len,
	                  err);
	if (got == FOUND)
		got = get_certificate(r, (uint64_t)last, &out->cert, err);
	if (got != FOUND)
		wire_free(WIRE(qchain), out);
	return got;
}

enum found reader_chain(struct reader *r, struct qheight above, struct qchain *out, struct err *err)
{
	if (!db_view(&r->db, err))
		return FOUND_ERROR;
	enum found got = get_chain(r, above.n, out, err);
	db_view_end(&r->db);
	return got;
}

/* ---- transactions and outputs ------------------------------------------- */

/* Do these bytes have this id? */
static bool is_tx(const struct reader *r, const uint8_t *raw, size_t len, const struct qtxid *id)
{
	enum tx_verdict verdict;
	struct tx *tx = tx_parse(&r->chain, raw, len, &verdict);
	bool is = tx && qtxid_eq(&tx->id, id);

	tx_unref(tx);
	return is;
}

static enum found get_tx(struct reader *r, const struct qtxid *id, struct tx_place *place, struct bytes *raw,
                         struct err *err)
{
	int64_t height, position, seq;
	const uint8_t *data;
	size_t len;
	enum found got = db_query(&r->db, TX, DB_ARGS(db_blob(id->b, sizeof id->b)), err);

	if (got != FOUND)
		return got;
	if (!db_get_int(&r->db, TX, 0, &height, err) || !db_get_int(&r->db, TX, 1, &position, err) ||
	    !db_get_blob(&r->db, TX, 2, &data, &len, err) || !db_get_int(&r->db, TX, 3, &seq, err)) {
		got = FOUND_ERROR;
	} else if (height < 1 || position < 0 || position >= Q_BLOCK_TXS_MAX || len > Q_TX_BYTES_MAX) {
		db_damaged(&r->db, err, "transactions(seq=%lld): its height, position or length cannot be",
		           (long long)seq);
		got = FOUND_ERROR;
	} else if (raw && !is_tx(r, data, len, id)) {
		db_damaged(&r->db, err, "transactions(seq=%lld).raw is not the transaction that txid names",
		           (long long)seq);
		got = FOUND_ERROR;
	} else {
		*place = (struct tx_place){qheight_of((uint64_t)height), (uint32_t)position};
		if (raw)
			*raw = (struct bytes){xmemdup(data, len), len};
	}
	db_done(&r->db, TX);
	return got;
}

enum found reader_tx(struct reader *r, const struct qtxid *id, struct tx_place *place, struct bytes *raw,
                     struct err *err)
{
	return get_tx(r, id, place, raw, err);
}

/* Id and height of a transaction by its number. */
static enum found get_txid(struct reader *r, int64_t seq, struct qtxid *id, int64_t *height, struct err *err)
{
	enum found got = db_query(&r->db, TXID, DB_ARGS(db_int((uint64_t)seq)), err);

	if (got == FOUND && (!db_get_fixed(&r->db, TXID, 0, id->b, sizeof id->b, err) ||
	                     !db_get_int(&r->db, TXID, 1, height, err)))
		got = FOUND_ERROR;
	if (got == NOT_FOUND) {
		db_damaged(&r->db, err, "an output names transaction %lld, which is not there",
		           (long long)seq);
		got = FOUND_ERROR;
	}
	db_done(&r->db, TXID);
	return got;
}

static enum found get_spender(struct reader *r, const struct qoutpoint *p, struct qtxid *spender, bool *known,
                              struct err *err)
{
	int64_t seq = 0, height;

	*known = false;
	enum found got =
	    db_query(&r->db, OUTPUT, DB_ARGS(db_blob(p->tx.b, sizeof p->tx.b), db_int(p->index)), err);
	if (got != FOUND)
		return got;
	*known = true;
	if (sqlite3_column_type(r->db.stmts[OUTPUT], 0) == SQLITE_NULL)
		got = NOT_FOUND;
	else if (!db_get_int(&r->db, OUTPUT, 0, &seq, err))
		got = FOUND_ERROR;
	db_done(&r->db, OUTPUT);
	if (got == FOUND)
		got = get_txid(r, seq, spender, &height, err);
	if (got == FOUND && !reader_proves_spender(r, p, spender, err))
		got = FOUND_ERROR;
	return got;
}

enum found reader_spender(struct reader *r, const struct qoutpoint *p, struct qtxid *spender, bool *known,
                          struct err *err)
{
	if (!db_view(&r->db, err))
		return FOUND_ERROR;
	enum found got = get_spender(r, p, spender, known, err);
	db_view_end(&r->db);
	return got;
}

/* The current row of OUTPUT_ROW. */
static bool get_output_row(struct reader *r, struct output_row *out, struct err *err)
{
	struct db *db = &r->db;
	int64_t amount, made_at, spent_at = 0;

	*out = (struct output_row){0};
	if (!db_get_fixed(db, OUTPUT_ROW, 0, out->out.owner.b, sizeof out->out.owner.b, err) ||
	    !db_get_int(db, OUTPUT_ROW, 1, &amount, err) ||
	    !row_get_lock(db, OUTPUT_ROW, 2, Q_REPLICAS_MAX, &out->out.lock, err) ||
	    !db_get_int(db, OUTPUT_ROW, 4, &made_at, err))
		return false;
	out->spent = !db_is_null(db, OUTPUT_ROW, 5);
	if (out->spent && (!db_get_fixed(db, OUTPUT_ROW, 6, out->spender.b, sizeof out->spender.b, err) ||
	                   !db_get_int(db, OUTPUT_ROW, 7, &spent_at, err)))
		return false;
	if (amount < 1 || made_at < 0 || spent_at < 0)
		return db_damaged(db, err, "an output's amount or height cannot be");
	out->out.amount = (uint64_t)amount;
	out->made_at = qheight_of((uint64_t)made_at);
	out->spent_at = qheight_of((uint64_t)spent_at);
	return true;
}

enum found reader_output(struct reader *r, const struct qoutpoint *p, struct output_row *out, struct err *err)
{
	enum found got =
	    db_query(&r->db, OUTPUT_ROW, DB_ARGS(db_blob(p->tx.b, sizeof p->tx.b), db_int(p->index)), err);

	if (got == FOUND && !get_output_row(r, out, err))
		got = FOUND_ERROR;
	db_done(&r->db, OUTPUT_ROW);
	if (got == FOUND && out->spent && !reader_proves_spender(r, p, &out->spender, err))
		got = FOUND_ERROR;
	return got;
}

/* ---- stakes ------------------------------------------------------------- */

static enum found get_last_conviction(struct reader *r, unsigned replica, struct qheight h,
                                      struct conviction *out, struct err *err)
{
	struct db *db = &r->db;
	int64_t height, view, offence;
	enum found got = db_query(db, LAST_CONVICTION, DB_ARGS(db_int(replica), db_int(h.n)), err);

	*out = (struct conviction){0};
	if (got == FOUND) {
		if (db_get_int(db, LAST_CONVICTION, 0, &height, err) &&
		    db_get_fixed(db, LAST_CONVICTION, 1, out->tx.b, sizeof out->tx.b, err) &&
		    row_get_vote(db, LAST_CONVICTION, 2, &out->kind, err) &&
		    db_get_int(db, LAST_CONVICTION, 3, &view, err) &&
		    db_get_int(db, LAST_CONVICTION, 4, &offence, err)) {
			out->height = qheight_of((uint64_t)height);
			out->view = qview_of((uint64_t)view);
			out->offence = qheight_of((uint64_t)offence);
		} else {
			got = FOUND_ERROR;
		}
	}
	db_done(db, LAST_CONVICTION);
	return got;
}

static enum found get_stakes(struct reader *r, const struct genesis *g, struct qheight h,
                             struct ledger_stakes *out, struct err *err)
{
	uint64_t epoch = stake_rules(g)->epoch, last = h.n / epoch * epoch; /* the newest table's height */

	for (unsigned i = 0; i < g->n; i++)
		if (get_last_conviction(r, i, h, &out->last[i], err) == FOUND_ERROR)
			return FOUND_ERROR;
	out->table_cnt = last > 0 ? 2 : 1;
	for (unsigned i = 0; i < out->table_cnt; i++) {
		struct qheight at = {last - (out->table_cnt - 1 - i) * epoch};
		if (!row_get_table(&r->db, STAKE_TABLE, g, at, &out->tables[i], err))
			return FOUND_ERROR;
	}
	return FOUND;
}

enum found reader_stakes(struct reader *r, const struct genesis *g, struct qheight h,
                         struct ledger_stakes *out, struct err *err)
{
	*out = (struct ledger_stakes){0};
	if (!stake_rules(g))
		return NOT_FOUND;
	if (!db_view(&r->db, err))
		return FOUND_ERROR;
	enum found got = get_stakes(r, g, h, out, err);
	db_view_end(&r->db);
	return got;
}

/* ---- receipts ----------------------------------------------------------- */

/* The Merkle path of out->index in its block. */
static enum found get_path(struct reader *r, struct qheight h, struct qreceipt *out, struct err *err)
{
	struct qheader header;
	int64_t first_tx;
	enum found got = reader_get_header(r, h, &header, &first_tx, err);

	if (got != FOUND)
		return got;
	struct qhash *leaves = xcalloc(Q_BLOCK_TXS_MAX, sizeof *leaves), leaf;
	got = reader_get_leaves(r, &header, first_tx, leaves, err);
	merkle_leaf((const uint8_t *)out->tx.qtx_bytes_val, out->tx.qtx_bytes_len, &leaf);
	if (got == FOUND && (out->index >= header.tx_count || !qhash_eq(&leaves[out->index], &leaf))) {
		db_damaged(&r->db, err, "transactions(height=%llu,position=%u) is another in block %llu",
		           (unsigned long long)h.n, out->index, (unsigned long long)h.n);
		got = FOUND_ERROR;
	}
	if (got == FOUND) {
		out->path.path_val = xcalloc(MERKLE_PATH_MAX, sizeof *out->path.path_val);
		out->path.path_len =
		    (u_int)merkle_path(leaves, header.tx_count, out->index, out->path.path_val);
	}
	free(leaves);
	wire_free(WIRE(qheader), &header);
	return got;
}

static enum found get_receipt(struct reader *r, const struct qtxid *id, struct qreceipt *out, struct err *err)
{
	struct tx_place place;
	struct bytes raw;
	struct qchain proof;

	enum found got = get_tx(r, id, &place, &raw, err);
	if (got != FOUND)
		return got;
	out->chain = r->chain;
	out->tx.qtx_bytes_val = raw.data;
	out->tx.qtx_bytes_len = (u_int)raw.len;
	out->index = place.position;
	got = get_path(r, place.height, out, err);
	if (got == FOUND)
		got = get_proof(r, place.height, &proof, err);
	if (got == FOUND) {
		out->headers.headers_len = proof.headers.headers_len; /* moved, as the certificate */
		out->headers.headers_val = proof.headers.headers_val;
		out->cert = proof.cert;
	}
	if (got == FOUND && !reader_proves_receipt(r, id, &place, out, err))
		got = FOUND_ERROR;
	if (got != NOT_FOUND)
		return got;
	db_damaged(&r->db, err, "blocks(height=%llu) is missing", (unsigned long long)place.height.n);
	return FOUND_ERROR;
}

enum found reader_receipt(struct reader *r, const struct qtxid *id, struct qreceipt *out, struct err *err)
{
	*out = (struct qreceipt){0};
	if (!db_view(&r->db, err))
		return FOUND_ERROR;
	enum found got = get_receipt(r, id, out, err);
	db_view_end(&r->db);
	if (got != FOUND)
		wire_free(WIRE(qreceipt), out);
	return got;
}

/* ---- evidence ----------------------------------------------------------- */

/* The current row of EVIDENCE. */
static enum found get_evidence(struct reader *r, int64_t *seq, struct qevidence *out, struct err *err)
{
	const uint8_t *data;
	size_t len;
	struct qjournal entry;

	if (!db_get_int(&r->db, EVIDENCE, 0, seq, err) || !db_get_blob(&r->db, EVIDENCE, 1, &data, &len, err))
		return FOUND_ERROR;
	if (wire_decode(WIRE(qjournal), data, len, &entry)) {
		*out = entry.qjournal_u.evidence; /* moved, if it is one */
		if (entry.kind == QJ_EVIDENCE)
			return FOUND;
		wire_free(WIRE(qjournal), &entry);
	}
	db_damaged(&r->db, err, "journal entry %lld is no evidence", (long long)*seq);
	return FOUND_ERROR;
}

enum found reader_evidence(struct reader *r, int64_t *seq, struct qevidence *out, struct err *err)
{
	enum found got = db_query(&r->db, EVIDENCE, DB_ARGS(db_int((uint64_t)*seq)), err);

	if (got == FOUND)
		got = get_evidence(r, seq, out, err);
	db_done(&r->db, EVIDENCE);
	return got;
}

/* The current row of ATTEMPT. */
static bool get_attempt(struct reader *r, int64_t *seq, struct attempt *out, struct err *err)
{
	struct db *db = &r->db;
	int64_t position;

	if (!db_get_int(db, ATTEMPT, 0, seq, err) ||
	    !db_get_fixed(db, ATTEMPT, 1, out->winner.b, sizeof out->winner.b, err) ||
	    !db_get_fixed(db, ATTEMPT, 2, out->loser.b, sizeof out->loser.b, err) ||
	    !db_get_fixed(db, ATTEMPT, 3, out->signer.b, sizeof out->signer.b, err) ||
	    !db_get_fixed(db, ATTEMPT, 4, out->output.tx.b, sizeof out->output.tx.b, err) ||
	    !db_get_int(db, ATTEMPT, 5, &position, err))
		return false;
	if (position < 0 || position > UINT32_MAX)
		return db_damaged(db, err, "evidence %lld names an output that cannot be", (long long)*seq);
	out->output.index = (uint32_t)position;
	return true;
}

enum found reader_attempt(struct reader *r, const struct qtxid *id, int64_t *seq, struct attempt *out,
                          struct err *err)
{
	enum found got =
	    db_query(&r->db, ATTEMPT, DB_ARGS(db_blob(id->b, sizeof id->b), db_int((uint64_t)*seq)), err);

	if (got == FOUND && !get_attempt(r, seq, out, err))
		got = FOUND_ERROR;
	db_done(&r->db, ATTEMPT);
	if (got == FOUND && !reader_proves_attempt(r, *seq, out, err))
		got = FOUND_ERROR;
	return got;
}
