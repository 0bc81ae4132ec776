/*
 * The audit: passes what is honest, and finds, in its place, whatever anybody with sqlite3 can change.
 *
 * Links: q_ledger
 */
#include "store.h"

#include <sys/wait.h>

#include "audit.h"

/* ---- an honest ledger ----------------------------------------------------------- */

#define HEIGHT 10

/*
 * A chain of 10 blocks, 11 transactions: 1 to 3 are tell_story()'s; in each later one account 5 pays its 250
 * on to itself. Runs: 1 | 2 3 | 4 | 5 6 7 | 8 | 9 10; the certificate at 4 is a checkpoint's.
 */
struct chain {
	struct block *blocks[HEIGHT + 1];
	struct qhash digests[HEIGHT + 1]; /* state after the block */
};

/* What block `h` of the long tail is: `to_whom` gets the 250 of the transaction before. */
static struct block *tail_block(const struct rules *r, uint64_t h, const struct block *below, uint8_t to_whom)
{
	const struct tx *before = below->txs[below->tx_cnt - 1];
	unsigned index = before->q.body.outputs.outputs_len - 1;
	struct qoutput out = to(to_whom, 250);
	struct tx *tx = spend(r, 5, output_of(before, index), &out, 1);
	return make_block(h, below->hash, &tx, 1);
}

static void append_run(struct ledger *l, struct chain *c, unsigned from, unsigned to_height,
                       struct qcert cert)
{
	struct overlay *overlays[HEIGHT] = {0};
	size_t cnt = to_height - from + 1, bad;
	struct err err = {0};

	for (size_t i = 0; i < cnt; i++) {
		overlays[i] = overlay_new(ledger_state(l), i ? overlays[i - 1] : NULL, qheight_of(from + i));
		assert_int_equal(overlay_add_block(overlays[i], c->blocks[from + i], &bad), TX_OK);
	}
	if (!ledger_append(l, &c->blocks[from], overlays, cnt, &cert, &c->digests[from], &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < cnt; i++)
		overlay_unref(overlays[i]);
	wire_free(WIRE(qcert), &cert);
}

static struct qcert checkpoint_at(const struct rules *r, const struct chain *c, unsigned h)
{
	struct qvote vote = {.height = {h}, .block = c->blocks[h]->hash, .state = c->digests[h]};
	return rules_cert(r, QCHECKPOINT, &vote, 0xe);
}

static struct qcert commit_at(const struct rules *r, const struct chain *c, unsigned h)
{
	return commit_of(r, c->blocks[h]);
}

static void make_chain(const struct rules *r, struct chain *c)
{
	struct qoutput first[] = {to(3, 600), to(1, 400)}, last[] = {to(6, 150), to(5, 250)};
	struct qoutput pass = to(4, 600), pay = to(5, 400);
	struct tx *a = spend(r, 1, (struct qoutpoint){r->g.txid, 0}, first, 2);
	struct tx *b = spend(r, 3, output_of(a, 0), &pass, 1);
	struct tx *x = spend(r, 1, output_of(a, 1), &pay, 1);
	struct tx *y = spend(r, 5, output_of(x, 0), last, 2);

	c->blocks[1] = make_block(1, r->g.chain, (struct tx *[]){a, b}, 2);
	c->blocks[2] = make_block(2, c->blocks[1]->hash, &x, 1);
	c->blocks[3] = make_block(3, c->blocks[2]->hash, &y, 1);
	for (unsigned h = 4; h <= HEIGHT; h++)
		c->blocks[h] = tail_block(r, h, c->blocks[h - 1], 5);
}

static void free_chain(struct chain *c)
{
	for (unsigned h = 1; h <= HEIGHT; h++)
		block_unref(c->blocks[h]);
}

/* The digest after block 4, which its own certificate signs, is known only once it was executed. */
static void learn_digests(struct place *p, struct chain *c)
{
	struct ledger *l = open_ledger(p);
	append_run(l, c, 1, HEIGHT, commit_at(&p->rules, c, HEIGHT));
	ledger_close(l); /* not committed */
}

static void journal(struct ledger *l, struct qjournal entry)
{
	struct err err = {0};
	if (!ledger_journal(l, &entry, &err))
		fail_msg("%s", err.text);
	wire_free(WIRE(qjournal), &entry);
}

static struct qenvelope envelope(const struct rules *r, unsigned sender, const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = r->g.chain, .sender = sender};
	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	rules_sign(r, sender, m, &env.sig);
	return env;
}

/* NEW-VIEW for view 1 by replica 1; each of V reports its tip at 3, a checkpoint at 4, and block 5 as
 * prepared. */
static struct qjournal new_view_entry(const struct rules *r, const struct chain *c)
{
	struct qcert tip = commit_at(r, c, 3), stable = checkpoint_at(r, c, 4);
	struct qvote vote = {.height = {5}, .block = c->blocks[5]->hash};
	struct qprepared prepared = {c->blocks[5]->header, rules_cert(r, QPREPARE, &vote, 7)};
	struct qmessage change = {
	    .kind = QVIEW_CHANGE,
	    .qmessage_u.view_change = {
	        .view = {1}, .tip = {1, &tip}, .stable = {1, &stable}, .prepared = {1, &prepared}}};
	struct qenvelope changes[3];
	for (unsigned i = 0; i < 3; i++)
		changes[i] = envelope(r, i, &change);
	struct qmessage nv = {.kind = QNEW_VIEW,
	                      .qmessage_u.new_view = {.view = {1}, .changes = {3, changes}}};
	struct qjournal j = {.kind = QJ_NEW_VIEW, .qjournal_u.new_view = envelope(r, 1, &nv)};
	for (unsigned i = 0; i < 3; i++)
		wire_free(WIRE(qenvelope), &changes[i]);
	wire_free(WIRE(qcert), &tip);
	wire_free(WIRE(qcert), &stable);
	wire_free(WIRE(qcert), &prepared.cert);
	return j;
}

/* Replica 2 committed to two blocks at one (view, height). */
static struct qjournal conflict_entry(const struct rules *r)
{
	struct qmessage a = {.kind = QCOMMIT, .qmessage_u.vote = {.height = {7}, .block = rules_hash(1)}};
	struct qmessage b = a;
	b.qmessage_u.vote.block = rules_hash(2);
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_CONFLICT};
	j.qjournal_u.evidence.qevidence_u.conflict =
	    (struct qconflict){envelope(r, 2, &a), envelope(r, 2, &b)};
	return j;
}

/* Two blocks at height 99 with certificates, as a replica keeps them that stops. */
static struct qjournal fork_entry(const struct rules *r)
{
	struct qvote a = {.height = {99}, .block = rules_hash(1)},
	             b = {.height = {99}, .block = rules_hash(2)};
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_FORK};
	j.qjournal_u.evidence.qevidence_u.fork = (struct qfork){
	    .first.cert = rules_cert(r, QCOMMIT, &a, 7), .second.cert = rules_cert(r, QCOMMIT, &b, 14)};
	return j;
}

static void write_ledger(struct place *p, struct chain *c)
{
	const struct rules *r = &p->rules;
	struct ledger *l = open_ledger(p);

	append_run(l, c, 1, 1, commit_at(r, c, 1));
	append_run(l, c, 2, 3, commit_at(r, c, 3));
	append_run(l, c, 4, 4, checkpoint_at(r, c, 4));
	journal(l, (struct qjournal){.kind = QJ_STABLE, .qjournal_u.stable = checkpoint_at(r, c, 4)});
	journal(l, new_view_entry(r, c));
	append_run(l, c, 5, 7, commit_at(r, c, 7));
	journal(l, conflict_entry(r));
	journal(l, fork_entry(r));
	append_run(l, c, 8, 8, commit_at(r, c, 8));
	append_run(l, c, 9, 10, commit_at(r, c, 10));
	commit(l);
	ledger_close(l);
}

/* ---- places ------------------------------------------------------------------------- */

/* The honest ledger, made once, and a copy of it for each test; paths of more files beside it. */
struct fixture {
	struct place honest, copy, other;
	struct chain chain;
};
static struct fixture *fixture;

static void open_place(struct place *p, const struct fixture *f, const char *name)
{
	p->rules = f->honest.rules; /* borrowed */
	snprintf(p->path, sizeof p->path, "%.60s/%s", f->honest.dir, name);
}

