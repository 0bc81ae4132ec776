/*
 * check_votes.c: what honest replicas sign and show: one statement at each place for ever, no vote in a view
 * that was left, nothing that is not on disk, nothing that the protocol's rules do not bear.
 *
 * Who is exempt, and why. A machine is spoiled once its disk broke a promise; it is then one of the f.
 *   restored, rotten   they do not know what they signed: no rule that rests on memory binds them. Until it
 *                      finds out (OWN1), a restored one may well sign against itself: that is what the f are
 * for. rotten             may besides have any state at all, as long as it is not found out: nothing binds
 * it. wiped              knows that it knows nothing: it must be silent until a stable checkpoint passes its
 * bar (ST5). After that what it signs is at heights where it never signed, unless what its peers said of
 * themselves came late (delays, replays, pauses), or a traitor lied to it: then the bar may be low
 * (docs/PROTOCOL.md, Recovery). View changes are not covered by the bar. Their votes are never counted as
 * honest ones: check_liars() counts them for whatever they like.
 */
#include "check_impl.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "disk.h"
#include "pool_impl.h"

/* What a message of an honest replica claims. */
struct claim {
	struct machine *m;
	struct watched *w;
	struct checks *c;
	struct message *message;
	enum qkind kind;
	uint64_t view, height;
	struct qhash block; /* of the vote or proposal */
	struct qhash what;
	bool first; /* it was never shown before */
};

static struct voter *voter_of(const struct claim *x)
{
	return &x->c->voters[x->m->id];
}

static bool votes_in_a_view(enum qkind kind)
{
	return kind == QPRE_PREPARE || kind == QPREPARE || kind == QCOMMIT;
}

/* ---- the rules: NULL, or what is wrong --------------------------------------------------------------------
 */

/* No message that an honest replica receives can be late by much, and nobody lies to it. */
static bool timely(const struct sim *s)
{
	return s->traitors == 0 && !fault_on(s, FAULT_DELAY) && !fault_on(s, FAULT_REPLAY) &&
	       !fault_on(s, FAULT_PAUSE);
}

static const char *once(const struct claim *x)
{
	struct place at;
	struct said *s;

	memset(&at, 0, sizeof at);
	at = (struct place){x->m->id, (uint64_t)x->kind, x->view, x->height};
	HASH_FIND(hh, x->c->said, &at, sizeof at, s);
	if (!s)
		return NULL;
	bool bound =
	    !x->m->spoiled || (x->height > 0 && !x->m->restored && !x->m->rotten && timely(x->c->sim));
	if (bound && !qhash_eq(&s->what, &x->what))
		return "it signed another one at this place before";
	return NULL;
}

static const char *not_after_leaving(const struct claim *x)
{
	if (votes_in_a_view(x->kind) && x->view < voter_of(x)->asked)
		return "it asked for a later view before";
	if (x->kind == QVIEW_CHANGE && x->view < voter_of(x)->asked)
		return "it asked for a later view before";
	if (x->kind == QVIEW_CHANGE && x->first && x->view <= voter_of(x)->entered)
		return "it voted in that view or a later one before";
	return NULL;
}

/* A VIEW-CHANGE shows everything that a COMMIT of this replica rests on: the tip, or what is prepared above
 * it. */
static const char *hides_nothing(const struct claim *x)
{
	const struct qview_change *vc = &x->message->m.qmessage_u.view_change;
	const struct voter *v = voter_of(x);

	if (x->kind != QVIEW_CHANGE || !x->first)
		return NULL;
	uint64_t tip = vc->tip.tip_len ? vc->tip.tip_val[0].vote.height.n : 0;
	if (tip < v->reported)
		return "it reported a higher tip before";
	for (size_t i = 0; i < v->commit_cnt; i++) {
		const struct committed *mine = &v->commits[i];
		bool there = mine->height <= tip;
		for (unsigned k = 0; k < vc->prepared.prepared_len && !there; k++) {
			const struct qprepared *p = &vc->prepared.prepared_val[k];
			there = p->header.height.n == mine->height &&
			        (p->cert.vote.view.n > mine->view ||
			         (p->cert.vote.view.n == mine->view &&
			          qhash_eq(&p->cert.vote.block, &mine->block)));
		}
		if (!there)
			return "it hides what it sent COMMIT for";
	}
	return NULL;
}

