/*
 * receipt_file.c: one receipt has one text, and nothing else is taken for it.
 *
 * Links: q_ledger
 */
#include "receipt_file.h"
#include "receipts.h"

#include <jansson.h>
#include <unistd.h>

static struct rules rules, sealed;

static int setup(void **state)
{
	(void)state;
	rules_setup(&rules, 4, "receipt");
	seals_setup(&sealed, 4, "sealed", 4, 8, 1000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rules_teardown(&rules);
	rules_teardown(&sealed);
	return 0;
}

/* ---- files --------------------------------------------------------------------- */

enum { FILES = 4 };

static struct qreceipt receipt_number(unsigned n, const struct rules **chain)
{
	*chain = n == 3 ? &sealed : &rules;
	switch (n) {
	case 0:
		return receipts_make(&rules, QCOMMIT, 10, 1, 0, 1);
	case 1:
		return receipts_make(&rules, QCOMMIT, 10, 3, 1, 3);
	case 2:
		return receipts_make(&rules, QCHECKPOINT, 127, 4, 3, 2);
	default:
		return receipts_sealed(&sealed, 5, 3, RECEIPTS_WHOLE);
	}
}

static struct bytes text_of(const struct qreceipt *r)
{
	struct bytes text;
	text.data = (uint8_t *)receipt_format(r, &text.len);
	assert_non_null(text.data);
	return text;
}

/* A block of 3, certified 3 above: has a path of several hashes, and several headers. */
static struct bytes sample(void)
{
	struct qreceipt r = receipts_make(&rules, QCOMMIT, 10, 8, 6, 4);
	struct bytes text = text_of(&r);
	wire_free(WIRE(qreceipt), &r);
	return text;
}

/* Does the text prove anything?  "": yes; else why not. */
static const char *fault_of(const struct rules *chain, const void *text, size_t len)
{
	static struct err err;
	struct qreceipt r;
	struct qtxid id;
	struct qheight height;

	err = (struct err){0};
	bool parsed = receipt_parse(text, len, &r, &err);
	if (!parsed) {
		assert_null(r.tx.qtx_bytes_val); /* nothing is left to free */
		assert_true(err.kind == ERR_INPUT || err.kind == ERR_NO);
		assert_true(err.text[0] != '\0');
		return err.text;
	}
	bool ok = receipt_verify(&chain->g, &r, &id, &height, &err);
	wire_free(WIRE(qreceipt), &r);
	return ok ? "" : err.text;
}

/* The text is refused by receipt_parse() itself, with this kind and these words. */
static void refuses(const void *text, size_t len, enum err_kind kind, const char *says)
{
	struct qreceipt r;
	struct err err = {0};

	assert_false(receipt_parse(text, len, &r, &err));
	if (err.kind != kind || !strstr(err.text, says))
		fail_msg("kind %d: \"%s\"; wanted %d: \"%s\"", err.kind, err.text, kind, says);
}

/* ---- the text ------------------------------------------------------------------ */

static void put_hex(FILE *f, const void *data, size_t len)
{
	fputc('"', f);
	for (size_t i = 0; i < len; i++)
		fprintf(f, "%02x", ((const uint8_t *)data)[i]);
	fputc('"', f);
}

static void put_wire(FILE *f, struct wire_type type, const void *value)
{
	struct bytes raw = rules_encode(type, value);
	put_hex(f, raw.data, raw.len);
	bytes_free(&raw);
}

/* Written here from the documentation. */
static char *written_by_hand(const struct qreceipt *r)
{
	const struct qheader *first = r->headers.headers_val;
	struct qhash hash;
	enum tx_verdict verdict;
	struct tx *tx = tx_parse(&r->chain, r->tx.qtx_bytes_val, r->tx.qtx_bytes_len, &verdict);
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	block_hash(first, &hash);
	fputs("{\n  \"format\": \"quorate receipt 1\",\n  \"chain\": ", f);
	put_hex(f, r->chain.b, 32);
	fputs(",\n  \"txid\": ", f);
	put_hex(f, tx->id.b, 32);
	fprintf(f, ",\n  \"height\": %llu,\n  \"block\": ", (unsigned long long)first->height.n);
	put_hex(f, hash.b, 32);
	fputs(",\n  \"transaction\": ", f);
	put_hex(f, r->tx.qtx_bytes_val, r->tx.qtx_bytes_len);
	fprintf(f, ",\n  \"index\": %u,\n  \"path\": [", r->index);
	for (u_int i = 0; i < r->path.path_len; i++) {
		fprintf(f, "%s\n    ", i == 0 ? "" : ",");
		put_hex(f, r->path.path_val[i].b, 32);
	}
	fprintf(f, "%s],\n  \"headers\": [", r->path.path_len == 0 ? "" : "\n  ");
	for (u_int i = 0; i < r->headers.headers_len; i++) {
		fprintf(f, "%s\n    ", i == 0 ? "" : ",");
		put_wire(f, WIRE(qheader), &r->headers.headers_val[i]);
	}
	fputs("\n  ],\n  \"certificate\": ", f);
	put_wire(f, WIRE(qcert), &r->cert);
	fputs("\n}\n", f);
	assert_int_equal(fclose(f), 0);
	tx_unref(tx);
	return text;
}

static void is_written_as_documented_and_read_back_as_it_was(void **state)
{
	(void)state;
	for (unsigned n = 0; n < FILES; n++) {
		const struct rules *chain;
		struct qreceipt r = receipt_number(n, &chain), back;
		struct bytes text = text_of(&r), was, is;
		char *by_hand = written_by_hand(&r);

		assert_string_equal((char *)text.data, by_hand);
		assert_int_equal(text.len, strlen(by_hand));
		assert_true(receipt_parse((char *)text.data, text.len, &back, NULL));
		was = rules_encode(WIRE(qreceipt), &r);
		is = rules_encode(WIRE(qreceipt), &back);
		assert_int_equal(was.len, is.len);
		assert_memory_equal(was.data, is.data, is.len);
		assert_string_equal(fault_of(chain, text.data, text.len), "");
		assert_string_equal(fault_of(chain == &rules ? &sealed : &rules, text.data, text.len),
		                    "the receipt is of another chain than this genesis");
		bytes_free(&was);
		bytes_free(&is);
		bytes_free(&text);
		free(by_hand);
		wire_free(WIRE(qreceipt), &r);
		wire_free(WIRE(qreceipt), &back);
	}
}

static void what_is_no_receipt_has_no_text(void **state)
{
	(void)state;
	struct qreceipt r = receipts_make(&rules, QCOMMIT, 10, 1, 0, 1);
	r.headers.headers_val[0].height.n = (uint64_t)INT64_MAX + 1;
	assert_null(receipt_format(&r, NULL));
	r.headers.headers_val[0].height.n--;
	struct bytes text = text_of(&r);
	bytes_free(&text);
	r.tx.qtx_bytes_len--;
	assert_null(receipt_format(&r, NULL));
	r.tx.qtx_bytes_len++;
	r.headers.headers_len = 0;
	assert_null(receipt_format(&r, NULL));
	wire_free(WIRE(qreceipt), &r);
}

/* All but the transaction as long as it can be, and what a transaction may be on top. */
static void the_longest_receipt_is_read(void **state)
{
	(void)state;
	struct qreceipt r = receipts_sealed(&sealed, 5, Q_CHAIN_MAX, RECEIPTS_WHOLE), back;
	r.index = UINT32_MAX;
	r.path.path_val = xrealloc(r.path.path_val, 32 * sizeof *r.path.path_val);
	memset(r.path.path_val, 0xab, 32 * sizeof *r.path.path_val);
	r.path.path_len = 32;
	r.cert.sigs.sigs_val = xrealloc(r.cert.sigs.sigs_val, Q_REPLICAS_MAX * sizeof *r.cert.sigs.sigs_val);
	memset(r.cert.sigs.sigs_val, 0xcd, Q_REPLICAS_MAX * sizeof *r.cert.sigs.sigs_val);
	r.cert.sigs.sigs_len = Q_REPLICAS_MAX;
	struct bytes text = text_of(&r);
	assert_true(receipt_parse((char *)text.data, text.len, &back, NULL));
	assert_true(text.len + 2 * (size_t)(Q_TX_BYTES_MAX - r.tx.qtx_bytes_len) <= RECEIPT_FILE_MAX);
	bytes_free(&text);
	wire_free(WIRE(qreceipt), &r);
	wire_free(WIRE(qreceipt), &back);
}

/* ---- no other text ------------------------------------------------------------- */

static void no_single_flipped_bit_of_a_file_is_accepted(void **state)
{
	(void)state;
	for (unsigned n = 0; n < FILES; n++) {
		const struct rules *chain;
		struct qreceipt r = receipt_number(n, &chain);
		struct bytes text = text_of(&r);
		for (size_t bit = 0; bit < 8 * text.len; bit++) {
			rules_flip(&text, bit);
			if (fault_of(chain, text.data, text.len)[0] == '\0')
				fail_msg("file %u: bit %zu does not matter", n, bit);
			rules_flip(&text, bit);
		}
		assert_string_equal(fault_of(chain, text.data, text.len), "");
		bytes_free(&text);
		wire_free(WIRE(qreceipt), &r);
	}
}

static void nothing_can_be_cut_off_or_put_behind(void **state)
{
	(void)state;
	struct bytes text = sample();
	for (size_t len = 0; len < text.len; len++)
		refuses(text.data, len, ERR_INPUT, "");
	refuses(text.data, 0, ERR_INPUT, "this is no receipt: the document is empty");
	refuses(text.data, text.len - 1, ERR_INPUT, "certificate: line ");
	text.data = xrealloc(text.data, text.len + 1);
	for (unsigned c = 0; c < 256; c++) {
		text.data[text.len] = (uint8_t)c;
		refuses(text.data, text.len + 1, ERR_INPUT, "");
	}
	text.data[text.len] = '\n';
	refuses(text.data, text.len + 1, ERR_INPUT, "the end: line ");
	bytes_free(&text);
}

/* Also every character left out, and every one said twice. */
static void no_space_can_be_put_in_or_left_out(void **state)
{
	(void)state;
	struct bytes text = sample();
	uint8_t *other = xcalloc(text.len + 1, 1);
	for (size_t at = 0; at < text.len; at++) {
		memcpy(other, text.data, at);
		memcpy(other + at, text.data + at + 1, text.len - at - 1);
		assert_string_not_equal(fault_of(&rules, other, text.len - 1), "");
		memcpy(other + at + 1, text.data + at, text.len - at);
		other[at] = (uint8_t) " \t\n\r\\"[at % 5];
		refuses(other, text.len + 1, ERR_INPUT, "");
		other[at] = text.data[at];
		assert_string_not_equal(fault_of(&rules, other, text.len + 1), "");
	}
	free(other);
	bytes_free(&text);
}

/* The text with `from` in place of `to` at its first place; free() it. */
static char *changed(const struct bytes *text, const char *from, const char *to)
{
	const char *s = (const char *)text->data, *at = strstr(s, from);
	assert_non_null(at);
	char *out;
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - s), s, to, at + strlen(from)) > 0);
	return out;
}

