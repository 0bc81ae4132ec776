/*
 * cmd_why.c: `quorate why`: is the chain making blocks, and if not, why, and what to do. Asks every node that
 * it can reach (why_ask.c), looks into the homes that are on this machine (why_home.c); why.c judges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "access.h"
#include "out.h"
#include "text.h"
#include "why_ask.h"

enum {
	POLL_MS = 200,  /* between two looks at the height, */
	LOOK_MS = 3000, /* for so long at most, where something waits */
	WHY_NODES_MAX = 2 * CMD_NODES_MAX,
};

struct why {
	struct cmd_common common;
	struct genesis *g;
	struct why_home homes[CMD_NODES_MAX];
	size_t home_cnt;
	char *url[WHY_NODES_MAX];
	struct why_node nodes[WHY_NODES_MAX];
	size_t cnt;
};

/* ---- the genesis ------------------------------------------------------------------------------------- */

/* The genesis that is at hand, else that of a home that was named, else that of the first node that answers.
 */
static struct genesis *find_genesis(struct why *w, struct err *err)
{
	const char *path = access_genesis_path(&w->common);
	if (path != NULL)
		return genesis_load(path, err);
	for (size_t i = 0; i < w->home_cnt; i++) {
		char *own = text_format("%s/genesis.json", w->homes[i].dir);
		struct genesis *g = genesis_load(own, err);
		free(own);
		if (g != NULL)
			return g;
	}
	for (size_t i = 0; i < w->cnt; i++)
		if (w->nodes[i].answers)
			return why_ask_genesis(w->url[i], err);
	for (size_t i = 0; i < w->cnt; i++)
		out_note("%s", w->nodes[i].silence);
	err_set(err, ERR_WORLD,
	        "no node answers, and no genesis is at hand: start a node, or name one with --node and the "
	        "chain's genesis with --genesis");
	return NULL;
}

static void compare_genesis(const struct why *w, struct why_node *n)
{
	struct genesis *theirs = why_ask_genesis(n->url, NULL);
	if (theirs != NULL)
		why_genesis_differs(w->g, theirs, n->other, sizeof n->other);
	genesis_free(theirs);
}

/* ---- all of them ----------------------------------------------------------------------------------- */

static void add(struct why *w, const char *url)
{
	for (size_t i = 0; i < w->cnt; i++)
		if (strcmp(w->url[i], url) == 0)
			return;
	if (w->cnt == WHY_NODES_MAX)
		return;
	w->url[w->cnt] = xstrdup(url);
	why_ask(w->url[w->cnt], &w->nodes[w->cnt]);
	w->cnt++;
}

static bool answers(const struct why *w, const char *url)
{
	for (size_t i = 0; i < w->cnt; i++)
		if (strcmp(w->url[i], url) == 0)
			return w->nodes[i].answers;
	return false;
}

/* The homes' own nodes, and those that were named; where neither was, those that every command asks. */
static bool add_all(struct why *w, struct err *err)
{
	for (size_t i = 0; i < w->home_cnt; i++)
		if (w->homes[i].url[0] != '\0')
			add(w, w->homes[i].url);
	if (w->home_cnt > 0 && w->common.node_cnt == 0)
		return true;
	struct client *c = access_client(&w->common, err);
	if (c == NULL)
		return false;
	for (size_t i = 0; i < client_nodes(c); i++, client_next(c))
		add(w, client_url(c));
	client_free(c);
	return true;
}

static bool collect(struct why *w, struct err *err)
{
	if (!add_all(w, err))
		return false;
	w->g = find_genesis(w, err);
	if (w->g == NULL)
		return false;
	for (size_t i = 0; i < w->cnt; i++)
		if (w->nodes[i].answers && !qhash_eq(&w->nodes[i].chain, &w->g->chain))
			compare_genesis(w, &w->nodes[i]);
	for (size_t i = 0; i < w->home_cnt; i++)
		if (!answers(w, w->homes[i].url))
			why_home_look(&w->homes[i], w->g);
	return true;
}

static bool any_waiting(const struct why *w)
{
	for (size_t i = 0; i < w->cnt; i++) {
		if (w->nodes[i].answers && w->nodes[i].waiting > 0)
			return true;
	}
	return false;
}

/* Where something waits: is a block made while we look? */
static bool moves(const struct why *w)
{
	uint64_t until_ms = access_now_ms() + LOOK_MS;
	if (!any_waiting(w))
		return false;
	while (access_now_ms() < until_ms) {
		access_nap_ms(POLL_MS);
		for (size_t i = 0; i < w->cnt; i++) {
			struct why_node now;
			if (!w->nodes[i].answers)
				continue;
			why_ask(w->url[i], &now);
			if (now.answers && now.height > w->nodes[i].height)
				return true;
			break; /* the first that answers will do */
		}
	}
	return false;
}

/* ---- what is said ------------------------------------------------------------------------------------ */

static const char *const verdicts[] = {[WHY_FINE] = "fine", [WHY_STUCK] = "stuck", [WHY_BLIND] = "unknown"};

static void print_time(struct out_table *t, uint64_t ms)
{
	if (ms == UINT64_MAX)
		out_table_cell(t, "-");
	else
		out_table_cell(t, "%.1f s", (double)ms / 1e3);
}

static void print_disk(struct out_table *t, uint64_t bytes)
{
	if (bytes == UINT64_MAX)
		out_table_cell(t, "-");
	else
		out_table_cell(t, "%.1f GiB", (double)bytes / (1u << 30));
}

