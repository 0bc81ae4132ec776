/*
 * cmd_submit.c: `quorate tx submit`: signed transactions to a node, many at once.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cmd_tx.h"
#include "jread.h"
#include "out.h"
#include "text.h"
#include "wholefile.h"

enum {
	FILE_MAX = 1 << 30,
	BATCH_MAX = 1000,          /* transactions in a request */
	BATCH_BYTES_MAX = 3 << 20, /* and their bytes, below what a node takes */
	FILES_MAX = 4096,
};

struct submit_args {
	struct cmd_common common;
	bool wait;
	uint64_t timeout_s;
	unsigned file_cnt;
	const char *files[FILES_MAX];
};

struct submission {
	size_t cnt, cap;
	struct bytes *raw;
	struct client_fate *fates; /* raw's order */
};

enum { KEY_WAIT = 0x200, KEY_TIMEOUT };

static error_t parse_submit(int key, char *arg, struct argp_state *state)
{
	struct submit_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'w':
		args->wait = true;
		return 0;
	case KEY_TIMEOUT:
		if (!text_u64(arg, 86400, &args->timeout_s) || args->timeout_s == 0)
			argp_error(state, "--timeout \"%s\": not a number of seconds from 1 to 86400", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (args->file_cnt == FILES_MAX)
			argp_error(state, "at most %d files; put the transactions into one, a line each",
			           FILES_MAX);
		args->files[args->file_cnt++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- reading --------------------------------------------------------------------------- */

static bool add_hex(struct submission *s, const char *hex, size_t len, struct err *err)
{
	char *text = xmemdup(hex, len + 1);
	text[len] = '\0';
	uint8_t *data = xcalloc(len / 2 + 1, 1);
	bool ok = len > 0 && len <= 2 * (size_t)Q_TX_BYTES_MAX && hex_decode(data, len / 2, text);
	free(text);
	if (!ok) {
		free(data);
		return err_set(err, ERR_INPUT,
		               "not a transaction in hex: an even number of digits (0-9, a-f), at most %d",
		               2 * Q_TX_BYTES_MAX);
	}
	if (s->cnt == s->cap) {
		s->cap = s->cap == 0 ? 64 : 2 * s->cap;
		s->raw = xrealloc(s->raw, s->cap * sizeof *s->raw);
	}
	s->raw[s->cnt++] = (struct bytes){data, len / 2};
	return true;
}

static bool read_lines(struct submission *s, const char *text, struct err *err)
{
	unsigned line = 1;
	for (const char *p = text; *p != '\0'; line++) {
		size_t len = strcspn(p, "\n"), hex = len;
		while (hex > 0 && isspace((unsigned char)p[hex - 1]))
			hex--;
		if (hex > 0 && p[0] != '#' && !add_hex(s, p, hex, err))
			return err_prefix(err, "line %u", line);
		p += len + (p[len] == '\n');
	}
	return true;
}

static bool read_document(struct submission *s, const char *text, size_t len, struct err *err)
{
	json_t *json = jread_parse(text, len, err);
	if (json == NULL)
		return false;
	const char *hex = json_string_value(json_object_get(json, "signed"));
	bool ok = hex != NULL ? add_hex(s, hex, strlen(hex), err)
	                      : err_set(err, ERR_INPUT,
	                                "no field \"signed\": not all owners have signed it yet "
	                                "(`quorate tx sign`)");
	json_decref(json);
	return ok;
}

static bool read_input(struct submission *s, const char *path, struct err *err)
{
	size_t len;
	char *text = wholefile_read(path, FILE_MAX, &len, err);
	if (text == NULL)
		return false;
	bool ok = strlen(text) == len || err_set(err, ERR_INPUT, "binary, not text");
	ok = ok && (text[strspn(text, " \t\r\n")] == '{' ? read_document(s, text, len, err)
	                                                 : read_lines(s, text, err));
	free(text);
	return ok || err_prefix(err, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
}

static void submission_free(struct submission *s)
{
	for (size_t i = 0; i < s->cnt; i++)
		bytes_free(&s->raw[i]);
	free(s->raw);
	free(s->fates);
}

/* ---- handing over ------------------------------------------------------------------------ */

static bool submit_all(struct submission *s, struct client *c, struct err *err)
{
	for (size_t at = 0; at < s->cnt;) {
		size_t cnt = 0, bytes = 0;
		while (at + cnt < s->cnt && cnt < BATCH_MAX &&
		       (cnt == 0 || bytes + s->raw[at + cnt].len <= BATCH_BYTES_MAX))
			bytes += s->raw[at + cnt++].len;
		if (!client_submit(c, s->raw + at, cnt, s->fates + at, err))
			return false;
		at += cnt;
	}
	return true;
}

static bool unsettled(const struct client_fate *f)
{
	return f->kind == FATE_PENDING || f->kind == FATE_UNKNOWN ||
	       (f->kind == FATE_REJECTED && f->temporary);
}

/* Follows each that is not settled; hands it in again where a node does not have it. */
static void settle_one(struct client *c, const struct bytes *raw, struct client_fate *fate,
                       uint64_t deadline_ms)
{
	struct qtxid id;
	struct err err;
	while (unsettled(fate)) {
		uint64_t now = access_now_ms();
		if (now >= deadline_ms)
			return;
		struct client_fate next;
		uint64_t left = deadline_ms - now;
		bool pending = fate->kind == FATE_PENDING && hex_decode(id.b, sizeof id.b, fate->txid);
		bool ok = pending ? client_wait(c, &id, left < 2000 ? (unsigned)left : 2000, &next, &err)
		                  : client_submit(c, raw, 1, &next, &err);
		if (!ok || (!pending && unsettled(&next) && next.kind != FATE_PENDING)) {
			client_next(c);
			access_nap_ms(left < 100 ? (unsigned)left : 100);
		}
		if (!ok)
			continue;
		memcpy(next.txid, fate->txid[0] != '\0' ? fate->txid : next.txid, sizeof next.txid);
		*fate = next;
	}
}

/* ---- saying -------------------------------------------------------------------------------- */

static const char *status_name(const struct client_fate *f)
{
	switch (f->kind) {
	case FATE_UNKNOWN:
		return "unknown";
	case FATE_PENDING:
		return "pending";
	case FATE_FINAL:
		return "final";
	case FATE_REJECTED:
		return "rejected";
	}
	return "";
}

static json_t *fate_json(const struct client_fate *f)
{
	json_t *json = json_pack("{s:s, s:s}", "txid", f->txid, "status", status_name(f));
	if (f->kind == FATE_FINAL)
		json_object_set_new(json, "height", json_integer((json_int_t)f->height));
	if (f->kind == FATE_REJECTED) {
		json_object_set_new(json, "code", json_string(f->code));
		json_object_set_new(json, "message", json_string(f->message));
	}
	if (f->spent_by[0] != '\0')
		json_object_set_new(json, "spent_by", json_string(f->spent_by));
	return json;
}

static void print_fate(const struct client_fate *f)
{
	printf("%s  %s", f->txid[0] != '\0' ? f->txid : "?", status_name(f));
	if (f->kind == FATE_FINAL && f->height > 0)
		printf("  height %llu", (unsigned long long)f->height);
	if (f->kind == FATE_REJECTED)
		printf("  %s: %s", f->code, f->message);
	if (f->spent_by[0] != '\0')
		printf(" (%s)", f->spent_by);
	putchar('\n');
}

static int say(const struct submit_args *args, const struct submission *s)
{
	size_t cnt[FATE_REJECTED + 1] = {0};
	json_t *results = json_array();
	for (size_t i = 0; i < s->cnt; i++) {
		cnt[s->fates[i].kind]++;
		if (args->common.json)
			json_array_append_new(results, fate_json(&s->fates[i]));
		else
			print_fate(&s->fates[i]);
	}
	if (args->common.json)
		out_json_take(json_pack("{s:O}", "results", results));
	json_decref(results);
	if (cnt[FATE_REJECTED] > 0)
		return EXIT_NO;
	if (args->wait && cnt[FATE_FINAL] < s->cnt)
		return cmd_error(ERR_WORLD, "%zu of %zu not final after %llu s; they may still become so",
		                 s->cnt - cnt[FATE_FINAL], s->cnt, (unsigned long long)args->timeout_s);
	return EXIT_DONE;
}

static int submit_with(const struct submit_args *args, struct submission *s, struct client *c,
                       struct err *err)
{
	bool ok = true;
	for (unsigned i = 0; ok && i < args->file_cnt; i++)
		ok = read_input(s, args->files[i], err);
	if (ok && args->file_cnt == 0)
		ok = read_input(s, "-", err);
	if (ok && s->cnt == 0)
		ok = err_set(err, ERR_INPUT, "there is no transaction in the input");
	if (!ok)
		return cmd_fail(err);
	s->fates = xcalloc(s->cnt, sizeof *s->fates);
	if (!submit_all(s, c, err))
		return cmd_fail(err);
	uint64_t deadline_ms = access_now_ms() + args->timeout_s * 1000;
	for (size_t i = 0; args->wait && i < s->cnt; i++)
		settle_one(c, &s->raw[i], &s->fates[i], deadline_ms);
	return say(args, s);
}

int cmd_tx_submit(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"wait", 'w', NULL, 0,
	     "Wait until each is final or rejected; what is refused only for now (unknown_output, pool_full) "
	     "is handed in "
	     "again",
	     1},
	    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "How long --wait waits (default 30)", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_submit,
	    .args_doc = "[FILE...]",
	    .doc = "Hands signed transactions to a node, in order, in large batches. A FILE (none or -: "
	           "standard input) is a "
	           "document of `quorate tx sign`, or text with one transaction in hex a line. Prints one "
	           "line for each; exit "
	           "code 1 if any was rejected.",
	    .children = children,
	};
	struct submit_args *args = xcalloc(1, sizeof *args);
	args->timeout_s = 30;
	cmd_parse(&argp, argc, argv, args);
	struct err err = {0};
	struct submission s = {0};
	struct client *c = access_client(&args->common, &err);
	int code = c == NULL ? cmd_fail(&err) : submit_with(args, &s, c, &err);
	submission_free(&s);
	client_free(c);
	free(args);
	return code;
}