static int make_fixture(void **state)
{
	void *place;

	fixture = xcalloc(1, sizeof *fixture);
	place_setup(&place);
	memcpy(&fixture->honest, place, sizeof fixture->honest);
	free(place);
	open_place(&fixture->copy, fixture, "copy.db");
	open_place(&fixture->other, fixture, "other.db");
	make_chain(&fixture->honest.rules, &fixture->chain);
	learn_digests(&fixture->honest, &fixture->chain);
	place_remove(&fixture->honest);
	write_ledger(&fixture->honest, &fixture->chain);
	*state = fixture;
	return 0;
}

static int drop_fixture(void **state)
{
	struct fixture *f = *state;

	place_remove(&f->honest);
	rmdir(f->honest.dir);
	free_chain(&f->chain);
	rules_teardown(&f->honest.rules);
	free(f);
	return 0;
}

static void copy_file(const char *from, const char *path)
{
	uint8_t buf[65536];
	size_t len;
	FILE *in = fopen(from, "rb"), *out = fopen(path, "wb");

	assert_true(in && out);
	while ((len = fread(buf, 1, sizeof buf, in)) > 0)
		assert_int_equal(fwrite(buf, 1, len, out), len);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

static int fresh_copy(void **state)
{
	struct fixture *f = *state = fixture;

	place_remove(&f->copy);
	place_remove(&f->other);
	copy_file(f->honest.path, f->copy.path);
	return 0;
}

static int drop_copy(void **state)
{
	struct fixture *f = *state;

	place_remove(&f->copy);
	place_remove(&f->other);
	return 0;
}

/* What an operator with sqlite3 can do; without the syncs, for there are many. */
static void edit(const struct place *p, const char *sql)
{
	sqlite3 *db = place_sqlite(p);

	sqlite_do(db, "PRAGMA synchronous = OFF");
	sqlite_do(db, sql);
	sqlite3_close(db);
}

/* ---- auditing ------------------------------------------------------------------------- */

static struct audit_report audit(const struct fixture *f, const char *const *paths, size_t cnt)
{
	struct audit_options options = {.threads = 2};
	struct audit_report report;
	struct err err = {0};

	if (!audit_run(paths, cnt, &f->honest.rules.g, &options, &report, &err))
		fail_msg("%s", err.text);
	return report;
}

static struct audit_report audit_copy(const struct fixture *f)
{
	return audit(f, (const char *[]){f->copy.path}, 1);
}

static void print_findings(const struct audit_report *r)
{
	for (size_t i = 0; i < r->ledger_cnt; i++)
		for (size_t j = 0; j < r->ledgers[i].finding_cnt; j++) {
			const struct audit_finding *x = &r->ledgers[i].findings[j];
			print_error("  [%zu] %llu %s %s: %s\n", i, (unsigned long long)x->height.n,
			            audit_kind_name(x->kind), x->where, x->message);
		}
}

/* A finding of this kind about that place; kind -1: any. */
static const struct audit_finding *find(const struct audit_report *r, size_t ledger, int kind,
                                        const char *where)
{
	const struct audit_ledger *l = &r->ledgers[ledger];
	for (size_t i = 0; i < l->finding_cnt; i++)
		if ((kind < 0 || l->findings[i].kind == (enum audit_kind)kind) &&
		    strcmp(l->findings[i].where, where) == 0)
			return &l->findings[i];
	return NULL;
}

static void assert_found(const struct audit_report *r, size_t ledger, int kind, const char *where)
{
	if (r->ok || r->ledgers[ledger].ok || !find(r, ledger, kind, where)) {
		print_findings(r);
		fail_msg("%s is not among the findings, or the verdict is ok", where);
	}
}

static void assert_clean(const struct audit_report *r)
{
	if (!r->ok || r->ledgers[0].finding_cnt)
		print_findings(r);
	assert_true(r->ok);
	assert_int_equal(r->ledgers[0].finding_cnt, 0);
}

static void passes_an_honest_ledger(void **state)
{
	struct fixture *f = *state;
	struct audit_report r = audit_copy(f);

	assert_clean(&r);
	assert_int_equal(r.height.n, HEIGHT);
	assert_int_equal(r.transactions, 11);
	assert_int_equal(r.double_spends, 0);
	assert_true(r.ledgers[0].ok);
	audit_report_free(&r);
}

static void passes_a_ledger_that_holds_only_the_genesis(void **state)
{
	struct fixture *f = *state;

	ledger_close(open_ledger(&f->other));
	struct audit_report r = audit(f, (const char *[]){f->other.path}, 1);
	assert_clean(&r);
	assert_int_equal(r.height.n, 0);
	audit_report_free(&r);
}

/* ---- every table and every column --------------------------------------------------------- */

static const struct edit {
	const char *sql, *where;
} edits[] = {
    {"UPDATE meta SET value = zeroblob(32) WHERE key = 'chain'", "meta(key='chain').value"},
    {"UPDATE meta SET value = 7 WHERE key = 'schema'", "meta(key='schema').value"},
    {"UPDATE meta SET value = '1' WHERE key = 'schema'", "meta(key='schema').value"},
    {"UPDATE meta SET value = 2 WHERE key = 'journal_count'", "meta(key='journal_count').value"},
    {"UPDATE meta SET value = zeroblob(32) WHERE key = 'journal_link'", "meta(key='journal_link').value"},
    {"UPDATE meta SET value = CAST(value AS TEXT) WHERE key = 'journal_link'",
     "meta(key='journal_link').value"},
    {"UPDATE meta SET key = 'chains' WHERE key = 'chain'", "meta(key='chains')"},
    {"DELETE FROM meta WHERE key = 'chain'", "meta(key='chain')"},
    {"DELETE FROM meta WHERE key = 'schema'", "meta(key='schema')"},
    {"DELETE FROM meta WHERE key = 'journal_count'", "meta(key='journal_count')"},
    {"DELETE FROM meta WHERE key = 'journal_link'", "meta(key='journal_link')"},
    {"INSERT INTO meta VALUES ('zebra', 1)", "meta(key='zebra')"},

    {"UPDATE blocks SET height = 11 WHERE height = 10", "blocks(height=10)"},
    {"UPDATE blocks SET hash = zeroblob(32) WHERE height = 5", "blocks(height=5).hash"},
    {"UPDATE blocks SET parent = zeroblob(32) WHERE height = 5", "blocks(height=5).parent"},
    {"UPDATE blocks SET merkle_root = zeroblob(32) WHERE height = 5", "blocks(height=5).merkle_root"},
    {"UPDATE blocks SET tx_count = 2 WHERE height = 5", "blocks(height=5).tx_count"},
    {"UPDATE blocks SET first_tx = 1 WHERE height = 5", "blocks(height=5).first_tx"},
    {"UPDATE blocks SET proposer = 1 WHERE height = 5", "blocks(height=5).proposer"},
    {"UPDATE blocks SET time_ms = time_ms + 1 WHERE height = 5", "blocks(height=5).time_ms"},
    {"UPDATE blocks SET certified_by = 8 WHERE height = 5", "blocks(height=5).certified_by"},
    {"UPDATE blocks SET certified_by = 8 WHERE height = 7", "blocks(height=7).certified_by"},
    {"UPDATE blocks SET certified_by = 10 WHERE height = 8", "blocks(height=8).certified_by"},
    {"UPDATE blocks SET certified_by = 4 WHERE height = 5", "blocks(height=5).certified_by"},
    {"UPDATE blocks SET certified_by = 6 WHERE height = 5", "certificates(height=6)"},
    {"UPDATE blocks SET certified_by = 11 WHERE height = 10", "blocks(height=10).certified_by"},
    {"UPDATE blocks SET header = x'00' WHERE height = 5", "blocks(height=5).header"},
    {"UPDATE blocks SET header = (SELECT header FROM blocks WHERE height = 6) WHERE height = 5",
     "blocks(height=5).header"},
    {"DELETE FROM blocks WHERE height = 1", "blocks(height=1)"},
    {"DELETE FROM blocks WHERE height = 5", "blocks(height=5)"},
    {"DELETE FROM blocks WHERE height = 10", "blocks(height=10)"},
    {"DELETE FROM blocks WHERE height = 10; DELETE FROM transactions WHERE height = 10", "blocks(height=10)"},
    {"DELETE FROM blocks", "blocks(height=1)"},
    {"INSERT INTO blocks SELECT 11, zeroblob(32), parent, merkle_root, tx_count, first_tx, proposer, "
     "time_ms, 11,"
     " header FROM blocks WHERE height = 10",
     "blocks(height=11).header"},
    {"PRAGMA ignore_check_constraints = ON; INSERT INTO blocks SELECT 0, zeroblob(32), parent, merkle_root,"
     " tx_count, first_tx, proposer, time_ms, 1, header FROM blocks WHERE height = 1",
     "blocks(height=0)"},

    {"UPDATE transactions SET seq = 99 WHERE seq = 11", "transactions(seq=11)"},
    {"UPDATE transactions SET txid = zeroblob(32) WHERE seq = 5", "transactions(seq=5).txid"},
    {"UPDATE transactions SET height = 9 WHERE seq = 5", "transactions(seq=5).height"},
    {"UPDATE transactions SET position = 9 WHERE seq = 5", "transactions(seq=5).position"},
    {"UPDATE transactions SET expiry = 0 WHERE seq = 5", "transactions(seq=5).expiry"},
    {"UPDATE transactions SET memo = x'' WHERE seq = 5", "transactions(seq=5).memo"},
    {"UPDATE transactions SET raw = x'00' WHERE seq = 5", "transactions(seq=5).raw"},
    {"UPDATE transactions SET raw = (SELECT raw FROM transactions WHERE seq = 6) WHERE seq = 5",
     "transactions(seq=5).txid"},
    {"UPDATE transactions SET txid = zeroblob(32) WHERE seq = 0", "transactions(seq=0).txid"},
    {"UPDATE transactions SET height = 1 WHERE seq = 0", "transactions(seq=0).height"},
    {"UPDATE transactions SET position = 1 WHERE seq = 0", "transactions(seq=0).position"},
    {"UPDATE transactions SET expiry = 1 WHERE seq = 0", "transactions(seq=0).expiry"},
    {"UPDATE transactions SET memo = x'00' WHERE seq = 0", "transactions(seq=0).memo"},
    {"UPDATE transactions SET raw = x'00' WHERE seq = 0", "transactions(seq=0).raw"},
    {"DELETE FROM transactions WHERE seq = 0", "transactions(seq=0)"},
    {"DELETE FROM transactions WHERE seq = 5", "transactions(seq=5)"},
    {"DELETE FROM transactions WHERE seq = 11", "transactions(seq=11)"},
    {"INSERT INTO transactions VALUES (12, x'01', 10, 1, 0, x'', x'')", "transactions(seq=12)"},
    {"INSERT INTO transactions VALUES (-1, x'01', 0, 0, 0, x'', x'')", "transactions(seq=-1)"},

    {"UPDATE outputs SET tx = 99 WHERE tx = 2", "outputs(tx=2,position=0)"},
    {"UPDATE outputs SET position = 3 WHERE tx = 1 AND position = 1", "outputs(tx=1,position=1)"},
    {"UPDATE outputs SET owner = zeroblob(20) WHERE tx = 2", "outputs(tx=2,position=0).owner"},
    {"UPDATE outputs SET amount = amount + 1 WHERE tx = 2", "outputs(tx=2,position=0).amount"},
    {"UPDATE outputs SET amount = amount + 1 WHERE tx = 0 AND position = 1",
     "outputs(tx=0,position=1).amount"},
    {"UPDATE outputs SET spent_by = NULL WHERE tx = 1 AND position = 0", "outputs(tx=1,position=0).spent_by"},
    {"UPDATE outputs SET spent_by = 3 WHERE tx = 1 AND position = 0", "outputs(tx=1,position=0).spent_by"},
    {"UPDATE outputs SET spent_by = 3 WHERE tx = 2", "outputs(tx=2,position=0).spent_by"},
    {"UPDATE outputs SET spent_by = 99 WHERE tx = 2", "outputs(tx=2,position=0).spent_by"},
    {"DELETE FROM outputs WHERE tx = 2", "outputs(tx=2,position=0)"},
    {"DELETE FROM outputs WHERE tx = 11", "outputs(tx=11,position=0)"},
    {"INSERT INTO outputs VALUES (2, 1, zeroblob(20), 5, NULL)", "outputs(tx=2,position=1)"},
    {"INSERT INTO outputs VALUES (0, 2, zeroblob(20), 5, NULL)", "outputs(tx=0,position=2)"},
    {"INSERT INTO outputs VALUES (12, 0, zeroblob(20), 5, 2)", "outputs(tx=12,position=0)"},

    {"UPDATE inputs SET tx = 99 WHERE tx = 2", "inputs(tx=2,position=0)"},
    {"UPDATE inputs SET position = 1 WHERE tx = 2", "inputs(tx=2,position=0)"},
    {"UPDATE inputs SET source_tx = 0 WHERE tx = 2", "inputs(tx=2,position=0).source_tx"},
    {"UPDATE inputs SET source_position = 1 WHERE tx = 2", "inputs(tx=2,position=0).source_position"},
    {"DELETE FROM inputs WHERE tx = 2", "inputs(tx=2,position=0)"},
    {"INSERT INTO inputs VALUES (2, 1, 1, 1)", "inputs(tx=2,position=1)"},
    {"INSERT INTO inputs VALUES (99, 0, 1, 1)", "inputs(tx=99,position=0)"},
    {"INSERT INTO inputs VALUES (0, 0, 1, 1)", "inputs(tx=0,position=0)"},

    {"UPDATE certificates SET height = 2 WHERE height = 3", "certificates(height=2)"},
    {"UPDATE certificates SET height = 12 WHERE height = 10", "certificates(height=10)"},
    {"UPDATE certificates SET kind = 'checkpoint' WHERE height = 3", "certificates(height=3).kind"},
    {"UPDATE certificates SET kind = 'commit' WHERE height = 4", "certificates(height=4).kind"},
    {"UPDATE certificates SET view = 4 WHERE height = 3", "certificates(height=3).view"},
    {"UPDATE certificates SET block = zeroblob(32) WHERE height = 3", "certificates(height=3).block"},
    {"UPDATE certificates SET certificate = x'00' WHERE height = 3", "certificates(height=3).certificate"},
    {"UPDATE certificates SET certificate = (SELECT certificate FROM certificates WHERE height = 7)"
     " WHERE height = 3",
     "certificates(height=3).certificate"},
    {"UPDATE certificates SET certificate = CAST(substr(certificate, 1, length(certificate) - 1) || x'77' AS "
     "BLOB)"
     " WHERE height = 7",
     "certificates(height=7).certificate"},
    {"DELETE FROM certificates WHERE height = 3", "certificates(height=3)"},
    {"DELETE FROM certificates WHERE height = 10", "certificates(height=10)"},
    {"INSERT INTO certificates SELECT 2, kind, view, block, certificate FROM certificates WHERE height = 3",
     "certificates(height=2)"},
    {"INSERT INTO certificates SELECT 11, kind, view, block, certificate FROM certificates WHERE height = 3",
     "certificates(height=11)"},

    {"PRAGMA ignore_check_constraints = ON; INSERT INTO certificates SELECT 0, kind, view, block, certificate"
     " FROM certificates WHERE height = 3",
     "certificates(height=0)"},

    {"INSERT INTO signers VALUES (0, 3, zeroblob(64))", "signers(height=0,replica=3)"},
    {"UPDATE signers SET height = 2 WHERE height = 3 AND replica = 1", "signers(height=2,replica=1)"},
    {"UPDATE signers SET replica = 3 WHERE height = 3 AND replica = 1", "signers(height=3,replica=3)"},
    {"UPDATE signers SET signature = zeroblob(64) WHERE height = 3 AND replica = 1",
     "signers(height=3,replica=1).signature"},
    {"DELETE FROM signers WHERE height = 3 AND replica = 1", "signers(height=3,replica=1)"},
    {"INSERT INTO signers VALUES (3, 3, zeroblob(64))", "signers(height=3,replica=3)"},
    {"INSERT INTO signers VALUES (99, 3, zeroblob(64))", "signers(height=99,replica=3)"},

    {"UPDATE journal SET seq = 9 WHERE seq = 3", "journal(seq=3)"},
    {"UPDATE journal SET kind = 'stable' WHERE seq = 2", "journal(seq=2).kind"},
    {"UPDATE journal SET entry = x'00' WHERE seq = 2", "journal(seq=2).entry"},
    {"UPDATE journal SET entry = (SELECT entry FROM journal WHERE seq = 1) WHERE seq = 2",
     "journal(seq=2).link"},
    {"UPDATE journal SET link = zeroblob(32) WHERE seq = 2", "journal(seq=2).link"},
    {"DELETE FROM journal WHERE seq = 2", "journal(seq=2)"},
    {"DELETE FROM journal WHERE seq = 4", "meta(key='journal_count').value"},
    {"INSERT INTO journal SELECT 5, kind, entry, link FROM journal WHERE seq = 1", "journal(seq=5).link"},
    {"INSERT INTO journal SELECT 0, kind, entry, link FROM journal WHERE seq = 1", "journal(seq=0)"},

    {"DROP INDEX transactions_txid", "schema.index transactions_txid"},
    {"DROP INDEX outputs_unspent; CREATE INDEX outputs_unspent ON outputs(owner)",
     "schema.index outputs_unspent"},
    /* Two indexes with each other's content: only SELECTs that use them are wrong. */
    {"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT sum(rootpage) FROM "
     "sqlite_schema"
     " WHERE name IN ('journal_kind', 'blocks_hash')) - rootpage WHERE name IN ('journal_kind', "
     "'blocks_hash')",
     "file"},
    {"CREATE INDEX mine ON outputs(amount)", "schema.index mine"},
    {"CREATE TRIGGER t AFTER INSERT ON blocks BEGIN DELETE FROM journal; END", "schema.trigger t"},
    {"CREATE TABLE notes (x)", "schema.table notes"},
    {"DROP VIEW balances; CREATE VIEW balances AS SELECT owner, 1 AS amount FROM outputs",
     "schema.view balances"},
    {"DROP VIEW balances", "schema.view balances"},
    {"ALTER TABLE blocks ADD COLUMN note TEXT", "schema.table blocks"},
    {"DROP TABLE signers", "schema.table signers"},
    {"DROP TABLE meta", "schema.table meta"},
    {"PRAGMA user_version = 9", "PRAGMA user_version"},
    {"PRAGMA application_id = 9", "PRAGMA application_id"},
    {"PRAGMA ignore_check_constraints = ON; UPDATE outputs SET amount = -1 WHERE tx = 2",
     "outputs(tx=2,position=0).amount"},
};

static void finds_every_edit_where_it_was_made(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		fresh_copy(state);
		edit(&f->copy, edits[i].sql);
		struct audit_report r = audit_copy(f);
		if (r.ok || !find(&r, 0, -1, edits[i].where)) {
			print_findings(&r);
			fail_msg("not found at %s: %s", edits[i].where, edits[i].sql);
		}
		audit_report_free(&r);
	}
}

