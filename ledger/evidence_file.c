/*
 * evidence_file.c: evidence as a file.
 *
 * Reading is by comparison: only the proof is taken from a text; the rest is made anew from it, and must be
 * what is there.  So nobody's JSON has to be parsed, and nothing in words can be other than what the proof
 * shows.
 */
#include "evidence_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "tx.h"
#include "wholefile.h"

#define FORMAT "quorate evidence 1"
#define HEAD "{\n  \"format\": \"" FORMAT "\",\n  \"chain\": \""
#define PROOF "  \"proof\": \""
#define TAIL "\"\n}\n"

/* ---- writing --------------------------------------------------------------------------- */

static json_t *hex_json(const uint8_t *data, size_t len)
{
	char *text = xcalloc(2 * len + 1, 1);
	json_t *json = json_string(hex_encode(text, data, len));

	free(text);
	return json;
}

static void put_hash(json_t *o, const char *key, const struct qhash *hash)
{
	json_object_set_new(o, key, hex_json(hash->b, sizeof hash->b));
}

/* A view or a height. */
static void put_number(json_t *o, const char *key, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	json_object_set_new(o, key, n <= INT64_MAX ? json_integer((json_int_t)n) : json_string(text));
}

static void put_address(json_t *o, const char *key, const struct qaddress *a)
{
	char text[ADDRESS_TEXT];

	json_object_set_new(o, key, json_string(address_format(a, text)));
}

static void put_culprits(json_t *o, const struct genesis *g, uint64_t mask)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < g->n; i++)
		if (mask >> i & 1)
			json_array_append_new(list, json_pack("{s:i, s:s}", "replica", (int)i, "name",
			                                      g->g.replicas.replicas_val[i].name));
	json_object_set_new(o, "culprits", list);
}

/* Where the second statement is of another kind than the first. */
static void put_second(json_t *o, const struct evidence_facts *facts, const struct qconflict *c)
{
	struct qmessage m;

	if (!wire_decode(WIRE(qmessage), c->second.body.body_val, c->second.body.body_len, &m))
		return;
	if (m.kind != facts->statement) {
		json_object_set_new(o, "second_statement", json_string(statement_name(m.kind)));
		if (m.kind == QVIEW_CHANGE)
			put_number(o, "second_view", m.qmessage_u.view_change.view.n);
	}
	wire_free(WIRE(qmessage), &m);
}

static void put_statement(json_t *o, const struct genesis *g, const struct qevidence *ev,
                          const struct evidence_facts *facts)
{
	enum qkind kind = facts->statement;

	put_culprits(o, g, facts->culprits);
	json_object_set_new(o, "statement", json_string(statement_name(kind)));
	if (kind != QCHECKPOINT)
		put_number(o, "view", facts->view.n);
	if (kind != QVIEW_CHANGE && kind != QNEW_VIEW)
		put_number(o, "height", facts->height.n);
	put_hash(o, "first", &facts->first);
	if (ev->kind != QEV_BAD_PROPOSAL)
		put_hash(o, "second", &facts->second);
	if (ev->kind == QEV_CONFLICT)
		put_second(o, facts, &ev->qevidence_u.conflict);
}

/* To whom a transaction gives how much. */
static void put_payments(json_t *o, const char *key, const struct genesis *g, const qtx_bytes *raw)
{
	enum tx_verdict v;
	struct tx *tx = tx_parse(&g->chain, raw->qtx_bytes_val, raw->qtx_bytes_len, &v);
	json_t *list = json_array();
	char amount[24];

	for (unsigned i = 0; tx && i < tx->q.body.outputs.outputs_len; i++) {
		const struct qoutput *out = &tx->q.body.outputs.outputs_val[i];
		json_t *payment = json_object();
		snprintf(amount, sizeof amount, "%llu", (unsigned long long)out->amount);
		put_address(payment, "to", &out->owner);
		json_object_set_new(payment, "amount", json_string(amount));
		json_array_append_new(list, payment);
	}
	json_object_set_new(o, key, list);
	tx_unref(tx);
}

