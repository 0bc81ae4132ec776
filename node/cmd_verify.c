/*
 * cmd_verify.c: `quorate verify FILE --genesis G`: does a receipt prove what it says?  No node, no network,
 * no database: a file, a genesis, arithmetic.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access.h"
#include "clean.h"
#include "out.h"
#include "receipt_file.h"
#include "story.h"

struct verify_args {
	struct cmd_common common;
	char **files; /* of argv */
	size_t cnt;
};

static error_t parse_verify(int key, char *arg, struct argp_state *state)
{
	struct verify_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'g':
		args->common.genesis = arg;
		return 0;
	case ARGP_KEY_ARGS:
		args->files = state->argv + state->next;
		args->cnt = (size_t)(state->argc - state->next);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "FILE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- for people ---------------------------------------------------------------- */

enum { WIDTH = 11 };

static const char *time_text(uint64_t time_ms, char text[48])
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;
	char when[32];
	if (time_ms > INT64_MAX || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(text, 48, "%llu ms", (unsigned long long)time_ms);
	else
		snprintf(text, 48, "%s.%03u UTC", when, (unsigned)(time_ms % 1000));
	return text;
}

static const char *name_of(const struct genesis *g, unsigned replica)
{
	return g->g.replicas.replicas_val[replica].name;
}

/* "replicas 0 (node0), 1 (node1), 3 (node3)" */
static void print_certificate(const struct genesis *g, const struct qcert *cert)
{
	char *list = NULL;
	size_t len;
	FILE *f = open_memstream(&list, &len);
	must(f != NULL);
	for (u_int i = 0; i < cert->sigs.sigs_len; i++)
		fprintf(f, "%s%u (%s)", i == 0 ? "" : ", ", cert->sigs.sigs_val[i].replica,
		        name_of(g, cert->sigs.sigs_val[i].replica));
	must(fclose(f) == 0);
	unsigned long long height = cert->vote.height.n, view = cert->vote.view.n;
	if (cert->kind == QCHECKPOINT)
		out_field(WIDTH, "certified", "at height %llu, by CHECKPOINTs of replicas %s", height, list);
	else
		out_field(WIDTH, "certified", "at height %llu in view %llu, by COMMITs of replicas %s",
		          height, view, list);
	free(list);
}

static void print_outputs(const struct genesis *g, const struct qtx_body *body)
{
	for (u_int i = 0; i < body->outputs.outputs_len; i++) {
		const struct qoutput *out = &body->outputs.outputs_val[i];
		const char *lock = lock_name(out->lock.kind), *name = i == 0 ? "pays" : "";
		char to[ADDRESS_TEXT];
		unsigned long long amount = out->amount;
		address_format(&out->owner, to);
		if (lock == NULL)
			out_field(WIDTH, name, "%llu to %s", amount, to);
		else if (out->lock.qlock_u.replica < g->n)
			out_field(WIDTH, name, "%llu to %s, as %s of replica %u (%s)", amount, to, lock,
			          out->lock.qlock_u.replica, name_of(g, out->lock.qlock_u.replica));
		else
			out_field(WIDTH, name, "%llu to %s, as %s of replica %u", amount, to, lock,
			          out->lock.qlock_u.replica);
	}
}

static void print_memo(const struct qtx_body *body)
{
	const uint8_t *memo = body->memo.memo_val;
	size_t len = body->memo.memo_len;
	char hex[2 * Q_MEMO_MAX + 1];
	if (len == 0)
		return;
	json_t *text = story_memo(memo, len);
	if (json_is_string(text))
		out_field(WIDTH, "memo", "%s", json_string_value(text));
	else
		out_field(WIDTH, "memo", "%s (bytes in hex)", hex_encode(hex, memo, len));
	json_decref(text);
}

static void print_proven(const struct genesis *g, const char *file, const struct qreceipt *r,
                         const struct tx *tx)
{
	const struct qheader *h = &r->headers.headers_val[0];
	struct qhash hash;
	char text[QHASH_HEX], when[48], from[ADDRESS_TEXT];
	printf("%sverified%s: transaction %s is final in block %llu\n", out_style(stdout, OUT_GOOD),
	       out_style(stdout, OUT_PLAIN), hex_encode(text, tx->id.b, sizeof tx->id.b),
	       (unsigned long long)h->height.n);
	out_field(WIDTH, "file", "%s", file);
	block_hash(h, &hash);
	out_field(WIDTH, "block", "%s", hex_encode(text, hash.b, sizeof hash.b));
	out_field(WIDTH, "time", "%s, says its proposer, replica %u (%s)", time_text(h->time_ms, when),
	          h->proposer, h->proposer < g->n ? name_of(g, h->proposer) : "?");
	print_certificate(g, &r->cert);
	for (u_int i = 0; i < tx->q.witnesses.witnesses_len; i++)
		out_field(WIDTH, i == 0 ? "signed by" : "", "%s", address_format(&tx->owners[i], from));
	print_outputs(g, &tx->q.body);
	print_memo(&tx->q.body);
}

/* ---- the command --------------------------------------------------------------- */

struct checked {
	const char *file;
	struct qreceipt receipt;
	struct tx *tx; /* NULL: not proven, and *err tells why */
	struct err err;
};

static void check(const struct genesis *g, const char *file, struct checked *c)
{
	struct qtxid id;
	struct qheight height;
	enum tx_verdict verdict;
	*c = (struct checked){.file = strcmp(file, "-") == 0 ? "standard input" : file};
	if (!receipt_read(file, &c->receipt, &c->err))
		return;
	if (receipt_verify(g, &c->receipt, &id, &height, &c->err))
		c->tx =
		    tx_parse(&g->chain, c->receipt.tx.qtx_bytes_val, c->receipt.tx.qtx_bytes_len, &verdict);
	else
		err_prefix(&c->err, "%s", c->file);
}

/* *printed: something is on standard output already. */
static void print(const struct genesis *g, const struct checked *c, bool *printed)
{
	bool unreadable = c->tx == NULL && c->err.kind != ERR_NO;
	if (*printed && !unreadable)
		putchar('\n');
	*printed = *printed || !unreadable;
	if (c->tx != NULL) {
		print_proven(g, c->file, &c->receipt, c->tx);
	} else if (!unreadable) {
		struct err said = c->err;
		clean_text(said.text);
		printf("%sdoes not hold%s: %s\n", out_style(stdout, OUT_BAD), out_style(stdout, OUT_PLAIN),
		       said.text);
	} else {
		cmd_fail(&c->err);
	}
}

/* A name may be no UTF-8, and JSON knows nothing else. */
static json_t *text_json(const char *text)
{
	char *copy = xstrdup(text);
	clean_text(copy);
	json_t *json = json_string(copy);
	if (json == NULL) {
		for (char *p = copy; *p != '\0'; p++)
			*p = (unsigned char)*p < 0x80 ? *p : '?';
		json = json_string(copy);
	}
	free(copy);
	return json;
}

static json_t *checked_json(const struct checked *c)
{
	const struct qreceipt *r = &c->receipt;
	const char *verdict = c->tx != NULL ? "verified" : c->err.kind == ERR_NO ? "refused" : "unreadable";
	json_t *json = json_pack("{s:o, s:s}", "file", text_json(c->file), "verdict", verdict);
	if (c->tx == NULL) {
		json_object_set_new(json, "message", text_json(c->err.text));
		return json;
	}
	json_t *story = story_of(c->tx, r->index, &r->headers.headers_val[0], &r->cert);
	json_object_update(json, story);
	json_decref(story);
	return json;
}

static int exit_code(const struct checked *c)
{
	return c->tx != NULL ? EXIT_DONE : (int)c->err.kind;
}

static int verify(const struct verify_args *args, const struct genesis *g)
{
	json_t *list = json_array();
	int worst = EXIT_DONE;
	bool printed = false;
	for (size_t i = 0; i < args->cnt; i++) {
		struct checked c;
		check(g, args->files[i], &c);
		if (args->common.json)
			json_array_append_new(list, checked_json(&c));
		else
			print(g, &c, &printed);
		worst = exit_code(&c) > worst ? exit_code(&c) : worst;
		tx_unref(c.tx);
		wire_free(WIRE(qreceipt), &c.receipt);
	}
	if (args->common.json)
		out_json_take(args->cnt == 1 ? json_incref(json_array_get(list, 0)) : json_incref(list));
	json_decref(list);
	return worst;
}

int cmd_verify(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"genesis", 'g', "FILE", 0,
	     "The chain's genesis, the one thing that is trusted. Default: ./testnet/genesis.json if it is "
	     "there",
	     1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_verify,
	    .args_doc = "FILE...",
	    .doc = "Does a receipt prove that a transaction is final? Checked offline against the genesis "
	           "alone: the transaction's signatures, its Merkle path, every header's link and seal, the "
	           "signature of each replica of the certificate. \"-\" is standard input.\v"
	           "With --json: one object; of several files a list of them. Exit code: 0 all hold, 1 one "
	           "does not, 2 one is no receipt.",
	    .children = children,
	};
	struct verify_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	const char *path = access_genesis_path(&args.common);
	if (path == NULL)
		return cmd_error(ERR_INPUT, "--genesis is missing: a receipt is checked against the chain's "
		                            "genesis and nothing else");
	struct genesis *g = genesis_load(path, &err);
	if (g == NULL)
		return cmd_fail(&err);
	int code = verify(&args, g);
	genesis_free(g);
	return code;
}