/* Most edits are one finding, two at most: a report is to be read. */
static void says_little_about_one_edit(void **state)
{
	struct fixture *f = *state;
	static const char *const quiet[] = {
	    "UPDATE outputs SET amount = 7 WHERE tx = 2",
	    "UPDATE journal SET entry = (SELECT entry FROM journal WHERE seq = 2) WHERE seq = 1",
	    "UPDATE blocks SET hash = zeroblob(32) WHERE height = 5",
	    "DELETE FROM transactions WHERE seq = 5",
	    "DELETE FROM certificates WHERE height = 3",
	    "PRAGMA ignore_check_constraints = ON; INSERT INTO certificates SELECT 0, kind, view, block, "
	    "certificate"
	    " FROM certificates WHERE height = 3",
	};

	for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++) {
		fresh_copy(state);
		edit(&f->copy, quiet[i]);
		struct audit_report r = audit_copy(f);
		if (r.ledgers[0].finding_cnt < 1 || r.ledgers[0].finding_cnt > 4) {
			print_findings(&r);
			fail_msg("%s", quiet[i]);
		}
		audit_report_free(&r);
	}
}

static void keeps_a_hundred_findings_and_counts_the_rest(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)"
	               " INSERT INTO meta SELECT 'x' || i, i FROM n");
	struct audit_report r = audit_copy(f);
	assert_false(r.ok);
	assert_int_equal(r.ledgers[0].finding_cnt, AUDIT_FINDINGS_MAX);
	assert_int_equal(r.ledgers[0].finding_more, 50);
	audit_report_free(&r);
}