static void put_double_spend(json_t *o, const struct genesis *g, const struct qdouble_spend *d,
                             const struct evidence_facts *facts)
{
	char id[QHASH_HEX], output[QHASH_HEX + 16];

	put_address(o, "signer", &facts->signer);
	snprintf(output, sizeof output, "%s:%u",
	         hex_encode(id, facts->output.tx.b, sizeof facts->output.tx.b), facts->output.index);
	json_object_set_new(o, "output", json_string(output));
	put_hash(o, "first", &facts->first);
	put_payments(o, "first_pays", g, &d->winner);
	put_hash(o, "second", &facts->second);
	put_payments(o, "second_pays", g, &d->loser);
}

/* All but the proof. */
static json_t *words_json(const struct genesis *g, const struct qevidence *ev)
{
	struct evidence_facts facts;
	char *words = evidence_words(g, ev);

	if (!words || !evidence_facts(g, ev, &facts)) {
		free(words);
		return NULL;
	}
	json_t *o = json_pack("{s:s}", "format", FORMAT);
	put_hash(o, "chain", &g->chain);
	json_object_set_new(o, "kind", json_string(evidence_kind_name(ev->kind)));
	json_object_set_new(o, "what", json_string(words));
	if (ev->kind == QEV_DOUBLE_SPEND)
		put_double_spend(o, g, &ev->qevidence_u.double_spend, &facts);
	else
		put_statement(o, g, ev, &facts);
	free(words);
	return o;
}

/* The text of that, up to the proof's line. */
static char *head_text(const struct genesis *g, const struct qevidence *ev)
{
	json_t *json = words_json(g, ev);
	char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;

	json_decref(json);
	if (text)
		memcpy(text + strlen(text) - 2, ",\n", 2); /* of "\n}": the proof follows */
	return text;
}

/* The proof in hex; NULL: it is beyond a bound of the schema. */
static char *proof_text(const struct qevidence *ev)
{
	struct bytes proof;

	if (!wire_encode(WIRE(qevidence), ev, &proof))
		return NULL;
	char *text = xcalloc(2 * proof.len + 1, 1);
	hex_encode(text, proof.data, proof.len);
	bytes_free(&proof);
	return text;
}

json_t *evidence_json(const struct genesis *g, const struct qevidence *ev)
{
	char *proof = proof_text(ev);
	json_t *o = proof ? words_json(g, ev) : NULL;

	if (o)
		json_object_set_new(o, "proof", json_string(proof));
	free(proof);
	return o;
}

char *evidence_format(const struct genesis *g, const struct qevidence *ev, size_t *len)
{
	char *proof = proof_text(ev), *head = proof ? head_text(g, ev) : NULL, *text = NULL;

	if (head) {
		*len = strlen(head) + strlen(PROOF) + strlen(proof) + strlen(TAIL);
		text = xcalloc(*len + 1, 1);
		snprintf(text, *len + 1, "%s%s%s%s", head, PROOF, proof, TAIL);
	}
	free(head);
	free(proof);
	return text;
}

/* ---- reading --------------------------------------------------------------------------- */

