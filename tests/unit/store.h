/*
 * store.h: a place on disk and a chain of small blocks for the tests of the store.
 */
#ifndef QUORATE_TEST_STORE_H
#define QUORATE_TEST_STORE_H

#include "rules.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ledger.h"
#include "merkle.h"

struct place {
	struct rules rules;
	char dir[64], path[96];
};

/* In memory where that can be had, for a sync of a busy disk takes long; containers have little of it. */
static inline const char *place_root(void)
{
	struct statvfs room;
	bool roomy = statvfs("/dev/shm", &room) == 0 && room.f_bavail * room.f_frsize > (UINT64_C(512) << 20);

	return roomy && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static inline int place_setup(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);

	rules_setup(&p->rules, 4, "store");
	snprintf(p->dir, sizeof p->dir, "%s/quorate-store-XXXXXX", place_root());
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof p->path, "%s/file.db", p->dir);
	*state = p;
	return 0;
}

static inline void place_remove(const struct place *p)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	char path[128];

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		snprintf(path, sizeof path, "%s%s", p->path, ends[i]);
		unlink(path);
	}
}

static inline int place_teardown(void **state)
{
	struct place *p = *state;

	place_remove(p);
	rmdir(p->dir);
	rules_teardown(&p->rules);
	free(p);
	return 0;
}

/* ---- from outside: what an operator with sqlite3 could do ------------------- */

static inline sqlite3 *place_sqlite(const struct place *p)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	return db;
}

static inline void sqlite_do(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static inline void place_edit(const struct place *p, const char *sql)
{
	sqlite3 *db = place_sqlite(p);

	sqlite_do(db, sql);
	sqlite3_close(db);
}

static inline int64_t place_ask(const struct place *p, const char *sql)
{
	sqlite3 *db = place_sqlite(p);
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

/* Overwrites `len` bytes of the file at `at`. */
static inline void place_scribble(const struct place *p, off_t at, size_t len)
{
	int fd = open(p->path, O_WRONLY);

	assert_true(fd >= 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(pwrite(fd, "\xa5", 1, at + (off_t)i), 1);
	close(fd);
}

/* ---- transactions and blocks ------------------------------------------------ */

static inline struct qoutput to(uint8_t number, uint64_t amount)
{
	return (struct qoutput){rules_address(number), amount};
}

/* A signed transaction of one owner. */
static inline struct tx *spend(const struct rules *r, uint8_t owner, struct qoutpoint in,
                               struct qoutput *outs, unsigned out_cnt)
{
	struct account *a = rules_account(owner);
	const struct account *signer = a;
	struct err err = {0};
	struct qtx_body body = {.inputs = {1, &in},
	                        .outputs = {out_cnt, outs},
	                        .memo = {2, (unsigned char *)"hi"},
	                        .expiry = {1000000}};
	struct tx *tx = tx_make(&r->g.chain, &body, &signer, 1, &err);

	if (!tx)
		fail_msg("%s", err.text);
	account_free(a);
	return tx;
}

static inline struct qoutpoint output_of(const struct tx *tx, unsigned index)
{
	return (struct qoutpoint){tx->id, index};
}

/* Takes the references to the transactions. */
static inline struct block *make_block(uint64_t height, struct qhash parent, struct tx **txs, size_t cnt)
{
	struct qhash *leaves = xcalloc(cnt, sizeof *leaves), root;

	for (size_t i = 0; i < cnt; i++)
		leaves[i] = txs[i]->leaf;
	merkle_root(leaves, cnt, &root);
	free(leaves);
	struct qheader h = rules_header(height, parent, root, (unsigned)cnt);
	struct block *b = block_new(&h, txs, cnt);
	for (size_t i = 0; i < cnt; i++)
		tx_unref(txs[i]);
	return b;
}

static inline struct qcert commit_of(const struct rules *r, const struct block *b)
{
	struct qvote vote = {.view = {3}, .height = b->header.height, .block = b->hash};

	return rules_cert(r, QCOMMIT, &vote, rules_quorum_mask(r));
}

/* Appends a run, which is certified at its end; consumes the blocks. */
static inline bool try_append(const struct rules *r, struct ledger *l, struct block **blocks, size_t cnt,
                              struct qhash *digests, struct err *err)
{
	struct overlay **overlays = xcalloc(cnt, sizeof(struct overlay *));
	struct qcert cert = commit_of(r, blocks[cnt - 1]);
	size_t bad;

	for (size_t i = 0; i < cnt; i++) {
		overlays[i] =
		    overlay_new(ledger_state(l), i ? overlays[i - 1] : NULL, blocks[i]->header.height);
		assert_int_equal(overlay_add_block(overlays[i], blocks[i], &bad), TX_OK);
	}
	bool ok = ledger_append(l, blocks, overlays, cnt, &cert, digests, err);
	for (size_t i = 0; i < cnt; i++) {
		overlay_unref(overlays[i]);
		block_unref(blocks[i]);
	}
	free(overlays);
	wire_free(WIRE(qcert), &cert);
	return ok;
}

static inline void append(const struct rules *r, struct ledger *l, struct block **blocks, size_t cnt)
{
	struct err err = {0};

	if (!try_append(r, l, blocks, cnt, NULL, &err))
		fail_msg("%s", err.text);
}

static inline void commit(struct ledger *l)
{
	struct err err = {0};

	if (!ledger_commit(l, &err))
		fail_msg("%s", err.text);
}

static inline struct ledger *open_ledger(const struct place *p)
{
	struct err err = {0};
	struct ledger *l = ledger_open(p->path, &p->rules.g, NULL, &err);

	if (!l)
		fail_msg("%s", err.text);
	return l;
}

/*
 * The story that most tests begin with, ids in t: block 1 (a run of its own): account 1 pays 600 to 3 and 400
 * to itself (t[0]), and 3 passes its 600 on to 4 in the same block (t[1]).  Blocks 2 and 3, one run certified
 * at 3: 1 pays its 400 to 5 (t[2]); 5 pays 150 to 6 and 250 to itself (t[3]).
 */
static inline void tell_story(const struct rules *r, struct ledger *l, struct qtxid t[4])
{
	struct qoutput first[] = {to(3, 600), to(1, 400)}, last[] = {to(6, 150), to(5, 250)};
	struct qoutput pass = to(4, 600), pay = to(5, 400);
	struct tx *a = spend(r, 1, (struct qoutpoint){r->g.txid, 0}, first, 2);
	struct tx *b = spend(r, 3, output_of(a, 0), &pass, 1);
	struct tx *c = spend(r, 1, output_of(a, 1), &pay, 1);
	struct tx *d = spend(r, 5, output_of(c, 0), last, 2);

	t[0] = a->id, t[1] = b->id, t[2] = c->id, t[3] = d->id;
	struct block *one = make_block(1, r->g.chain, (struct tx *[]){a, b}, 2);
	struct block *two = make_block(2, one->hash, &c, 1);
	struct block *three = make_block(3, two->hash, &d, 1);
	append(r, l, &one, 1);
	append(r, l, (struct block *[]){two, three}, 2);
}

#endif
