/*
 * Evidence as a file: what is written is read back, and nothing else is: no bit of it can be changed.
 *
 * Links: q_ledger
 */
#include "proofs.h"

#include <unistd.h>

#include "evidence_file.h"

static struct rules rules, stranger;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "evidence files");
	rules_setup(&stranger, 4, "another chain");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	rules_teardown(&stranger);
	return 0;
}

static char *text_of(const struct qevidence *ev, size_t *len)
{
	char *text = evidence_format(&rules.g, ev, len);

	assert_non_null(text);
	assert_int_equal(strlen(text), *len);
	return text;
}

static char *text_of_sort(enum proof_sort sort, size_t *len)
{
	struct qevidence ev = proof_make(&rules, sort);
	char *text = text_of(&ev, len);

	wire_free(WIRE(qevidence), &ev);
	return text;
}

/* Is it read, and does it convict? */
static bool convicts(const char *text, size_t len, struct err *err)
{
	struct qevidence ev;

	*err = (struct err){0};
	if (!evidence_parse(&rules.g, text, len, &ev, err)) {
		assert_true(err->kind == ERR_INPUT || err->kind == ERR_NO);
		assert_string_not_equal(err->text, "");
		return false;
	}
	bool ok = evidence_verify(&rules.g, &ev, err);
	wire_free(WIRE(qevidence), &ev);
	return ok;
}

/* ---- what is written ----------------------------------------------------------------- */

static void every_sort_is_read_back_as_it_was_written(void **state)
{
	(void)state;
	for (enum proof_sort sort = 0; sort < PROOF_CNT; sort++) {
		struct qevidence ev = proof_make(&rules, sort), back;
		struct err err = {0};
		size_t len;
		char *text = text_of(&ev, &len);
		if (!evidence_parse(&rules.g, text, len, &back, &err) ||
		    !evidence_verify(&rules.g, &back, &err))
			fail_msg("%s: %s", proof_words[sort], err.text);
		struct bytes a = rules_encode(WIRE(qevidence), &ev), b = rules_encode(WIRE(qevidence), &back);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		bytes_free(&a);
		bytes_free(&b);
		wire_free(WIRE(qevidence), &ev);
		wire_free(WIRE(qevidence), &back);
		free(text);
	}
}

static void it_says_in_words_who_did_what(void **state)
{
	(void)state;
	for (enum proof_sort sort = 0; sort < PROOF_CNT; sort++) {
		struct qevidence ev = proof_make(&rules, sort);
		char *words = evidence_words(&rules.g, &ev);
		size_t len;
		assert_non_null(words);
		if (!strstr(words, proof_words[sort]))
			fail_msg("\"%s\" does not say \"%s\"", words, proof_words[sort]);
		json_t *json = evidence_json(&rules.g, &ev);
		assert_string_equal(json_string_value(json_object_get(json, "what")), words);
		char *text = text_of(&ev, &len), *dumped = json_dumps(json, JSON_INDENT(2));
		assert_memory_equal(text, dumped, len - 1); /* but for the newline */
		free(dumped);
		free(text);
		json_decref(json);
		wire_free(WIRE(qevidence), &ev);
		free(words);
	}
}

/* The fields of a text in their order, each followed by a blank. */
static void fields_of(const char *text, char out[256])
{
	out[0] = '\0';
	for (const char *p = text; (p = strstr(p, "\n  \"")) != NULL; p++)
		snprintf(out + strlen(out), 256 - strlen(out), "%.*s ", (int)strcspn(p + 4, "\""), p + 4);
}

static void assert_fields(enum proof_sort sort, const char *want)
{
	char have[256];
	size_t len;
	char *text = text_of_sort(sort, &len);

	fields_of(text, have);
	assert_string_equal(have, want);
	free(text);
}

static void fields_stand_in_one_order(void **state)
{
	(void)state;
	assert_fields(PROOF_PREPARES,
	              "format chain kind what culprits statement view height first second proof ");
	assert_fields(PROOF_CHECKPOINTS,
	              "format chain kind what culprits statement height first second proof ");
	assert_fields(PROOF_NEW_VIEWS, "format chain kind what culprits statement view first second proof ");
	assert_fields(PROOF_HIDDEN, "format chain kind what culprits statement view height first second "
	                            "second_statement second_view proof ");
	assert_fields(PROOF_BAD_PROPOSAL,
	              "format chain kind what culprits statement view height first proof ");
	assert_fields(PROOF_DOUBLE_SPEND,
	              "format chain kind what signer output first first_pays second second_pays proof ");
	assert_fields(PROOF_FORK,
	              "format chain kind what culprits statement view height first second proof ");
}