/* VC3, T3: a replica goes on to the next view by itself; further only where f+1 others are. */
static const char *joins(const struct claim *x)
{
	uint64_t own = voter_of(x)->asked, entered = x->m->replica->engine->entered.n;
	unsigned there = 0;

	if (x->kind != QVIEW_CHANGE || !x->first)
		return NULL;
	own = entered > own ? entered : own;
	for (unsigned i = 0; i < x->c->sim->n; i++)
		there += i != x->m->id && x->c->voters[i].heard >= x->view;
	return x->view <= own + 1 || there > x->c->sim->f ? NULL : "not f+1 others ask for that view";
}

static const char *below_watermark(const struct claim *x) /* PP3 */
{
	uint64_t high =
	    x->m->replica->engine->stable.n + 2 * (uint64_t)x->c->sim->g.g.params.checkpoint_interval;

	if ((x->kind != QPREPARE && x->kind != QPRE_PREPARE) || !x->first)
		return NULL;
	return x->height <= high ? NULL : "it is above the high watermark";
}

/* PP9. Where clocks are wrong, they may have jumped since the vote was made. */
static const char *not_of_the_future(const struct claim *x)
{
	const struct engine *e = x->m->replica->engine;
	const struct slot *slot = e->slots ? &e->slots[x->height % e->params->window] : NULL;

	if (x->kind != QPREPARE || !x->first || fault_on(x->c->sim, FAULT_CLOCK) || !slot ||
	    !slot->proposal || !slot->cur || !qhash_eq(&slot->cur->hash, &x->block))
		return NULL;
	/* The calm may have begun with clocks set ahead, for all alike. */
	uint64_t clock_ms = SIM_WALL_MS + x->c->sim->now_ms + (uint64_t)x->m->wall_skew_ms;
	return slot->cur->header.time_ms <= clock_ms + e->params->drift_ms ? NULL
	                                                                   : "its time is too far ahead";
}

/* What anybody says of the view that he asks for. */
void votes_heard(struct checks *c, const struct message *m)
{
	struct voter *v = &c->voters[m->sender];
	uint64_t view = 0;

	if (m->m.kind == QVIEW_CHANGE)
		view = m->m.qmessage_u.view_change.view.n;
	else if (m->m.kind == QSTATUS)
		view = m->m.qmessage_u.status.asked.n;
	else if (m->m.kind == QNEW_VIEW) /* it shows others' */
		for (unsigned i = 0; i < m->m.qmessage_u.new_view.changes.changes_len; i++)
			votes_heard(c, m->changes[i]);
	v->heard = view > v->heard ? view : v->heard;
}

static const char *leads(const struct claim *x)
{
	const struct qproposal *p = &x->message->m.qmessage_u.proposal;
	const struct genesis *g = &x->c->sim->g;
	struct qhash root;

	if (x->kind == QNEW_VIEW && x->view % x->c->sim->n != x->m->id)
		return "it does not lead that view";
	if (x->kind != QPRE_PREPARE || !x->first)
		return NULL;
	if (p->header.proposer != x->m->id)
		return "it names another proposer";
	naive_root(p->leaves.leaves_val, p->leaves.leaves_len, &root);
	if (p->header.format != 1 || p->leaves.leaves_len == 0 ||
	    p->leaves.leaves_len != p->header.tx_count || p->header.tx_count > g->g.params.block_txs_max ||
	    !qhash_eq(&root, &p->header.merkle_root))
		return "the header does not describe the leaves";
	const struct known *parent = known_find(x->c, &p->header.parent);
	if (x->height > 1 &&
	    !(parent && parent->shown)) /* on its disk alone: the power went before it was sent */
		return x->m->lives > 1 ? NULL : "nobody knows the parent";
	uint64_t parent_ms = x->height > 1 ? parent->header.time_ms : g->g.time_ms;
	if (x->height > 1 ? parent->header.height.n != x->height - 1
	                  : !qhash_eq(&p->header.parent, &g->chain))
		return "the parent is not at the height below";
	return p->header.time_ms > parent_ms ? NULL : "its time is not after its parent's";
}

