/*
 * refusals.c: what the HTTP interface refuses, and what it says: broken requests, addresses with a typing
 * error, transactions that break a rule. Each gets its status, its code and words that name what was wrong;
 * none leaves a trace in the ledger.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "account.h"

static struct chain *c; /* one for all tests here */

static int begin(void **state)
{
	if (chain_setup(state) != 0)
		return -1;
	c = chain_up(4, NULL, 0);
	chain_wait_height(c, 0xf, chain_pay(c, 0, 1));
	return 0;
}

static int end(void **state)
{
	(void)state;
	uint64_t height = chain_pay(c, 1, 1);
	chain_wait_height(c, 0xf, height);
	chain_assert_audit(c, height);
	chain_down(c);
	return 0;
}

/* POST /v1/transactions to node 0, or GET where there is no type. The answer, json_decref() it. */
static json_t *call(const char *path, const char *type, const void *body, size_t len, int *status)
{
	struct err err = {0};
	char *text;
	size_t text_len;
	if (!http_call(c->client[0], path, type, body, len, status, &text, &text_len, &err))
		fail_msg("%s: %s", path, err.text);
	json_t *root = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, NULL);
	if (!root)
		fail_msg("%s: the answer is no JSON: %.300s", path, text);
	free(text);
	return root;
}

/* It is an error of this status and code, and says this. */
static void assert_error(const json_t *answer, int status, int want, const char *code, const char *says,
                         const char *about)
{
	const json_t *e = json_object_get(answer, "error");
	if (status != want || strcmp(json_text(e, "code"), code) != 0 ||
	    !strstr(json_text(e, "message"), says))
		fail_msg("%.100s: not %d %s \"%s\" but %d %s \"%s\"", about, want, code, says, status,
		         json_text(e, "code"), json_text(e, "message"));
	assert_true(json_is_object(json_object_get(e, "detail")));
}

/* A batch that is refused as a whole. */
static void assert_no_batch(const char *type, const void *body, size_t len, const char *says)
{
	int status;
	json_t *a = call("/v1/transactions", type, body, len, &status);
	assert_error(a, status, 400, "bad_request", says, len ? body : "nothing");
	json_decref(a);
}

static void assert_no_answer(const char *path, int want, const char *code, const char *says)
{
	int status;
	json_t *a = call(path, NULL, NULL, 0, &status);
	assert_error(a, status, want, code, says, path);
	json_decref(a);
}

/* ---- requests that are none ------------------------------------------------------------ */

#define JSON "application/json"
#define BINARY "application/octet-stream"

static const struct broken {
	const char *type, *body;
	const char *says;
} broken[] = {
    {JSON, "", "empty"},
    {JSON, "{", "line 1"},
    {JSON, "nonsense", "line 1"},
    {JSON, "[\"00\"]", "the document"},
    {JSON, "{}", "transactions"},
    {JSON, "{\"transactions\": []}", "transactions: there is none"},
    {JSON, "{\"transactions\": 5}", "transactions"},
    {JSON, "{\"transactions\": [\"00\"], \"transactions\": [\"00\"]}", "duplicate"},
    {JSON, "{\"transactions\": [\"00\"], \"fee\": 1}", "fee"},
    {JSON, "{\"transactions\": [\"00\", 5]}", "transactions[1]"},
    {JSON, "{\"transactions\": [[\"00\"]]}", "transactions[0]"},
    {JSON, "{\"transactions\": [\"0g\"]}", "transactions[0]"},
    {JSON, "{\"transactions\": [\"abc\"]}", "transactions[0]"},
    {JSON, "{\"transactions\": [\"AB\"]}", "transactions[0]"},
    {JSON, "{\"transactions\": [\"\"]}", "transactions[0]"},
    {JSON, "{\"transactions\": [\"00\\u0000\"]}", "line 1"},
    {JSON, "{\"transactions\": [1e999999]}", "line 1"},
    {JSON, "{\"transactions\": [123456789012345678901234567890]}", "line 1"},
    {JSON, "{\"transactions\": [\"\xff\xfe\"]}", "line 1"},
    {JSON, "{\"transactions\": [\"00\"]} trailing", "line 1"},
    {JSON, "[[[[[[[[[[[[[[[[", "nested more than 8 deep"},
    {"text/plain", "{\"transactions\": [\"00\"]}", "Content-Type"},
    {BINARY, "", "not a batch"},
    {BINARY, "\xff\xff\xff\xff", "at most 8192"},
    {BINARY, "nonsense, nothing but nonsense..", "not a batch"},
};