static void fields_are_what_the_facts_are(void **state)
{
	struct qevidence ev = proof_make(&rules, PROOF_DOUBLE_SPEND);
	struct evidence_facts facts;
	char text[QHASH_HEX + 16], address[ADDRESS_TEXT];
	const char *winner, *output, *to, *amount, *signer;
	(void)state;

	assert_true(evidence_facts(&rules.g, &ev, &facts));
	json_t *json = evidence_json(&rules.g, &ev);
	assert_int_equal(json_unpack(json, "{s:s, s:s, s:s, s:[{s:s, s:s}]}", "first", &winner, "output",
	                             &output, "signer", &signer, "second_pays", "to", &to, "amount", &amount),
	                 0);
	assert_string_equal(winner, hex_encode(text, facts.first.b, 32));
	assert_string_equal(amount, "1000");
	struct qaddress payee = rules_address(3), payer = rules_address(1);
	assert_string_equal(to, address_format(&payee, address));
	assert_string_equal(signer, address_format(&payer, address));
	strcat(hex_encode(text, rules.g.txid.b, 32), ":0");
	assert_string_equal(output, text);
	json_decref(json);
	wire_free(WIRE(qevidence), &ev);
}

/* Of statements that no honest replica makes, numbers may be beyond what a JSON integer is to most readers.
 */
static void the_greatest_numbers_are_text(void **state)
{
	struct qhash leaf = rules_hash(1);
	struct qmessage m = proof_proposal(&leaf, 1);
	struct err err;
	size_t len;
	(void)state;

	m.qmessage_u.proposal.header.format = 2;
	m.qmessage_u.proposal.header.height.n = UINT64_MAX;
	m.qmessage_u.proposal.view.n = INT64_MAX;
	struct qevidence ev = {.kind = QEV_BAD_PROPOSAL,
	                       .qevidence_u.proposal = proof_envelope(&rules, 1, &m)};
	char *text = text_of(&ev, &len);
	assert_non_null(strstr(text, "\"view\": 9223372036854775807,"));
	assert_non_null(strstr(text, "\"height\": \"18446744073709551615\","));
	assert_non_null(strstr(text, "its format is 2"));
	assert_true(convicts(text, len, &err));
	wire_free(WIRE(qevidence), &ev);
	free(text);
}

/* Why a proposal is invalid, each of its faults. */
static void a_fault_is_named(void **state)
{
	static const char *const says[] = {"its format is 2", "it names replica 3 as its proposer",
	                                   "its seal does not hold", "transactions, and the chain allows",
	                                   "its transactions are none"};
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct qhash leaf = rules_hash(1);
		struct qmessage m = proof_proposal(&leaf, 1);
		struct qheader *h = &m.qmessage_u.proposal.header;
		h->format = i == 0 ? 2 : 1;
		h->proposer = i == 1 ? 3 : 1;
		h->seal.kind = i == 2 ? QSEAL_POW : QSEAL_NONE;
		h->tx_count = i == 3 ? 100000 : i == 4 ? 2 : 1;
		struct qevidence ev = {.kind = QEV_BAD_PROPOSAL,
		                       .qevidence_u.proposal = proof_envelope(&rules, 1, &m)};
		char *words = evidence_words(&rules.g, &ev);
		assert_true(evidence_verify(&rules.g, &ev, NULL));
		assert_non_null(strstr(words, says[i]));
		free(words);
		wire_free(WIRE(qevidence), &ev);
	}
}

/* ---- what is refused ------------------------------------------------------------------- */

/* Of every layout: the sorts that are left out differ from one of these in numbers alone. */
static void no_bit_can_be_changed(void **state)
{
	static const enum proof_sort layouts[] = {PROOF_PREPARES,   PROOF_STATES,       PROOF_NEW_VIEWS,
	                                          PROOF_HIDDEN,     PROOF_BAD_PROPOSAL, PROOF_DOUBLE_SPEND,
	                                          PROOF_FORK_HIDDEN};
	(void)state;
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
		enum proof_sort sort = layouts[i];
		struct err err;
		size_t len;
		char *text = text_of_sort(sort, &len);
		assert_true(convicts(text, len, &err));
		for (size_t bit = 0; bit < 8 * len; bit++) {
			text[bit / 8] ^= (char)(1U << bit % 8);
			if (convicts(text, len, &err))
				fail_msg("%s: bit %zu may be changed", proof_words[sort], bit);
			text[bit / 8] ^= (char)(1U << bit % 8);
		}
		free(text);
	}
}

