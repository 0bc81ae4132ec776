/*
 * receipt_file.c: a receipt as a file.
 *
 * What is read is decoded, written again and compared, so there is no second way to write anything; hence
 * nothing here looks for white space, order, or digits that mean the same.
 */
#include "receipt_file.h"

#include <jansson.h>
#include <stdlib.h>

#include "block.h"
#include "jread.h"
#include "wholefile.h"

static const char format_name[] = "quorate receipt 1";

/* ---- writing ------------------------------------------------------------------- */

static json_t *hex_json(const uint8_t *data, size_t len)
{
	char *text = xcalloc(2 * len + 1, 1);
	json_t *json = json_string(hex_encode(text, data, len));
	free(text);
	return json;
}
#define HASH_JSON(hash) hex_json((hash).b, sizeof(hash).b)

static json_t *wire_json(struct wire_type type, const void *value)
{
	struct bytes raw;
	must(wire_encode(type, value, &raw)); /* what a receipt holds was decoded */
	json_t *json = hex_json(raw.data, raw.len);
	bytes_free(&raw);
	return json;
}

static json_t *path_json(const struct qreceipt *r)
{
	json_t *list = json_array();
	for (u_int i = 0; i < r->path.path_len; i++)
		json_array_append_new(list, HASH_JSON(r->path.path_val[i]));
	return list;
}

static json_t *headers_json(const struct qreceipt *r)
{
	json_t *list = json_array();
	for (u_int i = 0; i < r->headers.headers_len; i++)
		json_array_append_new(list, wire_json(WIRE(qheader), &r->headers.headers_val[i]));
	return list;
}

/* What the file says in words. */
struct words {
	struct qtxid txid;
	struct qhash block;
	uint64_t height;
};

static bool words_of(const struct qreceipt *r, struct words *w, struct err *err)
{
	enum tx_verdict verdict;
	if (r->headers.headers_len == 0)
		return err_set(err, ERR_INPUT,
		               "headers: has no element; the transaction's block comes first");
	w->height = r->headers.headers_val[0].height.n;
	if (w->height > INT64_MAX)
		return err_set(err, ERR_NO, "headers[0]: its height is beyond 2^63-1");
	block_hash(&r->headers.headers_val[0], &w->block);
	struct tx *tx = tx_parse(&r->chain, r->tx.qtx_bytes_val, r->tx.qtx_bytes_len, &verdict);
	if (tx == NULL)
		return err_set(err, ERR_NO, "transaction: is refused: %s", tx_verdict_info(verdict)->text);
	w->txid = tx->id;
	tx_unref(tx);
	return true;
}

static char *format_with(const struct qreceipt *r, const struct words *w, size_t *len)
{
	/* jansson writes members in the order in which they were set. */
	json_t *json = json_pack("{s:s, s:o, s:o, s:I, s:o, s:o, s:I, s:o, s:o, s:o}", "format", format_name,
	                         "chain", HASH_JSON(r->chain), "txid", HASH_JSON(w->txid), "height",
	                         (json_int_t)w->height, "block", HASH_JSON(w->block), "transaction",
	                         hex_json(r->tx.qtx_bytes_val, r->tx.qtx_bytes_len), "index",
	                         (json_int_t)r->index, "path", path_json(r), "headers", headers_json(r),
	                         "certificate", wire_json(WIRE(qcert), &r->cert));
	must(json != NULL);
	char *text = json_dumps(json, JSON_INDENT(2));
	must(text != NULL);
	json_decref(json);
	size_t cnt = strlen(text);
	text = xrealloc(text, cnt + 2);
	memcpy(text + cnt, "\n", 2);
	if (len != NULL)
		*len = cnt + 1;
	return text;
}

char *receipt_format(const struct qreceipt *r, size_t *len)
{
	struct words words;
	return words_of(r, &words, NULL) ? format_with(r, &words, len) : NULL;
}

/* ---- reading ------------------------------------------------------------------- */

