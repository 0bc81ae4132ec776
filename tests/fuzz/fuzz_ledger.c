/*
 * fuzz_ledger.c: a ledger whose file is damaged: opening, reading, appending and the audit give an error or
 * an answer; what a reader proves and what the audit passes is the genuine chain.  An input is a list of
 * edits: an offset of three bytes, a length of one, and so many bytes; a length of 255 cuts the file there.
 * A length of 254 is an edit by SQL instead, the last of them, made at the end: the offset's bytes are
 * column, row and value.
 *
 * The ledger is the beginning of stakestory.h's, of a chain with seals: it has rows of every kind.
 *
 * Links: q_ledger
 */
#include "audit.h"
#include "fuzz.h"
#include "hash.h"
#include "scrub.h"
#include "stakestory.h"

#define EDIT_MAX 32
#define HEIGHT 12 /* up to the first conviction */
#define BASE 5    /* a checkpoint */

/* clang-format off */
static const struct { const char *table, *name; } columns[] = {
    {"meta", "value"},
    {"blocks", "height"}, {"blocks", "hash"}, {"blocks", "parent"}, {"blocks", "merkle_root"},
    {"blocks", "tx_count"}, {"blocks", "first_tx"}, {"blocks", "proposer"}, {"blocks", "time_ms"},
    {"blocks", "certified_by"}, {"blocks", "target"}, {"blocks", "nonce"}, {"blocks", "header"},
    {"transactions", "seq"}, {"transactions", "txid"}, {"transactions", "height"},
    {"transactions", "position"}, {"transactions", "expiry"}, {"transactions", "memo"}, {"transactions", "raw"},
    {"outputs", "tx"}, {"outputs", "position"}, {"outputs", "owner"}, {"outputs", "amount"},
    {"outputs", "lock"}, {"outputs", "replica"}, {"outputs", "spent_by"},
    {"inputs", "tx"}, {"inputs", "position"}, {"inputs", "source_tx"}, {"inputs", "source_position"},
    {"convictions", "height"}, {"convictions", "replica"}, {"convictions", "tx"}, {"convictions", "kind"},
    {"convictions", "view"}, {"convictions", "offence_height"},
    {"stakes", "height"}, {"stakes", "replica"}, {"stakes", "own"}, {"stakes", "delegated"},
    {"stakes", "turns"}, {"stakes", "first_height"},
    {"certificates", "height"}, {"certificates", "kind"}, {"certificates", "view"},
    {"certificates", "block"}, {"certificates", "certificate"},
    {"signers", "replica"}, {"signers", "signature"},
    {"journal", "seq"}, {"journal", "kind"}, {"journal", "entry"}, {"journal", "link"},
};

static const char *const values[] = {
    NULL, "x''", "NULL", "0", "-1", "1", "2", "4294967295", "9223372036854775807", "-9223372036854775808",
    "zeroblob(31)", "zeroblob(32)", "zeroblob(33)", "zeroblob(1000000)", "'stable'",
    "'stake'", "'release'", "'commit'",
    "(SELECT header FROM blocks)", "(SELECT raw FROM transactions WHERE seq = 1)",
};
/* clang-format on */
#define COLUMN_CNT (sizeof columns / sizeof *columns)
#define VALUE_CNT (sizeof values / sizeof *values)

static struct place *place;
static struct chain genuine;
static struct bytes image;       /* the undamaged file */
static struct qhash contents[3]; /* of its rows, as the three below see them */
static struct qtxid ids[HEIGHT];
static struct qhash hashes[HEIGHT + 1];
static uint8_t *damaged;

/* ---- the genuine ledger ---------------------------------------------------------- */

static void make_ledger(void)
{
	struct err err = {0};
	struct ledger *l = open_ledger(place);
	struct qjournal stable = {.kind = QJ_STABLE}, base = {.kind = QJ_STABLE};

	tell_stakes(&place->rules, &genuine, HEIGHT);
	append_run(l, &genuine, 1, 4, commit_at(&place->rules, &genuine, 4));
	append_run(l, &genuine, 5, 5, commit_at(&place->rules, &genuine, 5));
	base.qjournal_u.stable = checkpoint_at(&place->rules, &genuine, BASE);
	must(ledger_journal(l, &base, &err));
	wire_free(WIRE(qcert), &base.qjournal_u.stable);
	append_run(l, &genuine, 6, HEIGHT, commit_at(&place->rules, &genuine, HEIGHT));
	stable.qjournal_u.stable = checkpoint_at(&place->rules, &genuine, HEIGHT);
	must(ledger_journal(l, &stable, &err));
	wire_free(WIRE(qcert), &stable.qjournal_u.stable);
	commit(l);
	ledger_close(l);
}

