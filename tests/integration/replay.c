/*
 * replay.c: real input. The shape of Bitcoin mainnet block 413567 (1,557 transactions, up to 442 inputs and
 * 149 outputs, chains of spends 25 deep), every transaction signed by its owners, through four real replicas:
 * interleaved, some twice, children sometimes before their parents, and for some a conflicting double spend
 * once the original is final.
 *
 * The shape is read from QUORATE_SHAPE or ../shared/data beside the repository; without it the test is
 * skipped.
 */
#include "chain.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct shape {
	json_t *root;
	struct account **owners; /* by number, made when first needed */
	struct qaddress *addresses;
	size_t owner_cnt, genesis_cnt, tx_cnt;
	struct qoutput *genesis;
	struct tx **txs;
	unsigned *tries; /* how often each was handed in */
};

static const char *shape_path(void)
{
	const char *path = getenv("QUORATE_SHAPE");
	return path ? path : QUORATE_SOURCE_DIR "/../shared/data/bitcoin-block-413567.shape.json";
}

static struct account *owner(struct shape *s, size_t i)
{
	assert_true(i < s->owner_cnt);
	if (!s->owners[i]) {
		s->owners[i] = account_number((unsigned)i);
		struct qaccount_key key = account_key(s->owners[i]);
		s->addresses[i] = account_address(&key);
	}
	return s->owners[i];
}

static struct qoutput output_of(struct shape *s, json_t *pair)
{
	size_t who = (size_t)json_integer_value(json_array_get(pair, 1));
	owner(s, who);
	return (struct qoutput){.owner = s->addresses[who],
	                        .amount = (uint64_t)json_integer_value(json_array_get(pair, 0))};
}

/* Owner number of what an input names: ["genesis", i] or ["tx", t, i]; the outpoint too, once txs[t] is made.
 */
static size_t input_of(struct shape *s, const struct genesis *g, json_t *in, struct qoutpoint *point)
{
	json_t *list;
	size_t last = json_array_size(in) - 1, index = (size_t)json_integer_value(json_array_get(in, last));
	if (last == 1) {
		list = json_object_get(s->root, "genesis");
		point->tx = g->txid;
	} else {
		size_t t = (size_t)json_integer_value(json_array_get(in, 1));
		assert_true(t < s->tx_cnt && s->txs[t]);
		list = json_object_get(json_array_get(json_object_get(s->root, "transactions"), t), "out");
		point->tx = s->txs[t]->id;
	}
	point->index = (u_int)index;
	return (size_t)json_integer_value(json_array_get(json_array_get(list, index), 1));
}

static struct tx *make_tx(struct shape *s, const struct genesis *g, json_t *spec, uint64_t move)
{
	json_t *ins = json_object_get(spec, "in"), *outs = json_object_get(spec, "out"), *v;
	struct qoutpoint inputs[Q_INPUTS_MAX];
	struct qoutput outputs[Q_OUTPUTS_MAX];
	const struct account *signers[Q_INPUTS_MAX];
	struct err err = {0};
	size_t i, signer_cnt = 0;
	json_array_foreach(ins, i, v)
	{
		const struct account *a = owner(s, input_of(s, g, v, &inputs[i]));
		size_t k = 0;
		while (k < signer_cnt && signers[k] != a)
			k++;
		if (k == signer_cnt)
			signers[signer_cnt++] = a;
	}
	json_array_foreach(outs, i, v) outputs[i] = output_of(s, v);
	char memo[32] = "";
	if (move) /* the same money, another story: a conflict */
		snprintf(memo, sizeof memo, "again %llu", (unsigned long long)move);
	struct qtx_body body = {.inputs = {(u_int)json_array_size(ins), inputs},
	                        .outputs = {(u_int)json_array_size(outs), outputs},
	                        .memo = {(u_int)strlen(memo), (unsigned char *)memo}};
	struct tx *tx = tx_make(&g->chain, &body, signers, signer_cnt, &err);
	if (!tx)
		fail_msg("%s", err.text);
	return tx;
}

static bool shape_load(struct shape *s)
{
	json_t *v;
	size_t i;
	s->root = json_load_file(shape_path(), 0, NULL);
	if (!s->root)
		return false;
	s->owner_cnt = (size_t)json_integer_value(json_object_get(s->root, "owners"));
	s->genesis_cnt = json_array_size(json_object_get(s->root, "genesis"));
	s->tx_cnt = json_array_size(json_object_get(s->root, "transactions"));
	s->owners = xcalloc(s->owner_cnt, sizeof(struct account *));
	s->addresses = xcalloc(s->owner_cnt, sizeof *s->addresses);
	s->genesis = xcalloc(s->genesis_cnt, sizeof *s->genesis);
	s->txs = xcalloc(s->tx_cnt, sizeof(struct tx *));
	json_array_foreach(json_object_get(s->root, "genesis"), i, v) s->genesis[i] = output_of(s, v);
	return true;
}