/* Does this NEW-VIEW let a replica vote for the block at that height? A proposal is never at a bound one. */
static bool allowed_by(const struct claim *x, const struct new_view *nv)
{
	uint64_t end = nv->s + nv->o_cnt;
	const struct known *k;

	if (x->height <= nv->s)
		return false;
	if (x->height <= end)
		return x->kind != QPRE_PREPARE && qhash_eq(&nv->o[x->height - nv->s - 1], &x->block);
	if (x->height > end + 1)
		return true;
	/* The block after O extends it; or what was certified at its end since. */
	k = known_find(x->c, &x->block);
	const struct qhash *below = nv->o_cnt ? &nv->o[nv->o_cnt - 1] : &nv->s_hash;
	const struct settled *s = settled_at(x->c, end);
	return k && k->shown &&
	       (qhash_eq(&k->header.parent, below) || (s && qhash_eq(&k->header.parent, &s->block)));
}

static const char *in_its_view(const struct claim *x)
{
	bool any = false;

	if (!votes_in_a_view(x->kind) || !x->first || x->view == 0)
		return NULL;
	for (size_t i = x->c->new_view_cnt; i-- > 0;) {
		if (x->c->new_views[i].view != x->view)
			continue;
		if (allowed_by(x, &x->c->new_views[i]))
			return NULL;
		any = true;
	}
	/* Its own NEW-VIEW may be on its disk alone: the power went before it was sent. */
	if (!any && x->view % x->c->sim->n == x->m->id && x->m->lives > 1)
		return NULL;
	return any ? "the NEW-VIEW forbids it" : "nobody ever made a NEW-VIEW for it";
}

static const char *for_a_block(const struct claim *x)
{
	const struct known *k;

	if (!votes_in_a_view(x->kind) || !x->first)
		return NULL;
	k = known_find(x->c, &x->block);
	if (x->kind != QPRE_PREPARE && !(k && k->shown))
		return "nobody showed that block";
	return !k || k->header.height.n == x->height ? NULL : "the block is of another height";
}

/* CO1: everything from the tip up is prepared in this view, each on the one below. */
static const char *prepared(const struct claim *x)
{
	const struct engine *e = x->m->replica->engine;
	const struct known *k = NULL;
	struct qhash at = x->block;

	if (x->kind != QCOMMIT || !x->first)
		return NULL;
	for (uint64_t h = x->height; h == x->height || h > e->tip.n; h--) {
		k = known_find(x->c, &at);
		if (!k || !k->shown)
			return "an ancestor above its tip was never shown";
		if (!tally_enough(x->c, QPREPARE, x->view, h, &at, x->m->id))
			return "not everything from its tip up can be prepared in that view";
		at = k->header.parent;
	}
	return x->height <= e->tip.n || qhash_eq(&at, &e->tip_hash) ? NULL : "it does not extend its tip";
}

/* PP1: what no NEW-VIEW of the view binds is prepared only if it is the scheduled proposer's. */
static const char *in_turn(const struct claim *x)
{
	const struct known *k = known_find(x->c, &x->block);
	int proposer;

	if ((x->kind != QPRE_PREPARE && x->kind != QPREPARE) || !x->first || !k || !k->shown)
		return NULL;
	for (size_t i = 0; i < x->c->new_view_cnt && x->kind == QPREPARE; i++) {
		const struct new_view *nv = &x->c->new_views[i];
		if (nv->view == x->view && x->height > nv->s && x->height <= nv->s + nv->o_cnt)
			return NULL; /* in_its_view() */
	}
	proposer = turns_proposer(x->c, x->height, x->view);
	return proposer < 0 || proposer == (int)k->header.proposer ? NULL : "it is not its proposer's turn";
}

/* Bound or fresh: whoever prepares a block has seen its seal, or that a quorum has. */
static const char *sealed(const struct claim *x)
{
	const struct known *k;

	if (!votes_in_a_view(x->kind) || !x->first)
		return NULL;
	k = known_find(x->c, &x->block);
	return k && k->shown ? seal_wrong(x->c, &k->header) : NULL;
}

static const char *true_checkpoint(const struct claim *x)
{
	const struct qvote *v = &x->message->m.qmessage_u.vote;
	struct checks *c = x->c;

	if (x->kind != QCHECKPOINT || !x->first)
		return NULL;
	if (x->view != 0 || x->height % c->sim->g.g.params.checkpoint_interval != 0)
		return "no checkpoint is due there";
	if (c->height < x->height)
		chain_turn(x->m, x->w);
	if (c->height < x->height)
		return fault_on(c->sim, FAULT_STORE) || c->sim->broken ? NULL : "no ledger is that far";
	const struct stretch *there = &c->chain[x->height];
	if (!qhash_eq(&v->block, &there->hash))
		return "another block is there";
	return qhash_eq(&v->state, &there->digest) ? NULL : "the state digest is another";
}

