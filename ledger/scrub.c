/*
 * scrub.c: the audit's replay beside a running node: see audit_impl.h for its parts.
 *
 *   begin                  the schema, meta, replicas, the last block of the pass
 *   steps, blocks          the replay, from the genesis on
 *   steps, the journal     as far as meta said at the beginning
 */
#include <stdlib.h>

#include "audit_impl.h"
#include "scrub.h"

#define OUTPUTS_KEPT (1 << 14) /* in memory: some 2 MB */

struct scrub {
	struct book book; /* without a pool */
	struct audit_ledger out;
	struct audit_options options;
	struct qheight to;
	int64_t journal_cnt; /* as meta said when the pass began */
	struct qhash journal_link;
	enum { SCRUB_BLOCKS, SCRUB_JOURNAL, SCRUB_DONE } stage;
	bool replaying; /* begun */
	struct replay replay;
	struct journal_walk journal;
};

/* ---- slices ------------------------------------------------------------------------------- */

/* A read transaction, with its first read.  It never waits, though another process may be recovering the WAL:
 * then it is false, without anything being wrong. */
static bool begin_slice(struct book *b)
{
	int rc = sqlite3_exec(b->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		return true;
	if ((rc & 0xff) != SQLITE_BUSY)
		book_failed(b);
	sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

static void end_slice(struct book *b)
{
	sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL);
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* Their order in time is the writer's: meta is read with the journal that it is about. */
static void read_meta(struct scrub *s)
{
	struct book *b = &s->book;
	char where[WHERE_MAX];

	s->journal_cnt = book_int(b, "SELECT value FROM meta WHERE key = 'journal_count'", 0);
	sqlite3_stmt *link = book_prepare(b, "SELECT value FROM meta WHERE key = 'journal_link'");
	if (book_step(b, link) && sqlite3_column_bytes(link, 0) == sizeof s->journal_link.b)
		memcpy(s->journal_link.b, sqlite3_column_blob(link, 0), sizeof s->journal_link.b);
	sqlite3_finalize(link);
	b->journal_cnt = s->journal_cnt;
	b->journal_link = s->journal_link;
	book_check_meta(b); /* their types; whether they are true shows at the end */
	int64_t last = book_int(b, "SELECT max(seq) FROM journal", 0);
	if (last != s->journal_cnt && !book_ends(b))
		book_find(b, AUDIT_ALTERED, qheight_of(0), meta_where("journal_count", ".value", where),
		          "is %lld, but the journal's last entry has number %lld", (long long)s->journal_cnt,
		          (long long)last);
	b->journal_cnt = 0;
	b->journal_link = (struct qhash){{0}};
}

/* The block that the pass ends in must be the one that the node knows; so everything below it is known.  Its
 * last transaction is the last that is judged. */
static int64_t check_last(struct scrub *s, const struct qhash *tip)
{
	struct book *b = &s->book;
	struct cursor c;
	struct qheader q;
	struct qhash hash = {{0}};
	char where[WHERE_MAX];
	int64_t last = 0; /* unknown: then the pass is over anyway */
	size_t len;

	cursor_open_at(&c, b, TABLE_BLOCKS, (int64_t)s->to.n);
	if (cursor_seek(&c, (int64_t)s->to.n, 0, s->to)) {
		const uint8_t *data = cursor_blob(&c, BLOCK_HEADER, &len);
		if (data && wire_decode(WIRE(qheader), data, len, &q)) {
			block_hash(&q, &hash);
			last = sqlite3_column_int64(c.stmt, BLOCK_FIRST_TX) + (int64_t)q.tx_count - 1;
			wire_free(WIRE(qheader), &q);
		}
		if (!qhash_eq(&hash, tip))
			book_find(b, AUDIT_LINKAGE, s->to, cursor_where(&c, BLOCK_HEADER, where),
			          "is not the header of the block that this node has at this height");
	}
	cursor_close(&c);
	return last;
}

static void look_around(struct scrub *s, const struct qhash *tip)
{
	struct book *b = &s->book;

	book_check_schema(b);
	if (book_ends(b))
		return;
	read_meta(s);
	book_check_replicas(b);
	b->horizon = check_last(s, tip);
}

struct scrub *scrub_begin(const char *path, const struct genesis *g, struct qheight to,
                          const struct qhash *tip, struct err *err)
{
	struct scrub *s = xcalloc(1, sizeof *s);
	struct book *b = &s->book;

	must(to.n > 0);
	s->to = to;
	s->options.outputs_kept = OUTPUTS_KEPT;
	s->out = (struct audit_ledger){.path = xstrdup(path),
	                               .ok = true,
	                               .findings = xcalloc(AUDIT_FINDINGS_MAX, sizeof *s->out.findings)};
	*b = (struct book){.out = &s->out, .g = g, .options = &s->options};
	if (!book_open(b, err)) {
		scrub_end(s);
		return NULL;
	}
	look_around(s, tip);
	end_slice(b);
	sqlite3_busy_timeout(b->db, 0);
	return s;
}

void scrub_end(struct scrub *s)
{
	if (!s)
		return;
	if (s->replaying)
		replay_close(&s->replay);
	if (s->stage == SCRUB_JOURNAL)
		journal_close(&s->journal);
	book_close(&s->book);
	for (size_t i = 0; i < s->out.finding_cnt; i++) {
		free(s->out.findings[i].where);
		free(s->out.findings[i].message);
	}
	free(s->out.findings);
	free(s->out.path);
	free(s);
}

struct qheight scrub_height(const struct scrub *s)
{
	return s->out.height;
}

/* ---- steps -------------------------------------------------------------------------------------- */

static void begin_journal(struct scrub *s)
{
	replay_break(&s->replay);
	replay_close(&s->replay);
	s->replaying = false;
	s->stage = SCRUB_JOURNAL;
	journal_open(&s->journal, &s->book);
	journal_pause(&s->journal);
}

static void step_blocks(struct scrub *s, unsigned blocks)
{
	if (s->replaying)
		replay_resume(&s->replay);
	else
		replay_open(&s->replay, &s->book);
	s->replaying = true;
	while (blocks-- > 0 && s->out.height.n < s->to.n && s->out.finding_cnt == 0 &&
	       replay_next(&s->replay))
		;
	if (s->out.height.n < s->to.n && !s->replay.blocks.at_row)
		cursor_seek(&s->replay.blocks, (int64_t)s->out.height.n + 1, 0,
		            s->out.height); /* is missing */
	if (s->out.height.n == s->to.n && s->out.finding_cnt == 0)
		begin_journal(s);
	else
		replay_pause(&s->replay);
}

static void end_journal(struct scrub *s)
{
	struct book *b = &s->book;
	char where[WHERE_MAX];

	cursor_skip(&s->journal.evidence, s->journal_cnt + 1, 0, qheight_of(0));
	cursor_skip(&s->journal.culprits, s->journal_cnt + 1, 0, qheight_of(0));
	if (b->journal_cnt < s->journal_cnt && !book_ends(b))
		book_find(b, AUDIT_MISSING, qheight_of(0),
		          table_where(TABLE_JOURNAL, b->journal_cnt + 1, 0, NULL, where),
		          "the row is missing");
	else if (!qhash_eq(&b->journal_link, &s->journal_link) && !book_ends(b))
		book_find(b, AUDIT_ALTERED, qheight_of(0), meta_where("journal_link", ".value", where),
		          "is not the link of the journal's entry %lld", (long long)s->journal_cnt);
	journal_close(&s->journal);
	s->stage = SCRUB_DONE;
}

static void step_journal(struct scrub *s, unsigned entries)
{
	journal_resume(&s->journal);
	while (entries-- > 0 && s->book.journal_cnt < s->journal_cnt && s->out.finding_cnt == 0 &&
	       journal_next(&s->journal))
		;
	if (s->book.journal_cnt >= s->journal_cnt || !s->journal.journal.at_row)
		end_journal(s);
	else
		journal_pause(&s->journal);
}

static enum scrub_verdict verdict(struct scrub *s, struct err *err)
{
	const struct audit_finding *first = &s->out.findings[0];

	if (s->out.finding_cnt > 0) {
		err_set(err, ERR_WORLD, "ledger %s: %s: %s", s->out.path, first->where, first->message);
		return SCRUB_WRONG;
	}
	if (s->book.unusable) {
		*err = s->book.err;
		return SCRUB_ERROR;
	}
	return s->stage == SCRUB_DONE ? SCRUB_WHOLE : SCRUB_MORE;
}

enum scrub_verdict scrub_step(struct scrub *s, unsigned blocks, struct err *err)
{
	if (s->stage == SCRUB_DONE || s->out.finding_cnt > 0 || book_ends(&s->book) || !begin_slice(&s->book))
		return verdict(s, err);
	if (s->stage == SCRUB_BLOCKS)
		step_blocks(s, blocks);
	else
		step_journal(s, blocks);
	end_slice(&s->book);
	return verdict(s, err);
}
