/*
 * auditing.h: a chain of some blocks, the ledger that holds it, copies of that to spoil, and audits of them.
 */
#ifndef QUORATE_TEST_AUDITING_H
#define QUORATE_TEST_AUDITING_H

#include "store.h"

#include "audit.h"

#define CHAIN_HEIGHT_MAX 64

struct chain {
	struct block *blocks[CHAIN_HEIGHT_MAX + 1];
	struct qhash digests[CHAIN_HEIGHT_MAX + 1]; /* state after the block */
};

static inline void append_run(struct ledger *l, struct chain *c, unsigned from, unsigned to_height,
                              struct qcert cert)
{
	struct overlay *overlays[CHAIN_HEIGHT_MAX] = {0};
	size_t cnt = to_height - from + 1, bad;
	struct err err = {0};

	for (size_t i = 0; i < cnt; i++) {
		overlays[i] = overlay_new(ledger_state(l), i ? overlays[i - 1] : NULL, qheight_of(from + i));
		assert_int_equal(overlay_add_block(overlays[i], c->blocks[from + i], &bad), TX_OK);
	}
	if (!ledger_append(l, &c->blocks[from], overlays, cnt, &cert, NULL, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < cnt; i++) {
		struct qhash hash;
		assert_true(ledger_digest_at(l, qheight_of(from + i), &hash, &c->digests[from + i], &err));
	}
	for (size_t i = 0; i < cnt; i++)
		overlay_unref(overlays[i]);
	wire_free(WIRE(qcert), &cert);
}

/* The block with another header; takes it. */
static inline struct block *with_header(struct block *b, const struct qheader *h)
{
	struct block *changed = block_new(h, b->txs, b->tx_cnt);

	block_unref(b);
	return changed;
}

/* Block h, in which account 1 passes its 1000 on to itself. */
static inline struct block *pass_on(const struct rules *r, const struct chain *c, unsigned h)
{
	struct qoutpoint in = {r->g.txid, 0};
	struct qoutput out = to(1, 1000);

	if (h > 1)
		in = output_of(c->blocks[h - 1]->txs[0], 0);
	struct tx *tx = spend(r, 1, in, &out, 1);
	return make_block(h, h > 1 ? c->blocks[h - 1]->hash : r->g.chain, &tx, 1);
}

static inline struct qcert checkpoint_at(const struct rules *r, const struct chain *c, unsigned h)
{
	struct qvote vote = {.height = {h}, .block = c->blocks[h]->hash, .state = c->digests[h]};
	return rules_cert(r, QCHECKPOINT, &vote, 0xe);
}

static inline struct qcert commit_at(const struct rules *r, const struct chain *c, unsigned h)
{
	return commit_of(r, c->blocks[h]);
}

static inline void free_chain(struct chain *c)
{
	for (unsigned h = 1; h <= CHAIN_HEIGHT_MAX; h++)
		block_unref(c->blocks[h]);
}

static inline void journal(struct ledger *l, struct qjournal entry)
{
	struct err err = {0};
	if (!ledger_journal(l, &entry, &err))
		fail_msg("%s", err.text);
	wire_free(WIRE(qjournal), &entry);
}

static inline struct qenvelope envelope(const struct rules *r, unsigned sender, const struct qmessage *m)
{
	struct bytes body = rules_encode(WIRE(qmessage), m);
	struct qenvelope env = {.chain = r->g.chain, .sender = sender};
	env.body.body_val = body.data;
	env.body.body_len = (unsigned)body.len;
	rules_sign(r, sender, m, &env.sig);
	return env;
}

/* ---- places ------------------------------------------------------------------------- */

/* The honest ledger, made once, and a copy of it for each test; paths of more files beside it. */
struct fixture {
	struct place honest, copy, other;
	struct chain chain;
};
static struct fixture *fixture;

static inline void open_place(struct place *p, const struct fixture *f, const char *name)
{
	p->rules = f->honest.rules; /* borrowed */
	snprintf(p->path, sizeof p->path, "%.60s/%s", f->honest.dir, name);
}

/* A fixture whose chain has these rules (taken), and no ledger yet. */
static inline struct fixture *fixture_of(struct rules rules)
{
	void *place;

	fixture = xcalloc(1, sizeof *fixture);
	place_setup(&place);
	memcpy(&fixture->honest, place, sizeof fixture->honest);
	free(place);
	rules_teardown(&fixture->honest.rules);
	fixture->honest.rules = rules;
	open_place(&fixture->copy, fixture, "copy.db");
	open_place(&fixture->other, fixture, "other.db");
	return fixture;
}

static inline int drop_fixture(void **state)
{
	struct fixture *f = *state;

	place_remove(&f->honest);
	place_remove(&f->other);
	rmdir(f->honest.dir);
	free_chain(&f->chain);
	rules_teardown(&f->honest.rules);
	free(f);
	return 0;
}

static inline void copy_file(const char *from, const char *path)
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

static inline int fresh_copy(void **state)
{
	struct fixture *f = *state = fixture;

	place_remove(&f->copy);
	place_remove(&f->other);
	copy_file(f->honest.path, f->copy.path);
	return 0;
}

static inline int drop_copy(void **state)
{
	struct fixture *f = *state;

	place_remove(&f->copy);
	place_remove(&f->other);
	return 0;
}

/* What an operator with sqlite3 can do; without the syncs, for there are many. */
static inline void edit(const struct place *p, const char *sql)
{
	sqlite3 *db = place_sqlite(p);

	sqlite_do(db, "PRAGMA synchronous = OFF");
	sqlite_do(db, sql);
	sqlite3_close(db);
}

/* Writes a block of one transaction with one input and output as no ledger would, below a valid certificate.
 */
static inline void forge_block(struct place *p, const struct block *b, sqlite3_uint64 height, int seq,
                               int source_tx, int source_position)
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
	    "INSERT INTO blocks VALUES (%llu, x'%s', x'%s', x'%s', 1, %d, 0, %llu, %llu, NULL, NULL, x'%s');"
	    "INSERT INTO transactions VALUES (%d, x'%s', %llu, 0, %llu, x'6869', x'%s');"
	    "INSERT INTO inputs VALUES (%d, 0, %d, %d);"
	    "INSERT INTO outputs VALUES (%d, 0, x'%s', %llu, NULL, NULL, NULL);"
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

/* ---- auditing ------------------------------------------------------------------------- */

static inline void print_findings(const struct audit_report *r)
{
	for (size_t i = 0; i < r->ledger_cnt; i++)
		for (size_t j = 0; j < r->ledgers[i].finding_cnt; j++) {
			const struct audit_finding *x = &r->ledgers[i].findings[j];
			print_error("  [%zu] %llu %s %s: %s\n", i, (unsigned long long)x->height.n,
			            audit_kind_name(x->kind), x->where, x->message);
		}
}

static inline bool same_findings(const struct audit_ledger *a, const struct audit_ledger *b)
{
	bool same = a->ok == b->ok && a->finding_cnt == b->finding_cnt && a->finding_more == b->finding_more;

	for (size_t i = 0; same && i < a->finding_cnt; i++) {
		const struct audit_finding *x = &a->findings[i], *y = &b->findings[i];
		same = x->kind == y->kind && x->height.n == y->height.n && strcmp(x->where, y->where) == 0 &&
		       strcmp(x->message, y->message) == 0;
	}
	return same;
}

static inline struct audit_report audit_with(const struct fixture *f, const char *const *paths, size_t cnt,
                                             const struct audit_options *options)
{
	struct audit_report report;
	struct err err = {0};

	if (!audit_run(paths, cnt, &f->honest.rules.g, options, &report, &err))
		fail_msg("%s", err.text);
	return report;
}

/* The same is found with all outputs in memory, and with one: then they are looked up in the file. */
static inline struct audit_report audit(const struct fixture *f, const char *const *paths, size_t cnt)
{
	struct audit_report poor =
	    audit_with(f, paths, cnt, &(struct audit_options){.threads = 2, .outputs_kept = 1});
	struct audit_report report = audit_with(f, paths, cnt, &(struct audit_options){.threads = 2});

	for (size_t i = 0; i < cnt; i++)
		if (!same_findings(&report.ledgers[i], &poor.ledgers[i])) {
			print_error("with all outputs in memory:\n");
			print_findings(&report);
			print_error("with one:\n");
			print_findings(&poor);
			fail_msg("the findings differ");
		}
	audit_report_free(&poor);
	return report;
}

static inline struct audit_report audit_copy(const struct fixture *f)
{
	return audit(f, (const char *[]){f->copy.path}, 1);
}

/* A finding of this kind about that place; kind -1: any. */
static inline const struct audit_finding *find(const struct audit_report *r, size_t ledger, int kind,
                                               const char *where)
{
	const struct audit_ledger *l = &r->ledgers[ledger];
	for (size_t i = 0; i < l->finding_cnt; i++)
		if ((kind < 0 || l->findings[i].kind == (enum audit_kind)kind) &&
		    strcmp(l->findings[i].where, where) == 0)
			return &l->findings[i];
	return NULL;
}

static inline void assert_found(const struct audit_report *r, size_t ledger, int kind, const char *where)
{
	if (r->ok || r->ledgers[ledger].ok || !find(r, ledger, kind, where)) {
		print_findings(r);
		fail_msg("%s is not among the findings, or the verdict is ok", where);
	}
}

/* So many findings of this kind. */
static inline unsigned count_of(const struct audit_report *r, size_t ledger, enum audit_kind kind)
{
	unsigned cnt = 0;
	for (size_t i = 0; i < r->ledgers[ledger].finding_cnt; i++)
		cnt += r->ledgers[ledger].findings[i].kind == kind;
	return cnt;
}

static inline void assert_clean(const struct audit_report *r)
{
	if (!r->ok || r->ledgers[0].finding_cnt)
		print_findings(r);
	assert_true(r->ok);
	assert_int_equal(r->ledgers[0].finding_cnt, 0);
}

/* Runs with a fresh copy of the fixture's ledger. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_copy, drop_copy)

#endif