static void requests_that_are_no_batch_are_refused_by_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		assert_no_batch(broken[i].type, broken[i].body, strlen(broken[i].body), broken[i].says);
}

/* `cnt` times `item` between head and tail. */
static char *repeated(const char *head, const char *item, size_t cnt, const char *tail)
{
	size_t len = strlen(item), at = strlen(head);
	char *text = xcalloc(1, at + cnt * len + strlen(tail) + 1);
	memcpy(text, head, at);
	for (size_t i = 0; i < cnt; i++, at += len)
		memcpy(text + at, item, len);
	memcpy(text + at, tail, strlen(tail));
	return text;
}

static void batches_beyond_their_bounds_are_refused(void **state)
{
	static const char head[] = "{\"transactions\": [";
	uint8_t many[4 + 8193 * 4] = {0, 0, 0x20, 0x01}; /* that many empty ones */
	int status;
	(void)state;
	char *text = repeated(head, "\"00\",", 99999, "\"00\"]}");
	assert_no_batch(JSON, text, strlen(text), "transactions: at most 8192");
	free(text);
	text = repeated(head, "[", 1000000, "");
	assert_no_batch(JSON, text, strlen(text), "nested");
	free(text);
	text = repeated("{\"transactions\": [\"", "00", 360000, "\"]}"); /* as 10,000 inputs are */
	assert_no_batch(JSON, text, strlen(text), "transactions[0]");
	free(text);
	assert_no_batch(BINARY, many, sizeof many, "at most 8192");

	/* As many as are allowed are judged one by one. */
	many[3] = 0;
	json_t *a = call("/v1/transactions", BINARY, many, sizeof many - 4, &status), *r;
	size_t i;
	assert_int_equal(status, 200);
	assert_int_equal(json_array_size(json_object_get(a, "results")), 8192);
	json_array_foreach(json_object_get(a, "results"), i, r)
	    assert_string_equal(json_text(r, "code"), "malformed");
	json_decref(a);
}

/* ---- questions ---------------------------------------------------------------------------- */

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
static const struct question {
	const char *path;
	int status;
	const char *code, *says;
} questions[] = {
    {"/v1/blocks/-1", 400, "bad_request", "not a height"},
    {"/v1/blocks/1e3", 400, "bad_request", "not a height"},
    {"/v1/blocks/01", 400, "bad_request", "not a height"},
    {"/v1/blocks/99999999999999999999", 400, "bad_request", "not a height"},
    {"/v1/blocks/0", 404, "not_found", "genesis"},
    {"/v1/blocks/9223372036854775807", 404, "not_found", "no block"},
    {"/v1/blocks/0/transactions", 404, "not_found", "genesis"},
    {"/v1/blocks/latest/transactions", 400, "bad_request", "not a height"},
    {"/v1/blocks/9223372036854775808/transactions", 400, "bad_request", "not a height"},
    {"/v1/blocks/9223372036854775807/transactions?wait=1", 404, "not_found", "no block"},
    {"/v1/blocks/1/transactions?wait=10001", 400, "bad_request", "wait"},
    {"/v1/blocks/1/transactions?wait=", 400, "bad_request", "wait"},
    {"/v1/blocks?from=x", 400, "bad_request", "from"},
    {"/v1/blocks?limit=101", 400, "bad_request", "limit"},
    {"/v1/blocks?limit=-1", 400, "bad_request", "limit"},
    {"/v1/transactions/xyz", 400, "bad_request", "64 hex digits"},
    {"/v1/transactions/" ZEROS "00", 400, "bad_request", "64 hex digits"},
    {"/v1/transactions/" ZEROS, 404, "not_found", "nothing is known"},
    {"/v1/transactions/" ZEROS "?wait=99999999", 400, "bad_request", "wait"},
    {"/v1/receipts/" ZEROS, 404, "not_found", "no final transaction"},
    {"/v1/receipts/q", 400, "bad_request", "64 hex digits"},
    {"/v1/addresses/nonsense", 400, "bad_request", "an address begins with 'q'"},
    {"/v1/addresses/q00", 400, "bad_request", "49 characters"},
    {"/v2/status", 404, "not_found", "/v2/status"},
    {"/explorer", 404, "not_found", "nothing at /explorer"},
};

