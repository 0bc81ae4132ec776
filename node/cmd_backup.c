/*
 * cmd_backup.c: `quorate backup`: a copy of a ledger while its node runs; cmd_restore.c puts it back.
 *
 * ledger/backup.c copies and names, the audit proves; here is what is asked of them, and what is never
 * copied: the vote log (votes.h).  A copy of it is old as soon as its replica signs once more, and a replica
 * that is started with an old one may sign the opposite of what it signed since.  With none it keeps silent
 * until it cannot (rule ST5).  So a backup has no vote log, and a restore leaves alone the one that is there,
 * which knows of every vote up to the last, whatever became of the ledger.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "audit.h"
#include "cmd_backup.h"
#include "home.h"
#include "out.h"

#define CLEAR_LINE "\r\033[K"

/* ---- signals, progress --------------------------------------------------------------- */

/* What Ctrl-C must not leave behind: the copy that is not finished. */
static char unfinished[PATH_MAX];

static void remove_unfinished(int number)
{
	unlink(unfinished);
	signal(number, SIG_DFL);
	raise(number);
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

void backup_hold_signals(int how)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaddset(&set, ends[i]);
	sigprocmask(how, &set, NULL);
}

struct backup *backup_start(const char *to, struct err *err)
{
	backup_hold_signals(SIG_BLOCK);
	struct backup *b = backup_begin(to, err);
	if (b != NULL) {
		/* A longer path could not have been opened. */
		snprintf(unfinished, sizeof unfinished, "%s", backup_path(b));
		for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
			if (signal(ends[i], remove_unfinished) == SIG_IGN) /* nohup */
				signal(ends[i], SIG_IGN);
		signal(SIGXFSZ, SIG_IGN); /* a file too large is an error of write(), as a full disk is */
	}
	backup_hold_signals(SIG_UNBLOCK);
	return b;
}

static bool on_terminal(void)
{
	return isatty(STDERR_FILENO);
}

static void show_copied(void *ctx, uint64_t done, uint64_t pages)
{
	(void)ctx;
	fprintf(stderr, CLEAR_LINE "copying: %" PRIu64 " of %" PRIu64 " pages", done, pages);
	fflush(stderr);
}

static void show_audited(void *ctx, const char *path, struct qheight at, struct qheight of)
{
	(void)ctx;
	(void)path;
	fprintf(stderr, CLEAR_LINE "verifying: block %" PRIu64 " of %" PRIu64, (uint64_t)at.n,
	        (uint64_t)of.n);
	fflush(stderr);
}

static void clear_line(void)
{
	if (on_terminal())
		fputs(CLEAR_LINE, stderr);
}

/* ---- the two steps that both commands have --------------------------------------------- */

bool backup_make(struct backup *b, const char *from, const struct genesis *g, struct backup_facts *facts,
                 struct err *err)
{
	struct backup_progress progress = {.told = on_terminal() ? show_copied : NULL};
	bool ok = backup_copy(b, from, g != NULL ? &g->chain : NULL, &progress, facts, err);
	clear_line();
	return ok;
}

bool backup_prove(const struct backup *b, const char *of, const struct genesis *g, uint64_t *transactions,
                  struct err *err)
{
	struct audit_options options = {.progress = on_terminal() ? show_audited : NULL};
	struct audit_report report;
	const char *path = backup_path(b);
	bool ran = audit_run(&path, 1, g, &options, &report, err), ok = false;
	clear_line();
	if (!ran)
		return err_prefix(err, "the copy of %s", of);
	const struct audit_ledger *l = &report.ledgers[0];
	ok = report.ok;
	*transactions = l->transactions;
	if (!ok)
		err_set(err, ERR_NO, "%s: %s: height %" PRIu64 ", %s: %s; quorate audit tells all of it", of,
		        audit_standing_name(l->standing), (uint64_t)l->findings[0].height.n,
		        l->findings[0].where, l->findings[0].message);
	audit_report_free(&report);
	return ok;
}

json_t *backup_json_path(const char *path)
{
	json_t *text = path != NULL ? json_string(path) : NULL;
	return text != NULL ? text : json_null();
}

void backup_say(const struct backup_facts *f, json_t *to)
{
	char chain[QHASH_HEX], block[QHASH_HEX];
	hex_encode(chain, f->chain.b, sizeof f->chain.b);
	hex_encode(block, f->block.b, sizeof f->block.b);
	if (to != NULL) {
		json_object_set_new(to, "chain", json_string(chain));
		json_object_set_new(to, "height", json_integer((json_int_t)f->height.n));
		json_object_set_new(to, "block", json_string(block));
		json_object_set_new(to, "bytes", json_integer((json_int_t)f->bytes));
		return;
	}
	out_field(BACKUP_WIDTH, "chain", "%s", chain);
	out_field(BACKUP_WIDTH, "height", "%" PRIu64, (uint64_t)f->height.n);
	out_field(BACKUP_WIDTH, "block", "%s", block);
	out_field(BACKUP_WIDTH, "bytes", "%" PRIu64, f->bytes);
}

