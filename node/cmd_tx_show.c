/*
 * cmd_tx_show.c: `quorate tx show TXID`: the whole story of a transaction, and how much of it is proven.
 *
 * A node, or a ledger file, tells the story (story.h).  With a genesis at hand, what receipts prove takes the
 * place of what was said: the transaction's own, and those of the transactions that made its inputs and
 * that spent its outputs.  What is left as somebody's word is that an output is unspent, and the attempts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clean.h"
#include "cmd_tx.h"
#include "out.h"
#include "proof.h"
#include "story.h"
#include "text.h"

#define RECEIPTS_MAX 64 /* asked for beside the transaction's own */

struct show_args {
	struct proof_args proof;
	const char *txid;
};

static error_t parse_show(int key, char *arg, struct argp_state *state)
{
	struct show_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case ARGP_KEY_ARG:
		if (args->txid != NULL)
			argp_error(state, "what is \"%s\"?", arg);
		args->txid = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->txid == NULL)
			argp_error(state, "TXID is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- what is said ------------------------------------------------------------------------ */

static json_t *ask(struct proof *p, const struct qtxid *id, struct err *err)
{
	char path[128], text[QHASH_HEX];
	json_t *json = NULL;
	if (p->reader == NULL) {
		snprintf(path, sizeof path, "/v1/transactions/%s", hex_encode(text, id->b, sizeof id->b));
		json = client_get(p->client, path, err);
		if (json == NULL || story_is_of(json, id))
			return json;
		err_set(err, ERR_WORLD, "%s%s: the answer is not as expected: no story of this transaction",
		        client_url(p->client), path);
		json_decref(json);
		return NULL;
	}
	enum found found = story_read(p->reader, p->genesis, id, &json, err);
	if (found == NOT_FOUND)
		err_set(err, ERR_NO, "%s: nothing is known of this transaction there", p->ledger);
	else if (found == FOUND_ERROR)
		proof_ledger_fails(p, err);
	return json;
}

/* ---- what is proven ---------------------------------------------------------------------- */

struct proving {
	struct proof *proof;
	const struct qtxid *id; /* of the transaction that is shown */
	unsigned receipts;      /* verified */
	unsigned skipped;       /* parts that would take more receipts than RECEIPTS_MAX */
};

/* What a receipt proves of another transaction; *tx is NULL where there were enough receipts. */
static bool fetch(struct proving *pr, const struct qtxid *id, struct tx **tx, struct tx_place *place,
                  struct err *err)
{
	*tx = NULL;
	if (pr->receipts > RECEIPTS_MAX) {
		pr->skipped++;
		return true;
	}
	*tx = proof_tx(pr->proof, id, place, err);
	pr->receipts += *tx != NULL;
	return *tx != NULL;
}

/* The output that an input of the transaction spends, in the words of story.h. */
static bool prove_input(struct proving *pr, const struct qoutpoint *p, json_t *input, struct err *err)
{
	const struct genesis *g = pr->proof->genesis;
	struct tx_place place = {{0}};
	struct tx *tx = NULL;
	const struct qoutput *outs = g->g.allocations.allocations_val;
	u_int cnt = g->g.allocations.allocations_len;
	if (!qtxid_eq(&p->tx, &g->txid)) {
		if (!fetch(pr, &p->tx, &tx, &place, err))
			return err_prefix(err, "the transaction that made an input");
		if (tx == NULL)
			return true;
		outs = tx->q.body.outputs.outputs_val;
		cnt = tx->q.body.outputs.outputs_len;
	}
	bool ok = p->index < cnt;
	if (ok)
		story_put_source(input, &outs[p->index], place.height);
	else
		err_set(err, ERR_NO, "an input spends an output that its transaction does not have");
	tx_unref(tx);
	return ok;
}

static bool spends(const struct tx *tx, const struct qoutpoint *p)
{
	for (u_int i = 0; i < tx->q.body.inputs.inputs_len; i++) {
		const struct qoutpoint *in = &tx->q.body.inputs.inputs_val[i];
		if (in->index == p->index && qtxid_eq(&in->tx, &p->tx))
			return true;
	}
	return false;
}

/* Whom the story names as the spender of an output. */
static bool prove_output(struct proving *pr, u_int index, json_t *output, struct err *err)
{
	const char *text = json_string_value(json_object_get(output, "spent_by"));
	struct qoutpoint p = {.tx = *pr->id, .index = index};
	struct tx_place place;
	struct qtxid id;
	struct tx *tx;
	if (text == NULL)
		return true;
	if (!text_txid(text, &id, err)) {
		err->kind = ERR_NO; /* nobody typed it */
		return err_prefix(err, "the transaction that spent output %u", index);
	}
	if (!fetch(pr, &id, &tx, &place, err))
		return err_prefix(err, "the transaction that spent output %u", index);
	bool ok = tx == NULL || spends(tx, &p);
	if (!ok)
		err_set(err, ERR_NO, "output %u is said to be spent by %s, which does not spend it", index,
		        text);
	else if (tx != NULL)
		json_object_set_new(output, "spent_at", json_integer((json_int_t)place.height.n));
	tx_unref(tx);
	return ok;
}

static bool prove_parts(struct proving *pr, const struct tx *tx, json_t *story, struct err *err)
{
	json_t *inputs = json_object_get(story, "inputs"), *outputs = json_object_get(story, "outputs");
	for (u_int i = 0; tx != NULL && i < tx->q.body.inputs.inputs_len; i++) {
		if (!prove_input(pr, &tx->q.body.inputs.inputs_val[i], json_array_get(inputs, i), err))
			return false;
	}
	for (size_t i = 0; i < json_array_size(outputs); i++) {
		if (!prove_output(pr, (u_int)i, json_array_get(outputs, i), err))
			return false;
	}
	return true;
}

/* The story of the transaction itself by its receipt; *tx stays NULL for the genesis' own. */
static json_t *prove_itself(struct proving *pr, struct tx **tx, struct err *err)
{
	const struct genesis *g = pr->proof->genesis;
	struct qreceipt r;
	enum tx_verdict verdict;
	if (qtxid_eq(pr->id, &g->txid))
		return story_of_genesis(g);
	if (!proof_receipt(pr->proof, pr->id, &r, err))
		return NULL;
	pr->receipts++;
	*tx = tx_parse(&g->chain, r.tx.qtx_bytes_val, r.tx.qtx_bytes_len, &verdict);
	must(*tx != NULL); /* proof_receipt() parsed it */
	json_t *json = story_of(*tx, r.index, &r.headers.headers_val[0], &r.cert);
	wire_free(WIRE(qreceipt), &r);
	return json;
}

/* The story with all that can be proven in place of what was said. NULL with *err. */
static json_t *prove(struct proving *pr, const json_t *said, struct err *err)
{
	struct tx *tx = NULL;
	json_t *itself = prove_itself(pr, &tx, err);
	json_t *story = itself == NULL ? NULL : story_prove(said, itself, err);
	if (story != NULL && !prove_parts(pr, tx, story, err)) {
		json_decref(story);
		story = NULL;
	}
	json_decref(itself);
	tx_unref(tx);
	return story;
}

/* ---- for people ---------------------------------------------------------------------------- */

/* A field of an object as text, whatever its type: what a node says may be anything. */
static const char *text_of(const json_t *object, const char *key, char buf[32])
{
	const json_t *value = json_object_get(object, key);
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(buf, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(buf, 32, "-");
	return buf;
}

static bool has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return value != NULL && !json_is_null(value);
}

static void print_field(const json_t *object, const char *key, const char *name)
{
	char buf[32];
	if (has(object, key))
		out_field(13, name, "%s", text_of(object, key, buf));
}

/* "0, 2, 3"; free() it. */
static char *signers_text(const json_t *cert)
{
	char *text = NULL, buf[32];
	size_t len, i;
	const json_t *signer;
	FILE *f = open_memstream(&text, &len);
	must(f != NULL);
	json_array_foreach(json_object_get(cert, "signers"), i, signer)
	{
		if (json_is_integer(signer))
			snprintf(buf, sizeof buf, "%" JSON_INTEGER_FORMAT, json_integer_value(signer));
		fprintf(f, "%s%s", i == 0 ? "" : ", ", json_is_integer(signer) ? buf : "-");
	}
	must(fclose(f) == 0);
	return text;
}

static void print_block(const json_t *story)
{
	const json_t *block = json_object_get(story, "block"), *cert = json_object_get(story, "certificate");
	char a[32], b[32], c[32], when[40] = "-";
	json_int_t ms = json_integer_value(json_object_get(block, "time_ms"));
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc;
	if (gmtime_r(&seconds, &utc) != NULL)
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &utc);
	out_field(13, "block", "%s", text_of(block, "hash", a));
	out_field(13, "time", "%s.%03d UTC, by the clock of replica %s, which proposed it", when,
	          (int)(ms % 1000), text_of(block, "proposer", a));
	char *signers = signers_text(cert);
	out_field(13, "certificate", "%s of height %s in view %s, signed by replicas %s",
	          text_of(cert, "kind", a), text_of(cert, "height", b), text_of(cert, "view", c), signers);
	free(signers);
}

