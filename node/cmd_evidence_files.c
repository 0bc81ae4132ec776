/*
 * cmd_evidence_files.c: `quorate evidence export`: pieces of a journal become files; `quorate evidence
 * verify`: whom files convict, and of what, by the genesis alone.
 */
#include "cmd_evidence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "access.h"
#include "clean.h"
#include "out.h"
#include "text.h"

/* ---- export ---------------------------------------------------------------------------- */

struct export_args {
	struct cmd_common common;
	const char *words[2]; /* number and ledger, as given */
	unsigned word_cnt;
	bool all;
	const char *out;
	uint64_t number;
	const char *ledger;
};

static void sort_words(struct export_args *args, struct argp_state *state)
{
	unsigned at = 0;
	if (!args->all) {
		if (args->word_cnt == 0)
			argp_error(state, "which one? `quorate evidence` lists their numbers; --all: each");
		const char *word = args->words[at++];
		if (!text_u64(word, INT64_MAX - 1, &args->number) || args->number == 0)
			argp_error(state, "\"%.40s\" is no number of a piece of evidence", word);
	}
	args->ledger = at < args->word_cnt ? args->words[at++] : NULL;
	if (at < args->word_cnt)
		argp_error(state, "one LEDGER, not also \"%s\"", args->words[at]);
	if (args->all && args->out == NULL)
		argp_error(state, "--all: -o DIRECTORY says where to");
}

