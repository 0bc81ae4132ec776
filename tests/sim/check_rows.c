/*
 * check_rows.c: a whole ledger file, row by row, against the naive ledger; what its journal says of others.
 */
#include "check_impl.h"

#include <sqlite3.h>

#include "disk.h"
#include "evidence.h"

/* ---- rows --------------------------------------------------------------------------------------------- */

struct audited {
	struct machine *m;
	struct checks *c;
	sqlite3 *db;
};

/* Calls f for each row. False: the file cannot be read. */
static bool each_row(const struct audited *a, const char *sql,
                     void (*f)(const struct audited *, sqlite3_stmt *))
{
	sqlite3_stmt *stmt;
	int rc = SQLITE_ERROR;

	if (sqlite3_prepare_v2(a->db, sql, -1, &stmt, NULL) == SQLITE_OK)
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
			f(a, stmt);
	sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		sim_broken(a->m->sim, "rows: replica %u's ledger: %s: %s", a->m->id, sql,
		           sqlite3_errmsg(a->db));
	return rc == SQLITE_DONE;
}

static bool column_is(sqlite3_stmt *stmt, int col, const void *data, size_t len)
{
	return (size_t)sqlite3_column_bytes(stmt, col) == len &&
	       memcmp(sqlite3_column_blob(stmt, col), data, len) == 0;
}

static void wrong(const struct audited *a, const char *table, int64_t key)
{
	sim_broken(a->m->sim, "rows: replica %u's ledger: %s row %lld is not what the chain says", a->m->id,
	           table, (long long)key);
}

static void block_row(const struct audited *a, sqlite3_stmt *stmt)
{
	uint64_t height = (uint64_t)sqlite3_column_int64(stmt, 0);
	const struct stretch *here = &a->c->chain[height <= a->c->height ? height : 0];
	struct qheader h;

	if (height == 0 || height > a->c->height || !column_is(stmt, 1, here->hash.b, 32) ||
	    !column_is(stmt, 2, here[-1].hash.b, 32) ||
	    !wire_decode(WIRE(qheader), sqlite3_column_blob(stmt, 3), (size_t)sqlite3_column_bytes(stmt, 3),
	                 &h)) {
		wrong(a, "blocks", (int64_t)height);
		return;
	}
	struct qhash hash;
	naive_block_hash(&h, &hash);
	const struct qpow *pow = h.seal.kind == QSEAL_POW ? &h.seal.qseal_u.pow : NULL;
	bool shown = pow ? column_is(stmt, 4, pow->target.b, 32) &&
	                       (uint64_t)sqlite3_column_int64(stmt, 5) == pow->nonce
	                 : sqlite3_column_type(stmt, 4) == SQLITE_NULL;
	if (!qhash_eq(&hash, &here->hash) || !shown ||
	    (uint64_t)sqlite3_column_int64(stmt, 6) != here->proposer)
		wrong(a, "blocks", (int64_t)height);
	wire_free(WIRE(qheader), &h);
}

static void transaction_row(const struct audited *a, sqlite3_stmt *stmt)
{
	struct qtx tx;
	struct qtxid id;
	const struct paid *p = NULL;

	if (wire_decode(WIRE(qtx), sqlite3_column_blob(stmt, 3), (size_t)sqlite3_column_bytes(stmt, 3),
	                &tx)) {
		naive_txid(&a->c->sim->g.chain, &tx.body, &id);
		p = chain_paid(a->c, &id);
		wire_free(WIRE(qtx), &tx);
	}
	if (!p || !column_is(stmt, 1, id.b, 32) || p->height != (uint64_t)sqlite3_column_int64(stmt, 2))
		wrong(a, "transactions", sqlite3_column_int64(stmt, 0));
}

static bool lock_is(sqlite3_stmt *stmt, int col, const struct qlock *lock)
{
	static const char *const names[] = {
	    [QLOCK_STAKE] = "stake", [QLOCK_RELEASE] = "release", [QLOCK_FROZEN] = "frozen"};

	if (lock->kind == QLOCK_NONE)
		return sqlite3_column_type(stmt, col) == SQLITE_NULL &&
		       sqlite3_column_type(stmt, col + 1) == SQLITE_NULL;
	const char *name = names[lock->kind];
	return column_is(stmt, col, name, strlen(name)) &&
	       sqlite3_column_int64(stmt, col + 1) == (int64_t)lock->qlock_u.replica;
}