/* ST5. The engine knows its bar; here it is what any true answers make it. */
static const char *silent_without_memory(const struct claim *x)
{
	const struct engine *e = x->m->replica->engine;

	if (!x->w->amnesiac || !x->first || x->c->sim->n == 1)
		return NULL;
	if (votes_amnesiac(x->m->replica->votes))
		return "its vote log was lost and it did not recover yet";
	if (e->stable.n < 4 * (uint64_t)x->c->sim->g.g.params.checkpoint_interval)
		return "its vote log was lost and no stable checkpoint can be above its bar yet";
	if (timely(x->c->sim) && !x->m->restored && !x->m->rotten && e->stable.n < voter_of(x)->height)
		return "its vote log was lost and it voted above the stable checkpoint before";
	return NULL;
}

/* ---- durable before sent
 * -------------------------------------------------------------------------------------- */

#define SAMPLE 64     /* one new statement in so many is looked for on the disk */
#define SHORT_MS 1000 /* every one in a storm that is shorter */

static bool sampled(const struct claim *x)
{
	return x->c->sim->o.storm_ms <= SHORT_MS || x->c->statements % SAMPLE == 0;
}

static enum vote_record_kind record_of(enum qkind kind)
{
	switch (kind) {
	case QPRE_PREPARE:
		return REC_PRE_PREPARE;
	case QPREPARE:
		return REC_PREPARE;
	case QCOMMIT:
		return REC_COMMIT;
	case QCHECKPOINT:
		return REC_CHECKPOINT;
	case QVIEW_CHANGE:
		return REC_VIEW_CHANGE;
	case QNEW_VIEW:
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QCHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return REC_NEW_VIEW;
}

static const char find_record[] = "SELECT bytes FROM log WHERE kind = ? AND view = ? AND height = ?";

/* One row; its blob, if `bytes`, must be these. 1: it is so; 0: not; -1: the file cannot be read. */
static int has_row(sqlite3 *db, const char *sql, uint64_t a, uint64_t b, uint64_t c,
                   const struct bytes *bytes)
{
	sqlite3_stmt *stmt;
	int found = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return -1;
	sqlite3_bind_int64(stmt, 1, (int64_t)a);
	sqlite3_bind_int64(stmt, 2, (int64_t)b);
	sqlite3_bind_int64(stmt, 3, (int64_t)c);
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE)
		found = 0;
	else if (rc == SQLITE_ROW)
		found = !bytes || ((size_t)sqlite3_column_bytes(stmt, 0) == bytes->len &&
		                   memcmp(sqlite3_column_blob(stmt, 0), bytes->data, bytes->len) == 0);
	sqlite3_finalize(stmt);
	return found;
}

/* CO2: from the tip up to a COMMIT's height, the prepared certificates. */
static const char *prepared_on_disk(const struct claim *x, sqlite3 *db)
{
	uint64_t tip = x->m->replica->engine->tip.n;

	for (uint64_t h = tip + 1; x->kind == QCOMMIT && h <= x->height; h++)
		if (has_row(db, find_record, REC_PREPARED, 0, h, NULL) != 1)
			return "a prepared certificate from its tip up is not on its disk";
	return NULL;
}

/* With its PREPARE; unless it was executed since. */
static bool block_on_disk(const struct claim *x, sqlite3 *db)
{
	sqlite3_stmt *stmt;
	bool found = x->height <= x->m->replica->engine->executed.n;

	if (found || has_row(db, find_record, REC_PREPARE, x->view, x->height, NULL) != 1 ||
	    sqlite3_prepare_v2(db, "SELECT 1 FROM blocks WHERE hash = ?", -1, &stmt, NULL) != SQLITE_OK)
		return found;
	sqlite3_bind_blob(stmt, 1, x->block.b, sizeof x->block.b, SQLITE_STATIC);
	found = sqlite3_step(stmt) == SQLITE_ROW;
	sqlite3_finalize(stmt);
	return found;
}

