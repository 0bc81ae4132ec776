/*
 * cmd_genesis_check.c: `quorate genesis check`: is a genesis sound, and does it carry on what an old chain
 * ended with?
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "cmd_genesis.h"
#include "out.h"
#include "words.h"

enum { WIDTH = 12, KEY_FROM = 0x200 };

struct check_args {
	struct cmd_common common;
	const char *file;
	struct genesis_from from;
};

static error_t parse_check(int key, char *arg, struct argp_state *state)
{
	struct check_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_FROM:
		genesis_from_add(&args->from, arg);
		return 0;
	case 'g':
		args->from.genesis_path = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (args->file != NULL)
			argp_error(state, "one FILE, not also \"%s\"", arg);
		args->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->file == NULL)
			argp_error(state, "which FILE?");
		if (args->from.genesis_path != NULL && args->from.cnt == 0)
			argp_error(state, GENESIS_FROM_ALONE);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- what differs from the old chain -------------------------------------------------- */

struct changes {
	struct out_table *table; /* or */
	json_t *json;
};

static void change(struct changes *c, const char *what, const char *was, const char *is)
{
	if (c->json != NULL) {
		json_array_append_new(c->json,
		                      json_pack("{s:s, s:s, s:s}", "what", what, "was", was, "is", is));
		return;
	}
	out_table_cell(c->table, "%s", what);
	out_table_cell(c->table, "%s", was);
	out_table_cell(c->table, "%s", is);
}

static const char *account_of(const struct qreplica *r, char text[ADDRESS_TEXT])
{
	return r->account.account_len > 0 ? address_format(r->account.account_val, text) : "-";
}

/* What it is backed by as its own stake. */
static void change_account(struct changes *c, const struct qreplica *was, const struct qreplica *is)
{
	char what[Q_NAME_MAX + 32], from[ADDRESS_TEXT] = "", to[ADDRESS_TEXT] = "";
	snprintf(what, sizeof what, "account of %s", is->name);
	if (strcmp(account_of(was, from), account_of(is, to)) != 0)
		change(c, what, account_of(was, from), account_of(is, to));
}

static const struct qreplica *named(const struct genesis *g, const char *name)
{
	for (unsigned i = 0; i < g->n; i++)
		if (strcmp(g->g.replicas.replicas_val[i].name, name) == 0)
			return &g->g.replicas.replicas_val[i];
	return NULL;
}

/* Keys are not listed: all of them are new (genesis_from_keys()). */
static void change_replicas(struct changes *c, const struct genesis *was, const struct genesis *is)
{
	char what[Q_NAME_MAX + 16];
	for (unsigned i = 0; i < was->n; i++) {
		const struct qreplica *old = &was->g.replicas.replicas_val[i], *now = named(is, old->name);
		snprintf(what, sizeof what, "replica %s", old->name);
		if (now == NULL)
			change(c, what, old->address, "-");
		else if (strcmp(now->address, old->address) != 0)
			change(c, what, old->address, now->address);
		if (now != NULL)
			change_account(c, old, now);
	}
	for (unsigned i = 0; i < is->n; i++) {
		const struct qreplica *now = &is->g.replicas.replicas_val[i];
		snprintf(what, sizeof what, "replica %s", now->name);
		if (named(was, now->name) == NULL)
			change(c, what, "-", now->address);
	}
}

static void change_params(struct changes *c, const struct genesis *was, const struct genesis *is)
{
	struct qgenesis a = was->g, b = is->g; /* borrowed */
	struct genesis_field old[GENESIS_FIELDS_MAX], now[GENESIS_FIELDS_MAX];
	size_t old_cnt = genesis_fields(&a, old), now_cnt = genesis_fields(&b, now);
	for (size_t i = 0; i < old_cnt; i++)
		for (size_t j = 0; j < now_cnt; j++) {
			char name[64], from[24], to[24];
			if (strcmp(old[i].object, now[j].object) != 0 ||
			    strcmp(old[i].name, now[j].name) != 0 || *old[i].value == *now[j].value)
				continue;
			genesis_field_name(&old[i], name);
			snprintf(from, sizeof from, "%u", *old[i].value);
			snprintf(to, sizeof to, "%u", *now[j].value);
			change(c, name, from, to);
		}
}

static const char *rule_of(const struct genesis *g)
{
	return g->g.proposer.kind == QPROPOSER_STAKE ? "stake" : "primary";
}

