/*
 * fuzz_receipt.c: whatever is done to genuine receipts, none proves anything but what the genuine ones prove.
 *
 * Links: q_ledger
 */
#include "fuzz.h"
#include "receipts.h"

static struct rules rules;
static struct {
	struct bytes bytes;
	struct qtxid id;
	uint64_t height;
} genuine[FUZZ_SEEDS_MAX];
static size_t genuine_cnt;

static void add(enum qkind kind, uint64_t height, unsigned tx_cnt, unsigned index, unsigned header_cnt)
{
	struct qreceipt r = receipts_make(&rules, kind, height, tx_cnt, index, header_cnt);
	struct tx *tx = rules_pay(&rules, tx_cnt % 2, "receipt");
	struct qheight at;

	must(receipt_verify(&rules.g, &r, &genuine[genuine_cnt].id, &at, NULL));
	must(qtxid_eq(&genuine[genuine_cnt].id, &tx->id) && at.n == height);
	tx_unref(tx);
	genuine[genuine_cnt].height = height;
	genuine[genuine_cnt].bytes = rules_encode(WIRE(qreceipt), &r);
	fuzz_seed(genuine[genuine_cnt].bytes.data, genuine[genuine_cnt].bytes.len);
	genuine_cnt++;
	wire_free(WIRE(qreceipt), &r);
}

/* Nothing in a receipt is free: with exactly a quorum of signers, none can be left out either. */
static bool is_genuine(const uint8_t *data, size_t len, const struct qtxid *id, struct qheight height)
{
	for (size_t i = 0; i < genuine_cnt; i++)
		if (genuine[i].bytes.len == len && memcmp(genuine[i].bytes.data, data, len) == 0)
			return qtxid_eq(id, &genuine[i].id) && height.n == genuine[i].height;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct qreceipt r;
	struct qtxid id;
	struct qheight height;
	struct err err = {0};

	if (!wire_decode(WIRE(qreceipt), data, len, &r))
		return 0;
	if (receipt_verify(&rules.g, &r, &id, &height, &err))
		must(is_genuine(data, len, &id, height));
	else
		must(err.kind == ERR_NO && err.text[0] != '\0');
	wire_free(WIRE(qreceipt), &r);
	return 0;
}

static void setup(void)
{
	rules_setup(&rules, 4, "fuzz");
	add(QCOMMIT, 10, 1, 0, 1);
	add(QCOMMIT, 20, 3, 1, 3);
	add(QCHECKPOINT, 30, 5, 4, 2);
	add(QCHECKPOINT, 62, 8, 6, 3);
}

static void teardown(void)
{
	for (size_t i = 0; i < genuine_cnt; i++)
		bytes_free(&genuine[i].bytes);
	rules_teardown(&rules);
}

const struct fuzz_target fuzz_target = {
    .name = "receipt", .runs = 15000, .setup = setup, .teardown = teardown};
