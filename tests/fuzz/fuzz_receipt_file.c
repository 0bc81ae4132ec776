/*
 * fuzz_receipt_file.c: whatever is done to the text of genuine receipts, none proves anything but what the
 * genuine ones prove, and none but the genuine texts does.
 *
 * Links: q_ledger
 */
#include "fuzz.h"
#include "receipt_file.h"
#include "receipts.h"

static struct rules plain, sealed;
static struct {
	char *text;
	size_t len;
	const struct rules *chain;
	struct qtxid id;
	uint64_t height;
} genuine[FUZZ_SEEDS_MAX];
static size_t genuine_cnt;

static void add_take(const struct rules *chain, struct qreceipt r)
{
	struct qheight at;

	genuine[genuine_cnt].text = receipt_format(&r, &genuine[genuine_cnt].len);
	must(genuine[genuine_cnt].text != NULL);
	must(receipt_verify(&chain->g, &r, &genuine[genuine_cnt].id, &at, NULL));
	genuine[genuine_cnt].chain = chain;
	genuine[genuine_cnt].height = at.n;
	fuzz_seed(genuine[genuine_cnt].text, genuine[genuine_cnt].len);
	genuine_cnt++;
	wire_free(WIRE(qreceipt), &r);
}

static bool is_genuine(const char *text, size_t len, const struct rules *chain, const struct qtxid *id,
                       struct qheight height)
{
	for (size_t i = 0; i < genuine_cnt; i++)
		if (genuine[i].len == len && memcmp(genuine[i].text, text, len) == 0)
			return genuine[i].chain == chain && qtxid_eq(id, &genuine[i].id) &&
			       height.n == genuine[i].height;
	return false;
}

/* What was read is written as it was, whether it proves anything or not. */
static void check_text(const struct qreceipt *r, const char *text, size_t len)
{
	size_t own_len;
	char *own = receipt_format(r, &own_len);

	must(own != NULL && own_len == len && memcmp(own, text, len) == 0);
	free(own);
}

static void check_proof(const struct rules *chain, const struct qreceipt *r, const char *text, size_t len)
{
	struct qtxid id;
	struct qheight height;
	struct err err = {0};

	if (receipt_verify(&chain->g, r, &id, &height, &err))
		must(is_genuine(text, len, chain, &id, height));
	else
		must(err.kind == ERR_NO && err.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct qreceipt r;
	struct err err = {0};

	if (!receipt_parse(text, len, &r, &err)) {
		must((err.kind == ERR_INPUT || err.kind == ERR_NO) && err.text[0] != '\0');
		return 0;
	}
	check_text(&r, text, len);
	check_proof(&plain, &r, text, len);
	check_proof(&sealed, &r, text, len);
	wire_free(WIRE(qreceipt), &r);
	return 0;
}

static void setup(void)
{
	rules_setup(&plain, 4, "fuzz");
	seals_setup(&sealed, 4, "fuzz sealed", 4, 8, 1000);
	add_take(&plain, receipts_make(&plain, QCOMMIT, 10, 1, 0, 1));
	add_take(&plain, receipts_make(&plain, QCOMMIT, 20, 3, 1, 3));
	add_take(&plain, receipts_make(&plain, QCHECKPOINT, 30, 8, 6, 2));
	add_take(&sealed, receipts_sealed(&sealed, 5, 3, RECEIPTS_WHOLE));
}

static void teardown(void)
{
	for (size_t i = 0; i < genuine_cnt; i++)
		free(genuine[i].text);
	rules_teardown(&plain);
	rules_teardown(&sealed);
}

const struct fuzz_target fuzz_target = {
    .name = "receipt_file", .runs = 15000, .setup = setup, .teardown = teardown};