static void control_characters_of_a_file_do_not_reach_the_report(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "INSERT INTO meta VALUES ('a' || char(27, 10, 233), 1)");
	struct audit_report r = audit_copy(f);
	assert_found(&r, 0, AUDIT_EXTRA,
	             "meta(key='a?"
	             "??"
	             "?')");
	audit_report_free(&r);
}

/* ---- what no column comparison shows ----------------------------------------------------------- */

/* A ledger of the first `height` blocks in other.db, then `extra` with a certificate, whatever it is. */
static struct ledger *start_other(struct fixture *f, unsigned height)
{
	struct ledger *l = open_ledger(&f->other);
	if (height > 0)
		append_run(l, &f->chain, 1, height, commit_at(&f->other.rules, &f->chain, height));
	return l;
}

static void end_ledger(struct ledger *l)
{
	commit(l);
	ledger_close(l);
}

/* Block 4 with a transaction whose signature was spoilt before the root was made: certified, and still wrong.
 */
static void write_badly_signed(struct fixture *f)
{
	const struct rules *r = &f->other.rules;
	struct ledger *l = start_other(f, 3);
	struct block *good = tail_block(r, 4, f->chain.blocks[3], 5);
	struct bytes raw = {xmemdup(good->txs[0]->raw, good->txs[0]->raw_len), good->txs[0]->raw_len};
	enum tx_verdict v;

	rules_flip(&raw, 8 * raw.len - 200); /* in the signature's s */
	struct tx *bad = tx_parse(&r->g.chain, raw.data, raw.len, &v);
	assert_non_null(bad);
	assert_false(tx_verify(&r->g, bad));
	struct block *b = make_block(4, f->chain.blocks[3]->hash, &bad, 1);
	append(r, l, &b, 1);
	end_ledger(l);
	bytes_free(&raw);
	block_unref(good);
}

static void finds_a_transaction_with_a_bad_signature_in_every_ledger_that_has_it(void **state)
{
	struct fixture *f = *state;

	write_badly_signed(f);
	copy_file(f->other.path, f->copy.path);
	struct audit_report r = audit(f, (const char *[]){f->other.path, f->copy.path}, 2);
	assert_found(&r, 0, AUDIT_SIGNATURE, "transactions(seq=5).raw");
	assert_found(&r, 1, AUDIT_SIGNATURE, "transactions(seq=5).raw");
	assert_int_equal(r.ledgers[1].finding_cnt, 1);
	audit_report_free(&r);
}

/* Writes a block of one transaction with one input and output as no ledger would, below a valid certificate.
 */
static void forge_block(struct place *p, const struct block *b, sqlite3_uint64 height, int seq, int source_tx,
                        int source_position)
{
	sqlite3 *db = place_sqlite(p);
	struct qvote vote = {.view = {3}, .height = {height}, .block = b->hash};
	struct qcert cert = rules_cert(&p->rules, QCOMMIT, &vote, 7);
	struct bytes header = rules_encode(WIRE(qheader), &b->header),
	             bytes = rules_encode(WIRE(qcert), &cert);
	const struct tx *tx = b->txs[0];
	const struct qoutput *out = &tx->q.body.outputs.outputs_val[0];
	char hash[65], parent[65], root[65], id[65], owner[41];
	char *raw = xcalloc(2 * tx->raw_len + 1, 1), *h = xcalloc(2 * header.len + 1, 1),
	     *c = xcalloc(2 * bytes.len + 1, 1);
	char *sql = sqlite3_mprintf(
	    "INSERT INTO blocks VALUES (%llu, x'%s', x'%s', x'%s', 1, %d, 0, %llu, %llu, x'%s');"
	    "INSERT INTO transactions VALUES (%d, x'%s', %llu, 0, %llu, x'6869', x'%s');"
	    "INSERT INTO inputs VALUES (%d, 0, %d, %d);"
	    "INSERT INTO outputs VALUES (%d, 0, x'%s', %llu, NULL);"
	    "INSERT INTO certificates VALUES (%llu, 'commit', 3, x'%s', x'%s');",
	    height, hex_encode(hash, b->hash.b, 32), hex_encode(parent, b->header.parent.b, 32),
	    hex_encode(root, b->header.merkle_root.b, 32), seq, (sqlite3_uint64)b->header.time_ms, height,
	    hex_encode(h, header.data, header.len), seq, hex_encode(id, tx->id.b, 32), height,
	    (sqlite3_uint64)tx->q.body.expiry.n, hex_encode(raw, tx->raw, tx->raw_len), seq, source_tx,
	    source_position, seq, hex_encode(owner, out->owner.b, 20), (sqlite3_uint64)out->amount, height,
	    hash, hex_encode(c, bytes.data, bytes.len));

	sqlite_do(db, sql);
	for (unsigned i = 0; i < cert.sigs.sigs_len; i++) {
		char sig[129], row[256];
		snprintf(row, sizeof row, "INSERT INTO signers VALUES (%llu, %u, x'%s')",
		         (unsigned long long)height, cert.sigs.sigs_val[i].replica,
		         hex_encode(sig, cert.sigs.sigs_val[i].sig.b, 64));
		sqlite_do(db, row);
	}
	sqlite3_free(sql);
	free(raw);
	free(h);
	free(c);
	bytes_free(&header);
	bytes_free(&bytes);
	wire_free(WIRE(qcert), &cert);
	sqlite3_close(db);
}

