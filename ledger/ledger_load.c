/*
 * ledger_load.c: the ledger's rows into memory, at start and for a digest of the past, believing none of them
 * that cannot be true.
 *
 * What is checked here makes the rest safe to rely on; whether everything in the file is true, `quorate
 * audit` finds out.
 */
#include <string.h>

#include "ledger_impl.h"

/* Blocks below the tip whose hashes and links are checked at start; the whole proof is the audit's. */
#define CHECKED_AT_START 64

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
	int64_t blocks, height, transactions, last_seq, outputs, inputs, stakes;
};

static bool load_counts(struct ledger *l, struct counts *c, struct err *err)
{
	int64_t *const into[] = {&c->blocks,  &c->height, &c->transactions, &c->last_seq,
	                         &c->outputs, &c->inputs, &c->stakes};
	bool ok = db_query(&l->db, COUNT_ROWS, DB_NONE, err) == FOUND;

	for (int i = 0; ok && i < 7; i++)
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

/* Does the current row of LAST_BLOCKS name this seal? */
static bool seal_stands(struct db *db, const struct qseal *seal)
{
	const struct qpow *pow = &seal->qseal_u.pow;
	struct qtarget target;
	struct err ignored;
	int64_t nonce;

	if (seal->kind == QSEAL_NONE)
		return db_is_null(db, LAST_BLOCKS, 6) && db_is_null(db, LAST_BLOCKS, 7);
	return db_get_fixed(db, LAST_BLOCKS, 6, target.b, sizeof target.b, &ignored) &&
	       db_get_int(db, LAST_BLOCKS, 7, &nonce, &ignored) && (uint64_t)nonce == pow->nonce &&
	       memcmp(target.b, pow->target.b, sizeof target.b) == 0;
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
	bool sealed = seal_stands(db, &header.seal);
	uint32_t tx_count = header.tx_count;
	if (ok)
		seal_extend(&l->seal, &header);
	wire_free(WIRE(qheader), &header);
	if (!ok)
		return db_damaged(db, err, "block %lld: hash or parent do not fit", (long long)height);
	if (!sealed)
		return db_damaged(db, err, "block %lld: target or nonce are not its header's",
		                  (long long)height);
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

/* The entry of the current row of EVIDENCE_MISSING: does it say anything, so that it must have a row? */
static bool says_something(struct ledger *l, const uint8_t *data, size_t len)
{
	struct evidence_facts facts;
	struct qjournal entry;

	if (!wire_decode(WIRE(qjournal), data, len, &entry))
		return false;
	bool says =
	    entry.kind == QJ_EVIDENCE && evidence_facts(l->genesis, &entry.qjournal_u.evidence, &facts);
	wire_free(WIRE(qjournal), &entry);
	return says;
}

static bool load_evidence_entries(struct ledger *l, struct err *err)
{
	struct db *db = &l->db;
	const uint8_t *data;
	int64_t seq;
	size_t len;

	enum found got = db_query(db, EVIDENCE_MISSING, DB_NONE, err);
	for (; got == FOUND; got = db_next(db, EVIDENCE_MISSING, err)) {
		bool ok = db_get_int(db, EVIDENCE_MISSING, 0, &seq, err) &&
		          db_get_blob(db, EVIDENCE_MISSING, 1, &data, &len, err);
		if (ok && says_something(l, data, len))
			ok = db_damaged(db, err, "evidence(seq=%lld): the row is missing", (long long)seq);
		if (!ok) {
			db_done(db, EVIDENCE_MISSING);
			return false;
		}
	}
	return got != FOUND_ERROR;
}

/* Each entry of evidence has its row, and there are no others; what the rows say the audit compares. */
static bool load_evidence(struct ledger *l, struct err *err)
{
	struct db *db = &l->db;
	const char *table;
	int64_t seq;

	if (!load_evidence_entries(l, err))
		return false;
	enum found got = db_query(db, EVIDENCE_EXTRA, DB_NONE, err);
	if (got != FOUND)
		return got == NOT_FOUND;
	if (db_get_text(db, EVIDENCE_EXTRA, 0, &table, err) && db_get_int(db, EVIDENCE_EXTRA, 1, &seq, err))
		db_damaged(db, err, "%s(seq=%lld): the journal has no such evidence", table, (long long)seq);
	db_done(db, EVIDENCE_EXTRA);
	return false;
}

/* The replicas are those of the genesis. */
static bool load_replicas(struct ledger *l, struct err *err)
{
	struct db *db = &l->db;
	struct db_value want[1 + ROW_REPLICA];
	bool same = true;
	unsigned cnt = 0;

	enum found got = db_query(db, REPLICAS, DB_NONE, err);
	for (; got == FOUND && same && cnt < l->genesis->n; got = db_next(db, REPLICAS, err), cnt++) {
		want[0] = db_int(cnt);
		row_replica(&l->genesis->g.replicas.replicas_val[cnt], want + 1);
		for (int i = 0; i < 1 + ROW_REPLICA; i++)
			same = same && db_is(db, REPLICAS, i, &want[i]);
	}
	db_done(db, REPLICAS);
	if (got == FOUND_ERROR)
		return false;
	return (same && got == NOT_FOUND && cnt == l->genesis->n) ||
	       db_damaged(db, err, "replicas: they are not those of the genesis");
}

/* The current row of CONVICTIONS into the state after height `h`. */
static bool load_conviction(struct ledger *l, struct qheight h, struct state *into, struct err *err)
{
	const struct qstaking *staking = state_staking(into);
	struct db *db = &l->db;
	int64_t height, replica, tx_height;

	if (!db_get_int(db, CONVICTIONS, 0, &height, err) || !db_get_int(db, CONVICTIONS, 1, &replica, err) ||
	    !db_get_int(db, CONVICTIONS, 2, &tx_height, err))
		return false;
	if ((uint64_t)height > h.n || height != tx_height || replica < 0 ||
	    replica >= staking->convicted.convicted_len ||
	    (uint64_t)height <= staking->convicted.convicted_val[replica].n)
		return db_damaged(db, err, "the conviction of replica %lld at height %lld cannot be",
		                  (long long)replica, (long long)height);
	state_convict(into, (unsigned)replica, qheight_of((uint64_t)height));
	return true;
}

/* Those up to height `most` into the state after height `h`. */
static bool load_convictions(struct ledger *l, uint64_t most, struct qheight h, struct state *into,
                             struct err *err)
{
	enum found got = db_query(&l->db, CONVICTIONS, DB_ARGS(db_int(most)), err);

	for (; got == FOUND; got = db_next(&l->db, CONVICTIONS, err))
		if (!load_conviction(l, h, into, err)) {
			db_done(&l->db, CONVICTIONS);
			return false;
		}
	return got != FOUND_ERROR;
}

static bool load_table(struct ledger *l, struct qheight height, struct state *into, struct err *err)
{
	struct qstake stakes[Q_REPLICAS_MAX];
	struct qtable t = {.height = height, .stakes = {l->genesis->n, stakes}};
	struct stake_table rows;
	struct schedule made;

	if (!row_get_table(&l->db, STAKE_TABLE, l->genesis, height, &rows, err))
		return false;
	for (unsigned i = 0; i < l->genesis->n; i++)
		stakes[i] = (struct qstake){rows.of[i].own, rows.of[i].delegated};
	schedule_make(l->genesis, &t, &made);
	for (unsigned i = 0; i < l->genesis->n; i++)
		if (made.weight[i] != rows.of[i].turns)
			return db_damaged(&l->db, err,
			                  "the stakes of height %llu do not give replica %u %u turns",
			                  (unsigned long long)height.n, i, rows.of[i].turns);
	state_settle(into, &t);
	return true;
}

/* The newest tables at height `h` into the state after it. */
static bool load_tables(struct ledger *l, struct qheight h, struct state *into, struct err *err)
{
	const struct qstake_rules *r = stake_rules(l->genesis);
	const struct qstaking *staking = state_staking(into);

	if (!r)
		return true;
	uint64_t last = h.n / r->epoch * r->epoch;
	if (last > 0 && !load_table(l, qheight_of(last - r->epoch), into, err))
		return false;
	if (!load_table(l, qheight_of(last), into, err))
		return false;
	const struct qtable *newest = &staking->settled.settled_val[staking->settled.settled_len - 1];
	for (unsigned i = 0; h.n == last && i < l->genesis->n; i++) {
		const struct qstake *table = &newest->stakes.stakes_val[i],
		                    *sum = &staking->stakes.stakes_val[i];
		if (table->own != sum->own || table->delegated != sum->delegated)
			return db_damaged(&l->db, err,
			                  "the stake table of height %llu is not what was staked for "
			                  "replica %u",
			                  (unsigned long long)last, i);
	}
	return true;
}

static bool load_stakes(struct ledger *l, const struct counts *c, struct err *err)
{
	const struct qstake_rules *r = stake_rules(l->genesis);
	uint64_t want = r ? (l->height.n / r->epoch + 1) * l->genesis->n : 0;

	if ((uint64_t)c->stakes != want)
		return db_damaged(&l->db, err, "the stake tables have %lld rows; must be %llu",
		                  (long long)c->stakes, (unsigned long long)want);
	return load_tables(l, l->height, l->state, err);
}

static bool load_state(struct ledger *l, const struct counts *c, struct err *err)
{
	if (!load_convictions(l, INT64_MAX, l->height, l->state, err) || !load_unspent(l, err))
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

bool load_ledger(struct ledger *l, struct err *err)
{
	struct counts counts = {0};

	return check_chain(l, err) && load_replicas(l, err) && load_counts(l, &counts, err) &&
	       load_tip(l, err) && load_journal(l, err) && load_evidence(l, err) &&
	       load_state(l, &counts, err) && load_stakes(l, &counts, err);
}

/* ---- the past ----------------------------------------------------------- */

/* The state after height `h`, before the transaction with this number. */
bool load_past(struct ledger *l, struct qheight h, int64_t next_seq, struct state *into, struct err *err)
{
	return load_convictions(l, h.n, h, into, err) && load_unspent_at(l, h, next_seq, into, err) &&
	       load_tables(l, h, into, err);
}
