/*
 * cmd_genesis_show.c: `quorate genesis show`: what a genesis says, in words and as JSON.
 */
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "cmd_genesis.h"
#include "jread.h"
#include "out.h"
#include "schedule.h"
#include "words.h"

static const struct argp_child json_children[] = {{.argp = &cmd_json_argp}, {0}};

void genesis_field_name(const struct genesis_field *field, char name[64])
{
	bool param = strcmp(field->object, "params") == 0;
	snprintf(name, 64, "%s%s%s", param ? "" : field->object, param ? "" : ".", field->name);
}

struct file_args {
	struct cmd_common common;
	const char *file;
};

static error_t parse_file(int key, char *arg, struct argp_state *state)
{
	struct file_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case ARGP_KEY_ARG:
		if (args->file != NULL)
			argp_error(state, "one FILE, not also \"%s\"", arg);
		args->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->file == NULL)
			argp_error(state, "which FILE?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What the genesis stakes for each replica. */
static void stakes_of(const struct genesis *g, struct qstake stakes[Q_REPLICAS_MAX])
{
	memset(stakes, 0, Q_REPLICAS_MAX * sizeof *stakes);
	for (u_int i = 0; i < g->g.allocations.allocations_len; i++) {
		const struct qoutput *out = &g->g.allocations.allocations_val[i];
		if (out->lock.kind != QLOCK_STAKE)
			continue;
		unsigned r = out->lock.qlock_u.replica;
		bool own = memcmp(&out->owner, g->g.replicas.replicas_val[r].account.account_val,
		                  sizeof out->owner) == 0;
		*(own ? &stakes[r].own : &stakes[r].delegated) += out->amount;
	}
}

/* Of the first two epochs. */
static struct schedule schedule_of(const struct genesis *g, struct qstake stakes[Q_REPLICAS_MAX])
{
	struct schedule s;
	struct qtable table = {.stakes = {g->n, stakes}};
	schedule_make(g, &table, &s);
	return s;
}

/* An amount that may be 0. */
static json_t *amount_json(uint64_t amount)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)amount);
	return json_string(text);
}

static json_t *rules_json(const struct genesis *g, const char *object, const char *kind)
{
	struct qgenesis q = g->g; /* borrowed: genesis_fields() takes it without const */
	struct genesis_field fields[GENESIS_FIELDS_MAX];
	size_t cnt = genesis_fields(&q, fields);
	json_t *json = json_object();
	if (kind != NULL)
		json_object_set_new(json, "kind", json_string(kind));
	for (size_t i = 0; i < cnt; i++)
		if (strcmp(fields[i].object, object) == 0)
			json_object_set_new(json, fields[i].name, json_integer(*fields[i].value));
	return json;
}

static json_t *replicas_json(const struct genesis *g)
{
	struct qstake stakes[Q_REPLICAS_MAX];
	struct schedule s = {.settled.n = 0};
	json_t *replicas = json_array();
	stakes_of(g, stakes);
	if (stake_rules(g) != NULL)
		s = schedule_of(g, stakes);
	for (unsigned i = 0; i < g->n; i++) {
		char text[QHASH_HEX], account[ADDRESS_TEXT];
		const struct qreplica *r = &g->g.replicas.replicas_val[i];
		json_t *json = json_pack("{s:i, s:s, s:s, s:s}", "index", (int)i, "name", r->name, "key",
		                         hex_encode(text, r->key.b, sizeof r->key.b), "address", r->address);
		if (stake_rules(g) != NULL) {
			json_object_set_new(json, "account",
			                    json_string(address_format(r->account.account_val, account)));
			json_object_set_new(json, "own", amount_json(stakes[i].own));
			json_object_set_new(json, "delegated", amount_json(stakes[i].delegated));
			json_object_set_new(json, "turns", json_integer(s.weight[i]));
		}
		json_array_append_new(replicas, json);
	}
	return replicas;
}

json_t *genesis_parent_json(const struct qparent *p)
{
	char chain[QHASH_HEX], block[QHASH_HEX], state[QHASH_HEX];
	if (p == NULL)
		return json_null();
	return json_pack("{s:s, s:I, s:s, s:s}", "chain", hex_encode(chain, p->chain.b, sizeof p->chain.b),
	                 "height", (json_int_t)p->height.n, "block",
	                 hex_encode(block, p->block.b, sizeof p->block.b), "state",
	                 hex_encode(state, p->state.b, sizeof p->state.b));
}

static json_t *genesis_json(const struct genesis *g)
{
	char chain[QHASH_HEX];
	return json_pack(
	    "{s:s, s:o, s:s, s:I, s:i, s:i, s:i, s:o, s:I, s:o, s:o, s:o, s:o, s:I, s:I}", "chain",
	    hex_encode(chain, g->chain.b, sizeof g->chain.b), "parent",
	    genesis_parent_json(genesis_parent(g)), "name", g->g.name, "time_ms", (json_int_t)g->g.time_ms,
	    "n", (int)g->n, "f", (int)g->f, "quorum", (int)g->quorum, "supply", amount_json(g->supply),
	    "allocations", (json_int_t)g->g.allocations.allocations_len, "replicas", replicas_json(g),
	    "parameters", rules_json(g, "params", NULL), "seal",
	    g->g.seal.kind == QSEAL_NONE ? json_null() : rules_json(g, "seal", "pow"), "proposer",
	    stake_rules(g) == NULL ? json_null() : rules_json(g, "proposer", "stake"), "timeout_ms",
	    (json_int_t)g->timeout_ms, "timeout_cap_ms", (json_int_t)g->timeout_cap_ms);
}