static void finds_a_certified_double_spend_and_who_was_first(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	/* transactions(seq=3) spent this 400 at height 2. */
	struct qoutput out = to(6, 400);
	struct tx *again = spend(r, 1, output_of(f->chain.blocks[1]->txs[0], 1), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &again, 1);

	forge_block(&f->copy, b, 11, 12, 1, 1);
	struct audit_report report = audit_copy(f);
	assert_found(&report, 0, AUDIT_DOUBLE_SPEND, "transactions(seq=12)");
	assert_int_equal(report.double_spends, 1);
	assert_non_null(strstr(find(&report, 0, AUDIT_DOUBLE_SPEND, "transactions(seq=12)")->message,
	                       "transactions(seq=3) spent at height 2"));
	assert_found(&report, 0, AUDIT_UNCHECKED, "blocks(height=11)");
	assert_int_equal(report.height.n, HEIGHT);
	audit_report_free(&report);
	block_unref(b);
}

static void finds_a_certified_transaction_that_makes_value(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput out = to(6, 251);
	struct tx *more = spend(r, 5, output_of(f->chain.blocks[HEIGHT]->txs[0], 0), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &more, 1);

	forge_block(&f->copy, b, 11, 12, 11, 0);
	struct audit_report report = audit_copy(f);
	assert_found(&report, 0, AUDIT_TRANSACTION, "transactions(seq=12)");
	audit_report_free(&report);
	block_unref(b);
}

static void finds_a_certified_theft(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qoutput out = to(6, 250);
	struct tx *theft = spend(r, 6, output_of(f->chain.blocks[HEIGHT]->txs[0], 0), &out, 1);
	struct block *b = make_block(11, f->chain.blocks[HEIGHT]->hash, &theft, 1);

	forge_block(&f->copy, b, 11, 12, 11, 0);
	struct audit_report report = audit_copy(f);
	assert_found(&report, 0, AUDIT_TRANSACTION, "transactions(seq=12)");
	audit_report_free(&report);
	block_unref(b);
}

/* One that is honest passes: what the three above fail by is not the forging. */
static void passes_a_forged_block_that_is_honest(void **state)
{
	struct fixture *f = *state;
	struct block *b = tail_block(&f->copy.rules, 11, f->chain.blocks[HEIGHT], 6);

	forge_block(&f->copy, b, 11, 12, 11, 0);
	edit(&f->copy, "UPDATE outputs SET spent_by = 12 WHERE tx = 11");
	struct audit_report report = audit_copy(f);
	assert_clean(&report);
	assert_int_equal(report.height.n, 11);
	audit_report_free(&report);
	block_unref(b);
}

/* Block 11 as row 11, with a header that no ledger would have taken. */
static void finds_certified_headers_that_do_not_fit_their_place(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct block *good = tail_block(r, 11, f->chain.blocks[HEIGHT], 6);
	struct qheader headers[] = {good->header, good->header, good->header};
	headers[0].height.n = 12;
	headers[1].parent = f->chain.blocks[9]->hash;
	headers[2].tx_count = r->g.g.params.block_txs_max + 1;

	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		struct block *b = block_new(&headers[i], good->txs, 1);
		fresh_copy(state);
		forge_block(&f->copy, b, 11, 12, 11, 0);
		struct audit_report report = audit_copy(f);
		assert_found(&report, 0, AUDIT_LINKAGE, "blocks(height=11).header");
		audit_report_free(&report);
		block_unref(b);
	}
	block_unref(good);
}

/* Appends block 4 with a header that `spoil` changed, below a valid certificate. */
static struct audit_report audit_spoilt_header(struct fixture *f, void (*spoil)(struct qheader *))
{
	const struct rules *r = &f->other.rules;
	struct ledger *l = start_other(f, 3);
	struct block *good = tail_block(r, 4, f->chain.blocks[3], 5);
	struct qheader header = good->header;

	spoil(&header);
	struct block *b = block_new(&header, good->txs, 1);
	append(r, l, &b, 1);
	end_ledger(l);
	block_unref(good);
	return audit(f, (const char *[]){f->other.path}, 1);
}

static void set_old_time(struct qheader *h)
{
	h->time_ms = 1700000000003;
}
static void set_proposer(struct qheader *h)
{
	h->proposer = 4;
}
static void set_format(struct qheader *h)
{
	h->format = 2;
}
static void set_root(struct qheader *h)
{
	h->merkle_root = rules_hash(1);
}

static void finds_certified_headers_that_break_a_rule(void **state)
{
	static const struct {
		void (*spoil)(struct qheader *);
		enum audit_kind kind;
	} cases[] = {{set_old_time, AUDIT_LINKAGE},
	             {set_proposer, AUDIT_LINKAGE},
	             {set_format, AUDIT_LINKAGE},
	             {set_root, AUDIT_MERKLE}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fresh_copy(state);
		struct audit_report r = audit_spoilt_header(f, cases[i].spoil);
		assert_found(&r, 0, (int)cases[i].kind, "blocks(height=4).header");
		audit_report_free(&r);
	}
}

/* Too few signers, a state that is not the replayed one, one bad signature: each with columns that agree. */
static void finds_certificates_that_prove_nothing(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->other.rules;
	struct qvote vote = {.view = {3}, .height = {4}, .block = f->chain.blocks[4]->hash};
	struct qvote checkpoint = {.height = {4}, .block = vote.block, .state = rules_hash(9)};
	struct qcert certs[] = {rules_cert(r, QCOMMIT, &vote, 3), rules_cert(r, QCHECKPOINT, &checkpoint, 7),
	                        rules_cert(r, QCOMMIT, &vote, 7)};
	certs[2].sigs.sigs_val[0].sig.b[5] ^= 1;

	for (size_t i = 0; i < sizeof certs / sizeof *certs; i++) {
		fresh_copy(state);
		struct ledger *l = start_other(f, 3);
		append_run(l, &(struct chain){.blocks = {[4] = f->chain.blocks[4]}}, 4, 4, certs[i]);
		end_ledger(l);
		/* Another ledger has the very same block, and a good certificate for it. */
		struct audit_report report = audit(f, (const char *[]){f->other.path, f->honest.path}, 2);
		assert_found(&report, 0, AUDIT_CERTIFICATE, "certificates(height=4).certificate");
		assert_true(report.ledgers[1].ok);
		audit_report_free(&report);
	}
}

/* Puts another certificate at height 4, with columns and signers that agree with it. */
static void replace_certificate(const struct place *p, const char *kind, const struct qcert *cert)
{
	struct bytes bytes = rules_encode(WIRE(qcert), cert);
	char *hex = xcalloc(2 * bytes.len + 1, 1), block[65], sig[129];
	char *sql = sqlite3_mprintf("UPDATE certificates SET kind = '%s', view = %llu, block = x'%s', "
	                            "certificate = x'%s' WHERE height = 4;"
	                            "DELETE FROM signers WHERE height = 4",
	                            kind, (sqlite3_uint64)cert->vote.view.n,
	                            hex_encode(block, cert->vote.block.b, 32),
	                            hex_encode(hex, bytes.data, bytes.len));

	edit(p, sql);
	sqlite3_free(sql);
	for (unsigned i = 0; i < cert->sigs.sigs_len; i++) {
		sql = sqlite3_mprintf("INSERT INTO signers VALUES (4, %u, x'%s')",
		                      cert->sigs.sigs_val[i].replica,
		                      hex_encode(sig, cert->sigs.sigs_val[i].sig.b, 64));
		edit(p, sql);
		sqlite3_free(sql);
	}
	free(hex);
	bytes_free(&bytes);
}

/* Every signature of these holds: they only are not what makes block 4 final. */
static void finds_certificates_of_something_else(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->copy.rules;
	struct qvote here = {.height = {4}, .block = f->chain.blocks[4]->hash}, above = here, other = here;
	above.height.n = 5;
	other.block = f->chain.blocks[5]->hash;
	const struct {
		const char *kind;
		struct qcert cert;
		bool ok;
	} cases[] = {{"commit", rules_cert(r, QCOMMIT, &here, 7), true},
	             {"checkpoint", rules_cert(r, QPREPARE, &here, 7), false},
	             {"commit", rules_cert(r, QCOMMIT, &above, 7), false},
	             {"commit", rules_cert(r, QCOMMIT, &other, 7), false}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct qcert cert = cases[i].cert;
		fresh_copy(state);
		replace_certificate(&f->copy, cases[i].kind, &cert);
		struct audit_report report = audit_copy(f);
		if (cases[i].ok)
			assert_clean(&report);
		else
			assert_found(&report, 0, AUDIT_CERTIFICATE, "certificates(height=4).certificate");
		audit_report_free(&report);
		wire_free(WIRE(qcert), &cert);
	}
}