/* Heights between the watermarks are agreed on at once: from the last stable checkpoint. */
static void print_node(const struct why *w, const struct why_node *n, struct out_table *t)
{
	uint64_t high = n->stable + 2 * (uint64_t)w->g->g.params.checkpoint_interval;
	out_table_cell(t, "%s", w->g->g.replicas.replicas_val[n->replica].name);
	out_table_cell(t, "%llu", (unsigned long long)n->height);
	out_table_cell(t, "%llu-%llu", (unsigned long long)n->stable, (unsigned long long)high);
	out_table_cell(t, "%s%llu", n->active ? "" : "asks for ", (unsigned long long)n->view);
	print_time(t, n->timer_ms);
	out_table_cell(t, "%llu", (unsigned long long)n->waiting);
	out_table_cell(t, "%s", n->muted[0] == '\0' ? "yes" : "no");
	out_table_style(t, n->muted[0] == '\0' ? OUT_PLAIN : OUT_BAD);
	out_table_cell(t, "%+.1f s", (double)n->clock_ms / 1e3);
	print_disk(t, n->disk_free);
}

static void print_nodes(const struct why *w)
{
	static const char *const head[] = {"node",    "replica", "height", "window", "view", "timer",
	                                   "waiting", "votes",   "clock",  "disk",   NULL};
	enum { COLUMNS = sizeof head / sizeof *head - 1 };
	struct out_table *t = out_table_new(COLUMNS, head);
	for (size_t i = 0; i < w->cnt; i++) {
		const struct why_node *n = &w->nodes[i];
		out_table_cell(t, "%s", n->url);
		if (n->answers && qhash_eq(&n->chain, &w->g->chain) && n->replica < w->g->n) {
			print_node(w, n, t);
			continue;
		}
		out_table_cell(t, "%s", n->answers ? "of another chain" : "no answer");
		out_table_style(t, OUT_BAD);
		for (unsigned k = 2; k < COLUMNS; k++)
			out_table_cell(t, "-");
	}
	out_table_end(t);
}

static void print_answer(const struct why *w, const struct why_answer *a, bool moved)
{
	printf("\n");
	if (a->verdict == WHY_BLIND)
		out_field(9, "chain", "no node of it answers");
	else if (a->verdict == WHY_STUCK)
		out_field(9, "chain", "makes no blocks");
	else
		out_field(9, "chain", "%s",
		          moved     ? "makes blocks"
		          : a->idle ? "idle: no transaction waits, and blocks are made of transactions only"
		                    : "fine");
	if (a->verdict != WHY_BLIND)
		out_field(9, "quorum", "%u of %u replicas can vote; a block takes %u", a->voters, w->g->n,
		          a->quorum);
	for (size_t i = 0; i < a->cnt; i++) {
		const struct why_finding *f = &a->findings[i];
		printf("\n");
		out_field(9, f->stops ? "stops it" : "beside", "%s", f->text);
		out_field(9, "do", "%s", f->action);
	}
}

/* Words of others may have been cut within a character. */
static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	char *plain = json == NULL ? xstrdup(text) : NULL;
	for (char *c = plain; c != NULL && *c != '\0'; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	if (json == NULL)
		json = json_string(plain);
	free(plain);
	return json;
}

static void print_json(const struct why_answer *a, bool moved)
{
	json_t *list = json_array();
	for (size_t i = 0; i < a->cnt; i++) {
		const struct why_finding *f = &a->findings[i];
		json_array_append_new(list, json_pack("{s:s, s:b, s:o, s:o}", "code", f->code, "stops",
		                                      (int)f->stops, "message", text_json(f->text), "action",
		                                      text_json(f->action)));
	}
	out_json_take(json_pack("{s:s, s:b, s:b, s:i, s:i, s:o}", "verdict", verdicts[a->verdict], "idle",
	                        (int)a->idle, "moved", (int)moved, "voters", (int)a->voters, "quorum",
	                        (int)a->quorum, "findings", list));
}

static int run(struct why *w)
{
	struct err err = {0};
	static struct why_answer answer;
	if (!collect(w, &err))
		return cmd_fail(&err);
	bool moved = moves(w);
	struct why_view view = {.g = w->g,
	                        .nodes = w->nodes,
	                        .cnt = w->cnt,
	                        .homes = w->homes,
	                        .home_cnt = w->home_cnt,
	                        .moved = moved};
	why_judge(&view, &answer);
	if (w->common.json) {
		print_json(&answer, moved);
	} else {
		print_nodes(w);
		print_answer(w, &answer, moved);
	}
	return answer.verdict == WHY_FINE ? EXIT_DONE : answer.verdict == WHY_STUCK ? EXIT_NO : EXIT_WORLD;
}

enum { KEY_HOME = 0x200 };

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct why *w = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case KEY_HOME:
		if (w->home_cnt == CMD_NODES_MAX)
			argp_error(state, "--home: at most %d", CMD_NODES_MAX);
		if (!is_folder(arg))
			argp_error(state, "--home \"%.200s\": no folder is there", arg);
		why_home_open(&w->homes[w->home_cnt++], arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_why(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"home", KEY_HOME, "DIR", CMD_REPEATED,
	     "A replica's home on this machine; may be repeated. Where its node does not answer, tells why",
	     1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse,
	    .doc =
	        "Is the chain making blocks, and if not, why, and what to do?\v"
	        "Asks every node that it is given; the more, the more it sees. A node that does not answer "
	        "says nothing: name its home with --home on the machine where it is. Exit code 0: blocks are "
	        "made, or "
	        "nothing waits for one; 1: the chain stands still; 3: no node answers.",
	    .children = children,
	};
	struct why *w = xcalloc(1, sizeof *w);
	cmd_parse(&argp, argc, argv, w);
	int code = run(w);
	genesis_free(w->g);
	for (size_t i = 0; i < w->cnt; i++)
		free(w->url[i]);
	free(w);
	return code;
}