error_t backup_option(int key, char *arg, struct argp_state *state)
{
	struct backup_args *args = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		CMD_CHILD_INIT(state);
		return 0;
	case 'g':
		args->common.genesis = arg;
		return 0;
	case BACKUP_KEY_HOME:
		args->home = arg;
		return 0;
	case BACKUP_KEY_FORCE:
		args->force = true;
		return 0;
	case ARGP_KEY_END:
		if (args->home == NULL)
			argp_error(state, "--home is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- backup ------------------------------------------------------------------------------ */

static void say_backup(const struct backup_args *args, const struct backup_facts *f, uint64_t transactions)
{
	if (args->common.json) {
		json_t *said = json_pack("{s:o, s:s, s:b, s:s}", "backup", backup_json_path(args->file),
		                         "structure", "ok", "verified", args->verify, "vote_log", "left_out");
		if (args->verify)
			json_object_set_new(said, "transactions", json_integer((json_int_t)transactions));
		backup_say(f, said);
		out_json_take(said);
	} else {
		out_field(BACKUP_WIDTH, "backup", "%s", args->file);
		backup_say(f, NULL);
		if (args->verify)
			out_field(BACKUP_WIDTH, "checked",
			          "by the audit, from the genesis to the last signature: %" PRIu64
			          " transactions",
			          transactions);
		else
			out_field(BACKUP_WIDTH, "checked",
			          "chain, tip and the file's structure; no signature (--verify does)");
		out_field(BACKUP_WIDTH, "vote log",
		          "left out, always: with an old one a replica may sign twice");
	}
	out_note("to put it back: quorate restore %s --home HOME", args->file);
}

/* The genesis that the ledger has to be of: --genesis, else that of the home that was named.  *g is NULL
 * where there is neither. */
static bool find_genesis(const struct backup_args *args, struct genesis **g, struct err *err)
{
	struct stat st;
	struct home home;
	*g = NULL;
	if (stat(args->home, &st) != 0)
		return err_set(err, ERR_INPUT, "%s: %s", args->home, strerror(errno));
	home_paths(&home, args->home);
	const char *path = args->common.genesis != NULL ? args->common.genesis
	                   : S_ISDIR(st.st_mode)        ? home.genesis
	                                                : NULL;
	if (path != NULL)
		*g = genesis_load(path, err);
	home_free(&home);
	return path == NULL || *g != NULL;
}

static bool make_backup(const struct backup_args *args, const char *ledger, const struct genesis *g,
                        struct err *err)
{
	struct backup_facts facts;
	uint64_t transactions = 0;
	if (!backup_may_take(args->file, args->force, err))
		return false;
	struct backup *b = backup_start(args->file, err);
	if (b == NULL)
		return false;
	bool ok = backup_make(b, ledger, g, &facts, err) &&
	          (!args->verify || backup_prove(b, ledger, g, &transactions, err)) &&
	          backup_publish(b, args->force, err);
	backup_end(b);
	if (ok)
		say_backup(args, &facts, transactions);
	return ok;
}

static int backup(const struct backup_args *args)
{
	struct err err = {0};
	struct genesis *g;
	if (!find_genesis(args, &g, &err))
		return cmd_fail(&err);
	if (args->verify && g == NULL)
		return cmd_error(ERR_INPUT,
		                 "--verify: --genesis is missing: an audit trusts the chain's genesis "
		                 "and nothing else");
	char *ledger = access_ledger_path(args->home);
	bool ok = make_backup(args, ledger, g, &err);
	free(ledger);
	genesis_free(g);
	return ok ? EXIT_DONE : cmd_fail(&err);
}

enum { KEY_TO = BACKUP_KEYS, KEY_VERIFY };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct backup_args *args = state->input;
	switch (key) {
	case KEY_TO:
		args->file = arg;
		return 0;
	case KEY_VERIFY:
		args->verify = true;
		return 0;
	case ARGP_KEY_END:
		if (args->file == NULL)
			argp_error(state, "--to is missing");
		return backup_option(key, arg, state);
	default:
		return backup_option(key, arg, state);
	}
}

int cmd_backup(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"home", BACKUP_KEY_HOME, "DIR", 0, "The replica's home, or a ledger file", 1},
	    {"to", KEY_TO, "FILE", 0, "The copy: a new file", 1},
	    {"verify", KEY_VERIFY, NULL, 0, "Audit the copy before it gets its name", 1},
	    {"genesis", 'g', "FILE", 0, "The chain's genesis. Default: the one in the home", 1},
	    {"force", BACKUP_KEY_FORCE, NULL, 0, "Replace an earlier backup of this name", 1},
	    {0},
	};
	static const struct argp_child children[] = {{.argp = &cmd_json_argp}, {0}};
	static const struct argp argp = {
	    .options = options,
	    .parser = parse,
	    .doc =
	        "Copies a ledger, while its node runs or not: one state of it, as of one block, into one "
	        "file "
	        "of mode 0600 that takes its name when it is whole and on disk.\v"
	        "The vote log (votes.db) is not copied, and must not be by other means: it is old with the "
	        "next vote, and a replica that is started with an old one may sign the opposite of what it "
	        "signed since. `quorate restore` puts a backup back, and says how the replica gets on "
	        "without "
	        "one. Exit code: 0 done, 1 --verify found the ledger wrong, 2 wrong usage or no ledger of "
	        "this chain, 3 it could not be written.",
	    .children = children,
	};
	struct backup_args args = {0};
	cmd_parse(&argp, argc, argv, &args);
	return backup(&args);
}
