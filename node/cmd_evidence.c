/*
 * cmd_evidence.c: `quorate evidence [LEDGER]`: who did what no honest one does, each piece verified.
 * What it does with files is in cmd_evidence_files.c.
 */
#include "cmd_evidence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence_source.h"
#include "out.h"

struct list_args {
	struct cmd_common common;
	const char *ledger;
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct list_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case ARGP_KEY_ARG:
		if (args->ledger != NULL)
			argp_error(state, "one LEDGER, not also \"%s\"", arg);
		args->ledger = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- as JSON ---------------------------------------------------------------------------- */

json_t *evidence_text_json(const char *text)
{
	char *copy = xstrdup(text);
	json_t *json = json_string(copy);
	for (char *p = copy; json == NULL && *p != '\0'; p++)
		*p = *p < ' ' || *p > '~' ? '?' : *p;
	if (json == NULL)
		json = json_string(copy);
	free(copy);
	return json;
}

void evidence_piece_json(json_t *to, const struct genesis *g, const struct piece *p)
{
	json_t *more = p->holds ? evidence_json(g, &p->ev) : NULL;
	json_object_set_new(to, "verified", json_boolean(p->holds));
	if (more != NULL)
		json_object_update(to, more);
	else
		json_object_set_new(to, "reason", evidence_text_json(p->why.text));
	json_decref(more);
}

/* ---- for people ------------------------------------------------------------------------ */

enum { SHORT_HASH = 12 };

static void add_who(struct out_table *t, const struct genesis *g, const struct qevidence *ev,
                    const struct evidence_facts *facts)
{
	char address[ADDRESS_TEXT], *text = NULL;
	size_t len = 0;
	if (ev->kind == QEV_DOUBLE_SPEND) {
		out_table_cell(t, "%s", address_format(&facts->signer, address));
		return;
	}
	FILE *f = open_memstream(&text, &len);
	must(f != NULL);
	for (unsigned i = 0; i < g->n; i++)
		if (facts->culprits >> i & 1)
			fprintf(f, "%s%u (%s)", ftell(f) > 0 ? ", " : "", i,
			        g->g.replicas.replicas_val[i].name);
	must(fclose(f) == 0);
	out_table_cell(t, "%s", facts->culprits == 0 ? "not shown" : text);
	free(text);
}

static void add_number(struct out_table *t, bool has, uint64_t n)
{
	if (has)
		out_table_cell(t, "%" PRIu64, n);
	else
		out_table_cell(t, "-");
}

/* Of the second statement of two. */
static enum qkind second_kind(const struct qconflict *c)
{
	struct qmessage m;
	if (!wire_decode(WIRE(qmessage), c->second.body.body_val, c->second.body.body_len, &m))
		return 0;
	enum qkind kind = m.kind;
	wire_free(WIRE(qmessage), &m);
	return kind;
}

static void add_what(struct out_table *t, const struct qevidence *ev, const struct evidence_facts *facts)
{
	const char *statement = statement_name(facts->statement);
	char first[QHASH_HEX], second[QHASH_HEX];
	hex_encode(first, facts->first.b, sizeof facts->first.b);
	hex_encode(second, facts->second.b, sizeof facts->second.b);
	if (ev->kind == QEV_DOUBLE_SPEND)
		out_table_cell(t, "%s and %s", first, second); /* whole: `quorate tx show` takes them */
	else if (ev->kind == QEV_BAD_PROPOSAL)
		out_table_cell(t, "%s %.*s", statement, SHORT_HASH, first);
	else if (ev->kind == QEV_CONFLICT && second_kind(&ev->qevidence_u.conflict) != facts->statement)
		out_table_cell(t, "%s %.*s, hidden later", statement, SHORT_HASH, first);
	else if (ev->kind == QEV_CONFLICT && qhash_eq(&facts->first, &facts->second))
		out_table_cell(t, "%s %.*s, two states", statement, SHORT_HASH, first);
	else
		out_table_cell(t, "%s %.*s and %.*s", statement, SHORT_HASH, first, SHORT_HASH, second);
}

static void add_piece(struct out_table *t, const struct genesis *g, const struct piece *p)
{
	struct evidence_facts facts;
	out_table_cell(t, "%" PRId64, p->seq);
	if (!p->holds || !evidence_facts(g, &p->ev, &facts)) {
		for (int i = 0; i < 4; i++)
			out_table_cell(t, "-");
		out_table_cell(t, "no");
		out_table_style(t, OUT_BAD);
		out_table_cell(t, "%s", p->why.text);
		out_table_style(t, OUT_BAD);
		return;
	}
	enum qkind kind = facts.statement;
	bool spends = p->ev.kind == QEV_DOUBLE_SPEND;
	out_table_cell(t, "%s", evidence_kind_name(p->ev.kind));
	add_who(t, g, &p->ev, &facts);
	add_number(t, !spends && kind != QCHECKPOINT, facts.view.n);
	add_number(t, !spends && kind != QVIEW_CHANGE && kind != QNEW_VIEW, facts.height.n);
	out_table_cell(t, "yes");
	out_table_style(t, OUT_GOOD);
	add_what(t, &p->ev, &facts);
}

/* ---- listing --------------------------------------------------------------------------- */

struct list {
	struct out_table *table; /* one of the two */
	json_t *json;
	size_t cnt, bad;
};

static void add(struct list *l, const struct genesis *g, const struct piece *p)
{
	l->cnt++;
	l->bad += !p->holds;
	if (l->json == NULL) {
		add_piece(l->table, g, p);
		return;
	}
	json_t *item = json_pack("{s:I}", "seq", (json_int_t)p->seq);
	evidence_piece_json(item, g, p);
	json_array_append_new(l->json, item);
}

static void print_sum(const struct list *l, const char *from)
{
	if (l->cnt == 0)
		printf("no evidence in the journal of %s\n", from);
	else if (l->bad == 0)
		printf("\n%zu piece%s of evidence in the journal of %s, verified against the genesis\n",
		       l->cnt, l->cnt == 1 ? "" : "s", from);
	else
		printf("\n%zu piece%s of evidence in the journal of %s; %s%zu of them convict%s nobody%s\n",
		       l->cnt, l->cnt == 1 ? "" : "s", from, out_style(stdout, OUT_BAD), l->bad,
		       l->bad == 1 ? "s" : "", out_style(stdout, OUT_PLAIN));
}

static void print_list(struct list *l, const struct evidence_source *s)
{
	if (l->json != NULL) {
		char chain[QHASH_HEX];
		hex_encode(chain, s->genesis->chain.b, sizeof s->genesis->chain.b);
		out_json_take(json_pack("{s:s, s:o, s:O}", "chain", chain, "source",
		                        evidence_text_json(s->name), "evidence", l->json));
		return;
	}
	if (l->cnt > 0)
		out_table_end(l->table);
	l->table = NULL;
	print_sum(l, s->name);
}

static int list(const struct list_args *args)
{
	static const char *const head[] = {"NUMBER", "KIND", "WHO", "VIEW", "HEIGHT", "HOLDS", "WHAT"};
	struct evidence_source s;
	struct piece p;
	struct err err = {0};
	struct list l = {0};
	enum found found = FOUND_ERROR;
	if (evidence_source_open(&s, &args->common, args->ledger, &err)) {
		l.json = args->common.json ? json_array() : NULL;
		l.table = args->common.json ? NULL : out_table_new(sizeof head / sizeof *head, head);
		while ((found = evidence_next(&s, &p, &err)) == FOUND) {
			add(&l, s.genesis, &p);
			piece_free(&p);
		}
	}
	if (found == NOT_FOUND)
		print_list(&l, &s);
	json_decref(l.json);
	evidence_source_close(&s);
	return found != NOT_FOUND ? cmd_fail(&err) : l.bad > 0 ? EXIT_NO : EXIT_DONE;
}

static int evidence_list(int argc, char **argv)
{
	static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};
	static const struct argp argp = {
	    .parser = parse_list,
	    .args_doc = "[LEDGER]\nexport N|--all [LEDGER] -o FILE\nverify FILE...",
	    .doc =
	        "Lists the evidence that a node has kept: replicas that contradicted themselves or proposed "
	        "what is invalid, owners who spent an output twice, certified chains that part. Each piece "
	        "is "
	        "verified against the genesis at hand, whoever keeps it.\v"
	        "LEDGER is a ledger file or a node's home, which is read without any node; its node may be "
	        "running. Without it a node is asked. A home's own genesis is used where --genesis is not "
	        "given.\n\n"
	        "`quorate evidence export --help` and `quorate evidence verify --help` tell about evidence "
	        "as "
	        "files. Exit code: 0, also where there is no evidence; 1 if a piece convicts nobody, as one "
	        "in "
	        "a ledger that somebody has edited.",
	    .children = children,
	};
	struct list_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	return list(&args);
}

int cmd_evidence(int argc, char **argv)
{
	static const struct command commands[] = {
	    {"export", cmd_evidence_export, "write pieces of evidence to files"},
	    {"verify", cmd_evidence_verify, "whom do evidence files convict, and of what?"},
	    {NULL, NULL, NULL},
	};
	for (const struct command *c = commands; argc > 1 && c->name != NULL; c++)
		if (strcmp(argv[1], c->name) == 0)
			return command_run(commands, "", argc, argv);
	return evidence_list(argc, argv);
}
