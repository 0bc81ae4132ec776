/*
 * forms.c: transactions of libquorate's callers, written and read.
 */
#include "lib.h"

#include <stdlib.h>
#include <string.h>

#include "crypto.h"

#define DOCUMENT_MAX                                                                          \
	(4u << 20) /* bytes; the longest is about 1 MiB, with all its inputs, outputs and hex \
	            */

static const char hex_digits[] = "0123456789abcdef";
static const char white[] = " \t\r\n";

/* ---- writing ----------------------------------------------------------------- */

static char *bytes_text(const struct quorate_tx *tx, size_t *len)
{
	char *text = xcalloc(tx->tx->raw_len + 1, 1);
	memcpy(text, tx->tx->raw, tx->tx->raw_len);
	*len = tx->tx->raw_len;
	return text;
}

static char *hex_text(const struct quorate_tx *tx, size_t *len)
{
	*len = 2 * tx->tx->raw_len;
	return hex_encode(xcalloc(*len + 1, 1), tx->tx->raw, tx->tx->raw_len);
}

static char *document_text(const struct quorate_tx *tx, size_t *len)
{
	json_t *json = draft_json(&tx->draft);
	char *text = json_dumps(json, JSON_INDENT(2));
	must(text != NULL);
	json_decref(json);
	*len = strlen(text);
	return text;
}

static const struct form {
	char *(*text)(const struct quorate_tx *tx, size_t *len);
	bool whole; /* only once all have signed */
} forms[] = {
    [QUORATE_BYTES] = {bytes_text, true},
    [QUORATE_HEX] = {hex_text, true},
    [QUORATE_DOCUMENT] = {document_text, false},
};

static bool can_be_written(const struct quorate_tx *tx, int form, struct err *err)
{
	if (form < QUORATE_BYTES || form > QUORATE_DOCUMENT)
		return err_set(err, ERR_INPUT, "there is no form %d", form);
	if (forms[form].whole)
		return lib_tx_whole(tx, err);
	return tx->has_draft || err_set(err, ERR_INPUT,
	                                "a document names the owners of the inputs, and this transaction was "
	                                "read without them");
}

int quorate_tx_write(const struct quorate_tx *tx, int form, char **out, size_t *len,
                     struct quorate_error *error)
{
	struct err err = {0};
	size_t cnt;
	if (!LIB_BEGIN(out, &err) || !lib_given(tx, "tx", &err) || !can_be_written(tx, form, &err))
		return lib_fail(error, &err);
	*out = forms[form].text(tx, &cnt);
	if (len != NULL)
		*len = cnt;
	return QUORATE_OK;
}

/* ---- reading ----------------------------------------------------------------- */

static struct quorate_tx *from_document(const struct genesis *g, const char *text, size_t len,
                                        struct err *err)
{
	struct draft draft;
	if (len > DOCUMENT_MAX) {
		err_set(err, ERR_INPUT, "larger than %u bytes", DOCUMENT_MAX);
		return NULL;
	}
	if (!draft_read(&draft, text, len, err))
		return NULL;
	if (qhash_eq(&draft.chain, &g->chain))
		return lib_tx_of_draft_take(&draft);
	err_set(err, ERR_INPUT, "chain: is another one than that of the genesis");
	draft_free(&draft);
	return NULL;
}

static struct quorate_tx *from_bytes(const struct genesis *g, const uint8_t *raw, size_t len, struct err *err)
{
	enum tx_verdict verdict = TX_OK;
	struct quorate_tx *out = NULL;
	struct tx *tx = tx_parse(&g->chain, raw, len, &verdict);
	if (tx != NULL && !tx_verify(g, tx))
		verdict = TX_BAD_SIGNATURE;
	if (verdict == TX_OK) {
		out = xcalloc(1, sizeof *out);
		lib_tx_begin(out, &g->chain, tx);
	} else {
		err_set(err, ERR_INPUT, "%s", tx_verdict_info(verdict)->text);
	}
	tx_unref(tx);
	return out;
}

/* Hex digits, and white space around them? *digits of them, from *at on. */
static bool is_hex(const char *text, size_t len, size_t *at, size_t *digits)
{
	*at = *digits = 0;
	while (*at < len && memchr(white, text[*at], sizeof white - 1) != NULL)
		++*at;
	while (*at + *digits < len && memchr(hex_digits, text[*at + *digits], sizeof hex_digits - 1) != NULL)
		++*digits;
	size_t end = *at + *digits;
	while (end < len && memchr(white, text[end], sizeof white - 1) != NULL)
		end++;
	return *digits > 0 && end == len;
}

static struct quorate_tx *from_hex(const struct genesis *g, const char *digits, size_t cnt, struct err *err)
{
	if (cnt > 2 * (size_t)Q_TX_BYTES_MAX || cnt % 2 != 0) {
		err_set(err, ERR_INPUT, "%zu hex digits: a transaction has an even number, at most %d", cnt,
		        2 * Q_TX_BYTES_MAX);
		return NULL;
	}
	char *text = xcalloc(cnt + 1, 1);
	uint8_t *raw = xcalloc(cnt / 2, 1);
	memcpy(text, digits, cnt);
	must(hex_decode(raw, cnt / 2, text));
	struct quorate_tx *tx = from_bytes(g, raw, cnt / 2, err);
	free(raw);
	free(text);
	return tx;
}

int quorate_tx_read(const struct quorate_genesis *genesis, const void *data, size_t len,
                    struct quorate_tx **out, struct quorate_error *error)
{
	struct err err = {0};
	size_t at, digits;
	if (!LIB_BEGIN(out, &err) || !lib_given(genesis, "genesis", &err) || !lib_given(data, "data", &err))
		return lib_fail(error, &err);
	/* The bytes begin with the count of inputs, at most 1024, so with a zero: neither a digit nor white
	 * space nor a brace. */
	const struct genesis *g = genesis->g;
	const char *text = data;
	if (is_hex(text, len, &at, &digits))
		*out = from_hex(g, text + at, digits, &err);
	else if (at < len && text[at] == '{')
		*out = from_document(g, text, len, &err);
	else
		*out = from_bytes(g, data, len, &err);
	return *out != NULL ? QUORATE_OK : lib_fail(error, &err);
}