static void shape_free(struct shape *s)
{
	for (size_t i = 0; i < s->owner_cnt; i++)
		account_free(s->owners[i]);
	for (size_t i = 0; i < s->tx_cnt; i++)
		tx_unref(s->txs[i]);
	free(s->owners);
	free(s->addresses);
	free(s->genesis);
	free(s->txs);
	json_decref(s->root);
}

#define BATCH 100

/* Hands the transactions in `list` to a node; those whose parent it does not know yet stay in the list. */
static size_t hand_in(struct chain *c, unsigned node, struct tx **list, size_t cnt, size_t *orphans)
{
	size_t left = 0;
	for (size_t from = 0; from < cnt; from += BATCH) {
		size_t n = cnt - from < BATCH ? cnt - from : BATCH, i;
		json_t *results, *r;
		assert_true(chain_submit(c, node, list + from, n, &results));
		json_array_foreach(results, i, r)
		{
			const char *status = json_string_value(json_object_get(r, "status"));
			const char *code = json_string_value(json_object_get(r, "code"));
			if (strcmp(status, "rejected") != 0)
				continue;
			if (strcmp(code, "unknown_output") != 0 && strcmp(code, "pool_full") != 0)
				fail_msg("a valid transaction was refused: %s", code);
			*orphans += strcmp(code, "unknown_output") == 0;
			list[left++] = list[from + i];
		}
		json_decref(results);
	}
	return left;
}

/* Every node gets every fourth transaction in reverse order of groups, and every tenth twice. */
static void submit_all(struct chain *c, struct shape *s, size_t *orphans)
{
	struct tx **list[4];
	size_t cnt[4] = {0}, left = 0;
	for (unsigned k = 0; k < 4; k++)
		list[k] = xcalloc(2 * s->tx_cnt, sizeof(struct tx *));
	for (size_t i = 0; i < s->tx_cnt; i++) {
		size_t at = i ^ 1; /* neighbours swapped: some children come first */
		struct tx *tx = s->txs[at < s->tx_cnt ? at : i];
		list[i % 4][cnt[i % 4]++] = tx;
		if (i % 10 == 0)
			list[(i + 1) % 4][cnt[(i + 1) % 4]++] = tx;
	}
	do {
		left = 0;
		for (unsigned k = 0; k < 4; k++) {
			cnt[k] = hand_in(c, k, list[k], cnt[k], orphans);
			left += cnt[k];
		}
	} while (left > 0);
	for (unsigned k = 0; k < 4; k++)
		free(list[k]);
}

/* "txid:index owner amount" lines, sorted: the unspent set as the file implies it, and as a ledger holds it.
 */
static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct lines {
	char **line;
	size_t cnt, cap;
};

static void add_line(struct lines *l, const struct qtxid *id, unsigned index, const uint8_t *addr,
                     uint64_t amount)
{
	char tx[QHASH_HEX], who[41], text[160];
	if (l->cnt == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->line = xrealloc(l->line, l->cap * sizeof *l->line);
	}
	snprintf(text, sizeof text, "%s:%u %s %llu", hex_encode(tx, id->b, 32), index,
	         hex_encode(who, addr, 20), (unsigned long long)amount);
	l->line[l->cnt++] = xstrdup(text);
}

static void free_lines(struct lines *l)
{
	for (size_t i = 0; i < l->cnt; i++)
		free(l->line[i]);
	free(l->line);
}

static void expected_unspent(struct shape *s, const struct genesis *g, struct lines *l)
{
	json_t *specs = json_object_get(s->root, "transactions"), *spec, *in;
	size_t t, i;
	bool *genesis_spent = xcalloc(s->genesis_cnt, sizeof(bool));
	bool *spent = xcalloc(s->tx_cnt * 256, sizeof(bool));
	json_array_foreach(specs, t, spec)
	{
		json_array_foreach(json_object_get(spec, "in"), i, in)
		{
			size_t last = json_array_size(in) - 1,
			       index = (size_t)json_integer_value(json_array_get(in, last));
			if (last == 1)
				genesis_spent[index] = true;
			else
				spent[(size_t)json_integer_value(json_array_get(in, 1)) * 256 + index] = true;
		}
	}
	for (i = 0; i < s->genesis_cnt; i++)
		if (!genesis_spent[i])
			add_line(l, &g->txid, (unsigned)i, s->genesis[i].owner.b, s->genesis[i].amount);
	for (t = 0; t < s->tx_cnt; t++) {
		const struct qtx_body *body = &s->txs[t]->q.body;
		assert_true(body->outputs.outputs_len <= 256);
		for (i = 0; i < body->outputs.outputs_len; i++)
			if (!spent[t * 256 + i])
				add_line(l, &s->txs[t]->id, (unsigned)i, body->outputs.outputs_val[i].owner.b,
				         body->outputs.outputs_val[i].amount);
	}
	free(genesis_spent);
	free(spent);
	qsort(l->line, l->cnt, sizeof *l->line, compare_lines);
}