/* What else of ours it may be is said, for that is the likeliest mistake. */
static bool check_kind(const json_t *json, struct err *err)
{
	static const char evidence[] = "quorate evidence";
	struct jvalue root = jread_root(json), format = jread_field(&root, "format");
	const char *name = json_string_value(format.json);
	if (name != NULL && strncmp(name, evidence, sizeof evidence - 1) == 0)
		return err_set(err, ERR_INPUT,
		               "this is evidence, no receipt; see `quorate evidence verify FILE`");
	if (json_object_get(json, "allocations") != NULL)
		return err_set(err, ERR_INPUT,
		               "this is a genesis, no receipt; see `quorate genesis show FILE`");
	if (!jread_object(&root, "format chain txid height block transaction index path headers certificate",
	                  "", err))
		return err_prefix(err, "this is no receipt");
	return (name != NULL && strcmp(name, format_name) == 0) ||
	       jread_wrong(&format, err, "must be \"%s\"", format_name);
}

/* Lower-case hex of at most `max` bytes, into a fresh buffer. */
static bool read_bytes(const struct jvalue *v, size_t max, struct bytes *out, struct err *err)
{
	const char *text;
	if (!jread_string(v, 2 * max, &text, err))
		return false;
	size_t len = strlen(text) / 2;
	*out = (struct bytes){xcalloc(len, 1), len};
	if (hex_decode(out->data, len, text))
		return true;
	bytes_free(out);
	return jread_wrong(v, err, "must be lower-case hex digits, two a byte");
}

static bool read_wire(const struct jvalue *v, size_t max, struct wire_type type, void *out, const char *what,
                      struct err *err)
{
	struct bytes raw;
	if (!read_bytes(v, max, &raw, err))
		return false;
	bool ok = wire_decode(type, raw.data, raw.len, out);
	bytes_free(&raw);
	return ok || jread_wrong(v, err, "is not the canonical encoding of a %s", what);
}

static bool read_path(const struct jvalue *v, struct qreceipt *out, struct err *err)
{
	enum { PATH_MAX_LEN = 32 };
	size_t cnt;
	if (!jread_array(v, PATH_MAX_LEN, &cnt, err))
		return false;
	out->path.path_val = xcalloc(cnt, sizeof *out->path.path_val);
	out->path.path_len = (u_int)cnt;
	for (size_t i = 0; i < cnt; i++) {
		struct jvalue hash = jread_element(v, i);
		if (!jread_hex(&hash, out->path.path_val[i].b, sizeof out->path.path_val[i].b, err))
			return false;
	}
	return true;
}

/* Encoded, with room to spare: the longest are 136 and 4,444 bytes. */
enum { HEADER_BYTES_MAX = 256, CERT_BYTES_MAX = 8192 };

static bool read_headers(const struct jvalue *v, struct qreceipt *out, struct err *err)
{
	size_t cnt;
	if (!jread_array(v, Q_CHAIN_MAX, &cnt, err))
		return false;
	out->headers.headers_val = xcalloc(cnt, sizeof *out->headers.headers_val);
	out->headers.headers_len = (u_int)cnt;
	for (size_t i = 0; i < cnt; i++) {
		struct jvalue header = jread_element(v, i);
		if (!read_wire(&header, HEADER_BYTES_MAX, WIRE(qheader), &out->headers.headers_val[i],
		               "block header", err))
			return false;
	}
	return true;
}

static bool read_proof(const struct jvalue *root, struct qreceipt *out, struct err *err)
{
	struct jvalue chain = jread_field(root, "chain"), tx = jread_field(root, "transaction"),
	              index = jread_field(root, "index"), path = jread_field(root, "path"),
	              headers = jread_field(root, "headers"), cert = jread_field(root, "certificate");
	struct bytes raw;
	uint64_t number;
	if (!jread_hex(&chain, out->chain.b, sizeof out->chain.b, err) ||
	    !read_bytes(&tx, Q_TX_BYTES_MAX, &raw, err))
		return false;
	out->tx.qtx_bytes_val = raw.data;
	out->tx.qtx_bytes_len = (u_int)raw.len;
	if (!jread_uint(&index, 0, UINT32_MAX, &number, err))
		return false;
	out->index = (u_int)number;
	return read_path(&path, out, err) && read_headers(&headers, out, err) &&
	       read_wire(&cert, CERT_BYTES_MAX, WIRE(qcert), &out->cert, "certificate", err);
}