/* A chain goes on where its parent ended, unless its founders said otherwise: no block is older than that. */
static void change_time(struct changes *c, uint64_t was_ms, uint64_t is_ms)
{
	char from[24], to[24];
	snprintf(from, sizeof from, "%" PRIu64, was_ms);
	snprintf(to, sizeof to, "%" PRIu64, is_ms);
	if (was_ms != is_ms)
		change(c, "time_ms", from, to);
}

static void change_all(struct changes *c, const struct genesis *was, const struct genesis *is,
                       const struct succession *s)
{
	char from[WORDS_MAX], to[WORDS_MAX];
	if (strcmp(was->g.name, is->g.name) != 0)
		change(c, "name", was->g.name, is->g.name);
	change_time(c, s->time_ms, is->g.time_ms);
	change_replicas(c, was, is);
	words_of_seal(was, from);
	words_of_seal(is, to);
	if (strcmp(from, to) != 0)
		change(c, "seal", from, to);
	if (was->g.proposer.kind != is->g.proposer.kind)
		change(c, "proposers", rule_of(was), rule_of(is));
	change_params(c, was, is);
}

/* ---- the command ------------------------------------------------------------------------ */

/* `s` NULL: without --from. */
static void say_sound(const struct check_args *args, const struct genesis *g, const struct succession *s)
{
	char chain[QHASH_HEX], carried[24], left[24];
	hex_encode(chain, g->chain.b, sizeof g->chain.b);
	json_t *json = json_pack("{s:s, s:s, s:s, s:o}", "verdict", "ok", "file", args->file, "chain", chain,
	                         "parent", genesis_parent_json(genesis_parent(g)));
	struct changes c = {0};
	if (s != NULL) {
		snprintf(carried, sizeof carried, "%" PRIu64, s->carried);
		snprintf(left, sizeof left, "%" PRIu64, s->left);
		json_object_set_new(json, "carried", json_string(carried));
		json_object_set_new(json, "left_behind", json_string(left));
		c.json = json_array();
		change_all(&c, args->from.was, g, s);
		json_object_set_new(json, "changed", c.json);
	}
	if (args->common.json) {
		out_json_take(json);
		return;
	}
	size_t changed = c.json != NULL ? json_array_size(c.json) : 0;
	json_decref(json);
	if (s == NULL) {
		puts(chain);
		return;
	}
	out_field(WIDTH, "chain", "%s", chain);
	genesis_print_parent(WIDTH, genesis_parent(g));
	out_field(WIDTH, "carried over", "%s in %zu allocations, %s", carried, s->cnt,
	          s->summed ? "one for each owner and lock" : "one for each unspent output");
	out_field(WIDTH, "left behind", "%s", left);
	if (changed == 0)
		return;
	putchar('\n');
	c = (struct changes){.table = out_table_new(3, (const char *const[]){"changed", "was", "is"})};
	change_all(&c, args->from.was, g, s);
	out_table_end(c.table);
}

static bool check_from(struct check_args *args, const struct genesis *g, struct succession *s,
                       struct err *err)
{
	return genesis_from_load(&args->from, err) && genesis_from_make(&args->from, &g->g, s, err) &&
	       ((genesis_from_keys(&args->from, &g->g, ERR_NO, err) && succession_check(s, g, err)) ||
	        err_prefix(err, "%s", args->file));
}

static int check(struct check_args *args)
{
	struct err err = {0};
	struct succession s = {0};
	struct genesis *g = genesis_load(args->file, &err);
	bool ok = g != NULL && (args->from.cnt == 0 || check_from(args, g, &s, &err));
	if (ok) {
		say_sound(args, g, args->from.cnt > 0 ? &s : NULL);
		genesis_note_oddities(g);
	}
	if (!ok && err.kind == ERR_NO && args->common.json)
		out_json_take(json_pack("{s:s, s:s, s:s}", "verdict", "failed", "file", args->file, "message",
		                        err.text));
	succession_free(&s);
	genesis_free(g);
	return ok ? EXIT_DONE : cmd_fail(&err);
}

int genesis_check(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"from", KEY_FROM, "LEDGER", CMD_REPEATED,
	     "Does it carry on what this ledger (or home) of an old chain ends with? Audits the ledger and "
	     "says "
	     "what differs (repeat: the longest counts)",
	     1},
	    {"genesis", 'g', "FILE", 0, "With --from: the old chain's genesis", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_check,
	    .args_doc = "FILE",
	    .doc =
	        "Reads a genesis strictly and checks every rule. Prints the chain id; exit code 2 and the "
	        "field at fault where it is not sound; with --from, 1 and the first allocation that is not "
	        "what the old chain's ledger says.",
	    .children = children,
	};
	struct check_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	int code = check(&args);
	genesis_from_free(&args.from);
	return code;
}