static void output_row(const struct audited *a, sqlite3_stmt *stmt)
{
	uint64_t height = (uint64_t)sqlite3_column_int64(stmt, 5);
	struct qoutpoint point = {.index = (unsigned)sqlite3_column_int64(stmt, 1)};
	const struct coin *coin = NULL;

	if (sqlite3_column_bytes(stmt, 0) == sizeof point.tx.b) {
		memcpy(point.tx.b, sqlite3_column_blob(stmt, 0), sizeof point.tx.b);
		coin = coin_find(a->c, &point);
	}
	if (!coin || !lock_is(stmt, 6, &coin->out.lock) ||
	    !column_is(stmt, 2, coin->out.owner.b, sizeof coin->out.owner.b) ||
	    coin->out.amount != (uint64_t)sqlite3_column_int64(stmt, 3)) {
		wrong(a, "outputs", (int64_t)point.index);
		return;
	}
	/* Spent later than this ledger goes is unspent here. */
	bool spent = coin->spent != 0 && coin->spent <= height;
	if (spent ? !column_is(stmt, 4, coin->by.b, sizeof coin->by.b)
	          : sqlite3_column_type(stmt, 4) != SQLITE_NULL)
		wrong(a, "outputs", (int64_t)point.index);
}

static void conviction_row(const struct audited *a, sqlite3_stmt *stmt)
{
	uint64_t height = (uint64_t)sqlite3_column_int64(stmt, 0);
	size_t cnt = 0;

	for (size_t i = 0; i < a->c->conviction_cnt; i++)
		cnt += a->c->convictions[i].height == height &&
		       a->c->convictions[i].replica == (unsigned)sqlite3_column_int64(stmt, 1);
	if (cnt != 1)
		wrong(a, "convictions", (int64_t)height);
}

static void conviction_count(const struct audited *a, sqlite3_stmt *stmt)
{
	size_t cnt = 0;

	for (size_t i = 0; i < a->c->conviction_cnt; i++)
		cnt += a->c->convictions[i].height <= (uint64_t)sqlite3_column_int64(stmt, 1);
	if ((size_t)sqlite3_column_int64(stmt, 0) != cnt)
		wrong(a, "number of convictions, height", sqlite3_column_int64(stmt, 1));
}

static void stake_row(const struct audited *a, sqlite3_stmt *stmt)
{
	uint64_t height = (uint64_t)sqlite3_column_int64(stmt, 0);
	unsigned replica = (unsigned)sqlite3_column_int64(stmt, 1);
	const struct table *t = NULL;

	for (size_t i = 0; i < a->c->table_cnt; i++)
		if (a->c->tables[i].height == height)
			t = &a->c->tables[i];
	if (!t || replica >= a->m->sim->n ||
	    (uint64_t)sqlite3_column_int64(stmt, 2) != t->stakes[replica].own ||
	    (uint64_t)sqlite3_column_int64(stmt, 3) != t->stakes[replica].delegated ||
	    (unsigned)sqlite3_column_int64(stmt, 4) != t->weight[replica])
		wrong(a, "stakes", (int64_t)height);
}

static void certificate_row(const struct audited *a, sqlite3_stmt *stmt)
{
	uint64_t height = (uint64_t)sqlite3_column_int64(stmt, 0);
	struct qcert cert;

	if (height > a->c->height || !wire_decode(WIRE(qcert), sqlite3_column_blob(stmt, 1),
	                                          (size_t)sqlite3_column_bytes(stmt, 1), &cert)) {
		wrong(a, "certificates", (int64_t)height);
		return;
	}
	cert_relied_on(a->c, a->m->id, &cert, "ledger file");
	if (cert.vote.height.n != height || !qhash_eq(&cert.vote.block, &a->c->chain[height].hash))
		wrong(a, "certificates", (int64_t)height);
	wire_free(WIRE(qcert), &cert);
}

/* The sender of a signed envelope; n: it proves nothing. */
static unsigned author(const struct sim *s, const struct qenvelope *env)
{
	if (env->sender >= s->n || !ident_verify(&s->g.g.replicas.replicas_val[env->sender].key, &s->g.chain,
	                                         env->body.body_val, env->body.body_len, &env->sig))
		return s->n;
	return env->sender;
}

static void convicts(const struct audited *a, int64_t row, unsigned culprit)
{
	struct sim *s = a->m->sim;

	if (culprit >= s->n)
		sim_broken(s, "evidence: entry %lld of replica %u proves nothing", (long long)row, a->m->id);
	else if (!(check_liars(s) >> culprit & 1))
		sim_broken(s, "evidence: entry %lld of replica %u convicts honest replica %u", (long long)row,
		           a->m->id, culprit);
}