static void read_image(void)
{
	struct stat st;
	int fd = open(place->path, O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0);
	image = (struct bytes){xcalloc((size_t)st.st_size, 1), (size_t)st.st_size};
	must(read(fd, image.data, image.len) == (ssize_t)image.len);
	close(fd);
}

/* What each of them passes, it has seen: :l is the last transaction of the block at BASE, :t of the last. */
static const char *const audited[] = {
    "SELECT * FROM blocks ORDER BY 1",         "SELECT * FROM transactions ORDER BY 1",
    "SELECT * FROM outputs ORDER BY 1, 2",     "SELECT * FROM inputs ORDER BY 1, 2",
    "SELECT * FROM convictions ORDER BY 1, 2", "SELECT * FROM stakes ORDER BY 1, 2",
    "SELECT * FROM certificates ORDER BY 1",   "SELECT * FROM signers ORDER BY 1, 2",
    "SELECT * FROM replicas ORDER BY 1",       NULL};
static const char *const audited_since[] = {
    "SELECT * FROM blocks WHERE height > 5 ORDER BY 1",
    "SELECT * FROM transactions WHERE seq > :l ORDER BY 1",
    "SELECT * FROM outputs WHERE tx > :l OR spent_by IS NULL OR spent_by > :l ORDER BY 1, 2",
    "SELECT t.txid, t.height FROM transactions t WHERE seq IN (SELECT tx FROM outputs WHERE spent_by IS NULL "
    "OR "
    "spent_by > :l) ORDER BY seq",
    "SELECT * FROM inputs WHERE tx > :l ORDER BY 1, 2",
    "SELECT height, replica FROM convictions ORDER BY 1, 2",
    "SELECT * FROM convictions WHERE height > 5 ORDER BY 1, 2",
    "SELECT * FROM stakes WHERE height > 5 ORDER BY 1, 2",
    "SELECT * FROM certificates WHERE height > 5 ORDER BY 1",
    "SELECT * FROM signers WHERE height > 5 ORDER BY 1, 2",
    "SELECT * FROM replicas ORDER BY 1",
    NULL};
static const char *const scrubbed[] = {"SELECT * FROM meta ORDER BY 1",
                                       "SELECT * FROM replicas ORDER BY 1",
                                       "SELECT * FROM blocks WHERE height <= 12 ORDER BY 1",
                                       "SELECT * FROM transactions WHERE seq <= :t ORDER BY 1",
                                       "SELECT * FROM outputs WHERE tx <= :t ORDER BY 1, 2",
                                       "SELECT * FROM inputs WHERE tx <= :t ORDER BY 1, 2",
                                       "SELECT * FROM convictions WHERE height <= 12 ORDER BY 1, 2",
                                       "SELECT * FROM stakes WHERE height <= 12 ORDER BY 1, 2",
                                       "SELECT * FROM certificates WHERE height <= 12 ORDER BY 1",
                                       "SELECT * FROM signers WHERE height <= 12 ORDER BY 1, 2",
                                       "SELECT * FROM journal ORDER BY 1",
                                       NULL};
static const char *const *const views[] = {audited, audited_since, scrubbed};

static int64_t last_seq(unsigned height)
{
	int64_t seq = 0;

	for (unsigned h = 1; h <= height; h++)
		seq += (int64_t)genuine.blocks[h]->tx_cnt;
	return seq;
}

static void add_row(sqlite3_stmt *row, struct qhash *sum)
{
	for (int k = 0; k < sqlite3_column_count(row); k++) {
		uint8_t type = (uint8_t)sqlite3_column_type(row, k);
		const void *data = sqlite3_column_blob(row, k);
		size_t len = (size_t)sqlite3_column_bytes(row, k);
		struct span parts[] = {{sum->b, sizeof sum->b}, {&type, 1}, {data ? data : "", len}};
		hash_tagged("fuzz/contents", parts, 3, sum->b);
	}
}

/* Of all these rows; of none, where they cannot be read. */
static struct qhash read_contents(const char *const *queries)
{
	struct qhash sum = {{0}};
	sqlite3 *db;