static const struct {
	const char *from, *to, *says;
} writings[] = {
    {"{\n  \"format\"", "{\"format\"", "the beginning: line 1, column 2"},
    {"{\n  \"format\"", " {\n  \"format\"", "the beginning: line 1, column 1"},
    {"\"format\": ", "\"format\":", "format: line 2, column 12"},
    {",\n  \"chain\"", ",\r\n  \"chain\"", "format: line 2, column 33"},
    {"\"format\"", "\"f\\u006frmat\"", "format: line 2"},
    {"\"quorate receipt 1\"", "\"quorate receipt 2\"", "format: must be \"quorate receipt 1\""},
    {"\"quorate receipt 1\"", "1", "format: must be \"quorate receipt 1\""},
    {"\"quorate receipt 1\"", "\"quorate evidence 1\"", "`quorate evidence verify FILE`"},
    {"\"height\": 10", "\"height\": \"10\"", "height: must be an integer"},
    {"\"height\": 10", "\"height\": 10.0", "height: must be an integer"},
    {"\"height\": 10", "\"height\": 1e1", "height: must be an integer"},
    {"\"height\": 10", "\"height\": -10", "height: is -10; must be 0 to"},
    {"\"height\": 10", "\"height\": 9223372036854775808", "too big integer"},
    {"\"height\": 10", "\"height\": null", "height: must be an integer"},
    {"\"height\": 10", "\"heigth\": 10", "heigth: unknown field"},
    {"\"index\": 6", "\"index\": \"6\"", "index: must be an integer"},
    {"\"index\": 6", "\"index\": 6.0", "index: must be an integer"},
    {"\"index\": 6", "\"index\": 06", "this is no receipt: line 8"},
    {"\"index\": 6", "\"index\": 4294967302", "index: is 4294967302; must be 0 to 4294967295"},
    {"\"index\": 6", "\"index\": 6,\n  \"index\": 6", "duplicate object key near '\"index\"'"},
    {"\"index\": 6", "\"index\": 6,\n  \"more\": 6", "more: unknown field"},
    {"  \"index\": 6,\n", "", "index: missing"},
    {"  \"index\": 6,\n  \"path\"", "  \"path\"", "index: missing"},
    {"\"chain\": \"", "\"chain\": \"0", "chain: must be a string of 64 lower-case hex digits"},
    {"\"txid\": \"", "\"txid\": \" ", "txid: must be a string of 64 lower-case hex digits"},
    {"\"block\": \"", "\"block\": [\"\"],\n  \"x\": \"", "x: unknown field"},
    {"\"transaction\": \"", "\"transaction\": \"0", "transaction: must be lower-case hex digits, two a byte"},
    {"\"transaction\": \"", "\"transaction\": \"00", "transaction: is refused: "},
    {"\"path\": [", "\"path\": [[],", "path[0]: must be a string of 64"},
    {"\"path\": [", "\"path\": [],\n  \"x\": [", "x: unknown field"},
    {"\"headers\": [", "\"headers\": [0,", "headers[0]: must be a string"},
    {"\"headers\": [\n    \"", "\"headers\": [\n    \"00", "headers[0]: is not the canonical encoding"},
    {"\"certificate\": \"", "\"certificate\": \"00", "certificate: is not the canonical encoding"},
    {"\"certificate\": \"", "\"certificate\": {}, \"x\": \"", "x: unknown field"},
};