static void bad_questions_are_refused_by_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		assert_no_answer(questions[i].path, questions[i].status, questions[i].code,
		                 questions[i].says);
}

static void one_wrong_character_of_an_address_is_noticed(void **state)
{
	static const char digits[] = "0123456789abcdefA!";
	struct qaddress alice = address_number(1);
	char text[ADDRESS_TEXT], path[128];
	int status;
	(void)state;
	address_format(&alice, text);
	snprintf(path, sizeof path, "/v1/addresses/%s", text);
	json_decref(call(path, NULL, NULL, 0, &status));
	assert_int_equal(status, 200);
	for (size_t i = 0; text[i]; i++) {
		const char right = text[i];
		for (const char *d = digits; *d; d++) {
			if (*d == right)
				continue;
			text[i] = *d;
			snprintf(path, sizeof path, "/v1/addresses/%s", text);
			assert_no_answer(path, 400, "bad_request", "addr");
		}
		text[i] = right;
	}
	for (size_t i = 1; text[i + 1]; i++) { /* neighbours exchanged */
		if (text[i] == text[i + 1])
			continue;
		char first = text[i];
		text[i] = text[i + 1];
		text[i + 1] = first;
		snprintf(path, sizeof path, "/v1/addresses/%s", text);
		assert_no_answer(path, 400, "bad_request", "checksum");
		text[i + 1] = text[i];
		text[i] = first;
	}
}

/* ---- transactions ------------------------------------------------------------------------------ */

/* A payment under construction: carol's and dave's allocations to two addresses. */
struct draft {
	struct qoutpoint inputs[4];
	struct qoutput outputs[4];
	struct qwitness witnesses[4];
	struct qtx tx;
	struct qhash chain;     /* the one that is signed for */
	const char *signers[3]; /* in this order, if not sorted */
	bool unsorted;
	struct bytes raw;
};

static void amount_0(struct draft *d)
{
	d->outputs[0].amount = 0;
}
static void amount_max(struct draft *d)
{
	d->outputs[0].amount = UINT64_MAX;
}
static void sum_overflow(struct draft *d)
{
	d->outputs[0].amount = d->outputs[1].amount = INT64_MAX;
}
static void sum_wraps_to_the_inputs(struct draft *d)
{
	d->outputs[0].amount += (uint64_t)1 << 63;
	d->outputs[1].amount += (uint64_t)1 << 63;
}
static void one_too_many(struct draft *d)
{
	d->outputs[0].amount++;
}
static void one_too_few(struct draft *d)
{
	d->outputs[0].amount--;
}
static void same_input_twice(struct draft *d)
{
	d->inputs[1] = d->inputs[0];
}
static void no_inputs(struct draft *d)
{
	d->tx.body.inputs.inputs_len = 0;
}
static void no_outputs(struct draft *d)
{
	d->tx.body.outputs.outputs_len = 0;
}
static void unknown_output(struct draft *d)
{
	d->inputs[1].index = 9999;
}
static void unknown_transaction(struct draft *d)
{
	d->inputs[1].tx.b[7] ^= 1;
}
static void expired(struct draft *d)
{
	d->tx.body.expiry.n = 1;
}
static void another_chain(struct draft *d)
{
	d->chain.b[31] ^= 1;
}
static void somebody_elses_key(struct draft *d)
{
	d->signers[1] = "bob";
}
static void owner_missing(struct draft *d)
{
	d->signers[1] = NULL;
}
static void nobody_signs(struct draft *d)
{
	d->signers[0] = NULL;
}
static void one_key_too_many(struct draft *d)
{
	d->signers[2] = "bob";
}
static void unsorted(struct draft *d)
{
	d->unsorted = true;
}
/* ---- after signing */
static void broken_signature(struct draft *d)
{
	d->witnesses[1].sig.b[40] ^= 1;
}
static void witness_twice(struct draft *d)
{
	d->witnesses[1] = d->witnesses[0];
}
/* The other s that satisfies the same equation: n - s. */
static void high_s(struct draft *d)
{
	static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	                                  0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
	                                  0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
	int borrow = 0;
	for (size_t i = 32; i-- > 0;) {
		uint8_t *s = &d->witnesses[0].sig.b[32 + i];
		int n = order[i] - *s - borrow;
		borrow = n < 0;
		*s = (uint8_t)n;
	}
}
/* ---- after encoding */
static void field_more(struct draft *d)
{
	d->raw.data = xrealloc(d->raw.data, d->raw.len + 4);
	memset(d->raw.data + d->raw.len, 0, 4);
	d->raw.len += 4;
}
static void cut_short(struct draft *d)
{
	d->raw.len -= 4;
}
static void padding_used(struct draft *d)
{
	/* The memo "x" ends at the expiry's 8 bytes, the offences' count, and the witnesses with theirs;
	 * three bytes pad it. */
	size_t witnesses = 4 + d->tx.witnesses.witnesses_len * (size_t)(36 + 64); /* keys are padded, too */
	d->raw.data[d->raw.len - witnesses - 4 - 8 - 1] = 1;
}
static void too_many_inputs(struct draft *d)
{
	d->raw.len = 4 + 1025 * 36;
	free(d->raw.data);
	d->raw.data = xcalloc(1, d->raw.len);
	d->raw.data[2] = 1025 >> 8;
	d->raw.data[3] = 1025 & 0xff;
}