static void print_memo(const json_t *story)
{
	const char *text = json_string_value(json_object_get(story, "memo"));
	const char *hex = json_string_value(json_object_get(story, "memo_hex"));
	if (text != NULL && text[0] != '\0')
		out_field(13, "memo", "%s", text);
	else if (text == NULL && hex != NULL && hex[0] != '\0')
		out_field(13, "memo", "%s (hex: it is no text)", hex);
}

static void print_signers(const json_t *story)
{
	size_t i;
	json_t *owner;
	json_array_foreach(json_object_get(story, "signed_by"), i, owner) out_field(
	    13, i == 0 ? "signed by" : "", "%s", json_is_string(owner) ? json_string_value(owner) : "-");
}

static void print_offence(const json_t *story)
{
	const json_t *o = json_object_get(story, "offence");
	char a[32], b[32], c[32], d[32];
	if (o != NULL)
		out_field(13, "convicts",
		          "replica %s: two of its %s votes at height %s, view %s contradict each other",
		          text_of(o, "replica", a), text_of(o, "kind", b), text_of(o, "height", c),
		          text_of(o, "view", d));
}

/* "stake, replica 2", or nothing. */
static void lock_cell(struct out_table *t, const json_t *output)
{
	char a[32], b[32];
	if (has(output, "lock"))
		out_table_cell(t, "%s, replica %s", text_of(output, "lock", a),
		               text_of(output, "replica", b));
	else
		out_table_cell(t, "-");
}