static void another_writing_is_refused_and_the_field_named(void **state)
{
	(void)state;
	struct bytes text = sample();
	for (size_t i = 0; i < sizeof writings / sizeof *writings; i++) {
		char *other = changed(&text, writings[i].from, writings[i].to);
		enum err_kind kind = strstr(writings[i].says, "is refused") ? ERR_NO : ERR_INPUT;
		refuses(other, strlen(other), kind, writings[i].says);
		free(other);
	}
	bytes_free(&text);
}

/* Member n of the text: its first byte, and how long it is. */
static const char *member(const struct bytes *text, unsigned n, size_t *len, char name[32])
{
	const char *p = strchr((const char *)text->data, '\n') + 1;
	for (;; p += *len, n--) {
		const char *end = strstr(p, "\n  \""), *last = strstr(p, "\n}");
		*len = (size_t)((end ? end : last) + 1 - p);
		if (n == 0)
			break;
	}
	assert_int_equal(sscanf(p, "  \"%31[a-z]\"", name), 1);
	return p;
}

enum { MEMBERS = 10 };

static void no_member_can_be_moved_repeated_or_left_out(void **state)
{
	(void)state;
	struct bytes text = sample();
	const char *whole = (const char *)text.data;
	for (unsigned n = 0; n + 2 < MEMBERS; n++) { /* the last one has no comma */
		char a_name[32], b_name[32], says[80], *other;
		size_t a_len, b_len;
		const char *a = member(&text, n, &a_len, a_name), *b = member(&text, n + 1, &b_len, b_name);
		int before = (int)(a - whole);

		assert_true(asprintf(&other, "%.*s%.*s%.*s%s", before, whole, (int)b_len, b, (int)a_len, a,
		                     b + b_len) > 0);
		snprintf(says, sizeof says, "%s: line ", a_name);
		refuses(other, strlen(other), ERR_INPUT, says);
		free(other);

		assert_true(asprintf(&other, "%.*s%.*s%s", before, whole, (int)a_len, a, a) > 0);
		snprintf(says, sizeof says, "duplicate object key near '\"%s\"'", a_name);
		refuses(other, strlen(other), ERR_INPUT, says);
		free(other);

		assert_true(asprintf(&other, "%.*s%s", before, whole, a + a_len) > 0);
		snprintf(says, sizeof says, "%s: missing", a_name);
		refuses(other, strlen(other), ERR_INPUT, says);
		free(other);
	}
	bytes_free(&text);
}

