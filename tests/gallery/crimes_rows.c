/*
 * crimes_rows.c: what anybody can do who can write the file: bits, rows, the schema, the file itself.  No key
 * is needed for it, and none helps.
 */
#include "crime.h"

#define OPERATOR "operator, no keys"
#define DISK "a failing disk"

/* ---- bits of what is canonical --------------------------------------------------------------- */

static void flip_header(struct scene *s)
{
	forge_flip(&s->suspect, "blocks", "header", "height = 5", 60);
}
static void flip_body(struct scene *s)
{
	forge_flip(&s->suspect, "transactions", "raw", "seq = 5", 60);
}
static void flip_witness(struct scene *s)
{
	forge_flip(&s->suspect, "transactions", "raw", "seq = 5", -20);
}
static void flip_certificate(struct scene *s)
{
	forge_flip(&s->suspect, "certificates", "certificate", "height = 7", -20);
}
static void flip_signer(struct scene *s)
{
	forge_flip(&s->suspect, "signers", "signature", "height = 7 AND replica = 1", 20);
}
static void flip_entry(struct scene *s)
{
	forge_flip(&s->suspect, "journal", "entry", "seq = 2", -20);
}
static void flip_link(struct scene *s)
{
	forge_flip(&s->suspect, "journal", "link", "seq = 2", 3);
}

/* ---- indexes: rows of the tables stay as they are, only answers are wrong ---------------------- */