static void nothing_can_be_cut_off_or_added(void **state)
{
	struct err err;
	size_t len;
	char *text = text_of_sort(PROOF_DOUBLE_SPEND, &len);
	(void)state;

	for (size_t cut = 0; cut < len; cut++)
		assert_false(convicts(text, cut, &err));
	char *longer = xcalloc(1, 2 * len + 1);
	memcpy(longer, text, len);
	longer[len] = '\n';
	assert_false(convicts(longer, len + 1, &err));
	assert_false(convicts(longer, len + 2, &err)); /* a zero byte */
	memcpy(longer + len, text, len);
	assert_false(convicts(longer, 2 * len, &err));
	free(longer);
	free(text);
}

/* `from`, which is there once, becomes `to`. */
static void assert_changed(enum proof_sort sort, const char *from, const char *to, const char *says)
{
	struct err err;
	size_t len;
	char *text = text_of_sort(sort, &len), *at = strstr(text, from);
	assert_non_null(at);
	char *other = xcalloc(1, len + strlen(to) + 1);

	memcpy(other, text, (size_t)(at - text));
	strcat(strcat(other, to), at + strlen(from));
	assert_false(convicts(other, strlen(other), &err));
	assert_int_equal(err.kind, ERR_INPUT);
	if (!strstr(err.text, says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, says);
	free(other);
	free(text);
}

static void words_cannot_lie_and_the_field_is_named(void **state)
{
	(void)state;
	assert_changed(PROOF_PREPARES, "\"replica\": 2", "\"replica\": 1",
	               "culprits: is not what the proof shows; line 8 would be: \"replica\": 2,");
	assert_changed(PROOF_PREPARES, "\"name\": \"replica-2\"", "\"name\": \"replica-1\"", "culprits: ");
	assert_changed(PROOF_PREPARES, "\"view\": 3", "\"view\": 4", "would be: \"view\": 3,");
	assert_changed(PROOF_PREPARES, "\"height\": 17,", "\"height\": 170,", "height: ");
	assert_changed(PROOF_PREPARES, "\"prepare\"", "\"commit\"", "statement: ");
	assert_changed(PROOF_PREPARES, "signed two", "did not sign two", "what: ");
	assert_changed(PROOF_PREPARES, "\"conflict\"", "\"fork\"", "kind: ");
	assert_changed(PROOF_PREPARES, "  \"view\": 3,\n", "", "view: ");
	assert_changed(PROOF_HIDDEN, "  \"second_view\": 4,\n", "", "second_view: "); /* the last one */
	assert_changed(PROOF_PREPARES, "  \"view\": 3,\n", "  \"view\": 3,\n  \"view\": 3,\n", "height: ");
	assert_changed(PROOF_PREPARES, "  \"proof\": \"", "  \"note\": 1,\n  \"proof\": \"",
	               "line 17: the proof would stand here");
	assert_changed(PROOF_DOUBLE_SPEND, "\"amount\": \"1000\"", "\"amount\": \"10000\"",
	               "first_pays: is not what the proof shows; line 12 would be: \"amount\": \"1000\"");
	assert_changed(PROOF_DOUBLE_SPEND, "  \"proof\": \"", "  \"proof\": \"00", "proof: is not the canon");
	assert_changed(PROOF_DOUBLE_SPEND, "  \"proof\": \"", "  \"proof\": \"0", "proof: is not hex");
	assert_changed(PROOF_DOUBLE_SPEND, "  \"proof\": \"", "  \"Proof\": \"", "proof: is not the last");
	assert_changed(PROOF_DOUBLE_SPEND, "\"chain\": \"", "\"chain\": \"g", "chain: is not 64 hex digits");
	assert_changed(PROOF_DOUBLE_SPEND, "\"\n}\n", "\"\n} \n", "proof: does not end");
	assert_changed(PROOF_DOUBLE_SPEND, "evidence 1\"", "evidence 2\"", "format: is not \"quorate evid");
	assert_changed(PROOF_DOUBLE_SPEND, "{\n  \"", "{ \"", "format: is evidence whose text was changed");
}

static void evidence_of_another_chain_is_said_to_be_that(void **state)
{
	struct qevidence ev = proof_make(&stranger, PROOF_COMMITS);
	struct err err = {0};
	size_t len;
	char *text = evidence_format(&stranger.g, &ev, &len), chain[QHASH_HEX];
	struct qevidence out;
	(void)state;

	assert_false(evidence_parse(&rules.g, text, len, &out, &err));
	assert_int_equal(err.kind, ERR_NO);
	assert_non_null(strstr(err.text, hex_encode(chain, stranger.g.chain.b, 32)));
	assert_non_null(strstr(err.text, hex_encode(chain, rules.g.chain.b, 32)));
	free(text);
	/* Nor does it become one of this chain by saying so. */
	text = text_of(&ev, &len);
	assert_false(convicts(text, len, &err));
	assert_non_null(strstr(err.text, "of another chain"));
	free(text);
	wire_free(WIRE(qevidence), &ev);
}

/* What convicts nobody may be written down; reading it is one thing, verifying it another. */
static void what_is_written_down_need_not_convict(void **state)
{
	struct qmessage a = proof_vote(QCHECKPOINT, 1, 2), b = {.kind = QNEW_VIEW},
	                c = proof_vote(QCOMMIT, 1, 0);
	const struct qmessage *seconds[] = {&a, &b, &c};
	struct err err;
	(void)state;

	for (unsigned i = 0; i < 3; i++) {
		struct qevidence ev = proof_conflict(&rules, 1, &a, seconds[i]), back;
		size_t len;
		char *text = text_of(&ev, &len);
		assert_true(evidence_parse(&rules.g, text, len, &back, &err));
		assert_false(evidence_verify(&rules.g, &back, &err));
		wire_free(WIRE(qevidence), &back);
		wire_free(WIRE(qevidence), &ev);
		free(text);
	}
	struct qevidence none = {.kind = QEV_CONFLICT};
	size_t len;
	assert_null(evidence_format(&rules.g, &none, &len));
	assert_null(evidence_words(&rules.g, &none));
	assert_null(evidence_json(&rules.g, &none));
}

/* ---- what is something else ---------------------------------------------------------------- */

static void assert_stranger(const void *text, size_t len, const char *says)
{
	struct qevidence ev;
	struct err err = {0};

	assert_false(evidence_parse(&rules.g, text, len, &ev, &err));
	assert_int_equal(err.kind, ERR_INPUT);
	if (!strstr(err.text, says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void what_is_something_else_is_named(void **state)
{
	enum { MANY = 10 << 20 };
	static const char database[] = "SQLite format 3\0\020\0\001\001",
	                  receipt[] = "{\n  \"format\": \"quorate receipt 1\",\n";
	static const char genesis[] = "{\n  \"quorate-genesis\": 1,\n",
	                  other[] = "root:x:0:0:root:/root:/bin/bash\n";
	char *many = xcalloc(1, MANY);
	(void)state;

	assert_stranger("", 0, "is empty");
	assert_stranger(database, sizeof database, "`quorate evidence LEDGER` lists what");
	assert_stranger(receipt, strlen(receipt), "`quorate verify FILE` checks receipts");
	assert_stranger(genesis, strlen(genesis), "is a genesis");
	assert_stranger(other, strlen(other), "it does not begin as one");
	assert_stranger(many, MANY, "it does not begin as one");
	memset(many, '[', MANY);
	assert_stranger(many, MANY, "it does not begin as one");
	assert_stranger(many, (size_t)EVIDENCE_FILE_MAX + 1, "larger than 67108864 bytes");
	free(many);
}

static void a_file_is_read_and_named_in_errors(void **state)
{
	char path[] = "/tmp/quorate-evidence-XXXXXX";
	struct qevidence ev;
	struct err err = {0};
	size_t len;
	char *text = text_of_sort(PROOF_STATES, &len);
	int fd = mkstemp(path);
	(void)state;

	assert_true(fd >= 0);
	assert_false(evidence_read(&rules.g, path, &ev, &err));
	assert_memory_equal(err.text, path, strlen(path));
	assert_non_null(strstr(err.text, ": is empty"));
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	assert_true(evidence_read(&rules.g, path, &ev, &err));
	assert_true(evidence_verify(&rules.g, &ev, &err));
	wire_free(WIRE(qevidence), &ev);
	assert_int_equal(unlink(path), 0);
	assert_false(evidence_read(&rules.g, path, &ev, &err));
	assert_non_null(strstr(err.text, "cannot be opened"));
	assert_false(evidence_read(&rules.g, "/tmp", &ev, &err));
	assert_non_null(strstr(err.text, "/tmp: cannot be read: Is a directory"));
	assert_int_equal(err.kind, ERR_INPUT);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_sort_is_read_back_as_it_was_written),
	    cmocka_unit_test(it_says_in_words_who_did_what),
	    cmocka_unit_test(fields_stand_in_one_order),
	    cmocka_unit_test(fields_are_what_the_facts_are),
	    cmocka_unit_test(the_greatest_numbers_are_text),
	    cmocka_unit_test(a_fault_is_named),
	    cmocka_unit_test(no_bit_can_be_changed),
	    cmocka_unit_test(nothing_can_be_cut_off_or_added),
	    cmocka_unit_test(words_cannot_lie_and_the_field_is_named),
	    cmocka_unit_test(evidence_of_another_chain_is_said_to_be_that),
	    cmocka_unit_test(what_is_written_down_need_not_convict),
	    cmocka_unit_test(what_is_something_else_is_named),
	    cmocka_unit_test(a_file_is_read_and_named_in_errors),
	};
	return cmocka_run_group_tests_name("evidence_file", tests, setup, teardown);
}