static void hex_is_lower_case(void **state)
{
	static const struct {
		const char *key, *name;
		unsigned lines; /* below the key */
	} places[] = {
	    {"\"chain\"", "chain", 0},        {"\"txid\"", "txid", 0},
	    {"\"block\"", "block", 0},        {"\"transaction\"", "transaction", 0},
	    {"\"path\"", "path[0]", 1},       {"\"path\"", "path[2]", 3},
	    {"\"headers\"", "headers[3]", 4}, {"\"certificate\"", "certificate", 0},
	};
	(void)state;
	struct bytes text = sample();
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		char *p = strstr((char *)text.data, places[i].key), says[64];
		for (unsigned n = 0; n < places[i].lines; n++)
			p = strchr(p, '\n') + 1;
		p = places[i].lines > 0 ? p : strchr(p, ':');
		p = strpbrk(p, "abcdef");
		*p = (char)(*p - 'a' + 'A');
		snprintf(says, sizeof says, "%s: must be ", places[i].name);
		refuses(text.data, text.len, ERR_INPUT, says);
		refuses(text.data, text.len, ERR_INPUT, "lower-case hex digits");
		*p = (char)(*p - 'A' + 'a');
	}
	assert_string_equal(fault_of(&rules, text.data, text.len), "");
	bytes_free(&text);
}