static const struct rule {
	void (*before)(struct draft *d), (*after)(struct draft *d), (*bytes)(struct draft *d);
	int status;
	const char *code;
} rules[] = {
    {amount_0, NULL, NULL, 400, "bad_amount"},
    {amount_max, NULL, NULL, 400, "bad_amount"},
    {sum_overflow, NULL, NULL, 400, "bad_amount"},
    {sum_wraps_to_the_inputs, NULL, NULL, 400, "bad_amount"},
    {one_too_many, NULL, NULL, 400, "unbalanced"},
    {one_too_few, NULL, NULL, 400, "unbalanced"},
    {same_input_twice, NULL, NULL, 400, "duplicate_input"},
    {no_inputs, NULL, NULL, 400, "no_inputs"},
    {no_outputs, NULL, NULL, 400, "no_outputs"},
    {unknown_output, NULL, NULL, 409, "unknown_output"},
    {unknown_transaction, NULL, NULL, 409, "unknown_output"},
    {expired, NULL, NULL, 409, "expired"},
    {another_chain, NULL, NULL, 400, "bad_signature"},
    {somebody_elses_key, NULL, NULL, 400, "wrong_witness"},
    {owner_missing, NULL, NULL, 400, "wrong_witness"},
    {nobody_signs, NULL, NULL, 400, "wrong_witness"},
    {one_key_too_many, NULL, NULL, 400, "wrong_witness"},
    {unsorted, NULL, NULL, 400, "witness_order"},
    {NULL, witness_twice, NULL, 400, "witness_order"},
    {NULL, broken_signature, NULL, 400, "bad_signature"},
    {NULL, high_s, NULL, 400, "bad_signature"},
    {NULL, NULL, field_more, 400, "malformed"},
    {NULL, NULL, cut_short, 400, "malformed"},
    {NULL, NULL, padding_used, 400, "malformed"},
    {NULL, NULL, too_many_inputs, 400, "too_large"},
};

static void add_input(struct draft *d, const char *name)
{
	u_int i = d->tx.body.inputs.inputs_len++;
	uint64_t amount;
	struct account *a = chain_account(c, name);
	struct qaccount_key key = account_key(a);
	struct qaddress owner = account_address(&key);
	d->inputs[i] = chain_allocation(c, &owner, &amount);
	d->outputs[i] = (struct qoutput){.owner = address_number(i), .amount = amount};
	d->signers[i] = name;
	account_free(a);
}

static int by_address(const void *a, const void *b)
{
	struct qaddress x = account_address(&((const struct qwitness *)a)->key);
	struct qaddress y = account_address(&((const struct qwitness *)b)->key);
	return memcmp(x.b, y.b, sizeof x.b);
}

static void sign_draft(struct draft *d)
{
	struct qtxid id;
	u_int cnt = 0;
	tx_id(&d->chain, &d->tx.body, &id);
	for (; cnt < 3 && d->signers[cnt]; cnt++) {
		struct account *a = chain_account(c, d->signers[cnt]);
		d->witnesses[cnt].key = account_key(a);
		account_sign(a, &id, &d->witnesses[cnt].sig);
		account_free(a);
	}
	qsort(d->witnesses, cnt, sizeof *d->witnesses, by_address);
	if (d->unsorted) {
		struct qwitness first = d->witnesses[0];
		d->witnesses[0] = d->witnesses[1];
		d->witnesses[1] = first;
	}
	d->tx.witnesses.witnesses_len = cnt;
	d->tx.witnesses.witnesses_val = d->witnesses;
}