static const char *record_on_disk(const struct claim *x, sqlite3 *db)
{
	const struct engine *e = x->m->replica->engine;
	uint64_t kind = record_of(x->kind),
	         forgotten = e->stable.n < e->executed.n ? e->stable.n : e->executed.n;
	struct bytes bytes;
	int found;

	must(wire_encode(WIRE(qenvelope), &x->message->env, &bytes));
	found = has_row(db, find_record, kind, x->view, x->height, &bytes);
	/* A newer one took its place in this very turn: it can never be made again. */
	if (found == 0 && (x->kind == QVIEW_CHANGE || x->kind == QNEW_VIEW))
		found = has_row(db, "SELECT bytes FROM log WHERE kind = ? AND view > ? AND height = ?", kind,
		                x->view, 0, NULL);
	bytes_free(&bytes);
	if (found == 1 && (x->kind == QPRE_PREPARE || x->kind == QPREPARE) && !block_on_disk(x, db))
		return "the block that it votes for is not on its disk";
	if (found == 1 || (x->height > 0 && x->height <= forgotten))
		return prepared_on_disk(x, db);
	return found < 0 ? "its vote log cannot be read" : "it is not on its disk as it was sent";
}

/* What a power loss at this moment is sure to leave is opened as a restart would. */
static const char *look_on_disk(const struct claim *x)
{
	const char *why = "its vote log cannot be opened";
	sqlite3 *db = NULL;
	char path[64];

	disk_synced_path(x->m->disk, "votes.db", path, sizeof path);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, DISK_VFS) == SQLITE_OK)
		why = record_on_disk(x, db);
	sqlite3_close(db);
	return why;
}

/*
 * Everything written to the vote log is synced; or, where a sync failed that SQLite may forgive (of the
 * database, when a WAL is copied into it), what is sure to be left holds the record all the same.
 */
static const char *durable(const struct claim *x)
{
	bool synced = disk_synced(x->m->disk, "votes.db");

	return x->first && (!synced || sampled(x)) ? look_on_disk(x) : NULL;
}

/* ---- the table
 * -------------------------------------------------------------------------------------------------- */

enum binds { ALL_BUT_ROTTEN, WHO_REMEMBERS };
static const struct {
	const char *name;
	enum binds binds;
	const char *(*broken)(const struct claim *x);
} rules[] = {
    {"equivocation", ALL_BUT_ROTTEN, once}, /* knows its exemptions */
    {"view left", WHO_REMEMBERS, not_after_leaving},
    {"view change", WHO_REMEMBERS, hides_nothing},
    {"join", WHO_REMEMBERS, joins},
    {"primary", ALL_BUT_ROTTEN, leads},
    {"watermark", WHO_REMEMBERS, below_watermark},
    {"clock", ALL_BUT_ROTTEN, not_of_the_future},
    {"new view", WHO_REMEMBERS, in_its_view},
    {"block", ALL_BUT_ROTTEN, for_a_block},
    {"turn", ALL_BUT_ROTTEN, in_turn},
    {"seal", ALL_BUT_ROTTEN, sealed},
    {"commit", WHO_REMEMBERS, prepared},
    {"checkpoint", ALL_BUT_ROTTEN, true_checkpoint},
    {"amnesia", ALL_BUT_ROTTEN, silent_without_memory},
    {"durable", ALL_BUT_ROTTEN, durable},
};

static const char *const kind_names[] = {
    [QPRE_PREPARE] = "PRE-PREPARE", [QPREPARE] = "PREPARE",         [QCOMMIT] = "COMMIT",
    [QCHECKPOINT] = "CHECKPOINT",   [QVIEW_CHANGE] = "VIEW-CHANGE", [QNEW_VIEW] = "NEW-VIEW",
};

static void judge(const struct claim *x)
{
	const struct machine *m = x->m;

	for (size_t i = 0; i < sizeof rules / sizeof *rules && !x->c->sim->broken; i++) {
		if (rules[i].binds == WHO_REMEMBERS ? m->spoiled : m->rotten)
			continue;
		const char *why = rules[i].broken(x);
		if (why)
			sim_broken(x->c->sim,
			           "%s: %s of replica %u for view %" PRIu64 ", height %" PRIu64 ": %s",
			           rules[i].name, kind_names[x->kind], m->id, x->view, x->height, why);
	}
}

/* ---- remembering
 * --------------------------------------------------------------------------------------------------- */

static struct said *said_find(struct checks *c, const struct place *at)
{
	struct said *s;

	HASH_FIND(hh, c->said, at, sizeof *at, s);
	return s;
}

static void remember_commit(struct voter *v, const struct claim *x)
{
	grow(&v->commits, &v->commit_cap, v->commit_cnt, sizeof *v->commits);
	v->commits[v->commit_cnt++] = (struct committed){x->view, x->height, x->block};
}

