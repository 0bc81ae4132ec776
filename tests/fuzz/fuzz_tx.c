/*
 * fuzz_tx.c: transactions: what tx_parse() takes is canonical and keeps the rules, judged here by plain
 * loops; a signature holds only under the ids that were really signed; the rules of the ledger are total.
 *
 * Links: q_ledger
 */
#include "fuzz.h"
#include "merkle.h"
#include "rules.h"
#include "state.h"

static struct rules rules;
static struct state *state;
static struct qtxid genuine[FUZZ_SEEDS_MAX];
static size_t genuine_cnt;

static void add(struct tx *tx)
{
	must(tx != NULL && tx_verify(&rules.g, tx));
	genuine[genuine_cnt++] = tx->id;
	fuzz_seed(tx->raw, tx->raw_len);
	tx_unref(tx);
}

/* Both allocations, and two outputs that nobody knows, to `out_cnt` others: two witnesses. */
static void add_wide(unsigned out_cnt)
{
	struct account *one = rules_account(1), *two = rules_account(2);
	const struct account *signers[] = {one, two};
	struct qoutpoint in[4] = {{rules.g.txid, 0}, {rules.g.txid, 1}, {{{7}}, 0}, {{{7}}, 1}};
	struct qoutput out[8];
	struct err err = {0};

	for (uint8_t i = 0; i < out_cnt; i++)
		out[i] = (struct qoutput){rules_address((uint8_t)(3 + i)), 1500 / out_cnt};
	struct qtx_body body = {
	    .inputs = {out_cnt == 1 ? 2 : 4, in}, .outputs = {out_cnt, out}, .expiry = {out_cnt}};
	add(tx_make(&rules.g.chain, &body, signers, 2, &err));
	account_free(one);
	account_free(two);
}

/* One key twice: too many of it, and in no strict order. */
static void add_doubled(void)
{
	const struct bytes *wide = fuzz_seed_at(fuzz_seed_cnt() - 1);
	struct qtx q;

	must(wire_decode(WIRE(qtx), wide->data, wide->len, &q));
	q.witnesses.witnesses_val[1] = q.witnesses.witnesses_val[0];
	struct bytes b = rules_encode(WIRE(qtx), &q);
	fuzz_seed(b.data, b.len);
	bytes_free(&b);
	wire_free(WIRE(qtx), &q);
}

static void setup(void)
{
	rules_setup(&rules, 4, "fuzz");
	state = state_new(&rules.g);
	for (unsigned i = 0; i < 2; i++) {
		struct unspent u = {.point = {rules.g.txid, i},
		                    .out = rules.g.g.allocations.allocations_val[i]};
		state_insert(state, &u);
	}
	add(rules_pay(&rules, 0, ""));
	add(rules_pay(&rules, 1, "a memo of some length"));
	add_wide(1);
	add_wide(8);
	add_doubled();
}

static void teardown(void)
{
	state_free(state);
	rules_teardown(&rules);
}

/* The rules of tx.h, by loops that know nothing of those in tx.c. */
static void check_body(const struct qtx_body *b)
{
	uint64_t sum = 0;

	must(b->inputs.inputs_len >= 1 && b->outputs.outputs_len >= 1);
	for (unsigned i = 0; i < b->outputs.outputs_len; i++) {
		uint64_t amount = b->outputs.outputs_val[i].amount;
		must(amount >= 1 && amount <= INT64_MAX);
		sum += amount;
		must(sum <= INT64_MAX);
	}
	for (unsigned i = 0; i < b->inputs.inputs_len; i++)
		for (unsigned j = 0; j < i; j++)
			must(!qoutpoint_eq(&b->inputs.inputs_val[i], &b->inputs.inputs_val[j]));
}

static void check_witnesses(const struct tx *tx)
{
	unsigned cnt = tx->q.witnesses.witnesses_len;

	must(cnt >= 1 && cnt <= tx->q.body.inputs.inputs_len);
	for (unsigned i = 0; i < cnt; i++) {
		struct qaddress a = account_address(&tx->q.witnesses.witnesses_val[i].key);
		must(memcmp(&a, &tx->owners[i], sizeof a) == 0);
		must(i == 0 || memcmp(&tx->owners[i - 1], &a, sizeof a) < 0);
	}
}

static void check_identity(const struct tx *tx, const uint8_t *data, size_t len)
{
	struct bytes again = rules_encode(WIRE(qtx), &tx->q);
	struct qhash leaf;
	struct qtxid id;

	must(again.len == len && memcmp(again.data, data, len) == 0);
	must(tx->raw_len == len && memcmp(tx->raw, data, len) == 0);
	merkle_leaf(data, len, &leaf);
	must(qhash_eq(&leaf, &tx->leaf));
	tx_id(&rules.g.chain, &tx->q.body, &id);
	must(qtxid_eq(&id, &tx->id));
	bytes_free(&again);
}

/* The keys of the genuine ones are not in the input, so every signature that holds is theirs. */
static void check_signatures(const struct tx *tx)
{
	bool known = false;

	for (size_t i = 0; i < genuine_cnt; i++)
		known = known || qtxid_eq(&genuine[i], &tx->id);
	must(known || !tx_verify(&rules.g, tx));
}

static void check_state(const struct tx *tx)
{
	uint64_t in = 0, out = 0;

	if (state_check(state, NULL, tx, (struct qheight){1}, NULL) != TX_OK)
		return;
	for (unsigned i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		const struct unspent *u = state_find(state, &tx->q.body.inputs.inputs_val[i]);
		must(u != NULL);
		in += u->out.amount;
	}
	for (unsigned i = 0; i < tx->q.body.outputs.outputs_len; i++)
		out += tx->q.body.outputs.outputs_val[i].amount;
	must(in == out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum tx_verdict verdict = TX_OK;
	struct tx *tx = tx_parse(&rules.g.chain, data, len, &verdict);

	must(tx != NULL || (verdict != TX_OK && verdict < TX_VERDICT_CNT));
	if (!tx)
		return 0;
	check_body(&tx->q.body);
	check_witnesses(tx);
	check_identity(tx, data, len);
	check_signatures(tx);
	check_state(tx);
	tx_unref(tx);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "tx", .runs = 20000, .setup = setup, .teardown = teardown};