/* Made, broken as the rule says, and encoded. */
static void draft_make(struct draft *d, const struct rule *r)
{
	static unsigned char memo[] = "x";
	*d = (struct draft){.chain = c->genesis->chain};
	d->tx.body.inputs.inputs_val = d->inputs;
	d->tx.body.outputs.outputs_val = d->outputs;
	d->tx.body.memo.memo_val = memo;
	d->tx.body.memo.memo_len = 1;
	add_input(d, "carol");
	add_input(d, "dave");
	d->tx.body.outputs.outputs_len = 2;
	if (r && r->before)
		r->before(d);
	sign_draft(d);
	if (r && r->after)
		r->after(d);
	assert_true(wire_encode(WIRE(qtx), &d->tx, &d->raw));
	if (r && r->bytes)
		r->bytes(d);
}

/* Hands one in by itself, as JSON. */
static json_t *hand_in(const struct draft *d, int *status)
{
	char *text = xcalloc(1, 2 * d->raw.len + 64), *at = text;
	at += sprintf(at, "{\"transactions\": [\"");
	hex_encode(at, d->raw.data, d->raw.len);
	strcat(at, "\"]}");
	json_t *a = call("/v1/transactions", JSON, text, strlen(text), status);
	free(text);
	return a;
}

static void transactions_that_break_a_rule_are_refused_by_its_name(void **state)
{
	struct draft d;
	int status;
	(void)state;
	uint64_t height = chain_height(c, 0);
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		char about[64];
		snprintf(about, sizeof about, "rule %zu, %s", i, rules[i].code);
		draft_make(&d, &rules[i]);
		json_t *a = hand_in(&d, &status), *r = json_array_get(json_object_get(a, "results"), 0);
		assert_string_equal(json_text(r, "status"), "rejected");
		if (strcmp(json_text(r, "code"), rules[i].code) != 0)
			fail_msg("%s: %s", about, json_text(r, "code"));
		assert_error(a, status, rules[i].status, rules[i].code, "", about);
		json_decref(a);
		bytes_free(&d.raw);
	}
	assert_int_equal(chain_height(c, 0), height);

	/* The same payment unbroken is final, whenever it expires; then every other spend is told by whom. */
	char txid[QHASH_HEX];
	draft_make(&d, NULL);
	d.tx.body.expiry.n = UINT64_MAX;
	sign_draft(&d);
	bytes_free(&d.raw);
	assert_true(wire_encode(WIRE(qtx), &d.tx, &d.raw));
	json_t *a = hand_in(&d, &status);
	assert_int_equal(status, 202);
	snprintf(txid, sizeof txid, "%s",
	         json_text(json_array_get(json_object_get(a, "results"), 0), "txid"));
	json_decref(a);
	struct qtxid id;
	assert_true(hex_decode(id.b, 32, txid));
	for (unsigned i = 0; i < 4; i++)
		assert_true(chain_final(c, i, &id, NULL, 0, NULL, 0));
	a = hand_in(&d, &status);
	assert_int_equal(status, 200);
	assert_string_equal(json_text(json_array_get(json_object_get(a, "results"), 0), "status"), "final");
	json_decref(a);
	bytes_free(&d.raw);
	draft_make(&d, NULL);
	a = hand_in(&d, &status);
	json_t *detail = json_object_get(json_object_get(a, "error"), "detail");
	assert_string_equal(json_text(detail, "spent_by"), txid);
	assert_error(a, status, 409, "double_spend", "", "the spent outputs again");
	json_decref(a);
	bytes_free(&d.raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_that_are_no_batch_are_refused_by_what_is_wrong),
	    cmocka_unit_test(batches_beyond_their_bounds_are_refused),
	    cmocka_unit_test(bad_questions_are_refused_by_what_is_wrong),
	    cmocka_unit_test(one_wrong_character_of_an_address_is_noticed),
	    cmocka_unit_test(transactions_that_break_a_rule_are_refused_by_its_name),
	};
	return cmocka_run_group_tests_name("refusals", tests, begin, end);
}