static void ledger_unspent(const struct chain *c, unsigned node, struct lines *l)
{
	char path[512];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	snprintf(path, sizeof path, "%s/node%u/ledger.db", c->dir, node);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
	                                    "SELECT t.txid, o.position, o.owner, o.amount FROM outputs o "
	                                    "JOIN transactions t ON t.seq = o.tx WHERE o.spent_by IS NULL",
	                                    -1, &stmt, NULL),
	                 SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		struct qtxid id;
		memcpy(id.b, sqlite3_column_blob(stmt, 0), sizeof id.b);
		add_line(l, &id, (unsigned)sqlite3_column_int(stmt, 1), sqlite3_column_blob(stmt, 2),
		         (uint64_t)sqlite3_column_int64(stmt, 3));
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	qsort(l->line, l->cnt, sizeof *l->line, compare_lines);
}

/* Each rejected double spend names the transaction that won. */
static void double_spends_name_the_winner(struct chain *c, struct shape *s)
{
	json_t *specs = json_object_get(s->root, "transactions");
	for (size_t t = 0; t < s->tx_cnt; t += 16) {
		struct tx *again = make_tx(s, c->genesis, json_array_get(specs, t), t + 1);
		char winner[QHASH_HEX];
		hex_encode(winner, s->txs[t]->id.b, 32);
		json_t *results, *r;
		assert_true(chain_submit(c, (unsigned)(t / 16 % 4), &again, 1, &results));
		r = json_array_get(results, 0);
		assert_string_equal(json_string_value(json_object_get(r, "status")), "rejected");
		assert_string_equal(json_string_value(json_object_get(r, "code")), "double_spend");
		assert_string_equal(
		    json_string_value(json_object_get(json_object_get(r, "detail"), "spent_by")), winner);
		json_decref(results);
		tx_unref(again);
	}
}

static void bitcoin_block_413567_replays_to_the_same_unspent_set_everywhere(void **state)
{
	struct shape s = {0};
	json_t *spec, *report;
	size_t t, orphans = 0;
	(void)state;
	if (!shape_load(&s)) {
		print_message("skipped: %s is not here (set QUORATE_SHAPE)\n", shape_path());
		skip();
	}
	struct chain *c = chain_up(4, s.genesis, s.genesis_cnt);
	json_array_foreach(json_object_get(s.root, "transactions"), t, spec) s.txs[t] =
	    make_tx(&s, c->genesis, spec, 0);

	submit_all(c, &s, &orphans);
	for (t = 0; t < s.tx_cnt; t++)
		assert_true(chain_final(c, (unsigned)(t % 4), &s.txs[t]->id, NULL, 0, NULL, 0));
	print_message("%zu transactions final; %zu answered unknown_output and sent again\n", s.tx_cnt,
	              orphans);
	double_spends_name_the_winner(c, &s);

	uint64_t height = 0;
	for (unsigned i = 0; i < 4; i++)
		height = chain_height(c, i) > height ? chain_height(c, i) : height;
	chain_wait_height(c, 0xf, height);
	assert_int_equal(chain_audit(c, &report), 0);
	assert_int_equal(json_integer_value(json_object_get(report, "transactions")), s.tx_cnt);
	json_decref(report);
	struct lines want = {0};
	expected_unspent(&s, c->genesis, &want);
	for (unsigned i = 0; i < 4; i++) {
		struct lines have = {0};
		ledger_unspent(c, i, &have);
		assert_int_equal(have.cnt, want.cnt);
		for (t = 0; t < want.cnt; t++)
			assert_string_equal(have.line[t], want.line[t]);
		free_lines(&have);
	}
	free_lines(&want);
	chain_check_votes(c);
	chain_down(c);
	shape_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bitcoin_block_413567_replays_to_the_same_unspent_set_everywhere),
	};
	return cmocka_run_group_tests_name("replay", tests, chain_setup, NULL);
}