/* ---- the journal ------------------------------------------------------------------------------------ */

/* Appends this entry to a ledger of 5 blocks in other.db and audits that. */
static struct audit_report audit_entry(struct fixture *f, struct qjournal entry)
{
	struct ledger *l = start_other(f, 5);
	journal(l, entry);
	end_ledger(l);
	return audit(f, (const char *[]){f->other.path}, 1);
}

static void finds_a_checkpoint_of_another_state(void **state)
{
	struct fixture *f = *state;
	struct qvote vote = {.height = {4}, .block = f->chain.blocks[4]->hash, .state = rules_hash(1)};
	struct audit_report r = audit_entry(
	    f, (struct qjournal){.kind = QJ_STABLE,
	                         .qjournal_u.stable = rules_cert(&f->other.rules, QCHECKPOINT, &vote, 7)});

	assert_found(&r, 0, AUDIT_DIGEST, "journal(seq=1).entry");
	audit_report_free(&r);
}

static void finds_a_checkpoint_of_another_block(void **state)
{
	struct fixture *f = *state;
	struct qvote vote = {.height = {4}, .block = rules_hash(1), .state = f->chain.digests[4]};
	struct audit_report r = audit_entry(
	    f, (struct qjournal){.kind = QJ_STABLE,
	                         .qjournal_u.stable = rules_cert(&f->other.rules, QCHECKPOINT, &vote, 7)});

	assert_found(&r, 0, AUDIT_CONFLICT, "journal(seq=1).entry");
	audit_report_free(&r);
}

static void finds_journal_certificates_that_do_not_hold(void **state)
{
	struct fixture *f = *state;
	const struct rules *rules = &f->other.rules;
	struct qcert cert = checkpoint_at(rules, &f->chain, 4);
	cert.sigs.sigs_val[0].sig.b[0] ^= 1;
	struct audit_report r =
	    audit_entry(f, (struct qjournal){.kind = QJ_STABLE, .qjournal_u.stable = cert});
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	audit_report_free(&r);

	fresh_copy(state);
	r = audit_entry(
	    f, (struct qjournal){.kind = QJ_STABLE, .qjournal_u.stable = commit_at(rules, &f->chain, 4)});
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	audit_report_free(&r);
}

static void finds_new_views_that_do_not_hold(void **state)
{
	struct fixture *f = *state;
	const struct rules *rules = &f->other.rules;
	struct qmessage change = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {1}}};
	struct qenvelope changes[3];
	struct qmessage nv = {.kind = QNEW_VIEW,
	                      .qmessage_u.new_view = {.view = {1}, .changes = {3, changes}}};
	enum { GOOD, NO_QUORUM, OTHER_LEADER, SPOILT_CHANGE, OTHER_VIEW, TWICE, CASE_CNT };

	for (int i = 0; i < CASE_CNT; i++) {
		fresh_copy(state);
		change.qmessage_u.view_change.view.n = i == OTHER_VIEW ? 2 : 1;
		for (unsigned k = 0; k < 3; k++)
			changes[k] = envelope(rules, i == TWICE && k == 1 ? 0 : k, &change);
		if (i == SPOILT_CHANGE)
			changes[2].sig.b[0] ^= 1;
		nv.qmessage_u.new_view.changes.changes_len = i == NO_QUORUM ? 2 : 3;
		struct audit_report r =
		    audit_entry(f, (struct qjournal){.kind = QJ_NEW_VIEW,
		                                     .qjournal_u.new_view =
		                                         envelope(rules, i == OTHER_LEADER ? 2 : 1, &nv)});
		if (i == GOOD)
			assert_clean(&r);
		else
			assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
		audit_report_free(&r);
		for (unsigned k = 0; k < 3; k++)
			wire_free(WIRE(qenvelope), &changes[k]);
	}
}

/* NEW-VIEW entries whose envelopes hold, with this VIEW-CHANGE from replicas 0, 1 and 2 inside. */
static struct audit_report audit_view_change(struct fixture *f, const struct qview_change *vc)
{
	const struct rules *r = &f->other.rules;
	struct qmessage change = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = *vc};
	struct qenvelope changes[3];
	for (unsigned k = 0; k < 3; k++)
		changes[k] = envelope(r, k, &change);
	struct qmessage nv = {.kind = QNEW_VIEW,
	                      .qmessage_u.new_view = {.view = vc->view, .changes = {3, changes}}};
	struct audit_report report = audit_entry(
	    f, (struct qjournal){.kind = QJ_NEW_VIEW, .qjournal_u.new_view = envelope(r, 1, &nv)});
	for (unsigned k = 0; k < 3; k++)
		wire_free(WIRE(qenvelope), &changes[k]);
	return report;
}