/* ---- words --------------------------------------------------------------------- */

static void words_that_the_proof_does_not_give_are_refused(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} lies[] = {
	    {"\"txid\": \"", "\"txid\": \"f",
	     "txid: is not that of the transaction in this receipt, which is "},
	    {"\"block\": \"", "\"block\": \"f",
	     "block: is not that of the first header in this receipt, which "},
	};
	(void)state;
	struct bytes text = sample();
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		char *other = changed(&text, lies[i].from, lies[i].to);
		char *digit = strstr(other, lies[i].to) + strlen(lies[i].to);
		memmove(digit, digit + 1, strlen(digit)); /* 64 digits again */
		if (strcmp(other, (char *)text.data) == 0)
			digit[-1] = 'e'; /* it began with f */
		refuses(other, strlen(other), ERR_NO, lies[i].says);
		free(other);
	}
	char *other = changed(&text, "\"height\": 10", "\"height\": 11");
	refuses(other, strlen(other), ERR_NO,
	        "height: is not that of the first header in this receipt, which is 10");
	free(other);
	bytes_free(&text);
}

/* ---- bounds -------------------------------------------------------------------- */

static void what_is_too_long_or_too_deep_is_refused(void **state)
{
	enum { TEN_MEGABYTES = 10 << 20 };
	(void)state;
	char *brackets = xcalloc(TEN_MEGABYTES, 1);
	memset(brackets, '[', TEN_MEGABYTES);
	refuses(brackets, TEN_MEGABYTES, ERR_INPUT, "larger than 524288 bytes");
	refuses(brackets, RECEIPT_FILE_MAX + 1, ERR_INPUT, "larger than 524288 bytes");
	refuses(brackets, RECEIPT_FILE_MAX, ERR_INPUT,
	        "this is no receipt: line 1, column 2049: maximum parsing depth");
	memset(brackets, '{', TEN_MEGABYTES);
	refuses(brackets, RECEIPT_FILE_MAX, ERR_INPUT, "this is no receipt: line 1");
	memset(brackets, 0, TEN_MEGABYTES);
	refuses(brackets, RECEIPT_FILE_MAX, ERR_INPUT, "this is no receipt: line 1");
	for (size_t i = 0; i + 3 <= RECEIPT_FILE_MAX; i += 3)
		memcpy(brackets + i, i == 0 ? "[[]" : ",[]", 3);
	brackets[RECEIPT_FILE_MAX - 1] = ']';
	refuses(brackets, RECEIPT_FILE_MAX, ERR_INPUT, "this is no receipt");
	free(brackets);
	refuses("[]", 2, ERR_INPUT, "this is no receipt: the document: must be an object");
	refuses("7", 1, ERR_INPUT, "this is no receipt: line 1");
	refuses("{}", 2, ERR_INPUT, "this is no receipt: format: missing");
	refuses("\x7f"
	        "ELF\0\1\2\3",
	        8, ERR_INPUT, "this is no receipt: line 1");
}

