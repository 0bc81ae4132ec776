/*
 * cmd_why.c: `quorate why`: is the chain making blocks, and if not, why, and what to do. Asks every node that
 * it can reach; why.c judges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "clock.h"
#include "out.h"
#include "text.h"
#include "why.h"

enum {
	ASK_MS = 2000,  /* for one answer: who is not there is part of the diagnosis */
	POLL_MS = 200,  /* between two looks at the height, */
	LOOK_MS = 3000, /* for so long at most, where something waits */
};

struct why {
	struct cmd_common common;
	struct genesis *g;
	char *url[CMD_NODES_MAX];
	struct why_node nodes[CMD_NODES_MAX];
	size_t cnt;
};

/* ---- one node -------------------------------------------------------------------------------------- */

static uint64_t number(const json_t *object, const char *key, uint64_t otherwise)
{
	const json_t *v = json_object_get(object, key);
	return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : otherwise;
}

static void copy_text(char *to, size_t cap, const json_t *from)
{
	snprintf(to, cap, "%s", json_is_string(from) ? json_string_value(from) : "");
}

/* Its clock when it answered, by its word, less ours in the middle of the question. */
static int64_t clock_offset(const json_t *status, uint64_t asked_ms, uint64_t answered_ms)
{
	uint64_t here = asked_ms + (answered_ms - asked_ms) / 2, there = number(status, "now_ms", here);
	return (int64_t)(there - here);
}

static void read_peers(const json_t *peers, struct why_node *n)
{
	size_t i;
	const json_t *peer;
	json_array_foreach((json_t *)peers, i, peer)
	{
		uint64_t index = number(peer, "index", Q_REPLICAS_MAX);
		if (index >= Q_REPLICAS_MAX)
			continue;
		n->peer[index] = (struct why_peer){
		    .connected = json_is_true(json_object_get(peer, "connected")),
		    .heard = json_is_integer(json_object_get(peer, "height")),
		    .height = number(peer, "height", 0),
		    .silent_ms = number(peer, "silent_ms", 0),
		};
	}
}

static struct client *client_of(const char *url, struct err *err)
{
	return client_new(&url, 1, ASK_MS, err);
}

static void ask(const char *url, struct why_node *n)
{
	struct err err = {0};
	struct client *c = client_of(url, &err);
	uint64_t asked_ms = clock_ms(CLOCK_REALTIME);
	json_t *s = c == NULL ? NULL : client_get(c, "/v1/status", &err);
	*n = (struct why_node){.url = url, .disk_free = UINT64_MAX};
	const char *chain = json_string_value(json_object_get(s, "chain"));
	n->answers = chain != NULL && hex_decode(n->chain.b, sizeof n->chain.b, chain) &&
	             json_is_integer(json_object_get(s, "replica"));
	if (s != NULL && !n->answers)
		err_set(&err, ERR_WORLD, "%.150s answers, but not as a node does", url);
	snprintf(n->silence, sizeof n->silence, "%.255s", n->answers ? "" : err.text);
	if (n->answers) {
		uint64_t replica = number(s, "replica", Q_REPLICAS_MAX);
		n->replica = replica < Q_REPLICAS_MAX ? (unsigned)replica : Q_REPLICAS_MAX;
		n->height = number(s, "height", 0);
		n->certified = number(s, "certified", 0);
		n->stable = number(s, "stable", 0);
		n->view = number(s, "view", 0);
		n->waiting = number(s, "mempool", 0);
		n->active = !json_is_false(json_object_get(s, "active"));
		n->disk_free = number(s, "disk_free_bytes", UINT64_MAX);
		n->clock_ms = clock_offset(s, asked_ms, clock_ms(CLOCK_REALTIME));
		copy_text(n->muted, sizeof n->muted, json_object_get(s, "muted"));
		read_peers(json_object_get(s, "peers"), n);
	}
	json_decref(s);
	client_free(c);
}

/* ---- the genesis ------------------------------------------------------------------------------------- */

static json_t *genesis_of(const char *url)
{
	struct client *c = client_of(url, NULL);
	json_t *json = c == NULL ? NULL : client_get(c, "/v1/genesis", NULL);
	client_free(c);
	return json;
}

/* The genesis that is at hand, else that of the first node that answers. */
static struct genesis *find_genesis(struct why *w, struct err *err)
{
	const char *path = access_genesis_path(&w->common);
	if (path != NULL)
		return genesis_load(path, err);
	for (size_t i = 0; i < w->cnt; i++) {
		json_t *json = w->nodes[i].answers ? genesis_of(w->nodes[i].url) : NULL;
		if (json == NULL)
			continue;
		char *text = json_dumps(json, JSON_COMPACT);
		struct genesis *g = genesis_parse(text, strlen(text), err);
		free(text);
		json_decref(json);
		return g == NULL ? (err_prefix(err, "%s: its genesis", w->nodes[i].url), NULL) : g;
	}
	for (size_t i = 0; i < w->cnt; i++)
		out_note("%s", w->nodes[i].silence);
	err_set(err, ERR_WORLD,
	        "no node answers, and no genesis is at hand: start a node, or name one with --node and the "
	        "chain's genesis with --genesis");
	return NULL;
}

