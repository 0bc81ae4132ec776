/*
 * rows.c: see rows.h.
 */
#include "rows.h"

#include <string.h>

#include "schedule.h"

static const char *const lock_words[] = {
    [QLOCK_NONE] = NULL, [QLOCK_STAKE] = "stake", [QLOCK_RELEASE] = "release", [QLOCK_FROZEN] = "frozen"};
static const char *const vote_words[] = {
    [QPREPARE] = "prepare", [QCOMMIT] = "commit", [QCHECKPOINT] = "checkpoint"};

struct db_value row_lock(const struct qlock *lock)
{
	return lock->kind == QLOCK_NONE ? db_null() : db_text(lock_words[lock->kind]);
}

struct db_value row_locked_for(const struct qlock *lock)
{
	return lock->kind == QLOCK_NONE ? db_null() : db_int(lock->qlock_u.replica);
}

bool row_get_lock(struct db *db, size_t which, int col, unsigned n, struct qlock *out, struct err *err)
{
	const char *word;
	int64_t replica;

	*out = (struct qlock){.kind = QLOCK_NONE};
	if (db_is_null(db, which, col) && db_is_null(db, which, col + 1))
		return true;
	if (!db_get_text(db, which, col, &word, err) || !db_get_int(db, which, col + 1, &replica, err))
		return false;
	enum qlock_kind kind = QLOCK_STAKE;
	while (kind <= QLOCK_FROZEN && strcmp(lock_words[kind], word) != 0)
		kind++;
	if (kind > QLOCK_FROZEN || replica < 0 || replica >= n)
		return db_damaged(db, err, "an output is locked in a way that cannot be: %.20s for %lld",
		                  word, (long long)replica);
	out->kind = kind;
	out->qlock_u.replica = (unsigned)replica;
	return true;
}

const char *row_vote(enum qkind kind)
{
	must(kind == QPREPARE || kind == QCOMMIT || kind == QCHECKPOINT);
	return vote_words[kind];
}

bool row_get_vote(struct db *db, size_t which, int col, enum qkind *out, struct err *err)
{
	const char *word;

	if (!db_get_text(db, which, col, &word, err))
		return false;
	for (*out = QPREPARE; *out <= QCHECKPOINT; ++*out)
		if (strcmp(vote_words[*out], word) == 0)
			return true;
	return db_damaged(db, err, "a conviction is for votes of an unknown kind");
}

/* ---- stake tables ------------------------------------------------------- */

struct qheight row_first_height(const struct qstake_rules *r, struct qheight settled)
{
	return qheight_of(settled.n == 0 ? 1 : settled.n + r->epoch + 1);
}

/* The current row, which must be replica i's; what all have together is added to *sum. */
static bool get_stake(struct db *db, size_t which, unsigned i, uint64_t supply, struct stake_table *out,
                      uint64_t *sum, struct err *err)
{
	int64_t replica, own, delegated, turns, first;

	if (!db_get_int(db, which, 0, &replica, err) || !db_get_int(db, which, 1, &own, err) ||
	    !db_get_int(db, which, 2, &delegated, err) || !db_get_int(db, which, 3, &turns, err) ||
	    !db_get_int(db, which, 4, &first, err))
		return false;
	bool ok = replica == i && turns >= 0 && turns <= SCHEDULE_CYCLE && (uint64_t)own <= supply - *sum &&
	          (uint64_t)delegated <= supply - *sum - (uint64_t)own;
	if (!ok || (uint64_t)first != out->first.n)
		return db_damaged(db, err, "the stake table of height %llu cannot be: row %u",
		                  (unsigned long long)out->height.n, i);
	*sum += (uint64_t)own + (uint64_t)delegated;
	out->of[i].own = (uint64_t)own;
	out->of[i].delegated = (uint64_t)delegated;
	out->of[i].turns = (unsigned)turns;
	return true;
}

bool row_get_table(struct db *db, size_t which, const struct genesis *g, struct qheight height,
                   struct stake_table *out, struct err *err)
{
	uint64_t sum = 0;
	unsigned cnt = 0;

	*out = (struct stake_table){.height = height, .first = row_first_height(stake_rules(g), height)};
	enum found got = db_query(db, which, DB_ARGS(db_int(height.n)), err);
	for (; got == FOUND && cnt < g->n; got = db_next(db, which, err))
		if (!get_stake(db, which, cnt++, g->supply, out, &sum, err)) {
			db_done(db, which);
			return false;
		}
	db_done(db, which);
	if (got == NOT_FOUND && cnt == g->n)
		return true;
	return got != FOUND_ERROR &&
	       db_damaged(db, err, "the stake table of height %llu has %s rows", (unsigned long long)height.n,
	                  cnt < g->n ? "too few" : "too many");
}

/* ---- evidence and replicas ----------------------------------------------- */

void row_evidence(qevidence_kind kind, const struct evidence_facts *f, struct db_value out[ROW_EVIDENCE])
{
	bool stated = kind != QEV_DOUBLE_SPEND;
	bool placed = stated && f->statement != QVIEW_CHANGE && f->statement != QNEW_VIEW;
	const struct db_value row[ROW_EVIDENCE] = {
	    db_text(evidence_kind_name(kind)),
	    stated ? db_text(statement_name(f->statement)) : db_null(),
	    stated ? db_int(f->view.n) : db_null(),
	    placed ? db_int(f->height.n) : db_null(),
	    db_blob(f->first.b, sizeof f->first.b),
	    kind != QEV_BAD_PROPOSAL ? db_blob(f->second.b, sizeof f->second.b) : db_null(),
	    stated ? db_null() : db_blob(f->signer.b, sizeof f->signer.b),
	    stated ? db_null() : db_blob(f->output.tx.b, sizeof f->output.tx.b),
	    stated ? db_null() : db_int(f->output.index),
	};

	memcpy(out, row, sizeof row);
}

void row_replica(const struct qreplica *r, struct db_value out[ROW_REPLICA])
{
	const struct qaddress *account = r->account.account_len ? r->account.account_val : NULL;

	out[0] = db_text(r->name);
	out[1] = db_blob(r->key.b, sizeof r->key.b);
	out[2] = account ? db_blob(account->b, sizeof account->b) : db_null();
}
