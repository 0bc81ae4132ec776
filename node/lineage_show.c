/*
 * lineage_show.c: a trace for people, for programs and for Graphviz.
 */
#include "lineage_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api_impl.h"
#include "clean.h"
#include "story.h"

#define LEVELS_SHOWN 40 /* of indentation */

static bool is_genesis(const struct lineage *t, const struct qtxid *id)
{
	return qtxid_eq(id, &t->g->txid);
}

/* A memo on one line: text in quotes, else hex. free() it; "" if there is none. */
static char *memo_line(const struct tx *tx)
{
	const uint8_t *memo = (const uint8_t *)tx->q.body.memo.memo_val;
	size_t len = tx->q.body.memo.memo_len;
	json_t *text = story_memo(memo, len);
	char *line = NULL;
	if (len == 0) {
		line = xstrdup("");
	} else if (json_is_string(text)) {
		line = json_dumps(text, JSON_ENCODE_ANY);
		clean_text(line);
	} else {
		line = xcalloc(1, 2 * len + 3);
		memcpy(line, "0x", 2);
		hex_encode(line + 2, memo, len);
	}
	json_decref(text);
	return line;
}

/* ---- the tree ------------------------------------------------------------------------------- */

struct frame {
	const struct lineage_hop *hop;
	u_int next;   /* input to be shown */
	size_t level; /* branches above it */
};

struct tree {
	FILE *to;
	const struct lineage *t;
	bool *shown; /* of each hop */
	bool *bars;  /* of each level: more branches follow */
	struct frame *frames;
	size_t frame_cnt;
};

static void print_amount(FILE *to, const struct qoutput *out)
{
	static const char *const locks[] = {
	    [QLOCK_STAKE] = "staked", [QLOCK_RELEASE] = "released", [QLOCK_FROZEN] = "frozen"};
	char address[ADDRESS_TEXT];
	fprintf(to, "%" PRIu64 " to %s", (uint64_t)out->amount, address_format(&out->owner, address));
	if (out->lock.kind != QLOCK_NONE)
		fprintf(to, " (%s, replica %u)", locks[out->lock.kind], out->lock.qlock_u.replica);
}

/* All of an outpoint in one line. */
static void print_point(struct tree *tree, const struct qoutpoint *p, bool again)
{
	const struct qoutput *out = lineage_output(tree->t, p);
	const struct lineage_hop *hop = lineage_find(tree->t, &p->tx);
	char id[QHASH_HEX];
	if (out != NULL)
		print_amount(tree->to, out);
	if (is_genesis(tree->t, &p->tx)) {
		fprintf(tree->to, "  genesis, allocation %u\n", p->index);
		return;
	}
	fprintf(tree->to, "%s%s:%u", out != NULL ? "  " : "", hex_encode(id, p->tx.b, sizeof p->tx.b),
	        p->index);
	if (hop == NULL) {
		fprintf(tree->to, "  not followed\n");
	} else if (again) {
		fprintf(tree->to, "  see above\n");
	} else {
		char *memo = memo_line(hop->tx);
		fprintf(tree->to, "  height %" PRIu64 "%s%s\n", (uint64_t)hop->place.height.n,
		        *memo ? "  " : "", memo);
		free(memo);
	}
}

static void print_indent(struct tree *tree, size_t level, bool branch, bool last)
{
	size_t above = level - branch, shown = above < LEVELS_SHOWN ? above : LEVELS_SHOWN;
	for (size_t i = 1; i <= shown; i++)
		fputs(tree->bars[i] ? "|  " : "   ", tree->to);
	if (above > shown)
		fprintf(tree->to, "(%zu more) ", above - shown);
	fputs(!branch ? "<- " : last ? "`- " : "|- ", tree->to);
}

static void push(struct tree *tree, const struct lineage_hop *hop, size_t level)
{
	tree->shown[hop - tree->t->hops] = true;
	tree->frames[tree->frame_cnt++] = (struct frame){.hop = hop, .level = level};
}