static bool any_lock(const json_t *list)
{
	size_t i;
	json_t *output;
	json_array_foreach((json_t *)list, i, output) if (has(output, "lock")) return true;
	return false;
}

static void print_inputs(const json_t *inputs)
{
	size_t i;
	json_t *input;
	char a[32], b[32];
	bool locks = any_lock(inputs);
	if (json_array_size(inputs) == 0)
		return;
	printf("\ninputs\n");
	struct out_table *t = out_table_new(
	    locks ? 5 : 4, (const char *const[]){"amount", "owner", "output", "made at", "lock"});
	json_array_foreach((json_t *)inputs, i, input)
	{
		json_int_t height = json_integer_value(json_object_get(input, "height"));
		out_table_cell(t, "%s", text_of(input, "amount", a));
		out_table_cell(t, "%s", text_of(input, "owner", a));
		out_table_cell(t, "%s:%s", text_of(input, "txid", a), text_of(input, "index", b));
		out_table_cell(t, "%s",
		               has(input, "height") && height == 0 ? "genesis" : text_of(input, "height", a));
		if (locks)
			lock_cell(t, input);
	}
	out_table_end(t);
}

static void print_outputs(const json_t *outputs)
{
	size_t i;
	json_t *output;
	char a[32], b[32];
	bool locks = any_lock(outputs);
	if (json_array_size(outputs) == 0)
		return;
	printf("\noutputs\n");
	struct out_table *t = out_table_new(
	    locks ? 5 : 4, (const char *const[]){"index", "amount", "owner", "spent by", "lock"});
	json_array_foreach((json_t *)outputs, i, output)
	{
		out_table_cell(t, "%zu", i);
		out_table_cell(t, "%s", text_of(output, "amount", a));
		out_table_cell(t, "%s", text_of(output, "owner", a));
		if (has(output, "spent_by"))
			out_table_cell(t, "%s at height %s", text_of(output, "spent_by", a),
			               text_of(output, "spent_at", b));
		else
			out_table_cell(t, "unspent");
		if (locks)
			lock_cell(t, output);
	}
	out_table_end(t);
}

static void print_attempts(const json_t *attempts, const char *txid, const char *source)
{
	size_t i;
	json_t *attempt;
	char a[32], b[32];
	if (json_array_size(attempts) == 0)
		return;
	char *name = xstrdup(source);
	clean_text(name);
	printf("\ndouble spends, says %s (`quorate evidence` has the proof)\n", name);
	free(name);
	struct out_table *t = out_table_new(
	    5, (const char *const[]){"entry", "it", "the other transaction", "signed both", "output"});
	json_array_foreach((json_t *)attempts, i, attempt)
	{
		const json_t *output = json_object_get(attempt, "output");
		bool won = strcmp(text_of(attempt, "winner", a), txid) == 0;
		out_table_cell(t, "%s", text_of(attempt, "entry", a));
		out_table_cell(t, won ? "won" : "lost");
		out_table_cell(t, "%s", text_of(attempt, won ? "loser" : "winner", a));
		out_table_cell(t, "%s", text_of(attempt, "signer", a));
		out_table_cell(t, "%s:%s", text_of(output, "txid", a), text_of(output, "index", b));
	}
	out_table_end(t);
}

