/*
 * cmd_given.c: options given twice or without a value, found as argp itself will read the line: by
 * getopt_long() with the same options.
 */
#include "cmd_given.h"

#include <ctype.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 64

/* The options that take a value, of a command and of what it has in common with others. */
struct given {
	const struct argp_option *of[OPTIONS_MAX];
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 1];
	unsigned cnt;
};

static void collect(struct given *g, const struct argp *argp)
{
	const struct argp_option *o = argp->options;
	for (; o != NULL && (o->name != NULL || o->doc != NULL); o++) {
		if (o->name == NULL)
			continue;
		must(g->cnt < OPTIONS_MAX);
		g->of[g->cnt] = o;
		g->longs[g->cnt++] =
		    (struct option){o->name, o->arg != NULL ? required_argument : no_argument, NULL, o->key};
		if (o->key <= UINT8_MAX && isprint(o->key)) {
			size_t len = strlen(g->shorts);
			g->shorts[len] = (char)o->key;
			g->shorts[len + 1] = o->arg != NULL ? ':' : '\0';
		}
	}
	for (const struct argp_child *c = argp->children; c != NULL && c->argp != NULL; c++)
		collect(g, c->argp);
}

static unsigned index_of(const struct given *g, int key)
{
	unsigned i = 0;
	while (i < g->cnt && g->of[i]->key != key)
		i++;
	return i;
}

static bool check(const struct given *g, unsigned i, const char *value, unsigned *times, struct err *err)
{
	const struct argp_option *o = g->of[i];
	if (o->arg == NULL)
		return true;
	if (*value == '\0' && (o->flags & CMD_MAY_BE_EMPTY) == 0)
		return err_set(err, ERR_INPUT, "--%s: its value is empty", o->name);
	if (times[i]++ > 0 && (o->flags & CMD_REPEATED) == 0)
		return err_set(err, ERR_INPUT, "--%s: given twice; leave one of them out", o->name);
	return true;
}

bool cmd_given_check(const struct argp *argp, int argc, char *const argv[], struct err *err)
{
	struct given g = {0};
	unsigned times[OPTIONS_MAX] = {0};
	bool ok = true;
	/* getopt_long() puts the words in order, and that is argp's to do. */
	char **words = xmemdup(argv, ((size_t)argc + 1) * sizeof *argv);

	collect(&g, argp);
	optind = 0; /* anew */
	opterr = 0;
	for (int key; ok && (key = getopt_long(argc, words, g.shorts, g.longs, NULL)) != -1;) {
		unsigned i = index_of(&g, key);
		ok = i == g.cnt || check(&g, i, optarg, times, err);
	}
	free(words);
	return ok;
}