/* The next input of the frame on top. */
static void print_next(struct tree *tree)
{
	struct frame *f = &tree->frames[tree->frame_cnt - 1];
	u_int cnt = f->hop->tx->q.body.inputs.inputs_len;
	const struct qoutpoint *p = &f->hop->tx->q.body.inputs.inputs_val[f->next++];
	bool branch = cnt > 1, last = f->next == cnt;
	size_t level = f->level + branch;
	print_indent(tree, level, branch, last);
	if (branch)
		tree->bars[level] = !last;
	const struct lineage_hop *hop = lineage_find(tree->t, &p->tx);
	bool again = hop != NULL && tree->shown[hop - tree->t->hops];
	print_point(tree, p, again);
	if (hop != NULL && !again)
		push(tree, hop, level);
}

static void print_subject(struct tree *tree, const struct lineage_subject *s)
{
	for (u_int i = 0; i < s->output_cnt; i++) {
		if (s->all || s->index == i)
			print_point(tree, &(struct qoutpoint){.tx = s->id, .index = i}, false);
	}
}

void lineage_print(FILE *to, const struct lineage *t, const struct lineage_subject *s)
{
	struct tree tree = {.to = to, .t = t};
	tree.shown = xcalloc(t->hop_cnt + 1, sizeof *tree.shown);
	tree.bars = xcalloc(t->hop_cnt + 2, sizeof *tree.bars);
	tree.frames = xcalloc(t->hop_cnt + 1, sizeof *tree.frames);
	print_subject(&tree, s);
	if (t->hop_cnt > 0)
		push(&tree, &t->hops[0], 0);
	while (tree.frame_cnt > 0) {
		const struct frame *top = &tree.frames[tree.frame_cnt - 1];
		if (top->next < top->hop->tx->q.body.inputs.inputs_len)
			print_next(&tree);
		else
			tree.frame_cnt--;
	}
	free(tree.shown);
	free(tree.bars);
	free(tree.frames);
}

/* ---- JSON ------------------------------------------------------------------------------------- */

static json_t *hop_json(const struct lineage_hop *hop)
{
	const uint8_t *memo = (const uint8_t *)hop->tx->q.body.memo.memo_val;
	size_t len = hop->tx->q.body.memo.memo_len;
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "txid", API_HEX(hop->tx->id), "height",
	                 api_number(hop->place.height.n), "position", api_number(hop->place.position),
	                 "depth", api_number(hop->depth), "memo", story_memo(memo, len), "memo_hex",
	                 api_hex(memo, len));
}

static json_t *edge_json(const struct lineage *t, const struct lineage_hop *hop, u_int input)
{
	const struct qoutpoint *p = &hop->tx->q.body.inputs.inputs_val[input];
	const struct qoutput *out = lineage_output(t, p);
	const struct lineage_hop *from = lineage_find(t, &p->tx);
	json_t *json = json_pack("{s:{s:o, s:o}, s:{s:o, s:o}, s:b}", "from", "txid", API_HEX(p->tx), "index",
	                         api_number(p->index), "to", "txid", API_HEX(hop->tx->id), "input",
	                         api_number(input), "genesis", is_genesis(t, &p->tx));
	json_object_set_new(json, "height",
	                    out == NULL ? json_null() : api_number(from == NULL ? 0 : from->place.height.n));
	json_object_set_new(json, "owner", out == NULL ? json_null() : api_address(&out->owner));
	json_object_set_new(json, "amount", out == NULL ? json_null() : jread_amount_json(out->amount));
	if (out != NULL)
		api_lock(json, &out->lock);
	return json;
}