static error_t parse_export(int key, char *arg, struct argp_state *state)
{
	struct export_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'a':
		args->all = true;
		return 0;
	case 'o':
		args->out = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (args->word_cnt == 2)
			argp_error(state, "N and LEDGER, not also \"%s\"", arg);
		args->words[args->word_cnt++] = arg;
		return 0;
	case ARGP_KEY_END:
		sort_words(args, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* To a new file; NULL or "-": to standard output. */
static bool write_piece(const struct genesis *g, const struct piece *p, const char *path, struct err *err)
{
	size_t len;
	char *text = evidence_format(g, &p->ev, &len);
	if (text == NULL)
		return err_set(err, ERR_NO, "it shows nothing that anybody did");
	bool ok = true;
	if (path == NULL || strcmp(path, "-") == 0)
		fwrite(text, 1, len, stdout);
	else
		ok = text_write_new(path, 0644, text, len, err);
	free(text);
	return ok;
}

struct written {
	json_t *list; /* of what was written: {seq, path} */
	size_t bad;   /* that were not, since they convict nobody */
};

static void say_written(const struct export_args *args, struct written *w, int64_t seq, const char *path)
{
	if (!args->common.json && path != NULL)
		out_note("evidence %" PRId64 " is in %s", seq, path);
	json_array_append_new(w->list, json_pack("{s:I, s:o}", "seq", (json_int_t)seq, "path",
	                                         path == NULL ? json_null() : evidence_text_json(path)));
}

static bool export_one(const struct export_args *args, struct evidence_source *s, struct written *w,
                       struct err *err)
{
	struct piece p;
	const char *path = args->out != NULL && strcmp(args->out, "-") == 0 ? NULL : args->out;
	evidence_source_from(s, (int64_t)args->number);
	enum found found = evidence_next(s, &p, err);
	if (found == FOUND_ERROR)
		return false;
	bool there = found == FOUND && p.seq == (int64_t)args->number, ok = false;
	if (!there)
		err_set(err, ERR_NO,
		        "the journal of %s has no evidence of number %llu; `quorate evidence` lists it",
		        s->name, (unsigned long long)args->number);
	else if (!p.holds)
		err_set(err, ERR_NO, "evidence %llu convicts nobody, and is not written: %s",
		        (unsigned long long)args->number, p.why.text);
	else
		ok = write_piece(s->genesis, &p, path, err);
	if (ok && path != NULL)
		say_written(args, w, p.seq, path);
	if (found == FOUND)
		piece_free(&p);
	return ok;
}

static bool export_to(const struct export_args *args, struct evidence_source *s, struct written *w,
                      const struct piece *p, struct err *err)
{
	if (!p->holds) {
		w->bad++;
		out_note("evidence %" PRId64 " convicts nobody, and is not written: %s", p->seq, p->why.text);
		return true;
	}
	char *path = text_format("%s/evidence-%" PRId64 ".json", args->out, p->seq);
	bool ok = write_piece(s->genesis, p, path, err);
	if (ok)
		say_written(args, w, p->seq, path);
	free(path);
	return ok;
}

static bool export_all(const struct export_args *args, struct evidence_source *s, struct written *w,
                       struct err *err)
{
	struct piece p;
	enum found found = FOUND;
	bool ok = true;
	if (mkdir(args->out, 0755) != 0 && errno != EEXIST)
		return err_set(err, ERR_WORLD, "%s: cannot be made: %s", args->out, strerror(errno));
	while (ok && (found = evidence_next(s, &p, err)) == FOUND) {
		ok = export_to(args, s, w, &p, err);
		piece_free(&p);
	}
	return ok && found == NOT_FOUND;
}

static int export(const struct export_args *args)
{
	struct evidence_source s;
	struct err err = {0};
	struct written w = {.list = json_array()};
	bool ok = evidence_source_open(&s, &args->common, args->ledger, &err) &&
	          (args->all ? export_all : export_one)(args, &s, &w, &err);
	bool to_stdout = !args->all && (args->out == NULL || strcmp(args->out, "-") == 0);
	if (ok && args->common.json && !to_stdout)
		out_json_take(json_pack("{s:O}", "written", w.list));
	else if (ok && args->all && !args->common.json && json_array_size(w.list) == 0)
		out_note("no evidence in the journal of %s", s.name);
	json_decref(w.list);
	evidence_source_close(&s);
	return !ok ? cmd_fail(&err) : w.bad > 0 ? EXIT_NO : EXIT_DONE;
}

int cmd_evidence_export(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"output", 'o', "FILE", 0,
	     "A new file (standard output without it); with --all a directory, which is made where it is not "
	     "there, for evidence-N.json",
	     1},
	    {"all", 'a', NULL, 0, "Every piece", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_chain_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse_export,
	    .args_doc = "N [LEDGER]\n--all [LEDGER]",
	    .doc =
	        "Writes a piece of evidence to a file that stands by itself: JSON with what was done in "
	        "words and the proof of it, for `quorate evidence verify` and `quorate stake convict`.\v"
	        "N is its number in the journal of that ledger or node, as `quorate evidence` lists it. What "
	        "convicts nobody is not written. Nothing is overwritten. Exit code 1: there is no such "
	        "piece, "
	        "or it convicts nobody.",
	    .children = children,
	};
	struct export_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	return export(&args);
}

/* ---- verify ---------------------------------------------------------------------------- */

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

static void print_piece(const struct genesis *g, const char *name, const struct piece *p)
{
	char *words = evidence_words(g, &p->ev);
	char *text = text_format("%s", name);
	clean_text(text);
	printf("%s: %sholds%s: %s\n", text, out_style(stdout, OUT_GOOD), out_style(stdout, OUT_PLAIN),
	       words == NULL ? "" : words);
	free(text);
	free(words);
}

/* Its exit code. */
static int verify_file(const struct verify_args *args, const struct genesis *g, const char *path,
                       json_t *list)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	struct piece p = {0};
	struct qevidence ev;
	if (evidence_read(g, path, &ev, &p.why)) {
		p.holds = evidence_verify(g, &ev, &p.why) || err_prefix(&p.why, "%s: convicts nobody", name);
		if (p.holds)
			p.ev = ev;
		else
			wire_free(WIRE(qevidence), &ev);
	}
	if (args->common.json) {
		json_t *item = json_pack("{s:o}", "path", evidence_text_json(name));
		evidence_piece_json(item, g, &p);
		json_array_append_new(list, item);
	} else if (p.holds) {
		print_piece(g, name, &p);
	}
	int code = p.holds ? EXIT_DONE : args->common.json ? (int)p.why.kind : cmd_fail(&p.why);
	piece_free(&p);
	return code;
}

static int verify(const struct verify_args *args)
{
	const char *path = access_genesis_path(&args->common);
	struct err err = {0};
	if (path == NULL)
		return cmd_error(ERR_INPUT, "--genesis is missing: whether evidence holds, the chain's "
		                            "genesis decides and nothing else");
	struct genesis *g = genesis_load(path, &err);
	if (g == NULL)
		return cmd_fail(&err);
	json_t *list = json_array();
	int worst = EXIT_DONE;
	for (size_t i = 0; i < args->cnt; i++) {
		int code = verify_file(args, g, args->files[i], list);
		worst = code > worst ? code : worst;
	}
	if (args->common.json)
		out_json_take(json_pack("{s:b, s:O}", "ok", worst == EXIT_DONE, "files", list));
	json_decref(list);
	genesis_free(g);
	return worst;
}

int cmd_evidence_verify(int argc, char **argv)
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
	    .doc =
	        "Verifies evidence files, with no node, no network and no database: whom do they convict, "
	        "and "
	        "of what?\v"
	        "FILE is what `quorate evidence export` or GET /v1/evidence/N gave; \"-\" is standard "
	        "input. Exit code: 0 each convicts, 1 one convicts nobody or is of another chain, 2 one is "
	        "no evidence file.",
	    .children = children,
	};
	struct verify_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	return verify(&args);
}