/* A list of `cnt` times the same, in place of a list of the text. */
static char *with_list(const struct bytes *text, const char *key, const char *element, unsigned cnt)
{
	const char *s = (const char *)text->data, *at = strstr(s, key) + strlen(key);
	const char *end = strchr(at, ']');
	char *out;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	fwrite(s, 1, (size_t)(at - s), f);
	for (unsigned i = 0; i < cnt; i++)
		fprintf(f, "%s%s", i == 0 ? "" : ",", element);
	fputs(end, f);
	assert_int_equal(fclose(f), 0);
	return out;
}

static void lists_and_bytes_are_bounded(void **state)
{
	(void)state;
	struct bytes text = sample();
	char *other = with_list(&text, "\"path\": [", "\"\"", 33);
	refuses(other, strlen(other), ERR_INPUT, "path: has 33 elements; at most 32 are allowed");
	free(other);
	other = with_list(&text, "\"headers\": [", "\"\"", 257);
	refuses(other, strlen(other), ERR_INPUT, "headers: has 257 elements; at most 256 are allowed");
	free(other);
	other = with_list(&text, "\"headers\": [", "\"\"", 0);
	refuses(other, strlen(other), ERR_INPUT, "headers: has no element");
	free(other);

	char *digits = xcalloc(2 * Q_TX_BYTES_MAX + 32, 1);
	size_t start = (size_t)sprintf(digits, "\"transaction\": \"");
	memset(digits + start, '0', 2 * Q_TX_BYTES_MAX + 2);
	other = changed(&text, "\"transaction\": \"", digits);
	refuses(other, strlen(other), ERR_INPUT, "transaction: has ");
	refuses(other, strlen(other), ERR_INPUT, "at most 393216 are allowed");
	free(other);
	free(digits);
	bytes_free(&text);
}

/* ---- files on disk ------------------------------------------------------------- */

static void a_file_is_read_and_what_is_none_is_named(void **state)
{
	char path[] = "/tmp/receipt-XXXXXX", says[128];
	struct qreceipt r;
	struct err err = {0};
	(void)state;
	struct bytes text = sample();
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	snprintf(says, sizeof says, "%s: this is no receipt: the document is empty", path);
	assert_false(receipt_read(path, &r, &err));
	assert_string_equal(err.text, says);
	assert_int_equal(write(fd, text.data, text.len), text.len);
	assert_true(receipt_read(path, &r, &err));
	wire_free(WIRE(qreceipt), &r);
	assert_int_equal(ftruncate(fd, 100 << 20), 0); /* never read whole */
	close(fd);
	snprintf(says, sizeof says, "%s: larger than 524288 bytes", path);
	assert_false(receipt_read(path, &r, &err));
	assert_string_equal(err.text, says);
	unlink(path);
	assert_false(receipt_read(path, &r, &err));
	assert_non_null(strstr(err.text, "No such file"));
	assert_false(receipt_read("/tmp", &r, &err));
	assert_string_equal(err.text, "/tmp: cannot be read: Is a directory");
	assert_int_equal(err.kind, ERR_INPUT);
	bytes_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_written_as_documented_and_read_back_as_it_was),
	    cmocka_unit_test(what_is_no_receipt_has_no_text),
	    cmocka_unit_test(the_longest_receipt_is_read),
	    cmocka_unit_test(no_single_flipped_bit_of_a_file_is_accepted),
	    cmocka_unit_test(nothing_can_be_cut_off_or_put_behind),
	    cmocka_unit_test(no_space_can_be_put_in_or_left_out),
	    cmocka_unit_test(another_writing_is_refused_and_the_field_named),
	    cmocka_unit_test(no_member_can_be_moved_repeated_or_left_out),
	    cmocka_unit_test(hex_is_lower_case),
	    cmocka_unit_test(words_that_the_proof_does_not_give_are_refused),
	    cmocka_unit_test(what_is_too_long_or_too_deep_is_refused),
	    cmocka_unit_test(lists_and_bytes_are_bounded),
	    cmocka_unit_test(a_file_is_read_and_what_is_none_is_named),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