/* The accounts of the operators, and what stands behind each replica. */
static void print_stakes(const struct genesis *g)
{
	struct qstake stakes[Q_REPLICAS_MAX];
	stakes_of(g, stakes);
	struct schedule s = schedule_of(g, stakes);
	char turns[24];
	snprintf(turns, sizeof turns, "turns of %d", SCHEDULE_CYCLE);
	putchar('\n');
	struct out_table *t =
	    out_table_new(5, (const char *const[]){"replica", "account", "own stake", "delegated", turns});
	for (unsigned i = 0; i < g->n; i++) {
		char account[ADDRESS_TEXT];
		out_table_cell(t, "%u", i);
		out_table_cell(t, "%s",
		               address_format(g->g.replicas.replicas_val[i].account.account_val, account));
		out_table_cell(t, "%llu", (unsigned long long)stakes[i].own);
		out_table_cell(t, "%llu", (unsigned long long)stakes[i].delegated);
		out_table_cell(t, "%u", s.weight[i]);
	}
	out_table_end(t);
}

static void print_modes(const struct genesis *g, int width)
{
	const struct qstake_rules *r = stake_rules(g);
	char text[WORDS_MAX];
	words_about_seal(g, text);
	out_field(width, "seal", "%s", text);
	words_about_proposers(g, text);
	out_field(width, "proposers", "%s", text);
	out_field(width, "time-outs", "%llu to %llu ms", (unsigned long long)g->timeout_ms,
	          (unsigned long long)g->timeout_cap_ms);
	if (r != NULL)
		out_field(width, "stake",
		          "is free %u heights after its release; a conviction takes %u %% of own stake, %u "
		          "%% of delegated",
		          r->unbonding, r->penalty, r->delegator_penalty);
}

void genesis_print_parent(int width, const struct qparent *p)
{
	char text[QHASH_HEX];
	if (p == NULL)
		return;
	out_field(width, "succeeds", "%s", hex_encode(text, p->chain.b, sizeof p->chain.b));
	out_field(width, "at height", "%llu, block %s", (unsigned long long)p->height.n,
	          hex_encode(text, p->block.b, sizeof p->block.b));
	out_field(width, "state", "%s", hex_encode(text, p->state.b, sizeof p->state.b));
}

static void print_genesis(const struct genesis *g)
{
	char text[QHASH_HEX];
	enum { W = 12 };
	out_field(W, "name", "%s", g->g.name);
	out_field(W, "chain", "%s", hex_encode(text, g->chain.b, sizeof g->chain.b));
	genesis_print_parent(W, genesis_parent(g));
	out_field(W, "replicas", "%u; %u may be faulty; %u make a quorum", g->n, g->f, g->quorum);
	out_field(W, "supply", "%llu in %u allocations", (unsigned long long)g->supply,
	          g->g.allocations.allocations_len);
	print_modes(g, W);
	putchar('\n');
	struct out_table *t = out_table_new(4, (const char *const[]){"replica", "name", "key", "address"});
	for (unsigned i = 0; i < g->n; i++) {
		const struct qreplica *r = &g->g.replicas.replicas_val[i];
		out_table_cell(t, "%u", i);
		out_table_cell(t, "%s", r->name);
		out_table_cell(t, "%s", hex_encode(text, r->key.b, sizeof r->key.b));
		out_table_cell(t, "%s", r->address);
	}
	out_table_end(t);
	if (stake_rules(g) != NULL)
		print_stakes(g);
	putchar('\n');
	struct qgenesis q = g->g; /* borrowed */
	struct genesis_field fields[GENESIS_FIELDS_MAX];
	size_t cnt = genesis_fields(&q, fields);
	for (size_t i = 0; i < cnt; i++) {
		char name[64];
		genesis_field_name(&fields[i], name);
		out_field(26, name, "%u", *fields[i].value);
	}
}

/* What is allowed, and yet hardly what was meant. */
void genesis_note_oddities(const struct genesis *g)
{
	struct qstake stakes[Q_REPLICAS_MAX];
	const struct qstake_rules *r = stake_rules(g);
	if (r == NULL)
		return;
	stakes_of(g, stakes);
	if (schedule_of(g, stakes).alike)
		out_note(
		    "note: by their stake fewer than %u replicas would have a turn; till that changes all "
		    "propose alike",
		    g->f + 1);
	if (r->epoch % (r->turn * SCHEDULE_CYCLE) != 0)
		out_note("note: proposer.epoch is not a whole number of cycles of %d turns (%u heights), so "
		         "turns are less evenly shared where stakes move much",
		         SCHEDULE_CYCLE, r->turn * SCHEDULE_CYCLE);
}

int genesis_show(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse_file,
	    .args_doc = "FILE",
	    .doc = "Shows a genesis: chain id, replicas, seals, who proposes and with what stake, "
	           "parameters, supply.",
	    .children = json_children,
	};
	struct file_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	struct err err = {0};
	struct genesis *g = genesis_load(args.file, &err);
	if (g == NULL)
		return cmd_fail(&err);
	if (args.common.json)
		out_json_take(genesis_json(g));
	else
		print_genesis(g);
	genesis_note_oddities(g);
	genesis_free(g);
	return EXIT_DONE;
}