static void remember_change(struct voter *v, const struct claim *x)
{
	const struct qview_change *vc = &x->message->m.qmessage_u.view_change;
	size_t kept = 0;

	v->asked = x->view > v->asked ? x->view : v->asked;
	if (vc->tip.tip_len && vc->tip.tip_val[0].vote.height.n > v->reported)
		v->reported = vc->tip.tip_val[0].vote.height.n;
	for (size_t i = 0; i < v->commit_cnt; i++)
		if (v->commits[i].height > v->reported)
			v->commits[kept++] = v->commits[i];
	v->commit_cnt = kept;
}

static void remember(const struct claim *x)
{
	struct voter *v = voter_of(x);
	struct said *s = xcalloc(1, sizeof *s);

	s->at = (struct place){x->m->id, (uint64_t)x->kind, x->view, x->height};
	s->what = x->what;
	HASH_ADD(hh, x->c->said, at, sizeof s->at, s);
	x->c->statements++;
	if (x->m->spoiled)
		return;
	if (votes_in_a_view(x->kind)) {
		v->entered = x->view > v->entered ? x->view : v->entered;
		v->height = x->height > v->height ? x->height : v->height;
	}
	if (x->kind == QCOMMIT)
		remember_commit(v, x);
	if (x->kind == QVIEW_CHANGE)
		remember_change(v, x);
	struct qvote vote = {.view = {x->view}, .height = {x->height}, .block = x->block};
	if (x->kind == QCHECKPOINT)
		vote.state = x->message->m.qmessage_u.vote.state;
	if (x->kind == QPREPARE || x->kind == QCOMMIT || x->kind == QCHECKPOINT)
		tally_note(x->c, x->m->id, x->kind, &vote);
}

static void state(struct claim *x)
{
	struct place at = {x->m->id, (uint64_t)x->kind, x->view, x->height};

	x->first = !said_find(x->c, &at);
	judge(x);
	if (x->first && !x->c->sim->broken)
		remember(x);
}

/* ---- messages
 * --------------------------------------------------------------------------------------------------- */

static void state_vote(struct claim *x)
{
	const struct qvote *v = &x->message->m.qmessage_u.vote;

	x->view = v->view.n;
	x->height = v->height.n;
	x->block = v->block;
	x->what = x->kind == QCHECKPOINT ? message_id(x->message) : v->block;
	state(x);
}

/* A proposal is two statements: itself, whole, and the PREPARE inside. */
static void state_proposal(struct claim *x)
{
	const struct qproposal *p = &x->message->m.qmessage_u.proposal;

	x->view = p->view.n;
	x->height = p->header.height.n;
	x->what = message_id(x->message);
	naive_block_hash(&p->header, &x->block);
	known_header(x->c, &p->header);
	state(x);
	/* Its PREPARE travels inside, so on disk it is found under another kind and not as an envelope here.
	 */
	struct claim prepare = *x;
	prepare.kind = QPREPARE;
	prepare.what = x->block;
	struct place at = {x->m->id, QPREPARE, x->view, x->height};
	const char *why = once(&prepare);
	if (why)
		sim_broken(x->c->sim,
		           "equivocation: PREPARE of replica %u for view %" PRIu64 ", height %" PRIu64 ": %s",
		           x->m->id, x->view, x->height, why);
	else if (!said_find(x->c, &at))
		remember(&prepare);
}

static void state_change(struct claim *x)
{
	x->view = x->kind == QVIEW_CHANGE ? x->message->m.qmessage_u.view_change.view.n
	                                  : x->message->m.qmessage_u.new_view.view.n;
	x->what = message_id(x->message);
	state(x);
}

static void relies_on_its_certificates(struct claim *x)
{
	cert_relied_on(x->c, x->m->id, &x->message->m.qmessage_u.chain.cert, "CHAIN");
}

static void says_where_it_is(struct claim *x)
{
	const struct qstatus *st = &x->message->m.qmessage_u.status;

	if (!x->m->rotten &&
	    (st->entered.n > st->asked.n || st->executed.n > st->tip.n || st->stable.n > st->tip.n))
		sim_broken(x->c->sim, "status: replica %u reports heights or views that cannot be", x->m->id);
}