static void finds_view_changes_whose_certificates_do_not_hold(void **state)
{
	struct fixture *f = *state;
	const struct rules *r = &f->other.rules;
	struct qvote vote = {.height = {5}, .block = f->chain.blocks[5]->hash};
	struct qcert commit_5 = rules_cert(r, QCOMMIT, &vote, 7),
	             prepare_5 = rules_cert(r, QPREPARE, &vote, 7);
	struct qcert spoilt = rules_cert(r, QPREPARE, &vote, 7);
	spoilt.sigs.sigs_val[1].sig.b[0] ^= 1;
	struct qprepared good = {f->chain.blocks[5]->header, prepare_5};
	struct qprepared bad[] = {{f->chain.blocks[4]->header, prepare_5},
	                          {f->chain.blocks[5]->header, commit_5},
	                          {f->chain.blocks[5]->header, spoilt}};
	const struct qview_change cases[] = {
	    {.view = {1}, .tip = {1, &commit_5}, .prepared = {1, &good}},
	    {.view = {1}, .tip = {1, &prepare_5}},
	    {.view = {1}, .stable = {1, &commit_5}},
	    {.view = {1}, .prepared = {1, &bad[0]}},
	    {.view = {1}, .prepared = {1, &bad[1]}},
	    {.view = {1}, .prepared = {1, &bad[2]}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fresh_copy(state);
		struct audit_report report = audit_view_change(f, &cases[i]);
		if (i == 0)
			assert_clean(&report);
		else
			assert_found(&report, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
		audit_report_free(&report);
	}
	wire_free(WIRE(qcert), &commit_5);
	wire_free(WIRE(qcert), &prepare_5);
	wire_free(WIRE(qcert), &spoilt);
}

/* A certificate deep inside a NEW-VIEW, of a lower height than an entry before it, is held against the chain
 * too. */
static void finds_a_conflict_inside_a_view_change(void **state)
{
	struct fixture *f = *state;
	const struct rules *rules = &f->other.rules;

	for (int is_tip = 0; is_tip < 2; is_tip++) {
		fresh_copy(state);
		struct qvote vote = {.height = {2}, .block = rules_hash(1)};
		struct qcert cert = rules_cert(rules, is_tip ? QCOMMIT : QCHECKPOINT, &vote, 7);
		struct qmessage change = {.kind = QVIEW_CHANGE, .qmessage_u.view_change = {.view = {1}}};
		struct qview_change *vc = &change.qmessage_u.view_change;
		if (is_tip)
			vc->tip.tip_len = 1, vc->tip.tip_val = &cert;
		else
			vc->stable.stable_len = 1, vc->stable.stable_val = &cert;
		struct qenvelope changes[3];
		for (unsigned k = 0; k < 3; k++)
			changes[k] = envelope(rules, k, &change);
		struct qmessage nv = {.kind = QNEW_VIEW,
		                      .qmessage_u.new_view = {.view = {1}, .changes = {3, changes}}};
		struct ledger *l = start_other(f, 5);
		journal(l, (struct qjournal){.kind = QJ_STABLE,
		                             .qjournal_u.stable = checkpoint_at(rules, &f->chain, 4)});
		journal(l, (struct qjournal){.kind = QJ_NEW_VIEW,
		                             .qjournal_u.new_view = envelope(rules, 1, &nv)});
		end_ledger(l);
		struct audit_report r = audit(f, (const char *[]){f->other.path}, 1);
		assert_found(&r, 0, AUDIT_CONFLICT, "journal(seq=2).entry");
		audit_report_free(&r);
		for (unsigned k = 0; k < 3; k++)
			wire_free(WIRE(qenvelope), &changes[k]);
		wire_free(WIRE(qcert), &cert);
	}
}

static void finds_evidence_that_convicts_nobody(void **state)
{
	struct fixture *f = *state;
	struct qjournal j = conflict_entry(&f->other.rules);
	struct qconflict *c = &j.qjournal_u.evidence.qevidence_u.conflict;

	wire_free(WIRE(qenvelope), &c->second);
	c->second = c->first;
	c->second.body.body_val = xmemdup(c->first.body.body_val, c->first.body.body_len);
	struct audit_report r = audit_entry(f, j);
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	audit_report_free(&r);
}

static void finds_a_fork_that_is_none(void **state)
{
	struct fixture *f = *state;
	struct qjournal j = fork_entry(&f->other.rules);

	j.qjournal_u.evidence.qevidence_u.fork.first.cert.vote.height.n++;
	struct audit_report r = audit_entry(f, j);
	assert_found(&r, 0, AUDIT_JOURNAL, "journal(seq=1).entry");
	audit_report_free(&r);
}

/* ---- behind ---------------------------------------------------------------------------------------------
 */

static void truncate_ledger(const struct place *p, int height)
{
	char sql[1024];
	snprintf(
	    sql, sizeof sql,
	    "CREATE TEMP TABLE gone AS SELECT seq FROM transactions WHERE height > %d;"
	    "UPDATE outputs SET spent_by = NULL WHERE spent_by IN gone; DELETE FROM outputs WHERE tx IN gone;"
	    "DELETE FROM inputs WHERE tx IN gone; DELETE FROM transactions WHERE seq IN gone;"
	    "DELETE FROM certificates WHERE height > %d; DELETE FROM signers WHERE height > %d;"
	    "DELETE FROM blocks WHERE height > %d",
	    height, height, height, height);
	edit(p, sql);
}

static void a_ledger_that_lost_its_last_blocks_is_fine_alone_and_behind_next_to_others(void **state)
{
	struct fixture *f = *state;

	truncate_ledger(&f->copy, 8);
	struct audit_report r = audit_copy(f);
	assert_clean(&r);
	assert_int_equal(r.height.n, 8);
	audit_report_free(&r);

	r = audit(f, (const char *[]){f->copy.path, f->honest.path}, 2);
	assert_true(r.ok && r.ledgers[0].ok && !r.diverged);
	assert_int_equal(r.height.n, HEIGHT);
	assert_int_equal(r.transactions, 11);
	assert_int_equal(r.ledgers[0].height.n, 8);
	const struct audit_finding *note = find(&r, 0, AUDIT_BEHIND, "file");
	assert_non_null(note);
	assert_non_null(strstr(note->message, f->honest.path));
	assert_int_equal(r.ledgers[1].finding_cnt, 0);
	audit_report_free(&r);
}

static void a_checkpoint_above_the_tip_shows_that_blocks_are_missing(void **state)
{
	struct fixture *f = *state;

	truncate_ledger(&f->copy, 3);
	struct audit_report r = audit_copy(f);
	assert_true(r.ok);
	assert_int_equal(r.ledgers[0].finding_cnt, 1);
	assert_int_equal(r.ledgers[0].findings[0].kind, AUDIT_BEHIND);
	assert_non_null(strstr(r.ledgers[0].findings[0].where, "journal("));
	audit_report_free(&r);
}

static void a_ledger_cut_off_inside_a_run_is_not_proven(void **state)
{
	struct fixture *f = *state;

	truncate_ledger(&f->copy, 6);
	struct audit_report r = audit_copy(f);
	assert_found(&r, 0, AUDIT_MISSING, "certificates(height=7)");
	audit_report_free(&r);
}

/* ---- several ledgers
 * ------------------------------------------------------------------------------------------ */

/* The honest chain up to 5, then another block 6, certified by these replicas in this view. */
static void write_fork(struct fixture *f, uint64_t mask, uint64_t view)
{
	const struct rules *r = &f->other.rules;
	struct ledger *l = start_other(f, 5);
	struct block *b = tail_block(r, 6, f->chain.blocks[5], 6);
	struct qvote vote = {.view = {view}, .height = {6}, .block = b->hash};
	struct qcert cert = rules_cert(r, QCOMMIT, &vote, mask);
	struct overlay *o = overlay_new(ledger_state(l), NULL, qheight_of(6));
	struct err err = {0};
	size_t bad;

	assert_int_equal(overlay_add_block(o, b, &bad), TX_OK);
	assert_true(ledger_append(l, &b, &o, 1, &cert, NULL, &err));
	overlay_unref(o);
	block_unref(b);
	wire_free(WIRE(qcert), &cert);
	end_ledger(l);
}

static void finds_the_first_divergence_and_who_signed_both(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0xd, 3); /* replicas 0, 2, 3; the honest chain's certificate is of 0, 1, 2 in view 3 */
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path, f->honest.path}, 3);
	assert_false(r.ok);
	assert_true(r.ledgers[0].ok && r.ledgers[1].ok && r.ledgers[2].ok);
	assert_true(r.diverged);
	assert_int_equal(r.divergence.height.n, 6);
	assert_int_equal(r.divergence.a.ledger, 0);
	assert_int_equal(r.divergence.b.ledger, 1);
	assert_true(qhash_eq(&r.divergence.a.block, &f->chain.blocks[6]->hash));
	assert_true(r.divergence.a.certified && r.divergence.b.certified);
	assert_int_equal(r.divergence.a.cert.vote.height.n, 7);
	assert_int_equal(r.divergence.b.cert.vote.height.n, 6);
	assert_true(r.divergence.same_view);
	assert_int_equal(r.divergence.signed_both, 0x5);
	assert_int_equal(r.ledgers[0].side, SIDE_A);
	assert_int_equal(r.ledgers[1].side, SIDE_B);
	assert_int_equal(r.ledgers[2].side, SIDE_A);
	assert_null(find(&r, 1, AUDIT_BEHIND, "file"));
	audit_report_free(&r);
}

static void a_ledger_that_ends_below_a_divergence_takes_no_side(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0xd, 3);
	truncate_ledger(&f->copy, 4);
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path, f->honest.path}, 3);
	assert_true(r.diverged);
	assert_int_equal(r.ledgers[0].side, SIDE_NONE);
	assert_int_equal(r.ledgers[1].side, SIDE_A);
	assert_int_equal(r.ledgers[2].side, SIDE_B);
	assert_non_null(find(&r, 0, AUDIT_BEHIND, "file"));
	audit_report_free(&r);
}

/* It may hold more than could be replayed. */
static void a_ledger_that_cannot_be_replayed_is_not_called_behind(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "DELETE FROM transactions WHERE seq = 5");
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->honest.path}, 2);
	assert_found(&r, 0, AUDIT_UNCHECKED, "blocks(height=4)");
	assert_null(find(&r, 0, AUDIT_BEHIND, "file"));
	assert_false(r.diverged);
	audit_report_free(&r);
}

/* An honest replica may well have signed both in different views. */
static void blames_nobody_for_certificates_of_different_views(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0xd, 4);
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path}, 2);
	assert_true(r.diverged);
	assert_false(r.divergence.same_view);
	assert_int_equal(r.divergence.signed_both, 0);
	audit_report_free(&r);
}

static void a_forged_fork_is_told_from_a_certified_one(void **state)
{
	struct fixture *f = *state;

	write_fork(f, 0x1, 3); /* one signature */
	struct audit_report r = audit(f, (const char *[]){f->copy.path, f->other.path}, 2);
	assert_found(&r, 1, AUDIT_CERTIFICATE, "certificates(height=6).certificate");
	assert_true(r.diverged);
	assert_true(r.divergence.a.certified);
	assert_false(r.divergence.b.certified);
	assert_int_equal(r.divergence.signed_both, 0);
	audit_report_free(&r);
}

static void one_bad_ledger_does_not_spoil_the_others(void **state)
{
	struct fixture *f = *state;

	edit(&f->copy, "UPDATE outputs SET amount = 7 WHERE tx = 2");
	struct audit_report r = audit(f, (const char *[]){f->honest.path, f->copy.path}, 2);
	assert_found(&r, 1, AUDIT_ALTERED, "outputs(tx=2,position=0).amount");
	assert_true(r.ledgers[0].ok);
	assert_false(r.diverged);
	audit_report_free(&r);
}

/* ---- what is no ledger of this chain
 * ------------------------------------------------------------------------------ */