/* Makes the content of an index as if it were another, and leaves its name and text as they were. */
static void rebuild_index(struct scene *s, const char *name, const char *as)
{
	char sql[512], *text;
	sqlite3 *db = place_sqlite(&s->suspect);
	sqlite3_stmt *stmt;

	snprintf(sql, sizeof sql, "SELECT sql FROM sqlite_schema WHERE name = '%s'", name);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	text = xstrdup((const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	snprintf(sql, sizeof sql,
	         "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '%s' WHERE name = '%s';"
	         "PRAGMA writable_schema = RESET; REINDEX %s",
	         as, name, name);
	sqlite_do(db, sql);
	snprintf(sql, sizeof sql,
	         "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '%s' WHERE name = '%s';"
	         "PRAGMA writable_schema = RESET",
	         text, name);
	sqlite_do(db, sql);
	sqlite3_close(db);
	free(text);
}

static void hide_payment(struct scene *s)
{
	rebuild_index(
	    s, "transactions_txid",
	    "CREATE UNIQUE INDEX transactions_txid ON transactions(seq >> 15, txid) WHERE seq <> 5");
}
static void misdirect_blocks(struct scene *s)
{
	rebuild_index(s, "blocks_hash", "CREATE UNIQUE INDEX blocks_hash ON blocks(parent)");
}

/* ---- the file ------------------------------------------------------------------------------------ */

static void truncate_half(struct scene *s)
{
	assert_int_equal(truncate(s->suspect.path, forge_file_size(s->suspect.path) / 2), 0);
}

static void zero_page(struct scene *s)
{
	static const uint8_t nothing[4096];
	forge_file(s->suspect.path, 4096L * (forge_file_size(s->suspect.path) / 4096 / 2), nothing,
	           sizeof nothing);
}

static void scribble_schema(struct scene *s)
{
	uint8_t noise[512];
	memset(noise, 0xa5, sizeof noise);
	forge_file(s->suspect.path, 100, noise, sizeof noise);
}

static void not_a_database(struct scene *s)
{
	forge_file(s->suspect.path, 0, "[[[[[[[[[[[[[[[[[[[[[[[[", 24);
}

static void empty_file(struct scene *s)
{
	assert_int_equal(truncate(s->suspect.path, 0), 0);
}

/* A node's last blocks are in its WAL until they are folded in: the copy has all but those. */
static void forget_wal(struct scene *s)
{
	place_remove(&s->suspect);
	copy_file(s->w->honest.path, s->witness.path);
	forge_cut(&s->witness, 8);
	struct ledger *l = open_ledger(&s->witness);
	struct chain c = s->w->chain; /* its digests are written once more */
	struct qvote vote = {.view = {1}, .height = {10}, .block = c.blocks[10]->hash};
	append_run(l, &c, 9, 10, rules_cert(&s->w->honest.rules, QCOMMIT, &vote, 7));
	commit(l);
	copy_file(s->witness.path, s->suspect.path);
	ledger_close(l);
	place_remove(&s->witness);
}

/* The WAL of another chain's ledger, renamed. */
static void strange_wal(struct scene *s)
{
	struct place other = s->witness;
	char wal[128], renamed[128];

	copy_file(world_of(STAKED)->honest.path, other.path);
	place_edit(&other, "PRAGMA journal_mode = WAL");
	sqlite3 *db = place_sqlite(&other);
	sqlite_do(db, "PRAGMA wal_autocheckpoint = 0; UPDATE outputs SET amount = amount + 1");
	snprintf(wal, sizeof wal, "%s-wal", other.path);
	snprintf(renamed, sizeof renamed, "%s-wal", s->suspect.path);
	copy_file(wal, renamed);
	sqlite3_close(db);
	place_remove(&other);
}

/* clang-format off */
const struct crime crimes_rows[] = {
	{"header-bit", OPERATOR, "flips a bit of a block's header", PLAIN, NULL, flip_header, false,
	 {1, "tampered", "altered", "blocks(height=5).hash", NULL, NULL, NULL}},
	{"payment-bit", OPERATOR, "flips a bit of a transaction", PLAIN, NULL, flip_body, false,
	 {1, "tampered", "altered", "transactions(seq=5).txid", NULL, NULL, NULL}},
	{"witness-bit", OPERATOR, "flips a bit of a payer's signature", PLAIN, NULL, flip_witness, false,
	 {1, "tampered", "merkle", "blocks(height=4).header", NULL, NULL, NULL}},
	{"certificate-bit", OPERATOR, "flips a bit of a replica's signature in a certificate", PLAIN, NULL,
	 flip_certificate, false,
	 {1, "tampered", "certificate", "certificates(height=7).certificate", "signature of replica 2", NULL, NULL}},
	{"signer-bit", OPERATOR, "flips a bit of a signature in the table of signers", PLAIN, NULL, flip_signer,
	 false, {1, "tampered", "altered", "signers(height=7,replica=1).signature", NULL, NULL, NULL}},
	{"journal-bit", OPERATOR, "flips a bit of a NEW-VIEW in the journal", PLAIN, NULL, flip_entry, false,
	 {1, "tampered", "journal", "journal(seq=2).entry", "signature of replica 1", NULL, NULL}},
	{"link-bit", OPERATOR, "flips a bit of a link of the journal", PLAIN, NULL, flip_link, false,
	 {1, "tampered", "altered", "journal(seq=2).link", NULL, NULL, NULL}},
	{"block-dropped", OPERATOR, "deletes a block's row", PLAIN, "DELETE FROM blocks WHERE height = 5", NULL,
	 false, {1, "tampered", "missing", "blocks(height=5)", NULL, NULL, NULL}},
	{"payment-dropped", OPERATOR, "deletes a transaction", PLAIN, "DELETE FROM transactions WHERE seq = 5",
	 NULL, false, {1, "tampered", "missing", "transactions(seq=5)", NULL, NULL, NULL}},
	{"output-dropped", OPERATOR, "deletes what somebody holds", PLAIN, "DELETE FROM outputs WHERE tx = 2", NULL,
	 false, {1, "tampered", "missing", "outputs(tx=2,position=0)", NULL, NULL, NULL}},
	{"input-dropped", OPERATOR, "deletes what a transaction spent", PLAIN, "DELETE FROM inputs WHERE tx = 5",
	 NULL, false, {1, "tampered", "missing", "inputs(tx=5,position=0)", NULL, NULL, NULL}},
	{"certificate-dropped", OPERATOR, "deletes a certificate", PLAIN,
	 "DELETE FROM certificates WHERE height = 7", NULL, false,
	 {1, "tampered", "missing", "certificates(height=7)", NULL, NULL, NULL}},
	{"signer-dropped", OPERATOR, "denies that a replica signed", PLAIN,
	 "DELETE FROM signers WHERE height = 7 AND replica = 1", NULL, false,
	 {1, "tampered", "missing", "signers(height=7,replica=1)", NULL, NULL, NULL}},
	{"entry-dropped", OPERATOR, "deletes the journal's NEW-VIEW", PLAIN, "DELETE FROM journal WHERE seq = 2",
	 NULL, false, {1, "tampered", "missing", "journal(seq=2)", NULL, NULL, NULL}},
	{"evidence-dropped", OPERATOR, "deletes evidence from the table of evidence", PLAIN,
	 "DELETE FROM evidence WHERE seq = 3", NULL, false,
	 {1, "tampered", "missing", "evidence(seq=3)", NULL, NULL, NULL}},
	{"culprit-dropped", OPERATOR, "clears a culprit", PLAIN, "DELETE FROM culprits WHERE seq = 3", NULL, false,
	 {1, "tampered", "missing", "culprits(seq=3,replica=2)", NULL, NULL, NULL}},
	{"replica-dropped", OPERATOR, "deletes a replica", PLAIN, "DELETE FROM replicas WHERE replica = 2", NULL,
	 false, {1, "tampered", "missing", "replicas(replica=2)", NULL, NULL, NULL}},
	{"stake-dropped", OPERATOR, "deletes a replica's stake of an epoch", STAKED,
	 "DELETE FROM stakes WHERE height = 8 AND replica = 2", NULL, false,
	 {1, "tampered", "missing", "stakes(height=8,replica=2)", NULL, NULL, NULL}},
	{"conviction-dropped", OPERATOR, "clears a convicted replica", STAKED,
	 "DELETE FROM convictions WHERE height = 12", NULL, false,
	 {1, "tampered", "missing", "convictions(height=12,replica=1)", NULL, NULL, NULL}},
	{"chain-forgotten", OPERATOR, "deletes the chain's id", PLAIN, "DELETE FROM meta WHERE key = 'chain'", NULL,
	 false, {1, "tampered", "missing", "meta(key='chain')", NULL, NULL, NULL}},
	{"amount-raised", OPERATOR, "gives himself more than he was paid", PLAIN,
	 "UPDATE outputs SET amount = amount + 1000 WHERE tx = 2", NULL, false,
	 {1, "tampered", "altered", "outputs(tx=2,position=0).amount", NULL, NULL, NULL}},
	{"owner-changed", OPERATOR, "makes himself the owner of an output", PLAIN,
	 "UPDATE outputs SET owner = x'0102030405060708090a0b0c0d0e0f1011121314' WHERE tx = 2", NULL, false,
	 {1, "tampered", "altered", "outputs(tx=2,position=0).owner", NULL, NULL, NULL}},
	{"genesis-edited", OPERATOR, "raises an allocation of the genesis", PLAIN,
	 "UPDATE outputs SET amount = 501 WHERE tx = 0 AND position = 1", NULL, false,
	 {1, "tampered", "altered", "outputs(tx=0,position=1).amount", NULL, NULL, NULL}},
	{"output-added", OPERATOR, "adds an output that nobody paid", PLAIN,
	 "INSERT INTO outputs VALUES (11, 1, x'0102030405060708090a0b0c0d0e0f1011121314', 999, NULL, NULL, NULL)",
	 NULL, false, {1, "tampered", "extra", "outputs(tx=11,position=1)", NULL, NULL, NULL}},
	{"unspent-again", OPERATOR, "clears spent_by, to spend an output again", PLAIN,
	 "UPDATE outputs SET spent_by = NULL WHERE tx = 1 AND position = 0", NULL, false,
	 {1, "tampered", "altered", "outputs(tx=1,position=0).spent_by", NULL, NULL, NULL}},
	{"spent-before-time", OPERATOR, "marks another's money as spent", PLAIN,
	 "UPDATE outputs SET spent_by = 11 WHERE tx = 2", NULL, false,
	 {1, "tampered", "altered", "outputs(tx=2,position=0).spent_by", NULL, NULL, NULL}},
	{"memo-changed", OPERATOR, "changes what a payment was for", PLAIN,
	 "UPDATE transactions SET memo = x'6e6f' WHERE seq = 5", NULL, false,
	 {1, "tampered", "altered", "transactions(seq=5).memo", NULL, NULL, NULL}},
	{"signer-added", OPERATOR, "lets a replica have signed that did not", PLAIN,
	 "INSERT INTO signers VALUES (7, 3, zeroblob(64))", NULL, false,
	 {1, "tampered", "extra", "signers(height=7,replica=3)", NULL, NULL, NULL}},
	{"innocent-named", OPERATOR, "names an honest replica as a culprit", PLAIN,
	 "INSERT INTO culprits VALUES (3, 0)", NULL, false,
	 {1, "tampered", "extra", "culprits(seq=3,replica=0)", NULL, NULL, NULL}},
	{"evidence-edited", OPERATOR, "makes evidence be about another height", PLAIN,
	 "UPDATE evidence SET height = 5 WHERE seq = 3", NULL, false,
	 {1, "tampered", "altered", "evidence(seq=3).height", NULL, NULL, NULL}},
	{"own-stake-raised", OPERATOR, "gives his replica more stake", STAKED,
	 "UPDATE stakes SET own = own + 500 WHERE height = 8 AND replica = 0", NULL, false,
	 {1, "tampered", "altered", "stakes(height=8,replica=0).own", NULL, NULL, NULL}},
	{"unlocked", OPERATOR, "frees what is at stake", STAKED,
	 "UPDATE outputs SET lock = NULL, replica = NULL WHERE tx = 0 AND position = 1", NULL, false,
	 {1, "tampered", "altered", "outputs(tx=0,position=1).lock", NULL, NULL, NULL}},
	{"nonce-changed", OPERATOR, "shows another nonce for a block", SEALED,
	 "UPDATE blocks SET nonce = nonce + 1 WHERE height = 3", NULL, false,
	 {1, "tampered", "altered", "blocks(height=3).nonce", NULL, NULL, NULL}},
	{"index-dropped", OPERATOR, "drops the index of transaction ids", PLAIN, "DROP INDEX transactions_txid",
	 NULL, false, {1, "tampered", "schema", "schema.index transactions_txid", NULL, NULL, NULL}},
	{"payment-hidden", OPERATOR, "takes a row out of an index: who asks for that payment finds none", PLAIN,
	 NULL, hide_payment, false, {1, "damaged", "damaged", "file", NULL, NULL, NULL}},
	{"index-misdirected", OPERATOR, "lets an index lead to another block than it says", PLAIN, NULL,
	 misdirect_blocks, false, {1, "damaged", "damaged", "file", NULL, NULL, NULL}},
	{"trigger-added", OPERATOR, "adds a trigger that pays him with each block", PLAIN,
	 "CREATE TRIGGER t AFTER INSERT ON blocks BEGIN UPDATE outputs SET amount = amount + 1 WHERE tx = 2; END",
	 NULL, false, {1, "tampered", "schema", "schema.trigger t", NULL, NULL, NULL}},
	{"view-replaced", OPERATOR, "replaces a view by one that lies", PLAIN,
	 "DROP VIEW balances; CREATE VIEW balances AS SELECT owner, 2 * sum(amount) AS amount FROM outputs GROUP BY owner",
	 NULL, false, {1, "tampered", "schema", "schema.view balances", NULL, NULL, NULL}},
	{"table-added", OPERATOR, "adds a table of his own", PLAIN, "CREATE TABLE notes (x)", NULL, false,
	 {1, "tampered", "schema", "schema.table notes", NULL, NULL, NULL}},
	{"column-added", OPERATOR, "adds a column", PLAIN, "ALTER TABLE outputs ADD COLUMN note TEXT", NULL, false,
	 {1, "tampered", "schema", "schema.table outputs", NULL, NULL, NULL}},
	{"version-changed", OPERATOR, "says that the schema is another", PLAIN,
	 "UPDATE meta SET value = 2 WHERE key = 'schema'", NULL, false,
	 {1, "tampered", "altered", "meta(key='schema').value", NULL, NULL, NULL}},
	{"from-the-future", OPERATOR, "says, in both places, that a later program made the file", PLAIN,
	 "PRAGMA user_version = 99; UPDATE meta SET value = 99 WHERE key = 'schema'", NULL, false,
	 {2, NULL, NULL, NULL, "newer quorate", NULL, NULL}},
	{"check-dodged", OPERATOR, "stores a negative amount, past the schema's own check", PLAIN,
	 "PRAGMA ignore_check_constraints = ON; UPDATE outputs SET amount = -1 WHERE tx = 2", NULL, false,
	 {1, "tampered", "altered", "outputs(tx=2,position=0).amount", NULL, NULL, NULL}},
	{"truncated", DISK, "cuts the file in half", PLAIN, NULL, truncate_half, false,
	 {2, NULL, NULL, NULL, "cut off", NULL, NULL}},
	{"page-zeroed", DISK, "loses a page", PLAIN, NULL, zero_page, false,
	 {1, "damaged", "damaged", "file", NULL, NULL, NULL}},
	{"schema-scribbled", DISK, "writes noise over the first page", PLAIN, NULL, scribble_schema, false,
	 {1, "damaged", "damaged", "file", NULL, NULL, NULL}},
	{"brackets", OPERATOR, "hands in something else", PLAIN, NULL, not_a_database, false,
	 {2, NULL, NULL, NULL, "", NULL, NULL}},
	{"empty", OPERATOR, "hands in an empty file", PLAIN, NULL, empty_file, false,
	 {2, NULL, NULL, NULL, "", NULL, NULL}},
	{"wal-lost", "a careless copy", "copies a running node's file without its WAL", PLAIN, NULL, forget_wal,
	 true, {0, "behind", NULL, NULL, NULL, NULL, NULL}},
	{"wal-of-another", OPERATOR, "puts another chain's WAL beside the file", PLAIN, NULL, strange_wal, false,
	 {1, "tampered", "altered", "outputs(tx=0,position=0).amount", NULL, NULL, NULL}},
	{NULL},
};
/* clang-format on */