void votes_sent(struct machine *m, struct message *message)
{
	static void (*const states[])(struct claim *) = {
	    [QPRE_PREPARE] = state_proposal,
	    [QPREPARE] = state_vote,
	    [QCOMMIT] = state_vote,
	    [QCHECKPOINT] = state_vote,
	    [QVIEW_CHANGE] = state_change,
	    [QNEW_VIEW] = state_change,
	    [QSTATUS] = says_where_it_is,
	    [QCHAIN] = relies_on_its_certificates,
	    [QEVIDENCE] = NULL,
	};
	struct checks *c = m->sim->checks;
	struct claim x = {
	    .m = m, .w = &c->machines[m->slot], .c = c, .message = message, .kind = message->m.kind};

	if (message->sender != m->id) {
		/* Others' proposals and NEW-VIEWs are shown again; of votes everybody shows his own. */
		if (message->m.kind != QPRE_PREPARE && message->m.kind != QNEW_VIEW)
			sim_broken(m->sim, "relay: replica %u hands on a message of kind %d by replica %u",
			           m->id, (int)message->m.kind, message->sender);
		return;
	}
	if (message->m.kind != QTXS && message->m.kind != QGET_TXS && message->m.kind != QGET_BODIES)
		x.w->said_tip = m->replica->engine->tip.n;
	if (states[message->m.kind])
		states[message->m.kind](&x);
}

/* ---- after a turn
 * ------------------------------------------------------------------------------------------------- */

/* A start finds everything that the last turn left, and whatever was shown since; a tip on whose strength
 * nothing was said may be forgotten. */
static void begins_where_it_was(const struct machine *m, const struct watched *w)
{
	const struct engine *e = m->replica->engine;
	const struct voter *v = &m->sim->checks->voters[m->id];
	static const char *const names[] = {"view asked for", "view entered", "certified tip",
	                                    "stable checkpoint", "executed height"};
	uint64_t now[] = {e->asked.n, e->entered.n, e->tip.n, e->stable.n, e->executed.n};
	uint64_t then[] = {w->asked > v->asked ? w->asked : v->asked,
	                   w->entered > v->entered ? w->entered : v->entered, w->said_tip, w->stable,
	                   w->executed > w->told ? w->executed : w->told};

	for (size_t i = 0; i < sizeof now / sizeof *now; i++)
		if (now[i] < then[i])
			sim_broken(m->sim,
			           "restart: replica %u begins with %s %" PRIu64 " though it had %" PRIu64,
			           m->id, names[i], now[i], then[i]);
	if (votes_amnesiac(m->replica->votes))
		sim_broken(m->sim, "restart: replica %u finds no vote log though its disk kept every promise",
		           m->id);
}

static void moves_forward(const struct machine *m, const struct watched *w)
{
	const struct engine *e = m->replica->engine;

	if (e->asked.n < w->asked || e->entered.n < w->entered || e->tip.n < w->tip ||
	    e->stable.n < w->stable || e->executed.n < w->executed)
		sim_broken(m->sim,
		           "monotone: replica %u goes back in view, tip, checkpoint or executed height",
		           m->id);
}

/* Nothing but a client may be wrong in this run: then nobody has reason to leave view 0. */
static void no_needless_view_change(const struct machine *m)
{
	const struct sim *s = m->sim;
	const struct engine *e = m->replica->engine;

	if (e->asked.n > 0 && (s->faults & ~bit_of(FAULT_CLIENT)) == 0 && !s->checks->disturbed)
		sim_broken(m->sim,
		           "view change: replica %u asks for view %" PRIu64 " though nothing is wrong", m->id,
		           e->asked.n);
}

static void tip_is_certified(const struct machine *m)
{
	const struct engine *e = m->replica->engine;

	cert_relied_on(m->sim->checks, m->id, &e->tip_cert, "certified tip");
	if (e->tip_cert.kind == QPREPARE || e->tip_cert.vote.height.n != e->tip.n ||
	    !qhash_eq(&e->tip_cert.vote.block, &e->tip_hash))
		sim_broken(m->sim, "certificate: that of replica %u's tip is of something else", m->id);
}

static void count_views(const struct machine *m, struct watched *w)
{
	const struct engine *e = m->replica->engine;
	uint64_t views = e->entered.n != w->entered || e->asked.n != w->asked;

	w->view_changes += e->entered.n > w->entered;
	w->idle_views = e->executed.n > w->executed ? 0 : w->idle_views + views;
	w->unstable_views = e->stable.n > w->stable ? 0 : w->unstable_views + views;
	if (w->view_changes > m->sim->result->view_changes)
		m->sim->result->view_changes = w->view_changes;
}