/* Where two genesis files differ first: "params.timeout_ms". */
static bool differ(const json_t *a, const json_t *b, char *path, size_t cap)
{
	size_t used = strlen(path);
	if (json_is_object(a) && json_is_object(b)) {
		const char *key;
		json_t *value;
		json_object_foreach((json_t *)a, key, value)
		{
			snprintf(path + used, cap - used, "%s%.40s", used > 0 ? "." : "", key);
			if (differ(value, json_object_get(b, key), path, cap))
				return true;
			path[used] = '\0';
		}
		return json_object_size(a) != json_object_size(b);
	}
	if (json_is_array(a) && json_is_array(b)) {
		for (size_t i = 0; i < json_array_size(a); i++) {
			snprintf(path + used, cap - used, "[%zu]", i);
			if (differ(json_array_get(a, i), json_array_get(b, i), path, cap))
				return true;
			path[used] = '\0';
		}
		return json_array_size(a) != json_array_size(b);
	}
	return !json_equal(a, b);
}

static void compare_genesis(const struct why *w, struct why_node *n)
{
	char *text = genesis_format(w->g);
	json_t *ours = json_loads(text, 0, NULL), *theirs = genesis_of(n->url);
	if (ours == NULL || theirs == NULL || !differ(ours, theirs, n->other, sizeof n->other))
		n->other[0] = '\0';
	json_decref(ours);
	json_decref(theirs);
	free(text);
}

/* ---- all of them -----------------------------------------------------------------------------------------
 */

static bool collect(struct why *w, struct err *err)
{
	struct client *c = access_client(&w->common, err);
	if (c == NULL)
		return false;
	for (size_t i = 0; i < client_nodes(c) && i < CMD_NODES_MAX; i++, client_next(c)) {
		w->url[w->cnt] = xstrdup(client_url(c));
		ask(w->url[w->cnt], &w->nodes[w->cnt]);
		w->cnt++;
	}
	client_free(c);
	w->g = find_genesis(w, err);
	if (w->g == NULL)
		return false;
	for (size_t i = 0; i < w->cnt; i++) {
		if (w->nodes[i].answers && !qhash_eq(&w->nodes[i].chain, &w->g->chain))
			compare_genesis(w, &w->nodes[i]);
	}
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
			ask(w->url[i], &now);
			if (now.answers && now.height > w->nodes[i].height)
				return true;
			break; /* the first that answers will do */
		}
	}
	return false;
}

/* ---- what is said
 * ------------------------------------------------------------------------------------------ */

static const char *const verdicts[] = {[WHY_FINE] = "fine", [WHY_STUCK] = "stuck", [WHY_BLIND] = "unknown"};

static void print_nodes(const struct why *w)
{
	static const char *const head[] = {"node",    "replica", "height", "view",
	                                   "waiting", "votes",   "clock",  NULL};
	struct out_table *t = out_table_new(7, head);
	for (size_t i = 0; i < w->cnt; i++) {
		const struct why_node *n = &w->nodes[i];
		bool ours = n->answers && qhash_eq(&n->chain, &w->g->chain) && n->replica < w->g->n;
		out_table_cell(t, "%s", n->url);
		if (!ours) {
			out_table_cell(t, "%s", n->answers ? "of another chain" : "no answer");
			out_table_style(t, OUT_BAD);
			for (unsigned k = 0; k < 5; k++)
				out_table_cell(t, "-");
			continue;
		}
		out_table_cell(t, "%s", w->g->g.replicas.replicas_val[n->replica].name);
		out_table_cell(t, "%llu", (unsigned long long)n->height);
		out_table_cell(t, "%s%llu", n->active ? "" : "asks for ", (unsigned long long)n->view);
		out_table_cell(t, "%llu", (unsigned long long)n->waiting);
		out_table_cell(t, "%s", n->muted[0] == '\0' ? "yes" : "no");
		out_table_style(t, n->muted[0] == '\0' ? OUT_PLAIN : OUT_BAD);
		out_table_cell(t, "%+lld ms", (long long)n->clock_ms);
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
	struct why_view view = {.g = w->g, .nodes = w->nodes, .cnt = w->cnt, .moved = moved};
	why_judge(&view, &answer);
	if (w->common.json) {
		print_json(&answer, moved);
	} else {
		print_nodes(w);
		print_answer(w, &answer, moved);
	}
	return answer.verdict == WHY_FINE ? EXIT_DONE : answer.verdict == WHY_STUCK ? EXIT_NO : EXIT_WORLD;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key == ARGP_KEY_INIT) {
		CMD_CHILD_INIT(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_why(int argc, char **argv)
{
	static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};
	static const struct argp argp = {
	    .parser = parse,
	    .doc = "Is the chain making blocks, and if not, why, and what to do?\v"
	           "Asks every node that it is given; the more, the more it sees. Exit code 0: blocks are "
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