	must(sqlite3_open(place->path, &db) == SQLITE_OK);
	for (; *queries; queries++) {
		sqlite3_stmt *row = NULL;
		sqlite3_prepare_v2(db, *queries, -1, &row, NULL);
		sqlite3_bind_int64(row, sqlite3_bind_parameter_index(row, ":l"), last_seq(BASE));
		sqlite3_bind_int64(row, sqlite3_bind_parameter_index(row, ":t"), last_seq(HEIGHT));
		while (row && sqlite3_step(row) == SQLITE_ROW)
			add_row(row, &sum);
		hash_tagged("fuzz/table", &(struct span){sum.b, sizeof sum.b}, 1, sum.b);
		sqlite3_finalize(row);
	}
	sqlite3_close(db);
	return sum;
}

static bool same_contents(unsigned view)
{
	struct qhash now = read_contents(views[view]);

	return qhash_eq(&now, &contents[view]);
}

static void make_place(void)
{
	struct qpow_rules pow = {.bits = 1, .bits_max = 3, .interval_ms = 1000, .hash_rate = 1000000};
	struct err err = {0};
	void *p;

	must(place_setup(&p) == 0);
	place = p;
	rules_teardown(&place->rules);
	story_setup(&place->rules, 10);
	place->rules.g.g.seal.kind = QSEAL_POW;
	place->rules.g.g.seal.qseal_rules_u.pow = pow;
	must(genesis_finish(&place->rules.g, &err));
}

static void setup(void)
{
	make_place();
	make_ledger();
	read_image();
	for (unsigned i = 0; i < 3; i++)
		contents[i] = read_contents(views[i]);
	damaged = xcalloc(image.len, 1);
	hashes[0] = place->rules.g.chain;
	for (unsigned h = 1; h <= HEIGHT; h++) {
		hashes[h] = genuine.blocks[h]->hash;
		ids[h - 1] = genuine.blocks[h]->txs[0]->id;
	}

	fuzz_seed("", 0);
	for (uint8_t i = 0; i < COLUMN_CNT; i++)
		fuzz_seed((uint8_t[]){i, i, i, 254}, 4);
	for (size_t i = 0; i < 20; i++) {
		size_t at = image.len / 20 * i;
		uint8_t edit[8] = {(uint8_t)(at >> 16), (uint8_t)(at >> 8), (uint8_t)at, 4, 0, 0, 0, 1};
		fuzz_seed(edit, sizeof edit);
	}
}

static void teardown(void)
{
	free_chain(&genuine);
	free(damaged);
	bytes_free(&image);
	place_teardown((void *[]){place});
}

/* ---- damage ----------------------------------------------------------------------- */

/* Changes what one row has in a column, and all that have the same there; without a value deletes them. */
static void edit_by_sql(const uint8_t *edit)
{
	const char *table = columns[edit[0] % COLUMN_CNT].table, *name = columns[edit[0] % COLUMN_CNT].name;
	const char *value = values[edit[2] % VALUE_CNT];
	char sql[384], where[192];
	sqlite3 *db;

	snprintf(where, sizeof where, "WHERE %s IS (SELECT %s FROM %s LIMIT 1 OFFSET %u)", name, name, table,
	         edit[1] % 8u);
	if (value)
		snprintf(sql, sizeof sql, "UPDATE %s SET %s = %s %s", table, name, value, where);
	else
		snprintf(sql, sizeof sql, "DELETE FROM %s %s", table, where);
	if (sqlite3_open(place->path, &db) == SQLITE_OK) {
		sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
		sqlite3_exec(db, sql, NULL, NULL, NULL); /* what cannot be stays undone */
	}
	sqlite3_close(db);
}