static bool check_hash(const struct jvalue *v, const uint8_t proven[32], const char *whose, struct err *err)
{
	uint8_t said[32];
	char text[QHASH_HEX];
	if (!jread_hex(v, said, sizeof said, err))
		return false;
	if (memcmp(said, proven, sizeof said) == 0)
		return true;
	return err_set(err, ERR_NO, "%s: is not that of the %s in this receipt, which is %s", v->path, whose,
	               hex_encode(text, proven, sizeof said));
}

static bool check_words(const struct jvalue *root, const struct words *w, struct err *err)
{
	struct jvalue txid = jread_field(root, "txid"), height = jread_field(root, "height"),
	              block = jread_field(root, "block");
	uint64_t number;
	if (!check_hash(&txid, w->txid.b, "transaction", err) ||
	    !jread_uint(&height, 0, INT64_MAX, &number, err) ||
	    !check_hash(&block, w->block.b, "first header", err))
		return false;
	return number == w->height || err_set(err, ERR_NO,
	                                      "height: is not that of the first header in this receipt, "
	                                      "which is %llu",
	                                      (unsigned long long)w->height);
}

/* The member of the receipt's own text in which this place lies. */
static const char *member_at(const char *own, size_t at, char name[32])
{
	snprintf(name, 32, "the beginning");
	for (const char *p = own; (p = strstr(p, "\n  \"")) != NULL && p < own + at; p++)
		snprintf(name, 32, "%.*s", (int)strcspn(p + 4, "\""), p + 4);
	return name;
}

static bool same_text(const char *text, size_t len, const char *own, size_t own_len, struct err *err)
{
	size_t at = 0, line = 1, column = 1;
	char name[32];
	if (len == own_len && memcmp(text, own, len) == 0)
		return true;
	for (; at < len && at < own_len && text[at] == own[at]; at++) {
		column = text[at] == '\n' ? 1 : column + 1;
		line += text[at] == '\n';
	}
	const char *where = at == own_len ? "the end" : member_at(own, at, name);
	return err_set(err, ERR_INPUT,
	               "%s: line %zu, column %zu is not as this receipt is written, and it has only one text",
	               where, line, column);
}

static bool read_receipt(const json_t *json, const char *text, size_t len, struct qreceipt *out,
                         struct err *err)
{
	struct jvalue root = jread_root(json);
	struct words words;
	if (!check_kind(json, err) || !read_proof(&root, out, err) || !words_of(out, &words, err) ||
	    !check_words(&root, &words, err))
		return false;
	size_t own_len;
	char *own = format_with(out, &words, &own_len);
	bool ok = same_text(text, len, own, own_len, err);
	free(own);
	return ok;
}

bool receipt_parse(const char *text, size_t len, struct qreceipt *out, struct err *err)
{
	*out = (struct qreceipt){0};
	if (len > RECEIPT_FILE_MAX)
		return err_set(err, ERR_INPUT, "larger than %u bytes, and so no receipt", RECEIPT_FILE_MAX);
	json_t *json = jread_parse(text, len, err);
	if (json == NULL)
		return err_prefix(err, "this is no receipt");
	bool ok = read_receipt(json, text, len, out, err);
	json_decref(json);
	if (!ok)
		wire_free(WIRE(qreceipt), out);
	return ok;
}

bool receipt_read(const char *path, struct qreceipt *out, struct err *err)
{
	size_t len;
	*out = (struct qreceipt){0};
	char *text = wholefile_read(path, RECEIPT_FILE_MAX, &len, err);
	if (text == NULL)
		return false;
	bool ok = receipt_parse(text, len, out, err) ||
	          err_prefix(err, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
	free(text);
	return ok;
}