static bool begins(const char *text, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

/* Among the first bytes? */
static bool mentions(const char *text, size_t len, const char *word)
{
	return memmem(text, len < 200 ? len : 200, word, strlen(word)) != NULL;
}

/* It does not begin as evidence does: what is it? */
static bool set_stranger(const char *text, size_t len, struct err *err)
{
	if (len == 0)
		return err_set(err, ERR_INPUT, "is empty");
	if (begins(text, len, "SQLite format 3"))
		return err_set(
		    err, ERR_INPUT,
		    "is a database, no evidence file; `quorate evidence LEDGER` lists what is in a "
		    "ledger");
	if (mentions(text, len, "quorate receipt"))
		return err_set(err, ERR_INPUT,
		               "is a receipt, no evidence; `quorate verify FILE` checks receipts");
	if (mentions(text, len, "\"quorate-genesis\""))
		return err_set(err, ERR_INPUT, "is a genesis, no evidence; --genesis takes it");
	if (mentions(text, len, "\"" FORMAT "\""))
		return err_set(
		    err, ERR_INPUT,
		    "format: is evidence whose text was changed; it begins, and goes on, exactly as "
		    "`quorate evidence export` writes it");
	if (mentions(text, len, "\"quorate evidence "))
		return err_set(err, ERR_INPUT,
		               "format: is not \"" FORMAT "\", the one that this program knows");
	return err_set(err, ERR_INPUT,
	               "is no evidence file: it does not begin as one (format \"" FORMAT "\")");
}

/* The head up to the chain, which must be this one. */
static bool right_chain(const struct genesis *g, const char *text, size_t len, struct err *err)
{
	char theirs[QHASH_HEX] = "", ours[QHASH_HEX];
	struct qhash chain;

	if (!begins(text, len, HEAD))
		return set_stranger(text, len, err);
	if (len - strlen(HEAD) >= QHASH_HEX - 1)
		memcpy(theirs, text + strlen(HEAD), QHASH_HEX - 1);
	if (!hex_decode(chain.b, sizeof chain.b, theirs))
		return err_set(err, ERR_INPUT, "chain: is not 64 hex digits (0-9, a-f)");
	if (!qhash_eq(&chain, &g->chain))
		return err_set(err, ERR_NO, "chain: it is about chain %s, but this genesis is of chain %s",
		               theirs, hex_encode(ours, g->chain.b, sizeof g->chain.b));
	return true;
}

/* The last field of a text that begins well; *head_len: of what is before it. */
static bool take_proof(const char *text, size_t len, size_t *head_len, struct qevidence *out, struct err *err)
{
	size_t end = len - strlen(TAIL); /* HEAD alone is longer */

	if (memcmp(text + end, TAIL, strlen(TAIL)) != 0)
		return err_set(err, ERR_INPUT,
		               "proof: does not end as it is written; the file is cut off, or something was "
		               "put behind it");
	const char *from = (const char *)memrchr(text, '"', end) + 1; /* HEAD has some */
	*head_len = (size_t)(from - text) - strlen(PROOF);
	if (memcmp(text + *head_len, PROOF, strlen(PROOF)) != 0)
		return err_set(err, ERR_INPUT, "proof: is not the last field");

	size_t hex_len = (size_t)(text + end - from);
	char *hex = xcalloc(hex_len + 1, 1);
	uint8_t *data = xcalloc(hex_len / 2 + 1, 1);
	memcpy(hex, from, hex_len);
	bool ok =
	    hex_decode(data, hex_len / 2, hex) || err_set(err, ERR_INPUT, "proof: is not hex (0-9, a-f)");
	ok = ok && (wire_decode(WIRE(qevidence), data, hex_len / 2, out) ||
	            err_set(err, ERR_INPUT, "proof: is not the canonical encoding of evidence"));
	free(hex);
	free(data);
	return ok;
}

/* Names the field and the first line that differs; only what it should be is quoted. */
static bool set_difference(const char *want, const char *text, size_t len, struct err *err)
{
	const char *line = want, *key = want;
	unsigned number = 1;

	for (size_t i = 0; i < len && want[i] && want[i] == text[i]; i++) {
		if (want[i] != '\n')
			continue;
		number++;
		line = want + i + 1;
		if (begins(line, strlen(line), "  \"")) /* a field of the document itself */
			key = line + 3;
	}
	line += strspn(line, " ");
	if (*line == '\0')
		return err_set(err, ERR_INPUT, "line %u: the proof would stand here", number);
	return err_set(err, ERR_INPUT, "%.*s: is not what the proof shows; line %u would be: %.*s",
	               (int)strcspn(key, "\""), key, number, (int)strcspn(line, "\n"), line);
}

bool evidence_parse(const struct genesis *g, const char *text, size_t len, struct qevidence *out,
                    struct err *err)
{
	size_t head_len = 0;

	*out = (struct qevidence){0};
	if (len > EVIDENCE_FILE_MAX)
		return err_set(err, ERR_INPUT, "larger than %u bytes", EVIDENCE_FILE_MAX);
	if (!right_chain(g, text, len, err) || !take_proof(text, len, &head_len, out, err))
		return false;
	char *want = head_text(g, out);
	bool ok = want && strlen(want) == head_len && memcmp(want, text, head_len) == 0;
	if (!want)
		err_set(err, ERR_INPUT, "proof: shows nothing that anybody did");
	else if (!ok)
		set_difference(want, text, head_len, err);
	free(want);
	if (!ok)
		wire_free(WIRE(qevidence), out);
	return ok;
}

bool evidence_read(const struct genesis *g, const char *path, struct qevidence *out, struct err *err)
{
	size_t len;
	char *text = wholefile_read(path, EVIDENCE_FILE_MAX, &len, err);

	*out = (struct qevidence){0};
	if (!text)
		return false;
	bool ok = evidence_parse(g, text, len, out, err) ||
	          err_prefix(err, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
	free(text);
	return ok;
}