/* CP1, RE4: whoever executed a checkpoint height above the stable one has signed it. */
static void signs_its_checkpoints(const struct machine *m)
{
	const struct engine *e = m->replica->engine;
	const struct peer *me = &e->peers[m->id];
	uint64_t due = e->executed.n - e->executed.n % m->sim->g.g.params.checkpoint_interval;

	if (due > e->stable.n && !e->halted && !(me->has_checkpoint && me->checkpoint.height.n >= due))
		sim_broken(m->sim,
		           "checkpoint: replica %u executed height %" PRIu64 " and signed no CHECKPOINT",
		           m->id, due);
}

#define BEARS_MS (3 * PBFT_STATUS_MS) /* the engine is told within one */

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Fairness: nobody bears for long that one proposer passes a transaction over after each of two forwards. */
static void bears_no_censor(const struct machine *m, struct watched *w)
{
	const struct replica *r = m->replica;
	const struct engine *e = r->engine;
	const struct pool *p = r->pool;
	bool passed_over = false;

	for (const struct entry *x = p->forwarded; x; x = x->line_next)
		passed_over =
		    passed_over ||
		    (x->passed_in == p->reign &&
		     r->now_ms >= later(x->forwarded_ms, p->reign_ms) + r->patience.timeout_ms &&
		     p->executed.n > later(x->forwarded_height, p->reign_height) + r->patience.passed_max);
	if (!passed_over || !e->active || e->muted || e->halted || e->n == 1 || r->judged == m->id ||
	    e->executed.n < e->tip.n ||
	    e->tip.n + 1 > e->stable.n + 2 * (uint64_t)e->params->checkpoint_interval)
		w->unfair_since_ms = r->now_ms;
	else if (r->now_ms - w->unfair_since_ms > BEARS_MS)
		sim_broken(m->sim, "fairness: replica %u bears a proposer who passes a transaction over",
		           m->id);
}

#define IDLE_MS PBFT_STATUS_MS /* a proposer acts within its turn */

/* Whoever has the turn and something to propose does so, or mines for it. */
static void proposes_in_turn(const struct machine *m, struct watched *w)
{
	const struct replica *r = m->replica;
	const struct engine *e = r->engine;
	uint64_t height = e->tip.n + 1;
	const struct slot *next = e->slots ? &e->slots[height % e->params->window] : NULL;

	if (!e->active || e->muted || e->halted || e->executed.n < e->tip.n || m->mining.on ||
	    r->pool->waiting_cnt == 0 || !pool_pending(r->pool) ||
	    (next && next->height.n == height && next->cur) ||
	    height > e->stable.n + 2 * (uint64_t)e->params->checkpoint_interval ||
	    turns_proposer(m->sim->checks, height, e->entered.n) != (int)m->id)
		w->idle_since_ms = r->now_ms;
	else if (r->now_ms - w->idle_since_ms > IDLE_MS)
		sim_broken(m->sim,
		           "idle: replica %u has the turn at height %" PRIu64
		           " and transactions, and proposes nothing",
		           m->id, height);
}

void votes_turn(struct machine *m, struct watched *w, bool born)
{
	const struct engine *e = m->replica->engine;

	if (born)
		w->amnesiac = votes_amnesiac(m->replica->votes);
	if (!m->spoiled && born)
		begins_where_it_was(m, w);
	else if (!m->rotten && !born)
		moves_forward(m, w);
	if (!m->spoiled && e->muted)
		sim_broken(m->sim, "mute: replica %u votes no more: %s", m->id, e->muted);
	if (born)
		w->unfair_since_ms = w->idle_since_ms = m->replica->now_ms;
	if (!m->spoiled) {
		signs_its_checkpoints(m);
		bears_no_censor(m, w);
		proposes_in_turn(m, w);
	}
	no_needless_view_change(m);
	if (!m->rotten && e->tip.n > 0 && (born || e->tip.n != w->tip))
		tip_is_certified(m);
	count_views(m, w);
	w->asked = e->asked.n;
	w->entered = e->entered.n;
	w->tip = e->tip.n;
	w->stable = e->stable.n;
	w->executed = e->executed.n;
}

void votes_free(struct checks *c)
{
	struct said *s, *next;

	HASH_ITER (hh, c->said, s, next) {
		HASH_DEL(c->said, s);
		free(s);
	}
	for (unsigned i = 0; i < SIM_REPLICAS_MAX; i++)
		free(c->voters[i].commits);
}