json_t *lineage_json(const struct lineage *t, const struct lineage_subject *s)
{
	json_t *hops = json_array(), *edges = json_array();
	for (size_t i = 0; i < t->hop_cnt; i++) {
		json_array_append_new(hops, hop_json(&t->hops[i]));
		for (u_int k = 0; k < t->hops[i].tx->q.body.inputs.inputs_len; k++)
			json_array_append_new(edges, edge_json(t, &t->hops[i], k));
	}
	json_t *stopped = t->many ? json_string("limit") : t->deep ? json_string("depth") : json_null();
	return json_pack("{s:{s:o, s:o}, s:b, s:o, s:o, s:o, s:o}", "output", "txid", API_HEX(s->id), "index",
	                 s->all ? json_null() : api_number(s->index), "complete", t->pending == 0, "stopped",
	                 stopped, "pending", api_number(t->pending), "transactions", hops, "edges", edges);
}

/* ---- Graphviz --------------------------------------------------------------------------------- */

/* Text in a quoted label. */
static void dot_text(FILE *to, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc(*text, to);
	}
}

static void dot_hop(FILE *to, const struct lineage_hop *hop)
{
	char id[QHASH_HEX], *memo = memo_line(hop->tx);
	hex_encode(id, hop->tx->id.b, sizeof hop->tx->id.b);
	fprintf(to, "  \"%s\" [label=\"%.12s\\nheight %" PRIu64, id, id, (uint64_t)hop->place.height.n);
	if (memo[0] != '\0')
		fputs("\\n", to);
	dot_text(to, memo);
	fputs("\"];\n", to);
	free(memo);
}

/* The name of the node that an output comes from. */
static void dot_source(FILE *to, const struct lineage *t, const struct qoutpoint *p)
{
	char id[QHASH_HEX];
	if (is_genesis(t, &p->tx))
		fprintf(to, "\"genesis %u\"", p->index);
	else
		fprintf(to, "\"%s\"", hex_encode(id, p->tx.b, sizeof p->tx.b));
}

static void dot_amount(FILE *to, const struct qoutput *out)
{
	char address[ADDRESS_TEXT];
	if (out != NULL)
		fprintf(to, " [label=\"%" PRIu64 "\\n%s\"]", (uint64_t)out->amount,
		        address_format(&out->owner, address));
	fputs(";\n", to);
}

static void dot_inputs(FILE *to, const struct lineage *t, const struct lineage_hop *hop)
{
	char id[QHASH_HEX];
	hex_encode(id, hop->tx->id.b, sizeof hop->tx->id.b);
	for (u_int i = 0; i < hop->tx->q.body.inputs.inputs_len; i++) {
		const struct qoutpoint *p = &hop->tx->q.body.inputs.inputs_val[i];
		if (is_genesis(t, &p->tx)) {
			fprintf(to, "  \"genesis %u\" [shape=ellipse];\n", p->index);
		} else if (lineage_find(t, &p->tx) == NULL) {
			fputs("  ", to);
			dot_source(to, t, p);
			fputs(" [style=dashed, label=\"not followed\"];\n", to);
		}
		fputs("  ", to);
		dot_source(to, t, p);
		fprintf(to, " -> \"%s\"", id);
		dot_amount(to, lineage_output(t, p));
	}
}

void lineage_dot(FILE *to, const struct lineage *t, const struct lineage_subject *s)
{
	fputs("digraph trace {\n  node [shape=box];\n", to);
	for (size_t i = 0; i < t->hop_cnt; i++) {
		dot_hop(to, &t->hops[i]);
		dot_inputs(to, t, &t->hops[i]);
	}
	for (u_int i = 0; i < s->output_cnt; i++) {
		struct qoutpoint p = {.tx = s->id, .index = i};
		if (!s->all && s->index != i)
			continue;
		fprintf(to, "  \"output %u\" [shape=ellipse, style=bold];\n  ", i);
		dot_source(to, t, &p);
		fprintf(to, " -> \"output %u\"", i);
		dot_amount(to, lineage_output(t, &p));
	}
	fputs("}\n", to);
}