static void evidence_judge(const struct audited *a, int64_t row, const struct qevidence *ev)
{
	struct sim *s = a->m->sim;
	const struct qconflict *x = &ev->qevidence_u.conflict;
	struct err err = {0};

	switch (ev->kind) {
	case QEV_CONFLICT:
		convicts(a, row, author(s, &x->first));
		if (author(s, &x->second) != x->first.sender ||
		    (x->first.body.body_len == x->second.body.body_len &&
		     memcmp(x->first.body.body_val, x->second.body.body_val, x->first.body.body_len) == 0))
			convicts(a, row, s->n);
		break;
	case QEV_BAD_PROPOSAL:
		convicts(a, row, author(s, &ev->qevidence_u.proposal));
		break;
	case QEV_DOUBLE_SPEND:
		break;
	case QEV_FORK:
		sim_broken(s, "evidence: replica %u found a fork with at most f faulty", a->m->id);
		break;
	}
	if (!evidence_verify(&s->g, ev, &err))
		sim_broken(s, "evidence: entry %lld of replica %u: %s", (long long)row, a->m->id, err.text);
}

static void journal_row(const struct audited *a, sqlite3_stmt *stmt)
{
	struct qjournal j;

	if (!wire_decode(WIRE(qjournal), sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1),
	                 &j)) {
		wrong(a, "journal", sqlite3_column_int64(stmt, 0));
		return;
	}
	if (j.kind == QJ_EVIDENCE)
		evidence_judge(a, sqlite3_column_int64(stmt, 0), &j.qjournal_u.evidence);
	else if (j.kind == QJ_STABLE)
		cert_relied_on(a->c, a->m->id, &j.qjournal_u.stable, "journal");
	wire_free(WIRE(qjournal), &j);
}

static void count_row(const struct audited *a, sqlite3_stmt *stmt)
{
	uint64_t height = (uint64_t)sqlite3_column_int64(stmt, 0);

	if (height > a->c->height || (uint64_t)sqlite3_column_int64(stmt, 1) != height ||
	    (uint64_t)sqlite3_column_int64(stmt, 2) != a->c->chain[height].transactions ||
	    (uint64_t)sqlite3_column_int64(stmt, 3) != a->c->chain[height].unspent)
		wrong(a, "number of blocks, transactions or unspent outputs, height", (int64_t)height);
}

void chain_audit(struct machine *m)
{
	static const struct {
		const char *sql;
		void (*f)(const struct audited *, sqlite3_stmt *);
	} tables[] = {
	    {"SELECT (SELECT ifnull(max(height), 0) FROM blocks), (SELECT count(*) FROM blocks),"
	     " (SELECT count(*) - 1 FROM transactions), (SELECT count(*) FROM outputs WHERE spent_by IS "
	     "NULL)",
	     count_row},
	    {"SELECT height, hash, parent, header, target, nonce, proposer FROM blocks ORDER BY height",
	     block_row},
	    {"SELECT seq, txid, height, raw FROM transactions WHERE seq > 0 ORDER BY seq", transaction_row},
	    {"SELECT t.txid, o.position, o.owner, o.amount, s.txid, (SELECT ifnull(max(height), 0) FROM "
	     "blocks), o.lock, o.replica"
	     " FROM outputs o JOIN transactions t ON t.seq = o.tx LEFT JOIN transactions s ON s.seq = "
	     "o.spent_by",
	     output_row},
	    {"SELECT height, replica FROM convictions", conviction_row},
	    {"SELECT count(*), (SELECT ifnull(max(height), 0) FROM blocks) FROM convictions",
	     conviction_count},
	    {"SELECT height, replica, own, delegated, turns FROM stakes", stake_row},
	    {"SELECT height, certificate FROM certificates ORDER BY height", certificate_row},
	    {"SELECT seq, entry FROM journal ORDER BY seq", journal_row},
	};
	struct audited a = {m, m->sim->checks, NULL};
	char path[32];

	must(!m->replica);
	snprintf(path, sizeof path, "/%u/ledger.db", m->slot);
	if (sqlite3_open_v2(path, &a.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, DISK_VFS) != SQLITE_OK)
		sim_broken(m->sim, "rows: replica %u's ledger cannot be opened: %s", m->id,
		           sqlite3_errmsg(a.db));
	for (size_t i = 0; i < sizeof tables / sizeof *tables && !m->sim->broken; i++)
		each_row(&a, tables[i].sql, tables[i].f);
	sqlite3_close(a.db);
}
