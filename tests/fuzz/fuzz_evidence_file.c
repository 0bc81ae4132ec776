/*
 * fuzz_evidence_file.c: of evidence files only the genuine ones convict, and what is written is read back.
 * The first byte selects: 0, the rest is a file's text; else it is an encoded qevidence, to be written down,
 * with SIGN_ANEW after its envelopes are signed anew.
 *
 * Links: q_ledger
 */
#include "evidence_file.h"
#include "fuzz.h"
#include "inside.h"
#include "proofs.h"

#define ENCODED 1

static struct rules rules;
static struct bytes genuine[PROOF_CNT];

static void setup(void)
{
	rules_setup(&rules, 4, "fuzz");
	for (enum proof_sort sort = 0; sort < PROOF_CNT; sort++) {
		struct qevidence ev = proof_make(&rules, sort);
		struct bytes raw = rules_encode(WIRE(qevidence), &ev);
		genuine[sort].data = (uint8_t *)evidence_format(&rules.g, &ev, &genuine[sort].len);
		must(genuine[sort].data != NULL && evidence_verify(&rules.g, &ev, NULL));
		fuzz_seed_as(0, genuine[sort].data, genuine[sort].len);
		fuzz_seed_as(ENCODED, raw.data, raw.len);
		fuzz_seed_as(ENCODED | SIGN_ANEW, raw.data, raw.len);
		bytes_free(&raw);
		wire_free(WIRE(qevidence), &ev);
	}
	static const char receipt[] = "{\n  \"format\": \"quorate receipt 1\",\n  \"chain\": \"";
	fuzz_seed_as(0, receipt, sizeof receipt - 1);
	fuzz_seed_as(0, "SQLite format 3", 16);
}

static void teardown(void)
{
	for (unsigned i = 0; i < PROOF_CNT; i++)
		bytes_free(&genuine[i]);
	rules_teardown(&rules);
}

static bool is_genuine(const uint8_t *text, size_t len)
{
	for (unsigned i = 0; i < PROOF_CNT; i++)
		if (genuine[i].len == len && memcmp(genuine[i].data, text, len) == 0)
			return true;
	return false;
}

static void read_text(const uint8_t *text, size_t len)
{
	struct qevidence ev;
	struct err err = {0};
	size_t own_len;

	if (!evidence_parse(&rules.g, (const char *)text, len, &ev, &err)) {
		must((err.kind == ERR_INPUT || err.kind == ERR_NO) && err.text[0] != '\0');
		return;
	}
	char *own = evidence_format(&rules.g, &ev, &own_len);
	must(own != NULL && own_len == len && memcmp(own, text, len) == 0);
	free(own);
	if (evidence_verify(&rules.g, &ev, &err))
		must(is_genuine(text, len));
	wire_free(WIRE(qevidence), &ev);
}

static void sign_anew(struct qevidence *ev)
{
	if (ev->kind == QEV_CONFLICT) {
		anew_envelope(&rules, &ev->qevidence_u.conflict.first, SIGN_ANEW);
		anew_envelope(&rules, &ev->qevidence_u.conflict.second, SIGN_ANEW);
	} else if (ev->kind == QEV_BAD_PROPOSAL) {
		anew_envelope(&rules, &ev->qevidence_u.proposal, SIGN_ANEW);
	} else if (ev->kind == QEV_FORK) {
		anew_chain(&rules, &ev->qevidence_u.fork.first, SIGN_ANEW | LINK_ANEW);
		anew_chain(&rules, &ev->qevidence_u.fork.second, SIGN_ANEW | LINK_ANEW);
	}
}

/* What is written down is read back; and what convicts can be written down. */
static void write_down(const struct qevidence *ev)
{
	struct qevidence back;
	size_t len;
	char *text = evidence_format(&rules.g, ev, &len);

	if (text == NULL) {
		must(!evidence_verify(&rules.g, ev, NULL));
		return;
	}
	must(evidence_parse(&rules.g, text, len, &back, NULL));
	struct bytes a = rules_encode(WIRE(qevidence), ev), b = rules_encode(WIRE(qevidence), &back);
	must(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
	bytes_free(&a);
	bytes_free(&b);
	wire_free(WIRE(qevidence), &back);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct qevidence ev;

	if (len == 0)
		return 0;
	if (data[0] == 0) {
		read_text(data + 1, len - 1);
		return 0;
	}
	if (!wire_decode(WIRE(qevidence), data + 1, len - 1, &ev))
		return 0;
	if (data[0] & SIGN_ANEW)
		sign_anew(&ev);
	write_down(&ev);
	wire_free(WIRE(qevidence), &ev);
	return 0;
}

const struct fuzz_target fuzz_target = {
    .name = "evidence_file", .runs = 20000, .setup = setup, .teardown = teardown};