static const char *source_of(const struct proof *p)
{
	return p->reader != NULL ? p->ledger : client_url(p->client);
}

static void print_proof(const struct proving *pr, const json_t *story)
{
	const char *source = source_of(pr->proof);
	if (!json_is_true(json_object_get(story, "proven"))) {
		out_field(13, "proven", "nothing: %s says so", source);
	} else if (pr->skipped > 0) {
		out_field(13, "proven", "%u receipts hold against the genesis; %u more were not asked for",
		          pr->receipts, pr->skipped);
	} else {
		out_field(13, "proven",
		          "%u receipt%s hold%s against the genesis; what is unspent, only %s says",
		          pr->receipts, pr->receipts == 1 ? "" : "s", pr->receipts == 1 ? "s" : "", source);
	}
}

static void print_story(const struct proving *pr, const json_t *story)
{
	static const char *const fields[] = {"txid",     "status", "code",    "message",
	                                     "spent_by", "height", "position"};
	const json_t *total = json_object_get(story, "total");
	char id[32], a[32], b[32];
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		print_field(story, fields[i], fields[i]);
	print_proof(pr, story);
	if (has(story, "block"))
		print_block(story);
	if (json_integer_value(json_object_get(story, "expiry")) != 0)
		print_field(story, "expiry", "expiry");
	print_memo(story);
	print_signers(story);
	print_offence(story);
	if (total != NULL)
		out_field(13, "total", "%s in, %s out: there are no fees", text_of(total, "inputs", a),
		          text_of(total, "outputs", b));
	print_inputs(json_object_get(story, "inputs"));
	print_outputs(json_object_get(story, "outputs"));
	print_attempts(json_object_get(story, "attempts"), text_of(story, "txid", id), source_of(pr->proof));
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool is_final(const json_t *story)
{
	const char *status = json_string_value(json_object_get(story, "status"));
	return status != NULL && strcmp(status, "final") == 0;
}

static int show(const struct show_args *args, struct proving *pr, const struct qtxid *id, struct err *err)
{
	json_t *story = ask(pr->proof, id, err);
	if (story == NULL)
		return cmd_fail(err);
	bool prove_it = pr->proof->genesis != NULL && is_final(story);
	if (prove_it) {
		json_t *proven = prove(pr, story, err);
		json_decref(story);
		if (proven == NULL) {
			err_prefix(err, "%s calls the transaction final, but that is not proven",
			           source_of(pr->proof));
			return cmd_fail(err);
		}
		story = proven;
	}
	json_object_set_new(story, "proven", json_boolean(prove_it));
	json_object_set_new(story, "receipts", json_integer(pr->receipts));
	json_object_set_new(story, "not_asked_for", json_integer(pr->skipped));
	if (args->proof.common.json) {
		out_json_take(story);
		return EXIT_DONE;
	}
	print_story(pr, story);
	json_decref(story);
	return EXIT_DONE;
}

int cmd_tx_show(int argc, char **argv)
{
	static const struct argp_child children[] = {{.argp = &proof_argp}, {0}};
	static const struct argp argp = {
	    .parser = parse_show,
	    .args_doc = "TXID",
	    .doc =
	        "The whole story of a transaction: final, with its block, who certified it, where each input "
	        "came from and what became of each output, and double spends that it was part of; pending; "
	        "or rejected lately.\v"
	        "With the genesis at hand all of it is proven by receipts, but for what is unspent and the "
	        "double spends. "
	        "Exit code 1 if nothing is known of it, or it is said to be final and the proof fails.",
	    .children = children,
	};
	struct show_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct qtxid id;
	struct proof proof;
	if (!text_txid(args.txid, &id, &err))
		return cmd_fail(&err);
	struct proving pr = {.proof = &proof, .id = &id};
	int code = proof_open(&proof, &args.proof, &err) ? show(&args, &pr, &id, &err) : cmd_fail(&err);
	proof_close(&proof);
	return code;
}