/* True if the file is still the genuine one. */
static bool put_damaged(const uint8_t *data, size_t len)
{
	size_t size = image.len;
	const uint8_t *by_sql = NULL;

	memcpy(damaged, image.data, image.len);
	for (size_t i = 0; i + 4 <= len;) {
		size_t at = ((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % image.len;
		size_t cnt = data[i + 3];
		i += 4;
		if (cnt == 254) {
			by_sql = &data[i - 4];
			continue;
		}
		if (cnt == 255) {
			size = at;
			continue;
		}
		cnt %= EDIT_MAX + 1;
		for (; cnt > 0 && i < len && at < image.len; cnt--)
			damaged[at++] = data[i++];
	}
	place_remove(place);
	int fd = open(place->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, damaged, size) == (ssize_t)size);
	close(fd);
	if (by_sql)
		edit_by_sql(by_sql);
	return !by_sql && size == image.len && memcmp(damaged, image.data, size) == 0;
}

/* ---- use --------------------------------------------------------------------------- */

static void check_found(enum found found, const struct err *err)
{
	must(found == FOUND || found == NOT_FOUND || (found == FOUND_ERROR && err->text[0] != '\0'));
}

/* Who proves (reader_prove()) gives a block and its certificate only if they are the genuine ones. */
static void check_block(bool proving, uint64_t h, const struct qblock *block, enum found certified,
                        const struct qcert *cert)
{
	struct qhash hash;

	if (!proving || certified != FOUND)
		return;
	block_hash(&block->header, &hash);
	must(h <= HEIGHT && qhash_eq(&hash, &hashes[h]));
	must(cert->vote.height.n <= HEIGHT && qhash_eq(&cert->vote.block, &hashes[cert->vote.height.n]));
}

static void read_height(struct reader *r, bool proving, uint64_t h)
{
	struct err err = {0};
	struct qheight height = {h};
	struct qheader header;
	struct qblock block;
	struct qchain chain;
	struct qcert cert;
	enum found found = reader_header(r, height, &header, &err);

	check_found(found, &err);
	found = reader_block(r, height, &block, &err);
	check_found(found, &err);
	if (found == FOUND) {
		enum found certified = reader_cert_for(r, height, &cert, &err);
		check_block(proving, h, &block, certified, &cert);
		if (certified == FOUND)
			wire_free(WIRE(qcert), &cert);
		wire_free(WIRE(qblock), &block);
	}
	found = reader_block_by_hash(r, &hashes[h % (HEIGHT + 1)], &block, &err);
	check_found(found, &err);
	if (found == FOUND)
		wire_free(WIRE(qblock), &block);
	found = reader_chain(r, height, &chain, &err);
	check_found(found, &err);
	if (found == FOUND)
		wire_free(WIRE(qchain), &chain);
	found = reader_cert_for(r, height, &cert, &err);
	check_found(found, &err);
	if (found == FOUND)
		wire_free(WIRE(qcert), &cert);
}

/* In block `height`, if it can be proven. */
static void check_tx(struct reader *r, uint64_t height, const struct tx_place *at, const struct bytes *raw)
{
	struct err err = {0};
	struct qhash leaf;

	merkle_leaf(raw->data, raw->len, &leaf);
	enum found found = reader_prove_tx(r, &leaf, at, &err);
	check_found(found, &err);
	must(found != FOUND || at->height.n == height);
}

/* It stands in block `height`; 0: in none. */
static void read_transaction(struct reader *r, bool proving, const struct qtxid *id, uint64_t height)
{
	struct err err = {0};
	struct tx_place at;
	struct bytes raw;
	struct qreceipt receipt;
	struct qtxid spender;
	bool known;
	enum found found = reader_tx(r, id, &at, &raw, &err);

	check_found(found, &err);
	if (found == FOUND) {
		if (proving)
			check_tx(r, height, &at, &raw);
		bytes_free(&raw);
	}
	found = reader_receipt(r, id, &receipt, &err);
	check_found(found, &err);
	if (found == FOUND) {
		must(!proving || receipt.headers.headers_val[0].height.n == height);
		wire_free(WIRE(qreceipt), &receipt);
	}
	for (uint32_t i = 0; i < 2; i++) {
		struct output_row row;
		check_found(reader_spender(r, &(struct qoutpoint){*id, i}, &spender, &known, &err), &err);
		check_found(reader_output(r, &(struct qoutpoint){*id, i}, &row, &err), &err);
	}
	struct attempt attempt;
	int64_t seq = 0;
	check_found(reader_attempt(r, id, &seq, &attempt, &err), &err);
}

static void read_stakes(struct reader *r, struct qheight tip)
{
	struct ledger_stakes stakes;
	struct err err = {0};
	enum found found = reader_stakes(r, &place->rules.g, tip, &stakes, &err);

	check_found(found, &err);
}

static void read_all(bool proving)
{
	struct err err = {0};
	struct reader *r = reader_open(place->path, NULL, &err);
	struct qheight tip;

	must(r || err.text[0] != '\0');
	if (!r)
		return;
	if (proving)
		reader_prove(r, &place->rules.g);
	check_found(reader_height(r, &tip, &err), &err);
	for (uint64_t h = 0; h <= HEIGHT + 1; h++)
		read_height(r, proving, h);
	read_transaction(r, proving, &place->rules.g.txid, 0);
	for (size_t i = 0; i < HEIGHT; i++)
		read_transaction(r, proving, &ids[i], i + 1);
	read_stakes(r, tip);
	reader_close(r);
}

/* The block that a replica would append next. */
static void append_one(struct ledger *l)
{
	struct overlay *overlay = overlay_new(ledger_state(l), NULL, qheight_of(HEIGHT + 1));
	struct tx *tx = story_pass(&place->rules, &genuine, HEIGHT + 1);
	struct block *b = make_block(HEIGHT + 1, hashes[HEIGHT], &tx, 1);
	struct qcert cert = commit_of(&place->rules, b);
	struct err err = {0};
	size_t bad;

	if (overlay_add_block(overlay, b, &bad) == TX_OK)
		must((ledger_append(l, &b, &overlay, 1, &cert, NULL, &err) && ledger_commit(l, &err)) ||
		     err.text[0] != '\0');
	wire_free(WIRE(qcert), &cert);
	block_unref(b);
	overlay_unref(overlay);
}

static void open_and_append(void)
{
	struct err err = {0};
	struct ledger *l = ledger_open(place->path, &place->rules.g, NULL, &err);
	struct qcert cert;

	must(l || err.text[0] != '\0');
	if (!l)
		return;
	if (ledger_tip_cert(l, &cert, &err))
		wire_free(WIRE(qcert), &cert);
	if (ledger_stable_cert(l, &cert, &err))
		wire_free(WIRE(qcert), &cert);
	if (ledger_height(l).n == HEIGHT && qhash_eq(ledger_tip(l), &hashes[HEIGHT]))
		append_one(l);
	ledger_close(l);
}

/* The audit may pass only what is, block for block and row for row, the genuine chain. */
static void check_audit(bool undamaged)
{
	const char *path = place->path;
	struct audit_options o = {.threads = 1};
	struct audit_report report;
	struct err err = {0};
	struct qheader header;
	struct qhash hash;

	bool made = audit_run(&path, 1, &place->rules.g, &o, &report, &err);
	must(made || err.text[0] != '\0');
	must(!undamaged || made);
	if (!made)
		return;
	must(!undamaged || (report.ok && report.height.n == HEIGHT && report.transactions == HEIGHT + 4));
	must(report.ok == (report.ledgers[0].ok));
	must(report.ok || report.ledgers[0].finding_cnt > 0);
	must(!report.ok || report.height.n != HEIGHT || same_contents(0));
	if (report.ok) {
		struct reader *r = reader_open(path, NULL, &err);
		must(r != NULL && report.height.n <= HEIGHT);
		for (uint64_t h = 1; h <= report.height.n; h++) {
			must(reader_header(r, (struct qheight){h}, &header, &err) == FOUND);
			block_hash(&header, &hash);
			must(qhash_eq(&hash, &hashes[h]));
		}
		reader_close(r);
	}
	audit_report_free(&report);
}

static void check_since(bool undamaged)
{
	const char *path = place->path;
	struct audit_options o = {.threads = 1, .since = {7}, .outputs_kept = 1};
	struct audit_report report;
	struct err err = {0};

	bool made = audit_run(&path, 1, &place->rules.g, &o, &report, &err);
	must(made || err.text[0] != '\0');
	must(!undamaged || (made && report.ok && report.height.n == HEIGHT));
	if (!made)
		return;
	must(!undamaged || report.ledgers[0].since.n == BASE);
	must(report.ledgers[0].since.n == 0 || report.ledgers[0].since.n == BASE);
	must(report.ok || report.ledgers[0].finding_cnt > 0);
	must(!report.ok || report.height.n != HEIGHT || same_contents(report.ledgers[0].since.n == BASE));
	audit_report_free(&report);
}

static void check_scrub(bool undamaged)
{
	struct err err = {0};
	struct scrub *s =
	    scrub_begin(place->path, &place->rules.g, qheight_of(HEIGHT), &hashes[HEIGHT], &err);
	enum scrub_verdict v = s ? SCRUB_MORE : SCRUB_ERROR;

	for (unsigned steps = 0; v == SCRUB_MORE; steps++) {
		v = scrub_step(s, 3, &err);
		must(steps < 100);
	}
	must(v == SCRUB_WHOLE || err.text[0] != '\0');
	must(!undamaged || v == SCRUB_WHOLE);
	must(v != SCRUB_WHOLE || same_contents(2));
	scrub_end(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	bool undamaged = put_damaged(data, len);

	check_audit(undamaged);
	check_since(undamaged);
	check_scrub(undamaged);
	read_all(false);
	read_all(true);
	open_and_append();
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "ledger", .runs = 60, .setup = setup, .teardown = teardown};