static void assert_unusable(const struct fixture *f, const char *path, const char *why)
{
	struct audit_options options = {.threads = 1};
	struct audit_report report;
	struct err err = {0};

	/* Beside a good one: the file at fault is named. */
	if (audit_run((const char *[]){f->honest.path, path}, 2, &f->honest.rules.g, &options, &report, &err))
		fail_msg("audited, though '%s' was to be expected", why);
	assert_int_equal(err.kind, ERR_INPUT);
	if (!strstr(err.text, why) || !strstr(err.text, path))
		fail_msg("'%s' and '%s' are not in: %s", why, path, err.text);
}

static void write_text(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void names_files_that_are_no_ledger(void **state)
{
	struct fixture *f = *state;

	assert_unusable(f, "/nonexistent/ledger.db", "No such file");
	assert_unusable(f, f->honest.dir, "not a file");
	write_text(f->other.path, "");
	assert_unusable(f, f->other.path, "not a quorate ledger");
	write_text(f->other.path,
	           "this is no database, however long it may be: 0123456789 0123456789 0123456789 "
	           "0123456789 0123456789 0123456789 0123456789 0123456789");
	assert_unusable(f, f->other.path, "not a SQLite database");
	place_remove(&f->other);
	edit(&f->other, "CREATE TABLE t (x)");
	assert_unusable(f, f->other.path, "not a quorate ledger");
	edit(&f->copy, "PRAGMA user_version = 2; UPDATE meta SET value = 2 WHERE key = 'schema'");
	assert_unusable(f, f->copy.path, "newer quorate");
}

static void names_a_ledger_of_another_chain_and_both_chains(void **state)
{
	struct fixture *f = *state;
	struct place place = f->other;
	char theirs[QHASH_HEX];

	rules_setup(&place.rules, 4, "another");
	ledger_close(open_ledger(&place));
	assert_unusable(f, f->other.path, hex_encode(theirs, place.rules.g.chain.b, 32));
	rules_teardown(&place.rules);
}

/* ---- damage
 * ----------------------------------------------------------------------------------------------------------
 */

static void finds_a_truncated_file_damaged(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->copy.path, &st), 0);
	for (off_t cut = 4096; cut < st.st_size; cut += 3 * 4096) {
		fresh_copy(state);
		assert_int_equal(truncate(f->copy.path, st.st_size - cut), 0);
		struct audit_report r = audit_copy(f);
		assert_found(&r, 0, AUDIT_DAMAGED, "file");
		audit_report_free(&r);
	}
}

/* Every page, somewhere in its middle: found, or nothing of the ledger was there. */
static void finds_scribbled_pages(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->copy.path, &st), 0);
	for (off_t at = 4096; at < st.st_size; at += 4096) {
		fresh_copy(state);
		place_scribble(&f->copy, at, 12); /* the page's header */
		struct audit_report r = audit_copy(f);
		if (r.ok)
			fail_msg("page at %lld", (long long)at);
		audit_report_free(&r);
	}
}

static void random_bytes_in_a_file_never_pass_unseen_or_crash(void **state)
{
	struct fixture *f = *state;
	uint32_t random = 12345;
	struct stat st;

	assert_int_equal(stat(f->copy.path, &st), 0);
	for (int i = 0; i < 60; i++) {
		struct audit_options options = {.threads = 1};
		struct audit_report r;
		struct err err = {0};
		fresh_copy(state);
		for (int k = 0; k < 20; k++) {
			random = random * 1664525 + 1013904223;
			place_scribble(&f->copy, random % st.st_size, 3);
		}
		if (audit_run((const char *[]){f->copy.path}, 1, &f->honest.rules.g, &options, &r, &err))
			audit_report_free(&r);
	}
}

/* ---- a running node
 * ----------------------------------------------------------------------------------------------------- */

static void a_live_ledger_is_audited_as_it_was_committed(void **state)
{
	struct fixture *f = *state;
	struct ledger *l = open_ledger(&f->copy);
	struct block *eleven = tail_block(&f->copy.rules, 11, f->chain.blocks[HEIGHT], 5);
	struct block *twelve = tail_block(&f->copy.rules, 12, eleven, 5);

	append(&f->copy.rules, l, &eleven, 1);
	commit(l);
	append(&f->copy.rules, l, &twelve, 1); /* under way */
	struct audit_report r = audit_copy(f);
	assert_clean(&r);
	assert_int_equal(r.height.n, 11);
	audit_report_free(&r);
	commit(l); /* the audit was in nobody's way */
	ledger_close(l);
	r = audit_copy(f);
	assert_clean(&r);
	assert_int_equal(r.height.n, 12);
	audit_report_free(&r);
}

static void does_not_write_to_the_ledger(void **state)
{
	struct fixture *f = *state;
	uint8_t before[4096], after[4096];

	struct audit_report r = audit_copy(f);
	audit_report_free(&r);
	FILE *a = fopen(f->honest.path, "rb"), *b = fopen(f->copy.path, "rb");
	assert_true(a && b);
	for (size_t len; (len = fread(before, 1, sizeof before, a)) > 0;) {
		assert_int_equal(fread(after, 1, sizeof after, b), len);
		assert_memory_equal(before, after, len);
	}
	assert_int_equal(fread(after, 1, 1, b), 0);
	fclose(a);
	fclose(b);
}

/* In a process of its own that is nobody: root may write anywhere. */
static void a_directory_that_cannot_be_written_is_told_with_what_to_do(void **state)
{
	struct fixture *f = *state;
	int status;

	place_remove(&f->other);
	assert_int_equal(chmod(f->honest.dir, 0555), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct audit_options options = {.threads = 1};
		struct audit_report r;
		struct err err = {0};
		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(2);
		bool ran =
		    audit_run((const char *[]){f->copy.path}, 1, &f->honest.rules.g, &options, &r, &err);
		_exit(!ran && err.kind == ERR_INPUT && strstr(err.text, "copy the ledger") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(chmod(f->honest.dir, 0700), 0);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_copy, drop_copy)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(passes_an_honest_ledger),
	    TEST(passes_a_ledger_that_holds_only_the_genesis),
	    TEST(finds_every_edit_where_it_was_made),
	    TEST(says_little_about_one_edit),
	    TEST(keeps_a_hundred_findings_and_counts_the_rest),
	    TEST(control_characters_of_a_file_do_not_reach_the_report),
	    TEST(finds_a_transaction_with_a_bad_signature_in_every_ledger_that_has_it),
	    TEST(finds_a_certified_double_spend_and_who_was_first),
	    TEST(finds_a_certified_transaction_that_makes_value),
	    TEST(finds_a_certified_theft),
	    TEST(passes_a_forged_block_that_is_honest),
	    TEST(finds_certified_headers_that_do_not_fit_their_place),
	    TEST(finds_certified_headers_that_break_a_rule),
	    TEST(finds_certificates_that_prove_nothing),
	    TEST(finds_certificates_of_something_else),
	    TEST(finds_a_checkpoint_of_another_state),
	    TEST(finds_a_checkpoint_of_another_block),
	    TEST(finds_journal_certificates_that_do_not_hold),
	    TEST(finds_new_views_that_do_not_hold),
	    TEST(finds_view_changes_whose_certificates_do_not_hold),
	    TEST(finds_a_conflict_inside_a_view_change),
	    TEST(finds_evidence_that_convicts_nobody),
	    TEST(finds_a_fork_that_is_none),
	    TEST(a_ledger_that_lost_its_last_blocks_is_fine_alone_and_behind_next_to_others),
	    TEST(a_checkpoint_above_the_tip_shows_that_blocks_are_missing),
	    TEST(a_ledger_cut_off_inside_a_run_is_not_proven),
	    TEST(finds_the_first_divergence_and_who_signed_both),
	    TEST(a_ledger_that_ends_below_a_divergence_takes_no_side),
	    TEST(a_ledger_that_cannot_be_replayed_is_not_called_behind),
	    TEST(blames_nobody_for_certificates_of_different_views),
	    TEST(a_forged_fork_is_told_from_a_certified_one),
	    TEST(one_bad_ledger_does_not_spoil_the_others),
	    TEST(names_files_that_are_no_ledger),
	    TEST(names_a_ledger_of_another_chain_and_both_chains),
	    TEST(finds_a_truncated_file_damaged),
	    TEST(finds_scribbled_pages),
	    TEST(random_bytes_in_a_file_never_pass_unseen_or_crash),
	    TEST(a_live_ledger_is_audited_as_it_was_committed),
	    TEST(does_not_write_to_the_ledger),
	    TEST(a_directory_that_cannot_be_written_is_told_with_what_to_do),
	};

	return cmocka_run_group_tests_name("audit", tests, make_fixture, drop_fixture);
}
